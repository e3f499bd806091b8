//! Two ERPs, the books, accounting services and a warehouse: what a caller may count on with each, over stand-ins that speak their dialects.

mod b1;
mod books;
mod boxes;
mod fakturownia;
mod fo;
mod ledgers;
mod odata;
mod prices;
mod wfirma;
mod xero;

use bramka::demo::standin::Seen;
use http::Method;
use serde_json::{Value, json};

use crate::{
    ground::{Gate, Subject, encoded, ids, ids_of_lines, lists_by_ids},
    kit::Answer,
};

const BOOKS: Subject = Subject {
    name: "quickbooks",
    file: "catalogue/quickbooks.yaml",
    root: books::ROOT,
    secrets: &books::SECRETS,
    serves: &["customers", "products", "invoices", "payments"],
    edits: &[("https://oauth.platform.intuit.com", "{system}")],
    standin: books::Books::start,
    gaps: &[],
};

const B1: Subject = Subject {
    name: "sap-b1",
    file: "catalogue/sap-b1.yaml",
    root: b1::ROOT,
    secrets: &[("B1_PASSWORD", b1::PASSWORD)],
    serves: &["customers", "products", "stock-levels", "orders", "payments"],
    edits: &[],
    standin: b1::ServiceLayer::start,
    gaps: &[],
};

const FO: Subject = Subject {
    name: "finance-operations",
    file: "catalogue/finance-operations.yaml",
    root: fo::ROOT,
    secrets: &[("FO_SECRET", fo::SECRET)],
    serves: &["customers", "products", "orders"],
    edits: &[("https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", "{system}/tenant")],
    standin: fo::Operations::start,
    gaps: &[],
};

const PRICES: Subject = Subject {
    name: "business-central-prices",
    file: "catalogue/business-central-prices.yaml",
    root: prices::ROOT,
    secrets: &[("BC_TOKEN", prices::TOKEN)],
    serves: &["prices"],
    edits: &[],
    standin: prices::Lists::start,
    gaps: &[],
};

const BOXES: Subject = Subject {
    name: "openboxes",
    file: "catalogue/openboxes.yaml",
    root: boxes::ROOT,
    secrets: &[("OPENBOXES_PASSWORD", boxes::PASSWORD)],
    serves: &["products", "stock-levels", "shipments"],
    edits: &[],
    standin: boxes::Boxes::start,
    gaps: &[],
};

/// Whole and page by page, a list holds the same records, and one reads as it is listed.
#[track_caller]
fn holds(gate: &Gate, collection: &str, all: usize) -> Vec<Value> {
    let whole = gate.whole(&format!("/v1/{collection}?limit=200"));
    assert_eq!(whole.len(), all, "{collection}");
    let paged = gate.whole(&format!("/v1/{collection}?limit=7"));
    let (mut a, mut b) = (ids(&whole), ids(&paged));
    a.sort_unstable();
    b.sort_unstable();
    assert_eq!(a, b, "{collection}");
    a.dedup();
    assert_eq!(a.len(), all, "{collection}: an id came twice");
    whole
}

#[track_caller]
fn reads(gate: &Gate, collection: &str, record: &Value) -> Answer {
    let answer = gate.get(&at(collection, record)).expect(200);
    let mut read = answer.json();
    // When it was asked for is another moment.
    if record.get("as_of").is_some() {
        assert!(read["as_of"].is_string(), "{read}");
        read["as_of"] = record["as_of"].clone();
    }
    assert_eq!(read, *record);
    answer
}

fn at(collection: &str, record: &Value) -> String {
    format!("/v1/{collection}/{}", encoded(record["id"].as_str().unwrap()))
}

/// What the system was asked that changes something, sign-ins aside.
fn sent(gate: &Gate) -> Vec<(String, String, Value)> {
    let one = |seen: Seen| {
        let path = seen.target.split('?').next().unwrap_or_default().to_owned();
        (seen.method, path, serde_json::from_str(&seen.body).unwrap_or_default())
    };
    let is_login = |seen: &Seen| seen.target.to_lowercase().ends_with("/login");
    gate.changes().into_iter().filter(|seen| !is_login(seen)).map(one).collect()
}

/// Lists that were asked for.
fn asked(gate: &Gate) -> Vec<String> {
    gate.system.seen().into_iter().filter(|seen| seen.method == "GET").map(|seen| seen.target).collect()
}

#[track_caller]
fn found(gate: &Gate, path: &str, count: usize) -> Vec<Value> {
    gate.system.forget();
    let found = gate.whole(path);
    assert_eq!(found.len(), count, "{path}: {:?}", asked(gate));
    found
}

