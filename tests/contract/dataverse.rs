//! A stand-in that answers as the Dataverse Web API does for one kind of record: OData 4 without `$skip`, `in` and
//! other things that it does not have, look-ups that are read under one name and written under another, a create that
//! is answered with an address alone, versions, and a change of nobody that makes a record where no version is named.

mod query;

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::query::{Options, Prefer, unknown_option};
use crate::{
    conditions::{Bad, Fields, Kind, Row, sort},
    people::{self, Person},
    said::{nothing, said},
};

/// Where it all stands.
pub(crate) const ROOT: &str = "/api/data/v9.2";
pub(crate) const CLIENT: (&str, &str) = ("2f29638c-34d4-4cf2-a16a-7caf612cee15", "contract-secret-dv");
const TOKEN_PATH: &str = "/tenant/oauth2/v2.0/token";

/// A kind of record.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    /// The column of its key.
    key: &'static str,
    fields: Fields,
    /// Worked out by the system, of `firstname` and `lastname`.
    compound: &'static str,
    seed: fn(&Person) -> Value,
}

pub(crate) const ACCOUNT: Table = Table {
    name: "account",
    key: "accountid",
    fields: ACCOUNT_FIELDS,
    compound: "",
    seed: |person| {
        json!({
            "name": person.company, "emailaddress1": person.email, "telephone1": person.phone,
            "address1_line1": person.street, "address1_city": person.city, "address1_postalcode": person.post_code,
            "address1_country": person.country, "sic": format!("{}", 1000 + person.n),
        })
    },
};

pub(crate) const CONTACT: Table = Table {
    name: "contact",
    key: "contactid",
    fields: CONTACT_FIELDS,
    compound: "fullname",
    seed: |person| {
        json!({
            "firstname": person.given, "lastname": person.company, "emailaddress1": person.email,
            "telephone1": person.phone, "address1_line1": person.street, "address1_city": person.city,
            "address1_postalcode": person.post_code, "address1_country": person.country,
            "department": format!("{}", 1000 + person.n),
        })
    },
};

const CONTACT_FIELDS: Fields = &[
    ("contactid", Kind::Key),
    ("fullname", Kind::Text),
    ("firstname", Kind::Text),
    ("lastname", Kind::Text),
    ("jobtitle", Kind::Text),
    ("department", Kind::Text),
    ("emailaddress1", Kind::Text),
    ("telephone1", Kind::Text),
    ("mobilephone", Kind::Text),
    ("address1_line1", Kind::Text),
    ("address1_line2", Kind::Text),
    ("address1_line3", Kind::Text),
    ("address1_city", Kind::Text),
    ("address1_postalcode", Kind::Text),
    ("address1_stateorprovince", Kind::Text),
    ("address1_country", Kind::Text),
    ("statecode", Kind::Whole),
    ("createdon", Kind::Moment),
    ("modifiedon", Kind::Moment),
];
const ACCOUNT_FIELDS: Fields = &[
    ("accountid", Kind::Key),
    ("accountnumber", Kind::Text),
    ("name", Kind::Text),
    ("emailaddress1", Kind::Text),
    ("telephone1", Kind::Text),
    ("fax", Kind::Text),
    ("websiteurl", Kind::Text),
    ("sic", Kind::Text),
    ("address1_line1", Kind::Text),
    ("address1_line2", Kind::Text),
    ("address1_line3", Kind::Text),
    ("address1_city", Kind::Text),
    ("address1_postalcode", Kind::Text),
    ("address1_stateorprovince", Kind::Text),
    ("address1_country", Kind::Text),
    ("address2_line1", Kind::Text),
    ("address2_line2", Kind::Text),
    ("address2_line3", Kind::Text),
    ("address2_city", Kind::Text),
    ("address2_postalcode", Kind::Text),
    ("address2_stateorprovince", Kind::Text),
    ("address2_country", Kind::Text),
    ("statecode", Kind::Whole),
    ("_parentaccountid_value", Kind::Key),
    ("createdon", Kind::Moment),
    ("modifiedon", Kind::Moment),
];
const READ_ONLY: &[&str] = &["accountid", "contactid", "fullname", "createdon", "modifiedon"];
const MOST: &[(&str, usize)] =
    &[("name", 160), ("lastname", 50), ("telephone1", 50), ("emailaddress1", 100), ("address1_city", 80)];

