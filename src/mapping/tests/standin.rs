//! Facts about the whole road to a system and back, against the stand-in that refuses what HubSpot would.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::*;
use crate::{
    catalog::{Action, Cursor, CursorKey},
    demo::{
        crm::Crm,
        erp, seed,
        standin::{Answers, Ask},
    },
    schema::{Direction, Filter, Op, Sort, Value, query},
    words::{Digest, SecretBytes},
};

fn crm_of(count: u32) -> Arc<Crm> {
    let contact = |n: u32| {
        vec![
            ("email", format!("c{n}@example.com")),
            ("firstname", if n.is_multiple_of(2) { "Ewa" } else { "ewa" }.to_owned()),
            ("lastname", format!("Nowak {n}")),
            ("lifecyclestage", ["lead", "customer"][(n % 2) as usize].to_owned()),
        ]
    };
    Crm::new("t", (0..count).map(contact).collect())
}

fn send(crm: &Crm, request: &NativeRequest) -> NativeAnswer {
    asked(crm, request, "", "t")
}

/// Sends a request to a stand-in whose records stand under `root`.
fn asked(system: &dyn Answers, request: &NativeRequest, root: &str, token: &str) -> NativeAnswer {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut headers = request.headers.clone();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers.insert("host", "erp.test".parse().unwrap());
    let answer = system.answer(&Ask {
        method: request.method.clone(),
        path: format!("{root}{path}"),
        query: query.to_owned(),
        headers,
        body: request.body.clone(),
    });
    let (parts, body) = answer.into_parts();
    NativeAnswer {
        status: parts.status,
        headers: parts.headers,
        body: Bytes::from(body.to_vec()),
        received: None,
        over: None,
    }
}

/// The shipped mapping of the ERP, and the stand-in it speaks to.
fn erp_at_hand() -> (System, impl Fn(&NativeRequest) -> NativeAnswer) {
    let text = include_str!("../../../policies/systems/erp.yaml");
    let (system, told) = load_text("erp", text, &format!("http://erp.test{}", erp::ROOT));
    let (standin, token) = (seed::erp("gate", "s3cret"), erp::token("gate", "s3cret"));
    let send = move |request: &NativeRequest| asked(&*standin, request, erp::ROOT, &token);
    (system.unwrap_or_else(|| panic!("{told}")), send)
}

fn customer() -> &'static Arc<Mapping> {
    crm().entity("Customer").unwrap()
}

