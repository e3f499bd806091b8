//! `bramka systems draft`: a first version of a system's file, from recorded answers, an OpenAPI description, the
//! `$metadata` of OData or the system's own list of fields.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use clap::Args;
use serde_json::{Value as Json, value::RawValue};

use super::{recorded, trial::schema_of};
use crate::{
    cli::{Came, error::VerbError, out},
    drafting::{self, Described, Draft, Drafted, Natives, Places, Stands},
    mapping::{self, System, Tried},
    schema::{Entity, Schema},
    words::{
        Diagnostics, Severity, SystemName,
        tree::{self, Node, Value},
    },
};

/// LIMIT: lines that are taken out because they do not load.
const TAKEN_OUT_MAX: usize = 64;
/// What stands before a line that was taken out.
const LEFT_OUT: &str = "# left out,";
/// LIMIT: bytes of a description.
const DESCRIPTION_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bramka systems draft --sample article.json --entity Product > policies/systems/shop.yaml\n  \
    bramka systems draft --openapi shop.json --schema Article --entity Product --system shop\n  \
    bramka systems draft --edmx metadata.xml --set SalesOrders --entity Order --system erp\n  \
    bramka systems draft --fields describe.json --sample account.json --entity Customer --system crm\n\n\
    Every line says what stood in its field; `?` marks what is not sure. The draft loads as it is: what would not is\n\
    left out and said so. Look at it with `bramka systems try`.")]
pub(in crate::cli) struct DraftOf {
    /// Which entity its records are
    #[arg(long)]
    entity: String,
    /// A recorded answer: one record or a page of a list; more than one may be named
    #[arg(long, value_name = "FILE", required_unless_present_any = ["openapi", "edmx", "fields"])]
    sample: Vec<PathBuf>,
    /// An OpenAPI 3 description of the system, JSON or YAML
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// Which schema of the description is meant; the one called like the entity where this is not said
    #[arg(long, requires = "openapi")]
    schema: Option<String>,
    /// The system's own `$metadata`, OData 2 to 4; recorded answers beside it show values
    #[arg(long, value_name = "FILE", conflicts_with = "openapi")]
    edmx: Option<PathBuf>,
    /// Which entity set of it is meant; the one called like the entity where this is not said
    #[arg(long, requires = "edmx")]
    set: Option<String>,
    /// The system's own list of the record's fields, as it answers one: JSON; recorded answers beside it show where the
    /// fields stand
    #[arg(long, value_name = "FILE", conflicts_with_all = ["openapi", "edmx"])]
    fields: Option<PathBuf>,
    /// The system's name
    #[arg(long, default_value = "drafted")]
    system: String,
    /// Keep the samples in the file: `policy check` runs them. Change personal data first
    #[arg(long, requires = "sample")]
    keep_samples: bool,
    /// The folder of the policies, whose `schema/` is meant
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
}

pub(super) fn run(arguments: &DraftOf) -> Result<Came, VerbError> {
    let schema = schema_of(&arguments.policies)?;
    let Some(entity) = schema.entity(&arguments.entity) else {
        let names: Vec<&str> = schema.entities().iter().map(|entity| entity.name.as_str()).collect();
        let message = format!("there is no entity `{}`; there are {}", arguments.entity, names.join(", "));
        return Err(VerbError::Misused(message));
    };
    let known = Known::of(arguments)?;
    let lines = drafting::matched(entity, known.natives());
    let draft = Draft {
        system: &arguments.system,
        entity,
        base: known.base.as_deref(),
        at: known.at.as_deref(),
        places: known.places.clone(),
        natives: known.natives(),
        lines: &lines,
        odata: known.edmx.as_ref().map(|described| described.odata(&lines)),
    };
    let (text, trouble) = loading(draft.write(&[]), &schema);
    let left_out = text.lines().filter(|line| line.trim_start().starts_with(LEFT_OUT)).count();
    if lines.len() <= left_out {
        let why = match left_out {
            0 => "nothing that is known of its records is called like a field of it".to_owned(),
            _ => format!("none of the {left_out} fields that are called like one of it can be read"),
        };
        return Err(VerbError::NotThere(format!(
            "no line can be drafted for `{}`: {why}; look whether it is the entity that is meant",
            entity.name
        )));
    }
    if let Some(trouble) = trouble {
        out::say(text.trim_end());
        out::note(&format!("this draft does not load yet: {trouble}"));
        return Ok(Came::Wrong);
    }
    let tried = tried(&text, entity, &schema, &known);
    for told in &tried.told {
        out::note(told);
    }
    let (whole, _) = match arguments.keep_samples && !tried.samples.is_empty() {
        // The lines that were taken out come out again.
        true => loading(draft.write(&tried.samples), &schema),
        false => (text, None),
    };
    out::say(whole.trim_end());
    Ok(Came::Right)
}

