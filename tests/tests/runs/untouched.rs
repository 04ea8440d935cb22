//! A program that looks at no file costs no directory, and one that does notices no difference.

use std::path::Path;

use sandbox_net::{Engine, Error, Output, RunOptions, Sandbox, Script, Session, Stdin};

use super::{built, soon};

fn count(directory: &Path) -> usize {
    directory.read_dir().map_or(0, Iterator::count)
}

/// In a process of its own, with a temporary directory of its own.
fn in_a_process_of_its_own(test: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let child = std::process::Command::new(this)
        .args(["--exact", "--ignored", "--nocapture", test])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let passed = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(passed, "it was run");
}

#[test]
fn who_touches_no_file_has_no_directory_and_who_does_has_one_until_the_end() {
    in_a_process_of_its_own("untouched::counts_directories");
}

/// How many directories there are while this program waits for its input.
async fn while_it_runs(sandbox: &Sandbox, script: impl Into<Script>) -> usize {
    let options = RunOptions::new().stdin(Stdin::Piped).stdout(Output::Piped);
    let mut run = sandbox.start(script, options.unbuffered()).await.unwrap();
    let (stdin, mut stdout) = (run.stdin(), run.stdout().unwrap());
    assert!(soon(stdout.next()).await.is_some());
    let directories = count(&std::env::temp_dir());
    drop(stdin);
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    directories
}

async fn until_none() {
    while count(&std::env::temp_dir()) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

const WAITS: &str = "import sys; print(1); sys.stdin.read()";

#[tokio::test]
#[ignore = "counts what its whole process has"]
async fn counts_directories() {
    let temporary = std::env::temp_dir();
    let engine = Engine::builder().build().await.unwrap();
    engine.warm().await.unwrap();
    let builder = || Sandbox::builder().engine(engine.clone());

    // Nothing looks at a file: while it runs, and after.
    let sandbox = built(builder()).await;
    for _ in 0..2 {
        assert_eq!(while_it_runs(&sandbox, WAITS).await, 0);
        assert_eq!(count(&temporary), 0);
    }
    let mut session = soon(sandbox.session()).await.unwrap();
    soon(session.exec("x = 20")).await.unwrap();
    let mut fork = soon(session.fork()).await.unwrap();
    let value = soon(fork.exec("x + 1")).await.unwrap().value;
    assert_eq!(value.unwrap().text, "21");
    let other = soon(sandbox.fork()).await.unwrap();
    assert_eq!(count(&temporary), 0);

    // A fork goes its own way, and is the only one that has something.
    soon(fork.exec("open('/home/a', 'w').close()"))
        .await
        .unwrap();
    assert_eq!(count(&temporary), 1);
    let listed = "import os; os.listdir('/home')";
    for (session, expected) in [(&mut fork, "['a']"), (&mut session, "[]")] {
        let value = soon(session.exec(listed)).await.unwrap().value;
        assert_eq!(value.unwrap().text, expected);
    }
    assert_eq!(count(&temporary), 2);
    // Nothing is there to be removed of the other one.
    soon(other.close()).await.unwrap();
    soon(fork.close()).await.unwrap();
    drop((session, sandbox));
    soon(until_none()).await;

    // Whatever uses a file has a directory, from then on and until the end.
    for code in [
        "open('/home/a', 'w')",
        "import os; os.stat('/')",
        "import os; os.listdir()",
    ] {
        let sandbox = built(builder()).await;
        assert_eq!(count(&temporary), 0, "{code}");
        let directories = while_it_runs(&sandbox, format!("{code}; {WAITS}")).await;
        assert_eq!(directories, 1, "{code}");
        assert_eq!(while_it_runs(&sandbox, WAITS).await, 1, "{code}");
        soon(sandbox.close()).await.unwrap();
        assert_eq!(count(&temporary), 0, "{code}");
    }
    let sandbox = built(builder()).await;
    sandbox.write_file("/home/a", "1").await.unwrap();
    assert_eq!(count(&temporary), 1);
    drop(sandbox);
    soon(until_none()).await;
    let scripts = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::write(scripts.path().join("agent.py"), WAITS).unwrap();
    let sandbox = built(builder()).await;
    let script = Script::path(scripts.path().join("agent.py"));
    assert_eq!(while_it_runs(&sandbox, script).await, 1);
    drop(sandbox);
    soon(until_none()).await;

    // A session that was saved untouched is loaded with what a program expects.
    let sandbox = built(builder()).await;
    let mut session = soon(sandbox.session()).await.unwrap();
    let saved = scripts.path().join("saved");
    soon(session.save(&saved)).await.unwrap();
    let mut loaded = soon(Session::load(&sandbox, &saved)).await.unwrap();
    let value = soon(loaded.exec("import os; sorted(os.listdir('/'))")).await;
    let text = value.unwrap().value.unwrap().text;
    assert!(
        text.contains("'home', ") && text.contains("'tmp'"),
        "{text}"
    );
    soon(loaded.close()).await.unwrap();
    drop((session, sandbox));
    soon(until_none()).await;
}

#[test]
fn a_temporary_directory_that_is_gone_at_the_first_use_is_an_error_of_that_use() {
    in_a_process_of_its_own("untouched::takes_its_directory_away");
}

#[tokio::test]
#[ignore = "takes the temporary directory of its whole process away"]
async fn takes_its_directory_away() {
    let own = std::env::temp_dir();
    let sandbox = built(Sandbox::builder()).await;
    let away = own.with_extension("away");
    std::fs::rename(&own, &away).unwrap();
    // What needs no file goes on.
    let outcome = soon(sandbox.run("print(1)")).await.unwrap();
    assert_eq!(outcome.stdout_text(), "1\n");
    // The program is told that the disk fails, and never that a file does not exist.
    let code = "
import errno, os
for use in (
    lambda: open('/home/a', 'w'),
    lambda: open('/home/a'),
    lambda: os.stat('/home'),
    lambda: os.listdir('/'),
    lambda: os.mkdir('/home/a'),
):
    try:
        use()
    except OSError as error:
        print(errno.errorcode[error.errno], end=' ')
";
    let outcome = soon(sandbox.run(code)).await.unwrap();
    assert_eq!(
        (&*outcome.stdout_text(), &*outcome.stderr_text()),
        ("EIO EIO EIO EIO EIO ", "")
    );
    // The host is told as by the builder.
    let refused = Sandbox::builder().build().await.unwrap_err().to_string();
    assert!(refused.contains("set TMPDIR"), "{refused}");
    for error in [
        sandbox.write_file("/home/a", "1").await.unwrap_err(),
        sandbox.read_file("/home/a").await.unwrap_err(),
        soon(sandbox.run(Script::named("a.py", "pass")))
            .await
            .unwrap_err(),
        sandbox.fork().await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Files(_)), "{error}");
        assert_eq!(error.to_string(), refused);
    }
    // When it is there again, the next use makes it.
    std::fs::rename(&away, &own).unwrap();
    let outcome = soon(sandbox.run("print(open('/home/a', 'w').write('x'))"));
    assert_eq!(outcome.await.unwrap().stdout_text(), "1\n");
    assert_eq!(sandbox.read_file("/home/a").await.unwrap(), b"x");
    soon(sandbox.close()).await.unwrap();
    assert_eq!(count(&own), 0);
}

