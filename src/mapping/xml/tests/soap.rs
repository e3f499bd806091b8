//! Facts about SOAP: nobody writes an envelope into a file, and a fault is never an answer.

use std::sync::Arc;

use super::{written::load, *};
use crate::{
    catalog::Action,
    mapping::{FaultKind, Made, Mapping, NativeRequest},
    schema::Filter,
};

const FILE: &str = r#"
speaks: soap11
namespaces: { c: "urn:customers" }
absent: { any: [""] }
errors:
  - { status: any, at: 'soap:Fault.detail.c:Code', equals: "404", is: not_found }
entities:
  Customer:
    at: /soap/customers
    key: { at: 'c:Id', form: digits }
    wrap: 'c:GetResponse.c:Customer'
    list:
      action: urn:customers/Find
      body: { 'c:Find': { 'c:Page': "{page}", 'c:Size': "{limit}" } }
      rows: 'c:FindResponse.c:Customers.c:Customer'
      page: { most: 50, total: 'c:FindResponse.@total' }
    read: { action: urn:customers/Get, body: { 'c:Get': { 'c:Id': "{key}" } } }
    create: { action: urn:customers/Make, body: { 'c:Make': { 'c:Customer': "{record}" } }, returns: key, key_at: 'c:MakeResponse.c:Id' }
    update: { action: urn:customers/Change, body: { 'c:Change': { 'c:Id': "{key}", 'c:Customer': "{record}" } }, returns: nothing }
    delete: { action: urn:customers/Remove, body: { 'c:Remove': { 'c:Id': "{key}" } } }
    fields:
      given_name: 'c:First'
      family_name: 'c:Last'
"#;

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const V12: &str = "http://www.w3.org/2003/05/soap-envelope";

fn customers(text: &str) -> Arc<Mapping> {
    let (system, told) = load(text);
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn body(request: &NativeRequest) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

fn envelope(space: &str, inside: &str) -> String {
    format!(
        "<?xml version='1.0'?><e:Envelope xmlns:e='{space}'><e:Header><c:Get xmlns:c='urn:customers'/></e:Header>\
         <e:Body>{inside}</e:Body></e:Envelope>"
    )
}

const EWA: &str = "<GetResponse xmlns='urn:customers'><Customer><Id>7</Id><First>E &amp; a</First><Last>Nowak</Last></Customer></GetResponse>";

#[test]
fn a_request_stands_in_an_envelope_and_names_its_action() {
    let m = customers(FILE);
    let read = m.read("7", &m.mapped()).unwrap();
    assert_eq!((read.method.as_str(), read.target.as_str()), ("POST", "/soap/customers"));
    assert_eq!(read.headers["soapaction"], "\"urn:customers/Get\"");
    assert_eq!(read.headers["content-type"], "text/xml; charset=utf-8");
    assert_eq!(
        body(&read),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:c=\"urn:customers\" xmlns:soap=\"{V11}\">\
             <soap:Body><c:Get><c:Id>7</c:Id></c:Get></soap:Body></soap:Envelope>"
        )
    );
    let twelve = customers(&FILE.replace("soap11", "soap12"));
    let read = twelve.read("7", &m.mapped()).unwrap();
    assert_eq!(
        read.headers["content-type"],
        "application/soap+xml; charset=utf-8; action=\"urn:customers/Get\""
    );
    assert!(!read.headers.contains_key("soapaction") && body(&read).contains(V12));
    let silent = customers(&FILE.replace("action: urn:customers/Get, ", ""));
    assert_eq!(silent.read("7", &m.mapped()).unwrap().headers["soapaction"], "\"\"");
}

