//! That no value leaves its literal: every text that a shipped file asks its system for, with whatever a caller may send
//! in it, read by the system's own rules.
//!
//! The readers here are written from what the systems document and share nothing with the writers. What is asked for
//! with a hostile text must be, sign by sign, what is asked for with a harmless one, but for the literal itself, and that
//! must be the text; or the system is not asked for it at all.

use bramka::{
    catalog::Action,
    mapping::{ListError, Mapping, NativeRequest},
    schema::{FieldSet, Filter, LeafId, LeafKind, Op, Value},
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestCaseError};
use serde_json::Value as Json;

use super::{runner, systems};

/// How a system reads what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    /// A quote inside a text is doubled (OData 4.01, Part 2 §5.1.1.14.1; OData 2 the same).
    Doubled,
    /// A backslash takes the next sign (SOQL, "Quoted String Escape Sequences").
    Backslash,
    /// A text ends at the next double quote.
    Plain,
    /// Parameters; several values of one are told apart by a comma.
    Parameters,
    /// Values in brackets, several told apart by `|`; no sign of these has another meaning.
    Brackets,
    /// A search in a variable of GraphQL: a backslash takes the next sign as it is, a text ends at the next double quote.
    Search,
    /// JSON bodies.
    Json,
    /// XML bodies.
    Xml,
}

/// What each shipped file speaks. A file that filters by texts says it here.
fn tongue(system: &str) -> Option<Tongue> {
    Some(match system {
        "erp"
        | "business-central-prices"
        | "dataverse"
        | "dataverse-contacts"
        | "sap-s4"
        | "sap-b1"
        | "finance-operations" => Tongue::Doubled,
        "salesforce" | "salesforce-contacts" | "quickbooks" | "google-ads" => Tongue::Backslash,
        "xero" => Tongue::Plain,
        "magento" | "woocommerce" | "shopify" | "mailchimp" | "getresponse" | "openboxes" => {
            Tongue::Parameters
        }
        "prestashop" => Tongue::Brackets,
        "shopify-graphql" => Tongue::Search,
        "crm" | "hubspot-companies" | "hubspot-marketing" | "ga4" | "tryton" | "magento-special-prices" => {
            Tongue::Json
        }
        "wfirma" => Tongue::Xml,
        _ => return None,
    })
}

/// What a request says, and the literals in it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    around: String,
    literals: Vec<String>,
}

impl Tongue {
    fn read(self, request: &NativeRequest, several: bool) -> Result<Said, String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut said = Said { around: format!("{} {path}?", request.method), literals: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            said.around.push_str(&format!("{name}="));
            match self {
                Self::Doubled | Self::Backslash | Self::Plain => self.texts(&value, &mut said)?,
                Self::Parameters if several => said.values(value.split(',')),
                Self::Parameters => said.values(std::iter::once(&*value)),
                Self::Brackets => said.bracketed(&value)?,
                Self::Search | Self::Json | Self::Xml => said.around.push_str(&value),
            }
            said.around.push('&');
        }
        let body = std::str::from_utf8(&request.body).map_err(|error| error.to_string())?;
        match self {
            _ if body.is_empty() => {}
            Self::Xml => said.elements(body)?,
            Self::Doubled
            | Self::Backslash
            | Self::Plain
            | Self::Parameters
            | Self::Brackets
            | Self::Search
            | Self::Json => {
                let mut body: Json = serde_json::from_str(body).map_err(|error| error.to_string())?;
                if let (Self::Search, Some(Json::String(search))) =
                    (self, body.pointer_mut("/variables/query").map(Json::take))
                {
                    self.texts(&search, &mut said)?;
                }
                // A query in its language may stand in a body.
                if let (Self::Backslash, Some(Json::String(query))) =
                    (self, body.get_mut("query").map(Json::take))
                {
                    self.texts(&query, &mut said)?;
                }
                said.json(&body);
            }
        }
        Ok(said)
    }

    /// Cuts a text into what is quoted and what is not.
    fn texts(self, text: &str, said: &mut Said) -> Result<(), String> {
        let quote = if matches!(self, Self::Plain | Self::Search) { '"' } else { '\'' };
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            said.around.push(char);
            if char != quote {
                continue;
            }
            let mut literal = String::new();
            loop {
                let char = chars.next().ok_or("a literal is left open")?;
                match self {
                    Self::Backslash if char == '\\' => literal.push(match chars.next() {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some(escaped @ ('\\' | '\'' | '"')) => escaped,
                        other => return Err(format!("{other:?} is no escape")),
                    }),
                    Self::Search if char == '\\' => {
                        literal.push(chars.next().ok_or("an escape of nothing")?);
                    }
                    Self::Doubled if char == quote && chars.peek() == Some(&quote) => {
                        chars.next();
                        literal.push(quote);
                    }
                    _ if char == quote => break,
                    // The service reads a backslash as the beginning of an escape.
                    Self::Plain if char == '\\' => return Err("a backslash in a text".to_owned()),
                    _ => literal.push(char),
                }
            }
            said.literal(&literal);
            said.around.push(quote);
        }
        Ok(())
    }
}

