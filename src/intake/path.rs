//! The one normal form of a path: judged in this form, sent in this form.
//!
//! Unreserved characters stand decoded, other encoded bytes with upper-case hex. What two readers could read
//! differently is refused rather than repaired: encoded slashes, backslashes, control bytes, path parameters,
//! dot and empty segments in any spelling, a second layer of percent encoding, bytes that are not UTF-8.

use std::fmt;

use compact_str::CompactString;

/// A path in normal form. It begins with `/`, is ASCII, and reads the same to every reader; normalising it
/// again changes nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NormalPath(CompactString);

/// Why a path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// `*`, or anything else that does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A bound passed.
    #[error("the path is longer than the listener takes")]
    TooLong,
    /// A byte that must not stand in a path as it is.
    #[error("the path holds a character that must be percent-encoded")]
    RawByte,
    /// `%` without two hex digits.
    #[error("the path holds `%` without two hex digits")]
    BadPercent,
    /// `%2F`, `%5C`, `%3B`, `%00` and other control bytes.
    #[error("the path holds an encoded delimiter or control character")]
    EncodedDelimiter,
    /// `;` parameters.
    #[error("the path holds `;`")]
    Parameter,
    /// `.` or `..`, encoded or not.
    #[error("the path holds a `.` or `..` segment")]
    DotSegment,
    /// `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// `%252F` and the like.
    #[error("the path is percent-encoded twice")]
    DoubleEncoding,
    /// Encoded bytes that are not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

impl NormalPath {
    /// The normal form of a path as it came.
    ///
    /// # Errors
    /// Where two readers could disagree about it.
    pub fn parse(raw: &str, bytes_max: usize) -> Result<Self, PathFault> {
        if !raw.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        if raw.len() > bytes_max {
            return Err(PathFault::TooLong);
        }
        let normal = match raw.as_bytes().iter().all(|byte| plain(*byte)) {
            true => CompactString::new(raw),
            false => decoded(raw.as_bytes())?,
        };
        check_segments(&normal)?;
        Ok(Self(normal))
    }

    /// The path, beginning with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NormalPath({:?})", &*self.0)
    }
}

/// RFC 3986 unreserved.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a path undecoded: `pchar` without `%` and `;`, and the slash.
fn plain(byte: u8) -> bool {
    unreserved(byte)
        || matches!(
            byte,
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'='
        )
}

fn decoded(raw: &[u8]) -> Result<CompactString, PathFault> {
    let mut out = CompactString::with_capacity(raw.len());
    // The bytes the path stands for; only to ask whether they are UTF-8.
    let mut meant = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let byte = hex(rest.next()).zip(hex(rest.next())).map(|(high, low)| high << 4 | low);
            let byte = byte.ok_or(PathFault::BadPercent)?;
            push_encoded(byte, &mut out)?;
            meant.push(byte);
        } else if plain(byte) {
            out.push(char::from(byte));
            meant.push(byte);
        } else if byte == b';' {
            return Err(PathFault::Parameter);
        } else {
            return Err(PathFault::RawByte);
        }
    }
    if std::str::from_utf8(&meant).is_err() {
        return Err(PathFault::NotUtf8);
    }
    // ORDER: asked of the result, because the second layer may itself be encoded (`%25%32f`).
    if encoded_twice(out.as_bytes()) {
        return Err(PathFault::DoubleEncoding);
    }
    Ok(out)
}

fn push_encoded(byte: u8, out: &mut CompactString) -> Result<(), PathFault> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'/' | b'\\' | b';' | 0..=0x1f | 0x7f => return Err(PathFault::EncodedDelimiter),
        byte if unreserved(byte) => out.push(char::from(byte)),
        byte => {
            let digit = |n: u8| char::from(HEX.get(usize::from(n)).copied().unwrap_or(b'0'));
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    Ok(())
}

fn encoded_twice(normal: &[u8]) -> bool {
    normal.windows(5).any(|five| match five {
        [b'%', b'2', b'5', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

fn check_segments(normal: &str) -> Result<(), PathFault> {
    let mut segments = normal.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return Err(PathFault::DotSegment),
            "" if segments.peek().is_some() => return Err(PathFault::EmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// The value of a hex digit.
pub(super) fn hex(digit: Option<u8>) -> Option<u8> {
    match digit? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
