//! Ctrl-C during the search for packages ends the command at once, and leaves nothing half done.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use sandbox_net::python::Cache;

use super::scripts::write_wheel;
use super::{command, prepare, text};

/// Longer than an interrupted command may take, even on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(10);
/// Longer than pip takes to ask for something.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the index does not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Silent {
    /// The page of a project.
    Page,
    /// The second half of a wheel, when it is downloaded to be kept.
    Wheel,
}

/// An index with one wheel; it reports when it falls silent.
fn index(wheel: Vec<u8>, silent: Silent) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!(
        "http://{}/simple",
        listener.local_addr().expect("an address")
    );
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut fetched = 0;
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, &wheel, silent, &mut fetched, &tell);
        }
    });
    (url, told)
}

/// Answers one request, and closes or stays silent.
fn serve(
    mut stream: TcpStream,
    wheel: &[u8],
    silent: Silent,
    fetched: &mut usize,
    tell: &Sender<()>,
) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let is_page = first.contains("/simple/");
    let page = b"<a href=\"/brought-1.0-py3-none-any.whl\">brought-1.0-py3-none-any.whl</a>";
    let (kind, body) = match is_page {
        true => ("text/html", &page[..]),
        false => ("application/zip", wheel),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    let is_fetched = !is_page && first.starts_with("GET");
    *fetched += usize::from(is_fetched);
    let falls_silent = match silent {
        Silent::Page => is_page,
        Silent::Wheel => is_fetched && *fetched > 1,
    };
    if falls_silent {
        if silent == Silent::Wheel {
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body[..length / 2])?;
        }
        let _ = tell.send(());
        // Until the peer has gone.
        thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        return Ok(());
    }
    stream.write_all(head.as_bytes())?;
    match first.starts_with("HEAD") {
        true => Ok(()),
        false => stream.write_all(body),
    }
}

/// A cache with the interpreters of the default one, and without packages.
fn cache() -> tempfile::TempDir {
    let usual = Cache::open(None).expect("the usual cache");
    let beside = usual.root().parent().expect("a directory");
    let cache = tempfile::tempdir_in(beside).expect("a directory");
    for kind in ["distribution", "component", "image", "compiled"] {
        link(&usual.root().join(kind), &cache.path().join(kind));
    }
    cache
}

/// Links the files under other names, without hidden ones, which are unfinished or locks.
fn link(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;

    let made = fs::DirBuilder::new().mode(0o700).create(to);
    made.expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if path.parent() == Some(from) && name.to_string_lossy().starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => link(&path, &to.join(name)),
            false => fs::hard_link(&path, to.join(name)).expect("a link"),
        }
    }
}

/// Everything in the cache of packages except locks: a command that was interrupted leaves its own.
fn packages(cache: &Path) -> Vec<PathBuf> {
    let kinds = ["resolution", "site", "refusals"].map(|kind| cache.join(kind));
    let listed = kinds.iter().filter_map(|kind| fs::read_dir(kind).ok());
    let paths = listed.flatten().flatten().map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_none_or(|end| end != "lock"))
        .collect()
}

/// The processes whose command or directory is below `place`.
fn processes(place: &Path) -> Vec<String> {
    let place = place.to_string_lossy();
    let of = |process: &Path| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let directory = fs::read_link(process.join("cwd")).unwrap_or_default();
        let is_it = command.contains(&*place) || directory.to_string_lossy().contains(&*place);
        is_it.then_some(command)
    };
    let all = fs::read_dir("/proc").expect("processes").flatten();
    all.filter_map(|process| of(&process.path())).collect()
}

/// The exit code of a command that should end at once.
fn end(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < AT_ONCE {
        if let Some(status) = child.try_wait().expect("a status") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    panic!("it went on after the signal");
}

#[test]
fn an_interrupt_while_packages_are_looked_for_ends_the_command_and_leaves_nothing_half_done() {
    prepare();
    let place = tempfile::tempdir().expect("a directory");
    let wheel = write_wheel(place.path());
    let wheel = fs::read(wheel).expect("a wheel");
    let script = place.path().join("my-pip");
    fs::write(&script, "#!/bin/sh\nexec python3 -m pip \"$@\"\n").expect("a script");
    let made = Command::new("chmod").arg("+x").arg(&script).status();
    assert!(made.expect("chmod").success());
    let script = script.to_str().expect("UTF-8");
    let cache = cache();
    let code = "import brought; print(brought.value)";
    let arguments = ["run", "--with", "brought", "-c", code];

    for (silent, pip) in [
        (Silent::Page, "python3 -m pip"),
        (Silent::Wheel, "python3 -m pip"),
        (Silent::Page, script),
    ] {
        let temporary = tempfile::tempdir().expect("a directory");
        let (url, told) = index(wheel.clone(), silent);
        let mut child = command(&arguments)
            .env("SANDBOX_NET_CACHE", cache.path())
            .env("SANDBOX_NET_PIP", pip)
            .env("PIP_INDEX_URL", url)
            .env("PIP_NO_CACHE_DIR", "1")
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary of this crate");
        told.recv_timeout(PATIENCE)
            .expect("a question to the index");
        assert!(
            !packages(cache.path()).is_empty(),
            "something is being made"
        );
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill").success());
        assert_eq!(end(&mut child), Some(130), "{silent:?} {pip}");
        let output = child.wait_with_output().expect("its output");
        assert_eq!(text(&output.stdout), "", "{silent:?} {pip}");
        let left = packages(cache.path());
        assert!(left.is_empty(), "{silent:?} {pip}: {left:?}");
        let alive = processes(cache.path());
        assert!(alive.is_empty(), "{silent:?} {pip}: {alive:?}");
        let files = fs::read_dir(temporary.path()).expect("a directory");
        let files: Vec<_> = files.flatten().map(|file| file.path()).collect();
        assert!(files.is_empty(), "{silent:?} {pip}: {files:?}");
    }

    let output = command(&arguments)
        .env("SANDBOX_NET_CACHE", cache.path())
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", place.path())
        .output()
        .expect("a run");
    let said = text(&output.stderr);
    assert_eq!(text(&output.stdout), "brought along\n", "{said}");
    assert_eq!(
        packages(cache.path()).len(),
        2,
        "the resolution, and its site"
    );
}
