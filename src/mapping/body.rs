//! `body:` — what a request carries, as a tree with holes.
//!
//! Constants come from the file. Values fill holes as typed values of the tree and are written as JSON with it, so no
//! value ever becomes text beside others. A hole with nothing to fill it leaves its name out of an object, and stands
//! as null in a list.

use std::{borrow::Cow, sync::Arc};

use super::{number::is_number, out::Out, path::Step};

/// What stands for the key in a name of a JSON object.
pub(super) const KEY: &str = "{key}";

/// A body, or a part of one.
#[derive(Debug)]
pub(super) enum Body {
    /// Filled for each request.
    Hole(Hole),
    /// Always the same.
    Constant(Out),
    /// Names and what stands under them.
    Object {
        /// In the order of the file.
        pairs: Vec<(Arc<str>, Body)>,
        /// Whether what the record holds stands beside them.
        with_record: bool,
    },
    /// Elements.
    List(Vec<Body>),
}

/// What is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// The new record, or what changes of one.
    Record,
    /// The key, as text.
    Key,
    /// The key, as a number.
    KeyNumber,
    /// The key, as a text between these two.
    KeyIn(Box<str>, Box<str>),
    /// A part of a key of several, by its name, as text.
    KeyPart(Box<str>),
    /// The same as a number.
    KeyPartNumber(Box<str>),
    /// The parent that a list runs over, as text.
    Over,
    /// The same as a number.
    OverNumber,
    /// The version of the record that is changed.
    Version,
    /// Keys of several records, as texts.
    Keys,
    /// The same as numbers.
    KeysNumber,
    /// The names that are wanted, as a list.
    Fields,
    /// The names that are wanted, joined by a text.
    FieldsBy(String),
    /// The conditions, as the dialect spells them.
    Filter,
    /// A bound of the conditions, by its name.
    Bound(Box<str>),
    /// The order, as the dialect spells it.
    Sort,
    /// How many rows.
    Limit,
    /// How many rows were there before.
    Offset,
    /// The number of the page.
    Page,
    /// The system's own name of the page.
    Token,
}

/// What there is to fill in.
#[derive(Debug, Default)]
pub(super) struct Holes<'h> {
    /// Taken by the one hole that is for it.
    pub(super) record: Option<Out>,
    pub(super) key: Option<&'h str>,
    /// The parts of a key of several, by their names.
    pub(super) key_parts: &'h [(String, Cow<'h, str>)],
    pub(super) over: Option<&'h str>,
    pub(super) version: Option<&'h str>,
    pub(super) keys: Vec<&'h str>,
    pub(super) fields: Vec<&'h str>,
    pub(super) filter: Option<Out>,
    pub(super) bounds: &'h [(&'h str, Out)],
    pub(super) sort: Option<Out>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) page: Option<u64>,
    pub(super) token: Option<&'h str>,
}

impl Body {
    /// The tree of one request. Recursion is bounded by the depth of the file.
    pub(super) fn fill(&self, holes: &mut Holes<'_>) -> Out {
        self.part(holes).unwrap_or(Out::Null)
    }

    fn part(&self, holes: &mut Holes<'_>) -> Option<Out> {
        match self {
            Self::Hole(hole) => holes.fill(hole),
            Self::Constant(out) => Some(out.clone()),
            Self::Object { pairs, with_record } => {
                let record = with_record.then(|| holes.record.take()).flatten();
                let mut out = record.unwrap_or_else(Out::object);
                for (name, part) in pairs {
                    let key = holes.key.filter(|_| name.contains(KEY));
                    let name = key.map_or_else(|| name.clone(), |key| name.replace(KEY, key).into());
                    if let Some(value) = part.part(holes) {
                        out.put(&[Step::Key(name)], value);
                    }
                }
                Some(out)
            }
            Self::List(items) => {
                Some(Out::List(items.iter().map(|item| item.part(holes).unwrap_or(Out::Null)).collect()))
            }
        }
    }

    /// Whether there is such a hole.
    pub(super) fn has(&self, is: &dyn Fn(&Hole) -> bool) -> bool {
        self.count(is) > 0
    }

    /// How many such holes there are.
    pub(super) fn count(&self, is: &dyn Fn(&Hole) -> bool) -> usize {
        match self {
            Self::Hole(hole) => usize::from(is(hole)),
            Self::Constant(_) => 0,
            Self::Object { pairs, with_record } => {
                let own = usize::from(*with_record && is(&Hole::Record));
                pairs.iter().map(|(_, part)| part.count(is)).fold(own, usize::saturating_add)
            }
            Self::List(items) => items.iter().map(|item| item.count(is)).fold(0, usize::saturating_add),
        }
    }

