//! How a journal is kept, and by whom.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    disk::{Disk, RealDisk},
    lane::Durability,
    wrapping::Encryption,
};
use crate::words::RequestId;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The directory of all gates' journals: `data/audit`.
    pub directory: PathBuf,
    /// Name of the gate; becomes part of paths and heads.
    pub gate: String,
    /// How many lanes this process takes, one a core.
    pub lanes: usize,
    /// What opens it. Default a tool: it leaves unknown outcomes to the next gate.
    pub role: Role,
    /// Checkpoints that were kept apart from the journal's folder (the store's), of any lane. A lane that does not
    /// bear them out is not opened. Default none.
    pub kept_heads: Vec<String>,
    /// Fresh random bits of this start; every entry carries them.
    pub boot: RequestId,
    /// Entries an address that was never identified may have in a minute; what is beyond is counted. Default 60.
    pub strangers_per_minute: u32,
    /// What an answer that shows personal or confidential fields must survive. Default written.
    pub sensitive_reads: Durability,
    /// Whether the leaf hashes of answers are told, as receipts of callers. Default no.
    pub receipts: bool,
    /// Size at which the next segment begins. Default 256 MiB.
    pub segment_bytes_max: u64,
    /// Age of a segment's first entry at which the next begins, so that few entries do not keep old ones here for years.
    /// Default 30 days.
    pub segment_age_max: Duration,
    /// Room set aside for identified callers, which strangers never use. Default 1 MiB; 0 is none.
    pub reserve_bytes: u64,
    /// Longest time an entry waits for a signed head over it. Default 50 ms.
    pub head_interval: Duration,
    /// How the next segments stand in their files. Default as whoever served last has said it.
    pub encryption: Encryption,
    /// The file layer.
    pub disk: Arc<dyn Disk>,
}

/// What opens a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It serves, and tells of the intents of sessions before that have no outcome; then they are told.
    Gate,
    /// It writes some lines beside a gate or between two.
    #[default]
    Tool,
}

impl Role {
    /// As a `start` entry says it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Tool => "tool",
        }
    }
}

impl JournalOptions {
    /// The defaults, with one lane.
    pub fn new(directory: impl Into<PathBuf>, gate: impl Into<String>, boot: RequestId) -> Self {
        Self {
            directory: directory.into(),
            gate: gate.into(),
            lanes: 1,
            role: Role::default(),
            kept_heads: Vec::new(),
            boot,
            strangers_per_minute: 60,
            sensitive_reads: Durability::Written,
            receipts: false,
            segment_bytes_max: 256 * 1024 * 1024,
            segment_age_max: Duration::from_secs(30 * 24 * 60 * 60),
            reserve_bytes: 1024 * 1024,
            head_interval: Duration::from_millis(50),
            encryption: Encryption::AsStands,
            disk: Arc::new(RealDisk),
        }
    }

    /// Where this gate's lanes lie.
    pub fn gate_directory(&self) -> PathBuf {
        self.directory.join(&self.gate)
    }
}
