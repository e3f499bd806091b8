//! Data quality: what a gate saw of the systems' records is told by `bramka systems quality`, also after it stopped.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use bramka::demo::standin::Trouble;
use http::Method;
use serde_json::Value;

use crate::{
    book,
    kit::{Demo, Ran, Who, run, until},
    stage::Stage,
    writes::{Twisted, change, no_edit, said},
};

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// What is told of an entity.
fn of<'a>(told: &'a Value, entity: &str) -> &'a Value {
    let all = told.as_array().unwrap();
    all.iter().find(|one| one["entity"] == entity).unwrap_or_else(|| panic!("no {entity}: {told:#}"))
}

/// Fields with a flaw.
fn flawed<'a>(entity: &'a Value, flaw: &str) -> Vec<&'a Value> {
    entity["flaws"].as_array().unwrap().iter().filter(|one| one["flaw"] == flaw).collect()
}

/// What is told of the references of orders: to customers, and of their lines to products.
fn references(told: &Value) -> [&Value; 2] {
    let all: Vec<&Value> = of(told, "Order")["references"].as_array().unwrap().iter().collect();
    all.try_into().unwrap_or_else(|all| panic!("{all:?}"))
}

fn metrics(demo: &Demo) -> String {
    String::from_utf8(demo.admin(Method::GET, "/metrics").send().expect(200).body.to_vec()).unwrap()
}

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

#[test]
fn a_field_that_no_line_reads_is_told_once_it_is_seen_unless_the_file_ignores_it() {
    let demo = Demo::start_with(
        |policies| change(policies, "systems/crm.yaml", "properties.hs_object_id, ", ""),
        &[],
    );
    demo.get("/v1/customers?limit=50").send().expect(200);
    demo.get("/v1/customers?limit=50").send().expect(200);
    let metrics = metrics(&demo);
    let line = |line: &str| assert!(metrics.lines().any(|known| known == line), "{line} in\n{metrics}");
    // Of a hundred records a few are looked at, and of the next page none.
    line("bramka_findings_total{system=\"crm\",entity=\"Customer\",field=\"\",flaw=\"new_field\"} 8");
    line("bramka_records_total{system=\"crm\",entity=\"Customer\"} 100");
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let data = dir.path().join("data");
    let told = json(&run(&["systems", "quality", "--data", data.to_str().unwrap(), "--json"]));
    let customers = of(&told, "Customer");
    assert_eq!(customers["sampled"], 8);
    let [new] = flawed(customers, "new_field")[..] else { panic!("{customers:#}") };
    assert_eq!(
        (&new["field"], &new["records"], &new["of"]),
        (&"properties.hs_object_id".into(), &8.into(), &8.into())
    );
    assert!(new["examples"] == serde_json::json!([]) && new["values"] == serde_json::json!([]), "{new}");
    let text = run(&["systems", "quality", "--data", data.to_str().unwrap()]);
    let line = text.out.lines().find(|line| line.starts_with("  properties.hs_object_id ")).unwrap();
    assert_eq!(line.split_whitespace().skip(1).take(3).collect::<Vec<_>>(), ["new_field", "8", "100%"]);
}

