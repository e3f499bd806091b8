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

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    JournalError, Receipt,
    draft::{Draft, EntryKind},
    facts::{self, FactsText},
    keys::KeyedDigest,
    lane::{Durability, Lane, Standing, Ticket},
    receipt::{Effect, Fetch},
    strangers::Telling,
    text,
    told::Told,
};
use crate::{
    catalog::{Action, Operation},
    clock::Now,
    identity::Facts,
    policy::{CallPermit, Detail, Shown, WritePermit},
    quota::Admission,
    schema::{Entity, FieldSet},
    words::{Channel, Digest, Kind, RequestId, StatementId, SystemName},
};

/// LIMIT: longest path prefix that is written in clear.
const PATH_PART_MAX: usize = 64;

/// One exchange on its way into the journal.
pub struct Entry {
    lane: Arc<Lane>,
    request: RequestId,
    opened: Now,
    address: IpAddr,
    /// Fields of the leaf known so far, each beginning with a comma.
    text: Vec<u8>,
    /// The same for what is sealed.
    plain: Vec<u8>,
    who: Option<Arc<FactsText>>,
    whose: Whose,
    told: Told,
    /// An intent was appended: what answers it stands by itself, whoever asked.
    intended: bool,
    answered: bool,
    /// It was dropped unanswered once, and handed over.
    abandoned: bool,
    /// Where it goes when it is dropped unanswered.
    handle: Option<Weak<Mutex<Option<Box<Entry>>>>>,
}

/// Who an exchange is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Nobody was identified.
    Unidentified,
    /// A caller without a credential, whom the policy considers.
    Anonymous,
    /// A caller with one.
    Identified,
}

/// A hold on an entry that may be dropped before it is answered: by a panic, in whatever task it is by then.
#[derive(Debug)]
pub struct Abandoned(Arc<Mutex<Option<Box<Entry>>>>);

