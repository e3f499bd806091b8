//! Mailchimp as it answers: audiences, and the members of each with the state of their subscription, whose `id` is worked out of the
//! address and whose `contact_id` stays; reports of what was sent; problem documents. The people are made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response, header};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{
    ground::{Gate, Subject, encoded},
    said::nothing,
};

const KEY: &str = "mc-secret-us3";
const MEMBERS: usize = 130;
const REPORTS: usize = 12;
const LIST: &str = "16ed227135";
/// Audiences, by their ids and names; most members are of the second.
const LISTS: [(&str, &str); 3] = [("0a1b2c3d4e", "Nobody yet"), (LIST, "Klienci"), ("9f8e7d6c5b", "Prasa")];
const PRESS: usize = 25;
const STATES: [&str; 5] = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"];

const MAILCHIMP: Subject = Subject {
    name: "mailchimp",
    file: "catalogue/mailchimp.yaml",
    root: "/3.0",
    secrets: &[("MAILCHIMP_KEY", KEY)],
    serves: &["customers", "subscriptions", "campaigns"],
    edits: &[],
    standin: || Arc::new(Audience(Mutex::new(State::new()))),
    gaps: &[],
};

struct Audience(Mutex<State>);

struct State {
    /// Ids and names of audiences.
    lists: Vec<(String, String)>,
    /// One that is not answered for.
    broken: Option<String>,
    members: Vec<Map<String, Value>>,
    trouble: Option<u16>,
}

/// What stands for the digest of an address.
fn digest(address: &str) -> String {
    let hash = address
        .to_lowercase()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:032x}")
}

fn contact(n: usize) -> String {
    format!("1c04b34d91df00d7a72b6d51{n:08x}")
}

fn report(n: usize) -> Value {
    json!({ "id": format!("58d6d0{n:04}"), "campaign_title": format!("Nowości {n}"), "type": "regular", "list_id": LIST, "list_is_active": true, "list_name": "Klienci",
        "subject_line": "Nowa mąka", "preview_text": "", "emails_sent": 100 + n, "abuse_reports": 0, "unsubscribed": 1, "send_time": "2026-05-21T19:10:48+00:00",
        "opens": { "opens_total": 7, "unique_opens": 5, "open_rate": 0.05, "last_open": "" } })
}

/// A problem document (RFC 7807).
fn wrong(status: u16, title: &str, detail: &str, errors: &Value) -> Response<Bytes> {
    let mut body = json!({ "type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status, "detail": detail, "instance": "0935713b-96cf" });
    if !errors.is_null() {
        body["errors"] = errors.clone();
    }
    answer(status, "application/problem+json; charset=utf-8", &body)
}

fn answer(status: u16, kind: &str, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, kind)
        .body(body.to_string().into())
        .unwrap()
}

fn done(body: &Value) -> Response<Bytes> {
    answer(200, "application/json; charset=utf-8", body)
}

fn missing() -> Response<Bytes> {
    wrong(404, "Resource Not Found", "The requested resource could not be found.", &Value::Null)
}

impl Answers for Audience {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        if let Some(switch) = ask.path.strip_prefix("/-/") {
            match switch.split_once('-') {
                Some(("lists", many)) => {
                    let many = many.parse().unwrap();
                    state.lists = (0..many).map(|n| (format!("{n:010x}"), format!("List {n}"))).collect();
                }
                Some(("drop", id)) => state.lists.retain(|(known, _)| known != id),
                Some(("broken", id)) => state.broken = Some(id.to_owned()),
                _ => state.trouble = switch.parse().ok(),
            }
            return nothing(204);
        }
        let secret = ask.header("authorization").and_then(|text| text.strip_prefix("Basic "));
        let secret =
            secret.and_then(|text| data_encoding::BASE64.decode(text.as_bytes()).ok()).unwrap_or_default();
        if String::from_utf8_lossy(&secret).split_once(':').is_none_or(|(_, key)| key != KEY) {
            return wrong(401, "API Key Invalid", "Your API key may be invalid.", &Value::Null);
        }
        match state.trouble {
            Some(429) => {
                let told = "You have exceeded the limit of 10 simultaneous connections.";
                return wrong(429, "Too Many Requests", told, &Value::Null);
            }
            Some(status) => return nothing(status),
            None => {}
        }
        if let Some(rest) = ask.path.strip_prefix("/3.0/lists") {
            return state.of_lists(ask, rest);
        }
        match (&ask.method, ask.path.strip_prefix("/3.0/reports")) {
            (&Method::GET, Some("")) => listed(ask, "reports", (0..REPORTS).map(report).collect()),
            (&Method::GET, Some(id)) => {
                let found =
                    (0..REPORTS).map(report).find(|report| report["id"] == id.trim_start_matches('/'));
                found.map_or_else(missing, |report| done(&report))
            }
            _ => missing(),
        }
    }
}

