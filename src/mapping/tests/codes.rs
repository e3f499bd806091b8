//! Codes are the schema's own, whatever a system's words are: of units, of VAT, and the numbers of tax authorities.

use super::*;
use crate::words::tree::Node;

const FILES: [(&str, &str); 13] = [
    ("crm", include_str!("../../../policies/systems/crm.yaml")),
    ("erp", include_str!("../../../policies/systems/erp.yaml")),
    ("fakturownia", include_str!("../../../policies/systems/catalogue/fakturownia.yaml")),
    ("finance-operations", include_str!("../../../policies/systems/catalogue/finance-operations.yaml")),
    ("ksef", include_str!("../../../policies/systems/catalogue/ksef.yaml")),
    ("magento", include_str!("../../../policies/systems/catalogue/magento.yaml")),
    ("quickbooks", include_str!("../../../policies/systems/catalogue/quickbooks.yaml")),
    ("sap-b1", include_str!("../../../policies/systems/catalogue/sap-b1.yaml")),
    ("sap-s4", include_str!("../../../policies/systems/catalogue/sap-s4.yaml")),
    ("tryton", include_str!("../../../policies/systems/catalogue/tryton.yaml")),
    ("wfirma", include_str!("../../../policies/systems/catalogue/wfirma.yaml")),
    ("woocommerce", include_str!("../../../policies/systems/catalogue/woocommerce.yaml")),
    ("xero", include_str!("../../../policies/systems/catalogue/xero.yaml")),
];

/// A system of the shipped files, and the first recorded answer of an entity that holds a text.
fn shipped(name: &str, entity: &str, holds: &str) -> (System, String) {
    let (_, text) = FILES.into_iter().find(|(file, _)| *file == name).unwrap();
    let file = tree::parse(&name.into(), text).unwrap();
    let samples =
        ["entities", entity, "samples"].iter().fold(&file, |node: &Node, key| node.get(key).unwrap());
    let mut answers =
        samples.as_list().unwrap().iter().filter_map(|sample| sample.get("answer").and_then(Node::as_text));
    let answer = answers.find(|answer| answer.contains(holds));
    let answer = answer.unwrap_or_else(|| panic!("{name}: no answer of {entity} holds {holds}")).to_owned();
    let declared = file.get("system").and_then(Node::as_text).unwrap();
    let (system, told) = load_text(declared, text, "https://system.example/api");
    (system.unwrap_or_else(|| panic!("{told}")), answer)
}

/// A record of a recorded answer in which one text stands instead of another.
fn read(name: &str, entity: &str, was: &str, is: &str) -> (serde_json::Value, Vec<(String, What)>) {
    let (system, text) = shipped(name, entity, was);
    let m = system.entity(entity).unwrap();
    let told = answer(200, &text.replace(was, is));
    let told = m.inward_of("1", &told, &m.entity().all());
    let inward = told.unwrap_or_else(|fault| panic!("{name} {entity} {is}: {fault:?}"));
    let path = |leaf| m.entity().leaf(leaf).unwrap().path.to_string();
    let found = inward.findings.iter().map(|finding| (path(finding.leaf), finding.what.clone())).collect();
    (json(m.entity(), &inward.record), found)
}

/// Trap 23: `PC`, `PCS`, `pcs`, `szt.`, `ST`.
#[test]
fn a_piece_is_one_unit_however_a_system_calls_it_and_an_unknown_unit_sinks_no_record() {
    for (name, entity, was, is, at) in [
        ("erp", "Product", "\"PCS\"", "\"PCS\"", "/unit"),
        ("sap-s4", "Order", "\"PC\"", "\"PC\"", "/lines/0/unit"),
        ("sap-s4", "Order", "\"PC\"", "\"ST\"", "/lines/0/unit"),
        ("finance-operations", "Order", "\"pcs\"", "\"pcs\"", "/lines/0/unit"),
        ("sap-b1", "Product", "\"szt.\"", "\"szt.\"", "/unit"),
        ("fakturownia", "Invoice", "\"szt.\"", "\"szt\"", "/lines/0/unit"),
        ("ksef", "Invoice", "szt.", "szt.", "/lines/0/unit"),
        ("tryton", "Order", "\"u\"", "\"u\"", "/lines/0/unit"),
    ] {
        let (record, found) = read(name, entity, was, is);
        assert_eq!(record.pointer(at), Some(&"H87".into()), "{name} {is}: {record:#}");
        assert_eq!(found, [], "{name} {is}");
        // A word that nobody knows is told as such; the record stays.
        let (record, found) = read(name, entity, was, &was.replace(was.trim_matches('"'), "worek"));
        assert_eq!(record.pointer(at), None, "{name}: {record:#}");
        assert!(record["id"].is_string());
        let path = at.trim_start_matches('/').replace("/0/", ".");
        assert_eq!(found, [(path, What::UnknownValue("worek".into()))], "{name}");
    }
}

