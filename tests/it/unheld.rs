//! A field that the system behind a set does not hold: it stays in `$metadata`, so that a report outlives a change of
//! systems, its values are null, and nobody is told that nothing fits a filter which nothing could fit.

use serde_json::json;

use crate::{
    odata::{encoded, refused, rows},
    stage::Stage,
};

/// A field of an order that the shipped ERP does not hold.
const FIELD: &str = "payment_status";

#[test]
fn what_a_system_does_not_hold_is_refused_in_a_filter_and_an_order_by_name() {
    let stage = Stage::open(crate::reads::roomy);
    stage.erp.forget();
    for (path, option) in [
        (format!("/odata/orders?$filter={}", encoded(&format!("{FIELD} eq 'paid'"))), "$filter"),
        (
            format!("/odata/orders?$filter={}", encoded(&format!("status eq 'open' or {FIELD} eq null"))),
            "$filter",
        ),
        (format!("/odata/orders?$orderby={FIELD}"), "$orderby"),
        (format!("/odata/orders/$count?$filter={}", encoded(&format!("{FIELD} ne null"))), "$filter"),
        (
            format!("/odata/products?$expand=orders($filter={})", encoded(&format!("{FIELD} eq 'paid'"))),
            "$expand",
        ),
        (format!("/odata/products?$expand=orders($orderby={FIELD})"), "$expand"),
    ] {
        let error = refused(stage.get(&path), 400);
        assert_eq!(error["code"], "query", "{path}");
        let detail = &error["details"][0];
        assert_eq!(detail["target"], option, "{path}");
        let message = format!("the system behind this collection does not hold `{FIELD}`");
        assert!(detail["message"].as_str().unwrap().ends_with(&message), "{path}: {detail}");
    }
    assert!(stage.erp.seen().is_empty(), "nothing was asked");
    // Looking into a list asks for what is held of it.
    stage.get("/odata/orders?$top=1&$filter=lines/any()").expect(200);
    stage.get(&format!("/v1/orders?{FIELD}=paid")).refused(400);
}

#[test]
fn it_stays_in_the_metadata_as_what_no_filter_takes_and_is_null_in_every_record() {
    let stage = Stage::open(crate::reads::roomy);
    let metadata = stage.get("/odata/$metadata").expect(200);
    let metadata = String::from_utf8(metadata.body.to_vec()).unwrap();
    assert!(metadata.contains(&format!("<Property Name=\"{FIELD}\" Type=\"Edm.String\"")));
    let set = metadata.split("<EntitySet Name=\"orders\"").nth(1).unwrap();
    let set = set.split("</EntitySet>").next().unwrap();
    let path = format!("<PropertyPath>{FIELD}</PropertyPath>");
    assert_eq!(set.matches(&path).count(), 2, "neither a filter nor an order: {set}");
    assert!(!set.contains("<PropertyPath>status</PropertyPath>"));
    let selected = rows(&stage.get(&format!("/odata/orders?$top=3&$select={FIELD}")).expect(200));
    assert_eq!(selected, vec![json!({ FIELD: null }); 3]);
}
