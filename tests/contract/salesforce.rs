//! A stand-in that answers as Salesforce's REST API does for one kind of record: SOQL that is parsed, one page after
//! the other by `nextRecordsUrl`, a create that is answered with an id alone, composite requests whose parts are done together or
//! not at all, errors as a list, and tokens that come with the address they are good for.
//!
//! Error bodies have the shape that restforce records (MIT).

use std::{collections::HashMap, sync::Arc};

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    conditions::{Bad, By, Condition, Fields, Kind, Language, Reader, Row, Token, sort, tokens},
    people::{self, Person},
    said::{nothing, said},
};

/// Where it all stands.
pub(crate) const ROOT: &str = "/services/data/v59.0";
pub(crate) const CLIENT: (&str, &str) = ("3MVG9.contract", "contract-secret-sf");

/// A kind of record.
#[derive(Debug)]
pub(crate) struct Object {
    name: &'static str,
    /// What ids begin with.
    prefix: &'static str,
    fields: Fields,
    /// What a new one must have.
    required: &'static str,
    /// Worked out by the system.
    compound: &'static str,
    /// By what its duplicates are known.
    rule: &'static str,
    seed: fn(&Person) -> Value,
}

pub(crate) const ACCOUNT: Object = Object {
    name: "Account",
    prefix: "0015e00000",
    fields: ACCOUNT_FIELDS,
    required: "Name",
    compound: "",
    rule: "Name",
    seed: |person| {
        json!({
            "Name": person.company, "Phone": person.phone, "BillingStreet": person.street,
            "BillingCity": person.city, "BillingPostalCode": person.post_code, "BillingCountry": person.country,
            "Sic": format!("{}", 1000 + person.n),
        })
    },
};

pub(crate) const CONTACT: Object = Object {
    name: "Contact",
    prefix: "0035e00000",
    fields: CONTACT_FIELDS,
    required: "LastName",
    compound: "Name",
    rule: "Email",
    seed: |person| {
        json!({
            "FirstName": person.given, "LastName": person.company, "Email": person.email, "Phone": person.phone,
            "MailingStreet": person.street, "MailingCity": person.city, "MailingPostalCode": person.post_code,
            "MailingCountry": person.country, "Department": format!("{}", 1000 + person.n),
        })
    },
};

const CONTACT_FIELDS: Fields = &[
    ("Id", Kind::Key),
    ("Name", Kind::Text),
    ("FirstName", Kind::Text),
    ("LastName", Kind::Text),
    ("Email", Kind::Text),
    ("Phone", Kind::Text),
    ("MobilePhone", Kind::Text),
    ("Title", Kind::Text),
    ("Department", Kind::Text),
    ("MailingStreet", Kind::Text),
    ("MailingCity", Kind::Text),
    ("MailingPostalCode", Kind::Text),
    ("MailingState", Kind::Text),
    ("MailingCountry", Kind::Text),
    ("CreatedDate", Kind::Moment),
    ("LastModifiedDate", Kind::Moment),
];
const ACCOUNT_FIELDS: Fields = &[
    ("Id", Kind::Key),
    ("Name", Kind::Text),
    ("AccountNumber", Kind::Text),
    ("Phone", Kind::Text),
    ("Fax", Kind::Text),
    ("Website", Kind::Text),
    ("ParentId", Kind::Key),
    ("Sic", Kind::Text),
    ("BillingStreet", Kind::Text),
    ("BillingCity", Kind::Text),
    ("BillingPostalCode", Kind::Text),
    ("BillingState", Kind::Text),
    ("BillingCountry", Kind::Text),
    ("ShippingStreet", Kind::Text),
    ("ShippingCity", Kind::Text),
    ("ShippingPostalCode", Kind::Text),
    ("ShippingState", Kind::Text),
    ("ShippingCountry", Kind::Text),
    ("CreatedDate", Kind::Moment),
    ("LastModifiedDate", Kind::Moment),
];
const READ_ONLY: &[&str] = &["Id", "CreatedDate", "LastModifiedDate"];
/// Characters that a field holds, of those that callers may make too long.
const MOST: &[(&str, usize)] =
    &[("Name", 255), ("LastName", 80), ("Phone", 40), ("Fax", 40), ("BillingCity", 40)];

/// The stand-in.
#[derive(Debug)]
pub(crate) struct Salesforce(Mutex<Org>);

