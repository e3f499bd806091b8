//! `ids: opaque`: callers see random ids only, every way in takes them, and they survive an exchange of systems.

use std::{collections::HashSet, fs, path::Path, sync::Arc, thread};

use bramka::demo::{
    erp, seed,
    standin::{self, Answers, Ask, StandIn},
};
use bytes::Bytes;
use http::{Method, Response, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    kit::{Answer, Ran, run, runtime, until},
    line::{self, asking},
    stage::Stage,
    writes::change,
};

/// Callers see ids, as shipped.
pub(crate) fn opaque(policies: &Path) {
    change(policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
}

pub(crate) fn is_id(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_else(|| panic!("{value}"));
    text.len() == 26 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

/// An answer without what tells one request from the next.
fn bodily(answer: &Answer) -> String {
    let id = answer.header("x-request-id").unwrap();
    String::from_utf8_lossy(&answer.body).replace(id, "")
}

fn ids(stage: &Stage, arguments: &[&str]) -> Ran {
    let data = stage.data();
    run(&[&["ids"], arguments, &["--data", data.to_str().unwrap()]].concat())
}

/// The key behind an id, as an operator finds it.
pub(crate) fn key_of(stage: &Stage, record: &str, system: &str) -> String {
    let ran = ids(stage, &["show", record, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let keys = told["keys"].as_array().unwrap();
    text(&keys.iter().find(|key| key["system"] == system).unwrap()["key"]).to_owned()
}

/// The id behind a key.
pub(crate) fn id_of(stage: &Stage, entity: &str, key: &str) -> String {
    let ran = ids(stage, &["show", entity, "--key", key, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    text(&serde_json::from_str::<Value>(&ran.out).unwrap()["id"]).to_owned()
}

impl Stage {
    fn reads_of_erp(&self) -> usize {
        self.erp.seen().len()
    }
}

#[test]
fn callers_see_random_ids_in_records_and_references_and_each_leads_to_its_record() {
    let mut stage = Stage::open(opaque);
    let orders = stage.get("/v1/orders?limit=50").expect(200).items();
    assert_eq!(orders.len(), 50);
    let mut seen = HashSet::new();
    for order in &orders {
        assert!(is_id(&order["id"]) && is_id(&order["customer"]), "{order}");
        assert!(seen.insert(text(&order["id"]).to_owned()), "{order}");
        for line in order["lines"].as_array().unwrap() {
            assert!(line.get("product").is_none_or(is_id), "{order}");
        }
    }
    stage.erp.forget();
    let id = text(&orders[7]["id"]);
    let one = stage.get(&format!("/v1/orders/{id}")).expect(200).json();
    assert_eq!(one, orders[7]);
    let native = key_of(&stage, &format!("Order/{id}"), "erp");
    assert_eq!(native.len(), 36);
    assert!(stage.erp.seen()[0].target.contains(&native), "{:?}", stage.erp.seen());
    // The reference of a line leads to its product, and that of OData to the same record.
    let product = orders.iter().find_map(|order| order["lines"][0]["product"].as_str()).unwrap();
    let goods = stage.get(&format!("/v1/products/{product}")).expect(200).json();
    assert_eq!(goods["id"], product);
    let by_odata = stage.get(&format!("/odata/orders('{id}')")).expect(200).json();
    assert_eq!(by_odata["id"], id);
    // A process that remembers nothing tells the same ids.
    stage.kill_and_start();
    assert_eq!(stage.get("/v1/orders?limit=50").expect(200).items(), orders);
}

#[test]
fn what_is_no_id_of_the_entity_is_a_record_that_does_not_exist_and_no_system_is_asked() {
    let stage = Stage::open(opaque);
    let order = stage.get("/v1/orders?limit=1").expect(200).items()[0].clone();
    let native = key_of(&stage, &format!("Order/{}", text(&order["id"])), "erp");
    stage.erp.forget();
    let nobodys = "0000000000000000000000000g";
    let absent = stage.get(&format!("/v1/orders/{nobodys}")).refused(404);
    for id in [&*native, text(&order["customer"]), "x", &text(&order["id"]).to_uppercase()] {
        let answer = stage.get(&format!("/v1/orders/{id}")).refused(404);
        assert_eq!(bodily(&answer), bodily(&absent), "{id}");
        let body = json!({ "buyer_reference": "PO-1" });
        let answer = stage.shop(Method::PATCH, &format!("/v1/orders/{id}"), &body).refused(404);
        assert_eq!(bodily(&answer), bodily(&absent), "{id}");
    }
    assert_eq!(stage.reads_of_erp(), 0);
    assert_eq!(ids(&stage, &["show", &format!("Order/{nobodys}")]).code, 1, "a guess makes no id");
}

#[test]
fn filters_take_ids_for_records_and_references_and_what_leads_nowhere_matches_nothing() {
    let stage = Stage::open(opaque);
    let orders = stage.get("/v1/orders?limit=200&fields=id,customer").expect(200).items();
    let customer = text(&orders[0]["customer"]);
    let native = key_of(&stage, &format!("Customer/{customer}"), "erp");
    stage.erp.forget();
    let own = stage.get(&format!("/v1/orders?limit=200&fields=id,customer&customer={customer}"));
    let own = own.expect(200).items();
    assert!(!own.is_empty() && own.iter().all(|order| order["customer"] == customer));
    let pushed = format!("customerNumber eq '{native}'");
    assert!(stage.erp.seen()[0].target.contains(&pushed), "{:?}", stage.erp.seen());
    let two = [text(&orders[1]["id"]), text(&orders[2]["id"])].join(",");
    let found =
        stage.get(&format!("/v1/orders?fields=id&id[in]={two},{customer},nothing")).expect(200).items();
    assert_eq!(found.len(), 2, "an id of another entity is none of an order");
    stage.erp.forget();
    let own_odata = format!("/odata/orders?$filter=customer%20eq%20'{customer}'&$select=id&$top=200");
    assert_eq!(
        stage.get(&own_odata).expect(200).json()["value"].as_array().unwrap().len(),
        own.len().min(200)
    );
    // What is not equal cannot be asked of the system in keys: it is matched here.
    let others = stage.get(&format!("/v1/orders?limit=200&fields=id,customer&customer[ne]={customer}"));
    assert!(others.expect(200).items().iter().all(|order| order["customer"] != customer));
    stage.erp.forget();
    for nothing in ["id=0000000000000000000000000g", &format!("customer={native}"), "id[in]=a,b"] {
        assert_eq!(stage.get(&format!("/v1/orders?{nothing}")).expect(200).items().len(), 0, "{nothing}");
    }
    assert_eq!(stage.reads_of_erp(), 0, "no system is asked for what nobody has");
}

#[test]
fn a_partner_named_by_a_key_sees_its_own_records_and_the_system_is_asked_for_no_others() {
    let stage = Stage::open(opaque);
    let orders = stage.portal_get("/v1/orders?limit=200&fields=id,customer").expect(200).items();
    assert!(orders.len() > 20);
    let customer = id_of(&stage, "Customer", "erp:20000");
    assert!(orders.iter().all(|order| order["customer"] == customer.as_str()), "{orders:?}");
    assert!(stage.erp.seen()[0].target.contains("customerNumber eq '20000'"), "{:?}", stage.erp.seen());
    let own = text(&orders[0]["id"]);
    stage.portal_get(&format!("/v1/orders/{own}")).expect(200);
    let all = stage.get("/v1/orders?limit=50&fields=id,customer").expect(200).items();
    let foreign = all.iter().find(|order| order["customer"] != customer.as_str()).unwrap();
    stage.portal_get(&format!("/v1/orders/{}", text(&foreign["id"]))).refused(404);
}

#[test]
fn a_write_takes_ids_and_tells_ids_and_the_system_is_sent_keys() {
    let stage = Stage::open(opaque);
    let customer = id_of(&stage, "Customer", "erp:20000");
    let orders = stage.get("/v1/orders?limit=20").expect(200).items();
    let line =
        orders.iter().map(|order| &order["lines"][0]).find(|line| line["product"].is_string()).unwrap();
    let product = text(&line["product"]);
    let native = key_of(&stage, &format!("Product/{product}"), "erp");
    stage.erp.forget();
    let order = json!({
        "customer": customer, "currency": "USD", "ordered_on": "2026-01-15",
        "lines": [{ "kind": "item", "sku": line["sku"], "product": product, "quantity": "2" }],
    });
    let post = |body: &Value| {
        let request =
            asking(Method::POST, "/v1/orders", Some(&stage.shop)).header("idempotency-key", "\"one\"");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        stage.ask(request.body(body.to_string().into()).unwrap())
    };
    let made = post(&order).expect(201);
    let (record, location) = (made.json(), made.header("location").unwrap().to_owned());
    assert!(is_id(&record["id"]) && record["customer"] == customer.as_str(), "{record}");
    assert_eq!(location, format!("/v1/orders/{}", text(&record["id"])));
    let sent = stage.erp.seen().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert!(sent.body.contains("\"customerNumber\":\"20000\""), "{}", sent.body);
    assert!(sent.body.contains(&native) && !sent.body.contains(product), "{}", sent.body);
    // A repeat is told the same ids, and the tag of a write is that of the next read.
    let again = post(&order).expect(201);
    assert_eq!((again.json(), again.header("location")), (record.clone(), Some(&*location)));
    let read = stage.get(&location).expect(200);
    assert_eq!((read.json(), read.header("etag")), (record, made.header("etag")));
    let patch = asking(Method::PATCH, &location, Some(&stage.shop))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, read.header("etag").unwrap());
    let body = json!({ "buyer_reference": "PO-77" }).to_string();
    let patched = stage.ask(patch.body(body.into()).unwrap()).expect(200).json();
    assert_eq!((&patched["buyer_reference"], &patched["customer"]), (&"PO-77".into(), &customer.into()));
    let sent = stage.erp.seen().into_iter().find(|seen| seen.method == "PATCH").unwrap();
    assert_eq!(sent.body, r#"{"externalDocumentNumber":"PO-77"}"#, "a reference that stays is not sent");
}

#[test]
fn a_body_that_points_to_what_nobody_has_is_refused_at_its_place_and_nothing_is_sent() {
    let stage = Stage::open(opaque);
    let customer = id_of(&stage, "Customer", "erp:20000");
    for (customer, product, pointers) in [
        ("20000", "0000000000000000000000000g", vec!["/customer", "/lines/0/product"]),
        (&*customer, &*customer, vec!["/lines/0/product"]),
    ] {
        let order = json!({
            "customer": customer, "currency": "USD", "lines": [{ "kind": "item", "product": product, "quantity": "2" }],
        });
        let refused = stage.shop(Method::POST, "/v1/orders", &order).refused(422).json();
        let told: Vec<&str> =
            refused["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
        assert_eq!(told, pointers, "{refused}");
    }
    assert_eq!(stage.reads_of_erp(), 0);
    // A place that the caller may not write is told as that, whatever stands there.
    let path = {
        let orders = stage.portal_get("/v1/orders?status=open&limit=1").expect(200).items();
        format!("/v1/orders/{}", text(&orders[0]["id"]))
    };
    let patch = |customer: &str| {
        let body = json!({ "customer": customer }).to_string();
        let answer = stage.ask(line::json(Method::PATCH, &path, Some(&stage.portal), &body));
        (answer.status, bodily(&answer))
    };
    assert_eq!(patch("20000"), patch(&customer));
}

#[test]
fn a_reference_that_leads_nowhere_does_not_tell_whether_there_is_a_record() {
    let stage = Stage::open(|policies| {
        opaque(policies);
        // Partners may say for whom an order is.
        let statement = "@id(\"partners-move-orders\")\n@writes(\"customer\")\npermit (principal in Group::\"partners\", \
                         action == Action::\"update\", resource is Order) when { principal has customer && \
                         resource.customer == principal.customer && resource has number && resource.number == \"none\" };\n";
        fs::write(policies.join("access/move.cedar"), statement).unwrap();
    });
    let customer = id_of(&stage, "Customer", "erp:20000");
    let shop = stage.get("/v1/orders?limit=50&fields=id,customer").expect(200).items();
    let hidden = shop.iter().find(|order| order["customer"] != customer.as_str()).unwrap();
    let told = |id: &str| {
        let body = json!({ "customer": "20000" }).to_string();
        let path = format!("/v1/orders/{id}");
        let answer = stage.ask(line::json(Method::PATCH, &path, Some(&stage.portal), &body));
        (answer.status, bodily(&answer))
    };
    assert_eq!(told(text(&hidden["id"])), told("0000000000000000000000000g"));
}

#[test]
fn what_the_journal_holds_of_a_record_is_found_by_its_id_and_by_its_key() {
    let stage = Stage::open(opaque);
    let own = stage.portal_get("/v1/orders?limit=3&fields=id,customer").expect(200).items();
    let customer = text(&own[0]["customer"]);
    let erase = |arguments: &[&str]| {
        let (data, policies) = (stage.data(), stage.policies());
        let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
        run(&[&["audit", "erase"], arguments, &["--dry-run", "--json"], &place].concat())
    };
    let by_id = erase(&[&format!("Customer/{customer}")]);
    let by_key = erase(&["Customer", "--key", "erp:20000"]);
    assert_eq!((by_id.code, by_key.code), (0, 0), "{by_id:?} {by_key:?}");
    let told = |ran: &Ran| serde_json::from_str::<Value>(&ran.out).unwrap();
    assert!(told(&by_id)["erased"].as_u64().unwrap() >= 1);
    assert_eq!(told(&by_id)["digest"], told(&by_key)["digest"]);
    assert_ne!(erase(&["Customer/20000"]).code, 0, "no entry has digests of keys");
    assert_ne!(erase(&["Customer", "--key", "erp:nobody"]).code, 0);
}

#[test]
fn a_bundle_that_names_a_record_by_what_is_no_id_does_not_load_and_says_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let check = |edit: &dyn Fn(&Path)| {
        let policies = dir.path().join("policies");
        drop(fs::remove_dir_all(&policies));
        crate::kit::copy_shipped(&policies);
        opaque(&policies);
        edit(&policies);
        run(&["policy", "test", "--policies", policies.to_str().unwrap()])
    };
    let good = check(&|_| {});
    assert_eq!(good.code, 0, "records of tests go by keys all the same: {good:?}");
    let named = |record: &str| {
        format!(
            "@id(\"one\")\n@fields(\"id\")\npermit (principal in Group::\"apps\", action == Action::\"list\", \
             resource is Order) when {{ resource.customer == Customer::\"{record}\" }};\n"
        )
    };
    let literal = |record: &'static str| {
        check(&move |policies| fs::write(policies.join("access/one.cedar"), named(record)).unwrap())
    };
    let told = literal("20000");
    assert_eq!(told.code, 1, "{told:?}");
    for words in ["access/one.cedar", "`Customer::\"20000\"` is no id", "bramka ids show"] {
        assert!(told.err.contains(words), "{words}: {told:?}");
    }
    assert_eq!(literal("0000000000000000000000000g").code, 0);
    for (written, words) in [
        ("\"20000\"", "write `{ key: \"20000\", of: SYSTEM }`"),
        ("{ key: \"20000\", of: erq }", "there is no system `erq`"),
        ("{ key: \"20000\" }", "key `of` is missing"),
    ] {
        let edit = |policies: &Path| {
            change(policies, "principals/acme.yaml", "{ key: \"20000\", of: erp }", written);
        };
        let told = check(&edit);
        assert!(told.code == 1 && told.err.contains("principals/acme.yaml"), "{told:?}");
        assert!(told.err.contains(words), "{words}: {told:?}");
    }
    let told = check(&|policies| change(policies, "gateway.yaml", "ids: opaque", "ids: { ordres: keys }"));
    assert!(told.err.contains("did you mean `orders`?"), "{told:?}");
}

#[test]
fn a_collection_may_keep_the_systems_keys_while_the_others_have_ids() {
    let stage = Stage::open(|policies| {
        opaque(policies);
        change(policies, "gateway.yaml", "ids: opaque", "ids: { customers: keys }");
    });
    let orders = stage.portal_get("/v1/orders?limit=5&fields=id,customer").expect(200).items();
    assert!(orders.iter().all(|order| is_id(&order["id"]) && order["customer"] == "20000"), "{orders:?}");
    let customers = stage.get("/v1/customers?limit=2&fields=id").expect(200).items();
    assert!(customers.iter().all(|customer| !is_id(&customer["id"])), "{customers:?}");
}

#[test]
fn without_the_store_nothing_is_shown() {
    let stage = Stage::open(opaque);
    let orders = stage.get("/v1/orders?limit=3").expect(200).items();
    let db = rusqlite::Connection::open(stage.data().join("bramka.db")).unwrap();
    db.execute_batch("DROP TABLE crosswalk").unwrap();
    // What is remembered is still known, everything else is not to be had.
    stage.get(&format!("/v1/orders/{}", text(&orders[0]["id"]))).expect(200);
    let refused = stage.get("/v1/orders?limit=200").refused(503);
    assert!(refused.header("retry-after").is_some());
    assert!(!String::from_utf8_lossy(&refused.body).contains("S-ORD"));
    stage.get("/v1/orders/0000000000000000000000000g").refused(503);
    // A bundle that names a record does not load without it, and the old one serves on.
    change(&stage.policies(), "principals/acme.yaml", "20000", "nobody");
    until("the new bundle is refused", || {
        stage.stderr().contains("the ids of records that are named by key cannot be had")
    });
    stage.get(&format!("/v1/orders/{}", text(&orders[0]["id"]))).expect(200);
}

#[test]
fn a_write_that_was_kept_with_keys_is_repeated_without_them() {
    let stage = Stage::open(|_| {});
    let create = || {
        let body = json!({ "kind": "person", "name": "Ida Key", "given_name": "Ida", "family_name": "Key" });
        let request = asking(Method::POST, "/v1/customers", Some(&stage.shop));
        let request = request.header("idempotency-key", "\"kept\"");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        stage.ask(request.body(body.to_string().into()).unwrap()).expect(201)
    };
    let key = text(&create().json()["id"]).to_owned();
    opaque(&stage.policies());
    until("ids are shown", || is_id(&stage.get("/v1/customers?limit=1").expect(200).items()[0]["id"]));
    let again = create();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert!(!String::from_utf8_lossy(&again.body).contains(&key), "{again:?}");
    assert_eq!(again.header("location"), None);
}

/// The same company in another ERP: every key differs.
struct Renumbered(Arc<dyn Answers>);

/// Every GUID in a text with its first digits turned around; done twice it is the old one. Those of the address stay.
fn renumbered(text: &str) -> String {
    let is_guid = |text: &str| {
        text.len() == 36
            && text.char_indices().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == '-',
                _ => c.is_ascii_hexdigit(),
            })
    };
    let (mut out, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let guid = rest
            .get(..36)
            .filter(|guid| is_guid(guid) && *guid != erp::COMPANY && !guid.starts_with("00000000-0000"));
        if let Some(guid) = guid {
            let turned = |c: char| c.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).unwrap();
            out.extend(guid[..8].chars().map(turned));
            out.push_str(&guid[8..]);
            rest = &rest[36..];
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

impl Answers for Renumbered {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let body = String::from_utf8_lossy(&ask.body);
        let ask = Ask {
            method: ask.method.clone(),
            path: renumbered(&ask.path),
            query: renumbered(&ask.query).replace("customerNumber%20eq%20%27C", "customerNumber%20eq%20%27"),
            headers: ask.headers.clone(),
            body: renumbered(&body.replace("\"customerNumber\":\"C", "\"customerNumber\":\"")).into(),
        };
        self.0.answer(&ask).map(|body| {
            let body = renumbered(&String::from_utf8_lossy(&body));
            body.replace("\"customerNumber\":\"", "\"customerNumber\":\"C").into()
        })
    }
}

fn second_erp() -> (StandIn, oneshot::Sender<()>) {
    let (tell, told) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let system = Renumbered(seed::erp("stage", "erp-stage-secret"));
            drop(tell.send(standin::start(0, Arc::new(system)).await.unwrap()));
            drop(ended.await);
        });
    });
    (told.blocking_recv().unwrap(), end)
}

