//! The command `sandbox-net policy check`.

use std::io;
use std::path::PathBuf;

use clap::Args;
use sandbox_net::policy::{Document, Policy, Rule};

use super::warnings::warnings;
use crate::console::Console;
use crate::printable::{count, printable};
use crate::{Failure, input, policy_options};

/// The most warnings, and uncovered rules, that are printed for one file.
const MOST: usize = 20;

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The policy files; '-' is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Also check that each file allows nothing that this policy does not allow
    #[arg(long, value_name = "OPERATOR")]
    within: Option<PathBuf>,
}

/// The policy that must cover the others.
struct Operator {
    name: String,
    policy: Policy,
}

impl Check {
    /// The exit code is 1 if a file is not a valid policy, or not within the operator's.
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let operator = match &self.within {
            Some(file) => Some(Operator {
                name: input::name(file),
                policy: policy_options::read(file)?.into(),
            }),
            None => None,
        };
        let mut is_good = true;
        for file in &self.files {
            match policy_options::read(file) {
                Ok(document) => {
                    let name = input::name(file);
                    is_good &= print(console, &name, &document, operator.as_ref())?;
                }
                Err(error) => {
                    writeln!(console.err, "{error:#}")?;
                    is_good = false;
                }
            }
        }
        Ok(u8::from(!is_good))
    }
}

/// Prints the summary and the warnings of a policy. Returns whether the operator's policy covers
/// it.
fn print(
    console: &mut Console<'_>,
    name: &str,
    document: &Document,
    operator: Option<&Operator>,
) -> io::Result<bool> {
    writeln!(console.out, "{name}: ok: {}", summary(document))?;
    let warnings = warnings(document);
    for warning in warnings.iter().take(MOST) {
        writeln!(console.out, "{name}: warning: {}", printable(warning))?;
    }
    if warnings.len() > MOST {
        let more = count(warnings.len() - MOST, "warning");
        writeln!(console.out, "{name}: … and {more} more")?;
    }
    match operator {
        Some(operator) => print_within(console, name, document, operator),
        None => Ok(true),
    }
}

fn summary(document: &Document) -> String {
    let verb = |rules: &[Rule], one: &str, several: &str| match rules.len() {
        1 => format!("1 {one}"),
        number => format!("{number} {several}"),
    };
    let grants = |number, what| match number {
        0 => String::new(),
        number => format!(", {} {what}", count(number, "grant")),
    };
    format!(
        "{}, {}, {}, {}{}{}{}, mode {}",
        verb(&document.allow, "rule allows", "rules allow"),
        verb(&document.deny, "denies", "deny"),
        verb(&document.ask, "asks", "ask"),
        count(document.secrets.len(), "secret"),
        grants(document.tls.len(), "of TLS settings"),
        grants(document.fields.len(), "of fields"),
        match document.tunnel.len() {
            0 => String::new(),
            number => format!(", {}", count(number, "tunnel")),
        },
        document.mode,
    )
}

fn print_within(
    console: &mut Console<'_>,
    name: &str,
    document: &Document,
    operator: &Operator,
) -> io::Result<bool> {
    let (of, out) = (&operator.name, &mut *console.out);
    if operator.policy.covers(&document.clone().into()) {
        writeln!(out, "{name}: within {of}")?;
        return Ok(true);
    }
    let policy = Policy::from(document.clone());
    let rules = operator.policy.uncovered(&policy).into_iter();
    let rules = rules.map(|(effect, rule)| format!("'{rule}' of '{}'", effect.as_str()));
    let grants = operator.policy.uncovered_tls(&policy).into_iter();
    let grants = grants.map(|(setting, rule)| format!("'{setting}' for '{rule}' of 'tls'"));
    let fields = operator.policy.uncovered_fields(&policy).into_iter();
    let fields = fields.map(|(name, rule)| format!("'{name}' for '{rule}' of 'field'"));
    let tunnels = operator.policy.uncovered_tunnels(&policy).into_iter();
    let tunnels = tunnels.map(|grant| format!("'{grant}' of 'tunnel'"));
    let uncovered = rules.chain(grants).chain(fields).chain(tunnels);
    let uncovered: Vec<String> = uncovered.collect();
    if uncovered.is_empty() {
        let mode = document.mode;
        writeln!(out, "{name}: not within {of}: mode '{mode}' lets more pass")?;
        return Ok(false);
    }
    writeln!(out, "{name}: not within {of}, as far as can be shown:")?;
    for line in uncovered.iter().take(MOST) {
        writeln!(out, "{name}:   {}", printable(line))?;
    }
    if uncovered.len() > MOST {
        let more = count(uncovered.len() - MOST, "rule");
        writeln!(out, "{name}:   … and {more} more")?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
