//! Accounting services: what a caller may count on with each, over stand-ins that speak their dialects.

use http::Method;
use serde_json::{Value, json};

use super::{asked, at, fakturownia, found, holds, reads, sent, told, wfirma, xero};
use crate::{
    ground::{Capability, Clause, Gap, Gate, Subject, encoded, hold},
    shop::xml::tree,
};

const fn gap(what: &'static str, reason: &'static str) -> Gap {
    Gap { capability: Capability::Own(what), status: 405, reason }
}

/// The first record of a collection.
fn first(gate: &Gate, collection: &str) -> String {
    let record = gate.get(&format!("/v1/{collection}?limit=1")).expect(200).items().remove(0);
    at(collection, &record)
}

/// What none of them can do here, and must say so.
const NEVER: [Clause; 3] = [
    Clause {
        capability: Capability::Own("change an invoice"),
        proof: |_| panic!("say how invoices are changed"),
        ask: Some(|gate| gate.patch(&first(gate, "invoices"), &json!({ "due_date": "2026-03-01" }))),
    },
    Clause {
        capability: Capability::Own("take out an invoice"),
        proof: |_| panic!("say how invoices are taken out"),
        ask: Some(|gate| gate.delete(&first(gate, "invoices"))),
    },
    Clause {
        capability: Capability::Own("take out a customer"),
        proof: |_| panic!("say how customers are taken out"),
        ask: Some(|gate| gate.delete(&first(gate, "customers"))),
    },
];

const FAKTUROWNIA: Subject = Subject {
    name: "fakturownia",
    file: "catalogue/fakturownia.yaml",
    root: "",
    secrets: &[("FAKTUROWNIA_TOKEN", fakturownia::TOKEN)],
    serves: &["customers", "products", "invoices", "payments"],
    edits: &[],
    standin: fakturownia::Fakturownia::start,
    gaps: &[
        gap("change an invoice", "is corrected by another document"),
        gap("take out an invoice", "is cancelled, and stays"),
        gap("take out a customer", "named by documents that stay"),
    ],
};

const WFIRMA: Subject = Subject {
    name: "wfirma",
    file: "catalogue/wfirma.yaml",
    root: "",
    secrets: &wfirma::KEYS,
    serves: &["customers", "invoices", "payments"],
    edits: &[],
    standin: wfirma::Wfirma::start,
    gaps: &[],
};

const XERO: Subject = Subject {
    name: "xero",
    file: "catalogue/xero.yaml",
    root: xero::ROOT,
    secrets: &[("XERO_SECRET", xero::SECRET)],
    serves: &["customers", "invoices", "payments"],
    edits: &[("https://identity.xero.com/connect", "{system}/oauth2")],
    standin: xero::Xero::start,
    gaps: &[
        gap("change an invoice", "takes out the lines that it does not hold"),
        gap("take out an invoice", "is voided, and stays"),
        gap("take out a customer", "is archived by its status"),
    ],
};

mod of_fakturownia {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused_with_its_reason_and_not_sent() {
        NEVER.iter().for_each(|clause| hold(&FAKTUROWNIA, clause));
    }

    #[test]
    fn lists_come_to_their_end_without_a_total() {
        let gate = Gate::open(&FAKTUROWNIA);
        let all = holds(&gate, "customers", fakturownia::ALL);
        reads(&gate, "customers", &all[4]);
        assert_eq!(all[4]["tax_ids"][0]["value"], "5260250274");
        let products = holds(&gate, "products", fakturownia::ALL);
        reads(&gate, "products", &products[0]);
        let invoices = holds(&gate, "invoices", fakturownia::ALL);
        reads(&gate, "invoices", &invoices[0]);
        found(&gate, &format!("/v1/customers?name={}", encoded("Klient 7")), 1);
        told(gate.get("/v1/customers/99999"), 404, "/not-found");
        told(gate.get("/v1/customers/7x"), 404, "/not-found");
    }

