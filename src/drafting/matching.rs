//! Which native field is which leaf: by name, by type, by what stood in it; and how sure that is.

use std::sync::Arc;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
};

use super::{
    likeness::{FLAG, SURE, flag, likeness, parents_of},
    names::{alike, words},
    natives::{NAIVE, Native, Natives, WrittenOn},
};
use crate::{
    mapping::is_country_name,
    schema::{Entity, Leaf, LeafKind, Standard},
};

/// From which likeness on a match is proposed.
const PROPOSED: f32 = 0.5;

/// A proposed line.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The leaf's path as a line names it: `emails[0].value`, or inside its list.
    pub leaf: String,
    /// The list of the entity it stands in, where the native field stands in one too.
    pub list: Option<String>,
    /// Where it is read from.
    pub native: &'a Native,
    /// How it is read, as the grammar's words: `values: { … }`, `as: { wire: text }`.
    pub how: Vec<String>,
    /// How sure it is.
    pub sure: Sure,
    likeness: f32,
}

/// How sure a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Name and values speak for it.
    Likely,
    /// Look at it.
    Unsure,
}

/// The best proposal for each leaf; each native field is used once.
pub fn matched<'a>(entity: &Entity, natives: &'a Natives) -> Vec<Line<'a>> {
    let mut all = Vec::new();
    for leaf in &entity.leaves {
        if leaf.path.as_str() == "id" || leaf.path.as_str().ends_with(".id") {
            continue;
        }
        all.extend(natives.iter().filter_map(|native| proposal(leaf, native)));
    }
    all.sort_by(|a, b| b.likeness.total_cmp(&a.likeness).then(a.native.path.len().cmp(&b.native.path.len())));
    let mut taken: Vec<Line<'a>> = Vec::new();
    for line in all {
        let clash = taken.iter().any(|other| {
            std::ptr::eq(other.native, line.native)
                || (other.leaf == line.leaf && other.list == line.list)
                // A list of the entity is read from one native list.
                || (line.list.is_some() && other.list == line.list && list_of(other.native) != list_of(line.native))
        });
        if !clash {
            taken.push(line);
        }
    }
    // A list whose elements nothing speaks for but a word is no match.
    let lists: Vec<String> = taken.iter().filter_map(|line| line.list.clone()).collect();
    let is_read = |list: &str| lists.iter().filter(|other| *other == list).count() > 1;
    taken.retain(|line| match (&line.list, line.leaf.split_once("[0]")) {
        (Some(list), _) => is_read(list),
        // What is read element by element has no first one of its own.
        (None, Some((list, _))) => !is_read(list),
        (None, None) => true,
    });
    let alone = alone(entity, &taken);
    taken.retain(|line| !alone.contains(&line.leaf));
    let order = |line: &Line<'_>| {
        entity.leaves.iter().position(|leaf| {
            let flat = line.leaf.replace("[0]", "");
            let whole = line.list.as_ref().map_or_else(|| flat.clone(), |list| format!("{list}.{flat}"));
            leaf.path.as_str() == whole
        })
    };
    taken.sort_by_key(order);
    taken
}

/// Fields of addresses of which nothing else is met, and whose native field stands in no such group: `state`
/// of an order is no province.
fn alone(entity: &Entity, taken: &[Line<'_>]) -> Vec<String> {
    let group = |leaf: &str| leaf.rsplit_once('.').map(|(group, own)| (group.to_owned(), own != "value"));
    let of_group = |line: &Line<'_>, group: &str| {
        line.list.is_none() && line.leaf.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'))
    };
    let is_address = |group: &str| {
        let country = format!("{}.country", group.replace("[0]", ""));
        entity.leaves.iter().any(|leaf| leaf.path.as_str() == country)
    };
    let is_alone = |line: &&Line<'_>| {
        let Some((group, true)) = group(&line.leaf).filter(|_| line.list.is_none()) else { return false };
        let around = words(&parents_of(line.native).join(" "));
        is_address(&group)
            && alike(&words(&group.replace('.', " ")), &around) < 0.01
            && taken.iter().filter(|other| of_group(other, &group)).count() == 1
    };
    taken.iter().filter(is_alone).map(|line| line.leaf.clone()).collect()
}

