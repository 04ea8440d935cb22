//! Short forms for tests.

use crate::document::Document;
use crate::document::Mode;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::target::{Endpoint, Origin, Scheme};

/// A policy from its rules, separated by semicolons: `!` before those that deny, `?` before those that ask,
/// `~` before grants of TLS settings, `^` before grants of fields, `@`
/// before tunnels, and `report` or `ask` for the mode.
pub(crate) fn policy(text: &str) -> Policy {
    let mut document = Document::default();
    for rule in text.split(';').map(str::trim).filter(|r| !r.is_empty()) {
        match (rule.split_at(1), rule) {
            (_, "report") => document.mode = Mode::Report,
            (_, "ask") => document.mode = Mode::Ask,
            (("!", deny), _) => document.deny.push(Rule::parse_deny(deny).unwrap()),
            (("~", tls), _) => document.tls.push(tls.parse().unwrap()),
            (("^", field), _) => document.fields.push(field.parse().unwrap()),
            (("@", tunnel), _) => document.tunnel.push(tunnel.parse().unwrap()),
            (("?", ask), _) => document.ask.push(ask.parse().unwrap()),
            _ => document.allow.push(rule.parse().unwrap()),
        }
    }
    document.into()
}

pub(crate) fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin {
        scheme,
        endpoint: Endpoint::new(host, port).unwrap(),
    }
}
