//! Runs a command for its output.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::output::{Output, read_limited};
use sandbox_net_process::{Running, TimeBox};

/// How long a command may take.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Bytes that are read of a failed command's error output.
const COMPLAINT: u64 = 256;
/// How long to wait for the first line if something else holds the error output open.
const COMPLAINT_WAIT: Duration = Duration::from_secs(1);

/// Why a command gave no value. Contains neither its arguments nor its output.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A command needs a program.
    #[error("the command is empty")]
    NoProgram,
    /// The program cannot be run.
    #[error("cannot run {program}: {error}")]
    Run {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The program failed.
    #[error("{program} failed ({status}){}", suffix(complaint))]
    Failed {
        /// The program.
        program: String,
        /// Its exit code, or the signal that ended it.
        status: ExitStatus,
        /// The start of the first line of its error output; empty if it had written anything to
        /// its standard output, as the line might repeat it.
        complaint: String,
    },
    /// The program took too long, or something that it started held its output open for so long:
    /// all of them were killed.
    #[error("{program} took longer than {} s, and was killed", limit.as_secs_f32())]
    TimedOut {
        /// The program.
        program: String,
        /// How long it may take.
        limit: Duration,
    },
}

/// What a command left behind.
struct Ended {
    output: Output,
    /// `None` if it wrote too much to be waited for.
    status: Option<ExitStatus>,
    complaint: String,
}

/// Runs a program with arguments, and returns its standard output. At the limit its whole process
/// group is killed.
pub(super) fn run(command: &[String], within: &TimeBox) -> Result<Output, CommandError> {
    let (program, arguments) = command.split_first().ok_or(CommandError::NoProgram)?;
    let program = program.clone();
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = within.spawn(&mut command).and_then(|it| follow(it, within));
    match ended {
        Err(error) => Err(CommandError::Run { program, error }),
        Ok(None) => Err(CommandError::TimedOut {
            program,
            limit: within.limit(),
        }),
        Ok(Some(Ended {
            output,
            status: Some(status),
            complaint,
        })) if !status.success() => {
            let silent = output.is_ok_and(|output| output.is_empty());
            let complaint = if silent { complaint } else { String::new() };
            Err(CommandError::Failed {
                program,
                status,
                complaint,
            })
        }
        Ok(Some(ended)) => Ok(ended.output),
    }
}

/// Reads a command's outputs and waits for its end; `None` at the limit. The readers are threads
/// of their own: a process that left the command's group may hold the pipes open.
fn follow(mut running: Running, within: &TimeBox) -> io::Result<Option<Ended>> {
    let child = running.child();
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let output = in_thread(move || read_limited(stdout))?;
    let complaint = in_thread(move || first_line(stderr))?;
    let Ok(output) = output.recv_timeout(within.left()) else {
        return Ok(None);
    };
    let output = output?;
    if output.is_err() {
        return Ok(Some(Ended {
            output,
            status: None,
            complaint: String::new(),
        }));
    }
    if !running.has_ended_in_time()? {
        return Ok(None);
    }
    let status = running.status()?;
    // Do not wait for the error output of a command that succeeded.
    let complaint = if status.success() {
        String::new()
    } else {
        complaint.recv_timeout(COMPLAINT_WAIT).unwrap_or_default()
    };
    Ok(Some(Ended {
        output,
        status: Some(status),
        complaint,
    }))
}

/// Does something in a thread, and sends the result.
pub(super) fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Receiver<T>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        // After the deadline nobody listens any more.
        let _ = sender.send(work());
    })?;
    Ok(receiver)
}

/// The start of the first line of a command's error output, without control characters. Reads all
/// of the output, so that a full pipe does not stop the command.
fn first_line(mut stderr: impl Read) -> String {
    let mut start = Vec::new();
    // An output that cannot be read is not a failure of its own: what was read is shown.
    let _ = stderr.by_ref().take(COMPLAINT).read_to_end(&mut start);
    let _ = io::copy(&mut stderr, &mut io::sink());
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line)
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// A complaint at the end of a message.
fn suffix(complaint: &str) -> String {
    if complaint.is_empty() {
        String::new()
    } else {
        format!(": {complaint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(String::from).to_vec()
    }

    #[test]
    fn an_error_says_which_program_failed_and_how() {
        for (command, expected) in [
            (vec![], "the command is empty"),
            (shell("exit 3"), "sh failed (exit status: 3)"),
            (shell("kill -9 $$"), "sh failed (signal: 9 (SIGKILL))"),
            (shell("read line || exit 7"), "sh failed (exit status: 7)"),
            (
                shell("echo x; echo no key >&2; exit 3"),
                "sh failed (exit status: 3)",
            ),
            (
                shell("printf 'no\\007 key\\nat all' >&2; exit 3"),
                "sh failed (exit status: 3): no key",
            ),
        ] {
            let error = run(&command, &TimeBox::new(LIMIT)).unwrap_err().to_string();
            assert_eq!(error, expected);
        }
        let error = run(&["/no/such".into()], &TimeBox::new(LIMIT))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot run /no/such: "), "{error}");
    }

    #[test]
    fn a_command_that_writes_much_to_its_error_output_is_not_stopped() {
        let output = run(
            &shell("head -c 300000 /dev/zero >&2; echo done"),
            &TimeBox::new(LIMIT),
        )
        .unwrap();
        assert_eq!(output.unwrap().as_slice(), b"done\n");
    }

    #[test]
    fn a_command_that_writes_too_much_is_not_waited_for() {
        let output = run(
            &shell("head -c 300000 /dev/zero; exec sleep 600"),
            &TimeBox::new(LIMIT),
        )
        .unwrap();
        assert!(output.is_err());
    }

    #[test]
    fn a_command_is_killed_at_its_limit_whether_or_not_it_holds_its_output_open() {
        for script in [
            "exec sleep 600",
            "exec sleep 600 >&- 2>&-",
            "sleep 20 & exit 0",
        ] {
            let error = run(&shell(script), &TimeBox::new(Duration::from_millis(300))).unwrap_err();
            assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
        }
    }
}
