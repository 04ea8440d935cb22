//! Bypasses. Each reaches its target outside of the confinement, and inside runs to its end without reaching it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{
    another_python, can_confine, compile_attacks, confined, confined_program, is_root, programs,
    python, stderr, stdout, text, tool,
};
use crate::world::World;

/// What shows that an attack has reached its target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// A forbidden server was reached.
    ByServer,
    /// The attack itself says so: its target has no server.
    ByItself,
}
use Shown::{ByItself, ByServer};

/// Whether the attack works outside on every machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    /// It does.
    Works,
    /// It does for the machine's root.
    AsRoot,
    /// It depends on how the kernel is built or set.
    Depends,
}
use Control::{AsRoot, Depends, Works};

const ATTACKS: &[(&str, Shown, Control)] = &[
    ("connect", ByServer, Works),
    ("connect_ex", ByServer, Works),
    ("c_module", ByServer, Works),
    ("saved_original", ByServer, Works),
    ("reload", ByServer, Works),
    ("udp", ByServer, Works),
    ("fast_open", ByServer, Works),
    ("fast_open_option", ByServer, Works),
    ("libc_connect", ByServer, Works),
    ("raw_syscall", ByServer, Works),
    ("without_site", ByServer, Works),
    ("isolated", ByServer, Works),
    ("without_environment", ByServer, Works),
    ("emptied_environment", ByServer, Works),
    ("changed_environment", ByServer, Works),
    ("spawned_worker", ByServer, Works),
    ("forked_worker", ByServer, Works),
    ("ipv6", ByServer, Works),
    ("dns_udp", ByServer, Works),
    ("dns_tcp", ByServer, Works),
    ("raw_socket", ByServer, AsRoot),
    ("packet_socket", ByItself, AsRoot),
    ("netlink", ByItself, Works),
    ("vsock", ByItself, Depends),
    ("inherited_socket", ByServer, Works),
    ("inherited_directory", ByItself, Works),
    ("abstract_socket", ByServer, Works),
    ("docker_socket", ByServer, Works),
    ("session_bus", ByServer, Works),
    ("ssh_agent", ByServer, Works),
    ("socket_in_read", ByServer, Works),
    ("socket_in_write", ByServer, Works),
    ("socket_by_relative_path", ByServer, Works),
    ("socket_by_link", ByServer, Works),
    ("socket_by_hard_link", ByServer, Works),
    ("socket_by_proc", ByServer, Works),
    ("socket_by_descriptor", ByServer, Works),
    ("datagram_socket", ByServer, Works),
    ("datagram_pair", ByServer, Works),
    ("datagram_pair_message", ByServer, Works),
    ("pipe_in_read", ByServer, Works),
    ("trace", ByItself, AsRoot),
    ("memory_of_broker", ByItself, AsRoot),
    ("memory_of_init", ByItself, AsRoot),
    ("read_process_memory", ByItself, AsRoot),
    ("take_descriptor", ByItself, AsRoot),
    ("kill", ByItself, Works),
    ("kill_all", ByItself, Works),
    ("priority_of_group", ByItself, Works),
    ("limits_of_parent", ByItself, Works),
    ("mode_of_device", ByItself, AsRoot),
    ("set_user_id", ByItself, Works),
    ("set_user_id_at_once", ByItself, Works),
    ("unshare", ByItself, Depends),
    ("enter_namespace", ByItself, AsRoot),
    ("namespace_of_another", ByItself, AsRoot),
    ("mount", ByItself, AsRoot),
    ("new_mount", ByItself, AsRoot),
    ("change_root", ByItself, AsRoot),
    ("keys", ByItself, Depends),
    ("fault_handler", ByItself, Depends),
    ("performance_events", ByItself, Depends),
    ("programs_in_kernel", ByItself, Depends),
    ("terminal_input", ByItself, Depends),
    ("kernel_setting", ByItself, AsRoot),
    ("ssh_key", ByItself, Works),
    ("shadow", ByItself, AsRoot),
    ("change_mode", ByItself, Works),
    ("change_owner", ByItself, Works),
    ("rename", ByItself, Works),
    ("write_file", ByItself, Works),
    ("symbolic_link", ByItself, Works),
    ("other_root", ByItself, Works),
    ("parent_directories", ByItself, Works),
];

/// Attacks by other programs, and what each needs.
const BY_OTHERS: &[(&str, &str, Shown, Control)] = &[
    ("another_python", "", ByServer, Works),
    ("curl", "curl", ByServer, Works),
    ("bash", "bash", ByServer, Works),
    ("static_binary", "cc", ByServer, Works),
    ("io_uring", "cc", ByServer, Depends),
    ("other_architecture", "cc", ByServer, Depends),
    ("clone", "cc", ByItself, Depends),
    ("clone3", "cc", ByItself, Depends),
    ("racing_address", "cc", ByServer, Works),
    ("racing_descriptor", "cc", ByServer, Works),
];

