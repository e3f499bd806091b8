//! Documents of GraphQL, read as its specification has them (October 2021, section 2): as much as a shop is asked in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Most levels of a selection.
const LEVELS_MAX: usize = 20;

/// Operations and fragments.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    /// By name: the type, and what is selected of it.
    pub(super) fragments: BTreeMap<String, (String, Vec<Selection>)>,
}

#[derive(Debug)]
pub(super) struct Operation {
    /// `query` or `mutation`.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) variables: BTreeMap<String, Type>,
    pub(super) selection: Vec<Selection>,
}

/// A type as it is written: its name, and whether it may not be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) is_required: bool,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field { alias: String, name: String, arguments: Vec<(String, Argument)>, selection: Vec<Self> },
    Spread(String),
}

#[derive(Debug)]
pub(super) enum Argument {
    Variable(String),
    Literal(Value),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Number(String),
    Text(String),
    /// A sign by itself; `.` is `...`.
    Sign(char),
}

/// Reads a document; the error is a parse error's message.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, level: 0 };
    let mut document = Document::default();
    while let Some(token) = reader.peek() {
        match token {
            Token::Name(word) if word == "fragment" => {
                reader.at += 1;
                let name = reader.name()?;
                reader.word("on")?;
                let of = reader.name()?;
                let selection = reader.selection()?;
                if document.fragments.insert(name.clone(), (of, selection)).is_some() {
                    return Err(format!("Fragment name \"{name}\" must be unique"));
                }
            }
            _ => document.operations.push(reader.operation()?),
        }
    }
    Ok(document)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\n' | '\r' | ',' => {}
            '{' | '}' | '(' | ')' | ':' | '!' | '$' | '[' | ']' | '=' => tokens.push(Token::Sign(char)),
            '.' => {
                if chars.next() != Some('.') || chars.next() != Some('.') {
                    return Err("syntax error, unexpected \".\"".to_owned());
                }
                tokens.push(Token::Sign('.'));
            }
            '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next().ok_or("unterminated string")? {
                        '"' => break,
                        '\n' => return Err("unterminated string".to_owned()),
                        '\\' => literal.push(chars.next().ok_or("unterminated string")?),
                        char => literal.push(char),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            '0'..='9' | '-' => {
                let mut number = String::from(char);
                while let Some(digit) = chars.next_if(|it| it.is_ascii_digit() || *it == '.') {
                    number.push(digit);
                }
                tokens.push(Token::Number(number));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut name = String::from(char);
                while let Some(next) = chars.next_if(|it| it.is_ascii_alphanumeric() || *it == '_') {
                    name.push(next);
                }
                tokens.push(Token::Name(name));
            }
            other => return Err(format!("syntax error, unexpected {other:?}")),
        }
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    level: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("syntax error, unexpected end of file")?;
        self.at += 1;
        Ok(token)
    }

    fn takes(&mut self, sign: char) -> bool {
        let is_it = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is_it);
        is_it
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(format!("syntax error, unexpected {:?}, expecting {sign:?}", self.peek())),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Name(name) => Ok(name),
            other => Err(format!("syntax error, unexpected {other:?}, expecting a name")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        match self.name()? == word {
            true => Ok(()),
            false => Err(format!("syntax error, expecting {word}")),
        }
    }

    fn operation(&mut self) -> Result<Operation, String> {
        let kind = self.name()?;
        if !["query", "mutation"].contains(&kind.as_str()) {
            return Err(format!("syntax error, unexpected {kind}"));
        }
        let name = self.name()?;
        let mut variables = BTreeMap::new();
        if self.takes('(') {
            while !self.takes(')') {
                self.sign('$')?;
                let variable = self.name()?;
                self.sign(':')?;
                variables.insert(variable, self.of_type()?);
            }
        }
        Ok(Operation { kind, name, variables, selection: self.selection()? })
    }

    fn of_type(&mut self) -> Result<Type, String> {
        let name = self.name()?;
        Ok(Type { name, is_required: self.takes('!') })
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.sign('{')?;
        self.level += 1;
        if self.level > LEVELS_MAX {
            return Err("the query is too deep".to_owned());
        }
        let mut selection = Vec::new();
        while !self.takes('}') {
            selection.push(self.selected()?);
        }
        self.level -= 1;
        match selection.is_empty() {
            true => Err("syntax error, unexpected \"}\"".to_owned()),
            false => Ok(selection),
        }
    }

    fn selected(&mut self) -> Result<Selection, String> {
        if self.takes('.') {
            return self.name().map(Selection::Spread);
        }
        let alias = self.name()?;
        let name = if self.takes(':') { self.name()? } else { alias.clone() };
        let mut arguments = Vec::new();
        if self.takes('(') {
            while !self.takes(')') {
                let name = self.name()?;
                self.sign(':')?;
                arguments.push((name, self.argument()?));
            }
        }
        let deeper = self.peek() == Some(&Token::Sign('{'));
        let selection = if deeper { self.selection()? } else { Vec::new() };
        Ok(Selection::Field { alias, name, arguments, selection })
    }

    fn argument(&mut self) -> Result<Argument, String> {
        Ok(match self.next()? {
            Token::Sign('$') => Argument::Variable(self.name()?),
            Token::Number(number) => {
                Argument::Literal(serde_json::from_str(&number).map_err(|why| why.to_string())?)
            }
            Token::Text(text) => Argument::Literal(json!(text)),
            Token::Name(word) if word == "true" || word == "false" => {
                Argument::Literal(json!(word == "true"))
            }
            other => return Err(format!("syntax error, unexpected {other:?}")),
        })
    }
}
