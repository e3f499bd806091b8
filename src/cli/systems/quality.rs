//! `bramka systems quality`: what of the systems' records does not fit, and where for instance.

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use super::report;
use crate::{
    cli::{
        Came,
        error::VerbError,
        out,
        own::{Data, runtime},
    },
    clock,
    store::{LookedRow, QualityRow},
    words::Period,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka systems quality\n  \
    bramka systems quality --system crm --since 7d --json\n  \
    bramka systems quality --html quality.html\n\n\
    A gate counts every record that it reads, and hands over what it saw every ten seconds. Records are named by\n\
    their ids; values are told only where a value table does not know them.")]
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
}

pub(super) fn run(arguments: &Quality) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.data)?;
    let Some(store) = data.store()? else {
        return Err(VerbError::NotThere(format!("there is no store in `{}`", arguments.data.display())));
    };
    let (mut looked, mut flaws) = runtime()?.block_on(store.quality())?;
    let wanted = |system: &str| arguments.system.as_deref().is_none_or(|only| only == system);
    looked.retain(|row| wanted(&row.system));
    flaws.retain(|row| wanted(&row.system));
    if let Some(system) = arguments.system.as_deref().filter(|_| looked.is_empty()) {
        return Err(VerbError::NotThere(format!("no record of `{system}` was looked at yet")));
    }
    if let Some(period) = arguments.since {
        let from = clock::now().wall.checked_sub(period.0).unwrap_or(jiff::Timestamp::MIN);
        flaws.retain(|row| row.last_at >= from);
    }
    match (&arguments.html, arguments.json) {
        (Some(file), _) => {
            fs::write(file, report::html(&looked, &flaws)).map_err(VerbError::file(file))?;
            out::say(&file.display().to_string());
        }
        (None, true) => out::say(&as_json(&looked, &flaws).to_string()),
        (None, false) => say(&looked, &flaws),
    }
    Ok(Came::Right)
}

fn as_json(looked: &[LookedRow], flaws: &[QualityRow]) -> Json {
    let of = |row: &LookedRow| {
        let flaws: Vec<Json> = own(row, flaws)
            .map(|flaw| {
                json!({
                    "field": flaw.field, "flaw": flaw.flaw, "records": flaw.count,
                    "first": flaw.first_at.to_string(), "last": flaw.last_at.to_string(),
                    "examples": flaw.examples, "values": flaw.values,
                })
            })
            .collect();
        json!({
            "system": row.system, "entity": row.entity, "records": row.records,
            "since": row.since.to_string(), "flaws": flaws,
        })
    };
    Json::Array(looked.iter().map(of).collect())
}

/// The flaws of what was looked at.
pub(super) fn own<'a>(of: &LookedRow, flaws: &'a [QualityRow]) -> impl Iterator<Item = &'a QualityRow> {
    let (system, entity) = (of.system.clone(), of.entity.clone());
    flaws.iter().filter(move |flaw| flaw.system == system && flaw.entity == entity)
}

fn say(looked: &[LookedRow], flaws: &[QualityRow]) {
    if looked.is_empty() {
        out::note("no record was looked at yet");
    }
    for row in looked {
        let since = row.since.strftime("%F");
        out::say(&format!("{} {}: {} records since {since}", row.system, row.entity, row.records));
        let rows: Vec<[String; 6]> = own(row, flaws).map(|flaw| cells(row, flaw)).collect();
        if rows.is_empty() {
            out::say("  all of them fit");
            continue;
        }
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
}

fn cells(of: &LookedRow, flaw: &QualityRow) -> [String; 6] {
    let values: Vec<String> = flaw.values.iter().map(|value| format!("`{value}`")).collect();
    let examples = flaw.examples.iter().rev().take(2).cloned();
    [
        named(&flaw.field).to_owned(),
        flaw.flaw.clone(),
        flaw.count.to_string(),
        share(flaw.count, of.records),
        flaw.last_at.strftime("%F").to_string(),
        values.into_iter().chain(examples).collect::<Vec<_>>().join(", "),
    ]
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
