//! The context of a request as statements read it: what the gate checked, apart from what the caller claims.

use std::{net::IpAddr, sync::Arc};

use compact_str::{CompactString, format_compact};
use jiff::Timestamp;

use crate::{
    catalog::Call,
    identity::Facts,
    schema::{FieldSet, Record},
    words::{Channel, ListenerName},
};

/// What is known of a request beside its caller and its operation.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) tls: bool,
    pub(super) listener: ListenerName,
    pub(super) certificate: Option<CompactString>,
    pub(super) address: IpAddr,
    /// Milliseconds since 1970: what statements can tell apart.
    pub(super) time: i64,
    pub(super) purpose: Option<Arc<str>>,
    pub(super) user_agent: Option<Arc<str>>,
    /// Nothing of a live request; see [`Context::without`].
    pub(super) untold: Untold,
}

/// Facts of a context that are not known afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// The caller's address.
    pub address: bool,
    /// The program it claims to be.
    pub user_agent: bool,
    /// The path of the call.
    pub path: bool,
}

/// All that a condition may read, put together for one judgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Env<'a> {
    pub(super) facts: &'a Facts,
    pub(super) context: &'a Context,
    /// What is passed through; only for a call.
    pub(super) call: Option<&'a Call>,
    /// Whether the system checks the version that was judged; known once a write is judged.
    pub(super) guarded: Option<bool>,
    /// The record judged on; none before it was fetched.
    pub(super) record: Option<&'a Record>,
    /// Its id; empty for a record that has none yet.
    pub(super) id: &'a str,
    /// Leaves of the record that are not known; nothing of a live one.
    pub(super) untold: Option<&'a FieldSet>,
}

impl Context {
    /// Takes over what the connection proved and what the request's head claims.
    pub fn new(
        channel: &Channel,
        time: Timestamp,
        purpose: Option<Arc<str>>,
        user_agent: Option<Arc<str>>,
    ) -> Self {
        Self {
            tls: channel.tls.is_some(),
            listener: channel.listener.clone(),
            certificate: channel
                .tls
                .as_ref()
                .and_then(|tls| tls.certificate)
                .map(|digest| format_compact!("{digest}")),
            // An IPv4 address written as IPv6 is the IPv4 address, for a range as for the journal.
            address: channel.address.to_canonical(),
            time: time.as_millisecond(),
            purpose: purpose.filter(|text| !text.is_empty()),
            user_agent: user_agent.filter(|text| !text.is_empty()),
            untold: Untold::default(),
        }
    }

    /// The same, some of it not being known: whatever goes by that is left open.
    #[must_use]
    pub fn without(self, untold: Untold) -> Self {
        Self { untold, ..self }
    }

    /// Whether the connection is under TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Over which listener.
    pub fn listener(&self) -> &ListenerName {
        &self.listener
    }

    /// The caller's address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// When, to the millisecond.
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.time).ok()
    }

    /// The purpose it claims.
    pub fn purpose(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// The program it claims to be.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}
