//! What a script and files of requirements request: packages, which are added, and rules, which somebody
//! has to grant.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, anyhow, bail};
use sandbox_net::python::Manifest;
use sandbox_net::{ScriptMetadata, parse_requirements};
use tokio::sync::oneshot;

use crate::Failure;
use crate::ask::{ANSWER, grants};
use crate::printable::{self, printable};
use crate::supervise::say;

/// The most bytes of a script, as in the library, and of a file of requirements.
const LONGEST: u64 = 16 << 20;

/// What is asked for.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) packages: Vec<String>,
    rules: Vec<String>,
    script: String,
}

/// The source of a script that can be read only once: stdin, unless a person types it there, or a pipe.
pub(crate) async fn read_once(script: String) -> Result<Option<Vec<u8>>, Failure> {
    let (done, end) = oneshot::channel();
    // Nobody waits for this thread, because the writer may never end.
    thread::spawn(move || done.send(source_once(&script)));
    end.await?
}

fn source_once(script: &str) -> Result<Option<Vec<u8>>, Failure> {
    if script == "-" {
        let stdin = io::stdin();
        return match stdin.is_terminal() {
            true => Ok(None),
            false => at_most(stdin.lock(), "stdin").map(Some),
        };
    }
    let path = Path::new(script);
    match path.is_file() || path.is_dir() {
        true => Ok(None),
        false => bytes(path).map(Some),
    }
}

impl Wishes {
    /// Reads the comment of a script that is a file, or whose source was read already, and the files of
    /// requirements.
    pub(crate) fn read(
        script: Option<&str>,
        source: Option<&[u8]>,
        requirements: &[PathBuf],
    ) -> Result<Self, Failure> {
        let mut wishes = Wishes::default();
        let file = script.map(Path::new).filter(|script| script.is_file());
        let source = match (source, file) {
            (Some(source), _) => Some(source.into()),
            (None, Some(file)) => Some(bytes(file)?.into()),
            (None, None) => None,
        };
        if let (Some(script), Some::<Cow<'_, [u8]>>(source)) = (script, source) {
            wishes.script = match script {
                "-" => "stdin".to_owned(),
                script => printable(script),
            };
            // Python accepts other encodings, too; the comment is in ASCII in all relevant ones.
            let source = String::from_utf8_lossy(&source).into_owned();
            let script = wishes.script.clone();
            let at = || script.clone();
            if let Some(metadata) = ScriptMetadata::parse(&source).with_context(at)? {
                let python = &Manifest::find(None)?.python;
                metadata.check_python(python).with_context(at)?;
                wishes.packages.extend_from_slice(metadata.dependencies());
                wishes.rules.extend_from_slice(metadata.requested_rules());
            }
        }
        for file in requirements {
            let content = bytes(file).map_err(|error| anyhow!("--with-requirements {error:#}"))?;
            let text = String::from_utf8(content);
            let text = text.map_err(|_| anyhow!("{}: not a text in UTF-8", name(file)))?;
            let found = parse_requirements(&text);
            wishes.packages.extend(found.with_context(|| name(file))?);
        }
        Ok(wishes)
    }

    pub(crate) fn asks_for_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The granted rules: all or none. Without the option a person at the terminal decides.
    pub(crate) async fn granted(&self, by_option: bool) -> Vec<String> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let script = &self.script;
        let shown: Vec<_> = self.rules.iter().map(|rule| printable(rule)).collect();
        if by_option {
            say(&format!(
                "{script} asked for rules, and was granted: {}",
                shown.join("; ")
            ));
            return self.rules.clone();
        }
        let is_watched = io::stdin().is_terminal() && io::stderr().is_terminal();
        if is_watched && grants(script, &shown, ANSWER).await {
            return self.rules.clone();
        }
        say(&format!(
            "{script} asks for rules that were not granted: {}; --allow-requested grants them",
            shown.join("; ")
        ));
        Vec::new()
    }
}

fn name(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = name(path);
    let file = File::open(path).with_context(|| name.clone())?;
    at_most(file, &name)
}

/// Reads everything, unless it is too long.
fn at_most(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(LONGEST + 1).read_to_end(&mut bytes);
    read.with_context(|| name.to_owned())?;
    if bytes.len() as u64 > LONGEST {
        bail!("{name}: it has more than {}", printable::bytes(LONGEST));
    }
    Ok(bytes)
}
