//! A policy: what a sandbox may connect to and request.

use std::sync::Arc;

use crate::budgets::Budgets;
use crate::document::Document;
use crate::document::Mode;
use crate::filter::LayerFilter;
use crate::layer::{Layer, LayerVerdict};
use crate::overrides::{FieldGrants, overriding};
use crate::query::Query;
use crate::rule::Rule;
use crate::secret::Secret;
use crate::target::{Endpoint, Origin, Scheme};
use crate::tls::{TlsOverride, TlsOverrides};

/// What a sandbox may connect to and request: what no rule allows is denied. Cloning shares the
/// rules.
///
/// A policy has the rules of one author, or of several by [`intersect`](Self::intersect); a request
/// has to be allowed by all of them.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Never empty: each layer denies what it does not allow.
    pub(crate) layers: Arc<[Layer]>,
    budgets: Budgets,
    secrets: Arc<[Secret]>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::deny_all()
    }
}

impl Policy {
    /// A policy that denies everything.
    #[must_use]
    pub fn deny_all() -> Self {
        Document::default().into()
    }

    /// A policy that allows what these rules allow; without rules, nothing.
    #[must_use]
    pub fn allow(rules: impl IntoIterator<Item = Rule>) -> Self {
        let document = Document {
            allow: rules.into_iter().collect(),
            ..Document::default()
        };
        document.into()
    }

    /// A policy that allows only what both allow: the stricter answer counts for every request, and
    /// the smaller one of each budget.
    ///
    /// The secrets are those of `self` alone. A secret's source names something of the operator, an
    /// environment variable, a file or a command, which another author must not choose.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            layers: self.layers.iter().chain(&*other.layers).cloned().collect(),
            budgets: self.budgets.tightest(other.budgets),
            secrets: self.secrets.clone(),
        }
    }

    /// A policy of one author, without budgets and secrets.
    pub(crate) fn of_layer(layer: Layer) -> Self {
        Self {
            layers: [layer].into(),
            budgets: Budgets::default(),
            secrets: [].into(),
        }
    }

    /// The rules that allow, in the order in which they were given.
    pub fn allow_rules(&self) -> impl Iterator<Item = &Rule> {
        self.layers.iter().flat_map(|layer| &layer.allow)
    }

    /// The rules that ask, in the order in which they were given.
    pub fn ask_rules(&self) -> impl Iterator<Item = &Rule> {
        self.layers.iter().flat_map(|layer| &layer.ask)
    }

    /// Whether nothing is ever allowed, so that a sandbox needs no network at all.
    #[must_use]
    pub fn denies_everything(&self) -> bool {
        let denies = |layer: &Layer| {
            layer.mode == Mode::Enforce && layer.allow.is_empty() && layer.ask.is_empty()
        };
        self.layers.iter().any(denies)
    }

    /// Whether some layer only reports what it would deny.
    #[must_use]
    pub fn reports_only(&self) -> bool {
        self.layers.iter().any(|layer| layer.mode == Mode::Report)
    }

    /// Whether some layer asks the hook about what no rule allows.
    #[must_use]
    pub fn asks(&self) -> bool {
        let asks = |layer: &Layer| layer.mode == Mode::Ask || !layer.ask.is_empty();
        self.layers.iter().any(asks)
    }

    /// The TLS settings that programs may choose themselves for this endpoint, whether or not a
    /// connection to it is allowed.
    #[must_use]
    pub fn granted_tls(&self, endpoint: &Endpoint) -> Vec<TlsOverride> {
        let query = Query {
            scheme: Scheme::Https,
            endpoint,
            head: None,
        };
        let is_granted = |setting: &TlsOverride| {
            let request = [*setting].into_iter().collect();
            match self.refuse_tls(&query, request) {
                None | Some(LayerVerdict::Report(_)) => true,
                Some(_) => false,
            }
        };
        TlsOverride::ALL.into_iter().filter(is_granted).collect()
    }

    /// The fields that override method, path or host and that programs may send to this origin,
    /// whether or not a request to it is allowed; empty if no such field is refused there, because
    /// no rule for the host names a method or a path.
    #[must_use]
    pub fn granted_fields(&self, origin: &Origin) -> Option<Vec<&'static str>> {
        let query = Query {
            scheme: origin.scheme,
            endpoint: &origin.endpoint,
            head: None,
        };
        let host = &origin.endpoint.host;
        let refusing: Vec<_> = self
            .layers
            .iter()
            .filter(|layer| layer.mode != Mode::Report && layer.head_rule(host).is_some())
            .collect();
        let (first, others) = refusing.split_first()?;
        let granted = |layer: &Layer, name| layer.fields.iter().any(|it| it.grants(name, &query));
        let mut names: Vec<_> = first.fields.iter().flat_map(FieldGrants::names).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| granted(first, name) && others.iter().all(|it| granted(it, name)));
        Some(names)
    }

    /// The bounds of the sandbox.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Returns the same policy with other bounds.
    #[must_use]
    pub fn with_budgets(self, budgets: Budgets) -> Self {
        Self { budgets, ..self }
    }

    /// The same policy with other layers.
    pub(crate) fn with_layers(&self, layers: Vec<Layer>) -> Self {
        Self {
            layers: layers.into(),
            ..self.clone()
        }
    }

    /// Returns the same policy with the secrets of `other`.
    #[must_use]
    pub fn with_secrets_of(self, other: &Self) -> Self {
        Self {
            secrets: other.secrets.clone(),
            ..self
        }
    }

    /// The secrets that may be inserted into requests.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The strictest of the layers' verdicts; if several allow, the last one's rule.
    pub(crate) fn judge(&self, query: &Query<'_>) -> LayerVerdict<'_> {
        LayerVerdict::strictest(self.layers.iter().map(|layer| layer.judge(query)))
    }

    /// The strictest verdict of the layers on these TLS settings; `None` if all grant them.
    pub(crate) fn refuse_tls(
        &self,
        query: &Query<'_>,
        tls: TlsOverrides,
    ) -> Option<LayerVerdict<'_>> {
        let refusals = self.layers.iter().map(|layer| layer.refuse_tls(query, tls));
        refusals.flatten().max_by_key(LayerVerdict::severity)
    }

    /// The strictest verdict of the layers on these fields; `None` if all allow them.
    pub(crate) fn refuse_fields(
        &self,
        query: &Query<'_>,
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Option<LayerVerdict<'_>> {
        let names = overriding(fields);
        if names.is_empty() {
            return None;
        }
        let layers = self.layers.iter();
        let refusals = layers.map(|layer| layer.refuse_fields(query, &names));
        refusals.flatten().max_by_key(LayerVerdict::severity)
    }

    /// The addresses that each layer permits for such a request.
    pub(crate) fn filters(&self, query: &Query<'_>) -> Vec<LayerFilter> {
        self.layers
            .iter()
            .map(|layer| layer.filter(query))
            .collect()
    }
}

impl From<Document> for Policy {
    fn from(document: Document) -> Self {
        let layer = Layer {
            mode: document.mode,
            allow: document.allow,
            deny: document.deny,
            ask: document.ask,
            tls: document.tls,
            fields: document.fields,
            tunnel: document.tunnel,
        };
        Self {
            budgets: document.budgets,
            secrets: document.secrets.into(),
            ..Self::of_layer(layer)
        }
    }
}
