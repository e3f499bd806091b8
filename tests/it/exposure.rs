//! What callers were shown is counted, exactly, over restarts and over all of a partner's credentials; what a budget
//! has no room for is not told, and the answer says so.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, until},
    line::{asking, bare},
    publishing::Receiver,
    stage::{Stage, Staging},
    writes::change,
};

/// Budgets of a plan, and room for what these tests ask.
fn budget(plan: &'static str, budgets: &'static str) -> impl FnOnce(&Path) {
    move |policies| {
        crate::reads::roomy(policies);
        let file = policies.join("limits.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once(&format!("\n  {plan}:\n")).unwrap();
        fs::write(&file, format!("{before}\n  {plan}:\n    exposure: [{budgets}]\n{after}")).unwrap();
    }
}

fn ask(stage: &Stage, token: &str, path: &str) -> Answer {
    stage.ask(bare(Method::GET, path, Some(token)))
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.items().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn entry_of(stage: &Stage, answer: &Answer) -> Value {
    let request = answer.header("x-request-id").unwrap();
    let entries = book::entries(&stage.data());
    let of = entries.into_iter().find(|entry| entry["request"] == request && entry["kind"] == "answer");
    of.unwrap_or_else(|| panic!("no entry of {request}"))
}

#[test]
fn a_list_is_cut_where_the_budget_ends_and_says_so_and_what_was_shown_is_shown_again() {
    let stage = Stage::open(budget("partner", "{ records: Order, most: 5/month, alert: 60% }"));
    let first = ask(&stage, &stage.portal, "/v1/orders?limit=3").expect(200);
    assert_eq!(first.items().len(), 3);
    assert_eq!(first.json().get("partial"), None);
    let whole = ask(&stage, &stage.portal, "/v1/orders?limit=8").expect(200);
    assert_eq!(whole.items().len(), 5);
    assert_eq!(ids(&whole)[..3], ids(&first)[..]);
    let told = &whole.json()["partial"][0];
    assert_eq!((&told["left_out"], &told["fields"]), (&json!(3), &json!([])));
    let problem = &told["problem"];
    assert!(problem["type"].as_str().unwrap().ends_with("/exposure"), "{problem}");
    assert_eq!(problem["status"], 429);
    assert!(problem["detail"].as_str().unwrap().contains("partner.order.month"), "{problem}");
    // The entry names what was told and counts what was not.
    let entry = entry_of(&stage, &whole);
    assert_eq!(entry["withheld_spent"], 3);
    // What was shown costs nothing; what was not is refused.
    for id in ids(&whole) {
        ask(&stage, &stage.portal, &format!("/v1/orders/{id}")).expect(200);
    }
    let next = whole.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = ask(&stage, &stage.portal, &format!("/v1/orders?limit=8&cursor={next}")).expect(200);
    assert!(rest.items().is_empty());
    assert!(rest.json()["partial"][0]["left_out"].as_u64().unwrap() > 0);
    let ran = stage.only_data(&["exposure", "--json"]);
    let purses: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (purses.as_array().unwrap().len(), &purses[0]["shown"], &purses[0]["most"]),
        (1, &json!(5), &json!(5))
    );
    assert_eq!(
        (&purses[0]["budget"], &purses[0]["of"]),
        (&json!("partner.order.month"), &json!("partner/acme"))
    );
    assert!(stage.only_data(&["exposure"]).out.contains("partner.order.month"));
    // Somebody was told, once.
    let told = stage.stderr().matches("much of an exposure budget is spent").count();
    assert_eq!(told, 1, "{}", stage.stderr());
}

#[test]
fn one_record_more_is_refused_with_the_time_when_the_budget_begins_anew() {
    let stage = Stage::open(budget("partner", "{ records: Order, most: 2/hour }"));
    let two = ids(&ask(&stage, &stage.portal, "/v1/orders?limit=2").expect(200));
    // A list of ids counts too: which records pass a filter tells what stands in them.
    let named = ask(&stage, &stage.portal, "/v1/orders?limit=4&fields=id").expect(200);
    assert_eq!((ids(&named), &named.json()["partial"][0]["left_out"]), (two.clone(), &json!(2)));
    let mine = ask(&stage, &stage.portal, &format!("/v1/orders/{}", two[0])).expect(200).json();
    let path = format!("/v1/orders?limit=20&status=open&customer={}", mine["customer"].as_str().unwrap());
    let all = ids(&ask(&stage, &stage.shop, &path).expect(200));
    let other = all.iter().find(|id| !two.contains(id)).unwrap();
    let refused = ask(&stage, &stage.portal, &format!("/v1/orders/{other}")).refused(429);
    assert!(refused.json()["type"].as_str().unwrap().ends_with("/exposure"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"partner.order.hour\";r=0;t="));
    assert_eq!(entry_of(&stage, &refused)["refusal"], "exposure");
    ask(&stage, &stage.portal, &format!("/v1/orders/{}", two[0])).expect(200);
}

#[test]
fn one_count_is_kept_for_all_that_a_partner_has_and_it_survives_a_kill_and_a_reload() {
    let mut stage = Stage::open(budget("partner", "{ records: Order, most: 4/month }"));
    let issued = stage.verb(&["token", "issue", "--kind", "Partner", "--id", "acme-portal", "--ttl", "1h"]);
    assert_eq!(issued.code, 0, "{}", issued.err);
    let second = issued.out.trim().to_owned();
    assert_eq!(ask(&stage, &stage.portal, "/v1/orders?limit=3").expect(200).items().len(), 3);
    let mine = ask(&stage, &second, "/v1/orders?limit=6").expect(200);
    assert_eq!(mine.items().len(), 4, "three of them were the other's");
    stage.kill_and_start();
    let again = ask(&stage, &stage.portal, "/v1/orders?limit=6").expect(200);
    assert_eq!(ids(&again), ids(&mine));
    // Another budget over the same count.
    let file = stage.policies().join("limits.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("most: 4/month", "most: 5/month")).unwrap();
    until("the larger budget holds", || {
        ask(&stage, &second, "/v1/orders?limit=6").expect(200).items().len() == 5
    });
}

#[test]
fn people_count_once_in_whatever_record_something_personal_of_them_is_told() {
    let stage = Stage::open(budget("internal", "{ people: Customer, most: 3/month }"));
    let customers = ask(&stage, &stage.shop, "/v1/customers?limit=6&fields=id,name,emails").expect(200);
    assert_eq!(customers.items().len(), 3);
    // What is not personal is not counted.
    let numbers = ask(&stage, &stage.shop, "/v1/customers?limit=6&fields=id,created_at").expect(200);
    assert_eq!(numbers.items().len(), 6, "{}", numbers.json());
    assert_eq!(ids(&numbers)[..3], ids(&customers)[..]);
    // Nor is it got at by asking who passes a filter, or comes first.
    for query in ["fields=id&family_name[gte]=A", "fields=id,created_at&sort=family_name"] {
        let asked = ask(&stage, &stage.shop, &format!("/v1/customers?limit=6&{query}")).expect(200);
        let known = ids(&asked).iter().filter(|id| ids(&customers).contains(id)).count();
        assert_eq!(known, asked.items().len(), "{query}");
        assert!(asked.json()["partial"][0]["left_out"].as_u64().unwrap() >= 3, "{query}");
    }
}

#[test]
fn whose_data_other_records_hold_is_counted_once_however_many_hold_it() {
    let stage = Stage::open(budget("internal", "{ people: Customer, most: 1/month }"));
    let whose = |answer: &Answer| -> BTreeSet<String> {
        answer.items().iter().map(|item| item["customer"].as_str().unwrap().to_owned()).collect()
    };
    // What is a customer's and not personal is not counted.
    let bare = ask(&stage, &stage.shop, "/v1/orders?limit=20&fields=id,customer,status").expect(200);
    assert!(bare.items().len() == 20 && whose(&bare).len() > 1, "{}", bare.json());
    let told = ask(&stage, &stage.shop, "/v1/orders?limit=20&fields=id,customer,ship_to").expect(200);
    assert!(told.items().len() > 1, "{}", told.json());
    assert_eq!(
        (whose(&told).len(), told.json()["partial"][0]["left_out"].as_u64()),
        (1, Some(20 - told.items().len() as u64))
    );
    let customer = whose(&told).pop_first().unwrap();
    for item in bare.items() {
        let path = format!("/v1/orders/{}?fields=ship_to", item["id"].as_str().unwrap());
        let status = if item["customer"] == *customer { 200 } else { 429 };
        assert_eq!(ask(&stage, &stage.shop, &path).status, status, "{path}");
    }
}

#[test]
fn a_door_that_tells_a_list_whole_or_not_at_all_refuses_it_and_counts_nothing_of_it() {
    let stage = Stage::open(budget("partner", "{ records: Order, most: 3/month }"));
    let refused = ask(&stage, &stage.portal, "/odata/orders?$top=5");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "exposure");
    assert!(refused.json()["error"]["message"].is_string(), "{}", refused.json());
    // All three are still there.
    assert_eq!(
        ask(&stage, &stage.portal, "/odata/orders?$top=3").expect(200).json()["value"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(ask(&stage, &stage.portal, "/odata/orders?$top=4").status, 429);
    let ran = stage.only_data(&["exposure", "--json"]);
    let purses: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(purses[0]["shown"], 3, "{purses}");
    // A count shows no record.
    ask(&stage, &stage.portal, "/odata/orders/$count").expect(200);
}

#[test]
fn what_is_included_is_counted_too_and_left_out_beside_the_record() {
    let stage = Stage::open(budget("internal", "{ records: Invoice, most: 1/month }"));
    let answer = ask(&stage, &stage.shop, "/v1/orders?limit=30&include=invoices").expect(200);
    let told: Vec<Value> =
        answer.items().into_iter().map(|item| item["included"]["invoices"].clone()).collect();
    let count: usize = told.iter().map(|invoices| invoices["items"].as_array().unwrap().len()).sum();
    assert_eq!(count, 1);
    let lacking = told.iter().any(|invoices| invoices["partial"][0]["left_out"].is_u64());
    assert!(lacking, "{told:?}");
}

#[test]
fn what_was_written_is_done_and_answered_with_its_id_where_no_more_may_be_shown() {
    let stage = Stage::open(budget("internal", "{ records: Customer, most: 1/month }"));
    let body = |n: u32| json!({ "kind": "person", "name": format!("Ewa Nowak{n}"), "given_name": "Ewa", "family_name": format!("Nowak{n}"), "emails": [{ "value": format!("e{n}@new.example") }] });
    let post = |n: u32, key: &str| {
        let request = asking(Method::POST, "/v1/customers", Some(&stage.shop)).header("idempotency-key", key);
        let request = request.header("content-type", "application/json");
        stage.ask(request.body(body(n).to_string().into()).unwrap())
    };
    let first = post(1, "\"a\"").expect(201).json();
    assert_eq!(first["family_name"], "Nowak1");
    let second = post(2, "\"b\"").expect(201).json();
    assert_eq!(second["partial"][0]["left_out"], 1);
    let id = second["id"].as_str().unwrap().to_owned();
    assert_eq!(second.as_object().unwrap().len(), 2, "{second}");
    // A repeat tells the same.
    let again = post(2, "\"b\"").expect(201).json();
    assert_eq!((&again["id"], again.get("family_name")), (&json!(id), None));
    ask(&stage, &stage.shop, &format!("/v1/customers/{id}")).refused(429);
}

#[test]
fn a_budget_that_cannot_be_kept_does_not_load() {
    let stage = Stage::open(crate::reads::roomy);
    let told = |budgets: &str| {
        let file = stage.policies().join("limits.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once("\n  partner:\n").unwrap();
        fs::write(&file, format!("{before}\n  partner:\n    exposure: [{budgets}]\n{after}")).unwrap();
        let ran = stage.only_policies(&["policy", "check"]);
        fs::write(&file, text).unwrap();
        assert_eq!(ran.code, 1, "{budgets}: {}", ran.err);
        ran.out + &ran.err
    };
    assert!(told("{ records: Ordr, most: 5/day }").contains("there is no entity `Ordr`"));
    assert!(told("{ records: Order, most: 2000000/day }").contains("between 1 and 1000000"));
    assert!(told("{ records: Order, most: 5/week }").contains("(hour, day, month)"));
    assert!(told("{ records: Order, people: Customer, most: 5/day }").contains("either `records`"));
    assert!(told("{ most: 5/day }").contains("either `records`"));
    assert!(told("{ records: Order, most: 5/day, alert: 0% }").contains("from `1%` to `100%`"));
    assert!(told("{ records: Order, most: 5/day }, { records: Order, most: 6/day }").contains("already"));
}

#[test]
fn alerts_are_posted_of_a_budget_that_runs_out_and_of_ids_that_are_guessed() {
    let receiver = Receiver::start();
    let trust = receiver.trust();
    let stage = Stage::open_as(&Staging { under: &["env", &trust], log: None }, |policies| {
        budget("partner", "{ records: Order, most: 4/month, alert: 50% }")(policies);
        let token = policies.with_file_name("alerts.token");
        fs::write(&token, "secret-7f\n").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o400)).unwrap();
        let alerts = format!(
            "\nalerts: {{ to: \"https://localhost:{}/hook\", token_file: {}, misses: 10/hour }}\naudit:\n",
            receiver.at,
            token.display()
        );
        change(policies, "gateway.yaml", "\naudit:\n", &alerts);
    });
    ask(&stage, &stage.portal, "/v1/orders?limit=3").expect(200);
    let posted = |n: usize| {
        until("an alert is posted", || receiver.posted.lock().len() == n);
        let (head, body) = receiver.posted.lock()[n - 1].clone();
        (head, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (head, alert) = posted(1);
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("authorization: bearer secret-7f"), "{head}");
    assert_eq!((&alert["alert"], &alert["of"]), (&json!("exposure"), &json!("partner/acme")));
    assert_eq!(
        (&alert["budget"], &alert["count"], &alert["most"]),
        (&json!("partner.order.month"), &json!(3), &json!(4))
    );
    // The same id again and again is no guessing; different ones are.
    for _ in 0..30 {
        ask(&stage, &stage.portal, "/v1/orders/00000000000000000000000001").refused(404);
    }
    assert_eq!(receiver.posted.lock().len(), 1);
    for n in 0..12 {
        ask(&stage, &stage.portal, &format!("/v1/orders/000000000000000000000000{n:02}")).refused(404);
    }
    let (_, alert) = posted(2);
    assert_eq!(
        (&alert["alert"], &alert["of"], &alert["count"]),
        (&json!("misses"), &json!("partner/acme"), &json!(10))
    );
    assert!(!stage.stderr().contains("secret-7f"));
}
