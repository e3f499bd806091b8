//! `audit.sinks` in `gateway.yaml`: where entries of the journal are sent, in which form, and what of them.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use url::Url;

use super::redact::{Part, Redaction};
use crate::words::{
    ByteSize, Diagnostic, Diagnostics, Place,
    tree::Node,
    yaml::{FromYaml, Named, Spanned},
    yaml_object, yaml_words,
};

/// LIMIT: sinks of a gate.
const SINKS_MAX: usize = 16;
/// LIMIT: files that are kept beside the one that is written to.
const FILES_MAX: u32 = 1_000;
/// Smaller files would hold no batch.
const FILE_BYTES_MIN: ByteSize = ByteSize(1024 * 1024);

yaml_words! {
    /// In which form entries are sent.
    pub enum Format {
        /// Events of the Open Cybersecurity Schema Framework.
        Ocsf = "ocsf",
        /// Each entry as it stands in the journal.
        Bramka = "bramka",
    }

    /// By what a syslog receiver shows that it has read everything.
    pub enum Closing {
        /// It says that it closes (RFC 5425 §4.4): a receiver that crashed does not.
        Said = "close_notify",
        /// It closes, with or without saying so.
        Done = "close",
    }

    /// What is sealed beside an entry and sent in clear only where it is named.
    pub enum Clear {
        /// Addresses of callers.
        Addresses = "addresses",
        /// Ids of principals and partners.
        Ids = "ids",
    }
}

yaml_object! {
    /// A place that entries of the journal are sent to: `http`, `otlp`, `syslog` or `file`.
    struct SinkFile {
        /// Its name: small letters, digits and `-`. How far it was sent is kept under it, so another name begins anew.
        name: Spanned<String>;
        /// The form: `ocsf`, or `bramka` for entries as they stand in the journal.
        format: Format = Format::Ocsf;
        /// What is sealed in the journal and sent in clear all the same: `addresses`, `ids`. Nothing when left out; what was sent no erasure reaches.
        with: Vec<Clear> = Vec::new();
        /// What is not sent as it stands, by part: `drop` leaves it out, `digest` sends a keyed digest that is the same each time.
        redact: Redactions = Redactions::default();
        /// NDJSON, posted.
        http: Option<HttpFile> = None;
        /// OpenTelemetry logs over HTTP.
        otlp: Option<OtlpFile> = None;
        /// Syslog (RFC 5424) over TLS.
        syslog: Option<SyslogFile> = None;
        /// NDJSON in a file.
        file: Option<FileFile> = None;
    }

    /// NDJSON, posted.
    struct HttpFile {
        /// The `https://` address.
        to: Spanned<String>;
        /// A file with the token that goes along in `Authorization`, read anew each time.
        token_file: Option<PathBuf> = None;
        /// What stands before the token: `Bearer`, `Splunk`, `ApiKey`.
        token_scheme: Spanned<String> = Spanned { value: "Bearer".into(), place: Place::file("gateway.yaml") };
        /// Whom the receiver's certificate is verified by; the platform's authorities when left out.
        ca: Option<PathBuf> = None;
        /// The gate's own certificate, for receivers that ask: a PEM file.
        certificate: Option<PathBuf> = None;
        /// Its private key, a PEM file.
        key: Option<PathBuf> = None;
    }

    /// OpenTelemetry logs over HTTP, as JSON.
    struct OtlpFile {
        /// The `https://` address with its path: `https://collector.example:4318/v1/logs`.
        endpoint: Spanned<String>;
        /// A file with the token that goes along in `Authorization`, read anew each time.
        token_file: Option<PathBuf> = None;
        /// What stands before the token: `Bearer`.
        token_scheme: Spanned<String> = Spanned { value: "Bearer".into(), place: Place::file("gateway.yaml") };
        /// Whom the receiver's certificate is verified by; the platform's authorities when left out.
        ca: Option<PathBuf> = None;
        /// The gate's own certificate, for receivers that ask: a PEM file.
        certificate: Option<PathBuf> = None;
        /// Its private key, a PEM file.
        key: Option<PathBuf> = None;
    }

    /// Syslog (RFC 5424) over TLS (RFC 5425).
    struct SyslogFile {
        /// Host and port: `logs.example:6514`.
        to: Spanned<String>;
        /// The facility's number: 13 is log audit.
        facility: Spanned<u16> = Spanned { value: 13, place: Place::file("gateway.yaml") };
        /// What shows that a batch was read to its end: `close_notify`, or for receivers that do not say it, that they `close` the connection.
        confirmed_by: Closing = Closing::Said;
        /// Whom the receiver's certificate is verified by; the platform's authorities when left out.
        ca: Option<PathBuf> = None;
        /// The gate's own certificate, for receivers that ask: a PEM file.
        certificate: Option<PathBuf> = None;
        /// Its private key, a PEM file.
        key: Option<PathBuf> = None;
    }

    /// NDJSON in a file, for its owner alone.
    struct FileFile {
        /// The file. One that is full is kept as `PATH.1`, the one before it as `PATH.2`.
        path: Spanned<PathBuf>;
        /// Size at which the next file begins; 1MiB or more.
        bytes_max: Spanned<ByteSize> = Spanned { value: ByteSize(256 * 1024 * 1024), place: Place::file("gateway.yaml") };
        /// Full files that are kept; what is older is removed, read or not.
        files_max: Spanned<u32> = Spanned { value: 8, place: Place::file("gateway.yaml") };
    }
}