/// Fields of the entity that take one of a few words, and native fields that are called like them but say others: what
/// each word means nobody knows but whoever reviews.
pub(super) fn untold<'a, 'e>(
    entity: &'e Entity,
    natives: &'a Natives,
    lines: &[Line<'_>],
) -> Vec<(&'e Leaf, &'a Native)> {
    let is_read = |native: &Native| lines.iter().any(|line| std::ptr::eq(line.native, native));
    let is_written =
        |leaf: &Leaf| lines.iter().any(|line| line.list.is_none() && line.leaf == leaf.path.as_str());
    let mut out: Vec<(&Leaf, &Native)> = Vec::new();
    for leaf in entity.leaves.iter().filter(|leaf| !leaf.in_list && !is_written(leaf)) {
        if !matches!(&leaf.kind, LeafKind::Code(codes) if Standard::of(codes).is_none()) {
            continue;
        }
        let best = natives
            .iter()
            .filter(|native| {
                native.list == 0 && native.text && !native.examples.is_empty() && !is_read(native)
            })
            .filter(|native| !out.iter().any(|(_, other)| std::ptr::eq(*other, *native)))
            .map(|native| (likeness(leaf, native, false), native))
            .filter(|(alike, _)| *alike >= FLAG)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        out.extend(best.map(|(_, native)| (leaf, native)));
    }
    out
}

/// The names that lead to a native list.
pub(super) fn list_of(native: &Native) -> Option<&[String]> {
    (native.list > 0).then(|| native.path.get(..native.list)).flatten()
}

fn proposal<'a>(leaf: &Leaf, native: &'a Native) -> Option<Line<'a>> {
    let path = leaf.path.as_str();
    let (list, inside) = match path.split_once('.').filter(|_| leaf.in_list) {
        Some((list, inside)) => (Some(list), inside),
        None => (None, path),
    };
    // A list of plain texts, and lists inside lists, are left to whoever reviews.
    if leaf.in_list && (list.is_none() || inside.contains('.')) {
        return None;
    }
    let both_lists = native.list > 0;
    if both_lists && list.is_none() || leaf.money.is_some() && is_measure(native) {
        return None;
    }
    let mut likeness = likeness(leaf, native, both_lists);
    if likeness < PROPOSED {
        return None;
    }
    let how = how(leaf, native)?;
    if speaks_for_itself(leaf, native) {
        likeness += 0.2;
    }
    Some(Line {
        leaf: match list {
            Some(_) if both_lists => inside.to_owned(),
            Some(list) => format!("{list}[0].{inside}"),
            None => path.to_owned(),
        },
        list: list.filter(|_| both_lists).map(str::to_owned),
        native,
        how,
        sure: match likeness >= SURE && native.hints.doubt.is_empty() && !is_odd(leaf, native) {
            true => Sure::Likely,
            false => Sure::Unsure,
        },
        likeness,
    })
}

/// Whether it is called as what is weighed or measured is: no amount of money, whatever else its name says.
fn is_measure(native: &Native) -> bool {
    const MEASURES: [&str; 6] = ["weight", "volume", "length", "width", "height", "percent"];
    words(native.name()).iter().any(|word| MEASURES.contains(&word.as_str()))
}

/// Whether the values are of another kind than such a field holds, though it can be made of them: a number for a text, a
/// moment without a zone, words of which some are called like none of the field.
fn is_odd(leaf: &Leaf, native: &Native) -> bool {
    let is_number = native.number && !native.text;
    let is_unknown = |codes: &[Arc<str>]| {
        let known = |value: &String| {
            value.is_empty() || called_like(codes.iter().map(|code| &**code), value).is_some()
        };
        flag(leaf, native).is_none() && !native.examples.iter().all(known)
    };
    match &leaf.kind {
        LeafKind::Text { .. } => is_number,
        LeafKind::Code(codes) if Standard::of(codes).is_none() => is_unknown(codes),
        _ => is_naive(leaf, native),
    }
}

/// Whether moments stand there without a zone.
fn is_naive(leaf: &Leaf, native: &Native) -> bool {
    leaf.kind == LeafKind::Instant
        && native.all(|text| text.contains(' ') && text.len() == 19 && text.parse::<DateTime>().is_ok())
}

