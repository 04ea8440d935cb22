//! Installing, and leaving everything as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sandbox_net_native::patch::{Installed, PACKAGE, PatchError, Patcher, Removed};

use super::support::{Venv, assert_same, output, tree, unrouted};

const ACTIVE: &str = "import sandbox_net_native as n; print(n.is_active())";

#[test]
fn an_installed_patch_is_active_and_gone_without_a_trace_after_uninstall() {
    let Some(venv) = Venv::plain() else { return };
    let before = tree(venv.directory.path());
    let installed = venv.patcher().install().unwrap();
    assert!(matches!(
        installed,
        Installed::Now {
            keeps_another: false,
            by_pth: false,
            ..
        }
    ));
    assert_eq!(venv.run(&["-c", ACTIVE]), "True\n");
    assert_eq!(venv.run(&["-I", "-c", ACTIVE]), "True\n");
    assert!(matches!(
        venv.patcher().uninstall().unwrap(),
        Removed::Now {
            put_back: false,
            ..
        }
    ));
    assert_same(&before, &tree(venv.directory.path()));
    assert_eq!(venv.patcher().uninstall().unwrap(), Removed::Nothing);
    assert_eq!(venv.patcher().restore().unwrap(), Removed::Nothing);
}

#[test]
fn installing_twice_changes_nothing() {
    let venv = Venv::new();
    venv.patcher().install().unwrap();
    venv.run(&["-c", "import sandbox_net_native.wire"]);
    let before = tree(venv.directory.path());
    assert!(matches!(
        venv.patcher().install().unwrap(),
        Installed::Already { .. }
    ));
    assert_same(&before, &tree(venv.directory.path()));
}

#[test]
fn a_sitecustomize_that_is_there_still_runs_and_comes_back_with_its_bytes_and_times() {
    let Some(venv) = Venv::plain() else { return };
    venv.customize("hello");
    assert_eq!(venv.run(&["-c", "pass"]), "hello\n"); // and compiles it
    let before = tree(venv.directory.path());
    let installed = venv.patcher().install().unwrap();
    assert!(matches!(
        installed,
        Installed::Now {
            keeps_another: true,
            ..
        }
    ));
    assert_eq!(venv.run(&["-c", ACTIVE]), "hello\nTrue\n");
    let named = "import sitecustomize as s; print(s.__name__, s.__file__.rpartition('/')[2])";
    let kept = "hello\nsitecustomize _sandbox_net_original_sitecustomize.py\n";
    assert_eq!(venv.run(&["-c", named]), kept);
    assert!(matches!(
        venv.patcher().uninstall().unwrap(),
        Removed::Now { put_back: true, .. }
    ));
    assert_same(&before, &tree(venv.directory.path()));
    assert_eq!(venv.run(&["-c", "pass"]), "hello\n");
}

#[test]
fn a_sitecustomize_later_on_the_path_still_runs() {
    let Some(venv) = Venv::plain() else { return };
    let later = tempfile::tempdir().unwrap();
    fs::write(later.path().join("sitecustomize.py"), "print('later')\n").unwrap();
    let line = format!("{}\n", later.path().display());
    fs::write(venv.packages().join("later.pth"), line).unwrap();
    assert_eq!(venv.run(&["-c", "pass"]), "later\n");
    venv.patcher().install().unwrap();
    assert_eq!(venv.run(&["-c", ACTIVE]), "later\nTrue\n");
}

#[test]
fn an_error_in_a_kept_sitecustomize_is_reported_as_before() {
    let Some(venv) = Venv::plain() else { return };
    fs::write(
        venv.packages().join("sitecustomize.py"),
        "raise ValueError('mine')\n",
    )
    .unwrap();
    let program = ["-c", "print(1)"];
    let before = output(Command::new(venv.python()).args(program));
    venv.patcher().install().unwrap();
    let after = output(Command::new(venv.python()).args(program));
    assert_eq!(after.stdout, before.stdout);
    assert_eq!(after.stderr, before.stderr);
}

