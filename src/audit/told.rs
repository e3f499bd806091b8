//! What an exchange has told so far that comes in sets: statements, records, fields, subjects, calls. Each is
//! bounded; what is beyond its bound is counted.

use std::{collections::HashMap, fmt::Display, sync::Arc};

use compact_str::format_compact;
use foldhash::fast::RandomState;
use memchr::memmem;
use smallvec::SmallVec;

use super::{
    entry::Withheld,
    judged::{Came, Marks, Masks, Rows},
    keys::{JournalKeys, KeyedDigest},
    lane::Durability,
    text,
};
use crate::{
    policy::{Detail, Openness},
    schema::{Class, Entity, FieldSet, LeafId, Record, value},
    words::{StatementId, SystemName},
};

/// LIMIT: records and subjects that one entry names; the rest is counted.
const NAMED_MAX: usize = 1_000;
/// LIMIT: statements one entry names.
const STATEMENTS_MAX: usize = 64;
/// LIMIT: different sets of fields one entry tells apart; the last one takes in the rest.
const GROUPS_MAX: usize = 16;
/// LIMIT: calls to systems one entry tells one by one.
const CALLS_MAX: usize = 64;
/// LIMIT: bytes of notes, and of attributes that statements read.
/// LIMIT: values of one leaf of one record that are noted as read.
const VALUES_MAX: usize = 32;
const NOTES_BYTES_MAX: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 16 * 1024;

/// How what statements read is written: from 2 on with the rows that say which record had which value.
const READ_VERSION: u64 = 2;

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) detail: Detail,
    pub(super) reason: Option<&'static str>,
    /// The least the answer must survive: synced once an intent was written.
    pub(super) durability: Durability,
    statements: SmallVec<[StatementId; 4]>,
    entity: Option<Arc<Entity>>,
    groups: SmallVec<[Group; 1]>,
    shown_named: usize,
    touched: Named,
    subjects: Named,
    changed: Vec<u8>,
    personal: bool,
    confidential: bool,
    withheld: [u64; 4],
    calls: SmallVec<[Call; 1]>,
    calls_more: u64,
    notes: Vec<u8>,
    read_names: Vec<u8>,
    read_values: Vec<u8>,
    /// Names and values noted already, and their places: records of a list mostly have the same. LIMIT: by
    /// `READ_BYTES_MAX`.
    read_once: HashMap<Box<[u8]>, u32, RandomState>,
    rows: Rows,
}

/// Records that were shown with the same fields in the same way.
struct Group {
    fields: FieldSet,
    masks: Masks,
    /// Others were taken in, for want of room.
    is_mixed: bool,
    records: SmallVec<[KeyedDigest; 1]>,
    more: u64,
}

#[derive(Default)]
struct Named {
    digests: SmallVec<[KeyedDigest; 2]>,
    more: u64,
}

struct Call {
    system: SystemName,
    status: Option<u16>,
    micros: u64,
    bytes_out: u64,
    bytes_in: u64,
}

impl Told {
    pub(super) fn decided(&mut self, statements: &[StatementId], detail: Detail) {
        self.detail = self.detail.max(detail);
        for statement in statements {
            if self.statements.len() < STATEMENTS_MAX && !self.statements.contains(statement) {
                self.statements.push(statement.clone());
            }
        }
    }

    pub(super) fn touched(&mut self, record: KeyedDigest) {
        self.touched.insert(record);
    }

    pub(super) fn subject(&mut self, subject: KeyedDigest) {
        self.subjects.insert(subject);
    }

    pub(super) fn changed(&mut self, entity: &Entity, fields: FieldSet) {
        self.changed.clear();
        field_names(&mut self.changed, "changed", entity, fields);
    }

