//! `bramka policy diff`: what another bundle opens and closes.

pub(super) mod revision;

use std::{
    io,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value as Json, json};

use self::revision::Place;
use super::{Loaded, SecretsOf, load};
use crate::{
    claims::{Access, Change, Covered, Diff, FieldChange, State, Subject, access},
    cli::{Came, error::VerbError, out},
    config::{Colour, Snapshot},
    policy::{Openness, Surety},
};

/// LIMIT: names of those who share a change told one by one in text.
const NAMES_MAX: usize = 8;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka policy diff ../served/policies policies\n  bramka policy diff main policies\n  \
    bramka policy diff v1.4:policies v1.5:policies --markdown\n\n\
    It tells effects, not text. Exit code 0: nobody can do more than before. 1: somebody can, or conditions changed in\n\
    a way that cannot be compared. A git revision stands for the folder `policies` in it, REV:FOLDER for another.\n\
    Twelve digits or more of a digest stand for a bundle that the gate with that `--data` served (`policy bundles`)."
)]
pub(in crate::cli) struct DiffOf {
    /// The bundle as it is: a folder, the digest of one that a gate served, or a git revision
    old: String,
    /// The bundle as it would be
    new: String,
    /// The data folder of the gate that served it
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Print Markdown, for a pull request
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
}

pub(super) fn run(arguments: &DiffOf) -> Result<Came, VerbError> {
    let (old, new) =
        (Place::of(&arguments.old, &arguments.data)?, Place::of(&arguments.new, &arguments.data)?);
    let (old, new) = (loaded(old.path(), &arguments.old)?, loaded(new.path(), &arguments.new)?);
    let (before, after) = (everyone(&old.snapshot, "old"), everyone(&new.snapshot, "new"));
    let diff = Diff::of((old.snapshot.digest, &before), (new.snapshot.digest, &after));
    let told = Telling { diff: &diff, old: &old.snapshot, new: &new.snapshot };
    if arguments.json {
        out::say(&told.json().to_string());
    } else if arguments.markdown {
        told.markdown().iter().for_each(|line| out::say(line));
    } else {
        told.text(out::colour(&io::stdout())).iter().for_each(|line| out::say(line));
    }
    Ok(if diff.opens() { Came::Wrong } else { Came::Right })
}

fn loaded(path: &Path, named: &str) -> Result<Loaded, VerbError> {
    load(path, SecretsOf::Nobody).map_err(|report| {
        out::note(&format!("`{named}` does not load:"));
        VerbError::Bundle(report)
    })
}

fn everyone(snapshot: &Snapshot, which: &str) -> Vec<Access> {
    let covered = Covered::of(snapshot);
    let many = covered.iter().count();
    let shown = io::stderr().is_terminal() && many > 100;
    let all = access(snapshot, &covered, &|done| {
        if done % 50 == 0 {
            out::progress(shown, &format!("{which}: {done} of {many}"));
        }
    });
    out::progress(shown, "");
    all
}

/// How a diff is told.
struct Telling<'a> {
    diff: &'a Diff,
    old: &'a Snapshot,
    new: &'a Snapshot,
}