impl Said {
    fn literal(&mut self, text: &str) {
        self.around.push('•');
        self.literals.push(text.to_owned());
    }

    fn values<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        values.for_each(|value| self.literal(value));
    }

    fn bracketed(&mut self, value: &str) -> Result<(), String> {
        let Some(inner) = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) else {
            self.literal(value);
            return Ok(());
        };
        self.around.push('[');
        for part in inner.split('|') {
            if part.contains(['[', ']', ',', '%', '<', '>', '!']) {
                return Err(format!("{part} holds a sign of the language"));
            }
            self.literal(part);
        }
        self.around.push(']');
        Ok(())
    }

    fn json(&mut self, value: &Json) {
        match value {
            Json::String(text) => self.literal(text),
            Json::Array(items) => {
                self.around.push('[');
                items.iter().for_each(|item| self.json(item));
                self.around.push(']');
            }
            Json::Object(map) => {
                for (name, value) in map {
                    self.around.push_str(&format!("{{{name:?}:"));
                    self.json(value);
                    self.around.push('}');
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => self.around.push_str(&value.to_string()),
        }
    }

    /// Markup as it is, and the text between (XML 1.0 §2.4: no `<` and no bare `&` stands in it).
    fn elements(&mut self, document: &str) -> Result<(), String> {
        let mut rest = document;
        while let Some((text, markup)) = rest.split_once('<') {
            let (tag, after) = markup.split_once('>').ok_or("an element is left open")?;
            self.text(text)?;
            self.around.push_str(&format!("<{tag}>"));
            rest = after;
        }
        self.text(rest)
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let mut parts = text.split('&');
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once(';').ok_or("a bare ampersand")?;
            plain.push(match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                number => {
                    let hex = number.strip_prefix("#x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    let code = hex.or_else(|| number.strip_prefix('#')?.parse().ok());
                    code.and_then(char::from_u32).ok_or_else(|| format!("&{number}; is nothing"))?
                }
            });
            plain.push_str(after);
        }
        if !plain.is_empty() {
            self.literal(&plain);
        }
        Ok(())
    }
}

/// Texts made of what ends, begins or escapes something in some language.
fn hostile() -> impl Strategy<Value = String> {
    let signs =
        ["'", "\"", "\\", "''", "\\'", "]", "[", "|", ",", "%", "_", "*", "<", ">", "&", ";", "--", "/*"];
    let words =
        [" or ", " OR 1=1", "' eq '", "</value>", "]]>", "<![CDATA[", "&lt;", "&#39;", "{value}", "$filter="];
    let others = [
        "a",
        "B 7",
        "ż",
        "\u{1f600}",
        "\n",
        "\r",
        "\t",
        "\u{0}",
        "\u{1f}",
        "\u{7f}",
        "=",
        "?",
        "#",
        "+",
        " ",
    ];
    let part =
        prop_oneof![3 => select(signs.to_vec()), 1 => select(words.to_vec()), 2 => select(others.to_vec())];
    vec(part, 1..6)
        .prop_map(|parts| parts.concat())
        .prop_filter("says something", |text| !text.trim().is_empty())
}

/// Texts that mean nothing anywhere, as many as there are.
const HARMLESS: [&str; 2] = ["Nowak", "Kowal"];

fn asked(mapping: &Mapping, leaf: LeafId, texts: &[&str]) -> NativeRequest {
    listed(
        mapping,
        &match texts {
            [] => Filter::everything(),
            [one] => test(leaf, one),
            several => {
                let values = several.iter().map(|text| Value::Text((*text).into())).collect();
                Filter::test(leaf, Op::In, Value::List(values))
            }
        },
    )
}

fn test(leaf: LeafId, text: &str) -> Filter {
    Filter::test(leaf, Op::Eq, Value::Text(text.into()))
}

fn listed(mapping: &Mapping, filter: &Filter) -> NativeRequest {
    let parent = mapping.any_parent();
    let list =
        |filter: &Filter| mapping.list_of(parent.as_ref(), None, &FieldSet::ID, (filter, &[]), None, 10);
    match list(filter) {
        Err(ListError::Needs(bounds)) => {
            let all = bounds.iter().fold(filter.clone(), |filter, name| filter.and(bound(mapping, name)));
            list(&all).unwrap().request
        }
        listing => listing.unwrap().request,
    }
}

