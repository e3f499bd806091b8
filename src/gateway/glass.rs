//! Breaking the glass: a person whom a statement names for emergencies says why, and for an hour what `@breakglass` permits
//! counts. Somebody hears of it before the answer leaves; the entry of each such request says why, synced.
//!
//! Alone it can be done again only a day later; before that somebody else has to approve
//! (`bramka break-glass approve`).

use std::time::Duration;

use http::HeaderName;
use jiff::{SignedDuration, Timestamp};
use tokio::time;

use super::{claimed, exchange::Exchange};
use crate::{
    audit::Durability,
    identity::Caller,
    intake::Head,
    store::{Glass, GlassRow},
    words::Kind,
};

/// Why, as the person says.
pub(super) const BREAK_GLASS: HeaderName = HeaderName::from_static("break-glass");
/// How long it is broken by somebody alone, and how long after that end it cannot be again.
const LASTS: SignedDuration = SignedDuration::from_hours(1);
const RESTS: SignedDuration = SignedDuration::from_hours(24);
/// LIMIT: how long an answer waits for the alert to be posted; it stands in log and journal by then.
const ALERT_WAIT: Duration = Duration::from_secs(3);

/// Whether the glass is broken for this request: it says why, by somebody who may. Where that cannot be kept it is not.
pub(super) async fn is_broken(exchange: &mut Exchange, caller: &Caller, head: &Head) -> bool {
    let Some(reason) = claimed(head, BREAK_GLASS).filter(|reason| !reason.trim().is_empty()) else {
        return false;
    };
    let facts = caller.facts();
    let may = facts.kind == Kind::User
        && facts.partner.is_none()
        && exchange.snapshot.policies.glass().any(|(id, _)| *id == facts.id);
    if !may {
        exchange.entry.note("break_glass_refused", "not theirs");
        return false;
    }
    let core = exchange.core.clone();
    let asked = (facts.id.to_string(), reason.to_owned());
    let came = core.gate.tokens.store().break_glass(asked, (LASTS, RESTS), exchange.opened.wall).await;
    exchange.entry.durable(Durability::Synced);
    let (row, alert) = match &came {
        Ok(Glass::Broken(row, is_new)) => {
            exchange.entry.note("break_glass", reason);
            if let Some(by) = &row.approved_by {
                let by = core.gate.journal.keys().digest(Kind::User.as_str(), by);
                exchange.entry.note("approved_by", by);
            }
            if !is_new {
                return true;
            }
            (row, "break-glass")
        }
        Ok(Glass::Spent(row)) => {
            exchange.entry.note("break_glass_refused", "spent");
            (row, "break-glass-spent")
        }
        Err(error) => {
            tracing::error!(%error, user = %facts.id, "the glass is not broken: it could not be kept");
            exchange.entry.note("break_glass_refused", "not kept");
            return false;
        }
    };
    tell(exchange, alert, reason, row).await;
    matches!(came, Ok(Glass::Broken(..)))
}

async fn tell(exchange: &mut Exchange, alert: &'static str, reason: &str, row: &GlassRow) {
    let request = exchange.entry.request();
    let until = Timestamp::from_millisecond(row.ends_at).map(|at| at.to_string()).unwrap_or_default();
    let user = &row.user;
    tracing::warn!(%request, alert, user, reason, until, "somebody breaks the glass");
    exchange.core.gate.telemetry.glass_alerts.inc();
    if let Some(posted) = exchange.alert_of_glass(alert, (user, reason), until) {
        // What is slower than this goes on being tried.
        _ = time::timeout(ALERT_WAIT, posted).await;
    }
}
