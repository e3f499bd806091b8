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
fn natural_keys_are_marked_and_none_is_an_id_or_a_reference() {
    let customer = shipped();
    let customer = customer.entity("Customer").unwrap();
    let paths = |entity: &Entity| -> Vec<String> {
        entity.natural_keys().iter().map(|leaf| entity.leaf(leaf).unwrap().path.to_string()).collect()
    };
    let marked = ["vat_id", "tax_ids.value", "registration_ids.value", "gln", "emails.value"];
    assert_eq!(paths(customer), marked);
    assert_eq!(paths(&order_entity()), Vec::<String>::new());
    let told = swapped("x-ref: Order", "x-ref: Order, x-natural-key: true");
    assert!(told.contains("no `id`, no reference and no boolean is one"), "{told}");
}

#[test]
fn what_names_an_element_of_another_record_says_of_which_and_is_checked_against_that() {
    let with = |said: &str| {
        let field = format!(
            "  tags: {{ type: array, description: Words, items: {{ {said}, x-class: internal, description: One }} }}\n"
        );
        let file: Arc<str> = "schema/order.yaml".into();
        let (before, rest) = ORDER.split_once("  tags:").unwrap();
        let text = format!("{before}{field}{}", rest.split_once('\n').unwrap().1);
        schema(&[(file.clone(), tree::parse(&file, &text).unwrap())])
    };
    let loaded = with("type: string, readOnly: true, x-element: customer.lines").unwrap().0;
    let order = loaded.entity("Order").unwrap();
    let leaf = |path: &str| order.leaf_at(path).unwrap();
    let (record, of, id) = order.names_element(leaf("tags")).unwrap();
    assert_eq!((record, of.as_str(), id.as_str()), (leaf("customer"), "Order", "lines.id"));
    let (record, of, id) = order.names_element(leaf("lines.id")).unwrap();
    assert_eq!((record, of.as_str(), id.as_str()), (LeafId(0), "Order", "lines.id"));
    for other in ["id", "customer", "lines.sku", "number"] {
        assert_eq!(order.names_element(leaf(other)), None, "{other}");
    }
    let tags = FieldSet::of(leaf("tags"));
    assert_eq!(order.with_records_of_elements(&tags), tags.union(&FieldSet::of(leaf("customer"))));
    for (said, told) in [
        ("type: string, x-element: customer.lines", "is never written"),
        ("type: string, readOnly: true, x-element: custmer.lines", "did you mean `customer`?"),
        (
            "type: string, readOnly: true, x-element: customer.tags",
            "`Order` has no list `tags` whose elements have an `id`",
        ),
        ("type: string, readOnly: true, x-element: lines", "`lines` names no list"),
        ("type: string, readOnly: true, x-element: customer.lines, maxLength: 9", "does not go with an id"),
        ("type: integer, readOnly: true, x-element: customer.lines", "what names an element is text"),
        ("type: string, readOnly: true, x-ref: Order, x-element: customer.lines", "no `id` and no `x-ref`"),
    ] {
        let found = with(said).unwrap_err().to_string();
        assert!(found.contains(told), "{told}: {found}");
    }
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
    let expected = [
        "Campaign",
        "Customer",
        "Invoice",
        "Metric",
        "Order",
        "Payment",
        "Price",
        "Product",
        "Shipment",
        "StockLevel",
        "Subscription",
    ];
    assert_eq!(names, expected);
    assert!(schema.collection("stock-levels").is_some());
    for entity in schema.entities() {
        assert!(entity.leaves.len() <= 80, "{}: {}", entity.name, entity.leaves.len());
        assert_eq!(entity.leaf(LeafId(0)).unwrap().path.as_str(), "id");
        assert!(!entity.description.is_empty());
    }
}

#[test]
fn the_editor_knows_every_keyword_that_the_loader_takes() {
    let schema = file_schema();
    let known = |pointer: &str, word: &str| schema.pointer(pointer).unwrap().get(word).is_some();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/schema")).unwrap() {
        let file = file.unwrap().path();
        let root = tree::parse(&"x.yaml".into(), &std::fs::read_to_string(&file).unwrap()).unwrap();
        let file = file.display();
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

/// The shipped customer and what a company adds to it; what is told where it does not load.
fn added(addition: &str) -> Result<Schema, String> {
    let customer = include_str!("../../../policies/schema/customer.yaml");
    let read = |name: &str, text: &str| (Arc::from(name), tree::parse(&name.into(), text).unwrap());
    let files = [read("schema/customer.yaml", customer), read("schema/customer.acme.yaml", addition)];
    schema(&files).map(|(schema, _)| schema).map_err(|found| found.to_string())
}

#[test]
fn a_company_adds_its_own_fields_beside_ours_in_a_file_of_its_own() {
    let schema = added(
        "x-extends: Customer
properties:
  loyalty_tier: { type: string, enum: [silver, gold], x-class: internal, description: \"Tier\" }
  credit:
    properties:
      insured: { type: string, format: decimal, x-class: confidential, description: \"Insured sum\" }
  emails:
    items:
      properties:
        checked_on: { type: string, format: date, x-class: internal, description: \"Day it was found to work\" }
required: [loyalty_tier]
$defs:
  RoleAddress:
    properties:
      dock: { type: string, maxLength: 20, x-class: internal, description: \"Loading dock\" }
",
    )
    .unwrap();
    let entity = schema.entity("Customer").unwrap();
    for path in ["loyalty_tier", "credit.insured", "credit.limit", "emails.checked_on", "addresses.dock"] {
        assert!(entity.leaf_at(path).is_some(), "{path}");
    }
    let own = entity.leaf_at("loyalty_tier").unwrap();
    assert!(entity.required().contains(own));
    assert_eq!(entity.leaf(own).unwrap().subject.as_ref().map(FieldPath::as_str), Some(SELF));
    assert_eq!(entity.leaf_at("id"), Some(LeafId(0)), "ours keep their place");
}

#[test]
fn what_a_company_adds_takes_nothing_from_ours_and_is_checked_like_ours() {
    for (addition, expected) in [
        (
            "x-extends: Customer\nproperties:\n  name: { type: string, x-class: public, description: n }\n",
            "schema/customer.acme.yaml:3:3: error: `name` is described at schema/customer.yaml:",
        ),
        (
            "x-extends: Customer\nproperties:\n  credit:\n    properties:\n      limit: { x-class: public }\n",
            "schema/customer.acme.yaml:5:7: error: `limit` is described at",
        ),
        (
            "x-extends: Customer\nproperties:\n  credit: { readOnly: false }\n",
            "schema/customer.acme.yaml:3:3: error: `credit` is described at",
        ),
        (
            "x-extends: Customer\nproperties:\n  tier: { type: string, description: t }\n",
            "schema/customer.acme.yaml:3:9: error: ",
        ),
        (
            "x-extends: Customers\nproperties:\n  tier: { type: string, x-class: public, description: t }\n",
            "there is no entity `Customers` to add to (did you mean `Customer`?)",
        ),
        ("x-extends: Customer\nx-collection: others\n", "unknown key `x-collection`"),
        ("x-extends: Customer\n", "it adds nothing"),
        (
            "x-extends: Customer\nproperties:\n  addresses: { items: { properties: { dock: { type: string, x-class: public, description: d } } } }\n",
            "add to that under `$defs`",
        ),
        (
            "x-extends: Customer\nproperties:\n  name: { properties: { short: { type: string, x-class: public, description: s } } }\n",
            "`name` has no `properties` to add to",
        ),
    ] {
        let told = added(addition).map(drop).unwrap_err();
        assert!(told.contains(expected), "{addition}\n{told}");
    }
}
