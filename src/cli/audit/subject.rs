//! `bramka audit subject`: who received which fields of a record, when and through what, and what cannot be told: what an
//! answer to a person who asks about their data (GDPR, article 15) is made of.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use compact_str::CompactString;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    gone_json, gone_words,
    looking::{Looking, Place},
    named::{Whose, sort, whose_of},
    page::{Empty, Last, Page, Section},
    when::past,
};
use crate::{
    audit::{
        Between, Change, Disclosure, Door, LaneRead, Name, PutAway, SubjectQuery, SubjectReport, Through, Who,
    },
    cli::{Came, error::VerbError, ids, out, own},
    clock, config,
    config::ProcessEnv,
    words::{SystemName, nearest},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit subject Customer/0h4p5q0d3c8r1b6n2m7t9k5v8s\n  \
    bramka audit subject Customer --key erp:20000 --since 2026-01-01 --html answer.html\n  \
    bramka audit subject Customer/42 --json | jq .untold\n\n\
    Exit code 0: all of the journal was read. 1: some of it could not be, and the report says which, \
    or there is no such entity. 2: misused.")]
pub(in crate::cli) struct Subject {
    /// The record, as callers see it: Entity/id of the shared schema; with `--key` the entity alone
    #[arg(value_name = "RECORD")]
    record: String,
    /// The system and its key of the record, where its id is not at hand
    #[arg(long, value_name = "SYSTEM:KEY", value_parser = ids::key)]
    key: Option<(SystemName, CompactString)>,
    /// Only what came since then: a day, a moment, or how long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only what came before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page for people into this file: it needs nothing else, runs nothing and can be printed
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// The folder of the policies, which tell which systems serve the entity
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &Subject) -> Result<Came, VerbError> {
    let looking = Looking::open(&arguments.place)?;
    let whose = whose(arguments, &looking).await?;
    let known = known(&arguments.policies, &whose);
    let record = looking.keys.digest(&whose.kind, &whose.id);
    let query =
        SubjectQuery { entity: whose.kind.clone(), record, since: arguments.since, until: arguments.until };
    // ORDER: the entry of this reading before what is read; it names whose data it is by the digest alone.
    looking.record(&format!("who received what of {record}")).await;
    let report = looking.ask(|index| index.subject(&query))?;
    let told =
        Told { arguments, whose: &whose, digest: record.to_string(), gate: &looking.gate, known: &known };
    match (&arguments.html, arguments.json) {
        (Some(file), _) => {
            write_private(file, &told.page(&report).html())?;
            out::note(&format!("`{}` is written; it holds personal data", file.display()));
        }
        (None, true) => out::say(&told.json(&report).to_string()),
        (None, false) => told.page(&report).say(),
    }
    let is_named = !report.totals.is_empty() || !report.changes.is_empty() || !report.unshown.is_empty();
    if !is_named {
        out::note(&format!(
            "no entry names `{whose}`; `bramka ids show` tells whether that is a record's id"
        ));
    }
    let is_meant = is_named || known != Known::NoEntity;
    Ok(if report.untold.is_read_whole() && is_meant { Came::Right } else { Came::Wrong })
}

/// The record that is meant: of an entity, not somebody who asks.
async fn whose(arguments: &Subject, looking: &Looking) -> Result<Whose, VerbError> {
    let whose = match &arguments.key {
        None => super::named::whose(&arguments.record).map_err(VerbError::Misused)?,
        Some(_) => {
            let store =
                looking.data.store()?.ok_or_else(|| VerbError::NotThere("there is no store".into()))?;
            whose_of(&arguments.record, arguments.key.as_ref(), &store).await?
        }
    };
    match sort(&whose.kind) {
        Some(_) => Err(VerbError::Misused(format!(
            "`{whose}` is somebody who asks; `bramka audit search --principal {whose}` tells what they asked for"
        ))),
        None => Ok(whose),
    }
}

/// What the policies tell of the entity.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// The systems that serve it.
    Served(Vec<String>),
    /// They have no such entity.
    NoEntity,
    /// They do not load.
    Untold,
}

