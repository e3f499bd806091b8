//! Navigation properties: what stands beside a record, as OData names it.
//!
//! Names follow from the schema alone, so they mean the same to every caller and outlive a change of systems. A field
//! that refers keeps its own name, so what it names is called `customer_record`; where it stands in a list of the
//! record, `lines_product_records`. Records that refer to one are called as their entity set, `invoices`.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{filter, names};
use crate::schema::{Entity, FieldSet, LeafId, Relation, Schema, Way};

/// Values of one `in` of a link.
const IDS_AT_ONCE: usize = 100;
/// LIMIT: ids of one link. Each is an operand of a filter.
const IDS_MAX: usize = 300;

/// A navigation property.
#[derive(Clone, Debug)]
pub struct Navigation {
    /// Its name.
    pub name: String,
    /// What it leads to.
    pub relation: Relation,
    /// Whether several records may stand there.
    pub is_list: bool,
}

/// A navigation property that a caller may follow.
#[derive(Clone, Debug)]
pub struct Expandable {
    /// Which.
    pub navigation: Navigation,
    /// The leaves of the records it leads to that an answer may show.
    pub columns: FieldSet,
    /// Those that may serve a filter and an order of them.
    pub clear: FieldSet,
    /// Those that the system does not hold.
    pub unheld: FieldSet,
}

impl Navigation {
    /// The entity it leads to.
    pub fn entity(&self) -> &Entity {
        &self.relation.entity
    }

    /// Whether it leads back along another one of the entity it leads to.
    pub(super) fn is_partner(&self, of: &Entity, other: &Self, others: &Entity) -> bool {
        let same = match (self.relation.way, other.relation.way) {
            (Way::Out(own), Way::Back(theirs)) | (Way::Back(theirs), Way::Out(own)) => own == theirs,
            (Way::Out(_), Way::Out(_)) | (Way::Back(_), Way::Back(_)) => false,
        };
        same && self.relation.entity.name == others.name && other.relation.entity.name == of.name
    }

    /// The address, under the service's, of the list of what stands beside a record, which is linked to it by `ids`;
    /// none where no filter says so. `options` are more of that list, as they are written.
    pub fn own_list(&self, ids: &[&str], options: &[(&'static str, String)]) -> Option<String> {
        let entity = self.entity();
        let mut filter = refers(entity, self.relation.theirs(), ids)?;
        let mut query = String::new();
        for (name, value) in options {
            if *name == "$filter" {
                filter = format!("({filter}) and ({value})");
            } else {
                query.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        // A link that would be refused is none.
        filter::parse(&filter, Timestamp::UNIX_EPOCH).ok()?;
        Some(format!("{}?$filter={}{query}", names::set(entity), encoded(&filter)))
    }
}

/// The navigation properties of an entity. One whose name is a field's, or another's before it, has none and is left
/// out.
pub fn navigations(schema: &Schema, entity: &Entity) -> Vec<Navigation> {
    let mut found: Vec<Navigation> = Vec::new();
    for relation in schema.relations(entity) {
        let plain = relation.name.replace(['.', '-'], "_");
        let is_list = match relation.way {
            Way::Back(_) => true,
            Way::Out(leaf) => entity.leaf(leaf).is_some_and(|leaf| leaf.in_list),
        };
        let is_free =
            |name: &str| entity.root.field(name).is_none() && found.iter().all(|other| other.name != name);
        let records = format!("{plain}_records");
        let name = match relation.way {
            Way::Back(_) if is_free(&plain) => plain,
            Way::Out(_) if !is_list => format!("{plain}_record"),
            Way::Back(_) | Way::Out(_) => records,
        };
        if is_free(&name) {
            found.push(Navigation { name, relation, is_list });
        }
    }
    found
}

/// A filter of the records whose leaf is one of some ids.
fn refers(entity: &Entity, leaf: LeafId, ids: &[&str]) -> Option<String> {
    if ids.is_empty() || ids.len() > IDS_MAX {
        return None;
    }
    let leaf = entity.leaf(leaf)?;
    let path = leaf.path.as_str();
    let (list, field) = if leaf.in_list { split(entity, path)? } else { (None, names::of(leaf)) };
    let tests: Vec<String> = match ids {
        [id] => vec![format!("{field} eq {}", quoted(id))],
        ids => ids.chunks(IDS_AT_ONCE).map(|ids| among(&field, ids)).collect(),
    };
    let tests = tests.join(" or ");
    Some(match list {
        Some(list) => format!("{list}/any({ITEM}:{tests})"),
        None => tests,
    })
}

/// What an item of a list is called in a link. No field begins so.
const ITEM: &str = "__item";

/// The list that a path leads through, and the way from its item; none where there are several.
fn split(entity: &Entity, path: &str) -> Option<(Option<String>, String)> {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    let mut lists = ends.filter_map(|end| path.get(..end)).filter(|list| names::is_list(entity, list));
    let (list, None) = (lists.next()?, lists.next()) else { return None };
    let rest = path.get(list.len()..)?.replace('.', "/");
    Some((Some(list.replace('.', "/")), format!("{ITEM}{rest}")))
}

fn among(field: &str, ids: &[&str]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    format!("{field} in ({})", ids.join(","))
}

/// A text as a filter has it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a value of an option may hold in an address as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b':')
    .remove(b'/')
    .remove(b'$');

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

#[cfg(test)]
mod tests;
