//! Made-up documents of an entity, and what is done with those that a system cannot take.

use bramka::schema::{Entity, FieldSet, LeafKind, Object, Shape, Spelling};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

/// Texts that are taken for something else where they stand unguarded.
const EDGES: &[&str] = &[
    "",
    " padded ",
    "O'Brien",
    "say \"no\"",
    "back\\slash",
    "a, b; c|d",
    "<b>&amp;</b> & ]]>",
    "{record} ${env:X} $value =1",
    "%22%27+?&x=1#",
    "Środa Śląska, Ελλάδα, 漢字, \u{1f600}",
    "e\u{301}",
    "two\nlines\tand a tab",
    "\u{1}\u{7f}",
    "null",
    "true",
    "0",
    "-1.50",
    "2026-02-30",
    "0001-01-01",
    "'); --",
    "\u{a0}\u{200b}",
];

/// Documents with some of these leaves, all that the schema requires of these, and all that the system needs besides.
pub(super) fn documents(
    entity: &Entity,
    leaves: &FieldSet,
    (required, needed): (&FieldSet, &FieldSet),
) -> BoxedStrategy<Json> {
    object(entity, &entity.root, leaves, (required, needed))
}

/// Recursion is bounded by the depth of the entity.
fn object(
    entity: &Entity,
    object: &Object,
    leaves: &FieldSet,
    (required, needed): (&FieldSet, &FieldSet),
) -> BoxedStrategy<Json> {
    let mut all = Just(Map::new()).boxed();
    for field in object.fields.iter().filter(|field| leaves.any_in(&field.leaves)) {
        let value = value(entity, &field.shape, leaves, (required, needed));
        let name = field.name.to_string();
        let is_required = (field.required && required.any_in(&field.leaves)) || needed.any_in(&field.leaves);
        let value = if is_required { value.prop_map(Some).boxed() } else { option::of(value).boxed() };
        all = (all, value)
            .prop_map(move |(mut map, value)| {
                map.extend(value.map(|value| (name.clone(), value)));
                map
            })
            .boxed();
    }
    all.prop_map(Json::Object).boxed()
}

fn value(
    entity: &Entity,
    shape: &Shape,
    leaves: &FieldSet,
    required: (&FieldSet, &FieldSet),
) -> BoxedStrategy<Json> {
    match shape {
        Shape::Object(inner) => object(entity, inner, leaves, required),
        Shape::List(item) => vec(value(entity, item, leaves, required), 1..3).prop_map(Json::Array).boxed(),
        Shape::Leaf(leaf) => kind(&entity.leaf(*leaf).unwrap().kind),
    }
}

fn kind(kind: &LeafKind) -> BoxedStrategy<Json> {
    let text = |text: &'static str| Json::from(text);
    match kind {
        LeafKind::Text { spelling: Spelling::VatId, .. } => {
            select(&["PL5260250274", "pl 526-025-02-74", "DE136695976", "ATU13585627", "US12-3456789"][..])
                .prop_map(text)
                .boxed()
        }
        LeafKind::Text { spelling: Spelling::TaxNumber, .. } => {
            select(&["5260250274", "526-025-02-74", "PL 1234563218"][..]).prop_map(text).boxed()
        }
        LeafKind::Text { chars_max, .. } => {
            let most = usize::try_from(*chars_max).unwrap();
            let cut = move |text: String| Json::from(text.chars().take(most).collect::<String>());
            // The codes of closed lists that a file gives a text.
            const CODES: &[&str] = &["PL", "PLN", "H87", "KGM", "PL:NIP", "5260250274", "87-607"];
            prop_oneof![
                4 => "[A-Za-ząż0-9][A-Za-ząż0-9 .-]{0,12}[a-z0-9]".prop_map(cut),
                3 => select(EDGES).prop_map(|edge| edge.to_owned()).prop_map(cut),
                2 => select(CODES).prop_map(text),
                1 => Just("ż".repeat(most.min(5000))).prop_map(Json::from),
                1 => any::<String>().prop_map(cut),
            ]
            .boxed()
        }
        LeafKind::Code(codes) => {
            select(codes.iter().map(|code| code.to_string()).collect::<Vec<_>>()).prop_map(Json::from).boxed()
        }
        LeafKind::Id => {
            select(&["17", "20000", "0ea6738a-44e3-ea11-bb43-000d3a2feca1"][..]).prop_map(text).boxed()
        }
        LeafKind::Decimal => {
            let digits = prop_oneof![0_i64..100, -1000_i64..1000, 0_i64..1_000_000_000_000];
            (digits, 0_u32..6)
                .prop_map(|(digits, scale)| Decimal::new(digits, scale).to_string().into())
                .boxed()
        }
        LeafKind::Integer => prop_oneof![0_i64..1000, any::<i64>()].prop_map(Json::from).boxed(),
        LeafKind::Boolean => any::<bool>().prop_map(Json::from).boxed(),
        LeafKind::Date => (1990_i16..2050, 1_i8..13, 1_i8..29)
            .prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}").into())
            .boxed(),
        LeafKind::Instant => (631_152_000_i64..2_500_000_000, select(&["", ".5", ".123"][..]))
            .prop_map(|(second, rest)| {
                let whole = jiff::Timestamp::from_second(second).unwrap().to_string();
                whole.replace('Z', &format!("{rest}Z")).into()
            })
            .boxed(),
    }
}

