//! What a system's file says about reaching the system: addresses, sign-in, clocks, bounds.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::{
    health::HealthCheck,
    sign_in::settings::{Delivers, SignIns},
};
use crate::{
    wire::Versions,
    words::{
        ByteSize, Diagnostics, Period, Rate,
        tree::{Node, Value},
        yaml::{FromYaml, Named, Spanned, expected},
    },
    yaml_object,
};

/// The top-level keys of a system's file that are read here.
pub const KEYS: &[&str] = &[
    "base",
    "http",
    "grpc",
    "sign_in",
    "delivers",
    "detached",
    "timeouts",
    "limits",
    "retries",
    "breaker",
    "health",
    "tls",
    "allow_local",
    "headers",
];

yaml_object! {
    /// How a system is reached.
    pub struct Settings {
        /// The address of the system, or a list of equal ones: `https://host[:port][/path]`. Paths of mappings and of calls are put after it. Equal addresses must share the path.
        pub base: Bases;
        /// The version of HTTP that is spoken to the system: `1` (HTTP/1.1), `2`, or `auto`, which is 2 where TLS negotiates it and else 1. Without TLS, `2` is taken for granted. Default 1.
        pub http: Option<Spanned<HttpVersion>> = None;
        /// Services of gRPC that are called under their own paths, `/package.Service/Method`, besides `/systems/NAME/…`: their full names. It needs `http: 2` or `auto`.
        pub grpc: Vec<Spanned<String>> = Vec::new();
        /// How the gate signs in: one of `bearer`, `basic`, `oauth2`, `session`, or what goes along with every request (`headers`, `query`, `body`), or both; `none` spelled out. Or a list of them: each but the last says by `for` which calls it is for, and the first that fits is taken.
        pub sign_in: SignIns;
        /// How new records reach the system, where it is not by one request.
        pub delivers: Option<Delivers> = None;
        /// Other origins that links of its answers may lead to, `https://host[:port]`: they are called without any of its sign-in, certificates and fields. Default none.
        pub detached: Vec<Spanned<String>> = Vec::new();
        /// Clocks.
        pub timeouts: Timeouts = Timeouts::default();
        /// Bounds.
        pub limits: Limits = Limits::default();
        /// What is tried again, and how often.
        pub retries: Retries = Retries::default();
        /// When the system is left alone for a while.
        pub breaker: Breaking = Breaking::default();
        /// How its addresses are asked whether they are well. Without it only calls show.
        pub health: Option<HealthCheck> = None;
        /// Whom the gate trusts and who it says it is.
        pub tls: Tls = Tls::OF_PLATFORM;
        /// Whether loopback and link-local addresses may be called. Off, because a name that leads to this machine or to a cloud's metadata service is how a gate is turned against its own house.
        pub allow_local: bool = false;
        /// Fields added to every request, such as a tenant's id. Never a credential: those stand in `sign_in`.
        pub headers: Named<Spanned<String>> = Named::default();
    }

    /// Clocks of a call.
    pub struct Timeouts {
        /// Resolving the name, connecting and the TLS handshake. Default 3s: further away, a system is down for its callers.
        pub connect: Period = Self::default().connect;
        /// From the request's last byte to the answer's first. Default 30s. Longer than the system's own limit, or its late answers are lost.
        pub first_byte: Period = Self::default().first_byte;
        /// A whole mapped call, retries included; for a passed-through one, until the answer's head. Default 60s.
        pub call: Period = Self::default().call;
        /// How long an HTTP/2 connection with streams may be silent before it is asked by a ping whether it lives; it has ten seconds to answer. Off by default: several gRPC servers end connections that are pinged oftener than every five minutes.
        pub ping: Option<Period> = None;
    }

    /// Bounds of a system.
    pub struct Limits {
        /// Calls at once, over all cores; one more is refused and not queued. Default 256.
        pub concurrency: u32 = Self::default().concurrency;
        /// Calls this gate sends it in a time, as in `600/m`, as the system itself bounds them; tries again count, signing in does not. One more is refused and not queued. Default no bound.
        pub rate: Option<Spanned<Rate>> = None;
        /// How many of them may come at once. Default those of a second, at least one.
        pub burst: Option<Spanned<u32>> = None;
        /// What one partner with all it runs, or one other principal, may have of the rate and its burst, in percent. Default all of it.
        pub share_percent: Option<Spanned<u32>> = None;
        /// Largest answer of a mapped call. Default 8MiB. Passed-through answers are streamed and have no bound.
        pub answer_bytes: ByteSize = Self::default().answer_bytes;
        /// Idle connections kept for each address and core. Default 64.
        pub idle_connections: usize = Self::default().idle_connections;
        /// How long an idle connection is trusted. Default 30s. Shorter than the system's own keep-alive, or requests meet connections that are just being closed.
        pub idle_timeout: Period = Self::default().idle_timeout;
        /// How long a connection is used at all, so that changed names are noticed. Default 10m.
        pub connection_lifetime: Period = Self::default().connection_lifetime;
        /// Streams at once on an HTTP/2 connection, before another is opened for the same address and core. Default 100; at most 1000, and never more than the system allows.
        pub streams: u32 = Self::default().streams;
    }

    /// What is tried again. Only calls of which nothing was sent, and reading ones; never past the budget.
    pub struct Retries {
        /// Tries after the first, for one call. Default 2; 0 for none.
        pub tries_max: u32 = Self::default().tries_max;
        /// How many of a hundred calls may be retries. Default 20: enough for a lost address, too few to double the load of a system that is drowning.
        pub percent: u32 = Self::default().percent;
        /// Retries a second that are granted to a quiet system besides. Default 10; at most 1000000.
        pub per_second: u32 = Self::default().per_second;
    }

    /// When a system that keeps failing is left alone.
    pub struct Breaking {
        /// Calls within `window` below which nothing is concluded. Default 20.
        pub calls_min: u32 = Self::default().calls_min;
        /// How many of a hundred calls must fail. Default 50. 0 turns the breaker off.
        pub failures_percent: u32 = Self::default().failures_percent;
        /// The time looked at. Default 10s.
        pub window: Period = Self::default().window;
        /// How long the system is left alone at first; doubles up to eight times while the single call tried after it fails. Default 5s.
        pub open: Period = Self::default().open;
    }

    /// TLS towards a system. Always verified.
    pub struct Tls {
        /// PEM of the CAs to trust instead of the platform's.
        pub ca: Option<Spanned<PathBuf>> = None;
        /// PEM of the gate's client certificate, leaf first.
        pub client_certificate: Option<Spanned<PathBuf>> = None;
        /// PEM of its key: a secret, as in `${file:/run/secrets/crm.key}`.
        pub client_key: Option<Spanned<String>> = None;
        /// The name the system's certificate must bear, where it is not the address's.
        pub server_name: Option<Spanned<String>> = None;
    }
}

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpVersion(pub Versions);

