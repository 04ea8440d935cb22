//! Converts TOML to a [`Document`].

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use super::fault::{DocumentFault, clip};
use super::item::{Item, Located, Table};
use super::{Document, MAX_LENGTH, MAX_RULES, Mode};
use crate::budgets::Budgets;
use crate::overrides::{self, FieldGrants};
use crate::rule::Rule;
use crate::rule_error::RuleError;
use crate::secret::{self, Secret, SecretError};
use crate::secret_source::SecretSource;
use crate::tls::{self, TlsGrants};
use crate::tunnel_grant::{TunnelGrant, TunnelGrantError};

/// The keys of each table.
pub(super) const DOCUMENT: &[&str] = &[
    "version", "mode", "allow", "deny", "ask", "budgets", "secret", "tls", "field", "tunnel", "end",
];
pub(super) const BUDGETS: &[&str] = &[
    "requests",
    "requests_per_second",
    "connections",
    "bytes_up",
    "bytes_down",
    "response_head",
    "hosts",
    "seconds",
    "host_memory",
    "lookups",
    "connections_per_second",
    "denials",
];
pub(super) const SECRET: &[&str] = &[
    "name",
    "rule",
    "env",
    "headers",
    "query",
    "basic",
    "plain_http",
    "source",
];
pub(super) const TLS: &[&str] = &[
    "hosts",
    "unverified",
    "unverified_name",
    "own_roots",
    "client_certificates",
];
pub(super) const FIELD: &[&str] = &["names", "hosts"];
pub(super) const SOURCE: &[&str] = &["env", "file", "command"];

pub(super) fn document(text: &str) -> Result<Document, Located> {
    if text.len() > MAX_LENGTH {
        return Err(nowhere(DocumentFault::TooLong));
    }
    let root = DeTable::parse(text).map_err(|error| syntax_fault(text, &error))?;
    let root = root.get_ref();
    if root.is_empty() {
        return Err(nowhere(DocumentFault::Empty));
    }
    let table = Table::new("", 0, root);
    // Check the version before the keys: another version may know others.
    check_version(&table)?;
    let table = table.refuse_unknown(DOCUMENT)?;
    refuse_too_many_rules(&table)?;
    let allow_or_ask = |key| rules(&table, key, str::parse);
    let document = Document {
        mode: table.read("mode", mode)?.unwrap_or_default(),
        allow: allow_or_ask("allow")?,
        deny: rules(&table, "deny", Rule::parse_deny)?,
        ask: allow_or_ask("ask")?,
        budgets: table.read("budgets", budgets)?.unwrap_or_default(),
        secrets: table.read("secret", secrets)?.unwrap_or_default(),
        tls: table.read("tls", tls)?.unwrap_or_default(),
        fields: table.read("field", fields)?.unwrap_or_default(),
        tunnel: table.read("tunnel", tunnels)?.unwrap_or_default(),
    };
    check_end(text, &table)?;
    // Apply the same checks as to a document built in code.
    document.check().map_err(|error| nowhere(error.fault))?;
    Ok(document)
}

/// Requires the last line: without it a truncated policy may lack rules that deny, and budgets.
/// TOML has no end mark of its own.
fn check_end(text: &str, table: &Table<'_>) -> Result<(), Located> {
    let end = table.get("end");
    let end = end.ok_or_else(|| nowhere(DocumentFault::NoEnd))?;
    end.table("[end]", &[])?;
    let mut lines = text.lines().map(str::trim).rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let last = last.unwrap_or_default();
    let last = last.split('#').next().unwrap_or_default().trim_end();
    match last {
        "[end]" => Ok(()),
        _ => Err(end.fault(DocumentFault::EndNotLast)),
    }
}

fn nowhere(fault: DocumentFault) -> Located {
    Located { at: None, fault }
}

/// The TOML parser's message, without the excerpt that its own display has.
fn syntax_fault(text: &str, error: &toml::de::Error) -> Located {
    let span = error.span();
    let excerpt = span.clone().and_then(|span| text.get(span));
    let fault = match (error.message(), excerpt) {
        ("duplicate key", Some(key)) => DocumentFault::DuplicateKey(clip(key)),
        (message, _) => DocumentFault::Syntax(message.replace(char::is_control, " ")),
    };
    Located {
        at: span.map(|span| span.start),
        fault,
    }
}

