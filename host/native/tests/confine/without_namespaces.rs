//! A kernel that gives no namespaces: nothing runs, or the weaker confinement.

use std::process::{Command, Output};

use crate::support::{can_confine, compile_attacks, confined_program, stderr, stdout, tool};
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
fn a_kernel_that_lacks_a_layer_is_told_from_others() {
    if !can_confine("kernels that lack a layer") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("attack");
    compile_attacks(&binary);
    if !binary.exists() {
        return;
    }
    let landlock = [
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
    ];
    let cases: [(&[libc::c_long], &str); 4] = [
        (&[libc::SYS_unshare], "cannot make namespaces"),
        (&[libc::SYS_pivot_root], "cannot make /tmp the root"),
        (&landlock, "cannot apply Landlock"),
        (
            &[libc::SYS_seccomp],
            "cannot have connect supervised by seccomp",
        ),
    ];
    for (calls, expected) in cases {
        let calls: Vec<_> = calls.iter().map(ToString::to_string).collect();
        let output = Command::new(&binary)
            .args(["without", &calls.join(",")])
            .arg(confined_program())
            .args(["--", "sh", "-c", "echo ran"])
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(125), ""),
            "{said}"
        );
        assert!(
            said.lines().count() == 1 && said.contains(expected),
            "{expected}: {said}"
        );
    }
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
