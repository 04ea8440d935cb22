//! A kernel that gives no namespaces: nothing runs, or the weaker confinement.

use std::process::{Command, Output};

use crate::support::{can_confine, confined_program, stderr, stdout, tool};
use crate::world::World;

/// Runs the example where no namespaces can be made.
fn run(arguments: &[&str]) -> Option<Output> {
    tool("unshare")?;
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", none, "sh"])
        .arg(confined_program())
        .args(arguments)
        .output()
        .unwrap();
    Some(output)
}

#[test]
fn without_namespaces_nothing_runs_and_one_line_says_why() {
    if !can_confine("refusals") {
        return;
    }
    let Some(output) = run(&["--", "sh", "-c", "echo ran"]) else {
        return;
    };
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(125), "")
    );
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("the program did not run") && said.contains("cannot make namespaces"),
        "{said}"
    );
}

#[test]
fn a_program_in_the_weaker_confinement_serves_nobody_else() {
    if !can_confine("servers in the weaker confinement") {
        return;
    }
    let Some(python) = crate::support::python() else {
        return;
    };
    let code = "
import socket, tempfile
def show(work):
    try:
        print(work())
    except OSError as error:
        print(type(error).__name__)
def own(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.send(b'own')
    return server.accept()[0].recv(3)
show(lambda: own(tempfile.mktemp()))
show(lambda: socket.create_server(('127.0.0.1', 0)))
show(lambda: socket.socket().listen())
show(lambda: socket.socket(socket.AF_INET6).listen())
";
    let python = python.to_str().unwrap().to_owned();
    let arguments = ["--weaker", "--", &python, "-c", code];
    let Some(output) = run(&arguments) else {
        return;
    };
    let expected = format!("b'own'\n{}", "PermissionError\n".repeat(3));
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}

#[test]
fn the_weaker_confinement_still_refuses_other_servers_and_files() {
    if !can_confine("the weaker confinement") {
        return;
    }
    let world = World::new();
    let (forbidden, home) = (world.tcp(), world.path("home/.ssh/id_ed25519"));
    let read = world.path("read");
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{forbidden} && head -c 9 <&3; cat {}; \
         exec 4<>/dev/tcp/127.0.0.1/$BROKER && head -c 10 <&4; \
         cat {}/file && echo x > ~/x && cat ~/x; cat /etc/shadow; kill -0 {}; echo end",
        home.display(),
        read.display(),
        world.victim(),
    );
    world.reset();
    let arguments = [
        "--weaker",
        "--read",
        read.to_str().unwrap(),
        "--",
        "bash",
        "-c",
        &script,
    ];
    let Some(output) = run(&arguments) else {
        return;
    };
    let said = stdout(&output);
    assert_eq!(said, "the brokerx\nend\n", "{}", stderr(&output));
    assert_eq!(world.reached(), 0);
}
