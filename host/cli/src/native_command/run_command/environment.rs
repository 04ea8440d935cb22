//! The environment of a confined program: what it needs of the caller's, and where the broker is.

use std::ffi::OsString;
use std::path::Path;

use sandbox_net_broker::RunningBroker;
use sandbox_net_native::confine::{Prepared, SpawnError};

/// Where the run's certificate is, for the program.
const CA: &str = "/run/sandbox-net/ca.pem";
/// What a program gets of the caller's environment, which may hold secrets.
const KEPT: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "COLUMNS",
    "LINES",
    "TZ",
    "EDITOR",
    "PAGER",
];
/// Variables with the address of a proxy. Programs read them in one case or the other.
const PROXY: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];
/// Variables with the file of trusted certificates. Every TLS session ends at the broker, so it has only the run's.
const TRUST: [&str; 8] = [
    "SANDBOX_NET_CA",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
];

/// What a program gets of the caller's environment.
pub(super) fn base() -> Vec<(OsString, OsString)> {
    let is_kept = |name: &OsString| {
        let text = name.to_string_lossy();
        KEPT.contains(&&*text) || text.starts_with("LC_")
    };
    let mut variables: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| is_kept(name))
        .collect();
    variables.push(("TMPDIR".into(), "/tmp".into()));
    variables
}

/// Tells the program where the broker is, and which certificate to trust.
pub(super) fn with_broker(
    prepared: Prepared,
    broker: &RunningBroker,
) -> Result<Prepared, SpawnError> {
    let is_weaker = prepared.is_weaker();
    let mut variables = vec![
        ("SANDBOX_NET_ENABLED".to_owned(), "1".to_owned()),
        ("SANDBOX_NET_BROKER_HOST".to_owned(), "127.0.0.1".to_owned()),
    ];
    let token = broker.token().as_str();
    let (port, user) = match broker.addresses().first() {
        Some(address) if is_weaker => {
            variables.push(("SANDBOX_NET_BROKER_TOKEN".to_owned(), token.to_owned()));
            (address.port(), format!("sandbox-net:{token}@"))
        }
        _ => (6969, String::new()),
    };
    variables.push(("SANDBOX_NET_BROKER_PORT".to_owned(), port.to_string()));
    let proxy = format!("http://{user}127.0.0.1:{port}");
    variables.extend(PROXY.map(|name| (name.to_owned(), proxy.clone())));
    variables.extend(broker.placeholders().iter().cloned());
    let pem = broker.ca_pem();
    prepared.try_with(|confinement| {
        let confinement = match broker.addresses().first() {
            Some(address) if is_weaker => confinement.broker(*address),
            _ => confinement,
        };
        let (confinement, ca) = confinement.place(Path::new(CA), pem.as_bytes())?;
        let trust = TRUST.map(|name| (name, &ca));
        Ok(confinement.environment(variables).environment(trust))
    })
}
