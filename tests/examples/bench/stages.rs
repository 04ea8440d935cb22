//! From a cold cache to the first output, stage by stage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use sandbox_net::python::Amount;
use sandbox_net::python::progress::{Progress, Step};
use sandbox_net::{Engine, Sandbox};

use super::sandboxes::fresh;

/// One stage and its seconds.
type Stage = (String, f64);

/// Notes how long each step takes.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Stage>>>);

impl Notes {
    fn add(&self, name: &str, since: Instant) {
        let stage = (name.to_owned(), since.elapsed().as_secs_f64());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stage);
    }
}

impl Progress for Notes {
    fn start(&self, label: &str, _total: Amount) -> Box<dyn Step> {
        Box::new(Noted {
            notes: self.clone(),
            label: label.to_owned(),
            start: Instant::now(),
        })
    }
}

struct Noted {
    notes: Notes,
    label: String,
    start: Instant,
}

impl Step for Noted {
    fn advance(&self, _by: u64) {}
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.notes.add(&format!("- {}", self.label), self.start);
    }
}

/// Makes everything in a new cache, and prints what each stage took.
pub(super) async fn print() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let notes = Notes::default();
    let whole = Instant::now();
    let builder = Engine::builder()
        .cache_dir(cache.path())
        .progress(notes.clone());
    let engine = builder.build().await?;
    notes.add("the distribution is there", whole);
    let start = Instant::now();
    engine.warm().await?;
    notes.add("the interpreters are ready", start);
    let sandbox = || Sandbox::builder().engine(engine.clone());
    let start = Instant::now();
    fresh(sandbox(), "print(1)", "1").await?;
    notes.add("the first program has ended", start);
    let start = Instant::now();
    fresh(sandbox(), "print(1)", "1").await?;
    notes.add("the second program has ended", start);
    notes.add("in all", whole);
    println!("\n| from a cold cache to the first output | seconds |\n|---|---|");
    let notes = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, seconds) in notes.iter() {
        println!("| {name} | {seconds:.3} |");
    }
    Ok(())
}
