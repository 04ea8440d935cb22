//! The example `serve_load`: honest clients of `sandbox-net serve` lose nothing, whatever hostile ones do.

use sandbox_net::Engine;
use sandbox_net_serve::{Config, Server};
use serde_json::Value;

use crate::talk::{prepare, run, text};

#[tokio::test(flavor = "multi_thread")]
async fn honest_clients_lose_nothing_beside_hostile_ones() {
    prepare().await;
    let directory = tempfile::tempdir().expect("a directory");
    let token = "a-token-of-the-test-0123456789";
    std::fs::write(directory.path().join("token"), token).expect("a file");
    let settings = "version = 1\n[server]\nlisten = \"127.0.0.1:0\"\n[programs]\nrunning = 4\nwaiting = 4\n\
        output = \"1MiB\"\nallow = [\"https://api.test\"]\n\
        [[tenant]]\nname = \"acme\"\ntokens = [{ file = \"token\" }]\n";
    let config = Config::parse(settings, directory.path()).expect("a configuration");
    let engine = config
        .bound(Engine::builder())
        .build()
        .await
        .expect("an engine");
    let server = Server::start(config, engine).await.expect("a server");
    let address = server.address().to_string();
    let pid = std::process::id().to_string();
    let args = [&*address, token, "10", "5", "20", &pid];
    let load = run(env!("CARGO_BIN_EXE_serve_load"), &args, "").await;
    let told = text(&load.stdout);
    assert!(load.status.success(), "{told} {}", text(&load.stderr));
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(lines[0]["private_mib"][0].as_u64() > Some(0), "{told}");
    let end = lines.last().expect("a line");
    assert_eq!(end["lost"], 0, "{told}");
    assert!(
        end["honest"].as_u64() > Some(0) && end["hostile"].as_u64() > Some(0),
        "{told}"
    );
    server.drain().await;
}
