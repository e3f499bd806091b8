//! `bramka systems try`: what a system's file makes of a recorded answer, what it would send back, and how it asks.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use clap::Args;
use compact_str::CompactString;
use serde_json::{Value as Json, json};

use super::{exact, planned, recorded};
use crate::{
    cli::{Came, error::VerbError, out},
    clock,
    config::{Colour, Files, Placeholders, RawBundle, Report, Source},
    mapping::{Back, Follows, Mapping, RowFault, System, Trial, Tried},
    quality::{self, Flaw},
    schema::{self, Schema},
    words::{Diagnostics, SystemName, tree},
};

/// How often the files are looked at while they are watched.
const LOOK_EVERY: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bramka systems try policies/systems/shop.yaml --entity Product --sample article.json\n  \
    curl -s https://shop.example.com/api/articles | bramka systems try shop.yaml --sample -\n  \
    bramka systems try shop.yaml --sample article.json --watch\n  \
    bramka systems try shop.yaml --entity Product --query 'status=active&sort=-updated_at'\n\n\
    The answer may be one record or a page of a list, with its head (`curl -i`) or without. Exit code 1 where it does\n\
    not read or holds no record, a value does not fit, or what was read would be refused on its way back.")]
pub(in crate::cli) struct Try {
    /// The system's file; it need not belong to the policies
    file: PathBuf,
    /// Which entity; needless where the file maps only one
    #[arg(long)]
    entity: Option<String>,
    /// A recorded answer of the system; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "query", conflicts_with = "query")]
    sample: Option<PathBuf>,
    /// How the system would be asked for a list: the query of a URL, as callers write it; `''` asks for everything
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// The folder of the policies, whose `schema/` is meant
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// Again whenever a file changes, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Try) -> Result<Came, VerbError> {
    if !arguments.watch {
        return once(arguments);
    }
    if arguments.sample.as_deref() == Some(Path::new("-")) {
        return Err(VerbError::Misused("standard input cannot be watched; name a file".to_owned()));
    }
    let mut seen = None;
    loop {
        let now = changed(arguments);
        if seen.as_ref() != Some(&now) {
            if let Err(error) = once(arguments) {
                out::verb_failed(&error);
            }
            out::say("");
            seen = Some(now);
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

/// When the files that matter were last changed.
fn changed(arguments: &Try) -> Vec<Option<SystemTime>> {
    let schema = arguments.policies.join("schema");
    let inside = fs::read_dir(&schema).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = inside.collect();
    files.sort();
    files.extend([schema, arguments.file.clone()]);
    files.extend(arguments.sample.clone());
    files.iter().map(|file| fs::metadata(file).and_then(|facts| facts.modified()).ok()).collect()
}

fn once(arguments: &Try) -> Result<Came, VerbError> {
    let schema = schema_of(&arguments.policies)?;
    let mapping = mapping(arguments, &schema)?;
    let paint = Paint(out::colour(&io::stdout()));
    match (&arguments.sample, &arguments.query) {
        (Some(sample), _) => answered(&mapping, sample, arguments.json, &paint),
        (None, query) => {
            planned::show(&mapping, query.as_deref().unwrap_or_default(), arguments.json, &paint)
        }
    }
}

/// What the mapping makes of an answer.
fn answered(mapping: &Mapping, path: &Path, as_json: bool, paint: &Paint) -> Result<Came, VerbError> {
    let sample = recorded::answer(path)?;
    let trial = mapping.trial(&sample).map_err(|fault| {
        let (path, entity) = (path.display(), mapping.name());
        VerbError::NotThere(format!("`{path}` is neither one {entity} nor a page of them: {fault}"))
    })?;
    let flaws = flaws(mapping, &trial.records);
    let unread = mapping.unread(&sample.body);
    let paging = trial.page.as_ref().map(Paging::of);
    if as_json {
        say_json(mapping, (&trial, &flaws), paging.as_ref(), &unread);
    } else {
        say_records(mapping, &sample.body, (&trial, &flaws), paint);
        say_list(&paint.head("read by no line"), unread.iter().map(String::as_str));
        if let Some(page) = &paging {
            out::say(&paint.head(&page.told));
        }
    }
    let nothing = trial.records.is_empty() && trial.keys.is_none();
    if let Some(page) = paging.as_ref().filter(|_| nothing) {
        let why = match page.rows {
            0 => "it is a page without a row, so nothing was tried".to_owned(),
            rows => format!("`unpivot` makes none of its {}", counted(rows)),
        };
        out::note(&format!("`{}` holds no {}: {why}", path.display(), mapping.name()));
    }
    // What a recorded answer says of itself: whether it is old, whole, or told twice, is nothing of the file's.
    let is_wrong = |flaw: Flaw| matches!(flaw, Flaw::BadNumber | Flaw::Unbalanced | Flaw::Misplaced);
    let bad = nothing
        || flaws.iter().flatten().any(|(_, flaw)| is_wrong(*flaw))
        || paging.is_some_and(|page| page.is_wrong)
        || trial.keys.iter().flatten().any(Result::is_err)
        || trial.records.iter().any(|row| match row {
            Ok(tried) => !tried.findings.is_empty() || matches!(tried.back, Back::Refused(_)),
            Err(_) => true,
        });
    Ok(if bad { Came::Wrong } else { Came::Right })
}

fn say_records(mapping: &Mapping, body: &Bytes, (trial, flaws): (&Trial, &[Flaws]), paint: &Paint) {
    let given = Given { sample: body, many: trial.records.len() > 1 };
    let mut is_marked = false;
    for (row, flaws) in trial.records.iter().zip(flaws) {
        match row {
            Ok(tried) => is_marked |= given.say(mapping, (tried, flaws), paint),
            Err(why) => out::say(&paint.bad(&format!("withheld: {why}"))),
        }
    }
    if is_marked {
        out::say(LEGEND);
    }
    if let Some(keys) = &trial.keys {
        out::say(&paint.head("rows that are keys alone, of which the records are read by further requests"));
        for key in keys {
            out::say(&match key {
                Ok(key) => format!("  {key}"),
                Err(why) => paint.bad(&format!("  {why}")),
            });
        }
    }
}

/// What the signs of a comparison mean.
const LEGEND: &str = "(~ goes back otherwise than it came, + did not come, - does not go back)";

fn say_json(mapping: &Mapping, (trial, flaws): (&Trial, &[Flaws]), page: Option<&Paging>, unread: &[String]) {
    let records: Vec<Json> = trial
        .records
        .iter()
        .zip(flaws)
        .map(|(row, flaws)| match row {
            Ok(tried) => as_json(tried, flaws),
            Err(why) => json!({ "withheld": why.to_string() }),
        })
        .collect();
    let page = page.map(|page| json!({ "rows": page.rows, "follows": page.word, "told": page.told }));
    let key = |key: &Result<_, _>| key.as_ref().map_or(Json::Null, |key: &CompactString| json!(key.as_str()));
    let keys = trial.keys.as_ref().map(|keys| keys.iter().map(key).collect::<Vec<_>>());
    let told = json!({
        "entity": mapping.name().as_str(), "records": records, "page": page, "keys": keys, "unread": unread
    });
    out::say(&told.to_string());
}

fn counted(rows: usize) -> String {
    format!("{rows} row{}", if rows == 1 { "" } else { "s" })
}

/// What is told of a page.
struct Paging {
    rows: usize,
    word: &'static str,
    told: String,
    is_wrong: bool,
}

impl Paging {
    fn of((rows, follows): &(usize, Follows)) -> Self {
        let (word, told) = match follows {
            Follows::Another => ("another", "another follows".to_owned()),
            Follows::Nothing => ("nothing", "none follows".to_owned()),
            Follows::Cut => ("cut", "there may be more than the system gives".to_owned()),
            Follows::InHead(name) => (
                "in_head",
                format!(
                    "whether another follows stands in the header field `{name}`: record the answer with `curl -i` to see it"
                ),
            ),
            Follows::Unreadable(fault) => {
                ("unreadable", format!("what follows cannot be told: {}", fault.text))
            }
        };
        let told = format!("page of {}: {told}", counted(*rows));
        Self { rows: *rows, word, told, is_wrong: matches!(follows, Follows::Unreadable(_)) }
    }
}

pub(super) fn schema_of(policies: &Path) -> Result<Schema, VerbError> {
    let files = Files::read(policies).map_err(|found| VerbError::Bundle(Report::without_files(found)))?;
    let raw = RawBundle::of(files, &Placeholders);
    let files: Vec<_> = raw.schema.iter().map(|sheet| (sheet.file.clone(), sheet.node.clone())).collect();
    let (schema, _) = schema::load::schema(&files)
        .map_err(|found| VerbError::Bundle(Report::new(raw.files.clone(), found)))?;
    Ok(schema)
}

/// The system that a file describes, whatever folder it stands in.
pub(super) fn system(file: &Path, name: &SystemName, schema: &Schema) -> Result<System, VerbError> {
    let text = fs::read_to_string(file).map_err(VerbError::file(file))?;
    let path: Arc<str> = file.to_string_lossy().into();
    let source = Source { path: path.clone(), text: text.as_str().into() };
    let refused = |found: Diagnostics| {
        VerbError::Bundle(Report::without_files(found).beside(std::slice::from_ref(&source)))
    };
    let node = tree::parse(&path, &text).map_err(refused)?;
    let mut found = Diagnostics::default();
    let system = System::load(name, &node, &[], schema, &mut found);
    let system = system.ok_or_else(|| refused(found))?;
    system.rehearse();
    Ok(system)
}

fn mapping(arguments: &Try, schema: &Schema) -> Result<Arc<Mapping>, VerbError> {
    let system = system(&arguments.file, &SystemName::new("tried"), schema)?;
    let names = || {
        let mut names: Vec<_> = system.mappings().map(|mapping| mapping.name().to_string()).collect();
        names.sort();
        names.join(", ")
    };
    let only = || {
        let mut all = system.mappings();
        all.next().filter(|_| all.next().is_none())
    };
    let mapping = match &arguments.entity {
        Some(entity) => system.entity(entity),
        None => only(),
    };
    mapping.cloned().ok_or_else(|| {
        VerbError::Misused(match (&arguments.entity, names()) {
            (_, names) if names.is_empty() => {
                format!("`{}` maps no entity: nothing stands under `entities`", arguments.file.display())
            }
            (Some(entity), names) => format!("the file does not map `{entity}`; it maps {names}"),
            (None, names) => format!("name one with `--entity`: the file maps {names}"),
        })
    })
}

/// Fields and their flaws.
type Flaws = Vec<(String, Flaw)>;

/// What a gate would count of each record beside its values that do not fit.
fn flaws(mapping: &Mapping, records: &[Result<Tried, RowFault>]) -> Vec<Flaws> {
    let (all, now) = (mapping.entity().all(), clock::now().wall);
    let mut keys = HashSet::new();
    let mut of = |tried: &Tried| {
        let of_values: Flaws =
            tried.findings.iter().map(|(path, what)| (path.clone(), what.into())).collect();
        let mut found = quality::flaws(mapping, &all, &tried.inward, now);
        found.retain(|flaw| !of_values.contains(flaw));
        if !keys.insert(tried.inward.id.clone()) {
            found.push(("id".to_owned(), Flaw::DuplicateKey));
        }
        found
    };
    records.iter().map(|row| row.as_ref().map(&mut of).unwrap_or_default()).collect()
}

fn as_json(tried: &Tried, flaws: &[(String, Flaw)]) -> Json {
    let of_values = tried
        .findings
        .iter()
        .map(|(path, what)| json!({ "field": path, "what": what.as_str(), "told": what.to_string() }));
    let others =
        flaws.iter().map(|(path, flaw)| json!({ "field": path, "what": flaw.as_str(), "told": flaw.told() }));
    let findings: Vec<Json> = of_values.chain(others).collect();
    let back = match &tried.back {
        Back::Sent { method, target, body, .. } => json!({
            "method": method.as_str(),
            "target": target,
            "body": serde_json::from_slice::<Json>(body)
                .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(body).into_owned())),
        }),
        Back::Refused(faults) => {
            let faults: Vec<Json> = faults
                .iter()
                .map(|fault| json!({ "pointer": fault.pointer, "message": fault.message }))
                .collect();
            json!({ "refused": faults })
        }
        Back::Never => Json::Null,
    };
    json!({ "reads": tried.entity, "findings": findings, "untold": tried.untold, "back": back })
}

/// What was given, for a comparison with what goes back.
struct Given<'a> {
    sample: &'a Bytes,
    many: bool,
}

