//! A body becomes a proposed record, or all that is wrong with it at once.
//!
//! What may be written is the caller's [`View`]: a field the caller can neither write nor see is answered
//! exactly as one that does not exist, and hints name visible fields only. Recursion is bounded by the
//! entity's depth, skipping by the tokens' depth, the list of faults by [`FAULTS_MAX`](super::FAULTS_MAX).

mod tell;

pub(in crate::schema) use self::tell::shortened;
use self::tell::{expectation, kind_of};

use super::{
    tokens::{Token, Tokens},
    view::{Body, Fault, FaultKind, Proposed, View},
};
use crate::schema::{
    entity::{Entity, Field, Leaf, LeafKind, Object, Shape},
    fields::{FieldSet, LeafId},
    record::{Fields, Value},
    value,
};

/// Reads a body.
///
/// # Errors
/// All faults, at most [`FAULTS_MAX`](super::FAULTS_MAX); never empty.
pub fn read(entity: &Entity, bytes: &[u8], view: &View) -> Result<Proposed, Vec<Fault>> {
    let mut reader = Reader {
        view,
        kinds: &entity.leaves,
        path: Vec::new(),
        faults: Vec::new(),
        present: FieldSet::EMPTY,
        cleared: FieldSet::EMPTY,
        emptied: FieldSet::EMPTY,
    };
    let fields = Tokens::new(bytes).map_err(|error| reader.syntax(&error)).and_then(|mut tokens| {
        let fields = reader.body(&mut tokens, &entity.root)?;
        tokens.next().map_err(|error| reader.syntax(&error))?;
        Ok(fields)
    });
    match fields {
        Ok(fields) if reader.faults.is_empty() => {
            let Reader { present, cleared, emptied, .. } = reader;
            Ok(Proposed { record: fields.into(), present, cleared, emptied })
        }
        Ok(_) | Err(Stop) => Err(reader.faults),
    }
}

/// Reading cannot go on; the reason is among the faults.
struct Stop;

/// One step of the way to where we are.
enum Step<'e> {
    Name(&'e str),
    Index(usize),
}

/// Whether null clears here (RFC 7396) or is a value like others (new records, items of lists).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Clear,
    Literal,
}

struct Reader<'e> {
    view: &'e View,
    kinds: &'e [Leaf],
    path: Vec<Step<'e>>,
    faults: Vec<Fault>,
    present: FieldSet,
    cleared: FieldSet,
    emptied: FieldSet,
}

impl<'e> Reader<'e> {
    fn body(&mut self, tokens: &mut Tokens<'_>, root: &'e Object) -> Result<Fields, Stop> {
        let nulls = match self.view.body {
            Body::Create => Nulls::Literal,
            Body::Patch | Body::Replace => Nulls::Clear,
        };
        let first = self.next(tokens)?;
        if first != Token::ObjectStart {
            self.mistyped("an object", &first)?;
            self.skip(tokens, &first)?;
            return Ok(Fields::default());
        }
        self.object(tokens, root, nulls)
    }

    /// The members of an object whose brace was just read.
    fn object(&mut self, tokens: &mut Tokens<'_>, object: &'e Object, nulls: Nulls) -> Result<Fields, Stop> {
        let mut fields = Fields::with_capacity(object.fields.len().min(8));
        // Every field has a leaf, so positions are below 256 as leaves are.
        let mut seen = FieldSet::EMPTY;
        while let Token::Key(name) = self.next(tokens)? {
            let first = self.next(tokens)?;
            let known = object.field(&name).filter(|(_, field)| self.is_known(field));
            let Some((position, field)) = known else {
                self.unknown(object, &name)?;
                self.skip(tokens, &first)?;
                continue;
            };
            self.path.push(Step::Name(&field.name));
            let bit = LeafId(u8::try_from(position).unwrap_or(u8::MAX));
            let found = if seen.contains(bit) {
                self.fault(FaultKind::Duplicate, format!("`{}` stands here a second time", field.name))?;
                self.skip(tokens, &first)?;
                None
            } else if !self.view.writable.any_in(&field.leaves) {
                self.fault(FaultKind::NotWritable, format!("`{}` cannot be written here", field.name))?;
                self.skip(tokens, &first)?;
                None
            } else {
                self.member(tokens, field, first, nulls)?
            };
            self.path.pop();
            seen.insert(bit);
            if let Some(found) = found {
                fields.set(position, found);
            }
        }
        if self.needs_all(nulls) {
            self.missing(object, &seen)?;
        }
        Ok(fields)
    }

