//! What a list asks for: filters, fields, order, page, from the query of a URL.
//!
//! `?field=value`, `?field[gte]=…`, `?fields=a,b`, `?sort=-a,b`, `?limit=`, `?cursor=`. Percent-decoding is
//! done here, strictly, once. A field that may not serve a filter or an order gives the very same fault as one
//! that does not exist; hints name fields only that would have been accepted. All faults are told at once.

mod include;

use std::{borrow::Cow, fmt};

pub use include::{INCLUDES_MAX, has_include, include, without_include};

use super::{
    entity::{Entity, Leaf, LeafKind},
    fields::{FieldSet, LEAVES_MAX, LeafId},
    filter::{Direction, Filter, Op, Query, Sort},
    json::{FAULTS_MAX, HINTS_MAX, shortened},
    record::Value,
    value,
};
use crate::words::nearest;

/// LIMIT: longest cursor, in characters. It fills half of what a door takes of a head by default (32 KiB), so that
/// the query it belongs to fits beside it; what a cursor can carry is derived from it where it is sealed.
pub const CURSOR_CHARS_MAX: usize = 16 * 1024;

/// How much a query may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Records a page when the caller does not say.
    pub limit_default: u32,
    /// Most records a page.
    pub limit_max: u32,
    /// Most parameters.
    pub parameters_max: usize,
    /// Most values of one `[in]`.
    pub values_max: usize,
    /// Most keys of an order.
    pub sort_keys_max: usize,
    /// Longest cursor in bytes.
    pub cursor_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            limit_default: 50,
            limit_max: 200,
            parameters_max: 32,
            values_max: 100,
            sort_keys_max: 4,
            cursor_bytes_max: CURSOR_CHARS_MAX,
        }
    }
}

/// One thing that is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFault {
    /// The parameter, as the caller named it.
    pub parameter: String,
    /// What sort of fault.
    pub kind: QueryFaultKind,
    /// What was expected, for the caller.
    pub message: String,
}

/// What sort of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryFaultKind {
    /// Bad percent-encoding, or not UTF-8.
    Encoding,
    /// No such field, or one that may not be named here.
    Unknown,
    /// A comparison that is unknown or does not fit the field.
    Operator,
    /// Not a value of the field.
    Value,
    /// A parameter sent twice.
    Repeated,
    /// More than may be asked for.
    TooMany,
    /// It is not there, and there is no answer without it.
    Missing,
}

impl fmt::Display for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.parameter, self.message)
    }
}

/// The pairs of a query as they stand in a URL: split, not yet decoded. Empty ones are left out.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Reads a list's query, and the text of its cursor.
///
/// `clear` are the leaves that may serve filter and order; `visible` those that may be asked for.
///
/// # Errors
/// All faults, at most [`FAULTS_MAX`]; never empty.
pub fn read<'a>(
    entity: &Entity,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    clear: &FieldSet,
    visible: &FieldSet,
    limits: &Limits,
) -> Result<(Query, Option<String>), Vec<QueryFault>> {
    let query =
        Query { filter: Filter::everything(), sort: Vec::new(), fields: None, limit: limits.limit_default };
    let mut reader =
        Reader { entity, clear, visible, limits, tests: Vec::new(), query, cursor: None, faults: Vec::new() };
    reader.pairs(pairs, Reader::list_parameter);
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    reader.query.filter = Filter::All(reader.tests).simplified();
    Ok((reader.query, reader.cursor))
}

/// Reads the query of one record or of a write, which may only say which fields it wants.
///
/// # Errors
/// All faults, at most [`FAULTS_MAX`]; never empty.
pub fn read_fields<'a>(
    entity: &Entity,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    visible: &FieldSet,
) -> Result<Option<FieldSet>, Vec<QueryFault>> {
    let limits = Limits::default();
    let query = Query { filter: Filter::everything(), sort: Vec::new(), fields: None, limit: 1 };
    let clear = &FieldSet::EMPTY;
    let mut reader = Reader {
        entity,
        clear,
        visible,
        limits: &limits,
        tests: Vec::new(),
        query,
        cursor: None,
        faults: Vec::new(),
    };
    reader.pairs(pairs, Reader::single_parameter);
    if reader.faults.is_empty() { Ok(reader.query.fields) } else { Err(reader.faults) }
}

