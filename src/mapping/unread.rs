//! What of an answer no line reads: native fields by their paths, never a value.
//!
//! Paths are told so that there are few of them, whatever a system sends: places of a list are all `[]`, a name that
//! looks like a value (an address, words, a number) is `*`, and a number inside a name is `#`. What stands under a field
//! that nothing reads is part of it. An annotation of the protocol is no field.
//!
//! One walk along the native tree that the reading itself goes by, so it goes no deeper than the file's own paths. It is
//! for a sample of records and for whoever writes a mapping; the road does not come by here for every record.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    listing::Listing,
    model::{Mapping, Speaks},
    native::NativeAnswer,
    path::Path,
    scan::{BadJson, Scanner},
    trial::ReadsAs,
    trie::Node,
};

/// LIMIT: paths that are told of one record.
const PATHS_MAX: usize = 200;
/// LIMIT: characters of a path.
pub(super) const PATH_CHARS_MAX: usize = 200;
/// LIMIT: characters of a name; a longer one is taken for a value.
const NAME_CHARS_MAX: usize = 64;
/// Digits in a row that are taken for a number.
const DIGITS_MIN: usize = 4;
/// LIMIT: records of a page that whoever writes a mapping is shown the paths of.
const TRIED_MAX: u32 = 100;

/// What a look at some records of an answer found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewFields {
    /// How many records were looked at.
    pub records: u32,
    /// How many of them have such fields.
    pub flawed: u32,
    /// Paths that no line reads and the file does not ignore, with how many of these records have them.
    pub paths: BTreeMap<String, u32>,
}

impl Mapping {
    /// The paths of an answer that nothing reads: as one record, or else as a page of them, or as what a write or a search
    /// is answered with. What the file ignores is left out. An answer that is read as nothing tells none: that nobody looked
    /// for a record there says nothing of its fields.
    pub fn unread(&self, body: &Bytes) -> Vec<String> {
        let answer = NativeAnswer {
            status: http::StatusCode::OK,
            headers: Default::default(),
            body: body.clone(),
            received: None,
            over: None,
        };
        let Some(walk) = self.walked_as_read(&answer) else { return Vec::new() };
        let mut record = Walked::default();
        for row in walk.rows {
            record.read.extend(row.read);
            record.unread.extend(row.unread);
        }
        let before = |path: String| format!("{}{path}", walk.before);
        let inside = record.found().filter(|path| !self.watched.covers(path)).map(before);
        let all = inside.chain(walk.around.found().filter(|path| !self.is_read_around(path)));
        all.filter(|path| !self.is_of_errors(path)).collect()
    }