impl Given<'_> {
    /// Says it; whether signs of a comparison were among it.
    fn say(&self, mapping: &Mapping, (tried, flaws): (&Tried, &[(String, Flaw)]), paint: &Paint) -> bool {
        let native = (!self.many).then(|| String::from_utf8_lossy(self.sample));
        if let Some(native) = &native {
            out::say(&paint.head("record in"));
            out::say(exact::pretty(native).trim_end());
        }
        out::say(&paint.head(&format!("{} out", mapping.name())));
        out::say(&format!("{:#}", tried.entity));
        let findings: Vec<String> =
            tried.findings.iter().map(|(path, what)| paint.bad(&format!("{path}: {what}"))).collect();
        say_list(&paint.head("does not fit"), findings.iter().map(String::as_str));
        let counted: Vec<String> = flaws
            .iter()
            .map(|(path, flaw)| paint.bad(&format!("{path}: {} ({})", flaw.told(), flaw.as_str())))
            .collect();
        say_list(&paint.head("a gate counts"), counted.iter().map(String::as_str));
        say_list(&paint.head("not told by this answer"), tried.untold.iter().map(String::as_str));
        let mut is_marked = false;
        match &tried.back {
            Back::Never => out::say(&paint.head("nothing goes back: the file does not create such records")),
            Back::Refused(faults) => {
                out::say(&paint.head("record back"));
                for fault in faults {
                    out::say(&paint.bad(&format!("refused: {}: {}", fault.pointer, fault.message)));
                }
            }
            Back::Sent { method, target, body, record } => {
                out::say(&paint.head(&format!("record back: {method} {target}")));
                let back = String::from_utf8_lossy(body);
                // Like with like: the record alone, whatever stands around it on either way.
                match (tried.native.as_deref().and_then(exact::values), exact::values(record)) {
                    (Some(came), Some(goes)) => {
                        let came: Vec<_> =
                            came.into_iter().filter(|(path, _)| !mapping.is_ignored(path)).collect();
                        is_marked = say_differences(&came, &goes, paint);
                    }
                    _ => out::say(exact::pretty(&back).trim_end()),
                }
            }
        }
        is_marked
    }
}

