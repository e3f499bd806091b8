//! Records that ids name: each system that has some of them is asked for several at the same time.

use compact_str::CompactString;

use super::{
    super::{ids, reading},
    List,
};
use crate::{config::EntitySource, mapping::Inward, refusal::Refusal};

/// Records that are wanted of a system: the place of each among all, and its key.
type Held<'a> = (&'a EntitySource, Vec<usize>, Vec<CompactString>);

impl<'a> List<'a> {
    /// The records of some ids that the caller asks for and statements can be judged on, in this order. What a system
    /// does not have is left out.
    pub(super) async fn named(&mut self, wanted: &[&CompactString]) -> Result<Vec<Inward>, Refusal> {
        let mut found = Vec::with_capacity(wanted.len());
        for (source, places, keys) in self.held(wanted).await? {
            self.give(source);
            let asked = (&self.fetched, &self.must);
            let rows = reading::several(self.exchange, self.admission, source, &keys, asked).await?;
            for (at, row) in places.into_iter().zip(rows) {
                found.extend(row.and_then(|row| self.fits(Ok(row))).map(|row| (at, row)));
            }
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// Which system has which of them.
    async fn held(&self, wanted: &[&CompactString]) -> Result<Vec<Held<'a>>, Refusal> {
        let mut held: Vec<Held<'a>> = Vec::new();
        for (at, id) in wanted.iter().enumerate() {
            let (source, key) = match ids::source(self.exchange, self.sources, id).await {
                Ok(found) => found,
                Err(Refusal::NoSuchRecord) => continue,
                Err(refusal) => return Err(refusal),
            };
            match held.iter_mut().find(|(known, ..)| std::ptr::eq(*known, source)) {
                Some((_, places, keys)) => {
                    places.push(at);
                    keys.push(key);
                }
                None => held.push((source, vec![at], vec![key])),
            }
        }
        Ok(held)
    }
}
