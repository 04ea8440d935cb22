//! Directories of the host that a guest may write to lead nowhere else, now or in a later run.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox_net::policy::Document;
use sandbox_net::{DirAccess, Engine, Error, Outcome, Sandbox, SandboxBuilder, Script};
use tempfile::TempDir;

use DirAccess::{ReadOnly, ReadWrite};

/// A directory of the host with a secret that no sandbox is given, and a directory to mount.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self { directory };
        for name in ["work/inputs", "outside"] {
            fs::create_dir_all(place.at(name)).expect("a directory");
        }
        fs::write(place.at("work/inputs/in.txt"), "given").expect("a file");
        fs::write(place.at("outside/in.txt"), "secret").expect("a file");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.at(name), content).expect("a file");
        self.at(name)
    }

    #[cfg(unix)]
    fn link(&self, target: &str, name: &str) -> PathBuf {
        std::os::unix::fs::symlink(target, self.at(name)).expect("a link");
        self.at(name)
    }

    /// The names in the directory that no sandbox was given.
    fn outside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("outside")).expect("the directory");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|it| name(it).into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    /// A sandbox with `inputs` mounted, and another whose guest may write above it.
    async fn two(&self) -> (Sandbox, Sandbox) {
        let inner = Sandbox::builder().dir(self.at("work/inputs"), "/inputs", ReadWrite);
        let outer = Sandbox::builder().dir(self.at("work"), "/work", ReadWrite);
        let (inner, outer) = (inner.build().await, outer.build().await);
        (inner.expect("a sandbox"), outer.expect("a sandbox"))
    }
}

async fn run(sandbox: &Sandbox, code: &str) -> Outcome {
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    outcome
}

const READ_AND_WRITE: &str = "
print(open('/inputs/in.txt').read())
open('/inputs/out.txt', 'w').write('written')
";

/// What guests put in the place of a directory that another sandbox has mounted.
const REPLACEMENTS: [&str; 4] = [
    "os.rename('/work/inputs', '/work/aside'); os.symlink('../outside', '/work/inputs')",
    "os.rename('/work/inputs', '/work/aside'); os.symlink('aside/../../outside', '/work/inputs')",
    "os.mkdir('/work/other'); os.rename('/work/inputs', '/work/other/inputs')\n\
     os.symlink('../outside', '/work/link'); os.symlink('link', '/work/inputs')",
    // Without a link: another directory of the guest's own.
    "os.rename('/work/inputs', '/work/aside'); os.mkdir('/work/inputs')\n\
     open('/work/inputs/in.txt', 'w').write('made by a guest')",
];

#[tokio::test]
async fn a_mount_stays_the_directory_that_it_was_whatever_takes_its_name() {
    for replacement in REPLACEMENTS {
        let place = Place::new();
        let (inner, outer) = place.two().await;
        run(&inner, "print(open('/inputs/in.txt').read())").await;
        run(&outer, &format!("import os\n{replacement}")).await;

        let again = run(&inner, READ_AND_WRITE).await;
        assert_eq!(again.stdout_text(), "given\n", "{replacement}");
        let fork = inner.fork().await.expect("a fork");
        let forked = run(&fork, READ_AND_WRITE).await;
        assert_eq!(forked.stdout_text(), "given\n", "{replacement}");
        for sandbox in [&inner, &fork] {
            let read = sandbox.read_file("/inputs/in.txt").await;
            assert_eq!(read.expect("the file"), b"given", "{replacement}");
            let written = sandbox.write_file("/inputs/deep/host.txt", "host").await;
            written.expect("a file");
        }
        assert_eq!(place.outside(), ["in.txt"], "{replacement}");
        let secret = fs::read_to_string(place.at("outside/in.txt"));
        assert_eq!(secret.expect("the file"), "secret");
        // What was written is in the directory that was mounted, where the guest moved it.
        let moved = ["work/aside", "work/other/inputs"].map(|name| place.at(name));
        let moved = moved
            .iter()
            .find(|path| path.is_dir())
            .expect("it was moved");
        for name in ["out.txt", "deep/host.txt"] {
            assert!(moved.join(name).is_file(), "{replacement}: {name}");
        }
    }
}

