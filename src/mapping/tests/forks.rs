//! Facts about one native value of several meanings, of which a switch says which.

use super::*;

const FILE: &str = "
entities:
  Order:
    at: /o
    read: {}
    fields:
      number: { at: number, when: { kind: a }, write: never }
      lines:
        each: lines
        fields:
          sku: sku
          net_price: { at: price, when: { $up.gross: \"false\" }, write: never }
          tax_inclusive_price: { at: price, when: { $up.gross: \"true\" }, write: never }
      currency: currency
      tax_exclusive_total: { at: total, when: { gross: \"false\" }, write: never }
      tax_inclusive_total: { at: total, when: { gross: \"true\" }, write: never }
";

/// What a native record reads as; the fields with findings, and those that it does not tell of the prices.
fn read(native: &str) -> (serde_json::Value, Vec<String>, Vec<String>) {
    let (system, told) = load_text("x", FILE, "https://x.example");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Order").unwrap().clone();
    let came = m.inward(&answer(200, native), &m.entity().all()).unwrap();
    let path = |leaf| m.entity().leaf(leaf).unwrap().path.to_string();
    let findings = came.findings.iter().map(|one| format!("{}: {}", path(one.leaf), one.what)).collect();
    let told = |path: &String| path.contains("price") || path.contains("total");
    let missing = came.missing.intersection(&m.mapped()).iter().map(path).filter(told).collect();
    (json(m.entity(), &came.record), findings, missing)
}

#[test]
fn a_value_of_which_no_switch_says_what_it_means_is_found_and_not_told() {
    let native = |gross: &str| {
        format!(
            r#"{{"id":"1","kind":"b","currency":"PLN","gross":{gross},"total":"20","lines":[{{"sku":"A","price":"10"}},{{"sku":"B","price":null}}]}}"#
        )
    };
    let (net, findings, missing) = read(&native("false"));
    assert_eq!((&net["tax_exclusive_total"], &net["lines"][0]["net_price"]), (&"20".into(), &"10".into()));
    assert_eq!(
        (findings, missing),
        (vec![], vec![]),
        "one line alone has one meaning: it is not for all records"
    );
    for gross in ["\"both\"", "null", "7"] {
        let (none, findings, missing) = read(&native(gross));
        assert!(!none.to_string().contains("total") && !none.to_string().contains("price"), "{none}");
        assert_eq!(
            findings,
            ["tax_exclusive_total: no rule holds", "lines.net_price: no rule holds"],
            "{gross}"
        );
        let untold =
            ["lines.net_price", "lines.tax_inclusive_price", "tax_exclusive_total", "tax_inclusive_total"];
        assert_eq!(missing, untold, "none of them is empty");
    }
    // Nothing there means nothing, whatever the switch says.
    let (_, findings, _) = read(r#"{"id":"1","gross":"both","total":null,"lines":[]}"#);
    assert_eq!(findings, [""; 0]);
    // A switch that is not told is no finding, and tells nothing either.
    let (_, findings, missing) = read(r#"{"id":"1","currency":"PLN","total":"20","lines":[]}"#);
    assert_eq!((findings, missing.len()), (vec![], 2));
}
