//! What a filter may say, and what it may cost; decided at load, by its text alone.
//!
//! Allowed are paths, `|`, `,`, `//`, `?`, lists, objects, texts with `\(…)`, `if`, `and`, `or`, `==` and `!=` with a
//! literal, and the names of [`names`](super::names). Three rules bound what a filter takes:
//!
//! - Nothing is held in a variable and nothing calls itself, so each step sees only what the one before it gave.
//! - Where several parts make one value (objects, texts, `and`, `or`, `==`, the condition of `if`) each gives one value,
//!   so no two lists are multiplied.
//! - What a step gives, written as JSON, is larger than its input by a factor that its text tells, and the product
//!   along a filter is at most [`GROWTH_MAX`]. (A value counts as five bytes at least, so that `false` is no growth.)
//!
//! A filter with s steps on an input of n bytes so goes through at most s × [`GROWTH_MAX`] × n bytes. How many bytes it
//! goes through for each of its input its text tells more closely ([`check`]): each step as often as it may run, on what
//! the steps before it may have given.
//!
//! No arithmetic is allowed and no order: jq computes in floats, and money is none. Of conditions only `==` and `!=`
//! with a text, a boolean or null remain, which are never true of two numbers that only look alike as floats.

use jaq_core::{
    load::{
        self,
        lex::StrPart,
        parse::{BinaryOp, Term},
    },
    ops::Cmp,
    path::{Part, Path},
};

use super::names::{NAMES, Name, Takes};

/// Longest text of a filter, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// Deepest nesting of a filter.
const DEPTH_MAX: u32 = 24;
/// Most that a filter's values may grow beyond its input.
const GROWTH_MAX: u64 = 256;
/// Least that a value counts.
const BYTES_MIN: u64 = 5;
/// What an element is larger by as a value of its own.
const ELEMENT_GROWS: u64 = 3;

/// What is told of a filter's part by its text.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Whether it may give more than one value.
    many: bool,
    /// How many bytes of JSON it gives at most for one of its input.
    grows: u64,
    /// How many bytes its steps go through at most for one of its input.
    works: u64,
}

impl Cost {
    /// A step alone.
    fn one(grows: u64) -> Self {
        Self { many: false, grows, works: grows }
    }

    /// One value, made by steps that go through so much before it is there.
    fn made(grows: u64, before: u64) -> Self {
        Self { many: false, grows, works: grows.saturating_add(before) }
    }

    /// What is made of two parts of the same input.
    fn and(self, other: Self) -> Self {
        Self {
            many: self.many || other.many,
            grows: self.grows.saturating_add(other.grows),
            works: self.works.saturating_add(other.works),
        }
    }
}

/// Checks a filter: how many bytes it goes through at most for each of its input. The error says what to write instead.
pub(super) fn check(text: &str) -> Result<u64, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("a filter has at most {TEXT_BYTES_MAX} bytes"));
    }
    // ORDER: before the parser, which goes as deep as the text does.
    if nesting(text) > DEPTH_MAX {
        return Err(format!("a filter is nested at most {DEPTH_MAX} levels deep"));
    }
    let term = load::parse(text, |parser| parser.term()).ok_or_else(|| {
        format!("`{text}` is not a filter of jq, as `.a.b` or `map(.c) | join(\", \")` are")
    })?;
    cost(&term, DEPTH_MAX.saturating_mul(4)).map(|cost| cost.works)
}

/// How deep brackets, `if` and signs go at most.
fn nesting(text: &str) -> u32 {
    let (mut depth, mut deepest): (u32, u32) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let ifs = u32::try_from(text.matches("if").count() + text.matches("--").count()).unwrap_or(u32::MAX);
    deepest.saturating_add(ifs)
}

