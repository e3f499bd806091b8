//! What of an entry is not sent as it stands: left out, or replaced by a digest that is the same each time.
//!
//! Digests are keyed by the journal's digest key together with the sink's name, so that two receivers cannot put
//! together what each of them has.

use serde_json::{Map, Value as Json};

use crate::{audit::JournalKeys, yaml_words};

yaml_words! {
    /// What becomes of a part.
    pub enum Redaction {
        /// It is left out.
        Drop = "drop",
        /// A keyed digest stands in its place.
        Digest = "digest",
    }

    /// A part of an entry that can be redacted.
    pub enum Part {
        /// The caller's address, where it is sent at all.
        Address = "address",
        /// Who asked.
        Principal = "principal",
        /// Whose partner that is.
        Partner = "partner",
        /// Its groups.
        Groups = "groups",
        /// What its token was issued for.
        Scopes = "scopes",
        /// Names of its attributes.
        Attributes = "attributes",
        /// Its plan.
        Plan = "plan",
        /// Ids of tokens and keys, and digests of certificates.
        Credential = "credential",
        /// The host that was named in the handshake.
        ServerName = "server_name",
        /// The path, as far as it stands in the journal.
        Path = "path",
        /// Digests of records.
        Records = "records",
        /// Digests of people and others whose data was shown.
        Subjects = "subjects",
        /// Names of fields that were shown, changed or read.
        Fields = "fields",
        /// Statements that decided.
        Statements = "statements",
        /// Calls to systems.
        Calls = "calls",
        /// What is noted beside.
        Notes = "notes",
        /// Who did an act of operators.
        Operator = "operator",
        /// What an act of operators was about.
        Details = "details",
    }
}

pub(super) const PARTS: [Part; 18] = [
    Part::Address,
    Part::Principal,
    Part::Partner,
    Part::Groups,
    Part::Scopes,
    Part::Attributes,
    Part::Plan,
    Part::Credential,
    Part::ServerName,
    Part::Path,
    Part::Records,
    Part::Subjects,
    Part::Fields,
    Part::Statements,
    Part::Calls,
    Part::Notes,
    Part::Operator,
    Part::Details,
];

impl Part {
    /// The part of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        PARTS.into_iter().find(|part| part.as_str() == name)
    }

    /// Every name.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        PARTS.into_iter().map(Self::as_str)
    }

    /// Where it stands in a leaf, and in what was opened beside it (`opened`).
    fn places(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Address => &[&["opened", "address"], &["opened", "peer"]],
            // `facts` is a digest of all that is known of the principal.
            Self::Principal => &[&["who", "id"], &["who", "facts"], &["opened", "id"]],
            Self::Partner => &[&["who", "partner"], &["opened", "partner"]],
            Self::Groups => &[&["who", "groups"]],
            Self::Scopes => &[&["who", "scopes"]],
            Self::Attributes => &[&["who", "attributes"]],
            Self::Plan => &[&["who", "plan"]],
            Self::Credential => &[&["credential_id"], &["certificate"]],
            Self::ServerName => &[&["server_name"]],
            Self::Path => &[&["path"], &["path_digest"], &["call"]],
            Self::Records => &[&["record"], &["records"], &["shown", "records"]],
            Self::Subjects => &[&["subject"], &["subjects"]],
            Self::Fields => &[&["shown", "fields"], &["changed"], &["read"]],
            Self::Statements => &[&["decided"]],
            Self::Calls => &[&["calls"]],
            Self::Notes => &[&["notes"]],
            Self::Operator => &[&["by"]],
            Self::Details => &[&["details"]],
        }
    }
}

/// The rules of one sink.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<(Part, Redaction)>,
    /// Beside the key, by which digests differ from sink to sink.
    kind: String,
}

impl Rules {
    pub(super) fn new(sink: &str, rules: Vec<(Part, Redaction)>) -> Self {
        Self { rules, kind: format!("sink {sink}") }
    }

    /// Redacts an entry; gives the parts that it had and that are not sent as they stand.
    pub(super) fn apply(&self, entry: &mut Map<String, Json>, keys: &JournalKeys) -> Vec<&'static str> {
        let mut redacted = Vec::new();
        for (part, how) in &self.rules {
            let mut is_there = false;
            for place in part.places() {
                is_there |= self.redact(entry, place, *how, keys);
            }
            if is_there {
                redacted.push(part.as_str());
            }
        }
        redacted
    }

    /// Whether something stood there. LIMIT: as deep as the place is long, and digests as deep as the leaf.
    fn redact(
        &self,
        object: &mut Map<String, Json>,
        place: &[&str],
        how: Redaction,
        keys: &JournalKeys,
    ) -> bool {
        match place {
            [] => false,
            [last] => match how {
                Redaction::Drop => object.remove(*last).is_some(),
                Redaction::Digest => object.get_mut(*last).map(|value| self.digest(value, keys)).is_some(),
            },
            [first, rest @ ..] => match object.get_mut(*first) {
                Some(Json::Object(inner)) => self.redact(inner, rest, how, keys),
                Some(Json::Array(items)) => items
                    .iter_mut()
                    .filter_map(Json::as_object_mut)
                    .fold(false, |is_there, inner| self.redact(inner, rest, how, keys) | is_there),
                Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) | None => false,
            },
        }
    }

    fn digest(&self, value: &mut Json, keys: &JournalKeys) {
        match value {
            Json::Array(items) => items.iter_mut().for_each(|item| self.digest(item, keys)),
            Json::Object(pairs) => pairs.values_mut().for_each(|value| self.digest(value, keys)),
            Json::String(text) => *text = keys.digest(&self.kind, text).to_string(),
            Json::Null => {}
            Json::Bool(_) | Json::Number(_) => {
                *value = keys.digest(&self.kind, &value.to_string()).to_string().into();
            }
        }
    }
}