#[test]
fn where_another_sitecustomize_comes_first_a_pth_file_turns_the_patch_on() {
    let Some(venv) = Venv::plain() else { return };
    // A package of this name in the same folder comes before the file, as Debian's file does.
    let package = venv.packages().join("sitecustomize");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("__init__.py"), "print('first')\n").unwrap();
    venv.run(&["-c", "pass"]);
    let before = tree(venv.directory.path());
    let installed = venv.patcher().install().unwrap();
    assert!(matches!(installed, Installed::Now { by_pth: true, .. }));
    assert_eq!(venv.run(&["-c", ACTIVE]), "first\nTrue\n");
    venv.patcher().uninstall().unwrap();
    assert_same(&before, &tree(venv.directory.path()));
}

#[test]
fn debians_python_is_patched_beside_its_own_sitecustomize() {
    let debian = Path::new("/usr/bin/python3");
    let shadow = "import sitecustomize as s; print(s.__file__)";
    let there = Command::new(debian).args(["-c", shadow]).output();
    if !there.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: this machine has no Debian Python with a sitecustomize");
        return;
    }
    let venv = Venv::of(debian);
    let before = tree(venv.directory.path());
    assert!(matches!(
        venv.patcher().install().unwrap(),
        Installed::Now { by_pth: true, .. }
    ));
    assert_eq!(venv.run(&["-I", "-c", ACTIVE]), "True\n");
    venv.patcher().uninstall().unwrap();
    assert_same(&before, &tree(venv.directory.path()));
}

#[test]
fn each_interpreter_of_the_version_manager_can_be_patched() {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let versions = Path::new(&home).join(".pyenv/versions");
    for minor in 6..=14 {
        let name = format!("3.{minor}.");
        let entries = fs::read_dir(&versions).into_iter().flatten().flatten();
        let mut found = entries.filter(|one| one.file_name().to_string_lossy().starts_with(&name));
        let Some(one) = found.next() else {
            eprintln!("skipped: Python 3.{minor} is missing");
            continue;
        };
        let venv = Venv::of(&one.path().join("bin/python3"));
        let before = tree(venv.directory.path());
        venv.patcher().install().unwrap();
        assert_eq!(venv.run(&["-c", ACTIVE]), "True\n", "3.{minor}");
        venv.patcher().uninstall().unwrap();
        assert_same(&before, &tree(venv.directory.path()));
    }
}

