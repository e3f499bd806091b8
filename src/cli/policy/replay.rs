//! `bramka policy replay`: what the journal's decisions come to under another bundle.

mod telling;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;

use super::diff::revision::Place;
use crate::{
    audit::JournalKeys,
    cli::{
        Came,
        audit::{gone_of_gate, record, tell_gone, when::past},
        error::{VerbError, chain},
        out,
        own::{self, Data},
        serve,
    },
    clock,
    config::{self, Placeholders},
    crosswalk::{Crosswalk, Given, MadeUp},
    explaining::principal,
    replay::{Bundle, Failed, KeptByDigest, Names, Progress, Replay, Sum, Unread, Which},
    words::{Digest, Kind, PrincipalId},
};
use telling::Telling;

/// Threads that decide.
const THREADS: usize = 2;
/// LIMIT: entries of each lane that `--limit` may ask for: they are held in memory.
const LIMIT_MAX: usize = 100_000;
/// How often is said how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka policy replay --bundle policies --data data --since 7d\n  \
    bramka policy replay --bundle HEAD:policies --data data --since 7d --markdown\n  \
    bramka policy replay --bundle policies --principal Partner/acme --json\n\n\
    Each entry is decided again on what it holds. What it does not hold, and what matters, is counted as what cannot be\n\
    told, with the reason. Limits that are used up, and what other mappings make of answers, are told beside live traffic\n\
    only: `shadow` of gateway.yaml. Exit code 0: nothing would change, as far as can be told. 1: something would. 2: it could\n\
    not be run, or not all of the journal could be read.")]
pub(in crate::cli) struct ReplayOf {
    /// The other bundle: a folder, the digest of one that a gate served, or a git revision
    #[arg(long, value_name = "NEW", required_unless_present = "shadow")]
    bundle: Option<String>,
    /// The bundle that `shadow` of gateway.yaml names
    #[arg(long, conflicts_with = "bundle")]
    shadow: bool,
    /// The folder of the policies that serve, whose gateway.yaml is looked at for `--shadow`
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// The data folder of the gate: its journal, the journal's keys and the bundles that served
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Which gate's journal, where the folder holds several
    #[arg(long)]
    gate: Option<String>,
    /// Only what came since then: a day, a moment, or how long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only what came before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// Only what one principal asked, or the organisation it is of: App/id, Partner/id or User/id
    #[arg(long, value_name = "KIND/ID", value_parser = principal)]
    principal: Option<(Kind, PrincipalId)>,
    /// Look at the newest entries of each lane only, so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Print Markdown, for a pull request
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
}

/// Whatever keeps it from being run is told apart from what it finds.
pub(super) fn run(arguments: &ReplayOf) -> Came {
    replayed(arguments).unwrap_or_else(|error| {
        out::verb_failed(&error);
        Came::Misused
    })
}

fn replayed(arguments: &ReplayOf) -> Result<Came, VerbError> {
    if arguments.limit.is_some_and(|limit| limit > LIMIT_MAX) {
        return Err(VerbError::Misused(format!("`--limit` is {LIMIT_MAX} at most")));
    }
    let data = Data::existing(&arguments.data)?;
    let gate = data.gate(arguments.gate.as_deref())?;
    if !data.has_journal_keys() {
        let why = "the journal's keys are not here, and what decisions were made on stands sealed under them";
        return Err(VerbError::NotThere(why.into()));
    }
    let place = arguments.place()?;
    let kept = KeptByDigest::of(&arguments.data, &serve::base(place.path()), naming(&data, &gate)?);
    let now = Bundle::load(place.path(), &serve::base(place.path()), kept.ids()).map_err(|report| {
        out::note(&format!("`{}` does not load:", arguments.named()));
        VerbError::Bundle(report)
    })?;
    let keys = JournalKeys::existing(&data.journal_keys())?;
    let person = arguments.principal.as_ref().map(|(kind, id)| keys.digest(kind.as_str(), id.as_str()));
    let which = Which { since: arguments.since, until: arguments.until, principal: person };
    // ORDER: before anything is read.
    let digest = now.snapshot.digest;
    let what = words(&which, arguments.limit, digest);
    own::runtime()?.block_on(record(&data, &gate, &what));
    let find = |digest| kept.find(digest);
    let replay = Replay::under(&now, &keys, &find, which);
    let (sum, unread) = patiently(&replay, &data.audit().join(&gate), arguments.limit)?;
    let telling = Telling { sum: &sum, bundle: digest };
    if arguments.json {
        let mut told = telling.json();
        if let Some(told) = told.as_object_mut() {
            let gone = gone_of_gate(&data.audit().join(&gate), arguments.since)?;
            told.insert("put_away".to_owned(), gone);
        }
        out::say(&told.to_string());
    } else if arguments.markdown {
        telling.markdown().iter().for_each(|line| out::say(line));
    } else {
        telling.text(out::colour(&io::stdout())).iter().for_each(|line| out::say(line));
    }
    // ORDER: after the reading, during which some may have gone.
    tell_gone(&data.audit().join(&gate), arguments.since)?;
    for Unread { lane, why } in &unread {
        out::note(&format!("not all of the journal could be read: lane {lane}: {}", chain(why)));
    }
    Ok(match (unread.is_empty(), sum.changes_anything()) {
        (false, _) => Came::Misused,
        (true, true) => Came::Wrong,
        (true, false) => Came::Right,
    })
}

