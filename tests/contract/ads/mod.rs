//! Analytics and advertising: reports of figures by day, read by callers as metrics.
//!
//! Neither system has records to be read, made or changed, so what the other families hold is not asked here: what is
//! proved is that figures are whole, that a range of days goes where it has to, and that its lack is told.

mod ga4;
mod gaql;
mod google_ads;

use bramka::demo::standin::Answers;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{
    ground::{Gate, Subject},
    said::{Refusals, Switched, said},
};

const GA4: Subject = Subject {
    name: "ga4",
    file: "catalogue/ga4.yaml",
    root: ga4::ROOT,
    secrets: &[("GA4_SECRET", "contract-secret-ga"), ("GA4_REFRESH_TOKEN", "1//contract")],
    serves: &["metrics"],
    edits: &[("https://oauth2.googleapis.com/token", "{system}/token")],
    standin: || over(Arc::new(ga4::Property)),
    gaps: &[],
};

/// The same without a default: a range has to be said.
const GA4_STRICT: Subject = Subject {
    edits: &[
        ("https://oauth2.googleapis.com/token", "{system}/token"),
        ("{ default: $today-30d, as: { date: iso } }", "~"),
        ("{ default: $today, beyond: nothing, as: { date: iso } }", "~"),
    ],
    ..GA4
};

const GOOGLE_ADS: Subject = Subject {
    name: "google-ads",
    file: "catalogue/google-ads.yaml",
    root: google_ads::ROOT,
    secrets: &[
        ("GOOGLE_ADS_SECRET", "contract-secret-ads"),
        ("GOOGLE_ADS_REFRESH_TOKEN", "1//contract"),
        ("GOOGLE_ADS_DEVELOPER_TOKEN", google_ads::DEVELOPER_TOKEN),
    ],
    serves: &["campaigns", "metrics"],
    edits: &[("https://oauth2.googleapis.com/token", "{system}/token")],
    standin: || over(Arc::new(google_ads::Account)),
    gaps: &[],
};

fn over(system: Arc<dyn Answers>) -> Arc<dyn Answers> {
    Switched::over(
        system,
        Refusals {
            spent: || refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
            limited: || refused(429, "RESOURCE_EXHAUSTED", "Exhausted property tokens per hour."),
        },
    )
}

/// An error as these systems tell it (google.rpc.Status).
fn refused(status: u16, code: &str, message: &str) -> http::Response<bytes::Bytes> {
    said(status, &json!({ "error": { "code": status, "message": message, "status": code } }))
}

/// What a token is got for.
fn token(form: &str) -> http::Response<bytes::Bytes> {
    let has = |pair: &str| form.split('&').any(|part| part == pair);
    match has("grant_type=refresh_token") && form.contains("refresh_token=1%2F%2Fcontract") {
        true => {
            said(200, &json!({ "access_token": "ya29.contract", "expires_in": 3599, "token_type": "Bearer" }))
        }
        false => said(400, &json!({ "error": "invalid_grant", "error_description": "Bad Request" })),
    }
}

fn is_signed_in(ask: &bramka::demo::standin::Ask) -> bool {
    ask.header("authorization") == Some("Bearer ya29.contract")
}

/// The bodies of the questions that a system was asked.
fn questions(gate: &Gate) -> Vec<Value> {
    let seen = gate.system.seen().into_iter().filter(|seen| !seen.target.ends_with("/token"));
    let asked = seen.map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap());
    asked.filter(|asked| !asked.to_string().contains("FROM customer_client")).collect()
}

fn figure<'r>(records: &'r [Value], metric: &str, of: impl Fn(&Value) -> bool) -> Vec<&'r str> {
    let is = |record: &&Value| record["metric"] == metric && of(record);
    records.iter().filter(is).map(|record| record["value"].as_str().unwrap()).collect()
}

const SPRING: &str = "from[gte]=2026-03-01&from[lte]=2026-03-10";