#[tokio::test]
async fn a_mount_whose_name_is_gone_or_taken_by_a_file_still_works() {
    for replacement in ["", "; open('/work/inputs', 'w').close()"] {
        let place = Place::new();
        let (inner, outer) = place.two().await;
        let moving = "import os; os.rename('/work/inputs', '/work/aside')";
        run(&outer, &format!("{moving}{replacement}")).await;
        let outcome = run(&inner, READ_AND_WRITE).await;
        assert_eq!(outcome.stdout_text(), "given\n");
        assert!(place.at("work/aside/out.txt").is_file());
    }
}

/// The sandbox's own directory on the host, by a file that is only in it.
#[cfg(unix)]
async fn own_directory(sandbox: &Sandbox, marker: &str) -> PathBuf {
    let written = sandbox.write_file(&format!("/home/{marker}"), "own").await;
    written.expect("a file");
    let entries = fs::read_dir(std::env::temp_dir()).expect("the temporary directory");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let own = paths
        .into_iter()
        .find(|path| path.join("files/home").join(marker).is_file());
    own.expect("the sandbox's own directory")
}

#[cfg(unix)]
#[tokio::test]
async fn the_sandboxs_own_files_stay_where_they_were_whatever_takes_their_name() {
    let place = Place::new();
    fs::create_dir_all(place.at("outside/files/home")).expect("directories");
    let script = place.file(
        "agent.py",
        "print(open('marker-of-mounts').read()); open('new', 'w')",
    );
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let own = own_directory(&sandbox, "marker-of-mounts").await;
    let moved = place.at("moved");
    fs::rename(&own, &moved).expect("it is moved");
    std::os::unix::fs::symlink(place.at("outside"), &own).expect("a link");

    let outcome = sandbox.run(Script::path(&script)).await.expect("a run");
    let fork = sandbox.fork().await.expect("a fork");
    let written = sandbox.write_file("/home/host.txt", "host").await;
    // Before anything can fail: the directory goes where its end looks for it.
    fs::remove_file(&own).expect("the link");
    fs::rename(&moved, &own).expect("it is moved back");

    assert_eq!(outcome.stdout_text(), "own\n", "{}", outcome.stderr_text());
    written.expect("a file");
    for name in ["new", "host.txt"] {
        assert!(own.join("files/home").join(name).is_file(), "{name}");
    }
    let read = fork.read_file("/home/marker-of-mounts").await;
    assert_eq!(read.expect("the file"), b"own");
    let taken = fs::read_dir(place.at("outside/files/home")).expect("the directory");
    assert_eq!(taken.count(), 0);
    assert_eq!(place.outside(), ["files", "in.txt"]);
}

