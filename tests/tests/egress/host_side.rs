//! The host's own environment, and sandboxes side by side.

use std::process::Stdio;
use std::time::Duration;

use sandbox_net::policy::DenyReason::NoRule;
use sandbox_net::{Outcome, Sandbox, Session};
use sandbox_net_tests::{Native, Report, Trials};
use serde_json::{Value, json};

use crate::program;
use crate::row::Trace::{Connection, Request};
use crate::row::{Name, Row, add_rows};
use crate::world::{World, document};

/// A proxy from a variable in the guest's own environment: the program goes there, and is denied.
/// The machine's own Python reaches it.
const fn proxy(
    name: &'static str,
    attack: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
) -> Row {
    Row::new(name, attack).with_env(env).denied(NoRule)
}

/// Much longer than a request takes.
const PATIENCE: Duration = Duration::from_secs(60);

const FORBIDDEN: &str = "http://127.0.0.1:{port}";

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    proxy("http_proxy", &["url", "http://{good}/get"], &[("http_proxy", FORBIDDEN)]),
    proxy("HTTP_PROXY", &["url", "http://{good}/get"], &[("HTTP_PROXY", FORBIDDEN)]),
    proxy("https_proxy", &["url", "https://{tls}/get"], &[("https_proxy", FORBIDDEN)]).under(&["https://{tls}"]),
    proxy("ALL_PROXY, by requests", &["requests", "http://{good}/get"], &[("ALL_PROXY", FORBIDDEN)])
        .but_under(&["127.0.0.1:{port}"]),
    proxy("http_proxy of the program's own making",
        &["environment", "http_proxy", FORBIDDEN, "http://{good}/get"], &[]),
    proxy("no_proxy for everything", &["url", FORBIDDEN], &[("no_proxy", "*")]),
    // An allowed server that is named as the proxy does not lead to another one.
    proxy("http_proxy that is allowed", &["url", "http://127.0.0.1:{port}/attack"], &[("http_proxy", "http://{raw}")])
        .under(&["http://{raw}"]).refused(crate::row::Refusal::NotCarried)
        .seen(crate::row::Trace::Head("GET http://127.0.0.1:{port}/attack")),
];

/// Attacks that do not fit a row: with several sandboxes, or a process of their own.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    /// Handles of a sandbox that runs at the same time.
    OtherHandles,
    /// Handles of an earlier run of the same sandbox.
    EarlierHandles,
    /// Handles of the session that a fork is made of.
    ForkedHandles,
    /// A run that ends in the middle of a request.
    Left,
    /// A session ticket of another sandbox.
    Tickets,
    /// An HTTP/2 session of another sandbox.
    OtherSession,
    /// An HTTP/2 session to another name with the same certificate and address.
    Coalescing,
    /// Permissions of a sandbox that runs at the same time.
    OtherRules,
}

const SCENARIOS: &[(&str, Scenario)] = &[
    ("handles of another sandbox", Scenario::OtherHandles),
    ("handles of an earlier run", Scenario::EarlierHandles),
    (
        "handles of the session that a fork is made of",
        Scenario::ForkedHandles,
    ),
    ("an end in the middle of a request", Scenario::Left),
    ("a session ticket of another sandbox", Scenario::Tickets),
    (
        "an HTTP/2 session of another sandbox",
        Scenario::OtherSession,
    ),
    ("an HTTP/2 session to another name", Scenario::Coalescing),
    ("the rules of another sandbox", Scenario::OtherRules),
];

const NAMES: &[Name] = &[("one.test", &["127.0.0.1"]), ("two.test", &["127.0.0.1"])];

async fn sandbox(world: &World, rules: &[&str], attack: &[&str]) -> Sandbox {
    let attack: Vec<_> = attack.iter().map(|text| world.fill(text)).collect();
    let rules = rules.iter().map(|rule| world.fill(rule));
    let builder = Sandbox::builder()
        .policy(document(rules))
        .allow(world.good.origin())
        .arg(json!(attack).to_string())
        .arg(world.good.origin())
        .trust_ca_pem(world.ca.root_pem())
        .dns_servers([world.dns.address()]);
    builder.build().await.expect("a sandbox")
}

/// Runs an attack in its own sandbox.
async fn attack(world: &World, rules: &[&str], attack: &[&str]) -> Report {
    program::report_of(&program::run(&sandbox(world, rules, attack).await).await)
}

/// The program in `sandbox`, with another attack: its arguments are part of a sandbox.
async fn again(sandbox: &Sandbox, attack: &Value, good: &str) -> Outcome {
    let code = format!(
        "import sys; sys.argv[1:] = {attack:?}, {good:?}\nimport attack\nattack.main()",
        attack = attack.to_string()
    );
    sandbox.run(code).await.expect("a run")
}

