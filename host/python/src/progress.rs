//! Reports the progress of long steps to the user.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much work a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Not known in advance.
    Unknown,
    /// This many bytes.
    Bytes(u64),
    /// This many things, e.g. files.
    Items(u64),
}

/// Receives the steps of long operations.
pub trait Progress: Send + Sync {
    /// A step begins. `label` names it for a person; the step ends when the returned value is
    /// dropped.
    fn start(&self, label: &str, total: Amount) -> Box<dyn Step>;
}

/// A step under way. It ends when it is dropped.
pub trait Step: Send + Sync {
    /// Reports that this much more of the total is done.
    fn advance(&self, by: u64);
}

/// Reports nothing: for libraries and for output that is not a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

struct SilentStep;

impl Progress for Silent {
    fn start(&self, _label: &str, _total: Amount) -> Box<dyn Step> {
        Box::new(SilentStep)
    }
}

impl Step for SilentStep {
    fn advance(&self, _by: u64) {}
}

/// Draws bars and spinners on stderr if it is a terminal; a finished step leaves nothing on the
/// screen. Otherwise a long step is reported in lines: when it is known to be long, and every ten
/// seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

struct TerminalStep(ProgressBar);

/// When a step counts as long.
const LONG: Duration = Duration::from_secs(1);
/// How often a long step is reported again.
const EACH: Duration = Duration::from_secs(10);

/// Writes a line for people.
type Say = fn(&str);

fn say(line: &str) {
    // If nobody reads it, the work continues.
    let _ = writeln!(std::io::stderr(), "sandbox-net: {line}");
}

impl Progress for Terminal {
    fn start(&self, label: &str, total: Amount) -> Box<dyn Step> {
        if !std::io::stderr().is_terminal() {
            return Box::new(LineStep::start(label, total, (LONG, EACH), say));
        }
        let (length, template) = match total {
            Amount::Unknown => (None, "{spinner} {msg} ({elapsed})"),
            Amount::Bytes(bytes) => (
                Some(bytes),
                "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta})",
            ),
            Amount::Items(items) => (Some(items), "{msg} [{bar:30}] {pos}/{len}"),
        };
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(label.to_owned());
        // Keeps the elapsed time moving while a step has nothing to report.
        bar.enable_steady_tick(Duration::from_millis(100));
        Box::new(TerminalStep(bar))
    }
}

impl Step for TerminalStep {
    fn advance(&self, by: u64) {
        self.0.inc(by);
    }
}

impl Drop for TerminalStep {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A step that is reported in lines, by a thread of its own: the worker may have nothing to report
/// for minutes.
struct LineStep(Arc<Telling>);

struct Telling {
    label: String,
    total: Amount,
    done: AtomicU64,
    is_over: Mutex<bool>,
    ended: Condvar,
}

impl LineStep {
    fn start(label: &str, total: Amount, (long, each): (Duration, Duration), say: Say) -> Self {
        let telling = Arc::new(Telling {
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            is_over: Mutex::new(false),
            ended: Condvar::new(),
        });
        let told = Arc::clone(&telling);
        // Without a thread the step is silent, and works nevertheless.
        let _ = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || told.tell(long, each, say));
        Self(telling)
    }
}

impl Telling {
    fn over(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, long: Duration, each: Duration, say: Say) {
        let begun = Instant::now();
        let (mut over, mut wait, mut is_first) = (self.over(), long, true);
        loop {
            let waited = self.ended.wait_timeout_while(over, wait, |over| !*over);
            over = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *over {
                return;
            }
            // Hold the lock, so that nothing is reported of a finished step.
            match is_first {
                true => say(&format!("{} …", self.label)),
                false => say(&self.state(begun.elapsed())),
            }
            wait = match is_first {
                true => each.saturating_sub(long),
                false => each,
            };
            is_first = false;
        }
    }

    fn state(&self, elapsed: Duration) -> String {
        let (label, seconds) = (&self.label, elapsed.as_secs());
        match self.total {
            Amount::Bytes(total @ 1..) | Amount::Items(total @ 1..) => {
                let done = self.done.load(Ordering::Relaxed).min(total);
                let percent = u128::from(done) * 100 / u128::from(total);
                format!("{label} … {percent} %, {seconds} s")
            }
            _ => format!("{label} … {seconds} s"),
        }
    }
}

impl Step for LineStep {
    fn advance(&self, by: u64) {
        self.0.done.fetch_add(by, Ordering::Relaxed);
    }
}

impl Drop for LineStep {
    fn drop(&mut self) {
        *self.0.over() = true;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn keep(line: &str) {
        SAID.lock().unwrap().push(line.to_owned());
    }

    #[test]
    fn a_long_step_says_so_and_how_far_it_is_and_a_short_one_nothing() {
        let never = Duration::from_secs(3600);
        drop(LineStep::start(
            "short",
            Amount::Unknown,
            (never, never),
            keep,
        ));
        let times = (Duration::from_millis(50), Duration::from_millis(100));
        let step = LineStep::start("long", Amount::Items(4), times, keep);
        step.advance(3);
        while SAID.lock().unwrap().len() < 3 {
            std::thread::yield_now();
        }
        let telling = Arc::downgrade(&step.0);
        drop(step);
        let said = SAID.lock().unwrap().clone();
        while telling.strong_count() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(*SAID.lock().unwrap(), said, "lines after its end");
        assert_eq!(said[0], "long …");
        assert!(
            said.len() > 1
                && said[1..]
                    .iter()
                    .all(|line| line.starts_with("long … 75 %, "))
        );
    }
}
