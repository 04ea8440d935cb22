//! Decides again about one decision of a log.

use std::collections::HashSet;
use std::net::IpAddr;

use sandbox_net::policy::{
    Answer, DEFAULT_DENY, Denial, DenyReason, Host, Lookup, Policy, Rule, TlsOverrides,
};

use crate::audit_command::subject::{Subject, Unclear};
use sandbox_net::{DecisionRecord, LookupRecord, Reason, Verdict};

/// The present decision.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    Allowed { rule: String },
    Reported { rule: String, reason: DenyReason },
    Asked { rule: String },
    Denied { rule: String, reason: DenyReason },
}

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Nothing.
    Same,
    /// Nothing as far as is known: the log has only the beginning of the target.
    CutShort,
    /// Nothing unless the hook changed: it refused what its rule allows.
    SameByHook,
    /// It would be decided like this.
    Changed(Again),
}

/// Decides by a policy.
pub(super) struct Judge<'p> {
    policy: &'p Policy,
    /// The names of the rules that allow.
    allowing: HashSet<&'p str>,
}

impl<'p> Judge<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            allowing: policy.allow_rules().map(Rule::as_str).collect(),
        }
    }

    pub(super) fn compare(&self, record: &DecisionRecord) -> Comparison {
        if record.verdict == Verdict::Deny
            && !depends_on_rules(
                record.reason,
                record.address.is_some(),
                !record.tls.is_empty(),
            )
        {
            return Comparison::Same;
        }
        let again = match Subject::of(record) {
            Ok(subject) => {
                let tls = record.tls.iter().copied().collect();
                self.decide(&subject, tls, record.address.map(|address| address.ip()))
            }
            Err(Unclear::CutShort) => return Comparison::CutShort,
            // It would be refused before any rule is evaluated.
            Err(Unclear::Malformed) => Again::Denied {
                rule: DEFAULT_DENY.to_owned(),
                reason: DenyReason::Malformed,
            },
        };
        self.difference(record.verdict, record.reason, &record.rule, again)
    }

    /// Compares a lookup.
    pub(super) fn compare_lookup(&self, record: &LookupRecord) -> Comparison {
        if record.verdict == Verdict::Deny && !depends_on_rules(record.reason, false, false) {
            return Comparison::Same;
        }
        if record.name.ends_with('…') {
            return Comparison::CutShort;
        }
        let again = match Host::parse(&record.name) {
            Ok(host) => looked_up(self.policy.answer_lookup(host)),
            Err(_) => Again::Denied {
                rule: DEFAULT_DENY.to_owned(),
                reason: DenyReason::Malformed,
            },
        };
        self.difference(record.verdict, record.reason, &record.rule, again)
    }

    /// Compares the present decision with the recorded one.
    fn difference(
        &self,
        verdict: Verdict,
        reason: Option<Reason>,
        rule_then: &str,
        again: Again,
    ) -> Comparison {
        let is_by_hook = reason.and_then(Reason::deny_reason) == Some(DenyReason::Hook);
        match (verdict, &again) {
            (Verdict::Allow, Again::Allowed { .. })
            | (Verdict::Report, Again::Reported { .. })
            | (Verdict::Deny, Again::Denied { .. }) => Comparison::Same,
            // The hook granted it at that time.
            (Verdict::Allow | Verdict::Report, Again::Asked { rule }) if *rule == rule_then => {
                Comparison::Same
            }
            (Verdict::Deny, Again::Asked { .. }) if is_by_hook => Comparison::Same,
            // Nobody had answered at that time; that may happen again.
            (Verdict::Abandoned, Again::Asked { .. }) => Comparison::Same,
            (Verdict::Abandoned, Again::Allowed { rule } | Again::Reported { rule, .. })
                if *rule == rule_then =>
            {
                Comparison::Same
            }
            (Verdict::Deny, Again::Allowed { rule } | Again::Reported { rule, .. })
                if is_by_hook && (*rule == rule_then || self.allowing.contains(rule_then)) =>
            {
                Comparison::SameByHook
            }
            _ => Comparison::Changed(again),
        }
    }

    /// `tls` is what the program requested besides the host's own TLS settings.
    fn decide(&self, subject: &Subject, tls: TlsOverrides, address: Option<IpAddr>) -> Again {
        match subject {
            Subject::Connect(endpoint) => {
                again(self.policy.answer_connect(endpoint.clone()), address)
            }
            Subject::Tunnel(endpoint) => {
                again(self.policy.answer_tunnel(endpoint.clone()), address)
            }
            Subject::Tls(origin) => {
                again(self.policy.answer_tls(&origin.endpoint, None, tls), address)
            }
            Subject::Request {
                origin,
                method,
                path,
            } => {
                let settings = match tls == TlsOverrides::default() {
                    true => Ok(()),
                    false => self
                        .policy
                        .answer_tls(&origin.endpoint, None, tls)
                        .map(drop),
                };
                let answer = || self.policy.answer_request(origin, method, path, &[]);
                again(settings.and_then(|()| answer()), address)
            }
        }
    }
}

/// Whether other rules may allow what was denied.
fn depends_on_rules(reason: Option<Reason>, has_address: bool, has_settings: bool) -> bool {
    let Some(reason) = reason else {
        return true;
    };
    let Some(reason) = reason.deny_reason() else {
        return false;
    };
    match reason {
        DenyReason::NoRule | DenyReason::DenyRule | DenyReason::Hook => true,
        // Without it the address is unknown.
        DenyReason::Address => has_address,
        // Logs of earlier versions do not say which.
        DenyReason::TlsOptions => has_settings,
        DenyReason::HostMismatch
        | DenyReason::Method
        | DenyReason::Field
        | DenyReason::Secret
        | DenyReason::Audit
        | DenyReason::Malformed => false,
    }
}

fn looked_up(answer: Result<Lookup, Denial>) -> Again {
    match answer {
        // Such a lookup would not be in a log.
        Ok(Lookup::Local) => Again::Allowed {
            rule: String::new(),
        },
        Ok(Lookup::Ask { rule, .. }) => Again::Asked { rule },
        Ok(Lookup::Name(name)) => match name.reported() {
            Some(Denial { rule, reason, .. }) => Again::Reported {
                rule: rule.clone(),
                reason: *reason,
            },
            None => Again::Allowed {
                rule: name.rule().to_owned(),
            },
        },
        Err(Denial { rule, reason, .. }) => Again::Denied { rule, reason },
    }
}

/// `address` is the one that was dialled, or refused.
fn again<T>(answer: Result<Answer<T>, Denial>, address: Option<IpAddr>) -> Again {
    let (checked, is_asked) = match answer {
        Ok(Answer::Checked(checked)) => (checked, false),
        // Granted only to check the address; it has no effect.
        Ok(Answer::Ask(asked)) => (asked.grant(), true),
        Err(Denial { rule, reason, .. }) => return Again::Denied { rule, reason },
    };
    if address.is_some_and(|address| !checked.permits(address)) {
        let Denial { rule, reason, .. } = checked.address_denial();
        return Again::Denied { rule, reason };
    }
    let rule = checked.rule().to_owned();
    if is_asked {
        return Again::Asked { rule };
    }
    let refused = address.and_then(|address| checked.check_address(address).err());
    match checked.reported().cloned().or(refused) {
        Some(Denial { rule, reason, .. }) => Again::Reported { rule, reason },
        None => Again::Allowed { rule },
    }
}
