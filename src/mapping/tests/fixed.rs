//! Facts about what is the same in every record of a mapping.

use super::*;
use crate::schema::{LeafId, Value};

fn fixed(where_: &str, lines: &str) -> Vec<(String, Value)> {
    let text = format!(
        "entities:\n  Customer:\n    at: /r\n    {where_}\n    list: {{ rows: r }}\n    fields:\n{lines}      name: name\n"
    );
    let (system, told) = load_text("r", &text, "https://r.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Customer").unwrap();
    let path = |leaf: LeafId| mapping.entity().leaf(leaf).unwrap().path.to_string();
    mapping.fixed().into_iter().map(|(leaf, value)| (path(leaf), value)).collect()
}

fn text(path: &str, value: &str) -> (String, Value) {
    (path.to_owned(), Value::Text(value.into()))
}

#[test]
fn a_constant_of_the_record_is_the_same_in_all_and_one_of_a_group_is_not() {
    let lines = "      kind: =person\n      currency: cur\n      phones: [ { type: =work, value: tel } ]\n";
    assert_eq!(fixed("version: { at: v, send: If-Match }", lines), [text("kind", "person")]);
}

#[test]
fn what_a_line_reads_of_the_one_spelling_that_is_asked_for_is_the_same_in_all() {
    let lines =
        "      kind: { at: sort, values: { p: person, c: company }, write: never }\n      language: lang\n";
    assert_eq!(fixed("where: { sort: p, deleted: \"0\" }", lines), [text("kind", "person")]);
    assert_eq!(fixed("where: { deleted: \"0\" }", lines), []);
    // A spelling that the table does not know is no value that could be told.
    assert_eq!(
        fixed("where: { sort: x }", "      kind: { at: sort, values: { p: person }, write: never }\n"),
        []
    );
}
