//! Runs a row: the attack under its rules in every place where a program runs, then its control.

use std::collections::BTreeSet;
use std::sync::Mutex;

use sandbox_net::policy::DenyReason;
use sandbox_net::{DecisionRecord, Sandbox, Verdict};
use sandbox_net_tests::{Native, Place, Report};
use serde_json::{Value, json};

use crate::program;
use crate::row::{Name, Refusal, Row};
use crate::world::{World, document};

/// One run of an attack.
pub struct Run {
    report: Report,
    decisions: Vec<DecisionRecord>,
    records: Vec<String>,
}

impl Run {
    /// The report about the case.
    pub fn line(&self, case: &str) -> &Value {
        let line = self.report.lines.iter().find(|line| line["case"] == case);
        line.unwrap_or(&Value::Null)
    }

    /// Whether one of the attack's exceptions has this type.
    fn raised(&self, kind: &str, text: &str) -> bool {
        let errors = self.line("attack")["errors"].as_array();
        errors.into_iter().flatten().any(|error| {
            error["type"] == kind && error["text"].as_str().is_some_and(|t| t.contains(text))
        })
    }

    fn recorded(&self, reason: DenyReason) -> bool {
        let denied = |one: &&DecisionRecord| one.verdict == Verdict::Deny;
        let mut denied = self.decisions.iter().filter(denied);
        denied.any(|one| one.reason == Some(reason.into()))
    }

    fn is_refused(&self, refusal: Refusal) -> bool {
        let reason = |reason: DenyReason| format!("reason {reason}");
        match refusal {
            Refusal::Denied(why) => {
                self.raised("PermissionError", &reason(why)) && self.recorded(why)
            }
            Refusal::DeniedAs(kind, why) => {
                self.raised(kind, &why.to_string()) && self.recorded(why)
            }
            Refusal::Invalid => {
                let errors = self.line("attack")["errors"].as_array();
                let invalid = |error: &Value| error["errno"] == "EINVAL";
                errors.is_some_and(|errors| errors.iter().any(invalid))
            }
            Refusal::NotCarried => self.raised("OSError", "sandbox-net: "),
            Refusal::Raised(kind) => self.raised(kind, ""),
            Refusal::Harmless => !self.line("attack")["result"].is_null(),
        }
    }
}

/// Runs the row.
///
/// # Errors
///
/// What is wrong, with everything that was observed.
pub async fn check(row: &'static Row) -> Result<(), String> {
    deny(row).await?;
    control(row).await
}

/// The attack in every place. The log has the same of each, and the program sees the same.
async fn deny(row: &Row) -> Result<(), String> {
    let world = World::start(row.names).await;
    let mut first: Option<Run> = None;
    for place in Place::ALL {
        world.dns.forget();
        let run = in_sandbox(place, &world, row, row.attack, row.rules, row.good).await;
        let mut faults = faults(&world, row, &run).await;
        if let Some(first) = &first {
            let (here, there) = (run.line("attack"), first.line("attack"));
            if here != there {
                faults.push(format!("it is told {here}, and in a run {there}"));
            }
            let (here, there) = (&run.records, &first.records);
            if here != there {
                faults.push(format!("the log has {here:#?}, and of a run {there:#?}"));
            }
        }
        if !faults.is_empty() {
            return Err(format!(
                "{place:?}: {}\n{}decisions: {:#?}\n{}",
                faults.join("; "),
                run.report,
                run.decisions,
                world.describe().await
            ));
        }
        first.get_or_insert(run);
    }
    Ok(())
}

/// What is wrong with a run of the attack.
async fn faults(world: &World, row: &Row, run: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    if run.line("good")["result"] != json!(200) {
        faults.push("the good request did not work".to_owned());
    }
    if !run.is_refused(row.refusal) {
        faults.push(format!("the attack was not refused as {:?}", row.refusal));
    }
    match world.count(row.trace).await {
        0 => {}
        count => faults.push(format!("REACHED: {:?} was left {count} times", row.trace)),
    }
    let questions = world.dns.questions().await;
    let strange = |name: &str| !row.asked.contains(&name);
    if let Some(question) = questions.iter().find(|one| strange(&one.name)) {
        faults.push(format!("the name {} was asked for", question.name));
    }
    faults
}

