//! Who is asking: a credential becomes a [`Caller`], or the request is refused.
//!
//! The facts a credential proves are gathered once into [`Facts`] and remembered with the token's digest.

mod caller;
mod facts;

pub use caller::Caller;
pub use facts::{Attribute, CredentialId, Facts};
