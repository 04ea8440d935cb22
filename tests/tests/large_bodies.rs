//! Large bodies in bounded memory. This is the only test of its file, so that its process, whose
//! memory is measured, does nothing else.

use sandbox_net::Sandbox;
use sandbox_net_tests::{Servers, pattern_sha256, run};
use serde_json::json;

/// How much more memory the guest by itself may take with bodies of `MIB`.
const GUEST_GROWTH: usize = 4 << 20;

/// The size of the large bodies.
const MIB: u64 = 64;

/// How much more memory a run with bodies of `MIB` may take than one with bodies of 1 MiB: much less
/// than one of its three bodies. It includes the guest's memory, which belongs to this process.
const GROWTH: u64 = 24 << 20;

#[tokio::test]
async fn sixty_four_mebibytes_pass_both_ways_in_bounded_memory() {
    let servers = Servers::start().await;
    let (mut peaks, mut guests) = (Vec::new(), Vec::new());
    for (server, mib) in [
        (&servers.http, 1),
        (&servers.https, 1),
        (&servers.http2, 1),
        (&servers.http, MIB),
        (&servers.https, MIB),
        (&servers.http2, MIB),
    ] {
        let origin = server.origin();
        let sandbox = Sandbox::builder()
            .allow(origin.as_str())
            .arg(origin.as_str())
            .arg(mib.to_string())
            .trust_ca_pem(servers.ca.root_pem())
            .build()
            .await
            .expect("a sandbox");
        let (report, outcome) = run(&sandbox, "large.py").await;
        guests.push(outcome.memory);
        let whole = json!([mib << 20, pattern_sha256(mib << 20)]);
        for case in ["down", "up, sized", "up, chunked"] {
            assert_eq!(report.result(case), &whole, "{case}, {mib} MiB, {origin}");
        }
        peaks.push(peak_memory());
    }
    eprintln!("the guests' memory: {guests:?} bytes");
    for (small, large) in guests.iter().zip(&guests[3..]) {
        assert!(*large < *small + GUEST_GROWTH, "{guests:?}");
    }
    let [.., Some(small), _, _, Some(large)] = peaks[..] else {
        eprintln!("skipped in part: this system does not tell a process's peak memory");
        return;
    };
    eprintln!(
        "peak memory: {} KiB after 1 MiB bodies, {} KiB after {MIB}",
        small >> 10,
        large >> 10
    );
    assert!(
        large - small < GROWTH,
        "{small} bytes before, {large} bytes after"
    );
}

/// The peak memory of this process in bytes, if the system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
