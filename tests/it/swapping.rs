//! The records of two systems side by side: `bramka systems compare --live` over two stand-ins with dialects of their
//! own.

use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use bramka::demo::{
    crm::Crm,
    standin::{self, Answers, Ask, StandIn, Trouble},
};
use bytes::Bytes;
use http::{Response, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    book,
    kit::{Ran, root, runtime},
    stage::Stage,
};

/// The token that stages give the CRM.
const TOKEN: &str = "pat-stage-5d0e";

const NEW: &str = r#"
sign_in: { header: { name: X-Key, value: "${env:BC_TOKEN}" } }
allow_local: true
absent: { any: [""] }
filters:
  mail: { shape: flat, text: loosely, fields: { mail: { eq: mail } } }
entities:
  Customer:
    at: /people
    key: uid
    list: { rows: records, filter: mail, page: { offset: from, size: size, most: 2, total: total } }
    fields:
      kind: =person
      given_name: first
      family_name: last
      name: { join: [first, last] }
      emails[0].value: mail
      phones: [ { type: =work, value: phone } ]
"#;

/// A new CRM that speaks otherwise.
struct People(Vec<Value>);

impl Answers for People {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        assert_eq!((ask.method.as_str(), &*ask.path), ("GET", "/api/people"), "nothing else is asked for");
        assert!(ask.header("x-key").is_some_and(|key| !key.is_empty()));
        let pairs = ask.pairs();
        let of = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let fits = |row: &&Value| {
            of("mail").is_none_or(|mail| row["mail"].as_str().unwrap().eq_ignore_ascii_case(&mail))
        };
        let all: Vec<&Value> = self.0.iter().filter(fits).collect();
        let number = |name: &str| of(name).map_or(0, |text| text.parse::<usize>().unwrap());
        let rows: Vec<&&Value> = all.iter().skip(number("from")).take(number("size")).collect();
        let body = json!({ "records": rows, "total": all.len() }).to_string();
        Response::builder().header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
    }
}

fn contact(first: &str, last: &str, mail: &str, phone: &str) -> Vec<(&'static str, String)> {
    [("firstname", first), ("lastname", last), ("email", mail), ("phone", phone)]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

fn person(uid: &str, first: &str, last: &str, mail: &str, phone: &str) -> Value {
    json!({ "uid": uid, "first": first, "last": last, "mail": mail, "phone": phone })
}

/// A gate's folders, its gate stopped, and two CRMs.
struct Ground {
    stage: Stage,
    old: StandIn,
    new: StandIn,
    _running: oneshot::Sender<()>,
}

impl Ground {
    fn open(edit: impl FnOnce(&Path)) -> Self {
        let contacts = vec![
            contact("Ewa", "Nowak", "ewa@example.com", "+48 22 555 01 01"),
            contact("Jan", "Kowal", "jan@example.com", ""),
            contact("Zofia", "Lis", "zofia@example.com", ""),
            contact("Bez", "Adresu", "", ""),
        ];
        let people = vec![
            person("p-2", "Jan", "Kowal", "jan@example.com", ""),
            person("p-3", "Nowa", "Osoba", "nowa@example.com", ""),
            person("p-1", "Ewa", "Nowak", "EWA@example.com", "48225550101"),
        ];
        let (running, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let old = standin::start(0, Crm::new(TOKEN, contacts)).await.unwrap();
                let new = standin::start(0, Arc::new(People(people))).await.unwrap();
                tell.send((old, new)).unwrap();
                drop(stopped.await);
            });
        });
        let (old, new) = told.recv().unwrap();
        let mut stage = Stage::open(|policies| {
            describe(policies, &old, &new);
            edit(policies);
        });
        assert_eq!(stage.stop(), 0);
        Self { stage, old, new, _running: running }
    }

    fn compare(&self, old: &str, new: &str, more: &[&str]) -> Ran {
        let args =
            ["systems", "compare", old, new, "--collection", "customers", "--live", "--per-second", "50"];
        self.stage.verb(&[&args[..], more].concat())
    }

    fn told(&self, more: &[&str]) -> Value {
        let ran = self.compare("crm-old", "crm-new", &[&["--json"], more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        serde_json::from_str::<Value>(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))["live"].clone()
    }

    /// How many requests both had.
    fn asked(&self) -> usize {
        self.old.seen().len() + self.new.seen().len()
    }
}

