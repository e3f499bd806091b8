//! Codes and numbers through the doors: one spelling of each, whatever a caller or a system writes.

use bramka::demo::standin::Trouble;
use http::Method;
use serde_json::{Value, json};

use crate::{
    stage::Stage,
    writes::{no_edit, with},
};

const FIRST: &str = "/v1/customers/701000000001";
/// The shop may write numbers.
const NUMBERS: &str = "@id(\"numbers\")\n@writes(\"vat_id\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Customer);\n";

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[test]
fn a_tax_number_is_found_however_it_is_written_and_refused_where_it_cannot_be_one() {
    let stage = Stage::open(with(NUMBERS));
    let made = stage.shop(Method::PATCH, FIRST, &json!({ "vat_id": "pl 526-025-02-74" })).expect(200);
    assert_eq!(made.json()["vat_id"], "PL5260250274");
    for asked in
        ["vat_id=PL5260250274", "vat_id=pl%20526-025-02-74", "vat_id[in]=PL526.025.02.74,DE136695976"]
    {
        let found = stage.get(&format!("/v1/customers?{asked}")).expect(200);
        let ids: Vec<Value> = found.items().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, ["701000000001"], "{asked}");
    }
    let filter = "$filter=vat_id%20eq%20%27PL%20526-025-02-74%27";
    let table = stage.get(&format!("/odata/customers?{filter}")).expect(200).json();
    assert_eq!(table["value"][0]["id"], "701000000001", "{table}");
    for wrong in ["PL5260250275", "PL526025027", "5260250274", "DE136695977"] {
        let refused = stage.shop(Method::PATCH, FIRST, &json!({ "vat_id": wrong })).refused(422);
        assert_eq!(pointers(&refused.json()), ["/vat_id"], "{wrong}");
    }
    assert_eq!(stage.get(FIRST).expect(200).json()["vat_id"], "PL5260250274");
}

#[test]
fn a_number_that_cannot_be_one_is_served_and_told_as_a_flaw() {
    let mut stage = Stage::open(no_edit);
    let contact = json!({ "id": "701000000001", "properties": { "firstname": "Ewa", "vat_id": "PL 526-025-02-75" },
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "archived": false });
    stage.crm.trouble(Some(Trouble::Answer(200, contact.to_string())));
    assert_eq!(stage.get(FIRST).expect(200).json()["vat_id"], "PL5260250275");
    assert_eq!(stage.stop(), 0);
    let ran = stage.verb(&["systems", "quality", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let all = told.as_array().unwrap();
    let customer = all.iter().find(|one| one["entity"] == "Customer").unwrap();
    let flaws = customer["flaws"].as_array().unwrap();
    let flaw = flaws.iter().find(|flaw| flaw["flaw"] == "bad_number").unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!((&flaw["field"], &flaw["records"]), (&"vat_id".into(), &1.into()), "{flaw:#}");
    assert!(!ran.out.contains("526025"), "no number stands in a report");
}

#[test]
fn a_word_of_one_system_is_no_code() {
    let stage = Stage::open(with(
        "@id(\"goods\")\n@writes(\"unit, tax_category\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Product);\n",
    ));
    let id = stage.get("/v1/products?limit=1").expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    let product = format!("/v1/products/{id}");
    for (field, word) in
        [("unit", "PCS"), ("unit", "szt."), ("tax_category", "FURNITURE"), ("tax_category", "23")]
    {
        let refused = stage.shop(Method::PATCH, &product, &json!({ field: word })).refused(422);
        assert_eq!(pointers(&refused.json()), [format!("/{field}")], "{word}");
    }
    // One of the list that this company does not use is refused as well, with those that it uses.
    let refused = stage.shop(Method::PATCH, &product, &json!({ "unit": "ACR" })).refused(422).json();
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("KGM"), "{refused:#}");
    let changed =
        stage.shop(Method::PATCH, &product, &json!({ "unit": "KGM", "tax_category": "E" })).expect(200);
    assert_eq!((&changed.json()["unit"], &changed.json()["tax_category"]), (&"KGM".into(), &"E".into()));
    let found = stage.get("/v1/products?tax_category=E").expect(200);
    assert_eq!(found.items().iter().map(|item| item["id"].clone()).collect::<Vec<_>>(), [json!(id)]);
}

#[test]
fn a_language_has_one_tag_whoever_writes_it_and_a_word_is_none() {
    let stage = Stage::open(with(
        "@id(\"tongues\")\n@writes(\"language\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Customer);\n",
    ));
    stage.crm.forget();
    let made = stage.shop(Method::PATCH, FIRST, &json!({ "language": "eng_gb" })).expect(200);
    assert_eq!(made.json()["language"], "en-GB");
    let sent = stage.crm.seen().into_iter().find(|seen| seen.method == "PATCH").unwrap();
    assert!(sent.body.contains(r#""hs_language":"en-gb""#), "as the system spells it: {}", sent.body);
    for asked in ["en-GB", "EN_gb", "eng-gb"] {
        let found = stage.get(&format!("/v1/customers?language={asked}")).expect(200);
        let ids: Vec<Value> = found.items().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, ["701000000001"], "{asked}");
    }
    for wrong in ["English", "cz", "en-XX", "pl-PL-x-own", ""] {
        let refused = stage.shop(Method::PATCH, FIRST, &json!({ "language": wrong })).refused(422);
        assert_eq!(pointers(&refused.json()), ["/language"], "{wrong}");
    }
    assert_eq!(stage.get(FIRST).expect(200).json()["language"], "en-GB");
    stage.get("/v1/customers?language=English").refused(400);
}

#[test]
fn a_language_of_a_system_that_is_none_is_left_untold_and_found() {
    let mut stage = Stage::open(no_edit);
    let contact = json!({ "id": "701000000001", "properties": { "firstname": "Ewa", "hs_language": "Polish" },
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "archived": false });
    stage.crm.trouble(Some(Trouble::Answer(200, contact.to_string())));
    let told = stage.get(FIRST).expect(200).json();
    assert_eq!((told["given_name"].as_str(), told.get("language")), (Some("Ewa"), None), "{told}");
    assert_eq!(stage.stop(), 0);
    let ran = stage.verb(&["systems", "quality", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let customer = told.as_array().unwrap().iter().find(|one| one["entity"] == "Customer").unwrap();
    let flaw = customer["flaws"].as_array().unwrap().iter().find(|flaw| flaw["field"] == "language");
    assert_eq!(flaw.map(|flaw| &flaw["records"]), Some(&1.into()), "{customer:#}");
}

#[test]
fn who_sends_a_rate_that_the_system_works_out_is_told_why() {
    let stage = Stage::open(no_edit);
    let line = |rate: &str| json!({ "kind": "item", "sku": "1007", "quantity": "1", "unit": "H87", "tax_rate": rate });
    let order = json!({ "customer": "20000", "currency": "USD", "lines": [line("23")] });
    let refused = stage.shop(Method::POST, "/v1/orders", &order).refused(422).json();
    assert_eq!(pointers(&refused), ["/lines/0/tax_rate"]);
    assert!(refused.to_string().contains("works out the rate"), "{refused:#}");
}
