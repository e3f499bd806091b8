//! `bramka systems compare`: what callers lose and gain where another system serves a collection.
//!
//! It looks at the two files and at the statements of the bundle, and asks a system only where it is told to (`--live`,
//! [`live`]). What is told of a file is what [`Mapping::abilities`] tells.

mod lines;
mod live;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde_json::{Value as Json, json};

use self::lines::{Is, Line, lines};
use super::trial::{Paint, system};
use crate::{
    cli::{
        Came,
        error::VerbError,
        out,
        policy::{self, Loaded},
    },
    config::{Catalogue, Files, Part, Placeholders, RawBundle, Report, SystemSheet},
    mapping::{Abilities, Mapping, Paging, System},
    schema::{self, FieldSet, Schema},
    words::{Diagnostic, Diagnostics, SystemName, nearest},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bramka systems compare crm new-crm.yaml --collection customers\n  \
    bramka systems compare shop new-shop.yaml --collection orders --json\n  \
    bramka systems compare crm crm-firms,crm-people --collection customers\n  \
    bramka systems compare crm crm-new --collection customers --live --ignore updated_at --most 1000\n  \
    bramka systems compare erp erp-new --collection stock-levels --live --key sku+location.code --pairs keys.csv\n\n\
    It compares what the two files say, and tells statements that would keep the new system from serving. With\n\
    `--live` it also reads the records of both, pairs them by what tells them apart in the business, and tells where they\n\
    differ; without it, it asks no system and does not compare live data. Only lists are asked for, with the sign-ins and\n\
    secrets of the gate, and the journal has it.\n\
    Exit code 0 where nothing is lost and no record differs, 1 where something is or does, 2 where it could not be\n\
    compared.")]
pub(in crate::cli) struct Compare {
    /// The system in use: its name in `systems/` or `systems/catalogue/`, or its file; several with `,`
    old: String,
    /// The one that shall serve instead, or several that shall together
    new: String,
    /// Which collection
    #[arg(long)]
    collection: String,
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    live: live::Live,
}

/// Whatever kept it from being compared is 2: 1 says that something is lost.
pub(super) fn run(arguments: &Compare) -> Came {
    match compared(arguments) {
        Ok(compared) => {
            if arguments.json {
                out::say(&compared.as_json(arguments).to_string());
            } else {
                compared.say(arguments);
            }
            let is_same = compared.live.as_ref().is_none_or(live::Compared::is_same);
            if compared.lost() == 0 && is_same { Came::Right } else { Came::Wrong }
        }
        Err(error) => {
            out::verb_failed(&error);
            Came::Misused
        }
    }
}

/// What came of it.
struct Compared {
    lines: Vec<Line>,
    paging: [Option<Paging>; 2],
    statements: Statements,
    live: Option<live::Compared>,
}

/// What the bundle's statements say to the new system.
enum Statements {
    /// These read what it never tells, and the old one does.
    Unfounded(Vec<Diagnostic>, Arc<Files>),
    /// The policies do not load as they are.
    Unknown,
}

fn compared(arguments: &Compare) -> Result<Compared, VerbError> {
    let files =
        Files::read(&arguments.policies).map_err(|found| VerbError::Bundle(Report::without_files(found)))?;
    let bundle = RawBundle::of(files, &Placeholders);
    let sheets: Vec<_> = bundle.schema.iter().map(|sheet| (sheet.file.clone(), sheet.node.clone())).collect();
    let (schema, _) = schema::load::schema(&sheets)
        .map_err(|found| VerbError::Bundle(Report::new(bundle.files.clone(), found)))?;
    let Some(entity) = schema.collection(&arguments.collection) else {
        let known = schema.entities().iter().map(|entity| entity.collection.as_str());
        return Err(unknown("collection", &arguments.collection, known.collect()));
    };
    let place = Place { bundle: &bundle, policies: &arguments.policies, schema: &schema };
    let of = |named: &str| {
        let system = place.system(named)?;
        system.entity(entity.name.as_str()).cloned().ok_or_else(|| {
            let mut maps: Vec<_> = system.mappings().map(|mapping| mapping.name().to_string()).collect();
            maps.sort();
            let maps = maps.join(", ");
            VerbError::Misused(format!("`{named}` does not map {}; it maps {maps}", entity.name))
        })
    };
    let all = |named: &str| named.split(',').map(str::trim).map(of).collect::<Result<Vec<_>, _>>();
    let (old, new) = (all(&arguments.old)?, all(&arguments.new)?);
    if arguments.live.is_wanted() && old.len().max(new.len()) > 1 {
        let message = "`--live` compares one system with one other; compare each of several by itself";
        return Err(VerbError::Misused(message.to_owned()));
    }
    // What another system tells is told whoever serves.
    let loaded = policy::compiled(bundle, &arguments.policies).ok();
    let parts = loaded.as_ref().map(|loaded| loaded.snapshot.parts(entity)).unwrap_or_default();
    let [before, after] = [&old, &new].map(|systems| {
        let each = systems.iter().map(|mapping| joined(mapping.abilities(), &parts));
        each.reduce(Abilities::beside)
    });
    let none = || VerbError::Misused("name two systems".to_owned());
    let (before, after) = (before.ok_or_else(none)?, after.ok_or_else(none)?);
    let live = match arguments.live.is_wanted() {
        true => Some(live::compared(arguments, &schema, entity, [&before, &after])?),
        false => None,
    };
    Ok(Compared {
        lines: lines(entity, &before, &after),
        paging: [before.paging, after.paging],
        live,
        statements: statements(loaded, &new, &before.told, &parts),
    })
}

/// What a system and those that tell some fields beside it can be asked for. What it says of such fields itself counts for
/// nothing; and they are told only where it tells by what their records are found.
fn joined(mut abilities: Abilities, parts: &[Part]) -> Abilities {
    for part in parts {
        let leaves = &part.leaves;
        abilities.told = match part.is_by_id() || abilities.told.contains(part.on) {
            true => abilities.told.union(leaves),
            false => abilities.told.minus(leaves),
        };
        for written in [&mut abilities.created, &mut abilities.updated, &mut abilities.sorts] {
            *written = written.minus(leaves);
        }
        abilities.filters.retain(|(leaf, _)| !leaves.contains(*leaf));
    }
    abilities
}

/// A name that nothing has.
fn unknown(what: &str, name: &str, mut known: Vec<&str>) -> VerbError {
    known.sort_unstable();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    VerbError::Misused(format!("there is no {what} `{name}`; {help}"))
}

/// Where systems are looked for.
struct Place<'a> {
    bundle: &'a RawBundle<'a>,
    policies: &'a Path,
    schema: &'a Schema,
}

