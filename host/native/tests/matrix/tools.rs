//! Programs that know proxies reach what they may through the proxy variables and the CA of the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_net_broker::RunningBroker;

use crate::environments::{cached, interpreter, skipped, succeeded, with_packages};
use crate::origin::{Origin, bare, patch, proxy_variables, run, variables};

/// The newest that Node 20 can have.
const UNDICI: &str = "undici@7";

const NODE: &str = r#"
const { EnvHttpProxyAgent, setGlobalDispatcher } = require("undici");
setGlobalDispatcher(new EnvHttpProxyAgent());
const say = (error) => { console.log("failed:", error.message, error.cause && error.cause.message); };
fetch(process.argv[2], { method: "POST", body: "from node" }).then(async (response) => {
  console.log(response.status, await response.text());
}).catch(say);
"#;

struct Setting {
    origin: Origin,
    broker: RunningBroker,
    ca: PathBuf,
}

impl Setting {
    async fn new(files: &Path) -> Setting {
        let origin = Origin::start(files);
        let (broker, ca) = origin.broker().await;
        Setting { origin, broker, ca }
    }

    /// A command with the variables that `native run` sets.
    fn command(&self, program: &str) -> Command {
        let mut command = bare(Path::new(program));
        command.envs(proxy_variables(&self.broker, &self.ca));
        command
    }

    fn http(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.origin.http)
    }

    fn https(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.origin.https)
    }
}

fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skipped(&format!("{program} is missing"));
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "in a tier of its own"]
async fn curl_reaches_what_is_allowed_and_is_told_what_is_not() {
    if !is_there("curl") {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let setting = Setting::new(empty.path()).await;
    for url in [
        setting.http("good.test", "/echo?a=1"),
        setting.https("good.test", "/echo?a=1"),
    ] {
        let mut curl = setting.command("curl");
        curl.args(["-sS", "--data", "b=2", "-H", "X-A: 1", &url]);
        let (ok, out, err) = run(curl).await;
        assert!(ok, "{err}");
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&told["method"], &told["target"]),
            (&"POST".into(), &"/echo?a=1".into())
        );
        assert_eq!(told["body"], "Yj0y");
    }
    for url in [
        setting.http("denied.test", "/"),
        setting.https("denied.test", "/"),
    ] {
        let mut curl = setting.command("curl");
        curl.args(["-sS", "-w", "%{http_code} %{http_connect}", &url]);
        let (_, out, err) = run(curl).await;
        assert!(out.contains("403"), "{url}: {out}{err}");
    }
}

/// A bare repository with one commit, as files.
fn repository(folder: &Path) {
    let work = folder.join("work");
    let bare = folder.join("repository.git");
    let git = |arguments: &[&str], at: &Path| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@a.test"])
            .args(arguments);
        assert!(succeeded(git.current_dir(at)));
    };
    fs::create_dir(&work).unwrap();
    git(&["init", "-q"], &work);
    fs::write(work.join("file.txt"), "content\n").unwrap();
    git(&["add", "."], &work);
    git(&["commit", "-qm", "one"], &work);
    git(
        &["clone", "-q", "--bare", ".", bare.to_str().unwrap()],
        &work,
    );
    git(&["update-server-info"], &bare);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "in a tier of its own"]
async fn git_clones_over_https_from_an_allowed_host_alone() {
    if !is_there("git") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let setting = Setting::new(folder.path()).await;
    let clone = |host: &str, to: &str| {
        let mut git = setting.command("git");
        git.args(["clone", "-q", &setting.https(host, "/repository.git/"), to]);
        git.env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(folder.path());
        git
    };
    let (ok, _, err) = run(clone("git.test", "cloned")).await;
    assert!(ok, "{err}");
    let cloned = folder.path().join("cloned/file.txt");
    assert_eq!(fs::read_to_string(cloned).unwrap(), "content\n");
    let (ok, _, err) = run(clone("denied.test", "denied")).await;
    assert!(!ok && err.contains("403"), "{err}");
}