/// What the policies tell of the entity; says so where that is nothing.
fn known(policies: &Path, whose: &Whose) -> Known {
    let (Ok(schema), Ok(raw)) = (own::schema(policies), config::load(policies, &ProcessEnv)) else {
        let (policies, kind) = (policies.display(), &whose.kind);
        out::note(&format!(
            "the policies in `{policies}` do not load: which systems serve `{kind}` is not known"
        ));
        return Known::Untold;
    };
    let Some(entity) = schema.entities().iter().find(|entity| entity.name.as_str() == whose.kind) else {
        let near = nearest(&whose.kind, schema.entities().iter().map(|entity| entity.name.as_str()));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        out::note(&format!("the shared schema has no entity `{}`{near}", whose.kind));
        return Known::NoEntity;
    };
    let settings = raw.gateway.as_ref().and_then(|gateway| gateway.serves.get(entity.collection.as_str()));
    Known::Served(settings.map_or_else(Vec::new, |serving| {
        let beside = serving.with.iter().map(|(name, _)| name.value.clone());
        serving.systems.iter().map(|name| name.value.clone()).chain(beside).collect()
    }))
}

impl Known {
    /// Whether a system serves it, where that is known.
    fn serves(&self, system: &str) -> Option<bool> {
        match self {
            Self::Served(systems) => Some(systems.iter().any(|one| one == system)),
            Self::NoEntity | Self::Untold => None,
        }
    }
}

/// What is personal is not for everybody on the machine.
pub(super) fn write_private(file: &Path, text: &str) -> Result<(), VerbError> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).and_then(|mut file| file.write_all(text.as_bytes())).map_err(VerbError::file(file))
}

/// What is told, and of whom.
struct Told<'a> {
    arguments: &'a Subject,
    whose: &'a Whose,
    digest: String,
    gate: &'a str,
    known: &'a Known,
}