struct Attacker {
    python: PathBuf,
    another: Option<PathBuf>,
    binary: PathBuf,
    world: World,
}

impl Attacker {
    fn new() -> Option<Self> {
        let world = World::new();
        let binary = world.path("attack");
        compile_attacks(&binary);
        Some(Self {
            python: python()?,
            another: another_python(),
            binary,
            world,
        })
    }

    fn outside(&self, name: &str) -> Output {
        self.launched()
            .args([&self.python, &programs().join("attack.py"), Path::new(name)])
            .env(
                "TARGETS",
                self.world.targets(&self.binary, self.another.as_deref()),
            )
            .env("SSH_AUTH_SOCK", self.world.path("run/agent"))
            .output()
            .unwrap()
    }

    fn inside(&self, name: &str) -> Output {
        let targets = self.world.targets(&self.binary, self.another.as_deref());
        let mut command = self.launched();
        command.arg(confined_program());
        for path in [programs(), self.binary.clone(), self.world.path("read")] {
            if path.exists() {
                command.arg("--read").arg(path);
            }
        }
        if let Some(prefix) = self
            .another
            .as_deref()
            .and_then(|file| file.ancestors().nth(2))
        {
            command.arg("--read").arg(prefix);
        }
        command
            .arg("--write")
            .arg(self.world.path("write"))
            .args(["--env", &format!("TARGETS={targets}"), "--env", "INIT=1"])
            // The caller's home may hold the targets.
            .args(["--env", "HOME=/home/attacker"])
            .args([
                "--env",
                &format!("SSH_AUTH_SOCK={}", text(self.world.path("run/agent"))),
            ])
            .args(["--timeout-ms", "60000", "--"])
            .args([&self.python, &programs().join("attack.py"), Path::new(name)])
            .output()
            .unwrap()
    }

    /// A command that has a socket and a directory open that nobody has named.
    fn launched(&self) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg(programs().join("launcher.py"))
            .arg(self.world.tcp().to_string())
            .arg(self.world.path("private"));
        command
    }

    /// Runs an attack on both sides. Returns what went wrong.
    fn compare(&mut self, name: &str, shown: Shown, control: Control) -> Option<String> {
        // Inside first: what the control leaves on its way is not counted for it.
        self.world.reset();
        let inside = self.inside(name);
        let count = self.world.reached().saturating_sub(LAUNCHER);
        let fine = count == 0 && says(&inside, "end") && !says(&inside, "reached");
        let told = format!(
            "{name}: {count} reached: {}",
            stdout(&inside) + &stderr(&inside)
        );
        println!("{}", told.replace('\n', " | "));
        if !fine || !self.world.victim_lives() {
            return Some(told);
        }
        self.world.reset();
        let outside = self.outside(name);
        let works = says(&outside, "reached")
            && (shown == ByItself || self.world.is_reached_soon(LAUNCHER + 1));
        let has_control = match control {
            Works => true,
            AsRoot => is_root(),
            Depends => false,
        };
        if works {
            return None;
        }
        let told = format!(
            "{name}: no control: {}",
            stdout(&outside) + &stderr(&outside)
        );
        eprintln!("NO CONTROL HERE {told}");
        has_control.then_some(told)
    }
}

/// The launcher itself connects once.
const LAUNCHER: usize = 1;

fn says(output: &Output, line: &str) -> bool {
    stdout(output).lines().any(|one| one == line)
}

#[test]
fn no_bypass_by_a_python_program_reaches_its_target() {
    if !can_confine("bypasses") {
        return;
    }
    let Some(mut attacker) = Attacker::new() else {
        return;
    };
    let wrong: Vec<_> = ATTACKS
        .iter()
        .filter_map(|(name, shown, control)| attacker.compare(name, *shown, *control))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_bypass_by_another_program_reaches_its_target() {
    if !can_confine("bypasses") {
        return;
    }
    let Some(mut attacker) = Attacker::new() else {
        return;
    };
    let mut wrong = Vec::new();
    for (name, needed, shown, control) in BY_OTHERS {
        let is_there = match *needed {
            "" => attacker.another.is_some(),
            "cc" => attacker.binary.exists(),
            name => tool(name).is_some(),
        };
        if is_there {
            wrong.extend(attacker.compare(name, *shown, *control));
        } else {
            eprintln!("SKIPPED {name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_broker_is_reached_from_inside_only() {
    if !can_confine("the broker's port") {
        return;
    }
    let Some(python) = python() else { return };
    let code = "import socket, sys; print(socket.create_connection(('127.0.0.1', 47911)).recv(64), flush=True); sys.stdin.read()";
    let mut run = confined()
        .args(["--port", "47911", "--"])
        .arg(python)
        .args(["-c", code])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(run.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(
        line, "b'the broker\\n'\n",
        "control: the program reaches it"
    );
    for address in ["127.0.0.1:47911", "[::1]:47911"] {
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(
            refused.kind(),
            std::io::ErrorKind::ConnectionRefused,
            "{address}"
        );
    }
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
}
