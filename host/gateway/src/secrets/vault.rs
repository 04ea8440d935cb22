//! The secrets of one sandbox: their values, and their placeholders for the guest.

use std::sync::Arc;

use super::callback::{self, Callback, CallbackFault};
use super::source::{Source, SourceError, load};
use super::values::{AllValues, Given, NoValue, SharedValues, Wanted};
use super::{
    COMMAND_LIMIT, Placeholder, PlaceholderError, Places, ResponseMask, SecretValue, Use, insert,
};
use sandbox_net_egress::EgressError;
use sandbox_net_egress::account::HostMemory;
use sandbox_net_policy::{
    Checked, Denial, Origin, PolicyFault, RequestLine, Secret, SecretError, SecretSource,
    check_secrets,
};
use sandbox_net_process::TimeBox;
use tokio::task::JoinError;

/// The values of a policy's secrets, each with its placeholder. Cloning gives another handle.
#[derive(Clone)]
pub struct Vault {
    entries: Arc<[Entry]>,
    values: SharedValues,
}

/// The secrets that a request carries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<SecretValue>,
}

struct Entry {
    secret: Secret,
    placeholder: Placeholder,
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
    /// No secret has this name.
    #[error("there is no secret '{}'; the policy has {}", name.escape_debug(), listed(known))]
    Unknown {
        /// The name.
        name: String,
        /// The names of the secrets that there are.
        known: Vec<String>,
    },
    /// A policy file would refuse this source.
    #[error("the secret '{name}' can't be replaced: {source}")]
    Replacement {
        /// The name of the secret.
        name: String,
        /// Why not.
        source: SecretError,
    },
    /// The runtime was shut down, or the task that fetched them panicked.
    #[error("the secrets were not fetched: {0}")]
    Unfinished(#[source] JoinError),
}

fn listed(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => format!("'{}'", names.join("', '")),
    }
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            entries: [].into(),
            values: SharedValues::new(AllValues::new([])),
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
    /// Checks what can be checked of these secrets without reading a file or running anything: also the
    /// values that the embedder gave.
    ///
    /// # Errors
    ///
    /// The error that [`open`](Self::open) would return.
    pub fn check(secrets: &[Secret]) -> Result<(), VaultError> {
        check_secrets(secrets)?;
        let is_given = |secret: &&Secret| matches!(secret.source, SecretSource::Value(_));
        let mut values = secrets.iter().filter(is_given);
        let within = TimeBox::new(COMMAND_LIMIT);
        values.try_for_each(|secret| given(&secret.name, &secret.source, &within).map(drop))
    }

    /// Fetches the values of these secrets. It blocks while files are read and commands run, for 30
    /// seconds each at most.
    ///
    /// # Errors
    ///
    /// For the first secret that a policy file would refuse, or whose value is not available.
    pub fn open(secrets: &[Secret]) -> Result<Self, VaultError> {
        Self::open_within(secrets, &TimeBox::new(COMMAND_LIMIT))
    }

    /// Fetches the values as [`open`](Self::open) does, and blocks no thread of the runtime. Dropping
    /// the future ends the commands.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_gateway::Vault;
    ///
    /// let vault = Vault::opened(Vec::new()).await?;
    /// assert_eq!(vault.variables().count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`VaultError::Unfinished`].
    pub async fn opened(secrets: Vec<Secret>) -> Result<Self, VaultError> {
        let each = TimeBox::new(COMMAND_LIMIT);
        // If the caller stops waiting, its commands end.
        let waiting = each.waiting();
        let opened = tokio::task::spawn_blocking(move || Self::open_within(&secrets, &each));
        let vault = opened.await.map_err(VaultError::Unfinished)?;
        drop(waiting);
        vault
    }

    /// Fetches them with this limit for each, and stops when nobody waits any more.
    pub fn open_within(secrets: &[Secret], each: &TimeBox) -> Result<Self, VaultError> {
        check_secrets(secrets)?;
        let (mut entries, mut values) = (Vec::new(), Vec::new());
        for secret in secrets {
            values.push(given(&secret.name, &secret.source, &each.renewed())?);
            entries.push(Entry {
                secret: secret.clone(),
                placeholder: Placeholder::random()?,
            });
        }
        Ok(Self {
            entries: entries.into(),
            values: SharedValues::new(AllValues::new(values)),
        })
    }

    /// Gives the secret called `name` another source, for requests from now on. It blocks while a file
    /// is read or a command runs, for 30 seconds at most. A callback is not asked yet.
    ///
    /// The last four values that it had before are still masked.
    ///
    /// # Errors
    ///
    /// If there is no such secret, a policy file would refuse the source, or there is no value; then
    /// nothing changes.
    pub fn replace(&self, name: &str, source: SecretSource) -> Result<(), VaultError> {
        self.replace_within(name, &source, &TimeBox::new(COMMAND_LIMIT))
    }

    /// Replaces it with this limit, and stops when nobody waits any more.
    pub fn replace_within(
        &self,
        name: &str,
        source: &SecretSource,
        within: &TimeBox,
    ) -> Result<(), VaultError> {
        let mut entries = self.entries.iter();
        let Some(index) = entries.position(|entry| entry.secret.name == name) else {
            let known = self.entries.iter().map(|entry| entry.secret.name.clone());
            return Err(VaultError::Unknown {
                name: name.to_owned(),
                known: known.collect(),
            });
        };
        source.check().map_err(|source| VaultError::Replacement {
            name: name.to_owned(),
            source,
        })?;
        let given = given(name, source, within)?;
        self.values.lock().replace(index, given);
        Ok(())
    }

