//! What is proposed, for which reasons, and that no name of a system leaves its place.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    schema::{self, Schema},
    words::tree,
};

pub(super) fn shipped() -> Schema {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/schema");
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let name: Arc<str> = file.file_name().unwrap().to_string_lossy().into();
        let text = std::fs::read_to_string(&file).unwrap();
        files.push((name.clone(), tree::parse(&name, &text).unwrap()));
    }
    schema::load::schema(&files).unwrap().0
}

fn drafted(entity: &str, answers: &[Json]) -> String {
    let schema = shipped();
    let mut natives = Natives::default();
    let mut places = Places::default();
    answers.iter().for_each(|answer| places.add(natives.learn(answer, entity)));
    write(&schema, entity, &natives, places)
}

fn write(schema: &Schema, entity: &str, natives: &Natives, places: Places) -> String {
    let entity = schema.entity(entity).unwrap();
    let lines = matched(entity, natives);
    let draft =
        Draft { system: "shop", entity, base: None, at: None, places, natives, lines: &lines, odata: None };
    draft.write(&[]).text
}

/// Whether a draft loads, and what is told of it.
fn load(text: &str) -> (bool, String) {
    let mut found = crate::words::Diagnostics::default();
    let node = tree::parse(&"shop.yaml".into(), text).unwrap();
    let name = crate::words::SystemName::from("shop");
    let system = crate::mapping::System::load(&name, &node, &[], &shipped(), &mut found);
    (system.is_some(), found.to_string())
}

#[test]
fn an_answer_that_says_how_it_went_makes_a_matcher() {
    let row = json!({ "contactId": "a", "email": "a@b.pl" });
    let page = |more: Json| {
        let mut answer = json!({ "success": true, "contacts": [row] });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        drafted("Customer", &[answer])
    };
    let matcher = |words: &str| {
        format!("errors:\n  - {{ status: any, at: success, equals: \"false\", is: invalid{words} }} # ? one")
    };
    for (more, words) in [
        (json!({ "message": [] }), ", faults: { each: message, text: . }"),
        (json!({ "message": ["x"] }), ", faults: { each: message, text: . }"),
        (json!({ "message": "" }), ", text: message"),
        (json!({ "message": [1] }), ""),
        (json!({}), ""),
    ] {
        let text = page(more);
        assert!(text.contains(&matcher(words)), "{text}");
        let (system, told) = load(&text);
        assert!(system, "{told}\n{text}");
    }
    // A field of a record is none, and neither is a flag that is no flag.
    for answer in [json!({ "id": 1, "success": "yes" }), json!([ { "id": 1, "success": true } ])] {
        assert!(!drafted("Customer", &[answer]).contains("errors:"));
    }
}

#[test]
fn names_types_and_values_say_which_field_is_which() {
    let text = drafted(
        "Product",
        &[json!({ "items": [
            { "articleId": 17, "itemNumber": "lamp-1 ", "displayName": "Lamp", "barcode": "4006381333931", "unitPrice": "19.90",
              "lastModified": "2026-03-01T08:00:00Z", "state": "active", "weight": { "value": 2, "unit": "kg" }, "colour": "red" },
            { "articleId": 18, "itemNumber": "lamp-2", "displayName": "Lamp", "barcode": "", "unitPrice": "1",
              "lastModified": "2026-03-01T08:00:00Z", "state": "gone", "weight": { "value": 2.5, "unit": "kg" }, "colour": "red" }
        ], "next": "p2" })],
    );
    for line in [
        "    key: { at: articleId, form: digits } # ? as in 17",
        "    list: { rows: items, page: { next: next, query: next } } # ? the parameters of its pages",
        "      sku: { at: itemNumber, norm: trim } # as in lamp-1 ",
        "      name: displayName # as in Lamp",
        "      gtin: barcode # as in 4006381333931",
        "      list_price.net_price: { at: unitPrice, as: { wire: text } } # ? as in 19.90",
        "      weight.value: weight.value # as in 2",
        "      weight.unit: { at: weight.unit, values: { kg: KGM } } # as in kg",
        "      updated_at: lastModified # as in 2026-03-01T08:00:00Z",
        "    #   colour as in red",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}

#[test]
fn nothing_is_proposed_that_no_name_or_value_speaks_for() {
    let text =
        drafted("Order", &[json!({ "id": "1", "wheels": 4, "moon_phase": "full", "quantity": "many" })]);
    assert!(text.contains("      {} # ? nothing is called like a field of this entity"), "{text}");
    assert!(text.contains("    key: id\n"), "{text}");
    for left in ["wheels as in 4", "moon_phase as in full", "quantity as in many"] {
        assert!(text.contains(left), "{left}\n{text}");
    }
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line}\n{text}");
    }
    let (is_read, told) = load(text);
    assert!(is_read, "{told}\n{text}");
}

