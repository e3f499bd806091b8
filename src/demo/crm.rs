//! A stand-in for a CRM that answers as HubSpot's CRM v3 API does for contacts and companies.
//!
//! Properties travel as text; only asked-for ones come back; lists page by an opaque cursor, `paging` is
//! absent at the end; searches take groups (or) of filters (and), compare text without regard to case and
//! stop at 10,000; a second contact with one e-mail address is a 409 that hides the first one's id in its text.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::standin::{self, Answers, Ask};

/// A kind of record.
#[derive(Debug)]
struct Object {
    /// Where it stands.
    root: &'static str,
    /// The key of the first one.
    first: u64,
    /// Properties that one may have. Others do not exist.
    properties: &'static [&'static str],
    /// What comes back when nothing is asked for by name.
    usual: &'static [&'static str],
    /// Where it says when it last changed.
    changed: &'static str,
}

static CONTACTS: Object = Object {
    root: "/crm/v3/objects/contacts",
    first: 701_000_000_001,
    properties: CONTACT_PROPERTIES,
    usual: &["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
    changed: "lastmodifieddate",
};
static COMPANIES: Object = Object {
    root: "/crm/v3/objects/companies",
    first: 421_000_000_001,
    properties: COMPANY_PROPERTIES,
    usual: &["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"],
    changed: "hs_lastmodifieddate",
};

impl Object {
    /// What the system alone sets.
    fn own(&self) -> [&'static str; 3] {
        ["createdate", "hs_object_id", self.changed]
    }

    fn all_names(&self) -> Vec<String> {
        self.properties.iter().map(|name| (*name).to_owned()).collect()
    }

    fn check(&self, property: &str) -> Result<(), Refusal> {
        if self.properties.contains(&property) {
            Ok(())
        } else {
            Err(invalid(format!("There was a problem with the request: property {property} does not exist")))
        }
    }
}

const CONTACT_PROPERTIES: &[&str] = &[
    "address",
    "city",
    "company",
    "country",
    "createdate",
    "email",
    "firstname",
    "hs_language",
    "hs_object_id",
    "lastmodifieddate",
    "lastname",
    "lifecyclestage",
    "mobilephone",
    "phone",
    "state",
    "vat_id",
    "website",
    "zip",
];
const COMPANY_PROPERTIES: &[&str] = &[
    "address",
    "address2",
    "city",
    "country",
    "createdate",
    "domain",
    "hs_lastmodifieddate",
    "hs_object_id",
    "industry",
    "lifecyclestage",
    "name",
    "phone",
    "state",
    "vat_id",
    "website",
    "zip",
];
/// How far the key of the next record is from one.
const STEP: u64 = 37;
/// How far a search may be paged.
const SEARCH_WINDOW: usize = 10_000;

/// The stand-in.
#[derive(Debug)]
pub struct Crm {
    token: String,
    records: [Mutex<Records>; 2],
}

#[derive(Debug)]
struct Records {
    object: &'static Object,
    rows: BTreeMap<u64, Row>,
    next: u64,
    clock: Timestamp,
}

#[derive(Clone, Debug)]
struct Row {
    object: &'static Object,
    properties: BTreeMap<String, String>,
    created: Timestamp,
    updated: Timestamp,
    archived: bool,
}

/// A refusal in the system's own words.
struct Refusal(StatusCode, &'static str, String);

type Answered = Result<Response<Bytes>, Refusal>;

impl Crm {
    /// A CRM that knows one private-app token and holds contacts, each a list of properties.
    pub fn new(token: &str, contacts: Vec<Vec<(&str, String)>>) -> Arc<Self> {
        Self::with_companies(token, contacts, Vec::new())
    }

    /// The same with companies.
    pub fn with_companies(
        token: &str,
        contacts: Vec<Vec<(&str, String)>>,
        companies: Vec<Vec<(&str, String)>>,
    ) -> Arc<Self> {
        let records = [Records::new(&CONTACTS, contacts), Records::new(&COMPANIES, companies)];
        Arc::new(Self { token: token.to_owned(), records: records.map(Mutex::new) })
    }

    /// The key of one of the contacts that it was made with, counted from 0.
    pub(super) fn key(n: usize) -> String {
        let steps = u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(STEP);
        CONTACTS.first.saturating_add(steps).to_string()
    }

    fn route(&self, ask: &Ask) -> Answered {
        if ask.header("authorization") != Some(&format!("Bearer {}", self.token)) {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview".into()));
        }
        let mut records = self.records.iter().map(|records| records.lock());
        let mut records =
            records.find(|records| ask.path.starts_with(records.object.root)).ok_or_else(no_route)?;
        let rest = ask.path.strip_prefix(records.object.root).unwrap_or_default();
        match (&ask.method, rest.strip_prefix('/')) {
            (&Method::GET, None) if rest.is_empty() => records.list(ask),
            (&Method::POST, None) if rest.is_empty() => records.create(ask),
            (&Method::POST, Some("search")) => records.search(ask),
            (&Method::GET, Some(id)) => records.read(ask, id),
            (&Method::PATCH, Some(id)) => records.update(ask, id),
            (&Method::DELETE, Some(id)) => records.archive(id),
            _ => Err(no_route()),
        }
    }
}

impl Answers for Crm {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        self.route(ask).unwrap_or_else(|Refusal(status, category, message)| {
            standin::json(
                status,
                &json!({
                    "status": "error", "message": message,
                    "correlationId": "b2b6d1f0-6d5b-4c0a-9a53-1f6f1a1f0c11", "category": category,
                }),
            )
        })
    }
}

fn no_route() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "NO_ROUTE", "No route for this request".into())
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message.into())
}