/// An index of packages with one wheel.
fn index(folder: &Path) {
    let simple = folder.join("simple/matrix-package");
    fs::create_dir_all(&simple).unwrap();
    let program = "import sys, zipfile\n\
         with zipfile.ZipFile(sys.argv[1], 'w') as wheel:\n\
         \x20   wheel.writestr('matrix_package.py', 'value = 7\\n')\n\
         \x20   about = 'matrix_package-1.0.dist-info/'\n\
         \x20   wheel.writestr(about + 'METADATA', 'Metadata-Version: 2.1\\nName: matrix-package\\nVersion: 1.0\\n')\n\
         \x20   wheel.writestr(about + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         \x20   wheel.writestr(about + 'RECORD', '')\n";
    let name = "matrix_package-1.0-py3-none-any.whl";
    let wheel = simple.join(name);
    assert!(succeeded(
        Command::new("python3").args(["-c", program]).arg(&wheel)
    ));
    let page = format!("<!DOCTYPE html><a href=\"{name}\">{name}</a>");
    fs::write(simple.join("index.html"), page).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches packages, in a tier of its own"]
async fn pip_installs_from_an_allowed_index_alone() {
    let Some(python) = interpreter("3.11").and_then(|python| with_packages(&python, &["pip"]))
    else {
        return skipped("Python 3.11 is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    index(folder.path());
    let setting = Setting::new(folder.path()).await;
    let install = |host: &str, to: &str| {
        let mut pip = setting.command(python.to_str().unwrap());
        pip.args([
            "-m",
            "pip",
            "install",
            "-vv",
            "--no-cache-dir",
            "--retries",
            "0",
            "--target",
            to,
        ]);
        pip.args([
            "--index-url",
            &setting.https(host, "/simple/"),
            "matrix-package",
        ]);
        pip.current_dir(folder.path());
        pip
    };
    let (ok, out, err) = run(install("good.test", "installed")).await;
    assert!(ok, "{out}{err}");
    assert!(folder.path().join("installed/matrix_package.py").exists());
    let (ok, out, err) = run(install("denied.test", "denied")).await;
    assert!(!ok && format!("{out}{err}").contains("403"), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches packages, in a tier of its own"]
async fn a_patched_pip_installs_without_proxy_variables() {
    let Some(python) = interpreter("3.13").and_then(|python| with_packages(&python, &["pip"]))
    else {
        return skipped("Python 3.13 is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    index(folder.path());
    let setting = Setting::new(folder.path()).await;
    for (host, works) in [("good.test", true), ("denied.test", false)] {
        let mut pip = bare(&python);
        pip.envs(variables(&setting.broker, &setting.ca));
        pip.env("PYTHONPATH", patch())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        pip.args([
            "-m",
            "pip",
            "install",
            "--no-cache-dir",
            "--retries",
            "0",
            "--target",
            host,
        ]);
        pip.args([
            "--index-url",
            &setting.https(host, "/simple/"),
            "-vv",
            "matrix-package",
        ]);
        pip.current_dir(folder.path());
        let (ok, out, err) = run(pip).await;
        let told = format!("{out}{err}");
        assert_eq!(ok, works, "{told}");
        assert!(
            works || told.contains("sandbox-net denied denied.test"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches packages, in a tier of its own"]
async fn node_fetches_through_the_agent_that_its_programs_use() {
    if !is_there("node") || !is_there("npm") {
        return;
    }
    let folder = cached("node", UNDICI);
    if !folder.join("complete").exists() {
        fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--prefix"])
            .arg(&folder)
            .arg(UNDICI);
        if !succeeded(&mut npm) {
            return skipped("npm does not fetch undici");
        }
        fs::write(folder.join("complete"), "").unwrap();
    }
    let script = folder.join("fetch.cjs");
    fs::write(&script, NODE).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let setting = Setting::new(empty.path()).await;
    for url in [
        setting.http("good.test", "/echo"),
        setting.https("good.test", "/echo"),
    ] {
        let mut node = setting.command("node");
        node.arg(&script).arg(&url);
        let (_, out, err) = run(node).await;
        assert!(
            out.starts_with("200 ") && out.contains("\"POST\""),
            "{url}: {out}{err}"
        );
    }
    for url in [
        setting.http("denied.test", "/"),
        setting.https("denied.test", "/"),
    ] {
        let mut node = setting.command("node");
        node.arg(&script).arg(&url);
        let (_, out, err) = run(node).await;
        // It keeps the status of a proxy's refusal to itself.
        assert!(out.starts_with("failed: "), "{url}: {out}{err}");
    }
}
