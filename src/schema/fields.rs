//! Numbers of leaves and sets of them.

use std::ops::Range;

/// Most leaves an entity may have; more is a load error.
pub const LEAVES_MAX: usize = 256;

/// The number of a leaf inside its entity, in file order. Leaf 0 is always `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafId(pub u8);

/// A set of leaves of one entity.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FieldSet([u64; LEAVES_MAX / 64]);

impl FieldSet {
    /// No leaf.
    pub const EMPTY: Self = Self([0; LEAVES_MAX / 64]);

    /// Just `id`.
    pub const ID: Self = Self([1, 0, 0, 0]);

    /// One leaf.
    pub fn of(leaf: LeafId) -> Self {
        let mut set = Self::EMPTY;
        set.insert(leaf);
        set
    }

    /// Adds a leaf.
    pub fn insert(&mut self, leaf: LeafId) {
        if let Some(word) = self.0.get_mut(usize::from(leaf.0 >> 6)) {
            *word |= 1 << (leaf.0 & 63);
        }
    }

    /// Takes a leaf out.
    pub fn remove(&mut self, leaf: LeafId) {
        if let Some(word) = self.0.get_mut(usize::from(leaf.0 >> 6)) {
            *word &= !(1 << (leaf.0 & 63));
        }
    }

    /// Whether the leaf is in.
    #[inline]
    pub fn contains(&self, leaf: LeafId) -> bool {
        self.0.get(usize::from(leaf.0 >> 6)).is_some_and(|word| word & (1 << (leaf.0 & 63)) != 0)
    }

    /// Leaves in either.
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// Leaves in both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Whether some leaf is in both.
    #[inline]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Leaves in this one only.
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// Whether every leaf of this is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.minus(other).is_empty()
    }

    /// Whether no leaf is in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many leaves are in.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The leaves, in order.
    pub fn iter(&self) -> impl Iterator<Item = LeafId> + '_ {
        [0_u8, 64, 128, 192]
            .into_iter()
            .zip(self.0)
            .flat_map(|(first, word)| Bits(word).map(move |bit| LeafId(first | bit)))
    }

    /// Whether a leaf of the range is in.
    pub fn any_in(&self, range: &Range<u16>) -> bool {
        [0_u16, 64, 128, 192].into_iter().zip(self.0).any(|(first, word)| {
            let start = range.start.clamp(first, first + 64) - first;
            let end = range.end.clamp(first, first + 64) - first;
            end > start && word & (u64::MAX >> (64 - (end - start))) << start != 0
        })
    }

    /// The leaves of a range, as [`Field::leaves`](super::Field) tells it.
    pub fn of_range(range: &Range<u16>) -> Self {
        range.clone().filter_map(|n| u8::try_from(n).ok()).map(LeafId).collect()
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let mut out = *self;
        for (word, with) in out.0.iter_mut().zip(&other.0) {
            *word = op(*word, *with);
        }
        out
    }
}

/// The numbers of the bits that are set, smallest first.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let bit = u8::try_from(self.0.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

impl FromIterator<LeafId> for FieldSet {
    fn from_iter<I: IntoIterator<Item = LeafId>>(leaves: I) -> Self {
        let mut set = Self::EMPTY;
        for leaf in leaves {
            set.insert(leaf);
        }
        set
    }
}

impl std::fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(|leaf| leaf.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_lists_what_was_put_in_and_answers_for_ranges(
            leaves in proptest::collection::btree_set(any::<u8>(), 0..40),
            start in 0_u16..=256,
            len in 0_u16..=256,
        ) {
            let set: FieldSet = leaves.iter().map(|n| LeafId(*n)).collect();
            prop_assert_eq!(set.iter().map(|leaf| leaf.0).collect::<Vec<_>>(), leaves.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), leaves.len());
            let range = start..(start + len).min(256);
            let expected = leaves.iter().any(|n| range.contains(&u16::from(*n)));
            prop_assert_eq!(set.any_in(&range), expected);
        }
    }
}
