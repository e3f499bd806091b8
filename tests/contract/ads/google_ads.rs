//! A stand-in that answers as Google Ads does: questions in its query language, answers whose names are spelt otherwise,
//! amounts in micros, figures of nothing left out, and pages of its own size by a token.
//!
//! Error bodies have the shape of the API's own documentation; campaigns and figures are made up. Its pages are small.

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use super::{
    gaql::{self, Query},
    is_signed_in, refused, token,
};
use crate::said::said;

pub(super) const ROOT: &str = "/v21";
pub(super) const DEVELOPER_TOKEN: &str = "contract-developer-token";
pub(super) const NAMES: [&str; 3] = ["Lamps, spring", "O'Brien \\ \"autumn\"", "Zażółć"];
/// Campaigns of all accounts; the second has the last ones.
pub(super) const CAMPAIGNS: usize = 47;
pub(super) const ACCOUNTS: [(&str, std::ops::Range<usize>, &str); 2] =
    [("1781900691", 0..45, "PLN"), ("5550001112", 45..47, "EUR")];
const MANAGER: &str = "1234567890";
const PAGE: usize = 20;
const DAYS: i8 = 5;
const FIELDS: &[&str] = &[
    "campaign.id",
    "campaign.name",
    "campaign.status",
    "campaign.advertising_channel_type",
    "campaign_budget.amount_micros",
    "campaign_budget.period",
    "customer.currency_code",
    "customer.time_zone",
    "segments.date",
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
];

/// A manager account, and two with some campaigns.
pub(super) struct Account;

