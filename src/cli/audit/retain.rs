//! `bramka audit retain`: puts old entries away as the policies say. A gate does the same by itself, at its start and every
//! hour; this is for looking first, and for a gate that does not run.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Where, patiently, record};
use crate::{
    audit::{
        self, Held, JournalError, JournalKeys, Need, Putting, Retained, RetainedLane, Rule, Wanted,
        WrappingKeys,
    },
    cli::{
        Came,
        error::{VerbError, chain},
        out,
        own::{Data, Record},
    },
    clock,
    config::{self, Colour, GatewaySettings, Placeholders, Report},
    sinks::Needed,
    words::{ByteSize, Period},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka audit retain --dry-run\n  bramka audit retain --data /var/lib/bramka --json\n\n\
    `audit.retention` of the policies says how old and how large the journal may become. Whole segments go, the oldest \
    first, for good; their hashes stay, so that the journal can be verified as before.\n\
    Exit code 0: nothing stays that should go. 1: something does, and it is told why. 2: misused."
)]
pub(in crate::cli) struct Retain {
    /// Only tell what would go, and what would stay although it should
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The folder of the policies, which say what may stay
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(arguments: &Retain) -> Result<Came, VerbError> {
    let settings = settings(&arguments.policies)?;
    let data = Data::existing(&arguments.place.data)?;
    let own = settings.gate.value.as_str();
    if arguments.place.gate.as_deref().is_some_and(|gate| gate != own) {
        let why =
            format!("the policies are those of the gate `{own}`, and say nothing of another one's journal");
        return Err(VerbError::Misused(why));
    }
    let gate = data.gate(Some(own))?;
    let Some(retention) = &settings.audit.retention else {
        let policies = arguments.policies.display();
        let why =
            format!("`gateway.yaml` in `{policies}` says no `audit.retention`: nothing is ever put away");
        return Err(VerbError::NotThere(why));
    };
    let needed = Needed::of(&data.sinks(&gate), &settings.audit.sinks.0).map_err(|error| {
        VerbError::NotThere(format!("it is not known how far the sinks are: {}", chain(&error)))
    })?;
    let needs = |lane: &str| {
        let (sink, from) = needed.slowest(lane)?;
        Some(Need { from, by: format!("the sink `{sink}`") })
    };
    let index = data.index();
    let wanted = Wanted { rule: retention.rule(), needs: &needs, index: Some(&index) };
    let done = match arguments.dry_run {
        true => looked(&data, &gate, &wanted, &arguments.place.wrapping(&data)).await?,
        false => put_away(&data, &gate, &wanted).await?,
    };
    let telling = Telling { gate: &gate, rule: wanted.rule, done: &done, was_done: !arguments.dry_run };
    match arguments.json {
        true => out::say(&telling.json().to_string()),
        false => telling.lines(out::colour(&io::stdout())).iter().for_each(|line| out::say(line)),
    }
    let stays = done.is_busy || done.over > 0 || done.held().next().is_some();
    Ok(if stays { Came::Wrong } else { Came::Right })
}

/// The gate's own settings; systems, their secrets and statements are not looked at.
fn settings(policies: &Path) -> Result<GatewaySettings, VerbError> {
    let raw = config::load(policies, &Placeholders).map_err(VerbError::Bundle)?;
    match raw.gateway {
        Some(gateway) if !raw.found.has_errors() => Ok(gateway),
        Some(_) | None => Err(VerbError::Bundle(Report::new(raw.files, raw.found))),
    }
}

async fn looked(
    data: &Data,
    gate: &str,
    wanted: &Wanted<'_>,
    wrapping: &WrappingKeys,
) -> Result<Retained, VerbError> {
    let key = JournalKeys::read_public(&data.journal_keys())?;
    // ORDER: the entry of this reading before what is read.
    record(data, gate, "what would be put away").await;
    let directory = data.audit().join(gate);
    let keys = (&key, wrapping);
    watched(|putting| audit::find_retainable(&directory, keys, wanted, clock::now().wall, putting))
}

async fn put_away(data: &Data, gate: &str, wanted: &Wanted<'_>) -> Result<Retained, VerbError> {
    if !data.has_journal_keys() {
        let why = "the journal's keys are not here: nothing is put away that the journal cannot say";
        return Err(VerbError::NotThere(why.into()));
    }
    // ORDER: before anything is opened, which would write to somebody's evidence.
    data.check_own(gate)?;
    let Some(store) = data.store()? else { return Err(VerbError::NotThere("there is no store".into())) };
    let own = Record::open(data, gate, clock::now())?;
    let done = watched(|putting| own.retain(wanted, putting));
    own.close(&store).await?;
    done
}

/// Does it, and says on a terminal how far it is.
fn watched(
    work: impl FnOnce(&Putting) -> Result<Retained, JournalError> + Send,
) -> Result<Retained, VerbError> {
    let putting = Putting::default();
    patiently(
        || work(&putting),
        |seconds| {
            let (read, gone) = (&putting.read, &putting.put_away);
            let (read, gone) = (read.load(Ordering::Relaxed), gone.load(Ordering::Relaxed));
            format!("{read} entries read, {gone} put away, {seconds} s so far")
        },
    )
}

/// What is told.
struct Telling<'a> {
    gate: &'a str,
    rule: Rule,
    done: &'a Retained,
    was_done: bool,
}

