//! `serves`: which system serves a collection, and which others tell some fields of its records.
//!
//! Most collections name a system and nothing else. Where several systems each hold some of the records, a list names
//! them. Where the fields of a record stand in several systems, those that serve the collection list, find and change
//! records; each of the others tells some whole fields, of the record that has the same value in a field both know, or
//! the same id. What another system tells is changed there; new records are made, and old ones removed, in the serving one alone.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};

use super::{files::GATEWAY, sources::SOURCES_MAX};
use crate::{
    catalog::Action,
    mapping::{IfMissing, Mapping},
    schema::{Entity, FieldSet, LeafId, LeafKind},
    words::{
        Diagnostic, Diagnostics, Period, Place, SystemName,
        tree::{Node, Value},
        yaml::{FromYaml, Named, Spanned, expected},
    },
    yaml_object,
};

/// LIMIT: systems that tell fields of one collection beside the one that serves it.
const PARTS_MAX: usize = 8;

/// Which system serves a collection: its name, those of several, or a map that says who tells what beside them.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The systems that list, find and change its records, each some of them.
    pub systems: Vec<Spanned<String>>,
    /// Others, and what they tell.
    pub with: Named<PartSettings>,
}

yaml_object! {
    /// A collection whose records stand in several systems.
    struct Joined {
        /// The system that lists, finds and changes its records; a list where several hold some of them each.
        system: SystemNames;
        /// Systems that tell some of their fields, by name.
        with: Named<PartSettings>;
    }

    /// What one more system tells of each record.
    pub struct PartSettings {
        /// Whole fields of the entity, as in `[credit, payment_terms]`. What the serving system says of them counts for nothing.
        pub fields: Vec<Spanned<String>>;
        /// The field that says which of its records is meant: a text that both systems know, or `id`.
        pub on: Spanned<String>;
        /// What is answered where it cannot be asked.
        pub missing: IfMissing = IfMissing::Told;
        /// How long it is waited for.
        pub within: Spanned<Period> = Spanned { value: Period::secs(5), place: Place::file(GATEWAY) };
    }
}

impl FromYaml for Serving {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Scalar(_) | Value::List(_) => {
                let SystemNames(systems) = SystemNames::read(node, found)?;
                Some(Self { systems, with: Named::default() })
            }
            Value::Map(_) => Joined::read(node, found)
                .map(|Joined { system: SystemNames(systems), with }| Self { systems, with }),
            Value::Null => {
                expected(node, "the name of a system, a list of names, or `{ system, with }`", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "oneOf": [Spanned::<String>::schema(), Vec::<String>::schema(), Joined::schema()] })
    }
}

/// The systems that serve a collection: one, or a list of those that hold some of its records each.
#[derive(Clone, Debug)]
struct SystemNames(Vec<Spanned<String>>);

impl FromYaml for SystemNames {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Value::List(_) = &node.value else {
            return Spanned::read(node, found).map(|one| Self(vec![one]));
        };
        let names: Vec<Spanned<String>> = Vec::read(node, found)?;
        let twice = |(at, name): &(usize, &Spanned<String>)| {
            names.iter().take(*at).any(|other| other.value == name.value)
        };
        if names.is_empty() {
            found.error(&node.place, "name a system that serves the collection");
        }
        for (_, name) in names.iter().enumerate().filter(twice) {
            found.error(&name.place, format!("`{}` serves the collection already", name.value));
        }
        if let Some(name) = names.get(SOURCES_MAX) {
            found.error(&name.place, format!("at most {SOURCES_MAX} systems serve a collection"));
        }
        Some(Self(names))
    }

    fn schema() -> Json {
        json!({ "oneOf": [Spanned::<String>::schema(), Vec::<String>::schema()] })
    }
}

/// What one more system tells of the records of an entity.
#[derive(Clone, Debug)]
pub struct Part {
    /// The system.
    pub system: SystemName,
    /// The leaves that it tells.
    pub leaves: FieldSet,
    /// The leaf by whose value its record is found; that of the id where both are one record of the crosswalk.
    pub on: LeafId,
    /// What is answered where it cannot be asked.
    pub missing: IfMissing,
    /// How long it is waited for.
    pub within: Duration,
}

