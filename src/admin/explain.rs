//! Explanations: of a request that is described, by the bundle in force, and of one that was made, by the bundle that
//! decided. They tell what `bramka policy explain --json` tells.
//!
//! Explaining compiles statements and may read the journal's index: one is made at a time, on a thread of its own, and so
//! many a minute. Who asks, and about whom, is an entry before anything is told.

use std::{sync::Arc, time::Instant};

use http::{Response, StatusCode};
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{answer, fault::Fault, panel::by};
use crate::{
    audit::{self, IndexProgress, Query},
    body::Body,
    clock::Now,
    crosswalk::{Crosswalk, Given},
    explaining::{Described, ENTRIES_MAX, Form, InStore, Station, Told, principal},
    gateway::{Gate, Options},
    replay::KeptByDigest,
    store::AdminTokenRecord,
    words::Diagnostics,
};

/// LIMIT: bytes of a request that is described, its record among them.
pub(super) const BODY_BYTES_MAX: u64 = 256 * 1024;
/// LIMIT: explanations a minute, of all operators together.
const A_MINUTE_MAX: u32 = 60;
const MINUTE_SECONDS: u64 = 60;
/// LIMIT: mistakes of a description that are told.
const MISTAKES_MAX: usize = 16;

/// How much is explained.
#[derive(Debug)]
pub(super) struct Explaining {
    /// LIMIT: one at a time.
    turn: Arc<Semaphore>,
    /// Since when this minute is, and how many it had.
    minute: Mutex<Option<(Instant, u32)>>,
}

impl Default for Explaining {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), minute: Mutex::default() }
    }
}

/// Leave to explain once; the next one waits until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held, and never looked at")] OwnedSemaphorePermit);

impl Explaining {
    /// Counts one.
    pub(super) fn count(&self, operator: &AdminTokenRecord, now: Now) -> Result<(), Fault> {
        self.one_more(now.mono).map_err(|wait| Fault::Often(wait, operator.name.clone()))
    }

    /// Waits until it is its turn.
    pub(super) async fn turn(&self) -> Result<Turn, Fault> {
        let turn = self.turn.clone().acquire_owned().await;
        turn.map(Turn).map_err(|_closed| Fault::Broken)
    }

    /// Whether one more may be made; else how many seconds are left until one may.
    fn one_more(&self, now: Instant) -> Result<(), u64> {
        let mut minute = self.minute.lock();
        let age = minute.map(|(since, _)| now.saturating_duration_since(since).as_secs());
        match (*minute, age) {
            (Some((_, count)), Some(age)) if age < MINUTE_SECONDS && count >= A_MINUTE_MAX => {
                Err(MINUTE_SECONDS.saturating_sub(age))
            }
            (Some((since, count)), Some(age)) if age < MINUTE_SECONDS => {
                *minute = Some((since, count.saturating_add(1)));
                Ok(())
            }
            _ => {
                *minute = Some((now, 1));
                Ok(())
            }
        }
    }
}

/// Explains a request that is described. ORDER: whom it is about stands in the journal before it is told.
pub(super) async fn described(
    gate: Arc<Gate>,
    turn: Turn,
    operator: &AdminTokenRecord,
    form: &[u8],
    now: Now,
) -> Result<Response<Body>, Fault> {
    let form: Form = serde_json::from_slice(form).map_err(|error| Fault::Invalid(error.to_string()))?;
    let described = form.described(now).map_err(Fault::Invalid)?;
    let who = whose(&gate, &described);
    let details = [("principal", who.as_str()), ("action", described.action.as_str())];
    gate.journal.administrative("explain", &by(operator), &details, now).await.map_err(Fault::Journal)?;
    let told = tokio::task::spawn_blocking(move || {
        let _held = turn;
        let snapshot = gate.live.snapshot();
        let known = InStore::new(Crosswalk::new(gate.tokens.store().clone(), 0));
        let mut found = Diagnostics::default();
        match Told::of(&described, &snapshot, &known, &mut found) {
            Ok(Some(told)) => Ok(told.json()),
            Ok(None) => Err(Fault::Invalid(mistakes(&found))),
            Err(denied) => Err(Fault::Invalid(denied.to_string())),
        }
    });
    Ok(answer::json(StatusCode::OK, &told.await.unwrap_or(Err(Fault::Broken))?))
}

/// Whom it is about, as the journal names it.
fn whose(gate: &Gate, described: &Described) -> String {
    match principal(&described.who.value) {
        Ok((kind, id)) => gate.journal.keys().digest(kind.as_str(), id.as_str()).to_string(),
        Err(_) => "nobody".to_owned(),
    }
}

fn mistakes(found: &Diagnostics) -> String {
    let told = found.0.iter().take(MISTAKES_MAX).map(|mistake| {
        let help = mistake.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("`{}`: {}{help}", mistake.place.file, mistake.message)
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Explains a request that was made. ORDER: the entry of this reading before what is read.
pub(super) async fn logged(
    (gate, options): (Arc<Gate>, Arc<Options>),
    turn: Turn,
    operator: &AdminTokenRecord,
    request: String,
    now: Now,
) -> Result<Response<Body>, Fault> {
    let what = format!("explanation of the exchange {request}");
    gate.journal.reading(&what, &by(operator), now).await.map_err(Fault::Journal)?;
    let told = tokio::task::spawn_blocking(move || {
        let _held = turn;
        stations(&gate, &options, request)
    });
    Ok(answer::json(StatusCode::OK, &told.await.unwrap_or(Err(Fault::Broken))?))
}

fn stations(gate: &Gate, options: &Options, request: String) -> Result<Json, Fault> {
    let query = Query { request: Some(request), ..Query::default() };
    let places = (gate.journal.directory(), &*options.data.join("index"));
    let (keys, progress) = (gate.journal.keys(), IndexProgress::default());
    let newest = audit::asked(places, keys, &progress, |index| index.newest(&query, ENTRIES_MAX));
    let hits = newest.map_err(Fault::Journal)?.hits;
    if hits.is_empty() {
        return Err(Fault::NoSuchPath);
    }
    let ids = Given(Crosswalk::new(gate.tokens.store().clone(), 0));
    let kept = KeptByDigest::of(&options.data, &options.base, Box::new(ids));
    let find = |digest| kept.find(digest);
    let snapshot = gate.live.snapshot();
    let told =
        hits.iter().map(|hit| Station::of((&hit.lane, &hit.line), Some(&snapshot), keys, &find).json());
    Ok(told.collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn so_many_explanations_are_made_a_minute_and_the_next_is_told_how_long_to_wait() {
        let (explaining, start) = (Explaining::default(), clock::mono());
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..A_MINUTE_MAX {
            assert_eq!(explaining.one_more(at(0)), Ok(()));
        }
        assert_eq!(explaining.one_more(at(0)), Err(60));
        assert_eq!(explaining.one_more(at(59)), Err(1));
        assert_eq!(explaining.one_more(at(60)), Ok(()));
    }
}
