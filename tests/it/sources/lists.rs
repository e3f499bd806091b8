//! What is listed and read of them.

use super::*;

#[test]
fn a_list_runs_through_one_system_after_another_and_no_page_is_short_because_one_ended() {
    let two = Two::usual();
    assert_eq!(two.names("/v1/customers"), all());
    for limit in 1..=10 {
        let pages = two.pages(&format!("/v1/customers?limit={limit}"));
        assert_eq!(pages.concat(), all(), "{limit}");
        let (last, whole) = pages.split_last().unwrap();
        assert!(whole.iter().all(|page| page.len() == limit) && last.len() <= limit, "{pages:?}");
    }
    // The page that ends one and begins the other names both systems.
    let (_, next) = two.page("/v1/customers?limit=3");
    let answer = two.get(&format!("/v1/customers?limit=3&cursor={}", next.unwrap())).expect(200);
    let names: Vec<Value> = answer.items().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["Firm 4", "Firm 5", "Ewa Nowak 1"]);
    assert_eq!(systems(&two.entry(&answer)), ["firms", "people"]);
    let ids: Vec<Value> = two.get("/v1/customers").items().iter().map(|item| item["id"].clone()).collect();
    assert!(
        (0..ids.len()).all(|at| !ids[..at].contains(&ids[at])),
        "the same number is another record: {ids:?}"
    );
}

#[test]
fn a_filter_asks_only_the_systems_that_can_hold_what_it_lets_pass() {
    let two = Two::usual();
    for (filter, names, asked) in [
        ("kind=person", &PEOPLE[..], (0, 2)),
        ("kind=company", &FIRMS[..], (2, 0)),
        ("kind[ne]=company", &PEOPLE[..], (0, 2)),
        ("kind[in]=person,company", &all()[..], (2, 2)),
        // What one of them never tells, its records never pass.
        ("job_title=buyer", &PEOPLE[..], (0, 2)),
        ("website=https://f.example", &FIRMS[..], (2, 0)),
        ("kind=person&website=https://f.example", &[], (0, 0)),
        ("name=Firm%202", &["Firm 2"], (1, 2)),
    ] {
        two.asked();
        assert_eq!(two.names(&format!("/v1/customers?{filter}")), names, "{filter}");
        assert_eq!(two.asked_times(), asked, "{filter}");
    }
    // What is left to ask is still asked for.
    two.names("/v1/customers?kind=company&name=Firm%202");
    assert!(two.asked().0[0].target.contains("title=Firm 2"));
}

#[test]
fn an_id_leads_to_the_system_that_has_the_record_and_nowhere_else() {
    let two = Two::usual();
    let (firm, person) = (two.path_of("Firm 2"), two.path_of("Ewa Nowak 2"));
    two.asked();
    let answer = two.get(&person).expect(200);
    assert_eq!(answer.json()["job_title"], "buyer");
    assert_eq!(systems(&two.entry(&answer)), ["people"]);
    assert_eq!(two.get(&firm).expect(200).json()["website"], "https://f.example");
    let (firms, people) = two.asked();
    assert_eq!((firms.len(), firms[0].target.as_str()), (1, "/cards/2"));
    assert_eq!((people.len(), people[0].target.as_str()), (1, "/cards/2"));
    two.get("/v1/customers/0000000000000000000000000a").refused(404);
    two.get("/v1/customers/2").refused(404);
    assert_eq!(two.asked_times(), (0, 0));
    // Changed, deleted.
    let changed = two.send(Method::PATCH, &person, &json!({ "job_title": "boss" })).expect(200);
    assert_eq!(changed.json()["job_title"], "boss");
    let (firms, people) = two.asked();
    assert!(
        firms.is_empty() && people.iter().any(|seen| seen.method == "PATCH" && seen.body.contains("boss"))
    );
    assert_eq!(two.of_people.0.lock()[1]["job"], "boss");
}

