//! Frames that no shim would send each get an error, and the next valid request works, wherever the program
//! runs.

use std::sync::OnceLock;

use sandbox_net::Sandbox;
use sandbox_net_tests::{Check, Place, Program, Report, Servers, Trials, block_on};
use serde_json::json;

// The codes of errors in `adapter/FRAMES.md`.
const DENIED: &str = "error 1";
const CLOSED: &str = "error 10";
const INVALID: &str = "error 11";
const FRAME: &str = "error 128";
const VERSION: &str = "error 129";
const COMMAND: &str = "error 130";
const HANDLE: &str = "error 131";
const SIZE: &str = "error 133";

/// Cases that begin with a prefix, and the outcomes that each may have.
type Row = (&'static str, &'static [&'static str]);

#[rustfmt::skip] // one row a line
const FRAMES: &[Row] = &[
    ("frame of ", &[FRAME]),
    ("longer than announced", &[FRAME]),
    ("shorter than announced", &[FRAME]),
    ("length 0x", &[FRAME]),
    ("version ", &[VERSION]),
    ("command 0", &[COMMAND]),
    ("command 13", &[COMMAND]),
    ("command 128", &[COMMAND]),
    ("command 255", &[COMMAND]),
    ("flags", &[FRAME]),
    ("too large a payload", &[SIZE]),
    ("text", &[FRAME, VERSION]),
    ("command 2 on", &[HANDLE]),
    ("command 3 on", &[HANDLE]),
    ("command 4 on", &[HANDLE]),
    ("command 5 on", &[HANDLE]),
    ("command 6 on", &[HANDLE]),
    ("command 7 on", &[HANDLE]),
    ("command 8 on", &[HANDLE]),
    ("command 9 on", &[HANDLE]),
    ("command 11 on", &[HANDLE]),
    ("poll of 0xdeadbeef", &[HANDLE]),
    ("a handle of another kind", &[HANDLE]),
    ("a stale handle", &["False error 131 ok ok ok"]),
    ("closed twice", &["ok error 131 ok error 131"]),
    ("an exchange after its connection", &["error 10 ok"]),
    ("second head", &["200 error 10"]),
    ("read before the head", &[INVALID]),
    ("read after the end", &["ok 0"]),
    ("read of nothing", &[FRAME, INVALID]),
    ("second request before", &[INVALID]),
    ("body of a request without one", &["error 11 error 11"]),
    ("finish twice", &["ok error 10"]),
    ("finish before", &[INVALID]),
    // Either none of the excess is taken, or only the announced part.
    ("more than announced", &[INVALID, CLOSED, "True ok"]),
    ("in pieces", &[HANDLE]),
    ("unread reply", &[COMMAND]),
    ("os.write", &[HANDLE]),
    ("reply read in part", &["error 130 0"]),
    (
        "too many connections",
        &["error 9 ['ok']", "error 132 ['ok']"],
    ),
    ("fd -3 ", &["EBADF"]),
    ("fd -1 ", &["EBADF"]),
    ("fd 2**31-1", &["EBADF"]),
    ("fd 2**32-2", &["OverflowError"]),
    ("truncate", &["True"]),
    ("seek", &["True"]),
];

#[rustfmt::skip] // one row a line
const PAYLOADS: &[Row] = &[
    ("connect: port", &[INVALID, FRAME]),
    ("connect: no host", &[INVALID, FRAME]),
    // A malformed host is invalid, or no rule allows it.
    ("connect: host ", &[INVALID, DENIED, FRAME]),
    ("connect: half a timeout", &[FRAME]),
    ("connect: denied", &[DENIED]),
    ("request: nothing", &[FRAME]),
    ("request: half a head", &[FRAME]),
    ("request: more than a head", &[FRAME]),
    ("request: too many fields", &[FRAME]),
    ("request: method longer", &[FRAME]),
    ("request: path longer", &[FRAME]),
    ("request: empty", &[INVALID]),
    ("request: method with", &[INVALID]),
    ("request: path with", &[INVALID]),
    ("request: full url", &[INVALID, DENIED]),
    ("request: field ", &[INVALID]),
    ("request: framing field", &[DENIED]),
    ("request: other host", &[DENIED]),
    ("request: upgrade", &[DENIED]),
    ("request: CONNECT", &[DENIED, INVALID]),
    ("request: 60,000 fields", &["error 9", SIZE]),
    ("request: body kind", &[FRAME, INVALID]),
    ("start-tls: nothing", &[FRAME]),
    ("start-tls: name longer", &[FRAME]),
    ("start-tls: a byte too many", &[FRAME]),
    ("start-tls: broken alpn", &[FRAME]),
    ("start-tls: empty alpn", &[FRAME]),
    ("start-tls: roots that are not there", &[FRAME]),
    ("start-tls: certificates without a key", &[FRAME]),
    ("start-tls: a key without certificates", &[FRAME]),
    ("start-tls: settings 3", &[FRAME]),
    ("start-tls: settings 7", &[FRAME]),
    ("start-tls: settings 11", &[FRAME]),
    ("start-tls: settings 24", &[FRAME]),
    ("start-tls: settings 29", &[FRAME]),
    ("start-tls: settings 128", &[FRAME]),
    ("start-tls: another name", &[DENIED]),
    ("start-tls: roots that are none", &[INVALID]),
    ("start-tls: too many roots", &[INVALID]),
    ("start-tls: a certificate that is none", &[INVALID]),
    ("start-tls: unverified", &[DENIED]),
    ("tls-info without tls", &[CLOSED]),
    ("poll: nothing", &[FRAME]),
    ("poll: no entry and no timeout", &[FRAME]),
    ("poll: an entry without an interest", &[FRAME]),
    ("poll: half an entry", &[FRAME]),
    ("poll: the body of a connection", &[HANDLE]),
    ("poll: 5,000 entries", &[FRAME, SIZE, HANDLE]),
];

/// The results of a program in one place.
struct Seen {
    place: Place,
    report: Report,
    /// How often the server was reached that no rule allows.
    forbidden: usize,
    /// The targets of the requests that reached the good server.
    targets: Vec<String>,
}

/// What a program did everywhere, which all rows about it share.
struct Shared {
    program: &'static str,
    seen: OnceLock<Vec<Seen>>,
}

impl Shared {
    const fn new(program: &'static str) -> Self {
        Self {
            program,
            seen: OnceLock::new(),
        }
    }

    fn seen(&self) -> &[Seen] {
        self.seen.get_or_init(|| block_on(everywhere(self.program)))
    }
}

static SENT_FRAMES: Shared = Shared::new("control_channel.py");
static SENT_PAYLOADS: Shared = Shared::new("control_payloads.py");

async fn everywhere(program: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    for place in Place::ALL {
        all.push(run_once(place, program).await);
    }
    all
}

async fn run_once(place: Place, program: &str) -> Seen {
    let servers = Servers::start().await;
    let builder = Sandbox::builder()
        .allow(servers.http.origin())
        .arg(servers.http.origin())
        .arg(servers.forbidden.origin());
    let ended = place.run(builder, &Program::new(program)).await;
    Seen {
        place,
        report: ended.report(),
        forbidden: servers.forbidden.connections().await,
        targets: servers
            .http
            .requests()
            .into_iter()
            .map(|one| one.target)
            .collect(),
    }
}

/// Checks that every case that begins with `prefix` had one of `outcomes` and that the channel
/// stayed usable.
fn assert_all(seen: &Seen, prefix: &str, outcomes: &[&str]) {
    let Seen { place, report, .. } = seen;
    let mut count = 0;
    for line in &report.lines {
        let case = line["case"].as_str().expect("a name");
        if case.starts_with(prefix) {
            let result = report.result(case);
            let outcome = result[0].as_str().unwrap_or_default();
            assert!(
                outcomes.contains(&outcome),
                "{place:?}: {case}: {outcome} is none of {outcomes:?}"
            );
            assert_eq!(
                result[1],
                json!(true),
                "{place:?}: a good request after {case}"
            );
            count += 1;
        }
    }
    assert!(count > 0, "{place:?}: no case begins with {prefix}");
}

fn no_other_server_is_reached(seen: &Seen) {
    assert_eq!(seen.forbidden, 0);
}

fn the_channel_works_before_between_and_after(seen: &Seen) {
    let report = &seen.report;
    assert_eq!(report.result("read before a frame"), &json!("EAGAIN"));
    assert_eq!(report.result("good"), &json!(true));
    let random = report.result("random frames");
    assert_eq!(random[1], json!(true), "a good request after random frames");
    assert!(random[0]["error"].as_u64() > Some(390), "{random}");
    assert_eq!(report.result("after os.close"), &json!(true));
}

fn only_good_requests_are_sent(seen: &Seen) {
    let is_good = |target: &String| target == "/all-bytes";
    assert!(
        seen.targets.iter().all(is_good),
        "only good requests were sent"
    );
}

/// A check with its name.
type Named = (&'static str, fn(&Seen));

/// A test for each row, and one for each of `others`.
fn tests(
    shared: &'static Shared,
    rows: &'static [Row],
    others: &'static [Named],
) -> Vec<(String, Check)> {
    let rows = rows.iter().map(|(prefix, outcomes)| {
        let check: Check = Box::new(|| {
            for seen in shared.seen() {
                assert_all(seen, prefix, outcomes);
            }
        });
        ((*prefix).to_owned(), check)
    });
    let others = others.iter().map(move |(name, other)| {
        let check: Check = Box::new(move || shared.seen().iter().for_each(*other));
        ((*name).to_owned(), check)
    });
    rows.chain(others).collect()
}

fn main() {
    let mut trials = Trials::new();
    trials.rows_of_one_run(
        "frames_that_make_no_sense_get_an_error_and_disturb_nothing",
        tests(
            &SENT_FRAMES,
            FRAMES,
            &[
                ("no other server is reached", no_other_server_is_reached),
                (
                    "the channel works before, between and after",
                    the_channel_works_before_between_and_after,
                ),
            ],
        ),
    );
    trials.rows_of_one_run(
        "payloads_that_make_no_sense_get_an_error_and_send_nothing",
        tests(
            &SENT_PAYLOADS,
            PAYLOADS,
            &[
                ("no other server is reached", no_other_server_is_reached),
                ("only good requests are sent", only_good_requests_are_sent),
            ],
        ),
    );
    trials.run();
}
