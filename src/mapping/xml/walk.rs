//! A document along the native tree: each value of interest lands in its slot, as of JSON.
//!
//! An element without elements is a text. With nothing in it at all, not even an attribute, it may be a spelling
//! of nothing. One that has only attributes tells of nothing else: it may stand for a record that is elsewhere.

use std::borrow::Cow;

use super::{
    BadXml, Names,
    reader::{Event, Reader},
};
use crate::mapping::{
    entries::Named,
    scan::Raw,
    trie::{ELEMENTS_MAX, Each, Node, Raws},
};

/// What is done with each row of an answer: it steps behind the row's end.
pub(in crate::mapping) type OnRow<'r, 'a, 'n> = dyn FnMut(&mut Walker<'a, 'n>) -> Result<(), BadXml> + 'r;

/// Reads a whole document along a node, whose one name is the root's.
pub(in crate::mapping) fn document<'a, 'n>(
    bytes: &'a [u8],
    names: &'n Names,
    node: &Node,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a, 'n>,
) -> Result<(), BadXml> {
    let mut walker = Walker { reader: Reader::new(bytes, names)?, seen: Vec::new() };
    if walker.reader.next()? != Event::Start {
        return Err(walker.reader.bad());
    }
    match names.soap {
        Some(soap) => walker.envelope(soap, node, raws, on_row)?,
        None => walker.root(node, raws, on_row)?,
    }
    if walker.reader.next()? != Event::Over {
        return Err(walker.reader.bad());
    }
    Ok(())
}

/// A document on its way into slots.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Walker<'a, 'n> {
    pub(super) reader: Reader<'a, 'n>,
    /// For each element that is being read, what was seen of each of its node's names.
    pub(super) seen: Vec<Seen>,
}

/// How often a name stood in an element, and the frames of its list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) count: u32,
    first: u32,
    last: u32,
}

impl<'a, 'n> Walker<'a, 'n> {
    /// Reads the element just begun as a record of its own; whether it is one, and no mere text.
    pub(in crate::mapping) fn row(&mut self, node: &Node, raws: &mut Raws<'a>) -> Result<bool, BadXml> {
        let bare = self.reader.is_bare();
        let parent = self.element(node, 0, raws, &mut |walker| walker.skip())?;
        Ok(parent || !bare)
    }