impl Telling<'_> {
    fn lines(&self, colour: Colour) -> Vec<String> {
        if self.done.is_busy {
            return vec![painted("another process is putting entries away", 33, colour)];
        }
        let verb = if self.was_done { "put away" } else { "to put away" };
        let mut lines = Vec::new();
        for RetainedLane { lane, gone, held, .. } in &self.done.lanes {
            if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
                let (from, until) = (out::moment(first.from), out::moment(last.until));
                let count = last.to.saturating_sub(first.first);
                let freed: u64 = gone.iter().map(|gone| gone.bytes).sum();
                let (entries, segments) =
                    (counted(count, "entry", "entries"), counted(gone.len() as u64, "segment", "segments"));
                lines.push(format!(
                    "lane {lane}: {entries} {verb}, {from} to {until}, {segments}, {} (`{}`)",
                    size(freed),
                    last.rule
                ));
            }
            if let Some(Held { first, to, why }) = held {
                let stays =
                    format!("lane {lane}: entries {first} to before {to} stay, and those after them: {why}");
                lines.push(painted(&stays, 33, colour));
            }
        }
        if self.done.entries() == 0 {
            lines.push(format!("nothing {verb}"));
        }
        let oldest =
            self.done.oldest().map(|oldest| format!(", its oldest entry of {}", out::moment(oldest)));
        lines.push(format!("the journal: {}{}", size(self.done.bytes), oldest.unwrap_or_default()));
        if self.done.over > 0 {
            let over =
                format!("it is {} larger than it may be, and no more of it can go", size(self.done.over));
            lines.push(painted(&over, 31, colour));
        }
        lines
    }

    fn json(&self) -> Json {
        let lane = |lane: &RetainedLane| {
            let gone = lane.gone.iter().map(|gone| {
                json!({ "first": gone.first, "to": gone.to, "from": gone.from.to_string(),
                    "until": gone.until.to_string(), "rule": gone.rule, "bytes": gone.bytes })
            });
            let held = lane
                .held
                .as_ref()
                .map(|held| json!({ "first": held.first, "to": held.to, "why": held.why.to_string() }));
            json!({ "lane": lane.lane, "put_away": gone.collect::<Vec<_>>(), "held": held,
                "oldest": lane.oldest.map(|at: Timestamp| at.to_string()) })
        };
        json!({
            "gate": self.gate,
            // false: what is told would go.
            "done": self.was_done && !self.done.is_busy,
            "rule": { "age": self.rule.age.map(|age| Period(age).to_string()),
                "size": self.rule.size.map(|size| ByteSize(size).to_string()) },
            "entries": self.done.entries(), "bytes": self.done.bytes, "over": self.done.over,
            "busy": self.done.is_busy, "lanes": self.done.lanes.iter().map(lane).collect::<Vec<_>>(),
        })
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// As people read it.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

fn painted(text: &str, shade: u8, colour: Colour) -> String {
    match colour {
        Colour::On => format!("\u{1b}[{shade}m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}