impl Part {
    /// Whether its record is found by the id.
    pub fn is_by_id(&self) -> bool {
        self.on == LeafId(0)
    }
}

/// Reads what other systems tell of an entity's records beside one that serves it; `of` knows their mappings. Each comes
/// with the whole fields it answers for.
pub(super) fn parts(
    entity: &Entity,
    serving: &Serving,
    main: &Mapping,
    of: &dyn Fn(&str) -> Option<Arc<Mapping>>,
    found: &mut Diagnostics,
) -> Vec<(Part, FieldSet)> {
    let mut out: Vec<(Part, FieldSet)> = Vec::new();
    if let Some((name, _)) = serving.with.iter().nth(PARTS_MAX) {
        found.error(&name.place, format!("a collection stands in at most {PARTS_MAX} systems more"));
        return out;
    }
    for (name, settings) in serving.with.iter() {
        // A system that is not there is told already.
        let Some(mapping) = of(&name.value) else { continue };
        if serving.systems.iter().any(|system| system.value == name.value) {
            found.error(&name.place, format!("`{}` serves the collection already", name.value));
            continue;
        }
        let fields = fields(entity, (name, settings), (main, &mapping), &out, found);
        let on = on(entity, &settings.on, main, &mapping, found);
        if settings.within.value < Period::millis(1) {
            found.error(&settings.within.place, "a system is waited for 1ms or more");
        }
        let (Some(fields), Some(on)) = (fields, on) else { continue };
        if fields.contains(on) {
            let message = format!("`{}` cannot find a record and be told of it", settings.on.value);
            found.error(&settings.on.place, message);
            continue;
        }
        let part = Part {
            system: mapping.system().clone(),
            leaves: fields.intersection(&mapping.own()),
            on,
            missing: settings.missing,
            within: settings.within.value.0,
        };
        out.push((part, fields));
    }
    let fields = out.iter().fold(FieldSet::EMPTY, |all, (_, fields)| all.union(fields));
    for (part, _) in &out {
        let place = serving.with.iter().find(|(name, _)| name.value == part.system.as_str());
        if let Some((name, _)) = place {
            one_currency(entity, (&part.leaves, &name.value, &name.place), found);
        }
    }
    if let Some(name) = serving.systems.iter().find(|_| !out.is_empty()) {
        one_currency(entity, (&main.own().minus(&fields), &name.value, &name.place), found);
    }
    for (name, settings) in serving.with.iter() {
        let is_told =
            out.iter().any(|(part, _)| part.system.as_str() == name.value && fields.contains(part.on));
        if is_told {
            let message = format!("`{}` is told by another system itself", settings.on.value);
            let help = "what records are found by is a field of the serving system";
            found.push(Diagnostic::error(&settings.on.place, message).help(help));
        }
    }
    out
}

/// An amount and its currency are told by one system: another's currency would make another amount of it.
fn one_currency(entity: &Entity, (told, system, place): (&FieldSet, &str, &Place), found: &mut Diagnostics) {
    for (amount, money) in entity.amounts() {
        let name = |leaf| entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
        // Where the file has no line for the currency, the amount is none of money.
        if told.contains(amount) && money.when.is_none() && !told.contains(money.currency) {
            let (amount, currency) = (name(amount), name(money.currency));
            let message =
                format!("`{amount}` of `{system}` is money, and `{currency}` would be another system's");
            let help = format!("let one system tell both: `{amount}` and `{currency}`");
            found.push(Diagnostic::error(place, message).help(help));
            return;
        }
    }
}