impl Place<'_> {
    /// A system by its file or by its name, one in use before one of the catalogue. One of the catalogue may be named by
    /// its file as well: it may be called as one in use, in whose place it would serve.
    fn system(&self, named: &str) -> Result<System, VerbError> {
        if named.contains(std::path::MAIN_SEPARATOR) || named.ends_with(".yaml") || named.ends_with(".yml") {
            let file = Path::new(named);
            let name = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
            return system(file, &SystemName::new(&*name), self.schema);
        }
        let files = &self.bundle.files;
        if let Some(sheet) = of_name(&self.bundle.systems, named) {
            return self.load(sheet).map_err(|found| VerbError::Bundle(Report::new(files.clone(), found)));
        }
        let catalogue = Catalogue::read(self.policies)
            .map_err(|found| VerbError::Bundle(Report::without_files(found)))?;
        let told = |found| VerbError::Bundle(Report::without_files(found).beside(catalogue.sources()));
        if let Some(sheet) = of_file(catalogue.systems(), named) {
            return self.load(sheet).map_err(told);
        }
        if let Some(sheet) = of_name(catalogue.systems(), named) {
            return self.load(sheet).map_err(told);
        }
        // A file that cannot be read may be the one that is meant.
        if catalogue.found().has_errors() {
            return Err(told(catalogue.found().clone()));
        }
        let unread = |found: &&Diagnostic| found.place.file.starts_with("systems/");
        let unread: Vec<Diagnostic> = self.bundle.found.0.iter().filter(unread).cloned().collect();
        if !unread.is_empty() {
            return Err(VerbError::Bundle(Report::new(files.clone(), Diagnostics(unread))));
        }
        let mut all: Vec<&str> = self.bundle.systems.iter().map(|sheet| sheet.name.value.as_str()).collect();
        all.extend(catalogue.systems().iter().map(stem));
        Err(unknown("system", named, all))
    }

    fn load(&self, sheet: &SystemSheet) -> Result<System, Diagnostics> {
        let name = SystemName::new(sheet.name.value.as_str());
        let mut found = Diagnostics::default();
        let system = System::load(&name, &sheet.sheet.node, &[], self.schema, &mut found).ok_or(found)?;
        system.rehearse();
        Ok(system)
    }
}

fn of_file<'s>(systems: &'s [SystemSheet], named: &str) -> Option<&'s SystemSheet> {
    systems.iter().find(|sheet| stem(sheet) == named)
}

