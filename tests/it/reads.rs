//! Reading one record: the fields that were asked for and may be seen, a tag of what was seen, and one answer
//! for what is hidden and what does not exist.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Instant};

use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, Demo, Who, runtime},
    line::{Line, bare},
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
