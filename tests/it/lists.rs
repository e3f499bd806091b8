//! Lists: paged to the end without a record twice or left out, filtered and sorted the same whether a system
//! or the gate does it, and with cursors that are good for one caller and one query.

use std::{cmp::Ordering, collections::BTreeSet, fs};

use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::{Answer, Demo, Who, until},
    reads::roomy,
    stage::Stage,
    writes::{Twisted, change, no_edit, said, with},
};

/// A collection, all of it, a filter, and what the filter means.
type Filtered<'a> = (&'a str, &'a [Value], &'a str, &'a dyn Fn(&Value) -> bool);

/// A list, whether it descends, and what it is sorted by.
type Sorted<'a> = (&'a str, bool, &'a dyn Fn(&Value) -> Option<String>);

/// All pages of a list; each page is looked at by `page`.
fn walk(demo: &Demo, who: Who, path: &str, mut page: impl FnMut(&Answer, usize)) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(at) = next {
        let answer = demo.get(&at).by(who).send().expect(200);
        let items = answer.items();
        page(&answer, items.len());
        all.extend(items);
        assert!(all.len() < 2000, "a list without end");
        let cursor = answer.json()["next_cursor"].as_str().map(str::to_owned);
        next = cursor
            .map(|cursor| format!("{path}{}cursor={cursor}", if path.contains('?') { '&' } else { '?' }));
        assert_eq!(answer.header("link").is_some(), next.is_some());
    }
    all
}

fn whole(demo: &Demo, who: Who, path: &str) -> Vec<Value> {
    walk(demo, who, path, |_, _| {})
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// Checks that there are no two of one, and gives them sorted.
#[track_caller]
fn distinct<'a>(items: &[&'a str]) -> BTreeSet<&'a str> {
    let set: BTreeSet<&str> = items.iter().copied().collect();
    assert_eq!(set.len(), items.len(), "a record came twice");
    set
}

/// Every order as the ERP itself has it.
fn native_orders(demo: &Demo) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let path =
            format!("/systems/erp/salesOrders?$select=id,customerNumber,status&$top=50&$skip={}", all.len());
        let page = demo.get(&path).send().expect(200).json()["value"].as_array().unwrap().clone();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[test]
fn a_list_is_paged_to_its_end_and_holds_what_the_system_holds() {
    let demo = Demo::start();
    let mut native = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/systems/crm/crm/v3/objects/contacts?limit=100{after}");
        let page = demo.get(&path).send().expect(200).json();
        native.extend(page["results"].as_array().unwrap().clone());
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(native.len() > 200);
    for limit in [7, 100, 200] {
        let got = walk(&demo, Who::App, &format!("/v1/customers?limit={limit}"), |answer, count| {
            let last = answer.json()["next_cursor"].is_null();
            assert!(last || count == limit, "a page of {count}, {limit} asked for");
        });
        assert_eq!(distinct(&ids(&got)), distinct(&ids(&native)), "limit {limit}");
    }
}

#[test]
fn the_link_of_a_page_leads_to_the_next_one() {
    let demo = Demo::start();
    let (mut path, mut got) = ("/v1/products?limit=25&fields=id,sku&sort=sku".to_owned(), Vec::new());
    loop {
        let answer = demo.get(&path).send().expect(200);
        got.extend(answer.items());
        let Some(link) = answer.header("link") else { break };
        let (target, relation) = link.split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"");
        target.strip_prefix('<').unwrap().clone_into(&mut path);
        assert!(path.contains("fields=id,sku&sort=sku"), "{path}");
    }
    assert_eq!(got, whole(&demo, Who::App, "/v1/products?limit=200&fields=id,sku&sort=sku"));
    assert!(got.len() > 100);
}

