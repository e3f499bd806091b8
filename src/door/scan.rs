//! A second look at the bytes of HTTP/1 heads, for what the HTTP library hides from us.
//!
//! It re-frames `Content-Length` beside `Transfer-Encoding` and drops a repeated length silently; we answer 400
//! instead. The scan follows heads through lengths, chunks and pipelines, and reads chunks as the library does; a
//! body whose end it cannot find is followed by no further request on that connection.

use crate::intake::HeadFault;

/// Longest beginning of a line that is kept: the longest line we judge is `transfer-encoding: chunked`.
const LINE_KEPT: usize = 48;

/// The state of the scan over one connection's bytes.
#[derive(Debug)]
pub(super) struct HeadScan {
    place: Place,
    line: Line,
    /// Whether this is the request line.
    first: bool,
    seen: Framing,
    /// Heads that ended since the connection began.
    heads: u32,
    fault: Option<(u32, HeadFault)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Inside a head, or before one.
    Head,
    /// Inside a body of which so much is to come.
    Body(u64),
    /// Inside a chunked body.
    Chunked(Chunk),
    /// Inside a body whose end is not known here. Whatever follows is refused.
    Lost,
}

/// Where in a chunked body (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// Before the first digit of a size.
    Start,
    /// Inside a size.
    Size(u64),
    /// White space behind a size.
    Blank(u64),
    /// Inside an extension.
    Extension(u64),
    /// Before the line feed of a size's line.
    SizeEnd(u64),
    /// Inside data of which so much is to come.
    Data(u64),
    /// Before the carriage return behind data.
    DataReturn,
    /// Before its line feed.
    DataEnd,
    /// Before a trailer, or the end.
    Last,
    /// Inside a trailer.
    Trailer,
    /// Before its line feed.
    TrailerEnd,
    /// Before the last line feed.
    End,
}

#[derive(Debug)]
struct Line {
    kept: [u8; LINE_KEPT],
    kept_len: usize,
    length: usize,
    carriage_return: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl HeadScan {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Head,
            line: Line::new(),
            first: true,
            seen: Framing::default(),
            heads: 0,
            fault: None,
        }
    }

    /// Whether a head has begun and not ended; also where it is not known.
    pub(super) fn is_in_head(&self) -> bool {
        match self.place {
            Place::Head => !self.first || self.line.length > 0,
            Place::Body(_) | Place::Chunked(_) => false,
            Place::Lost => true,
        }
    }

    /// Whether bytes of a head or body are still to come, as far as known.
    pub(super) fn is_unread(&self) -> bool {
        match self.place {
            Place::Head => !self.first || self.line.length > 0,
            Place::Body(left) => left > 0,
            Place::Chunked(_) | Place::Lost => true,
        }
    }

    /// The first fault found, and in which head (from 0).
    pub(super) fn fault(&self) -> Option<(u32, HeadFault)> {
        self.fault
    }

    /// Looks at what was read.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Lost => return,
                Place::Body(left) => {
                    let left = skipped(&mut bytes, left);
                    self.place = if left == 0 { Place::Head } else { Place::Body(left) };
                }
                Place::Chunked(Chunk::Data(left)) => {
                    let left = skipped(&mut bytes, left);
                    self.place =
                        Place::Chunked(if left == 0 { Chunk::DataReturn } else { Chunk::Data(left) });
                }
                Place::Chunked(chunk) => {
                    let Some((byte, rest)) = bytes.split_first() else { return };
                    bytes = rest;
                    self.place = chunk.after(*byte);
                    if self.place == Place::Lost {
                        // Of the next head: this one's body fails at the library.
                        self.found(HeadFault::BadChunk);
                    }
                }
                Place::Head => {
                    let end = memchr::memchr(b'\n', bytes);
                    let (piece, rest) =
                        bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
                    self.piece(piece);
                    if end.is_none() {
                        return;
                    }
                    self.line_ends();
                    bytes = rest.get(1..).unwrap_or_default();
                }
            }
        }
    }

    fn piece(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        if self.first && memchr::memchr(b'#', piece).is_some() {
            self.found(HeadFault::Fragment);
        }
        if self.line.push(piece) {
            self.found(HeadFault::BareCarriageReturn);
        }
    }

    fn line_ends(&mut self) {
        let line = std::mem::replace(&mut self.line, Line::new());
        if !line.carriage_return {
            self.found(HeadFault::BareLineFeed);
        }
        let text = line.kept();
        match (text.first(), self.first) {
            // Empty lines before a request line are allowed (RFC 9112 §2.2).
            (None, true) => {}
            (None, false) => self.head_ends(),
            (Some(_), true) => self.first = false,
            (Some(b' ' | b'\t'), false) => self.found(HeadFault::Folded),
            (Some(b'c' | b'C' | b't' | b'T'), false) => self.header(text, line.is_cut()),
            (Some(_), false) => {}
        }
    }

    fn header(&mut self, line: &[u8], is_cut: bool) {
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let Some((name, value)) = line.split_at_checked(colon) else { return };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.seen.length.is_some() || self.seen.chunked {
                self.found(HeadFault::TwoLengths);
            }
            if is_cut {
                self.found(HeadFault::PaddedLength);
            }
            // The library refuses what is no number.
            let digits = std::str::from_utf8(value).ok();
            self.seen.length = Some(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.seen.length.is_some() {
                self.found(HeadFault::TwoLengths);
            }
            if self.seen.chunked || value != b"chunked" {
                self.found(HeadFault::OddEncoding);
            }
            self.seen.chunked = true;
        }
    }

    fn head_ends(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        self.first = true;
        self.heads = self.heads.wrapping_add(1);
        self.place = match seen.length {
            _ if seen.chunked => Place::Chunked(Chunk::Start),
            None | Some(0) => Place::Head,
            Some(length) => Place::Body(length),
        };
    }

    fn found(&mut self, fault: HeadFault) {
        self.fault.get_or_insert((self.heads, fault));
    }
}