#[test]
fn calls_of_json_rpc_are_taken_out_of_their_envelope_and_drafted_as_calls() {
    let rows = json!([
        { "id": 14, "title": "A", "name": "Azure", "ref": "C-14", "phone": "1", "mobile": false, "function": false,
          "country_id": [179, "Poland"], "parent_id": false, "is_company": true, "active": true, "city": "Rzym",
          "create_date": "2026-01-05 10:11:12" },
        { "id": 26, "title": "B", "name": "Brandon", "ref": false, "phone": false, "mobile": "2", "function": "Buyer",
          "country_id": false, "parent_id": [14, "Azure"], "is_company": false, "active": true, "city": false,
          "create_date": "2026-01-05 10:11:12" } ]);
    let text = drafted("Customer", &[json!({ "jsonrpc": "2.0", "id": 1, "result": rows })]);
    has(
        &text,
        &[
            "speaks: json # calls of JSON-RPC, in the body of each request",
            "absent: { any: [\"\", \"false\"] } # ? `false` where there is nothing",
            "time_zone: UTC # ? in which its moments are told",
            "  - { status: any, at: error, is: unknown, text: error.message, code: error.code } # ? one for each thing it means",
            "    at: /jsonrpc # ? where calls go",
            "    key: { at: id, form: digits }",
            "    list: { post: \"\", rows: result, body: { jsonrpc: \"2.0\", id: 1, method: call, params: [] } } # ? its method, filter and pages",
            "    read: { post: \"\", rows: 'result[0]', body: { jsonrpc: \"2.0\", id: 1, method: call, params: [\"{key:number}\"] } } # ? its method",
            "      kind: { at: is_company, values: { \"true\": company, \"false\": person }, absent: [] } # ? as in true",
            "      number: ref # as in C-14",
            "      name: name # as in Azure",
            "      phones[0].value: phone # as in 1",
            "      addresses[0].country: { at: 'country_id[1]', values: $country_names } # ? as in Poland",
            "      parent: { at: 'parent_id[0]', as: { wire: number }, ref: Customer, form: digits } # as in 14",
            "      created_at: { at: create_date, as: { instant: naive_space } } # ? as in 2026-01-05 10:11:12",
        ],
    );
    // Of before version 2, with a page inside.
    let page = json!({ "id": 0, "result": { "length": 1, "records": rows } });
    let text = drafted("Customer", &[page]);
    let line = "    list: { post: \"\", rows: result.records, body: { id: 1, method: call, params: [] } } # ? its method, filter and pages";
    has(&text, &[line, "  - { status: any, at: error, is: unknown } # ? one for each thing it means"]);
}

#[test]
fn a_value_whose_type_cannot_fit_is_no_line_and_a_word_that_is_not_known_is_left_to_who_reviews() {
    let text = drafted(
        "Order",
        &[
            json!({ "id": 7, "name": "S7", "partner_id": { "id": 14, "display_name": "Azure" }, "state": "sale",
            "currency_id": { "id": 1, "display_name": "EUR" }, "rows": [
            { "product_id": { "id": 5, "default_code": "A" }, "product_uom_qty": 2.5, "qty_delivered": 1.5, "price_unit": 3.5 },
            { "product_id": { "id": 6, "default_code": "B" }, "product_uom_qty": 1.5, "qty_delivered": 0.5, "price_unit": 4.5 } ] }),
        ],
    );
    has(
        &text,
        &[
            "      customer: { at: partner_id.id, as: { wire: number }, ref: Customer, form: digits } # as in 14",
            "      currency: currency_id.display_name # as in EUR",
            "          sku: product_id.default_code # as in A",
            "          product: { at: product_id.id, as: { wire: number }, ref: Product, form: digits } # as in 5",
            "          quantity: product_uom_qty # as in 2.5",
            "          shipped_quantity: qty_delivered # as in 1.5",
            "      # status: { at: state, values: { sale: … } } # ? which of draft, open, on_hold, closed, cancelled, unknown each word means",
        ],
    );
    assert!(!text.contains("bill_to") && !text.contains("ship_to"), "{text}");
    // A table that does not hold all words that were seen is no sure one.
    let types = json!([{ "id": 1, "kind": "goods" }, { "id": 2, "kind": "consu" }]);
    has(
        &drafted("Product", &[types]),
        &["      kind: { at: kind, values: { goods: goods }, else: unknown } # ? as in goods"],
    );
}

