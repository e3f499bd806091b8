//! Sums, differences and products of native decimals: exact or not at all. There is no division.
//!
//! `total - tax`, `sum(lines[].price * lines[].quantity)`, `round(rate * 100, 2)`, `total - comma(paid)`, where `paid` is
//! written with a decimal comma. What is short of an operand has no value; what would not be exact has none either.
//! Rounding is commercial: half goes away from zero.
//!
//! `sum(stock[type=01][owner=].quantity)` adds up the elements that say so of themselves, `[type in 01|02]` those that say
//! one of several. Where an element does not tell, it may be one of them: the sum has no value.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{
    codec::Nothing,
    number::decimal,
    path::{Among, Path, Step},
    scan::Raw,
    trie::{Frame, Raws},
};

/// Deepest nesting of brackets.
const DEPTH_MAX: u32 = 8;
/// Most operands.
const OPERANDS_MAX: usize = 32;
/// Most conditions on the elements of a list.
const CONDITIONS_MAX: usize = 8;

/// A calculation whose operands are slots.
#[derive(Debug, PartialEq)]
pub(super) enum Calc {
    /// A number of the file.
    Number(Decimal),
    /// A native number.
    At(u16),
    /// A native number with a decimal comma.
    Comma(u16),
    /// Two numbers.
    Two(Box<Calc>, Sign, Box<Calc>),
    /// The same for every element of a list of which all of this holds, added up.
    Sum(u16, Box<[Condition]>, Box<Calc>),
    /// Rounded to so many digits after the point.
    Round(Box<Calc>, u32),
}

/// What an element says of itself that is added up.
#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    slot: u16,
    /// Spellings, of which it says one; the empty one is nothing at all.
    of: Vec<Box<str>>,
}

impl Condition {
    /// Whether an element says so; none where it does not tell.
    fn holds(&self, raws: &Raws<'_>, frame: usize) -> Option<bool> {
        match raws.get(frame, self.slot) {
            Raw::Absent => None,
            Raw::Null => Some(self.of.iter().any(|spelling| spelling.is_empty())),
            raw => {
                let text = raw.text();
                Some(text.is_some_and(|text| self.of.iter().any(|spelling| **spelling == *text)))
            }
        }
    }
}

/// Whether all conditions hold of an element. One that does not decides, whatever the others are.
fn all_hold(conditions: &[Condition], raws: &Raws<'_>, frame: usize) -> Option<bool> {
    let mut told = Some(true);
    for condition in conditions {
        match condition.holds(raws, frame) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => told = None,
        }
    }
    told
}

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Added.
    Plus,
    /// Taken away.
    Minus,
    /// Multiplied.
    Times,
}

/// Why a calculation has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// An operand is not told.
    Untold,
    /// An operand is known to be empty.
    Empty,
    /// An operand is no number, or the value would not be exact.
    Unfit(&'static str),
}

impl Calc {
    /// The value in a frame.
    pub(super) fn value(&self, raws: &Raws<'_>, base: usize, empty: &Nothing) -> Result<Decimal, NoValue> {
        const INEXACT: NoValue = NoValue::Unfit("more digits than can be kept exactly");
        match self {
            Self::Number(number) => Ok(*number),
            Self::At(slot) => operand(raws.get(base, *slot), empty, decimal),
            Self::Comma(slot) => operand(raws.get(base, *slot), empty, with_comma),
            Self::Two(left, sign, right) => {
                // ORDER: both are asked, so that what is not told goes before what is empty.
                let (left, right) = (left.value(raws, base, empty), right.value(raws, base, empty));
                let (left, right) = match (left, right) {
                    (Ok(left), Ok(right)) => (left, right),
                    (Err(NoValue::Untold), _) | (_, Err(NoValue::Untold)) => return Err(NoValue::Untold),
                    (Err(why), _) | (_, Err(why)) => return Err(why),
                };
                sign.of(left, right).ok_or(INEXACT)
            }
            Self::Sum(slot, conditions, each) => match raws.get(base, *slot) {
                Raw::Elements { first, count } => {
                    raws.elements(first, count).try_fold(Decimal::ZERO, |sum, frame| {
                        match all_hold(conditions, raws, frame) {
                            Some(true) => Sign::Plus.of(sum, each.value(raws, frame, empty)?).ok_or(INEXACT),
                            Some(false) => Ok(sum),
                            None => Err(NoValue::Untold),
                        }
                    })
                }
                Raw::Absent => Err(NoValue::Untold),
                Raw::Null => Ok(Decimal::ZERO),
                Raw::Boolean(_)
                | Raw::Number(_)
                | Raw::Text(_)
                | Raw::Escaped(_)
                | Raw::Marked(..)
                | Raw::Tree(_)
                | Raw::Object
                | Raw::Array
                | Raw::Next(_) => Err(NoValue::Unfit("expected a list")),
            },
            Self::Round(of, digits) => {
                let value = of.value(raws, base, empty)?;
                Ok(value.round_dp_with_strategy(*digits, RoundingStrategy::MidpointAwayFromZero))
            }
        }
    }
}

