//! Forks of sessions: copies that go their own ways.

use std::collections::HashSet;
use std::time::Duration;

use sandbox_net::policy::{Document, Policy};
use sandbox_net::{
    Exit, ForkOptions, RunOptions, Sandbox, Session, SessionOptions, TurnEnd, TurnOptions,
};

use futures_util::FutureExt;
use sandbox_net_tests::Servers;

use crate::{session, text, turn};

async fn fork(session: &mut Session) -> Session {
    session.fork().await.expect("a fork")
}

/// The message of the exception that ends a turn, with its type.
async fn failure(session: &mut Session, code: &str) -> String {
    let outcome = turn(session, code).await;
    let error = outcome
        .exception
        .unwrap_or_else(|| panic!("{code}: no exception"));
    format!("{}: {}", error.type_name, error.message)
}

#[tokio::test]
async fn a_fork_that_is_given_up_at_once_leaves_the_session_as_it_was() {
    let (sandbox, mut parent) = session().await;
    turn(&mut parent, "x = 1").await;
    // Beside a program that computes, whatever runs is asked to yield.
    let spinner = sandbox.start("while True: pass", RunOptions::new()).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(parent.fork().now_or_never());
        let mut child = fork(&mut parent).await;
        assert_eq!(text(&mut child, "x").await, "1");
    }
    assert_eq!(text(&mut parent, "x").await, "1");
    drop(spinner.expect("a run"));
}

#[tokio::test]
async fn a_fork_has_variables_modules_and_files_and_goes_its_own_way() {
    let (_sandbox, mut parent) = session().await;
    turn(
        &mut parent,
        "import json; x = [1]; open('/home/a', 'w').write('a') and None",
    )
    .await;
    let mut child = fork(&mut parent).await;
    turn(
        &mut child,
        "x.append(2); open('/home/a', 'w').write('b'); open('/home/new', 'w').close()",
    )
    .await;
    turn(&mut parent, "x.append(3)").await;
    assert_eq!(text(&mut child, "json.dumps(x)").await, "'[1, 2]'");
    assert_eq!(text(&mut parent, "json.dumps(x)").await, "'[1, 3]'");
    assert_eq!(text(&mut child, "open('/home/a').read()").await, "'b'");
    assert_eq!(text(&mut parent, "open('/home/a').read()").await, "'a'");
    assert_eq!(
        text(&mut parent, "import os; os.listdir('/home')").await,
        "['a']"
    );
    // The embedder reaches the fork's files.
    let files = child.sandbox().expect("it has a sandbox of its own");
    assert_eq!(files.read_file("/home/a").await.unwrap(), b"b");
    files.write_file("/home/b", "of the host").await.unwrap();
    assert_eq!(
        text(&mut child, "open('/home/b').read()").await,
        "'of the host'"
    );
    // Forks of forks, and of a session whose forks are alive.
    let mut grandchild = fork(&mut child).await;
    let mut sibling = fork(&mut parent).await;
    turn(&mut grandchild, "x.append(4)").await;
    turn(&mut sibling, "x.append(5)").await;
    for (session, expected) in [
        (&mut parent, "[1, 3]"),
        (&mut child, "[1, 2]"),
        (&mut grandchild, "[1, 2, 4]"),
        (&mut sibling, "[1, 3, 5]"),
    ] {
        assert_eq!(text(session, "x").await, expected);
    }
}

#[tokio::test]
async fn parents_and_forks_outlive_each_other() {
    let (sandbox, mut parent) = session().await;
    turn(
        &mut parent,
        "x = 1; open('/home/a', 'w').write('a') and None",
    )
    .await;
    let (mut one, two) = (fork(&mut parent).await, fork(&mut parent).await);
    drop(two);
    assert_eq!(text(&mut parent, "x").await, "1");
    drop(parent);
    sandbox.close().await.unwrap();
    assert_eq!(
        text(&mut one, "x, open('/home/a').read()").await,
        "(1, 'a')"
    );
    let mut last = fork(&mut one).await;
    let ended = one.close().await.unwrap();
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!(
        text(&mut last, "x, open('/home/a').read()").await,
        "(1, 'a')"
    );
}