/// Clears some of the fields that a record has.
pub(super) fn clear(document: &mut Json, record: &Json, which: &[Index]) {
    let names: Vec<&String> = record.as_object().unwrap().keys().collect();
    for index in which.iter().filter(|_| !names.is_empty()) {
        document[names[index.index(names.len())]] = Json::Null;
    }
}

/// Puts what the first of these records that knows it says in the place of a value that was refused or is missing, or
/// leaves it out. Where that was refused too, all that it stands in becomes as the last of them has it.
pub(super) fn mend(document: &mut Json, pointer: &str, known: &[&Json]) {
    let above = pointer.rsplit_once('/').filter(|(above, _)| !above.is_empty());
    match (document.pointer_mut(pointer), known_at(known, pointer)) {
        (Some(sent), Some(better)) if *sent != better => *sent = better,
        (Some(_), Some(_)) => {
            let better = above.and_then(|(above, _)| {
                Some((document.pointer_mut(above)?, known_at(&[*known.last()?], above)?))
            });
            match better {
                Some((sent, better)) if *sent != better => *sent = better,
                Some(_) | None => without(document, pointer, false),
            }
        }
        (Some(_), _) => without(document, pointer, false),
        (None, Some(better)) => {
            if let Some((above, name)) = pointer.rsplit_once('/')
                && let Some(Json::Object(map)) = document.pointer_mut(above)
            {
                map.insert(name.to_owned(), better);
            }
        }
        (None, None) => without(document, pointer, true),
    }
}

/// What the first of these records that knows it says there; of a list that is too short, what its first element does.
fn known_at(known: &[&Json], pointer: &str) -> Option<Json> {
    let is_place = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let first = pointer.split('/').map(|part| if is_place(part) { "0" } else { part }).collect::<Vec<_>>();
    let first = first.join("/");
    let of = |known: &&Json| {
        let value = known.pointer(pointer).or_else(|| known.pointer(&first));
        value.filter(|value| !value.is_null()).cloned()
    };
    known.iter().find_map(of)
}

/// Leaves a value out; where it is not there, what it is missed in.
pub(super) fn without(document: &mut Json, pointer: &str, or_above: bool) {
    let Some((above, name)) = pointer.rsplit_once('/') else { return };
    let is_there = document.pointer(pointer).is_some();
    if !is_there && or_above && !above.is_empty() {
        return without(document, above, false);
    }
    match document.pointer_mut(above) {
        Some(Json::Object(map)) => drop(map.remove(name)),
        Some(Json::Array(items)) => match name.parse() {
            Ok(at) if at < items.len() => drop(items.remove(at)),
            Ok(_) | Err(_) => {}
        },
        Some(_) | None => {}
    }
    // A list or group that holds nothing is left out with what it held.
    if matches!(document.pointer(above), Some(Json::Object(map)) if map.is_empty() && !above.is_empty())
        || matches!(document.pointer(above), Some(Json::Array(items)) if items.is_empty())
    {
        without(document, above, false);
    }
}

/// Whether everything that was sent stands in what is held; lists may have another order, and numbers other zeros.
pub(super) fn holds(held: &Json, sent: &Json) -> bool {
    match (held, sent) {
        (Json::Object(held), Json::Object(sent)) => sent.iter().all(|(name, value)| match held.get(name) {
            Some(held) => holds(held, value),
            None => is_nothing(value),
        }),
        (Json::Array(held), Json::Array(sent)) => {
            sent.iter().all(|value| is_nothing(value) || held.iter().any(|held| holds(held, value)))
        }
        (Json::String(held), Json::String(sent)) if held != sent => {
            let decimal = |text: &str| text.parse::<Decimal>().ok();
            decimal(held).is_some_and(|held| decimal(sent) == Some(held))
        }
        (held, sent) => held == sent,
    }
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.iter().all(is_nothing),
        Json::Object(map) => map.values().all(is_nothing),
        // A text of nothing is none.
        Json::String(text) => text.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}
