//! Files that the host looks up by name are in no directory that a guest may write to.

use std::fs;
use std::path::Path;

use sandbox_net::policy::Document;
use sandbox_net::{DirAccess, Error, Sandbox, SandboxBuilder, Script};

use DirAccess::{ReadOnly, ReadWrite};

use super::mounts::{Place, mounted};

/// Checks that a sandbox is refused, and returns the one line of the error.
fn refused(builder: &SandboxBuilder, expected: &[&str]) {
    let error = builder.check().expect_err("it is refused");
    let message = error.to_string();
    assert!(matches!(error, Error::Exposed { .. }), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_within_a_writable_one_is_refused_by_its_name() {
    let place = Place::new();
    let (work, inputs) = (place.at("work"), place.at("work/inputs"));
    fs::create_dir_all(place.at("work/a/b/c")).expect("directories");
    let into = place.link("work/inputs", "into");
    let within = place.link("work/a/../inputs", "within");
    let out = place.link("../../outside", "work/a/out");
    let own = place.link("..", "work/a/own");
    let beyond = place.at("work/a/b/../../../outside");
    for (inner, access, how) in [
        (&inputs, ReadWrite, "lies in"),
        (&inputs, ReadOnly, "lies in"),
        (&place.at("work/a/b/c"), ReadOnly, "lies in"),
        (&into, ReadOnly, "lies in"),
        (&within, ReadWrite, "lies in"),
        (&out, ReadOnly, "is reached through"),
        (&beyond, ReadOnly, "is reached through"),
        (&work, ReadOnly, "is the directory"),
        (&work, ReadWrite, "is the directory"),
    ] {
        let expected = [
            "the mount at /inner",
            &inner.display().to_string(),
            how,
            "as /outer: mount",
        ];
        for mounts in [
            [(&*work, "/outer", ReadWrite), (&**inner, "/inner", access)],
            [(&**inner, "/inner", access), (&*work, "/outer", ReadWrite)],
        ] {
            // If the same directory is mounted twice, both are refused.
            match (how, access) {
                ("is the directory", ReadWrite) => {
                    refused(&mounted(&mounts), &["is the directory"])
                }
                _ => refused(&mounted(&mounts), &expected),
            }
        }
    }
    // The guest could replace a name in the path of the mount itself.
    refused(
        &mounted(&[(&own, "/own", ReadWrite)]),
        &["the mount at /own", "is reached through"],
    );
    let up = place.at("work/a/..");
    refused(
        &mounted(&[(&up, "/own", ReadWrite)]),
        &["the mount at /own", "is reached through"],
    );
}

#[cfg(unix)]
#[test]
fn directories_beside_each_other_or_in_one_that_is_read_only_are_mounted() {
    let place = Place::new();
    let (work, inputs, outside) = (
        place.at("work"),
        place.at("work/inputs"),
        place.at("outside"),
    );
    let longer = place.at("work-2");
    fs::create_dir(&longer).expect("a directory");
    let link = place.link("work", "link");
    for mounts in [
        vec![
            (&*work, "/work", ReadOnly),
            (&*inputs, "/work/inputs", ReadWrite),
        ],
        vec![(&*work, "/work", ReadOnly), (&*inputs, "/inputs", ReadOnly)],
        vec![(&*work, "/a", ReadOnly), (&*work, "/b", ReadOnly)],
        vec![
            (&*work, "/work", ReadWrite),
            (&*outside, "/outside", ReadWrite),
        ],
        vec![
            (&*work, "/work", ReadWrite),
            (&*longer, "/longer", ReadOnly),
        ],
        vec![(&*link, "/link", ReadWrite)],
    ] {
        mounted(&mounts).check().expect("nothing is in the way");
    }
}

/// The settings that name a file of the host, and what a message calls each.
fn settings(path: &Path) -> Vec<(&'static str, SandboxBuilder)> {
    let secret = |source: String| {
        let text = format!(
            "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"key\"\n\
             headers = [\"x-key\"]\nrule = \"https://a.test\"\nsource = {source}\n[end]\n"
        );
        Sandbox::builder().policy(Document::parse(&text).expect("a policy"))
    };
    let quoted = format!("{:?}", path.display().to_string());
    vec![
        ("the audit log", Sandbox::builder().audit_file(path)),
        ("--ca", Sandbox::builder().protect(path, "--ca")),
        ("the policy", Sandbox::builder().policy_file(path)),
        (
            "the file of the secret 'key'",
            secret(format!("{{ file = {quoted} }}")),
        ),
        (
            "the program of the secret 'key'",
            secret(format!("{{ command = [{quoted}] }}")),
        ),
    ]
}

#[cfg(unix)]
#[test]
fn a_file_that_a_guest_could_replace_is_refused_by_its_settings_name() {
    let place = Place::new();
    let content = "version = 1\nallow = [\"https://a.test\"]\n[end]\n";
    fs::create_dir_all(place.at("work/a/b")).expect("directories");
    place.file("outside/file", content);
    let paths = [
        (place.file("work/file", content), "lies in"),
        (place.file("work/a/b/file", content), "lies in"),
        (place.link("work/file", "into"), "lies in"),
        (
            place.link("../outside/file", "work/out"),
            "is reached through",
        ),
        (
            place.link("work/a/../../outside/file", "through"),
            "is reached through",
        ),
        (place.at("work/a/../../outside/file"), "is reached through"),
    ];
    for (path, how) in &paths {
        for (what, builder) in settings(path) {
            let builder = builder.dir(place.at("work"), "/work", ReadWrite);
            let named = format!("{what} '{}' {how} the directory '", path.display());
            let keep = format!(
                "as /work: mount a subdirectory or mount it read-only, or keep {what} elsewhere"
            );
            refused(&builder, &[&named, &keep]);
        }
    }
    // Honest use: the directory is read-only, or only a part of it is writable.
    for (path, _) in &paths {
        for (what, builder) in settings(path) {
            let builder = builder.dir(place.at("work"), "/work", ReadOnly);
            builder
                .check()
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    for (what, builder) in settings(&place.at("work/file")) {
        let builder = builder.dir(place.at("work/inputs"), "/inputs", ReadWrite);
        builder
            .check()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn a_wheel_and_an_audit_log_that_are_not_there_yet_are_refused_too() {
    let place = Place::new();
    let wheel = place.at("work/one-1.0-py3-none-any.whl");
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    refused(
        &builder.with_package(wheel.display().to_string()),
        &["the wheel '", "lies in"],
    );
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    refused(
        &builder.audit_file(place.at("work/new.jsonl")),
        &["the audit log '", "lies in"],
    );
    // A program that is searched in PATH is not a path.
    let (_, builder) = settings(Path::new("true"))
        .pop()
        .expect("a secret's program");
    let builder = builder.dir(place.at("work"), "/work", ReadWrite);
    builder.check().expect("nothing is in the way");
}

/// A sandbox that may write to `work`, with a secret from this command.
fn with_command(place: &Place, words: &[&str]) -> SandboxBuilder {
    let text = format!(
        "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"key\"\n\
         headers = [\"x-key\"]\nrule = \"https://a.test\"\nsource = {{ command = {words:?} }}\n[end]\n"
    );
    let builder = mounted(&[(&place.at("work"), "/work", ReadWrite)]);
    builder.policy(Document::parse(&text).expect("a policy"))
}

#[test]
fn a_secrets_command_names_no_file_that_a_guest_could_replace() {
    let place = Place::new();
    let inside = place.file("work/key.sh", "echo a-long-secret");
    let outside = place.file("outside/key.sh", "echo a-long-secret");
    let (inside, outside) = (inside.to_str().expect("UTF-8"), outside.to_str());
    let outside = outside.expect("UTF-8");
    let new = place.at("work/new.conf");
    let new = new.to_str().expect("UTF-8");
    let what = "the file that the command of the secret 'key' names '";
    for words in [
        &["sh", inside][..],
        &["sh", outside, &format!("--config={inside}")],
        &["sh", "-c", &format!("cat '{inside}'")],
        &["sh", "-c", &format!("cat <{inside}; true")],
        // The guest could create it.
        &["sh", outside, &format!("--config={new}")],
    ] {
        refused(&with_command(&place, words), &[what, "lies in", "as /work"]);
    }
    for words in [
        &["sh", outside][..],
        &["sh", outside, &format!("--config={outside}"), "work"],
        &["sh", "-c", &format!("cat '{outside}' op://work/key")],
    ] {
        let builder = with_command(&place, words);
        builder.check().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }
    let builder = with_command(&place, &["sh", inside]);
    let text = builder.check().expect_err("it is refused").to_string();
    assert!(!text.contains("a-long-secret"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_secrets_script_has_no_interpreter_that_a_guest_could_replace() {
    let place = Place::new();
    let inside = place.file("work/interpreter", "");
    let second = format!("#!{}\n", inside.display());
    let second = place.file("outside/second", &second);
    for (line, is_refused) in [
        (format!("#!{}\n", inside.display()), true),
        (format!("#!{} -u\n", second.display()), true),
        (format!("#!/usr/bin/env {}\n", inside.display()), true),
        (format!("#!/usr/bin/env -S {} -u\n", inside.display()), true),
        ("#!/bin/sh\n".to_owned(), false),
        ("#!/usr/bin/env sh\n".to_owned(), false),
        ("no script".to_owned(), false),
    ] {
        let script = place.file("outside/script", &line);
        let builder = with_command(&place, &[script.to_str().expect("UTF-8")]);
        let what = "the interpreter of the program of the secret 'key'";
        match is_refused {
            true => refused(&builder, &[what]),
            false => builder.check().unwrap_or_else(|e| panic!("{line}: {e}")),
        }
    }
}

#[test]
fn the_temporary_directory_is_not_writable_to_a_guest_but_what_is_in_it_is() {
    let temporary = std::env::temp_dir();
    refused(
        &mounted(&[(&temporary, "/work", ReadWrite)]),
        &["the temporary directory '", "is the directory"],
    );
    if let Some(parent) = temporary.parent().filter(|it| it.parent().is_some()) {
        let builder = mounted(&[(parent, "/work", ReadWrite)]);
        refused(&builder, &["the temporary directory '", "lies in"]);
    }
    mounted(&[(&temporary, "/work", ReadOnly)])
        .check()
        .expect("it is only read");
    let place = Place::new();
    mounted(&[(&place.at("work"), "/work", ReadWrite)])
        .check()
        .expect("a directory in it");
}

#[tokio::test]
async fn a_script_that_the_guest_could_replace_is_not_run() {
    let place = Place::new();
    let script = place.file("work/agent.py", "print('ran')");
    let build = async |access| {
        let builder = Sandbox::builder().dir(place.at("work"), "/work", access);
        builder.build().await.expect("a sandbox")
    };
    let sandbox = build(ReadWrite).await;
    for sandbox in [&sandbox, &sandbox.fork().await.expect("a fork")] {
        let error = sandbox
            .run(Script::path(&script))
            .await
            .expect_err("it is refused");
        let message = error.to_string();
        let named = format!("the script '{}' lies in the directory '", script.display());
        assert!(message.starts_with(&named), "{message}");
    }
    // Honest use: the directory is read-only, or the script is beside it.
    let outcome = build(ReadOnly).await.run(Script::path(&script)).await;
    assert_eq!(outcome.expect("a run").stdout_text(), "ran\n");
    let beside = place.file("agent.py", "print('ran')");
    let outcome = sandbox.run(Script::path(beside)).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "ran\n");
}
