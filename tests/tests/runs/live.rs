//! What a run does on the network is told while it does it.

use sandbox_net::{AuditLine, RunOptions, Sandbox, Stage, Verdict};
use sandbox_net_tests::Servers;

use crate::{built, soon};

#[tokio::test]
async fn decisions_are_told_while_the_request_is_under_way_and_all_by_the_end() {
    let servers = Servers::start().await;
    let sandbox = built(Sandbox::builder().allow(servers.http.origin())).await;
    let code = format!(
        "import urllib.request\nfor url in '{0}/get', '{1}/', '{0}/slow':\n    try:\n        \
         urllib.request.urlopen(url).read()\n    except OSError:\n        pass",
        servers.http.origin(),
        servers.forbidden.origin(),
    );
    let mut run = sandbox.start(code, RunOptions::new()).await.unwrap();
    let mut records = run.records();
    let mut told = Vec::new();
    // The server answers the last request only when it is released.
    loop {
        let record = soon(records.next()).await.expect("the run goes on");
        let is_last = matches!(&record, AuditLine::Decision(it)
            if it.stage == Stage::Request && it.target.ends_with("/slow"));
        told.push(record);
        if is_last {
            break;
        }
    }
    let denied = told
        .iter()
        .any(|line| matches!(line, AuditLine::Decision(it) if it.verdict == Verdict::Deny));
    assert!(denied, "{told:?}");
    run.kill();
    let outcome = soon(run.wait()).await.unwrap();
    while let Some(record) = soon(records.next()).await {
        told.push(record);
    }
    let decisions: Vec<_> = told
        .iter()
        .filter_map(|line| match line {
            AuditLine::Decision(it) if !it.update => Some(it.sequence),
            _ => None,
        })
        .collect();
    let of_outcome: Vec<_> = outcome.decisions.iter().map(|it| it.sequence).collect();
    assert_eq!(decisions, of_outcome);
    let exchanges = told
        .iter()
        .filter(|line| matches!(line, AuditLine::Exchange(_)));
    assert_eq!(exchanges.count(), outcome.exchanges.len());
    // Whoever comes late gets the same.
    let mut late = run.records();
    let mut count = 0;
    while soon(late.next()).await.is_some() {
        count += 1;
    }
    assert_eq!(count, told.len());
    assert_eq!(servers.forbidden.connections().await, 0);
}

/// What one run does is not told by another one.
#[tokio::test]
async fn each_run_tells_its_own_records() {
    let servers = Servers::start().await;
    let sandbox = built(Sandbox::builder().allow(servers.http.origin())).await;
    let code = |path: &str| {
        let url = servers.http.origin() + path;
        format!("import urllib.request; urllib.request.urlopen('{url}').read()")
    };
    let mut one = sandbox
        .start(code("/get?one"), RunOptions::new())
        .await
        .unwrap();
    let mut two = sandbox
        .start(code("/get?two"), RunOptions::new())
        .await
        .unwrap();
    let mut none = sandbox.start("pass", RunOptions::new()).await.unwrap();
    for (run, expected) in [(&mut one, 1), (&mut two, 1), (&mut none, 0)] {
        let mut records = run.records();
        soon(run.wait()).await.unwrap();
        let mut count = 0;
        while let Some(record) = soon(records.next()).await {
            count += usize::from(matches!(record, AuditLine::Exchange(_)));
        }
        assert_eq!(count, expected);
    }
}
