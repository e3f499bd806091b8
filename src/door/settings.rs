//! What `gateway.yaml` says about one listener.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use crate::{
    intake::{ForwardedBy, HeadBounds},
    words::{
        ByteSize, Diagnostics, ListenerName, Period,
        tree::{Node, Value},
        yaml::{self, FromYaml},
        yaml_object, yaml_words,
    },
};

yaml_object! {
    /// One listener: an address, who may connect, and what a connection may cost.
    pub struct ListenerSettings {
        /// Its name in statements, logs and the journal: lower-case letters, digits, `-`.
        pub name: ListenerName;
        /// The address and port it listens on.
        pub at: SocketAddr;
        /// `none`, or certificates and what is asked of the caller's. There is no default: a listener without
        /// TLS exists only where the file says so.
        pub tls: TlsSettings;
        /// Host names it serves, without port. Default: any, because callers are known by their credential,
        /// not by the name they used. Naming them closes DNS rebinding.
        pub hosts: Vec<String> = Vec::new();
        /// Networks of proxies whose word about the caller's address is believed, and which are exempt from
        /// the bounds per address. Default: none. A network too many lets its hosts pose as any address.
        pub trusted_proxies: Vec<IpNet> = Vec::new();
        /// The header those proxies write: `x-forwarded-for` (default) or `forwarded`. The other one is never
        /// read, because proxies pass on the header they do not know as the caller sent it.
        pub forwarded_by: ForwardedBy = ForwardedBy::XForwardedFor;
        /// What a stranger may make grow, and for how long.
        pub bounds: Bounds = Bounds::DEFAULT;
    }

    /// Certificates, and what is asked of the caller's.
    pub struct TlsTerms {
        /// The listener's certificates; the caller's SNI chooses among them by the names inside, the first
        /// stands for every other name. Files are read again when they change.
        pub certificates: Vec<CertificateFiles>;
        /// Whether callers show a certificate: `off` (default), `optional`, `required`. One that is shown and
        /// not valid ends the handshake in both.
        pub client_certificates: ClientCertificates = ClientCertificates::Off;
        /// PEM file of the authorities that issue client certificates; required unless `off`.
        pub client_ca: Option<PathBuf> = None;
        /// PEM file of their revocation lists. With it every certificate of a chain must be covered by a list
        /// that has not expired; doubt refuses. Without it nothing is known to be revoked.
        pub client_crl: Option<PathBuf> = None;
        /// Whether sessions resume: `on` (default) saves most of a handshake. With client certificates there
        /// is no resumption whatever stands here, because a resumed session is not verified again.
        pub resumption: Resumption = Resumption::On;
    }

    /// One certificate of the listener.
    pub struct CertificateFiles {
        /// PEM file: the certificate, then its intermediates.
        pub certificate: PathBuf;
        /// PEM file of its private key.
        pub key: PathBuf;
    }

    /// The bounds of a listener. Times are periods (`10s`), sizes are sizes (`32KiB`).
    pub struct Bounds {
        /// From accept to the end of the TLS handshake. Default 10s: a slow phone needs three.
        pub handshake_timeout: Period = Bounds::DEFAULT.handshake_timeout;
        /// From handshake to the first byte of a request. Default 10s; longer keeps silent strangers.
        pub first_byte_timeout: Period = Bounds::DEFAULT.first_byte_timeout;
        /// From the first byte of an HTTP/1 head to its last. Default 10s: a head is one packet or two.
        pub head_timeout: Period = Bounds::DEFAULT.head_timeout;
        /// Between requests of a connection. Default 75s, longer than the 60s that clients' pools keep.
        pub idle_timeout: Period = Bounds::DEFAULT.idle_timeout;
        /// The slowest a request's body may come, in bytes a second, counted while we wait. Default 1KiB.
        pub body_rate_min: ByteSize = Bounds::DEFAULT.body_rate_min;
        /// Waiting for a body that costs nothing. Default 10s.
        pub body_rate_grace: Period = Bounds::DEFAULT.body_rate_grace;
        /// How long an answer may wait for a caller who does not read on; each byte taken buys `body_rate_min`'s time. Default 30s.
        pub slow_reader_timeout: Period = Bounds::DEFAULT.slow_reader_timeout;
        /// After a refusal with unread body: how long what still comes is discarded, so that the caller sees
        /// the refusal. Default 5s.
        pub linger_timeout: Period = Bounds::DEFAULT.linger_timeout;
        /// After a refusal with unread body: how much is discarded. Default 8MiB.
        pub linger_bytes_max: ByteSize = Bounds::DEFAULT.linger_bytes_max;
        /// Headers of a request (1 to 4096; less or more counts as those). Default 100.
        pub header_count_max: usize = Bounds::DEFAULT.header_count_max;
        /// Bytes of a request's target and headers (8KiB to 1MiB; less or more counts as those). Default 32KiB.
        pub header_bytes_max: ByteSize = Bounds::DEFAULT.header_bytes_max;
        /// Bytes of a path. Default 8KiB.
        pub path_bytes_max: ByteSize = Bounds::DEFAULT.path_bytes_max;
        /// Bytes of a body that is gathered; passed-through bodies are streamed. Default 8MiB.
        pub body_bytes_max: ByteSize = Bounds::DEFAULT.body_bytes_max;
        /// Requests at once on one HTTP/2 connection. Default 100.
        pub streams_per_connection_max: u32 = Bounds::DEFAULT.streams_per_connection_max;
        /// Connections in all. Default 10000, at some 28 KiB each.
        pub connections_max: usize = Bounds::DEFAULT.connections_max;
        /// Connections of one address (IPv6: one /64). Default 256.
        pub connections_per_address_max: u32 = Bounds::DEFAULT.connections_per_address_max;
        /// Unfinished handshakes of one address. Default 64.
        pub handshakes_per_address_max: u32 = Bounds::DEFAULT.handshakes_per_address_max;
        /// From head to the end of an answer that is not a stream. Default 60s.
        pub request_deadline: Period = Bounds::DEFAULT.request_deadline;
        /// The longest silence of a passed-through stream. Default 5m.
        pub stream_idle_timeout: Period = Bounds::DEFAULT.stream_idle_timeout;
        /// The longest life of a passed-through stream. Default 12h.
        pub stream_lifetime_max: Period = Bounds::DEFAULT.stream_lifetime_max;
    }
}

