//! HTTP/2 by hand: frames as no library would send them.

use crate::{kit::Demo, tap::Tap};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection.
pub(crate) struct Frames {
    tap: Tap,
}

/// One frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Status(u16),
    Reset(u32),
    GoAway(u32),
    Closed,
}

impl Frames {
    /// Connects and says hello.
    pub(crate) fn open(demo: &Demo) -> Self {
        Self::open_with(demo, &[])
    }

    /// The same, with settings: pairs of a number and a value.
    pub(crate) fn open_with(demo: &Demo, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self { tap: Tap::speaking(demo, b"h2") };
        frames.tap.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let pairs = settings.iter().flat_map(|(id, value)| {
            let (id, value) = (id.to_be_bytes(), value.to_be_bytes());
            [id[0], id[1], value[0], value[1], value[2], value[3]]
        });
        let pairs: Vec<u8> = pairs.collect();
        assert!(frames.send(&[frame(SETTINGS, 0, 0, &pairs)]));
        frames
    }

    /// Sends frames in one write; false when the gate has hung up.
    pub(crate) fn send(&mut self, frames: &[Vec<u8>]) -> bool {
        self.tap.try_send(frames.concat()).is_ok()
    }

    /// Sends the same frames again and again without reading; how often, until the gate hung up or read no more.
    pub(crate) fn flood(&mut self, times: usize, frames: impl Fn(usize) -> Vec<Vec<u8>>) -> usize {
        self.tap.write_patience(std::time::Duration::from_secs(2));
        (0..times).take_while(|n| self.send(&frames(*n))).count()
    }

    /// A request without a body.
    pub(crate) fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) -> Came {
        self.send(&[frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))]);
        self.came(stream)
    }

    /// The next frame; none at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head = self.tap.take(9);
        if head.len() < 9 {
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = self.tap.take(length as usize);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// What a stream came to; answers settings and pings meanwhile.
    pub(crate) fn came(&mut self, stream: u32) -> Came {
        loop {
            let Some(got) = self.next() else { return Came::Closed };
            let code = |at: usize| u32::from_be_bytes(got.payload[at..at + 4].try_into().unwrap());
            match got.kind {
                HEADERS if got.stream == stream => return Came::Status(status(&got.payload)),
                RESET if got.stream == stream => return Came::Reset(code(0)),
                GO_AWAY if code(4) != 0 => return Came::GoAway(code(4)),
                SETTINGS if got.flags & 1 == 0 => {
                    self.send(&[frame(SETTINGS, 1, 0, &[])]);
                }
                PING if got.flags & 1 == 0 => {
                    self.send(&[frame(PING, 1, 0, &got.payload)]);
                }
                _ => {}
            }
        }
    }

    /// Reads until the gate hangs up or says why it will.
    pub(crate) fn end(&mut self) -> Came {
        self.came(u32::MAX)
    }
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as literals that are not indexed.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128 + 128).unwrap());
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend_from_slice(text.as_bytes());
}

/// The status at the beginning of a block: the table's own, or three digits, packed or not.
fn status(block: &[u8]) -> u16 {
    let known = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [indexed @ 0x88..=0x8e, ..] => known[usize::from(indexed - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] if length & 0x80 != 0 => {
            digits(&rest[..usize::from(length & 0x7f)])
        }
        [0x48 | 0x08 | 0x18, _, rest @ ..] => std::str::from_utf8(&rest[..3]).unwrap().parse().unwrap(),
        other => panic!("no status: {other:02x?}"),
    }
}

/// Digits in HPACK's code: five bits for 0 to 2, six for the others.
fn digits(packed: &[u8]) -> u16 {
    let bits: Vec<u16> =
        packed.iter().flat_map(|byte| (0..8).rev().map(move |n| u16::from(byte >> n & 1))).collect();
    let number = |at: usize, count: usize| bits[at..at + count].iter().fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let (digit, count) = match number(at, 5) {
            low @ 0..=2 => (low, 5),
            _ => (number(at, 6) - 0x19 + 3, 6),
        };
        value = value * 10 + digit;
        at += count;
    }
    value
}