/// Files of the two, and which secrets are theirs. Neither serves anything.
fn describe(policies: &Path, old: &StandIn, new: &StandIn) {
    let file = |name: &str, text: String| fs::write(policies.join("systems").join(name), text).unwrap();
    let shipped = fs::read_to_string(root().join("policies/systems/crm.yaml")).unwrap();
    let at = format!("base: \"http://{}\"\nallow_local: true", old.address);
    let text = shipped.replace("system: crm\n", "system: crm-old\n");
    file("crm-old.yaml", text.replace("base: https://api.hubapi.com", &at));
    let text = format!("system: crm-new\nbase: \"http://{}/api\"\n{NEW}", new.address);
    let lent = text.replace("system: crm-new", "system: crm-lent").replace(
        "{ header: { name: X-Key, value: \"${env:BC_TOKEN}\" } }",
        "{ oauth2: { token_url: \"http://127.0.0.1:9/token\", client_id: gate, grant: refresh_token, refresh_token: \
         \"${env:BC_TOKEN}\" } }",
    );
    file("crm-new.yaml", text);
    file("crm-lent.yaml", lent);
    let gateway = policies.join("gateway.yaml");
    let text = fs::read_to_string(&gateway).unwrap();
    let assigned = "  crm-old: [HUBSPOT_TOKEN]\n  crm-new: [BC_TOKEN]\n  crm-lent: [BC_TOKEN]\n";
    fs::write(gateway, text.replace("  erp: [BC_TOKEN]\n", &format!("  erp: [BC_TOKEN]\n{assigned}")))
        .unwrap();
}

fn ids<'a>(seen: &'a Value, what: &str) -> Vec<&'a str> {
    seen[what].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn two_systems_are_compared_record_by_record_and_only_looked_at() {
    let ground = Ground::open(|_| {});
    let pairs = ground.stage.data().join("pairs.csv");
    let told = ground.told(&["--pairs", pairs.to_str().unwrap()]);
    // What both tell: the VAT number only one of them has.
    assert_eq!(told["keys"], json!(["emails.value"]));
    let [old, new] = [&told["old"], &told["new"]];
    assert_eq!((&old["records"], &old["whole"], &new["records"]), (&4.into(), &true.into(), &3.into()));
    assert_eq!(ids(old, "only"), ["701000000075"]);
    assert_eq!(ids(old, "unkeyed"), ["701000000112"]);
    assert_eq!(ids(new, "only"), ["p-3"]);
    assert_eq!((&told["paired"], &told["same"]), (&2.into(), &1.into()));
    // Whose they are is not told unless it is asked for; nor are keys of other records compared.
    let ewa = &told["records"][0];
    assert_eq!((&ewa["old"], &ewa["new"]), (&"701000000001".into(), &"p-1".into()));
    let mask = |how: &str, field: &str| json!({ "field": field, "how": how, "old": "***", "new": "***" });
    assert_eq!(ewa["differences"], json!([mask("case", "emails.value"), mask("signs", "phones.value")]));
    assert_eq!(told["fields"][1], json!({ "field": "phones.value", "differ": { "signs": 1 } }));
    assert!(!told.to_string().contains("example.com"), "{told:#}");
    let shown = ground.told(&["--show-values", "--ignore", "phones"]);
    let difference =
        json!({ "field": "emails.value", "how": "case", "old": "ewa@example.com", "new": "EWA@example.com" });
    assert_eq!(shown["records"][0]["differences"], json!([difference]));

    let ran = ground.compare("crm-old", "crm-new", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "records, paired by emails.value",
        "  crm-old: 4 were looked at",
        "    1 only there: 701000000075",
        "    1 have no key: 701000000112",
        "  both have 2, of which 1 are the same",
        "  phones.value: 1 signs",
        "  701000000001 → p-1",
        "    phones.value: *** → *** (signs)",
    ] {
        assert!(ran.out.lines().any(|known| known == line), "{line}\n{}", ran.out);
    }
    assert!(ran.out.lines().last().unwrap().ends_with(" the same"), "{ran:?}");
    // The keys go into the crosswalk as they are.
    assert_eq!(fs::read_to_string(pairs).unwrap(), "701000000001,p-1\n701000000038,p-2\n");
    // Reading calls alone, whoever counts them: the new one refuses others itself.
    let is_reading = |seen: &standin::Seen| seen.method == "GET" || seen.target.ends_with("/search");
    assert!(ground.old.seen().iter().all(is_reading), "{:?}", ground.old.seen());
    let entries = book::entries(&ground.stage.data());
    let acts: Vec<&Value> = entries.iter().filter(|entry| entry["act"] == "systems-read").collect();
    assert_eq!(acts.len(), 3);
    assert!(acts[0]["by"].as_str().unwrap().starts_with("cli:"), "{acts:?}");
    assert!(acts[0].to_string().contains("customers of `crm-old` beside those of `crm-new`"), "{acts:?}");
}