struct Reader<'e> {
    entity: &'e Entity,
    clear: &'e FieldSet,
    visible: &'e FieldSet,
    limits: &'e Limits,
    tests: Vec<Filter>,
    query: Query,
    cursor: Option<String>,
    faults: Vec<QueryFault>,
}

impl<'e> Reader<'e> {
    fn pairs<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        parameter: impl Fn(&mut Self, &str, &str),
    ) {
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (key, value) in pairs {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            if seen.len() >= self.limits.parameters_max {
                let message = format!("at most {} parameters", self.limits.parameters_max);
                return self.fault("", QueryFaultKind::TooMany, message);
            }
            let (Some(name), Some(value)) = (decode(key), decode(value)) else {
                let message = "percent-encoding is broken, or not of UTF-8".to_owned();
                self.fault(key, QueryFaultKind::Encoding, message);
                continue;
            };
            if seen.contains(&name) {
                self.fault(&name, QueryFaultKind::Repeated, "stands here a second time".to_owned());
                continue;
            }
            parameter(self, &name, &value);
            seen.push(name);
        }
    }

    fn list_parameter(&mut self, name: &str, value: &str) {
        match name {
            "fields" => self.fields(name, value),
            "sort" => self.sort(name, value),
            "limit" => self.limit(name, value),
            "cursor" => self.cursor(name, value),
            name => self.filter(name, value),
        }
    }

    fn single_parameter(&mut self, name: &str, value: &str) {
        match name {
            "fields" => self.fields(name, value),
            name => {
                let message = "unknown parameter; only `fields` is read here".to_owned();
                self.fault(name, QueryFaultKind::Unknown, message);
            }
        }
    }

    fn fields(&mut self, name: &str, value: &str) {
        let mut wanted = FieldSet::EMPTY;
        if value.split(',').nth(LEAVES_MAX).is_some() {
            return self.fault(name, QueryFaultKind::TooMany, format!("at most {LEAVES_MAX} fields"));
        }
        for path in value.split(',') {
            let found = self.entity.leaves_under(path).intersection(self.visible);
            if found.is_empty() {
                let mut known = self.names(self.visible);
                let groups =
                    known.iter().filter_map(|path| Some(path.rsplit_once('.')?.0)).collect::<Vec<_>>();
                known.extend(groups);
                self.unknown(name, path, &known);
                if self.faults.len() >= FAULTS_MAX {
                    return;
                }
            }
            wanted = wanted.union(&found);
        }
        self.query.fields = Some(wanted);
    }

    fn sort(&mut self, name: &str, value: &str) {
        for key in value.split(',') {
            if self.query.sort.len() >= self.limits.sort_keys_max {
                let message = format!("at most {} keys", self.limits.sort_keys_max);
                return self.fault(name, QueryFaultKind::TooMany, message);
            }
            let (path, direction) = match key.strip_prefix('-') {
                Some(path) => (path, Direction::Descending),
                None => (key, Direction::Ascending),
            };
            let Some((id, leaf)) = self.clear_leaf(path) else {
                let known = self.names(self.clear);
                return self.unknown(name, path, &known);
            };
            if leaf.in_list {
                let message = format!("`{path}` has several values, so it cannot be an order");
                return self.fault(name, QueryFaultKind::Operator, message);
            }
            if self.query.sort.iter().any(|earlier| earlier.leaf == id) {
                return self.fault(name, QueryFaultKind::Repeated, format!("`{path}` stands here twice"));
            }
            self.query.sort.push(Sort { leaf: id, direction });
        }
    }

    fn limit(&mut self, name: &str, value: &str) {
        let limit = value::integer(value).ok().and_then(|limit| u32::try_from(limit).ok());
        match limit.filter(|limit| (1..=self.limits.limit_max).contains(limit)) {
            Some(limit) => self.query.limit = limit,
            None => {
                let message = format!("expected a whole number from 1 to {}", self.limits.limit_max);
                self.fault(name, QueryFaultKind::Value, message);
            }
        }
    }

    fn cursor(&mut self, name: &str, value: &str) {
        if value.is_empty() || value.len() > self.limits.cursor_bytes_max {
            let message = "expected the cursor of an earlier page".to_owned();
            return self.fault(name, QueryFaultKind::Value, message);
        }
        self.cursor = Some(value.to_owned());
    }

    fn filter(&mut self, name: &str, value: &str) {
        let (path, operator) =
            match name.split_once('[').and_then(|(path, rest)| Some((path, rest.strip_suffix(']')?))) {
                Some((path, operator)) => (path, Some(operator)),
                None => (name, None),
            };
        let Some((id, leaf)) = self.clear_leaf(path) else {
            let mut known = self.names(self.clear);
            known.extend(super::load::RESERVED);
            return self.unknown(name, path, &known);
        };
        let Some(op) = operator.map_or(Some(Op::Eq), op_named) else {
            let message =
                format!("unknown comparison; expected one of: {}", OPS.map(|(word, _)| word).join(", "));
            return self.fault(name, QueryFaultKind::Operator, message);
        };
        if !fits(&leaf.kind, op) {
            let message = format!("`{path}` has no order, so it can only be equal or not");
            return self.fault(name, QueryFaultKind::Operator, message);
        }
        let read = match op {
            Op::In => self.several(name, leaf, value),
            Op::Eq
            | Op::Ne
            | Op::Lt
            | Op::Lte
            | Op::Gt
            | Op::Gte
            | Op::Contains
            | Op::StartsWith
            | Op::EndsWith => self.one(name, leaf, value),
        };
        if let Some(value) = read {
            self.tests.push(Filter::test(id, op, value));
        }
    }

    fn several(&mut self, name: &str, leaf: &Leaf, value: &str) -> Option<Value> {
        let most = self.limits.values_max;
        if value.split(',').nth(most).is_some() {
            self.fault(name, QueryFaultKind::TooMany, format!("at most {most} values"));
            return None;
        }
        value.split(',').map(|value| self.one(name, leaf, value)).collect::<Option<_>>().map(Value::List)
    }

    fn one(&mut self, name: &str, leaf: &Leaf, value: &str) -> Option<Value> {
        // Empty text is absent and equals nothing; asking for it is a mistake of the caller's.
        let read = match value.is_empty() {
            true => Err(value::BadValue::Empty),
            false => value::parse_text(&leaf.kind, value),
        };
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, QueryFaultKind::Value, error.to_string());
                None
            }
        }
    }

    fn clear_leaf(&self, path: &str) -> Option<(LeafId, &'e Leaf)> {
        let id = self.entity.leaf_at(path).filter(|id| self.clear.contains(*id))?;
        Some((id, self.entity.leaf(id)?))
    }

    fn names(&self, of: &FieldSet) -> Vec<&'e str> {
        of.iter().filter_map(|id| self.entity.leaf(id)).map(|leaf| leaf.path.as_str()).collect()
    }

    fn unknown(&mut self, parameter: &str, path: &str, known: &[&str]) {
        let known = if self.faults.len() < HINTS_MAX { known } else { &[] };
        self.fault(parameter, QueryFaultKind::Unknown, unknown_field(path, known));
    }

    fn fault(&mut self, parameter: &str, kind: QueryFaultKind, message: String) {
        self.faults.push(QueryFault { parameter: shortened(parameter).into_owned(), kind, message });
    }
}