    /// A vault with the same placeholders and values, whose secrets are replaced, and whose callbacks
    /// are asked, apart from this one's.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            values: SharedValues::new(self.values.lock().fork()),
        }
    }

    /// The guest's environment variables with the placeholders that they hold.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.secret.env.as_str(), entry.placeholder.as_str()))
    }

    /// Masks the secrets that may come back from this origin, and no others: otherwise a guest's
    /// own server could tell whether a guess at a secret is right. `None` if none may. The request
    /// carried the values `carried`.
    pub(crate) fn mask(&self, origin: &Origin, carried: &[SecretValue]) -> Option<ResponseMask> {
        let entries = self.entries.iter();
        let wanted: Vec<bool> = entries.map(|entry| entry.is_for(origin)).collect();
        let is_any = wanted.contains(&true);
        is_any.then(|| ResponseMask::new(self.values.clone(), wanted, carried.to_vec()))
    }

    /// Replaces placeholders by values; returns the inserted secrets.
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
    /// request, the request goes to somebody else, or there is no value; or for a range of a response
    /// that may contain a secret. The limit if there is no memory to mask a new value.
    pub(crate) async fn fill(
        &self,
        request: &mut Checked<RequestLine>,
        is_vouched_for: bool,
        memory: &HostMemory,
    ) -> Result<Carried, EgressError> {
        if self.entries.is_empty() {
            return Ok(Carried::default());
        }
        let entries = self.entries.iter();
        let granted: Vec<bool> = entries
            .map(|entry| is_vouched_for && request.is_for(&entry.secret))
            .collect();
        let values = self.needed(request, &granted, memory).await?;
        // Without a value a placeholder is refused rather than sent.
        let granted = granted.iter().zip(&values);
        let granted: Vec<bool> = granted
            .map(|(granted, value)| *granted && value.is_some())
            .collect();
        let filled = self.insert(request, is_vouched_for, (&values, &granted));
        filled.map_err(EgressError::Denied)
    }

    fn insert(
        &self,
        request: &mut Checked<RequestLine>,
        is_vouched_for: bool,
        (values, granted): (&[Option<SecretValue>], &[bool]),
    ) -> Result<Carried, Denial> {
        let uses = self.uses(values, granted);
        let inserted = request.amend(|path, fields| insert(path, fields, &uses))?;
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
        let name = |index: &usize| self.entries[*index].secret.name.clone();
        let value = |index: &usize| values[*index].clone();
        Ok(Carried {
            names: inserted.iter().map(name).collect(),
            values: inserted.iter().filter_map(value).collect(),
        })
    }

    /// For each secret its value, if it has one or the request needs it.
    async fn needed(
        &self,
        request: &Checked<RequestLine>,
        granted: &[bool],
        memory: &HostMemory,
    ) -> Result<Vec<Option<SecretValue>>, EgressError> {
        let mut values = self.values.lock().valid();
        let mut missing = granted.iter().zip(&values);
        if !missing.any(|(granted, value)| *granted && value.is_none()) {
            return Ok(values);
        }
        // The search that inserts finds what is needed, in a copy. What it refuses is refused later.
        let (mut path, mut fields) = (request.path.clone(), request.fields.clone());
        let uses = self.uses(&values, granted);
        let needed = insert(&mut path, &mut fields, &uses).unwrap_or_default();
        drop(uses);
        for index in needed {
            if values[index].is_none() {
                values[index] = Some(self.asked(index, request, memory).await?);
            }
        }
        Ok(values)
    }

    /// The value that a callback gives.
    async fn asked(
        &self,
        index: usize,
        request: &Checked<RequestLine>,
        memory: &HostMemory,
    ) -> Result<SecretValue, EgressError> {
        let name = &self.entries[index].secret.name;
        let fault = |fault: CallbackFault| {
            EgressError::Denied(request.secret_value_denial(name, &fault.to_string()))
        };
        loop {
            let wanted = self.values.lock().want(index, name).map_err(fault)?;
            let (asking, version) = match wanted {
                Wanted::Value(value) => return Ok(value),
                Wanted::Asking(asking, version) => (asking, version),
            };
            let answer = callback::answer(&asking).await;
            let asked = (&asking, version);
            let taken = self.values.lock().answered(index, asked, answer, memory);
            match taken {
                Some(Ok(value)) => return Ok(value),
                Some(Err(NoValue::Fault(why))) => return Err(fault(why)),
                Some(Err(NoValue::Limit(limit))) => return Err(EgressError::Limit(limit)),
                // It has another source by now.
                None => {}
            }
        }
    }

    /// What a request may do with the secrets.
    fn uses<'a>(&'a self, values: &[Option<SecretValue>], granted: &[bool]) -> Vec<Use<'a>> {
        let entries = self.entries.iter().zip(values).zip(granted);
        entries
            .map(|((entry, value), granted)| Use {
                placeholder: entry.placeholder.as_str(),
                value: value.clone().unwrap_or_else(SecretValue::none),
                places: Places {
                    headers: &entry.secret.headers,
                    query: &entry.secret.query,
                    basic: entry.secret.basic,
                },
                granted: *granted,
            })
            .collect()
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

/// What a source gives.
fn given(name: &str, source: &SecretSource, within: &TimeBox) -> Result<Given, VaultError> {
    let source = match source {
        SecretSource::Env(name) => Source::Env(name.clone()),
        SecretSource::File(path) => Source::File(path.clone()),
        SecretSource::Command(words) => Source::Command(words.clone()),
        SecretSource::Value(text) => Source::Value(text.clone()),
        SecretSource::Callback(code) => return Ok(Given::Callback(Callback::new(code.clone()))),
    };
    let value = load(&source, within).map_err(|source| VaultError::Source {
        name: name.to_owned(),
        source,
    })?;
    Ok(Given::Value(value))
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
mod tests;
