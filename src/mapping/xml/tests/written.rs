//! Facts about bodies: order, namespaces, attributes, lists, and what a file must not say.

use super::*;
use crate::{
    catalog::Action,
    mapping::{Before, Made, NativeRequest, RowFault},
    schema::{FieldSet, Filter},
};

const ORDERS: &str = r#"
speaks: xml
namespaces: { "": "urn:orders", p: "urn:party" }
absent: { any: [""] }
clear: { any: null }
entities:
  Order:
    at: /orders
    key: '@key'
    wrap: Orders.Order
    order: [Head, Lines.Line.Quantity, Lines.Line.Sku, 'p:Buyer']
    set: { 'Head.@version': "2" }
    list: { rows: Orders.Order }
    read: {}
    create: {}
    update: {}
    fields:
      buyer_reference: 'p:Buyer.p:Ref'
      salesperson: 'p:Buyer.@p:name'
      email: Mail
      ordered_on: Head.Date
      lines:
        each: Lines.Line
        fields:
          sku: { at: Sku }
          quantity: { at: 'Quantity.#' }
          unit: { at: 'Quantity.@unit' }
          description: Text
    samples:
      - answer: |
          <x:Orders xmlns:x="urn:orders" xmlns:party="urn:party">
            <x:Order key="7">
              <party:Buyer name="of no namespace" party:name="Acme"><party:Ref>PO-7</party:Ref><x:Ref>another</x:Ref></party:Buyer>
              <Mail xmlns="urn:other">not ours</Mail>
              <x:Head version="2"><x:Date>2026-01-15</x:Date></x:Head>
              <x:Lines><x:Line><x:Quantity unit="H87">12.50</x:Quantity><x:Sku>A</x:Sku></x:Line><x:Line><x:Sku>B</x:Sku></x:Line></x:Lines>
            </x:Order>
          </x:Orders>
        reads: |
          { "id": "7", "buyer_reference": "PO-7", "salesperson": "Acme", "ordered_on": "2026-01-15",
            "lines": [ { "sku": "A", "quantity": "12.50", "unit": "H87" }, { "sku": "B" } ] }
      - create: |
          { "buyer_reference": "PO-7", "salesperson": "A \"B\" & <C>", "email": "a@b.example", "ordered_on": "2026-01-15",
            "lines": [ { "sku": "A", "quantity": "12.50", "unit": "H87" }, { "sku": "B" } ] }
        sends: |
          <Orders xmlns="urn:orders" xmlns:p="urn:party">
            <Order>
              <Head version="2"><Date>2026-01-15</Date></Head>
              <Lines><Line><Quantity unit="H87">12.50</Quantity><Sku>A</Sku></Line><Line><Sku>B</Sku></Line></Lines>
              <p:Buyer p:name="A &quot;B&quot; &amp; &lt;C&gt;"><p:Ref>PO-7</p:Ref></p:Buyer>
              <Mail>a@b.example</Mail>
            </Order>
          </Orders>
      - from: |
          { "buyer_reference": "PO-7", "email": "a@b.example", "ordered_on": "2026-01-15" }
        update: |
          { "buyer_reference": "PO-8", "ordered_on": "2026-01-15" }
        sends: |
          <Orders xmlns="urn:orders" xmlns:p="urn:party">
            <Order><p:Buyer><p:Ref>PO-8</p:Ref></p:Buyer><Mail xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/></Order>
          </Orders>
"#;

pub(super) fn load(text: &str) -> (Option<crate::mapping::System>, String) {
    load_text("orders", text, "https://orders.example")
}

#[test]
fn order_namespaces_attributes_and_lists_are_written_and_read() {
    let (system, told) = load(ORDERS);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let found = system.check();
    assert!(found.0.is_empty(), "{found}");
}

#[test]
fn a_sample_in_another_order_does_not_hold_where_the_system_asks_for_one() {
    let (system, _) = load(&ORDERS.replace("order: [Head,", "order: [Lines, Head,"));
    let found = system.unwrap().check().to_string();
    assert!(found.contains("`Lines` stands where `Head` is due"), "{found}");
}