#[test]
fn what_is_weighed_or_measured_is_no_amount_of_money() {
    let answer = json!({ "DocEntry": 7, "DocNum": 1007, "CardCode": "C20000", "CardName": "Hurt", "DocCurrency": "PLN", "NetWeight": 5.5, "GrossWeight": 6,
        "DocTotal": 110.52, "VatSum": 20.67, "DocumentLines": [ { "LineNum": 0, "ItemCode": "A1", "Quantity": 3, "NetWeight": 1.5, "UnitPrice": 29.95 } ] });
    let text = drafted("Order", &[answer]);
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    for line in [
        "customer: ",
        "customer_name: CardName",
        "tax_total: VatSum",
        "tax_inclusive_total: DocTotal",
        "net_price: UnitPrice",
    ] {
        assert!(lines.iter().any(|other| other.starts_with(line)), "{line}\n{text}");
    }
    assert!(!lines.iter().any(|line| line.contains("Weight") && !line.starts_with('#')), "{text}");
    assert!(load(&text).0, "{text}");
}

#[test]
fn the_very_name_goes_before_one_that_means_the_same() {
    let both = json!({ "id": "1", "displayName": "[A] Lamp", "name": "Lamp" });
    has(&drafted("Product", &[both]), &["      name: name # as in Lamp"]);
    let phones = json!({ "id": "1", "mobile": "2", "phone": "1" });
    has(&drafted("Customer", &[phones]), &["      phones[0].value: phone # as in 1"]);
    // What has left, or is kept back, is not what was ordered or lies there.
    let rows =
        json!({ "id": "1", "rows": [{ "sku": "A", "qty_shipped": 1 }, { "sku": "B", "qty_shipped": 1 }] });
    let text = drafted("Order", &[rows]);
    assert!(!text.contains(" quantity: "), "{text}");
}

#[test]
fn a_page_says_what_leads_on_and_what_is_due_and_has_no_line_is_told() {
    let row = json!({ "id": 1, "name": "Will", "add_time": "2024-01-08T05:30:20Z", "is_deleted": false,
        "emails": [{ "value": "w@example.com", "label": "work" }],
        "postal_address": { "value": "Prosta 1, Warszawa", "locality": "Warszawa", "route": "Prosta", "street_number": "1" } });
    let page = |more: Json| {
        let mut answer = json!({ "data": [row, row] });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        drafted("Customer", &[answer])
    };
    has(
        &page(json!({ "additional_data": { "next_cursor": null } })),
        &[
            "    key: { at: id, form: digits }",
            "    list: { rows: data, page: { next: additional_data.next_cursor, query: cursor } } # ? the parameters of its pages",
            "          type: { at: label, values: { work: work } } # as in work",
            "      addresses[0].line1: postal_address.route # ? as in Prosta",
            "      addresses[0].city: postal_address.locality # ? as in Warszawa",
            "      created_at: add_time # as in 2024-01-08T05:30:20Z",
            "      # ? `kind` is required, and no line gives it; a constant such as `kind: =person`, where all records are one",
        ],
    );
    let link = page(json!({ "links": { "next": "https://crm.example.com/people?page=2" } }));
    has(&link, &["    list: { rows: data, page: { link: links.next } } # ? how many rows a page has"]);
    has(
        &page(json!({ "nextPageToken": "x" })),
        &[
            "    list: { rows: data, page: { next: nextPageToken, query: pageToken } } # ? the parameters of its pages",
        ],
    );
    has(&page(json!({ "next": null })), &["    list: { rows: data } # ? how it pages"]);
}