impl ReplayOf {
    /// Where the other bundle lies.
    fn place(&self) -> Result<Place, VerbError> {
        if let Some(named) = &self.bundle {
            return Place::of(named, &self.data);
        }
        let raw = config::load(&self.policies, &Placeholders).map_err(VerbError::Bundle)?;
        let shadow = raw.gateway.as_ref().and_then(|gateway| gateway.shadow.as_ref());
        let shadow = shadow.ok_or_else(|| {
            let place = self.policies.display();
            VerbError::NotThere(format!("`gateway.yaml` of `{place}` names no `shadow`"))
        })?;
        let folder = serve::base(&self.policies).join(&shadow.policies);
        Ok(Place::Folder(folder))
    }

    fn named(&self) -> &str {
        self.bundle.as_deref().unwrap_or("shadow")
    }
}

/// What the entry of this reading says: whose decisions are looked at by their digest alone.
fn words(which: &Which, limit: Option<usize>, bundle: Digest) -> String {
    let Which { since, until, principal } = which;
    let all = [
        principal.map(|digest| format!("principal {digest}")),
        since.map(|time| format!("since {time}")),
        until.map(|time| format!("until {time}")),
        limit.map(|count| format!("the newest {count} of each lane")),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    let what = if all.is_empty() { "anything".to_owned() } else { all.join(", ") };
    format!("replay under {}: {what}", bundle.short())
}

/// Who knows the ids of records that principals are given by key. A copy of a gate's data is left as it is.
pub(super) fn naming(data: &Data, gate: &str) -> Result<Box<Names>, VerbError> {
    let store = match data.check_own(gate) {
        Ok(()) => data.store()?,
        Err(_) => None,
    };
    Ok(match store {
        Some(store) => Box::new(Given(Crosswalk::new(store, 0))),
        None => Box::new(MadeUp),
    })
}

/// Does it, and says on a terminal how far it is.
fn patiently(
    replay: &Replay<'_>,
    directory: &Path,
    limit: Option<usize>,
) -> Result<(Sum, Vec<Unread>), VerbError> {
    let (progress, started) = (Progress::default(), clock::mono());
    let shown = io::stderr().is_terminal();
    thread::scope(|scope| {
        let (tell, done) = mpsc::channel();
        let counted = &progress;
        let reader = thread::Builder::new().name("journal".into());
        let reader = reader.spawn_scoped(scope, move || {
            drop(tell.send(replay.all(directory, (THREADS, limit), counted)));
        })?;
        loop {
            match done.recv_timeout(TOLD_EVERY) {
                Ok(done) => {
                    out::progress(shown, "");
                    return done.map_err(|failed| match failed {
                        Failed::Journal(error) => VerbError::Journal(error),
                        Failed::Thread(error) => VerbError::System(error),
                    });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let seconds = clock::mono().saturating_duration_since(started).as_secs();
                    let entries = progress.entries.load(Ordering::Relaxed);
                    out::progress(shown, &format!("{entries} entries, {seconds} s so far"));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // Its panic is told by now; it ends here.
                    drop(reader.join());
                    return Err(VerbError::NotThere("deciding again broke off".into()));
                }
            }
        }
    })
}
