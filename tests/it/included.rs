//! `?include=`: what stands beside a record is a list of its own, with its own statements, view, charge and entry, and
//! it tells nothing that this list would not.

use std::{
    fs,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bramka::demo::{
    erp, seed,
    standin::{self, Ask, Seen, StandIn, Trouble},
};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    book,
    kit::Answer,
    line::bare,
    stage::Stage,
    writes::{Twist, said},
};

/// Enough room for what these tests ask.
fn stage() -> Stage {
    Stage::open(crate::reads::roomy)
}

impl Stage {
    fn ask_as(&self, token: &str, path: &str) -> Answer {
        self.ask(bare(Method::GET, path, Some(token)))
    }

    fn asked_of_erp(&self, collection: &str) -> Vec<Seen> {
        self.erp.seen().into_iter().filter(|seen| seen.target.contains(collection)).collect()
    }
}

/// What an entry notes.
fn noted<'a>(entry: &'a Value, name: &str) -> &'a str {
    let notes = entry["notes"].as_array().unwrap();
    let found = notes.iter().find(|note| note[0] == name).unwrap_or_else(|| panic!("{name} in {entry}"));
    found[1].as_str().unwrap()
}

/// Takes what is included out of an item.
fn taken(item: &mut Value, name: &str) -> Value {
    item.as_object_mut().unwrap().remove("included").unwrap()[name].take()
}

fn entry_of(stage: &Stage, request: &str) -> Value {
    let entries = book::entries(&stage.data());
    let of = entries.into_iter().find(|entry| entry["request"] == request && entry["kind"] == "answer");
    of.unwrap_or_else(|| panic!("no entry of {request}"))
}

#[test]
fn what_is_included_is_what_its_own_list_tells_and_the_records_stay_as_they_are() {
    let stage = stage();
    let plain = stage.ask_as(&stage.shop, "/v1/orders?limit=30").expect(200).items();
    stage.erp.forget();
    let answer = stage.ask_as(&stage.shop, "/v1/orders?limit=30&include=invoices").expect(200);
    assert_eq!(stage.asked_of_erp("/salesInvoices").len(), 1, "one list for the whole page");
    let mut items = answer.items();
    let mut with_any = 0;
    for (item, plain) in items.iter_mut().zip(&plain) {
        let included = taken(item, "invoices");
        assert_eq!(item, plain);
        let own = format!("/v1/invoices?order={}&limit=100", plain["id"].as_str().unwrap());
        let own = stage.ask_as(&stage.shop, &own).expect(200).items();
        with_any += usize::from(!own.is_empty());
        assert_eq!(included, json!({ "items": own }));
    }
    assert_eq!(items.len(), plain.len());
    assert!(with_any > 0, "some have invoices");
    // The next page includes too.
    assert!(answer.header("link").unwrap().contains("include=invoices"));
}

#[test]
fn a_record_has_the_same_tag_with_and_without_what_stands_beside_it() {
    let stage = stage();
    let order = stage.ask_as(&stage.shop, "/v1/orders?limit=1").expect(200).items().remove(0);
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let plain = stage.ask_as(&stage.shop, &path).expect(200);
    let with = stage.ask_as(&stage.shop, &format!("{path}?include=invoices")).expect(200);
    assert_eq!(plain.header("etag"), with.header("etag"));
    let mut item = with.json();
    assert!(taken(&mut item, "invoices")["items"].is_array());
    assert_eq!(item, plain.json());
    // The reference need not be among the fields that are wanted.
    let some =
        stage.ask_as(&stage.shop, &format!("{path}?include=invoices&fields=number")).expect(200).json();
    assert_eq!(some, json!({ "number": order["number"], "included": some["included"] }));
}

#[test]
fn a_reference_is_followed_to_the_record_it_names_where_the_caller_may_list_it() {
    let stage = stage();
    let active =
        |token: &str| stage.ask_as(token, "/v1/products?limit=200&status=active").expect(200).items();
    for token in [&stage.shop, &stage.portal] {
        let products = active(token);
        let mut found = 0;
        let path = "/v1/stock-levels?limit=40&include=product";
        for mut level in stage.ask_as(token, path).expect(200).items() {
            let included = taken(&mut level, "product");
            let own = products.iter().find(|product| product["id"] == level["product"]);
            let items = included["items"].as_array().unwrap();
            match own {
                Some(own) => assert_eq!(items, &vec![own.clone()]),
                None if token == &stage.portal => {
                    assert!(items.is_empty(), "hidden from partners: {items:?}")
                }
                None => assert_eq!(items[0]["status"], "blocked"),
            }
            found += items.len();
        }
        assert!(found > 20, "{found}");
    }
}

