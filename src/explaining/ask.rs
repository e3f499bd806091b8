//! Questions to the policies as plain data: who asks, for what, under which circumstances, on which record.

use std::{net::IpAddr, sync::Arc};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};

use crate::{
    catalog::{Action, Call},
    config::Snapshot,
    identity::{CredentialId, Facts, ISSUER_MARK, PrincipalRegistry},
    policy::{Context, Target},
    schema::{Body, Entity, FieldSet, LeafKind, Object, Proposed, Shape, View, json},
    words::{
        Channel, Diagnostic, Diagnostics, GroupName, Kind, ListenerName, Place, PrincipalId, SystemName,
        TlsFacts,
        tree::{Node, Value},
        yaml::Spanned,
    },
    yaml_object, yaml_words,
};

/// When tests ask, where they do not say: a Monday at noon, so that they come out the same every day.
const THEN: &str = "2026-01-05T12:00:00Z";
/// From where they ask.
const THERE: &str = "192.0.2.1";

yaml_words! {
    /// What is asked for.
    pub(crate) enum ActionWord {
        /// One record.
        Read = "read",
        /// Records.
        List = "list",
        /// A new record.
        Create = "create",
        /// A change.
        Update = "update",
        /// An end.
        Delete = "delete",
        /// A call passed through.
        Call = "call",
    }
}

yaml_object! {
    /// Under which circumstances.
    pub(crate) struct Over {
        /// Whether the connection is under TLS.
        pub(crate) tls: bool = true;
        /// The caller's address.
        pub(crate) address: Option<Spanned<String>> = None;
        /// Over which listener; the first one where nothing is said.
        pub(crate) listener: Option<Spanned<String>> = None;
        /// When: a moment, as in `2026-01-05T12:00:00Z`, which it is where nothing is said.
        pub(crate) at: Option<Spanned<String>> = None;
        /// How many seconds ago its credential was issued; nothing is known of that where nothing is said.
        pub(crate) token_age: Option<u32> = None;
        /// By which method, where an action can be asked for by several: `HEAD` or `GET`, `PUT` or `PATCH`.
        pub(crate) method: Option<Spanned<String>> = None;
        /// How many bytes its body has; none where nothing is said.
        pub(crate) bytes: Option<u64> = None;
        /// Whether its head does not say how many bytes its body has.
        pub(crate) chunked: bool = false;
        /// Whether who asks has broken the glass.
        pub(crate) glass: bool = false;
        /// The purpose it claims.
        pub(crate) purpose: Option<String> = None;
        /// The program it claims to be.
        pub(crate) user_agent: Option<String> = None;
    }

    /// A call passed through to a system.
    pub(crate) struct CallSpec {
        /// Which system.
        pub(crate) system: Spanned<String>;
        /// The method.
        pub(crate) method: Spanned<String>;
        /// The path inside the system.
        pub(crate) path: Spanned<String>;
        /// The query, without `?`.
        pub(crate) query: Option<String> = None;
    }
}

impl Default for Over {
    fn default() -> Self {
        Self {
            tls: true,
            address: None,
            listener: None,
            at: None,
            token_age: None,
            method: None,
            bytes: None,
            chunked: false,
            glass: false,
            purpose: None,
            user_agent: None,
        }
    }
}

impl ActionWord {
    /// As statements know it.
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Read => Action::Read,
            Self::List => Action::List,
            Self::Create => Action::Create,
            Self::Update => Action::Update,
            Self::Delete => Action::Delete,
            Self::Call => Action::Call,
        }
    }

    /// The action of this name.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let all = [Self::Read, Self::List, Self::Create, Self::Update, Self::Delete, Self::Call];
        all.into_iter()
            .find(|word| word.as_str() == name)
            .ok_or_else(|| "expected read, list, create, update, delete or call".to_owned())
    }
}

/// Who asks, as text: `Kind/id` or `Anonymous`, perhaps narrower than its principal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) name: &'a Spanned<String>,
    pub(crate) groups: Option<&'a [Spanned<String>]>,
    pub(crate) scopes: &'a [String],
}

impl Who<'_> {
    /// Its facts; nothing is proved by them.
    pub(crate) fn facts(&self, registry: &PrincipalRegistry, found: &mut Diagnostics) -> Option<Arc<Facts>> {
        let Spanned { value: name, place } = self.name;
        if name == Kind::Anonymous.as_str() {
            return Some(Arc::new(Facts::anonymous()));
        }
        let (kind, id) =
            principal(name).map_err(|why| found.error(place, format!("`{name}`: {why}"))).ok()?;
        for group in self.groups.unwrap_or_default() {
            registry.types().check_group(group, found);
        }
        let named = self.groups.unwrap_or_default().iter().map(|group| group.value.as_str());
        let named: Vec<GroupName> = registry.types().with_parents(named).into_iter().collect();
        let mut facts = match registry.get(kind, id.as_str()) {
            Some(known) if known.disabled => {
                found.error(place, format!("`{name}` is disabled: it is refused whatever it asks for"));
                return None;
            }
            Some(known) => {
                let mut facts = known.facts(CredentialId::None);
                if self.groups.is_some() {
                    facts.groups.retain(|group| named.contains(group));
                }
                facts
            }
            None if id.as_str().contains(ISSUER_MARK) => {
                Facts { groups: named, ..Facts::bare(kind, id, CredentialId::None) }
            }
            None => {
                let known: Vec<String> =
                    registry.iter().map(|known| format!("{}/{}", known.kind, known.id)).collect();
                found.push(
                    Diagnostic::error(place, format!("there is no principal `{name}` in principals/"))
                        .suggest(name, known.iter().map(String::as_str)),
                );
                return None;
            }
        };
        facts.scopes = self.scopes.iter().map(|scope| scope.as_str().into()).collect();
        Some(Arc::new(facts.sealed()))
    }
}

