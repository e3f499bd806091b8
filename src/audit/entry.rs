//! The entry of one exchange: opened when its head arrives, filled as the story goes, closed by exactly one answer.
//!
//! It holds no personal value, body, query text or secret: ids of records and principals as keyed digests, fields
//! as names, and what may have to be erased sealed beside the leaf. An entry that is dropped unanswered (a panic, a
//! caller gone) is still written, as abandoned; whoever holds a handle on it may answer it instead.

use std::{
    fmt::Display,
    net::IpAddr,
    sync::{Arc, Weak},
};

use compact_str::format_compact;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    Answered, JournalError, Receipt,
    channel::{ChannelWords, clear_part},
    draft::{Draft, EntryKind},
    facts::{self, FactsText},
    judged::{Came, Marks},
    lane::{Durability, Lane, Standing, Ticket},
    narrowed,
    receipt::{Effect, Fetch, Receipts},
    replayed,
    strangers::Telling,
    text,
    told::{self, Told},
};
use crate::{
    catalog::{Action, Operation},
    clock::Now,
    identity::Facts,
    policy::{CallPermit, Detail, Prospect, Relation, Shown, WritePermit},
    quota::Admission,
    schema::{Entity, FieldSet, Record, Value},
    words::{Channel, Digest, Kind, PlanName, RequestId, StatementId, SystemName},
};

/// LIMIT: plans that one entry names.
const PLANS_MAX: usize = 16;

/// One exchange on its way into the journal. It goes from hand to hand: what it holds stays where it is.
pub struct Entry(Box<Sheet>);

/// What is known so far.
struct Sheet {
    lane: Arc<Lane>,
    request: RequestId,
    opened: Now,
    address: IpAddr,
    /// Fields of the leaf known so far, each beginning with a comma.
    text: Vec<u8>,
    /// The same for what is sealed.
    plain: Vec<u8>,
    who: Option<Arc<FactsText>>,
    facts: Option<Arc<Facts>>,
    whose: Whose,
    told: Told,
    /// The leaves that its intents are about; all that change where nothing is said.
    about: Option<FieldSet>,
    /// An intent was appended: what answers it stands by itself, whoever asked.
    intended: bool,
    answered: bool,
    /// It was dropped unanswered once, and handed over.
    abandoned: bool,
    /// Where it goes when it is dropped unanswered.
    handle: Option<Weak<Mutex<Option<Entry>>>>,
}

/// Who an exchange is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody was identified.
    Unidentified,
    /// A caller without a credential, whom the policy considers.
    Anonymous,
    /// A caller with one.
    Identified,
}

/// A hold on an entry that may be dropped before it is answered: by a panic, in whatever task it is by then.
#[derive(Debug)]
pub struct Abandoned(Arc<Mutex<Option<Entry>>>);

impl Abandoned {
    /// The entry, where it was dropped unanswered: to be answered before a head leaves. What is not taken is written
    /// as abandoned when the handle is dropped.
    pub fn take(&self) -> Option<Entry> {
        self.0.lock().take()
    }
}

/// Why a list left records out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// No permit covers them.
    Denied,
    /// A statement erred on them.
    Erring,
    /// They do not fit the schema where it matters.
    Unfit,
    /// So much was shown already that a budget has no room for them.
    Spent,
}

impl Entry {
    /// Opens the entry of one exchange.
    pub fn open(lane: &Arc<Lane>, request: RequestId, channel: &Channel, now: Now) -> Self {
        Self::open_with(lane, request, &ChannelWords::of(channel), now)
    }

    /// The same for a channel that is in words already.
    pub fn open_with(lane: &Arc<Lane>, request: RequestId, channel: &ChannelWords, now: Now) -> Self {
        let (mut text, mut plain) = (lane.buffer(), lane.buffer());
        text.extend_from_slice(&channel.leaf);
        plain.extend_from_slice(&channel.plain);
        // Written into its place: `Box::new` would copy it there.
        Self(Box::write(
            Box::new_uninit(),
            Sheet {
                lane: lane.clone(),
                request,
                opened: now,
                address: channel.address,
                text,
                plain,
                who: None,
                facts: None,
                whose: Whose::Unidentified,
                told: Told::default(),
                about: None,
                intended: false,
                answered: false,
                abandoned: false,
                handle: None,
            },
        ))
    }