#[test]
fn a_namespace_that_the_file_does_not_name_is_not_read() {
    let (system, told) = load(ORDERS);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Order").unwrap();
    let read = |body: &str| mapping.inward(&answer(200, body), &mapping.entity().all());
    let order = "<Order key='7'><Mail>x</Mail></Order>";
    assert!(read(&format!("<Orders xmlns='urn:orders'>{order}</Orders>")).is_ok());
    assert!(read(&format!("<Orders>{order}</Orders>")).is_err());
    assert!(read(&format!("<Orders xmlns='urn:other'>{order}</Orders>")).is_err());
    assert!(read(&format!("<p:Orders xmlns:p='urn:orders'>{order}</p:Orders>")).is_err());
}

#[test]
fn one_element_is_a_list_of_one_and_none_an_empty_one() {
    let (system, told) = load(ORDERS);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Order").unwrap();
    let lines = |inside: &str| {
        let body = format!("<Orders xmlns='urn:orders'><Order key='7'><Mail/>{inside}</Order></Orders>");
        let inward = mapping.inward(&answer(200, &body), &mapping.entity().all()).unwrap();
        let missing = inward.missing.contains(mapping.entity().leaf_at("lines.sku").unwrap());
        (json(mapping.entity(), &inward.record)["lines"].clone(), missing)
    };
    assert_eq!(lines("<Lines><Line><Sku>A</Sku></Line></Lines>"), (json!([{ "sku": "A" }]), false));
    assert_eq!(lines("<Lines><Other/></Lines>"), (json!([]), false));
    assert_eq!(lines("<Lines/>"), (json!([]), false));
    assert_eq!(lines("<Lines>\n</Lines>"), (json!([]), false));
    // Not told: there is no list at all, or an element that stands for one elsewhere.
    assert_eq!(lines(""), (json!(null), true));
    assert_eq!(lines("<Lines href='/orders/7/lines'/>"), (json!(null), true));
}

#[test]
fn mistakes_in_a_file_that_speaks_xml_are_told_with_their_place() {
    let told = load(
        r#"
speaks: xml
namespaces: { xml: "urn:x", p: "urn:party", q: "urn:party", r: "" }
entities:
  Order:
    at: /orders
    read: {}
    fields:
      buyer_reference: 'a b'
      customer_name: 'p:Buyer.@p:name.x'
      email: 'z:Mail'
      phone: '@'
  Product:
    at: /products
    wrap: a[0].@b
    create: {}
    fields:
      sku: "1a"
"#,
    )
    .1;
    for word in [
        "orders.yaml:3:15: error: `xml` cannot be a prefix here",
        "this namespace has a prefix already",
        "a namespace is the address",
        "orders.yaml:6:5: error: key `wrap` is missing: the elements around one record",
        "orders.yaml:9:24: error: `a b` is no name of an element; write `@x` for an attribute",
        "`@p:name` is the last step of a path, or none",
        "orders.yaml:11:14: error: `z:` is not in `namespaces`",
        "`@` is no name of an element",
        "`wrap` names elements",
        "`1a` is no name of an element",
    ] {
        assert!(told.contains(word), "{word} not in:\n{told}");
    }
    let body = load("speaks: xml\nentities:\n  Order:\n    at: /o\n    list: { post: /f, rows: a.b, page: { next: c, body: x.page, size: y.size } }\n    fields: { email: x }\n").1;
    assert!(body.contains("orders.yaml:4:5: error: the body of a list has one element around all"), "{body}");
    let plain = load("namespaces: { a: \"urn:a\" }\n").1;
    assert!(plain.contains("only a system that speaks `xml` has `namespaces`"), "{plain}");
    let prefixed = load("speaks: xml\nentities:\n  Order:\n    at: /o\n    fields: { email: 'p:x' }\n").1;
    assert!(
        prefixed.contains("`p:` is not in `namespaces`; write the name alone, or declare it"),
        "{prefixed}"
    );
}

