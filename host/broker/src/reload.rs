//! Follows the policy file: what is removed there ends at once, and without a valid file nothing is
//! allowed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sandbox_net_policy::Policy;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::policy_source::{Content, PolicySource, read};
use crate::shared::Shared;

/// How often the file is read.
const EVERY: Duration = Duration::from_secs(1);
/// A change counts when it has lasted for so long: some editors empty a file before they fill it.
const SETTLED: Duration = Duration::from_millis(50);
/// How long reading the file may take.
const READING: Duration = Duration::from_secs(5);

/// Follows one file.
pub(crate) struct Follower {
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: PolicySource,
    pub(crate) path: PathBuf,
    /// What the present policy was made from.
    pub(crate) seen: Content,
    /// Asks for the file to be read now.
    pub(crate) now: Arc<Notify>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows the file until the broker ends.
    pub(crate) async fn run(mut self) {
        let stopping = self.shared.stopping.clone();
        let following = async {
            loop {
                tokio::select! {
                    () = sleep(EVERY) => {}
                    () = self.now.notified() => {}
                }
                self.look().await;
            }
        };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = following => {}
        }
    }

    /// Reads the file, and applies it if it has changed.
    async fn look(&mut self) {
        let content = content(&self.path).await;
        if content == self.seen {
            return;
        }
        sleep(SETTLED).await;
        if content != self::content(&self.path).await {
            // It is still being written: look again soon.
            self.now.notify_one();
            return;
        }
        self.seen = content;
        self.apply();
    }

    /// Replaces the policy, or denies everything if there is no valid one.
    fn apply(&self) {
        let Shared {
            gateway,
            log,
            metrics,
            ..
        } = &*self.shared;
        metrics.reloaded();
        let path = self.path.display();
        let policy = self.source.policy(Some(&self.seen));
        let policy = policy.map_err(|error| error.to_string());
        let applied = policy.and_then(|policy| {
            let replaced = gateway.replace_policy(policy);
            replaced.map_err(|error| format!("{path}: {error}; or start the broker again"))
        });
        let fault = applied.err();
        if let Some(why) = &fault {
            log.say(&format!(
                "everything is denied until the policy is right again: {why}"
            ));
            // Budgets and secrets stay, and rules that allow nothing pass every check.
            if let Err(error) = gateway.replace_policy(Policy::deny_all()) {
                log.say(&format!(
                    "the broker ends, because it cannot deny everything: {error}"
                ));
                self.shared.stopping.cancel();
            }
        } else {
            log.say(&format!("the policy {path} has changed, and is in force"));
        }
        let mut kept = self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = fault;
    }
}

/// Reads the file without blocking the runtime.
async fn content(path: &Path) -> Content {
    let path = path.to_path_buf();
    let reading = tokio::task::spawn_blocking(move || read(&path));
    match timeout(READING, reading).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("reading it took too long".to_owned()),
    }
}
