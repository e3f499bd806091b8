//! Systems that list and answer in other shapes: a list by page number is as whole as any, and a record whose
//! system does not answer with it is read back by its key.

use std::{fs, path::Path, sync::Mutex};

use bramka::demo::standin::Ask;
use bytes::Bytes;
use http::{Method, Response, header};
use serde_json::{Value, json};

use crate::{
    kit::Answer,
    stage::Stage,
    writes::{Twisted, change, is_write, kinds, said},
};

fn body() -> Value {
    json!({ "kind": "person", "name": "Ola Done", "given_name": "Ola", "family_name": "Done",
            "emails": [{ "value": "ola.done@example.com" }] })
}

/// A gate before a CRM that answers creates as `twist` does, with `create` said so in its file.
fn opened(create: &str, twist: fn(&Ask, Response<Bytes>) -> Response<Bytes>) -> (Twisted, Stage) {
    let twisted = Twisted::crm(twist);
    let stage = Stage::open(|policies: &Path| {
        twisted.serve(policies);
        without_samples(policies);
        change(policies, "systems/crm.yaml", "create: { post: \"\" }", create);
    });
    (twisted, stage)
}

/// Takes the samples out of the CRM's file: they are of its usual answers.
fn without_samples(policies: &Path) {
    let file = policies.join("systems/crm.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.split_once("    samples:\n").unwrap().0).unwrap();
}

fn create(twisted: &Twisted, stage: &Stage) -> Answer {
    twisted.crm.forget();
    stage.shop(Method::POST, "/v1/customers", &body())
}

fn id_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice::<Value>(answer.body()).unwrap()["id"].clone()
}

fn only_id(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
    match is_write(ask) && answer.status().is_success() {
        true => said(201, &json!({ "id": id_of(&answer), "success": true })),
        false => answer,
    }
}

fn only_location(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
    match is_write(ask) && answer.status().is_success() {
        true => {
            let id = id_of(&answer).as_str().unwrap().to_owned();
            let response = Response::builder().status(204);
            let location = format!("https://crm.example/contacts({id})?a=b");
            response.header(header::LOCATION, location).body(Bytes::new()).unwrap()
        }
        false => answer,
    }
}

#[test]
fn a_record_that_the_system_answers_with_its_key_is_read_back_by_it() {
    let by_id = "create: { post: \"\", returns: key, key_at: id }";
    let by_location = "create: { post: \"\", returns: key, key_at: { header: Location, pattern: \"{_}contacts({id})?{_}\" } }";
    for (words, twist) in [(by_id, only_id as fn(&Ask, _) -> _), (by_location, only_location)] {
        let (twisted, stage) = opened(words, twist);
        let created = create(&twisted, &stage).expect(201);
        let asked: Vec<_> = twisted.crm.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(asked, ["POST", "GET"], "{words}");
        assert_eq!(created.json()["family_name"], "Done");
        let location = created.header("location").unwrap().to_owned();
        let again = stage.get(&location).expect(200);
        assert_eq!((again.json(), again.header("etag")), (created.json(), created.header("etag")));
        let written = stage.written(&created);
        assert_eq!((kinds(&written), &written[1]["status"]), (vec!["intent", "answer"], &json!(201)));
        assert_eq!(written[1]["calls"].as_array().unwrap().len(), 2);
        assert!(!written[1]["notes"].to_string().contains("accepted"));
    }
}

