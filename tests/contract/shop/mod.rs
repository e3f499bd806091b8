//! The shops: the same goods, buyers and orders, kept by systems that speak differently.

mod graph;
mod magento;
mod prestashop;
mod proofs;
mod records;
mod shopify;
mod told;
mod woocommerce;
pub(crate) mod xml;

use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::{
    contract,
    ground::{Capability, Gap, Gate, Subject, ids_of_lines, lists_by_ids},
};

/// A gap whose reason is that the system behind a collection cannot do this.
const fn cannot(capability: Capability, reason: &'static str) -> Gap {
    Gap { capability, status: 405, reason }
}

/// A gap whose reason stands with a place of what was sent.
const fn unmappable(capability: Capability, reason: &'static str) -> Gap {
    Gap { capability, status: 422, reason }
}

/// A collection that the system does not serve at all.
const fn unserved(capability: Capability) -> Gap {
    Gap { capability, status: 404, reason: "not-found" }
}

const WITH_PAYMENTS: &[&str] = &["customers", "products", "orders", "stock-levels", "payments"];

const SHOPIFY: Subject = Subject {
    name: "shopify",
    file: "catalogue/shopify.yaml",
    root: shopify::ROOT,
    secrets: &[("SHOPIFY_TOKEN", shopify::TOKEN)],
    serves: &["customers", "products", "orders", "stock-levels", "shipments", "payments"],
    edits: &[],
    standin: || Arc::new(shopify::Shopify::new()),
    gaps: &[
        // A variant's; a list of variants sent would replace all of them.
        unmappable(proofs::PRICE_CHANGE, "/list_price/net_price"),
        cannot(Capability::Create("orders"), "cannot create: orders are placed in the shop"),
        Gap { capability: proofs::PAYMENTS, status: 400, reason: "say what `allocations.order` has to be" },
        unserved(proofs::PRICES),
    ],
};

const SHOPIFY_GRAPHQL: Subject = Subject {
    name: "shopify-graphql",
    file: "catalogue/shopify-graphql.yaml",
    root: graph::ROOT,
    secrets: &[("SHOPIFY_TOKEN", graph::TOKEN)],
    serves: &["customers", "products", "orders", "stock-levels", "shipments"],
    edits: &[],
    standin: || Arc::new(graph::Graph::new()),
    gaps: &[
        // As by its other door.
        unmappable(proofs::PRICE_CHANGE, "/list_price/net_price"),
        cannot(Capability::Create("orders"), "cannot create: orders are placed in the shop"),
        // It has prices, and none for some.
        unserved(proofs::PRICES),
        // They are listed with what was paid back, and have no address of their own: a sentence of their own below.
        unserved(proofs::PAYMENTS),
    ],
};

/// The same, with what was paid.
const SHOPIFY_GRAPHQL_PAYMENTS: Subject = Subject { serves: &["orders", "payments"], ..SHOPIFY_GRAPHQL };

const WOOCOMMERCE: Subject = Subject {
    name: "woocommerce",
    file: "catalogue/woocommerce.yaml",
    root: woocommerce::ROOT,
    secrets: &[("WOOCOMMERCE_SECRET", woocommerce::SECRET)],
    serves: WITH_PAYMENTS,
    edits: &[],
    standin: || Arc::new(woocommerce::Woocommerce::new()),
    gaps: &[unserved(proofs::PRICES), unserved(proofs::SHIPMENTS)],
};

/// What it paid back, in a file of its own.
const WOOCOMMERCE_REFUNDS: Subject = Subject {
    name: "woocommerce-refunds",
    file: "catalogue/woocommerce-refunds.yaml",
    serves: &["payments"],
    gaps: &[],
    ..WOOCOMMERCE
};

const PRESTASHOP: Subject = Subject {
    name: "prestashop",
    file: "catalogue/prestashop.yaml",
    root: prestashop::ROOT,
    secrets: &[("PRESTASHOP_AUTHORIZATION", prestashop::AUTHORIZATION)],
    serves: &["customers", "products", "orders", "stock-levels", "prices", "payments"],
    edits: &[],
    standin: || Arc::new(prestashop::Prestashop::new()),
    gaps: &[
        cannot(Capability::Create("orders"), "cannot create: an order is made of a cart"),
        cannot(Capability::Create("customers"), "cannot create: a new customer needs a password"),
        unserved(proofs::SHIPMENTS),
    ],
};

