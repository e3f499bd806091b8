//! One recorded answer run there and back, for whoever writes a mapping: what it reads as, and what would be sent back.
//! What of it nothing reads is told next door.
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
    schema::{self, Body, FieldSet, Record, View},
};

/// LIMIT: records of a list that are tried.
const RECORDS_MAX: u32 = 100;

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

    fn rows_of(&self, body: &Bytes) -> Result<Vec<Result<Inward, RowFault>>, SystemFault> {
        let answer = NativeAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.clone() };
        let all = self.entity.all();
        let fault = match self.inward_of(&self.key.sample(), &answer, &all) {
            Ok(inward) => return Ok(vec![Ok(inward)]),
            Err(fault) => fault,
        };
        let listing = self.listing_of_answer(RECORDS_MAX);
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
