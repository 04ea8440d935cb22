//! Fields that override the method, path or host of a request.
//!
//! Frameworks and proxies honour them, some by default, so that a rule for methods or paths would
//! restrict the head but not what the server does. They are refused if a rule for the host names a
//! method or a path, unless the policy grants them.

use std::str::FromStr;

use schemars::JsonSchema;

use crate::fields;
use crate::query::Query;
use crate::rule::Rule;
use crate::rule_error::RuleError;

/// The fields, in lower case and with `-` for `_`: many servers treat both alike. Who reads them:
///
/// - method: Symfony, Laravel, Rack, ASP.NET, `method-override` of Express, Google's and OData's
///   APIs; behind forwarded authentication Traefik, Caddy, and nginx by convention;
/// - path: IIS URL Rewrite, Helicon's ISAPI Rewrite, old Zend and Symfony, Envoy, nginx by
///   convention, Traefik; what a path is relative to: Werkzeug, Spring, ASP.NET, gunicorn, uWSGI;
/// - host, port and scheme (RFC 7239, and its predecessors): Rack, Django, Werkzeug, Spring,
///   Symfony, Express, ASP.NET, gunicorn.
const NAMES: [&str; 41] = [
    "forwarded",
    "front-end-https",
    "path-info",
    "script-name",
    "x-envoy-original-host",
    "x-envoy-original-method",
    "x-envoy-original-path",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-method",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-path",
    "x-original-prefix",
    "x-original-proto",
    "x-original-uri",
    "x-original-url",
    "x-real-url",
    "x-replaced-path",
    "x-request-uri",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// The known name that servers take this one for.
fn known(name: &[u8]) -> Option<&'static str> {
    let plain = |b: &u8| match b {
        b'_' => b'-',
        other => other.to_ascii_lowercase(),
    };
    let is = |known: &&&str| known.len() == name.len() && name.iter().map(plain).eq(known.bytes());
    NAMES.iter().find(is).copied()
}

/// The names of those fields that override the request's method, path or host, each once: in lower
/// case, and with `-` for `_`.
#[must_use]
pub fn overriding(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<&'static str> {
    let mut names: Vec<_> = fields.iter().filter_map(|(name, _)| known(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Fields that override method, path or host, and that programs may send to these hosts. It allows
/// no request: that is what rules are for.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FieldGrants {
    /// The names of the fields, such as 'x-http-method-override'; upper and lower case, '-' and '_'
    /// are the same.
    #[schemars(length(min = 1))]
    pub names: Vec<String>,
    /// The hosts, written like the rules of 'allow', but without methods, paths and 'to'.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub hosts: Vec<Rule>,
}

/// Why a grant of fields is refused. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldGrantsError {
    /// There are no names.
    #[error("names: name at least one field, such as 'x-http-method-override'")]
    NoNames,
    /// There are no hosts.
    #[error("hosts: name at least one host, such as 'https://api.example.com'")]
    NoHosts,
    /// A field that only the host sends.
    #[error("names: '{0}' is set by the host and cannot be granted")]
    HostOwned(String),
    /// A field that is never refused.
    #[error(
        "names: '{}' needs no grant: only fields that override method, path or host do, such as \
         'x-http-method-override'{}",
        .0.escape_debug(),
        nearest(.0)
    )]
    Needless(String),
    /// A rule with methods.
    #[error("hosts: '{0}' names methods, but a field is granted for whole hosts: remove them")]
    Methods(String),
    /// A rule with a path.
    #[error("hosts: '{0}' has a path, but a field is granted for whole hosts: remove it")]
    Path(String),
    /// A rule with a `to` list.
    #[error("hosts: '{0}' has a 'to' list: move it to the rule that allows the host")]
    To(String),
    /// A text without names before the rule.
    #[error(
        "write the fields with commas between them, a space and a rule, such as \
         'x-http-method-override https://api.example.com'"
    )]
    Words,
    /// The host is not one.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// The closest known name.
fn nearest(name: &str) -> String {
    let start: String = name.chars().take(64).collect();
    let plain = start.to_ascii_lowercase().replace('_', "-");
    let distances = NAMES
        .iter()
        .map(|known| (strsim::osa_distance(&plain, known), known));
    match distances.min() {
        Some((distance, known)) if distance <= 2 => format!("; did you mean '{known}'?"),
        _ => String::new(),
    }
}

impl FieldGrants {
    /// Refuses grants without effect, and rules that say more than which hosts are meant.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), FieldGrantsError> {
        if self.names.is_empty() {
            return Err(FieldGrantsError::NoNames);
        }
        self.names.iter().try_for_each(|name| check_name(name))?;
        if self.hosts.is_empty() {
            return Err(FieldGrantsError::NoHosts);
        }
        self.hosts.iter().try_for_each(check_host)
    }

    /// Whether it grants this field, by its known name, to its hosts.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|own| known(own.as_bytes()) == Some(name))
    }

    /// The fields that it grants, by their known names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().filter_map(|own| known(own.as_bytes()))
    }

    /// Each of these fields with each rule for the hosts.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, &Rule)> {
        let hosts = |name| self.hosts.iter().map(move |rule| (name, rule));
        self.names().flat_map(hosts)
    }

    /// Whether it grants this field for this connection.
    pub(crate) fn grants(&self, name: &str, query: &Query<'_>) -> bool {
        let query = Query {
            head: None,
            ..*query
        };
        self.has(name) && self.hosts.iter().any(|rule| rule.grants(&query).is_ok())
    }
}

/// A field that can be granted.
pub(crate) fn check_name(name: &str) -> Result<(), FieldGrantsError> {
    let lower = name.to_ascii_lowercase();
    match known(name.as_bytes()) {
        Some(_) => Ok(()),
        None if fields::is_host_owned(&lower) => Err(FieldGrantsError::HostOwned(lower)),
        None => Err(FieldGrantsError::Needless(name.to_owned())),
    }
}

/// A rule here may only name hosts.
pub(crate) fn check_host(rule: &Rule) -> Result<(), FieldGrantsError> {
    let text = || rule.as_str().to_owned();
    if !rule.methods.is_empty() {
        return Err(FieldGrantsError::Methods(text()));
    }
    if rule.path.is_some() {
        return Err(FieldGrantsError::Path(text()));
    }
    if !rule.to.is_empty() {
        return Err(FieldGrantsError::To(text()));
    }
    Ok(())
}

/// `NAME[,NAME…] RULE`, as on the command line.
impl FromStr for FieldGrants {
    type Err = FieldGrantsError;

    fn from_str(text: &str) -> Result<Self, FieldGrantsError> {
        let (names, rule) = text.split_once(' ').ok_or(FieldGrantsError::Words)?;
        let grants = Self {
            names: names.split(',').map(str::to_owned).collect(),
            hosts: vec![rule.parse()?],
        };
        grants.check()?;
        Ok(grants)
    }
}

#[cfg(test)]
mod tests;
