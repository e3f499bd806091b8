//! A request as it is described to be explained.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ask::{ActionWord, CallSpec, Over, Who, entity, fitting, open_view, proposed, sent},
    ids::Naming,
    judging::{Matter, Question},
    names::Known,
    related::Beside,
};
use crate::{
    clock::Now,
    config::Snapshot,
    mapping::Mapping,
    policy::{Change, Target},
    schema::{self, Body, Entity, FieldSet, Proposed, Record},
    words::{
        Diagnostics, Place,
        tree::{Node, Value},
        yaml::{FromYaml as _, Named, Spanned},
    },
};

/// A request, described.
#[derive(Debug)]
pub(crate) struct Described {
    /// Who asks: `Kind/id`, or `Anonymous`.
    pub(crate) who: Spanned<String>,
    /// Only these of its groups, where some are named.
    pub(crate) groups: Vec<Spanned<String>>,
    /// The scopes its credential asserts.
    pub(crate) scopes: Vec<String>,
    /// What it asks for.
    pub(crate) action: ActionWord,
    /// Of which entity.
    pub(crate) entity: Option<Spanned<String>>,
    /// What is called.
    pub(crate) call: Option<CallSpec>,
    /// The record as it is stored; in a create: as it would be.
    pub(crate) record: Option<Written>,
    /// What it names, by the fields that name it.
    pub(crate) related: Vec<(Spanned<String>, Written)>,
    /// What is sent in an update.
    pub(crate) change: Option<Written>,
    /// Under which circumstances.
    pub(crate) over: Over,
}

/// A record or a change of one, as it is written.
#[derive(Debug)]
pub(crate) enum Written {
    /// In YAML or JSON, in a file.
    Tree(Node),
    /// In JSON.
    Json(Box<RawValue>),
}

impl Written {
    /// What a file says, by its keys: one of each or several.
    pub(crate) fn named(node: &Node, found: &mut Diagnostics) -> Vec<(Spanned<String>, Self)> {
        Self::of(&Named::<Node>::read(node, found).unwrap_or_default())
    }

    /// The same, read already.
    pub(crate) fn of(named: &Named<Node>) -> Vec<(Spanned<String>, Self)> {
        let each = |(name, node): (&Spanned<String>, &Node)| {
            let nodes = match &node.value {
                Value::List(nodes) => nodes.clone(),
                Value::Map(_) | Value::Scalar(_) | Value::Null => vec![node.clone()],
            };
            nodes.into_iter().map(|node| (name.clone(), Self::Tree(node))).collect::<Vec<_>>()
        };
        named.iter().flat_map(each).collect()
    }

    pub(super) fn read(
        &self,
        (name, entity): (&str, &Entity),
        body: Body,
        found: &mut Diagnostics,
    ) -> Option<Proposed> {
        match self {
            Self::Tree(node) => proposed(entity, node, body, found),
            Self::Json(text) => {
                let place = |pointer: &str| Place::file(format!("{name}{pointer}"));
                fitting(entity, text.get(), body, place, found)
            }
        }
    }
}

/// The same in JSON, under the names of the command line's options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    r#as: String,
    action: String,
    entity: Option<String>,
    system: Option<String>,
    method: Option<String>,
    path: Option<String>,
    record: Option<Box<RawValue>>,
    #[serde(default)]
    related: BTreeMap<String, Box<RawValue>>,
    change: Option<Box<RawValue>>,
    #[serde(default)]
    group: Vec<String>,
    #[serde(default)]
    scope: Vec<String>,
    #[serde(default)]
    without_tls: bool,
    address: Option<String>,
    at: Option<String>,
    token_age: Option<u32>,
    bytes: Option<u64>,
    #[serde(default)]
    chunked: bool,
    #[serde(default)]
    glass: bool,
    purpose: Option<String>,
}

