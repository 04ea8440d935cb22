//! Asks one question at the terminal, which the program in question can neither answer, fake, nor
//! overwrite.
//!
//! 1. The terminal is taken: while the question is open the program's output waits, and it reads
//!    nothing from there.
//! 2. What was typed before is discarded: the person had not read the question.
//! 3. What the program may have done to the terminal (colours, an incomplete escape sequence) is
//!    undone.
//! 4. The answer is the host's name, or a number that is new each time. A key pressed out of habit is
//!    not an answer.

use std::io;
use std::time::Duration;

/// A question about a host, or about what a script requests.
pub(super) struct Question {
    /// The question's text, printable, with `\r\n` between its lines.
    pub(super) text: String,
    /// The text to type to allow it.
    pub(super) word: String,
    /// What that text is: "the host's name".
    pub(super) kind: &'static str,
}

/// What the person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Allow,
    Deny,
    /// There was no answer in time, or nobody waits for one any more.
    None,
}

impl Question {
    /// Asks, for at most `limit`. Dropping the future closes the question.
    #[cfg(unix)]
    pub(super) async fn ask(self, limit: Duration) -> io::Result<Answer> {
        // Dropping this future drops one end, which wakes the other.
        let (closed, _open) = io::pipe()?;
        let asked = tokio::task::spawn_blocking(move || unix::ask(&self, &closed, limit));
        asked.await?
    }

    #[cfg(not(unix))]
    pub(super) async fn ask(self, _: Duration) -> io::Result<Answer> {
        Err(io::Error::other(
            "questions at the terminal are not possible on this system",
        ))
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, OpenOptions};
    use std::io::{self, IsTerminal, PipeReader, Read, Write};
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::termios::{QueueSelector, tcflush};

    use super::{Answer, Question};

    /// Ends what a program may have left incomplete or switched on: a partial escape sequence, a
    /// partial string for the terminal, synchronised output, modes, colours, another character set.
    const PLAIN: &str = "\x18\x1b\\\x1b[?2026l\x1b[!p\x1b[0m\x1b(B\x0f\r\n";
    /// How often the name may be mistyped.
    const TRIES: usize = 3;
    /// Bytes that are read of an answer; a host's name has 253 at most.
    const LONGEST: usize = 512;

    pub(super) fn ask(
        question: &Question,
        closed: &PipeReader,
        limit: Duration,
    ) -> io::Result<Answer> {
        let deadline = Instant::now() + limit;
        let mut terminal = terminal()?;
        // The library's threads take these locks for everything that the program reads and writes.
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let _stdin = stdin.is_terminal().then(|| stdin.lock());
        let _stdout = stdout.is_terminal().then(|| stdout.lock());
        let _stderr = stderr.is_terminal().then(|| stderr.lock());
        // The question may have been closed while output had stopped the terminal.
        if is_closed(closed)? {
            return Ok(Answer::None);
        }
        let Question { text, word, kind } = question;
        let mut say = format!("{PLAIN}sandbox-net: {text}");
        for _ in 0..TRIES {
            tcflush(&terminal, QueueSelector::IFlush)?;
            write!(
                terminal,
                "{say}\r\nType {kind}, {word}, to allow it, or press Enter to deny: "
            )?;
            let Some(line) = answer(&mut terminal, closed, deadline)? else {
                write!(terminal, "\r\nsandbox-net: no answer, denied\r\n")?;
                return Ok(Answer::None);
            };
            match line.as_slice() {
                line if line == word.as_bytes() => return Ok(Answer::Allow),
                b"" => return Ok(Answer::Deny),
                _ => say = format!("sandbox-net: that is not {kind}."),
            }
        }
        write!(terminal, "sandbox-net: denied\r\n")?;
        Ok(Answer::Deny)
    }

    /// A line without its end and the spaces around it; `None` at the deadline.
    fn answer(
        terminal: &mut File,
        closed: &PipeReader,
        deadline: Instant,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            if !is_readable(terminal, closed, deadline)? {
                return Ok(None);
            }
            let mut piece = [0; LONGEST];
            let count = terminal.read(&mut piece)?;
            line.extend_from_slice(&piece[..count]);
            // A terminal that does not return lines is read until there is one.
            if count == 0 || line.len() >= LONGEST || line.ends_with(b"\n") || line.ends_with(b"\r")
            {
                return Ok(Some(line.trim_ascii().to_vec()));
            }
        }
    }

    /// Waits for input; returns false if the question is closed before.
    fn is_readable(terminal: &File, closed: &PipeReader, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut waited = [
                PollFd::new(closed, PollFlags::IN),
                PollFd::new(terminal, PollFlags::IN),
            ];
            match poll(&mut waited, Some(&left)) {
                Err(Errno::INTR) => {}
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(waited[0].revents().is_empty()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_closed(closed: &PipeReader) -> io::Result<bool> {
        let mut waited = [PollFd::new(closed, PollFlags::IN)];
        Ok(poll(&mut waited, Some(&Timespec::default()))? > 0)
    }

    /// Opens the terminal itself, because stdin may be the program's.
    fn terminal() -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options
            .open("/dev/tty")
            .map_err(|_| io::Error::other("there is no terminal to ask at"))
    }
}
