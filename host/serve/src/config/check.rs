//! Reads what a configuration names, and refuses what could not be enforced.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use sandbox_net::Sandbox;
use sandbox_net::policy::{Document, MAX_LENGTH, Policy, Rule};

use super::{Config, File, Programs, Tenant, TenantConfig, Token, TokenSource};
use crate::token::{Digest, SHORTEST};

/// The longest name of a tenant or an instance.
const LONGEST_NAME: usize = 63;
/// The most runs a minute that can be counted.
const MOST_RUNS: usize = 1_000_000;

/// Reads a text of at most the length of a policy file.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(MAX_LENGTH as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not a text in UTF-8".to_owned())
}

/// Makes a configuration of a text.
pub(super) fn config(text: &str, directory: &Path) -> Result<Config, String> {
    let mut file: File = toml::from_str(text).map_err(|error| fault(text, &error))?;
    server(&file)?;
    let programs = &mut file.programs;
    rooted(directory, programs);
    if let Some(path) = &mut file.audit.file {
        *path = directory.join(&*path);
    }
    if file.audit.file.is_some() && file.audit.stdout {
        return Err(
            "audit: the log goes to one place of this machine: write 'file' or 'stdout'".to_owned(),
        );
    }
    let own = document(programs.policy.as_deref(), &programs.allow, &programs.deny)
        .map_err(|why| format!("programs: {why}"))?;
    if !own.secrets.is_empty() {
        let why = "programs: the server's policy has secrets, which all tenants would share: put each \
                   into the policy of its tenant";
        return Err(why.to_owned());
    }
    let policy = Policy::from(own.clone());
    if file.tenant.is_empty() {
        return Err("there is no [[tenant]], so nobody could use the server: add one".to_owned());
    }
    let mut tenants = Vec::new();
    for tenant in &file.tenant {
        let read = read_tenant(tenant, directory, &own, &policy, &file);
        tenants.push(read.map_err(|why| format!("tenant '{}': {why}", tenant.name))?);
    }
    distinct(&tenants)?;
    Ok(Config {
        file,
        policy,
        tenants,
    })
}

/// What is wrong, and in which line. The line itself is not shown: it may hold a secret.
fn fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        }
        None => error.message().to_owned(),
    }
}

fn server(file: &File) -> Result<(), String> {
    let (server, programs) = (&file.server, &file.programs);
    if let Some(fault) = server.instance.as_deref().and_then(name_fault) {
        return Err(format!("server: instance: {fault}"));
    }
    let counts = [
        ("server: connections", server.connections),
        ("programs: running", programs.running),
    ];
    for (key, count) in counts {
        if count == 0 {
            return Err(format!("{key} is zero, so nothing could run: raise it"));
        }
    }
    let times = [
        ("server: head_timeout", server.head_timeout),
        ("server: body_timeout", server.body_timeout),
        ("server: write_timeout", server.write_timeout),
        ("programs: time", programs.time),
        ("sessions: idle", file.sessions.idle),
        ("sessions: lifetime", file.sessions.lifetime),
    ];
    for (key, time) in times {
        if time.duration().is_zero() {
            return Err(format!("{key} is zero, so nothing could go on: raise it"));
        }
    }
    let tenants = u64::try_from(file.tenant.len()).unwrap_or(u64::MAX).max(1);
    let least = server.body.bytes().saturating_mul(tenants);
    if server.bodies.bytes() < least {
        return Err(format!(
            "server: bodies has no room for the largest body of each tenant: raise it to {least}, or lower body"
        ));
    }
    for (key, collector) in [
        ("telemetry: traces", &file.telemetry.traces),
        ("audit: logs", &file.audit.logs),
    ] {
        if let Some(url) = collector
            && !is_collector(url)
        {
            return Err(format!(
                "{key}: '{url}' is no address of a collector: write it as 'http://collector:4318', without a path"
            ));
        }
    }
    Ok(())
}

/// Whether spans and logs can be sent there: the path of each is added.
fn is_collector(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@']))
}

fn rooted(directory: &Path, programs: &mut Programs) {
    let single = programs.policy.iter_mut().chain(&mut programs.snapshot);
    for path in single.chain(&mut programs.ca) {
        *path = directory.join(&*path);
    }
}

/// The policy of a file and of rules together.
fn document(file: Option<&Path>, allow: &[String], deny: &[String]) -> Result<Document, String> {
    let mut document = match file {
        Some(path) => {
            let at = |why: String| format!("the policy '{}': {why}", path.display());
            let text = read_text(path).map_err(at)?;
            Document::parse(&text).map_err(|error| at(error.to_string()))?
        }
        None => Document::default(),
    };
    let refused = |rule: &String, why: String| format!("the rule '{rule}' is refused: {why}");
    for rule in allow {
        let parsed = rule.parse::<Rule>();
        document
            .allow
            .push(parsed.map_err(|error| refused(rule, error.to_string()))?);
    }
    for rule in deny {
        let parsed = Rule::parse_deny(rule);
        document
            .deny
            .push(parsed.map_err(|error| refused(rule, error.to_string()))?);
    }
    if let Some(grant) = document.tunnel.first() {
        return Err(format!(
            "'{grant}' of 'tunnel' has no effect here, because tunnels serve native programs: remove it"
        ));
    }
    document.check().map_err(|fault| fault.to_string())?;
    Ok(document)
}

