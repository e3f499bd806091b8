//! What a mapping costs both ways: a contact of 2 KiB, the same as XML, and an order of 50 lines, over the shipped files.
//!
//! The same job is done by hand-written serde structs and by jaq, in one run, and what comes out is compared before
//! anything is timed. `cargo bench --bench mapping`; the budgets are 8 µs for the contact each way, 250 MB/s for the
//! order inward, thrice the contact for the same as XML, and 2 MB of memory for a list of 1,000 contacts.

use std::{fmt::Write as _, hint::black_box, sync::Arc};

use bramka::{
    mapping::{NativeAnswer, System},
    schema::{self, Schema},
    words::{Diagnostics, SystemName, tree},
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, StatusCode};
use jaq_json::read::parse_single;

mod by_hand;
mod by_jaq;
mod memory;

use by_jaq::Jaq;

fn shipped_schema() -> Schema {
    let files = [
        ("customer.yaml", include_str!("../../policies/schema/customer.yaml")),
        ("product.yaml", include_str!("../../policies/schema/product.yaml")),
        ("stock_level.yaml", include_str!("../../policies/schema/stock_level.yaml")),
        ("order.yaml", include_str!("../../policies/schema/order.yaml")),
        ("invoice.yaml", include_str!("../../policies/schema/invoice.yaml")),
        ("shipment.yaml", include_str!("../../policies/schema/shipment.yaml")),
    ];
    let files: Vec<_> = files
        .map(|(name, text)| {
            let name: Arc<str> = name.into();
            (name.clone(), tree::parse(&name, text).expect("a schema file"))
        })
        .into();
    schema::load::schema(&files).expect("the schema").0
}

fn system(name: &str, text: &str) -> System {
    let mut found = Diagnostics::default();
    let node = tree::parse(&name.into(), text).expect("a system file");
    let loaded = System::load(&SystemName::from(name), &node, &[], &shipped_schema(), &mut found);
    loaded.unwrap_or_else(|| panic!("{name}: {found}"))
}

fn answer(body: String) -> NativeAnswer {
    NativeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        received: None,
        over: None,
    }
}

