//! How `$expand` is read, and what of it is refused by which name.

use proptest::prelude::*;

use jiff::Timestamp;

use super::*;
use crate::{
    odata::navigation::navigations,
    schema::{Direction, Op, Value, testing::shipped},
};

/// All that stands beside an order, of which everything may serve but an invoice's `amount_due`, and all is held but its
/// `due_date`.
fn beside_orders() -> Vec<Expandable> {
    let schema = shipped();
    let all = navigations(&schema, schema.entity("Order").unwrap()).into_iter().map(|navigation| {
        let columns = navigation.entity().all();
        let unheld = navigation.entity().leaves_under("due_date");
        let clear = columns.minus(&navigation.entity().leaves_under("amount_due"));
        Expandable { navigation, columns, clear, unheld }
    });
    all.collect()
}

fn read(value: &str) -> Result<Vec<Expansion>, Fault> {
    expand(value, &beside_orders(), Timestamp::UNIX_EPOCH, &Limits::default())
}

#[track_caller]
fn told(value: &str) -> String {
    match read(value) {
        Err(Fault::Query(faults)) => faults[0].to_string(),
        Err(Fault::Unmet(Unmet::Unsupported(what))) => format!("not here: {what}"),
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn names_and_what_is_asked_of_each_are_read() {
    let known = beside_orders();
    let name = |expansion: &Expansion| known[expansion.at].navigation.name.clone();
    let value = "customer_record($select=id,name), invoices($filter=number eq 'a;b),(' and contains(number,'''');\
                 $select=number;$orderby=issue_date desc;$top=3;$skip=1;$count=true)";
    let read = read(value).unwrap();
    assert_eq!([name(&read[0]), name(&read[1])], ["customer_record", "invoices"]);
    let customer = known[read[0].at].navigation.entity();
    let fields = customer.leaves_under("name").union(&FieldSet::ID);
    assert_eq!(read[0].fields, Some(fields));
    let Expansion { filter, sort, skip, top, count, written, .. } = &read[1];
    let invoice = known[read[1].at].navigation.entity();
    let leaf = |path: &str| invoice.leaf_at(path).unwrap();
    let is = |op, text: &str| Filter::test(leaf("number"), op, Value::Text(text.into()));
    assert_eq!(*filter, Filter::All(vec![is(Op::Eq, "a;b),("), is(Op::Contains, "'")]));
    assert_eq!(*sort, [Sort { leaf: leaf("issue_date"), direction: Direction::Descending }]);
    assert_eq!((*skip, *top, *count), (1, Some(3), true));
    // A count is no part of what makes a list of its own.
    let names: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["$filter", "$select", "$orderby", "$top", "$skip"]);
    assert_eq!(expand("invoices()", &known, Timestamp::UNIX_EPOCH, &Limits::default()).unwrap().len(), 1);
}

#[test]
fn what_is_wrong_or_not_here_is_told_by_name() {
    for (value, expected) in [
        ("*", "not here: `*` in `$expand`; name what is to stand beside each record"),
        ("invoices/$ref", "not here: `$ref` in `$expand`"),
        ("invoices/$count", "not here: `$count` in `$expand`"),
        ("invoices/customer_record", "not here: a path in `$expand`: it tells one level"),
        ("invoices($expand=customer_record)", "not here: `$expand` inside `$expand`"),
        ("invoices($levels=2)", "not here: `$levels` inside `$expand`"),
        ("invoices($search=x)", "not here: `$search` inside `$expand`"),
        ("invoices($filter=isof(number,Edm.String))", "not here: the function `isof` inside `$expand`"),
        ("", "$expand: unknown navigation property ``"),
        ("invoises", "$expand: unknown navigation property `invoises`, did you mean `invoices`?"),
        ("customer", "$expand: unknown navigation property `customer`"),
        ("invoices,", "$expand: unknown navigation property ``"),
        ("invoices,invoices", "$expand: `invoices` stands here twice"),
        ("invoices($top=1;$top=2)", "$expand: invoices($top): stands here a second time"),
        ("invoices($top=x)", "$expand: invoices($top): expected a whole number, 0 or more"),
        (
            "invoices($filter=numbr eq 'a')",
            "$expand: invoices($filter): unknown field `numbr`, did you mean `number`?",
        ),
        ("invoices($filter=amount_due gt 1)", "$expand: invoices($filter): unknown field `amount_due`"),
        (
            "invoices($orderby=due_date)",
            "$expand: invoices($orderby): the system behind this collection does not hold `due_date`",
        ),
        ("invoices($orderby=amount_due)", "$expand: invoices($orderby): unknown field `amount_due`"),
        (
            "invoices(top=1)",
            "$expand: invoices(top): unknown option; expected one of: $filter, $select, $orderby, $top, $skip, $count",
        ),
        (
            "customer_record($top=1)",
            "$expand: customer_record($top): it is one record at most, which takes `$select` alone",
        ),
        ("invoices($top=1", "$expand: a bracket or a quote does not end"),
        ("invoices($top=1))", "$expand: a bracket or a quote does not end"),
        ("invoices($filter=number eq 'a)", "$expand: a bracket or a quote does not end"),
        ("invoices($top=1)x", "$expand: a bracket or a quote does not end"),
    ] {
        assert_eq!(told(value), expected, "{value}");
    }
    let all = ["customer_record", "lines_product_records", "invoices", "payments", "shipments"].join(",");
    assert_eq!(told(&all), "$expand: at most 4 navigation properties");
}

#[test]
fn a_query_is_looked_at_for_what_stands_beside_only_where_it_may_name_it() {
    let schema = shipped();
    let order = schema.entity("Order").unwrap();
    for (raw, expected) in [
        ("$filter=number%20eq%20'$expand'", false),
        ("$select=number,ship_to/city,*", false),
        ("$select=number,invoices", true),
        ("%24expand=invoices", true),
        ("$top=1&$expand=", true),
    ] {
        assert_eq!(has_navigation(order, raw), expected, "{raw}");
    }
}

proptest! {
    #[test]
    fn no_value_makes_the_reader_panic(value in "(invoices|customer_record|\\(|\\)|;|,|'|\\$filter=|\\$top=|\\PC{0,4}){0,8}") {
        drop(read(&value));
    }
}
