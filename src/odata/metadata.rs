//! `$metadata`: the types and entity sets that one caller may ask for, with its own fields only, as CSDL XML.
//!
//! Groups of fields are complex types, lists are collections. Fields that may not serve a filter or an order, those
//! that are masked above all, are told as such. Nothing stands here that the caller could not find out by asking: a
//! navigation property only where the caller may follow it and what it leads to stands here too.

mod rows;

use super::{flat::Flat, names, navigation::Navigation};
use crate::schema::{Entity, FieldSet, Leaf, LeafId, LeafKind, Object, Shape, Way, value::ID_CHARS_MAX};

/// Most digits of a decimal.
const DECIMAL_DIGITS: u32 = 28;
/// Digits of a second in a moment.
const INSTANT_DIGITS: u32 = 9;

/// An entity as a caller knows it.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// Which.
    pub entity: &'a Entity,
    /// The leaves an answer may show.
    pub columns: FieldSet,
    /// Those that are shown masked, to it or in some records: their form is another.
    pub masked: FieldSet,
    /// The leaves that may serve filter and order.
    pub clear: FieldSet,
    /// Whether its records are listed: then the items of its lists are rows.
    pub listed: bool,
    /// What may stand beside a record.
    pub navigations: &'a [Navigation],
}

/// Writes the document. Entities without their `id` have no key and are left out.
pub fn metadata(described: &[Described<'_>]) -> String {
    let mut out = String::with_capacity(4096);
    let described: Vec<&Described<'_>> =
        described.iter().filter(|described| described.columns.contains(LeafId(0))).collect();
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">\n\
         <edmx:Reference Uri=\"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml\">\
         <edmx:Include Namespace=\"Org.OData.Core.V1\"/></edmx:Reference>\n\
         <edmx:Reference Uri=\"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1.xml\">\
         <edmx:Include Namespace=\"Org.OData.Capabilities.V1\"/></edmx:Reference>\n\
         <edmx:DataServices>\n\
         <Schema Namespace=\"bramka\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">\n",
    );
    for one in &described {
        types(one, &described, &mut out);
    }
    let flats: Vec<_> = described.iter().flat_map(|one| flats(one, &described)).collect();
    for (one, flat) in &flats {
        rows::kind(one, flat, &mut out);
    }
    out.push_str("<EntityContainer Name=\"Container\">\n");
    for one in &described {
        set(one, &described, &mut out);
    }
    for (one, flat) in &flats {
        rows::set(one, flat, &mut out);
    }
    out.push_str("</EntityContainer>\n</Schema>\n</edmx:DataServices>\n</edmx:Edmx>\n");
    out
}

/// The flat sets of an entity of which the caller sees something. A collection that is called so comes first.
fn flats<'a>(one: &'a Described<'a>, all: &[&Described<'_>]) -> Vec<(&'a Described<'a>, Flat)> {
    let is_free = |flat: &Flat| all.iter().all(|other| names::set(other.entity) != flat.name);
    let is_seen = |flat: &Flat| one.listed && !flat.leaves().intersection(&one.columns).is_empty();
    Flat::all(one.entity).filter(|flat| is_free(flat) && is_seen(flat)).map(|flat| (one, flat)).collect()
}

fn types(described: &Described<'_>, all: &[&Described<'_>], out: &mut String) {
    let (entity, name) = (described.entity, described.entity.name.as_str());
    open(out, "EntityType", &[("Name", name)]);
    out.push_str("<Key><PropertyRef Name=\"id\"/></Key>\n");
    properties(described, &entity.root, name, out);
    for (navigation, of) in followed(described, all) {
        navigation_property(described, navigation, of, out);
    }
    description(&entity.description, out);
    out.push_str("</EntityType>\n");
    complex(described, &entity.root, name, out);
}

