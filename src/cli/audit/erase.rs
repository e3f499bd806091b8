//! `bramka audit erase`: what stands in clear beside the entries of a person, an app or a record, for good. And its id
//! where data quality keeps it.
//!
//! It works beside a gate that serves. The search is a reading of the journal and the erasing an act, so both are
//! entries, which name whose data it is by the digest alone; without them nothing is done.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::atomic::Ordering,
};

use clap::Args;
use compact_str::CompactString;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    Where,
    named::{Whose, sort, whose, whose_of},
    patiently, tell_gone,
    when::moment,
};
use crate::{
    audit::{Erased, JournalError, Progress, Subject},
    cli::{
        Came,
        error::VerbError,
        ids, out,
        own::{self, Data, Record},
    },
    clock,
    crosswalk::{Crosswalk, PublicId},
    quality,
    schema::Schema,
    store::{Forget, Store},
    words::{EntityName, FieldPath, Kind, SystemName, nearest},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka audit erase Customer/42 --dry-run\n  bramka audit erase Customer/42\n  \
    bramka audit erase 'App::\"crm-sync\"' --before 2026-01-01 --yes\n  \
    bramka audit erase 'User/corp|jan' --yes --json\n  bramka audit erase Customer --key erp:20000 --dry-run\n\n\
    Of each entry that names it, the whole part beside it goes: ids, addresses and what statements read, also those \
    of others.\nThe entries stay, with keyed digests. A record's id goes from the examples and references of data quality \
    too. Copies and backups of the journal are yours to erase; so is \
    what a gate still appends: take back credentials first."
)]
pub(in crate::cli) struct Erase {
    /// Whose data: Entity/id of the shared schema, or Kind/id of a principal (App, Partner or User); with `--key` the
    /// entity alone
    #[arg(value_name = "WHOSE")]
    named: String,
    /// The system and its key of the record, where its id is not at hand
    #[arg(long, value_name = "SYSTEM:KEY", value_parser = ids::key)]
    key: Option<(SystemName, CompactString)>,
    /// Only entries of before this moment, as in 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<Timestamp>,
    /// Only tell how many entries would be erased
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The folder of the policies, whose schema tells which fields name it
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    #[command(flatten)]
    place: Where,
}

/// What the user has said to erasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Only look.
    Look,
    /// Look, and ask before it is done.
    Ask,
    /// Do it.
    Given,
}

pub(super) async fn run(arguments: &Erase) -> Result<Came, VerbError> {
    let leave = leave(arguments)?;
    if arguments.key.is_none() {
        whose(&arguments.named).map_err(VerbError::Misused)?;
    }
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.gate(arguments.place.gate.as_deref())?;
    if !data.has_journal_keys() {
        let why = "the journal's keys are not here: nothing is erased that the journal cannot say";
        return Err(VerbError::NotThere(why.into()));
    }
    // ORDER: before anything is opened, which would write to somebody's evidence.
    data.check_own(&gate)?;
    let Some(store) = data.store()? else { return Err(VerbError::NotThere("there is no store".into())) };
    let whose = whose_of(&arguments.named, arguments.key.as_ref(), &store).await?;
    let asked = Asked { arguments, in_quality: in_quality(&whose, &store).await?, whose };
    let schema = schema(&asked);
    let record = Record::open(&data, &gate, clock::now())?;
    let subject = subject(&record, &asked, schema.as_ref());
    let done = act(&record, &store, &subject, leave, &asked).await;
    record.close(&store).await?;
    let Done { erased, places, what } = done?;
    match arguments.json {
        true => out::say(&as_json(&asked, &gate, &subject, &erased, places, what).to_string()),
        false => {
            tell(&asked, &erased, what);
            tell_places(&asked.whose, places, what);
        }
    }
    for fault in &erased.faults {
        out::note(&format!("not all of it could be read or erased: {}: {}", fault.place, fault.what));
    }
    tell_gone(&data.audit().join(&gate), None)?;
    if erased.named() == 0 && places == 0 {
        return Err(nothing(&asked, schema.as_ref()));
    }
    let declined = leave == Leave::Ask && what == Leave::Look && erased.erased() + places > 0;
    Ok(if erased.faults.is_empty() && !declined { Came::Right } else { Came::Wrong })
}

