//! Budgets count the bytes that cross the wire.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox_net::policy::Document;
use sandbox_net::{AuditLine, Outcome, Sandbox, Script, Stage, Verdict};
use sandbox_net_tests::{DnsServer, Servers};
use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The functions that the programs here call.
const PROGRAM: &str = include_str!("../../programs/boundary/wire.py");

/// Much longer than every wait here: a program that hangs ends, and its test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the kernels at both ends buffer of an answer that nobody reads.
const SLACK: u64 = 1 << 20;

/// How often a program's action ended in each way.
type Ends = BTreeMap<String, u64>;

/// Runs `call` with these budgets; everything on loopback and below `test` is allowed.
async fn run(budgets: &str, call: &str, ca: Option<&Servers>, dns: Option<&DnsServer>) -> Ends {
    let (ends, _) = run_recorded(budgets, call, ca, dns).await;
    ends
}

async fn run_recorded(
    budgets: &str,
    call: &str,
    ca: Option<&Servers>,
    dns: Option<&DnsServer>,
) -> (Ends, Outcome) {
    run_logged(budgets, call, ca, dns, None).await
}

async fn run_logged(
    budgets: &str,
    call: &str,
    ca: Option<&Servers>,
    dns: Option<&DnsServer>,
    log: Option<&Path>,
) -> (Ends, Outcome) {
    let rules = json!(["127.0.0.1:1-65535", "*.allowed.test:1-65535 to 127.0.0.1"]);
    let text = format!("version = 1\nallow = {rules}\n[budgets]\n{budgets}\n[end]\n");
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut builder = Sandbox::builder().policy(document).time_limit(PATIENCE);
    if let Some(servers) = ca {
        builder = builder.trust_ca_pem(servers.ca.root_pem());
    }
    if let Some(dns) = dns {
        builder = builder.dns_servers([dns.address()]);
    }
    if let Some(log) = log {
        builder = builder.audit_file(log);
    }
    let sandbox = builder.build().await.expect("a sandbox");
    let program = format!("{PROGRAM}\n{call}\n");
    let outcome = sandbox.run(Script::code(program)).await.expect("a run");
    let ends = serde_json::from_slice(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr_text()));
    (ends, outcome)
}

fn ends<const N: usize>(expected: [(&str, u64); N]) -> Ends {
    Ends::from(expected.map(|(end, count)| (end.to_owned(), count)))
}

/// What a server has received.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    /// Bytes to the client, as far as the kernel took them.
    down: AtomicU64,
    /// Bytes from the client.
    up: AtomicU64,
}

impl Seen {
    fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    fn down(&self) -> u64 {
        self.down.load(Ordering::SeqCst)
    }

    fn up(&self) -> u64 {
        self.up.load(Ordering::SeqCst)
    }
}

/// A server that counts, until it is dropped.
struct Counting {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counting {
    async fn start<F>(serve: impl Fn(TcpStream, Arc<Seen>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Seen>::default();
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                // The kernel buffers little, so the bytes sent are nearly the bytes that arrived.
                let _ = SockRef::from(&stream).set_send_buffer_size(16 * 1024);
                // The client decides how a connection ends.
                let serving = serve(stream, Arc::clone(&shared));
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// Answers a request with `first`, then `middle` this many times, then `last`.
    async fn answering(first: &str, middle: &str, times: usize, last: &str) -> Self {
        let parts = [first, middle, last].map(Arc::<str>::from);
        Self::start(move |mut stream, seen| {
            let [first, middle, last] = parts.clone();
            async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                seen.up.fetch_add(head.len() as u64, Ordering::SeqCst);
                let middles = std::iter::repeat_n(middle, times);
                for part in std::iter::once(first).chain(middles).chain([last]) {
                    let mut rest = part.as_bytes();
                    while !rest.is_empty() {
                        let written = stream.write(rest).await?;
                        seen.down.fetch_add(written as u64, Ordering::SeqCst);
                        rest = &rest[written..];
                    }
                }
                stream.shutdown().await
            }
        })
        .await
    }

    /// Forwards everything to another server.
    async fn before(other: SocketAddr) -> Self {
        Self::start(move |client, seen| async move {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from, mut to) = TcpStream::connect(other).await?.into_split();
            let down = async {
                let mut buffer = [0; 4096];
                while let length @ 1.. = from.read(&mut buffer).await? {
                    to_client.write_all(&buffer[..length]).await?;
                    seen.down.fetch_add(length as u64, Ordering::SeqCst);
                }
                to_client.shutdown().await
            };
            let up = async {
                let mut buffer = [0; 4096];
                while let length @ 1.. = from_client.read(&mut buffer).await? {
                    seen.up.fetch_add(length as u64, Ordering::SeqCst);
                    to.write_all(&buffer[..length]).await?;
                }
                to.shutdown().await
            };
            tokio::try_join!(down, up).map(drop)
        })
        .await
    }

    fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Answers whose bytes are mostly outside their bodies: the beginning, the repeated part, and the
/// end.
fn padded() -> [(&'static str, String, String, &'static str); 4] {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let padding = "x".repeat(4000);
    [
        (
            "chunk extensions",
            chunked.to_owned(),
            format!("1;{padding}\r\na\r\n"),
            "0\r\n\r\n",
        ),
        (
            "informational responses",
            String::new(),
            format!("HTTP/1.1 103 Early Hints\r\nLink: {padding}\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "fields behind a body",
            format!("{chunked}0\r\n"),
            format!("Link: {padding}\r\n"),
            "\r\n",
        ),
        (
            "a head",
            "HTTP/1.1 200 OK\r\n".to_owned(),
            format!("Link: {padding}\r\n"),
            "Content-Length: 0\r\n\r\n",
        ),
    ]
}

#[tokio::test]
async fn what_an_answer_has_beside_its_body_counts_for_the_bytes_that_come_in() {
    for (name, first, middle, last) in padded() {
        // Endless for any client; or a short version of the same.
        for (times, budget) in [(1_000_000, 10_000), (31, 10_000), (20, 10_000_000)] {
            let server = Counting::answering(&first, &middle, times, last).await;
            let budgets = format!("bytes_down = {budget}");
            let call = format!("repeat(50, lambda _: fetch({}))", server.port());
            let (got, outcome) = run_recorded(&budgets, &call, None, None).await;
            if budget > 10_000 {
                assert_eq!(got, ends([("done", 50)]), "{name}");
                continue;
            }
            assert_eq!(got, ends([("bytes-down", 50)]), "{name}");
            let down = server.seen.down();
            println!("{name}: {down} bytes at the server for a budget of {budget}");
            assert!(down <= budget + SLACK, "{name}: {down}");
            // If nothing can be read any more, nobody is dialled.
            assert_eq!(server.seen.connections(), 1, "{name}");
            let refused = outcome.decisions.iter();
            let refused = refused.filter(|one| one.rule == "budget:bytes-down");
            assert!(refused.count() > 0, "{name}");
        }
    }
}

#[tokio::test]
async fn handshakes_and_frames_count_in_both_directions() {
    let servers = Servers::start().await;
    for (name, address) in [
        ("TLS", servers.https.address()),
        ("HTTP/2", servers.http2.address()),
    ] {
        for (budgets, limit) in [
            ("bytes_down = 10_000", Some("bytes-down")),
            ("bytes_up = 1_500", Some("bytes-up")),
            ("bytes_down = 10_000_000\nbytes_up = 10_000_000", None),
        ] {
            let server = Counting::before(address).await;
            let call = format!("repeat(50, lambda _: fetch({}, tls=True))", server.port());
            let got = run(budgets, &call, Some(&servers), None).await;
            let Some(limit) = limit else {
                assert_eq!(got, ends([("done", 50)]), "{name}");
                continue;
            };
            assert_eq!(got.values().sum::<u64>(), 50);
            assert!(got[limit] >= 1 && got.len() <= 2, "{name} {got:?}");
            let (down, up) = (server.seen.down(), server.seen.up());
            println!("{name}, {budgets}: {down} bytes down and {up} up at the server");
            match limit {
                "bytes-up" => assert!(up <= 1_500, "{name}: {up}"),
                _ => assert!(down <= 10_000 + SLACK / 4, "{name}: {down}"),
            }
        }
    }
}

#[tokio::test]
async fn no_byte_beyond_the_budget_goes_out_whatever_it_is_part_of() {
    let servers = Servers::start().await;
    for (address, tls) in [
        (servers.http.address(), "False"),
        (servers.https.address(), "True"),
        (servers.http2.address(), "True"),
    ] {
        for (budget, limit) in [(40_000, Some("bytes-up")), (4_000_000, None)] {
            let server = Counting::before(address).await;
            let port = server.port();
            let call =
                format!("repeat(3, lambda _: fetch({port}, tls={tls}, body=bytes(100_000)))");
            let budgets = format!("bytes_up = {budget}");
            let got = run(&budgets, &call, Some(&servers), None).await;
            assert_eq!(got, ends([(limit.unwrap_or("done"), 3)]));
            let up = server.seen.up();
            assert!(up <= budget, "{up} of {budget}");
        }
    }
}

#[tokio::test]
async fn names_that_are_asked_for_count_as_hosts_and_as_bytes() {
    let call = "repeat(200, lambda n: ask(f'{n:050}.allowed.test'))";
    // A name here has 63 bytes, so its two questions have 162.
    for (budgets, most_names, limit) in [
        (
            "hosts = 1\nrequests = 1\nbytes_up = 10",
            0,
            Some("bytes-up"),
        ),
        ("hosts = 3", 3, Some("hosts")),
        ("lookups = 4", 4, Some("lookups")),
        ("bytes_up = 1_000", 6, Some("bytes-up")),
        ("bytes_down = 1_000", 6, Some("bytes-down")),
        ("bytes_up = 1_000_000", 200, None),
    ] {
        let dns = DnsServer::start().await;
        for number in 0..200 {
            let address: IpAddr = [127, 0, 0, 1].into();
            dns.set(&format!("{number:050}.allowed.test"), [address]);
        }
        let (got, outcome) = run_recorded(budgets, call, None, Some(&dns)).await;
        let questions = dns.questions().await;
        let bytes: usize = questions.iter().map(|one| one.name.len() + 18).sum();
        println!("{budgets:?}: {} questions, {bytes} bytes", questions.len());
        assert!(questions.len() <= 2 * most_names, "{}", questions.len());
        match limit {
            None => assert_eq!(got, ends([("done", 200)])),
            Some(limit) => {
                assert!(got[limit] >= 200 - most_names as u64, "{budgets}: {got:?}");
                let rule = format!("budget:{limit}");
                let refused = outcome.lookups.iter().any(|one| one.rule == rule);
                assert!(refused, "{budgets}");
            }
        }
    }
}

#[tokio::test]
async fn connections_that_begin_are_counted_though_they_carry_nothing() {
    for (budgets, rate) in [
        (
            "connections_per_second = 20\nrequests_per_second = 1",
            Some(20),
        ),
        // Few requests mean few connections.
        ("requests_per_second = 1", Some(100)),
        ("requests = 1", None),
        ("requests = 500", None),
        ("bytes_up = 1_000", None),
    ] {
        let server =
            Counting::start(
                |mut stream, _| async move { stream.read(&mut [0; 64]).await.map(drop) },
            )
            .await;
        let call = format!("repeat(500, lambda _: open_and_close({}))", server.port());
        let (got, outcome) = run_recorded(budgets, &call, None, None).await;
        let accepted = server.seen.connections();
        println!(
            "{budgets:?}: {accepted} connections in {:?}",
            outcome.duration
        );
        if let Some(rate) = rate {
            // As many as a full bucket holds, and as are added while the program runs.
            let most = rate + rate * (outcome.duration.as_secs() + 1);
            assert!(accepted <= most, "{accepted} of {most}");
            assert_eq!(got.values().sum::<u64>(), 500);
            assert_eq!(got["connection-rate"], 500 - got["done"], "{got:?}");
            let refused = outcome.decisions.iter();
            let refused = refused.filter(|one| one.rule == "budget:connection-rate");
            assert_eq!(refused.count() as u64, got["connection-rate"]);
        } else if budgets == "requests = 1" {
            // A spare one, a second try, a check that the server is up: but no more.
            assert_eq!(got, ends([("done", 100), ("requests", 400)]));
            assert_eq!(accepted, 100);
        } else {
            assert_eq!(got, ends([("done", 500)]));
            assert_eq!(accepted, 500);
        }
    }
}

/// How many connections a log shows as allowed, and how many lines it has in all.
fn logged(path: &Path) -> (u64, u64) {
    let text = std::fs::read_to_string(path).expect("the audit log");
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<AuditLine> = text.lines().map(line).collect();
    let is_allowed = |line: &&AuditLine| match line {
        AuditLine::Decision(it) => {
            it.stage == Stage::Connect && it.verdict == Verdict::Allow && !it.update
        }
        _ => false,
    };
    let allowed = lines.iter().filter(is_allowed).count();
    (allowed as u64, lines.len() as u64)
}

/// Over an existing session nothing is dialled, and each connection is still a line.
#[tokio::test]
async fn connections_that_use_an_open_session_again_are_counted_unless_they_carry_requests() {
    let servers = Servers::start().await;
    let rate = "connections_per_second = 20";
    for (budgets, action, reached) in [
        (
            rate,
            "open_and_close({port})",
            Some(("connection-rate", 20)),
        ),
        (
            "requests = 2",
            "open_and_close({port})",
            Some(("requests", 0)),
        ),
        // Each has a request, which has its own budgets, and none is dialled.
        (rate, "fetch({port}, tls=True)", None),
        ("requests = 501", "fetch({port}, tls=True)", None),
        // Without an existing session each is dialled.
        (
            rate,
            "open_and_close({plain})",
            Some(("connection-rate", 20)),
        ),
    ] {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let server = Counting::before(servers.http2.address()).await;
        let plain = Counting::before(servers.http.address()).await;
        let action = action.replace("{port}", &server.port().to_string());
        let action = action.replace("{plain}", &plain.port().to_string());
        let call = format!(
            "fetch({}, tls=True)\nrepeat(500, lambda _: {action})",
            server.port()
        );
        let (got, outcome) = run_logged(budgets, &call, Some(&servers), None, Some(&path)).await;
        let (allowed, lines) = logged(&path);
        println!("{budgets} {action}: {got:?}, {allowed} allowed, {lines} lines");
        assert_eq!(server.seen.connections(), 1, "{budgets} {action}");
        let Some((limit, rate)) = reached else {
            assert_eq!(got, ends([("done", 500)]), "{budgets} {action}");
            continue;
        };
        let most = 101 + rate * (outcome.duration.as_secs() + 1);
        assert!(allowed <= most, "{allowed} of {most}");
        assert!(allowed > got["done"], "{budgets} {action}");
        assert_eq!(got[limit], 500 - got["done"], "{got:?}");
    }
}

/// A refused connection is a denial like others: the log counts it and does not repeat it.
#[tokio::test]
async fn connections_beyond_their_rate_do_not_grow_the_log_without_end() {
    let server =
        Counting::start(|mut stream, _| async move { stream.read(&mut [0; 64]).await.map(drop) })
            .await;
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let call = format!("repeat(4000, lambda _: open_and_close({}))", server.port());
    let budgets = "connections_per_second = 10";
    let (got, outcome) = run_logged(budgets, &call, None, None, Some(&path)).await;
    let (allowed, lines) = logged(&path);
    println!("{got:?}, {allowed} allowed, {lines} lines");
    assert_eq!(got["connection-rate"], 4000 - got["done"]);
    let rate = 10 * (outcome.duration.as_secs() + 2);
    // Two lines for each connection, a thousand denials, and their numbers.
    assert!(lines <= 2 * rate + 1000 + 10, "{lines}");
    assert!((got["done"]..=rate).contains(&allowed), "{allowed}");
}

#[tokio::test]
async fn where_too_much_was_denied_nothing_is_allowed_any_more() {
    for (budgets, is_reached) in [("denials = 20", true), ("denials = 200", false)] {
        let servers = Servers::start().await;
        let port = servers.http.address().port();
        // Every tenth attempt is allowed.
        let call = format!(
            "repeat(100, lambda n: open_and_close(80, 'denied.test') if n % 10 else fetch({port}))"
        );
        let got = run(budgets, &call, None, Some(&servers.dns)).await;
        assert!(servers.dns.questions().await.is_empty());
        if is_reached {
            // The lookup of a name and the connection to it are two attempts.
            let expected = [("done", 2), ("PermissionError", 10), ("denials", 88)];
            assert_eq!(got, ends(expected));
        } else {
            assert_eq!(got, ends([("done", 10), ("PermissionError", 90)]));
        }
    }
}
