//! `bramka audit tail`: the last entries of all lanes by time, and those that come.

use std::{borrow::Cow, path::Path, time::Duration};

use clap::Args;
use serde::Deserialize;

use super::{Where, record};
use crate::{
    admin::{Entry, in_time, last},
    audit::{Beside, Follow, JournalError, WrappingKeys, lanes},
    cli::{Came, error::VerbError, out, own::Data},
};

/// LIMIT: entries shown at once.
const COUNT_MAX: usize = 100_000;
/// Entries taken at one look while following.
const MORE_MAX: usize = 1_000;
/// How often it is looked for more.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit tail -n 50\n  bramka audit tail --follow --json | jq .act")]
pub(in crate::cli) struct Tail {
    /// How many entries
    #[arg(short = 'n', long, default_value_t = 20)]
    count: usize,
    /// Go on with what comes
    #[arg(long)]
    follow: bool,
    /// Print each entry as it stands in the journal: JSON, a line each, with `"beside":"erased"` where that is so
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(arguments: &Tail) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.gate(arguments.place.gate.as_deref())?;
    let count = arguments.count.min(COUNT_MAX);
    // ORDER: the entry of this reading before what is read.
    record(&data, &gate, &format!("tail of {count}{}", if arguments.follow { ", followed" } else { "" }))
        .await;
    let directory = data.audit().join(&gate);
    let wrapping = arguments.place.wrapping(&data);
    let followed = match arguments.follow {
        true => Some(Followed::begin(&directory, &wrapping)?),
        false => None,
    };
    for entry in last(&directory, count, &wrapping)? {
        show(&entry, arguments.json);
    }
    let Some(mut followed) = followed else { return Ok(Came::Right) };
    loop {
        for entry in followed.more(&directory)? {
            show(&entry, arguments.json);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The lanes that are followed.
pub(super) struct Followed {
    lanes: Vec<(String, Follow)>,
    keys: WrappingKeys,
}

impl Followed {
    pub(super) fn begin(directory: &Path, keys: &WrappingKeys) -> Result<Self, JournalError> {
        let mut followed = Self { lanes: Vec::new(), keys: keys.clone() };
        followed.find(directory)?;
        Ok(followed)
    }

    fn find(&mut self, directory: &Path) -> Result<(), JournalError> {
        for lane in lanes(directory)? {
            if !self.lanes.iter().any(|(known, _)| *known == lane) {
                let follow = Follow::from_end(&directory.join(&lane), &self.keys)?;
                self.lanes.push((lane, follow));
            }
        }
        Ok(())
    }

    pub(super) fn more(&mut self, directory: &Path) -> Result<Vec<Entry>, JournalError> {
        self.find(directory)?;
        let mut all = Vec::new();
        for (lane, follow) in &mut self.lanes {
            all.extend(follow.more(MORE_MAX)?.into_iter().map(|line| Entry::new(lane, line)));
        }
        in_time(&mut all);
        Ok(all)
    }
}

/// What a line for people says of an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    at: String,
    kind: String,
    request: String,
    method: String,
    path: String,
    action: String,
    target: String,
    write: String,
    entity: String,
    status: Option<u16>,
    refusal: String,
    reason: String,
    ended: String,
    act: String,
    by: String,
    details: Vec<Vec<String>>,
    subject: String,
    erased: Vec<String>,
    who: Option<Who>,
    exchanges: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Who {
    kind: String,
    id: String,
}

/// Shows an entry: a line for people, or JSON.
pub(super) fn show(entry: &Entry, json: bool) {
    let leaf = entry.line.leaf();
    match (json, entry.line.beside()) {
        (true, beside) => out::say(&in_json(leaf, beside)),
        (false, beside) => {
            let told = told(leaf);
            let erased = match beside {
                Beside::Erased => ", and what stood beside it is erased",
                Beside::Sealed(_) | Beside::Nothing => "",
            };
            out::say(&format!("{} {}:{} {}{erased}", told.at, entry.lane, entry.line.sequence, told.words()));
        }
    }
}

/// The leaf as it stands. What was erased no leaf says of itself, so a last field is added.
fn in_json<'l>(leaf: &'l str, beside: Beside<'_>) -> Cow<'l, str> {
    match (beside, leaf.strip_suffix('}')) {
        (Beside::Erased, Some(open)) => format!("{open},\"beside\":\"erased\"}}").into(),
        (Beside::Erased | Beside::Sealed(_) | Beside::Nothing, _) => leaf.into(),
    }
}

/// What is not told in this form stays out of the line; the entry as it stands is `--json`.
fn told(leaf: &str) -> Told {
    serde_json::from_str(leaf).unwrap_or_default()
}

impl Told {
    fn words(&self) -> String {
        let mut words = vec![self.kind.clone()];
        let mut word = |text: &str| {
            if !text.is_empty() {
                words.push(text.to_owned());
            }
        };
        word(&self.act);
        if !self.by.is_empty() {
            word(&format!("by {}", self.by));
        }
        for pair in &self.details {
            word(&pair.join("="));
        }
        if !self.subject.is_empty() {
            word(&format!("of {}", self.subject));
        }
        if !self.erased.is_empty() {
            word(&format!("{} entries", self.erased.len()));
        }
        match (self.action.is_empty(), self.write.is_empty()) {
            (false, _) => word(&format!("{} {}", self.action, self.target)),
            (true, false) => word(&format!("{} {}", self.write, self.entity)),
            (true, true) => word(format!("{} {}", self.method, self.path).trim()),
        }
        if let Some(who) = &self.who {
            word(&format!("who {}/{}", who.kind, who.id));
        }
        if let Some(status) = self.status {
            word(&status.to_string());
        }
        for (name, value) in [("refused", &self.refusal), ("reason", &self.reason), ("ended", &self.ended)] {
            if !value.is_empty() {
                word(&format!("{name} {value}"));
            }
        }
        if let Some(count) = self.exchanges {
            word(&format!("{count} exchanges"));
        }
        word(&self.request);
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_for_people() {
        let act = r#"{"kind":"administrative","at":"2026-05-05T12:00:00Z","act":"journal-read","by":"ola","details":[["what","tail"]]}"#;
        assert_eq!(told(act).words(), "administrative journal-read by ola what=tail");
        let answer = r#"{"kind":"answer","request":"00ff","action":"read","target":"Order","status":404,"refusal":"no_such_record","who":{"kind":"App","id":"ab"}}"#;
        assert_eq!(told(answer).words(), "answer read Order who App/ab 404 refused no_such_record 00ff");
        let erase =
            r#"{"kind":"administrative","act":"erase","by":"ola","subject":"ab","erased":["0:1","0:7"]}"#;
        assert_eq!(told(erase).words(), "administrative erase by ola of ab 2 entries");
        assert_eq!(told("{").words(), "");
    }
}