#[test]
fn what_a_file_says_of_the_header_stands_in_every_envelope() {
    let header = "envelope: { header: { 'c:Context': { 'c:Company': $settings.company, '@soap:mustUnderstand': \"1\" } } }\nsettings: { company: \"A & B\" }\n";
    let m = customers(&format!("{header}{FILE}"));
    let context = "<soap:Header><c:Context soap:mustUnderstand=\"1\"><c:Company>A &amp; B</c:Company></c:Context></soap:Header><soap:Body>";
    let sent = record(&m, r#"{ "given_name": "Ewa", "family_name": "N" }"#);
    let listing = m.list(&m.mapped(), &Filter::everything(), &[], None, 50).unwrap();
    for request in [m.read("7", &m.mapped()).unwrap(), m.create(&sent).unwrap(), listing.request] {
        assert!(body(&request).contains(context), "{}", body(&request));
    }
    let told = |text: &str| load_text("x", text, "https://x.example").1;
    for (header, word) in [
        ("envelope: { header: { 'd:Context': a } }\n", "`d:` is not in `namespaces`"),
        ("envelope: { header: { 'a b': c } }\n", "is no name of an element"),
        ("envelope: { header: {} }\n", "a map of elements"),
        ("envelope: { head: { a: b } }\n", "`header`"),
    ] {
        let told = told(&format!("{header}{FILE}"));
        assert!(told.contains(word), "{header}: {told}");
    }
    let json = "envelope: { header: { a: b } }\nentities:\n  Customer:\n    at: /c\n    read: {}\n    fields: { name: n }\n";
    assert!(told(json).contains("speaks SOAP"), "{}", told(json));
}

#[test]
fn what_is_sent_never_leaves_its_element() {
    let m = customers(FILE);
    let sent = record(&m, r#"{ "given_name": "</c:First></soap:Body>&", "family_name": "]]>" }"#);
    let create = m.create(&sent).unwrap();
    assert!(
        body(&create).contains("<c:First>&lt;/c:First&gt;&lt;/soap:Body&gt;&amp;</c:First>"),
        "{}",
        body(&create)
    );
    let old = record(&m, r#"{ "given_name": "Ewa", "family_name": "]]>" }"#);
    let update = m.update("7", &old, &sent, None).unwrap().unwrap();
    assert!(
        body(&update).contains("<c:Id>7</c:Id>") && !body(&update).contains("c:Last"),
        "{}",
        body(&update)
    );
    assert!(body(&m.delete("7", None).unwrap()).contains("<c:Remove><c:Id>7</c:Id></c:Remove>"));
}

#[test]
fn an_answer_is_read_from_the_body_of_its_envelope() {
    let m = customers(FILE);
    let got = m.inward(&answer(200, &envelope(V11, EWA)), &m.mapped()).unwrap();
    assert_eq!(json(m.entity(), &got.record)["given_name"], "E & a");
    let rows = "<FindResponse xmlns='urn:customers' total='1'><Customers><Customer><Id>7</Id><First>Ewa</First><Last>N</Last></Customer></Customers></FindResponse>";
    let listing = m.list(&m.mapped(), &Filter::everything(), &[], None, 50).unwrap();
    let asked = body(&listing.request);
    assert!(asked.contains("<c:Find><c:Page>1</c:Page><c:Size>50</c:Size></c:Find>"), "{asked}");
    let page = m.inward_list(&listing, &answer(200, &envelope(V11, rows)), &m.mapped()).unwrap();
    assert_eq!(page.rows[0].as_ref().unwrap().id, "7");
    let made = "<MakeResponse xmlns='urn:customers'><Id>8</Id></MakeResponse>";
    let made = m.made(Action::Create, &answer(200, &envelope(V11, made)), &m.mapped()).unwrap();
    assert!(matches!(made, Made::Key(key) if key == "8"));
}

#[test]
fn a_fault_is_an_error_whatever_the_status_says() {
    let m = customers(FILE);
    let fault = |code: &str| {
        envelope(
            V11,
            &format!(
                "<e:Fault><faultcode>e:Server</faultcode><faultstring>no such table</faultstring>\
                 <detail><c:Code xmlns:c='urn:customers'>{code}</c:Code></detail></e:Fault>"
            ),
        )
    };
    for status in [200, 500] {
        let told = m.inward(&answer(status, &fault("9")), &m.mapped()).unwrap_err();
        assert_eq!(
            (&told.kind, &*told.text),
            (&FaultKind::Unknown, &*format!("status {status}; no such table"))
        );
        // What the file says goes first.
        let told = m.inward(&answer(status, &fault("404")), &m.mapped()).unwrap_err();
        assert_eq!(told.kind, FaultKind::NotFound, "{status}");
    }
    let twelve = customers(&FILE.replace("soap11", "soap12"));
    let told = envelope(
        V12,
        "<e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text xml:lang='en'>down</e:Text>\
         <e:Text xml:lang='pl'>nie działa</e:Text></e:Reason></e:Fault>",
    );
    let told = twelve.deleted(&answer(200, &told)).unwrap_err();
    assert_eq!((&told.kind, &*told.text), (&FaultKind::Unknown, "status 200; down"));
    // Without `errors` in the file, and without namespaces in its paths.
    let plain = FILE.split("errors:\n").next().unwrap().to_owned() + &FILE[FILE.find("entities:").unwrap()..];
    let plain = customers(&plain.replace("namespaces: { c: \"urn:customers\" }\n", "").replace("c:", ""));
    assert!(plain.inward(&answer(200, &fault("9")), &m.mapped()).is_err());
    assert!(plain.inward(&answer(200, &envelope(V11, EWA)), &m.mapped()).is_ok());
}

#[test]
fn what_is_no_envelope_of_that_version_is_no_answer() {
    let m = customers(FILE);
    for whole in [
        envelope(V12, EWA),
        EWA.to_owned(),
        format!("<e:Envelope xmlns:e='{V11}'><e:Header/></e:Envelope>"),
        format!("<Envelope xmlns='urn:x'><Body>{EWA}</Body></Envelope>"),
        envelope(V11, ""),
        envelope(V11, EWA).replace("</e:Body>", ""),
    ] {
        let told = m.inward(&answer(200, &whole), &m.mapped()).unwrap_err();
        assert_eq!(told.kind, FaultKind::Unreadable, "{whole}");
    }
}

#[test]
fn a_file_that_could_not_be_asked_in_envelopes_does_not_load() {
    for (was, is, told) in [
        (
            "body: { 'c:Get': { 'c:Id': \"{key}\" } }",
            "post: \"/{key}\"",
            "SOAP asks by `post`, with a `body`",
        ),
        ("speaks: soap11", "speaks: xml", "only a system that speaks `soap11` or `soap12` has `action`"),
        (
            "{ c: \"urn:customers\" }",
            "{ c: \"urn:customers\", soap: \"urn:x\" }",
            "`soap` cannot be a prefix",
        ),
        ("urn:customers/Get", "'a\"b'", "`action` is an address or a name"),
    ] {
        let (system, found) = load(&FILE.replacen(was, is, 1));
        assert!(system.is_none() && found.contains(told), "{told} not in {found}");
    }
}

#[test]
fn fields_of_the_head_go_along_and_those_of_the_road_do_not() {
    let text = "entities:\n  Customer:\n    at: /c\n    list: { rows: r, headers: { X-Company: \"7\", Accept: application/hal+json } }\n    read: { headers: { NAME: x } }\n    fields: { given_name: n }\n";
    let m = customers(&text.replace("NAME", "x-tenant"));
    let listing = m.list(&m.mapped(), &Filter::everything(), &[], None, 50).unwrap();
    assert_eq!(listing.request.headers["x-company"], "7");
    assert_eq!(listing.request.headers["accept"], "application/hal+json");
    assert_eq!(m.read("7", &m.mapped()).unwrap().headers["x-tenant"], "x");
    for name in ["Authorization", "Host", "Transfer-Encoding", "a b"] {
        let (system, found) = load(&text.replace("NAME", &format!("\"{name}\"")));
        assert!(system.is_none() && found.contains(&format!("`{name}` is")), "{found}");
    }
}

#[test]
fn the_example_of_the_docs_loads_and_asks_as_it_says() {
    let page = include_str!("../../../../docs/mapping.md");
    let (_, page) = page.split_once("### Systems that speak SOAP").unwrap();
    let (_, example) = page.split_once("```yaml\n").unwrap();
    let m = customers(example.split_once("```").unwrap().0);
    let asked = m.list(&m.mapped(), &Filter::everything(), &[], None, 50).unwrap().request;
    assert_eq!((asked.target.as_str(), asked.method.as_str()), ("/services/customers", "POST"));
    assert_eq!(asked.headers["soapaction"], "\"urn:example:Find\"");
    assert!(body(&asked).contains("<soap:Body><c:Find><c:Page>1</c:Page></c:Find></soap:Body>"));
}