#[tokio::test]
async fn open_files_of_the_parent_are_closed_and_reach_no_file_that_is_opened_later() {
    let (_sandbox, mut parent) = session().await;
    let code = "
import os
text = open('/home/text', 'w+'); text.write('not yet written')
raw = open('/home/raw', 'wb', buffering=0)
number = os.open('/home/number', os.O_RDWR | os.O_CREAT)
listing = os.open('/home', os.O_RDONLY | os.O_DIRECTORY)
closed = open('/home/closed', 'w'); closed.close()
kept = (text.fileno(), raw.fileno(), number, listing)
";
    turn(&mut parent, code).await;
    let mut child = fork(&mut parent).await;
    for code in [
        "text.read()",
        "text.write('x')",
        "text.flush()",
        "raw.write(b'x')",
        "text.buffer.raw.read()",
    ] {
        let why = failure(&mut child, code).await;
        assert!(
            why.starts_with("ValueError: I/O operation on closed file: it was open in"),
            "{code}: {why}"
        );
    }
    assert!(
        failure(&mut child, "next(text)")
            .await
            .starts_with("ValueError")
    );
    assert_eq!(
        text(&mut child, "text.closed, raw.closed, text.buffer.closed").await,
        "(True, True, True)"
    );
    let code = "
others = [open(f'/home/other{n}', 'w+b', buffering=0) for n in range(6)]
[each.write(b'own') for each in others]
";
    turn(&mut child, code).await;
    assert_eq!(
        text(
            &mut child,
            "{each.fileno() for each in others}.isdisjoint(kept)"
        )
        .await,
        "True"
    );
    for code in [
        "os.write(number, b'x')",
        "os.read(number, 1)",
        "os.write(kept[0], b'x')",
        "os.read(kept[1], 1)",
        "os.open('a', os.O_RDONLY, dir_fd=listing)",
    ] {
        let why = failure(&mut child, code).await;
        let is_refused = why.starts_with("OSError: [Errno")
            || why.starts_with("FileNotFoundError")
            || why.starts_with("IsADirectoryError")
            || why.starts_with("PermissionError");
        assert!(is_refused, "{code}: {why}");
    }
    let code = "[each.seek(0) or each.read() for each in others] == [b'own'] * 6";
    assert_eq!(text(&mut child, code).await, "True");
    // The parent's go on, and are written once.
    turn(
        &mut parent,
        "text.write(', now it is'); text.close(); os.write(number, b'parent'); raw.write(b'r')",
    )
    .await;
    assert_eq!(
        text(&mut parent, "open('/home/text').read()").await,
        "'not yet written, now it is'"
    );
    assert_eq!(text(&mut child, "open('/home/text').read()").await, "''");
    assert_eq!(text(&mut child, "open('/home/number').read()").await, "''");
    // Nothing of it is told again when the program ends.
    let ended = child.close().await.unwrap();
    assert_eq!(
        (ended.exit, String::from_utf8_lossy(&ended.stderr).as_ref()),
        (Exit::Code(0), "")
    );
}

#[tokio::test]
async fn chance_differs_and_time_goes_on() {
    let (_sandbox, mut parent) = session().await;
    turn(
        &mut parent,
        "import random, uuid, secrets, os, tempfile, time; random.seed(1)",
    )
    .await;
    let before: f64 = text(&mut parent, "time.monotonic()").await.parse().unwrap();
    let forks = parent.fork_many(8, ForkOptions::new()).await.unwrap();
    let mut found = HashSet::new();
    let mut all = vec![parent];
    all.extend(forks);
    for session in &mut all {
        let after: f64 = text(session, "time.monotonic()").await.parse().unwrap();
        assert!(after >= before, "{after} {before}");
        let code = "[random.random(), uuid.uuid4().hex, uuid.uuid1().hex, secrets.token_hex(), os.urandom(8).hex(), tempfile.mktemp()]";
        let values = turn(session, code).await.value.unwrap().json.unwrap();
        let values: Vec<serde_json::Value> = serde_json::from_str(&values.to_string()).unwrap();
        for value in values {
            assert!(found.insert(value.to_string()), "{value}");
        }
    }
    assert_eq!(found.len(), 9 * 6);
}

