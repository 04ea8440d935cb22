//! The table in `docs/libraries.md` of what threads, processes and the system can do here. Each row
//! names the program that shows it.

use std::path::Path;

use crate::table;

const BEGIN: &str = "<!-- there is: made by tests/tests/libraries/there.rs -->\n";
const END: &str = "<!-- end of there is -->\n";

/// A row: the feature, how it works here, and the programs of `programs/` that show it.
type Row = (&'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "`threading`: `Thread`, `Timer`, locks, events, conditions, barriers, `local`",
        "take turns: one goes on whenever another one waits, for however short a time",
        &[
            "threads/fan_out.py",
            "threads/time.py",
            "threads/tickers.py",
        ],
    ),
    (
        "`queue` between threads",
        "as natively; a full queue takes more while a thread is there that could empty it",
        &["threads/producers.py"],
    ),
    (
        "`ThreadPoolExecutor`, `as_completed`, `result(timeout)`",
        "as natively; calls take turns when they wait",
        &["threads/executors.py"],
    ),
    (
        "`multiprocessing.pool.ThreadPool`, `multiprocessing.dummy`",
        "as natively, one call after the other",
        &["threads/thread_pools.py"],
    ),
    (
        "`asyncio.to_thread`, `run_in_executor`, `run_coroutine_threadsafe`, a loop in a thread",
        "as natively, between the turns of the loop",
        &["threads/event_loops.py"],
    ),
    (
        "anyio: `to_thread`, `from_thread`, `open_file`, `Path`",
        "as natively",
        &["threads/with_anyio.py"],
    ),
    (
        "`elasticsearch.helpers.parallel_bulk`; filelock, huggingface_hub",
        "as natively",
        &["threads/with_elasticsearch.py", "functions/with_hub.py"],
    ),
    (
        "threads beside `select`, `socket.settimeout` and socket pairs",
        "as natively; while a thread itself waits for a server, the others wait",
        &["threads/beside_sockets.py"],
    ),
    (
        "a wait that nobody can end",
        "`RuntimeError` that says so, and no hang",
        &["threads/stuck.py"],
    ),
    (
        "`os.getuid` and its like, `getlogin`, `pwd`, `grp`, `getpass.getuser`",
        "one user, whose files are all files",
        &["functions/users.py"],
    ),
    (
        "`os.fchmod`, `chmod`, `chown`, `umask`",
        "succeed for that user; files have no permissions",
        &["functions/permissions.py"],
    ),
    (
        "`fcntl.flock`, `lockf`, `F_GETFD`, `F_GETFL`",
        "as natively, within the program",
        &["functions/file_locks.py"],
    ),
    (
        "`hashlib.pbkdf2_hmac`, `scrypt`",
        "the same keys, slower",
        &["functions/digests.py"],
    ),
    (
        "`signal`, `os.kill` of the program itself",
        "as natively; nobody else sends any",
        &["functions/signals.py"],
    ),
    (
        "`os.pipe`, `os.fdopen` of it",
        "as natively, within the program; not in `select`",
        &["functions/pipes.py"],
    ),
    (
        "`subprocess`, `os.system`, `os.exec*`, `os.fork`, `multiprocessing`, `ProcessPoolExecutor`",
        "`OSError` that names sandbox-net, why, and what to use",
        &["functions/refused.py"],
    ),
    (
        "`signal.alarm`, `signal.setitimer`, `os.statvfs`, `shutil.disk_usage`",
        "the same `OSError`",
        &["functions/refused.py"],
    ),
];

#[test]
fn the_table_of_what_there_is_in_the_documentation_is_that_of_the_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut text = "| | in the sandbox |\n|---|---|\n".to_owned();
    for (what, how, programs) in ROWS {
        for program in *programs {
            assert!(folder.join(program).is_file(), "{program}");
        }
        text += &format!("| {what} | {how} |\n");
    }
    table::check(BEGIN, END, &text);
}
