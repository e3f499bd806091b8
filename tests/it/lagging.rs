//! Trap 36: a system that searches in an index which lies behind. A search soon after a write says so, two who make the
//! same record at once take turns, and who may read the record that is there already gets its id.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use bramka::demo::standin::Trouble;
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::until,
    line,
    stage::Stage,
    writes::{change, no_edit, with},
};

fn opaque(policies: &Path) {
    change(policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
}

fn customer(email: &str) -> Value {
    json!({ "kind": "person", "name": "Ewa Lis", "given_name": "Ewa", "family_name": "Lis", "emails": [{ "value": email }] })
}

const SEARCH: &str = "/v1/customers?emails.value=ewa.lis@example.com";

#[test]
fn trap_36_a_search_soon_after_a_write_says_that_it_may_lack_what_was_written() {
    let stage = Stage::open(no_edit);
    let lag = |path: &str| stage.get(path).expect(200).header("bramka-lag").map(str::to_owned);
    assert_eq!(lag(SEARCH), None, "nothing was written");
    let made = stage.shop(Method::POST, "/v1/customers", &customer("ewa.lis@example.com")).expect(201);
    let found = stage.get(SEARCH).expect(200);
    let seconds: u64 = found.header("bramka-lag").unwrap().parse().unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");
    let notes = stage.written(&found)[0]["notes"].to_string();
    assert!(notes.contains("lag"), "{notes}");
    assert!(lag("/odata/customers?$filter=emails/any(e:e/value%20eq%20'x@y.pl')").is_some());
    assert!(lag("/odata/customers/$count?$filter=emails/any(e:e/value%20eq%20'x@y.pl')").is_some());
    // What does not come from the index does not lie behind, nor does another entity.
    assert_eq!(lag("/v1/customers?limit=1"), None);
    assert_eq!(lag(made.header("location").unwrap()), None);
    assert_eq!(lag("/v1/orders?status=open&limit=1"), None);
}

#[test]
fn trap_36_a_record_that_is_there_already_is_named_to_who_may_read_it_by_its_own_id() {
    let stage = Stage::open(opaque);
    let body = customer("ewa.lis@example.com");
    let made = stage.shop(Method::POST, "/v1/customers", &body).expect(201);
    let id = made.json()["id"].clone();
    let again = stage.shop(Method::POST, "/v1/customers", &body).refused(409);
    let problem = again.json();
    assert_eq!(
        (&problem["existing"], &problem["detail"]),
        (&id, &json!("`existing` is its id")),
        "{problem}"
    );
    assert!(problem["type"].as_str().unwrap().ends_with("/duplicate"));
    stage.get(&format!("/v1/customers/{}", id.as_str().unwrap())).expect(200);
    let entry = stage.written(&again).pop().unwrap();
    assert_eq!((&entry["refusal"], &entry["status"]), (&json!("system_duplicate"), &json!(409)));
    // Who may not read that record is not told which it is.
    let blind = Stage::open(|policies| {
        opaque(policies);
        with("@id(\"no-reading\")\nforbid (principal, action == Action::\"read\", resource is Customer);\n")(
            policies,
        );
    });
    blind.shop(Method::POST, "/v1/customers", &body).expect(201);
    let again = blind.shop(Method::POST, "/v1/customers", &body).refused(409);
    assert!(again.json().get("existing").is_none(), "{}", again.json());
}

#[test]
fn trap_36_two_who_make_the_same_record_at_once_take_turns_and_others_do_not_wait() {
    let stage = Stage::open(no_edit);
    let posts = || stage.crm.seen().iter().filter(|seen| seen.method == "POST").count();
    let make = |email: &str| {
        let (address, ca, token) = (stage.address().to_owned(), stage.ca(), stage.shop.clone());
        let body = customer(email).to_string();
        thread::spawn(move || {
            let request = line::json(Method::POST, "/v1/customers", Some(&token), &body);
            line::once(&address, &ca, request).status
        })
    };
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_secs(3))));
    stage.crm.forget();
    let (one, same) = (make("ewa.lis@example.com"), make("ewa.lis@example.com"));
    until("the first is under way", || posts() == 1);
    let other = make("other.lis@example.com");
    until("another one does not wait for it", || posts() == 2);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        assert_eq!(posts(), 2, "the same record waits");
        thread::yield_now();
    }
    stage.crm.trouble(None);
    let mut statuses = [one.join().unwrap(), same.join().unwrap()];
    statuses.sort_unstable();
    assert_eq!(
        (statuses, other.join().unwrap()),
        ([201.try_into().unwrap(), 409.try_into().unwrap()], 201.try_into().unwrap())
    );
}
