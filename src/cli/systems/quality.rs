//! `bramka systems quality`: what of the systems' records does not fit, and where for instance.

use std::{fs, path::PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{references::References, report};
use crate::{
    cli::{
        Came,
        error::VerbError,
        out,
        own::{Data, runtime},
    },
    clock,
    quality::Flaw,
    store::{LookedRow, QualityRow, ReferencesRow, Store, StoreError},
    words::Period,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka systems quality\n  \
    bramka systems quality --system crm --since 7d --json\n  \
    bramka systems quality --check-references --most 500 --per-second 10\n  \
    bramka systems quality --html quality.html\n\n\
    A gate counts every record that it reads, and hands over what it saw every ten seconds. Records are named by\n\
    their ids; values are told only where a value table does not know them, native fields by their names.")]
pub(in crate::cli) struct Quality {
    /// The gate's data folder
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Only of this system
    #[arg(long)]
    system: Option<String>,
    /// Only what was seen in the last so long: `7d`, `12h`
    #[arg(long, value_name = "PERIOD")]
    since: Option<Period>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a report with pictures into this file
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    #[command(flatten)]
    references: References,
}

/// What is known of one entity of a system.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) looked: LookedRow,
    pub(super) lines: Vec<Line>,
    /// Fields that name other records.
    pub(super) references: Vec<ReferencesRow>,
}

/// A flaw, and of how many records it could have been one.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) flaw: QualityRow,
    pub(super) of: u64,
}

pub(super) fn run(arguments: &Quality) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.data)?;
    let Some(store) = data.store()? else {
        return Err(VerbError::NotThere(format!("there is no store in `{}`", arguments.data.display())));
    };
    let from =
        arguments.since.map(|period| clock::now().wall.checked_sub(period.0).unwrap_or(Timestamp::MIN));
    let system = arguments.system.as_deref();
    let parts = runtime()?.block_on(async {
        if arguments.references.is_wanted() {
            arguments.references.check(&data, &store, system).await?;
        }
        Ok::<_, VerbError>(parts(&store, system, from).await?)
    })?;
    if let Some(system) = system.filter(|_| parts.is_empty()) {
        return Err(VerbError::NotThere(format!("no record of `{system}` was looked at yet")));
    }
    match (&arguments.html, arguments.json) {
        (Some(file), _) => {
            fs::write(file, report::html(&parts)).map_err(VerbError::file(file))?;
            out::say(&file.display().to_string());
        }
        (None, true) => out::say(&as_json(&parts).to_string()),
        (None, false) => say(&parts),
    }
    Ok(Came::Right)
}

/// All that is known, of one system where it is named, and of flaws only what was seen since.
async fn parts(
    store: &Store,
    system: Option<&str>,
    from: Option<Timestamp>,
) -> Result<Vec<Part>, StoreError> {
    let (looked, flaws) = store.quality().await?;
    let references = store.references().await?;
    let wanted = looked.into_iter().filter(|row| system.is_none_or(|only| only == row.system));
    let part = |looked: LookedRow| {
        let own = |system: &str, entity: &str| looked.system == system && looked.entity == entity;
        let references: Vec<ReferencesRow> =
            references.iter().filter(|row| own(&row.system, &row.entity)).cloned().collect();
        let seen = flaws.iter().filter(|row| own(&row.system, &row.entity)).cloned();
        let seen = seen.map(|flaw| {
            let of = if flaw.flaw == Flaw::NewField.as_str() { looked.sampled } else { looked.records };
            Line { flaw, of }
        });
        let mut lines: Vec<Line> = references.iter().filter_map(dangling).chain(seen).collect();
        lines.retain(|line| from.is_none_or(|from| line.flaw.last_at >= from));
        lines.sort_by_key(|line| std::cmp::Reverse(line.flaw.count));
        Part { looked, lines, references }
    };
    Ok(wanted.map(part).collect())
}

