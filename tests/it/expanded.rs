//! `$expand` under `/odata/`: what stands beside a record is a list of its own, it is told whole or as the address of
//! the rest, and it tells nothing that this list would not.

use std::collections::BTreeSet;

use bramka::demo::standin::Trouble;
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::Answer,
    line::{bare, json as with_body},
    odata::{encoded, path_of, refused, rows},
    stage::Stage,
    writes::{Twisted, said},
};

/// Enough room for what these tests ask.
fn stage() -> Stage {
    Stage::open(crate::reads::roomy)
}

/// One whose CRM knows the customer of every fifth order.
fn with_the_customer() -> (Twisted, Stage) {
    let twisted = Twisted::crm(|ask, answer| {
        if !ask.path.ends_with("/contacts/20000") {
            return answer;
        }
        let at = "2026-01-01T00:00:00Z";
        let row = json!({ "id": "20000", "archived": false, "createdAt": at, "updatedAt": at,
            "properties": { "firstname": "Ewa", "lastname": "Lis" } });
        said(200, &row)
    });
    let stage = Stage::open(|policies| {
        crate::reads::roomy(policies);
        twisted.serve(policies);
        // It has the record where that one is read; its search does not.
        crate::writes::change(policies, "systems/crm.yaml", ", filter_at: properties.hs_object_id", "");
    });
    (twisted, stage)
}

/// All rows behind an address, by its links.
fn whole(stage: &Stage, path: &str) -> Vec<Value> {
    whole_as(stage, &stage.shop, path)
}

fn whole_as(stage: &Stage, token: &str, path: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(at) = next {
        let answer = stage.ask(bare(Method::GET, &at, Some(token))).expect(200);
        all.extend(rows(&answer));
        assert!(all.len() < 2000, "a list without end");
        next = answer.json()["@odata.nextLink"].as_str().map(|link| path_of(link).to_owned());
    }
    all
}

fn taken(row: &mut Value, name: &str) -> Value {
    row.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no {name} in {row}"))
}

fn metadata(stage: &Stage, token: &str) -> String {
    let answer = stage.ask(bare(Method::GET, "/odata/$metadata", Some(token))).expect(200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The navigation properties of an entity that a document has.
fn navigations<'m>(metadata: &'m str, entity: &str) -> BTreeSet<&'m str> {
    let of = metadata.split(&format!("<EntityType Name=\"{entity}\">")).nth(1).unwrap_or_default();
    let of = of.split("</EntityType>").next().unwrap();
    of.split("<NavigationProperty Name=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// What an entry notes under a name, each time.
fn noted<'e>(entry: &'e Value, name: &str) -> Vec<&'e str> {
    let notes = entry["notes"].as_array().unwrap();
    notes.iter().filter(|note| note[0] == name).map(|note| note[1].as_str().unwrap()).collect()
}

fn entry_of(stage: &Stage, request: &str) -> Value {
    let entries = crate::book::entries(&stage.data());
    let of = entries.into_iter().find(|entry| entry["request"] == request && entry["kind"] == "answer");
    of.unwrap_or_else(|| panic!("no entry of {request}"))
}

/// How many records an entry says were shown.
fn shown(entry: &Value) -> usize {
    let groups = entry["shown"].as_array();
    groups.into_iter().flatten().map(|group| group["records"].as_array().unwrap().len()).sum()
}