#[test]
fn a_link_is_a_uri_however_its_query_was_sent() {
    let demo = Demo::start();
    let path = "/v1/orders?limit=25&fields=id&ordered_on[gte]=2026-01-02&status[in]=open,closed";
    let answer = demo.get(path).send().expect(200);
    let link = answer.header("link").unwrap();
    let (target, _) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert!(target.contains("&ordered_on%5Bgte%5D=2026-01-02&status%5Bin%5D=open,closed&"), "{target}");
    let cursor = target.rsplit_once("cursor=").unwrap().1;
    let next = demo.get(target).send().expect(200).items();
    assert!(!next.is_empty());
    assert_eq!(demo.get(&format!("{path}&cursor={cursor}")).send().expect(200).items(), next);
}

#[test]
fn a_partner_is_shown_its_own_orders_all_of_them_and_no_drafts() {
    let demo = Demo::start_with(roomy, &[]);
    let native = native_orders(&demo);
    let own: Vec<Value> = native
        .iter()
        .filter(|order| order["customerNumber"] == "20000" && order["status"] != "Draft")
        .cloned()
        .collect();
    assert!(own.len() > 40 && own.len() < native.len() / 4);
    assert!(native.iter().any(|order| order["customerNumber"] == "20000" && order["status"] == "Draft"));
    for limit in [3, 20, 200] {
        let got = whole(&demo, Who::Partner, &format!("/v1/orders?limit={limit}"));
        assert_eq!(distinct(&ids(&got)), distinct(&ids(&own)), "limit {limit}");
        assert!(got.iter().all(|order| order["customer"] == "20000" && order["status"] != "draft"));
    }
    // It cannot be talked into more.
    for query in ["customer=30000", "status=draft", "customer[ne]=20000", "customer[in]=30000,40000"] {
        assert_eq!(whole(&demo, Who::Partner, &format!("/v1/orders?{query}")).len(), 0, "{query}");
    }
}

#[test]
fn records_that_a_statement_drops_leave_no_hole_in_the_pages() {
    let demo = Demo::start();
    let before = whole(&demo, Who::App, "/v1/customers?limit=200");
    let names: BTreeSet<&str> = before.iter().map(|item| item["name"].as_str().unwrap()).collect();
    // Three of four names; a joined name is nothing that the CRM could filter by.
    let dropped: Vec<String> =
        names.iter().enumerate().filter(|(n, _)| n % 4 != 0).map(|(_, name)| format!("{name:?}")).collect();
    let statement = format!(
        "@id(\"some-names-are-nobody-s-business\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], \
         resource is Customer)\nwhen {{ resource has name && [{}].contains(resource.name) }};\n",
        dropped.join(", ")
    );
    fs::write(demo.policies().join("access/names.cedar"), statement).unwrap();
    let hidden = before
        .iter()
        .find(|item| dropped.contains(&format!("{:?}", item["name"].as_str().unwrap())))
        .unwrap();
    let hidden = format!("/v1/customers/{}", hidden["id"].as_str().unwrap());
    until("the statement holds", || demo.get(&hidden).send().status == 404);
    let kept: Vec<Value> = before
        .iter()
        .filter(|item| !dropped.contains(&format!("{:?}", item["name"].as_str().unwrap())))
        .cloned()
        .collect();
    for limit in [1, 5, 50, 200] {
        let got = walk(&demo, Who::App, &format!("/v1/customers?limit={limit}"), |answer, count| {
            let last = answer.json()["next_cursor"].is_null();
            assert!(last || count == limit, "a page of {count}, {limit} asked for");
        });
        assert_eq!(ids(&got), ids(&kept), "limit {limit}");
    }
}

