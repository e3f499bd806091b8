//! `principals/*.yaml`: partners, applications and people; their groups, attributes and plan. Credentials
//! never stand here.
//!
//! Everything that statements could lean on is declared: an attribute without a type, a group without a
//! declaration or a partner's attribute that nobody of it can carry does not load.

mod load;
mod types;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

pub use load::{
    AttributeSpec, AttributeWord, AttributesFile, GroupSpec, PrincipalKind, PrincipalSpec, PrincipalsFile,
    load,
};
pub use types::{AttributeKind, AttributeType, PrincipalTypes};

use super::{Attribute, CredentialId, Facts};
use crate::words::{Digest, GroupName, Kind, Place, PlanName, PrincipalId};

/// Every principal of a bundle.
#[derive(Clone, Debug, Default)]
pub struct PrincipalRegistry {
    types: PrincipalTypes,
    principals: HashMap<Kind, BTreeMap<PrincipalId, Principal>>,
    partners: BTreeMap<PrincipalId, Partner>,
}

/// A partner organisation.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Its name for people.
    pub name: Option<Arc<str>>,
    /// Whether all of its credentials are off.
    pub disabled: bool,
    /// When its time is over, if ever.
    pub until: Option<Timestamp>,
    /// Where it is declared.
    pub place: Place,
}

/// A principal as the registry knows it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// What sort of caller.
    pub kind: Kind,
    /// Its name inside its kind.
    pub id: PrincipalId,
    /// Its organisation.
    pub partner: Option<PrincipalId>,
    /// Every group it is in, parents included.
    pub groups: BTreeSet<GroupName>,
    /// What it carries, its partner's attributes included.
    pub attributes: BTreeMap<Arc<str>, Attribute>,
    /// Its plan, or its partner's, and where it is named.
    pub plan: Option<(PlanName, Place)>,
    /// Whether it or its partner is switched off.
    pub disabled: bool,
    /// When its time, or its partner's, is over, if ever.
    pub until: Option<Timestamp>,
    /// Client certificates that prove it, by SHA-256 of their DER.
    pub certificates: Vec<Digest>,
    /// Where it is declared.
    pub place: Place,
}

impl PrincipalRegistry {
    /// What principals may carry, and the groups there are.
    pub fn types(&self) -> &PrincipalTypes {
        &self.types
    }

    /// The principal of this kind and id.
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Principal> {
        self.principals.get(&kind)?.get(id)
    }

    /// Every principal, by kind and id.
    pub fn iter(&self) -> impl Iterator<Item = &Principal> {
        Kind::ALL.into_iter().filter_map(|kind| self.principals.get(&kind)).flat_map(BTreeMap::values)
    }

    /// Every partner.
    pub fn partners(&self) -> impl Iterator<Item = (&PrincipalId, &Partner)> {
        self.partners.iter()
    }

    /// Every plan that is named, for the check against `limits.yaml`.
    pub fn plans(&self) -> impl Iterator<Item = (&PlanName, &Place)> {
        self.iter().filter_map(|principal| principal.plan.as_ref()).map(|(plan, place)| (plan, place))
    }

    /// Certificates that prove somebody who is not switched off.
    pub fn certificates(&self) -> impl Iterator<Item = (Digest, &Principal)> {
        self.iter()
            .filter(|principal| !principal.disabled)
            .flat_map(|principal| principal.certificates.iter().map(move |digest| (*digest, principal)))
    }
}

impl Principal {
    /// Whether its time is over.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// What the registry knows, as facts of one credential; not yet sealed. Facts alone prove nobody.
    pub fn facts(&self, credential: CredentialId) -> Facts {
        Facts {
            partner: self.partner.clone(),
            groups: self.groups.iter().cloned().collect(),
            attributes: self.attributes.clone(),
            plan: self.plan.as_ref().map(|(plan, _)| plan.clone()),
            ..Facts::bare(self.kind, self.id.clone(), credential)
        }
    }
}
