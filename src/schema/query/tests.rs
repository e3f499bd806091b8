//! How a list's query is read.

use proptest::prelude::*;

use super::*;
use crate::schema::testing::order_entity;

fn all(entity: &Entity, query: &str) -> Result<(Query, Option<String>), Vec<QueryFault>> {
    read(entity, pairs(query), &entity.all(), &entity.all(), &Limits::default())
}

fn told(query: &str) -> Vec<String> {
    all(&order_entity(), query).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_query_is_read_whole() {
    let entity = order_entity();
    let query = "status=open&total[gte]=10.5&lines.sku[in]=A,B%2C1&fields=id,ship_to&sort=-updated_at,number&limit=5&cursor=a%2Bb&number=%C5%82%20x+y";
    let (query, cursor) = all(&entity, query).unwrap();
    let leaf = |path: &str| entity.leaf_at(path).unwrap();
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(
        query.filter,
        Filter::All(vec![
            Filter::test(leaf("status"), Op::Eq, text("open")),
            Filter::test(leaf("total"), Op::Gte, Value::Decimal("10.5".parse().unwrap())),
            Filter::test(leaf("lines.sku"), Op::In, Value::List(vec![text("A"), text("B"), text("1")])),
            Filter::test(leaf("number"), Op::Eq, text("ł x y")),
        ])
    );
    let fields = entity.leaves_under("ship_to").union(&FieldSet::ID);
    assert_eq!((query.fields, query.limit, cursor.as_deref()), (Some(fields), 5, Some("a+b")));
    let sort = [
        Sort { leaf: leaf("updated_at"), direction: Direction::Descending },
        Sort { leaf: leaf("number"), direction: Direction::Ascending },
    ];
    assert_eq!(query.sort, sort);
    let (query, cursor) = all(&entity, "").unwrap();
    assert!(query.filter.is_everything() && query.fields.is_none() && cursor.is_none());
    assert_eq!(query.limit, Limits::default().limit_default);
}

#[test]
fn every_fault_of_a_query_is_told_at_once() {
    assert_eq!(
        told(
            "totl=1&total[gt]=ten&status[gt]=open&status=opn&limit=0&number[like]=x&urgent=&sort=lines.sku&number=%zz&priority=1&priority=2&fields=id,shp_to&cursor="
        ),
        [
            "totl: unknown field `totl`, did you mean `total`?",
            "total[gt]: expected a decimal, as in `12.50`",
            "status[gt]: `status` has no order, so it can only be equal or not",
            "status: expected one of: draft, open, closed",
            "limit: expected a whole number from 1 to 200",
            "number[like]: unknown comparison; expected one of: gte, lte, gt, lt, ne, in",
            "urgent: must not be empty",
            "sort: `lines.sku` has several values, so it cannot be an order",
            "number: percent-encoding is broken, or not of UTF-8",
            "priority: stands here a second time",
            "fields: unknown field `shp_to`, did you mean `ship_to`?",
            "cursor: expected the cursor of an earlier page",
        ]
    );
    assert_eq!(told("number=%ff").len(), 1, "not UTF-8");
    assert_eq!(told("sort=number,-number"), ["sort: `number` stands here twice"]);
    assert_eq!(
        told("%6eumber=a&number=b"),
        ["number: stands here a second time"],
        "decoded names are compared"
    );
}

#[test]
fn a_field_that_is_not_clear_is_answered_as_one_that_does_not_exist() {
    let entity = order_entity();
    let clear = entity.leaves_under("number");
    let visible = clear.union(&entity.leaves_under("status"));
    for shape in ["{}=1", "{}[gte]=1", "{}[odd]=1", "sort={}", "sort=-{}", "{}=", "{}[in]=,"] {
        let told = |path: &str| {
            let query = shape.replace("{}", path);
            let faults = read(&entity, pairs(&query), &clear, &visible, &Limits::default()).unwrap_err();
            faults.iter().map(|fault| fault.to_string().replace(path, "X")).collect::<Vec<_>>()
        };
        let unknown = told("nothing_like_it");
        for hidden in ["total", "status", "lines.sku", "ship_to"] {
            assert_eq!(told(hidden), unknown, "{shape} {hidden}");
        }
    }
    let fields = |path: &str| {
        let query = format!("fields={path}");
        read(&entity, pairs(&query), &clear, &visible, &Limits::default())
    };
    assert_eq!(fields("number,status").unwrap().0.fields, Some(visible));
    assert_eq!(fields("statuz").unwrap_err()[0].message, "unknown field `statuz`, did you mean `status`?");
    assert_eq!(fields("totl").unwrap_err()[0].message, "unknown field `totl`");
    assert_eq!(fields("total").unwrap_err()[0].message, "unknown field `total`");
    let hint = read(&entity, pairs("statuz=1"), &clear, &visible, &Limits::default()).unwrap_err();
    assert_eq!(hint[0].message, "unknown field `statuz`", "a hint names only what would have been accepted");
}

#[test]
fn counts_are_bounded() {
    let many: String = (0..100).map(|n| format!("x{n}=1&")).collect();
    assert!(told(&many).last().unwrap().contains("at most 32 parameters"));
    let values = vec!["A"; 101].join(",");
    assert_eq!(told(&format!("lines.sku[in]={values}")), ["lines.sku[in]: at most 100 values"]);
    assert_eq!(told("sort=number,urgent,priority,status,total"), ["sort: at most 4 keys"]);
    let fields = |count| format!("fields={}", vec!["x"; count].join(","));
    assert_eq!(told(&fields(200)).len(), FAULTS_MAX);
    assert_eq!(told(&fields(10_000)), ["fields: at most 256 fields"]);
}

#[test]
fn one_record_may_only_be_asked_for_fields() {
    let entity = order_entity();
    let read = |query: &'static str| read_fields(&entity, pairs(query), &entity.all());
    assert_eq!(read("").unwrap(), None);
    assert_eq!(read("fields=ship_to").unwrap(), Some(entity.leaves_under("ship_to")));
    assert_eq!(read("number=1&fields=id").unwrap_err().len(), 1);
}

proptest! {
    #[test]
    fn no_query_makes_the_reader_panic(query in ".{0,80}") {
        let entity = order_entity();
        if let Err(faults) = all(&entity, &query) {
            prop_assert!(!faults.is_empty() && faults.len() <= FAULTS_MAX);
        }
    }

    #[test]
    fn almost_a_query_is_answered(
        query in "((fields|sort|limit|total|lines\\.sku|status|priority)(\\[(gt|in|ne|x)\\])?=?(-?[0-9a-z,%+.]{0,6})&?){0,6}"
    ) {
        let entity = order_entity();
        drop(all(&entity, &query));
        drop(read_fields(&entity, pairs(&query), &entity.all()));
    }
}
