//! Facts about lists that go on after a moment and a key: whatever changes while they are walked, nobody is left out.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{Direction, Filter, Op, Sort, Value};

const KEYSET: &str = "{ key: id, by: [updated_at] }";

/// Customers of a system that is asked in lists; `keyset` and the line of `updated_at` are as written.
fn text(keyset: &str, line: &str) -> String {
    format!(
        "filters:\n  f:\n    shape: list\n    one: [\"{{field}}\", \"{{op}}\", \"{{value}}\"]\n    ops: {{ eq: \"=\", gt: \">\", gte: \">=\", lt: \"<\", lte: \"<=\" }}\n    body: where\n    sort: {{ one: [\"{{field}}\", \"{{dir}}\"], body: order, dir: [up, down] }}\n\
         entities:\n  Customer:\n    at: /c\n    key: {{ at: id, form: digits }}\n    list: {{ post: \"\", rows: r, filter: f, page: {{ offset: skip, size: size, most: 100, keyset: {keyset} }} }}\n    fields: {{ given_name: n, updated_at: {line} }}\n"
    )
}

const LINE: &str = "{ at: at, write: never }";

fn told(keyset: &str, line: &str) -> String {
    load_text("x", &text(keyset, line), "https://x.example").1
}

fn listed() -> &'static Mapping {
    static LISTED: LazyLock<Arc<Mapping>> = LazyLock::new(|| {
        let (system, told) = load_text("x", &text(KEYSET, LINE), "https://x.example");
        system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
    });
    &LISTED
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_352_000 + second).unwrap()
}

fn moment(second: i64) -> String {
    at(second).to_string()
}

fn updated(m: &Mapping) -> schema::LeafId {
    m.entity().leaf_at("updated_at").unwrap()
}

/// Everything that ever changed.
fn ever(m: &Mapping) -> Filter {
    Filter::test(updated(m), Op::Gte, Value::Instant(Timestamp::UNIX_EPOCH))
}

fn asked(m: &Mapping, filter: &Filter, direction: Direction, cursor: Option<&str>, limit: u32) -> Listing {
    let sort = [Sort { leaf: updated(m), direction }];
    m.list(&FieldSet::ID, filter, &sort, cursor, limit).unwrap()
}

/// What a system holds: of each key when it changed, in milliseconds from the beginning.
type Held = BTreeMap<u64, i64>;

/// A row as a condition sees it: the moment in milliseconds, and the key.
fn holds(condition: &Json, row: (i64, u64)) -> bool {
    let list = condition.as_array().unwrap();
    let order = |by: Ordering, op: &str| match op {
        "=" => by.is_eq(),
        ">" => by.is_gt(),
        ">=" => by.is_ge(),
        "<" => by.is_lt(),
        "<=" => by.is_le(),
        other => panic!("{other}"),
    };
    match list.first().and_then(Json::as_str) {
        Some("OR") => list.iter().skip(1).any(|part| holds(part, row)),
        Some("at") => {
            let value: Timestamp = list[2].as_str().unwrap().parse().unwrap();
            order(row.0.cmp(&(value.as_millisecond() - at(0).as_millisecond())), list[1].as_str().unwrap())
        }
        Some("id") => order(row.1.cmp(&list[2].as_u64().unwrap()), list[1].as_str().unwrap()),
        None | Some(_) => list.iter().all(|part| holds(part, row)),
    }
}

/// A system that does as it is asked, and tells moments to the `grain` in milliseconds.
fn system(held: &Held, request: &NativeRequest, grain: i64) -> NativeAnswer {
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["order"], json!([["at", "up"], ["id", "up"]]));
    assert!(body.get("skip").is_none(), "{body}");
    let size = usize::try_from(body["size"].as_u64().unwrap()).unwrap();
    let found = held.iter().map(|(key, at)| (*at, *key)).filter(|row| holds(&body["where"], *row));
    let found: BTreeSet<_> = found.collect();
    let row = |(ms, key): &(i64, u64)| {
        let told =
            Timestamp::from_millisecond(at(0).as_millisecond() + ms.div_euclid(grain) * grain).unwrap();
        json!({ "id": key, "n": "Ewa", "at": told.to_string() })
    };
    answer(200, &json!({ "r": found.iter().take(size).map(row).collect::<Vec<_>>() }).to_string())
}

