//! A refusal as a problem document (RFC 9457), written without a tree in between.

use http::StatusCode;

use super::Refusal;
use crate::{schema::json, words::RequestId};

impl Refusal {
    /// The problem document.
    pub fn problem(&self, status: StatusCode, request: RequestId) -> Vec<u8> {
        let (kind, title, detail) = self.told();
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"type\":\"https://bramka.example/problems/");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        json::text(title, &mut out);
        out.extend_from_slice(b",\"status\":");
        out.extend_from_slice(status.as_str().as_bytes());
        if let Some(detail) = detail {
            out.extend_from_slice(b",\"detail\":");
            json::text(&detail, &mut out);
        }
        if let Self::Existing { id, .. } = self {
            out.extend_from_slice(b",\"existing\":");
            json::text(id, &mut out);
        }
        self.errors(&mut out);
        out.extend_from_slice(b",\"request_id\":\"");
        out.extend_from_slice(request.to_string().as_bytes());
        out.extend_from_slice(b"\"}");
        out
    }

    /// The list of faults, with their places in what was sent.
    fn errors(&self, out: &mut Vec<u8>) {
        let mut list = Errors { out, any: false };
        for (place, at, message) in self.faults() {
            list.push(place, at, message);
        }
        list.end();
    }
}

struct Errors<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl Errors<'_> {
    fn push(&mut self, place: &str, at: &str, message: &str) {
        self.out.extend_from_slice(if self.any { b",{\"" } else { b",\"errors\":[{\"" });
        self.any = true;
        self.out.extend_from_slice(place.as_bytes());
        self.out.extend_from_slice(b"\":");
        json::text(at, self.out);
        self.out.extend_from_slice(b",\"detail\":");
        json::text(message, self.out);
        self.out.push(b'}');
    }

    fn end(self) {
        if self.any {
            self.out.push(b']');
        }
    }
}
