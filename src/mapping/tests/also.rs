//! Facts about what other records tell of one: asked for at once, put into the records, and never empty where nobody asked.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

const JSON: &str = r#"
entities:
  Customer:
    at: /people
    key: { at: id, form: digits }
    also:
      addresses: { of: id, key: person, read: { get: "/addresses?of={keys}", rows: rows, most: 2 } }
      main: { of: main.id, key: id, form: guid, read: { post: /addresses/find, body: { ids: "{keys}" }, rows: rows } }
    list: { rows: people, page: { offset: skip, size: take, most: 100 } }
    read: {}
    update: {}
    fields:
      given_name: name
      addresses: { each: $also.addresses, fields: { city: town } }
      website: "$also.main[0].site"
      company: { first: [ { when: { "$also.main[0].firm": ~ }, at: name }, { at: "$also.main[0].firm" } ] }
"#;

const XML: &str = r#"
speaks: xml
absent: { any: [""] }
entities:
  Customer:
    at: /people
    wrap: a.person
    key: '@id'
    also:
      addresses: { of: '@id', key: '@of', form: digits, read: { get: "/addresses?of={keys:|}", rows: a.address } }
    list: { rows: a.person, page: { offset: skip, size: take, most: 100 } }
    read: {}
    fields:
      given_name: name
      addresses: { each: $also.addresses, write: never, fields: { city: town, line1: street.#, line2: 'street.@no' } }
"#;

const ONE: &str = "11111111-1111-4111-8111-111111111111";

fn loaded(text: &str) -> System {
    let (system, told) = load_text("x", text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}"))
}

/// What a list tells once what it needs besides was answered; and what that was asked by.
fn told(m: &Mapping, wanted: &FieldSet, body: &str, answers: &[&str]) -> (Vec<Json>, Vec<String>) {
    let listing = m.list(wanted, &Filter::everything(), &[], None, 9).unwrap();
    let first = answer(200, body);
    let mut asked = Vec::new();
    let mut answers = answers.iter();
    let whole = m.completion(Answered::List(&listing), &first, wanted).unwrap().map(|mut completion| {
        while let Some(request) = completion.request() {
            asked.push(format!("{} {}", request.target, String::from_utf8_lossy(&request.body)));
            completion.take(&answer(200, answers.next().unwrap())).unwrap();
        }
        NativeAnswer { body: completion.body().unwrap(), ..first.clone() }
    });
    let page = m.inward_list(&listing, whole.as_ref().unwrap_or(&first), wanted).unwrap();
    (page.rows.into_iter().map(|row| json(m.entity(), &row.unwrap().record)).collect(), asked)
}

#[test]
fn all_records_of_a_page_are_asked_about_at_once_and_each_is_told_its_own() {
    let system = loaded(JSON);
    let m = system.entity("Customer").unwrap();
    let people = json!({ "people": [ { "id": 1, "name": "Ewa", "main": { "id": ONE } }, { "id": 2, "name": "Jan", "main": { "id": null } }, { "id": 3, "name": "Ola" } ] });
    let addresses = [
        r#"{ "rows": [ { "person": 1, "town": "Jawor", "x": "}" }, { "person": "1", "town": "Gdynia" } ] }"#,
        r#"{ "rows": [ ] }"#,
        &format!(r#"{{ "rows": [ {{ "id": "{ONE}", "site": "https://a.example", "firm": "A" }} ] }}"#),
    ];
    let (rows, asked) = told(m, &m.mapped(), &people.to_string(), &addresses);
    let find = format!(r#"/addresses/find {{"ids":["{ONE}"]}}"#);
    assert_eq!(asked, ["/addresses?of=1%2C2 ", "/addresses?of=3 ", &find]);
    assert_eq!(
        rows,
        [
            json!({ "id": "1", "given_name": "Ewa", "addresses": [ { "city": "Jawor" }, { "city": "Gdynia" } ], "website": "https://a.example", "company": "A" }),
            json!({ "id": "2", "given_name": "Jan", "addresses": [], "company": "Jan" }),
            // It does not say by what: that is not told, and no more is told of it.
            json!({ "id": "3", "given_name": "Ola", "addresses": [] }),
        ]
    );
    let name = FieldSet::of(m.entity().leaf_at("given_name").unwrap());
    let (rows, asked) = told(m, &name, &people.to_string(), &[]);
    assert_eq!((rows[0]["given_name"].as_str(), asked.len()), (Some("Ewa"), 0), "nobody wants more");
}

#[test]
fn what_nobody_was_asked_for_is_untold_and_not_empty() {
    for (text, body, whole) in [
        (
            JSON,
            r#"{ "id": 1, "name": "Ewa", "main": { "id": null } }"#,
            r#"{ "id": 1, "name": "Ewa", "bramka.also": { "addresses": [] } }"#,
        ),
        (
            XML,
            "<a><person id='1'><name>Ewa</name></person></a>",
            "<a><person id='1'><name>Ewa</name><bramka.also><addresses/></bramka.also></person></a>",
        ),
    ] {
        let system = loaded(text);
        let m = system.entity("Customer").unwrap();
        let city = m.entity().leaf_at("addresses.city").unwrap();
        let read = |body: &str| m.inward(&answer(200, body), &m.mapped()).unwrap();
        let bare = read(body);
        assert!(bare.missing.contains(city), "{text}");
        assert_eq!(json(m.entity(), &bare.record).get("addresses"), None);
        let none = read(whole);
        assert!(!none.missing.contains(city), "{text}");
        assert_eq!(json(m.entity(), &none.record)["addresses"], json!([]));
    }
}

#[test]
fn rows_of_xml_are_put_in_whatever_they_hold() {
    let system = loaded(XML);
    let m = system.entity("Customer").unwrap();
    let people = "<a><person id='7'><name>Ewa</name></person><person id='9'/><person id='8'><name><![CDATA[</person>]]></name></person></a>";
    let addresses = "<a xmlns:l='urn:l'><address of='7' l:href='x'><town><![CDATA[Jawor & c]]></town><street no='3 \"a\"'>Polna &lt;</street></address><address of='7'><town>Gdynia</town></address></a>";
    let (rows, asked) = told(m, &m.mapped(), people, &[addresses]);
    assert_eq!(asked, ["/addresses?of=7%7C8 "]);
    assert_eq!(
        rows[0]["addresses"],
        json!([ { "city": "Jawor & c", "line1": "Polna <", "line2": "3 \"a\"" }, { "city": "Gdynia" } ])
    );
    assert_eq!(
        (&rows[1]["addresses"], &rows[2]),
        (&Json::Null, &json!({ "id": "8", "given_name": "</person>", "addresses": [] }))
    );
}

#[test]
fn an_answer_that_is_not_to_the_question_is_a_fault() {
    let system = loaded(JSON);
    let m = system.entity("Customer").unwrap();
    let city = FieldSet::of(m.entity().leaf_at("addresses.city").unwrap());
    let one = answer(200, r#"{ "id": 1, "name": "Ewa" }"#);
    let take = |status: u16, body: &str| {
        let mut completion = m.completion(Answered::Read, &one, &city).unwrap().unwrap();
        completion.request().unwrap();
        completion.take(&answer(status, body)).map(|()| completion.body().unwrap())
    };
    for body in [
        r#"{ "rows": [ { "person": 2 } ] }"#,
        r#"{ "rows": [ { "town": "Jawor" } ] }"#,
        r#"{ "rows": {} }"#,
        "{}",
        "<",
    ] {
        assert!(take(200, body).is_err(), "{body}");
    }
    assert!(take(500, "{}").is_err());
    assert!(
        take(404, "{}").unwrap().ends_with(br#","bramka.also":{"addresses":[]}}"#),
        "none of them is there"
    );
    // More than may be asked for at once.
    let people: Vec<Json> = (0..41).map(|id| json!({ "id": id })).collect();
    let listing = m.list(&city, &Filter::everything(), &[], None, 50).unwrap();
    let many = answer(200, &json!({ "people": people }).to_string());
    assert!(m.completion(Answered::List(&listing), &many, &city).is_err());
    // What is wrong with the answer itself, whoever reads it tells.
    assert!(m.completion(Answered::Read, &answer(500, "{}"), &city).unwrap().is_none());
    assert!(m.completion(Answered::Read, &answer(200, "<"), &city).unwrap().is_none());
}

#[test]
fn it_is_never_written_nor_filtered_by_the_system() {
    let system = loaded(JSON);
    let m = system.entity("Customer").unwrap();
    let of = |name: &str| record(m, &json!({ "given_name": name }).to_string());
    let change = m.update("1", &of("Ewa"), &of("Anna"), None).unwrap().unwrap();
    assert_eq!(&change.body[..], br#"{"name":"Anna"}"#);
    for name in ["addresses.city", "website", "company"] {
        let leaf = m.entity().leaf_at(name).unwrap();
        let abilities = m.abilities();
        assert!(abilities.filters.iter().all(|(of, _)| *of != leaf), "{name}");
        assert!(!abilities.updated.contains(leaf), "{name}");
    }
}

#[test]
fn what_cannot_be_told_so_does_not_load() {
    let told = |from: &str, to: &str| load_text("x", &JSON.replacen(from, to, 1), "https://x.example").1;
    for (from, to, want) in [
        (
            "each: $also.addresses",
            "each: $also.others",
            "`$also.others` is read, and `also` does not name it",
        ),
        ("      main:", "      Main:", "`Main` is no name here"),
        (", key: person", "", "needs `of`, `key` and `read`"),
        ("get: \"/addresses?of={keys}\"", "get: \"addresses?of={keys}\"", "begins with `/`"),
        (
            "{ of: id, key: person,",
            "{ of: id, form: text, key: person,",
            "say `form: digits` or `form: guid`",
        ),
        ("    read: {}\n", "    read: {}\n    select: { query: fields }\n", "asked for whole"),
        ("city: town", "city: $also.main.town", "no line within a list reads it"),
        (
            "website: \"$also.main[0].site\"",
            "website: { at: \"$also.main[0].site\", write: always }",
            "cannot be written",
        ),
    ] {
        assert!(told(from, to).contains(want), "{want}: {}", told(from, to));
    }
    let start = JSON.find("    also:").unwrap();
    let end = JSON.find("    list:").unwrap();
    let without = format!("{}{}", &JSON[..start], &JSON[end..]);
    assert!(load_text("x", &without, "https://x.example").1.contains("no `also` says where it is from"));
}
