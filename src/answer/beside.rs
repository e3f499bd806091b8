//! What stands beside the records of an answer, told inside each of them under `included`.
//!
//! A record that stands beside several is told with each. What was cut says so, and what could not be had says why;
//! it is never told as an empty list.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    encoded,
    lack::{self, Lack},
};
use crate::{
    quota::Exposed,
    refusal::Refusal,
    schema::{json, load::INCLUDED},
    words::RequestId,
};

/// What stands beside the records of an answer, in the order it was asked for.
#[derive(Debug, Default)]
pub struct Beside(Vec<Around>);

/// One collection of it.
#[derive(Debug)]
pub struct Around {
    /// As the caller named it.
    pub name: Arc<str>,
    /// What was found, or the problem document of why it could not be.
    pub found: Result<Gathered, Vec<u8>>,
}

/// Records that stand beside others.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Each of them as it is told.
    items: Vec<Bytes>,
    /// Of each record of the answer, those that stand beside it, and whether there may be more.
    of: Vec<(Vec<usize>, bool)>,
    /// What they lack.
    pub lacks: Vec<Lack>,
}

impl Beside {
    /// Puts collections together.
    pub fn new(around: Vec<Around>) -> Self {
        Self(around)
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes what stands beside the record of that number into it; the record has just been written.
    pub(super) fn write_into(&self, record: usize, out: &mut Vec<u8>) {
        if self.0.is_empty() || out.pop() != Some(b'}') {
            return;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        json::text(INCLUDED, out);
        out.extend_from_slice(b":{");
        for (n, around) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            json::text(&around.name, out);
            out.push(b':');
            match &around.found {
                Ok(gathered) => gathered.write(record, out),
                Err(problem) => {
                    out.extend_from_slice(b"{\"problem\":");
                    out.extend_from_slice(problem);
                    out.push(b'}');
                }
            }
        }
        out.extend_from_slice(b"}}");
    }
}

impl Around {
    /// What could not be had, and the entry that says why.
    pub fn failed(name: Arc<str>, refusal: &Refusal, entry: RequestId) -> Self {
        Self { name, found: Err(refusal.problem(refusal.status(), entry)) }
    }
}

impl Gathered {
    /// Room for what stands beside so many records.
    pub fn new(records: usize) -> Self {
        Self { items: Vec::new(), of: vec![(Vec::new(), false); records], lacks: Vec::new() }
    }

    /// Takes a record in.
    pub fn add(&mut self, exposed: &Exposed) -> usize {
        self.items.push(encoded(exposed.shown()));
        self.items.len() - 1
    }

    /// How many stand beside a record of the answer.
    pub fn count(&self, record: usize) -> usize {
        self.of.get(record).map_or(0, |(items, _)| items.len())
    }

    /// Puts an item beside a record of the answer.
    pub fn put(&mut self, record: usize, item: usize) {
        if let Some((items, _)) = self.of.get_mut(record) {
            items.push(item);
        }
    }

    /// There may be more beside a record than is told.
    pub fn cut(&mut self, record: usize) {
        if let Some((_, cut)) = self.of.get_mut(record) {
            *cut = true;
        }
    }

    /// All that was taken in, as one text: what the entry of its own is about.
    pub fn bytes(&self) -> Bytes {
        self.items.iter().flatten().copied().collect()
    }

    fn write(&self, record: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"items\":[");
        let (items, cut) =
            self.of.get(record).map_or((&[][..], true), |(items, cut)| (items.as_slice(), *cut));
        for (n, item) in items.iter().filter_map(|item| self.items.get(*item)).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
        out.push(b']');
        if cut {
            out.extend_from_slice(b",\"truncated\":true");
        }
        out.push(b'}');
        lack::write_into(&self.lacks, out);
    }
}