impl Abandoned {
    /// The entry, where it was dropped unanswered: to be answered before a head leaves. What is not taken is written
    /// as abandoned when the handle is dropped.
    pub fn take(&self) -> Option<Entry> {
        self.0.lock().take().map(|entry| *entry)
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
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides were done.
    Complete,
    /// The caller went away.
    CallerGone,
    /// The system broke off.
    SystemGone,
    /// A clock or a bound ran out.
    Bound,
    /// The credential was revoked, or a policy no longer allows it.
    Revoked,
    /// The credential ran out.
    Expired,
    /// The gate is stopping.
    Drained,
}

/// An exchange whose answer is in the journal: its head may leave.
#[derive(Debug)]
pub struct Answered {
    lane: Arc<Lane>,
    request: RequestId,
    opened: Now,
    whose: Whose,
    sequence: Option<u64>,
    /// Digests of bodies that were streamed, for the `close` entry.
    bodies: SmallVec<[(&'static str, KeyedDigest); 2]>,
}

impl Entry {
    /// Opens the entry of one exchange.
    pub fn open(lane: &Arc<Lane>, request: RequestId, channel: &Channel, now: Now) -> Self {
        let mut text = lane.buffer();
        let mut plain = lane.buffer();
        channel_fields(&mut text, &mut plain, channel);
        Self {
            lane: lane.clone(),
            request,
            opened: now,
            address: channel.address,
            text,
            plain,
            who: None,
            whose: Whose::Unidentified,
            told: Told::default(),
            intended: false,
            answered: false,
            abandoned: false,
            handle: None,
        }
    }

    /// A handle by which the entry can be answered after whoever had it panicked. With a handle alive a dropped entry
    /// is not written but handed over; the last handle that is asked for counts.
    pub fn abandoned_handle(&mut self) -> Abandoned {
        let place = Arc::default();
        self.handle = Some(Arc::downgrade(&place));
        Abandoned(place)
    }

    /// The exchange's id.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// Whether the journal can take entries.
    ///
    /// # Errors
    /// See [`Lane::ready`].
    pub fn ready(&self) -> Result<(), JournalError> {
        self.lane.ready()
    }

    /// What was asked, once: the method, and of the path what names a collection or a system. The rest may hold
    /// ids, so it stands as a keyed digest.
    pub fn head(&mut self, method: &http::Method, path: &str) {
        text::text(&mut self.text, "method", method.as_str());
        let path = path.split('?').next().unwrap_or_default();
        let clear = clear_part(path);
        text::text(&mut self.text, "path", clear);
        if clear.len() < path.len() {
            text::hex_text(&mut self.text, "path_digest", &self.lane.keys.digest("path", path).0);
        }
    }

    /// Who asks, once its credential was checked.
    pub fn caller(&mut self, facts: &Arc<Facts>) {
        facts::credential(&mut self.text, &facts.credential);
        self.who = Some(self.lane.facts.of(facts, &self.lane.keys));
        self.whose = match facts.kind {
            Kind::Anonymous => Whose::Anonymous,
            Kind::App | Kind::Partner | Kind::User => Whose::Identified,
        };
    }

    /// Which operation, on which entity or system.
    pub fn operation(&mut self, action: Action, target: &str) {
        text::text(&mut self.text, "action", action.as_str());
        text::text(&mut self.text, "target", target);
    }

    /// The bundle that decides.
    pub fn bundle(&mut self, digest: Digest) {
        text::hex_text(&mut self.text, "bundle", &digest.0);
    }

    /// Statements that decided; may be called for every record, what comes again is written once.
    pub fn decided(&mut self, statements: &[StatementId], detail: Detail) {
        self.told.decided(statements, detail);
    }

    /// A record that was looked at, changed or refused, whether or not it was shown.
    pub fn record(&mut self, entity: &Entity, id: &str) {
        self.told.touched(self.lane.keys.digest(entity.name.as_str(), id));
    }

    /// Someone whose data is shown, taken from the record before it was struck and masked. A record that is its own
    /// subject is told by [`Entry::shown`].
    pub fn subject(&mut self, entity: &str, id: &str) {
        self.told.subject(self.lane.keys.digest(entity, id));
    }

    /// A record as the caller gets to see it; `id` is the record's own, shown or not.
    pub fn shown(&mut self, shown: &Shown, id: &str) {
        self.told.shown(&self.lane.keys, shown.entity(), shown.fields(), id);
        self.told.decided(shown.statements(), shown.detail());
    }

    /// Records that a list left out.
    pub fn withheld(&mut self, count: u64, why: Withheld) {
        self.told.withheld(count, why);
    }

    /// An attribute that a statement read, with its value: sealed, so that replay can work and erasure too. The leaf
    /// names it. It may have several values, those of a list's records for instance; each is written once.
    pub fn context(&mut self, name: &str, value: impl Display) {
        self.told.read(name, value);
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
        self.told.system(name, status, micros, bytes_out, bytes_in);
    }

    /// A keyed digest of a body, where the detail asks for it.
    pub fn body_digest(&mut self, name: &'static str, digest: &Digest) {
        let keyed = self.lane.keys.digest("body", &digest.to_string());
        self.told.note(name, keyed);
    }

    /// How much the statements that decided so far want said.
    pub fn detail(&self) -> Detail {
        self.told.detail
    }

    /// What the answer must survive at least, beyond what is so anyway.
    pub fn durable(&mut self, durability: Durability) {
        self.told.durability = self.told.durability.max(durability);
    }

    /// Why the exchange is refused.
    pub fn refusal(&mut self, reason: &'static str) {
        self.told.reason = Some(reason);
    }

    /// Anything else worth knowing: `unguarded`, `idempotency`. Never a value of a record.
    pub fn note(&mut self, key: &'static str, value: impl Display) {
        self.told.note(key, value);
    }

    /// Leave to ask a system for what the operation may look at: this entry is open and will be written.
    pub fn fetch(&mut self, admission: &Admission) -> Receipt<Fetch> {
        let operation = admission.prospect().operation();
        if let (Some(entity), Some(id)) = (operation.entity(), record_of(operation)) {
            self.told.touched(self.lane.keys.digest(entity.name.as_str(), id));
        }
        Receipt::new(self.request)
    }

    /// Writes down what is about to change, synced, and gives leave to change it.
    pub async fn intent(&mut self, permit: &WritePermit, now: Now) -> Result<Receipt<Effect>, JournalError> {
        self.told.decided(permit.statements(), permit.detail());
        let ticket =
            self.write_intent(permit.action(), permit.entity(), permit.record_id(), permit.changed(), now)?;
        ticket.await?;
        Ok(Receipt::new(self.request))
    }

    /// The same for a request passed through; a safe method changes nothing and has no intent of its own.
    pub async fn call_intent(
        &mut self,
        permit: &CallPermit,
        safe: Safety,
        now: Now,
    ) -> Result<Receipt<Effect>, JournalError> {
        self.told.decided(permit.statements(), permit.detail());
        match safe {
            Safety::Safe => self.lane.ready()?,
            Safety::Unsafe => {
                let call = permit.call();
                let mut fields = self.lane.buffer();
                text::text(&mut fields, "system", call.system.as_str());
                text::hex_text(&mut fields, "call", &self.lane.keys.digest("path", &call.path).0);
                self.append_intent(fields, now)?.await?;
            }
        }
        Ok(Receipt::new(self.request))
    }

    /// Writes the one answer; once it resolves the head may leave. A failure means: refuse.
    pub async fn answer(
        mut self,
        status: u16,
        bytes: Option<u64>,
        now: Now,
    ) -> Result<Answered, JournalError> {
        self.answered = true;
        let answered = |sequence, entry: &Self| Answered {
            lane: entry.lane.clone(),
            request: entry.request,
            opened: entry.opened,
            whose: entry.whose,
            sequence,
            bodies: SmallVec::new(),
        };
        if self.telling(now) == Telling::InTheCount {
            return Ok(answered(None, &self));
        }
        let ticket = self.write_answer(Some(status), bytes, now)?;
        let sequence = ticket.await?;
        Ok(answered(Some(sequence), &self))
    }

    pub(super) fn write_intent(
        &mut self,
        action: Action,
        entity: &Entity,
        id: Option<&str>,
        changed: FieldSet,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        self.told.changed(entity, changed);
        let mut fields = self.lane.buffer();
        text::text(&mut fields, "write", action.as_str());
        text::text(&mut fields, "entity", entity.name.as_str());
        if let Some(id) = id {
            let digest = self.lane.keys.digest(entity.name.as_str(), id);
            text::hex_text(&mut fields, "record", &digest.0);
            self.told.touched(digest);
        }
        self.append_intent(fields, now)
    }

    #[cfg(test)]
    pub(super) fn told_for_tests(&mut self) -> &mut Told {
        &mut self.told
    }

    fn append_intent(&mut self, mut fields: Vec<u8>, now: Now) -> Result<Ticket, JournalError> {
        self.told.render(&mut fields);
        let ticket = self.append(EntryKind::Intent, &fields, Durability::Synced, now);
        self.told.wrote_intent();
        self.intended |= ticket.is_ok();
        self.lane.give_back(fields);
        ticket
    }

    fn write_answer(
        &mut self,
        status: Option<u16>,
        bytes: Option<u64>,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        let mut fields = self.lane.buffer();
        self.told.render(&mut fields);
        if let Some(status) = status {
            text::number(&mut fields, "status", status.into());
        }
        let abandoned = self.abandoned || status.is_none();
        if abandoned {
            text::text(&mut fields, "reason", "abandoned");
        }
        if let Some(bytes) = bytes {
            text::number(&mut fields, "bytes", bytes);
        }
        text::number(&mut fields, "micros", micros_between(self.opened, now));
        let sensitive =
            if self.told.is_sensitive() { self.lane.sensitive_reads } else { Durability::Written };
        let durability = sensitive.max(self.told.durability);
        // Whoever knew what became of the intent is gone.
        let kind = if abandoned && self.intended { EntryKind::Unsettled } else { EntryKind::Answer };
        let ticket = self.append(kind, &fields, durability, now);
        self.lane.give_back(fields);
        ticket
    }

    fn append(
        &self,
        kind: EntryKind,
        fields: &[u8],
        durability: Durability,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        let (leaf, plain) = self.who.as_ref().map_or((&[][..], &[][..]), |who| (&who.leaf, &who.plain));
        let read = self.told.read_values();
        let draft = Draft {
            kind,
            request: Some(self.request),
            now,
            fields: &[&self.text, leaf, fields],
            plain: &[&self.plain, plain, &read],
        };
        draft.append(&self.lane, durability, self.standing(kind))
    }

    fn standing(&self, kind: EntryKind) -> Standing {
        match (self.whose, kind) {
            (Whose::Identified, _) => Standing::Identified,
            // Its exchange is answered, and that is an entry or counted.
            (Whose::Unidentified | Whose::Anonymous, EntryKind::Intent) => Standing::Stranger(None),
            (Whose::Unidentified | Whose::Anonymous, _) => Standing::Stranger(Some(self.word())),
        }
    }

    /// By which word it is counted where it has no entry of its own.
    fn word(&self) -> &'static str {
        self.told.reason.unwrap_or("served")
    }

    /// Refusals of someone who was never identified are written one by one up to a bound. What an anonymous caller
    /// was shown or has changed stands by itself.
    fn telling(&self, now: Now) -> Telling {
        let bounded = match self.whose {
            Whose::Unidentified => true,
            Whose::Anonymous => self.told.reason.is_some(),
            Whose::Identified => false,
        };
        if !bounded || self.intended {
            return Telling::OneByOne;
        }
        self.lane.strangers.lock().note(self.address, self.word(), now)
    }

    /// All of it, out of one that is being dropped.
    fn handed_over(&mut self) -> Self {
        Self {
            lane: self.lane.clone(),
            request: self.request,
            opened: self.opened,
            address: self.address,
            text: std::mem::take(&mut self.text),
            plain: std::mem::take(&mut self.plain),
            who: self.who.take(),
            whose: self.whose,
            told: std::mem::take(&mut self.told),
            intended: self.intended,
            answered: false,
            abandoned: true,
            handle: None,
        }
    }
}

impl Drop for Entry {
    /// Unanswered: handed to who holds a handle, or to the lane as it is, for which nobody waits. The time is the
    /// opening's; nothing here may ask for another.
    fn drop(&mut self) {
        if !self.answered {
            if let Some(place) = self.handle.take().and_then(|handle| handle.upgrade()) {
                *place.lock() = Some(Box::new(self.handed_over()));
                return;
            }
            if self.telling(self.opened) == Telling::OneByOne {
                drop(self.write_answer(None, None, self.opened));
            }
        }
        self.lane.give_back(std::mem::take(&mut self.text));
        self.lane.give_back(std::mem::take(&mut self.plain));
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("request", &self.request).finish_non_exhaustive()
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

impl Answered {
    /// The answer's place in its lane; none where it is part of a minute's count.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// A keyed digest of a body that was streamed, as far as it came, where the detail asks for it: it stands in the
    /// `close` entry.
    pub fn body_digest(&mut self, name: &'static str, digest: &Digest) {
        self.bodies.push((name, self.lane.keys.digest("body", &digest.to_string())));
    }

    /// The end of a stream. Nobody waits for it.
    pub fn close(self, bytes_in: u64, bytes_out: u64, how: Ended, now: Now) {
        let mut fields = self.lane.buffer();
        text::text(&mut fields, "ended", how.as_str());
        text::number(&mut fields, "bytes_in", bytes_in);
        text::number(&mut fields, "bytes_out", bytes_out);
        text::number(&mut fields, "micros", micros_between(self.opened, now));
        let mut told = Told::default();
        for (name, digest) in &self.bodies {
            told.note(name, digest);
        }
        told.render(&mut fields);
        let draft = Draft {
            kind: EntryKind::Close,
            request: Some(self.request),
            now,
            fields: &[&fields],
            plain: &[],
        };
        let standing = match self.whose {
            Whose::Identified => Standing::Identified,
            Whose::Unidentified | Whose::Anonymous => Standing::Stranger(None),
        };
        drop(draft.append(&self.lane, Durability::Written, standing));
        self.lane.give_back(fields);
    }
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CallerGone => "caller-gone",
            Self::SystemGone => "system-gone",
            Self::Bound => "bound",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Drained => "drained",
        }
    }
}

/// What the door refuses before there is a request: failed handshakes, what the HTTP layer answers by itself.
/// Nobody waits for it.
pub fn refused_at_the_door(
    lane: &Arc<Lane>,
    channel: &Channel,
    reason: &'static str,
    status: Option<u16>,
    now: Now,
) {
    if lane.strangers.lock().note(channel.address, reason, now) == Telling::InTheCount {
        return;
    }
    let (mut text, mut plain) = (lane.buffer(), lane.buffer());
    channel_fields(&mut text, &mut plain, channel);
    text::text(&mut text, "refusal", reason);
    if let Some(status) = status {
        text::number(&mut text, "status", status.into());
    }
    let draft = Draft { kind: EntryKind::Answer, request: None, now, fields: &[&text], plain: &[&plain] };
    drop(draft.append(lane, Durability::Written, Standing::Stranger(Some(reason))));
    lane.give_back(text);
    lane.give_back(plain);
}

fn channel_fields(text: &mut Vec<u8>, plain: &mut Vec<u8>, channel: &Channel) {
    text::text(text, "listener", channel.listener.as_str());
    text::text(text, "network", network_class(channel.address));
    match &channel.tls {
        None => text::text(text, "tls", "none"),
        Some(tls) => {
            text::text(text, "tls", tls.version);
            if let Some(name) = &tls.server_name {
                text::text(text, "server_name", name);
            }
            if let Some(certificate) = &tls.certificate {
                text::hex_text(text, "certificate", &certificate.0);
            }
        }
    }
    text::key(plain, "address");
    text::address(plain, channel.address);
    if channel.peer.ip() != channel.address {
        text::key(plain, "peer");
        text::address(plain, channel.peer.ip());
    }
}

fn network_class(address: IpAddr) -> &'static str {
    match address.to_canonical() {
        address if address.is_loopback() => "loopback",
        IpAddr::V4(address) if address.is_private() || address.is_link_local() => "private",
        IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => "private",
        IpAddr::V4(_) | IpAddr::V6(_) => "public",
    }
}

/// `/v1/{collection}` and `/systems/{name}` in clear, where the word looks like a name of ours; of any other path
/// nothing but `/`, unless it is short and of plain letters.
fn clear_part(path: &str) -> &str {
    let (prefix, rest) = match path {
        path if path.starts_with("/v1/") => path.split_at_checked(4).unwrap_or((path, "")),
        path if path.starts_with("/systems/") => path.split_at_checked(9).unwrap_or((path, "")),
        "/openapi.json" | "/.well-known/jwks.json" => return path,
        _ => return "/",
    };
    let word = rest.split('/').next().unwrap_or_default();
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'_' | b'-');
    if word.len() <= PATH_PART_MAX && word.bytes().all(plain) {
        return path.get(..prefix.len() + word.len()).unwrap_or(prefix);
    }
    prefix
}

/// The record an operation names.
fn record_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Read(_, id) | Operation::Update(_, id, _) | Operation::Delete(_, id) => Some(&id.0),
        Operation::List(_) | Operation::Create(_) | Operation::Call(_) => None,
    }
}

fn micros_between(from: Now, to: Now) -> u64 {
    u64::try_from(to.mono.saturating_duration_since(from.mono).as_micros()).unwrap_or(u64::MAX)
}