/// One address or several equal ones.
#[derive(Clone, Debug)]
pub struct Bases(pub Vec<Spanned<String>>);

impl Settings {
    /// Reads the keys that are [`KEYS`] from a system's whole file; the others are somebody else's.
    pub fn of_file(file: &Node, found: &mut Diagnostics) -> Option<Self> {
        Self::read(&ours(file), found)
    }
}

/// The part of a system's file that is read here.
pub(super) fn ours(file: &Node) -> Node {
    let pairs = file.as_map().unwrap_or_default();
    let pairs = pairs.iter().filter(|(key, _)| KEYS.contains(&key.text.as_str())).cloned().collect();
    Node { value: Value::Map(pairs), place: file.place.clone() }
}

impl Tls {
    /// The platform's CAs, and no certificate of ours.
    const OF_PLATFORM: Self =
        Self { ca: None, client_certificate: None, client_key: None, server_name: None };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Period::secs(3), first_byte: Period::secs(30), call: Period::secs(60), ping: None }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 256,
            rate: None,
            burst: None,
            share_percent: None,
            answer_bytes: ByteSize::mib(8),
            idle_connections: 64,
            idle_timeout: Period::secs(30),
            connection_lifetime: Period::secs(600),
            streams: 100,
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries_max: 2, percent: 20, per_second: 10 }
    }
}

impl Default for Breaking {
    fn default() -> Self {
        Self { calls_min: 20, failures_percent: 50, window: Period::secs(10), open: Period::secs(5) }
    }
}

impl FromYaml for HttpVersion {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let versions = match node.as_text() {
            Some("1") => Versions::One,
            Some("2") => Versions::Two,
            Some("auto") => Versions::Auto,
            Some(_) | None => {
                expected(node, "`1`, `2` or `auto`", found);
                return None;
            }
        };
        Some(Self(versions))
    }

    fn schema() -> Json {
        json!({ "enum": [1, 2, "auto"] })
    }
}

impl FromYaml for Bases {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let bases = match node.as_list() {
            Some(_) => Vec::read(node, found)?,
            None => vec![Spanned::read(node, found)?],
        };
        if bases.is_empty() || bases.len() > 32 {
            expected(node, "one address or a list of up to 32", found);
            return None;
        }
        Some(Self(bases))
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            { "type": "string", "examples": ["https://api.example.com"] },
            { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 32 },
        ] })
    }
}