#[test]
fn what_is_expanded_is_what_its_own_list_tells_and_the_records_stay_as_they_are() {
    let stage = stage();
    let plain = rows(&stage.get("/odata/orders?$top=30").expect(200));
    stage.erp.forget();
    let answer = stage.get("/odata/orders?$top=30&$expand=invoices").expect(200);
    let asked = stage.erp.seen();
    assert_eq!(asked.iter().filter(|seen| seen.target.contains("/salesInvoices")).count(), 1, "{asked:?}");
    assert_eq!(answer.json()["@odata.context"], "https://localhost/odata/$metadata#orders(invoices())");
    let mut with_any = 0;
    let mut expanded = rows(&answer);
    for (row, plain) in expanded.iter_mut().zip(&plain) {
        let invoices = taken(row, "invoices");
        assert_eq!(row, plain);
        let own = format!("order eq '{}'", plain["id"].as_str().unwrap());
        let own = whole(&stage, &format!("/odata/invoices?$filter={}", encoded(&own)));
        with_any += usize::from(!own.is_empty());
        assert_eq!(invoices, Value::from(own));
    }
    assert_eq!(expanded.len(), plain.len());
    assert!(with_any > 0, "some have invoices");
    // One record by its key has the same beside it, and the tag it has without.
    let address = format!("/odata/orders('{}')", plain[0]["id"].as_str().unwrap());
    let one = stage.get(&format!("{address}?$expand=invoices")).expect(200);
    assert_eq!(one.header("etag"), stage.get(&address).expect(200).header("etag"));
    assert_eq!(one.json()["@odata.context"], "https://localhost/odata/$metadata#orders(invoices())/$entity");
    let listed = stage.get("/odata/orders?$top=1&$expand=invoices").expect(200);
    assert_eq!(one.json()["invoices"], rows(&listed)[0]["invoices"]);
}

#[test]
fn what_a_field_names_is_told_for_every_record_of_a_list_however_many_there_are() {
    let stage = stage();
    let products = whole(&stage, "/odata/products");
    let first = stage.get("/odata/stock_levels?$expand=product_record").expect(200);
    assert_eq!(rows(&first).len(), 50, "as many as are read one by one");
    let levels = whole(&stage, "/odata/stock_levels?$expand=product_record");
    assert_eq!(levels.len(), whole(&stage, "/odata/stock_levels").len());
    for level in &levels {
        let product = products.iter().find(|product| product["id"] == level["product"]);
        assert_eq!(&level["product_record"], product.unwrap_or(&Value::Null));
    }
    // What the caller may not list is not there for it.
    let own = whole_as(&stage, &stage.portal, "/odata/products");
    let (mut none, mut some) = (0, 0);
    for level in whole_as(&stage, &stage.portal, "/odata/stock_levels?$expand=product_record") {
        let product = own.iter().find(|product| product["id"] == level["product"]);
        assert_eq!(&level["product_record"], product.unwrap_or(&Value::Null));
        *(if product.is_some() { &mut some } else { &mut none }) += 1;
    }
    assert!(some > 0 && none > 0, "{some} and {none} that are hidden from partners");
}

#[test]
fn what_is_asked_of_what_is_expanded_is_what_its_own_list_gives() {
    let (_crm, stage) = with_the_customer();
    let get = |options: &str| {
        let expand = encoded(&format!("orders({options})"));
        stage.get(&format!("/odata/customers('20000')?$select=id&$expand={expand}")).expect(200).json()
    };
    let own = |options: &str| {
        whole(&stage, &format!("/odata/orders?$filter={}{options}", encoded("customer eq '20000'")))
    };
    let all = own("");
    assert!(all.len() > 20 && all.len() < 100, "{}", all.len());
    let some = get("$select=number,ship_to/city;$orderby=ordered_on desc,number;$top=3;$skip=2;$count=true");
    let sorted = own("&$orderby=ordered_on%20desc,number&$select=number,ship_to/city");
    assert_eq!(some["orders"], json!(sorted[2..5]));
    assert_eq!(some["orders@odata.count"], all.len());
    assert_eq!(
        some["@odata.context"],
        "https://localhost/odata/$metadata#customers(id,orders(number,ship_to/city))/$entity"
    );
    assert_eq!(some.as_object().unwrap().len(), 4, "{some}");
    let open = get("$filter=status eq 'open' and lines/any(l:l/quantity gt 3);$select=id");
    let fits = |order: &&Value| {
        let has = |line: &Value| line["quantity"].as_f64().unwrap() > 3.0;
        order["status"] == "open" && order["lines"].as_array().unwrap().iter().any(has)
    };
    let expected: Vec<Value> = all.iter().filter(fits).map(|order| json!({ "id": order["id"] })).collect();
    assert_eq!(open["orders"], json!(expected));
    assert_eq!(get("$top=0")["orders"], json!([]));
    // A tool names what it expands in its selection too.
    let path = "/odata/orders?$top=2&$select=number,invoices&$expand=invoices($select=number)";
    let row = rows(&stage.get(path).expect(200))[0].clone();
    let names: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(names, ["number", "invoices"]);
    let alone = rows(&stage.get("/odata/orders?$top=1&$select=invoices").expect(200));
    assert_eq!(alone, [json!({})], "it is told where it is expanded");
}

