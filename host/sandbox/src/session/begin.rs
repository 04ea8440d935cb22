//! Makes a turn: its place among those that run, its interpreter, its streams and limits.

use std::sync::Arc;
use std::time::Instant;

use sandbox_net_gateway::Gateway;
use tokio_util::sync::CancellationToken;

use super::options::TurnOptions;
use super::shared::Shared;
use super::taken::Taken;
use super::turn::{Job, Readers, Work};
use super::wire::{BY_LINES, Operation};
use crate::error::Error;
use crate::guest::{Stop, before};
use crate::piped::Piped;
use crate::script::Exit;
use crate::stdio::{Destination, Sink};

/// Whether somebody could read the turn's output while it runs. Otherwise what would be piped is captured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reads {
    Yes,
    No,
}

impl Shared {
    /// Makes a turn, once it has a place among those that run, and the one before is over.
    ///
    /// # Errors
    ///
    /// [`Error::SessionEnded`], [`Error::HostMemory`] and [`Error::Busy`].
    pub(super) async fn turn(
        self: &Arc<Self>,
        job: Job,
        options: &TurnOptions,
        reads: Reads,
    ) -> Result<(Work, Taken, Job, Readers), Error> {
        let waiting = async {
            let place = self.engine.turn().await?;
            let live = self.slot.take().await;
            Ok((place, live.map_err(|exit| Error::SessionEnded { exit })?))
        };
        let waited = before(self.settings.deadline, waiting).await;
        let (place, live) = waited.unwrap_or_else(|| {
            let exit = Exit::TimeLimit;
            Err(Error::SessionEnded { exit })
        })?;
        // From here on nothing waits: whoever drops this gives the interpreter back, or ends the session.
        let (usage, before) = (Arc::clone(&live.usage), live.cpu());
        let interrupt = live.interrupt();
        let taken = Taken::new(Arc::clone(&self.slot), live);
        let gateway = match smaller(self.settings.requests, options.requests) {
            Some(requests) => self.gateway.next_run_within(requests),
            None => self.gateway.next_run(),
        };
        let streams = self.streams(&gateway, options, reads);
        let (stdout, stderr, readers) = match streams {
            Ok(streams) => streams,
            Err(error) => {
                taken.put_back();
                return Err(error);
            }
        };
        let start = Instant::now();
        let limit = smaller(self.settings.time, options.time);
        let limit = limit.and_then(|limit| start.checked_add(limit));
        let job = Job {
            flags: job.flags | flags(&stdout),
            ..job
        };
        let work = Work {
            shared: Arc::clone(self),
            gateway,
            stdout,
            stderr,
            start,
            until: smaller(limit, self.settings.deadline),
            abandoned: CancellationToken::new(),
            running: self.interrupts.begin(job.operation == Operation::Execute),
            place,
            usage,
            before,
            stop: Arc::new(Stop::default()),
            interrupt,
        };
        Ok((work, taken, job, readers))
    }

    fn streams(
        &self,
        gateway: &Gateway,
        options: &TurnOptions,
        reads: Reads,
    ) -> Result<(Sink, Sink, Readers), Error> {
        let settings = &self.settings;
        let (memory, captured) = (gateway.memory(), settings.captured);
        let captured = options.captured.map_or(captured, |own| own.min(captured));
        let sink = |own: Option<Destination>, settings: &Destination| {
            let to = own.as_ref().unwrap_or(settings);
            let (sink, reader) = match (reads, to) {
                (Reads::No, Destination::Pipe) => Destination::Capture.sink(memory, captured)?,
                _ => to.sink(memory, captured)?,
            };
            Ok::<_, Error>((sink, Piped::new(reader, memory, captured)))
        };
        let own = options.stdout.clone().map(Destination::stdout);
        let (to_stdout, stdout) = sink(own, &settings.stdout)?;
        let own = options.stderr.clone().map(Destination::stderr);
        let (to_stderr, stderr) = sink(own, &settings.stderr)?;
        Ok((to_stdout, to_stderr, Readers { stdout, stderr }))
    }
}

/// Whoever reads along sees each line at once.
fn flags(stdout: &Sink) -> u8 {
    match stdout {
        Sink::Capture(_) => 0,
        Sink::Drain(..) | Sink::Pipe(_) => BY_LINES,
    }
}

/// The smaller one of two limits.
fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}
