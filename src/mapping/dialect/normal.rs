//! Normal forms of a filter, within bounds. What would pass them, or cannot be said, asks for more.

use super::{ops::Ops, template::Hole};
use crate::{
    mapping::push::{Push, Test},
    schema::Op,
    words::{Diagnostics, tree::Node, yaml::Keys},
};

/// Bounds of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Groups.
    pub(super) any: usize,
    /// Conditions in a group.
    pub(super) all: usize,
    /// Conditions in all.
    pub(super) total: usize,
}

impl Most {
    /// Reads `most`; what is left out is `plain`.
    pub(super) fn load(node: Option<&Node>, plain: Self, found: &mut Diagnostics) -> Option<Self> {
        let Some(node) = node else { return Some(plain) };
        let mut keys = Keys::of(node, found)?;
        let any = keys.or("any", || plain.any, found);
        let all = keys.or("all", || plain.all, found);
        let total = keys.or("total", || plain.total, found);
        keys.finish(found);
        Some(Self { any: any?, all: all?, total: total? })
    }

    fn fits(self, groups: usize, longest: usize, total: usize) -> bool {
        groups <= self.any && longest <= self.all && total <= self.total
    }
}

/// Groups of conditions of which one must hold whole: or of ands. One empty group is everything.
pub(super) fn or_of_ands<'p>(push: &'p Push, most: Most, ops: &Ops) -> Vec<Vec<&'p Test>> {
    let fits = |groups: &[Vec<&Test>]| {
        let (total, longest) = size(groups);
        most.fits(groups.len(), longest, total)
    };
    match push {
        Push::Test(test) if test.op == Op::In || ops.word(test.op).is_some() => vec![vec![test]],
        Push::Test(_) => vec![Vec::new()],
        Push::Any(parts) => {
            let all: Vec<_> = parts.iter().flat_map(|part| or_of_ands(part, most, ops)).collect();
            if fits(&all) { all } else { vec![Vec::new()] }
        }
        Push::All(parts) => {
            let mut groups = vec![Vec::new()];
            for part in parts {
                let product = product(&groups, &or_of_ands(part, most, ops));
                if fits(&product) {
                    groups = product;
                }
            }
            groups
        }
    }
}

/// Groups of conditions that must hold, each in one of its conditions: and of ors. No group is everything.
pub(super) fn and_of_ors<'p>(push: &'p Push, most: Most, ops: &Ops) -> Vec<Vec<&'p Test>> {
    let fits = |groups: &[Vec<&Test>]| {
        let (total, longest) = size(groups);
        groups.len() <= most.all && longest <= most.any && total <= most.total
    };
    match push {
        Push::Test(test) if test.op == Op::In || ops.word(test.op).is_some() => vec![vec![test]],
        Push::Test(_) => Vec::new(),
        Push::All(parts) => {
            let mut groups = Vec::new();
            for part in parts {
                let mut longer = Vec::clone(&groups);
                longer.extend(and_of_ors(part, most, ops));
                if fits(&longer) {
                    groups = longer;
                }
            }
            groups
        }
        Push::Any(parts) => {
            let mut groups = vec![Vec::new()];
            for part in parts {
                // A part that asks for everything, and one too large to be said, leave nothing to ask for.
                groups = product(&groups, &and_of_ors(part, most, ops));
                if !fits(&groups) {
                    return Vec::new();
                }
            }
            groups
        }
    }
}

/// Every group of one with every group of the other. LIMIT: both sides are within bounds.
fn product<'p>(groups: &[Vec<&'p Test>], others: &[Vec<&'p Test>]) -> Vec<Vec<&'p Test>> {
    let with = |group: &Vec<&'p Test>, other: &Vec<&'p Test>| group.iter().chain(other).copied().collect();
    groups.iter().flat_map(|group| others.iter().map(move |other| with(group, other))).collect()
}

fn size(groups: &[Vec<&Test>]) -> (usize, usize) {
    (groups.iter().map(Vec::len).sum(), groups.iter().map(Vec::len).max().unwrap_or(0))
}

/// The holes of one condition.
pub(super) const ONE: [Hole; 3] = [Hole::Field, Hole::Op, Hole::Value];