/// A place that entries are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// By which it is known.
    pub name: String,
    /// In which form.
    pub format: Format,
    /// What is sent in clear.
    pub with: Vec<Clear>,
    /// What is not sent as it stands.
    pub redact: Vec<(Part, Redaction)>,
    /// Where, and how.
    pub target: Target,
}

/// Where entries are sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// NDJSON, posted.
    Http(Posting),
    /// OpenTelemetry logs, posted.
    Otlp(Posting),
    /// Syslog over TLS.
    Syslog {
        /// Host and port, as an address that the wire knows.
        to: Url,
        /// The facility.
        facility: u8,
        /// By what it shows that it has read everything.
        confirmed_by: Closing,
        /// TLS.
        tls: TlsSettings,
    },
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// When the next begins.
        bytes_max: u64,
        /// Full ones that are kept.
        files_max: u32,
    },
}

/// How batches are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Where to.
    pub to: Url,
    /// With what in `Authorization`.
    pub token_file: Option<PathBuf>,
    /// And what before it.
    pub token_scheme: String,
    /// TLS.
    pub tls: TlsSettings,
}

/// Whom a connection trusts, and as whom it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// A PEM file of authorities.
    pub ca: Option<PathBuf>,
    /// PEM files of a certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The sinks of a gate, no two of one name or on one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkList(pub Vec<SinkSettings>);

impl Target {
    /// As it is told: `http`, `otlp`, `syslog`, `file`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Otlp(_) => "otlp",
            Self::Syslog { .. } => "syslog",
            Self::File { .. } => "file",
        }
    }
}

impl FromYaml for SinkList {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let read: Vec<SinkFile> = Vec::read(node, found)?;
        let before = found.0.len();
        let mut all: Vec<SinkSettings> = Vec::new();
        for file in read {
            let place = file.name.place.clone();
            if all.len() == SINKS_MAX {
                found.error(&place, format!("a gate has at most {SINKS_MAX} sinks"));
                break;
            }
            let Some(sink) = settings(file, found) else { continue };
            if all.iter().any(|other| other.name == sink.name) {
                found.error(&place, format!("there is a sink `{}` already", sink.name));
            }
            let path = |sink: &SinkSettings| match &sink.target {
                Target::File { path, .. } => Some(path.clone()),
                Target::Http(_) | Target::Otlp(_) | Target::Syslog { .. } => None,
            };
            if let Some(file) = path(&sink)
                && let Some(other) = all.iter().find(|other| path(other).as_ref() == Some(&file))
            {
                let message = format!("`{}` writes to `{}` already", other.name, file.display());
                found.error(&place, message);
            }
            all.push(sink);
        }
        (found.0.len() == before).then_some(Self(all))
    }

    fn schema() -> Json {
        let mut sink = SinkFile::schema();
        if let Some(sink) = sink.as_object_mut() {
            let one = ["http", "otlp", "syslog", "file"].map(|kind| json!({ "required": [kind] }));
            sink.insert("oneOf".into(), Json::from(one.to_vec()));
        }
        json!({ "type": "array", "maxItems": SINKS_MAX, "items": sink })
    }
}