/// A page of ten unless more are asked for, a thousand at most.
fn listed(ask: &Ask, name: &str, mut rows: Vec<Value>) -> Response<Bytes> {
    let (mut offset, mut count) = (0, 10);
    for (key, value) in ask.pairs() {
        let number = value.parse::<usize>();
        match (key.as_str(), number) {
            ("offset", Ok(number)) => offset = number,
            ("count", Ok(number)) if number <= 1000 => count = number,
            ("fields", _) if value == format!("{name}.id,{name}.name,total_items") => {}
            ("status", _) if STATES.contains(&value.as_str()) => rows.retain(|row| row["status"] == *value),
            ("since_last_changed", _) => {
                rows.retain(|row| row["last_changed"].as_str().unwrap() > value.as_str())
            }
            _ => return wrong(400, "Invalid Resource", &format!("{key} is not known."), &Value::Null),
        }
    }
    let total = rows.len();
    let rows: Vec<_> = rows.into_iter().skip(offset).take(count).collect();
    done(&json!({ name: rows, "list_id": LIST, "total_items": total }))
}

impl State {
    fn new() -> Self {
        let member = |n: usize| {
            let address = format!("Ewa{n}@example.com");
            let list = if n < MEMBERS - PRESS { LIST } else { LISTS[2].0 };
            let member = json!({ "id": digest(&address), "email_address": address, "unique_email_id": format!("9b69{n:06}"), "contact_id": contact(n), "full_name": "Ewa Nowak",
                "status": STATES[n % 5], "consents_to_one_to_one_messaging": true, "merge_fields": { "FNAME": "Ewa", "LNAME": format!("Nowak {n}"), "ADDRESS": "", "PHONE": "", "COMPANY": "" },
                "ip_signup": "", "timestamp_signup": "", "ip_opt": "203.0.113.7", "timestamp_opt": "2026-05-21T18:04:00+00:00",
                "last_changed": format!("2026-05-{:02}T19:12:03+00:00", 1 + n % 20), "language": "", "vip": false, "list_id": list });
            member.as_object().unwrap().clone()
        };
        Self {
            members: (0..MEMBERS).map(member).collect(),
            trouble: None,
            broken: None,
            lists: LISTS.map(|(id, name)| (id.to_owned(), name.to_owned())).into(),
        }
    }

    /// What stands under `/lists`.
    fn of_lists(&mut self, ask: &Ask, rest: &str) -> Response<Bytes> {
        let parts: Vec<_> = rest.split('/').skip(1).collect();
        let lists = self.lists.clone();
        let is_known = |list: &str| lists.iter().any(|(id, _)| *id == list);
        if parts.first().is_some_and(|list| self.broken.as_deref() == Some(list)) {
            return nothing(500);
        }
        match parts.as_slice() {
            [] if ask.method == Method::GET => {
                let list = |(id, name): &(String, String)| json!({ "id": id, "web_id": 7, "name": name, "stats": { "member_count": 1 } });
                listed(ask, "lists", lists.iter().map(list).collect())
            }
            [list, "members"] if is_known(list) => self.members(ask, list),
            [list, "members", key] if is_known(list) => self.member(ask, list, key),
            _ => missing(),
        }
    }

