//! A layer: the rules of one author.

use crate::address::{AddressClass, carried_addresses, classify};
use crate::denial::Denial;
use crate::denial_target::Target;
use crate::document::Mode;
use crate::filter::LayerFilter;
use crate::host::Host;
use crate::overrides::FieldGrants;
use crate::query::Query;
use crate::relations::is_narrower;
use crate::rule::Rule;
use crate::tls::{TlsGrants, TlsOverride, TlsOverrides};
use crate::tunnel_grant::TunnelGrant;

/// The name of the rule if a mode decided and not a rule.
pub(crate) const ASK_MODE: &str = "ask-mode";

/// The most rules that allow a request and are compared with those that ask about it.
const MOST_COMPARED: usize = 8;

/// The rules of one author, and what happens to the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    pub(crate) mode: Mode,
    pub(crate) allow: Vec<Rule>,
    pub(crate) deny: Vec<Rule>,
    pub(crate) ask: Vec<Rule>,
    pub(crate) tls: Vec<TlsGrants>,
    pub(crate) fields: Vec<FieldGrants>,
    pub(crate) tunnel: Vec<TunnelGrant>,
}

/// The answer of a layer, or of a whole policy, to a request. In the order of severity.
#[derive(Debug, Clone)]
pub(crate) enum LayerVerdict<'p> {
    /// The rule allows it.
    Allow(&'p Rule),
    /// It would be denied, but is allowed.
    Report(Denial),
    /// Somebody has to grant it; otherwise the denial applies.
    Ask(&'p str, Denial),
    /// It is denied.
    Deny(Denial),
}

impl<'p> LayerVerdict<'p> {
    /// The strictest of the layers' verdicts; if several allow, the last one's rule.
    pub(crate) fn strictest(verdicts: impl Iterator<Item = Self>) -> Self {
        verdicts
            .reduce(|a, b| if a.severity() > b.severity() { a } else { b })
            .expect("a policy has at least one layer")
    }
}

impl LayerVerdict<'_> {
    pub(crate) fn severity(&self) -> u8 {
        match self {
            Self::Allow(_) => 0,
            Self::Report(_) => 1,
            Self::Ask(..) => 2,
            Self::Deny(_) => 3,
        }
    }
}

impl Layer {
    pub(crate) fn judge(&self, query: &Query<'_>) -> LayerVerdict<'_> {
        let target = Target::from(query);
        if let Some(rule) = self.deny.iter().find(|rule| rule.forbids(query).is_ok()) {
            let head = query.head.filter(|_| rule.path.is_some());
            let unread = head.and_then(|head| head.readings.unread());
            return self.refuse(target.deny_rule(rule.as_str(), unread));
        }
        if let Some(rule) = self.asking(query) {
            let denial = target.not_granted(rule.as_str());
            return self.asks(rule, denial);
        }
        if let Some(rule) = self.allowing(query).next() {
            return LayerVerdict::Allow(rule);
        }
        let denial = self.no_rule(query);
        match self.mode {
            // Only a rule with the literal address overrides this.
            _ if is_metadata(&query.endpoint.host) => LayerVerdict::Deny(denial),
            Mode::Enforce => LayerVerdict::Deny(denial),
            Mode::Report => LayerVerdict::Report(denial),
            Mode::Ask => LayerVerdict::Ask(ASK_MODE, target.not_granted(ASK_MODE)),
        }
    }

    fn allowing(&self, query: &Query<'_>) -> impl Iterator<Item = &Rule> {
        self.allow.iter().filter(|rule| rule.grants(query).is_ok())
    }

    /// The rule that asks about this, unless a narrower one allows it. A rule that names a method or a
    /// path asks at the request: a connection that another rule allows may carry other requests.
    fn asking(&self, query: &Query<'_>) -> Option<&Rule> {
        let is_whole = query.head.is_some() || self.allowing(query).next().is_none();
        let mut asking = self
            .ask
            .iter()
            .filter(|rule| rule.grants(query).is_ok() && (is_whole || !rule.names_head()));
        let first = asking.next()?;
        let asking: Vec<&Rule> = std::iter::once(first).chain(asking).collect();
        // A decision stays cheap, whatever the rules are.
        let mut allowing = self.allowing(query).take(MOST_COMPARED);
        let is_allowed = allowing.any(|own| asking.iter().all(|ask| is_narrower(own, ask)));
        (!is_allowed).then_some(first)
    }

    /// The verdict on a connection whose TLS settings are not all granted; `None` if they are. It
    /// never asks: a hook is not told of the settings.
    pub(crate) fn refuse_tls(
        &self,
        query: &Query<'_>,
        tls: TlsOverrides,
    ) -> Option<LayerVerdict<'_>> {
        let is_granted = |setting| self.tls.iter().any(|grants| grants.grants(setting, query));
        let missing = tls.settings().filter(|setting| !is_granted(*setting));
        let missing: Vec<TlsOverride> = missing.collect();
        let denial = || Target::from(query).tls_settings(&missing);
        (!missing.is_empty()).then(|| self.refuse(denial()))
    }