#[derive(Debug)]
struct Org {
    object: &'static Object,
    rows: Vec<Row>,
    clock: Timestamp,
    made: usize,
    /// Sessions that were given out; the last one is good.
    sessions: usize,
    /// Rest of a query, and the fields it shows.
    locators: HashMap<String, (Vec<Row>, Vec<&'static str>)>,
}

/// A refusal in the system's own words.
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    fields: Vec<String>,
    /// The record that is there already.
    existing: Option<String>,
}

type Answered = Result<Response<Bytes>, Refusal>;

fn refusal(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, code, message: message.into(), fields: Vec::new(), existing: None }
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Syntax(message) => refusal(400, "MALFORMED_QUERY", message),
            Bad::Field(message) => refusal(400, "INVALID_FIELD", message),
        }
    }
}

/// One with the family's customers, as records of one kind.
pub(crate) fn salesforce(object: &'static Object) -> Arc<dyn Answers> {
    let clock = Timestamp::from_second(1_767_225_600).unwrap();
    let mut org = Org { object, rows: Vec::new(), clock, made: 0, sessions: 0, locators: HashMap::new() };
    for person in people::all() {
        org.insert((object.seed)(&person).as_object().unwrap().clone());
    }
    Arc::new(Salesforce(Mutex::new(org)))
}

impl Answers for Salesforce {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut org = self.0.lock();
        org.route(ask).unwrap_or_else(Refusal::said)
    }
}

impl Refusal {
    fn of(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }

    fn existing(self, id: String) -> Self {
        Self { existing: Some(id), ..self }
    }

    fn said(self) -> Response<Bytes> {
        let Self { status, code, message, fields, existing } = self;
        let mut error = json!({ "message": message, "errorCode": code });
        if !fields.is_empty() {
            error["fields"] = fields.into();
        }
        if let Some(id) = existing {
            let record = json!({ "attributes": { "type": "Account" }, "Id": id });
            let found =
                json!([{ "matchRecords": [{ "matchConfidence": 100.0, "record": record }], "size": 1 }]);
            error["duplicateResut"] = json!({ "allowSave": false, "matchResults": found });
        }
        said(status, &json!([error]))
    }
}

/// A part of a composite request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Part {
    method: String,
    url: String,
    reference_id: String,
    body: Option<Value>,
}

/// What a part is answered.
struct Said {
    name: String,
    status: u16,
    body: Value,
}

impl Said {
    /// Undone, or not begun, because another part failed.
    fn halted(part: &Part) -> Self {
        let message =
            "The transaction was rolled back since another operation in the same transaction failed.";
        let body = json!([{ "errorCode": "PROCESSING_HALTED", "message": message }]);
        Self { name: part.reference_id.clone(), status: 400, body }
    }

    fn json(self) -> Value {
        json!({ "body": self.body, "httpHeaders": {}, "httpStatusCode": self.status, "referenceId": self.name })
    }
}

impl Org {
    fn insert(&mut self, mut row: Row) -> String {
        self.made += 1;
        self.tick();
        let id = format!("{}{:05}AAV", self.object.prefix, self.made);
        for (name, _) in self.object.fields {
            row.entry(*name).or_insert(Value::Null);
        }
        row.insert("Id".into(), id.clone().into());
        for name in ["CreatedDate", "LastModifiedDate"] {
            row.insert(name.into(), self.clock.to_string().into());
        }
        compound(self.object, &mut row);
        self.rows.push(row);
        id
    }

    fn tick(&mut self) {
        self.clock = self.clock.checked_add(SignedDuration::from_secs(61)).unwrap();
    }

