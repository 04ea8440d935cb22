//! Denials, for programs and for people.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::denial_target::Target;
use crate::fields::FieldFault;
use crate::host::Host;
use crate::path::{MAX_PATH, Unread};
use crate::query::Head;
use crate::suggestion::{suggestion, with_method, with_path};
use crate::syntax::HeadError;
use crate::tls::{TlsOverride, quoted};

/// The name of the rule in a denial that no rule of the operator caused.
pub const DEFAULT_DENY: &str = "default-deny";

/// Why the policy refused: the closed list of `deny-reason` in the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenyReason {
    /// No rule allows this scheme, host, port, method and path.
    NoRule,
    /// A rule allows the host, but its addresses are of a kind that the rule does not open.
    Address,
    /// The `Host` field or the TLS server name differs from the connection's host.
    HostMismatch,
    /// TLS settings that the policy does not grant.
    TlsOptions,
    /// A method that is never sent.
    Method,
    /// A field that is the host's own to send, or one that overrides method, path or host.
    Field,
    /// A rule denies it.
    DenyRule,
    /// The embedder's hook refused, failed, or did not answer in time; or a rule asks, and nobody
    /// granted it.
    Hook,
    /// A secret stands in a request that it is not meant for.
    Secret,
    /// The host cannot record it.
    Audit,
    /// It is not valid HTTP: an ambiguous host, or a path, a field or a method with bytes that
    /// these cannot contain.
    Malformed,
}

impl DenyReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::NoRule,
        Self::Address,
        Self::HostMismatch,
        Self::TlsOptions,
        Self::Method,
        Self::Field,
        Self::DenyRule,
        Self::Hook,
        Self::Secret,
        Self::Audit,
        Self::Malformed,
    ];

    /// The reason code: the same in the interface, in texts for people, and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRule => "no-rule",
            Self::Address => "address",
            Self::HostMismatch => "host-mismatch",
            Self::TlsOptions => "tls-options",
            Self::Method => "method",
            Self::Field => "field",
            Self::DenyRule => "deny-rule",
            Self::Hook => "hook",
            Self::Secret => "secret",
            Self::Audit => "audit",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A denial by the policy. It tells the guest about its own request and nothing else: no other
/// rules, and no addresses that a name resolved to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The reason, for programs.
    pub reason: DenyReason,
    /// The name of the rule that decided, as the operator wrote it; [`DEFAULT_DENY`] if none did.
    pub rule: String,
    /// The whole denial for a person, on one line: target, fault, reason, rule, and what to add to
    /// the policy to allow it.
    pub message: String,
    /// The first address that was refused, for the host's own log. The message does not contain it.
    pub address: Option<IpAddr>,
}

/// Proposes a rule; if no rule is narrow enough, also says what else it grants.
fn proposal(rule: &str) -> String {
    let more = match rule.ends_with("/*") {
        true => ", which also allows paths of one segment, such as '/x'",
        false => "",
    };
    format!("to allow it, add the rule '{rule}'{more}")
}

