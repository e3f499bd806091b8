//! How open each leaf of an entity is: one set of leaves a degree.

use super::mask::{DEGREES, Openness};
use crate::schema::{FieldSet, LeafId};

/// Sets of leaves by how open they are shown. A leaf in several is shown as the most open of them says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Degrees([FieldSet; DEGREES]);

impl Degrees {
    /// The leaves of one degree.
    pub(super) fn of(&self, openness: Openness) -> FieldSet {
        self.0.get(openness.rank()).copied().unwrap_or_default()
    }

    /// Adds leaves to a degree.
    pub(super) fn add(&mut self, openness: Openness, leaves: &FieldSet) {
        if let Some(set) = self.0.get_mut(openness.rank()) {
            *set = set.union(leaves);
        }
    }

    /// Takes leaves out of a degree.
    pub(super) fn take(&mut self, openness: Openness, leaves: &FieldSet) {
        if let Some(set) = self.0.get_mut(openness.rank()) {
            *set = set.minus(leaves);
        }
    }

    /// Adds all of another.
    #[inline]
    pub(super) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.union(theirs);
        }
    }

    /// Takes leaves out of every degree.
    pub(super) fn strike(&mut self, leaves: &FieldSet) {
        for set in &mut self.0 {
            *set = set.minus(leaves);
        }
    }

    /// Leaves of any degree.
    #[inline]
    pub(super) fn all(&self) -> FieldSet {
        self.0.iter().fold(FieldSet::EMPTY, |all, set| all.union(set))
    }

    /// Leaves of a degree below shown.
    pub(super) fn masked(&self) -> FieldSet {
        self.all().minus(&self.of(Openness::Shown))
    }

    /// Whether a text is one that a degree of the leaf makes of others.
    pub(super) fn make(&self, leaf: LeafId, text: &str) -> bool {
        Openness::ALL.into_iter().any(|openness| self.of(openness).contains(leaf) && openness.makes(text))
    }

    /// How open a leaf is; none where it is hidden.
    #[inline]
    pub(super) fn openness(&self, leaf: LeafId) -> Option<Openness> {
        Openness::ALL.into_iter().rev().find(|openness| self.of(*openness).contains(leaf))
    }
}