/// Recursion is bounded by `depth`.
fn cost(term: &Term<&str>, depth: u32) -> Result<Cost, String> {
    let depth = depth.checked_sub(1).ok_or("a filter has at most 96 steps in one another")?;
    let cost = match term {
        Term::Id => Cost::one(1),
        Term::Num(text) => Cost::one(written(text.len())),
        Term::Neg(number) if matches!(**number, Term::Num(_)) => cost(number, depth)?,
        Term::Str(None, parts) => texts(parts, depth)?,
        Term::Arr(None) => Cost::one(1),
        Term::Arr(Some(items)) => {
            let items = cost(items, depth)?;
            Cost::made(items.grows.saturating_add(1), items.works)
        }
        Term::Obj(members) => object(members, depth)?,
        Term::BinOp(left, op, right) => operation(left, op, right, depth)?,
        Term::TryCatch(tried, None) => cost(tried, depth)?,
        Term::IfThenElse(branches, otherwise) => {
            let mut whole = Cost::one(1);
            for (condition, then) in branches {
                whole.works =
                    whole.works.saturating_add(one(condition, depth, "the condition of `if`")?.works);
                whole = either(whole, cost(then, depth)?);
            }
            match otherwise {
                Some(otherwise) => either(whole, cost(otherwise, depth)?),
                None => whole,
            }
        }
        Term::Call(name, args) => call(name, args, depth)?,
        Term::Path(of, path) => along(cost(of, depth)?, path)?,
        Term::Neg(_) => return Err(ARITHMETIC.to_owned()),
        Term::Str(Some(format), _) => return Err(refused(format)),
        Term::Recurse => return Err(refused("..")),
        Term::Label(..) | Term::Break(_) => return Err(refused("label")),
        Term::Fold(name, ..) => return Err(refused(name)),
        Term::TryCatch(_, Some(_)) => return Err(refused("catch")),
        Term::Def(..) => return Err(refused("def")),
        Term::Var(name) => return Err(refused(name)),
    };
    match cost.grows <= GROWTH_MAX {
        true => Ok(cost),
        false => Err(format!(
            "what a filter gives may be at most {GROWTH_MAX} times as large as what it reads; leave steps out, or read less by `at`"
        )),
    }
}

const ARITHMETIC: &str = "a filter does not compute: jq does so in floats; write `calc` for sums, and `\"\\(.a) \\(.b)\"` to put texts together";

fn refused(name: &str) -> String {
    let mut known: Vec<_> = NAMES.iter().map(|name| name.name).collect();
    known.dedup();
    format!(
        "`{name}` is not allowed in a filter; there are paths, `|`, `,`, `//`, `?`, `if`, `and`, `or`, `==`, `!=`, {}",
        known.join(", ")
    )
}

/// The growth that a literal of so many bytes is.
fn written(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_MIN).max(1)
}

/// One of two, after both were tried.
fn either(a: Cost, b: Cost) -> Cost {
    Cost { grows: a.grows.max(b.grows), ..a.and(b) }
}

/// A part that gives one value at most, where several make one.
fn one(term: &Term<&str>, depth: u32, place: &str) -> Result<Cost, String> {
    let cost = cost(term, depth)?;
    match cost.many {
        true => Err(format!("{place} may give several values here; put it in `[…]`, or take the `first(…)`")),
        false => Ok(cost),
    }
}

fn texts(parts: &[StrPart<&str, Term<&str>>], depth: u32) -> Result<Cost, String> {
    let (mut bytes, mut grows, mut works): (usize, u64, u64) = (2, 0, 0);
    for part in parts {
        match part {
            StrPart::Str(text) => bytes = bytes.saturating_add(text.len()),
            StrPart::Char(_) => bytes = bytes.saturating_add(6),
            // What is no text is written as JSON, and that as a text.
            StrPart::Term(term) => {
                let part = one(term, depth, "a part of a text")?;
                grows = grows.saturating_add(part.grows.saturating_mul(2));
                works = works.saturating_add(part.works);
            }
        }
    }
    Ok(Cost::made(grows.saturating_add(written(bytes)), works))
}

fn object(members: &[(Term<&str>, Option<Term<&str>>)], depth: u32) -> Result<Cost, String> {
    let (mut bytes, mut grows, mut works): (usize, u64, u64) = (2, 0, 0);
    for (name, value) in members {
        let name =
            word(name).ok_or("the names of an object are written out in a filter, as in `{ a: .b }`")?;
        bytes = bytes.saturating_add(name.len()).saturating_add(4);
        let value =
            value.as_ref().map_or(Ok(Cost::one(1)), |value| one(value, depth, "a member of an object"))?;
        grows = grows.saturating_add(value.grows);
        works = works.saturating_add(value.works);
    }
    Ok(Cost::made(grows.saturating_add(written(bytes)), works))
}

