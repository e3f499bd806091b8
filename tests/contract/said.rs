//! Answers of stand-ins, and switches that a test sets on any of them.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Response, header};
use parking_lot::Mutex;
use serde_json::Value;

/// An answer in JSON.
pub(crate) fn said(status: u16, body: &Value) -> Response<Bytes> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    response.body(body.to_string().into()).unwrap()
}

/// An answer without a body.
pub(crate) fn nothing(status: u16) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::new()).unwrap()
}

/// What a system answers when a credential is spent, and when it is asked too much.
#[derive(Clone, Copy)]
pub(crate) struct Refusals {
    pub(crate) spent: fn() -> Response<Bytes>,
    pub(crate) limited: fn() -> Response<Bytes>,
}

/// A stand-in with switches. A test turns them by `POST /-/NAME`: `spend` ends the credential that was used last,
/// `limit` and `free` say whether it is asked too much.
pub(crate) struct Switched {
    system: Arc<dyn Answers>,
    refusals: Refusals,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<String>,
    spent: Vec<String>,
    limited: bool,
}

impl Switched {
    pub(crate) fn over(system: Arc<dyn Answers>, refusals: Refusals) -> Arc<dyn Answers> {
        Arc::new(Self { system, refusals, state: Mutex::default() })
    }
}

impl Answers for Switched {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.state.lock();
        match ask.path.strip_prefix("/-/") {
            Some("spend") => {
                let last = state.last.clone();
                state.spent.extend(last);
                return nothing(204);
            }
            Some("limit") => {
                state.limited = true;
                return nothing(204);
            }
            Some("free") => {
                state.limited = false;
                return nothing(204);
            }
            Some(_) | None => {}
        }
        // A token is asked for by another credential.
        let credential = ask.header("authorization").filter(|text| text.starts_with("Bearer "));
        if let Some(credential) = credential {
            if state.spent.iter().any(|spent| spent == credential) {
                return (self.refusals.spent)();
            }
            if state.limited {
                return (self.refusals.limited)();
            }
            state.last = Some(credential.to_owned());
        }
        drop(state);
        self.system.answer(ask)
    }
}
