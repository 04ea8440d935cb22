//! Programs that the host finds in `PATH` must not be in a directory that the sandboxed program may
//! write to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{TOOL_ERROR, command, text};

/// A directory that is mounted writable, one that is not, and the policy of a secret.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        for name in ["work/bin", "other/bin"] {
            std::fs::create_dir_all(place.at(name)).expect("a directory");
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str) {
        let path = self.at(name);
        std::fs::write(&path, "#!/bin/sh\necho a-long-secret\n").expect("a file");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("its mode");
    }

    fn policy(&self, program: &str) -> PathBuf {
        let text = format!(
            "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"key\"\n\
             headers = [\"x-key\"]\nrule = \"https://a.test\"\nsource = {{ command = [{program:?}] }}\n[end]\n"
        );
        std::fs::write(self.at("policy.toml"), text).expect("a file");
        self.at("policy.toml")
    }

    /// Runs with `work` mounted and this `PATH`, in this directory.
    fn run(&self, options: &[&str], path: &[PathBuf], directory: &Path) -> Output {
        let mount = format!("{}::/work:rw", self.at("work").display());
        let arguments = [&["run", "--dir", &mount][..], options, &["-c", "pass"]].concat();
        let path = std::env::join_paths(path).expect("a PATH");
        let mut command = command(&arguments);
        command.env("PATH", path).env_remove("SANDBOX_NET_PIP");
        command.current_dir(directory).output().expect("its end")
    }
}

fn refused(output: &Output, parts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(TOOL_ERROR), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn a_secrets_program_is_looked_for_nowhere_where_a_guest_could_plant_one() {
    let place = Place::new();
    let (work, other) = (place.at("work/bin"), place.at("other/bin"));
    place.program("other/bin/give-key");
    let policy = place.policy("give-key");
    let options = ["--policy", policy.to_str().expect("UTF-8")];
    let run = |path: &[PathBuf], directory: &Path| place.run(&options, path, directory);
    let usual = PathBuf::from("/usr/bin");
    let planted = "the place in PATH for the program of the secret 'key' '";
    // Before the intended one, by a relative name, or from the working directory.
    let before = run(&[work.clone(), other.clone()], place.0.path());
    refused(&before, &[planted, "lies in"]);
    let relative = run(&["work/bin".into(), other.clone()], place.0.path());
    refused(&relative, &[planted, "lies in"]);
    let within = run(&[PathBuf::new(), other.clone()], &place.at("work"));
    refused(&within, &[planted, "lies in"]);
    let here = run(std::slice::from_ref(&other), &place.at("work"));
    refused(
        &here,
        &["the working directory of the command of the secret 'key' '.'"],
    );
    // Places after it are not searched.
    for path in [
        vec![other.clone()],
        vec![usual, other.clone(), work.clone()],
    ] {
        let output = run(&path, place.0.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    place.program("work/bin/give-key");
    let itself = run(&[work, other], place.0.path());
    refused(&itself, &["the program of the secret 'key' '", "lies in"]);
}

#[test]
fn pip_is_looked_for_nowhere_where_a_guest_could_plant_one() {
    let place = Place::new();
    let (work, usual) = (place.at("work/bin"), PathBuf::from("/usr/bin"));
    let wheel = ["--with", "no-such-package-a-b-c<0"];
    let what = "the program that fetches packages (SANDBOX_NET_PIP)";
    let before = place.run(&wheel, &[work.clone(), usual.clone()], place.0.path());
    refused(&before, &[what, "lies in"]);
    // A python without pip is skipped.
    std::fs::create_dir(place.at("none")).expect("a directory");
    let missing = place.run(&wheel, &[place.at("none"), work.clone()], place.0.path());
    refused(&missing, &[what, "lies in"]);
    // Without packages pip is not needed.
    let output = place.run(&[], &[work, usual], place.0.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
