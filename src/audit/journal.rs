//! The journal of one gate in this process: its lanes, opened at start-up and closed at the end.

use std::{
    fs::File,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    JournalError,
    draft::{Draft, EntryKind},
    head::SignedHead,
    intents::Intents,
    keys::{JournalKeys, Month, make_directory},
    lane::{Durability, Lane, LaneParts, Standing, Ticket},
    lanes::{check_gate, origin, take_lanes, unsettled_lanes},
    options::{JournalOptions, Role},
    read,
    receipt::{Fetch, Receipt},
    recover::{self, Recovered, Repair, UnknownOutcome, Whose},
    retention,
    rotate::{self, Rewrapped},
    segment::{Sizes, Writer, WriterOf},
    strangers::{Counted, Strangers, Telling},
    syncer::{Heads, Syncer},
    text,
    wrapping::{Encryption, KeyChange, KeyId},
};
use crate::{clock::Now, words::RequestId};

/// LIMIT: intents without outcome that a `start` entry names.
const UNKNOWN_NAMED_MAX: usize = 256;

/// The journal.
#[derive(Debug)]
pub struct Journal {
    lanes: Vec<Arc<Lane>>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    strangers: Arc<Mutex<Strangers>>,
    /// The last minute's count, until it is known to be written.
    telling: Mutex<Option<(Ticket, Counted)>>,
    unknown: Vec<UnknownOutcome>,
    keys: Arc<JournalKeys>,
    gate_directory: PathBuf,
    encryption: Encryption,
    /// Keys of segments may stand wrapped by another key than the current one.
    rewraps: AtomicBool,
}

/// How the journal is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Lane by lane.
    pub lanes: Vec<LaneHealth>,
}

/// How a lane is.
#[derive(Clone, Debug)]
pub struct LaneHealth {
    /// Which.
    pub lane: String,
    /// Entries written.
    pub written: u64,
    /// Entries synced.
    pub synced: u64,
    /// Room is short: strangers are refused.
    pub tight: bool,
    /// Why nothing can be written now, where that is so.
    pub failed: Option<JournalError>,
}

impl Journal {
    /// Takes the next free lanes, recovers them, and writes each its `start`. A gate takes every other free lane too
    /// in which an intent has no outcome. Blocks: for start-up.
    ///
    /// # Errors
    /// A lane does not bear out what was signed, or a file cannot be used.
    pub fn open(options: JournalOptions, keys: Arc<JournalKeys>, now: Now) -> Result<Self, JournalError> {
        check_gate(&options.gate)?;
        keys.prepare(Month::of(now.wall))?;
        keys.wrapping().settle(&options.encryption, now.wall)?;
        let gate_directory = options.gate_directory();
        make_directory(&gate_directory)?;
        retention::finish_begun(&gate_directory, keys.wrapping())?;
        let mut taken = take_lanes(&gate_directory, options.lanes.max(1))?;
        if options.role == Role::Gate {
            taken.extend(unsettled_lanes(&gate_directory, &options, &keys, &taken)?);
        }
        let strangers = Arc::new(Mutex::new(Strangers::new(options.strangers_per_minute)));
        let mut journal = Self {
            lanes: Vec::new(),
            threads: Mutex::default(),
            strangers,
            telling: Mutex::default(),
            unknown: Vec::new(),
            keys,
            gate_directory,
            encryption: options.encryption.clone(),
            rewraps: AtomicBool::new(true),
        };
        let mut starting = Vec::new();
        for (name, lock) in taken {
            starting.push(journal.recover(&options, name, lock, now)?);
        }
        // ORDER: every lane is recovered before one names the heads of the others.
        for (lane, syncer, recovered) in starting {
            // The first entry has its head before anything else is written.
            let name = format!("journal-{}", lane.name());
            let spawned = thread::Builder::new().name(name).spawn(move || syncer.run());
            journal
                .threads
                .lock()
                .push(spawned.map_err(JournalError::io("cannot start a thread for", lane.name()))?);
            journal.lanes.push(lane.clone());
            let mentions = journal.other_heads(&lane, &options.gate);
            start(&lane, options.role, &recovered, &mentions, now)?;
            journal.unknown.extend(recovered.unknown);
        }
        journal.tell_wrapping(now)?;
        Ok(journal)
    }

