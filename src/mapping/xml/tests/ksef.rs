//! Facts about invoices of the Polish national system: what is sent is valid by the schema that its ministry
//! publishes, in every way a buyer and a rate can be told, whatever texts it holds.

use std::{fs, path::PathBuf, process::Command};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{
    catalog::Action,
    mapping::{Before, FaultKind, Mapping, System, What},
    schema::{FieldSet, Filter, Op, Value},
};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ksef");
const NUMBER: &str = "5265877635-20260201-010080615740-E4";
const EARLIER: &str = include_str!("../../../../tests/fixtures/ksef/fa2.vat.template.xml");
const INVOICE: &str = include_str!("../../../../tests/fixtures/ksef/fa3.vat.template.xml");

fn ksef() -> System {
    let text = include_str!("../../../../policies/systems/catalogue/ksef.yaml");
    let (system, told) = load_text("ksef", text, "https://ksef.example.com");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn whole() -> Json {
    json!({
        "number": "FA/1/2026", "issue_date": "2026-02-01", "delivery_date": "2026-01-31", "due_date": "2026-02-15",
        "currency": "PLN", "buyer_reference": "PO-9", "payment": { "means": "30" },
        "buyer": { "name": "Młyn & Syn", "vat_id": "PL3861610227", "line1": "Polna 1", "post_code": "59-400", "city": "Środa Śląska", "country": "PL" },
        "lines": [
            { "sku": "M25", "description": "Mąka <25 kg>", "quantity": "2.125", "unit": "H87", "net_price": "14.50", "line_net_total": "30.81", "tax_category": "S", "tax_rate": "23.00" },
            { "description": "Usługa", "quantity": "1", "net_price": "0.12345678", "line_net_total": "0.12", "tax_category": "E", "tax_rate": "0" },
            { "description": "Złom", "quantity": "3", "unit": "KGM", "net_price": "1", "line_net_total": "3.00", "tax_category": "AE", "tax_rate": "0" } ],
        "tax_breakdown": [
            { "tax_category": "AE", "tax_rate": "0", "taxable_amount": "3.00" },
            { "tax_category": "S", "tax_rate": "23.00", "taxable_amount": "30.81", "tax_amount": "7.09" },
            { "tax_category": "E", "tax_rate": "0", "taxable_amount": "0.12", "exemption_reason": "art. 43 ust. 1 pkt 1" } ],
        "tax_inclusive_total": "41.02"
    })
}

/// What is sent of an invoice, or where it is refused and why.
fn sent(mapping: &Mapping, invoice: &Json) -> Result<String, Vec<(String, String)>> {
    match mapping.create(&record(mapping, &invoice.to_string())) {
        Ok(request) => Ok(String::from_utf8(request.body.to_vec()).unwrap()),
        Err(faults) => Err(faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()),
    }
}

/// Whether the ministry's schema takes all documents; what its validator says where it does not.
fn validated(name: &str, documents: &[String]) -> Result<(), String> {
    let dir = std::env::temp_dir().join(format!("bramka-ksef-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let files: Vec<PathBuf> = (0..documents.len()).map(|at| dir.join(format!("{at}.xml"))).collect();
    for (file, document) in files.iter().zip(documents) {
        fs::write(file, document).unwrap();
    }
    let told = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(format!("{FIXTURES}/schemat_FA3_v1-0E.xsd"))
        .args(&files)
        .env("XML_CATALOG_FILES", format!("{FIXTURES}/catalog.xml"))
        .output()
        .expect("xmllint is needed: scripts/test installs it");
    fs::remove_dir_all(&dir).unwrap();
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    if told.status.success() { Ok(()) } else { Err(words) }
}

#[test]
fn the_file_loads_and_its_samples_hold() {
    let system = ksef();
    let found = system.check();
    assert!(found.0.is_empty(), "{found}");
    assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
}

#[test]
fn an_invoice_is_sent_as_the_published_schema_has_it() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let document = sent(mapping, &whole()).unwrap();
    assert_eq!(validated("whole", std::slice::from_ref(&document)), Ok(()), "{document}");
    for part in [
        "<NIP>3861610227</NIP><Nazwa>Młyn &amp; Syn</Nazwa>",
        "<AdresL2>59-400 Środa Śląska</AdresL2>",
        "<P_13_1>30.81</P_13_1><P_14_1>7.09</P_14_1><P_13_7>0.12</P_13_7><P_13_10>3.00</P_13_10><P_15>41.02</P_15>",
        "<P_18>1</P_18>",
        "<Zwolnienie><P_19>1</P_19><P_19A>art. 43 ust. 1 pkt 1</P_19A></Zwolnienie>",
        "<FaWiersz><NrWierszaFa>1</NrWierszaFa><P_7>Mąka &lt;25 kg&gt;</P_7><Indeks>M25</Indeks><P_8A>szt.</P_8A><P_8B>2.125</P_8B><P_9A>14.50</P_9A><P_11>30.81</P_11><P_12>23</P_12></FaWiersz>",
        "<FaWiersz><NrWierszaFa>2</NrWierszaFa>",
        "<P_12>zw</P_12></FaWiersz><FaWiersz><NrWierszaFa>3</NrWierszaFa>",
    ] {
        assert!(document.contains(part), "{part} is not in {document}");
    }
    // A validator that takes everything would prove nothing.
    let swapped = document.replace("<NrWierszaFa>2</NrWierszaFa>", "");
    assert!(validated("swapped", &[swapped]).unwrap_err().contains("NrWierszaFa"));
}

#[test]
fn every_way_to_tell_a_buyer_and_a_rate_is_valid() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let mut documents = Vec::new();
    for (vat_id, wanted) in [
        (json!("PL3861610227"), "<NIP>3861610227</NIP>"),
        (json!("DE136695976"), "<KodUE>DE</KodUE><NrVatUE>136695976</NrVatUE>"),
        (json!("GR 094259216"), "<KodUE>EL</KodUE><NrVatUE>094259216</NrVatUE>"),
        (json!("US98-7654321"), "<KodKraju>US</KodKraju><NrID>987654321</NrID>"),
        (json!("pl 386-161-02-27"), "<NIP>3861610227</NIP>"),
        (json!("IE 1s-23456l"), "<KodUE>IE</KodUE><NrVatUE>1S23456L</NrVatUE>"),
        (Json::Null, "<BrakID>1</BrakID>"),
    ] {
        let mut invoice = whole();
        match vat_id {
            Json::Null => drop(invoice["buyer"].as_object_mut().unwrap().remove("vat_id")),
            vat_id => invoice["buyer"]["vat_id"] = vat_id,
        }
        let document = sent(mapping, &invoice).unwrap();
        let wanted = format!("<Podmiot2><DaneIdentyfikacyjne>{wanted}<Nazwa>");
        assert!(document.contains(&wanted), "{wanted} is not in {document}");
        documents.push(document);
    }
    for (category, rate, code) in [
        ("S", "23", "23"),
        ("S", "8.0", "8"),
        ("S", "5", "5"),
        ("S", "4", "4"),
        ("Z", "0", "0 KR"),
        ("K", "0.00", "0 WDT"),
        ("G", "0", "0 EX"),
        ("E", "0", "zw"),
        ("AE", "0", "oo"),
        ("O", "0", "np I"),
    ] {
        let mut invoice = whole();
        invoice["lines"] = json!([{ "description": "a", "quantity": "1", "net_price": "1", "line_net_total": "1",
                                    "tax_category": category, "tax_rate": rate }]);
        let mut row = json!({ "tax_category": category, "tax_rate": rate, "taxable_amount": "-1.500" });
        match category {
            "S" => row["tax_amount"] = json!("-0.1"),
            "E" => row["exemption_reason"] = json!("art. 43"),
            _ => {}
        }
        invoice["tax_breakdown"] = json!([row]);
        let document = sent(mapping, &invoice).unwrap();
        assert!(document.contains(&format!("<P_12>{code}</P_12>")), "{code}: {document}");
        assert_eq!(document.contains("<P_19N>1</P_19N>"), category != "E", "{document}");
        documents.push(document);
    }
    assert_eq!(validated("ways", &documents), Ok(()));
}

#[test]
fn a_day_of_delivery_or_a_period_is_sent_as_the_law_has_it() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let with = |fields: &[(&str, &str)]| {
        let mut invoice = whole();
        invoice.as_object_mut().unwrap().remove("delivery_date");
        fields.iter().for_each(|(name, day)| invoice[name] = json!(day));
        sent(mapping, &invoice)
    };
    let period = [("period_start", "2026-01-12"), ("period_end", "2026-02-11")];
    let documents =
        vec![with(&[("delivery_date", "2026-01-31")]).unwrap(), with(&period).unwrap(), with(&[]).unwrap()];
    assert_eq!(validated("periods", &documents), Ok(()), "{documents:?}");
    assert!(
        documents[1].contains("<OkresFa><P_6_Od>2026-01-12</P_6_Od><P_6_Do>2026-02-11</P_6_Do></OkresFa>")
    );
    let read = mapping.inward_of(
        "5265877635-20260201-010080615740-E4",
        &answer(200, &documents[1]),
        &mapping.entity().all(),
    );
    let told = json(mapping.entity(), &read.unwrap().record);
    assert_eq!((&told["period_start"], &told["period_end"]), (&json!("2026-01-12"), &json!("2026-02-11")));
    let faults = with(&[period[0], period[1], ("delivery_date", "2026-01-31")]).unwrap_err();
    assert!(faults[0].1.contains("`delivery_date`; `period_start` with `period_end`"), "{faults:?}");
}