const MAGENTO: Subject = Subject {
    name: "magento",
    file: "catalogue/magento.yaml",
    root: magento::ROOT,
    secrets: &[("MAGENTO_TOKEN", magento::TOKEN)],
    serves: &["customers", "products", "orders", "stock-levels", "prices", "payments"],
    edits: &[],
    standin: || Arc::new(magento::Magento::new()),
    gaps: &[
        cannot(Capability::Create("orders"), "cannot create: an order is made of a cart"),
        // It tells those of a product, by its number.
        Gap { capability: proofs::PRICES, status: 400, reason: "sku" },
        unserved(proofs::SHIPMENTS),
    ],
};

/// What everybody pays for a while, in a file of its own.
const MAGENTO_SPECIAL: Subject = Subject {
    name: "magento-special-prices",
    file: "catalogue/magento-special-prices.yaml",
    serves: &["prices"],
    gaps: &[],
    ..MAGENTO
};

macro_rules! shop {
    ($system:ident: $subject:path) => {
        contract!($system: $subject {
            a_list_holds_what_the_shop_holds: super::proofs::LIST,
            pages_of_any_size_come_to_their_end: super::proofs::PAGES,
            goods_are_found_by_their_last_change: super::proofs::BY_CHANGE,
            goods_are_found_by_their_number: super::proofs::BY_NUMBER,
            goods_are_found_by_their_status: super::proofs::BY_STATUS,
            an_order_says_how_far_it_is_and_whether_it_is_paid_and_sent: super::proofs::THREE_AXES,
            orders_are_found_by_who_ordered: super::proofs::BY_BUYER,
            goods_come_in_the_order_of_their_last_change: super::proofs::SORTED,
            a_record_reads_as_it_is_listed: super::proofs::READ,
            what_is_not_there_is_not_found: super::proofs::ABSENT,
            an_order_tells_its_lines_and_what_they_come_to: super::proofs::LINES,
            a_price_that_holds_tax_is_never_called_net: super::proofs::TAXED,
            stock_is_told_of_every_product: super::proofs::STOCK,
            a_new_product_stands_in_the_shop: super::proofs::NEW_PRODUCT,
            a_new_customer_stands_in_the_shop: super::proofs::NEW_CUSTOMER,
            an_order_is_placed: super::proofs::NEW_ORDER,
            a_change_sends_what_changed_and_loses_nothing: super::proofs::CHANGE,
            a_price_is_changed: super::proofs::PRICE_IS_CHANGED,
            a_customer_is_changed: super::proofs::CUSTOMER_IS_CHANGED,
            fields_the_gate_does_not_know_survive_an_update: super::proofs::REST_SURVIVES,
            two_writers_at_once_lose_nothing: super::proofs::TWO_WRITERS,
            a_caller_that_goes_away_leaves_no_lock_held: super::proofs::CALLER_LEAVES,
            a_product_is_taken_out: super::proofs::DELETE,
            prices_for_some_are_told: super::proofs::PRICES_FOR_SOME,
            what_was_sent_is_told: super::proofs::WHAT_WAS_SENT,
            what_was_paid_is_told: super::proofs::WHAT_WAS_PAID,
            a_value_that_cannot_be_is_refused_with_its_place: super::proofs::INVALID,
            a_shop_that_is_asked_too_much_says_when_to_come_back: super::proofs::RATE_LIMIT,
            hostile_texts_stay_texts: super::proofs::LITERALS,
        });
    };
}

shop!(shopify_shop: super::SHOPIFY);
shop!(shopify_graphql_shop: super::SHOPIFY_GRAPHQL);
shop!(woocommerce_shop: super::WOOCOMMERCE);
shop!(prestashop_shop: super::PRESTASHOP);
shop!(magento_shop: super::MAGENTO);