impl Over {
    /// As statements read it.
    pub(crate) fn context(
        &self,
        sent: Method,
        snapshot: &Snapshot,
        found: &mut Diagnostics,
    ) -> Option<Context> {
        let address: IpAddr = parsed(self.address.as_ref(), THERE, "an address", found)?;
        let at: Timestamp = parsed(self.at.as_ref(), THEN, "a moment", found)?;
        let listener = match &self.listener {
            Some(name) if !snapshot.listeners.contains_key(name.value.as_str()) => {
                let known = snapshot.doors.iter().map(|door| door.name.as_str());
                found.push(
                    Diagnostic::error(&name.place, format!("there is no listener `{}`", name.value))
                        .suggest(&name.value, known),
                );
                return None;
            }
            Some(name) => ListenerName::new(name.value.as_str()),
            None => snapshot.doors.first().map_or_else(|| ListenerName::new(""), |door| door.name.clone()),
        };
        let tls = self.tls.then_some(TlsFacts {
            version: "1.3",
            server_name: None,
            certificate: None,
            standing: Default::default(),
        });
        let channel = Channel { listener, peer: (address, 0).into(), address, tls };
        let claimed = |text: &Option<String>| text.as_deref().map(Arc::from);
        let claims = (claimed(&self.purpose), claimed(&self.user_agent));
        let hours = snapshot.policies.hours();
        let bytes = if self.chunked { None } else { self.bytes.or(Some(0)) };
        let sent = self.sent(sent, found)?;
        let context = Context::new(&channel, (at, hours), (sent, bytes), claims);
        Some(context.with_glass(self.glass))
    }

    /// The method of the request, where it is not the usual one.
    fn sent(&self, usual: Method, found: &mut Diagnostics) -> Option<Method> {
        let Some(said) = &self.method else { return Some(usual) };
        let others: &[Method] = match usual {
            Method::GET => &[Method::HEAD],
            Method::PATCH => &[Method::PUT],
            _ => &[],
        };
        let all = [&usual].into_iter().chain(others);
        let method = all.clone().find(|method| method.as_str() == said.value).cloned();
        if method.is_none() {
            let all: Vec<&str> = all.map(Method::as_str).collect();
            let why =
                format!("`{}` is not a method that this is asked for by: {}", said.value, all.join(", "));
            found.error(&said.place, why);
        }
        method
    }

    /// The facts by a credential of that age, at the moment of the context.
    pub(crate) fn aged(&self, facts: Arc<Facts>, context: &Context) -> Arc<Facts> {
        let Some(age) = self.token_age else { return facts };
        let issued = context.time().and_then(|at| at.checked_sub(SignedDuration::from_secs(age.into())).ok());
        Arc::new(facts.with_issue(issued))
    }
}

fn parsed<T: std::str::FromStr>(
    given: Option<&Spanned<String>>,
    usual: &str,
    what: &str,
    found: &mut Diagnostics,
) -> Option<T> {
    let text = given.map_or(usual, |given| &given.value);
    let value = text.parse().ok();
    if let (None, Some(given)) = (&value, given) {
        found.error(&given.place, format!("`{text}` is not {what}"));
    }
    value
}

/// The method of a request for that.
pub(crate) fn sent(action: Action, target: Option<&Target>) -> Method {
    match (action, target) {
        (_, Some(Target::Call(call))) => call.method.clone(),
        (Action::Read | Action::List | Action::Call, _) => Method::GET,
        (Action::Create, _) => Method::POST,
        (Action::Update, _) => Method::PATCH,
        (Action::Delete, _) => Method::DELETE,
    }
}

impl CallSpec {
    /// What is called.
    pub(crate) fn target(&self, snapshot: &Snapshot, found: &mut Diagnostics) -> Option<Target> {
        let name = &self.system;
        if !snapshot.systems.contains_key(name.value.as_str()) {
            let known = snapshot.systems.keys().map(SystemName::as_str);
            found.push(
                Diagnostic::error(&name.place, format!("there is no system `{}`", name.value))
                    .suggest(&name.value, known),
            );
            return None;
        }
        let method = Method::from_bytes(self.method.value.as_bytes());
        let Ok(method) = method else {
            found.error(&self.method.place, format!("`{}` is not a method", self.method.value));
            return None;
        };
        if !self.path.value.starts_with('/') {
            found.error(&self.path.place, "a path begins with `/`");
            return None;
        }
        Some(Target::Call(Call {
            system: SystemName::new(name.value.as_str()),
            method,
            path: self.path.value.as_str().into(),
            query: self.query.as_deref().map(Into::into),
        }))
    }
}