/// What is not sent as it stands.
#[derive(Clone, Debug, Default)]
struct Redactions(Vec<(Part, Redaction)>);

impl FromYaml for Redactions {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let read: Named<Redaction> = Named::read(node, found)?;
        let mut out = Vec::new();
        for (name, redaction) in read.iter() {
            match Part::named(&name.value) {
                Some(part) => out.push((part, *redaction)),
                None => found.push(
                    Diagnostic::error(&name.place, format!("`{}` is no part of an entry", name.value))
                        .suggest(&name.value, Part::names()),
                ),
            }
        }
        Some(Self(out))
    }

    fn schema() -> Json {
        let names: Vec<&str> = Part::names().collect();
        json!({
            "type": "object", "propertyNames": { "enum": names }, "additionalProperties": Redaction::schema(),
        })
    }
}

fn settings(file: SinkFile, found: &mut Diagnostics) -> Option<SinkSettings> {
    let SinkFile { name, format, with, redact, http, otlp, syslog, file } = file;
    let before = found.0.len();
    check_name(&name, found);
    let targets = [
        http.map(|http| http.target(found)),
        otlp.map(|otlp| otlp.target(found)),
        syslog.map(|syslog| syslog.target(found)),
        file.map(|file| file.target(found)),
    ];
    let mut targets = targets.into_iter().flatten();
    let target = match (targets.next(), targets.next()) {
        (Some(target), None) => target,
        (None, _) | (Some(_), Some(_)) => {
            found.push(
                Diagnostic::error(&name.place, format!("`{}` is sent to one place", name.value)).help(
                    "`http: { to: … }`, `otlp: { endpoint: … }`, `syslog: { to: … }` or `file: { path: … }`",
                ),
            );
            None
        }
    };
    let sink = SinkSettings { name: name.value, format, with, redact: redact.0, target: target? };
    (found.0.len() == before).then_some(sink)
}

/// Names of files and labels of metrics.
fn check_name(name: &Spanned<String>, found: &mut Diagnostics) {
    let text = &name.value;
    let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !starts || text.len() > 64 || !text.bytes().all(fit) {
        found.error(
            &name.place,
            format!("`{text}` is no name of a sink: a small letter, then small letters, digits and `-`, at most 64"),
        );
    }
}

impl HttpFile {
    fn target(self, found: &mut Diagnostics) -> Option<Target> {
        let Self { to, token_file, token_scheme, ca, certificate, key } = self;
        let tls = tls(ca, certificate, key, &to.place, found);
        posting(&to, token_file, &token_scheme, tls, found).map(Target::Http)
    }
}

impl OtlpFile {
    fn target(self, found: &mut Diagnostics) -> Option<Target> {
        let Self { endpoint, token_file, token_scheme, ca, certificate, key } = self;
        let tls = tls(ca, certificate, key, &endpoint.place, found);
        let posting = posting(&endpoint, token_file, &token_scheme, tls, found)?;
        if posting.to.path() == "/" {
            found.push(
                Diagnostic::error(&endpoint.place, "an `endpoint` has its path")
                    .help("collectors take logs at `/v1/logs`"),
            );
            return None;
        }
        Some(Target::Otlp(posting))
    }
}

