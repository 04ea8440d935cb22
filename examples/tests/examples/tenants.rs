//! The example `tenants`: what one tenant has is not the other's.

use std::path::Path;

use crate::talk::{Talk, prepare, script};
use sandbox_net_tests::{HttpServer, RequestRecord};
use serde_json::Value;

/// The values of the secrets, which no program sees.
const ACME: &str = "the-key-of-acme-0123456789";
const GLOBEX: &str = "the-key-of-globex-0123456789";

/// Writes the policies of the house and of two tenants.
fn policies(folder: &Path, origin: &str) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a temporary file");
    };
    let house = format!(
        "version = 1\nallow = ['{origin}']\ndeny = ['{origin}/connection']\n\
         [budgets]\nrequests = 5\n[end]\n"
    );
    write("house.toml", &house);
    for (name, value, requests) in [("acme", ACME, 3), ("globex", GLOBEX, 100)] {
        write(&format!("{name}.key"), value);
        let key = folder.join(format!("{name}.key"));
        let policy = format!(
            "version = 1\nallow = ['{origin}']\n[budgets]\nrequests = {requests}\n\
             [[secret]]\nname = 'key'\nenv = 'KEY'\nrule = '{origin}'\n\
             headers = ['authorization']\nplain_http = true\nsource = {{ file = '{}' }}\n[end]\n",
            key.display()
        );
        write(&format!("{name}.toml"), &policy);
    }
}

/// A program that sends one request with `key`, a Python expression, and prints how it ended.
fn program(request: &str, key: &str) -> String {
    let (method, url) = request.split_once(' ').expect("a method and a URL");
    format!(
        "import os, urllib.request\n\
         request = urllib.request.Request('{url}', method='{method}')\n\
         request.add_header('Authorization', {key})\n\
         print(os.environ['KEY'])\n\
         try: print(urllib.request.urlopen(request).status)\n\
         except OSError: print('not sent')"
    )
}

async fn tell(pool: &mut Talk, command: &str) -> Value {
    pool.say(command).await;
    let answer = serde_json::from_str(&pool.line().await).expect("JSON");
    println!("{command}: {answer}");
    answer
}

/// Runs a script for a tenant; returns its placeholder, and how its request ended.
async fn sent(pool: &mut Talk, tenant: &str, script: &str) -> (String, String) {
    let answer = tell(pool, &format!("run {tenant} {script}")).await;
    let stdout = answer["stdout"].as_str().expect("a program's output");
    let (placeholder, end) = stdout.split_once('\n').expect("two lines");
    (placeholder.to_owned(), end.trim_end().to_owned())
}

fn keys(requests: &[RequestRecord]) -> Vec<Option<&str>> {
    let keys = requests.iter().map(|it| it.header("authorization"));
    keys.collect()
}

#[tokio::test]
async fn secrets_connections_rules_and_budgets_are_each_tenants_own() {
    prepare().await;
    let server = HttpServer::plain().await;
    let origin = server.origin();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path();
    policies(folder, &origin);
    let get = program(&format!("GET {origin}/get"), "os.environ['KEY']");
    let get = script(folder, "get.py", &get);
    let post = program(&format!("POST {origin}/echo"), "'none'");
    let post = script(folder, "post.py", &post);
    let denied = program(&format!("GET {origin}/connection"), "'none'");
    let denied = script(folder, "denied.py", &denied);
    let path = folder.to_str().expect("a path in UTF-8");
    let mut pool = Talk::start(env!("CARGO_BIN_EXE_tenants"), &[path]);

    // The same program sends the key of its own tenant, and sees neither.
    let (of_acme, end) = sent(&mut pool, "acme", &get).await;
    assert_eq!(end, "200");
    let (of_globex, end) = sent(&mut pool, "globex", &get).await;
    assert_eq!(end, "200");
    assert!(of_acme != of_globex && of_acme != ACME && of_globex != GLOBEX);
    // A placeholder means nothing to another tenant.
    let stolen = program(&format!("GET {origin}/get"), &format!("'{of_acme}'"));
    let stolen = script(folder, "stolen.py", &stolen);
    sent(&mut pool, "globex", &stolen).await;
    let requests = server.requests_for("/get");
    let sent_keys = keys(&requests);
    assert_eq!(sent_keys[..2], [Some(ACME), Some(GLOBEX)]);
    assert!(!sent_keys[2..].contains(&Some(ACME)), "{sent_keys:?}");
    assert_ne!(requests[0].connection, requests[1].connection);

    // What the house denies nobody may. What is narrowed for one is not for the other.
    assert_eq!(sent(&mut pool, "acme", &denied).await.1, "not sent");
    tell(&mut pool, &format!("narrow globex GET {origin}")).await;
    assert_eq!(sent(&mut pool, "globex", &post).await.1, "not sent");
    assert_eq!(sent(&mut pool, "globex", &get).await.1, "200");
    assert_eq!(sent(&mut pool, "acme", &post).await.1, "200");
    assert_eq!(server.requests_for("/echo").len(), 1);

    // Of two budgets the smaller one counts, and one tenant's is not used up by the other.
    assert_eq!(sent(&mut pool, "acme", &get).await.1, "200");
    assert_eq!(sent(&mut pool, "acme", &get).await.1, "not sent");
    assert_eq!(sent(&mut pool, "globex", &get).await.1, "200");
    let usage = tell(&mut pool, "usage acme").await;
    let requests = &usage["usage"]["requests"];
    assert_eq!(
        (&requests["used"], &requests["limit"]),
        (&3.into(), &3.into())
    );
    let usage = tell(&mut pool, "usage globex").await;
    let requests = &usage["usage"]["requests"];
    assert_eq!(requests["limit"], 5, "the house's");
    assert_ne!(requests["left"], 0);

    let unknown = tell(&mut pool, "usage initech").await;
    assert_eq!(unknown["error"], "there is no tenant 'initech'");
}
