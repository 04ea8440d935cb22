//! An HTTP/2 server that fills the host with what nobody reads: lists of fields, and small frames among
//! large ones. All of it stays within the sandbox's host memory.
//!
//! This is a test binary of its own, because it measures the memory of the whole process.

use std::sync::Arc;

use sandbox_net::Sandbox;
use sandbox_net_tests::{Report, TestCa, run};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Requests that wait at once.
const EXCHANGES: u64 = 200;

/// What the host may hold for the sandbox, and what else the process may take meanwhile.
const HOST_MEMORY: u64 = 64 << 20;
const SLACK: u64 = 32 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const UNKNOWN: u8 = 0xfa;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = payload.len().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream, payload].concat()
}

/// What follows the first 100 bytes of a body.
#[derive(Clone)]
enum Rest {
    Trailers(Vec<u8>),
    /// This many frames of one byte each, and after each one a meaningless frame of this size.
    Frames(usize, usize),
}

impl Rest {
    fn frames(&self, id: u32) -> Vec<u8> {
        match self {
            Self::Trailers(fields) => frame(HEADERS, END_HEADERS | END_STREAM, id, fields),
            Self::Frames(number, size) => {
                let pair = [
                    frame(DATA, 0, id, b"y"),
                    frame(UNKNOWN, 0, 0, &vec![0; *size]),
                ];
                [
                    pair.concat().repeat(*number),
                    frame(DATA, END_STREAM, id, b"z"),
                ]
                .concat()
            }
        }
    }
}

/// Answers a POST with a body and this after its beginning, and anything else with a body alone.
async fn converse(tcp: TcpStream, tls: TlsAcceptor, rest: Arc<Rest>) -> std::io::Result<()> {
    let mut stream = tls.accept(tcp).await?;
    stream.read_exact(&mut [0; 24]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [a, b, c, kind, flags, id @ ..] = header;
        let id = u32::from_be_bytes(id);
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        let answer = match (kind, flags & ACK) {
            (SETTINGS, 0) => frame(SETTINGS, ACK, 0, &[]),
            // `:method` comes first, and the static table has it.
            (HEADERS, _) if payload.first() == Some(&0x83) => [
                frame(HEADERS, END_HEADERS, id, &[0x88]),
                frame(DATA, 0, id, &[b'x'; 100]),
                rest.frames(id),
            ]
            .concat(),
            (HEADERS, _) => [
                frame(HEADERS, END_HEADERS, id, &[0x88]),
                frame(DATA, END_STREAM, id, b"ok"),
            ]
            .concat(),
            _ => continue,
        };
        stream.write_all(&answer).await?;
    }
}

/// Lets a program wait with many requests at once, and then read them.
async fn wait(ca: &TestCa, rest: Rest) -> Report {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("https://{}", listener.local_addr().expect("an address"));
    let tls = TlsAcceptor::from(ca.loopback_leaf().server_config(&[b"h2"]));
    let rest = Arc::new(rest);
    let serving = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // The client decides how a connection ends.
            let conversation = converse(tcp, tls.clone(), Arc::clone(&rest));
            tokio::spawn(async move { drop(conversation.await) });
        }
    });
    let sandbox = Sandbox::builder()
        .allow(origin.as_str())
        .trust_ca_pem(ca.root_pem())
        .host_memory_limit(HOST_MEMORY)
        .arg("trailers")
        .arg(origin.as_str())
        .arg(EXCHANGES.to_string())
        .build()
        .await
        .expect("a sandbox");
    let (report, _) = run(&sandbox, "boundary/memory.py").await;
    serving.abort();
    report
}

/// As many fields as a gRPC server sends, with their names.
fn honest() -> Vec<u8> {
    let fields = (0..12).map(|number| {
        let (name, value) = (format!("x-detail-{number:02}"), "of the answer");
        let lengths = [name.len() as u8, value.len() as u8];
        [
            &[0, lengths[0]][..],
            name.as_bytes(),
            &lengths[1..],
            value.as_bytes(),
        ]
        .concat()
    });
    fields.collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_stays_within_the_host_memory() {
    let ca = TestCa::new("unread");
    for honest in [Rest::Trailers(honest()), Rest::Frames(20, 0)] {
        let report = wait(&ca, honest).await;
        assert_eq!(report.result("begun"), &json!({"done": EXCHANGES}));
        assert_eq!(report.result("read"), &json!({"done": EXCHANGES}));
        assert_eq!(report.result("after it"), &json!(200));
    }
    let hostile = [
        // `age` without a value, in one byte each.
        ("fields", Rest::Trailers(vec![0x95; 14_900])),
        ("frames", Rest::Frames(100, 16_000)),
    ];
    for (name, rest) in hostile {
        let before = peak_memory_from_now();
        let report = wait(&ca, rest).await;
        let peaks = before.zip(peak_memory());
        let begun = report.result("begun");
        println!(
            "{name}: begun: {begun}, read: {}, peaks: {peaks:?}",
            report.result("read")
        );
        assert!(begun["host-memory"].as_u64() > Some(0), "{name}: {report}");
        assert_eq!(report.result("after it"), &json!(200), "{name}: {report}");
        let Some((before, after)) = peaks else {
            eprintln!("skipped in part: this system does not tell a process's peak memory");
            return;
        };
        assert!(after - before < HOST_MEMORY + SLACK, "{before}, {after}");
    }
}

/// The peak memory of this process; resets the peak if the system can.
fn peak_memory_from_now() -> Option<u64> {
    // Otherwise the peak is the earlier one, which is no smaller.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak_memory()
}

/// The peak memory of this process in bytes, if the system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
