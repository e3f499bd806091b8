//! Entries as events of the Open Cybersecurity Schema Framework, version 1.6.0 (`schema.ocsf.io`).
//!
//! Exchanges and acts of operators are *API Activity* (6003); who could not prove who they are, and credentials that are
//! issued or taken back, *Authentication* (3002); sessions of the journal itself *Application Lifecycle* (6002). What
//! the schema has no attribute for stands under `unmapped`, by the names it has in the journal.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::event::Told;

/// The version of the schema that events are of.
const VERSION: &str = "1.6.0";
/// Methods that the schema knows.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
/// What of a leaf is told by attributes, or means nothing without the journal.
const MAPPED: [&str; 27] = [
    "v",
    "seq",
    "salt",
    "sealed",
    "at",
    "request",
    "listener",
    "network",
    "server_name",
    "method",
    "path",
    "who",
    "credential_id",
    "action",
    "target",
    "entity",
    "status",
    "bytes",
    "micros",
    "records",
    "record",
    "refusal",
    "reason",
    "act",
    "by",
    "opened",
    "write",
];

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// As it should be.
    Informational,
    /// Somebody was refused something.
    Low,
    /// Somebody should look at it.
    Medium,
    /// A write of which nobody knows what became of it.
    High,
}

impl Severity {
    fn id(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// What an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Api,
    Authentication,
    Lifecycle,
}

impl Class {
    /// Its category's number and name, its own, and its name.
    fn facts(self) -> (u32, &'static str, u32, &'static str) {
        match self {
            Self::Api => (6, "Application Activity", 6003, "API Activity"),
            Self::Authentication => (3, "Identity & Access Management", 3002, "Authentication"),
            Self::Lifecycle => (6, "Application Activity", 6002, "Application Lifecycle"),
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Unknown,
    Success,
    Failure,
    /// By a word of ours.
    Other(&'static str),
}

impl Status {
    fn facts(self) -> (u8, &'static str) {
        match self {
            Self::Unknown => (0, "Unknown"),
            Self::Success => (1, "Success"),
            Self::Failure => (2, "Failure"),
            Self::Other(word) => (99, word),
        }
    }
}

/// What of a leaf the schema has attributes for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Leaf {
    kind: String,
    request: Option<String>,
    outcome: Option<String>,
    listener: Option<String>,
    network: Option<String>,
    server_name: Option<String>,
    method: Option<String>,
    path: Option<String>,
    credential_id: Option<String>,
    who: Option<Who>,
    action: Option<String>,
    target: Option<String>,
    write: Option<String>,
    entity: Option<String>,
    system: Option<String>,
    status: Option<u16>,
    refusal: Option<String>,
    reason: Option<String>,
    bytes: Option<u64>,
    bytes_out: Option<u64>,
    micros: Option<u64>,
    ended: Option<String>,
    record: Option<String>,
    records: Vec<String>,
    shown: Vec<Shown>,
    notes: Json,
    act: Option<String>,
    by: Option<String>,
    details: Json,
    subject: Option<String>,
    exchanges: Option<u64>,
    opened: Opened,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Who {
    kind: String,
    id: Option<String>,
    partner: Option<String>,
    groups: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shown {
    records: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Opened {
    address: Option<String>,
    peer: Option<String>,
    id: Option<String>,
    partner: Option<String>,
}

/// The event of an entry.
pub(super) fn event(told: &Told<'_>, leaf: &Leaf) -> Json {
    let (class, activity, activity_name) = leaf.classified();
    let (status, severity) = (leaf.outcome(), leaf.severity());
    let (category, category_name, class_uid, class_name) = class.facts();
    let (status_id, status_name) = status.facts();
    let mut event = json!({
        "metadata": metadata(told, leaf),
        "category_uid": category, "category_name": category_name,
        "class_uid": class_uid, "class_name": class_name,
        "activity_id": activity, "activity_name": activity_name,
        "type_uid": class_uid.saturating_mul(100).saturating_add(u32::from(activity)),
        "severity_id": severity.id(), "severity": severity.as_str(),
        "status_id": status_id, "status": status_name,
        "time": told.at.as_millisecond(),
        "message": leaf.message(),
        "raw_data_hash": {
            "algorithm_id": 99, "algorithm": "RFC 6962 leaf hash, SHA-256", "value": told.leaf_hash.to_string(),
        },
        "unmapped": unmapped(told),
    });
    if let Some(event) = event.as_object_mut() {
        leaf.fill(event, class, told);
    }
    event
}

fn metadata(told: &Told<'_>, leaf: &Leaf) -> Json {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "bramka", "vendor_name": "bramka", "version": env!("CARGO_PKG_VERSION") },
        "uid": format!("{}/{}:{}", told.gate, told.lane, told.sequence),
        "sequence": told.sequence,
        "log_name": format!("bramka/{}/{}", told.gate, told.lane),
        "log_provider": "bramka",
        "original_time": told.at.to_string(),
        "event_code": leaf.event_code(),
    });
    put(&mut metadata, "correlation_uid", leaf.request.as_deref());
    metadata
}

/// What the schema has no attribute for, and by what the entry is found and proved.
fn unmapped(told: &Told<'_>) -> Json {
    let mut rest: Map<String, Json> = told
        .entry
        .iter()
        .filter(|(key, _)| !MAPPED.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if let Some(Json::Object(who)) = told.entry.get("who") {
        let known = ["kind", "id", "partner", "groups"];
        let more = who.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        let more: Map<String, Json> = more.map(|(key, value)| (key.clone(), value.clone())).collect();
        if !more.is_empty() {
            rest.insert("who".into(), more.into());
        }
    }
    rest.insert("gate".into(), told.gate.into());
    rest.insert("lane".into(), told.lane.into());
    rest.insert("sequence".into(), told.sequence.into());
    rest.insert("leaf_hash".into(), told.leaf_hash.to_string().into());
    if told.is_erased {
        rest.insert("beside".into(), "erased".into());
    }
    if !told.redacted.is_empty() {
        rest.insert("redacted".into(), told.redacted.clone().into());
    }
    rest.into()
}

fn put(object: &mut Json, key: &str, value: Option<impl Into<Json>>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.into(), value.into());
    }
}

impl Leaf {
    /// Of an entry as it may be told.
    pub(super) fn of(told: &Told<'_>) -> Result<Self, serde_json::Error> {
        Self::deserialize(&told.entry)
    }

    /// `intent`, `answer` …, or the act of an operator.
    pub(super) fn event_code(&self) -> &str {
        self.act.as_deref().unwrap_or(&self.kind)
    }

    /// Class, activity, and the activity's name.
    fn classified(&self) -> (Class, u8, String) {
        let other = |class, name: &str| (class, 99, name.to_owned());
        match (self.kind.as_str(), self.act.as_deref()) {
            ("start", _) => (Class::Lifecycle, 3, "Start".to_owned()),
            ("stop", _) => (Class::Lifecycle, 4, "Stop".to_owned()),
            ("open", _) => other(Class::Lifecycle, "open"),
            ("answer", _) if self.is_unidentified() => (Class::Authentication, 1, "Logon".to_owned()),
            ("administrative", Some("refused")) => (Class::Authentication, 1, "Logon".to_owned()),
            ("administrative", Some(act))
                if act.starts_with("credential-") || act.starts_with("signing-key-") =>
            {
                other(Class::Authentication, act)
            }
            ("administrative", Some("journal-read" | "systems-read")) => (Class::Api, 2, "Read".to_owned()),
            ("administrative", Some("erase")) => (Class::Api, 4, "Delete".to_owned()),
            ("administrative", Some(act)) => other(Class::Api, act),
            (kind, _) => match self.write.as_deref().or(self.action.as_deref()) {
                Some("create") => (Class::Api, 1, "Create".to_owned()),
                Some("read" | "list") => (Class::Api, 2, "Read".to_owned()),
                Some("update") => (Class::Api, 3, "Update".to_owned()),
                Some("delete") => (Class::Api, 4, "Delete".to_owned()),
                Some(action) => other(Class::Api, action),
                None => other(Class::Api, kind),
            },
        }
    }

    /// Somebody who did not prove who they are.
    fn is_unidentified(&self) -> bool {
        let is_handshake = self.refusal.as_deref().is_some_and(|refusal| refusal.starts_with("handshake_"));
        self.who.is_none() && (self.status == Some(401) || is_handshake)
    }

    fn outcome(&self) -> Status {
        match self.kind.as_str() {
            _ if self.outcome.as_deref() == Some("unknown") => Status::Unknown,
            "intent" => Status::Other("Intent"),
            "counted" => Status::Other("Counted"),
            "close" if self.ended.as_deref() != Some("complete") => Status::Failure,
            "answer" if self.refusal.is_some() || self.reason.is_some() => Status::Failure,
            "answer" if self.status.is_none_or(|status| status >= 400) => Status::Failure,
            "administrative" if self.act.as_deref() == Some("refused") => Status::Failure,
            _ => Status::Success,
        }
    }

    /// How grave it is.
    pub(super) fn severity(&self) -> Severity {
        let is_alert = self.notes.as_array().is_some_and(|notes| {
            notes.iter().any(|note| note.get(0).and_then(Json::as_str) == Some("alert"))
        });
        let is_operator = self.kind == "administrative";
        match self.outcome() {
            Status::Unknown => Severity::High,
            _ if is_alert => Severity::Medium,
            Status::Failure if is_operator || self.status.is_some_and(|status| status >= 500) => {
                Severity::Medium
            }
            Status::Failure => Severity::Low,
            Status::Other("Counted") => Severity::Low,
            Status::Success | Status::Other(_) => Severity::Informational,
        }
    }

    /// What was done, and to what: `list Customer`.
    fn operation(&self) -> String {
        let of = |verb: &str, target: Option<&String>| match target {
            Some(target) => format!("{verb} {target}"),
            None => verb.to_owned(),
        };
        match (&self.act, &self.write, &self.action, &self.method) {
            (Some(act), ..) => act.clone(),
            (_, Some(write), ..) => of(write, self.entity.as_ref()),
            (.., Some(action), _) => of(action, self.target.as_ref()),
            (.., Some(method)) => of(method, self.path.as_ref()),
            _ => of(&self.kind, self.system.as_ref()),
        }
    }

    fn message(&self) -> String {
        let mut words = vec![self.operation()];
        words.extend(self.by.as_ref().map(|by| format!("by {by}")));
        words.extend(self.status.map(|status| status.to_string()));
        words.extend(self.refusal.iter().chain(&self.reason).map(|why| format!("({why})")));
        words.extend(self.ended.as_ref().map(|ended| format!("ended {ended}")));
        words.extend(self.exchanges.map(|count| format!("{count} exchanges")));
        words.join(" ")
    }

    /// The attributes of its class.
    fn fill(&self, event: &mut Map<String, Json>, class: Class, told: &Told<'_>) {
        let mut set = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                event.insert(key.to_owned(), value);
            }
        };
        set("status_code", self.status.map(|status| status.to_string().into()));
        set(
            "status_detail",
            self.refusal
                .as_ref()
                .or(self.reason.as_ref())
                .or(self.ended.as_ref())
                .map(|why| why.clone().into()),
        );
        set("count", self.exchanges.filter(|count| *count > 0).map(Json::from));
        let bramka = json!({ "name": "bramka", "uid": told.gate, "version": env!("CARGO_PKG_VERSION") });
        if class == Class::Lifecycle {
            set(
                "app",
                Some(json!({
                    "name": "bramka", "vendor_name": "bramka", "uid": told.gate, "version": env!("CARGO_PKG_VERSION"),
                })),
            );
            return;
        }
        set("src_endpoint", Some(self.source()));
        set("dst_endpoint", self.listener());
        set("http_request", self.http_request());
        set("http_response", self.http_response());
        match class {
            Class::Authentication => {
                set("service", Some(bramka));
                set("user", Some(self.authenticated()));
                set("is_remote", self.listener.is_some().then_some(true.into()));
                set("actor", (self.kind == "administrative").then(|| json!({ "user": self.user() })));
            }
            Class::Api => {
                let mut api = json!({ "operation": self.operation(), "service": bramka });
                put(&mut api, "request", self.request.as_ref().map(|uid| json!({ "uid": uid })));
                set("api", Some(api));
                set("actor", Some(self.actor(told.gate)));
                let resources = self.resources();
                set("resources", (!resources.is_empty()).then(|| resources.into()));
            }
            Class::Lifecycle => {}
        }
    }

