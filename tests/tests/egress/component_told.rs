//! A component that asks for addresses: what it learns, and that this grants nothing.

use std::net::IpAddr;

use sandbox_net_tests::Trials;

use crate::component_attack::{Attack, DENIED, Step, told};
use crate::component_guest::Hostile;
use crate::row::{Name, Trace};
use crate::world::World;

// Cases of `deny-reason`, in the order of the interface.
const NO_RULE: u8 = 0;
const ADDRESS: u8 = 1;

const PUBLIC: &str = "93.184.216.34";

/// What a component learns of a name under these rules. `None`: the lookup itself is refused.
pub struct Row {
    name: &'static str,
    host: &'static str,
    rules: &'static [&'static str],
    heard: Option<&'static [&'static str]>,
}

const fn row(
    name: &'static str,
    host: &'static str,
    rules: &'static [&'static str],
    heard: Option<&'static [&'static str]>,
) -> Row {
    Row {
        name,
        host,
        rules,
        heard,
    }
}

const NOTHING: Option<&[&str]> = Some(&[]);
const MIXED: Option<&[&str]> = Some(&[PUBLIC, "2606:2800:220:1::1"]);

const NAMES: &[Name] = &[
    (
        "mixed.test",
        &[
            "127.0.0.1 10.0.0.1 169.254.169.254 93.184.216.34 93.184.216.34 2606:2800:220:1::1 ::1 fd00::1",
        ],
    ),
    ("inner.test", &["10.0.0.1 127.0.0.1 192.168.0.1 ::1"]),
    (
        "meta.test",
        &["169.254.169.254 168.63.129.16 fd00:ec2::254"],
    ),
    (
        "odd.test",
        &["64:ff9b::127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1::1 240.0.0.1"],
    ),
    ("alias.test", &["alias inner.test"]),
    ("moves.test", &["93.184.216.34", "127.0.0.1"]),
];

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    row("public addresses alone are told", "mixed.test", &["mixed.test"], MIXED),
    row("under a rule for any host", "mixed.test", &["any"], MIXED),
    row("under a rule for another port", "mixed.test", &["https://mixed.test:8443/x"], MIXED),
    row("what a rule opens beyond public addresses is not told", "mixed.test", &["mixed.test to public,127.0.0.1,10.0.0.0/8"], MIXED),
    row("what is opened instead of public addresses is not told", "mixed.test", &["mixed.test to 10.0.0.0/8"], NOTHING),
    row("what a rule denies is not told", "mixed.test", &["mixed.test", "!93.184.0.0/16"], Some(&["2606:2800:220:1::1"])),
    row("what no rule opens is not told in report mode either", "inner.test", &["report"], NOTHING),
    row("public addresses are told in report mode", "mixed.test", &["report"], MIXED),
    row("private addresses are not told", "inner.test", &["inner.test"], NOTHING),
    row("private addresses that are opened are not told", "inner.test", &["inner.test to 10.0.0.1"], NOTHING),
    row("a metadata service is not told", "meta.test", &["meta.test"], NOTHING),
    row("addresses that carry others are not told", "odd.test", &["odd.test"], NOTHING),
    row("an alias of a name that is not allowed", "alias.test", &["alias.test"], NOTHING),
    row("another name that localhost's rule does not name", "inner.test", &["localhost", "inner.test"], NOTHING),
    row("localhost that a rule names", "localhost", &["localhost"], Some(&["127.0.0.1", "::1"])),
    row("localhost that no rule names", "localhost", &["any"], None),
    row("a denied name", "mixed.test", &["any", "!mixed.test"], None),
    row("a name that no rule allows", "mixed.test", &["inner.test"], None),
    row("a name that has to be granted", "mixed.test", &["?mixed.test"], None),
    row("an address", PUBLIC, &["any"], NOTHING),
];

