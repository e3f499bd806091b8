//! A second implementation of the whole decision, as plain as can be: Cedar's authorizer on one statement at
//! a time, entities through JSON, annotations read as text. It shares nothing with the room but the words.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use cedar_policy::{Authorizer, Context, Entities, EntityUid, Policy, PolicySet, Request};
use serde_json::{Map, Value, json};

use super::kit::CUSTOMERS;
use crate::{
    identity::{Attribute, Facts},
    schema::Entity,
};

/// A statement in its parts.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) is_permit: bool,
    pub(super) head: String,
    pub(super) body: String,
    /// What must not hold.
    pub(super) unless: Option<String>,
    pub(super) fields: Vec<&'static str>,
    /// What an update may change; a statement has this or `fields`.
    pub(super) writes: Vec<&'static str>,
    pub(super) masks: Vec<(&'static str, &'static str)>,
    pub(super) withheld: Vec<&'static str>,
}

/// A request in its parts.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) action: &'static str,
    pub(super) tls: bool,
    pub(super) address: &'static str,
    pub(super) time: &'static str,
    pub(super) purpose: Option<&'static str>,
    pub(super) guarded: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decided {
    /// Leaf by leaf how it is shown, and what comes out.
    Shown(BTreeMap<String, &'static str>, Value),
    Refused,
    Error,
}

const ORDER: [&str; 7] = ["hidden", "full", "pseudonym", "coarse", "e-mail", "last4", "shown"];

impl Said {
    pub(super) fn text(&self) -> String {
        let join = |all: &[&str]| all.join(", ");
        let mut out = format!("@id(\"{}\")\n", self.id);
        if !self.writes.is_empty() && self.is_permit {
            out += &format!("@writes(\"{}\")\n", join(&self.writes));
        } else if self.is_permit {
            out += &format!("@fields(\"{}\")\n", join(&self.fields));
            let masks: Vec<String> =
                self.masks.iter().map(|(path, mask)| format!("{path}: {mask}")).collect();
            if !masks.is_empty() {
                out += &format!("@mask(\"{}\")\n", masks.join(", "));
            }
        } else if !self.withheld.is_empty() {
            out += &format!("@withhold(\"{}\")\n", join(&self.withheld));
        }
        out + &self.rule()
    }

    fn rule(&self) -> String {
        let effect = if self.is_permit { "permit" } else { "forbid" };
        let unless = self.unless.as_ref().map(|body| format!(" unless {{ {body} }}")).unwrap_or_default();
        format!("{effect} ({}) when {{ {} }}{unless};\n", self.head, self.body)
    }

    fn shows(&self, leaf: &crate::schema::Leaf) -> &'static str {
        let path = leaf.path.as_str();
        let named = self.fields.contains(&path);
        let under = self.fields.iter().any(|field| *field == "*" || path.starts_with(&format!("{field}.")));
        if !(named || under && leaf.class.is_granted_by_star()) {
            return "hidden";
        }
        match self.masks.iter().find(|(masked, _)| *masked == path) {
            Some((_, "year" | "rounded")) => "coarse",
            Some((_, mask)) => mask,
            None => "shown",
        }
    }
}

/// Decides on one record, given as JSON.
pub(super) fn decide(
    said: &[Said],
    entity: &Entity,
    facts: &Facts,
    asked: &Asked,
    record: &Value,
) -> Decided {
    let holding = match holding(said, facts, asked, record) {
        Ok(holding) => holding,
        Err(decided) => return decided,
    };
    let mut shown: BTreeMap<String, &'static str> = BTreeMap::new();
    for one in holding.iter().filter(|one| one.is_permit) {
        for leaf in &entity.leaves {
            let (had, has) = (shown.get(leaf.path.as_str()).copied().unwrap_or("hidden"), one.shows(leaf));
            let rank = |word: &str| ORDER.iter().position(|known| *known == word).unwrap();
            shown.insert(leaf.path.to_string(), if rank(has) > rank(had) { has } else { had });
        }
    }
    let struck = struck(&holding);
    shown.retain(|path, how| *how != "hidden" && !is_under(path, &struck));
    let leaves: Vec<&str> = entity.leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    let out = strike(record, "", &shown, &leaves).unwrap_or_else(|| json!({}));
    Decided::Shown(shown, out)
}