yaml_words! {
    /// Whether callers show a certificate.
    pub enum ClientCertificates {
        /// None is asked for.
        Off = "off",
        /// One is asked for; showing none is fine, showing a bad one is not.
        Optional = "optional",
        /// Without a valid one there is no connection.
        Required = "required",
    }

    /// Whether sessions resume.
    pub enum Resumption {
        /// By tickets only this listener can read.
        On = "on",
        /// Every connection is a full handshake.
        Off = "off",
    }
}

/// What `tls` says.
#[derive(Clone, Debug)]
pub enum TlsSettings {
    /// Plain HTTP/1.
    None,
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    Terms(TlsTerms),
}

impl Bounds {
    /// The defaults; each is argued beside its key.
    pub const DEFAULT: Self = Self {
        handshake_timeout: Period::secs(10),
        first_byte_timeout: Period::secs(10),
        head_timeout: Period::secs(10),
        idle_timeout: Period::secs(75),
        body_rate_min: ByteSize::kib(1),
        body_rate_grace: Period::secs(10),
        slow_reader_timeout: Period::secs(30),
        linger_timeout: Period::secs(5),
        linger_bytes_max: ByteSize::mib(8),
        header_count_max: 100,
        header_bytes_max: ByteSize::kib(32),
        path_bytes_max: ByteSize::kib(8),
        body_bytes_max: ByteSize::mib(8),
        streams_per_connection_max: 100,
        connections_max: 10_000,
        connections_per_address_max: 256,
        handshakes_per_address_max: 64,
        request_deadline: Period::secs(60),
        stream_idle_timeout: Period::secs(300),
        stream_lifetime_max: Period::secs(12 * 3600),
    };

    /// Bytes of a head as the HTTP library takes them.
    pub(super) fn head_bytes(&self) -> usize {
        self.header_bytes_max.as_len().clamp(8 * 1024, 1024 * 1024)
    }

    /// Headers of a head as the HTTP library takes them.
    pub(super) fn header_count(&self) -> usize {
        self.header_count_max.clamp(1, 4096)
    }