/// What was asked for, and whose data that is.
struct Asked<'a> {
    arguments: &'a Erase,
    whose: Whose,
    /// What it goes by in data quality.
    in_quality: Vec<String>,
}

/// Data quality keeps keys: those behind an id that callers see, and the name itself where it may be one.
async fn in_quality(whose: &Whose, store: &Store) -> Result<Vec<String>, VerbError> {
    let mut names = vec![whose.id.clone()];
    if let Ok(id) = whose.id.parse::<PublicId>() {
        let keys =
            ids::keys(&Crosswalk::new(store.clone(), 0), &EntityName::new(whose.kind.as_str()), id).await?;
        names.extend(keys.into_iter().map(|(_, key)| key.to_string()));
    }
    Ok(names)
}

/// What may be done without a further word; nobody is asked who cannot answer.
fn leave(arguments: &Erase) -> Result<Leave, VerbError> {
    if arguments.dry_run {
        return Ok(Leave::Look);
    }
    if arguments.yes {
        return Ok(Leave::Given);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(Leave::Ask);
    }
    let why = "there is no terminal to ask on: say `--yes` to erase for good, or `--dry-run` to look first";
    Err(VerbError::Misused(why.into()))
}

/// The shared schema; says so where it does not load and is missed.
fn schema(asked: &Asked<'_>) -> Option<Schema> {
    let policies = &asked.arguments.policies;
    match own::schema(policies) {
        Ok(schema) => Some(schema),
        Err(_) if sort(&asked.whose.kind).is_some() => None,
        Err(_) => {
            out::note(&format!(
                "the policies in `{}` do not load: entries are found by their digests and by attributes of who asked, \
                 not by fields that statements read",
                policies.display()
            ));
            None
        }
    }
}

fn subject(record: &Record, asked: &Asked<'_>, schema: Option<&Schema>) -> Subject {
    let Whose { kind, id } = &asked.whose;
    let mut subject = record.subject(kind, id);
    for entity in schema.into_iter().flat_map(Schema::entities) {
        if entity.name.as_str() == kind {
            subject = subject.named_in(EntityName::new(kind.as_str()), FieldPath::new("id"));
        }
        for leaf in &entity.leaves {
            if leaf.reference.as_ref().is_some_and(|of| of.as_str() == kind) {
                subject = subject.named_in(entity.name.clone(), leaf.path.clone());
            }
        }
    }
    match asked.arguments.before {
        Some(moment) => subject.before(moment),
        None => subject,
    }
}

/// What was found, and whether it is gone.
struct Done {
    erased: Erased,
    /// Places of data quality.
    places: u64,
    what: Leave,
}

/// Searches and erases; gives what was done in the end.
async fn act(
    record: &Record,
    store: &Store,
    subject: &Subject,
    leave: Leave,
    Asked { whose, in_quality, .. }: &Asked<'_>,
) -> Result<Done, VerbError> {
    // ORDER: the entry of this reading before what is read.
    record.reading(&format!("what names {}", subject.digest())).await?;
    let places = forget(store, whose, in_quality, Forget::Not).await?;
    if leave != Leave::Given {
        let erased = watched(|progress| record.find_erasable(subject, progress))?;
        if leave == Leave::Look || erased.erased() + places == 0 || !asked(&erased, places, whose)? {
            return Ok(Done { erased, places, what: Leave::Look });
        }
    }
    let erased = watched(|progress| record.erase(subject, progress))?;
    let places = match places {
        0 => 0,
        _ => {
            // ORDER: said and synced before it is done.
            record.erases_beside(subject).await?;
            forget(store, whose, in_quality, Forget::Now).await?
        }
    };
    Ok(Done { erased, places, what: Leave::Given })
}

/// The places of data quality where it is named, by any of its names.
async fn forget(store: &Store, whose: &Whose, names: &[String], does: Forget) -> Result<u64, VerbError> {
    let mut places = 0_u64;
    for name in names {
        let found =
            store.forget_in_quality(whose.kind.clone(), name.clone(), quality::cut(name), does).await?;
        places = places.saturating_add(found);
    }
    Ok(places)
}

