//! An expression and an entity become a [`Filter`]: typed values, leaves by number, nothing left of the text.
//!
//! OData has three truth values and a filter has two, so each expression is asked for what makes it true or
//! what makes it false; what is neither (a function of null) is in neither. `eq` and `ne` know null, the
//! orderings are false of it (OData 4.01 part 2, 5.1.1.1).

use super::{
    Compare, Expr, Function, Literal, OPTION,
    derived::{self, Sort},
    pair, range,
};
use crate::{
    odata::{
        fault::{Fault, told},
        names,
    },
    schema::{
        Derive, Entity, FieldSet, Filter, Items, Leaf, LeafId, LeafKind, Op, Side, Value,
        query::{self, QueryFaultKind},
        value,
    },
};

/// What names mean.
#[derive(Clone, Copy, Debug)]
pub(in crate::odata) struct Names<'a> {
    /// Of which entity.
    pub(in crate::odata) entity: &'a Entity,
    /// The leaves that may serve a filter.
    pub(in crate::odata) clear: &'a FieldSet,
    /// Those that the system does not hold.
    pub(in crate::odata) unheld: &'a FieldSet,
    /// Most values of one `in`.
    pub(in crate::odata) values_max: usize,
}

/// Binds an expression.
///
/// # Errors
/// What does not fit the entity, or cannot be carried; a leaf that may not serve is one that does not exist.
pub(in crate::odata) fn filter(names: Names<'_>, expr: &Expr) -> Result<Filter, Fault> {
    Binder { names, item: None }.holds(expr, true).map(Filter::simplified)
}

/// Binds inside a record, or inside one item of a list.
#[derive(Clone, Copy)]
pub(super) struct Binder<'a> {
    pub(super) names: Names<'a>,
    pub(super) item: Option<Item<'a>>,
}

/// An item that a name stands for.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) variable: &'a str,
    /// Where its list stands, with `.`.
    pub(super) path: &'a str,
    /// What stands for the record around it, where that may be asked of too.
    pub(super) record: Option<&'a str>,
}

impl Item<'_> {
    /// The path in the record of what is called so here, and whether it is the item's.
    fn full(&self, dotted: &str) -> (String, bool) {
        let behind = |name: &str| {
            dotted
                .strip_prefix(name)
                .filter(|rest| rest.is_empty() || rest.starts_with('.'))
                .map(str::to_owned)
        };
        if let Some(rest) = self.record.and_then(behind) {
            return (rest.trim_start_matches('.').to_owned(), false);
        }
        match behind(self.variable) {
            Some(rest) => (format!("{}{rest}", self.path), true),
            // A field of the record around the item.
            None => (dotted.to_owned(), false),
        }
    }
}