fn not_found() -> Refusal {
    Refusal(
        StatusCode::NOT_FOUND,
        "OBJECT_NOT_FOUND",
        "Object not found.  objectId are usually numeric.".into(),
    )
}

impl Records {
    fn new(object: &'static Object, rows: Vec<Vec<(&str, String)>>) -> Self {
        let clock = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut all = Self { object, rows: BTreeMap::new(), next: object.first, clock };
        for properties in rows {
            all.insert(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        }
        all
    }

    fn insert(&mut self, properties: BTreeMap<String, String>) -> u64 {
        let id = self.next;
        self.next += STEP;
        self.clock = self.clock.saturating_add(SignedDuration::from_millis(61_373)).unwrap_or(self.clock);
        let now = self.clock;
        let object = self.object;
        self.rows.insert(id, Row { object, properties, created: now, updated: now, archived: false });
        id
    }

    fn live(&self, id: &str) -> Result<(u64, &Row), Refusal> {
        let id: u64 = id.parse().map_err(|_| not_found())?;
        self.rows
            .get(&id)
            .filter(|contact| !contact.archived)
            .map(|contact| (id, contact))
            .ok_or_else(not_found)
    }

    fn list(&self, ask: &Ask) -> Answered {
        let mut page = Page { limit: 10, after: 0 };
        let mut wanted = None;
        for (name, value) in ask.pairs() {
            match name.as_str() {
                "limit" => page.limit = limit(&value)?,
                "after" => page.after = after(&value)?,
                "properties" => wanted = Some(split(&value)),
                "archived" if value == "false" => {}
                _ => return Err(invalid(format!("Unknown query parameter: {name}"))),
            }
        }
        let rows: Vec<_> = self.rows.iter().filter(|(_, c)| !c.archived).map(|(id, c)| (*id, c)).collect();
        let after = u64::try_from(page.after).unwrap_or(u64::MAX);
        let start = rows.partition_point(|(id, _)| *id <= after);
        let shown: Vec<_> = rows.iter().skip(start).take(page.limit).collect();
        let mut body = json!({ "results": shown.iter().map(|(id, c)| c.shown(*id, wanted.as_deref())).collect::<Vec<_>>() });
        let root = self.object.root;
        if let Some((last, _)) = shown.last().filter(|_| start + shown.len() < rows.len()) {
            add(
                &mut body,
                "paging",
                json!({ "next": { "after": last.to_string(), "link": format!("https://api.hubapi.com{root}?after={last}") } }),
            );
        }
        Ok(standin::json(StatusCode::OK, &body))
    }

    fn read(&self, ask: &Ask, id: &str) -> Answered {
        let mut wanted = None;
        for (name, value) in ask.pairs() {
            match name.as_str() {
                "properties" => wanted = Some(split(&value)),
                "archived" if value == "false" => {}
                _ => return Err(invalid(format!("Unknown query parameter: {name}"))),
            }
        }
        let (id, contact) = self.live(id)?;
        Ok(standin::json(StatusCode::OK, &contact.shown(id, wanted.as_deref())))
    }

    fn create(&mut self, ask: &Ask) -> Answered {
        let properties = sent(self.object, ask)?;
        self.refuse_duplicate(&properties, None)?;
        let id = self.insert(properties.into_iter().filter(|(_, value)| !value.is_empty()).collect());
        let contact = self.rows.get(&id).ok_or_else(not_found)?;
        Ok(standin::json(StatusCode::CREATED, &contact.shown(id, Some(&self.object.all_names()))))
    }

    fn update(&mut self, ask: &Ask, id: &str) -> Answered {
        let (id, _) = self.live(id)?;
        let properties = sent(self.object, ask)?;
        self.refuse_duplicate(&properties, Some(id))?;
        self.clock = self.clock.saturating_add(SignedDuration::from_secs(1)).unwrap_or(self.clock);
        let now = self.clock;
        let contact = self.rows.get_mut(&id).ok_or_else(not_found)?;
        for (name, value) in properties {
            if value.is_empty() {
                contact.properties.remove(&name);
            } else {
                contact.properties.insert(name, value);
            }
        }
        contact.updated = now;
        Ok(standin::json(StatusCode::OK, &contact.shown(id, Some(&self.object.all_names()))))
    }

    fn archive(&mut self, id: &str) -> Answered {
        // Archiving twice is as good as once.
        if let Some(contact) = id.parse().ok().and_then(|id: u64| self.rows.get_mut(&id)) {
            contact.archived = true;
        }
        Ok(standin::empty(StatusCode::NO_CONTENT))
    }

    fn refuse_duplicate(
        &self,
        properties: &BTreeMap<String, String>,
        own: Option<u64>,
    ) -> Result<(), Refusal> {
        let Some(email) = properties.get("email").filter(|email| !email.is_empty()) else { return Ok(()) };
        let same =
            |contact: &Row| contact.properties.get("email").is_some_and(|e| e.eq_ignore_ascii_case(email));
        match self.rows.iter().find(|(id, contact)| Some(**id) != own && !contact.archived && same(contact)) {
            Some((id, _)) => Err(Refusal(
                StatusCode::CONFLICT,
                "CONFLICT",
                format!("Contact already exists. Existing ID: {id}"),
            )),
            None => Ok(()),
        }
    }

    fn search(&self, ask: &Ask) -> Answered {
        let search = Search::read(self.object, &ask.json().ok_or_else(|| invalid("Invalid input JSON"))?)?;
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|(id, c)| !c.archived && search.holds(**id, c))
            .map(|(id, c)| (*id, c))
            .collect();
        if let Some((property, descending)) = &search.sort {
            rows.sort_by_cached_key(|(id, contact)| contact.key(*id, property));
            if *descending {
                rows.reverse();
            }
        }
        let total = rows.len();
        let shown: Vec<_> = rows.into_iter().skip(search.page.after).take(search.page.limit).collect();
        let next = search.page.after + shown.len();
        let mut body = json!({ "total": total, "results": shown.iter().map(|(id, c)| c.shown(*id, search.wanted.as_deref())).collect::<Vec<_>>() });
        if next < total {
            add(&mut body, "paging", json!({ "next": { "after": next.to_string() } }));
        }
        Ok(standin::json(StatusCode::OK, &body))
    }
}