    /// What the intake asks of a head.
    pub fn head(&self) -> HeadBounds {
        HeadBounds {
            header_count_max: self.header_count(),
            header_bytes_max: self.head_bytes(),
            path_bytes_max: self.path_bytes_max.as_len(),
        }
    }

    /// The slowest a body may come.
    pub fn body_rate(&self) -> crate::intake::Rate {
        crate::intake::Rate {
            bytes_per_second: self.body_rate_min.0.max(1),
            grace: self.body_rate_grace.0.max(Duration::from_millis(1)),
        }
    }
}

impl FromYaml for TlsSettings {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                let terms = TlsTerms::read(node, found)?;
                terms.check(node, found).then_some(Self::Terms(terms))
            }
            Value::Scalar(scalar) if scalar.text == "none" => Some(Self::None),
            Value::Scalar(_) | Value::Null | Value::List(_) => {
                yaml::expected(node, "`none` or a map with `certificates`", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "oneOf": [{ "const": "none" }, TlsTerms::schema()] })
    }
}

impl TlsTerms {
    fn check(&self, node: &Node, found: &mut Diagnostics) -> bool {
        let before = found.0.len();
        if self.certificates.is_empty() {
            found.error(&node.place, "`certificates` names no certificate");
        }
        match self.client_certificates {
            ClientCertificates::Off if self.client_ca.is_some() || self.client_crl.is_some() => {
                found.error(
                    &node.place,
                    "`client_ca` and `client_crl` mean nothing while `client_certificates` is `off`",
                );
            }
            ClientCertificates::Optional | ClientCertificates::Required if self.client_ca.is_none() => {
                found.error(&node.place, "`client_certificates` needs `client_ca`");
            }
            ClientCertificates::Off | ClientCertificates::Optional | ClientCertificates::Required => {}
        }
        found.0.len() == before
    }
}

impl FromYaml for ListenerName {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match node.as_text() {
            Some(text) if !text.is_empty() && text.len() <= 64 && text.bytes().all(good) => {
                Some(Self::new(text))
            }
            Some(_) | None => {
                yaml::expected(node, "a name of lower-case letters, digits and `-`", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9-]{1,64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tree;

    fn read(text: &str) -> (Option<ListenerSettings>, String) {
        let mut found = Diagnostics::default();
        let read = ListenerSettings::read(&tree::parse(&"gateway.yaml".into(), text).unwrap(), &mut found);
        (read, found.to_string())
    }

    #[test]
    fn a_listener_without_tls_exists_only_where_the_file_says_so() {
        let (listener, told) = read("{name: data, at: '127.0.0.1:8443'}");
        assert!(listener.is_none() && told.contains("key `tls` is missing"), "{told}");
        let (listener, told) = read("{name: data, at: '127.0.0.1:8443', tls: none}");
        let listener = listener.expect(&told);
        assert!(matches!(listener.tls, TlsSettings::None));
        assert_eq!(listener.bounds.handshake_timeout, Period::secs(10));
        let (listener, told) = read("{name: data, at: '127.0.0.1:8443', tls: off}");
        assert!(listener.is_none() && told.contains("expected `none` or a map"), "{told}");
    }

    #[test]
    fn client_certificates_without_authority_do_not_load() {
        for (tls, word) in [
            ("{certificates: [], client_certificates: off}", "no certificate"),
            (
                "{certificates: [{certificate: a, key: b}], client_certificates: required}",
                "needs `client_ca`",
            ),
            ("{certificates: [{certificate: a, key: b}], client_ca: c}", "mean nothing"),
            ("{certificates: [{certificate: a}]}", "key `key` is missing"),
        ] {
            let (listener, told) = read(&format!("name: data\nat: 127.0.0.1:1\ntls: {tls}"));
            assert!(listener.is_none() && told.contains(word), "{tls}: {told}");
        }
    }

    #[test]
    fn bounds_are_overridden_one_by_one() {
        let (listener, told) =
            read("name: data\nat: 127.0.0.1:1\ntls: none\nbounds: {head_timeout: 2s, header_bytes_max: 1B}");
        let bounds = listener.expect(&told).bounds;
        assert_eq!((bounds.head_timeout, bounds.idle_timeout), (Period::secs(2), Period::secs(75)));
        assert_eq!(bounds.head_bytes(), 8 * 1024);
    }
}
