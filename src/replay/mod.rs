//! What the journal's decisions come to under another bundle.
//!
//! Each entry of an answer is decided again by the other bundle's statements, on what the entry holds: who asked, under
//! which circumstances, and of each record what statements went by. What comes out is held against what the entry says
//! was decided, shown and charged. A difference is told where it is one whatever is not known; where it depends on that,
//! the entry is counted as one of which it cannot be told, with the reason. Nothing is guessed.
//!
//! Budgets and rates that were used up are looked at by whoever goes along with the journal and keeps meters beside it
//! ([`Replay::with_meters`]).
//!
//! What it does not look at: what another mapping would have made of a system's answer, what a caller would have asked
//! next, records that a list would have gone on to where fewer of a page may be seen, and values that are masks sent back.

mod judging;
mod kept;
mod limits;
mod record;
mod run;
mod sum;
mod who;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    audit::{Beneath, JournalKeys, KeyedDigest, Line, Replayed, ReplayedBeneath},
    catalog::{Action, Call},
    config::{Files, Snapshot},
    identity::Facts,
    policy::{self, Context, Explanation, Hours, Memo, Target, Untold},
    quota::Rehearsal,
    words::{Channel, Digest, TlsFacts},
};
use judging::Judging;
use limits::Limits;
use who::Then;

pub use kept::{KeptByDigest, Names};
pub use run::{Failed, Progress, Unread};
pub use sum::{Change, Direction, Found, Reason, Row, Ruling, Sum, What, Who};

/// LIMIT: principals whose facts are remembered, as they are now; when there are more it begins anew.
const WHO_MAX: usize = 4096;

/// A bundle and its files.
#[derive(Debug)]
pub struct Bundle {
    /// Compiled.
    pub snapshot: Snapshot,
    /// As they were read.
    pub files: Arc<Files>,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Only of this principal, by its keyed digest.
    pub principal: Option<KeyedDigest>,
}

/// What an entry comes to.
#[derive(Clone, Debug)]
pub enum Again {
    /// It is not one of those that are asked for, or of no answer.
    Passed,
    /// It tells of no decision: the request ended before it was known who asks for what.
    Undecided,
    /// So does this, but of somebody known, and what its own plan comes to is told: of which exchange, and what.
    AtRate(Option<String>, Found),
    /// It is decided again.
    Ruled(Box<Ruling>),
}

/// Who finds the bundles that entries name.
pub type Kept<'a> = &'a (dyn Fn(Digest) -> Option<Arc<Bundle>> + Sync);

/// Decides entries again under another bundle.
pub struct Replay<'a> {
    now: &'a Bundle,
    keys: &'a JournalKeys,
    kept: Kept<'a>,
    which: Which,
    meters: Option<Rehearsal>,
    memo: Memo,
    who: Mutex<HashMap<(Digest, Option<Digest>), Known>>,
}

/// Who somebody is under the other bundle.
type Known = Result<Arc<Facts>, Missing>;

/// Why somebody is nobody there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// The bundle does not know it, or has it switched off.
    Gone,
    /// It cannot be told which of its groups its credential had.
    Unsure,
}

impl std::fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("now", &self.now.snapshot.digest).finish_non_exhaustive()
    }
}

impl<'a> Replay<'a> {
    /// Under this bundle.
    pub fn under(now: &'a Bundle, keys: &'a JournalKeys, kept: Kept<'a>, which: Which) -> Self {
        Self { now, keys, kept, which, meters: None, memo: Memo::default(), who: Mutex::default() }
    }

    /// The same with what was used of the bundle's limits counted. ORDER: entries come then as their requests did.
    #[must_use]
    pub fn with_meters(self, meters: Rehearsal) -> Self {
        Self { meters: Some(meters), ..self }
    }

    /// Forgets what does not count any more. To be called every few seconds.
    pub fn sweep(&self, at: Timestamp) {
        if let Some(meters) = &self.meters {
            meters.sweep(at);
        }
    }

    /// Decides an entry again.
    pub fn again(&self, line: &Line) -> Again {
        let Some(entry) = Replayed::read(line) else { return Again::Undecided };
        if entry.kind != "answer" || !self.is_asked_for(&entry) {
            return Again::Passed;
        }
        let action = Action::ALL.into_iter().find(|known| Some(known.as_str()) == entry.action());
        let (Some(action), Some(target), Some(who)) = (action, entry.target(), entry.who.as_ref()) else {
            return self.greeted(line, &entry);
        };
        let mut ruling = Ruling {
            who: Who::Digest(who.kind.to_owned(), who.id.to_owned()),
            action,
            target: target.to_owned(),
            request: entry.request.map(str::to_owned),
            found: Found::default(),
        };
        self.ruled(line, &entry, &mut ruling);
        Again::Ruled(Box::new(ruling))
    }

