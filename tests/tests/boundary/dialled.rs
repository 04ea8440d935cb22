//! Only absolute names are looked up, and the machine's own addresses count as loopback.
//!
//! Both need a machine of their own: the tests run themselves again in namespaces with another
//! resolver configuration and other addresses. Without namespaces they are skipped.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use sandbox_net::policy::DenyReason;
use sandbox_net::{Outcome, Reason, Sandbox, Script};
use sandbox_net_tests::{DnsQuestion, DnsServer, HttpServer, skip, skip_always};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Sets this process up as a machine: with its own files, and addresses on its loopback interface.
const MACHINE: &str = r"
set -eu
ip link set lo up
ip address add 93.184.216.34/32 dev lo
ip address add 2606:2800:220:1::1/128 dev lo
ip route add local 93.184.217.0/24 dev lo
etc=$(mktemp -d)
mount -t tmpfs none $etc
printf 'nameserver 127.0.0.1\nsearch corp.internal\noptions timeout:1 attempts:1\n' >$etc/resolv.conf
printf '127.0.0.1 localhost\n127.0.0.1 mybox MyBox.example.com\n' >$etc/hosts
printf 'hosts: files dns\n' >$etc/nsswitch.conf
for file in resolv.conf hosts nsswitch.conf; do
    mount --bind $etc/$file $(readlink -f /etc/$file)
done
ready=yes
";

/// Runs an ignored test of this module on a machine of its own.
fn on_a_machine_of_its_own(test: &str) {
    let run = |script: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        let namespaces = ["--user", "--map-root-user", "--mount", "--net"];
        command.args(namespaces).args(["sh", "-c", script, "sh"]);
        command.args(arguments).output()
    };
    match run(MACHINE, &[]) {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            return skip_always(&format!("there are no namespaces here: {why}"));
        }
        Err(error) => return skip(&format!("there is no unshare here: {error}")),
    }
    let executable = std::env::current_exe().expect("this test");
    let executable = executable.to_str().expect("a path in UTF-8");
    let script = format!("{MACHINE}exec \"$@\"");
    let arguments = [executable, "--ignored", "--exact", test, "--nocapture"];
    let output = run(&script, &arguments).expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Fetches a URL with the system's resolver under one rule.
async fn fetch(rule: &str, url: &str) -> Outcome {
    let builder = Sandbox::builder().allow(rule);
    let builder = builder.time_limit(Duration::from_secs(60));
    let sandbox = builder.build().await.expect("a sandbox");
    let program =
        format!("import urllib.request as r; print(r.urlopen('{url}', timeout=30).status)");
    sandbox.run(Script::code(program)).await.expect("a run")
}

#[track_caller]
fn assert_fetched(outcome: &Outcome, what: &str) {
    let (text, errors) = (outcome.stdout_text(), outcome.stderr_text());
    assert_eq!(text.trim(), "200", "{what}: {errors}");
}

#[test]
fn no_search_list_completes_a_name() {
    on_a_machine_of_its_own("dialled::in_a_search_list");
}

#[tokio::test]
#[ignore = "on a machine of its own"]
async fn in_a_search_list() {
    let dns = DnsServer::at(SocketAddr::from(([127, 0, 0, 1], 53))).await;
    let server = HttpServer::plain().await;
    let port = server.address().port();
    let here: IpAddr = [127, 0, 0, 1].into();
    for name in [
        "nothere.example.com.corp.internal",
        "short.corp.internal",
        "there.example.com",
        "box",
    ] {
        dns.set(name, [here]);
    }
    for name in ["nothere.example.com", "short"] {
        let before = dns.questions().await.len();
        let rule = format!("http://{name}:{port} to 127.0.0.1");
        let outcome = fetch(&rule, &format!("http://{name}:{port}/get")).await;
        assert!(outcome.stderr_text().contains("gaierror"), "{name}");
        assert_ne!(outcome.exit_code(), 0);
        let asked = dns.questions().await.split_off(before);
        let is_whole = |question: &DnsQuestion| question.name == name;
        assert!(!asked.is_empty() && asked.iter().all(is_whole), "{asked:?}");
        assert!(server.requests().is_empty());
    }
    // Names of the hosts file, in any case, and names that exist as written.
    for name in ["there.example.com", "box", "mybox", "MYBOX.example.com"] {
        let rule = format!("http://{name}:{port} to 127.0.0.1");
        let outcome = fetch(&rule, &format!("http://{name}:{port}/get")).await;
        assert_fetched(&outcome, name);
    }
}

#[test]
fn an_address_of_the_machine_is_reached_only_by_a_rule_that_names_it() {
    on_a_machine_of_its_own("dialled::at_own_addresses");
}

#[tokio::test]
#[ignore = "on a machine of its own"]
async fn at_own_addresses() {
    let dns = DnsServer::at(SocketAddr::from(([127, 0, 0, 1], 53))).await;
    // An interface address of each family, and one that a route alone makes the machine's own.
    for address in ["93.184.216.34", "2606:2800:220:1::1", "93.184.217.5"] {
        let address: IpAddr = address.parse().expect("an address");
        let (port, server) = answering(address).await;
        dns.set("own.example.com", [address]);
        let literal = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let named = format!("http://own.example.com:{port}");
        let direct = format!("http://{literal}:{port}");
        for (rule, url) in [
            (&*named, &named),
            (&*format!("any:{port}"), &named),
            (&*format!("{named} to public"), &named),
            (&*format!("any:{port}"), &direct),
        ] {
            let outcome = fetch(rule, &format!("{url}/")).await;
            let errors = outcome.stderr_text();
            assert!(errors.contains("reason address"), "{rule}: {errors}");
            let reasons = outcome.decisions.iter().filter_map(|one| one.reason);
            let expected = Reason::from(DenyReason::Address);
            assert_eq!(reasons.collect::<Vec<_>>(), [expected], "{rule}");
        }
        assert!(!server.is_finished(), "nobody may have come");
        // A rule with the address itself allows it.
        for (rule, url) in [
            (format!("{named} to {address}"), &named),
            (direct.clone(), &direct),
        ] {
            let outcome = fetch(&rule, &format!("{url}/")).await;
            assert_fetched(&outcome, &rule);
        }
        server.await.expect("two requests");
    }
}

/// A server that answers two requests at this address.
async fn answering(address: IpAddr) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a head"));
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("a client");
        }
    });
    (port, task)
}
