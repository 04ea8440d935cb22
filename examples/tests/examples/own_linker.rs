//! The example `own_linker`: one linker serves Python with the network, and a plugin with the host's own
//! interface.

use std::time::Duration;

use crate::talk::{command, text};
use sandbox_net_tests::{Forbidden, HttpServer};

/// It compiles the whole interpreter for a wasmtime engine of its own.
const COMPILING: Duration = Duration::from_secs(1800);

#[tokio::test]
async fn what_python_finds_on_the_network_the_plugin_pins_to_the_hosts_board() {
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let allowed = server.origin() + "/get";
    let denied = forbidden.origin() + "/";
    let args = [server.origin(), allowed.clone(), denied.clone()];
    let ended = command(env!("CARGO_BIN_EXE_own_linker"), &args).output();
    let ended = tokio::time::timeout(COMPILING, ended).await;
    let ended = ended.expect("an end in time").expect("the example");
    assert!(ended.status.success(), "{}", text(&ended.stderr));

    let printed = text(&ended.stdout);
    let [first, second] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("a line for each URL: {printed}");
    };
    assert_eq!(first, format!("pinned: {allowed} 200"));
    let refused = format!("pinned: {denied} <urlopen error ");
    assert!(second.starts_with(&refused), "{second}");
    assert!(second.contains("no rule allows it"), "{second}");
    assert_eq!(server.requests_for("/get").len(), 1);
    assert_eq!(forbidden.connections().await, 0);
}
