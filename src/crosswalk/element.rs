//! Ids of elements of lists: lines of an order, as callers name them.
//!
//! They are made of the keys and not kept: an order has many lines, and nobody asks for one by its id alone. A line has the
//! same id in every answer, after a restart, and at every gate with the same secret; the lines of two records that one
//! key names have two. Without the secret nothing of the key can be told from an id, nor its length.
//!
//! HMAC-SHA-256 makes a key of the gate's secret for each list of each record, once. An element's id is SHA-256 over that
//! and the element's own key, cut to half: what is cut off is what would be needed to go on from it. That is a third of what
//! an HMAC for each element costs.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use smallvec::SmallVec;

use super::PublicId;
use crate::words::{Digest, EntityName, SecretBytes, SystemName};

/// Makes the ids of elements.
pub struct ElementIds(hmac::Key);

/// A list of a record.
#[derive(Clone, Copy, Debug)]
pub struct ListOf<'a> {
    /// Of what entity the record is.
    pub entity: &'a EntityName,
    /// The system that knows it.
    pub system: &'a SystemName,
    /// By this key.
    pub record: &'a str,
    /// Where its elements say their keys: `lines.id`.
    pub path: &'a str,
}

/// The ids of the elements of one list of one record.
pub struct IdsOfList([u8; 32]);

impl ElementIds {
    /// From a secret of the gate.
    pub fn new(secret: &SecretBytes) -> Self {
        let key = Digest::of_parts(&[b"bramka element id", secret.expose()]);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key.0))
    }

    /// The ids in a list.
    pub fn of(&self, ListOf { entity, system, record, path }: ListOf<'_>) -> IdsOfList {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [entity.as_str(), system.as_str(), path, record] {
            // Lengths between them: no two lists are one text.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(part.as_bytes());
        }
        // HMAC-SHA-256 has 32 bytes.
        IdsOfList(context.sign().as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl IdsOfList {
    /// The id of the element that the system knows by a key.
    pub fn id(&self, key: &str) -> PublicId {
        // In one go, which allocates nothing.
        let mut hashed: SmallVec<[u8; 128]> = SmallVec::from_slice(&self.0);
        hashed.extend_from_slice(key.as_bytes());
        let digest = digest::digest(&digest::SHA256, &hashed);
        PublicId(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Debug for ElementIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ElementIds(…)")
    }
}

impl fmt::Debug for IdsOfList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdsOfList(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ids(secret: u8) -> ElementIds {
        ElementIds::new(&SecretBytes::new(vec![secret; 32]))
    }

    #[test]
    fn a_key_has_one_id_in_its_list_and_others_elsewhere_and_under_other_secrets() {
        let list = |secret, [entity, system, record, path]: [&str; 4], key: &str| {
            let (entity, system) = (EntityName::new(entity), SystemName::new(system));
            ids(secret).of(ListOf { entity: &entity, system: &system, record, path }).id(key).text()
        };
        let own = ["Order", "erp", "SO-1", "lines.id"];
        let id = list(1, own, "10");
        assert_eq!(list(1, own, "10"), id, "another gate with this secret gives the same");
        assert!(id.parse::<PublicId>().is_ok(), "{id}");
        let others = [
            list(1, own, "20"),
            list(1, own, "1"),
            list(1, own, ""),
            list(2, own, "10"),
            list(1, ["Invoice", "erp", "SO-1", "lines.id"], "10"),
            list(1, ["Order", "erp-new", "SO-1", "lines.id"], "10"),
            list(1, ["Order", "erp", "SO-2", "lines.id"], "10"),
            list(1, ["Order", "erp", "SO-1", "packages.id"], "10"),
            // What stands at the end of one part and not at the beginning of the next.
            list(1, ["Order", "erp", "SO-11", "lines.id"], "0"),
            list(1, ["Order", "er", "SO-1", "plines.id"], "10"),
        ];
        let different: HashSet<_> = others.iter().chain([&id]).collect();
        assert_eq!(different.len(), others.len() + 1, "{others:?}");
    }
}