    fn actor(&self, gate: &str) -> Json {
        match self.kind.as_str() {
            // The gate's own sum of what many asked.
            "counted" => json!({ "app_name": "bramka", "app_uid": gate }),
            _ => json!({ "user": self.user() }),
        }
    }

    /// Who asked, as far as it may be told.
    fn user(&self) -> Json {
        if self.kind == "administrative" {
            return match self.by.as_deref() {
                Some("gate") => json!({ "name": "gate", "type_id": 3, "type": "System" }),
                Some("stranger") => unknown(),
                Some(by) => json!({ "name": by, "type_id": 2, "type": "Admin" }),
                None => unknown(),
            };
        }
        let Some(who) = &self.who else { return unknown() };
        let (type_id, kind) = match who.kind.as_str() {
            "User" => (1, "User"),
            "App" => (4, "Service"),
            "Anonymous" => (0, "Unknown"),
            kind => (99, kind),
        };
        let mut user = json!({ "type_id": type_id, "type": kind });
        match (&self.opened.id, &who.id) {
            (Some(id), digest) => {
                put(&mut user, "uid", Some(id.clone()));
                put(&mut user, "name", Some(format!("{}/{id}", who.kind)));
                put(&mut user, "uid_alt", digest.clone());
            }
            (None, Some(digest)) => put(&mut user, "uid", Some(digest.clone())),
            (None, None) => put(&mut user, "name", Some(who.kind.clone())),
        }
        let groups: Vec<Json> = who.groups.iter().map(|name| json!({ "name": name })).collect();
        put(&mut user, "groups", (!groups.is_empty()).then_some(groups));
        let partner = self.opened.partner.as_ref().or(who.partner.as_ref());
        put(&mut user, "org", partner.map(|uid| json!({ "uid": uid })));
        put(&mut user, "credential_uid", self.credential_id.clone());
        user
    }