    #[test]
    fn a_decimal_comma_is_read_beside_a_point_and_rates_are_told_as_rates() {
        let gate = Gate::open(&FAKTUROWNIA);
        let invoices = gate.whole("/v1/invoices?limit=200");
        let due: Vec<_> = invoices.iter().take(3).map(|invoice| invoice["amount_due"].clone()).collect();
        assert_eq!(due, [json!("1035.67"), json!("18.62"), json!("0.00")]);
        assert_eq!(invoices[1]["status"], "partially_paid");
        let line =
            |n: usize| ["unit", "tax_category", "tax_rate"].map(|name| invoices[n]["lines"][0][name].clone());
        assert_eq!(line(0), [json!("H87"), json!("S"), json!("23")]);
        assert_eq!(line(1), [json!("KGM"), json!("E"), json!("0")]);
        // A unit that nobody knows, a word that means two things, and a rate of another country.
        assert_eq!(line(2), [Value::Null, json!("S"), json!("8")]);
        assert_eq!(line(3), [json!("H87"), Value::Null, Value::Null]);
        assert_eq!(line(4), [json!("KGM"), json!("AE"), json!("0")]);
        assert_eq!(line(5), [Value::Null, Value::Null, json!("19")]);
    }

    #[test]
    fn an_invoice_is_made_in_its_wrap_and_the_token_stands_in_no_address() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.system.forget();
        let line = json!({ "product": "2", "description": "Mąka", "quantity": "2", "unit": "H87", "net_price": "14.50", "tax_category": "S", "tax_rate": "23" });
        let body = json!({ "type_code": "380", "customer": "1", "issue_date": "2026-02-01", "currency": "PLN", "lines": [line] });
        let made = gate.post("/v1/invoices", &body).expect(201).json();
        let position = json!({ "product_id": 2, "name": "Mąka", "quantity": "2", "quantity_unit": "szt", "price_net": "14.50", "tax": "23" });
        let want = json!({ "api_token": fakturownia::TOKEN, "invoice": { "kind": "vat", "client_id": 1, "issue_date": "2026-02-01", "currency": "PLN", "positions": [position] } });
        assert_eq!(sent(&gate), [("POST".into(), "/invoices.json".into(), want)]);
        assert_eq!(
            (&made["tax_inclusive_total"], &made["amount_due"], &made["lines"][0]["tax_rate"]),
            (&json!("35.67"), &json!("35.67"), &json!("23"))
        );
        assert!(gate.changes().iter().all(|seen| !seen.target.contains(fakturownia::TOKEN)));
        assert!(!gate.stderr().contains(fakturownia::TOKEN));
        // What only looks has no body to put it in.
        gate.get(&at("invoices", &made)).expect(200);
        assert!(asked(&gate).iter().all(|target| target.contains("api_token=")));
        let mut other = body;
        other["lines"][0]["tax_rate"] = json!("22");
        gate.system.forget();
        gate.post("/v1/invoices", &other).refused(422);
        assert_eq!(sent(&gate), [], "22 is no rate of the category");
    }

    #[test]
    fn a_payment_says_which_way_it_went_by_its_invoices_or_not_at_all() {
        let gate = Gate::open(&FAKTUROWNIA);
        let all = holds(&gate, "payments", fakturownia::ALL);
        for payment in &all[..6] {
            reads(&gate, "payments", payment);
        }
        let told = |n: usize| {
            ["direction", "status", "amount", "currency", "paid_on"].map(|name| all[n][name].clone())
        };
        assert_eq!(told(0), ["in", "completed", "517.05", "PLN", "2026-02-10"].map(Value::from));
        assert_eq!(
            all[0]["allocations"],
            json!([{ "invoice": "3", "document_number": "FV 0/2026" }, { "invoice": "6", "document_number": "FV 1/2026" }])
        );
        // Of a cost and not paid yet; below zero; of several pieces; for nothing that it names.
        assert_eq!(told(1), [json!("out"), json!("pending"), json!("517.05"), json!("PLN"), Value::Null]);
        let [direction, _, amount, ..] = told(2);
        assert_eq!((direction, amount), (Value::Null, Value::Null), "nobody says what less than nothing is");
        let [direction, _, amount, ..] = told(3);
        assert_eq!((direction, amount), (json!("in"), Value::Null));
        let [direction, _, amount, ..] = told(4);
        assert_eq!((direction, amount), (Value::Null, json!("517.05")));
        super::told(gate.get("/v1/payments/99999"), 404, "/not-found");
        let body = json!({ "direction": "in", "amount": "20", "currency": "PLN" });
        super::told(gate.post("/v1/payments", &body), 405, "/not-possible");
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn a_line_may_be_given_with_tax_and_each_price_stands_in_its_own_field() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.system.forget();
        let line = json!({ "description": "Mąka", "quantity": "2", "tax_inclusive_price": "61.50", "line_tax_inclusive_total": "123.00", "tax_category": "S", "tax_rate": "23" });
        let body = json!({ "type_code": "380", "customer": "1", "currency": "PLN", "lines": [line] });
        let made = gate.post("/v1/invoices", &body).expect(201).json();
        let position = json!({ "name": "Mąka", "quantity": "2", "price_gross": "61.50", "total_price_gross": "123.00", "tax": "23" });
        assert_eq!(sent(&gate)[0].2["invoice"]["positions"], json!([position]));
        let told =
            ["net_price", "line_net_total", "tax_inclusive_price", "line_tax_inclusive_total", "tax_amount"]
                .map(|name| made["lines"][0][name].clone());
        assert_eq!(told, ["50.00", "100.00", "61.50", "123.00", "23.00"].map(Value::from), "{made}");
    }

    #[test]
    fn an_amount_is_not_written_without_its_currency() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.system.forget();
        let lamp = |price: Value| json!({ "sku": "lamp-9", "name": "Lampa", "list_price": price });
        let problem = gate.post("/v1/products", &lamp(json!({ "net_price": "14.50" }))).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/list_price/net_price", "{problem}");
        let why = "an amount needs its currency: say `list_price.currency` too";
        assert_eq!(problem["errors"][0]["detail"], why);
        let line = json!({ "description": "Lampa", "quantity": "1", "net_price": "14.50", "tax_category": "S", "tax_rate": "23" });
        let body =
            json!({ "type_code": "380", "customer": "1", "issue_date": "2026-02-01", "lines": [line] });
        let problem = gate.post("/v1/invoices", &body).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/currency", "{problem}");
        assert_eq!(sent(&gate), []);
        gate.post("/v1/products", &lamp(json!({ "net_price": "14.50", "currency": "PLN" }))).expect(201);
    }

    #[test]
    fn a_change_sends_what_changed_and_loses_nothing() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.system.forget();
        let changed = gate.patch("/v1/customers/1", &json!({ "trading_name": "Młyn" })).expect(200).json();
        let want = json!({ "api_token": fakturownia::TOKEN, "client": { "shortcut": "Młyn" } });
        assert_eq!(sent(&gate), [("PUT".into(), "/clients/1.json".into(), want)]);
        assert_eq!((&changed["trading_name"], &changed["name"]), (&json!("Młyn"), &json!("Klient 0")));
    }

    #[test]
    fn faults_under_the_names_of_fields_point_into_what_was_sent() {
        let gate = Gate::open(&FAKTUROWNIA);
        let body = json!({ "name": "Hurt", "phones": [{ "value": "+48 22 555 33 11 44 55" }] });
        let problem = gate.post("/v1/customers", &body).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/phones/0/value", "{problem}");
        assert!(
            !problem.to_string().contains("za długie"),
            "the system's own words are the operator's: {problem}"
        );
        let body = json!({ "customer": "99999", "currency": "PLN", "lines": [{ "quantity": "1", "net_price": "1", "tax_category": "S", "tax_rate": "23" }] });
        let problem = gate.post("/v1/invoices", &body).refused(422).json();
        let pointers: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
        assert!(pointers.contains(&&json!("/customer")), "{problem}");
    }

    #[test]
    fn a_success_in_part_is_told_as_none() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.switch("partly");
        let answer = gate.ask(
            Method::PATCH,
            "/v1/customers/1",
            &json!({ "trading_name": "M" }),
            &[("idempotency-key", "one-key-of-a-caller")],
        );
        assert_eq!(answer.header("retry-after"), None);
        told(answer, 502, "/partly-done");
        let again = gate.ask(
            Method::PATCH,
            "/v1/customers/1",
            &json!({ "trading_name": "M" }),
            &[("idempotency-key", "one-key-of-a-caller")],
        );
        assert!(again.status >= 400, "what was done in part is not done again");
        assert_eq!(gate.changes().len(), 1);
    }

    #[test]
    fn a_token_that_is_none_and_too_many_questions_are_not_the_callers_fault() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.switch("limit");
        let limited = gate.get("/v1/customers?limit=1");
        assert!(limited.header("retry-after").is_some());
        told(limited, 503, "/busy");
        told(gate.post("/v1/customers", &json!({ "name": "Hurt" })), 503, "/busy");
        gate.switch("revoke");
        told(gate.get("/v1/customers?limit=1"), 502, "/system");
        told(gate.post("/v1/customers", &json!({ "name": "Hurt" })), 502, "/system");
    }
}

