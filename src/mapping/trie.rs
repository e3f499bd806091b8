//! The native paths of a mapping as one tree that the scanner walks: each value of interest lands in a slot.
//!
//! A null tells that everything under it is empty, and so does a spelling of nothing; a list tells that nothing
//! stands behind its end, and that no element says what none of them does. What is not there at all tells nothing, nor
//! does a value of another kind.

use std::collections::BTreeMap;

use super::path::Step;

mod entries;
mod mixed;
mod raws;
mod trail;
mod walk;

pub(super) use entries::Entries;
pub(super) use raws::Raws;
pub(super) use walk::{OnRow, walk};

/// Most names under one native object.
pub(super) const KEYS_MAX: usize = 128;
/// Most elements of all lists of one record.
pub(super) const ELEMENTS_MAX: u32 = 20_000;

/// A node of the native tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) slot: Option<u16>,
    /// The slot that gets the text of what stands here, whatever it is, for a filter.
    pub(super) whole: Option<u16>,
    /// Names while the tree grows.
    named: BTreeMap<Box<str>, Node>,
    /// Names of the finished tree, sorted by length, then text.
    pub(super) keys: Vec<(Box<str>, Node)>,
    /// Where keys of a length begin in `keys`; one longer than the longest key's length + 1.
    begins: Box<[u16]>,
    pub(super) items: BTreeMap<u16, Node>,
    /// Elements that are found by what they say of themselves.
    pub(super) finds: Vec<Find>,
    /// The ways in which the elements of a list here are read one by one.
    pub(super) each: Vec<Each>,
    /// How the names of an object here are elements of a list.
    pub(super) entries: Option<Box<Entries>>,
    pub(super) rows: bool,
    /// A list here whose every element holds rows.
    every: Option<Box<Every>>,
    /// Whether an object here may be a tagged value.
    tagged: bool,
    /// Whether an object or a list is due here.
    parent: bool,
    /// Its slot, where it is all that a scalar here goes to.
    plain: Option<u16>,
    /// Whether elements of lists at or under it get something of what holds them.
    lifting: bool,
    /// What there is to count, of an element, of lists under it that are read in more than one way.
    pub(super) counters: usize,
}

/// A list whose elements are read one by one, each into a frame of its own.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) slot: u16,
    /// Tells apart several ways to read one list.
    part: Box<str>,
    pub(super) frame: u16,
    pub(super) node: Node,
    /// Slots of what holds the list that each element gets, and where.
    lifts: Vec<(u16, u16)>,
}

/// What each element of a list holds a part of the rows by.
#[derive(Debug)]
struct Every {
    node: Node,
    /// Where the rows of one element stand.
    rows: u16,
    /// Whether one may have none.
    may_lack: bool,
}

/// Elements that are found by the text of one member.
#[derive(Debug)]
pub(super) struct Find {
    pub(super) key: Box<str>,
    pub(super) is: Vec<(Box<str>, Node)>,
}

/// A tree under construction: gives a slot to each path.
#[derive(Debug)]
pub(super) struct Frame {
    /// The tree.
    pub(super) root: Node,
    /// Slots in use; slot 0 links the elements of a list.
    pub(super) slots: u16,
    /// What is read from outside the tree, by paths that begin at a root, and its slots.
    pub(super) outside: Vec<(Vec<Step>, u16)>,
}

impl Default for Frame {
    fn default() -> Self {
        Self { root: Node::default(), slots: 1, outside: Vec::new() }
    }
}

impl Frame {
    /// The slot of a path; the same path has the same slot.
    pub(super) fn slot(&mut self, steps: &[Step]) -> u16 {
        let next = self.slots;
        if steps.first().is_some_and(Step::is_root) {
            if let Some((_, slot)) = self.outside.iter().find(|(known, _)| known == steps) {
                return *slot;
            }
            self.outside.push((steps.to_vec(), next));
            self.slots += 1;
            return next;
        }
        let slot = *self.root.reach(steps).slot.get_or_insert(next);
        self.slots = self.slots.max(slot.saturating_add(1));
        slot
    }

