//! Parts of a test that say nothing about what it asks for. They would be kept whatever the statements say, and
//! whoever reads the test would believe otherwise; so each is a mistake.

use super::cases::Case;
use crate::{
    explaining::ActionWord,
    words::{Diagnostics, Place, yaml::Spanned},
};

/// What expectations beside the outcome can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What can be shown of any record.
    Fields,
    /// One record as it is shown.
    Record,
    /// What changes of a record.
    Change,
    /// Nothing but the decision itself.
    Decision,
}

impl Subject {
    /// Of a test.
    pub(super) fn of(case: &Case) -> Self {
        match (case.action, &case.record) {
            (ActionWord::Read | ActionWord::List, None) => Self::Fields,
            (ActionWord::Read | ActionWord::List, Some(_)) => Self::Record,
            (ActionWord::Create | ActionWord::Update, Some(_)) => Self::Change,
            (ActionWord::Create | ActionWord::Update, None) | (ActionWord::Delete | ActionWord::Call, _) => {
                Self::Decision
            }
        }
    }
}

/// Tells every part that says nothing.
pub(super) fn check(case: &Case, found: &mut Diagnostics) {
    let expect = &case.expect;
    // Whether the action shows, changes, touches what is stored, and is about a record at all.
    let (shows, changes, touches, records) = match case.action {
        ActionWord::Read | ActionWord::List => (true, false, false, true),
        ActionWord::Create => (false, true, false, true),
        ActionWord::Update => (false, true, true, true),
        ActionWord::Delete => (false, false, true, true),
        ActionWord::Call => (false, false, false, false),
    };
    let value = expect.values.iter().next().map(|(path, _)| &path.place);
    let changed = expect.changes.as_ref().map(|paths| &paths.place);
    let fields = expect.fields.as_ref().map(|paths| &paths.place);
    for (name, place, fits, needs_record) in [
        ("record", case.record.as_ref().map(|node| &node.place), records, false),
        ("change", case.change.as_ref().map(|node| &node.place), records, false),
        ("guarded", case.guarded.as_ref().map(|guarded| &guarded.place), touches, true),
        ("fields", fields, shows, false),
        ("shows", first(&expect.shows), shows, false),
        ("hides", first(&expect.hides), shows, false),
        ("masks", first(&expect.masks), shows, true),
        ("values", value, shows, true),
        ("changes", changed, changes, true),
        ("refused_for", first(&expect.refused_for), changes, true),
    ] {
        let Some(place) = place else { continue };
        let action = case.action.as_str();
        if !fits {
            found.error(place, format!("`{name}` says nothing about `{action}`"));
        } else if needs_record && case.record.is_none() {
            found.error(place, format!("`{name}` says nothing about `{action}` without a `record`"));
        }
    }
}

fn first(paths: &[Spanned<String>]) -> Option<&Place> {
    paths.first().map(|path| &path.place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{tree, yaml::FromYaml};

    const EXPECTATIONS: [(&str, &str); 7] = [
        ("fields", "[id]"),
        ("shows", "[id]"),
        ("hides", "[id]"),
        ("masks", "[id]"),
        ("values", "{ id: a }"),
        ("changes", "[id]"),
        ("refused_for", "[id]"),
    ];

    /// What is told of a test, each with its line and column.
    fn told(asked: &str, expect: &str) -> Vec<String> {
        let text = format!("name: x\nas: App/a\n{asked}\nexpect: {{ outcome: permitted{expect} }}\n");
        let node = tree::parse(&"tests/a.yaml".into(), &text).unwrap();
        let mut found = Diagnostics::default();
        let case = Case::read(&node, &mut found).unwrap();
        check(&case, &mut found);
        found.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_expectation_that_says_nothing_about_the_action_is_an_error() {
        let reading = ["fields", "shows", "hides"];
        let reading_a_record = ["fields", "shows", "hides", "masks", "values"];
        let changing = ["changes", "refused_for"];
        for (asked, speaking) in [
            ("action: read", &reading[..]),
            ("action: list", &reading),
            ("action: read\nrecord: { id: a }", &reading_a_record),
            ("action: list\nrecord: { id: a }", &reading_a_record),
            ("action: create", &[]),
            ("action: create\nrecord: { id: a }", &changing),
            ("action: update", &[]),
            ("action: update\nrecord: { id: a }\nchange: { a: b }", &changing),
            ("action: delete\nrecord: { id: a }", &[]),
            ("action: call\ncall: { system: a, method: GET, path: / }", &[]),
        ] {
            for (name, value) in EXPECTATIONS {
                let told = told(asked, &format!(", {name}: {value}"));
                assert_eq!(told.is_empty(), speaking.contains(&name), "{asked} {name}: {told:?}");
            }
        }
    }

    #[test]
    fn it_is_told_where_what_says_nothing_stands_and_about_what() {
        assert_eq!(
            told("action: create\nrecord: { id: a }", ", hides: [id]"),
            ["tests/a.yaml:5:39: error: `hides` says nothing about `create`"]
        );
        assert_eq!(
            told("action: update", ", changes: [id]"),
            ["tests/a.yaml:4:40: error: `changes` says nothing about `update` without a `record`"]
        );
    }

    #[test]
    fn what_is_asked_for_beside_what_it_does_not_bear_on_is_an_error() {
        let call = "action: call\ncall: { system: a, method: GET, path: / }\n";
        for (name, value) in [("record", "{ id: a }"), ("change", "{ id: a }"), ("guarded", "false")] {
            let told = told(&format!("{call}{name}: {value}"), "");
            let message = format!("`{name}` says nothing about `call`");
            assert!(told.len() == 1 && told[0].ends_with(&message), "{told:?}");
        }
        for (asked, count) in [
            ("action: read\nguarded: true", 1),
            ("action: create\nrecord: { id: a }\nguarded: false", 1),
            ("action: delete\nguarded: false", 1),
            ("action: delete\nrecord: { id: a }\nguarded: false", 0),
            ("action: update\nrecord: { id: a }\nchange: { a: b }\nguarded: false", 0),
        ] {
            assert_eq!(told(asked, "").len(), count, "{asked}");
        }
    }
}