    /// A handle by which the entry can be answered after whoever had it panicked. With a handle alive a dropped entry
    /// is not written but handed over; the last handle that is asked for counts.
    pub fn abandoned_handle(&mut self) -> Abandoned {
        let place = Arc::default();
        self.0.handle = Some(Arc::downgrade(&place));
        Abandoned(place)
    }

    /// The exchange's id.
    pub fn request(&self) -> RequestId {
        self.0.request
    }

    /// Whether the journal can take entries.
    ///
    /// # Errors
    /// See [`Lane::ready`].
    pub fn ready(&self) -> Result<(), JournalError> {
        self.0.lane.ready()
    }

    /// What was asked, once: the method, and of the path what names a collection or a system. The rest may hold
    /// ids, so it stands as a keyed digest.
    pub fn head(&mut self, method: &http::Method, path: &str) {
        text::text(&mut self.0.text, "method", method.as_str());
        let path = path.split('?').next().unwrap_or_default();
        let clear = clear_part(path);
        text::text(&mut self.0.text, "path", clear);
        if clear.len() < path.len() {
            text::hex_text(&mut self.0.text, "path_digest", &self.0.lane.keys.digest("path", path).0);
        }
    }

    /// Who asks, once its credential was checked.
    pub fn caller(&mut self, facts: &Arc<Facts>) {
        facts::credential(&mut self.0.text, &facts.credential);
        self.0.who = Some(self.0.lane.facts.of(facts, &self.0.lane.keys));
        self.0.facts = Some(facts.clone());
        self.0.whose = match facts.kind {
            Kind::Anonymous => Whose::Anonymous,
            Kind::App | Kind::Partner | Kind::User => Whose::Identified,
        };
    }

    /// Which operation, on which entity or system.
    pub fn operation(&mut self, action: Action, target: &str) {
        text::text(&mut self.0.text, "action", action.as_str());
        text::text(&mut self.0.text, "target", target);
    }

    /// The bundle that decides.
    pub fn bundle(&mut self, digest: Digest) {
        text::hex_text(&mut self.0.text, "bundle", &digest.0);
    }

    /// Statements that decided; may be called for every record, what comes again is written once.
    pub fn decided(&mut self, statements: &[StatementId], detail: Detail) {
        self.0.told.decided(statements, detail);
    }

    /// A record that was looked at, changed or refused, whether or not it was shown.
    pub fn record(&mut self, entity: &Entity, id: &str) {
        self.0.told.touched(self.0.lane.keys.digest(entity.name.as_str(), id));
    }

    /// Someone whose data is shown, taken from the record before it was struck and masked. A record that is its own
    /// subject is told by [`Entry::shown`].
    pub fn subject(&mut self, entity: &str, id: &str) {
        self.0.told.subject(self.0.lane.keys.digest(entity, id));
    }

    /// A record as the caller gets to see it; `id` is the record's own, shown or not.
    pub fn shown(&mut self, shown: &Shown, id: &str) {
        self.0.told.shown(&self.0.lane.keys, shown.entity(), (shown.fields(), shown.masks()), id);
        self.0.told.decided(shown.statements(), shown.detail());
    }

    /// Records that a list left out.
    pub fn withheld(&mut self, count: u64, why: Withheld) {
        self.0.told.withheld(count, why);
    }

    /// An attribute that a statement read, with its value: sealed, so that replay can work and erasure too. The leaf
    /// names it. It may have several values, those of a list's records for instance; each is written once.
    pub fn context(&mut self, name: &str, value: impl Display) {
        let _place = self.0.told.read(name, value);
    }

    /// From here on it holds all that statements may go by, so that a replay decides on the same.
    pub fn replayable(&mut self) {
        text::number(&mut self.0.text, "replay", replayed::VERSION);
    }

