//! What HTTP/2 refuses by itself. The library answers a head that is too large, and resets a stream that is not
//! well formed, without telling anybody; but what it answers passes here on its way out, and is told.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::observer::{Observer, Refusal};
use crate::words::Channel;

/// Length of a frame's head (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// How much of a payload is kept: the code of a reset, or a block that holds a status and nothing else.
const PAYLOAD_KEPT: usize = 8;
/// LIMIT: streams whose answers are under way and are told from others. Of those that a caller reset nothing more
/// is sent, so the oldest ones go.
const ANSWERING_MAX: usize = 512;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const END_STREAM: u8 = 1;

/// Codes of a reset that refuse nothing: no error, and the caller's own going away.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;

/// The frames that go out on one connection.
#[derive(Debug, Default)]
pub(super) struct FrameScan {
    head: [u8; HEAD_BYTES],
    head_read: usize,
    payload: [u8; PAYLOAD_KEPT],
    payload_read: usize,
    payload_left: usize,
    /// Streams whose answer has begun and not ended.
    answering: Vec<u32>,
    /// The last stream whose head was answered as too large; its reset is no second refusal.
    too_large: u32,
}

impl FrameScan {
    /// Looks at bytes that were sent, in whatever pieces; `refused` hears of each refusal in them.
    pub(super) fn sent(&mut self, mut bytes: &[u8], mut refused: impl FnMut(Refusal)) {
        while !bytes.is_empty() {
            if let Some(place) = self.head.get_mut(self.head_read..).filter(|place| !place.is_empty()) {
                let count = place.len().min(bytes.len());
                let (here, rest) = bytes.split_at(count);
                place.iter_mut().zip(here).for_each(|(place, byte)| *place = *byte);
                self.head_read += count;
                bytes = rest;
                if self.head_read < HEAD_BYTES {
                    return;
                }
                let [high, middle, low, ..] = self.head;
                self.payload_left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.payload_read = 0;
            }
            let (here, rest) = bytes.split_at(self.payload_left.min(bytes.len()));
            let kept = self.payload.iter_mut().skip(self.payload_read);
            kept.zip(here).for_each(|(place, byte)| *place = *byte);
            self.payload_read += here.len();
            self.payload_left -= here.len();
            bytes = rest;
            if self.payload_left == 0 {
                self.head_read = 0;
                if let Some(refusal) = self.frame() {
                    refused(refusal);
                }
            }
        }
    }

    /// A frame is whole.
    fn frame(&mut self) -> Option<Refusal> {
        let [_, _, _, kind, flags, stream @ ..] = self.head;
        let (stream, ends) = (u32::from_be_bytes(stream), flags & END_STREAM != 0);
        match kind {
            DATA if ends => {
                self.ended(stream);
                None
            }
            HEADERS if !ends => {
                self.begun(stream);
                None
            }
            HEADERS => self.whole_answer(stream),
            RESET => self.reset(stream),
            _ => None,
        }
    }

    fn begun(&mut self, stream: u32) {
        if self.answering.contains(&stream) {
            return;
        }
        if self.answering.len() >= ANSWERING_MAX {
            self.answering.remove(0);
        }
        self.answering.push(stream);
    }

    /// Whether an answer was under way.
    fn ended(&mut self, stream: u32) -> bool {
        let place = self.answering.iter().position(|one| *one == stream);
        place.map(|place| self.answering.remove(place)).is_some()
    }

    /// Trailers, or an answer without a body. Ours have a date at least: a status alone is the library's word.
    fn whole_answer(&mut self, stream: u32) -> Option<Refusal> {
        let is_trailers = self.ended(stream);
        let block = self.payload.get(..self.payload_read)?;
        if is_trailers || !is_one_field(block) {
            return None;
        }
        self.too_large = stream;
        Some(Refusal::HeadTooLarge)
    }

    fn reset(&mut self, stream: u32) -> Option<Refusal> {
        let was_answering = self.ended(stream);
        let code = u32::from_be_bytes(*self.payload.first_chunk()?);
        let refuses = match code {
            NO_ERROR | CANCEL => false,
            // Of an answer under way: it broke on our side, and its exchange says so.
            INTERNAL_ERROR => !was_answering,
            _ => stream != self.too_large,
        };
        refuses.then_some(Refusal::BadFrames)
    }
}

/// Whether a block of fields holds one field, with a name of HPACK's tables (RFC 7541 §6).
fn is_one_field(block: &[u8]) -> bool {
    let mut rest = block;
    // Changes of the table's size come before the first field.
    while let Some(first) = rest.first().filter(|first| **first & 0xe0 == 0x20) {
        let Some(after) = past_number(rest, *first & 0x1f == 0x1f) else { return false };
        rest = after;
    }
    let Some(first) = rest.first().copied() else { return false };
    if first & 0x80 != 0 {
        return past_number(rest, first & 0x7f == 0x7f).is_some_and(<[u8]>::is_empty);
    }
    let index_max = if first & 0x40 != 0 { 0x3f } else { 0x0f };
    let value = past_number(rest, first & index_max == index_max).filter(|_| first & index_max != 0);
    match value.and_then(<[u8]>::split_first) {
        Some((length, text)) => usize::from(length & 0x7f) == text.len(),
        None => false,
    }
}

