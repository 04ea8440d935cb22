//! Where a broker's policy comes from: a file or a document, with single rules beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sandbox_net_policy::{Document, DocumentError, DocumentFault, MAX_LENGTH, Policy, Rule};

use crate::error::PolicyError;

/// The parts of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicySource {
    pub(crate) file: Option<PathBuf>,
    pub(crate) document: Document,
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
    pub(crate) ask: Vec<String>,
    pub(crate) tls_grants: Vec<String>,
    pub(crate) field_grants: Vec<String>,
    pub(crate) tunnels: Vec<String>,
    pub(crate) narrowing: Vec<Policy>,
}

/// The content of the file, or why it has none.
pub(crate) type Content = Result<Vec<u8>, String>;

impl PolicySource {
    /// The policy of everything together, from this content of the file.
    pub(crate) fn policy(&self, content: Option<&Content>) -> Result<Policy, PolicyError> {
        let mut document = match (&self.file, content) {
            (Some(path), Some(content)) => document(path, content)?,
            _ => self.document.clone(),
        };
        document.allow.extend(rules(&self.allow, str::parse)?);
        document.deny.extend(rules(&self.deny, Rule::parse_deny)?);
        document.ask.extend(rules(&self.ask, str::parse)?);
        for grant in &self.tls_grants {
            let parsed = grant.parse();
            document
                .tls
                .push(parsed.map_err(|source| PolicyError::TlsGrant {
                    grant: grant.clone(),
                    source,
                })?);
        }
        for grant in &self.field_grants {
            let parsed = grant.parse();
            document
                .fields
                .push(parsed.map_err(|source| PolicyError::FieldGrant {
                    grant: grant.clone(),
                    source,
                })?);
        }
        for grant in &self.tunnels {
            let parsed = grant.parse();
            document
                .tunnel
                .push(parsed.map_err(|source| PolicyError::Tunnel {
                    grant: grant.clone(),
                    source,
                })?);
        }
        let policy = Policy::from(document);
        if self.narrowing.iter().any(|one| !one.secrets().is_empty()) {
            let why = "a policy that narrows another can't bring secrets: they belong in the first";
            return Err(PolicyError::Fault(why.to_owned()));
        }
        let policy = self
            .narrowing
            .iter()
            .fold(policy, |all, next| all.intersect(next));
        let checked = policy.check();
        checked.map_err(|fault| PolicyError::Fault(fault.to_string()))?;
        Ok(policy)
    }
}

/// Reads a policy file, or says why it cannot be read. It blocks.
pub(crate) fn read(path: &Path) -> Content {
    let read = || {
        // Reading something else might never end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        // One byte more shows that it is too long.
        let mut file = File::open(path)?.take(MAX_LENGTH as u64 + 1);
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| error.to_string())
}

fn document(path: &Path, content: &Content) -> Result<Document, PolicyError> {
    let unreadable = |why: &str| PolicyError::Read {
        path: path.to_path_buf(),
        source: io::Error::other(why.to_owned()),
    };
    let refused = |source| PolicyError::Document {
        path: path.to_path_buf(),
        source,
    };
    let bytes = content.as_ref().map_err(|why| unreadable(why))?;
    if bytes.len() > MAX_LENGTH {
        let (line, fault) = (None, DocumentFault::TooLong);
        return Err(refused(DocumentError { line, fault }));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not a text in UTF-8"))?;
    Document::parse(text).map_err(refused)
}

fn rules(
    texts: &[String],
    parse: impl Fn(&str) -> Result<Rule, sandbox_net_policy::RuleError>,
) -> Result<Vec<Rule>, PolicyError> {
    let rules = texts.iter().map(|text| {
        parse(text).map_err(|source| PolicyError::Rule {
            rule: text.clone(),
            source,
        })
    });
    rules.collect()
}