/// Trap 26: the rate of VAT is a code in each system, and nought per cent is of several kinds.
#[test]
fn nought_per_cent_is_exempt_only_where_the_system_says_so() {
    let of = |name: &str, entity: &str, was: &str, is: &str| {
        let (record, found) = read(name, entity, was, is);
        let line = if record.get("lines").is_some() { &record["lines"][0] } else { &record };
        let word = |name: &str| line.get(name).and_then(|value| value.as_str()).unwrap_or("-").to_owned();
        (word("tax_category"), word("tax_rate"), found.len())
    };
    for (name, entity, was, is, category, rate, findings) in [
        ("fakturownia", "Invoice", "\"tax\": \"23\"", "\"tax\": \"23\"", "S", "23", 0),
        ("fakturownia", "Invoice", "\"tax\": \"23\"", "\"tax\": \"zw\"", "E", "0", 0),
        ("fakturownia", "Invoice", "\"tax\": \"23\"", "\"tax\": \"oo\"", "AE", "0", 0),
        ("fakturownia", "Invoice", "\"tax\": \"23\"", "\"tax\": \"0\"", "-", "0", 0),
        ("ksef", "Invoice", "0 WDT", "0 WDT", "K", "0", 0),
        ("ksef", "Invoice", "0 WDT", "0 KR", "Z", "0", 0),
        ("ksef", "Invoice", "0 WDT", "0 EX", "G", "0", 0),
        ("ksef", "Invoice", "0 WDT", "zw", "E", "0", 0),
        ("ksef", "Invoice", "0 WDT", "oo", "AE", "0", 0),
        ("ksef", "Invoice", "0 WDT", "np I", "O", "0", 0),
        ("sap-b1", "Order", "\"S23\"", "\"SZW\"", "E", "0", 0),
        ("sap-b1", "Order", "\"S23\"", "\"SWDT\"", "K", "0", 0),
        // Of a group that the file does not know, the rate is known all the same.
        ("sap-b1", "Order", "\"S23\"", "\"OWN\"", "-", "23.0", 0),
        ("woocommerce", "Product", "\"tax_class\": \"\"", "\"tax_class\": \"\"", "S", "-", 0),
        ("woocommerce", "Product", "\"tax_class\": \"\"", "\"tax_class\": \"zero-rate\"", "Z", "-", 0),
        ("woocommerce", "Product", "\"tax_class\": \"\"", "\"tax_class\": \"books\"", "-", "-", 1),
        ("magento", "Product", "\"value\": \"2\"", "\"value\": \"0\"", "-", "-", 0),
        ("erp", "Order", "FURNITURE", "NONTAXABLE", "E", "6.00002", 0),
        ("erp", "Order", "FURNITURE", "OTHER", "-", "6.00002", 1),
    ] {
        let told = of(name, entity, was, is);
        assert_eq!(told, (category.to_owned(), rate.to_owned(), findings), "{name} {is}");
    }
}

/// Trap 25: `123-456-78-90`, `1234567890`, `PL1234567890`, with blanks; in a field for VAT or in one of its own.
#[test]
fn a_tax_number_is_one_number_however_and_wherever_a_system_keeps_it() {
    let spellings = ["526-025-02-74", "5260250274", "PL5260250274", "pl 526 025 02 74", " PL526-025-02-74 "];
    for (name, was, at, wanted) in [
        ("crm", " pl5260250274", "/vat_id", "PL5260250274"),
        ("sap-b1", "PL5260250274", "/vat_id", "PL5260250274"),
        ("finance-operations", "PL5260250274", "/vat_id", "PL5260250274"),
        ("fakturownia", "526-025-02-74", "/tax_ids/0/value", "5260250274"),
        ("wfirma", "123-456-32-18", "/tax_ids/0/value", "5260250274"),
    ] {
        for spelling in spellings {
            // A field for VAT numbers of any country has to say which, unless the file says whose company it is.
            let is_national = spelling.trim().starts_with('5');
            if is_national && ["crm", "finance-operations"].contains(&name) {
                continue;
            }
            let (record, found) = read(name, "Customer", was, spelling);
            assert_eq!(record.pointer(at), Some(&wanted.into()), "{name} {spelling}: {record:#}");
            assert_eq!(found, [], "{name} {spelling}");
        }
    }
}