impl SyslogFile {
    fn target(self, found: &mut Diagnostics) -> Option<Target> {
        let Self { to, facility, confirmed_by, ca, certificate, key } = self;
        let tls = tls(ca, certificate, key, &to.place, found);
        let url = Url::parse(&format!("https://{}", to.value)).ok();
        let url = url.filter(|url| {
            let has_port = to.value.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            has_port && url.path() == "/" && url.query().is_none() && url.username().is_empty()
        });
        if url.is_none() {
            found.push(
                Diagnostic::error(&to.place, format!("`{}` is no host and port", to.value))
                    .help("`logs.example:6514`, where TLS is spoken"),
            );
        }
        let number = u8::try_from(facility.value).ok().filter(|number| *number <= 23);
        if number.is_none() {
            found.error(&facility.place, "a facility is a number from 0 to 23");
        }
        Some(Target::Syslog { to: url?, facility: number?, confirmed_by, tls: tls? })
    }
}

impl FileFile {
    fn target(self, found: &mut Diagnostics) -> Option<Target> {
        let Self { path, bytes_max, files_max } = self;
        let before = found.0.len();
        if bytes_max.value < FILE_BYTES_MIN {
            found.error(&bytes_max.place, "a file is `1MiB` or more");
        }
        if !(1..=FILES_MAX).contains(&files_max.value) {
            found.error(&files_max.place, format!("`files_max` is 1 to {FILES_MAX}"));
        }
        if path.value.file_name().is_none() {
            found.error(&path.place, format!("`{}` names no file", path.value.display()));
        }
        let target =
            Target::File { path: path.value, bytes_max: bytes_max.value.0, files_max: files_max.value };
        (found.0.len() == before).then_some(target)
    }
}

fn posting(
    to: &Spanned<String>,
    token_file: Option<PathBuf>,
    scheme: &Spanned<String>,
    tls: Option<TlsSettings>,
    found: &mut Diagnostics,
) -> Option<Posting> {
    let url = Url::parse(&to.value).ok();
    let url = url.filter(|url| {
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.has_host()
    });
    if url.is_none() {
        found.push(
            Diagnostic::error(&to.place, "entries are posted to an `https://` address without a user")
                .help("a token stands in a file of its own: `token_file`"),
        );
    }
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if scheme.value.is_empty() || scheme.value.len() > 32 || !scheme.value.bytes().all(is_token) {
        found.error(&scheme.place, "`token_scheme` is one word, as in `Bearer`");
        return None;
    }
    Some(Posting { to: url?, token_file, token_scheme: scheme.value.clone(), tls: tls? })
}