fn operation(left: &Term<&str>, op: &BinaryOp<&str>, right: &Term<&str>, depth: u32) -> Result<Cost, String> {
    match op {
        BinaryOp::Pipe(None) => {
            let (left, right) = (cost(left, depth)?, cost(right, depth)?);
            let behind = left.grows.saturating_mul(right.works);
            Ok(Cost {
                many: left.many || right.many,
                grows: left.grows.saturating_mul(right.grows),
                works: left.works.saturating_add(behind),
            })
        }
        BinaryOp::Comma => Ok(Cost { many: true, ..cost(left, depth)?.and(cost(right, depth)?) }),
        BinaryOp::Alt => Ok(either(cost(left, depth)?, cost(right, depth)?)),
        BinaryOp::Or | BinaryOp::And => {
            let left = one(left, depth, "a side of `and` or `or`")?;
            Ok(Cost::made(1, left.and(one(right, depth, "a side of `and` or `or`")?).works))
        }
        BinaryOp::Cmp(Cmp::Eq | Cmp::Ne) => {
            let sides = one(left, depth, "a side of `==`")?.and(one(right, depth, "a side of `==`")?);
            match is_told(left) || is_told(right) {
                true => Ok(Cost::made(1, sides.works)),
                false => Err("a filter compares with a text, `true`, `false` or `null` that is written out: of numbers jq sees floats only".to_owned()),
            }
        }
        BinaryOp::Cmp(Cmp::Lt | Cmp::Le | Cmp::Gt | Cmp::Ge) => {
            Err("a filter does not order: jq sees floats where numbers stand; compare texts by `==`"
                .to_owned())
        }
        BinaryOp::Math(_) | BinaryOp::UpdateMath(_) => Err(ARITHMETIC.to_owned()),
        BinaryOp::Pipe(Some(_)) => Err(refused("as")),
        BinaryOp::Assign => Err(refused("=")),
        BinaryOp::Update => Err(refused("|=")),
        BinaryOp::UpdateAlt => Err(refused("//=")),
    }
}

/// Whether it is a literal that is no number.
fn is_told(term: &Term<&str>) -> bool {
    match term {
        Term::Call(name, args) => args.is_empty() && matches!(*name, "true" | "false" | "null"),
        term => word(term).is_some(),
    }
}

/// A text that is written out.
fn word(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    parts.iter().try_fold(String::new(), |mut text, part| {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(char) => text.push(*char),
            StrPart::Term(_) => return None,
        }
        Some(text)
    })
}

fn call(name: &str, args: &[Term<&str>], depth: u32) -> Result<Cost, String> {
    let fits = |known: &&Name| known.name == name && (known.takes != Takes::Nothing) == (args.len() == 1);
    let known = NAMES.iter().find(fits).filter(|_| args.len() <= 1).ok_or_else(|| refused(name))?;
    let Some(arg) = args.first() else { return Ok(Cost::one(known.grows)) };
    let cost = match known.takes {
        Takes::Nothing => Cost::one(known.grows),
        Takes::Each => {
            let each = cost(arg, depth)?;
            let works = each.works.saturating_mul(known.grows);
            Cost::made(each.grows.saturating_mul(known.grows).saturating_add(1), works)
        }
        // Of a list each element may be asked.
        Takes::Decides => {
            let asked = one(arg, depth, &format!("what `{name}` asks"))?;
            Cost::made(known.grows, asked.works.saturating_mul(ELEMENT_GROWS))
        }
        Takes::Literal => {
            let text = word(arg).or_else(|| number(arg)).ok_or_else(|| {
                format!("`{name}` takes a text or a number that is written out, as in `{name}(\"a\")`")
            })?;
            // Each element is two bytes at least, and each byte between them six at most.
            let between = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_mul(3);
            Cost::one(known.grows.saturating_add(if name == "join" { between } else { 0 }))
        }
    };
    Ok(cost)
}

fn number(term: &Term<&str>) -> Option<String> {
    match term {
        Term::Num(text) => Some((*text).to_owned()),
        Term::Neg(inner) => number(inner).map(|text| format!("-{text}")),
        _ => None,
    }
}

fn along(from: Cost, path: &Path<Term<&str>>) -> Result<Cost, String> {
    let told = |term: &Term<&str>| word(term).is_some() || number(term).is_some();
    path.0.iter().try_fold(from, |cost, (part, _)| match part {
        Part::Index(at) if told(at) => Ok(cost),
        // An element is two bytes at least.
        Part::Range(None, None) => {
            let grows = cost.grows.saturating_mul(ELEMENT_GROWS);
            Ok(Cost { many: true, grows, works: cost.works.saturating_add(grows) })
        }
        Part::Range(from, to) if [from, to].into_iter().flatten().all(|at| number(at).is_some()) => Ok(cost),
        Part::Index(_) | Part::Range(..) => {
            Err("an index of a filter is a name or a number that is written out, as in `.a[0]`".to_owned())
        }
    })
}