#[test]
fn a_stale_record_is_counted_whatever_callers_ask_for_and_has_a_gauge_as_references_have() {
    let demo = Demo::start_with(
        |policies| {
            // All of the stand-in's records were changed longer ago than that.
            change(policies, "systems/erp.yaml", "  Product:\n", "  Product:\n    stale: 1ms\n");
        },
        &[],
    );
    demo.get("/v1/products?limit=2&fields=sku").send().expect(200);
    demo.get("/v1/orders?limit=2").send().expect(200);
    let scraped = |line: &str| -> Option<u64> {
        let metrics = metrics(&demo);
        metrics.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok())
    };
    let products = scraped("bramka_records_total{system=\"erp\",entity=\"Product\"}").unwrap();
    let stale =
        "bramka_findings_total{system=\"erp\",entity=\"Product\",field=\"updated_at\",flaw=\"stale\"}";
    assert_eq!(scraped(stale), Some(products));
    let unchecked =
        "bramka_references{system=\"erp\",entity=\"Order\",field=\"customer\",state=\"unchecked\"}";
    until("gauges are told", || scraped(unchecked) > Some(0));
    assert_eq!(scraped(&unchecked.replace("unchecked", "dangling")), Some(0));
    assert!(
        scraped("bramka_stale_oldest_timestamp_seconds{system=\"erp\",entity=\"Product\"}")
            > Some(1_000_000_000)
    );
    assert!(!metrics(&demo).contains("flaw=\"new_field\""), "the shipped files know what comes uncalled");
    let told = json(&demo.verb(&["systems", "quality", "--json"]));
    let [stale] = flawed(of(&told, "Product"), "stale")[..] else { panic!("{told:#}") };
    assert_eq!((&stale["field"], &stale["records"]), (&"updated_at".into(), &products.into()));
    assert!(stale["oldest"].is_string() && stale["examples"].as_array().unwrap().len() == 5, "{stale}");
    let text = demo.verb(&["systems", "quality", "--system", "erp"]);
    let line = text.out.lines().find(|line| line.starts_with("  updated_at ")).unwrap();
    assert!(line.contains("  stale ") && line.contains("  100%  ") && line.contains("oldest 20"), "{line}");
}

#[test]
fn references_that_lead_nowhere_are_told_once_somebody_asks_for_them_and_not_before() {
    let mut stage = Stage::open(no_edit);
    stage.get("/v1/orders?limit=20").expect(200);
    assert_eq!(stage.stop(), 0);
    let asked = || {
        let all = [stage.crm.seen(), stage.erp.seen()].concat();
        all.into_iter().filter(|seen| seen.method == "GET" && !seen.target.contains("salesOrders")).count()
    };
    let untold = json(&stage.verb(&["systems", "quality", "--json"]));
    let [customer, product] = references(&untold);
    assert_eq!((&customer["field"], &customer["to"]), (&"customer".into(), &"Customer".into()));
    assert_eq!((&product["field"], &product["to"]), (&"lines.product".into(), &"Product".into()));
    assert_eq!((&customer["checked"], &product["checked"], asked()), (&0.into(), &0.into(), 0));

    // The ERP means its own customers, of whom the CRM knows nothing; its items it has.
    let check = ["systems", "quality", "--check-references", "--per-second", "50", "--json"];
    let began = Instant::now();
    let slow = ["systems", "quality", "--check-references", "--per-second", "10", "--most", "7", "--json"];
    let ran = stage.verb(&slow);
    let few = json(&ran);
    assert!(began.elapsed() >= Duration::from_millis(600), "six times a tenth of a second lie between seven");
    assert_eq!(asked(), 7, "{ran:?}");
    assert!(ran.err.contains(" more were not asked for; ask for more with `--most`, or again"), "{ran:?}");
    let checked = |told: &Value| -> u64 {
        let all = of(told, "Order")["references"].as_array().unwrap().clone();
        all.iter().map(|one| one["checked"].as_u64().unwrap()).sum()
    };
    let some = checked(&few);
    let ran = stage.verb(&check);
    let whole = json(&ran);
    assert!(checked(&whole) > some && some >= 7, "{whole:#}");
    let order = of(&whole, "Order");
    let [customer, product] = references(&whole);
    assert_eq!((&customer["dangling"], &customer["checked"]), (&customer["kept"], &customer["kept"]));
    assert_eq!((&product["dangling"], &product["checked"]), (&0.into(), &product["kept"]));
    let example = &customer["examples"][0];
    let [dangling] = flawed(order, "dangling")[..] else { panic!("{order:#}") };
    let named = format!("{} → {}", example["record"].as_str().unwrap(), example["target"].as_str().unwrap());
    assert!(dangling["examples"].as_array().unwrap().contains(&named.into()), "{dangling}");
    assert!(ran.err.contains(": do those who name them mean the keys of crm?"), "{ran:?}");

    let text = stage.verb(&["systems", "quality"]);
    assert!(
        text.out.contains(&format!(
            "customer names Customer: {0} seen lately, {0} asked for, {0} not there",
            customer["kept"]
        )),
        "{text:?}"
    );
    let file = stage.data().join("quality.html");
    let html = stage.verb(&["systems", "quality", "--html", file.to_str().unwrap()]);
    assert_eq!(html.code, 0, "{html:?}");
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains(">customer — dangling</text><rect ") && html.contains("→"), "{html}");
    // Who asked and for how much stands in the journal, which names nobody.
    let entries = book::entries(&stage.data());
    let acts: Vec<&Value> = entries.iter().filter(|entry| entry["act"] == "systems-read").collect();
    assert_eq!(acts.len(), 2);
    assert!(acts.iter().all(|act| act["by"].as_str().unwrap().starts_with("cli:")), "{acts:?}");
    assert!(acts[0].to_string().contains("7 records that others name"), "{acts:?}");
}

