//! An exchange inside another: a part of what was asked that is an operation by itself.
//!
//! It is judged by the same bundle and has an entry of its own, written before the answer of the whole leaves. The two
//! entries name each other, so that who reads one finds the other.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::{super::joined::Fetched, Exchange, Progress};
use crate::{audit::Entry, catalog::Operation, clock, identity::Caller, refusal::Refusal, schema::FieldSet};

impl Exchange {
    /// Opens an exchange for a part of this one, asked by the same caller over the same connection.
    pub(in crate::gateway) fn part(
        &mut self,
        caller: &Caller,
        method: &Method,
        path: &str,
        operation: &Operation,
    ) -> Box<Self> {
        let opened = clock::now();
        let mut entry = Entry::open_with(&self.core.lane, self.core.request_id(), &self.known.words, opened);
        entry.bundle(self.snapshot.digest);
        entry.head(method, path);
        entry.caller(caller.facts());
        entry.note("part_of", self.entry.request());
        self.entry.note("part", entry.request());
        let mut part = Box::new(Self {
            core: self.core.clone(),
            snapshot: self.snapshot.clone(),
            listener: self.listener.clone(),
            entry,
            channel: self.channel.clone(),
            known: self.known.clone(),
            // The time that the whole may take is the time that its parts may take.
            opened: self.opened,
            standing: None,
            traceparent: self.traceparent.clone(),
            sent: None,
            once: None,
            unfinished: None,
            early: None,
            progress: Progress::Nothing,
            untold: Vec::new(),
            related: Fetched::default(),
            fetched: FieldSet::EMPTY,
            left_out: None,
            lag: None,
            // What the whole may not leave untold, no part of it may.
            form: self.form,
            refused: None,
            erred: false,
            action: "none",
        });
        part.asked(operation);
        part
    }

    /// Ends a part: its entry is written as that of an answer of its own.
    ///
    /// # Errors
    /// The journal does not take it: nothing of the part may be told.
    pub(in crate::gateway) async fn close(
        mut self: Box<Self>,
        outcome: Result<&Bytes, &Refusal>,
    ) -> Result<(), Refusal> {
        let (status, bytes) = match outcome {
            Ok(bytes) => {
                self.digests(bytes);
                (StatusCode::OK, bytes.len())
            }
            Err(refusal) => {
                self.entry.refusal(refusal.reason());
                self.note_progress();
                self.core.gate.telemetry.refused(refusal.reason());
                if refusal.is_of_interest() {
                    let (request, reason) = (self.entry.request(), refusal.reason());
                    tracing::warn!(%request, reason, cause = %refusal, "a part of a request is refused");
                }
                (refusal.status(), 0)
            }
        };
        let Self { core, entry, action, opened, .. } = *self;
        let now = clock::now();
        let written = entry.answer(status.as_u16(), u64::try_from(bytes).ok(), now).await;
        let took = now.mono.saturating_duration_since(opened.mono);
        core.gate.telemetry.answered(action, status.as_u16(), took);
        written.map(drop).map_err(Refusal::Journal)
    }
}