    /// Lets an object at a path be a tagged value.
    pub(super) fn tagged(&mut self, steps: &[Step]) {
        if !steps.first().is_some_and(Step::is_root) {
            self.root.reach(steps).tagged = true;
        }
    }

    /// The slot of the text of what stands at a path; of the record itself, or the element, where there are no steps.
    pub(super) fn whole(&mut self, steps: &[Step]) -> u16 {
        let next = self.slots;
        let slot = *self.root.reach(steps).whole.get_or_insert(next);
        self.slots = self.slots.max(slot.saturating_add(1));
        slot
    }

    /// Makes the list at a path one whose elements are read, for a part of them that is named so; `None` when it
    /// is one already.
    pub(super) fn each(&mut self, steps: &[Step], part: &str, element: Self) -> Option<u16> {
        let each = self.each_of(part.to_owned(), element);
        let (slot, node) = (each.slot, self.root.reach(steps));
        if node.rows || node.entries.is_some() || node.each.iter().any(|each| *each.part == *part) {
            return None;
        }
        node.each.push(each);
        Some(slot)
    }

    /// A list of elements of that frame, which get what they want of what holds them.
    fn each_of(&mut self, part: String, element: Self) -> Each {
        let outer = |steps: &[Step]| match steps.split_first() {
            Some((Step::Up, rest)) => rest.to_vec(),
            _ => steps.to_vec(),
        };
        let outside: Vec<_> = element.outside.iter().map(|(steps, inner)| (outer(steps), *inner)).collect();
        let lifts = outside.into_iter().map(|(steps, inner)| (self.slot(&steps), inner)).collect();
        let slot = self.slots;
        self.slots += 1;
        Each { slot, part: part.into(), frame: element.slots, node: element.root, lifts }
    }

    /// Makes the list at a path the rows of an answer.
    pub(super) fn rows(&mut self, steps: &[Step]) {
        self.root.reach(steps).rows = true;
    }

    /// Makes what stands at a path in each element of the list at another path the rows of an answer. What else is read
    /// of the answer stands outside of that list.
    pub(super) fn rows_in_each(&mut self, list: &[Step], rows: &[Step], may_lack: bool) {
        let slot = self.slots;
        self.slots += 1;
        let mut node = Node::default();
        let place = node.reach(rows);
        (place.slot, place.rows) = (Some(slot), true);
        self.root.reach(list).every = Some(Box::new(Every { node, rows: slot, may_lack }));
    }

    /// The finished tree; `false` when an object has too many names.
    pub(super) fn finish(&mut self) -> bool {
        self.root.index()
    }
}

impl Node {
    fn reach(&mut self, steps: &[Step]) -> &mut Self {
        let Some((step, rest)) = steps.split_first() else { return self };
        match step {
            Step::Key(key) => self.named.entry((&**key).into()).or_default().reach(rest),
            Step::Index(index) => self.items.entry(*index).or_default().reach(rest),
            Step::Find(key, is) => self.found(key, is).reach(rest),
            // A path that begins at a root is outside of this tree.
            Step::Up | Step::Answer | Step::Head | Step::Asked | Step::Received | Step::Over => self,
        }
    }

    fn found(&mut self, key: &str, is: &str) -> &mut Self {
        let at = self.finds.iter().position(|find| *find.key == *key).unwrap_or_else(|| {
            self.finds.push(Find { key: key.into(), is: Vec::new() });
            self.finds.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "its own position, or that of what was just put there")]
        let branches = &mut self.finds[at].is;
        let at = branches.iter().position(|(text, _)| **text == *is).unwrap_or_else(|| {
            branches.push((is.into(), Self::default()));
            branches.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "its own position, or that of what was just put there")]
        &mut branches[at].1
    }

