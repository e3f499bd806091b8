//! The OData door: what a BI tool reads is what the other door shows, in OData's form, and whatever cannot be told
//! so is refused by name.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::{Answer, Demo, Who},
    reads::roomy,
    stage::Stage,
    writes::{Twisted, change, said, with},
};

/// Percent-encodes what stands behind `=` of an option.
pub(crate) fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~,/:()".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(one).collect()
}

/// The path part of an address.
pub(crate) fn path_of(address: &str) -> &str {
    let rest = address.strip_prefix("https://localhost").unwrap_or_else(|| panic!("{address}"));
    assert!(rest.starts_with("/odata/"), "{address}");
    rest
}

pub(crate) fn rows(answer: &Answer) -> Vec<Value> {
    answer.json()["value"].as_array().cloned().unwrap_or_else(|| panic!("no rows: {:?}", answer.body))
}

/// All rows behind an address, by its links.
pub(crate) fn whole(demo: &Demo, who: Who, path: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(at) = next {
        let answer = demo.get(&at).by(who).send().expect(200);
        all.extend(rows(&answer));
        assert!(all.len() < 2000, "a list without end");
        next = answer.json()["@odata.nextLink"].as_str().map(|link| path_of(link).to_owned());
    }
    all
}

/// All records of the other door.
fn listed(demo: &Demo, who: Who, collection: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = demo.get(&format!("/v1/{collection}?limit=200{cursor}")).by(who).send().expect(200);
        all.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Checks that it is a refusal as OData has it, and gives the error.
#[track_caller]
pub(crate) fn refused(answer: Answer, status: u16) -> Value {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("odata-version"), Some("4.0"));
    let error = answer.json()["error"].clone();
    assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
    assert_eq!(error["innererror"]["request_id"].as_str(), answer.header("x-request-id"));
    error
}

#[test]
fn a_tool_finds_its_way_from_the_service_document_to_every_record() {
    let demo = Demo::start_with(roomy, &[]);
    let service = demo.get("/odata/").send().expect(200);
    assert_eq!(service.header("odata-version"), Some("4.0"));
    assert_eq!(service.header("content-type"), Some("application/json;odata.metadata=minimal"));
    assert_eq!(service.json()["@odata.context"], "https://localhost/odata/$metadata");
    assert_eq!(demo.get("/odata").send().expect(200).body, service.body);
    let sets = rows(&service);
    let names: Vec<&str> = sets.iter().map(|set| set["url"].as_str().unwrap()).collect();
    let (names, flat) = names.split_at(6);
    assert_eq!(names, ["customers", "invoices", "orders", "products", "shipments", "stock_levels"]);
    assert!(flat.contains(&"order_lines") && flat.contains(&"invoice_lines"), "{flat:?}");
    for name in names {
        let all = whole(&demo, Who::App, &format!("/odata/{name}"));
        let other = listed(&demo, Who::App, &name.replace('_', "-"));
        assert_eq!(ids(&all), ids(&other), "{name}");
        let first = ids(&all)[0];
        let one = demo.get(&format!("/odata/{name}('{first}')")).send();
        if one.status == 200 {
            let context = format!("https://localhost/odata/$metadata#{name}/$entity");
            assert_eq!(one.json()["@odata.context"], context.as_str());
        } else {
            // What the system cannot read by its key.
            refused(one, 405);
        }
    }
}

/// A set, all of it, a filter, and what the filter means.
type Filtered<'a> = (&'a str, &'a [Value], &'a str, &'a dyn Fn(&Value) -> bool);