/// What the file of a system is called, without its folder and its kind.
fn stem(sheet: &SystemSheet) -> &str {
    let file = Path::new(&*sheet.sheet.file).file_stem();
    file.and_then(|stem| stem.to_str()).unwrap_or(sheet.name.value.as_str())
}

fn of_name<'s>(systems: &'s [SystemSheet], name: &str) -> Option<&'s SystemSheet> {
    systems.iter().find(|sheet| sheet.name.value == name)
}

/// Statements that read what a new system never tells. What the old one does not tell either is no loss.
fn statements(loaded: Option<Loaded>, new: &[Arc<Mapping>], before: &FieldSet, parts: &[Part]) -> Statements {
    let Some(loaded) = loaded else { return Statements::Unknown };
    let mut lost = Vec::new();
    for new in new {
        let policies = &loaded.snapshot.policies;
        let known = policies.untold(new.entity(), before);
        let mut after = policies.untold(new.entity(), &joined(new.abilities(), parts).told);
        for (place, leaves) in &mut after {
            let before = known.iter().find(|(other, _)| other == place);
            *leaves = before.map_or(*leaves, |(_, before)| leaves.minus(before));
        }
        after.retain(|(_, leaves)| !leaves.is_empty());
        lost.extend(policies.never_tells(new.entity(), new.system(), &after).0);
    }
    Statements::Unfounded(lost, loaded.files)
}

impl Compared {
    /// How much is lost, statements included.
    fn lost(&self) -> usize {
        let statements = match &self.statements {
            Statements::Unfounded(found, _) => found.len(),
            Statements::Unknown => 0,
        };
        self.count(Is::Lost).saturating_add(statements)
    }

    fn count(&self, is: Is) -> usize {
        self.lines.iter().filter(|line| line.is == is).count()
    }

    fn say(&self, arguments: &Compare) {
        let paint = Paint(out::colour(&io::stdout()));
        out::say(
            &paint.head(&format!("{}: {} instead of {}", arguments.collection, arguments.new, arguments.old)),
        );
        let mut section = None;
        for line in &self.lines {
            if section.replace(line.what) != Some(line.what) {
                out::say(&paint.head(line.what));
            }
            let why = line.why.map(|why| format!(" ({why})")).unwrap_or_default();
            let text = format!("  {:<6}  {}{why}", line.is.as_str(), line.name);
            out::say(&match line.is {
                Is::Lost => paint.bad(&text),
                Is::Gained => paint.added(&text),
                Is::Same => text,
            });
        }
        if let [Some(old), Some(new)] = self.paging {
            out::say(&paint.head("pages"));
            out::say(&format!("  by {}, {} records; before by {}, {}", new.by, new.most, old.by, old.most));
        }
        match &self.statements {
            Statements::Unfounded(found, files) if !found.is_empty() => {
                out::say(&paint.head("statements that keep the new system from serving"));
                out::say_report(&Report::new(files.clone(), Diagnostics(found.clone())));
            }
            Statements::Unfounded(..) => {}
            Statements::Unknown => out::note(
                "statements were not looked at: the policies do not load; `bramka policy check` tells why",
            ),
        }
        let [same, gained] = [Is::Same, Is::Gained].map(|is| self.count(is));
        if let Some(live) = &self.live {
            live.say(&paint);
        }
        let live = if self.live.is_some() { "" } else { "; live data was not compared" };
        out::say(&format!("{} lost, {gained} gained, {same} the same{live}", self.lost()));
    }

    fn as_json(&self, arguments: &Compare) -> Json {
        let line = |line: &Line| json!({ "what": line.what, "name": line.name, "is": line.is.as_str(), "why": line.why });
        let paging = self.paging.map(|paging| {
            paging.map(|Paging { by, most, reach }| json!({ "by": by, "most": most, "reach": reach }))
        });
        let [old_paging, new_paging] = paging;
        let statements = match &self.statements {
            Statements::Unfounded(found, _) => {
                let told = |one: &Diagnostic| json!({ "file": &*one.place.file, "line": one.place.line, "message": one.message });
                found.iter().map(told).collect()
            }
            Statements::Unknown => Json::Null,
        };
        json!({
            "collection": arguments.collection, "old": arguments.old, "new": arguments.new,
            "lost": self.lost(), "gained": self.count(Is::Gained), "same": self.count(Is::Same),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "paging": { "old": old_paging, "new": new_paging },
            "statements": statements,
            "live": self.live.as_ref().map(live::Compared::as_json),
        })
    }
}
