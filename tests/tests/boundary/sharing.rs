//! Runs of one sandbox at the same time share nothing by accident.

use std::path::PathBuf;

use sandbox_net::policy::Document;
use sandbox_net::{Outcome, Sandbox, Script, Stdin};
use sandbox_net_tests::HttpServer;
use serde_json::json;
use tempfile::TempDir;

/// Scripts of the host, each in a directory of its own: name, content.
fn scripts<const N: usize>(files: [(&str, &str); N]) -> (TempDir, [PathBuf; N]) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = files.map(|(name, content)| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, content).expect("a script");
        path
    });
    (directory, paths)
}

async fn sandbox() -> Sandbox {
    Sandbox::builder().build().await.expect("a sandbox")
}

async fn run(sandbox: &Sandbox, script: impl Into<Script>) -> Outcome {
    sandbox.run(script).await.expect("a run")
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_the_same_name_at_once_are_each_their_own() {
    let (_directory, paths) = scripts([
        ("a/agent.py", "print('the first'); raise SystemExit(1)"),
        ("b/agent.py", "print('the second'); raise SystemExit(2)"),
    ]);
    let sandbox = sandbox().await;
    let runs = (0..12).map(|number| {
        let script = Script::path(&paths[number % 2]);
        async { run(&sandbox, script).await }
    });
    let outcomes = futures_util::future::join_all(runs).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        let expected = [("the first\n", 1), ("the second\n", 2)][number % 2];
        assert_eq!(
            (&*outcome.stdout_text(), outcome.exit_code()),
            expected,
            "run {number}"
        );
        assert_eq!(outcome.stderr_text(), "");
    }
}

#[tokio::test]
async fn a_script_sees_itself_and_no_other() {
    let code = "
import json, os, sys
facts = [__file__, sys.argv[0], sorted(os.listdir('/run')), os.getcwd()]
for attempt in [
    lambda: open('/run/agent.py', 'a'), lambda: open('/run/other.py', 'w'),
    lambda: os.mkdir('/run/new'), lambda: os.unlink('/run/agent.py'),
    lambda: os.rename('/run/agent.py', '/home/agent.py'),
    lambda: os.symlink('agent.py', '/run/link'), lambda: os.link('/run/agent.py', '/home/link.py'),
]:
    try:
        attempt()
    except OSError:
        facts.append('refused')
facts.append(open(__file__).read().count('facts') > 0)
print(json.dumps(facts))
";
    let (_directory, [script, other]) = scripts([("agent.py", code), ("other.py", "print(2)")]);
    let sandbox = sandbox().await;
    for _ in 0..2 {
        assert_eq!(
            run(&sandbox, Script::path(&other)).await.stdout_text(),
            "2\n"
        );
        let outcome = run(&sandbox, Script::path(&script)).await;
        let facts: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
        let refused = "refused";
        let expected = json!([
            "/run/agent.py",
            "/run/agent.py",
            ["agent.py"],
            "/home",
            refused,
            refused,
            refused,
            refused,
            refused,
            refused,
            refused,
            true
        ]);
        assert_eq!(facts, expected, "{}", outcome.stderr_text());
    }
}

/// What an earlier guest prepares for the script `one.py` of a later run.
const PREPARATIONS: [&str; 7] = [
    "os.makedirs('/run/one.py')",
    "os.makedirs('/run'); open('/run/one.py', 'w').write('print(\"the guest\")')",
    "os.makedirs('/run'); os.symlink('../home/other.py', '/run/one.py')",
    "os.symlink('home', '/run')",
    "open('/run', 'w').close()",
    "os.chdir('/'); os.makedirs('run/one.py')",
    "os.makedirs('/home/../run/one.py')",
];

#[tokio::test]
async fn nothing_that_a_guest_prepares_decides_what_a_later_run_executes() {
    let (_directory, [script]) = scripts([("one.py", "print('the host')")]);
    for preparation in PREPARATIONS {
        let sandbox = sandbox().await;
        let guest = "import os; open('/home/other.py', 'w').write('print(\"the guest\")'); ";
        // In a run with a script, and in one without.
        let outcome = run(&sandbox, format!("{guest}{preparation}")).await;
        assert_eq!(
            outcome.exit_code(),
            0,
            "{preparation}: {}",
            outcome.stderr_text()
        );
        let (_other, [preparing]) = scripts([("one.py", &format!("{guest}{preparation}"))]);
        run(&sandbox, Script::path(&preparing)).await;

        let fork = sandbox.fork().await.expect("a fork");
        for sandbox in [&sandbox, &fork] {
            let outcome = run(sandbox, Script::path(&script)).await;
            let text = (outcome.stdout_text(), outcome.stderr_text());
            assert_eq!(text, ("the host\n".into(), "".into()), "{preparation}");
        }
    }
}