/// A bound without which a system does not list.
fn bound(mapping: &Mapping, name: &str) -> Filter {
    let (path, op) = match name.split_once('[') {
        Some((path, "gte]")) => (path, Op::Gte),
        Some((path, "lte]")) => (path, Op::Lte),
        _ => (name, Op::Eq),
    };
    let leaf = mapping.entity().leaf_at(path).unwrap();
    let value = match mapping.entity().leaf(leaf).unwrap().kind {
        LeafKind::Date => Value::Date(jiff::civil::date(2026, 1, 2)),
        LeafKind::Instant => Value::Instant(jiff::Timestamp::UNIX_EPOCH),
        _ => Value::Text("7".into()),
    };
    Filter::test(leaf, op, value)
}

fn is_same(one: &NativeRequest, other: &NativeRequest) -> bool {
    (&one.target, &one.body) == (&other.target, &other.body)
}

/// Whether a literal is a text, as the field spells it.
fn is(literal: &str, text: &str) -> bool {
    literal == text || literal.trim().to_lowercase() == text.trim().to_lowercase()
}

fn stays(mapping: &Mapping, leaf: LeafId, tongue: Tongue, texts: &[&str]) -> Result<(), TestCaseError> {
    let request = asked(mapping, leaf, texts);
    // What no literal can hold is not asked for.
    if is_same(&request, &asked(mapping, leaf, &[])) {
        return Ok(());
    }
    let several = texts.len() > 1;
    let shown = format!("{} {}", request.target, String::from_utf8_lossy(&request.body));
    let fail = |why: String| TestCaseError::fail(format!("{texts:?}: {why}: {shown}"));
    let harmless = asked(mapping, leaf, &HARMLESS[..texts.len()]);
    let mut why = said_alike(tongue, (&request, &harmless), texts, several);
    if why.is_err() && several {
        // What one list of values cannot hold is asked for value by value.
        let one_by_one = HARMLESS.map(|text| test(leaf, text)).into();
        let harmless = listed(mapping, &Filter::Any(one_by_one));
        why = said_alike(tongue, (&request, &harmless), texts, false).or(why);
    }
    why.map_err(fail)
}

/// The two without the steps of their paths that are texts: each is one step, and none leads elsewhere.
fn steps_alike(
    request: &NativeRequest,
    harmless: &NativeRequest,
    texts: &[&str],
) -> Result<(NativeRequest, NativeRequest), String> {
    let parts = |request: &NativeRequest| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        (path.split('/').map(str::to_owned).collect::<Vec<_>>(), query.to_owned())
    };
    let ((mut said, query), (mut model, other)) = (parts(request), parts(harmless));
    if said.len() != model.len() {
        return Err("a text is more than one step of the path".to_owned());
    }
    for (said, model) in said.iter_mut().zip(&mut model) {
        let Some(at) = HARMLESS.iter().position(|known| is(model, known)) else { continue };
        let text = percent_encoding::percent_decode_str(said).decode_utf8().map_err(|e| e.to_string())?;
        let is_kept = texts.get(at).is_some_and(|asked| is(&text, asked));
        if !is_kept || matches!(&*text, "" | "." | "..") {
            return Err(format!("the step `{said}` is another one"));
        }
        "text".clone_into(said);
        "text".clone_into(model);
    }
    let with = |request: &NativeRequest, steps: Vec<String>, query: String| {
        let mut request = request.clone();
        request.target = format!("{}?{query}", steps.join("/"));
        request
    };
    Ok((with(request, said, query), with(harmless, model, other)))
}

/// Whether a request says what a harmless one says, but for the texts.
fn said_alike(
    tongue: Tongue,
    (request, harmless): (&NativeRequest, &NativeRequest),
    texts: &[&str],
    several: bool,
) -> Result<(), String> {
    let (request, harmless) = &steps_alike(request, harmless, texts)?;
    let (said, model) = (tongue.read(request, several)?, tongue.read(harmless, several)?);
    if said.around != model.around || said.literals.len() != model.literals.len() {
        return Err(format!("it says {said:?}, not {model:?}"));
    }
    for (literal, harmless) in said.literals.iter().zip(&model.literals) {
        let is_kept = match HARMLESS.iter().position(|known| is(harmless, known)) {
            Some(at) => texts.get(at).is_some_and(|text| is(literal, text)),
            None => literal == harmless,
        };
        if !is_kept {
            return Err(format!("{literal:?} stands for {harmless:?}"));
        }
    }
    Ok(())
}

