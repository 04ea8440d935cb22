//! The attacks of a hostile component that calls the interface itself.

use sandbox_net::Verdict;
use sandbox_net::policy::DenyReason::{
    self, Address, Field, HostMismatch, Method, NoRule, TlsOptions,
};

use sandbox_net_tests::Trials;

use crate::component_attack::{Attack, DENIED, INVALID, Step};
use crate::component_guest::Hostile;
use crate::row::Name;
use crate::row::Trace::{self, Connection, Head, Secure};
use crate::world::World;

/// How the interface refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    /// `denied`, and recorded so.
    Denied(DenyReason),
    /// `invalid`.
    Invalid,
}
use Refused::{Denied, Invalid};

/// One attack, with a control in which it works.
pub struct Row {
    name: &'static str,
    attack: Attack,
    rules: &'static [&'static str],
    names: &'static [Name],
    refused: (Step, Refused),
    trace: Trace,
    /// The control, and its rules.
    control: (Attack, &'static [&'static str]),
}

/// A request in plain text to a host.
const fn to(host: &'static str, port: &'static str) -> Attack {
    Attack::get(host, port, "/attack")
}

const PLAIN: Attack = to("127.0.0.1", "{port}");

/// An address or a name that no rule allows.
const fn host(name: &'static str, host: &'static str, refused: Refused) -> Row {
    Row {
        name,
        attack: to(host, "{port}"),
        rules: &["elsewhere.test:{port}", "*.good.test:{port}", "localhost:1"],
        names: &[
            ("good.test", &["127.0.0.1"]),
            ("evilgood.test", &["127.0.0.1"]),
        ],
        refused: (Step::Connect, refused),
        trace: Connection,
        control: (PLAIN, &["127.0.0.1:{port}"]),
    }
}

/// An allowed name that leads to an address of another kind.
const fn leads_to(name: &'static str, names: &'static [Name]) -> Row {
    Row {
        name,
        attack: to("allowed.test", "{port}"),
        rules: &["allowed.test:{port}"],
        names,
        refused: (Step::Status, Denied(Address)),
        trace: Connection,
        control: (PLAIN, &["127.0.0.1:{port}"]),
    }
}

/// A request on an allowed connection to the raw server, which would see it in its head. In the
/// control the method, the path or the value of `X-A` is plain and contains the mark `evil`.
const fn head(name: &'static str, attack: Attack, refused: Refused) -> Row {
    Row {
        name,
        attack,
        rules: &["http://{raw}"],
        names: &[],
        refused: (Step::Request, refused),
        trace: Head("evil"),
        control: (
            Attack {
                path: "/evil",
                ..RAW
            },
            &["http://{raw}"],
        ),
    }
}

const RAW: Attack = to("127.0.0.1", "{raw_port}");

const fn method(text: &'static str) -> Attack {
    Attack {
        method: text,
        path: "/evil",
        ..RAW
    }
}

const fn path(text: &'static str) -> Attack {
    Attack { path: text, ..RAW }
}

const fn fields(fields: &'static [(&'static str, &'static str)]) -> Attack {
    Attack {
        fields,
        path: "/evil",
        ..RAW
    }
}

const ONE: Attack = Attack {
    tls: Some(("one.test", true)),
    ..to("one.test", "{tls_port}")
};
const BOTH: &[&str] = &[
    "https://one.test:{tls_port} to 127.0.0.1",
    "https://two.test:{tls_port} to 127.0.0.1",
];

