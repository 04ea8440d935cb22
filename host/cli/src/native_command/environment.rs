//! The environment of a confined program: what it needs of the caller's, and where the broker is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sandbox_net_broker::RunningBroker;
use sandbox_net_native::confine::{Confinement, Prepared, SpawnError};
use sandbox_net_native::patch;

/// Where the run's certificate is, for the program.
const CA: &str = "/run/sandbox-net/ca.pem";
/// Where the patch for Pythons is, for the program.
const PATCH: &str = "/run/sandbox-net/python";
/// Where Python looks for modules first.
const PYTHON_PATH: &str = "PYTHONPATH";
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

/// Tells the program where the broker is, and which certificate to trust, and gives its Pythons the patch.
/// `own` are the variables that the caller sets; they win.
pub(super) fn with_broker(
    prepared: Prepared,
    broker: &RunningBroker,
    own: Vec<(String, String)>,
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
        _ => {
            variables.push(("SANDBOX_NET_CONFINED".to_owned(), "1".to_owned()));
            (6969, String::new())
        }
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
        let confinement = confinement.environment(variables).environment(trust);
        let (confinement, patch) = with_patch(confinement)?;
        let mut search = vec![patch];
        let of_caller = own.iter().rev().find(|(name, _)| name == PYTHON_PATH);
        search.extend(
            of_caller
                .iter()
                .flat_map(|(_, value)| std::env::split_paths(value)),
        );
        let search = std::env::join_paths(search).map_err(|error| SpawnError::SetUp {
            step: format!("set {PYTHON_PATH}"),
            reason: error.to_string(),
        })?;
        Ok(confinement
            .environment(own)
            .environment([(PYTHON_PATH, search)]))
    })
}

/// Puts the patch where Pythons find it. Returns the folder.
fn with_patch(confinement: Confinement) -> Result<(Confinement, PathBuf), SpawnError> {
    let (mut confinement, mut folder) = (confinement, PathBuf::from(PATCH));
    for (path, text) in patch::files() {
        let (with_file, place) =
            confinement.place(&Path::new(PATCH).join(&path), text.as_bytes())?;
        confinement = with_file;
        if let Some(parent) = place.ancestors().nth(path.components().count()) {
            folder = parent.to_owned();
        }
    }
    Ok((confinement, folder))
}