    /// Walks an answer by what it reads as.
    fn walked_as_read(&self, answer: &NativeAnswer) -> Option<Walk<'_>> {
        let all: Vec<u32> = (0..TRIED_MAX).collect();
        let (envelope, rows) = match self.reads_as(answer).ok()? {
            ReadsAs::Record(_) => (self.place_of_record(), &*all),
            ReadsAs::Page(listing) => (Some(self.place_of_rows(&listing)?), &*all),
            ReadsAs::Written(action, _) => (Some(&self.write_call(action)?.rows.as_ref()?.root), &*all),
            ReadsAs::Fetched(listing) => (Some(&self.fetched_at(&listing)?.root), &*all),
            // A row is a key and whatever the search says beside it: only what is around the rows can be unread.
            ReadsAs::Keys(listing) => (Some(self.place_of_rows(&listing)?), &[][..]),
        };
        self.walked(envelope, &answer.body, rows)
    }

    /// Whether the file knows a path of a record, places of lists written as `[0]`, and does not want it.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut out = String::with_capacity(path.len());
        let mut rest = path;
        while let Some((before, (_, after))) =
            rest.split_once('[').and_then(|(a, b)| Some((a, b.split_once(']')?)))
        {
            out.push_str(before);
            out.push_str("[]");
            rest = after;
        }
        out.push_str(rest);
        self.watched.covers(&out)
    }

    /// Whether the file's errors look at what stands at a path of an answer.
    fn is_of_errors(&self, path: &str) -> bool {
        Path::parse(path).is_ok_and(|path| self.words.errors.looks_at(&path))
    }

    /// Whether records are given something of what stands around them at a path, or are headed by it.
    fn is_read_around(&self, path: &str) -> bool {
        let Ok(path) = Path::parse(path) else { return false };
        let around = self.around.as_ref().map(|around| &around.node);
        around.into_iter().chain([&self.cells.headers]).any(|node| node.at(path.steps()).is_some())
    }

    /// What some records of an answer have that no line reads and the file does not ignore: the one record, or these
    /// of a page, by their places in order. An answer that cannot be read tells nothing.
    pub fn new_fields(&self, listing: Option<&Listing>, answer: &NativeAnswer, rows: &[u32]) -> NewFields {
        let mut found = NewFields::default();
        let is_answer = listing.is_none()
            && self.words.xml.is_none()
            && self.read.as_ref().is_none_or(|call| call.rows.is_none());
        // What says how a call went stands among the record's fields where the answer is the record.
        let is_no_field = |path: &str| self.watched.covers(path) || (is_answer && self.is_of_errors(path));
        let envelope = match listing {
            None => self.place_of_record(),
            // Rows that are keys alone have no fields.
            Some(listing) => match self.place_of_rows(listing) {
                Some(place) if self.fetched_at(listing).is_none() => Some(place),
                Some(_) | None => return found,
            },
        };
        let walk = self.walked(envelope, &answer.body, rows);
        for row in walk.map(|walk| walk.rows).unwrap_or_default() {
            found.records = found.records.saturating_add(1);
            let mut is_flawed = false;
            for path in row.found().filter(|path| !is_no_field(path)) {
                *found.paths.entry(path).or_insert(0) += 1;
                is_flawed = true;
            }
            found.flawed = found.flawed.saturating_add(u32::from(is_flawed));
        }
        found
    }

    /// What the one record of an answer stands in.
    fn place_of_record(&self) -> Option<&Node> {
        match self.words.xml {
            Some(_) => self.xml.as_ref().map(|record| record.envelope()),
            None => self.read.as_ref().and_then(|call| call.rows.as_ref()).map(|rows| &rows.root),
        }
    }

    /// What the rows of a list stand in.
    fn place_of_rows(&self, listing: &Listing) -> Option<&Node> {
        self.lists.get(listing.variant).map(|call| &call.envelope)
    }

    /// Walks an answer and the wanted records in it; without an envelope it is the record.
    fn walked(&self, envelope: Option<&Node>, body: &[u8], rows: &[u32]) -> Option<Walk<'_>> {
        let mut walk = Walk {
            speaks: self.words.speaks,
            record: &self.record,
            wanted: rows.to_vec(),
            row: 0,
            rows: Vec::new(),
            before: String::new(),
            around: Walked::default(),
        };
        let mut around = Walked::default();
        match (&self.words.xml, envelope) {
            (Some(names), Some(envelope)) => walk.document(body, names, envelope, &mut around).ok()?,
            (None, Some(envelope)) => {
                walk.json(&mut Scanner::new(body).ok()?, envelope, &mut around).ok()?;
            }
            (None, None) => {
                let mut row = Walked::default();
                walk.json(&mut Scanner::new(body).ok()?, &self.record, &mut row).ok()?;
                walk.rows.push(row);
            }
            (Some(_), None) => return None,
        }
        walk.around = around;
        Some(walk)
    }
}

/// A walk through one answer.
#[derive(Debug)]
pub(super) struct Walk<'m> {
    speaks: Speaks,
    pub(super) record: &'m Node,
    /// The records that are looked at, by their places in order.
    wanted: Vec<u32>,
    row: u32,
    rows: Vec<Walked>,
    /// The way to the records, as it is written before their paths.
    before: String,
    /// What stands around the records.
    around: Walked,
}

/// What was met of one record, or of what is around them.
#[derive(Debug, Default)]
pub(super) struct Walked {
    path: String,
    /// What one element of a list is read for, all are.
    read: BTreeSet<String>,
    unread: BTreeSet<String>,
}

impl Walked {
    /// Goes to a name; how to come back.
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let back = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        push_name(name, &mut self.path);
        back
    }

    /// Goes to the elements of a list; how to come back.
    pub(super) fn enter_list(&mut self) -> usize {
        let back = self.path.len();
        self.path.push_str("[]");
        back
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Comes back.
    pub(super) fn leave(&mut self, back: usize) {
        self.path.truncate(back);
    }

    /// Something reads what stands here, or goes through it.
    pub(super) fn is_read(&mut self) {
        if !self.read.contains(&self.path) {
            self.read.insert(self.path.clone());
        }
    }

    /// Something looks at these names of what stands here.
    pub(super) fn know<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        for name in names {
            let back = self.enter(name);
            self.is_read();
            self.leave(back);
        }
    }

    /// Nothing reads what stands here. LIMIT: paths, and their length.
    pub(super) fn is_unread(&mut self) {
        if self.unread.len() < PATHS_MAX
            && self.path.chars().count() <= PATH_CHARS_MAX
            && !self.unread.contains(&self.path)
        {
            self.unread.insert(self.path.clone());
        }
    }

    /// What nothing reads.
    fn found(self) -> impl Iterator<Item = String> {
        let read = self.read;
        self.unread.into_iter().filter(move |path| !read.contains(path))
    }
}

