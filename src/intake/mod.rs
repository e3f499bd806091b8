//! An HTTP head becomes one we are willing to reason about, or is refused; bodies are read within bounds.
//!
//! What two readers could read differently is refused, not repaired: the path that is judged is byte for byte
//! the path that is sent, there is exactly one host, one length, one of each header that security rests on.
//! The body is not polled here before somebody asks for it, so a refusal never sends `100 Continue`.
//!
//! ```
//! use bramka::intake::{self, AllowedHosts, HeadBounds};
//! let (parts, ()) = http::Request::get("/v1/%6Frders/7?limit=5").header("host", "api.example").body(())?.into_parts();
//! let head = intake::head(parts, &AllowedHosts::any(), &HeadBounds::default())?;
//! assert_eq!((head.path.as_str(), head.host.name()), ("/v1/orders/7", "api.example"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod body;
mod fault;
mod forwarded;
mod fuzz;
mod head;
mod host;
mod path;

#[cfg(test)]
mod tests;

pub use body::{BodyBounds, Rate, gather, guarded};
pub use fault::{HeadFault, Rejected};
pub use forwarded::{ForwardedBy, caller_address};
pub use fuzz::{fuzz_head, fuzz_path};
pub use head::{Announced, Head, HeadBounds, UpgradeTo, head};
pub use host::{AllowedHosts, Host};
pub use path::{NormalPath, PathFault};