/// The stand-in.
#[derive(Debug)]
pub(crate) struct Dataverse(Mutex<Org>);

#[derive(Debug)]
struct Org {
    table: &'static Table,
    rows: Vec<Row>,
    clock: Timestamp,
    version: u64,
    sessions: usize,
    /// Whether somebody else changes a record just before the next change of it arrives.
    races: bool,
}

/// A refusal in the system's own words.
struct Refusal(u16, &'static str, String);

type Answered = Result<Response<Bytes>, Refusal>;

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        let (Bad::Syntax(message) | Bad::Field(message)) = bad;
        Self(400, "0x80060888", message)
    }
}

/// One with the family's customers, as records of one kind.
pub(crate) fn dataverse(table: &'static Table) -> Arc<dyn Answers> {
    let clock = Timestamp::from_second(1_767_225_600).unwrap();
    let mut org = Org { table, rows: Vec::new(), clock, version: 81_359_000, sessions: 0, races: false };
    for person in people::all() {
        org.insert((table.seed)(&person).as_object().unwrap().clone());
    }
    Arc::new(Dataverse(Mutex::new(org)))
}

impl Answers for Dataverse {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut org = self.0.lock();
        org.route(ask).unwrap_or_else(|Refusal(status, code, message)| {
            said(status, &json!({ "error": { "code": code, "message": message } }))
        })
    }
}

impl Org {
    fn insert(&mut self, mut row: Row) -> String {
        let n = self.rows.len() + 1;
        let id = format!("7891{n:04x}-34cb-ed11-b596-0022481d68cd");
        for (name, _) in self.table.fields {
            row.entry(*name).or_insert(Value::Null);
        }
        row.insert(self.table.key.into(), id.clone().into());
        row.insert("statecode".into(), 0.into());
        self.touch(&mut row);
        row.insert("createdon".into(), self.clock.to_string().into());
        self.rows.push(row);
        id
    }

    fn touch(&mut self, row: &mut Row) {
        self.clock = self.clock.checked_add(SignedDuration::from_secs(61)).unwrap();
        self.version += 7;
        if !self.table.compound.is_empty() {
            let parts =
                ["firstname", "lastname"].map(|name| row[name].as_str().unwrap_or_default().to_owned());
            row.insert(self.table.compound.into(), parts.join(" ").trim().into());
        }
        row.insert("modifiedon".into(), self.clock.to_string().into());
        row.insert("@odata.etag".into(), format!("W/\"{}\"", self.version).into());
    }

    fn route(&mut self, ask: &Ask) -> Answered {
        if ask.path == "/-/race" {
            self.races = true;
            return Ok(nothing(204));
        }
        if ask.path == TOKEN_PATH {
            return Ok(self.sign_in(ask));
        }
        if ask.header("authorization") != Some(&format!("Bearer {}", token(self.sessions))) {
            return Ok(unauthorized());
        }
        let missing =
            || Refusal(404, "0x80060888", format!("Resource not found for the segment '{}'.", ask.path));
        let rest = ask.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.and_then(|rest| rest.strip_prefix(self.table.name)?.strip_prefix('s'));
        let rest = rest.ok_or_else(missing)?;
        match (&ask.method, rest) {
            (&Method::GET, "") => self.list(ask),
            (&Method::POST, "") => self.create(ask),
            (method, rest) => {
                let id =
                    rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(missing)?;
                let id = id.to_lowercase();
                let at = self.rows.iter().position(|row| row[self.table.key] == id.as_str());
                match (method, at) {
                    // A change that names no version makes the record where there is none.
                    (&Method::PATCH, None) if ask.header("if-match").is_none() => self.create(ask),
                    (_, None) => Err(self.no_such(&id)),
                    (&Method::GET, Some(at)) => self.read(ask, at),
                    (&Method::PATCH, Some(at)) => self.update(ask, at),
                    (&Method::DELETE, Some(at)) => {
                        self.check_version(ask, at)?;
                        self.rows.remove(at);
                        Ok(nothing(204))
                    }
                    _ => Err(Refusal(405, "0x80060888", "The method is not supported.".into())),
                }
            }
        }
    }