#[test]
fn what_stands_beside_a_record_has_a_path_of_its_own() {
    let (_crm, stage) = with_the_customer();
    let path = "/odata/orders?$top=30&$expand=invoices,customer_record";
    let all = rows(&stage.get(path).expect(200));
    let order = all.iter().find(|order| !order["invoices"].as_array().unwrap().is_empty()).unwrap();
    let address = |order: &Value| format!("/odata/orders('{}')", order["id"].as_str().unwrap());
    let get = |rest: &str| stage.get(&format!("{}/{rest}", address(order)));
    let invoices = get("invoices").expect(200);
    assert_eq!(invoices.json()["@odata.context"], "https://localhost/odata/$metadata#invoices");
    assert_eq!(json!(rows(&invoices)), order["invoices"]);
    let some =
        get("invoices?$select=number&$filter=number%20ne%20'x'&$top=1&$count=true&$format=json").expect(200);
    let number = json!({ "number": order["invoices"][0]["number"] });
    assert_eq!(rows(&some), [number]);
    assert_eq!(some.json()["@odata.count"], order["invoices"].as_array().unwrap().len());
    // A single record, and none where there is none.
    for order in &all {
        let one = stage.get(&format!("{}/customer_record", address(order)));
        if order["customer_record"].is_null() {
            assert_eq!((one.status, one.body.len()), (204, 0));
            continue;
        }
        let mut one = one.expect(200).json();
        assert_eq!(taken(&mut one, "@odata.context"), "https://localhost/odata/$metadata#customers/$entity");
        assert_eq!(one, order["customer_record"]);
    }
    assert!(all.iter().any(|order| order["customer_record"].is_null()));
    assert!(all.iter().any(|order| order["customer_record"].is_object()));
    // It has two entries, as an expansion has.
    let written = stage.written(&invoices);
    assert_eq!((&written[0]["action"], &written[0]["target"]), (&json!("read"), &json!("Order")));
    assert_eq!(entry_of(&stage, noted(&written[0], "part")[0])["target"], "Invoice");
    // What is not there, not for this caller, or beside a record that is hidden.
    for (rest, status) in
        [("number", 404), ("nothing", 404), ("invoices?$expand=order_record", 501), ("invoices?top=1", 400)]
    {
        refused(get(rest), status);
    }
    let own = rows(&stage.portal_get("/odata/orders?$top=1").expect(200)).remove(0);
    stage.portal_get(&format!("{}/lines_product_records", address(&own))).expect(200);
    refused(stage.portal_get(&format!("{}/invoices", address(&own))), 404);
    let other = all.iter().find(|order| order["customer"] != own["customer"]).unwrap();
    stage.erp.forget();
    refused(stage.portal_get(&format!("{}/lines_product_records", address(other))), 404);
    assert_eq!(stage.erp.seen().len(), 1, "the order itself alone: {:?}", stage.erp.seen());
}

