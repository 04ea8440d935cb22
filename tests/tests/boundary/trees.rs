//! Directory trees that a guest shapes cost the host no more than their quota.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use sandbox_net::{DirAccess, Outcome, Sandbox, SandboxBuilder};
use sandbox_net_tests::{Place, Program};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// Much longer than any of these programs takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// `attempt(f)` returns the result of `f`, or the name of its error; `fill(path)` writes there until
/// it is refused, and returns the bytes that were accepted and the error's name.
const PRELUDE: &str = "
import errno, json, os, shutil, sys, tempfile
def attempt(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno]
def fill(path, mode='wb'):
    with open(path, mode, buffering=0) as file:
        while True:
            try:
                file.write(bytes(60_000))
            except OSError as error:
                return [os.fstat(file.fileno()).st_size, errno.errorcode[error.errno]]
def count(make):
    number = 0
    while (result := attempt(lambda: make(number))) is None:
        number += 1
    return [number, result]
";

async fn sandbox(builder: SandboxBuilder) -> Sandbox {
    builder.build().await.expect("a sandbox")
}

async fn of_mebibytes(count: u64) -> Sandbox {
    sandbox(Sandbox::builder().disk_limit(count * MIB)).await
}

async fn outcome(sandbox: &Sandbox, code: &str) -> Outcome {
    let run = sandbox.run(format!("{PRELUDE}{code}"));
    let outcome = tokio::time::timeout(PATIENCE, run).await;
    outcome.expect("an end").expect("a run")
}

/// The JSON that the program prints.
async fn result(sandbox: &Sandbox, code: &str) -> Value {
    let outcome = outcome(sandbox, code).await;
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    serde_json::from_slice(&outcome.stdout).expect("JSON")
}

#[tokio::test]
async fn bytes_beyond_the_disk_limit_are_enospc_however_they_come() {
    let code = "
def set_size(path, size):
    with open(path, 'wb') as file:
        file.truncate(size)
def seek(path, offset):
    with open(path, 'wb') as file:
        file.seek(offset)
        file.write(b'x')
def positioned(path, offset):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        os.pwrite(fd, b'x', offset)
    finally:
        os.close(fd)
print(json.dumps([
    attempt(lambda: set_size('/home/a', 1 << 40)),
    attempt(lambda: seek('/home/b', 1 << 40)),
    attempt(lambda: positioned('/home/c', 1 << 40)),
    fill('/tmp/d'),
    fill('/home/e', 'ab'),
    attempt(lambda: set_size('/home/f', 1)),
    sorted(os.listdir('/home')),
    attempt(lambda: shutil.copy('/tmp/d', '/home/copy')),
    # A link is no copy.
    attempt(lambda: os.link('/tmp/d', '/home/link')),
    attempt(lambda: os.unlink('/tmp/d')),
    fill('/home/g'),
    attempt(lambda: os.unlink('/home/link')),
    fill('/home/g'),
]))
";
    let full = json!([MIB, "ENOSPC"]);
    let expected = json!([
        "ENOSPC",
        "ENOSPC",
        "ENOSPC",
        full,
        [0, "ENOSPC"],
        "ENOSPC",
        ["a", "b", "c", "e", "f"],
        "ENOSPC",
        null,
        null,
        [0, "ENOSPC"],
        null,
        full
    ]);
    let program = Program::code(&format!("{PRELUDE}{code}"));
    for place in Place::ALL {
        let ended = place.run(Sandbox::builder().disk_limit(MIB), &program);
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("an end");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.exit.code(), 0, "{place:?}: {said}");
        let result: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
        assert_eq!(result, expected, "{place:?}");
    }
}

#[tokio::test]
async fn what_a_fork_has_of_its_session_counts_to_its_own_disk() {
    let sandbox = of_mebibytes(1).await;
    let mut session = sandbox.session().await.expect("a session");
    let before = format!("{PRELUDE}\nopen('/home/kept', 'wb').write(bytes(600_000)) and None");
    assert!(session.exec(before).await.expect("a turn").is_done());
    let mut fork = session.fork().await.expect("a fork");
    // Each has the rest of a disk of its own, whatever the other does with its.
    for session in [&mut fork, &mut session] {
        for (code, expected) in [
            ("fill('/home/more')", json!([MIB - 600_000, "ENOSPC"])),
            ("os.unlink('/home/kept')", Value::Null),
            ("fill('/home/again')", json!([600_000, "ENOSPC"])),
        ] {
            let outcome = session.exec(code).await.expect("a turn");
            assert_eq!(outcome.exception, None, "{code}");
            let json = outcome.value.and_then(|value| value.json);
            let value = json.map_or(Value::Null, |it| serde_json::from_str(&it).expect("JSON"));
            assert_eq!(value, expected, "{code}");
        }
    }
}

