//! Programs that people use, through the proxy and with the certificate of the run.

use std::path::{Path, PathBuf};
use std::process::Output;

use sandbox_net_broker::{BrokerBuilder, RunningBroker};
use sandbox_net_egress::test_support::tls::Authority;
use sandbox_net_egress::test_support::{Server, read_head};
use tokio::sync::mpsc;

use crate::support::*;

/// A server over TLS, a broker that allows some of it, and the file with the run's certificate.
struct Setting {
    server: Server,
    requests: mpsc::UnboundedReceiver<String>,
    broker: RunningBroker,
    ca: PathBuf,
    _directory: tempfile::TempDir,
}

impl Setting {
    async fn new(change: impl FnOnce(BrokerBuilder) -> BrokerBuilder) -> Self {
        let authority = Authority::new();
        let (server, requests) = reflecting_tls(&authority, &["localhost", "127.0.0.1"]).await;
        let port = server.address.port();
        let rules = [
            format!("GET,POST https://localhost:{port}/open/**"),
            format!("https://127.0.0.1:{port}/open/**"),
        ];
        let settings = with_rules(builder().trust_ca_pem(authority.pem()), &rules);
        let broker = start(change(settings)).await;
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, broker.ca_pem()).unwrap();
        Self {
            server,
            requests,
            broker,
            ca,
            _directory: directory,
        }
    }

    fn proxy(&self) -> String {
        let token = self.broker.token().as_str();
        format!("http://sandbox-net:{token}@{}", self.broker.addresses()[0])
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.server.address.port())
    }
}

/// Runs a program with an environment of these variables only; `None` if there is no such program.
async fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Option<Output> {
    let mut command = tokio::process::Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.args(arguments).env_clear().env("PATH", path);
    command.envs(variables.iter().copied()).kill_on_drop(true);
    match command.output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: no {program}");
            None
        }
        output => Some(output.unwrap()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn curl_reaches_what_is_allowed_by_either_way_and_nothing_else() {
    let mut setting = Setting::new(|settings| settings).await;
    let (proxy, ca) = (setting.proxy(), setting.ca.display().to_string());
    for host in ["localhost", "127.0.0.1"] {
        let url = setting.url(host, "/open/x");
        let body = "b".repeat(5000);
        let arguments = [
            "-sS",
            "-x",
            &proxy,
            "--cacert",
            &ca,
            "-d",
            &body,
            "-H",
            "Expect: 100-continue",
            &url,
        ];
        let Some(output) = run("curl", &arguments, &[]).await else {
            return;
        };
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout).ends_with(&body),
            "{}",
            text(&output.stdout)
        );
        let request = setting.requests.recv().await.unwrap();
        assert!(
            request.starts_with("POST /open/x HTTP/1.1\r\n"),
            "{request}"
        );
    }
    let url = setting.url("localhost", "/closed");
    let output = run("curl", &["-sS", "-x", &proxy, "--cacert", &ca, &url], &[])
        .await
        .unwrap();
    assert!(
        text(&output.stdout).contains("\"code\":\"denied\""),
        "{output:?}"
    );
    // The reason is where curl shows it.
    let output = run(
        "curl",
        &["-sS", "-v", "-x", &proxy, "https://elsewhere.test/"],
        &[],
    )
    .await
    .unwrap();
    let told = text(&output.stderr);
    assert!(
        !output.status.success() && told.contains("403 sandbox-net denied"),
        "{told}"
    );
    // Without the run's certificate there is no TLS.
    let url = setting.url("localhost", "/open/x");
    let output = run("curl", &["-sS", "-x", &proxy, &url], &[])
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(setting.requests.try_recv().is_err());
}

/// A strict Python program that asks for a URL.
const STRICT: &str = "
import http.client, ssl, sys, urllib.parse, base64
proxy, url = map(urllib.parse.urlsplit, sys.argv[1:3])
context = ssl.create_default_context(cafile=sys.argv[3])
context.verify_flags |= ssl.VERIFY_X509_STRICT
user = base64.b64encode(proxy.netloc.split('@')[0].encode()).decode()
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=context, timeout=20)
connection.set_tunnel(url.hostname, url.port, {'Proxy-Authorization': 'Basic ' + user})
connection.request('GET', url.path)
print(connection.getresponse().status, connection.sock.version())
";

#[tokio::test]
async fn strict_clients_accept_the_certificates_with_and_without_constraints() {
    for reloads in [true, false] {
        let setting = Setting::new(|settings| settings.reload(reloads)).await;
        let (proxy, ca) = (setting.proxy(), setting.ca.display().to_string());
        for host in ["localhost", "127.0.0.1"] {
            let url = setting.url(host, "/open/x");
            let arguments = ["-c", STRICT, &proxy, &url, &ca];
            if let Some(output) = run("python3", &arguments, &[]).await {
                assert_eq!(
                    text(&output.stdout),
                    "200 TLSv1.3\n",
                    "{}",
                    text(&output.stderr)
                );
            }
        }
    }
}