impl Answers for Account {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.path == "/token" {
            return token(&String::from_utf8_lossy(&ask.body));
        }
        if !is_signed_in(ask) {
            return refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        }
        if ask.header("developer-token") != Some(DEVELOPER_TOKEN) {
            return wrong(401, "UNAUTHENTICATED", "authenticationError", "DEVELOPER_TOKEN_PARAMETER_MISSING");
        }
        if ask.header("login-customer-id") != Some(MANAGER) {
            return wrong(403, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED");
        }
        let path =
            ask.path.strip_prefix("/v21/customers/").and_then(|rest| rest.strip_suffix("/googleAds:search"));
        let Some(customer) = path.filter(|_| ask.method == Method::POST) else {
            return refused(404, "NOT_FOUND", "Requested entity was not found.");
        };
        let asked = serde_json::from_slice(&ask.body).unwrap_or_default();
        let found = match ACCOUNTS.into_iter().find(|(id, ..)| *id == customer) {
            Some(account) => search(&asked, &account),
            None if customer == MANAGER => clients(&asked),
            None => return wrong(403, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED"),
        };
        match found {
            Ok(body) => said(200, &body),
            Err((kind, code)) => wrong(400, "INVALID_ARGUMENT", kind, code),
        }
    }
}

/// An error with its cause in the details.
fn wrong(status: u16, code: &str, kind: &str, cause: &str) -> Response<Bytes> {
    said(
        status,
        &json!({ "error": { "code": status, "message": "Request contains an invalid argument.", "status": code, "details": [ {
            "@type": "type.googleapis.com/google.ads.googleads.v21.errors.GoogleAdsFailure",
            "errors": [ { "errorCode": { kind: cause }, "message": cause } ], "requestId": "c0ntr4ct" } ] } }),
    )
}

type Wrong = (&'static str, &'static str);

/// An account: its number, which campaigns are its own, and its currency.
type Client = (&'static str, std::ops::Range<usize>, &'static str);

/// The accounts of the manager.
fn clients(asked: &Value) -> Result<Value, Wrong> {
    let query = "SELECT customer_client.id FROM customer_client WHERE customer_client.manager = FALSE AND customer_client.status = 'ENABLED'";
    if *asked != json!({ "query": query }) {
        return Err(("queryError", "UNEXPECTED_INPUT"));
    }
    let client = |(id, ..): Client| json!({ "customerClient": { "resourceName": format!("customers/{MANAGER}/customerClients/{id}"), "id": id } });
    Ok(json!({ "results": ACCOUNTS.map(client), "fieldMask": "customerClient.id" }))
}

fn search(asked: &Value, account: &Client) -> Result<Value, Wrong> {
    let fields = asked.as_object().ok_or(("requestError", "REQUIRED_FIELD_MISSING"))?;
    if fields.contains_key("pageSize") {
        return Err(("requestError", "PAGE_SIZE_NOT_SUPPORTED"));
    }
    if fields.keys().any(|name| !matches!(name.as_str(), "query" | "pageToken")) {
        return Err(("requestError", "UNKNOWN"));
    }
    let query = asked["query"].as_str().and_then(gaql::parse).ok_or(("queryError", "UNEXPECTED_INPUT"))?;
    let asks =
        query.conditions.iter().map(|one| &one.field).chain(query.order.iter().map(|(field, _)| field));
    if query.fields.iter().chain(asks).any(|field| !FIELDS.contains(&field.as_str())) {
        return Err(("queryError", "UNRECOGNIZED_FIELD"));
    }
    let is_daily = query.fields.iter().any(|field| field == "segments.date");
    let bounded = |ops: [&str; 2]| {
        let is_bound = |one: &gaql::Condition| {
            one.field == "segments.date" && (ops.contains(&one.op.as_str()) || one.op == "=")
        };
        query.conditions.iter().any(is_bound)
    };
    if is_daily && !(bounded([">", ">="]) && bounded(["<", "<="])) {
        return Err(("queryError", "MISALIGNED_DATE_FOR_FILTER"));
    }
    let mut kept: Vec<Row> = rows(is_daily, account).into_iter().filter(|row| row.passes(&query)).collect();
    if let Some((field, down)) = &query.order {
        kept.sort_by_key(|row| row.text(field));
        if *down {
            kept.reverse();
        }
    }
    let from = match asked["pageToken"].as_str() {
        None => 0,
        Some(token) => {
            let place = token.strip_prefix("page-").and_then(|digits| digits.parse::<usize>().ok());
            place.filter(|at| *at < kept.len()).ok_or(("requestError", "INVALID_PAGE_TOKEN"))?
        }
    };
    let mut body = json!({ "fieldMask": query.fields.join(","), "queryResourceConsumption": "96" });
    let page: Vec<_> = kept.iter().skip(from).take(PAGE).map(|row| row.shown(&query, account.0)).collect();
    if !page.is_empty() {
        body["results"] = page.into();
    }
    if from + PAGE < kept.len() {
        body["nextPageToken"] = format!("page-{}", from + PAGE).into();
    }
    Ok(body)
}

/// A row: fields by the names of questions.
struct Row(Vec<(&'static str, Value)>);

fn rows(is_daily: bool, (_, own, currency): &Client) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in own.clone() {
        let name = NAMES.get(n).map_or_else(|| format!("Campaign {n}"), |name| (*name).to_owned());
        let fields = || {
            vec![
                ("campaign.id", json!((2_000_000 + n).to_string())),
                ("campaign.name", json!(name)),
                ("campaign.status", json!(["ENABLED", "PAUSED", "REMOVED"][n % 3])),
                ("campaign.advertising_channel_type", json!(["SEARCH", "DISPLAY", "PERFORMANCE_MAX"][n % 3])),
                ("campaign_budget.amount_micros", json!((600_000 * (n + 1)).to_string())),
                ("campaign_budget.period", json!("DAILY")),
                ("customer.currency_code", json!(currency)),
                ("customer.time_zone", json!("Europe/Warsaw")),
            ]
        };
        if !is_daily {
            rows.push(Row(fields()));
            continue;
        }
        for day in 1..=DAYS {
            let mut fields = fields();
            fields.push(("segments.date", json!(format!("2026-03-{day:02}"))));
            fields.push(("metrics.impressions", json!((n * 10).to_string())));
            fields.push(("metrics.clicks", json!(n.to_string())));
            fields.push(("metrics.cost_micros", json!((1_234_566 + n).to_string())));
            if n % 2 == 0 {
                fields.push(("metrics.conversions", json!(0.5)));
            }
            rows.push(Row(fields));
        }
    }
    rows
}

impl Row {
    fn text(&self, field: &str) -> String {
        let value = self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| value);
        value
            .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn passes(&self, query: &Query) -> bool {
        query.conditions.iter().all(|condition| condition.passes(&self.text(&condition.field)))
    }

    /// What was asked for of it, in the names of answers.
    fn shown(&self, query: &Query, customer: &str) -> Value {
        let mut body = json!({ "campaign": { "resourceName": format!("customers/{customer}/campaigns/{}", self.text("campaign.id")) } });
        for (name, value) in self.0.iter().filter(|(name, _)| query.fields.iter().any(|field| field == name))
        {
            let (group, field) = name.split_once('.').unwrap();
            body[camel(group)][camel(field)] = value.clone();
        }
        body
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(1);
        out.push_str(&first.to_uppercase());
        out.push_str(rest);
    }
    out
}