#[test]
fn a_report_is_read_figure_by_figure_through_all_its_pages() {
    let gate = Gate::open(&GA4);
    let records = gate.whole(&format!("/v1/metrics?{SPRING}&limit=50"));
    assert_eq!(records.len(), ga4::ROWS * 4);
    let ids: std::collections::BTreeSet<_> =
        records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records.len());
    // Figures stay with their own row, whatever the order of its columns.
    let is_one = |record: &Value| {
        record["from"] == "2026-03-04"
            && record["dimensions"][0]["value"] == "Direct"
            && record["dimensions"][2]["value"] == "mobile"
    };
    assert_eq!(figure(&records, "sessions", is_one), [ga4::sessions(4, 0, 1).to_string()]);
    assert_eq!(figure(&records, "revenue", is_one), [ga4::revenue(4, 0, 1)]);
    let one = records.iter().find(|record| is_one(record) && record["metric"] == "revenue").unwrap();
    assert_eq!(
        (&one["currency"], &one["unit"], &one["time_zone"]),
        (&json!("EUR"), &json!("currency"), &json!("Europe/Warsaw"))
    );
    let questions = questions(&gate);
    assert!(questions.len() > 1);
    assert!(
        questions
            .iter()
            .all(|asked| asked["dateRanges"]
                == json!([{ "startDate": "2026-03-01", "endDate": "2026-03-10" }]))
    );
}

#[test]
fn what_a_dimension_has_to_be_is_asked_of_the_system_and_hostile_texts_stay_texts() {
    let gate = Gate::open(&GA4);
    let hostile = ga4::CHANNELS[2];
    let path =
        format!("/v1/metrics?{SPRING}&metric=users&dimensions.value={}", crate::ground::encoded(hostile));
    let records = gate.whole(&path);
    assert_eq!(records.len(), ga4::ROWS / ga4::CHANNELS.len());
    assert!(records.iter().all(|record| record["dimensions"][0]["value"] == hostile));
    let asked = questions(&gate).remove(0);
    let said = asked["dimensionFilter"].to_string();
    assert!(said.contains(&json!(hostile).to_string()), "{said}");
    let none =
        gate.whole(&format!("/v1/metrics?{SPRING}&dimensions.value={}", crate::ground::encoded("\"]}} or")));
    assert!(none.is_empty());
}

#[test]
fn without_a_range_the_last_thirty_days_are_asked_for_and_the_list_is_told_as_cut() {
    let gate = Gate::open(&GA4);
    let page = gate.get("/v1/metrics").expect(200).json();
    assert_eq!((page["truncated"].clone(), page["items"].clone()), (json!(true), json!([])));
    let asked = questions(&gate).remove(0);
    let day =
        |name: &str| -> jiff::civil::Date { asked["dateRanges"][0][name].as_str().unwrap().parse().unwrap() };
    assert_eq!((day("endDate") - day("startDate")).get_days(), 30);
    // Whoever says since when gets all that there is.
    let page = gate.get("/v1/metrics?from[gte]=2026-03-09&limit=100").expect(200).json();
    assert!(page["truncated"].is_null() && page["items"].as_array().unwrap().len() == 48, "{page}");
}

