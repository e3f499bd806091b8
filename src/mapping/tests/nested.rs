//! Facts about lists that stand in the elements of lists, and about lists that are made of several.

use serde_json::{Value, json};

use super::*;
use crate::schema::Filter;

const FILE: &str = r#"
speaks: odata2
absent: { any: [""] }
entities:
  Customer:
    at: /Partners
    key: Partner
    list: { page: { offset: $skip, size: $top, most: 100 } }
    read: {}
    fields:
      name: { at: Name, write: never }
      addresses: { each: Places.results, key: Id, write: never, fields: { city: City } }
      emails:
        each: Places.results[].Mails.results
        write: never
        fields: { value: Mail, type: { at: $up.Kind, values: { A: work, B: billing }, write: never } }
      phones:
        - { each: "Places.results[].Phones.results", write: never, fields: { value: Number } }
        - { each: "Places.results[].Mobiles.results", write: never, fields: { value: Number, type: =mobile } }
"#;

fn loaded(text: &str) -> (Option<System>, String) {
    load_text("s", text, "https://s.example")
}

fn system(text: &str) -> System {
    let (system, told) = loaded(text);
    system.unwrap_or_else(|| panic!("{told}"))
}

fn read(system: &System, partner: &Value) -> (Value, Vec<String>) {
    let m = system.entity("Customer").unwrap();
    let answer = answer(200, &json!({ "d": partner }).to_string());
    let inward = m.inward(&answer, &m.entity().all()).unwrap();
    let findings = inward.findings.iter().map(|finding| finding.what.to_string()).collect();
    (json(m.entity(), &inward.record), findings)
}

fn list(rows: &[Value]) -> Value {
    json!({ "results": rows })
}

fn place(city: &str, mails: &[&str], phones: &[&str], mobiles: &[&str]) -> Value {
    let of =
        |name: &str, values: &[&str]| list(&values.iter().map(|it| json!({ name: it })).collect::<Vec<_>>());
    json!({ "Id": city, "City": city, "Kind": if city == "Gdynia" { "A" } else { "B" }, "Mails": of("Mail", mails),
        "Phones": of("Number", phones), "Mobiles": of("Number", mobiles) })
}

#[test]
fn lists_in_the_elements_of_a_list_are_one_list_in_their_order() {
    let system = system(FILE);
    let partner = json!({ "Partner": "1", "Name": "M", "Places": list(&[
        place("Gdynia", &["a@x", "b@x"], &["1"], &["9"]), place("Sopot", &[], &[], &[]), place("Hel", &["c@x"], &["2"], &["8"]) ]) });
    let (told, findings) = read(&system, &partner);
    assert_eq!(findings, Vec::<String>::new());
    let want = [("a@x", "work"), ("b@x", "work"), ("c@x", "billing")];
    let want: Vec<Value> = want.iter().map(|(value, kind)| json!({ "value": value, "type": kind })).collect();
    assert_eq!(told["emails"], json!(want), "each knows what holds its list");
    // One list behind the other.
    let want = json!([{ "value": "1" }, { "value": "2" }, { "value": "9", "type": "mobile" }, { "value": "8", "type": "mobile" }]);
    assert_eq!(told["phones"], want);
    let cities: Vec<&Value> = told["addresses"].as_array().unwrap().iter().map(|it| &it["city"]).collect();
    assert_eq!(cities, ["Gdynia", "Sopot", "Hel"], "the outer list is read beside");
}

