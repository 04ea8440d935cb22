//! The three streams of a run, while it goes on.

use std::time::Duration;

use sandbox_net::{Error, Exit, Output, RunOptions, Sandbox, Stdin};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::{built, soon};

/// Long enough for what was written to arrive, if it is going to.
const A_MOMENT: Duration = Duration::from_millis(500);

fn piped() -> RunOptions {
    RunOptions::new()
        .stdin(Stdin::Piped)
        .stdout(Output::Piped)
        .stderr(Output::Piped)
}

#[tokio::test]
async fn a_program_and_its_embedder_talk_line_by_line() {
    let sandbox = built(Sandbox::builder()).await;
    let code = "import sys\nfor line in sys.stdin:\n    print('got', line.strip())\n    print('and', \
                line.strip(), file=sys.stderr)\nprint('end')";
    let mut run = sandbox.start(code, piped().unbuffered()).await.unwrap();
    let mut stdin = run.stdin().unwrap();
    let mut stdout = BufReader::new(run.stdout().unwrap()).lines();
    let mut stderr = BufReader::new(run.stderr().unwrap()).lines();
    for word in ["one", "two", "three"] {
        // The next line is written only once the answer to this one has arrived.
        stdin
            .write_all(format!("{word}\n").as_bytes())
            .await
            .unwrap();
        let line = soon(stdout.next_line()).await.unwrap();
        assert_eq!(line, Some(format!("got {word}")));
        let line = soon(stderr.next_line()).await.unwrap();
        assert_eq!(line, Some(format!("and {word}")));
    }
    drop(stdin);
    assert_eq!(
        soon(stdout.next_line()).await.unwrap(),
        Some("end".to_owned())
    );
    assert_eq!(soon(stdout.next_line()).await.unwrap(), None);
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0));
    // What was taken is not captured a second time.
    assert_eq!((outcome.stdout.len(), outcome.truncated), (0, false));
    assert!(run.stdin().is_none() && run.stdout().is_none());
}

