//! The same through a gate, for systems whose sign-in needs no call: what a caller sends reaches the system as it was
//! recorded, and a recorded no comes back as its snapshot says; the system's own words stand in the log alone.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;

use super::{
    body, creates,
    flat::flat,
    lines::{Is, Line, On},
    mapping, refused,
    table::LINES,
};
use crate::{
    ground::{Gate, Subject},
    said::said,
};

/// A stand-in that gives one answer to everything.
struct Says {
    status: u16,
    body: String,
}

impl Answers for Says {
    fn answer(&self, _: &Ask) -> Response<Bytes> {
        let json: Value = serde_json::from_str(&self.body).unwrap();
        said(self.status, &json)
    }
}

fn line(file: &str) -> &'static Line {
    LINES.iter().find(|line| line.file == file).unwrap_or_else(|| panic!("no line of {file}"))
}

/// The system says what was recorded.
fn says(file: &str) -> Arc<dyn Answers> {
    let status = match line(file).is {
        Is::Error { status, .. } => status,
        _ => 201,
    };
    Arc::new(Says { status, body: body(file) })
}

/// A system, and what of it is tried.
const fn subject(
    (name, file): (&'static str, &'static str),
    root: &'static str,
    secrets: &'static [(&'static str, &'static str)],
    serves: &'static [&'static str],
    standin: fn() -> Arc<dyn Answers>,
) -> Subject {
    Subject { name, file, root, secrets, serves, edits: &[], standin, gaps: &[] }
}

const CENTRAL: &str = "/v2.0/production/api/v2.0/companies(824820a2-508c-ed11-aada-000d3a298ab3)";

/// Recorded creates: the request, and the system that answers as it was recorded.
const MADE: &[(&str, Subject)] = &[
    (
        "hubspot/contact.create.request.json",
        subject(("crm", "crm.yaml"), "", &[("HUBSPOT_TOKEN", "t")], &["customers"], || {
            says("hubspot/contact.create.response.json")
        }),
    ),
    (
        "dynamics-bc/item.create.request.json",
        subject(("erp", "erp.yaml"), CENTRAL, &[("BC_TOKEN", "t")], &["products"], || {
            says("dynamics-bc/item.create.response.json")
        }),
    ),
    (
        "magento/customer.create.request.json",
        subject(
            ("magento", "catalogue/magento.yaml"),
            "/rest/V1",
            &[("MAGENTO_TOKEN", "t")],
            &["customers"],
            || says("magento/customer.create.response.json"),
        ),
    ),
];

/// Recorded errors, and the system that says them.
const REFUSED: &[(&str, Subject)] = &[
    (
        "hubspot/error.409.contact_exists.json",
        subject(("crm", "crm.yaml"), "", &[("HUBSPOT_TOKEN", "t")], &["customers"], || {
            says("hubspot/error.409.contact_exists.json")
        }),
    ),
    (
        "magento/error.400.json",
        subject(
            ("magento", "catalogue/magento.yaml"),
            "/rest/V1",
            &[("MAGENTO_TOKEN", "t")],
            &["products"],
            || says("magento/error.400.json"),
        ),
    ),
    (
        "woocommerce/error.404.no_route.json",
        subject(
            ("woocommerce", "catalogue/woocommerce.yaml"),
            "/wp-json/wc/v3",
            &[("WOOCOMMERCE_SECRET", "s")],
            &["products"],
            || says("woocommerce/error.404.no_route.json"),
        ),
    ),
    (
        "getresponse/error.400.json",
        subject(
            ("getresponse", "catalogue/getresponse.yaml"),
            "/v3",
            &[("GETRESPONSE_TOKEN", "api-key t")],
            &["subscriptions"],
            || says("getresponse/error.400.json"),
        ),
    ),
];

/// A new record that every system here takes.
fn new(collection: &str) -> Value {
    match collection {
        "customers" => {
            serde_json::json!({ "kind": "person", "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak",
            "emails": [{ "value": "ewa@example.com" }] })
        }
        "products" => serde_json::json!({ "sku": "L-1", "name": "Lamp", "kind": "goods", "unit": "H87" }),
        "subscriptions" => {
            serde_json::json!({ "address": "ewa@example.com", "channel": "email", "list": { "code": "nV" }, "state": "subscribed" })
        }
        other => panic!("say how one of {other} is made"),
    }
}

#[test]
fn a_record_that_was_recorded_reaches_the_system_through_the_gate_as_it_was_compared() {
    for (file, subject) in MADE {
        let Is::Create { of, record, .. } = &line(file).is else { panic!("{file} makes nothing") };
        let gate = Gate::open(subject);
        let record_json: Value = serde_json::from_str(record).unwrap();
        gate.post(&format!("/v1/{}", subject.serves[0]), &record_json).expect(201);
        let reached = gate.changes();
        assert_eq!(reached.len(), 1, "{file}");
        assert_eq!(flat(&reached[0].body), flat(&creates::sent(mapping(of), record).unwrap()), "{file}");
    }
}

#[test]
fn a_recorded_error_comes_through_the_gate_as_its_snapshot_says() {
    for (file, subject) in REFUSED {
        let Is::Error { of, on, .. } = &line(file).is else { panic!("{file} is no error") };
        let gate = Gate::open(subject);
        let at = format!("/v1/{}", subject.serves[0]);
        let answer = match on {
            On::Write => gate.post(&at, &new(subject.serves[0])),
            On::Read => gate.ask(Method::GET, &format!("{at}/7"), &Value::Null, &[]),
            On::List => gate.get(&at),
        };
        let told = refused::told(line(file)).unwrap();
        let problem = answer.refused(u16::try_from(told["problem"]["status"].as_u64().unwrap()).unwrap());
        let mut came = problem.json();
        came.as_object_mut().unwrap().remove("request_id");
        assert_eq!(came, told["problem"], "{file}, {} of {}", of.entity, of.system);
        let words = told["operator"]["text"].as_str().unwrap();
        let words = words.split_once("; ").unwrap().1;
        assert!(!came.to_string().contains(words), "{file}: {came}");
        // Of a write that is refused the log tells whatever it is, without what was sent and without long numbers.
        let log = gate.stderr();
        match on {
            On::Write => assert!(log.contains("a system refused a write"), "{file}: {log}"),
            On::Read | On::List => {
                let is_logged = told["operator"]["logged"].as_bool().unwrap();
                assert_eq!(log.contains(words), is_logged, "{file}: `{words}`");
            }
        }
    }
}