fn amount(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn a_filter_finds_what_looking_through_everything_finds() {
    let demo = Demo::start();
    let orders = whole(&demo, Who::App, "/odata/orders");
    let products = whole(&demo, Who::App, "/odata/products");
    let customers = whole(&demo, Who::App, "/odata/customers");
    let lines = |o: &Value, fits: &dyn Fn(&Value) -> bool| o["lines"].as_array().unwrap().iter().any(fits);
    let has = |value: &Value, part: &str| value.as_str().is_some_and(|text| text.contains(part));
    let cases: &[Filtered<'_>] = &[
        ("orders", &orders, "status eq 'open' and currency eq 'EUR'", &|o| {
            o["status"] == "open" && o["currency"] == "EUR"
        }),
        ("orders", &orders, "status eq 'draft' or currency eq 'USD'", &|o| {
            o["status"] == "draft" || o["currency"] == "USD"
        }),
        ("orders", &orders, "not (status eq 'open')", &|o| o["status"] != "open"),
        ("orders", &orders, "requested_on eq null", &|o| o["requested_on"].is_null()),
        ("orders", &orders, "requested_on ne null and status in ('open','on_hold')", &|o| {
            !o["requested_on"].is_null() && o["status"] == "open"
        }),
        ("orders", &orders, "ordered_on ge 2026-03-05 and ordered_on lt 2026-07-01", &|o| {
            (Some("2026-03-05")..Some("2026-07-01")).contains(&o["ordered_on"].as_str())
        }),
        ("orders", &orders, "year(ordered_on) eq 2026 and month(ordered_on) eq 3", &|o| {
            o["ordered_on"].as_str().is_some_and(|day| day.starts_with("2026-03"))
        }),
        ("orders", &orders, "tax_inclusive_total gt 2500.5", &|o| amount(&o["tax_inclusive_total"]) > 2500.5),
        ("orders", &orders, "contains(buyer_reference,'PO-000')", &|o| has(&o["buyer_reference"], "PO-000")),
        ("orders", &orders, "not contains(buyer_reference,'PO-000')", &|o| {
            o["buyer_reference"].is_string() && !has(&o["buyer_reference"], "PO-000")
        }),
        ("orders", &orders, "tolower(buyer_reference) eq 'po-0003'", &|o| o["buyer_reference"] == "PO-0003"),
        ("orders", &orders, "ship_to/name eq 'Magazyn 3'", &|o| o["ship_to"]["name"] == "Magazyn 3"),
        ("orders", &orders, "lines/any(l:l/sku eq '1007')", &|o| lines(o, &|line| line["sku"] == "1007")),
        ("orders", &orders, "lines/any(l:l/sku eq '1007' and l/quantity gt 2)", &|o| {
            lines(o, &|line| line["sku"] == "1007" && amount(&line["quantity"]) > 2.0)
        }),
        ("orders", &orders, "lines/all(l:l/sku ne '1007')", &|o| !lines(o, &|line| line["sku"] == "1007")),
        ("products", &products, "startswith(sku,'10') and status eq 'active'", &|p| {
            p["sku"].as_str().is_some_and(|sku| sku.starts_with("10")) && p["status"] == "active"
        }),
        ("customers", &customers, "family_name eq 'O''Brien'", &|c| c["family_name"] == "O'Brien"),
        ("customers", &customers, "emails/any(e:startswith(e/value,'ewa.nowak0@'))", &|c| {
            c["emails"].as_array().unwrap().iter().any(|e| has(&e["value"], "ewa.nowak0@"))
        }),
        ("customers", &customers, "name eq ''' or true or '''", &|_| false),
    ];
    for (set, all, filter, fits) in cases {
        let path = format!("/odata/{set}?$filter={}", encoded(filter));
        let expected: Vec<Value> = all.iter().filter(|row| fits(row)).cloned().collect();
        let got = whole(&demo, Who::App, &path);
        let (got, expected): (BTreeSet<&str>, BTreeSet<&str>) =
            (ids(&got).into_iter().collect(), ids(&expected).into_iter().collect());
        assert_eq!(got, expected, "{set} {filter}");
        let counted =
            demo.get(&format!("/odata/{set}/$count?$filter={}", encoded(filter))).send().expect(200);
        assert_eq!(counted.header("content-type"), Some("text/plain"));
        assert_eq!(counted.body, expected.len().to_string(), "{set} {filter}");
    }
    let found =
        |filter: &str| whole(&demo, Who::App, &format!("/odata/orders?$filter={}", encoded(filter))).len();
    assert!(
        found("lines/any(l:l/sku eq '1007')") > found("lines/any(l:l/sku eq '1007' and l/quantity gt 2)")
    );
    assert!(found("contains(buyer_reference,'PO-000')") > 0);
}

#[test]
fn what_a_system_can_filter_by_it_is_asked_for() {
    let stage = Stage::open(|_| {});
    stage.erp.forget();
    let filter = "status eq 'open' and year(ordered_on) eq 2026 and lines/any(l:l/sku eq '1007') and contains(number,'S')";
    stage.get(&format!("/odata/orders?$top=1&$filter={}", encoded(filter))).expect(200);
    let asked = stage.erp.seen();
    let target = percent_encoding::percent_decode_str(&asked[0].target).decode_utf8().unwrap();
    for part in ["status eq 'Open'", "orderDate ge 2026-01-01", "orderDate lt 2027-01-01"] {
        assert!(target.contains(part), "{target}");
    }
    assert!(!target.contains("contains"), "{target}");
}

#[test]
fn pages_are_as_long_as_asked_for_and_top_and_skip_count_over_all_of_them() {
    let demo = Demo::start();
    let all = whole(&demo, Who::App, "/odata/orders?$select=id");
    assert!(all.len() > 250);
    let walk = |path: &str, size: usize| {
        let (mut got, mut next, mut pages) = (Vec::new(), Some(path.to_owned()), 0);
        while let Some(at) = next {
            let answer = demo.get(&at).with("prefer", format!("odata.maxpagesize={size}")).send().expect(200);
            let applied = format!("odata.maxpagesize={size}");
            assert_eq!(answer.header("preference-applied"), Some(&*applied));
            let page = rows(&answer);
            next = answer.json()["@odata.nextLink"].as_str().map(|link| path_of(link).to_owned());
            assert!(page.len() == size || next.is_none(), "a page of {}", page.len());
            got.extend(page);
            pages += 1;
        }
        (got, pages)
    };
    for (options, from, to) in [
        ("$select=id", 0, all.len()),
        ("$select=id&$top=130", 0, 130),
        ("$select=id&$skip=75", 75, all.len()),
        ("$select=id&$skip=75&$top=130", 75, 205),
        ("$select=id&$top=50", 0, 50),
        ("$select=id&$skip=100000", all.len(), all.len()),
        ("$select=id&$top=0", 0, 0),
    ] {
        let (got, pages) = walk(&format!("/odata/orders?{options}"), 50);
        assert_eq!(ids(&got), ids(&all[from..to]), "{options}");
        assert!(pages <= (to - from).div_ceil(50).max(1), "{options}: {pages} pages");
    }
    // Sorted by the ERP, and by the gate; the gate counts what it sorts.
    let by_day = whole(&demo, Who::App, "/odata/orders?$orderby=ordered_on%20desc&$select=ordered_on");
    assert!(by_day.is_sorted_by(|a, b| a["ordered_on"].as_str() >= b["ordered_on"].as_str()));
    assert_eq!(by_day.len(), all.len());
    let path = "/odata/customers?$orderby=name&$skip=40&$top=20&$select=name";
    let by_name = whole(&demo, Who::App, "/odata/customers?$orderby=name&$select=name");
    assert_eq!(walk(path, 7).0, by_name[40..60]);
    let counted =
        demo.get("/odata/customers?$count=true&$top=3&$skip=5&$orderby=name&$select=name").send().expect(200);
    assert_eq!(counted.json()["@odata.count"], by_name.len());
    assert_eq!(rows(&counted), by_name[5..8]);
    let none = demo.get("/odata/orders?$count=true&$top=0").send().expect(200).json();
    assert_eq!((none["@odata.count"].as_u64(), &none["value"]), (Some(all.len() as u64), &json!([])));
    assert_eq!(none["@odata.nextLink"], Value::Null);
}

#[test]
fn an_api_key_is_a_password_under_odata_and_nowhere_else() {
    let demo = Demo::start();
    let issued = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
    let key = issued.out.trim();
    let basic = |path: &str, user: &str, password: &str| {
        let value = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
        demo.get(path).by(Who::Nobody).with("authorization", value).send()
    };
    for user in ["", "anyone", "łódź"] {
        assert_eq!(rows(&basic("/odata/orders?$top=2", user, key).expect(200)).len(), 2);
    }
    basic("/odata/", "x", key).expect(200);
    basic("/v1/orders", "x", key).refused(401);
    basic("/openapi.json", "x", key).refused(401);
    let token = demo.token(Who::App).unwrap();
    for (user, password) in
        [("x", token.as_str()), (key, ""), ("x", &key[..key.len() - 1]), ("x", "brk_"), ("", "")]
    {
        refused(basic("/odata/orders", user, password), 401);
    }
    let both = demo.get("/odata/").with("x-api-key", key).send();
    let challenge: Vec<&str> =
        both.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(challenge, ["Bearer realm=\"bramka\"", "Basic realm=\"bramka\", charset=\"UTF-8\""]);
    refused(both, 401);
    let elsewhere = demo.get("/v1/orders").by(Who::Nobody).send().refused(401);
    assert_eq!(elsewhere.headers.get_all("www-authenticate").iter().count(), 1);
    assert!(!demo.stderr().contains(key));
}

#[test]
fn a_partner_finds_its_own_records_and_fields_and_no_word_of_others() {
    let demo = Demo::start_with(roomy, &[]);
    let own = listed(&demo, Who::Partner, "orders");
    let got = whole(&demo, Who::Partner, "/odata/orders");
    assert_eq!(ids(&got), ids(&own));
    for row in &got {
        for field in ["customer_name", "salesperson", "payment_status"] {
            assert!(row.get(field).is_none(), "{row}");
        }
        assert!(row["email"].is_null() || row["email"].as_str().unwrap().contains("***@"), "{row}");
        assert!(row["lines"].as_array().unwrap().iter().all(|line| line.get("net_price").is_none()));
    }
    let metadata = demo.get("/odata/$metadata").by(Who::Partner).send().expect(200);
    assert_eq!(metadata.header("content-type"), Some("application/xml"));
    let text = String::from_utf8(metadata.body.to_vec()).unwrap();
    for word in ["salesperson", "customer_name", "net_price", "\"Customer\"", "given_name", "on_hand"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("<Property Name=\"email\" Type=\"Edm.String\">"), "masked, so of any length");
    assert!(text.contains("<PropertyPath>email</PropertyPath>"), "and no filter");
    let all = demo.get("/odata/$metadata").send().expect(200);
    assert!(String::from_utf8(all.body.to_vec()).unwrap().contains("salesperson"));
    let sets = rows(&demo.get("/odata/").by(Who::Partner).send().expect(200));
    assert!(sets.iter().all(|set| set["name"] != "customers"));
    refused(demo.get("/odata/customers").by(Who::Partner).send(), 403);
    // Hidden, masked and not there are one and the same, in a filter, an order and a selection.
    let told = |options: &str, field: &str| {
        let options = options.replace("NAME", field);
        let error = refused(demo.get(&format!("/odata/orders?{options}")).by(Who::Partner).send(), 400);
        format!("{} {}", error["code"], error["details"]).replace(field, "NAME")
    };
    for options in ["$filter=NAME%20eq%20'x'", "$filter=contains(NAME,'x')", "$orderby=NAME%20desc"] {
        let unknown = told(options, "zzzzz");
        for field in ["email", "salesperson", "customer_name", "lines/net_price"] {
            assert_eq!(told(options, field), unknown, "{options} {field}");
        }
    }
    assert_eq!(told("$select=NAME", "salesperson"), told("$select=NAME", "zzzzz"));
    // It cannot be talked into more.
    for filter in
        ["customer eq '30000'", "customer ne '20000'", "status eq 'draft'", "not (customer eq '20000')"]
    {
        let path = format!("/odata/orders?$filter={}", encoded(filter));
        assert_eq!(whole(&demo, Who::Partner, &path).len(), 0, "{filter}");
    }
    let hidden = demo.get("/v1/orders?customer=30000&limit=1").send().expect(200).items()[0].clone();
    let path = format!("/odata/orders('{}')", hidden["id"].as_str().unwrap());
    demo.get(&path).send().expect(200);
    let missing = refused(
        demo.get("/odata/orders('00000000-0000-0000-0000-000000000000')").by(Who::Partner).send(),
        404,
    );
    let hidden = refused(demo.get(&path).by(Who::Partner).send(), 404);
    assert_eq!((&hidden["code"], &hidden["message"]), (&missing["code"], &missing["message"]));
}

/// The lines of orders as rows: what the orders themselves show.
fn lines_of(orders: &[Value]) -> Vec<Value> {
    let rows = orders.iter().flat_map(|order| {
        (1..).zip(order["lines"].as_array().unwrap()).map(|(number, line)| {
            let mut row = line.clone();
            row["order_id"] = order["id"].clone();
            row["row"] = json!(number);
            row
        })
    });
    rows.collect()
}

#[test]
fn items_of_a_list_are_rows_that_show_what_their_records_do() {
    let demo = Demo::start_with(roomy, &[]);
    let as_set = |rows: &[Value]| rows.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    for who in [Who::App, Who::Partner] {
        let all = whole(&demo, who, "/odata/order_lines");
        assert_eq!(all, lines_of(&whole(&demo, who, "/odata/orders")));
        let sets = rows(&demo.get("/odata/").by(who).send().expect(200));
        assert_eq!(sets.iter().filter(|set| set["url"] == "order_lines").count(), 1);
        // A row that passes is there, and no other of its record.
        let one = all[1]["order_id"].as_str().unwrap();
        let over = |row: &Value| amount(&row["quantity"]) > 2.0;
        let passes: [(String, &dyn Fn(&Value) -> bool); 4] = [
            ("quantity gt 2".to_owned(), &over),
            (format!("order_id eq '{one}'"), &|row| row["order_id"] == one),
            (format!("quantity gt 2 and order_id ne '{one}'"), &|row| row["order_id"] != one && over(row)),
            ("not (quantity gt 2) or sku eq '1007'".to_owned(), &|row| !over(row) || row["sku"] == "1007"),
        ];
        for (filter, passes) in passes {
            let found = whole(&demo, who, &format!("/odata/order_lines?$filter={}", encoded(&filter)));
            let due: Vec<Value> = all.iter().filter(|row| passes(row)).cloned().collect();
            assert!(!due.is_empty() && due.len() < all.len(), "{filter}");
            assert_eq!(as_set(&found), as_set(&due), "{filter}");
        }
        let most = all.len() - 1;
        let top = whole(&demo, who, &format!("/odata/order_lines?$top={most}&$select=order_id,quantity"));
        let told = |row: &Value| json!({ "order_id": row["order_id"], "quantity": row["quantity"] });
        assert_eq!(top, all.iter().take(most).map(told).collect::<Vec<_>>());
    }
    assert!(demo.get("/odata/order_lines").send().expect(200).json()["@odata.nextLink"].is_string());
    // What nobody shows the partner is no field of its rows, and what is nowhere is none.
    let unknown = |field: &str| {
        let path = format!("/odata/order_lines?$filter={field}%20eq%20null");
        let error = refused(demo.get(&path).by(Who::Partner).send(), 400);
        error["details"].to_string().replace(field, "NAME")
    };
    assert_eq!(unknown("net_price"), unknown("zzzzz"));
    let metadata = demo.get("/odata/$metadata").by(Who::Partner).send().expect(200);
    let text = String::from_utf8(metadata.body.to_vec()).unwrap();
    assert!(
        text.contains("<EntitySet Name=\"order_lines\" EntityType=\"bramka.Order_lines__row\">"),
        "{text}"
    );
    assert!(!text.contains("net_price") && !text.contains("customer_emails"), "{text}");
    refused(demo.get("/odata/customer_emails").by(Who::Partner).send(), 403);
    refused(demo.get("/odata/order_wheels").send(), 404);
}

/// Rows with what an order of theirs tells, for each line of each order.
fn with_orders<'o>(lines: &[Value], orders: &'o [Value]) -> Vec<(Value, &'o Value)> {
    let of = |line: &Value| orders.iter().find(|order| order["id"] == line["order_id"]).unwrap();
    lines.iter().map(|line| (line.clone(), of(line))).collect()
}

