//! Files become settings become one snapshot, swapped whole.
//!
//! [`load`] reads the folder into a [`RawBundle`]: trees, texts, typed settings and every mistake so far. The
//! other rooms compile their parts from it; what they find joins [`RawBundle::found`], and only a bundle
//! without errors becomes a snapshot of [`Live`]. [`Watch`] says when to do that again.
//!
//! ORDER of compiling: schema, principals and attributes, plans (done by [`load`]), mappings and systems (each
//! resolves its secrets through [`Secrets::resolve`]), statements; last [`RawBundle::check_strays`].
//!
//! ```
//! use bramka::config::{Colour, Files, ProcessEnv, RawBundle};
//! let files = Files::from_texts([("limits.yaml".into(), "strangers: { rate: 5 }".into())]).unwrap();
//! let bundle = RawBundle::of(files, &ProcessEnv);
//! let told = bundle.report().render(Colour::Off);
//! assert!(told.contains("`gateway.yaml` is missing"));
//! assert!(told.contains("`5` is not a rate; write how many and in what, as in `10/s`"));
//! ```

mod alerts;
mod bundle;
mod catalogue;
mod encryption;
mod files;
mod followed;
mod ids;
mod kept;
mod listeners;
mod live;
mod loads;
mod lock;
mod refs;
mod report;
mod schemas;
mod secrets;
mod serving;
mod settings;
mod signature;
mod snapshot;
mod sources;
mod tables;
#[cfg(test)]
mod tests;
mod trust;
mod watch;

pub use alerts::{AlertAddress, AlertSettings, Misses};
pub use bundle::{RawBundle, Sheet, SystemSheet, load, load_signed};
pub use catalogue::Catalogue;
pub use encryption::EncryptionSettings;
pub use files::{
    BUNDLE_BYTES_MAX, CATALOGUE, FILES_MAX, Files, GATEWAY, LIMITS, LOCK, PROOFS, Section, Source,
};
pub(crate) use ids::named;
pub use ids::{ElementLeaf, IdForm, IdSettings, Ids};
pub use kept::{KEPT_MAX, KeptBundle, KeptBundles, Served as ServedBundle};
pub use live::{Follows, Gone, Live, Outcome, Status};
pub use loads::{Loads, Unloaded};
pub use lock::Lock;
pub use report::{Colour, Report, render};
pub use schemas::schemas;
pub use secrets::{Env, Placeholders, ProcessEnv, Secrets};
pub use serving::{Part, PartSettings, Serving};
pub use settings::{
    AdminSettings, AdminTls, AuditSettings, Bounds, GatewaySettings, PublishTarget, Publishing, Retention,
    Shadowing, StoreKind,
};
pub use snapshot::{Listener, Means, Served, Snapshot, compile, one};
pub use sources::{Beside, EntitySource, EntitySources, Undecided, taken};
pub use tables::{Asked, Asking, KeptTable, Standing};
pub use trust::{Signed, Trust};
pub use watch::Watch;