#[derive(Clone, Copy)]
struct Page {
    limit: usize,
    after: usize,
}

fn limit(text: &str) -> Result<usize, Refusal> {
    text.parse()
        .ok()
        .filter(|n| (1..=100).contains(n))
        .ok_or_else(|| invalid("limit must be between 1 and 100"))
}

fn after(text: &str) -> Result<usize, Refusal> {
    text.parse().map_err(|_| invalid("Invalid paging cursor"))
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn add(body: &mut Value, name: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// The properties of a request body; every value is text (or a number or boolean that becomes text).
fn sent(object: &Object, ask: &Ask) -> Result<BTreeMap<String, String>, Refusal> {
    let body = ask.json().ok_or_else(|| invalid("Invalid input JSON on line 1, column 1"))?;
    let properties = body
        .get("properties")
        .and_then(Value::as_object)
        .ok_or_else(|| invalid("Some required fields were not set: [properties]"))?;
    let mut out = BTreeMap::new();
    for (name, value) in properties {
        if !object.properties.contains(&name.as_str()) {
            return Err(faulty(
                name,
                "PROPERTY_DOESNT_EXIST",
                &format!("Property \\\"{name}\\\" does not exist"),
            ));
        }
        if object.own().contains(&name.as_str()) {
            return Err(faulty(
                name,
                "READ_ONLY_VALUE",
                &format!("\\\"{name}\\\" is a read only property; its value cannot be set."),
            ));
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(invalid(format!(
                    "Cannot deserialize value of type `java.lang.String` for {name}"
                )));
            }
        };
        if name == "email" && !text.is_empty() && !text.contains('@') {
            return Err(faulty(name, "INVALID_EMAIL", &format!("Email address {text} is invalid")));
        }
        out.insert(name.clone(), text);
    }
    Ok(out)
}

fn faulty(name: &str, code: &str, message: &str) -> Refusal {
    invalid(format!(
        "Property values were not valid: [{{\"isValid\":false,\"message\":\"{message}\",\"error\":\"{code}\",\"name\":\"{name}\",\"localizedErrorMessage\":\"{message}\"}}]"
    ))
}

impl Row {
    /// The value of a property, the system's own included.
    fn property(&self, id: u64, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(id.to_string()),
            "createdate" => Some(format!("{:.3}", self.created)),
            name if name == self.object.changed => Some(format!("{:.3}", self.updated)),
            name => self.properties.get(name).cloned(),
        }
    }

    fn shown(&self, id: u64, wanted: Option<&[String]>) -> Value {
        let names: Vec<&str> = wanted.map_or_else(
            || self.object.usual.to_vec(),
            |names| {
                let own = self.object.own();
                names
                    .iter()
                    .map(String::as_str)
                    .filter(|name| self.object.properties.contains(name) && !own.contains(name))
                    .chain(own)
                    .collect()
            },
        );
        let mut properties = Map::new();
        for name in names {
            properties.insert(name.to_owned(), self.property(id, name).map_or(Value::Null, Value::String));
        }
        json!({
            "id": id.to_string(), "properties": properties,
            "createdAt": format!("{:.3}", self.created), "updatedAt": format!("{:.3}", self.updated), "archived": self.archived,
        })
    }

    /// Sort and comparison key: instants as milliseconds, text without case.
    fn key(&self, id: u64, name: &str) -> Option<Key> {
        match name {
            "createdate" => Some(Key::Number(self.created.as_millisecond())),
            name if name == self.object.changed => Some(Key::Number(self.updated.as_millisecond())),
            "hs_object_id" => i64::try_from(id).ok().map(Key::Number),
            name => self.properties.get(name).map(|text| Key::Text(text.to_lowercase())),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    fn read(object: &Object, name: &str, value: &Value) -> Result<Self, Refusal> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(invalid("filter value must be text"));
            }
        };
        match name {
            name if object.own().contains(&name) => {
                let number =
                    text.parse().or_else(|_| text.parse::<Timestamp>().map(Timestamp::as_millisecond));
                number
                    .map(Self::Number)
                    .map_err(|_| invalid(format!("{text} is not a valid value for {name}")))
            }
            _ => Ok(Self::Text(text.to_lowercase())),
        }
    }
}

