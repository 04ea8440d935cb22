//! One policy and one table of adversarial requests: the component and the broker give the same verdicts
//! and leave the same records.
//!
//! The table is that of the attacks beside this file. The component makes each request by frames, past
//! Python's own parsers; native clients make it by `CONNECT`, by a URL in absolute form, by
//! `POST /api/proxy` and by `POST /api/stream`.

mod clients;
mod entry;
mod records;
mod told;

use sandbox_net::Sandbox;
use sandbox_net::policy::Document;
use sandbox_net_broker::{Broker, RunningBroker};
use sandbox_net_tests::{Place, Trials};

use self::clients::Client;
use self::entry::{Entry, table};
use self::records::{Outcomes, differences};
use crate::program;
use crate::world::{World, document};

/// How many tests this group has.
pub const COUNT: usize = POLICIES.len();

/// The policies: what they are about, and their rules.
const POLICIES: [(&str, &[&str]); 3] = [
    (
        "methods_and_paths",
        &[
            "http://{good}",
            "GET,HEAD http://{raw}/public/**",
            "POST http://{raw}/in/**",
            "http://{raw}/ok",
            "GET https://{tls}",
            "*.good.test:{port}",
            "a.b.good.test:{port}",
            "kelvin.test:81",
            "localhost:1",
            "elsewhere.test:{port}",
            "127.0.0.1:1",
            "[::1]:1",
            "!{good}/attack",
            "!{tls}/admin/**",
        ],
    ),
    (
        "denials_and_addresses",
        &[
            "http://{raw}",
            "{good}",
            "https://{tls}/get",
            "any:{port}",
            "one.test:{port} to 127.0.0.2,public",
            "*.good.test:{port} to 127.0.0.1",
            "!{raw}/admin/**",
            "!DELETE {raw}",
            "!*.b.good.test",
            "!127.0.0.0/8:{port}",
        ],
    ),
    (
        "questions_that_nobody_answers",
        &[
            "ask",
            "?GET http://{raw}",
            "http://{raw}/public/**",
            "?https://{tls}",
            "http://{good}",
            "!{raw}/admin/**",
        ],
    ),
];

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    for (name, rules) in POLICIES {
        let group = "through_broker::the_component_and_the_broker_agree";
        trials.row(group, name, move || agree(rules));
    }
}

async fn agree(rules: &[&str]) -> Result<(), String> {
    let world = World::start(&[]).await;
    let table = table(&world);
    let policy = document(rules.iter().map(|rule| world.fill(rule)));
    let inside = in_sandbox(Place::Run, &world, &policy, &table).await;
    inside.check_variety()?;
    let mut faults = Vec::new();
    for place in Place::ALL.into_iter().skip(1) {
        let there = in_sandbox(place, &world, &policy, &table).await;
        // A connection is opened for each request, as by this client.
        let compared = differences(Client::Connect, &table, &inside, &there);
        faults.extend(
            compared
                .map_err(|faults| format!("{place:?}:\n{faults}"))
                .err(),
        );
    }
    for client in Client::ALL {
        let broker = broker(&world, &policy).await;
        let outside = through(&broker, client, &table).await;
        let compared = differences(client, &table, &inside, &outside);
        faults.extend(
            compared
                .map_err(|faults| format!("by {}:\n{faults}", client.name()))
                .err(),
        );
        broker.shutdown().await;
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.join("\n")),
    }
}

async fn in_sandbox(place: Place, world: &World, policy: &Document, table: &[Entry]) -> Outcomes {
    let builder = Sandbox::builder()
        .policy(policy.clone())
        .arg("/home/table.json")
        .trust_ca_pem(world.ca.root_pem())
        .dns_servers([world.dns.address()]);
    let text = serde_json::Value::from_iter(table.iter().map(Entry::json)).to_string();
    let program = program::beside("agreement.py").await;
    let program = program.file("/home/table.json", text);
    let ended = place.run(builder, &program).await;
    let report = ended.report();
    Outcomes::of_program(&report, &ended.decisions, &ended.exchanges, table.len())
}

async fn broker(world: &World, policy: &Document) -> RunningBroker {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    Broker::builder()
        .policy(policy.clone())
        .trust_ca_pem(world.ca.root_pem())
        .dns_servers([world.dns.address()])
        .own_listener(listener)
        .build()
        .expect("a broker")
        .start()
        .await
        .expect("a running broker")
}

/// Makes each request through the broker, in turn.
async fn through(broker: &RunningBroker, client: Client, table: &[Entry]) -> Outcomes {
    let mut told = Vec::new();
    for (index, entry) in table.iter().enumerate() {
        client.mark(broker, index).await;
        told.push(client.send(broker, entry).await);
    }
    // A record may follow its response.
    let audit = broker.audit();
    for _ in 0..100 {
        if audit.exchanges().len() >= told.iter().flatten().filter(|it| it.is_response()).count() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Outcomes::of_clients(told, &audit.decisions(), &audit.exchanges())
}