#[test]
fn statements_that_permit_one_kind_ask_the_system_of_that_kind() {
    let two = Two::filled(|policies| {
        let read = "action in [Action::\"list\", Action::\"read\"],\n  resource is Customer\n)";
        let when = "\nwhen { resource has kind && resource.kind == \"person\" };";
        change(policies, "access/apps.cedar", &format!("{read};"), &format!("{read}{when}"));
    });
    assert_eq!(two.names("/v1/customers"), PEOPLE);
    let (firms, people) = two.asked();
    assert_eq!((firms.len(), people.len()), (0, 2));
    // With one system left the order is its own.
    let backwards: Vec<&str> = PEOPLE.into_iter().rev().collect();
    assert_eq!(two.names("/v1/customers?sort=-created_at&limit=2"), backwards);
    assert!(two.asked().1.iter().all(|seen| seen.target.contains("order=desc")));
}

#[test]
fn an_order_is_left_to_a_system_only_where_no_other_has_records_to_give() {
    let two = Two::usual();
    let names = |path: &str| two.names(path);
    // Each has its own first, second, third.
    let mixed = [
        "Firm 5",
        "Firm 4",
        "Ewa Nowak 4",
        "Firm 3",
        "Ewa Nowak 3",
        "Firm 2",
        "Ewa Nowak 2",
        "Firm 1",
        "Ewa Nowak 1",
    ];
    assert_eq!(names("/v1/customers?sort=-created_at"), mixed);
    for limit in 1..=9 {
        let pages = two.pages(&format!("/v1/customers?sort=-created_at&limit={limit}"));
        assert_eq!(pages.concat(), mixed, "{limit}");
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit));
    }
    two.asked();
    assert_eq!(
        names("/v1/customers?sort=-created_at&kind=company&limit=2"),
        ["Firm 5", "Firm 4", "Firm 3", "Firm 2", "Firm 1"]
    );
    let (firms, people) = two.asked();
    assert!(people.is_empty() && firms.iter().all(|seen| seen.target.contains("order=desc")), "{firms:?}");
    // By what one of them never tells: there are no values, so they come last.
    assert_eq!(names("/v1/customers?sort=website,name"), all());
}

#[test]
fn a_cursor_is_good_for_its_own_list_alone() {
    let two = Two::usual();
    let (_, next) = two.page("/v1/customers?limit=2");
    let cursor = next.unwrap();
    two.get(&format!("/v1/customers?limit=2&cursor={cursor}")).expect(200);
    for other in [
        "/v1/customers?limit=3",
        "/v1/customers?limit=2&kind=person",
        "/v1/customers?limit=2&sort=name",
        "/v1/orders?limit=2",
    ] {
        two.get(&format!("{other}&cursor={cursor}")).refused(400);
    }
    // Another bundle is another list: there the same number may be another system's.
    change(&two.stage.policies(), "gateway.yaml", "[firms, people]", "[people, firms]");
    crate::kit::until("the other order holds", || two.page("/v1/customers?limit=1").0 == ["Ewa Nowak 1"]);
    two.get(&format!("/v1/customers?limit=2&cursor={cursor}")).refused(400);
}

#[test]
fn a_system_that_is_away_refuses_the_list_and_not_the_records_of_the_other() {
    let two = Two::usual();
    let (firm, person) = (two.path_of("Firm 1"), two.path_of("Ewa Nowak 1"));
    two.people.trouble(Some(Trouble::Answer(500, "{}".into())));
    two.get("/v1/customers").refused(502);
    two.get("/v1/customers?sort=name").refused(502);
    two.get("/odata/customers/$count").expect(502);
    two.get("/odata/customers").expect(502);
    two.get(&person).refused(502);
    two.get(&firm).expect(200);
    assert_eq!(two.names("/v1/customers?kind=company"), FIRMS);
    // A page that is full before its turn comes is whole.
    assert_eq!(two.page("/v1/customers?limit=5").0, FIRMS);
    let made = json!({ "kind": "company", "name": "Lis SA" });
    two.send(Method::POST, "/v1/customers", &made).expect(201);
    two.people.trouble(None);
    crate::kit::until("it is whole again", || two.get("/v1/customers").status == 200);
    assert_eq!(two.names("/v1/customers").len(), 10);
}

