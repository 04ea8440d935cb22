//! The TLS settings that a program may choose itself if the policy grants them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::query::Query;
use crate::rule::Rule;
use crate::rule_error::RuleError;
use crate::target::Scheme;

/// How a server's certificate is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// A trusted root signs it, and it is for the host of the connection.
    #[default]
    Full,
    /// A trusted root signs it; it may be for another name.
    NameUnchecked,
    /// The certificate is not verified.
    None,
}

/// The TLS settings that a program requests for a connection. The default is what the host does
/// without a grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TlsOverrides {
    /// How the server's certificate is verified.
    pub verification: Verification,
    /// Whether certificate authorities are trusted that the host does not trust itself.
    pub own_roots: bool,
    /// Whether the program shows a certificate of its own.
    pub client_certificate: bool,
}

impl TlsOverrides {
    /// What the policy has to grant for this. Without verification, own roots do not count either.
    pub fn settings(&self) -> impl Iterator<Item = TlsOverride> + use<> {
        let Self {
            verification,
            own_roots,
            client_certificate,
        } = *self;
        TlsOverride::ALL
            .into_iter()
            .filter(move |setting| match setting {
                TlsOverride::Unverified => verification == Verification::None,
                TlsOverride::UnverifiedName => verification == Verification::NameUnchecked,
                TlsOverride::OwnRoots => own_roots && verification != Verification::None,
                TlsOverride::ClientCertificates => client_certificate,
            })
    }
}

/// The request that needs all of these.
impl FromIterator<TlsOverride> for TlsOverrides {
    fn from_iter<I: IntoIterator<Item = TlsOverride>>(settings: I) -> Self {
        let mut request = Self::default();
        for setting in settings {
            match setting {
                TlsOverride::Unverified => request.verification = Verification::None,
                TlsOverride::UnverifiedName if request.verification == Verification::Full => {
                    request.verification = Verification::NameUnchecked;
                }
                TlsOverride::UnverifiedName => {}
                TlsOverride::OwnRoots => request.own_roots = true,
                TlsOverride::ClientCertificates => request.client_certificate = true,
            }
        }
        request
    }
}

/// A TLS setting that a program has only if the policy grants it. Its name is the same in policy
/// files, on the command line, in denials and in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsOverride {
    /// No verification of the server's certificate at all.
    Unverified,
    /// A trusted root has to sign the server's certificate, which may be for another name.
    UnverifiedName,
    /// Certificate authorities of the program's own are trusted.
    OwnRoots,
    /// The program shows a certificate of its own to servers that ask for one.
    ClientCertificates,
}

impl TlsOverride {
    /// All settings.
    pub const ALL: [Self; 4] = [
        Self::Unverified,
        Self::UnverifiedName,
        Self::OwnRoots,
        Self::ClientCertificates,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::UnverifiedName => "unverified_name",
            Self::OwnRoots => "own_roots",
            Self::ClientCertificates => "client_certificates",
        }
    }
}

impl fmt::Display for TlsOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Settings of TLS that programs may choose themselves for these hosts. It allows no connection:
/// that is what rules are for.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
pub struct TlsGrants {
    /// The hosts, written like the rules of 'allow', but without methods, paths and 'to'.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub hosts: Vec<Rule>,
    /// Whether programs may leave the server's certificate unverified. This includes
    /// 'unverified_name'.
    #[schemars(default)]
    pub unverified: bool,
    /// Whether programs may accept a certificate that a trusted authority has signed for another
    /// name.
    #[schemars(default)]
    pub unverified_name: bool,
    /// Whether programs may trust certificate authorities of their own.
    #[schemars(default)]
    pub own_roots: bool,
    /// Whether programs may show certificates of their own to these hosts.
    #[schemars(default)]
    pub client_certificates: bool,
}

