//! `gateway.yaml`: the gate's own settings.
//!
//! What belongs to another room (a listener, the sources of identity) is kept as the tree it is; that room
//! reads it. Everything else is typed and checked here.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::{Value as Json, json};

use super::files::GATEWAY;
use crate::words::{
    ByteSize, Diagnostic, Diagnostics, Period, Place,
    tree::{Node, Value},
    yaml::{FromYaml, Named, Spanned, expected},
    yaml_object, yaml_words,
};

yaml_object! {
    /// The gate itself.
    pub struct GatewaySettings {
        /// The gate's name: it stands in the journal and in its signed heads. Small letters, digits and `-`.
        pub gate: Spanned<String>;
        /// Where callers come in: each has a `name` and an address; the door room reads the rest.
        pub listeners: Vec<Node>;
        /// Where operators come in.
        pub admin: AdminSettings;
        /// Who may vouch for a caller.
        pub identity: Node;
        /// Which system serves which collection of the shared schema.
        pub serves: Named<Spanned<String>>;
        /// Which secrets a system's file may name: `NAME` of the environment, or `file:/path`.
        pub secrets: Named<Vec<Spanned<String>>> = Named::default();
        /// The journal.
        pub audit: AuditSettings = AuditSettings::default();
        /// Where tokens, revocations and quota counters live.
        pub store: StoreKind = StoreKind::Sqlite;
        /// What may grow, and how far.
        pub bounds: Spanned<Bounds> =
            Spanned { value: Bounds::default(), place: Place::file(GATEWAY) };
    }

    /// The admin listener; never on a port that callers use.
    pub struct AdminSettings {
        /// Its address. Without TLS only a loopback address is allowed.
        pub at: Spanned<SocketAddr>;
        /// The only `Host` names that are answered, against rebinding of names.
        pub hosts: Spanned<Vec<String>>;
        /// Its certificate, or `none`.
        pub tls: Spanned<AdminTls>;
    }

    /// The journal.
    pub struct AuditSettings {
        /// Whether the journal is on disk before an answer that shows a personal or confidential field leaves. Writes always are.
        pub synced_reads: bool = false;
        /// Refusals before identity that are written one by one, per address and minute; the rest is counted in one entry.
        pub strangers_per_minute: u32 = 60;
        /// Size at which a segment of the journal ends and the next begins.
        pub segment_bytes_max: ByteSize = ByteSize::mib(256);
    }

    /// What may grow, and how far.
    pub struct Bounds {
        /// Addresses whose rate is counted at once; when all of them count something a new address is refused.
        pub counted_addresses_max: u32 = 131_072;
        /// Principals, partners and plans that are counted at once.
        pub counted_principals_max: u32 = 131_072;
        /// Records of a page when the caller names no `limit`.
        pub page_default: u32 = 50;
        /// Most records of a page.
        pub page_max: u32 = 200;
        /// How long a stopping gate waits for requests and streams to end.
        pub drain_grace: Period = Period::secs(30);
    }
}

yaml_words! {
    /// Where tokens, revocations and quota counters live.
    pub enum StoreKind {
        /// A file in the data directory.
        Sqlite = "sqlite",
    }
}

/// TLS of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminTls {
    /// Plain HTTP, written out as `none`.
    None,
    /// A certificate chain and its key, both PEM files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

yaml_object! {
    /// A certificate chain and its key.
    struct TlsFiles {
        /// The certificate chain, a PEM file.
        certificate: PathBuf;
        /// Its private key, a PEM file.
        key: PathBuf;
    }
}

impl FromYaml for AdminTls {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Scalar(word) if word.text == "none" => Some(Self::None),
            Value::Map(_) => TlsFiles::read(node, found)
                .map(|TlsFiles { certificate, key }| Self::Files { certificate, key }),
            Value::Scalar(_) | Value::Null | Value::List(_) => {
                expected(node, "`none` or `{ certificate, key }`", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "oneOf": [{ "const": "none" }, TlsFiles::schema()] })
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { synced_reads: false, strangers_per_minute: 60, segment_bytes_max: ByteSize::mib(256) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            counted_addresses_max: 131_072,
            counted_principals_max: 131_072,
            page_default: 50,
            page_max: 200,
            drain_grace: Period::secs(30),
        }
    }
}

