//! Modules that can't be imported ahead: each is left out, and spoils nothing for the others.

use std::time::Duration;

use sandbox_net::{RunOptions, Sandbox, Script, Stdin};
use sandbox_net_tests::wheel;
use tempfile::TempDir;

use super::built;

/// What each does at its import, and what a program sees of it.
const UNFIT: &[(&str, &str, &str)] = &[
    (
        "keeps_open.py",
        "kept = open(__file__)\nvalue = kept.readline()[:4]\n",
        "kept\n",
    ),
    (
        "runs_on.py",
        "import threading, time\nvalue = 'thread'\n\
         threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
        "thread\n",
    ),
    (
        "reads_all.py",
        "import sys\nvalue = sys.stdin.read()\n",
        "a line\nanother\n\n",
    ),
    (
        "asks.py",
        "try: value = input()\nexcept EOFError: value = 'nothing'\n",
        "a line\n",
    ),
    (
        "floods.py",
        "for _ in range(2): print('x')\nvalue = 1\n",
        "x\nx\n1\n",
    ),
    ("ends.py", "import os\nos._exit(4)\n", ""),
    ("raises.py", "value = 1\n1 / 0\n", ""),
];

/// The control, before and behind the others.
const FIT: [(&str, &str); 2] = [
    ("a_fit_one.py", "import sys\nvalue = sys.stdin.isatty()\n"),
    (
        "z_fit_one.py",
        "with open(__file__) as text: value = text.read()\n",
    ),
];

#[tokio::test]
async fn a_module_that_is_unfit_is_left_out_alone() {
    let directory = TempDir::new().expect("a directory");
    let sandbox = with(
        &directory,
        UNFIT.iter().map(|(path, text, _)| (*path, *text)),
    )
    .await;
    assert_eq!(ready(&sandbox).await, "['a_fit_one', 'z_fit_one']\n");
    for (path, _, shown) in UNFIT {
        let name = path.trim_end_matches(".py");
        let options = RunOptions::new().stdin(Stdin::Bytes(b"a line\nanother\n".to_vec()));
        let code = format!("import {name}; print({name}.value)");
        let mut run = sandbox
            .start(Script::code(code), options)
            .await
            .expect("a start");
        let outcome = run.wait().await.expect("an end");
        assert_eq!(
            outcome.stdout_text(),
            *shown,
            "{name}: {}",
            outcome.stderr_text()
        );
    }
}

#[tokio::test]
async fn an_import_without_an_end_is_left_out_after_a_while() {
    let directory = TempDir::new().expect("a directory");
    let endless = [("sleeps.py", "import time\ntime.sleep(3600)\n")];
    let built = with(&directory, endless.into_iter());
    let sandbox = tokio::time::timeout(Duration::from_secs(300), built).await;
    let sandbox = sandbox.expect("an end");
    assert_eq!(ready(&sandbox).await, "['a_fit_one', 'z_fit_one']\n");
}

/// A sandbox with a package of these modules and those that are fit.
async fn with(
    directory: &TempDir,
    modules: impl Iterator<Item = (&'static str, &'static str)>,
) -> Sandbox {
    let modules: Vec<_> = modules.chain(FIT).collect();
    let wheel = wheel(directory.path(), "unfit", "1.0", &modules);
    built(Sandbox::builder().with_package(wheel.to_str().expect("a path"))).await
}

/// The modules of the package that were imported ahead.
async fn ready(sandbox: &Sandbox) -> String {
    let code = "import os, sandbox_net.ready_modules as r\n\
                own = {each.removesuffix('.py') for each in os.listdir('/packages')}\n\
                print(sorted(own & set(r._ready)))";
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    outcome.stdout_text().into_owned()
}