#[test]
fn rows_are_found_by_what_they_and_their_records_hold() {
    let demo = Demo::start_with(roomy, &[]);
    let as_set = |rows: &[Value]| rows.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    for who in [Who::App, Who::Partner] {
        let orders = whole(&demo, who, "/odata/orders");
        let lines = whole(&demo, who, "/odata/order_lines");
        assert_eq!(lines, lines_of(&orders));
        let all = with_orders(&lines, &orders);
        let id = lines[1]["order_id"].as_str().unwrap();
        let over = |line: &Value| amount(&line["quantity"]) > 2.0;
        let open = |order: &Value| order["status"] == "open";
        type Passes<'a> = &'a dyn Fn(&Value, &Value) -> bool;
        let cases: [(String, Passes<'_>); 7] = [
            ("order/status eq 'open'".into(), &|_, order| open(order)),
            ("order/status eq 'open' and quantity gt 2".into(), &|line, order| open(order) && over(line)),
            ("order/status eq 'open' or quantity gt 2".into(), &|line, order| open(order) || over(line)),
            ("not (order/status eq 'open' and quantity gt 2)".into(), &|line, order| {
                !(open(order) && over(line))
            }),
            (format!("quantity gt 2 or order_id eq '{id}'"), &|line, _| over(line) || line["order_id"] == id),
            ("year(order/ordered_on) eq 2026 and order/lines/any(l:l/sku eq '1007')".into(), &|_, order| {
                order["ordered_on"].as_str().is_some_and(|day| day.starts_with("2026"))
                    && order["lines"].as_array().unwrap().iter().any(|line| line["sku"] == "1007")
            }),
            ("order/ship_to/city ne null and sku eq '1007'".into(), &|line, order| {
                !order["ship_to"]["city"].is_null() && line["sku"] == "1007"
            }),
        ];
        for (filter, passes) in cases {
            let query = format!("$filter={}", encoded(&filter));
            let due: Vec<Value> = all
                .iter()
                .filter(|(line, order)| passes(line, order))
                .map(|(line, _)| line.clone())
                .collect();
            let tells = !due.is_empty() && due.len() < all.len();
            assert!(tells || matches!(who, Who::Partner), "{filter}");
            let found = whole(&demo, who, &format!("/odata/order_lines?{query}"));
            assert!(as_set(&found) == as_set(&due), "{filter}: {} for {}", found.len(), due.len());
            let count = demo.get(&format!("/odata/order_lines/$count?{query}")).by(who).send().expect(200);
            assert_eq!(count.body, due.len().to_string(), "{filter}");
        }
    }
    // What the partner is not shown of an order is no field of one.
    let unknown = |option: &str, path: &str| {
        let answer = demo.get(&format!("/odata/order_lines?{option}={}", encoded(path))).by(Who::Partner);
        let error = refused(answer.send(), 400);
        error["details"].to_string().replace("salesperson", "NAME").replace("zzzzzzzzz", "NAME")
    };
    assert_eq!(
        unknown("$filter", "order/salesperson eq null"),
        unknown("$filter", "order/zzzzzzzzz eq null")
    );
    assert_eq!(unknown("$orderby", "order/salesperson"), unknown("$orderby", "order/zzzzzzzzz"));
    assert_eq!(
        unknown("$expand", "order($select=salesperson)"),
        unknown("$expand", "order($select=zzzzzzzzz)")
    );
}

#[test]
fn rows_are_ordered_counted_and_passed_over_one_by_one() {
    let demo = Demo::start_with(roomy, &[]);
    for who in [Who::App, Who::Partner] {
        let orders = whole(&demo, who, "/odata/orders");
        let lines = lines_of(&orders);
        let get = |options: &str| whole(&demo, who, &format!("/odata/order_lines?{options}"));
        // Passed over, in the order that the records have.
        for (skip, top) in [(1, 5), (40, 120), (lines.len() - 2, 10), (lines.len() + 5, 3)] {
            let from = skip.min(lines.len());
            let due = &lines[from..(from + top).min(lines.len())];
            assert_eq!(get(&format!("$skip={skip}&$top={top}")), due, "{skip} {top}");
        }
        // In an order of their own, page after page.
        let mut due = lines.clone();
        due.sort_by(|a, b| amount(&b["quantity"]).total_cmp(&amount(&a["quantity"])));
        assert_eq!(get("$orderby=quantity%20desc"), due);
        assert_eq!(get("$orderby=quantity%20desc&$skip=3&$top=230"), due[3..233.min(due.len())]);
        let mut due = with_orders(&lines, &orders);
        let day = |order: &Value| order["ordered_on"].as_str().unwrap_or("9").to_owned();
        due.sort_by_key(|(line, order)| (day(order), line["row"].as_u64()));
        let due: Vec<Value> = due.into_iter().map(|(line, _)| line).collect();
        assert_eq!(get("$orderby=order/ordered_on,row"), due);
        // By their records, whose rows follow them.
        let by_record = get("$orderby=order_id%20desc,row&$select=order_id,row");
        let key = |row: &Value| (row["order_id"].as_str().unwrap().to_owned(), row["row"].as_u64().unwrap());
        assert!(by_record.windows(2).all(|two| {
            let ((a, m), (b, n)) = (key(&two[0]), key(&two[1]));
            a > b || (a == b && m < n)
        }));
        assert_eq!(by_record.len(), lines.len());
        let by_day = get("$orderby=order/ordered_on%20desc&$top=90");
        let days: Vec<String> = with_orders(&by_day, &orders).iter().map(|(_, order)| day(order)).collect();
        assert_eq!(days.len(), 90);
        assert!(days.is_sorted_by(|a, b| a >= b), "{days:?}");
        // Counted beside a page of any length, and by itself.
        for options in ["$top=0", "$top=3", "$top=3&$skip=2&$orderby=quantity"] {
            let page = demo.get(&format!("/odata/order_lines?$count=true&{options}")).by(who).send();
            assert_eq!(page.expect(200).json()["@odata.count"], lines.len(), "{options}");
        }
        let counted = demo.get("/odata/order_lines/$count?$top=2&$skip=1&$orderby=sku").by(who).send();
        assert_eq!(counted.expect(200).body, lines.len().to_string());
        // What stands around them is told beside them.
        let beside = get("$top=7&$select=row&$expand=order($select=number)");
        let due = with_orders(&lines[..7], &orders)
            .into_iter()
            .map(|(line, order)| json!({ "row": line["row"], "order": { "number": order["number"] } }));
        assert_eq!(beside, due.collect::<Vec<_>>());
        // An order of many values, twice the same, and what is not here.
        for (option, status) in [
            ("$orderby=row,row", 400),
            ("$orderby=order/lines/sku", 400),
            ("$orderby=zzz", 400),
            ("$skip=-1", 400),
            ("$expand=orders", 400),
            ("$expand=order($top=1)", 400),
            ("$expand=order($expand=invoices)", 501),
            ("$expand=*", 501),
            ("$expand=order($select=lines)", 501),
            ("$search=x", 501),
            ("$apply=groupby((sku))", 501),
        ] {
            refused(demo.get(&format!("/odata/order_lines?{option}")).by(who).send(), status);
        }
    }
    // A record beside its rows comes without the list that they are of.
    let row = rows(&demo.get("/odata/order_lines?$top=1&$expand=order").send().expect(200)).remove(0);
    assert!(row["order"]["number"].is_string() && row["order"].get("lines").is_none(), "{row}");
    // A page of an order of its own is as long as is preferred.
    let page = demo.get("/odata/order_lines?$orderby=sku").with("prefer", "odata.maxpagesize=9").send();
    let page = page.expect(200);
    assert_eq!((rows(&page).len(), page.header("preference-applied")), (9, Some("odata.maxpagesize=9")));
    // A link goes on with its own list alone.
    let link = page.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    let (_, token) = link.split_once("$skiptoken=").unwrap();
    for other in ["order_lines?$orderby=quantity", "order_lines?", "invoice_lines?$orderby=sku", "orders?"] {
        let mark = if other.ends_with('?') { "" } else { "&" };
        let error = refused(demo.get(&format!("/odata/{other}{mark}$skiptoken={token}")).send(), 400);
        assert_eq!(error["code"], "cursor", "{other}");
    }
}

#[test]
fn an_order_of_records_is_asked_of_the_system_for_their_rows_too() {
    let stage = Stage::open(|_| {});
    stage.erp.forget();
    let filter = encoded("order/status eq 'open' and sku eq '1007'");
    let path = format!("/odata/order_lines?$filter={filter}&$orderby=order/ordered_on%20desc&$top=1");
    stage.get(&path).expect(200);
    let asked = stage.erp.seen();
    let target = percent_encoding::percent_decode_str(&asked[0].target).decode_utf8().unwrap();
    assert!(target.contains("status eq 'Open'") && target.contains("orderDate desc"), "{target}");
}

#[test]
fn rows_are_written_down_as_the_records_they_stand_in() {
    let stage = Stage::open(|_| {});
    let answer = stage.get("/odata/order_lines?$top=4").expect(200);
    let entry = stage.written(&answer).pop().unwrap();
    assert_eq!((&entry["action"], &entry["path"]), (&json!("list"), &json!("/odata/order_lines")));
    let groups = entry["shown"].as_array().unwrap();
    let shown: usize = groups.iter().map(|group| group["records"].as_array().unwrap().len()).sum();
    assert_eq!(rows(&answer).len(), 4);
    assert!((1..=4).contains(&shown), "no more records than rows: {entry}");
    // Nor is a record whose rows were passed over or only counted.
    for options in ["$skip=9&$top=1", "$orderby=quantity&$top=1", "$count=true&$top=1"] {
        let answer = stage.get(&format!("/odata/order_lines?{options}")).expect(200);
        let entry = stage.written(&answer).pop().unwrap();
        assert_eq!(entry["shown"][0]["records"].as_array().map(Vec::len), Some(1), "{options}: {entry}");
        assert_eq!(entry["shown"].as_array().map(Vec::len), Some(1), "{options}");
    }
}

#[test]
fn what_is_not_here_is_refused_by_name_and_in_odata_s_own_form() {
    let demo = Demo::start();
    for (options, status, code) in [
        ("$compute=1%20as%20x", 501, "unsupported"),
        ("$search=x", 501, "unsupported"),
        ("$apply=aggregate(id%20with%20countdistinct%20as%20n)", 501, "unsupported"),
        ("$filter=isof(number,Edm.String)", 501, "unsupported"),
        ("$filter=number%20has%20'a'", 501, "unsupported"),
        ("$filter=number%20eq", 400, "query"),
        ("$fitler=x", 400, "query"),
        ("limit=5", 400, "query"),
        ("$top=x", 400, "query"),
        ("$format=atom", 406, "not-acceptable"),
        ("$skiptoken=AAAA", 400, "cursor"),
    ] {
        let error = refused(demo.get(&format!("/odata/orders?{options}")).send(), status);
        assert_eq!(error["code"], code, "{options}");
    }
    for (path, status) in [
        ("/odata/nothing", 404),
        ("/odata/stock-levels", 404),
        ("/odata/orders/7", 404),
        ("/odata/orders('7')/number", 404),
        ("/odata/orders(7)", 404),
        ("/odata/$batch", 404),
        ("/odata/orders//", 400),
    ] {
        refused(demo.get(path).send(), status);
    }
    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
        for path in ["/odata/orders", "/odata/orders('7')", "/odata/", "/odata/$metadata"] {
            let answer = demo.ask(method.clone(), path).json(&json!({})).send();
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            refused(answer, 405);
        }
    }
    refused(demo.get("/odata/orders").with("accept", "application/atom+xml").send(), 406);
    refused(demo.get("/odata/$metadata").with("accept", "application/json").send(), 406);
    refused(demo.get("/odata/orders").with("odata-maxversion", "3.0").send(), 501);
    demo.get("/odata/orders?$top=1")
        .with("odata-maxversion", "4.0")
        .with("maxdataserviceversion", "3.0")
        .send()
        .expect(200);
    // The other door is as it was.
    demo.get("/v1/orders?$top=1").send().refused(400);
    demo.get("/odatax").send().refused(404);
    let head = demo.ask(Method::HEAD, "/odata/orders?$top=1").send().expect(200);
    assert!(head.body.is_empty() && head.header("content-length").is_some());
}

