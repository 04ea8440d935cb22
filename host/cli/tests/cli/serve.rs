//! The command `sandbox-net serve` as a process: its configuration, its signals, and a disk that is full.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{TOOL_ERROR, prepare, run, text};

const TOKEN: &str = "token-of-acme-0123456789";

/// A server and where it listens.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a configuration with one tenant.
fn write(directory: &Path, settings: &str) -> String {
    std::fs::write(directory.join("token"), TOKEN).unwrap();
    let file = directory.join("serve.toml");
    let tenant = "[[tenant]]\nname = \"acme\"\ntokens = [{ file = \"token\" }]\n";
    std::fs::write(&file, format!("version = 1\n{settings}\n{tenant}")).unwrap();
    file.to_str().unwrap().to_owned()
}

impl Server {
    fn start(mut command: Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
            if let Some((_, address)) = said[from..].split_once("listens on http://") {
                break address.trim().to_owned();
            }
        };
        Self {
            child,
            stderr,
            address,
        }
    }

    /// Sends a program; its answer is read later.
    fn begin(&self, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /v1/run HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }
}

fn all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn serve(file: &str) -> Command {
    super::command(&["serve", "--config", file, "--listen", "127.0.0.1:0"])
}

#[test]
fn a_configuration_is_checked_without_an_interpreter_and_its_faults_are_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let good = write(directory.path(), "");
    let output = run(&["serve", "--check", "--config", &good]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("serve.toml: ok: 1 tenant; programs, bodies"));
    let bad = write(directory.path(), "[programs]\nallow = [\"*.com\"]");
    for arguments in [
        &["serve", "--check", "--config", &bad][..],
        &["serve", "--config", &bad],
    ] {
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(TOOL_ERROR), "{said}");
        assert!(
            said.contains("serve.toml: programs: the rule '*.com' is refused"),
            "{said}"
        );
    }
    let missing = run(&["serve", "--config", "/no/such.toml"]);
    assert_eq!(missing.status.code(), Some(TOOL_ERROR));
    assert!(text(&missing.stderr).contains("/no/such.toml"));
}

#[test]
fn a_signal_lets_what_runs_end_and_the_exit_code_is_zero() {
    prepare();
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "[server]\nnotice = \"0s\"\ngrace = \"60s\"",
    );
    let mut server = Server::start(serve(&file));
    let mut stream =
        server.begin("{\"code\": \"print('begun'); import time; time.sleep(1); print('over')\"}");
    let mut answer = String::new();
    let mut piece = [0; 4096];
    while !answer.contains("begun") {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "{answer}");
        answer += std::str::from_utf8(&piece[..count]).unwrap();
    }
    let pid = Pid::from_child(&server.child);
    kill_process(pid, Signal::TERM).unwrap();
    answer += &all(stream);
    assert!(
        answer.contains("over") && answer.contains("\"ended\":\"exit\""),
        "{answer}"
    );
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    server.stderr.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("ending: what runs has its grace period"),
        "{said}"
    );
}

/// A collector that answers each request, and keeps the bodies.
fn collector() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || collect(BufReader::new(stream.unwrap()), &sender));
        }
    });
    (address, bodies)
}

fn collect(mut stream: BufReader<TcpStream>, bodies: &std::sync::mpsc::Sender<String>) {
    loop {
        let mut length = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let _ = bodies.send(String::from_utf8(body).unwrap());
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.get_mut().write_all(answer).unwrap();
    }
}

#[test]
fn spans_of_calls_and_programs_go_to_the_collector() {
    prepare();
    let (address, bodies) = collector();
    let directory = tempfile::tempdir().unwrap();
    let settings = format!("[server]\nnotice = \"0s\"\n[telemetry]\ntraces = \"http://{address}\"");
    let mut server = Server::start(serve(&write(directory.path(), &settings)));
    let answer = all(server.begin("{\"code\": \"print(1)\"}"));
    assert!(answer.contains("\"ended\":\"exit\""), "{answer}");
    kill_process(Pid::from_child(&server.child), Signal::TERM).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let all: String = bodies.try_iter().collect();
    let all = all.replace([' ', '\n'], "");
    for part in [
        "\"name\":\"call\"",
        "\"name\":\"run\"",
        "\"/v1/run\"",
        "\"acme\"",
        "sandbox-net-serve",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains(TOKEN), "{all}");
}

