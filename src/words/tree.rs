//! A YAML file as a spanned tree in which every scalar keeps its text as written.
//!
//! Promises: keys are unique, depth and size are bounded, and there are no anchors, aliases, tags or merge
//! keys (they let a small file stand for a large one, and one line change meaning far away). Scalars are not
//! interpreted: `NO`, `01` and `1e2` stay what was typed; whoever reads a scalar decides its type.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Diagnostic, Diagnostics, Place};

/// Deepest nesting of a file.
pub const DEPTH_MAX: usize = 64;
/// Largest file in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One node of a file and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text as typed; plain `~`, `null` and nothing are [`Value::Null`].
    Scalar(Scalar),
    /// No value.
    Null,
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in file order, keys unique.
    Map(Vec<(Key, Node)>),
}

/// A scalar: its text and whether it was quoted (a quoted `"true"` is text, a plain one may be a boolean).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Whether it stood in quotes or a block.
    pub quoted: bool,
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The pairs of a map.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.value {
            Value::Map(pairs) => Some(pairs),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Null | Value::Scalar(_) | Value::Map(_) => None,
        }
    }

    /// The value under `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// What it is, in words for a message.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) => "a scalar",
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads one file. An empty file is an empty map.
///
/// # Errors
/// Bad YAML, a second document, an anchor, alias, tag or repeated key, or a bound passed.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Node, Diagnostics> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Diagnostic::error(
            &Place::file(file.clone()),
            format!("the file is larger than {FILE_BYTES_MAX} bytes"),
        )
        .into());
    }
    let mut reader = Reader {
        file,
        text,
        offsets: char_offsets(text),
        events: Parser::new_from_str(text),
        found: Diagnostics::default(),
    };
    let root = reader.document().map_err(Diagnostics::from)?;
    if reader.found.0.is_empty() { Ok(root) } else { Err(reader.found) }
}

/// Byte offset of each character, when they differ from character offsets.
fn char_offsets(text: &str) -> Option<Vec<u32>> {
    if text.is_ascii() {
        return None;
    }
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(text.char_indices().map(|(at, _)| narrow(at)).chain([narrow(text.len())]).collect())
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    offsets: Option<Vec<u32>>,
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    found: Diagnostics,
}

type Read<T> = Result<T, Diagnostic>;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                event => {
                    if root.is_some() {
                        return Err(Diagnostic::error(
                            &self.place(span),
                            "a file holds one document; this starts a second",
                        ));
                    }
                    root = Some(self.node(event, span, 0)?);
                }
            }
        }
        Ok(root
            .filter(|node| !matches!(node.value, Value::Null))
            .unwrap_or_else(|| Node { value: Value::Map(Vec::new()), place: Place::file(self.file.clone()) }))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        let place = self.place(span);
        if depth > DEPTH_MAX {
            return Err(Diagnostic::error(&place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_marks(&place, anchor, tag.is_some());
                let quoted = !matches!(style, ScalarStyle::Plain);
                let value = if !quoted && matches!(&*text, "" | "~" | "null") {
                    Value::Null
                } else {
                    Value::Scalar(Scalar { text: text.into_owned(), quoted })
                };
                Ok(Node { value, place })
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_marks(&place, anchor, tag.is_some());
                self.list(place, depth)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_marks(&place, anchor, tag.is_some());
                self.map(place, depth)
            }
            Event::Alias(_) => Err(Diagnostic::error(&place, "aliases are not allowed; write the value out")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(Diagnostic::error(&place, "the file ends in the middle of a value")),
        }
    }

    fn list(&mut self, mut place: Place, depth: usize) -> Read<Node> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                place.end = self.place(span).end.max(place.end);
                return Ok(Node { value: Value::List(items), place });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, place: Place, depth: usize) -> Read<Node> {
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Node { value: Value::Map(pairs), place });
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let text = match key.value {
                Value::Scalar(scalar) => scalar.text,
                Value::Null => String::new(),
                Value::List(_) | Value::Map(_) => {
                    self.found.push(
                        Diagnostic::error(&key.place, "a key must be text")
                            .help("a path with `[` or `{` inside `{…}` must be quoted"),
                    );
                    continue;
                }
            };
            if text == "<<" {
                self.found.error(&key.place, "merge keys are not allowed; write the pairs out");
            } else if !seen.insert(text.clone()) {
                self.found.error(&key.place, format!("key `{text}` stands here a second time"));
            } else {
                pairs.push((Key { text, place: key.place }, value));
            }
        }
    }

    fn refuse_marks(&mut self, place: &Place, anchor: usize, tag: bool) {
        if anchor > 0 {
            self.found.error(place, "anchors are not allowed; write the value out");
        }
        if tag {
            self.found.error(place, "tags are not allowed; a value's type follows from its key");
        }
    }

    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.bad_yaml(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn bad_yaml(&self, error: &ScanError) -> Diagnostic {
        let at = *error.marker();
        Diagnostic::error(&self.place(Span::new(at, at)), format!("not valid YAML: {}", error.info()))
            .help("a text with `[`, `{`, `: ` or ` #` in it must be quoted")
    }

    fn place(&self, span: Span) -> Place {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let byte = |index: usize| match &self.offsets {
            None => narrow(index.min(self.text.len())),
            Some(offsets) => offsets.get(index).or(offsets.last()).copied().unwrap_or(0),
        };
        Place {
            file: self.file.clone(),
            line: narrow(span.start.line()).max(1),
            column: narrow(span.start.col()).saturating_add(1),
            start: byte(span.start.index()),
            end: byte(span.end.index()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(&"a.yaml".into(), text).map_err(|found| found.to_string())
    }

    #[test]
    fn scalars_keep_their_text_as_written() {
        let node = read("{a: NO, b: 01, c: 1e2, d: \"null\", e: }").unwrap();
        let texts: Vec<_> = node.as_map().unwrap().iter().map(|(_, n)| n.as_text()).collect();
        assert_eq!(texts, [Some("NO"), Some("01"), Some("1e2"), Some("null"), None]);
    }

    #[test]
    fn places_count_lines_columns_and_bytes_also_after_wide_characters() {
        let text = "a: żółw\nbb: {c: x}\n";
        let node = read(text).unwrap();
        let x = node.get("bb").unwrap().get("c").unwrap();
        assert_eq!((x.place.line, x.place.column), (2, 9));
        assert_eq!(text.get(x.place.start as usize..x.place.end as usize), Some("x"));
    }

    #[test]
    fn repeated_keys_anchors_aliases_tags_and_merges_are_refused() {
        for (text, word) in [
            ("a: 1\na: 2", "second time"),
            ("a: &x 1", "anchors"),
            ("a: &x 1\nb: *x", "aliases"),
            ("a: !!str 1", "tags"),
            ("<<: {a: 1}", "merge"),
            ("a: 1\n---\nb: 2", "one document"),
            ("a: [1", "not valid YAML"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(word), "{text:?} → {told}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(10_000);
        assert!(read(&deep).is_err());
    }
}
