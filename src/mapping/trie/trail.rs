//! The names of an object as another one of its kind had them: where objects repeat, the next name is mostly the one
//! that came next the last time, and is known by one comparison.
//!
//! A guess is only ever taken for the very bytes that were looked up before, at the same node; whatever else stands
//! there is looked up. So what is read is the same with and without one.

use std::borrow::Cow;

use super::{
    super::scan::{BadJson, Scanner},
    Node, Raws, is_same,
};

/// LIMIT: most names that are kept of one object.
const NAMES_MAX: usize = 256;

/// The names of the last object at a node, in their order.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    node: &'a Node,
    names: Vec<Met<'a>>,
    /// The place of the next name.
    next: usize,
    /// Names of this object that were not as they were to be.
    misses: usize,
}

/// A name that was met.
#[derive(Debug)]
struct Met<'a> {
    /// As it stood in the input, from its quote to its colon.
    spelt: &'a [u8],
    child: Option<(usize, &'a Node)>,
}

impl<'a> Raws<'a> {
    /// What is known of objects at a node, where they repeat.
    #[inline]
    pub(super) fn trail(&mut self, node: &'a Node) -> Option<Trail<'a>> {
        if !self.repeats {
            return None;
        }
        let known = self.trails.iter().position(|trail| std::ptr::eq(trail.node, node));
        Some(match known {
            Some(at) => self.trails.swap_remove(at),
            None => Trail { node, names: Vec::new(), next: 0, misses: 0 },
        })
    }

    /// Keeps what an object has told.
    #[inline]
    pub(super) fn keep(&mut self, trail: Option<Trail<'a>>) {
        let Some(mut trail) = trail else { return };
        if trail.misses > trail.names.len() / 2 {
            trail.names.clear();
        }
        (trail.next, trail.misses) = (0, 0);
        self.trails.push(trail);
    }
}

impl<'a> Trail<'a> {
    /// Steps over the next name; the child that it is of.
    #[inline]
    pub(super) fn name(&mut self, scan: &mut Scanner<'a>) -> Result<Option<(usize, &'a Node)>, BadJson> {
        scan.peek()?;
        // The one that is due, or the one behind it: systems leave out what is empty.
        for at in self.next..self.next.saturating_add(2) {
            let Some(met) = self.names.get(at) else { break };
            if scan.pass_if(met.spelt.len(), |bytes| is_same(bytes, met.spelt)) {
                self.next = at + 1;
                return Ok(met.child);
            }
        }
        self.other(scan)
    }

    /// A name that was not due.
    fn other(&mut self, scan: &mut Scanner<'a>) -> Result<Option<(usize, &'a Node)>, BadJson> {
        let mark = scan.clone();
        let key = scan.name()?;
        let child = self.node.find_name(&key);
        let spelt = scan.since(&mark);
        match key {
            // Its quotes and its colon stand beside it.
            Cow::Borrowed(key)
                if self.next == self.names.len()
                    && self.next < NAMES_MAX
                    && spelt.len() == key.len().saturating_add(3) =>
            {
                self.names.push(Met { spelt, child });
                self.next += 1;
            }
            Cow::Borrowed(_) | Cow::Owned(_) => self.misses += 1,
        }
        Ok(child)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mapping::{
        path::Path,
        trie::{Frame, walk},
    };

    /// Names as they are spelt in JSON; the last one is `a` once more.
    const NAMES: [&str; 8] = [
        "a",
        "ab",
        "ac",
        "documentId",
        "documentNo",
        "a_name_of_more_than_sixteen_bytes",
        "a_name_of_more_than_thirty-two_bytes",
        "\\u0061",
    ];
    const READ: [&str; 5] = [
        "a",
        "ac",
        "documentNo",
        "a_name_of_more_than_sixteen_bytes",
        "a_name_of_more_than_thirty-two_bytes",
    ];

    /// What is read of each element of a list, and whether a name stood twice.
    fn read(list: &str) -> Result<(Vec<Vec<Option<String>>>, bool), BadJson> {
        let (mut frame, mut element) = (Frame::default(), Frame::default());
        let slots = READ.map(|name| element.slot(Path::parse(name).unwrap().steps()));
        let each = frame.each(&[], "", element).unwrap();
        assert!(frame.finish());
        let mut raws = Raws::default();
        raws.restart(frame.slots);
        walk(&mut Scanner::new(list.as_bytes())?, &frame.root, 0, &mut raws, &mut |scan| scan.skip())?;
        let crate::mapping::scan::Raw::Elements { first, count } = raws.get(0, each) else {
            panic!("{list}")
        };
        let text = |frame, slot| raws.get(frame, slot).text().map(Cow::into_owned);
        let told = raws.elements(first, count).map(|at| slots.map(|slot| text(at, slot)).to_vec());
        Ok((told.collect(), raws.twice))
    }

    fn objects() -> impl Strategy<Value = Vec<String>> {
        let name = (0..NAMES.len(), prop_oneof![9 => Just(""), 1 => Just(" ")], 0..100_u32);
        let member = name.prop_map(|(at, blank, n)| format!("\"{}\"{blank}:{n}", NAMES[at]));
        // Mostly in one order, with some left out and some put in between.
        let usual = proptest::collection::vec(prop_oneof![4 => Just(true), 1 => Just(false)], 7);
        let object =
            (usual, proptest::collection::vec((0..8_usize, member), 0..3)).prop_map(|(usual, more)| {
                let is_there = |(_, is): &(&&str, bool)| *is;
                let names = NAMES.iter().zip(usual).filter(is_there);
                let mut members: Vec<_> =
                    names.enumerate().map(|(n, (name, _))| format!("\"{name}\":{n}")).collect();
                for (at, member) in more {
                    members.insert(at.min(members.len()), member);
                }
                format!("{{{}}}", members.join(","))
            });
        proptest::collection::vec(object, 0..12)
    }

    proptest! {
        #[test]
        fn objects_beside_others_read_as_each_reads_alone(objects in objects()) {
            let mut alone = (Vec::new(), false);
            for object in &objects {
                let (told, twice) = read(&format!("[{object}]")).unwrap();
                alone.0.extend(told);
                alone.1 |= twice;
            }
            prop_assert_eq!(read(&format!("[{}]", objects.join(","))).unwrap(), alone);
        }
    }

    #[test]
    fn more_names_than_are_kept_are_read_all_the_same() {
        let fill: String = (0..2 * NAMES_MAX).map(|n| format!("\"x{n}\":0,")).collect();
        let object = |n: u32| format!("{{{fill}\"ac\":{n},\"a\":{n}}}");
        let (told, twice) = read(&format!("[{},{},{}]", object(1), object(2), object(3))).unwrap();
        let wanted = |n: &str| vec![Some(n.to_owned()), Some(n.to_owned()), None, None, None];
        assert_eq!((told, twice), (vec![wanted("1"), wanted("2"), wanted("3")], false));
    }

    #[test]
    fn what_is_no_name_is_refused_where_one_is_due() {
        for bad in [
            "[{\"a\":1},{\"a\":1},{\"a:1}]",
            "[{\"a\":1},{\"a\":1},{\"a\" 1}]",
            "[{\"a\":1},{\"a\":1},{\"a\":}]",
            "[{\"a\":1},{\"a\":1},{",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
