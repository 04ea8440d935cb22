//! Asks the embedder's code for the value of a secret.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::value::{SecretValue, ValueError};
use crate::task::Task;
use sandbox_net_policy::{SecretAnswer, SecretCallback, SecretCallbackError};

/// How long a callback may take.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// For how long a callback that failed is not asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// A value, and until when it is used.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) value: SecretValue,
    /// `None` without an end.
    pub(super) until: Option<Instant>,
}

/// Why a callback gave no value. It never contains one, nor what the callback's error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallbackFault {
    #[error("its callback failed")]
    Failed,
    #[error("its callback panicked")]
    Panicked,
    #[error("its callback gave no answer within {} seconds", LIMIT.as_secs())]
    Late,
    #[error("its callback's answer can't be used: {0}")]
    Value(ValueError),
}

/// A question that is asked, and which any number of requests wait for.
pub(super) type Asking = Shared<BoxFuture<'static, Result<Fresh, CallbackFault>>>;

/// The embedder's code, and what it has last been asked.
pub(super) struct Callback {
    code: SecretCallback,
    asking: Option<Asking>,
    failed: Option<(CallbackFault, Instant)>,
}

impl Callback {
    pub(super) fn new(code: SecretCallback) -> Self {
        Self {
            code,
            asking: None,
            failed: None,
        }
    }

    /// The same code, which has not been asked.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.code.clone())
    }

    /// The question that is asked now; asks it otherwise, unless it just failed. `name` is the
    /// secret's.
    pub(super) fn ask(&mut self, name: &str) -> Result<Asking, CallbackFault> {
        if let Some(asking) = &self.asking {
            return Ok(asking.clone());
        }
        if let Some((fault, at)) = self.failed
            && Instant::now() < at + PAUSE
        {
            return Err(fault);
        }
        let asking = ask(name, self.code.clone());
        self.asking = Some(asking.clone());
        Ok(asking)
    }

    /// Ends the question, unless it has been ended. Returns whether it was this one.
    pub(super) fn answered(&mut self, asking: &Asking, fault: Option<CallbackFault>) -> bool {
        let is_this = self.asking.as_ref().is_some_and(|own| own.ptr_eq(asking));
        if is_this {
            self.asking = None;
            self.failed = fault.map(|fault| (fault, Instant::now()));
        }
        is_this
    }
}

/// Waits for an answer. Its task may be one of a runtime that has ended.
pub(super) async fn answer(asking: &Asking) -> Result<Fresh, CallbackFault> {
    let answer = tokio::time::timeout(LIMIT + PAUSE, asking.clone());
    answer.await.unwrap_or(Err(CallbackFault::Late))
}

/// Asks in a task of its own: a program that gives up its request does not end the question.
fn ask(name: &str, code: SecretCallback) -> Asking {
    let name = name.to_owned();
    // The code may also panic before it returns its future.
    let asking = AssertUnwindSafe(async move { code.ask().await }).catch_unwind();
    let asking = async move {
        match tokio::time::timeout(LIMIT, asking).await {
            Ok(Ok(Ok(answer))) => fresh(&answer),
            Ok(Ok(Err(error))) => Err(failed(&name, &error)),
            Ok(Err(_)) => Err(CallbackFault::Panicked),
            Err(_) => Err(CallbackFault::Late),
        }
    };
    Task::spawn(asking).boxed().shared()
}

/// Only the operator is told what the error says.
fn failed(name: &str, error: &SecretCallbackError) -> CallbackFault {
    tracing::warn!(target: "sandbox_net::secrets", "the callback of the secret '{name}' failed: {error}");
    CallbackFault::Failed
}

fn fresh(answer: &SecretAnswer) -> Result<Fresh, CallbackFault> {
    let value = SecretValue::new(answer.text().expose()).map_err(CallbackFault::Value)?;
    let until = answer
        .validity()
        .map(|time| Instant::now().checked_add(time));
    Ok(Fresh {
        value,
        // Beyond what the clock can say there is no end.
        until: until.flatten(),
    })
}