mod of_wfirma {
    use super::*;

    /// What was sent to an action, as a tree.
    fn written(gate: &Gate, action: &str) -> Vec<Value> {
        let seen = gate.system.seen().into_iter().filter(|seen| seen.target.contains(action));
        seen.map(|seen| tree(&seen.body).unwrap()["api"]["contractors"].clone()).collect()
    }

    #[test]
    fn lists_come_to_their_end_and_hold_customers_alone() {
        let gate = Gate::open(&WFIRMA);
        let customers = (0..wfirma::ALL).filter(|n| wfirma::is_customer(*n)).count();
        let all = holds(&gate, "customers", customers);
        reads(&gate, "customers", &all[4]);
        assert_eq!(all[0]["tax_ids"][0]["value"], "5260250274");
        assert_eq!(all[0]["updated_at"], "2018-07-26T13:12:57Z", "a summer's time in Warsaw");
        assert_eq!(all[0]["addresses"].as_array().unwrap().len(), 2);
        // Nobody with the number 99999; one who only sells; a number that is none.
        for id in ["99999", "13791005", "13791001x"] {
            told(gate.get(&format!("/v1/customers/{id}")), 404, "/not-found");
        }
    }

    #[test]
    fn the_service_filters_and_texts_stay_texts() {
        let gate = Gate::open(&WFIRMA);
        found(&gate, &format!("/v1/customers?name={}", encoded("Młyn <i> Syn & c.")), 1);
        let names =
            written(&gate, "/find").iter().all(|asked| asked.to_string().contains("Młyn <i> Syn & c."));
        assert!(names, "the service was not asked by name");
        for text in ["</value><or>", "]]>", "&amp;", "firma 8"] {
            found(&gate, &format!("/v1/customers?name={}", encoded(text)), 0);
        }
        found(&gate, "/v1/customers?emails.value=biuro8@example.com", 1);
    }

