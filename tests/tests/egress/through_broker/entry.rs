//! The table of requests: what the attacks of this suite ask for, each once.

use serde_json::{Value, json};

use crate::row::{Name, Row};
use crate::world::World;
use crate::{addresses, authority, dns, names, rules, syntax};

/// The attacks that one request can express.
const ATTACKS: [&[Row]; 18] = [
    addresses::PLAIN,
    addresses::BY_URL,
    addresses::BY_TEXT,
    names::ALIKE_NAMES,
    names::THIS_MACHINE,
    names::NO_NAMES,
    authority::URLS,
    authority::TARGETS,
    dns::CLASSES,
    rules::OUTSIDE,
    rules::INSIDE,
    rules::METHODS,
    rules::NETWORKS,
    syntax::FIELDS,
    syntax::OWN_FIELDS,
    syntax::LINES,
    syntax::BYTES,
    syntax::SMUGGLED,
];

/// Requests that are not attacks, and requests over TLS.
const MORE: [&[&str]; 14] = [
    &["url", "http://{good}/get"],
    &["url", "http://{good}/attack"],
    &["say", "{raw}", "GET", "/public/x"],
    &["say", "{raw}", "HEAD", "/public/x"],
    &["say", "{raw}", "POST", "/in/x"],
    &["url", "https://{tls}/get"],
    &["url", "https://{tls}/get?x=/admin/"],
    &["url", "https://{tls}/admin/x"],
    &["url", "https://{tls}/%61dmin/x"],
    &["url", "https://{tls}//admin/x"],
    &["url", "https://{tls}/get", "Host", "one.test"],
    &[
        "url",
        "https://{tls}/get",
        "X-Http-Method-Override",
        "DELETE",
    ],
    &["url", "https://{raw}/get"],
    &["url", "https://127.0.0.1:{port}/get"],
];

/// One request. Texts that become bytes are Latin-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub scheme: &'static str,
    /// As it is written, without brackets around IPv6.
    pub host: String,
    pub port: u16,
    pub method: String,
    pub path: String,
    pub fields: Vec<(String, String)>,
}

impl Entry {
    /// The request that an attack asks for, if it is only one.
    fn of(attack: &[&str], world: &World) -> Option<Self> {
        let texts: Vec<String> = attack.iter().map(|text| world.fill(text)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (scheme, authority, method, path, fields) = match texts[..] {
            ["frames", host, port] => {
                return Some(Self {
                    scheme: "http",
                    host: host.to_owned(),
                    port: port.parse().ok()?,
                    method: "GET".to_owned(),
                    path: "/attack".to_owned(),
                    fields: Vec::new(),
                });
            }
            ["say" | "client", authority, method, path, ref fields @ ..] => {
                ("http", authority, method, path, fields)
            }
            ["url" | "requests", url, ref fields @ ..] => {
                let (scheme, rest) = url.split_once("://")?;
                let scheme = ["http", "https"].into_iter().find(|one| *one == scheme)?;
                let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(at);
                // What else a URL may have is the client's own.
                if !path.starts_with('/') || path.contains('#') {
                    return None;
                }
                (scheme, authority, "GET", path, fields)
            }
            _ => return None,
        };
        let (host, port) = authority.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let pairs = fields.chunks_exact(2);
        Some(Self {
            scheme,
            host: bare
                .filter(|host| host.contains(':'))
                .unwrap_or(host)
                .to_owned(),
            port: port.parse().ok()?,
            method: method.to_owned(),
            path: path.to_owned(),
            fields: pairs
                .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
                .collect(),
        })
    }

    /// The host and the port as they are in a URL.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The form in which the program gets it.
    pub fn json(&self) -> Value {
        let fields = self.fields.iter().flat_map(|(name, value)| [name, value]);
        json!({
            "scheme": self.scheme,
            "host": self.host,
            "port": self.port,
            "method": self.method,
            "path": self.path,
            "fields": fields.collect::<Vec<_>>(),
        })
    }
}

/// The table, and in the world the names that it asks for.
pub fn table(world: &World) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let rows = ATTACKS.into_iter().flatten();
    let attacks = rows.clone().map(|row| row.attack);
    for attack in attacks.chain(MORE) {
        let entry = Entry::of(attack, world);
        entries.extend(entry.filter(|entry| !entries.contains(entry)));
    }
    for (name, answers) in rows.flat_map(|row| row.names) {
        set(world, (name, answers));
    }
    entries
}

/// Has the DNS server answer as a row says, if the answers lead to this machine.
fn set(world: &World, (name, answers): Name) {
    let first = answers.first().copied().unwrap_or_default();
    if matches!(first, "127.0.0.1" | "127.0.0.2" | "::1") {
        let address = first.parse::<std::net::IpAddr>().expect("an address");
        let answer = sandbox_net_tests::DnsAnswer::Addresses(vec![address]);
        world.dns.set(name, answer);
    }
}
