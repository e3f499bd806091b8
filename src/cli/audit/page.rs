//! A report for people: sections of tables, as text on a terminal or as one HTML file that needs nothing else and prints.

use crate::cli::out::{self, escaped};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2024;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.8rem 0 .3rem}p{margin:.2rem 0 .6rem;color:#444}\
table{border-collapse:collapse;width:100%;font-size:.9em}th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #d9dce0;vertical-align:top;overflow-wrap:anywhere}\
th{font-weight:600;color:#444}thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}\
@page{size:A4 landscape;margin:15mm}@media print{body{margin:0;max-width:none;padding:0;font-size:10pt}}";

/// A report.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) title: String,
    /// What stands under the title.
    pub(super) lead: Vec<String>,
    pub(super) sections: Vec<Section>,
}

/// A part of it: a table, sentences before it.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) lead: Vec<String>,
    pub(super) heads: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) last: Last,
    pub(super) empty: Empty,
}

/// What is said where there are no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Empty {
    /// That there are none.
    #[default]
    Said,
    /// What stands before them says it.
    InLead,
}

/// Where the last cell of a row stands in text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Last {
    /// Beside the others.
    #[default]
    Beside,
    /// On a line of its own: it is long.
    Below,
}

impl Page {
    /// Says it on standard output.
    pub(super) fn say(&self) {
        out::say(&out::printable(&self.title));
        self.lead.iter().for_each(|line| out::say(&out::printable(line)));
        for section in &self.sections {
            out::say("");
            out::say(&out::printable(&section.title));
            section.lead().for_each(|line| out::say(&format!("  {}", out::printable(line))));
            section.say_rows();
        }
    }

    /// The whole file.
    pub(super) fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\n\
             <h1>{title}</h1>\n"
        );
        paragraphs(&mut html, self.lead.iter().map(String::as_str));
        for section in &self.sections {
            let Section { title, heads, rows, .. } = section;
            html.push_str(&format!("<h2>{}</h2>\n", escaped(title)));
            paragraphs(&mut html, section.lead());
            if rows.is_empty() {
                continue;
            }
            let cells = |name: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
                cells.map(|cell| format!("<{name}>{}</{name}>", escaped(cell))).collect()
            };
            html.push_str(&format!(
                "<table><thead><tr>{}</tr></thead><tbody>\n",
                cells("th", &mut heads.iter().copied())
            ));
            for row in rows {
                html.push_str(&format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str))));
            }
            html.push_str("</tbody></table>\n");
        }
        html.push_str("</body></html>\n");
        html
    }
}

impl Section {
    /// What is said before its rows; that there are none, where nothing else says so.
    fn lead(&self) -> impl Iterator<Item = &str> {
        let none = self.rows.is_empty() && self.empty == Empty::Said;
        let lead = if none { &[][..] } else { &self.lead };
        lead.iter().map(String::as_str).chain(none.then_some("None, as far as entries tell."))
    }

    fn say_rows(&self) {
        let (Last::Below, Some((last, heads))) = (self.last, self.heads.split_last()) else {
            return out::table(&self.heads, &self.rows);
        };
        let short = |row: &Vec<String>| row.iter().take(heads.len()).cloned().collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(short).collect();
        let mut lines = out::columns(heads, &rows).into_iter();
        lines.by_ref().take(usize::from(!rows.is_empty())).for_each(|line| out::say(&line));
        for (line, row) in lines.zip(&self.rows) {
            out::say(&line);
            if let Some(cell) = row.last().filter(|cell| !cell.is_empty()) {
                out::say(&format!("    {last}: {}", out::printable(cell)));
            }
        }
    }
}

fn paragraphs<'l>(html: &mut String, lines: impl Iterator<Item = &'l str>) {
    for line in lines {
        html.push_str(&format!("<p>{}</p>\n", escaped(line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_else_runs_nothing_and_text_stays_text() {
        let section = Section {
            title: "Received".into(),
            lead: vec!["a & b".into()],
            heads: vec!["who"],
            rows: vec![vec!["<script>alert(1)</script>".into()]],
            last: Last::Beside,
            empty: Empty::Said,
        };
        let html = Page { title: "Customer/\"42\"".into(), lead: Vec::new(), sections: vec![section] }.html();
        assert!(
            html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("a &amp; b"),
            "{html}"
        );
        assert!(html.contains("Customer/&quot;42&quot;") && html.contains("@media print"), "{html}");
        let none = Page {
            sections: vec![Section { title: "Changed".into(), ..Section::default() }],
            ..Page::default()
        };
        assert!(none.html().contains("None, as far as entries tell."), "{}", none.html());
        for outside in ["<script", "src=", "href=", "url(", "http"] {
            assert!(!html.contains(outside), "{outside} in {html}");
        }
    }
}