    #[test]
    fn an_invoice_holds_prices_without_tax_or_with_it_as_it_says() {
        let gate = Gate::open(&WFIRMA);
        let all = holds(&gate, "invoices", 2);
        let prices = |invoice: &Value| {
            ["net_price", "tax_inclusive_price", "line_net_total", "line_tax_inclusive_total"]
                .map(|name| invoice["lines"][0][name].clone())
        };
        let totals = [json!("100.00"), json!("123.00")];
        let [net, with_tax] = totals.clone();
        assert_eq!(prices(&all[0]), [json!("50.00"), Value::Null, net.clone(), with_tax.clone()]);
        assert_eq!(prices(&all[1]), [Value::Null, json!("61.50"), net, with_tax]);
        assert_eq!([&all[0]["prices_include_tax"], &all[1]["prices_include_tax"]], [false, true]);
        for invoice in &all {
            assert_eq!(
                [&invoice["tax_exclusive_total"], &invoice["tax_inclusive_total"]],
                [&totals[0], &totals[1]]
            );
        }
        gate.system.forget();
        let line = json!({ "description": "Mąka", "quantity": "2", "unit": "H87", "tax_inclusive_price": "61.50", "tax_category": "S", "tax_rate": "23" });
        let body = |lines: Value| json!({ "customer": "13791001", "currency": "PLN", "lines": lines });
        let made = gate.post("/v1/invoices", &body(json!([line]))).expect(201).json();
        assert_eq!((&made["prices_include_tax"], prices(&made)), (&json!(true), prices(&all[1])));
        let sent = gate.changes().remove(0).body;
        let sent = &tree(&sent).unwrap()["api"]["invoices"]["invoice"];
        assert_eq!((&sent["price_type"], &sent["type"]), (&json!("brutto"), &json!("normal")));
        assert_eq!(sent["invoicecontents"]["invoicecontent"]["price"], "61.50");
        let mut both = json!([line, line]);
        both[1].as_object_mut().unwrap().remove("tax_inclusive_price");
        both[1]["net_price"] = "50".into();
        let problem = gate.post("/v1/invoices", &body(both)).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/1/net_price", "{problem}");
        // A proforma is no invoice.
        told(gate.get("/v1/invoices/421002"), 404, "/not-found");
    }

