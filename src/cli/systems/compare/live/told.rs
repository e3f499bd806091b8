//! What came of laying two systems side by side, for a person and for a program.

use std::collections::{BTreeMap, HashSet};

use compact_str::CompactString;
use serde_json::{Value as Json, json};

use super::{
    differ::{Difference, How},
    pairs::Left,
    side::Taken,
};
use crate::{
    cli::{out, systems::trial::Paint},
    mapping::Inward,
    words::SystemName,
};

/// LIMIT: records that a person is told of; `--json` tells of all.
const RECORDS_TOLD_MAX: usize = 50;
/// LIMIT: keys in one line.
const KEYS_TOLD_MAX: usize = 20;

/// Everything.
#[derive(Debug)]
pub(in crate::cli::systems::compare) struct Compared {
    pub(super) names: [SystemName; 2],
    pub(super) collection: String,
    /// By what records were paired.
    pub(super) keys: Vec<String>,
    /// Which fields were compared.
    pub(super) fields: Vec<String>,
    pub(super) seen: [Seen; 2],
    pub(super) pairs: Vec<Pair>,
}

/// The same record in both.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) old: CompactString,
    pub(super) new: CompactString,
    pub(super) differences: Vec<Difference>,
}

/// One side: those of its records that have no counterpart, by their keys there.
#[derive(Debug, Default)]
pub(super) struct Seen {
    records: usize,
    is_whole: bool,
    unfit: usize,
    only: Vec<CompactString>,
    unknown: Vec<CompactString>,
    ambiguous: Vec<CompactString>,
    unkeyed: Vec<CompactString>,
}

impl Seen {
    /// Of those without a counterpart it is known that the other system has none where `known` has their places.
    pub(super) fn of(taken: &Taken, left: &Left, known: &HashSet<usize>) -> Self {
        let id = |at: &usize| taken.rows.get(*at).map(|row: &Inward| row.id.clone());
        let ids = |places: &[usize]| places.iter().filter_map(id).collect::<Vec<_>>();
        let (only, unknown): (Vec<usize>, Vec<usize>) = left.alone.iter().partition(|at| known.contains(at));
        Self {
            records: taken.rows.len(),
            is_whole: taken.is_whole,
            unfit: taken.unfit,
            only: ids(&only),
            unknown: ids(&unknown),
            ambiguous: ids(&left.ambiguous),
            unkeyed: ids(&left.unkeyed),
        }
    }

    fn parts(&self) -> [(&'static str, &[CompactString]); 4] {
        [
            ("only there", &self.only),
            ("perhaps only there: the other was not read to its end", &self.unknown),
            ("share a key with others", &self.ambiguous),
            ("have no key", &self.unkeyed),
        ]
    }

    fn is_matched(&self) -> bool {
        self.unfit == 0 && self.parts().iter().all(|(_, ids)| ids.is_empty())
    }

    fn as_json(&self) -> Json {
        let ids = |ids: &[CompactString]| Json::from_iter(ids.iter().map(CompactString::as_str));
        json!({
            "records": self.records, "whole": self.is_whole, "unfit": self.unfit,
            "only": ids(&self.only), "unknown": ids(&self.unknown),
            "ambiguous": ids(&self.ambiguous), "unkeyed": ids(&self.unkeyed),
        })
    }
}

impl Compared {
    /// Whether every record that was looked at has its counterpart, and says the same.
    pub(in crate::cli::systems::compare) fn is_same(&self) -> bool {
        self.seen.iter().all(Seen::is_matched) && self.pairs.iter().all(|pair| pair.differences.is_empty())
    }

    fn same(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.differences.is_empty()).count()
    }

    /// Fields that differ, with how often in which way.
    fn by_field(&self) -> BTreeMap<&str, BTreeMap<How, usize>> {
        let mut fields: BTreeMap<&str, BTreeMap<How, usize>> = BTreeMap::new();
        for difference in self.pairs.iter().flat_map(|pair| &pair.differences) {
            let count = fields.entry(&difference.field).or_default().entry(difference.how).or_default();
            *count += 1;
        }
        fields
    }

