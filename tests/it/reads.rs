//! Reading one record: the fields that were asked for and may be seen, a tag of what was seen, and one answer
//! for what is hidden and what does not exist.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Instant};

use bramka::demo::standin::Trouble;
use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, Demo, Who, runtime},
    line::{Line, asking, bare},
    stage::Stage,
    writes::{change, no_edit, with},
};

const FIRST: &str = "/v1/customers/701000000001";
const NOWHERE: &str = "/v1/orders/ffffffff-5b1c-ef11-9f89-000d3a2900ff";

/// A plan of the partner that does not get in the way.
pub(crate) fn roomy(policies: &Path) {
    let file = policies.join("limits.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, partner) = text.split_once("\n  partner:").unwrap();
    let partner =
        partner.replace("rate: 10/s", "rate: 1000/s").replace("concurrency: 10", "concurrency: 1000");
    fs::write(&file, format!("{before}\n  partner:{partner}")).unwrap();
}

/// An order that the partner may not see.
fn hidden_order(demo: &Demo) -> String {
    let order = demo.get("/v1/orders?customer=30000&limit=1").send().expect(200).items()[0].clone();
    format!("/v1/orders/{}", order["id"].as_str().unwrap())
}

/// An answer but for what differs between any two answers.
fn but_for_the_id(answer: &Answer) -> (u16, String, BTreeSet<String>) {
    let id = answer.header("x-request-id").unwrap();
    let body = String::from_utf8(answer.body.to_vec()).unwrap().replace(id, "ID");
    (answer.status, body, answer.headers.keys().map(ToString::to_string).collect())
}

#[test]
fn a_record_comes_with_the_fields_that_were_asked_for_and_no_others() {
    let demo = Demo::start();
    let whole = demo.get(FIRST).send().expect(200).json();
    let some = demo.get(&format!("{FIRST}?fields=name,addresses.city,emails")).send().expect(200);
    assert!(some.header("etag").is_none(), "a part of a record has no tag of the record");
    assert_eq!(
        some.json(),
        json!({ "name": whole["name"], "emails": whole["emails"], "addresses": [{ "city": whole["addresses"][0]["city"] }] })
    );
}

#[test]
fn a_field_that_may_not_be_seen_cannot_be_asked_for() {
    let demo = Demo::start();
    let order = demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200).items()[0].clone();
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let ask =
        |fields: &str| demo.get(&format!("{path}?fields={fields}")).by(Who::Partner).send().refused(400);
    let errors = ask("customer_name,nope,lines.net_price").json()["errors"].clone();
    let details: Vec<&str> =
        errors.as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    assert_eq!(details.len(), 3, "{details:?}");
    for (detail, field) in details.iter().zip(["customer_name", "nope", "lines.net_price"]) {
        assert!(detail.starts_with(&format!("unknown field `{field}`")), "{detail}");
    }
    // A masked field may be seen, masked.
    let masked = demo.get(&format!("{path}?fields=email")).by(Who::Partner).send().expect(200).json();
    assert_eq!(masked["email"], order["email"]);
    assert!(masked["email"].as_str().unwrap().contains("***@"));
}

#[test]
fn what_is_hidden_and_what_does_not_exist_answer_alike_byte_for_byte() {
    let demo = Demo::start_with(roomy, &[]);
    let hidden = hidden_order(&demo);
    demo.get(&hidden).send().expect(200);
    for method in [Method::GET, Method::HEAD, Method::PATCH, Method::PUT] {
        let ask = |path: &str| {
            let ask = demo.ask(method.clone(), path).by(Who::Partner);
            let ask = if method == Method::PATCH || method == Method::PUT {
                ask.json(&json!({ "buyer_reference": "PO-1" }))
            } else {
                ask
            };
            ask.send().expect(404)
        };
        let (hidden, missing) = (but_for_the_id(&ask(&hidden)), but_for_the_id(&ask(NOWHERE)));
        assert_eq!(hidden, missing, "{method}");
        assert_eq!(hidden, but_for_the_id(&ask("/v1/orders/not-even-an-id")), "{method}");
    }
    // No statement permits the partner to delete any order: that is told before any is looked for.
    let delete =
        |path: &str| but_for_the_id(&demo.ask(Method::DELETE, path).by(Who::Partner).send().refused(403));
    assert_eq!(delete(&hidden), delete(NOWHERE));
}