/// Skips what is at hand of so many bytes; how many are still to come.
fn skipped(bytes: &mut &[u8], left: u64) -> u64 {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = bytes.get(here..).unwrap_or_default();
    left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX))
}

impl Chunk {
    /// The place behind a byte that is no data.
    fn after(self, byte: u8) -> Place {
        let next = match (self, byte) {
            (Self::Start, _) => digit(0, byte),
            (Self::Size(size) | Self::Blank(size), b' ' | b'\t') => Some(Self::Blank(size)),
            (Self::Size(size) | Self::Blank(size), b';') => Some(Self::Extension(size)),
            (Self::Size(size) | Self::Blank(size) | Self::Extension(size), b'\r') => {
                Some(Self::SizeEnd(size))
            }
            (Self::Size(size), _) => digit(size, byte),
            (Self::Extension(size), byte) if byte != b'\n' => Some(Self::Extension(size)),
            (Self::SizeEnd(0), b'\n') | (Self::TrailerEnd, b'\n') => Some(Self::Last),
            (Self::SizeEnd(size), b'\n') => Some(Self::Data(size)),
            (Self::DataReturn, b'\r') => Some(Self::DataEnd),
            (Self::DataEnd, b'\n') => Some(Self::Start),
            (Self::Last, b'\r') => Some(Self::End),
            (Self::Trailer, b'\r') => Some(Self::TrailerEnd),
            (Self::Last | Self::Trailer, _) => Some(Self::Trailer),
            (Self::End, b'\n') => return Place::Head,
            (
                Self::Blank(_)
                | Self::Extension(_)
                | Self::SizeEnd(_)
                | Self::Data(_)
                | Self::DataReturn
                | Self::DataEnd
                | Self::TrailerEnd
                | Self::End,
                _,
            ) => None,
        };
        next.map_or(Place::Lost, Place::Chunked)
    }
}

/// A size with one more hexadecimal digit.
fn digit(size: u64, byte: u8) -> Option<Chunk> {
    let digit = char::from(byte).to_digit(16)?;
    Some(Chunk::Size(size.checked_mul(16)?.checked_add(u64::from(digit))?))
}

impl Line {
    fn new() -> Self {
        Self { kept: [0; LINE_KEPT], kept_len: 0, length: 0, carriage_return: false }
    }

    /// Adds a piece without its line feed; true when a carriage return stands before its end.
    fn push(&mut self, piece: &[u8]) -> bool {
        let inside = self.carriage_return;
        let first = memchr::memchr(b'\r', piece);
        self.carriage_return = first.is_some();
        let room = self.kept.get_mut(self.kept_len..).unwrap_or_default();
        let taken = room.len().min(piece.len());
        for (to, from) in room.iter_mut().zip(piece) {
            *to = *from;
        }
        self.kept_len += taken;
        self.length = self.length.saturating_add(piece.len());
        inside || first.is_some_and(|at| at + 1 != piece.len())
    }

    /// The beginning of the line, without its carriage return.
    fn kept(&self) -> &[u8] {
        let kept = self.kept.get(..self.kept_len).unwrap_or_default();
        match self.is_cut() {
            true => kept,
            false => kept.strip_suffix(b"\r").unwrap_or(kept),
        }
    }

