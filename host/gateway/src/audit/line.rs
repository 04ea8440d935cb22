//! The lines of an audit log: for each decision, for each finished request, for each lookup that
//! asks a name server or was denied, and for denials that are counted instead of repeated.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CONNECT, DroppedRecord};
use crate::bounds::ReachedBudget;
use sandbox_net_policy::{DenyReason, Stage, TlsOverride};

/// One line of an audit log, as JSON: `"type"` is `decision`, `exchange`, `lookup` or `dropped`.
///
/// A decision or a lookup is written before it takes effect. What becomes known later, such as the
/// dialled address or a denial by the address filter, comes in a second line with the same `sandbox`
/// and `sequence`, all fields, and `"update":true`. The last line counts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuditLine {
    /// What was decided.
    Decision(DecisionRecord),
    /// The result of a request.
    Exchange(ExchangeRecord),
    /// A query for the addresses of a name.
    Lookup(LookupRecord),
    /// Denials that are counted, because there were too many to write each.
    Dropped(DroppedRecord),
}

/// Whether the policy allowed it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A rule allows it, or the hook granted what a rule asks about.
    Allow,
    /// No rule allows it, or something about it is never allowed.
    Deny,
    /// It would have been denied, but the policy's mode is `report`.
    Report,
    /// It ended before anybody had granted it, or before every sink had its line, for example because
    /// the program or a time limit cancelled it while the hook was asked. It had no effect.
    Abandoned,
}

impl Verdict {
    /// Returns the name used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Report => "report",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why something was denied, from a closed list: the policy's reasons, `budget`, and `hook-failed`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reason {
    /// The policy refused.
    Policy(DenyReason),
    /// A budget was used up.
    Budget(BudgetReason),
    /// The hook failed.
    Hook(HookReason),
}

/// The reason that is the embedder's own fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookReason {
    /// The hook returned an error, panicked, or did not answer in time. The guest is told the reason
    /// `hook`. [`DecisionRecord::hook_error`] says what happened.
    HookFailed,
}

/// The reason that does not come from the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetReason {
    /// A budget was used up.
    Budget,
}

impl Reason {
    /// The reason code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy(reason) => reason.as_str(),
            Self::Budget(_) => "budget",
            Self::Hook(_) => "hook-failed",
        }
    }

    /// The reason that the guest is told; `None` for a budget.
    #[must_use]
    pub const fn deny_reason(self) -> Option<DenyReason> {
        match self {
            Self::Policy(reason) => Some(reason),
            Self::Hook(_) => Some(DenyReason::Hook),
            Self::Budget(_) => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<DenyReason> for Reason {
    fn from(reason: DenyReason) -> Self {
        Self::Policy(reason)
    }
}

/// One decision.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// When the decision was made.
    pub time: Time,
    /// The name of the sandbox.
    pub sandbox: String,
    /// The number among all decisions of one sandbox, from 0.
    pub sequence: u64,
    /// The stage at which it was made.
    pub stage: Stage,
    /// `host:port` at [`Stage::Connect`] and [`Stage::Tunnel`], an origin at [`Stage::Tls`], and a URL at
    /// [`Stage::Request`], with its query only if
    /// [`AuditSettings::queries`](crate::audit::AuditSettings::queries) is set.
    pub target: String,
    /// The method, at [`Stage::Request`].
    pub method: Option<String>,
    /// The program's own TLS settings that were requested, at [`Stage::Tls`], or that the
    /// connection has, at [`Stage::Request`]. If this was allowed it used the policy's grants of
    /// these. Omitted from the line if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<TlsOverride>,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided, as the operator wrote it; `default-deny` where none did, and
    /// `secret:NAME` where a secret had no value.
    pub rule: String,
    /// Why it was denied, or would have been.
    pub reason: Option<Reason>,
    /// The budget that refused it. Omitted from the line if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<ReachedBudget>,
    /// Why the hook has no answer: its error, the text of its panic, or that it was late. Omitted from
    /// the line if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_error: Option<String>,
    /// The address that was dialled; if addresses were refused, the first of them.
    pub address: Option<SocketAddr>,
    /// Whether this line replaces an earlier one with the same sandbox and sequence. Omitted from
    /// the line if not. Never set in an outcome.
    #[serde(default, skip_serializing_if = "is_false")]
    pub update: bool,
    /// How many more decisions were the same in everything but time, sequence and address. Counted
    /// if memory has no room for more records and no sink has them. Omitted if zero, and never in a
    /// line of a log.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
}

/// One request or tunnel that is over, successful or not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExchangeRecord {
    /// When it was over.
    pub time: Time,
    /// The name of the sandbox.
    pub sandbox: String,
    /// The [`DecisionRecord::sequence`] of its decision.
    pub sequence: u64,
    /// The method; `CONNECT` for a tunnel.
    pub method: String,
    /// The URL, or of a tunnel `host:port`, as in the decision.
    pub target: String,
    /// The address that it was sent to; `None` if no connection was made.
    pub address: Option<SocketAddr>,
    /// The version of TLS, such as `1.3`; `None` over plain HTTP.
    pub tls: Option<String>,
    /// The status code; `None` if no response came.
    pub status: Option<u16>,
    /// Bytes of the request, head and body, or those that were written into the tunnel.
    pub bytes_up: u64,
    /// Bytes of the response, head and body, that arrived, or those that came through the tunnel.
    pub bytes_down: u64,
    /// From the decision to the end, in milliseconds.
    pub duration_ms: u64,
    /// The names of the secrets that were put into it.
    pub secrets: Vec<String>,
    /// What ended it early, such as `reset`; `None` if the response was complete, or the peer closed the
    /// tunnel.
    pub error: Option<String>,
    /// The budget that ended it. Omitted from the line if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<ReachedBudget>,
}