#[test]
fn a_number_that_cannot_be_one_is_refused_at_its_place_unless_it_stands_there_already() {
    let (system, _) = shipped("crm", "Customer", "vat_id");
    let m = system.entity("Customer").unwrap();
    let customer = |vat_id: &str| {
        record(m, &format!(r#"{{"kind":"person","name":"Ewa","given_name":"Ewa","vat_id":"{vat_id}"}}"#))
    };
    let faults = m.create(&customer("pl 526-025-02-75")).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].pointer, "/vat_id");
    assert!(faults[0].message.contains("check digit"), "{}", faults[0].message);
    let (right, wrong) = (customer("PL5260250274"), customer("PL5260250275"));
    assert_eq!(m.update("1", &right, &wrong, None).unwrap_err()[0].pointer, "/vat_id");
    assert!(m.update("1", &wrong, &right, None).unwrap().is_some());
    // Who changes something else does not answer for it.
    let renamed = record(m, r#"{"kind":"person","name":"Eva","given_name":"Eva","vat_id":"PL5260250275"}"#);
    let request = m.update("1", &wrong, &renamed, None).unwrap().unwrap();
    assert_eq!(request.body, r#"{"properties":{"firstname":"Eva"}}"#);

    // Of the company's own country it need not be said; it is judged and sent with it.
    let (system, _) = shipped("sap-b1", "Customer", "FederalTaxID");
    let m = system.entity("Customer").unwrap();
    let new = record(m, r#"{"kind":"company","name":"Norm","vat_id":"526-025-02-74"}"#);
    let settled = m.settled(Before::Nothing, new, &FieldSet::EMPTY);
    assert_eq!(json(m.entity(), &settled.held)["vat_id"], "PL5260250274");
    let request = m.create(&settled.sent).unwrap();
    assert!(request.body.windows(14).any(|part| part == b"\"PL5260250274\""), "{:?}", request.body);

    let (system, _) = shipped("wfirma", "Customer", "nip");
    let m = system.entity("Customer").unwrap();
    let text = |nip: &str| {
        format!(
            r#"{{"kind":"company","name":"Olszewska","tax_ids":[{{"scheme":"PL:NIP","value":"{nip}"}}]}}"#
        )
    };
    let faults = m.create(&record(m, &text("123-456-32-19"))).unwrap_err();
    assert_eq!(faults[0].pointer, "/tax_ids/0/value");
    assert!(m.create(&record(m, &text("123-456-32-18"))).is_ok());
}

#[test]
fn a_number_is_asked_of_a_system_only_where_it_has_one_spelling_there() {
    use crate::schema::Op;
    // The Service Layer keeps what was typed: the gate looks through it.
    let (system, _) = shipped("sap-b1", "Customer", "FederalTaxID");
    let m = system.entity("Customer").unwrap();
    let test = catalogue::test(m, "vat_id", Op::Eq, "PL 526-025-02-74");
    let listing = m.list(&FieldSet::ID, &test, &[], None, 50).unwrap();
    assert!(!catalogue::decoded(&listing).contains("FederalTaxID"), "{}", catalogue::decoded(&listing));
    let (_, text) = FILES.into_iter().find(|(file, _)| *file == "sap-b1").unwrap();
    let once = text.replace("FederalTaxID, home: $settings.country", "FederalTaxID, spelt: once");
    let (once, told) = load_text("sap-b1", &once, "https://system.example/api");
    let once = once.unwrap_or_else(|| panic!("{told}"));
    let listing = once.entity("Customer").unwrap().list(&FieldSet::ID, &test, &[], None, 50).unwrap();
    assert!(catalogue::decoded(&listing).contains("FederalTaxID eq 'PL5260250274'"));
    // Codes are asked for by all the words that mean them.
    let unit = catalogue::test(system.entity("Product").unwrap(), "unit", Op::Eq, "H87");
    let listing = system.entity("Product").unwrap().list(&FieldSet::ID, &unit, &[], None, 50).unwrap();
    let asked = catalogue::decoded(&listing);
    assert!(asked.contains("InventoryUOM eq 'szt.'") && asked.contains("InventoryUOM eq 'PCS'"), "{asked}");
}
