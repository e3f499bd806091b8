//! How it is told what replaying came to.

use serde_json::{Value as Json, json};

use crate::{
    cli::{out, policy::diff::marked},
    config::Colour,
    replay::{Change, Direction, Reason, Row, Sum, What, Who},
    words::Digest,
};

/// LIMIT: changes told one by one in text.
const CHANGES_MAX: usize = 200;

/// What it came to, and under which bundle.
pub(super) struct Telling<'a> {
    pub(super) sum: &'a Sum,
    pub(super) bundle: Digest,
}

const HEADS: [&str; 7] = ["principal", "entries", "same", "more", "less", "differs", "cannot tell"];

impl Telling<'_> {
    /// For people.
    pub(super) fn text(&self, colour: Colour) -> Vec<String> {
        let mut lines = out::columns(&HEADS, &self.rows());
        lines.push(String::new());
        for (change, count, sample) in self.changes() {
            let line = format!("{} {}", sign(change.what.direction()), told(change, count, sample));
            lines.push(coloured(&line, change.what.direction(), colour));
        }
        lines.extend(self.beyond());
        for (reason, count) in &self.sum.reasons {
            lines.push(format!("? cannot tell: {reason}: {}", entries(*count)));
        }
        lines.push(self.summary());
        lines
    }

    /// For a pull request.
    pub(super) fn markdown(&self) -> Vec<String> {
        let mut lines = vec!["## Decisions again".to_owned(), String::new()];
        let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
        lines.push(row(&HEADS.map(str::to_owned)));
        lines.push(row(&HEADS.map(|_| "---".to_owned())));
        lines.extend(self.rows().iter().map(|cells| {
            let cells: Vec<String> = cells.iter().map(|cell| marked(cell)).collect();
            row(&cells)
        }));
        for (title, direction) in
            [("More", Direction::More), ("Less", Direction::Less), ("Otherwise", Direction::Differs)]
        {
            let changes = self.changes().filter(|(change, ..)| change.what.direction() == direction);
            let changes: Vec<String> =
                changes.map(|(change, count, sample)| told(change, count, sample)).collect();
            if !changes.is_empty() {
                lines.extend([String::new(), format!("### {title}"), String::new()]);
                lines.extend(changes.iter().map(|change| format!("- {}", marked(change))));
            }
        }
        lines.extend(self.beyond());
        if !self.sum.reasons.is_empty() {
            lines.extend([String::new(), "### Cannot tell".to_owned(), String::new()]);
            let reasons = self.sum.reasons.iter();
            lines
                .extend(reasons.map(|(reason, count)| {
                    format!("- {}: {}", marked(&reason.to_string()), entries(*count))
                }));
        }
        lines.extend([String::new(), self.summary(), String::new(), format!("Bundle `{}`.", self.bundle)]);
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> Json {
        let row = |row: &Row| {
            json!({
                "entries": row.count(), "same": row.same, "more": row.more, "less": row.less,
                "differs": row.differs, "cannot_tell": row.untold,
            })
        };
        let by_who = self.sum.by_who.iter().map(|(who, counts)| {
            let mut row = row(counts);
            if let Json::Object(fields) = &mut row {
                fields.insert("principal".to_owned(), json!(who.to_string()));
            }
            row
        });
        let changes = self.sum.changes.iter().map(|(change, (count, sample))| {
            json!({
                "principal": change.who.to_string(), "action": change.action, "target": change.target,
                "direction": change.what.direction().as_str(), "what": change.what.to_string(),
                "field": field(&change.what), "entries": count, "request": sample,
            })
        });
        let reasons = self.sum.reasons.iter().map(|(reason, count)| {
            json!({
                "reason": reason.as_str(), "about": Reason::about(reason), "words": reason.to_string(),
                "entries": count,
            })
        });
        json!({
            "bundle": self.bundle.to_string(),
            "all": row(&self.sum.all),
            "principals": by_who.collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
            "cannot_tell": reasons.collect::<Vec<_>>(),
            "partly": self.sum.partly,
            "undecided": self.sum.undecided,
        })
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let cells = |name: String, row: &Row| {
            let counts = [row.count(), row.same, row.more, row.less, row.differs, row.untold];
            std::iter::once(name).chain(counts.map(|count| count.to_string())).collect()
        };
        let mut rows: Vec<Vec<String>> =
            self.sum.by_who.iter().map(|(who, row)| cells(who.to_string(), row)).collect();
        rows.push(cells("all".to_owned(), &self.sum.all));
        rows
    }

    fn changes(&self) -> impl Iterator<Item = (&Change, u64, Option<&str>)> {
        let all = self.sum.changes.iter();
        all.take(CHANGES_MAX).map(|(change, (count, sample))| (change, *count, sample.as_deref()))
    }

    fn beyond(&self) -> Option<String> {
        let more = self.sum.changes.len().checked_sub(CHANGES_MAX).filter(|more| *more > 0)?;
        Some(format!("and {more} more different changes; `--json` has them all"))
    }

    fn summary(&self) -> String {
        let Row { same, more, less, differs, untold } = &self.sum.all;
        let mut text = format!(
            "{}: {same} same, {more} more, {less} less, {differs} differ, {untold} cannot be told",
            entries(self.sum.all.count())
        );
        if self.sum.partly > 0 {
            text.push_str(&format!("; of {} that change not all can be told", self.sum.partly));
        }
        if self.sum.undecided > 0 {
            text.push_str(&format!("; {} tell of no decision", entries(self.sum.undecided)));
        }
        text
    }
}

fn told(change: &Change, count: u64, sample: Option<&str>) -> String {
    let who = match &change.who {
        Who::Named(name) => name.clone(),
        other => other.to_string(),
    };
    let as_in = sample.map_or_else(String::new, |sample| format!(", as in {sample}"));
    format!("{who}: {} {}: {} ({}{as_in})", change.action, change.target, change.what, entries(count))
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn field(what: &What) -> Option<&str> {
    match what {
        What::Field { field, .. }
        | What::Unasked(field)
        | What::Unfiltered(field)
        | What::Unwritable(field) => Some(field),
        What::Allowed
        | What::Forbidden
        | What::Unknown
        | What::NoTarget
        | What::Seen
        | What::Hidden
        | What::PlanGone(_)
        | What::PlanNew(_)
        | What::Limited { .. }
        | What::Unlimited(_)
        | What::Spent(_)
        | What::Unspent => None,
    }
}

fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Same => "=",
        Direction::More => "+",
        Direction::Less => "-",
        Direction::Differs => "~",
    }
}

fn coloured(text: &str, direction: Direction, colour: Colour) -> String {
    let code = match (colour, direction) {
        (Colour::Off, _) | (_, Direction::Same) => return text.to_owned(),
        (Colour::On, Direction::More) => 31,
        (Colour::On, Direction::Less) => 32,
        (Colour::On, Direction::Differs) => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