#[test]
fn lines_of_orders_have_ids_of_the_gates_own_and_what_was_sent_names_them() {
    for subject in [&SHOPIFY, &SHOPIFY_GRAPHQL, &WOOCOMMERCE, &PRESTASHOP, &MAGENTO] {
        let gate = Gate::with_ids(subject);
        let orders = gate.whole("/v1/orders?limit=200");
        ids_of_lines(&orders);
        if subject.serves.contains(&"shipments") {
            proofs::shipped_lines(&gate, &orders);
        }
    }
}

#[test]
fn payments_of_an_order_are_what_was_taken_and_paid_back_and_no_promise_of_it() {
    let gate = Gate::open(&SHOPIFY);
    let order = gate.get("/v1/orders/4002").expect(200).json();
    let paid = gate.whole("/v1/payments?allocations.order=4002");
    let brief =
        |it: &serde_json::Value| ["direction", "status", "amount", "currency"].map(|name| it[name].clone());
    assert_eq!(
        brief(&paid[0]),
        [json!("in"), json!("completed"), order["tax_inclusive_total"].clone(), json!("USD")]
    );
    assert_eq!(brief(&paid[1]), [json!("out"), json!("completed"), json!("1.50"), json!("USD")]);
    assert_eq!(paid.len(), 2, "{paid:?}");
    assert!(paid.iter().all(|it| it["allocations"][0]["order"] == order["id"] && it["paid_at"].is_string()));
    assert_eq!(gate.get("/v1/payments/4002,77").expect(200).json(), paid[0]);
    // What was only promised, did not come, is still to come or was given up is no payment.
    for id in ["4002,75", "4002,76", "4002,79", "4002,80", "4002,99", "4999,77"] {
        gate.get(&format!("/v1/payments/{id}")).refused(404);
    }
    assert!(gate.whole("/v1/payments?allocations.order=4001").is_empty(), "authorised, not captured");
    // Of an order that is not there nothing was paid; a number that is none stays one step of the address.
    for none in ["4999", "x", "4002%2F..%2F4002", "4002%3Flimit=1"] {
        assert!(gate.whole(&format!("/v1/payments?allocations.order={none}")).is_empty(), "{none}");
    }
    for none in ["..", ".", ""] {
        gate.get(&format!("/v1/payments?allocations.order={none}")).refused(400);
    }
}

#[test]
fn payments_by_the_other_door_of_the_shop_are_the_same_money() {
    let gate = Gate::open(&SHOPIFY_GRAPHQL_PAYMENTS);
    let all = gate.whole("/v1/payments?limit=3");
    assert_eq!(
        all.len(),
        records::ORDERS / 2 * 2,
        "one that was taken and one that was paid back of every second order"
    );
    let order = gate.get("/v1/orders/4002").expect(200).json();
    gate.system.forget();
    let of = gate.whole("/v1/payments?allocations.order=4002");
    let brief =
        |it: &serde_json::Value| ["direction", "status", "amount", "currency"].map(|name| it[name].clone());
    assert_eq!(
        brief(&of[0]),
        [json!("in"), json!("completed"), order["tax_inclusive_total"].clone(), json!("USD")]
    );
    assert_eq!(brief(&of[1]), [json!("out"), json!("completed"), json!("1.50"), json!("USD")]);
    assert_eq!(of.len(), 2);
    let asked = gate.system.seen();
    assert!(asked.iter().all(|it| it.body.contains("id:4002")), "{asked:?}");
    assert!(gate.whole("/v1/payments?allocations.order=4001").is_empty(), "authorised, not captured");
}

#[test]
fn prices_for_some_are_told_of_a_product_by_its_number() {
    let gate = Gate::open(&MAGENTO);
    let told = gate.whole("/v1/prices?sku=ART-0003");
    let brief = |it: &serde_json::Value| {
        [
            it["price_group"].clone(),
            it["min_quantity"].clone(),
            it["net_price"].clone(),
            it["discount"]["value"].clone(),
        ]
    };
    let null = serde_json::Value::Null;
    assert_eq!(brief(&told[0]), [json!("Wholesale"), json!("10"), json!("4.5"), null.clone()]);
    assert_eq!(brief(&told[1]), [null.clone(), json!("100"), null, json!("5")]);
    assert_eq!((told.len(), &told[1]["discount"]["kind"]), (2, &json!("percent")));
    assert!(told.iter().all(|it| it["product"] == "ART-0003" && it["currency"] == "USD"));
    assert!(gate.whole("/v1/prices?sku=no-such").is_empty());
}

