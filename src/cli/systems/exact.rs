//! JSON for eyes: every digit as it was written, which a tree of floats would not keep.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// LIMIT: how deep a document is shown; deeper parts stand in one line.
const DEPTH_MAX: usize = 64;

/// One level of a document.
enum Level<'a> {
    Group(Vec<(String, &'a RawValue)>),
    List(Vec<&'a RawValue>),
    /// A value, or a group or list with nothing in it.
    Value(&'a str),
}

/// Pairs in the order of the document.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(InOrder)
    }
}

fn level(raw: &RawValue, depth: usize) -> Level<'_> {
    let text = raw.get();
    let value = Level::Value(text);
    match text.as_bytes().first() {
        _ if depth > DEPTH_MAX => value,
        Some(b'{') => match serde_json::from_str(text) {
            Ok(Pairs(pairs)) if !pairs.is_empty() => Level::Group(pairs),
            _ => value,
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) if !items.is_empty() => Level::List(items),
            _ => value,
        },
        _ => value,
    }
}

/// A document in several lines; the text itself where it is no JSON.
pub(super) fn pretty(text: &str) -> String {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return text.to_owned() };
    let mut out = String::new();
    lines(raw, 0, &mut out);
    out
}

fn lines(raw: &RawValue, depth: usize, out: &mut String) {
    let inner = "  ".repeat(depth.saturating_add(1));
    let outer = "  ".repeat(depth);
    match level(raw, depth) {
        Level::Value(text) => out.push_str(text),
        Level::Group(pairs) => {
            let last = pairs.len().saturating_sub(1);
            out.push_str("{\n");
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                out.push_str(&format!("{inner}{}: ", serde_json::Value::from(key)));
                lines(value, depth.saturating_add(1), out);
                out.push_str(if index < last { ",\n" } else { "\n" });
            }
            out.push_str(&outer);
            out.push('}');
        }
        Level::List(items) => {
            let last = items.len().saturating_sub(1);
            out.push_str("[\n");
            for (index, value) in items.into_iter().enumerate() {
                out.push_str(&inner);
                lines(value, depth.saturating_add(1), out);
                out.push_str(if index < last { ",\n" } else { "\n" });
            }
            out.push_str(&outer);
            out.push(']');
        }
    }
}

/// Every value of a document with its path, as mappings write paths; none where it is no JSON.
pub(super) fn values(text: &str) -> Option<Vec<(String, String)>> {
    let raw = serde_json::from_str::<&RawValue>(text).ok()?;
    let mut out = Vec::new();
    collect(String::new(), raw, 0, &mut out);
    Some(out)
}

fn collect(at: String, raw: &RawValue, depth: usize, out: &mut Vec<(String, String)>) {
    match level(raw, depth) {
        Level::Value(text) => out.push((at, text.to_owned())),
        Level::Group(pairs) => {
            for (key, value) in pairs {
                let key = key.replace('.', "\\.");
                let at = if at.is_empty() { key } else { format!("{at}.{key}") };
                collect(at, value, depth.saturating_add(1), out);
            }
        }
        Level::List(items) => {
            for (index, value) in items.into_iter().enumerate() {
                collect(format!("{at}[{index}]"), value, depth.saturating_add(1), out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_and_the_order_of_a_document_are_kept() {
        let text = r#"{"b":29.949999999999999,"a":[1.10,{"x.y":"ł"}],"e":{},"n":null}"#;
        assert_eq!(
            pretty(text),
            "{\n  \"b\": 29.949999999999999,\n  \"a\": [\n    1.10,\n    {\n      \"x.y\": \"ł\"\n    }\n  ],\n  \"e\": {},\n  \"n\": null\n}"
        );
        let values = values(text).unwrap();
        let values: Vec<(&str, &str)> =
            values.iter().map(|(at, text)| (at.as_str(), text.as_str())).collect();
        assert_eq!(
            values,
            [
                ("b", "29.949999999999999"),
                ("a[0]", "1.10"),
                ("a[1].x\\.y", "\"ł\""),
                ("e", "{}"),
                ("n", "null")
            ]
        );
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is_and_what_is_too_deep_in_one_line() {
        assert_eq!((pretty("<a/>").as_str(), values("<a/>")), ("<a/>", None));
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(pretty(&deep).contains(&format!("{}1", "[".repeat(30))));
    }
}