/// The references of a field that lead nowhere, as a flaw of those of which that is known.
fn dangling(row: &ReferencesRow) -> Option<Line> {
    let (first_at, last_at) = row.found.filter(|_| row.dangling > 0)?;
    let flaw = QualityRow {
        system: row.system.clone(),
        entity: row.entity.clone(),
        field: row.field.clone(),
        flaw: Flaw::Dangling.as_str().to_owned(),
        count: row.dangling,
        first_at,
        last_at,
        // As the others have them: the newest last.
        examples: row.examples.iter().rev().map(|(record, target)| format!("{record} → {target}")).collect(),
        values: Vec::new(),
        oldest: None,
    };
    Some(Line { flaw, of: row.checked })
}

fn as_json(parts: &[Part]) -> Json {
    let of = |part: &Part| {
        let flaws = part.lines.iter().map(|Line { flaw, of }| {
            json!({
                "field": flaw.field, "flaw": flaw.flaw, "records": flaw.count, "of": of,
                "first": flaw.first_at.to_string(), "last": flaw.last_at.to_string(),
                "examples": flaw.examples, "values": flaw.values,
                "oldest": flaw.oldest.map(|oldest| oldest.at.to_string()),
            })
        });
        let references = part.references.iter().map(|row| {
            let examples =
                row.examples.iter().map(|(record, target)| json!({ "record": record, "target": target }));
            json!({
                "field": row.field, "to": row.target_entity, "kept": row.kept, "checked": row.checked,
                "dangling": row.dangling, "examples": examples.collect::<Vec<_>>(),
            })
        });
        json!({
            "system": part.looked.system, "entity": part.looked.entity, "records": part.looked.records,
            "sampled": part.looked.sampled, "since": part.looked.since.to_string(),
            "flaws": flaws.collect::<Vec<_>>(), "references": references.collect::<Vec<_>>(),
        })
    };
    Json::Array(parts.iter().map(of).collect())
}

fn say(parts: &[Part]) {
    if parts.is_empty() {
        out::note("no record was looked at yet");
    }
    for Part { looked, lines, references } in parts {
        let since = looked.since.strftime("%F");
        out::say(&format!("{} {}: {} records since {since}", looked.system, looked.entity, looked.records));
        if lines.is_empty() {
            out::say("  all of them fit");
        } else {
            table(lines);
        }
        for row in references {
            out::say(&format!("  {}", told(row)));
        }
    }
}

fn table(lines: &[Line]) {
    let rows: Vec<[String; 6]> = lines.iter().map(cells).collect();
    let head = ["field", "flaw", "records", "share", "last", "for instance"].map(str::to_owned);
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            let of = |row: &[String; 6]| row.get(at).map_or(0, |cell| cell.chars().count());
            rows.iter().map(of).max().unwrap_or(0).max(of(&head))
        })
        .collect();
    for row in std::iter::once(&head).chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out::say(format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
    }
}

fn cells(line: &Line) -> [String; 6] {
    let flaw = &line.flaw;
    let values = flaw.values.iter().map(|value| format!("`{value}`"));
    let oldest = flaw.oldest.map(|oldest| format!("oldest {}", oldest.at.strftime("%F")));
    let examples = flaw.examples.iter().rev().take(2).cloned();
    [
        named(&flaw.field).to_owned(),
        flaw.flaw.clone(),
        flaw.count.to_string(),
        share(flaw.count, line.of),
        flaw.last_at.strftime("%F").to_string(),
        values.chain(oldest).chain(examples).collect::<Vec<_>>().join(", "),
    ]
}

/// What is known of the references of a field, and what is not.
pub(super) fn told(row: &ReferencesRow) -> String {
    let ReferencesRow { field, target_entity, kept, checked, dangling, .. } = row;
    let known = match checked {
        0 => "none was asked for yet; `--check-references` does".to_owned(),
        checked => format!("{checked} asked for, {dangling} not there"),
    };
    format!("{field} names {target_entity}: {kept} seen lately, {known}")
}

/// How a flaw of the record itself is named.
pub(super) fn named(field: &str) -> &str {
    if field.is_empty() { "(record)" } else { field }
}

/// Of a hundred: whole, or with one digit below one.
pub(super) fn share(count: u64, of: u64) -> String {
    let mille = count.saturating_mul(1000).checked_div(of).unwrap_or(1000).min(1000);
    match mille {
        0 => "<0.1%".to_owned(),
        mille if mille < 10 => format!("0.{mille}%"),
        mille => format!("{}%", mille / 10),
    }
}