/// Decides on an update: the fields that may not change, or how it is refused otherwise.
pub(super) fn decide_update(
    said: &[Said],
    facts: &Facts,
    asked: &Asked,
    (old, new): (&Value, &Value),
    changed: &[&str],
) -> Result<(), String> {
    let check = |record: &Value, refused: &str| {
        let holding = holding(said, facts, asked, record).map_err(|decided| match decided {
            Decided::Error => "error".to_owned(),
            Decided::Refused | Decided::Shown(..) => refused.to_owned(),
        })?;
        let struck = struck(&holding);
        let may = |path: &str| {
            holding.iter().any(|one| one.is_permit && one.writes.contains(&path)) && !is_under(path, &struck)
        };
        let beyond: Vec<&str> = changed.iter().copied().filter(|path| !may(path)).collect();
        if beyond.is_empty() { Ok(()) } else { Err(beyond.join(", ")) }
    };
    check(old, "record")?;
    check(new, "new")
}

fn struck(holding: &[&Said]) -> Vec<&'static str> {
    holding.iter().filter(|one| !one.is_permit).flat_map(|one| one.withheld.iter().copied()).collect()
}

fn is_under(path: &str, parents: &[&str]) -> bool {
    parents.iter().any(|parent| path == *parent || path.starts_with(&format!("{parent}.")))
}

/// The statements that hold, where they permit.
fn holding<'s>(
    said: &'s [Said],
    facts: &Facts,
    asked: &Asked,
    record: &Value,
) -> Result<Vec<&'s Said>, Decided> {
    let request = request(facts, asked, record);
    let Ok(entities) = entities(facts, record) else { panic!("{record}") };
    let run = |text: &str| {
        let set = parsed(text);
        let answer = Authorizer::new().is_authorized(&request, &set, &entities);
        if answer.diagnostics().errors().next().is_some() {
            return Err(());
        }
        Ok(answer.diagnostics().reason().next().is_some())
    };
    let concerned = said.iter().filter(|said| {
        let head = Said { is_permit: true, body: "true".into(), unless: None, ..(*said).clone() };
        run(&head.rule()) == Ok(true)
    });
    if concerned
        .clone()
        .any(|said| !is_sound(&said.body, record) || !said.unless.iter().all(|body| is_sound(body, record)))
    {
        return Err(Decided::Error);
    }
    let mut holding = Vec::new();
    for one in said {
        match run(&one.rule()) {
            Err(()) => return Err(Decided::Error),
            Ok(true) => holding.push(one),
            Ok(false) => {}
        }
    }
    let is_forbidden = holding.iter().any(|one| !one.is_permit && one.withheld.is_empty());
    let is_permitted = holding.iter().any(|one| one.is_permit);
    if is_permitted && !is_forbidden { Ok(holding) } else { Err(Decided::Refused) }
}

thread_local! {
    /// Statements parsed before: parsing is what costs most here.
    static PARSED: RefCell<HashMap<String, Rc<PolicySet>>> = RefCell::default();
}

fn parsed(text: &str) -> Rc<PolicySet> {
    let parse = || Rc::new(PolicySet::from_policies([Policy::parse(None, text).unwrap()]).unwrap());
    PARSED.with_borrow_mut(|known| known.entry(text.to_owned()).or_insert_with(parse).clone())
}