#[track_caller]
fn told(answer: Answer, status: u16, kind: &str) {
    let problem = answer.refused(status).json();
    assert!(problem["type"].as_str().unwrap().ends_with(kind), "{problem}");
    for native in ["Infolog", "ODBC", "refused :", "Microsoft", "rejected value", "valid substitution"] {
        assert!(
            !problem.to_string().contains(native),
            "the system's own words are the operator's: {problem}"
        );
    }
}

/// A change against an old version is refused before it is sent, and one that lost a race by the system.
fn guarded(gate: &Gate, collection: &str, record: &Value, change: &Value) {
    let path = at(collection, record);
    gate.system.forget();
    told(gate.ask(Method::PATCH, &path, change, &[("if-match", "\"other\"")]), 412, "/stale");
    assert_eq!(sent(gate), []);
    let tag = gate.get(&path).expect(200).header("etag").unwrap().to_owned();
    let done = gate.ask(Method::PATCH, &path, change, &[("if-match", &tag)]).expect(200);
    assert_eq!(done.header("bramka-unguarded"), None);
    told(gate.ask(Method::PATCH, &path, change, &[("if-match", &tag)]), 412, "/stale");
}

mod quickbooks {
    use super::*;

    #[test]
    fn lists_come_to_their_end_and_hold_whom_the_books_hide() {
        let gate = Gate::open(&BOOKS);
        let all = holds(&gate, "customers", books::ALL);
        assert_eq!(all.iter().filter(|customer| customer["status"] == "archived").count(), 1);
        assert_eq!(all[0]["credit"]["used"], "-261.5", "the company owes it");
        reads(&gate, "customers", &all[4]);
        holds(&gate, "products", books::ALL);
        holds(&gate, "payments", books::ALL);
        told(gate.get("/v1/customers/99999"), 404, "/not-found");
        told(gate.get("/v1/customers/1x"), 404, "/not-found");
    }

    #[test]
    fn an_invoice_tells_its_lines_and_no_sums() {
        let gate = Gate::open(&BOOKS);
        let invoice = &holds(&gate, "invoices", books::ALL)[1];
        reads(&gate, "invoices", invoice);
        assert_eq!(invoice["lines"].as_array().unwrap().len(), 1, "a sum is no line: {invoice}");
        assert_eq!(
            (&invoice["lines"][0]["net_price"], &invoice["tax_exclusive_total"]),
            (&json!("275.5"), &json!("551.00"))
        );
        let payment = gate.get("/v1/payments/4").expect(200).json();
        assert_eq!(
            payment["allocations"],
            json!([{ "invoice": "3", "amount": "100" }]),
            "what pays no invoice is none"
        );
    }

    #[test]
    fn the_books_filter_and_sort_and_texts_stay_texts() {
        let gate = Gate::open(&BOOKS);
        let name = encoded("O'Brien \\ Sons");
        found(&gate, &format!("/v1/customers?name={name}"), 1);
        assert!(
            asked(&gate).iter().all(|target| target.contains(r"DisplayName = 'O\'Brien \\ Sons'")),
            "{:?}",
            asked(&gate)
        );
        for text in ["' OR DisplayName != '", "\\", "x\\' OR Active = true", "%", "') OR ('"] {
            found(&gate, &format!("/v1/customers?name={}", encoded(text)), 0);
        }
        found(&gate, "/v1/customers?emails.value=biuro7@example.com", 1);
        found(&gate, "/v1/invoices?customer=5", 15);
        let newest = gate.get("/v1/products?limit=3&sort=-updated_at").expect(200).items();
        assert_eq!(newest[0]["name"], format!("Lampa {}", books::ALL - 1));
    }

