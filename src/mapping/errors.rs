//! `errors:` — what a system means when it says no: ordered matchers, run before rows on every status.
//!
//! The system's own text is for the operator; the caller gets the kind and pointers into what it sent.

use std::sync::Arc;

use http::header::RETRY_AFTER;

use super::{
    faults::Faults,
    load::path,
    model::{Mapping, Source},
    native::NativeAnswer,
    outward::{MappingFault, Whose},
    path::{Path, joined},
    scan::{BadJson, Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
    xml,
};
use crate::words::{
    Diagnostic, Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys, expected},
    yaml_words,
};

/// Longest native text kept for the operator, in characters.
const TEXT_CHARS_MAX: usize = 2000;
/// Largest body of an error that is looked into.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A system's no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system answered {kind}: {text}")]
pub struct SystemFault {
    /// What it means.
    pub kind: FaultKind,
    /// The system's words, for the operator only.
    pub text: String,
    /// The system's own number of the exchange, for the operator.
    pub trace: Option<String>,
}

/// What a system's no means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// There is no such record.
    #[error("not found")]
    NotFound,
    /// What was sent is not accepted; where a fault has a field, its pointer says so.
    #[error("invalid")]
    Invalid(Vec<MappingFault>),
    /// There is such a record already.
    #[error("duplicate")]
    Duplicate {
        /// Its key, where the system tells.
        existing: Option<String>,
    },
    /// The record has changed meanwhile.
    #[error("conflict")]
    Conflict,
    /// The gate itself may not do this there.
    #[error("forbidden")]
    Forbidden,
    /// Too many requests.
    #[error("rate limited")]
    RateLimited {
        /// Seconds to wait, where the system tells.
        after: Option<u64>,
    },
    /// Not now.
    #[error("busy")]
    Busy,
    /// The gate's own sign-in was refused; never the caller's fault.
    #[error("sign-in failed")]
    SignInFailed,
    /// A rule of the business forbids it.
    #[error("business rule")]
    BusinessRule,
    /// Some of what was asked is done, and some is not.
    #[error("done in part")]
    Partial,
    /// The answer cannot be read.
    #[error("unreadable")]
    Unreadable,
    /// The next page is said to be elsewhere.
    #[error("foreign link")]
    ForeignLink,
    /// Something nobody wrote a matcher for.
    #[error("unknown")]
    Unknown,
}

impl SystemFault {
    pub(super) fn of(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), trace: None }
    }

    pub(super) fn not_found() -> Self {
        Self::of(FaultKind::NotFound, "the record is not of this entity")
    }

    /// An answer that cannot be taken as it is.
    pub fn unreadable(text: String) -> Self {
        Self::of(FaultKind::Unreadable, text)
    }

    pub(super) fn bad_json(why: BadJson) -> Self {
        Self::unreadable(why.to_string())
    }
}

yaml_words! {
    /// What a matcher says.
    enum Is {
        /// No error at all.
        Success = "success",
        /// No such record.
        NotFound = "not_found",
        /// Not accepted.
        Invalid = "invalid",
        /// There already.
        Duplicate = "duplicate",
        /// Changed meanwhile.
        Conflict = "conflict",
        /// The gate may not.
        Forbidden = "forbidden",
        /// Too many requests.
        RateLimited = "rate_limited",
        /// Not now.
        Busy = "busy",
        /// The gate's sign-in was refused.
        SignInFailed = "sign_in_failed",
        /// A rule of the business.
        BusinessRule = "business_rule",
        /// Some of it is done.
        Partial = "partial",
        /// By the status alone.
        Unknown = "unknown",
    }
}

/// The matchers of a system, compiled.
#[derive(Debug, Default)]
pub(super) struct Errors {
    tree: Tree,
    frame: u16,
    matchers: Vec<Matcher>,
    /// The names of its bodies, where they are XML.
    xml: Option<Arc<xml::Names>>,
}

#[derive(Debug)]
struct Matcher {
    status: Status,
    test: Option<(u16, Test)>,
    is: Is,
    existing: Option<(u16, Pattern)>,
    text: Option<u16>,
    trace: Option<u16>,
    faults: Option<Faults>,
}