#[test]
fn a_filter_finds_what_looking_through_everything_finds() {
    let demo = Demo::start();
    let orders = whole(&demo, Who::App, "/v1/orders?limit=200");
    let products = whole(&demo, Who::App, "/v1/products?limit=200");
    let customers = whole(&demo, Who::App, "/v1/customers?limit=200");
    let cases: &[Filtered<'_>] = &[
        ("orders", &orders, "status=open", &|o| o["status"] == "open"),
        ("orders", &orders, "status[in]=draft,on_hold", &|o| o["status"] == "draft"),
        ("orders", &orders, "status[ne]=open", &|o| o["status"] != "open"),
        ("orders", &orders, "customer=20000", &|o| o["customer"] == "20000"),
        ("orders", &orders, "customer[in]=20000,30000&status=open", &|o| {
            (o["customer"] == "20000" || o["customer"] == "30000") && o["status"] == "open"
        }),
        ("orders", &orders, "ordered_on[gte]=2026-03-05&ordered_on[lt]=2026-07-01", &|o| {
            (Some("2026-03-05")..Some("2026-07-01")).contains(&o["ordered_on"].as_str())
        }),
        ("orders", &orders, "requested_on[lte]=2026-06-30", &|o| {
            o["requested_on"].as_str().is_some_and(|day| day <= "2026-06-30")
        }),
        ("orders", &orders, "currency=EUR", &|o| o["currency"] == "EUR"),
        ("orders", &orders, "currency=USD", &|o| o["currency"] == "USD"),
        ("orders", &orders, "currency[ne]=EUR", &|o| o["currency"] == "USD"),
        ("orders", &orders, "buyer_reference=PO-0003", &|o| o["buyer_reference"] == "PO-0003"),
        ("orders", &orders, "buyer_reference=po-0003", &|_| false),
        ("orders", &orders, "buyer_reference[ne]=PO-0003", &|o| {
            o["buyer_reference"].as_str().is_some_and(|text| text != "PO-0003")
        }),
        ("orders", &orders, "tax_inclusive_total[gt]=2500.5", &|o| {
            amount(&o["tax_inclusive_total"]) > 2500.5
        }),
        ("orders", &orders, "fulfillment_status=fulfilled", &|o| o["fulfillment_status"] == "fulfilled"),
        ("orders", &orders, "ship_to.name=Magazyn+3", &|o| o["ship_to"]["name"] == "Magazyn 3"),
        ("orders", &orders, "lines.sku=1007", &|o| {
            o["lines"].as_array().is_some_and(|lines| lines.iter().any(|line| line["sku"] == "1007"))
        }),
        ("products", &products, "unit=H87&status=active", &|p| p["unit"] == "H87" && p["status"] == "active"),
        ("products", &products, "status=blocked", &|p| p["status"] == "blocked"),
        ("products", &products, "sku[in]=1001,1002,nothing", &|p| p["sku"] == "1001" || p["sku"] == "1002"),
        ("products", &products, "gtin[gte]=5901234000050", &|p| {
            p["gtin"].as_str().is_some_and(|gtin| gtin >= "5901234000050")
        }),
        ("customers", &customers, "lifecycle=lead", &|c| c["lifecycle"] == "lead"),
        ("customers", &customers, "family_name=Nowak&given_name=Ewa", &|c| {
            c["family_name"] == "Nowak" && c["given_name"] == "Ewa"
        }),
        ("customers", &customers, "family_name=nowak", &|_| false),
        ("customers", &customers, "name=Jan+Kowalska", &|c| c["name"] == "Jan Kowalska"),
        ("customers", &customers, "addresses.country[in]=DE,AT", &|c| {
            c["addresses"][0]["country"] == "DE" || c["addresses"][0]["country"] == "AT"
        }),
        ("customers", &customers, "emails.value=ewa.nowak0%40example.com", &|c| {
            c["emails"][0]["value"] == "ewa.nowak0@example.com"
        }),
        ("customers", &customers, "kind=company", &|_| false),
        ("customers", &customers, "family_name=O'Brien", &|c| c["family_name"] == "O'Brien"),
    ];
    for (collection, all, query, fits) in cases {
        let expected: Vec<Value> = all.iter().filter(|item| fits(item)).cloned().collect();
        let got = whole(&demo, Who::App, &format!("/v1/{collection}?limit=40&{query}"));
        assert_eq!(distinct(&ids(&got)), distinct(&ids(&expected)), "{collection}?{query}");
    }
}

fn amount(value: &Value) -> f64 {
    value.as_str().map_or(f64::NAN, |text| text.parse().unwrap())
}