#[test]
fn what_one_element_does_not_tell_is_told_of_none() {
    let system = system(FILE);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut partner = json!({ "Partner": "1", "Places": list(&[place("Gdynia", &["a@x"], &["1"], &["9"]), place("Hel", &["c@x"], &[], &[])]) });
        change(&mut partner);
        read(&system, &partner)
    };
    let link = json!({ "__deferred": { "uri": "https://s.example" } });
    let (told, _) = with(&|it| it["Places"]["results"][1]["Mails"] = link.clone());
    assert!(told.get("emails").is_none() && told["phones"].is_array(), "{told}");
    // Of two lists that make one, too.
    let (told, _) = with(&|it| it["Places"]["results"][0]["Mobiles"] = link.clone());
    assert!(told.get("phones").is_none() && told["emails"].is_array(), "{told}");
    let (told, _) = with(&|it| it["Places"] = link.clone());
    assert!(told.get("emails").is_none() && told.get("addresses").is_none(), "{told}");
    let (told, findings) = with(&|it| it["Places"]["results"][1]["Mails"]["results"] = json!("none"));
    assert!(told.get("emails").is_none() && !findings.is_empty(), "{told} {findings:?}");
    // Nothing is nothing, of one and of all.
    let (told, _) = with(&|it| it["Places"]["results"][1]["Mails"] = Value::Null);
    assert_eq!(told["emails"].as_array().unwrap().len(), 1);
    for none in [Value::Null, list(&[])] {
        let (told, _) = with(&|it| it["Places"] = none.clone());
        assert_eq!((&told["emails"], &told["phones"]), (&json!([]), &json!([])), "{none}");
    }
}

fn asked(system: &System, fields: &[&str]) -> String {
    let m = system.entity("Customer").unwrap();
    let wanted = fields.iter().map(|path| m.entity().leaf_at(path).unwrap()).collect();
    let listing = m.list(&wanted, &Filter::everything(), &[], None, 5).unwrap();
    let target = listing.request.target;
    percent_encoding::percent_decode_str(&target).decode_utf8().unwrap().into_owned()
}

#[test]
fn odata_is_asked_for_the_inner_lists_that_are_wanted_and_no_others() {
    let system2 = system(FILE);
    assert_eq!(
        asked(&system2, &["emails.value"]),
        "/Partners?$select=Partner,Places/Mails&$expand=Places/Mails&$top=5"
    );
    assert_eq!(
        asked(&system2, &["addresses.city", "phones.value"]),
        "/Partners?$select=Partner,Places,Places/Phones,Places/Mobiles&$expand=Places,Places/Phones,Places/Mobiles&$top=5"
    );
    let four = FILE.replace("odata2", "odata4").replace(".results", "").replace(
        "list: { page: { offset: $skip, size: $top, most: 100 } }",
        "list: { page: { link: '@odata\\.nextLink' } }",
    );
    let system4 = system(&four);
    assert_eq!(
        asked(&system4, &["addresses.city", "phones.value", "emails.value"]),
        "/Partners?$select=Partner&$expand=Places($expand=Mails,Phones,Mobiles)"
    );
    assert_eq!(asked(&system4, &["addresses.city"]), "/Partners?$select=Partner&$expand=Places");
}

#[test]
fn lists_that_nobody_could_write_are_only_read() {
    for (from, to, wrong) in [
        (
            "each: Places.results[].Mails.results\n        write: never",
            "each: Places.results[].Mails.results",
            "which is only read",
        ),
        (
            "Mails.results\n        write: never",
            "Mails[].results[].x\n        write: never",
            "`[]` stands once",
        ),
        ("Mails.results\n", "Mails.results\n        more: More\n", "unknown key `more`"),
        (
            "Places.results[].Mobiles.results\", write: never, ",
            "Places.results[].Mobiles.results\", ",
            "which is only read",
        ),
        (
            "each: \"Places.results[].Mobiles.results\", write: never",
            "each: Mobiles.results",
            "written to none",
        ),
        (
            "Places.results[].Mobiles.results",
            "Places.results[].Phones.results",
            "is read element by element already",
        ),
        (
            "- { each: \"Places.results[].Mobiles.results\", write: never, fields: { value: Number, type: =mobile } }",
            "- { value: Mobile }",
            "do not make one list together",
        ),
        ("speaks: odata2", "speaks: xml", "are read of JSON only"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let (_, told) = loaded(&FILE.replacen(from, to, 1));
        assert!(told.contains(wrong) && told.contains("s.yaml:"), "{to}: {told}");
    }
}