/// As CPython does where stdout is no terminal: `python3 -c … | cat`.
#[tokio::test]
async fn output_is_buffered_as_natively_unless_it_is_flushed_or_the_program_asks() {
    let waiting = "import sys\nprint('line', flush=FLUSH)\nsys.stdin.read()";
    let waiting = |flush| waiting.replace("FLUSH", flush);
    let unbuffered = built(Sandbox::builder().env("PYTHONUNBUFFERED", "1")).await;
    let empty = built(Sandbox::builder().env("PYTHONUNBUFFERED", "")).await;
    let plain = built(Sandbox::builder()).await;
    let cases = [
        (&plain, piped(), "False", false),
        (&plain, piped(), "True", true),
        (&plain, piped().unbuffered(), "False", true),
        (&unbuffered, piped(), "False", true),
        (&empty, piped(), "False", false),
    ];
    for (number, (sandbox, options, flush, is_told)) in cases.into_iter().enumerate() {
        let mut run = sandbox.start(waiting(flush), options).await.unwrap();
        let mut stdout = run.stdout().unwrap();
        let told = match is_told {
            true => Ok(soon(stdout.next()).await),
            false => tokio::time::timeout(A_MOMENT, stdout.next()).await,
        };
        assert_eq!(told.is_ok(), is_told, "case {number}");
        drop(run.stdin());
        let mut rest = String::new();
        soon(stdout.read_to_string(&mut rest)).await.unwrap();
        let first = told.ok().flatten().unwrap_or_default();
        assert_eq!(
            [&first[..], rest.as_bytes()].concat(),
            b"line\n",
            "case {number}"
        );
        soon(run.wait()).await.unwrap();
    }
    // The layers are those of `python3 -u`.
    let code = "import sys\nfor s in sys.stdout, sys.stderr, sys.__stdout__:\n    \
                print(type(s.buffer).__name__, s.write_through, s.name, s.mode, s.encoding)";
    let outcome = unbuffered.run(code).await.unwrap();
    let expected = "FileIO True <stdout> w utf-8\nFileIO True <stderr> w utf-8\nFileIO True \
                    <stdout> w utf-8\n";
    assert_eq!(outcome.stdout_text(), expected);
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte_and_the_program_waits_for_it() {
    let sandbox = built(Sandbox::builder()).await;
    let code = "import sys\nfor n in range(4096):\n    sys.stdout.write(f'{n:0255}\\n')\n\
                print('done', file=sys.stderr)";
    let mut run = sandbox.start(code, piped()).await.unwrap();
    let (mut stdout, mut stderr) = (run.stdout().unwrap(), run.stderr().unwrap());
    let done = tokio::time::timeout(A_MOMENT, stderr.next()).await;
    assert!(done.is_err(), "a megabyte does not fit, and nobody reads");
    let mut text = String::new();
    soon(stdout.read_to_string(&mut text)).await.unwrap();
    let expected: String = (0..4096).map(|n| format!("{n:0255}\n")).collect();
    assert!(text == expected, "{} bytes", text.len());
    assert_eq!(soon(stderr.next()).await.unwrap(), "done\n");
    soon(run.wait()).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_goes_away_is_a_broken_pipe_as_natively() {
    let sandbox = built(Sandbox::builder()).await;
    let code = "import errno, sys\nsys.stdin.read()\ntry:\n    print('x', flush=True)\nexcept \
                BrokenPipeError as error:\n    print(error.errno == errno.EPIPE, file=sys.stderr)\n    \
                sys.stdout = None";
    let mut run = sandbox.start(code, piped()).await.unwrap();
    drop(run.stdout());
    drop(run.stdin());
    let mut stderr = String::new();
    let mut reader = run.stderr().unwrap();
    soon(reader.read_to_string(&mut stderr)).await.unwrap();
    assert_eq!(stderr, "True\n");
    soon(run.wait()).await.unwrap();
}

#[tokio::test]
async fn streams_that_nobody_takes_are_closed_and_captured_when_the_run_is_waited_for() {
    let sandbox = built(Sandbox::builder().capture_limit(100_000)).await;
    let code = "import sys\nprint(repr(sys.stdin.read()))\nprint('e' * 70_000, file=sys.stderr)\n\
                print('o' * 200_000)";
    let mut run = sandbox.start(code, piped()).await.unwrap();
    // A call that is given up loses nothing.
    let given_up = tokio::time::timeout(Duration::from_millis(1), run.wait()).await;
    assert!(given_up.is_err());
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr_text());
    assert_eq!(outcome.stderr.len(), 70_001);
    assert_eq!(outcome.stdout.len(), 100_000);
    assert!(outcome.stdout.starts_with(b"''\noooo") && outcome.truncated);
}

#[tokio::test]
async fn writing_to_a_program_that_has_ended_is_an_error_and_no_hang() {
    let sandbox = built(Sandbox::builder()).await;
    let mut run = sandbox.start("pass", piped()).await.unwrap();
    let mut stdin = run.stdin().unwrap();
    soon(run.wait()).await.unwrap();
    let written = soon(stdin.write_all(&[7; 1 << 20])).await;
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_program_that_reads_nothing_holds_up_its_writer_and_not_the_host() {
    let sandbox = built(Sandbox::builder()).await;
    let options = piped().time_limit(Duration::from_secs(3));
    let mut run = sandbox.start("while True: pass", options).await.unwrap();
    let mut stdin = run.stdin().unwrap();
    // It waits until the program is ended, and then fails.
    let written = soon(stdin.write_all(&[7; 1 << 20])).await;
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(soon(run.wait()).await.unwrap().exit, Exit::TimeLimit);
}

#[tokio::test]
async fn runs_at_once_have_streams_of_their_own() {
    let sandbox = built(Sandbox::builder().stdin(Stdin::Piped)).await;
    let code = "import sys; print(sys.stdin.read())";
    let mut runs = Vec::new();
    for number in 0..4 {
        let mut run = sandbox.start(code, RunOptions::new()).await.unwrap();
        let mut stdin = run.stdin().unwrap();
        stdin
            .write_all(number.to_string().as_bytes())
            .await
            .unwrap();
        runs.push((number, run, stdin));
    }
    for (number, mut run, stdin) in runs {
        drop(stdin);
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.stdout_text(), format!("{number}\n"));
    }
}

#[tokio::test]
async fn streams_are_taken_from_the_hosts_memory_and_given_back() {
    let sandbox = built(Sandbox::builder().host_memory_limit(600 << 10)).await;
    let mut first = sandbox.start("input()", piped()).await.unwrap();
    let refused = sandbox.start("input()", piped()).await.err();
    let second = match refused {
        Some(error) => error,
        None => sandbox
            .start("input()", piped())
            .await
            .map(drop)
            .expect_err("600 KiB are not enough for three"),
    };
    assert!(matches!(second, Error::HostMemory), "{second}");
    first.kill();
    soon(first.wait()).await.unwrap();
    drop(first);
    for _ in 0..20 {
        let mut run = sandbox.start("print(input())", piped()).await.unwrap();
        let mut stdin = run.stdin().unwrap();
        stdin.write_all(b"again\n").await.unwrap();
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.stdout_text(), "again\n");
    }
}