#[test]
fn a_special_price_is_told_with_the_digits_it_has_and_each_that_leaked_is_found() {
    let gate = Gate::open(&MAGENTO_SPECIAL);
    let told = gate.whole("/v1/prices?sku=ART-0003");
    let brief = |it: &serde_json::Value| {
        ["net_price", "currency", "valid_from", "valid_through"].map(|name| it[name].clone())
    };
    assert_eq!(brief(&told[0]), ["29.95", "USD", "2017-07-15", "2017-07-16"].map(|text| json!(text)));
    assert_eq!(brief(&told[1]), [json!("5"), json!("USD"), json!("2017-08-01"), serde_json::Value::Null]);
    assert_eq!(told.len(), 2);
    assert!(gate.whole("/v1/prices?sku=no-such").is_empty());
    gate.get("/v1/prices").refused(400);
}

#[test]
fn what_a_shop_paid_back_is_told_as_payments_out() {
    let gate = Gate::open(&WOOCOMMERCE_REFUNDS);
    let all = gate.whole("/v1/payments?limit=3");
    assert_eq!(all.len(), records::ORDERS / 4);
    for paid in &all {
        assert_eq!((&paid["direction"], &paid["amount"]), (&json!("out"), &json!("1.50")));
        assert!(paid["allocations"][0]["document_number"].is_string(), "{paid}");
        assert_eq!(
            gate.get(&format!("/v1/payments/{}", paid["id"].as_str().unwrap())).expect(200).json(),
            *paid
        );
    }
    // It is found by a search, which finds nothing.
    gate.get("/v1/payments/999999").refused(404);
}

#[test]
fn a_customer_is_in_the_group_that_its_prices_are_for_whatever_number_the_shop_gives_it() {
    let gate = Gate::open(&MAGENTO);
    let all = gate.whole("/v1/customers?limit=200");
    let of = |group: &str| all.iter().filter(|it| it["price_group"] == group).count();
    assert_eq!((of("Wholesale") > 0, of("Wholesale") + of("General")), (true, all.len()));
    let told = gate.whole("/v1/prices?sku=ART-0003");
    assert_eq!(told[0]["price_group"], "Wholesale", "the same word");
    gate.system.forget();
    assert_eq!(gate.whole("/v1/customers?price_group=Wholesale&limit=200").len(), of("Wholesale"));
    let asked = gate.system.seen();
    assert!(asked.iter().any(|seen| seen.target.contains("[value]=6")), "{asked:?}");
    // The other way round the shop gets its own number.
    let general =
        all.iter().find(|it| it["price_group"] == "General").unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/customers/{general}");
    let changed = gate.patch(&path, &json!({ "price_group": "Wholesale" })).expect(200).json();
    assert_eq!(changed["price_group"], "Wholesale");
    assert!(gate.changes().iter().any(|seen| seen.body.contains("\"group_id\":6")));
    let refused = gate.patch(&path, &json!({ "price_group": "Retailer" })).refused(422).json();
    assert_eq!(refused["errors"][0]["detail"], "the system knows only NOT LOGGED IN, General, Wholesale");
}

#[test]
fn what_a_tax_class_is_the_shop_tells_by_its_name_and_its_numbers_do_not() {
    let gate = Gate::open(&MAGENTO);
    let products = gate.whole("/v1/products?limit=200");
    let of = |n: usize| {
        let id = format!("-{n:04}");
        let found = products.iter().find(|it| it["sku"].as_str().unwrap().ends_with(&id));
        found.unwrap()["tax_category"].clone()
    };
    assert_eq!(of(3), "S");
    let untold = serde_json::Value::Null;
    assert_eq!((of(1), of(2)), (untold.clone(), untold), "a class of the shop's own, and one of customers");
    let asked = gate.system.seen().iter().filter(|seen| seen.target.contains("/taxClasses")).count();
    assert_eq!(asked, 1, "they are asked for once");
}

