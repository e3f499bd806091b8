//! Which native field is which leaf: by name, by type, by what stood in it; and how sure that is.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};

use super::{
    names::{alike, words},
    natives::{NAIVE, Native, Natives, WrittenOn},
};
use crate::{
    mapping::is_country_name,
    schema::{Entity, Leaf, LeafKind, Standard},
};

/// From which likeness on a match is proposed, and from which it is called sure.
const PROPOSED: f32 = 0.5;
const SURE: f32 = 0.85;

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
    if both_lists && list.is_none() {
        return None;
    }
    let mut likeness = likeness(path, native, both_lists);
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
        sure: if likeness >= SURE && native.hints.doubt.is_empty() { Sure::Likely } else { Sure::Unsure },
        likeness,
    })
}

/// By name: the own name first, what stands around it a little.
fn likeness(leaf: &str, native: &Native, both_lists: bool) -> f32 {
    let (around, own) = leaf.rsplit_once('.').unwrap_or(("", leaf));
    let name = words(native.name());
    let mut best = alike(&words(own), &name);
    if !native.hints.declared.is_empty() {
        // A label of a few words is a name too.
        best = best.max(alike(&words(own), &words(&native.said)) * 0.8);
    }
    if own == "value" && !both_lists {
        // `emails.value` is an e-mail: the value has the list's name.
        best = best.max(alike(&words(around.rsplit('.').next().unwrap_or(around)), &name));
    }
    if best < 0.01 {
        return 0.0;
    }
    let leaf_words: Vec<String> = words(&leaf.replace('.', " "));
    best = best.max(alike(&leaf_words, &words(&native.named().join(" "))) * 0.95);
    let (parents, parent_names) = (words(&around.replace('.', " ")), words(&parents_of(native).join(" ")));
    match (parents.is_empty(), parent_names.is_empty()) {
        // Which list it is, all its fields say together.
        _ if both_lists => best * 0.9 + alike(&parents, &parent_names) * 0.1,
        (false, false) => best * 0.7 + alike(&parents, &parent_names) * 0.35,
        // A group's field among plain ones is a guess; the other way round it is common (`properties.x`).
        (false, true) if own != "value" => best * 0.8,
        _ => best,
    }
}

fn parents_of(native: &Native) -> &[String] {
    native.named().split_last().map_or(&[], |(_, before)| before)
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
            how.push(table(codes.iter().map(|code| &**code), native)?);
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
    let mut how = Vec::new();
    if native.number && !native.text {
        how.push("as: { wire: number }".to_owned());
    } else if !native.text && !is_undescribed(native) {
        return None;
    }
    if let Some(entity) = &leaf.reference {
        how.push(format!("ref: {entity}"));
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
        UNIT_WORDS.iter().find(|(known, _)| *known == word.trim_end_matches('.')).map(|(_, code)| *code)
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
const UNIT_WORDS: [(&str, &str); 20] = [
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
        let best = codes
            .clone()
            .map(|code| (alike(&words(code), &words(value)), code))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .filter(|(alike, _)| *alike > 0.6);
        if let Some((_, code)) = best
            && !rows.iter().any(|(_, other)| *other == code)
        {
            rows.push((super::text::quoted(value), code));
        }
    }
    written_out(&rows)
}
