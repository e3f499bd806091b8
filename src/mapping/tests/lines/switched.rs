//! Places and lines that are there where native switches stand so.

use super::*;

const CODES: &str = r#"
name: name
codes:
  - { $when: { id_type: nip }, scheme: =nip, value: { at: number, norm: digits } }
  - { $when: { id_type: pesel }, scheme: =pesel, value: number }
places:
  - { role: =billing, city: city, street: street }
  - { $when: { other_address: "1" }, role: =contact, city: c_city, street: c_street }
"#;

#[test]
fn a_place_is_filled_where_its_switch_stands_so() {
    let m = thing(CODES);
    let native = |kind: Json, other: Json| json!({ "name": "a", "id_type": kind, "number": "123-45", "city": "A", "street": null, "other_address": other, "c_city": "B", "c_street": "C" });
    let codes = |native: &Json| reads(&m, native).0["codes"].clone();
    assert_eq!(codes(&native(json!("nip"), json!("0"))), json!([{ "scheme": "nip", "value": "12345" }]));
    assert_eq!(codes(&native(json!("pesel"), json!("0"))), json!([{ "scheme": "pesel", "value": "123-45" }]));
    assert_eq!(codes(&native(json!("none"), json!("0"))), json!([]));
    let (read, untold) = reads(&m, &native(json!("nip"), json!(1)));
    let both = json!([{ "role": "billing", "city": "A" }, { "role": "contact", "city": "B", "street": "C" }]);
    assert_eq!((&read["places"], untold), (&both, vec![]));
    let mut untold_switch = native(json!("nip"), json!("1"));
    untold_switch.as_object_mut().unwrap().remove("other_address");
    let untold = reads(&m, &untold_switch).1;
    assert_eq!(untold, ["places.role", "places.city", "places.street"]);
}

#[test]
fn what_goes_to_a_place_sets_its_switch() {
    let m = thing(CODES);
    let made =
        creates(&m, &json!({ "codes": [{ "scheme": "pesel", "value": "9" }], "places": [{ "city": "A" }] }));
    assert_eq!(made, json!({ "number": "9", "id_type": "pesel", "city": "A" }));
    let one = json!({ "places": [{ "role": "billing", "city": "A" }] });
    let two = json!({ "places": [{ "role": "billing", "city": "A" }, { "role": "contact", "city": "B" }] });
    assert_eq!(updates(&m, &one, &two), json!({ "c_city": "B", "other_address": "1" }));
    assert_eq!(updates(&m, &two, &two), Json::Null);
    assert_eq!(updates(&m, &two, &one), json!({ "c_city": "" }));
    // An element that moves takes the shared place with it, whichever way.
    let (nip, pesel) = (
        json!({ "codes": [{ "scheme": "nip", "value": "1" }] }),
        json!({ "codes": [{ "scheme": "pesel", "value": "2" }] }),
    );
    assert_eq!(updates(&m, &nip, &pesel), json!({ "number": "2", "id_type": "pesel" }));
    assert_eq!(updates(&m, &pesel, &nip), json!({ "number": "1", "id_type": "nip" }));
}

#[test]
fn what_one_switch_cannot_say_twice_is_refused_and_never_dropped() {
    let m = thing(CODES);
    let both = json!({ "codes": [{ "scheme": "nip", "value": "1" }, { "scheme": "pesel", "value": "2" }] });
    let told = refused(&m, &both);
    assert_eq!(told[0].0, "/codes/1", "{told:?}");
    assert!(told[0].1.contains("not both"), "{told:?}");
    let one = json!({ "codes": [{ "scheme": "nip", "value": "1" }] });
    let told = refused_change(&m, &one, &both);
    assert_eq!(told[0].0, "/codes/1", "{told:?}");
    let three = json!({ "places": [{ "city": "A" }, { "city": "B" }, { "city": "C" }] });
    assert!(refused(&m, &three)[0].1.contains("room for 2"));
}

const PRICES: &str = r#"
name: name
net: { at: price, when: { with_tax: "false" } }
gross: { at: price, when: { with_tax: "true" } }
"#;