    pub(super) fn shown(
        &mut self,
        keys: &JournalKeys,
        entity: &Arc<Entity>,
        (fields, masks): (FieldSet, &[(LeafId, Openness)]),
        id: &str,
    ) {
        let digest = keys.digest(entity.name.as_str(), id);
        for leaf in fields.iter().filter_map(|leaf| entity.leaf(leaf)) {
            match leaf.class {
                Class::Public | Class::Internal => {}
                Class::Confidential => self.confidential = true,
                Class::Personal | Class::Secret => self.personal = true,
            }
            // Whom a reference names is told by who has the record as it is: here it is struck and masked.
            if leaf.subject.as_ref().is_some_and(|subject| subject.as_str() == "self") {
                self.subjects.insert(digest);
            }
        }
        self.entity.get_or_insert_with(|| entity.clone());
        let known = self.groups.iter().position(|group| group.fields == fields && *group.masks == *masks);
        let position = known.unwrap_or_else(|| {
            if self.groups.len() < GROUPS_MAX {
                self.groups.push(Group {
                    fields,
                    masks: masks.into(),
                    is_mixed: false,
                    records: SmallVec::new(),
                    more: 0,
                });
            }
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(position) {
            group.is_mixed |= group.fields != fields || *group.masks != *masks;
            group.fields = group.fields.union(&fields);
            if self.shown_named < NAMED_MAX {
                self.shown_named += 1;
                group.records.push(digest);
            } else {
                group.more += 1;
            }
        }
    }

    pub(super) fn withheld(&mut self, count: u64, why: Withheld) {
        let [denied, erring, unfit, spent] = &mut self.withheld;
        match why {
            Withheld::Denied => *denied += count,
            Withheld::Erring => *erring += count,
            Withheld::Unfit => *unfit += count,
            Withheld::Spent => *spent += count,
        }
    }

    pub(super) fn system(
        &mut self,
        name: &SystemName,
        status: Option<u16>,
        micros: u64,
        out: u64,
        back: u64,
    ) {
        if self.calls.len() < CALLS_MAX {
            self.calls.push(Call { system: name.clone(), status, micros, bytes_out: out, bytes_in: back });
        } else {
            self.calls_more += 1;
        }
    }

    /// What is noted twice is written once.
    pub(super) fn note(&mut self, key: &'static str, value: impl Display) {
        let mut noted = Vec::new();
        pair(&mut noted, key, value);
        if self.notes.len() < NOTES_BYTES_MAX && memmem::find(&self.notes, &noted).is_none() {
            append(&mut self.notes, &noted);
        }
    }

    /// A name stands once, beside all the values that were read of it. The place of this one, where there is room.
    pub(super) fn read(&mut self, name: &str, value: impl Display) -> Option<u32> {
        let mut read = Vec::new();
        pair(&mut read, name, value);
        if let Some(place) = self.read_once.get(&*read) {
            return Some(*place);
        }
        if self.read_values.len() >= READ_BYTES_MAX {
            return None;
        }
        append(&mut self.read_values, &read);
        let place = u32::try_from(self.read_once.len()).ok()?;
        self.read_once.insert(read.into(), place);
        let mut quoted = Vec::new();
        text::quoted(&mut quoted, name);
        if memmem::find(&self.read_names, &quoted).is_none() {
            append(&mut self.read_names, &quoted);
        }
        Some(place)
    }

    /// What statements read of a leaf of a record.
    pub(super) fn read_leaf(
        &mut self,
        entity: &Entity,
        leaf: LeafId,
        record: &Record,
        prefix: &str,
        marks: &mut Marks,
    ) {
        let Some(path) = entity.leaf(leaf).map(|leaf| leaf.path.as_str()) else { return };
        let mut texts: SmallVec<[Vec<u8>; 1]> = SmallVec::new();
        let mut is_whole = true;
        record.each(entity, leaf, &mut |value| {
            is_whole &= texts.len() < VALUES_MAX;
            if texts.len() < VALUES_MAX {
                let mut text = Vec::new();
                value::print(value, &mut text);
                is_whole &= text.len() <= text::TEXT_CHARS_MAX;
                texts.push(text);
            }
        });
        if texts.is_empty() {
            texts.push(Vec::new());
        }
        let name = format_compact!("{prefix}{path}");
        let places: SmallVec<[Option<u32>; 1]> =
            texts.iter().map(|text| self.read(&name, String::from_utf8_lossy(text))).collect();
        // Half of a set is none that could be judged.
        if is_whole && places.iter().all(Option::is_some) {
            marks.extend(places.into_iter().flatten());
        }
    }

    /// A record is judged that has the values at these places.
    pub(super) fn judged(&mut self, marks: Marks) {
        self.rows.judged(marks);
    }

    /// What came of the record that was judged last.
    pub(super) fn came(&mut self, came: Came) {
        self.rows.came(came);
    }

    /// What statements read, and of which record, for the sealed part.
    pub(super) fn read_values(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.read_values.len() + 64);
        if !self.read_values.is_empty() {
            text::number(&mut out, "read_version", READ_VERSION);
            text::key(&mut out, "read");
            out.push(b'[');
            out.extend_from_slice(&self.read_values);
            out.push(b']');
        }
        let group = |fields: &FieldSet, masks: &Masks| {
            let of = |group: &Group| group.fields == *fields && group.masks == *masks && !group.is_mixed;
            self.groups.iter().position(of)
        };
        self.rows.render(&mut out, group);
        out
    }

    /// Whether a personal, confidential or secret leaf was shown.
    pub(super) fn is_sensitive(&self) -> bool {
        self.personal || self.confidential
    }

    pub(super) fn wrote_intent(&mut self) {
        self.durability = Durability::Synced;
    }

    /// All of it as fields of a leaf.
    pub(super) fn render(&self, out: &mut Vec<u8>) {
        if let Some(reason) = self.reason {
            text::text(out, "refusal", reason);
        }
        if !self.statements.is_empty() {
            text::texts(out, "decided", self.statements.iter().map(StatementId::as_str));
        }
        match self.detail {
            Detail::Standard => {}
            Detail::BodyDigest => text::text(out, "detail", "body-digest"),
        }
        if let Some(entity) = &self.entity {
            text::key(out, "shown");
            text::array(out, &self.groups, |out, group| group.render(out, entity));
            let classes = [("personal", self.personal), ("confidential", self.confidential)];
            text::texts(out, "classes", classes.iter().filter(|(_, shown)| *shown).map(|(name, _)| *name));
        }
        self.touched.render(out, "records");
        self.subjects.render(out, "subjects");
        out.extend_from_slice(&self.changed);
        for (name, count) in ["withheld_denied", "withheld_erring", "withheld_unfit", "withheld_spent"]
            .iter()
            .zip(self.withheld)
        {
            if count > 0 {
                text::number(out, name, count);
            }
        }
        if !self.calls.is_empty() {
            text::key(out, "calls");
            text::array(out, &self.calls, |out, call| call.render(out));
        }
        if self.calls_more > 0 {
            text::number(out, "calls_more", self.calls_more);
        }
        for (name, list) in [("notes", &self.notes), ("read", &self.read_names)] {
            if !list.is_empty() {
                text::key(out, name);
                out.push(b'[');
                out.extend_from_slice(list);
                out.push(b']');
            }
        }
    }
}

impl Group {
    fn render(&self, out: &mut Vec<u8>, entity: &Entity) {
        let start = out.len();
        field_names(out, "fields", entity, self.fields);
        brace(out, start);
        let masks = self.masks.iter().filter_map(|(leaf, openness)| Some((entity.leaf(*leaf)?, openness)));
        if !self.masks.is_empty() {
            text::key(out, "masks");
            text::array(out, masks, |out, (leaf, openness)| {
                pair(out, leaf.path.as_str(), openness.as_str());
            });
        }
        text::key(out, "records");
        text::array(out, &self.records, |out, record| text::quoted_hex(out, &record.0));
        if self.more > 0 {
            text::number(out, "more", self.more);
        }
        out.push(b'}');
    }
}

impl Named {
    fn insert(&mut self, digest: KeyedDigest) {
        // Lists come sorted by subject or with one: the last is the likely one.
        if self.digests.last() == Some(&digest) || self.digests.contains(&digest) {
            return;
        }
        if self.digests.len() < NAMED_MAX {
            self.digests.push(digest);
        } else {
            self.more += 1;
        }
    }

