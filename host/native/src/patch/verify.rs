//! Tests whether an interpreter's connections go through a broker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::broker_health;
use super::environment::Environment;
use super::files::{self, PACKAGE, PTH, SITECUSTOMIZE};
use super::interpreter::{self, Interpreter};
use super::manifest::Manifest;
use super::report::{Report, State};
use super::test_broker::TestBroker;

const PROGRAM: &str = include_str!("../../patch/commands/verify.py");
const MARK: &str = "sandbox-net-verify: ";
const CONFINE: &str = "run it with 'sandbox-net native run', where the kernel stops it";

/// What is not tried: the patch cannot see it, and the kernel stops it only in confinement.
const NOT_SEEN: [(&str, &str); 4] = [
    (
        "C libraries",
        "libcurl, uvloop, ctypes and others call the system's connect themselves",
    ),
    (
        "saved originals",
        "'_socket.socket' and functions that were saved before the patch",
    ),
    (
        "other programs",
        "a subprocess is routed only if it honours the proxy variables",
    ),
    (
        "another start",
        "'python -S', or 'python -I' for an installation of the user, leave the patch out",
    ),
];

/// What the program in the interpreter told.
#[derive(Debug, Deserialize)]
struct Told {
    facts: Facts,
    tries: BTreeMap<String, String>,
    seccomp: bool,
    tcp: String,
    udp: String,
}

#[derive(Debug, Deserialize)]
struct Facts {
    version: String,
    executable: PathBuf,
    no_site: bool,
    isolated: bool,
    active: bool,
    package: Option<PathBuf>,
    sitecustomize: Option<PathBuf>,
    found: Option<PathBuf>,
}

/// Tests `python`, whose patch is in `folder`.
pub(super) fn verify(
    python: &Path,
    interpreter: &Interpreter,
    folder: &Path,
    environment: &Environment,
) -> Report {
    let mut report = Report {
        python: python.to_path_buf(),
        items: Vec::new(),
    };
    let manifest = installation(&mut report, folder);
    let is_on = enabled(&mut report, environment);
    match run(python, environment) {
        Err(reason) => report.add("interpreter", State::Failed, reason),
        Ok((told, denial)) => {
            same_interpreter(&mut report, interpreter, manifest.as_ref(), &told.facts);
            if is_on && active(&mut report, folder, &told.facts) {
                routed(&mut report, &told.tries, &denial);
            }
            bypasses(&mut report, &told);
        }
    }
    match broker_health::ask(environment) {
        Ok(text) => report.add("broker", State::Good, text),
        Err(text) => report.add("broker", State::Failed, text),
    }
    report
}

/// Whether all files are those of this version.
fn installation(report: &mut Report, folder: &Path) -> Option<Manifest> {
    let name = "installation";
    let place = folder.display();
    let mut failed = |text: String| report.add(name, State::Failed, text);
    let manifest = match Manifest::read(folder) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if folder.join(PACKAGE).exists() || is_own(&folder.join(SITECUSTOMIZE)) => {
            failed(format!(
                "half-installed: '{place}' has no manifest; run 'sandbox-net native restore', then install"
            ));
            return None;
        }
        Ok(None) => {
            failed(format!(
                "not installed in '{place}': run 'sandbox-net native install'"
            ));
            return None;
        }
        Err(error) => {
            failed(error.to_string());
            return None;
        }
    };
    match manifest.examine(folder) {
        Err(error) => failed(error.to_string()),
        Ok(examined) if !examined.changed.is_empty() => {
            failed(format!("changed since the installation: {}", listed(&examined.changed)));
        }
        Ok(examined) if !examined.missing.is_empty() => failed(format!(
            "half-installed: {} missing; run 'sandbox-net native restore', then install",
            listed(&examined.missing)
        )),
        Ok(_) if manifest.version != files::version() => failed(
            "outdated: another version of sandbox-net installed it; run 'sandbox-net native install'".into(),
        ),
        Ok(_) => report.add(name, State::Good, format!("whole and of this version, in '{place}'")),
    }
    Some(manifest)
}

fn is_own(path: &Path) -> bool {
    let ours = files::digest(files::SITECUSTOMIZE_TEXT.as_bytes());
    files::digest_of(path).is_ok_and(|found| found == Some(ours))
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| format!("'{}'", path.display()))
        .collect();
    names.join(", ")
}

fn enabled(report: &mut Report, environment: &Environment) -> bool {
    let value = environment
        .get("SANDBOX_NET_ENABLED")
        .unwrap_or_else(|| "1".to_owned());
    let is_off = ["0", "false", "no", "off"].contains(&value.trim().to_lowercase().as_str());
    if is_off {
        let text = format!("disabled: SANDBOX_NET_ENABLED is '{value}'; unset it, or set it to 1");
        report.add("enabled", State::Failed, text);
    } else {
        report.add(
            "enabled",
            State::Good,
            "SANDBOX_NET_ENABLED does not turn the routing off",
        );
    }
    !is_off
}

