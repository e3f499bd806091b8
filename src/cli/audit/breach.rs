//! `bramka audit breach`: what a credential reached that may have come into other hands: whose data, which fields, how
//! much, from where, and what cannot be told.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    gone_words,
    looking::{Looking, Place},
    page::{Empty, Last, Page, Section},
    subject::{
        counted_fields, gone, gone_of, gone_when, lane_json, lanes, moment, when, who, who_json,
        write_private,
    },
    when::past,
};
use crate::{
    audit::{BreachQuery, BreachReport},
    cli::{Came, error::VerbError, out},
    clock,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit breach --credential 0190f1c2-7a3e --since 7d\n  \
    bramka audit breach --credential 0190f1c2-7a3e --since 2026-05-01 --html breach.html\n\n\
    Whose data it was stands there as keyed digests, as in entries: `bramka audit subject` tells of one record whether it \
    is among them.\n\
    Exit code 0: all of the journal was read. 1: some of it could not be, or no entry names the credential. 2: misused.")]
pub(in crate::cli) struct Breach {
    /// The credential: a token's or key's id as in `bramka token list`, a certificate's digest
    #[arg(long, value_name = "ID")]
    credential: String,
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
    html: Option<std::path::PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &Breach) -> Result<Came, VerbError> {
    let looking = Looking::open(&arguments.place)?;
    let query = BreachQuery {
        credential: arguments.credential.clone(),
        since: arguments.since,
        until: arguments.until,
    };
    // ORDER: the entry of this reading before what is read.
    looking.record(&format!("what the credential {} reached", arguments.credential)).await;
    let report = looking.ask(|index| index.breach(&query))?;
    match (&arguments.html, arguments.json) {
        (Some(file), _) => {
            write_private(file, &page(arguments, &looking.gate, &report).html())?;
            out::note(&format!("`{}` is written; it holds personal data", file.display()));
        }
        (None, true) => out::say(&as_json(arguments, &looking.gate, &report).to_string()),
        (None, false) => page(arguments, &looking.gate, &report).say(),
    }
    let is_whole = report.faults.is_empty() && report.unreadable.is_empty();
    if report.answers == 0 && report.changes.is_empty() {
        out::note("no entry names this credential then; `bramka token list` tells the ids");
        return Ok(Came::Wrong);
    }
    Ok(if is_whole { Came::Right } else { Came::Wrong })
}

fn page(arguments: &Breach, gate: &str, report: &BreachReport) -> Page {
    let refused: u64 = report.refused.values().sum();
    let whose: Vec<String> = report.who.iter().map(who).collect();
    let from = arguments.since.map_or_else(|| "the first entry".to_owned(), out::moment);
    let to = arguments.until.map_or_else(|| "the last".to_owned(), out::moment);
    let unnamed = match report.subjects_unnamed {
        0 => String::new(),
        more => format!(", and up to {more} whom entries do not name"),
    };
    Page {
        title: format!("What the credential {} reached", arguments.credential),
        lead: vec![
            format!(
                "The journal of the gate `{gate}`, from {from} to {to}; read at {}.",
                out::moment(clock::now().wall)
            ),
            format!(
                "It is of {}.",
                if whose.is_empty() { "nobody that entries name".into() } else { whose.join(", ") }
            ),
            format!("{} answers, {refused} of them refused: {}.", report.answers, when(&report.between)),
            format!("Data of {} people or records was shown{unnamed}.", report.subjects.len()),
        ],
        sections: vec![
            entities(report),
            subjects(report),
            addresses(report),
            changes(report),
            untold(report, arguments.since),
            lanes(&report.lanes),
        ],
    }
}

fn entities(report: &BreachReport) -> Section {
    let rows = report.entities.iter().map(|(entity, reached)| {
        let unnamed = match reached.records_unnamed {
            0 => String::new(),
            more => format!(", and up to {more} more"),
        };
        let fields = [(entity.clone(), reached.fields.clone())].into();
        let (answers, records) = (reached.answers.to_string(), format!("{}{unnamed}", reached.records));
        vec![entity.clone(), answers, records, counted_fields(&fields)]
    });
    Section {
        title: "What was shown".into(),
        lead: vec![
            "Each field with the number of records it was shown of, counted anew in each answer.".into(),
        ],
        heads: vec!["entity", "answers", "records", "fields"],
        rows: rows.collect(),
        last: Last::Below,
        empty: Empty::Said,
    }
}

fn subjects(report: &BreachReport) -> Section {
    let rows = report
        .subjects
        .iter()
        .map(|(digest, reached)| vec![digest.clone(), reached.answers.to_string(), when(&reached.between)]);
    Section {
        title: "Whose data was shown".into(),
        lead: vec!["By the keyed digests that entries have.".into()],
        heads: vec!["subject", "answers", "when"],
        rows: rows.collect(),
        last: Last::Beside,
        empty: Empty::Said,
    }
}

fn addresses(report: &BreachReport) -> Section {
    let rows = report.addresses.iter().map(|(address, count)| vec![address.clone(), count.to_string()]);
    Section {
        title: "From where".into(),
        lead: Vec::new(),
        heads: vec!["address", "answers"],
        rows: rows.collect(),
        last: Last::Beside,
        empty: Empty::Said,
    }
}

fn changes(report: &BreachReport) -> Section {
    let rows = report
        .changes
        .iter()
        .map(|((write, entity), count)| vec![format!("{write} {entity}"), count.to_string()]);
    Section {
        title: "What was changed".into(),
        lead: Vec::new(),
        heads: vec!["what", "count"],
        rows: rows.collect(),
        last: Last::Beside,
        empty: Empty::Said,
    }
}

fn untold(report: &BreachReport, since: Option<Timestamp>) -> Section {
    let gone = gone(&report.lanes, since)
        .map(|(lane, gone)| vec![gone_words(lane, gone), gone.entries.to_string(), gone_when(gone)]);
    let calls = report.calls.iter().map(|(system, reached)| {
        let what = format!("passed through to `{system}`: what came back is in no entry");
        vec![what, reached.answers.to_string(), when(&reached.between)]
    });
    let unreadable = report.unreadable.iter().map(|(lane, count)| {
        vec![format!("entries of lane {lane} that cannot be read"), count.to_string(), String::new()]
    });
    let faults = report
        .faults
        .iter()
        .map(|fault| vec![format!("{}: {}", fault.place, fault.what), "1".to_owned(), String::new()]);
    let rows: Vec<Vec<String>> = calls.chain(gone).chain(unreadable).chain(faults).collect();
    let lead = match rows.is_empty() && report.subjects_unnamed == 0 {
        true => "Nothing: every entry was read, and none was passed through or names more than it holds.",
        false => "It may have reached more than stands above.",
    };
    Section {
        title: "What cannot be told".into(),
        lead: vec![lead.into()],
        heads: vec!["what", "count", "when"],
        rows,
        last: Last::Beside,
        empty: Empty::InLead,
    }
}

fn as_json(arguments: &Breach, gate: &str, report: &BreachReport) -> Json {
    let subjects = report.subjects.iter().map(|(digest, reached)| {
        json!({ "digest": digest, "answers": reached.answers, "first": reached.between.first,
            "last": reached.between.last })
    });
    let entities = report.entities.iter().map(|(entity, reached)| {
        json!({ "entity": entity, "answers": reached.answers, "records": reached.records,
            "records_unnamed": reached.records_unnamed, "fields": reached.fields })
    });
    let changes = report
        .changes
        .iter()
        .map(|((write, entity), count)| json!({ "write": write, "entity": entity, "count": count }));
    let calls = report.calls.iter().map(|(system, reached)| {
        json!({ "system": system, "count": reached.answers, "first": reached.between.first,
            "last": reached.between.last })
    });
    let unreadable = report.unreadable.iter().map(|(lane, count)| json!({ "lane": lane, "entries": count }));
    let faults = report.faults.iter().map(|fault| json!({ "place": fault.place, "what": fault.what }));
    json!({
        "gate": gate, "credential": arguments.credential, "since": moment(arguments.since),
        "until": moment(arguments.until), "read_at": moment(Some(clock::now().wall)),
        "who": report.who.iter().map(who_json).collect::<Vec<_>>(),
        "answers": report.answers, "refused": report.refused, "first": report.between.first,
        "last": report.between.last, "addresses": report.addresses,
        "subjects": subjects.collect::<Vec<_>>(), "subjects_unnamed": report.subjects_unnamed,
        "entities": entities.collect::<Vec<_>>(), "changes": changes.collect::<Vec<_>>(),
        "untold": { "calls": calls.collect::<Vec<_>>(), "unreadable": unreadable.collect::<Vec<_>>(),
            "faults": faults.collect::<Vec<_>>(), "put_away": gone_of(&report.lanes, arguments.since) },
        "lanes": report.lanes.iter().map(lane_json).collect::<Vec<_>>(),
    })
}