    fn is_cut(&self) -> bool {
        self.length > LINE_KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fault found in the bytes, read whole and byte by byte alike.
    fn fault(bytes: &str) -> Option<(u32, HeadFault)> {
        let mut whole = HeadScan::new();
        whole.read(bytes.as_bytes());
        let mut single = HeadScan::new();
        bytes.bytes().for_each(|byte| single.read(&[byte]));
        assert_eq!(whole.fault(), single.fault(), "{bytes:?}");
        assert_eq!((whole.place, whole.heads), (single.place, single.heads), "{bytes:?}");
        whole.fault()
    }

    #[test]
    fn heads_that_can_be_framed_twice_are_found() {
        let te = "Transfer-Encoding: chunked\r\n";
        for (head, expected) in [
            (format!("Content-Length: 5\r\n{te}"), HeadFault::TwoLengths),
            (format!("{te}content-length: 5\r\n"), HeadFault::TwoLengths),
            ("Content-Length: 5\r\nContent-Length: 5\r\n".into(), HeadFault::TwoLengths),
            (format!("{te}{te}"), HeadFault::OddEncoding),
            ("Transfer-Encoding: , chunked\r\n".into(), HeadFault::OddEncoding),
            ("Transfer-Encoding: Chunked\r\n".into(), HeadFault::OddEncoding),
            ("Content-Length:\r\n 5\r\n".into(), HeadFault::Folded),
            ("X: a\nContent-Length: 5\r\n".into(), HeadFault::BareLineFeed),
            ("X: a\rb\r\n".into(), HeadFault::BareCarriageReturn),
        ] {
            let head = format!("POST /a HTTP/1.1\r\nHost: a\r\n{head}\r\n");
            assert_eq!(fault(&head), Some((0, expected)), "{head:?}");
        }
        assert_eq!(fault("GET /a#b HTTP/1.1\r\n\r\n"), Some((0, HeadFault::Fragment)));
    }

    #[test]
    fn good_heads_are_followed_through_lengths_and_pipelines() {
        let good = "\r\nGET /a HTTP/1.1\r\nHost: a\r\nCookie: c=1\r\n\r\n";
        let post = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n#\n\n\r\r \t";
        assert_eq!(fault(&format!("{good}{post}{good}")), None);
        let bad = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(fault(&format!("{good}{post}{bad}")), Some((2, HeadFault::TwoLengths)));
    }

    #[test]
    fn heads_are_judged_behind_chunks_however_these_are_written() {
        let post = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let bad = "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n";
        for body in [
            "0\r\n\r\n",
            "1\r\n#\r\n0\r\n\r\n",
            "00A\r\n\r\n0\r\n\r\n#\nx\r\n000\r\n\r\n",
            "a;x=\"1\" #\r\n0123456789\r\n2 \t;y\r\n\r\n\r\n0 \r\n\r\n",
            "1\r\na\r\n0\r\nX-Trailer: #\r\nY: b\r\n\r\n",
        ] {
            assert_eq!(fault(&format!("{post}{body}{post}{body}")), None, "{body:?}");
            assert_eq!(fault(&format!("{post}{body}{bad}")), Some((1, HeadFault::Fragment)), "{body:?}");
        }
    }

    #[test]
    fn nothing_is_served_behind_chunks_that_cannot_be_followed() {
        let post = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "\r\n",
            "x\r\n",
            "1\n",
            "1\rx",
            "1 2\r\n",
            "1;a\nb\r\n",
            "1\r\nab",
            "1\r\na\rb",
            "-1\r\n",
            "0x1\r\n",
            "0\r\n\rx",
            "0\r\nA: b\rx",
            "10000000000000000\r\n",
        ] {
            assert_eq!(fault(&format!("{post}{body}")), Some((1, HeadFault::BadChunk)), "{body:?}");
        }
    }

    #[test]
    fn a_length_that_is_pushed_out_of_sight_is_found() {
        let head = format!("POST / HTTP/1.1\r\nContent-Length:{}5\r\n\r\n", " ".repeat(64));
        assert_eq!(fault(&head), Some((0, HeadFault::PaddedLength)));
    }

    #[test]
    fn what_is_unread_is_known() {
        let mut scan = HeadScan::new();
        scan.read(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab");
        assert!(scan.is_unread());
        scan.read(b"c");
        assert!(!scan.is_unread());
        scan.read(b"GET");
        assert!(scan.is_unread());
    }
}
