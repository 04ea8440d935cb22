//! The table of libraries in `docs/libraries.md` is the list that the tests run.

use std::path::PathBuf;

use crate::matrix::{Column, LIBRARIES};

/// The variable that makes the test write the table.
const UPDATE: &str = "UPDATE_DOCS";

const BEGIN: &str = "<!-- libraries: made by tests/tests/libraries/table.rs -->\n";
const END: &str = "<!-- end of libraries -->\n";

#[test]
fn the_table_of_libraries_in_the_documentation_is_that_of_the_tests() {
    check(BEGIN, END, &table());
}

/// Compares a table of `docs/libraries.md` with the expected one, or writes it.
pub(crate) fn check(begin: &str, end: &str, expected: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/libraries.md"));
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(begin).expect("the table's beginning");
    let (found, after) = rest.split_once(end).expect("the table's end");
    if found == expected {
        return;
    }
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "run this test with {UPDATE}=1 to write the table of docs/libraries.md:\n{expected}"
    );
    let text = [before, begin, expected, end, after].concat();
    std::fs::write(&path, text).expect("the page is written");
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