/// The ids of a report's connections, as texts after the name of an attack.
fn steal(held: &Value) -> Vec<String> {
    let held = held.as_array().expect("ids").iter().map(Value::to_string);
    std::iter::once("steal".to_owned()).chain(held).collect()
}

const HANDLE: &str = "error 131";

impl Scenario {
    async fn check(self) -> Result<(), String> {
        let world = World::start(NAMES).await;
        match self {
            Self::OtherHandles => other_handles(&world).await,
            Self::EarlierHandles => earlier_handles(&world).await,
            Self::ForkedHandles => forked_handles(&world).await,
            Self::Left => left(&world).await,
            Self::Tickets => tickets(&world).await,
            Self::OtherSession => other_session(&world).await,
            Self::Coalescing => coalescing(&world).await,
            Self::OtherRules => other_rules(&world).await,
        }
        Ok(())
    }
}

async fn other_handles(world: &World) {
    // An earlier sandbox shows which ids exist; the next one gets the same.
    let known = attack(world, &[], &["hold", "{good}", "/get"]).await;
    let steal = steal(known.result("attack"));
    let steal: Vec<_> = steal.iter().map(String::as_str).collect();
    let stealing = async {
        world.good.until_requested("/slow").await;
        let report = attack(world, &[], &steal).await;
        world.good.release();
        report
    };
    let holding = attack(world, &[], &["hold", "{good}", "/slow"]);
    let (held, stolen) = tokio::join!(holding, stealing);
    assert_eq!(
        held.result("attack"),
        known.result("attack"),
        "the same ids"
    );
    assert_eq!(stolen.result("attack"), &json!([HANDLE]));
    assert_eq!(stolen.result("good"), &json!(200));
    assert_eq!(world.count(Request("/stolen")).await, 0);
}

async fn earlier_handles(world: &World) {
    let sandbox = sandbox(world, &[], &["hold", "{good}", "/get"]).await;
    let held = program::report_of(&program::run(&sandbox).await);
    let steal = json!(steal(held.result("attack")));
    let outcome = again(&sandbox, &steal, &world.good.origin()).await;
    let stolen = program::report_of(&outcome);
    assert_eq!(stolen.result("attack"), &json!([HANDLE]));
    assert_eq!(stolen.result("good"), &json!(200));
    assert_eq!(world.count(Request("/stolen")).await, 0);
}

async fn forked_handles(world: &World) {
    let sandbox = sandbox(world, &[], &["hold", "{good}", "/get"]).await;
    program::write_to(&sandbox).await;
    let mut session = sandbox.session().await.expect("a session");
    let hold = "import json, sys, attack\nheld = attack.attack_hold(*json.loads(sys.argv[1])[1:])";
    let outcome = session.exec(hold).await.expect("a turn");
    assert!(outcome.is_done(), "{outcome:?}");
    let mut fork = session.fork().await.expect("a fork");
    let steal = "attack.attack_steal(*held)";
    assert_eq!(value(&mut fork, steal).await, json!([HANDLE]));
    let good = "attack.good(sys.argv[2], True)";
    assert_eq!(value(&mut fork, good).await, json!(200));
    assert_eq!(world.count(Request("/stolen")).await, 0);
    // Control: in the session they are alive.
    let own = value(&mut session, steal).await;
    let outcomes = own.as_array().expect("outcomes");
    assert!(outcomes.contains(&json!("ok")), "{own}");
    let requested = world.good.until_requested("/stolen");
    let requested = tokio::time::timeout(PATIENCE, requested).await;
    requested.expect("the session's own request");
}

/// The value of a turn.
async fn value(session: &mut Session, code: &str) -> Value {
    let outcome = session.exec(code).await.expect("a turn");
    let value = outcome.value.as_ref().and_then(|it| it.json.as_ref());
    let json = value.unwrap_or_else(|| panic!("{code}: {outcome:?}"));
    serde_json::from_str(json).expect("JSON")
}

async fn left(world: &World) {
    let sandbox = sandbox(world, &[], &["leave", "{good}"]).await;
    let outcome = program::run(&sandbox).await;
    assert_eq!((outcome.exit_code(), &*outcome.stdout_text()), (0, "ok\n"));
    let get = json!(["url", format!("{}/get", world.good.origin())]);
    let outcome = again(&sandbox, &get, &world.good.origin()).await;
    let next = program::report_of(&outcome);
    assert_eq!(next.result("attack"), &json!(200));
    // The rest is on a connection of its own, and its body never looked complete.
    let requests = world.good.requests();
    let uploads = world.good.requests_for("/upload");
    for upload in &uploads {
        let shared = requests
            .iter()
            .filter(|one| one.connection == upload.connection);
        assert_eq!(shared.count(), 1, "{requests:#?}");
        assert!(
            upload.body.as_ref().is_none_or(|body| body.length == 0),
            "{upload:?}"
        );
    }
    assert!(uploads.len() <= 1);
}