/// Runs the program in the interpreter; returns what it told, and the text of the denials.
fn run(python: &Path, environment: &Environment) -> Result<(Told, String), String> {
    let broker =
        TestBroker::start().map_err(|error| format!("no test is possible here: {error}"))?;
    let done = interpreter::run_program(python, PROGRAM, environment, &broker.variables())
        .map_err(|error| format!("'{}' does not run: {error}", python.display()))?;
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().rev().find_map(|line| line.strip_prefix(MARK));
    let told = line
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| {
            let said = String::from_utf8_lossy(&done.stderr);
            format!(
                "'{}' does not run the test: {}",
                python.display(),
                said.trim()
            )
        })?;
    Ok((told, broker.denial()))
}

fn same_interpreter(
    report: &mut Report,
    interpreter: &Interpreter,
    manifest: Option<&Manifest>,
    facts: &Facts,
) {
    let is = format!(
        "Python {} at '{}'",
        facts.version,
        facts.executable.display()
    );
    let other = manifest.filter(|found| {
        found.python != facts.version || real(&found.executable) != real(&interpreter.executable)
    });
    match other {
        Some(found) => {
            let was = format!(
                "Python {} at '{}'",
                found.python,
                found.executable.display()
            );
            let text = format!(
                "another interpreter: it was installed for {was}, and this is {is}; install again"
            );
            report.add("interpreter", State::Failed, text);
        }
        None => report.add("interpreter", State::Good, is),
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Whether the interpreter turned the routing on, with the files of `folder`.
fn active(report: &mut Report, folder: &Path, facts: &Facts) -> bool {
    let package = folder.join(PACKAGE);
    // `native run` gives its Pythons a copy of the patch.
    let is_copy = |path: &Path| path.parent().is_some_and(files::is_whole);
    let is_ours = |path: &PathBuf| {
        path.starts_with(&package) || real(path).starts_with(real(&package)) || is_copy(path)
    };
    let failure = if facts.active {
        let from = facts.package.as_ref().filter(|path| !is_ours(path));
        from.map(|path| {
            format!(
                "shadowed: it runs '{}' in the place of the patch",
                path.display()
            )
        })
    } else {
        Some(why_inactive(folder, facts, &is_ours))
    };
    match failure {
        Some(text) => report.add("active", State::Failed, text),
        None if folder.join(PTH).exists() => {
            report.add(
                "active",
                State::Good,
                "turned on by a .pth file, because another sitecustomize is first",
            );
        }
        None => report.add("active", State::Good, "turned on by its sitecustomize"),
    }
    report
        .item("active")
        .is_some_and(|item| item.state == State::Good)
}

fn why_inactive(folder: &Path, facts: &Facts, is_ours: &dyn Fn(&PathBuf) -> bool) -> String {
    if facts.no_site {
        return "shadowed: the interpreter runs with -S, which imports no sitecustomize".to_owned();
    }
    if let Some(path) = facts.found.as_ref().filter(|path| !is_ours(path)) {
        let path = path.display();
        return format!("shadowed: '{path}' comes first (see PYTHONPATH), and is another package");
    }
    match &facts.sitecustomize {
        Some(path) if path.parent().map(real) != Some(real(folder)) => {
            let path = path.display();
            format!(
                "shadowed: '{path}' comes first (see PYTHONPATH); move it, or import sandbox_net_native there"
            )
        }
        _ if facts.isolated && facts.found.is_none() => {
            "shadowed: the interpreter runs with -I, which reads no packages of the user".to_owned()
        }
        _ => "the interpreter does not run the patch: start it, and read its stderr".to_owned(),
    }
}

/// One item for each way to connect that was tried.
fn routed(report: &mut Report, tries: &BTreeMap<String, String>, denial: &str) {
    for (name, text) in tries {
        let is_routed = match name.as_str() {
            "socket.getaddrinfo" => text.starts_with("ok: 240."),
            "socket.socket.connect_ex" => text == "ok: 13",
            _ => text.contains(denial),
        };
        if is_routed {
            report.add(name, State::Routed, "it gave what the test broker answered");
        } else {
            report.add(name, State::Failed, format!("not routed: {text}"));
        }
    }
}

/// One item for each way around the patch.
fn bypasses(report: &mut Report, told: &Told) {
    let stopped = |code: &str| {
        matches!(
            code,
            "EPERM" | "EACCES" | "EAFNOSUPPORT" | "EPROTONOSUPPORT" | "ESOCKTNOSUPPORT"
        ) || (told.seccomp && matches!(code, "ENETUNREACH" | "EHOSTUNREACH"))
    };
    let confined = told.seccomp && stopped(&told.tcp) && stopped(&told.udp);
    let kernel = [("TCP by _socket", &told.tcp), ("UDP", &told.udp)];
    for (name, code) in kernel {
        if stopped(code) {
            report.add(name, State::Blocked, format!("the kernel answers {code}"));
        } else {
            report.add(
                name,
                State::OnlyPatched,
                format!("open (the kernel says {code}): {CONFINE}"),
            );
        }
    }
    for (name, what) in NOT_SEEN {
        if confined {
            report.add(
                name,
                State::Blocked,
                format!("{what}; the kernel lets nothing but the broker through"),
            );
        } else {
            report.add(name, State::OnlyPatched, format!("open: {what}; {CONFINE}"));
        }
    }
}
