//! Value tables that systems tell: what ids mean that differ from one installation to the next.

use std::{fs, path::Path, sync::Arc, thread};

use bramka::demo::standin::{self, Answers, Ask, StandIn, Trouble};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    book,
    kit::{Answer, Demo, runtime, until},
    writes::{change, said},
};

/// What a service desk knows: people by number, name and group, and what its groups are. Groups are not told while there
/// is no list of them.
#[derive(Clone, Default)]
struct Known {
    people: Vec<(u64, String, u32)>,
    groups: Option<Vec<(u32, &'static str)>>,
}

struct Desk(Arc<Mutex<Known>>);

impl Answers for Desk {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut known = self.0.lock();
        let told =
            |(no, name, group): &(u64, String, u32)| json!({ "no": no, "title": name, "group": group });
        if ask.path == "/groups" {
            return match &known.groups {
                Some(groups) => {
                    let each = groups.iter().map(|(id, state)| json!({ "id": id, "state": state }));
                    said(200, &json!({ "groups": each.collect::<Vec<_>>() }))
                }
                None => said(500, &json!({ "error": "no groups today" })),
            };
        }
        if ask.path == "/people" && ask.method == Method::POST {
            let sent = ask.json().unwrap();
            let no = known.people.iter().map(|(no, ..)| *no).max().unwrap_or_default() + 1;
            let group = sent["group"].as_u64().map_or(0, |group| u32::try_from(group).unwrap());
            known.people.push((no, sent["title"].as_str().unwrap().to_owned(), group));
            return said(201, &told(known.people.last().unwrap()));
        }
        if ask.path == "/people" {
            let pairs = ask.pairs();
            let wanted = pairs.iter().find(|(name, _)| name == "group").map(|(_, value)| value.as_str());
            let fits = |group: u32| {
                wanted.is_none_or(|wanted| wanted.split(',').any(|one| one == group.to_string()))
            };
            let found: Vec<Value> = known.people.iter().filter(|one| fits(one.2)).map(told).collect();
            return said(200, &json!({ "items": found }));
        }
        let no = ask.path.strip_prefix("/people/").and_then(|no| no.parse::<u64>().ok());
        let Some(one) = known.people.iter_mut().find(|one| Some(one.0) == no) else {
            return said(404, &json!({}));
        };
        if ask.method == Method::PATCH {
            let sent = ask.json().unwrap();
            if let Some(name) = sent["title"].as_str() {
                name.clone_into(&mut one.1);
            }
            if let Some(group) = sent["group"].as_u64() {
                one.2 = u32::try_from(group).unwrap();
            }
        }
        said(200, &told(one))
    }
}

/// Its sample has other ids than the desk.
const FILE: &str = r#"
system: desk
base: "http://{address}"
sign_in: none
allow_local: true
filters:
  plain: { shape: flat, text: exactly, between: ",", fields: { group: { eq: group, in: group } } }
tables:
  groups:
    list: { at: /groups, rows: groups }
    native: id
    aged: 1h
    again: 1s
    means: { status: { at: state, values: { open: active, shut: blocked, gone: archived } } }
    sample: '{ "groups": [ { "id": 1, "state": "open" }, { "id": 2, "state": "shut" } ] }'
entities:
  Customer:
    at: /people
    key: { at: no, form: digits }
    list: { rows: items, filter: plain }
    read: {}
    create: {}
    update: {}
    fields:
      kind: =person
      name: title
      status: { at: group, values: groups.status, else: unknown, as: { wire: number } }
    samples:
      - answer: '{ "no": 5, "title": "Ewa", "group": 2 }'
        reads: '{ "id": "5", "kind": "person", "name": "Ewa", "status": "blocked" }'
      - create: '{ "kind": "person", "name": "Ewa", "status": "active" }'
        sends: '{ "title": "Ewa", "group": 1 }'
"#;

const WRITES: &str = "@id(\"desk-writes\")\n@writes(\"kind, name, status\")\npermit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is Customer);\n";

struct Room {
    demo: Demo,
    desk: StandIn,
    known: Arc<Mutex<Known>>,
    _end: oneshot::Sender<()>,
}

impl Room {
    /// A desk whose ids are its own: 7 is open, 9 is shut.
    fn open(edit: impl FnOnce(&Path)) -> Self {
        Self::knowing(Some(vec![(7, "open"), (9, "shut")]), edit)
    }

