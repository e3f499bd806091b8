//! Writing the JSON of an entry: printable ASCII only, so that no field of it can move a terminal's cursor,
//! break a line or turn the direction of writing.

use std::{fmt::Display, io::Write, net::IpAddr};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// LIMIT: longest text a field takes, in characters; the rest is cut and marked with `~`.
pub(super) const TEXT_CHARS_MAX: usize = 256;

/// `,"name":` — every field of a leaf but the first.
pub(super) fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// `,"name":"text"`
pub(super) fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    quoted(out, value);
}

/// `,"name":123`
pub(super) fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    digits(out, value);
}

/// `,"name":"0a1b…"`
pub(super) fn hex_text(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    key(out, name);
    quoted_hex(out, bytes);
}

/// `,"name":["a","b"]`
pub(super) fn texts<'a>(out: &mut Vec<u8>, name: &str, values: impl IntoIterator<Item = &'a str>) {
    key(out, name);
    array(out, values, quoted);
}

/// `[…]` with a comma between items.
pub(super) fn array<T>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (position, value) in values.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        each(out, value);
    }
    out.push(b']');
}

/// `"text"`, escaped to printable ASCII and cut at [`TEXT_CHARS_MAX`].
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.len() <= TEXT_CHARS_MAX && text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for (count, char) in text.chars().enumerate() {
            if count == TEXT_CHARS_MAX {
                out.push(b'~');
                break;
            }
            escaped(out, char);
        }
    }
    out.push(b'"');
}

/// `"0a1b…"`
pub(super) fn quoted_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    hex(out, bytes);
    out.push(b'"');
}

/// `0a1b…`
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(32) {
        let mut digits = [0; 64];
        for (byte, pair) in chunk.iter().zip(digits.as_chunks_mut::<2>().0) {
            *pair = [hex_digit(byte >> 4), hex_digit(*byte)];
        }
        out.extend_from_slice(digits.get(..2 * chunk.len()).unwrap_or_default());
    }
}

/// The digit of the low four bits.
fn hex_digit(bits: u8) -> u8 {
    let bits = bits & 15;
    if bits < 10 { b'0' + bits } else { b'a' + bits - 10 }
}

/// Sixteen hex digits in the place given; a place of another size is filled as far as it goes.
pub(super) fn hex_into(place: &mut [u8], mut value: u64) {
    for slot in place.iter_mut().rev() {
        *slot = hex_digit((value & 15) as u8);
        value >>= 4;
    }
}

/// `123`
pub(super) fn digits(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
        count += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - count..).unwrap_or_default());
}

/// An address, in quotes.
pub(super) fn address(out: &mut Vec<u8>, address: IpAddr) {
    out.push(b'"');
    // Writing into memory does not fail.
    let written = write!(out, "{address}");
    debug_assert!(written.is_ok());
    out.push(b'"');
}

/// A moment to the microsecond, in quotes.
pub(super) fn moment(out: &mut Vec<u8>, moment: Timestamp) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    out.push(b'"');
    // A timestamp always prints into memory.
    let printed = PRINTER.print_timestamp(&moment, &mut *out);
    debug_assert!(printed.is_ok());
    out.push(b'"');
}

/// Whatever it prints, in quotes and escaped.
pub(super) fn quoted_display(out: &mut Vec<u8>, value: impl Display) {
    quoted(out, &value.to_string());
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escaped(out: &mut Vec<u8>, char: char) {
    if let Ok(byte) = u8::try_from(char)
        && is_plain(byte)
    {
        return out.push(byte);
    }
    for unit in char.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        hex(out, &unit.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        quoted(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_moves_a_terminal_gets_through_and_every_text_comes_back() {
        for text in
            ["plain", "a\"b\\c", "\u{1b}[2J", "\r\n", "\u{2028}\u{202e}", "żółw", "😀", "\u{85}\u{7f}\u{0}"]
        {
            let out = written(text);
            assert!(out.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{out}");
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let out = written(&"é".repeat(1_000));
        let back: String = serde_json::from_str(&out).unwrap();
        assert_eq!(back, format!("{}~", "é".repeat(TEXT_CHARS_MAX)));
    }

    #[test]
    fn numbers_and_hex_are_spelled_as_everywhere() {
        for value in [0, 7, 10, 99, 1_000, u64::MAX] {
            let mut out = Vec::new();
            digits(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
        let bytes: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        hex(&mut out, &bytes);
        assert_eq!(String::from_utf8(out).unwrap(), data_encoding::HEXLOWER.encode(&bytes));
    }

    #[test]
    fn moments_have_one_width() {
        let mut out = Vec::new();
        moment(&mut out, Timestamp::from_second(1_800_000_000).unwrap());
        assert_eq!(out, b"\"2027-01-15T08:00:00.000000Z\"");
    }
}
