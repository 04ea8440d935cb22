//! Many requests over one session, every tenth of them answered in one of ten broken ways: the sandbox
//! raises the same as native Python, keeps nothing afterwards, and does not grow.
//!
//! `SANDBOX_NET_SOAK=10000` sets the number of requests, at least 300, and `SANDBOX_NET_SOAK_SEED`
//! their order. This is the only test of its file, so that its process, whose memory is measured, does
//! nothing else.

use std::path::Path;

use sandbox_net::{Outcome, Sandbox};
use sandbox_net_tests::{FaultServer, LIBRARIES, Report, TestCa, native_python, run, run_natively};
use serde_json::Value;

/// How many requests each session makes, unless the environment says otherwise.
const REQUESTS: usize = 600;

/// Enough requests for every fault in every variant.
const EVERY_FAULT: usize = 300;

/// How much more memory there may be after all requests than after a fifth of them, in percent. Freed
/// memory still belongs to the guest, and how much that is depends on the order of large and small
/// allocations.
const GROWTH: u64 = 5;

/// How many more objects there may be: one for each request that is answered with the same fault, of a
/// soak of 3,000, would be 24.
const OBJECTS: u64 = 12;

/// The step by which Python's allocator grows, and the guest's memory with it.
const ARENA: u64 = 1 << 20;

/// What an allocator may keep, whatever the number of requests.
const SLACK: u64 = 16 << 20;

/// What the host keeps of a request until the run's outcome is read: two decisions and an exchange.
const RECORDS: u64 = 2 << 10;

/// The libraries' programs.
const CLIENTS: [&str; 3] = [
    "soak/soak_requests.py",
    "soak/soak_httpx.py",
    "soak/soak_aiohttp.py",
];

/// The native result of the first of [`CLIENTS`]: each fault is the intended one.
const FAULTS: [(&str, &str); 10] = [
    ("reset/0", "ConnectionResetError(ECONNRESET)"),
    ("early-end/0", "urllib3.exceptions.IncompleteRead"),
    ("wrong-length/1", "urllib3.exceptions.InvalidHeader"),
    ("slow/0", "right"),
    ("huge-head/0", "http.client.LineTooLong"),
    ("redirect-loop/1", "requests.exceptions.TooManyRedirects"),
    ("bad-chunk/0", "urllib3.exceptions.InvalidChunkLength"),
    ("bad-gzip/0", "zlib.error"),
    ("tls-alert/1", "ssl.SSLError(SSLV3_ALERT_BAD_RECORD_MAC)"),
    ("stall/2", "TimeoutError"),
];

/// The two servers, and the requests to them.
struct Soak {
    ca: TestCa,
    servers: [FaultServer; 2],
    seed: String,
    count: usize,
}

impl Soak {
    async fn start() -> Self {
        let ca = TestCa::new("sandbox-net tests");
        let leaf = ca.loopback_leaf();
        let set = |name: &str| std::env::var(name).ok();
        let count = set("SANDBOX_NET_SOAK").map(|count| count.parse());
        Self {
            servers: [FaultServer::plain().await, FaultServer::tls(&leaf).await],
            seed: set("SANDBOX_NET_SOAK_SEED").unwrap_or_else(|| "1".to_owned()),
            count: count.map_or(REQUESTS, |count| count.expect("a number of requests")),
            ca,
        }
    }

    fn arguments(&self, count: usize) -> [String; 4] {
        let [plain, secure] = &self.servers;
        let count = count.to_string();
        [self.seed.clone(), count, plain.origin(), secure.origin()]
    }

    async fn natively(&self, client: &str, python: &Path) -> Report {
        let arguments = self.arguments(self.count);
        let report = run_natively(python, &self.ca, client, arguments).await;
        self.until_unused().await;
        report
    }