#[test]
fn one_native_field_means_what_its_switch_says() {
    let m = thing(PRICES);
    for (with_tax, read, untold) in [
        (json!(false), json!({ "name": "a", "net": "5.00" }), vec![]),
        (json!("true"), json!({ "name": "a", "gross": "5.00" }), vec![]),
        // A price of which nobody says what it is: neither is told, and none is empty.
        (json!(null), json!({ "name": "a" }), vec!["net", "gross"]),
        (json!("maybe"), json!({ "name": "a" }), vec!["net", "gross"]),
    ] {
        let native = json!({ "name": "a", "price": "5.00", "with_tax": with_tax });
        assert_eq!(reads(&m, &native), (read, untold.into_iter().map(str::to_owned).collect()), "{with_tax}");
    }
    assert_eq!(reads(&m, &json!({ "name": "a", "price": "5.00" })).1, ["net", "gross"]);
    assert_eq!(creates(&m, &json!({ "net": "5" })), json!({ "price": 5, "with_tax": "false" }));
    // What stands so already is not sent again.
    assert_eq!(updates(&m, &json!({ "net": "5" }), &json!({ "net": "6" })), json!({ "price": 6 }));
    assert_eq!(
        updates(&m, &json!({ "gross": "5" }), &json!({ "net": "6" })),
        json!({ "price": 6, "with_tax": "false" })
    );
    assert_eq!(refused(&m, &json!({ "net": "5", "gross": "6" }))[0].0, "/gross");
}

#[test]
fn switches_that_do_not_tell_lines_apart_do_not_load() {
    all_told(&[
        ("net: { at: p, when: { t: a } }\ngross: { at: p, when: { t: a } }", "written by `net` already"),
        ("net: { at: p, when: { t: a } }\ngross: { at: p, when: { u: b } }", "written by `net` already"),
        ("net: { at: p, when: { t: a } }\ngross: p", "written by `net` already"),
        (
            "net: { at: p, when: { t: [a, b] } }\ngross: { at: p, when: { t: [b, c] } }",
            "written by `net` already",
        ),
        ("net: { at: p, when: { t: [] } }", "a value, or a list of values"),
        ("address: { $when: { t: a }, city: c }", "fixed place of a list"),
        ("codes:\n  - { $when: { t: a }, value: a }\n  - { $when: { t: b }, value: b }", "not told apart"),
    ]);
}

const SAID: &str = r#"
name: name
net: { at: price, when: { with_tax: false } }
gross: { at: price, when: { with_tax: true } }
taxed: with_tax
"#;

#[test]
fn a_field_may_say_the_switch_and_what_hangs_on_it_has_to_agree() {
    let m = thing(SAID);
    let native = json!({ "name": "a", "price": "5.00", "with_tax": true });
    assert_eq!(reads(&m, &native).0, json!({ "name": "a", "gross": "5.00", "taxed": true }));
    assert_eq!(creates(&m, &json!({ "net": "5" })), json!({ "price": 5, "with_tax": false }));
    let both = json!({ "gross": "5", "taxed": true });
    assert_eq!(creates(&m, &both), json!({ "price": 5, "with_tax": true }));
    assert_eq!(creates(&m, &json!({ "taxed": true })), json!({ "with_tax": true }));
    assert_eq!(refused(&m, &json!({ "net": "5", "taxed": true }))[0].0, "/taxed");
    // What stays would mean something else.
    let net = json!({ "net": "5", "taxed": false });
    assert_eq!(refused_change(&m, &net, &json!({ "net": "5", "taxed": true }))[0].0, "/taxed");
    assert_eq!(updates(&m, &net, &both), json!({ "price": 5, "with_tax": true }));
}

const TAXED: &str = r#"
name: name
lines:
  each: items
  fields:
    amount: { at: price, when: { $up.taxed: "false" }, write: never }
    doubled: { at: price, when: { $up.taxed: "true" }, write: never }
total: { first: [ { when: { taxed: "false" }, calc: "sum(items[].price)" }, { when: { taxed: "true" }, calc: "sum(items[].price) - tax" } ] }
"#;

#[test]
fn what_an_element_means_hangs_on_what_holds_its_list() {
    let m = thing(TAXED);
    let native = |taxed: Json| json!({ "name": "a", "taxed": taxed, "tax": "2", "items": [{ "price": "5.00" }, { "price": 1 }] });
    let read = |taxed: Json| reads(&m, &native(taxed)).0;
    let net = json!({ "name": "a", "total": "6.00", "lines": [{ "amount": "5.00" }, { "amount": "1" }] });
    let gross = json!({ "name": "a", "total": "4.00", "lines": [{ "doubled": "5.00" }, { "doubled": "1" }] });
    assert_eq!((read(json!(false)), read(json!("true"))), (net, gross));
    let mut untold = native(json!(false));
    untold.as_object_mut().unwrap().remove("taxed");
    let (read, untold) = reads(&m, &untold);
    assert_eq!(read, json!({ "name": "a", "lines": [] }));
    assert_eq!(untold, ["total", "lines.amount", "lines.doubled"]);
}