/// A contact as HubSpot answers it, padded with properties nobody asked for to 2 KiB.
fn contact() -> String {
    let mut body = String::from(
        r#"{"id":"701000000001","properties":{"firstname":"Katarzyna","lastname":"Wójcik-Nowakowska","email":"katarzyna.wojcik@example.com","company":"Młyn Zbożowy sp. z o.o.","vat_id":"PL5260250274","phone":"+48 22 555 01 01","mobilephone":"+48 600 100 200","address":"ul. Długa 1 m. 12","city":"Warszawa","zip":"00-238","state":"mazowieckie","country":"Poland","website":"https://mlyn.example.com/kontakt","hs_language":"pl","lifecyclestage":"customer""#,
    );
    let mut n = 0;
    while body.len() < 1880 {
        write!(body, r#","hs_calculated_{n}":"2026-03-12T07:33:46.615Z""#).expect("text");
        n += 1;
    }
    body.push_str(
        r#"},"createdAt":"2026-02-25T16:23:49.023Z","updatedAt":"2026-03-12T07:34:24.559Z","archived":false,"url":"https://app.example.com/contacts/1/record/0-1/701000000001"}"#,
    );
    body
}

/// The same lines over XML.
fn xml_system() -> System {
    let crm = include_str!("../../policies/systems/crm.yaml");
    let (_, fields) = crm.split_once("    fields:\n").expect("lines");
    let (fields, _) = fields.split_once("    samples:\n").expect("samples");
    let head = "speaks: xml\nabsent: { any: [\"\"] }\nclear: { any: \"\" }\nentities:\n  Customer:\n    at: /contacts\n    wrap: contact\n    read: {}\n    create: {}\n    fields:\n";
    system("xml", &format!("{head}{fields}"))
}

/// The same contact as XML.
fn contact_xml() -> String {
    let json: serde_json::Value = serde_json::from_str(&contact()).expect("the contact");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<contact>");
    elements(&json, &mut out);
    out + "</contact>"
}

fn elements(json: &serde_json::Value, out: &mut String) {
    match json {
        serde_json::Value::Object(pairs) => {
            for (name, value) in pairs {
                write!(out, "<{name}>").expect("text");
                elements(value, out);
                write!(out, "</{name}>").expect("text");
            }
        }
        serde_json::Value::String(text) => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;")),
        other => write!(out, "{other}").expect("text"),
    }
}

/// An order with 50 lines as Business Central answers it.
fn order() -> String {
    let line = |n: u32| {
        format!(
            r#"{{"id":"1e8cb9c0-44e3-ea11-bb43-0000000{n:05}","documentId":"960f5c9c-44e3-ea11-bb43-000d3a2feca1","sequence":{n}0000,"itemId":"0ea6738a-44e3-ea11-bb43-000d3a2feca1","lineType":"Item","lineObjectNumber":"1996-S","description":"ATLANTA Whiteboard, base","unitOfMeasureCode":"PCS","quantity":12,"unitPrice":1397.3,"discountAmount":0,"discountPercent":0,"discountAppliedBeforeTax":false,"amountExcludingTax":16767.6,"taxCode":"TAXABLE","taxPercent":6.00002,"totalTaxAmount":1006.06,"amountIncludingTax":17773.66,"invoiceDiscountAllocation":0,"netAmount":16767.6,"netTaxAmount":1006.06,"netAmountIncludingTax":17773.66,"shipmentDate":"2026-04-02","shippedQuantity":0,"invoicedQuantity":0,"invoiceQuantity":12,"shipQuantity":12}}"#
        )
    };
    let lines: Vec<_> = (1..=50).map(line).collect();
    format!(
        r#"{{"@odata.etag":"W/\"JzIwOzE=\"","id":"b6f4017a-b749-ee11-ad0b-a1422c0f7f1f","number":"101005","externalDocumentNumber":"PO-7","orderDate":"2026-01-15","customerNumber":"20000","customerName":"Acme Portal","currencyCode":"","status":"Open","fullyShipped":false,"pricesIncludeTax":false,"totalAmountExcludingTax":838380,"totalTaxAmount":50303,"totalAmountIncludingTax":888683,"lastModifiedDateTime":"2026-01-15T17:49:38.5Z","salesOrderLines":[{}]}}"#,
        lines.join(",")
    )
}

fn mapping(criterion: &mut Criterion) {
    let crm = system("crm", include_str!("../../policies/systems/crm.yaml"));
    let erp = system("erp", include_str!("../../policies/systems/erp.yaml"));
    let xml = xml_system();
    // ORDER: before anything else has taken memory and given it back.
    memory::of_a_list(crm.entity("Customer").expect("an entity"), &contact());
    for (name, system, entity, body) in [
        ("contact 2 KiB", &crm, "Customer", contact()),
        ("contact as XML", &xml, "Customer", contact_xml()),
        ("order 50 lines", &erp, "Order", order()),
    ] {
        let mapping = system.entity(entity).expect("an entity");
        let wanted = mapping.entity().all();
        let (bytes, answer) = (body.len(), answer(body));
        let inward = mapping.inward(&answer, &wanted).expect("a record");
        let record = inward.record;
        let shown = json(mapping.entity(), &record, None);
        // What only the system may set is left out of what is sent.
        let view = mapping.view(bramka::catalog::Action::Create);
        let text = json(mapping.entity(), &record, Some(&view.writable));
        let open = schema::View {
            writable: wanted,
            required: schema::FieldSet::EMPTY,
            ..schema::View::of(mapping.entity(), schema::Body::Create)
        };
        let sent = schema::json::read(mapping.entity(), &text, &open).expect("a record").record;
        let request = mapping.create(&sent).expect("a request");
        println!("{name}: {bytes} bytes in, {} bytes out", request.body.len());

        let mut group = criterion.benchmark_group(format!("{name} inward"));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("mapping", |bench| bench.iter(|| mapping.inward(black_box(&answer), &wanted)));
        match name {
            "contact 2 KiB" => {
                let jaq = Jaq::new(by_jaq::CONTACT_IN);
                same(&shown, &serde_json::to_vec(&by_hand::contact_in(&answer.body)).expect("JSON"));
                same(&shown, jaq.inward(&answer.body).to_string().as_bytes());
                group.bench_function("serde", |bench| {
                    bench.iter(|| by_hand::contact_in(black_box(&answer.body)))
                });
                group.bench_function("jaq", |bench| bench.iter(|| jaq.inward(black_box(&answer.body))));
            }
            "order 50 lines" => {
                let jaq = Jaq::new(by_jaq::ORDER_IN);
                same(&shown, &serde_json::to_vec(&by_hand::order_in(&answer.body)).expect("JSON"));
                same(&shown, jaq.inward(&answer.body).to_string().as_bytes());
                group.bench_function("serde", |bench| {
                    bench.iter(|| by_hand::order_in(black_box(&answer.body)))
                });
                group.bench_function("jaq", |bench| bench.iter(|| jaq.inward(black_box(&answer.body))));
            }
            _ => {}
        }
        group.finish();

        let mut group = criterion.benchmark_group(format!("{name} outward"));
        group.throughput(Throughput::Bytes(request.body.len() as u64));
        group.bench_function("mapping", |bench| bench.iter(|| mapping.create(black_box(&sent))));
        match name {
            "contact 2 KiB" => {
                let (jaq, entity) = (Jaq::new(by_jaq::CONTACT_OUT), by_hand::contact_in(&answer.body));
                let value = parse_single(&shown).expect("the entity");
                same(&request.body, &by_hand::contact_out(&entity));
                same(&request.body, &jaq.outward(&value));
                group
                    .bench_function("serde", |bench| bench.iter(|| by_hand::contact_out(black_box(&entity))));
                group.bench_function("jaq", |bench| bench.iter(|| jaq.outward(black_box(&value))));
            }
            "order 50 lines" => {
                let (jaq, entity) = (Jaq::new(by_jaq::ORDER_OUT), by_hand::order_in(&answer.body));
                let value = parse_single(&shown).expect("the entity");
                same(&request.body, &by_hand::order_out(&entity));
                same(&request.body, &jaq.outward(&value));
                group.bench_function("serde", |bench| bench.iter(|| by_hand::order_out(black_box(&entity))));
                group.bench_function("jaq", |bench| bench.iter(|| jaq.outward(black_box(&value))));
            }
            _ => {}
        }
        group.finish();
    }
}

fn json(entity: &schema::Entity, record: &schema::Record, fields: Option<&schema::FieldSet>) -> Vec<u8> {
    let mut text = Vec::new();
    schema::json::write(entity, record, fields, &mut text);
    text
}

/// Refuses to time sides that do not do the same job.
fn same(ours: &[u8], theirs: &[u8]) {
    let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    assert_eq!(read(ours), read(theirs), "the sides do not do the same job");
}

criterion_group!(benches, mapping);
criterion_main!(benches);