    /// Every hole. Recursion is bounded by the depth of the file.
    pub(super) fn each_hole(&self, see: &mut dyn FnMut(&Hole)) {
        match self {
            Self::Hole(hole) => see(hole),
            Self::Constant(_) => {}
            Self::Object { pairs, .. } => pairs.iter().for_each(|(_, part)| part.each_hole(see)),
            Self::List(items) => items.iter().for_each(|item| item.each_hole(see)),
        }
    }

    /// The one name around all of it; none where there are several, or none.
    pub(super) fn root(&self) -> Option<&str> {
        match self {
            Self::Object { pairs, with_record: false } => match &**pairs {
                [(name, _)] => Some(name),
                _ => None,
            },
            Self::Object { with_record: true, .. } | Self::Hole(_) | Self::Constant(_) | Self::List(_) => {
                None
            }
        }
    }

    /// Every name of an object, and whether nothing stands under it. Recursion is bounded by the depth of the file.
    pub(super) fn names(&self, see: &mut dyn FnMut(&str, bool)) {
        match self {
            Self::Hole(_) | Self::Constant(_) => {}
            Self::Object { pairs, .. } => {
                for (name, part) in pairs {
                    see(name, matches!(part, Self::Hole(_) | Self::Constant(_)));
                    part.names(see);
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.names(see)),
        }
    }

    /// Whether the record is named in it.
    pub(super) fn has_key(&self) -> bool {
        self.has(&|hole| matches!(hole, Hole::Key | Hole::KeyNumber | Hole::KeyIn(..)))
    }

    /// Whether the parent is named in it.
    pub(super) fn has_over(&self) -> bool {
        self.has(&|hole| matches!(hole, Hole::Over | Hole::OverNumber))
    }

    /// Whether several records are named in it.
    pub(super) fn has_keys(&self) -> bool {
        self.has(&|hole| matches!(hole, Hole::Keys | Hole::KeysNumber))
    }

    /// Whether it names the wanted fields.
    pub(super) fn has_fields(&self) -> bool {
        self.has(&|hole| matches!(hole, Hole::Fields | Hole::FieldsBy(_)))
    }

    /// Whether a key can stand in it: as a number only where it is spelt as one.
    pub(super) fn takes_key(&self, key: &str) -> bool {
        is_number(key) || !self.has(&|hole| matches!(hole, Hole::KeyNumber | Hole::KeysNumber))
    }
}

impl Holes<'_> {
    fn key_part(&self, name: &str) -> Option<&str> {
        self.key_parts.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn fill(&mut self, hole: &Hole) -> Option<Out> {
        let number = |value: Option<u64>| value.map(|value| Out::Number(value.to_string().into()));
        match hole {
            Hole::Record => self.record.take(),
            Hole::Key => self.key.map(Out::text),
            Hole::KeyNumber => self.key.filter(|key| is_number(key)).map(|key| Out::Number(key.into())),
            Hole::KeyIn(before, after) => self.key.map(|key| Out::text(&format!("{before}{key}{after}"))),
            Hole::KeyPart(name) => self.key_part(name).map(Out::text),
            Hole::KeyPartNumber(name) => {
                self.key_part(name).filter(|part| is_number(part)).map(|part| Out::Number(part.into()))
            }
            Hole::Over => self.over.map(Out::text),
            Hole::OverNumber => self.over.filter(|key| is_number(key)).map(|key| Out::Number(key.into())),
            Hole::Version => self.version.map(Out::text),
            Hole::Keys => Some(Out::List(self.keys.iter().copied().map(Out::text).collect())),
            Hole::KeysNumber => {
                let numbers = self.keys.iter().filter(|key| is_number(key));
                Some(Out::List(numbers.map(|key| Out::Number((*key).into())).collect()))
            }
            Hole::Fields => Some(Out::List(self.fields.iter().copied().map(Out::text).collect())),
            Hole::FieldsBy(by) => Some(Out::text(&self.fields.join(by))),
            Hole::Filter => self.filter.take(),
            Hole::Bound(name) => {
                self.bounds.iter().find(|(known, _)| *known == &**name).map(|(_, out)| out.clone())
            }
            Hole::Sort => self.sort.take(),
            Hole::Limit => number(self.limit),
            Hole::Offset => number(self.offset),
            Hole::Page => number(self.page),
            Hole::Token => self.token.map(Out::text),
        }
    }
}