impl Told<'_> {
    fn page(&self, report: &SubjectReport) -> Page {
        let between = match (self.arguments.since, self.arguments.until) {
            (None, None) => "from the first entry to the last".to_owned(),
            (since, until) => format!(
                "from {} to {}",
                since.map_or_else(|| "the first entry".to_owned(), out::moment),
                until.map_or_else(|| "the last".to_owned(), out::moment)
            ),
        };
        let lead = vec![
            format!(
                "The journal of the gate `{}`, {between}; read at {}.",
                self.gate,
                out::moment(clock::now().wall)
            ),
            format!("Entries name the record by the keyed digest {}.", self.digest),
        ];
        let sections = [totals(report), disclosures(report), changes(report), unshown(report)];
        let rest = [self.untold(report), lanes(&report.lanes)];
        Page {
            title: format!("Who received what of {}", self.whose),
            lead,
            sections: sections.into_iter().chain(rest).collect(),
        }
    }

    fn untold(&self, report: &SubjectReport) -> Section {
        let (untold, untold_one_by_one) = (&report.untold, report.untold_one_by_one);
        let mut rows = Vec::new();
        let mut row = |what: String, who: String, count: u64, when: String| {
            rows.push(vec![what, who, count.to_string(), when]);
        };
        for calls in &untold.calls {
            let serves = match self.known.serves(&calls.system) {
                None => "",
                Some(true) => ", which serves this entity",
                Some(false) => ", which does not serve this entity and may hold its data",
            };
            let what = format!("passed through to `{}`{serves}: what came back is in no entry", calls.system);
            row(what, who(&calls.who), calls.count, when(&calls.between));
        }
        for beyond in &untold.beyond {
            let what =
                format!("answers that name {} records or subjects less than they showed", beyond.unnamed);
            row(what, who(&beyond.who), beyond.answers, when(&beyond.between));
        }
        let counted = [
            (untold.erased, "entries above whose sealed part was erased"),
            (
                untold.sealed,
                "entries above whose sealed part does not open: its month's key is gone, or it was changed",
            ),
            (untold.looks, "looks of operators at records of systems (`bramka systems`)"),
            (untold_one_by_one, "entries that are in the totals and not told one by one"),
        ];
        for (count, what) in counted {
            if count > 0 {
                row(what.to_owned(), String::new(), count, String::new());
            }
        }
        for (lane, gone) in gone(&report.lanes, self.arguments.since) {
            row(gone_words(lane, gone), String::new(), gone.entries, gone_when(gone));
        }
        for (lane, count) in &untold.unreadable {
            row(format!("entries of lane {lane} that cannot be read"), String::new(), *count, String::new());
        }
        for fault in &untold.faults {
            row(format!("{}: {}", fault.place, fault.what), String::new(), 1, String::new());
        }
        let lead = match rows.is_empty() {
            true => "Nothing: every entry was read, and none was passed through or names more than it holds.",
            false => "What follows may have shown something of the record as well, or hides who it was.",
        };
        Section {
            title: "What cannot be told".into(),
            lead: vec![lead.into()],
            heads: vec!["what", "who", "count", "when"],
            rows,
            last: Last::Beside,
            empty: Empty::InLead,
        }
    }

    fn json(&self, report: &SubjectReport) -> Json {
        let totals = report.totals.iter().map(|total| {
            let doors: Vec<&str> = total.doors.iter().map(|door| door.as_str()).collect();
            json!({ "who": who_json(&total.who), "answers": total.answers, "first": total.between.first,
                "last": total.between.last, "fields": total.fields, "doors": doors })
        });
        let unshown = report.unshown.iter().map(|one| {
            json!({ "who": who_json(&one.who), "refusal": one.refusal, "count": one.count,
                "first": one.between.first, "last": one.between.last })
        });
        let erasures = report.erasures.iter().map(
            |(place, by)| json!({ "at": place.at, "by": by, "lane": place.lane, "sequence": place.sequence }),
        );
        json!({
            "gate": self.gate, "record": self.whose.to_string(), "digest": self.digest,
            "since": moment(self.arguments.since), "until": moment(self.arguments.until),
            "read_at": moment(Some(clock::now().wall)),
            "totals": totals.collect::<Vec<_>>(),
            "disclosures": report.disclosures.iter().map(disclosure_json).collect::<Vec<_>>(),
            "changes": report.changes.iter().map(change_json).collect::<Vec<_>>(),
            "erasures": erasures.collect::<Vec<_>>(),
            "unshown": unshown.collect::<Vec<_>>(),
            "untold": self.untold_json(report),
            "lanes": report.lanes.iter().map(lane_json).collect::<Vec<_>>(),
        })
    }

    fn untold_json(&self, report: &SubjectReport) -> Json {
        let (untold, untold_one_by_one) = (&report.untold, report.untold_one_by_one);
        let calls = untold.calls.iter().map(|calls| {
            json!({ "system": calls.system, "serves_entity": self.known.serves(&calls.system), "who": who_json(&calls.who),
                "count": calls.count, "first": calls.between.first, "last": calls.between.last })
        });
        let beyond = untold.beyond.iter().map(|beyond| {
            json!({ "who": who_json(&beyond.who), "answers": beyond.answers, "unnamed": beyond.unnamed,
                "first": beyond.between.first, "last": beyond.between.last })
        });
        let unreadable =
            untold.unreadable.iter().map(|(lane, count)| json!({ "lane": lane, "entries": count }));
        let faults = untold.faults.iter().map(|fault| json!({ "place": fault.place, "what": fault.what }));
        json!({
            "calls": calls.collect::<Vec<_>>(), "beyond": beyond.collect::<Vec<_>>(),
            "erased": untold.erased, "sealed": untold.sealed, "operators_looks": untold.looks,
            "not_one_by_one": untold_one_by_one, "unreadable": unreadable.collect::<Vec<_>>(),
            "faults": faults.collect::<Vec<_>>(), "put_away": gone_of(&report.lanes, self.arguments.since),
        })
    }
}

fn totals(report: &SubjectReport) -> Section {
    let rows = report.totals.iter().map(|total| {
        vec![
            who(&total.who),
            total.answers.to_string(),
            when(&total.between),
            doors(&total.doors),
            counted_fields(&total.fields),
        ]
    });
    let lead = match report.totals.is_empty() {
        true => "Nobody, as far as entries tell.",
        false => "Each field with the number of answers it was in.",
    };
    Section {
        title: "Who received it".into(),
        lead: vec![lead.into()],
        heads: vec!["who", "answers", "when", "through", "fields"],
        rows: rows.collect(),
        last: Last::Below,
        empty: Empty::InLead,
    }
}