impl Form {
    /// What it describes; it happens now where it does not say when.
    ///
    /// # Errors
    /// It does not describe one request.
    pub(crate) fn described(self, now: Now) -> Result<Described, String> {
        let told = |name: &str, value: String| Spanned { value, place: Place::file(name) };
        let maybe = |name: &str, value: Option<String>| value.map(|value| told(name, value));
        let call = match (self.system, self.path) {
            (Some(system), Some(path)) => Some(CallSpec {
                system: told("system", system),
                method: told("method", self.method.clone().unwrap_or_else(|| "GET".into())),
                path: told("path", path),
                query: None,
            }),
            (None, None) => None,
            _ => return Err("`system` goes with `path`".into()),
        };
        let described = Described {
            who: told("as", self.r#as),
            groups: self.group.into_iter().map(|group| told("group", group)).collect(),
            scopes: self.scope,
            action: ActionWord::named(&self.action).map_err(|why| format!("`action`: {why}"))?,
            entity: maybe("entity", self.entity),
            record: self.record.map(Written::Json),
            related: related(self.related)?,
            change: self.change.map(Written::Json),
            over: Over {
                tls: !self.without_tls,
                address: maybe("address", self.address),
                at: Some(told("at", self.at.unwrap_or_else(|| now.wall.to_string()))),
                token_age: self.token_age,
                method: maybe("method", self.method.filter(|_| call.is_none())),
                bytes: self.bytes,
                chunked: self.chunked,
                glass: self.glass,
                purpose: self.purpose,
                ..Over::default()
            },
            call,
        };
        described.check().map_err(str::to_owned)?;
        Ok(described)
    }
}

/// What a record names, each by its field: one or several.
fn related(named: BTreeMap<String, Box<RawValue>>) -> Result<Vec<(Spanned<String>, Written)>, String> {
    let mut all = Vec::new();
    for (name, text) in named {
        let several: Vec<Box<RawValue>> = if text.get().starts_with('[') {
            serde_json::from_str(text.get()).map_err(|why| format!("`related`: {why}"))?
        } else {
            vec![text]
        };
        let place = Place::file(format!("related/{name}"));
        all.extend(
            several
                .into_iter()
                .map(|text| (Spanned { value: name.clone(), place: place.clone() }, Written::Json(text))),
        );
    }
    Ok(all)
}

/// A request that can be put to the statements.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) entity: Option<Arc<Entity>>,
    pub(super) record: Option<Record>,
}

impl Described {
    /// Whether its parts go together.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let is_call = self.action == ActionWord::Call;
        if is_call != self.call.is_some() || is_call == self.entity.is_some() {
            return Err("the action `call` goes with a system, the others with an entity");
        }
        if is_call && self.record.is_some() {
            return Err("a call has no record");
        }
        if self.record.is_none() && !self.related.is_empty() {
            return Err("what is related goes with the record that names it");
        }
        match (&self.record, &self.change) {
            (None, Some(_)) => Err("a change goes with the record that it changes"),
            (_, Some(_)) if self.action != ActionWord::Update => Err("a change goes with `update`"),
            _ => Ok(()),
        }
    }

    /// Under a bundle; none where it names what is not there, which goes to `found`.
    pub(super) fn under(
        &self,
        snapshot: &Snapshot,
        known: &dyn Known,
        found: &mut Diagnostics,
    ) -> Option<Asked> {
        let groups = (!self.groups.is_empty()).then_some(self.groups.as_slice());
        let who = Who { name: &self.who, groups, scopes: &self.scopes };
        let facts = who.facts(snapshot.sources.registry(), found);
        let entity = self.entity.as_ref().and_then(|name| entity(snapshot, name, found));
        let target = match (&entity, &self.call) {
            (Some(entity), _) => Some(Target::Entity(entity.clone())),
            (None, Some(call)) => call.target(snapshot, found),
            (None, None) => None,
        };
        let sent = sent(self.action.action(), target.as_ref());
        let context = self.over.context(sent, snapshot, found);
        let facts = facts.zip(context.as_ref()).map(|(facts, context)| self.over.aged(facts, context));
        let (mut record, mut matter) = (None, Matter::Nothing);
        if let (Some(entity), Some(written)) = (&entity, &self.record) {
            let naming = Naming::of(snapshot, entity, known.naming());
            let stored = written.read(("record", entity), Body::Create, found)?.record;
            let sources = snapshot.serving(entity);
            let source = sources.and_then(|sources| sources.of_record(entity, &stored));
            let mapping = source.map(|source| &*source.mapping);
            let given = self.related.iter().map(|(name, written)| (name, written));
            let beside = Beside::read((snapshot, known.naming()), entity, given, found);
            matter = beside.matter(entity, naming.matter(self.matter(entity, mapping, &stored, found)?));
            record = Some(beside.record(entity, naming.record(stored)));
        }
        let question = Question {
            facts: facts?,
            action: self.action.action(),
            target: target?,
            context: context?,
            matter,
        };
        Some(Asked { question, entity, record })
    }

    fn matter(
        &self,
        entity: &Arc<Entity>,
        mapping: Option<&Mapping>,
        record: &Record,
        found: &mut Diagnostics,
    ) -> Option<Matter> {
        let version = Some("1".into());
        let old = record.clone();
        match (self.action, &self.change) {
            (ActionWord::Read | ActionWord::List, _) => Some(Matter::Record(old)),
            (ActionWord::Create, _) => Some(Matter::write(mapping, Change::create(old), FieldSet::EMPTY)),
            (ActionWord::Delete, _) => Some(Matter::Change(Change::Delete { old, version }, FieldSet::EMPTY)),
            (ActionWord::Update, Some(change)) => {
                let change = change.read(("change", entity), Body::Patch, found)?;
                let new = schema::merge(entity, &old, &change, &open_view(entity, Body::Patch));
                Some(Matter::write(mapping, Change::update(old, new, version), change.present))
            }
            (ActionWord::Update | ActionWord::Call, _) => Some(Matter::Nothing),
        }
    }
}
