//! Nothing is done that cannot be recorded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sandbox_net::{AuditLine, AuditSink, Error};
use sandbox_net_tests::Servers;

use crate::{assert_denied, assert_status, builder, fetch, get_with};

/// A sink that takes this many lines, and then no more.
#[derive(Clone)]
struct Full {
    room: usize,
    taken: Arc<AtomicUsize>,
}

impl AuditSink for Full {
    fn write(&self, _: &AuditLine) -> io::Result<()> {
        match self.taken.fetch_add(1, Ordering::Relaxed) < self.room {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

#[tokio::test]
async fn a_sink_that_is_full_ends_the_network_of_every_run() {
    let names: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    // A request over a new connection is four lines: connect, the address, request, exchange.
    for (room, answered) in [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 1),
        (6, 1),
        (7, 2),
        (8, 2),
        (1000, 6),
    ] {
        let servers = Servers::start().await;
        let sink = Full {
            room,
            taken: Arc::default(),
        };
        let sandbox = builder().allow(servers.http.origin()).audit_sink(sink);
        let sandbox = sandbox.build().await.expect("a sandbox");
        let url = servers.http.origin() + "/get";
        let cases: Vec<_> = names
            .iter()
            .map(|name| get_with("http.client", name, &url))
            .collect();
        let (report, _) = fetch(&sandbox, &cases).await;
        for (index, name) in names.iter().enumerate() {
            match index < answered {
                true => assert_status(&report, name, 200),
                false => assert_denied(&report, name, "audit"),
            }
        }
        assert_eq!(servers.http.requests().len(), answered, "room for {room}");
        if room < 1000 {
            let (report, _) = fetch(&sandbox, &cases[..1]).await;
            assert_denied(&report, "0", "audit");
            assert_eq!(servers.http.requests().len(), answered, "a second run");
        }
    }
}

#[tokio::test]
async fn one_full_sink_of_several_is_enough() {
    let servers = Servers::start().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let good = Full {
        room: 1000,
        taken: Arc::clone(&taken),
    };
    let full = Full {
        room: 0,
        taken: Arc::default(),
    };
    let sandbox = builder()
        .allow(servers.http.origin())
        .audit_sink(full)
        .audit_sink(good);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let cases = [get_with("urllib", "one", servers.http.origin() + "/get")];
    let (report, outcome) = fetch(&sandbox, &cases).await;
    assert_denied(&report, "one", "audit");
    assert_eq!(servers.http.requests().len(), 0);
    // The good sink has the original decision, and then its denial.
    assert_eq!(outcome.decisions.len(), 1);
    assert_eq!(taken.load(Ordering::Relaxed), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_on_a_full_disk_ends_the_network() {
    let servers = Servers::start().await;
    let sandbox = builder()
        .allow(servers.http.origin())
        .audit_file("/dev/full");
    let sandbox = sandbox.build().await.expect("a sandbox");
    for client in ["urllib", "requests", "http.client"] {
        let cases = [get_with(client, "one", servers.http.origin() + "/get")];
        let (report, _) = fetch(&sandbox, &cases).await;
        assert_denied(&report, "one", "audit");
    }
    assert_eq!(servers.http.requests().len(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_before_anything_runs() {
    let directory = tempfile::TempDir::new().expect("a directory");
    for path in [
        directory.path().to_path_buf(),
        directory.path().join("none/audit.jsonl"),
    ] {
        let sandbox = builder().allow("https://a.test").audit_file(&path);
        match sandbox.build().await {
            Err(Error::Audit { path: named, .. }) => assert_eq!(named, path),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a sandbox without its audit log"),
        }
    }
}
