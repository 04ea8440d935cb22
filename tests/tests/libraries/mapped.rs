//! Files that are mapped for reading are read as natively.

use sandbox_net::Sandbox;
use sandbox_net_tests::{Native, run};

#[tokio::test]
async fn a_file_that_is_mapped_is_read_as_natively_and_one_to_be_written_is_refused() {
    let native = Native::new::<&str>("mapped.py", []).run().await;
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let (inside, _) = run(&sandbox, "mapped.py").await;
    let (native, inside) = (native.lines, inside.lines);
    assert_eq!(native.len(), inside.len());
    let (last, others) = inside.split_last().expect("lines");
    assert_eq!(others, &native[..others.len()]);
    // Natively, too, the descriptor must allow reading.
    let error = &last["errors"][0];
    assert_eq!(error["errno"], "EACCES");
    let text = error["text"].as_str().expect("a text");
    assert!(
        text.starts_with("sandbox-net cannot map a file for writing: "),
        "{text}"
    );
}
