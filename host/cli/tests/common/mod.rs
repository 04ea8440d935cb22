//! What the tests of the command line share.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Once;

/// Answers every connection to a port of loopback with an empty page, and returns the address.
pub(crate) fn http_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("a bound address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = Vec::new();
            let mut buffer = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    address
}

/// Compiles the interpreters, once on a machine: that may take longer than any guard.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        for arguments in [&["-c", "pass"][..], &["--allow", "a.test", "-c", "pass"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox-net"));
            let status = command.arg("run").args(arguments).status();
            assert!(status.expect("the binary of this crate").success());
        }
    });
}
