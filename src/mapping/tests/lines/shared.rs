//! Native texts that hold more than one value, and values that come of more than one.

use super::*;

#[test]
fn a_list_is_read_from_one_text_and_written_to_it() {
    let m = thing("tags: { split: tags, by: \", \", norm: lower }");
    for (native, read) in [
        (json!("one, Two,three ,, "), json!(["one", "two", "three"])),
        (json!("one"), json!(["one"])),
        (json!(""), json!([])),
        (json!(null), json!([])),
        (json!(7), json!(["7"])),
    ] {
        assert_eq!(reads(&m, &json!({ "tags": native })), (json!({ "tags": read }), vec![]), "{native}");
    }
    for native in [json!({}), json!({ "tags": ["one"] }), json!({ "tags": {} })] {
        assert_eq!(reads(&m, &native), (json!({}), vec!["tags".to_owned()]), "{native}");
    }
    assert_eq!(creates(&m, &json!({ "tags": ["one", "Two"] })), json!({ "tags": "one, two" }));
    assert_eq!(creates(&m, &json!({ "tags": [] })), json!({}));
    assert_eq!(updates(&m, &json!({ "tags": ["one"] }), &json!({ "tags": [] })), json!({ "tags": "" }));
    assert_eq!(updates(&m, &json!({ "tags": ["one"] }), &json!({ "tags": ["one"] })), Json::Null);
    for item in ["a,b", "", " a", "a "] {
        let told = refused(&m, &json!({ "tags": ["ok", item] }));
        assert_eq!(told[0].0, "/tags/1", "{item}: {told:?}");
    }
    // A word that is too long is left out, and the list is not told whole.
    let long = "x".repeat(30);
    let (read, untold) = reads(&m, &json!({ "tags": format!("a,{long}") }));
    assert_eq!((read, untold), (json!({ "tags": ["a"] }), vec!["tags".to_owned()]));
    all_told(&[
        ("tags: { split: tags, by: \"\" }", "must not be empty"),
        ("mails: { split: tags }", "is no list of single values"),
        ("tags: { split: tags }\nname: tags", "already"),
    ]);
}

#[test]
fn a_joined_text_is_written_to_its_first_part_and_the_others_are_emptied() {
    let m = thing("name: { join: [street, house], back: first, most: 12 }");
    assert_eq!(reads(&m, &json!({ "street": "Long", "house": " 7" })).0, json!({ "name": "Long 7" }));
    assert_eq!(creates(&m, &json!({ "name": " Long 7 " })), json!({ "street": "Long 7" }));
    let changed = updates(&m, &json!({ "name": "Long 7" }), &json!({ "name": "Short 1" }));
    assert_eq!(changed, json!({ "street": "Short 1", "house": "" }));
    assert_eq!(updates(&m, &json!({ "name": "Long 7" }), &json!({})), json!({ "street": "", "house": "" }));
    assert_eq!(updates(&m, &json!({ "name": "Long 7" }), &json!({ "name": "Long 7" })), Json::Null);
    assert!(refused(&m, &json!({ "name": "  " }))[0].1.contains("nothing"));
    assert!(refused(&m, &json!({ "name": "longer than that" }))[0].1.contains("at most 12"));
    all_told(&[
        ("name: { join: [a, b], back: last }", "expected `first`"),
        ("name: { join: [a, b], back: first, else: c }", "cannot be written back"),
        ("name: { join: [a, b], back: first }\ntext: a", "already"),
        ("name: { join: [a, b], most: 3 }", "`most`"),
    ]);
}

#[test]
fn several_fields_are_read_from_one_text_and_written_together() {
    let m = thing("address+: { at: line2, pattern: '{post_code} {city}' }");
    let whole = json!({ "address": { "post_code": "87-607", "city": "Środa Śląska" } });
    assert_eq!(reads(&m, &json!({ "line2": "87-607 Środa Śląska" })), (whole.clone(), vec![]));
    let both = vec!["address.post_code".to_owned(), "address.city".to_owned()];
    for native in [json!({}), json!({ "line2": "Środa" }), json!({ "line2": [] })] {
        assert_eq!(reads(&m, &native), (json!({}), both.clone()), "{native}");
    }
    for native in [json!({ "line2": null }), json!({ "line2": "" })] {
        assert_eq!(reads(&m, &native), (json!({}), vec![]), "{native}");
    }
    assert_eq!(creates(&m, &whole), json!({ "line2": "87-607 Środa Śląska" }));
    let moved = json!({ "address": { "post_code": "87-607", "city": "Łódź" } });
    assert_eq!(updates(&m, &whole, &moved), json!({ "line2": "87-607 Łódź" }));
    assert_eq!(updates(&m, &whole, &whole), Json::Null);
    assert_eq!(updates(&m, &whole, &json!({})), json!({ "line2": "" }));
    let told = refused(&m, &json!({ "address": { "city": "Łódź" } }));
    assert_eq!(told[0].0, "/address/city");
    assert!(told[0].1.contains("send all of them or none"), "{told:?}");
    let told = refused(&m, &json!({ "address": { "post_code": "SW1A 1AA", "city": "London" } }));
    assert!(told[0].1.contains("could not tell"), "{told:?}");
    assert!(!told[0].1.contains("London"));
}