/// Each is the first thing that a program does with its files.
const FIRST: &[&str] = &[
    "os.stat('/').st_mode",
    "os.stat('/').st_nlink",
    "os.lstat('/home').st_mode",
    "sorted(os.listdir('/'))",
    "sorted((e.name, e.is_dir()) for e in os.scandir('/'))",
    "os.getcwd()",
    "os.path.samefile('/', '/')",
    "os.path.samefile('/', '/home/..')",
    "os.path.exists('/home'), os.path.exists('/missing')",
    "os.fstat(os.open('/', os.O_RDONLY)).st_mode",
    "os.open('/', os.O_WRONLY)",
    "os.utime('/')",
    "os.mkdir('/home')",
    "os.mkdir('/a')",
    "os.rmdir('/home')",
    "os.rmdir('/')",
    "os.unlink('/')",
    "os.unlink('/home')",
    "os.rename('/home', '/a')",
    "os.rename('/', '/a')",
    "os.symlink('/home', '/a')",
    "os.link('/home', '/a')",
    "os.readlink('/home')",
    "os.truncate('/', 0)",
    "open('/')",
    "open('/a', 'w').write('x')",
    "open('a')",
    "os.open('..', os.O_RDONLY)",
    "os.stat('/../..').st_mode",
];

#[tokio::test]
async fn the_first_thing_that_a_program_does_is_as_it_is_after_others() {
    let engine = Engine::builder().build().await.unwrap();
    for first in FIRST {
        let code = format!(
            "import errno, os\ntry:\n    print(({first}))\nexcept OSError as error:\n    \
             print(errno.errorcode[error.errno])"
        );
        let mut told = Vec::new();
        for is_touched in [false, true] {
            let sandbox = built(Sandbox::builder().engine(engine.clone())).await;
            if is_touched {
                assert!(sandbox.read_file("/missing").await.is_err());
            }
            let outcome = soon(sandbox.run(&*code)).await.unwrap();
            told.push((
                outcome.stdout_text().into_owned(),
                outcome.stderr_text().into_owned(),
            ));
        }
        assert_eq!(told[0], told[1], "{first}");
        assert!(!told[0].0.is_empty(), "{first}: {}", told[0].1);
    }
}

#[tokio::test]
async fn programs_that_begin_at_once_see_the_same_files() {
    let engine = Engine::builder().build().await.unwrap();
    for _ in 0..5 {
        let sandbox = built(Sandbox::builder().engine(engine.clone())).await;
        let code = |name: usize| format!("open('/home/{name}', 'w').write('x')");
        let runs: Vec<_> = (0..4).map(|name| sandbox.run(code(name))).collect();
        for outcome in futures_util::future::join_all(runs).await {
            let outcome = outcome.unwrap();
            assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
        }
        for name in 0..4 {
            let file = sandbox.read_file(&format!("/home/{name}")).await;
            assert_eq!(file.unwrap(), b"x");
        }
        assert_eq!(sandbox.usage().disk_entries.used, 4);
    }
}
