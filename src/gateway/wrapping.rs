//! Keeps the wrapping keys of the journal: another one where one is due, and the keys of segments under it.

use std::{sync::Arc, time::Duration};

use super::Gate;
use crate::{
    audit::{KeyChange, Rewrapped},
    clock,
};

/// How often it is looked whether another key is due, or stands in its file.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Never ends. What goes wrong is told once, and tried again.
pub(super) async fn keep(gate: Arc<Gate>) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let trouble = match gate.journal.keep_wrapped(clock::now()).await {
            Ok(None) => String::new(),
            Ok(Some((change, rewrapped))) => tell(change, &rewrapped),
            Err(error) => error.to_string(),
        };
        if !trouble.is_empty() && trouble != told {
            tracing::error!(why = %trouble, "the journal's wrapping keys are not as they should be");
        }
        told = trouble;
    }
}

/// Tells what was done; gives what could not be.
fn tell(change: Option<KeyChange>, rewrapped: &Rewrapped) -> String {
    if let Some(to) = change.and_then(|change| change.to) {
        tracing::warn!(key = %to, "the journal has another wrapping key: copy it to where the others are kept");
    }
    if rewrapped.segments > 0 {
        tracing::info!(segments = rewrapped.segments, "keys of the journal's segments were wrapped anew");
    }
    let first = rewrapped.faults.first();
    first.map_or_else(String::new, |fault| format!("{}: {}", fault.place, fault.what))
}