    /// The lane of a core.
    ///
    /// Cores beyond the lanes share them.
    #[expect(
        clippy::indexing_slicing,
        reason = "an open journal has a lane, and the index is taken modulo their number"
    )]
    pub fn lane(&self, core: usize) -> Arc<Lane> {
        self.lanes[core % self.lanes.len()].clone()
    }

    /// Every lane of this process.
    pub fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// The keys.
    pub fn keys(&self) -> &Arc<JournalKeys> {
        &self.keys
    }

    /// Where the lanes lie, those of other processes too.
    pub fn directory(&self) -> &Path {
        &self.gate_directory
    }

    /// Intents of sessions before that have no outcome and that no gate has told of: the writes may have reached
    /// their systems.
    pub fn unknown_outcomes(&self) -> &[UnknownOutcome] {
        &self.unknown
    }

    /// The newest signed head of every lane.
    pub fn heads(&self) -> Vec<Arc<SignedHead>> {
        self.lanes.iter().filter_map(|lane| lane.head()).collect()
    }

    /// Tells of new heads, one watch a lane.
    pub fn watch_heads(&self) -> Vec<watch::Receiver<Option<Arc<SignedHead>>>> {
        self.lanes.iter().map(|lane| lane.watch_head()).collect()
    }

    /// How the journal is, lane by lane.
    pub fn health(&self) -> Health {
        let lane = |lane: &Arc<Lane>| {
            let (written, synced) = lane.sizes();
            let failed = lane.ready().err();
            LaneHealth { lane: lane.name().to_owned(), written, synced, tight: lane.is_tight(), failed }
        };
        Health { lanes: self.lanes.iter().map(lane).collect() }
    }

    /// To be called every second or so: ends the strangers' minute, and makes the next month's key before it is
    /// needed on the road.
    pub fn tick(&self, now: Now) -> Result<(), JournalError> {
        let soon = now.wall.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(now.wall);
        self.keys.prepare(Month::of(soon))?;
        let mut telling = self.telling.lock();
        let told = telling.as_ref().and_then(|(ticket, counted)| Some((ticket.outcome()?, counted)));
        if let Some((outcome, counted)) = told {
            if outcome.is_err() {
                self.strangers.lock().take_back(counted);
            }
            *telling = None;
        }
        if telling.is_some() {
            return Ok(());
        }
        let Some(counted) = self.strangers.lock().due(now) else { return Ok(()) };
        match self.write_counted(&counted, now) {
            Ok(ticket) => {
                *telling = Some((ticket, counted));
                Ok(())
            }
            Err(error) => {
                self.strangers.lock().take_back(&counted);
                Err(error)
            }
        }
    }

    /// An administrative act, synced before it takes effect: who did what.
    pub async fn administrative(
        &self,
        act: &'static str,
        who: &str,
        details: &[(&str, &str)],
        now: Now,
    ) -> Result<u64, JournalError> {
        let mut fields = Vec::with_capacity(256);
        text::text(&mut fields, "act", act);
        text::text(&mut fields, "by", who);
        if !details.is_empty() {
            rotate::details(&mut fields, details);
        }
        self.append_administrative(&fields, now)?.await
    }

    /// An operator that was turned away: by whom, where a token said so, else a stranger, within the strangers' bound;
    /// on which route, and why. Nobody waits for it.
    pub fn refused_operator(
        &self,
        by: Option<&str>,
        address: IpAddr,
        (route, reason): (&str, &'static str),
        now: Now,
    ) {
        let standing = match by {
            Some(_) => Standing::Identified,
            None if self.strangers.lock().note(address, reason, now) == Telling::InTheCount => return,
            None => Standing::Stranger(Some(reason)),
        };
        let (mut fields, mut plain) = (Vec::with_capacity(128), Vec::with_capacity(64));
        text::text(&mut fields, "act", "refused");
        text::text(&mut fields, "by", by.unwrap_or("stranger"));
        text::text(&mut fields, "route", route);
        text::text(&mut fields, "refusal", reason);
        text::key(&mut plain, "address");
        text::address(&mut plain, address);
        let draft = Draft {
            kind: EntryKind::Administrative,
            request: None,
            now,
            fields: &[&fields],
            plain: &[&plain],
        };
        drop(draft.append(&self.lane(0), Durability::Written, standing));
    }

    /// A reading of the journal, which is an administrative act too.
    pub async fn reading(&self, what: &str, who: &str, now: Now) -> Result<u64, JournalError> {
        self.administrative("journal-read", who, &[("what", what)], now).await
    }

    /// Leave to ask systems for what an operator wants to know of them: who asks and for what is in the journal, synced.
    ///
    /// # Errors
    /// The journal did not take it, so nothing may be asked.
    pub async fn look(
        &self,
        what: &str,
        who: &str,
        request: RequestId,
        now: Now,
    ) -> Result<Receipt<Fetch>, JournalError> {
        let details = [("what", what), ("request", &*request.to_string())];
        self.administrative("systems-read", who, &details, now).await?;
        Ok(Receipt::new(request))
    }

    /// To be called every second or so, beside [`tick`](Self::tick): begins another wrapping key where one is due, and
    /// wraps the keys of segments anew that stand under another than the current one; tells what it did.
    ///
    /// # Errors
    /// The next key cannot be had, or the journal does not take its entry: all stays as it is.
    pub async fn keep_wrapped(
        &self,
        now: Now,
    ) -> Result<Option<(Option<KeyChange>, Rewrapped)>, JournalError> {
        let is_due = self.keys.wrapping().is_due(&self.encryption, now.wall)?;
        if !is_due && !self.rewraps.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let change = match is_due {
            true => self.begin_wrapping("gate", now).await?,
            false => None,
        };
        let rewrapped = self.rewrap().await?;
        self.rewraps.store(!rewrapped.faults.is_empty(), Ordering::Relaxed);
        Ok(Some((change, rewrapped)))
    }

    /// Begins another wrapping key, in the journal first; none where it is the same, or segments stand in clear.
    pub async fn begin_wrapping(&self, by: &str, now: Now) -> Result<Option<KeyChange>, JournalError> {
        let keys = self.keys.wrapping();
        let from = keys.current()?.map(|key| key.id());
        let Some((to, file)) = keys.next()?.filter(|(to, _)| Some(*to) != from) else { return Ok(None) };
        let change = KeyChange { from, to: Some(to) };
        self.append_administrative(&rotate::fields(change, by), now)?.await?;
        keys.change(Some(to), file.as_deref(), now.wall)
    }

    /// Wraps the keys of all segments by the current key, those of other gates in the folder too.
    pub async fn rewrap(&self) -> Result<Rewrapped, JournalError> {
        let (keys, directory) = (self.keys.clone(), self.gate_directory.clone());
        let rewrapped = tokio::task::spawn_blocking(move || {
            rotate::rewrap(directory.parent().unwrap_or(&directory), keys.wrapping())
        });
        rewrapped.await.map_err(|_| JournalError::Setting("wrapping keys anew broke off".to_owned()))?
    }

    /// Destroys a wrapping key that wraps nothing any more, in the journal first.
    ///
    /// # Errors
    /// It wraps something, or is the current one, or the journal does not take the entry: it stays.
    pub async fn destroy_wrapping(&self, id: KeyId, by: &str, now: Now) -> Result<(), JournalError> {
        let audit = self.gate_directory.parent().unwrap_or(&self.gate_directory);
        rotate::check_wraps_nothing(audit, id)?;
        let mut fields = Vec::new();
        text::text(&mut fields, "act", "destroy-key");
        text::text(&mut fields, "by", by);
        rotate::details(&mut fields, &[("key", &id.to_string())]);
        self.append_administrative(&fields, now)?.await?;
        self.keys.wrapping().destroy(id, now.wall)
    }

    /// Tells of the wrapping key that a start changed; of that which could not be opened then, too.
    fn tell_wrapping(&self, now: Now) -> Result<(), JournalError> {
        let keys = self.keys.wrapping();
        let Some(change) = keys.untold()? else { return Ok(()) };
        self.append_administrative(&rotate::fields(change, "gate"), now)?.wait_blocking()?;
        keys.told()
    }

    /// Ends the session: counts are told, everything is synced and signed, and the lanes are free for another
    /// process. Entries that come later are refused.
    pub async fn close(&self, now: Now) -> Result<(), JournalError> {
        let told = self.telling.lock().take();
        if let Some((ticket, counted)) = told
            && ticket.await.is_err()
        {
            self.strangers.lock().take_back(&counted);
        }
        let counted = self.strangers.lock().end();
        let mut ended = match counted.map(|counted| self.write_counted(&counted, now)) {
            None => Ok(()),
            Some(Ok(ticket)) => ticket.await.map(drop),
            Some(Err(error)) => Err(error),
        };
        for lane in &self.lanes {
            let draft = Draft { kind: EntryKind::Stop, request: None, now, fields: &[], plain: &[] };
            let stopped = match draft.append(lane, Durability::Synced, Standing::Identified) {
                Ok(ticket) => ticket.await.map(drop),
                Err(error) => Err(error),
            };
            ended = ended.and(stopped);
        }
        self.stop();
        let threads = std::mem::take(&mut *self.threads.lock());
        // A sync may take a while: not on the runtime's own thread.
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        drop(joined.await);
        for lane in &self.lanes {
            lane.give_up();
        }
        ended
    }

    pub(super) fn append_administrative(&self, fields: &[u8], now: Now) -> Result<Ticket, JournalError> {
        let lane = self.lane(0);
        let draft =
            Draft { kind: EntryKind::Administrative, request: None, now, fields: &[fields], plain: &[] };
        draft.append(&lane, Durability::Synced, Standing::Identified)
    }

    fn recover(
        &self,
        options: &JournalOptions,
        name: String,
        lock: File,
        now: Now,
    ) -> Result<(Arc<Lane>, Syncer, Recovered), JournalError> {
        let directory = self.gate_directory.join(&name);
        let origin: Arc<str> = origin(&options.gate, &name).into();
        let key = self.keys.public();
        let (kept, boot) = (options.kept_heads.as_slice(), options.boot);
        let wrapping = self.keys.wrapping();
        let whose = Whose { lane: &name, origin: &origin, key: &key, wrapping, kept, boot };
        let found = recover::recover(&directory, whose, Repair::Do)?;
        let disk = &options.disk;
        let sizes = Sizes {
            segment_bytes_max: options.segment_bytes_max,
            segment_age_max: options.segment_age_max,
            reserve_bytes: options.reserve_bytes,
        };
        let of = WriterOf { directory: &directory, origin: &origin, disk, wrapping, sizes };
        let mut writer = match &found.segment {
            Some((segment, bytes)) => Writer::standing(of, (segment, *bytes), found.edge.clone())?,
            None => Writer::fresh(of)?,
        };
        writer.tell_leaves(options.receipts);
        let signed = found.head.as_ref().map_or(0, |head| head.size);
        let heads = Heads::open(&directory, disk, found.heads_bytes, signed, found.kept.clone())?;
        for directory in [&directory, &self.gate_directory] {
            disk.sync_directory(directory).map_err(JournalError::io("cannot sync", directory))?;
        }
        let untold = match options.role {
            Role::Gate => &[][..],
            Role::Tool => &found.unknown,
        };
        let intents = Intents::of(untold.iter().map(|intent| (intent.request.clone(), intent.sequence)));
        let lane = Arc::new(Lane::new(LaneParts {
            name: name.into(),
            keys: self.keys.clone(),
            boot: options.boot,
            opened: now,
            sensitive_reads: options.sensitive_reads,
            strangers: self.strangers.clone(),
            head_interval: options.head_interval,
            head: found.head.clone(),
            writer,
            intents,
            lock,
        })?);
        let syncer = Syncer {
            lane: lane.clone(),
            origin,
            directory,
            disk: disk.clone(),
            heads,
            can_reserve: options.reserve_bytes > 0,
        };
        Ok((lane, syncer, found))
    }

    fn other_heads(&self, own: &Lane, gate: &str) -> Vec<(String, SignedHead)> {
        let public = self.keys.public();
        let names = read::lanes(&self.gate_directory).unwrap_or_default();
        let others = names.into_iter().filter(|name| name != own.name());
        others
            .filter_map(|name| {
                let head =
                    recover::newest_head(&self.gate_directory.join(&name), &origin(gate, &name), &public)?;
                Some((name, head))
            })
            .collect()
    }

    fn write_counted(&self, counted: &Counted, now: Now) -> Result<Ticket, JournalError> {
        let mut fields = Vec::with_capacity(256);
        text::number(&mut fields, "exchanges", counted.exchanges);
        text::number(&mut fields, "addresses", counted.addresses);
        text::key(&mut fields, "reasons");
        text::array(&mut fields, &counted.reasons, |out, (reason, count)| {
            out.push(b'[');
            text::quoted(out, reason);
            out.push(b',');
            text::digits(out, *count);
            out.push(b']');
        });
        let draft = Draft { kind: EntryKind::Counted, request: None, now, fields: &[&fields], plain: &[] };
        // One line a minute: it may use the reserve, or a full disk would hide how many came.
        draft.append(&self.lane(0), Durability::Written, Standing::Identified)
    }

    fn stop(&self) {
        for lane in &self.lanes {
            lane.close();
            lane.flush();
            lane.sync.wishes.lock().stop = true;
            lane.sync.bell.notify_one();
        }
    }
}