/// Why a grant of TLS settings is refused. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsGrantsError {
    /// There are no hosts.
    #[error("hosts: name at least one host, such as 'https://legacy.example.com'")]
    NoHosts,
    /// No setting is granted.
    #[error("nothing is granted: set {} to true", known(" or "))]
    Nothing,
    /// A rule with methods.
    #[error("hosts: '{0}' names methods, but TLS starts before the method is known: remove them")]
    Methods(String),
    /// A rule with a path.
    #[error("hosts: '{0}' has a path, but TLS starts before the path is known: remove it")]
    Path(String),
    /// A rule with a `to` list.
    #[error("hosts: '{0}' has a 'to' list: move it to the rule that allows the host")]
    To(String),
    /// A rule for plain HTTP.
    #[error("hosts: '{0}' is for plain HTTP, which has no TLS: write 'https://'")]
    PlainHttp(String),
    /// A text without settings before the rule.
    #[error(
        "write the settings with commas between them, a space and a rule, such as \
         'unverified,own_roots https://legacy.example.com'"
    )]
    Words,
    /// No setting has this name.
    #[error("unknown TLS setting '{}'; known settings: {}", .0.escape_debug(), known(" and "))]
    Unknown(String),
    /// The host is not one.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// The names of all settings.
fn known(last: &str) -> String {
    quoted(TlsOverride::ALL, last)
}

/// Names in quotes, with commas between them and `last` before the last one.
pub(crate) fn quoted(settings: impl IntoIterator<Item = TlsOverride>, last: &str) -> String {
    let mut names: Vec<String> = settings.into_iter().map(|it| format!("'{it}'")).collect();
    match names.pop() {
        Some(name) if names.is_empty() => name,
        Some(name) => format!("{}{last}{name}", names.join(", ")),
        None => String::new(),
    }
}

impl TlsGrants {
    /// Refuses grants without effect, and rules that say more than which hosts are meant.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TlsGrantsError> {
        if self.hosts.is_empty() {
            return Err(TlsGrantsError::NoHosts);
        }
        self.hosts.iter().try_for_each(check_host)?;
        match TlsOverride::ALL.into_iter().any(|it| self.has(it)) {
            true => Ok(()),
            false => Err(TlsGrantsError::Nothing),
        }
    }

    /// The granted settings, without those that another one includes.
    pub fn settings(&self) -> impl Iterator<Item = TlsOverride> {
        let is_included = |it| it == TlsOverride::UnverifiedName && self.unverified;
        let own = move |it: &TlsOverride| self.has(*it) && !is_included(*it);
        TlsOverride::ALL.into_iter().filter(own)
    }

    /// Whether it grants this setting to its hosts.
    #[must_use]
    pub const fn has(&self, setting: TlsOverride) -> bool {
        match setting {
            TlsOverride::Unverified => self.unverified,
            TlsOverride::UnverifiedName => self.unverified || self.unverified_name,
            TlsOverride::OwnRoots => self.own_roots,
            TlsOverride::ClientCertificates => self.client_certificates,
        }
    }

    fn add(&mut self, setting: TlsOverride) {
        *match setting {
            TlsOverride::Unverified => &mut self.unverified,
            TlsOverride::UnverifiedName => &mut self.unverified_name,
            TlsOverride::OwnRoots => &mut self.own_roots,
            TlsOverride::ClientCertificates => &mut self.client_certificates,
        } = true;
    }

    /// Whether it grants this setting for this connection.
    pub(crate) fn grants(&self, setting: TlsOverride, query: &Query<'_>) -> bool {
        self.has(setting) && self.hosts.iter().any(|rule| rule.grants(query).is_ok())
    }
}

/// A rule here may only name hosts.
pub(crate) fn check_host(rule: &Rule) -> Result<(), TlsGrantsError> {
    let text = || rule.as_str().to_owned();
    if !rule.methods.is_empty() {
        return Err(TlsGrantsError::Methods(text()));
    }
    if rule.path.is_some() {
        return Err(TlsGrantsError::Path(text()));
    }
    if !rule.to.is_empty() {
        return Err(TlsGrantsError::To(text()));
    }
    if rule.scheme == Some(Scheme::Http) {
        return Err(TlsGrantsError::PlainHttp(text()));
    }
    Ok(())
}

/// `SETTING[,SETTING…] RULE`, as on the command line.
impl FromStr for TlsGrants {
    type Err = TlsGrantsError;

    fn from_str(text: &str) -> Result<Self, TlsGrantsError> {
        let (names, rule) = text.split_once(' ').ok_or(TlsGrantsError::Words)?;
        let mut grants = Self::default();
        for name in names.split(',') {
            let mut known = TlsOverride::ALL.into_iter();
            let setting = known.find(|setting| setting.as_str() == name);
            grants.add(setting.ok_or_else(|| TlsGrantsError::Unknown(name.to_owned()))?);
        }
        grants.hosts.push(rule.parse()?);
        grants.check()?;
        Ok(grants)
    }
}

#[cfg(test)]
mod tests;
