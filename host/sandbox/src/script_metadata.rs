//! Reads what a script says that it needs: packages and a Python version, as in PEP 723, and rules.
//!
//! The author of the comment may be anybody. The packages that it names are fetched like those of
//! `--with`, and never run outside of the sandbox. The rules that it asks for are only reported.

use std::ops::Range;
use std::str::FromStr;

use pep508_rs::pep440_rs::{Version, VersionSpecifiers};
use sandbox_net_policy::Rule;
use serde::Deserialize;
use toml::Spanned;

use crate::builder::SandboxBuilder;
use crate::byte_count;
use crate::error::Error;
use crate::metadata_error::ScriptMetadataError;
use sandbox_net_python::Manifest;
use sandbox_net_python::packages::requirement;

/// The most bytes of the comment.
const LONGEST: usize = 64 << 10;
/// The most packages that a script or a file of requirements names.
const MOST_PACKAGES: usize = 256;
/// The most rules that a script asks for: a person has to read them.
const MOST_RULES: usize = 16;
/// The most characters of such a rule.
const LONGEST_RULE: usize = 200;

const START: &str = "# /// script";
const END: &str = "# ///";

/// What a script's comment `# /// script` asks for.
///
/// ```
/// use sandbox_net::{Sandbox, ScriptMetadata};
///
/// let source = [
///     "# /// script",
///     "# requires-python = '>=3.11'",
///     "# dependencies = ['six>=1.16']",
///     "# [tool.sandbox-net]",
///     "# allow = ['GET https://api.example.com/v1/**']",
///     "# ///",
///     "print('hello')",
/// ]
/// .join("\n");
/// let metadata = ScriptMetadata::parse(&source)?.unwrap_or_default();
/// assert_eq!(metadata.dependencies(), ["six>=1.16"]);
///
/// // The packages are added; what the script asks to be allowed is for you to decide.
/// let mut sandbox = Sandbox::builder().script_metadata(&metadata)?;
/// for rule in metadata.requested_rules() {
///     if rule == "GET https://api.example.com/v1/**" {
///         sandbox = sandbox.allow(rule);
///     }
/// }
/// sandbox.check()?;
/// # Ok::<(), sandbox_net::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptMetadata {
    dependencies: Vec<String>,
    requires_python: Option<(usize, VersionSpecifiers)>,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    dependencies: Vec<Spanned<String>>,
    #[serde(rename = "requires-python")]
    requires_python: Option<Spanned<String>>,
    #[serde(default)]
    tool: Tools,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default, rename = "sandbox-net")]
    own: Own,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    #[serde(default)]
    allow: Vec<Spanned<String>>,
}

/// A comment without its `#` signs.
struct Block {
    /// The number of its first line, the one below the start.
    first: usize,
    text: String,
}

impl ScriptMetadata {
    /// Reads the comment in a script; `None` if it has no such comment.
    ///
    /// # Errors
    ///
    /// A [`ScriptMetadataError`] if there are two comments, if one has no end or is not TOML, for
    /// an invalid requirement or rule, and for unknown keys of `[tool.sandbox-net]`.
    pub fn parse(source: &str) -> Result<Option<Self>, ScriptMetadataError> {
        let Some(block) = block(source)? else {
            return Ok(None);
        };
        let document: Document = toml::from_str(&block.text).map_err(|error| {
            let line = block.line(error.span().unwrap_or_default());
            let problem = error.message().lines().collect::<Vec<_>>().join(" ");
            fault(
                line,
                format!("the script's metadata can't be used: {problem}"),
            )
        })?;
        few(&block, &document.dependencies, MOST_PACKAGES, "packages")?;
        let mut dependencies = Vec::new();
        for text in document.dependencies {
            let line = block.line(text.span());
            dependencies.push(dependency(line, text.get_ref())?);
        }
        let version = |text: Spanned<String>| {
            let line = block.line(text.span());
            let text = text.get_ref();
            let parsed = VersionSpecifiers::from_str(text);
            parsed.map(|versions| (line, versions)).map_err(|error| {
                let error = error.to_string();
                let error = error.lines().next().unwrap_or_default();
                fault(
                    line,
                    format!("requires-python `{text}` can't be used: {error}"),
                )
            })
        };
        few(&block, &document.tool.own.allow, MOST_RULES, "rules")?;
        let mut allow = Vec::new();
        for text in document.tool.own.allow {
            let line = block.line(text.span());
            let rule = text.get_ref();
            if rule.chars().count() > LONGEST_RULE {
                return Err(fault(
                    line,
                    format!("a rule has more than {LONGEST_RULE} characters"),
                ));
            }
            Rule::from_str(rule).map_err(|error| {
                fault(
                    line,
                    format!("the rule '{}' is refused: {error}", rule.escape_debug()),
                )
            })?;
            allow.push(rule.clone());
        }
        Ok(Some(Self {
            dependencies,
            requires_python: document.requires_python.map(version).transpose()?,
            allow,
        }))
    }

