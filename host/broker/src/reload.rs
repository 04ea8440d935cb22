//! Follows the policy's files: what is removed there ends at once, and without valid files nothing is
//! allowed.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sandbox_net_policy::Policy;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::policy_files::{Contents, PolicyFiles};
use crate::policy_source::PolicySource;
use crate::shared::Shared;

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(1);
/// A change counts when it has lasted for so long: some editors empty a file before they fill it.
const SETTLED: Duration = Duration::from_millis(50);
/// How long reading the files may take.
const READING: Duration = Duration::from_secs(5);

/// Follows the files of a policy.
pub(crate) struct Follower {
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: PolicySource,
    /// What the present policy was made from.
    pub(crate) seen: Contents,
    /// Asks for the files to be read now.
    pub(crate) now: Arc<Notify>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("files", &self.source.files)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows the files until the broker ends.
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

    /// Reads the files, and applies them if they have changed.
    async fn look(&mut self) {
        let contents = contents(&self.source.files).await;
        if contents == self.seen {
            return;
        }
        sleep(SETTLED).await;
        if contents != self::contents(&self.source.files).await {
            // One is still being written: look again soon.
            self.now.notify_one();
            return;
        }
        self.seen = contents;
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
        let files = &self.source.files;
        let policy = self.source.policy(&self.seen);
        let policy = policy.map_err(|error| error.to_string());
        let applied = policy.and_then(|policy| {
            let replaced = gateway.replace_policy(policy);
            replaced.map_err(|error| format!("{files}: {error}; or start the broker again"))
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
            log.say(&format!("the policy {files} has changed, and is in force"));
        }
        let mut kept = self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = fault;
    }
}

/// Reads the files without blocking the runtime.
async fn contents(files: &PolicyFiles) -> Contents {
    let own = files.clone();
    let reading = tokio::task::spawn_blocking(move || own.read());
    match timeout(READING, reading).await {
        Ok(Ok(contents)) => contents,
        Ok(Err(error)) => Contents::unreadable(files, &error.to_string()),
        Err(_) => Contents::unreadable(files, "reading it took too long"),
    }
}
