//! Who is asking: a credential becomes a [`Caller`], or the request is refused.
//!
//! [`Identity`] lives as long as the gate and remembers the digests of credentials that were verified;
//! [`Sources`] belongs to one bundle and says whom to believe. A remembered credential is recalled without
//! an await; the others are verified against keys that [`IssuerKeys`] and [`OwnCredentials`] supply, so this
//! room opens no socket, reads no file and knows no clock.
//!
//! ```
//! use bramka::identity::{Identity, Recall, Sources};
//! # fn run(channel: &bramka::words::Channel) {
//! let identity = Identity::new(65_536);
//! let sources = Sources::closed();
//! match identity.recall(&sources, &http::HeaderMap::new(), channel, bramka::clock::now()) {
//!     Recall::Known(caller) => println!("{}", caller.facts().id),
//!     Recall::Unidentified(why) => println!("401, and the journal says {why}"),
//!     Recall::Verify(_pending) => println!("a signature must be checked"),
//! }
//! # }
//! ```

mod api_key;
mod assertion;
mod caller;
mod claims;
mod credential;
mod facts;
mod identify;
mod key;
mod memory;
pub mod principals;
mod revocation;
mod settings;
mod sources;
mod token;
mod unidentified;

pub use api_key::{
    API_KEY_LEAD, API_KEY_PREFIX_LEN, API_KEY_SECRET_LEN, ApiKeyRecord, OwnCredentials, TokenRecord,
    api_key_hash, api_key_prefix,
};
pub use caller::{Caller, Ended, Ending};
pub use credential::basic_as_bearer;
pub use facts::{Attribute, CredentialId, Facts};
pub use identify::{Identity, Pending, Recall};
pub use key::{Algorithm, BadKey, IssuerKeys, KeyProblem, VerifyKey};
pub use principals::{PrincipalRegistry, PrincipalTypes};
pub use revocation::{Revocation, Revocations};
pub use settings::{AnonymousMode, IssuerSettings, Settings, TokenType};
pub use sources::{ISSUER_MARK, Issuer, IssuerOrigin, Sources};
pub use token::{KID_BYTES_MAX, TOKEN_BYTES_MAX, read_token};
pub use unidentified::Unidentified;

#[cfg(test)]
mod tests;
