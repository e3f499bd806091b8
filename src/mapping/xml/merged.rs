//! A stored record in XML that is sent back whole, with the changed lines put over it.
//!
//! What no changed line writes stays as it was spelt: attributes, sections, comments, the order of elements, prefixes and
//! the namespaces that they stand for. Of what stands around the record its elements stay, and what they declare.

use std::borrow::Cow;

use super::{
    BadXml, NIL_NAMESPACE, Names,
    chars::{Place, decode, escape},
    reader::{Event, Reader},
    write::{Order, text_of},
};
use crate::mapping::{
    merge::{Clash, Merge, Put, VALUES_MAX, Way, only},
    model::Mapping,
    out::Out,
    path::Step,
};

/// An element of a record.
#[derive(Clone, Debug)]
struct Element<'a> {
    /// As it is spelt.
    name: Cow<'a, str>,
    /// As paths name it; none where no path can.
    known: Option<Box<str>>,
    attributes: Vec<Attribute<'a>>,
    inside: Vec<Inside<'a>>,
}

/// An attribute, or what declares a namespace.
#[derive(Clone, Debug)]
struct Attribute<'a> {
    name: Cow<'a, str>,
    known: Option<Box<str>>,
    /// Whether it says that its element is null.
    nil: bool,
    /// As it is spelt, without its quotes.
    value: Cow<'a, str>,
    quote: char,
}

/// What stands in an element.
#[derive(Clone, Debug)]
enum Inside<'a> {
    /// Text with its marks, as it is spelt.
    Words(Cow<'a, str>),
    /// Another element.
    Element(Element<'a>),
}

impl Mapping {
    /// The document that sends a stored record back with the changes put over it.
    pub(in crate::mapping) fn merged_xml(
        &self,
        names: &Names,
        merge: &Merge,
        stored: &[u8],
        puts: &[Put],
    ) -> Result<Vec<u8>, String> {
        let none = || "the answer holds no record where one is due".to_owned();
        let place = self.xml.as_ref().ok_or_else(none)?;
        let (around, record) = found(names, place.wrap.steps(), stored).map_err(|why| why.to_string())?;
        let mut record = record.ok_or_else(none)?;
        let order = place.wrap.steps().iter().try_fold(&place.order, |order, step| match step {
            Step::Key(name) => order.below(name),
            _ => None,
        });
        for (path, value) in puts {
            record.put(path.steps(), value, (names, order)).map_err(|why| why.to_string())?;
        }
        merge.drop.iter().for_each(|dropped| record.leave_out(&dropped.0));
        let mut out = Vec::with_capacity(stored.len().saturating_add(512));
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        around.iter().for_each(|element| element.open(&mut out, ">"));
        record.write(&mut out);
        around.iter().rev().for_each(|element| element.close(&mut out));
        Ok(out)
    }
}

/// The record of an answer, and the elements around it with what they declare.
fn found<'a>(
    names: &Names,
    wrap: &[Step],
    answer: &'a [u8],
) -> Result<(Vec<Element<'a>>, Option<Element<'a>>), BadXml> {
    let mut reader = Reader::new(answer, names)?;
    let mut around: Vec<Element<'a>> = Vec::new();
    let mut record = None;
    loop {
        match reader.next()? {
            Event::Over => return Ok((around, record)),
            Event::End => {}
            Event::Start => {
                let is_next = match wrap.get(around.len()) {
                    Some(Step::Key(due)) => reader.name().is_some_and(|name| *name == **due),
                    _ => false,
                };
                if !is_next {
                    reader.skip()?;
                } else if around.len() + 1 == wrap.len() {
                    if record.is_some() {
                        return Err(BadXml::TooMuch("records"));
                    }
                    record = Some(whole(&mut reader)?);
                } else {
                    let mut element = Element::begun(&reader)?;
                    element.attributes.retain(Attribute::declares);
                    around.push(element);
                }
            }
        }
    }
}

