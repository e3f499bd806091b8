//! `gateway.yaml`: the gate's own settings.
//!
//! What belongs to another room (a listener, the sources of identity) is kept as the tree it is; that room
//! reads it. Everything else is typed and checked here.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::{Value as Json, json};
use url::Url;

use super::{
    alerts::AlertSettings, encryption::EncryptionSettings, files::GATEWAY, ids::IdSettings, serving::Serving,
};
use crate::{
    audit::Rule,
    sinks::SinkList,
    words::{
        ByteSize, Diagnostic, Diagnostics, Period, Place,
        tree::{Node, Value},
        yaml::{FromYaml, Named, Spanned, expected},
        yaml_object, yaml_words,
    },
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
        /// Which system serves which collection of the shared schema: its name, or `{ system, with }` where others tell some fields.
        pub serves: Named<Serving>;
        /// What callers see as ids of records: `opaque` ids of the gate's own, which survive a change of systems, or the systems' `keys`; one word for all, or one by collection.
        pub ids: IdSettings = IdSettings::default();
        /// Which secrets a system's file may name: `NAME` of the environment, or `file:/path`.
        pub secrets: Named<Vec<Spanned<String>>> = Named::default();
        /// The journal.
        pub audit: AuditSettings = AuditSettings::default();
        /// What somebody has to know of, and where it is told.
        pub alerts: AlertSettings = AlertSettings::logged();
        /// Another bundle that is tried beside this one on what the gate decides; it changes no answer.
        pub shadow: Option<Shadowing> = None;
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
        /// Whether answers carry `Audit-Receipt`, the hash of their entry, by which a caller can hold the journal to it.
        pub receipts: bool = false;
        /// Refusals before identity that are written one by one, per address and minute; the rest is counted in one entry.
        pub strangers_per_minute: u32 = 60;
        /// Size at which a segment of the journal ends and the next begins; 1MiB or more.
        pub segment_bytes_max: SegmentBytes = SegmentBytes::default();
        /// Whether segments of the journal stand encrypted in their files, and whose keys wrap theirs; in clear when left out.
        pub encryption: Option<EncryptionSettings> = None;
        /// How old and how large the journal may become; nothing is ever put away when left out.
        pub retention: Option<Retention> = None;
        /// Where signed heads are sent, away from this machine; nowhere when left out.
        pub publish: Option<Publishing> = None;
        /// Where entries are sent, each at least once: a SIEM, a log collector, a file. Nowhere when left out.
        pub sinks: SinkList = SinkList::default();
    }

    /// A bundle that is tried beside the one that serves.
    pub struct Shadowing {
        /// Its folder, relative to the folder beside this one's.
        pub policies: PathBuf;
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
        /// How long a write with an `Idempotency-Key` is kept for its repeats; 1m or more.
        pub idempotency_kept: Period = Period::secs(86_400);
        /// Most writes of one principal that are kept so; over it the oldest that has ended goes.
        pub idempotency_keys_per_principal_max: u32 = 10_000;
        /// The same in all.
        pub idempotency_keys_max: u32 = 50_000;
        /// How long it can be asked what became of a write that a system accepted and did not finish; 1m or more.
        pub accepted_kept: Period = Period::secs(7 * 86_400);
        /// Most such writes of one principal; over it the oldest that has ended goes, and one more cannot be asked for where none has.
        pub accepted_per_principal_max: u32 = 1_000;
        /// The same in all.
        pub accepted_max: u32 = 5_000;
    }
}

yaml_words! {
    /// Where tokens, revocations and quota counters live.
    pub enum StoreKind {
        /// A file in the data directory.
        Sqlite = "sqlite",
    }
}

/// Size at which a segment of the journal ends. Smaller ones would hold few entries and be many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentBytes(pub u64);

/// The least there is.
const SEGMENT_BYTES_MIN: ByteSize = ByteSize::mib(1);
/// The shortest time that entries may be kept for.
const AGE_MIN: Period = Period::secs(86_400);

impl Default for SegmentBytes {
    fn default() -> Self {
        Self(ByteSize::mib(256).0)
    }
}

impl FromYaml for SegmentBytes {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let size = ByteSize::read(node, found)?;
        if size < SEGMENT_BYTES_MIN {
            found.push(
                Diagnostic::error(&node.place, "a segment of the journal is `1MiB` or more")
                    .help("an entry may be as large as 320KiB; leave the key out for 256MiB"),
            );
            return None;
        }
        Some(Self(size.0))
    }

    fn schema() -> Json {
        ByteSize::schema()
    }
}

yaml_object! {
    /// How old and how large the journal may become: `age`, `size` or both.
    struct RetentionBounds {
        /// How old the entries of a segment may become, all of them, before it is put away; 1d or more.
        age: Option<Spanned<Period>> = None;
        /// How large this gate's journal may become, all of its lanes together, before its oldest segments are put away; twice `segment_bytes_max` or more.
        size: Option<Spanned<ByteSize>> = None;
    }
}

/// How old and how large the journal may become.
#[derive(Clone, Debug)]
pub struct Retention {
    age: Option<Period>,
    size: Option<Spanned<ByteSize>>,
}