#[test]
fn an_order_holds_over_all_pages_whoever_sorts() {
    let demo = Demo::start();
    let text = |field: &'static str| move |item: &Value| item[field].as_str().map(str::to_owned);
    // The ERP sorts orders by day; a joined name is sorted by the gate.
    let cases: &[Sorted<'_>] = &[
        ("/v1/orders?sort=ordered_on", false, &text("ordered_on")),
        ("/v1/orders?sort=-ordered_on", true, &text("ordered_on")),
        ("/v1/customers?sort=name", false, &text("name")),
        ("/v1/customers?sort=-name", true, &text("name")),
        ("/v1/customers?sort=company", false, &text("company")),
    ];
    for (path, descending, key) in cases {
        let got = whole(&demo, Who::App, &format!("{path}&limit=60"));
        distinct(&ids(&got));
        let keys: Vec<Option<String>> = got.iter().map(key).collect();
        let mut there: Vec<&String> = keys.iter().flatten().collect();
        assert!(there.len() > 40);
        if *descending {
            there.reverse();
        }
        assert!(there.is_sorted(), "{path}: {there:?}");
        // Those without a value stand together, at one end.
        let gaps = keys.windows(2).filter(|pair| pair[0].is_some() != pair[1].is_some()).count();
        assert!(gaps <= 1, "{path}: {keys:?}");
        let all = whole(&demo, Who::App, &format!("{}?limit=200", path.split('?').next().unwrap()));
        assert_eq!(distinct(&ids(&got)), distinct(&ids(&all)), "{path}");
    }
    let by_amount = whole(&demo, Who::App, "/v1/orders?sort=-tax_inclusive_total&limit=200");
    let sums: Vec<f64> = by_amount.iter().map(|order| amount(&order["tax_inclusive_total"])).collect();
    assert!(sums.is_sorted_by(|a, b| b.partial_cmp(a) != Some(Ordering::Greater)), "{sums:?}");
}

#[test]
fn a_cursor_is_good_for_its_own_caller_and_query_and_for_nothing_else() {
    let demo = Demo::start();
    let cursor = |who, path: &str| {
        demo.get(path).by(who).send().expect(200).json()["next_cursor"].as_str().unwrap().to_owned()
    };
    let own = cursor(Who::App, "/v1/orders?limit=2&status=open");
    let plain = cursor(Who::App, "/v1/orders?limit=2");
    let (last, rest) = (own.chars().last().unwrap(), &own[..own.len() - 1]);
    let flipped = format!("{rest}{}", if last == 'A' { 'B' } else { 'A' });
    let cases = [
        (Who::Partner, "/v1/orders?limit=2&status=open", own.as_str(), "another caller's"),
        (Who::App, "/v1/orders?limit=2&status=draft", &own, "another query's"),
        (Who::App, "/v1/orders?limit=2", &own, "a wider query's"),
        (Who::App, "/v1/products?limit=2", &plain, "another collection's"),
        (Who::App, "/v1/orders?limit=2&status=open&sort=ordered_on", &own, "another order's"),
        (Who::App, "/v1/orders?limit=2&status=open", &flipped, "one that was changed"),
        (Who::App, "/v1/orders?limit=2&status=open", rest, "one that was cut"),
        (Who::App, "/v1/orders?limit=2&status=open", "AAAA", "an invented one"),
    ];
    for (who, path, cursor, what) in cases {
        let refused = demo.get(&format!("{path}&cursor={cursor}")).by(who).send().refused(400).json();
        assert_eq!(refused["type"], "https://bramka.example/problems/cursor", "{what}");
    }
    demo.get(&format!("/v1/orders?limit=2&status=open&cursor={own}")).send().expect(200);
}

#[test]
fn a_cursor_tells_nothing_of_the_system_behind_it() {
    let demo = Demo::start();
    let page = demo.get("/v1/customers?limit=3").send().expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).unwrap();
    assert!(memchr::memmem::find(&bytes, b"7010000").is_none());
    let again = demo.get("/v1/customers?limit=3").send().expect(200).json();
    assert_ne!(again["next_cursor"], page["next_cursor"], "sealed anew each time");
}

