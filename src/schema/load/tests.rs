//! What an entity's file may say, and how its mistakes are told.

use std::sync::Arc;

use super::*;
use crate::{
    schema::{
        FieldSet, LeafId, Shape,
        testing::{ORDER, compiled, order_entity, shipped},
    },
    words::tree,
};

fn told(change: impl Fn(&str) -> String) -> String {
    let text = change(ORDER);
    assert_ne!(text, ORDER, "the change found nothing to change");
    let (entity, told) = compiled("schema/order.yaml", &text);
    assert!(entity.is_none() || !told.contains("error"), "{told}");
    told
}

fn swapped(from: &str, to: &str) -> String {
    told(|text| text.replacen(from, to, 1))
}

#[test]
fn leaves_are_numbered_in_file_order_and_know_their_place() {
    let entity = order_entity();
    let paths: Vec<&str> = entity.leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    assert_eq!(paths.first(), Some(&"id"));
    assert!(paths.contains(&"ship_to.city") && paths.contains(&"lines.net_total"), "{paths:?}");
    for (number, field) in entity.root.fields.iter().enumerate() {
        for leaf in field.leaves.clone() {
            assert!(entity.leaves[usize::from(leaf)].path.as_str().starts_with(&*field.name), "{number}");
        }
    }
    let leaf = |path: &str| entity.leaf(entity.leaf_at(path).unwrap()).unwrap();
    assert_eq!(leaf("id").kind, LeafKind::Id);
    assert_eq!(leaf("lines.id").kind, LeafKind::Id);
    assert_eq!((leaf("customer").kind.clone(), leaf("customer").reference.is_some()), (LeafKind::Id, true));
    assert_eq!(leaf("total").class, Class::Confidential);
    assert_eq!(leaf("total").subject.as_ref().map(FieldPath::as_str), Some("customer"));
    assert!(leaf("lines.sku").in_list && !leaf("lines.sku").unordered && leaf("tags").unordered);
    assert_eq!(entity.root.field("lines").unwrap().1.items_max, 50);
    assert!(entity.root.field("priority").unwrap().1.nullable);
    assert!(matches!(entity.root.field("tags").unwrap().1.shape, Shape::List(_)));
}

#[test]
fn read_only_and_required_follow_from_the_file() {
    let entity = order_entity();
    let paths = |set: FieldSet| -> Vec<String> {
        set.iter().map(|leaf| entity.leaf(leaf).unwrap().path.to_string()).collect()
    };
    assert_eq!(paths(entity.required()), ["customer", "lines.quantity"]);
    assert_eq!(paths(entity.all().minus(&entity.writable())), ["id", "number", "lines.net_total"]);
}

#[test]
fn a_leaf_without_a_class_does_not_load() {
    let told = swapped(", x-class: confidential", "");
    assert!(told.contains("schema/order.yaml:15:10: error: leaf `total` has no class"), "{told}");
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let told = told(|text| {
        text.replacen("maxLength: 20", "maxLngth: 20", 1)
            .replacen("format: decimal", "format: decmal", 1)
            .replacen("x-subject: customer", "x-subject: custmer", 1)
            .replacen("x-class: personal", "x-class: personl", 1)
            .replacen("required: [quantity]", "required: [quantty]", 1)
            .replacen("#/$defs/Address", "#/$defs/Adress", 1)
    });
    for (part, help) in [
        ("unknown key `maxLngth`", "did you mean `maxLength`?"),
        ("`decmal` is no format we check", "did you mean `decimal`?"),
        ("`custmer` is no subject", "did you mean `customer`?"),
        ("there is no field `quantty` here", "did you mean `quantity`?"),
        ("there is no definition `Adress`", "did you mean `Address`?"),
    ] {
        let line = told.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {told}"));
        assert!(line.contains(help), "{line}");
    }
    assert!(!told.contains("personl"), "a definition that cannot be reached is not read twice: {told}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (from, to, expected) in [
        ("type: boolean", "type: number", "would be a float"),
        ("type: boolean", "type: bool", "`bool` is no type"),
        ("type: boolean", "type: [string, integer]", "expected one type"),
        ("format: date,", "format: email,", "no format we check"),
        ("x-ref: Order", "x-ref: Order, maxLength: 3", "does not go with an id"),
        ("format: date,", "format: date, maxLength: 3,", "does not go with"),
        ("enum: [draft, open, closed]", "enum: [draft, draft]", "a second time"),
        ("enum: [draft, open, closed]", "enum: []", "1 to 512 codes"),
        ("  id: {", "  ids: {", "the first field of an entity is `id`"),
        ("  urgent:", "  sort:", "query parameter"),
        ("  urgent:", "  Urgent:", "no name of a field"),
        ("items: { type: string,", "items: { type: [string, \"null\"],", "an item is never null"),
        ("required: [customer, lines]", "required: [customer, lines, ship_to]", "nothing in it is"),
        (
            "{ type: string, readOnly: true, x-class: internal, description: Names it }",
            "{ type: string, x-class: internal }",
            "never by callers",
        ),
        ("title: Order", "title: order", "no name of an entity"),
        ("x-collection: orders", "x-collection: Orders", "no name of a collection"),
        ("x-collection: orders\n", "", "key `x-collection` is missing"),
        ("x-class: personal", "x-class: personl", "did you mean `personal`?"),
        ("    properties:\n      city", "    propertys:\n      city", "unknown key `propertys`"),
        (
            "items: { type: string, maxLength: 10, x-class: internal }",
            "items: { type: array, items: { type: boolean, x-class: public } }",
            "list of lists",
        ),
        (
            "city: { type: string, maxLength: 40, x-class: personal, description: Town }",
            "city: { $ref: \"#/$defs/Address\" }",
            "holds itself",
        ),
    ] {
        let told = swapped(from, to);
        assert!(told.contains(expected), "{to}: {told}");
    }
}