fn strike(
    value: &Value,
    path: &str,
    shown: &BTreeMap<String, &'static str>,
    leaves: &[&str],
) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some(kept) = strike(value, &path, shown, leaves) {
                    out.insert(name.clone(), kept);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Value::Array(items) => {
            let sees_whole = || {
                let mut under = leaves.iter().filter(|leaf| is_under(leaf, &[path]));
                under.all(|leaf| shown.contains_key(*leaf))
            };
            if items.is_empty() {
                return sees_whole().then(|| json!([]));
            }
            let kept: Vec<Value> =
                items.iter().filter_map(|item| strike(item, path, shown, leaves)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        leaf => mask(leaf, shown.get(path)?),
    }
}

fn mask(value: &Value, how: &str) -> Option<Value> {
    let text = value.as_str().unwrap_or_default();
    Some(match how {
        "shown" => value.clone(),
        "full" => json!("****"),
        "last4" if text.len() >= 8 => json!(format!("****{}", &text[text.len() - 4..])),
        "last4" => json!("****"),
        "e-mail" => match text.split_once('@') {
            Some((local, domain)) => json!(format!("{}***@{domain}", &local[..1])),
            None => json!("****"),
        },
        "coarse" if text.contains('T') => json!(format!("{}-01-01T00:00:00Z", &text[..4])),
        "coarse" if text.contains('-') && text.len() == 10 => json!(format!("{}-01-01", &text[..4])),
        "coarse" if value.is_number() => json!(leading(value.as_i64().unwrap())),
        "coarse" => json!(leading(text.split('.').next().unwrap().parse().unwrap()).to_string()),
        "pseudonym" => json!("~"),
        other => panic!("{other}"),
    })
}

fn leading(number: i64) -> i64 {
    let digits = number.unsigned_abs().to_string();
    let kept = if digits.len() == 1 {
        "0".to_owned()
    } else {
        format!("{}{}", &digits[..1], "0".repeat(digits.len() - 1))
    };
    kept.parse::<i64>().unwrap_or(0) * number.signum()
}

/// Whether the record's own values are what a condition needs: read, there, and held exactly.
fn is_sound(body: &str, record: &Value) -> bool {
    // A record taken whole is read whole.
    let is_whole = body.contains("else resource)");
    let reads = |name: &str| {
        is_whole
            || body.contains(&format!("resource.{name}"))
            || body.contains(&format!("resource has {name}"))
    };
    let is_there = |name: &str| record[name].as_str().is_some_and(|text| !text.is_empty());
    (!reads("customer") || is_there("customer"))
        && (!reads("total") || record["total"].as_str().is_none_or(|total| decimal(total).is_some()))
        && (!reads("created_at") || record["created_at"].as_str().is_none_or(|at| datetime(at).is_some()))
}

fn decimal(text: &str) -> Option<Value> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let fits = fraction.len() <= 4 && whole.trim_start_matches('-').len() <= 14;
    fits.then(|| json!({"__extn": {"fn": "decimal", "arg": format!("{whole}.{fraction}")}}))
}

fn datetime(text: &str) -> Option<Value> {
    let text = match text.split_once('.') {
        Some((head, rest)) if rest.trim_end_matches('Z').len() > 3 => {
            return rest.trim_end_matches('Z').get(3..)?.chars().all(|c| c == '0').then(|| json!(head));
        }
        Some((head, rest)) => format!("{head}.{:0<3}Z", rest.trim_end_matches('Z')),
        None => text.to_owned(),
    };
    Some(json!({"__extn": {"fn": "datetime", "arg": text}}))
}