impl Target<'_> {
    /// With a head, the proposed rule names its method and path.
    pub(super) fn no_rule(&self, head: Option<Head<'_>>) -> Denial {
        let rule = suggestion(self.scheme, self.endpoint);
        let unread = head.and_then(|head| head.readings.unread());
        let (fault, remedy) = match (head, unread.map(unread_path)) {
            (None, _) => (
                "no rule allows it".to_owned(),
                format!("to allow it, add the rule '{rule}'"),
            ),
            (Some(head), None) => (
                "no rule allows this method and path".to_owned(),
                proposal(&with_path(&rule, head)),
            ),
            (Some(head), Some(unread)) => (
                format!("no rule allows this method and path: {unread}"),
                format!(
                    "to allow it, send another path, or add the rule '{}', which has no path",
                    with_method(&rule, head)
                ),
            ),
        };
        self.deny(DenyReason::NoRule, DEFAULT_DENY, &fault, &remedy)
    }

    /// No author, or not every author, grants the tunnel.
    pub(super) fn no_tunnel(&self) -> Denial {
        let remedy = format!(
            "to allow it, add '{0}' to the policy's 'tunnel' (--tunnel {0}), which hides from the \
             policy what it carries",
            self.endpoint
        );
        let fault = "no tunnel to it is granted";
        self.deny(DenyReason::NoRule, DEFAULT_DENY, fault, &remedy)
    }

    /// `rule` is one that denies; `unread` is set if it denies because the path cannot be compared.
    pub(super) fn deny_rule(&self, rule: &str, unread: Option<Unread>) -> Denial {
        let remove = "remove that rule from 'deny'";
        let (fault, remedy) = match unread.map(unread_path) {
            None => (
                "a rule denies it".to_owned(),
                format!("to allow it, {remove}"),
            ),
            Some(unread) => (
                format!("a rule with a path denies it: {unread}"),
                format!("to allow it, send another path, or {remove}"),
            ),
        };
        self.deny(DenyReason::DenyRule, rule, &fault, &remedy)
    }

    /// `rule` is one that asks.
    pub(super) fn not_granted(&self, rule: &str) -> Denial {
        self.deny(
            DenyReason::Hook,
            rule,
            "nobody approved it",
            &self.unasked(),
        )
    }

    /// The embedder's hook refused, for this reason, what the rule asks about.
    pub(super) fn hook_refused(&self, rule: &str, why: &str) -> Denial {
        self.deny(
            DenyReason::Hook,
            rule,
            &format!("the hook refused: {}", one_line(why)),
            &self.unasked(),
        )
    }

    /// How to have it without asking.
    fn unasked(&self) -> String {
        if self.is_tunnel {
            return "to allow it without asking, remove that rule from 'ask'".to_owned();
        }
        let allowing = suggestion(self.scheme, self.endpoint);
        format!("to allow it without asking, add the rule '{allowing}'")
    }

    /// The embedder's hook refused, for this reason, what the rule allows.
    pub(super) fn hook(&self, rule: &str, why: &str) -> Denial {
        let fault = format!("the hook refused: {}", one_line(why));
        self.deny(DenyReason::Hook, rule, &fault, "no rule can allow it")
    }

    /// `secret` is the name of a secret whose placeholder is in the request.
    pub(super) fn secret(&self, secret: &str) -> Denial {
        let fault = format!("the secret '{secret}' is not for this request");
        let remedy = "to allow it, change the secret's rule so that it covers this request";
        self.deny(DenyReason::Secret, DEFAULT_DENY, &fault, remedy)
    }

    /// Refuses to send a secret to a server that the host has not verified to be one of its rule.
    pub(super) fn unverified_secret(&self, secret: &str) -> Denial {
        let fault = format!(
            "the secret '{secret}' is sent only to servers whose certificate the host verified \
             with its own authorities"
        );
        let remedy = "no rule can allow it: let the host verify this server";
        self.deny(DenyReason::Secret, DEFAULT_DENY, &fault, remedy)
    }

    /// Refuses a request for which the host has no value of a secret.
    pub(super) fn secret_value(&self, secret: &str, why: &str) -> Denial {
        let fault = format!("the secret '{secret}' has no value: {}", one_line(why));
        let remedy = "no rule can allow it: the operator has to mend the secret's source";
        self.deny(
            DenyReason::Secret,
            &format!("secret:{secret}"),
            &fault,
            remedy,
        )
    }

    /// Refuses a range, because it might contain a part of the secret.
    pub(super) fn range(&self, secret: &str) -> Denial {
        let fault = format!(
            "the secret '{secret}' may be split between the parts of a response, where the host cannot mask it"
        );
        let remedy = "no rule can allow it: remove the field 'Range'";
        self.deny(DenyReason::Secret, DEFAULT_DENY, &fault, remedy)
    }

    /// Refuses an encoded response, because it cannot be searched for secrets.
    pub(super) fn coding(&self) -> Denial {
        let fault = "the response has a content coding, so the host cannot mask secrets in it";
        let remedy = "no rule can allow it: ask the server for a response without a content coding";
        self.deny(DenyReason::Secret, DEFAULT_DENY, fault, remedy)
    }

    /// Refuses what cannot be recorded.
    pub(super) fn audit(&self) -> Denial {
        let fault = "the host cannot write its audit log";
        let remedy = "no rule can allow it: make the log writable";
        self.deny(DenyReason::Audit, DEFAULT_DENY, fault, remedy)
    }

    /// `rule` allows the host, and would permit this address on another machine.
    pub(super) fn own_address(&self, rule: &str) -> Denial {
        if matches!(self.endpoint.host, Host::Name(_)) {
            return self.address(rule);
        }
        let fault = "the address belongs to the machine that sandbox-net runs on";
        let allowing = suggestion(self.scheme, self.endpoint);
        let remedy = format!("to allow it, add the rule '{allowing}'");
        self.deny(DenyReason::Address, rule, fault, &remedy)
    }

    /// `rule` is the one that allows the host.
    pub(super) fn address(&self, rule: &str) -> Denial {
        let (fault, remedy) = match &self.endpoint.host {
            name if name.is_localhost() => (
                "the name has no loopback address",
                "no rule can allow other addresses for this name".to_owned(),
            ),
            Host::Ip(_) => (
                "a rule denies its address",
                "to allow it, remove that rule from 'deny'".to_owned(),
            ),
            Host::Name(_) if self.is_tunnel => (
                "its grant does not allow any of its addresses",
                format!(
                    "to allow it, write '{} to ADDRESS' in 'tunnel' with the address to connect to",
                    self.endpoint
                ),
            ),
            Host::Name(_) => {
                let allowing = suggestion(self.scheme, self.endpoint);
                (
                    "its rule does not allow any of its addresses",
                    format!(
                        "to allow it, add the rule '{allowing} to ADDRESS' with the address to \
                         connect to"
                    ),
                )
            }
        };
        self.deny(DenyReason::Address, rule, fault, &remedy)
    }

    pub(super) fn server_name(&self) -> Denial {
        let fault = "the TLS server name differs from the host of the connection";
        let remedy = "no rule can allow it: connect to that host directly";
        self.deny(DenyReason::HostMismatch, DEFAULT_DENY, fault, remedy)
    }

    pub(super) fn host_field(&self) -> Denial {
        let fault = "the 'Host' field differs from the host of the connection";
        let remedy = "no rule can allow it: connect to that host directly";
        self.deny(DenyReason::HostMismatch, DEFAULT_DENY, fault, remedy)
    }

    fn second_host_field(&self) -> Denial {
        let fault = "the 'Host' field appears twice";
        let remedy = "no rule can allow it: send it once";
        self.deny(DenyReason::HostMismatch, DEFAULT_DENY, fault, remedy)
    }

    /// `missing` are settings that a policy can grant; there is at least one.
    pub(super) fn tls_settings(&self, missing: &[TlsOverride]) -> Denial {
        let faults: Vec<_> = missing.iter().copied().map(ungranted).collect();
        let fault = format!("{} not granted", faults.join(", and "));
        let names: Vec<_> = missing.iter().map(|setting| setting.as_str()).collect();
        let rule = suggestion(self.scheme, self.endpoint);
        let remedy = format!(
            "to allow it, use a [[tls]] table of the policy or --tls '{} {rule}' to grant {}",
            names.join(","),
            quoted(missing.iter().copied(), " and ")
        );
        self.deny(DenyReason::TlsOptions, DEFAULT_DENY, &fault, &remedy)
    }

    /// `method` is one of the methods that are never sent.
    pub(super) fn method(&self, method: &str) -> Denial {
        let fault = format!("sandbox-net never sends the method {method}");
        self.deny(
            DenyReason::Method,
            DEFAULT_DENY,
            &fault,
            "no rule can allow it",
        )
    }

    /// `field` is one of the names that are refused.
    pub(super) fn field(&self, field: &str) -> Denial {
        let fault = match field {
            "upgrade" => {
                "sandbox-net does not upgrade connections, to WebSocket or anything else".to_owned()
            }
            _ => format!("only the host sends the field '{field}'"),
        };
        let remedy = "no rule can allow it: remove the field";
        self.deny(DenyReason::Field, DEFAULT_DENY, &fault, remedy)
    }

    /// `field` overrides method, path or host, and `rule` names a method or a path there.
    pub(super) fn override_field(&self, field: &str, rule: &str) -> Denial {
        let allowing = suggestion(self.scheme, self.endpoint);
        let fault = format!(
            "the field '{field}' can make the server use another method, path or host than the \
             policy checked"
        );
        let remedy = format!(
            "to allow it, use a [[field]] table of the policy or --field '{field} {allowing}' to \
             grant it"
        );
        self.deny(DenyReason::Field, rule, &fault, &remedy)
    }

    pub(super) fn field_fault(&self, fault: FieldFault) -> Denial {
        match fault {
            FieldFault::Host => self.host_field(),
            FieldFault::HostTwice => self.second_host_field(),
            FieldFault::Forbidden(name) => self.field(name),
        }
    }

    /// `method` is a token with lower-case letters.
    pub(super) fn method_case(&self, method: &[u8]) -> Denial {
        let start = method[..method.len().min(64)].escape_ascii();
        let fault = format!("the method {start} is not in upper case");
        let remedy = "no rule can allow it: write it in upper case";
        self.deny(DenyReason::Method, DEFAULT_DENY, &fault, remedy)
    }

    pub(super) fn malformed(&self, error: &HeadError) -> Denial {
        let fault = error.to_string();
        self.deny(
            DenyReason::Malformed,
            DEFAULT_DENY,
            &fault,
            "no rule can allow it",
        )
    }

    fn deny(&self, reason: DenyReason, rule: &str, fault: &str, remedy: &str) -> Denial {
        refusal(self, reason, rule, fault, remedy)
    }
}

