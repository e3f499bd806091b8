//! The names that a filter may call, and what they need: nothing else is even there to be called.
//!
//! Each takes time within the size of its input. None reads the environment, the clock or other inputs, none writes
//! anywhere, and none computes with numbers or puts them in order.

use jaq_core::{
    data::JustLut,
    load::parse::Def,
    native::{Fun, bome, run, v},
};
use jaq_json::Val;

/// How a name uses its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// There is none.
    Nothing,
    /// A filter, for each element.
    Each,
    /// A filter that gives one value and decides.
    Decides,
    /// A literal text or number.
    Literal,
}

/// A name that may be called.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Its result is larger than its input by at most this factor, as [`allow`](super::allow) counts.
    pub(super) grows: u64,
}

const fn name(name: &'static str, takes: Takes, grows: u64) -> Name {
    Name { name, takes, grows }
}

/// All of them.
pub(super) const NAMES: &[Name] = &[
    name("all", Takes::Decides, 1),
    name("any", Takes::Decides, 1),
    name("ascii_downcase", Takes::Nothing, 1),
    name("ascii_upcase", Takes::Nothing, 1),
    name("empty", Takes::Nothing, 1),
    name("endswith", Takes::Literal, 1),
    name("false", Takes::Nothing, 1),
    name("first", Takes::Nothing, 1),
    name("first", Takes::Each, 1),
    name("has", Takes::Literal, 1),
    name("join", Takes::Literal, 1),
    name("keys_unsorted", Takes::Nothing, 1),
    name("last", Takes::Nothing, 1),
    name("ltrimstr", Takes::Literal, 1),
    name("map", Takes::Each, 3),
    name("not", Takes::Nothing, 1),
    name("null", Takes::Nothing, 1),
    name("reverse", Takes::Nothing, 1),
    name("rtrimstr", Takes::Literal, 1),
    name("select", Takes::Decides, 1),
    name("split", Takes::Literal, 4),
    name("startswith", Takes::Literal, 1),
    name("to_entries", Takes::Nothing, 6),
    name("tostring", Takes::Nothing, 3),
    name("trim", Takes::Nothing, 1),
    name("true", Takes::Nothing, 1),
    name("values", Takes::Nothing, 1),
];

/// Definitions of the library that these names are, or are made of.
const DEFS: &[(&str, usize)] = &[
    ("all", 1),
    ("all", 2),
    ("any", 1),
    ("any", 2),
    ("empty", 0),
    ("error", 1),
    ("false", 0),
    ("first", 0),
    ("isempty", 1),
    ("isstring", 0),
    ("last", 0),
    ("map", 1),
    ("not", 0),
    ("null", 0),
    ("select", 1),
    ("split", 1),
    ("to_entries", 0),
    ("tostring", 0),
    ("true", 0),
    ("values", 0),
];

/// Filters written in Rust that these names are, or are made of.
const FUNS: &[&str] = &[
    "ascii_downcase",
    "ascii_upcase",
    "endswith",
    "error_empty",
    "first",
    "has",
    "key_values",
    "keys_unsorted",
    "ltrimstr",
    "reverse",
    "rtrimstr",
    "startswith",
    "trim",
];

/// What the compiler knows of definitions.
pub(super) fn defs() -> impl Iterator<Item = Def<&'static str>> {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    all.filter(|def| DEFS.contains(&(def.name, def.args.len())))
}

/// What the compiler knows of filters written in Rust.
pub(super) fn funs() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    let all = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    all.filter(|(name, _, _)| FUNS.contains(name)).chain([join()])
}

/// Texts put together in one pass, null being nothing; the library's own writes `null`.
fn join() -> Fun<JustLut<Val>> {
    run(("join", v(1), |mut cv: jaq_core::Cv<'_, JustLut<Val>>| {
        let by = cv.0.pop_var();
        bome(joined(&cv.1, &by))
    }))
}

fn joined(items: &Val, by: &Val) -> Result<Val, jaq_json::Error> {
    let fail = |why: &str| jaq_core::Error::new(Val::from(why.to_owned()));
    let (Val::Arr(items), Val::TStr(by)) = (items, by) else {
        return Err(fail("a list and a text are joined"));
    };
    let mut out: Vec<u8> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(by);
        }
        match item {
            Val::TStr(text) => out.extend_from_slice(text),
            Val::Null => {}
            Val::Bool(_) | Val::Num(_) => out.extend_from_slice(item.to_string().as_bytes()),
            Val::BStr(_) | Val::Arr(_) | Val::Obj(_) => return Err(fail("only texts are joined")),
        }
    }
    Ok(Val::utf8_str(out))
}