/// On which statuses a matcher is asked.
#[derive(Debug, PartialEq, Eq)]
enum Status {
    /// On those that are no success.
    Failure,
    /// On every one.
    Any,
    /// On one.
    Is(u16),
}

#[derive(Debug)]
enum Test {
    Equals(String),
    Starts(String),
    Contains(String),
    Present,
}

/// Text with holes: `{_}` is skipped, `{id}` is taken.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Skip,
    Take,
}

impl Errors {
    pub(super) fn load(node: Option<&Node>, xml: Option<&Arc<xml::Names>>, found: &mut Diagnostics) -> Self {
        let mut frame = Frame::default();
        let items = match node.map(|node| (node, node.as_list())) {
            None => &[],
            Some((_, Some(items))) => items,
            Some((node, None)) => {
                expected(node, "a list of matchers", found);
                return Self::default();
            }
        };
        // ORDER: what the file says of faults goes before what all of them are.
        let fault = xml.and_then(|names| names.fault());
        let all = items.iter().chain(&fault);
        let matchers: Vec<_> =
            all.filter_map(|item| Matcher::load(item, (&mut frame, xml.is_some()), found)).collect();
        if matchers.is_empty() {
            return Self::default();
        }
        if !frame.finish()
            && let Some(node) = node
        {
            found.error(&node.place, "too many names in the matchers");
        }
        Self { tree: frame.root, frame: frame.slots, matchers, xml: xml.cloned() }
    }

    /// Whether the answer is one, or what is wrong: kind, words, and native names of the faults.
    fn judge(&self, answer: &NativeAnswer) -> Result<(), (SystemFault, Vec<(String, String)>)> {
        let status = answer.status.as_u16();
        let success = answer.status.is_success();
        let asked = |matcher: &&Matcher| match matcher.status {
            Status::Failure => !success,
            Status::Any => true,
            Status::Is(only) => only == status,
        };
        if success && !self.matchers.iter().any(|matcher| asked(&matcher)) {
            return Ok(());
        }
        let mut raws = Raws::default();
        raws.restart(self.frame.max(1));
        let readable = self.scan(answer, &mut raws);
        if let Err(why) = readable {
            return match success {
                // The reader of rows will say what is wrong with it.
                true => Ok(()),
                false => {
                    Err((SystemFault::of(by_status(answer), format!("status {status}; {why}")), Vec::new()))
                }
            };
        }
        for matcher in self.matchers.iter().filter(asked) {
            if matcher.test.as_ref().is_none_or(|(slot, test)| test.holds(raws.get(0, *slot))) {
                return matcher.tell(answer, &raws);
            }
        }
        match success {
            true => Ok(()),
            false => Err((SystemFault::of(by_status(answer), format!("status {status}")), Vec::new())),
        }
    }

    fn scan<'a>(&self, answer: &'a NativeAnswer, raws: &mut Raws<'a>) -> Result<(), String> {
        if answer.body.is_empty() {
            return Ok(());
        }
        if answer.body.len() > BODY_BYTES_MAX && !answer.status.is_success() {
            return Err(BadJson::TooMany.to_string());
        }
        if let Some(names) = &self.xml {
            let read = xml::document(&answer.body, names, &self.tree, raws, &mut |walker| walker.skip());
            return read.map_err(|why| why.to_string());
        }
        let mut json = || {
            let mut scan = Scanner::new(&answer.body)?;
            walk(&mut scan, &self.tree, 0, raws, &mut |scan| scan.skip())?;
            scan.end()
        };
        json().map_err(|why: BadJson| why.to_string())
    }
}

impl Test {
    fn holds(&self, raw: Raw<'_>) -> bool {
        let text = raw.text();
        match self {
            Self::Equals(want) => text.is_some_and(|text| *text == **want),
            Self::Starts(want) => text.is_some_and(|text| text.starts_with(want.as_str())),
            Self::Contains(want) => text.is_some_and(|text| text.contains(want.as_str())),
            Self::Present => !matches!(raw, Raw::Absent | Raw::Null),
        }
    }
}

