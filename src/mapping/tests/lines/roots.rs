//! What stands around a record, or around the list an element stands in.

use super::*;

const LINES: &str = r#"
currency: $answer.meta.currency
vat: $head.X-Tenant
lines:
  each: items
  fields:
    amount: amount
    doubled: { calc: amount * $up.factor }
    currency: $up.cur
    note: { join: [$up.who.name, note] }
"#;

fn page(m: &Mapping, body: &Json) -> Page {
    let listing = m.list(&m.mapped(), &schema::Filter::All(Vec::new()), &[], None, 10).unwrap();
    let mut answer = answer(200, &body.to_string());
    answer.headers.insert("x-tenant", "T1".parse().unwrap());
    m.inward_list(&listing, &answer, &m.mapped()).unwrap()
}

#[test]
fn a_record_reads_what_stands_around_it() {
    let m = thing(LINES);
    let row = |id: &str, cur: &str| json!({ "id": id, "items": [{ "amount": "1.5", "note": "x" }, { "amount": 2, "note": null }], "cur": cur, "factor": 2, "who": { "name": "Ewa" } });
    // Wherever it stands: behind the rows too.
    let page =
        page(&m, &json!({ "rows": [row("1", "EUR"), row("2", "PLN")], "meta": { "currency": "CHF" } }));
    let rows: Vec<_> = page.rows.into_iter().map(Result::unwrap).collect();
    assert!(rows.iter().all(|row| row.missing.is_empty()), "{rows:?}");
    let read = json(m.entity(), &rows[1].record);
    assert_eq!((&read["currency"], &read["vat"]), (&json!("CHF"), &json!("T1")));
    let lines = json!([
        { "amount": "1.5", "doubled": "3.0", "currency": "PLN", "note": "Ewa x" },
        { "amount": "2", "doubled": "4", "currency": "PLN", "note": "Ewa" },
    ]);
    assert_eq!(read["lines"], lines);
    assert_eq!(json(m.entity(), &rows[0].record)["lines"][0]["currency"], "EUR");
}

#[test]
fn what_is_not_around_a_record_is_not_told() {
    let m = thing(LINES);
    let native =
        json!({ "items": [{ "amount": 1, "note": "x" }], "factor": null, "meta": { "currency": "CHF" } });
    let (read, untold) = reads(&m, &native);
    assert_eq!(read, json!({ "currency": "CHF", "lines": [{ "amount": "1" }] }));
    assert_eq!(untold, ["vat", "lines.currency", "lines.note"]);
}

#[test]
fn what_is_outside_of_a_record_is_never_written() {
    let m = thing(
        "name: name\ncurrency: $answer.c\nlines: { each: items, fields: { amount: amount, currency: $up.cur } }",
    );
    let told = refused(
        &m,
        &json!({ "name": "a", "currency": "EUR", "lines": [{ "amount": "1", "currency": "EUR" }] }),
    );
    let pointers: Vec<_> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/currency", "/lines/0/currency"]);
    let made = creates(&m, &json!({ "name": "a", "lines": [{ "amount": "1" }] }));
    assert_eq!(made, json!({ "name": "a", "items": [{ "amount": 1 }] }));
    all_told(&[
        ("name: $up.name", "there is no such list here"),
        ("name: { at: $answer.name, write: always }", "cannot be written"),
        ("name: { at: name, write_at: $answer.name }", "not known here"),
        ("name: $other.name", "not known here"),
        ("name: \"$head.bad name\"", "names no header field"),
        ("lines: { each: $up.items, fields: { amount: amount } }", "not known here"),
    ]);
}

/// Levels of a system that spells moments in its own way.
fn levels(more: &str, fields: &str) -> (Option<System>, String) {
    let text = format!(
        "speaks: odata2\nsettings: {{ language: 'E]N' }}\nentities:\n  StockLevel:\n    at: /levels\n    list: {{ rows: d }}\n    \
         read: {{}}\n{more}    fields:\n      sku: sku\n{fields}"
    );
    load_text("x", &text, "https://x.example/")
}

#[test]
fn the_moment_at_which_an_answer_came_is_told_of_each_record_in_it() {
    let (system, told) = levels("", "      as_of: $received\n");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("StockLevel").unwrap().clone();
    let received = Received::at("2026-03-01T08:00:00.12Z".parse().unwrap());
    let rows = json!({ "d": [{ "id": "1", "sku": "a" }, { "id": "2", "sku": "b" }] }).to_string();
    let listing = m.list(&m.mapped(), &schema::Filter::All(Vec::new()), &[], None, 10).unwrap();
    let came = NativeAnswer { received: Some(received), ..answer(200, &rows) };
    let page = m.inward_list(&listing, &came, &m.mapped()).unwrap();
    for row in page.rows {
        let row = row.unwrap();
        assert!(row.missing.is_empty() && row.findings.is_empty(), "{row:?}");
        assert_eq!(json(m.entity(), &row.record)["as_of"], "2026-03-01T08:00:00.12Z");
    }
    // Of what was recorded once nobody knows when it came.
    let row = m.inward(&answer(200, r#"{ "d": { "id": "1", "sku": "a" } }"#), &m.mapped()).unwrap();
    assert_eq!((row.missing.iter().count(), m.received().iter().count()), (1, 1));
}

#[test]
fn the_moment_of_an_answer_is_a_moment_of_what_is_only_read() {
    for (more, fields, word) in [
        (
            "    update: {}\n",
            "      as_of: $received\n",
            "`$received` makes a record another one at each answer",
        ),
        ("", "      lot: $received\n", "`$received` is a moment, and `lot` is none"),
    ] {
        let (system, told) = levels(more, fields);
        assert!(system.is_none() && told.contains(word), "{told}");
    }
}

#[test]
fn a_setting_says_which_element_of_a_list_is_read() {
    let (system, told) = levels(
        "",
        "      lot:\n        first:\n          - { when: { 'names[in=$settings.language].is': ~ }, at: 'names[0].is' }\n          \
         - { at: 'names[in=$settings.language].is' }\n",
    );
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("StockLevel").unwrap().clone();
    let lot = |names: Json| {
        let body = json!({ "d": { "id": "1", "sku": "a", "names": names } }).to_string();
        json(m.entity(), &m.inward(&answer(200, &body), &m.mapped()).unwrap().record)["lot"].clone()
    };
    let [german, own] = [json!({ "in": "DE", "is": "Lampe" }), json!({ "in": "E]N", "is": "Lamp" })];
    assert_eq!(lot(json!([german, own])), "Lamp");
    assert_eq!(lot(json!([german])), "Lampe");
    assert_eq!(lot(json!([])), Json::Null);
    let (system, told) = levels("", "      lot: 'names[in=$settings.langage].is'\n");
    assert!(system.is_none() && told.contains("setting `langage` is not in `settings`"), "{told}");
    assert!(told.contains("did you mean `language`?"), "{told}");
}
