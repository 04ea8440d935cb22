//! The command `sandbox-net policy explain`.

use std::io::{self, Write};

use clap::Args;
use sandbox_net::policy::{
    DEFAULT_DENY, Decision, Denial, Endpoint, Host, Operation, Origin, Policy, Scheme, Step,
    TlsOverride, TlsOverrides, decide,
};

use crate::Failure;
use crate::console::{self, Console};
use crate::policy_options::{PolicyOptions, TunnelOptions};
use crate::printable::{printable, shortened};
use crate::url::Url;

/// The most rules that are listed, unless more of them match.
const MOST: usize = 200;

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The URL: [SCHEME://]HOST[:PORT][/PATH][?QUERY]; without a scheme it means https
    #[arg(value_name = "URL")]
    url: Url,
    /// The method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    tunnels: TunnelOptions,
}

impl Explain {
    /// The exit code is 0 if the request would be let pass, 1 if denied, and 2 if asked for.
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let composed = self.policy.compose_with(self.tunnels)?;
        let Url { origin, path } = &self.url;
        let (steps, request) = composed.policy.explain(origin, &self.method, path);
        let earlier = earlier_stages(origin);
        let earlier = earlier
            .iter()
            .map(|(name, request)| (name, decide(request, &composed.policy)));
        let earlier: Vec<_> = earlier.collect();
        // Of two equal ones, the request's says most.
        let decisions = earlier.iter().map(|(_, decision)| decision);
        let decision = decisions
            .chain([&request])
            .max_by_key(|decision| severity(decision))
            .unwrap_or(&request);

        let out = &mut *console.out;
        let line = printable(&format!("{} {origin}{path}", self.method));
        writeln!(out, "{line}: {}", describe(decision))?;
        for (name, decision) in &earlier {
            writeln!(out, "  {name}: {}", describe(decision))?;
        }
        let line = printable(&format!("{} {path}", self.method));
        writeln!(out, "  request {line}: {}", describe(&request))?;
        if origin.scheme == Scheme::Https {
            let granted = granted_tls(&composed.policy, &origin.endpoint);
            writeln!(out, "  tls settings that the program may choose: {granted}")?;
        }
        if let Some(names) = composed.policy.granted_fields(origin) {
            let granted = match names.is_empty() {
                true => String::new(),
                false => format!(", except {}", names.join(", ")),
            };
            writeln!(
                out,
                "  fields that override method, path or host: denied{granted}"
            )?;
        }
        print_tunnel(out, &composed.policy, &origin.endpoint)?;
        if let Host::Name(_) = origin.endpoint.host {
            writeln!(
                out,
                "(addresses are not looked up here: if a name's rule allows none of its addresses, \
                 the name is denied later)"
            )?;
        }
        print_steps(out, &steps, &composed.authors)?;
        if let Some(denial) = denial(decision) {
            writeln!(out, "{}", printable(&denial.message))?;
        }
        Ok(match decision {
            Decision::Allow { .. } | Decision::Report(_) => 0,
            Decision::Deny(_) => 1,
            Decision::Ask { .. } => 2,
        })
    }
}

/// What is decided before the request, with the names of these decisions.
fn earlier_stages(origin: &Origin) -> Vec<(String, Operation<'_>)> {
    let endpoint: &Endpoint = &origin.endpoint;
    let connect = (
        format!("connect {endpoint}"),
        Operation::Connect { endpoint },
    );
    let tls = Operation::Tls {
        endpoint,
        server_name: None,
        tls: TlsOverrides::default(),
    };
    match origin.scheme {
        Scheme::Http => vec![connect],
        Scheme::Https => vec![connect, (format!("tls {origin}"), tls)],
    }
}

/// Says what a native program may have there that asks for a tunnel, if some author names one.
fn print_tunnel(out: &mut dyn Write, policy: &Policy, endpoint: &Endpoint) -> io::Result<()> {
    if !policy.tunnel_grants().any(|grant| grant.is_for(endpoint)) {
        return Ok(());
    }
    let decision = decide(&Operation::Tunnel { endpoint }, policy);
    let blind = match decision {
        Decision::Deny(_) => "",
        _ => "; the policy then sees no method, path or field",
    };
    let decision = describe(&decision);
    writeln!(
        out,
        "  tunnel of a native program to {endpoint}: {decision}{blind}"
    )
}

/// The TLS settings that the policy grants there, whether or not it allows the connection.
fn granted_tls(policy: &Policy, endpoint: &Endpoint) -> String {
    let settings = policy.granted_tls(endpoint).into_iter();
    match settings.map(TlsOverride::as_str).collect::<Vec<_>>() {
        names if names.is_empty() => "none".to_owned(),
        names => names.join(", "),
    }
}

fn severity(decision: &Decision) -> u8 {
    match decision {
        Decision::Allow { .. } => 0,
        Decision::Report(_) => 1,
        Decision::Ask { .. } => 2,
        Decision::Deny(_) => 3,
    }
}

fn describe(decision: &Decision) -> String {
    let text = match decision {
        Decision::Allow { rule } => format!("allowed by '{rule}'"),
        Decision::Report(denial) => format!("let pass and reported {}", cause(denial)),
        Decision::Ask { rule, .. } => format!("to be asked for ('{rule}')"),
        Decision::Deny(denial) => format!("denied {}", cause(denial)),
    };
    printable(&text)
}

fn cause(denial: &Denial) -> String {
    match &*denial.rule {
        DEFAULT_DENY => format!("({})", denial.reason),
        rule => format!("({}, by '{rule}')", denial.reason),
    }
}

/// What is or would be denied.
fn denial(decision: &Decision) -> Option<&Denial> {
    match decision {
        Decision::Deny(denial) | Decision::Report(denial) => Some(denial),
        Decision::Allow { .. } | Decision::Ask { .. } => None,
    }
}

/// Prints every rule's part in the order of evaluation.
fn print_steps(out: &mut dyn Write, steps: &[Step<'_>], authors: &[String]) -> io::Result<()> {
    if steps.is_empty() {
        return writeln!(out, "(the policy has no rules)");
    }
    let has_authors = authors.len() > 1;
    let mut table = console::table(
        has_authors
            .then_some("author")
            .into_iter()
            .chain(["list", "rule", "outcome"]),
    );
    let fitting = steps.iter().filter(|step| step.outcome.is_ok()).count();
    let mut room = MOST.saturating_sub(fitting);
    let mut left_out = 0;
    for step in steps {
        if step.outcome.is_err() && room == 0 {
            left_out += 1;
            continue;
        }
        room -= usize::from(step.outcome.is_err());
        let author = authors.get(step.author).filter(|_| has_authors);
        let author = author.map(|author| shortened(author, 40));
        let outcome = match step.outcome {
            Ok(()) => "fits".to_owned(),
            Err(mismatch) => mismatch.to_string(),
        };
        let effect = step.effect.as_str().to_owned();
        let rule = shortened(step.rule, 120);
        table.add_row(author.into_iter().chain([effect, rule, outcome]));
    }
    console::print_table(out, &table)?;
    if left_out > 0 {
        writeln!(out, "… and {left_out} more that do not fit")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