/// The whole fields that a system tells, each of them no other's.
fn fields(
    entity: &Entity,
    (name, settings): (&Spanned<String>, &PartSettings),
    (main, mapping): (&Mapping, &Mapping),
    others: &[(Part, FieldSet)],
    found: &mut Diagnostics,
) -> Option<FieldSet> {
    let mut all = FieldSet::EMPTY;
    let before = found.0.len();
    for field in &settings.fields {
        let Some((_, known)) = entity.root.field(&field.value).filter(|_| field.value != "id") else {
            let names = entity.root.fields.iter().map(|field| &*field.name).filter(|name| *name != "id");
            let message = format!("`{}` is no field that another system can tell", field.value);
            let help = "whole fields of the entity: `credit`, not `credit.limit`";
            found.push(Diagnostic::error(&field.place, message).suggest(&field.value, names).help(help));
            continue;
        };
        let leaves = FieldSet::of_range(&known.leaves);
        if others.iter().any(|(_, fields)| meet(fields, &leaves)) || meet(&all, &leaves) {
            found.error(&field.place, format!("`{}` is told twice", field.value));
        } else if !meet(&mapping.own(), &leaves) {
            let message = format!("`{}` has no line for `{}`", name.value, field.value);
            found.push(
                Diagnostic::error(&field.place, message).help("write it under `fields` of the system's file"),
            );
        } else if main.is_in_a_text_with_others(&leaves) {
            let (place, field, system) = (&field.place, &field.value, main.system());
            let message = format!("`{field}` stands in one text with other fields in `{system}`");
            found.error(place, message);
        }
        all = all.union(&leaves);
    }
    if settings.fields.is_empty() {
        found.error(&name.place, format!("`{}` tells nothing: name its `fields`", name.value));
    }
    (found.0.len() == before).then_some(all)
}

fn meet(one: &FieldSet, other: &FieldSet) -> bool {
    !one.intersection(other).is_empty()
}

/// The leaf by whose value a record is found.
fn on(
    entity: &Entity,
    on: &Spanned<String>,
    main: &Mapping,
    mapping: &Mapping,
    found: &mut Diagnostics,
) -> Option<LeafId> {
    let Some((id, leaf)) = entity.leaf_at(&on.value).and_then(|id| Some((id, entity.leaf(id)?))) else {
        let paths = entity.leaves.iter().map(|leaf| leaf.path.as_str());
        let message = format!("`{}` is no field of `{}`", on.value, entity.name);
        found.push(Diagnostic::error(&on.place, message).suggest(&on.value, paths));
        return None;
    };
    let is_id = id == LeafId(0);
    let is_text = matches!(leaf.kind, LeafKind::Text { .. }) && !leaf.in_list && leaf.reference.is_none();
    if !is_id && !is_text {
        let message = format!("records are not found by `{}`", on.value);
        let help = "by `id`, or by one text of the record, as in `on: vat_id`";
        found.push(Diagnostic::error(&on.place, message).help(help));
        return None;
    }
    if let Some(silent) = [main, mapping].into_iter().find(|one| !one.own().contains(id)) {
        let message = format!("`{}` has no line for `{}`", silent.system(), on.value);
        found.push(
            Diagnostic::error(&on.place, message).help("both systems must tell what records are found by"),
        );
        return None;
    }
    let is_found = mapping.finds_by(id) || (is_id && mapping.can(Action::Read));
    if !is_found {
        let message = format!("`{}` cannot be asked for records by `{}`", mapping.system(), on.value);
        found.push(
            Diagnostic::error(&on.place, message).help("its list needs a `filter` that knows the field"),
        );
        return None;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::testing;

    #[test]
    fn an_amount_is_never_told_with_the_currency_of_another_system() {
        let schema = testing::shipped();
        let order = schema.entity("Order").unwrap();
        let place = Place { file: "gateway.yaml".into(), line: 1, column: 1, start: 0, end: 0 };
        let told = |paths: &[&str]| {
            let mut found = Diagnostics::default();
            let leaves = paths.iter().map(|path| order.leaf_at(path).unwrap()).collect();
            one_currency(order, (&leaves, "books", &place), &mut found);
            found.to_string()
        };
        assert_eq!(told(&["number", "currency", "tax_total", "lines.net_price"]), "");
        assert_eq!(told(&["number", "currency"]), "");
        let wrong = told(&["number", "lines.net_price"]);
        assert!(wrong.contains("`lines.net_price` of `books` is money"), "{wrong}");
    }
}