#[tokio::test]
async fn what_goes_wrong_in_a_fork_ends_the_fork_alone() {
    let (_sandbox, mut parent) = session().await;
    turn(&mut parent, "x = 1").await;
    let mut bomb = fork(&mut parent).await;
    let why = failure(&mut bomb, "y = []\nwhile True: y.append(bytes(1 << 24))").await;
    assert!(why.starts_with("MemoryError"), "{why}");
    let mut stubborn = fork(&mut parent).await;
    let code = "
while True:
    try:
        while True: pass
    except BaseException: pass
";
    let options = TurnOptions::new().time_limit(Duration::from_millis(300));
    let outcome = stubborn.exec_with(code, options).await.unwrap();
    assert_eq!(outcome.end, TurnEnd::TimeLimit);
    assert_eq!(stubborn.ended(), Some(Exit::TimeLimit));
    let refused = stubborn.fork().await.unwrap_err().to_string();
    assert!(refused.contains("the session has ended"), "{refused}");
    let mut exits = fork(&mut parent).await;
    let outcome = turn(&mut exits, "import os; os._exit(3)").await;
    assert_eq!(outcome.end, TurnEnd::Ended(Exit::Code(3)));
    assert_eq!(text(&mut parent, "x").await, "1");
    assert_eq!(text(&mut fork(&mut parent).await, "x").await, "1");
}

#[tokio::test]
async fn the_memory_of_a_fork_counts() {
    let sandbox = Sandbox::builder()
        .memory_limit(200 << 20)
        .build()
        .await
        .unwrap();
    let mut parent = sandbox.session().await.unwrap();
    turn(&mut parent, "x = bytes(60 << 20)").await;
    let held = turn(&mut parent, "").await.memory;
    let mut child = fork(&mut parent).await;
    // The adapters make their state anew.
    let its = turn(&mut child, "").await.memory;
    assert!((held..held + (1 << 20)).contains(&its), "{its} {held}");
    let why = failure(&mut child, "y = bytes(120 << 20)").await;
    assert!(why.starts_with("MemoryError"), "{why}");
    turn(&mut child, "del x; z = bytes(50 << 20)").await;
    assert_eq!(text(&mut parent, "len(x)").await, (60 << 20).to_string());
}

#[tokio::test]
async fn a_fork_while_an_abandoned_turn_goes_on_is_refused() {
    let (_sandbox, mut parent) = session().await;
    let code = "
import time
try:
    while True: pass
except KeyboardInterrupt:
    time.sleep(0.5)
";
    let soon = Duration::from_millis(200);
    let given_up = tokio::time::timeout(soon, parent.exec(code)).await;
    assert!(given_up.is_err());
    let refused = parent.fork().await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "a turn of the session still goes on: wait for its end, or interrupt it"
    );
    assert_eq!(text(&mut parent, "1").await, "1");
    fork(&mut parent).await.exec("1").await.unwrap();
}

#[tokio::test]
async fn a_fork_has_the_environment_and_arguments_of_its_session() {
    let sandbox = Sandbox::builder()
        .env("A", "sandbox")
        .arg("one")
        .build()
        .await
        .unwrap();
    let options = SessionOptions::new().env("B", "session").arg("two");
    let mut parent = sandbox.session_with(options).await.unwrap();
    turn(&mut parent, "import os, sys; os.environ['C'] = 'turn'").await;
    let mut child = fork(&mut parent).await;
    let code = "[os.environ[n] for n in 'ABC'] + sys.argv";
    assert_eq!(
        text(&mut child, code).await,
        "['sandbox', 'session', 'turn', '', 'one', 'two']"
    );
    // Runs in its sandbox have it too.
    let run = child
        .sandbox()
        .unwrap()
        .start("import os; print(os.environ['B'])", RunOptions::new());
    let outcome = run.await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.stdout_text(), "session\n");
}