impl ExchangeRecord {
    /// Whether it is the record of a tunnel: no request has that method.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.method == CONNECT
    }
}

/// One query for the addresses of a name: before it is sent, when it is answered, or when it is
/// denied.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LookupRecord {
    /// When it was decided, or was over.
    pub time: Time,
    /// The name of the sandbox.
    pub sandbox: String,
    /// The number among all lookups of one sandbox, from 0; `None` in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The name that was looked up.
    pub name: String,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided, as the operator wrote it; `default-deny` where none did.
    pub rule: String,
    /// Why it was denied, or would have been.
    pub reason: Option<Reason>,
    /// The budget that refused it. Omitted from the line if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<ReachedBudget>,
    /// The result: `asked` before there is an answer, then `found`, or the failure, such as `dns`;
    /// `None` if no name server was asked.
    pub outcome: Option<String>,
    /// As [`DecisionRecord::update`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub update: bool,
    /// As [`DecisionRecord::repeats`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A point in time, in JSON as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Time(pub SystemTime);

impl Time {
    /// Returns the current time.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

impl FromStr for Time {
    type Err = humantime::TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_it_was_written() {
        let time: Time = "2026-11-21T10:20:30.123Z".parse().unwrap();
        let decision = DecisionRecord {
            time,
            sandbox: "agent-7".to_owned(),
            sequence: 3,
            stage: Stage::Connect,
            target: "a.test:443".to_owned(),
            method: None,
            tls: Vec::new(),
            verdict: Verdict::Deny,
            rule: "default-deny".to_owned(),
            reason: Some(DenyReason::NoRule.into()),
            budget: None,
            hook_error: None,
            address: None,
            update: false,
            repeats: 0,
        };
        let line = AuditLine::Decision(decision);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            "{\"type\":\"decision\",\"time\":\"2026-11-21T10:20:30.123Z\",\"sandbox\":\"agent-7\",\
             \"sequence\":3,\"stage\":\"connect\",\"target\":\"a.test:443\",\"method\":null,\
             \"verdict\":\"deny\",\"rule\":\"default-deny\",\"reason\":\"no-rule\",\
             \"address\":null}"
        );
        assert_eq!(serde_json::from_str::<AuditLine>(&text).unwrap(), line);
        let AuditLine::Decision(decision) = line else {
            panic!("a decision");
        };
        let denied = decision.clone();
        let line = AuditLine::Decision(DecisionRecord {
            tls: vec![TlsOverride::UnverifiedName, TlsOverride::OwnRoots],
            ..decision
        });
        let text = serde_json::to_string(&line).unwrap();
        assert!(
            text.contains("\"tls\":[\"unverified_name\",\"own_roots\"],"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<AuditLine>(&text).unwrap(), line);
        let budget: Reason = serde_json::from_str("\"budget\"").unwrap();
        assert_eq!(budget.as_str(), "budget");
        let failed = AuditLine::Decision(DecisionRecord {
            reason: Some(Reason::Hook(HookReason::HookFailed)),
            hook_error: Some("panicked: no".to_owned()),
            ..denied
        });
        let text = serde_json::to_string(&failed).unwrap();
        let expected = "\"reason\":\"hook-failed\",\"hook_error\":\"panicked: no\",";
        assert!(text.contains(expected), "{text}");
        assert_eq!(serde_json::from_str::<AuditLine>(&text).unwrap(), failed);
    }
}
