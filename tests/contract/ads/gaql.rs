//! The query language of Google Ads, as far as a gate asks in it: `SELECT … FROM campaign WHERE … ORDER BY …`.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) fields: Vec<String>,
    pub(super) conditions: Vec<Condition>,
    pub(super) order: Option<(String, bool)>,
}

/// A field, an operator, and values.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) field: String,
    pub(super) op: String,
    pub(super) values: Vec<String>,
}

impl Condition {
    /// Whether a text passes; numbers are compared as such.
    pub(super) fn passes(&self, held: &str) -> bool {
        let order = |value: &String| match (held.parse::<i64>(), value.parse::<i64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => held.to_lowercase().cmp(&value.to_lowercase()),
        };
        let is = |value| match self.op.as_str() {
            "=" | "IN" => order(value).is_eq(),
            "<" => order(value).is_lt(),
            "<=" => order(value).is_le(),
            ">" => order(value).is_gt(),
            _ => order(value).is_ge(),
        };
        self.values.iter().any(is)
    }
}

/// Cuts a text into tokens; `None` where it is none of the language.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            ' ' => {}
            '\'' | '"' => {
                let mut held = String::new();
                loop {
                    match chars.next()? {
                        '\\' => held.push(chars.next().filter(|c| matches!(c, '\\' | '\'' | '"'))?),
                        end if end == next => break,
                        char if char.is_control() => return None,
                        char => held.push(char),
                    }
                }
                tokens.push(Token::Text(held));
            }
            '<' | '>' if chars.peek() == Some(&'=') => {
                chars.next();
                tokens.push(Token::Sign(format!("{next}=")));
            }
            '=' | '<' | '>' | ',' | '(' | ')' => tokens.push(Token::Sign(next.to_string())),
            word if word.is_ascii_alphanumeric() || word == '_' => {
                let mut held = String::from(word);
                while let Some(more) = chars.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
                {
                    held.push(more);
                }
                tokens.push(Token::Word(held));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

/// Reads a query of campaigns.
pub(super) fn parse(text: &str) -> Option<Query> {
    let tokens = tokens(text)?;
    let mut rest = tokens.into_iter().peekable();
    let is = |token: &Token, word: &str| *token == Token::Word(word.to_owned());
    rest.next().filter(|token| is(token, "SELECT"))?;
    let mut fields = Vec::new();
    loop {
        let Token::Word(field) = rest.next()? else { return None };
        fields.push(field);
        if rest.next_if_eq(&Token::Sign(",".to_owned())).is_none() {
            break;
        }
    }
    rest.next().filter(|token| is(token, "FROM"))?;
    rest.next().filter(|token| is(token, "campaign"))?;
    let mut query = Query { fields, conditions: Vec::new(), order: None };
    if rest.next_if(|token| is(token, "WHERE")).is_some() {
        loop {
            query.conditions.push(condition(&mut rest)?);
            if rest.next_if(|token| is(token, "AND")).is_none() {
                break;
            }
        }
    }
    if rest.next_if(|token| is(token, "ORDER")).is_some() {
        rest.next().filter(|token| is(token, "BY"))?;
        let Token::Word(field) = rest.next()? else { return None };
        let down = rest.next_if(|token| is(token, "DESC")).is_some();
        if !down {
            rest.next_if(|token| is(token, "ASC"));
        }
        query.order = Some((field, down));
    }
    rest.next().is_none().then_some(query)
}

fn condition(rest: &mut std::iter::Peekable<std::vec::IntoIter<Token>>) -> Option<Condition> {
    let Token::Word(field) = rest.next()? else { return None };
    let value = |token: Token| match token {
        Token::Text(text) => Some(text),
        Token::Word(word) if word.bytes().all(|byte| byte.is_ascii_digit()) => Some(word),
        Token::Word(_) | Token::Sign(_) => None,
    };
    match rest.next()? {
        Token::Sign(op) if matches!(op.as_str(), "=" | "<" | "<=" | ">" | ">=") => {
            Some(Condition { field, op, values: vec![value(rest.next()?)?] })
        }
        Token::Word(op) if op == "IN" => {
            rest.next().filter(|token| *token == Token::Sign("(".to_owned()))?;
            let mut values = Vec::new();
            loop {
                values.push(value(rest.next()?)?);
                match rest.next()? {
                    Token::Sign(sign) if sign == "," => {}
                    Token::Sign(sign) if sign == ")" => return Some(Condition { field, op, values }),
                    _ => return None,
                }
            }
        }
        _ => None,
    }
}

#[test]
fn what_the_language_does_not_know_is_no_query() {
    for text in [
        "SELECT campaign.id FROM campaign WHERE campaign.name = 'a' OR campaign.id = 1",
        "SELECT campaign.id FROM campaign WHERE (campaign.id = 1)",
        "SELECT campaign.id FROM campaign WHERE campaign.name = 'a'b'",
        "SELECT campaign.id FROM campaign WHERE campaign.name = 'a\\'",
        "SELECT campaign.id FROM campaign WHERE campaign.name = PAUSED",
        "SELECT campaign.id FROM campaign WHERE",
        "SELECT * FROM campaign",
        "SELECT campaign.id FROM campaign; SELECT campaign.id FROM campaign",
    ] {
        assert!(parse(text).is_none(), "{text}");
    }
    let query = parse("SELECT campaign.id, campaign.name FROM campaign WHERE campaign.name IN ('a\\'b', 'c') AND campaign.id >= 7 ORDER BY campaign.id DESC").unwrap();
    assert_eq!(query.conditions[0].values, ["a'b", "c"]);
    assert_eq!(
        (query.fields.len(), query.conditions.len(), query.order),
        (2, 2, Some(("campaign.id".to_owned(), true)))
    );
}
