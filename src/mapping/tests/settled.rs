//! Facts about what a write comes to: what is judged is what reads back.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const SPELT: &str = r#"
absent: { any: ["", "n/a"] }
clear: { any: "" }
entities:
  Customer:
    at: /c
    read: {}
    create: {}
    update: {}
    fields:
      kind: =person
      given_name: { at: p.first, norm: [trim, upper] }
      family_name: p.last
      name: { join: [p.first, p.last], else: p.mail }
      company: { at: p.company, values: { V: VIP }, else: $value }
      gln: { at: p.vat, norm: digits, most: 6 }
      emails[0].value: p.mail
      phones:
        - { type: =work, value: p.phone }
        - { type: =mobile, value: p.mobile }
      lifecycle: { first: [ { when: { p.last: Lis }, is: lead }, { is: other } ] }
"#;

fn spelt() -> System {
    let (system, told) = load_text("x", SPELT, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}"))
}

/// The native record after a request.
fn after(mut native: Json, request: &NativeRequest) -> Json {
    let Json::Object(body) = serde_json::from_slice(&request.body).unwrap() else { panic!() };
    for (name, value) in body {
        match (native.get_mut(&name), value) {
            (Some(into), Json::Object(values)) => {
                values.into_iter().for_each(|(name, value)| into[&name] = value);
            }
            (_, value) => native[&name] = value,
        }
    }
    native
}

fn read(m: &Mapping, native: &Json) -> Record {
    m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap().record
}

fn texts(words: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::of(proptest::sample::select(words))
}

type Words = (Option<&'static str>, Option<&'static str>, Option<&'static str>, Option<&'static str>);

/// Values of a record, as a caller sends them or as the system holds them.
fn words() -> impl Strategy<Value = (Words, Words)> {
    let four = (
        texts(&["ab", " ab ", "AB", "", "n/a", "ß"]),
        texts(&["Lis", "Nowak", "n/a", ""]),
        texts(&["V", "VIP", "v", "x", "n/a", ""]),
        texts(&["12", "1-2", "x", "1234567", ""]),
    );
    let more =
        (texts(&["a@x", "n/a"]), texts(&["1", "", "n/a"]), texts(&["2", ""]), texts(&["Lis", "other"]));
    (four, more)
}

fn document(((first, last, company, vat), (mail, phone, mobile, _)): &(Words, Words)) -> Json {
    let mut doc = json!({ "phones": [] });
    for (name, value) in [("given_name", first), ("family_name", last), ("company", company), ("gln", vat)] {
        if let Some(value) = value {
            doc[name] = (*value).into();
        }
    }
    if let Some(mail) = mail {
        doc["emails"] = json!([{ "value": mail }]);
    }
    for (kind, value) in [("mobile", mobile), ("work", phone)] {
        if let Some(value) = value {
            doc["phones"].as_array_mut().unwrap().push(json!({ "type": kind, "value": value }));
        }
    }
    doc
}

fn native(((first, last, company, vat), (mail, phone, mobile, _)): &(Words, Words)) -> Json {
    json!({ "id": "7", "p": { "first": first, "last": last, "company": company, "vat": vat, "mail": mail,
        "phone": phone, "mobile": mobile } })
}

proptest! {
    /// What is judged of a new record is what reads back of it.
    #[test]
    fn a_new_record_is_judged_as_it_reads_back(words in words()) {
        let system = spelt();
        let m = system.entity("Customer").unwrap();
        let new = record(m, &document(&words).to_string());
        let Settled { sent, held } = m.settled(Before::Nothing, new, &FieldSet::EMPTY);
        if let Ok(request) = m.create(&sent) {
            let empty = native(&Default::default());
            let mut back = read(m, &after(empty, &request));
            let (position, _) = m.entity().root.field("id").unwrap();
            back.fields.take(position);
            prop_assert_eq!(json(m.entity(), &back), json(m.entity(), &held));
            prop_assert_eq!(back, held);
        }
    }

    /// What is judged of a change is what reads back after it.
    #[test]
    fn a_changed_record_is_judged_as_it_reads_back(before in words(), change in words()) {
        let system = spelt();
        let m = system.entity("Customer").unwrap();
        let stored = native(&before);
        let told = answer(200, &stored.to_string());
        let old = read(m, &stored);
        let mut doc = document(&change);
        for name in ["kind", "name", "lifecycle", "id"] {
            if let Some(value) = json(m.entity(), &old).get(name) {
                doc[name] = value.clone();
            }
        }
        let new = record(m, &doc.to_string());
        let before = Before::Told { record: &old, answer: &told };
        let Settled { sent, held } = m.settled(before, new, &FieldSet::EMPTY);
        if let Ok(request) = m.update("7", &old, &sent, None) {
            let back = request.map_or(old.clone(), |request| read(m, &after(stored, &request)));
            prop_assert_eq!(json(m.entity(), &back), json(m.entity(), &held));
            prop_assert_eq!(back, held);
        }
        // Of which no system was asked: the same, as far as the record says.
        let from_record = m.settled(Before::Written { record: &old }, sent.clone(), &FieldSet::EMPTY);
        prop_assert_eq!(from_record.sent, sent);
    }
}

