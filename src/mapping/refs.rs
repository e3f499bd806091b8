//! References: the systems whose keys stand in them.
//!
//! A reference is the key of a record in the system of the file that reads it, unless its line says `of` another one.

use super::model::Mapping;
use crate::{
    schema::LeafId,
    words::{EntityName, Place, SystemName},
};

/// A field that names records of another entity, as the file has it.
#[derive(Debug)]
pub struct Reference {
    /// The field.
    pub leaf: LeafId,
    /// To what it points.
    pub to: EntityName,
    /// The system whose keys its line says they are, and where; none where no line says so.
    pub of: Option<(SystemName, Place)>,
    /// Its first line.
    pub place: Place,
}

impl Mapping {
    /// Every reference that some line fills.
    pub fn references(&self) -> &[Reference] {
        &self.elsewhere.references
    }

    /// The system whose keys stand in a leaf.
    pub fn keys_of(&self, leaf: LeafId) -> &SystemName {
        let reference = self.elsewhere.references.iter().find(|reference| reference.leaf == leaf);
        reference.and_then(|reference| reference.of.as_ref()).map_or(&self.system, |(of, _)| of)
    }
}