#[test]
fn a_masked_field_serves_neither_filter_nor_order_and_looks_like_an_unknown_one() {
    let demo = Demo::start_with(roomy, &[]);
    let ask = |query: &str| demo.get(&format!("/v1/orders?{query}")).by(Who::Partner).send();
    let told = |query: &str, name: &str| {
        let answer = ask(query).refused(400);
        let id = answer.header("x-request-id").unwrap();
        String::from_utf8(answer.body.to_vec()).unwrap().replace(id, "ID").replace(name, "NAME")
    };
    for shape in ["NAME=x", "NAME[gte]=x", "NAME[in]=a,b", "NAME[nope]=x", "sort=NAME", "sort=-NAME", "NAME="]
    {
        let unknown = told(&shape.replace("NAME", "zzzzz"), "zzzzz");
        // Masked, withheld, never granted.
        for field in ["email", "salesperson", "customer_name", "lines.net_price"] {
            assert_eq!(told(&shape.replace("NAME", field), field), unknown, "{shape} {field}");
        }
        // Where a hint is near, it is the same one.
        let near = told(&shape.replace("NAME", "ship_to.lineq"), "ship_to.lineq");
        assert_eq!(told(&shape.replace("NAME", "ship_to.line1"), "ship_to.line1"), near, "{shape}");
    }
    // A slip of the pen is not led to a field that may not serve.
    for slip in ["emial", "emai", "customer_nam", "salespersom"] {
        let told = String::from_utf8(ask(&format!("{slip}=x")).refused(400).body.to_vec()).unwrap();
        for field in ["`email`", "`customer_name`", "`salesperson`"] {
            assert!(!told.contains(field), "{told}");
        }
    }
    let hint = ask("statu=open").refused(400).json();
    assert_eq!(hint["errors"][0]["detail"], "unknown field `statu`, did you mean `status`?");
}

#[test]
fn all_faults_of_a_query_are_told_at_once() {
    let demo = Demo::start();
    let query = "limit=0&nope=1&ordered_on=yesterday&status=lost&sort=zzz&status[gte]=open&status=open&tax_total[gt]=a";
    let refused = demo.get(&format!("/v1/orders?{query}")).send().refused(400).json();
    let parameters: Vec<&str> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["parameter"].as_str().unwrap())
        .collect();
    assert_eq!(
        parameters,
        ["limit", "nope", "ordered_on", "status", "sort", "status[gte]", "status", "tax_total[gt]"]
    );
    for query in
        ["limit=201", "limit=-1", "limit=1.5", "limit=", "fields=", "sort=", "cursor=", "%ff=1", "a=%zz"]
    {
        demo.get(&format!("/v1/orders?{query}")).send().refused(400);
    }
}