    /// Sorts the names for [`find`](Self::find).
    fn index(&mut self) -> bool {
        self.keys = std::mem::take(&mut self.named).into_iter().collect();
        self.keys.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        let longest = self.keys.last().map_or(0, |(key, _)| key.len());
        let begin = |len: usize| u16::try_from(self.keys.partition_point(|(key, _)| key.len() < len));
        self.begins = (0..=longest + 1).filter_map(|len| begin(len).ok()).collect();
        let mut fits = self.keys.len() <= KEYS_MAX && longest <= 1024;
        for (_, child) in &mut self.keys {
            fits &= child.index();
        }
        for child in self.items.values_mut() {
            fits &= child.index();
        }
        for (_, child) in self.finds.iter_mut().flat_map(|find| &mut find.is) {
            fits &= child.index();
        }
        for each in self.each.iter_mut().chain(self.entries.as_mut().map(|entries| &mut entries.each)) {
            fits &= each.node.index();
        }
        if let Some(every) = &mut self.every {
            fits &= every.node.index();
        }
        let gets = |each: &Each| !each.lifts.is_empty() || each.node.lifting;
        self.lifting = self.lists().any(gets) || self.children().any(|child| child.lifting);
        self.parent = self.lists().next().is_some() || self.children().next().is_some();
        self.plain = self.slot.filter(|_| self.whole.is_none() && !self.parent);
        self.counters = self.keys.iter().map(|(_, child)| child.ways()).sum();
        self.counters += usize::from(self.entries.is_some());
        fits
    }

    /// The lists that are read here element by element.
    fn lists(&self) -> impl Iterator<Item = &Each> {
        self.each.iter().chain(self.entries.as_ref().map(|entries| &entries.each))
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let found = self.finds.iter().flat_map(|find| &find.is).map(|(_, child)| child);
        self.keys.iter().map(|(_, child)| child).chain(self.items.values()).chain(found)
    }

    /// Every slot at or under it, those in elements of lists aside.
    fn slots(&self, see: &mut dyn FnMut(u16)) {
        let own = self.slot.into_iter().chain(self.whole);
        own.chain(self.lists().map(|each| each.slot)).for_each(&mut *see);
        self.children().for_each(|child| child.slots(see));
    }

    /// Whether a list here is read in more than one way.
    pub(super) fn is_mixed(&self) -> bool {
        !self.finds.is_empty() || self.each.len() > 1 || (!self.each.is_empty() && !self.items.is_empty())
    }

    /// What there is to count of a list that is read in more than one way: its elements for each way, for each text
    /// that one is found by, and those that do not tell.
    pub(super) fn ways(&self) -> usize {
        let found = || self.finds.iter().map(|find| find.is.len() + 1).sum::<usize>();
        if self.is_mixed() { self.each.len() + found() } else { 0 }
    }

    /// The nodes that an element of a list here is read by, whatever it says of itself.
    pub(super) fn ways_of(&self, place: u16) -> impl Iterator<Item = &Self> {
        let found = self.finds.iter().flat_map(|find| &find.is).map(|(_, node)| node);
        self.each.iter().map(|each| &each.node).chain(self.items.get(&place)).chain(found)
    }

    /// The names by which elements of a list here are told apart.
    pub(super) fn known_by(&self) -> impl Iterator<Item = &str> {
        self.finds.iter().map(|find| &*find.key)
    }

    /// Whether its value may be a list.
    pub(super) fn is_list(&self) -> bool {
        self.rows
            || self.every.is_some()
            || !(self.each.is_empty() && self.items.is_empty() && self.finds.is_empty())
    }

    pub(super) fn find(&self, key: &str) -> Option<(usize, &Self)> {
        self.find_name(key.as_bytes())
    }

    /// The child of a name, and its place.
    #[inline]
    fn find_name(&self, key: &[u8]) -> Option<(usize, &Self)> {
        let from = usize::from(*self.begins.get(key.len())?);
        let to = usize::from(*self.begins.get(key.len() + 1)?);
        let same = self.keys.get(from..to)?;
        let at = same.iter().position(|(name, _)| is_same(name.as_bytes(), key))?;
        Some((from + at, &same.get(at)?.1))
    }
}

/// Whether two runs of bytes are one, without a call where they are as short as names are.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        _ if a.len() != b.len() => false,
        (Some(first), Some(other)) if a.len() <= 16 => {
            first == other && a.last_chunk::<8>() == b.last_chunk::<8>()
        }
        (Some(first), Some(other)) if a.len() > 32 => first == other && a == b,
        (Some(_), Some(_)) => {
            a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk()
        }
        _ => a.iter().eq(b),
    }
}