    #[test]
    fn a_payment_is_in_the_money_that_it_says_and_goes_the_way_of_its_document() {
        let gate = Gate::open(&WFIRMA);
        let all = holds(&gate, "payments", wfirma::ALL);
        for payment in &all[..6] {
            reads(&gate, "payments", payment);
        }
        let said = |n: usize| {
            ["direction", "status", "amount", "currency", "paid_on", "means"].map(|name| all[n][name].clone())
        };
        assert_eq!(said(0), ["in", "completed", "20.00", "PLN", "2026-02-10", "30"].map(Value::from));
        assert_eq!(
            all[0]["allocations"],
            json!([{ "invoice": "421000", "amount": "20.00" }]),
            "a part of what is due"
        );
        assert_eq!(all[0]["customer"], "13791001");
        // Of an expense, and with no word of how; of neither; below zero; in money of another country, by a table.
        assert_eq!(
            said(1),
            [
                json!("out"),
                json!("completed"),
                json!("20.00"),
                json!("PLN"),
                json!("2026-02-10"),
                Value::Null
            ]
        );
        assert_eq!(all[1]["allocations"], json!([{ "amount": "20.00" }]));
        assert_eq!((&said(2)[0], &said(2)[2]), (&Value::Null, &json!("20.00")));
        assert_eq!(said(3)[2], Value::Null);
        assert_eq!([&said(4)[2], &said(4)[3]], [&Value::Null, &Value::Null], "100 euro are no 100 zloty");
        told(gate.get("/v1/payments/99999"), 404, "/not-found");
        let body = json!({ "direction": "in", "amount": "20", "currency": "PLN" });
        told(gate.post("/v1/payments", &body), 405, "/not-possible");
        assert_eq!(written(&gate, "/add"), Vec::<Value>::new());
        gate.switch("limit");
        told(gate.get("/v1/payments?limit=1"), 503, "/busy");
    }

    #[test]
    fn what_is_made_and_changed_loses_nothing() {
        let gate = Gate::open(&WFIRMA);
        gate.system.forget();
        let body = json!({ "kind": "company", "name": "Hurt & s.", "tax_ids": [{ "scheme": "PL:NIP", "value": "526-025-02-74" }], "addresses": [{ "role": "billing", "city": "Jawor", "post_code": "59-400" }] });
        let made = gate.post("/v1/customers", &body).expect(201).json();
        let want = json!({ "name": "Hurt & s.", "nip": "5260250274", "city": "Jawor", "zip": "59-400", "buyer": "1", "tax_id_type": "nip" });
        assert_eq!(written(&gate, "/add"), [json!({ "contractor": want })]);
        reads(&gate, "customers", &made);
        gate.system.forget();
        let changed = gate
            .patch("/v1/customers/13791001", &json!({ "website": "https://firma.example" }))
            .expect(200)
            .json();
        assert_eq!(written(&gate, "/edit/"), [json!({ "contractor": { "url": "https://firma.example" } })]);
        assert_eq!(
            (&changed["website"], &changed["name"]),
            (&json!("https://firma.example"), &json!("Firma 1"))
        );
        gate.delete("/v1/customers/13791002").expect(204);
        gate.get("/v1/customers/13791002").refused(404);
    }

