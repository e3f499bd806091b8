//! How a URL's options are read.

use proptest::prelude::*;

use jiff::Timestamp;

use super::*;
use crate::{
    odata::fault::Unmet,
    schema::{Op, Value, testing::order_entity},
};

/// What may serve where the system holds all of it.
fn held(clear: &FieldSet) -> Servable<'_> {
    Servable { clear, unheld: &FieldSet::EMPTY, now: Timestamp::UNIX_EPOCH }
}

fn read(raw: &str) -> Result<Wanted, Fault> {
    let entity = order_entity();
    list(&entity, raw, held(&entity.all()), &entity.all(), &[], &Limits::default())
}

#[track_caller]
fn told(raw: &str) -> String {
    match read(raw) {
        Err(Fault::Query(faults)) => faults[0].to_string(),
        Err(Fault::Unmet(Unmet::Unsupported(what))) => format!("not here: {what}"),
        other => panic!("{raw}: {other:?}"),
    }
}

#[test]
fn options_are_read_whole() {
    let entity = order_entity();
    let leaf = |path: &str| entity.leaf_at(path).unwrap();
    let raw = "$filter=number%20eq%20'%C5%82%20x'&%24select=id,ship_to/city&$orderby=updated_at%20desc,number&$top=7&$skip=3&$count=true&$skiptoken=abc&$format=json";
    let wanted = read(raw).unwrap();
    assert_eq!(wanted.query.filter, Filter::test(leaf("number"), Op::Eq, Value::Text("ł x".into())));
    let fields = entity.leaves_under("ship_to.city").union(&FieldSet::ID);
    assert_eq!(wanted.query.fields, Some(fields));
    let keys = [
        Sort { leaf: leaf("updated_at"), direction: Direction::Descending },
        Sort { leaf: leaf("number"), direction: Direction::Ascending },
    ];
    assert_eq!(wanted.query.sort, keys);
    assert_eq!((wanted.top, wanted.skip, wanted.count), (Some(7), 3, true));
    assert_eq!(wanted.cursor.as_deref(), Some("abc"));
    assert_eq!(read("$select=*,number").unwrap().query.fields, None);
    assert_eq!(read("$select=ship_to").unwrap().query.fields, Some(entity.leaves_under("ship_to")));
    assert_eq!(read("$filter=number+eq+'x'").unwrap().query.filter.tests(), 1);
}

#[test]
fn what_is_wrong_or_not_here_is_told() {
    for (raw, expected) in [
        (
            "filter=number eq 'a'",
            "filter: unknown option; expected one of: $filter, $select, $expand, $orderby, $top, $skip, $count, $skiptoken, $format",
        ),
        (
            "$fitler=x",
            "$fitler: unknown option; expected one of: $filter, $select, $expand, $orderby, $top, $skip, $count, $skiptoken, $format",
        ),
        ("$search=x", "not here: `$search`"),
        ("$apply=aggregate($count as n)", "not here: `$apply`"),
        ("@p=5", "not here: aliases of parameters"),
        ("$top=1&%24top=2", "$top: stands here a second time"),
        ("$top=-1", "$top: expected a whole number, 0 or more"),
        ("$skip=x", "$skip: expected a whole number, 0 or more"),
        ("$count=yes", "$count: expected `true` or `false`"),
        ("$top=%ff", "$top: percent-encoding is broken, or not of UTF-8"),
        ("$select=", "$select: unknown field ``"),
        ("$select=numbr", "$select: unknown field `numbr`, did you mean `number`?"),
        ("$select=lines($select=sku)", "not here: options inside `$select`"),
        ("$orderby=lines/sku", "$orderby: `lines/sku` has several values, so it cannot be an order"),
        ("$orderby=number up", "$orderby: expected `asc` or `desc` behind a field"),
        ("$orderby=number,number desc", "$orderby: `number` stands here twice"),
        ("$orderby=length(number)", "not here: functions in `$orderby`"),
        ("$orderby=number,urgent,priority,status,total", "$orderby: at most 4 keys"),
        ("$skiptoken=", "$skiptoken: `` is no place in this list; follow `@odata.nextLink`"),
    ] {
        assert_eq!(told(raw), expected);
    }
    let entity = order_entity();
    let one = |raw: &str| one(&entity, raw, &entity.all(), &[], Timestamp::UNIX_EPOCH, &Limits::default());
    assert!(one("$filter=urgent").is_err());
    assert_eq!(one("$select=id").map(|wanted| wanted.fields), Ok(Some(FieldSet::ID)));
    assert_eq!(count(&entity, "$filter=urgent", held(&entity.all()), &Limits::default()).unwrap().tests(), 1);
    assert!(only_format("$format=json").is_ok() && only_format("$top=1").is_err());
}

