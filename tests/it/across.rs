//! A reference whose keys are another system's (`ref: { entity, of }`): it leads to that system's record both ways, and a
//! bundle in which it would lead nowhere says so when it is loaded.

use std::{fs, path::Path, sync::Arc, thread};

use bramka::demo::standin::{self, Answers, Ask, StandIn};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    ids::{id_of, key_of, opaque, text},
    kit::{Ran, copy_shipped, run, runtime},
    stage::Stage,
    writes::{change, said},
};

/// A shop, whose orders name the customers of the CRM and the products of the ERP.
#[derive(Default)]
struct Shop(Mutex<Vec<Value>>);

impl Shop {
    fn list(&self, ask: &Ask) -> Response<Bytes> {
        let pairs = ask.pairs();
        let said_of = |name: &str| pairs.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let number = |name: &str| said_of(name).map_or(0, |value| value.parse::<usize>().unwrap());
        let mut found = self.0.lock().clone();
        found.retain(|order| {
            said_of("buyer").is_none_or(|buyers| buyers.split(',').any(|buyer| order["buyer"] == buyer))
        });
        let rows: Vec<_> = found.into_iter().skip(number("skip")).take(number("take")).collect();
        said(200, &json!({ "items": rows }))
    }
}

impl Answers for Shop {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let Some(no) = ask.path.strip_prefix("/orders/") else {
            if ask.method != Method::POST {
                return self.list(ask);
            }
            let mut orders = self.0.lock();
            let mut order = ask.json().unwrap();
            order["no"] = json!(orders.len() + 1);
            order["version"] = json!("1");
            orders.push(order.clone());
            return said(201, &order);
        };
        let mut orders = self.0.lock();
        let Some(order) = orders.iter_mut().find(|order| order["no"].as_u64() == no.parse().ok()) else {
            return said(404, &json!({}));
        };
        if ask.method == Method::PATCH {
            let version = order["version"].as_str().unwrap().to_owned();
            if ask.header("if-match") != Some(&version) {
                return said(412, &json!({}));
            }
            order["version"] = json!(format!("{version}1"));
            order.as_object_mut().unwrap().extend(ask.json().unwrap().as_object().unwrap().clone());
        }
        said(200, order)
    }
}

const FILE: &str = r#"
system: shop
base: "http://{address}"
sign_in: none
allow_local: true
clear: { any: ~ }
filters:
  plain: { shape: flat, text: exactly, between: ",", fields: { buyer: { in: buyer } } }
entities:
  Order:
    at: /orders
    key: { at: no, form: digits }
    version: { at: version, send: If-Match }
    list: { rows: items, filter: plain, page: { offset: skip, size: take, most: 50 } }
    read: {}
    create: {}
    update: { send: changed }
    fields:
      customer: { ref: { entity: Customer, of: crm }, at: buyer }
      buyer_reference: note
      currency: currency
      status: =open
      ship_to.country: land
      lines:
        each: lines
        fields:
          product: { ref: { entity: Product, of: erp }, at: item }
          sku: code
          quantity: { at: count, as: { wire: number } }
"#;

/// A contact of the CRM's.
const ANNA: &str = "701000000001";
const JAN: &str = "701000000038";

/// The shop serves orders, the CRM customers, the ERP products.
fn with_shop(policies: &Path, address: &str) {
    crate::reads::roomy(policies);
    opaque(policies);
    fs::write(policies.join("systems/shop.yaml"), FILE.replace("{address}", address)).unwrap();
    change(policies, "gateway.yaml", "orders: erp", "orders: shop");
    change(policies, "access/apps.cedar", "@writes(\"status, ", "@writes(\"customer, status, ");
    let named = format!("{{ key: \"{ANNA}\", of: crm }}");
    change(policies, "principals/acme.yaml", "{ key: \"20000\", of: erp }", &named);
}

struct Three {
    stage: Stage,
    shop: StandIn,
    orders: Arc<Shop>,
    /// The key of a product in the ERP, and its id.
    product: (String, String),
    _end: oneshot::Sender<()>,
}

impl Three {
    /// Two orders of each of two contacts.
    fn open() -> Self {
        let orders = Arc::new(Shop::default());
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let standin = orders.clone();
        thread::spawn(move || {
            runtime().block_on(async {
                drop(tell.send(standin::start(0, standin).await.unwrap()));
                drop(ended.await);
            });
        });
        let shop: StandIn = told.blocking_recv().unwrap();
        let stage = Stage::open(|policies| with_shop(policies, &shop.address.to_string()));
        let product = stage.get("/v1/products?limit=1").expect(200).items()[0]["id"].clone();
        let product =
            (key_of(&stage, &format!("Product/{}", text(&product)), "erp"), text(&product).to_owned());
        for (no, buyer) in (1..).zip([ANNA, JAN, ANNA, JAN]) {
            orders
                .0
                .lock()
                .push(json!({ "no": no, "version": "1", "buyer": buyer, "note": "PO", "currency": "PLN",
                "lines": [{ "item": product.0, "code": "A", "count": 2 }] }));
        }
        Self { stage, shop, orders, product, _end: end }
    }