fn request(facts: &Facts, asked: &Asked, record: &Value) -> Request {
    let uid = |kind: &str, id: &str| EntityUid::from_json(json!({"type": kind, "id": id})).unwrap();
    let mut claimed = Map::new();
    if let Some(purpose) = asked.purpose {
        claimed.insert("purpose".into(), json!(purpose));
    }
    let mut checked = json!({});
    if let Some(guarded) = asked.guarded {
        checked["guarded"] = json!(guarded);
    }
    let mut channel = json!({"tls": asked.tls, "listener": "data"});
    if asked.tls {
        channel["certificate"] = json!(crate::words::Digest::of(b"c").to_string());
    }
    checked["channel"] = channel;
    checked["address"] = json!({"__extn": {"fn": "ip", "arg": asked.address}});
    checked["time"] = json!({"__extn": {"fn": "datetime", "arg": asked.time}});
    checked["scopes"] = json!(facts.scopes);
    checked["hours"] = match asked.time {
        // A Tuesday, two in the afternoon in Warsaw.
        "2026-05-05T12:00:00Z" => json!(["office"]),
        // A Saturday, one in the morning in New York, of the night that began on Friday.
        "2026-05-09T05:00:00Z" => json!(["night"]),
        _ => json!([]),
    };
    checked["request"] = json!({"method": "GET", "bytes": 0});
    if let Some(issued) = facts.issued_at {
        let time: jiff::Timestamp = asked.time.parse().unwrap();
        checked["token_age"] = json!((time.as_second() - issued.as_second()).max(0));
    }
    let context = json!({ "checked": checked, "claimed": claimed });
    Request::new(
        uid(facts.kind.as_str(), facts.id.as_str()),
        uid("Action", asked.action),
        uid("Order", record["id"].as_str().unwrap_or_default()),
        Context::from_json_value(context, None).unwrap(),
        None,
    )
    .unwrap()
}

#[expect(clippy::result_large_err, reason = "cedar's own error, in a test")]
fn entities(facts: &Facts, record: &Value) -> Result<Entities, cedar_policy::entities_errors::EntitiesError> {
    let mut principal = Map::new();
    for (name, attribute) in &facts.attributes {
        let value = match attribute {
            Attribute::Text(text) if text.is_empty() => continue,
            Attribute::Text(text) => json!(text),
            Attribute::Integer(n) => json!(n),
            Attribute::Boolean(b) => json!(b),
            Attribute::Decimal(d) => decimal(&d.to_string()).unwrap(),
            Attribute::Texts(all) => json!(all),
            Attribute::Reference(kind, id) => json!({"__entity": {"type": kind.as_str(), "id": id}}),
        };
        principal.insert(name.to_string(), value);
    }
    let parents: Vec<Value> =
        facts.groups.iter().map(|group| json!({"type": "Group", "id": group.as_str()})).collect();
    let mut attributes = Map::new();
    for (name, value) in record.as_object().unwrap() {
        let made = match (name.as_str(), value) {
            (_, Value::Null) | ("id" | "lines", _) => None,
            (_, Value::String(text)) if text.is_empty() => None,
            ("customer", id) => Some(json!({"__entity": {"type": "Customer", "id": id}})),
            ("total" | "margin", number) => decimal(number.as_str().unwrap()),
            ("born" | "created_on" | "created_at", text) => datetime(text.as_str().unwrap()),
            ("ship", Value::Object(fields)) => {
                let there = fields.iter().filter(|(_, v)| !v.is_null() && v.as_str() != Some(""));
                Some(Value::Object(there.map(|(k, v)| (k.clone(), v.clone())).collect()))
            }
            (_, value) => Some(value.clone()),
        };
        attributes.extend(made.map(|made| (name.clone(), made)));
    }
    // What is one step away, as plain values.
    let customer = |(id, text): &(&str, &str)| {
        let mut customer = serde_json::from_str::<Value>(text).unwrap();
        customer.as_object_mut().unwrap().remove("id");
        if let Some(credit) = customer.get_mut("credit") {
            *credit = decimal(credit.as_str().unwrap()).unwrap();
        }
        if let Some(since) = customer.get_mut("since") {
            *since = datetime(since.as_str().unwrap()).unwrap();
        }
        if let Some(parent) = customer.get_mut("parent") {
            *parent = json!({"__entity": {"type": "Customer", "id": *parent}});
        }
        json!({"uid": {"type": "Customer", "id": id}, "attrs": customer, "parents": []})
    };
    let mut all = json!([
        {"uid": {"type": facts.kind.as_str(), "id": facts.id.as_str()}, "attrs": principal, "parents": parents},
        {"uid": {"type": "Order", "id": record["id"].as_str().unwrap_or_default()}, "attrs": attributes, "parents": []},
    ]);
    all.as_array_mut().unwrap().extend(CUSTOMERS.iter().map(customer));
    Entities::from_json_value(all, None)
}