    #[test]
    fn what_a_code_of_tax_is_the_books_tell_by_its_name_and_what_no_name_tells_stays_untold() {
        let gate = Gate::open(&BOOKS);
        let invoices = gate.whole("/v1/invoices?limit=200");
        let told: Vec<_> =
            invoices.iter().take(7).map(|invoice| invoice["lines"][0]["tax_category"].clone()).collect();
        let want = [json!("S"), json!("S"), json!("Z"), json!("E"), Value::Null, Value::Null, Value::Null];
        assert_eq!(
            told, want,
            "three are a name that is no VAT, one of the company's own, and no code at all"
        );
        let codes = gate.system.seen().iter().filter(|seen| seen.target.contains("TaxCode")).count();
        assert_eq!(codes, 1, "they are asked for once");
        gate.system.forget();
        let invoice = |category: &str| {
            let line =
                json!({ "product": "2", "quantity": "1", "net_price": "10", "tax_category": category });
            json!({ "customer": "1", "currency": "USD", "lines": [line] })
        };
        gate.post("/v1/invoices", &invoice("Z")).expect(201);
        let code = &sent(&gate)[0].2["Line"][0]["SalesItemLineDetail"]["TaxCodeRef"]["value"];
        assert_eq!(code, "7", "the code that this company has for it");
        gate.system.forget();
        let problem = gate.post("/v1/invoices", &invoice("S")).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/tax_category", "two codes mean it: {problem}");
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn an_invoice_is_made_with_the_amounts_that_the_books_want() {
        let gate = Gate::open(&BOOKS);
        gate.system.forget();
        let line = json!({ "product": "2", "quantity": "3", "net_price": "9.995" });
        let body = json!({ "customer": "1", "currency": "USD", "issue_date": "2026-05-06", "lines": [line] });
        let made = gate.post("/v1/invoices", &body).expect(201).json();
        let want = json!({ "CustomerRef": { "value": "1" }, "TxnDate": "2026-05-06", "CurrencyRef": { "value": "USD" }, "Line": [ { "DetailType": "SalesItemLineDetail", "Amount": 29.99,
            "SalesItemLineDetail": { "ItemRef": { "value": "2" }, "Qty": 3, "UnitPrice": 9.995 } } ] });
        assert_eq!(sent(&gate), [("POST".into(), format!("{}/invoice", books::ROOT), want)]);
        assert_eq!(made["lines"][0]["line_net_total"], "29.99");
        let mut short = body;
        short["lines"][0] = json!({ "product": "2", "quantity": "3" });
        gate.system.forget();
        let problem = gate.post("/v1/invoices", &short).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0", "{problem}");
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn a_change_carries_the_version_in_its_body_and_loses_nothing() {
        let gate = Gate::open(&BOOKS);
        let record = gate.get("/v1/customers/1").expect(200).json();
        gate.system.forget();
        let changed = gate.patch("/v1/customers/1", &json!({ "company": "Ptaki S.A." })).expect(200).json();
        let want = json!({ "Id": "1", "SyncToken": "0", "sparse": true, "CompanyName": "Ptaki S.A." });
        assert_eq!(sent(&gate), [("POST".into(), format!("{}/customer", books::ROOT), want)]);
        assert_eq!((&changed["company"], &changed["emails"]), (&json!("Ptaki S.A."), &record["emails"]));
        guarded(&gate, "customers", &record, &json!({ "company": "Inne" }));
        told(gate.patch("/v1/payments/4", &json!({ "reference": "x" })), 405, "/not-possible");
        gate.delete("/v1/invoices/3").expect(204);
        gate.get("/v1/invoices/3").refused(404);
        gate.delete("/v1/customers/9").expect(204);
        assert_eq!(gate.get("/v1/customers/9").expect(200).json()["status"], "archived");
    }

    #[test]
    fn refusals_are_told_for_what_they_are() {
        let gate = Gate::open(&BOOKS);
        told(gate.post("/v1/customers", &json!({ "kind": "company", "name": "Klient 1" })), 422, "");
        told(gate.post("/v1/customers", &json!({ "name": "Klient 1" })), 409, "/duplicate");
        gate.post("/v1/customers", &json!({ "name": "Klient nowy" })).expect(201);
    }
}

mod business_one {
    use super::*;

    #[test]
    fn lists_come_to_their_end_and_a_record_reads_as_it_is_listed() {
        let gate = Gate::open(&B1);
        let all = holds(&gate, "customers", b1::ALL - 1);
        reads(&gate, "customers", &all[3]);
        let products = holds(&gate, "products", b1::ALL);
        assert_eq!(
            products[0]["list_price"],
            json!({ "net_price": "29.95", "currency": "PLN" }),
            "of the first list, wherever it stands"
        );
        reads(&gate, "products", &products[0]);
        let orders = holds(&gate, "orders", b1::ALL);
        reads(&gate, "orders", &orders[2]);
        assert_eq!(
            (&orders[2]["requested_on"], &orders[2]["tax_exclusive_total"]),
            (&json!("2026-03-09"), &json!("89.85"))
        );
        for path in ["/v1/customers/C99999", "/v1/customers/C00007", "/v1/orders/999", "/v1/orders/x"] {
            told(gate.get(path), 404, "/not-found");
        }
        assert!(asked(&gate).iter().all(|target| !target.contains("$expand")));
    }

    #[test]
    fn stock_is_the_sum_of_all_warehouses_less_what_is_promised() {
        let gate = Gate::open(&B1);
        let stock = &holds(&gate, "stock-levels", b1::ALL - 1)[0];
        reads(&gate, "stock-levels", stock);
        let quantities =
            ["on_hand", "committed", "available", "incoming"].map(|name| stock[name].as_str().unwrap());
        assert_eq!(quantities, ["123.25", "17.5", "105.75", "40.0"]);
    }

    #[test]
    fn a_payment_is_the_sum_of_all_it_was_paid_by_and_has_none_in_a_currency_not_the_companys() {
        let gate = Gate::open(&B1);
        let all = holds(&gate, "payments", b1::ALL - 1);
        reads(&gate, "payments", &all[0]);
        let of = |n: usize| all.iter().find(|it| it["number"] == format!("{}", 2001 + n)).unwrap();
        let told = |n: usize| ["amount", "currency", "status"].map(|name| of(n)[name].clone());
        assert_eq!(told(0), [json!("130.00"), json!("PLN"), json!("completed")]);
        assert_eq!(
            told(4),
            [Value::Null, json!("EUR"), json!("completed")],
            "sums are in the company's currency"
        );
        assert_eq!(told(5)[2], "reversed");
        assert_eq!((&of(0)["direction"], &of(0)["reference"]), (&json!("in"), &json!("FV 0")));
        found(&gate, "/v1/payments?customer=C00001", 15);
        let body = json!({ "direction": "in", "amount": "1", "currency": "PLN" });
        let problem = gate.post("/v1/payments", &body).refused(405).json();
        assert!(problem["detail"].as_str().unwrap().contains("accounts of the company's own"), "{problem}");
    }

    #[test]
    fn the_system_filters_and_texts_stay_texts() {
        let gate = Gate::open(&B1);
        found(&gate, &format!("/v1/customers?name={}", encoded("O'Brien & Sons")), 1);
        assert!(
            asked(&gate)
                .iter()
                .all(|target| target.contains("CardType eq 'cCustomer' and CardName eq 'O''Brien & Sons'")),
            "{:?}",
            asked(&gate)
        );
        found(&gate, "/v1/customers?status=blocked", 1);
        found(&gate, "/v1/orders?customer=C00001", 15);
        for text in ["' or 1 eq 1 or CardName eq '", "') or (CardName ne '", "\\"] {
            found(&gate, &format!("/v1/customers?name={}", encoded(text)), 0);
        }
    }

    #[test]
    fn what_is_made_stands_in_the_system_in_its_own_shape() {
        let gate = Gate::open(&B1);
        gate.system.forget();
        let body = json!({ "kind": "company", "name": "Młyn", "addresses": [{ "role": "shipping", "city": "Gdynia" }] });
        let made = gate.post("/v1/customers", &body).expect(201).json();
        let want = json!({ "CardType": "cCustomer", "CompanyPrivate": "cCompany", "CardName": "Młyn", "Series": 71, "BPAddresses": [ { "AddressType": "bo_ShipTo", "City": "Gdynia", "AddressName": "Gate" } ] });
        assert_eq!(sent(&gate), [("POST".into(), "/b1s/v2/BusinessPartners".into(), want)]);
        assert_eq!(made["addresses"][0]["role"], "shipping");
        let line = json!({ "sku": "A00001", "quantity": "3", "net_price": "29.95", "tax_category": "S", "tax_rate": "23" });
        let plain = json!({ "sku": "A00001", "quantity": "1", "net_price": "29.95" });
        let order = json!({ "customer": "C00001", "currency": "PLN", "requested_on": "2026-03-09", "lines": [line, plain] });
        gate.system.forget();
        let made = gate.post("/v1/orders", &order).expect(201).json();
        assert_eq!(made["requested_on"], "2026-03-09");
        assert_eq!(sent(&gate)[0].2["DocDueDate"], "2026-03-09T00:00:00Z");
        // Category and rate are one group; without them the system takes the item's.
        let lines = &sent(&gate)[0].2["DocumentLines"];
        assert_eq!((&lines[0]["VatGroup"], lines[1].get("VatGroup")), (&json!("S23"), None), "{lines}");
        gate.system.forget();
        gate.delete(&at("orders", &made)).expect(204);
        assert_eq!(sent(&gate)[0].1, format!("/b1s/v2/Orders({})/Cancel", made["id"].as_str().unwrap()));
        assert_eq!(gate.get(&at("orders", &made)).expect(200).json()["status"], "cancelled");
    }

    #[test]
    fn what_a_group_is_that_no_file_names_the_company_says_but_for_what_charges_nothing() {
        let gate = Gate::open(&B1);
        let orders = holds(&gate, "orders", b1::ALL);
        let line = |n: usize| ["tax_category", "tax_rate"].map(|name| orders[n]["lines"][0][name].clone());
        let s = |rate: &str| [json!("S"), json!(rate)];
        assert_eq!([line(0), line(1), line(2), line(4)], [s("23"), s("8"), s("9.0"), s("22.0")]);
        let untold = |rate: &str| [Value::Null, json!(rate)];
        assert_eq!(
            [line(5), line(6), line(7)],
            [untold("0.0"), untold("5.0"), untold("5.0")],
            "none, the Union's, bought"
        );
        let groups = gate.system.seen().iter().filter(|seen| seen.target.contains("/VatGroups")).count();
        assert_eq!(groups, 1, "they are asked for once");
    }

    #[test]
    fn a_change_is_guarded_and_loses_nothing() {
        let gate = Gate::open(&B1);
        let record = gate.get("/v1/customers/C00001").expect(200).json();
        gate.system.forget();
        let changed = gate.patch("/v1/customers/C00001", &json!({ "status": "blocked" })).expect(200).json();
        assert_eq!(sent(&gate)[0].2, json!({ "Frozen": "tYES" }));
        assert_eq!((&changed["status"], &changed["emails"]), (&json!("blocked"), &record["emails"]));
        guarded(&gate, "customers", &record, &json!({ "website": "norm.example" }));
    }

    #[test]
    fn refusals_are_told_for_what_they_are_and_a_spent_session_is_renewed() {
        let gate = Gate::open(&B1);
        told(
            gate.post("/v1/products", &json!({ "sku": "A00001", "name": "Lampa", "unit": "H87" })),
            409,
            "/duplicate",
        );
        let order = json!({ "customer": "C00001", "currency": "PLN", "lines": [{ "sku": "A00001", "quantity": "3" }] });
        told(gate.post("/v1/orders", &order), 422, "/business-rule");
        // A rate that is only read is refused, and so is one that no group has.
        for wrong in [json!({ "tax_rate": "23" }), json!({ "tax_category": "S", "tax_rate": "22" })] {
            let mut line = json!({ "sku": "A00001", "quantity": "3" });
            line.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            let order = json!({ "customer": "C00001", "currency": "PLN", "requested_on": "2026-03-09", "lines": [line] });
            told(gate.post("/v1/orders", &order), 422, "/unmappable");
        }
        gate.switch("spend");
        gate.get("/v1/customers/C00001").expect(200);
    }
}

mod finance_operations {
    use super::*;

    #[test]
    fn one_company_is_served_whole_and_no_other() {
        let gate = Gate::open(&FO);
        let all = holds(&gate, "customers", fo::ALL);
        assert!(all.iter().all(|record| record["number"].as_str().unwrap().starts_with("usmf-")));
        reads(&gate, "customers", &all[4]);
        let orders = holds(&gate, "orders", fo::ALL);
        assert!(orders.iter().all(|order| order["customer_name"] == "usmf"), "two companies share a number");
        reads(&gate, "orders", &orders[1]);
        told(gate.get("/v1/customers/dat-001"), 404, "/not-found");
        assert!(asked(&gate).iter().all(|target| target.contains("cross-company=true")));
    }

    #[test]
    fn numbers_keep_their_blanks_and_commas() {
        let gate = Gate::open(&FO);
        let products = holds(&gate, "products", fo::ALL);
        assert_eq!(products[0]["sku"], " RFI,000");
        reads(&gate, "products", &products[0]);
        let address = gate.system.seen().pop().unwrap().target;
        assert!(
            address.starts_with("/data/ReleasedProductsV2(dataAreaId='usmf',ItemNumber=' RFI,000')"),
            "{address}"
        );
        let price = json!({ "net_price": "1500", "base_quantity": "10", "currency": "USD" });
        assert_eq!(products[0]["list_price"], price, "nothing is divided");
    }

    #[test]
    fn days_are_days_and_totals_are_told_once_they_are_worked_out() {
        let gate = Gate::open(&FO);
        let orders = found(&gate, "/v1/orders?requested_on=2026-07-02", 2);
        assert!(
            asked(&gate)[0].contains("RequestedShippingDate ge 2026-07-02T00:00:00Z"),
            "{:?}",
            asked(&gate)
        );
        assert!(
            orders
                .iter()
                .all(|order| order["requested_on"] == "2026-07-02" && order["tax_inclusive_total"].is_null())
        );
        assert_eq!(gate.get("/v1/orders/SO-000").expect(200).json()["tax_inclusive_total"], "0");
        let newest = gate.get("/v1/orders?limit=2&sort=-ordered_at").expect(200).items();
        assert_eq!(ids(&newest), ["SO-029", "SO-028"]);
        found(&gate, &format!("/v1/customers?name={}", encoded("O'Brien & Sons")), 1);
        found(&gate, &format!("/v1/customers?name={}", encoded("' or dataAreaId eq 'dat")), 0);
    }

    #[test]
    fn what_is_made_and_changed_is_the_companys() {
        let gate = Gate::open(&FO);
        gate.system.forget();
        let made =
            gate.post("/v1/customers", &json!({ "kind": "company", "name": "Młyn" })).expect(201).json();
        let want = json!({ "PartyType": "Organization", "OrganizationName": "Młyn", "dataAreaId": "usmf", "CustomerGroupId": "10" });
        assert_eq!(sent(&gate), [("POST".into(), "/data/CustomersV3".into(), want)]);
        reads(&gate, "customers", &made);
        gate.system.forget();
        let changed =
            gate.patch("/v1/orders/SO-001", &json!({ "requested_on": "2026-08-01" })).expect(200).json();
        assert_eq!(
            sent(&gate)[0].1,
            "/data/SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='SO-001')"
        );
        assert_eq!(sent(&gate)[0].2, json!({ "RequestedShippingDate": "2026-08-01T12:00:00Z" }));
        assert_eq!(changed["requested_on"], "2026-08-01");
        guarded(&gate, "customers", &made, &json!({ "trading_name": "M" }));
    }

    #[test]
    fn refusals_are_told_for_what_they_are() {
        let gate = Gate::open(&FO);
        told(
            gate.post("/v1/customers", &json!({ "kind": "company", "name": "Contoso 1" })),
            409,
            "/duplicate",
        );
        let order = json!({ "customer": "usmf-999", "currency": "USD", "lines": [{ "sku": " RFI,001", "quantity": "1" }] });
        told(gate.post("/v1/orders", &order), 422, "/business-rule");
        let mut named = order;
        named["ship_to"] = json!({ "city": "Gdynia" });
        let problem = gate.post("/v1/orders", &named).refused(422).json();
        assert!(problem.to_string().contains("chosen among the customer's addresses"), "{problem}");
    }

    fn order(skus: [&str; 2]) -> Value {
        let line = |sku: &str| json!({ "sku": sku, "quantity": "2", "unit": "H87", "net_price": "12.5" });
        json!({ "customer": "usmf-001", "currency": "USD", "buyer_reference": "PO-77", "lines": skus.map(line) })
    }

    #[test]
    fn an_order_is_a_header_and_then_its_lines_which_name_it_by_both_parts_of_its_key() {
        let gate = Gate::open(&FO);
        gate.system.forget();
        let made = gate.post("/v1/orders", &order([" RFI,001", " RFI,002"])).expect(201).json();
        let sent = sent(&gate);
        let header = json!({ "dataAreaId": "usmf", "OrderingCustomerAccountNumber": "usmf-001", "CurrencyCode": "USD",
            "CustomersOrderReference": "PO-77", "ArePricesIncludingSalesTax": "No" });
        let line = |sku: &str| {
            json!({ "dataAreaId": "usmf", "SalesOrderNumber": made["number"], "ItemNumber": sku, "OrderedSalesQuantity": 2,
                "SalesUnitSymbol": "pcs", "SalesPrice": 12.5 })
        };
        let post = |set: &str, body| ("POST".to_owned(), format!("/data/{set}"), body);
        let want = [
            post("SalesOrderHeadersV2", header),
            post("SalesOrderLines", line(" RFI,001")),
            post("SalesOrderLines", line(" RFI,002")),
        ];
        assert_eq!(sent, want);
        reads(&gate, "orders", &made);
        assert_eq!((&made["customer"], &made["prices_include_tax"]), (&json!("usmf-001"), &json!(false)));
        let told: Vec<_> =
            made["lines"].as_array().unwrap().iter().map(|line| line["net_price"].clone()).collect();
        assert_eq!(told, [json!("12.5"), json!("12.5")]);
    }

    #[test]
    fn an_order_whose_line_cannot_be_made_goes_again_and_one_that_stays_is_told_with_its_id() {
        let gate = Gate::open(&FO);
        gate.system.forget();
        let problem = gate.post("/v1/orders", &order([" RFI,001", "nothing"])).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/1", "{problem}");
        assert!(!problem.to_string().contains("Infolog"), "the system's words are the operator's: {problem}");
        let (method, path, _) = sent(&gate).pop().unwrap();
        let number = format!("SO-{:03}", 2 * fo::ALL);
        let address = format!("/data/SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='{number}')");
        assert_eq!((method.as_str(), path), ("DELETE", address));
        told(gate.get(&format!("/v1/orders/{number}")), 404, "/not-found");
        gate.switch("keep");
        let problem = gate.post("/v1/orders", &order([" RFI,001", "nothing"])).refused(502).json();
        assert!(problem["type"].as_str().unwrap().ends_with("/partly-done"), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("2 of 3 changes were made and stay") && detail.contains(&number),
            "{detail}"
        );
        let left = gate.get(&format!("/v1/orders/{number}")).expect(200).json();
        assert_eq!(left["lines"].as_array().unwrap().len(), 1, "{left}");
    }

    #[test]
    fn lines_of_an_order_come_change_and_go_one_by_one_each_guarded_by_its_version() {
        let gate = Gate::open(&FO);
        let made = gate.post("/v1/orders", &order([" RFI,001", " RFI,002"])).expect(201).json();
        let id = |n: usize| made["lines"][n]["id"].as_str().unwrap().to_owned();
        let kept = |quantity: &str| json!({ "id": id(0), "sku": " RFI,001", "quantity": quantity, "unit": "H87", "net_price": "12.5", "base_quantity": "1" });
        let new = json!({ "sku": " RFI,003", "quantity": "1" });
        gate.system.forget();
        let changed = gate.patch(&at("orders", &made), &json!({ "lines": [kept("5"), new] })).expect(200);
        assert_eq!(changed.header("bramka-unguarded"), None);
        let line = |id: &str| format!("/data/SalesOrderLines(dataAreaId='usmf',InventoryLotId='{id}')");
        let sent: Vec<_> =
            sent(&gate).into_iter().map(|(method, path, body)| (method + " " + &path, body)).collect();
        let want = [
            (
                "POST /data/SalesOrderLines".to_owned(),
                json!({ "dataAreaId": "usmf", "SalesOrderNumber": made["number"], "ItemNumber": " RFI,003", "OrderedSalesQuantity": 1 }),
            ),
            (format!("PATCH {}", line(&id(0))), json!({ "OrderedSalesQuantity": 5 })),
            (format!("DELETE {}", line(&id(1))), Value::Null),
        ];
        assert_eq!(sent, want);
        let lines = changed.json()["lines"].clone();
        assert_eq!((&lines[0]["quantity"], &lines[1]["sku"]), (&json!("5"), &json!(" RFI,003")));
    }
}

mod ids_of_lines {
    use super::*;

    #[test]
    fn lines_of_finance_and_operations_come_change_and_go_by_ids_of_the_gates_own_guarded_by_their_versions()
    {
        let gate = Gate::with_ids(&FO);
        let customer = gate.get("/v1/customers?limit=1").expect(200).items().remove(0)["id"].clone();
        let line =
            |sku: &str| json!({ "sku": sku, "quantity": "1", "net_price": "12.5", "base_quantity": "1" });
        let order =
            json!({ "customer": customer, "currency": "USD", "lines": [line(" RFI,001"), line(" RFI,002")] });
        let made = gate.post("/v1/orders", &order).expect(201).json();
        let own = ids_of_lines(std::slice::from_ref(&made));
        let mut kept = line(" RFI,001");
        (kept["id"], kept["quantity"], kept["unit"]) = (json!(own[0]), "5".into(), "H87".into());
        gate.system.forget();
        let body = json!({ "lines": [kept, { "sku": " RFI,003", "quantity": "1" }] });
        let changed = gate.patch(&at("orders", &made), &body).expect(200);
        assert_eq!(changed.header("bramka-unguarded"), None);
        let sent = sent(&gate);
        let methods: Vec<&str> = sent.iter().map(|(method, ..)| method.as_str()).collect();
        assert_eq!(methods, ["POST", "PATCH", "DELETE"]);
        assert_eq!(sent[1].2, json!({ "OrderedSalesQuantity": 5 }));
        assert!(own.iter().all(|id| !format!("{sent:?}").contains(id)), "{sent:?}");
        let after = changed.json();
        assert_eq!(
            (ids_of_lines(std::slice::from_ref(&after))[0], &after["lines"][0]["quantity"]),
            (own[0], &json!("5"))
        );
    }

    #[test]
    fn lines_of_every_office_have_ids_of_the_gates_own() {
        for (subject, collection) in [(&BOOKS, "invoices"), (&B1, "orders"), (&FO, "orders")] {
            let gate = Gate::with_ids(subject);
            let all = gate.whole(&format!("/v1/{collection}?limit=50"));
            let own = ids_of_lines(&all);
            let one = gate.get(&at(collection, &all[1])).expect(200).json();
            assert!(ids_of_lines(std::slice::from_ref(&one)).iter().all(|id| own.contains(id)));
        }
    }
}

mod openboxes {
    use super::*;

    #[test]
    fn stock_is_told_of_each_lot_in_each_bin() {
        let gate = Gate::open(&BOXES);
        let stock = holds(&gate, "stock-levels", boxes::ALL);
        let lot = |n: usize| stock.iter().filter(|one| one["lot"] == format!("lot{n}")).collect::<Vec<_>>();
        assert_eq!(lot(1).len(), 4, "three bins, and beside them");
        let bins: Vec<_> = lot(1).iter().map(|one| one["bin"].clone()).collect();
        assert_eq!(bins, [json!("bin0"), json!("bin1"), json!("bin2"), Value::Null]);
        assert_eq!((&lot(1)[0]["on_hand"], &lot(1)[0]["expires_on"]), (&json!("41"), &json!("2027-01-28")));
        let problem = gate.get(&at("stock-levels", &stock[0])).refused(405).json();
        assert!(problem["detail"].as_str().unwrap().contains("no address of its own"), "{problem}");
        assert!(
            stock.iter().all(|one| one["location"]["code"] == "1"),
            "without it, it were the whole company's"
        );
        assert_eq!(gate.whole("/v1/stock-levels?sku=AB1").len(), 4);
    }

    #[test]
    fn movements_of_stock_are_shipments_whose_lines_are_told_of_one() {
        let gate = Gate::open(&BOXES);
        let all = holds(&gate, "shipments", boxes::ALL);
        let one = gate.get(&at("shipments", &all[3])).expect(200).json();
        for field in ["id", "number", "from", "to"] {
            assert_eq!(one[field], all[3][field]);
        }
        assert!(all[3]["lines"].is_null(), "untold is not empty: {}", all[3]);
        assert_eq!((&one["lines"][0]["sku"], &one["lines"][0]["quantity"]), (&json!("AB3"), &json!("30")));
        assert_eq!((&one["from"]["code"], &one["to"]["code"]), (&json!("1"), &json!("2")));
        assert!(!one.to_string().contains("admin@"), "who asked for it is nobody's business: {one}");
        told(gate.get("/v1/shipments/nobody"), 404, "/not-found");
    }

    #[test]
    fn products_are_listed_read_and_made() {
        let gate = Gate::open(&BOXES);
        let all = holds(&gate, "products", boxes::ALL);
        reads(&gate, "products", &all[3]);
        told(gate.get("/v1/products/nobody"), 404, "/not-found");
        gate.system.forget();
        let made = gate.post("/v1/products", &json!({ "sku": "KX43", "name": "Plaster" })).expect(201).json();
        let want = json!({ "productCode": "KX43", "name": "Plaster", "category.id": "ROOT" });
        assert_eq!(sent(&gate), [("POST".into(), "/openboxes/api/products".into(), want)]);
        reads(&gate, "products", &made);
    }

    #[test]
    fn a_rule_that_refuses_inside_a_500_is_the_callers_to_mend_and_a_spent_session_is_renewed() {
        let gate = Gate::open(&BOXES);
        told(gate.post("/v1/products", &json!({ "sku": "KX44", "name": "a substitute" })), 422, "");
        told(gate.post("/v1/products", &json!({ "sku": "AB3", "name": "Plaster" })), 409, "/duplicate");
        gate.switch("spend");
        gate.post("/v1/products", &json!({ "sku": "KX45", "name": "Plaster" })).expect(201);
    }
}

#[test]
fn a_line_of_a_price_list_is_a_price_of_whom_it_is_for_and_says_whether_it_holds_tax() {
    let gate = Gate::open(&PRICES);
    let all = holds(&gate, "prices", prices::ALL);
    let of = |n: usize| all.iter().find(|it| it["id"] == prices::id(n)).unwrap_or_else(|| panic!("{n}"));
    assert!(all.iter().all(|it| it["product"].is_string() && it["unit"] == "H87"));
    // Drafts, purchases, resources and campaigns are none.
    assert!([0, 1, 2, 3, 7].iter().all(|n| all.iter().all(|it| it["id"] != prices::id(*n))));
    let whose = |n: usize| ["customer", "price_group"].map(|name| of(n)[name].clone());
    assert_eq!(whose(4), [json!("20000"), Value::Null]);
    assert_eq!(whose(5), [Value::Null, json!("WHOLESALE")]);
    assert_eq!(whose(6), [Value::Null, Value::Null]);
    let price = |n: usize| ["net_price", "tax_inclusive_price", "currency"].map(|name| of(n)[name].clone());
    assert_eq!(price(6), [json!("12.3"), Value::Null, json!("USD")]);
    assert_eq!(price(12), [Value::Null, json!("12.3"), json!("EUR")]);
    // A discount alone has no price, least of all one of nothing.
    assert_eq!(price(4), [Value::Null, Value::Null, json!("USD")]);
    assert_eq!(of(4)["discount"], json!({ "kind": "percent", "value": "7.5" }));
    assert_eq!((&of(6)["discount"], &of(6)["valid_through"]), (&Value::Null, &Value::Null));
    reads(&gate, "prices", of(5));
    found(&gate, "/v1/prices?sku=ITEM-1", 3);
    assert!(asked(&gate).iter().any(|target| target.contains("priceType")), "{:?}", asked(&gate));
    told(gate.get(&format!("/v1/prices/{}", prices::id(99))), 404, "/not-found");
    told(
        gate.post("/v1/prices", &json!({ "product": "x", "currency": "EUR", "net_price": "1" })),
        405,
        "/not-possible",
    );
}

#[test]
fn records_that_ids_name_are_asked_for_by_their_keys() {
    lists_by_ids(&Gate::open(&BOOKS), &["customers", "products", "invoices", "payments"], &[]);
    lists_by_ids(&Gate::open(&B1), &["customers", "products", "stock-levels", "orders"], &[]);
    lists_by_ids(&Gate::open(&FO), &["customers", "orders"], &[]);
    lists_by_ids(&Gate::open(&PRICES), &["prices"], &[]);
    lists_by_ids(&Gate::open(&BOXES), &[], &["products"]);
}
