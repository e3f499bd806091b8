//! The successes of the data listener: what was shown, as JSON, with the headers that belong to it.
//!
//! Only records that were shown and counted ([`Exposed`]) are encoded here. An entity tag is a keyed hash of the caller and of the bytes it
//! sees, so that a change in a hidden field shows nowhere and two callers cannot compare. What is no record is
//! answered for a proof too: public keys to an address that was charged, the description of what a caller may
//! call to a caller that was.

mod beside;
mod expanded;
mod lack;

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderValue, Response, StatusCode, header};

pub use beside::{Around, Beside, Gathered};
pub use expanded::{Expanded, Place};
pub use lack::Lack;

use crate::{
    body::Body,
    odata::{self, Frame},
    policy::Shown,
    quota::{Admission, Exposed, Greeted, Stranger},
    schema::{Entity, FieldSet, Record, json},
    words::{Digest, SecretBytes},
};

/// The key of entity tags.
pub struct TagKey(hmac::Key);

impl TagKey {
    /// From a secret of the gate.
    pub fn new(secret: &SecretBytes) -> Self {
        let key = Digest::of_parts(&[b"bramka entity tag", secret.expose()]);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key.0))
    }

    /// The tag of what a caller sees: 128 bits, strong (RFC 9110 §8.8.3).
    pub fn tag(&self, caller: &Digest, bytes: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&caller.0);
        context.update(bytes);
        let mac = context.sign();
        format!("\"{}\"", HEXLOWER.encode(mac.as_ref().get(..16).unwrap_or_default()))
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey(…)")
    }
}