    /// Whose credential it is about.
    fn authenticated(&self) -> Json {
        if self.kind != "administrative" {
            return unknown();
        }
        if self.act.as_deref() == Some("refused") {
            return self.user();
        }
        let detail = |name: &str| {
            let pairs = self.details.as_array()?;
            let pair = pairs.iter().find(|pair| pair.get(0).and_then(Json::as_str) == Some(name))?;
            pair.get(1)?.as_str().map(str::to_owned)
        };
        let mut user = match detail("principal") {
            Some(principal) => {
                let kind = detail("kind");
                json!({ "name": kind.map_or(principal.clone(), |kind| format!("{kind}/{principal}")) })
            }
            None => unknown(),
        };
        put(&mut user, "credential_uid", detail("id").or(detail("kid")));
        user
    }

    fn source(&self) -> Json {
        let network = self.network.as_deref();
        let mut source = json!({});
        match &self.opened.address {
            Some(address) if address.parse::<std::net::IpAddr>().is_ok() => {
                put(&mut source, "ip", Some(address.clone()))
            }
            Some(digest) => put(&mut source, "uid", Some(digest.clone())),
            None => put(&mut source, "name", Some(network.unwrap_or("unknown"))),
        }
        put(&mut source, "zone", network);
        let peer = self.opened.peer.as_ref().filter(|peer| peer.parse::<std::net::IpAddr>().is_ok());
        put(&mut source, "intermediate_ips", peer.map(|peer| vec![peer.clone()]));
        source
    }

