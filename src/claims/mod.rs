//! What a bundle as a whole lets happen, for those who answer for it: without a gate, a record or a request.
//!
//! [`Covered`] is everyone a bundle can let in: every principal its files name, callers without a credential where
//! they are considered, and whoever an outside issuer may vouch for, of whom nothing is known but what it may
//! assert. A [`Matrix`] is who × entity × action × field: the most that can be shown or changed, and whether it
//! always is. It says *never* only where the statements, specialised for that caller, leave no way; *depends*
//! where a record or circumstance decides, however unlikely.
//!
//! An [`Answer`] says of a [`Sentence`] (`no Group::"partners" reads Order.email`) that it is proved (nobody it speaks of
//! has a way that is not *never*), reached (a witness was found and judged by the whole set of statements), or neither.
//!
//! [`lint`] tells what loads and means less, or more, than it seems to.
//!
//! Not in either: what can be inferred from what is shown, what a system does behind a passed-through call, other ways
//! into a system, the admin plane.

mod diff;
mod lint;
mod matrix;
mod prove;
mod sentence;
mod whom;

pub use diff::{Change, Diff, FieldChange, State};
pub use lint::lint;
pub use matrix::{Access, Cell, Matrix, Row, Subject, access};
pub use prove::{Answer, Door, Opening, Outcome, prove};
pub use sentence::{BadSentence, Sentence};
pub use whom::{Covered, Someone};