/// The navigation properties that lead to what stands in the document, and where they lead.
fn followed<'a>(
    described: &Described<'a>,
    all: &'a [&'a Described<'a>],
) -> impl Iterator<Item = (&'a Navigation, &'a Described<'a>)> {
    described.navigations.iter().filter_map(|navigation| {
        let of = all.iter().find(|other| other.entity.name == navigation.entity().name)?;
        Some((navigation, *of))
    })
}

fn navigation_property(
    described: &Described<'_>,
    navigation: &Navigation,
    of: &Described<'_>,
    out: &mut String,
) {
    let one = format!("{}.{}", names::NAMESPACE, of.entity.name);
    let kind = if navigation.is_list { format!("Collection({one})") } else { one };
    let mut attributes = vec![("Name", navigation.name.as_str()), ("Type", kind.as_str())];
    let mut partners =
        of.navigations.iter().filter(|other| navigation.is_partner(described.entity, other, of.entity));
    if let Some(partner) = partners.next() {
        attributes.push(("Partner", &partner.name));
    }
    open(out, "NavigationProperty", &attributes);
    let referring = match navigation.relation.way {
        Way::Out(leaf) => described.entity.leaf(leaf),
        Way::Back(leaf) => of.entity.leaf(leaf),
    };
    if let Some(leaf) = referring {
        let path = names::of(leaf);
        if !navigation.is_list {
            let attributes = [("Property", path.as_str()), ("ReferencedProperty", "id")];
            open(out, "ReferentialConstraint", &attributes);
            out.push_str("</ReferentialConstraint>");
        }
        let text = match navigation.relation.way {
            Way::Out(_) => format!("What `{path}` names"),
            Way::Back(_) => format!("Whose `{path}` names this one"),
        };
        description(&text, out);
    }
    out.push_str("</NavigationProperty>\n");
}

/// The complex types under an object, each before those under it.
fn complex(described: &Described<'_>, object: &Object, of: &str, out: &mut String) {
    for field in object.fields.iter().filter(|field| described.columns.any_in(&field.leaves)) {
        if let Shape::Object(inner) = item(&field.shape) {
            let name = format!("{of}_{}", field.name);
            open(out, "ComplexType", &[("Name", &name)]);
            properties(described, inner, &name, out);
            out.push_str("</ComplexType>\n");
            complex(described, inner, &name, out);
        }
    }
}

fn properties(described: &Described<'_>, object: &Object, of: &str, out: &mut String) {
    for field in object.fields.iter().filter(|field| described.columns.any_in(&field.leaves)) {
        let item = item(&field.shape);
        let leaf = match item {
            Shape::Leaf(id) => described.entity.leaf(*id).map(|leaf| (*id, leaf)),
            Shape::Object(_) | Shape::List(_) => None,
        };
        let one = match leaf {
            Some((_, leaf)) => names::primitive(&leaf.kind).to_owned(),
            None => format!("{}.{of}_{}", names::NAMESPACE, field.name),
        };
        let is_list = matches!(field.shape, Shape::List(_));
        let kind = if is_list { format!("Collection({one})") } else { one };
        let mut attributes: Vec<(&str, String)> = vec![("Name", field.name.to_string()), ("Type", kind)];
        if is_list || matches!(leaf, Some((LeafId(0), _))) {
            attributes.push(("Nullable", "false".to_owned()));
        }
        if let Some((id, leaf)) = leaf {
            facets(leaf, described.masked.contains(id), &mut attributes);
        }
        let attributes: Vec<(&str, &str)> =
            attributes.iter().map(|(name, text)| (*name, text.as_str())).collect();
        open(out, "Property", &attributes);
        description(&field.description, out);
        out.push_str("</Property>\n");
    }
}

