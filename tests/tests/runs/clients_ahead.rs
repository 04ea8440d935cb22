//! HTTP clients in a snapshot have made requests before: a program sees no difference, except that its first one
//! takes less time.

use std::path::Path;
use std::time::Duration;

use sandbox_net::{RunOptions, Sandbox, SandboxBuilder, Script, Snapshot};
use sandbox_net_tests::{HttpServer, wheel};
use tempfile::TempDir;

use super::built;

/// Whether the interpreter has put quicker instructions in the place of others.
const HAS_RUN: &str = "import dis, requests, urllib3\n\
    def quick(f): return any(i.opname != i.baseopname for i in dis.get_instructions(f, adaptive=True))\n\
    print(quick(requests.Session.send), quick(urllib3.HTTPConnectionPool.urlopen))";

/// `URL` is that of a server.
const PROGRAMS: &[&str] = &[
    "import sys; print(sorted(sys.modules))",
    "import sys, requests; print(sorted(sys.modules)); requests.get(URL); print(sorted(sys.modules))",
    "import sys, httpx; httpx.get(URL); print(sorted(sys.modules))",
    "import atexit, weakref; print(atexit._ncallbacks()); import requests, urllib3; \
     print(atexit._ncallbacks(), weakref.finalize._registered_with_atexit); \
     requests.get(URL); print(atexit._ncallbacks(), weakref.finalize._registered_with_atexit)",
    "import atexit, weakref\nclass C: pass\natexit.register(print, 'first')\n\
     c = C(); weakref.finalize(c, print, 'finalized')\natexit.register(print, 'last'); import httpx",
    "import urllib.parse, requests; print(urllib.parse.urlsplit.cache_info())",
    "import threading, logging, requests, httpx; print(threading.enumerate(), logging.getLogger().handlers, \
     [logging.getLogger(n)._cache for n in ('urllib3', 'urllib3.connectionpool', 'httpx')])",
    "import requests; r = requests.get(URL, stream=True); print(r.raw._connection.sock.getsockname()[1])",
    "import requests\ntry: requests.get('http://127.0.0.1:1/')\n\
     except OSError as e: print(type(e), type(e.args[0]), type(e.__context__), e.request.url)",
    "import requests\ntry: requests.get('http://denied.test/')\n\
     except requests.ConnectionError as e: print(type(e), type(e.args[0].reason))",
    "import httpx\ntry: httpx.get('http://127.0.0.1:1/')\n\
     except httpx.ConnectError as e: print(type(e), type(e.__cause__), isinstance(e, httpx.HTTPError))",
    "import sys, httpx; sys.meta_path.insert(0, type('F', (), {'find_spec': staticmethod(\
     lambda n, p=None, t=None: None)}))\ntry: httpx.get('http://127.0.0.1:1/')\n\
     except httpx.ConnectError as e: print(type(e), type(e.__cause__))",
    "import urllib3; print(urllib3.util.wait.wait_for_socket, urllib3.PoolManager().connection_pool_kw)",
    "import logging; logging.basicConfig(level=10, format='%(name)s %(levelname)s'); import requests; requests.get(URL)",
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
    let builder = Snapshot::builder().with_package("requests");
    let builder = builder.with_package("httpx").import("requests");
    let snapshot = builder.import("httpx").build().await;
    let snapshot = snapshot.expect("a snapshot");
    let builder = Sandbox::builder().snapshot(snapshot);
    let sandbox = built(builder.allow("http://127.0.0.1:1")).await;
    assert_eq!(shown(&sandbox, "", HAS_RUN).await, "0\nTrue True\n\n");
    for (client, error) in [
        ("httpx", "httpx.ConnectError"),
        ("requests", "requests.ConnectionError"),
    ] {
        let program = format!(
            "import {client}\ntry: {client}.get('http://127.0.0.1:1/')\n\
             except {error} as e: print('known')"
        );
        assert_eq!(shown(&sandbox, "", &program).await, "0\nknown\n\n");
    }
}

#[tokio::test]
async fn a_client_that_needs_another_one_has_run_without_it() {
    let builder = Sandbox::builder().with_package("urllib3");
    let sandbox = built(builder.allow("http://a.test")).await;
    let program = HAS_RUN
        .replace(", requests", "")
        .replace("quick(requests.Session.send), ", "");
    assert_eq!(shown(&sandbox, "", &program).await, "0\nTrue\n\n");
}

/// A client of this name whose `get` does so, and more.
fn client(directory: &Path, name: &str, get: &str, more: &str) -> String {
    // It has all that is looked at, in one file.
    let client = format!(
        "import sys\n\
         adapters = api = connectionpool = connection = response = sys.modules[__name__]\n\
         calls = []\n\
         class Response:\n    text = data = 'x'\n    def json(self): pass\n    raise_for_status = json\n\
         class Session:\n    def __enter__(self): return self\n    def __exit__(self, *_): pass\n\
         \x20   def get(self, url, **_): return Response()\n    post = get\n\
         def get(url, **_):\n    calls.append(url)\n    {get}\n    return Response()\n\
         def request(self, *_, **__): return Response()\n\
         class HTTPAdapter(Session): request = request\n\
         class PreparedRequest: pass\n{more}\n"
    );
    let other = "import sys\nconnectionpool = connection = response = sys.modules[__name__]\n\
        class PoolManager:\n    def __enter__(self): return self\n    def __exit__(self, *_): pass\n\
        \x20   def request(self, *_, **__): return self\n    data = b'x'\n\
        class HTTPConnectionPool: pass\nclass HTTPSConnectionPool: pass\nclass HTTPConnection: pass\n\
        class HTTPSConnection: pass\nclass HTTPResponse: pass\n";
    let files = [("requests.py", client.as_str()), ("urllib3.py", other)];
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
        ("leaves", "import os; os._exit(3)", "", false),
        ("opens", "calls.append(open('/tmp/x', 'w'))", "", false),
        ("imports", "import wave", "", false),
        (
            "changed",
            "pass",
            "import functools\nSession.get = functools.wraps(Session.get)(eval('lambda *_: 1', {}))",
            false,
        ),
        (
            "bound",
            "pass",
            "import functools\nSession.get = functools.partialmethod(request)",
            false,
        ),
        ("another", "pass", "Session.__module__ = 'cache'", false),
        ("gone", "pass", "del Session", false),
        ("nothing", "pass", "Session = None", false),
        (
            "below",
            "pass",
            "import http.client as h\nh.HTTPConnection.send = lambda *_: calls.append(1)",
            false,
        ),
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

#[tokio::test]
async fn a_client_whose_requests_have_no_end_makes_none_in_a_snapshot_of_ones_own() {
    let directory = TempDir::new().expect("a directory");
    let package = client(directory.path(), "hangs", "while True: pass", "");
    let builder = Snapshot::builder().with_package(package).import("requests");
    let snapshot = builder.time_limit(Duration::from_secs(5)).build().await;
    let builder = Sandbox::builder().snapshot(snapshot.expect("a snapshot"));
    let sandbox = built(builder.allow("http://a.test")).await;
    let program = "import requests; print(requests.calls)";
    assert_eq!(shown(&sandbox, "", program).await, "0\n[]\n\n");
}
