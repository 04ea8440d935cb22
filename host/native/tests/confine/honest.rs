//! Honest programs that work as without confinement.

use std::process::Command;

use crate::support::{can_confine, confined, programs, python, shell, stderr, stdout, tool};

#[test]
fn python_programs_work_as_outside() {
    if !can_confine("honest Python") {
        return;
    }
    let Some(python) = python() else { return };
    let script = programs().join("honest.py");
    let outside = Command::new(&python).arg(&script).output().unwrap();
    let inside = confined()
        .arg("--read")
        .arg(programs())
        .args(["--timeout-ms", "120000", "--"])
        .args([&python, &script])
        .output()
        .unwrap();
    println!("{}", stdout(&inside));
    assert!(stdout(&outside).ends_with("end\n"), "{}", stderr(&outside));
    assert_eq!(stdout(&inside), stdout(&outside), "{}", stderr(&inside));
}

#[test]
fn tools_work_as_outside() {
    if !can_confine("tools") {
        return;
    }
    let cases = [
        (
            "git",
            "cd ~ && git init -q x && cd x && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m m && git log --format=%s",
        ),
        (
            "gcc",
            "cd /tmp && printf 'int main(void){return 7;}' > a.c && gcc a.c -o a && ./a; echo $?",
        ),
        (
            "node",
            "node -e \"const n=require('net');const s=n.createServer(c=>c.end('hi')).listen(0,()=>n.connect(s.address().port).on('data',d=>{console.log(''+d);s.close()}))\"",
        ),
        (
            "node",
            "node -e \"const {Worker}=require('worker_threads');new Worker('console.log(5)',{eval:true})\"",
        ),
        ("bash", "bash -c 'diff <(echo a) <(echo a) && echo same'"),
        (
            "tar",
            "cd /tmp && mkdir d && echo x > d/f && tar cf d.tar d && tar tf d.tar",
        ),
        (
            "sqlite3",
            "sqlite3 ~/x.db 'create table a(b); insert into a values (5); select * from a'",
        ),
    ];
    for (name, script) in cases {
        if tool(name).is_none() {
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        let outside = Command::new("sh")
            .args(["-c", &script.replace("cd /tmp", "cd ~")])
            .env("HOME", scratch.path())
            .output()
            .unwrap();
        let inside = shell(&["--timeout-ms", "60000"], script);
        assert!(outside.status.success(), "{script}: {}", stderr(&outside));
        assert_eq!(
            stdout(&inside),
            stdout(&outside),
            "{script}: {}",
            stderr(&inside)
        );
    }
}

#[test]
fn an_environment_brings_its_own_python() {
    if !can_confine("virtual environments") {
        return;
    }
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let environment = directory.path().join("venv");
    let made = Command::new(&python)
        .args(["-m", "venv", "--without-pip"])
        .arg(&environment)
        .status()
        .unwrap();
    assert!(made.success());
    let output = confined()
        .arg("--")
        .arg(environment.join("bin/python"))
        .args([
            "-c",
            "import sys, ssl, json; print(sys.prefix != sys.base_prefix)",
        ])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "True\n", "{}", stderr(&output));
}

#[test]
fn a_user_without_rights_can_confine() {
    if !can_confine("other users") || !crate::support::is_root() || tool("setpriv").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("confined");
    std::fs::copy(crate::support::confined_program(), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--processes", "50", "--memory", "1073741824", "--", "sh", "-c"])
        .arg("id -u; cat /etc/shadow; echo x > ~/x && cat ~/x; ls /root; kill -0 1 && echo signalled")
        .env("HOME", "/home/somebody")
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "65534\nx\n", "{}", stderr(&output));
}