#[test]
fn a_cursor_is_good_for_its_own_caller_and_query_alone() {
    let demo = Demo::start_with(roomy, &[]);
    let token = |who, path: &str| {
        let answer = demo.get(path).by(who).with("prefer", "odata.maxpagesize=2").send().expect(200).json();
        let link = answer["@odata.nextLink"].as_str().unwrap().to_owned();
        link.split_once("$skiptoken=").unwrap().1.to_owned()
    };
    let own = token(Who::App, "/odata/orders?$filter=status%20eq%20'open'");
    let other =
        demo.get("/v1/orders?limit=2").send().expect(200).json()["next_cursor"].as_str().unwrap().to_owned();
    let plain = token(Who::App, "/odata/orders");
    let cases = [
        (Who::App, "/odata/orders?$filter=status%20eq%20'draft'&", &own, "another query's"),
        (Who::App, "/odata/orders?", &own, "a wider query's"),
        (Who::Partner, "/odata/orders?$filter=status%20eq%20'open'&", &own, "another caller's"),
        (Who::App, "/odata/products?", &plain, "another set's"),
        (Who::App, "/odata/orders?", &other, "another door's"),
    ];
    for (who, path, cursor, what) in cases {
        let error = refused(demo.get(&format!("{path}$skiptoken={cursor}")).by(who).send(), 400);
        assert_eq!(error["code"], "cursor", "{what}");
    }
    demo.get(&format!("/v1/orders?cursor={plain}")).send().refused(400);
    demo.get(&format!("/odata/orders?$skiptoken={plain}&$top=1")).send().expect(200);
}