#[test]
fn a_record_that_cannot_be_read_back_is_accepted_and_made_once() {
    fn not_there_yet(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        let is_new = serde_json::from_slice::<Value>(answer.body())
            .is_ok_and(|body| body["properties"]["lastname"] == "Done");
        match ask.method == Method::GET && is_new {
            true => said(404, &json!({ "status": "error", "category": "OBJECT_NOT_FOUND" })),
            false => only_id(ask, answer),
        }
    }
    let (twisted, stage) = opened("create: { post: \"\", returns: key, key_at: id }", not_there_yet);
    let document = stage.get("/openapi.json").expect(200).json();
    let customers = &document["paths"]["/v1/customers"];
    let described = &customers["post"]["responses"]["202"];
    assert_eq!(
        described["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Customer.create"
    );
    let fields: Vec<&String> = described["headers"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["Location"], "nobody is told to ask again");
    assert_eq!(document["components"]["schemas"]["Accepted"], Value::Null);
    assert_eq!(document["paths"]["/v1/customers/{id}"]["get"]["responses"]["202"], Value::Null);
    // Another system answers with the record it made.
    assert_eq!(document["paths"]["/v1/orders"]["post"]["responses"]["202"], Value::Null);
    assert!(document["paths"]["/v1/orders"]["post"].is_object());
    let accepted = create(&twisted, &stage).expect(202);
    // It tells what it knows: the id, and where the record will be.
    let id = accepted.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(accepted.json(), json!({ "id": id }));
    assert_eq!(accepted.header("location"), Some(format!("/v1/customers/{id}").as_str()));
    assert_eq!(accepted.header("etag"), None);
    let written = stage.written(&accepted);
    assert_eq!((kinds(&written), &written[1]["status"]), (vec!["intent", "answer"], &json!(202)));
    let notes = written[1]["notes"].to_string();
    assert!(notes.contains("accepted") && notes.contains("read_back"), "{notes}");
    assert_eq!(twisted.crm.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
}

#[test]
fn a_system_that_answers_nothing_has_accepted_what_it_was_sent() {
    fn nothing(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        match is_write(ask) && answer.status().is_success() {
            true => answer.map(|_| Bytes::from_static(b"thanks")),
            false => answer,
        }
    }
    let (twisted, stage) = opened("create: { post: \"\", returns: nothing }", nothing);
    let accepted = create(&twisted, &stage).expect(202);
    assert_eq!((accepted.body.len(), accepted.header("location")), (0, None));
    assert_eq!(twisted.crm.seen().len(), 1);
    assert!(stage.written(&accepted)[1]["notes"].to_string().contains("accepted"));
    // What the system refuses is refused as ever.
    let refused = create(&twisted, &stage).refused(409).json();
    assert_eq!(refused["type"], "https://bramka.example/problems/duplicate");
}

#[test]
fn a_null_where_the_new_record_is_due_is_told_as_unknown_and_never_as_done() {
    fn denied(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        if is_write(ask) { said(200, &json!({ "data": { "customer": null } })) } else { answer }
    }
    let words =
        "create: { post: \"\", rows: data.customer, body: { properties: { a: b }, input: \"{record}\" } }";
    let (twisted, stage) = opened(words, denied);
    let refused = create(&twisted, &stage);
    assert_eq!(refused.status, 502, "{:?}", refused.body);
    let written = stage.written(&refused);
    assert_eq!(kinds(&written), ["intent", "answer"]);
    let notes = written[1]["notes"].to_string();
    assert!(notes.contains("outcome") && notes.contains("unknown"), "{notes}");
    assert!(twisted.crm.seen()[0].body.starts_with(r#"{"properties":{"a":"b"},"input":{"properties":"#));
}

#[test]
fn a_record_is_read_and_written_inside_its_wrap() {
    fn wrapped(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        let is_one = ask.method != Method::DELETE && ask.path != "/crm/v3/objects/contacts/search";
        let body = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
        match is_one && answer.status().is_success() && body.get("properties").is_some() {
            true => said(answer.status().as_u16(), &json!({ "contact": body })),
            false => answer,
        }
    }
    let twisted = Twisted::crm(wrapped);
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        without_samples(policies);
        for (from, to) in [
            ("read: { get: \"/{key}\" }", "read: { get: \"/{key}\", rows: contact }"),
            ("create: { post: \"\" }", "create: { rows: contact }"),
            ("update: { patch: \"/{key}\", send: changed }", "update: { rows: contact }"),
        ] {
            change(policies, "systems/crm.yaml", from, to);
        }
    });
    let created = create(&twisted, &stage).expect(201);
    assert_eq!(twisted.crm.seen().len(), 1);
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(stage.get(&path).expect(200).json(), created.json());
    let changed = stage.shop(Method::PATCH, &path, &json!({ "family_name": "Lis" })).expect(200).json();
    assert_eq!(changed["name"], "Ola Lis");
    assert_eq!(stage.get(&path).expect(200).json(), changed);
}

#[test]
fn a_record_that_was_not_asked_for_is_never_taken_for_the_one_that_was() {
    // A search that ignores what it is asked for.
    let twisted = Twisted::crm(|ask, answer| {
        let row = |id: &str| json!({ "id": id, "properties": { "firstname": "Ewa" }, "archived": false });
        match ask.path.ends_with("/one") {
            true => said(200, &json!({ "results": [row("701000000001")] })),
            false => answer,
        }
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        without_samples(policies);
        let read = "read: { post: /one, rows: \"results[0]\", body: { id: \"{key}\" } }";
        change(policies, "systems/crm.yaml", "read: { get: \"/{key}\" }", read);
        change(
            policies,
            "systems/crm.yaml",
            "select: { query: properties, under: properties }",
            "select: never",
        );
    });
    let first = stage.get("/v1/customers/701000000001").expect(200).json();
    assert_eq!(first["given_name"], "Ewa");
    assert!(twisted.crm.seen().iter().any(|seen| seen.body == r#"{"id":"701000000001"}"#));
    assert_eq!(stage.get("/v1/customers/701000000002").status, 502);
}

#[test]
fn a_list_by_page_number_holds_every_record_once_whatever_page_the_caller_wants() {
    const ALL: usize = 137;
    static ASKED: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let twisted = Twisted::crm(|ask, answer| {
        if ask.path != "/crm/v3/objects/contacts" || ask.method != Method::GET {
            return answer;
        }
        let pairs = ask.pairs();
        let of = |name: &str| {
            pairs.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.parse::<usize>().ok()).unwrap()
        };
        let (page, size) = (of("page"), of("per_page"));
        ASKED.lock().unwrap().push((page, size));
        let row = |n: usize| {
            json!({ "id": n.to_string(), "archived": false, "createdAt": "2026-01-01T00:00:00Z",
                    "updatedAt": "2026-01-01T00:00:00Z", "properties": { "firstname": format!("N{n}") } })
        };
        let rows: Vec<Value> = ((page - 1) * size..(page * size).min(ALL)).map(row).collect();
        let mut answer = said(200, &json!(rows));
        answer.headers_mut().insert("x-total-pages", ALL.div_ceil(size).into());
        answer
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        change(
            policies,
            "systems/crm.yaml",
            "- { get: \"\", rows: results, page: { next: paging.next.after, query: after, size: limit, most: 100 } }",
            "- { rows: ., page: { number: page, size: per_page, most: 60, pages: { header: X-Total-Pages } } }",
        );
    });
    for limit in [7, 60, 200] {
        ASKED.lock().unwrap().clear();
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = stage.get(&format!("/v1/customers?limit={limit}{cursor}")).expect(200).json();
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            assert_eq!(page.get("truncated"), None);
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert_eq!(items.len(), limit);
            cursor = format!("&cursor={next}");
        }
        let all: Vec<String> = (0..ALL).map(|n| n.to_string()).collect();
        assert_eq!(ids, all, "limit {limit}");
        let asked = ASKED.lock().unwrap().clone();
        assert!(asked.iter().all(|(_, size)| *size == asked[0].1), "{asked:?}");
        assert!(asked.iter().all(|(page, size)| page * size < ALL + size), "past the end: {asked:?}");
    }
}

#[test]
fn a_list_that_gives_keys_alone_is_read_by_them_whole_and_in_order() {
    const ALL: usize = 61;
    const GONE: usize = 17;
    let row = |n: usize| {
        json!({ "id": n.to_string(), "archived": false, "createdAt": "2026-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T00:00:00Z", "properties": { "firstname": format!("N{n}") } })
    };
    let twisted = Twisted::crm(move |ask, answer| {
        let pairs = ask.pairs();
        let of = |name: &str| {
            pairs.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.parse::<usize>().ok()).unwrap_or(0)
        };
        match ask.path.as_str() {
            "/crm/v3/objects/contacts" if ask.method == Method::GET => {
                let from = of("skip");
                // Twenty and twenty, each from its last to its first, whatever a page holds.
                let at = |place: usize| (place / 20 * 20 + 20).min(ALL) - 1 - place % 20;
                let ids = (from..(from + of("n")).min(ALL)).map(|place| json!({ "id": at(place) }));
                said(200, &json!({ "ids": ids.collect::<Value>(), "all": ALL }))
            }
            "/crm/v3/objects/contacts/batch" => {
                let body: Value = serde_json::from_slice(&ask.body).unwrap();
                let asked = body["ids"].as_array().unwrap().iter();
                let asked = asked.map(|id| id.as_str().unwrap().parse::<usize>().unwrap());
                let mut asked: Vec<usize> = asked.filter(|id| *id != GONE).collect();
                asked.sort_unstable();
                said(200, &json!({ "rows": asked.into_iter().map(row).collect::<Value>() }))
            }
            _ => answer,
        }
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        without_samples(policies);
        change(
            policies,
            "systems/crm.yaml",
            "- { get: \"\", rows: results, page: { next: paging.next.after, query: after, size: limit, most: 100 } }",
            "- { rows: ids, keys: id, read: { post: /batch, rows: rows, most: 8, body: { ids: \"{keys}\", names: \"{fields}\" } }, \
             page: { offset: skip, size: n, most: 20, total: all } }",
        );
    });
    // Twenty and twenty, from the last of them to the first.
    let page = |from: usize| (from..(from + 20).min(ALL)).rev();
    let all: Vec<String> =
        (0..ALL).step_by(20).flat_map(page).filter(|n| *n != GONE).map(|n| n.to_string()).collect();
    for limit in [9, 100] {
        twisted.crm.forget();
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = stage.get(&format!("/v1/customers?limit={limit}{cursor}")).expect(200).json();
            assert_eq!(page.get("truncated"), None);
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(ids, all, "limit {limit}");
        // Each batch is as large as the system takes it.
        let batches: Vec<_> = twisted.crm.seen().into_iter().filter(|seen| seen.method == "POST").collect();
        assert!(batches[0].body.starts_with(r#"{"ids":["19","18","17","16","15","14","13","12"],"names":["#));
    }
    // One that is gone meanwhile is not one that does not fit.
    let answer = stage.get("/v1/customers?limit=100").expect(200);
    assert_eq!(stage.written(&answer).pop().unwrap().get("withheld_unfit"), None);
}
