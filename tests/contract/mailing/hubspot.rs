//! HubSpot marketing as it answers: e-mails in pages by a cursor, and what addresses are subscribed to, asked for in a
//! batch. Everything is made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use crate::{
    ground::{Gate, Subject, encoded},
    said::said,
};

const TOKEN: &str = "pat-marketing-1";
const EMAILS: usize = 43;

const HUBSPOT: Subject = Subject {
    name: "hubspot-marketing",
    file: "catalogue/hubspot-marketing.yaml",
    root: "",
    secrets: &[("HUBSPOT_MARKETING_TOKEN", TOKEN)],
    serves: &["campaigns", "subscriptions"],
    edits: &[],
    standin: || Arc::new(Marketing),
    gaps: &[],
};

struct Marketing;

fn refused(status: u16, category: &str, message: &str) -> Response<Bytes> {
    said(
        status,
        &json!({ "status": "error", "category": category, "message": message, "correlationId": "b2b6d1f0" }),
    )
}

fn emails() -> Vec<Value> {
    let states = ["DRAFT", "SCHEDULED", "PUBLISHED", "AUTOMATED", "PRE_PROCESSING"];
    let email = |n: usize| {
        json!({ "id": (369_000 + n).to_string(), "name": format!("Wiosna {n}"), "subject": "Lampy wróciły", "state": states[n % states.len()],
            "type": "BATCH_EMAIL", "archived": false, "from": { "fromName": "Acme", "replyTo": "news@acme.example" },
            "publishDate": "2026-03-12T07:36:54Z", "createdAt": "2026-02-25T16:26:00.955Z", "updatedAt": "2026-03-12T07:36:54.392Z" })
    };
    (0..EMAILS).map(email).collect()
}

impl Answers for Marketing {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.");
        }
        match (&ask.method, ask.path.strip_prefix("/marketing/v3/emails")) {
            (&Method::GET, Some("")) => listed(ask),
            (&Method::GET, Some("/429")) => {
                refused(429, "RATE_LIMITS", "You have reached your secondly limit.")
            }
            (&Method::GET, Some(rest)) => {
                let found = emails().into_iter().find(|one| rest.strip_prefix('/') == one["id"].as_str());
                found.map_or_else(
                    || refused(404, "OBJECT_NOT_FOUND", "Object not found."),
                    |one| said(200, &one),
                )
            }
            (&Method::POST, None) if ask.path == "/communication-preferences/v4/statuses/batch/read" => {
                subscribed(ask)
            }
            _ => refused(404, "NO_ROUTE", "No route for this request"),
        }
    }
}

fn listed(ask: &Ask) -> Response<Bytes> {
    let (mut after, mut limit) = (0, 10);
    for (name, value) in ask.pairs() {
        match (name.as_str(), value.parse::<usize>()) {
            ("after", Ok(value)) => after = value,
            ("limit", Ok(value @ 1..=100)) => limit = value,
            _ => return refused(400, "VALIDATION_ERROR", "Unknown query parameter"),
        }
    }
    let all = emails();
    let rows: Vec<_> = all.iter().skip(after).take(limit).collect();
    let mut body = json!({ "total": all.len(), "results": rows });
    if after + limit < all.len() {
        body["paging"] = json!({ "next": { "after": (after + limit).to_string() } });
    }
    said(200, &body)
}

/// Of each address, a status for each kind of e-mail; of one that nobody knows nothing was ever said.
fn subscribed(ask: &Ask) -> Response<Bytes> {
    let inputs = ask.json().and_then(|body| body["inputs"].as_array().cloned());
    let addresses: Option<Vec<String>> =
        inputs.and_then(|inputs| inputs.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    let Some(addresses) = addresses.filter(|_| ask.query == "channel=EMAIL") else {
        return refused(400, "VALIDATION_ERROR", "Invalid input JSON");
    };
    let of = |address: &String| {
        let status = |id: u32, name: &str, status: &str| {
            json!({ "channel": "EMAIL", "subscriberIdString": address, "subscriptionId": id, "subscriptionName": name, "status": status,
                "source": "Public form", "timestamp": "2026-02-25T16:26:00.955Z" })
        };
        let known = address == "ewa@example.com";
        let first = status(11, "Newsletter", if known { "SUBSCRIBED" } else { "NOT_SPECIFIED" });
        let second = status(12, "Offers", if known { "UNSUBSCRIBED" } else { "NOT_SPECIFIED" });
        json!({ "subscriberIdString": address, "statuses": [first, second] })
    };
    let results: Vec<Value> = addresses.iter().map(of).collect();
    said(200, &json!({ "status": "COMPLETE", "completedAt": "2026-03-12T07:36:54Z", "results": results }))
}

#[test]
fn marketing_e_mails_are_campaigns_to_the_end_of_their_list_and_one_by_one() {
    let gate = Gate::open(&HUBSPOT);
    let all = gate.whole("/v1/campaigns?limit=10");
    assert_eq!(all.len(), EMAILS);
    assert!(all.iter().all(|one| one["channel"] == "email" && one["reply_to"] == "news@acme.example"));
    let one = gate.get(&format!("/v1/campaigns/{}", all[2]["id"].as_str().unwrap())).expect(200).json();
    assert_eq!((&one, &one["status"]), (&all[2], &json!("sent")));
    // A state that nobody has written down is not guessed at.
    assert_eq!(all[4]["status"], "unknown");
    assert_eq!(gate.whole("/v1/campaigns?limit=200&status=draft").len(), EMAILS.div_ceil(5));
    gate.get("/v1/campaigns/999").refused(404);
    gate.get("/v1/campaigns/429").refused(503);
    let refused = gate.post("/v1/campaigns", &json!({ "name": "x" })).refused(405).json();
    assert!(refused["detail"].as_str().unwrap().contains("needs its content"), "{refused}");
    assert!(gate.changes().is_empty());
}

#[test]
fn what_an_address_is_subscribed_to_is_told_by_the_address_and_silence_is_no_consent() {
    let gate = Gate::open(&HUBSPOT);
    let told = |address: &str| {
        let all = gate.whole(&format!("/v1/subscriptions?address={}", encoded(address)));
        all.iter().map(|one| (one["list"]["name"].clone(), one["state"].clone())).collect::<Vec<_>>()
    };
    let (news, offers) = (json!("Newsletter"), json!("Offers"));
    assert_eq!(
        told("ewa@example.com"),
        [(news.clone(), json!("subscribed")), (offers.clone(), json!("unsubscribed"))]
    );
    let nothing = json!("non_subscribed");
    assert_eq!(told("x\",\"y@example.com"), [(news, nothing.clone()), (offers, nothing)]);
    let problem = gate.get("/v1/subscriptions").refused(400).json();
    assert!(problem.to_string().contains("address"), "{problem}");
    let new = json!({ "address": "jan@example.com", "channel": "email", "state": "subscribed" });
    let problem = gate.post("/v1/subscriptions", &new).refused(405).json();
    assert!(problem["detail"].as_str().unwrap().contains("the person alone"), "{problem}");
    let asked = gate.system.seen();
    assert!(
        asked.iter().all(|seen| seen.method == "POST" && seen.target.contains("/batch/read")),
        "{asked:?}"
    );
}
