//! The command `sandbox-net broker`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use super::{TOOL_ERROR, command, http_server, run, text};

/// A running broker, and what it said.
struct Broker {
    child: Child,
    usage: String,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(&["broker", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command.env_remove("SANDBOX_NET_BROKER_TOKEN");
        command.envs(variables.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut usage = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !usage.contains("export AWS_CA_BUNDLE") && !usage.contains("# For HTTPS") {
            assert_ne!(stdout.read_line(&mut usage).unwrap(), 0, "{usage}");
        }
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            usage,
            stderr,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let start = format!("export {name}=");
        let mut lines = self.usage.lines();
        lines.find_map(|line| Some(line.strip_prefix(&start)?.trim_matches('"')))
    }

    fn address(&self) -> SocketAddr {
        let host = self.variable("SANDBOX_NET_BROKER_HOST").unwrap();
        let port = self.variable("SANDBOX_NET_BROKER_PORT").unwrap();
        format!("{host}:{port}").parse().unwrap()
    }

    /// Sends a request; returns the status and the whole answer.
    fn ask(&self, token: &str, line: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let fields = format!(
            "Host: localhost\r\nProxy-Authorization: Bearer {token}\r\nConnection: close\r\n"
        );
        let fields = match line.contains("http://") {
            true => fields.replace("Host: localhost\r\n", ""),
            false => fields,
        };
        write!(stream, "{line} HTTP/1.1\r\n{fields}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The next line of stderr.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }
}

fn write_policy(path: &Path, rules: &str) {
    std::fs::write(path, format!("version = 1\nallow = [{rules}]\n[end]\n")).unwrap();
}

#[test]
fn the_broker_says_how_it_is_used_and_serves_until_a_signal() {
    let server = http_server();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("it's the ca.pem");
    let rule = format!("http://{server}");
    let mut broker = Broker::start(&["--allow", &rule, "--ca-out", ca.to_str().unwrap()], &[]);
    let token = broker
        .variable("SANDBOX_NET_BROKER_TOKEN")
        .unwrap()
        .to_owned();
    assert_eq!(token.len(), 64);
    let proxy = broker.variable("HTTPS_PROXY").unwrap();
    assert_eq!(
        proxy,
        format!("http://sandbox-net:{token}@{}", broker.address())
    );
    assert!(
        std::fs::read_to_string(&ca)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    let (status, _) = broker.ask(&token, &format!("GET http://{server}/"));
    assert_eq!(status, 200);
    let (status, answer) = broker.ask(&token, "GET http://elsewhere.test/");
    assert_eq!(status, 403, "{answer}");
    let (status, _) = broker.ask("forged", "GET /health");
    assert_eq!(status, 401);
    assert!(broker.says().contains("refused a client"));
    // A shell reads what the broker says.
    let script = format!("{}\nprintf %s \"$SSL_CERT_FILE\"", broker.usage);
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-ec", &script]).output().unwrap();
    assert_eq!(text(&output.stdout), ca.to_str().unwrap());
    let begun = Instant::now();
    broker.signal(rustix::process::Signal::TERM);
    assert_eq!(broker.child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_token_is_kept_in_a_private_file_or_taken_from_the_environment_and_then_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let arguments = ["--allow", "a.test", "--token-file", file.to_str().unwrap()];
    let broker = Broker::start(&arguments, &[]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(!broker.usage.contains(token.trim()));
    assert_eq!(broker.ask(token.trim(), "GET /health").0, 200);
    let chosen = "chosen-by-the-operator";
    let broker = Broker::start(
        &["--allow", "a.test"],
        &[("SANDBOX_NET_BROKER_TOKEN", chosen)],
    );
    assert!(!broker.usage.contains(chosen));
    assert_eq!(broker.ask(chosen, "GET /health").0, 200);
    let mut weak = command(&["broker", "--listen", "127.0.0.1:0"]);
    let output = weak
        .env("SANDBOX_NET_BROKER_TOKEN", "weak")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(TOOL_ERROR));
    assert!(text(&output.stderr).contains("at least 16 characters"));
}

#[test]
fn a_hangup_has_the_policy_read_again_and_rubbish_denies_everything() {
    let server = http_server();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    let rule = format!("'http://{server}'");
    write_policy(&path, &rule);
    let mut broker = Broker::start(&["--policy", path.to_str().unwrap()], &[]);
    let token = broker
        .variable("SANDBOX_NET_BROKER_TOKEN")
        .unwrap()
        .to_owned();
    let get = format!("GET http://{server}/");
    assert_eq!(broker.ask(&token, &get).0, 200);
    std::fs::write(&path, "rubbish").unwrap();
    broker.signal(rustix::process::Signal::HUP);
    assert!(broker.says().contains("everything is denied"));
    assert_eq!(broker.ask(&token, &get).0, 403);
    assert_eq!(broker.ask(&token, "GET /health").0, 503);
    write_policy(&path, &rule);
    broker.signal(rustix::process::Signal::HUP);
    assert!(broker.says().contains("is in force"));
    assert_eq!(broker.ask(&token, &get).0, 200);
}

#[test]
fn mistakes_are_one_line_each() {
    let broker = Broker::start(&["--allow", "a.test"], &[]);
    let taken = broker.address().to_string();
    for (arguments, expected) in [
        (&["--listen", &taken][..], "another program listens on"),
        (&["--listen", "0.0.0.0:0"], "--listen-anywhere"),
        (
            &["--policy", "/no/such/policy.toml"],
            "/no/such/policy.toml",
        ),
        (&["--allow", "http://a b"], "the rule"),
        (&["--ca", "/no/such/ca.pem"], "--ca /no/such/ca.pem"),
        (&["--audit", "/no/such/audit.jsonl"], "/no/such/audit.jsonl"),
        (&["--socket", "/no/such/broker.sock"], "/no/such"),
        (&["--ca-out", "/no/such/ca.pem"], "--ca-out /no/such/ca.pem"),
        (
            &["--token-file", "/no/such/token"],
            "--token-file /no/such/token",
        ),
    ] {
        let mut all = vec!["broker"];
        if !arguments.contains(&"--listen") && !arguments.contains(&"--socket") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let output = run(&all);
        let said = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(TOOL_ERROR),
            "{arguments:?}: {said}"
        );
        let last = said.lines().last().unwrap();
        assert!(last.contains(expected), "{arguments:?}: {said}");
    }
}
