//! Small reading and writing of JSON for signing in: a text at a path of an answer, a field put into a body whose
//! other bytes stay as they are.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// Longest path.
const STEPS_MAX: usize = 16;

/// A path such as `result[0].id`; a backslash takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Steps(Box<[Step]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Steps {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const BAD: &str = "expected a path as in `result[0].token`";
        let mut steps = Vec::new();
        let mut key = String::new();
        // Whether a key is due: at the start and behind a point.
        let mut due = true;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '.' => {
                    Self::end(&mut steps, &mut key, due)?;
                    due = true;
                }
                '[' => {
                    if !(due && key.is_empty()) {
                        Self::end(&mut steps, &mut key, due)?;
                    }
                    due = false;
                    let digits: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    steps.push(Step::Index(digits.parse().map_err(|_| BAD)?));
                }
                '\\' => key.push(chars.next().ok_or(BAD)?),
                _ if !due => return Err(BAD),
                c => key.push(c),
            }
        }
        Self::end(&mut steps, &mut key, due)?;
        if steps.is_empty() || steps.len() > STEPS_MAX {
            return Err(BAD);
        }
        Ok(Self(steps.into()))
    }

    fn end(steps: &mut Vec<Step>, key: &mut String, due: bool) -> Result<(), &'static str> {
        if due && key.is_empty() {
            return Err("expected a path as in `result[0].token`: a step is empty");
        }
        if due {
            steps.push(Step::Key(std::mem::take(key).into()));
        }
        Ok(())
    }

    /// Whether it goes by keys alone.
    pub(super) fn is_of_keys(&self) -> bool {
        self.0.iter().all(|step| matches!(step, Step::Key(_)))
    }

    /// The text, whole number or boolean that stands there.
    pub(super) fn text(&self, document: &Value) -> Option<String> {
        let at = self.0.iter().try_fold(document, |at, step| match step {
            Step::Key(key) => at.get(&**key),
            Step::Index(index) => at.get(*index),
        })?;
        match at {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The document with one more field there; `literal` is JSON. An empty one becomes an object.
    pub(super) fn insert(&self, document: &str, literal: &str) -> Result<String, &'static str> {
        let document = if document.trim().is_empty() { "{}" } else { document };
        Self::inserted(&self.0, document, literal)
    }

    /// As deep as the path has steps.
    fn inserted(steps: &[Step], document: &str, literal: &str) -> Result<String, &'static str> {
        const BAD: &str = "its body is no JSON object that the sign-in's field could be put into";
        let Some((Step::Key(key), rest)) = steps.split_first() else { return Err(BAD) };
        let pairs: Pairs<'_> = serde_json::from_str(document).map_err(|_| BAD)?;
        let inner = match (pairs.0.iter().find(|(name, _)| *name == **key), rest.is_empty()) {
            (Some(_), true) => return Err("its body holds the field by which the gate signs in"),
            (Some((_, inner)), false) => Self::inserted(rest, inner.get(), literal)?,
            (None, true) => literal.to_owned(),
            (None, false) => Self::inserted(rest, "{}", literal)?,
        };
        let mut text = String::with_capacity(document.len() + inner.len() + key.len() + 8);
        text.push('{');
        let own = std::iter::once((&**key, inner.as_str()));
        let others =
            pairs.0.iter().filter(|(name, _)| *name != **key).map(|(name, raw)| (&**name, raw.get()));
        for (number, (name, value)) in own.chain(others).enumerate() {
            if number > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        Ok(text)
    }
}

/// A text as a JSON literal.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// The fields of an object, in their order, each as it was written.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Read).map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn steps(text: &str) -> Steps {
        Steps::parse(text).unwrap()
    }

    #[test]
    fn a_path_leads_to_a_text_or_to_nothing() {
        let document =
            json!({ "result": [1, "t"], "a.b": { "c": true }, "f": 1.5, "n": null, "o": {}, "": 1 });
        for (path, text) in [
            ("result[0]", Some("1")),
            ("result[1]", Some("t")),
            ("result[2]", None),
            ("a\\.b.c", Some("true")),
            ("f", None),
            ("n", None),
            ("o", None),
            ("result", None),
            ("[0]", None),
        ] {
            assert_eq!(steps(path).text(&document).as_deref(), text, "{path}");
        }
        assert_eq!(steps("[1][0]").text(&json!([0, ["x"]])).as_deref(), Some("x"));
        for bad in ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[0]b", "a\\", &"a.".repeat(20)] {
            assert!(Steps::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_field_is_put_in_and_the_rest_stays_as_it_was_written() {
        for (path, body, told) in [
            ("token", r#"{"a": 1.10 ,"b":[1e2]}"#, Ok(r#"{"token":"s","a":1.10,"b":[1e2]}"#)),
            ("token", "", Ok(r#"{"token":"s"}"#)),
            ("auth.key", r#"{"auth":{"id":1},"x":2}"#, Ok(r#"{"auth":{"key":"s","id":1},"x":2}"#)),
            ("auth.key", "{}", Ok(r#"{"auth":{"key":"s"}}"#)),
            ("token", r#"{"tok\u0065n":"caller's"}"#, Err("its body holds")),
            ("auth.key", r#"{"auth":"x"}"#, Err("its body is no JSON object")),
            ("token", "[1]", Err("its body is no JSON object")),
            ("token", "{\"a\":1", Err("its body is no JSON object")),
        ] {
            match (steps(path).insert(body, "\"s\""), told) {
                (Ok(made), Ok(told)) => assert_eq!(made, told),
                (Err(why), Err(told)) => assert!(why.starts_with(told), "{why}"),
                (made, told) => panic!("{body}: {made:?}, {told:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_literal(secret: String, key in "[a-z\"\\\\{}]{1,8}", other: String) {
            let body = json!({ "other": other, "n": 1 }).to_string();
            let path: String = key.chars().flat_map(|c| ['\\', c]).collect();
            prop_assume!(key != "other" && key != "n");
            let made = steps(&path).insert(&body, &quoted(&secret)).unwrap();
            let read: Value = serde_json::from_str(&made).unwrap();
            prop_assert_eq!(read, json!({ key: secret, "other": other, "n": 1 }));
        }
    }
}