impl Matcher {
    fn load(node: &Node, (frame, is_xml): (&mut Frame, bool), found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let status = match keys.take("status") {
            None => Status::Failure,
            Some(node) if node.as_text() == Some("any") => Status::Any,
            Some(node) => Status::Is(u16::read(node, found)?),
        };
        let mut slot = |keys: &mut Keys<'_>, key: &'static str, found: &mut Diagnostics| {
            keys.take(key).and_then(|node| path(node, found)).map(|path| frame.slot(path.steps()))
        };
        let at = slot(&mut keys, "at", found);
        let text = slot(&mut keys, "text", found);
        let trace = slot(&mut keys, "trace", found);
        let existing = keys.take("existing").and_then(|node| {
            let mut keys = Keys::of(node, found)?;
            let at = slot(&mut keys, "at", found);
            let pattern = keys.or("pattern", || "{id}".to_owned(), found)?;
            keys.finish(found);
            Some((at?, Pattern::parse(&pattern)))
        });
        let faults = keys.take("faults").and_then(|node| {
            let mut keys = Keys::of(node, found)?;
            let loaded = Faults::load(node, &mut keys, (frame, is_xml), found);
            keys.finish(found);
            loaded
        });
        let text_of = |keys: &mut Keys<'_>, key, found: &mut Diagnostics| {
            keys.take(key).and_then(|node| String::read(node, found))
        };
        let tests = [
            text_of(&mut keys, "equals", found).map(Test::Equals),
            text_of(&mut keys, "starts", found).map(Test::Starts),
            text_of(&mut keys, "contains", found).map(Test::Contains),
        ];
        let mut tests = tests.into_iter().flatten();
        let test = tests.next();
        if tests.next().is_some() {
            found.error(&node.place, "a matcher asks one question: `equals`, `starts` or `contains`");
        }
        let is = keys.required("is", found);
        keys.finish(found);
        let test = match (at, test) {
            (Some(slot), test) => Some((slot, test.unwrap_or(Test::Present))),
            (None, None) => None,
            (None, Some(_)) => {
                found.push(Diagnostic::error(&node.place, "a matcher with `equals` needs `at`"));
                return None;
            }
        };
        Some(Self { status, test, is: is?, existing, text, trace, faults })
    }

    fn tell(
        &self,
        answer: &NativeAnswer,
        raws: &Raws<'_>,
    ) -> Result<(), (SystemFault, Vec<(String, String)>)> {
        let text = |slot: u16| raws.get(0, slot).text().map(|text| clip(&text));
        let kind = match self.is {
            Is::Success => return Ok(()),
            Is::NotFound => FaultKind::NotFound,
            Is::Invalid => FaultKind::Invalid(Vec::new()),
            Is::Duplicate => FaultKind::Duplicate {
                existing: self
                    .existing
                    .as_ref()
                    .and_then(|(slot, pattern)| pattern.take(&raws.get(0, *slot).text()?)),
            },
            Is::Conflict => FaultKind::Conflict,
            Is::Forbidden => FaultKind::Forbidden,
            Is::RateLimited => FaultKind::RateLimited { after: retry_after(answer) },
            Is::Busy => FaultKind::Busy,
            Is::SignInFailed => FaultKind::SignInFailed,
            Is::BusinessRule => FaultKind::BusinessRule,
            Is::Partial => FaultKind::Partial,
            Is::Unknown => by_status(answer),
        };
        let status = answer.status.as_u16();
        let words = self.text.and_then(text).map_or_else(String::new, |words| format!("; {words}"));
        let faults = self.faults.as_ref().and_then(|faults| faults.read(raws)).unwrap_or_default();
        let trace = self.trace.and_then(text);
        Err((SystemFault { kind, text: format!("status {status}{words}"), trace }, faults))
    }
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, length) = match rest {
                _ if rest.starts_with("{_}") => (Piece::Skip, 3),
                _ if rest.starts_with("{id}") => (Piece::Take, 4),
                _ => {
                    let end = rest.char_indices().skip(1).map(|(at, _)| at).find(|at| {
                        rest.get(*at..).is_some_and(|r| r.starts_with("{_}") || r.starts_with("{id}"))
                    });
                    let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
                    (Piece::Text(text.to_owned()), text.len())
                }
            };
            pieces.push(piece);
            rest = rest.get(length..).unwrap_or_default();
        }
        Self(pieces)
    }

    /// What stands in the `{id}` hole, as told to an operator.
    fn take(&self, text: &str) -> Option<String> {
        let (id, _) = self.hole(text)?;
        Some(id.trim().chars().take(128).collect()).filter(|id: &String| !id.is_empty())
    }

    /// Whether there is something to take.
    pub(super) fn has_hole(&self) -> bool {
        self.0.contains(&Piece::Take)
    }

    /// What stands in the `{id}` hole, and what follows the pattern.
    pub(super) fn hole<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let mut rest = text;
        let mut taken = None;
        let mut hole: Option<&Piece> = None;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => {
                    let at = if hole.is_some() { rest.find(text.as_str())? } else { 0 };
                    let (before, after) = rest.split_at_checked(at)?;
                    if hole == Some(&Piece::Take) {
                        taken = Some(before);
                    }
                    rest = after.strip_prefix(text.as_str())?;
                    hole = None;
                }
                Piece::Skip | Piece::Take => hole = Some(piece),
            }
        }
        match hole {
            Some(Piece::Take) => Some((rest, "")),
            Some(Piece::Skip | Piece::Text(_)) => taken.map(|taken| (taken, "")),
            None => taken.map(|taken| (taken, rest)),
        }
    }
}

