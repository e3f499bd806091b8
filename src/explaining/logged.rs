//! A request that was made, as the journal has it, and what each statement has to do with it: station by station.

use serde_json::{Value as Json, json};

use crate::{
    audit::{JournalKeys, Line},
    config::Snapshot,
    policy::Explanation,
    replay::{self, Kept},
    words::Digest,
};

/// LIMIT: entries of one exchange that are told.
pub(crate) const ENTRIES_MAX: usize = 16;

/// The bundle that an entry names.
pub(crate) fn bundle_of(line: &Line) -> Option<Digest> {
    let entry: Json = serde_json::from_str(line.leaf()).ok()?;
    let bytes = data_encoding::HEXLOWER.decode(entry.get("bundle")?.as_str()?.as_bytes()).ok()?;
    bytes.try_into().ok().map(Digest)
}

/// One entry of the exchange.
pub(crate) struct Station {
    place: String,
    entry: Json,
    /// Who asked and what every statement has to do with it; or why that cannot be told.
    why: Result<Option<(String, Explanation)>, String>,
    /// Whether it is told by the bundle that decided; else by the one at hand.
    by_the_same: bool,
}

impl Station {
    /// Of an entry of a lane: by the bundle that decided, where that is the one at hand or one that is kept, else by the
    /// one at hand.
    pub(crate) fn of(
        (lane, line): (&str, &Line),
        here: Option<&Snapshot>,
        keys: &JournalKeys,
        kept: Kept<'_>,
    ) -> Self {
        let named = bundle_of(line);
        let here_too = here.filter(|here| Some(here.digest) == named);
        let then = if here_too.is_some() { None } else { named.and_then(kept) };
        let by = here_too.or(then.as_deref().map(|then| &then.snapshot));
        let why = by.or(here).map_or(Ok(None), |by| {
            replay::explained(by, keys, kept, line).map_err(|reason| reason.as_str().to_owned())
        });
        let entry = serde_json::from_str(line.leaf()).unwrap_or_default();
        Self { place: format!("{lane}:{}", line.sequence), entry, why, by_the_same: by.is_some() }
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = |key: &str| match self.entry.get(key)? {
            Json::Null => None,
            Json::String(text) => Some(plain(text)),
            other => Some(other.to_string()),
        };
        let said = |key: &str| text(key).unwrap_or_else(|| "-".to_owned());
        let mut lines = vec![format!("{} {} {}", said("kind"), self.place, said("at"))];
        let who = match &self.why {
            Ok(Some((who, _))) => Some(plain(who)),
            Ok(None) | Err(_) => None,
        };
        let stations = [
            ("came by", text("listener").map(|listener| format!("{listener}, TLS {}", said("tls")))),
            ("identified", text("credential").map(|sort| format!("{} by {sort}", who.unwrap_or_default()))),
            ("asked for", text("action").map(|action| format!("{action} {}", said("target")))),
            ("charged to", text("plans")),
            ("decided by", text("decided")),
            ("refused as", text("refusal")),
            ("systems", text("systems")),
            ("shown", text("shown")),
            ("notes", text("notes")),
            ("answered", text("status").map(|status| format!("{status} in {} us", said("micros")))),
        ];
        for (what, told) in stations {
            lines.extend(told.map(|told| format!("  {what}: {told}")));
        }
        match &self.why {
            Ok(Some((_, explanation))) => {
                let by = match self.by_the_same {
                    true => "by the bundle that decided",
                    false => "by the policies here, for those that decided are not kept",
                };
                lines.push(format!("  before any record, {by}:"));
                lines.extend(explanation.to_string().lines().map(|line| format!("  {line}")));
            }
            Ok(None) => {}
            Err(reason) => {
                lines.push(format!("  what each statement had to do with it cannot be told: {reason}"))
            }
        }
        lines
    }

    /// For programs.
    pub(crate) fn json(&self) -> Json {
        let (who, explanation, why_not) = match &self.why {
            Ok(Some((who, explanation))) => (Some(who), Some(explanation.to_json()), None),
            Ok(None) => (None, None, None),
            Err(reason) => (None, None, Some(reason)),
        };
        json!({
            "place": self.place,
            "entry": self.entry,
            "who": who,
            "by_the_bundle_that_decided": self.by_the_same,
            "explanation": explanation,
            "why_not": why_not,
        })
    }
}

/// What a terminal would take for an order is spelt out.
fn plain(text: &str) -> String {
    let spelt = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spelt).collect()
}