    fn render(&self, out: &mut Vec<u8>, name: &str) {
        if self.digests.is_empty() {
            return;
        }
        text::key(out, name);
        text::array(out, &self.digests, |out, digest| text::quoted_hex(out, &digest.0));
        if self.more > 0 {
            let start = out.len();
            text::number(out, name, self.more);
            // `,"records":12` → `,"records_more":12`
            let at = start + 2 + name.len();
            out.splice(at..at, *b"_more");
        }
    }
}

impl Call {
    fn render(&self, out: &mut Vec<u8>) {
        let start = out.len();
        text::text(out, "system", self.system.as_str());
        brace(out, start);
        if let Some(status) = self.status {
            text::number(out, "status", status.into());
        }
        text::number(out, "micros", self.micros);
        text::number(out, "bytes_out", self.bytes_out);
        text::number(out, "bytes_in", self.bytes_in);
        out.push(b'}');
    }
}

/// The comma before the first field of an object becomes its brace.
fn brace(out: &mut [u8], at: usize) {
    if let Some(comma) = out.get_mut(at) {
        *comma = b'{';
    }
}

pub(super) fn field_names(out: &mut Vec<u8>, name: &str, entity: &Entity, fields: FieldSet) {
    text::texts(out, name, fields.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str()));
}

/// Adds an element to a list without brackets.
fn append(list: &mut Vec<u8>, element: &[u8]) {
    let comma = !list.is_empty();
    list.extend(comma.then_some(b','));
    list.extend_from_slice(element);
}

fn pair(out: &mut Vec<u8>, key: &str, value: impl Display) {
    out.push(b'[');
    text::quoted(out, key);
    out.push(b',');
    text::quoted_display(out, value);
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(told: &Told) -> serde_json::Value {
        let mut out = Vec::new();
        told.render(&mut out);
        brace(&mut out, 0);
        out.push(b'}');
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn what_the_records_of_a_list_have_in_common_is_written_once() {
        let mut told = Told::default();
        for n in 0..1_000 {
            told.read("status", if n % 2 == 0 { "open" } else { "draft" });
            told.read("customer", n % 3);
            told.note("erring", "a-statement");
        }
        told.note("truncated", true);
        let leaf = rendered(&told);
        assert_eq!(leaf["read"], serde_json::json!(["status", "customer"]));
        assert_eq!(leaf["notes"], serde_json::json!([["erring", "a-statement"], ["truncated", "true"]]));
        let values = String::from_utf8(told.read_values()).unwrap();
        assert_eq!(values.matches("\"open\"").count(), 1, "{values}");
        assert_eq!(values.matches("\"customer\"").count(), 3, "{values}");
    }
}
