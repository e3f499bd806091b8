//! Facts about the way in.

use proptest::prelude::*;

use super::*;

fn contact(properties: &str) -> String {
    format!(
        r#"{{"id":"7","properties":{{{properties}}},"createdAt":"2026-02-25T16:23:49.023Z","archived":false}}"#
    )
}

fn read(body: &str) -> Result<Inward, SystemFault> {
    let system = crm();
    let mapping = system.entity("Customer").unwrap();
    mapping.inward(&answer(200, body), &mapping.entity().all())
}

#[test]
fn a_value_that_does_not_fit_is_left_out_with_a_finding_and_the_record_is_served() {
    let inward =
        read(&contact(r#""firstname":["x"],"lastname":"Nowak","lifecyclestage":"martian""#)).unwrap();
    let system = crm();
    let entity = system.entity("Customer").unwrap().entity().clone();
    let path = |finding: &Finding| entity.leaf(finding.leaf).unwrap().path.to_string();
    let found: Vec<_> = inward.findings.iter().map(|f| (path(f), f.what.as_str())).collect();
    let unfit = |path: &str| (path.to_owned(), "unfit");
    assert_eq!(found, [unfit("name"), unfit("given_name"), ("lifecycle".into(), "unknown_value")]);
    let json = json(&entity, &inward.record);
    assert_eq!((json["family_name"].as_str(), json["lifecycle"].as_str()), (Some("Nowak"), Some("other")));
    assert!(json.get("given_name").is_none() && json.get("name").is_none());
    assert!(inward.missing.contains(entity.leaf_at("given_name").unwrap()));
}

#[test]
fn known_to_be_empty_is_told_apart_from_not_told() {
    let inward = read(&contact(r#""firstname":null"#)).unwrap();
    let system = crm();
    let entity = system.entity("Customer").unwrap().entity().clone();
    let missing = |path| inward.missing.contains(entity.leaf_at(path).unwrap());
    assert!(!missing("given_name") && missing("family_name"));
}

/// What a nested native answer leaves untold, by path, and what is read from it.
fn nested(body: &str) -> (Vec<String>, serde_json::Value) {
    let text = r#"
absent: { any: ["", "-"], text: [none] }
entities:
  Customer:
    at: /c
    fields:
      given_name: who.first
      company: { at: who.firm.name, default: nobody }
      name: { join: [who.first, who.last] }
      emails[0].value: { at: 'mails[0].value', write: never }
      phones:
        - { type: =work, value: { at: 'dial[0].number', write: never } }
        - { type: =mobile, value: { at: 'dial[1].number', write: never } }
      addresses: { each: stays.all, fields: { city: where.town } }
"#;
    let (system, told) = load_text("x", text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let mapping = system.entity("Customer").unwrap();
    let entity = mapping.entity();
    let body = format!(r#"{{"id":"7"{body}}}"#);
    let inward = mapping.inward(&answer(200, &body), &mapping.mapped()).unwrap();
    let path = |leaf| entity.leaf(leaf).unwrap().path.to_string();
    (inward.missing.iter().map(path).collect(), json(entity, &inward.record))
}

const WHO: [&str; 3] = ["name", "given_name", "company"];
const REST: [&str; 3] = ["emails.value", "phones.value", "addresses.city"];

#[test]
fn a_null_parent_tells_that_what_stands_under_it_is_empty() {
    let told = r#","mails":null,"dial":null,"stays":null"#;
    let (missing, json) = nested(&format!(r#","who":null{told}"#));
    assert_eq!(missing, Vec::<String>::new());
    let want =
        serde_json::json!({"id": "7", "company": "nobody", "emails": [], "phones": [], "addresses": []});
    assert_eq!(json, want);
    // Deeper down as well: only what stands under it.
    let (missing, _) = nested(&format!(r#","who":{{"firm":null}}{told}"#));
    assert_eq!(missing, ["name", "given_name"]);
    let (missing, json) =
        nested(r#","who":null,"mails":[null],"dial":[],"stays":{"all":[null,{"where":null}]}"#);
    assert_eq!((missing, &json["addresses"]), (Vec::new(), &serde_json::json!([])));
}

#[test]
fn a_parent_that_is_spelt_as_nothing_is_null() {
    let (missing, json) = nested(r#","who":"","mails":"-","dial":"","stays":{"all":"\u002d"}"#);
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!((&json["company"], &json["addresses"]), (&"nobody".into(), &serde_json::json!([])));
}

#[test]
fn a_list_tells_that_nothing_stands_behind_its_end() {
    let (missing, json) = nested(r#","who":null,"mails":[],"dial":[{"number":"+48 1"}],"stays":{"all":[]}"#);
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(json["phones"], serde_json::json!([{"value": "+48 1", "type": "work"}]));
}

#[test]
fn a_parent_that_is_absent_or_of_another_kind_tells_nothing() {
    let all = [WHO.as_slice(), &REST].concat();
    for body in [
        "",
        r#","who":{},"mails":{},"dial":[{},{}],"stays":{}"#,
        r#","who":7,"mails":"none","dial":true,"stays":"none""#,
        r#","who":[],"mails":{"0":null},"dial":"x","stays":[]"#,
    ] {
        let mut missing = nested(body).0;
        missing.sort_by_key(|path| all.iter().position(|known| known == path));
        missing.dedup();
        // What has a default is told by null only.
        assert_eq!(missing, all, "{body}");
    }
}

/// The rest could be anything.
#[test]
fn what_is_read_from_several_places_is_told_when_all_of_them_are() {
    let text = r#"
entities:
  Customer:
    at: /c
    fields:
      name: { join: [first, last], else: mail }
      lifecycle: { first: [ { when: { lost: "true", kind: a }, is: other }, { when: { kind: b }, at: stage }, { is: lead } ] }
      status: { first: [ { when: { gone: ~, shut: ~ }, is: active }, { when: { gone: ~ }, is: blocked }, { is: archived } ] }
"#;
    let (system, told) = load_text("x", text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let read = |path: &str, body: &str| {
        let leaf = m.entity().leaf_at(path).unwrap();
        let inward = m.inward(&answer(200, &format!(r#"{{"id":"7"{body}}}"#)), &FieldSet::of(leaf)).unwrap();
        let value = json(m.entity(), &inward.record).get(path).cloned();
        match (value, inward.missing.contains(leaf)) {
            (Some(value), false) => value.as_str().unwrap().to_owned(),
            (None, true) => "untold".to_owned(),
            (None, false) => "nothing".to_owned(),
            (Some(value), true) => panic!("{value}"),
        }
    };
    for (body, name) in [
        (r#","first":"Ewa","last":"Lis""#, "Ewa Lis"),
        (r#","first":"Ewa","last":null"#, "Ewa"),
        (r#","first":"Ewa""#, "untold"),
        (r#","first":null,"last":"","mail":"e@x""#, "e@x"),
        (r#","first":null,"last":"""#, "untold"),
        (r#","mail":"e@x""#, "untold"),
        (r#","first":null,"last":null,"mail":null"#, "nothing"),
        (r#","first":"Ewa","last":["Lis"]"#, "untold"),
    ] {
        assert_eq!(read("name", body), name, "{body}");
    }
    for (body, lifecycle) in [
        (r#","lost":true,"kind":"a""#, "other"),
        (r#","lost":false,"kind":"a""#, "lead"),
        (r#","lost":null,"kind":"a""#, "lead"),
        (r#","kind":"a""#, "untold"),
        (r#","kind":"c""#, "lead"),
        (r#","lost":true"#, "untold"),
        (r#","kind":"b","stage":"customer""#, "customer"),
        ("", "untold"),
    ] {
        assert_eq!(read("lifecycle", body), lifecycle, "{body}");
    }
    for (body, status) in [
        (r#","gone":null,"shut":null"#, "active"),
        (r#","gone":null,"shut":"2026-01-31""#, "blocked"),
        (r#","gone":"2026-01-31","shut":"2026-01-31""#, "archived"),
        (r#","gone":"2026-01-31""#, "archived"),
        (r#","gone":false,"shut":null"#, "archived"),
        (r#","gone":null"#, "untold"),
        (r#","shut":null"#, "untold"),
    ] {
        assert_eq!(read("status", body), status, "{body}");
    }
}

#[test]
fn an_element_that_holds_nothing_but_its_constants_is_none() {
    let inward = read(&contact(r#""phone":null,"mobilephone":"+48 1","email":"""#)).unwrap();
    let system = crm();
    let json = json(system.entity("Customer").unwrap().entity(), &inward.record);
    assert_eq!(json["phones"], serde_json::json!([{"value": "+48 1", "type": "mobile"}]));
    assert_eq!(json["emails"], serde_json::json!([]));
}

#[test]
fn text_and_ids_longer_than_the_schema_has_them_are_left_out_with_a_finding() {
    let long = "x".repeat(5000);
    let inward = read(&contact(&format!(r#""firstname":"{long}","lastname":"Nowak""#))).unwrap();
    let m = crm().entity("Customer").unwrap();
    let of = |path| m.entity().leaf_at(path).unwrap();
    let found: Vec<_> = inward.findings.iter().map(|f| (f.leaf, f.what.as_str())).collect();
    assert_eq!(found, [(of("name"), "unfit"), (of("given_name"), "unfit")]);
    let shown = json(m.entity(), &inward.record);
    assert!(shown.get("given_name").is_none() && shown.get("name").is_none());
    assert_eq!(shown["family_name"], "Nowak");
    let order = erp().entity("Order").unwrap();
    let body = format!(r#"{{"id":"x","customerNumber":"{long}"}}"#);
    let inward = order.inward(&answer(200, &body), &order.entity().all()).unwrap();
    assert!(inward.findings.iter().any(|found| found.what == What::Unfit("longer than the field may be")));
    // A key that no request could name is none.
    let fault = read(&format!(r#"{{"id":"{long}","properties":{{}}}}"#)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
}

#[test]
fn constants_are_there_by_all_that_stands_beside_them() {
    let m = crm().entity("Customer").unwrap();
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    assert_eq!(m.tags(), FieldSet::from_iter([leaf("phones.type"), leaf("addresses.role")]));
    // What is alone in the record, as `kind`, tells of nothing.
    assert_eq!(m.deciding(&FieldSet::of(leaf("kind"))), FieldSet::of(leaf("kind")));
    let asked = m.deciding(&FieldSet::of(leaf("phones.type")));
    assert_eq!(asked, FieldSet::from_iter([leaf("phones.type"), leaf("phones.value")]));
    // A filter by a constant would tell that the value beside it is there.
    let clear = FieldSet::from_iter([leaf("kind"), leaf("phones.type")]);
    assert_eq!(m.telling(&clear), FieldSet::of(leaf("kind")));
    let clear = clear.union(&FieldSet::of(leaf("phones.value")));
    assert_eq!(m.telling(&clear), clear);
    // However little else is wanted, the constants come out as they do when everything is.
    let types = |wanted: &FieldSet, phone: &str| {
        let inward = m.inward(&answer(200, &contact(phone)), wanted).unwrap();
        let mut types = Vec::new();
        inward.record.each(m.entity(), leaf("phones.type"), &mut |value| {
            types.push(value.as_text().unwrap().to_owned());
        });
        types
    };
    for phone in
        [r#""phone":"+48 1","mobilephone":"""#, r#""phone":null,"mobilephone":"+48 2""#, r#""phone":null"#]
    {
        assert_eq!(types(&asked, phone), types(&m.entity().all(), phone), "{phone}");
    }
}

#[test]
fn a_name_that_stands_twice_in_a_mapped_object_is_refused() {
    let fault = read(&contact(r#""email":"a@b","x":1,"email":"c@d""#)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
    assert!(read(&contact(r#""x":1,"x":2,"email":"c@d""#)).is_ok());
}

#[test]
fn answers_that_are_no_json_are_refused() {
    for body in ["", "<html>", "{\"id\":\"7\"", "{\"id\":\"7\"} x", "[]", "{}", "{\"id\":\"\"}", "7"] {
        let fault = read(body).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreadable, "{body}");
    }
    let deep = format!("{{\"id\":\"7\",\"x\":{}}}", "[".repeat(100_000));
    assert_eq!(read(&deep).unwrap_err().kind, FaultKind::Unreadable);
}

#[test]
fn one_bad_row_never_sinks_a_list() {
    let system = crm();
    let mapping = system.entity("Customer").unwrap();
    let wanted = mapping.entity().all();
    let listing = mapping.list(&wanted, &schema::Filter::everything(), &[], None, 10).unwrap();
    let body = r#"{"results":[{"id":"1"},{"properties":{}},7,{"id":"2","id":"3"},{"id":"4"}],"paging":{"next":{"after":"4"}}}"#;
    let page = mapping.inward_list(&listing, &answer(200, body), &wanted).unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row.as_ref().map(|row| row.id.to_string())).collect();
    let want = [
        Ok("1".into()),
        Err(&RowFault::NoKey),
        Err(&RowFault::NotAnObject),
        Err(&RowFault::Twice),
        Ok("4".into()),
    ];
    assert_eq!(ids, want);
    assert!(page.next.unwrap().ends_with(":4"));
    assert!(mapping.inward_list(&listing, &answer(200, "{}"), &wanted).is_err());
}

#[test]
fn decimals_come_through_exactly_and_the_companys_currency_is_filled_in() {
    let system = erp();
    let mapping = system.entity("Order").unwrap();
    let body = r#"{"id":"x","currencyCode":"","totalTaxAmount":29.949999999999999,"totalAmountIncludingTax":1e2,"totalAmountExcludingTax":0.00000000000000000000000000000001}"#;
    let inward = mapping.inward(&answer(200, body), &mapping.entity().all()).unwrap();
    let json = json(mapping.entity(), &inward.record);
    assert_eq!(json["tax_total"], "29.949999999999999");
    assert_eq!(json["tax_inclusive_total"], "100");
    assert_eq!(json["currency"], "USD");
    assert!(json.get("tax_exclusive_total").is_none());
    assert_eq!(inward.findings.len(), 1);
}

#[test]
fn what_is_not_wanted_is_not_filled() {
    let system = crm();
    let mapping = system.entity("Customer").unwrap();
    let wanted = FieldSet::of(mapping.entity().leaf_at("given_name").unwrap());
    let inward =
        mapping.inward(&answer(200, &contact(r#""firstname":"Ewa","email":"e@x""#)), &wanted).unwrap();
    assert_eq!(json(mapping.entity(), &inward.record), serde_json::json!({"id": "7", "given_name": "Ewa"}));
    assert!(inward.missing.is_empty());
}

#[test]
fn a_records_of_another_kind_is_not_found() {
    let system = erp();
    let mapping = system.entity("StockLevel").unwrap();
    let fault =
        mapping.inward(&answer(200, r#"{"id":"x","type":"Service"}"#), &mapping.entity().all()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[test]
fn a_systems_no_is_understood_before_rows_are_read() {
    let crm = crm();
    let customer = crm.entity("Customer").unwrap();
    let kind = |mapping: &Mapping, status, body: &str| {
        mapping.inward(&answer(status, body), &FieldSet::EMPTY).unwrap_err().kind
    };
    let conflict = r#"{"status":"error","message":"Contact already exists. Existing ID: 377","correlationId":"2d","category":"CONFLICT"}"#;
    assert_eq!(kind(customer, 409, conflict), FaultKind::Duplicate { existing: Some("377".into()) });
    let invalid = r#"{"message":"Property values were not valid: [{\"isValid\":false,\"message\":\"bad\",\"name\":\"email\"},{\"name\":\"hidden\"}]","category":"VALIDATION_ERROR"}"#;
    let FaultKind::Invalid(faults) = kind(customer, 400, invalid) else { panic!() };
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/emails/0/value", ""]);
    assert!(!faults[0].message.contains("bad"));
    for (status, want) in [
        (401, FaultKind::SignInFailed),
        (403, FaultKind::Forbidden),
        (404, FaultKind::NotFound),
        (429, FaultKind::RateLimited { after: None }),
        (503, FaultKind::Busy),
        (418, FaultKind::Unknown),
        (302, FaultKind::Unknown),
    ] {
        assert_eq!(kind(customer, status, "{}"), want, "{status}");
        assert_eq!(kind(customer, status, "<html>"), want, "{status}");
    }
    let erp = erp();
    let order = erp.entity("Order").unwrap();
    let bc = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#);
    assert_eq!(kind(order, 404, &bc("BadRequest_NotFound")), FaultKind::NotFound);
    assert_eq!(kind(order, 400, &bc("Application_DialogException")), FaultKind::BusinessRule);
    assert_eq!(kind(order, 412, &bc("Something")), FaultKind::Conflict);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let system = crm();
        let mapping = system.entity("Customer").unwrap();
        let answer = NativeAnswer { body: body.into(), ..answer(200, "") };
        let _ = mapping.inward(&answer, &mapping.entity().all());
    }
}
