//! One recorded answer run there and back, for whoever writes a mapping: what it reads as, what nothing reads, and what
//! would be sent back.
//!
//! Nothing here is asked by the road. A trial goes through the faces that the road goes through, so that what it shows
//! is what a gate does.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value as Json;

use super::{
    errors::SystemFault,
    inward::{Inward, RowFault},
    model::{Mapping, What},
    native::{NativeAnswer, NativeRequest},
    outward::MappingFault,
};
use crate::{
    catalog::Action,
    schema::{self, Body, FieldSet, Filter, Record, View},
};

/// LIMIT: records of a list that are tried, and values of a record that are taken out to see what reads them.
const RECORDS_MAX: u32 = 100;
const VALUES_MAX: usize = 2_000;
/// Elements in which a value is taken out before nothing is taken to read it.
const PLACES_MAX: u32 = 8;

/// A record of an answer, tried.
#[derive(Debug)]
pub struct Tried {
    /// The entity, as a caller who sees every field gets it.
    pub entity: Json,
    /// Fields whose native value does not fit, and how.
    pub findings: Vec<(String, What)>,
    /// The fields of the entity that the answer does not tell, though a line reads them.
    pub untold: Vec<String>,
    /// What is sent when the entity is made anew.
    pub back: Back,
}

/// The way back.
#[derive(Debug)]
pub enum Back {
    /// This request.
    Sent {
        /// Its method.
        method: Method,
        /// Its path and query under `base`.
        target: String,
        /// Its body.
        body: Bytes,
    },
    /// It would be refused.
    Refused(Vec<MappingFault>),
    /// The mapping does not make such records.
    Never,
}

impl Mapping {
    /// Reads an answer to a read, or else to a list, and turns each record back.
    ///
    /// # Errors
    /// Why it reads as neither; of a list's record that cannot be read, why.
    pub fn trial(&self, body: &Bytes) -> Result<Vec<Result<Tried, RowFault>>, SystemFault> {
        Ok(self.rows_of(body)?.into_iter().map(|row| row.map(|row| self.tried(&row))).collect())
    }

    /// The paths of an answer in JSON that nothing depends on: no line reads them. Places in a list are all one, `[]`.
    pub fn unread(&self, body: &Bytes) -> Vec<String> {
        let Ok(whole) = serde_json::from_slice::<Json>(body) else { return Vec::new() };
        let mut pointers = Vec::new();
        values(String::new(), &whole, &mut pointers);
        let seen = |json: &Json| {
            let rows = self.rows_of(&json.to_string().into_bytes().into());
            rows.ok().map(|rows| rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>())
        };
        let before = seen(&whole);
        let mut read = std::collections::BTreeSet::new();
        let mut unread = std::collections::BTreeSet::new();
        let mut tried = std::collections::HashMap::new();
        for pointer in pointers.iter().take(VALUES_MAX) {
            let mut without = whole.clone();
            let name = shown(pointer);
            // What one element is read for, all are.
            let tries = tried.entry(name.clone()).or_insert(0_u32);
            *tries += 1;
            if read.contains(&name) || *tries > PLACES_MAX {
                continue;
            }
            match take_out(&mut without, pointer) {
                Some(()) if seen(&without) == before => unread.insert(name),
                _ => read.insert(name),
            };
        }
        unread.retain(|name| !read.contains(name));
        unread.into_iter().collect()
    }

    fn rows_of(&self, body: &Bytes) -> Result<Vec<Result<Inward, RowFault>>, SystemFault> {
        let answer = NativeAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.clone() };
        let all = self.entity.all();
        let fault = match self.inward(&answer, &all) {
            Ok(inward) => return Ok(vec![Ok(inward)]),
            Err(fault) => fault,
        };
        let listing = self.list(&all, &Filter::everything(), &[], None, RECORDS_MAX);
        match listing.ok().map(|listing| self.inward_list(&listing, &answer, &all)) {
            Some(Ok(page)) => Ok(page.rows),
            // Of the two the first is the likelier: most samples are of one record.
            Some(Err(_)) | None => Err(fault),
        }
    }

    fn tried(&self, inward: &Inward) -> Tried {
        let path = |leaf| self.entity.leaf(leaf).map_or_else(String::new, |leaf| leaf.path.to_string());
        let untold = inward.missing.intersection(&self.mapped());
        Tried {
            entity: self.as_json(&inward.record, None),
            findings: inward.findings.iter().map(|one| (path(one.leaf), one.what.clone())).collect(),
            untold: untold.iter().map(path).collect(),
            back: self.back(&inward.record),
        }
    }

    fn as_json(&self, record: &Record, fields: Option<&FieldSet>) -> Json {
        let mut out = Vec::new();
        schema::json::write(&self.entity, record, fields, &mut out);
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// What a caller would send to make the same record, as the system would be asked.
    fn back(&self, record: &Record) -> Back {
        if !self.can(Action::Create) {
            return Back::Never;
        }
        let writable = self.view(Action::Create).writable.intersection(&self.entity.writable());
        let sent = self.as_json(record, Some(&writable)).to_string();
        let view = View { writable, required: FieldSet::EMPTY, ..View::of(&self.entity, Body::Create) };
        let record = match schema::json::read(&self.entity, sent.as_bytes(), &view) {
            Ok(proposed) => proposed.record,
            Err(_) => return Back::Never,
        };
        match self.create(&record) {
            Ok(NativeRequest { method, target, body, .. }) => Back::Sent { method, target, body },
            Err(faults) => Back::Refused(faults),
        }
    }
}

/// The pointers of every value that is no group and no list, and of those that are empty.
fn values(at: String, json: &Json, out: &mut Vec<String>) {
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                values(format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), value, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                values(format!("{at}/{index}"), value, out);
            }
        }
        _ => out.push(at),
    }
}

/// A pointer as mappings write paths; places in a list are all one.
fn shown(pointer: &str) -> String {
    let mut out = String::new();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push_str("[]");
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(&step.replace("~1", "/").replace("~0", "~").replace('.', "\\."));
    }
    out
}

/// Takes a value out of where it stands.
fn take_out(json: &mut Json, pointer: &str) -> Option<()> {
    let (parent, last) = pointer.rsplit_once('/')?;
    match json.pointer_mut(parent)? {
        Json::Object(map) => map.remove(&last.replace("~1", "/").replace("~0", "~")).map(drop),
        Json::Array(items) => {
            let index = last.parse::<usize>().ok().filter(|index| *index < items.len())?;
            items.remove(index);
            Some(())
        }
        _ => None,
    }
}
