//! Which lanes a process owns: a lock a lane, and the folder it lies in.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    thread,
    time::Duration,
};

use super::{
    JournalError, blank,
    keys::{JournalKeys, make_directory},
    options::JournalOptions,
    read,
    recover::{self, Repair, Whose},
};

/// LIMIT: how long a lock of somebody else is waited for: half a minute.
const HOLD_TRIES_MAX: u32 = 3_000;
const HOLD_TRY_EVERY: Duration = Duration::from_millis(10);
/// LIMIT: lanes of one gate, all processes together.
const LANES_MAX: usize = 256;
/// The file whose lock says that a process owns the lane.
pub(super) const LOCK: &str = "lock";

/// What a lane's heads are signed for.
pub(super) fn origin(gate: &str, lane: &str) -> String {
    format!("bramka/{gate}/{lane}")
}

/// The next free lanes, locked.
pub(super) fn take_lanes(gate_directory: &Path, count: usize) -> Result<Vec<(String, File)>, JournalError> {
    let mut taken = Vec::with_capacity(count);
    for number in 0..LANES_MAX {
        if taken.len() == count {
            break;
        }
        let name = number.to_string();
        let directory = gate_directory.join(&name);
        make_directory(&directory)?;
        taken.extend(lock_lane(&directory)?.map(|lock| (name, lock)));
    }
    if taken.len() < count {
        return Err(JournalError::Setting(format!(
            "fewer than {count} of {LANES_MAX} lanes of the journal are free"
        )));
    }
    Ok(taken)
}

/// Opens a file that only stands for a lock, and makes it where there is none.
pub(super) fn lock_file(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(JournalError::io("cannot open", path))
}

/// Waits until nobody else has the lock of a file; none where somebody has it for longer than anybody should.
pub(super) fn hold_lock(path: &Path) -> Result<Option<File>, JournalError> {
    let lock = lock_file(path)?;
    for _ in 0..HOLD_TRIES_MAX {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => thread::sleep(HOLD_TRY_EVERY),
            Err(TryLockError::Error(error)) => return Err(JournalError::io("cannot lock", path)(error)),
        }
    }
    Ok(None)
}

/// Locks a lane for this process; none where another has it.
fn lock_lane(directory: &Path) -> Result<Option<File>, JournalError> {
    let path = directory.join(LOCK);
    let lock = lock_file(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(JournalError::io("cannot lock", path)(error)),
    }
}

/// Lanes of nobody in which an intent has no outcome: a gate before had more cores, or a tool took the lane.
pub(super) fn unsettled_lanes(
    gate_directory: &Path,
    options: &JournalOptions,
    keys: &JournalKeys,
    taken: &[(String, File)],
) -> Result<Vec<(String, File)>, JournalError> {
    let key = keys.public();
    let mut unsettled = Vec::new();
    for name in read::lanes(gate_directory)? {
        let directory = gate_directory.join(&name);
        if taken.iter().any(|(taken, _)| *taken == name) {
            continue;
        }
        let Some(lock) = lock_lane(&directory)? else { continue };
        blank::finish(&directory)?;
        let origin = origin(&options.gate, &name);
        let (kept, boot) = (options.kept_heads.as_slice(), options.boot);
        let wrapping = keys.wrapping();
        let whose = Whose { lane: &name, origin: &origin, key: &key, wrapping, kept, boot };
        if !recover::recover(&directory, whose, Repair::Leave)?.unknown.is_empty() {
            unsettled.push((name, lock));
        }
    }
    Ok(unsettled)
}

/// Whether the name is fit to become a part of paths and heads.
pub(super) fn check_gate(gate: &str) -> Result<(), JournalError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if !gate.is_empty() && gate.len() <= 64 && gate.bytes().all(plain) {
        return Ok(());
    }
    Err(JournalError::Setting(format!("`{gate}` cannot name a gate; use up to 64 of a-z, 0-9, `-` and `_`")))
}