#[test]
fn a_list_s_entry_names_how_many_were_left_out_and_no_value_of_any() {
    let demo = Demo::start();
    let answer = demo.get("/v1/orders?limit=200").by(Who::Partner).send().expect(200);
    let entry = crate::book::of(&demo.data(), answer.header("x-request-id").unwrap()).pop().unwrap();
    let shown: usize = entry["shown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["records"].as_array().unwrap().len())
        .sum();
    assert_eq!(shown, answer.items().len());
    let text = entry.to_string();
    for order in answer.items() {
        for field in ["id", "number", "email"] {
            assert!(!text.contains(order[field].as_str().unwrap()), "{field}");
        }
    }
    assert!(!text.contains("limit=200"), "no query text");
    demo.ask(Method::POST, "/v1/customers?limit=2").send().expect(400);
}

#[test]
fn a_small_page_is_not_empty_because_the_first_records_are_none_of_the_callers() {
    let stage = Stage::open(no_edit);
    let names: BTreeSet<String> = stage
        .get("/v1/customers?limit=200")
        .expect(200)
        .items()
        .iter()
        .take(150)
        .map(|item| format!("{:?}", item["name"].as_str().unwrap()))
        .collect();
    drop(stage);
    let names: Vec<String> = names.into_iter().collect();
    let stage = Stage::open(with(&format!(
        "@id(\"hidden\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Customer)\n\
         when {{ resource has created_at && resource has name && [{}].contains(resource.name) }};\n",
        names.get(1..).unwrap().join(", ")
    )));
    for (limit, sort) in [(1, ""), (2, ""), (1, "&sort=name"), (2, "&sort=-name")] {
        stage.crm.forget();
        let answer = stage.get(&format!("/v1/customers?limit={limit}{sort}")).expect(200);
        assert_eq!(answer.items().len(), limit, "{limit}{sort}");
        // Pages of the system are as large as it has them, not as the caller wants.
        assert!(stage.crm.seen().len() <= 6, "{limit}{sort}: {}", stage.crm.seen().len());
    }
}

#[test]
fn what_a_caller_may_not_see_does_not_count_against_it_when_the_gate_sorts() {
    let hidden = 2_200;
    let twisted = Twisted::crm(move |ask, answer| {
        if ask.path != "/crm/v3/objects/contacts" || ask.method != Method::GET {
            return answer;
        }
        let pairs = ask.pairs();
        let of =
            |name: &str| pairs.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.parse::<usize>().ok());
        let (from, size) = (of("after").unwrap_or(0), of("limit").unwrap());
        let row = |n: usize| {
            let company = if n < hidden { "Hidden Ltd" } else { "Open Ltd" };
            json!({ "id": n.to_string(), "archived": false, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
                    "properties": { "firstname": format!("N{n}"), "company": company } })
        };
        let rows: Vec<Value> = (from..from + size).take_while(|n| *n < hidden + 10).map(row).collect();
        let mut body = json!({ "results": rows });
        if from + size < hidden + 10 {
            body["paging"] = json!({ "next": { "after": (from + size).to_string() } });
        }
        said(200, &body)
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        with(
            "@id(\"hidden\")\nforbid (principal, action == Action::\"list\", resource is Customer)\n\
             when { resource has company && resource.company like \"Hidden*\" };\n",
        )(policies);
    });
    let answer = stage.get("/v1/customers?sort=name").expect(200);
    assert_eq!(answer.items().len(), 10);
    assert_eq!(stage.written(&answer).pop().unwrap()["withheld_denied"], hidden);
}

#[test]
fn a_list_that_the_system_cannot_page_to_its_end_says_so() {
    let stage = Stage::open(|policies| {
        change(policies, "systems/crm.yaml", "window: 10000, keyset: hs_object_id", "window: 100")
    });
    let query = "/v1/customers?created_at[gte]=2020-01-01T00:00:00Z&limit=60";
    let first = stage.get(query).expect(200).json();
    assert_eq!(first.get("truncated"), None);
    let next = format!("{query}&cursor={}", first["next_cursor"].as_str().unwrap());
    let last = stage.get(&next).expect(200);
    let told = last.json();
    assert_eq!((&told["next_cursor"], &told["truncated"]), (&Value::Null, &json!(true)));
    assert_eq!(first["items"].as_array().unwrap().len() + last.items().len(), 100);
    assert!(stage.written(&last).pop().unwrap()["notes"].to_string().contains("truncated"));
    // A part is in no order.
    let refused = stage.get(&format!("{query}&sort=name")).refused(400).json();
    assert_eq!(refused["type"], "https://bramka.example/problems/cut");
    let detail = "the system cannot page to the end of this list; narrow the filter";
    assert_eq!(refused["detail"], detail);
    assert_eq!(stage.get("/v1/customers?limit=200").expect(200).json().get("truncated"), None);
}

