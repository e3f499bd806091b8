//! `entries:` — an object whose names are free, as a list: each name and what stands under it is one element.
//!
//! An element is read as an object of its name and its value, and written as such, so that lines know no difference to
//! the elements of a native list. Names that are not of the form of the list are somebody else's: they are neither read
//! nor written. A name that stands twice says two things of one, so nothing of such an object is told.

use std::{borrow::Cow, collections::HashSet};

use super::{
    model::EachPart,
    out::Out,
    path::{Path, Step},
    scan::Raw,
    trie::Raws,
};

/// Where an element keeps its name.
pub(super) const NAME: &str = "$name";
/// Where it keeps what stands under it.
pub(super) const VALUE: &str = "$value";
/// LIMIT: longest name that is written, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Which names are those of elements: all that have these texts around them, and something between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    before: Box<str>,
    after: Box<str>,
    /// Whether they are names of XML.
    is_xml: bool,
}

/// How a list is made of an object.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) names: Names,
    /// The slot of an element's name.
    pub(super) slot: u16,
}

impl Names {
    /// Reads `field_value{name}`; the error says what is wrong with it.
    pub(super) fn parse(text: Option<&str>, is_xml: bool) -> Result<Self, &'static str> {
        let Some(text) = text else { return Ok(Self { is_xml, ..Self::default() }) };
        let around = text
            .split_once("{name}")
            .filter(|(before, after)| !(*before).contains(['{', '}']) && !(*after).contains(['{', '}']));
        let (before, after) =
            around.ok_or("names are told with one `{name}` in them, as in `field_value{name}`")?;
        Ok(Self { before: before.into(), after: after.into(), is_xml })
    }

    /// Whether every name is one.
    pub(super) fn is_any(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// What of a name is the element's; none where it is none.
    pub(super) fn within<'t>(&self, name: &'t str) -> Option<&'t str> {
        let inner = name.strip_prefix(&*self.before).and_then(|name| name.strip_suffix(&*self.after));
        inner.filter(|inner| self.is_any() || !inner.is_empty())
    }

    /// The name that an element is kept under; none where the system can keep none such.
    fn spell(&self, inner: &str) -> Option<String> {
        let name = format!("{}{inner}{}", self.before, self.after);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let fits = !self.is_xml || (begins && name.bytes().all(is_plain));
        (fits && name.len() <= NAME_BYTES_MAX && self.within(&name) == Some(inner)).then_some(name)
    }

    /// The name and the value of an element as it was put together; else why it cannot be kept.
    pub(super) fn entry(&self, element: &Out) -> Result<(String, Out), &'static str> {
        let at = |name: &str| element.at(&[Step::Key(name.into())]);
        let name = at(NAME).and_then(|name| name.raw().text()).filter(|name| !name.is_empty());
        match (name, at(VALUE)) {
            (Some(name), Some(value)) => {
                let name = self.spell(&name).ok_or("the system cannot keep anything by this name")?;
                Ok((name, value.clone()))
            }
            _ => Err("the system keeps each of these by a name, with a value; one of the two is missing"),
        }
    }
}

impl Entries {
    /// Whether a name stands twice among some elements.
    pub(super) fn is_doubled(&self, raws: &Raws<'_>, (first, count): (u32, u32)) -> bool {
        let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
        let mut names = raws.elements(first, count).filter_map(|frame| raws.get(frame, self.slot).text());
        !names.all(|name| seen.insert(name))
    }
}

impl EachPart {
    /// The place of one name.
    pub(super) fn place_of(&self, name: &str) -> Path {
        let mut place = self.at.clone();
        place.0.push(Step::Key(name.into()));
        place
    }
}

/// A name as it stands in the input, and what of it is the element's. Where the texts around it are spelt by escapes, it
/// cannot be cut out of the input.
pub(super) enum Named<'a> {
    /// An element's.
    Element(Raw<'a>),
    /// Somebody else's.
    Other,
    /// An element's that is spelt so that nobody can tell.
    Unclear,
}

impl Names {
    /// Whose a name is.
    pub(super) fn of<'a>(&self, name: Raw<'a>) -> Named<'a> {
        match name {
            Raw::Text(text) => {
                self.within(text).map_or(Named::Other, |inner| Named::Element(Raw::Text(inner)))
            }
            Raw::Escaped(text) => match (self.within(text), name.text()) {
                (Some(inner), _) => Named::Element(Raw::Escaped(inner)),
                (None, Some(text)) if self.within(&text).is_none() => Named::Other,
                (None, _) => Named::Unclear,
            },
            _ => Named::Other,
        }
    }
}
