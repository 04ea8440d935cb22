//! Blind tunnels: native programs have those that the policy names, and components have none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use super::{TOOL_ERROR, run, text};

/// What asks for a tunnel, sends what is not HTTP, and prints what comes back.
const CLIENT: &str = r#"
import os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
tunnel = socket.create_connection((proxy.hostname, proxy.port), 30)
tunnel.sendall(("CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n" % sys.argv[1]).encode())
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += tunnel.recv(1)
print(head.split()[1].decode())
tunnel.sendall(b"\0ping")
print(tunnel.recv(64))
"#;

/// A server that says `pong` to five bytes.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 5];
            if stream.read_exact(&mut asked).is_ok() && asked == *b"\0ping" {
                let _ = stream.write_all(b"\0pong");
            }
        }
    });
    address
}

#[test]
#[cfg(target_os = "linux")]
fn a_native_program_has_the_tunnel_that_is_granted_and_the_log_says_so() {
    let server = server().to_string();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let log = log.to_str().unwrap();
    let native = |options: &[&str]| {
        let program = ["--", "python3", "-c", CLIENT, &server];
        run(&[&["native", "run"], options, &program].concat())
    };
    let output = native(&["--tunnel", &server, "--audit", log]);
    if text(&output.stderr).contains("the kernel") {
        eprintln!("skipped: {}", text(&output.stderr));
        return;
    }
    assert_eq!(
        text(&output.stdout),
        "200\nb'\\x00pong'\n",
        "{}",
        text(&output.stderr)
    );
    let lines = std::fs::read_to_string(log).unwrap();
    assert!(lines.contains("\"stage\":\"tunnel\""), "{lines}");
    let last = lines.lines().last().unwrap();
    assert!(
        last.contains("\"method\":\"CONNECT\"") && last.contains("\"bytes_up\":5"),
        "{last}"
    );

    let output = native(&["--tunnel", &server, "--deny", "127.0.0.1/x"]);
    assert!(
        text(&output.stdout).starts_with("403\n"),
        "{}",
        text(&output.stdout)
    );
    let output = native(&["--tunnel", "127.0.0.1:1"]);
    assert!(
        text(&output.stdout).starts_with("403\n"),
        "{}",
        text(&output.stdout)
    );
    let output = native(&["--tunnel", "*.example.com:22"]);
    assert!(text(&output.stderr).contains("means more than one host"));
}

#[test]
fn a_component_is_told_that_it_has_no_tunnels() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.toml");
    let policy = policy.to_str().unwrap();
    let note = "'a.test:22' of 'tunnel' has no effect here";
    for (tunnel, is_told) in [("tunnel = ['a.test:22']", true), ("", false)] {
        let text_of = format!("version = 1\nallow = ['a.test']\n{tunnel}\n[end]\n");
        std::fs::write(policy, text_of).unwrap();
        let output = run(&["run", "--policy", policy, "-c", "print(1)"]);
        assert_eq!(
            (text(&output.stdout), output.status.code()),
            ("1\n", Some(0))
        );
        assert_eq!(
            text(&output.stderr).contains(note),
            is_told,
            "{}",
            text(&output.stderr)
        );
    }
    let output = run(&["run", "--tunnel", "a.test:22", "-c", "print(1)"]);
    assert_ne!(output.status.code(), Some(0));
    let code = output.status.code();
    assert!(code == Some(2) || code == Some(TOOL_ERROR), "{code:?}");
}
