//! TLS: which name is sent and verified, and which connection carries which request.

use sandbox_net::policy::DenyReason::{HostMismatch, NoRule, TlsOptions};
use sandbox_net_tests::Trials;

use crate::row::Refusal::{DeniedAs, Invalid, Raised};
use crate::row::Trace::{Head, Secure};
use crate::row::{Name, Row, add_rows};

const NAMES: &[Name] = &[
    ("one.test", &["127.0.0.1"]),
    ("two.test", &["127.0.0.1"]),
    ("other.test", &["127.0.0.1"]),
];

const BOTH: &[&str] = &[
    "https://one.test:{tls_port} to 127.0.0.1",
    "https://two.test:{tls_port} to 127.0.0.1",
];

/// A request over TLS whose plain form works under the same rules.
const fn secure(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(BOTH)
        .resolving(NAMES)
        .asking(&["one.test"])
        .seen(Secure("/attack"))
        .but_as(&["start_tls", "one.test:{tls_port}", "one.test", "verified"])
        .but_under(BOTH)
}

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    secure("another server name, which is allowed too", &["start_tls", "one.test:{tls_port}", "two.test", "verified"])
        .denied(HostMismatch),
    secure("another server name, by ssl itself", &["handshake", "one.test:{tls_port}", "two.test"])
        .denied(HostMismatch).but_as(&["handshake", "one.test:{tls_port}", "one.test"]),
    secure("an address as the server name", &["start_tls", "one.test:{tls_port}", "127.0.0.1", "verified"])
        .denied(HostMismatch),
    secure("a server name that is no name", &["start_tls", "one.test:{tls_port}", "one.test\0.evil.test", "verified"])
        .denied(HostMismatch),
    secure("no verification", &["start_tls", "one.test:{tls_port}", "one.test", "unverified"]).denied(TlsOptions),
    secure("no verification, by requests", &["unverified", "https://one.test:{tls_port}/attack"])
        .refused(DeniedAs("ssl.SSLError", TlsOptions)).but_as(&["url", "https://one.test:{tls_port}/attack"]),
    secure("another Host field", &["start_tls", "one.test:{tls_port}", "one.test", "verified", "Host", "two.test:{tls_port}"])
        .denied(HostMismatch),
    secure("another Host field, by urllib", &["url", "https://one.test:{tls_port}/attack", "Host", "two.test:{tls_port}"])
        .denied(HostMismatch).but_as(&["url", "https://one.test:{tls_port}/attack"]),
    secure("another Host field without the port", &["start_tls", "one.test:{tls_port}", "one.test", "verified", "Host", "two.test"])
        .denied(HostMismatch),
    secure("a Host field with the default port", &["start_tls", "one.test:{tls_port}", "one.test", "verified", "Host", "one.test:443"])
        .denied(HostMismatch),
    secure("TLS after a request in plain text", &["late_tls", "{good}"]).refused(Invalid).asking(&[]),
    secure("a name that the certificate has not", &["url", "https://other.test:{tls_port}/attack"])
        .under(&["https://other.test:{tls_port} to 127.0.0.1"]).asking(&["other.test"])
        .refused(Raised("ssl.SSLCertVerificationError"))
        .but_as(&["url", "https://one.test:{tls_port}/attack"]),
    secure("https where http is allowed", &["url", "https://{tls}/attack"])
        .under(&["http://{tls}"]).asking(&[]).denied(NoRule).but_under(&["https://{tls}"])
        .but_as(&["url", "https://{tls}/attack"]),
    secure("another Host field over HTTP/2",
        &["start_tls", "one.test:{h2_port}", "one.test", "verified", "Host", "two.test:{h2_port}"])
        .under(H2_ONE).denied(HostMismatch)
        .but_under(H2_ONE).but_as(&["start_tls", "one.test:{h2_port}", "one.test", "verified"]),
    secure("a pseudo-header field over HTTP/2",
        &["start_tls", "one.test:{h2_port}", "one.test", "verified", ":authority", "two.test:{h2_port}"])
        .under(H2_ONE).refused(Invalid)
        .but_under(H2_ONE).but_as(&["start_tls", "one.test:{h2_port}", "one.test", "verified"]),
    secure("a name that an open HTTP/2 session could carry",
        &["urls", "https://one.test:{h2_port}/get", "https://two.test:{h2_port}/attack"])
        .under(H2_ONE).denied(NoRule)
        .but_under(&["https://one.test:{h2_port} to 127.0.0.1", "https://two.test:{h2_port} to 127.0.0.1"])
        .but_as(&["urls", "https://one.test:{h2_port}/get", "https://two.test:{h2_port}/attack"]),
    secure("an address that an open HTTP/2 session goes to",
        &["urls", "https://one.test:{h2_port}/get", "https://localhost:{h2_port}/attack"])
        .under(H2_ONE).denied(NoRule)
        .but_under(&["https://one.test:{h2_port} to 127.0.0.1", "https://localhost:{h2_port}"])
        .but_as(&["urls", "https://one.test:{h2_port}/get", "https://localhost:{h2_port}/attack"]),
    Row::new("http where https is allowed", &["url", "http://{raw}/attack"])
        .under(&["https://{raw}"]).denied(NoRule).seen(Head("GET /attack")).but_under(&["http://{raw}"]),
    Row::new("http where https is allowed, past the parsers", &["say", "{raw}", "GET", "/attack"])
        .under(&["https://{raw}"]).denied(NoRule).seen(Head("GET /attack")).but_under(&["http://{raw}"]),
];

const H2_ONE: &[&str] = &["https://one.test:{h2_port} to 127.0.0.1"];

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(trials, "tls::tls_is_for_the_host_of_its_connection", ROWS);
}
