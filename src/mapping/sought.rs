//! A new record that a system accepts without saying by what key: looked for later by what was sent of it.

use compact_str::CompactString;

use super::{
    inward::Page,
    listing::Listing,
    model::{Call, ListCall, Mapping, Returns},
};
use crate::{
    schema::{Entity, FieldSet, Filter, LeafId, Op, Record, value},
    words::{Diagnostics, tree::Node, yaml::expected},
};

/// Most fields that a record is looked for by.
const FIELDS_MAX: usize = 8;
/// Rows that are looked through for one; a filter that is put to the system leaves few.
const ROWS_MAX: u32 = 100;

impl Mapping {
    /// By what a new record is looked for, path and text of each field; none where the file does not say, or the record
    /// does not tell all of it.
    pub fn sought(&self, new: &Record) -> Option<Vec<(String, String)>> {
        let told = self.found_by.iter().map(|leaf| {
            let path = self.entity.leaf(*leaf)?.path.as_str().to_owned();
            let mut text = Vec::new();
            value::print(new.first(&self.entity, *leaf)?, &mut text);
            let text = String::from_utf8(text).ok().filter(|text| !text.is_empty())?;
            Some((path, text))
        });
        told.collect::<Option<Vec<_>>>().filter(|told| !told.is_empty())
    }

    /// Whether a new record that came without its key may be looked for.
    pub fn is_sought(&self) -> bool {
        !self.found_by.is_empty()
    }

    /// The question for such a record, what is asked of each row, and what a row has to be; none where it cannot be put.
    pub fn seeking(&self, sought: &[(String, String)]) -> Option<(Listing, FieldSet, Filter)> {
        let tests = sought.iter().map(|(path, text)| {
            let leaf = self.entity.leaf_at(path).filter(|leaf| self.found_by.contains(leaf))?;
            let value = value::parse_text(&self.entity.leaf(leaf)?.kind, text).ok()?;
            Some(Filter::test(leaf, Op::Eq, value))
        });
        let filter = Filter::All(tests.collect::<Option<_>>()?);
        let wanted = filter.leaves().union(&FieldSet::ID);
        let listing = self.list(&wanted, &filter, &[], None, ROWS_MAX).ok()?;
        Some((listing, wanted, filter))
    }

    /// The key of the row that is the record. None where no row is, or several are: nobody can say which.
    pub fn spotted(&self, page: &Page, filter: &Filter) -> Option<CompactString> {
        let mut spotted = page.rows.iter().flatten().filter(|row| filter.matches(&self.entity, &row.record));
        let first = spotted.next()?;
        spotted.next().is_none().then(|| first.id.clone())
    }
}

/// `found_by` of `create`.
pub(super) fn load(
    node: &Node,
    entity: &Entity,
    (create, lists): (Option<&Call>, &[ListCall]),
    found: &mut Diagnostics,
) -> Vec<LeafId> {
    let Some(node) = node.get("create").and_then(|create| create.get("found_by")) else { return Vec::new() };
    let items = node.as_list().unwrap_or_default();
    if !(1..=FIELDS_MAX).contains(&items.len()) {
        expected(node, &format!("a list of 1 to {FIELDS_MAX} fields"), found);
        return Vec::new();
    }
    if create.is_none_or(|create| !matches!(create.returns, Returns::Nothing)) {
        found
            .error(&node.place, "`found_by` goes with `returns: nothing`; otherwise the answer says the key");
    }
    if lists.is_empty() || lists.iter().any(|list| list.batch.is_some()) {
        found.error(&node.place, "`found_by` looks for the record in `list`, whose rows must be records");
    }
    let mut out = Vec::new();
    for item in items {
        match item.as_text().and_then(|path| entity.leaf_at(path)) {
            Some(leaf) if entity.points_to(leaf).is_none() => out.push(leaf),
            Some(_) => found.error(&item.place, "a record is not looked for by a reference"),
            None => expected(item, &format!("a field of `{}`", entity.name), found),
        }
    }
    out
}