fn tls(
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    place: &Place,
    found: &mut Diagnostics,
) -> Option<TlsSettings> {
    match (certificate, key) {
        (None, None) => Some(TlsSettings { ca, identity: None }),
        (Some(certificate), Some(key)) => Some(TlsSettings { ca, identity: Some((certificate, key)) }),
        (Some(_), None) | (None, Some(_)) => {
            found.error(place, "a `certificate` and its `key` go together");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tree;

    fn read(text: &str) -> Result<Vec<SinkSettings>, String> {
        let mut found = Diagnostics::default();
        let list = SinkList::read(&tree::parse(&"gateway.yaml".into(), text).unwrap(), &mut found);
        list.filter(|_| !found.has_errors()).map(|list| list.0).ok_or_else(|| found.to_string())
    }

    #[test]
    fn a_sink_says_where_in_which_form_and_what_of_an_entry_is_sent() {
        let text = "
- { name: siem, http: { to: \"https://siem.example/in\", token_file: t, token_scheme: Splunk, ca: ca.pem } }
- { name: lake, format: bramka, with: [ids], redact: { address: digest, groups: drop }, file: { path: out } }
- { name: logs, syslog: { to: \"logs.example:6514\", certificate: c, key: k } }
- { name: telemetry, otlp: { endpoint: \"https://collector.example:4318/v1/logs\" } }
";
        let sinks = read(text).unwrap();
        assert_eq!(
            sinks.iter().map(|sink| sink.target.kind()).collect::<Vec<_>>(),
            ["http", "file", "syslog", "otlp"]
        );
        assert_eq!((sinks[0].format, sinks[0].with.len()), (Format::Ocsf, 0));
        let Target::Http(posting) = &sinks[0].target else { panic!("{sinks:?}") };
        assert_eq!(
            (posting.token_scheme.as_str(), posting.to.as_str()),
            ("Splunk", "https://siem.example/in")
        );
        assert_eq!((sinks[1].format, &*sinks[1].with), (Format::Bramka, &[Clear::Ids][..]));
        assert_eq!(sinks[1].redact, [(Part::Address, Redaction::Digest), (Part::Groups, Redaction::Drop)]);
        let Target::File { bytes_max, files_max, .. } = sinks[1].target else { panic!("{sinks:?}") };
        assert_eq!((bytes_max, files_max), (256 << 20, 8));
        let Target::Syslog { to, facility, .. } = &sinks[2].target else { panic!("{sinks:?}") };
        assert_eq!((to.as_str(), *facility), ("https://logs.example:6514/", 13));
    }

    #[test]
    fn editors_are_told_that_a_sink_has_one_target_and_which_parts_can_be_redacted() {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("sinks.json", SinkList::schema()).unwrap();
        let schema = compiler.compile("sinks.json", &mut schemas).unwrap();
        let fits = |sinks: Json| schemas.validate(&sinks, schema).is_ok();
        let file = json!({ "path": "f" });
        assert!(fits(
            json!([{ "name": "a", "file": file, "redact": { "groups": "drop" }, "with": ["ids"] }])
        ));
        for wrong in [
            json!([{ "name": "a" }]),
            json!([{ "name": "a", "file": file, "syslog": { "to": "b:6514" } }]),
            json!([{ "name": "a", "file": file, "redact": { "names": "drop" } }]),
            json!([{ "name": "a", "file": file, "redact": { "groups": "hide" } }]),
            json!([{ "name": "a", "file": { "path": "f", "size": 1 } }]),
        ] {
            assert!(!fits(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_sink_is_told_at_its_place() {
        for (text, words) in [
            ("[{ name: a }]", "1:10: error: `a` is sent to one place"),
            ("[{ name: a, file: { path: f }, http: { to: \"https://b\" } }]", "is sent to one place"),
            ("[{ name: A, file: { path: f } }]", "`A` is no name of a sink"),
            (
                "[{ name: a, http: { to: \"http://b\" } }]",
                "1:25: error: entries are posted to an `https://` address",
            ),
            ("[{ name: a, http: { to: \"https://u:word@b\" } }]", "without a user"),
            ("[{ name: a, http: { to: \"https://b\", token_scheme: \"a b\" } }]", "is one word"),
            ("[{ name: a, http: { to: \"https://b\", key: k } }]", "go together"),
            ("[{ name: a, otlp: { endpoint: \"https://b:4318\" } }]", "has its path"),
            ("[{ name: a, syslog: { to: logs.example } }]", "no host and port"),
            ("[{ name: a, syslog: { to: \"b:6514\", facility: 24 } }]", "from 0 to 23"),
            ("[{ name: a, file: { path: f, bytes_max: 1KiB } }]", "a file is `1MiB` or more"),
            ("[{ name: a, file: { path: f, files_max: 0 } }]", "is 1 to 1000"),
            ("[{ name: a, file: { path: f }, redact: { adress: drop } }]", "did you mean `address`?"),
            ("[{ name: a, file: { path: f }, with: [names] }]", "`names` is not known here"),
            ("[{ name: a, file: { path: f }, fromat: ocsf }]", "did you mean `format`?"),
            (
                "[{ name: a, file: { path: f } }, { name: a, file: { path: g } }]",
                "there is a sink `a` already",
            ),
            ("[{ name: a, file: { path: f } }, { name: b, file: { path: f } }]", "`a` writes to `f` already"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
            assert!(!told.contains("word@"), "{told}");
        }
    }
}