#[test]
fn a_state_of_which_no_flag_and_no_known_mail_says_what_it_is_stays_unknown() {
    let gate = Gate::open(&PRESTASHOP);
    let told = |order: &str| {
        let order = gate.get(&format!("/v1/orders/{order}")).expect(200).json();
        json!(["status", "payment_status", "fulfillment_status"].map(|name| order[name].clone()))
    };
    assert_eq!(told("803"), json!(["unknown", "unknown", "unknown"]), "it may be called off");
    assert_eq!(told("807"), json!(["open", "unpaid", "unfulfilled"]), "a transfer is waited for");
}

#[test]
fn what_a_state_means_the_shop_tells_and_its_numbers_do_not() {
    let gate = Gate::open(&PRESTASHOP);
    // A new shop would mean by 2 that the order is paid; this one, that it is on its way.
    let sent = gate.whole("/v1/orders?status=closed&payment_status=paid&limit=200");
    assert!(!sent.is_empty());
    assert!(
        sent.iter().all(|it| it["fulfillment_status"] == "fulfilled" && it["currency"] == "EUR"),
        "{sent:?}"
    );
    let asked = gate.system.seen();
    assert!(asked.iter().any(|seen| seen.target.contains("filter[current_state]=[2|4]")), "{asked:?}");
    for table in ["/order_states?", "/currencies?"] {
        assert_eq!(
            asked.iter().filter(|seen| seen.target.contains(table)).count(),
            1,
            "{table} is asked for once"
        );
    }
}

/// What the shop was asked for addresses.
fn of_addresses(gate: &Gate) -> Vec<String> {
    let seen = gate.system.seen().into_iter().map(|seen| seen.target);
    seen.filter(|target| target.contains("/addresses")).collect()
}

#[test]
fn addresses_that_are_records_of_their_own_are_asked_for_once_a_page() {
    let gate = Gate::open(&PRESTASHOP);
    gate.system.forget();
    let customers = gate.whole("/v1/customers?limit=200");
    let asked = of_addresses(&gate);
    assert_eq!((customers.len(), asked.len()), (records::CUSTOMERS, 1), "{asked:?}");
    assert!(
        asked[0].contains("filter[deleted]=[0]") && asked[0].contains("filter[id_customer]=[41|42|43|"),
        "{asked:?}"
    );
    for (n, customer) in customers.iter().enumerate() {
        let told = customer["addresses"].as_array().unwrap();
        assert_eq!(told.len(), (n + 1) % 3, "those that are not gone, and none is told as none: {customer}");
    }
    let one = json!({ "name": "Jan O'Brien", "line1": "Młyńska 0 <m. 3>", "post_code": "80-001", "city": "Gdańsk", "country": "PL" });
    assert_eq!(customers[0]["addresses"], json!([one]));
    assert_eq!(customers[3]["addresses"][0].get("country"), None, "a country that the shop does not list");
    for customer in &customers[..3] {
        let path = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
        assert_eq!(gate.get(&path).expect(200).json(), *customer);
    }
    gate.system.forget();
    gate.whole("/v1/customers?fields=name,emails&limit=200");
    assert_eq!(of_addresses(&gate), Vec::<String>::new(), "nobody wants them");
}

#[test]
fn an_order_tells_where_it_went_though_the_customer_has_left_there() {
    let gate = Gate::open(&PRESTASHOP);
    gate.system.forget();
    let orders = gate.whole("/v1/orders?limit=200");
    let asked = of_addresses(&gate);
    assert_eq!((orders.len(), asked.len()), (records::ORDERS, 2), "of each sort once: {asked:?}");
    let told = |n: usize, name: &str| (orders[n][name]["line1"].clone(), orders[n][name]["country"].clone());
    let of =
        orders.iter().position(|order| order["customer"] != "44" && order.get("bill_to").is_some()).unwrap();
    assert_eq!(told(of, "ship_to"), (json!("Młyńska 9 <m. 3>"), json!("PL")));
    assert_eq!(orders[of]["bill_to"], orders[of]["ship_to"]);
    assert_eq!(orders[2]["id"], "803");
    assert_eq!(orders[2].get("bill_to"), None, "it is billed nowhere: {}", orders[2]);
    assert!(orders.iter().all(|order| order["ship_to"]["city"] == "Gdańsk"));
    let found = gate.whole("/v1/orders?ship_to.city=Gda%C5%84sk&limit=200");
    assert_eq!(found.len(), records::ORDERS, "the gate looks through them");
}