    /// What statements leave open before any record: the plans that are charged, and how a list is narrowed.
    pub fn foreseen(&mut self, prospect: &Prospect) {
        let (operation, text) = (prospect.operation(), &mut self.0.text);
        if !prospect.plans().is_empty() {
            text::texts(text, "plans", prospect.plans().iter().take(PLANS_MAX).map(PlanName::as_str));
        }
        if let Operation::List(entity) = operation
            && let Some(narrowed) = narrowed::of(entity, &prospect.pushdown(), &self.0.lane.keys)
        {
            text::text(text, "narrowed", &narrowed);
        }
    }

    /// Which leaves are wanted, where not all are, and by which a list is filtered and sorted.
    pub fn asked_for(&mut self, entity: &Entity, wanted: Option<&FieldSet>, by: &FieldSet) {
        let text = &mut self.0.text;
        if let Some(wanted) = wanted {
            told::field_names(text, "wanted", entity, *wanted);
        }
        if !by.is_empty() {
            told::field_names(text, "filtered_by", entity, *by);
        }
    }

    /// A record that is about to be judged: what statements may read of it. `prefix` stands before the names where it is
    /// the record as it would be.
    pub fn judged_on(
        &mut self,
        entity: &Entity,
        (reads, follows): (&FieldSet, &[Relation]),
        record: &Record,
        prefix: &str,
    ) {
        let told = &mut self.0.told;
        let mut marks = Marks::new();
        for leaf in reads.iter() {
            told.read_leaf(entity, leaf, record, prefix, &mut marks);
        }
        for relation in follows {
            let Some(by) = entity.leaf(relation.by).map(|leaf| leaf.path.as_str()) else { continue };
            let id = record.first(entity, relation.by).and_then(Value::as_text).unwrap_or_default();
            if let Some(named) = record.related(relation.by, id) {
                let prefix = format_compact!("{prefix}{by}.");
                for leaf in relation.reads.iter() {
                    told.read_leaf(&relation.to, leaf, named, &prefix, &mut marks);
                }
            }
        }
        told.judged(marks);
    }

    /// What came of the record that was judged last.
    pub fn came(&mut self, came: Came) {
        self.0.told.came(came);
    }

    /// A call to a system.
    pub fn system(
        &mut self,
        name: &SystemName,
        status: Option<u16>,
        micros: u64,
        bytes_out: u64,
        bytes_in: u64,
    ) {
        self.0.told.system(name, status, micros, bytes_out, bytes_in);
    }

    /// A keyed digest of a body, where the detail asks for it.
    pub fn body_digest(&mut self, name: &'static str, digest: &Digest) {
        let keyed = self.0.lane.keys.digest("body", &digest.to_string());
        self.0.told.note(name, keyed);
    }

    /// How much the statements that decided so far want said.
    pub fn detail(&self) -> Detail {
        self.0.told.detail
    }

    /// What the answer must survive at least, beyond what is so anyway.
    pub fn durable(&mut self, durability: Durability) {
        self.0.told.durability = self.0.told.durability.max(durability);
    }

    /// Why the exchange is refused.
    pub fn refusal(&mut self, reason: &'static str) {
        self.0.told.reason = Some(reason);
    }

    /// Anything else worth knowing: `unguarded`, `idempotency`. Never a value of a record.
    pub fn note(&mut self, key: &'static str, value: impl Display) {
        self.0.told.note(key, value);
    }

    /// Leave to ask a system for what the operation may look at: this entry is open and will be written.
    pub fn fetch(&mut self, admission: &Admission) -> Receipt<Fetch> {
        let operation = admission.prospect().operation();
        if let Some((entity, id)) = operation.record() {
            self.0.told.touched(self.0.lane.keys.digest(entity.name.as_str(), &id.0));
        }
        Receipt::new(self.0.request).about(self.0.facts.clone(), operation.entity().cloned())
    }

    /// Of what a permit is about, this exchange changes these leaves alone.
    pub fn about(&mut self, leaves: FieldSet) {
        self.0.about = Some(leaves);
    }

