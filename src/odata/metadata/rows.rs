//! Flat sets in `$metadata`: a type a list, and what may be asked of its rows.

use super::{Described, description, open, properties, record, restriction};
use crate::{
    odata::{
        filter,
        flat::{Flat, ROW},
        names,
    },
    schema::{FieldSet, LeafId},
};

/// The type of rows.
pub(super) fn kind(described: &Described<'_>, flat: &Flat, out: &mut String) {
    let entity = described.entity;
    let Some(object) = flat.object(entity) else { return };
    open(out, "EntityType", &[("Name", &flat.kind(entity))]);
    out.push_str("<Key>");
    for name in [&*flat.parent, ROW] {
        open(out, "PropertyRef", &[("Name", name)]);
        out.push_str("</PropertyRef>");
    }
    out.push_str("</Key>\n");
    for (name, kind, text) in [
        (&*flat.parent, "Edm.String", format!("The id of the {} it stands in", entity.name)),
        (ROW, "Edm.Int64", "Its number there, from 1".to_owned()),
    ] {
        open(out, "Property", &[("Name", name), ("Type", kind), ("Nullable", "false")]);
        description(&text, out);
        out.push_str("</Property>\n");
    }
    properties(described, object, &flat.item_kind(entity), out);
    let target = format!("{}.{}", names::NAMESPACE, entity.name);
    open(out, "NavigationProperty", &[("Name", &flat.one), ("Type", &target), ("Nullable", "false")]);
    let constraint = [("Property", &*flat.parent), ("ReferencedProperty", "id")];
    open(out, "ReferentialConstraint", &constraint);
    out.push_str("</ReferentialConstraint>");
    description(&format!("The {} it stands in", entity.name), out);
    out.push_str("</NavigationProperty>\n");
    description(&format!("{} a row", flat.name.replace('_', " ")), out);
    out.push_str("</EntityType>\n");
}

/// The set.
pub(super) fn set(described: &Described<'_>, flat: &Flat, out: &mut String) {
    let entity = described.entity;
    let kind = format!("{}.{}", names::NAMESPACE, flat.kind(entity));
    open(out, "EntitySet", &[("Name", &flat.name), ("EntityType", &kind)]);
    open(out, "NavigationPropertyBinding", &[("Path", &flat.one), ("Target", &names::set(entity))]);
    out.push_str("</NavigationPropertyBinding>\n");
    let closed = described.columns.intersection(&flat.leaves()).minus(&described.clear);
    let paths = |leaves: FieldSet| -> Vec<String> {
        let paths = leaves.iter().filter_map(|id| entity.leaf(id)).map(names::of);
        paths.filter_map(|path| flat.of(&path).map(str::to_owned)).collect()
    };
    let mut unfiltered = paths(closed);
    unfiltered.push(ROW.to_owned());
    restriction("FilterRestrictions", "Filterable", "NonFilterableProperties", &unfiltered, out);
    let in_items = described.columns.intersection(&flat.leaves());
    let is_several = |id: &LeafId| {
        let path = entity.leaf(*id).map(|leaf| leaf.path.as_str());
        path.is_some_and(|path| !filter::is_single_under(entity, &flat.list, path))
    };
    let unsorted = closed.union(&in_items.iter().filter(is_several).collect());
    restriction("SortRestrictions", "Sortable", "NonSortableProperties", &paths(unsorted), out);
    let levels = "<PropertyValue Property=\"MaxLevels\" Int=\"1\"/>";
    record("ExpandRestrictions", "Expandable", true, levels, out);
    for (term, property) in [
        ("SearchRestrictions", "Searchable"),
        ("InsertRestrictions", "Insertable"),
        ("UpdateRestrictions", "Updatable"),
        ("DeleteRestrictions", "Deletable"),
    ] {
        record(term, property, false, "", out);
    }
    out.push_str("</EntitySet>\n");
}