#[test]
fn what_is_included_has_the_view_of_its_own_list_and_not_that_of_the_record() {
    let stage = stage();
    let path = "/v1/products?limit=20&include=stock-levels";
    for mut product in stage.ask_as(&stage.portal, path).expect(200).items() {
        for level in taken(&mut product, "stock-levels")["items"].as_array().unwrap() {
            assert_eq!(level["product"], product["id"]);
            assert!(level["on_hand"].is_null(), "a partner is not told how many there are: {level}");
        }
    }
    let shop = stage.ask_as(&stage.shop, path).expect(200).items();
    assert!(
        shop.iter().any(|product| product["included"]["stock-levels"]["items"][0]["on_hand"].is_string())
    );
}

#[test]
fn what_this_caller_could_not_list_by_the_reference_is_unknown_like_any_other_name() {
    let stage = stage();
    stage.erp.forget();
    // Partners see invoices, but not to which order one belongs; and no customers at all.
    let order = "/v1/orders/ffffffff-5b1c-ef11-9f89-000d3a2900ff";
    for (path, name) in [
        ("/v1/orders?include=invoices", "invoices"),
        ("/v1/orders?include=customer", "customer"),
        ("/v1/orders?include=no-such-thing", "no-such-thing"),
        (&format!("{order}?include=invoices"), "invoices"),
    ] {
        let errors = stage.ask_as(&stage.portal, path).refused(400).json()["errors"].clone();
        assert_eq!(errors[0]["detail"], format!("unknown field `{name}`"), "{path}");
    }
    // All faults are told at once.
    let both = stage.ask_as(&stage.portal, "/v1/orders?include=invoices&limit=0").refused(400).json();
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
    assert!(stage.erp.seen().is_empty(), "nothing was asked");
}

#[test]
fn a_record_that_is_hidden_leads_to_no_question_about_what_stands_beside_it() {
    let stage = stage();
    let blocked =
        stage.ask_as(&stage.shop, "/v1/products?status=blocked&limit=1").expect(200).items().remove(0);
    let path = format!("/v1/products/{}", blocked["id"].as_str().unwrap());
    stage.erp.forget();
    stage.ask_as(&stage.portal, &format!("{path}?include=stock-levels")).refused(404);
    assert_eq!(stage.erp.seen().len(), 1, "the record itself alone: {:?}", stage.erp.seen());
}

#[test]
fn what_is_included_has_an_entry_of_its_own_and_the_two_name_each_other() {
    let stage = stage();
    let answer = stage.ask_as(&stage.shop, "/v1/orders?limit=30&include=invoices").expect(200);
    let id = answer.header("x-request-id").unwrap();
    let whole = entry_of(&stage, id);
    let part = entry_of(&stage, noted(&whole, "part"));
    assert_eq!(noted(&part, "part_of"), id);
    assert_eq!((&part["action"], &part["target"]), (&json!("list"), &json!("Invoice")));
    assert_eq!((&whole["action"], &whole["target"]), (&json!("list"), &json!("Order")));
    assert_eq!(part["decided"], json!(["apps-read-invoices"]));
    assert_eq!(whole["decided"], json!(["apps-read-orders"]));
    let fields = part["shown"][0]["fields"].as_array().unwrap();
    assert!(fields.contains(&json!("amount_due")), "{fields:?}");
    assert_eq!(part["who"], whole["who"]);
}

