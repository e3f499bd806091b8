//! Characters, names and references of XML 1.0 (fifth edition), and the text between marks.
//!
//! Nothing is expanded but the five predefined entities and character references, so no text is ever longer than
//! the bytes it stands in.

use std::borrow::Cow;

/// Longest name with its prefix, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// Longest reference with `&` and `;`, in bytes.
const REFERENCE_BYTES_MAX: usize = 16;

/// Where a text stands; line ends are read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Place {
    /// Between an element's tags.
    Content,
    /// Between an attribute's quotes.
    Attribute,
}

/// Whether XML 1.0 can hold a character (production 2).
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Whether XML 1.0 can hold every character of a text.
pub(in crate::mapping) fn holds(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, 0..=8 | 0xb | 0xc | 0xe..=0x1f | 0xef))
        || text.chars().all(is_char)
}

/// Where the first character stands that XML 1.0 cannot hold; of those that are no characters before those that are.
pub(super) fn unheld(text: &str) -> Option<usize> {
    let is_control = |byte: &u8| *byte < b' ' && !is_space(*byte);
    // Whole chunks are looked at without a branch, which compilers turn into wide instructions.
    let any = text.as_bytes().chunks(64).any(|chunk| chunk.iter().fold(false, |any, b| any | is_control(b)));
    let control = if any { text.bytes().position(|byte| is_control(&byte)) } else { None };
    control.or_else(|| {
        memchr::memchr(0xef, text.as_bytes())?;
        text.find(['\u{fffe}', '\u{ffff}'])
    })
}

/// White space between marks (production 3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a text is nothing but white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// A name as its prefix (empty for none) and its local part; `None` when it is none (Namespaces in XML 1.0).
pub(super) fn qualified(name: &str) -> Option<(&str, &str)> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    match parts(name) {
        (Some(prefix), local) => (is_name(prefix) && is_name(local)).then_some((prefix, local)),
        (None, local) => is_name(local).then_some(("", local)),
    }
}

/// A name up to its first colon, where it has one, and behind it.
pub(super) fn parts(name: &str) -> (Option<&str>, &str) {
    // Names are short: a search that looks at more bytes at once begins later than this ends.
    let colon = name.bytes().position(|byte| byte == b':');
    match colon.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?))) {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    }
}

/// A name without a colon.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if let [first, rest @ ..] = name.as_bytes()
        && (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(plain)
    {
        return true;
    }
    let mut chars = name.chars();
    chars.next().is_some_and(starts_name) && chars.all(|c| starts_name(c) || continues_name(c))
}

/// Production 4, the colon aside.
fn starts_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_')
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Production 4a, without what also begins a name.
fn continues_name(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The character that a reference at the start of a text stands for, and the reference's length.
pub(super) fn reference(text: &str) -> Option<(char, usize)> {
    let head = text.as_bytes().get(..text.len().min(REFERENCE_BYTES_MAX))?;
    let end = memchr::memchr(b';', head)?;
    let name = text.get(1..end)?;
    let digits = |digits: &str, radix| {
        // `from_str_radix` takes a sign, which is no digit here.
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, radix).ok().filter(|_| plain)?;
        char::from_u32(code).filter(|c| is_char(*c))
    };
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        name => match name.strip_prefix("#x") {
            Some(hex) => digits(hex, 16)?,
            None => digits(name.strip_prefix('#')?, 10)?,
        },
    };
    Some((c, end + 1))
}

/// The text of what stood between marks: references and CDATA sections are text, comments and instructions are
/// nothing. `None` where it is none, which the reader has refused by then.
pub(in crate::mapping) fn decode(text: &str, place: Place) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| stops(byte, place)) {
        let (plain, mark) = rest.split_at_checked(at)?;
        out.push_str(plain);
        rest = match mark.as_bytes().first()? {
            b'&' => {
                let (c, length) = reference(mark)?;
                out.push(c);
                mark.get(length..)?
            }
            b'<' => markup(mark, &mut out)?,
            b'\r' => line_end(mark, place, &mut out)?,
            _ => {
                out.push(' ');
                mark.get(1..)?
            }
        };
    }
    out.push_str(rest);
    Some(out)
}

fn stops(byte: u8, place: Place) -> bool {
    match place {
        Place::Content => matches!(byte, b'&' | b'<' | b'\r'),
        Place::Attribute => matches!(byte, b'&' | b'<' | b'\r' | b'\n' | b'\t'),
    }
}

/// A CDATA section, comment or instruction inside a text; the rest behind it.
fn markup<'t>(mark: &'t str, out: &mut String) -> Option<&'t str> {
    if let Some(section) = mark.strip_prefix("<![CDATA[") {
        let (text, rest) = section.split_once("]]>")?;
        let mut text = text;
        while let Some((line, end)) = text.split_once('\r') {
            out.push_str(line);
            out.push('\n');
            text = end.strip_prefix('\n').unwrap_or(end);
        }
        out.push_str(text);
        return Some(rest);
    }
    match mark.strip_prefix("<!--") {
        Some(comment) => comment.split_once("-->").map(|(_, rest)| rest),
        None => mark.strip_prefix("<?")?.split_once("?>").map(|(_, rest)| rest),
    }
}

/// A line end of whatever kind is one `\n`; in an attribute one space.
fn line_end<'t>(mark: &'t str, place: Place, out: &mut String) -> Option<&'t str> {
    out.push(match place {
        Place::Content => '\n',
        Place::Attribute => ' ',
    });
    let rest = mark.get(1..)?;
    Some(rest.strip_prefix('\n').unwrap_or(rest))
}

/// Writes text so that it reads back as itself. What XML cannot hold is refused before it comes here; a space
/// stands for it all the same, so that what is written is always well-formed.
pub(super) fn escape(text: &str, place: Place, out: &mut Vec<u8>) {
    let text = match holds(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(|c| if is_char(c) { c } else { ' ' }).collect()),
    };
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let spelt: &[u8] = match (byte, place) {
            (b'&', _) => b"&amp;",
            (b'<', _) => b"&lt;",
            (b'>', _) => b"&gt;",
            (b'\r', _) => b"&#13;",
            (b'"', Place::Attribute) => b"&quot;",
            (b'\n', Place::Attribute) => b"&#10;",
            (b'\t', Place::Attribute) => b"&#9;",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        out.extend_from_slice(spelt);
        from = at + 1;
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_xml_cannot_hold_is_found_wherever_it_stands(
            before in "[a-z\\n\\t ąż\u{fffd}]{0,80}",
            odd in "[\\x00\\x08\\x0b\\x1f\u{fffe}\u{ffff}a\u{fffd}]",
            after in "[a-zą]{0,80}",
        ) {
            let text = format!("{before}{odd}{after}");
            let found = text.char_indices().find(|(_, c)| !is_char(*c)).map(|(at, _)| at);
            prop_assert_eq!(unheld(&text), found);
        }

        #[test]
        fn a_name_is_one_whether_or_not_it_is_plain(name in "[a-c_.0-2:ąż\\- ]{0,6}") {
            let mut chars = name.chars();
            let is_one = chars.next().is_some_and(starts_name) && chars.all(|c| starts_name(c) || continues_name(c));
            prop_assert_eq!(is_name(&name), is_one);
            let (prefix, local) = name.split_once(':').map_or((None, &*name), |(a, b)| (Some(a), b));
            prop_assert_eq!(parts(&name), (prefix, local));
        }
    }
}
