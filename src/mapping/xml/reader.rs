//! One pass over XML bytes: strict, bounded, without recursion and without a tree.
//!
//! Refused: document types, entities of a document's own, encodings other than UTF-8, tags that do not match,
//! attributes that stand twice, prefixes nobody declared, anything behind the root. Comments and instructions
//! are skipped. Memory is the open elements', the attributes' of one tag and the namespaces' in scope, each bounded.

use std::borrow::Cow;

use super::{
    BadXml, NIL_NAMESPACE, Names, XML_NAMESPACE,
    chars::{NAME_BYTES_MAX, Place, is_blank, is_name, is_space, parts, qualified, reference, unheld},
};
use crate::mapping::scan::Raw;

/// Deepest nesting.
pub(super) const DEPTH_MAX: usize = 64;
/// Most elements of a document.
pub(super) const ELEMENTS_MAX: u32 = 1_000_000;
/// Most attributes of one element.
pub(super) const ATTRIBUTES_MAX: usize = 64;
/// Most namespace declarations in scope.
pub(super) const BINDINGS_MAX: usize = 64;
/// Longest text in one piece, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest attribute, in bytes.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An element begins: [`Reader::name`] and [`Reader::attributes`] are its own until the next event.
    Start,
    /// The open element ends.
    End,
    /// The document ends.
    Over,
}

/// A place in a document.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a, 'n> {
    names: &'n Names,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open<'a>>,
    bindings: Vec<Binding<'a>>,
    attributes: Vec<Attribute<'a>>,
    elements: u32,
    /// Whether the tag that was read closes itself.
    closes: bool,
    /// Whether the root was seen.
    rooted: bool,
    /// Whether text since the last tag has references, sections, comments or line ends to be read.
    marked: bool,
    /// Where the text before the last closing tag ends.
    ends: usize,
    /// Where the last tag that opened an element begins.
    begins: usize,
}

#[derive(Clone, Debug)]
struct Open<'a> {
    name: &'a str,
    /// How many bindings there were outside of it.
    outer: usize,
}

#[derive(Clone, Debug)]
struct Binding<'a> {
    prefix: &'a str,
    namespace: Cow<'a, str>,
}

/// An attribute that is no namespace declaration.
#[derive(Clone, Copy, Debug)]
struct Attribute<'a> {
    name: &'a str,
    prefix: &'a str,
    local: &'a str,
    value: Raw<'a>,
}

