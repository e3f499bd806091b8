//! A little XML of the stand-in's own, so that nothing of the gate's reader or writer is tried against itself: an
//! element is an object, `@x` an attribute, `#` the text beside attributes, a repeated element a list.

use serde_json::{Map, Value, json};

/// A tree as a document; texts stand in CDATA, as the shop writes them.
pub(crate) fn document(tree: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    for (name, value) in tree.as_object().unwrap() {
        element(name, value, &mut out);
    }
    out
}

fn element(name: &str, value: &Value, out: &mut String) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| element(name, item, out));
    }
    out.push('<');
    out.push_str(name);
    for (key, value) in value.as_object().into_iter().flatten() {
        if let Some(attribute) = key.strip_prefix('@') {
            let value = escaped(value.as_str().unwrap());
            out.push_str(&format!(" {attribute}=\"{value}\""));
        }
    }
    out.push('>');
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "#" => text(value, out),
                    _ if key.starts_with('@') => {}
                    _ => element(key, value, out),
                }
            }
        }
        _ => text(value, out),
    }
    out.push_str(&format!("</{name}>\n"));
}

fn text(value: &Value, out: &mut String) {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if !text.is_empty() {
        out.push_str(&format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>")));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// A document as a tree; `None` where it is none.
pub(crate) fn tree(document: &str) -> Option<Value> {
    let mut rest = document.trim_start();
    if let Some(declared) = rest.strip_prefix("<?xml") {
        rest = declared.split_once("?>")?.1.trim_start();
    }
    let (name, value, rest) = read(rest)?;
    rest.trim().is_empty().then(|| json!({ name: value }))
}

/// The element at the beginning, and what comes after it.
fn read(text: &str) -> Option<(String, Value, &str)> {
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
    let name = tag.split_whitespace().next()?.to_owned();
    let mut members = Map::new();
    for attribute in tag.split_whitespace().skip(1) {
        let (key, value) = attribute.split_once('=')?;
        members.insert(format!("@{key}"), unescaped(value.trim_matches(['"', '\'']))?.into());
    }
    let mut said = String::new();
    loop {
        if is_empty {
            break;
        }
        if let Some(after) = rest.strip_prefix("</") {
            let (closed, after) = after.split_once('>')?;
            if closed != name {
                return None;
            }
            rest = after;
            break;
        }
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let (plain, after) = after.split_once("]]>")?;
            said.push_str(plain);
            rest = after;
        } else if rest.starts_with('<') {
            let (child, value, after) = read(rest)?;
            rest = after;
            match members.get_mut(&child) {
                None => drop(members.insert(child, value)),
                Some(Value::Array(items)) => items.push(value),
                Some(one) => *one = json!([one.clone(), value]),
            }
        } else {
            let (plain, _) = rest.split_once('<')?;
            said.push_str(&unescaped(plain)?);
            rest = rest.strip_prefix(plain)?;
        }
    }
    let has_children = members.keys().any(|key| !key.starts_with('@'));
    let value = match (members.is_empty(), has_children) {
        (true, _) => said.into(),
        (false, true) => Value::Object(members),
        (false, false) => {
            members.insert("#".into(), said.into());
            Value::Object(members)
        }
    };
    Some((name, value, rest))
}

/// The predefined entities and character references.
fn unescaped(text: &str) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';')?;
        rest = after;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => match name.strip_prefix("#x") {
                Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?)?,
                None => char::from_u32(name.strip_prefix('#')?.parse().ok()?)?,
            },
        });
    }
    out.push_str(rest);
    Some(out)
}