#[tokio::test]
async fn a_program_within_its_limit_is_not_ended() {
    let sandbox = of_mebibytes(8).await;
    // Six MiB at a time, 60 in all: deleting, truncating and replacing frees room.
    let code = "
for number in range(10):
    with tempfile.TemporaryFile() as file:
        file.write(bytes(6 << 20))
    with open('/tmp/new', 'wb') as file:
        file.write(bytes(3 << 20))
    os.replace('/tmp/new', '/home/kept')
    with open('/home/kept', 'r+b') as file:
        file.truncate(0)
    os.makedirs('/tmp/a/b/c')
    os.makedirs('/tmp/a/b/c', exist_ok=True)
    open('/tmp/a/b/c/file', 'w').close()
    shutil.copytree('/tmp/a', '/home/copy')
    shutil.rmtree('/tmp/a')
    shutil.rmtree('/home/copy')
import sqlite3
database = sqlite3.connect('/home/data.db')
database.execute('create table numbers (number)')
database.executemany('insert into numbers values (?)', ((number,) for number in range(10_000)))
database.commit()
print(json.dumps(database.execute('select sum(number) from numbers').fetchone()))
";
    assert_eq!(result(&sandbox, code).await, json!([49_995_000]));
    let written = sandbox.read_file("/home/kept").await.expect("the file");
    assert_eq!(written, b"");
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_open_counts_until_it_is_closed() {
    let sandbox = of_mebibytes(1).await;
    let code = "
held = []
def take(number):
    file = open(f'/tmp/{number}', 'wb', buffering=0)
    held.append(file)
    os.unlink(f'/tmp/{number}')
    file.write(bytes(200_000))
taken = count(take)
for file in held:
    file.close()
print(json.dumps([taken, fill('/home/a')]))
";
    let expected = json!([[5, "ENOSPC"], [MIB, "ENOSPC"]]);
    assert_eq!(result(&sandbox, code).await, expected);
}

#[tokio::test]
async fn files_directories_and_links_beyond_the_limit_are_enospc() {
    let sandbox = of_mebibytes(1).await;
    let code = "
open('/home/one', 'w').close()
os.mkdir('/tmp/directory')
made = [
    count(lambda n: open(f'/tmp/{n}', 'w').close()),
    count(lambda n: os.mkdir(f'/tmp/d{n}')),
    count(lambda n: os.symlink('one', f'/home/s{n}')),
    count(lambda n: os.link('/home/one', f'/home/l{n}')),
    # What is there already is there, and can be written.
    attempt(lambda: os.makedirs('/tmp/directory', exist_ok=True)),
    attempt(lambda: open('/tmp/0', 'w').write('x')),
]
for number in range(100):
    os.unlink(f'/tmp/{number}')
made.append(count(lambda n: os.link('/home/one', f'/home/l{n}')))
print(json.dumps(made))
";
    assert_eq!(
        result(&sandbox, code).await,
        json!([
            [1022, "ENOSPC"],
            [0, "ENOSPC"],
            [0, "ENOSPC"],
            [0, "ENOSPC"],
            null,
            1,
            [100, "ENOSPC"]
        ])
    );
}

#[tokio::test]
async fn directories_in_each_other_end_at_their_limit_by_making_and_by_moving() {
    let sandbox = of_mebibytes(100).await;
    let code = "
def nest(top, most):
    fd, levels, error = os.open(top, os.O_RDONLY), 0, None
    while levels < most and error is None:
        error = attempt(lambda: os.mkdir('d', dir_fd=fd))
        if error is None:
            fd, old = os.open('d', os.O_RDONLY, dir_fd=fd), fd
            os.close(old)
            levels += 1
    return [levels, error, fd]
deepest = nest('/home', 14_000)
os.mkdir('/tmp/a')
os.mkdir('/tmp/b')
left, right = nest('/tmp/a', 200), nest('/tmp/b', 200)
moved = attempt(lambda: os.rename('b', 'b', src_dir_fd=os.open('/tmp', os.O_RDONLY), dst_dir_fd=left[2]))
def move_up():
    os.mkdir('/home/top')
    os.rename('/tmp/b', '/home/top/b')
    os.rename('/home/top/b', '/tmp/c')
print(json.dumps([deepest[:2], left[:2], right[:2], moved, attempt(move_up)]))
";
    assert_eq!(
        result(&sandbox, code).await,
        json!([[255, "ENOSPC"], [200, null], [200, null], "ENOSPC", null])
    );
    // The deepest tree is copied, and removed.
    let fork = sandbox.fork().await.expect("a fork");
    let code = "print(json.dumps(sum(1 for _ in os.walk('/home'))))";
    assert_eq!(result(&fork, code).await, json!(257));
    fork.close().await.expect("a clean-up");
    sandbox.close().await.expect("a clean-up");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_once_share_one_disk() {
    let sandbox = of_mebibytes(2).await;
    let runs = (0..6).map(|number| {
        let code = format!("print(json.dumps(fill('/tmp/{number}')[0]))");
        let sandbox = &sandbox;
        async move { result(sandbox, &code).await.as_u64().expect("bytes") }
    });
    let taken: u64 = futures_util::future::join_all(runs).await.iter().sum();
    assert_eq!(taken, 2 * MIB);
    let refused = sandbox.write_file("/home/a", [1]).await.unwrap_err();
    let text = refused.to_string();
    let expected = "the file '/home/a' can't be used: the sandbox's disk limit of 2.0 MiB is \
                    reached; raise the limit or delete files";
    assert_eq!(text, expected);
    result(&sandbox, "os.unlink('/tmp/0'); print(0)").await;
}

#[tokio::test]
async fn a_file_is_read_to_a_bound_and_a_sparse_one_takes_no_memory() {
    let mounted = tempfile::tempdir().expect("a directory");
    let sparse = File::create(mounted.path().join("sparse")).expect("a file");
    sparse.set_len(1 << 40).expect("a sparse file");
    let builder = Sandbox::builder().disk_limit(2 << 40);
    let builder = builder.dir(mounted.path(), "/data", DirAccess::ReadOnly);
    let sandbox = sandbox(builder).await;
    let code = "
with open('/home/sparse', 'wb') as file:
    file.truncate(1 << 40)
print(os.stat('/home/sparse').st_size)
";
    assert_eq!(result(&sandbox, code).await, json!(1_u64 << 40));
    for path in ["/home/sparse", "/data/sparse"] {
        let text = sandbox.read_file(path).await.unwrap_err().to_string();
        assert!(text.contains("it has 1.0 TiB"), "{text}");
        assert!(text.contains("64.0 MiB"), "{text}");
    }
    sandbox
        .write_file("/home/a", [7; 10])
        .await
        .expect("a file");
    let read = sandbox.read_file_up_to("/home/a", 10).await;
    assert_eq!(read.expect("the file"), [7; 10]);
    assert!(sandbox.read_file_up_to("/home/a", 9).await.is_err());
    assert_eq!(
        sandbox.read_file("/home/a").await.expect("the file").len(),
        10
    );
}

#[tokio::test]
async fn a_fork_keeps_sparse_files_sparse_and_links_linked_and_has_a_disk_of_its_own() {
    let sandbox = sandbox(Sandbox::builder().disk_limit((1 << 40) + MIB)).await;
    let code = "
with open('/home/sparse', 'wb') as file:
    file.truncate(1 << 40)
    file.seek(1 << 30)
    file.write(b'middle')
with open('/home/one', 'wb') as file:
    file.write(bytes(1000))
for number in range(500):
    os.link('/home/one', f'/home/{number}')
print(0)
";
    result(&sandbox, code).await;
    let fork = sandbox.fork().await.expect("a fork");
    let code = "
with open('/home/sparse', 'rb') as file:
    file.seek((1 << 30) - 1)
    middle = file.read(8).decode('latin-1')
links = os.stat('/home/499').st_nlink
print(json.dumps([middle, links, os.stat('/home/sparse').st_size, fill('/tmp/rest')]))
";
    let rest = MIB - 1000;
    let expected = json!(["\0middle\0", 501, 1_u64 << 40, [rest, "ENOSPC"]]);
    assert_eq!(result(&fork, code).await, expected);
    // Each is full by itself.
    assert_eq!(
        result(&sandbox, "print(json.dumps(fill('/tmp/rest')))").await[0],
        rest
    );
}

#[tokio::test]
async fn mounts_do_not_count_and_a_file_moves_there_as_between_file_systems() {
    let mounted = tempfile::tempdir().expect("a directory");
    let builder = Sandbox::builder().disk_limit(MIB);
    let sandbox = sandbox(builder.dir(mounted.path(), "/out", DirAccess::ReadWrite)).await;
    let code = "
with open('/out/large', 'wb') as file:
    file.write(bytes(3 << 20))
results = [fill('/tmp/a'), attempt(lambda: os.rename('/tmp/a', '/out/a')), fill('/tmp/b')]
os.makedirs('/out/d/e')
os.unlink('/tmp/b')
os.makedirs('/tmp/f/g')
results += [
    attempt(lambda: os.rename('/out/large', '/tmp/large')),
    attempt(lambda: os.link('/out/large', '/tmp/large')),
    attempt(lambda: os.link('/tmp/f', '/out/f')),
    attempt(lambda: os.rename('/tmp/f', '/out/f')),
    attempt(lambda: bool(shutil.move('/tmp/f', '/out/f'))),
    attempt(lambda: bool(shutil.move('/out/d', '/tmp/d'))),
    attempt(lambda: shutil.move('/out/large', '/tmp/large')),
    sorted(os.listdir('/out')),
]
print(json.dumps(results))
";
    let full = json!([MIB, "ENOSPC"]);
    assert_eq!(
        result(&sandbox, code).await,
        json!([
            full,
            null,
            full,
            "EXDEV",
            "EXDEV",
            "EXDEV",
            "EXDEV",
            true,
            true,
            "ENOSPC",
            ["a", "f", "large"]
        ])
    );
    let moved = std::fs::metadata(mounted.path().join("a")).expect("the file");
    assert_eq!(moved.size(), MIB);
}

#[tokio::test]
async fn a_directory_of_the_host_of_any_size_is_listed_to_its_end() {
    let mounted = tempfile::tempdir().expect("a directory");
    for number in 0..3000 {
        File::create(mounted.path().join(format!("{number:04}"))).expect("a file");
    }
    let builder = Sandbox::builder();
    let sandbox = sandbox(builder.dir(mounted.path(), "/data", DirAccess::ReadOnly)).await;
    let code = "
names = sorted(os.listdir('/data'))
print(json.dumps([len(names), names[0], names[-1], os.path.isfile('/data/1234')]))
";
    assert_eq!(
        result(&sandbox, code).await,
        json!([3000, "0000", "2999", true])
    );
}

#[tokio::test]
async fn a_guest_has_few_descriptors_of_the_host_and_gives_them_back() {
    let sandbox = of_mebibytes(10).await;
    let code = "
held = []
opened = count(lambda n: held.append(open(f'/tmp/{n}', 'w')))
held.clear()
again = attempt(lambda: open('/tmp/again', 'w').close())
listings = []
listed = count(lambda n: listings.append(os.scandir('/tmp')))
print(json.dumps([opened[0] < 256, opened[1], again, listed[0] < 256]))
";
    let expected = json!([true, "ENOMEM", null, true]);
    assert_eq!(result(&sandbox, code).await, expected);
    // Files that a run left open are closed with it.
    for _ in 0..5 {
        let code = "held = [open(f'/tmp/{n}', 'w') for n in range(100)]; print(0); os._exit(0)";
        outcome(&sandbox, code).await;
    }
    let below_tmp = std::fs::read_dir("/proc/self/fd").map_or(0, |fds| {
        fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
            .filter(|path| is_numbered(path))
            .count()
    });
    assert_eq!(below_tmp, 0);
}

/// Whether it is one of the files that the test above makes.
fn is_numbered(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.to_string_lossy().contains("/files/tmp/")
        && name.is_some_and(|name| name.parse::<u32>().is_ok())
}