/// A decimal from a text with a comma; a point there is another number, and never guessed.
fn with_comma(text: &str) -> Result<Decimal, &'static str> {
    match text.contains('.') {
        true => Err("a point where a decimal comma is due"),
        false => decimal(&text.replacen(',', ".", 1)),
    }
}

fn operand(
    raw: Raw<'_>,
    empty: &Nothing,
    read: fn(&str) -> Result<Decimal, &'static str>,
) -> Result<Decimal, NoValue> {
    match raw {
        Raw::Absent => Err(NoValue::Untold),
        Raw::Null => Err(NoValue::Empty),
        Raw::Number(_) | Raw::Text(_) | Raw::Escaped(_) | Raw::Marked(..) => {
            let text = raw.text().unwrap_or_default();
            if empty.is(raw) {
                return Err(NoValue::Empty);
            }
            read(&text).map_err(NoValue::Unfit)
        }
        Raw::Boolean(false) if empty.is_false() => Err(NoValue::Empty),
        Raw::Boolean(_) | Raw::Tree(_) | Raw::Object | Raw::Array | Raw::Elements { .. } | Raw::Next(_) => {
            Err(NoValue::Unfit("expected a number"))
        }
    }
}

impl Sign {
    /// The exact result; none where it has more digits than are kept.
    fn of(self, left: Decimal, right: Decimal) -> Option<Decimal> {
        let (mut a, mut b) = (left.mantissa(), right.mantissa());
        let (mantissa, scale) = match self {
            Self::Times => (a.checked_mul(b)?, left.scale().checked_add(right.scale())?),
            Self::Plus | Self::Minus => {
                let scale = left.scale().max(right.scale());
                a = a.checked_mul(10_i128.checked_pow(scale - left.scale())?)?;
                b = b.checked_mul(10_i128.checked_pow(scale - right.scale())?)?;
                (if self == Self::Plus { a.checked_add(b)? } else { a.checked_sub(b)? }, scale)
            }
        };
        Decimal::try_from_i128_with_scale(mantissa, scale).ok()
    }
}

/// What a calculation's text comes to: its slots are taken in the frame, and `reads` is told each path from the
/// record, with whether it is a list's.
pub(super) fn parse(
    text: &str,
    frame: &mut Frame,
    reads: &mut dyn FnMut(&Path, bool),
) -> Result<Calc, String> {
    let mut parser = Parser { text, at: 0, operands: 0, frame, reads, list: None };
    let calc = parser.sum(0)?;
    match parser.peek() {
        None => Ok(calc),
        Some(c) => Err(format!("`{c}` is not expected in `{text}`")),
    }
}

/// A list, and which of its elements are meant.
type Elements = (Path, Vec<Among>);

