//! The API without `async` does the same, from any thread.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use sandbox_net::{
    Error, Exit, HookAnswer, HookError, HookRequest, Output, RunOptions, Sandbox, Stdin, blocking,
};
use sandbox_net_tests::Servers;

fn talk() {
    let sandbox = blocking::Sandbox::build(Sandbox::builder()).unwrap();
    sandbox.write_file("/home/greeting", "hello").unwrap();
    let code = "import sys\nfor line in sys.stdin:\n    print(open('/home/greeting').read(), \
                line.strip())\nopen('/home/done', 'w').write('yes')";
    let options = RunOptions::new()
        .stdin(Stdin::Piped)
        .stdout(Output::Piped)
        .unbuffered();
    let mut run = sandbox.start(code, options).unwrap();
    let mut stdin = run.stdin().unwrap();
    let mut lines = BufReader::new(run.stdout().unwrap()).lines();
    for word in ["one", "two"] {
        writeln!(stdin, "{word}").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("hello {word}"));
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert_eq!(run.wait().unwrap().exit, Exit::Code(0));
    assert!(matches!(run.wait(), Err(Error::AlreadyWaited)));
    assert_eq!(sandbox.read_file("/home/done", 10).unwrap(), b"yes");
    assert!(matches!(
        sandbox.read_file("/home/done", 1),
        Err(Error::File { .. })
    ));
    let fork = sandbox.fork().unwrap();
    sandbox.close().unwrap();
    assert_eq!(
        fork.run("print(open('/home/done').read())")
            .unwrap()
            .stdout_text(),
        "yes\n"
    );
}

#[test]
fn a_thread_without_a_runtime_talks_to_a_program() {
    talk();
}

/// Such a call holds the thread, but it neither panics nor waits for ever.
#[tokio::test]
async fn a_call_within_a_runtime_works_too() {
    talk();
}

#[test]
fn a_program_is_ended_from_another_thread_and_its_records_are_followed() {
    let other = tokio::runtime::Runtime::new().unwrap();
    let servers = other.block_on(Servers::start());
    let builder = Sandbox::builder().allow(servers.http.origin());
    let sandbox = blocking::Sandbox::build(builder).unwrap();
    let url = servers.http.origin() + "/slow";
    let code = format!("import urllib.request; urllib.request.urlopen('{url}')");
    let options = RunOptions::new().stderr(Output::Piped);
    let mut run = sandbox.start(code, options).unwrap();
    let (kill, records) = (run.kill_handle(), run.records());
    let mut stderr = run.stderr().unwrap();
    let ender = std::thread::spawn(move || {
        // Connect, then the request.
        let seen = records.take(2).count();
        kill.kill();
        seen
    });
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    assert_eq!(run.wait().unwrap().exit, Exit::Killed);
    assert_eq!(ender.join().unwrap(), 2);
    assert!(run.records().count() >= 2, "they stay after the end");
    assert!(!sandbox.get_ref().policy().denies_everything());
}

/// It would wait for itself, and after a few of them so would everybody else.
#[test]
fn a_call_from_the_modules_own_runtime_is_an_error_and_no_deadlock() {
    let other = tokio::runtime::Runtime::new().unwrap();
    let servers = other.block_on(Servers::start());
    let inner = blocking::Sandbox::build(Sandbox::builder()).unwrap();
    let (told, errors) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let hook = move |_: HookRequest| {
        let refused = inner.run("pass").map(|_| ()).unwrap_err();
        told.lock().unwrap().send(refused).unwrap();
        async { Ok::<_, HookError>(HookAnswer::allow()) }
    };
    let builder = Sandbox::builder().allow(servers.http.origin()).hook(hook);
    let sandbox = blocking::Sandbox::build(builder).unwrap();
    let url = servers.http.origin() + "/get";
    let code = format!("import urllib.request; urllib.request.urlopen('{url}').read()");
    let outcome = sandbox.run(code).unwrap();
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr_text());
    let errors: Vec<Error> = errors.try_iter().collect();
    assert_eq!(
        errors.len(),
        2,
        "one for the connection, one for the request"
    );
    assert!(
        errors
            .iter()
            .all(|error| matches!(error, Error::WithinBlocking))
    );
    assert_eq!(sandbox.run("print(1)").unwrap().stdout_text(), "1\n");
}