#[test]
fn the_system_is_asked_alike_for_what_is_hidden_and_what_does_not_exist() {
    let demo = Demo::start_with(roomy, &[]);
    let hidden = hidden_order(&demo);
    let calls = |path: &str| {
        let answer = demo.get(path).by(Who::Partner).send().refused(404);
        let entry = book::of(&demo.data(), answer.header("x-request-id").unwrap()).pop().unwrap();
        entry["calls"].as_array().unwrap().len()
    };
    assert_eq!(calls(&hidden), calls(NOWHERE));
}

#[test]
fn a_tag_is_the_same_while_nothing_that_is_seen_changes_and_another_for_every_caller() {
    let demo = Demo::start();
    let tag = |path: &str, who| {
        let answer = demo.get(path).by(who).send().expect(200);
        answer.header("etag").unwrap().to_owned()
    };
    assert_eq!(tag(FIRST, Who::App), tag(FIRST, Who::App));
    let stock = demo.get("/v1/stock-levels?limit=1").send().expect(200).items()[0].clone();
    let stock = format!("/v1/stock-levels/{}", stock["id"].as_str().unwrap());
    assert_ne!(tag(&stock, Who::App), tag(&stock, Who::Partner));
    let strong = tag(FIRST, Who::App);
    assert!(strong.starts_with('"') && strong.len() == 34, "{strong}");
}

#[test]
fn a_head_is_a_get_without_its_body_over_either_version() {
    let demo = Demo::start();
    for path in [FIRST, "/v1/customers?limit=3", "/v1/customers/9", "/v1/nothing", "/openapi.json"] {
        let (get, head) = (demo.get(path).send(), demo.ask(Method::HEAD, path).send());
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        for version in ["--http1.1", "--http2"] {
            let ran = Command::new("curl")
                .args(["-sS", "-I", version, "--cacert", demo.env("BRAMKA_CA"), "-H"])
                .arg(format!("Authorization: Bearer {}", demo.token(Who::App).unwrap()))
                .arg(format!("{}{path}", demo.env("BRAMKA_URL")))
                .output()
                .unwrap();
            let said =
                format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            assert!(ran.status.success(), "{path} {version}: {said}");
            assert!(said.contains(&format!("content-length: {length}")), "{path} {version}: {said}");
        }
    }
}

#[test]
fn every_answer_bears_an_id_of_its_own_that_the_journal_knows_and_is_not_stored_on_the_way() {
    let demo = Demo::start();
    let asked = [
        ("/v1/customers?limit=2", Who::App, 200),
        (FIRST, Who::App, 200),
        ("/v1/customers/9", Who::App, 404),
        ("/v1/customers?limit=0", Who::App, 400),
        ("/v1/customers", Who::Partner, 403),
        ("/v1/customers", Who::Nobody, 401),
        ("/nothing", Who::App, 404),
        ("/systems/erp/items?$top=1", Who::App, 200),
        ("/openapi.json", Who::App, 200),
        ("/.well-known/jwks.json", Who::App, 200),
    ];
    let mut ids = BTreeSet::new();
    for (path, who, status) in asked {
        let answer = demo.get(path).by(who).send().expect(status);
        let id = answer.header("x-request-id").unwrap().to_owned();
        if !path.starts_with("/systems") {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        }
        let entries = book::of(&demo.data(), &id);
        let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "answer").count(), 1, "{path} {kinds:?}");
        let written = entries.iter().find(|entry| entry["kind"] == "answer").unwrap();
        assert_eq!(written["status"], status, "{path}");
        assert!(ids.insert(id));
    }
}

