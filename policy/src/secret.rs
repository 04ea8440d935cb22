//! Secrets: which requests get one, where in the request it goes, and where it comes from.

use std::collections::HashSet;

use schemars::JsonSchema;

use crate::fields;
use crate::host_pattern::HostPattern;
use crate::rule::Rule;
use crate::secret_source::SecretSource;
use crate::syntax;
use crate::target::Scheme;

/// A credential that the guest uses without ever having it.
///
/// The guest's environment has a placeholder. In requests that the secret's rule allows, the host
/// puts the value in the placeholder's place; the value itself is in no policy file.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Secret {
    /// What logs and messages call the secret: 1 to 64 of a-z, 0-9, '_' and '-'.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,64}$"))]
    pub name: String,
    /// The requests that the secret goes into, written like the rules of 'allow'.
    #[schemars(with = "String")]
    pub rule: Rule,
    /// The guest's environment variable that holds the placeholder. Without it, the name in upper
    /// case, with '_' for '-'.
    #[schemars(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = r"^[^=\u0000]+$"))]
    pub env: String,
    /// The header fields in which the placeholder is replaced; upper and lower case are the same,
    /// and a parsed secret has them in lower case. Without 'headers', 'query' and 'basic', this is
    /// 'authorization' alone.
    #[schemars(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The query parameters in whose value the placeholder is replaced.
    #[schemars(default)]
    pub query: Vec<String>,
    /// Whether the placeholder is also replaced within the user name and the password of Basic
    /// credentials (RFC 7617).
    #[schemars(default)]
    pub basic: bool,
    /// Whether the secret is also sent without TLS, where anybody on the way can read it.
    #[schemars(default)]
    pub plain_http: bool,
    /// Where the host gets the value from.
    pub source: SecretSource,
}

/// Why a secret is refused. Every message is one line.
///
/// What is not a name is not repeated in the message: it could be the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The name has other characters, none, or too many.
    #[error("name: write 1 to 64 of a-z, 0-9, '_' and '-'")]
    Name,
    /// Another secret has this name.
    #[error("name: another secret is already called '{0}'")]
    SameName(String),
    /// The guest's variable is empty, or has `=` or NUL in it.
    #[error("env: a variable name cannot be empty or contain '=' or NUL")]
    Variable,
    /// Another secret has this variable of the guest.
    #[error("env: another secret already has the guest's variable '{}'", .0.escape_debug())]
    SameVariable(String),
    /// A header name that is not a token (RFC 9110 section 5.1).
    #[error("headers: write names of header fields, such as 'authorization' or 'x-api-key'")]
    Header,
    /// A header field that the guest cannot send, in lower case.
    #[error("headers: '{0}' is set by the host; a secret cannot go there")]
    HostOwned(String),
    /// A query parameter without a name, or with a control character in it.
    #[error("query: write names of query parameters, such as 'key'")]
    Query,
    /// The secret has no place: no header, query parameter or Basic credentials.
    #[error("headers: the secret is never sent; name a header or a query parameter, or set basic")]
    Nowhere,
    /// The rule is for plain HTTP only.
    #[error(
        "rule: 'http://' would send the secret without TLS; write 'https://', or set \
         plain_http = true"
    )]
    PlainHttp,
    /// The rule matches every host.
    #[error("rule: a secret cannot use 'any': name its hosts")]
    AnyHost,
    /// The source is not exactly one of the three kinds.
    #[error(
        "source: write {{ env = \"NAME\" }}, {{ file = \"PATH\" }} or \
         {{ command = [\"PROGRAM\"] }}; do not write the secret itself into the policy"
    )]
    Source,
    /// The host's variable is empty, or has `=` or NUL in it.
    #[error("source: a variable name cannot be empty or contain '=' or NUL")]
    SourceVariable,
    /// The path is empty or has NUL in it.
    #[error("source: a file path cannot be empty or contain NUL")]
    SourceFile,
    /// There is no program, or NUL in the command.
    #[error("source: a command begins with a program and cannot contain NUL")]
    SourceCommand,
}