    fn members(&mut self, ask: &Ask, list: &str) -> Response<Bytes> {
        match ask.method {
            Method::GET => {
                let kept = self.members.iter().filter(|member| member["status"] != "archived");
                let kept = kept.filter(|member| member["list_id"] == list);
                listed(ask, "members", kept.cloned().map(Value::Object).collect())
            }
            Method::POST => self.add(ask, list),
            _ => missing(),
        }
    }

    fn member(&mut self, ask: &Ask, list: &str, key: &str) -> Response<Bytes> {
        let same = |member: &Map<String, Value>| {
            member["list_id"] == list && (member["id"] == key || member["contact_id"] == key)
        };
        let Some(at) = self.members.iter().position(same) else { return missing() };
        match ask.method {
            Method::GET => done(&Value::Object(self.members[at].clone())),
            Method::DELETE => {
                self.members[at]["status"] = "archived".into();
                nothing(204)
            }
            Method::PATCH => match sent(ask) {
                Ok(mut sent) => {
                    if let Some(Value::Object(fields)) = sent.remove("merge_fields") {
                        self.members[at]["merge_fields"].as_object_mut().unwrap().extend(fields);
                    }
                    if let Some(address) = sent.get("email_address").and_then(Value::as_str) {
                        self.members[at]["id"] = digest(address).into();
                    }
                    self.members[at].extend(sent);
                    done(&Value::Object(self.members[at].clone()))
                }
                Err(refusal) => *refusal,
            },
            _ => missing(),
        }
    }

    fn add(&mut self, ask: &Ask, list: &str) -> Response<Bytes> {
        let sent = match sent(ask) {
            Ok(sent) => sent,
            Err(refusal) => return *refusal,
        };
        let (Some(address), Some(status)) =
            (sent.get("email_address").and_then(Value::as_str), sent.get("status").and_then(Value::as_str))
        else {
            return wrong(400, "Invalid Resource", "email_address and status are required.", &Value::Null);
        };
        if !STATES.contains(&status) {
            let errors = json!([{ "field": "status", "message": "Data did not match any of the schemas" }]);
            return wrong(400, "Invalid Resource", "The resource submitted could not be validated.", &errors);
        }
        let id = digest(address);
        if self.members.iter().any(|member| member["id"] == *id && member["list_id"] == list) {
            let told =
                format!("{address} is already a list member. Use PUT to insert or update list members.");
            return wrong(400, "Member Exists", &told, &Value::Null);
        }
        if address.starts_with("forgotten") {
            let told = format!("{address} was permanently deleted and cannot be re-imported.");
            return wrong(400, "Forgotten Email Not Subscribed", &told, &Value::Null);
        }
        let n = self.members.len();
        let mut member = self.members[0].clone();
        member.extend(sent.clone());
        let mut fields = json!({ "FNAME": "", "LNAME": "", "PHONE": "", "COMPANY": "" });
        let given = sent.get("merge_fields").and_then(Value::as_object).cloned().unwrap_or_default();
        fields.as_object_mut().unwrap().extend(given);
        member.insert("merge_fields".into(), fields);
        member.insert("id".into(), id.into());
        member.insert("list_id".into(), list.into());
        member.insert("contact_id".into(), contact(n).into());
        self.members.push(member.clone());
        done(&Value::Object(member))
    }
}

/// What was sent of a member, where it can be of one.
fn sent(ask: &Ask) -> Result<Map<String, Value>, Box<Response<Bytes>>> {
    let Some(Value::Object(sent)) = ask.json() else {
        return Err(Box::new(wrong(
            400,
            "JSON Parse Error",
            "We encountered an unspecified JSON parsing error.",
            &Value::Null,
        )));
    };
    let known = ["email_address", "status", "merge_fields", "language"];
    if let Some(name) = sent.keys().find(|name| !known.contains(&name.as_str())) {
        let errors = json!([{ "field": name, "message": "Schema describes no such field" }]);
        return Err(Box::new(wrong(
            400,
            "Invalid Resource",
            "The resource submitted could not be validated.",
            &errors,
        )));
    }
    let phone = sent.get("merge_fields").and_then(|fields| fields["PHONE"].as_str()).unwrap_or_default();
    if phone.contains(|c: char| c.is_alphabetic()) {
        let errors = json!([{ "field": "PHONE", "message": "Please enter a value" }]);
        return Err(Box::new(wrong(400, "Invalid Resource", "Your merge fields were invalid.", &errors)));
    }
    Ok(sent)
}

