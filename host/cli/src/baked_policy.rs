//! Policy files that become part of a component.

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use sandbox_net::policy::{Document, Policy};

use crate::console::Console;
use crate::printable::printable;
use crate::{Failure, input, policy_options};

/// The policy files as they are written into the component, and what they say together.
pub(crate) struct Files {
    texts: Vec<String>,
    policy: Policy,
}

impl Files {
    /// The text of each file.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// What of them a component cannot enforce, a line for each part.
    pub(crate) fn unenforced(&self) -> Vec<String> {
        lines(self.policy.unenforced_inside())
    }
}

/// Reads the files, of which there is at least one.
///
/// # Errors
///
/// A file cannot be read, or is not a policy. The message is one line and begins with the file.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Files, Failure> {
    let mut texts = Vec::new();
    let mut whole: Option<Policy> = None;
    for path in paths {
        let name = || format!("--policy {}", input::name(path));
        let text = policy_options::text(path).with_context(name)?;
        let policy = Policy::from(Document::parse(&text).with_context(name)?);
        whole = Some(match whole {
            Some(whole) => whole.intersect(&policy),
            None => policy,
        });
        texts.push(text);
    }
    let policy = whole.ok_or_else(|| anyhow!("--policy FILE is missing"))?;
    Ok(Files { texts, policy })
}

/// Refuses what is not enforced, or warns about it.
///
/// # Errors
///
/// There is something, and nobody accepts it.
pub(crate) fn accept(
    console: &mut Console<'_>,
    unenforced: &[String],
    is_accepted: bool,
) -> Result<(), Failure> {
    if !unenforced.is_empty() && !is_accepted {
        bail!(
            "not enforced inside a component:\n  {}\nchange the policy, or accept that with \
             --accept-unenforced",
            unenforced.join("\n  ")
        );
    }
    for line in unenforced {
        writeln!(console.err, "warning: not enforced: {line}")?;
    }
    Ok(())
}

/// Each item on a line that a terminal can show.
pub(crate) fn lines(items: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    let items = items.into_iter();
    items.map(|item| printable(&item.to_string())).collect()
}
