//! Asks the embedder's hook after the policy, and applies its answer.

use std::sync::Arc;

use crate::audit::{PendingDecision, Stage, Subject};
use crate::gateway::Gateway;
use crate::hook::{Amendments, HookAnswer, HookRequest, Waiting};
use crate::questions::HookOutcome;
use sandbox_net_egress::EgressError;
use sandbox_net_policy::{Answer, Checked, Denial, Origin, Policy, TlsOverrides};

/// What a hook is told of a request besides its rule.
pub(super) struct Question {
    pub(super) stage: Stage,
    pub(super) origin: Origin,
    pub(super) method: Option<Vec<u8>>,
    pub(super) path: Option<Vec<u8>>,
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) tls: TlsOverrides,
}

impl Question {
    pub(super) fn new(stage: Stage, origin: Origin, tls: TlsOverrides) -> Self {
        Self {
            stage,
            origin,
            method: None,
            path: None,
            fields: Vec::new(),
            tls,
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
            Answer::Ask(asked) if self.shared.questions.is_none() => Err(asked.refuse()),
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

    /// Asks the hook, if there is one, on behalf of a decision by this policy. A failure of the hook is
    /// noted in the record.
    pub(super) async fn consult<T>(
        &self,
        answer: Answer<T>,
        question: impl FnOnce() -> Question,
        (policy, decided): (&Arc<Policy>, &mut PendingDecision),
    ) -> Result<(Checked<T>, Amendments), Denial> {
        let Some(questions) = &self.shared.questions else {
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
            tls: question.tls.settings().collect(),
            rule: answer.rule().to_owned(),
            is_asked: matches!(answer, Answer::Ask(_)),
            asked_before: 0,
            waiting: Waiting::default(),
        };
        let stage = request.stage;
        let outcome = questions.put(request, policy, self.memory()).await;
        match outcome {
            HookOutcome::Failed(failure) => {
                let denial = answer.hook_denial(&failure.told());
                decided.hook_failed(failure.recorded());
                Err(denial)
            }
            HookOutcome::Answered(HookAnswer::Deny(why)) => Err(answer.hook_denial(&why)),
            HookOutcome::Answered(HookAnswer::Allow(amendments)) => {
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
    let gives_address = amendments.address.is_some() || amendments.port.is_some();
    if gives_address && stage != Stage::Connect {
        return Some("it gave an address for something other than a connection");
    }
    if amendments.address.is_none() && amendments.port.is_some() {
        return Some("it gave a port without an address");
    }
    if !amendments.fields.is_empty() && stage != Stage::Request {
        return Some("it gave fields for something other than a request");
    }
    None
}