#[test]
fn an_installation_for_the_user_makes_its_folder_and_removes_it() {
    // Not in a virtual environment: it reads no packages of the user.
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("python");
    let base = format!(
        "#!/bin/sh\nPYTHONUSERBASE='{}/base' exec python3 \"$@\"\n",
        home.path().display()
    );
    fs::write(&script, base).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let before = tree(home.path());
    let patcher = unrouted(Patcher::new(&script).unwrap()).for_user(true);
    let installed = patcher.install().unwrap();
    let Installed::Now { folder, .. } = installed else {
        panic!("{installed:?}")
    };
    assert!(folder.starts_with(home.path()));
    let done = output(Command::new(&script).args(["-c", ACTIVE]));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "True\n");
    assert!(matches!(patcher.uninstall().unwrap(), Removed::Now { .. }));
    assert_same(&before, &tree(home.path()));
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_ways_out() {
    let venv = Venv::new();
    let packages = venv.packages();
    fs::set_permissions(&packages, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(packages.join("probe"), "").is_ok() {
        fs::remove_file(packages.join("probe")).unwrap();
        // Whoever may write everywhere is root: a folder that is a file cannot be written by anybody.
        fs::set_permissions(&packages, fs::Permissions::from_mode(0o755)).unwrap();
        let patcher = venv.patcher();
        fs::remove_dir(&packages).unwrap();
        fs::write(&packages, "").unwrap();
        let error = patcher.install().unwrap_err();
        fs::remove_file(&packages).unwrap();
        assert_names_ways_out(&error.to_string(), &packages);
        return;
    }
    let error = venv.patcher().install().unwrap_err();
    fs::set_permissions(&packages, fs::Permissions::from_mode(0o755)).unwrap();
    assert_names_ways_out(&error.to_string(), &packages);
}

fn assert_names_ways_out(text: &str, packages: &Path) {
    assert!(text.contains(packages.to_str().unwrap()), "{text}");
    assert!(
        text.contains("--user") && text.contains("-m venv"),
        "{text}"
    );
}

#[test]
fn a_changed_file_is_reported_and_never_overwritten() {
    for name in [
        "sitecustomize.py",
        "sandbox_net_native/wire.py",
        "sandbox_net_native/mine.txt",
    ] {
        let venv = Venv::new();
        venv.customize("hello");
        venv.patcher().install().unwrap();
        let path = venv.packages().join(name);
        fs::write(&path, "# mine\n").unwrap();
        let before = tree(venv.directory.path());
        for attempt in [
            venv.patcher().uninstall().unwrap_err(),
            venv.patcher().restore().unwrap_err(),
            venv.patcher().install().unwrap_err(),
        ] {
            assert!(
                matches!(&attempt, PatchError::Changed { files } if files.as_slice() == std::slice::from_ref(&path))
            );
            assert!(attempt.to_string().contains("Move them away"), "{attempt}");
        }
        assert_same(&before, &tree(venv.directory.path()));
    }
}

#[test]
fn a_package_of_this_name_that_is_not_the_patchers_stays() {
    let venv = Venv::new();
    let package = venv.packages().join(PACKAGE);
    fs::create_dir(&package).unwrap();
    fs::write(package.join("__init__.py"), "mine = 1\n").unwrap();
    let before = tree(venv.directory.path());
    let error = venv.patcher().install().unwrap_err();
    assert!(matches!(error, PatchError::Foreign { .. }), "{error}");
    assert_same(&before, &tree(venv.directory.path()));
}

#[test]
fn restore_ends_each_half_of_an_installation() {
    let half: [fn(&Path); 4] = [
        // Before the sitecustomize was replaced.
        |packages| {
            fs::remove_file(packages.join("sitecustomize.py")).unwrap();
            let kept = packages.join("_sandbox_net_original_sitecustomize.py");
            fs::hard_link(kept, packages.join("sitecustomize.py")).unwrap();
        },
        // Somebody removed the package.
        |packages| fs::remove_dir_all(packages.join(PACKAGE)).unwrap(),
        // Somebody removed the sitecustomize.
        |packages| fs::remove_file(packages.join("sitecustomize.py")).unwrap(),
        // The manifest is lost.
        |packages| fs::remove_file(packages.join(PACKAGE).join("manifest.json")).unwrap(),
    ];
    for (number, end) in half.into_iter().enumerate() {
        let venv = Venv::new();
        venv.customize("hello");
        fs::create_dir(venv.packages().join("__pycache__")).unwrap();
        let before = tree(venv.directory.path());
        venv.patcher().install().unwrap();
        end(&venv.packages());
        let uninstalled = venv.patcher().uninstall();
        if number != 3 {
            assert!(
                matches!(uninstalled, Err(PatchError::Incomplete { .. })),
                "{number}: {uninstalled:?}"
            );
        }
        if uninstalled.is_err() {
            venv.patcher().restore().unwrap();
        }
        assert_same(&before, &tree(venv.directory.path()));
    }
}

#[test]
fn an_older_version_is_replaced_and_what_was_before_it_comes_back() {
    let Some(venv) = Venv::plain() else { return };
    venv.customize("hello");
    let before = tree(venv.directory.path());
    venv.patcher().install().unwrap();
    make_older(&venv);
    assert!(matches!(
        venv.patcher().install().unwrap(),
        Installed::Now {
            keeps_another: true,
            ..
        }
    ));
    assert!(!venv.packages().join(PACKAGE).join("older.py").exists());
    venv.patcher().uninstall().unwrap();
    assert_same(&before, &tree(venv.directory.path()));
}

/// Makes the installation that of a version with one file more.
pub(crate) fn make_older(venv: &Venv) {
    use sha2::{Digest, Sha256};

    let package = venv.packages().join(PACKAGE);
    let path = package.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hash: String = Sha256::digest(b"old = 1\n")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    manifest["version"] = "0".repeat(64).into();
    manifest["files"]["sandbox_net_native/older.py"] = hash.into();
    fs::write(package.join("older.py"), "old = 1\n").unwrap();
    fs::write(&path, manifest.to_string()).unwrap();
}