#[tokio::test]
async fn the_cache_is_not_writable_to_a_guest_whole_or_in_part() {
    let engine = Engine::shared().await.expect("an engine");
    let (library, _) = engine.library();
    let build = async |host: &Path, access| {
        let builder = Sandbox::builder().engine(engine.clone());
        builder.dir(host, "/data", access).build().await
    };
    let above = library.ancestors().filter(|path| path.parent().is_some());
    for directory in above {
        let error = build(directory, ReadWrite)
            .await
            .err()
            .expect("it is refused");
        let message = error.to_string();
        assert!(
            ["the cache of compiled code", "the temporary directory"]
                .iter()
                .any(|what| message.contains(what)),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    build(library, ReadOnly).await.expect("it is only read");
}

/// The descriptors of this process that are of `directory` itself.
#[cfg(target_os = "linux")]
fn descriptors_of(directory: &Path) -> usize {
    let directory = directory.canonicalize().expect("the directory");
    let entries = fs::read_dir("/proc/self/fd").expect("the descriptors");
    let links = entries.filter_map(|entry| entry.ok()?.path().read_link().ok());
    links.filter(|link| *link == directory).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_mount_takes_one_descriptor_however_many_runs_and_forks_use_it() {
    let place = Place::new();
    let inputs = place.at("work/inputs");
    let builder = Sandbox::builder().dir(&inputs, "/inputs", ReadWrite);
    let sandbox = builder.build().await.expect("a sandbox");
    assert_eq!(descriptors_of(&inputs), 1);
    let fork = sandbox.fork().await.expect("a fork");
    for sandbox in [&sandbox, &fork, &sandbox] {
        run(sandbox, READ_AND_WRITE).await;
        sandbox.read_file("/inputs/in.txt").await.expect("the file");
        assert_eq!(descriptors_of(&inputs), 1);
    }
    drop(sandbox);
    assert_eq!(descriptors_of(&inputs), 1);
    run(&fork, READ_AND_WRITE).await;
    drop(fork);
    assert_eq!(descriptors_of(&inputs), 0);
}

/// Links that a guest makes in a mount, and what they would show.
#[tokio::test]
async fn links_that_a_guest_makes_lead_out_of_no_mount() {
    let place = Place::new();
    let builder = Sandbox::builder().dir(place.at("work"), "/work", ReadWrite);
    let sandbox = builder.build().await.expect("a sandbox");
    let code = "
import os
for number, target in enumerate(['../outside', 'inputs/../../outside', '..', '../..']):
    os.symlink(target, f'/work/link{number}')
for name in ['link0/in.txt', 'link1/in.txt', 'link2/outside/in.txt', '../outside/in.txt']:
    for mode in 'rw':
        try:
            open(f'/work/{name}', mode)
        except OSError:
            print('refused')
os.symlink('in.txt', '/work/inputs/inside')
print(open('/work/inputs/inside').read())
";
    let outcome = run(&sandbox, code).await;
    assert_eq!(outcome.stdout_text(), "refused\n".repeat(8) + "given\n");
    for path in [
        "/work/link0/in.txt",
        "/work/link1/in.txt",
        "/work/link2/outside/in.txt",
    ] {
        assert!(sandbox.read_file(path).await.is_err(), "{path}");
        assert!(sandbox.write_file(path, "x").await.is_err(), "{path}");
    }
    assert_eq!(place.outside(), ["in.txt"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn links_of_the_kernel_lead_out_of_no_mount_either() {
    let builder = Sandbox::builder().dir("/proc/self", "/process", ReadOnly);
    let sandbox = builder.build().await.expect("a sandbox");
    let code = "
print(open('/process/status').read().startswith('Name:'))
for name in ['root/etc/passwd', 'cwd', 'exe', 'root', 'fd/0', 'task/../root/etc/passwd']:
    try:
        open(f'/process/{name}', 'rb').read(1)
    except OSError:
        print('refused')
";
    let outcome = run(&sandbox, code).await;
    assert_eq!(
        outcome.stdout_text(),
        "True\n".to_owned() + &"refused\n".repeat(6)
    );
    for path in ["/process/root/etc/passwd", "/process/exe"] {
        assert!(sandbox.read_file(path).await.is_err(), "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_a_mount_is_refused_at_once_and_files_beside_it_are_not() {
    let place = Place::new();
    let mut mkfifo = std::process::Command::new("mkfifo");
    let made = mkfifo.arg(place.at("work/pipe")).status();
    assert!(made.expect("mkfifo").success());
    let builder = Sandbox::builder().dir(place.at("work"), "/work", ReadWrite);
    let limited = builder.time_limit(std::time::Duration::from_secs(60));
    let sandbox = limited.build().await.expect("a sandbox");
    let code = "
import errno, os
for mode in ('rb', 'wb', 'ab', 'r+b'):
    try:
        open('/work/pipe', mode)
    except OSError as error:
        print(errno.errorcode[error.errno])
print(os.path.exists('/work/pipe'), os.listdir('/work/inputs'))
print(open('/work/inputs/in.txt').read())
with open('/work/new', 'x') as file:
    file.write('new')
with open('/work/new', 'a') as file:
    file.write('er')
print(open('/work/new').read(), open('/work/new', 'r+').read())
os.remove('/work/pipe')
";
    let outcome = run(&sandbox, code).await;
    let refusals = "ENOTSUP\n".repeat(4);
    let expected = format!("{refusals}True ['in.txt']\ngiven\nnewer newer\n");
    assert_eq!(outcome.stdout_text(), expected);
}

/// A sandbox that was refused, with what the one line says.
fn refused(builder: &SandboxBuilder, expected: &[&str]) {
    let error = builder.check().expect_err("it is refused");
    let message = error.to_string();
    assert!(matches!(error, Error::Exposed { .. }), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

fn mounted(mounts: &[(&Path, &str, DirAccess)]) -> SandboxBuilder {
    let mounts = mounts.iter().copied();
    mounts.fold(Sandbox::builder(), |builder, (host, guest, access)| {
        builder.dir(host, guest, access)
    })
}

#[cfg(unix)]
#[test]
fn a_directory_within_a_writable_one_is_refused_by_its_name() {
    let place = Place::new();
    let (work, inputs) = (place.at("work"), place.at("work/inputs"));
    fs::create_dir_all(place.at("work/a/b/c")).expect("directories");
    let into = place.link("work/inputs", "into");
    let within = place.link("work/a/../inputs", "within");
    let out = place.link("../../outside", "work/a/out");
    let own = place.link("..", "work/a/own");
    let beyond = place.at("work/a/b/../../../outside");
    for (inner, access, how) in [
        (&inputs, ReadWrite, "lies in"),
        (&inputs, ReadOnly, "lies in"),
        (&place.at("work/a/b/c"), ReadOnly, "lies in"),
        (&into, ReadOnly, "lies in"),
        (&within, ReadWrite, "lies in"),
        (&out, ReadOnly, "is reached through"),
        (&beyond, ReadOnly, "is reached through"),
        (&work, ReadOnly, "is the directory"),
        (&work, ReadWrite, "is the directory"),
    ] {
        let expected = [
            "the mount at /inner",
            &inner.display().to_string(),
            how,
            "as /outer: mount",
        ];
        for mounts in [
            [(&*work, "/outer", ReadWrite), (&**inner, "/inner", access)],
            [(&**inner, "/inner", access), (&*work, "/outer", ReadWrite)],
        ] {
            // Of the same directory twice, either is refused.
            match (how, access) {
                ("is the directory", ReadWrite) => {
                    refused(&mounted(&mounts), &["is the directory"])
                }
                _ => refused(&mounted(&mounts), &expected),
            }
        }
    }
    // The guest could replace a name in the mount's own path.
    refused(
        &mounted(&[(&own, "/own", ReadWrite)]),
        &["the mount at /own", "is reached through"],
    );
    let up = place.at("work/a/..");
    refused(
        &mounted(&[(&up, "/own", ReadWrite)]),
        &["the mount at /own", "is reached through"],
    );
}

#[cfg(unix)]
#[test]
fn directories_beside_each_other_or_in_one_that_is_read_only_are_mounted() {
    let place = Place::new();
    let (work, inputs, outside) = (
        place.at("work"),
        place.at("work/inputs"),
        place.at("outside"),
    );
    let longer = place.at("work-2");
    fs::create_dir(&longer).expect("a directory");
    let link = place.link("work", "link");
    for mounts in [
        vec![
            (&*work, "/work", ReadOnly),
            (&*inputs, "/work/inputs", ReadWrite),
        ],
        vec![(&*work, "/work", ReadOnly), (&*inputs, "/inputs", ReadOnly)],
        vec![(&*work, "/a", ReadOnly), (&*work, "/b", ReadOnly)],
        vec![
            (&*work, "/work", ReadWrite),
            (&*outside, "/outside", ReadWrite),
        ],
        vec![
            (&*work, "/work", ReadWrite),
            (&*longer, "/longer", ReadOnly),
        ],
        vec![(&*link, "/link", ReadWrite)],
    ] {
        mounted(&mounts).check().expect("nothing is in the way");
    }
}

/// The settings that name a file of the host, each with what a message calls it.
fn settings(path: &Path) -> Vec<(&'static str, SandboxBuilder)> {
    let secret = |source: String| {
        let text = format!(
            "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"key\"\n\
             headers = [\"x-key\"]\nrule = \"https://a.test\"\nsource = {source}\n[end]\n"
        );
        Sandbox::builder().policy(Document::parse(&text).expect("a policy"))
    };
    let quoted = format!("{:?}", path.display().to_string());
    vec![
        ("the audit log", Sandbox::builder().audit_file(path)),
        ("--ca", Sandbox::builder().protect(path, "--ca")),
        ("the policy", Sandbox::builder().policy_file(path)),
        (
            "the file of the secret 'key'",
            secret(format!("{{ file = {quoted} }}")),
        ),
        (
            "the program of the secret 'key'",
            secret(format!("{{ command = [{quoted}] }}")),
        ),
    ]
}

#[cfg(unix)]
#[test]
fn a_file_that_a_guest_could_replace_is_refused_by_its_settings_name() {
    let place = Place::new();
    let content = "version = 1\nallow = [\"https://a.test\"]\n[end]\n";
    fs::create_dir_all(place.at("work/a/b")).expect("directories");
    place.file("outside/file", content);
    let paths = [
        (place.file("work/file", content), "lies in"),
        (place.file("work/a/b/file", content), "lies in"),
        (place.link("work/file", "into"), "lies in"),
        (
            place.link("../outside/file", "work/out"),
            "is reached through",
        ),
        (
            place.link("work/a/../../outside/file", "through"),
            "is reached through",
        ),
        (place.at("work/a/../../outside/file"), "is reached through"),
    ];
    for (path, how) in &paths {
        for (what, builder) in settings(path) {
            let builder = builder.dir(place.at("work"), "/work", ReadWrite);
            let named = format!("{what} '{}' {how} the directory '", path.display());
            let keep = format!(
                "as /work: mount a subdirectory or mount it read-only, or keep {what} elsewhere"
            );
            refused(&builder, &[&named, &keep]);
        }
    }
    // The honest use: the directory is read-only, or only a part of it is writable.
    for (path, _) in &paths {
        for (what, builder) in settings(path) {
            let builder = builder.dir(place.at("work"), "/work", ReadOnly);
            builder
                .check()
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    for (what, builder) in settings(&place.at("work/file")) {
        let builder = builder.dir(place.at("work/inputs"), "/inputs", ReadWrite);
        builder
            .check()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn a_wheel_and_an_audit_log_that_are_not_there_yet_are_refused_too() {
    let place = Place::new();
    let wheel = place.at("work/one-1.0-py3-none-any.whl");
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    refused(
        &builder.with_package(wheel.display().to_string()),
        &["the wheel '", "lies in"],
    );
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    refused(
        &builder.audit_file(place.at("work/new.jsonl")),
        &["the audit log '", "lies in"],
    );
    // A program that is looked for in PATH is no path.
    let (_, builder) = settings(Path::new("true"))
        .pop()
        .expect("a secret's program");
    let builder = builder.dir(place.at("work"), "/work", ReadWrite);
    builder.check().expect("nothing is in the way");
}

/// A sandbox that may write to `work`, with a secret from this command.
fn with_command(place: &Place, words: &[&str]) -> SandboxBuilder {
    let text = format!(
        "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"key\"\n\
         headers = [\"x-key\"]\nrule = \"https://a.test\"\nsource = {{ command = {words:?} }}\n[end]\n"
    );
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    builder.policy(Document::parse(&text).expect("a policy"))
}

#[test]
fn a_secrets_command_names_no_file_that_a_guest_could_replace() {
    let place = Place::new();
    let inside = place.file("work/key.sh", "echo a-long-secret");
    let outside = place.file("outside/key.sh", "echo a-long-secret");
    let (inside, outside) = (inside.to_str().expect("UTF-8"), outside.to_str());
    let outside = outside.expect("UTF-8");
    let new = place.at("work/new.conf");
    let new = new.to_str().expect("UTF-8");
    let what = "the file that the command of the secret 'key' names '";
    for words in [
        &["sh", inside][..],
        &["sh", outside, &format!("--config={inside}")],
        &["sh", "-c", &format!("cat '{inside}'")],
        &["sh", "-c", &format!("cat <{inside}; true")],
        // The guest could make it.
        &["sh", outside, &format!("--config={new}")],
    ] {
        refused(&with_command(&place, words), &[what, "lies in", "as /work"]);
    }
    for words in [
        &["sh", outside][..],
        &["sh", outside, &format!("--config={outside}"), "work"],
        &["sh", "-c", &format!("cat '{outside}' op://work/key")],
    ] {
        let builder = with_command(&place, words);
        builder.check().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }
    let builder = with_command(&place, &["sh", inside]);
    let text = builder.check().expect_err("it is refused").to_string();
    assert!(!text.contains("a-long-secret"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_secrets_script_has_no_interpreter_that_a_guest_could_replace() {
    let place = Place::new();
    let inside = place.file("work/interpreter", "");
    let second = format!("#!{}\n", inside.display());
    let second = place.file("outside/second", &second);
    for (line, is_refused) in [
        (format!("#!{}\n", inside.display()), true),
        (format!("#!{} -u\n", second.display()), true),
        (format!("#!/usr/bin/env {}\n", inside.display()), true),
        (format!("#!/usr/bin/env -S {} -u\n", inside.display()), true),
        ("#!/bin/sh\n".to_owned(), false),
        ("#!/usr/bin/env sh\n".to_owned(), false),
        ("no script".to_owned(), false),
    ] {
        let script = place.file("outside/script", &line);
        let builder = with_command(&place, &[script.to_str().expect("UTF-8")]);
        let what = "the interpreter of the program of the secret 'key'";
        match is_refused {
            true => refused(&builder, &[what]),
            false => builder.check().unwrap_or_else(|e| panic!("{line}: {e}")),
        }
    }
}

#[test]
fn the_temporary_directory_is_not_writable_to_a_guest_but_what_is_in_it_is() {
    let temporary = std::env::temp_dir();
    refused(
        &mounted(&[(&temporary, "/work", ReadWrite)]),
        &["the temporary directory '", "is the directory"],
    );
    if let Some(parent) = temporary.parent().filter(|it| it.parent().is_some()) {
        let builder = mounted(&[(parent, "/work", ReadWrite)]);
        refused(&builder, &["the temporary directory '", "lies in"]);
    }
    mounted(&[(&temporary, "/work", ReadOnly)])
        .check()
        .expect("it is only read");
    let place = Place::new();
    mounted(&[(&place.at("work"), "/work", ReadWrite)])
        .check()
        .expect("a directory in it");
}

#[tokio::test]
async fn a_script_that_the_guest_could_replace_is_not_run() {
    let place = Place::new();
    let script = place.file("work/agent.py", "print('ran')");
    let build = async |access| {
        let builder = Sandbox::builder().dir(place.at("work"), "/work", access);
        builder.build().await.expect("a sandbox")
    };
    let sandbox = build(ReadWrite).await;
    for sandbox in [&sandbox, &sandbox.fork().await.expect("a fork")] {
        let error = sandbox
            .run(Script::path(&script))
            .await
            .expect_err("it is refused");
        let message = error.to_string();
        let named = format!("the script '{}' lies in the directory '", script.display());
        assert!(message.starts_with(&named), "{message}");
    }
    // The honest use: the directory is read-only, or the script lies beside it.
    let outcome = build(ReadOnly).await.run(Script::path(&script)).await;
    assert_eq!(outcome.expect("a run").stdout_text(), "ran\n");
    let beside = place.file("agent.py", "print('ran')");
    let outcome = sandbox.run(Script::path(beside)).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "ran\n");
}

#[tokio::test]
async fn the_guests_paths_of_its_packages_and_scripts_are_taken() {
    let place = Place::new();
    for guest in [
        "/run",
        "/run/",
        "/run/secrets",
        "/packages",
        "/packages/mine",
    ] {
        let builder = mounted(&[(&place.at("work"), guest, ReadOnly)]);
        let message = builder.check().expect_err("it is taken").to_string();
        assert!(
            message.contains("choose another path for it, such as /data"),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    mounted(&[(&place.at("work"), "/runs", ReadOnly)])
        .check()
        .expect("another name");
}