fn check_version(table: &Table<'_>) -> Result<(), Located> {
    let Some(version) = table.get("version") else {
        return Err(nowhere(DocumentFault::NoVersion));
    };
    match version.u64(0) {
        Ok(1) => Ok(()),
        Ok(other) => Err(version.fault(DocumentFault::Version(other))),
        Err(_) => Err(version.unexpected("the number 1")),
    }
}

/// Counts the rules before the first one is parsed. Every secret has a rule, and every table of
/// grants has a list of them.
fn refuse_too_many_rules(table: &Table<'_>) -> Result<(), Located> {
    let lists = ["allow", "deny", "ask", "secret", "tunnel"].map(|key| table.get(key));
    let count: usize = lists.iter().flatten().map(Item::len).sum();
    let grants = ["tls", "field"].map(|key| table.get(key));
    let grants = grants.iter().flatten().map(|list| list.len_within("hosts"));
    if count.saturating_add(grants.sum()) > MAX_RULES {
        return Err(nowhere(DocumentFault::TooManyRules));
    }
    Ok(())
}

fn mode(item: &Item<'_>) -> Result<Mode, Located> {
    let text = item.string()?;
    let mode = Mode::ALL.into_iter().find(|mode| mode.as_str() == text);
    mode.ok_or_else(|| item.unexpected("'enforce', 'report' or 'ask'"))
}

fn rules(
    table: &Table<'_>,
    key: &str,
    parse: fn(&str) -> Result<Rule, RuleError>,
) -> Result<Vec<Rule>, Located> {
    let list = table.read(key, |list| list.list(|item| rule(item, parse)))?;
    Ok(list.unwrap_or_default())
}

fn rule(item: &Item<'_>, parse: fn(&str) -> Result<Rule, RuleError>) -> Result<Rule, Located> {
    let text = item.string()?;
    parse(text).map_err(|error| {
        let text = text.to_owned();
        item.fault(DocumentFault::Rule { text, error })
    })
}

fn budgets(item: &Item<'_>) -> Result<Budgets, Located> {
    let table = item.table("[budgets]", BUDGETS)?;
    let seconds = table.read("seconds", |item| item.u32(1))?;
    Ok(Budgets {
        requests: table.read("requests", |item| item.u64(0))?,
        requests_per_second: table.read("requests_per_second", |item| item.u32(1))?,
        connections: table.read("connections", |item| item.u32(0))?,
        bytes_up: table.read("bytes_up", |item| item.u64(0))?,
        bytes_down: table.read("bytes_down", |item| item.u64(0))?,
        response_head: table.read("response_head", |item| item.u32(1))?,
        hosts: table.read("hosts", |item| item.u32(0))?,
        time: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        host_memory: table.read("host_memory", |item| item.u64(1))?,
        lookups: table.read("lookups", |item| item.u64(0))?,
        connections_per_second: table.read("connections_per_second", |item| item.u32(1))?,
        denials: table.read("denials", |item| item.u64(0))?,
    })
}

fn tls(list: &Item<'_>) -> Result<Vec<TlsGrants>, Located> {
    let items = list.elements("tables that begin with '[[tls]]'")?;
    items.iter().map(grants).collect()
}

fn grants(item: &Item<'_>) -> Result<TlsGrants, Located> {
    let table = item.table("[[tls]]", TLS)?;
    let host = |item: &Item<'_>| {
        let host = rule(item, str::parse)?;
        tls::check_host(&host).map_err(|error| item.fault(error))?;
        Ok(host)
    };
    let has = |key| Ok(table.read(key, Item::boolean)?.unwrap_or(false));
    let grants = TlsGrants {
        hosts: table.require("hosts")?.list(host)?,
        unverified: has("unverified")?,
        unverified_name: has("unverified_name")?,
        own_roots: has("own_roots")?,
        client_certificates: has("client_certificates")?,
    };
    let place = match grants.hosts.is_empty() {
        true => "hosts",
        false => "",
    };
    grants.check().map_err(|error| table.fault(place, error))?;
    Ok(grants)
}

