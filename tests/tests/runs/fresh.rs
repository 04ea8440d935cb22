//! What programs begin with of their own, where their memory is a copy: nothing by chance is shared.
//!
//! The test takes a few dozen copies. For ten thousand, in release:
//! `cargo test --release -p sandbox-net-tests --test runs -- --ignored ten_thousand`

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use sandbox_net::{Sandbox, SandboxBuilder, Snapshot};
use sandbox_net_tests::wheel;
use serde_json::Value;
use tempfile::TempDir;

use super::built;

/// Modules that keep state, beside those of the standard library: like those of their packages.
const MODULES: &[(&str, &str)] = &[
    ("bson/__init__.py", ""),
    (
        "bson/objectid.py",
        "import os, random\n_MAX_COUNTER_VALUE = 0xFFFFFF\ndef _random_bytes(): return os.urandom(5)\n\
         class ObjectId:\n    _inc = random.SystemRandom().randint(0, _MAX_COUNTER_VALUE)\n    \
         __random = _random_bytes()\n",
    ),
    (
        "uuid6.py",
        "_last_v6_timestamp = 1\n_last_v7_timestamp = 2\n_last_v8_timestamp = None\n",
    ),
    (
        "own.py",
        "import logging, random, ssl, uuid\n\
         chance, given = random.Random(), random.Random(7)\n\
         reseeded = random.Random(7); reseeded.seed()\n\
         then_given = random.Random(); then_given.seed(7)\n",
    ),
    (
        "own_files.py",
        "import tempfile, uuid\ntempfile.mktemp(); uuid.uuid1(); uuid.uuid7()\n",
    ),
    ("uses.py", "import numpy.random, secrets\n"),
    ("draws.py", "import secrets\ntoken = secrets.token_hex()\n"),
    ("starts.py", "from time import time\nstart = time()\n"),
    (
        "own_numpy.py",
        "import numpy as np\nchance, given = np.random.default_rng(), np.random.default_rng(7)\n\
         legacy, legacy_given = np.random.RandomState(), np.random.RandomState(7)\n\
         np.random.random()\n",
    ),
];

/// Prints what is by chance, and what is the same wherever.
const PROGRAM: &str = r#"
import json, os, random, secrets, ssl, tempfile, uuid
import bson.objectid, own, uuid6
chance = {
    "random": random.random(), "Random": own.chance.random(), "reseeded": own.reseeded.random(),
    "urandom": os.urandom(8).hex(), "secrets": secrets.token_hex(8),
    "system": random.SystemRandom().random(), "ssl": ssl.RAND_bytes(8).hex(),
    "node": uuid.getnode(), "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()),
    "uuid7": str(uuid.uuid7()), "uuid6": str(uuid.uuid6()), "mktemp": tempfile.mktemp(),
    "bson": bson.objectid.ObjectId._ObjectId__random.hex(),
}
same = {
    "given": own.given.random(), "then given": own.then_given.random(),
    "times": [uuid6._last_v6_timestamp, uuid6._last_v7_timestamp],
}
print(json.dumps([chance, same]))
"#;

const NUMPY: &str = r#"
import json, numpy, own_numpy
chance = {
    "legacy": numpy.random.random(), "new": numpy.random.default_rng().random(),
    "generator": own_numpy.chance.random(), "state": own_numpy.legacy.random(),
}
same = {"given": own_numpy.given.random(), "state": own_numpy.legacy_given.random()}
print(json.dumps([chance, same]))
"#;

async fn sandbox(directory: &Path, imports: &[&str]) -> Sandbox {
    let wheel = wheel(directory, "keeps", "1.0", MODULES);
    let snapshot = Snapshot::builder().with_package(wheel.to_str().expect("a path"));
    let snapshot = imports
        .iter()
        .fold(snapshot, |builder, name| builder.import(*name));
    let snapshot = snapshot.build().await.expect("a snapshot");
    built(Sandbox::builder().snapshot(snapshot)).await
}

/// Runs it in so many copies: what is by chance is never the same, and the rest always is.
async fn no_collision(sandbox: &Sandbox, program: &str, copies: usize) {
    let mut seen: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let mut first: Option<Value> = None;
    for _ in 0..copies {
        let outcome = sandbox.run(program).await.expect("a run");
        assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
        let told: [Value; 2] = serde_json::from_slice(&outcome.stdout).expect("JSON");
        let [chance, same] = told;
        for (name, value) in chance.as_object().expect("an object") {
            let is_new = seen
                .entry(name.clone())
                .or_default()
                .insert(value.to_string());
            assert!(is_new, "two copies have the same {name}: {value}");
        }
        assert_eq!(*first.get_or_insert_with(|| same.clone()), same);
    }
}

const ALL: &[&str] = &["own", "own_files", "uuid6", "bson.objectid", "secrets"];

#[tokio::test]
async fn copies_share_nothing_by_chance() {
    let directory = TempDir::new().expect("a directory");
    no_collision(&sandbox(directory.path(), ALL).await, PROGRAM, 40).await;
    no_collision(&sandbox(directory.path(), &["own_numpy"]).await, NUMPY, 6).await;
    // Modules that were imported ahead, too.
    let wheel = wheel(directory.path(), "keeps", "1.0", MODULES);
    let automatic = Sandbox::builder().with_package(wheel.to_str().expect("a path"));
    let automatic = built(automatic).await;
    let ready = "import sandbox_net.ready_modules as r; ready = set(r._ready); print({'own', 'random', \
                 'uuid', 'uuid6', 'numpy.random', 'secrets'} - ready, {'own_files', 'draws', 'starts', \
                 'own_numpy'} & ready)";
    let outcome = automatic.run(ready).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "set() set()\n");
    no_collision(&automatic, PROGRAM, 8).await;
    no_collision(&automatic, NUMPY, 6).await;
}

#[tokio::test]
#[ignore = "minutes: in release, once"]
async fn ten_thousand_copies_share_nothing_by_chance() {
    let directory = TempDir::new().expect("a directory");
    no_collision(&sandbox(directory.path(), ALL).await, PROGRAM, 10_000).await;
}

#[tokio::test]
async fn clocks_and_counters_begin_with_the_program() {
    let directory = TempDir::new().expect("a directory");
    let sandbox = sandbox(directory.path(), ALL).await;
    let code = "import logging, tempfile, time, uuid6\n\
                record = logging.LogRecord('a', 10, 'f', 1, 'm', None, None)\n\
                assert 0 <= record.relativeCreated < 60_000, record.relativeCreated\n\
                assert tempfile.gettempdir() == '/home', tempfile.gettempdir()\n\
                assert uuid6._last_v6_timestamp is uuid6._last_v7_timestamp is None";
    let options = sandbox_net::RunOptions::new().env("TMPDIR", "/home");
    let mut run = sandbox.start(code, options).await.expect("a start");
    let outcome = run.wait().await.expect("an end");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    // Without a snapshot, too.
    let code = "import logging\nr = logging.LogRecord('a', 10, 'f', 1, 'm', None, None)\n\
                assert 0 <= r.relativeCreated < 60_000, r.relativeCreated";
    let plain = built(SandboxBuilder::default()).await;
    let outcome = plain.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
}