/// What is known of the system.
struct Known {
    natives: Natives,
    base: Option<String>,
    at: Option<String>,
    places: Places,
    samples: Vec<Sample>,
    edmx: Option<Described>,
}

impl Known {
    fn natives(&self) -> &Natives {
        self.edmx.as_ref().map_or(&self.natives, |described| &described.natives)
    }

    fn of(arguments: &DraftOf) -> Result<Self, VerbError> {
        let (mut natives, mut at, mut base) = (Natives::default(), None, None);
        if let Some(path) = &arguments.openapi {
            let openapi = description(path)?;
            let described = drafting::described(&openapi, &arguments.entity, arguments.schema.as_deref());
            let (schema, found, path) = described.map_err(|error| VerbError::NotThere(error.to_string()))?;
            out::note(&format!("drafting from the schema `{schema}`"));
            (natives, at) = (found, path);
            let server = openapi.pointer("/servers/0/url").and_then(Json::as_str);
            base = server
                .filter(|url| url.starts_with("https://"))
                .map(|url| url.trim_end_matches('/').to_owned());
        }
        let edmx = arguments.edmx.as_deref().map(|path| metadata(path, arguments)).transpose()?;
        if let Some(described) = &edmx {
            at = Some(format!("/{}", described.set));
        }
        let mut known = Self { natives, base, at, places: Places::default(), samples: Vec::new(), edmx };
        for path in &arguments.sample {
            known.learn(path, &arguments.entity)?;
        }
        if let Some(path) = &arguments.fields {
            let found = drafting::listed(&description(path)?);
            let listed =
                found.map_err(|error| VerbError::NotThere(format!("`{}`: {error}", path.display())))?;
            if let Some(of) = &listed.of {
                out::note(&format!("drafting from the fields of `{of}`"));
            }
            known.natives.describe(listed);
        }
        Ok(known)
    }

    fn learn(&mut self, path: &Path, entity: &str) -> Result<(), VerbError> {
        let no = |why: String| VerbError::NotThere(format!("`{}` {why}", path.display()));
        let bytes = recorded::answer(path)?.body;
        let is_xml = bytes.trim_ascii_start().starts_with(b"<");
        if is_xml && self.edmx.is_some() || !self.samples.is_empty() && is_xml != self.natives().is_xml() {
            return Err(no(
                "is not of the kind of the other descriptions and samples: a system speaks JSON or XML"
                    .to_owned(),
            ));
        }
        let keep = |text: Option<String>, stands: Stands| {
            text.map(|text| Sample { path: path.to_owned(), bytes: text.into(), stands })
        };
        if is_xml {
            let tree = mapping::local_tree(&bytes).map_err(|why| no(format!("is not read: {why}")))?;
            if tree.pointer("/Envelope/Body").is_some() {
                let why =
                    "is an envelope of SOAP, of which no request can be drafted: write the file by hand";
                return Err(no(why.to_owned()));
            }
            let stands = self.natives.learn_xml(&tree, entity);
            self.places.add(stands.clone());
            self.samples.extend(keep(String::from_utf8(bytes.to_vec()).ok(), stands));
            return Ok(());
        }
        let json = |bytes: &Bytes| {
            serde_json::from_slice::<Json>(bytes).map_err(|error| no(format!("is no JSON: {error}")))
        };
        let Some(described) = &mut self.edmx else {
            let stands = self.natives.learn(&json(&bytes)?, entity);
            self.places.add(stands.clone());
            self.samples.extend(keep(String::from_utf8(bytes.to_vec()).ok(), stands));
            return Ok(());
        };
        let rows = odata_rows(&bytes);
        described.natives.learn(&json(&rows)?, entity);
        self.samples.extend(keep(first_row(&rows, &[]), Stands::Record(Vec::new())));
        Ok(())
    }
}

