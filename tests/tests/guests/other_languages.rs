//! The interface from C, by wit-bindgen, and from JavaScript, by componentize-js.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_net::egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net::policy::Policy;
use sandbox_net::python::Cache;
use sandbox_net::python::progress::Silent;
use sandbox_net_tests::{Forbidden, HttpServer, Node, componentize_js, sha256};

use crate::host::{file, run};

/// Fetches from a server that the policy allows and from one that it does not.
async fn check(component: &Path) {
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let urls = [
        server.origin() + "/get?from=guest",
        forbidden.origin() + "/",
        server.origin() + "/get?again",
    ];
    let policy = Policy::allow([server.origin().parse().expect("a rule")]);
    let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).expect("roots"));
    let ended = run(component, &urls, policy, config).await;
    assert!(ended.is_ok, "{}", ended.printed);
    let lines: Vec<&str> = ended.printed.lines().collect();
    let [first, denied, second] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(
        first.starts_with("200 ") && first.contains("/get?from=guest"),
        "{first}"
    );
    assert_eq!(*denied, "denied by default-deny");
    assert!(
        second.starts_with("200 ") && second.contains("/get?again"),
        "{second}"
    );
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn a_guest_in_c_reaches_what_the_policy_allows() {
    check(&file("c/fetch.wasm")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it installs 386 MB of packages, which takes minutes: cargo test --test guests -- --ignored"]
async fn a_guest_in_javascript_reaches_what_the_policy_allows() {
    let Some(node) = componentize_js().await else {
        return;
    };
    let component = tokio::task::spawn_blocking(|| of_javascript(node)).await;
    check(&component.expect("a component")).await;
}

/// The files of the world `network-command`, where componentize-js looks for them.
const WIT: [(&str, &str); 7] = [
    ("guest/rust/examples/wit/command.wit", "command.wit"),
    ("guest/rust/examples/wit/deps/cli.wit", "deps/cli.wit"),
    ("wit/deps/clocks.wit", "deps/clocks.wit"),
    ("wit/deps/io.wit", "deps/io.wit"),
    ("wit/client.wit", "deps/sandbox-net/client.wit"),
    ("wit/policy.wit", "deps/sandbox-net/policy.wit"),
    ("wit/types.wit", "deps/sandbox-net/types.wit"),
];

/// The component of the guest in JavaScript, which is 13 MB and made once for each source text.
fn of_javascript(node: &Node) -> PathBuf {
    let root = file("..");
    let mut sources = ["guest/javascript/build.mjs", "guest/javascript/fetch.js"].to_vec();
    sources.extend(WIT.map(|(from, _)| from));
    let mut key = node.packages().into_os_string().into_encoded_bytes();
    for source in sources {
        key.extend(std::fs::read(root.join(source)).expect("a source"));
    }
    let cache = Cache::open(None).expect("the cache");
    let entry = cache.entry("test-guest", &sha256(&key)).expect("a place");
    let made = entry.get_or_make(&Silent, |directory| {
        let wit = directory.join("wit");
        for (from, to) in WIT {
            let to = wit.join(to);
            std::fs::create_dir_all(to.parent().expect("a directory"))?;
            std::fs::copy(root.join(from), to)?;
        }
        let built = Command::new(node.program())
            .arg(file("javascript/build.mjs"))
            .args([&node.packages(), &wit, &directory.join("fetch.wasm")])
            .output()?;
        match built.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&built.stderr).into()),
        }
    });
    let made: Result<_, Box<dyn std::error::Error + Send + Sync>> = made;
    made.expect("a component").join("fetch.wasm")
}
