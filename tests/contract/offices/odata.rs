//! What two systems that speak OData 4 have in common: options, conditions, orders and pages over rows of JSON.

use serde_json::Value;

use crate::conditions::{By, Fields, Language, Reader, Row, sort, tokens};

/// The options of a list.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) select: Option<Vec<String>>,
    pub(super) expand: Option<String>,
    pub(super) skip: usize,
    rest: Vec<(String, String)>,
}

/// Reads the options that a system knows; others are refused by name.
pub(super) fn options(pairs: &[(String, String)], others: &[&str]) -> Result<Options, String> {
    let mut out = Options::default();
    for (name, value) in pairs {
        match name.as_str() {
            "$select" => out.select = Some(value.split(',').map(str::to_owned).collect()),
            "$expand" => out.expand = Some(value.clone()),
            "$skip" | "$skiptoken" => out.skip = value.parse().map_err(|_| name.clone())?,
            "$filter" | "$orderby" => out.rest.push((name.clone(), value.clone())),
            other if others.contains(&other) => {}
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(out)
}

/// The rows that fit, in their order, and whether there are more behind the page.
pub(super) fn page(
    options: &Options,
    fields: Fields,
    rows: &[Row],
    size: usize,
) -> Result<(Vec<Row>, bool), String> {
    let mut rows: Vec<Row> = rows.to_vec();
    for (name, text) in &options.rest {
        let tokens = tokens(Language::Odata, text).map_err(|bad| format!("{bad:?}"))?;
        let mut reader = Reader::new(Language::Odata, fields, &tokens);
        if name == "$filter" {
            let condition = reader.condition(0).map_err(|bad| format!("{bad:?}"))?;
            reader.end().map_err(|bad| format!("{bad:?}"))?;
            rows.retain(|row| condition.holds(row));
            continue;
        }
        let mut order = Vec::new();
        loop {
            let (name, kind) = reader.field().map_err(|bad| format!("{bad:?}"))?;
            let descending = !reader.word("asc") && reader.word("desc");
            order.push(By { name, kind, descending, nulls_last: false });
            if !reader.sign(",") {
                break;
            }
        }
        reader.end().map_err(|bad| format!("{bad:?}"))?;
        sort(&mut rows, &order);
    }
    let more = rows.len() > options.skip + size;
    Ok((rows.into_iter().skip(options.skip).take(size).collect(), more))
}

/// A record as it is answered: what was asked for, annotations aside.
pub(super) fn shown(row: &Row, options: &Options) -> Result<Value, String> {
    let mut out = row.clone();
    if let Some(select) = &options.select {
        if let Some(name) = select.iter().find(|name| !row.contains_key(*name)) {
            return Err(format!("Property '{name}' is invalid"));
        }
        let expand = options.expand.as_deref();
        out.retain(|name, _| name.starts_with('@') || select.contains(name) || Some(name.as_str()) == expand);
    }
    Ok(out.into())
}

/// The size of a page that is preferred.
pub(super) fn preferred(prefer: Option<&str>) -> Option<usize> {
    prefer?.strip_prefix("odata.maxpagesize=")?.parse().ok()
}

/// The parts of a key in parentheses: `(7)`, `('a')`, `(a='x',b='y')`; a name is empty where there is one part.
pub(super) fn key(text: &str) -> Option<Vec<(String, String)>> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    let mut rest = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut parts = Vec::new();
    loop {
        let name = match rest.split_once('=') {
            Some((name, after)) if name.chars().all(char::is_alphanumeric) => {
                rest = after;
                name.to_owned()
            }
            _ => String::new(),
        };
        let mut value = String::new();
        match rest.strip_prefix('\'') {
            Some(mut inside) => loop {
                let (before, after) = inside.split_once('\'')?;
                value.push_str(before);
                match after.strip_prefix('\'') {
                    Some(more) => {
                        value.push('\'');
                        inside = more;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            },
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                value.push_str(&rest[..end]);
                value.parse::<u64>().ok()?;
                rest = &rest[end..];
            }
        }
        parts.push((name, value));
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.is_empty().then_some(parts),
        }
    }
}
