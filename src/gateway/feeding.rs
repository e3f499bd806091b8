//! The sinks of a running gate: fed from its journal as the bundle in force says, and told in its metrics.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time};

use super::{Gate, run::Options};
use crate::{clock, sinks, telemetry::SinkState};

/// How often metrics are told how sinks are.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Sinks that are fed.
#[derive(Debug)]
pub(super) struct Feeding {
    gate: Arc<Gate>,
    feeding: JoinHandle<()>,
    telling: JoinHandle<()>,
}

/// Feeds them.
pub(super) fn start(gate: &Arc<Gate>, options: &Options) -> Feeding {
    let name = gate.live.snapshot().settings.gate.value.clone();
    let source = sinks::Source {
        directory: gate.journal.directory().to_owned(),
        folder: sinks::folder(&options.data, &name),
        gate: name,
        keys: gate.journal.keys().clone(),
        base: options.base.clone(),
    };
    let (feeds, tells) = (gate.clone(), gate.clone());
    let feeding = tokio::spawn(async move {
        let wanted = || feeds.live.snapshot().settings.audit.sinks.clone();
        feeds.sinks.run(source, wanted).await;
    });
    let telling = tokio::spawn(async move {
        loop {
            tell(&tells);
            time::sleep(TELL_EVERY).await;
        }
    });
    Feeding { gate: gate.clone(), feeding, telling }
}

impl Feeding {
    /// Once the journal is closed: the last entries are sent, within a short time.
    pub(super) async fn finish(self) {
        self.gate.sinks.finish(self.feeding).await;
        self.telling.abort();
    }
}

fn tell(gate: &Gate) {
    let now = clock::now().wall;
    let told = gate.sinks.standing().into_iter().map(|lagging| SinkState {
        entries: lagging.entries,
        age: lagging.age(now),
        taken: lagging.standing.taken,
        failures: lagging.standing.failures,
        is_in_trouble: lagging.standing.cursor.trouble.is_some(),
        sink: lagging.standing.cursor.sink,
    });
    gate.telemetry.sinks(told);
}
