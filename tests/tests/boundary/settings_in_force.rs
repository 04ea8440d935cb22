//! Accepted settings have the effect that they promise.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net::{AuditFile, Error, Output, Sandbox, SandboxBuilder};
use sandbox_net_tests::Servers;

#[tokio::test]
async fn variables_that_are_accepted_have_the_effect_that_is_documented() {
    let code = "import os, sys\n\
                assert sys.flags.isolated and sys.flags.ignore_environment\n\
                assert sys.flags.utf8_mode and hash('abc') == hash('abc')\n\
                print(os.environ['A'], os.environ['PYTHONUNBUFFERED'], hash('sandbox-net'))";
    let mut hashes = Vec::new();
    for seed in ["", "0"] {
        let sandbox = Sandbox::builder()
            .env("A", "1")
            .env("A", "2")
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONHASHSEED", seed);
        let outcome = sandbox.build().await.expect("a sandbox").run(code).await;
        let outcome = outcome.expect("a run");
        let said = outcome.stdout_text().into_owned();
        assert!(said.starts_with("2 1 "), "{said} {}", outcome.stderr_text());
        hashes.push(said);
    }
    assert_eq!(
        hashes[0], hashes[1],
        "strings have the same hashes in every run"
    );
}

#[tokio::test]
async fn too_little_memory_for_the_interpreter_says_how_much_it_needs() {
    // The interpreter's initial memory, and no more.
    for rule in [None, Some("https://a.test")] {
        let sandbox = Sandbox::builder().memory_limit(40 << 20);
        let sandbox = match rule {
            Some(rule) => sandbox.allow(rule),
            None => sandbox,
        };
        let error = match sandbox.build().await {
            Ok(sandbox) => sandbox.run("pass").await.expect_err("too little"),
            Err(error) => error,
        };
        let said = error.to_string();
        let expected = "the memory limit can't be used: it is 40.0 MiB, and the interpreter \
                        alone needs";
        assert!(said.starts_with(expected), "{said}");
    }
    let enough = Sandbox::builder().memory_limit(41 << 20);
    let sandbox = enough.build().await.expect("a sandbox");
    let outcome = sandbox.run("pass").await.expect("enough");
    assert_eq!(outcome.exit_code(), 0);
}

/// A log that the guest's own output also goes to is refused under every name.
#[cfg(unix)]
#[tokio::test]
async fn a_log_of_its_own_is_needed_where_the_output_is_inherited() {
    use std::os::fd::AsFd;

    let stderr = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .expect("stderr");
    let stderr = std::fs::File::from(stderr);
    let is_null = {
        use std::os::unix::fs::MetadataExt;
        let null = std::fs::metadata("/dev/null").expect("a device");
        stderr.metadata().expect("stderr").rdev() == null.rdev()
    };
    let names = ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"];
    for name in names
        .into_iter()
        .filter(|name| !is_null && AuditFile::open(name).is_ok())
    {
        for give in [
            |builder: SandboxBuilder, name: &str| builder.audit_file(name),
            |builder: SandboxBuilder, name: &str| {
                builder.audit_sink(AuditFile::open(name).expect("a file"))
            },
        ] {
            let builder = give(Sandbox::builder(), name).stderr(Output::Inherit);
            let Err(Error::Setting { why, .. }) = builder.build().await else {
                panic!("{name} is accepted");
            };
            assert!(why.contains("stderr goes to the same place"), "{why}");
            // Captured output goes elsewhere.
            assert!(
                give(Sandbox::builder(), name).build().await.is_ok(),
                "{name}"
            );
        }
    }
    let directory = tempfile::TempDir::new().expect("a directory");
    let own = directory.path().join("audit.jsonl");
    let builder = || Sandbox::builder().audit_file(&own).stderr(Output::Inherit);
    assert!(builder().build().await.is_ok());
    // The same log twice would have every line twice.
    let twice = builder().audit_sink(AuditFile::open(&own).expect("a file"));
    let Err(Error::Setting { why, .. }) = twice.build().await else {
        panic!("one file is accepted twice");
    };
    assert!(why.contains("the same file is given twice"), "{why}");
}

#[tokio::test]
async fn a_sandbox_is_called_what_it_was_named_and_asks_the_servers_that_were_named() {
    let servers = Servers::start().await;
    servers
        .dns
        .set("a.test", [std::net::IpAddr::from([127, 0, 0, 1])]);
    let lines = Arc::new(Mutex::new(Vec::new()));
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sandbox = Sandbox::builder()
        .name("agent-7")
        .allow("http://a.test:1")
        .dns_servers([servers.dns.address()])
        .request_deadline(Duration::from_secs(60))
        .stdout(Output::to(Lines(Arc::clone(&lines))))
        .arg("x")
        .arg("y");
    let sandbox = sandbox.build().await.expect("a sandbox");
    let code = "import socket, sys\n\
                try: socket.create_connection(('a.test', 1))\n\
                except OSError: print(sys.argv[1:], flush=True)";
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    assert_eq!(*lines.lock().expect("no panic"), b"['x', 'y']\n");
    assert!(outcome.decisions.iter().all(|it| it.sandbox == "agent-7"));
    assert!(!servers.dns.questions().await.is_empty());
}

#[tokio::test]
async fn arguments_and_variables_that_the_interpreter_has_no_room_for_are_refused() {
    let refused = |builder: SandboxBuilder| match builder.check() {
        Err(error) => error.to_string(),
        Ok(()) => "accepted".to_owned(),
    };
    let many = |count| (0..count).fold(Sandbox::builder(), |builder, _| builder.arg("x"));
    for (builder, expected) in [
        (Sandbox::builder().arg("x".repeat(40_000)), "accepted"),
        (many(4_000), "accepted"),
        (Sandbox::builder().env("X", "x".repeat(40_000)), "accepted"),
        (
            Sandbox::builder().arg("x".repeat(50_000)),
            "the program's arguments can't be used: 1 of them have 48.8 KiB in all",
        ),
        (many(4_001), "the program's arguments can't be used: 4001"),
        (
            Sandbox::builder().env("X", "x".repeat(50_000)),
            "the environment can't be used: 1 of them",
        ),
    ] {
        let said = refused(builder);
        assert!(said.starts_with(expected), "{said}");
    }
    // What fits arrives unchanged.
    let sandbox = Sandbox::builder()
        .arg("x".repeat(40_000))
        .env("X", "x".repeat(40_000))
        .build()
        .await
        .expect("a sandbox");
    let code = "import os, sys; print(len(sys.argv[1]), len(os.environ['X']))";
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "40000 40000\n");
    // Code is an argument, too, and variables may be added later.
    let long = sandbox.run(format!("#{}", "x".repeat(50_000))).await;
    let said = long.expect_err("it would not fit").to_string();
    assert!(said.contains("in a file or through stdin"), "{said}");
    sandbox
        .set_env("Y", &"y".repeat(40_000))
        .expect("a variable");
    assert!(sandbox.run(code).await.is_err());
}
