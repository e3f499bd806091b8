//! The journal: who asked what, what was decided, what left the gate, in a log whose rewriting can be found.
//!
//! An exchange opens an [`Entry`], fills it, and closes it with exactly one answer before the answer's head leaves.
//! Entries are leaves of one Merkle tree a [`Lane`]; signed heads of it stand beside. *Written* survives the end of
//! the process, *synced* a power cut.
//!
//! What it proves, and what not: any change under a head by someone without the journal's key is found by
//! [`verify`], and taking heads away is found where one was kept elsewhere or a session had ended. A rewrite by the
//! key's holder, or a rollback of the whole directory, is found only against a head that has left the machine:
//! [`publish()`] sends them.
//!
//! Old entries stay until a rule has them go ([`retain`]): then the hashes of their leaves stay in their place, and all of
//! the above holds as before.
//!
//! It holds no personal value, body, query text or secret. Reading sealed parts needs the keys. Segments may stand
//! encrypted as a whole ([`Encryption`]); each reader is told where the keys are that wrap theirs ([`WrappingKeys`]).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bramka::{audit::{Journal, JournalKeys, JournalOptions, verify}, clock, words::RequestId};
//! let data = tempfile::tempdir()?;
//! let keys = JournalKeys::open(&data.path().join("keys"))?;
//! let public = keys.public();
//! let options = JournalOptions::new(data.path().join("audit"), "main", RequestId([7; 16]));
//! let gate = options.gate_directory();
//! drop(Journal::open(options, keys.into(), clock::now())?);
//! assert!(verify(&gate, &[public], None, None)?.is_whole());
//! # Ok(()) }
//! ```

mod answered;
mod blank;
mod breach;
mod channel;
mod disk;
mod draft;
mod entry;
mod erase;
mod error;
mod facts;
mod hashes;
mod head;
mod index;
mod intents;
mod journal;
mod judged;
mod keys;
mod lane;
mod lanes;
mod leaf;
mod line;
mod narrowed;
mod options;
mod proof;
mod publish;
mod read;
mod receipt;
mod recover;
mod replayed;
mod retention;
mod rotate;
mod sealed;
mod search;
mod segment;
mod strangers;
mod subjects;
mod syncer;
mod terms;
mod text;
mod told;
mod tree;
mod verify;
mod wrapping;

#[cfg(test)]
mod tests;

pub use answered::{Answered, Ended};
pub use breach::{BreachQuery, BreachReport, EntityReached, Reached};
pub use channel::{ChannelWords, refused_at_the_door};
pub use disk::{Disk, LogFile, Opening, RealDisk};
pub use entry::{Abandoned, Entry, Safety, Withheld};
pub use erase::{Erased, ErasedOfLane, Progress, Subject, erase, find_erasable};
pub use error::JournalError;
pub use hashes::{PutAway, put_away};
pub use head::{BadHead, PublicKey, SignedHead};
pub use index::{Index, IndexProgress, LaneRead};
pub use journal::{Health, Journal, LaneHealth};
pub use judged::{Came, Masks};
pub use keys::{JournalKeys, KeyedDigest, Month, Opened};
pub use lane::{Durability, Lane};
pub use line::{BadLine, Beside, LaneMention, Line, LineFacts, PutAwayMention, parse as parse_line};
pub use narrowed::{implies, of as narrowed};
pub use options::{JournalOptions, Role};
pub use proof::{BadProof, EntryProof, PROOF_BYTES_MAX, Proved, check_proof, prove_consistency, prove_entry};
pub use publish::{HeadFile, Pace, Publish, PublishError, publish, publish_once};
pub use read::{Follow, LaneLines, lanes, newest_head, oldest, read_lane, tail};
pub use receipt::{Effect, Fetch, Receipt, Receipts};
pub use recover::{Torn, UnknownOutcome};
pub use replayed::{
    Beneath, Replayed, ReplayedBeneath, ReplayedRow, ReplayedShown, ReplayedWho, RowCame, RowSide,
};
pub use retention::{
    Gone, Held, HeldBy, Need, Putting, Retained, RetainedLane, Rule, Wanted, find_retainable, measure, retain,
};
pub use rotate::{Rewrapped, Wraps, wraps};
pub use search::{AskError, Decision, Hit, Newest, Query, asked};
pub use strangers::{Counted, Strangers, Telling};
pub use subjects::{
    Between, Beyond, Calls, Change, Disclosure, Door, Name, Place, SubjectQuery, SubjectReport, Through,
    Total, Unshown, Untold, Who,
};
pub use tree::{Edge, leaf_hash, node_hash};
pub use verify::{Against, Fault, LaneReport, Report, Witness, verify, verify_with};
pub use wrapping::{Encryption, KeyChange, KeyId, KnownKey, WrappingKeys};
