//! The user's pip against an offline index, and commands that are not pip.

use super::*;
use crate::progress::Silent;
use crate::testing::{WheelBuilder, offline_pip};

fn download(pip: &Pip, requirement: &str) -> Result<Result<Vec<String>, Refusal>, Error> {
    let temp = tempfile::tempdir().unwrap();
    let download = Download {
        requirements: &[requirement.to_owned()],
        python: "3.15",
        directory: temp.path(),
        label: "Downloading",
        size: None,
    };
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let paths = pip.download(&download, &Silent)?;
    Ok(paths.map(|paths| paths.into_iter().map(name).collect()))
}

#[test]
fn a_pure_wheel_is_downloaded_without_what_it_requires() {
    let index = tempfile::tempdir().unwrap();
    WheelBuilder::new("one", "1.0")
        .requires("two")
        .write(index.path());
    WheelBuilder::new("two", "1.0").write(index.path());
    let names = download(&offline_pip(index.path()), "one")
        .unwrap()
        .unwrap();
    assert_eq!(names, ["one-1.0-py3-none-any.whl"]);
}

#[test]
fn a_refusal_holds_the_end_of_the_output_and_the_log() {
    let index = tempfile::tempdir().unwrap();
    WheelBuilder::new("native", "1.0")
        .tags("cp315-cp315-win32")
        .write(index.path());
    let refusal = download(&offline_pip(index.path()), "native")
        .unwrap()
        .unwrap_err();
    assert!(
        refusal
            .detail
            .ends_with("No matching distribution found for native")
    );
    assert!(
        refusal.log.contains("native-1.0-cp315-cp315-win32.whl"),
        "{}",
        refusal.log
    );
}

#[test]
fn what_looks_like_an_option_is_taken_as_a_requirement() {
    let index = tempfile::tempdir().unwrap();
    let refusal = download(&offline_pip(index.path()), "--help")
        .unwrap()
        .unwrap_err();
    assert!(
        refusal.detail.contains("Invalid requirement"),
        "{}",
        refusal.detail
    );
}

#[test]
fn a_command_that_does_not_exist_is_no_pip() {
    let pip = Pip::command("no-such-command", ["-m", "pip"]);
    assert!(!pip.works());
    assert_eq!(pip.to_string(), "no-such-command -m pip");
    let message = download(&pip, "one").unwrap_err().to_string();
    assert!(message.contains("cannot run no-such-command"), "{message}");
}

#[test]
fn the_variable_holds_a_path_or_a_command_of_several_words() {
    let words = Pip::from_variable(OsStr::new("python3.14 -m  pip"));
    assert_eq!(
        (words.program, words.arguments.len()),
        ("python3.14".into(), 2)
    );
    let file = tempfile::Builder::new()
        .prefix("with space")
        .tempfile()
        .unwrap();
    let path = Pip::from_variable(file.path().as_os_str());
    assert_eq!(
        (path.program, path.arguments.len()),
        (file.path().into(), 0)
    );
}

#[test]
fn only_the_last_lines_of_the_output_are_kept() {
    let output: String = (0..100).map(|line| format!("line {line}\n\n")).collect();
    let kept = tail(&output);
    assert_eq!(kept.lines().count(), DETAIL_LINES);
    assert!(kept.ends_with("line 99"));
}
