//! A bundle that is tried beside the one in force: each answer that stands in the journal is decided again under it, and
//! what differs is counted, logged and written down.
//!
//! It goes by the journal, and of mappings by answers of systems that are put aside ([`sampled`]), on a thread of its own: no
//! request waits for it, no system is asked for it, and nothing it
//! comes to or breaks on reaches an answer. Where it falls too far behind it goes on with what comes, and counts what it
//! left out. While one is tried, entries keep also what its statements name of a record, as far as that was fetched.

mod mapped;
mod sampled;

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::runtime::Handle;

use self::{
    mapped::Compared,
    sampled::{Sample, Samples},
};
use super::{Gate, run::Options};
use crate::{
    audit::{Follow, JournalError, lanes},
    clock,
    config::Files,
    crosswalk::{Crosswalk, Given},
    quota::Rehearsal,
    replay::{self, Again, Bundle, Direction, Found, KeptByDigest, Replay, Ruling, Which},
    schema::FieldSet,
    telemetry::Reason,
    words::{Digest, EntityName},
};

/// How often the journal is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many such looks until the folder is looked at again.
const LOOKS: u32 = 4;
/// LIMIT: entries of a lane that are decided again at one look.
const ENTRIES_MAX: usize = 2_500;
/// LIMIT: looks in a row that take so many; over it, what waits is left out.
const BEHIND_MAX: u32 = 80;
/// LIMIT: differences a minute that are written down one by one; the rest is counted.
const TOLD_MAX: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// LIMIT: ways in which mappings differ that are told, each once; the rest is counted.
const MAPPINGS_TOLD_MAX: usize = 1_000;
/// LIMIT: characters that tell what differs in one entry.
const WORDS_MAX: usize = 240;

/// What the statements of a shadow bundle name of the entities of the bundle in force.
#[derive(Debug)]
pub(super) struct Shadowed {
    serving: Digest,
    reads: HashMap<EntityName, FieldSet>,
    samples: Samples,
}

impl Shadowed {
    /// What they name of an entity, where that is of the bundle that it was worked out for.
    pub(super) fn reads(&self, serving: Digest, entity: &EntityName) -> Option<&FieldSet> {
        self.reads.get(entity).filter(|_| self.serving == serving)
    }
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }
}

/// Begins to look whether a bundle is to be tried.
pub(super) fn start(gate: &Arc<Gate>, options: &Arc<Options>) -> Option<Running> {
    let stop = Arc::<AtomicBool>::default();
    let trying = Trying {
        gate: Arc::downgrade(gate),
        options: options.clone(),
        runtime: Handle::current(),
        stop: stop.clone(),
        failed: None,
    };
    match thread::Builder::new().name("shadow".into()).spawn(move || trying.run()) {
        Ok(thread) => Some(Running { stop, thread }),
        Err(error) => {
            tracing::error!(%error, "no bundle can be tried beside the one in force");
            None
        }
    }
}

struct Trying {
    gate: Weak<Gate>,
    options: Arc<Options>,
    runtime: Handle,
    stop: Arc<AtomicBool>,
    /// The content that did not load, and was told.
    failed: Option<Digest>,
}

pub(super) use sampled::Question;

/// What differs, until it is written down.
#[derive(Default)]
struct Telling {
    since: Option<std::time::Instant>,
    told: u32,
    untold: u64,
    /// Ways in which mappings differ that were told.
    mappings: HashSet<String>,
}

