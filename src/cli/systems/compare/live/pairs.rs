//! Which record of one system is which of the other.
//!
//! By what tells records apart in the business, not by the systems' keys. Promises: a record has one counterpart or
//! none; where a value is not one record's alone on both sides it pairs nothing, and what is found out by an earlier key
//! no later one changes. It costs what the records and their values are many.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    cli::error::VerbError,
    mapping::Inward,
    schema::{Entity, FieldSet, LeafId, Record, Value, value},
    words::nearest,
};

/// What tells a record apart: one field, or several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    leaves: Vec<LeafId>,
}

/// Who belongs to whom.
#[derive(Debug, Default)]
pub(super) struct Paired {
    /// Places of old and new rows.
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) old: Left,
    pub(super) new: Left,
}

/// Those of one side that have no counterpart.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Nothing on the other side has their keys.
    pub(super) alone: Vec<usize>,
    /// What their keys say is said by several.
    pub(super) ambiguous: Vec<usize>,
    /// They have no key.
    pub(super) unkeyed: Vec<usize>,
}

/// The keys to pair by: those that are asked for, else the schema's; only such as both systems tell.
///
/// # Errors
/// A key is no field, the systems do not tell it, or there is none.
pub(super) fn keys(entity: &Entity, asked: &[String], told: &FieldSet) -> Result<Vec<Key>, VerbError> {
    if !asked.is_empty() {
        return asked.iter().map(|text| key(entity, text, told)).collect();
    }
    let natural = entity.natural_keys().intersection(told);
    let of = |leaf| Some(Key { name: entity.leaf(leaf)?.path.to_string(), leaves: vec![leaf] });
    let keys: Vec<Key> = natural.iter().filter_map(of).collect();
    if keys.is_empty() {
        return Err(VerbError::Misused(format!(
            "nothing that both systems tell of {} names a record by itself; name what does with `--key`, as in `--key \
             sku+location.code`",
            entity.name
        )));
    }
    Ok(keys)
}

fn key(entity: &Entity, text: &str, told: &FieldSet) -> Result<Key, VerbError> {
    let mut leaves = Vec::new();
    for path in text.split('+') {
        let leaf = entity.leaf_at(path).ok_or_else(|| {
            let paths = entity.leaves.iter().map(|leaf| leaf.path.as_str());
            let near =
                nearest(path, paths).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            VerbError::Misused(format!("`{path}` is no field of {}{near}", entity.name))
        })?;
        if leaf != LeafId(0) && !told.contains(leaf) {
            return Err(VerbError::Misused(format!(
                "`{path}` is not told by both systems, so it pairs nothing"
            )));
        }
        leaves.push(leaf);
    }
    let in_list = |leaf: &LeafId| entity.leaf(*leaf).is_some_and(|leaf| leaf.in_list);
    if leaves.len() > 1 && leaves.iter().any(in_list) {
        return Err(VerbError::Misused(format!(
            "`{text}`: a field inside a list has several values, so it goes with no other"
        )));
    }
    Ok(Key { name: text.to_owned(), leaves })
}

impl Key {
    /// Its field, where it is one.
    pub(super) fn leaf(&self) -> Option<LeafId> {
        match self.leaves.as_slice() {
            [leaf] => Some(*leaf),
            _ => None,
        }
    }

    /// Its fields.
    pub(super) fn leaves(&self) -> FieldSet {
        self.leaves.iter().copied().collect()
    }

    /// What a record says of it, spelt alike: without regard to case and to spaces around.
    pub(super) fn values(&self, entity: &Entity, record: &Record) -> BTreeSet<String> {
        let mut parts = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let mut values = Vec::new();
            record.each(entity, *leaf, &mut |value| values.extend(spelt(value)));
            parts.push(values);
        }
        match parts.as_mut_slice() {
            [values] => std::mem::take(values).into_iter().collect(),
            parts => {
                let whole: Option<Vec<&str>> =
                    parts.iter().map(|values| values.first().map(String::as_str)).collect();
                // No value holds what stands between them.
                whole.map(|whole| whole.join("\u{0}")).into_iter().collect()
            }
        }
    }
}

/// A value without regard to case and to spaces around; none where it says nothing.
pub(super) fn spelt(value: &Value) -> Option<String> {
    let mut text = Vec::new();
    value::print(value, &mut text);
    let text = String::from_utf8_lossy(&text).trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

/// Pairs the rows of two systems.
pub(super) fn pair(entity: &Entity, keys: &[Key], old: &[Inward], new: &[Inward]) -> Paired {
    let mut pairs: BTreeMap<usize, usize> = BTreeMap::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let (mut doubtful_old, mut doubtful_new) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        let by_old = by_value(entity, key, old, |at| pairs.contains_key(&at));
        let by_new = by_value(entity, key, new, |at| taken.contains(&at));
        let (mut of_old, mut of_new) = (Counterparts::new(), Counterparts::new());
        for (value, olds) in &by_old {
            let Some(news) = by_new.get(value) else { continue };
            if let ([one], [other]) = (olds.as_slice(), news.as_slice()) {
                of_old.entry(*one).or_default().insert(*other);
                of_new.entry(*other).or_default().insert(*one);
            } else {
                doubtful_old.extend(olds);
                doubtful_new.extend(news);
            }
        }
        for (one, others) in &of_old {
            match others.iter().collect::<Vec<_>>().as_slice() {
                [other] if of_new.get(other).is_some_and(|ones| ones.len() == 1) => {
                    pairs.insert(*one, **other);
                    taken.insert(**other);
                }
                _ => {
                    doubtful_old.insert(*one);
                    doubtful_new.extend(others);
                }
            }
        }
    }
    let left = |rows: &[Inward], is_paired: &dyn Fn(usize) -> bool, doubtful: &BTreeSet<usize>| {
        let mut left = Left::default();
        for (at, row) in rows.iter().enumerate().filter(|(at, _)| !is_paired(*at)) {
            let has_key = keys.iter().any(|key| !key.values(entity, &row.record).is_empty());
            match (doubtful.contains(&at), has_key) {
                (true, _) => left.ambiguous.push(at),
                (false, true) => left.alone.push(at),
                (false, false) => left.unkeyed.push(at),
            }
        }
        left
    };
    let old = left(old, &|at| pairs.contains_key(&at), &doubtful_old);
    let new = left(new, &|at| taken.contains(&at), &doubtful_new);
    Paired { pairs: pairs.into_iter().collect(), old, new }
}

type Counterparts = BTreeMap<usize, BTreeSet<usize>>;

/// The rows that say each value of a key, of those that are still to be paired.
fn by_value(
    entity: &Entity,
    key: &Key,
    rows: &[Inward],
    is_paired: impl Fn(usize) -> bool,
) -> HashMap<String, Vec<usize>> {
    let mut by_value: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| !is_paired(*at)) {
        for value in key.values(entity, &row.record) {
            by_value.entry(value).or_default().push(at);
        }
    }
    by_value
}