    /// Writes down what is about to change, synced, and gives leave to change it.
    pub async fn intent(&mut self, permit: &WritePermit, now: Now) -> Result<Receipt<Effect>, JournalError> {
        self.0.told.decided(permit.statements(), permit.detail());
        let changed = self.0.about.map_or(permit.changed(), |about| permit.changed().intersection(&about));
        let ticket = self.write_intent(permit.action(), permit.entity(), permit.record_id(), changed, now)?;
        ticket.await?;
        Ok(Receipt::new(self.0.request).about(self.0.facts.clone(), Some(permit.entity().clone())))
    }

    /// The same for a change that takes several calls: the intent says how many.
    pub async fn intent_of(
        &mut self,
        permit: &WritePermit,
        calls: usize,
        now: Now,
    ) -> Result<Receipts, JournalError> {
        self.note("calls", calls);
        let receipt = self.intent(permit, now).await?;
        Ok(Receipts::new(receipt, calls))
    }

    /// The same for a request passed through; a safe method changes nothing and has no intent of its own.
    pub async fn call_intent(
        &mut self,
        permit: &CallPermit,
        safe: Safety,
        now: Now,
    ) -> Result<Receipt<Effect>, JournalError> {
        self.0.told.decided(permit.statements(), permit.detail());
        match safe {
            Safety::Safe => self.0.lane.ready()?,
            Safety::Unsafe => {
                let call = permit.call();
                let mut fields = self.0.lane.buffer();
                text::text(&mut fields, "system", call.system.as_str());
                text::hex_text(&mut fields, "call", &self.0.lane.keys.digest("path", &call.path).0);
                self.append_intent(fields, now)?.await?;
            }
        }
        Ok(Receipt::new(self.0.request).about(self.0.facts.clone(), None))
    }

    /// Writes the one answer; once it resolves the head may leave. A failure means: refuse.
    pub async fn answer(
        mut self,
        status: u16,
        bytes: Option<u64>,
        now: Now,
    ) -> Result<Answered, JournalError> {
        self.0.answered = true;
        let answered = |sequence, entry: &Self| Answered {
            lane: entry.0.lane.clone(),
            request: entry.0.request,
            opened: entry.0.opened,
            whose: entry.0.whose,
            sequence,
            leaf: None,
            bodies: SmallVec::new(),
        };
        if self.telling(now) == Telling::InTheCount {
            return Ok(answered(None, &self));
        }
        let mut ticket = self.write_answer(Some(status), bytes, now)?;
        let sequence = (&mut ticket).await?;
        Ok(Answered { leaf: ticket.leaf(), ..answered(Some(sequence), &self) })
    }

    pub(super) fn write_intent(
        &mut self,
        action: Action,
        entity: &Entity,
        id: Option<&str>,
        changed: FieldSet,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        self.0.told.changed(entity, changed);
        let mut fields = self.0.lane.buffer();
        text::text(&mut fields, "write", action.as_str());
        text::text(&mut fields, "entity", entity.name.as_str());
        if let Some(id) = id {
            let digest = self.0.lane.keys.digest(entity.name.as_str(), id);
            text::hex_text(&mut fields, "record", &digest.0);
            self.0.told.touched(digest);
        }
        self.append_intent(fields, now)
    }

    #[cfg(test)]
    pub(super) fn told_for_tests(&mut self) -> &mut Told {
        &mut self.0.told
    }

    fn append_intent(&mut self, mut fields: Vec<u8>, now: Now) -> Result<Ticket, JournalError> {
        self.0.told.render(&mut fields);
        let ticket = self.append(EntryKind::Intent, &fields, Durability::Synced, now);
        self.0.told.wrote_intent();
        self.0.intended |= ticket.is_ok();
        self.0.lane.give_back(fields);
        ticket
    }