    /// The report and the outcome of this many requests, with what the servers received: how many
    /// requests, over how many connections.
    async fn sandboxed(&self, client: &str, count: usize) -> (Report, Outcome) {
        let mut sandbox = Sandbox::builder().trust_ca_pem(self.ca.root_pem());
        for server in &self.servers {
            sandbox = sandbox.allow(server.origin());
        }
        for argument in self.arguments(count) {
            sandbox = sandbox.arg(argument);
        }
        for library in LIBRARIES {
            sandbox = sandbox.with_package(*library);
        }
        let sandbox = sandbox.build().await.expect("a sandbox");
        let (report, outcome) = run(&sandbox, client).await;
        // What is kept for the next run is dropped with the sandbox.
        drop(sandbox);
        self.until_unused().await;
        (report, outcome)
    }

    /// Waits until the servers have no connections.
    async fn until_unused(&self) {
        for server in &self.servers {
            server.until_unused().await;
        }
    }
}

/// Checks that every kind of answer has the same result in both, separately for each request.
fn assert_same(client: &str, inside: &Report, outside: &Report) {
    assert_eq!(inside.lines.len(), outside.lines.len());
    let mut differences = Vec::new();
    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        let ours = inside.case(case);
        let differs = ours["result"] != line["result"];
        if case != "held" && differs {
            differences.push(format!("{case}\n sandbox: {ours}\n native:  {line}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{}; with the argument `verbose` it tells each outcome:\n{}",
        client,
        differences.join("\n")
    );
}

/// Checks that natively the faults are those of [`FAULTS`].
fn assert_meant(report: &Report) {
    for (case, expected) in FAULTS {
        let outcomes = report.result(case)[0].as_object().expect("outcomes");
        let is_meant = |outcome: &String| outcome.contains(expected);
        assert!(outcomes.keys().all(is_meant), "{case}: {outcomes:?}");
    }
}

/// Checks that Python holds as much at the end as after [`EVERY_FAULT`] or a fifth of the requests, and
/// has no socket after all of them.
fn assert_flat(client: &str, report: &Report) {
    let held = report.result("held");
    let [fifth, end, closed] = [0, 1, 2].map(|at| &held[at]);
    let objects = |at: &Value| at[0].as_u64().expect("a number of objects");
    let sockets = |at: &Value| at[1].as_u64().expect("a number of sockets");
    assert!(
        objects(end) <= objects(fifth) + OBJECTS,
        "{}: {held}",
        client
    );
    assert!(sockets(end) <= sockets(fifth), "{}: {held}", client);
    assert_eq!(sockets(closed), 0, "{}: {held}", client);
}

#[tokio::test]
async fn a_session_outlives_every_fault_as_natively_and_holds_nothing() {
    let Some(python) = native_python().await else {
        return;
    };
    let soak = Soak::start().await;
    for client in CLIENTS {
        let outside = soak.natively(client, python).await;
        if client == CLIENTS[0] {
            assert_meant(&outside);
        }
        let few = EVERY_FAULT.max(soak.count / 5);
        let (_, fifth) = soak.sandboxed(client, few).await;
        let resident = resident_memory();
        let (inside, whole) = soak.sandboxed(client, soak.count).await;
        eprintln!(
            "{client}: {} requests in {:?}; memory of the guest {} and {} bytes, of this process \
             {resident:?} and {:?}; held {}; {:?}",
            soak.count,
            whole.duration,
            fifth.memory,
            whole.memory,
            resident_memory(),
            inside.result("held"),
            whole.handles,
        );
        assert_same(client, &inside, &outside);
        assert_flat(client, &inside);
        let left = (whole.handles.connections, whole.handles.exchanges);
        assert_eq!(left, (0, 0), "{client}");
        assert_eq!(whole.handles.others, fifth.handles.others, "{client}");
        let [few, all] = [&fifth, &whole].map(|outcome| outcome.memory as u64);
        assert!(
            all <= grown(few) + ARENA,
            "{client}: {few} bytes, then {all}"
        );
        if let (Some(few), Some(all)) = (resident, resident_memory()) {
            assert!(
                all <= grown(few) + SLACK + RECORDS * soak.count as u64,
                "{client}: {few} bytes, then {all}"
            );
        }
    }
}

/// The most that may exist if this much existed before.
fn grown(value: u64) -> u64 {
    value + value * GROWTH / 100
}

/// The memory of this process in bytes, if the system reports it.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
