//! What a system must not be able to do with XML, and what a caller must not.

use std::sync::LazyLock;

use super::*;
use crate::{
    mapping::{FaultKind, Inward, System, SystemFault},
    schema::{FieldSet, Filter, Op, Value},
};
use proptest::prelude::*;

static NOTES: LazyLock<System> = LazyLock::new(|| {
    let text = r##"
speaks: xml
absent: { any: [""] }
clear: { any: "" }
entities:
  Customer:
    at: /notes
    wrap: a.note
    read: {}
    create: {}
    update: {}
    fields:
      name: { at: name, absent: [] }
      given_name: { at: '@given', absent: [] }
      family_name: { at: 'family.#', absent: [] }
      company: { at: 'family.@of', absent: [] }
      emails[0].value: { at: 'mail[0].x', absent: [] }
      emails[0].type: =work
      emails[1].value: { at: 'mail[1].x', absent: [] }
      emails[1].type: =home
"##;
    let (system, told) = load_text("notes", text, "https://notes.example");
    system.unwrap_or_else(|| panic!("{told}"))
});

fn read(body: &[u8]) -> Result<Inward, SystemFault> {
    let mapping = NOTES.entity("Customer").unwrap();
    let answer =
        crate::mapping::NativeAnswer { body: bytes::Bytes::copy_from_slice(body), ..answer(200, "") };
    mapping.inward(&answer, &mapping.entity().all())
}

/// Why a note with some inside is not read.
fn refused(body: &str) -> String {
    match read(body.as_bytes()) {
        Ok(inward) => panic!("{body} reads as {inward:?}"),
        Err(fault) => {
            assert_eq!(fault.kind, FaultKind::Unreadable, "{body}");
            fault.text
        }
    }
}

fn name_of(body: &str) -> Option<String> {
    let inward = read(body.as_bytes()).unwrap_or_else(|fault| panic!("{body}: {fault}"));
    let entity = NOTES.entity("Customer").unwrap().entity();
    inward.record.first(entity, entity.leaf_at("name")?).and_then(|value| value.as_text().map(str::to_owned))
}

fn note(inside: &str) -> String {
    format!("<a><note><id>1</id>{inside}</note></a>")
}

