//! `bramka policy explain`: which statements have a part in a decision and which, and what is left of a record.

mod charged;
mod logged;
mod pushed;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde_json::{Value as Json, json};

use charged::Charged;
use pushed::Pushed;

use super::{
    Loaded, SecretsOf, Where,
    ask::{ActionWord, CallSpec, Over, Who, entity, open_view, proposed, sent},
    cases::OutcomeWord,
    ids::Naming,
    judging::{Matter, Question, Ruling, judge},
    load,
    related::Beside,
};
use crate::{
    catalog::Action,
    cli::{Came, error::VerbError, out},
    clock,
    config::{Report, Section, taken},
    mapping::Mapping,
    policy::{self, Change, Context, Explanation, Memo, Outlook, Target},
    schema::{self, Body, Entity, FieldSet, Record, json},
    words::{
        Diagnostics, FieldPath, Place, PlanName,
        tree::{self, Node},
        yaml::{FromYaml as _, Named, Spanned},
    },
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka policy explain --as Partner/acme-portal --action read --entity Order\n  \
    bramka policy explain --as User/mila --action update --entity Order --record order.yaml --change change.yaml\n  \
    bramka policy explain --as App/shop-backend --action call --system erp --method GET --path /items\n  \
    bramka policy explain --request-id 6f1d0c… --data data"
)]
#[command(group = clap::ArgGroup::new("on").required(true).args(["entity", "system", "request_id"]))]
pub(in crate::cli) struct Explain {
    /// Who asks: Kind/id, or Anonymous
    #[arg(long = "as", value_name = "KIND/ID", required_unless_present = "request_id", default_value = "")]
    who: String,
    /// For what: read, list, create, update, delete or call
    #[arg(long, value_parser = ActionWord::named, required_unless_present = "request_id", default_value = "read")]
    action: ActionWord,
    /// What was decided on a request that was made, by its `X-Request-Id`, from the gate's journal
    #[arg(long, value_name = "ID", conflicts_with_all = ["who", "action", "record", "change", "group", "scope", "path"])]
    request_id: Option<String>,
    /// The data folder of the gate, for `--request-id`
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Of which entity
    #[arg(long)]
    entity: Option<String>,
    /// Which system is called
    #[arg(long, requires = "path")]
    system: Option<String>,
    /// By which method
    #[arg(long, default_value = "GET")]
    method: String,
    /// Which path inside the system
    #[arg(long, requires = "system")]
    path: Option<String>,
    /// A file with the record, YAML or JSON in the shared schema (in a create: as it would be)
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// A file with what the record names, by the field that names it, as in `customer: { tier: gold }`
    #[arg(long, value_name = "FILE", requires = "record")]
    related: Option<PathBuf>,
    /// A file with the change of an update, a merge-patch
    #[arg(long, value_name = "FILE", requires = "record")]
    change: Option<PathBuf>,
    /// Only this of its groups; may be given several times
    #[arg(long)]
    group: Vec<String>,
    /// A scope its credential asserts; may be given several times
    #[arg(long)]
    scope: Vec<String>,
    /// Over a connection without TLS
    #[arg(long)]
    without_tls: bool,
    /// From this address
    #[arg(long)]
    address: Option<String>,
    /// At this moment, as in `2026-01-05T12:00:00Z`; now where nothing is said
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// By a credential issued so many seconds ago
    #[arg(long, value_name = "SECONDS")]
    token_age: Option<u32>,
    /// With a body of so many bytes
    #[arg(long)]
    bytes: Option<u64>,
    /// As somebody who has broken the glass
    #[arg(long)]
    glass: bool,
    /// Claiming this purpose
    #[arg(long)]
    purpose: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &Explain) -> Result<Came, VerbError> {
    if let Some(request) = &arguments.request_id {
        return logged::run(request, arguments);
    }
    let loaded = load(&arguments.place.policies, SecretsOf::Nobody).map_err(VerbError::Bundle)?;
    let mut found = Diagnostics::default();
    let asked = Asked::of(arguments, &loaded, &mut found)?;
    let Some(asked) = asked.filter(|_| !found.has_errors()) else {
        return Err(VerbError::Bundle(Report::without_files(found)));
    };
    let told = asked.told(&loaded).map_err(|denied| VerbError::NotThere(denied.to_string()))?;
    if arguments.json {
        out::say(&told.json().to_string());
    } else {
        told.lines().iter().for_each(|line| out::say(line));
    }
    Ok(Came::Right)
}

