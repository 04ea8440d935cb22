//! Asks the embedder's hook after the policy, and applies its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::audit::{PendingDecision, Stage, Subject};
use crate::gateway::Gateway;
use crate::hook::{Amendments, HookAnswer, HookRequest};
use crate::task::Task;
use sandbox_net_egress::EgressError;
use sandbox_net_policy::{Answer, Checked, Denial, Origin, Policy};

/// What a hook is told of a request besides its rule.
pub(super) struct Question {
    pub(super) stage: Stage,
    pub(super) origin: Origin,
    pub(super) method: Option<Vec<u8>>,
    pub(super) path: Option<Vec<u8>>,
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Question {
    pub(super) fn new(stage: Stage, origin: Origin) -> Self {
        Self {
            stage,
            origin,
            method: None,
            path: None,
            fields: Vec::new(),
        }
    }
}

impl Gateway {
    /// Begins the record of the policy's answer. Without a hook, what it would have to grant is
    /// denied; after too many denials, or a broken log, everything is denied.
    pub(super) fn judged<T>(
        &self,
        subject: Subject,
        answer: Result<Answer<T>, Denial>,
    ) -> (Result<Answer<T>, EgressError>, PendingDecision) {
        let answer = answer.and_then(|answer| match answer {
            Answer::Ask(asked) if self.shared.hook.is_none() => Err(asked.refuse()),
            answer if self.audit.is_broken() => Err(answer.audit_denial()),
            answer => Ok(answer),
        });
        let rule = answer.as_ref().map(Answer::rule);
        let mut decided = self.audit.decided(subject, rule);
        if let Ok(answer) = &answer
            && let Some(denial) = answer.reported()
        {
            decided.reported(denial);
        }
        if let Err(error) = self.metered(&mut decided, self.shared.meter.check_denials()) {
            return (Err(error), decided);
        }
        if answer.is_err() {
            self.shared.meter.denied();
        }
        (answer.map_err(EgressError::Denied), decided)
    }

    /// Judges again after the hook has answered, because the policy may have been replaced
    /// meanwhile. What the hook was asked about is granted if the present policy asks about it too.
    pub(super) fn present<T>(
        &self,
        then: &Arc<Policy>,
        was_asked: bool,
        checked: Checked<T>,
        judge: impl FnOnce(&Policy) -> Result<Answer<T>, Denial>,
    ) -> Result<Checked<T>, Denial> {
        let now = self.shared.policy();
        if Arc::ptr_eq(then, &now) {
            return Ok(checked);
        }
        match judge(&now)? {
            Answer::Checked(checked) => Ok(checked),
            Answer::Ask(asked) if was_asked => Ok(asked.grant()),
            Answer::Ask(asked) => Err(asked.refuse()),
        }
    }

    /// Asks the hook, if there is one.
    pub(super) async fn consult<T>(
        &self,
        answer: Answer<T>,
        question: impl FnOnce() -> Question,
    ) -> Result<(Checked<T>, Amendments), Denial> {
        let Some((hook, deadline)) = &self.shared.hook else {
            return Ok((answer.without_asking()?, Amendments::default()));
        };
        let question = question();
        let request = HookRequest {
            sandbox: Arc::from(self.audit.sandbox()),
            stage: question.stage,
            origin: question.origin,
            method: question.method,
            path: question.path,
            fields: question.fields,
            rule: answer.rule().to_owned(),
            is_asked: matches!(answer, Answer::Ask(_)),
        };
        let stage = request.stage;
        // In a task of its own: a hook that blocks, which it must not, does not block this task. A
        // hook that panics gives no answer either.
        let hook = Arc::clone(hook);
        let asking = async move { hook.decide(&request).await };
        let asking = Task::spawn(AssertUnwindSafe(asking).catch_unwind());
        let verdict = match tokio::time::timeout(*deadline, asking).await {
            Ok(Ok(Ok(verdict))) => verdict,
            Ok(Ok(Err(error))) => HookAnswer::Deny(format!("it failed: {error}")),
            Ok(Err(_)) => HookAnswer::Deny("it failed".to_owned()),
            Err(_) => HookAnswer::Deny("it did not answer in time".to_owned()),
        };
        match verdict {
            HookAnswer::Deny(why) => Err(answer.hook_denial(&why)),
            HookAnswer::Allow(amendments) => {
                if let Some(fault) = misplaced(&amendments, stage) {
                    return Err(answer.hook_denial(fault));
                }
                let checked = match answer {
                    Answer::Checked(checked) => checked,
                    Answer::Ask(asked) => asked.grant(),
                };
                Ok((checked, amendments))
            }
        }
    }
}

/// Finds amendments that do not fit the stage: they are refused instead of silently dropped.
fn misplaced(amendments: &Amendments, stage: Stage) -> Option<&'static str> {
    if amendments.address.is_some() && stage != Stage::Connect {
        return Some("it gave an address for something other than a connection");
    }
    if !amendments.fields.is_empty() && stage != Stage::Request {
        return Some("it gave fields for something other than a request");
    }
    None
}