#[test]
fn what_others_tell_of_a_record_is_never_sent_back_with_it() {
    let gate = Gate::open(&PRESTASHOP);
    let before = gate.get("/v1/customers/41").expect(200).json();
    gate.system.forget();
    let changed = gate.patch("/v1/customers/41", &json!({ "company": "Hurt" })).expect(200).json();
    let sent = gate.changes().remove(0).body;
    assert!(
        sent.contains("<company>Hurt</company>") && !sent.contains("also") && !sent.contains("Młyńska"),
        "{sent}"
    );
    assert_eq!(changed["addresses"], before["addresses"], "what is not in the shop's answer is read back");
    let problem = gate.patch("/v1/customers/41", &json!({ "addresses": [] })).refused(422).json();
    assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with("/addresses"), "{problem}");
}

#[test]
fn addresses_that_cannot_be_asked_for_are_not_told_as_none() {
    let gate = Gate::open(&PRESTASHOP);
    let whole = gate.get("/v1/customers/41").expect(200);
    let orders = gate.get("/v1/orders?limit=5").expect(200).items();
    gate.switch("addresses");
    // The rest is served, and what it lacks is said.
    let lacking = |told: &serde_json::Value, fields: &[&str]| {
        let of = |one: &serde_json::Value| {
            assert_eq!(one["problem"]["status"], 502, "{told}");
            one["fields"].as_array().unwrap().clone()
        };
        let lacking: Vec<_> =
            told["partial"].as_array().unwrap_or_else(|| panic!("{told}")).iter().flat_map(of).collect();
        assert_eq!(lacking, fields, "{told}");
    };
    let one = gate.get("/v1/customers/41").expect(200);
    assert_eq!((one.header("etag"), whole.header("etag").is_some()), (None, true));
    let mut one = one.json();
    lacking(&one, &["addresses"]);
    one.as_object_mut().unwrap().remove("partial");
    let mut rest = whole.json();
    assert!(rest.as_object_mut().unwrap().remove("addresses").is_some());
    assert_eq!(one, rest, "all the rest, and no empty list");
    let page = gate.get("/v1/customers?limit=5").expect(200).json();
    lacking(&page, &["addresses"]);
    let items = page["items"].as_array().unwrap();
    assert!(items.len() == 5 && items.iter().all(|item| item.get("addresses").is_none()), "{page}");
    let page = gate.get("/v1/orders?limit=5").expect(200).json();
    lacking(&page, &["ship_to", "bill_to"]);
    for (told, before) in page["items"].as_array().unwrap().iter().zip(&orders) {
        assert!(told.get("ship_to").is_none() && told.get("bill_to").is_none(), "{told}");
        assert_eq!((&told["id"], &told["lines"]), (&before["id"], &before["lines"]));
    }
    let beside = gate.get("/v1/orders?limit=5&fields=number,customer&include=customer").expect(200).json();
    assert!(beside.get("partial").is_none(), "{beside}");
    lacking(&beside["items"][0]["included"]["customer"], &["addresses"]);
    // Who names other fields lacks nothing.
    let named = gate.get("/v1/customers?limit=5&fields=name").expect(200).json();
    assert!(named["items"].as_array().unwrap().len() == 5 && named.get("partial").is_none(), "{named}");
    // What goes by them is refused, and so are readers that take a part for the whole.
    for path in [
        "/v1/customers?addresses.city=Gda%C5%84sk",
        "/v1/orders?sort=ship_to.city&limit=5",
        "/v1/orders?ship_to.country=PL&fields=number",
        "/odata/customers?$top=5",
        "/odata/orders?$top=5&$filter=bill_to/city%20ne%20ship_to/city",
    ] {
        gate.get(path).expect(502);
    }
    gate.get("/odata/customers?$top=5&$select=name").expect(200);
    // A version is one of all that is seen.
    let changed = json!({ "company": "Hurt" });
    gate.ask(Method::PATCH, "/v1/customers/41", &changed, &[("if-match", whole.header("etag").unwrap())])
        .refused(502);
    assert!(gate.changes().is_empty());
    let changed = gate.patch("/v1/customers/41", &changed).expect(200);
    assert_eq!((changed.json()["company"].as_str(), changed.header("etag")), (Some("Hurt"), None));
    assert!(changed.json().get("addresses").is_none(), "{}", changed.json());
    assert!(gate.changes()[0].body.contains("<company>Hurt</company>"));
}