impl Walk<'_> {
    /// A value at a node. Recursion goes down the node, never further.
    fn json(&mut self, scan: &mut Scanner<'_>, node: &Node, walked: &mut Walked) -> Result<(), BadJson> {
        match scan.peek()? {
            // A filter may read any of it.
            _ if node.whole.is_some() => scan.skip(),
            b'[' if node.is_list() => self.list(scan, node, walked),
            b'{' if node.rows => self.one_row(scan, walked),
            b'{' if !node.each.is_empty() => {
                let back = walked.enter_list();
                for each in &node.each {
                    self.object(&mut scan.clone(), &each.node, walked)?;
                }
                walked.leave(back);
                scan.skip()
            }
            b'{' if !node.keys.is_empty() || node.entries.is_some() => self.object(scan, node, walked),
            _ => scan.skip(),
        }
    }

    fn one_row(&mut self, scan: &mut Scanner<'_>, walked: &Walked) -> Result<(), BadJson> {
        if !self.next_row(&walked.path) {
            return scan.skip();
        }
        let (record, mut row) = (self.record, Walked::default());
        let done = self.json(scan, record, &mut row);
        self.end_row(row);
        done
    }

    fn object(&mut self, scan: &mut Scanner<'_>, node: &Node, walked: &mut Walked) -> Result<(), BadJson> {
        let mut more = scan.enter(b'}')?;
        while more {
            let name = scan.key()?;
            let entry = node.entry(&name);
            let back = walked.enter(if entry.is_some() { "*" } else { &name });
            match (node.find(&name), entry) {
                (Some((_, child)), _) => {
                    walked.is_read();
                    self.json(scan, child, walked)?;
                }
                (None, Some(value)) => {
                    walked.is_read();
                    match value {
                        Some(value) => self.json(scan, value, walked)?,
                        None => scan.skip()?,
                    }
                }
                (None, None) => {
                    if !self.is_annotation(&name) {
                        walked.is_unread();
                    }
                    scan.skip()?;
                }
            }
            walked.leave(back);
            more = scan.more(b'}')?;
        }
        Ok(())
    }

    /// Rows, or the elements of a list: each is met once a way in which it is read.
    fn list(&mut self, scan: &mut Scanner<'_>, node: &Node, walked: &mut Walked) -> Result<(), BadJson> {
        let back = walked.enter_list();
        let (mut at, mut more) = (0_u16, scan.enter(b']')?);
        while more {
            if node.rows {
                self.one_row(scan, walked)?;
            } else {
                for way in node.ways_of(at) {
                    self.json(&mut scan.clone(), way, walked)?;
                }
                walked.know(node.known_by());
                scan.skip()?;
            }
            at = at.saturating_add(1);
            more = scan.more(b']')?;
        }
        walked.leave(back);
        Ok(())
    }

    /// Whether the next row is looked at.
    pub(super) fn next_row(&mut self, path: &str) -> bool {
        let row = self.row;
        self.row = self.row.saturating_add(1);
        if self.before.is_empty() && !path.is_empty() {
            self.before = format!("{path}.");
        }
        self.wanted.contains(&row)
    }

    /// Keeps what was met of a row.
    pub(super) fn end_row(&mut self, row: Walked) {
        self.rows.push(row);
    }

    /// What the protocol says of a field or a record is no field of it.
    fn is_annotation(&self, name: &str) -> bool {
        match self.speaks {
            Speaks::Json | Speaks::Xml => false,
            Speaks::Odata4 => name.contains('@'),
            Speaks::Odata2 => name.starts_with("__"),
        }
    }
}

/// A name as paths have it. What looks like a value is none: it may be somebody's.
fn push_name(name: &str, out: &mut String) {
    let usual = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$' | '#');
    let (mark, rest) = match name.strip_prefix('@') {
        Some(rest) => ("@", rest),
        None => ("", name),
    };
    let has_letter = rest.chars().any(char::is_alphabetic) || rest == "#";
    if !has_letter || rest.chars().count() > NAME_CHARS_MAX || !rest.chars().all(usual) {
        return out.push('*');
    }
    out.push_str(mark);
    let mut digits = String::new();
    for c in rest.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() < DIGITS_MIN { &digits } else { "#" });
        digits.clear();
        match c {
            '\0' => {}
            '.' => out.push_str("\\."),
            c => out.push(c),
        }
    }
}