#[test]
fn a_refusal_s_entry_says_why_though_the_answer_does_not() {
    let demo = Demo::start();
    let told = |answer: Answer| {
        let entry = book::of(&demo.data(), answer.header("x-request-id").unwrap()).pop().unwrap();
        entry["refusal"].as_str().unwrap().to_owned()
    };
    let bearer =
        |token: &str| demo.get(FIRST).by(Who::Nobody).with("authorization", format!("Bearer {token}"));
    let app = demo.token(Who::App).unwrap();
    let none = demo.get(FIRST).by(Who::Nobody).send().refused(401);
    let (told_by, signature) = app.rsplit_once('.').unwrap();
    let other = if &signature[9..10] == "A" { "B" } else { "A" };
    let forged =
        bearer(&format!("{told_by}.{}{other}{}", &signature[..9], &signature[10..])).send().refused(401);
    let garbage = bearer("x.y.z").send().refused(401);
    let two = demo.get(FIRST).with("x-api-key", "bkey_abcdefgh_0123456789").send().refused(401);
    // To the caller they are one.
    assert_eq!(but_for_the_id(&none), but_for_the_id(&forged));
    assert_eq!(but_for_the_id(&none), but_for_the_id(&garbage));
    assert_eq!(but_for_the_id(&none), but_for_the_id(&two));
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"bramka\""));
    let words = [told(none), told(forged), told(garbage), told(two)];
    assert_eq!(words, ["no_credential", "bad_signature", "malformed", "two_credentials"]);
}

#[test]
fn limits_are_told_in_structured_fields() {
    let demo = Demo::start();
    let answer = demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200);
    for name in ["ratelimit", "ratelimit-policy"] {
        let text = answer.header(name).unwrap();
        let list: sfv::List =
            sfv::Parser::new(text).parse().unwrap_or_else(|e| panic!("{name}: {text}: {e}"));
        assert!(!list.is_empty());
    }
    assert!(answer.header("ratelimit-policy").unwrap().contains("\"partner\";q=10;w=1"));
}