impl Telling<'_> {
    fn parts(&self) -> [(&'static str, &[Change], &Snapshot, &'static str); 3] {
        [
            ("gained", &self.diff.gained, self.new, "+"),
            ("lost", &self.diff.lost, self.old, "-"),
            ("under other conditions", &self.diff.unclear, self.new, "?"),
        ]
    }

    fn text(&self, colour: Colour) -> Vec<String> {
        let mut lines = Vec::new();
        for (title, changes, snapshot, sign) in self.parts() {
            for change in changes {
                let head = format!("{sign} {}", headline(change, snapshot, title));
                lines.push(coloured(&head, sign, colour));
                lines.extend(change.fields.iter().map(|field| format!("    {}", field_line(field))));
            }
        }
        if self.diff.is_empty() {
            lines.push("nobody can do more or less than before".to_owned());
        } else {
            lines.push(self.summary());
        }
        lines
    }

    fn markdown(&self) -> Vec<String> {
        let mut lines = vec!["## Access".to_owned(), String::new()];
        if self.diff.is_empty() {
            lines.push("Nobody can do more or less than before.".to_owned());
        }
        for (title, changes, snapshot, _) in self.parts() {
            if changes.is_empty() {
                continue;
            }
            lines.extend([format!("### {}", capital(title)), String::new()]);
            for change in changes {
                lines.push(format!("- {}", marked(&headline(change, snapshot, title))));
                lines.extend(change.fields.iter().map(|field| format!("  - {}", marked(&field_line(field)))));
            }
            lines.push(String::new());
        }
        if !self.diff.is_empty() {
            lines.push(self.summary());
        }
        let (old, new) = &self.diff.bundles;
        lines.extend([String::new(), format!("Bundles `{old}` and `{new}`.")]);
        lines
    }

    fn summary(&self) -> String {
        let [gained, lost, unclear] = self.diff.people();
        format!("{gained} gain, {lost} lose, {unclear} under other conditions")
    }

    fn json(&self) -> Json {
        let field = |field: &FieldChange| {
            json!({
                "field": field.field.as_str(), "class": field.class.as_str(),
                "before": state(field.states.0), "after": state(field.states.1),
            })
        };
        let change = |change: &Change, snapshot: &Snapshot| {
            let about = match &change.subject {
                Subject::Entity(_) => "entity",
                Subject::System(_) => "system",
            };
            json!({
                "who": change.who, about: change.subject.as_str(),
                "systems": systems(&change.subject, snapshot),
                "actions": change.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>(),
                "before": change.surety.0.as_str(), "after": change.surety.1.as_str(),
                "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
            })
        };
        let all = |changes: &[Change], snapshot: &Snapshot| {
            changes.iter().map(|one| change(one, snapshot)).collect::<Vec<_>>()
        };
        json!({
            "old": self.diff.bundles.0.to_string(), "new": self.diff.bundles.1.to_string(),
            "gained": all(&self.diff.gained, self.new), "lost": all(&self.diff.lost, self.old),
            "unclear": all(&self.diff.unclear, self.new),
        })
    }
}

fn headline(change: &Change, snapshot: &Snapshot, title: &str) -> String {
    let who = names(&change.who);
    let actions: Vec<&str> = change.actions.iter().map(|action| action.as_str()).collect();
    let (actions, subject) = (actions.join(", "), change.subject.as_str());
    let on = match (&change.subject, systems(&change.subject, snapshot).join(", ")) {
        (Subject::System(_), _) => String::new(),
        (Subject::Entity(_), systems) => format!(" on {systems}"),
    };
    let surety = match change.surety {
        (before, after) if before == after => String::new(),
        (Surety::Never, after) => format!(" ({})", after.as_str()),
        (before, after) => format!(" ({} → {})", before.as_str(), after.as_str()),
    };
    format!("{title}: {who}: {actions} {subject}{on}{surety}")
}

/// The systems that an entity comes from.
fn systems(subject: &Subject, snapshot: &Snapshot) -> Vec<String> {
    match subject {
        Subject::System(name) => vec![name.to_string()],
        Subject::Entity(name) => {
            let entity = snapshot.schema.entity(name.as_str());
            let sources = entity.and_then(|entity| snapshot.serving(entity));
            sources.into_iter().flat_map(|sources| sources.all()).map(|one| one.name().to_string()).collect()
        }
    }
}

fn field_line(field: &FieldChange) -> String {
    let of = |state: State| match state {
        None => "hidden".to_owned(),
        Some((shown, surety)) => {
            let how = shown.map_or("may change", Openness::as_str);
            if surety == Surety::Depends {
                format!("{how} by record or circumstance")
            } else {
                how.to_owned()
            }
        }
    };
    let class =
        if field.class.is_granted_by_star() { String::new() } else { format!(" ({})", field.class.as_str()) };
    let (before, after) = (of(field.states.0), of(field.states.1));
    if before == after {
        // What changed is what may be filtered by.
        return format!("{}{class}: {after}, filter and sort changed", field.field);
    }
    format!("{}{class}: {before} → {after}", field.field)
}

fn state(state: State) -> Json {
    match state {
        None => Json::Null,
        Some((shown, surety)) => {
            json!({ "shown": shown.map(|shown| shown.as_str()), "surety": surety.as_str() })
        }
    }
}

fn names(who: &[String]) -> String {
    let shown: Vec<&str> = who.iter().take(NAMES_MAX).map(String::as_str).collect();
    match who.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn coloured(text: &str, sign: &str, colour: Colour) -> String {
    let code = match (colour, sign) {
        (Colour::Off, _) => return text.to_owned(),
        (Colour::On, "+") => 31,
        (Colour::On, "-") => 32,
        (Colour::On, _) => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What Markdown would read as its own is text.
pub(super) fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' | '|' | '#') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