/// What is said of a name that is unknown, or may not be named here.
fn unknown_field(path: &str, known: &[&str]) -> String {
    let path = shortened(path);
    match nearest(&path, known.iter().copied()) {
        Some(near) => format!("unknown field `{path}`, did you mean `{near}`?"),
        None => format!("unknown field `{path}`"),
    }
}

/// The comparisons by their names in a query.
pub const OPS: [(&str, Op); 6] =
    [("gte", Op::Gte), ("lte", Op::Lte), ("gt", Op::Gt), ("lt", Op::Lt), ("ne", Op::Ne), ("in", Op::In)];

fn op_named(name: &str) -> Option<Op> {
    OPS.iter().find(|(word, _)| *word == name).map(|(_, op)| *op)
}

/// Whether a comparison means something for a kind: ids and codes are text, but "10" < "9" says nothing.
pub fn fits(kind: &LeafKind, op: Op) -> bool {
    let ordered = match kind {
        LeafKind::Text { .. }
        | LeafKind::Decimal
        | LeafKind::Integer
        | LeafKind::Date
        | LeafKind::Instant => true,
        LeafKind::Code(_) | LeafKind::Id | LeafKind::Boolean => false,
    };
    match op {
        Op::Eq | Op::Ne | Op::In => true,
        Op::Lt | Op::Lte | Op::Gt | Op::Gte => ordered,
        Op::Contains | Op::StartsWith | Op::EndsWith => {
            matches!(kind, LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id)
        }
    }
}

/// Decodes one part of a query: `+` is a space, `%XX` a byte; the whole must be UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