#[test]
fn tools_are_answered_as_they_ask() {
    let stage = stage();
    // As Power Query of Power BI and Excel sends them: the navigation property stands in both options.
    let accept = "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,\
                  application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7";
    let ask = |path: &str| {
        let mut request = bare(Method::GET, path, Some(&stage.shop));
        for (name, value) in
            [("accept", accept), ("odata-maxversion", "4.0"), ("maxdataserviceversion", "3.0")]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        stage.ask(request)
    };
    for path in [
        "/odata/orders?$filter=status%20eq%20%27open%27&$expand=invoices(%24select%3Dnumber%2Camount_due)&$select=id%2Cnumber%2Cinvoices&$top=1000",
        "/odata/orders?$select=id%2Cnumber&$expand=invoices%28%24select%3Dnumber%2Camount_due%29&$top=1000",
    ] {
        let answer = ask(path).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json;odata.metadata=minimal"));
        let context = "https://localhost/odata/$metadata#orders(id,number,invoices(number,amount_due))";
        assert_eq!(answer.json()["@odata.context"], context);
        let names = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for row in rows(&answer) {
            assert_eq!(names(&row), ["id", "number", "invoices"]);
            assert!(
                row["invoices"].as_array().unwrap().iter().all(|row| names(row) == ["number", "amount_due"])
            );
        }
        let next = answer.json()["@odata.nextLink"].as_str().unwrap().to_owned();
        ask(path_of(&next)).expect(200);
    }
    // A cell of a table that is opened by itself.
    let order = rows(&ask("/odata/orders?$top=1&$select=id")).remove(0);
    rows(&ask(&format!("/odata/orders('{}')/invoices?$top=200", order["id"].as_str().unwrap())).expect(200));
    // As Tableau asks: one set, counted, without what stands beside it.
    ask("/odata/orders?$format=json&$top=1&$count=true").expect(200);
}

#[test]
fn a_reference_in_a_list_leads_to_each_record_once_and_back() {
    let stage = stage();
    let path = "/odata/orders?$top=5&$expand=lines_product_records($select=id)";
    for order in rows(&stage.get(path).expect(200)) {
        let ids = |list: &Value, field: &str| -> BTreeSet<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|item| item[field].as_str().unwrap().to_owned()).collect()
        };
        let told = &order["lines_product_records"];
        assert_eq!(ids(told, "id"), ids(&order["lines"], "product"));
        assert_eq!(told.as_array().unwrap().len(), ids(told, "id").len());
    }
    let product = rows(&stage.get("/odata/products?$top=1&$expand=orders($select=id)").expect(200)).remove(0);
    let id = product["id"].as_str().unwrap();
    let filter = encoded(&format!("lines/any(l:l/product eq '{id}')"));
    let own = whole(&stage, &format!("/odata/orders?$select=id&$filter={filter}"));
    assert!(!own.is_empty());
    assert_eq!(product["orders"], json!(own));
}