/// Does it, and says on a terminal how far it is.
fn watched(work: impl FnOnce(&Progress) -> Result<Erased, JournalError> + Send) -> Result<Erased, VerbError> {
    let progress = Progress::default();
    let erased = || progress.erased.load(Ordering::Relaxed);
    let done = patiently(
        || work(&progress),
        |seconds| {
            let read = progress.read.load(Ordering::Relaxed);
            format!("{read} entries read, {} erased, {seconds} s so far", erased())
        },
    );
    if let (Err(_), count @ 1..) = (&done, erased()) {
        out::note(&format!("it broke off after {} erased; erase again to finish", entries(count)));
    }
    done
}

fn asked(found: &Erased, places: u64, whose: &Whose) -> Result<bool, VerbError> {
    let count = entries(found.erased());
    let beside = match places {
        0 => String::new(),
        places => format!(", and its id in {places} places of data quality,"),
    };
    drop(write!(io::stderr(), "erase what stands beside {count} of {whose}{beside} for good? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

fn tell_places(whose: &Whose, places: u64, done: Leave) {
    if places == 0 {
        return;
    }
    out::note(&match done {
        Leave::Given => format!("{whose}: its id is erased from {places} places of data quality"),
        Leave::Look | Leave::Ask => format!("{whose}: its id stands in {places} places of data quality"),
    });
}

fn tell(asked: &Asked<'_>, erased: &Erased, done: Leave) {
    let verb = if done == Leave::Given { "erased" } else { "to erase" };
    for lane in &erased.lanes {
        if lane.erased + lane.before > 0 {
            let before = format!("{} erased before", lane.before);
            out::say(&format!("lane {}: {} {verb}, {before}", lane.lane, lane.erased));
        }
    }
    if erased.named() == 0 {
        return;
    }
    let whose = &asked.whose;
    out::note(&match (erased.erased(), done) {
        (0, _) => format!("{whose}: nothing left to erase"),
        (count, Leave::Given) => format!("{whose}: what stood beside {} is erased", entries(count)),
        (count, Leave::Look | Leave::Ask) => {
            format!("{whose}: {} to erase; nothing was erased", entries(count))
        }
    });
}

fn as_json(
    asked: &Asked<'_>,
    gate: &str,
    subject: &Subject,
    erased: &Erased,
    places: u64,
    done: Leave,
) -> Json {
    let lanes: Vec<Json> = erased
        .lanes
        .iter()
        .map(|lane| {
            json!({ "lane": lane.lane, "erased": lane.erased, "erased_before": lane.before, "bare": lane.bare })
        })
        .collect();
    let faults: Vec<Json> =
        erased.faults.iter().map(|fault| json!({ "place": fault.place, "what": fault.what })).collect();
    json!({
        "gate": gate, "whose": asked.whose.to_string(), "digest": subject.digest().to_string(),
        // false: `erased` counts what would be.
        "done": done == Leave::Given,
        "erased": erased.erased(), "erased_before": erased.before(), "lanes": lanes, "faults": faults,
        "quality": places,
    })
}

/// What is answered where no entry names it.
fn nothing(asked: &Asked<'_>, schema: Option<&Schema>) -> VerbError {
    let Whose { kind, .. } = &asked.whose;
    let when = asked
        .arguments
        .before
        .map(|moment| format!(" of before {}", out::moment(moment)))
        .unwrap_or_default();
    let entities = schema.into_iter().flat_map(Schema::entities).map(|entity| entity.name.as_str());
    let known: Vec<&str> = entities.chain(Kind::ALL.map(Kind::as_str)).collect();
    let near = match nearest(kind, known.iter().copied()) {
        Some(near) if !known.contains(&kind.as_str()) => format!("; did you mean `{near}/…`?"),
        Some(_) | None => String::new(),
    };
    VerbError::NotThere(format!("no entry{when} names `{}`{near}", asked.whose))
}
