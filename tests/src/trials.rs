//! Test targets whose tests are the rows of tables: each row is a test with a name of its own, so
//! that it can be filtered and runs beside others.

use std::collections::BTreeSet;

use libtest_mimic::{Arguments, Failed, Trial};

/// The tests of one target, which has `harness = false` and calls [`Trials::run`] in its `main`.
#[derive(Default)]
pub struct Trials {
    trials: Vec<Trial>,
    names: BTreeSet<String>,
}

impl Trials {
    /// No test yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the test `GROUP::NAME`. It gets a runtime to itself, as with `#[tokio::test]`.
    ///
    /// # Panics
    ///
    /// If another test has this name.
    pub fn row<F>(&mut self, group: &str, name: &str, check: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), String>>,
    {
        let name = format!("{group}::{name}");
        assert!(
            self.names.insert(name.clone()),
            "two tests are called {name}"
        );
        let run = move || block_on(check()).map_err(Failed::from);
        self.trials.push(Trial::test(name, run));
    }

    /// Adds the test `GROUP::NAME`, which fails if it panics.
    ///
    /// # Panics
    ///
    /// If another test has this name.
    pub fn test<F>(&mut self, group: &str, name: &str, test: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()>,
    {
        self.row(group, name, || async {
            test().await;
            Ok(())
        });
    }

    /// How many tests there are.
    pub fn count(&self) -> usize {
        self.trials.len()
    }

    /// Runs the tests that the command line asks for, and ends the process.
    pub fn run(self) -> ! {
        libtest_mimic::run(&Arguments::from_args(), self.trials).exit()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}