#[test]
fn what_no_way_takes_is_refused_with_the_ways_there_are() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let refused = |edit: &dyn Fn(&mut Json)| {
        let mut invoice = whole();
        edit(&mut invoice);
        sent(mapping, &invoice).unwrap_err()
    };
    // A Polish number is no foreign one, however badly it is written.
    for bad in ["PL12", "PL38616102X", "3861610227", "DE", "DE-", "ZZ-1"] {
        let wanted_of = refused(&|invoice| invoice["buyer"]["vat_id"] = json!(bad));
        assert_eq!(wanted_of[0].0, "/buyer/vat_id", "{bad}");
        assert!(wanted_of[0].1.contains("`vat_id` that begins with `PL`"), "{}", wanted_of[0].1);
        assert!(wanted_of[0].1.contains("nothing"), "{}", wanted_of[0].1);
    }
    for (category, rate) in [("S", "22"), ("S", "0"), ("E", "23"), ("L", "0")] {
        let told = refused(&|invoice| {
            invoice["lines"][0]["tax_category"] = json!(category);
            invoice["lines"][0]["tax_rate"] = json!(rate);
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, "/lines/0/tax_category");
        assert!(told[0].1.contains("`tax_category` `S` with `tax_rate` `23`"), "{}", told[0].1);
    }
    let told = refused(&|invoice| invoice["tax_breakdown"][1]["tax_rate"] = json!("22"));
    assert_eq!(told[0].0, "/tax_breakdown/1");
    let told =
        refused(&|invoice| drop(invoice["tax_breakdown"][1].as_object_mut().unwrap().remove("tax_amount")));
    assert_eq!(told[0].0, "/tax_breakdown/1/taxable_amount");
    let told = refused(&|invoice| {
        drop(invoice["tax_breakdown"][2].as_object_mut().unwrap().remove("exemption_reason"))
    });
    assert_eq!(told[0].0, "/tax_breakdown/2/taxable_amount");
    for (edit, pointer) in [
        (
            &(|invoice: &mut Json| drop(invoice.as_object_mut().unwrap().remove("number")))
                as &dyn Fn(&mut Json),
            "/number",
        ),
        (&|invoice| drop(invoice.as_object_mut().unwrap().remove("buyer")), "/buyer/name"),
        (&|invoice| invoice["tax_breakdown"] = json!([]), "/tax_breakdown"),
        (&|invoice| invoice["currency"] = json!("EUR"), "/currency"),
        (&|invoice| invoice["tax_inclusive_total"] = json!("1.001"), "/tax_inclusive_total"),
        (&|invoice| invoice["lines"][0]["net_price"] = json!("0.123456789"), "/lines/0/net_price"),
        (&|invoice| invoice["type_code"] = json!("381"), "/type_code"),
    ] {
        let told = refused(edit);
        assert!(told.iter().any(|(at, _)| at == pointer), "{pointer}: {told:?}");
    }
}