#[test]
fn a_text_with_holes_holds_numbers_and_is_checked_when_loaded() {
    let m = thing("+: { at: gid, pattern: 'gid://shop/Thing/{count}', most: 20 }");
    assert_eq!(reads(&m, &json!({ "gid": "gid://shop/Thing/17" })), (json!({ "count": 17 }), vec![]));
    assert_eq!(reads(&m, &json!({ "gid": "gid://shop/Thing/x" })).1, ["count"]);
    assert_eq!(creates(&m, &json!({ "count": 17 })), json!({ "gid": "gid://shop/Thing/17" }));
    assert!(refused(&m, &json!({ "count": 123_456 }))[0].1.contains("at most 20"));
    let two =
        thing("+:\n  - { at: a, pattern: '{vat}/{gln}' }\n  - { at: b, pattern: '#{count}', write: never }");
    assert_eq!(
        reads(&two, &json!({ "a": "1/2", "b": "#3" })).0,
        json!({ "vat": "1", "gln": "2", "count": 3 })
    );
    assert!(refused(&two, &json!({ "count": 3 }))[0].1.contains("does not let this be set"));
    all_told(&[
        ("+: { at: a, pattern: '{nmae} {vat}' }", "did you mean `name`"),
        ("+: { at: a, pattern: '{name}{vat}' }", "nothing tells where"),
        ("+: { at: a, pattern: '{name} {tags}' }", "no single value"),
        ("+: { at: a, pattern: '{id} {name}' }", "comes from the entity's `key`"),
        ("name+: { at: a, pattern: '{vat} {gln}' }", "no group of fields"),
        ("name: b\n+: { at: a, pattern: '{name} {vat}' }", "mapped a second time"),
        ("vat: a\n+: { at: a, pattern: '{name} {gln}' }", "written by `vat` already"),
        ("+: { at: a }", "pattern"),
    ]);
}

#[test]
fn html_is_read_as_plain_text_and_written_back_escaped() {
    let m = thing("text: { at: body, norm: html, most: 20 }");
    let read = reads(&m, &json!({ "body": "<p>Lamp &amp; <b>shade</b></p>\n<p>40&nbsp;W</p>" }));
    assert_eq!(read, (json!({ "text": "Lamp & shade\n40 W" }), vec![]));
    assert_eq!(creates(&m, &json!({ "text": " a <  b\n\nc" })), json!({ "body": "a &lt; b<br>c" }));
    // The system keeps what is sent, not what it means.
    assert!(refused(&m, &json!({ "text": "a < b & c > d < e" }))[0].1.contains("at most 20"));
}

#[test]
fn a_calculated_value_is_exact_and_is_not_sent() {
    let m = thing("total: { calc: 'round(sum(items[].price * items[].qty) - discount, 2)' }\nname: name");
    let native =
        json!({ "items": [{ "price": "19.99", "qty": 3 }, { "price": 0.1, "qty": 2 }], "discount": "0.005" });
    assert_eq!(reads(&m, &native).0, json!({ "total": "60.17" }));
    let (read, untold) = reads(&m, &json!({ "name": "a", "items": [] }));
    assert_eq!((read, untold), (json!({ "name": "a" }), vec!["total".to_owned()]));
    assert_eq!(reads(&m, &json!({ "name": "a", "items": [], "discount": "" })).1, Vec::<String>::new());
    assert!(refused(&m, &json!({ "total": "1" }))[0].1.contains("worked out by the system"));
    assert_eq!(
        updates(&m, &json!({ "total": "1", "name": "a" }), &json!({ "total": "1", "name": "b" })),
        json!({ "name": "b" })
    );
    all_told(&[
        ("name: { calc: a - b }", "only a decimal"),
        ("total: { calc: a / b }", "nothing is divided"),
        ("total: { calc: a - b, write: always }", "`write`"),
        ("total: { calc: $up.a - b }", "there is none here"),
    ]);
}