#[test]
fn what_refers_to_a_record_is_told_with_it_whichever_system_has_it() {
    let two = Two::usual();
    let person = two.path_of("Ewa Nowak 1");
    let id = person.rsplit('/').next().unwrap();
    let ran = two.stage.only_data(&["ids", "join", &format!("Customer/{id}"), "erp:30000", "--yes"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    two.asked();
    let orders = two.get(&format!("/v1/orders?customer={id}&include=customer&limit=2")).expect(200).items();
    assert!(!orders.is_empty());
    for order in &orders {
        assert_eq!(order["customer"], id);
        assert_eq!(order["included"]["customer"]["items"][0]["name"], "Ewa Nowak 1", "{order}");
    }
    assert_eq!(two.asked_times(), (0, 1));
    let told = two.get(&format!("{person}?include=orders")).expect(200).json();
    assert!(!told["included"]["orders"]["items"].as_array().unwrap().is_empty(), "{told}");
    let page = two.get("/v1/customers?include=orders&kind=person&fields=id,name").expect(200).items();
    assert_eq!(page.len(), 4);
    assert!(
        page[0]["included"]["orders"]["items"].is_array()
            && page[1]["included"]["orders"]["items"] == json!([])
    );
    // Records that are found by a reference of theirs, in whichever system.
    two.of_firms.0.lock()[1].insert("owner".into(), json!("1"));
    let firm = two.path_of("Firm 1");
    let beside = two.get(&format!("{firm}?include=customers")).expect(200).json();
    assert_eq!(beside["included"]["customers"]["items"][0]["name"], "Firm 2", "{beside}");
    assert_eq!(two.names(&format!("/v1/customers?id={id}")), ["Ewa Nowak 1"]);
}

#[test]
fn a_table_holds_the_records_of_all_and_counts_them() {
    let two = Two::usual();
    let names = |path: &str| -> Vec<String> {
        let (mut names, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(at) = next {
            let answer = two.get(&at).expect(200);
            names.extend(rows(&answer).iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            next =
                answer.json()["@odata.nextLink"].as_str().map(|link| crate::odata::path_of(link).to_owned());
            assert!(names.len() < 50);
        }
        names
    };
    assert_eq!(names("/odata/customers?$select=id,name"), all());
    assert_eq!(names("/odata/customers?$top=7&$skip=4&$select=name"), all()[4..]);
    assert_eq!(names("/odata/customers?$filter=kind%20eq%20%27person%27"), PEOPLE);
    assert_eq!(two.get("/odata/customers/$count").expect(200).body, "9");
    let count = "/odata/customers/$count?$filter=kind%20eq%20%27company%27";
    two.asked();
    assert_eq!(two.get(count).expect(200).body, "5");
    assert_eq!(two.asked().1.len(), 0);
    let counted = two.get("/odata/customers?$count=true&$top=6&$orderby=name").expect(200);
    assert_eq!(counted.json()["@odata.count"], 9);
    let first: Vec<Value> = rows(&counted).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(first, ["Ewa Nowak 1", "Ewa Nowak 2", "Ewa Nowak 3", "Ewa Nowak 4", "Firm 1", "Firm 2"]);
    let paged = line::asking(Method::GET, "/odata/customers?$select=name", Some(&two.stage.shop));
    let paged = paged.header("prefer", "odata.maxpagesize=6").body(Bytes::new().into()).unwrap();
    let paged = two.stage.ask(paged).expect(200);
    let next = paged.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    let names: Vec<Value> = rows(&paged).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["Firm 1", "Firm 2", "Firm 3", "Firm 4", "Firm 5", "Ewa Nowak 1"]);
    assert_eq!(rows(&two.get(crate::odata::path_of(&next)).expect(200)).len(), 3);
    let id = two.path_of("Ewa Nowak 2").rsplit('/').next().unwrap().to_owned();
    assert_eq!(two.get(&format!("/odata/customers('{id}')")).expect(200).json()["name"], "Ewa Nowak 2");
}

#[test]
fn an_id_with_keys_in_two_of_the_systems_leads_to_the_first() {
    let two = Two::usual();
    let items = two.get("/v1/customers?kind=company&limit=1").expect(200).items();
    let id = items[0]["id"].as_str().unwrap();
    let ran = two.stage.only_data(&["ids", "join", &format!("Customer/{id}"), "people:1", "--yes"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    two.asked();
    assert_eq!(two.get(&format!("/v1/customers/{id}")).expect(200).json()["name"], "Firm 1");
    assert_eq!(two.asked_times(), (1, 0));
}

#[test]
fn a_system_that_gives_no_more_is_told_where_it_ends_and_the_next_goes_on() {
    let two = Two::filled(|policies| {
        change(policies, "systems/firms.yaml", "most: 3 }", "most: 3, window: 3 }");
    });
    let page = two.get("/v1/customers").expect(200);
    assert_eq!(page.json()["truncated"], true);
    let names: Vec<Value> = page.items().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, [&FIRMS[..3], &PEOPLE[..]].concat());
    let first = two.get("/v1/customers?limit=3").expect(200).json();
    assert_eq!(first["truncated"], true);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = two.get(&format!("/v1/customers?limit=3&cursor={next}")).expect(200).json();
    assert!(rest["truncated"].is_null(), "it is said once, where it is");
    assert!(two.get("/v1/customers?kind=person").expect(200).json()["truncated"].is_null());
    // Who counts or loads all of it is not told a part.
    for path in ["/odata/customers", "/odata/customers/$count", "/v1/customers?sort=name"] {
        assert!((400..600).contains(&two.get(path).status), "{path}");
    }
    two.get("/odata/customers/$count?$filter=kind%20eq%20%27person%27").expect(200);
}

const STATUS: &str = "      status: { at: state, values: { on: active, off: blocked, old: archived } }\n";

/// Persons do not tell their status, and a statement goes by it.
fn judged_by_status(actions: &'static str) -> Two {
    Two::filled(move |policies| {
        change(policies, "systems/people.yaml", STATUS, "");
        with(&format!(
            "@id(\"no-blocked\")\nforbid (principal, action in [{actions}], resource is Customer)\n\
             when {{ resource has status && resource.status == \"blocked\" }};\n"
        ))(policies);
    })
}

#[test]
fn records_of_a_system_that_never_tells_what_a_statement_goes_by_are_withheld_and_counted() {
    let two = judged_by_status("Action::\"list\"");
    let answer = two.get("/v1/customers?limit=200").expect(200);
    let names: Vec<Value> = answer.items().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, FIRMS);
    let entry = two.entry(&answer);
    assert_eq!(entry["withheld_unfit"], 4, "four persons: {entry}");
    assert!(entry["notes"].to_string().contains("status"), "{entry}");
    assert_eq!(two.get("/odata/customers/$count").expect(200).body, FIRMS.len().to_string());
}

#[test]
fn a_record_of_such_a_system_is_refused_by_itself_and_in_writes_and_others_are_not() {
    let two = judged_by_status("Action::\"read\", Action::\"create\", Action::\"update\"");
    let (firm, person) = (two.path_of("Firm 2"), two.path_of("Ewa Nowak 2"));
    two.get(&firm).expect(200);
    two.get(&person).refused(404);
    two.send(Method::PATCH, &firm, &json!({ "website": "https://g.example" })).expect(200);
    two.send(Method::PATCH, &person, &json!({ "job_title": "seller" })).refused(404);
    let (_, people) = two.asked();
    assert!(people.iter().all(|seen| seen.method == "GET"), "nothing is changed there");
    let new = json!({ "kind": "person", "name": "Jan Lis", "given_name": "Jan", "family_name": "Lis" });
    two.send(Method::POST, "/v1/customers", &new).refused(404);
    two.send(Method::POST, "/v1/customers", &json!({ "kind": "company", "name": "Firm 9" })).expect(201);
    let (_, people) = two.asked();
    assert_eq!(people.len(), 0, "{people:?}");
}