#[test]
fn a_word_that_would_read_back_as_another_value_or_as_nothing_is_refused() {
    let system = spelt();
    let m = system.entity("Customer").unwrap();
    for (body, pointer, says) in [
        (r#"{"company":"V"}"#, "/company", "another value"),
        (r#"{"company":"n/a"}"#, "/company", "for nothing"),
        (r#"{"given_name":" n/a "}"#, "", ""),
        (r#"{"family_name":"n/a"}"#, "/family_name", "for nothing"),
        (r#"{"emails":[{"value":"n/a"}]}"#, "/emails/0/value", "for nothing"),
    ] {
        match (pointer, m.create(&record(m, body))) {
            // In upper case it is no longer the word.
            ("", created) => assert!(created.is_ok(), "{body}"),
            (_, Err(faults)) => {
                assert_eq!(faults[0].pointer, pointer, "{body}");
                assert!(faults[0].message.contains(says), "{faults:?}");
            }
            (_, Ok(_)) => panic!("{body}"),
        }
    }
}

#[test]
fn what_is_put_together_follows_its_parts_before_a_system_is_asked() {
    let system = spelt();
    let m = system.entity("Customer").unwrap();
    let old = record(m, r#"{"kind":"person","name":"EWA Nowak","given_name":"EWA","family_name":"Nowak"}"#);
    let new = record(m, r#"{"kind":"person","name":"EWA Nowak","given_name":" eve","family_name":"Nowak"}"#);
    let settled = m.settled(Before::Written { record: &old }, new, &FieldSet::EMPTY);
    assert_eq!(json(m.entity(), &settled.sent)["given_name"], "EVE");
    assert_eq!(json(m.entity(), &settled.sent)["name"], "EWA Nowak");
    assert_eq!(json(m.entity(), &settled.held)["name"], "EVE Nowak");
}

#[test]
fn a_value_that_does_not_fit_is_emptied_where_a_change_says_so() {
    let system = spelt();
    let m = system.entity("Customer").unwrap();
    let unfit = json!({ "id": "7", "p": { "first": ["x"], "phone": ["x"], "mobile": "2" } });
    let told = m.inward(&answer(200, &unfit.to_string()), &m.entity().all()).unwrap();
    let leaves = ["given_name", "phones.value"].map(|path| m.entity().leaf_at(path).unwrap());
    let emptied: FieldSet = leaves.into_iter().collect();
    assert!(emptied.is_subset(&told.missing));
    let request =
        m.update_emptying("7", (&told.record, &told.record), None, &emptied, None).unwrap().unwrap();
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({ "p": { "first": "", "phone": "" } }));
}

#[test]
fn a_moment_beyond_the_calendar_is_left_out_or_named_as_nothing() {
    let text = |absent: &str| {
        format!(
            "entities:\n  Customer:\n    at: /c\n    read: {{}}\n    fields: {{ company: c, updated_at: {{ at: u, write: never{absent} }} }}\n"
        )
    };
    for (absent, missing, findings) in [("", true, 1), (", absent: \"9999-12-31T23:59:59Z\"", false, 0)] {
        let (system, told) = load_text("x", &text(absent), "https://x.example");
        let system = system.unwrap_or_else(|| panic!("{told}"));
        let m = system.entity("Customer").unwrap();
        let native = r#"{"id":"7","c":"x","u":"9999-12-31T23:59:59Z"}"#;
        let inward = m.inward(&answer(200, native), &m.entity().all()).unwrap();
        assert_eq!(json(m.entity(), &inward.record), json!({ "id": "7", "company": "x" }));
        assert_eq!(inward.missing.contains(m.entity().leaf_at("updated_at").unwrap()), missing, "{absent}");
        assert_eq!(inward.findings.len(), findings, "{absent}");
    }
}
