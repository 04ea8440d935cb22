//! SDKs, unmodified from PyPI, against fakes of their APIs: the programs print the same as natively,
//! and the servers receive the same requests.

mod models;
mod payments;
mod table;
mod words;

use std::io::Read as _;

use flate2::read::GzDecoder;
use sandbox_net::Sandbox;
use sandbox_net_tests::{
    Api, ApiRequest, ApiServer, LIMIT, Report, S3Server, TestCa, native_python_with, run,
    run_natively,
};
use serde_json::Value;

/// SDKs that share an environment.
const TOGETHER: &[&str] = &[
    "stripe",
    "slack_sdk",
    "aiohttp",
    "elasticsearch",
    "boto3",
    "notion-client",
    "twilio",
];

/// The newest release without machine code; it needs an older `httpx` than it declares.
const OPENAI: &[&str] = &["openai==1.35.0", "pydantic<2", "httpx<0.28"];

const AGENTS: &[&str] = &["smolagents", "huggingface_hub"];

/// How often the same request came before.
fn asked_before(request: &ApiRequest, before: &[ApiRequest]) -> usize {
    let is_same = |known: &&ApiRequest| {
        (&known.method, &known.target, &known.body)
            == (&request.method, &request.target, &request.body)
    };
    before.iter().filter(is_same).count()
}

/// The value of a parameter in a query or a form, as written; empty if it is missing.
fn parameter(text: &str, name: &str) -> String {
    let text = text.split_once('?').map_or(text, |(_, query)| query);
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(known, _)| *known == name);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// The body without its coding, because compressors may write the time into it.
fn plain(request: &ApiRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    match request.field("content-encoding") {
        Some("gzip") => {
            let read = GzDecoder::new(&request.body[..]).read_to_end(&mut bytes);
            read.expect("a compressed body");
            bytes
        }
        _ => request.body.to_vec(),
    }
}

/// The parts of a request that must be equal: versions of Python and of the system differ, and the
/// boundary of a form is random.
fn essence(request: &ApiRequest) -> String {
    let names: Vec<&str> = request
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let body = match request.field("content-type") {
        Some(kind) if kind.starts_with("multipart/") => format!("{} bytes", request.body.len()),
        _ => plain(request).escape_ascii().to_string(),
    };
    let ApiRequest { method, target, .. } = request;
    format!("{method} {target}\n{names:?}\n{body}")
}

/// What a program prints in a sandbox that may use `origin`.
async fn inside(program: &str, packages: &[&'static str], ca: &TestCa, origin: &str) -> Report {
    let sandbox = Sandbox::builder()
        .trust_ca_pem(ca.root_pem())
        .allow(origin)
        .time_limit(LIMIT)
        .arg(origin);
    let sandbox = packages
        .iter()
        .fold(sandbox, |sandbox, package| sandbox.with_package(*package));
    run(&sandbox.build().await.expect("a sandbox"), program)
        .await
        .0
}

fn assert_equal(what: &str, inside: &Report, outside: &Report) {
    let faults: Vec<String> = inside
        .lines
        .iter()
        .zip(&outside.lines)
        .filter(|(ours, theirs)| ours != theirs)
        .map(|(ours, theirs)| format!("sandbox: {ours}\nnative:  {theirs}"))
        .collect();
    assert!(faults.is_empty(), "{what}\n{}", faults.join("\n"));
    assert_eq!(inside.lines.len(), outside.lines.len(), "{what}");
    let failed = |line: &&Value| line.get("result").is_none() && line["case"] != "missing";
    let failed = outside
        .lines
        .iter()
        .find(|line| failed(line) && line["case"] != "error");
    assert_eq!(failed, None, "{what}: natively");
}

/// Runs an SDK's program on both sides.
async fn shows(program: &str, packages: &'static [&'static str], api: Api) {
    let Some(python) = native_python_with(packages).await else {
        return;
    };
    table::assert_version(program, &python);
    let ca = TestCa::new("sandbox-net tests");
    let server = ApiServer::plain(api).await;
    let program = format!("sdks/{program}");
    let arguments = [server.origin().to_owned()];
    let outside = run_natively(&python, &ca, &program, arguments).await;
    let theirs: Vec<String> = server.take_requests().iter().map(essence).collect();
    let inside = inside(&program, packages, &ca, server.origin()).await;
    let ours: Vec<String> = server.take_requests().iter().map(essence).collect();
    assert_equal(&program, &inside, &outside);
    for request in &theirs {
        let count = |all: &[String]| all.iter().filter(|one| *one == request).count();
        assert_eq!(count(&ours), count(&theirs), "{request}\n{ours:#?}");
    }
    assert_eq!(ours.len(), theirs.len(), "{ours:#?}");
    assert!(!ours.is_empty(), "{program} asked nothing");
}

macro_rules! sdks {
    ($($test:ident: $program:literal, $packages:expr, $api:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            shows($program, $packages, $api).await;
        }
    )*};
}

sdks! {
    stripe_does_what_it_does_natively: "with_stripe.py", TOGETHER, payments::stripe;
    twilio_does_what_it_does_natively: "with_twilio.py", TOGETHER, payments::twilio;
    slack_sdk_does_what_it_does_natively: "with_slack_sdk.py", TOGETHER, words::slack;
    notion_client_does_what_it_does_natively: "with_notion_client.py", TOGETHER, words::notion;
    elasticsearch_does_what_it_does_natively:
        "with_elasticsearch.py", TOGETHER, words::elasticsearch;
    openai_does_what_it_does_natively: "with_openai.py", OPENAI, models::openai;
    huggingface_hub_does_what_it_does_natively:
        "with_huggingface_hub.py", AGENTS, models::hub;
    an_agent_of_smolagents_does_what_it_does_natively:
        "with_smolagents.py", AGENTS, models::openai;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_moves_files_with_threads_as_it_does_natively() {
    let Some(python) = native_python_with(TOGETHER).await else {
        return;
    };
    let ca = TestCa::new("sandbox-net tests");
    let program = "sdks/with_boto3.py";
    table::assert_version(program, &python);
    let (first, second) = (S3Server::plain().await, S3Server::plain().await);
    let outside = run_natively(&python, &ca, program, [first.origin()]).await;
    let inside = inside(program, TOGETHER, &ca, &second.origin()).await;
    assert_equal(program, &inside, &outside);
    assert_eq!((first.refused(), second.refused()), (vec![], vec![]));
    assert_eq!(first.versions().len(), second.versions().len());
}