impl<'a, 'n> Reader<'a, 'n> {
    /// The start of a document, behind its declaration.
    pub(super) fn new(bytes: &'a [u8], names: &'n Names) -> Result<Self, BadXml> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadXml::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let bytes = text.as_bytes();
        if let Some(at) = unheld(text) {
            return Err(BadXml::Syntax(at));
        }
        let mut reader = Self {
            names,
            text,
            bytes,
            at: 0,
            open: Vec::with_capacity(8),
            bindings: Vec::new(),
            attributes: Vec::new(),
            elements: 0,
            closes: false,
            rooted: false,
            marked: false,
            ends: 0,
            begins: 0,
        };
        reader.declaration()?;
        Ok(reader)
    }

    /// The next tag; text before it is stepped over.
    pub(super) fn next(&mut self) -> Result<Event, BadXml> {
        if std::mem::take(&mut self.closes) {
            self.ends = self.at;
            self.leave();
            return Ok(Event::End);
        }
        let from = self.at;
        loop {
            if !self.words()? {
                return Err(self.bad());
            }
            match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (None, _) if self.open.is_empty() && self.rooted => return Ok(Event::Over),
                (None, _) => return Err(self.bad()),
                (_, Some(b'/')) => {
                    self.fits(from, TEXT_BYTES_MAX)?;
                    return self.end();
                }
                (_, Some(b'!')) => self.declared()?,
                (_, Some(b'?')) => self.instruction()?,
                (_, _) => {
                    self.fits(from, TEXT_BYTES_MAX)?;
                    return self.start();
                }
            }
        }
    }

    /// Steps behind the end of the element that was opened last.
    pub(super) fn skip(&mut self) -> Result<(), BadXml> {
        let outside = self.open.len().saturating_sub(1);
        while self.open.len() > outside {
            self.next()?;
        }
        Ok(())
    }

    /// Where the content of the element just begun begins.
    pub(super) fn here(&self) -> usize {
        self.at
    }

    /// Where the tag began that was read last, if it ended an element.
    pub(super) fn ends(&self) -> usize {
        self.ends
    }

    /// What stood in an element without elements, between its start and the tag that ended it.
    pub(super) fn content(&self, from: usize) -> Raw<'a> {
        let text = self.text.get(from..self.ends).unwrap_or_default();
        if self.marked { Raw::Marked(text, Place::Content) } else { Raw::Text(text) }
    }

    /// Whether what stood in an element without elements is nothing but white space.
    pub(super) fn is_blank(&self, from: usize) -> bool {
        !self.marked && is_blank(self.text.get(from..self.ends).unwrap_or_default())
    }

    /// The begun element as paths name it; `None` when no path can.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        let name = self.open.last()?.name;
        let (prefix, local) = parts(name);
        let prefix = prefix.unwrap_or("");
        self.names.element(name, local, self.namespace(prefix).ok()?)
    }

    /// Whether the begun element has this local name in this namespace.
    pub(super) fn is(&self, local: &str, namespace: &str) -> bool {
        let Some(name) = self.open.last().map(|open| open.name) else { return false };
        let (prefix, own) = name.split_once(':').unwrap_or(("", name));
        own == local && self.namespace(prefix).is_ok_and(|known| known == namespace)
    }

    /// The begun element as it is spelt.
    pub(super) fn spelt(&self) -> &'a str {
        self.open.last().map_or("", |open| open.name)
    }

    /// The begun element's attributes as paths name them, without the `@`.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> {
        self.attributes.iter().filter_map(|attribute| {
            let Attribute { name, prefix, local, value } = *attribute;
            if prefix.is_empty() {
                return Some((Cow::Borrowed(local), value));
            }
            Some((self.names.attribute(name, local, self.namespace(prefix).ok()?)?, value))
        })
    }

    /// The same as they are spelt, each as paths name it, where one can, and whether it says that the element is null.
    pub(super) fn spelt_attributes(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>, bool)> {
        self.attributes.iter().map(|attribute| {
            let Attribute { name, prefix, local, .. } = *attribute;
            if prefix.is_empty() {
                return (name, Some(Cow::Borrowed(local)), false);
            }
            let namespace = self.namespace(prefix).unwrap_or_default();
            let known = self.names.attribute(name, local, namespace);
            (name, known, local == "nil" && namespace == NIL_NAMESPACE)
        })
    }

    /// The tag that began the element, as it is spelt.
    pub(super) fn tag(&self) -> &'a str {
        self.text.get(self.begins..self.at).unwrap_or_default()
    }

    /// What stands between a place and the tag that was read last, as it is spelt.
    pub(super) fn words_since(&self, from: usize) -> &'a str {
        self.text.get(from..self.begins.max(self.ends)).unwrap_or_default()
    }

    /// Whether the begun element has attributes.
    pub(super) fn is_bare(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Whether the begun element says that it is null (XML Schema part 1, §2.6.2); steps over the word.
    pub(super) fn take_nil(&mut self) -> bool {
        let is_nil = |attribute: &Attribute<'_>| {
            attribute.local == "nil"
                && !attribute.prefix.is_empty()
                && self.namespace(attribute.prefix) == Ok(NIL_NAMESPACE)
        };
        let Some(at) = self.attributes.iter().position(is_nil) else { return false };
        let says = self.attributes.remove(at).value;
        matches!(says, Raw::Text("true" | "1"))
    }

    /// The mistake here.
    pub(super) fn bad(&self) -> BadXml {
        BadXml::Syntax(self.at)
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.pop() {
            self.bindings.truncate(open.outer);
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fits(&self, from: usize, most: usize) -> Result<(), BadXml> {
        if self.at - from > most { Err(BadXml::TooMuch("text")) } else { Ok(()) }
    }

    /// Steps to the next `<` or the end, over text that may stand there; whether it may.
    fn words(&mut self) -> Result<bool, BadXml> {
        let from = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'<' => break,
                b'&' => self.at += self.reference()?,
                b']' if self.rest().starts_with("]]>") => return Ok(false),
                b'\r' => {
                    self.marked = true;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        // Outside of the root only white space stands.
        let between = self.text.get(from..self.at).unwrap_or_default();
        Ok(!self.open.is_empty() || is_blank(between))
    }

    fn reference(&mut self) -> Result<usize, BadXml> {
        self.marked = true;
        reference(self.rest()).map(|(_, length)| length).ok_or(BadXml::Entity(self.at))
    }

    /// `<!`: a comment or a CDATA section; never a document type.
    fn declared(&mut self) -> Result<(), BadXml> {
        let rest = self.rest();
        let bad = self.bad();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("--").ok_or(bad)?;
            if !comment.get(end..).is_some_and(|end| end.starts_with("-->")) {
                return Err(bad);
            }
            self.at += "<!--".len() + end + "-->".len();
        } else if let (Some(section), false) = (rest.strip_prefix("<![CDATA["), self.open.is_empty()) {
            let end = memchr::memmem::find(section.as_bytes(), b"]]>").ok_or(bad)?;
            self.at += "<![CDATA[".len() + end + "]]>".len();
        } else if rest.starts_with("<!DOCTYPE") {
            return Err(BadXml::Doctype);
        } else {
            return Err(bad);
        }
        self.marked = true;
        Ok(())
    }

    fn instruction(&mut self) -> Result<(), BadXml> {
        let (word, length) = self.question()?;
        let target = word.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        if !is_name(target) || target.eq_ignore_ascii_case("xml") {
            return Err(self.bad());
        }
        self.at += length;
        self.marked = true;
        Ok(())
    }

    /// What stands between `<?` and `?>`, and how long all of it is.
    fn question(&self) -> Result<(&'a str, usize), BadXml> {
        let inside = self.rest().strip_prefix("<?").ok_or(self.bad())?;
        let end = memchr::memmem::find(inside.as_bytes(), b"?>").ok_or(self.bad())?;
        Ok((inside.get(..end).ok_or(self.bad())?, end + 4))
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, which may be left out.
    fn declaration(&mut self) -> Result<(), BadXml> {
        let begins = self.rest().strip_prefix("<?xml").and_then(|rest| rest.bytes().next());
        if !begins.is_some_and(is_space) {
            return Ok(());
        }
        let (inside, length) = self.question()?;
        let behind = self.at + length;
        let end = behind - "?>".len();
        self.at += "<?xml".len();
        let mut due = ["version", "encoding", "standalone"].iter();
        let mut versioned = false;
        while !is_blank(inside.get(self.at - 2..).unwrap_or_default()) {
            if !self.space() {
                return Err(self.bad());
            }
            let (name, value) = self.attribute(end)?;
            let is_due = due.any(|word| *word == name);
            match (name, value) {
                ("version", Raw::Text("1.0")) if is_due => versioned = true,
                ("encoding", Raw::Text(word)) if is_due && word.eq_ignore_ascii_case("utf-8") => {}
                ("encoding", _) if is_due => return Err(BadXml::Encoding),
                ("standalone", Raw::Text("yes" | "no")) if is_due => {}
                _ => return Err(self.bad()),
            }
        }
        if !versioned {
            return Err(self.bad());
        }
        self.at = behind;
        Ok(())
    }

    fn end(&mut self) -> Result<Event, BadXml> {
        let bad = self.bad();
        let open = self.open.last().ok_or(bad)?;
        let behind = self.at + 2 + open.name.len();
        if self.text.get(self.at + 2..behind) != Some(open.name) {
            return Err(bad);
        }
        self.ends = self.at;
        self.at = behind;
        self.space();
        self.expect(b'>')?;
        self.leave();
        Ok(Event::End)
    }

    fn start(&mut self) -> Result<Event, BadXml> {
        if self.rooted && self.open.is_empty() {
            return Err(self.bad());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(BadXml::Depth);
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(BadXml::TooMuch("elements"));
        }
        self.rooted = true;
        self.marked = false;
        self.begins = self.at;
        self.at += 1;
        let name = self.word()?;
        let (prefix, _) = qualified(name).ok_or(self.bad())?;
        self.open.push(Open { name, outer: self.bindings.len() });
        self.attributes.clear();
        loop {
            let spaced = self.space();
            match self.bytes.get(self.at) {
                Some(b'>') => {
                    self.at += 1;
                    break;
                }
                Some(b'/') => {
                    self.at += 1;
                    self.expect(b'>')?;
                    self.closes = true;
                    break;
                }
                Some(_) if spaced => self.take()?,
                Some(_) | None => return Err(self.bad()),
            }
        }
        self.namespace(prefix)?;
        self.once()?;
        Ok(Event::Start)
    }

    /// Takes one attribute: a declaration of a namespace, or one that paths can name.
    fn take(&mut self) -> Result<(), BadXml> {
        let (name, value) = self.attribute(self.bytes.len())?;
        let (prefix, local) = qualified(name).ok_or(self.bad())?;
        if self.attributes.len() + self.bindings.len() >= ATTRIBUTES_MAX + BINDINGS_MAX {
            return Err(BadXml::TooMuch("attributes"));
        }
        match (prefix, local) {
            ("", "xmlns") => self.bind("", value),
            ("xmlns", prefix) => self.bind(prefix, value),
            (prefix, local) if self.attributes.len() < ATTRIBUTES_MAX => {
                self.attributes.push(Attribute { name, prefix, local, value });
                Ok(())
            }
            _ => Err(BadXml::TooMuch("attributes")),
        }
    }

    fn bind(&mut self, prefix: &'a str, value: Raw<'a>) -> Result<(), BadXml> {
        let outer = self.open.last().map_or(0, |open| open.outer);
        let again = self.bindings.iter().skip(outer).any(|binding| binding.prefix == prefix);
        let namespace = value.text().ok_or(self.bad())?;
        let reserved = matches!(prefix, "xml" | "xmlns") || namespace == XML_NAMESPACE;
        let undone = namespace.is_empty() && !prefix.is_empty();
        if again || reserved || undone {
            return Err(self.bad());
        }
        if self.bindings.len() >= BINDINGS_MAX {
            return Err(BadXml::TooMuch("namespaces"));
        }
        self.bindings.push(Binding { prefix, namespace });
        Ok(())
    }

    /// No attribute stands twice, however it is spelt. The bound on attributes bounds this.
    fn once(&self) -> Result<(), BadXml> {
        for (at, one) in self.attributes.iter().enumerate() {
            if !one.prefix.is_empty() {
                self.namespace(one.prefix)?;
            }
            let same = |other: &Attribute<'_>| {
                let bound = || {
                    let prefixed = !one.prefix.is_empty() && !other.prefix.is_empty();
                    prefixed && self.namespace(one.prefix) == self.namespace(other.prefix)
                };
                one.local == other.local && (one.prefix == other.prefix || bound())
            };
            if self.attributes.iter().take(at).any(same) {
                return Err(BadXml::Twice(self.at));
            }
        }
        Ok(())
    }

    /// What a prefix stands for here; the empty one for the default namespace, or none.
    fn namespace(&self, prefix: &str) -> Result<&str, BadXml> {
        let bound = self.bindings.iter().rev().find(|binding| binding.prefix == prefix);
        match (bound, prefix) {
            (Some(binding), _) => Ok(&binding.namespace),
            (None, "") => Ok(""),
            (None, "xml") => Ok(XML_NAMESPACE),
            (None, _) => Err(BadXml::Prefix(self.at)),
        }
    }

    /// ` name = "value"`, before some place.
    fn attribute(&mut self, before: usize) -> Result<(&'a str, Raw<'a>), BadXml> {
        self.space();
        let name = self.word()?;
        self.space();
        self.expect(b'=')?;
        self.space();
        let quote = *self.bytes.get(self.at).filter(|byte| matches!(byte, b'"' | b'\'')).ok_or(self.bad())?;
        self.at += 1;
        let from = self.at;
        let mut marked = false;
        loop {
            match self.bytes.get(self.at) {
                Some(byte) if *byte == quote => break,
                Some(b'&') => {
                    marked = true;
                    self.at += reference(self.rest()).ok_or(BadXml::Entity(self.at))?.1;
                }
                Some(b'\t' | b'\n' | b'\r') => {
                    marked = true;
                    self.at += 1;
                }
                Some(b'<') | None => return Err(self.bad()),
                Some(_) => self.at += 1,
            }
        }
        self.fits(from, VALUE_BYTES_MAX)?;
        let value = self.text.get(from..self.at).ok_or(self.bad())?;
        self.at += 1;
        if self.at > before {
            return Err(self.bad());
        }
        Ok((name, if marked { Raw::Marked(value, Place::Attribute) } else { Raw::Text(value) }))
    }

    /// Bytes that may be a name, up to one that ends it.
    fn word(&mut self) -> Result<&'a str, BadXml> {
        let from = self.at;
        let ends =
            |byte: &u8| is_space(*byte) || matches!(byte, b'>' | b'/' | b'=' | b'<' | b'"' | b'\'' | b'&');
        let rest = self.bytes.get(from..).unwrap_or_default();
        let window = rest.get(..rest.len().min(NAME_BYTES_MAX + 1)).unwrap_or_default();
        let too_long = if window.len() > NAME_BYTES_MAX { BadXml::TooMuch("name") } else { self.bad() };
        let length = window.iter().position(ends).ok_or(too_long)?;
        self.at += length;
        self.text.get(from..self.at).filter(|word| !word.is_empty()).ok_or(self.bad())
    }

    /// Steps over white space; whether there was any.
    fn space(&mut self) -> bool {
        let from = self.at;
        while self.bytes.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > from
    }

    fn expect(&mut self, byte: u8) -> Result<(), BadXml> {
        if self.bytes.get(self.at) != Some(&byte) {
            return Err(self.bad());
        }
        self.at += 1;
        Ok(())
    }
}
