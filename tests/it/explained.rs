//! Why a decision came out as it did, asked of a running gate: the same as the command line tells, by the bundle in force.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use crate::{
    admin, book,
    kit::{Answer, Ask, Demo, Who, until},
};

/// A fresh operator's token.
fn operator(demo: &Demo, role: &str) -> String {
    let ran = demo.verb(&["token", "issue", "--admin", role, "--role", role]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.trim().to_owned()
}

fn by<'a>(ask: Ask<'a>, token: &str) -> Ask<'a> {
    ask.by(Who::Nobody).with("authorization", format!("Bearer {token}"))
}

struct Auditor<'a>(&'a Demo, String);

impl Auditor<'_> {
    fn describe(&self, described: &Value) -> Answer {
        by(self.0.admin(Method::POST, "/api/explain"), &self.1).json(described).send()
    }

    fn made(&self, request: &str) -> Answer {
        by(self.0.admin(Method::GET, &format!("/api/explain/{request}")), &self.1).send()
    }
}

/// What the command line tells of the same over the same files.
fn told_by_files(demo: &Demo, args: &[&str]) -> Value {
    let policies = demo.policies();
    let mut all = vec!["policy", "explain", "--json", "--policies", policies.to_str().unwrap()];
    all.extend(args);
    let ran = demo.run(&all);
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_running_gate_tells_of_a_described_request_what_the_command_line_tells() {
    let demo = Demo::start();
    let auditor = Auditor(&demo, operator(&demo, "audit"));
    let at = "2026-01-05T12:00:00Z";
    let partner = "Partner/acme-portal";
    for (args, described) in [
        (
            vec!["--as", partner, "--action", "read", "--entity", "Order", "--without-tls"],
            json!({ "as": partner, "action": "read", "entity": "Order", "without_tls": true }),
        ),
        (
            vec!["--as", partner, "--action", "list", "--entity", "Order", "--token-age", "60"],
            json!({ "as": partner, "action": "list", "entity": "Order", "token_age": 60 }),
        ),
        (
            vec![
                "--as",
                "App/shop-backend",
                "--action",
                "call",
                "--system",
                "erp",
                "--path",
                "/items",
                "--method",
                "PUT",
                "--bytes",
                "9",
                "--purpose",
                "x",
            ],
            json!({
                "as": "App/shop-backend", "action": "call", "system": "erp", "path": "/items", "method": "PUT",
                "bytes": 9, "purpose": "x",
            }),
        ),
        (
            vec!["--as", "User/mila", "--action", "list", "--entity", "Customer", "--group", "staff"],
            json!({ "as": "User/mila", "action": "list", "entity": "Customer", "group": ["staff"] }),
        ),
    ] {
        let mut args = args;
        args.extend(["--at", at]);
        let mut described = described;
        described["at"] = at.into();
        let told = auditor.describe(&described).expect(200).json();
        assert_eq!(told, told_by_files(&demo, &args), "{described}");
    }
    // Who asked for what, about whom: an entry that names nobody.
    let entries = book::entries(&demo.data());
    let acts: Vec<&Value> = entries.iter().filter(|entry| entry["act"] == "explain").collect();
    assert_eq!(acts.len(), 4);
    assert_eq!(acts[0]["by"], "admin:audit");
    assert!(!json!(acts).to_string().contains("acme"), "{acts:?}");
}

#[test]
fn a_record_is_judged_as_it_is_written_and_its_pseudonyms_are_nobodys() {
    let demo = Demo::start();
    let auditor = Auditor(&demo, operator(&demo, "audit"));
    let record = json!({ "id": "1", "customer": "20000", "status": "open", "email": "jan@acme.example" });
    let read = json!({ "as": "Partner/acme-portal", "action": "read", "entity": "Order", "record": record });
    let told = auditor.describe(&read).expect(200).json();
    assert_eq!(told["outcome"], "permitted", "{told}");
    assert_eq!(told["on_record"]["shown"]["email"], "j***@acme.example", "{told}");
    let mut other = read.clone();
    other["record"]["customer"] = "10000".into();
    assert_eq!(auditor.describe(&other).expect(200).json()["on_record"]["outcome"], "hidden");
    // An id that callers see is the same record as its key in the system.
    let order = demo.get("/v1/orders?limit=1&filter=status%20eq%20'open'").send();
    let order = if order.status == 200 { order } else { demo.get("/v1/orders?limit=1").send() };
    let seen = order.expect(200).json()["items"][0].clone();
    let mut as_seen = read;
    as_seen["as"] = "App/shop-backend".into();
    as_seen["record"] = json!({ "id": seen["id"], "status": "open" });
    let told = auditor.describe(&as_seen).expect(200).json();
    assert_eq!(told["on_record"]["shown"]["id"], seen["id"], "{told}");
    // Whose a pseudonym is cannot be found out by asking for those of everybody.
    let issued = demo.verb(&["token", "issue", "--kind", "App", "--id", "bi-export", "--ttl", "1h"]);
    let reports = by(demo.get("/v1/customers?limit=1"), issued.out.trim()).send().expect(200).json();
    let pseudonym = reports["items"][0]["id"].as_str().unwrap();
    assert!(pseudonym.starts_with('~'), "{reports}");
    let all = demo.get("/v1/customers?limit=20").send().expect(200).json();
    for one in all["items"].as_array().unwrap() {
        let record = json!({ "id": one["id"], "kind": one["kind"], "name": "x" });
        let asked =
            json!({ "as": "App/bi-export", "action": "list", "entity": "Customer", "record": record });
        let told = auditor.describe(&asked).expect(200).json();
        let shown = told["on_record"]["shown"]["id"].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(shown.starts_with('~') && shown != pseudonym, "{told}");
    }
}

#[test]
fn the_bundle_in_force_explains_while_the_files_are_broken() {
    let demo = Demo::start();
    let auditor = Auditor(&demo, operator(&demo, "audit"));
    let described = json!({ "as": "Partner/acme-portal", "action": "read", "entity": "Order" });
    let names = |told: &Value| -> Vec<String> {
        let all = told["statements"].as_array().unwrap_or_else(|| panic!("{told}"));
        all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let before = names(&auditor.describe(&described).expect(200).json());
    fs::write(demo.policies().join("access/more.cedar"), "@id(\"more\") @feilds permit").unwrap();
    demo.admin(Method::POST, "/api/reload").send().expect(422);
    assert_eq!(names(&auditor.describe(&described).expect(200).json()), before);
    let good = "@id(\"no-partners\")\nforbid (principal is Partner, action, resource is Order);\n";
    fs::write(demo.policies().join("access/more.cedar"), good).unwrap();
    until("the new bundle serves", || {
        let told = auditor.describe(&described).expect(200).json();
        names(&told).contains(&"no-partners".to_owned()) && told["outcome"] == "refused"
    });
}

#[test]
fn a_refused_caller_has_the_id_and_the_operator_the_explanation_by_the_bundle_that_decided() {
    let demo = Demo::start();
    let auditor = Auditor(&demo, operator(&demo, "audit"));
    let refused = demo.get("/v1/customers?limit=1").by(Who::Partner).send().refused(403);
    let request = refused.header("x-request-id").unwrap().to_owned();
    assert_eq!(refused.json()["request_id"], request);
    let told = auditor.made(&request).expect(200).json();
    let station = &told[0];
    assert_eq!(station["entry"]["refusal"], "forbidden", "{told}");
    assert_eq!(station["who"], "Partner/acme-portal");
    assert_eq!(station["by_the_bundle_that_decided"], true);
    assert_eq!(station["explanation"]["outcome"], "refused");
    let by_files = demo.verb(&["policy", "explain", "--json", "--request-id", &request]);
    assert_eq!(told, serde_json::from_str::<Value>(&by_files.out).unwrap(), "{by_files:?}");
    // Under another bundle it is still told by the one that decided.
    let open = "@id(\"partners-see-customers\")\n@fields(\"*\")\npermit (principal is Partner, action == Action::\"list\", resource is Customer);\n";
    fs::write(demo.policies().join("access/more.cedar"), open).unwrap();
    until("the new bundle serves", || {
        demo.get("/v1/customers?limit=1").by(Who::Partner).send().status == 200
    });
    assert_eq!(auditor.made(&request).expect(200).json()[0]["explanation"], station["explanation"]);
    let readings = book::entries(&demo.data());
    let about = format!("explanation of the exchange {request}");
    let readings: Vec<&Value> = readings
        .iter()
        .filter(|entry| entry["act"] == "journal-read" && entry.to_string().contains(&about))
        .collect();
    assert_eq!(readings.iter().filter(|entry| entry["by"] == "admin:audit").count(), 2, "{readings:?}");
}

#[test]
fn explanations_are_for_auditors_bounded_and_of_what_there_is() {
    let demo = Demo::start();
    let auditor = Auditor(&demo, operator(&demo, "audit"));
    let described = json!({ "as": "Partner/acme-portal", "action": "read", "entity": "Order" });
    let nothing = format!("/api/explain/{}", "0".repeat(32));
    for role in ["read", "issue", "operate"] {
        let token = operator(&demo, role);
        by(demo.admin(Method::POST, "/api/explain"), &token).json(&described).send().refused(403);
        by(demo.admin(Method::GET, &nothing), &token).send().refused(403);
    }
    demo.admin(Method::POST, "/api/explain").by(Who::Nobody).json(&described).send().refused(401);
    auditor.made(&"0".repeat(32)).refused(404);
    auditor.made("nothing").refused(404);
    let wrong = |more: Value| {
        let mut described = described.clone();
        for (name, value) in more.as_object().unwrap() {
            described[name] = value.clone();
        }
        auditor.describe(&described).refused(422).json()["detail"].as_str().unwrap().to_owned()
    };
    for (more, why) in [
        (json!({ "as": "Partner/acme-portol" }), "acme-portal"),
        (json!({ "entity": "Ordr" }), "there is no entity `Ordr`"),
        (json!({ "action": "look" }), "expected read, list"),
        (json!({ "system": "erp" }), "`system` goes with `path`"),
        (json!({ "system": "erp", "path": "/x" }), "goes with a system, the others with an entity"),
        (json!({ "change": {} }), "a change goes with the record"),
        (json!({ "record": { "colour": "red" } }), "`record/colour`"),
        (json!({ "color": 1 }), "unknown field `color`"),
        (json!({ "address": "here" }), "`here` is not an address"),
        (json!({ "group": ["nobody"] }), "nobody"),
    ] {
        let told = wrong(more);
        assert!(told.contains(why), "{why}: {told}");
    }
    let raw = |kind: &str, body: Vec<u8>| {
        by(demo.admin(Method::POST, "/api/explain"), &auditor.1).body(kind, body).send()
    };
    raw("text/plain", described.to_string().into()).refused(415);
    let large = format!(
        "POST /api/explain HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 262145\r\n\r\n",
        auditor.1
    );
    assert_eq!(admin::raw(&demo, &large), "HTTP/1.1 413 Payload Too Large");
    raw("application/json", b"{\"as\":\"Anonymous\",\"as\":\"Anonymous\",\"action\":\"read\"}".to_vec())
        .refused(422);
    by(demo.admin(Method::POST, "/api/explain?x=1"), &auditor.1).json(&described).send().refused(400);
    by(demo.admin(Method::GET, "/api/explain"), &auditor.1).send().refused(405);
    // So many a minute; who asks for more is turned away, and that is an entry.
    let often = (0..60).map(|_| auditor.describe(&described)).find(|answer| answer.status != 200).unwrap();
    let often = often.refused(429);
    assert!(often.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    let entries = book::entries(&demo.data());
    let turned = |reason: &str| {
        entries.iter().filter(|entry| entry["act"] == "refused" && entry.to_string().contains(reason)).count()
    };
    assert_eq!((turned("admin_role"), turned("admin_often")), (6, 1));
}