    /// The limits of a request that ended before it was known what it asks for.
    fn greeted(&self, line: &Line, entry: &Replayed<'_>) -> Again {
        let (Some(meters), Some(_)) = (&self.meters, &entry.who) else { return Again::Undecided };
        let mut found = Found::default();
        let plain = match Beneath::of(line, self.keys) {
            Beneath::Plain(plain) => plain,
            Beneath::Erased | Beneath::Forged => return Again::Undecided,
        };
        let Some(beneath) = ReplayedBeneath::read(&plain) else { return Again::Undecided };
        let was = entry.bundle.and_then(digest);
        let then = was.and_then(|digest| self.bundle_of(digest));
        let before = then.as_deref().map(|then| &then.snapshot);
        let facts = who::then(entry, &beneath, &self.now.snapshot, before);
        match facts.map(|facts| self.who_now(&facts, was, then.as_deref())) {
            Some(Ok(facts)) => {
                let limits = Limits::greet(meters, self.now, &facts, (entry, &beneath), &mut found);
                limits.into_iter().for_each(|limits| limits.greeted(entry, &mut found));
            }
            // Nobody is charged who is nobody.
            Some(Err(Missing::Gone)) => return Again::Undecided,
            Some(Err(Missing::Unsure)) => found.untold(Reason::Bundle),
            None => found.untold(Reason::Facts),
        }
        Again::AtRate(entry.request.map(str::to_owned), found)
    }

    fn is_asked_for(&self, entry: &Replayed<'_>) -> bool {
        let Which { since, until, principal } = &self.which;
        let is_whose = principal.is_none_or(|principal| {
            let written = principal.to_string();
            entry.who.as_ref().is_some_and(|who| who.id == written || who.partner == Some(&written))
        });
        let is_timely = (since.is_none() && until.is_none())
            || entry.at.parse().is_ok_and(|at: Timestamp| {
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
            });
        is_whose && is_timely
    }

    fn ruled(&self, line: &Line, entry: &Replayed<'_>, ruling: &mut Ruling) {
        if !entry.is_replayable() {
            return ruling.untold(Reason::Old);
        }
        match Beneath::of(line, self.keys) {
            Beneath::Plain(plain) => match ReplayedBeneath::read(&plain) {
                Some(beneath) => self.decide(entry, &beneath, ruling),
                None => ruling.untold(Reason::Damaged),
            },
            Beneath::Erased => ruling.untold(Reason::Erased),
            Beneath::Forged => ruling.untold(Reason::Damaged),
        }
    }

    fn decide(&self, entry: &Replayed<'_>, beneath: &ReplayedBeneath<'_>, ruling: &mut Ruling) {
        let was = entry.bundle.and_then(digest);
        let then = was.and_then(|digest| self.bundle_of(digest));
        let before = then.as_deref().map(|then| &then.snapshot);
        let Some(facts) = who::then(entry, beneath, &self.now.snapshot, before) else {
            return ruling.untold(Reason::Facts);
        };
        ruling.who = Who::Named(format!("{}/{}", facts.kind, facts.id));
        let facts = match self.who_now(&facts, was, then.as_deref()) {
            Ok(facts) => facts,
            Err(Missing::Gone) => {
                if was_allowed(entry) {
                    ruling.change(What::Unknown);
                }
                return;
            }
            Err(Missing::Unsure) => return ruling.untold(Reason::Bundle),
        };
        let mut limits = None;
        if let Some(meters) = &self.meters {
            limits = Limits::greet(meters, self.now, &facts, (entry, beneath), &mut ruling.found);
            if limits.is_none() {
                return;
            }
        }
        let Some(target) = target_of(&self.now.snapshot, entry, beneath, (ruling.action, &ruling.target))
        else {
            if was_allowed(entry) {
                ruling.change(What::NoTarget);
            }
            return;
        };
        let Some(context) = context(entry, beneath, before, self.now.snapshot.policies.hours()) else {
            return ruling.untold(Reason::Damaged);
        };
        let judging = Judging {
            entry,
            beneath,
            ruling,
            now: self.now,
            then: then.as_deref(),
            keys: self.keys,
            limits,
            wanted: None,
            compared: Vec::new(),
        };
        judging.judge(&self.memo, &facts, target, context);
    }

    /// The bundle that an entry names, where it was kept.
    fn bundle_of(&self, digest: Digest) -> Option<Arc<Bundle>> {
        (self.kept)(digest)
    }

    fn who_now(&self, facts: &Facts, was: Option<Digest>, then: Option<&Bundle>) -> Known {
        let key = (facts.digest, was);
        let lock = || self.who.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&key) {
            return found.clone();
        }
        let registry = |bundle: &'a Bundle| bundle.snapshot.sources.registry();
        let now = Then { then: then.map(|then| then.snapshot.sources.registry()), now: registry(self.now) };
        let found = now.of(facts);
        let mut known = lock();
        if known.len() >= WHO_MAX {
            known.clear();
        }
        known.insert(key, found.clone());
        found
    }
}