#[test]
fn whether_somebody_may_be_written_to_is_told_of_each_member() {
    let gate = Gate::open(&MAILCHIMP);
    let all = gate.whole("/v1/subscriptions?limit=30");
    assert_eq!(all.len(), MEMBERS);
    let of = |list: &str| all.iter().filter(|one| one["list"]["code"] == list).count();
    assert_eq!(LISTS.map(|(id, _)| of(id)), [0, MEMBERS - PRESS, PRESS], "the members of every audience");
    let states: Vec<_> = all.iter().take(5).map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["subscribed", "unsubscribed", "bounced", "pending", "non_subscribed"]);
    assert_eq!(all[0]["list"], json!({ "code": LIST, "name": "Klienci" }));
    let customers = gate.whole("/v1/customers?limit=100");
    let consents: Vec<_> = customers.iter().take(5).map(|one| one["consents"][0]["state"].clone()).collect();
    let want = ["granted", "withdrawn", "unknown", "pending", "unknown"];
    assert_eq!(consents, want.map(Value::from), "that nobody objected is no consent");
    gate.system.forget();
    assert_eq!(gate.whole("/v1/subscriptions?state=unsubscribed").len(), MEMBERS / 5);
    let seen = gate.system.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.target.contains("/members")).collect();
    assert!(
        !asked.is_empty() && asked.iter().all(|seen| seen.target.contains("status=unsubscribed")),
        "{seen:?}"
    );
    assert_eq!(gate.whole(&format!("/v1/subscriptions?address={}", encoded("Ewa7@example.com"))).len(), 1);
}

#[test]
fn an_audience_that_is_asked_for_is_the_only_one_that_is_looked_through() {
    let gate = Gate::open(&MAILCHIMP);
    let members = || {
        let seen = gate.system.seen().into_iter().map(|seen| seen.target);
        let lists =
            seen.filter_map(|target| Some(target.split("/lists/").nth(1)?.split('/').next()?.to_owned()));
        lists.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let of = |filter: &str| {
        gate.system.forget();
        (gate.whole(&format!("/v1/subscriptions?limit=40&{filter}")).len(), members())
    };
    assert_eq!(of("list.code=9f8e7d6c5b"), (PRESS, vec!["9f8e7d6c5b".to_owned()]));
    assert_eq!(of("list.name=Prasa"), (PRESS, vec!["9f8e7d6c5b".to_owned()]));
    assert_eq!(
        of("list.code[in]=0a1b2c3d4e,9f8e7d6c5b"),
        (PRESS, vec!["0a1b2c3d4e".into(), "9f8e7d6c5b".into()])
    );
    assert_eq!(of("list.code[ne]=16ed227135"), (PRESS, vec!["0a1b2c3d4e".into(), "9f8e7d6c5b".into()]));
    assert_eq!(of("list.code=none"), (0, Vec::new()), "no audience, no question");
    // A member is named with its audience; of another one there is no such member.
    let one = gate.whole("/v1/subscriptions?limit=1&list.name=Prasa").remove(0);
    let id = one["id"].as_str().unwrap();
    assert_eq!(gate.get(&format!("/v1/subscriptions/{}", encoded(id))).expect(200).json(), one);
    let contact = id.split_once(',').unwrap().1;
    for other in
        [format!("{LIST},{contact}"), format!("none,{contact}"), format!("..,{contact}"), contact.to_owned()]
    {
        gate.get(&format!("/v1/subscriptions/{}", encoded(&other))).refused(404);
    }
}

#[test]
fn more_audiences_than_a_list_runs_over_are_told_with_the_filter_that_chooses() {
    let gate = Gate::open(&MAILCHIMP);
    gate.switch("lists-101");
    let refused = gate.get("/v1/subscriptions").refused(400).json();
    assert!(
        refused.to_string().contains("say which are meant, by what `list.code` or `list.name` is equal to"),
        "{refused}"
    );
    assert!(gate.system.seen().iter().all(|seen| !seen.target.contains("/members")));
    assert_eq!(gate.get("/v1/subscriptions?list.name=List%20100").expect(200).items(), [Value::Null; 0]);
    gate.switch("lists-100");
    gate.get("/v1/subscriptions").expect(200);
}

#[test]
fn a_list_goes_on_where_it_was_whatever_becomes_of_the_audience() {
    let gate = Gate::open(&MAILCHIMP);
    let of = |page: &Value, key: &str| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["list"][key].as_str().unwrap().to_owned())
            .collect()
    };
    let first = gate.get("/v1/subscriptions?limit=40").expect(200).json();
    assert_eq!(of(&first, "code"), vec![LIST; 40]);
    let next = format!("/v1/subscriptions?limit=40&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(of(&gate.get(&next).expect(200).json(), "code"), vec![LIST; 40]);
    // The audience that it stood in is gone: the list goes on with the next one, from its first member.
    gate.switch(&format!("drop-{LIST}"));
    let on = gate.get(&next).expect(200).json();
    assert_eq!((of(&on, "code"), &on["next_cursor"]), (vec![LISTS[2].0.to_owned(); PRESS], &Value::Null));
    gate.switch(&format!("drop-{}", LISTS[2].0));
    let on = gate.get(&next).expect(200).json();
    assert_eq!((of(&on, "code"), &on["next_cursor"]), (Vec::new(), &Value::Null));
}