/// TLS on a connection to `one.test`.
const fn tls(name: &'static str, attack: Attack, step: Step, reason: DenyReason) -> Row {
    Row {
        name,
        attack,
        rules: BOTH,
        names: &[("one.test", &["127.0.0.1"]), ("two.test", &["127.0.0.1"])],
        refused: (step, Denied(reason)),
        trace: Secure("/attack"),
        control: (ONE, BOTH),
    }
}

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    host("the plain address", "127.0.0.1", Denied(NoRule)),
    host("another loopback address", "127.0.0.2", Denied(NoRule)),
    host("the unspecified address", "0.0.0.0", Denied(NoRule)),
    host("IPv6 loopback", "::1", Denied(NoRule)),
    host("a mapped address", "::ffff:127.0.0.1", Denied(NoRule)),
    host("a NAT64 address", "64:ff9b::7f00:1", Denied(NoRule)),
    host("the domain itself", "good.test", Denied(NoRule)),
    host("a name that ends alike", "evilgood.test", Denied(NoRule)),
    host("localhost in upper case", "LOCALHOST.", Denied(NoRule)),
    host("one decimal number", "2130706433", Invalid),
    host("one hexadecimal number", "0x7f000001", Invalid),
    host("an octal number", "0177.0.0.1", Invalid),
    host("two numbers", "127.1", Invalid),
    host("full-width digits", "１２７.0.0.1", Invalid),
    host("ideographic full stops", "127。0。0。1", Invalid),
    host("brackets", "[::1]", Invalid),
    host("a zone", "::1%lo", Invalid),
    host("a user", "elsewhere.test@127.0.0.1", Invalid),
    host("NUL", "127.0.0.1\0.elsewhere.test", Invalid),
    host("a line break", "127.0.0.1\r\nX: y", Invalid),
    host("a port in the host", "127.0.0.1:{port}", Invalid),
    host("nothing", "", Invalid),
    Row { attack: to("127.0.0.1", "0"), ..host("port 0", "127.0.0.1", Invalid) },
    // Only 16 bits of the core value are a port; the bits above do not bypass the rule.
    Row { attack: to("127.0.0.1", "+{port}"), ..host("a port above 65535", "127.0.0.1", Denied(NoRule)) },
    leads_to("a name that leads to loopback", &[("allowed.test", &["127.0.0.1"])]),
    leads_to("a name that leads to IPv6 loopback", &[("allowed.test", &["::1"])]),
    leads_to("a name that leads to a mapped address", &[("allowed.test", &["::ffff:127.0.0.1"])]),
    leads_to("a name that leads to the metadata service", &[("allowed.test", &["169.254.169.254"])]),
    leads_to("a name that is an alias", &[("allowed.test", &["alias b.test"]), ("b.test", &["127.0.0.1"])]),
    head("CONNECT", method("CONNECT"), Denied(Method)),
    head("trace in lower case", method("trace"), Denied(Method)),
    head("a method with a line break", method("GET / HTTP/1.1\r\nX-A: evil\r\n\r\nGET"), Invalid),
    head("an empty method", method(""), Invalid),
    head("a path with a request behind it", path("/ HTTP/1.1\r\n\r\nGET /evil"), Invalid),
    head("a whole URL", path("http://evil.test/evil"), Invalid),
    head("a path with a fragment", path("/evil#evil"), Invalid),
    head("a path with NUL", path("/evil\0"), Invalid),
    head("an empty path", path(""), Invalid),
    head("a line break in a value", fields(&[("X-A", "1\r\nX-B: evil")]), Invalid),
    head("a line break in a name", fields(&[("X-A: 1\r\nX-B", "evil")]), Invalid),
    head("an empty name", fields(&[("", "evil")]), Invalid),
    head("a pseudo-header field", fields(&[(":authority", "evil.test")]), Invalid),
    head("another Host field", fields(&[("Host", "evil.test")]), Denied(HostMismatch)),
    head("two Host fields", fields(&[("Host", "{raw}"), ("host", "evil.test")]), Denied(HostMismatch)),
    head("Transfer-Encoding", fields(&[("Transfer-Encoding", "chunked")]), Denied(Field)),
    head("Content-Length", fields(&[("Content-Length", "5")]), Denied(Field)),
    head("Connection", fields(&[("Connection", "evil")]), Denied(Field)),
    head("Connection with more than one option", fields(&[("Connection", "close, evil")]), Denied(Field)),
    head("two Connection fields", fields(&[("Connection", "close"), ("connection", "evil")]), Denied(Field)),
    head("Content-Length of another length, behind a known option",
        fields(&[("Connection", "close"), ("Content-Length", "5")]), Denied(Field)),
    head("Upgrade", fields(&[("UPGRADE", "evil")]), Denied(Field)),
    head("Proxy-Authorization", fields(&[("Proxy-Authorization", "evil")]), Denied(Field)),
    Row { rules: &["https://{raw}"], ..head("http where https is allowed", path("/evil"), Denied(NoRule)) },
    tls("another server name", Attack { tls: Some(("two.test", true)), ..ONE }, Step::StartTls, HostMismatch),
    tls("a server name with NUL", Attack { tls: Some(("one.test\0two.test", true)), ..ONE }, Step::StartTls, HostMismatch),
    tls("no verification", Attack { tls: Some(("", false)), ..ONE }, Step::StartTls, TlsOptions),
    tls("another Host field over TLS", Attack { fields: &[("Host", "two.test:{tls_port}")], ..ONE }, Step::Request, HostMismatch),
    Row { rules: &["http://one.test:{tls_port} to 127.0.0.1"],
        ..tls("https where http is allowed", ONE, Step::StartTls, NoRule) },
];

