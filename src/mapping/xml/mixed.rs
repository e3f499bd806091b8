//! Lists that are read in more than one way, as of JSON: each element is read once a way.

use std::borrow::Cow;

use super::{
    BadXml,
    reader::Event,
    walk::{OnRow, Walker},
};
use crate::mapping::trie::{Node, Raws};

/// What an element says of itself.
enum Says<'a> {
    /// This.
    Text(Cow<'a, str>),
    /// Nothing that could be a text.
    Nothing,
    /// It is left out.
    Untold,
}

impl<'a, 'n> Walker<'a, 'n> {
    /// The next element of such a list, of which `count` were there before. `counters` is where the list's begin.
    pub(super) fn mixed(
        &mut self,
        node: &Node,
        counters: usize,
        count: u32,
        base: usize,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<(), BadXml> {
        let mut at = counters;
        for each in &node.each {
            let seen = self.seen.get(at).copied().unwrap_or_default();
            let next = self.again().item(each, seen, base, raws, on_row)?;
            if let Some(seen) = self.seen.get_mut(at) {
                *seen = next;
            }
            at += 1;
        }
        if let Some(item) = u16::try_from(count).ok().and_then(|at| node.items.get(&at)) {
            self.again().element(item, base, raws, on_row)?;
        }
        for find in &node.finds {
            match self.again().said(&find.key, raws)? {
                Says::Text(text) => {
                    for (n, (_, child)) in find.is.iter().enumerate().filter(|(_, (is, _))| **is == *text) {
                        match self.count(at + n) {
                            1 => self.again().element(child, base, raws, on_row).map(drop)?,
                            _ => raws.doubt(child, base),
                        }
                    }
                }
                Says::Nothing => {}
                // INVARIANT: the counter behind those of the texts is of elements that do not tell.
                Says::Untold => drop(self.count(at + find.is.len())),
            }
            at += find.is.len() + 1;
        }
        self.skip()
    }

    /// Tells of what no element of a list says, where all of them tell.
    pub(super) fn unfound(&self, node: &Node, counters: usize, base: usize, raws: &mut Raws<'a>) {
        let count = |at: usize| self.seen.get(at).map_or(0, |seen| seen.count);
        let mut at = counters + node.each.len();
        for find in &node.finds {
            let is_untold = count(at + find.is.len()) > 0;
            for (n, (_, child)) in find.is.iter().enumerate() {
                if count(at + n) == 0 && !is_untold {
                    raws.none(child, base);
                }
            }
            at += find.is.len() + 1;
        }
    }

    /// The same place once more.
    fn again(&self) -> Self {
        Self { reader: self.reader.clone(), seen: Vec::new() }
    }

    fn count(&mut self, at: usize) -> u32 {
        let Some(seen) = self.seen.get_mut(at) else { return 0 };
        seen.count = seen.count.saturating_add(1);
        seen.count
    }

    /// What the element just begun says by one name: an attribute, its own text, or an element of texts.
    fn said(&mut self, name: &str, raws: &mut Raws<'a>) -> Result<Says<'a>, BadXml> {
        if let Some(name) = name.strip_prefix('@') {
            let same = self.reader.attributes().find(|(key, _)| **key == *name);
            return Ok(same.map_or(Says::Untold, |(_, raw)| raw.text().map_or(Says::Nothing, Says::Text)));
        }
        if name == "#" {
            return self.words();
        }
        let mut says = Says::Untold;
        while self.reader.next()? == Event::Start {
            if self.reader.name().is_some_and(|key| *key == *name) {
                raws.twice |= !matches!(says, Says::Untold);
                says = self.words()?;
            } else {
                self.reader.skip()?;
            }
        }
        Ok(says)
    }

    /// The text of the element just begun, up to its end.
    fn words(&mut self) -> Result<Says<'a>, BadXml> {
        let (from, mut is_parent) = (self.reader.here(), self.reader.take_nil());
        while self.reader.next()? == Event::Start {
            is_parent = true;
            self.reader.skip()?;
        }
        Ok(match is_parent {
            true => Says::Nothing,
            false => self.reader.content(from).text().map_or(Says::Nothing, Says::Text),
        })
    }
}