#[test]
fn an_audience_that_is_not_answered_for_refuses_the_list_and_is_not_overlooked() {
    let gate = Gate::open(&MAILCHIMP);
    gate.switch(&format!("broken-{}", LISTS[2].0));
    gate.get("/v1/subscriptions?limit=200").refused(502);
    // What was full before it is told; behind it the list does not end.
    let first = gate.get("/v1/subscriptions?limit=10").expect(200).json();
    assert!(first["next_cursor"].is_string());
    assert_eq!(gate.whole(&format!("/v1/subscriptions?list.code={LIST}")).len(), MEMBERS - PRESS);
    // Sorted by the gate all of them are needed.
    gate.get("/v1/subscriptions?limit=10&sort=address").refused(502);
}

#[test]
fn members_of_all_audiences_stand_in_one_order() {
    let gate = Gate::open(&MAILCHIMP);
    let all = gate.whole("/v1/subscriptions?limit=50&sort=-address&state=subscribed");
    let told: Vec<_> = all.iter().map(|one| one["address"].as_str().unwrap().to_owned()).collect();
    let mut want = told.clone();
    want.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((told.len(), &told), (MEMBERS / 5, &want));
}

#[test]
fn a_new_member_goes_to_the_audience_that_it_names() {
    let gate = Gate::open(&MAILCHIMP);
    let new = json!({ "address": "prasa@example.com", "channel": "email", "state": "pending", "list": { "code": "9f8e7d6c5b" } });
    let made = gate.post("/v1/subscriptions", &new).expect(201).json();
    assert_eq!(made["list"], json!({ "code": "9f8e7d6c5b", "name": "Prasa" }));
    assert!(made["id"].as_str().unwrap().starts_with("9f8e7d6c5b,"), "{made}");
    let sent = gate.changes().remove(0);
    assert!(sent.target.ends_with("/lists/9f8e7d6c5b/members"), "{}", sent.target);
    let path = format!("/v1/subscriptions/{}", encoded(made["id"].as_str().unwrap()));
    assert_eq!(gate.get(&path).expect(200).json(), made);
    gate.patch(&path, &json!({ "list": { "code": LIST } })).refused(422);
}

