//! Compiled code is loaded only from files that no other user can write to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use sandbox_net::python::Cache;
use sandbox_net::{Capability, DirAccess, Engine, Error, Sandbox, Script};
use tempfile::TempDir;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a file").mode() & 0o777
}

/// A cache with the interpreter without a network, copied from this user's cache.
pub(super) struct Copied {
    /// The directory above the cache, which contains everything.
    outer: PathBuf,
    pub(super) cache: PathBuf,
    _temp: TempDir,
}

impl Copied {
    async fn new() -> Self {
        Self::by(|from, to| fs::copy(from, to).map(drop)).await
    }

    /// One whose files are this user's cache's own: for tests that change none of them.
    pub(super) async fn linked() -> Self {
        Self::by(|from, to| fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))).await
    }

    async fn by(file: fn(&Path, &Path) -> std::io::Result<()>) -> Self {
        let plain = Sandbox::builder().build().await.expect("a sandbox");
        plain.run(Script::code("pass")).await.expect("a run");
        let temp = TempDir::new().expect("a temporary directory");
        let outer = temp.path().join("outer");
        let cache = outer.join("cache");
        let from = Cache::open(None).expect("this user's cache");
        // Entries of other versions may be there.
        let engine = Engine::shared().await.expect("an engine");
        let component = engine.component(Capability::None).await;
        let component = component.expect("a component");
        let interpreter = component.parent().and_then(Path::file_name);
        let interpreter = interpreter.expect("an entry").to_string_lossy();
        let code = mapped_code(&from.root().join("compiled"));
        for kind in ["distribution", "image", "compiled"] {
            for key in from.keys(kind).expect("the entries") {
                let is_runtime = kind == "image" && code.starts_with(&key);
                if kind == "distribution" || is_runtime || key == interpreter || key == code {
                    copy(
                        &from.root().join(kind).join(&key),
                        &cache.join(kind).join(&key),
                        file,
                    );
                }
            }
        }
        for path in [
            &outer,
            &cache,
            &cache.join("distribution"),
            &cache.join("image"),
            &cache.join("compiled"),
        ] {
            chmod(path, 0o755);
        }
        Self {
            outer,
            cache,
            _temp: temp,
        }
    }

    /// The file with native code, and its directory.
    fn compiled(&self) -> (PathBuf, PathBuf) {
        let mut entries = fs::read_dir(self.cache.join("compiled")).expect("a directory");
        let is_entry = |path: &PathBuf| {
            !path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .starts_with('.')
        };
        let entry = entries.find_map(|entry| Some(entry.ok()?.path()).filter(is_entry));
        let entry = entry.expect("an entry");
        (entry.join("python.cwasm"), entry)
    }

    /// The file with the memory that the interpreter begins with, and that of another image.
    fn images(&self) -> [PathBuf; 2] {
        let entry = |name: &str| {
            let mut entries = fs::read_dir(self.cache.join("image")).expect("a directory");
            let found = entries.find_map(|entry| {
                let path = entry.ok()?.path();
                let is_it = path.file_name()?.to_str()?.contains(name);
                is_it.then(|| path.join("python.image"))
            });
            found.expect("an entry")
        };
        [entry("-plain-"), entry("-runtime-")]
    }

    /// Runs a program with this cache; returns its output, or the error.
    async fn run(&self) -> Result<String, String> {
        let engine = Engine::builder().cache_dir(&self.cache).build().await;
        let engine = engine.map_err(|error| error.to_string())?;
        let sandbox = Sandbox::builder().engine(engine).build().await;
        let sandbox = sandbox.map_err(|error| error.to_string())?;
        let outcome = sandbox.run(Script::code("print('ran')")).await;
        let outcome = outcome.map_err(|error| error.to_string())?;
        Ok(outcome.stdout_text().into_owned())
    }

    /// Checks that nothing runs, for this reason and with this remedy, in one line.
    async fn assert_refused(&self, path: &Path, problem: &str, remedy: &str) {
        let message = self.run().await.expect_err(problem);
        for part in [&path.display().to_string(), problem, remedy] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(
            message.contains("native code") && message.lines().count() == 1,
            "{message}"
        );
    }
}

/// The name of the entry whose code this process has mapped.
fn mapped_code(compiled: &Path) -> String {
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let entry = maps.lines().find_map(|line| {
        let path = Path::new(&line[line.find('/')?..]);
        let entry = path.strip_prefix(compiled).ok()?.parent()?;
        entry.to_str().map(str::to_owned)
    });
    entry.expect("mapped code")
}

/// Copies the directory with its files, except for core modules, which are not needed once compiled.
fn copy(from: &Path, to: &Path, file: fn(&Path, &Path) -> std::io::Result<()>) {
    fs::create_dir_all(to).expect("a directory");
    for item in fs::read_dir(from).expect("a directory") {
        let item = item.expect("an item").path();
        let to = to.join(item.file_name().expect("a name"));
        match item.is_dir() {
            true => copy(&item, &to, file),
            false if item.ends_with("core.wasm") => drop(fs::write(&to, "")),
            false => file(&item, &to).expect("a copy"),
        }
    }
    chmod(to, 0o755);
}

