//! The runner itself, with tests that misbehave as badly as possible.

use std::path::PathBuf;
use std::time::Duration;

use crate::interpreter::Interpreter;
use crate::side::{Sandboxed, results};

/// The parts of CPython's package `test` that the runner uses.
const PACKAGE: [(&str, &str); 4] = [
    ("__init__.py", ""),
    ("support/__init__.py", "is_wasi = True"),
    ("support/socket_helper.py", ""),
    (
        "test_worst.py",
        r#"
import os, unittest

class Tests(unittest.TestCase):
    def test_a_passes(self): print("not a line of the report")
    def test_b_ends_the_interpreter(self): os._exit(0)
    def test_c_never_ends(self):
        while True: pass
    def test_d_raises_system_exit(self): raise SystemExit(3)
    def test_e_has_subtests(self):
        for number in range(3):
            with self.subTest(number): self.assertNotEqual(number, 1)
    def test_f_skips(self): self.skipTest("for a reason")

class NoneOfThese(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("no class")
    def test_a(self): pass

class Last(unittest.TestCase):
    def test_a(self):
        try: 1 / 0
        finally: raise KeyError("a") from None
"#,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_ends_or_blocks_the_interpreter_is_told_and_the_next_ones_are_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in PACKAGE {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let interpreter = Interpreter {
        program: PathBuf::new(),
        version: String::new(),
        tests: folder.path().to_path_buf(),
    };
    let sandbox = Sandboxed::new(&interpreter, "test.test_worst").await;
    let results = results(&sandbox, "test.test_worst", Duration::from_secs(3)).await;
    let expected = [
        ("Tests.test_a_passes", "passed", ""),
        ("Tests.test_b_ends_the_interpreter", "died", "Code(0)"),
        ("Tests.test_c_never_ends", "hung", "no end within 3s"),
        ("Tests.test_d_raises_system_exit", "error", "SystemExit: 3"),
        (
            "Tests.test_e_has_subtests",
            "failed",
            "AssertionError: 1 == 1",
        ),
        ("Tests.test_f_skips", "skipped", "for a reason"),
        ("NoneOfThese.test_a", "error", "OSError: no class"),
        ("Last.test_a", "error", "KeyError: 'a'"),
        ("Nobody.test_a", "missing", ""),
    ];
    for (test, word, detail) in expected {
        let outcome = results.get(&format!("test.test_worst.{test}"));
        assert_eq!(
            (outcome.word.as_str(), outcome.detail.as_str()),
            (word, detail),
            "{test}"
        );
    }
}