    /// The id of a contact.
    fn contact(&self, key: &str) -> String {
        self.stage.get("/v1/customers?limit=5").expect(200);
        id_of(&self.stage, "Customer", &format!("crm:{key}"))
    }

    fn asked(&self) -> Vec<String> {
        let seen = self.shop.seen().into_iter().map(|seen| seen.target).collect();
        self.shop.forget();
        seen
    }
}

#[test]
fn a_reference_to_another_systems_record_leads_there_in_records_lists_and_what_is_included() {
    let three = Three::open();
    let (stage, anna) = (&three.stage, three.contact(ANNA));
    let orders = stage.get("/v1/orders").expect(200).items();
    let of: Vec<&str> = orders.iter().map(|order| text(&order["customer"])).collect();
    assert_eq!(of, [&*anna, &*three.contact(JAN), &*anna, &*three.contact(JAN)]);
    // Of one record two fields hold keys of two systems.
    assert!(orders.iter().all(|order| order["lines"][0]["product"] == *three.product.1), "{orders:?}");
    let customer = stage.get(&format!("/v1/customers/{anna}")).expect(200).json();
    let path = format!("/v1/orders/{}", text(&orders[0]["id"]));
    let mut one = stage.get(&format!("{path}?include=customer")).expect(200).json();
    let beside = one.as_object_mut().unwrap().remove("included").unwrap();
    assert_eq!(beside["customer"]["items"], json!([customer]));
    assert_eq!(one, orders[0]);
    let page = stage.get("/v1/orders?include=customer").expect(200).items();
    assert_eq!(page[2]["included"]["customer"]["items"], json!([customer]));
}

#[test]
fn a_filter_by_such_a_reference_asks_for_the_other_systems_key_and_a_partner_sees_its_own() {
    let three = Three::open();
    let (stage, anna, jan) = (&three.stage, three.contact(ANNA), three.contact(JAN));
    three.asked();
    let found = stage.get(&format!("/v1/orders?customer={anna}")).expect(200).items();
    assert!(found.len() == 2 && found.iter().all(|order| order["customer"] == *anna), "{found:?}");
    assert!(three.asked()[0].contains(&format!("buyer={ANNA}")));
    assert_eq!(stage.get(&format!("/v1/orders?customer[in]={anna},{jan}")).expect(200).items().len(), 4);
    let at_odata = format!("/odata/orders?$filter=customer%20eq%20'{jan}'");
    assert_eq!(stage.get(&at_odata).expect(200).json()["value"].as_array().unwrap().len(), 2);
    three.asked();
    // Statements go by the same ids.
    let own = stage.portal_get("/v1/orders").expect(200).items();
    assert!(own.len() == 2 && own.iter().all(|order| order["customer"] == *anna), "{own:?}");
    assert!(three.asked()[0].contains(&format!("buyer={ANNA}")));
    let all = stage.get("/v1/orders").expect(200).items();
    stage.portal_get(&format!("/v1/orders/{}", text(&all[0]["id"]))).expect(200);
    stage.portal_get(&format!("/v1/orders/{}", text(&all[1]["id"]))).refused(404);
    // A product of the ERP is no customer of the CRM.
    three.asked();
    let product = &three.product.1;
    assert_eq!(stage.get(&format!("/v1/orders?customer={product}")).expect(200).items().len(), 0);
    assert_eq!(three.asked().len(), 0, "nobody has such an id");
}

