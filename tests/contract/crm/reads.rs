//! What a caller may count on when it looks for customers.

use serde_json::{Value, json};

use super::{ALL, called, calls, can, natives::native, path, some};
use crate::{
    ground::{Capability, Gate, encoded, ids},
    kit::Answer,
    people,
};

pub(super) fn list(gate: &Gate) {
    let all = gate.whole(ALL);
    assert_eq!(all.len(), people::ALL);
    let record = some(gate);
    for field in ["id", "kind", "name", "created_at", "updated_at"] {
        assert!(record[field].is_string(), "{field}: {record}");
    }
    if can(gate, Capability::Create("e-mail")) {
        assert!(all.iter().all(|record| record["emails"][0]["value"].is_string()));
    }
    assert!(all.iter().any(|record| record["addresses"][0]["city"] == "Berlin"));
    assert!(all.iter().any(|record| record["phones"][0]["value"].is_string()));
}

pub(super) fn pages(gate: &Gate) {
    let whole = gate.whole(ALL);
    for limit in [7, 100] {
        let paged = gate.whole(&format!("/v1/customers?limit={limit}"));
        let mut seen: Vec<&str> = ids(&paged);
        let (count, mut all) = (seen.len(), ids(&whole));
        assert_eq!(count, people::ALL, "limit {limit}");
        seen.sort_unstable();
        seen.dedup();
        all.sort_unstable();
        assert_eq!(seen.len(), count, "a record came twice");
        assert_eq!(seen, all, "limit {limit}");
    }
}

/// That a filter finds what looking through everything finds, which is something and not all.
fn finds(gate: &Gate, query: &str, fits: impl Fn(&Value) -> bool) {
    let all = gate.whole(ALL);
    let mut expected: Vec<&str> =
        ids(&all).into_iter().zip(&all).filter(|(_, r)| fits(r)).map(|(id, _)| id).collect();
    let found = gate.whole(&format!("{ALL}&{query}"));
    let mut found = ids(&found);
    assert!(!expected.is_empty() && expected.len() < all.len(), "{query} tells nothing apart");
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{query}");
}

pub(super) fn by_email(gate: &Gate) {
    let email = some(gate)["emails"][0]["value"].as_str().unwrap().to_owned();
    finds(gate, &format!("emails.value={}", encoded(&email)), |record| {
        record["emails"][0]["value"] == email.as_str()
    });
    // One question, and not a walk through all of them.
    gate.system.forget();
    gate.get(&format!("/v1/customers?emails.value={}", encoded(&email))).expect(200);
    assert_eq!(gate.system.seen().len(), 1);
}

pub(super) fn ask_by_email(gate: &Gate) -> Answer {
    gate.get("/v1/customers?emails.value=biuro1%40example.com")
}

pub(super) fn by_name(gate: &Gate) {
    let field = called(gate);
    let names: Vec<String> = gate.whole(ALL).iter().map(|r| r[field].as_str().unwrap().to_owned()).collect();
    for name in [&names[1], &names[7], &names[8]] {
        finds(gate, &format!("{field}={}", encoded(name)), |record| record[field] == name.as_str());
    }
    let two = format!("{field}[in]={},{}", encoded(&names[0]), encoded(&names[9]));
    finds(gate, &two, |record| record[field] == names[0].as_str() || record[field] == names[9].as_str());
    let other = format!("{field}[ne]={}", encoded(&names[3]));
    finds(gate, &other, |record| record[field] != names[3].as_str());
}

pub(super) fn by_time(gate: &Gate) {
    let all = gate.whole(ALL);
    let at = |n: usize| all[n]["updated_at"].as_str().unwrap().to_owned();
    let (from, to) = (at(40), at(90));
    let query = format!("updated_at[gte]={}&updated_at[lt]={}", encoded(&from), encoded(&to));
    let moment = |record: &Value| record["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let (low, high): (jiff::Timestamp, jiff::Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
    finds(gate, &query, |record| (low..high).contains(&moment(record)));
}

pub(super) fn sorted(gate: &Gate) {
    for (query, descends) in
        [("sort=updated_at", false), ("sort=-updated_at", true), ("sort=-created_at", true)]
    {
        let field = query.trim_start_matches("sort=").trim_start_matches('-');
        let found = gate.whole(&format!("/v1/customers?limit=70&{query}"));
        assert_eq!(found.len(), people::ALL, "{query}");
        let times: Vec<jiff::Timestamp> =
            found.iter().map(|record| record[field].as_str().unwrap().parse().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| if descends { a >= b } else { a <= b }), "{query}");
    }
    let field = called(gate);
    let found = gate.whole(&format!("/v1/customers?limit=70&sort={field}"));
    let names: Vec<&str> = found.iter().map(|record| record[field].as_str().unwrap()).collect();
    assert_eq!(names.len(), people::ALL);
    assert!(names.is_sorted(), "{names:?}");
}

pub(super) fn read(gate: &Gate) {
    let all = gate.whole(ALL);
    for record in [&all[0], &all[7], &all[all.len() - 1]] {
        let answer = gate.get(&path(record)).expect(200);
        assert_eq!(answer.json(), *record);
        assert!(answer.header("etag").is_some());
    }
    let few = gate.get(&format!("{}?fields=id,name", path(&all[3]))).expect(200).json();
    assert_eq!(few, json!({ "id": all[3]["id"], "name": all[3]["name"] }));
}

pub(super) fn absent(gate: &Gate) {
    let there_is_none = |problem: Value| problem["type"].as_str().unwrap().ends_with("/not-found");
    let native = native(gate);
    for id in [native.absent, "nothing", "1%20or%201", "%27)%20or%20(%27"] {
        let path = format!("/v1/customers/{id}");
        assert!(there_is_none(gate.get(&path).refused(404).json()), "{id}");
    }
    let path = format!("/v1/customers/{}", native.absent);
    assert!(there_is_none(gate.patch(&path, &calls("+48 22 555 66 66")).refused(404).json()));
    assert!(gate.changes().is_empty());
}

pub(super) fn unheld(gate: &Gate) {
    // A field that no CRM has a line for: to find nothing, or to sort by nothing, would be a guess.
    for query in ["price_group=A", "price_group[ne]=A", "sort=price_group", "sort=-price_group&kind=company"]
    {
        let problem = gate.get(&format!("/v1/customers?{query}")).refused(400).json();
        assert_eq!(problem["errors"][0]["parameter"], "price_group", "{problem}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("does not hold `price_group`"), "{detail}");
    }
    assert!(gate.system.seen().is_empty());
}
