//! Accounting services: what a caller may count on with each, over stand-ins that speak their dialects.

use http::Method;
use serde_json::{Value, json};

use super::{asked, at, fakturownia, found, holds, reads, sent, told, wfirma};
use crate::{
    ground::{Gate, Subject, encoded},
    shop::xml::tree,
};

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

const WFIRMA: Subject = Subject {
    name: "wfirma",
    file: "catalogue/wfirma.yaml",
    root: "",
    secrets: &wfirma::KEYS,
    serves: &["customers"],
    edits: &[],
    standin: wfirma::Wfirma::start,
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
        let names = written(&gate, "/find")
            .iter()
            .map(|asked| asked.to_string().contains("Młyn <i> Syn & c."))
            .all(|is| is);
        assert!(names, "the service was not asked by name");
        for text in ["</value><or>", "]]>", "&amp;", "firma 8"] {
            found(&gate, &format!("/v1/customers?name={}", encoded(text)), 0);
        }
        found(&gate, "/v1/customers?emails.value=biuro8@example.com", 1);
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
