//! What is left of an entry once its answer is in the journal: how the stream behind it ends.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    draft::{Draft, EntryKind},
    entry::{Whose, micros_between},
    keys::KeyedDigest,
    lane::{Durability, Lane, Standing},
    text,
    told::Told,
};
use crate::{
    clock::Now,
    words::{Digest, RequestId},
};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides were done.
    Complete,
    /// The caller went away.
    CallerGone,
    /// The system broke off.
    SystemGone,
    /// A clock or a bound ran out.
    Bound,
    /// The credential was revoked, or a policy no longer allows it.
    Revoked,
    /// The credential ran out.
    Expired,
    /// The gate is stopping.
    Drained,
}

/// An exchange whose answer is in the journal: its head may leave.
#[derive(Debug)]
pub struct Answered {
    pub(super) lane: Arc<Lane>,
    pub(super) request: RequestId,
    pub(super) opened: Now,
    pub(super) whose: Whose,
    pub(super) sequence: Option<u64>,
    pub(super) leaf: Option<Digest>,
    /// Digests of bodies that were streamed, for the `close` entry.
    pub(super) bodies: SmallVec<[(&'static str, KeyedDigest); 2]>,
}

impl Answered {
    /// The answer's place in its lane; none where it is part of a minute's count.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// What a caller is given as its receipt, where receipts are given and the answer has an entry of its own: the hash of
    /// its leaf (RFC 6962 §2.1). The leaf is salted, so it tells nothing until the entry is shown; then whoever has
    /// it can tell whether that is the entry.
    pub fn receipt(&self) -> Option<Digest> {
        self.leaf
    }

    /// A keyed digest of a body that was streamed, as far as it came, where the detail asks for it: it stands in the
    /// `close` entry.
    pub fn body_digest(&mut self, name: &'static str, digest: &Digest) {
        self.bodies.push((name, self.lane.keys.digest("body", &digest.to_string())));
    }

    /// The end of a stream. Nobody waits for it.
    pub fn close(self, bytes_in: u64, bytes_out: u64, how: Ended, now: Now) {
        let mut fields = self.lane.buffer();
        text::text(&mut fields, "ended", how.as_str());
        text::number(&mut fields, "bytes_in", bytes_in);
        text::number(&mut fields, "bytes_out", bytes_out);
        text::number(&mut fields, "micros", micros_between(self.opened, now));
        let mut told = Told::default();
        for (name, digest) in &self.bodies {
            told.note(name, digest);
        }
        told.render(&mut fields);
        let draft = Draft {
            kind: EntryKind::Close,
            request: Some(self.request),
            now,
            fields: &[&fields],
            plain: &[],
        };
        let standing = match self.whose {
            Whose::Identified => Standing::Identified,
            Whose::Unidentified | Whose::Anonymous => Standing::Stranger(None),
        };
        drop(draft.append(&self.lane, Durability::Written, standing));
        self.lane.give_back(fields);
    }
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CallerGone => "caller-gone",
            Self::SystemGone => "system-gone",
            Self::Bound => "bound",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Drained => "drained",
        }
    }
}