#[tokio::test]
async fn many_forks_of_one_moment_share_it() {
    let (_sandbox, mut parent) = session().await;
    turn(
        &mut parent,
        "x = list(range(100_000)); import threading, asyncio",
    )
    .await;
    let mut forks = parent.fork_many(20, ForkOptions::new()).await.unwrap();
    for (number, fork) in forks.iter_mut().enumerate() {
        turn(fork, &format!("x[0] = {number}")).await;
    }
    for (number, fork) in forks.iter_mut().enumerate() {
        let expected = format!("({number}, 99999)");
        assert_eq!(text(fork, "x[0], x[-1]").await, expected);
    }
    assert_eq!(text(&mut parent, "x[0]").await, "0");
    assert!(
        parent
            .fork_many(0, ForkOptions::new())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn connections_do_not_cross_and_clients_connect_again() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let sandbox = Sandbox::builder().allow(&origin).build().await.unwrap();
    let mut parent = sandbox.session().await.unwrap();
    let code = format!(
        "
import http.client, socket, urllib.parse
port = urllib.parse.urlsplit('{origin}').port
client = http.client.HTTPConnection('127.0.0.1', port)
client.request('GET', '/get'); client.getresponse().read()
raw = socket.create_connection(('127.0.0.1', port))
asked = socket.create_connection(('127.0.0.1', port))
asked.sendall(b'GET /get HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\n\\r\\n')
one, other = socket.socketpair()
one.sendall(b'within')
"
    );
    let outcome = turn(&mut parent, &code).await;
    assert_eq!(outcome.exception, None);
    let mut child = fork(&mut parent).await;
    for code in [
        "raw.send(b'x')",
        "raw.recv(1)",
        "asked.recv(1)",
        "asked.getpeername()",
    ] {
        let why = failure(&mut child, code).await;
        assert!(
            why.contains("belongs to the session of which this one is a fork"),
            "{code}: {why}"
        );
    }
    assert!(
        failure(
            &mut child,
            "client.request('GET', '/get'); client.getresponse()"
        )
        .await
        .starts_with("ConnectionResetError")
    );
    // New ones have no old one's number, and closing the old ones closes no new one.
    let code = "
new = http.client.HTTPConnection('127.0.0.1', port)
new.request('GET', '/get'); status = new.getresponse()
raw.close(); asked.close(); client.close()
del raw, asked
status = status.read() and status.status
client.request('GET', '/get'); again = client.getresponse().status
status, again, other.recv(9)
";
    assert_eq!(text(&mut child, code).await, "(200, 200, b'within')");
    // The parent's go on.
    let code = "client.request('GET', '/get'); client.getresponse().status, asked.recv(12)";
    assert_eq!(text(&mut parent, code).await, "(200, b'HTTP/1.1 200')");
}

#[tokio::test]
async fn a_policy_of_a_fork_is_narrower_and_its_budgets_are_its_own() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let rules = format!("version = 1\nallow = ['{origin}']\n[budgets]\nrequests = 2\n[end]\n");
    let policy: Document = rules.parse().unwrap();
    let sandbox = Sandbox::builder().policy(policy).build().await.unwrap();
    let mut parent = sandbox.session().await.unwrap();
    turn(&mut parent, "import urllib.request").await;
    let get = format!("urllib.request.urlopen('{origin}/get').status");
    assert_eq!(text(&mut parent, &get).await, "200");
    let rules = [&origin, &servers.forbidden.origin()].map(|rule| rule.parse().unwrap());
    let wider = Policy::allow(rules);
    for (policy, is_allowed) in [(wider, true), (Policy::deny_all(), false)] {
        let options = ForkOptions::new().policy(policy);
        let mut child = parent.fork_with(options).await.unwrap();
        let forbidden = format!(
            "urllib.request.urlopen('{}/').status",
            servers.forbidden.origin()
        );
        failure(&mut child, &forbidden).await;
        if !is_allowed {
            failure(&mut child, &get).await;
            continue;
        }
        for _ in 0..2 {
            assert_eq!(text(&mut child, &get).await, "200");
        }
        failure(&mut child, &get).await;
        // A fork's fork is not wider either.
        let mut again = child.fork().await.unwrap();
        failure(&mut again, &forbidden).await;
    }
    assert_eq!(text(&mut parent, &get).await, "200");
    failure(&mut parent, &get).await;
    assert_eq!(servers.forbidden.connections().await, 0);
}