/// Whether what stood there can hardly be anything else.
fn speaks_for_itself(leaf: &Leaf, native: &Native) -> bool {
    let path = leaf.path.as_str();
    let is = |word: &str| path == word || path.starts_with(&format!("{word}."));
    (is("emails") || path.ends_with("email"))
        && native.all(|text| text.split_once('@').is_some_and(|(_, host)| host.contains('.')))
        || matches!(leaf.kind, LeafKind::Instant | LeafKind::Date | LeafKind::Boolean)
}

/// How the native value becomes one of the leaf's kind; none where it cannot.
fn how(leaf: &Leaf, native: &Native) -> Option<Vec<String>> {
    let hints = &native.hints;
    if !hints.unread.is_empty() {
        return None;
    }
    let mut how = Vec::new();
    match &leaf.kind {
        LeafKind::Text { .. } | LeafKind::Id => {
            how = as_text(leaf, native)?;
        }
        LeafKind::Decimal | LeafKind::Integer => {
            how = as_number(leaf, native)?;
        }
        LeafKind::Boolean => {
            if native.text {
                if !native.all(|text| matches!(text, "true" | "false")) {
                    return None;
                }
                if !hints.all_text {
                    how.push("as: { wire: text }".to_owned());
                }
            } else if !native.boolean && !is_undescribed(native) {
                return None;
            }
        }
        LeafKind::Date => {
            if !(native.text
                && (native.all(|text| text.len() == 10 && text.parse::<Date>().is_ok())
                    || matches!(&*native.format, "date" | NAIVE)))
            {
                return None;
            }
        }
        LeafKind::Instant => {
            let millis = |text: &str| text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit());
            if native.all(millis) {
                how.push("as: { instant: unix_ms }".to_owned());
            } else if is_naive(leaf, native) {
                how.push(NAIVE_SPACE.to_owned());
            } else if !(native.text
                && (native.all(|text| text.parse::<Timestamp>().is_ok())
                    || matches!(&*native.format, "date-time" | NAIVE)))
            {
                return None;
            }
        }
        LeafKind::Code(codes) if Standard::of(codes).is_some() => how = as_standard(codes, native)?,
        LeafKind::Code(codes) => {
            if !native.text && !native.boolean {
                return None;
            }
            how.push(match flag(leaf, native) {
                Some([yes, no]) => format!("values: {{ \"true\": {yes}, \"false\": {no} }}"),
                None => table(codes.iter().map(|code| &**code), native)?,
            });
            if codes.iter().any(|code| &**code == "unknown") {
                how.push("else: unknown".to_owned());
            }
        }
    }
    how.extend(written(native).map(str::to_owned));
    if hints.unasked && native.list == 0 {
        how.push("filter_at: never".to_owned());
    }
    Some(how)
}

/// How a moment without a zone is read: in the file's `time_zone`.
pub(super) const NAIVE_SPACE: &str = "as: { instant: naive_space }";

/// Codes that everybody shares, or what people call countries.
fn as_standard(codes: &Arc<[Arc<str>]>, native: &Native) -> Option<Vec<String>> {
    let is_one = |text: &String| text.is_empty() || codes.iter().any(|code| **code == **text);
    let is_country = Standard::of(codes).is_some_and(|standard| standard.format == "country");
    match () {
        () if !native.text => None,
        () if native.examples.iter().all(is_one) => Some(Vec::new()),
        () if is_country && native.all(is_country_name) => Some(vec!["values: $country_names".to_owned()]),
        () => units(codes, native).map(|table| vec![table]),
    }
}

fn as_text(leaf: &Leaf, native: &Native) -> Option<Vec<String>> {
    // What is said to be an amount or a moment is no name.
    if matches!(&*native.format, "decimal" | "date" | "date-time" | NAIVE) {
        return None;
    }
    if native.number && !native.text && native.examples.iter().any(|text| text.contains('.')) {
        return None;
    }
    let mut how = Vec::new();
    if native.number && !native.text {
        how.push("as: { wire: number }".to_owned());
    } else if !native.text && !is_undescribed(native) {
        return None;
    }
    if let Some(entity) = &leaf.reference {
        how.push(format!("ref: {entity}"));
        if native.number && !native.text {
            how.push("form: digits".to_owned());
        }
    }
    if native.hints.guid {
        how.push("form: guid".to_owned());
    }
    match (native.examples.iter().any(|text| text.trim() != text), native.hints.upper) {
        (true, true) => how.push("norm: [trim, upper]".to_owned()),
        (true, false) => how.push("norm: trim".to_owned()),
        (false, true) => how.push("norm: upper".to_owned()),
        (false, false) => {}
    }
    if let (LeafKind::Text { chars_max, .. }, Some(most)) = (&leaf.kind, native.hints.most)
        && most < *chars_max
        && !native.read_only
    {
        how.push(format!("most: {most}"));
    }
    Some(how)
}