/// A recorded answer.
struct Sample {
    path: PathBuf,
    bytes: Bytes,
    stands: Stands,
}

impl Sample {
    /// The answer and what it reads as, for the file: of a page its first record, where an answer may be one alone.
    fn kept(&self, tried: &[&Tried], places: &Places, is_alone: bool) -> Option<(String, String)> {
        let whole = || String::from_utf8(self.bytes.to_vec()).ok().map(|text| text.trim().to_owned());
        let first = format!("{:#}", tried.first()?.entity);
        match &self.stands {
            Stands::Record(_) => Some((whole()?, first)),
            Stands::List(rows) if is_alone && places.record.as_ref().is_none_or(Vec::is_empty) => {
                Some((first_row(&self.bytes, rows)?, first))
            }
            Stands::List(_) => {
                let all: Json = tried.iter().map(|tried| tried.entity.clone()).collect();
                Some((whole()?, format!("{all:#}")))
            }
        }
    }
}

/// The entity set that is meant.
fn metadata(path: &Path, arguments: &DraftOf) -> Result<Described, VerbError> {
    let text = whole(path)?;
    let described = drafting::described_edmx(text.as_bytes(), &arguments.entity, arguments.set.as_deref())
        .map_err(|error| VerbError::NotThere(format!("`{}`: {error}", path.display())))?;
    out::note(&format!("drafting from the entity set `{}`", described.set));
    if described.key.len() > 1 {
        out::note(
            "its key has several parts, which a draft does not say: its records are listed, not read (see `key` in docs/mapping.md)",
        );
    }
    if described.left_out > 0 {
        out::note(&format!("{} names or fields are left out", described.left_out));
    }
    Ok(described)
}

/// A file's text, within the bound.
fn whole(path: &Path) -> Result<String, VerbError> {
    let mut text = String::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(DESCRIPTION_BYTES_MAX.saturating_add(1)).read_to_string(&mut text));
    read.map_err(VerbError::file(path))?;
    if text.len() as u64 > DESCRIPTION_BYTES_MAX {
        let message = format!("`{}` is larger than {DESCRIPTION_BYTES_MAX} bytes", path.display());
        return Err(VerbError::Misused(message));
    }
    Ok(text)
}

/// The records of an answer of OData, as a list: those of a page, or the one; out of `d` where that is around them.
fn odata_rows(bytes: &Bytes) -> Bytes {
    fn inside<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        let map: std::collections::HashMap<String, &'a RawValue> = serde_json::from_str(text).ok()?;
        map.get(name).map(|value| value.get()).filter(|value| value.starts_with(['{', '[']))
    }
    let Ok(whole) = std::str::from_utf8(bytes) else { return bytes.clone() };
    let data = inside(whole, "d").unwrap_or(whole).trim();
    let rows =
        ["results", "value"].iter().find_map(|name| inside(data, name).filter(|rows| rows.starts_with('[')));
    match rows.unwrap_or(data) {
        rows if rows.starts_with('[') => Bytes::copy_from_slice(rows.as_bytes()),
        row => format!("[{row}]").into(),
    }
}

/// A description in JSON or YAML.
fn description(path: &Path) -> Result<Json, VerbError> {
    let text = whole(path)?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text)
            .map_err(|error| VerbError::NotThere(format!("`{}` is no JSON: {error}", path.display())));
    }
    let name: Arc<str> = path.to_string_lossy().into();
    let node = tree::parse(&name, &text).map_err(|found| VerbError::NotThere(found.to_string()))?;
    Ok(as_json(&node))
}

