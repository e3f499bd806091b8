//! A record as JSON: no tree, no float, no name looked up.

use crate::schema::{
    entity::{Entity, Object, Shape},
    fields::FieldSet,
    record::{Fields, Record, Value},
    value,
};

/// Writes a record as a JSON object, in schema order.
///
/// With `fields` only those leaves are written. Null is written as absence (hidden and empty look the same),
/// and so is an object with nothing to show. A list of objects keeps its number of items: one with nothing
/// to show is `{}`.
pub fn write(entity: &Entity, record: &Record, fields: Option<&FieldSet>, out: &mut Vec<u8>) {
    object(&entity.root, &record.fields, fields, out);
}

/// Writes a text as a JSON string.
pub fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, tail)) = tail.split_first() else { break };
        escape(*special, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Writes an object; answers whether it holds anything.
fn object(object: &Object, fields: &Fields, wanted: Option<&FieldSet>, out: &mut Vec<u8>) -> bool {
    let mut any = false;
    out.push(b'{');
    for (position, found) in fields.iter() {
        let Some(field) = object.at(position) else { continue };
        if wanted.is_some_and(|wanted| !wanted.any_in(&field.leaves)) {
            continue;
        }
        let before = out.len();
        if any {
            out.push(b',');
        }
        // Names of fields are checked at load to hold nothing that would need escaping.
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        if member(&field.shape, found, wanted, out) {
            any = true;
        } else {
            out.truncate(before);
        }
    }
    out.push(b'}');
    any
}

/// Writes a value under its name; answers whether there was anything to show.
fn member(shape: &Shape, found: &Value, wanted: Option<&FieldSet>, out: &mut Vec<u8>) -> bool {
    match (shape, found) {
        (Shape::Leaf(_), found) => leaf(found, out),
        (Shape::Object(shape), Value::Object(fields)) => object(shape, fields, wanted, out),
        (Shape::List(item), Value::List(values)) => {
            list(item, values, wanted, out);
            true
        }
        (Shape::Object(_) | Shape::List(_), _) => false,
    }
}

fn list(item: &Shape, values: &[Value], wanted: Option<&FieldSet>, out: &mut Vec<u8>) {
    out.push(b'[');
    let mut any = false;
    for found in values {
        let before = out.len();
        if any {
            out.push(b',');
        }
        let written = match (item, found) {
            (Shape::Object(shape), Value::Object(fields)) => {
                object(shape, fields, wanted, out);
                true
            }
            (Shape::Object(_), _) => {
                out.extend_from_slice(b"{}");
                true
            }
            (Shape::Leaf(_) | Shape::List(_), found) => member(item, found, wanted, out),
        };
        if written {
            any = true;
        } else {
            out.truncate(before);
        }
    }
    out.push(b']');
}

fn leaf(found: &Value, out: &mut Vec<u8>) -> bool {
    match found {
        Value::Text(found) => text(found, out),
        Value::Boolean(_) | Value::Integer(_) => value::print(found, out),
        Value::Decimal(_) | Value::Date(_) | Value::Instant(_) => {
            out.push(b'"');
            value::print(found, out);
            out.push(b'"');
        }
        Value::Null | Value::Object(_) | Value::List(_) => return false,
    }
    true
}