/// What is asked, read from the command line and its files.
struct Asked {
    question: Question,
    entity: Option<Arc<Entity>>,
    record: Option<Record>,
}

impl Asked {
    fn of(arguments: &Explain, loaded: &Loaded, found: &mut Diagnostics) -> Result<Option<Self>, VerbError> {
        let snapshot = &loaded.snapshot;
        let groups: Vec<Spanned<String>> =
            arguments.group.iter().map(|group| said("--group", group)).collect();
        let name = said("--as", &arguments.who);
        let groups = (!groups.is_empty()).then_some(groups.as_slice());
        let who = Who { name: &name, groups, scopes: &arguments.scope };
        let facts = who.facts(snapshot.sources.registry(), found);
        let entity =
            arguments.entity.as_ref().and_then(|name| entity(snapshot, &said("--entity", name), found));
        let is_call = arguments.action == ActionWord::Call;
        if is_call == arguments.system.is_none() {
            let why = "`--action call` goes with `--system`, the others with `--entity`";
            return Err(VerbError::Misused(why.into()));
        }
        let target = match (&entity, &arguments.system) {
            (Some(entity), _) => Some(Target::Entity(entity.clone())),
            (None, Some(system)) => call(arguments, system).target(snapshot, found),
            (None, None) => None,
        };
        let over = over(arguments);
        let sent = sent(arguments.action.action(), target.as_ref());
        let context = over.context(sent, snapshot, found);
        let facts = facts.zip(context.as_ref()).map(|(facts, context)| over.aged(facts, context));
        let mut record = None;
        let mut matter = Matter::Nothing;
        if let Some(entity) = &entity {
            let sources = snapshot.serving(entity);
            let naming = Naming::of(snapshot, entity);
            if let Some(path) = &arguments.record {
                record = proposed(entity, &file(path)?, Body::Create, found).map(|proposed| proposed.record);
            }
            let related = arguments.related.as_deref().map(file).transpose()?;
            let related = related.and_then(|node| Named::<Node>::read(&node, found)).unwrap_or_default();
            let beside = Beside::read(snapshot, entity, related.iter(), found);
            let change = arguments.change.as_deref().map(file).transpose()?;
            if let Some(record) = &record {
                let mapping = sources.and_then(|sources| sources.of_record(entity, record));
                let mapping = mapping.map(|source| &*source.mapping);
                matter =
                    match self::matter(arguments.action, (entity, mapping), record, change.as_ref(), found) {
                        Some(matter) => beside.matter(entity, naming.matter(matter)),
                        None => return Ok(None),
                    };
            }
            record = record.map(|record| beside.record(entity, naming.record(record)));
        }
        let (Some(facts), Some(context), Some(target)) = (facts, context, target) else { return Ok(None) };
        let action = arguments.action.action();
        let question = Question { facts, action, target, context, matter };
        Ok(Some(Self { question, entity, record }))
    }