#[tokio::test]
async fn the_host_is_told_that_scripts_have_their_own_place() {
    let sandbox = sandbox().await;
    for path in ["/run/helper.py", "/run"] {
        let written = sandbox
            .write_file(path, "x")
            .await
            .expect_err("it is refused");
        let read = sandbox.read_file(path).await.expect_err("it is refused");
        for error in [written, read] {
            let message = error.to_string();
            assert!(message.contains("use another, such as /home"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
    // A script imports from its working directory.
    let written = sandbox
        .write_file("/home/helper.py", "print('found')")
        .await;
    written.expect("a file");
    let (_directory, [script]) = scripts([("a.py", "import helper")]);
    assert_eq!(
        run(&sandbox, Script::path(script)).await.stdout_text(),
        "found\n"
    );
}

/// A run that lasts while others run: it begins, and ends when it is told to.
const WAITING: &str = "
import os, sys, time
name = sys.argv[0].removesuffix('.py').rpartition('/')[2]
print('begun by', name)
print('error of', name, file=sys.stderr)
open(f'/tmp/new-{name}', 'w').write(name)
os.rename(f'/tmp/new-{name}', f'/tmp/{name}')
other = {'one': 'two', 'two': 'one'}[name]
while not os.path.exists(f'/tmp/{other}'):
    time.sleep(0.01)
print('read', open(f'/tmp/{other}').read(), 'and', os.environ['SHARED'])
raise SystemExit({'one': 1, 'two': 2}[name])
";

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_once_have_files_and_variables_together_and_output_apart() {
    let (_directory, [one, two]) = scripts([("one.py", WAITING), ("two.py", WAITING)]);
    let sandbox = Sandbox::builder()
        .env("SHARED", "a variable")
        .stdin(Stdin::Empty);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (one, two) = (Script::path(one), Script::path(two));
    let (one, two) = tokio::join!(run(&sandbox, one), run(&sandbox, two));
    for (outcome, name, other, code) in [(one, "one", "two", 1), (two, "two", "one", 2)] {
        let stdout = format!("begun by {name}\nread {other} and a variable\n");
        assert_eq!(outcome.stdout_text(), stdout, "{}", outcome.stderr_text());
        assert_eq!(outcome.stderr_text(), format!("error of {name}\n"));
        assert_eq!(outcome.exit_code(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_once_have_records_apart_and_budgets_together() {
    let server = HttpServer::plain().await;
    let policy = format!(
        "version = 1\nallow = {}\n[budgets]\nrequests = 3\n[end]\n",
        json!([server.origin()])
    );
    let sandbox = Sandbox::builder()
        .policy(Document::parse(&policy).expect("a policy"))
        .arg(server.origin())
        .build()
        .await
        .expect("a sandbox");
    let asking = |path: &str| {
        format!(
            "
import sys, urllib.request, urllib.error
for _ in range(2):
    try:
        print(urllib.request.urlopen(sys.argv[1] + '/get?{path}').status)
    except OSError as error:
        print(type(error).__name__)
"
        )
    };
    let (one, two) = tokio::join!(run(&sandbox, asking("one")), run(&sandbox, asking("two")));
    let records = [(&one, "one"), (&two, "two")].map(|(outcome, name)| {
        assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
        // Each run records its own requests, and all of them.
        assert_eq!(outcome.stdout_text().lines().count(), 2, "{name}");
        outcome.exchanges.len()
    });
    let requests = server.requests();
    assert_eq!(
        (requests.len(), records[0] + records[1]),
        (3, 3),
        "the budget is for both"
    );
    for (outcome, name) in [(&one, "one"), (&two, "two")] {
        let made = requests
            .iter()
            .filter(|it| it.target.ends_with(name))
            .count();
        assert_eq!(outcome.exchanges.len(), made, "{name}");
    }
}