#[test]
fn a_count_is_not_changed_by_what_must_not_change_it() {
    let entity = order_entity();
    let counted = |raw: &str| count(&entity, raw, held(&entity.all()), &Limits::default());
    let asked = counted("$filter=urgent&$top=5&$skip=2&$orderby=number%20desc").unwrap();
    assert_eq!(asked, counted("$filter=urgent").unwrap());
    assert_eq!(counted("$top=5"), Ok(Filter::everything()));
    for wrong in ["$top=x", "$skip=-1", "$orderby=numbr", "$select=id", "$count=true", "$skiptoken=a"] {
        assert!(counted(wrong).is_err(), "{wrong}");
    }
    // An order by what the caller does not see is told as an unknown field, here as elsewhere.
    let clear = entity.leaves_under("number");
    assert!(count(&entity, "$orderby=total", held(&clear), &Limits::default()).is_err());
}

#[test]
fn fields_that_may_not_serve_or_be_seen_are_unknown() {
    let entity = order_entity();
    let (clear, visible) = (entity.leaves_under("number"), entity.leaves_under("status"));
    let told = |raw: &str| match list(&entity, raw, held(&clear), &visible, &[], &Limits::default()) {
        Err(Fault::Query(faults)) => faults[0].message.clone(),
        other => panic!("{raw}: {other:?}"),
    };
    assert_eq!(told("$orderby=total"), "unknown field `total`");
    assert_eq!(told("$orderby=totl"), "unknown field `totl`");
    assert_eq!(told("$select=number"), "unknown field `number`");
    assert_eq!(told("$select=total"), "unknown field `total`");
}

#[test]
fn what_the_system_does_not_hold_is_refused_as_such_where_it_may_serve() {
    let entity = order_entity();
    let (all, unheld) = (entity.all(), entity.leaves_under("lines.sku").union(&entity.leaves_under("total")));
    let told = |raw: &str, clear: &FieldSet| {
        let servable = Servable { clear, unheld: &unheld, now: Timestamp::UNIX_EPOCH };
        match list(&entity, raw, servable, &all, &[], &Limits::default()) {
            Err(Fault::Query(faults)) => faults[0].to_string(),
            Ok(_) => "taken".to_owned(),
            other => panic!("{raw}: {other:?}"),
        }
    };
    let message = |option: &str, path: &str| {
        format!("{option}: the system behind this collection does not hold `{path}`")
    };
    assert_eq!(told("$filter=urgent or total gt 1", &all), message("$filter", "total"));
    assert_eq!(told("$filter=total eq null", &all), message("$filter", "total"));
    assert_eq!(told("$orderby=total", &all), message("$orderby", "total"));
    assert_eq!(told("$filter=lines/any(l:l/sku eq 'a')", &all), message("$filter", "lines/sku"));
    for taken in ["$filter=lines/any(l:l/quantity gt 1)", "$filter=lines/any()", "$select=total"] {
        assert_eq!(told(taken, &all), "taken", "{taken}");
    }
    assert_eq!(told("$filter=total gt 1", &all.minus(&unheld)), "$filter: unknown field `total`");
}

#[test]
fn the_next_page_asks_for_the_same_list() {
    let raw = "$filter=urgent&$top=7&%24skip=3&$skiptoken=abc&$select=id";
    assert_eq!(without_paging(raw), "$filter=urgent&$select=id");
    assert_eq!(rest(raw, 0, None), "$filter=urgent&$select=id");
    assert_eq!(rest(raw, 2, Some(5)), "$filter=urgent&$select=id&$skip=2&$top=5");
    assert_eq!(rest("$top=9", 0, Some(0)), "$top=0");
}

proptest! {
    #[test]
    fn no_query_makes_the_reader_panic(raw in "((\\$filter|\\$select|\\$orderby|\\$top|\\$skip|\\$count|x)=\\PC{0,12}&?){0,4}") {
        drop(read(&raw));
        drop(without_paging(&raw));
    }
}
