//! Newtypes for every name of the house, so that a system is never mistaken for a plan.
//!
//! They are cheap to clone (`Arc<str>`) and carry no promise about their characters beyond what the room
//! that made them checked.

use std::{borrow::Borrow, fmt, sync::Arc};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    )*};
}

names! {
    /// An internal application behind the gate, as named in `systems/*.yaml`.
    SystemName;
    /// An entity of the shared schema: `Order`.
    EntityName;
    /// An entity's plural in a URL: `orders`.
    CollectionName;
    /// A leaf or subtree of an entity: `lines.product`.
    FieldPath;
    /// The principal's id inside its kind: `mila`.
    PrincipalId;
    /// A group that statements speak of.
    GroupName;
    /// A plan of `limits.yaml`.
    PlanName;
    /// The `@id` of a statement.
    StatementId;
    /// A listener of `gateway.yaml`.
    ListenerName;
}

/// What sort of caller a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nobody: no credential was shown.
    Anonymous,
    /// An internal application.
    App,
    /// A program of a partner organisation.
    Partner,
    /// A person.
    User,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::App, Self::Partner, Self::User];

    /// The name statements use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "Anonymous",
            Self::App => "App",
            Self::Partner => "Partner",
            Self::User => "User",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