/// Leaves of texts that a mapping can be asked for by some value of any kind.
fn leaves(mapping: &Mapping, op: Op) -> Vec<LeafId> {
    let entity = mapping.entity();
    let is_text =
        |leaf: &LeafId| matches!(entity.leaf(*leaf).unwrap().kind, LeafKind::Text { .. } | LeafKind::Id);
    let filters = mapping.abilities().filters;
    let of = filters.into_iter().filter(|(_, known)| *known == op).map(|(leaf, _)| leaf);
    // By words of a table nothing but those words is asked for.
    let takes_texts =
        |leaf: &LeafId| !is_same(&asked(mapping, *leaf, &HARMLESS[..1]), &asked(mapping, *leaf, &[]));
    of.filter(is_text).filter(takes_texts).collect()
}

#[test]
fn whatever_a_caller_asks_for_no_text_leaves_its_literal_in_any_shipped_file() {
    let mut tried = Vec::new();
    for (name, _, system) in systems() {
        for mapping in system.mappings().filter(|mapping| mapping.can(Action::List)) {
            for (op, count) in [(Op::Eq, 1_usize), (Op::In, 2)] {
                for leaf in leaves(mapping, op) {
                    let tongue = tongue(&name).unwrap_or_else(|| panic!("say above what {name} speaks"));
                    let run = runner().run(&vec(hostile(), count), |texts| {
                        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                        if let [one, other] = texts.as_slice() {
                            prop_assume!(one != other);
                        }
                        stays(mapping, leaf, tongue, &texts)
                    });
                    let path = &mapping.entity().leaf(leaf).unwrap().path;
                    run.unwrap_or_else(|failed| panic!("{name}, {} {path}: {failed}", mapping.name()));
                    tried.push(tongue);
                }
            }
        }
    }
    for tongue in [
        Tongue::Doubled,
        Tongue::Backslash,
        Tongue::Plain,
        Tongue::Parameters,
        Tongue::Brackets,
        Tongue::Search,
        Tongue::Json,
        Tongue::Xml,
    ] {
        assert!(tried.contains(&tongue), "{tongue:?} was not tried");
    }
}

#[test]
fn the_readers_see_a_text_that_has_left_its_literal() {
    let request = |target: &str, body: &str| NativeRequest {
        method: http::Method::GET,
        target: target.to_owned(),
        headers: http::HeaderMap::new(),
        body: body.to_owned().into(),
    };
    let around = |tongue: Tongue, target: &str, body: &str| {
        tongue.read(&request(target, body), false).map_or_else(|why| why, |said| said.around)
    };
    let model = around(Tongue::Doubled, "/x?$filter=a eq 'b'", "");
    assert_ne!(around(Tongue::Doubled, "/x?$filter=a eq 'b' or '1' eq '1'", ""), model);
    assert_eq!(around(Tongue::Doubled, "/x?$filter=a eq 'b'' or ''1'' eq ''1'", ""), model);
    assert_ne!(around(Tongue::Doubled, "/x?$filter=a eq 'b'%26$top=1", "").len(), 0);
    let model = around(Tongue::Backslash, "/x?q=a = 'b'", "");
    assert_eq!(around(Tongue::Backslash, "/x?q=a = 'b\\' OR \\'1'", ""), model);
    assert_ne!(around(Tongue::Backslash, "/x?q=a = 'b\\\\' OR '1'", ""), model);
    assert_eq!(around(Tongue::Backslash, "/x?q=a = 'b\\'", ""), "a literal is left open");
    assert_eq!(around(Tongue::Plain, "/x?where=a==\"b", ""), "a literal is left open");
    let searched = |search: &str| {
        around(
            Tongue::Search,
            "/x",
            &serde_json::json!({ "query": "q", "variables": { "query": search } }).to_string(),
        )
    };
    assert_eq!(searched(r#"a:"b\" OR a:\"c""#), searched(r#"a:"b""#));
    assert_ne!(searched(r#"a:"b" OR a:"c""#), searched(r#"a:"b""#));
    assert_eq!(searched(r#"a:"b\""#), "a literal is left open");
    assert!(around(Tongue::Brackets, "/x?filter[a]=[b],[c]", "").contains("sign of the language"));
    let model = around(Tongue::Xml, "/x", "<a>b</a>");
    assert_ne!(around(Tongue::Xml, "/x", "<a>b</a><c>d</c>"), model);
    assert_eq!(around(Tongue::Xml, "/x", "<a>b &amp; c</a>"), model);
    assert_eq!(around(Tongue::Xml, "/x", "<a>b & c</a>"), "a bare ampersand");
    assert_ne!(
        around(Tongue::Json, "/x", r#"{"a":"b","c":"d"}"#),
        around(Tongue::Json, "/x", r#"{"a":"b"}"#)
    );
}