fn as_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) if scalar.quoted => Json::String(scalar.text.clone()),
        Value::Scalar(scalar) => match scalar.text.as_str() {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            text => Json::String(text.to_owned()),
        },
        Value::List(items) => items.iter().map(as_json).collect(),
        Value::Map(pairs) => pairs.iter().map(|(key, node)| (key.text.clone(), as_json(node))).collect(),
    }
}

/// The draft without the lines that keep it from loading, each with why; and what else does.
fn loading(drafted: Drafted, schema: &Schema) -> (String, Option<String>) {
    let mut lines: Vec<String> = drafted.text.lines().map(str::to_owned).collect();
    for _ in 0..TAKEN_OUT_MAX {
        let text = lines.join("\n");
        let Err(found) = load(&text, schema) else { return (text, None) };
        let errors = || found.0.iter().filter(|one| one.severity == Severity::Error);
        let spoilt = errors().find_map(|one| {
            let line = usize::try_from(one.place.line).ok().filter(|line| drafted.loose.contains(line))?;
            Some((line, one.message.clone()))
        });
        let Some((line, why)) = spoilt else {
            let first = errors().next().map(ToString::to_string).unwrap_or_default();
            return (text, Some(first));
        };
        match lines.get_mut(line.saturating_sub(1)) {
            Some(text) if !text.trim_start().starts_with('#') => {
                let indent: String = text.chars().take_while(|c| *c == ' ').collect();
                *text = format!("{indent}{LEFT_OUT} {why}: {}", text.trim());
            }
            _ => return (lines.join("\n"), Some(why)),
        }
    }
    (lines.join("\n"), Some("too many of its lines do not load".to_owned()))
}

fn load(text: &str, schema: &Schema) -> Result<System, Diagnostics> {
    let node = tree::parse(&"drafted".into(), text)?;
    let mut found = Diagnostics::default();
    System::load(&SystemName::new("drafted"), &node, &[], schema, &mut found).ok_or(found)
}

/// What the samples say of the draft.
#[derive(Default)]
struct TriedOut {
    told: Vec<String>,
    /// Answers of one record, with what they read as.
    samples: Vec<(String, String)>,
}

fn tried(text: &str, entity: &Entity, schema: &Schema, known: &Known) -> TriedOut {
    let mut out = TriedOut::default();
    let Ok(system) = load(text, schema) else { return out };
    let Some(mapping) = system.entity(entity.name.as_str()) else { return out };
    for sample in &known.samples {
        let path = sample.path.display();
        let trial = match mapping.trial(&recorded::of_body(sample.bytes.clone())) {
            Ok(trial) => trial,
            Err(fault) => {
                out.told.push(format!("{path}: does not read: {fault}"));
                continue;
            }
        };
        let fit: Vec<&Tried> = trial.records.iter().flatten().collect();
        for tried in &fit {
            for (field, what) in &tried.findings {
                let told = format!("{path}: `{field}` does not fit: {what}");
                if !out.told.contains(&told) {
                    out.told.push(told);
                }
            }
        }
        let withheld = trial.records.len() - fit.len();
        if withheld > 0 {
            out.told.push(format!("{path}: {withheld} of {} records do not read", trial.records.len()));
        }
        if withheld == 0 && fit.iter().all(|tried| tried.findings.is_empty()) && out.samples.is_empty() {
            let is_alone = !known.natives().is_xml() && !known.natives().is_rpc();
            out.samples.extend(sample.kept(&fit, &known.places, is_alone));
        }
    }
    out
}

/// The text of the first of the rows that stand there.
fn first_row(bytes: &Bytes, rows: &[String]) -> Option<String> {
    let mut at: &RawValue = serde_json::from_slice(bytes).ok()?;
    for name in rows {
        let map: std::collections::HashMap<String, &RawValue> = serde_json::from_str(at.get()).ok()?;
        at = map.get(name)?;
    }
    let items: Vec<&RawValue> = serde_json::from_str(at.get()).ok()?;
    items.first().map(|item| item.get().to_owned())
}
