//! The secrets of one sandbox: their values, and their placeholders for the guest.

use super::{
    COMMAND_LIMIT, Masker, Placeholder, PlaceholderError, Places, SecretValue, Source, SourceError,
    Use, insert, load,
};
use sandbox_net_policy::{
    Checked, Denial, Origin, PolicyFault, RequestLine, Secret, SecretSource, check_secrets,
};
use sandbox_net_process::TimeBox;

/// The values of a policy's secrets, each with its placeholder. Cloning gives another handle.
#[derive(Clone)]
pub struct Vault {
    entries: std::sync::Arc<[Entry]>,
    masker: Masker,
}

struct Entry {
    secret: Secret,
    placeholder: Placeholder,
    value: SecretValue,
}

/// Why the secrets of a policy are not available. It never contains a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no value.
    #[error("cannot get the secret '{name}': {source}")]
    Source {
        /// The name of the secret.
        name: String,
        /// Why not.
        source: SourceError,
    },
    /// A policy file would refuse these secrets.
    #[error("the secrets can't be used: {0}")]
    Refused(#[from] PolicyFault),
    /// There is no placeholder.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            entries: [].into(),
            masker: Masker::new(&[]),
        }
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.entries.iter().map(|entry| &entry.secret.name);
        f.debug_tuple("Vault")
            .field(&names.collect::<Vec<_>>())
            .finish()
    }
}

impl Vault {
    /// Fetches the values of these secrets. It blocks while files are read and commands run, for 30
    /// seconds each at most.
    ///
    /// # Errors
    ///
    /// For the first secret that a policy file would refuse, or whose value is not available.
    pub fn open(secrets: &[Secret]) -> Result<Self, VaultError> {
        Self::open_within(secrets, &TimeBox::new(COMMAND_LIMIT))
    }

    /// Fetches them with this limit for each, and stops when nobody waits any more.
    pub fn open_within(secrets: &[Secret], each: &TimeBox) -> Result<Self, VaultError> {
        check_secrets(secrets)?;
        let entry = |secret: &Secret| {
            let source = match &secret.source {
                SecretSource::Env(name) => Source::Env(name.clone()),
                SecretSource::File(path) => Source::File(path.clone()),
                SecretSource::Command(words) => Source::Command(words.clone()),
            };
            let value = load(&source, &each.renewed()).map_err(|source| VaultError::Source {
                name: secret.name.clone(),
                source,
            })?;
            Ok(Entry {
                secret: secret.clone(),
                placeholder: Placeholder::random()?,
                value,
            })
        };
        let entries: Vec<Entry> = secrets
            .iter()
            .map(entry)
            .collect::<Result<_, VaultError>>()?;
        let values: Vec<SecretValue> = entries.iter().map(|entry| entry.value.clone()).collect();
        Ok(Self {
            masker: Masker::new(&values),
            entries: entries.into(),
        })
    }

    /// The guest's environment variables with the placeholders that they hold.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.secret.env.as_str(), entry.placeholder.as_str()))
    }

    /// Masks the secrets that may come back from this origin, and no others: otherwise a guest's
    /// own server could tell whether a guess at a secret is right.
    pub(crate) fn masker(&self, origin: &Origin) -> Masker {
        self.masker.only(|index| self.entries[index].is_for(origin))
    }

    /// Replaces placeholders by values; returns the names of the inserted secrets.
    ///
    /// If a secret may come back, the response has to be searchable: it is requested without a content
    /// coding, and not in parts.
    ///
    /// Values are inserted only if `is_vouched_for`: the host's own verification has accepted, and will
    /// accept, whoever the request goes to over TLS.
    ///
    /// # Errors
    ///
    /// The denial if a placeholder stands in a place of its secret, but the secret is not meant for this
    /// request, or the request goes to somebody else; or for a range of a response that may contain a secret.
    pub(crate) fn fill(
        &self,
        request: &mut Checked<RequestLine>,
        is_vouched_for: bool,
    ) -> Result<Vec<String>, Denial> {
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        let granted: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| is_vouched_for && request.is_for(&entry.secret))
            .collect();
        let uses: Vec<Use<'_>> = self
            .entries
            .iter()
            .zip(granted)
            .map(|(entry, granted)| Use {
                placeholder: entry.placeholder.as_str(),
                value: &entry.value,
                places: Places {
                    headers: &entry.secret.headers,
                    query: &entry.secret.query,
                    basic: entry.secret.basic,
                },
                granted,
            })
            .collect();
        let inserted = request.amend(|path, fields| insert(path, fields, &uses))?;
        let name = |index: usize| self.entries[index].secret.name.clone();
        let inserted = inserted.map_err(|index| {
            let secret = &self.entries[index].secret;
            match !is_vouched_for && request.is_for(secret) {
                true => request.unverified_secret_denial(&secret.name),
                false => request.secret_denial(&secret.name),
            }
        })?;
        if let Some(entry) = self.returning(&request.origin) {
            let secret = &entry.secret.name;
            if has_field(&request.fields, "range") {
                return Err(request.range_denial(secret));
            }
            request.amend(|_, fields| ask_for_identity(fields))?;
        }
        Ok(inserted.into_iter().map(name).collect())
    }

    /// Whether a secret may come back from this origin.
    pub(crate) fn is_returned_by(&self, origin: &Origin) -> bool {
        self.returning(origin).is_some()
    }

    fn returning(&self, origin: &Origin) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.is_for(origin))
    }
}