/// Walks a list; keys in their order, as far as the system keeps to it. `meanwhile` is done behind each page.
fn walk(
    held: &mut Held,
    limit: u32,
    grain: i64,
    mut meanwhile: impl FnMut(&mut Held),
) -> Result<Vec<u64>, SystemFault> {
    let m = listed();
    let (mut keys, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..1000 {
        let listing = asked(m, &ever(m), Direction::Ascending, cursor.as_deref(), limit);
        assert!(listing.sort_pushed);
        let page = m.inward_list(&listing, &system(held, &listing.request, grain), &FieldSet::ID)?;
        assert!(!page.truncated);
        keys.extend(page.rows.into_iter().map(|row| row.unwrap().id.parse::<u64>().unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(keys);
        }
        meanwhile(held);
    }
    panic!("a list without end");
}

#[test]
fn an_order_by_a_moment_goes_on_after_the_moment_and_the_key() {
    let m = listed();
    let first = asked(m, &ever(m), Direction::Ascending, None, 2);
    let page = answer(
        200,
        &json!({ "r": [{ "id": 7, "at": moment(1) }, { "id": 3, "at": moment(2) }] }).to_string(),
    );
    let page = m.inward_list(&first, &page, &FieldSet::ID).unwrap();
    let next = asked(m, &ever(m), Direction::Ascending, page.next.as_deref(), 2);
    let body: Json = serde_json::from_slice(&next.request.body).unwrap();
    let when = moment(2);
    let after = json!(["OR", ["at", ">", when], [["at", "=", when], ["id", ">", 3]]]);
    assert_eq!(body["where"], json!([after, ["at", ">=", "1970-01-01T00:00:00Z"]]));
    assert_eq!((&body["order"], &body["size"]), (&json!([["at", "up"], ["id", "up"]]), &json!(2)));
}

#[test]
fn an_order_that_has_no_place_for_every_record_or_falls_is_counted() {
    let m = listed();
    let page = json!({ "r": [{ "id": 3, "at": moment(2) }, { "id": 7, "at": moment(1) }] }).to_string();
    // Records that never changed would be in no place of it.
    let new = Filter::test(m.entity().leaf_at("given_name").unwrap(), Op::Eq, Value::Text("Ewa".into()));
    let some = Filter::Any(vec![ever(m), new.clone()]);
    for (filter, direction) in [
        (Filter::everything(), Direction::Ascending),
        (new, Direction::Ascending),
        (some, Direction::Ascending),
        (Filter::Not(Box::new(ever(m))), Direction::Ascending),
        // Whatever changes leaps to where the walk has been.
        (ever(m), Direction::Descending),
    ] {
        let first = asked(m, &filter, direction, None, 2);
        let next = m.inward_list(&first, &answer(200, &page), &FieldSet::ID).unwrap().next.unwrap();
        let next = asked(m, &filter, direction, Some(&next), 2);
        let body: Json = serde_json::from_slice(&next.request.body).unwrap();
        assert_eq!(body["skip"], 2, "{body}");
    }
}

#[test]
fn a_cursor_of_another_order_is_none_of_the_list() {
    let m = listed();
    let list = |filter: &Filter, sort: &[Sort], cursor| m.list(&FieldSet::ID, filter, sort, Some(cursor), 2);
    let up = [Sort { leaf: updated(m), direction: Direction::Ascending }];
    for bad in ["0>3:0:0:0", "0>3=:0:0:0", "0>3=x:0:0:0", "0>=1:0:0:0", "0>3=999999999999999999999999:0:0:0"]
    {
        assert_eq!(list(&ever(m), &up, bad).unwrap_err(), ListError::BadCursor, "{bad}");
    }
    assert!(list(&ever(m), &up, "0>3=1:0:0:0").is_ok());
    assert_eq!(list(&Filter::everything(), &[], "0>3=1:0:0:0").unwrap_err(), ListError::BadCursor);
    assert!(list(&Filter::everything(), &[], "0>3:0:0:0").is_ok());
}

#[test]
fn records_without_the_moment_are_no_place_to_go_on_from() {
    let m = listed();
    let first = asked(m, &ever(m), Direction::Ascending, None, 2);
    let read =
        |rows: Json| m.inward_list(&first, &answer(200, &json!({ "r": rows }).to_string()), &FieldSet::ID);
    let page = read(json!([{ "id": 3, "at": moment(2) }, { "id": 9 }])).unwrap();
    let next = asked(m, &ever(m), Direction::Ascending, page.next.as_deref(), 2);
    let body: Json = serde_json::from_slice(&next.request.body).unwrap();
    assert_eq!(body["where"][0][2][1], json!(["id", ">", 3]));
    // Where there are no others, more may come that nobody can ask for.
    let page = read(json!([{ "id": 8, "at": null }, { "id": 9 }])).unwrap();
    assert!(page.truncated && page.next.is_none());
}

#[test]
fn a_moment_that_cannot_go_before_the_key_does_not_load() {
    for (keyset, line, word) in [
        ("{ key: id, by: [update_at] }", LINE, "did you mean `updated_at`?"),
        ("{ key: id, by: [given_name] }", LINE, "`given_name` is no moment of the record"),
        ("{ key: id, by: [] }", LINE, "`by` names the moments"),
        ("{ key: id, bye: [updated_at] }", LINE, "`bye`"),
        ("{ key: id }", LINE, "`by`"),
        ("{ key: id, by: [created_at] }", LINE, "a moment and a key in the order of both"),
        (KEYSET, "{ at: at, write: never, filter_at: never }", "a moment and a key in the order of both"),
    ] {
        let told = told(keyset, line);
        assert!(told.contains(word) && told.contains("x.yaml:12:"), "{keyset}: {told}");
    }
    // What cannot say both halves of it asks for too much, or for too little.
    for (from, to) in [
        ("eq: \"=\", ", ""),
        ("gt: \">\", ", ""),
        ("dir: [up, down] }", "dir: [up, down], most: 1 }"),
        ("shape: list\n", "shape: list\n    or: same_field\n"),
        ("shape: list\n", "shape: list\n    or: never\n"),
        ("dir: [up, down] }", "dir: [up, down], fields: { id: id } }"),
    ] {
        let told = load_text("x", &text(KEYSET, LINE).replace(from, to), "https://x.example").1;
        assert!(told.contains("in the order of"), "{to}: {told}");
    }
}

#[test]
fn a_walk_through_the_same_second_comes_by_everyone_in_it() {
    // As an import leaves them: many of one second.
    let mut held: Held =
        (1..=50).map(|key| (key * 7 % 51, i64::try_from(key).unwrap() / 40 * 1000)).collect();
    let walked = walk(&mut held, 7, 1, |_| {}).unwrap();
    assert_eq!(walked.len(), 50);
    assert_eq!(walked.iter().copied().collect::<BTreeSet<_>>(), held.keys().copied().collect());
}

/// What happens between two pages: so many seconds pass, these change, these go, and this one is new.
type Step = (i64, Vec<u64>, Option<u64>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = prop::collection::vec(1u64..30, 0..4);
    prop::collection::vec((0i64..2, keys, prop::option::of(1u64..30), any::<bool>()), 0..40)
}

proptest! {
    /// Moments of whole seconds, however few there are.
    #[test]
    fn who_is_there_all_along_comes_and_who_does_not_change_comes_once(
        begin in prop::collection::btree_map(1u64..30, 0i64..4, 0..25), limit in 1u32..6, steps in steps()
    ) {
        let begin: Held = begin.into_iter().map(|(key, second)| (key, second * 1000)).collect();
        let (mut now, mut new, mut next) = (4000, 30, steps.into_iter());
        let (mut changed, mut gone) = (BTreeSet::new(), BTreeSet::new());
        let mut held = begin.clone();
        let walked = walk(&mut held, limit, 1, |held| {
            let Some((seconds, changes, goes, comes)) = next.next() else { return };
            now += seconds * 1000;
            for key in changes {
                if let Some(at) = held.get_mut(&key) {
                    *at = now;
                    changed.insert(key);
                }
            }
            gone.extend(goes.filter(|key| held.remove(key).is_some()));
            if comes {
                held.insert(new, now);
                new += 1;
            }
        });
        let walked = walked.unwrap();
        for key in begin.keys().filter(|key| !gone.contains(*key)) {
            let times = walked.iter().filter(|walked| *walked == key).count();
            prop_assert!(times > 0, "{key} was left out of {walked:?}");
            prop_assert!(times == 1 || changed.contains(key), "{key} came {times} times in {walked:?}");
        }
        // Whoever came new is behind all others.
        for key in (30..new).filter(|key| held.contains_key(key)) {
            prop_assert!(walked.contains(&key), "{key} came and was left out of {walked:?}");
        }
    }

    /// A system that keeps moments finer than it tells them is found out, or it made no difference.
    #[test]
    fn a_system_that_cuts_its_moments_never_makes_a_list_look_whole(
        begin in prop::collection::btree_map(1u64..30, 0i64..4000, 0..25), limit in 1u32..6
    ) {
        let mut held: Held = begin.clone();
        if let Ok(walked) = walk(&mut held, limit, 1000, |_| {}) {
            prop_assert_eq!(walked.into_iter().collect::<BTreeSet<_>>(), begin.keys().copied().collect());
        }
    }
}
