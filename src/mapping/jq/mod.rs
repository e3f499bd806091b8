//! The escape for surprises: a field read from native JSON by a jq filter, and written by another.
//!
//! A filter is checked at load ([`allowed`](allow::check)): a closed list of names, no arithmetic, no order, no
//! variables, no loops but those over what is there. So nothing is ever computed in floats, and a filter takes time
//! and memory within its own size times that of its input, which is at most [`INPUT_BYTES_MAX`]. All filters of one
//! answer together go through [`ANSWER_WORK_MAX`] bytes at most, and the answer is refused whose records would take more.
//! Whether an answer is best read beside the core is told before ([`Mapping::takes_long`]): this room does its work where
//! it is called. What comes out is one scalar that the field's [`Codec`](super::codec::Codec) reads like any other; of
//! numbers only a literal that was not touched.

use std::fmt;

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    data::JustLut,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::{Map, Num, Val, read};

use super::{out::Out, scan::Scanner};
use crate::mapping::scan::Raw;

mod allow;
mod names;
mod spent;

pub(super) use spent::{ANSWER_WORK_MAX, Filtered, Left};

/// Most bytes of native JSON that a filter reads.
pub(super) const INPUT_BYTES_MAX: usize = 16 * 1024;

/// How a field is read and written by filters.
#[derive(Debug)]
pub(super) struct Jq {
    /// From the native value.
    pub(super) inward: Program,
    /// To the native value, where the field is written.
    pub(super) outward: Option<Program>,
}

/// A filter, checked and compiled.
pub(super) struct Program {
    text: Box<str>,
    filter: Filter<JustLut<Val>>,
    /// How many bytes it goes through at most for each that it reads.
    works: u64,
}

/// A scalar that a filter gave.
#[derive(Debug, PartialEq)]
pub(super) enum Gave {
    /// None, or `null`.
    Nothing,
    /// A boolean.
    Boolean(bool),
    /// A number as it was told.
    Number(String),
    /// A text.
    Text(String),
}

impl Gave {
    /// It as a scanner would find it.
    pub(super) fn raw(&self) -> Raw<'_> {
        match self {
            Self::Nothing => Raw::Null,
            Self::Boolean(value) => Raw::Boolean(*value),
            Self::Number(token) => Raw::Number(token),
            Self::Text(text) => Raw::Text(text),
        }
    }
}

impl Program {
    /// Checks and compiles a filter; the error says what to write instead.
    pub(super) fn load(text: &str) -> Result<Self, String> {
        let works = allow::check(text)?.saturating_add(READ_WORK);
        let unreadable = || format!("`{text}` is not a filter of jq");
        let arena = Arena::default();
        let loader = Loader::new(names::defs());
        let modules = loader.load(&arena, File { code: text, path: () }).map_err(|_| unreadable())?;
        let filter =
            Compiler::default().with_funs(names::funs()).compile(modules).map_err(|_| unreadable())?;
        Ok(Self { text: text.into(), filter, works })
    }

    /// The scalar that some JSON gives.
    ///
    /// # Errors
    /// The input is too large, the filter fails on it, or gives more than one value or one that is no scalar.
    pub(super) fn scalar(&self, json: &str) -> Result<Gave, &'static str> {
        match self.run(json)? {
            None | Some(Val::Null) => Ok(Gave::Nothing),
            Some(Val::Bool(value)) => Ok(Gave::Boolean(value)),
            Some(Val::Num(number)) => literal(&number).map(Gave::Number).ok_or(COMPUTED),
            Some(text @ (Val::TStr(_) | Val::BStr(_))) => {
                spelt(&text).map(Gave::Text).ok_or("the filter gives bytes that are no text")
            }
            Some(Val::Arr(_) | Val::Obj(_)) => Err("the filter gives no single value"),
        }
    }

    /// What a native scalar becomes as a tree to be sent.
    ///
    /// # Errors
    /// The filter fails on it, or gives none or more than one value.
    pub(super) fn tree(&self, scalar: &Out) -> Result<Out, &'static str> {
        let json = String::from_utf8(scalar.to_bytes()).map_err(|_| "no text")?;
        match self.run(&json)? {
            None => Err("the filter gives no value"),
            Some(value) => tree(&value, DEPTH_MAX),
        }
    }

    fn run(&self, json: &str) -> Result<Option<Val>, &'static str> {
        if json.len() > INPUT_BYTES_MAX {
            return Err("larger than a filter may read");
        }
        // ORDER: what jaq reads is more than JSON, and it goes as deep as its input.
        let mut scan = Scanner::new(json.as_bytes()).map_err(|_| NO_JSON)?;
        scan.skip().and_then(|()| scan.end()).map_err(|_| NO_JSON)?;
        let input = read::parse_single(json.as_bytes()).map_err(|_| NO_JSON)?;
        let ctx = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let mut gives = self.filter.id.run((ctx, input)).map(unwrap_valr);
        let Some(first) = gives.next() else { return Ok(None) };
        let first = first.map_err(|_| "the filter fails on it")?;
        match gives.next() {
            None => Ok(Some(first)),
            Some(_) => Err("the filter gives more than one value"),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.text).finish()
    }
}

const NO_JSON: &str = "not the JSON that a filter reads";
/// What reading the input goes through besides, for a byte of it.
const READ_WORK: u64 = 16;
const COMPUTED: &str = "a number that was computed is not exact";
/// Deepest tree that is sent.
const DEPTH_MAX: u32 = 64;

/// A number as it was told; none where it was computed in floats.
fn literal(number: &Num) -> Option<String> {
    match number {
        Num::Int(_) | Num::BigInt(_) | Num::Dec(_) => Some(Val::Num(number.clone()).to_string()),
        Num::Float(_) => None,
    }
}

fn spelt(text: &Val) -> Option<String> {
    match text {
        Val::TStr(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Val::Null | Val::Bool(_) | Val::Num(_) | Val::BStr(_) | Val::Arr(_) | Val::Obj(_) => None,
    }
}

/// Recursion is bounded by `depth`.
fn tree(value: &Val, depth: u32) -> Result<Out, &'static str> {
    let depth = depth.checked_sub(1).ok_or("the filter gives a value that is nested too deep")?;
    Ok(match value {
        Val::Null => Out::Null,
        Val::Bool(value) => Out::Boolean(*value),
        Val::Num(number) => Out::Number(literal(number).ok_or(COMPUTED)?.into()),
        Val::TStr(_) | Val::BStr(_) => {
            Out::Text(spelt(value).ok_or("the filter gives bytes that are no text")?.into())
        }
        Val::Arr(items) => Out::List(items.iter().map(|item| tree(item, depth)).collect::<Result<_, _>>()?),
        Val::Obj(pairs) => Out::Object(members(pairs, depth)?),
    })
}

fn members(pairs: &Map, depth: u32) -> Result<Vec<(std::sync::Arc<str>, Out)>, &'static str> {
    let member = |(name, value): (&Val, &Val)| {
        let name = spelt(name).ok_or("the filter gives a name that is no text")?;
        Ok((name.into(), tree(value, depth)?))
    };
    pairs.iter().map(member).collect()
}

#[cfg(test)]
mod tests;