impl Trying {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(gate) = self.gate.upgrade() else { return };
            let found = self.found(&gate);
            if found.is_none() {
                gate.shadow.store(None);
            }
            drop(gate);
            match found {
                Some((bundle, kept)) => self.follow(&bundle, &kept),
                None => thread::park_timeout(LOOK_EVERY * LOOKS),
            }
        }
    }

    /// The folder of the bundle to be tried.
    fn folder(&self, gate: &Gate) -> Option<PathBuf> {
        let snapshot = gate.live.snapshot();
        snapshot.settings.shadow.as_ref().map(|shadow| self.options.base.join(&shadow.policies))
    }

    /// The bundle to be tried, where there is one and it loads.
    fn found(&mut self, gate: &Gate) -> Option<(Bundle, KeptByDigest)> {
        let Some(folder) = self.folder(gate) else {
            gate.telemetry.shadow_failed.set(0);
            return None;
        };
        let ids = Given(Crosswalk::new(gate.tokens.store().clone(), 0));
        let kept = KeptByDigest::of(&self.options.data, &self.options.base, Box::new(ids));
        let content = Files::read(&folder).map(|files| files.digest()).unwrap_or(Digest([0; 32]));
        match Bundle::load(&folder, &self.options.base, kept.ids()) {
            Ok(bundle) => {
                self.failed = None;
                gate.telemetry.shadow_failed.set(0);
                let digest = bundle.snapshot.digest;
                tracing::info!(bundle = %digest.short(), "a shadow bundle is tried");
                self.write(gate, &[("bundle", &digest.to_string())]);
                Some((bundle, kept))
            }
            Err(report) => {
                gate.telemetry.shadow_failed.set(1);
                if self.failed.replace(content) != Some(content) {
                    tracing::warn!("the shadow bundle does not load and is not tried:\n{report}");
                }
                None
            }
        }
    }

    /// Decides again what comes, until another bundle is to be tried.
    fn follow(&self, bundle: &Bundle, kept: &KeptByDigest) {
        let Some(keys) = self.gate.upgrade().map(|gate| {
            // What another one went by that was tried before is of no use any more.
            gate.shadow.store(None);
            gate.journal.keys().clone()
        }) else {
            return;
        };
        let find = |digest| kept.find(digest);
        let meters = Rehearsal::new(clock::now());
        let replay = Replay::under(bundle, &keys, &find, Which::default()).with_meters(meters);
        let (samples, sampled) = Samples::new();
        let (mut followed, mut telling) = (HashMap::new(), Telling::default());
        let mut looks = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(gate) = self.gate.upgrade() else { return };
            publish(&gate, bundle, kept, &samples);
            if looks >= LOOKS {
                looks = 0;
                let folder = self.folder(&gate);
                let now = folder.and_then(|folder| Files::read(&folder).ok()).map(|files| files.digest());
                if now != Some(bundle.snapshot.digest) {
                    return;
                }
            }
            let is_more = self.look(&gate, &replay, &mut followed, &mut telling).unwrap_or_else(|error| {
                tracing::warn!(%error, "a shadow bundle is not tried on all: the journal cannot be read");
                followed.clear();
                false
            });
            self.mapped(&gate, bundle, &sampled, &mut telling);
            drop(gate);
            looks += 1;
            if !is_more {
                thread::park_timeout(LOOK_EVERY);
            }
        }
    }

    /// Looks at what came; whether there is more of it.
    fn look(
        &self,
        gate: &Gate,
        replay: &Replay<'_>,
        followed: &mut HashMap<String, (Follow, u32)>,
        telling: &mut Telling,
    ) -> Result<bool, JournalError> {
        let (directory, keys) = (gate.journal.directory(), gate.journal.keys().wrapping());
        let (mut all, mut is_more) = (Vec::new(), false);
        for lane in lanes(directory)? {
            let place = directory.join(&lane);
            let (follow, behind) = match followed.entry(lane) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(fresh) => {
                    fresh.insert((Follow::from_end(&place, keys)?, 0))
                }
            };
            let lines = follow.more(ENTRIES_MAX)?;
            let is_full = lines.len() >= ENTRIES_MAX;
            *behind = if is_full { *behind + 1 } else { 0 };
            is_more |= is_full;
            all.extend(lines.into_iter().map(|line| (replay::came(&line), line)));
            if *behind > BEHIND_MAX {
                let before = follow.next_sequence();
                (*follow, *behind) = (Follow::from_end(&place, keys)?, 0);
                let left_out = follow.next_sequence().saturating_sub(before);
                gate.telemetry.shadow.get_or_create(&Reason { reason: "dropped" }).inc_by(left_out);
                tracing::warn!(left_out, "a shadow bundle is not tried on all: there is too much of it");
            }
        }
        // ORDER: as requests came, for rates go by that.
        all.sort_by_key(|(came, _)| *came);
        for (_, line) in &all {
            self.counted(gate, replay.again(line), telling);
        }
        if let Some((Some(last), _)) = all.last() {
            replay.sweep(*last);
        }
        Ok(is_more)
    }

    fn counted(&self, gate: &Gate, again: Again, telling: &mut Telling) {
        let (asked, request, found) = match again {
            Again::Passed | Again::Undecided => return,
            Again::AtRate(request, found) => ("it".to_owned(), request, found),
            Again::Ruled(ruling) => {
                let Ruling { action, target, request, found, .. } = *ruling;
                (format!("{} {target}", action.as_str()), request, found)
            }
        };
        let reason = found.direction().map_or("cannot_tell", Direction::as_str);
        gate.telemetry.shadow.get_or_create(&Reason { reason }).inc();
        if matches!(found.direction(), None | Some(Direction::Same)) || !telling.may(clock::mono()) {
            return;
        }
        let words = words(asked, &found);
        let request = request.as_deref().unwrap_or_default();
        tracing::info!(request, shadow = reason, %words, "the shadow bundle decides otherwise");
        let untold = std::mem::take(&mut telling.untold).to_string();
        let mut details = vec![("request", request), (reason, &*words)];
        if untold != "0" {
            details.push(("not_told_before", &untold));
        }
        self.write(gate, &details);
    }

    /// Maps what systems answered meanwhile, and tells what comes out otherwise: the same once while this bundle is tried.
    fn mapped(&self, gate: &Gate, bundle: &Bundle, sampled: &Receiver<Sample>, telling: &mut Telling) {
        // LIMIT: as many as can wait; those that come in between are for the next look.
        let all: Vec<Sample> = sampled.try_iter().take(sampled::WAITING_MAX).collect();
        for sample in all {
            let compared = mapped::compared(bundle, &sample);
            let reason = match &compared {
                Compared::Same => "same",
                Compared::Differs(_) => "differs",
                Compared::Untold(_) => "cannot_tell",
            };
            gate.telemetry.shadow_mappings.get_or_create(&Reason { reason }).inc();
            let (entity, system) = (sample.mapping.name(), sample.mapping.system());
            let of = format!("{entity} of {system}");
            let told = match compared {
                Compared::Same => continue,
                Compared::Differs(words) => within(of, words.iter()),
                Compared::Untold(why) => within(of, [format!("cannot be told: {why}")].iter()),
            };
            if telling.mappings.len() >= MAPPINGS_TOLD_MAX || telling.mappings.contains(&told) {
                continue;
            }
            if telling.may(clock::mono()) {
                let request = sample.request.to_string();
                tracing::info!(request, words = %told, "the shadow bundle maps otherwise");
                self.write(gate, &[("request", &request), ("mapping", &told)]);
                telling.mappings.insert(told);
            }
        }
    }

    /// Writes down what was tried; where the journal does not take it, it is not.
    fn write(&self, gate: &Gate, details: &[(&str, &str)]) {
        let written = gate.journal.administrative("shadow", "gate", details, clock::now());
        if let Err(error) = self.runtime.block_on(written) {
            tracing::warn!(%error, "what a shadow bundle came to is not in the journal");
        }
    }
}