    fn route(&mut self, ask: &Ask) -> Answered {
        if ask.path == "/services/oauth2/token" {
            return Ok(self.sign_in(ask));
        }
        if ask.header("authorization") != Some(&format!("Bearer {}", session(self.sessions))) {
            return Err(refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"));
        }
        let missing = || refusal(404, "NOT_FOUND", "The requested resource does not exist");
        let rest = ask.path.strip_prefix(ROOT).ok_or_else(missing)?;
        if rest == "/query" && ask.method == Method::GET {
            return self.query(ask);
        }
        if let Some(locator) = rest.strip_prefix("/query/") {
            return self.more(locator);
        }
        if rest == "/composite" && ask.method == Method::POST {
            return self.composite(ask);
        }
        self.one(ask, rest)
    }

    /// A request about one record, or a new one.
    fn one(&mut self, ask: &Ask, rest: &str) -> Answered {
        let missing = || refusal(404, "NOT_FOUND", "The requested resource does not exist");
        match (
            &ask.method,
            rest.strip_prefix("/sobjects/")
                .and_then(|rest| rest.strip_prefix(self.object.name))
                .ok_or_else(missing)?,
        ) {
            (&Method::POST, "" | "/") => self.create(ask),
            (method, rest) => {
                let id = rest.strip_prefix('/').ok_or_else(missing)?;
                let at = self.rows.iter().position(|row| row["Id"] == id).ok_or_else(missing)?;
                match *method {
                    Method::GET => self.read(ask, at),
                    Method::PATCH => self.update(ask, at),
                    Method::DELETE => {
                        self.rows.remove(at);
                        Ok(nothing(204))
                    }
                    _ => Err(refusal(405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed")),
                }
            }
        }
    }

    /// Several requests in their order, of which a later one may name what an earlier one was answered.
    fn composite(&mut self, ask: &Ask) -> Answered {
        let bad = |message: &str| refusal(400, "JSON_PARSER_ERROR", message);
        let sent = ask.json().ok_or_else(|| bad("Unexpected character"))?;
        let parts: Vec<Part> =
            serde_json::from_value(sent["compositeRequest"].clone()).map_err(|why| bad(&why.to_string()))?;
        if parts.is_empty() || parts.len() > 25 {
            return Err(refusal(400, "INVALID_INPUT", "A composite request has 1 to 25 subrequests"));
        }
        let (all_or_none, before) = (sent["allOrNone"] == true, self.rows.clone());
        let mut said: Vec<Said> = Vec::new();
        for part in &parts {
            let answer = match said.iter().any(|said| said.status >= 400) && all_or_none {
                true => Said::halted(part),
                false => self.part(ask, part, &said)?,
            };
            said.push(answer);
        }
        if all_or_none && let Some(failed) = said.iter().position(|said| said.status >= 400) {
            self.rows = before;
            for (at, part) in parts.iter().enumerate().filter(|(at, _)| *at != failed) {
                said[at] = Said::halted(part);
            }
        }
        let said: Vec<Value> = said.into_iter().map(Said::json).collect();
        Ok(crate::said::said(200, &json!({ "compositeResponse": said })))
    }

    /// One of them, answered as it would be by itself.
    fn part(&mut self, ask: &Ask, part: &Part, before: &[Said]) -> Result<Said, Refusal> {
        let mut url = part.url.clone();
        for said in before {
            let id = said.body["id"].as_str().unwrap_or_default();
            url = url.replace(&format!("@{{{}.id}}", said.name), id);
        }
        let missing = || refusal(404, "NOT_FOUND", "The requested resource does not exist");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let rest = path.strip_prefix(ROOT).ok_or_else(missing)?;
        let method = part.method.parse().map_err(|_| refusal(405, "METHOD_NOT_ALLOWED", "no such method"))?;
        let body = part.body.as_ref().map(Value::to_string).unwrap_or_default().into();
        let (headers, path, query) = (ask.headers.clone(), path.to_owned(), query.to_owned());
        let answered = self.one(&Ask { method, path, query, headers, body }, rest);
        let answer = answered.unwrap_or_else(|refusal| refusal.said());
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok(Said { name: part.reference_id.clone(), status: answer.status().as_u16(), body })
    }

    fn sign_in(&mut self, ask: &Ask) -> Response<Bytes> {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
        if !has("grant_type", "client_credentials")
            || !has("client_id", CLIENT.0)
            || !has("client_secret", CLIENT.1)
        {
            return said(
                400,
                &json!({ "error": "invalid_client", "error_description": "invalid client credentials" }),
            );
        }
        self.sessions += 1;
        let host = ask.header("host").unwrap_or_default();
        said(
            200,
            &json!({
                "access_token": session(self.sessions), "instance_url": format!("http://{host}"),
                "id": "https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P",
                "token_type": "Bearer", "issued_at": "1767225600000", "signature": "sig=",
            }),
        )
    }

    fn query(&mut self, ask: &Ask) -> Answered {
        let pairs = ask.pairs();
        let [(name, text)] = pairs.as_slice() else {
            return Err(refusal(400, "MALFORMED_QUERY", "A query string has to be specified"));
        };
        if name != "q" {
            return Err(refusal(400, "MALFORMED_QUERY", "A query string has to be specified"));
        }
        let statement = Statement::read(self.object, text)?;
        let mut rows: Vec<Row> = self
            .rows
            .iter()
            .filter(|row| statement.filter.as_ref().is_none_or(|f| f.holds(row)))
            .cloned()
            .collect();
        sort(&mut rows, &statement.order);
        let rows: Vec<Row> =
            rows.into_iter().skip(statement.offset).take(statement.limit.unwrap_or(usize::MAX)).collect();
        let total = rows.len();
        let options = ask.header("sforce-query-options").and_then(|text| text.strip_prefix("batchSize="));
        let size = options.and_then(|text| text.parse().ok()).unwrap_or(2000).clamp(200, 2000);
        Ok(self.page(rows, statement.fields, total, size))
    }

    fn page(
        &mut self,
        mut rows: Vec<Row>,
        fields: Vec<&'static str>,
        total: usize,
        size: usize,
    ) -> Response<Bytes> {
        let rest = rows.split_off(rows.len().min(size));
        let records: Vec<Value> = rows.iter().map(|row| shown(self.object, row, &fields)).collect();
        let mut body = json!({ "totalSize": total, "done": rest.is_empty(), "records": records });
        if !rest.is_empty() {
            let locator = format!("01g5e00000{:05}AAA-{size}", self.locators.len());
            body["nextRecordsUrl"] = format!("{ROOT}/query/{locator}").into();
            self.locators.insert(locator, (rest, fields));
        }
        said(200, &body)
    }

    fn more(&mut self, locator: &str) -> Answered {
        let Some((rows, fields)) = self.locators.get(locator).cloned() else {
            return Err(refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator"));
        };
        let total = rows.len();
        Ok(self.page(rows, fields, total, 200))
    }

    fn read(&self, ask: &Ask, at: usize) -> Answered {
        let mut fields: Vec<&'static str> = self.object.fields.iter().map(|(name, _)| *name).collect();
        for (name, value) in ask.pairs() {
            if name != "fields" {
                return Err(refusal(400, "INVALID_PARAMETER", format!("unknown parameter {name}")));
            }
            fields = value.split(',').map(|name| column(self.object, name)).collect::<Result<_, _>>()?;
        }
        Ok(said(200, &shown(self.object, &self.rows[at], &fields)))
    }

    fn create(&mut self, ask: &Ask) -> Answered {
        let row = self.sent(ask)?;
        let required = self.object.required;
        if row.get(required).and_then(Value::as_str).is_none_or(str::is_empty) {
            let message = format!("Required fields are missing: [{required}]");
            return Err(refusal(400, "REQUIRED_FIELD_MISSING", message).of(vec![required.into()]));
        }
        // As a matching rule would.
        let rule = self.object.rule;
        let text = row.get(rule).and_then(Value::as_str);
        let same = |row: &Row| row[rule].as_str().zip(text).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        if let Some(row) = self.rows.iter().find(|row| same(row)) {
            let existing = row["Id"].as_str().unwrap().to_owned();
            return Err(refusal(400, "DUPLICATES_DETECTED", "Use one of these records?").existing(existing));
        }
        let id = self.insert(row);
        Ok(said(201, &json!({ "id": id, "success": true, "errors": [] })))
    }

    fn update(&mut self, ask: &Ask, at: usize) -> Answered {
        let sent = self.sent(ask)?;
        self.tick();
        let row = &mut self.rows[at];
        row.extend(sent);
        compound(self.object, row);
        row.insert("LastModifiedDate".into(), self.clock.to_string().into());
        Ok(nothing(204))
    }

    /// What is sent, where it could be kept.
    fn sent(&self, ask: &Ask) -> Result<Row, Refusal> {
        let Some(Value::Object(sent)) = ask.json() else {
            return Err(refusal(400, "JSON_PARSER_ERROR", "Unexpected character"));
        };
        for (name, value) in &sent {
            let known = column(self.object, name)?;
            let faulty = |code, message: String| refusal(400, code, message).of(vec![name.clone()]);
            if READ_ONLY.contains(&known) || known == self.object.compound {
                let message = format!("Unable to create/update fields: {name}.");
                return Err(faulty("INVALID_FIELD_FOR_INSERT_UPDATE", message));
            }
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    let message = format!("Cannot deserialize instance of string from {value}");
                    return Err(refusal(400, "JSON_PARSER_ERROR", message));
                }
            };
            if let Some((_, most)) =
                MOST.iter().find(|(field, most)| *field == known && text.chars().count() > *most)
            {
                let message = format!("{name}: data value too large: {text} (max length={most})");
                return Err(faulty("STRING_TOO_LONG", message));
            }
            if known == "ParentId" && !self.rows.iter().any(|row| row["Id"] == *value) {
                return Err(faulty("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id".into()));
            }
        }
        Ok(sent)
    }
}

fn session(n: usize) -> String {
    format!("00D5e0000000001!AQ.contract.{n}")
}

/// Works out what is put together of other columns.
fn compound(object: &Object, row: &mut Row) {
    if !object.compound.is_empty() {
        let parts = ["FirstName", "LastName"].map(|name| row[name].as_str().unwrap_or_default().to_owned());
        row.insert(object.compound.into(), parts.join(" ").trim().into());
    }
}

/// A column that is there.
fn column(object: &Object, name: &str) -> Result<&'static str, Refusal> {
    let known = object.fields.iter().find(|(field, _)| *field == name).map(|(field, _)| *field);
    known.ok_or_else(|| {
        refusal(400, "INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", object.name))
    })
}

