//! The tree of a request body, filled by paths and written as JSON. Only what is sent is ever in it.

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    path::Step,
    scan::{Raw, stop},
};

/// A native value on its way out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Out {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// The token of a number; checked by whoever made it.
    Number(CompactString),
    /// A string.
    Text(CompactString),
    /// Names in the order they were put.
    Object(Vec<(Arc<str>, Out)>),
    /// Elements.
    List(Vec<Out>),
}

impl Out {
    /// An object with nothing in it.
    pub(super) fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// Text.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(CompactString::from(text))
    }

    /// Whether nothing was put.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Object(pairs) => pairs.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// Puts a value at a path; parents are made.
    pub(super) fn put(&mut self, steps: &[Step], value: Self) {
        let Some((step, rest)) = steps.split_first() else {
            *self = value;
            return;
        };
        match step {
            Step::Key(key) => {
                if !matches!(self, Self::Object(_)) {
                    *self = Self::object();
                }
                let Self::Object(pairs) = self else { return };
                match pairs.iter_mut().find(|(name, _)| name == key) {
                    Some((_, child)) => child.put(rest, value),
                    None => {
                        let mut child = Self::Null;
                        child.put(rest, value);
                        pairs.push((key.clone(), child));
                    }
                }
            }
            Step::Index(index) => {
                if !matches!(self, Self::List(_)) {
                    *self = Self::List(Vec::new());
                }
                let Self::List(items) = self else { return };
                let index = usize::from(*index);
                if items.len() <= index {
                    items.resize(index + 1, Self::Null);
                }
                if let Some(child) = items.get_mut(index) {
                    child.put(rest, value);
                }
            }
            // Nothing is sent to where it is not kept; no line that begins at a root is written.
            Step::Up | Step::Answer | Step::Head | Step::Asked | Step::Received | Step::Over => {}
            Step::Find(key, is) => {
                if !matches!(self, Self::List(_)) {
                    *self = Self::List(Vec::new());
                }
                let Self::List(items) = self else { return };
                match items.iter_mut().find(|item| item.says(key, is)) {
                    Some(child) => child.put(rest, value),
                    None => {
                        let mut child = Self::Object(vec![(key.clone(), Self::tag(is))]);
                        child.put(rest, value);
                        items.push(child);
                    }
                }
            }
        }
    }

    /// What an element is found by, as it is written into a new one: `true` and `false` are JSON's.
    pub(super) fn tag(is: &str) -> Self {
        match is {
            "true" => Self::Boolean(true),
            "false" => Self::Boolean(false),
            text => Self::text(text),
        }
    }

    /// Whether a member of that name has that text.
    pub(super) fn says(&self, key: &Arc<str>, is: &str) -> bool {
        let Self::Object(pairs) = self else { return false };
        pairs.iter().any(|(name, value)| name == key && value.raw().text().is_some_and(|text| text == is))
    }

    /// The value at a path.
    pub(super) fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| match (node, step) {
            (Self::Object(pairs), Step::Key(key)) => {
                pairs.iter().find(|(name, _)| name == key).map(|(_, child)| child)
            }
            (Self::List(items), Step::Index(index)) => items.get(usize::from(*index)),
            (Self::List(items), Step::Find(key, is)) => items.iter().find(|item| item.says(key, is)),
            (
                Self::Null
                | Self::Boolean(_)
                | Self::Number(_)
                | Self::Text(_)
                | Self::Object(_)
                | Self::List(_),
                _,
            ) => None,
        })
    }

    /// Whether something was put at a path, under it, or above it; of elements that are found it is not told apart
    /// which one.
    pub(super) fn touches(&self, steps: &[Step]) -> bool {
        match (self, steps.split_first()) {
            (Self::Object(pairs), None) => !pairs.is_empty(),
            (Self::Object(pairs), Some((Step::Key(key), rest))) => {
                pairs.iter().any(|(name, child)| name == key && child.touches(rest))
            }
            _ => true,
        }
    }

    /// It as a scanner would find it.
    pub(super) fn raw(&self) -> Raw<'_> {
        match self {
            Self::Null => Raw::Null,
            Self::Boolean(value) => Raw::Boolean(*value),
            Self::Number(token) => Raw::Number(token),
            Self::Text(text) => Raw::Text(text),
            Self::Object(_) => Raw::Object,
            Self::List(_) => Raw::Array,
        }
    }

    /// Writes it as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Number(token) => out.extend_from_slice(token.as_bytes()),
            Self::Text(text) => quote(text, out),
            Self::Object(pairs) => {
                out.push(b'{');
                for (at, (name, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    quote(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// It as JSON bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out
    }
}

/// Writes a JSON string.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = stop(bytes, from);
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        let Some(byte) = bytes.get(at) else { break };
        let short = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => b'u',
            byte => *byte,
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(*byte)]);
        }
        from = at + 1;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::path::Path;
    use proptest::prelude::*;

    #[test]
    fn parents_are_made_on_the_way() {
        let mut body = Out::object();
        body.put(Path::parse("a.b[1].c").unwrap().steps(), Out::text("x"));
        body.put(Path::parse("a.d").unwrap().steps(), Out::Null);
        assert_eq!(String::from_utf8(body.to_bytes()).unwrap(), r#"{"a":{"b":[null,{"c":"x"}],"d":null}}"#);
        assert_eq!(body.at(Path::parse("a.b[1].c").unwrap().steps()), Some(&Out::text("x")));
        assert_eq!(body.at(Path::parse("a.b.c").unwrap().steps()), None);
    }

    #[test]
    fn an_element_that_is_not_found_is_made_with_what_it_says_of_itself() {
        let mut body = Out::object();
        for (path, value) in [("m[k=a].v", "1"), ("m[k=b].v", "2"), ("m[k=a].w", "3")] {
            body.put(Path::parse(path).unwrap().steps(), Out::text(value));
        }
        let text = String::from_utf8(body.to_bytes()).unwrap();
        assert_eq!(text, r#"{"m":[{"k":"a","v":"1","w":"3"},{"k":"b","v":"2"}]}"#);
        assert_eq!(body.at(Path::parse("m[k=b].v").unwrap().steps()), Some(&Out::text("2")));
    }

    proptest! {
        #[test]
        fn any_text_is_quoted_so_that_it_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            quote(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
