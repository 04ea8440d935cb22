//! Over HTTP/1.1 a server receives the same request heads as natively.

use sandbox_net_tests::{RawServer, native_python, run, run_natively};

use crate::world::World;

#[tokio::test]
async fn heads_arrive_over_http1_byte_for_byte_as_natively() {
    let Some(python) = native_python().await else {
        return;
    };
    let (world, raw) = (World::start().await, RawServer::start().await);
    let program = "libraries/with_heads.py";
    let arguments = [("raw", raw.origin())];
    let outside = [format!("raw={}", raw.origin())];
    let outside = run_natively(python, &world.ca, program, outside).await;
    let natively = raw.heads();
    let sandbox = world.sandbox(&arguments).build().await;
    let (inside, _) = run(&sandbox.expect("a sandbox"), program).await;

    assert_eq!(inside.lines, outside.lines);
    let heads = &raw.heads()[natively.len()..];
    assert_eq!(heads.len(), natively.len());
    assert_eq!(natively.len(), outside.lines.len());
    let cases = outside.lines.iter().map(|line| &line["case"]);
    for (case, (head, native)) in cases.zip(heads.iter().zip(&natively)) {
        let shown = |head: &[u8]| String::from_utf8_lossy(head).into_owned();
        assert_eq!(shown(head), shown(native), "{case}");
    }
}
