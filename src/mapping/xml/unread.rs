//! What of a document no line reads: the walk of JSON, along elements and attributes.

use std::collections::HashMap;

use super::{
    BadXml, Names,
    reader::{Event, Reader},
};
use crate::mapping::{
    trie::Node,
    unread::{Walk, Walked},
};

impl Walk<'_> {
    /// A whole document along a node, whose one name is the root's.
    pub(in crate::mapping) fn document(
        &mut self,
        body: &[u8],
        names: &Names,
        envelope: &Node,
        walked: &mut Walked,
    ) -> Result<(), BadXml> {
        let mut reader = Reader::new(body, names)?;
        if reader.next()? != Event::Start {
            return Err(reader.bad());
        }
        if let Some(soap) = names.soap
            && !soap.reach_body(&mut reader)?
        {
            return Ok(());
        }
        self.child(&mut reader, envelope, &mut HashMap::new(), walked)
    }

    /// The element just begun, up to its end. Recursion goes down the node, never further.
    fn element(
        &mut self,
        reader: &mut Reader<'_, '_>,
        node: &Node,
        walked: &mut Walked,
    ) -> Result<(), BadXml> {
        let attributes: Vec<String> = reader.attributes().map(|(name, _)| format!("@{name}")).collect();
        for name in &attributes {
            let back = walked.enter(name);
            match node.find(name) {
                Some(_) => walked.is_read(),
                None => walked.is_unread(),
            }
            walked.leave(back);
        }
        if !node.has_elements() {
            return reader.skip();
        }
        let mut seen = HashMap::new();
        while reader.next()? == Event::Start {
            self.child(reader, node, &mut seen, walked)?;
        }
        Ok(())
    }

    /// An element just begun, under its parent's node; `seen` counts those of a name, as far as the node knows it.
    fn child(
        &mut self,
        reader: &mut Reader<'_, '_>,
        parent: &Node,
        seen: &mut HashMap<usize, u16>,
        walked: &mut Walked,
    ) -> Result<(), BadXml> {
        // One of another namespace is not of this language.
        let Some(name) = reader.name() else { return reader.skip() };
        let entry = parent.entry(&name);
        let back = walked.enter(if entry.is_some() { "*" } else { &name });
        let done = match parent.find(&name) {
            Some((at, node)) => {
                let count = seen.entry(at).or_insert(0);
                let place = *count;
                *count = count.saturating_add(1);
                walked.is_read();
                self.known(reader, node, place, walked)
            }
            None => match entry {
                Some(value) => {
                    walked.is_read();
                    match value {
                        Some(value) => self.element(reader, value, walked),
                        None => reader.skip(),
                    }
                }
                None => {
                    walked.is_unread();
                    reader.skip()
                }
            },
        };
        walked.leave(back);
        done
    }

    /// An element that a line goes to or through.
    fn known(
        &mut self,
        reader: &mut Reader<'_, '_>,
        node: &Node,
        place: u16,
        walked: &mut Walked,
    ) -> Result<(), BadXml> {
        if !node.is_list() {
            return self.element(reader, node, walked);
        }
        let back = walked.enter_list();
        if node.rows {
            self.xml_row(reader, walked)?;
        } else {
            for way in node.ways_of(place) {
                self.element(&mut reader.clone(), way, walked)?;
            }
            walked.know(node.known_by());
            reader.skip()?;
        }
        walked.leave(back);
        Ok(())
    }

    fn xml_row(&mut self, reader: &mut Reader<'_, '_>, walked: &Walked) -> Result<(), BadXml> {
        if !self.next_row(walked.path()) {
            return reader.skip();
        }
        let (record, mut row) = (self.record, Walked::default());
        let done = self.element(reader, record, &mut row);
        self.end_row(row);
        done
    }
}
