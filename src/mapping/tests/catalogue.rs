//! Facts about the ready files of systems that are not in use: they load, their samples hold, and what they ask
//! is what the system understands.

use super::*;
use crate::schema::{Direction, Filter, Op, Sort, Value};

const FILES: [(&str, &str, &str); 4] = [
    (
        "salesforce",
        include_str!("../../../policies/systems/catalogue/salesforce.yaml"),
        "https://example.my.salesforce.com/services/data/v59.0",
    ),
    (
        "sap-s4",
        include_str!("../../../policies/systems/catalogue/sap-s4.yaml"),
        "https://s4.example.com/sap/opu/odata/sap",
    ),
    (
        "xero",
        include_str!("../../../policies/systems/catalogue/xero.yaml"),
        "https://api.xero.com/api.xro/2.0",
    ),
    (
        "fakturownia",
        include_str!("../../../policies/systems/catalogue/fakturownia.yaml"),
        "https://my-company.fakturownia.pl",
    ),
];

fn load(name: &str) -> System {
    let (name, text, base) = FILES.into_iter().find(|(file, ..)| *file == name).unwrap();
    let (system, told) = load_text(name, text, base);
    assert_eq!(told, "");
    system.unwrap()
}

pub(super) fn test(m: &Mapping, path: &str, op: Op, text: &str) -> Filter {
    let leaf = m.entity().leaf_at(path).unwrap();
    let kind = &m.entity().leaf(leaf).unwrap().kind;
    let one = |text: &str| schema::value::parse_text(kind, text).unwrap();
    let value = match op {
        Op::In => Value::List(text.split(',').map(one).collect()),
        Op::Eq
        | Op::Ne
        | Op::Lt
        | Op::Lte
        | Op::Gt
        | Op::Gte
        | Op::Contains
        | Op::StartsWith
        | Op::EndsWith => one(text),
    };
    Filter::Test { leaf, op, value }
}

pub(super) fn decoded(listing: &Listing) -> String {
    percent_encoding::percent_decode_str(&listing.request.target).decode_utf8().unwrap().into_owned()
}

fn by(m: &Mapping, path: &str) -> [Sort; 1] {
    [Sort { leaf: m.entity().leaf_at(path).unwrap(), direction: Direction::Descending }]
}

fn wanted(m: &Mapping, paths: &[&str]) -> FieldSet {
    paths.iter().map(|path| m.entity().leaf_at(path).unwrap()).collect()
}

#[test]
fn each_file_loads_and_its_samples_hold() {
    for (name, ..) in FILES {
        let system = load(name);
        let found = system.check();
        assert!(found.0.is_empty(), "{found}");
        assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
    }
}

#[test]
fn a_query_language_is_asked_in_one_statement_with_fields_filter_and_order() {
    let system = load("salesforce");
    let m = system.entity("Customer").unwrap();
    let fields = wanted(m, &["name", "updated_at"]);
    let filter = Filter::All(vec![
        test(m, "name", Op::In, "O'Hara \\ Sons,Acme"),
        test(m, "addresses.city", Op::Eq, "Kraków"),
        test(m, "updated_at", Op::Gte, "2026-01-01T00:00:00+01:00"),
        test(m, "website", Op::Ne, "x"),
    ]);
    let listing = m.list(&fields, &filter, &by(m, "updated_at"), None, 50).unwrap();
    assert_eq!(
        decoded(&listing),
        r"/query?q=SELECT Id, Name, LastModifiedDate FROM Account WHERE Name IN ('O\'Hara \\ Sons','Acme') AND (BillingCity = 'Kraków' OR ShippingCity = 'Kraków') AND LastModifiedDate >= 2025-12-31T23:00:00Z ORDER BY LastModifiedDate DESC NULLS LAST, Id ASC NULLS LAST"
    );
    assert!(listing.sort_pushed);
    let plain = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 50).unwrap();
    assert_eq!(decoded(&plain), "/query?q=SELECT Id FROM Account");
    assert_eq!(
        m.read("001", &fields).unwrap().target,
        "/sobjects/Account/001?fields=Id%2CName%2CLastModifiedDate"
    );
}

