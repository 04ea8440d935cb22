//! Remembers which requirements were refused, so that the same request needs no query of the index.
//!
//! A refusal depends on what the indexes have, and so on pip's configuration: its command, the
//! environment and its files. Each is compared; after a day the indexes are queried again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::error::Error;
use crate::hash;
use crate::pip::Pip;
use crate::progress::Silent;

/// The kind of the one cache entry that holds refusals.
pub(super) const KIND: &str = "refusals";
pub(super) const KEY: &str = "1";
const FILE: &str = "refusals.toml";
/// After this time the indexes are queried again.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The number of refusals that are kept, the newest ones.
pub(super) const MOST: usize = 64;
/// The most bytes of a refusal.
const LENGTH: usize = 8 << 10;
const FILE_LENGTH: u64 = (MOST * LENGTH * 2) as u64;

/// Environment variables that decide where pip looks, by parts of their names.
const DECIDING: [&str; 3] = ["PIP_", "XDG_CONFIG", "NETRC"];
const DECIDING_ENDS: [&str; 3] = ["_PROXY", "_CA_BUNDLE", "CERT_FILE"];

#[derive(Default, Serialize, Deserialize)]
struct Refusals {
    refusals: Vec<Refusal>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Refusal {
    /// Names the requirements and the distribution.
    requirements: String,
    /// Seconds since 1970.
    made: u64,
    /// pip's files, whether they exist or not, and the directories in which it looks.
    files: Vec<PathBuf>,
    /// The hash of everything that decides where pip looks.
    configuration: String,
    name: String,
    reason: String,
    instead: Vec<String>,
}

/// The refusals in a cache, for one set of requirements.
pub(super) struct Memory<'a> {
    cache: &'a Cache,
    requirements: String,
    pip: Option<&'a Pip>,
}

impl<'a> Memory<'a> {
    /// `pip` is the one that the caller gave, if any.
    pub(super) fn new(cache: &'a Cache, requirements: String, pip: Option<&'a Pip>) -> Self {
        Memory {
            cache,
            requirements,
            pip,
        }
    }

    /// The recent refusal of the requirements, if nothing has changed since.
    pub(super) fn recall(&self) -> Result<Option<Error>, Error> {
        let now = now();
        let known = self.read()?.refusals;
        let is_it = |it: &&Refusal| {
            let age = now.checked_sub(it.made);
            it.requirements == self.requirements
                && age.is_some_and(|age| age < AGE.as_secs())
                && it.configuration == self.configuration(&it.files)
        };
        let found = known.into_iter().find(|it| is_it(&it));
        Ok(found.map(|it| Error::NoPureWheel {
            name: it.name,
            reason: it.reason,
            instead: it.instead,
            age: Some(Duration::from_secs(now.saturating_sub(it.made))),
        }))
    }

    /// Keeps a refusal if it is one of a package. `files` are those of pip's configuration.
    pub(super) fn keep(&self, error: &Error, files: &[PathBuf]) -> Result<(), Error> {
        let Error::NoPureWheel {
            name,
            reason,
            instead,
            age: None,
        } = error
        else {
            return Ok(());
        };
        let new = Refusal {
            requirements: self.requirements.clone(),
            made: now(),
            files: files.to_vec(),
            configuration: self.configuration(files),
            name: name.clone(),
            reason: reason.clone(),
            instead: instead.clone(),
        };
        // A refusal that is too long displaces no other one.
        if toml::to_string(&new).map_or(usize::MAX, |text| text.len()) > LENGTH {
            return Ok(());
        }
        let mut all = self.read()?;
        all.refusals
            .retain(|it| it.requirements != self.requirements);
        all.refusals.insert(0, new);
        all.refusals.truncate(MOST);
        let write = |directory: &Path| {
            let path = directory.join(FILE);
            let text = toml::to_string(&all).map_err(std::io::Error::other);
            text.and_then(|text| fs::write(&path, text))
                .map_err(Error::io("write", &path))
        };
        self.cache.entry(KIND, KEY)?.remake(&Silent, write)?;
        Ok(())
    }

    /// Reads the refusals. What can't be read counts as empty: refusals only save time.
    fn read(&self) -> Result<Refusals, Error> {
        let Some(directory) = self.cache.entry(KIND, KEY)?.get() else {
            return Ok(Refusals::default());
        };
        let path = directory.join(FILE);
        let is_small = fs::metadata(&path).is_ok_and(|it| it.len() <= FILE_LENGTH);
        let text = is_small.then(|| fs::read_to_string(&path).unwrap_or_default());
        Ok(toml::from_str(&text.unwrap_or_default()).unwrap_or_default())
    }

    fn configuration(&self, files: &[PathBuf]) -> String {
        let pips = match self.pip {
            Some(pip) => vec![pip.clone()],
            None => Pip::candidates(),
        };
        let mut texts: Vec<String> = pips.iter().map(Pip::identity).collect();
        let decides = |name: &str| {
            let name = name.to_ascii_uppercase();
            DECIDING.iter().any(|it| name.starts_with(it))
                || DECIDING_ENDS.iter().any(|it| name.ends_with(it))
        };
        let mut variables: Vec<String> = env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .filter(|(name, _)| decides(name))
            .map(|(name, value)| format!("{name}={}", value.display()))
            .collect();
        variables.sort();
        texts.append(&mut variables);
        for file in files {
            // A secret in it is not kept, only its hash.
            let contents = match file.is_dir() {
                true => listing(file),
                false => hash::file(file, |_| ()).unwrap_or_default(),
            };
            texts.push(format!("{} {contents}", file.display()));
        }
        hash::texts(texts)
    }
}

/// Names the files in a directory in which pip looks for wheels.
fn listing(directory: &Path) -> String {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut texts: Vec<String> = files
        .map(|it| {
            let length = it.metadata().map_or(0, |it| it.len());
            format!("{} {length}", it.file_name().display())
        })
        .collect();
    texts.sort();
    hash::texts(texts)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}