    /// The packages that the script needs.
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// The rules that the script asks for. They are its author's wish; nothing has granted them.
    pub fn requested_rules(&self) -> &[String] {
        &self.allow
    }

    /// Checks that the script supports this version of Python.
    ///
    /// # Errors
    ///
    /// A [`ScriptMetadataError`] if it does not.
    pub fn check_python(&self, version: &str) -> Result<(), ScriptMetadataError> {
        let Some((line, wanted)) = &self.requires_python else {
            return Ok(());
        };
        match Version::from_str(version) {
            Ok(version) if wanted.contains(&version) => Ok(()),
            _ => Err(fault(
                *line,
                format!("the script requires Python {wanted}, and the sandbox has {version}"),
            )),
        }
    }
}

impl SandboxBuilder {
    /// Adds the packages that a script says it needs. The rules that it asks for are not added: see
    /// [`ScriptMetadata::requested_rules`].
    ///
    /// # Errors
    ///
    /// [`Error::ScriptMetadata`] if the script does not support the distribution's version of Python.
    pub fn script_metadata(self, metadata: &ScriptMetadata) -> Result<Self, Error> {
        metadata.check_python(&Manifest::find(None)?.python)?;
        let dependencies = metadata.dependencies.iter();
        Ok(dependencies.fold(self, SandboxBuilder::with_package))
    }
}

/// Reads a file of requirements: one on each line, with comments. Options, paths and URLs are refused.
///
/// # Errors
///
/// A [`ScriptMetadataError`] for a line that is not a requirement.
pub fn parse_requirements(text: &str) -> Result<Vec<String>, ScriptMetadataError> {
    let mut all = Vec::new();
    for (index, line) in without_mark(text).lines().enumerate() {
        let number = index + 1;
        // As in pip, a comment begins at the start of the line or after white space.
        let comment = line.find(" #").or_else(|| line.find("\t#"));
        let line = line[..comment.unwrap_or(line.len())].trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('-') || line.contains(" --") {
            let problem = format!(
                "`{}` has an option, and only requirements such as `requests>=2,<3` are taken; \
                 where packages come from is pip's configuration",
                line.escape_debug()
            );
            return Err(fault(number, problem));
        }
        all.push(dependency(number, line)?);
        if all.len() > MOST_PACKAGES {
            return Err(fault(
                number,
                format!("there are more than {MOST_PACKAGES} packages"),
            ));
        }
    }
    Ok(all)
}

/// The text without the byte order mark that some editors write first. CPython and pip ignore it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn fault(line: usize, problem: String) -> ScriptMetadataError {
    ScriptMetadataError { line, problem }
}

fn dependency(line: usize, text: &str) -> Result<String, ScriptMetadataError> {
    let refused = |error: sandbox_net_python::Error| {
        let text = error.to_string();
        fault(line, text.lines().collect::<Vec<_>>().join(" "))
    };
    requirement(text).map_err(refused)?;
    Ok(text.to_owned())
}

fn few<T>(
    block: &Block,
    all: &[Spanned<T>],
    most: usize,
    what: &str,
) -> Result<(), ScriptMetadataError> {
    match all.get(most) {
        Some(first) => {
            let problem = format!("there are more than {most} {what}");
            Err(fault(block.line(first.span()), problem))
        }
        None => Ok(()),
    }
}

/// The comment in a script.
fn block(source: &str) -> Result<Option<Block>, ScriptMetadataError> {
    let mut lines = without_mark(source).lines().enumerate().peekable();
    let mut found: Option<Block> = None;
    while let Some((index, line)) = lines.next() {
        if line != START {
            continue;
        }
        if let Some(first) = &found {
            let problem = format!(
                "there are two comments `{START}`; the other begins on line {}",
                first.first - 1
            );
            return Err(fault(index + 1, problem));
        }
        let mut content = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, it)| *it == "#" || it.starts_with("# ")) {
            content.push(line);
        }
        // A line like the end may occur inside, so the last one counts.
        let Some(end) = content.iter().rposition(|line| *line == END) else {
            let problem = format!("the comment `{START}` has no end: a line `{END}` below it");
            return Err(fault(index + 1, problem));
        };
        let mut text = String::new();
        for line in &content[..end] {
            if *line == START {
                let problem = format!("a comment `{START}` begins within another");
                return Err(fault(index + 1, problem));
            }
            text.push_str(line.get(2..).unwrap_or_default());
            text.push('\n');
        }
        if text.len() > LONGEST {
            let problem = format!(
                "the comment `{START}` is longer than {}",
                byte_count::bytes(LONGEST as u64)
            );
            return Err(fault(index + 1, problem));
        }
        found = Some(Block {
            first: index + 2,
            text,
        });
    }
    Ok(found)
}

impl Block {
    /// The line in the script of a position in the text.
    fn line(&self, place: Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..place.start).unwrap_or_default();
        self.first + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests;
