//! Data quality: what a gate saw of the systems' records is told by `bramka systems quality`, also after it stopped.

use std::{fs, path::Path};

use serde_json::Value;

use crate::kit::{Demo, Who, run};

#[test]
fn what_does_not_fit_is_told_with_counts_and_records_for_instance_after_a_stop_too() {
    // The table of the shipped mapping loses a word that the stand-in's records hold, and with it its samples.
    let demo = Demo::start_with(
        |policies: &Path| {
            let file = policies.join("systems/erp.yaml");
            let text = fs::read_to_string(&file).unwrap();
            let before = "Inventory: goods, ";
            assert!(text.contains(before));
            let (head, rest) = text.split_once("    samples:\n").unwrap();
            let (_, tail) = rest.split_once("\n  StockLevel:").unwrap();
            let text = format!("{head}\n  StockLevel:{tail}");
            fs::write(&file, text.replacen(before, "", 1)).unwrap();
        },
        &[],
    );
    demo.get("/v1/products?limit=20").by(Who::App).send().expect(200);
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let told = run(&["systems", "quality", "--data", data, "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let products = told.as_array().unwrap().iter().find(|one| one["entity"] == "Product").unwrap();
    // A page of the system is larger than the caller's: what the gate read is what it looked at.
    let records = products["records"].as_u64().unwrap();
    assert!(products["system"] == "erp" && records >= 20, "{products}");
    let kind = products["flaws"].as_array().unwrap().iter().find(|flaw| flaw["field"] == "kind").unwrap();
    assert_eq!(kind["flaw"], "unknown_value");
    assert_eq!(kind["values"], serde_json::json!(["Inventory"]));
    assert!(kind["examples"].as_array().is_some_and(|ids| ids.len() == 5), "{kind}");

    let text = run(&["systems", "quality", "--data", data, "--system", "erp"]);
    assert!(text.out.contains(&format!("erp Product: {records} records since ")), "{text:?}");
    assert!(
        text.out.lines().any(|line| line.starts_with("  kind ") && line.contains("`Inventory`")),
        "{text:?}"
    );
    let file = Path::new(data).join("quality.html");
    let html = run(&["systems", "quality", "--data", data, "--html", file.to_str().unwrap()]);
    assert_eq!(html.code, 0, "{html:?}");
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains("<svg ") && html.contains("<code>Inventory</code>"), "{html}");
    let nothing = run(&["systems", "quality", "--data", data, "--system", "nobody"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
}
