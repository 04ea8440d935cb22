//! Scripts that state their needs: packages, a Python version, and rules that they request.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Writes the wheel of `brought` 1.0.
pub(super) fn write_wheel(directory: &Path) -> PathBuf {
    let path = directory.join("brought-1.0-py3-none-any.whl");
    let mut wheel = zip::ZipWriter::new(fs::File::create(&path).expect("a file"));
    for (name, text) in [
        ("brought.py", "value = 'brought along'"),
        (
            "brought-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        ),
        (
            "brought-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n",
        ),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        wheel.start_file(name, options).expect("a member");
        wheel.write_all(text.as_bytes()).expect("a member");
    }
    wheel.finish().expect("a wheel");
    path
}

/// A directory with one pure wheel, as pip's only index, and a script.
struct Place(tempfile::TempDir);

impl Place {
    fn new(lines: &[&str]) -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        write_wheel(place.0.path());
        fs::write(place.path("agent.py"), lines.join("\n")).expect("a script");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `run` with only this index.
    fn command(&self) -> Command {
        let mut command = command(&["run"]);
        command.env("PIP_NO_INDEX", "1");
        command.env("PIP_FIND_LINKS", self.0.path());
        command
    }

    fn run(&self, options: &[&str]) -> Output {
        let mut command = self.command();
        let command = command.args(options).arg(self.path("agent.py"));
        command.output().expect("the binary of this crate")
    }

    /// With this on stdin.
    fn piped(&self, arguments: &[&str], source: &str) -> Output {
        with_stdin(self.command().args(arguments), source)
    }
}

/// Runs a command with this on its stdin.
fn with_stdin(command: &mut Command, source: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.expect("a program");
    let mut stdin = child.stdin.take().expect("its stdin");
    // It may not read all of it.
    let _ = stdin.write_all(source.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn begins(output: &Output, path: &Path, rest: &str) {
    let told = text(&output.stderr);
    let begin = format!("sandbox-net: {}: {rest}", path.display());
    assert!(told.starts_with(&begin), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(output.status.code(), Some(TOOL_ERROR), "{told}");
}

#[test]
fn a_script_and_a_file_of_requirements_bring_packages() {
    let place = Place::new(&[
        "# /// script",
        "# requires-python = '>=3.11'",
        "# dependencies = ['brought']",
        "# ///",
        "import brought; print(brought.value)",
    ]);
    let output = place.run(&[]);
    assert_eq!(
        text(&output.stdout),
        "brought along\n",
        "{}",
        text(&output.stderr)
    );
    let plain = Place::new(&["import brought; print(brought.value)"]);
    assert_eq!(plain.run(&[]).status.code(), Some(1));
    let file = plain.path("requirements.txt");
    fs::write(&file, "# ours\nbrought>=1 # this one\n").expect("a file");
    let output = plain.run(&["--with-requirements", file.to_str().expect("UTF-8")]);
    assert_eq!(
        text(&output.stdout),
        "brought along\n",
        "{}",
        text(&output.stderr)
    );
}

#[cfg(unix)]
#[test]
fn a_script_on_stdin_or_in_a_pipe_brings_packages_and_asks_as_one_in_a_file_does() {
    let server = http_server();
    let asks = format!("# allow = ['GET http://{server}/**']");
    let lines = [
        "# /// script",
        "# dependencies = ['brought']",
        "# [tool.sandbox-net]",
        &asks,
        "# ///",
        "import brought, sys, urllib.request",
        "try:",
        &format!("    status = urllib.request.urlopen('http://{server}/').status"),
        "except Exception:",
        "    status = 'denied'",
        "print(brought.value, sys.argv[1:], status, repr(sys.stdin.read()))",
    ];
    let place = Place::new(&lines);
    let source = lines.join("\n");
    for script in ["-", "/dev/stdin"] {
        let output = place.piped(&[script, "one", "two"], &source);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let expected = "brought along ['one', 'two'] denied ''\n";
        assert_eq!(stdout, expected, "{script}: {stderr}");
        let asked = "asks for rules that were not granted: GET http";
        assert!(stderr.contains(asked), "{script}: {stderr}");
        let output = place.piped(&["--allow-requested", script], &source);
        let expected = "brought along [] 200 ''\n";
        assert_eq!(text(&output.stdout), expected, "{script}");
        let output = place.piped(&[script], &block(&["# dependencies = ["]).join("\n"));
        let named = script.replace('-', "stdin");
        begins(&output, Path::new(&named), "line 2: the script's metadata");
    }
}

#[cfg(unix)]
#[test]
fn a_script_on_stdin_or_in_a_pipe_is_what_it_is_for_cpython() {
    let source = "import sys\nprint(sys.argv, __name__, repr(sys.stdin.read()))\n\
                  try: input()\nexcept EOFError: print('no more')\nsys.exit(3)\n";
    let place = Place::new(&[]);
    for arguments in [&["-"][..], &["-", "one", "-x"]] {
        let natively = with_stdin(Command::new("python3").args(arguments), source);
        let inside = place.piped(arguments, source);
        assert_eq!(
            text(&inside.stdout),
            text(&natively.stdout),
            "{arguments:?}"
        );
        assert_eq!(inside.status.code(), natively.status.code());
    }
    // The name of a script that is not a regular file is passed on, too.
    let inside = place.piped(&["/dev/stdin"], "import sys; print(sys.argv); 1 / 0");
    assert_eq!(text(&inside.stdout), "['/run/stdin']\n");
    assert!(text(&inside.stderr).contains("File \"/run/stdin\", line 1"));
    let long = place.piped(&["-"], &"#".repeat((16 << 20) + 1));
    let said = text(&long.stderr);
    assert_eq!(long.status.code(), Some(TOOL_ERROR), "{said}");
    assert!(
        said.starts_with("sandbox-net: stdin: it has more than"),
        "{said}"
    );
}

#[test]
fn rules_that_a_script_asks_for_are_granted_by_the_option_alone() {
    let server = http_server();
    let url = format!("http://{server}/");
    let asks = format!("# allow = ['GET {url}**']");
    let place = Place::new(&[
        "# /// script",
        "# [tool.sandbox-net]",
        &asks,
        "# ///",
        "import urllib.request",
        "try:",
        &format!("    print(urllib.request.urlopen('{url}').status)"),
        "except Exception:",
        "    print('denied')",
    ]);
    let denied = ["--deny", url.trim_end_matches('/')];
    for (options, printed, told) in [
        (
            &[][..],
            "denied\n",
            "asks for rules that were not granted: GET http",
        ),
        (&["--allow-requested"], "200\n", "was granted: GET http"),
        (
            &["--allow-requested", denied[0], denied[1]],
            "denied\n",
            "was granted: GET http",
        ),
    ] {
        let output = place.run(options);
        let stderr = text(&output.stderr);
        assert_eq!(text(&output.stdout), printed, "{options:?}: {stderr}");
        assert!(stderr.contains(told), "{options:?}: {stderr}");
    }
}

/// A script with this in its comment.
fn block<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    [&["# /// script"][..], lines, &["# ///", "print('ran')"]].concat()
}

#[test]
fn a_fault_in_what_a_script_asks_for_is_one_line_with_file_and_line() {
    for (lines, rest) in [
        (
            block(&["# dependencies = ["]),
            "line 2: the script's metadata can't be used",
        ),
        (
            block(&["# ///", "", "# /// script"]),
            "line 4: there are two comments",
        ),
        (
            block(&["# dependencies = ['???']"]),
            "line 2: the requirement `???`",
        ),
        (
            block(&["# requires-python = '<3.12'"]),
            "line 2: the script requires Python <3.12",
        ),
        (
            block(&["# [tool.sandbox-net]", "# deny = []"]),
            "line 3: the script's metadata can't",
        ),
        (
            block(&["# [tool.sandbox-net]", "# allow = ['*']"]),
            "line 3: the rule '*' is refused",
        ),
    ] {
        let place = Place::new(&lines);
        begins(&place.run(&[]), &place.path("agent.py"), rest);
    }
    let place = Place::new(&["print('ran')"]);
    let file = place.path("requirements.txt");
    for (line, rest) in [
        (
            "--index-url https://a.example",
            "line 2: `--index-url https://a.example` has an option",
        ),
        ("six @ https://a.example/six.whl", "line 2: the requirement"),
        ("six===", "line 2: the requirement `six===`"),
    ] {
        fs::write(&file, format!("brought\n{line}\n")).expect("a file");
        let output = place.run(&["--with-requirements", file.to_str().expect("UTF-8")]);
        begins(&output, &file, rest);
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_module_that_a_package_would_bring_ends_with_the_option_that_adds_it() {
    for (module, last) in [
        ("httpx", "run again with --with httpx"),
        ("websocket", "run again with --with websocket-client"),
        ("cv2", "does not run in a sandbox"),
        (
            "pip",
            "add packages with --with PKG, such as --with requests",
        ),
    ] {
        let output = run(&["run", "-c", &format!("import {module}")]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{module}: {stderr}");
        assert!(stderr.trim_end().ends_with(last), "{module}: {stderr}");
        assert!(!stderr.contains("site-packages"), "{module}: {stderr}");
    }
}