impl Secret {
    /// A secret for the requests that `rule` allows, in their field `authorization`. The guest's
    /// variable is the name in upper case, with `_` for `-`. The fields change all of that.
    ///
    /// ```
    /// use sandbox_net_policy::{Secret, SecretSource};
    ///
    /// let rule = "https://api.example.com".parse().unwrap();
    /// let secret = Secret::new("api-key", rule, SecretSource::value("sk-live-0123456789"));
    /// assert_eq!(secret.env, "API_KEY");
    /// assert_eq!(secret.check(), Ok(()));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, rule: Rule, source: SecretSource) -> Self {
        let name = name.into();
        Self {
            env: default_variable(&name),
            name,
            rule,
            headers: vec!["authorization".to_owned()],
            query: Vec::new(),
            basic: false,
            plain_http: false,
            source,
        }
    }

    /// Checks a secret that was built in code; those of a policy file are checked already.
    ///
    /// # Errors
    ///
    /// The first fault. It does not check that names and variables of several secrets differ.
    pub fn check(&self) -> Result<(), SecretError> {
        check_name(&self.name)?;
        check_variable(&self.env)?;
        self.headers
            .iter()
            .try_for_each(|name| check_header(name))?;
        self.query
            .iter()
            .try_for_each(|name| check_parameter(name))?;
        self.check_places()?;
        self.check_rule()?;
        self.source.check()
    }

    /// Refuses a secret that no request could contain.
    pub(super) fn check_places(&self) -> Result<(), SecretError> {
        if self.headers.is_empty() && self.query.is_empty() && !self.basic {
            return Err(SecretError::Nowhere);
        }
        Ok(())
    }

    /// Refuses a rule for plain HTTP alone, unless plain HTTP is also permitted explicitly, and a
    /// rule for every host.
    pub(super) fn check_rule(&self) -> Result<(), SecretError> {
        if !self.plain_http && self.rule.scheme == Some(Scheme::Http) {
            return Err(SecretError::PlainHttp);
        }
        if self.rule.host == HostPattern::Any {
            return Err(SecretError::AnyHost);
        }
        Ok(())
    }
}

impl SecretSource {
    /// Refuses what the operating system cannot look up.
    ///
    /// # Errors
    ///
    /// The fault. A value, and what a callback answers, are checked where they are used.
    pub fn check(&self) -> Result<(), SecretError> {
        let has_nul = |text: &str| text.contains('\0');
        match self {
            Self::Env(name) => check_variable(name).map_err(|_| SecretError::SourceVariable),
            Self::File(path) if path.as_os_str().is_empty() || has_nul(&path.to_string_lossy()) => {
                Err(SecretError::SourceFile)
            }
            Self::Command(words)
                if words.first().is_none_or(String::is_empty)
                    || words.iter().any(|word| has_nul(word)) =>
            {
                Err(SecretError::SourceCommand)
            }
            Self::File(_) | Self::Command(_) | Self::Value(_) | Self::Callback(_) => Ok(()),
        }
    }
}

/// The default variable of the guest for a secret.
pub(super) fn default_variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

pub(super) fn check_name(name: &str) -> Result<(), SecretError> {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(SecretError::Name)
    }
}

pub(super) fn check_variable(name: &str) -> Result<(), SecretError> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(SecretError::Variable);
    }
    Ok(())
}

pub(super) fn check_header(name: &str) -> Result<(), SecretError> {
    if !syntax::is_token(name.as_bytes()) {
        return Err(SecretError::Header);
    }
    let name = name.to_ascii_lowercase();
    match fields::is_host_owned(&name) {
        true => Err(SecretError::HostOwned(name)),
        false => Ok(()),
    }
}

pub(super) fn check_parameter(name: &str) -> Result<(), SecretError> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err(SecretError::Query);
    }
    Ok(())
}