impl Retention {
    /// As the journal has it.
    pub fn rule(&self) -> Rule {
        Rule { age: self.age.map(|age| age.0), size: self.size.as_ref().map(|size| size.value.0) }
    }

    /// A journal always holds the open segment of each lane.
    fn check(&self, segment: SegmentBytes, found: &mut Diagnostics) {
        let least = ByteSize(segment.0.saturating_mul(2));
        if let Some(size) = self.size.as_ref().filter(|size| size.value < least) {
            let why = format!(
                "the journal cannot be kept to `{}` with segments of `{}`",
                size.value,
                ByteSize(segment.0)
            );
            let help = format!(
                "the open segment always stays: say `{least}` or more, or make segments smaller by `segment_bytes_max`"
            );
            found.push(Diagnostic::error(&size.place, why).help(help));
        }
    }
}

impl FromYaml for Retention {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let RetentionBounds { age, size } = RetentionBounds::read(node, found)?;
        if age.is_none() && size.is_none() {
            found.push(
                Diagnostic::error(&node.place, "a rule of retention says an `age`, a `size` or both").help(
                    "`retention: { age: 400d, size: 200GiB }`; leave the key out and nothing is put away",
                ),
            );
            return None;
        }
        if let Some(age) = age.as_ref().filter(|age| age.value < AGE_MIN) {
            found.push(
                Diagnostic::error(
                    &age.place,
                    format!("entries of the journal are kept for `{AGE_MIN}` or more"),
                )
                .help("what is put away is gone for good"),
            );
            return None;
        }
        Some(Self { age: age.map(|age| age.value), size })
    }

    fn schema() -> Json {
        RetentionBounds::schema()
    }
}

/// Where signed heads are sent, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publishing {
    /// Where.
    pub target: PublishTarget,
    /// How long after one head of a lane the next is sent, at the earliest.
    pub every: Period,
}

/// Where signed heads are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishTarget {
    /// To the end of a file, on a disk that the machine's own administrators cannot rewrite.
    File(PathBuf),
    /// To an address that takes them as they are, by POST.
    To(Url),
}

yaml_object! {
    /// Where signed heads are sent: `file` or `to`.
    struct PublishFile {
        /// A file that they are appended to; it should lie on another machine's disk.
        file: Option<PathBuf> = None;
        /// An address that they are posted to, each by itself: `https://…`.
        to: Option<Spanned<String>> = None;
        /// How long after one head of a lane the next is sent, at the earliest; 1s or more.
        every: Spanned<Period> = Spanned { value: Period::secs(60), place: Place::file(GATEWAY) };
    }
}

impl FromYaml for Publishing {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let PublishFile { file, to, every } = PublishFile::read(node, found)?;
        let target = match (file, to) {
            (Some(file), None) => Some(PublishTarget::File(file)),
            (None, Some(to)) => publish_address(&to, found).map(PublishTarget::To),
            (Some(_), Some(_)) | (None, None) => {
                found.push(
                    Diagnostic::error(&node.place, "heads are published to a `file` or `to` an address")
                        .help("`publish: { file: /mnt/witness/heads }`"),
                );
                None
            }
        };
        if every.value < Period::secs(1) {
            found.error(&every.place, "heads are published every second at most");
            return None;
        }
        Some(Self { target: target?, every: every.value })
    }

    fn schema() -> Json {
        PublishFile::schema()
    }
}

