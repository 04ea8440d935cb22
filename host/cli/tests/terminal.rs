//! Questions at a real terminal: what counts as an answer, and what a program can do about it.
#![cfg(unix)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use common::{http_server, prepare};

const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal/drive.py");
/// The end of the question.
const QUESTION: &str = "press Enter to deny: ";

/// What programs share: a way to wait for the test, and to request the network.
const SHARED: &str = r#"
import asyncio, os, sys, urllib.request

def wait_for(name):
    while not os.path.exists("/steps/" + name):
        import time; time.sleep(0.01)

def fetch():
    try:
        return urllib.request.urlopen(URL).status
    except OSError as error:
        return f"no: {error}"

async def connect():
    try:
        await asyncio.open_connection("127.0.0.1", PORT)
        return "connected"
    except OSError as error:
        return f"no: {error}"
"#;

/// Runs a program that has to ask for a server on loopback, at a terminal where these steps are
/// done. Returns the screens after each of them and at the end.
fn at_a_terminal(program: &str, steps: impl FnOnce(&Path) -> Vec<Value>) -> Vec<String> {
    prepare();
    let server = http_server();
    let folder = tempfile::tempdir().expect("a directory");
    let at = folder.path();
    let url = format!("http://{server}/");
    let code = format!(
        "URL = {url:?}\nPORT = {}\n{SHARED}\n{program}",
        server.port()
    );
    let mut driver = Command::new("python3")
        .args([DRIVER, env!("CARGO_BIN_EXE_sandbox-net"), "run", "--ask"])
        .arg(format!("http://{server}"))
        .arg("--dir")
        .arg(format!("{}::/steps", at.display()))
        .args(["-c", &code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let steps = serde_json::to_vec(&steps(at)).expect("JSON");
    let mut stdin = driver.stdin.take().expect("a pipe");
    stdin.write_all(&steps).expect("a pipe that is read");
    drop(stdin);
    let output = driver.wait_with_output().expect("the end of the driver");
    assert!(output.status.success(), "the steps were not all done");
    let ended: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(ended["code"], 0, "{ended}");
    let screens = ended["screens"].as_array().expect("a list").iter();
    screens
        .map(|screen| screen.as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn only_the_hosts_name_allows_it() {
    for (typed, shown) in [
        ("127.0.0.1\n", "answer: 200"),
        (" 127.0.0.1 \n", "answer: 200"),
        ("\n", "answer: no: "),
    ] {
        let screens = at_a_terminal("print('answer:', fetch())", |_| {
            vec![
                json!(["wait", "asks for 127.0.0.1:"]),
                json!(["wait", QUESTION]),
                json!(["type", typed]),
                json!(["wait", shown]),
            ]
        });
        let question = "Type the host's name, 127.0.0.1, to allow it, or press Enter to deny: ";
        assert!(screens[1].contains(question), "{}", screens[1]);
    }
}

#[test]
fn another_answer_is_asked_for_again_and_denies_in_the_end() {
    let again = "that is not the host's name";
    at_a_terminal("print('answer:', fetch())", |_| {
        vec![
            json!(["wait", QUESTION]),
            json!(["type", "y\n"]),
            json!(["wait", again]),
            json!(["wait", QUESTION]),
            json!(["type", "127.0.0.11\n"]),
            json!(["wait", again]),
            json!(["wait", QUESTION]),
            json!(["type", "yes\n"]),
            json!(["wait", "sandbox-net: denied"]),
            json!(["wait", "the person at the terminal said no"]),
        ]
    });
}

#[test]
fn what_is_typed_before_the_question_is_no_answer() {
    let program = "print('innocent?', flush=True); wait_for('typed'); print('answer:', fetch())";
    for ahead in [
        "y\n",
        "127.0.0.1\n",
        "\n127.0.0.1\n127.0.0.1\n",
        "127.0.0.1",
    ] {
        let screens = at_a_terminal(program, |at| {
            vec![
                json!(["wait", "innocent?"]),
                json!(["type", ahead]),
                json!(["pause", 0.2]),
                json!(["touch", at.join("typed")]),
                json!(["wait", QUESTION]),
                json!(["pause", 0.3]),
                json!(["type", "\n"]),
                json!(["wait", "the person at the terminal said no"]),
            ]
        });
        assert!(!screens[5].contains("answer:"), "{ahead:?}: {}", screens[5]);
    }
}

#[test]
fn a_programs_output_waits_while_a_question_is_open() {
    let program = r#"
async def main():
    asked = asyncio.create_task(connect())
    while not os.path.exists("/steps/asked"):
        await asyncio.sleep(0.01)
    print("\x1b[2J\x1b[HFAKED stdout", flush=True)
    print("FAKED stderr", file=sys.stderr, flush=True)
    print("answer:", await asked)
sys.stdout.write("\x1b[8m\x1b]0;cut")
sys.stdout.flush()
asyncio.run(main())
"#;
    let screens = at_a_terminal(program, |at| {
        vec![
            json!(["wait", QUESTION]),
            json!(["touch", at.join("asked")]),
            json!(["pause", 0.5]),
            json!(["type", "127.0.0.1\n"]),
            json!(["wait", "FAKED stdout"]),
            json!(["wait", "FAKED stderr"]),
            json!(["wait", "answer: connected"]),
        ]
    });
    assert!(!screens[2].contains("FAKED"), "{}", screens[2]);
    // What the program left hidden and incomplete is ended before the question.
    let question = &screens[0][screens[0].find("]0;cut").expect("the program's own")..];
    let plain = question
        .find("\u{18}\u{1b}\\")
        .expect("an end of what was cut");
    let visible = question.find("\u{1b}[0m").expect("no attributes");
    let asked = question.find("sandbox-net: ").expect("the question");
    assert!(plain < visible && visible < asked, "{question:?}");
}

#[test]
fn a_program_that_reads_the_terminal_does_not_get_the_answer() {
    let program = r#"
async def main():
    asked = asyncio.create_task(connect())
    await asyncio.sleep(0.05)
    line = sys.stdin.readline()
    print("read:", line.strip())
    print("answer:", await asked)
asyncio.run(main())
"#;
    at_a_terminal(program, |_| {
        vec![
            json!(["wait", QUESTION]),
            json!(["type", "127.0.0.1\n"]),
            json!(["pause", 0.3]),
            json!(["type", "hello\n"]),
            json!(["wait", "read: hello"]),
            json!(["wait", "answer: connected"]),
        ]
    });
}

/// The question is closed, or the program's output would wait for its two minutes.
#[test]
fn a_question_that_its_program_gives_up_holds_neither_output_nor_end() {
    let program = r#"
import socket
client = socket.socket()
client.settimeout(0.5)
try:
    client.connect(("127.0.0.1", PORT))
except TimeoutError:
    print("given", "up")
"#;
    prepare();
    let began = Instant::now();
    at_a_terminal(program, |_| {
        vec![json!(["wait", QUESTION]), json!(["wait", "given up"])]
    });
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn rules_that_a_script_asks_for_are_granted_by_the_number_alone() {
    prepare();
    let folder = tempfile::tempdir().expect("a directory");
    let script = folder.path().join("agent.py");
    let rule = "GET https://example.com/v1/**";
    let comment = format!("# /// script\n# tool.sandbox-net.allow = ['{rule}']\n# ///\n");
    std::fs::write(&script, comment + "print('ran')\n").expect("a script");
    // The number is only on the screen: what a script's author can predict grants nothing.
    for typed in ["\n", "yes\nyes\nyes\n"] {
        let steps = json!([
            ["wait", "asks for these rules:"],
            ["wait", "    allow GET https://example.com/v1/**"],
            ["wait", "Type the number, "],
            ["wait", QUESTION],
            ["type", typed.split_inclusive('\n').next()],
            [
                "wait",
                if typed == "\n" {
                    "were not granted"
                } else {
                    QUESTION
                }
            ],
            ["type", "\n"],
            ["wait", "were not granted"],
            ["wait", "ran"]
        ]);
        let steps = match typed {
            "\n" => steps
                .as_array()
                .expect("a list")
                .iter()
                .enumerate()
                .filter(|(at, _)| ![6, 7].contains(at))
                .map(|(_, it)| it.clone())
                .collect(),
            _ => steps,
        };
        let mut driver = Command::new("python3")
            .args([DRIVER, env!("CARGO_BIN_EXE_sandbox-net"), "run"])
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        let mut stdin = driver.stdin.take().expect("a pipe");
        let steps = serde_json::to_vec(&steps).expect("JSON");
        stdin.write_all(&steps).expect("a pipe that is read");
        drop(stdin);
        let output = driver.wait_with_output().expect("the end of the driver");
        assert!(output.status.success(), "the steps were not all done");
    }
}

/// Types at a prompt of `repl`, whose history is kept in `state`; returns the whole screen.
fn at_a_prompt(state: &Path, steps: Vec<Value>) -> String {
    prepare();
    let mut driver = Command::new("python3")
        .args([DRIVER, env!("CARGO_BIN_EXE_sandbox-net"), "repl"])
        .env("XDG_STATE_HOME", state)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let steps = serde_json::to_vec(&steps).expect("JSON");
    let mut stdin = driver.stdin.take().expect("a pipe");
    stdin.write_all(&steps).expect("a pipe that is read");
    drop(stdin);
    let output = driver.wait_with_output().expect("the end of the driver");
    assert!(output.status.success(), "the steps were not all done");
    let ended: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(ended["code"], 0, "{ended}");
    let last = ended["screens"]
        .as_array()
        .and_then(|screens| screens.last());
    last.and_then(Value::as_str).expect("a screen").to_owned()
}

#[test]
fn a_prompt_has_history_several_lines_and_completion_and_is_interrupted() {
    let state = tempfile::tempdir().expect("a directory");
    let screen = at_a_prompt(
        state.path(),
        vec![
            json!(["wait", "Ctrl-D ends"]),
            json!(["wait", ">>> "]),
            json!(["type", "long_name = 6 * 7\r"]),
            json!(["wait", ">>> "]),
            json!(["type", "long_n\t + 1\r"]),
            json!(["wait", "43"]),
            // A block of several lines ends with an empty one.
            json!(["type", "for n in range(2):\r"]),
            json!(["type", "    print('line', n)\r\r"]),
            json!(["wait", "line 0"]),
            json!(["wait", "line 1"]),
            json!(["wait", ">>> "]),
            json!(["type", "import time; time.sleep(600)\r"]),
            json!(["pause", 1]),
            json!(["type", "\u{3}"]),
            json!(["wait", "KeyboardInterrupt"]),
            json!(["wait", ">>> "]),
            // A line that is not finished is given up.
            json!(["type", "never run\u{3}"]),
            json!(["wait", "KeyboardInterrupt"]),
            json!(["type", "input('name? ') + '!'\r"]),
            json!(["wait", "name? "]),
            json!(["type", "Ada\n"]),
            json!(["wait", "'Ada!'"]),
            json!(["wait", ">>> "]),
            json!(["type", "\u{4}"]),
        ],
    );
    assert!(!screen.contains("NameError"), "{screen}");
    let file = state.path().join("sandbox-net/repl_history");
    let kept = std::fs::read_to_string(&file).expect("the history");
    assert!(kept.contains("long_name = 6 * 7"), "{kept}");
    assert!(!kept.contains("never run"), "{kept}");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&file) & 0o077, 0, "others can't read it");
    // The next one has it.
    at_a_prompt(
        state.path(),
        vec![
            json!(["wait", ">>> "]),
            json!(["type", "\u{1b}[A"]),
            json!(["wait", "input('name? ')"]),
            json!(["type", "\u{15}\u{4}"]),
        ],
    );
}