struct Search {
    groups: Vec<Vec<Test>>,
    sort: Option<(String, bool)>,
    wanted: Option<Vec<String>>,
    page: Page,
}

struct Test {
    property: String,
    operator: Operator,
    values: Vec<Key>,
}

#[derive(Clone, Copy)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
    Has,
    HasNot,
}

impl Search {
    fn read(object: &Object, body: &Value) -> Result<Self, Refusal> {
        let mut search =
            Self { groups: Vec::new(), sort: None, wanted: None, page: Page { limit: 10, after: 0 } };
        for (name, value) in body.as_object().ok_or_else(|| invalid("Invalid input JSON"))? {
            match name.as_str() {
                "filterGroups" => search.groups = groups(object, value)?,
                "sorts" => search.sort = sort(object, value)?,
                "properties" => search.wanted = Some(texts(value)?),
                "limit" => search.page.limit = limit(&value.to_string())?,
                "after" => search.page.after = after(value.as_str().unwrap_or(&value.to_string()))?,
                _ => return Err(invalid(format!("Unknown field {name}"))),
            }
        }
        if search.page.after + search.page.limit > SEARCH_WINDOW {
            return Err(invalid("The search cannot page beyond 10,000 results"));
        }
        Ok(search)
    }

    fn holds(&self, id: u64, contact: &Row) -> bool {
        self.groups.is_empty()
            || self.groups.iter().any(|group| group.iter().all(|test| test.holds(id, contact)))
    }
}