#[test]
fn a_definition_used_twice_tells_its_mistake_once() {
    let told = told(|text| {
        text.replacen("maxLength: 40", "maxLength: many", 1).replacen(
            "  lines:\n",
            "  bill_to: { $ref: \"#/$defs/Address\", description: Payer }\n  lines:\n",
            1,
        )
    });
    assert_eq!(told.matches("many").count(), 1, "{told}");
}

#[test]
fn definitions_that_use_definitions_cannot_blow_up() {
    let mut text = String::from(
        "title: Big\ndescription: d\nx-collection: bigs\ntype: object\nproperties:\n  id: { type: string, readOnly: true, x-class: public }\n  a: { $ref: \"#/$defs/D0\" }\n$defs:\n",
    );
    for level in 0..3 {
        text.push_str(&format!("  D{level}:\n    type: object\n    properties:\n"));
        for field in 0..40 {
            text.push_str(&format!("      f{field}: {{ $ref: \"#/$defs/D{}\" }}\n", level + 1));
        }
    }
    text.push_str("  D3: { type: boolean, x-class: public }\n");
    let (entity, told) = compiled("schema/big.yaml", &text);
    assert!(entity.is_none());
    assert!(told.contains("at most 256 leaves") || told.contains("at most 1024 fields"), "{told}");
    assert!(told.lines().count() < 2000, "{}", told.lines().count());
}

#[test]
fn files_are_checked_against_each_other() {
    let parse = |file: &str, text: &str| {
        let file: Arc<str> = file.into();
        let node = tree::parse(&file, text).unwrap();
        (file, node)
    };
    let one = parse("schema/order.yaml", &ORDER.replace("x-ref: Order", "x-ref: Ordr"));
    let told = schema(&[one]).unwrap_err().to_string();
    assert!(told.contains("there is no entity `Ordr` (did you mean `Order`?)"), "{told}");

    let twice = [parse("schema/order.yaml", ORDER), parse("schema/other.yaml", ORDER)];
    let told = schema(&twice).unwrap_err().to_string();
    assert!(told.contains("entity `Order` is described at schema/order.yaml:2:8 already"), "{told}");
    assert!(told.contains("collection `orders` belongs to `Order` already"), "{told}");
}

#[test]
fn a_file_with_another_name_than_its_entity_is_a_warning() {
    let (entity, told) = compiled("schema/orders.yaml", ORDER);
    assert!(entity.is_some());
    assert!(told.contains("call it `order.yaml`"), "{told}");
}

#[test]
fn the_shipped_schema_loads_without_a_warning() {
    let schema = shipped();
    let names: Vec<&str> = schema.entities().iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["Customer", "Invoice", "Order", "Product", "StockLevel"]);
    assert!(schema.collection("stock-levels").is_some());
    for entity in schema.entities() {
        assert!(entity.leaves.len() <= 60, "{}: {}", entity.name, entity.leaves.len());
        assert_eq!(entity.leaf(LeafId(0)).unwrap().path.as_str(), "id");
        assert!(!entity.description.is_empty());
    }
}

#[test]
fn the_editor_knows_every_keyword_that_the_loader_takes() {
    let schema = file_schema();
    let known = |pointer: &str, word: &str| schema.pointer(pointer).unwrap().get(word).is_some();
    for file in ["customer", "invoice", "order", "product", "stock_level"] {
        let path = format!("{}/policies/schema/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let root = tree::parse(&"x.yaml".into(), &std::fs::read_to_string(path).unwrap()).unwrap();
        for (key, _) in root.as_map().unwrap() {
            assert!(known("/properties", &key.text), "{file}: {}", key.text);
        }
        let mut open: Vec<&Node> = ["properties", "$defs"]
            .iter()
            .filter_map(|key| root.get(key)?.as_map())
            .flat_map(|pairs| pairs.iter().map(|(_, node)| node))
            .collect();
        while let Some(node) = open.pop() {
            for (key, value) in node.as_map().unwrap() {
                assert!(known("/$defs/node/properties", &key.text), "{file}: {}", key.text);
                match key.text.as_str() {
                    "items" => open.push(value),
                    "properties" => open.extend(value.as_map().unwrap().iter().map(|(_, node)| node)),
                    _ => {}
                }
            }
        }
    }
}