#[test]
fn a_caller_is_told_beforehand_what_this_system_needs() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let view = mapping.view(Action::Create);
    let leaf = |path: &str| mapping.entity().leaf_at(path).unwrap();
    for path in ["number", "buyer.name", "lines.tax_rate", "tax_breakdown.taxable_amount"] {
        assert!(view.required.contains(leaf(path)), "{path}");
    }
    assert!(!view.required.contains(leaf("due_date")));
    assert!(view.writable.contains(leaf("buyer.vat_id")) && !view.writable.contains(leaf("customer")));
    assert_eq!(mapping.view(Action::Update).writable, FieldSet::EMPTY);
}

#[test]
fn the_ministrys_own_invoice_reads_as_an_invoice() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let text = INVOICE.replace("#nip#", "5265877635").replace("#invoicing_date#", "2025-07-11");
    let read = |text: &str| mapping.inward_of(NUMBER, &answer(200, text), &mapping.entity().all()).unwrap();
    let inward = read(&text);
    // It was paid by telephone, which the shared schema has no code for.
    let paid = What::UnknownValue("7".into());
    assert_eq!(inward.findings.iter().map(|finding| &finding.what).collect::<Vec<_>>(), [&paid]);
    let invoice = json(mapping.entity(), &inward.record);
    assert_eq!(invoice["id"], NUMBER);
    assert_eq!(invoice["clearance"], json!({ "number": NUMBER }));
    assert_eq!(invoice["number"], "FA/GRQMB-#invoice_number#/05/2025");
    assert_eq!(
        invoice["buyer"],
        json!({ "name": "Błaszczak - Lenart", "vat_id": "PL3861610227", "line1": "al. Szewczyk 7247",
                                        "post_code": "84-642", "city": "Żelechów", "country": "PL" })
    );
    assert_eq!(invoice["lines"].as_array().unwrap().len(), 6);
    assert_eq!(
        invoice["lines"][1],
        json!({ "id": "2", "description": "Sleek Steel Pants", "quantity": "10", "unit": "H87",
                                           "net_price": "402.96", "line_net_total": "4029.60", "tax_category": "S", "tax_rate": "23" })
    );
    assert_eq!(
        invoice["tax_breakdown"],
        json!([{ "tax_category": "S", "tax_rate": "23", "taxable_amount": "10652.38", "tax_amount": "2450.05" }])
    );
    assert_eq!(invoice["payment"]["means"], "ZZZ");
    // A code that the file does not know is told as such, and the rest is served.
    let other = read(&text.replacen("<P_12>23</P_12>", "<P_12>22</P_12>", 1));
    assert!(other.findings.iter().any(|finding| finding.what == What::NoRule), "{:?}", other.findings);
    let other = json(mapping.entity(), &other.record);
    assert_eq!(other["lines"][0].get("tax_rate"), None);
    assert_eq!(other["lines"][1]["tax_rate"], "23");
    let foreign = read(&text.replace("<NIP>3861610227</NIP>", "<KodUE>DE</KodUE><NrVatUE>123</NrVatUE>"));
    assert_eq!(json(mapping.entity(), &foreign.record)["buyer"]["vat_id"], "DE123");
    let none = read(&text.replace("<NIP>3861610227</NIP>", "<BrakID>1</BrakID>"));
    assert_eq!(json(mapping.entity(), &none.record)["buyer"].get("vat_id"), None);
    // A correction is none of these, nor is an invoice that somebody else issued.
    for other in [text.replace(">VAT<", ">KOR<"), text.replace("5265877635", "5265877636")] {
        let fault = mapping.inward_of(NUMBER, &answer(200, &other), &FieldSet::EMPTY).unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotFound);
    }
}

