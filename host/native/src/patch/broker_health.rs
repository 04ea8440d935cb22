//! Asks the broker of the environment whether it is there.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::environment::Environment;

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER: u64 = 64 * 1024;

/// Returns a sentence that says where the broker is, or why there is none.
pub(super) fn ask(environment: &Environment) -> Result<String, String> {
    let variable = |name: &str| environment.get(name);
    let token = variable("SANDBOX_NET_BROKER_TOKEN").unwrap_or_default();
    if let Some(path) = variable("SANDBOX_NET_BROKER_SOCKET") {
        return verdict(&path, by_path(&path, &token));
    }
    let host = variable("SANDBOX_NET_BROKER_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = variable("SANDBOX_NET_BROKER_PORT").unwrap_or_else(|| "6969".to_owned());
    let Ok(number) = port.parse::<u16>() else {
        return Err(format!("SANDBOX_NET_BROKER_PORT is '{port}': give a port"));
    };
    let place = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    verdict(&place, by_address(&host, number, &place, &token))
}

fn verdict(place: &str, answer: io::Result<String>) -> Result<String, String> {
    let answer = answer.map_err(|error| {
        format!("the broker at {place} cannot be reached ({error}): start 'sandbox-net broker', or set SANDBOX_NET_BROKER_*")
    })?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
    match status {
        "200" => Ok(format!("the broker at {place} answers")),
        "401" => Err(format!(
            "the broker at {place} refuses the token: set SANDBOX_NET_BROKER_TOKEN"
        )),
        "503" => Err(format!("the broker at {place} denies everything: {body}")),
        _ => Err(format!("what answers at {place} is no broker")),
    }
}

fn by_address(host: &str, port: u16, place: &str, token: &str) -> io::Result<String> {
    let address = (host, port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other("it has no address"))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream, place, token)
}

#[cfg(unix)]
fn by_path(path: &str, token: &str) -> io::Result<String> {
    let stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream, "localhost", token)
}

#[cfg(not(unix))]
fn by_path(_path: &str, _token: &str) -> io::Result<String> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

fn exchange(mut stream: impl Read + Write, host: &str, token: &str) -> io::Result<String> {
    let mut head = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if !token.is_empty() {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