#[test]
fn answers_come_in_the_style_that_was_asked_for() {
    let demo = Demo::start();
    let get = |path: &str, accept: &str| demo.get(path).with("accept", accept).send().expect(200);
    let first = demo.get("/odata/orders?$top=1&$filter=tax_inclusive_total%20gt%200").send().expect(200);
    let text = String::from_utf8(first.body.to_vec()).unwrap();
    let other = demo.get(&format!("/v1/orders/{}", ids(&rows(&first))[0])).send().expect(200);
    let total = other.json()["tax_inclusive_total"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("\"tax_inclusive_total\":{total},")), "{total} digit by digit: {text}");
    let exact = get(
        "/odata/orders?$top=1&$count=true",
        "application/json;odata.metadata=none;IEEE754Compatible=true",
    );
    assert_eq!(
        exact.header("content-type"),
        Some("application/json;odata.metadata=none;IEEE754Compatible=true")
    );
    let exact = exact.json();
    assert!(exact["@odata.count"].is_string() && exact.get("@odata.context").is_none(), "{exact}");
    assert!(exact["value"][0]["tax_inclusive_total"].is_string());
    let full = get("/odata/orders?$top=1", "application/json;odata.metadata=full").json()["value"][0].clone();
    let address = path_of(full["@odata.id"].as_str().unwrap()).to_owned();
    assert_eq!(full["tax_inclusive_total@odata.type"], "#Decimal");
    // The tag of a record is the same at both doors, so it can be sent back with a change.
    let one = demo.get(&address).send().expect(200);
    assert_eq!(one.header("etag"), other_tag(&demo, &one).as_deref());
    assert_eq!(one.json()["@odata.etag"].as_str(), one.header("etag"));
    let some = demo.get(&format!("{address}?$select=number,ship_to/city")).send().expect(200);
    assert_eq!(some.header("etag"), None);
    let row = some.json();
    assert_eq!(
        row["@odata.context"],
        "https://localhost/odata/$metadata#orders(number,ship_to/city)/$entity"
    );
    assert_eq!(row.as_object().unwrap().len(), 3, "{row}");
}

