//! The signals that a confined program gets from its caller.

use std::io;

use rustix::termios::isatty;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::signals::is_ignored;

/// Signals to pass on.
pub(super) struct Signals {
    all: Vec<(Signal, i32)>,
    /// The program has the caller's terminal, which sends it these signals itself.
    has_terminal: bool,
}

/// Signals of a terminal.
const OF_TERMINAL: [i32; 2] = [2, 3];

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ];
        // What the caller ignores, as under nohup, stays ignored.
        let followed = kinds.into_iter().filter(|kind| !is_ignored(*kind));
        let all = followed
            .map(|kind| Ok((signal(kind)?, kind.as_raw_value())))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            all,
            has_terminal: isatty(io::stdin()),
        })
    }

    /// Waits for the next signal that the program does not get by itself.
    pub(super) async fn next(&mut self) -> i32 {
        loop {
            let number = self.any().await;
            if !(self.has_terminal && OF_TERMINAL.contains(&number)) {
                return number;
            }
        }
    }

    async fn any(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (signal, number) in &mut self.all {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
