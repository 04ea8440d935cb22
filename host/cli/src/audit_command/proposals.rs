//! Proposes rules that would have allowed what was denied.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use sandbox_net::policy::{
    AddressClass, Decision, DenyReason, Endpoint, Host, Operation, Origin, Policy, Rule, Scheme,
    classify, decide, is_pastable,
};

use super::subject::Subject;
use sandbox_net::{DecisionRecord, LookupRecord, Reason, Verdict};

/// The most rules that are kept: guests choose their number.
const MOST: usize = 1000;

/// The rules for everything that was denied and that a rule may allow.
#[derive(Default)]
pub(super) struct Proposals {
    endpoints: BTreeMap<Endpoint, Wanted>,
    count: usize,
    /// Whether something did not fit.
    is_full: bool,
    /// Whether the hook refused some of it, which it may do again.
    has_hook: bool,
    /// How many requests get no proposal because the rule could mean more than a rule wherever it is
    /// pasted.
    unusual: u64,
    /// How many requests were for cloud metadata, for which no rule is proposed.
    metadata: u64,
}

/// What was denied at an endpoint.
#[derive(Default)]
struct Wanted {
    /// The endpoint as a whole, while its scheme was not known.
    endpoint: bool,
    /// A scheme as a whole.
    schemes: BTreeSet<Scheme>,
    /// Single methods and directories.
    heads: BTreeSet<(Scheme, String)>,
    /// Addresses that a name led to.
    addresses: BTreeSet<(Option<Scheme>, IpAddr)>,
}

/// What one denial adds to this.
enum Wish {
    Endpoint,
    Scheme(Scheme),
    Head(Scheme, String),
    Address(Option<Scheme>, IpAddr),
}

impl Proposals {
    pub(super) fn add(&mut self, record: &DecisionRecord) {
        let Some(reason) = record.reason.and_then(Reason::deny_reason) else {
            return;
        };
        if record.verdict == Verdict::Allow {
            return;
        }
        let Ok(subject) = Subject::of(record) else {
            return;
        };
        let address = record.address.map(|address| address.ip());
        let wish = match wish(reason, &subject, address) {
            Ok(wish) => wish,
            Err(why) => {
                self.unusual += u64::from(why == NoWish::Unusual);
                return;
            }
        };
        self.add_wish(subject.endpoint(), wish);
        self.has_hook |= reason == DenyReason::Hook;
    }

    /// Proposes the rule for https, whatever the name was looked up for.
    pub(super) fn add_lookup(&mut self, record: &LookupRecord) {
        let is_missing = record.reason == Some(DenyReason::NoRule.into());
        if let Ok(endpoint) = Endpoint::new(&record.name, Scheme::Https.default_port())
            && is_missing
        {
            self.add_wish(&endpoint, Wish::Endpoint);
        }
    }

    fn add_wish(&mut self, endpoint: &Endpoint, wish: Wish) {
        if wish.is_metadata(endpoint) {
            self.metadata += 1;
        } else if self.count >= MOST {
            // The rule may be there already; then the note about it does no harm.
            self.is_full = true;
        } else {
            let wanted = self.endpoints.entry(endpoint.clone()).or_default();
            self.count += usize::from(wanted.add(wish));
        }
    }

    /// The rules, in order; all of them parse, and are only rules wherever they are pasted.
    fn rules(&self) -> BTreeSet<String> {
        let endpoints = self.endpoints.iter();
        let texts = endpoints.flat_map(|(endpoint, wanted)| wanted.rules(endpoint));
        let texts = texts.filter(|text| is_pastable(text));
        texts.filter(|text| text.parse::<Rule>().is_ok()).collect()
    }

    /// Prints what can be pasted into a policy file.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let rules = self.rules();
        if !rules.is_empty() {
            writeln!(
                out,
                "\nrules for 'allow' that would have allowed what was denied:"
            )?;
            for rule in rules {
                writeln!(out, "    \"{rule}\",")?;
            }
        }
        if self.is_full {
            writeln!(out, "… and more: these are only the first {MOST}")?;
        }
        if self.has_hook {
            writeln!(
                out,
                "(the hook refused some of this: an 'allow' rule helps only where a rule asked)"
            )?;
        }
        if self.unusual > 0 {
            let count = self.unusual;
            writeln!(
                out,
                "(no rule is proposed for methods with unusual characters, which {count} had)"
            )?;
        }
        if self.metadata > 0 {
            let count = self.metadata;
            writeln!(
                out,
                "(no rule is proposed for cloud metadata, which {count} were for)"
            )?;
        }
        Ok(())
    }
}

impl Wish {
    /// An attacker who can make a sandbox request cloud metadata should not get a rule for it from
    /// the log.
    fn is_metadata(&self, endpoint: &Endpoint) -> bool {
        let is_metadata = |address: IpAddr| {
            let forms = [address, address.to_canonical()];
            forms.map(classify).contains(&AddressClass::Metadata)
        };
        let is_literal = matches!(endpoint.host, Host::Ip(address) if is_metadata(address));
        is_literal || matches!(self, Self::Address(_, address) if is_metadata(*address))
    }
}

