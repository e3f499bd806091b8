//! How far every lane of a gate is signed: those of other processes, and of sessions before, too. One task looks for all
//! sinks.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::watch, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{Source, reading::Signed};
use crate::audit::{self, JournalError};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What was seen of a lane: the length and time of the file of its heads, and the newest of them.
type Seen = BTreeMap<String, (Option<(u64, Timestamp)>, u64)>;

/// Tells how far lanes are signed until the end, and once after it was told. Then the watch is closed.
pub(super) async fn follow(source: Arc<Source>, tell: watch::Sender<Signed>, ending: CancellationToken) {
    let mut seen = Seen::new();
    loop {
        // ORDER: before it is looked, so that what was signed before the end is seen.
        let is_last = ending.is_cancelled();
        let from = source.clone();
        let looked = spawn_blocking(move || {
            let looked = look(&from, &mut seen);
            (seen, looked)
        });
        let Ok((after, looked)) = looked.await else {
            return tracing::error!("looking for signed heads panicked: the sinks are sent nothing any more");
        };
        seen = after;
        match looked {
            Ok(signed) => {
                tell.send_if_modified(|told| {
                    let is_new = **told != signed;
                    if is_new {
                        *told = Arc::new(signed);
                    }
                    is_new
                });
            }
            Err(error) => tracing::error!(%error, "the lanes of the journal cannot be looked at"),
        }
        if is_last {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = ending.cancelled() => {}
        }
    }
}

fn look(source: &Source, seen: &mut Seen) -> Result<BTreeMap<String, u64>, JournalError> {
    let mut signed = BTreeMap::new();
    for lane in audit::lanes(&source.directory)? {
        let stamp = stamp(&source.directory.join(&lane)).ok().flatten();
        let known = seen.get(&lane).filter(|(known, _)| known.is_some() && *known == stamp);
        let size = match known {
            Some((_, size)) => *size,
            None => {
                let key = source.keys.public();
                let head = audit::newest_head(&source.directory, &source.gate, &lane, &key);
                head.map_or(0, |head| head.size)
            }
        };
        seen.insert(lane.clone(), (stamp, size));
        signed.insert(lane, size);
    }
    Ok(signed)
}

/// By which a file of heads that was read is known.
fn stamp(lane: &Path) -> io::Result<Option<(u64, Timestamp)>> {
    let facts = fs::metadata(lane.join("heads"))?;
    let changed = Timestamp::try_from(facts.modified()?).ok();
    Ok(changed.map(|changed| (facts.len(), changed)))
}
