//! Makes each row of a table a test with a name of its own, so that it can be filtered and runs
//! beside others.

use std::collections::BTreeSet;

use libtest_mimic::{Arguments, Failed, Trial};

/// What a row asserts.
pub type Check = Box<dyn FnOnce() + Send>;

/// The tests of one target, which has `harness = false` and calls [`Trials::run`] in its `main`.
#[derive(Default)]
pub struct Trials {
    trials: Vec<Trial>,
    names: BTreeSet<String>,
}

impl Trials {
    /// Starts without tests.
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
        self.add(format!("{group}::{name}"), || {
            block_on(check()).map_err(Failed::from)
        });
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

    /// Adds a test for each row of a table whose rows share one costly run.
    ///
    /// Nextest starts a process for each test, which would need that run again, so there the table
    /// is one test.
    ///
    /// # Panics
    ///
    /// If two rows have one name.
    pub fn rows_of_one_run(
        &mut self,
        group: &str,
        rows: impl IntoIterator<Item = (String, Check)>,
    ) {
        if std::env::var_os("NEXTEST").is_none() {
            for (name, check) in rows {
                self.add(format!("{group}::{}", name.trim()), || {
                    check();
                    Ok(())
                });
            }
            return;
        }
        let rows: Vec<_> = rows.into_iter().collect();
        self.add(group.to_owned(), || {
            for (_, check) in rows {
                check();
            }
            Ok(())
        });
    }

    fn add(&mut self, name: String, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) {
        assert!(
            self.names.insert(name.clone()),
            "two tests are called {name}"
        );
        self.trials.push(Trial::test(name, run));
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

/// Runs `future` in a runtime of its own, as `#[tokio::test]` does.
///
/// # Panics
///
/// If there can be no runtime, or this is called within one.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}