    fn sign_in(&mut self, ask: &Ask) -> Response<Bytes> {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
        let is_known = has("client_id", CLIENT.0) && has("client_secret", CLIENT.1);
        let is_scoped = form.iter().any(|(name, value)| name == "scope" && value.ends_with("/.default"));
        if !has("grant_type", "client_credentials") || !is_known || !is_scoped {
            return said(
                401,
                &json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided." }),
            );
        }
        self.sessions += 1;
        said(
            200,
            &json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token(self.sessions) }),
        )
    }

    fn list(&self, ask: &Ask) -> Answered {
        let mut query = Options::of(self.table);
        for (name, value) in ask.pairs() {
            query.take(&name, &value)?;
        }
        let mut rows: Vec<Row> = self
            .rows
            .iter()
            .filter(|row| query.filter.as_ref().is_none_or(|f| f.holds(row)))
            .cloned()
            .collect();
        sort(&mut rows, &query.order);
        let total = rows.len();
        let prefer = Prefer::of(ask);
        let mut body = json!({ "@odata.context": format!("$metadata#{}s", self.table.name) });
        if query.count {
            body["@odata.count"] = total.min(5000).into();
        }
        let size = prefer.size.unwrap_or(5000).min(5000);
        let from = query.page.saturating_sub(1) * size;
        let shown: Vec<Value> = match query.top {
            // It cancels paging.
            Some(top) => rows.iter().take(top).map(|row| query.show(row, &prefer)).collect(),
            None => rows.iter().skip(from).take(size).map(|row| query.show(row, &prefer)).collect(),
        };
        if query.top.is_none() && from + shown.len() < total {
            body["@odata.nextLink"] = next(ask, self.table, query.page.max(1) + 1).into();
        }
        body["value"] = shown.into();
        Ok(said(200, &body))
    }

    fn read(&self, ask: &Ask, at: usize) -> Answered {
        let mut query = Options::of(self.table);
        for (name, value) in ask.pairs() {
            if name != "$select" {
                return Err(unknown_option(&name));
            }
            query.take(&name, &value)?;
        }
        let mut body = query.show(&self.rows[at], &Prefer::of(ask));
        body["@odata.context"] = format!("$metadata#{}s/$entity", self.table.name).into();
        Ok(said(200, &body))
    }

    fn create(&mut self, ask: &Ask) -> Answered {
        let row = self.sent(ask, true)?;
        let email = row.get("emailaddress1").and_then(Value::as_str);
        let same = |row: &Row| {
            row["emailaddress1"].as_str().zip(email).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        let is_looked_for = ask.header("mscrm.suppressduplicatedetection") == Some("false");
        if is_looked_for && self.rows.iter().any(same) {
            let message = "A record was not created or updated because a duplicate of the current record already exists.";
            return Err(Refusal(412, "0x80040333", message.into()));
        }
        let id = self.insert(row);
        let host = ask.header("host").unwrap_or_default();
        let mut answer = nothing(204);
        let address =
            HeaderValue::try_from(format!("http://{host}{ROOT}/{}s({id})", self.table.name)).unwrap();
        answer.headers_mut().insert("odata-entityid", address);
        Ok(answer)
    }

    fn update(&mut self, ask: &Ask, at: usize) -> Answered {
        if std::mem::take(&mut self.races) {
            let mut row = self.rows[at].clone();
            row.insert("address1_line3".into(), "changed by another".into());
            self.touch(&mut row);
            self.rows[at] = row;
        }
        self.check_version(ask, at)?;
        let sent = self.sent(ask, false)?;
        let mut row = self.rows[at].clone();
        row.extend(sent);
        self.touch(&mut row);
        self.rows[at] = row;
        Ok(nothing(204))
    }

    fn check_version(&self, ask: &Ask, at: usize) -> Result<(), Refusal> {
        match ask.header("if-match") {
            None | Some("*") => Ok(()),
            Some(version) if self.rows[at]["@odata.etag"] == version => Ok(()),
            Some(_) => Err(Refusal(
                412,
                "0x80060882",
                "The version of the existing record doesn't match the RowVersion property provided.".into(),
            )),
        }
    }

    /// What is sent, where it could be kept, under the names it is read by.
    fn sent(&self, ask: &Ask, is_new: bool) -> Result<Row, Refusal> {
        let table = self.table.name;
        let payload = |message: String| {
            Refusal(
                400,
                "0x80048d19",
                format!(
                    "Error identified in Payload provided by the user for Entity :'{table}s', For more information on this error please follow this help link. ----> {message}"
                ),
            )
        };
        let Some(Value::Object(sent)) = ask.json() else { return Err(payload("Invalid JSON.".into())) };
        let mut row = Row::new();
        for (name, value) in sent {
            if name == "parentaccountid@odata.bind" && self.table.name == "account" {
                row.insert("_parentaccountid_value".into(), self.bound(&value)?);
                continue;
            }
            let known = self.table.fields.iter().find(|(field, _)| *field == name && !field.starts_with('_'));
            let Some((_, kind)) = known else {
                return Err(payload(format!(
                    "InnerException : Microsoft.OData.ODataException: An undeclared property '{name}' which only has property annotations in the payload but no property value was found in the payload."
                )));
            };
            if READ_ONLY.contains(&name.as_str()) || (is_new && name == "statecode") {
                return Err(payload(format!("The property '{name}' cannot be set.")));
            }
            let fits = match kind {
                Kind::Text => value.is_string() || value.is_null(),
                Kind::Whole => value.is_i64(),
                Kind::Key | Kind::Moment => false,
            };
            if !fits {
                return Err(payload(format!("Cannot convert a value to target type for '{name}'.")));
            }
            let length = value.as_str().map_or(0, |text| text.chars().count());
            if let Some((_, most)) = MOST.iter().find(|(field, most)| *field == name && length > *most) {
                let message = format!(
                    "A validation error occurred.  The length of the '{name}' attribute of the '{table}' entity exceeded the maximum allowed length of '{most}'."
                );
                return Err(Refusal(400, "0x80044331", message));
            }
            row.insert(name, value);
        }
        Ok(row)
    }

    fn no_such(&self, id: &str) -> Refusal {
        Refusal(404, "0x80040217", format!("{} With Id = {id} Does Not Exist", self.table.name))
    }

    fn bound(&self, value: &Value) -> Result<Value, Refusal> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let id = value.as_str().and_then(|text| text.strip_prefix("/accounts(")?.strip_suffix(')'));
        let id =
            id.ok_or_else(|| Refusal(400, "0x80048d19", "The URI is not valid for a reference.".into()))?;
        match self.rows.iter().any(|row| row[self.table.key] == id) {
            true => Ok(id.into()),
            false => Err(self.no_such(id)),
        }
    }
}