/// The denial of what `subject` names.
pub(super) fn refusal(
    subject: &impl fmt::Display,
    reason: DenyReason,
    rule: &str,
    fault: &str,
    remedy: &str,
) -> Denial {
    let message =
        format!("sandbox-net denied {subject}: {fault} (reason {reason}, rule {rule}); {remedy}");
    Denial {
        reason,
        rule: rule.to_owned(),
        message,
        address: None,
    }
}

/// Why a path cannot be compared with those of rules.
fn unread_path(unread: Unread) -> String {
    match unread {
        Unread::Long => format!(
            "its path has more than {MAX_PATH} bytes, too long to compare with the paths of rules"
        ),
        Unread::Unclear => "servers disagree about what its path means".to_owned(),
        Unread::Costly => {
            "its path is too long and repetitive to compare with the paths of so many rules"
                .to_owned()
        }
    }
}

/// The beginning of a sentence that ends with 'not granted'.
fn ungranted(setting: TlsOverride) -> &'static str {
    match setting {
        TlsOverride::Unverified => "TLS without verification is",
        TlsOverride::UnverifiedName => "a certificate for another name is",
        TlsOverride::OwnRoots => "trust in authorities that the host does not trust is",
        TlsOverride::ClientCertificates => "a client certificate is",
    }
}

/// A foreign text within a denial, on one line.
fn one_line(text: &str) -> String {
    let chars = text.chars();
    chars
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
