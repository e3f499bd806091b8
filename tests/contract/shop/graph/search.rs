//! The search that stands in `query:`: terms of a field, a comparator and a value, with `AND`, `OR` and brackets.

use jiff::Timestamp;
use serde_json::Value;

/// A search, read.
#[derive(Debug)]
pub(super) enum Search {
    Everything,
    All(Vec<Self>),
    Any(Vec<Self>),
    Term { field: String, op: String, value: String },
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Word(String),
    Term { field: String, op: String, value: String },
}

/// Reads a search over some fields; the real one overlooks what it does not know, and this one tells.
pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Search, String> {
    let tokens = tokens(text)?;
    let mut at = 0;
    let search = any(&tokens, &mut at, fields)?;
    if at < tokens.len() {
        return Err(format!("unexpected {:?}", tokens[at]));
    }
    Ok(search)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&char) = chars.peek() {
        match char {
            ' ' => drop(chars.next()),
            '(' | ')' => {
                chars.next();
                tokens.push(if char == '(' { Token::Open } else { Token::Close });
            }
            _ => {
                let mut word = String::new();
                while let Some(next) = chars.next_if(|it| it.is_ascii_alphanumeric() || *it == '_') {
                    word.push(next);
                }
                if chars.next_if_eq(&':').is_none() {
                    if word != "AND" && word != "OR" {
                        return Err(format!("a word of its own: {word:?} in {text}"));
                    }
                    tokens.push(Token::Word(word));
                    continue;
                }
                let mut op = String::new();
                while let Some(next) = chars.next_if(|it| ['<', '>', '='].contains(it)) {
                    op.push(next);
                }
                let mut value = String::new();
                match chars.next_if(|it| ['"', '\''].contains(it)) {
                    Some(quote) => loop {
                        match chars.next().ok_or("a text without an end")? {
                            char if char == quote => break,
                            '\\' => value.push(chars.next().ok_or("a text without an end")?),
                            char => value.push(char),
                        }
                    },
                    None => {
                        while let Some(next) = chars.next_if(char::is_ascii_alphanumeric) {
                            value.push(next);
                        }
                    }
                }
                if value.is_empty() {
                    return Err(format!("nothing to look for in {word}"));
                }
                tokens.push(Token::Term { field: word, op, value });
            }
        }
    }
    Ok(tokens)
}

fn any(tokens: &[Token], at: &mut usize, fields: &[&str]) -> Result<Search, String> {
    let mut parts = vec![all(tokens, at, fields)?];
    while tokens.get(*at) == Some(&Token::Word("OR".to_owned())) {
        *at += 1;
        parts.push(all(tokens, at, fields)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Search::Any(parts) })
}

fn all(tokens: &[Token], at: &mut usize, fields: &[&str]) -> Result<Search, String> {
    let mut parts = Vec::new();
    loop {
        match tokens.get(*at) {
            Some(Token::Open) => {
                *at += 1;
                parts.push(any(tokens, at, fields)?);
                if tokens.get(*at) != Some(&Token::Close) {
                    return Err("a bracket without an end".to_owned());
                }
            }
            Some(Token::Term { field, op, value }) => {
                if !fields.contains(&field.as_str()) {
                    return Err(format!("nothing is called {field}"));
                }
                parts.push(Search::Term { field: field.clone(), op: op.clone(), value: value.clone() });
            }
            Some(Token::Word(word)) if word == "AND" && !parts.is_empty() => {}
            _ => break,
        }
        *at += 1;
    }
    match parts.len() {
        0 => Err("nothing to look for".to_owned()),
        _ => Ok(Search::All(parts)),
    }
}

impl Search {
    /// Whether a record is found; `of` gives what it has under a name, case aside.
    pub(super) fn finds(&self, of: &dyn Fn(&str) -> Vec<Value>) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|part| part.finds(of)),
            Self::Any(parts) => parts.iter().any(|part| part.finds(of)),
            Self::Term { field, op, value } => of(field).iter().any(|is| {
                let is = is.as_str().unwrap_or_default();
                if field.ends_with("_at") {
                    let (is, than): (Timestamp, Timestamp) = (is.parse().unwrap(), value.parse().unwrap());
                    return match op.as_str() {
                        "<" => is < than,
                        "<=" => is <= than,
                        ">" => is > than,
                        ">=" => is >= than,
                        _ => is == than,
                    };
                }
                op.is_empty() && is.to_lowercase() == value.to_lowercase()
            }),
        }
    }
}