#[test]
fn the_audit_log_goes_to_the_collector_as_it_goes_to_the_file() {
    prepare();
    let (address, bodies) = collector();
    let directory = tempfile::tempdir().unwrap();
    let settings = format!(
        "[server]\nnotice = \"0s\"\n[programs]\nallow = [\"http://allowed.test\"]\n[audit]\nfile = \"audit.jsonl\"\nlogs = \"http://{address}\""
    );
    let mut server = Server::start(serve(&write(directory.path(), &settings)));
    let program = "import urllib.request\nfor number in range(20):\n    try:\n        \
                   urllib.request.urlopen(f'http://x{number}.test/')\n    except OSError:\n        pass";
    let body = serde_json::json!({ "code": program }).to_string();
    let answer = all(server.begin(&body));
    assert!(answer.contains("\"exit_code\":0"), "{answer}");
    kill_process(Pid::from_child(&server.child), Signal::TERM).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let mut sent = Vec::new();
    for body in bodies.try_iter() {
        let message: serde_json::Value = serde_json::from_str(&body).unwrap();
        let records = &message["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        let records = records.as_array().expect("records").iter();
        sent.extend(
            records.map(|record| record["body"]["stringValue"].as_str().unwrap().to_owned()),
        );
    }
    let file = std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap();
    assert_eq!(sent, file.lines().collect::<Vec<_>>());
    assert!(
        file.contains("x0.test") && file.contains("x19.test"),
        "{file}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_to_clients_and_the_server_goes_on_when_there_is_room() {
    prepare();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_str().unwrap();
    let file = write(directory.path(), "");
    std::fs::create_dir(directory.path().join("disk")).unwrap();
    // A disk of its own, which is full when a file is there.
    let script = "mount -t tmpfs -o size=1m tmpfs $0/disk || exit 1; export TMPDIR=$0/disk; \
        (while sleep 0.1; do \
            if [ ! -e $0/full ]; then rm -f $0/disk/f $0/done; \
            elif [ ! -e $0/done ]; then head -c 2m /dev/zero >$0/disk/f 2>/dev/null; touch $0/done; fi; \
        done) & exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args([
        "-r",
        "-m",
        "-p",
        "-f",
        "--kill-child",
        "sh",
        "-c",
        script,
        at,
    ]);
    command.args([
        env!("CARGO_BIN_EXE_sandbox-net"),
        "serve",
        "--config",
        &file,
        "--listen",
        "127.0.0.1:0",
    ]);
    let probe = Command::new("unshare")
        .args(["-r", "-m", "-p", "-f", "true"])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there are no user namespaces");
        return;
    }
    let server = Server::start(command);
    let program =
        "{\"code\": \"print(open('/home/x').read())\", \"files\": {\"/home/x\": \"a text\"}}";
    let control = all(server.begin(program));
    assert!(control.contains("a text"), "{control}");
    std::fs::write(directory.path().join("full"), "").unwrap();
    wait(|| directory.path().join("done").exists());
    wait(|| {
        let full = all(server.begin(program));
        let is_told = full.starts_with("HTTP/1.1 507") && full.contains("\"code\":\"disk-full\"");
        assert!(is_told || full.starts_with("HTTP/1.1 200"), "{full}");
        is_told
    });
    std::fs::remove_file(directory.path().join("full")).unwrap();
    wait(|| all(server.begin(program)).contains("a text"));
}

/// Waits until it is so.
fn wait(is_so: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed().as_secs() < 60, "it never was so");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
