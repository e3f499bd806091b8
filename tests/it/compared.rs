//! Filters of the OData door that compare fields with each other, and with now.

use std::collections::BTreeSet;

use http::{HeaderValue, Method};
use serde_json::Value;

use crate::{
    kit::{Demo, Who},
    line::bare,
    odata::{encoded, path_of, refused, rows, whole},
    reads::roomy,
    stage::Stage,
};

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// Both are there, and compare so.
fn both(one: &Value, other: &Value, fits: impl Fn(f64, f64) -> bool) -> bool {
    number(one).zip(number(other)).is_some_and(|(one, other)| fits(one, other))
}

type Filtered<'f> = (&'f str, &'f dyn Fn(&Value) -> bool);

#[test]
fn fields_are_compared_with_each_other_as_looking_through_everything_compares_them() {
    let demo = Demo::start();
    let orders = whole(&demo, Who::App, "/odata/orders");
    let day = |row: &Value, field: &str| row[field].as_str().map(str::to_owned);
    let any_line =
        |row: &Value, fits: &dyn Fn(&Value) -> bool| row["lines"].as_array().unwrap().iter().any(fits);
    let cases: &[Filtered<'_>] = &[
        ("ordered_on lt requested_on", &|o| {
            day(o, "ordered_on").zip(day(o, "requested_on")).is_some_and(|(a, b)| a < b)
        }),
        ("not (ordered_on lt requested_on)", &|o| {
            day(o, "ordered_on").zip(day(o, "requested_on")).is_none_or(|(a, b)| a >= b)
        }),
        ("requested_on ne ordered_on", &|o| o["requested_on"] != o["ordered_on"]),
        ("requested_on eq ordered_on", &|o| o["requested_on"] == o["ordered_on"]),
        ("ordered_on add duration'P7D' le requested_on and status eq 'open'", &|o| {
            let days = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
            day(o, "ordered_on")
                .zip(day(o, "requested_on"))
                .is_some_and(|(a, b)| days(&a).saturating_add(jiff::Span::new().days(7)) <= days(&b))
                && o["status"] == "open"
        }),
        (
            "year(requested_on) eq year(ordered_on)",
            &|o| match (day(o, "requested_on"), day(o, "ordered_on")) {
                (Some(a), Some(b)) => a[..4] == b[..4],
                (a, b) => a.is_none() && b.is_none(),
            },
        ),
        ("tax_total mul 5 lt tax_exclusive_total", &|o| {
            both(&o["tax_total"], &o["tax_exclusive_total"], |tax, net| tax * 5.0 < net)
        }),
        ("tax_inclusive_total divby 3 gt 700", &|o| {
            number(&o["tax_inclusive_total"]).is_some_and(|n| n > 2100.0)
        }),
        ("contains(buyer_reference,customer_name)", &|_| false),
        ("lines/any(l:l/line_net_total gt l/net_price and l/quantity ge 2)", &|o| {
            any_line(o, &|line| {
                both(&line["line_net_total"], &line["net_price"], |a, b| a > b)
                    && number(&line["quantity"]).is_some_and(|n| n >= 2.0)
            })
        }),
        ("lines/all(l:l/line_net_total gt l/net_price)", &|o| {
            !any_line(o, &|line| !both(&line["line_net_total"], &line["net_price"], |a, b| a > b))
        }),
        ("lines/any(l:l/line_net_total eq tax_exclusive_total)", &|o| {
            any_line(o, &|line| both(&line["line_net_total"], &o["tax_exclusive_total"], |a, b| a == b))
        }),
        ("lines/any(l:l/quantity mod 2 eq 1)", &|o| {
            any_line(o, &|line| number(&line["quantity"]).is_some_and(|n| n % 2.0 == 1.0))
        }),
    ];
    let mut some = 0;
    for (filter, fits) in cases {
        let expected: BTreeSet<&str> =
            orders.iter().filter(|row| fits(row)).map(|row| row["id"].as_str().unwrap()).collect();
        let got = whole(&demo, Who::App, &format!("/odata/orders?$filter={}", encoded(filter)));
        let got: BTreeSet<&str> = got.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(got, expected, "{filter}");
        let counted =
            demo.get(&format!("/odata/orders/$count?$filter={}", encoded(filter))).send().expect(200);
        assert_eq!(counted.body, expected.len().to_string(), "{filter}");
        some += usize::from(!expected.is_empty() && expected.len() < orders.len());
    }
    assert!(some > 7, "{some} of them find some and not all");
    // Rows of their own, with their records; and what stands beside a record.
    let filter = encoded("line_net_total gt net_price and line_net_total eq order/tax_exclusive_total");
    let found = whole(&demo, Who::App, &format!("/odata/order_lines?$filter={filter}"));
    let expected = orders.iter().flat_map(|order| {
        let lines = order["lines"].as_array().unwrap().iter();
        lines.filter(|line| {
            both(&line["line_net_total"], &line["net_price"], |a, b| a > b)
                && both(&line["line_net_total"], &order["tax_exclusive_total"], |a, b| a == b)
        })
    });
    assert!(!found.is_empty());
    assert_eq!(found.len(), expected.count());
    let options = "$top=20&$expand=invoices($filter=amount_due%20lt%20tax_inclusive_total%20and%20updated_at%20lt%20now())";
    let page = rows(&demo.get(&format!("/odata/orders?{options}")).send().expect(200));
    let mut beside = page.iter().flat_map(|order| order["invoices"].as_array().unwrap());
    assert!(
        beside.all(|invoice| both(&invoice["amount_due"], &invoice["tax_inclusive_total"], |a, b| a < b))
    );
}