/// PrestaShop's file, which says that nothing is told without addresses.
static STRICT: Subject = Subject {
    edits: &[("        key: id_customer\n", "        key: id_customer\n        missing: refused\n")],
    ..PRESTASHOP
};

#[test]
fn records_are_refused_without_what_others_tell_where_a_file_or_a_statement_goes_by_it() {
    let gate = Gate::open(&STRICT);
    gate.switch("addresses");
    for path in ["/v1/customers?limit=5", "/v1/customers/41"] {
        gate.get(path).refused(502);
    }
    assert_eq!(gate.get("/v1/customers?limit=5&fields=name").expect(200).items().len(), 5);
    gate.get("/v1/orders?limit=5").expect(200);
    let gate = Gate::open_with(&PRESTASHOP, |policies| {
        let statement = "@id(\"not-there\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Order)\n\
            when { resource has ship_to && resource.ship_to has city && resource.ship_to.city == \"Berlin\" };\n";
        std::fs::write(policies.join("access/not-there.cedar"), statement).unwrap();
    });
    assert_eq!(gate.get("/v1/orders?limit=5").expect(200).items().len(), 5);
    gate.switch("addresses");
    for path in ["/v1/orders?limit=5", "/v1/orders/803", "/v1/orders?limit=5&fields=number"] {
        gate.get(path).refused(502);
    }
    gate.get("/v1/customers?limit=5").expect(200);
}

/// PrestaShop's file, with a line that falls back to something where no address is told.
static FALLING: Subject = Subject {
    edits: &[
        (
            "      given_name: firstname\n      family_name: lastname\n",
            "      given_name: firstname\n      family_name: lastname\n      job_title: { first: [ { when: { \"$also.addresses[0].city\": ~ }, is: nomad }, { is: settler } ] }\n",
        ),
        (
            "\"company\": \"Młyn & Syn\",\n            \"emails\"",
            "\"company\": \"Młyn & Syn\", \"job_title\": \"settler\",\n            \"emails\"",
        ),
    ],
    ..PRESTASHOP
};

#[test]
fn what_a_line_falls_back_to_is_not_told_for_what_could_not_be_asked() {
    let gate = Gate::open(&FALLING);
    let titles = |page: &serde_json::Value| -> Vec<serde_json::Value> {
        page["items"].as_array().unwrap().iter().map(|item| item["job_title"].clone()).collect()
    };
    let told = titles(&gate.get("/v1/customers?limit=20").expect(200).json());
    assert!(told.contains(&json!("nomad")) && told.contains(&json!("settler")), "{told:?}");
    gate.switch("addresses");
    let page = gate.get("/v1/customers?limit=20").expect(200).json();
    assert!(titles(&page).iter().all(serde_json::Value::is_null), "{page}");
    let one = gate.get("/v1/customers/41").expect(200).json();
    assert_eq!(one.get("job_title"), None, "{one}");
    for told in [page, one] {
        assert_eq!(told["partial"][0]["fields"], json!(["job_title", "addresses"]), "{told}");
    }
}

#[test]
fn records_that_ids_name_are_asked_for_by_their_keys() {
    lists_by_ids(&Gate::open(&SHOPIFY), &["customers", "products", "orders"], &["stock-levels"]);
    lists_by_ids(&Gate::open(&SHOPIFY_GRAPHQL), &["customers", "products", "orders", "stock-levels"], &[]);
    lists_by_ids(
        &Gate::open(&WOOCOMMERCE),
        &["customers", "products", "orders", "stock-levels", "payments"],
        &[],
    );
    lists_by_ids(
        &Gate::open(&PRESTASHOP),
        &["customers", "products", "orders", "stock-levels", "prices", "payments"],
        &[],
    );
    lists_by_ids(
        &Gate::open(&MAGENTO),
        &["customers", "products", "orders", "stock-levels", "payments"],
        &[],
    );
}