#[test]
fn a_write_sends_the_other_systems_key_and_refuses_what_that_system_does_not_know() {
    let three = Three::open();
    let (stage, anna, jan) = (&three.stage, three.contact(ANNA), three.contact(JAN));
    let order = |customer: &str| {
        json!({ "customer": customer, "currency": "PLN",
            "lines": [{ "product": three.product.1, "sku": "B", "quantity": "3" }] })
    };
    let made = stage.shop(Method::POST, "/v1/orders", &order(&jan)).expect(201).json();
    assert_eq!(made["customer"], *jan);
    let sent = three.orders.0.lock().last().unwrap().clone();
    assert_eq!((&sent["buyer"], &sent["lines"][0]["item"]), (&json!(JAN), &json!(three.product.0)));
    let path = format!("/v1/orders/{}", text(&made["id"]));
    let changed = stage.shop(Method::PATCH, &path, &json!({ "customer": anna })).expect(200).json();
    assert_eq!(changed["customer"], *anna);
    assert_eq!(three.orders.0.lock().last().unwrap()["buyer"], ANNA);
    // The ERP's customers are none of the CRM's, whatever its invoices say of them.
    let invoice = stage.get("/v1/invoices?limit=1").expect(200).items()[0].clone();
    three.asked();
    let refused =
        stage.shop(Method::POST, "/v1/orders", &order(text(&invoice["customer"]))).expect(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/customer", "{refused}");
    assert_eq!(three.asked().len(), 0, "nothing is sent");
}

/// What `policy check` says of the shipped bundle with the shop, edited.
fn checked(edit: &dyn Fn(&Path)) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    copy_shipped(&policies);
    with_shop(&policies, "127.0.0.1:9");
    edit(&policies);
    run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()])
}

fn shop_says(from: &'static str, to: &'static str) -> Ran {
    checked(&move |policies| change(policies, "systems/shop.yaml", from, to))
}

#[test]
fn a_system_that_is_not_there_or_does_not_serve_the_collection_is_told_with_the_nearest_name() {
    let of = "entity: Customer, of: crm";
    for (to, words, help) in [
        ("entity: Customer, of: crn", "error: there is no system `crn` in `systems/`", "did you mean `crm`?"),
        ("entity: Customer, of: erp", "error: `erp` does not serve `customers`", "expected one of: crm"),
    ] {
        let told = shop_says(of, to);
        assert!(told.code == 1 && told.out.contains("1 error,"), "{told:?}");
        let (_, rest) = told.out.split_once(words).unwrap_or_else(|| panic!("{words}: {told:?}"));
        let (own, _) = rest.split_once("\n\n").unwrap();
        assert!(own.contains("systems/shop.yaml:19:48") && own.contains(help), "{own}");
    }
    // One that tells fields of the records that have the same id has keys of them too; by another field it has none.
    let joined = |on: &'static str| {
        checked(&move |policies| {
            let with = format!("{{ system: crm, with: {{ erp: {{ fields: [credit], on: {on} }} }} }}");
            change(policies, "gateway.yaml", "customers: crm", &format!("customers: {with}"));
            change(policies, "systems/shop.yaml", "entity: Customer, of: crm", "entity: Customer, of: erp");
        })
    };
    assert_eq!(joined("id").code, 0, "{:?}", joined("id"));
    let told = joined("vat_id");
    assert!(told.code == 1 && told.out.contains("`erp` does not serve `customers`"), "{told:?}");
}

#[test]
fn a_plain_reference_whose_own_system_does_not_serve_the_collection_is_told_what_to_write() {
    let of_crm = "{ entity: Customer, of: crm }";
    let told = shop_says(of_crm, "Customer");
    assert_eq!(told.code, 0, "it is a doubt, and no mistake: {told:?}");
    let all = format!("{}{}", told.out, told.err);
    let of_shop: Vec<&str> = all.lines().filter(|line| line.contains("systems/shop.yaml")).collect();
    let words = "`customer` holds keys of `shop`, and `customers` are served by `crm`";
    assert!(of_shop.len() == 1 && all.contains(words), "{all}");
    assert!(all.contains("write `ref: { entity: Customer, of: crm }`"), "{all}");
    // What is said is not told again, and neither is what joins ids with keys of both.
    for said in [of_crm, "{ entity: Customer, of: shop }"] {
        let told = checked(&|policies| {
            change(policies, "systems/shop.yaml", of_crm, said);
        });
        let all = format!("{}{}", told.out, told.err);
        assert!(told.code == 0 && !all.contains("systems/shop.yaml"), "{all}");
    }
}

#[test]
fn the_shipped_bundle_whose_customers_are_joined_by_id_is_not_told_of() {
    let policies = crate::kit::root().join("policies");
    let told = run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(!format!("{}{}", told.out, told.err).contains("holds keys of"), "{told:?}");
}

#[test]
fn tests_of_policies_take_the_keys_in_their_records_for_those_of_the_other_system() {
    let tested = |of: &str| {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        copy_shipped(&policies);
        opaque(&policies);
        change(&policies, "systems/erp.yaml", "{ ref: Customer,", "{ ref: { entity: Customer, of: crm },");
        let named = format!("{{ key: \"20000\", of: {of} }}");
        change(&policies, "principals/acme.yaml", "{ key: \"20000\", of: erp }", &named);
        run(&["policy", "test", "--policies", policies.to_str().unwrap()]).code
    };
    assert_eq!((tested("crm"), tested("erp")), (0, 1));
}