struct Parser<'p> {
    text: &'p str,
    at: usize,
    operands: usize,
    frame: &'p mut Frame,
    reads: &'p mut dyn FnMut(&Path, bool),
    /// Inside `sum`: the list whose elements are added up, once it is known, and its element's frame.
    list: Option<(Option<Elements>, Frame)>,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_start().len();
        self.at += blank;
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += if is_next { wanted.len_utf8() } else { 0 };
        is_next
    }

    fn must(&mut self, wanted: char) -> Result<(), String> {
        match self.eat(wanted) {
            true => Ok(()),
            false => Err(format!("`{wanted}` is missing in `{}`", self.text)),
        }
    }

    fn sum(&mut self, depth: u32) -> Result<Calc, String> {
        let mut left = self.product(depth)?;
        loop {
            let sign = match self.peek() {
                Some('+') => Sign::Plus,
                Some('-') => Sign::Minus,
                Some('/') => return Err("nothing is divided: a quotient is not exact".to_owned()),
                _ => return Ok(left),
            };
            self.at += 1;
            left = Calc::Two(Box::new(left), sign, Box::new(self.product(depth)?));
        }
    }

    fn product(&mut self, depth: u32) -> Result<Calc, String> {
        let mut left = self.operand(depth)?;
        while self.eat('*') {
            left = Calc::Two(Box::new(left), Sign::Times, Box::new(self.operand(depth)?));
        }
        Ok(left)
    }

    fn operand(&mut self, depth: u32) -> Result<Calc, String> {
        self.operands += 1;
        if depth > DEPTH_MAX || self.operands > OPERANDS_MAX {
            return Err(format!(
                "`{}` has more than {OPERANDS_MAX} operands or brackets too deep",
                self.text
            ));
        }
        if self.eat('(') {
            let inside = self.sum(depth + 1)?;
            self.must(')')?;
            return Ok(inside);
        }
        let word = self.word();
        match (word.as_str(), self.peek()) {
            ("", _) => Err(format!("a path or a number is missing in `{}`", self.text)),
            ("sum", Some('(')) => self.of_list(depth),
            ("comma", Some('(')) => {
                self.must('(')?;
                let path = self.word();
                self.must(')')?;
                self.slot(&path).map(Calc::Comma)
            }
            ("round", Some('(')) => {
                self.must('(')?;
                let of = self.sum(depth + 1)?;
                self.must(',')?;
                let digits = self.word().parse().ok().filter(|digits| *digits <= 28);
                self.must(')')?;
                let digits = digits.ok_or("`round(…, 2)` names the digits after the point, up to 28")?;
                Ok(Calc::Round(Box::new(of), digits))
            }
            (number, _) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                decimal(number).map(Calc::Number).map_err(|why| format!("`{number}`: {why}"))
            }
            (path, _) => self.slot(path).map(Calc::At),
        }
    }

    fn of_list(&mut self, depth: u32) -> Result<Calc, String> {
        if self.list.is_some() {
            return Err("a `sum` in a `sum` cannot be told apart".to_owned());
        }
        self.must('(')?;
        self.list = Some((None, Frame::default()));
        let each = self.sum(depth + 1)?;
        self.must(')')?;
        let Some((Some((list, among)), mut element)) = self.list.take() else {
            return Err("`sum` adds up the elements of a list: `sum(lines[].amount)`".to_owned());
        };
        (self.reads)(&list, true);
        let condition = |Among { at, of }| Condition { slot: element.slot(at.steps()), of };
        let conditions = among.into_iter().map(condition).collect();
        let part = format!("sum {} {}", self.text, self.at);
        let slot = self.frame.each(list.steps(), &part, element);
        slot.map(|slot| Calc::Sum(slot, conditions, Box::new(each)))
            .ok_or_else(|| format!("`{list}` is read so already"))
    }

    fn slot(&mut self, word: &str) -> Result<u16, String> {
        match (Path::of_elements(word)?, &mut self.list) {
            (Some((list, among, inside)), Some((known, element))) => {
                if among.len() > CONDITIONS_MAX {
                    return Err(format!("`{word}` has more than {CONDITIONS_MAX} conditions"));
                }
                let this = (list, among);
                let is_other = known.as_ref().is_some_and(|known| *known != this);
                if this.0.is_rooted() || inside.is_rooted() || is_other {
                    return Err(
                        "one `sum` goes through the same elements of one list of the record".to_owned()
                    );
                }
                *known = Some(this);
                Ok(element.slot(inside.steps()))
            }
            (Some((_, among, _)), None)
                if among.is_empty() || among.iter().any(|among| among.of.len() > 1) =>
            {
                Err(format!("`{word}` is many values; write `sum({word})`"))
            }
            (None, Some((_, element))) => {
                // What holds the list is lifted into each of its elements.
                let path = Path::source(word)?;
                if path.is_rooted() {
                    return Err(format!("`{word}` cannot stand in a `sum`"));
                }
                (self.reads)(&path, false);
                let steps: Vec<_> = std::iter::once(Step::Up).chain(path.steps().iter().cloned()).collect();
                Ok(element.slot(&steps))
            }
            (None | Some(_), None) => {
                let path = Path::source(word)?;
                (self.reads)(&path, false);
                Ok(self.frame.slot(path.steps()))
            }
        }
    }

    /// A path or a number: up to a blank or a sign outside brackets.
    fn word(&mut self) -> String {
        self.peek();
        let mut word = String::new();
        let mut in_brackets = false;
        let mut chars = self.rest().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    word.push(c);
                    word.extend(chars.next());
                    continue;
                }
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                ' ' | '\n' | '\t' | '+' | '-' | '*' | '/' | '(' | ')' | ',' if !in_brackets => break,
                _ => {}
            }
            word.push(c);
        }
        self.at += word.len();
        word
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mapping::{scan::Scanner, trie::walk};

    fn value(calc: &str, json: &str) -> Result<Decimal, NoValue> {
        let mut frame = Frame::default();
        let calc = parse(calc, &mut frame, &mut |_, _| {}).unwrap();
        assert!(frame.finish());
        let mut raws = Raws::default();
        raws.restart(frame.slots);
        let mut scan = Scanner::new(json.as_bytes()).unwrap();
        walk(&mut scan, &frame.root, 0, &mut raws, &mut |scan| scan.skip()).unwrap();
        raws.lift(&frame.root, 0);
        calc.value(&raws, 0, &Nothing::new(["".into()].into(), false))
    }

    #[test]
    fn decimals_are_added_taken_away_and_multiplied_exactly() {
        let json = r#"{"total":"1397.30","tax":261.28,"rate":0.06,"factor":2,
            "lines":[{"p":"19.99","q":3},{"p":0.1,"q":"0.2"}],"none":[],"nil":null,"paid":"1100,50","whole":"7",
            "stock":[{"type":"01","owner":"","q":"2.5"},{"type":"01","owner":"K","q":5},{"type":"02","owner":null,"q":100}],
            "at":[{"k":"v","stock":[{"type":"y","q":4}]}]}"#;
        for (calc, shown) in [
            ("total - tax", "1136.02"),
            ("total - tax - 0.02", "1136.00"),
            ("tax + 2 * 3", "267.28"),
            ("(tax + 2) * 3", "789.84"),
            ("rate * 100", "6.00"),
            ("sum(lines[].p)", "20.09"),
            ("sum(lines[].p * lines[].q)", "59.99"),
            ("sum(lines[].p * factor) - 0.18", "40.00"),
            ("round(tax * 0.5, 1)", "130.6"),
            ("round(0.25, 1)", "0.3"),
            ("0 - round(0 - 0.25, 1)", "0.3"),
            ("sum(none[].p) + sum(nil[].p)", "0"),
            ("total - comma(paid)", "296.80"),
            ("comma(whole) + sum(lines[].p)", "27.09"),
            ("sum(stock[type=01].q)", "7.5"),
            ("sum(stock[type=01][owner=].q)", "2.5"),
            ("sum(stock[type in 01|02].q * factor)", "215.0"),
            ("sum(stock[type=01][owner in |K].q) - sum(stock[type=07].q)", "7.5"),
            ("sum(stock[owner=].q)", "102.5"),
            ("sum(at[k=v].stock[][type=y].q)", "4"),
        ] {
            assert_eq!(value(calc, json).map(|n| n.to_string()), Ok(shown.to_owned()), "{calc}");
        }
    }

    #[test]
    fn what_is_short_of_an_operand_has_no_value() {
        for (calc, json, why) in [
            ("a - b", r#"{"a":1}"#, NoValue::Untold),
            ("a - b", r#"{"a":1,"b":null}"#, NoValue::Empty),
            ("a - b", r#"{"b":null}"#, NoValue::Untold),
            ("a - b", r#"{"a":"","b":2}"#, NoValue::Empty),
            ("a - b", r#"{"a":"x","b":2}"#, NoValue::Unfit("not a decimal number")),
            ("comma(a)", r#"{"a":"1.50"}"#, NoValue::Unfit("a point where a decimal comma is due")),
            ("comma(a)", r#"{"a":"1,234,50"}"#, NoValue::Unfit("not a decimal number")),
            ("comma(a)", r#"{"a":""}"#, NoValue::Empty),
            ("sum(l[].a)", r#"{"l":[{"a":1},{}]}"#, NoValue::Untold),
            ("sum(l[].a)", r#"{"l":7}"#, NoValue::Unfit("expected a list")),
            ("sum(l[].a)", "{}", NoValue::Untold),
            // It may be one of these, or not.
            ("sum(l[k=1].a)", r#"{"l":[{"a":1}]}"#, NoValue::Untold),
            ("sum(l[k=1].a)", r#"{"l":[{"k":1}]}"#, NoValue::Untold),
            ("a * a", r#"{"a":0.123456789012345}"#, NoValue::Unfit("more digits than can be kept exactly")),
        ] {
            assert_eq!(value(calc, json), Err(why), "{calc} {json}");
        }
    }

    #[test]
    fn what_is_no_calculation_is_told() {
        for (text, word) in [
            ("", "missing"),
            ("a +", "missing"),
            ("a / b", "nothing is divided"),
            ("(a", "`)` is missing"),
            ("a b", "not expected"),
            ("lines[].a", "write `sum(lines[].a)`"),
            ("sum(a)", "adds up the elements"),
            ("sum(a[].b * c[].d)", "one list"),
            ("sum(a[k=1].b * a[].b)", "same elements"),
            ("sum(a[k=1].b * a[k=2].b)", "same elements"),
            ("sum(a[k=1])", "not a value in it"),
            ("sum(a[k in 1|1].b)", "twice"),
            ("sum(a[ in 1|2].b)", "is missing"),
            ("sum(a[k=1][b)", "not an index"),
            ("sum(a[k=1][1].b)", "not expected"),
            ("a[k in 1|2].b", "write `sum(a[k in 1|2].b)`"),
            ("sum(a[k=1][k=1][k=1][k=1][k=1][k=1][k=1][k=1][k=1].b)", "more than 8"),
            ("sum(sum(a[].b))", "cannot be told apart"),
            ("round(a, x)", "digits"),
            ("comma(a + b)", "`)` is missing"),
            ("1.2.3", "not a decimal"),
            ("((((((((((a))))))))))", "too deep"),
        ] {
            let told = parse(text, &mut Frame::default(), &mut |_, _| {}).unwrap_err();
            assert!(told.contains(word), "{text}: {told}");
        }
        let many = vec!["a"; 40].join("+");
        assert!(parse(&many, &mut Frame::default(), &mut |_, _| {}).unwrap_err().contains("more than 32"));
    }

    proptest! {
        /// In cents, where whole numbers know the answer.
        #[test]
        fn cents_agree_with_whole_numbers(a in -10_000_000_i64..10_000_000, b in -10_000_000_i64..10_000_000) {
            let json = format!(r#"{{"a":"{}","b":{}}}"#, Decimal::new(a, 2), Decimal::new(b, 2));
            prop_assert_eq!(value("a + b", &json), Ok(Decimal::new(a + b, 2)));
            prop_assert_eq!(value("a - b", &json), Ok(Decimal::new(a - b, 2)));
            prop_assert_eq!(value("a * b", &json), Ok(Decimal::new(a * b, 4)));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[a-c0-9.+*/()\\[\\], \\\\-]{0,40}|\\PC{0,20}") {
            let _ = parse(&text, &mut Frame::default(), &mut |_, _| {});
        }
    }
}
