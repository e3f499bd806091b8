//! How a principal stands in an entry: its digest, groups and plan in the leaf; its plain id, partner and attribute
//! values sealed beside it.
//!
//! The same principal comes again and again: what was written for it is kept by the digest of its facts.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{keys::JournalKeys, text};
use crate::{
    identity::{Attribute, CredentialId, Facts},
    words::Digest,
};

/// LIMIT: principals remembered; when there are more it begins anew.
const REMEMBERED_MAX: usize = 4096;
/// LIMIT: groups, scopes and attributes of one principal that an entry names.
const NAMES_MAX: usize = 64;
/// LIMIT: texts of one attribute's set.
const SET_MAX: usize = 64;

/// Principals as they are written.
#[derive(Default)]
pub(super) struct FactsCache(Mutex<HashMap<Digest, Arc<FactsText>, foldhash::fast::RandomState>>);

/// One principal as it is written.
pub(super) struct FactsText {
    pub(super) leaf: Vec<u8>,
    pub(super) plain: Vec<u8>,
}

impl FactsCache {
    pub(super) fn of(&self, facts: &Facts, keys: &JournalKeys) -> Arc<FactsText> {
        if let Some(known) = self.0.lock().get(&facts.digest) {
            return known.clone();
        }
        let written = Arc::new(FactsText { leaf: leaf(facts, keys), plain: plain(facts) });
        let mut known = self.0.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(facts.digest, written.clone());
        written
    }
}

/// Which credential, beside the facts: two of one principal may prove the same.
pub(super) fn credential(out: &mut Vec<u8>, credential: &CredentialId) {
    match credential {
        CredentialId::None => text::text(out, "credential", "none"),
        CredentialId::Token(id) => {
            text::text(out, "credential", "token");
            text::text(out, "credential_id", id);
        }
        CredentialId::ApiKey(prefix) => {
            text::text(out, "credential", "api-key");
            text::text(out, "credential_id", prefix);
        }
        CredentialId::Outside(issuer, digest) => {
            text::text(out, "credential", "outside");
            text::text(out, "issuer", issuer);
            text::hex_text(out, "credential_id", &digest.0);
        }
        CredentialId::Certificate(digest) => {
            text::text(out, "credential", "certificate");
            text::hex_text(out, "credential_id", &digest.0);
        }
    }
}

fn leaf(facts: &Facts, keys: &JournalKeys) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    text::key(&mut out, "who");
    out.push(b'{');
    let mut inner = Vec::with_capacity(256);
    text::text(&mut inner, "kind", facts.kind.as_str());
    text::hex_text(&mut inner, "id", &keys.digest(facts.kind.as_str(), facts.id.as_str()).0);
    if let Some(partner) = &facts.partner {
        text::hex_text(&mut inner, "partner", &keys.digest("Partner", partner.as_str()).0);
    }
    text::texts(&mut inner, "groups", facts.groups.iter().take(NAMES_MAX).map(|group| group.as_str()));
    if !facts.scopes.is_empty() {
        text::texts(&mut inner, "scopes", facts.scopes.iter().take(NAMES_MAX).map(|scope| &**scope));
    }
    if let Some(plan) = &facts.plan {
        text::text(&mut inner, "plan", plan.as_str());
    }
    text::texts(&mut inner, "attributes", facts.attributes.keys().take(NAMES_MAX).map(|name| &**name));
    text::hex_text(&mut inner, "facts", &facts.digest.0);
    out.extend_from_slice(inner.get(1..).unwrap_or_default());
    out.push(b'}');
    out
}

fn plain(facts: &Facts) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    text::text(&mut out, "id", facts.id.as_str());
    if let Some(partner) = &facts.partner {
        text::text(&mut out, "partner", partner.as_str());
    }
    if !facts.attributes.is_empty() {
        text::key(&mut out, "attributes");
        out.push(b'{');
        for (position, (name, value)) in facts.attributes.iter().take(NAMES_MAX).enumerate() {
            if position > 0 {
                out.push(b',');
            }
            text::quoted(&mut out, name);
            out.push(b':');
            attribute(&mut out, value);
        }
        out.push(b'}');
    }
    out
}

fn attribute(out: &mut Vec<u8>, value: &Attribute) {
    match value {
        Attribute::Text(value) => text::quoted(out, value),
        Attribute::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Attribute::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        // Exact, so as text.
        Attribute::Decimal(value) => text::quoted_display(out, value),
        Attribute::Texts(values) => {
            text::array(out, values.iter().take(SET_MAX), |out, value| text::quoted(out, value));
        }
        Attribute::Reference(entity, id) => text::quoted_display(out, format_args!("{entity}/{id}")),
    }
}