/// What follows a number that begins in the first byte, and goes on in the next ones where its prefix is full.
fn past_number(bytes: &[u8], is_long: bool) -> Option<&[u8]> {
    let mut rest = bytes.get(1..)?;
    let mut goes_on = is_long;
    while goes_on {
        let (byte, after) = rest.split_first()?;
        goes_on = byte & 0x80 != 0;
        rest = after;
    }
    Some(rest)
}

/// A connection's stream whose outgoing frames are looked at.
pub(super) struct Overheard<S> {
    stream: S,
    scan: FrameScan,
    channel: Arc<Channel>,
    observer: Arc<dyn Observer>,
}

impl<S> Overheard<S> {
    pub(super) fn new(stream: S, channel: Arc<Channel>, observer: Arc<dyn Observer>) -> Self {
        Self { stream, scan: FrameScan::default(), channel, observer }
    }

    fn note(&mut self, bytes: &[u8]) {
        let (channel, observer) = (&self.channel, &self.observer);
        self.scan.sent(bytes, |refusal| observer.refused_by_protocol(channel, refusal));
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.note(bytes.get(..count).unwrap_or_default());
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        if let Poll::Ready(Ok(mut left)) = written {
            for part in bytes {
                let here = part.get(..left.min(part.len())).unwrap_or_default();
                self.note(here);
                left -= here.len();
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![high, middle, low, kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn told(bytes: &[u8], piece: usize) -> Vec<Refusal> {
        let (mut scan, mut told) = (FrameScan::default(), Vec::new());
        bytes.chunks(piece).for_each(|bytes| scan.sent(bytes, |refusal| told.push(refusal)));
        told
    }

    /// `:status: 431` as it is sent first, and by the table of what was sent before.
    const FIRST: &[u8] = &[0x48, 0x83, 0x68, 0x19, 0x7f];
    const AGAIN: &[u8] = &[0xbe];

    #[test]
    fn what_the_library_refuses_is_told_once_however_it_is_cut() {
        let bytes = [
            frame(4, 0, 0, &[0; 12]),
            frame(HEADERS, 5, 1, FIRST),
            frame(RESET, 0, 1, &[0, 0, 0, 1]),
            frame(HEADERS, 5, 3, AGAIN),
            frame(HEADERS, 5, 5, &[0x3f, 0xe1, 0x1f, 0xff, 0x00]),
            frame(RESET, 0, 7, &[0, 0, 0, 1]),
            frame(RESET, 0, 9, &[0, 0, 0, 7]),
            frame(RESET, 0, 11, &[0, 0, 0, 2]),
        ]
        .concat();
        let (large, bad) = (Refusal::HeadTooLarge, Refusal::BadFrames);
        for piece in [1, 2, 7, 9, 10, 1000] {
            assert_eq!(told(&bytes, piece), [large, large, large, bad, bad, bad], "{piece}");
        }
    }

    #[test]
    fn what_is_answered_or_given_up_is_no_refusal() {
        let bytes = [
            // A head with a status and a date; a body; trailers of one field.
            frame(HEADERS, 4, 1, &[0x88, 0xbe]),
            frame(DATA, 0, 1, &[0; 70_000]),
            frame(HEADERS, 5, 1, AGAIN),
            // `100 Continue`, then an answer without a body.
            frame(HEADERS, 4, 3, &[0x48, 0x82, 0x08, 0x01]),
            frame(HEADERS, 5, 3, &[0xbe, 0xbf]),
            frame(HEADERS, 5, 5, &[0x89, 0x61, 0x96, 1, 2, 3, 4, 5, 6, 7, 8]),
            frame(HEADERS, 4, 7, &[0x88, 0xbe]),
            frame(RESET, 0, 7, &[0, 0, 0, 2]),
            frame(RESET, 0, 5, &[0, 0, 0, 0]),
            frame(RESET, 0, 9, &[0, 0, 0, 8]),
            frame(DATA, 1, 11, &[]),
        ]
        .concat();
        for piece in [1, 3, 1000] {
            assert_eq!(told(&bytes, piece), []);
        }
    }

    #[test]
    fn what_callers_reset_is_forgotten_in_time() {
        let mut scan = FrameScan::default();
        for stream in 0..10_000 {
            scan.sent(&frame(HEADERS, 4, stream, &[0x88, 0xbe]), |_| panic!("nothing is refused"));
        }
        assert_eq!(scan.answering.len(), ANSWERING_MAX);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_scan_panic(bytes: Vec<u8>, piece in 1_usize..20) {
            told(&bytes, piece);
            is_one_field(&bytes);
        }
    }
}
