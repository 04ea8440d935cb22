//! Runs a command confined, without a broker: `confined [--read PATH]… [--write PATH]… -- COMMAND ARGS…`.
//!
//! What the program sends to the broker's port is answered with one line by a stand-in.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    sandbox_net_native::confine::helper::run_if_asked();
    match linux::run() {
        Ok(code) => std::process::ExitCode::from(code),
        Err((code, error)) => {
            eprintln!("confined: {error}");
            std::process::ExitCode::from(code)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("confined: only Linux confines programs this way");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use sandbox_net_native::confine::{Confinement, Limits, SpawnError};

    type Failure = (u8, String);

    pub(super) fn run() -> Result<u8, Failure> {
        let (confinement, command) = arguments()?;
        let mut program = confinement.spawn(command).map_err(|error| {
            let code = match error {
                SpawnError::NotFound(_) => 127,
                SpawnError::NotExecutable { .. } => 126,
                _ => 125,
            };
            (code, error.to_string())
        })?;
        for listener in program.take_listeners() {
            thread::spawn(move || answer(&listener));
        }
        let exit = program.wait().map_err(|error| (125, error.to_string()))?;
        Ok(exit.code().to_le_bytes()[0])
    }

    /// A broker that says only that it is there.
    fn answer(listener: &TcpListener) {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            let _ = connection.write_all(b"the broker\n");
        }
    }

    fn arguments() -> Result<(Confinement, Vec<OsString>), Failure> {
        let wrong = |what: String| (125, what);
        let variables = std::env::vars_os().filter(|(name, _)| {
            ["PATH", "HOME", "LANG", "TERM", "TZ"]
                .iter()
                .any(|one| name == one)
        });
        let mut confinement = Confinement::new().environment(variables);
        let mut limits = Limits::default();
        let mut arguments = std::env::args_os().skip(1);
        while let Some(option) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(wrong("a value is missing".to_owned()))
            };
            let number = |value: OsString| {
                let text = value.to_string_lossy().into_owned();
                text.parse::<u64>()
                    .map_err(|error| wrong(format!("{text}: {error}")))
            };
            match option.to_str() {
                Some("--") => break,
                Some("--read") => confinement = confinement.read(value()?),
                Some("--write") => confinement = confinement.write(value()?),
                Some("--env") => {
                    let text = value()?.to_string_lossy().into_owned();
                    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                    confinement = confinement.environment([(name, value)]);
                }
                Some("--memory") => limits.memory = Some(number(value()?)?),
                Some("--processes") => limits.processes = Some(number(value()?)?),
                Some("--size") => confinement = confinement.temporary_size(number(value()?)?),
                Some("--timeout-ms") => {
                    let time = std::time::Duration::from_millis(number(value()?)?);
                    confinement = confinement.timeout(time);
                }
                _ => return Err(wrong(format!("{}: unknown", option.to_string_lossy()))),
            }
        }
        Ok((confinement.limits(limits), arguments.collect()))
    }
}
