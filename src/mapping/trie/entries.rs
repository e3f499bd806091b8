//! Objects whose names are free: each is an element of a list, read into a frame of its own.

use super::{
    super::{
        entries::{NAME, Named, Names, VALUE},
        path::Step,
        scan::{BadJson, Raw, Scanner},
    },
    ELEMENTS_MAX, Each, Frame, Node, OnRow, Raws,
};

/// The elements of an object.
#[derive(Debug)]
pub(in crate::mapping) struct Entries {
    pub(in crate::mapping) each: Each,
    pub(in crate::mapping) names: Names,
    /// Where an element's frame keeps its name.
    pub(in crate::mapping) name: u16,
}

impl Entries {
    /// What is read of what stands under a name.
    pub(in crate::mapping) fn value(&self) -> Option<&Node> {
        self.each.node.find(VALUE).map(|(_, node)| node)
    }
}

impl Frame {
    /// The slot of an element's name, in the frame of an element.
    pub(in crate::mapping) fn name(&mut self) -> u16 {
        self.slot(&[Step::Key(NAME.into())])
    }

    /// Makes the object at a path one whose names are elements; `None` when it is read as such, or as a list, already.
    pub(in crate::mapping) fn entries(
        &mut self,
        steps: &[Step],
        names: Names,
        mut element: Self,
    ) -> Option<u16> {
        let name = element.name();
        let each = self.each_of(String::new(), element);
        let (slot, node) = (each.slot, self.root.reach(steps));
        if node.entries.is_some() || node.rows || !node.each.is_empty() {
            return None;
        }
        node.entries = Some(Box::new(Entries { each, names, name }));
        Some(slot)
    }
}

impl Node {
    /// What is read under a name that is an element's; none where it is no element's.
    pub(in crate::mapping) fn entry(&self, name: &str) -> Option<Option<&Self>> {
        let entries = self.entries.as_deref().filter(|_| self.find(name).is_none())?;
        entries.names.within(name).map(|_| entries.value())
    }

    /// A name that a line reads of an object although it is that of an element, in a tree under construction.
    pub(in crate::mapping) fn claimed(&self) -> Option<&str> {
        let taken = |entries: &Entries| {
            self.named.keys().find(|key| entries.names.within(key).is_some()).map(|key| &**key)
        };
        let own = self.entries.as_deref().and_then(taken);
        let lists = self.each.iter().map(|each| &each.node);
        let found = self.finds.iter().flat_map(|find| &find.is).map(|(_, child)| child);
        let mut under = self.named.values().chain(self.items.values()).chain(lists).chain(found);
        own.or_else(|| under.find_map(Self::claimed))
    }
}

/// Reads an object whose names are elements. A list with nothing in it is how some systems write one without any.
pub(super) fn walk<'a>(
    scan: &mut Scanner<'a>,
    (node, entries): (&'a Node, &'a Entries),
    list: bool,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    if list {
        let is_empty = !scan.clone().enter(b']')?;
        let none = Raw::Elements { first: 0, count: 0 };
        raws.set(base, entries.each.slot, if is_empty { none } else { Raw::Array });
        return scan.skip();
    }
    let narrow = |n: usize| u32::try_from(n).map_err(|_| BadJson::TooMany);
    let (mut first, mut count, mut last, mut seen) = (0, 0, None, 0_u128);
    let did_repeat = raws.repeats;
    let mut more = scan.enter(b'}')?;
    while more {
        let label = scan.label()?;
        let text = label.text().ok_or_else(|| scan.bad())?;
        match (node.find(&text), entries.names.of(label)) {
            (Some((at, child)), _) => {
                let bit = 1_u128.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
                raws.twice |= seen & bit != 0;
                seen |= bit;
                super::walk(scan, child, base, raws, on_row)?;
            }
            (None, Named::Element(name)) => {
                raws.elements += 1;
                if raws.elements > ELEMENTS_MAX {
                    return Err(BadJson::TooMany);
                }
                let frame = raws.open(entries.each.frame);
                match last {
                    None => first = narrow(frame)?,
                    Some(last) => raws.set(last, 0, Raw::Next(narrow(frame)?)),
                }
                last = Some(frame);
                count += 1;
                raws.set(frame, entries.name, name);
                match entries.value() {
                    Some(value) => super::walk(scan, value, frame, raws, on_row)?,
                    None => scan.skip()?,
                }
                raws.repeats = true;
            }
            (None, Named::Other) => scan.skip()?,
            (None, Named::Unclear) => return Err(scan.bad()),
        }
        more = scan.more(b'}')?;
    }
    raws.repeats = did_repeat;
    raws.set(base, entries.each.slot, Raw::Elements { first, count });
    Ok(())
}