/// What each statement of a bundle has to do with an entry's decision, before any record: on what the entry holds of who
/// asked and how. And who that was, as it is named.
///
/// # Errors
/// The entry does not hold it; none where it tells of no decision.
pub fn explained(
    now: &Snapshot,
    keys: &JournalKeys,
    kept: Kept<'_>,
    line: &Line,
) -> Result<Option<(String, Explanation)>, Reason> {
    let Some(entry) = Replayed::read(line).filter(|entry| entry.kind == "answer") else {
        return Ok(None);
    };
    let action = Action::ALL.into_iter().find(|known| Some(known.as_str()) == entry.action());
    let (Some(action), Some(name)) = (action, entry.target()) else { return Ok(None) };
    if !entry.is_replayable() {
        return Err(Reason::Old);
    }
    let plain = match Beneath::of(line, keys) {
        Beneath::Plain(plain) => plain,
        Beneath::Erased => return Err(Reason::Erased),
        Beneath::Forged => return Err(Reason::Damaged),
    };
    let beneath = ReplayedBeneath::read(&plain).ok_or(Reason::Damaged)?;
    let was = entry.bundle.and_then(digest);
    let found = was.filter(|was| *was != now.digest).and_then(kept);
    let then = if was == Some(now.digest) { Some(now) } else { found.as_deref().map(|then| &then.snapshot) };
    let facts = who::then(&entry, &beneath, now, then).ok_or(Reason::Facts)?;
    let context = context(&entry, &beneath, then, now.policies.hours()).ok_or(Reason::Damaged)?;
    let target = target_of(now, &entry, &beneath, (action, name)).ok_or(Reason::Bundle)?;
    let who = format!("{}/{}", facts.kind, facts.id);
    let explained = policy::explain(&now.policies, &facts, action, &target, &context, None);
    explained.map(|explanation| Some((who, explanation))).map_err(|_denied| Reason::Facts)
}

fn target_of(
    now: &Snapshot,
    entry: &Replayed<'_>,
    beneath: &ReplayedBeneath<'_>,
    (action, name): (Action, &str),
) -> Option<Target> {
    if action != Action::Call {
        return now.schema.entity(name).cloned().map(Target::Entity);
    }
    let (system, _) = now.systems.get_key_value(name)?;
    let path = beneath.fact(PATH).unwrap_or("/");
    let method = entry.method()?.parse().ok()?;
    Some(Target::Call(Call { system: system.clone(), method, path: path.into(), query: None }))
}

/// As entries name what statements read of a call.
const PATH: &str = "context.checked.call.path";

/// What statements may read of the request; what the entry does not hold is left open.
fn context(
    entry: &Replayed<'_>,
    beneath: &ReplayedBeneath<'_>,
    then: Option<&Snapshot>,
    hours: &Arc<Hours>,
) -> Option<Context> {
    const PURPOSE: &str = "context.claimed.purpose";
    const USER_AGENT: &str = "context.claimed.user_agent";
    let time = opened(entry)?;
    let address: Option<IpAddr> = beneath.address().and_then(|text| text.parse().ok());
    let tls = entry.is_tls().then(|| TlsFacts {
        version: "1.3",
        server_name: None,
        certificate: entry.certificate.and_then(digest),
        standing: Default::default(),
    });
    let at = address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let listener = entry.listener()?.into();
    let channel = Channel { listener, peer: (at, 0).into(), address: at, tls };
    let claimed = |name| beneath.fact(name).map(Arc::from);
    let untold = Untold {
        address: address.is_none(),
        // It was kept where statements went by it.
        user_agent: beneath.fact(USER_AGENT).is_none()
            && (beneath.has_fact(USER_AGENT) || then.is_none_or(|then| !then.policies.reads_claims())),
        path: beneath.fact(PATH).is_none(),
        issue: true,
        bytes: true,
    };
    let sent = entry.method()?.parse().ok()?;
    let claims = (claimed(PURPOSE), claimed(USER_AGENT));
    let context = Context::new(&channel, (time, hours), (sent, None), claims);
    Some(context.with_glass(entry.note("break_glass").is_some()).without(untold))
}

/// When the request came.
fn opened(entry: &Replayed<'_>) -> Option<Timestamp> {
    let written: Timestamp = entry.at.parse().ok()?;
    written.checked_sub(Duration::from_micros(entry.micros)).ok()
}

/// When the request of an entry came, as far as it says.
pub fn came(line: &Line) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Moment<'a> {
        at: &'a str,
        #[serde(default)]
        micros: u64,
    }
    let moment: Moment<'_> = serde_json::from_str(line.leaf()).ok()?;
    let written: Timestamp = moment.at.parse().ok()?;
    written.checked_sub(Duration::from_micros(moment.micros)).ok()
}

/// Whether the caller was not refused by the policy, nor for who it is.
fn was_allowed(entry: &Replayed<'_>) -> bool {
    !matches!(entry.refusal(), Some("forbidden" | "no_such_record" | "hidden" | "unwritable"))
}

fn digest(hex: &str) -> Option<Digest> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok().map(Digest)
}