impl Entry {
    /// Whether the secret goes to this origin, and may come back from there.
    fn is_for(&self, origin: &Origin) -> bool {
        self.secret.rule.allows(origin.scheme, &origin.endpoint)
    }
}

fn has_field(fields: &[(Vec<u8>, Vec<u8>)], name: &str) -> bool {
    let mut names = fields.iter().map(|(name, _)| name);
    names.any(|other| other.eq_ignore_ascii_case(name.as_bytes()))
}

/// RFC 9110 section 12.5.3: `identity` is no coding.
fn ask_for_identity(fields: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    const NAME: &str = "accept-encoding";
    if !has_field(fields, NAME) {
        fields.push((b"Accept-Encoding".to_vec(), Vec::new()));
    }
    for (name, value) in fields {
        if name.eq_ignore_ascii_case(NAME.as_bytes()) {
            *value = b"identity".to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::{DenyReason, Document, Endpoint, Policy, Scheme};

    const VALUE: &str = "real-value-1234";

    fn vault(keys: &str) -> (Vault, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), VALUE).unwrap();
        let text = format!(
            "version = 1\n[[secret]]\nname = 'key'\n{keys}\nsource.file = '{}'\n[end]",
            file.path().display(),
        );
        let document = Document::parse(&text).unwrap();
        (Vault::open(&document.secrets).unwrap(), file)
    }

    fn request(
        method: &str,
        scheme: Scheme,
        path: &str,
        fields: &[(&str, String)],
    ) -> Checked<RequestLine> {
        let port = scheme.default_port();
        let origin = Origin {
            scheme,
            endpoint: Endpoint::new("api.test", port).unwrap(),
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        Policy::allow(["api.test".parse().unwrap()])
            .check_request(&origin, method.as_bytes(), path.as_bytes(), &fields)
            .unwrap()
    }

    fn text(request: &Checked<RequestLine>) -> String {
        let fields = request.fields.iter();
        let fields = fields
            .map(|(n, v)| [n.escape_ascii().to_string(), v.escape_ascii().to_string()].join(": "));
        fields.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_value_goes_into_the_requests_of_its_own_rule_and_over_tls_only() {
        let (vault, _file) = vault("rule = 'POST api.test/v1/**'\nenv = 'API_KEY'");
        let (variable, placeholder) = vault.variables().next().unwrap();
        assert_eq!(variable, "API_KEY");
        let bearer = format!("Bearer {placeholder}");
        for (method, scheme, path, field, expected) in [
            (
                "POST",
                Scheme::Https,
                "/v1/x",
                "Authorization",
                Ok("Authorization: Bearer real-value-1234, Accept-Encoding: identity"),
            ),
            (
                "GET",
                Scheme::Https,
                "/v1/x",
                "Authorization",
                Err(DenyReason::Secret),
            ),
            (
                "POST",
                Scheme::Https,
                "/v2/x",
                "Authorization",
                Err(DenyReason::Secret),
            ),
            (
                "POST",
                Scheme::Https,
                "/v1/../v2",
                "Authorization",
                Err(DenyReason::Secret),
            ),
            (
                "POST",
                Scheme::Http,
                "/v1/x",
                "Authorization",
                Err(DenyReason::Secret),
            ),
        ] {
            let mut line = request(method, scheme, path, &[(field, bearer.clone())]);
            let filled = vault.fill(&mut line, true).map_err(|denial| denial.reason);
            assert_eq!(
                filled.map(|_| text(&line)),
                expected.map(str::to_owned),
                "{method} {path}"
            );
        }
        // In any other place a placeholder is ordinary text.
        let mut line = request(
            "GET",
            Scheme::Https,
            "/",
            &[("X-Other", placeholder.to_owned())],
        );
        assert_eq!(vault.fill(&mut line, true), Ok(vec![]));
        assert!(text(&line).contains(placeholder) && !format!("{line:?}").contains("real-value"));
    }

    #[test]
    fn a_response_that_may_have_a_secret_in_it_is_asked_for_whole_and_without_coding() {
        let (vault, _file) = vault("rule = 'api.test'");
        let fields = [("accept-encoding", "gzip, br".to_owned())];
        let mut line = request("GET", Scheme::Https, "/", &fields);
        assert_eq!(vault.fill(&mut line, true), Ok(vec![]));
        assert_eq!(text(&line), "accept-encoding: identity");
        let mut line = request(
            "GET",
            Scheme::Https,
            "/",
            &[("Range", "bytes=0-3".to_owned())],
        );
        let denial = vault.fill(&mut line, true).unwrap_err();
        assert_eq!(denial.reason, DenyReason::Secret);
        assert!(Vault::default().fill(&mut line, true).is_ok());
    }
}