    /// The element just begun, as the one name of a node.
    pub(super) fn root(
        &mut self,
        node: &Node,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<(), BadXml> {
        let first = self.open(node);
        self.child(node, first, 0, raws, on_row)
    }

    /// Where the tag begins that ended the element just read.
    pub(super) fn ends(&self) -> usize {
        self.reader.ends()
    }

    /// Steps behind the element just begun.
    pub(in crate::mapping) fn skip(&mut self) -> Result<(), BadXml> {
        self.reader.skip()
    }

    /// Room for what will be seen of a node's names.
    fn open(&mut self, node: &Node) -> usize {
        let first = self.seen.len();
        self.seen.resize(first + node.keys.len() + node.counters, Seen::default());
        first
    }

    /// The element just begun, up to its end; whether elements stand in it. Recursion goes down the node, never
    /// further.
    pub(super) fn element(
        &mut self,
        node: &Node,
        base: usize,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<bool, BadXml> {
        let nil = self.reader.take_nil();
        let bare = self.reader.is_bare();
        let from = self.reader.here();
        let first = self.open(node);
        self.attributes(node, base, raws);
        let mut parent = false;
        while self.reader.next()? == Event::Start {
            parent = true;
            self.child(node, first, base, raws, on_row)?;
        }
        match (parent, nil) {
            (true, true) => return Err(BadXml::Nil),
            (true, false) => {
                if let Some(slot) = node.slot {
                    raws.set(base, slot, Raw::Object);
                }
                self.lists(node, first, base, raws);
            }
            (false, true) if !self.reader.is_blank(from) => return Err(BadXml::Nil),
            (false, nil) => self.text(node, base, raws, (from, first), nil, bare),
        }
        self.seen.truncate(first);
        Ok(parent)
    }

    fn attributes(&mut self, node: &Node, base: usize, raws: &mut Raws<'a>) {
        for (name, value) in self.reader.attributes() {
            let Some(slot) = node.attribute(&name).and_then(|child| child.slot) else { continue };
            raws.twice |= raws.get(base, slot) != Raw::Absent;
            raws.set(base, slot, value);
        }
    }

    /// An element without elements.
    fn text(
        &self,
        node: &Node,
        base: usize,
        raws: &mut Raws<'a>,
        (from, first): (usize, usize),
        nil: bool,
        bare: bool,
    ) {
        let blank = self.reader.is_blank(from);
        let text = if nil { Raw::Null } else { self.reader.content(from) };
        if let Some(slot) = node.slot {
            raws.set(base, slot, text);
        }
        if let Some((_, own)) = node.find("#")
            && let Some(slot) = own.slot
        {
            raws.set(base, slot, text);
        }
        if blank && (bare || nil) && node.has_elements() {
            let nothing = nil || raws.is_nothing(Raw::Text(""));
            for child in node.elements().filter(|_| nothing) {
                raws.none(child, base);
            }
            self.lists(node, first, base, raws);
        }
    }

    /// An element just begun, under its parent's node.
    fn child(
        &mut self,
        parent: &Node,
        first: usize,
        base: usize,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<(), BadXml> {
        let found = self.reader.name().and_then(|name| parent.find(&name));
        let Some((at, node)) = found else { return self.entry(parent, first, base, raws, on_row) };
        let seen = self.seen.get(first + at).copied().unwrap_or_default();
        if let (true, Some(slot)) = (node.is_list(), node.slot) {
            raws.set(base, slot, Raw::Array);
        }
        let mut next = Seen { count: seen.count.saturating_add(1), ..seen };
        if node.rows {
            on_row(self)?;
        } else if node.is_mixed() {
            self.mixed(node, first + parent.counters_of(at), seen.count, base, raws, on_row)?;
        } else if let [each] = node.each.as_slice() {
            next = self.item(each, seen, base, raws, on_row)?;
        } else if !node.items.is_empty() {
            match u16::try_from(seen.count).ok().and_then(|at| node.items.get(&at)) {
                Some(item) => self.element(item, base, raws, on_row).map(drop)?,
                None => self.reader.skip()?,
            }
        } else {
            raws.twice |= seen.count > 0;
            self.element(node, base, raws, on_row)?;
        }
        if let Some(seen) = self.seen.get_mut(first + at) {
            *seen = next;
        }
        Ok(())
    }

    /// The next element of a list.
    pub(super) fn item(
        &mut self,
        each: &Each,
        seen: Seen,
        base: usize,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<Seen, BadXml> {
        let (frame, next) = begun(each, seen, base, raws)?;
        self.element(&each.node, frame, raws, on_row)?;
        Ok(next)
    }

    /// An element just begun that no line names: one of those with free names, or nobody's.
    fn entry(
        &mut self,
        parent: &Node,
        first: usize,
        base: usize,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<(), BadXml> {
        let Some((entries, Cow::Borrowed(name))) = parent.entries.as_deref().zip(self.reader.name()) else {
            return self.reader.skip();
        };
        let Named::Element(name) = entries.names.of(Raw::Text(name)) else { return self.reader.skip() };
        let at = first + parent.entries_counter();
        let seen = self.seen.get(at).copied().unwrap_or_default();
        let (frame, next) = begun(&entries.each, seen, base, raws)?;
        raws.set(frame, entries.name, name);
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = next;
        }
        match entries.value() {
            Some(value) => self.element(value, frame, raws, on_row).map(drop),
            None => self.reader.skip(),
        }
    }

    /// Tells of each list under an element where it ends.
    fn lists(&self, node: &Node, first: usize, base: usize, raws: &mut Raws<'a>) {
        if let Some(entries) = &node.entries
            && raws.get(base, entries.each.slot) == Raw::Absent
        {
            raws.set(base, entries.each.slot, Raw::Elements { first: 0, count: 0 });
        }
        for (at, (_, child)) in node.keys.iter().enumerate().filter(|(_, (_, child))| child.is_list()) {
            let seen = self.seen.get(first + at).copied().unwrap_or_default();
            if let (0, Some(slot)) = (seen.count, child.slot)
                && raws.get(base, slot) == Raw::Absent
            {
                raws.set(base, slot, Raw::Array);
            }
            for each in &child.each {
                if raws.get(base, each.slot) == Raw::Absent {
                    raws.set(base, each.slot, Raw::Elements { first: 0, count: 0 });
                }
            }
            for (at, behind) in &child.items {
                if u32::from(*at) >= seen.count {
                    raws.none(behind, base);
                }
            }
            self.unfound(child, first + node.counters_of(at), base, raws);
        }
    }
}

/// The frame of the next element of a list, and what was seen of the list with it.
fn begun<'a>(each: &Each, seen: Seen, base: usize, raws: &mut Raws<'a>) -> Result<(usize, Seen), BadXml> {
    raws.elements += 1;
    if raws.elements > ELEMENTS_MAX {
        return Err(BadXml::TooMuch("list elements"));
    }
    let frame = raws.open(each.frame);
    let place = u32::try_from(frame).map_err(|_| BadXml::TooMuch("list elements"))?;
    let first = if seen.count == 0 { place } else { seen.first };
    if seen.count > 0 {
        raws.set(usize::try_from(seen.last).unwrap_or(usize::MAX), 0, Raw::Next(place));
    }
    let count = seen.count.saturating_add(1);
    raws.set(base, each.slot, Raw::Elements { first, count });
    Ok((frame, Seen { count, first, last: place }))
}

impl Node {
    /// The node of an attribute.
    fn attribute(&self, name: &str) -> Option<&Self> {
        let same = |(key, _): &&(Box<str>, Self)| key.strip_prefix('@') == Some(name);
        self.keys.iter().find(same).map(|(_, node)| node)
    }

    /// What stands under it as elements, not as attributes or its own text.
    fn elements(&self) -> impl Iterator<Item = &Self> {
        self.keys.iter().filter(|(key, _)| !key.starts_with(['@', '#'])).map(|(_, node)| node)
    }

    pub(super) fn has_elements(&self) -> bool {
        self.entries.is_some() || self.elements().next().is_some()
    }

    /// Where the counter of elements with free names stands: behind all others.
    fn entries_counter(&self) -> usize {
        (self.keys.len() + self.counters).saturating_sub(1)
    }

    /// Where the counters of a name begin, behind those of all names.
    fn counters_of(&self, at: usize) -> usize {
        let before = self.keys.iter().take(at).map(|(_, child)| child.ways());
        self.keys.len() + before.sum::<usize>()
    }
}
