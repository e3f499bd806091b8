//! The matrix as a page that an auditor reads and prints: one file that needs nothing else.

use crate::{
    catalog::Action,
    claims::{Cell, Matrix, Row, Subject},
    cli::out::escaped,
    config::Snapshot,
    policy::{Openness, Surety},
    schema::Entity,
};

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1c2024;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .3rem}p{margin:.2rem 0 .8rem;color:#555}\
table{border-collapse:collapse}th,td{text-align:left;padding:.2rem .55rem;border:1px solid #e3e5e8;vertical-align:top}\
th{font-weight:600;background:#f6f7f8}thead th{position:sticky;top:0}td.c{white-space:nowrap}\
.confidential{color:#8a5a00}.personal{color:#a02c2c}.secret{color:#7a1fa2}\
.always{background:#dff3e6}.depends{background:#fff4d6}.none{color:#a2a8ae}small{color:#555;font-weight:400;display:block}\
ol{columns:2}code{font-size:.92em}\
@media print{body{max-width:none;margin:0}thead th{position:static}h2{break-after:avoid}tr{break-inside:avoid}}";

/// The whole page.
pub(super) fn page(snapshot: &Snapshot, matrix: &Matrix) -> String {
    let whos = whos(matrix);
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str(
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Access</title><style>",
    );
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n<h1>Who can reach what</h1>\n");
    out.push_str(&format!("<p>Bundle <code>{}</code>. ", escaped(&matrix.bundle.to_string())));
    out.push_str(
        "The most that its statements leave open through the gate, over every record, connection, time and scope. \
         <span class=\"always\">R</span> always, on every record that can be judged, by a credential for all groups \
         of its principal; <span class=\"depends\">R</span> depends on record or circumstance. R read, L list, \
         F serves filter and sort, C create, U update, D delete. What stands nowhere can never happen.</p>\n",
    );
    out.push_str("<ol>\n");
    for who in &whos {
        out.push_str(&format!("<li>{}</li>\n", escaped(&who.join(", "))));
    }
    out.push_str("</ol>\n");
    let able: Vec<&String> = whos.iter().flat_map(|who| who.iter()).collect();
    let idle: Vec<&str> =
        matrix.covered.iter().filter(|name| !able.contains(name)).map(String::as_str).collect();
    if !idle.is_empty() {
        out.push_str(&format!("<p>Can do none of it: {}.</p>\n", escaped(&idle.join(", "))));
    }
    for entity in snapshot.schema.entities() {
        entity_table(entity, matrix, &whos, &mut out);
    }
    systems_table(matrix, &whos, &mut out);
    out.push_str("</body></html>\n");
    out
}

/// Those who share access, in the order of the rows.
fn whos(matrix: &Matrix) -> Vec<&Vec<String>> {
    let mut whos: Vec<&Vec<String>> = Vec::new();
    for row in &matrix.rows {
        if whos.last() != Some(&&row.who) {
            whos.push(&row.who);
        }
    }
    whos
}

fn rows<'m>(matrix: &'m Matrix, who: &[String], name: &str) -> Vec<&'m Row> {
    matrix.rows.iter().filter(|row| row.who == who && row.subject.as_str() == name).collect()
}

fn entity_table(entity: &Entity, matrix: &Matrix, whos: &[&Vec<String>], out: &mut String) {
    let columns: Vec<(usize, Vec<&Row>)> = whos
        .iter()
        .enumerate()
        .map(|(at, who)| (at.saturating_add(1), rows(matrix, who, entity.name.as_str())))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    if columns.is_empty() {
        return;
    }
    out.push_str(&format!(
        "<h2>{}</h2>\n<table><thead><tr><th>field</th><th>class</th>",
        escaped(entity.name.as_str())
    ));
    for (at, rows) in &columns {
        let actions: Vec<String> = rows.iter().map(|row| mark(letter(row.action), row.surety)).collect();
        out.push_str(&format!("<th>{at} <small>{}</small></th>", actions.join(" ")));
    }
    out.push_str("</tr></thead><tbody>\n");
    for leaf in &entity.leaves {
        let cells: Vec<String> = columns.iter().map(|(_, rows)| cell(rows, leaf.path.as_str())).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let class = leaf.class.as_str();
        out.push_str(&format!(
            "<tr><td><code>{}</code></td><td class=\"{class}\">{class}</td>",
            escaped(leaf.path.as_str())
        ));
        cells.iter().for_each(|cell| out.push_str(&format!("<td class=\"c\">{cell}</td>")));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// What of one field there is in the rows of one who.
fn cell(rows: &[&Row], path: &str) -> String {
    let mut marks = Vec::new();
    for row in rows {
        let Some(cell) = row.cells.iter().find(|cell| cell.field.as_str() == path) else { continue };
        marks.push(mark(&format!("{}{}", letter(row.action), masked(cell)), cell.surety));
        if cell.filters {
            marks.push(mark("F", cell.surety));
        }
    }
    marks.join(" ")
}

fn masked(cell: &Cell) -> String {
    match cell.shown {
        None | Some(Openness::Shown) => String::new(),
        Some(other) => format!(" {}", other.as_str()),
    }
}

fn mark(text: &str, surety: Surety) -> String {
    format!("<span class=\"{}\">{text}</span>", surety.as_str())
}

fn letter(action: Action) -> &'static str {
    match action {
        Action::Read => "R",
        Action::List => "L",
        Action::Create => "C",
        Action::Update => "U",
        Action::Delete => "D",
        Action::Call => "call",
    }
}

fn systems_table(matrix: &Matrix, whos: &[&Vec<String>], out: &mut String) {
    let calls: Vec<&Row> =
        matrix.rows.iter().filter(|row| matches!(row.subject, Subject::System(_))).collect();
    if calls.is_empty() {
        return;
    }
    out.push_str("<h2>Calls passed through</h2>\n<p>Such a call goes around the fields of what the system holds.</p>\n");
    out.push_str(
        "<table><thead><tr><th>system</th><th>who</th><th>can</th><th>by</th></tr></thead><tbody>\n",
    );
    for row in calls {
        let at = whos.iter().position(|who| **who == row.who).map_or(0, |at| at.saturating_add(1));
        let by: Vec<&str> = row.permits.iter().map(|id| id.as_str()).collect();
        out.push_str(&format!(
            "<tr><td>{}</td><td>{at}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(row.subject.as_str()),
            mark(row.surety.as_str(), row.surety),
            escaped(&by.join(", "))
        ));
    }
    out.push_str("</tbody></table>\n");
}
