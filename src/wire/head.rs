//! What of a message's head belongs to one connection only (RFC 9110 §7.6.1), and whether an answer's framing
//! can be read in one way only.

use http::{
    HeaderMap, HeaderName,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    response,
};
use smallvec::SmallVec;

/// Whether a field speaks of one connection only, by its own name.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade"
    )
}

/// The fields that `Connection` names; they go with it.
pub fn nominated(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Removes what belongs to one connection only, and what `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads have none of them: one look at the names, no look-ups.
    let named: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if named.contains(&CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
    for name in named {
        headers.remove(name);
    }
}

/// Whether the framing of an answer can be read in one way only.
///
/// # Errors
/// What is wrong, for the operator. The connection it came over must not be used again.
pub(super) fn sound(head: &response::Parts) -> Result<(), &'static str> {
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() || codings.next().is_some() {
        return Err("its length or transfer coding is given twice");
    }
    match (length, coding) {
        (Some(_), Some(_)) => Err("a content length beside a transfer coding"),
        (Some(length), None) if !length.as_bytes().iter().all(u8::is_ascii_digit) || length.is_empty() => {
            Err("its content length is no number")
        }
        (None, Some(coding)) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Err("a transfer coding other than `chunked`")
        }
        (Some(_) | None, None) | (None, Some(_)) => Ok(()),
    }
}

/// Whether a token stands in a comma-separated field (`Connection: keep-alive, Upgrade`).
pub fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut map = headers(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("proxy-connection", "x"),
            ("content-type", "text/plain"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["content-type"]);
    }

    #[test]
    fn framing_that_two_readers_could_read_differently_is_unsound() {
        for (lines, ok) in [
            (&[("content-length", "5")][..], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[], true),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], false),
            (&[("content-length", "5"), ("content-length", "5")], false),
            (&[("content-length", "5, 5")], false),
            (&[("content-length", "+5")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "identity")], false),
        ] {
            let (mut head, ()) = Response::new(()).into_parts();
            for (name, value) in headers(lines).iter() {
                head.headers.append(name, value.clone());
            }
            for (name, value) in lines.iter().skip(1).filter(|(name, _)| *name == lines[0].0) {
                head.headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            assert_eq!(sound(&head).is_ok(), ok, "{lines:?}");
        }
    }
}
