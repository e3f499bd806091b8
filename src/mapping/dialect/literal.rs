//! How a dialect spells values: each is a typed literal, and no text leaves its own.
//!
//! INVARIANT: a text that stands in quotes has every quote and every escape character replaced; what has no
//! replacement is refused, and its condition is left to the gate.

use compact_str::CompactString;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::template::{Hole, Words};
use crate::{
    mapping::{
        load::forms::time_zone,
        out::Out,
        time::{Day, Moment, is_doubled},
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{Key, Node},
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

/// Digits after the second of a moment that is told to the nanosecond.
const DIGITS_MAX: u32 = 9;

/// A typed literal.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::mapping) enum Literal {
    /// Text, to be quoted.
    Text(CompactString),
    /// The token of a whole number.
    Integer(CompactString),
    /// The token of an exact decimal.
    Decimal(CompactString),
    /// A token that was checked and stands bare: a number of a table, a key of digits.
    Token(CompactString),
    /// A GUID.
    Guid(CompactString),
    /// A day.
    Date(Date),
    /// A moment.
    Instant(Timestamp),
    /// true or false.
    Boolean(bool),
}

yaml_words! {
    /// What a number that travels as text is to a filter.
    pub(in crate::mapping) enum Numbers {
        /// A text.
        AsSent = "as_sent",
        /// A number.
        ByValue = "by_value",
    }
}

/// How values are spelt.
#[derive(Debug)]
pub(in crate::mapping) struct Literals {
    pub(in crate::mapping) moment: Moment,
    /// Digits after the second that a moment may have here.
    digits: u32,
    pub(in crate::mapping) day: Day,
    pub(in crate::mapping) numbers: Numbers,
    zone: TimeZone,
    quote: Option<char>,
    /// What stands for a character in a text.
    escapes: Vec<(char, String)>,
    /// Characters that no text here can hold.
    refused: String,
    /// Whether a text may hold control characters as they are.
    controls: bool,
    boolean: [String; 2],
    integer: Words,
    decimal: Words,
    guid: Words,
    date: Words,
    instant: Words,
}

impl Literals {
    /// Each value as it is, for carriers that quote by themselves.
    pub(super) fn plain() -> Self {
        let bare = || Words::of([Err(Hole::Value)]);
        Self {
            moment: Moment::Iso,
            digits: DIGITS_MAX,
            day: Day::Iso,
            numbers: Numbers::AsSent,
            zone: TimeZone::UTC,
            quote: None,
            escapes: Vec::new(),
            refused: String::new(),
            controls: true,
            boolean: ["false".into(), "true".into()],
            integer: bare(),
            decimal: bare(),
            guid: bare(),
            date: bare(),
            instant: bare(),
        }
    }

    /// As OData 4 has it: text in quotes, everything else bare.
    pub(in crate::mapping) fn odata4() -> Self {
        Self { quote: Some('\''), escapes: vec![('\'', "''".into())], ..Self::plain() }
    }

    /// As OData 2 has it: text in quotes, other types in their own.
    pub(in crate::mapping) fn odata2() -> Self {
        let typed = |before: &str, after: &str| Words::of([Ok(before), Err(Hole::Value), Ok(after)]);
        Self {
            numbers: Numbers::ByValue,
            decimal: typed("", "M"),
            guid: typed("guid'", "'"),
            date: typed("datetime'", "T00:00:00'"),
            instant: typed("datetimeoffset'", "'"),
            ..Self::odata4()
        }
    }

    /// The same, where a text holds control characters only as escapes.
    pub(super) fn strictly(self) -> Self {
        Self { controls: false, ..self }
    }

    /// Changes what a file says of literals.
    pub(super) fn load(mut self, node: Option<&Node>, found: &mut Diagnostics) -> Option<Self> {
        let Some(node) = node else { return Some(self) };
        let mut keys = Keys::of(node, found)?;
        if let Some(node) = keys.take("quote") {
            self.quote = one_char(node, found);
            self.escapes = Vec::new();
            self.controls = false;
        }
        if let Some(node) = keys.take("escape") {
            self.escapes = escapes(node, found);
        }
        self.refused = keys.or("refuse", String::new, found).unwrap_or_default();
        if let Some(node) = keys.take("boolean") {
            self.boolean = match Vec::<String>::read(node, found).map(<[String; 2]>::try_from) {
                Some(Ok(words)) => words,
                Some(Err(_)) | None => {
                    found.error(&node.place, "`boolean` names the words for false and true, in this order");
                    return None;
                }
            };
        }
        for (key, words) in
            [("integer", &mut self.integer), ("decimal", &mut self.decimal), ("guid", &mut self.guid)]
        {
            if let Some(read) = keys.take(key).and_then(|node| Words::load(node, &[Hole::Value], found)) {
                *words = read;
            }
        }
        self.numbers = keys.or("numbers", || self.numbers, found)?;
        if let Some(node) = keys.take("date") {
            let digits;
            (self.day, self.date, _, digits) = form(node, found)?;
            if digits.is_some() {
                found.error(&node.place, "`digits` is about moments; a day has none");
                return None;
            }
            if self.day.is_month() {
                found.error(&node.place, "a filter compares days, and a month is many of them");
                return None;
            }
        }
        if let Some(node) = keys.take("instant") {
            let (zone, digits);
            (self.moment, self.instant, zone, digits) = form::<Moment>(node, found)?;
            self.digits = digits.unwrap_or(DIGITS_MAX).min(DIGITS_MAX);
            match zone {
                Some(zone) => self.zone = zone,
                None if self.moment.is_naive() => {
                    found.push(
                        Diagnostic::error(&node.place, "a time without a zone needs one")
                            .help("write `instant: { as: naive, zone: UTC }`"),
                    );
                }
                None => {}
            }
        }
        keys.finish(found);
        self.is_closed(node, found).then_some(self)
    }

    /// Whether no text can leave its quotes: the quote and what begins an escape are escaped themselves, or refused.
    fn is_closed(&self, node: &Node, found: &mut Diagnostics) -> bool {
        let Some(quote) = self.quote else { return true };
        let is_escaped =
            |char: char| self.refused.contains(char) || self.escapes.iter().any(|(from, _)| *from == char);
        let is_safe = |(_, to): &(char, String)| {
            let mut chars = to.chars();
            matches!((chars.next(), chars.next()), (Some(first), Some(_)) if is_escaped(first))
        };
        if is_escaped(quote) && self.escapes.iter().all(is_safe) {
            return true;
        }
        found.push(
            Diagnostic::error(&node.place, "a text could leave its quotes")
                .help(format!("`escape` says what stands for `{quote}` and for the character that begins an escape, as in `{{ \"{quote}\": \"{quote}{quote}\" }}`")),
        );
        false
    }

    /// Whether a text can be said.
    pub(in crate::mapping) fn holds(&self, text: &str) -> bool {
        text.chars().all(|char| {
            let is_escaped = || self.escapes.iter().any(|(from, _)| *from == char);
            !self.refused.contains(char) && (self.controls || !char.is_control() || is_escaped())
        })
    }

    /// Nanoseconds that no moment here can tell apart.
    pub(in crate::mapping) fn grain(&self) -> i128 {
        self.moment.grain().max(10_i128.pow(DIGITS_MAX.saturating_sub(self.digits)))
    }

    /// Whether a moment means one moment here: without a zone, an hour that comes twice does not.
    pub(in crate::mapping) fn tells(&self, at: Timestamp) -> bool {
        !self.moment.is_naive() || !is_doubled(&self.zone, at)
    }

    /// The literal as it stands in a text; `None` where it cannot be said.
    pub(in crate::mapping) fn spell(&self, literal: &Literal) -> Option<String> {
        let with = |words: &Words, text: &str| {
            words.fill(&|hole| match hole {
                Hole::Value => Some(text.to_owned()),
                _ => None,
            })
        };
        Some(match literal {
            Literal::Text(text) => self.quoted(text)?,
            Literal::Integer(token) => with(&self.integer, token),
            Literal::Decimal(token) => with(&self.decimal, token),
            Literal::Token(token) => token.to_string(),
            Literal::Guid(token) => with(&self.guid, token),
            Literal::Date(day) => with(&self.date, &self.day.spell(*day)),
            Literal::Instant(at) => with(&self.instant, &self.moment(*at)?),
            Literal::Boolean(yes) => self.boolean.get(usize::from(*yes))?.clone(),
        })
    }

    fn moment(&self, at: Timestamp) -> Option<CompactString> {
        self.moment.spell(&self.zone, at).ok()
    }

    fn quoted(&self, text: &str) -> Option<String> {
        if !self.holds(text) {
            return None;
        }
        let Some(quote) = self.quote else { return Some(text.to_owned()) };
        let mut out = String::with_capacity(text.len().saturating_add(2));
        out.push(quote);
        for char in text.chars() {
            match self.escapes.iter().find(|(from, _)| *from == char) {
                Some((_, to)) => out.push_str(to),
                None => out.push(char),
            }
        }
        out.push(quote);
        Some(out)
    }

    /// The literal as a JSON value of its own type.
    pub(super) fn typed(&self, literal: &Literal) -> Option<Out> {
        Some(match literal {
            Literal::Integer(token) | Literal::Token(token) => Out::Number(token.clone()),
            Literal::Decimal(token) => Out::Number(token.clone()),
            Literal::Boolean(yes) => Out::Boolean(*yes),
            Literal::Instant(at) if matches!(self.moment, Moment::Unix | Moment::UnixMs) => {
                Out::Number(self.moment(*at)?)
            }
            Literal::Text(_) | Literal::Guid(_) | Literal::Date(_) | Literal::Instant(_) => {
                Out::text(&self.spell(literal)?)
            }
        })
    }
}

/// What is said of the form of days or moments.
type FormOf<F> = (F, Words, Option<TimeZone>, Option<u32>);

/// The form of days or moments: a word, or `{ as, like, zone, digits }`.
fn form<F: FromYaml>(node: &Node, found: &mut Diagnostics) -> Option<FormOf<F>> {
    let bare = || Words::of([Err(Hole::Value)]);
    if node.as_text().is_some() {
        return Some((F::read(node, found)?, bare(), None, None));
    }
    let mut keys = Keys::of(node, found)?;
    let form: Option<F> = keys.required("as", found);
    let like = match keys.take("like") {
        Some(node) => Words::load(node, &[Hole::Value], found),
        None => Some(bare()),
    };
    let zone = keys.take("zone").and_then(|node| time_zone(node, found));
    let digits = keys.take("digits").and_then(|node| u32::read(node, found));
    keys.finish(found);
    Some((form?, like?, zone, digits))
}

fn one_char(node: &Node, found: &mut Diagnostics) -> Option<char> {
    let mut chars = node.as_text().unwrap_or_default().chars();
    let char = chars.next().filter(|_| chars.next().is_none());
    if char.is_none() {
        found.error(&node.place, "one character was expected");
    }
    char
}

fn escapes(node: &Node, found: &mut Diagnostics) -> Vec<(char, String)> {
    let mut out = Vec::new();
    for (Key { text, place, .. }, node) in crate::mapping::load::pairs(Some(node), found) {
        let mut chars = text.chars();
        match (chars.next(), chars.next(), String::read(node, found)) {
            (Some(char), None, Some(to)) => out.push((char, to)),
            (_, _, None) => {}
            (_, _, Some(_)) => found.error(place, "one character stands for itself in `escape`"),
        }
    }
    out
}
