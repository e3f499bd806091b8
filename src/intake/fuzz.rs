//! What strangers send, as plain functions over bytes: they must never panic, and what they accept must hold.

use http::{HeaderName, HeaderValue, Request, Version};

use super::{AllowedHosts, HeadBounds, NormalPath, head};

/// Any bytes as a path: an accepted one is in normal form, and normalising it again changes nothing.
///
/// # Panics
/// When the promise does not hold.
pub fn fuzz_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = NormalPath::parse(text, 4096) else { return };
    let normal = path.as_str();
    assert!(normal.starts_with('/') && normal.is_ascii() && normal.len() <= text.len(), "{text:?}");
    assert!(!normal.contains(['\\', ';', '#', '?']) && !normal.contains("//"), "{text:?}");
    assert!(normal.split('/').all(|segment| !matches!(segment, "." | "..")), "{text:?}");
    assert_eq!(NormalPath::parse(normal, 4096).as_ref(), Ok(&path), "{text:?}");
}

/// Any bytes as a head in the manner of HTTP/1: an accepted one has one host and a normal path.
///
/// # Panics
/// When the promise does not hold.
pub fn fuzz_head(bytes: &[u8]) {
    let Some(parts) = request(bytes).map(|request| request.into_parts().0) else { return };
    let Ok(head) = head(parts, &AllowedHosts::any(), &HeadBounds::default()) else { return };
    assert!(head.path.as_str().starts_with('/'));
    assert!(!head.host.name().is_empty() && !head.host.name().contains(['@', '/', ',']));
    assert!(head.headers.keys().all(|name| !name.as_str().contains(['_', '.'])));
    assert!(head.headers.get_all("authorization").iter().count() <= 1);
    fuzz_path(head.path.as_str().as_bytes());
}

/// A lax reading, so that more odd heads reach the strict one.
fn request(bytes: &[u8]) -> Option<Request<()>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(3, |byte| *byte == b' ');
    let mut request = Request::builder().method(first.next()?).uri(first.next()?);
    request = request.version(match first.next() {
        Some(b"HTTP/1.0") => Version::HTTP_10,
        Some(b"HTTP/2") => Version::HTTP_2,
        _ => Version::HTTP_11,
    });
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        request = request
            .header(name, HeaderValue::from_bytes(value.trim_ascii_start().get(1..)?.trim_ascii()).ok()?);
    }
    request.body(()).ok()
}
