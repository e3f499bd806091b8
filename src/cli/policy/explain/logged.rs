//! A request that was made, as the journal has it, and what each statement has to do with it: station by station.

use serde_json::{Value as Json, json};

use super::Explain;
use crate::{
    audit::{Line, Query},
    cli::{
        Came,
        audit::{
            looking::{Looking, Place},
            tell_gone,
        },
        error::VerbError,
        out, own,
        policy::replay::naming,
        serve,
    },
    replay::{Bundle, KeptByDigest, Replay, Which},
    words::Digest,
};

/// LIMIT: entries of one exchange that are told.
const ENTRIES_MAX: usize = 16;

pub(super) fn run(request: &str, arguments: &Explain) -> Result<Came, VerbError> {
    let looking = Looking::open(&Place::of(&arguments.data))?;
    // ORDER: the entry of this reading before what is read.
    own::runtime()?.block_on(looking.record(&format!("explanation of the exchange {request}")));
    let query = Query { request: Some(request.to_owned()), ..Query::default() };
    let hits = looking.ask(|index| index.newest(&query, ENTRIES_MAX))?.hits;
    if hits.is_empty() {
        tell_gone(&looking.data.audit().join(&looking.gate), None)?;
        let told = format!("the journal has no exchange `{}`", out::escaped(request));
        return Err(VerbError::NotThere(told));
    }
    let policies = &arguments.place.policies;
    let kept =
        KeptByDigest::of(&arguments.data, &serve::base(policies), naming(&looking.data, &looking.gate)?);
    let mut all = Vec::new();
    for hit in &hits {
        all.push(Station::of(&hit.lane, &hit.line, &looking, &kept, arguments)?);
    }
    if arguments.json {
        out::say(&Json::from(all.iter().map(Station::json).collect::<Vec<_>>()).to_string());
    } else {
        all.iter().flat_map(Station::lines).for_each(|line| out::say(&line));
    }
    Ok(Came::Right)
}

/// One entry of the exchange.
struct Station {
    place: String,
    entry: Json,
    /// Who asked and what every statement has to do with it; or why that cannot be told.
    why: Result<Option<(String, crate::policy::Explanation)>, String>,
    /// Whether it is told by the bundle that decided; else by that of `--policies`.
    by_the_same: bool,
}

impl Station {
    fn of(
        lane: &str,
        line: &Line,
        looking: &Looking,
        kept: &KeptByDigest,
        arguments: &Explain,
    ) -> Result<Self, VerbError> {
        let entry: Json = serde_json::from_str(line.leaf()).unwrap_or_default();
        let digest =
            |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Digest);
        let then =
            entry.get("bundle").and_then(Json::as_str).and_then(digest).and_then(|digest| kept.find(digest));
        let by_the_same = then.is_some();
        let policies = &arguments.place.policies;
        let bundle = match &then {
            Some(_) => None,
            None => {
                Some(Bundle::load(policies, &serve::base(policies), kept.ids()).map_err(VerbError::Bundle)?)
            }
        };
        let bundle = then.as_deref().or(bundle.as_ref());
        let find = |digest| kept.find(digest);
        let why = match bundle {
            Some(bundle) => Replay::under(bundle, &looking.keys, &find, Which::default())
                .explained(line)
                .map_err(|reason| reason.as_str().to_owned()),
            None => Ok(None),
        };
        Ok(Self { place: format!("{lane}:{}", line.sequence), entry, why, by_the_same })
    }

    fn lines(&self) -> Vec<String> {
        let text = |key: &str| match self.entry.get(key)? {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let said = |key: &str| text(key).unwrap_or_else(|| "-".to_owned());
        let mut lines = vec![format!("{} {} {}", said("kind"), self.place, said("at"))];
        let who = match &self.why {
            Ok(Some((who, _))) => Some(out::escaped(who)),
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

    fn json(&self) -> Json {
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