#[test]
fn what_is_included_is_charged_by_itself() {
    let stage = Stage::open(|policies| {
        let file = policies.join("limits.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let (before, partner) = text.split_once("\n  partner:").unwrap();
        // One at a time, and four an hour: a part takes no second place, but counts.
        let partner = partner.replace("rate: 10/s", "rate: 4/h").replace("concurrency: 10", "concurrency: 1");
        fs::write(&file, format!("{before}\n  partner:{partner}")).unwrap();
    });
    let path = "/v1/products?limit=1&include=stock-levels";
    let counted = |n: usize| {
        let answer = stage.ask_as(&stage.portal, path);
        assert!(n < 2 || answer.status == 429, "{n}: {}", answer.status);
        answer.status
    };
    assert_eq!([counted(0), counted(1), counted(2)], [200, 200, 429]);
}

#[test]
fn a_system_that_is_away_does_not_sink_what_another_one_has() {
    let stage = stage();
    let order = stage.ask_as(&stage.shop, "/v1/orders?limit=1").expect(200).items().remove(0);
    stage.crm.trouble(Some(Trouble::HangUp));
    let path = format!("/v1/orders/{}?include=customer", order["id"].as_str().unwrap());
    let mut item = stage.ask_as(&stage.shop, &path).expect(200).json();
    let included = taken(&mut item, "customer");
    assert_eq!(item, order);
    assert!(included["items"].is_null(), "it is not told as if there were none");
    assert!(included["problem"]["status"].as_u64().unwrap() >= 500, "{included}");
    // Its request id is that of its own entry.
    let part = entry_of(&stage, included["problem"]["request_id"].as_str().unwrap());
    assert_eq!(part["target"], "Customer");
    assert_eq!(part["status"], included["problem"]["status"]);
}

#[test]
fn what_is_cut_says_so_and_is_never_told_as_if_it_were_all() {
    let stage = stage();
    stage.erp.forget();
    let levels = stage.ask_as(&stage.shop, "/v1/stock-levels?limit=60&include=product").expect(200).items();
    assert_eq!(levels.len(), 60);
    let products: Vec<&Value> = levels.iter().map(|level| &level["included"]["product"]).collect();
    let (read, beyond) = products.split_at(50);
    assert!(read.iter().all(|of| of["items"][0]["sku"].is_string() && of["truncated"].is_null()));
    assert!(beyond.iter().all(|of| **of == json!({ "items": [], "truncated": true })), "{beyond:?}");
    assert_eq!(stage.erp.seen().len(), 2, "a list, and a list of fifty records");
}

#[test]
fn the_description_of_what_a_caller_may_call_names_what_it_may_include() {
    let stage = stage();
    let names = |token: &str, path: &str| -> Value {
        let document = stage.ask_as(token, "/openapi.json").expect(200).json();
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().clone();
        let include = parameters.iter().find(|parameter| parameter["name"] == "include");
        include.map_or(json!([]), |include| include["schema"]["items"]["enum"].clone())
    };
    assert_eq!(names(&stage.shop, "/v1/orders"), json!(["customer", "lines.product", "invoices"]));
    assert_eq!(names(&stage.shop, "/v1/orders/{id}"), json!(["customer", "lines.product", "invoices"]));
    assert_eq!(names(&stage.portal, "/v1/orders"), json!(["lines.product"]));
    for name in ["customer", "lines.product", "invoices"] {
        let path = format!("/v1/orders?limit=2&include={name}");
        stage.ask_as(&stage.shop, &path).expect(200);
        let permitted = if name == "lines.product" { 200 } else { 400 };
        stage.ask_as(&stage.portal, &path).expect(permitted);
    }
}

#[test]
fn a_reference_that_is_masked_on_either_side_links_nothing() {
    let masked = |statement: &'static str, mask: &'static str| {
        Stage::open(move |policies| {
            let file = policies.join("access/partners.cedar");
            let text = fs::read_to_string(&file).unwrap();
            let (before, rest) = text.split_once(&format!("@id(\"{statement}\")")).unwrap();
            fs::write(&file, format!("{before}@id(\"{statement}\")\n@mask(\"{mask}: pseudonym\")\n{rest}"))
                .unwrap();
        })
    };
    let refused = |stage: &Stage, collection: &str, name: &str| {
        let path = format!("/v1/{collection}?limit=1&include={name}");
        let problem = stage.ask_as(&stage.portal, &path).refused(400).json();
        assert_eq!(problem["errors"][0]["detail"], format!("unknown field `{name}`"));
        stage.ask_as(&stage.shop, &path).expect(200);
    };
    for stage in [masked("partners-see-availability", "product"), masked("partners-read-goods", "id")] {
        refused(&stage, "stock-levels", "product");
        refused(&stage, "products", "stock-levels");
    }
}

#[test]
fn a_page_of_more_records_than_a_system_is_asked_for_at_once_is_asked_for_in_pieces() {
    let stage = stage();
    stage.erp.forget();
    let orders =
        stage.ask_as(&stage.shop, "/v1/orders?limit=150&fields=id&include=invoices").expect(200).items();
    let asked = stage.asked_of_erp("/salesInvoices");
    assert_eq!((orders.len(), asked.len()), (150, 3), "{asked:?}");
    assert!(asked.iter().all(|seen| seen.target.contains("$filter=")));
    let told: usize =
        orders.iter().map(|order| order["included"]["invoices"]["items"].as_array().unwrap().len()).sum();
    let mut own = 0;
    for ids in orders.chunks(50) {
        let ids: Vec<&str> = ids.iter().map(|order| order["id"].as_str().unwrap()).collect();
        let path = format!("/v1/invoices?limit=200&fields=id&order[in]={}", ids.join(","));
        own += stage.ask_as(&stage.shop, &path).expect(200).items().len();
    }
    assert_eq!(told, own);
}

/// An ERP whose answers are changed on their way, at the same time where it is asked so, and a gate before it.
struct Changed {
    erp: StandIn,
    stage: Stage,
    _runtime: Runtime,
}

impl Changed {
    fn open<F>(twist: F) -> Self
    where
        F: Fn(&Ask, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let system = Twist(seed::erp("stage", "erp-stage-secret"), twist);
        let erp = runtime.block_on(standin::start(0, Arc::new(system))).unwrap();
        let stage = Stage::open(|policies| {
            crate::reads::roomy(policies);
            let file = policies.join("systems/erp.yaml");
            let text = fs::read_to_string(&file).unwrap();
            let base = text.lines().find(|line| line.starts_with("base:")).unwrap();
            let ours = format!("base: \"http://{}{}\"", erp.address, erp::ROOT);
            // No list is asked for keys, so that each record is read by its own.
            let (key, never) =
                ("    key: { at: id, form: guid }", "    key: { at: id, form: guid, filter_at: never }");
            fs::write(&file, text.replace(base, &ours).replace(key, never)).unwrap();
        });
        Self { erp, stage, _runtime: runtime }
    }

    /// The products that stock levels lead to.
    fn products(&self, levels: usize) -> Vec<Value> {
        self.erp.forget();
        let path = format!("/v1/stock-levels?limit={levels}&include=product");
        let levels = self.stage.ask_as(&self.stage.shop, &path).expect(200).items();
        let product = |mut level: Value| {
            let product = taken(&mut level, "product");
            let told = product["items"].as_array().into_iter().flatten();
            told.for_each(|told| assert_eq!(told["id"], level["product"]));
            product
        };
        levels.into_iter().map(product).collect()
    }

    fn reads(&self) -> usize {
        self.erp.seen().iter().filter(|seen| seen.target.contains("/items(")).count()
    }
}

/// Answers that are given when so many are asked for.
pub(crate) struct Together {
    of: usize,
    arrived: Mutex<usize>,
    all: Condvar,
}

impl Together {
    pub(crate) fn of(of: usize) -> Self {
        Self { of, arrived: Mutex::default(), all: Condvar::new() }
    }

    /// Whether the others came, too.
    pub(crate) fn meet(&self) -> bool {
        tokio::task::block_in_place(|| {
            let mut arrived = self.arrived.lock().unwrap();
            *arrived += 1;
            let due = arrived.next_multiple_of(self.of);
            self.all.notify_all();
            let wait = Duration::from_secs(8);
            !self.all.wait_timeout_while(arrived, wait, |arrived| *arrived < due).unwrap().1.timed_out()
        })
    }
}

#[test]
fn what_a_field_refers_to_is_asked_for_at_once_where_the_list_takes_keys() {
    let stage = stage();
    stage.erp.forget();
    let levels = stage.ask_as(&stage.shop, "/v1/stock-levels?limit=40&include=product").expect(200).items();
    let is_own = |level: &Value| level["included"]["product"]["items"][0]["id"] == level["product"];
    assert!(levels.len() == 40 && levels.iter().all(is_own), "{levels:?}");
    let asked: Vec<Seen> =
        stage.erp.seen().into_iter().filter(|seen| seen.target.contains("$filter=(id eq")).collect();
    assert_eq!((asked.len(), stage.asked_of_erp("/items(").len()), (1, 0), "{asked:?}");
}

#[test]
fn what_is_gone_is_left_out_and_the_order_stays() {
    let changed = Changed::open(|ask, answer| match ask.path.contains("a290007)") {
        true => said(404, &json!({ "error": { "code": "Internal_RecordNotFound", "message": "gone" } })),
        false => answer,
    });
    let products = changed.products(20);
    let (told, left): (Vec<_>, Vec<_>) =
        products.iter().partition(|product| product["items"][0]["sku"].is_string());
    assert_eq!((told.len(), left), (19, vec![&json!({ "items": [] })]));
}

#[test]
fn a_read_that_fails_is_told_and_no_more_are_begun() {
    let changed = Changed::open(|ask, answer| match ask.path.contains("/items(") {
        true => said(400, &json!({ "error": { "code": "Internal", "message": "out of order" } })),
        false => answer,
    });
    let products = changed.products(40);
    assert_eq!((products.len(), changed.reads()), (40, 8));
    for product in products {
        assert!(product["items"].is_null(), "{product}");
        assert!(product["problem"]["status"].as_u64() >= Some(500), "{product}");
    }
}

#[test]
fn what_a_field_refers_to_is_read_eight_at_the_same_time() {
    let (together, under_way) = (Together::of(8), AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let twist = move |ask: &Ask, answer: Response<Bytes>| {
        if !ask.path.contains("/items(") {
            return answer;
        }
        seen.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let is_met = together.meet();
        under_way.fetch_sub(1, Ordering::SeqCst);
        if is_met { answer } else { said(504, &json!({})) }
    };
    let changed = Changed::open(twist);
    let products = changed.products(16);
    assert!(products.iter().all(|product| product["items"][0]["sku"].is_string()), "{products:?}");
    assert_eq!((products.len(), changed.reads(), most.load(Ordering::SeqCst)), (16, 16, 8));
}