#[tokio::test]
async fn native_code_is_run_only_if_nobody_else_can_have_changed_it() {
    let copied = Copied::new().await;
    let (code, entry) = copied.compiled();
    let ran = Ok("ran\n".to_owned());
    // As earlier versions left it with the usual umask: it is closed off, and used.
    assert_eq!(copied.run().await, ran);
    assert_eq!(mode(&entry), 0o700);

    let kind = copied.cache.join("compiled");
    for (path, others) in [(&code, 0o666), (&code, 0o602)] {
        chmod(path, others);
        copied
            .assert_refused(path, "lets others write to it", "rm -r")
            .await;
        chmod(path, 0o600);
    }
    // In a directory that others may search; otherwise nobody could reach the entry.
    chmod(&kind, 0o755);
    chmod(&entry, 0o777);
    copied
        .assert_refused(&entry, "its mode 777 lets others write to it", "rm -r")
        .await;
    chmod(&entry, 0o700);
    chmod(&kind, 0o777);
    copied
        .assert_refused(&kind, "its mode 777 lets others write to it", "rm -r")
        .await;
    chmod(&kind, 0o700);
    chmod(&copied.cache, 0o777);
    copied
        .assert_refused(
            &copied.cache,
            "its mode 777 lets others write to it",
            "chmod go-w",
        )
        .await;
    chmod(&copied.cache, 0o700);
    chmod(&copied.outer, 0o777);
    let problem = "its mode 777 lets others replace what is in it";
    copied
        .assert_refused(&copied.outer, problem, "chmod go-w")
        .await;

    // As in /tmp: nobody can replace files of others.
    chmod(&copied.outer, 0o1777);
    assert_eq!(copied.run().await, ran);
}

#[tokio::test]
async fn what_is_another_users_or_leads_elsewhere_is_not_run() {
    let copied = Copied::new().await;
    let (code, entry) = copied.compiled();
    let elsewhere = copied.outer.join("elsewhere");
    fs::rename(&entry, &elsewhere).expect("a move");
    symlink(&elsewhere, &entry).expect("a link");
    copied
        .assert_refused(&entry, "it is a symbolic link", "Move it away")
        .await;
    fs::remove_file(&entry).expect("the link");
    fs::rename(&elsewhere, &entry).expect("a move");

    let aside = copied.outer.join("aside");
    fs::rename(&code, &aside).expect("a move");
    symlink(&aside, &code).expect("a link");
    copied
        .assert_refused(&code, "it is a symbolic link", "Remove it")
        .await;
    fs::remove_file(&code).expect("the link");
    fs::rename(&aside, &code).expect("a move");

    // Only root can change a file's owner.
    let user = fs::metadata(&code).expect("a file").uid();
    for path in [&code, &entry, &copied.cache, &copied.outer] {
        if chown(path, Some(12345), None).is_ok() {
            copied
                .assert_refused(path, "belongs to the user with the id 12345", "")
                .await;
            chown(path, Some(user), None).expect("an owner");
        }
    }
    assert_eq!(copied.run().await, Ok("ran\n".to_owned()));
}

/// Files that an earlier guest left there would run as native code.
#[tokio::test]
async fn a_cache_that_a_guest_may_write_to_is_refused_before_its_code_is_loaded() {
    let copied = Copied::new().await;
    let engine = Engine::builder().cache_dir(&copied.cache).build().await;
    let engine = engine.expect("an engine");
    let (code, _) = copied.compiled();
    fs::write(&code, "no code").expect("a file");
    let builder = Sandbox::builder().engine(engine);
    let builder = builder.dir(&copied.cache, "/data", DirAccess::ReadWrite);
    let error = builder.prepare().await.expect_err("it is refused");
    assert!(matches!(error, Error::Exposed { .. }), "{error}");
}

/// As after a crash, a full disk or a copy that was broken off.
#[tokio::test]
async fn a_memory_image_that_is_damaged_or_another_one_is_made_again() {
    let copied = Copied::new().await;
    let [image, other] = copied.images();
    let ran = Ok("ran\n".to_owned());
    assert_eq!(copied.run().await, ran);
    let whole = fs::read(&image).expect("an image");
    let made = |path: &Path| fs::metadata(path).expect("an image").ino();
    let first = made(&image);
    assert_eq!(copied.run().await, ran);
    assert_eq!(made(&image), first, "the control: it is used as it is");

    let mut flipped = whole.clone();
    let middle = (whole.len() / 4096 / 2..).map(|page| page * 4096);
    let used = middle.into_iter().find(|at| whole[*at] != 0);
    flipped[used.expect("a byte")] ^= 1;
    let foreign = fs::read(&other).expect("an image");
    let cut = whole[..whole.len() - 4096].to_vec();
    for (what, damaged) in [
        ("empty", Vec::new()),
        ("cut", cut),
        ("flipped", flipped),
        ("foreign", foreign),
    ] {
        fs::write(&image, &damaged).expect("a file");
        let before = made(&image);
        assert_eq!(copied.run().await, ran, "{what}");
        assert_ne!(made(&image), before, "{what}: it was not made again");
    }

    chmod(&image, 0o666);
    copied
        .assert_refused(&image, "lets others write to it", "rm -r")
        .await;
}

/// The copied cache has no module that could be compiled.
#[tokio::test]
async fn one_compilation_serves_programs_with_a_network_and_without() {
    let copied = Copied::new().await;
    assert_eq!(copied.run().await, Ok("ran\n".to_owned()));
    let engine = Engine::builder().cache_dir(&copied.cache).build().await;
    let networked = Sandbox::builder().engine(engine.expect("an engine"));
    let networked = networked.allow("https://a.test").build().await;
    let code = "import _socket; print(_socket.__spec__.origin)";
    let outcome = networked.expect("a sandbox").run(code).await;
    assert_eq!(outcome.expect("a run").stdout_text(), "sandbox-net\n");
    let cache = Cache::open(Some(copied.cache.clone())).expect("the cache");
    assert_eq!(cache.keys("compiled").expect("the entries").len(), 1);
    assert_eq!(cache.keys("image").expect("the entries").len(), 3);
}
