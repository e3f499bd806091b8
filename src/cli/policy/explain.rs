//! `bramka policy explain`: which statements have a part in a decision and which, and what is left of a record.

mod logged;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::{Loaded, SecretsOf, Where, load};
use crate::{
    cli::{Came, error::VerbError, out},
    clock,
    config::{Report, Section},
    explaining::{ActionWord, CallSpec, Described, InFiles, Over, Told, Written},
    words::{
        Diagnostics, Place,
        tree::{self, Node},
        yaml::Spanned,
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
    /// By which method: of a call any, GET where nothing is said; else HEAD, or PUT, where GET or PATCH is not meant
    #[arg(long)]
    method: Option<String>,
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
    /// With a body of which the head does not say how many bytes it has
    #[arg(long, conflicts_with = "bytes")]
    chunked: bool,
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
    let described = described(arguments)?;
    described.check().map_err(|why| VerbError::Misused(why.to_owned()))?;
    let mut found = Diagnostics::default();
    let told = Told::of(&described, &loaded.snapshot, &names(&loaded), &mut found);
    let Some(told) = told.map_err(|denied| VerbError::NotThere(denied.to_string()))? else {
        return Err(VerbError::Bundle(Report::without_files(found)));
    };
    if arguments.json {
        out::say(&told.json().to_string());
    } else {
        told.lines().iter().for_each(|line| out::say(line));
    }
    Ok(Came::Right)
}

/// The keys by which the bundle's principals name records.
fn names(loaded: &Loaded) -> InFiles {
    let sources = loaded.files.section(Section::Principals);
    let nodes = sources.filter_map(|source| tree::parse(&source.path, &source.text).ok());
    InFiles::of(&loaded.snapshot, &nodes.collect::<Vec<_>>())
}

/// What is asked, read from the command line and its files.
fn described(arguments: &Explain) -> Result<Described, VerbError> {
    let written = |path: &Option<PathBuf>| path.as_deref().map(file).transpose();
    let call = arguments.system.as_ref().map(|system| CallSpec {
        system: said("--system", system),
        method: said("--method", arguments.method.as_deref().unwrap_or("GET")),
        path: said("--path", arguments.path.as_deref().unwrap_or_default()),
        query: None,
    });
    Ok(Described {
        who: said("--as", &arguments.who),
        groups: arguments.group.iter().map(|group| said("--group", group)).collect(),
        scopes: arguments.scope.clone(),
        action: arguments.action,
        entity: arguments.entity.as_ref().map(|name| said("--entity", name)),
        call,
        record: written(&arguments.record)?.map(Written::Tree),
        related: match arguments.related.as_deref().map(file).transpose()? {
            Some(node) => related(&node)?,
            None => Vec::new(),
        },
        change: written(&arguments.change)?.map(Written::Tree),
        over: over(arguments),
    })
}

fn related(node: &Node) -> Result<Vec<(Spanned<String>, Written)>, VerbError> {
    let mut found = Diagnostics::default();
    let named = Written::named(node, &mut found);
    if found.has_errors() { Err(VerbError::Bundle(Report::without_files(found))) } else { Ok(named) }
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
        method: arguments
            .method
            .as_ref()
            .filter(|_| arguments.system.is_none())
            .map(|name| said("--method", name)),
        chunked: arguments.chunked,
        bytes: arguments.bytes,
        glass: arguments.glass,
        purpose: arguments.purpose.clone(),
        ..Over::default()
    }
}

/// A file's tree.
fn file(path: &Path) -> Result<Node, VerbError> {
    let text = fs::read_to_string(path).map_err(VerbError::file(path))?;
    let name: Arc<str> = path.display().to_string().into();
    tree::parse(&name, &text).map_err(|found| VerbError::Bundle(Report::without_files(found)))
}
