//! `bramka audit search`: the newest entries of somebody, of a record, under a statement, with an outcome or in a time, and
//! those that come.

use clap::Args;
use jiff::Timestamp;

use super::{
    gone_words,
    looking::{Looking, Place},
    named::{Whose, whose},
    tail::{Followed, LOOK_EVERY, show},
    when::past,
};
use crate::{
    admin::Entry,
    audit::{Decision, JournalKeys, LaneRead, Query},
    cli::{Came, error::VerbError, out},
};

/// LIMIT: entries shown at once.
const COUNT_MAX: usize = 100_000;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit search --principal App/crm-sync --since 1d\n  \
    bramka audit search --record Customer/42 --decision refused\n  \
    bramka audit search --statement partners-read-own-orders --since 2026-01-01 --until 2026-02-01 -n 1000 --json\n  \
    bramka audit search --request 6f1d0c…\n  bramka audit search --decision refused --follow\n\n\
    Exit code 0: something was found. 1: nothing was, or some of the journal could not be read. 2: misused.")]
pub(in crate::cli) struct Search {
    /// Who asked: App/id, Partner/id (a principal, or the organisation it is of) or User/id
    #[arg(long, value_name = "KIND/ID", value_parser = whose)]
    principal: Option<Whose>,
    /// A record that was looked at, shown or changed, or whose data was shown: Entity/id
    #[arg(long, value_name = "ENTITY/ID", value_parser = whose)]
    record: Option<Whose>,
    /// A statement that decided, by its id
    #[arg(long, value_name = "ID")]
    statement: Option<String>,
    /// `allowed`, `refused`, or the reason of a refusal, as in `forbidden`
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// The answer's status: 404, or 4xx for a hundred of them
    #[arg(long, value_name = "STATUS", value_parser = statuses)]
    status: Option<(u16, u16)>,
    /// A credential, by its id, as in `bramka token list`
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// One exchange, by its `X-Request-Id`
    #[arg(long, value_name = "ID", value_parser = exchange)]
    request: Option<String>,
    /// What was done: list, read, create, update, delete, call
    #[arg(long)]
    action: Option<String>,
    /// The entity or the system it was done to
    #[arg(long)]
    target: Option<String>,
    /// An administrative act, as in `erase` or `journal-read`
    #[arg(long)]
    act: Option<String>,
    /// Only what came since then: a day, a moment, or how long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only what came before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// How many, the newest
    #[arg(short = 'n', long, default_value_t = 100)]
    count: usize,
    /// Go on with what comes
    #[arg(long, conflicts_with = "until")]
    follow: bool,
    /// Print each entry as it stands in the journal: JSON, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &Search) -> Result<Came, VerbError> {
    let looking = Looking::open(&arguments.place)?;
    let query = arguments.query(&looking.keys);
    // ORDER: the entry of this reading before what is read.
    looking.record(&arguments.words(&query)).await;
    let directory = looking.data.audit().join(&looking.gate);
    // What comes meanwhile is not lost: it is followed from here on.
    let mut followed = match arguments.follow {
        true => Some(Followed::begin(&directory, looking.keys.wrapping())?),
        false => None,
    };
    let count = arguments.count.min(COUNT_MAX);
    let (found, faults, read) = looking.ask(|index| {
        let read: Vec<LaneRead> = index.lanes().cloned().collect();
        Ok((index.newest(&query, count)?, index.faults().to_vec(), read))
    })?;
    let none = found.hits.is_empty();
    for hit in found.hits {
        show(&Entry::new(&hit.lane, hit.line), arguments.json);
    }
    for fault in &faults {
        out::note(&format!("not all of the journal could be read: {}: {}", fault.place, fault.what));
    }
    for lane in &read {
        if let Some(gone) = lane.put_away.as_ref().filter(|gone| gone.is_since(query.since)) {
            out::note(&gone_words(&lane.lane, gone));
        }
    }
    if found.more {
        out::note(&format!(
            "these are the newest {count}; there are older ones: `-n` and `--until` show them"
        ));
    }
    let Some(followed) = &mut followed else {
        if none {
            out::note("no such entry");
        }
        return Ok(if none || !faults.is_empty() { Came::Wrong } else { Came::Right });
    };
    loop {
        for entry in followed.more(&directory)? {
            let known = read.iter().find(|lane| lane.lane == entry.lane).map_or(0, |lane| lane.to);
            if entry.line.sequence >= known && query.is(&entry.line) {
                show(&entry, arguments.json);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Search {
    fn query(&self, keys: &JournalKeys) -> Query {
        let digest = |whose: &Whose| keys.digest(&whose.kind, &whose.id);
        let decision = self.decision.as_deref().map(|decision| match decision {
            "allowed" => Decision::Allowed,
            "refused" => Decision::Refused,
            reason => Decision::Reason(reason.to_owned()),
        });
        Query {
            principal: self.principal.as_ref().map(digest),
            record: self.record.as_ref().map(digest),
            statement: self.statement.clone(),
            decision,
            status: self.status,
            credential: self.credential.clone(),
            request: self.request.clone(),
            action: self.action.clone(),
            target: self.target.clone(),
            act: self.act.clone(),
            since: self.since,
            until: self.until,
            beyond: false,
        }
    }

    /// What the entry of this reading says: ids of people and records by their digests alone.
    fn words(&self, query: &Query) -> String {
        let digests = [("principal", query.principal), ("record", query.record)];
        let digests = digests.into_iter().filter_map(|(name, digest)| Some(format!("{name} {}", digest?)));
        let texts = [
            ("statement", &self.statement),
            ("decision", &self.decision),
            ("credential", &self.credential),
            ("request", &self.request),
            ("action", &self.action),
            ("target", &self.target),
            ("act", &self.act),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?)));
        let times = [("since", self.since), ("until", self.until)];
        let times = times.into_iter().filter_map(|(name, time)| Some(format!("{name} {}", time?)));
        let followed = self.follow.then(|| "followed".to_owned());
        let all: Vec<String> = digests.chain(texts).chain(times).chain(followed).collect();
        format!("search: {}", if all.is_empty() { "anything".to_owned() } else { all.join(", ") })
    }
}

/// The id of an exchange, as answers and entries have it.
fn exchange(text: &str) -> Result<String, String> {
    let id: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id).ok_or_else(|| "expected the 32 hex digits of an `X-Request-Id`".to_owned())
}

/// `404`, or `4xx`.
fn statuses(text: &str) -> Result<(u16, u16), String> {
    let hundred = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
    let found = match hundred {
        Some(digit @ 1..=5) => Some((digit * 100, digit * 100 + 99)),
        Some(_) => None,
        None => text.parse().ok().filter(|status| (100..600).contains(status)).map(|status| (status, status)),
    };
    found.ok_or_else(|| "expected a status, as in 404 or 4xx".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_goes_by_all_of_its_id() {
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(exchange("00112233-4455-6677-8899-AABBCCDDEEFF").as_deref(), Ok(id));
        for wrong in ["", "0011", "g0112233445566778899aabbccddeeff"] {
            assert!(exchange(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_one_or_a_hundred() {
        assert_eq!(statuses("404"), Ok((404, 404)));
        assert_eq!(statuses("4xx"), Ok((400, 499)));
        for wrong in ["", "4", "4x", "9xx", "xx", "600", "-1"] {
            assert!(statuses(wrong).is_err(), "{wrong}");
        }
    }
}