#[test]
fn a_native_list_is_read_element_by_element() {
    let text = drafted(
        "Order",
        &[
            json!({ "id": "1", "rows": [{ "sku": "A", "qty": 2, "price": 1.5 }, { "sku": "B", "qty": 1, "price": 2 }],
            "a": 1, "b": 2, "c": 3, "d": 4, "e": 5 }),
        ],
    );
    let lines = "      lines:\n        each: rows\n        write: never # ? create, where it is sent with a new record\n        fields:\n          sku: sku # as in A\n          quantity: qty # as in 2\n";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn an_openapi_description_gives_names_types_enums_and_the_path() {
    let openapi = json!({
        "servers": [{ "url": "https://shop.example.com/api" }],
        "paths": {
            "/articles": { "get": {} },
            "/articles/{id}": { "get": { "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ProductDto" } } } } } } }
        },
        "components": { "schemas": {
            "ProductDto": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "type": "object", "properties": {
                "name": { "type": "string", "description": "What it is called\nand more" },
                "kind": { "type": "string", "enum": ["Goods", "Service"] },
                "self": { "$ref": "#/components/schemas/ProductDto" } } }] },
            "Base": { "type": "object", "properties": { "id": { "type": "string", "format": "uuid" }, "updatedAt": { "type": "string", "format": "date-time", "readOnly": true } } }
        } }
    });
    let schema = shipped();
    let (name, natives, at) = described(&openapi, "Product", None).unwrap();
    assert_eq!((name.as_str(), at.as_deref()), ("ProductDto", Some("/articles")));
    let text = write(&schema, "Product", &natives, Places::default());
    for line in [
        "      name: name # nothing seen; What it is called",
        "      kind: { at: kind, values: { Goods: goods, Service: service }, else: unknown } # as in Goods",
        "      updated_at: { at: updatedAt, write: never } # date-time",
        "    key: id",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let missing = described(&openapi, "Invoice", None).unwrap_err().to_string();
    assert_eq!(missing, "no schema is called like `Invoice`; name one with `--schema`, of: Base, ProductDto");
    assert!(described(&json!({}), "Product", None).is_err());
}

proptest! {
    /// Names and values of a system are data: whatever stands in them, the draft is one file of the same shape.
    #[test]
    fn no_name_or_value_of_a_system_leaves_its_place(
        pairs in prop::collection::vec((".{0,20}", ".{0,20}"), 1..6),
        known in ".{0,12}",
    ) {
        let mut map = serde_json::Map::new();
        for (name, value) in pairs {
            map.insert(name, Json::String(value));
        }
        map.insert(format!("name{known}"), Json::String(known));
        let text = drafted("Product", &[Json::Object(map)]);
        let node = tree::parse(&"drafted.yaml".into(), &text).map_err(|found| TestCaseError::fail(format!("{found}\n{text}")))?;
        let keys: Vec<&str> = node.as_map().unwrap().iter().map(|(key, _)| key.text.as_str()).collect();
        prop_assert_eq!(keys, ["system", "base", "sign_in", "entities"]);
    }
}

#[test]
fn a_list_of_fields_is_found_in_the_shapes_that_systems_answer_it_in() {
    let names = |answer: &Json| {
        let mut natives = Natives::default();
        natives.describe(listed(answer).unwrap());
        natives.iter().map(|native| native.path.join(".")).collect::<Vec<_>>()
    };
    let array = json!([{ "fieldName": "a", "fieldType": "text" }, { "fieldName": "b", "fieldType": "date" }]);
    assert_eq!(names(&array), ["a", "b"]);
    assert_eq!(
        names(&json!({ "data": { "results": array, "more": [{ "name": "c", "type": "int" }] } })),
        ["a", "b"]
    );
    // Beside a key a name is what people say.
    let keyed = json!([{ "id": 1, "key": "add_time", "name": "Person created", "field_type": "date" }, { "key": "name", "name": "Name", "type": "text" }]);
    assert_eq!(names(&keyed), ["add_time", "name"]);
    let map = json!({ "result": { "a": { "type": "many2one", "string": "A" }, "b": { "type": "boolean" } } });
    assert_eq!(names(&map), ["a", "b"]);
    for none in [json!({}), json!([]), json!([{ "name": "a" }]), json!("x"), json!({ "a": { "type": 7 } })] {
        assert!(listed(&none).is_err(), "{none}");
    }
}

#[test]
fn choices_of_a_field_become_a_table_of_values_however_they_are_listed() {
    let schema = shipped();
    for choices in [
        json!([{ "value": "active", "label": "Active" }, { "value": "discontinued", "active": false }]),
        json!([["active", "Active"]]),
        json!(["active"]),
    ] {
        let mut natives = Natives::default();
        let list = json!([{ "name": "sku", "type": "string" }, { "name": "status", "type": "select", "options": choices }]);
        natives.describe(listed(&list).unwrap());
        let text = write(&schema, "Product", &natives, Places::default());
        assert!(text.contains("status: { at: status, values: { active: active }"), "{text}");
    }
}