/// The entity of that name.
pub(crate) fn entity(
    snapshot: &Snapshot,
    name: &Spanned<String>,
    found: &mut Diagnostics,
) -> Option<Arc<Entity>> {
    let entity = snapshot.schema.entity(&name.value).cloned();
    if entity.is_none() {
        let known = snapshot.schema.entities().iter().map(|entity| entity.name.as_str());
        found.push(
            Diagnostic::error(&name.place, format!("there is no entity `{}`", name.value))
                .suggest(&name.value, known),
        );
    }
    entity
}

/// Everything may stand in what a test proposes: whether it may be written is the question.
pub(crate) fn open_view(entity: &Entity, body: Body) -> View {
    View { body, writable: entity.all(), required: FieldSet::EMPTY, visible: entity.all() }
}

/// A record, or a change of one, written in YAML.
pub(crate) fn proposed(
    entity: &Entity,
    node: &Node,
    body: Body,
    found: &mut Diagnostics,
) -> Option<Proposed> {
    let text = as_object(&entity.root, entity, node).to_string();
    fitting(entity, &text, body, |pointer| place_at(node, pointer).clone(), found)
}

/// The same in JSON; `place` tells where a JSON Pointer leads.
pub(super) fn fitting(
    entity: &Entity,
    text: &str,
    body: Body,
    place: impl Fn(&str) -> Place,
    found: &mut Diagnostics,
) -> Option<Proposed> {
    match json::read(entity, text.as_bytes(), &open_view(entity, body)) {
        Ok(proposed) => Some(proposed),
        Err(faults) => {
            for fault in faults {
                found.error(&place(&fault.pointer), fault.message);
            }
            None
        }
    }
}

/// YAML's scalars have no types of their own: the entity says which are numbers and which are text.
fn as_object(object: &Object, entity: &Entity, node: &Node) -> Json {
    let Some(pairs) = node.as_map() else { return as_text(node) };
    let member = |(key, value): &(crate::words::tree::Key, Node)| {
        let value = match object.field(&key.text) {
            Some((_, field)) => as_value(&field.shape, entity, value),
            None => as_text(value),
        };
        (key.text.clone(), value)
    };
    Json::Object(pairs.iter().map(member).collect::<Map<_, _>>())
}

fn as_value(shape: &Shape, entity: &Entity, node: &Node) -> Json {
    match (shape, &node.value) {
        (_, Value::Null) => Json::Null,
        (Shape::Object(object), Value::Map(_)) => as_object(object, entity, node),
        (Shape::List(item), Value::List(items)) => {
            items.iter().map(|node| as_value(item, entity, node)).collect()
        }
        (Shape::Leaf(leaf), Value::Scalar(scalar)) if !scalar.quoted => {
            let typed = match entity.leaf(*leaf).map(|leaf| &leaf.kind) {
                Some(LeafKind::Integer) => scalar.text.parse().ok().map(|number: i64| Json::from(number)),
                Some(LeafKind::Boolean) => scalar.text.parse().ok().map(|truth: bool| Json::from(truth)),
                Some(
                    LeafKind::Text { .. }
                    | LeafKind::Code(_)
                    | LeafKind::Id
                    | LeafKind::Decimal
                    | LeafKind::Date
                    | LeafKind::Instant,
                )
                | None => None,
            };
            typed.unwrap_or_else(|| as_text(node))
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => as_text(node),
    }
}

/// What does not fit its place is passed on in its shape, so that the reader says what was expected.
fn as_text(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => Json::from(scalar.text.as_str()),
        Value::Null => Json::Null,
        Value::List(_) => Json::Array(Vec::new()),
        Value::Map(_) => Json::Object(Map::new()),
    }
}

/// Where a JSON Pointer leads, as far as it does.
fn place_at<'n>(node: &'n Node, pointer: &str) -> &'n Place {
    let mut here = node;
    for step in pointer.split('/').skip(1) {
        let next = match &here.value {
            Value::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)),
            Value::Map(_) => here.get(step),
            Value::Scalar(_) | Value::Null => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    &here.place
}

/// A kind of principals that credentials are issued for.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    let issued = [Kind::App, Kind::Partner, Kind::User];
    issued
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "expected App, Partner or User".to_owned())
}

/// `Kind/id`.
pub(crate) fn principal(text: &str) -> Result<(Kind, PrincipalId), String> {
    let (sort, id) =
        text.split_once('/').ok_or_else(|| "expected Kind/id, as in App/shop-backend".to_owned())?;
    if id.is_empty() {
        return Err("expected Kind/id, as in App/shop-backend".to_owned());
    }
    Ok((kind(sort)?, PrincipalId::new(id)))
}
