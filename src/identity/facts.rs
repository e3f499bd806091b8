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

impl Facts {
    /// Facts about nobody: what is known of a caller that showed no credential.
    pub fn anonymous() -> Self {
        Self::bare(Kind::Anonymous, PrincipalId::new("anonymous"), CredentialId::None).sealed()
    }

    /// A principal of whom nothing else is known yet; see [`Facts::sealed`].
    pub fn bare(kind: Kind, id: PrincipalId, credential: CredentialId) -> Self {
        Self {
            kind,
            id,
            partner: None,
            groups: Vec::new(),
            attributes: BTreeMap::new(),
            plan: None,
            scopes: Vec::new(),
            credential,
            issued_at: None,
            expires_at: None,
            digest: Digest([0; 32]),
        }
    }

    /// What would be known of the same principal by a credential of these scopes: for those who ask what a bundle lets
    /// happen. Nobody is let in by it.
    #[must_use]
    pub fn with_scopes(&self, scopes: Vec<Arc<str>>) -> Self {
        Self { scopes, ..self.same() }.sealed()
    }

    /// The same by a credential that was issued then, or does not say when.
    #[must_use]
    pub fn with_issue(&self, issued_at: Option<Timestamp>) -> Self {
        Self { issued_at, ..self.same() }
    }

    fn same(&self) -> Self {
        Self {
            kind: self.kind,
            id: self.id.clone(),
            partner: self.partner.clone(),
            groups: self.groups.clone(),
            attributes: self.attributes.clone(),
            plan: self.plan.clone(),
            scopes: self.scopes.clone(),
            credential: self.credential.clone(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            digest: self.digest,
        }
    }

    /// Sorts what is a set, drops what counts as absent, and computes the digest. Every `Facts` that leaves
    /// this room went through here.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.groups.sort();
        self.groups.dedup();
        self.scopes.sort();
        self.scopes.dedup();
        self.attributes.retain(|_, value| !value.is_absent());
        self.digest = self.computed_digest();
        self
    }

    fn computed_digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(256);
        part(&mut bytes, self.kind.as_str());
        part(&mut bytes, self.id.as_str());
        optional(&mut bytes, self.partner.as_ref().map(PrincipalId::as_str));
        many(&mut bytes, self.groups.iter().map(GroupName::as_str));
        count(&mut bytes, self.attributes.len());
        for (name, value) in &self.attributes {
            part(&mut bytes, name);
            value.digested(&mut bytes);
        }
        optional(&mut bytes, self.plan.as_ref().map(PlanName::as_str));
        many(&mut bytes, self.scopes.iter().map(|scope| &**scope));
        Digest::of(&bytes)
    }
}

impl Attribute {
    /// Empty text and an empty set equal nothing, so they are as if they were not there.
    pub(super) fn is_absent(&self) -> bool {
        match self {
            Self::Text(text) | Self::Reference(_, text) => text.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
            Self::Integer(_) | Self::Boolean(_) | Self::Decimal(_) => false,
        }
    }

    fn digested(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => tagged(bytes, b't', text),
            Self::Integer(value) => tagged(bytes, b'i', &value.to_string()),
            Self::Boolean(value) => tagged(bytes, b'b', if *value { "true" } else { "false" }),
            Self::Decimal(value) => tagged(bytes, b'd', &value.normalize().to_string()),
            Self::Texts(texts) => {
                bytes.push(b's');
                many(bytes, texts.iter().map(|text| &**text));
            }
            Self::Reference(entity, key) => {
                tagged(bytes, b'r', entity.as_str());
                part(bytes, key);
            }
        }
    }
}

fn count(bytes: &mut Vec<u8>, many: usize) {
    bytes.extend_from_slice(&u64::try_from(many).unwrap_or(u64::MAX).to_be_bytes());
}

fn part(bytes: &mut Vec<u8>, text: &str) {
    count(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn tagged(bytes: &mut Vec<u8>, tag: u8, text: &str) {
    bytes.push(tag);
    part(bytes, text);
}

fn optional(bytes: &mut Vec<u8>, text: Option<&str>) {
    bytes.push(u8::from(text.is_some()));
    if let Some(text) = text {
        part(bytes, text);
    }
}

fn many<'a>(bytes: &mut Vec<u8>, texts: impl ExactSizeIterator<Item = &'a str>) {
    count(bytes, texts.len());
    for text in texts {
        part(bytes, text);
    }
}