fn groups(object: &Object, value: &Value) -> Result<Vec<Vec<Test>>, Refusal> {
    let groups = value.as_array().ok_or_else(|| invalid("filterGroups must be a list"))?;
    let mut out = Vec::new();
    for group in groups {
        let filters = group
            .get("filters")
            .and_then(Value::as_array)
            .ok_or_else(|| invalid("filters must be a list"))?;
        out.push(filters.iter().map(|filter| Test::read(object, filter)).collect::<Result<Vec<_>, _>>()?);
    }
    let all: usize = out.iter().map(Vec::len).sum();
    if out.len() > 5 || all > 18 || out.iter().any(|filters| filters.len() > 6) {
        return Err(invalid("Too many filters: at most 5 groups of 6, and 18 in all"));
    }
    Ok(out)
}

fn sort(object: &Object, value: &Value) -> Result<Option<(String, bool)>, Refusal> {
    match value.as_array().map(Vec::as_slice) {
        Some([]) => Ok(None),
        Some([one]) => {
            let property = one
                .get("propertyName")
                .and_then(Value::as_str)
                .ok_or_else(|| invalid("sorts need a propertyName"))?;
            object.check(property)?;
            let descending = match one.get("direction").and_then(Value::as_str) {
                None | Some("ASCENDING") => false,
                Some("DESCENDING") => true,
                Some(other) => return Err(invalid(format!("Unknown direction {other}"))),
            };
            Ok(Some((property.to_owned(), descending)))
        }
        Some(_) => Err(invalid("Only one sort is supported")),
        None => Err(invalid("sorts must be a list")),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, Refusal> {
    let list = value.as_array().ok_or_else(|| invalid("expected a list of text"))?;
    list.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| invalid("expected text"))).collect()
}

impl Test {
    fn read(object: &Object, filter: &Value) -> Result<Self, Refusal> {
        let get = |name: &str| filter.get(name).and_then(Value::as_str);
        let property = get("propertyName").ok_or_else(|| invalid("filters need a propertyName"))?.to_owned();
        object.check(&property)?;
        let operator = match get("operator") {
            Some("EQ") => Operator::Eq,
            Some("NEQ") => Operator::Neq,
            Some("LT") => Operator::Lt,
            Some("LTE") => Operator::Lte,
            Some("GT") => Operator::Gt,
            Some("GTE") => Operator::Gte,
            Some("IN") => Operator::In,
            Some("NOT_IN") => Operator::NotIn,
            Some("HAS_PROPERTY") => Operator::Has,
            Some("NOT_HAS_PROPERTY") => Operator::HasNot,
            other => return Err(invalid(format!("operator {} is not supported", other.unwrap_or("(none)")))),
        };
        let given: Vec<&Value> = match operator {
            Operator::In | Operator::NotIn => filter
                .get("values")
                .and_then(Value::as_array)
                .map(|v| v.iter().collect())
                .ok_or_else(|| invalid("IN needs values"))?,
            Operator::Has | Operator::HasNot => Vec::new(),
            Operator::Eq | Operator::Neq | Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => {
                vec![filter.get("value").ok_or_else(|| invalid("filters need a value"))?]
            }
        };
        let values =
            given.into_iter().map(|value| Key::read(object, &property, value)).collect::<Result<_, _>>()?;
        Ok(Self { property, operator, values })
    }

    fn holds(&self, id: u64, contact: &Row) -> bool {
        let key = contact.key(id, &self.property);
        let one = |test: fn(&Key, &Key) -> bool| matches!((&key, self.values.first()), (Some(key), Some(value)) if test(key, value));
        let listed = || key.as_ref().is_some_and(|key| self.values.contains(key));
        match self.operator {
            Operator::Eq => one(|a, b| a == b),
            Operator::Neq => !one(|a, b| a == b),
            Operator::Lt => one(|a, b| a < b),
            Operator::Lte => one(|a, b| a <= b),
            Operator::Gt => one(|a, b| a > b),
            Operator::Gte => one(|a, b| a >= b),
            Operator::In => listed(),
            Operator::NotIn => key.is_some() && !listed(),
            Operator::Has => key.is_some(),
            Operator::HasNot => key.is_none(),
        }
    }
}
