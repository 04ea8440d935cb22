//! Telling the user how far a long step is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much work a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Not known before it ends.
    Unknown,
    /// So many bytes.
    Bytes(u64),
    /// So many things, e.g. files.
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
    /// So much more of the total is done.
    fn advance(&self, by: u64);
}

/// Says nothing: for libraries and for output that is not a terminal.
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

/// Draws bars and spinners on stderr if it is a terminal, and nothing otherwise. A step that has
/// ended leaves nothing behind on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

struct TerminalStep(ProgressBar);

impl Progress for Terminal {
    fn start(&self, label: &str, total: Amount) -> Box<dyn Step> {
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
        // Keeps the elapsed time moving while a step has nothing to tell.
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
