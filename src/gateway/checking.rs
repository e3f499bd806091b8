//! Health checks of the systems in force: run once for all cores, here and not on them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use super::Gate;
use crate::{
    config::Snapshot,
    upstream::{Checked, Upstream},
};

/// How soon other systems are checked after a reload, and how often it is told how they are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The systems being checked, by where they are in memory. Each holds its own, so that no other takes the place.
#[derive(Default)]
struct Checking(HashMap<usize, (Arc<Upstream>, AbortOnDropHandle<()>)>);

/// Checks what the bundle in force says, until it is dropped.
pub(super) async fn systems(gate: Arc<Gate>) {
    let mut checking = Checking::default();
    loop {
        let snapshot = gate.live.snapshot();
        checking.follow(&snapshot);
        tell(&gate, &snapshot);
        drop(snapshot);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Checking {
    /// Begins and ends what a bundle begins and ends; a system that it leaves as it was is checked on.
    fn follow(&mut self, snapshot: &Snapshot) {
        let mut gone = std::mem::take(&mut self.0);
        for served in snapshot.systems.values().filter(|served| served.upstream.is_checked()) {
            let at = Arc::as_ptr(&served.upstream).addr();
            if let Entry::Vacant(vacant) = self.0.entry(at) {
                vacant.insert(gone.remove(&at).unwrap_or_else(|| {
                    let task = tokio::spawn(served.upstream.clone().check_always());
                    (served.upstream.clone(), AbortOnDropHandle::new(task))
                }));
            }
        }
    }
}

fn tell(gate: &Gate, snapshot: &Snapshot) {
    let checked = snapshot.systems.values().filter(|served| served.upstream.is_checked());
    let states: Vec<_> =
        checked.map(|served| (served.name.as_str(), served.upstream.state().addresses)).collect();
    let known = states.iter().flat_map(|(system, addresses)| {
        let known = addresses.iter().filter(|address| address.checked != Checked::Unknown);
        known.map(|address| (*system, &*address.peer, address.checked == Checked::Well))
    });
    gate.telemetry.addresses(known);
}
