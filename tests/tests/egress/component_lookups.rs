//! A component that looks names up: which queries are sent, and where the answers lead.

use sandbox_net::Verdict;
use sandbox_net_tests::{DnsQuestion, Trials};

use crate::component_attack::{Attack, DENIED, INVALID, Step, look_up};
use crate::component_guest::Hostile;
use crate::row::{Name, Trace};
use crate::world::World;

// Cases of `deny-reason` and `error-code`, in the order of the interface.
const NO_RULE: u8 = 0;
const ADDRESS: u8 = 1;
const DENY_RULE: u8 = 6;
const DNS: u8 = 1;

/// One lookup, with rules under which no query is sent and rules under which one is.
pub struct Row {
    name: &'static str,
    host: &'static str,
    rules: &'static [&'static str],
    /// The error's case, and the reason of a denial; nothing if the lookup succeeds.
    refused: Option<(u8, Option<u8>)>,
}

const fn row(
    name: &'static str,
    host: &'static str,
    rules: &'static [&'static str],
    refused: Option<(u8, Option<u8>)>,
) -> Row {
    Row {
        name,
        host,
        rules,
        refused,
    }
}

const NONE: Option<(u8, Option<u8>)> = Some((DENIED, Some(NO_RULE)));
const BY_RULE: Option<(u8, Option<u8>)> = Some((DENIED, Some(DENY_RULE)));
const TWO_READINGS: Option<(u8, Option<u8>)> = Some((INVALID, None));

/// Lookups that send no query, whatever the server would answer.
#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    row("a lookup under other rules", "secret.a.test", &["b.test", "*.c.test:8000-8099"], NONE),
    row("a lookup of a subdomain", "data.a.test", &["a.test"], NONE),
    row("a lookup of a domain", "a.test", &["*.a.test"], NONE),
    row("a lookup of a name that ends alike", "evila.test", &["a.test", "*.a.test"], NONE),
    row("a lookup of a denied name", "a.test", &["a.test", "!a.test"], BY_RULE),
    row("a lookup below a denied domain", "x.y.a.test", &["any", "!*.a.test"], BY_RULE),
    row("a lookup of a name whose only port is denied", "a.test", &["a.test:8443", "!a.test:8443"], NONE),
    row("a lookup of a name that is asked for", "a.test", &["?a.test"], Some((DENIED, Some(7)))),
    row("a lookup of one decimal number", "2130706433", &["any"], TWO_READINGS),
    row("a lookup with NUL", "data\0.a.test", &["any"], TWO_READINGS),
    row("a lookup with a port", "a.test:443", &["any"], TWO_READINGS),
    row("a lookup of an address", "127.0.0.1", &["b.test"], None),
    row("a lookup of a metadata address", "169.254.169.254", &["b.test"], None),
];

const NAMES: &[Name] = &[
    ("a.test", &["127.0.0.1"]),
    ("allowed.test", &["127.0.0.1", "93.184.216.34"]),
];

async fn check(row: &'static Row) -> Result<(), String> {
    let world = World::start(NAMES).await;
    let mut guest = Hostile::start(&world, row.rules).await;
    let end = look_up(&mut guest, row.host).await;
    let end = end.map_err(|trap| format!("a trap: {trap:?}"))?;
    let expected = match row.refused {
        Some((case, reason)) => Err((Step::Resolve, case, reason)),
        None => Ok(()),
    };
    if end != expected {
        return Err(format!("it ended as {end:?}, not as {expected:?}"));
    }
    let asked = world.dns.questions().await;
    if !asked.is_empty() {
        return Err(format!("REACHED: {asked:?}"));
    }
    let records = guest.audit.lookups();
    let denied = records.iter().filter(|one| one.verdict == Verdict::Deny);
    if denied.count() != usize::from(row.refused.is_some()) || !guest.audit.decisions().is_empty() {
        return Err(format!("it was not recorded as it should: {records:#?}"));
    }
    // The same component sends a query if a rule allows it.
    let mut guest = Hostile::start(&world, &["POST https://control.a.test:8443/x"]).await;
    let control = look_up(&mut guest, "control.a.test").await;
    match (control, world.count(Trace::Question("a.test")).await) {
        (Ok(Err((Step::Answer, DNS, None))), 1..) => Ok(()),
        other => Err(format!("the control gave {other:?}")),
    }
}

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    for row in ROWS {
        trials.row(
            "component_lookups::a_lookup_that_no_rule_allows_asks_nobody",
            row.name,
            || check(row),
        );
    }
    trials.test(
        "component_lookups",
        "a_lookup_that_found_a_forbidden_address_opens_no_way_to_it",
        a_lookup_that_found_a_forbidden_address_opens_no_way_to_it,
    );
    trials.test(
        "component_lookups",
        "each_answer_serves_one_connection",
        each_answer_serves_one_connection,
    );
}

/// The queries for a name, of each kind.
fn about(asked: &[DnsQuestion], name: &str) -> (usize, usize) {
    let count = |kind: &str| {
        let meant = asked
            .iter()
            .filter(|it| it.name == name && it.record_type == kind);
        meant.count()
    };
    (count("A"), count("AAAA"))
}

async fn a_lookup_that_found_a_forbidden_address_opens_no_way_to_it() {
    // The second answer would pass, so the connection must not query again.
    const TO: Attack = Attack::get("allowed.test", "{port}", "/attack");
    for (rule, is_reached) in [
        ("allowed.test:{port}", false),
        ("allowed.test:{port} to 127.0.0.1", true),
    ] {
        let world = World::start(NAMES).await;
        let mut guest = Hostile::start(&world, &[rule]).await;
        let found = look_up(&mut guest, "allowed.test").await.expect("no trap");
        assert_eq!(found, Ok(()));
        let connected = TO.connect(&world, &mut guest).await.expect("no trap");
        match is_reached {
            true => assert!(connected.is_ok(), "{connected:?}"),
            false => assert_eq!(connected, Err((Step::Status, DENIED, Some(ADDRESS)))),
        }
        let reached = world.count(Trace::Connection).await;
        assert_eq!(reached, usize::from(is_reached), "{rule}");
        let asked = world.dns.questions().await;
        assert_eq!(about(&asked, "allowed.test"), (1, 1), "{asked:?}");
    }
}

async fn each_answer_serves_one_connection() {
    const TO: Attack = Attack::get("a.test", "{port}", "/attack");
    let world = World::start(NAMES).await;
    let mut guest = Hostile::start(&world, &["a.test:{port} to 127.0.0.1"]).await;
    for questions in [1, 2] {
        let found = look_up(&mut guest, "a.test").await.expect("no trap");
        assert_eq!(found, Ok(()));
        let connected = TO.connect(&world, &mut guest).await.expect("no trap");
        assert!(connected.is_ok(), "{connected:?}");
        let asked = world.dns.questions().await;
        assert_eq!(about(&asked, "a.test"), (questions, questions), "{asked:?}");
    }
    // Without a lookup a connection sends its own query, as always.
    TO.connect(&world, &mut guest)
        .await
        .expect("no trap")
        .expect("a connection");
    let asked = world.dns.questions().await;
    assert_eq!(about(&asked, "a.test"), (3, 3), "{asked:?}");
}
