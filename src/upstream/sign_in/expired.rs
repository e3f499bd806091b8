//! What of a system's answers says that our sign-in is spent: 401 always, and what the file names besides.

use http::{HeaderMap, HeaderName, StatusCode};
use memchr::memmem;
use serde_json::Value;

use super::json::Steps;

/// An answer that the file names.
#[derive(Debug)]
pub(super) struct Expired {
    pub(super) status: Option<StatusCode>,
    pub(super) test: Test,
}

/// What else must be in it.
#[derive(Debug)]
pub(super) enum Test {
    Nothing,
    Header(HeaderName, Box<str>),
    /// At this path of a JSON body. Not asked of a body that is passed through.
    Body(Steps, Box<str>),
}

impl Expired {
    pub(super) fn is(&self, status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> bool {
        self.status.is_none_or(|own| own == status)
            && match &self.test {
                Test::Nothing => true,
                Test::Header(name, text) => {
                    headers.get_all(name).iter().any(|value| value.as_bytes() == text.as_bytes())
                }
                Test::Body(at, text) => body.is_some_and(|body| is_told(at, text, body)),
            }
    }
}

fn is_told(at: &Steps, text: &str, body: &[u8]) -> bool {
    // Most answers are none of these, and some are large: a plain word is looked for before the whole is read.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_plain && memmem::find(body, text.as_bytes()).is_none() {
        return false;
    }
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|document| at.text(&document).is_some_and(|told| told == text))
}