/// A success before its entry is written: head and body at hand.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    /// Empty for none.
    body: Bytes,
    /// Beside those every answer has.
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Answer {
    /// One record. `narrowed` says that the caller asked for some fields only: such an answer has no tag.
    pub fn one(status: StatusCode, exposed: &Exposed, tag: Option<(&TagKey, &Digest)>) -> Self {
        let body = encoded(exposed.shown());
        let tag = tag.and_then(|(key, caller)| HeaderValue::try_from(key.tag(caller, &body)).ok());
        let headers = tag.map(|tag| (header::ETAG, tag)).into_iter().collect();
        Self { status, body, headers }
    }

    /// Puts into the one record of an answer what stands beside it. Its tag stays the record's own.
    pub fn beside(mut self, beside: &Beside) -> Self {
        if !beside.is_empty() {
            let mut body = Vec::from(std::mem::take(&mut self.body));
            beside.write_into(0, &mut body);
            self.body = body.into();
        }
        self
    }

    /// Says what the answer lacks because a system could not be asked: in the one record, or beside the records of a page.
    pub fn lacking(mut self, lacks: &[Lack]) -> Self {
        if !lacks.is_empty() {
            let mut body = Vec::from(std::mem::take(&mut self.body));
            lack::write_into(lacks, &mut body);
            self.body = body.into();
        }
        self
    }

    /// A page of records, what stands beside each, and the cursor of the next one. `truncated` says that there are more which the system
    /// cannot page to: without a word of it the list would seem whole.
    pub fn page(items: &[Exposed], beside: &Beside, next: Option<Next<'_>>, truncated: bool) -> Self {
        let mut body = Vec::with_capacity(64 + items.len() * 512);
        body.extend_from_slice(b"{\"items\":[");
        for (n, shown) in items.iter().map(Exposed::shown).enumerate() {
            if n > 0 {
                body.push(b',');
            }
            json::write(shown.entity(), shown.record(), Some(&shown.fields()), &mut body);
            beside.write_into(n, &mut body);
        }
        body.extend_from_slice(b"],\"next_cursor\":");
        match &next {
            Some(next) => json::text(next.cursor, &mut body),
            None => body.extend_from_slice(b"null"),
        }
        if truncated {
            body.extend_from_slice(b",\"truncated\":true");
        }
        body.push(b'}');
        let link =
            next.and_then(|next| HeaderValue::try_from(format!("<{}>; rel=\"next\"", next.link())).ok());
        let headers = link.map(|link| (header::LINK, link)).into_iter().collect();
        Self { status: StatusCode::OK, body: body.into(), headers }
    }

    /// A page of records as OData, what stands beside each, how many there are in all, and the address of the next
    /// page.
    pub fn table(
        frame: &Frame<'_>,
        entity: &Entity,
        items: &[Exposed],
        expanded: &[Expanded],
        count: Option<u64>,
        next: Option<&str>,
    ) -> Self {
        let records: Vec<&Record> = items.iter().map(|exposed| exposed.shown().record()).collect();
        let expanded: Vec<odata::Expanded<'_>> = expanded.iter().map(Expanded::told).collect();
        let body = odata::page(frame, entity, &records, &expanded, count, next);
        Self::odata(body, frame.style.content_type())
    }

    /// A page of rows as OData: of records, by the record's place among them and the row's number there.
    pub fn rows(
        around: &odata::Around<'_>,
        (entity, flat): (&Entity, &odata::Flat),
        (items, rows): (&[Exposed], &[(usize, u64)]),
        wanted: &odata::WantedRows,
    ) -> Self {
        let records: Vec<&Record> = items.iter().map(|exposed| exposed.shown().record()).collect();
        let body = flat.page(around, (entity, &records), rows, wanted);
        Self::odata(body, around.style.content_type())
    }

    /// One record as OData, and what stands beside it. Its tag is the one that the record has everywhere, so it can be
    /// sent back with a change.
    pub fn row(
        frame: &Frame<'_>,
        exposed: &Exposed,
        expanded: &[Expanded],
        tag: Option<(&TagKey, &Digest)>,
    ) -> Self {
        let shown = exposed.shown();
        let tag = tag.map(|(key, caller)| key.tag(caller, &encoded(shown)));
        let expanded: Vec<odata::Expanded<'_>> = expanded.iter().map(Expanded::told).collect();
        let body = odata::entity(frame, shown.entity(), shown.record(), &expanded, tag.as_deref());
        let answer = Self::odata(body, frame.style.content_type());
        match tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            Some(tag) => answer.with(header::ETAG, tag),
            None => answer,
        }
    }

    /// What stands beside a record, as OData by itself; nothing where one record is due and there is none.
    pub fn alone(style: odata::Style, root: &str, expanded: &Expanded) -> Self {
        let Expanded { entity, columns, selected, is_list, .. } = expanded;
        let frame = Frame { style, root, columns, selected: *selected };
        let beside = expanded.told().beside.into_iter().next().unwrap_or_default();
        let body = match (is_list, beside.records.first()) {
            (true, _) => odata::page(&frame, entity, &beside.records, &[], beside.count, beside.next),
            (false, Some(record)) => odata::entity(&frame, entity, record, &[], None),
            (false, None) => return Self::empty(StatusCode::NO_CONTENT),
        };
        Self::odata(body, style.content_type())
    }

    /// How many records a caller may see, for one that was let in.
    pub fn count(_admitted: &Admission, count: u64) -> Self {
        Self::odata(count.to_string(), "text/plain")
    }

    /// What a caller may ask the OData door for.
    pub fn odata_document(_charged: Greeted, document: impl Into<Bytes>, kind: &'static str) -> Self {
        Self::odata(document, kind)
    }

    fn odata(body: impl Into<Bytes>, kind: &'static str) -> Self {
        let headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::HeaderName::from_static("odata-version"), HeaderValue::from_static(odata::VERSION)),
        ];
        Self { status: StatusCode::OK, body: body.into(), headers }
    }

    /// A write that a system has accepted, and of which it has not said what became of it.
    pub fn accepted() -> Self {
        const TOLD: &[u8] = b"{\"state\":\"accepted\"}";
        Self { status: StatusCode::ACCEPTED, body: Bytes::from_static(TOLD), headers: Vec::new() }
    }

    /// Nothing but a status.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, body: Bytes::new(), headers: Vec::new() }
    }

    /// The public keys of our tokens: for anyone, once its address was charged.
    pub fn keys(_charged: Stranger, document: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: document.into(), headers: Vec::new() }
    }

    /// What a caller may call: for a caller whose own rate was charged.
    pub fn description(_charged: Greeted, document: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: document.into(), headers: Vec::new() }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body; empty for none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Adds a header.
    pub fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// As it goes to the caller.
    pub fn response(self) -> Response<Body> {
        let has_body = !self.body.is_empty();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        if has_body && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

/// A shown record as JSON.
pub fn encoded(shown: &Shown) -> Bytes {
    let mut body = Vec::with_capacity(1024);
    let fields: FieldSet = shown.fields();
    json::write(shown.entity(), shown.record(), Some(&fields), &mut body);
    body.into()
}

/// Where a list goes on.
#[derive(Debug)]
pub struct Next<'a> {
    /// The path of the list.
    pub path: &'a str,
    /// The query as sent, without a cursor.
    pub query: &'a str,
    /// The cursor.
    pub cursor: &'a str,
}

impl Next<'_> {
    fn link(&self) -> String {
        let Self { path, query, cursor } = self;
        if query.is_empty() {
            format!("{path}?cursor={cursor}")
        } else {
            format!("{path}?{query}&cursor={cursor}")
        }
    }
}
