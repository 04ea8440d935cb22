//! HTTP clients in a snapshot have made requests before: a program sees no difference, except that its first one
//! takes less time.

use std::path::Path;

use sandbox_net::{RunOptions, Sandbox, SandboxBuilder, Script, Snapshot};
use sandbox_net_tests::{HttpServer, wheel};
use tempfile::TempDir;

use super::built;

/// Whether the interpreter has put quicker instructions in the place of others.
const HAS_RUN: &str = "import dis, requests, httpx\n\
    def quick(f): return any(i.opname != i.baseopname for i in dis.get_instructions(f, adaptive=True))\n\
    print(quick(requests.Session.send), quick(httpx.Client.send))";

/// `URL` is that of a server.
const PROGRAMS: &[&str] = &[
    "import sys; print(sorted(sys.modules))",
    "import sys, requests; print(sorted(sys.modules)); requests.get(URL); print(sorted(sys.modules))",
    "import sys, httpx; httpx.get(URL); print(sorted(sys.modules))",
    "import atexit, weakref, requests, urllib3; \
     print(atexit._ncallbacks(), weakref.finalize._registered_with_atexit); \
     requests.get(URL); print(atexit._ncallbacks(), weakref.finalize._registered_with_atexit)",
    "import atexit, weakref\nclass C: pass\natexit.register(print, 'first')\n\
     c = C(); weakref.finalize(c, print, 'finalized')\natexit.register(print, 'last'); import httpx",
    "import urllib.parse, requests; print(urllib.parse.urlsplit.cache_info())",
    "import threading, logging, requests, httpx; print(threading.enumerate(), logging.getLogger().handlers, \
     [logging.getLogger(n)._cache for n in ('urllib3', 'urllib3.connectionpool', 'httpx')])",
    "import requests; r = requests.get(URL, stream=True); print(r.raw._connection.sock.getsockname()[1])",
    "import requests; s = requests.Session(); print(s.cookies, s.adapters, s.headers); \
     print(s.get(URL).request.headers)",
    "import requests, urllib3; print(len(urllib3._DEFAULT_POOL.pools))",
    "import warnings, requests; print(warnings.filters, getattr(requests, '__warningregistry__', None))",
];

async fn shown(sandbox: &Sandbox, url: &str, program: &str) -> String {
    let program = format!("URL = {url:?}\n{program}");
    let mut run = sandbox
        .start(Script::code(program), RunOptions::new())
        .await
        .expect("a start");
    let outcome = run.wait().await.expect("an end");
    let (stdout, stderr) = (outcome.stdout_text(), outcome.stderr_text());
    let text = format!("{}\n{stdout}\n{stderr}", outcome.exit_code());
    let mut pieces = text.split(" at 0x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    plain
}

fn with_clients() -> SandboxBuilder {
    Sandbox::builder()
        .with_package("requests")
        .with_package("httpx")
}

#[tokio::test]
async fn programs_see_no_difference_but_their_first_request_runs_what_has_run_before() {
    let server = HttpServer::plain().await;
    let url = server.origin() + "/get";
    let of = |is_automatic| {
        let builder = with_clients().allow(server.origin());
        built(builder.automatic_snapshot(is_automatic))
    };
    let (with, without) = (of(true).await, of(false).await);
    assert_eq!(shown(&with, &url, HAS_RUN).await, "0\nTrue True\n\n");
    assert_eq!(shown(&without, &url, HAS_RUN).await, "0\nFalse False\n\n");
    let mut different = Vec::new();
    for program in PROGRAMS {
        let (one, other) = (
            shown(&with, &url, program).await,
            shown(&without, &url, program).await,
        );
        assert!(one.starts_with("0\n"), "{program}: {one}");
        if one != other {
            different.push(format!("{program}\n{one}\n{other}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(server.requests().iter().all(|one| one.target == "/get"));
}

#[tokio::test]
async fn clients_in_a_snapshot_of_ones_own_have_run_too() {
    let snapshot = Snapshot::builder()
        .with_package("requests")
        .with_package("httpx")
        .import("requests")
        .import("httpx")
        .build()
        .await
        .expect("a snapshot");
    let builder = Sandbox::builder().snapshot(snapshot).allow("http://a.test");
    let sandbox = built(builder).await;
    assert_eq!(shown(&sandbox, "", HAS_RUN).await, "0\nTrue True\n\n");
}

/// A client of this name whose `get` does so, and more.
fn client(directory: &Path, name: &str, get: &str, more: &str) -> String {
    let client = format!(
        "from . import adapters\n\
         calls = []\n\
         class Response:\n    text = 'x'\n    def json(self): pass\n    raise_for_status = json\n\
         class Session:\n    def __enter__(self): return self\n    def __exit__(self, *_): pass\n\
         \x20   def get(self, url, **_): return Response()\n    post = get\n\
         def get(url, **_):\n    calls.append(url)\n    {get}\n    return Response()\n{more}\n"
    );
    let files = [
        ("requests/__init__.py", client.as_str()),
        (
            "requests/adapters.py",
            "class HTTPAdapter:\n    def send(self): pass\n",
        ),
    ];
    let wheel = wheel(directory, name, "1.0", &files);
    wheel.to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test]
async fn a_client_whose_requests_would_be_seen_makes_none() {
    let directory = TempDir::new().expect("a directory");
    for (name, get, more, asks) in [
        ("control", "pass", "", true),
        ("fails", "raise ValueError", "", false),
        ("exits", "raise SystemExit(3)", "", false),
        (
            "registers",
            "import atexit; atexit.register(print, 'seen')",
            "",
            false,
        ),
        (
            "begins",
            "import threading as t; t.Thread(target=t.Event().wait).start()",
            "",
            false,
        ),
        (
            "handles",
            "import logging; logging.basicConfig()",
            "",
            false,
        ),
        (
            "replaces",
            "import sys, io; sys.stdout = io.StringIO()",
            "",
            false,
        ),
        ("changed", "pass", "Session.get.__module__ = 'cache'", false),
        ("another", "pass", "Session.__module__ = 'cache'", false),
        ("gone", "pass", "del Session", false),
    ] {
        let package = client(directory.path(), name, get, more);
        let builder = Sandbox::builder().with_package(package);
        let sandbox = built(builder.allow("http://a.test")).await;
        let program = "import sandbox_net.ready_modules as r, threading\n\
            is_ready = 'requests' in r._ready\n\
            import requests; print(is_ready, len(requests.calls) > 0, threading.active_count())";
        let found = shown(&sandbox, "", program).await;
        let asks = if asks { "True" } else { "False" };
        assert_eq!(found, format!("0\nTrue {asks} 1\n\n"), "{name}");
    }
}