    fn told(self, loaded: &Loaded) -> Result<Told, policy::Denied> {
        let Self { question, entity, record } = self;
        let policies = &loaded.snapshot.policies;
        let memo = Memo::default();
        let context: &Context = &question.context;
        let explanation = policy::explain(
            policies,
            &question.facts,
            question.action,
            &question.target,
            context,
            record.as_ref(),
        )?;
        let outlook = policy::outlook(
            policies,
            &memo,
            &question.facts,
            question.action,
            question.target.clone(),
            context.clone(),
        )
        .ok();
        let charged =
            outlook.as_deref().map(|outlook| Charged::of(&loaded.snapshot.plans, &question.facts, outlook));
        let principals: Vec<Node> = loaded
            .files
            .section(Section::Principals)
            .filter_map(|source| tree::parse(&source.path, &source.text).ok())
            .collect();
        let pushed = match (&outlook, &entity, question.action) {
            (Some(outlook), Some(entity), Action::List) => {
                pushed::all(&loaded.snapshot, entity, outlook, &principals.iter().collect::<Vec<_>>())
            }
            _ => Vec::new(),
        };
        let action = question.action;
        let has_matter = !matches!(question.matter, Matter::Nothing);
        let ruling = has_matter.then(|| judge(policies, &memo, question));
        let clear = outlook.as_deref().map(Outlook::clear).unwrap_or_default();
        let serving = entity.as_ref().and_then(|entity| loaded.snapshot.serving(entity));
        let filterable = serving.map_or(clear, |sources| sources.telling(&clear));
        let writable = outlook.as_deref().map(Outlook::writable).unwrap_or_default();
        let writable = serving.map_or(writable, |sources| taken(sources.all(), action, &writable).writable);
        Ok(Told { explanation, outlook, filterable, writable, charged, pushed, ruling, entity })
    }
}

fn matter(
    action: ActionWord,
    (entity, mapping): (&Arc<Entity>, Option<&Mapping>),
    record: &Record,
    change: Option<&Node>,
    found: &mut Diagnostics,
) -> Option<Matter> {
    let version = Some("1".into());
    let old = record.clone();
    match (action, change) {
        (ActionWord::Read | ActionWord::List, _) => Some(Matter::Record(old)),
        (ActionWord::Create, _) => Some(Matter::write(mapping, Change::create(old), FieldSet::EMPTY)),
        (ActionWord::Delete, _) => Some(Matter::Change(Change::Delete { old, version }, FieldSet::EMPTY)),
        (ActionWord::Update, Some(change)) => {
            let change = proposed(entity, change, Body::Patch, found)?;
            let new = schema::merge(entity, &old, &change, &open_view(entity, Body::Patch));
            Some(Matter::write(mapping, Change::update(old, new, version), change.present))
        }
        (ActionWord::Update | ActionWord::Call, _) => Some(Matter::Nothing),
    }
}

/// What the command line says, as if it stood in a file.
fn said(option: &str, text: &str) -> Spanned<String> {
    Spanned { value: text.to_owned(), place: Place::file(option) }
}

fn over(arguments: &Explain) -> Over {
    Over {
        tls: !arguments.without_tls,
        address: arguments.address.as_ref().map(|address| said("--address", address)),
        at: Some(match &arguments.at {
            Some(at) => said("--at", at),
            None => said("now", &clock::now().wall.to_string()),
        }),
        token_age: arguments.token_age,
        bytes: arguments.bytes,
        glass: arguments.glass,
        purpose: arguments.purpose.clone(),
        ..Over::default()
    }
}

fn call(arguments: &Explain, system: &str) -> CallSpec {
    CallSpec {
        system: said("--system", system),
        method: said("--method", &arguments.method),
        path: said("--path", arguments.path.as_deref().unwrap_or_default()),
        query: None,
    }
}

/// A file's tree.
fn file(path: &Path) -> Result<Node, VerbError> {
    let text = fs::read_to_string(path).map_err(VerbError::file(path))?;
    let name: Arc<str> = path.display().to_string().into();
    tree::parse(&name, &text).map_err(|found| VerbError::Bundle(Report::without_files(found)))
}

/// All that is told.
struct Told {
    explanation: Explanation,
    outlook: Option<Box<Outlook>>,
    /// What filter and sort may name, as the entity's system is mapped.
    filterable: FieldSet,
    /// What may be sent, as far as the entity's system takes it.
    writable: FieldSet,
    charged: Option<Charged>,
    /// What systems are asked for, in a list.
    pushed: Vec<Pushed>,
    ruling: Option<Ruling>,
    entity: Option<Arc<Entity>>,
}

