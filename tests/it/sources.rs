//! A collection of which several systems hold some records each: one list runs through all of them, an id leads to the
//! system that has the record, and a new one goes to the system whose records are like it.

mod bundles;
mod lists;
mod writes;

use std::{fs, path::Path, sync::Arc, thread};

use bramka::demo::standin::{self, Answers, Ask, Seen, StandIn, Trouble};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::{
    book,
    kit::{Answer, runtime},
    line,
    odata::rows,
    stage::Stage,
    writes::{change, said, with},
};

/// Rows that a register gives at once, however many are asked for.
const ROWS: usize = 3;

/// A register of records, by number.
#[derive(Default)]
struct Register(Mutex<Vec<Map<String, Value>>>);

impl Register {
    fn add(&self, mut record: Map<String, Value>) -> Map<String, Value> {
        let mut records = self.0.lock();
        let no = records.len() + 1;
        record.insert("no".into(), json!(no));
        record.insert("version".into(), json!("1"));
        record.entry("state").or_insert(json!("on"));
        record.insert("made".into(), json!(format!("2026-01-{no:02}T00:00:00Z")));
        records.push(record.clone());
        record
    }

    fn list(&self, ask: &Ask) -> Response<Bytes> {
        let pairs = ask.pairs();
        let said_of = |name: &str| pairs.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let number = |name: &str| said_of(name).map_or(0, |value| value.parse::<usize>().unwrap());
        let mut found = self.0.lock().clone();
        found.retain(|record| {
            let is_one_of = |name: &&str| {
                said_of(name).is_none_or(|values| values.split(',').any(|value| record[*name] == value))
            };
            ["title", "mail", "ref"].iter().all(is_one_of)
        });
        if said_of("order") == Some("desc") {
            found.reverse();
        }
        let rows: Vec<_> = found.into_iter().skip(number("skip")).take(number("take").min(ROWS)).collect();
        said(200, &json!({ "items": rows }))
    }
}

impl Answers for Register {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let Some(no) = ask.path.strip_prefix("/cards/") else {
            return match ask.method {
                Method::POST => {
                    let body = ask.json().unwrap().as_object().unwrap().clone();
                    said(201, &Value::Object(self.add(body)))
                }
                _ => self.list(ask),
            };
        };
        let mut records = self.0.lock();
        let is_it =
            |record: &Map<String, Value>| no.parse().is_ok_and(|no: u64| record["no"].as_u64() == Some(no));
        let Some(at) = records.iter().position(is_it) else {
            return said(404, &json!({}));
        };
        let record = &mut records[at];
        let version = record["version"].as_str().unwrap().to_owned();
        if ask.method != Method::GET && ask.header("if-match").is_some_and(|tag| tag != version) {
            return said(412, &json!({}));
        }
        match ask.method {
            Method::PATCH => {
                record.extend(ask.json().unwrap().as_object().unwrap().clone());
                record.insert("version".into(), json!((version.parse::<u32>().unwrap() + 1).to_string()));
                said(200, &Value::Object(record.clone()))
            }
            Method::DELETE => {
                drop(records.remove(at));
                said(204, &Value::Null)
            }
            _ => said(200, &Value::Object(record.clone())),
        }
    }
}

/// What both files say alike.
const FILE: &str = r#"
system: {name}
base: "http://{address}"
sign_in: none
allow_local: true
clear: { any: ~ }
filters:
  plain:
    shape: flat
    text: exactly
    fields: { title: { eq: title }, mail: { eq: mail } }
    sort: { query: { by: "{field}", order: "{dir}" }, fields: { made: made }, tie: own }
entities:
  Customer:
    at: /cards
    key: { at: no, form: digits }
    version: { at: version, send: If-Match }
    list: { rows: items, filter: plain, page: { offset: skip, size: take, most: 3 } }
    read: {}
    create: {}
    update: { send: changed }
    delete: { means: removed }
    fields:
      kind: ={kind}
      number: { at: ref, write: never }
      status: { at: state, values: { on: active, off: blocked, old: archived } }
      emails[0].value: mail
      created_at: { at: made, write: never }
"#;

const OF_FIRMS: &str =
    "      name: title\n      website: site\n      parent: { ref: Customer, at: owner, form: digits }\n";
const OF_PEOPLE: &str = "      given_name: first\n      family_name: last\n      job_title: job\n      name: { join: [first, last] }\n";

/// A third one, which knows days to pay by the numbers of customers.
const TERMS: &str = r#"
system: terms
base: "http://{address}"
sign_in: none
allow_local: true
filters:
  plain: { shape: flat, text: exactly, between: ",", fields: { ref: { in: ref } } }
entities:
  Customer:
    at: /cards
    key: { at: no, form: digits }
    list: { rows: items, filter: plain, page: { offset: skip, size: take, most: 3 } }
    fields:
      number: ref
      payment_terms: { days: days }
"#;

/// How it is served.
const BOTH: &str = "[firms, people]";

/// A gate over a register of companies and one of persons, in which the same numbers mean others.
struct Two {
    stage: Stage,
    firms: StandIn,
    people: StandIn,
    terms: StandIn,
    of_firms: Arc<Register>,
    of_people: Arc<Register>,
    of_terms: Arc<Register>,
    _end: oneshot::Sender<()>,
}