fn read_tenant(
    tenant: &Tenant,
    directory: &Path,
    own: &Document,
    policy: &Policy,
    file: &File,
) -> Result<TenantConfig, String> {
    if let Some(fault) = name_fault(&tenant.name) {
        return Err(fault);
    }
    if tenant.tokens.is_empty() {
        return Err("it has no tokens, so nobody could be this tenant: add one".to_owned());
    }
    if tenant.running == Some(0) {
        return Err("running is zero, so nothing could run: raise it, or remove it".to_owned());
    }
    let times = [tenant.time, tenant.cpu];
    if times
        .into_iter()
        .flatten()
        .any(|it| it.duration().is_zero())
    {
        return Err("time or cpu is zero, so nothing could run: raise it".to_owned());
    }
    if tenant
        .runs_per_minute
        .is_some_and(|runs| runs == 0 || runs > MOST_RUNS)
    {
        return Err(format!("runs_per_minute is from 1 to {MOST_RUNS}"));
    }
    larger(tenant, file)?;
    usable(tenant, &file.programs)?;
    let has_rules = tenant.policy.is_some() || !tenant.allow.is_empty();
    let path = tenant.policy.as_ref().map(|path| directory.join(path));
    let document = match has_rules {
        true => document(path.as_deref(), &tenant.allow, &tenant.deny)?,
        // It has what the server has, but for what it denies.
        false => {
            let denied = document(None, &[], &tenant.deny)?;
            let mut document = own.clone();
            document.deny.extend(denied.deny);
            document
        }
    };
    if let Some(why) = crate::narrow::widens(policy, &document.clone().into()) {
        return Err(format!("its policy allows more than the server's: {why}"));
    }
    let digests = tenant.tokens.iter().map(|token| digest(token, directory));
    Ok(TenantConfig {
        file: tenant.clone(),
        document,
        digests: digests.collect::<Result<_, _>>()?,
    })
}

/// Refuses limits and variables with which no sandbox could be made.
fn usable(tenant: &Tenant, programs: &Programs) -> Result<(), String> {
    let mut sandbox = Sandbox::builder()
        .time_limit(tenant.time(programs))
        .memory_limit(usize::try_from(tenant.memory(programs)).unwrap_or(usize::MAX))
        .disk_limit(tenant.disk(programs));
    if let Some(limit) = tenant.cpu(programs) {
        sandbox = sandbox.cpu_limit(limit);
    }
    for (name, value) in &programs.environment {
        sandbox = sandbox.env(name, value);
    }
    sandbox.check().map_err(|error| error.to_string())
}

/// Refuses limits that would not count, because the server's are smaller.
fn larger(tenant: &Tenant, file: &File) -> Result<(), String> {
    let (programs, sessions) = (&file.programs, &file.sessions);
    let sizes = [
        ("memory", tenant.memory, programs.memory),
        ("disk", tenant.disk, programs.disk),
        ("output", tenant.output, programs.output),
        ("total_memory", tenant.total_memory, programs.total_memory),
        (
            "total_host_memory",
            tenant.total_host_memory,
            programs.total_host_memory,
        ),
    ];
    let times = [
        ("time", tenant.time, Some(programs.time)),
        ("cpu", tenant.cpu, programs.cpu),
    ];
    let counts = [
        ("running", tenant.running, programs.running),
        ("waiting", tenant.waiting, programs.waiting),
        ("sessions", tenant.sessions, sessions.most),
    ];
    let sizes =
        sizes.map(|(key, own, most)| (key, own.is_some_and(|own| own.bytes() > most.bytes())));
    let times = times.map(|(key, own, most)| {
        let both = own.zip(most);
        (
            key,
            both.is_some_and(|(own, most)| own.duration() > most.duration()),
        )
    });
    let counts = counts.map(|(key, own, most)| (key, own.is_some_and(|own| own > most)));
    let mut all = sizes.into_iter().chain(times).chain(counts);
    match all.find(|(_, is_larger)| *is_larger) {
        Some((key, _)) => Err(format!(
            "{key} is larger than what [programs] or [sessions] gives to all: lower it, or raise that one"
        )),
        None => Ok(()),
    }
}

fn digest(token: &Token, directory: &Path) -> Result<Digest, String> {
    let source = match token {
        Token::Known(source) => source,
        Token::Unknown(_) => {
            let why =
                "a token is written as { sha256 = \"…\" }, { env = \"NAME\" } or { file = \"…\" }";
            return Err(why.to_owned());
        }
    };
    let text = match source {
        TokenSource::Sha256(hex) => {
            let why = "a token's sha256 has 64 hexadecimal digits: see `sha256sum`";
            return Digest::from_hex(hex).ok_or_else(|| why.to_owned());
        }
        TokenSource::Env(name) => std::env::var(name)
            .map_err(|error| format!("the token's variable '{name}': {error}"))?,
        TokenSource::File(path) => {
            let path = directory.join(path);
            read_text(&path)
                .map_err(|why| format!("the token's file '{}': {why}", path.display()))?
        }
    };
    let text = text.trim();
    if text.len() < SHORTEST {
        return Err(format!(
            "a token is shorter than {SHORTEST} characters, which can be guessed: make one with \
             `openssl rand -hex 32`"
        ));
    }
    Ok(Digest::of(text.as_bytes()))
}

/// What is wrong with the name of a tenant or an instance; it becomes a label and a part of ids.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_short = (1..=LONGEST_NAME).contains(&name.len());
    (!is_short || !name.chars().all(is_good)).then(|| {
        format!("the name '{name}' has 1 to {LONGEST_NAME} of the characters a-z, 0-9 and '-'")
    })
}

fn distinct(tenants: &[TenantConfig]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut digests = BTreeSet::new();
    for tenant in tenants {
        let name = &tenant.file.name;
        if !names.insert(name) {
            return Err(format!("there are two tenants '{name}': rename one"));
        }
        if !tenant
            .digests
            .iter()
            .all(|digest| digests.insert(digest.bytes()))
        {
            return Err(format!(
                "tenant '{name}': it has a token that is in the file already: give each its own"
            ));
        }
    }
    Ok(())
}