fn as_number(leaf: &Leaf, native: &Native) -> Option<Vec<String>> {
    let mut as_words = Vec::new();
    if native.text {
        if !native.all(is_decimal) && native.format != "decimal" {
            return None;
        }
        if !native.hints.all_text {
            as_words.push("wire: text".to_owned());
        }
    } else if !native.number && !is_undescribed(native) {
        return None;
    }
    let scale = native.hints.scale.filter(|_| leaf.kind == LeafKind::Decimal && !native.read_only);
    as_words.extend(scale.map(|scale| format!("scale: {scale}")));
    Some(match as_words.is_empty() {
        true => Vec::new(),
        false => vec![format!("as: {{ {} }}", as_words.join(", "))],
    })
}

fn written(native: &Native) -> Option<&'static str> {
    match (native.read_only, native.hints.write) {
        (true, _) => Some("write: never"),
        (false, Some(WrittenOn::Create)) => Some("write: create"),
        (false, Some(WrittenOn::Update)) => Some("write: update"),
        (false, None) => None,
    }
}

/// Whether nothing is known of its type.
fn is_undescribed(native: &Native) -> bool {
    !(native.text || native.number || native.boolean)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(rest)
}

/// A table of the words for units that everybody uses.
fn units(codes: &[Arc<str>], native: &Native) -> Option<String> {
    let meant = |word: &str| {
        let word = word.to_lowercase();
        UNIT_WORDS
            .iter()
            .find(|(known, _)| *known == word.trim_end_matches('.') || Some(*known) == word.strip_suffix('s'))
            .map(|(_, code)| *code)
    };
    let is_code = |code: &str| codes.iter().any(|known| **known == *code);
    let mut rows: Vec<(String, &str)> = Vec::new();
    for word in &native.examples {
        let code = meant(word).or_else(|| Some(&**word)).filter(|code| is_code(code));
        if let Some(code) = code
            && !rows.iter().any(|(_, other)| *other == code)
        {
            rows.push((super::text::quoted(word), code));
        }
    }
    written_out(&rows)
}

fn written_out(rows: &[(String, &str)]) -> Option<String> {
    let rows: Vec<String> = rows.iter().map(|(value, code)| format!("{value}: {code}")).collect();
    (!rows.is_empty()).then(|| format!("values: {{ {} }}", rows.join(", ")))
}

/// Words for units, and what they are in UN/ECE Rec 20.
const UNIT_WORDS: [(&str, &str); 22] = [
    ("unit", "H87"),
    ("units", "H87"),
    ("pc", "H87"),
    ("pcs", "H87"),
    ("piece", "H87"),
    ("szt", "H87"),
    ("stk", "H87"),
    ("ea", "EA"),
    ("each", "EA"),
    ("set", "SET"),
    ("kpl", "SET"),
    ("box", "XBX"),
    ("kg", "KGM"),
    ("g", "GRM"),
    ("t", "TNE"),
    ("l", "LTR"),
    ("m", "MTR"),
    ("m2", "MTK"),
    ("h", "HUR"),
    ("hour", "HUR"),
    ("godz", "HUR"),
    ("day", "DAY"),
];

/// A value table, as far as native values are called like canonical ones.
fn table<'c>(codes: impl Iterator<Item = &'c str> + Clone, native: &Native) -> Option<String> {
    let mut rows: Vec<(String, &str)> = Vec::new();
    for value in &native.examples {
        if let Some(code) = called_like(codes.clone(), value)
            && !rows.iter().any(|(_, other)| *other == code)
        {
            rows.push((super::text::quoted(value), code));
        }
    }
    written_out(&rows)
}

/// The code that a native value is called like.
fn called_like<'c>(codes: impl Iterator<Item = &'c str>, value: &str) -> Option<&'c str> {
    let best =
        codes.map(|code| (alike(&words(code), &words(value)), code)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(alike, _)| *alike > 0.6).map(|(_, code)| code)
}
