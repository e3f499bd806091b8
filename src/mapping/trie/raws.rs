//! What the scanner found in a record, in frames of slots.

use super::{
    super::{
        codec::Nothing,
        jq::Left,
        scan::{BadJson, Raw},
    },
    Node,
    trail::Trail,
};

/// What the scanner found: frames of slots, one for the record and one for each element of its lists.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Raws<'a> {
    slots: Vec<Raw<'a>>,
    pub(in crate::mapping) elements: u32,
    /// Spellings of nothing where an object or a list is due.
    absent: Nothing,
    /// What each record's frame gets from outside of it.
    given: Vec<(u16, Raw<'a>)>,
    /// Slots of which several elements tell, each its own.
    doubtful: Vec<usize>,
    /// Whether objects of a kind that was there before are read.
    pub(super) repeats: bool,
    /// What is known of them.
    pub(super) trails: Vec<Trail<'a>>,
    /// Whether a name of interest stood twice in one object.
    pub(in crate::mapping) twice: bool,
    /// What is left for filters, of the whole answer.
    pub(in crate::mapping) left: Left,
}

impl<'a> Raws<'a> {
    /// None yet, of a system that spells nothing so.
    pub(in crate::mapping) fn new(absent: &Nothing) -> Self {
        Self { absent: absent.clone(), ..Self::default() }
    }

    /// The same, where each record is given something from outside of it, in these slots.
    pub(in crate::mapping) fn given(mut self, given: Vec<(u16, Raw<'a>)>) -> Self {
        self.given = given;
        self
    }

    /// Spellings of nothing.
    pub(in crate::mapping) fn absent(&self) -> &Nothing {
        &self.absent
    }

    /// Empties it and opens the record's frame, which starts at 0.
    pub(in crate::mapping) fn restart(&mut self, frame: u16) {
        self.repeats |= !self.slots.is_empty();
        self.slots.clear();
        self.elements = 0;
        self.doubtful.clear();
        self.twice = false;
        self.open(frame);
        for at in 0..self.given.len() {
            if let Some((slot, raw)) = self.given.get(at).copied() {
                self.set(0, slot, raw);
            }
        }
    }

    /// What stands in a slot of a frame.
    #[inline]
    pub(in crate::mapping) fn get(&self, base: usize, slot: u16) -> Raw<'a> {
        self.slots.get(base + usize::from(slot)).copied().unwrap_or(Raw::Absent)
    }

    /// The frames of a list's elements.
    pub(in crate::mapping) fn elements(&self, first: u32, count: u32) -> impl Iterator<Item = usize> {
        let mut next = usize::try_from(first).unwrap_or(usize::MAX);
        (0..count).map(move |_| {
            let this = next;
            if let Raw::Next(base) = self.get(this, 0) {
                next = usize::try_from(base).unwrap_or(usize::MAX);
            }
            this
        })
    }

    /// Opens the frame of one more element; where it begins.
    pub(in crate::mapping) fn open(&mut self, frame: u16) -> usize {
        let base = self.slots.len();
        self.slots.resize(base + usize::from(frame), Raw::Absent);
        base
    }

    /// Puts something into a slot of a frame.
    #[inline]
    pub(in crate::mapping) fn set(&mut self, base: usize, slot: u16, raw: Raw<'a>) {
        if let Some(place) = self.slots.get_mut(base + usize::from(slot)) {
            *place = raw;
        }
    }

    /// Whether a scalar says that there is no object and no list here.
    pub(in crate::mapping) fn is_nothing(&self, raw: Raw<'_>) -> bool {
        raw == Raw::Null || self.absent.is(raw)
    }

    /// Tells that everything under a node is empty, and the lists there with it. Recursion as in [`walk`].
    pub(super) fn empty(&mut self, node: &Node, base: usize) {
        self.under(node, base, Raw::Null);
    }

    fn under(&mut self, node: &Node, base: usize, raw: Raw<'a>) {
        for each in node.lists() {
            self.set(base, each.slot, raw);
        }
        node.children().for_each(|child| self.all(child, base, raw));
    }

    /// Says the same of a node and of everything under it.
    fn all(&mut self, node: &Node, base: usize, raw: Raw<'a>) {
        for slot in node.slot.into_iter().chain(node.whole) {
            self.set(base, slot, raw);
        }
        self.under(node, base, raw);
    }

    /// Takes back what is told of a node and of everything under it: another element tells of it too.
    pub(in crate::mapping) fn doubt(&mut self, node: &Node, base: usize) {
        self.all(node, base, Raw::Absent);
        let mut doubtful = std::mem::take(&mut self.doubtful);
        node.slots(&mut |slot| doubtful.push(base + usize::from(slot)));
        self.doubtful = doubtful;
    }

    /// Whether the filters of the answer so far went through no more than they may.
    pub(in crate::mapping) fn within_budget(&self) -> Result<(), BadJson> {
        if self.left.is_overdrawn() { Err(BadJson::Work) } else { Ok(()) }
    }

    /// Whether what is written to a slot of the record's frame may not be what is read from there.
    pub(in crate::mapping) fn is_doubtful(&self, slot: u16) -> bool {
        self.doubtful.contains(&usize::from(slot))
    }

    /// Tells that a node is empty, with everything under it.
    pub(in crate::mapping) fn none(&mut self, node: &Node, base: usize) {
        self.all(node, base, Raw::Null);
    }

    /// Gives the elements of lists what they get of what holds the lists. Recursion goes down the node.
    pub(in crate::mapping) fn lift(&mut self, node: &Node, base: usize) {
        if !node.lifting {
            return;
        }
        for each in node.lists() {
            let Raw::Elements { first, count } = self.get(base, each.slot) else { continue };
            let mut frame = usize::try_from(first).unwrap_or(usize::MAX);
            for _ in 0..count {
                for (from, to) in &each.lifts {
                    self.set(frame, *to, self.get(base, *from));
                }
                self.lift(&each.node, frame);
                if let Raw::Next(next) = self.get(frame, 0) {
                    frame = usize::try_from(next).unwrap_or(usize::MAX);
                }
            }
        }
        node.children().for_each(|child| self.lift(child, base));
    }
}