/// What comes back beside what came in, value by value; whether the two differ.
fn say_differences(came: &[(String, String)], goes: &[(String, String)], paint: &Paint) -> bool {
    let of = |values: &[(String, String)], path: &str| {
        values.iter().find(|(other, _)| other == path).map(|(_, value)| value.clone())
    };
    let mut is_other = false;
    for (path, value) in goes {
        let old = of(came, path);
        is_other |= old.as_ref() != Some(value);
        out::say(&match old {
            Some(old) if old == *value => format!("  {path}: {value}"),
            Some(old) => paint.changed(&format!("~ {path}: {value}, came as {old}")),
            None => paint.added(&format!("+ {path}: {value}")),
        });
    }
    for (path, value) in came.iter().filter(|(path, _)| of(goes, path).is_none()) {
        is_other = true;
        out::say(&paint.gone(&format!("- {path}: {value}")));
    }
    is_other
}

fn say_list<'a>(head: &str, lines: impl Iterator<Item = &'a str>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        out::say(head);
        for line in lines {
            out::say(&format!("  {line}"));
        }
    }
}

/// Colours, where there are any.
pub(super) struct Paint(pub(super) Colour);

impl Paint {
    pub(super) fn head(&self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn added(&self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn changed(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn gone(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        match self.0 {
            Colour::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Off => text.to_owned(),
        }
    }
}
