//! Addresses of people out of their place: an e-mail address in a name is shown as the e-mail addresses of its entity are.
//!
//! What a field is, its name says, and what stands in it may be something else. An address is never more open than the
//! least open leaf that the entity has for such addresses; where that one is hidden, it is.

use super::{degrees::Degrees, mask::Openness};
use crate::schema::{Contact, Entity, FieldSet, LeafId, Record, Value};

/// How open addresses are shown out of their place, each as its leaf; none of those that are shown whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached([Option<(LeafId, Option<Openness>)>; Contact::ALL.len()]);

impl Reached {
    pub(super) fn of(entity: &Entity, shown: &Degrees) -> Self {
        Self(Contact::ALL.map(|contact| {
            let leaves = entity.contacts(contact);
            let least = leaves.iter().map(|leaf| (leaf, shown.openness(leaf))).min_by_key(|(_, most)| *most);
            least.filter(|(_, most)| *most != Some(Openness::Shown))
        }))
    }

    /// As which leaf a value is shown, and how open at most; none of one that stands in its place.
    #[inline]
    pub(super) fn at(
        &self,
        entity: &Entity,
        leaf: LeafId,
        value: &Value,
    ) -> Option<(LeafId, Option<Openness>)> {
        if self.0.iter().all(Option::is_none) || !entity.leaf(leaf)?.is_plain() {
            return None;
        }
        let text = value.as_text()?;
        let held = self.0.iter().zip(Contact::ALL).filter_map(|(shown, contact)| {
            let (leaf, most) = (*shown)?;
            // Among other words it is shown in full or not at all: no other mask hides all of it.
            let most = if contact.is(text) { most } else { most.map(|_| Openness::Full) };
            contact.is_in(text).then_some((leaf, most))
        });
        held.min_by_key(|(_, most)| *most)
    }
}

/// The leaves of addresses that a caller does not see whole: no filter finds a record by one of them, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub struct Unseen([bool; Contact::ALL.len()]);

impl Unseen {
    pub(super) fn of(entity: &Entity, clear: &FieldSet) -> Self {
        Self(Contact::ALL.map(|contact| !entity.contacts(contact).minus(clear).is_empty()))
    }

    /// Whether an address that is not seen whole stands out of its place in one of the leaves.
    pub fn is_in(&self, entity: &Entity, record: &Record, leaves: &FieldSet) -> bool {
        let [e_mail, phone] = self.0;
        (e_mail || phone)
            && entity.misplaced(record, leaves).iter().any(|(_, contact)| match contact {
                Contact::EMail => e_mail,
                Contact::Phone => phone,
            })
    }
}