#[test]
fn an_invoice_of_the_form_before_is_read_and_none_of_another() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let text = EARLIER.replace("#nip#", "5265877635").replace("#invoicing_date#", "2025-05-20");
    let read = |text: &str| mapping.inward_of(NUMBER, &answer(200, text), &mapping.entity().all());
    let invoice = json(mapping.entity(), &read(&text).unwrap().record);
    assert_eq!(invoice["buyer"]["vat_id"], "PL6888785549");
    assert_eq!(invoice["lines"].as_array().unwrap().len(), 12);
    assert_eq!(invoice["tax_inclusive_total"], "35003.19");
    let fault = read(&text.replace("2023/06/29/12648", "2021/11/29/11089")).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
    // It is never written.
    let sent = sent(mapping, &whole()).unwrap();
    assert!(sent.contains("2025/06/25/13775") && !sent.contains("12648"), "{sent}");
}

#[test]
fn what_is_wrong_with_a_document_may_be_told_in_json() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let fault = |status, code: u32, media: &'static str| {
        let told = json!({ "exception": { "exceptionDetailList": [{ "exceptionCode": code, "exceptionDescription": "x" }] } });
        let mut answer = answer(status, &told.to_string());
        answer.headers.insert("content-type", media.parse().unwrap());
        mapping.inward_of(NUMBER, &answer, &FieldSet::EMPTY).unwrap_err().kind
    };
    assert_eq!(fault(400, 21164, "application/json; charset=utf-8"), FaultKind::NotFound);
    assert_eq!(fault(400, 21165, "application/problem+json"), FaultKind::NotFound);
    assert_eq!(fault(400, 21405, "Application/JSON"), FaultKind::Invalid(Vec::new()));
    assert_eq!(fault(429, 0, "application/json"), FaultKind::RateLimited { after: None });
    // Without the header it is what the system speaks, and that it is not.
    assert_eq!(fault(400, 21164, "application/xml"), FaultKind::Unknown);
}