/// The first secret, by its index, that repeats the name or the variable of an earlier one.
pub(crate) fn first_twin(secrets: &[Secret]) -> Option<(usize, SecretError)> {
    let (mut names, mut variables) = (HashSet::new(), HashSet::new());
    secrets.iter().enumerate().find_map(|(index, secret)| {
        if !names.insert(secret.name.as_str()) {
            return Some((index, SecretError::SameName(secret.name.clone())));
        }
        let is_new = variables.insert(secret.env.as_str());
        (!is_new).then(|| (index, SecretError::SameVariable(secret.env.clone())))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A good secret, for tests.
    pub(crate) fn secret() -> Secret {
        Secret {
            name: "api".to_owned(),
            rule: "https://api.test".parse().unwrap(),
            env: "API".to_owned(),
            headers: vec!["authorization".to_owned()],
            query: Vec::new(),
            basic: false,
            plain_http: false,
            source: SecretSource::Env("API".to_owned()),
        }
    }

    /// A good secret after this change.
    fn with(change: impl FnOnce(&mut Secret)) -> Secret {
        let mut secret = secret();
        change(&mut secret);
        secret
    }

    fn with_source(source: SecretSource) -> Secret {
        with(|secret| secret.source = source)
    }

    #[test]
    fn a_secret_that_could_not_work_or_would_leak_is_refused() {
        use SecretError::*;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let plain: Rule = "HTTP://api.test".parse().unwrap();
        for (secret, expected) in [
            (secret(), Ok(())),
            (with(|s| s.name = "a".repeat(64)), Ok(())),
            (with(|s| s.name = "a".repeat(65)), Err(Name)),
            (with(|s| s.name = String::new()), Err(Name)),
            (with(|s| s.name = "API".to_owned()), Err(Name)),
            (with(|s| s.env = String::new()), Err(Variable)),
            (with(|s| s.env = "A=B".to_owned()), Err(Variable)),
            (with(|s| s.env = "A\0".to_owned()), Err(Variable)),
            (with(|s| s.query = words(&[""])), Err(Query)),
            (with(|s| s.query = words(&["a\n"])), Err(Query)),
            (with(|s| s.headers.clear()), Err(Nowhere)),
            (with(|s| (s.headers, s.basic) = (Vec::new(), true)), Ok(())),
            (with(|s| s.rule = plain.clone()), Err(PlainHttp)),
            (
                with(|s| (s.rule, s.plain_http) = (plain.clone(), true)),
                Ok(()),
            ),
            (with(|s| s.rule = "api.test".parse().unwrap()), Ok(())),
            (with(|s| s.rule = "POST any".parse().unwrap()), Err(AnyHost)),
            (
                with_source(SecretSource::Env("A=".to_owned())),
                Err(SourceVariable),
            ),
            (with_source(SecretSource::File("".into())), Err(SourceFile)),
            (
                with_source(SecretSource::File("/a\0".into())),
                Err(SourceFile),
            ),
            (
                with_source(SecretSource::Command(words(&[]))),
                Err(SourceCommand),
            ),
            (
                with_source(SecretSource::Command(words(&["", "a"]))),
                Err(SourceCommand),
            ),
            (
                with_source(SecretSource::Command(words(&["a", "\0"]))),
                Err(SourceCommand),
            ),
            (
                with_source(SecretSource::Command(words(&["a", ""]))),
                Ok(()),
            ),
            // The host checks it where it is used.
            (with_source(SecretSource::value("")), Ok(())),
        ] {
            assert_eq!(secret.check(), expected, "{secret:?}");
        }
    }

    #[test]
    fn a_header_that_the_guest_cannot_send_is_refused() {
        for name in ["authorization", "X-Api-Key", "cookie", "x-proxy-token"] {
            assert_eq!(check_header(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a:", "a\n", "\u{e9}"] {
            assert_eq!(check_header(name), Err(SecretError::Header), "{name:?}");
        }
        for name in [
            "host",
            "te",
            "upgrade",
            "content-length",
            "proxy-authorization",
            "proxy-x",
        ] {
            let refused = Err(SecretError::HostOwned(name.to_owned()));
            assert_eq!(check_header(name), refused);
            assert_eq!(check_header(&name.to_ascii_uppercase()), refused);
        }
    }

    #[test]
    fn two_secrets_with_one_name_or_one_variable_are_found() {
        let other = with(|s| (s.name, s.env) = ("other".to_owned(), "OTHER".to_owned()));
        let same_variable = with(|s| s.name = "third".to_owned());
        assert_eq!(first_twin(&[secret(), other.clone()]), None);
        assert_eq!(
            first_twin(&[secret(), other.clone(), secret()]),
            Some((2, SecretError::SameName("api".to_owned())))
        );
        assert_eq!(
            first_twin(&[secret(), same_variable, other]),
            Some((1, SecretError::SameVariable("API".to_owned())))
        );
    }
}