    /// The verdict on a request with these fields, which override method, path or host; `None` if
    /// no rule for the host names a method or a path, or all of them are granted.
    pub(crate) fn refuse_fields(
        &self,
        query: &Query<'_>,
        names: &[&str],
    ) -> Option<LayerVerdict<'_>> {
        let rule = self.head_rule(&query.endpoint.host)?;
        let is_granted = |name: &&&str| self.fields.iter().any(|it| it.grants(name, query));
        let name = names.iter().find(|name| !is_granted(name))?;
        let denial = Target::from(query).override_field(name, rule.as_str());
        Some(self.refuse(denial))
    }

    /// The rules that name a method or a path and may match a host of this rule.
    pub(crate) fn head_rules_for(&self, rule: &Rule) -> impl Iterator<Item = &Rule> {
        self.rules()
            .filter(|own| own.names_head() && own.host.shares_hosts_with(&rule.host))
    }

    /// All rules, whatever they do.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.allow.iter().chain(&self.ask).chain(&self.deny)
    }

    /// The first rule about this host that names a method or a path.
    pub(crate) fn head_rule(&self, host: &Host) -> Option<&Rule> {
        let mut granting = self.allow.iter().chain(&self.ask);
        let mut denying = self.deny.iter();
        granting
            .find(|rule| rule.names_head() && rule.host.grants(host))
            .or_else(|| denying.find(|rule| rule.names_head() && rule.host.forbids(host)))
    }

    /// The verdict of a rule that asks.
    pub(crate) fn asks<'p>(&self, rule: &'p Rule, denial: Denial) -> LayerVerdict<'p> {
        match self.mode {
            Mode::Report => LayerVerdict::Report(denial),
            _ => LayerVerdict::Ask(rule.as_str(), denial),
        }
    }

    pub(crate) fn refuse(&self, denial: Denial) -> LayerVerdict<'_> {
        match self.mode {
            Mode::Report => LayerVerdict::Report(denial),
            _ => LayerVerdict::Deny(denial),
        }
    }

    /// Proposes method and path only if some rule already allows the rest.
    fn no_rule(&self, query: &Query<'_>) -> Denial {
        let without_head = Query {
            head: None,
            ..*query
        };
        let nearly = |rule: &Rule| rule.grants(&without_head).is_ok();
        let head = query.head.filter(|_| self.allow.iter().any(nearly));
        Target::from(query).no_rule(head)
    }

    /// The addresses at which such a request may be dialled, if it is allowed at all.
    pub(crate) fn filter(&self, query: &Query<'_>) -> LayerFilter {
        let fits = |rule: &&Rule| rule.grants(query).is_ok();
        let mut granting: Vec<&Rule> = self.allow.iter().filter(fits).collect();
        // What is asked about may go where each of its rules leads, once it is granted.
        if self.asking(query).is_some() {
            granting.extend(self.ask.iter().filter(fits));
        }
        let deny = self.deny.iter();
        LayerFilter::new(
            &granting,
            deny.filter(|rule| rule.may_forbid_addresses(query)),
            self.mode,
        )
    }
}

/// Whether this is a cloud metadata address, or carries one.
fn is_metadata(host: &Host) -> bool {
    let is_metadata = |address| classify(address) == AddressClass::Metadata;
    match host {
        Host::Ip(address) => is_metadata(*address) || carried_addresses(*address).any(is_metadata),
        Host::Name(_) => false,
    }
}