#[test]
fn what_is_too_much_to_stand_beside_a_record_is_told_as_the_address_of_its_own_list() {
    let (_crm, stage) = with_the_customer();
    let order = json!({ "customer": "20000", "currency": "USD",
        "lines": [{ "kind": "item", "sku": "1007", "quantity": "1", "unit": "H87", "net_price": "1" }] });
    let own = |options: &str| {
        whole(&stage, &format!("/odata/orders?$filter={}{options}", encoded("customer eq '20000'")))
    };
    let missing = 101 - own("&$select=id").len();
    for _ in 0..missing {
        let body = with_body(Method::POST, "/v1/orders", Some(&stage.shop), &order.to_string());
        stage.ask(body).expect(201);
    }
    let all = own("");
    assert_eq!(all.len(), 101);
    let get = |options: &str| stage.get(&format!("/odata/customers('20000')?$select=id&$expand={options}"));
    let cut = get("orders").expect(200);
    assert_eq!(cut.json()["orders"], json!([]), "a part of it is not told as if it were the first of it");
    let next = cut.json()["orders@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(whole(&stage, path_of(&next)), all);
    let alone = stage.get("/odata/customers('20000')/orders").expect(200).json();
    assert_eq!((&alone["value"], &alone["@odata.nextLink"]), (&json!([]), &json!(next)));
    // What was not told was not shown.
    let entry = entry_of(&stage, noted(&stage.written(&cut)[0], "part")[0]);
    assert_eq!((&entry["target"], shown(&entry)), (&json!("Order"), 0));
    // The list of its own is asked as this one was.
    let options = "orders($filter=status%20ne%20'closed';$select=number;$orderby=number%20desc)";
    let next = get(options).expect(200).json()["orders@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(whole(&stage, path_of(&next)), own("&$select=number&$orderby=number%20desc"));
    // As many as are wanted are all that are wanted, and only they are shown.
    let some = get("orders($top=2;$orderby=number)").expect(200);
    assert_eq!(some.json()["orders"].as_array().unwrap().len(), 2);
    assert_eq!(some.json()["orders@odata.nextLink"], Value::Null);
    let entry = entry_of(&stage, noted(&stage.written(&some)[0], "part")[0]);
    assert_eq!(shown(&entry), 2);
    let counted = refused(get("orders($count=true)"), 400);
    assert_eq!(counted["code"], "too-many-to-count");
    // Records named in lists are no more than are read one by one.
    let page = rows(&stage.get("/odata/orders?$select=lines&$expand=lines_product_records").expect(200));
    let links: Vec<&Value> = page
        .iter()
        .map(|row| &row["lines_product_records@odata.nextLink"])
        .filter(|link| !link.is_null())
        .collect();
    assert!(!links.is_empty() && links.len() < page.len(), "{} of {}", links.len(), page.len());
    let row = page.iter().find(|row| !row["lines_product_records@odata.nextLink"].is_null()).unwrap();
    let ids: BTreeSet<&str> =
        row["lines"].as_array().unwrap().iter().map(|line| line["product"].as_str().unwrap()).collect();
    let told = whole(&stage, path_of(row["lines_product_records@odata.nextLink"].as_str().unwrap()));
    assert_eq!(told.iter().map(|row| row["id"].as_str().unwrap()).collect::<BTreeSet<_>>(), ids);
}

#[test]
fn metadata_names_what_its_caller_may_expand_and_nothing_else() {
    let stage = stage();
    for (token, of_order, of_product) in [
        (
            &stage.shop,
            vec!["customer_record", "invoices", "lines_product_records"],
            vec!["invoices", "orders", "stock_levels"],
        ),
        (&stage.portal, vec!["lines_product_records"], vec!["orders", "stock_levels"]),
    ] {
        let metadata = metadata(&stage, token);
        assert_eq!(navigations(&metadata, "Order"), of_order.into_iter().collect());
        assert_eq!(navigations(&metadata, "Product"), of_product.into_iter().collect());
        for (entity, set) in [("Order", "orders"), ("Product", "products"), ("StockLevel", "stock_levels")] {
            for name in navigations(&metadata, entity) {
                let path = format!("/odata/{set}?$top=2&$expand={name}");
                stage.ask(bare(Method::GET, &path, Some(token))).expect(200);
            }
        }
    }
    let shop = metadata(&stage, &stage.shop);
    assert!(shop.contains("Name=\"customer_record\" Type=\"bramka.Customer\" Partner=\"orders\""), "{shop}");
    assert!(shop.contains("<NavigationPropertyBinding Path=\"customer_record\" Target=\"customers\">"));
    // What this caller may not expand, and what nobody may, are one and the same.
    stage.erp.forget();
    let told = |options: &str, name: &str| {
        let path = format!("/odata/orders?{}", options.replace("NAME", name));
        let error = refused(stage.portal_get(&path), 400);
        format!("{} {} {}", error["code"], error["message"], error["details"]).replace(name, "NAME")
    };
    for options in ["$expand=NAME", "$select=NAME", "$select=number,NAME&$expand=NAME($select=id)"] {
        let unknown = told(options, "zzzzzzzz");
        for name in ["invoices", "customer_record", "shipments"] {
            assert_eq!(told(options, name), unknown, "{options} {name}");
        }
    }
    assert!(stage.erp.seen().is_empty(), "nothing was asked");
}

#[test]
fn what_of_it_is_not_here_is_refused_by_name() {
    let stage = stage();
    for (options, status, code, what) in [
        ("$expand=*", 501, "unsupported", "`*`"),
        ("$expand=invoices($levels=2)", 501, "unsupported", "`$levels`"),
        ("$expand=invoices($expand=order_record)", 501, "unsupported", "`$expand` inside"),
        ("$expand=invoices/order_record", 501, "unsupported", "a path"),
        ("$expand=invoices/$ref", 501, "unsupported", "`$ref`"),
        ("$expand=invoices/$count", 501, "unsupported", "`$count`"),
        ("$expand=invoices($search=x)", 501, "unsupported", "`$search`"),
        ("$expand=", 400, "query", ""),
        ("$expand=invoices($top=x)", 400, "query", "$top"),
        ("$expand=customer_record($filter=true)", 400, "query", "$filter"),
    ] {
        let error = refused(stage.get(&format!("/odata/orders?{options}")), status);
        assert_eq!(error["code"], code, "{options}");
        assert!(error.to_string().contains(what), "{options}: {error}");
    }
    for path in
        ["/odata/orders/$count?$expand=invoices", "/odata/?$expand=orders", "/odata/$metadata?$expand=x"]
    {
        assert_eq!(refused(stage.get(path), 501)["code"], "unsupported", "{path}");
    }
}

#[test]
fn what_is_expanded_has_the_view_the_charge_and_the_entry_of_its_own_list() {
    let stage = stage();
    let path = "/odata/products?$top=20&$expand=stock_levels";
    for product in rows(&stage.portal_get(path).expect(200)) {
        for level in product["stock_levels"].as_array().unwrap() {
            assert_eq!(level["product"], product["id"]);
            assert!(level.get("on_hand").is_none(), "a partner is not told how many there are: {level}");
        }
    }
    let answer = stage.get("/odata/orders?$top=30&$expand=invoices,lines_product_records").expect(200);
    let written = stage.written(&answer);
    let (whole, id) = (&written[0], answer.header("x-request-id").unwrap());
    let parts = noted(whole, "part");
    assert_eq!(parts.len(), 2);
    for (request, target, path) in
        [(parts[0], "Invoice", "/odata/invoices"), (parts[1], "Product", "/odata/products")]
    {
        let part = entry_of(&stage, request);
        assert_eq!(noted(&part, "part_of"), [id]);
        let told = (&part["action"], &part["target"], &part["path"], &part["status"]);
        assert_eq!(told, (&json!("list"), &json!(target), &json!(path), &json!(200)));
        assert!(shown(&part) > 0);
    }
    let stage = Stage::open(|policies| {
        let file = policies.join("limits.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, partner) = text.split_once("\n  partner:").unwrap();
        // One at a time, and four an hour: a part takes no second place, but counts.
        let partner = partner.replace("rate: 10/s", "rate: 4/h").replace("concurrency: 10", "concurrency: 1");
        std::fs::write(&file, format!("{before}\n  partner:{partner}")).unwrap();
    });
    let statuses: Vec<u16> =
        (0..3).map(|_| stage.portal_get("/odata/products?$top=1&$expand=stock_levels").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn a_system_that_is_away_refuses_the_whole_for_a_reader_that_would_take_the_rest_for_all() {
    let stage = stage();
    stage.crm.trouble(Some(Trouble::HangUp));
    stage.get("/odata/orders?$top=2").expect(200);
    let answer: Answer = stage.get("/odata/orders?$top=2&$expand=customer_record");
    let (status, id) = (answer.status, answer.header("x-request-id").unwrap().to_owned());
    assert!(status >= 500, "{status}");
    refused(answer, status);
    let entry = entry_of(&stage, &id);
    let part = entry_of(&stage, noted(&entry, "part")[0]);
    assert_eq!((&part["target"], &part["status"]), (&json!("Customer"), &entry["status"]));
}

#[test]
fn pages_go_on_with_what_they_expand() {
    let stage = stage();
    let page = |path: &str| {
        let mut request = bare(Method::GET, path, Some(&stage.shop));
        request.headers_mut().insert("prefer", "odata.maxpagesize=120".parse().unwrap());
        stage.ask(request).expect(200)
    };
    let first = page("/odata/orders?$expand=invoices($select=id)&$select=id&$count=true&$top=60");
    assert_eq!(first.header("preference-applied"), Some("odata.maxpagesize=50"));
    assert!(first.json()["@odata.count"].as_u64().unwrap() > 300);
    let next = first.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    let second = page(path_of(&next));
    let both = [rows(&first), rows(&second)].concat();
    let plain = rows(&page("/odata/orders?$select=id&$top=60"));
    assert_eq!(both.len(), 60);
    for (row, plain) in both.iter().zip(&plain) {
        assert_eq!(row["id"], plain["id"]);
        assert!(row["invoices"].is_array());
    }
    // The place in the list is good for what was expanded.
    let other = path_of(&next).replace("invoices($select=id)", "customer_record");
    assert_eq!(refused(stage.get(&other), 400)["code"], "cursor");
}