#[test]
fn a_partner_gets_no_more_than_its_plan_and_is_told_when_to_come_again() {
    let demo = Demo::start();
    let token = demo.token(Who::Partner);
    let began = Instant::now();
    let answers = runtime().block_on(async {
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        let mut answers = Vec::new();
        for _ in 0..40 {
            answers
                .push(line.ask(bare(Method::GET, "/v1/products?limit=1", token.as_deref())).await.unwrap());
        }
        answers
    });
    let (good, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    // Burst and rate of the plan: 10, and 10 more each second.
    let most = 11 + began.elapsed().as_millis() / 100;
    assert!((10..=most).contains(&(good.len() as u128)), "{} of {most}", good.len());
    assert!(!refused.is_empty());
    for answer in refused {
        let answer = answer.refused(429);
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        assert!(answer.header("ratelimit").unwrap().contains("r=0"), "{:?}", answer.headers);
    }
    // Another caller is not the poorer for it.
    demo.get("/v1/products?limit=1").send().expect(200);
}

#[test]
fn the_description_shows_a_caller_only_what_it_may_call_with_its_own_fields() {
    let demo = Demo::start();
    let described = |who| demo.get("/openapi.json").by(who).send().expect(200).json();
    let (app, partner) = (described(Who::App), described(Who::Partner));
    let verbs = |document: &Value| -> BTreeSet<String> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |verb| format!("{verb} {path}"))
            })
            .filter(|verb| !verb.starts_with("parameters"))
            .collect()
    };
    assert_eq!(app["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert!(verbs(&app).contains("post /v1/customers"), "{:?}", verbs(&app));
    assert!(verbs(&partner).iter().all(|verb| !verb.contains("customers")), "{:?}", verbs(&partner));
    assert!(verbs(&partner).contains("patch /v1/orders/{id}"), "{:?}", verbs(&partner));
    let text = partner.to_string();
    for hidden in ["net_price", "customer_name", "salesperson", "unit_cost", "vat_id"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert!(app.to_string().contains("net_price"));
    demo.get("/openapi.json").by(Who::Nobody).send().refused(401);
}

/// An order of the partner as the ERP tells it, without what it does not tell or with what is no text.
fn native_order(id: &str, status: Option<Value>) -> Value {
    let mut order = json!({ "@odata.etag": "W/\"1\"", "id": id, "number": "1", "customerNumber": "20000", "currencyCode": "" });
    if let Some(status) = status {
        order["status"] = status;
    }
    order
}

#[test]
fn a_record_of_which_the_system_does_not_tell_what_statements_read_is_not_there() {
    let stage = Stage::open(no_edit);
    let id = "b6f4017a-b749-ee11-ad0b-a1422c0f7f1f";
    let path = format!("/v1/orders/{id}");
    let get = |status: Option<Value>| {
        stage.erp.trouble(Some(Trouble::Answer(200, native_order(id, status).to_string())));
        stage.portal_get(&path)
    };
    get(Some(json!("Open"))).expect(200);
    let missing = but_for_the_id(&get(Some(json!("Draft"))).refused(404));
    // Null is told: there is no status, so it is no draft.
    get(Some(Value::Null)).expect(200);
    for status in [None, Some(json!(["Draft"])), Some(json!({ "is": "Draft" }))] {
        let refused = get(status.clone()).refused(404);
        assert_eq!(but_for_the_id(&refused), missing, "{status:?}");
        let entry = stage.written(&refused).pop().unwrap();
        assert_eq!((&entry["refusal"], &entry["status"]), (&json!("untold"), &json!(404)));
        assert!(entry["notes"].to_string().contains("\"status\""), "{entry}");
    }
}

#[test]
fn a_list_leaves_out_what_it_is_not_told_and_counts_it() {
    let stage = Stage::open(no_edit);
    let id = |n: usize| format!("b6f4017a-b749-ee11-ad0b-a1422c0f7f1{n}");
    let rows = [Some(json!("Open")), None, Some(json!(["Draft"])), Some(json!("Draft")), Some(Value::Null)];
    let rows: Vec<Value> =
        rows.into_iter().enumerate().map(|(n, status)| native_order(&id(n), status)).collect();
    stage.erp.trouble(Some(Trouble::Answer(200, json!({ "value": rows }).to_string())));
    let answer = stage.portal_get("/v1/orders").expect(200);
    let shown: Vec<Value> = answer.items().iter().map(|order| order["id"].clone()).collect();
    assert_eq!(shown, [json!(id(0)), json!(id(4))]);
    let entry = stage.written(&answer).pop().unwrap();
    assert_eq!((&entry["withheld_unfit"], &entry["withheld_denied"]), (&json!(2), &json!(1)));
    // Who refused is told, and what was read of them all.
    assert!(entry["decided"].to_string().contains("partners-never-see-drafts"), "{entry}");
    let read: Vec<&str> =
        entry["read"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(read.iter().filter(|name| **name == "status").count(), 1, "{read:?}");
    assert!(read.contains(&"customer"), "{read:?}");
}

#[test]
fn whose_data_is_shown_is_recorded_whatever_was_asked_for_and_however_it_is_masked() {
    let stage = Stage::open(with(
        "@id(\"partners-do-not-see-whose\")\n@withhold(\"customer\")\nforbid (principal is Partner, action == Action::\"list\", resource is Order);\n",
    ));
    let subjects = |answer: Answer| {
        let answer = answer.expect(200);
        assert!(!answer.items().is_empty());
        let mut subjects =
            stage.written(&answer).pop().unwrap()["subjects"].as_array().cloned().unwrap_or_default();
        subjects.sort_by_key(Value::to_string);
        subjects
    };
    let whole = subjects(stage.get("/v1/orders?customer[in]=20000,30000&limit=100"));
    assert_eq!(whole.len(), 2);
    assert_eq!(subjects(stage.get("/v1/orders?customer[in]=20000,30000&limit=100&fields=id,email")), whole);
    let own = subjects(stage.get("/v1/orders?customer=20000&limit=5"));
    let struck = stage.portal_get("/v1/orders?limit=5");
    assert!(struck.expect(200).items().iter().all(|order| order.get("customer").is_none()));
    assert_eq!(subjects(stage.portal_get("/v1/orders?limit=5&fields=id,email")), own);
    // One record, and the record that is its own subject.
    let order = stage.open_order();
    let of = |path: &str| {
        let answer = stage.get(path).expect(200);
        stage.written(&answer).pop().unwrap()["subjects"].clone()
    };
    assert_eq!(of(&format!("{order}?fields=email")), json!(own));
    assert_eq!(of(&format!("{FIRST}?fields=name")), of(FIRST));
    assert!(of(FIRST).is_array());
}

#[test]
fn a_part_of_a_record_is_what_it_is_in_the_whole() {
    let demo = Demo::start();
    let body = json!({ "phones": [{ "type": "work", "value": "+48 22 555 0101" }, { "type": "mobile", "value": "+48 601" }] });
    demo.ask(Method::PATCH, FIRST).json(&body).send().expect(200);
    let whole = demo.get(FIRST).send().expect(200).json();
    let kinds = |record: &Value| -> Vec<Value> {
        record["phones"].as_array().unwrap().iter().map(|phone| phone["type"].clone()).collect()
    };
    let part = demo.get(&format!("{FIRST}?fields=phones.type")).send().expect(200).json();
    assert!(kinds(&whole).len() == 2);
    assert_eq!(
        part,
        json!({ "phones": kinds(&whole).iter().map(|kind| json!({ "type": kind })).collect::<Vec<_>>() })
    );
}

#[test]
fn a_question_that_a_system_does_not_understand_is_not_the_caller_s_fault() {
    let stage = Stage::open(no_edit);
    let body = json!({ "error": { "code": "BadRequest", "message": "Could not find a property" } });
    stage.erp.trouble(Some(Trouble::Answer(400, body.to_string())));
    for path in ["/v1/orders", "/v1/orders/b6f4017a-b749-ee11-ad0b-a1422c0f7f1f"] {
        stage.get(path).refused(502);
    }
}

#[test]
fn a_constant_does_not_tell_that_something_hidden_stands_beside_it() {
    let stage = Stage::open(|policies| {
        change(
            policies,
            "access/partners.cedar",
            "id, sku, name, description, gtin",
            "id, sku, list_price.currency, gtin",
        );
        with(
            "@id(\"not-dear-ones\")\nforbid (principal is Partner, action == Action::\"read\", resource is Product)\nwhen { resource has list_price && \
             resource.list_price has net_price && resource.list_price.net_price.greaterThan(decimal(\"900000.0\")) };\n",
        )(policies);
    });
    let product = stage.get("/v1/products?status=active&limit=1").expect(200).items()[0].clone();
    assert!(product["list_price"]["currency"].is_string(), "{product}");
    let seen =
        stage.portal_get(&format!("/v1/products/{}", product["id"].as_str().unwrap())).expect(200).json();
    assert_eq!((seen["sku"].clone(), seen.get("list_price")), (product["sku"].clone(), None));
}

#[test]
fn why_it_was_asked_is_recorded_also_where_it_is_refused() {
    let stage = Stage::open(no_edit);
    for (path, status) in [("/v1/orders?limit=1", 200), ("/v1/customers", 403)] {
        let request = asking(Method::GET, path, Some(&stage.portal)).header("purpose", "collections");
        let answer = stage.ask(request.body(http_body_util::Full::default()).unwrap()).expect(status);
        let entry = stage.written(&answer).pop().unwrap();
        assert!(entry["read"].to_string().contains("context.claimed.purpose"), "{entry}");
        assert!(!entry.to_string().contains("collections"), "what was read is sealed");
    }
}

#[test]
fn what_a_caller_claims_to_be_is_read_where_a_statement_goes_by_it_and_recorded() {
    let asked = |stage: &Stage, agent: &str, status: u16| {
        let request =
            asking(Method::GET, "/v1/orders?limit=1", Some(&stage.portal)).header("user-agent", agent);
        let answer = stage.ask(request.body(http_body_util::Full::default()).unwrap()).expect(status);
        stage.written(&answer).pop().unwrap()["read"].to_string().contains("context.claimed.user_agent")
    };
    let stage = Stage::open(with(
        "@id(\"no-crawlers\")\nforbid (principal, action == Action::\"list\", resource is Order)\nwhen { context.claimed has user_agent && \
         context.claimed.user_agent like \"*crawler*\" };\n",
    ));
    assert!(asked(&stage, "a crawler of ours", 403));
    assert!(asked(&stage, "Tableau", 200));
    // Where none does, it is nobody's business.
    assert!(!asked(&Stage::open(no_edit), "a crawler of ours", 200));
}