pub(super) fn clip(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// Seconds to wait (RFC 9110, 10.2.3). Some systems write a fraction, which the field does not know: a started
/// second counts whole.
fn retry_after(answer: &NativeAnswer) -> Option<u64> {
    let said = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let (whole, fraction) = said.split_once('.').unwrap_or((said, ""));
    let is_started = fraction.bytes().any(|digit| digit != b'0');
    let whole: u64 = whole.parse().ok().filter(|_| fraction.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some(whole.saturating_add(u64::from(is_started)))
}

/// What a status means where no matcher says more.
fn by_status(answer: &NativeAnswer) -> FaultKind {
    match answer.status.as_u16() {
        401 => FaultKind::SignInFailed,
        403 => FaultKind::Forbidden,
        404 | 410 => FaultKind::NotFound,
        409 | 412 => FaultKind::Conflict,
        429 => FaultKind::RateLimited { after: retry_after(answer) },
        502..=504 => FaultKind::Busy,
        _ => FaultKind::Unknown,
    }
}

impl Mapping {
    /// Refuses an answer that says no.
    pub(super) fn refuse_errors(&self, answer: &NativeAnswer) -> Result<(), SystemFault> {
        self.words.errors.judge(answer).map_err(|(mut fault, natives)| {
            if let FaultKind::Invalid(faults) = &mut fault.kind {
                faults.extend(natives.iter().map(|(native, _)| self.fault_at(native)));
            }
            fault
        })
    }

    /// A fault of a native field as one of the field the caller knows; the system's words stay inside.
    fn fault_at(&self, native: &str) -> MappingFault {
        let mut leaf = None;
        self.root.lines(false, &mut |line, in_each| {
            if let (Source::Native(source), false) = (&line.source, in_each) {
                // A filter may read the record itself, which has no name.
                let same = |path: &Path| {
                    (!path.steps().is_empty() && joined(path.steps(), '.') == native)
                        || path.steps().last().is_some_and(|s| joined(std::slice::from_ref(s), '.') == native)
                };
                if leaf.is_none() && same(&source.write_at) {
                    leaf = Some(line.leaf);
                }
            }
        });
        let pointer = leaf.and_then(|leaf| self.pointers.get(usize::from(leaf.0)).cloned()).flatten();
        MappingFault {
            whose: Whose::Caller,
            leaf,
            pointer: pointer.unwrap_or_default(),
            message: "the system does not accept this value".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_stands_in_their_hole() {
        let take = |pattern: &str, text: &str| Pattern::parse(pattern).take(text);
        assert_eq!(take("{_}Existing ID: {id}", "Contact already exists. Existing ID: 377").unwrap(), "377");
        assert_eq!(take("No. {id} exists", "No. 10 exists").unwrap(), "10");
        assert_eq!(take("{_}Existing ID: {id}", "something else"), None);
        assert_eq!(take("{_}ID: {id}", "ID: "), None);
    }
}
