//! The example `ask_person`: one question for one host, and no answer is no.

use crate::talk::{prepare, run, script, text};
use sandbox_net_tests::HttpServer;

/// Runs a program that requests two paths of each of two hosts. Returns its output, and the hosts that
/// the person was asked about.
async fn visit(server: &HttpServer, answers: &str) -> (String, Vec<String>) {
    prepare().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (one, other) = (server.origin(), server.origin_as("localhost"));
    let code = format!(
        "import urllib.request\n\
         for url in '{one}/get', '{other}/get', '{one}/connection', '{other}/connection':\n    \
         try: print(urllib.request.urlopen(url).status)\n    \
         except OSError as error: print(error)"
    );
    let args = [script(folder.path(), "visit.py", &code), one, other];
    let ended = run(env!("CARGO_BIN_EXE_ask_person"), &args, answers).await;
    let asked = text(&ended.stderr);
    assert!(ended.status.success(), "{asked}");
    let asked = asked.split("May the program reach ").skip(1);
    let hosts = asked.map(|rest| rest.split('?').next().unwrap_or_default().to_owned());
    (text(&ended.stdout), hosts.collect())
}

#[tokio::test]
async fn a_person_is_asked_once_for_each_host_and_the_answer_counts_for_all_its_requests() {
    let server = HttpServer::plain().await;
    let (printed, asked) = visit(&server, "y\nno\n").await;
    assert_eq!(asked, ["127.0.0.1", "localhost"]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!((lines[0], lines[2]), ("200", "200"));
    for denied in [lines[1], lines[3]] {
        assert!(
            denied.contains("the person at the terminal said no"),
            "{denied}"
        );
    }
    let hosts: Vec<_> = server
        .requests()
        .iter()
        .map(|it| it.header("host").map(str::to_owned))
        .collect();
    assert_eq!(hosts, vec![Some(server.address().to_string()); 2]);
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_sent() {
    let server = HttpServer::plain().await;
    let (printed, _) = visit(&server, "").await;
    assert_eq!(printed.lines().count(), 4);
    assert!(!printed.contains("200"), "{printed}");
    assert_eq!(server.connections(), 0);
}
