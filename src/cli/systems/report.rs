//! The report of data quality for people: one HTML file that needs nothing else, with a picture an entity.

use super::quality::{Line, Part, named, share, told};
use crate::cli::out::escaped;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2024;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .3rem}p{margin:.2rem 0 .8rem;color:#555}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e3e5e8;vertical-align:top}\
th{font-weight:600;color:#555}td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em;background:#f2f3f5;padding:0 .25em;border-radius:3px}\
svg{display:block;width:100%;height:auto}.fit{color:#1a7f4b}\
@media(prefers-color-scheme:dark){body{background:#17191c;color:#e6e8ea}p,th{color:#a2a8ae}th,td{border-color:#33373c}code{background:#26292d}}";
/// Colours of flaws, in the order in which they are first met.
const COLOURS: [&str; 8] =
    ["#c2553b", "#d19a2a", "#3f7cbf", "#7a5bb5", "#3a9d8f", "#9a6b4a", "#b2417f", "#6b7280"];
/// LIMIT: bars of one picture.
const BARS_MAX: usize = 20;

/// The whole file.
pub(super) fn html(parts: &[Part]) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Data quality</title><style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n<h1>Data quality</h1>\n<p>What of the systems' records does not fit the shared schema, as the gate has seen it.</p>\n");
    if parts.is_empty() {
        out.push_str("<p>No record was looked at yet.</p>\n");
    }
    for Part { looked, lines, references } in parts {
        out.push_str(&format!(
            "<h2>{} · {}</h2>\n<p>{} records since {}</p>\n",
            escaped(&looked.system),
            escaped(&looked.entity),
            looked.records,
            looked.since.strftime("%F")
        ));
        if lines.is_empty() {
            out.push_str("<p class=\"fit\">All of them fit.</p>\n");
        } else {
            picture(lines, &mut out);
            table(lines, &mut out);
        }
        if !references.is_empty() {
            let told: Vec<String> = references.iter().map(|row| escaped(&told(row))).collect();
            out.push_str(&format!("<p>{}</p>\n", told.join("<br>")));
        }
    }
    out.push_str("</body></html>\n");
    out
}

/// A bar for each flaw, as long as the share of records that have it.
fn picture(lines: &[Line], out: &mut String) {
    let shown = lines.len().min(BARS_MAX);
    let height = 24 * shown + 8;
    out.push_str(&format!(
        "<svg viewBox=\"0 0 800 {height}\" role=\"img\" aria-label=\"Share of records by flaw\" font-family=\"system-ui,sans-serif\" font-size=\"13\">\n"
    ));
    let mut kinds: Vec<&str> = Vec::new();
    for (index, Line { flaw, of }) in lines.iter().take(BARS_MAX).enumerate() {
        if !kinds.contains(&flaw.flaw.as_str()) {
            kinds.push(&flaw.flaw);
        }
        let kind = kinds.iter().position(|kind| *kind == flaw.flaw).unwrap_or_default();
        let colour = COLOURS.get(kind % COLOURS.len()).copied().unwrap_or("#6b7280");
        let (y, most) = (24 * index + 4, (*of).max(1));
        let width = (flaw.count.saturating_mul(420) / most).clamp(2, 420);
        let label = format!("{} — {}", named(&flaw.field), flaw.flaw);
        out.push_str(&format!(
            "<text x=\"290\" y=\"{}\" text-anchor=\"end\" fill=\"currentColor\">{}</text><rect x=\"300\" y=\"{y}\" width=\"{width}\" height=\"18\" rx=\"3\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\" fill=\"currentColor\">{}</text>\n",
            y + 14,
            escaped(&label),
            306 + width,
            y + 14,
            escaped(&share(flaw.count, *of)),
        ));
    }
    out.push_str("</svg>\n");
}

fn table(lines: &[Line], out: &mut String) {
    out.push_str("<table><thead><tr><th>field</th><th>flaw</th><th>records</th><th>share</th><th>first</th><th>last</th><th>for instance</th></tr></thead><tbody>\n");
    for Line { flaw, of } in lines {
        let coded = |texts: &[String]| {
            texts.iter().map(|text| format!("<code>{}</code>", escaped(text))).collect::<Vec<_>>().join(" ")
        };
        let values = match (flaw.values.is_empty(), flaw.oldest) {
            (false, _) => format!("values {}; ", coded(&flaw.values)),
            (true, Some(oldest)) => format!("oldest {}; ", oldest.at.strftime("%F")),
            (true, None) => String::new(),
        };
        out.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{values}{}</td></tr>\n",
            escaped(named(&flaw.field)),
            escaped(&flaw.flaw),
            flaw.count,
            escaped(&share(flaw.count, *of)),
            flaw.first_at.strftime("%F"),
            flaw.last_at.strftime("%F"),
            coded(&flaw.examples),
        ));
    }
    out.push_str("</tbody></table>\n");
}
