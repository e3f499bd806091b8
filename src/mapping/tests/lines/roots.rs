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
