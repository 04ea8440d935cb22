//! A small load: what `examples/load` measures, here without times.

#[path = "../../examples/load/broken.rs"]
mod broken;
#[allow(dead_code, reason = "the example measures more")]
#[path = "../../examples/load/clients.rs"]
mod clients;
#[path = "../../examples/load/server.rs"]
mod server;

use std::time::Duration;

use self::broken::Broken;
use self::clients::{Plan, Way, run};
use self::server::TestServer;
use crate::support::{api, builder, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_clients_cost_honest_ones_no_response_and_leave_nothing_open() {
    let server = TestServer::start().await;
    let plan = Plan::new(800, 20);
    run(&plan, &Way::direct(&server)).await.check().unwrap();
    let settings = builder().allow(server.rule()).trust_ca_pem(server.ca_pem());
    let broker = start(settings).await;
    let (address, token) = (broker.addresses()[0], broker.token().as_str());
    let way = Way::proxy(&server, address, Some(token), &broker.ca_pem());

    let broken = Broken::start(address, token, server.address());
    let outcome = run(&plan, &way).await;
    let mut seen = broken.stop().await;
    outcome.check().unwrap();
    assert_eq!(outcome.right, plan.requests);
    // On a busy machine the honest ones may be done before every fault has occurred.
    while seen.least() == 0 {
        let more = Broken::start(address, token, server.address());
        tokio::time::sleep(Duration::from_millis(200)).await;
        seen = more.stop().await;
    }

    let is_over = async {
        loop {
            let metrics = api(&broker, "GET", "/metrics", "").await.text();
            // The one that asks.
            if metrics.contains("sandbox_net_broker_open_connections 1\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_over)
        .await
        .expect("all are closed");
    assert_eq!(broker.usage().connections.used, 0);
    let denied = broker.audit().exchanges().len() + plan.requests / 20;
    assert_eq!(denied, plan.requests, "each allowed request has its record");
}
