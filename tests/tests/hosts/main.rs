//! The same component on hosts that do not know sandbox-net: its network is on `wasi:http`, and its policy
//! within it. What programs see is compared with our own host.

mod composed;
mod compositions;
mod differences;
mod hosts;

use composed::Composed;
use hosts::Host;
use sandbox_net::Sandbox;
use sandbox_net_tests::{Alpn, Forbidden, HttpServer, Report, TestCa, run};

/// Loopback by its address is allowed; by its name it is denied.
const POLICY: &str =
    "version = 1\nallow = ['http://127.0.0.1:1-65535', 'https://127.0.0.1:1-65535']\n[end]";

/// What the same program sees in our own host.
async fn in_our_host(arguments: &[String], ca: Option<&TestCa>) -> Report {
    let sandbox = arguments
        .iter()
        .fold(Sandbox::builder(), |builder, it| builder.arg(it));
    let sandbox = ca
        .into_iter()
        .fold(sandbox, |builder, ca| builder.trust_ca_pem(ca.root_pem()));
    let sandbox = sandbox
        .policy(POLICY.parse().expect("a policy"))
        .with_package("requests")
        .with_package("httpx")
        .build()
        .await
        .expect("a sandbox");
    run(&sandbox, "hosts/clients.py").await.0
}

#[tokio::test]
async fn clients_see_what_they_see_in_our_host_but_for_the_listed_differences() {
    let server = HttpServer::plain().await;
    let forbidden = Forbidden::start().await;
    let arguments = [
        server.origin(),
        format!("http://localhost:{}", forbidden.address().port()),
        "--libraries".to_owned(),
    ];
    let composed = Composed::with_libraries(POLICY).await;
    let ours = in_our_host(&arguments, None).await;
    let mut tried = 0;
    for host in Host::all().await {
        let theirs = host.run(&composed, "hosts/clients.py", &arguments).await;
        differences::check(host.name(), &ours, &theirs);
        tried += 1;
    }
    assert_eq!(forbidden.connections().await, 0, "of {tried} hosts");
}

#[tokio::test]
async fn https_is_verified_with_the_authorities_that_the_host_trusts() {
    let ca = TestCa::new("sandbox-net tests of other hosts");
    let server = HttpServer::tls(&ca.loopback_leaf(), Alpn::Http1).await;
    let forbidden = Forbidden::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let authorities = directory.path().join("authorities.pem");
    std::fs::write(&authorities, ca.root_pem()).expect("a file");
    let composed = Composed::with_libraries(POLICY).await;

    let url = server.origin() + "/get";
    for host in Host::all().await {
        let program = "hosts/reach.py";
        let report = host
            .run(&composed, program, std::slice::from_ref(&url))
            .await;
        assert_eq!(report.result("reached"), "failed", "{}", host.name());
    }
    assert!(
        server.requests().is_empty(),
        "nothing is sent to a server that is not trusted"
    );

    let arguments = [
        server.origin(),
        format!("https://localhost:{}", forbidden.address().port()),
        "--libraries".to_owned(),
    ];
    let ours = in_our_host(&arguments, Some(&ca)).await;
    if let Some(host) = Host::node_that_trusts(&authorities).await {
        let theirs = host.run(&composed, "hosts/clients.py", &arguments).await;
        differences::check(host.name(), &ours, &theirs);
    }
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn a_denied_host_is_reached_where_the_policy_allows_it() {
    let forbidden = Forbidden::start().await;
    let composed = Composed::plain(POLICY).await;
    for (host, before) in Host::all().await.iter().zip(0..) {
        for (name, reaches) in [("localhost", 0), ("127.0.0.1", 1)] {
            let url = format!("http://{name}:{}/", forbidden.address().port());
            let report = host.run(&composed, "hosts/reach.py", &[url]).await;
            let denied = report.result("reached") == "denied";
            assert_eq!(denied, reaches == 0, "{}: {report}", host.name());
            let connections = forbidden.connections().await;
            assert!(connections >= before + reaches, "{}", host.name());
            assert!(reaches == 1 || connections == before, "{}", host.name());
        }
    }
}

#[tokio::test]
async fn a_component_whose_policy_is_the_hosts_does_not_run_on_a_host_that_has_none() {
    let composed = Composed::of_the_host().await;
    if let Some(host) = Host::wasmtime().await {
        let url = "http://127.0.0.1:9/".to_owned();
        let ended = host.start(&composed, "hosts/reach.py", &[url]).await;
        assert_ne!(ended.status.code(), Some(0));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("sandbox:net/policy"), "{said}");
    }
}

#[tokio::test]
async fn a_host_in_javascript_decides_by_one_function() {
    let forbidden = Forbidden::start().await;
    let composed = Composed::of_the_host().await;
    if let Some(host) = Host::node().await {
        for (name, reached, connections) in [("localhost", "denied", 0), ("127.0.0.1", "failed", 1)]
        {
            let url = format!("http://{name}:{}/", forbidden.address().port());
            let report = host.run(&composed, "hosts/reach.py", &[url]).await;
            assert_eq!(report.result("reached"), reached, "{report}");
            assert!(
                forbidden.connections().await.min(1) == connections,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_component_that_has_its_libraries_needs_no_directory() {
    let server = HttpServer::plain().await;
    let composed = Composed::embedded(POLICY).await;
    // Compiling takes a minute on each host, and the libraries are the component's own on all of them.
    if let Some(host) = Host::wasmtime().await {
        let program = format!(
            "import json, xml.etree.ElementTree, requests, idna.package_data; print(json.dumps(\
             {{'case': 'got', 'result': requests.get('{}/get').status_code}}))",
            server.origin()
        );
        let ended = host.run_source(&composed, &program).await;
        assert_eq!(ended.result("got"), 200, "{}", host.name());
    }
}

#[tokio::test]
async fn a_program_ends_with_its_exit_code() {
    let composed = Composed::plain(POLICY).await;
    for host in Host::all().await {
        let ended = host
            .start(&composed, "hosts/leave.py", &["7".to_owned()])
            .await;
        assert_eq!(ended.status.code(), Some(7), "{}", host.name());
    }
}
