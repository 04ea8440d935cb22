//! Measures a decision.

use std::hint::black_box;
use std::time::Instant;

use sandbox_net::policy::{
    Checked, Document, Endpoint, Origin, Policy, RequestLine, Rule, RuleError, Scheme,
};

/// How many decisions a measurement has, and how many measurements there are; the median counts.
const DECISIONS: u32 = 2_000;
const MEASUREMENTS: usize = 25;

/// Prints the time of a decision on a request under a policy of 1,000 rules of every kind.
pub(super) fn print() -> Result<(), RuleError> {
    let policy = policy()?;
    println!("\n| decision on a request, 1,000 rules | time |\n|---|---|");
    for (name, url, path) in [
        (
            "allowed by the first rule",
            "api-0.example.com",
            "/v1/items",
        ),
        (
            "allowed by the last rule",
            "service-199.example.org",
            "/v1/42/items?page=2",
        ),
        (
            "denied by a rule for its path",
            "service-7.example.org",
            "/admin/%2e%2e/admin/x",
        ),
        ("denied by no rule at all", "elsewhere.example.net", "/"),
    ] {
        println!(
            "| {name} | {:.1} µs |",
            microseconds(&policy, url, path, DECISIONS)
        );
    }
    for (name, policy) in [
        ("rules `/v1/**/xN`", one_kind()?),
        ("rules of every kind, half of them denying", every_kind()?),
    ] {
        let paths = worst_paths().into_iter();
        let slowest = paths
            .map(|path| microseconds(&policy, "api.example.com", &path, 1))
            .fold(0.0, f64::max);
        println!("| the worst path of 8 KiB, all {name} | {slowest:.0} µs |");
    }
    Ok(())
}

/// The microseconds of a decision under so many rules that each name a host.
pub(super) fn by_rules(count: usize, is_allowed: bool) -> Result<f64, RuleError> {
    let rules = (0..count).map(|n| format!("https://api-{n}.example.com").parse());
    let policy = Policy::allow(rules.collect::<Result<Vec<Rule>, _>>()?);
    let host = match is_allowed {
        true => format!("api-{}.example.com", count - 1),
        false => "elsewhere.example.net".to_owned(),
    };
    Ok(microseconds(&policy, &host, "/v1/items", DECISIONS / 10))
}

/// 1,000 rules for one host that differ in how their paths end.
fn one_kind() -> Result<Policy, RuleError> {
    let rules = (0..1000).map(|n| format!("https://api.example.com/v1/**/x{n}").parse());
    Ok(Policy::allow(rules.collect::<Result<Vec<Rule>, _>>()?))
}

/// 1,000 rules for one host with paths of every kind.
fn every_kind() -> Result<Policy, RuleError> {
    let kinds = [
        "/v1/**/xN",
        "/**/xN/**",
        "/**xN**",
        "/*xN*/**",
        "/**/a/**/b/**/xN/**",
        "/**a*b*xN**",
        "/**/a*/b*/*N/**",
        "/*/*/*/xN/**/*",
        "/**/*a/N*b/**",
        "/**a**b**N**",
    ];
    let rule = |n: usize| {
        let path = kinds[n % kinds.len()].replace('N', &n.to_string());
        format!("https://api.example.com{path}")
    };
    let document = Document {
        allow: (0..500)
            .map(|n| rule(n).parse())
            .collect::<Result<_, _>>()?,
        deny: (500..1000)
            .map(|n| Rule::parse_deny(&rule(n)))
            .collect::<Result<_, _>>()?,
        ..Document::default()
    };
    Ok(document.into())
}

/// Paths of 8 KiB that have many readings, or that parts of many rules almost match.
fn worst_paths() -> Vec<String> {
    let pieces = [
        "/a/b",
        "/a1/b",
        "aab",
        "/",
        "/a//b",
        "/..;/%2e",
        "%252f",
        "%2fa",
        "/;%2f%5c",
        "/x12/x13/x14/x15",
        "a1b2c3d4",
        "/x1/a/b/x2/a",
    ];
    let tails = ["", "/x5", "//x5%2fa", "%2f..%2fx%5cy;z/x5", "//%2e%2e/;%3f"];
    let all = pieces
        .iter()
        .flat_map(|piece| tails.map(|tail| (piece, tail)));
    all.map(|(piece, tail)| {
        let count = (8192 - "/v1/".len() - tail.len()) / piece.len();
        format!("/v1/{}{tail}", piece.repeat(count))
    })
    .collect()
}

/// 500 names, 100 domains, 100 networks, 200 rules with methods and paths, and 100 that deny.
fn policy() -> Result<Policy, RuleError> {
    let mut allow: Vec<String> = Vec::new();
    allow.extend((0..500).map(|n| format!("https://api-{n}.example.com")));
    allow.extend((0..100).map(|n| format!("*.tenant-{n}.example.com:8443")));
    allow.extend((0..100).map(|n| format!("10.{n}.0.0/16:8000-8099")));
    allow.extend((0..200).map(|n| format!("GET,POST https://service-{n}.example.org/v1/**")));
    let deny = (0..100).map(|n| format!("service-{n}.example.org/admin/**"));
    let document = Document {
        allow: allow
            .iter()
            .map(|rule| rule.parse())
            .collect::<Result<_, _>>()?,
        deny: deny
            .map(|rule| Rule::parse_deny(&rule))
            .collect::<Result<_, _>>()?,
        ..Document::default()
    };
    Ok(document.into())
}

fn microseconds(policy: &Policy, host: &str, path: &str, decisions: u32) -> f64 {
    let origin = Origin {
        scheme: Scheme::Https,
        endpoint: Endpoint::new(host, 443).expect("a host"),
    };
    let fields = [(b"Accept".to_vec(), b"*/*".to_vec())];
    let decide = || {
        let checked = policy.check_request(black_box(&origin), b"GET", path.as_bytes(), &fields);
        black_box(checked.map(Checked::<RequestLine>::into_inner)).is_ok()
    };
    let mut measured: Vec<f64> = (0..MEASUREMENTS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..decisions {
                decide();
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(decisions)
        })
        .collect();
    measured.sort_by(f64::total_cmp);
    measured[MEASUREMENTS / 2]
}