    fn write_answer(
        &mut self,
        status: Option<u16>,
        bytes: Option<u64>,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        let mut fields = self.0.lane.buffer();
        self.0.told.render(&mut fields);
        if let Some(status) = status {
            text::number(&mut fields, "status", status.into());
        }
        let abandoned = self.0.abandoned || status.is_none();
        if abandoned {
            text::text(&mut fields, "reason", "abandoned");
        }
        if let Some(bytes) = bytes {
            text::number(&mut fields, "bytes", bytes);
        }
        text::number(&mut fields, "micros", micros_between(self.0.opened, now));
        let sensitive =
            if self.0.told.is_sensitive() { self.0.lane.sensitive_reads } else { Durability::Written };
        let durability = sensitive.max(self.0.told.durability);
        // Whoever knew what became of the intent is gone.
        let kind = if abandoned && self.0.intended { EntryKind::Unsettled } else { EntryKind::Answer };
        let ticket = self.append(kind, &fields, durability, now);
        self.0.lane.give_back(fields);
        ticket
    }

    fn append(
        &self,
        kind: EntryKind,
        fields: &[u8],
        durability: Durability,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        let (leaf, plain) = self.0.who.as_ref().map_or((&[][..], &[][..]), |who| (&who.leaf, &who.plain));
        let read = self.0.told.read_values();
        let draft = Draft {
            kind,
            request: Some(self.0.request),
            now,
            fields: &[&self.0.text, leaf, fields],
            plain: &[&self.0.plain, plain, &read],
        };
        draft.append(&self.0.lane, durability, self.standing(kind))
    }

    fn standing(&self, kind: EntryKind) -> Standing {
        match (self.0.whose, kind) {
            (Whose::Identified, _) => Standing::Identified,
            // Its exchange is answered, and that is an entry or counted.
            (Whose::Unidentified | Whose::Anonymous, EntryKind::Intent) => Standing::Stranger(None),
            (Whose::Unidentified | Whose::Anonymous, _) => Standing::Stranger(Some(self.word())),
        }
    }

    /// By which word it is counted where it has no entry of its own.
    fn word(&self) -> &'static str {
        self.0.told.reason.unwrap_or("served")
    }

    /// Refusals of someone who was never identified are written one by one up to a bound. What an anonymous caller
    /// was shown or has changed stands by itself.
    fn telling(&self, now: Now) -> Telling {
        let bounded = match self.0.whose {
            Whose::Unidentified => true,
            Whose::Anonymous => self.0.told.reason.is_some(),
            Whose::Identified => false,
        };
        if !bounded || self.0.intended {
            return Telling::OneByOne;
        }
        self.0.lane.strangers.lock().note(self.0.address, self.word(), now)
    }

    /// All of it, out of one that is being dropped.
    fn handed_over(&mut self) -> Self {
        let sheet = &mut *self.0;
        Self(Box::new(Sheet {
            lane: sheet.lane.clone(),
            request: sheet.request,
            opened: sheet.opened,
            address: sheet.address,
            text: std::mem::take(&mut sheet.text),
            plain: std::mem::take(&mut sheet.plain),
            who: sheet.who.take(),
            facts: sheet.facts.take(),
            whose: sheet.whose,
            told: std::mem::take(&mut sheet.told),
            about: sheet.about,
            intended: sheet.intended,
            answered: false,
            abandoned: true,
            handle: None,
        }))
    }
}

impl Drop for Entry {
    /// Unanswered: handed to who holds a handle, or to the lane as it is, for which nobody waits. The time is the
    /// opening's; nothing here may ask for another.
    fn drop(&mut self) {
        if !self.0.answered {
            if let Some(place) = self.0.handle.take().and_then(|handle| handle.upgrade()) {
                *place.lock() = Some(self.handed_over());
                return;
            }
            if self.telling(self.0.opened) == Telling::OneByOne {
                drop(self.write_answer(None, None, self.0.opened));
            }
        }
        self.0.lane.give_back(std::mem::take(&mut self.0.text));
        self.0.lane.give_back(std::mem::take(&mut self.0.plain));
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("request", &self.0.request).finish_non_exhaustive()
    }
}

/// Whether a method may change something (RFC 9110 §9.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// It does not.
    Safe,
    /// It may.
    Unsafe,
}

/// The record an operation names.
pub(super) fn micros_between(from: Now, to: Now) -> u64 {
    u64::try_from(to.mono.saturating_duration_since(from.mono).as_micros()).unwrap_or(u64::MAX)
}
