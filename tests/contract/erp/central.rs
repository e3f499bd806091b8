//! The demo's Business Central, with what the contract needs besides: somebody else who changes an order just before
//! the next change of it arrives.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bramka::demo::{
    seed,
    standin::{Answers, Ask},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};

use crate::said::nothing;

/// What the client below gets for its secret.
pub(super) const TOKEN: &str = "YmM6Y29udHJhY3Qtc2VjcmV0OmFjY2Vzcw==";

struct Raced {
    system: Arc<dyn Answers>,
    races: AtomicBool,
}

pub(super) fn business_central() -> Arc<dyn Answers> {
    Arc::new(Raced { system: seed::erp("bc", "contract-secret"), races: AtomicBool::new(false) })
}

impl Answers for Raced {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.path == "/-/race" {
            self.races.store(true, Ordering::Relaxed);
            return nothing(204);
        }
        if ask.method == Method::PATCH && self.races.swap(false, Ordering::Relaxed) {
            let mut headers = ask.headers.clone();
            headers.insert("if-match", HeaderValue::from_static("*"));
            let body = if ask.path.contains("Lines(") {
                r#"{"description2":"x"}"#
            } else {
                r#"{"salesperson":"XX"}"#
            };
            let other = Ask {
                method: Method::PATCH,
                path: ask.path.clone(),
                query: String::new(),
                headers,
                body: Bytes::from_static(body.as_bytes()),
            };
            assert_eq!(self.system.answer(&other).status(), 200);
        }
        self.system.answer(ask)
    }
}
