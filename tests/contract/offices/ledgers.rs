//! Accounting services: what a caller may count on with each, over stand-ins that speak their dialects.

use http::Method;
use serde_json::{Value, json};

use super::{asked, at, fakturownia, found, holds, reads, sent, told};
use crate::ground::{Gate, Subject, encoded};

const FAKTUROWNIA: Subject = Subject {
    name: "fakturownia",
    file: "catalogue/fakturownia.yaml",
    root: "",
    secrets: &[("FAKTUROWNIA_TOKEN", fakturownia::TOKEN)],
    serves: &["customers", "products", "invoices"],
    edits: &[],
    standin: fakturownia::Fakturownia::start,
    gaps: &[],
};

mod of_fakturownia {
    use super::*;

    #[test]
    fn lists_come_to_their_end_without_a_total() {
        let gate = Gate::open(&FAKTUROWNIA);
        let all = holds(&gate, "customers", fakturownia::ALL);
        reads(&gate, "customers", &all[4]);
        assert_eq!(all[4]["vat_id"], "PL5260250274");
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
    fn a_change_sends_what_changed_and_loses_nothing() {
        let gate = Gate::open(&FAKTUROWNIA);
        gate.system.forget();
        let changed = gate.patch("/v1/customers/1", &json!({ "trading_name": "Młyn" })).expect(200).json();
        let want = json!({ "api_token": fakturownia::TOKEN, "client": { "shortcut": "Młyn" } });
        assert_eq!(sent(&gate), [("PUT".into(), "/clients/1.json".into(), want)]);
        assert_eq!((&changed["trading_name"], &changed["name"]), (&json!("Młyn"), &json!("Klient 0")));
        told(gate.patch("/v1/invoices/3", &json!({ "due_date": "2026-03-01" })), 405, "/not-possible");
        told(gate.delete("/v1/customers/1"), 405, "/not-possible");
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