fn token(n: usize) -> String {
    format!("eyJ0eXAiOiJKV1QifQ.contract.{n}")
}

/// What a spent or unknown token gets: no body at all.
pub(crate) fn unauthorized() -> Response<Bytes> {
    let mut answer = nothing(401);
    let challenge = "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize";
    answer.headers_mut().insert("www-authenticate", HeaderValue::from_static(challenge));
    answer
}

/// What whoever asks too much gets.
pub(crate) fn limited() -> Response<Bytes> {
    let message = "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
    let mut answer = said(429, &json!({ "error": { "code": "0x80072322", "message": message } }));
    answer.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
    answer
}

/// The same request's next page, as an address in which the cookie is encoded twice.
fn next(ask: &Ask, table: &Table, page: usize) -> String {
    let host = ask.header("host").unwrap_or_default();
    let cookie = format!(
        "<cookie pagenumber=\"{page}\" pagingcookie=\"%253ccookie%2520page%253d\" istracking=\"False\" />"
    );
    let mut query: Vec<String> = Vec::new();
    for (name, value) in ask.pairs().iter().filter(|(name, _)| name != "$skiptoken") {
        query.push(format!("{name}={}", crate::ground::encoded(value)));
    }
    query.push(format!("$skiptoken={}", crate::ground::encoded(&cookie)));
    format!("http://{host}{ROOT}/{}s?{}", table.name, query.join("&"))
}