#[test]
fn a_member_keeps_its_id_when_its_address_changes() {
    let gate = Gate::open(&MAILCHIMP);
    let path = format!("/v1/customers/{LIST},{}", contact(7));
    let before = gate.get(&path).expect(200).json();
    gate.system.forget();
    let changed =
        gate.patch(&path, &json!({ "emails": [{ "value": "lis@example.com" }] })).expect(200).json();
    let sent: Value = serde_json::from_str(&gate.changes()[0].body).unwrap();
    assert_eq!(sent, json!({ "email_address": "lis@example.com" }));
    assert_eq!((&changed["id"], &changed["family_name"]), (&before["id"], &before["family_name"]));
    assert_eq!(gate.get(&path).expect(200).json()["emails"][0]["value"], "lis@example.com");
    gate.get("/v1/customers/none").refused(404);
}

#[test]
fn a_new_member_is_what_it_is_said_to_be_and_a_state_is_never_changed() {
    let gate = Gate::open(&MAILCHIMP);
    let new =
        json!({ "address": "jan@example.com", "channel": "email", "state": "pending", "given_name": "Jan" });
    let made = gate.post("/v1/subscriptions", &new).expect(201).json();
    let sent: Value = serde_json::from_str(&gate.changes()[0].body).unwrap();
    assert_eq!(
        sent,
        json!({ "email_address": "jan@example.com", "status": "pending", "merge_fields": { "FNAME": "Jan" } })
    );
    let path = format!("/v1/subscriptions/{}", encoded(made["id"].as_str().unwrap()));
    gate.system.forget();
    gate.patch(&path, &json!({ "state": "subscribed" })).refused(422);
    assert_eq!(gate.changes(), []);
    // Whoever is made as a customer is asked first.
    gate.post(
        "/v1/customers",
        &json!({ "kind": "person", "name": "ola@example.com", "emails": [{ "value": "ola@example.com" }] }),
    )
    .expect(201);
    let sent: Value = serde_json::from_str(&gate.changes()[0].body).unwrap();
    assert_eq!(sent["status"], "pending");
    let one = gate.whole(&format!("/v1/customers?emails.value={}", encoded("ola@example.com")));
    assert_eq!(one[0]["consents"], json!([{ "channel": "email", "state": "pending" }]));
    gate.delete(&path).refused(405);
    let told = gate.post(
        "/v1/subscriptions",
        &json!({ "address": "x@example.com", "channel": "sms", "state": "pending" }),
    );
    assert_eq!(told.refused(422).json()["errors"][0]["pointer"], "/channel");
}

#[test]
fn problems_are_told_by_their_titles_and_point_into_what_was_sent() {
    let gate = Gate::open(&MAILCHIMP);
    let person = |address: &str, phone: &str| json!({ "kind": "person", "name": address, "emails": [{ "value": address }], "phones": [{ "value": phone }] });
    gate.post("/v1/customers", &person("ewa1@example.com", "1")).refused(409);
    let problem = gate.post("/v1/customers", &person("jan@example.com", "none")).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/phones/0/value", "{problem}");
    assert!(
        !problem.to_string().contains("Please enter"),
        "the system's own words are the operator's: {problem}"
    );
    let problem = gate.post("/v1/customers", &person("forgotten@example.com", "1")).refused(422).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/business-rule"), "{problem}");
}

#[test]
fn too_many_questions_are_told_as_that_whatever_the_status() {
    let gate = Gate::open(&MAILCHIMP);
    for status in ["429", "403"] {
        gate.switch(status);
        let limited = gate.get("/v1/customers?limit=1").refused(503);
        assert!(limited.header("retry-after").is_some(), "{status}");
    }
}

#[test]
fn what_was_sent_is_listed_with_how_many_it_went_to() {
    let gate = Gate::open(&MAILCHIMP);
    let all = gate.whole("/v1/campaigns?limit=5");
    assert_eq!(all.len(), REPORTS);
    let want = json!({ "id": "58d6d00003", "name": "Nowości 3", "channel": "email", "status": "sent", "subject": "Nowa mąka", "list": { "code": LIST, "name": "Klienci" },
        "recipients": 103, "starts_at": "2026-05-21T19:10:48Z" });
    assert_eq!(gate.get("/v1/campaigns/58d6d00003").expect(200).json(), want);
    gate.post("/v1/campaigns", &json!({ "name": "x", "channel": "email" })).refused(405);
}