impl Telling {
    /// Whether one more may be told in this minute; the others are counted.
    fn may(&mut self, now: std::time::Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            (self.since, self.told) = (Some(now), 0);
        }
        let may = self.told < TOLD_MAX;
        if may {
            self.told += 1;
        } else {
            self.untold += 1;
        }
        may
    }
}

/// What differs, cut where it is long. It names fields and plans, and nobody.
fn words(asked: String, found: &Found) -> String {
    within(asked, found.changes.iter())
}

fn within<W: std::fmt::Display>(of: String, all: impl Iterator<Item = W>) -> String {
    let mut words = of;
    for (position, what) in all.enumerate() {
        let before = words.len();
        // Writing into memory does not fail.
        let _written = write!(words, "{} {what}", if position == 0 { ":" } else { ";" });
        if words.chars().count() > WORDS_MAX {
            words.truncate(before);
            words.push_str("; …");
            break;
        }
    }
    words
}

/// Says what entries have to keep besides, where the bundle in force is another than before.
fn publish(gate: &Gate, bundle: &Bundle, kept: &KeptByDigest, samples: &Samples) {
    let serving = gate.live.snapshot();
    if gate.shadow.load().as_ref().is_some_and(|shadow| shadow.serving == serving.digest) {
        return;
    }
    let named = bundle.snapshot.schema.entities().iter().filter_map(|entity| {
        let here = serving.schema.entity(entity.name.as_str())?;
        let names = bundle.snapshot.policies.named(entity);
        let paths = names.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str());
        let reads: FieldSet = paths.filter_map(|path| here.leaf_at(path)).collect();
        Some((entity.name.clone(), reads))
    });
    let then = kept.find(serving.digest);
    let samples = samples.between(&serving, then.as_deref(), bundle);
    let shadowed = Shadowed { serving: serving.digest, reads: named.collect(), samples };
    gate.shadow.store(Some(Arc::new(shadowed)));
}
