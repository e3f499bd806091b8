//! Records: the entity that callers get, what the gate finds in it, and what of the body no line reads.

use bramka::{
    catalog::Action,
    mapping::{Inward, Made, Mapping, NativeAnswer, RowFault, SystemFault, What},
    schema::{self, Filter},
};
use serde_json::{Value, json};

use super::{
    answer, body,
    lines::{Is, Of},
    mapping, snapshot,
    table::LINES,
};

/// A moment, for lists of the last days.
const NOW: &str = "2026-03-14T12:00:00Z";

fn entity(mapping: &Mapping, inward: &Inward) -> Value {
    let mut out = Vec::new();
    schema::json::write(mapping.entity(), &inward.record, None, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// What a finding says, for a reader.
fn said(what: &What) -> String {
    match what {
        What::Unfit(why) | What::Assumed(why) => format!("{}: {why}", what.as_str()),
        What::UnknownValue(value) => format!("{}: {value}", what.as_str()),
        What::NoRule | What::NotAList | What::NoCurrency => what.as_str().to_owned(),
    }
}

fn record(mapping: &Mapping, inward: &Inward) -> Value {
    let path = |leaf| mapping.entity().leaf(leaf).unwrap().path.to_string();
    let findings: Vec<_> = inward
        .findings
        .iter()
        .map(|finding| format!("{} is {}", path(finding.leaf), said(&finding.what)))
        .collect();
    let untold: Vec<_> = inward.missing.intersection(&mapping.mapped()).iter().map(path).collect();
    json!({ "entity": entity(mapping, inward), "findings": findings, "untold": untold.join(", ") })
}

fn row(mapping: &Mapping, row: &Result<Inward, RowFault>) -> Value {
    row.as_ref()
        .map_or_else(|fault| json!({ "withheld": fault.to_string() }), |inward| record(mapping, inward))
}

fn page(mapping: &Mapping, answer: &NativeAnswer) -> Result<Value, SystemFault> {
    let all = mapping.entity().all();
    let now = Some(NOW.parse().unwrap());
    let (parent, asked) = (mapping.any_parent(), (&Filter::everything(), &[][..]));
    let listing = mapping.list_of(parent.as_ref(), now, &all, asked, None, 100).unwrap();
    let page = mapping.inward_list(&listing, answer, &all)?;
    let rows: Vec<_> = page.rows.iter().map(|one| row(mapping, one)).collect();
    Ok(json!({ "rows": rows, "has more": page.next.is_some(), "is cut": page.truncated }))
}

fn told(of: &Of, kind: &Is, answer: &NativeAnswer) -> Result<Value, SystemFault> {
    let (mapping, all) = (mapping(of), mapping(of).entity().all());
    let answer = &NativeAnswer { over: mapping.any_parent(), ..answer.clone() };
    match kind {
        Is::Page(_) => page(mapping, answer),
        Is::Made(_) => Ok(match mapping.made(Action::Create, answer, &all)? {
            Made::Record(inward) => record(mapping, &inward),
            Made::Key(key) => json!({ "key": key.as_str() }),
            Made::Nothing => json!({ "key": null }),
        }),
        _ => mapping.inward(answer, &all).map(|inward| record(mapping, &inward)),
    }
}

#[test]
fn a_recorded_record_is_the_entity_that_was_reviewed() {
    let (mut count, mut unread) = (0, Vec::new());
    for line in LINES {
        let (Is::Record(of) | Is::Page(of) | Is::Made(of)) = &line.is else { continue };
        let body = body(line.file);
        let body = match of.within {
            Some((before, after)) => format!("{before}{body}{after}"),
            None => body,
        };
        let body = of.turned.iter().fold(body, |body, (from, to)| {
            assert!(body.contains(from), "`{from}` is not in {}", line.file);
            body.replace(from, to)
        });
        let answer = answer(body, 200, of.heads);
        let mut told = match told(of, &line.is, &answer) {
            Ok(told) => told,
            Err(fault) => {
                unread.push(format!("{}: {fault}", line.file));
                continue;
            }
        };
        told["of"] = json!(format!("{} of {}", of.entity, of.system));
        told["read by no line"] = json!(mapping(of).unread(&answer.body).join(", "));
        snapshot(line.file, &told);
        count += 1;
    }
    assert!(unread.is_empty(), "{}", unread.join("\n"));
    assert!(count > 40, "{count}");
}

#[test]
fn what_is_no_record_of_an_entity_is_not_taken_for_one() {
    let mut count = 0;
    for line in LINES {
        let Is::Foreign(of) = &line.is else { continue };
        let (mapping, answer) = (mapping(of), answer(body(line.file), 200, of.heads));
        let one = mapping.inward(&answer, &mapping.entity().all());
        assert!(one.is_err(), "{} reads as {} of {}: {one:?}", line.file, of.entity, of.system);
        // As a page it is none, or none of its rows is a record.
        if let Ok(page) = page(mapping, &answer) {
            let rows = page["rows"].as_array().unwrap();
            assert!(rows.iter().all(|row| row["withheld"].is_string()), "{}: {page}", line.file);
        }
        count += 1;
    }
    assert!(count > 5, "{count}");
}
