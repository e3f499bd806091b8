//! Who may do what, to which records, seeing which fields.
//!
//! Statements are Cedar's, the obligations on them ours. A request passes [`prospect`] (can any statement
//! still permit this?), then each record passes [`show`], a write [`judge`], a call [`judge_call`]; what
//! those return is the only way on. Everything here is pure: no sockets, files, environment or clock.
//!
//! ```
//! use bramka::{policy::{Given, Policies, PrincipalTypes}, schema::Schema, words::{Diagnostics, Digest, SecretBytes}};
//!
//! let file = ("access/staff.cedar".into(), "@id(\"staff\") @feilds(\"*\") permit (principal, action, resource);".into());
//! let given = Given {
//!     bundle: Digest::of(b"example"),
//!     schema: &Schema::default(),
//!     principals: &PrincipalTypes::default(),
//!     plans: &[],
//!     systems: &[],
//!     hours: &Default::default(),
//!     pseudonyms: &SecretBytes::new(vec![7; 32]),
//! };
//! let mut found = Diagnostics::default();
//! assert!(Policies::load(&[file], &given, &mut found).is_none());
//! assert_eq!(found.0[0].help.as_deref(), Some("did you mean `fields`?"));
//! ```

mod cedar;
mod compile;
mod contact;
mod context;
mod degrees;
mod explain;
mod foreseen;
mod hours;
mod idle;
mod index;
mod judge;
mod load;
mod mask;
mod memo;
mod obligations;
mod predicate;
mod principals;
mod program;
mod prospect;
mod pushdown;
mod reach;
mod recheck;
mod related;
mod settled;
mod shape;
mod show;
mod source;
mod statement;
mod usual;
mod value;
mod witness;

#[cfg(test)]
mod tests;

pub use contact::Unseen;
pub use context::{Context, Untold};
pub use explain::{Explanation, Outcome, Role, Told, explain};
pub use foreseen::Unsure;
pub use hours::{Hours, HoursFile};
pub use judge::{CallPermit, Change, WritePermit, clearable, judge, judge_call};
pub use load::{Given, Outline, PlanRef, Policies, SystemInfo};
pub use mask::Openness;
pub use memo::Memo;
pub use principals::{AttributeType, PrincipalAttribute, PrincipalTypes};
pub use program::{Grounds, Verdict, View};
pub use prospect::{Outlook, Prospect, Target, is_at_hand, outlook, prospect};
pub use reach::{Circumstances, On, Reach, Surety, Whom, reach};
pub use recheck::{Mismatch, Question, Subject, verdict};
pub use related::Relation;
pub use show::{Judged, Remembered, Shown, again, echo, preview, show, sketch};
pub use statement::Verb;
pub use witness::{Wanted, Witness, witness};

use std::fmt;

use crate::words::{FieldPath, StatementId};

/// How much an entry of the journal says about an exchange; the fullest of all satisfied statements wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detail {
    /// What every entry says.
    #[default]
    Standard,
    /// Also a keyed digest of the bodies.
    BodyDigest,
}

impl Detail {
    /// Every one, least first.
    pub const ALL: [Self; 2] = [Self::Standard, Self::BodyDigest];

    /// As `@audit` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::BodyDigest => "body-digest",
        }
    }
}

/// Why the policy refuses. What is said here is for the operator; a caller learns less.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Whatever the record.
    #[error("no statement can permit this caller this operation")]
    Never(Grounds),
    /// On the stored record: to the caller it does not exist.
    #[error("the stored record is refused")]
    Record(Grounds),
    /// Fields that would change and may not.
    #[error("fields would change that may not: {}", list(.0))]
    Fields(Vec<FieldPath>),
    /// On the record as it would be.
    #[error("the record as it would be is refused")]
    New(Grounds),
    /// Masked values came back as new ones.
    #[error("masked values were sent back: {}", list(.0))]
    Mask(Vec<FieldPath>),
    /// A statement could not be judged.
    #[error("the statement `{statement}` could not be judged {on}")]
    Erroring {
        /// Which one.
        statement: StatementId,
        /// On what.
        on: Basis,
    },
    /// What the caller carries is not what `principals/attributes.yaml` says.
    #[error("the facts of the caller do not fit the types of principals")]
    Unfit,
}

/// What a statement was judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The request alone, whatever the record.
    Request,
    /// The stored record: to the caller it does not exist.
    Stored,
    /// The record as it would be: what the caller sent is refused.
    New,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "on the request",
            Self::Stored => "on the stored record",
            Self::New => "on the record as it would be",
        })
    }
}

fn list(paths: &[FieldPath]) -> String {
    paths.iter().map(FieldPath::as_str).collect::<Vec<_>>().join(", ")
}