impl Told {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.explanation.to_string().lines().map(str::to_owned).collect();
        if let (Some(outlook), Some(entity)) = (&self.outlook, &self.entity) {
            let may =
                |what: &str, leaves: &FieldSet| format!("{what}: {}", or_nothing(&paths(entity, leaves)));
            lines.push(may("may filter and sort by", &self.filterable));
            lines.push(may("may change", &self.writable));
            lines.push(may("is fetched for conditions", &outlook.reads()));
            lines.extend(outlook.follows().iter().map(|relation| {
                let of = paths(&relation.to, &relation.reads).join(", ");
                let by = paths(entity, &FieldSet::of(relation.by)).join(", ");
                format!("is fetched of the {} that `{by}` names: {of}", relation.to.name)
            }));
        }
        lines.extend(self.pushed.iter().flat_map(Pushed::lines));
        lines.extend(self.charged.iter().flat_map(Charged::lines));
        if let Some(ruling) = &self.ruling {
            lines.extend(self.ruled(ruling));
        }
        lines
    }

    fn ruled(&self, ruling: &Ruling) -> Vec<String> {
        let mut lines = vec![format!("on this record: {}", ruling.outcome.as_str())];
        let by: Vec<&str> = ruling.by.iter().map(|id| id.as_str()).collect();
        lines.push(format!("decided by: {}", or_nothing(&by)));
        lines.extend(ruling.why.clone());
        if let Some(entity) = &self.entity {
            if ruling.outcome == OutcomeWord::Permitted && ruling.record.is_none() {
                lines.push(format!("changes: {}", or_nothing(&paths(entity, &ruling.changed))));
            }
            if let Some(record) = &ruling.record {
                lines.push(format!("shown as: {}", text(entity, record)));
            }
        }
        lines
    }

    fn json(&self) -> Json {
        let mut told = self.explanation.to_json();
        let Some(map) = told.as_object_mut() else { return told };
        if let (Some(outlook), Some(entity)) = (&self.outlook, &self.entity) {
            map.insert("filterable".into(), json!(paths(entity, &self.filterable)));
            map.insert("writable".into(), json!(paths(entity, &self.writable)));
            map.insert("fetched_for_conditions".into(), json!(paths(entity, &outlook.reads())));
            let named = outlook
                .follows()
                .iter()
                .map(|relation| {
                    json!({
                        "by": paths(entity, &FieldSet::of(relation.by)).join("."),
                        "entity": relation.to.name.as_str(),
                        "fields": paths(&relation.to, &relation.reads),
                    })
                })
                .collect::<Vec<_>>();
            map.insert("fetched_of_what_it_names".into(), json!(named));
        }
        if let Some(outlook) = &self.outlook {
            let plans: Vec<&str> = outlook.plans().iter().map(PlanName::as_str).collect();
            map.insert("plans".into(), json!(plans));
        }
        map.insert("pushed".into(), self.pushed.iter().map(Pushed::json).collect());
        map.insert("charged".into(), self.charged.as_ref().map(Charged::json).into());
        if let (Some(ruling), Some(entity)) = (&self.ruling, &self.entity) {
            let by: Vec<&str> = ruling.by.iter().map(|id| id.as_str()).collect();
            let refused_for: Vec<&str> = ruling.refused_for.iter().map(FieldPath::as_str).collect();
            let shown: Option<Json> =
                ruling.record.as_ref().and_then(|record| serde_json::from_str(&text(entity, record)).ok());
            map.insert(
                "on_record".into(),
                json!({
                    "outcome": ruling.outcome.as_str(), "by": by, "why": ruling.why,
                    "changes": paths(entity, &ruling.changed), "refused_for": refused_for, "shown": shown,
                }),
            );
        }
        told
    }
}

fn paths<'e>(entity: &'e Entity, leaves: &FieldSet) -> Vec<&'e str> {
    leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str()).collect()
}

fn or_nothing(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn text(entity: &Entity, record: &Record) -> String {
    let mut out = Vec::new();
    json::write(entity, record, None, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