    fn listener(&self) -> Option<Json> {
        let listener = self.listener.as_ref()?;
        let mut target = json!({ "svc_name": listener });
        put(&mut target, "hostname", self.server_name.clone());
        Some(target)
    }

    fn http_request(&self) -> Option<Json> {
        let method = self.method.as_ref()?;
        let mut request = json!({});
        let known = METHODS.contains(&method.as_str()).then(|| method.clone());
        put(&mut request, "http_method", known);
        put(&mut request, "url", self.path.as_ref().map(|path| json!({ "path": path })));
        put(&mut request, "uid", self.request.clone());
        Some(request)
    }

    fn http_response(&self) -> Option<Json> {
        let mut response = json!({ "code": self.status? });
        put(&mut response, "latency", self.micros.map(|micros| micros / 1000));
        put(&mut response, "length", self.bytes.or(self.bytes_out));
        Some(response)
    }

    /// Records that were looked at, shown or changed, each once; what was asked for where there are none.
    fn resources(&self) -> Vec<Json> {
        let kind = self.entity.as_ref().or(self.target.as_ref());
        let shown = self.shown.iter().flat_map(|shown| &shown.records);
        let mut known = HashSet::new();
        let records = self.record.iter().chain(&self.records).chain(shown).chain(&self.subject);
        let mut out: Vec<Json> = Vec::new();
        for uid in records.filter(|uid| known.insert(*uid)) {
            let mut resource = json!({ "uid": uid });
            put(&mut resource, "type", kind.cloned());
            out.push(resource);
        }
        if out.is_empty()
            && let Some(name) = kind.or(self.system.as_ref())
        {
            out.push(json!({ "name": name }));
        }
        out
    }
}

/// Nobody who is known.
fn unknown() -> Json {
    json!({ "name": "Unknown", "type_id": 0, "type": "Unknown" })
}
