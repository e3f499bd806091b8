//! The context of a request as statements read it: what the gate checked, apart from what the caller claims.

use std::{net::IpAddr, sync::Arc};

use compact_str::{CompactString, format_compact};
use http::Method;
use jiff::Timestamp;

use super::hours::Hours;
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
    /// Milliseconds since 1970.
    time: i64,
    /// The named hours that it lies in.
    open: Vec<Arc<str>>,
    hours: Arc<Hours>,
    pub(super) method: Method,
    /// Bytes of the body, where its head says so; 0 where there is none.
    pub(super) bytes: Option<i64>,
    pub(super) purpose: Option<Arc<str>>,
    pub(super) user_agent: Option<Arc<str>>,
    /// Whether who asks has broken the glass.
    pub(super) is_broken: bool,
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
    /// When its credential was issued.
    pub issue: bool,
    /// Bytes of its body.
    pub bytes: bool,
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

impl Env<'_> {
    /// Seconds since the caller's credential was issued, where it says when; never less than none.
    pub(super) fn token_age(&self) -> Option<i64> {
        let issued = self.facts.issued_at?.as_millisecond();
        Some(self.context.millis().saturating_sub(issued).max(0).div_euclid(1000))
    }
}

impl Context {
    /// Takes over what the connection proved, how the request came, and what its head claims. `hours` are those of the
    /// bundle that judges.
    pub fn new(
        channel: &Channel,
        (time, hours): (Timestamp, &Arc<Hours>),
        (method, bytes): (Method, Option<u64>),
        (purpose, user_agent): (Option<Arc<str>>, Option<Arc<str>>),
    ) -> Self {
        let mut context = Self {
            method,
            bytes: bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            hours: hours.clone(),
            open: Vec::new(),
            is_broken: false,
            untold: Untold::default(),
            tls: channel.tls.is_some(),
            listener: channel.listener.clone(),
            certificate: channel
                .tls
                .as_ref()
                .and_then(|tls| tls.certificate)
                .map(|digest| format_compact!("{digest}")),
            // An IPv4 address written as IPv6 is the IPv4 address, for a range as for the journal.
            address: channel.address.to_canonical(),
            time: 0,
            purpose: purpose.filter(|text| !text.is_empty()),
            user_agent: user_agent.filter(|text| !text.is_empty()),
        };
        context.set_time(time.as_millisecond());
        context
    }

    /// The plainest one: some request of that moment.
    pub(super) fn plain(listener: ListenerName, address: IpAddr, (time, hours): (i64, &Arc<Hours>)) -> Self {
        let mut context = Self {
            tls: true,
            listener,
            certificate: None,
            address,
            time: 0,
            open: Vec::new(),
            hours: hours.clone(),
            method: Method::GET,
            bytes: Some(0),
            purpose: None,
            user_agent: None,
            is_broken: false,
            untold: Untold::default(),
        };
        context.set_time(time);
        context
    }

    /// The same while who asks has broken the glass, or not.
    #[must_use]
    pub fn with_glass(self, is_broken: bool) -> Self {
        Self { is_broken, ..self }
    }

    /// Another moment, with the hours that it lies in.
    pub(super) fn set_time(&mut self, time: i64) {
        self.time = time;
        self.open = self.hours.at(time);
    }

    /// Milliseconds since 1970: what statements can tell apart.
    pub(super) fn millis(&self) -> i64 {
        self.time
    }

    /// The named hours that the moment lies in.
    pub fn hours(&self) -> &[Arc<str>] {
        &self.open
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

    /// Bytes of the body, where its head says so and it has one.
    pub fn bytes(&self) -> Option<i64> {
        self.bytes.filter(|bytes| *bytes != 0)
    }

    /// Whether it is known how many bytes its body has.
    pub fn has_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether who asks has broken the glass.
    pub fn is_broken(&self) -> bool {
        self.is_broken
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
