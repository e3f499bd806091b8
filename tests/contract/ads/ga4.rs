//! A stand-in that answers as the Data API of Google Analytics 4 does: reports of dimensions and metrics by position,
//! a range of days that has to be there, filters of dimensions, and pages by offset.
//!
//! Error bodies have the shape of the API's own documentation; the figures are made up.

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{is_signed_in, refused, token};
use crate::said::said;

pub(super) const ROOT: &str = "/v1beta";
pub(super) const CHANNELS: [&str; 3] = ["Direct", "Organic Search", "O'Brien \"&\" \\ Söhne"];
const DEVICES: [&str; 2] = ["desktop", "mobile"];
const DAYS: i8 = 10;
pub(super) const ROWS: usize = 60;
const DIMENSIONS: &[&str] = &["date", "sessionDefaultChannelGroup", "country", "deviceCategory"];
const METRICS: &[&str] = &["sessions", "totalUsers", "keyEvents", "totalRevenue"];

pub(super) fn sessions(day: i8, channel: usize, device: usize) -> usize {
    usize::try_from(day).unwrap() * 100 + channel * 10 + device
}

pub(super) fn revenue(day: i8, channel: usize, device: usize) -> String {
    format!("{}.{channel}{device}", i32::from(day) * 7)
}

/// A property with ten days of figures.
pub(super) struct Property;

impl Answers for Property {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.path == "/token" {
            return token(&String::from_utf8_lossy(&ask.body));
        }
        if !is_signed_in(ask) {
            return refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        }
        if ask.method != Method::POST || ask.path != "/v1beta/properties/123456789:runReport" {
            return refused(404, "NOT_FOUND", "Requested entity was not found.");
        }
        match report(&serde_json::from_slice(&ask.body).unwrap_or_default()) {
            Ok(body) => said(200, &body),
            Err(message) => refused(400, "INVALID_ARGUMENT", &message),
        }
    }
}

/// A row: its day, and its dimensions and metrics by name.
fn rows() -> Vec<(Date, Value)> {
    let mut rows = Vec::new();
    for day in 1..=DAYS {
        for (c, channel) in CHANNELS.iter().enumerate() {
            for (d, device) in DEVICES.iter().enumerate() {
                let row = json!({
                    "date": format!("202603{day:02}"), "sessionDefaultChannelGroup": channel, "country": "Poland",
                    "deviceCategory": device, "sessions": sessions(day, c, d).to_string(),
                    "totalUsers": (sessions(day, c, d) / 2).to_string(), "keyEvents": "0", "totalRevenue": revenue(day, c, d),
                });
                rows.push((date(2026, 3, day), row));
            }
        }
    }
    rows
}

fn report(asked: &Value) -> Result<Value, String> {
    const KNOWN: &[&str] =
        &["dateRanges", "dimensions", "metrics", "dimensionFilter", "orderBys", "limit", "offset"];
    let fields = asked.as_object().ok_or("Invalid JSON payload received.")?;
    if let Some(unknown) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field."));
    }
    let ranges = asked["dateRanges"].as_array().filter(|ranges| ranges.len() == 1);
    let range = ranges.and_then(|ranges| ranges.first()).ok_or("A dateRange is required.")?;
    let day = |name: &str| -> Result<Date, String> {
        let text = range[name].as_str().ok_or("A dateRange is required.")?;
        text.parse()
            .map_err(|_| format!("Invalid {name} : {text}. startDate must be in the format YYYY-MM-DD."))
    };
    let (from, to) = (day("startDate")?, day("endDate")?);
    let (dimensions, metrics) =
        (named(&asked["dimensions"], DIMENSIONS, "dimension")?, named(&asked["metrics"], METRICS, "metric")?);
    let mut kept = Vec::new();
    for (day, row) in rows() {
        let filter = &asked["dimensionFilter"];
        if (from..=to).contains(&day) && (filter.is_null() || passes(filter, &row)?) {
            kept.push(row);
        }
    }
    let number = |name: &str, usual| match &asked[name] {
        Value::Null => Ok(usual),
        value => {
            value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or(format!("Invalid value at '{name}'"))
        }
    };
    let (limit, offset) = (number("limit", 10_000)?, number("offset", 0)?);
    if !(1..=250_000).contains(&limit) {
        return Err("The limit must be between 1 and 250000.".to_owned());
    }
    let cells = |row: &Value, names: &[&str]| {
        names.iter().map(|name| json!({ "value": row[name] })).collect::<Value>()
    };
    let page: Vec<_> = kept
        .iter()
        .skip(offset)
        .take(limit)
        .map(
            |row| json!({ "dimensionValues": cells(row, &dimensions), "metricValues": cells(row, &metrics) }),
        )
        .collect();
    let header = |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Value>();
    let mut body = json!({
        "dimensionHeaders": header(&dimensions), "metricHeaders": header(&metrics),
        "metadata": { "currencyCode": "EUR", "timeZone": "Europe/Warsaw" }, "kind": "analyticsData#runReport",
    });
    // Of nothing it says nothing, neither rows nor how many.
    if !kept.is_empty() {
        body["rows"] = page.into();
        body["rowCount"] = kept.len().into();
    }
    Ok(body)
}

fn named<'n>(asked: &Value, known: &[&'n str], what: &str) -> Result<Vec<&'n str>, String> {
    let one = |item: &Value| {
        let name = item["name"].as_str().unwrap_or_default();
        known.iter().copied().find(|known| *known == name).ok_or(format!(
            "Field {name} is not a valid {what}. For a list of valid dimensions and metrics, see https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema ."
        ))
    };
    asked.as_array().into_iter().flatten().map(one).collect()
}

/// Whether a row passes an expression; texts are compared without case.
fn passes(filter: &Value, row: &Value) -> Result<bool, String> {
    let Some((kind, inner)) =
        filter.as_object().filter(|one| one.len() == 1).and_then(|one| one.iter().next())
    else {
        return Err("A filter expression has exactly one of its kinds.".to_owned());
    };
    let parts =
        || inner["expressions"].as_array().filter(|parts| !parts.is_empty()).ok_or("Empty expressions.");
    match kind.as_str() {
        "orGroup" => parts()?.iter().try_fold(false, |any, part| Ok(passes(part, row)? || any)),
        "andGroup" => parts()?.iter().try_fold(true, |all, part| Ok(passes(part, row)? && all)),
        "filter" => {
            let name = inner["fieldName"].as_str().unwrap_or_default();
            named(&json!([{ "name": name }]), DIMENSIONS, "dimension")?;
            let held = row[name].as_str().unwrap_or_default().to_lowercase();
            let is = |value: &Value| value.as_str().is_some_and(|text| text.to_lowercase() == held);
            match (inner.get("stringFilter"), inner.get("inListFilter")) {
                (Some(one), None) if one["matchType"] == "EXACT" => Ok(is(&one["value"])),
                (None, Some(many)) => Ok(many["values"].as_array().into_iter().flatten().any(is)),
                _ => Err(format!("Invalid filter of {name}.")),
            }
        }
        other => Err(format!("Invalid JSON payload received. Unknown name \"{other}\": Cannot find field.")),
    }
}
