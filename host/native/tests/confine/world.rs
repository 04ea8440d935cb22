//! What a program must not reach: servers that count who comes, a process, and files.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::text;

const SECRET: &[u8] = b"forbidden";

/// Everything forbidden, on this machine.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    reached: Arc<AtomicUsize>,
    tcp: u16,
    tcp6: u16,
    udp: u16,
    abstract_name: String,
    victim: Child,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = directory();
        let reached = Arc::default();
        for name in ["run", "read", "write", "home/.ssh", "private"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("home/.ssh/id_ed25519"), SECRET).unwrap();
        fs::write(directory.path().join("private/secret"), SECRET).unwrap();
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let world = WORLDS.fetch_add(1, Ordering::SeqCst);
        let abstract_name = format!("sandbox-net-test-{}-{world}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        serve_unix(
            UnixListener::bind_addr(&abstract_address).unwrap(),
            &reached,
        );
        for name in [
            "run/docker.sock",
            "run/bus",
            "run/agent",
            "read/docker.sock",
            "write/docker.sock",
        ] {
            let listener = UnixListener::bind(directory.path().join(name)).unwrap();
            serve_unix(listener, &reached);
        }
        serve_log(
            UnixDatagram::bind(directory.path().join("read/log.sock")).unwrap(),
            &reached,
        );
        serve_pipe(&directory.path().join("read/pipe"), &reached);
        Self {
            tcp: serve_tcp(TcpListener::bind("127.0.0.1:0").unwrap(), &reached),
            tcp6: serve_tcp(TcpListener::bind("[::1]:0").unwrap(), &reached),
            udp: serve_udp(UdpSocket::bind("127.0.0.1:0").unwrap(), &reached),
            abstract_name,
            victim: Command::new("sh")
                .args(["-c", "trap '' USR1; while :; do sleep 1; done"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
            directory,
            reached,
        }
    }

    /// Makes what attacks change as it was, and forgets who came.
    pub(crate) fn reset(&self) {
        for name in ["read/renamed", "write/link", "write/linked.sock"] {
            let _ = fs::remove_file(self.path(name));
        }
        let file = self.path("read/file");
        let _ = fs::remove_file(&file);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(file)
            .unwrap();
        self.reached();
        self.reached.store(0, Ordering::SeqCst);
    }

    /// How often a forbidden server was reached, when all who came have been counted.
    pub(crate) fn reached(&self) -> usize {
        loop {
            let before = self.reached.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            if self.reached.load(Ordering::SeqCst) == before {
                return before;
            }
        }
    }

    /// Whether a server is reached so often, if not now then soon: what was sent may be on its way.
    pub(crate) fn is_reached_soon(&self, expected: usize) -> bool {
        let begun = Instant::now();
        while self.reached.load(Ordering::SeqCst) < expected {
            if begun.elapsed() > Duration::from_secs(10) {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn victim(&self) -> u32 {
        self.victim.id()
    }

    /// Whether the process that must not be reached still lives.
    pub(crate) fn victim_lives(&mut self) -> bool {
        self.victim.try_wait().unwrap().is_none()
    }

    /// The targets, for the attacker.
    pub(crate) fn targets(&self, binary: &Path, another_python: Option<&Path>) -> String {
        let directory = |name: &str| text(self.path(name));
        serde_json::json!({
            "tcp": self.tcp,
            "tcp6": self.tcp6,
            "udp": self.udp,
            "abstract": self.abstract_name,
            "run": directory("run"),
            "read": directory("read"),
            "write": directory("write"),
            "home": directory("home"),
            "victim": self.victim(),
            "binary": text(binary),
            "another_python": another_python.map(text),
        })
        .to_string()
    }

    pub(crate) fn tcp(&self) -> u16 {
        self.tcp
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

/// A directory not in /tmp, which the program has of its own, and with a name that is short enough for sockets.
fn directory() -> TempDir {
    let places = [env!("CARGO_TARGET_TMPDIR"), "/run", "/srv"];
    let mut short = places.into_iter().filter(|place| place.len() < 70);
    short
        .find_map(|place| tempfile::tempdir_in(place).ok())
        .expect("a directory beside /tmp")
}

fn count(reached: &Arc<AtomicUsize>) {
    reached.fetch_add(1, Ordering::SeqCst);
}

/// Counts a client, tells it the secret, and counts what it says.
fn welcome(mut client: impl Read + Write + Send + 'static, reached: &Arc<AtomicUsize>) {
    count(reached);
    let reached = Arc::clone(reached);
    thread::spawn(move || {
        let _ = client.write_all(SECRET);
        let mut heard = [0; 64];
        while client.read(&mut heard).is_ok_and(|length| length > 0) {
            count(&reached);
            let _ = client.write_all(SECRET);
        }
    });
}

fn serve_tcp(listener: TcpListener, reached: &Arc<AtomicUsize>) -> u16 {
    let (port, reached) = (listener.local_addr().unwrap().port(), Arc::clone(reached));
    thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|client| welcome(client, &reached))
    });
    port
}

fn serve_unix(listener: UnixListener, reached: &Arc<AtomicUsize>) {
    let reached = Arc::clone(reached);
    thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|client| welcome(client, &reached))
    });
}

fn serve_udp(socket: UdpSocket, reached: &Arc<AtomicUsize>) -> u16 {
    let (port, reached) = (socket.local_addr().unwrap().port(), Arc::clone(reached));
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((_, client)) = socket.recv_from(&mut question) {
            count(&reached);
            let _ = socket.send_to(SECRET, client);
        }
    });
    port
}

fn serve_log(socket: UnixDatagram, reached: &Arc<AtomicUsize>) {
    let reached = Arc::clone(reached);
    thread::spawn(move || {
        let mut line = [0; 512];
        while socket.recv(&mut line).is_ok() {
            count(&reached);
        }
    });
}

fn serve_pipe(path: &Path, reached: &Arc<AtomicUsize>) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
    // Open for writing, too, so that it does not end with a writer.
    let mut pipe = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let reached = Arc::clone(reached);
    thread::spawn(move || {
        let mut byte = [0];
        while pipe.read(&mut byte).is_ok() {
            count(&reached);
        }
    });
}