#[test]
fn ids_survive_an_exchange_of_systems() {
    let (fresh, _end) = second_erp();
    let stage = Stage::open(|policies| {
        opaque(policies);
        let old = fs::read_to_string(policies.join("systems/erp.yaml")).unwrap();
        let base = old.lines().find(|line| line.starts_with("base:")).unwrap();
        let new = old.replace(base, &format!("base: \"http://{}{}\"", fresh.address, erp::ROOT));
        fs::write(policies.join("systems/erp-new.yaml"), new.replace("system: erp\n", "system: erp-new\n"))
            .unwrap();
        change(policies, "gateway.yaml", "erp: [BC_TOKEN]", "erp: [BC_TOKEN]\n  erp-new: [BC_TOKEN]");
    });
    let open = "/v1/orders?limit=30&fields=id,number,customer";
    let orders = stage.get(open).expect(200).items();
    let partners = stage.portal_get("/v1/orders?limit=200&fields=id").expect(200).items();
    let keys = |of: &str, ids: &[&str]| -> Vec<(String, String)> {
        ids.iter()
            .map(|id| key_of(&stage, &format!("{of}/{id}"), "erp"))
            .map(|key| (key.clone(), key))
            .collect()
    };
    let mut seen: Vec<&str> = orders.iter().chain(&partners).map(|order| text(&order["id"])).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut customers: Vec<&str> = orders.iter().map(|order| text(&order["customer"])).collect();
    customers.sort_unstable();
    customers.dedup();
    let file = stage.data().join("keys.csv");
    let write = |pairs: &[(String, String)], new: &dyn Fn(&str) -> String| {
        let lines: Vec<String> = pairs.iter().map(|(old, key)| format!("{old},{}\n", new(key))).collect();
        fs::write(&file, lines.concat()).unwrap();
    };
    let join = |entity: &str, more: &[&str]| {
        let file = file.to_str().unwrap();
        let arguments = ["join", entity, "--from", "erp", "--to", "erp-new", "--file", file];
        ids(&stage, &[&arguments, more].concat())
    };
    // Two records cannot become one: then none is joined.
    let order_keys = keys("Order", &seen);
    write(&order_keys, &|_| "same".to_owned());
    assert_ne!(join("Order", &["--yes"]).code, 0);
    write(&order_keys, &renumbered);
    let rehearsed = join("Order", &[]);
    assert!(
        rehearsed.code == 0 && rehearsed.out.contains(&format!("{} would be joined", seen.len())),
        "{rehearsed:?}"
    );
    let done = join("Order", &["--yes"]);
    assert!(
        done.code == 0 && done.out.contains(&format!("{} joined, 0 joined before", seen.len())),
        "{done:?}"
    );
    write(&keys("Customer", &customers), &|key| format!("C{key}"));
    let done = join("Customer", &["--yes"]);
    assert_eq!(done.code, 0, "{done:?}");
    let again = join("Customer", &["--yes"]);
    assert!(again.out.starts_with("0 joined"), "{again:?}");

    change(&stage.policies(), "gateway.yaml", "orders: erp", "orders: erp-new");
    until("the other system serves", || {
        stage.get("/v1/orders?limit=1").expect(200);
        !fresh.seen().is_empty()
    });
    stage.erp.forget();
    assert_eq!(stage.get(open).expect(200).items(), orders);
    assert_eq!(stage.portal_get("/v1/orders?limit=200&fields=id").expect(200).items(), partners);
    let one = text(&orders[3]["id"]);
    assert_eq!(stage.get(&format!("/v1/orders/{one}")).expect(200).json()["number"], orders[3]["number"]);
    assert_eq!(stage.erp.seen().len(), 0, "the old system is not asked any more");
    let acts = crate::book::entries(&stage.data());
    let acts = acts.iter().filter(|entry| entry["act"] == "ids_joined").count();
    assert_eq!(acts, 3, "what was done is in the journal, and what was only looked at is not");
}

#[test]
fn erasing_a_record_by_its_id_forgets_the_keys_that_data_quality_keeps_of_it() {
    let mut stage = Stage::open(opaque);
    stage.get("/v1/orders?limit=5").expect(200);
    // At its end a gate hands over what it saw.
    assert_eq!(stage.stop(), 0);
    let (data, policies) = (stage.data(), stage.policies());
    let customer = format!("Customer/{}", id_of(&stage, "Customer", "erp:20000"));
    let erased = || {
        let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
        let ran = run(&[&["audit", "erase", &customer, "--yes", "--json"][..], &place].concat());
        serde_json::from_str::<Value>(&ran.out).unwrap()["quality"].as_u64()
    };
    assert!(erased() > Some(0));
    assert_eq!(erased(), Some(0));
}