fn disclosures(report: &SubjectReport) -> Section {
    let rows = report.disclosures.iter().map(|one| {
        let fields: Vec<&str> = one.fields.iter().map(String::as_str).collect();
        let status = one.status.map_or_else(|| "may not have left".to_owned(), |status| status.to_string());
        vec![
            brief(&one.place.at),
            who(&one.who),
            one.address.clone().unwrap_or_default(),
            format!("{} {}", one.action, one.target),
            one.door.as_str().to_owned(),
            through(one),
            status,
            one.bundle.chars().take(12).collect(),
            one.place.request.clone(),
            format!("{}:{}", one.place.lane, one.place.sequence),
            fields.join(", "),
        ]
    });
    Section {
        title: "Each answer".into(),
        lead: vec![
            "Where others are named beside it, an entry does not tell which of its fields were of whose records: all are listed.".into(),
        ],
        heads: vec![
            "at", "who", "address", "what", "through", "as", "status", "bundle", "request", "entry", "fields",
        ],
        rows: rows.collect(),
        last: Last::Below, empty: Empty::Said,
    }
}

fn changes(report: &SubjectReport) -> Section {
    let changed = report.changes.iter().map(|one| {
        let place = format!("{}:{}", one.place.lane, one.place.sequence);
        let (request, fields) = (one.place.request.clone(), one.fields.join(", "));
        vec![brief(&one.place.at), who(&one.who), one.write.clone(), request, place, fields]
    });
    let erased = report.erasures.iter().map(|(place, by)| {
        let entry = format!("{}:{}", place.lane, place.sequence);
        vec![
            brief(&place.at),
            by.clone(),
            "erase from the journal".into(),
            String::new(),
            entry,
            String::new(),
        ]
    });
    Section {
        title: "Who changed it".into(),
        lead: vec!["Written down before it was sent to a system; what came of it is in the answer of the same request.".into()],
        heads: vec!["at", "who", "what", "request", "entry", "fields"],
        rows: changed.chain(erased).collect(),
        last: Last::Below, empty: Empty::Said,
    }
}

fn unshown(report: &SubjectReport) -> Section {
    let rows = report.unshown.iter().map(|one| {
        let why = match &*one.refusal {
            "" => "nothing of it was shown".to_owned(),
            refusal => format!("refused: {refusal}"),
        };
        vec![who(&one.who), why, one.count.to_string(), when(&one.between)]
    });
    Section {
        title: "Who asked for it and was shown nothing of it".into(),
        lead: Vec::new(),
        heads: vec!["who", "why", "count", "when"],
        rows: rows.collect(),
        last: Last::Beside,
        empty: Empty::Said,
    }
}

pub(super) fn lanes(lanes: &[LaneRead]) -> Section {
    let rows = lanes.iter().map(|lane| {
        let head = match &lane.head {
            Some((size, root)) => format!("signed head of {size} entries, root {root}"),
            None => "no signed head".to_owned(),
        };
        vec![lane.lane.clone(), format!("{} to before {}", lane.from, lane.to), head]
    });
    Section {
        title: "What was read".into(),
        lead: vec!["`bramka audit verify` tells whether these entries are those that were written.".into()],
        heads: vec!["lane", "entries", "head"],
        rows: rows.collect(),
        last: Last::Beside,
        empty: Empty::Said,
    }
}

/// What was put away of lanes, where a time that begins at a moment reaches into it.
pub(super) fn gone(lanes: &[LaneRead], since: Option<Timestamp>) -> impl Iterator<Item = (&str, &PutAway)> {
    let all = lanes.iter().filter_map(|lane| Some((&*lane.lane, lane.put_away.as_ref()?)));
    all.filter(move |(_, gone)| gone.is_since(since))
}

/// Between which moments it was written.
pub(super) fn gone_when(gone: &PutAway) -> String {
    format!("{} to {}", out::moment(gone.from), out::moment(gone.until))
}

