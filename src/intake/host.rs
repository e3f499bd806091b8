//! The host a request is for: exactly one, spelled as a name or address with an optional port.

use std::{collections::HashSet, net::Ipv6Addr};

use compact_str::CompactString;
use http::{HeaderMap, Uri, Version, header};

use super::Rejected;

const HOST_BYTES_MAX: usize = 253;

/// A host, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: CompactString,
    port: Option<u16>,
}

/// The hosts a listener serves.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Option<HashSet<CompactString>>);

impl Host {
    /// Reads `name[:port]`, `a.b.c.d[:port]` or `[v6][:port]`; nothing else, no userinfo, no path, no comma.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (compact_str::format_compact!("[{address}]"), port)
            }
            None => {
                let end = memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len());
                let (name, port) = text.split_at_checked(end)?;
                let mut name = is_name(name).then(|| CompactString::new(name))?;
                name.make_ascii_lowercase();
                (name, port)
            }
        };
        let port = match port {
            "" => None,
            port => Some(port_number(port.strip_prefix(':')?)?),
        };
        Some(Self { name, port })
    }

    /// Name or address without port, lower case; an IPv6 address in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where one was named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The one host of a request.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<Self, Rejected> {
        let mut lines = headers.get_all(header::HOST).iter();
        let line = lines.next();
        if lines.next().is_some() {
            return Err(Rejected::TwoHosts);
        }
        let line = line.map(|value| value.to_str().ok().and_then(Self::parse).ok_or(Rejected::Host));
        let line = line.transpose()?;
        let target = uri.authority().map(|text| Self::parse(text.as_str()).ok_or(Rejected::Host));
        match (target.transpose()?, line) {
            (Some(target), Some(line)) if target == line => Ok(target),
            (Some(_), Some(_)) => Err(Rejected::TwoHosts),
            // HTTP/2 says it in `:authority`; HTTP/1 owes a Host line whatever its target.
            (Some(target), None) if version == Version::HTTP_2 => Ok(target),
            (Some(_), None) | (None, None) => Err(Rejected::Host),
            (None, Some(line)) => Ok(line),
        }
    }
}

impl AllowedHosts {
    /// Every host.
    pub fn any() -> Self {
        Self(None)
    }

    /// These names (without port), in any case.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Some(names.into_iter().map(|name| CompactString::new(name.to_ascii_lowercase())).collect()))
    }

    /// Whether the host is served.
    pub fn allow(&self, host: &Host) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(host.name()))
    }
}

fn is_name(name: &str) -> bool {
    let mut is_label = false;
    for byte in name.bytes() {
        let goes_on = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        // A dot ends a label, which has a letter at least.
        if !(goes_on || is_label && byte == b'.') {
            return false;
        }
        is_label = goes_on;
    }
    is_label && name.len() <= HOST_BYTES_MAX
}

fn port_number(digits: &str) -> Option<u16> {
    (digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}
