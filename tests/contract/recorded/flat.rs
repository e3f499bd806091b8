//! A body as its values by their places: `lines[0].price` is `19.90`, whatever the order and the white space.

use std::collections::BTreeMap;

use bramka::mapping::{Tag, Tags};
use serde_json::Value;

/// The values of a body by their places, with how they are written: a text in quotes.
pub(super) fn flat(body: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    match body.trim_start().starts_with('<') {
        true => of_xml(body, &mut found),
        false => of_json("", &serde_json::from_str(body).unwrap(), &mut found),
    }
    found
}

fn of_json(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                of_json(&at, value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, item)| of_json(&format!("{at}[{n}]"), item, found));
        }
        // `100` and `100.00` are one number.
        Value::Number(number) => drop(found.insert(at.to_owned(), number.as_f64().unwrap().to_string())),
        value => drop(found.insert(at.to_owned(), value.to_string())),
    }
}

/// Elements that hold a text; the names are local, and the same name twice is counted.
fn of_xml(body: &str, found: &mut BTreeMap<String, String>) {
    let mut tags = Tags::new(body.as_bytes()).unwrap();
    let (mut path, mut is_leaf): (Vec<String>, bool) = (Vec::new(), false);
    loop {
        match tags.step().unwrap() {
            Tag::Open(name) => {
                path.push(name.to_owned());
                is_leaf = true;
            }
            Tag::Close(text) => {
                let at = path.join(".");
                let again = (1..).map(|n| format!("{at}[{n}]")).find(|at| !found.contains_key(at));
                if is_leaf {
                    let at = if found.contains_key(&at) { again.unwrap() } else { at };
                    found.insert(at, format!("\"{text}\""));
                }
                path.pop();
                is_leaf = false;
            }
            Tag::Over => return,
        }
    }
}
