//! `errors:` — what a system means when it says no: ordered matchers, run before rows on every status.
//!
//! The system's own text is for the operator; the caller gets the kind and pointers into what it sent.

use std::sync::Arc;

use http::header::CONTENT_TYPE;

mod taken;

pub(super) use taken::Pattern;

use super::{
    faults::{Faults, Told},
    load::path,
    model::{Mapping, Source},
    native::NativeAnswer,
    outward::{MappingFault, Whose},
    path::Path,
    scan::{BadJson, Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
    wait::{Wait, retry_after},
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
/// Longest native code kept for the operator, in characters.
const CODE_CHARS_MAX: usize = 64;
/// Longest words of a login that are told.
const SAID_CHARS_MAX: usize = 200;
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
    /// The system's own code for it, for the operator.
    pub code: Option<Box<str>>,
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

impl FaultKind {
    /// The word that a file has for it; those that no file can say have their own.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::NotFound => Is::NotFound.as_str(),
            Self::Invalid(_) => Is::Invalid.as_str(),
            Self::Duplicate { .. } => Is::Duplicate.as_str(),
            Self::Conflict => Is::Conflict.as_str(),
            Self::Forbidden => Is::Forbidden.as_str(),
            Self::RateLimited { .. } => Is::RateLimited.as_str(),
            Self::Busy => Is::Busy.as_str(),
            Self::SignInFailed => Is::SignInFailed.as_str(),
            Self::BusinessRule => Is::BusinessRule.as_str(),
            Self::Partial => Is::Partial.as_str(),
            Self::Unreadable => "unreadable",
            Self::ForeignLink => "foreign_link",
            Self::Unknown => Is::Unknown.as_str(),
        }
    }
}

impl SystemFault {
    pub(super) fn of(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), code: None, trace: None }
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
    pub(super) enum Is {
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
    code: Option<u16>,
    trace: Option<u16>,
    faults: Option<Faults>,
    wait: Option<Wait>,
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
    fn judge(&self, answer: &NativeAnswer) -> Result<(), (SystemFault, Vec<Told>)> {
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

    /// Whether a matcher looks at something at a path of an answer, or below it.
    pub(super) fn looks_at(&self, path: &Path) -> bool {
        let faults = || self.matchers.iter().filter_map(|matcher| matcher.faults.as_ref());
        self.tree.at(path.steps()).is_some() || faults().any(|faults| faults.looks_at(path))
    }

    fn scan<'a>(&'a self, answer: &'a NativeAnswer, raws: &mut Raws<'a>) -> Result<(), String> {
        if answer.body.is_empty() {
            return Ok(());
        }
        if answer.body.len() > BODY_BYTES_MAX && !answer.status.is_success() {
            return Err(BadJson::TooMany.to_string());
        }
        // Some systems say in JSON what is wrong with what is XML; the header says so.
        if let Some(names) = self.xml.as_ref().filter(|_| !is_json(answer)) {
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

/// What the `errors` of a file say of an answer that is no record's and no list's: a login's, in JSON.
#[derive(Debug, Default)]
pub struct Refusals(Errors);

impl Refusals {
    /// Those of a file. What is wrong with them is told where its entities are read.
    pub fn of(errors: Option<&Node>) -> Self {
        Self(Errors::load(errors, None, &mut Diagnostics::default()))
    }

    /// The words by which a system says no, for the operator; none where nothing in the file finds them.
    pub fn said(&self, answer: &NativeAnswer) -> Option<String> {
        let (fault, _) = self.0.judge(answer).err()?;
        let words = fault.text.split_once("; ").map(|(_, words)| words).or(fault.code.as_deref())?;
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Some(short(words, SAID_CHARS_MAX).chars().map(plain).collect())
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
        let code = slot(&mut keys, "code", found);
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
        let wait = keys.take("wait").and_then(|node| Wait::load(node, frame, found));
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
        // What is compared with a word of the file's is a code of the system's, unless it says no more than yes or no.
        let code = code.or_else(|| match &test {
            Some((slot, Test::Equals(word))) => Some(*slot).filter(|_| word.parse::<bool>().is_err()),
            Some((_, Test::Starts(_) | Test::Contains(_) | Test::Present)) | None => None,
        });
        Some(Self { status, test, is: is?, existing, text, code, trace, faults, wait })
    }

    fn tell(&self, answer: &NativeAnswer, raws: &Raws<'_>) -> Result<(), (SystemFault, Vec<Told>)> {
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
            Is::RateLimited => {
                let told = self.wait.as_ref().and_then(|wait| wait.seconds(raws));
                FaultKind::RateLimited { after: told.or_else(|| retry_after(answer)) }
            }
            Is::Busy => FaultKind::Busy,
            Is::SignInFailed => FaultKind::SignInFailed,
            Is::BusinessRule => FaultKind::BusinessRule,
            Is::Partial => FaultKind::Partial,
            Is::Unknown => by_status(answer),
        };
        let faults = self.faults.as_ref().and_then(|faults| faults.read(raws)).unwrap_or_default();
        let code = self.code.and_then(text).map(|code| short(&code, CODE_CHARS_MAX).into());
        let status = format!("status {}", answer.status.as_u16());
        let mut said: Vec<String> = [Some(status), self.text.and_then(text)].into_iter().flatten().collect();
        for words in faults.iter().filter_map(one_fault) {
            if !said.contains(&words) {
                said.push(words);
            }
        }
        let trace = self.trace.and_then(text);
        Err((SystemFault { kind, text: clip(&said.join("; ")), code, trace }, faults))
    }
}

pub(super) fn clip(text: &str) -> String {
    short(text, TEXT_CHARS_MAX)
}

/// Whether an answer says that it is JSON: `application/json`, `application/problem+json` (RFC 6839).
fn is_json(answer: &NativeAnswer) -> bool {
    let told = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

fn short(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

/// The words of one fault, behind the field where the words do not name it.
fn one_fault(Told { field, words }: &Told) -> Option<String> {
    let field = field.to_string();
    match (field.is_empty(), words.is_empty()) {
        (true, true) => None,
        (false, true) => Some(field),
        (false, false) if !words.contains(field.as_str()) => Some(format!("{field}: {words}")),
        (_, false) => Some(words.clone()),
    }
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
                faults.extend(natives.iter().map(|native| self.fault_at(native)));
            }
            fault
        })
    }

    /// A fault of a native field as one of the field the caller knows; the system's words stay inside.
    fn fault_at(&self, native: &Told) -> MappingFault {
        let mut leaf = None;
        self.root.lines(false, &mut |line, in_each| {
            let is_it = |path: &Path| native.field.names(path);
            if let (Source::Native(source), false) = (&line.source, in_each)
                && leaf.is_none()
                && (is_it(&source.write_at) || source.update_at.as_ref().is_some_and(is_it))
            {
                leaf = Some(line.leaf);
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