/// What cannot be told because it was put away, in JSON.
pub(super) fn gone_of(lanes: &[LaneRead], since: Option<Timestamp>) -> Json {
    let of = |(lane, gone): (&str, &PutAway)| json!({ "lane": lane, "put_away": gone_json(gone) });
    gone(lanes, since).map(of).collect()
}

pub(super) fn lane_json(lane: &LaneRead) -> Json {
    let head = lane.head.as_ref().map(|(size, root)| json!({ "size": size, "root": root }));
    json!({
        "lane": lane.lane, "from": lane.from, "to": lane.to, "head": head,
        "put_away": lane.put_away.as_ref().map(gone_json),
    })
}

fn disclosure_json(one: &Disclosure) -> Json {
    let (kind, id) = &one.credential;
    let others = match one.through {
        Through::Itself => None,
        Through::Others(others) => Some(others),
    };
    json!({
        "at": one.place.at, "lane": one.place.lane, "sequence": one.place.sequence, "request": one.place.request,
        "part_of": one.part_of, "who": who_json(&one.who), "address": one.address,
        "credential": { "sort": kind, "id": id }, "action": one.action, "target": one.target,
        "door": one.door.as_str(), "as": if others.is_some() { "subject" } else { "record" }, "others": others,
        "fields": one.fields, "status": one.status, "bundle": one.bundle, "statements": one.statements,
    })
}

fn change_json(one: &Change) -> Json {
    json!({
        "at": one.place.at, "lane": one.place.lane, "sequence": one.place.sequence, "request": one.place.request,
        "who": who_json(&one.who), "write": one.write, "fields": one.fields,
    })
}

pub(super) fn who_json(who: &Who) -> Json {
    let (name, partner, why) = match &who.name {
        Name::Known { id, partner } => (Some(id), partner.as_ref(), None),
        Name::Erased => (None, None, Some("erased")),
        Name::KeyGone => (None, None, Some("key-gone")),
        Name::Forged => (None, None, Some("does-not-open")),
        Name::Unsaid => (None, None, Some("not-said")),
    };
    json!({ "kind": who.kind, "digest": who.digest, "id": name, "partner": partner, "unnamed": why })
}

/// Who it was, as far as it can be told.
pub(super) fn who(who: &Who) -> String {
    let short: String = who.digest.chars().take(12).collect();
    let named = |why: &str| match who.kind.is_empty() {
        true => "nobody identified".to_owned(),
        false => format!("{}/{short}~ ({why})", who.kind),
    };
    match &who.name {
        Name::Known { id, partner: Some(partner) } if partner != id => {
            format!("{}/{id} of {partner}", who.kind)
        }
        Name::Known { id, .. } => format!("{}/{id}", who.kind),
        Name::Erased => named("name erased"),
        Name::KeyGone => named("the name's key is gone"),
        Name::Forged => named("the name does not open"),
        Name::Unsaid => named("no name"),
    }
}

/// By entity, each field with a number.
pub(super) fn counted_fields(fields: &BTreeMap<String, BTreeMap<String, u64>>) -> String {
    let entities = fields.iter().map(|(entity, fields)| {
        let fields: Vec<String> = fields.iter().map(|(field, count)| format!("{field} ({count})")).collect();
        format!("{entity}: {}", fields.join(", "))
    });
    entities.collect::<Vec<_>>().join("; ")
}

fn through(one: &Disclosure) -> String {
    match one.through {
        Through::Itself => "the record".to_owned(),
        Through::Others(0) => "records of its data".to_owned(),
        Through::Others(others) => format!("records of its data, and of {others} others"),
    }
}

fn doors<'d>(doors: impl IntoIterator<Item = &'d Door>) -> String {
    doors.into_iter().map(|door| door.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn when(between: &Between) -> String {
    match between.first == between.last {
        true => brief(&between.first),
        false => format!("{} to {}", brief(&between.first), brief(&between.last)),
    }
}

/// A moment for programs.
pub(super) fn moment(moment: Option<Timestamp>) -> Json {
    moment.map_or(Json::Null, |moment| moment.to_string().into())
}

/// A moment of an entry, to the second.
pub(super) fn brief(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(second, _)| format!("{second}Z"))
}