#[test]
fn a_system_that_does_not_answer_says_nothing_of_references_and_is_left_alone() {
    let mut stage = Stage::open(no_edit);
    stage.get("/v1/orders?limit=20").expect(200);
    assert_eq!(stage.stop(), 0);
    stage.crm.trouble(Some(Trouble::Answer(400, "{}".to_owned())));
    let before = stage.crm.seen().len();
    let ran = stage.verb(&["systems", "quality", "--check-references", "--per-second", "50", "--json"]);
    let told = json(&ran);
    assert_eq!(stage.crm.seen().len() - before, 3, "{ran:?}");
    assert!(ran.err.contains("it was left alone after 3 failures in a row"), "{ran:?}");
    let [customer, product] = references(&told);
    assert_eq!((&customer["checked"], &product["checked"]), (&0.into(), &product["kept"]));
}

#[test]
fn a_reference_that_somebody_followed_in_vain_is_told_without_being_asked_for() {
    let mut stage = Stage::open(no_edit);
    stage.get("/v1/orders?limit=20").expect(200);
    stage.get("/v1/customers/20000").expect(404);
    assert_eq!(stage.stop(), 0);
    let told = json(&stage.verb(&["systems", "quality", "--json"]));
    let [customer, _] = references(&told);
    let (dangling, checked) = (customer["dangling"].as_u64().unwrap(), &customer["checked"]);
    assert!(dangling > 0 && *checked == dangling && customer["kept"].as_u64() > Some(dangling), "{customer}");
    assert!(
        customer["examples"].as_array().unwrap().iter().all(|one| one["target"] == "20000"),
        "{customer}"
    );
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_anything_is() {
    let mut stage = Stage::open(no_edit);
    let none = stage.verb(&["systems", "quality", "--check-references"]);
    assert!(none.code == 0 && none.err.contains("no reference between records was seen yet"), "{none:?}");
    stage.get("/v1/orders?limit=1").expect(200);
    assert_eq!(stage.stop(), 0);
    let before = stage.crm.seen().len() + stage.erp.seen().len();
    let keys = stage.data().join("keys/journal");
    fs::rename(&keys, stage.data().join("keys/elsewhere")).unwrap();
    let ran = stage.verb(&["systems", "quality", "--check-references"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no system is asked for what the journal cannot say"), "{ran:?}");
    for wrong in [&["--most", "0"][..], &["--per-second", "51"], &["--per-second", "0"]] {
        let ran = stage.verb(&[&["systems", "quality", "--check-references"], wrong].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    let alone = stage.verb(&["systems", "quality", "--most", "5"]);
    assert_eq!(alone.code, 2, "it means nothing without what it bounds: {alone:?}");
    assert_eq!(stage.crm.seen().len() + stage.erp.seen().len(), before);
}

#[test]
fn a_total_that_its_lines_do_not_add_up_to_is_told_in_every_form_and_the_order_is_served() {
    // The file takes the total with tax for the one without: orders that are taxed do not add up.
    let demo = Demo::start_with(
        |policies| {
            let file = policies.join("systems/erp.yaml");
            let text = fs::read_to_string(&file).unwrap();
            let (head, rest) = text.split_once("\n  Order:\n").unwrap();
            let (order, rest) = rest.split_once("    samples:\n").unwrap();
            let (_, tail) = rest.split_once("\n  Invoice:\n").unwrap();
            let order =
                order.replacen("_total: totalAmountExcludingTax", "_total: totalAmountIncludingTax", 1);
            fs::write(&file, format!("{head}\n  Order:\n{order}\n  Invoice:\n{tail}")).unwrap();
        },
        &[],
    );
    let orders = demo.get("/v1/orders?limit=200").send().expect(200).items();
    let number = |of: &Value, name: &str| of[name].as_str().and_then(|text| text.parse::<f64>().ok());
    let is_off = |order: &Value| {
        let lines = order["lines"].as_array().unwrap().iter();
        let sum: f64 = lines.filter_map(|line| number(line, "line_net_total")).sum();
        let due = sum - number(order, "discount_total").unwrap_or(0.0);
        (due - number(order, "tax_exclusive_total").unwrap()).abs() > 0.1
    };
    let off: Vec<&Value> = orders.iter().filter(|order| is_off(order)).map(|order| &order["id"]).collect();
    assert!(!off.is_empty() && off.len() < orders.len(), "{} of {}", off.len(), orders.len());
    let metrics = metrics(&demo);
    let line = "bramka_findings_total{system=\"erp\",entity=\"Order\",field=\"tax_exclusive_total\",flaw=\"unbalanced\"} ";
    let scraped = metrics.lines().find_map(|known| known.strip_prefix(line)?.trim().parse::<u64>().ok());
    assert!(scraped >= Some(off.len() as u64), "{metrics}");
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let data = dir.path().join("data");
    let told = |more: &[&str]| {
        run(&[&["systems", "quality", "--system", "erp", "--data", data.to_str().unwrap()], more].concat())
    };
    let json = json(&told(&["--json"]));
    let unbalanced = flawed(of(&json, "Order"), "unbalanced");
    let net = unbalanced.iter().find(|flaw| flaw["field"] == "tax_exclusive_total").unwrap();
    assert_eq!(net["records"].as_u64(), scraped);
    let examples = net["examples"].as_array().unwrap();
    assert!(
        examples.len() == 5
            && examples.iter().all(|id| !orders.iter().any(|order| order["id"] == *id) || off.contains(&id))
    );
    let text = told(&[]);
    let line = text.out.lines().find(|line| line.starts_with("  tax_exclusive_total ")).unwrap();
    let count = scraped.unwrap().to_string();
    assert_eq!(line.split_whitespace().skip(1).take(2).collect::<Vec<_>>(), ["unbalanced", &*count]);
    assert!(examples.iter().any(|id| line.contains(id.as_str().unwrap())), "{line}");
    let file = data.join("quality.html");
    assert_eq!(told(&["--html", file.to_str().unwrap()]).code, 0);
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains("tax_exclusive_total — unbalanced</text><rect "), "{html}");
}

#[test]
fn trap_41_an_address_in_a_name_is_told_and_shown_as_addresses_are() {
    // Of the first three contacts one has an address for a name, one a number for a company, one an address among words.
    let twisted = Twisted::crm(|ask, answer| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        if ask.method != Method::GET && !ask.path.ends_with("/search") {
            return answer;
        }
        let twist =
            |contact: &mut Value, field: &str, value: &str| contact["properties"][field] = value.into();
        let is_list = body["results"].is_array();
        let rows: Vec<&mut Value> = match is_list {
            true => body["results"].as_array_mut().unwrap().iter_mut().collect(),
            false => vec![&mut body],
        };
        for (n, row) in rows.into_iter().enumerate() {
            if row["id"] == "701000000001" {
                twist(row, "lastname", "ewa.hidden@example.com");
            } else if n == 1 && !ask.path.ends_with("/search") {
                twist(row, "company", "+48601234567");
            } else if n == 2 && !ask.path.ends_with("/search") {
                twist(row, "company", "ask jan.hidden@example.com");
            }
        }
        said(answer.status().as_u16(), &body)
    });
    const READ: &str = "@plan(\"internal\")\npermit (\n  principal in Group::\"apps\",\n  action in [Action::\"list\", Action::\"read\"],\n  resource is Customer\n);";
    let masked = format!("@mask(\"emails.value: e-mail, phones.value: last4\")\n{READ}");
    let open = Stage::open(|policies| twisted.serve(policies));
    let mut masking = Stage::open(|policies| {
        twisted.serve(policies);
        change(policies, "access/apps.cedar", READ, &masked);
    });
    let hidden = Stage::open(|policies| {
        twisted.serve(policies);
        change(
            policies,
            "access/apps.cedar",
            "emails.value, phones.value, addresses.name, addresses.line1, addresses.line2, addresses.line3, addresses.city, addresses.post_code, payment_terms",
            "addresses.city, payment_terms",
        );
    });
    let first = |stage: &Stage, path: &str| -> Vec<Value> { stage.get(path).expect(200).items() };
    let field = |of: &Value, name: &str| of[name].as_str().map(str::to_owned);
    let list = "/v1/customers?limit=3";
    let whole = first(&open, list);
    assert_eq!(field(&whole[0], "family_name").as_deref(), Some("ewa.hidden@example.com"));
    let shown = first(&masking, list);
    assert_eq!(field(&shown[0], "family_name").as_deref(), Some("e***@example.com"));
    assert_eq!(field(&shown[0], "name").as_deref(), Some("****"), "an address among other words");
    assert_eq!(field(&shown[0], "given_name"), field(&whole[0], "given_name"));
    assert_eq!(field(&shown[1], "company").as_deref(), Some("****4567"));
    assert_eq!(field(&shown[2], "company").as_deref(), Some("****"));
    let none = first(&hidden, list);
    assert_eq!((field(&none[0], "family_name"), field(&none[2], "company")), (None, None));
    assert_eq!(field(&none[1], "company"), None);
    for stage in [&masking, &hidden] {
        let one = stage.get("/v1/customers/701000000001").expect(200);
        assert!(!String::from_utf8_lossy(&one.body).contains("hidden"), "{:?}", one.body);
        // No filter finds it, right or wrong, and in an order its place says nothing.
        for filter in ["family_name=ewa.hidden@example.com", "family_name[ne]=x&email=x", "name[gte]=A"] {
            let path = format!("/v1/customers?limit=50&{}", filter.replace("&email=x", ""));
            assert!(first(stage, &path).iter().all(|row| row["id"] != "701000000001"), "{filter}");
        }
        let by_name =
            stage.get("/odata/customers?$orderby=family_name&$top=2&$select=family_name").expect(200);
        assert!(!String::from_utf8_lossy(&by_name.body).contains("e***@"), "{:?}", by_name.body);
    }
    assert_eq!(
        first(&open, "/v1/customers?family_name=ewa.hidden@example.com").len(),
        0,
        "the CRM knows no such name"
    );
    // What it is shown as does not become it.
    for body in [r#"{"family_name":"e***@example.com"}"#, r#"{"company":"****4567"}"#] {
        let body: Value = serde_json::from_str(body).unwrap();
        masking.shop(Method::PATCH, "/v1/customers/701000000001", &body).expect(422);
    }
    assert_eq!(masking.stop(), 0);
    let told = json(&masking.only_data(&["systems", "quality", "--json"]));
    let mut fields: Vec<&str> = flawed(of(&told, "Customer"), "misplaced")
        .iter()
        .map(|flaw| flaw["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["company", "family_name", "name"]);
    assert!(!told.to_string().contains("hidden"), "an address is no example: {told}");
}
