//! SOAP 1.1 and 1.2: an envelope around what is asked and around what is answered.
//!
//! Paths of the file begin with the element that stands in the envelope's body; nobody writes the envelope. A fault is
//! an error whatever the status says.

use http::{
    HeaderName, HeaderValue,
    header::{CONTENT_TYPE, HeaderMap},
};

use super::{
    BadXml,
    reader::{Event, Reader},
    walk::{OnRow, Walker},
};
use crate::mapping::trie::{Node, Raws};

/// The prefix by which paths and requests name what is the envelope's own.
pub(super) const PREFIX: &str = "soap";

/// A version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Soap {
    /// SOAP 1.1 (W3C note of 2000-05-08).
    V11,
    /// SOAP 1.2 (W3C recommendation of 2007-04-27).
    V12,
}

impl Soap {
    /// The namespace of the envelope.
    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The header field that names what is asked for: SOAP 1.1 §6.1.1, RFC 3902 §1. `None` where it cannot.
    pub(in crate::mapping) fn action(self, action: &str) -> Option<(HeaderName, HeaderValue)> {
        if action.contains(['"', '\\']) {
            return None;
        }
        let (name, value) = match self {
            Self::V11 => (HeaderName::from_static("soapaction"), format!("\"{action}\"")),
            Self::V12 => (CONTENT_TYPE, format!("application/soap+xml; charset=utf-8; action=\"{action}\"")),
        };
        HeaderValue::try_from(value).ok().map(|value| (name, value))
    }

    /// What a request says of itself besides. SOAP 1.1 wants its header field where there is nothing to say, too.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        match self {
            Self::V11 => {
                let plain = HeaderValue::from_static("text/xml; charset=utf-8");
                headers.entry(CONTENT_TYPE).or_insert(plain);
                headers.entry("soapaction").or_insert(HeaderValue::from_static("\"\""));
            }
            Self::V12 => {
                let plain = HeaderValue::from_static("application/soap+xml; charset=utf-8");
                headers.entry(CONTENT_TYPE).or_insert(plain);
            }
        }
    }

    /// Where a fault's words stand, as a path of a file: the code that says that it is one, and the words.
    pub(in crate::mapping) fn fault(self, is_prefixed: bool) -> (String, String) {
        let soap = |name: &str| if is_prefixed { format!("{PREFIX}:{name}") } else { name.to_owned() };
        let fault = soap("Fault");
        match self {
            // SOAP 1.1 §4.4: what stands in a fault has no namespace.
            Self::V11 => (format!("{fault}.faultcode"), format!("{fault}.faultstring")),
            Self::V12 => (
                format!("{fault}.{}.{}", soap("Code"), soap("Value")),
                format!("{fault}.{}.{}[0]", soap("Reason"), soap("Text")),
            ),
        }
    }
}

impl Soap {
    /// From an envelope just begun to the first element of its body; whether there is one.
    pub(super) fn reach_body(self, reader: &mut Reader<'_, '_>) -> Result<bool, BadXml> {
        let space = self.namespace();
        if !reader.is("Envelope", space) {
            return Err(BadXml::NoEnvelope);
        }
        while reader.next()? == Event::Start {
            if reader.is("Body", space) {
                return Ok(reader.next()? == Event::Start);
            }
            reader.skip()?;
        }
        Err(BadXml::NoEnvelope)
    }
}

impl<'a, 'n> Walker<'a, 'n> {
    /// An envelope, its root just begun: the first element of its body is read along a node. Others in the body are
    /// what it refers to, and no path leads there.
    pub(super) fn envelope(
        &mut self,
        soap: Soap,
        node: &Node,
        raws: &mut Raws<'a>,
        on_row: &mut OnRow<'_, 'a, 'n>,
    ) -> Result<(), BadXml> {
        let space = soap.namespace();
        if !self.reader.is("Envelope", space) {
            return Err(BadXml::NoEnvelope);
        }
        let mut is_read = false;
        while self.reader.next()? == Event::Start {
            if is_read || !self.reader.is("Body", space) {
                self.skip()?;
                continue;
            }
            is_read = true;
            let mut is_first = true;
            while self.reader.next()? == Event::Start {
                if std::mem::take(&mut is_first) {
                    self.root(node, raws, on_row)?;
                } else {
                    self.skip()?;
                }
            }
        }
        if is_read { Ok(()) } else { Err(BadXml::NoEnvelope) }
    }
}
