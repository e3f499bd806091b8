//! Flat sets in `$metadata`: a type a list, and what may be asked of its rows.

use super::{Described, description, open, properties, record, restriction};
use crate::odata::{
    flat::{Flat, ROW},
    names,
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
    description(&format!("{} a row", flat.name.replace('_', " ")), out);
    out.push_str("</EntityType>\n");
}

/// The set.
pub(super) fn set(described: &Described<'_>, flat: &Flat, out: &mut String) {
    let entity = described.entity;
    let kind = format!("{}.{}", names::NAMESPACE, flat.kind(entity));
    open(out, "EntitySet", &[("Name", &flat.name), ("EntityType", &kind)]);
    let closed = described.columns.intersection(&flat.leaves()).minus(&described.clear);
    let paths = closed.iter().filter_map(|id| entity.leaf(id)).map(names::of);
    let mut paths: Vec<String> = paths.filter_map(|path| flat.of(&path).map(str::to_owned)).collect();
    paths.push(ROW.to_owned());
    restriction("FilterRestrictions", "Filterable", "NonFilterableProperties", &paths, out);
    for (term, property) in [
        ("SortRestrictions", "Sortable"),
        ("CountRestrictions", "Countable"),
        ("ExpandRestrictions", "Expandable"),
        ("SearchRestrictions", "Searchable"),
        ("InsertRestrictions", "Insertable"),
        ("UpdateRestrictions", "Updatable"),
        ("DeleteRestrictions", "Deletable"),
    ] {
        record(term, property, false, "", out);
    }
    open(out, "Annotation", &[("Term", "Org.OData.Capabilities.V1.SkipSupported"), ("Bool", "false")]);
    out.push_str("</Annotation>\n</EntitySet>\n");
}
