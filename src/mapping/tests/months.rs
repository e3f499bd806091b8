//! Facts about days and months that stand in one place: which of the two it is, the value says.

use jiff::civil::Date;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const BOOKS: &str = r#"
absent: { any: [""] }
clear: { any: "" }
entities:
  Invoice:
    at: /invoices
    create: {}
    read: {}
    update: {}
    fields:
      currency: currency
      lines: { each: rows, fields: { quantity: n } }
      $one_of:
        - { delivery_date: sold }
        - { period_start: { at: sold, as: { date: month_first } }, period_end: { at: sold, as: { date: month_last } } }
        - {}
"#;

fn books() -> Arc<Mapping> {
    let (system, told) = load_text("books", BOOKS, "https://books.example.com");
    system.unwrap_or_else(|| panic!("{told}")).entity("Invoice").unwrap().clone()
}

fn invoice(part: &Json) -> Json {
    let mut invoice = json!({ "currency": "PLN", "lines": [{ "quantity": "1" }] });
    invoice.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    invoice
}

/// What stands at `sold` of what is sent, or where it is refused and why.
fn sent(part: &Json) -> Result<Option<Json>, Vec<(String, String)>> {
    let m = books();
    match m.create(&record(&m, &invoice(part).to_string())) {
        Ok(request) => {
            let body: Json = serde_json::from_slice(&request.body).unwrap();
            Ok(body.get("sold").cloned())
        }
        Err(faults) => Err(faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()),
    }
}

/// What is told of the three fields, and the findings.
fn told(native: &Json) -> ([Json; 3], usize) {
    let m = books();
    let body = json!({ "id": "1", "currency": "PLN", "rows": [], "sold": native }).to_string();
    let inward = m.inward(&answer(200, &body), &m.entity().all()).unwrap();
    let record = json(m.entity(), &inward.record);
    let told = ["delivery_date", "period_start", "period_end"].map(|field| record[field].clone());
    (told, inward.findings.len())
}

#[test]
fn a_day_is_a_day_and_a_month_is_a_period() {
    assert_eq!(told(&json!("2026-01-31")), ([json!("2026-01-31"), Json::Null, Json::Null], 0));
    assert_eq!(told(&json!("2024-02")), ([Json::Null, json!("2024-02-01"), json!("2024-02-29")], 0));
    assert_eq!(told(&json!("")), ([Json::Null, Json::Null, Json::Null], 0));
    assert_eq!(told(&Json::Null), ([Json::Null, Json::Null, Json::Null], 0));
    // What is neither is told as such.
    for neither in ["2026", "2026-13", "2026-1", "2026-02-30", "2026-02-", "-026-02", "01-2026", "soon"] {
        assert_eq!(told(&json!(neither)), ([Json::Null, Json::Null, Json::Null], 1), "{neither}");
    }
}

#[test]
fn a_day_is_sent_as_a_day_and_a_whole_month_as_a_month() {
    assert_eq!(sent(&json!({ "delivery_date": "2026-01-31" })), Ok(Some(json!("2026-01-31"))));
    assert_eq!(
        sent(&json!({ "period_start": "2024-02-01", "period_end": "2024-02-29" })),
        Ok(Some(json!("2024-02")))
    );
    assert_eq!(sent(&json!({})), Ok(None));
}

#[test]
fn any_other_period_and_both_at_once_are_refused_with_what_is_taken() {
    for other in [
        json!({ "period_start": "2026-02-01", "period_end": "2026-03-31" }),
        json!({ "period_start": "2026-02-01", "period_end": "2026-02-27" }),
        json!({ "period_start": "2026-02-02", "period_end": "2026-02-28" }),
        json!({ "period_start": "2026-02-01" }),
        json!({ "period_end": "2026-02-28" }),
        json!({ "delivery_date": "2026-02-01", "period_start": "2026-02-01", "period_end": "2026-02-28" }),
    ] {
        let faults = sent(&other).unwrap_err();
        assert_eq!(faults.len(), 1, "{other}: {faults:?}");
        let words = "one of these: `delivery_date`; `period_start` with `period_end`; nothing";
        assert!(faults[0].1.contains(words), "{other}: {faults:?}");
    }
}

#[test]
fn a_month_is_one_place_of_one_way_and_no_literal() {
    let told =
        |from: &str, to: &str| load_text("books", &BOOKS.replace(from, to), "https://books.example.com").1;
    // Two lines do not write one place, unless they say both ends of it.
    let same = told("month_last", "month_first");
    assert!(same.contains("`sold` is written by `period_start` already"), "{same}");
    let days = told("{ at: sold, as: { date: month_last } }", "sold");
    assert!(days.contains("is written by"), "{days}");
    let filters = "filters:\n  f: { shape: flat, fields: {}, literals: { date: month_first } }\nabsent:";
    assert!(told("absent:", filters).contains("a filter compares days"));
    assert!(told("month_last", "month_end").contains("month_last"));
}

proptest! {
    /// Write-read: what is sent of a whole month, and of a day, reads back as itself.
    #[test]
    fn what_is_sent_reads_back_as_it_was(year in 1900i16..2200, month in 1i8..=12, day in 1i8..=28) {
        let first = Date::new(year, month, 1).unwrap();
        let period = json!({ "period_start": first.to_string(), "period_end": first.last_of_month().to_string() });
        let native = sent(&period).unwrap().unwrap();
        let expected = [Json::Null, period["period_start"].clone(), period["period_end"].clone()];
        prop_assert_eq!(told(&native), (expected, 0));
        let day = json!(Date::new(year, month, day).unwrap().to_string());
        let native = sent(&json!({ "delivery_date": day })).unwrap().unwrap();
        prop_assert_eq!(told(&native), ([day, Json::Null, Json::Null], 0));
    }
}
