//! Active health checks: each address is asked in turn whether it is well, and left out of calls while it is not.
//!
//! One task for a system checks for all cores ([`Upstream::check_always`]). A check is a GET over a connection of its
//! own: it takes no part in breaker, budget or concurrency, and shows no sign-in unless the file says so. Until an
//! address was checked it serves; where all are ill all serve, because a check that is wrong must not be an outage.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use futures_util::future::join_all;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{HOST, USER_AGENT},
    uri::PathAndQuery,
};
use serde_json::{Value as Json, json};

use super::{Upstream, balance::Picked, configure::Build, settings::Settings};
use crate::{
    body::Body,
    clock,
    wire::{Clocks, Deadline, Origin, Outcome, Pool},
    words::{
        Diagnostics, Period,
        tree::Node,
        yaml::{FromYaml, Spanned, expected},
    },
    yaml_object,
};

yaml_object! {
    /// How addresses are asked whether they are well.
    pub struct HealthCheck {
        /// What is asked for by GET, from the root of the host: the path of `base` does not stand before it.
        pub path: Spanned<String>;
        /// How often each address is asked, a tenth more or less. Default 10s; at least 100ms.
        pub every: Period = Period::secs(10);
        /// How long an answer's head is waited for, connecting included. Default 2s.
        pub timeout: Period = Period::secs(2);
        /// Which statuses are well: numbers, and ranges as in `200..399`. Default `[200..399]`.
        pub expect: Statuses = Statuses(vec![200..=399]);
        /// After how many failures in a row an address is left out. Default 3.
        pub unhealthy_after: u32 = 3;
        /// After how many answers in a row it is called again. Default 2.
        pub healthy_after: u32 = 2;
        /// Whether the gate signs in to ask, by the sign-in for all. Off: who is asked whether it is well need not know us.
        pub signed_in: bool = false;
    }
}

/// Statuses and ranges of them.
#[derive(Clone, Debug)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

/// How addresses are checked.
#[derive(Debug)]
pub(super) struct Health {
    target: PathAndQuery,
    every: Duration,
    timeout: Duration,
    expect: Vec<RangeInclusive<u16>>,
    pub(super) unhealthy_after: u32,
    pub(super) healthy_after: u32,
    is_signed_in: bool,
}

/// What checks say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing: it was not checked yet, or is not.
    Unknown,
    /// It is well.
    Well,
    /// It is not, and left out.
    Ill,
}

impl Checked {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Well => "well",
            Self::Ill => "ill",
        }
    }
}

impl Upstream {
    /// Whether its addresses are checked.
    pub fn is_checked(&self) -> bool {
        self.health.is_some()
    }

    /// Checks every address until it is dropped. To be run once, for all cores.
    pub async fn check_always(self: Arc<Self>) {
        let Some(health) = &self.health else { return };
        join_all(self.balance.all().map(|at| self.check_address(health, at))).await;
    }

    async fn check_address(&self, health: &Health, at: Picked) {
        let Some(origin) = self.balance.origin(at, self.sign_ins.last().number) else { return };
        // Not all at once, after a reload of many.
        tokio::time::sleep(part_of(health.every)).await;
        loop {
            let told = self.check(health, origin).await;
            match self.balance.checked(at, told.is_ok(), health) {
                Some(Checked::Ill) => {
                    let why = told.err().unwrap_or_default();
                    tracing::warn!(system = %self.name, address = %origin.peer(), why, "an address is ill and left out");
                }
                Some(Checked::Well) => {
                    tracing::info!(system = %self.name, address = %origin.peer(), "an address is well");
                }
                Some(Checked::Unknown) | None => {}
            }
            let jitter = part_of(health.every / 5);
            tokio::time::sleep((health.every - health.every / 10).saturating_add(jitter)).await;
        }
    }

    /// Asks once; what is wrong, for the operator.
    async fn check(&self, health: &Health, origin: &Arc<Origin>) -> Result<(), String> {
        let now = clock::now();
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = Uri::from(health.target.clone());
        let headers = request.headers_mut();
        headers.insert(HOST, origin.authority().clone());
        headers.insert(USER_AGENT, HeaderValue::from_static("bramka"));
        headers.extend(self.headers.iter().cloned());
        let deadline = Deadline::after(now, health.timeout);
        if health.is_signed_in {
            let proof = self.sign_ins.last().signed_in.proof(&Method::GET, deadline, now).await;
            if let Some(proof) = proof.map_err(|error| error.to_string())? {
                proof.sign(&mut request, origin, now).map_err(|error| error.to_string())?;
            }
        }
        let timeout = health.timeout;
        let clocks = Clocks { connect: timeout, first_byte: timeout, call: timeout };
        let sent = Pool::new(0).send(origin, request, &clocks, deadline, now).await;
        match sent.map_err(|failed| failed.error.to_string())? {
            Outcome::Answered(answer) if health.is_well(answer.status()) => Ok(()),
            Outcome::Answered(answer) => Err(format!("it answered {}", answer.status().as_u16())),
            Outcome::Switched(..) => Err("it switched protocols".into()),
        }
    }
}

impl Health {
    fn is_well(&self, status: StatusCode) -> bool {
        self.expect.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// A random part of a period. Without randomness, half of it.
fn part_of(period: Duration) -> Duration {
    let mut bytes = [0; 2];
    if rand::fill(&mut bytes).is_err() {
        bytes = [0x80, 0];
    }
    period.saturating_mul(u32::from(u16::from_be_bytes(bytes))) / (1 << 16)
}

impl Build<'_, '_> {
    /// How addresses are checked; within, whether they are.
    pub(super) fn health(&mut self, settings: &Settings) -> Option<Option<Health>> {
        let Some(check) = &settings.health else { return Some(None) };
        let place = &check.path.place;
        let text = check.path.value.as_str();
        let is_plain =
            text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let target = is_plain.then(|| PathAndQuery::try_from(text).ok()).flatten();
        let is_bounded = check.every >= Period::millis(100)
            && check.timeout > Period::millis(0)
            && check.unhealthy_after > 0
            && check.healthy_after > 0;
        if target.is_none() {
            self.found.error(place, "expected a path from the root of the host, as in `/healthz`");
        }
        if !is_bounded {
            let told = "`every` is at least 100ms, `timeout` more than none, `unhealthy_after` and `healthy_after` \
                        at least 1";
            self.found.error(place, told);
        }
        Some(Some(Health {
            target: target.filter(|_| is_bounded)?,
            every: check.every.0,
            timeout: check.timeout.0,
            expect: check.expect.0.clone(),
            unhealthy_after: check.unhealthy_after,
            healthy_after: check.healthy_after,
            is_signed_in: check.signed_in,
        }))
    }
}

const EXPECTED: &str = "a status or a range of them, as in `204` or `200..399`";

impl FromYaml for Statuses {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        let mut ranges = Vec::with_capacity(items.len());
        for item in items {
            let range = item.as_text().and_then(|text| {
                let (first, last) = text.split_once("..").unwrap_or((text, text));
                let status =
                    |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
                Some(status(first)?..=status(last)?).filter(|range| !range.is_empty())
            });
            match range {
                Some(range) => ranges.push(range),
                None => expected(item, EXPECTED, found),
            }
        }
        if items.is_empty() {
            expected(node, EXPECTED, found);
        }
        (!ranges.is_empty() && ranges.len() == items.len()).then_some(Self(ranges))
    }

    fn schema() -> Json {
        let one = json!({ "oneOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5][0-9][0-9](\\.\\.[1-5][0-9][0-9])?$" },
        ] });
        json!({ "oneOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }
}