const KEPT: &str = r#"
name: name
taxed: { at: kind, values: { net: "false", none: "false", gross: "true" }, back: { "false": net }, as: { wire: text }, write: create }
lines:
  each: items
  fields:
    amount: { at: price, when: { $up.kind: [net, none] } }
    doubled: { at: price, when: { $up.kind: gross } }
"#;

#[test]
fn a_new_record_is_made_as_its_elements_are_sent() {
    let m = thing(KEPT);
    for (kind, line) in [("net", "amount"), ("none", "amount"), ("gross", "doubled")] {
        let native = json!({ "name": "a", "kind": kind, "items": [{ "price": 5 }] });
        let read = json!({ "name": "a", "taxed": kind == "gross", "lines": [{ line: "5" }] });
        assert_eq!(reads(&m, &native).0, read, "{kind}");
    }
    let net = json!({ "kind": "net", "items": [{ "price": 5 }, { "price": 6 }] });
    assert_eq!(creates(&m, &json!({ "lines": [{ "amount": "5" }, { "amount": "6" }] })), net);
    let gross = json!({ "kind": "gross", "items": [{ "price": 5 }] });
    assert_eq!(creates(&m, &json!({ "taxed": true, "lines": [{ "doubled": "5" }] })), gross);
    // What hangs on nothing says nothing.
    assert_eq!(creates(&m, &json!({ "name": "a", "lines": [] })), json!({ "name": "a" }));
    for (sent, pointer) in [
        (json!({ "taxed": true, "lines": [{ "amount": "5" }] }), "/lines/0/amount"),
        (json!({ "taxed": false, "lines": [{ "doubled": "5" }] }), "/lines/0/doubled"),
        (json!({ "lines": [{ "amount": "5" }, { "doubled": "6" }] }), "/lines/1/doubled"),
        (json!({ "lines": [{ "amount": "5", "doubled": "6" }] }), "/lines/0/doubled"),
    ] {
        let told = refused(&m, &sent);
        assert_eq!((told.len(), told[0].0.as_str()), (1, pointer), "{sent}: {told:?}");
        assert!(told[0].1.contains("not both"), "{told:?}");
    }
    // Policies see the record as it is made.
    let sent = record(&m, &json!({ "lines": [{ "doubled": "5" }] }).to_string());
    let held = m.settled(Before::Nothing, sent, &FieldSet::EMPTY).held;
    assert_eq!(json(m.entity(), &held), json!({ "taxed": true, "lines": [{ "doubled": "5" }] }));
}

#[test]
fn a_line_of_another_setting_is_none() {
    let lines = |taxed: &str| {
        format!(
            "name: name\nnet: {{ at: price, when: {{ $settings.taxed: \"false\" }} }}\ngross: {{ at: price, when: {{ $settings.taxed: \"{taxed}\" }} }}"
        )
    };
    let m = thing(&lines("true"));
    assert_eq!(reads(&m, &json!({ "name": "a", "price": "5" })).0, json!({ "name": "a", "gross": "5" }));
    assert_eq!(creates(&m, &json!({ "gross": "5" })), json!({ "price": 5 }));
    assert_eq!(refused(&m, &json!({ "net": "5" }))[0].0, "/net");
    // Of none, nothing is known of the price.
    assert_eq!(
        reads(&thing(&lines("maybe")), &json!({ "name": "a", "price": "5" })).0,
        json!({ "name": "a" })
    );
}

#[test]
fn a_switch_that_no_line_can_set_does_not_load_where_it_is_written() {
    all_told(&[
        ("lines: { each: i, fields: { amount: { at: p, when: { $up.t: \"1\" } } } }", "no line reads it"),
        (
            "vat: t\nlines: { each: i, fields: { amount: { at: p, when: { $up.t: \"1\" } } } }",
            "a change of it would change them all",
        ),
        (
            "lines: { each: i, fields: { amount: { at: p, when: { $answer.t: \"1\" } } } }",
            "say `write: never`",
        ),
        ("net: { at: p, when: { $answer.t: \"1\" } }", "say `write: never`"),
        ("net: { at: p, when: { $up.t: \"1\" }, write: never }", "there is none here"),
        ("net: { at: p, when: { $settings.tax: \"1\" } }", "setting `tax` is not in `settings`"),
        (
            "net: { at: p, when: { $settings.taxed: \"true\" } }\ngross: { at: p, when: { $settings.taxed: \"true\" } }",
            "already",
        ),
        ("net: { at: p, shift: 1, when: { $settings.taxed: \"no\" } }", "unknown key `shift`"),
        ("net: { first: [ { calc: a, is: \"1\" } ] }", "one of `is`, `at` and `calc`"),
        ("name: { first: [ { calc: a } ] }", "only a decimal"),
    ]);
}