    /// Whether what is not mentioned here would be empty afterwards.
    fn needs_all(&self, nulls: Nulls) -> bool {
        match (self.view.body, nulls) {
            (Body::Create | Body::Replace, _) | (Body::Patch, Nulls::Literal) => true,
            (Body::Patch, Nulls::Clear) => false,
        }
    }

    fn missing(&mut self, object: &'e Object, seen: &FieldSet) -> Result<(), Stop> {
        for (position, field) in (0_u8..).zip(&object.fields) {
            if !seen.contains(LeafId(position)) && self.is_required(field) && self.is_known(field) {
                self.path.push(Step::Name(&field.name));
                self.fault(FaultKind::Missing, format!("`{}` is missing", field.name))?;
                self.path.pop();
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        tokens: &mut Tokens<'_>,
        field: &'e Field,
        first: Token<'_>,
        nulls: Nulls,
    ) -> Result<Option<Value>, Stop> {
        if first != Token::Null {
            return self.value(tokens, field, &field.shape, first, nulls);
        }
        self.present = self.present.union(&self.writable_in(field));
        match nulls {
            _ if field.nullable => Ok(Some(self.clear(field))),
            Nulls::Clear if !self.is_required(field) => Ok(Some(self.clear(field))),
            Nulls::Clear => {
                self.fault(
                    FaultKind::Null,
                    format!("`{}` must have a value and cannot be cleared", field.name),
                )?;
                Ok(None)
            }
            Nulls::Literal => {
                self.fault(FaultKind::Null, "null is no value here; leave the field out".to_owned())?;
                Ok(None)
            }
        }
    }

    /// What null stands for: every leaf under the field that the caller may write, cleared. What it may not
    /// write stays, and does not show by being in the way.
    fn clear(&mut self, field: &Field) -> Value {
        self.cleared = self.cleared.union(&self.writable_in(field));
        if !matches!(field.shape, Shape::Leaf(_)) {
            self.emptied = self.emptied.union(&FieldSet::of_range(&field.leaves));
        }
        match &field.shape {
            Shape::Leaf(_) | Shape::List(_) => Value::Null,
            Shape::Object(object) => Value::Object(cleared(object, &self.view.writable)),
        }
    }

    fn value(
        &mut self,
        tokens: &mut Tokens<'_>,
        field: &'e Field,
        shape: &'e Shape,
        first: Token<'_>,
        nulls: Nulls,
    ) -> Result<Option<Value>, Stop> {
        match (shape, first) {
            (Shape::Leaf(leaf), first) => self.leaf(tokens, *leaf, field, first),
            (Shape::Object(object), Token::ObjectStart) => {
                self.object(tokens, object, nulls).map(|fields| Some(Value::Object(fields)))
            }
            (Shape::List(item), Token::ListStart) => self.list(tokens, field, item),
            (Shape::Object(_), first) => {
                self.mistyped("an object", &first)?;
                self.skip(tokens, &first)?;
                Ok(None)
            }
            (Shape::List(_), first) => {
                self.mistyped("a list", &first)?;
                self.skip(tokens, &first)?;
                Ok(None)
            }
        }
    }

    /// The items of a list whose bracket was just read.
    fn list(
        &mut self,
        tokens: &mut Tokens<'_>,
        field: &'e Field,
        item: &'e Shape,
    ) -> Result<Option<Value>, Stop> {
        let most = usize::try_from(field.items_max).unwrap_or(usize::MAX);
        let outside = tokens.depth().saturating_sub(1);
        let mut values = Vec::new();
        loop {
            let first = self.next(tokens)?;
            if first == Token::ListEnd {
                break;
            }
            if values.len() >= most {
                self.fault(FaultKind::TooMany, format!("`{}` holds at most {most} items", field.name))?;
                while tokens.depth() > outside {
                    self.next(tokens)?;
                }
                return Ok(None);
            }
            self.path.push(Step::Index(values.len()));
            let value = match first {
                Token::Null => {
                    self.fault(FaultKind::Null, "null is no item; leave it out".to_owned())?;
                    None
                }
                first => self.value(tokens, field, item, first, Nulls::Literal)?,
            };
            self.path.pop();
            // A faulty item still counts, so that pointers and the bound stay right.
            values.push(value.unwrap_or(Value::Null));
        }
        if values.is_empty() {
            self.present = self.present.union(&self.writable_in(field));
        }
        Ok(Some(Value::List(values)))
    }

    fn leaf(
        &mut self,
        tokens: &mut Tokens<'_>,
        leaf: LeafId,
        field: &'e Field,
        token: Token<'_>,
    ) -> Result<Option<Value>, Stop> {
        self.present.insert(leaf);
        let Some(kind) = self.kinds.get(usize::from(leaf.0)).map(|leaf| &leaf.kind) else { return Ok(None) };
        let read = match (kind, &token) {
            (LeafKind::Boolean, Token::Boolean(boolean)) => Ok(Value::Boolean(*boolean)),
            (LeafKind::Integer, Token::Number(number)) => value::integer(number).map(Value::Integer),
            (LeafKind::Decimal, Token::Number(number)) => value::number(number).map(Value::Decimal),
            (LeafKind::Integer | LeafKind::Boolean, token) => {
                let expected =
                    if *kind == LeafKind::Integer { "a whole number" } else { "`true` or `false`" };
                self.mistyped(expected, token)?;
                self.skip(tokens, token)?;
                return Ok(None);
            }
            (kind, Token::Text(text)) => value::parse_text(kind, text),
            (kind, token) => {
                self.mistyped(expectation(kind), token)?;
                self.skip(tokens, token)?;
                return Ok(None);
            }
        };
        match read {
            // What must be there must say something: empty text equals nothing.
            Ok(Value::Text(text)) if text.is_empty() && self.is_required(field) => {
                self.fault(FaultKind::Missing, format!("`{}` must not be empty", field.name))?;
                Ok(None)
            }
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.fault(kind_of(&error), error.to_string())?;
                Ok(None)
            }
        }
    }

    fn next<'t>(&mut self, tokens: &mut Tokens<'t>) -> Result<Token<'t>, Stop> {
        tokens.next().map_err(|error| self.syntax(&error))
    }

    fn skip(&mut self, tokens: &mut Tokens<'_>, first: &Token<'_>) -> Result<(), Stop> {
        tokens.skip(first).map_err(|error| self.syntax(&error))
    }

    /// Whether the caller may know that the field exists.
    fn is_known(&self, field: &Field) -> bool {
        self.view.visible.any_in(&field.leaves) || self.view.writable.any_in(&field.leaves)
    }

    fn is_required(&self, field: &Field) -> bool {
        let inside = self.view.required.any_in(&field.leaves);
        match field.shape {
            Shape::Leaf(_) => inside,
            Shape::Object(_) | Shape::List(_) => inside && field.required,
        }
    }

    fn writable_in(&self, field: &Field) -> FieldSet {
        self.view.writable.intersection(&FieldSet::of_range(&field.leaves))
    }
}

/// Every leaf of an object that may be written, as null.
pub(in crate::schema) fn cleared(object: &Object, writable: &FieldSet) -> Fields {
    let mut fields = Fields::default();
    for (position, field) in (0_u16..).zip(&object.fields) {
        if writable.any_in(&field.leaves) {
            let value = match &field.shape {
                Shape::Leaf(_) | Shape::List(_) => Value::Null,
                Shape::Object(object) => Value::Object(cleared(object, writable)),
            };
            fields.set(position, value);
        }
    }
    fields
}