#[test]
fn a_write_is_judged_by_what_is_held_and_holds_what_was_sent() {
    let system = ksef();
    let mapping = system.entity("Invoice").unwrap();
    let settled = mapping.settled(Before::Nothing, record(mapping, &whole().to_string()), &FieldSet::EMPTY);
    let held = json(mapping.entity(), &settled.held);
    assert_eq!(held["buyer"]["vat_id"], "PL3861610227");
    assert_eq!(held["lines"][0]["tax_category"], "S");
    assert_eq!(held["lines"][0]["tax_rate"], "23");
    assert_eq!(held["lines"][1]["id"], "2");
    assert_eq!(held["type_code"], "380");
}

#[test]
fn the_register_tells_the_heads_of_invoices_exactly() {
    let text = include_str!("../../../../policies/systems/catalogue/ksef-register.yaml");
    let (system, told) = load_text("ksef-register", text, "https://ksef.example.com");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let found = system.check();
    assert!(found.0.is_empty(), "{found}");
    let mapping = system.entity("Invoice").unwrap();
    let since = Filter::Test {
        leaf: mapping.entity().leaf_at("created_at").unwrap(),
        op: Op::Gte,
        value: Value::Instant("2025-08-28T09:22:13.388Z".parse().unwrap()),
    };
    let listing = mapping.list(&mapping.mapped(), &since, &[], None, 50).unwrap();
    let sent: Json = serde_json::from_slice(&listing.request.body).unwrap();
    let range = json!({ "dateType": "PermanentStorage", "from": "2025-08-28T09:22:13.388Z" });
    assert_eq!(sent, json!({ "subjectType": "Subject1", "dateRange": range }));
    assert!(
        listing.request.target.ends_with("/invoices/query/metadata?sortOrder=Asc&pageSize=250&pageOffset=0"),
        "{}",
        listing.request.target
    );
    let native = include_str!("../../../../tests/fixtures/ksef/api.invoices.query.response.json");
    let read = |native: &str| {
        let page = mapping.inward_list(&listing, &answer(200, native), &mapping.entity().all()).unwrap();
        let row = page.rows.into_iter().next().unwrap().unwrap();
        assert_eq!(row.findings, []);
        json(mapping.entity(), &row.record)
    };
    assert_eq!(
        read(native),
        json!({
            "id": "5555555555-20250828-010080615740-E4", "number": "FA/KUDYO1a7dddfe-610e-4843-84ba-6b887e35266e",
            "type_code": "380", "issue_date": "2025-08-27", "currency": "PLN", "status": "issued",
            "seller": { "name": "Test Company 1", "vat_id": "PL5555555555" },
            "buyer": { "name": "Test Company 4", "vat_id": "PL7352765225" },
            "clearance": { "number": "5555555555-20250828-010080615740-E4", "accepted_at": "2025-08-28T09:22:56.3881234Z",
                           "document_hash": "mkht+3m5trnfxlTYhq3QFn74LkEO69MFNlsMAkCDSPA=" },
            "tax_exclusive_total": "35260.63", "tax_total": "8109.94", "tax_inclusive_total": "43370.57",
            "created_at": "2025-08-28T09:23:01.388123Z",
        })
    );
    // VAT is told in PLN: of an invoice in another currency it is no amount of the invoice.
    let foreign = read(&native.replace(r#""currency": "PLN""#, r#""currency": "EUR""#));
    assert_eq!((foreign.get("tax_total"), &foreign["tax_inclusive_total"]), (None, &json!("43370.57")));
    let exact = read(&native.replacen("43370.57", "29.949999999999999", 1));
    assert_eq!(exact["tax_inclusive_total"], "29.949999999999999");
    for (kind, vat_id) in [("VatUe", Some("7352765225")), ("Other", None), ("None", None)] {
        let other = read(&native.replace(r#""type": "Nip""#, &format!(r#""type": "{kind}""#)));
        assert_eq!(other["buyer"].get("vat_id").and_then(Json::as_str), vat_id, "{kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_text_holds_it_stays_a_text_of_a_valid_invoice(
        texts in prop::collection::vec("[ -~ąćłŁ<&\"']{1,60}", 8)
    ) {
        let system = ksef();
        let mapping = system.entity("Invoice").unwrap();
        let mut documents = Vec::new();
        for text in texts.iter().filter(|text| !text.trim().is_empty()) {
            let mut invoice = whole();
            invoice["buyer"]["name"] = json!(text);
            invoice["lines"][0]["description"] = json!(text);
            invoice["number"] = json!(text.trim().chars().take(20).collect::<String>());
            let document = sent(mapping, &invoice).unwrap();
            let tree = tree(document.as_bytes()).unwrap();
            prop_assert_eq!(tree["Faktura"]["Podmiot2"]["DaneIdentyfikacyjne"]["Nazwa"].as_str(), Some(text.trim()));
            documents.push(document);
        }
        prop_assert_eq!(validated("texts", &documents), Ok(()));
    }
}
