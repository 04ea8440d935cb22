//! The files that are made from others are up to date.

use std::path::Path;

#[test]
fn the_numbers_of_frames_are_those_of_the_table_wherever_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let old = xtask::frames::outdated(root.expect("the repository")).expect("the table");
    assert!(
        old.is_empty(),
        "{old:?} differ from adapter/frames.toml: run `cargo run -p xtask -- frames`"
    );
}
