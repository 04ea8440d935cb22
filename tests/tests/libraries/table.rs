//! The README's table of libraries is the list that the tests go through.

use std::path::PathBuf;

use crate::matrix::{Column, LIBRARIES};

/// The variable that lets the test write the table.
const UPDATE: &str = "UPDATE_README";

const BEGIN: &str = "<!-- libraries: made by tests/tests/libraries/table.rs -->\n";
const END: &str = "<!-- end of libraries -->\n";

#[test]
fn the_table_in_the_readme_is_that_of_the_tests() {
    check(BEGIN, END, &table());
}

/// Compares a table of the README with what it has to be, or writes it.
pub(crate) fn check(begin: &str, end: &str, expected: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let readme = std::fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(begin).expect("the table's beginning");
    let (found, after) = rest.split_once(end).expect("the table's end");
    if found == expected {
        return;
    }
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "run this test with {UPDATE}=1 to write the README's table:\n{expected}"
    );
    let text = [before, begin, expected, end, after].concat();
    std::fs::write(&path, text).expect("the README is written");
}

fn table() -> String {
    let headings = Column::ALL.map(|column| column.names().1).join(" | ");
    let mut text = format!(
        "| | {headings} |\n|---|{}\n",
        ":-:|".repeat(Column::ALL.len())
    );
    for library in LIBRARIES {
        let cells = Column::ALL.map(|column| match library.columns.contains(&column) {
            true => "✓",
            false => "",
        });
        text += &format!("| {} | {} |\n", library.name, cells.join(" | "));
    }
    text
}