    #[test]
    fn an_error_inside_a_200_is_one_and_points_into_what_was_sent() {
        let gate = Gate::open(&WFIRMA);
        let body = json!({ "kind": "company", "name": "Hurt", "addresses": [{ "role": "billing", "post_code": "5940" }] });
        let answer = gate.post("/v1/customers", &body).refused(422);
        let problem = answer.json();
        assert_eq!(problem["errors"][0]["pointer"], "/addresses/0/post_code", "{problem}");
        assert!(
            !problem.to_string().contains("Nieprawidłowy"),
            "the system's own words are the operator's: {problem}"
        );
        let body = json!({ "addresses": [{ "role": "billing", "line1": "Partyzantów 98A", "city": "Jawor", "post_code": "5940", "country": "PL" }] });
        gate.patch("/v1/customers/13791002", &body).refused(422);
        let kept = gate.get("/v1/customers/13791002").expect(200).json();
        assert_eq!(kept["addresses"][0]["post_code"], "54-149", "what is refused changes nothing");
    }

    #[test]
    fn limits_locks_and_keys_that_are_none_are_told_inside_a_200_too() {
        let gate = Gate::open(&WFIRMA);
        let new = json!({ "kind": "company", "name": "Hurt" });
        for (switch, status, kind) in
            [("limit", 503, "/busy"), ("restore", 503, "/busy"), ("revoke", 502, "/system")]
        {
            gate.switch(switch);
            told(gate.get("/v1/customers?limit=1"), status, kind);
            told(gate.post("/v1/customers", &new), status, kind);
        }
        gate.switch("free");
        gate.post("/v1/customers", &new).expect(201);
    }
}

mod of_xero {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused_with_its_reason_and_not_sent() {
        NEVER.iter().for_each(|clause| hold(&XERO, clause));
    }

    #[test]
    fn lists_come_to_their_end_and_hold_the_archived_and_no_bills() {
        let gate = Gate::open(&XERO);
        let all = holds(&gate, "customers", xero::ALL);
        assert_eq!(all.iter().filter(|customer| customer["status"] == "archived").count(), 1);
        reads(&gate, "customers", &all[4]);
        let invoices = holds(&gate, "invoices", xero::ALL / 3 * 2);
        reads(&gate, "invoices", &invoices[1]);
        told(gate.get(&format!("/v1/invoices/{}", xero::id(2, 2))), 404, "/not-found");
        told(gate.get(&format!("/v1/customers/{}", xero::id(1, 999))), 404, "/not-found");
        told(gate.get("/v1/customers/7"), 404, "/not-found");
    }

