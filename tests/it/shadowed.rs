//! A bundle that is tried beside the one in force: what its limits and its mappings would have come to is told, and no answer
//! is another for it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, Demo, Who, copy_all, until},
};

/// A gate that tries another bundle beside its own.
struct Tried {
    demo: Demo,
    next: PathBuf,
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

impl Tried {
    /// `serving` edits the bundle in force, `trying` the other one; both begin with the shipped one.
    fn start(serving: impl FnOnce(&Path), trying: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let (policies, next) = (folder.path().join("policies"), folder.path().join("next"));
        copy_all(&shipped, &policies);
        copy_all(&shipped, &next);
        trying(&next);
        serving(&policies);
        let gateway = policies.join("gateway.yaml");
        let text = fs::read_to_string(&gateway).unwrap();
        fs::write(&gateway, format!("{text}\nshadow: {{ policies: {} }}\n", next.display())).unwrap();
        let demo = Demo::start_in(folder, &[]);
        let tried = Self { demo, next };
        until("it is tried", || tried.demo.stderr().contains("a shadow bundle is tried"));
        // The journal is looked at from then on: the first answers may come before that.
        until("it is at it", || {
            tried.demo.get("/v1/products?limit=1").send().expect(200);
            tried.counts().contains_key("same")
        });
        tried
    }

    /// How often it came to what.
    fn counts(&self) -> BTreeMap<String, u64> {
        let text = self.demo.admin(Method::GET, "/metrics").send().expect(200);
        let text = String::from_utf8(text.body.to_vec()).unwrap();
        let lines =
            text.lines().filter_map(|line| line.strip_prefix("bramka_shadow_decisions_total{reason=\""));
        let pair = |line: &str| {
            let (reason, count) = line.split_once("\"} ").unwrap();
            (reason.to_owned(), count.parse().unwrap())
        };
        lines.map(pair).collect()
    }

    /// What is told of an exchange: which way, and what; once it is.
    fn told(&self, answer: &Answer) -> (String, String) {
        let request = answer.header("x-request-id").unwrap();
        let mut told = None;
        until("it is told", || {
            told = self.tellings().into_iter().find(|(of, ..)| of == request);
            told.is_some()
        });
        let (_, way, what) = told.unwrap();
        (way, what)
    }

    /// Every difference that is written down: of which exchange, which way, and what.
    fn tellings(&self) -> Vec<(String, String, String)> {
        let entries = book::entries(&self.demo.data());
        let told = |entry: &Value| {
            let details = entry["details"].as_array()?;
            let text = |place: usize, side: usize| Some(details.get(place)?[side].as_str()?.to_owned());
            (text(0, 0)? == "request").then_some((text(0, 1)?, text(1, 0)?, text(1, 1)?))
        };
        entries.iter().filter(|entry| entry["act"] == "shadow").filter_map(told).collect()
    }
}

fn limits(bundle: &Path, from: &str, to: &str) {
    edit(&bundle.join("limits.yaml"), from, to);
}

#[test]
fn what_limits_of_a_shadow_bundle_would_refuse_is_told_and_nothing_is_refused() {
    let tried = Tried::start(
        |_| {},
        |next| {
            limits(next, "    rate: 10/s\n    per: partner", "    rate: 2/h\n    per: partner");
            limits(next, "rank: 40", "rank: 40\n    exposure: [{ people: Customer, most: 1/month }]");
        },
    );
    let demo = &tried.demo;
    let ask = || demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200);
    let asked = [ask(), ask(), ask()];
    let (way, what) = tried.told(&asked[2]);
    assert_eq!(way, "less");
    assert!(what.starts_with("list Order: ") && what.contains("the rate of `partner` is used up"), "{what}");
    let of_first = asked[0].header("x-request-id").unwrap();
    assert!(tried.tellings().iter().all(|(of, ..)| of != of_first), "the first two have room");
    // Of people each counts once.
    demo.get("/v1/customers?limit=1").send().expect(200);
    demo.get("/v1/customers?limit=1").send().expect(200);
    let more = demo.get("/v1/customers?limit=3").send().expect(200);
    assert_eq!(more.items().len(), 3);
    let (way, what) = tried.told(&more);
    assert_eq!(way, "less");
    assert!(what.contains("the budget `internal.customer.people.month` is spent"), "{what}");
}

#[test]
fn what_the_limits_of_a_shadow_bundle_would_let_pass_is_told_and_nothing_is_let_pass() {
    let tried = Tried::start(
        |serving| {
            limits(serving, "    rate: 10/s\n    per: partner", "    rate: 2/h\n    per: partner");
            limits(serving, "rank: 40", "rank: 40\n    exposure: [{ records: Order, most: 1/month }]");
        },
        |_| {},
    );
    let demo = &tried.demo;
    let ask = || demo.get("/v1/orders?limit=1").by(Who::Partner).send();
    ask().expect(200);
    ask().expect(200);
    let (way, what) = tried.told(&ask().refused(429));
    assert_eq!((way.as_str(), what.as_str()), ("more", "it: refused for want of rate → there is room"));
    let cut = demo.get("/v1/orders?limit=3").send().expect(200);
    assert_eq!(cut.items().len(), 1);
    let (way, what) = tried.told(&cut);
    assert_eq!(way, "more");
    assert!(what.contains("records that were left out for a spent budget are told"), "{what}");
}

