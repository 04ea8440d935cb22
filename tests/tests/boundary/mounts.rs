//! Directories of the host that a guest may write to give access to nothing else, now or in a later run.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox_net::{DirAccess, Engine, Outcome, Sandbox, SandboxBuilder, Script};
use tempfile::TempDir;

use DirAccess::{ReadOnly, ReadWrite};

/// A directory of the host with a secret that no sandbox may see, and a directory to mount.
pub(super) struct Place {
    directory: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self { directory };
        for name in ["work/inputs", "outside"] {
            fs::create_dir_all(place.at(name)).expect("a directory");
        }
        fs::write(place.at("work/inputs/in.txt"), "given").expect("a file");
        fs::write(place.at("outside/in.txt"), "secret").expect("a file");
        place
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.at(name), content).expect("a file");
        self.at(name)
    }

    #[cfg(unix)]
    pub(super) fn link(&self, target: &str, name: &str) -> PathBuf {
        std::os::unix::fs::symlink(target, self.at(name)).expect("a link");
        self.at(name)
    }

    /// The names in the directory that no sandbox may see.
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

pub(super) fn mounted(mounts: &[(&Path, &str, DirAccess)]) -> SandboxBuilder {
    let mounts = mounts.iter().copied();
    mounts.fold(Sandbox::builder(), |builder, (host, guest, access)| {
        builder.dir(host, guest, access)
    })
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

/// What guests put in place of a directory that another sandbox has mounted.
const REPLACEMENTS: [&str; 4] = [
    "os.rename('/work/inputs', '/work/aside'); os.symlink('../outside', '/work/inputs')",
    "os.rename('/work/inputs', '/work/aside'); os.symlink('aside/../../outside', '/work/inputs')",
    "os.mkdir('/work/other'); os.rename('/work/inputs', '/work/other/inputs')\n\
     os.symlink('../outside', '/work/link'); os.symlink('link', '/work/inputs')",
    // Without a link: another directory of the same guest.
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
        // The written file is in the mounted directory, wherever the guest moved that.
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

/// The sandbox's own directory on the host, found by a file that only it contains.
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
    // Before anything can fail: the directory is removed at its end from where it is then.
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
            .expect_err("it is refused");
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

/// Links that a guest makes in a mount, and what they would reveal.
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