impl Drop for Journal {
    /// Tells the threads to end; they sync and sign what is written.
    fn drop(&mut self) {
        self.stop();
    }
}

/// The first entry of a session: the other lanes' heads, what was torn, what has no outcome.
fn start(
    lane: &Arc<Lane>,
    role: Role,
    recovered: &Recovered,
    mentions: &[(String, SignedHead)],
    now: Now,
) -> Result<(), JournalError> {
    let mut fields = Vec::with_capacity(512);
    text::text(&mut fields, "program", concat!("bramka ", env!("CARGO_PKG_VERSION")));
    text::text(&mut fields, "role", role.as_str());
    text::key(&mut fields, "lanes");
    text::array(&mut fields, mentions, |out, (name, head)| {
        out.extend_from_slice(b"{\"lane\":");
        text::quoted(out, name);
        text::number(out, "size", head.size);
        text::hex_text(out, "root", &head.root.0);
        out.push(b'}');
    });
    text::text(&mut fields, "before", if recovered.clean { "closed" } else { "broken-off" });
    if let Some(torn) = &recovered.torn {
        text::number(&mut fields, "torn_bytes", torn.bytes);
        text::text(&mut fields, "torn_kept_in", &torn.kept_in);
    }
    if !recovered.unknown.is_empty() {
        text::number(&mut fields, "outcome_unknown", recovered.unknown.len() as u64);
        let named = recovered.unknown.iter().take(UNKNOWN_NAMED_MAX).map(|intent| intent.request.as_str());
        text::texts(&mut fields, "outcome_unknown_of", named);
    }
    let draft = Draft { kind: EntryKind::Start, request: None, now, fields: &[&fields], plain: &[] };
    draft.append(lane, Durability::Synced, Standing::Identified)?.wait_blocking().map(drop)
}