    /// A line `old key,new key` for each record that both have (RFC 4180).
    pub(super) fn keys_of_pairs(&self) -> String {
        let field = |key: &str| match key.contains([',', '"', '\r', '\n']) {
            true => format!("\"{}\"", key.replace('"', "\"\"")),
            false => key.to_owned(),
        };
        let mut text = String::new();
        for pair in &self.pairs {
            text.push_str(&format!("{},{}\n", field(&pair.old), field(&pair.new)));
        }
        text
    }

    /// For a person.
    pub(in crate::cli::systems::compare) fn say(&self, paint: &Paint) {
        out::say(&paint.head(&format!("records, paired by {}", self.keys.join(", "))));
        for (name, seen) in self.names.iter().zip(&self.seen) {
            let end = if seen.is_whole { "" } else { "; it has more" };
            out::say(&format!("  {name}: {} were looked at{end}", seen.records));
            for (what, ids) in seen.parts().into_iter().filter(|(_, ids)| !ids.is_empty()) {
                let told: Vec<&str> = ids.iter().take(KEYS_TOLD_MAX).map(CompactString::as_str).collect();
                let more = if ids.len() > told.len() { ", …" } else { "" };
                out::say(&paint.bad(&format!("    {} {what}: {}{more}", ids.len(), told.join(", "))));
            }
            if seen.unfit > 0 {
                out::say(&paint.bad(&format!("    {} rows are no records", seen.unfit)));
            }
        }
        out::say(&format!("  both have {}, of which {} are the same", self.pairs.len(), self.same()));
        let fields = self.by_field();
        if !fields.is_empty() {
            out::say(&paint.head("fields that differ"));
        }
        for (field, hows) in &fields {
            let hows: Vec<String> =
                hows.iter().map(|(how, count)| format!("{count} {}", how.as_str())).collect();
            out::say(&format!("  {field}: {}", hows.join(", ")));
        }
        self.say_records(paint);
    }

    fn say_records(&self, paint: &Paint) {
        let differing = || self.pairs.iter().filter(|pair| !pair.differences.is_empty());
        let count = differing().count();
        if count > 0 {
            out::say(&paint.head("records that differ"));
        }
        let value = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        for pair in differing().take(RECORDS_TOLD_MAX) {
            out::say(&format!("  {} → {}", pair.old, pair.new));
            for Difference { field, how, old, new } in &pair.differences {
                let line = format!("    {field}: {} → {} ({})", value(old), value(new), how.as_str());
                out::say(&match how {
                    How::Missing => paint.bad(&line),
                    How::Added => paint.added(&line),
                    How::Case | How::Signs | How::Items | How::Value => paint.changed(&line),
                });
            }
        }
        if count > RECORDS_TOLD_MAX {
            out::say(&format!("  and {} more; `--json` tells of all", count - RECORDS_TOLD_MAX));
        }
    }

    /// For a program.
    pub(in crate::cli::systems::compare) fn as_json(&self) -> Json {
        let difference = |one: &Difference| json!({ "field": one.field, "how": one.how.as_str(), "old": one.old, "new": one.new });
        let pairs = self.pairs.iter().filter(|pair| !pair.differences.is_empty()).map(|pair| {
            json!({
                "old": pair.old.as_str(), "new": pair.new.as_str(),
                "differences": pair.differences.iter().map(difference).collect::<Vec<_>>(),
            })
        });
        let fields = self.by_field().into_iter().map(|(field, hows)| {
            let hows: serde_json::Map<String, Json> =
                hows.into_iter().map(|(how, count)| (how.as_str().to_owned(), count.into())).collect();
            json!({ "field": field, "differ": hows })
        });
        let [old, new] = &self.seen;
        json!({
            "collection": self.collection, "keys": self.keys, "compared": self.fields,
            "old": old.as_json(), "new": new.as_json(),
            "paired": self.pairs.len(), "same": self.same(),
            "fields": fields.collect::<Vec<_>>(), "records": pairs.collect::<Vec<_>>(),
        })
    }
}