    #[test]
    fn payments_are_those_of_customers_in_the_currency_of_their_invoices() {
        let gate = Gate::open(&XERO);
        let all = holds(&gate, "payments", xero::ALL / 3 * 2);
        reads(&gate, "payments", &all[1]);
        let told = |n: usize| {
            ["direction", "status", "amount", "currency", "paid_on", "reference", "customer"]
                .map(|name| all[n][name].clone())
        };
        let of = |n: usize| Value::from(xero::id(1, n));
        let paid = ["in", "completed", "20", "GBP", "2026-04-21", "przelew"].map(Value::from);
        assert_eq!(
            told(1),
            [paid.as_slice(), &[of(1)]].concat()[..],
            "not what the bank got in its own money"
        );
        assert_eq!(
            all[1]["allocations"],
            json!([{ "invoice": xero::id(2, 1), "document_number": "FV/1", "amount": "20" }]),
            "a part of what is due"
        );
        // What was given back is above zero too, and a credit note is no invoice.
        assert_eq!([&all[0]["direction"], &all[0]["amount"]], ["out", "20"]);
        assert_eq!(all[0]["allocations"], json!([{ "document_number": "FV/0", "amount": "20" }]));
        assert_eq!(
            (&all[4]["id"], &all[4]["status"]),
            (&json!(xero::id(4, 6)), &json!("reversed")),
            "taken back: it pays nothing"
        );
        // One to a supplier, and one that nobody made.
        for n in [2, 999] {
            super::told(gate.get(&format!("/v1/payments/{}", xero::id(4, n))), 404, "/not-found");
        }
        let body = json!({ "direction": "in", "amount": "20", "currency": "GBP" });
        super::told(gate.post("/v1/payments", &body), 405, "/not-possible");
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn days_moments_prices_and_tax_are_told_in_the_shared_words() {
        let gate = Gate::open(&XERO);
        let invoices = gate.whole("/v1/invoices?limit=200");
        let first = ["issue_date", "due_date", "updated_at", "status", "amount_due"]
            .map(|name| invoices[0][name].clone());
        assert_eq!(
            first,
            ["2026-04-16", "2026-04-30", "2026-04-16T00:00:12.345Z", "issued", "11.39"].map(Value::from)
        );
        let line = |n: usize| {
            ["net_price", "tax_category", "tax_rate"].map(|name| invoices[n]["lines"][0][name].clone())
        };
        assert_eq!(line(0), ["14.5125", "S", "15.0"].map(Value::from), "four digits are asked for");
        assert_eq!(line(2), ["14.5125", "E", "0.0"].map(Value::from));
        let levy = [json!("14.5125"), Value::Null, json!("8.25")];
        assert_eq!(line(4), levy, "what a rate of its own is for VAT the organisation does not say");
        let unknown = [json!("14.5125"), Value::Null, Value::Null];
        assert_eq!(line(6), unknown, "a tax type that the organisation does not list");
        let rates = gate.system.seen().iter().filter(|seen| seen.target.contains("/TaxRates")).count();
        assert_eq!(rates, 1, "what it charges is asked for once");
    }

    #[test]
    fn a_line_is_written_with_what_the_organisation_charges_or_refused() {
        let gate = Gate::open(&XERO);
        let invoice = |category: &str, rate: &str| {
            let line = json!({ "sku": "M25", "quantity": "2", "net_price": "10", "tax_category": category, "tax_rate": rate });
            json!({ "customer": xero::id(1, 1), "currency": "GBP", "lines": [line] })
        };
        for (category, rate, kind) in
            [("S", "15", "OUTPUT2"), ("Z", "0", "ZERORATEDOUTPUT"), ("E", "0", "EXEMPTOUTPUT")]
        {
            gate.system.forget();
            let made = gate.post("/v1/invoices", &invoice(category, rate)).expect(201).json();
            assert_eq!(made["lines"][0]["tax_category"], category, "{made}");
            assert_eq!(sent(&gate)[0].2["Invoices"][0]["LineItems"][0]["TaxType"], kind);
        }
        gate.system.forget();
        // The rate of another country, one that two types charge, one that is no more, one that nobody says is VAT,
        // and none without a word of why.
        for (category, rate) in [("S", "20"), ("S", "9"), ("S", "12.5"), ("S", "8.25"), ("S", "0")] {
            let problem = gate.post("/v1/invoices", &invoice(category, rate)).refused(422).json();
            assert_eq!(problem["errors"][0]["pointer"], "/lines/0/tax_category", "{problem}");
        }
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn the_system_filters_by_texts_and_keys_and_texts_stay_texts() {
        let gate = Gate::open(&XERO);
        found(&gate, &format!("/v1/customers?name={}", encoded("O'Brien & Syn")), 1);
        assert!(
            asked(&gate).iter().all(|target| target.contains(r#"where=Name=="O'Brien & Syn""#)),
            "{:?}",
            asked(&gate)
        );
        found(&gate, "/v1/customers?emails.value=ewa7@mlyn.example", 1);
        for text in ["\" OR Name!=\"", "\\", "x\") OR (Name==\"Klient 1"] {
            found(&gate, &format!("/v1/customers?name={}", encoded(text)), 0);
        }
        found(&gate, &format!("/v1/invoices?customer={}", xero::id(1, 1)), 20);
        let is_asked = asked(&gate).iter().any(|target| target.contains("Contact.ContactID==Guid("));
        assert!(is_asked, "{:?}", asked(&gate));
        found(&gate, "/v1/invoices?status=paid", 20);
        found(&gate, "/v1/invoices?issue_date[gte]=2026-04-17", 0);
    }

    #[test]
    fn an_invoice_is_made_with_days_as_the_system_takes_them() {
        let gate = Gate::open(&XERO);
        gate.system.forget();
        let line = json!({ "sku": "M25", "quantity": "2", "net_price": "14.5125", "tax_category": "S", "tax_rate": "15" });
        let body = json!({ "customer": xero::id(1, 1), "issue_date": "2026-04-16", "due_date": "2026-04-30", "currency": "GBP", "lines": [line] });
        let made = gate.post("/v1/invoices", &body).expect(201).json();
        let item = json!({ "ItemCode": "M25", "Quantity": 2, "UnitAmount": 14.5125, "TaxType": "OUTPUT2" });
        let want = json!({ "Invoices": [ { "Type": "ACCREC", "Contact": { "ContactID": xero::id(1, 1) }, "Date": "2026-04-16", "DueDate": "2026-04-30", "CurrencyCode": "GBP", "LineAmountTypes": "Exclusive", "LineItems": [item] } ] });
        assert_eq!(sent(&gate), [("PUT".into(), "/api.xro/2.0/Invoices".into(), want)]);
        assert_eq!((&made["status"], &made["issue_date"]), (&json!("draft"), &json!("2026-04-16")));
        reads(&gate, "invoices", &made);
        gate.system.forget();
        let mut other = body;
        other["lines"][0]["tax_rate"] = json!("8.25");
        gate.post("/v1/invoices", &other).refused(422);
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn an_invoice_with_tax_in_its_prices_is_made_so_and_never_read_as_one_without() {
        let gate = Gate::open(&XERO);
        gate.system.forget();
        let line = json!({ "sku": "M25", "quantity": "2", "tax_inclusive_price": "12", "tax_category": "S", "tax_rate": "15" });
        let mut body = json!({ "customer": xero::id(1, 1), "currency": "GBP", "lines": [line] });
        let made = gate.post("/v1/invoices", &body).expect(201).json();
        let item = json!({ "ItemCode": "M25", "Quantity": 2, "UnitAmount": 12, "TaxType": "OUTPUT2" });
        let want = json!({ "Invoices": [ { "Type": "ACCREC", "Contact": { "ContactID": xero::id(1, 1) }, "CurrencyCode": "GBP", "LineAmountTypes": "Inclusive", "LineItems": [item] } ] });
        assert_eq!(sent(&gate), [("PUT".into(), "/api.xro/2.0/Invoices".into(), want)]);
        let told = ["net_price", "line_net_total", "tax_inclusive_price", "line_tax_inclusive_total"]
            .map(|name| made["lines"][0][name].clone());
        assert_eq!(told, [Value::Null, Value::Null, json!("12"), json!("24.0")], "{made}");
        assert_eq!(made["prices_include_tax"], true);
        reads(&gate, "invoices", &made);
        gate.system.forget();
        body["prices_include_tax"] = false.into();
        let problem = gate.post("/v1/invoices", &body).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/tax_inclusive_price", "{problem}");
        assert_eq!(sent(&gate), []);
    }

    #[test]
    fn a_change_loses_nothing_and_refusals_are_told_for_what_they_are() {
        let gate = Gate::open(&XERO);
        let path = format!("/v1/customers/{}", xero::id(1, 1));
        gate.get(&path).expect(200);
        gate.system.forget();
        let changed = gate.patch(&path, &json!({ "given_name": "Anna" })).expect(200).json();
        let want = json!({ "Contacts": [ { "FirstName": "Anna" } ] });
        assert_eq!(sent(&gate), [("POST".into(), format!("/api.xro/2.0/Contacts/{}", xero::id(1, 1)), want)]);
        assert_eq!((&changed["given_name"], &changed["name"]), (&json!("Anna"), &json!("Klient 1")));
        told(gate.post("/v1/customers", &json!({ "name": "Klient 2" })), 409, "/duplicate");
        let problem = gate
            .post("/v1/customers", &json!({ "name": "Hurt", "emails": [{ "value": "ewa" }] }))
            .refused(422);
        assert!(!problem.json().to_string().contains("must be valid"), "{}", problem.json());
        gate.switch("spend");
        gate.get(&path).expect(200);
        gate.switch("limit");
        let limited = gate.get(&path);
        assert_eq!(limited.header("retry-after"), Some("17"));
        told(limited, 503, "/busy");
    }
}