/// What is known of a value's size. A mask may be longer than what it hides.
fn facets(leaf: &Leaf, masked: bool, attributes: &mut Vec<(&str, String)>) {
    match &leaf.kind {
        LeafKind::Text { .. } | LeafKind::Id | LeafKind::Code(_) if masked => {}
        LeafKind::Text { chars_max, .. } => attributes.push(("MaxLength", chars_max.to_string())),
        LeafKind::Id => attributes.push(("MaxLength", ID_CHARS_MAX.to_string())),
        LeafKind::Code(codes) => {
            let longest = codes.iter().map(|code| code.chars().count()).max().unwrap_or(1);
            attributes.push(("MaxLength", longest.to_string()));
        }
        LeafKind::Decimal => {
            attributes.push(("Precision", DECIMAL_DIGITS.to_string()));
            attributes.push(("Scale", "variable".to_owned()));
        }
        LeafKind::Instant => attributes.push(("Precision", INSTANT_DIGITS.to_string())),
        LeafKind::Integer | LeafKind::Boolean | LeafKind::Date => {}
    }
}

fn set(described: &Described<'_>, all: &[&Described<'_>], out: &mut String) {
    let entity = described.entity;
    let kind = format!("{}.{}", names::NAMESPACE, entity.name);
    open(out, "EntitySet", &[("Name", &names::set(entity)), ("EntityType", &kind)]);
    let mut expandable = false;
    for (navigation, of) in followed(described, all) {
        expandable = true;
        let attributes = [("Path", navigation.name.as_str()), ("Target", &names::set(of.entity))];
        open(out, "NavigationPropertyBinding", &attributes);
        out.push_str("</NavigationPropertyBinding>\n");
    }
    let closed = described.columns.minus(&described.clear);
    let paths = |leaves: FieldSet| -> Vec<String> {
        leaves.iter().filter_map(|id| entity.leaf(id)).map(names::of).collect()
    };
    restriction("FilterRestrictions", "Filterable", "NonFilterableProperties", &paths(closed), out);
    let in_lists = described.columns.iter().filter(|id| entity.leaf(*id).is_some_and(|leaf| leaf.in_list));
    let unsorted = closed.union(&in_lists.collect());
    restriction("SortRestrictions", "Sortable", "NonSortableProperties", &paths(unsorted), out);
    let levels = "<PropertyValue Property=\"MaxLevels\" Int=\"1\"/>";
    record("ExpandRestrictions", "Expandable", expandable, if expandable { levels } else { "" }, out);
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

fn restriction(term: &str, property: &str, list: &str, paths: &[String], out: &mut String) {
    let mut inner = String::new();
    if !paths.is_empty() {
        inner.push_str("<PropertyValue Property=\"");
        inner.push_str(list);
        inner.push_str("\"><Collection>");
        for path in paths {
            inner.push_str("<PropertyPath>");
            escaped(path, &mut inner);
            inner.push_str("</PropertyPath>");
        }
        inner.push_str("</Collection></PropertyValue>");
    }
    record(term, property, true, &inner, out);
}

fn record(term: &str, property: &str, value: bool, inner: &str, out: &mut String) {
    let term = format!("Org.OData.Capabilities.V1.{term}");
    open(out, "Annotation", &[("Term", &term)]);
    out.push_str("<Record>");
    open(out, "PropertyValue", &[("Property", property), ("Bool", if value { "true" } else { "false" })]);
    out.push_str("</PropertyValue>");
    out.push_str(inner);
    out.push_str("</Record></Annotation>\n");
}

fn description(text: &str, out: &mut String) {
    if !text.is_empty() {
        open(out, "Annotation", &[("Term", "Org.OData.Core.V1.Description"), ("String", text)]);
        out.push_str("</Annotation>");
    }
}

/// What stands in a list; itself for what is none.
fn item(shape: &Shape) -> &Shape {
    let mut shape = shape;
    while let Shape::List(inner) = shape {
        shape = inner;
    }
    shape
}

fn open(out: &mut String, name: &str, attributes: &[(&str, &str)]) {
    out.push('<');
    out.push_str(name);
    for (name, value) in attributes {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escaped(value, out);
        out.push('"');
    }
    out.push('>');
}

/// Text as it stands in an attribute or between tags. What XML 1.0 cannot hold at all is left out.
fn escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