/// The controls that have worked: rows share some, and one run of each is enough.
static SHOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn is_shown(key: &str) -> bool {
    SHOWN.lock().is_ok_and(|shown| shown.contains(key))
}

async fn control(row: &Row) -> Result<(), String> {
    let names = row.control.names.unwrap_or(row.names);
    let attack = row.control.attack.unwrap_or(row.attack);
    let run = (attack, row.control.rules, names, row.env, row.trace);
    let key = format!("{run:?}");
    if !is_shown(&key) {
        works(row, names, attack, Place::Run).await?;
        SHOWN.lock().expect("the list").insert(key);
    }
    if row.control.rules.is_none() {
        return Ok(());
    }
    // Each kind of attack works once in every place.
    for place in Place::ALL.into_iter().skip(1) {
        let key = format!("{} {place:?}", attack[0]);
        if !is_shown(&key) {
            works(row, names, attack, place).await?;
            SHOWN.lock().expect("the list").insert(key);
        }
    }
    Ok(())
}

/// Runs the control, natively if it has no rules; it leaves its trace.
async fn works(row: &Row, names: &[Name], attack: &[&str], place: Place) -> Result<(), String> {
    let world = World::start(names).await;
    let run = match row.control.rules {
        Some(rules) => in_sandbox(place, &world, row, attack, rules, "127.0.0.1").await,
        None => natively(&world, row, attack).await,
    };
    let good = run.line("good")["result"] == json!(200);
    if good && world.count(row.trace).await > 0 {
        return Ok(());
    }
    Err(format!(
        "{place:?}: the control did not leave {:?}\n{}decisions: {:#?}\n{}",
        row.trace,
        run.report,
        run.decisions,
        world.describe().await
    ))
}

/// The attack as the program's argument.
fn argument(world: &World, attack: &[&str]) -> String {
    let texts: Vec<_> = attack.iter().map(|text| world.fill(text)).collect();
    json!(texts).to_string()
}

/// Runs an attack in a sandbox with these rules, in which `host` is the good server's.
pub async fn in_sandbox(
    place: Place,
    world: &World,
    row: &Row,
    attack: &[&str],
    rules: &[&str],
    host: &str,
) -> Run {
    let good = world.good.origin_as(host);
    let rules = rules.iter().map(|rule| world.fill(rule));
    let mut builder = Sandbox::builder()
        .policy(document(rules))
        .allow(good.as_str())
        .arg(argument(world, attack))
        .arg(good)
        .trust_ca_pem(world.ca.root_pem())
        .dns_servers([world.dns.address()]);
    for (name, value) in row.env {
        builder = builder.env(*name, world.fill(value));
    }
    let program = program::everywhere().await;
    let program = match ["requests", "unverified"].contains(&attack[0]) {
        true => program.packages(&["requests"]),
        false => program,
    };
    let ended = place.run(builder, &program).await;
    Run {
        report: ended.report(),
        records: ended.records(),
        decisions: ended.decisions,
    }
}

/// Runs an attack on the machine's own Python.
pub async fn natively(world: &World, row: &Row, attack: &[&str]) -> Run {
    let good = world.good.origin();
    let mut native = Native::new(program::FILE, [argument(world, attack), good]);
    for (name, value) in row.env {
        native = native.env(name, &world.fill(value));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let pem = directory.path().join("ca.pem");
    std::fs::write(&pem, world.ca.root_pem()).expect("a file");
    let report = native.trust(&pem).run().await;
    Run {
        report,
        decisions: Vec::new(),
        records: Vec::new(),
    }
}