    fn knowing(groups: Option<Vec<(u32, &'static str)>>, edit: impl FnOnce(&Path)) -> Self {
        let people = [(1, "Ala", 7), (2, "Ola", 9), (3, "Ula", 7)];
        let people = people.map(|(no, name, group)| (no, name.to_owned(), group)).into();
        let known = Arc::new(Mutex::new(Known { people, groups }));
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let desk = Desk(known.clone());
        thread::spawn(move || {
            runtime().block_on(async {
                drop(tell.send(standin::start(0, Arc::new(desk)).await.unwrap()));
                drop(ended.await);
            });
        });
        let desk: StandIn = told.blocking_recv().unwrap();
        let demo = Demo::start_with(
            |policies| {
                let file = FILE.replace("{address}", &desk.address.to_string());
                fs::write(policies.join("systems/desk.yaml"), file).unwrap();
                fs::write(policies.join("access/desk.cedar"), WRITES).unwrap();
                change(policies, "gateway.yaml", "customers: crm", "customers: desk");
                edit(policies);
            },
            &[],
        );
        Self { demo, desk, known, _end: end }
    }

    fn get(&self, path: &str) -> Answer {
        self.demo.get(path).send()
    }

    fn status(&self, no: u32) -> Value {
        self.get(&format!("/v1/customers/{no}")).expect(200).json()["status"].clone()
    }

    fn patch(&self, no: u32, body: &Value) -> Answer {
        self.demo.ask(Method::PATCH, &format!("/v1/customers/{no}")).json(body).send()
    }

    /// How often the desk was asked for its groups.
    fn asked(&self) -> usize {
        self.desk.seen().iter().filter(|seen| seen.target.starts_with("/groups")).count()
    }

    /// The table, as operators see it.
    fn table(&self) -> Value {
        let told = self.demo.admin(Method::GET, "/api/systems").send().expect(200).json();
        let desk = told["systems"].as_array().unwrap().iter().find(|one| one["system"] == "desk").unwrap();
        desk["tables"][0].clone()
    }
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().rsplit('/').next().unwrap()
}

#[test]
fn ids_are_read_filtered_by_and_written_as_their_system_says_what_they_mean() {
    let room = Room::open(|_| {});
    assert_eq!(room.asked(), 0, "nobody needed it");
    room.get("/v1/customers?fields=name").expect(200);
    assert_eq!(room.asked(), 0, "nobody needs it");
    let items = room.get("/v1/customers").expect(200).items();
    let told: Vec<_> = items.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(told, ["active", "blocked", "active"]);
    let blocked = room.get("/v1/customers?status=blocked").expect(200).items();
    assert_eq!((blocked.len(), &blocked[0]["name"]), (1, &json!("Ola")));
    assert!(room.desk.seen().iter().any(|seen| seen.target == "/people?group=9"), "{:?}", room.desk.seen());
    assert_eq!(room.patch(1, &json!({ "status": "blocked" })).expect(200).json()["status"], "blocked");
    assert_eq!(room.known.lock().people[0].2, 9);
    // What no row means can be neither asked for nor written.
    let new = json!({ "kind": "person", "name": "Iza", "status": "archived" });
    let refused = room.demo.ask(Method::POST, "/v1/customers").json(&new).send().refused(422).json();
    assert_eq!(refused["errors"][0]["detail"], "the system knows only active, blocked", "{refused}");
    assert_eq!(room.asked(), 1, "it is fresh");
    let table = room.table();
    assert_eq!(
        (&table["state"], &table["rows"], &table["failed"]),
        (&json!("fresh"), &json!(2), &Value::Null)
    );
    // The gate asked in its own name, and it stands in the journal.
    let entries = book::entries(&room.demo.data());
    let looks: Vec<_> =
        entries.iter().filter(|entry| entry.to_string().contains("table groups of desk")).collect();
    assert_eq!(looks.len(), 1, "{looks:?}");
}

#[test]
fn many_who_come_first_wait_for_one_question() {
    let room = Room::open(|_| {});
    room.desk.trouble(Some(Trouble::Wait(std::time::Duration::from_millis(200))));
    let statuses: Vec<Value> = thread::scope(|scope| {
        let asks: Vec<_> = (0..8).map(|_| scope.spawn(|| room.status(2))).collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| status == "blocked"), "{statuses:?}");
    assert_eq!(room.asked(), 1);
}

#[test]
fn fields_by_a_table_that_was_never_told_are_left_out_and_said_to_be_missing() {
    let room = Room::knowing(None, |_| {});
    let answer = room.get("/v1/customers/2").expect(200);
    let record = answer.json();
    assert_eq!((&record["name"], record.get("status")), (&json!("Ola"), None));
    assert_eq!(record["partial"][0]["fields"], json!(["status"]));
    assert_eq!(kind(&record["partial"][0]["problem"]), "no-table");
    assert!(answer.header("etag").is_none(), "what is not whole has no version");
    let page = room.get("/v1/customers").expect(200).json();
    assert_eq!(page["partial"][0]["fields"], json!(["status"]));
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let table = room.table();
    assert_eq!((&table["state"], &table["rows"]), (&json!("never_told"), &Value::Null));
    assert!(table["failed"].as_str().unwrap().contains("500"), "{table}");
    // It is whole once the system tells it.
    room.known.lock().groups = Some(vec![(7, "shut"), (9, "open")]);
    until("the table is told", || room.status(2) == "active");
    assert!(room.get("/v1/customers/2").expect(200).header("etag").is_some());
}

#[test]
fn whatever_goes_by_a_table_that_was_never_told_is_refused_and_nothing_is_changed() {
    let room = Room::knowing(None, |_| {});
    let refusals = [
        room.get("/v1/customers?status=active"),
        room.get("/v1/customers?sort=status"),
        // A statement looks at the status of whoever is changed.
        room.patch(1, &json!({ "name": "Ela" })),
        room.demo
            .ask(Method::POST, "/v1/customers")
            .json(&json!({ "kind": "person", "name": "Iza", "status": "active" }))
            .send(),
    ];
    for refused in refusals {
        let refused = refused.refused(503);
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(kind(&refused.json()), "no-table");
    }
    // Whoever reads tables takes what comes for all there is.
    let table = room.get("/odata/customers").expect(503);
    assert!(table.json()["error"]["code"].is_string());
    assert!(room.desk.seen().iter().all(|seen| seen.method == "GET"), "nothing was changed");
    let entries = book::entries(&room.demo.data());
    assert_eq!(entries.iter().filter(|entry| entry["refusal"] == "no_table").count(), 5);
    // What does not go by it is done.
    let made =
        room.demo.ask(Method::POST, "/v1/customers").json(&json!({ "kind": "person", "name": "Iza" })).send();
    made.expect(201);
}

#[test]
fn a_table_that_has_gone_by_serves_on_while_its_system_does_not_tell_it() {
    let room = Room::open(|policies| change(policies, "systems/desk.yaml", "aged: 1h", "aged: 1s"));
    assert_eq!(room.status(1), "active");
    room.known.lock().groups = None;
    until("it is stale, and was asked for in vain", || {
        assert_eq!(room.status(1), "active");
        let table = room.table();
        table["state"] == "stale" && table["failed"].as_str().is_some_and(|why| why.contains("500"))
    });
    let metrics = room.demo.admin(Method::GET, "/metrics").send().expect(200);
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(
        metrics.contains("bramka_table_fetches_total{system=\"desk\",table=\"groups\",outcome=\"failed\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("bramka_table_rows{system=\"desk\",table=\"groups\"} 2"));
    room.known.lock().groups = Some(vec![(7, "gone"), (9, "shut")]);
    until("it is told anew", || room.status(1) == "archived");
}

#[test]
fn a_value_that_a_table_does_not_know_is_unknown_and_asked_for_no_more_than_now_and_then() {
    let rare = Room::open(|policies| change(policies, "systems/desk.yaml", "again: 1s", "again: 1h"));
    rare.known.lock().people.push((4, "Eda".to_owned(), 30));
    for _ in 0..20 {
        assert_eq!(rare.status(4), "unknown");
    }
    assert_eq!(rare.asked(), 1);
    let soon = Room::open(|_| {});
    soon.known.lock().people.push((4, "Eda".to_owned(), 30));
    assert_eq!(soon.status(4), "unknown");
    soon.known.lock().groups = Some(vec![(7, "open"), (9, "shut"), (30, "gone")]);
    until("it is known", || soon.status(4) == "archived");
}

#[test]
fn several_native_values_of_one_meaning_are_read_and_filtered_by_and_written_only_where_the_file_says_which()
{
    let groups = || Some(vec![(7, "open"), (8, "open"), (9, "shut")]);
    let room = Room::knowing(groups(), |_| {});
    room.known.lock().people.push((4, "Eda".to_owned(), 8));
    assert_eq!(room.get("/v1/customers?status=active").expect(200).items().len(), 3);
    assert!(room.desk.seen().iter().any(|seen| seen.target == "/people?group=7,8"), "{:?}", room.desk.seen());
    let refused = room.patch(2, &json!({ "status": "active" })).refused(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/status");
    assert_eq!(
        refused["errors"][0]["detail"],
        "the system has several values of its own for this, and nothing says which is meant; the system knows only blocked"
    );
    // A record that has one of them keeps it.
    room.patch(4, &json!({ "name": "Ela", "status": "active" })).expect(200);
    assert_eq!(room.known.lock().people[3].2, 8);
    let several =
        json!([{ "entity": "Customer", "field": "status", "value": "active", "natives": ["7", "8"] }]);
    assert_eq!(room.table()["several"], several);
    let said = Room::knowing(groups(), |policies| {
        change(policies, "systems/desk.yaml", "else: unknown,", "else: unknown, back: { active: \"8\" },");
    });
    said.patch(2, &json!({ "status": "active" })).expect(200);
    assert_eq!(said.known.lock().people[1].2, 8);
    assert_eq!(said.table()["several"], json!([]));
}

#[test]
fn what_stands_in_serves_until_the_system_tells_its_table() {
    let room = Room::knowing(None, |policies| {
        change(policies, "systems/desk.yaml", "    aged: 1h", "    else: { \"7\": blocked }\n    aged: 1h");
    });
    assert_eq!((room.status(1), room.status(2)), (json!("blocked"), json!("unknown")));
    assert_eq!(room.table()["state"], "stands_in");
    room.known.lock().groups = Some(vec![(7, "open"), (9, "shut")]);
    until("it is told", || room.status(1) == "active");
}

#[test]
fn a_reload_keeps_what_a_system_has_told_and_a_changed_file_asks_anew() {
    let room = Room::open(|_| {});
    assert_eq!(room.status(1), "active");
    let reload = || {
        room.demo.admin(Method::POST, "/api/reload").send();
    };
    change(&room.demo.policies(), "limits.yaml", "plans:", "# another day\nplans:");
    let before = room.demo.admin(Method::GET, "/api/bundle").send().expect(200).json();
    until("the bundle is another", || {
        reload();
        room.demo.admin(Method::GET, "/api/bundle").send().expect(200).json()["digest"] != before["digest"]
    });
    assert_eq!((room.status(1), room.asked()), (json!("active"), 1));
    change(&room.demo.policies(), "systems/desk.yaml", "aged: 1h", "aged: 2h");
    reload();
    until("the file serves", || room.status(1) == "active" && room.asked() == 2);
}

#[test]
fn what_another_system_tells_by_a_table_is_missing_while_nobody_knows_the_table() {
    let room = Room::knowing(None, |policies| {
        let with = "customers: { system: crm, with: { desk: { fields: [status], on: id } } }";
        change(policies, "gateway.yaml", "customers: desk", with);
        fs::remove_file(policies.join("access/desk.cedar")).unwrap();
    });
    let first = room.get("/v1/customers?limit=1&fields=id,name").expect(200).items()[0].clone();
    let id = first["id"].as_str().unwrap().to_owned();
    room.known.lock().people.push((id.parse().unwrap(), "Ewa".to_owned(), 9));
    let record = room.get(&format!("/v1/customers/{id}")).expect(200).json();
    assert_eq!((&record["name"], record.get("status")), (&first["name"], None));
    assert_eq!(record["partial"][0]["fields"], json!(["status"]));
    assert_eq!(kind(&record["partial"][0]["problem"]), "no-table");
    room.get("/v1/customers?status=blocked").refused(503);
    room.known.lock().groups = Some(vec![(9, "shut")]);
    until("the table is told", || {
        room.get(&format!("/v1/customers/{id}")).expect(200).json()["status"] == "blocked"
    });
}