#[test]
fn without_a_range_and_without_a_default_the_answer_names_what_is_missing_and_nothing_is_asked() {
    let gate = Gate::open(&GA4_STRICT);
    let lacking = |path: &str| {
        let problem = gate.get(path).refused(400).json();
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
        errors.iter().map(|error| error["parameter"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lacking("/v1/metrics"), ["from[gte]", "from[lte]"]);
    assert_eq!(lacking("/v1/metrics?from[gte]=2026-03-01&metric=users"), ["from[lte]"]);
    assert!(questions(&gate).is_empty());
    assert_eq!(gate.whole("/v1/metrics?from=2026-03-01").len(), ga4::ROWS / 10 * 4);
}

#[test]
fn a_figure_has_no_address_of_its_own_and_a_limit_is_told_as_one() {
    let gate = Gate::open(&GA4);
    let problem = gate.get("/v1/metrics/00000000000000000000000000000000").refused(405).json();
    assert!(problem["detail"].as_str().unwrap().contains("ask for its day"), "{problem}");
    gate.switch("limit");
    gate.get(&format!("/v1/metrics?{SPRING}")).refused(503);
    gate.switch("free");
    gate.get(&format!("/v1/metrics?{SPRING}")).expect(200);
    // A token that is refused once more when it was renewed is the gate's own trouble.
    gate.switch("spend");
    gate.get(&format!("/v1/metrics?{SPRING}")).refused(502);
}

#[test]
fn campaigns_are_listed_to_their_end_and_filtered_in_the_systems_own_language() {
    let gate = Gate::open(&GOOGLE_ADS);
    let records = gate.whole("/v1/campaigns?limit=20");
    assert_eq!(records.len(), google_ads::CAMPAIGNS);
    let first = &records[0];
    assert_eq!(first["budget"], json!({ "amount": "0.600000", "currency": "PLN", "period": "day" }));
    gate.system.forget();
    let hostile = google_ads::NAMES[1];
    let found = gate.whole(&format!("/v1/campaigns?name={}", crate::ground::encoded(hostile)));
    assert_eq!(found.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), [hostile]);
    assert!(questions(&gate)[0]["query"].as_str().unwrap().contains("WHERE campaign.name = "));
    let paused = gate.whole("/v1/campaigns?status=paused");
    assert!(!paused.is_empty() && paused.iter().all(|one| one["status"] == "paused"));
    let problem = gate.get("/v1/campaigns/1").refused(405).json();
    assert!(problem["detail"].as_str().unwrap().contains("list the campaigns"), "{problem}");
}

#[test]
fn figures_of_campaigns_are_metrics_in_units_and_not_in_micros() {
    let gate = Gate::open(&GOOGLE_ADS);
    let records = gate.whole("/v1/metrics?from[gte]=2026-03-02&from[lte]=2026-03-03&limit=100");
    assert_eq!(records.len(), google_ads::CAMPAIGNS * 2 * 4);
    let is_one = |record: &Value| record["from"] == "2026-03-02" && record["campaign"] == "2000001";
    assert_eq!(figure(&records, "cost", is_one), ["1.234567"]);
    // A figure that is nothing is left out by the system, and told as nothing here.
    assert_eq!(figure(&records, "conversions", is_one), ["0"]);
    let asked = questions(&gate).remove(0)["query"].as_str().unwrap().to_owned();
    assert!(asked.contains("segments.date >= '2026-03-02' AND segments.date <= '2026-03-03'"), "{asked}");
    // Every account has its own currency.
    let costs = |account: &str| {
        gate.system.forget();
        let path = format!("/v1/metrics?from=2026-03-02&metric=cost&account={account}&limit=100");
        let costs = gate.whole(&path);
        let asked = gate.system.seen().into_iter().map(|seen| seen.target);
        let asked = asked.filter(|target| google_ads::ACCOUNTS.iter().any(|(id, ..)| target.contains(id)));
        assert!(asked.into_iter().all(|target| target.contains(account)), "the other one is not asked");
        (costs.len(), costs.first().map(|one| one["currency"].clone()))
    };
    for (id, own, currency) in google_ads::ACCOUNTS {
        assert_eq!(costs(id), (own.len(), Some(json!(currency))));
    }
    assert_eq!(costs("none"), (0, None));
    gate.system.forget();
    let one = gate.whole("/v1/metrics?from=2026-03-02&campaign=2000001&metric=clicks");
    assert_eq!(one.len(), 1);
    let asked = questions(&gate).remove(0)["query"].as_str().unwrap().to_owned();
    assert!(asked.contains("campaign.id = 2000001"), "{asked}");
    // Without a range the system would refuse: the file's default is asked for, and told.
    let page = gate.get("/v1/metrics").expect(200).json();
    assert_eq!(page["truncated"], true);
}
