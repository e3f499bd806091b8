//! The leaf everyone may use: names, secrets, digests, units with their spelling, the spanned tree of a
//! YAML file, and the [`Diagnostic`] by which a mistake in a file is told.
//!
//! Nothing here knows HTTP, policy or time. A word moves in only when two rooms need it.

mod channel;
mod diagnostic;
mod digest;
mod file;
mod name;
mod nearest;
mod rate;
mod secret;
pub mod tree;
mod units;
pub mod yaml;

pub use crate::{yaml_object, yaml_words};
pub use channel::{Channel, Standing, StandingTeller, TlsFacts};
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use digest::{Digest, RequestId};
pub use file::{open_file, secret_file};
pub use name::{
    CollectionName, EntityName, FieldPath, GroupName, Kind, ListenerName, PlanName, PrincipalId, StatementId,
    SystemName,
};
pub use nearest::nearest;
pub use rate::Rate;
pub use secret::{Secret, SecretBytes};
pub use units::{ByteSize, Period};