#[test]
fn a_list_goes_on_by_its_keys_where_the_window_of_the_system_ends() {
    let stage = Stage::open(|policies| change(policies, "systems/crm.yaml", "window: 10000", "window: 100"));
    let query = "/v1/customers?created_at[gte]=2020-01-01T00:00:00Z&limit=60";
    let (mut all, mut next) = (Vec::new(), Some(query.to_owned()));
    while let Some(at) = next {
        let page = stage.get(&at).expect(200);
        assert_eq!(page.json().get("truncated"), None);
        all.extend(page.items());
        next = page.json()["next_cursor"].as_str().map(|cursor| format!("{query}&cursor={cursor}"));
    }
    let found = distinct(&ids(&all)).len();
    assert!(found > 100, "{found}");
    // All of them are there to be put in an order that the system does not know.
    let sorted = stage.get(&format!("{query}&sort=name")).expect(200);
    assert_eq!((sorted.items().len(), sorted.json().get("truncated")), (60, None));
    // In one that it knows, its window is the end.
    let mut at = Some(format!("{query}&sort=-created_at"));
    let mut last = Value::Null;
    while let Some(path) = at {
        last = stage.get(&path).expect(200).json();
        at = last["next_cursor"].as_str().map(|cursor| format!("{query}&sort=-created_at&cursor={cursor}"));
    }
    assert_eq!(last["truncated"], json!(true));
}

#[test]
fn a_cursor_ends_with_the_policies_that_it_was_made_under() {
    let demo = Demo::start();
    let page = |query: &str| demo.get(&format!("/v1/orders?limit=2{query}")).send();
    let cursor = page("").expect(200).json()["next_cursor"].as_str().unwrap().to_owned();
    let next = format!("&cursor={cursor}");
    page(&next).expect(200);
    fs::write(
        demo.policies().join("access/later.cedar"),
        "@id(\"later\")\n@withhold(\"salesperson\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Order);\n",
    )
    .unwrap();
    until("the bundle is in force", || page(&next).status != 200);
    let refused = page(&next).refused(400).json();
    assert_eq!(refused["type"], "https://bramka.example/problems/cursor");
    assert!(refused["detail"].as_str().unwrap().contains("start the list again"), "{refused}");
    page("").expect(200);
}

#[test]
fn a_page_asks_for_no_more_rows_than_it_shows_unless_the_gate_leaves_some_of_them_out() {
    let asked = |stage: &Stage, path: &str| -> Vec<String> {
        stage.crm.forget();
        let answer = stage.get(path).expect(200).json();
        let seen = stage.crm.seen();
        let size = |seen: &bramka::demo::standin::Seen| {
            let sent: Value = serde_json::from_str(&seen.body).unwrap_or_default();
            let of_query =
                seen.target.split_once("limit=").map(|(_, rest)| rest.split('&').next().unwrap().to_owned());
            of_query.unwrap_or_else(|| sent["limit"].to_string())
        };
        assert!(answer["items"].is_array() || answer["value"].is_array(), "{answer}");
        seen.iter().map(size).collect()
    };
    let stage = Stage::open(roomy);
    let path = "/v1/customers?limit=3";
    assert_eq!(asked(&stage, path), ["3"]);
    let next = stage.get(path).expect(200).json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(asked(&stage, &format!("{path}&cursor={next}")), ["3"]);
    assert_eq!(asked(&stage, "/odata/customers?$top=2&$skip=5"), ["7"]);
    // What the system filters by leaves nothing out here; a name that is put together it cannot be asked for.
    assert_eq!(asked(&stage, "/v1/customers?limit=3&created_at[gte]=2000-01-01T00:00:00Z"), ["3"]);
    assert_eq!(asked(&stage, "/v1/customers?limit=3&name[ne]=a")[0], "100");
    assert_eq!(asked(&stage, "/v1/customers?limit=3&sort=name")[0], "100");
    // A statement goes by what the system is not asked for.
    let read = "action in [Action::\"list\", Action::\"read\"],\n  resource is Customer\n)";
    let stage = Stage::open(|policies| {
        roomy(policies);
        let when = format!("{read}\nwhen {{ resource has status && resource.status == \"active\" }};");
        change(policies, "access/apps.cedar", &format!("{read};"), &when);
    });
    assert_eq!(asked(&stage, path), ["100"]);
}