#[test]
fn a_shadow_budget_counts_each_record_once_and_a_day_by_its_day() {
    let tried = Tried::start(
        |_| {},
        |next| {
            let bounded = "quota: 5/day\n    exposure: [{ records: Order, most: 2/day }]\n    fails: closed";
            limits(next, "quota: 100000/day\n    fails: closed", bounded);
        },
    );
    let demo = &tried.demo;
    let list =
        |count: u32| demo.get(&format!("/v1/orders?limit={count}")).by(Who::Partner).send().expect(200);
    let fits = [list(2), list(2), list(1)];
    let (way, what) = tried.told(&list(3));
    assert_eq!(way, "less");
    assert!(what.contains("the budget `partner.order.day` is spent"), "{what}");
    for answer in &fits {
        let of = answer.header("x-request-id").unwrap();
        assert!(tried.tellings().iter().all(|(told, ..)| told != of));
    }
    list(1);
    let (_, what) = tried.told(&list(1));
    assert!(what.contains("the quota of `partner.day` is used up"), "{what}");
    assert_eq!(tried.counts().get("cannot_tell"), None);
    assert!(tried.next.exists());
}

/// How often answers of systems came to what under the other mappings.
fn mappings(tried: &Tried) -> BTreeMap<String, u64> {
    let text = tried.demo.admin(Method::GET, "/metrics").send().expect(200);
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("bramka_shadow_mappings_total{reason=\""));
    let pair = |line: &str| {
        let (reason, count) = line.split_once("\"} ").unwrap();
        (reason.to_owned(), count.parse().unwrap())
    };
    lines.map(pair).collect()
}

#[test]
fn what_another_mapping_makes_of_answers_on_live_traffic_is_told_by_the_names_of_fields() {
    let crm = |bundle: &Path| bundle.join("systems/crm.yaml");
    let tried = Tried::start(
        |_| {},
        |next| {
            // Samples would keep it from loading.
            let text = fs::read_to_string(crm(next)).unwrap();
            fs::write(crm(next), text.split_once("    samples:\n").unwrap().0).unwrap();
            edit(
                &crm(next),
                "website: properties.website",
                "website: { at: properties.phone, write: never }",
            );
        },
    );
    let demo = &tried.demo;
    // Of a system whose file is the same nothing is put aside.
    demo.get("/v1/orders?limit=3").send().expect(200);
    assert_eq!(mappings(&tried), BTreeMap::new());
    let listed = demo.get("/v1/customers?limit=5").send().expect(200);
    let (way, what) = tried.told(&listed);
    assert_eq!(way, "mapping");
    let told = "Customer of crm: `website` comes out otherwise; the system is asked by another `properties`";
    assert!(
        what.starts_with("Customer of crm: ") && what.contains("`website` comes out otherwise"),
        "{what}"
    );
    assert!(what.contains("the system is asked by another `properties`"), "{told}: {what}");
    assert!(mappings(&tried)["differs"] >= 1);
    let phone = listed.items().iter().find_map(|item| item["phones"][0]["value"].as_str().map(str::to_owned));
    let phone = phone.expect("somebody has a phone");
    let (journal, log) = (format!("{:?}", tried.tellings()), demo.stderr());
    assert!(!journal.contains(&phone) && !log.contains(&phone), "no value is told");
    assert!(listed.items().iter().all(|item| item["website"] != json!(phone)), "no answer is another");
    // A record by its id is mapped again too; what was told is told no more, and counted.
    let before = mappings(&tried)["differs"];
    let id = listed.items()[0]["id"].as_str().unwrap().to_owned();
    demo.get(&format!("/v1/customers/{id}")).send().expect(200);
    until("it is counted", || mappings(&tried)["differs"] > before);
    // One that cannot read the answer.
    let text = fs::read_to_string(crm(&tried.next)).unwrap();
    fs::write(crm(&tried.next), text.replace("rows: results", "rows: result")).unwrap();
    until("the answer cannot be read", || {
        demo.get("/v1/customers?limit=5").send().expect(200);
        tried
            .tellings()
            .iter()
            .any(|(_, way, what)| way == "mapping" && what.contains("the answer cannot be read"))
    });
    // One that finds no key in a record.
    fs::write(crm(&tried.next), text.replace("key: { at: id,", "key: { at: nowhere,")).unwrap();
    until("a record is refused", || {
        demo.get("/v1/customers?limit=5").send().expect(200);
        let told = |(_, way, what): &(String, String, String)| {
            way == "mapping" && what.contains("a record is refused: the row has no key")
        };
        tried.tellings().iter().any(told)
    });
}
