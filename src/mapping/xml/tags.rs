//! The tags of a document one by one: for whoever reads a system's description of itself rather than a record.
//!
//! Promises what the reader promises, and nothing is kept: what is made of the tags is bounded by whoever asks.
//! Names are local names, whatever their namespace.

use std::{borrow::Cow, sync::LazyLock};

use super::{
    BadXml, Names,
    reader::{Event, Reader},
};

/// Every name is its local part.
static LOCAL: LazyLock<Names> = LazyLock::new(Names::default);

/// A document, tag by tag.
#[derive(Debug)]
pub struct Tags<'a> {
    reader: Reader<'a, 'static>,
    /// Where the content of the element begins that was opened last, while nothing stood in it.
    inside: Option<usize>,
}

/// What comes next in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag<'a> {
    /// An element begins, with this local name.
    Open(&'a str),
    /// The open element ends; its text, where no element stood in it.
    Close(Cow<'a, str>),
    /// The document ends.
    Over,
}

impl<'a> Tags<'a> {
    /// The start of a document.
    ///
    /// # Errors
    /// It is no XML in UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BadXml> {
        Ok(Self { reader: Reader::new(bytes, &LOCAL)?, inside: None })
    }

    /// The next tag. After [`Tag::Over`] nothing is to be asked.
    ///
    /// # Errors
    /// The document is not well-formed, declares a document type, or holds more of something than the bound.
    pub fn step(&mut self) -> Result<Tag<'a>, BadXml> {
        Ok(match self.reader.next()? {
            Event::Start => {
                self.inside = Some(self.reader.here());
                let name = self.reader.spelt();
                Tag::Open(name.split_once(':').map_or(name, |(_, local)| local))
            }
            Event::End => {
                let text = self.inside.take().and_then(|from| self.reader.content(from).text());
                Tag::Close(text.unwrap_or_default())
            }
            Event::Over => Tag::Over,
        })
    }

    /// An attribute of the element that just began, by its local name; the first, where namespaces part several.
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        self.reader.attributes().find(|(local, _)| local == name).and_then(|(_, value)| value.text())
    }
}
