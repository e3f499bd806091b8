//! What somebody has to know of: it stands in the log and in metrics at once, and a task posts it to the address that
//! `alerts` names. Nothing waits for that; what cannot be posted stays in the log, and is counted.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time,
};

use super::{Gate, exchange::Exchange, observe::Post};
use crate::{
    clock,
    config::AlertSettings,
    quota::{self, Admission},
    refusal::Refusal,
    telemetry::BudgetLabel,
    words::secret_file,
};

/// LIMIT: alerts that wait to be posted; one more is not posted.
const WAITING_MAX: usize = 256;
/// How often one is tried, and how long after a failure the next time; each further failure doubles it.
const TRIES_MAX: u32 = 6;
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Alerts on their way out.
#[derive(Debug)]
pub struct Alerts {
    sender: mpsc::Sender<Waiting>,
    receiver: Mutex<Option<mpsc::Receiver<Waiting>>>,
}

/// One of them, and who waits for its first try.
#[derive(Debug)]
struct Waiting {
    body: Bytes,
    tried: Option<oneshot::Sender<()>>,
}

/// As it is posted.
#[derive(Debug, Serialize)]
struct Posted<'a> {
    /// `exposure`, `misses`, `break-glass` or `break-glass-spent`.
    alert: &'static str,
    gate: &'a str,
    at: String,
    request_id: String,
    /// Whose: `partner/acme`, `principal/App/shop`, `address/192.0.2.7`.
    of: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u64>,
    /// Why, as the person says, and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Exchange {
    /// Much of an exposure budget is spent.
    pub(super) fn alert_of_exposure(&mut self, alert: &quota::Alert) {
        let quota::Alert { budget, of, count, most } = alert;
        self.entry.note("alert", budget);
        let request = self.entry.request();
        tracing::warn!(%request, %budget, %of, count, most, "much of an exposure budget is spent");
        let label = BudgetLabel { budget: budget.to_string() };
        self.core.gate.telemetry.exposure_alerts.get_or_create(&label).inc();
        self.post("exposure", (of, Some(budget)), *count, *most);
    }

    /// A record that was asked for is not there for this caller. Many different ones within an hour are guesses.
    pub(super) fn missed<T>(&mut self, admission: &Admission, outcome: &Result<T, Refusal>) {
        let Err(Refusal::NoSuchRecord | Refusal::Hidden(_) | Refusal::Untold) = outcome else { return };
        let prospect = admission.prospect();
        let Some((entity, id)) = prospect.operation().record() else { return };
        let most = self.snapshot.settings.alerts.misses.0;
        let by = (&**prospect.caller().facts(), self.channel.address);
        let missed = self.core.gate.quota.missed(by, (&entity.name, &id.0), most, self.opened);
        let Some((of, count)) = missed else { return };
        self.entry.note("alert", "misses");
        let request = self.entry.request();
        tracing::warn!(%request, %of, count, "many records that are not there are asked for: ids are guessed");
        self.core.gate.telemetry.misses_alerts.inc();
        self.post("misses", (&of, None), count, u64::from(most));
    }

    fn post(&self, alert: &'static str, (of, budget): (&str, Option<&str>), count: u64, most: u64) {
        let (count, most) = (Some(count), Some(most));
        let request_id = self.entry.request().to_string();
        let posted = Posted { budget, count, most, ..self.alert(alert, of, request_id) };
        self.send(&posted, None);
    }

    /// Somebody breaks the glass, or would. What is told of ends once it was tried to be posted; none where nobody takes
    /// alerts.
    pub(super) fn alert_of_glass(
        &self,
        alert: &'static str,
        (user, reason): (&str, &str),
        until: String,
    ) -> Option<oneshot::Receiver<()>> {
        self.snapshot.settings.alerts.to.as_ref()?;
        let (tried, waits) = oneshot::channel();
        let request_id = self.entry.request().to_string();
        let of = format!("User/{user}");
        let (reason, until) = (Some(reason), Some(until));
        let posted = Posted { reason, until, ..self.alert(alert, &of, request_id) };
        self.send(&posted, Some(tried));
        Some(waits)
    }

    fn alert<'a>(&'a self, alert: &'static str, of: &'a str, request_id: String) -> Posted<'a> {
        let gate = &self.snapshot.settings.gate.value;
        let at = self.opened.wall.to_string();
        let (budget, count, most, reason, until) = (None, None, None, None, None);
        Posted { alert, gate, at, request_id, of, budget, count, most, reason, until }
    }

    fn send(&self, posted: &Posted<'_>, tried: Option<oneshot::Sender<()>>) {
        if self.snapshot.settings.alerts.to.is_none() {
            return;
        }
        let gate = &self.core.gate;
        let body = serde_json::to_vec(posted).map(Bytes::from);
        let waiting = body.map(|body| Waiting { body, tried });
        if waiting.map_or(true, |waiting| gate.alerts.sender.try_send(waiting).is_err()) {
            gate.telemetry.alerts_lost.inc();
            let Posted { alert, of, .. } = posted;
            tracing::warn!(alert, of, "an alert is not posted: too many wait");
        }
    }
}

/// Posts alerts as long as the gate lives; where to, the bundle says that is in force by then.
pub(super) async fn posting(gate: Arc<Gate>, base: std::path::PathBuf) {
    let Some(mut waiting) = gate.alerts.receiver.lock().take() else { return };
    while let Some(Waiting { body: alert, mut tried }) = waiting.recv().await {
        let (mut wait, mut told) = (AGAIN_AFTER, Err("nobody takes alerts any more".to_owned()));
        for n in 0..TRIES_MAX {
            if n > 0 {
                time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            let settings = gate.live.snapshot().settings.alerts.clone();
            told = posted(&settings, &base, alert.clone()).await;
            if let Some(tried) = tried.take() {
                // Whoever waited may have gone on.
                _ = tried.send(());
            }
            if told.is_ok() || settings.to.is_none() {
                break;
            }
        }
        if let Err(error) = told {
            gate.telemetry.alerts_lost.inc();
            tracing::error!(%error, "an alert is not posted");
        }
    }
}

/// One try.
async fn posted(settings: &AlertSettings, base: &Path, alert: Bytes) -> Result<(), String> {
    let Some(to) = &settings.to else { return Err("nobody takes alerts any more".into()) };
    let token = match settings.token_file.as_deref().map(|file| base.join(file)) {
        // Its disk may take its time.
        Some(file) => {
            Some(spawn_blocking(move || secret_file(&file)).await.map_err(|error| error.to_string())??)
        }
        None => None,
    };
    let status =
        Post::new(to.0.clone()).send(alert, "application/json", token.as_deref(), clock::now()).await?;
    // The path may be a secret between the two.
    let host = to.0.host_str().unwrap_or_default();
    if status.is_success() { Ok(()) } else { Err(format!("`{host}` answered {status}")) }
}
