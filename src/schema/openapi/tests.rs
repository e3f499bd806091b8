//! What the document says to whom.

use super::*;
use crate::schema::testing::order_entity;

fn about(limits: &Limits) -> About<'_> {
    About { title: "gate", version: "1", server: Some("https://gate.example"), limits }
}

fn exposed<'a>(entity: &'a Entity, verb: Verb, paths: &[&str]) -> Exposed<'a> {
    let known = paths.iter().fold(FieldSet::EMPTY, |set, path| set.union(&entity.leaves_under(path)));
    Exposed {
        entity,
        verb,
        visible: known,
        masked: FieldSet::EMPTY,
        clear: known,
        writable: known.intersection(&entity.writable()),
        required: entity.required(),
        beside: Vec::new(),
        may_lack: false,
        accepted: Accepted::default(),
    }
}

#[test]
fn only_what_the_caller_may_call_stands_in_it() {
    let (entity, limits) = (order_entity(), Limits::default());
    let list = Exposed {
        clear: entity.leaves_under("number"),
        masked: entity.leaves_under("total"),
        ..exposed(&entity, Verb::List, &["id", "number", "total", "lines.sku"])
    };
    let document = document(&about(&limits), &[list], &[]);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/v1/orders"]);
    assert_eq!(document["paths"]["/v1/orders"].as_object().unwrap().len(), 1);
    let text = format!("{}{}", document["paths"], document["components"]["schemas"]["Order.list"]);
    for hidden in ["customer", "status", "ship_to", "quantity", "net_total", "tags", "total[gt]"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    let parameters = document["paths"]["/v1/orders"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<&str> = parameters.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "fields",
            "limit",
            "cursor",
            "sort",
            "number",
            "number[gte]",
            "number[lte]",
            "number[gt]",
            "number[lt]",
            "number[ne]",
            "number[in]"
        ]
    );
    let shown = &document["components"]["schemas"]["Order.list"];
    assert_eq!(shown["required"], Json::Null, "no field of an answer is required");
    assert_eq!(shown["properties"]["total"]["type"], Json::Null, "a mask takes the form away");
    assert_eq!(shown["properties"]["lines"]["items"]["properties"].as_object().unwrap().len(), 1);
}

#[test]
fn bodies_hold_what_may_be_written_and_say_what_must_be() {
    let (entity, limits) = (order_entity(), Limits::default());
    let paths = ["id", "customer", "total", "status", "lines"];
    let operations = [
        exposed(&entity, Verb::Create, &paths),
        exposed(&entity, Verb::Update, &paths),
        exposed(&entity, Verb::Delete, &paths),
    ];
    let document = document(&about(&limits), &operations, &[]);
    let create =
        &document["paths"]["/v1/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(create["required"], json!(["customer", "lines"]));
    assert_eq!(create["additionalProperties"], false);
    assert_eq!(create["properties"]["id"], Json::Null);
    assert_eq!(create["properties"]["lines"]["items"]["required"], json!(["quantity"]));
    assert_eq!(create["properties"]["total"]["type"], json!(["string", "number"]));
    let one = &document["paths"]["/v1/orders/{id}"];
    let patch = &one["patch"]["requestBody"]["content"]["application/merge-patch+json"]["schema"];
    assert_eq!(patch["required"], Json::Null);
    assert_eq!(patch["properties"]["status"]["enum"], json!(["draft", "open", "closed", null]));
    assert_eq!(patch["properties"]["customer"]["type"], "string", "what is required cannot be cleared");
    assert_eq!(patch["properties"]["lines"]["items"]["properties"]["sku"]["type"], "string");
    assert_eq!(
        one["put"]["requestBody"]["content"]["application/json"]["schema"]["required"],
        json!(["customer", "lines"])
    );
    assert_eq!(one["delete"]["responses"]["204"]["description"], "Done");
    for write in [&document["paths"]["/v1/orders"]["post"], &one["patch"], &one["put"], &one["delete"]] {
        let last = write["parameters"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["name"], &last["in"]), (&json!("Idempotency-Key"), &json!("header")));
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let (entity, limits) = (order_entity(), Limits::default());
    let verbs = [Verb::List, Verb::Read, Verb::Create, Verb::Update, Verb::Delete];
    let accepted = Accepted { is_asked_for: true, is_unseen: true };
    let operations = verbs.map(|verb| Exposed {
        accepted,
        ..exposed(&entity, verb, &["id", "customer", "lines", "tags", "priority"])
    });
    let name = SystemName::from("erp");
    let systems = [ExposedSystem { name: &name, methods: &[Method::GET, Method::POST] }];
    let document = document(&about(&limits), &operations, &systems);
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(node) = open.pop() {
        if let Some(target) = node.get("$ref").and_then(Json::as_str) {
            references += 1;
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
        match node {
            Json::Object(map) => open.extend(map.values()),
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 5);
    let system = document["paths"]["/systems/erp/{path}"].as_object().unwrap();
    assert_eq!(system.keys().collect::<Vec<_>>(), ["get", "post"]);
    assert_eq!(document["openapi"], "3.1.0");
}
