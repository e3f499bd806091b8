//! Mailing: lists of people who may be written to. A stand-in answers as GetResponse does, for contacts: pages by number
//! with totals in header fields, filters by parameters it knows, a new contact that is accepted without a word, and
//! errors with a number and a message. The contacts are made up. Others answer as Mailchimp and as
//! HubSpot's marketing do.

mod hubspot;
mod mailchimp;

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    ground::{Gate, Subject, encoded},
    said::{nothing, said},
};

const TOKEN: &str = "api-key contract";
const CONTACTS: usize = 120;
const LIST: &str = "V";

const GETRESPONSE: Subject = Subject {
    name: "getresponse",
    file: "catalogue/getresponse.yaml",
    root: "/v3",
    secrets: &[("GETRESPONSE_TOKEN", TOKEN)],
    serves: &["subscriptions"],
    edits: &[],
    standin: || Arc::new(Lists(Mutex::new(contacts()))),
    gaps: &[],
};

/// The stand-in.
struct Lists(Mutex<Vec<Value>>);

fn contacts() -> Vec<Value> {
    let contact = |n: usize| {
        let list = [LIST, "W"][n % 2];
        json!({
            "contactId": format!("c{n}"), "name": format!("Ewa {n}"), "email": format!("ewa{n}@example.com"),
            "createdOn": "2026-02-12T15:19:21+0000", "campaign": { "campaignId": list, "name": "news" },
        })
    };
    (0..CONTACTS).map(contact).collect()
}

fn wrong(status: u16, code: u32, message: &str) -> Response<Bytes> {
    let body = json!({ "httpStatus": status, "code": code, "codeDescription": message, "message": message, "uuid": "5f2c" });
    said(status, &body)
}

impl Answers for Lists {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("x-auth-token") != Some(TOKEN) {
            return wrong(401, 1014, "Unable to authenticate request");
        }
        let mut contacts = self.0.lock();
        match (&ask.method, ask.path.strip_prefix("/v3/contacts")) {
            (&Method::GET, Some("")) => {
                let there: Vec<_> =
                    contacts.iter().filter(|one| one.get("unconfirmed").is_none()).cloned().collect();
                // The person reads the mail once somebody has looked in vain.
                contacts.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("unconfirmed")));
                listed(&there, &ask.query)
            }
            (&Method::GET, Some(rest)) => {
                let found = contacts.iter().find(|one| rest.strip_prefix('/') == one["contactId"].as_str());
                found.map_or_else(|| wrong(404, 1013, "Resource not found"), |one| said(200, one))
            }
            (&Method::POST, Some("")) => {
                let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
                let (Some(email), Some(list)) =
                    (body["email"].as_str(), body["campaign"]["campaignId"].as_str())
                else {
                    return wrong(400, 1000, "General error of validation process");
                };
                if !email.contains('@') {
                    return wrong(400, 1000, "Contact email is not valid");
                }
                let is_same = |one: &Value| one["email"] == email && one["campaign"]["campaignId"] == list;
                if contacts.iter().any(is_same) {
                    return wrong(409, 1008, "Contact already added");
                }
                let id = format!("n{}", contacts.len());
                contacts.push(json!({ "contactId": id, "email": email, "name": body["name"], "createdOn": "2026-03-01T00:00:00+0000",
                    "unconfirmed": true, "campaign": { "campaignId": list, "name": "news" } }));
                nothing(202)
            }
            _ => wrong(404, 1013, "Resource not found"),
        }
    }
}

fn listed(contacts: &[Value], query: &str) -> Response<Bytes> {
    let (mut page, mut size, mut kept) = (1, 100, contacts.to_vec());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (name, value) = pair
            .split_once('=')
            .map_or((decode(pair), String::new()), |(name, value)| (decode(name), decode(value)));
        match name.as_str() {
            "page" => page = value.parse().unwrap_or(0),
            "perPage" => size = value.parse().unwrap_or(0),
            // A part of the address finds it.
            "query[email]" => kept.retain(|one| one["email"].as_str().unwrap().contains(&value)),
            "query[name]" => kept.retain(|one| one["name"].as_str().unwrap().contains(&value)),
            "query[campaignId]" => kept.retain(|one| one["campaign"]["campaignId"] == *value),
            _ => return wrong(400, 1000, "Unknown parameter"),
        }
    }
    if page == 0 || !(1..=1000).contains(&size) {
        return wrong(400, 1000, "General error of validation process");
    }
    let rows: Vec<_> = kept.iter().skip((page - 1) * size).take(size).collect();
    let mut answer = said(200, &json!(rows));
    for (name, number) in
        [("totalcount", kept.len()), ("totalpages", kept.len().div_ceil(size)), ("currentpage", page)]
    {
        answer.headers_mut().insert(name, HeaderValue::from(number));
    }
    answer
}

#[test]
fn subscriptions_are_listed_to_their_end_and_found_by_address_and_list() {
    let gate = Gate::open(&GETRESPONSE);
    assert_eq!(gate.whole("/v1/subscriptions?limit=30").len(), CONTACTS);
    gate.system.forget();
    // The system finds more than was asked for; the caller gets what it asked for.
    let found = gate.whole(&format!("/v1/subscriptions?address={}", encoded("ewa1@example.com")));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["address"], &found[0]["state"]),
        (&json!("ewa1@example.com"), &json!("subscribed"))
    );
    assert!(
        gate.system.seen()[0].target.contains("query[email]=ewa1@example.com"),
        "{:?}",
        gate.system.seen()
    );
    assert_eq!(gate.whole("/v1/subscriptions?list.code=W").len(), CONTACTS / 2);
    assert_eq!(gate.get("/v1/subscriptions/c7").expect(200).json()["address"], "ewa7@example.com");
    gate.get("/v1/subscriptions/none").refused(404);
}

#[test]
fn a_new_subscription_is_accepted_and_one_that_is_there_is_not_made_twice() {
    let gate = Gate::open(&GETRESPONSE);
    let new = json!({ "address": "jan@example.com", "channel": "email", "state": "subscribed", "list": { "code": LIST }, "given_name": "Jan" });
    let accepted = gate.post("/v1/subscriptions", &new).expect(202);
    let sent: Value = serde_json::from_str(&gate.changes()[0].body).unwrap();
    assert_eq!(
        sent,
        json!({ "email": "jan@example.com", "name": "Jan", "campaign": { "campaignId": LIST } })
    );
    gate.post("/v1/subscriptions", &new).refused(409);
    // Nobody knows its key, so it is looked for by what it is: until the person has confirmed it, in vain.
    let location = accepted.header("location").unwrap().to_owned();
    gate.system.forget();
    gate.get(&location).expect(202);
    let looked = gate.system.seen()[0].target.clone();
    assert!(looked.contains("query[email]=jan@example.com&query[campaignId]=V"), "{looked}");
    let made = gate.get(&location).expect(200).json();
    assert_eq!((&made["address"], &made["given_name"]), (&json!("jan@example.com"), &json!("Jan")));
    gate.system.forget();
    assert_eq!(gate.get(&location).expect(200).json(), made);
    assert!(
        gate.system.seen().iter().all(|seen| seen.target.starts_with("/v3/contacts/n")),
        "it is read by its key"
    );
    // Nobody is brought in as something else than what the list makes of it, and nobody is put out by a program.
    let mut other = new;
    other["state"] = json!("unsubscribed");
    gate.post("/v1/subscriptions", &other).refused(422);
    let problem = gate.delete("/v1/subscriptions/c1").refused(405).json();
    assert!(problem["detail"].as_str().unwrap().contains("the person alone"), "{problem}");
}
