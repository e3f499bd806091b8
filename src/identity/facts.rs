//! What is known of a principal once its credential was checked, as **this** credential asserts it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::words::{Digest, EntityName, GroupName, Kind, PlanName, PrincipalId};

/// Facts of a principal. Groups are per credential: two tokens of one principal may differ, so everything
/// remembered about a caller is keyed by [`Facts::digest`], never by the principal alone.
#[derive(Debug)]
pub struct Facts {
    /// What sort of caller.
    pub kind: Kind,
    /// Its name inside its kind; `issuer|sub` where an outside issuer vouches for it.
    pub id: PrincipalId,
    /// The partner organisation it belongs to; caps and off-boarding are the partner's.
    pub partner: Option<PrincipalId>,
    /// Every group it is in, parents included, sorted.
    pub groups: Vec<GroupName>,
    /// What it carries, typed by `principals/attributes.yaml`. Empty text and null are absent.
    pub attributes: BTreeMap<Arc<str>, Attribute>,
    /// Its own plan.
    pub plan: Option<PlanName>,
    /// Scopes the credential asserts, sorted.
    pub scopes: Vec<Arc<str>>,
    /// Which credential proved it.
    pub credential: CredentialId,
    /// When the credential was issued, where it says so.
    pub issued_at: Option<Timestamp>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 over kind, id, partner, groups, attributes, plan and scopes, each with its length.
    pub digest: Digest,
}

/// What a principal carries under a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Text.
    Text(Arc<str>),
    /// A whole number.
    Integer(i64),
    /// true or false.
    Boolean(bool),
    /// An exact decimal.
    Decimal(Decimal),
    /// A set of texts, sorted.
    Texts(Vec<Arc<str>>),
    /// A record of the shared schema: `customer: Customer/20000`.
    Reference(EntityName, Arc<str>),
}

/// Which credential proved a principal; safe to print (never the credential itself).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CredentialId {
    /// None was shown.
    None,
    /// A token of our own, by `jti`.
    Token(Arc<str>),
    /// An API key, by its public prefix.
    ApiKey(Arc<str>),
    /// A token of an outside issuer: issuer's name and the token's digest.
    Outside(Arc<str>, Digest),
    /// A client certificate, by SHA-256 of its DER.
    Certificate(Digest),
}