#[test]
fn a_field_that_a_partner_does_not_see_is_unknown_on_either_side() {
    let demo = Demo::start_with(roomy, &[]);
    let told = |filter: &str| {
        let path = format!("/odata/orders?$filter={}", encoded(filter));
        refused(demo.get(&path).by(Who::Partner).send(), 400)["message"].as_str().unwrap().to_owned()
    };
    for hidden in ["customer_name", "phone", "email"] {
        for shape in ["X eq number", "number eq X", "contains(number,X)", "lines/any(l:l/sku eq X)"] {
            let unknown = told(&shape.replace('X', "nothing_at_all")).replace("nothing_at_all", "X");
            let of_hidden = told(&shape.replace('X', hidden)).replace(hidden, "X");
            assert_eq!(of_hidden, unknown, "{shape} {hidden}");
        }
    }
}

#[test]
fn now_is_one_moment_on_all_pages_of_a_list() {
    let stage = Stage::open(|_| {});
    let moments = || -> Vec<String> {
        let asked = stage.crm.seen().into_iter().filter(|seen| seen.target.contains("/search"));
        let bodies = asked.map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap());
        let all = bodies.flat_map(|body| body["filterGroups"][0]["filters"].as_array().unwrap().clone());
        all.filter(|one| one["propertyName"] == "lastmodifieddate")
            .map(|one| one["value"].to_string())
            .collect()
    };
    let before = jiff::Timestamp::now().as_millisecond();
    let path = format!("/odata/customers?$select=id&$filter={}", encoded("updated_at lt now()"));
    let (mut next, mut pages) = (Some(path.clone()), 0);
    while let Some(at) = next.filter(|_| pages < 4) {
        let mut request = bare(Method::GET, &at, Some(&stage.shop));
        request.headers_mut().insert("prefer", HeaderValue::from_static("odata.maxpagesize=3"));
        let answer = stage.ask(request).expect(200);
        next = answer.json()["@odata.nextLink"].as_str().map(|link| path_of(link).to_owned());
        pages += 1;
    }
    let of_pages = moments();
    assert!(pages == 4 && of_pages.len() >= 4, "{pages} {of_pages:?}");
    let one: BTreeSet<&String> = of_pages.iter().collect();
    assert_eq!(one.len(), 1, "{of_pages:?}");
    let moment: i64 = of_pages[0].trim_matches('"').parse().unwrap();
    assert!((before..=jiff::Timestamp::now().as_millisecond() + 1).contains(&moment), "{moment}");
    // A list that begins later has another one.
    stage.crm.forget();
    stage.get(&path).expect(200);
    assert!(moments()[0] > of_pages[0]);
}
