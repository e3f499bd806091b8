//! The `Date` of answers, made once a second by the monotonic clock: a wall clock set back does not freeze it.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use http::HeaderValue;

use crate::clock;

const FRESH: Duration = Duration::from_millis(500);

thread_local! {
    static LAST: RefCell<Option<(Instant, HeaderValue)>> = const { RefCell::new(None) };
}

/// The value for an answer that leaves now.
pub(super) fn date() -> Option<HeaderValue> {
    let mono = clock::mono();
    LAST.with_borrow_mut(|last| {
        if let Some((made, value)) = last
            && mono.saturating_duration_since(*made) < FRESH
        {
            return Some(value.clone());
        }
        let text = clock::now().wall.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let value = HeaderValue::from_str(&text).ok()?;
        *last = Some((mono, value.clone()));
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_is_an_http_date_in_gmt() {
        let date = super::date().unwrap();
        let text = date.to_str().unwrap();
        assert_eq!(text.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{text}");
        assert!(text.ends_with(" GMT"));
    }
}