fn fields(list: &Item<'_>) -> Result<Vec<FieldGrants>, Located> {
    let items = list.elements("tables that begin with '[[field]]'")?;
    items.iter().map(field).collect()
}

fn field(item: &Item<'_>) -> Result<FieldGrants, Located> {
    let table = item.table("[[field]]", FIELD)?;
    let name = |item: &Item<'_>| {
        let name = item.string()?;
        overrides::check_name(name).map_err(|error| item.fault(error))?;
        Ok(name.to_owned())
    };
    let host = |item: &Item<'_>| {
        let host = rule(item, str::parse)?;
        overrides::check_host(&host).map_err(|error| item.fault(error))?;
        Ok(host)
    };
    let grants = FieldGrants {
        names: table.require("names")?.list(name)?,
        hosts: table.require("hosts")?.list(host)?,
    };
    let place = match grants.names.is_empty() {
        true => "names",
        false => "hosts",
    };
    grants.check().map_err(|error| table.fault(place, error))?;
    Ok(grants)
}

fn tunnels(list: &Item<'_>) -> Result<Vec<TunnelGrant>, Located> {
    list.list(|item| {
        let text = item.string()?;
        text.parse().map_err(|error| match error {
            // As a rule's fault: it names the text, unless that may be a password.
            TunnelGrantError::Rule(error) => {
                let text = text.to_owned();
                item.fault(DocumentFault::Rule { text, error })
            }
            error => item.fault(error),
        })
    })
}

fn secrets(list: &Item<'_>) -> Result<Vec<Secret>, Located> {
    let items = list.elements("tables that begin with '[[secret]]'")?;
    let secrets: Vec<_> = items.iter().map(secret).collect::<Result<_, _>>()?;
    match secret::first_twin(&secrets) {
        Some((index, error)) => Err(items[index].fault(error)),
        None => Ok(secrets),
    }
}

fn secret(item: &Item<'_>) -> Result<Secret, Located> {
    let table = item.table("[[secret]]", SECRET)?;
    let name = checked(&table.require("name")?, secret::check_name)?;
    let env = table.read("env", |item| checked(item, secret::check_variable))?;
    let query = table.read("query", |list| {
        list.list(|item| checked(item, secret::check_parameter))
    })?;
    let query = query.unwrap_or_default();
    let basic = table.read("basic", Item::boolean)?.unwrap_or(false);
    let headers = match table.read("headers", headers)? {
        Some(headers) => headers,
        None if query.is_empty() && !basic => vec!["authorization".to_owned()],
        None => Vec::new(),
    };
    let secret = Secret {
        rule: rule(&table.require("rule")?, str::parse)?,
        env: env.unwrap_or_else(|| secret::default_variable(&name)),
        name,
        headers,
        query,
        basic,
        plain_http: table.read("plain_http", Item::boolean)?.unwrap_or(false),
        source: source(&table.require("source")?)?,
    };
    secret
        .check_places()
        .map_err(|error| table.fault("headers", error))?;
    secret
        .check_rule()
        .map_err(|error| table.fault("rule", error))?;
    Ok(secret)
}

/// A string that `check` accepts.
fn checked(item: &Item<'_>, check: fn(&str) -> Result<(), SecretError>) -> Result<String, Located> {
    let text = item.string()?;
    check(text).map_err(|error| item.fault(error))?;
    Ok(text.to_owned())
}

fn headers(list: &Item<'_>) -> Result<Vec<String>, Located> {
    list.list(|item| Ok(checked(item, secret::check_header)?.to_ascii_lowercase()))
}

/// Does not repeat a string in place of a table: it may be the secret itself.
fn source(item: &Item<'_>) -> Result<SecretSource, Located> {
    if !item.is_table() {
        return Err(item.fault(SecretError::Source));
    }
    let table = item.table("source", SOURCE)?;
    let only = table
        .only()
        .ok_or_else(|| item.fault(SecretError::Source))?;
    let source = match only.key {
        "env" => SecretSource::Env(only.string()?.to_owned()),
        "file" => SecretSource::File(PathBuf::from(only.string()?)),
        _ => SecretSource::Command(only.list(|word| Ok(word.string()?.to_owned()))?),
    };
    source.check().map_err(|error| only.fault(error))?;
    Ok(source)
}
