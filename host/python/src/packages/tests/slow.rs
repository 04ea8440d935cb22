//! The search through pip's command line alone, if its Python cannot be used or gives no answer.

use std::time::{Duration, Instant};

use super::server::{Fault, Server};
use super::*;
use crate::testing::users_pip;

/// A pip that is a script: it notes each of its starts, and continues as the user's own pip.
struct Scripted {
    directory: tempfile::TempDir,
    /// Its command, before pip's own arguments.
    words: &'static [&'static str],
    patience: Duration,
}

impl Scripted {
    /// Does `before` at each start.
    fn new(words: &'static [&'static str], before: &str) -> Scripted {
        let directory = tempfile::tempdir().unwrap();
        let shift = if words.is_empty() { "" } else { "shift 2" };
        let text = format!(
            "echo \"$*\" >> {}/starts\n{before}\n{shift}\nexec {} \"$@\"\n",
            directory.path().display(),
            users_pip(),
        );
        fs::write(directory.path().join("pip"), text).unwrap();
        Scripted {
            directory,
            words,
            patience: Duration::from_secs(60),
        }
    }

    fn pip(&self, server: &Server) -> Pip {
        let script = self.directory.path().join("pip").into_os_string();
        let words = self.words.iter().map(Into::into);
        let pip = Pip::command("sh", std::iter::once(script).chain(words));
        server.configure(pip).answers_within(self.patience)
    }

    /// How often it was started to download something.
    fn downloads(&self) -> usize {
        let starts = fs::read_to_string(self.directory.path().join("starts")).unwrap();
        let is_download = |line: &&str| line.contains("download");
        starts.lines().filter(is_download).count()
    }
}

/// The packages found with a new cache.
fn resolve(pip: Pip, requirements: &[&str]) -> Result<Vec<String>, String> {
    let place = Place::new();
    let builder = PackagesBuilder::new(&place.manifest, &place.cache).pip(pip);
    let builder = requirements.iter().fold(builder, |all, it| all.with(*it));
    let built = builder.build();
    let built = built.map(|packages| names(&packages));
    built.map_err(|error| {
        let kept = |kind| place.cache.keys(kind).unwrap();
        assert!(kept(RESOLUTION_KIND).is_empty(), "{requirements:?}");
        error.to_string()
    })
}

fn served() -> Server {
    let server = Server::start();
    for wheel in [
        wheel("tool", "1.0").requires("core<2"),
        wheel("tool", "2.0").requires("core>=2,<3"),
        wheel("tool", "3.0").requires("core>=3"),
        wheel("core", "1.0"),
        wheel("core", "2.5"),
        wheel("core", "3.0"),
        wheel("model", "1.9"),
        wheel("model", "2.0").requires("native"),
        wheel("native", "1.0").tags("cp315-cp315-win32"),
        wheel("three", "1.0"),
        wheel("three", "1.1"),
        wheel("early", "1.0"),
        wheel("early", "2.0rc1"),
        wheel("broken", "1.0"),
        wheel("needs-broken", "1.0").requires("broken"),
    ] {
        server.add(wheel);
    }
    server.yank("three-1.1-py3-none-any.whl");
    server.fail("/broken/", Fault::Status);
    server
}

#[test]
fn a_pip_that_cannot_be_asked_quickly_finds_the_same_packages() {
    let server = served();
    let pip = Scripted::new(&[], "");
    for wanted in [
        &["tool", "core<3"][..],
        &["tool", "core==1.0"],
        &["three"],
        &["three==1.1"],
        &["early>=2.0rc1"],
        &["early"],
    ] {
        let slow = resolve(pip.pip(&server), wanted);
        assert_eq!(slow, resolve(server.pip(), wanted), "{wanted:?}");
        assert!(slow.is_ok(), "{slow:?}");
    }
    // At least one for the files of each project.
    assert!(pip.downloads() >= 8, "{}", pip.downloads());
}

#[test]
fn a_python_that_ends_or_is_silent_is_not_waited_for_where_pip_itself_answers() {
    let server = served();
    let ends = "case \"$*\" in *index.py*) exit 1;; esac";
    let silent = "case \"$*\" in *index.py*) exec sleep 300;; esac";
    for before in [ends, silent] {
        let mut pip = Scripted::new(&["-m", "pip"], before);
        pip.patience = Duration::from_millis(200);
        let start = Instant::now();
        let found = resolve(pip.pip(&server), &["core"]);
        assert_eq!(found.unwrap(), ["core 3.0"], "{before}");
        assert!(start.elapsed() < Duration::from_secs(200), "{before}");
        assert!(pip.downloads() >= 1, "{before}");
    }
}

#[test]
fn a_pip_that_cannot_be_asked_quickly_refuses_the_same_with_the_same_advice() {
    let server = served();
    let pip = Scripted::new(&[], "");
    for (wanted, parts) in [
        (&["model"][..], &["machine code", "--with 'model<2'"][..]),
        (&["tool>=2", "core<2"], &["no version of core"]),
        (&["absent"], &["absent"]),
        (&["needs-broken"], &["about broken", "500"]),
    ] {
        let slow = resolve(pip.pip(&server), wanted).unwrap_err();
        let open = resolve(server.pip(), wanted).unwrap_err();
        for part in parts {
            assert!(slow.contains(part), "`{part}` is not in: {slow}");
            assert!(open.contains(part), "`{part}` is not in: {open}");
        }
        assert_eq!(slow.lines().count(), 1, "{slow}");
    }
}

#[test]
fn a_pip_whose_python_answers_is_not_started_for_each_question() {
    let server = served();
    let pip = Scripted::new(
        &["-m", "pip"],
        "case \"$*\" in *index.py*) exec python3 \"$@\";; esac",
    );
    assert_eq!(
        resolve(pip.pip(&server), &["tool"]).unwrap(),
        ["core 3.0", "tool 3.0"]
    );
    assert_eq!(pip.downloads(), 1, "the wheels");
}