#[test]
fn a_query_goes_on_at_the_relative_address_that_the_answer_names() {
    let system = load("salesforce");
    let m = system.entity("Customer").unwrap();
    let first = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 50).unwrap();
    let page = |done: bool, more: &str| {
        let text =
            format!(r#"{{"totalSize":2,"done":{done}{more},"records":[{{"Id":"1","Name":"First Page"}}]}}"#);
        answer(200, &text)
    };
    let told = page(false, r#","nextRecordsUrl":"/services/data/v59.0/query/01gD-2000""#);
    let next = m.inward_list(&first, &told, &FieldSet::ID).unwrap().next;
    let second = m.list(&FieldSet::ID, &Filter::everything(), &[], next.as_deref(), 50).unwrap();
    assert_eq!(second.request.target, "/query/01gD-2000");
    assert_eq!(m.inward_list(&second, &page(true, ""), &FieldSet::ID).unwrap().next, None);
}

#[test]
fn errors_that_stand_in_a_list_are_told_apart() {
    let system = load("salesforce");
    let m = system.entity("Customer").unwrap();
    let fault = |status, body: &str| m.inward(&answer(status, body), &FieldSet::ID).unwrap_err().kind;
    // As restforce records them (MIT).
    let expired = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    assert_eq!(fault(401, expired), FaultKind::SignInFailed);
    assert_eq!(fault(404, r#"[{"errorCode":"NOT_FOUND","message":"x"}]"#), FaultKind::NotFound);
    assert!(matches!(
        fault(403, r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"x"}]"#),
        FaultKind::RateLimited { .. }
    ));
}

#[test]
fn odata_2_is_asked_in_its_own_literals_and_answers_under_d() {
    let system = load("sap-s4");
    let m = system.entity("Order").unwrap();
    let fields = wanted(m, &["customer", "lines.sku"]);
    let filter = Filter::All(vec![
        test(m, "customer", Op::Eq, "O'Hara"),
        test(m, "ordered_on", Op::Eq, "2016-08-17"),
        test(m, "tax_exclusive_total", Op::Gte, "12.30"),
        test(m, "updated_at", Op::Lte, "2016-09-02T06:15:47.125Z"),
        test(m, "currency", Op::In, "USD,EUR"),
    ]);
    let listing = m.list(&fields, &filter, &by(m, "ordered_on"), None, 50).unwrap();
    assert_eq!(
        decoded(&listing),
        "/API_SALES_ORDER_SRV/A_SalesOrder?$filter=SoldToParty eq 'O''Hara' and \
         (SalesOrderDate ge datetime'2016-08-17T00:00:00' and SalesOrderDate lt datetime'2016-08-18T00:00:00') and \
         TotalNetAmount ge 12.30M and LastChangeDateTime lt datetimeoffset'2016-09-02T06:15:47.126Z' and \
         (TransactionCurrency eq 'USD' or TransactionCurrency eq 'EUR')&$orderby=SalesOrderDate desc,SalesOrder asc\
         &$select=SalesOrder,SoldToParty,to_Item&$expand=to_Item&$top=50"
    );
    assert!(listing.sort_pushed);
    let read = m.read("O'H 1", &fields).unwrap().target;
    assert_eq!(
        read,
        "/API_SALES_ORDER_SRV/A_SalesOrder(%27O%27%27H%201%27)?$select=SalesOrder%2CSoldToParty%2Cto_Item&$expand=to_Item"
    );
    let page = answer(200, r#"{"d":{"results":[{"SalesOrder":"1","SoldToParty":"17"}]}}"#);
    let page = m.inward_list(&listing, &page, &FieldSet::ID).unwrap();
    assert_eq!(page.rows[0].as_ref().unwrap().id, "1");
    for bare in [r#"{"SalesOrder":"1"}"#, r#"[]"#, r#"{"d":{"SalesOrder":"1"},"d":{"SalesOrder":"2"}}"#] {
        let fault = m.inward(&answer(200, bare), &FieldSet::ID).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreadable, "{bare}");
    }
    let fault = r#"{"error":{"code":"/IWBEP/CM_MGW_RT/021","message":{"lang":"en","value":"x"}}}"#;
    assert_eq!(m.inward(&answer(400, fault), &FieldSet::ID).unwrap_err().kind, FaultKind::NotFound);
}

#[test]
fn an_expanded_list_is_named_where_it_is_read_from_a_fixed_place_too() {
    let system = load("sap-s4");
    let m = system.entity("Product").unwrap();
    let target = decoded(&m.list(&wanted(m, &["name"]), &Filter::everything(), &[], None, 7).unwrap());
    assert_eq!(
        target,
        "/API_PRODUCT_SRV/A_Product?$select=Product,to_Description&$expand=to_Description&$top=7"
    );
}

#[test]
fn a_single_record_that_is_named_is_expanded_where_a_line_under_it_is_wanted_and_nowhere_else() {
    let text = include_str!("../../../policies/systems/erp.yaml");
    let base = text.lines().find_map(|line| line.strip_prefix("base: \"")).unwrap().trim_end_matches('"');
    let (system, told) = load_text("erp", text, base);
    assert_eq!(told, "");
    let system = system.unwrap();
    let m = system.entity("Customer").unwrap();
    let asked = |fields: &[&str]| {
        let listing = m.list(&wanted(m, fields), &Filter::everything(), &[], None, 7).unwrap();
        decoded(&listing).split_once('?').unwrap().1.to_owned()
    };
    assert_eq!(asked(&["name"]), "$select=number,id,displayName");
    assert_eq!(
        asked(&["name", "credit.used"]),
        "$select=number,id,displayName&$expand=customerFinancialDetail"
    );
    let wrong = "system: x\nbase: https://x.example\nsign_in: none\nentities:\n  Customer:\n    at: /c\n    select: { expands: [a] }\n    read: {}\n    fields: { kind: =person, name: a.b }\n";
    let (system, told) = load_text("x", wrong, "https://x.example");
    assert!(system.is_none() && told.contains("`expands` is asked of systems that speak OData"), "{told}");
}

#[test]
fn a_text_that_no_quotes_can_hold_is_not_asked_for() {
    let system = load("xero");
    let m = system.entity("Customer").unwrap();
    let asked = |name: &str| {
        let filter = Filter::All(vec![test(m, "name", Op::Eq, name)]);
        decoded(&m.list(&FieldSet::ID, &filter, &[], None, 50).unwrap())
    };
    assert_eq!(
        asked("O'Hara AND Sons"),
        r#"/Contacts?includeArchived=true&where=Name=="O'Hara AND Sons"&page=1"#
    );
    for name in [r#"a" OR Name!=""#, r"a\", "\""] {
        assert_eq!(asked(name), "/Contacts?includeArchived=true&page=1", "{name}");
    }
}

#[test]
fn an_error_of_an_accounting_service_is_told_by_what_it_says() {
    let (xero, fakturownia) = (load("xero"), load("fakturownia"));
    let fault = |system: &System, entity: &str, status: u16, text: &str| {
        system.entity(entity).unwrap().deleted(&answer(status, text)).unwrap_err()
    };
    let told = fault(
        &xero,
        "Invoice",
        400,
        r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"ValidationErrors":[{"Message":"Invoice not of valid status"}]}]}"#,
    );
    assert!(
        matches!(told.kind, FaultKind::Invalid(_)) && told.text.contains("not of valid status"),
        "{told:?}"
    );
    // A success that is none.
    let told = fault(
        &fakturownia,
        "Invoice",
        200,
        r#"{"code":"error","message":{"buyer_tax_no":["- nie może być puste"]}}"#,
    );
    assert!(matches!(told.kind, FaultKind::Invalid(_)), "{told:?}");
    let gone = fault(&fakturownia, "Customer", 404, r#"{"status":"404","error":"Not Found"}"#);
    assert_eq!(gone.kind, FaultKind::NotFound);
}