/// The element just begun, up to its end.
fn whole<'a>(reader: &mut Reader<'a, '_>) -> Result<Element<'a>, BadXml> {
    let mut open = vec![Element::begun(reader)?];
    let mut left = VALUES_MAX;
    loop {
        let from = reader.here();
        let event = reader.next()?;
        let words = reader.words_since(from);
        let bad = reader.bad();
        let parent = open.last_mut().ok_or(bad)?;
        if !words.is_empty() {
            parent.inside.push(Inside::Words(Cow::Borrowed(words)));
        }
        match event {
            Event::Over => return Err(bad),
            Event::Start => {
                let element = Element::begun(reader)?;
                let values = element.attributes.len().saturating_add(1);
                let too_much = BadXml::TooMuch("values of a record that is sent back whole");
                left = left.checked_sub(values).ok_or(too_much)?;
                open.push(element);
            }
            Event::End => {
                let ended = open.pop().ok_or(bad)?;
                match open.last_mut() {
                    Some(parent) => parent.inside.push(Inside::Element(ended)),
                    None => return Ok(ended),
                }
            }
        }
    }
}

impl<'a> Element<'a> {
    /// The element just begun, without what stands in it.
    fn begun(reader: &Reader<'a, '_>) -> Result<Self, BadXml> {
        let known = reader.name().map(|name| (*name).into());
        let mut attributes = Vec::new();
        let mut rest = reader.tag();
        let name = reader.spelt();
        rest = rest.strip_prefix('<').and_then(|rest| rest.strip_prefix(name)).ok_or(reader.bad())?;
        while let Some((attribute, behind)) = attribute(rest) {
            attributes.push(attribute);
            rest = behind;
        }
        for (spelt, known, nil) in reader.spelt_attributes() {
            if let Some(attribute) = attributes.iter_mut().find(|attribute| attribute.name == spelt) {
                attribute.known = known.map(|name| (*name).into());
                attribute.nil = nil;
            }
        }
        Ok(Self { name: Cow::Borrowed(name), known, attributes, inside: Vec::new() })
    }

    /// One of that name, as paths name it, for what holds it: it declares what its prefix stands for.
    fn new(name: &str, parent: &str, names: &Names) -> Self {
        let mut element = Self {
            name: Cow::Owned(name.to_owned()),
            known: Some(name.into()),
            attributes: Vec::new(),
            inside: Vec::new(),
        };
        match names.is_bound() {
            true => element.declare(name, names),
            // Where only local names count, it stands among those of its parent.
            false => {
                if let Some((prefix, _)) = parent.split_once(':') {
                    element.name = Cow::Owned(format!("{prefix}:{name}"));
                }
            }
        }
        element
    }

    /// Declares what the prefix of a name stands for.
    fn declare(&mut self, name: &str, names: &Names) {
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        let bound = names.written().find(|(known, _)| **known == *prefix);
        let namespace = bound.map_or("", |(_, namespace)| namespace);
        let spelt = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        if prefix != "xml" && !self.attributes.iter().any(|attribute| attribute.name == spelt) {
            self.attributes.push(Attribute::new(spelt, None, namespace));
        }
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        self.inside.iter().filter_map(|inside| match inside {
            Inside::Element(element) => Some(element),
            Inside::Words(_) => None,
        })
    }

