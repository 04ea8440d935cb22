//! Which names a sandbox may look up, and what is recorded of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::*;
use crate::audit::{AuditLine, AuditLog, AuditSettings, AuditSink, LookupRecord, Verdict};
use crate::bounds::MAX_LOOKUPS;
use crate::hook::{DecisionHook, HookAnswer, HookError, HookRequest};
use sandbox_net_egress::{DnsFailure, EgressConfig, Machine, Resolve, Reuse, Roots, TlsConfig};
use sandbox_net_policy::{Budgets, DenyReason, Document, Endpoint, Mode, Policy, Rule};

/// A resolver that knows every name but `missing.test`, and answers when it is allowed to.
#[derive(Default)]
struct Names {
    asked: Mutex<Vec<String>>,
    holds: bool,
    go_on: Notify,
    /// Where names lead; by default to this machine.
    address: Option<IpAddr>,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        self.asked.lock().unwrap().push(name.to_owned());
        Box::pin(async move {
            if self.holds {
                self.go_on.notified().await;
            }
            match name {
                "missing.test" => Err(DnsFailure::NotFound),
                _ => Ok(vec![self.address.unwrap_or([127, 0, 0, 1].into())]),
            }
        })
    }
}

impl Names {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn document(rules: &str) -> Document {
    let mut document = Document::default();
    for rule in rules.split(';').map(str::trim).filter(|it| !it.is_empty()) {
        match rule.split_at(1) {
            ("!", rule) => document.deny.push(Rule::parse_deny(rule).unwrap()),
            ("?", rule) => document.ask.push(rule.parse().unwrap()),
            _ if rule == "report" => document.mode = Mode::Report,
            _ if rule == "ask" => document.mode = Mode::Ask,
            _ => document.allow.push(rule.parse().unwrap()),
        }
    }
    document
}

fn config(names: &Arc<Names>) -> EgressConfig {
    let mut config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    config.resolver = names.clone();
    config
}

fn gateway(names: &Arc<Names>, rules: &str) -> Gateway {
    Gateway::builder().build(document(rules).into(), config(names))
}

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

/// Looks a name up and waits for the result.
async fn lookup(gateway: &Gateway, name: &str) -> Result<(), EgressError> {
    match gateway.lookup(host(name))? {
        Looking::Done(_) => Ok(()),
        Looking::Asking(task) => task.await.map(drop),
    }
}

/// The relevant parts of a record: name, verdict, rule, reason, outcome.
fn told(record: &LookupRecord) -> (String, Verdict, String, Option<String>, Option<String>) {
    let reason = record.reason.map(|reason| reason.to_string());
    let (name, rule) = (record.name.clone(), record.rule.clone());
    (name, record.verdict, rule, reason, record.outcome.clone())
}

#[tokio::test]
async fn only_names_that_may_be_connected_to_are_asked_about_and_each_is_recorded() {
    for (rules, name, is_asked, expected) in [
        ("a.test", "a.test", true, Some("allow a.test found")),
        (
            "a.test:8080",
            "A.TEST.",
            true,
            Some("allow a.test:8080 found"),
        ),
        (
            "missing.test",
            "missing.test",
            true,
            Some("allow missing.test dns"),
        ),
        (
            "a.test",
            "b.test",
            false,
            Some("deny default-deny (no-rule)"),
        ),
        (
            "a.test; !a.test",
            "a.test",
            false,
            Some("deny a.test (deny-rule)"),
        ),
        (
            "report",
            "b.test",
            true,
            Some("report default-deny (no-rule) found"),
        ),
        ("?a.test", "a.test", false, Some("deny a.test (hook)")),
        ("ask", "a.test", false, Some("deny ask-mode (hook)")),
        ("localhost:80", "localhost", false, None),
        (
            "a.test",
            "localhost",
            false,
            Some("deny default-deny (no-rule)"),
        ),
        ("", "192.0.2.1", false, None),
    ] {
        let names = Arc::new(Names::default());
        let gateway = gateway(&names, rules);
        let result = lookup(&gateway, name).await;
        let canonical = host(name).to_string();
        let asked = if is_asked {
            vec![canonical.clone()]
        } else {
            vec![]
        };
        assert_eq!(names.asked(), asked, "{rules} {name}");
        let records: Vec<String> = (gateway.audit().lookups().iter())
            .map(|record| {
                let (name, verdict, rule, reason, outcome) = told(record);
                assert_eq!(name, canonical);
                let verdict = format!("{verdict:?}").to_lowercase();
                let reason = reason.map(|reason| format!("({reason})"));
                let parts = [Some(verdict), Some(rule), reason, outcome];
                parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            records,
            Vec::from_iter(expected.map(str::to_owned)),
            "{rules} {name}"
        );
        let is_denied = expected.is_some_and(|line| line.starts_with("deny"));
        assert_eq!(
            matches!(result, Err(EgressError::Denied(_))),
            is_denied,
            "{result:?}"
        );
        assert!(gateway.audit().decisions().is_empty());
        assert_eq!(gateway.audit().count(), 0);
    }
}

/// A hook that allows everything.
struct Willing;

impl DecisionHook for Willing {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        Ok(HookAnswer::allow())
    }
}

#[tokio::test]
async fn where_a_hook_has_a_say_no_name_server_is_asked_before_it() {
    for rules in ["a.test", "?a.test", "ask"] {
        let names = Arc::new(Names::default());
        let builder = Gateway::builder().hook(Arc::new(Willing), Duration::from_secs(9));
        let gateway = builder.build(document(rules).into(), config(&names));
        assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
        assert!(
            names.asked().is_empty() && gateway.audit().lookups().is_empty(),
            "{rules}"
        );
        // The connection sends the query.
        let connecting = gateway.connect(Endpoint::new("a.test", 80).unwrap(), None, Reuse::Close);
        let Err(error) = connecting.unwrap().await else {
            panic!("a public name leads to this machine");
        };
        assert!(
            matches!(error, EgressError::Denied(denial) if denial.reason == DenyReason::Address)
        );
        assert_eq!(names.asked(), ["a.test"]);
    }
}

#[tokio::test]
async fn a_connection_uses_what_its_lookup_found_and_its_rules_filter_it() {
    let names = Arc::new(Names::default());
    let gateway = gateway(&names, "a.test");
    assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
    for questions in [1, 2] {
        let connecting = gateway.connect(Endpoint::new("a.test", 80).unwrap(), None, Reuse::Close);
        let Err(EgressError::Denied(denial)) = connecting.unwrap().await else {
            panic!("a public name leads to this machine");
        };
        assert_eq!(denial.reason, DenyReason::Address);
        assert_eq!(names.asked().len(), questions);
    }
}

#[tokio::test]
async fn another_policy_drops_what_was_found_before() {
    let names = Arc::new(Names::default());
    let gateway = gateway(&names, "a.test");
    assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
    gateway
        .replace_policy(document("a.test; b.test").into())
        .unwrap();
    let connecting = gateway.connect(Endpoint::new("a.test", 80).unwrap(), None, Reuse::Close);
    assert!(connecting.unwrap().await.is_err());
    assert_eq!(names.asked().len(), 2);
}

#[tokio::test]
async fn a_bounded_number_of_lookups_goes_on_at_once_and_giving_one_up_makes_room() {
    let names = Arc::new(Names {
        holds: true,
        ..Names::default()
    });
    let gateway = gateway(&names, "any");
    let name = |number: usize| host(&format!("n{number}.test"));
    let mut open: Vec<_> = (0..MAX_LOOKUPS)
        .map(|number| gateway.lookup(name(number)).unwrap())
        .collect();
    let full = EgressError::Limit(Limit::LookupsAtOnce);
    assert_eq!(lookup(&gateway, "more.test").await, Err(full.clone()));
    // Dropping the task frees its place as soon as the runtime has handled it.
    open.pop();
    while gateway.shared.lookups.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    let _again = gateway.lookup(name(0)).unwrap();
    assert_eq!(lookup(&gateway, "more.test").await, Err(full));
    let records = gateway.audit().lookups();
    let of = |outcome: &str| {
        let found = records.iter().map(|it| it.outcome.as_deref());
        found.filter(|it| *it == Some(outcome)).count()
    };
    assert_eq!((of("asked"), of("closed")), (MAX_LOOKUPS, 1));
    let denied = records.iter().filter(|it| it.verdict == Verdict::Deny);
    let rules: Vec<_> = denied.map(|it| (&*it.rule, it.outcome.is_some())).collect();
    assert_eq!(rules, [("budget:lookups-at-once", false); 2]);
    let reached = records.iter().filter_map(|it| it.budget.as_ref());
    let reached: Vec<_> = reached.map(|it| (&*it.key, it.value, it.fixed)).collect();
    assert_eq!(reached, [("lookups_at_once", 256, true); 2]);
}

#[tokio::test(start_paused = true)]
async fn the_budgets_of_time_and_hosts_hold_for_lookups() {
    let names = Arc::new(Names::default());
    let document = Document {
        budgets: Budgets {
            hosts: Some(1),
            requests: Some(0),
            time: Some(Duration::from_secs(60)),
            ..Budgets::default()
        },
        ..document("any")
    };
    let gateway = Gateway::builder().build(document.into(), config(&names));
    // A looked-up name counts as a contacted host.
    assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
    let limit = EgressError::Limit(Limit::Hosts);
    assert_eq!(lookup(&gateway, "b.test").await, Err(limit.clone()));
    let connecting = |name| gateway.connect(Endpoint::new(name, 80).unwrap(), None, Reuse::Close);
    assert!(connecting("a.test").unwrap().await.is_err());
    assert_eq!(connecting("b.test").err(), Some(limit));
    assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
    tokio::time::advance(Duration::from_secs(61)).await;
    let time = EgressError::Limit(Limit::Time);
    assert_eq!(lookup(&gateway, "a.test").await, Err(time));
    assert_eq!(names.asked(), ["a.test", "a.test"]);
    let last = gateway.audit().lookups().pop().unwrap();
    assert_eq!((last.verdict, &*last.rule), (Verdict::Deny, "budget:time"));
}

#[tokio::test]
async fn names_that_are_asked_for_end_at_their_number_and_bytes_whichever_door_asks() {
    let with = |budgets| {
        let document = Document {
            budgets,
            ..document("any")
        };
        let names = Arc::new(Names::default());
        let gateway = Gateway::builder().build(document.into(), config(&names));
        (names, gateway)
    };
    let budgets = |lookups, bytes_up, bytes_down| Budgets {
        lookups,
        bytes_up,
        bytes_down,
        ..Budgets::default()
    };
    // Two queries of 18 bytes besides the name for each name.
    for (budgets, asked, limit) in [
        (budgets(Some(3), None, None), 3, Limit::Lookups),
        (budgets(None, Some(3 * 2 * 25), None), 3, Limit::BytesUp),
        (budgets(None, Some(3 * 2 * 25 - 1), None), 2, Limit::BytesUp),
        (budgets(Some(0), None, None), 0, Limit::Lookups),
        (budgets(None, Some(10), None), 0, Limit::BytesUp),
        // The answer exceeds the budget, and no more queries are sent.
        (budgets(None, None, Some(50)), 1, Limit::BytesDown),
    ] {
        for is_lookup in [true, false] {
            let (names, gateway) = with(budgets);
            let mut errors = Vec::new();
            for number in 0..5 {
                let name = format!("n{number}.test");
                let result = match is_lookup {
                    true => lookup(&gateway, &name).await,
                    false => {
                        let endpoint = Endpoint::new(&name, 80).unwrap();
                        match gateway.connect(endpoint, None, Reuse::Close) {
                            Ok(connecting) => connecting.await.map(drop),
                            Err(error) => Err(error),
                        }
                    }
                };
                errors.extend(result.err());
            }
            let is_limit = |error: &&EgressError| matches!(error, EgressError::Limit(_));
            let limited: Vec<_> = errors.iter().filter(is_limit).collect();
            assert_eq!(names.asked().len(), asked, "{budgets:?}");
            assert!(!limited.is_empty(), "{errors:?}");
            assert!(
                limited
                    .iter()
                    .all(|error| **error == EgressError::Limit(limit))
            );
        }
    }
}

#[tokio::test]
async fn where_too_much_was_denied_nothing_is_allowed_any_more() {
    for (most, is_over) in [(6, true), (7, false)] {
        let document = Document {
            budgets: Budgets {
                denials: Some(most),
                hosts: Some(1),
                ..Budgets::default()
            },
            ..document("a.test; b.test; *.c.test")
        };
        let names = Arc::new(Names::default());
        let gateway = Gateway::builder().build(document.into(), config(&names));
        let connect = |name: &str| {
            let endpoint = Endpoint::new(name, 80).unwrap();
            gateway.connect(endpoint, None, Reuse::Close).err()
        };
        assert_eq!(lookup(&gateway, "a.test").await, Ok(()));
        // A rule, a rule, no host, no request, a budget, a budget.
        assert!(lookup(&gateway, "denied.test").await.is_err());
        assert!(matches!(
            connect("denied.test"),
            Some(EgressError::Denied(_))
        ));
        gateway.malformed_lookup("a\nb");
        gateway.malformed(crate::audit::Stage::Connect, "a\nb:80", None);
        let hosts = EgressError::Limit(Limit::Hosts);
        assert_eq!(lookup(&gateway, "b.test").await, Err(hosts.clone()));
        assert_eq!(connect("b.test"), Some(hosts));

        let denials = is_over.then_some(EgressError::Limit(Limit::Denials));
        assert_eq!(lookup(&gateway, "a.test").await.err(), denials);
        assert_eq!(connect("a.test"), denials);
        if is_over {
            let record = gateway.audit().decisions().pop().unwrap();
            let expected = (Verdict::Deny, "budget:denials");
            assert_eq!((record.verdict, &*record.rule), expected);
        }
        // What a rule denies is refused the same way then.
        assert_eq!(is_over, connect("denied.test") == denials);
        assert_eq!(names.asked().len(), if is_over { 1 } else { 2 });
    }
}

#[tokio::test]
async fn what_leads_to_this_machine_is_denied_unless_its_rule_names_the_address() {
    // Only the machine of the tests has this address: it is denied before it is dialled.
    let own: IpAddr = [93, 184, 216, 34].into();
    for (rules, target) in [
        ("a.test", "a.test"),
        ("any", "a.test"),
        ("any", "93.184.216.34"),
    ] {
        let names = Arc::new(Names {
            address: Some(own),
            ..Names::default()
        });
        let machine = Machine::new(move |address| address == own);
        let builder = Gateway::builder().machine(machine);
        let gateway = builder.build(document(rules).into(), config(&names));
        let endpoint = Endpoint::new(target, 80).unwrap();
        let connecting = gateway.connect(endpoint, None, Reuse::Close);
        let Err(EgressError::Denied(denial)) = connecting.unwrap().await else {
            panic!("{rules} {target}");
        };
        assert_eq!(denial.reason, DenyReason::Address);
        let record = gateway.audit().decisions().pop().unwrap();
        assert_eq!(record.reason, Some(DenyReason::Address.into()));
        assert_eq!(record.verdict, Verdict::Deny);
    }
}

/// A sink that is a function.
struct Sink<F>(F);

impl<F: Fn() -> std::io::Result<()> + Send + Sync> AuditSink for Sink<F> {
    fn write(&self, _: &AuditLine) -> std::io::Result<()> {
        (self.0)()
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_asked() {
    let names = Arc::new(Names::default());
    let full = || Err(std::io::ErrorKind::StorageFull.into());
    let audit = AuditLog::with(AuditSettings {
        sinks: vec![Arc::new(Sink(full))],
        ..AuditSettings::default()
    });
    let policy = Policy::from(document("a.test"));
    let gateway = Gateway::new(policy, config(&names), audit);
    for _ in 0..2 {
        let Err(EgressError::Denied(denial)) = lookup(&gateway, "a.test").await else {
            panic!("it was done without a record");
        };
        assert_eq!(denial.reason, DenyReason::Audit);
    }
    assert_eq!(names.asked(), [""; 0]);
    let told: Vec<_> = gateway.audit().lookups().iter().map(told).collect();
    let one = |it: &(String, Verdict, String, Option<String>, Option<String>)| {
        (it.1, it.3.as_deref() == Some("audit"), it.4.is_none())
    };
    assert!(
        told.iter().all(|it| one(it) == (Verdict::Deny, true, true)),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_a_sink_does_not_have_yet_is_not_asked_and_the_call_returns_all_the_same() {
    let (open, shut) = std::sync::mpsc::channel::<()>();
    let shut = Mutex::new(shut);
    let wait = move || shut.lock().unwrap().recv().or(Ok(()));
    let names = Arc::new(Names::default());
    let audit = AuditLog::with(AuditSettings {
        sinks: vec![Arc::new(Sink(wait))],
        ..AuditSettings::default()
    });
    let gateway = Gateway::new(Policy::from(document("a.test")), config(&names), audit);
    let Ok(Looking::Asking(task)) = gateway.lookup(host("a.test")) else {
        panic!("asked");
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(names.asked(), [""; 0]);
    drop(open);
    assert_eq!(task.await.map(drop), Ok(()));
    assert_eq!(names.asked(), ["a.test"]);
}

#[tokio::test]
async fn a_host_with_two_readings_is_recorded_as_far_as_it_is_short() {
    let gateway = gateway(&Arc::new(Names::default()), "any");
    gateway.malformed_lookup("a\nb");
    gateway.malformed_lookup(&"x".repeat(100_000));
    let records = gateway.audit().lookups();
    assert_eq!(records[0].name, "a\\nb");
    assert!(records[1].name.len() < 3000 && records[1].name.ends_with('…'));
    assert_eq!(records[1].reason, Some(DenyReason::Malformed.into()));
}