#[test]
fn a_system_beside_itself_is_the_same() {
    let ground = Ground::open(|_| {});
    let ran = ground.compare("crm-old", "crm-old", &["--key", "id", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&told["live"]["paired"], &told["live"]["same"]), (&4.into(), &4.into()));
    // Who has no address has no key in the schema's sense, so nobody knows whether it is the same.
    let ran = ground.compare("crm-old", "crm-old", &["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn what_was_not_read_is_asked_for_by_its_key_and_else_is_not_called_missing() {
    let ground = Ground::open(|_| {});
    let told = ground.told(&["--most", "1"]);
    // One has Ewa first, the other Jan: each is asked for in the other.
    assert_eq!((&told["paired"], &told["old"]["whole"]), (&2.into(), &false.into()));
    assert_eq!((ids(&told["old"], "only"), ids(&told["old"], "unknown")), (vec![], vec![]));
    let by_mail = ground.new.seen().into_iter().filter(|seen| seen.target.contains("mail=ewa@example.com"));
    assert_eq!(by_mail.count(), 1);
    // Of three the third is not there, and that is known.
    let told = ground.told(&["--most", "3", "--key", "emails.value"]);
    assert_eq!(ids(&told["old"], "only"), ["701000000075"]);

    let ground = Ground::open(|policies| {
        let file = policies.join("systems/crm-new.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace(" filter: mail,", "")).unwrap();
    });
    let told = ground.told(&["--most", "1"]);
    assert_eq!((&told["paired"], ids(&told["old"], "unknown")), (&1.into(), vec!["701000000001"]));
    assert_eq!(ids(&told["old"], "only"), Vec::<&str>::new());
}

#[test]
fn what_cannot_be_looked_at_is_an_error_and_no_difference() {
    let ground = Ground::open(|_| {});
    let refused = |old: &str, new: &str, more: &[&str], why: &str| {
        let ran = ground.compare(old, new, more);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.out.is_empty() && ran.err.contains(why), "{why}: {ran:?}");
    };
    let before = ground.asked();
    refused("crm-old", "crm-lent", &[], "refresh token");
    refused("crm-old", "shopify", &[], "`shopify` is not in `systems/`");
    refused("crm-old", "crm-new", &["--key", "emails"], "`emails` is no field");
    refused("crm-old", "crm-new", &["--key", "vat_id"], "not told by both systems");
    refused("crm-old", "crm-new", &["--ignore", "phnes"], "did you mean `phones");
    assert_eq!(ground.asked(), before, "nobody is asked for what is not done");
    for trouble in [Trouble::Answer(503, String::new()), Trouble::HangUp] {
        ground.new.trouble(Some(trouble));
        refused("crm-old", "crm-new", &["--json"], "`crm-new` could not be looked at");
    }
    ground.new.trouble(None);
    ground.old.trouble(Some(Trouble::Answer(401, "{}".to_owned())));
    refused("crm-old", "crm-new", &[], "`crm-old` could not be looked at");
    ground.old.trouble(None);

    let before = ground.asked();
    fs::rename(ground.stage.data().join("keys/journal"), ground.stage.data().join("keys/elsewhere")).unwrap();
    refused("crm-old", "crm-new", &[], "no system is asked for what the journal cannot say");
    assert_eq!(ground.asked(), before);
    // Without `--live` its words mean nothing.
    let args = ["systems", "compare", "crm-old", "crm-new", "--collection", "customers", "--show-values"];
    assert_eq!(ground.stage.verb(&args).code, 2);
}
