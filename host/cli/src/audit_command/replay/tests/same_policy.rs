//! Replaying a log under the policy that made it shows no change.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sandbox_net::policy::{Answer, Denial, Endpoint, Origin, Scheme, TlsOverride};

use super::*;
use sandbox_net::Stage;

/// Rules that match each other and the requests below.
#[rustfmt::skip] // these belong together
const RULES: &[&str] = &[
    "a.test", "https://a.test", "http://a.test:8080", "GET a.test/v1/**", "a.test/v1/x", "*.a.test",
    "any", "any:8080", "10.0.0.0/8", "10.0.0.1:8080", "a.test to 10.0.0.1", "*.a.test to public,10.0.0.0/8",
    "POST https://b.a.test/**", "a.test:8080 to 10.0.0.1", "localhost:8080", "169.254.169.254",
    "!a.test", "!GET a.test/v1/**", "!10.0.0.0/8", "!https://b.a.test", "!any:8080", "!POST any/v1/**",
    "?a.test", "?https://a.test:8080", "?POST a.test", "?any", "?b.a.test to 10.0.0.1",
    "~unverified a.test", "~own_roots,client_certificates *.a.test", "~unverified_name any:8080",
    "=ask", "=report",
];
const PATHS: &[&[u8]] = &[
    b"/",
    b"/v1/x",
    b"/v1/x?q=1",
    b"/v1/../x",
    b"/v1//x",
    b"/it's\\",
    b"/\xff",
    b"/v1/%2e%2e/",
    b"x",
    b"/a b",
];

/// What the host does beyond the rules.
#[derive(Debug, Clone)]
struct Chance {
    address: IpAddr,
    /// The hook's answer if a rule asks, and if none does.
    grants: bool,
    refuses: bool,
}

/// The record of an answer, as the host makes it.
fn record<T>(
    record: DecisionRecord,
    answer: Result<Answer<T>, Denial>,
    chance: &Chance,
) -> DecisionRecord {
    let refused = |denial: &Denial, verdict| {
        changed(record.clone(), |it| {
            it.verdict = verdict;
            it.rule = denial.rule.clone();
            it.reason = Some(denial.reason.into());
        })
    };
    let checked = match answer {
        Ok(Answer::Checked(checked)) => checked,
        Ok(Answer::Ask(asked)) if chance.grants => asked.grant(),
        Ok(Answer::Ask(asked)) => return refused(&asked.refuse(), Verdict::Deny),
        Err(denial) => return refused(&denial, Verdict::Deny),
    };
    if chance.refuses {
        return refused(&checked.hook_denial("no"), Verdict::Deny);
    }
    let with_address = |record: DecisionRecord| {
        changed(record, |it| {
            it.address = Some(SocketAddr::new(chance.address, 443));
        })
    };
    if !checked.permits(chance.address) {
        return with_address(refused(&checked.address_denial(), Verdict::Deny));
    }
    let reported = checked.reported().cloned();
    let reported = reported.or(checked.check_address(chance.address).err());
    with_address(match reported {
        Some(denial) => refused(&denial, Verdict::Report),
        None => changed(record, |it| {
            it.rule = checked.rule().to_owned();
        }),
    })
}

/// A request's three decisions.
fn records(
    policy: &Policy,
    origin: &Origin,
    method: &str,
    path: &[u8],
    settings: &[TlsOverride],
    chance: &Chance,
) -> [DecisionRecord; 3] {
    let endpoint = &origin.endpoint;
    let blank = |stage, target| {
        changed(decision_on(""), |it| {
            it.stage = stage;
            it.target = target;
        })
    };
    let connect = blank(Stage::Connect, endpoint.to_string());
    let https = Origin {
        scheme: Scheme::Https,
        ..origin.clone()
    };
    let tls = changed(blank(Stage::Tls, https.to_string()), |it| {
        it.tls = settings.to_vec();
    });
    let asked = settings.iter().copied().collect();
    let before_query = path.split(|byte| *byte == b'?').next().unwrap();
    let request = changed(
        blank(
            Stage::Request,
            format!("{origin}{}", before_query.escape_ascii()),
        ),
        |it| {
            it.method = Some(method.as_bytes().escape_ascii().to_string());
        },
    );
    [
        record(connect, policy.answer_connect(endpoint.clone()), chance),
        record(tls, policy.answer_tls(endpoint, None, asked), chance),
        record(
            request,
            policy.answer_request(origin, method.as_bytes(), path, &[]),
            chance,
        ),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let document = subsequence(RULES, 0..=9).prop_map(|rules| document(&rules.join("; ")));
    prop::collection::vec(document, 1..=3).prop_map(|documents| {
        let policies = documents.into_iter().map(Policy::from);
        policies.reduce(|a, b| a.intersect(&b)).unwrap()
    })
}

fn origins() -> impl Strategy<Value = Origin> {
    let host = select(
        &[
            "a.test",
            "b.a.test",
            "c.test",
            "localhost",
            "10.0.0.1",
            "::1",
            "169.254.169.254",
        ][..],
    );
    (host, select(&[80, 443, 8080][..]), select(&Scheme::ALL[..])).prop_map(
        |(host, port, scheme)| Origin {
            scheme,
            endpoint: Endpoint::new(host, port).unwrap(),
        },
    )
}

fn chances() -> impl Strategy<Value = Chance> {
    let address = select(&["8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254"][..]);
    (address, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(address, grants, refuses)| {
        Chance {
            address: address.parse().unwrap(),
            grants,
            refuses,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_replayed_by_its_own_policy_changes_nothing(
        policy in policies(),
        origin in origins(),
        method in select(&["GET", "POST", "get", "TRACE", "P'T", "B AD"][..]),
        path in select(PATHS),
        settings in subsequence(&TlsOverride::ALL[1..], 0..=3),
        chance in chances(),
    ) {
        let judge = Judge::new(&policy);
        for record in records(&policy, &origin, method, path, &settings, &chance) {
            let line = serde_json::to_string(&AuditLine::Decision(record)).unwrap();
            let Ok(AuditLine::Decision(record)) = serde_json::from_str(&line) else {
                panic!("{line} is no decision");
            };
            let comparison = judge.compare(&record);
            prop_assert!(!matches!(comparison, Comparison::Changed(_)), "{comparison:?} {line}");
        }
    }
}
