//! Text that a system keeps as HTML: tags out and entities decoded on the way in, escaped on the way out.
//!
//! Plain text written out reads back as itself once it is [`tidy`]. Linear in the text; nothing is ever executed,
//! and what is no tag or entity stays as it stands.

/// The named entities for U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn \
    sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde \
    Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde \
    Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
    egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave \
    uacute ucirc uuml yacute thorn yuml";

/// Named entities beyond those that systems write into texts.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("hellip", '…'),
    ("bull", '•'),
    ("dagger", '†'),
    ("permil", '‰'),
    ("prime", '′'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("euro", '€'),
    ("trade", '™'),
    ("minus", '−'),
    ("le", '≤'),
    ("ge", '≥'),
    ("ne", '≠'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
];

/// Longest entity, between `&` and `;`.
const ENTITY_MAX: usize = 10;

/// Tags that end a line.
const BREAKS: &[&str] = &[
    "br",
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "hr",
    "dt",
    "dd",
    "pre",
];

/// The plain text of some HTML, tidied.
pub(super) fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.extend(rest.get(..at).unwrap_or_default().chars().map(one_line));
        let marked = rest.get(at..).unwrap_or_default();
        rest = match tag(marked).or_else(|| entity(marked)) {
            Some((text, after)) => {
                out.extend(text);
                after
            }
            None => {
                out.extend(marked.chars().next());
                marked.get(1..).unwrap_or_default()
            }
        };
    }
    out.extend(rest.chars().map(one_line));
    tidy(&out)
}

/// A line's end in HTML is a blank.
fn one_line(c: char) -> char {
    if c.is_whitespace() { ' ' } else { c }
}

/// HTML that reads as some plain text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push_str("<br>"),
            c => out.push(c),
        }
    }
    out
}

/// Text as HTML can keep it: one blank between words, no empty lines, nothing around lines.
pub(super) fn tidy(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A tag or a comment at the start: what it stands for, and what follows.
fn tag(text: &str) -> Option<(Option<char>, &str)> {
    let inside = text.strip_prefix('<')?;
    if let Some(comment) = inside.strip_prefix("!--") {
        return Some((None, comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    let (closes, named) = inside.strip_prefix('/').map_or((false, inside), |named| (true, named));
    let length = named.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(named.len());
    let name = named.get(..length)?.to_ascii_lowercase();
    // A blank after `<` makes it a sign, not a tag.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) && !inside.starts_with('!') {
        return None;
    }
    let after = end_of_tag(named);
    let hidden = ["script", "style"].into_iter().find(|hidden| *hidden == name && !closes);
    let after = match hidden {
        Some("script") => behind(after, "</script"),
        Some(_) => behind(after, "</style"),
        None => after,
    };
    Some((BREAKS.contains(&name.as_str()).then_some('\n'), after))
}

/// What follows the `>` of a tag; one inside quotes ends nothing, and without one the text ends.
fn end_of_tag(text: &str) -> &str {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return text.get(at + 1..).unwrap_or_default(),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some(_), _) => {}
        }
    }
    ""
}

/// What follows the first tag of that beginning, whatever its case.
fn behind<'t>(text: &'t str, end: &str) -> &'t str {
    let is_end = |window: &[u8]| window.eq_ignore_ascii_case(end.as_bytes());
    let at = text.as_bytes().windows(end.len()).position(is_end);
    at.and_then(|at| text.get(at..)).map_or("", end_of_tag)
}

/// An entity at the start: its character, and what follows.
fn entity(text: &str) -> Option<(Option<char>, &str)> {
    let named = text.strip_prefix('&')?;
    let end = named.bytes().take(ENTITY_MAX + 1).position(|byte| byte == b';')?;
    let (name, after) = (named.get(..end)?, named.get(end + 1..)?);
    let number = |digits: &str, radix| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        u32::from_str_radix(digits, radix).ok().filter(|_| plain).and_then(char::from_u32)
    };
    let character = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(hex) => number(hex, 16),
            None => number(digits, 10),
        },
        None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c).or_else(|| latin(name)),
    };
    // ORDER: a control character is no text, however it is spelt.
    let character = character?;
    Some((Some(if character.is_control() { ' ' } else { character }), after))
}

fn latin(name: &str) -> Option<char> {
    let at = LATIN.split_whitespace().position(|known| known == name)?;
    char::from_u32(0xa0 + u32::try_from(at).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn html_reads_as_the_text_that_a_person_sees() {
        for (html, text) in [
            ("<p>Lamp &ndash; <b>new</b></p>\n<p>40&nbsp;W</p>", "Lamp – new\n40 W"),
            ("a<br/>b<BR >c", "a\nb\nc"),
            ("Fisch &amp; Chips &#8211; &#x20AC;5", "Fisch & Chips – €5"),
            ("1 < 2 & 3 > 2 &unknown; &;", "1 < 2 & 3 > 2 &unknown; &;"),
            ("<a title=\"x > y\" href='q'>link</a>", "link"),
            ("a<script>if (a < b) alert('<p>')</SCRIPT >b<style>p{}</style>c<!-- d -->e", "abce"),
            ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
            ("caf&eacute; &yuml; &szlig;", "café ÿ ß"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("a&#0;b&#x110000;c", "a b&#x110000;c"),
            ("open <b", "open"),
            ("<!-- never closed", ""),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn the_latin_entities_are_complete() {
        assert_eq!(LATIN.split_whitespace().count(), 96);
        assert_eq!((latin("nbsp"), latin("yuml"), latin("times")), (Some('\u{a0}'), Some('ÿ'), Some('×')));
    }

    proptest! {
        #[test]
        fn tidy_text_reads_back_from_html(text in "[ \\t\\n<>&;#a-zA-Z0-9ąß\u{a0}\"'!/-]{0,60}") {
            let tidied = tidy(&text);
            prop_assert_eq!(&tidy(&tidied), &tidied);
            prop_assert_eq!(plain(&escaped(&tidied)), tidied);
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>(), mark in "[<>&!/;#-]{0,6}") {
            plain(&format!("{mark}{text}"));
        }
    }
}