/// A record as it is answered: moments have an offset without a colon.
fn shown(object: &Object, row: &Row, fields: &[&'static str]) -> Value {
    let url = format!("{ROOT}/sobjects/{}/{}", object.name, row["Id"].as_str().unwrap());
    let mut out = json!({ "attributes": { "type": object.name, "url": url } });
    for name in fields {
        out[*name] = match object.fields.iter().find(|(field, _)| field == name) {
            Some((_, Kind::Moment)) => {
                let at: Timestamp = row[*name].as_str().unwrap().parse().unwrap();
                at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string().into()
            }
            _ => row[*name].clone(),
        };
    }
    out
}

/// A query.
struct Statement {
    fields: Vec<&'static str>,
    filter: Option<Condition>,
    order: Vec<By>,
    limit: Option<usize>,
    offset: usize,
}

impl Statement {
    fn read(object: &Object, text: &str) -> Result<Self, Bad> {
        let tokens = tokens(Language::Soql, text)?;
        let mut reader = Reader::new(Language::Soql, object.fields, &tokens);
        let expected = |word: &str| Bad::Syntax(format!("expecting {word}"));
        if !reader.word("select") {
            return Err(expected("SELECT"));
        }
        let mut fields = vec![reader.field()?.0];
        while reader.sign(",") {
            fields.push(reader.field()?.0);
        }
        if !reader.word("from") {
            return Err(expected("FROM"));
        }
        match reader.next() {
            Some(Token::Word(name)) if name == object.name => {}
            other => return Err(Bad::Syntax(format!("sObject type {other:?} is not supported"))),
        }
        let filter = if reader.word("where") { Some(reader.condition(0)?) } else { None };
        let order = match reader.word("order") {
            true if reader.word("by") => order(&mut reader)?,
            true => return Err(expected("BY")),
            false => Vec::new(),
        };
        let limit = if reader.word("limit") { Some(number(&mut reader)?) } else { None };
        let offset = if reader.word("offset") { number(&mut reader)? } else { 0 };
        if offset > 2000 {
            return Err(Bad::Syntax("Maximum SOQL offset allowed is 2000".into()));
        }
        reader.end()?;
        Ok(Self { fields, filter, order, limit, offset })
    }
}

fn order(reader: &mut Reader<'_>) -> Result<Vec<By>, Bad> {
    let mut order = Vec::new();
    loop {
        let (name, kind) = reader.field()?;
        let descending = !reader.word("asc") && reader.word("desc");
        let nulls_last = match reader.word("nulls") {
            true if reader.word("last") => true,
            true if reader.word("first") => false,
            true => return Err(Bad::Syntax("expecting FIRST or LAST".into())),
            false => false,
        };
        order.push(By { name, kind, descending, nulls_last });
        if !reader.sign(",") {
            return Ok(order);
        }
    }
}

fn number(reader: &mut Reader<'_>) -> Result<usize, Bad> {
    match reader.next() {
        Some(Token::Word(word)) => {
            word.parse().map_err(|_| Bad::Syntax(format!("unexpected token: '{word}'")))
        }
        _ => Err(Bad::Syntax("a number was expected".into())),
    }
}
