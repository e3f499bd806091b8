//! Where the records stand in an answer: it is one, or a list of them, or has something around either.

use serde_json::{Map, Value as Json};

use super::names::{flat, words};

/// LIMIT: names around the records of an answer.
const AROUND_MAX: usize = 6;
/// LIMIT: what stands beside the list of a page; a record with lines holds more.
const BESIDE_MAX: usize = 6;
/// Names that say something of an answer, and nothing of a record.
const OF_ANSWERS: [&str; 44] = [
    "api_version",
    "code",
    "count",
    "cursor",
    "errors",
    "has_more",
    "hasmore",
    "jsonapi",
    "kind",
    "limit",
    "link",
    "links",
    "max_results",
    "message",
    "messages",
    "meta",
    "metadata",
    "next",
    "offset",
    "ok",
    "page",
    "page_info",
    "pages",
    "paging",
    "pagination",
    "parameters",
    "params",
    "previous",
    "request_id",
    "result_code",
    "self",
    "size",
    "start",
    "start_position",
    "status",
    "success",
    "time",
    "timestamp",
    "total",
    "total_count",
    "total_pages",
    "totals",
    "version",
    "warnings",
];

/// Where the records stand in an answer, as the names that lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// One record.
    Record(Vec<String>),
    /// A list of them.
    List(Vec<String>),
}

impl Stands {
    /// `entity` is what the records are: what stands around them may call them so.
    pub(super) fn of(answer: &Json, entity: &str) -> Self {
        let mut path = Vec::new();
        let mut at = answer;
        if let Some(result) = result(answer) {
            path.push(RESULT.to_owned());
            at = result;
        }
        while let Some((name, inside)) =
            at.as_object().filter(|_| path.len() < AROUND_MAX).and_then(|map| inner(map, entity))
        {
            path.push(name.clone());
            at = inside;
        }
        if at.is_array() { Self::List(path) } else { Self::Record(path) }
    }

    /// The same of a document, in which a list of one looks like one: there the name around it tells.
    pub(super) fn of_xml(answer: &Json, entity: &str) -> Self {
        match Self::of(answer, entity) {
            Self::Record(path) if matches!(path.as_slice(), [.., many, one] if many != one && words(many) == words(one)) => {
                Self::List(path)
            }
            stands => stands,
        }
    }

    /// The names that lead there.
    pub fn path(&self) -> &[String] {
        match self {
            Self::Record(path) | Self::List(path) => path,
        }
    }
}

/// The name under which JSON-RPC answers.
const RESULT: &str = "result";

/// What a call of JSON-RPC came to: its envelope has an id, and of an older one no version.
pub(super) fn result(answer: &Json) -> Option<&Json> {
    let map = answer.as_object()?;
    let is_envelope = map.keys().all(|name| matches!(&**name, "jsonrpc" | "id" | "error" | RESULT));
    let result = map.get(RESULT).filter(|result| result.is_object() || result.is_array())?;
    (is_envelope && map.contains_key("id")).then_some(result)
}

/// What the records stand in, where an object is none itself.
fn inner<'a>(map: &'a Map<String, Json>, entity: &str) -> Option<(&'a String, &'a Json)> {
    let is_page = |value: &Json| {
        let is_row = |item: &Json| item.as_object().is_some_and(|map| map.len() > 1);
        value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(is_row))
    };
    let is_called = |(name, value): &(&String, &Json)| {
        words(name) == words(entity) && (value.is_object() || is_page(value))
    };
    // An answer may have an id of its own.
    if let Some(called) = map.iter().find(is_called).filter(|_| map.len() <= BESIDE_MAX) {
        return Some(called);
    }
    let names_itself = |name: &String| matches!(&*flat(name), "id" | "uuid" | "guid");
    if map.keys().any(names_itself) {
        return None;
    }
    let lists: Vec<_> = map.iter().filter(|(_, value)| is_page(value)).collect();
    if let [list] = lists.as_slice() {
        return Some(*list).filter(|_| map.len() <= BESIDE_MAX);
    }
    let says_nothing_of_it = |name: &str| OF_ANSWERS.iter().any(|known| flat(known) == flat(name));
    let mut records = map.iter().filter(|(name, _)| !says_nothing_of_it(name));
    let only = records.next().filter(|(_, value)| value.is_object());
    only.filter(|_| records.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_found_under_what_stands_around_them() {
        let at = |answer: Json| match Stands::of(&answer, "Customer") {
            Stands::Record(path) => format!("one {}", path.join(".")),
            Stands::List(path) => format!("list {}", path.join(".")),
        };
        let row = json!({ "Id": "1", "Name": "A" });
        for (answer, is) in [
            (row.clone(), "one "),
            (json!([row]), "list "),
            (
                json!({ "QueryResponse": { "Customer": [row], "maxResults": 1 }, "time": "x" }),
                "list QueryResponse.Customer",
            ),
            (json!({ "Customer": row, "time": "x" }), "one Customer"),
            (
                json!({ "data": { "customers": { "nodes": [row], "pageInfo": { "hasNextPage": true } } } }),
                "list data.customers.nodes",
            ),
            (json!({ "success": true, "message": [], "contacts": [row] }), "list contacts"),
            (json!({ "Id": "e", "Status": "OK", "Customers": [row] }), "list Customers"),
            (json!({ "Id": "e", "Others": [row] }), "one "),
            (json!({ "jsonrpc": "2.0", "id": 1, "result": [row] }), "list result"),
            (json!({ "id": 1, "result": { "length": 1, "records": [row] } }), "list result.records"),
            (json!({ "jsonrpc": "2.0", "id": 1, "result": row }), "one result"),
            (json!({ "id": 1, "name": "A", "result": { "a": 1 } }), "one "),
            // A record with a group is not what stands around it, nor is one with lines.
            (json!({ "articleId": 1, "weight": { "value": 2, "unit": "kg" } }), "one "),
            (json!({ "number": 1, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "rows": [row] }), "one "),
            (json!({ "id": 1, "rows": [row] }), "one "),
        ] {
            assert_eq!(at(answer.clone()), is, "{answer}");
        }
    }

    #[test]
    fn an_element_under_its_plural_is_one_of_a_list() {
        let row = json!({ "@id": "1", "name": "A" });
        let list = Stands::of_xml(&json!({ "shop": { "articles": { "article": row } } }), "Product");
        assert_eq!(list, Stands::List(["shop", "articles", "article"].map(str::to_owned).to_vec()));
        let one = Stands::of_xml(&json!({ "shop": { "article": row } }), "Product");
        assert_eq!(one, Stands::Record(["shop", "article"].map(str::to_owned).to_vec()));
    }
}
