//! What principals carry, as statements may read it: the types of `principals/attributes.yaml`.

use std::sync::Arc;

use crate::words::{EntityName, GroupName, Kind};

/// Every attribute that principals may carry.
#[derive(Clone, Debug, Default)]
pub struct PrincipalTypes {
    /// In file order, names unique.
    pub attributes: Vec<PrincipalAttribute>,
    /// The groups that statements may speak of.
    pub groups: Vec<GroupName>,
}

/// One attribute and who carries it.
#[derive(Clone, Debug)]
pub struct PrincipalAttribute {
    /// `customer`.
    pub name: Arc<str>,
    /// What it holds.
    pub holds: AttributeType,
    /// Which kinds of principals carry it.
    pub kinds: Vec<Kind>,
    /// Whether each of them always does; one that lacks it is refused.
    pub required: bool,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// true or false.
    Boolean,
    /// A decimal of at most four fraction digits.
    Decimal,
    /// A set of texts.
    Texts,
    /// A record of an entity.
    Reference(EntityName),
}

impl PrincipalTypes {
    /// The attributes of a kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &PrincipalAttribute> {
        self.attributes.iter().filter(move |attribute| attribute.kinds.contains(&kind))
    }
}