async fn tickets(world: &World) {
    let rules = ["https://{tls}"];
    let twice = ["urls", "https://{tls}/close", "https://{tls}/close"];
    // Control: one sandbox resumes its own session.
    let first = attack(world, &rules, &twice).await;
    assert_eq!(first.result("attack"), &json!(200));
    assert_eq!((world.tls.connections(), world.tls.resumptions()), (2, 1));
    let other = attack(world, &rules, &["url", "https://{tls}/close"]).await;
    assert_eq!(other.result("attack"), &json!(200));
    assert_eq!((world.tls.connections(), world.tls.resumptions()), (3, 1));
}

async fn other_session(world: &World) {
    let rules = ["https://{h2}"];
    let twice = ["urls", "https://{h2}/get", "https://{h2}/get"];
    for sandboxes in 1..=2 {
        let report = attack(world, &rules, &twice).await;
        assert_eq!(report.result("attack"), &json!(200));
        assert_eq!(
            world.h2.connections(),
            sandboxes,
            "a session is shared by one sandbox only"
        );
        assert_eq!(world.h2.requests().len(), 2 * sandboxes);
    }
}

async fn coalescing(world: &World) {
    let rules = [
        "https://one.test:{h2_port} to 127.0.0.1",
        "https://two.test:{h2_port} to 127.0.0.1",
    ];
    let urls = [
        "urls",
        "https://one.test:{h2_port}/get?one",
        "https://two.test:{h2_port}/get?two",
    ];
    let report = attack(world, &rules, &urls).await;
    assert_eq!(report.result("attack"), &json!(200));
    let [one, two] = ["/get?one", "/get?two"].map(|target| world.h2.requests_for(target).remove(0));
    assert_eq!((&*one.version, &*two.version), ("HTTP/2.0", "HTTP/2.0"));
    assert_ne!(
        one.connection, two.connection,
        "each name has its own session"
    );
}

async fn other_rules(world: &World) {
    let allowed = sandbox(world, &["127.0.0.1:{port}"], &["hold", "{good}", "/slow"]).await;
    let url = ["url", "http://127.0.0.1:{port}/"];
    let beside = async {
        world.good.until_requested("/slow").await;
        let report = attack(world, &[], &url).await;
        world.good.release();
        report
    };
    let (_, denied) = tokio::join!(program::run(&allowed), beside);
    denied.error("attack", "PermissionError");
    assert_eq!(world.count(Connection).await, 0);
    // Control: with the rules of the first one, it works.
    attack(world, &["127.0.0.1:{port}"], &url).await;
    assert_eq!(world.count(Connection).await, 1);
}

/// The variable by which [`the_hosts_own_proxy_variables_are_ignored`] knows that it is the child.
const CHILD: &str = "SANDBOX_NET_TEST_PROXY_CHILD";
const PROXIES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// How many rows this group has, with the test of the host's own environment.
pub const COUNT: usize = ROWS.len() + SCENARIOS.len() + 1;

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "host_side::a_proxy_in_the_environment_is_denied_like_any_server",
        ROWS,
    );
    for (name, scenario) in SCENARIOS {
        trials.row(
            "host_side::sandboxes_and_runs_have_nothing_of_each_other",
            name,
            || scenario.check(),
        );
    }
    trials.test(
        "host_side",
        "the_hosts_own_proxy_variables_are_ignored",
        the_hosts_own_proxy_variables_are_ignored,
    );
}

async fn the_hosts_own_proxy_variables_are_ignored() {
    if let Ok(good) = std::env::var(CHILD) {
        let code = format!("import urllib.request as u; print(u.urlopen('{good}/get').status)");
        let sandbox = Sandbox::builder()
            .allow(good)
            .build()
            .await
            .expect("a sandbox");
        let outcome = sandbox.run(code).await.expect("a run");
        assert_eq!(outcome.stdout_text(), "200\n", "{outcome:?}");
        return;
    }
    let world = World::start(&[]).await;
    let proxy = world.fill(FORBIDDEN);
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    child
        .args([
            "--exact",
            "host_side::the_hosts_own_proxy_variables_are_ignored",
        ])
        .env(CHILD, world.good.origin())
        .envs(PROXIES.map(|name| (name, &proxy)))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = child.output().await.expect("a child");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && shown.contains("1 passed"),
        "{shown}"
    );
    assert_eq!(world.count(Connection).await, 0);
    assert_eq!(world.good.requests_for("/get").len(), 1);

    // Control: a program that reads its environment goes there.
    let url = json!(["url", format!("{}/get", world.good.origin())]).to_string();
    let native = Native::new(program::FILE, [url, world.good.origin()]);
    native.env("http_proxy", &proxy).run().await;
    assert_eq!(world.count(Connection).await, 1);
}