    fn elements_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.inside.iter_mut().filter_map(|inside| match inside {
            Inside::Element(element) => Some(element),
            Inside::Words(_) => None,
        })
    }

    fn is(&self, name: &str) -> bool {
        self.known.as_deref() == Some(name)
    }

    /// Puts a value over what is there; elements are made on the way. As deep as paths of the file are.
    fn put(
        &mut self,
        steps: &[Step],
        value: &Out,
        (names, order): (&Names, Option<&Order>),
    ) -> Result<(), Clash> {
        let Some((Step::Key(name), rest)) = steps.split_first() else {
            return match steps {
                [] => self.say(value),
                _ => Err(Clash::Kind),
            };
        };
        if let ("#", []) = (&**name, rest) {
            return self.say(value);
        }
        if let (Some(attribute), []) = (name.strip_prefix('@'), rest) {
            self.set(attribute, text_of(value), names);
            return Ok(());
        }
        let (at, rest) = match rest {
            [Step::Index(at), rest @ ..] => (self.nth(name, usize::from(*at), (names, order)), rest),
            [Step::Find(key, is), rest @ ..] => (self.saying(name, (key, is), (names, order))?, rest),
            rest => {
                let own = self.elements().filter(|element| element.is(name)).count();
                if own > 1 {
                    return Err(Clash::Twice);
                }
                (self.nth(name, 0, (names, order)), rest)
            }
        };
        let below = order.and_then(|order| order.below(name));
        self.elements_mut().nth(at).ok_or(Clash::Kind)?.put(rest, value, (names, below))
    }

    /// Which of its elements is the one of that name at a place of their list; those before it are made too.
    fn nth(&mut self, name: &str, at: usize, of: (&Names, Option<&Order>)) -> usize {
        loop {
            let own = self.elements().enumerate().filter(|(_, element)| element.is(name));
            if let Some((place, _)) = own.map(|(place, _)| (place, ())).nth(at) {
                return place;
            }
            self.add(Self::new(name, &self.name, of.0), of.1);
        }
    }

    /// Which of its elements is the one of that name that says so of itself; it is made where there is none.
    fn saying(
        &mut self,
        name: &str,
        (key, is): (&str, &str),
        of: (&Names, Option<&Order>),
    ) -> Result<usize, Clash> {
        let at = only(self.elements().map(|element| element.is(name) && element.says(key, is)))?;
        if let Some(at) = at {
            return Ok(at);
        }
        let mut element = Self::new(name, &self.name, of.0);
        element.put(&[Step::Key(key.into())], &Out::text(is), (of.0, None))?;
        Ok(self.add(element, of.1))
    }

    /// Adds an element where the system's order wants it: before those that come later, else behind its own kind; which
    /// of the elements it is then.
    fn add(&mut self, element: Self, order: Option<&Order>) -> usize {
        let later = |other: &Self| match (order, &other.known, &element.known) {
            (Some(order), Some(other), Some(own)) => order.rank(other) > order.rank(own),
            _ => false,
        };
        let own = self.elements().enumerate().filter(|(_, other)| other.known == element.known).last();
        let before = self.elements().position(later);
        let count = self.elements().count();
        let place = own.map(|(at, _)| at + 1).or(before).unwrap_or(count);
        let places = self.inside.iter().enumerate();
        let mut elements = places.filter(|(_, inside)| matches!(inside, Inside::Element(_)));
        let at = elements.nth(place).map_or(self.inside.len(), |(at, _)| at);
        self.inside.insert(at, Inside::Element(element));
        place
    }

    /// Whether it says so of itself: by an attribute, its own text, or an element of texts.
    fn says(&self, key: &str, is: &str) -> bool {
        match (key.strip_prefix('@'), key) {
            (Some(name), _) => self.attributes.iter().any(|attribute| {
                attribute.known.as_deref() == Some(name)
                    && decode(&attribute.value, Place::Attribute).is_some_and(|value| value == is)
            }),
            (None, "#") => self.words().is_some_and(|words| words == is),
            (None, name) => self
                .elements()
                .any(|element| element.is(name) && element.words().is_some_and(|words| words == is)),
        }
    }

    /// Its own text; none where elements stand in it.
    fn words(&self) -> Option<String> {
        self.inside.iter().try_fold(String::new(), |all, inside| match inside {
            Inside::Words(words) => decode(words, Place::Content).map(|words| all + &words),
            Inside::Element(_) => None,
        })
    }

    /// Makes a value its text, or nothing of it.
    fn say(&mut self, value: &Out) -> Result<(), Clash> {
        if matches!(value, Out::Object(_) | Out::List(_)) || self.elements().next().is_some() {
            return Err(Clash::Kind);
        }
        self.attributes.retain(|attribute| !attribute.nil);
        self.inside.clear();
        if *value == Out::Null {
            self.attributes.retain(|attribute| attribute.name != "xmlns:xsi");
            self.attributes.push(Attribute::new("xmlns:xsi".to_owned(), None, NIL_NAMESPACE));
            self.attributes
                .push(Attribute { nil: true, ..Attribute::new("xsi:nil".to_owned(), None, "true") });
        } else if !text_of(value).is_empty() {
            self.inside.push(Inside::Words(Cow::Owned(spelt(text_of(value), Place::Content))));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str, names: &Names) {
        let value = spelt(value, Place::Attribute);
        match self.attributes.iter_mut().find(|attribute| attribute.known.as_deref() == Some(name)) {
            Some(attribute) => (attribute.value, attribute.quote) = (Cow::Owned(value), '"'),
            None => {
                if name.contains(':') {
                    self.declare(name, names);
                }
                let value = Cow::Owned(value);
                let attribute = Attribute::new(name.to_owned(), Some(name.into()), "");
                self.attributes.push(Attribute { value, ..attribute });
            }
        }
    }

    /// Leaves a field out, of every element where it says so. As deep as paths of the file are.
    fn leave_out(&mut self, ways: &[Way]) {
        match ways {
            [Way::Step(Step::Key(name))] => {
                let attribute = name.strip_prefix('@');
                self.attributes.retain(|own| attribute.is_none() || own.known.as_deref() != attribute);
                self.inside.retain(|inside| match inside {
                    Inside::Element(element) => !element.is(name),
                    Inside::Words(_) => true,
                });
            }
            [Way::Step(Step::Key(name)), way, rest @ ..] => {
                let own = self.elements_mut().filter(|element| element.is(name));
                for (place, element) in own.enumerate() {
                    match way {
                        Way::Any => element.leave_out(rest),
                        Way::Step(Step::Index(at)) if usize::from(*at) == place => element.leave_out(rest),
                        Way::Step(Step::Find(key, is)) if element.says(key, is) => element.leave_out(rest),
                        Way::Step(Step::Key(_)) => {
                            element.leave_out(ways.get(1..).unwrap_or_default());
                        }
                        Way::Step(_) => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn open(&self, out: &mut Vec<u8>, end: &str) {
        out.push(b'<');
        out.extend_from_slice(self.name.as_bytes());
        for Attribute { name, value, quote, .. } in &self.attributes {
            out.extend_from_slice(format!(" {name}={quote}{value}{quote}").as_bytes());
        }
        out.extend_from_slice(end.as_bytes());
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</");
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'>');
    }

    /// Writes it. Recursion is bounded by the reader's depth and that of paths.
    fn write(&self, out: &mut Vec<u8>) {
        if self.inside.is_empty() {
            return self.open(out, "/>");
        }
        self.open(out, ">");
        for inside in &self.inside {
            match inside {
                Inside::Words(words) => out.extend_from_slice(words.as_bytes()),
                Inside::Element(element) => element.write(out),
            }
        }
        self.close(out);
    }
}

impl Attribute<'_> {
    fn new(name: String, known: Option<Box<str>>, value: &str) -> Self {
        let value = Cow::Owned(spelt(value, Place::Attribute));
        Self { name: Cow::Owned(name), known, nil: false, value, quote: '"' }
    }

    /// Whether it declares a namespace.
    fn declares(&self) -> bool {
        self.name == "xmlns" || self.name.starts_with("xmlns:")
    }
}

/// The attribute at the beginning of the rest of a tag that was read, and what comes after it.
fn attribute(rest: &str) -> Option<(Attribute<'_>, &str)> {
    let (name, rest) = rest.trim_start().split_once('=')?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, rest) = rest.strip_prefix(quote)?.split_once(quote)?;
    let (name, value) = (Cow::Borrowed(name.trim_end()), Cow::Borrowed(value));
    Some((Attribute { name, known: None, nil: false, value, quote }, rest))
}

/// Text as it stands between marks.
fn spelt(text: &str, place: Place) -> String {
    let mut out = Vec::with_capacity(text.len());
    escape(text, place, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