fn other_tag(demo: &Demo, one: &Answer) -> Option<String> {
    let path = format!("/v1/orders/{}", one.json()["id"].as_str().unwrap());
    demo.get(&path).send().expect(200).header("etag").map(str::to_owned)
}

#[test]
fn a_list_that_cannot_be_told_whole_is_refused_at_its_end() {
    let stage = Stage::open(|policies| {
        change(policies, "systems/crm.yaml", "window: 10000, keyset: hs_object_id", "window: 100")
    });
    let path = "/odata/customers?$filter=created_at%20ge%202020-01-01T00:00:00Z";
    let error = refused(stage.get(path), 400);
    assert_eq!(error["code"], "cut");
    // As many as were asked for are all that were asked for.
    assert_eq!(rows(&stage.get(&format!("{path}&$top=60")).expect(200)).len(), 60);
    for counted in [&*path.replace('?', "/$count?"), &format!("{path}&$count=true")] {
        refused(stage.get(counted), 400);
    }
    stage.get("/odata/customers").expect(200);
}

#[test]
fn an_entry_says_what_was_listed_and_holds_no_word_of_the_query() {
    let stage = Stage::open(with(
        "@id(\"no-drafts\")\nforbid (principal, action == Action::\"list\", resource is Order)\n\
         when { resource has status && resource.status == \"draft\" };\n",
    ));
    let answer = stage.get("/odata/orders?$filter=currency%20eq%20'EUR'&$skip=3&$top=4").expect(200);
    let entry = stage.written(&answer).pop().unwrap();
    assert_eq!(
        (&entry["action"], &entry["path"], &entry["status"]),
        (&json!("list"), &json!("/odata/orders"), &json!(200))
    );
    let shown: usize = entry["shown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["records"].as_array().unwrap().len())
        .sum();
    assert_eq!((rows(&answer).len(), shown), (4, 4), "what was passed over was not shown");
    let id = ids(&rows(&answer))[0].to_owned();
    let one = stage.get(&format!("/odata/orders('{id}')")).expect(200);
    let entry = stage.written(&one).pop().unwrap();
    assert_eq!((&entry["action"], &entry["path"]), (&json!("read"), &json!("/odata/orders")));
    let refused = stage.get("/odata/orders?$filter=secretword%20eq%20'EUR'");
    let entry = stage.written(&refused).pop().unwrap();
    assert_eq!(entry["refusal"], "query");
    assert!(
        !entry.to_string().contains("secretword") && !stage.written(&answer)[0].to_string().contains("EUR")
    );
}

#[test]
fn a_long_list_is_passed_over_counted_and_bounded() {
    let all = 2_210;
    let twisted = Twisted::crm(move |ask, answer| {
        if ask.path != "/crm/v3/objects/contacts" || ask.method != Method::GET {
            return answer;
        }
        let pairs = ask.pairs();
        let of =
            |name: &str| pairs.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.parse::<usize>().ok());
        let (from, size) = (of("after").unwrap_or(0), of("limit").unwrap());
        let row = |n: usize| {
            json!({ "id": n.to_string(), "archived": false, "createdAt": "2026-01-01T00:00:00Z",
                    "updatedAt": "2026-01-01T00:00:00Z", "properties": { "firstname": format!("N{n}") } })
        };
        let rows: Vec<Value> = (from..from + size).take_while(|n| *n < all).map(row).collect();
        let mut body = json!({ "results": rows });
        if from + size < all {
            body["paging"] = json!({ "next": { "after": (from + size).to_string() } });
        }
        said(200, &body)
    });
    let stage = Stage::open(|policies| twisted.serve(policies));
    assert_eq!(stage.get("/odata/customers/$count").expect(200).body, "2210");
    assert_eq!(refused(stage.get("/odata/customers?$count=true"), 400)["code"], "too-many-to-count");
    assert_eq!(refused(stage.get("/odata/customers?$orderby=name"), 400)["code"], "too-many-to-sort");
    // More than one request may look through: it says how far it came.
    let first = stage.get("/odata/customers?$skip=2150&$top=30&$select=id").expect(200);
    assert_eq!(rows(&first), Vec::<Value>::new());
    let link = first.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.contains("$skip=150&$top=30&$skiptoken="), "{link}");
    let last = stage.get(path_of(&link)).expect(200);
    let expected: Vec<String> = (2150..2180).map(|n| n.to_string()).collect();
    assert_eq!(ids(&rows(&last)), expected);
    assert_eq!(last.json()["@odata.nextLink"], Value::Null);
}
