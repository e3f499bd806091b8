//! A system's words as they may stand in the log: in one line, short, and without what they quote.
//!
//! A system that refuses a value often repeats it. What was sent to it, addresses, and numbers as long as those of
//! persons, firms and accounts are taken out; what is left says what the system minds, and the request says of whom.

use serde_json::Value as Json;

use super::{errors::SystemFault, model::Mapping};

/// LIMIT: characters of a text.
const TEXT_CHARS_MAX: usize = 500;
/// LIMIT: values of a request that are looked for in it, and the shortest of them, in characters.
const VALUES_MAX: usize = 1000;
const VALUE_CHARS_MIN: usize = 3;
/// Digits that make a word somebody's number.
const DIGITS_MIN: usize = 6;
/// What stands for what is taken out.
const GONE: &str = "…";

impl Mapping {
    /// What a system says of a write that it refuses, without the values of the request that it quotes.
    pub fn unquoted(&self, fault: &SystemFault, sent: &[u8]) -> String {
        let mut values = Vec::new();
        match self.document(sent) {
            Ok(document) => collect(&document, &mut values),
            // Nobody knows what of it is a value.
            Err(_) if !sent.is_empty() => return GONE.to_owned(),
            Err(_) => {}
        }
        unquoted(&fault.text, values)
    }
}

/// Recursion is bounded by the depth of a body that was made here.
fn collect(document: &Json, out: &mut Vec<String>) {
    match document {
        Json::Object(members) => members.values().for_each(|value| collect(value, out)),
        Json::Array(values) => values.iter().for_each(|value| collect(value, out)),
        Json::String(text) => out.push(text.trim().to_lowercase()),
        Json::Number(number) => out.push(number.to_string()),
        Json::Null | Json::Bool(_) => {}
    }
}

fn unquoted(text: &str, mut values: Vec<String>) -> String {
    let blank = |char: char| if char.is_control() { ' ' } else { char };
    let mut text: String = text.chars().take(TEXT_CHARS_MAX).map(blank).collect();
    values.retain(|value| value.chars().count() >= VALUE_CHARS_MIN);
    // The longest first: one may hold another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.dedup();
    if values.len() > VALUES_MAX {
        return GONE.to_owned();
    }
    for value in values {
        text = without(&text, &value);
    }
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| if is_somebodys(word) { GONE } else { word }).collect::<Vec<_>>().join(" ")
}

/// A text without a value, whatever its case, where it stands as words of their own.
fn without(text: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let is_begun = before.is_none_or(|char: char| !char.is_alphanumeric());
        match is_begun.then(|| after(rest, value)).flatten() {
            Some(after) => {
                out.push_str(GONE);
                before = None;
                rest = after;
            }
            None => {
                out.push(first);
                before = Some(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// What follows a value in small letters at the beginning of a text, where it ends there.
fn after<'t>(text: &'t str, value: &str) -> Option<&'t str> {
    let mut left = value.chars();
    let mut rest = text;
    while !left.as_str().is_empty() {
        let first = rest.chars().next()?;
        for small in first.to_lowercase() {
            if left.next() != Some(small) {
                return None;
            }
        }
        rest = rest.get(first.len_utf8()..)?;
    }
    rest.chars().next().is_none_or(|char| !char.is_alphanumeric()).then_some(rest)
}

/// Whether a word is an address, or holds a number that may be somebody's.
fn is_somebodys(word: &str) -> bool {
    word.contains('@') || word.chars().filter(char::is_ascii_digit).count() >= DIGITS_MIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str, values: &[&str]) -> String {
        unquoted(text, values.iter().map(|value| value.trim().to_lowercase()).collect())
    }

    #[test]
    fn what_was_sent_is_not_repeated_and_what_the_system_minds_is() {
        let text = "status 409; Contact 'Jan Łoś' <jan@x.pl> exists; property firstname of JAN is bad";
        let told = said(text, &["jan", "Jan Łoś", "x"]);
        assert_eq!(told, "status 409; Contact '…' … exists; property firstname of … is bad");
        // A name within a word is none.
        assert_eq!(said("janitor and jan", &["Jan"]), "janitor and …");
        assert_eq!(
            said("number 48 600 700 or 4860070012, code 12345", &[]),
            "number 48 600 700 or … code 12345"
        );
        assert_eq!(said("a\nb\u{1b}[31mc\td", &[]), "a b [31mc d");
        assert!(said(&"ą".repeat(5000), &[]).chars().count() <= TEXT_CHARS_MAX);
        assert_eq!(unquoted("said", (0..2000).map(|n| format!("value {n}")).collect()), GONE);
    }

    proptest! {
        /// However a value stands in a text as words of their own, it does not come out.
        #[test]
        fn no_value_of_the_request_stands_in_the_log(before in "\\PC{0,20}", value in "[a-zA-ZąŁż][a-zA-ZąŁż \\-]{1,10}[a-zA-ZąŁż]", after in "\\PC{0,20}") {
            let told = said(&format!("{before} '{value}' {after}"), &[&value]);
            let quoted = format!("'{value}'");
            prop_assert!(!told.contains(&quoted), "{told}");
        }
    }
}