const REASONS: [DenyReason; 6] = [NoRule, Address, HostMismatch, TlsOptions, Method, Field];

async fn deny(row: &Row) -> Result<(), String> {
    let world = World::start(row.names).await;
    let rules: Vec<_> = row.rules.iter().copied().chain(["http://{good}"]).collect();
    let mut guest = Hostile::start(&world, &rules).await;
    let end = row.attack.carry_out(&world, &mut guest).await;
    let end = end.map_err(|trap| format!("a trap: {trap:?}"))?;
    let (step, refused) = row.refused;
    let (case, reason) = match refused {
        Denied(why) => (
            DENIED,
            REASONS
                .iter()
                .position(|one| *one == why)
                .map(|at| at as u8),
        ),
        Invalid => (INVALID, None),
    };
    let mut faults = Vec::new();
    if end != Err((step, case, reason)) {
        faults.push(format!(
            "it ended as {end:?}, not with {refused:?} at {step:?}"
        ));
    }
    let records = guest.audit.decisions();
    let denied = records.iter().find(|one| one.verdict == Verdict::Deny);
    if let Denied(why) = refused
        && denied.and_then(|one| one.reason) != Some(why.into())
    {
        faults.push(format!("it was not recorded: {records:#?}"));
    }
    let good = Attack {
        path: "/get",
        ..to("127.0.0.1", "{good_port}")
    };
    let good = good.carry_out(&world, &mut guest).await;
    if !matches!(good, Ok(Ok(200))) {
        faults.push(format!("the good request gave {good:?}"));
    }
    if world.count(row.trace).await > 0 {
        faults.push("REACHED".to_owned());
    }
    let asked = world.dns.questions().await;
    if row.refused.0 == Step::Connect && !asked.is_empty() {
        faults.push(format!("names were asked for: {asked:?}"));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\n{}", faults.join("; "), world.describe().await)),
    }
}

async fn check(row: &'static Row) -> Result<(), String> {
    deny(row).await?;
    let world = World::start(row.names).await;
    let (attack, rules) = row.control;
    let mut guest = Hostile::start(&world, rules).await;
    let end = attack.carry_out(&world, &mut guest).await;
    match world.count(row.trace).await {
        0 => Err(format!(
            "the control gave {end:?}\n{}",
            world.describe().await
        )),
        _ => Ok(()),
    }
}

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    for row in ROWS {
        trials.row(
            "component::a_component_that_calls_the_interface_itself_meets_the_same_policy",
            row.name,
            || check(row),
        );
    }
}