impl GatewaySettings {
    /// Reads and checks `gateway.yaml`; `systems` are the names that system files carry.
    pub(super) fn load(node: &Node, systems: &[String], found: &mut Diagnostics) -> Option<Self> {
        let settings = Self::read(node, found)?;
        settings.check_gate(found);
        settings.check_addresses(found);
        settings.check_admin(found);
        settings.check_bounds(found);
        for (collection, system) in settings.serves.iter() {
            check_name(collection, "a collection", found);
            check_system(&system.value, &system.place, systems, found);
        }
        for (system, _) in settings.secrets.iter() {
            check_system(&system.value, &system.place, systems, found);
        }
        Some(settings)
    }

    fn check_gate(&self, found: &mut Diagnostics) {
        check_name(&self.gate, "a gate", found);
        if self.listeners.is_empty() {
            found.push(
                Diagnostic::error(&Place::file(GATEWAY), "a gate needs a listener")
                    .help("`listeners: [{ name: data, at: 127.0.0.1:8443, tls: … }]`"),
            );
        }
        let mut names: Vec<Spanned<String>> = Vec::new();
        for name in self.listeners.iter().filter_map(|node| node.get("name")) {
            let Some(name) = Spanned::<String>::read(name, found) else { continue };
            check_name(&name, "a listener", found);
            if names.iter().any(|other| other.value == name.value) {
                found.error(&name.place, format!("there is a listener `{}` already", name.value));
            }
            names.push(name);
        }
    }

    /// No two listeners, the admin's included, share an address. Port 0 is any free port.
    fn check_addresses(&self, found: &mut Diagnostics) {
        let mut taken: Vec<(SocketAddr, &str)> = vec![(self.admin.at.value, "admin")];
        for node in &self.listeners {
            let text = |key| node.get(key).and_then(Node::as_text).unwrap_or_default();
            let (Some(place), Ok(at)) = (node.get("at").map(|at| &at.place), text("at").parse()) else {
                continue;
            };
            if let Some((_, other)) = taken.iter().find(|(other, _)| meet(at, *other)) {
                found.error(place, format!("`{at}` is an address of `{other}` already"));
            }
            taken.push((at, text("name")));
        }
    }

    fn check_admin(&self, found: &mut Diagnostics) {
        let AdminSettings { at, hosts, tls } = &self.admin;
        if tls.value == AdminTls::None && !at.value.ip().is_loopback() {
            found.push(
                Diagnostic::error(&tls.place, format!("the admin listener at `{}` needs TLS", at.value))
                    .help("`none` is for loopback addresses"),
            );
        }
        if hosts.value.is_empty() {
            found.error(&hosts.place, "name at least one host that the admin listener answers to");
        }
        for host in &hosts.value {
            if host.is_empty() || host.contains(['*', '/', '@', ' ']) {
                found.error(
                    &hosts.place,
                    format!("`{host}` is no host name; each is written out, without port"),
                );
            }
        }
    }

    fn check_bounds(&self, found: &mut Diagnostics) {
        let Spanned { value: bounds, place } = &self.bounds;
        if bounds.counted_addresses_max == 0 || bounds.counted_principals_max == 0 {
            found.error(
                place,
                "`bounds.counted_addresses_max` and `bounds.counted_principals_max` are 1 or more",
            );
        }
        if bounds.page_default == 0 || bounds.page_default > bounds.page_max || bounds.page_max > 10_000 {
            found.error(
                place,
                "`bounds.page_default` is 1 or more and at most `bounds.page_max`, which is at most 10000",
            );
        }
    }
}

/// Whether two sockets would take each other's connections.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let anywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || anywhere)
}

/// Names that stand in URLs, files and metrics.
pub(super) fn check_name(name: &Spanned<String>, what: &str, found: &mut Diagnostics) {
    let text = &name.value;
    let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !starts || text.len() > 64 || !text.bytes().all(fit) {
        found.error(
            &name.place,
            format!("`{text}` is no name of {what}: a small letter, then small letters, digits and `-`, at most 64"),
        );
    }
}

fn check_system(name: &str, place: &Place, systems: &[String], found: &mut Diagnostics) {
    if !systems.iter().any(|system| system == name) {
        found.push(
            Diagnostic::error(place, format!("there is no system `{name}` in `systems/`"))
                .suggest(name, systems.iter().map(String::as_str)),
        );
    }
}