#[test]
fn document_types_and_entities_are_refused_and_nothing_is_expanded() {
    let bomb = r#"<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>"#;
    assert!(refused(&format!("{bomb}{}", note("<name>&y;</name>"))).contains("document type"));
    assert!(refused(r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#).contains("document type"));
    assert!(refused(&note("<!DOCTYPE x>")).contains("document type"));
    for reference in [
        "&x;",
        "&nbsp;",
        "&",
        "&amp",
        "& ;",
        "&#0;",
        "&#8;",
        "&#xD800;",
        "&#xFFFE;",
        "&#x110000;",
        "&#+65;",
        "&#;",
        "&#x;",
        "&#99999999999999;",
    ] {
        assert!(refused(&note(&format!("<name>{reference}</name>"))).contains("entity"), "{reference}");
        assert!(refused(&note(&format!("<other b='{reference}'/>"))).contains("entity"), "{reference}");
    }
    assert_eq!(name_of(&note("<name>&lt;&gt;&amp;&quot;&apos;&#x17b;&#380;</name>")).unwrap(), "<>&\"'Żż");
}

#[test]
fn what_is_not_well_formed_is_refused_wherever_it_stands() {
    for bad in [
        "<name>",
        "</name>",
        "<name></nam>",
        "<name></name >x</name>",
        "<1/>",
        "<:x/>",
        "<a:/>",
        "<a:b:c/>",
        "< name/>",
        "<name / >",
        "<name a/>",
        "<name a=b/>",
        "<name a='<'/>",
        "<name a='x'b='y'/>",
        "<name a='x/>",
        "<!-- -- -->",
        "<!-- --->",
        "<!---->-->x]]>",
        "<![CDATA[x",
        "<![cdata[x]]>",
        "]]>",
        "<?xml version='1.0'?>",
        "<?XmL x?>",
        "<? x?>",
        "<?x",
        "<!x>",
        "<name\u{1}/>",
        "\u{b}",
        "\u{fffe}",
        "<name>\u{0}</name>",
        "<&amp;/>",
        "<name a='x' a='y'/>",
        "<p:name xmlns:q='q'/>",
        "<name p:a='x'/>",
        "<name xmlns:p=''/>",
        "<name xmlns:xml='x'/>",
        "<name xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<name xmlns:p='x' xmlns:p='x'/>",
        "<name xmlns:p='x' xmlns:q='x' p:a='1' q:a='2'/>",
        "<\u{37e}/>",
    ] {
        assert!(read(note(bad).as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        "",
        " ",
        "x",
        "<a/>x",
        "<a/><a/>",
        "x<a/>",
        "<a>",
        "</a>",
        "<a/>&amp;",
        "<a/><![CDATA[]]>",
        "<![CDATA[]]><a/>",
        " <?xml version='1.0'?><a/>",
    ] {
        assert!(read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn what_is_well_formed_is_read_as_it_means() {
    let ok = |inside: &str, name: &str| assert_eq!(name_of(&note(inside)).unwrap(), name, "{inside}");
    ok("<name>a<![CDATA[<b>&amp;\r\n]]>c</name>", "a<b>&amp;\nc");
    ok("<name>a<!-- & < -->b<?x < ?>c</name>", "abc");
    ok("<name>a\r\nb\rc&#13;</name>", "a\nb\nc\r");
    ok("<name \n>x</name\t>", "x");
    ok("<n:name xmlns:n='urn:x'>x</n:name>", "x");
    ok("<name> x ]] > </name>", " x ]] > ");
    ok("<name><![CDATA[]]]]><![CDATA[>]]></name>", "]]>");
    let whole = "\u{feff}<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<!-- x --><?y z?>\n";
    assert_eq!(name_of(&format!("{whole}{}\n<!-- x -->\n", note("<name>ż</name>"))).unwrap(), "ż");
    let given = read(b"<a><note given='a&#9;\tb\n&quot;'><id>1</id></note></a>").unwrap();
    let entity = NOTES.entity("Customer").unwrap().entity();
    assert_eq!(json(entity, &given.record)["given_name"], "a\t b \"");
}

#[test]
fn other_encodings_and_versions_are_refused() {
    for (declared, word) in [
        ("encoding='ISO-8859-2'", "UTF-8"),
        ("encoding='utf-16'", "UTF-8"),
        ("standalone='no' encoding='utf-8'", "well-formed"),
    ] {
        let text = format!("<?xml version='1.0' {declared}?>{}", note(""));
        assert!(refused(&text).contains(word), "{declared}");
    }
    assert!(refused(&format!("<?xml version='1.1'?>{}", note(""))).contains("well-formed"));
    assert!(refused(&format!("<?xml encoding='utf-8'?>{}", note(""))).contains("well-formed"));
    let utf16: Vec<u8> = note("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&utf16).is_err());
    assert!(read(b"<a>\xff</a>").is_err());
}

#[test]
fn depth_elements_attributes_namespaces_names_and_texts_are_bounded() {
    assert!(refused(&"<a>".repeat(200_000)).contains("deeper"));
    assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(1_000_001))).contains("elements"));
    let many: String = (0..100_000).map(|n| format!(" a{n}='x'")).collect();
    assert!(refused(&format!("<a{many}/>")).contains("attributes"));
    let many: String = (0..100_000).map(|n| format!(" xmlns:a{n}='x'")).collect();
    assert!(refused(&format!("<a{many}/>")).contains("namespaces"));
    let nested: String = (0..60).map(|n| format!("<a xmlns:p{n}='u' xmlns:q{n}='u'>")).collect();
    assert!(refused(&nested).contains("namespaces"));
    assert!(refused(&format!("<{}/>", "n".repeat(1000))).contains("name"));
    assert!(refused(&note(&format!("<x y='{}'/>", "v".repeat(70_000)))).contains("text"));
    assert!(refused(&note(&format!("<x>{}</x>", "v".repeat(5_000_000)))).contains("text"));
    let mail = "<mail><x>1</x></mail>".repeat(300);
    assert_eq!(json(NOTES.entity("Customer").unwrap().entity(), &read(note(&mail).as_bytes()).unwrap().record)["emails"].as_array().unwrap().len(), 2);
}

#[test]
fn a_name_that_stands_twice_where_one_is_due_is_refused() {
    assert!(refused(&note("<name>a</name><name>b</name>")).contains("twice"));
    assert!(refused("<a><note><id>1</id></note><note><id>2</id></note></a>").contains("records"));
    assert!(refused("<a><note xmlns:p='p' given='a' p:given='b'><id>1</id></note></a>").contains("twice"));
    assert!(refused("<b><note><id>1</id></note></b>").contains("no record"));
    assert!(refused("<a><note>1</note></a>").contains("not an object"));
}

#[test]
fn nil_is_null_and_nil_that_holds_something_is_refused() {
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";
    let mapping = NOTES.entity("Customer").unwrap();
    let family = mapping.entity().leaf_at("family_name").unwrap();
    let missing = |inside: &str| read(note(inside).as_bytes()).unwrap().missing.contains(family);
    assert!(missing("<name>x</name>"));
    assert!(!missing(&format!("<family {xsi} xsi:nil='true'/>")));
    assert!(!missing(&format!("<family {xsi} xsi:nil='1'></family>")));
    assert_eq!(name_of(&note(&format!("<name {xsi} xsi:nil='false'>x</name>"))).unwrap(), "x");
    assert_eq!(name_of(&note("<name nil='true'>x</name>")).unwrap(), "x");
    assert!(refused(&note(&format!("<name {xsi} xsi:nil='true'>x</name>"))).contains("nil"));
    assert!(refused(&note(&format!("<family {xsi} xsi:nil='true'><x/></family>"))).contains("nil"));
}

#[test]
fn what_xml_cannot_hold_is_not_asked_for() {
    let text = r##"
speaks: xml
filters:
  d: { shape: or_of_ands, any: { and: "{items}" }, all: { condition: "{items}" }, one: { field: "{field}", value: "{value}" }, ops: { eq: eq } }
entities:
  Customer:
    at: /notes
    wrap: a.note
    list: { post: /find, body: { a: { by: "{filter}" } }, rows: a.note, filter: d }
    read: {}
    fields: { name: name }
"##;
    let (system, told) = load_text("notes", text, "https://notes.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let asked = |name: &str| {
        let leaf = m.entity().leaf_at("name").unwrap();
        let filter = Filter::test(leaf, Op::Eq, Value::Text(name.into()));
        String::from_utf8(m.list(&FieldSet::ID, &filter, &[], None, 7).unwrap().request.body.to_vec())
            .unwrap()
    };
    assert!(asked("a <b>").contains("<value>a &lt;b&gt;</value>"));
    // A space in its place would ask for another name.
    for name in ["\0", "a\u{1b}b", "\u{ffff}"] {
        assert!(!asked(name).contains("value"), "{}", asked(name));
        assert!(m.read(name, &FieldSet::ID).is_none(), "no record is known by such a key");
    }
}

#[test]
fn what_xml_cannot_hold_is_refused_with_its_place() {
    let mapping = NOTES.entity("Customer").unwrap();
    for (text, pointer) in [
        (r#"{ "kind": "person", "name": "a\u0000b" }"#, "/name"),
        (
            r#"{ "name": "a", "emails": [ { "value": "x" }, { "value": "\uffff", "type": "home" } ] }"#,
            "/emails/1/value",
        ),
        (r#"{ "name": "a", "given_name": "\u001b[0m" }"#, "/given_name"),
    ] {
        let faults =
            mapping.create(&record(mapping, &text.replace(r#""kind": "person", "#, ""))).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].pointer, pointer);
    }
}

/// Any text that XML can hold.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "]]>",
        "<![CDATA[",
        "-->",
        "&amp;",
        "&#0;",
        "\r",
        "\n",
        "\t",
        " ",
        "\r\n",
        "</name>",
        "<?x?>",
        "ż",
        "\u{10ffff}",
        "\u{85}",
        "\u{2028}",
    ]);
    let any = any::<char>().prop_filter("XML", |c| holds(&c.to_string())).prop_map(String::from);
    let piece = prop_oneof![odd.prop_map(str::to_owned), any];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_reads_back_wherever_it_is_written(a in text(), b in text(), c in text(), d in text(), e in text()) {
        let mapping = NOTES.entity("Customer").unwrap();
        let given = json!({ "name": a, "given_name": b, "family_name": c, "company": d,
            "emails": [ { "value": e, "type": "work" }, { "value": a, "type": "home" } ] });
        let request = mapping.create(&record(mapping, &given.to_string())).unwrap();
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let answer = body.replacen("<note", "<note id='x'", 1).replacen("</note>", "<id>1</id></note>", 1);
        let mut back = json(mapping.entity(), &read(answer.as_bytes()).unwrap().record);
        prop_assert_eq!(back.as_object_mut().unwrap().remove("id"), Some(json!("1")));
        prop_assert_eq!(&back, &given);
        // An update of it sends nothing, as it stands.
        let whole = record(mapping, &given.to_string());
        prop_assert!(mapping.update("1", &whole, &whole, None).unwrap().is_none());
    }

    #[test]
    fn any_bytes_are_a_record_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
    }

    #[test]
    fn any_markup_is_a_record_or_a_fault(text in "[<>/a\"'=&;#x!\\[\\]C D?:-]{0,60}") {
        drop(read(text.as_bytes()));
        drop(read(note(&text).as_bytes()));
    }

    #[test]
    fn text_is_decoded_to_no_more_than_it_takes(text in "[<>&;#x0-9ampltCDATA!\\[\\]\r\n -]{0,80}") {
        for place in [Place::Content, Place::Attribute] {
            if let Some(decoded) = decode(&text, place) {
                prop_assert!(decoded.len() <= text.len());
            }
        }
    }
}

#[test]
fn a_value_that_is_no_text_of_the_field_is_a_finding_not_a_fault() {
    let inward = read(note("<name><b>x</b></name><family of='y'>z</family>").as_bytes()).unwrap();
    assert_eq!(inward.findings.len(), 1);
    let entity = NOTES.entity("Customer").unwrap().entity();
    assert_eq!(
        inward.record.first(entity, entity.leaf_at("company").unwrap()),
        Some(&Value::Text("y".into()))
    );
}