#[test]
fn a_customer_is_made_read_changed_and_removed() {
    let (m, crm) = (customer(), crm_of(1));
    let all = m.entity().all();
    let new = record(m, r#"{"kind":"person","given_name":"Jan","emails":[{"value":"jan@example.com"}]}"#);
    let made = m.made(Action::Create, &send(&crm, &m.create(&new).unwrap()), &all).unwrap();
    let Made::Record(made) = made else { panic!("{made:?}") };
    let read = m.inward(&send(&crm, &m.read(&made.id, &all).unwrap()), &all).unwrap();
    assert!(read.findings.is_empty());
    assert_eq!(json(m.entity(), &read.record)["name"], "Jan");
    let mut changed = read.record.clone();
    let (position, _) = m.entity().root.field("family_name").unwrap();
    changed.fields.set(position, Value::Text("Lis".into()));
    let request = m.update(&made.id, &read.record, &changed, None).unwrap().unwrap();
    let read = m.made(Action::Update, &send(&crm, &request), &all).unwrap();
    let Made::Record(read) = read else { panic!("{read:?}") };
    assert_eq!(json(m.entity(), &read.record)["name"], "Jan Lis");
    let again = m.create(&new).unwrap();
    let fault = m.inward(&send(&crm, &again), &all).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Duplicate { existing: Some(made.id.to_string()) });
    m.deleted(&send(&crm, &m.delete(&made.id, None).unwrap())).unwrap();
    let fault = m.inward(&send(&crm, &m.read(&made.id, &all).unwrap()), &all).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[test]
fn an_address_the_system_does_not_take_is_a_fault_at_its_pointer() {
    let (m, crm) = (customer(), crm_of(0));
    let new = record(m, r#"{"kind":"person","emails":[{"value":"nowhere"}]}"#);
    let fault = m.inward(&send(&crm, &m.create(&new).unwrap()), &FieldSet::ID).unwrap_err();
    let FaultKind::Invalid(faults) = fault.kind else { panic!("{fault}") };
    assert_eq!(faults[0].pointer, "/emails/0/value");
}

/// Every page of a list; whether each row passes the filter is the gate's to see.
fn walk_list(crm: &Crm, filter: &Filter, sort: &[Sort], limit: u32) -> Vec<Inward> {
    let m = customer();
    let all = m.entity().all();
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let listing = m.list(&all, filter, sort, cursor.as_deref(), limit).unwrap();
        let page = m.inward_list(&listing, &send(crm, &listing.request), &all).unwrap();
        rows.extend(page.rows.into_iter().map(Result::unwrap));
        assert!(!page.truncated);
        cursor = page.next;
        if cursor.is_none() {
            return rows;
        }
    }
}

#[test]
fn lists_page_to_their_end_without_a_row_twice() {
    let crm = crm_of(25);
    for limit in [1, 7, 25, 100] {
        let rows = walk_list(&crm, &Filter::everything(), &[], limit);
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!((rows.len(), ids.len()), (25, 25), "{limit}");
    }
}

#[test]
fn what_is_pushed_never_loses_a_row() {
    let (m, crm) = (customer(), crm_of(30));
    let everything = walk_list(&crm, &Filter::everything(), &[], 100);
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    let test = |path: &str, op, value: Value| Filter::Test { leaf: leaf(path), op, value };
    let text = |text: &str| Value::Text(text.into());
    let middle = everything[15].record.first(m.entity(), leaf("created_at")).unwrap().clone();
    let filters = [
        test("given_name", Op::Eq, text("Ewa")),
        test("given_name", Op::Ne, text("Ewa")),
        test("emails.value", Op::In, Value::List(vec![text("c3@example.com"), text("C4@example.com")])),
        test("created_at", Op::Gte, middle.clone()),
        test("created_at", Op::Lt, middle),
        test("lifecycle", Op::Eq, text("customer")),
        Filter::Not(Box::new(test("lifecycle", Op::Eq, text("customer")))),
        Filter::Any(vec![
            test("emails.value", Op::Eq, text("c1@example.com")),
            Filter::All(vec![
                test("lifecycle", Op::Eq, text("lead")),
                test("name", Op::Eq, text("Ewa Nowak 4")),
            ]),
        ]),
    ];
    for filter in &filters {
        let passing = |rows: &[Inward]| -> BTreeSet<String> {
            let passes = |row: &&Inward| filter.matches(m.entity(), &row.record);
            rows.iter().filter(passes).map(|row| row.id.to_string()).collect()
        };
        let pushed = walk_list(&crm, filter, &[], 10);
        assert_eq!(passing(&pushed), passing(&everything), "{filter:?}");
    }
}

#[test]
fn an_order_that_is_pushed_comes_back_in_order() {
    let (m, crm) = (customer(), crm_of(12));
    let leaf = m.entity().leaf_at("created_at").unwrap();
    let sort = [Sort { leaf, direction: Direction::Descending }];
    assert!(m.list(&FieldSet::ID, &Filter::everything(), &sort, None, 5).unwrap().sort_pushed);
    let rows = walk_list(&crm, &Filter::everything(), &sort, 5);
    let times: Vec<_> = rows.iter().map(|row| row.record.first(m.entity(), leaf).unwrap().clone()).collect();
    let order = |pair: &[Value]| match pair {
        [Value::Instant(a), Value::Instant(b)] => a >= b,
        _ => false,
    };
    assert!(rows.len() == 12 && times.windows(2).all(order));
}

#[test]
fn a_list_by_ninety_values_pages_to_its_end() {
    let (system, send) = erp_at_hand();
    let m = system.entity("Order").unwrap();
    let entity = m.entity();
    let key = CursorKey::new(&SecretBytes::new(vec![7; 32])).unwrap();
    let scope = Digest::of(b"s");
    let values: Vec<String> = (1..=90).map(|n| format!("{}", n * 10_000)).collect();
    let values = values.join(",");
    let (mut ids, mut pages, mut cursor) = (BTreeSet::new(), 0, None::<String>);
    loop {
        let mut pairs = vec![("customer[in]", values.as_str()), ("limit", "100")];
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let (query, sent) =
            query::read(entity, pairs, &entity.all(), &entity.all(), &query::Limits::default()).unwrap();
        let native = sent.and_then(|sent| key.open(&scope, &sent).unwrap().native);
        let listing = m.list(&entity.all(), &query.filter, &[], native.as_deref(), query.limit).unwrap();
        assert!(listing.request.target.contains("filter"), "{}", listing.request.target);
        let page = m.inward_list(&listing, &send(&listing.request), &entity.all()).unwrap();
        pages += 1;
        ids.extend(page.rows.into_iter().map(|row| row.unwrap().id));
        let Some(next) = page.next else { break };
        cursor = Some(
            key.seal(&scope, &Cursor { native: Some(next), skip: 0, rows: 0, ..Cursor::default() }).unwrap(),
        );
    }
    assert!(pages > 1 && ids.len() == seed::ORDERS, "{} in {pages}", ids.len());
}

#[test]
fn an_invoice_is_found_by_the_order_it_bills() {
    let (system, send) = erp_at_hand();
    let m = system.entity("Invoice").unwrap();
    let (all, leaf) = (m.entity().all(), m.entity().leaf_at("order").unwrap());
    let list = |filter: &Filter| {
        let listing = m.list(&all, filter, &[], None, 200).unwrap();
        let page = m.inward_list(&listing, &send(&listing.request), &all).unwrap();
        page.rows.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let first = list(&Filter::everything()).remove(0);
    let order = first.record.first(m.entity(), leaf).unwrap().clone();
    let found = list(&Filter::Test { leaf, op: Op::Eq, value: order });
    assert_eq!(found.iter().map(|row| &row.id).collect::<Vec<_>>(), [&first.id]);
}
