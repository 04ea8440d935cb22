//! What changes while a broker runs: its policy, its audit log, its end.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net_broker::RunningBroker;
use sandbox_net_egress::test_support::{Server, read_head, write};
use tokio::io::AsyncWriteExt;

use crate::support::*;

fn write_policy(path: &Path, rules: &str) {
    let text = format!("version = 1\nallow = [{rules}]\n[end]\n");
    std::fs::write(path, text).unwrap();
}

/// Waits until the broker's health is this.
async fn health(broker: &RunningBroker, status: u16) -> Answer {
    for _ in 0..100 {
        let answer = api(broker, "GET", "/health", "").await;
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the broker's health never was {status}");
}

/// Waits until the rules are these many.
async fn has_rules(broker: &RunningBroker, count: usize) {
    for _ in 0..100 {
        if broker.policy().allow_rules().count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the broker never had {count} rules");
}

#[tokio::test]
async fn rubbish_in_the_policy_file_denies_everything_until_it_is_right_again() {
    let (server, mut requests) = reflecting().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    let rule = format!("'http://{}'", server.address);
    write_policy(&path, &rule);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&lines);
    let log = move |line: &str| taken.lock().unwrap().push(line.to_owned());
    let broker = start(builder().policy_file(&path).log(log)).await;
    let endpoint = server.address.to_string();
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    let mut held = connect(&broker, &endpoint).await;
    assert_eq!(ask(&mut held, &request).await.unwrap().status, 200);
    requests.recv().await.unwrap();
    let rubbish: [&dyn Fn(); 4] = [
        &|| std::fs::write(&path, "\u{0}rubbish").unwrap(),
        &|| std::fs::write(&path, b"\xff\xfe").unwrap(),
        &|| std::fs::remove_file(&path).unwrap(),
        // A file that was cut off lacks its last line.
        &|| std::fs::write(&path, format!("version = 1\nallow = [{rule}]\n")).unwrap(),
    ];
    for spoil in rubbish {
        spoil();
        broker.reload();
        let told = health(&broker, 503).await;
        assert!(
            told.json()["reason"]
                .as_str()
                .unwrap()
                .contains("policy.toml")
        );
        let (_, answer) = connect_with(&broker, &endpoint, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "denied"));
        write_policy(&path, &rule);
        broker.reload();
        health(&broker, 200).await;
        let mut stream = connect(&broker, &endpoint).await;
        assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
        requests.recv().await.unwrap();
    }
    let lines = lines.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("everything is denied")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_rule_that_is_removed_ends_its_running_exchange_and_others_go_on() {
    let servers: Vec<Server> = {
        let slow = || {
            Server::start(|mut stream, _| async move {
                read_head(&mut stream).await;
                write(
                    &mut stream,
                    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst",
                )
                .await;
                tokio::time::sleep(Duration::from_secs(4)).await;
                write(&mut stream, b"last").await;
            })
        };
        vec![slow().await, slow().await]
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    let rules: Vec<_> = servers
        .iter()
        .map(|server| format!("'http://{}'", server.address))
        .collect();
    write_policy(&path, &rules.join(", "));
    let broker = start(builder().policy_file(&path)).await;
    let mut streams = Vec::new();
    for server in &servers {
        let endpoint = server.address.to_string();
        let mut stream = connect(&broker, &endpoint).await;
        let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Without being told, within a second or so.
    write_policy(&path, &rules[1]);
    let begun = std::time::Instant::now();
    let mut removed = streams.remove(0);
    assert!(is_reset(&mut removed).await);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        read_answer(&mut streams[0]).await.unwrap().text(),
        "firstlast"
    );
    has_rules(&broker, 1).await;
}

#[tokio::test]
async fn every_file_of_a_policy_is_followed() {
    let (server, mut requests) = reflecting().await;
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("a.toml"),
        directory.path().join("b.toml"),
    );
    let rule = format!("'http://{}'", server.address);
    write_policy(&first, &rule);
    write_policy(&second, &rule);
    let settings = builder().policy_file(&first).intersect_file(&second);
    let broker = start(settings).await;
    let endpoint = server.address.to_string();
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    for spoil in [&first, &second] {
        let mut held = connect(&broker, &endpoint).await;
        assert_eq!(ask(&mut held, &request).await.unwrap().status, 200);
        requests.recv().await.unwrap();
        write_policy(spoil, "");
        broker.reload();
        for _ in 0..100 {
            let (_, answer) = connect_with(&broker, &endpoint, "").await;
            if answer.status == 403 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // A connection that was made before carries no more requests.
        assert_eq!(ask(&mut held, &request).await.unwrap().status, 403);
        assert!(requests.try_recv().is_err());
        std::fs::write(spoil, "rubbish").unwrap();
        broker.reload();
        health(&broker, 503).await;
        write_policy(spoil, &rule);
        broker.reload();
        health(&broker, 200).await;
    }
}

#[tokio::test]
async fn a_policy_whose_budgets_change_denies_everything_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    let with = |budget: &str| {
        format!("version = 1\nallow = ['http://127.0.0.1:9']\n[budgets]\n{budget}\n[end]\n")
    };
    std::fs::write(&path, with("requests = 5")).unwrap();
    let broker = start(builder().policy_file(&path)).await;
    std::fs::write(&path, with("requests = 4")).unwrap();
    broker.reload();
    let told = health(&broker, 503).await.json();
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.contains("requests") && reason.contains("start the broker again"),
        "{reason}"
    );
    std::fs::write(&path, with("requests = 5")).unwrap();
    broker.reload();
    health(&broker, 200).await;
}

#[tokio::test]
async fn a_full_disk_under_the_audit_log_denies_and_the_broker_lives_on() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: no /dev/full");
        return;
    }
    let (server, mut requests) = reflecting().await;
    let rules = [format!("http://{}", server.address)];
    let directory = tempfile::tempdir().unwrap();
    let fine = directory.path().join("audit.jsonl");
    for (audit, expected) in [(fine.as_path(), 200), (Path::new("/dev/full"), 403)] {
        let broker = start(with_rules(builder().audit_file(audit), &rules)).await;
        let (_, answer) = connect_with(&broker, &server.address.to_string(), "").await;
        assert_eq!(answer.status, expected);
        if expected == 403 {
            assert_eq!(answer.json()["error"]["reason"], "audit");
        }
        assert_eq!(api(&broker, "GET", "/health", "").await.status, 200);
        broker.shutdown().await;
    }
    assert!(requests.try_recv().is_err());
    assert!(
        std::fs::read_to_string(fine)
            .unwrap()
            .contains("\"verdict\":\"allow\"")
    );
}

#[tokio::test]
async fn a_shutdown_lets_what_is_under_way_end() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        write(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let address = broker.addresses()[0];
    let mut stream = dial(&broker).await;
    let _idle = dial(&broker).await;
    let request = format!(
        "GET http://{}/ HTTP/1.1\r\n{}\r\n",
        server.address,
        auth(&broker)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = std::time::Instant::now();
    let (answer, ()) = tokio::join!(read_answer(&mut stream), broker.shutdown());
    assert_eq!(answer.unwrap().text(), "hello");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_authority_that_has_expired_is_told() {
    let broker = start(builder().ca_valid(Duration::ZERO)).await;
    let answer = api(&broker, "GET", "/health", "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("has expired"), "{}", answer.text());
    assert!(broker.fault().is_some());
}