/// What a side of a comparison comes to.
pub(super) enum Operand<'a> {
    Value(&'a Literal),
    Leaf(LeafId, &'a Leaf),
    /// What is worked out of one, and what that is.
    Derived(LeafId, &'a Leaf, (Vec<Derive>, Sort)),
    /// A condition.
    Condition(&'a Expr),
}

impl<'a> Binder<'a> {
    /// What makes an expression true, or what makes it false.
    pub(super) fn holds(&self, expr: &'a Expr, wanted: bool) -> Result<Filter, Fault> {
        let parts = |parts: &'a [Expr]| -> Result<Vec<Filter>, Fault> {
            parts.iter().map(|part| self.holds(part, wanted)).collect()
        };
        match expr {
            Expr::All(all) if wanted => Ok(Filter::All(parts(all)?)),
            Expr::All(all) => Ok(Filter::Any(parts(all)?)),
            Expr::Any(any) if wanted => Ok(Filter::Any(parts(any)?)),
            Expr::Any(any) => Ok(Filter::All(parts(any)?)),
            Expr::Not(inner) => self.holds(inner, !wanted),
            Expr::Compare(compare, sides) => match self.pair(*compare, &sides.0, &sides.1, wanted)? {
                Some(pair) => Ok(pair),
                None => Ok(so(self.compare(*compare, &sides.0, &sides.1)?, wanted)),
            },
            Expr::In(left, values) => Ok(so(self.among(left, values)?, wanted)),
            Expr::Call(
                function @ (Function::Contains | Function::StartsWith | Function::EndsWith),
                sides,
            ) => self.part(*function, sides, wanted),
            Expr::Call(function, _) => Err(wrong(format!("`{}` is no condition", function.name()))),
            Expr::Lambda { all, path, body } => Ok(so(self.lambda(*all, path, body.as_deref())?, wanted)),
            Expr::Path(path) => {
                let (id, leaf) = self.leaf(path)?;
                if leaf.kind != LeafKind::Boolean {
                    return Err(wrong(format!("`{}` is no condition", told(path))));
                }
                Ok(Filter::test(id, Op::Eq, Value::Boolean(wanted)))
            }
            Expr::Literal(Literal::Boolean(is)) if *is == wanted => Ok(Filter::everything()),
            Expr::Literal(Literal::Boolean(_) | Literal::Null) => Ok(Filter::nothing()),
            Expr::Literal(Literal::Text(_) | Literal::Bare(_) | Literal::Duration(_)) => {
                Err(wrong("a value is no condition"))
            }
        }
    }

    fn compare(&self, compare: Compare, left: &'a Expr, right: &'a Expr) -> Result<Filter, Fault> {
        let equal = |filter: Filter| so(filter, compare == Compare::Equal);
        match (self.operand(left)?, self.operand(right)?, compare) {
            (Operand::Value(_), Operand::Value(_), _) => {
                Err(Fault::unsupported("a comparison of two values in a filter"))
            }
            // The value comes last.
            (Operand::Value(_), _, _) => self.compare(turned(compare), right, left),
            (Operand::Condition(condition), Operand::Value(value), Compare::Equal | Compare::NotEqual) => {
                match value {
                    Literal::Boolean(is) => Ok(equal(self.holds(condition, *is)?)),
                    Literal::Null => {
                        let known =
                            Filter::Any(vec![self.holds(condition, true)?, self.holds(condition, false)?]);
                        Ok(equal(Filter::Not(Box::new(known))))
                    }
                    Literal::Text(_) | Literal::Bare(_) | Literal::Duration(_) => {
                        Err(wrong("a condition is `true` or `false`"))
                    }
                }
            }
            (Operand::Condition(_), _, _) => Err(wrong("a condition has no order")),
            (_, Operand::Value(Literal::Null), Compare::Less | Compare::Greater) => Ok(Filter::nothing()),
            // Null is equal to itself.
            (left, Operand::Value(Literal::Null), _) => Ok(so(is_null(&left)?, compare != Compare::NotEqual)),
            (Operand::Leaf(id, leaf), Operand::Value(value), _) => {
                let op = op_of(compare);
                has_order(leaf, op)?;
                let test = Filter::test(id, op, typed(leaf, value)?);
                Ok(so(test, compare != Compare::NotEqual))
            }
            (Operand::Derived(id, leaf, by), Operand::Value(value), _) => {
                let test = derived::compared((id, leaf), by, compare, value)?;
                Ok(so(test, compare != Compare::NotEqual))
            }
            (_, Operand::Leaf(..) | Operand::Derived(..) | Operand::Condition(_), _) => {
                Err(Fault::unsupported("a comparison with a condition in a filter"))
            }
        }
    }

    fn among(&self, left: &'a Expr, values: &'a [Expr]) -> Result<Filter, Fault> {
        if values.len() > self.names.values_max {
            let message = format!("at most {} values", self.names.values_max);
            return Err(Fault::of(OPTION, QueryFaultKind::TooMany, message));
        }
        let Operand::Leaf(id, leaf) = self.operand(left)? else {
            return Err(Fault::unsupported("`in` of anything but a field"));
        };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            match value {
                Expr::Literal(Literal::Null) | Expr::Path(_) | Expr::Call(..) => {
                    return Err(Fault::unsupported("anything but values other than null in a list of `in`"));
                }
                Expr::Literal(value) => texts.push(typed(leaf, value)?),
                _ => return Err(wrong("expected a value in the list of `in`")),
            }
        }
        Ok(Filter::test(id, Op::In, Value::List(texts)))
    }

    /// `contains`, `startswith`, `endswith`: of null they are null, which is neither true nor false.
    fn part(&self, function: Function, sides: &'a [Expr], wanted: bool) -> Result<Filter, Fault> {
        let [text, part] = sides else { return Err(wrong("expected two arguments")) };
        let op = match function {
            Function::StartsWith => Op::StartsWith,
            Function::EndsWith => Op::EndsWith,
            _ => Op::Contains,
        };
        let text = self.operand(text)?;
        let of_texts = || wrong(format!("`{}` is of texts", function.name()));
        let (id, by) = match text {
            Operand::Leaf(id, leaf) if is_text(&leaf.kind) => (id, Vec::new()),
            Operand::Derived(id, _, (by, Sort::Text)) => (id, by),
            Operand::Value(_) | Operand::Condition(_) => {
                return Err(Fault::unsupported(format!("`{}` of a value", function.name())));
            }
            Operand::Leaf(..) | Operand::Derived(..) => return Err(of_texts()),
        };
        let null = |id| Filter::test(id, Op::Eq, Value::Null);
        let mut nulls = vec![null(id)];
        let test = match self.operand(part)? {
            Operand::Value(Literal::Null) => return Ok(Filter::nothing()),
            Operand::Value(Literal::Text(part)) if by.is_empty() => {
                Filter::test(id, op, Value::Text(part.as_str().into()))
            }
            Operand::Value(Literal::Text(part)) => {
                Filter::Derived { leaf: id, by, op, value: Value::Text(part.as_str().into()) }
            }
            Operand::Value(_) => return Err(text_due()),
            other => {
                let (_, part, sort) = pair::side(other).ok_or_else(of_texts)?;
                if sort != Sort::Text {
                    return Err(of_texts());
                }
                nulls.push(null(part.leaf));
                Filter::Pair { left: Side { leaf: id, by }, op, right: part }
            }
        };
        if wanted {
            return Ok(test);
        }
        nulls.insert(0, test);
        Ok(Filter::Not(Box::new(Filter::Any(nulls))))
    }

    fn lambda(&self, all: bool, path: &str, body: Option<&'a (String, Expr)>) -> Result<Filter, Fault> {
        if self.item.is_some() {
            return Err(Fault::unsupported("`any` and `all` inside each other"));
        }
        let path = path.replace('/', ".");
        let entity = self.names.entity;
        let clear = entity.leaves_under(&path).intersection(self.names.clear);
        let items = Items::at(entity, &path).filter(|_| !clear.is_empty());
        let Some(items) = items else { return Err(self.unknown(&path)) };
        // An item of which the caller sees nothing is not there for it.
        let held = clear.minus(self.names.unheld);
        let seen = held.iter().map(|leaf| Filter::Not(Box::new(Filter::test(leaf, Op::Eq, Value::Null))));
        let seen = Filter::Any(seen.collect());
        let asked = match body {
            None => Filter::everything(),
            Some((variable, _)) if entity.root.field(variable).is_some() => {
                let message = format!("`{}` is a field; call the item something else", told(variable));
                return Err(Fault::of(OPTION, QueryFaultKind::Operator, message));
            }
            Some((variable, body)) => {
                Binder { names: self.names, item: Some(Item { variable, path: &path, record: None }) }
                    .holds(body, true)?
            }
        };
        let asked = so(asked, !all);
        Ok(so(Filter::Item(items, Box::new(seen.and(asked))), !all))
    }

    pub(super) fn operand(&self, expr: &'a Expr) -> Result<Operand<'a>, Fault> {
        match expr {
            Expr::Literal(value) => Ok(Operand::Value(value)),
            Expr::Path(path) => self.leaf(path).map(|(id, leaf)| Operand::Leaf(id, leaf)),
            Expr::Call(function, arguments) => match derived::of(*function, arguments)? {
                Some((by, field)) => self.worked_out(*function, by, field),
                None => Ok(Operand::Condition(expr)),
            },
            Expr::All(_)
            | Expr::Any(_)
            | Expr::Not(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Lambda { .. } => Ok(Operand::Condition(expr)),
        }
    }

    fn worked_out(&self, function: Function, by: Vec<Derive>, path: &str) -> Result<Operand<'a>, Fault> {
        let (id, leaf) = self.leaf(path)?;
        match derived::settled(by, &leaf.kind) {
            // The day of a day.
            Some((by, Sort::Day)) if by == [Derive::Date] && leaf.kind == LeafKind::Date => {
                Ok(Operand::Leaf(id, leaf))
            }
            Some(settled) => Ok(Operand::Derived(id, leaf, settled)),
            None => {
                let message = format!("`{}` means nothing of `{}`", function.name(), names::of(leaf));
                Err(Fault::of(OPTION, QueryFaultKind::Operator, message))
            }
        }
    }

    /// The leaf of a path, of those that may serve.
    fn leaf(&self, path: &str) -> Result<(LeafId, &'a Leaf), Fault> {
        let dotted = path.replace('/', ".");
        let (full, is_own) = self.item.map_or_else(|| (dotted.clone(), false), |item| item.full(&dotted));
        let entity = self.names.entity;
        let id = entity.leaf_at(&full).filter(|id| self.names.clear.contains(*id));
        let Some((id, leaf)) = id.and_then(|id| Some((id, entity.leaf(id)?))) else {
            return Err(self.unknown(&full));
        };
        if self.names.unheld.contains(id) {
            return Err(names::unheld(OPTION, leaf));
        }
        let own_list = self.item.filter(|_| is_own).map_or("", |item| item.path);
        if leaf.in_list && !is_single_under(entity, own_list, &full) {
            let message = format!("`{}` has several values, ask `any` or `all` of its list", names::of(leaf));
            return Err(Fault::of(OPTION, QueryFaultKind::Operator, message));
        }
        Ok((id, leaf))
    }

    fn unknown(&self, path: &str) -> Fault {
        names::unknown(OPTION, self.names.entity, self.names.clear, path)
    }
}

/// Whether a leaf in a list is single inside one item of the list at `list`.
pub(in crate::odata) fn is_single_under(entity: &Entity, list: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(list).filter(|_| !list.is_empty()) else { return false };
    let mut inner = list.to_owned();
    for step in rest.split('.').filter(|step| !step.is_empty()) {
        inner.push('.');
        inner.push_str(step);
        if names::is_list(entity, &inner) {
            return false;
        }
    }
    true
}

/// The filter, or its opposite.
pub(super) fn so(filter: Filter, wanted: bool) -> Filter {
    if wanted { filter } else { Filter::Not(Box::new(filter)) }
}

fn is_null(operand: &Operand<'_>) -> Result<Filter, Fault> {
    match operand {
        Operand::Leaf(id, _) | Operand::Derived(id, ..) => Ok(Filter::test(*id, Op::Eq, Value::Null)),
        Operand::Value(_) | Operand::Condition(_) => Err(wrong("expected a field")),
    }
}

/// Whether a field can be compared so.
pub(super) fn has_order(leaf: &Leaf, op: Op) -> Result<(), Fault> {
    if query::fits(&leaf.kind, op) {
        return Ok(());
    }
    let message = format!("`{}` has no order, so it can only be equal or not", names::of(leaf));
    Err(Fault::of(OPTION, QueryFaultKind::Operator, message))
}

/// A value as one of a leaf's.
fn typed(leaf: &Leaf, value: &Literal) -> Result<Value, Fault> {
    let bad = |bad: value::BadValue| Fault::value(OPTION, format!("`{}`: {bad}", names::of(leaf)));
    match (&leaf.kind, value) {
        (LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id, Literal::Text(text)) => {
            // Empty text equals nothing, and is no mistake here: clients ask for it beside null.
            if text.is_empty() {
                return Ok(Value::Text("".into()));
            }
            value::parse_text(&leaf.kind, text).map_err(bad)
        }
        (LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id, _) => Err(text_due()),
        (LeafKind::Boolean, Literal::Boolean(is)) => Ok(Value::Boolean(*is)),
        (LeafKind::Decimal, Literal::Bare(text)) => value::number(text).map(Value::Decimal).map_err(bad),
        (LeafKind::Instant, Literal::Bare(text)) => {
            range::instant(text).map(Value::Instant).ok_or(value::BadValue::Instant).map_err(bad)
        }
        (LeafKind::Integer | LeafKind::Date, Literal::Bare(text)) => {
            value::parse_text(&leaf.kind, text).map_err(bad)
        }
        (LeafKind::Boolean, _) => Err(bad(value::BadValue::Boolean)),
        (LeafKind::Decimal | LeafKind::Integer | LeafKind::Date | LeafKind::Instant, _) => {
            Err(Fault::value(OPTION, format!("`{}` takes a value without quotes", names::of(leaf))))
        }
    }
}

/// `ne` is the opposite of `eq`, null included.
pub(super) fn op_of(compare: Compare) -> Op {
    match compare {
        Compare::Equal | Compare::NotEqual => Op::Eq,
        Compare::Less => Op::Lt,
        Compare::LessOrEqual => Op::Lte,
        Compare::Greater => Op::Gt,
        Compare::GreaterOrEqual => Op::Gte,
    }
}

fn turned(compare: Compare) -> Compare {
    match compare {
        Compare::Equal | Compare::NotEqual => compare,
        Compare::Less => Compare::Greater,
        Compare::LessOrEqual => Compare::GreaterOrEqual,
        Compare::Greater => Compare::Less,
        Compare::GreaterOrEqual => Compare::LessOrEqual,
    }
}

pub(super) fn is_text(kind: &LeafKind) -> bool {
    matches!(kind, LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id)
}

pub(super) fn wrong(message: impl Into<String>) -> Fault {
    Fault::of(OPTION, QueryFaultKind::Operator, message)
}

pub(super) fn text_due() -> Fault {
    Fault::value(OPTION, "expected a text in quotes")
}