impl Wanted {
    /// Returns whether it is new.
    fn add(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Endpoint => !std::mem::replace(&mut self.endpoint, true),
            Wish::Scheme(scheme) => self.schemes.insert(scheme),
            Wish::Head(scheme, rule) => self.heads.insert((scheme, rule)),
            Wish::Address(scheme, address) => self.addresses.insert((scheme, address)),
        }
    }

    /// The narrowest rules: a rule for a whole scheme includes its methods and directories.
    fn rules(&self, endpoint: &Endpoint) -> Vec<String> {
        let mut schemes = self.schemes.clone();
        let mut rules = Vec::new();
        if self.endpoint && schemes.is_empty() && self.heads.is_empty() {
            rules.push(self.target(None, endpoint));
        } else if self.endpoint && schemes.is_empty() {
            schemes.extend(self.heads.iter().map(|(scheme, _)| *scheme));
        }
        rules.extend(
            schemes
                .iter()
                .map(|scheme| self.target(Some(*scheme), endpoint)),
        );
        let heads = self.heads.iter();
        let heads = heads.filter(|(scheme, _)| !schemes.contains(scheme));
        rules.extend(heads.map(|(_, rule)| rule.clone()));
        rules.extend(
            self.addresses.iter().map(|(scheme, address)| {
                format!("{} to {address}", self.target(*scheme, endpoint))
            }),
        );
        rules
    }

    /// Without a scheme, uses the one of the port, or both.
    fn target(&self, scheme: Option<Scheme>, endpoint: &Endpoint) -> String {
        let by_port = |scheme: &Scheme| scheme.default_port() == endpoint.port;
        match scheme.or_else(|| Scheme::ALL.into_iter().find(by_port)) {
            Some(scheme) => origin(scheme, endpoint).to_string(),
            None => endpoint.to_string(),
        }
    }
}

/// Why there is no proposal.
#[derive(Debug, PartialEq, Eq)]
enum NoWish {
    /// No rule could allow it.
    NoRule,
    /// The rule would contain a method that is not a plain word.
    Unusual,
}

/// What would have allowed a denied request.
fn wish(reason: DenyReason, subject: &Subject, address: Option<IpAddr>) -> Result<Wish, NoWish> {
    let scheme = match subject {
        // No rule of 'allow' would.
        Subject::Tunnel(_) => return Err(NoWish::NoRule),
        Subject::Connect(_) => None,
        Subject::Tls(origin) | Subject::Request { origin, .. } => Some(origin.scheme),
    };
    match (reason, subject) {
        (DenyReason::Address, _) => {
            let address = address.ok_or(NoWish::NoRule)?;
            Ok(Wish::Address(scheme, address))
        }
        // Other rules allow its origin: otherwise it would have been denied at an earlier stage.
        (
            DenyReason::NoRule,
            Subject::Request {
                origin,
                method,
                path,
            },
        ) => Ok(Wish::Head(origin.scheme, head(origin, method, path)?)),
        (DenyReason::NoRule | DenyReason::Hook, _) => {
            Ok(scheme.map_or(Wish::Endpoint, Wish::Scheme))
        }
        _ => Err(NoWish::NoRule),
    }
}

/// The rule for the method and directory of a request, as far as that is plain, or for all paths
/// with that method if servers disagree about the path.
fn head(origin: &Origin, method: &[u8], path: &[u8]) -> Result<String, NoWish> {
    let request = Operation::Request {
        origin,
        method,
        path,
        fields: &[],
    };
    let allows = |text: &String| {
        let rule = text.parse::<Rule>();
        let decision = rule.map(|rule| decide(&request, &Policy::allow([rule])));
        matches!(decision, Ok(Decision::Allow { .. }))
    };
    let method = str::from_utf8(method).map_err(|_| NoWish::NoRule)?;
    let before_query = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let is_plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    let plain = &before_query[..before_query.iter().take_while(is_plain).count()];
    let slash = plain.iter().rposition(|byte| *byte == b'/');
    let directories = [&plain[..=slash.ok_or(NoWish::NoRule)?], b"/"];
    let directories = directories.into_iter().flat_map(str::from_utf8);
    let mut rules = directories.map(|directory| format!("{method} {origin}{directory}**"));
    let rule = rules.find(allows).ok_or(NoWish::NoRule)?;
    let is_plain = is_pastable(&rule) && !method.contains([',', '*']);
    is_plain.then_some(rule).ok_or(NoWish::Unusual)
}

fn origin(scheme: Scheme, endpoint: &Endpoint) -> Origin {
    let endpoint = endpoint.clone();
    Origin { scheme, endpoint }
}

#[cfg(test)]
mod tests;