#[tokio::test]
async fn node_git_and_pip_reach_what_is_allowed() {
    let mut setting = Setting::new(|settings| settings).await;
    let (proxy, ca) = (setting.proxy(), setting.ca.display().to_string());
    let url = setting.url("localhost", "/open/x.git");
    let home = tempfile::tempdir().unwrap();
    let variables = [
        ("HTTPS_PROXY", proxy.as_str()),
        ("https_proxy", &proxy),
        ("GIT_SSL_CAINFO", &ca),
        ("NODE_EXTRA_CA_CERTS", &ca),
        ("PIP_CERT", &ca),
        ("HOME", home.path().to_str().unwrap()),
        ("GIT_TERMINAL_PROMPT", "0"),
    ];
    // The server is none of git's: what counts is that the request comes.
    if run("git", &["ls-remote", &url], &variables).await.is_some() {
        let request = setting.requests.recv().await.unwrap();
        assert!(
            request.contains("/open/x.git/info/refs?service=git-upload-pack"),
            "{request}"
        );
    }
    let script = "
        const [proxy, url] = process.argv.slice(1).map((text) => new URL(text));
        const auth = 'Basic ' + Buffer.from(proxy.username + ':' + proxy.password).toString('base64');
        const request = require('http').request({host: proxy.hostname, port: proxy.port, method: 'CONNECT',
            path: url.host, headers: {'Proxy-Authorization': auth}});
        request.on('connect', (answer, socket) => {
            const get = require('https').get({socket, agent: false, servername: url.hostname, host: url.hostname,
                port: url.port, path: url.pathname, headers: {Connection: 'close'}}, (got) => {
                console.log(got.statusCode); got.resume(); });
            get.on('error', (error) => console.log(error.message));
        });
        request.end();
    ";
    if let Some(output) = run("node", &["-e", script, &proxy, &url], &variables).await {
        assert_eq!(text(&output.stdout), "200\n", "{}", text(&output.stderr));
        setting.requests.recv().await.unwrap();
    }
    let index = setting.url("localhost", "/open/simple");
    let target = home.path().join("target");
    let arguments = [
        "-m",
        "pip",
        "download",
        "--no-input",
        "--disable-pip-version-check",
        "--retries",
        "0",
        "--no-deps",
        "-d",
        target.to_str().unwrap(),
        "-i",
        &index,
        "some-package",
    ];
    if let Some(output) = run("python3", &arguments, &variables).await
        && !text(&output.stderr).contains("No module named pip")
    {
        let request = setting.requests.recv().await.unwrap();
        assert!(
            request.starts_with("GET /open/simple/some-package/ HTTP/1.1"),
            "{request}"
        );
    }
}

/// Has openssl judge a certificate of the run for a name.
async fn verified(ca: &Path, broker: &RunningBroker, endpoint: &str, name: &str) -> Option<String> {
    let stream = connect(broker, endpoint).await;
    let is_fine = tls(broker, stream, name).await;
    drop(is_fine);
    let output = run(
        "openssl",
        &["x509", "-in", ca.to_str()?, "-noout", "-text"],
        &[],
    )
    .await?;
    Some(text(&output.stdout))
}

#[tokio::test]
async fn the_authority_of_a_fixed_policy_is_limited_to_its_names() {
    let setting = Setting::new(|settings| settings.reload(false)).await;
    let endpoint = format!("localhost:{}", setting.server.address.port());
    let Some(shown) = verified(&setting.ca, &setting.broker, &endpoint, "localhost").await else {
        return;
    };
    for expected in [
        "X509v3 Name Constraints: critical",
        "DNS:localhost",
        "IP:127.0.0.1/255.255.255.255",
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[tokio::test]
async fn the_authority_of_a_policy_file_that_may_change_is_not_limited() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, "version = 1\nallow = ['https://a.test']\n[end]\n").unwrap();
    for (reloads, expected) in [(true, false), (false, true)] {
        let broker = start(builder().policy_file(&path).reload(reloads)).await;
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, broker.ca_pem()).unwrap();
        let arguments = ["x509", "-in", ca.to_str().unwrap(), "-noout", "-text"];
        let Some(output) = run("openssl", &arguments, &[]).await else {
            return;
        };
        let shown = text(&output.stdout);
        assert_eq!(shown.contains("Name Constraints"), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_program_without_http_may_end_its_sending_and_wait() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let answer = b"HTTP/1.0 200 OK\r\n\r\nlate";
        sandbox_net_egress::test_support::write(&mut stream, answer).await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = format!("GET / HTTP/1.0\r\nHost: {endpoint}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(text(&bytes).ends_with("\r\n\r\nlate"), "{}", text(&bytes));
}