fn publish_address(to: &Spanned<String>, found: &mut Diagnostics) -> Option<Url> {
    match Url::parse(&to.value) {
        Ok(url) if url.scheme() == "https" && url.username().is_empty() && url.password().is_none() => {
            Some(url)
        }
        Ok(_) | Err(_) => {
            found.push(
                Diagnostic::error(&to.place, "heads are published to an `https://` address without a user")
                    .help("heads are no secrets, but whoever may write to that address need not be anyone"),
            );
            None
        }
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
        Self {
            synced_reads: false,
            receipts: false,
            strangers_per_minute: 60,
            segment_bytes_max: SegmentBytes::default(),
            encryption: None,
            retention: None,
            publish: None,
            sinks: SinkList::default(),
        }
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
            idempotency_kept: Period::secs(86_400),
            idempotency_keys_per_principal_max: 10_000,
            idempotency_keys_max: 50_000,
            accepted_kept: Period::secs(7 * 86_400),
            accepted_per_principal_max: 1_000,
            accepted_max: 5_000,
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
        if let Some(retention) = &settings.audit.retention {
            retention.check(settings.audit.segment_bytes_max, found);
        }
        for (collection, Serving { systems: by, with }) in settings.serves.iter() {
            check_name(collection, "a collection", found);
            for system in by {
                check_system(&system.value, &system.place, systems, found);
            }
            for (part, _) in with.iter() {
                check_system(&part.value, &part.place, systems, found);
            }
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
        let (per_principal, all) = (bounds.idempotency_keys_per_principal_max, bounds.idempotency_keys_max);
        if per_principal == 0 || per_principal > all {
            found.error(
                place,
                "`bounds.idempotency_keys_per_principal_max` is 1 or more and at most `bounds.idempotency_keys_max`",
            );
        }
        if !(Period::secs(60)..=Period::secs(30 * 86_400)).contains(&bounds.idempotency_kept) {
            found.error(place, "`bounds.idempotency_kept` is `1m` to `30d`");
        }
        let (per_principal, all) = (bounds.accepted_per_principal_max, bounds.accepted_max);
        if per_principal == 0 || per_principal > all {
            found.error(
                place,
                "`bounds.accepted_per_principal_max` is 1 or more and at most `bounds.accepted_max`",
            );
        }
        if !(Period::secs(60)..=Period::secs(30 * 86_400)).contains(&bounds.accepted_kept) {
            found.error(place, "`bounds.accepted_kept` is `1m` to `30d`");
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::words::tree;

    fn read(text: &str) -> Result<AuditSettings, String> {
        let mut found = Diagnostics::default();
        let settings = AuditSettings::read(&tree::parse(&GATEWAY.into(), text).unwrap(), &mut found);
        settings.ok_or_else(|| found.to_string())
    }

    #[test]
    fn a_segment_of_the_journal_is_not_smaller_than_its_entries_may_be() {
        assert_eq!(read("segment_bytes_max: 1MiB").unwrap().segment_bytes_max.0, 1 << 20);
        assert_eq!(read("synced_reads: true").unwrap().segment_bytes_max, SegmentBytes::default());
        for small in ["1KiB", "0", "1023KiB"] {
            let told = read(&format!("segment_bytes_max: {small}")).unwrap_err();
            assert!(
                told.contains("gateway.yaml:1:20: error: a segment of the journal is `1MiB` or more"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_rule_of_retention_says_something_that_can_be_kept() {
        let rule = |text: &str| {
            read(&format!("retention: {text}")).map(|read| read.retention.map(|retention| retention.rule()))
        };
        let of = |age: Option<u64>, size: Option<u64>| Rule { age: age.map(Duration::from_secs), size };
        assert_eq!(
            read("synced_reads: true").unwrap().retention.map(|rule| rule.rule()),
            None,
            "nothing goes"
        );
        assert_eq!(rule("{ age: 400d }").unwrap(), Some(of(Some(400 * 86_400), None)));
        let both = rule("{ age: 1d, size: 200 GiB }").unwrap();
        assert_eq!(both, Some(of(Some(86_400), Some(200 << 30))));
        for (bad, place, words) in [
            ("{}", "1:12", "says an `age`, a `size` or both"),
            ("{ age: 23h }", "1:19", "kept for `1d` or more"),
            ("{ age: 400 }", "1:19", "is not a period"),
            ("{ size: 5 }", "1:20", "is not a size"),
            ("{ months: 3 }", "1:14", "unknown key `months`"),
        ] {
            let told = rule(bad).unwrap_err();
            assert!(
                told.contains(&format!("gateway.yaml:{place}: error: ")) && told.contains(words),
                "{told}"
            );
        }
    }

    #[test]
    fn a_journal_is_not_to_be_smaller_than_its_open_segments() {
        let told = |size: &str| {
            let retention = format!("{{ size: {size} }}");
            let retention = Retention::read(
                &tree::parse(&GATEWAY.into(), &retention).unwrap(),
                &mut Diagnostics::default(),
            );
            let mut found = Diagnostics::default();
            retention.unwrap().check(SegmentBytes::default(), &mut found);
            found.to_string()
        };
        assert_eq!(told("512MiB"), "");
        let small = told("511MiB");
        assert!(
            small.contains("gateway.yaml:1:9: error: ") && small.contains("say `512MiB` or more"),
            "{small}"
        );
    }

    #[test]
    fn heads_are_published_to_one_place_that_is_meant_for_it() {
        let target = |text: &str| read(&format!("publish: {text}")).map(|read| read.publish.unwrap());
        let file = target("{ file: /mnt/heads, every: 5s }").unwrap();
        assert_eq!(
            file,
            Publishing { target: PublishTarget::File("/mnt/heads".into()), every: Period::secs(5) }
        );
        let to = target("{ to: \"https://witness.example/heads\" }").unwrap();
        let url = Url::parse("https://witness.example/heads").unwrap();
        assert_eq!(to, Publishing { target: PublishTarget::To(url), every: Period::secs(60) });
        assert!(read("synced_reads: true").unwrap().publish.is_none());
        for (text, words) in [
            ("{}", "to a `file` or `to` an address"),
            ("{ every: 5s }", "to a `file` or `to` an address"),
            ("{ file: a, to: \"https://b\" }", "to a `file` or `to` an address"),
            ("{ to: \"http://witness.example\" }", "to an `https://` address"),
            ("{ to: \"https://anna:word@witness.example\" }", "without a user"),
            ("{ to: witness }", "to an `https://` address"),
            ("{ file: a, every: 10ms }", "every second at most"),
            ("{ flie: a }", "unknown key `flie` (did you mean `file`?)"),
        ] {
            let told = target(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
            assert!(!told.contains("word@"), "{told}");
        }
    }
}