#[test]
fn a_change_is_judged_as_the_system_will_hold_it() {
    let text = "speaks: xml
absent: { any: [\"\"] }
clear: { any: \"\" }
entities:
  Customer:
    at: /c
    wrap: a.c
    read: {}
    create: {}
    update: {}
    fields:
      given_name: { at: first, norm: trim }
      family_name: '@last'
      name: { join: [first, '@last'] }
      company: company
";
    let (system, told) = load(text);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Customer").unwrap();
    let before = answer(
        200,
        "<a><c last='Nowak'><id>1</id><first><![CDATA[Ewa]]></first><company>M &amp; S</company></c></a>",
    );
    let old = mapping.inward(&before, &mapping.entity().all()).unwrap().record;
    let new = record(mapping, r#"{ "given_name": " Ola ", "family_name": "Nowak", "company": "M & S" }"#);
    let told = Before::Told { record: &old, answer: &before };
    let settled = mapping.settled(told, new, &FieldSet::EMPTY);
    let held = json(mapping.entity(), &settled.held);
    assert_eq!((&held["name"], &held["company"]), (&json!("Ola Nowak"), &json!("M & S")));
    let fresh = record(mapping, r#"{ "given_name": "Ola", "family_name": "Lis" }"#);
    let settled = mapping.settled(Before::Nothing, fresh, &FieldSet::EMPTY);
    assert_eq!(json(mapping.entity(), &settled.held)["name"], "Ola Lis");
}

#[test]
fn the_example_of_the_docs_reads_as_it_says() {
    let page = include_str!("../../../../docs/mapping.md");
    let (_, page) = page.split_once("## Systems that speak XML").unwrap();
    let block = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let (system, told) = load(block("yaml"));
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Product").unwrap();
    let inward = mapping.inward(&answer(200, block("xml")), &mapping.entity().all()).unwrap();
    let product = json!({ "id": "17", "sku": "LAMP-1", "name": "Lamp", "unit": "H87", "list_price": { "net_price": "19.90", "currency": "EUR" } });
    assert_eq!(json(mapping.entity(), &inward.record), product);
    let sent = mapping.create(&inward.record).unwrap();
    let sent = tree(&sent.body).unwrap();
    assert_eq!(
        sent["shop"]["article"],
        json!({ "number": "LAMP-1", "title": { "language": { "@id": "1", "#": "Lamp" } }, "price": { "@currency": "EUR", "#": "19.90" }, "unit": { "@code": "pc", "#": "" } })
    );
}

const WRAPPED: &str = r#"
speaks: xml
entities:
  Customer:
    at: /c
    key: { at: '@id', form: digits }
    wrap: answer.customer
    list:
      post: /search
      body: { ask: { '@page': "{page}", limit: "{limit}" } }
      rows: answer.customers.customer
      keys: '@id'
      read: { post: /read, body: { ask: { id: "{keys}" } }, rows: answer.customers.customer, most: 2 }
      page: { from: 1, most: 3, total: answer.total }
    read: { post: /one, body: { ask: { id: "{key}" } } }
    create: { body: { ask: { token: abc, customer: "{record}" } }, returns: key, key_at: answer.done.@id }
    update: { post: /change, body: { ask: { id: "{key}", customer: "{record}" } } }
    fields: { given_name: name }
"#;

#[test]
fn what_stands_around_a_record_in_a_request_is_what_the_file_says() {
    let (system, told) = load(WRAPPED);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Customer").unwrap();
    let all = mapping.entity().all();
    let body = |request: &NativeRequest| String::from_utf8(request.body.to_vec()).unwrap();
    let sent = record(mapping, r#"{ "given_name": "</customer>&" }"#);
    let create = mapping.create(&sent).unwrap();
    assert!(
        body(&create).ends_with(
            "<ask><token>abc</token><customer><name>&lt;/customer&gt;&amp;</name></customer></ask>"
        ),
        "{}",
        body(&create)
    );
    assert_eq!(create.headers["content-type"], "application/xml");
    // The answer tells the key, in XML too.
    let made = mapping.made(Action::Create, &answer(200, "<answer><done id='7'/></answer>"), &all).unwrap();
    assert!(matches!(&made, Made::Key(key) if key == "7"), "{made:?}");
    assert!(mapping.made(Action::Create, &answer(200, "<answer><done/></answer>"), &all).is_err());
    let read = mapping.read("7", &all).unwrap();
    assert!(body(&read).ends_with("<ask><id>7</id></ask>"), "{}", body(&read));
    assert_eq!(read.target, "/c/one");
}

#[test]
fn a_list_of_keys_is_read_by_them_in_xml_too() {
    let (system, told) = load(WRAPPED);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Customer").unwrap();
    let all = mapping.entity().all();
    let listing = mapping.list(&all, &Filter::everything(), &[], None, 3).unwrap();
    let body = |request: &NativeRequest| String::from_utf8(request.body.to_vec()).unwrap();
    assert!(
        body(&listing.request).ends_with(r#"<ask page="1"><limit>3</limit></ask>"#),
        "{}",
        body(&listing.request)
    );
    let keys = "<answer><total>3</total><customers><customer id='7'/><customer id='3'/><customer id='x'/></customers></answer>";
    let keys = answer(200, keys);
    let mut batch = mapping.batch(&listing, &keys).unwrap().unwrap();
    let asked = batch.request(&all).unwrap();
    assert!(body(&asked).ends_with("<ask><id>7</id><id>3</id></ask>"), "{}", body(&asked));
    let records = "<answer><customers><customer id='3'><name>Ewa</name></customer></customers></answer>";
    batch.take(mapping.batch_rows(&listing, &answer(200, records), &all)).unwrap();
    assert!(batch.request(&all).is_none());
    let rows = batch.page().rows;
    assert_eq!(rows[0].as_ref().unwrap_err(), &RowFault::Gone);
    assert_eq!(rows[1].as_ref().unwrap().id, "3");
    assert_eq!(rows[2].as_ref().unwrap_err(), &RowFault::NoKey);
}

#[test]
fn a_template_that_would_be_no_xml_does_not_load() {
    let of = |list: &str| {
        let text = format!(
            "speaks: xml\nentities:\n  Customer:\n    at: /c\n    wrap: a.c\n    read: {{ {list} }}\n    fields: {{ given_name: name }}\n"
        );
        let (system, told) = load(&text);
        assert!(system.is_none());
        told
    };
    let two = of(r#"post: /one, body: { ask: { id: "{key}" }, other: 1 }"#);
    assert!(two.contains("a body in XML has one element around all that is in it"), "{two}");
    let name = of(r#"post: /one, body: { ask: { 'a b': "{key}" } }"#);
    assert!(name.contains("`a b` is no name of an element"), "{name}");
    let rows = of(r#"get: "/{key}", rows: a.c"#);
    assert!(rows.contains("`wrap` says where a record stands in XML"), "{rows}");
    let filtered = |list: &str, field: &str| {
        let text = format!(
            "speaks: xml\nfilters:\n  f: {{ shape: or_of_ands, any: {{ and: \"{{items}}\" }}, all: {{ is: \"{{items}}\" }}, one: {{ {field}: \"{{field}}\", v: \"{{value}}\" }}, ops: {{ eq: eq }} }}\nentities:\n  Customer:\n    at: /c\n    list: {{ post: /f, rows: a.c, filter: f, {list} }}\n    fields: {{ given_name: name }}\n"
        );
        load(&text)
    };
    let (system, told) = filtered(r#"page: { size: a.n }"#, "f");
    assert!(
        system.is_none() && told.contains("what a list in XML filters and sorts by stands in its `body`"),
        "{told}"
    );
    let (system, told) = filtered(r#"body: { a: { "{filter}": x } }"#, "f");
    assert!(system.is_none(), "{told}");
    let (system, told) = filtered(r#"body: { a: { w: "{filter}" } }"#, "'f f'");
    assert!(system.is_none() && told.contains("`f f` is no name of an element"), "{told}");
    assert!(filtered(r#"body: { a: { w: "{filter}" } }"#, "f").0.is_some());
}