impl Two {
    fn open(serves: &str, edit: impl FnOnce(&Path)) -> Self {
        let [of_firms, of_people, of_terms] = [(); 3].map(|()| Arc::new(Register::default()));
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let registers = [of_firms.clone(), of_people.clone(), of_terms.clone()];
        thread::spawn(move || {
            runtime().block_on(async {
                let mut standins = Vec::new();
                for register in registers {
                    standins.push(standin::start(0, register).await.unwrap());
                }
                drop(tell.send(standins));
                drop(ended.await);
            });
        });
        let standins: [StandIn; 3] = told.blocking_recv().unwrap().try_into().unwrap();
        let [firms, people, terms] = standins;
        let stage = Stage::open(|policies| {
            crate::reads::roomy(policies);
            for (name, kind, of, standin) in
                [("firms", "company", OF_FIRMS, &firms), ("people", "person", OF_PEOPLE, &people)]
            {
                let file = FILE.replace("{name}", name).replace("{kind}", kind);
                let file = file.replace("{address}", &standin.address.to_string()) + of;
                fs::write(policies.join(format!("systems/{name}.yaml")), file).unwrap();
            }
            let file = TERMS.replace("{address}", &terms.address.to_string());
            fs::write(policies.join("systems/terms.yaml"), file).unwrap();
            change(policies, "gateway.yaml", "customers: crm", &format!("customers: {serves}"));
            change(policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
            edit(policies);
        });
        Self { stage, firms, people, terms, of_firms, of_people, of_terms, _end: end }
    }

    /// Five companies and four persons.
    fn usual() -> Self {
        Self::filled(|_| {})
    }

    fn filled(edit: impl FnOnce(&Path)) -> Self {
        let two = Self::open(BOTH, edit);
        for n in 1..=5 {
            two.firm(&format!("Firm {n}"));
        }
        for n in 1..=4 {
            two.person("Ewa", &format!("Nowak {n}"));
        }
        two
    }

    fn firm(&self, title: &str) {
        let record = json!({ "title": title, "site": "https://f.example", "mail": "f@example.com" });
        self.of_firms.add(record.as_object().unwrap().clone());
    }

    fn person(&self, first: &str, last: &str) {
        let record = json!({ "first": first, "last": last, "job": "buyer", "mail": "p@example.com" });
        self.of_people.add(record.as_object().unwrap().clone());
    }

    /// What each was asked since the last time.
    fn asked(&self) -> (Vec<Seen>, Vec<Seen>) {
        let both = (self.firms.seen(), self.people.seen());
        self.firms.forget();
        self.people.forget();
        both
    }

    fn asked_times(&self) -> (usize, usize) {
        let (firms, people) = self.asked();
        (firms.len(), people.len())
    }

    fn get(&self, path: &str) -> Answer {
        self.stage.get(path)
    }

    /// The names on a page, and its cursor.
    fn page(&self, path: &str) -> (Vec<String>, Option<String>) {
        let answer = self.get(path).expect(200);
        let next = answer.json()["next_cursor"].as_str().map(str::to_owned);
        (answer.items().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect(), next)
    }

    /// The names on all pages.
    fn pages(&self, path: &str) -> Vec<Vec<String>> {
        let (names, mut next) = self.page(path);
        let mut pages = vec![names];
        while let Some(cursor) = next {
            let mark = if path.contains('?') { '&' } else { '?' };
            let (names, after) = self.page(&format!("{path}{mark}cursor={cursor}"));
            pages.push(names);
            next = after;
            assert!(pages.len() < 50, "a list without end");
        }
        pages
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.pages(path).concat()
    }

    /// The path of a customer, by its name.
    fn path_of(&self, name: &str) -> String {
        let items = self.get("/v1/customers?limit=200").expect(200).items();
        let found = items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        format!("/v1/customers/{}", found["id"].as_str().unwrap())
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.stage.shop(method, path, body)
    }

    fn entry(&self, answer: &Answer) -> Value {
        let id = answer.header("x-request-id").unwrap();
        let entries = book::entries(&self.stage.data());
        let of = entries.into_iter().find(|entry| entry["request"] == id && entry["kind"] == "answer");
        of.unwrap_or_else(|| panic!("no entry of {id}"))
    }
}

/// The systems that an entry names, in the order of their calls.
fn systems(entry: &Value) -> Vec<&str> {
    entry["calls"].as_array().unwrap().iter().map(|call| call["system"].as_str().unwrap()).collect()
}

/// The places of a refusal, and what it says of the first.
fn faults(answer: &Answer) -> (Vec<String>, String) {
    let json = answer.json();
    let errors = json["errors"].as_array().unwrap_or_else(|| panic!("{json}"));
    let pointers = errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned());
    (pointers.collect(), errors[0]["detail"].as_str().unwrap_or_default().to_owned())
}

const PEOPLE: [&str; 4] = ["Ewa Nowak 1", "Ewa Nowak 2", "Ewa Nowak 3", "Ewa Nowak 4"];
const FIRMS: [&str; 5] = ["Firm 1", "Firm 2", "Firm 3", "Firm 4", "Firm 5"];

fn all() -> Vec<&'static str> {
    FIRMS.into_iter().chain(PEOPLE).collect()
}

/// The shop may change and delete all of it.
const OPEN: &str = "@id(\"open\")\n@writes(\"kind, name, given_name, family_name, job_title, website, parent\")\n\
    permit (principal in Group::\"apps\", action == Action::\"update\", resource is Customer);\n\
    @id(\"gone\")\npermit (principal in Group::\"apps\", action == Action::\"delete\", resource is Customer);\n";