async fn check(row: &'static Row) -> Result<(), String> {
    let world = World::start(NAMES).await;
    let mut guest = Hostile::start(&world, row.rules).await;
    let heard = told(&mut guest, row.host).await;
    let heard = heard.map_err(|trap| format!("a trap: {trap:?}"))?;
    let expected = row.heard.map(|addresses| {
        let parse = |address: &&str| address.parse::<IpAddr>().expect("an address");
        addresses.iter().map(parse).collect::<Vec<_>>()
    });
    if heard.as_ref().ok() != expected.as_ref() {
        return Err(format!("it heard {heard:?}, not {expected:?}"));
    }
    let asked = world.dns.questions().await;
    if row.heard.is_none() && !asked.is_empty() {
        return Err(format!("REACHED: {asked:?}"));
    }
    // The same component learns the same servers if a rule allows it.
    let mut guest = Hostile::start(&world, &["mixed.test"]).await;
    match told(&mut guest, "mixed.test").await {
        Ok(Ok(addresses)) if addresses.contains(&PUBLIC.parse().expect("an address")) => Ok(()),
        other => Err(format!("the control gave {other:?}")),
    }
}

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    for row in ROWS {
        trials.row(
            "component_told::a_component_hears_of_public_addresses_that_may_be_dialled_only",
            row.name,
            || check(row),
        );
    }
    trials.test(
        "component_told",
        "an_address_that_was_told_is_an_address_like_any_other",
        an_address_that_was_told_is_an_address_like_any_other,
    );
    trials.test(
        "component_told",
        "a_name_that_moves_behind_the_address_that_was_told_is_not_dialled_there",
        a_name_that_moves_behind_the_address_that_was_told_is_not_dialled_there,
    );
}

async fn an_address_that_was_told_is_an_address_like_any_other() {
    // The rule is for the name: the component's own address grants nothing, and sends no query.
    let world = World::start(NAMES).await;
    let mut guest = Hostile::start(&world, &["localhost:{port}", "mixed.test:{port}"]).await;
    for name in ["localhost", "mixed.test"] {
        let heard = told(&mut guest, name).await.expect("no trap").expect(name);
        assert!(!heard.is_empty());
    }
    let asked = world.dns.questions().await.len();
    for host in ["127.0.0.1", "::1", PUBLIC] {
        let attack = Attack::get(host, "{port}", "/attack");
        let end = attack.connect(&world, &mut guest).await.expect("no trap");
        assert_eq!(end, Err((Step::Connect, DENIED, Some(NO_RULE))), "{host}");
    }
    assert_eq!(world.count(Trace::Connection).await, 0);
    assert_eq!(world.dns.questions().await.len(), asked);
    // It is reached by its name.
    let attack = Attack::get("localhost", "{port}", "/attack");
    let end = attack.connect(&world, &mut guest).await.expect("no trap");
    assert!(end.is_ok(), "{end:?}");
    assert!(world.count(Trace::Connection).await > 0);
}

async fn a_name_that_moves_behind_the_address_that_was_told_is_not_dialled_there() {
    const TO: Attack = Attack::get("moves.test", "{port}", "/attack");
    for (rule, is_reached) in [
        ("moves.test:{port}", false),
        ("moves.test:{port} to public,127.0.0.1", true),
    ] {
        let world = World::start(NAMES).await;
        let mut guest = Hostile::start(&world, &[rule]).await;
        let first = told(&mut guest, "moves.test").await.expect("no trap");
        assert_eq!(first, Ok(vec![PUBLIC.parse().expect("an address")]));
        let second = told(&mut guest, "moves.test").await.expect("no trap");
        assert_eq!(second, Ok(vec![]), "the inner address is not told");
        let connected = TO.connect(&world, &mut guest).await.expect("no trap");
        match is_reached {
            true => assert!(connected.is_ok(), "{connected:?}"),
            false => assert_eq!(connected, Err((Step::Status, DENIED, Some(ADDRESS)))),
        }
        let reached = world.count(Trace::Connection).await;
        assert_eq!(reached, usize::from(is_reached), "{rule}");
    }
}
