//! XML: an answer is read along the same native tree as JSON, in one bounded pass; what is sent is written by a
//! typed writer.
//!
//! Promises: no document type, no entity but the predefined ones and character references, nothing expanded;
//! depth, elements, attributes, namespaces, names and texts are bounded; UTF-8 only; names are resolved. In a
//! path an element is its name, `@x` an attribute, `#` an element's own text. A repeated element is a list,
//! one is a list of one, none is an empty one. What is written is well-formed whatever a caller sends.

mod also;
mod chars;
mod compare;
mod load;
mod merged;
mod mixed;
mod reader;
mod record;
mod soap;
mod tags;
mod unread;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{mapping::out::Out, words::tree};

pub(super) use also::{also_rows, ends, put_also};
pub(super) use chars::{Place, decode, holds};
pub use compare::local_tree;
pub(super) use compare::{same_order, tree, tree_of};
pub(super) use load::{Record, check, envelope, namespaces, record};
pub(super) use record::document_at;
pub(super) use soap::Soap;
pub use tags::{Tag, Tags};
pub(super) use walk::document;

use reader::DEPTH_MAX;

/// The namespace of `xml:lang` and its like.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of `xsi:nil`.
const NIL_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why an answer is not read as XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadXml {
    /// Bytes that are no UTF-8, or said to be another encoding.
    #[error("the answer is not XML in UTF-8")]
    Encoding,
    /// Not well-formed.
    #[error("the answer is not well-formed XML at byte {0}")]
    Syntax(usize),
    /// It declares a document type.
    #[error("the answer declares a document type")]
    Doctype,
    /// A reference to what XML does not define itself.
    #[error("the answer refers to an entity of its own, or to no character, at byte {0}")]
    Entity(usize),
    /// An attribute stands twice.
    #[error("an attribute stands twice in one element of the answer, before byte {0}")]
    Twice(usize),
    /// A prefix that nobody declared.
    #[error("the answer uses a prefix that it does not declare, before byte {0}")]
    Prefix(usize),
    /// An element that says it is null and holds something.
    #[error("an element of the answer is said to be nil and holds something")]
    Nil,
    /// No envelope with a body in it, of the version that the file names.
    #[error("the answer is no SOAP envelope of the version that the system is said to speak")]
    NoEnvelope,
    /// Nested too deep.
    #[error("the answer is nested deeper than {DEPTH_MAX} levels")]
    Depth,
    /// More of something than the bound.
    #[error("the answer holds more than the bound of: {0}")]
    TooMuch(&'static str),
}

/// The prefixes by which paths name elements and attributes; none where local names do.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Prefix and namespace; each namespace once. The empty prefix is the default of elements. Of several namespaces
    /// of one prefix all are read, and the first is written.
    bound: Vec<(Box<str>, Box<str>)>,
    /// The envelopes around answers and requests.
    soap: Option<Soap>,
    /// What stands in the header of every envelope that is sent.
    header: Option<Out>,
}

impl Names {
    /// What tells a fault, as a matcher of a file.
    pub(super) fn fault(&self) -> Option<tree::Node> {
        let (code, words) = self.soap?.fault(self.is_bound());
        let text = format!("{{ status: any, at: '{code}', is: unknown, text: '{words}' }}");
        tree::parse(&"soap".into(), &text).ok()
    }

    /// Whether its documents stand in envelopes.
    pub(super) fn is_soap(&self) -> bool {
        self.soap.is_some()
    }

    /// Whether paths tell namespaces apart.
    pub(super) fn is_bound(&self) -> bool {
        !self.bound.is_empty()
    }

    /// The prefixes of what is written, each with its namespace.
    fn written(&self) -> impl Iterator<Item = &(Box<str>, Box<str>)> {
        let is_first =
            |at: usize, prefix: &str| self.bound.iter().take(at).all(|(known, _)| **known != *prefix);
        self.bound
            .iter()
            .enumerate()
            .filter(move |(at, (prefix, _))| is_first(*at, prefix))
            .map(|(_, one)| one)
    }

    /// An element as paths name it; `None` when none can.
    fn element<'a>(&self, name: &'a str, local: &'a str, namespace: &str) -> Option<Cow<'a, str>> {
        if self.bound.is_empty() {
            return Some(Cow::Borrowed(local));
        }
        let is_defaulted = self.bound.iter().any(|(prefix, _)| prefix.is_empty());
        match self.bound.iter().find(|(_, known)| **known == *namespace) {
            Some((prefix, _)) => Some(spelt(prefix, name, local)),
            None if namespace.is_empty() && !is_defaulted => Some(Cow::Borrowed(local)),
            None if namespace == XML_NAMESPACE => Some(spelt("xml", name, local)),
            None => None,
        }
    }

    /// An attribute with a prefix as paths name it, without the `@`; `None` when none can.
    fn attribute<'a>(&self, name: &'a str, local: &'a str, namespace: &str) -> Option<Cow<'a, str>> {
        if self.bound.is_empty() {
            return Some(Cow::Borrowed(local));
        }
        match self.bound.iter().find(|(prefix, known)| !prefix.is_empty() && **known == *namespace) {
            Some((prefix, _)) => Some(spelt(prefix, name, local)),
            None => (namespace == XML_NAMESPACE).then(|| spelt("xml", name, local)),
        }
    }
}

fn spelt<'a>(prefix: &str, name: &'a str, local: &'a str) -> Cow<'a, str> {
    match name.strip_suffix(local).map(|before| before.strip_suffix(':').unwrap_or(before)) {
        Some(same) if same == prefix => Cow::Borrowed(name),
        _ if prefix.is_empty() => Cow::Borrowed(local),
        _ => Cow::Owned(format!("{prefix}:{local}")),
    }
}
