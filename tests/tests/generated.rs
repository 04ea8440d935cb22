//! Generated files are up to date.

use std::path::Path;

use xtask::frames::{BEGIN, END, replaced};

#[test]
fn the_numbers_of_frames_are_those_of_the_table_wherever_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let old = xtask::frames::outdated(root.expect("the repository")).expect("the table");
    assert!(
        old.is_empty(),
        "{old:?} differ from adapter/frames.toml: run `cargo run -p xtask -- frames`"
    );
}

#[test]
fn a_block_is_replaced_and_the_rest_stays() {
    let text = format!("a\n{BEGIN} numbers.\nOLD = 1\n{END}\nb\n");
    let new = replaced(&text, "NEW = 2\n").expect("a block");
    assert_eq!(new, format!("a\n{BEGIN} numbers.\nNEW = 2\n{END}\nb\n"));
    assert_eq!(replaced(&new, "NEW = 2\n"), Some(new));
    assert_eq!(replaced("a\nb\n", "NEW = 2\n"), None);
}
