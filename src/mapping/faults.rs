//! `faults:` — where a system's no says what it does not accept, field by field or in plain texts: in a list, or in an
//! object whose names are those of the fields.

use std::fmt;

use super::{
    errors::{Pattern, clip},
    load::{path, place},
    model::KeyForm,
    path::{Path, STEPS_MAX, Step, joined},
    scan::{BadJson, Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
};
use crate::words::{
    Diagnostic, Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys},
};

/// Most faults taken from one answer.
const FAULTS_MAX: usize = 100;

/// Where faults stand.
#[derive(Debug)]
pub(super) enum Faults {
    /// In a list: where each names a field and says what is wrong.
    List { list: Box<FaultList>, field: Option<Field>, text: Option<u16> },
    /// Under the names of their fields, in the object of which this slot holds the text.
    Entries(u16),
}

/// Where a fault names its field.
#[derive(Debug)]
pub(super) enum Field {
    /// In a text: all of it, or what stands in the pattern's hole.
    Text(u16, Option<Pattern>),
    /// In a list of the steps to it.
    Steps(u16),
}

/// One fault, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) field: Named,
    /// For the operator.
    pub(super) words: String,
}

/// The field that a fault names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A native name: a path, or the last of its names; empty where none is told.
    Name(String),
    /// The steps to a place in what was sent. The first may name what the record was sent as.
    Steps(Vec<Step>),
}

/// Where the list of faults stands.
#[derive(Debug)]
pub(super) enum FaultList {
    /// In the body itself, at this slot.
    Body(u16),
    /// In JSON that this slot holds the text of: a text of the body, or what stands there.
    Text { slot: u16, after: String, tree: Box<Tree>, list: u16, frame: u16, is_body: bool },
}

impl Field {
    /// `field`: a path, `{ at, pattern }`, or `{ steps }`.
    fn load(node: &Node, element: &mut Frame, found: &mut Diagnostics) -> Option<Self> {
        if node.as_text().is_some() {
            return Some(Self::Text(element.slot(place(node, found)?.steps()), None));
        }
        let mut keys = Keys::of(node, found)?;
        if let Some(steps) = keys.take("steps") {
            keys.finish(found);
            let mut one = Frame::default();
            // INVARIANT: the text of a step has slot 1.
            one.slot(&[]);
            return element.each(path(steps, found)?.steps(), "", one).map(Self::Steps);
        }
        let at = keys.required::<Node>("at", found).and_then(|node| place(&node, found));
        let said: Option<Node> = keys.required("pattern", found);
        keys.finish(found);
        let said = said?;
        let pattern = Pattern::parse(&String::read(&said, found)?);
        if !pattern.has_hole() {
            found.error(&said.place, "the pattern has no `{id}`: where it names the field");
            return None;
        }
        Some(Self::Text(element.slot(at?.steps()), Some(pattern)))
    }

    fn read(&self, raws: &Raws<'_>, frame: usize) -> Named {
        match self {
            Self::Text(slot, pattern) => {
                let said = text(raws, frame, *slot);
                Named::Name(match pattern {
                    None => said,
                    Some(pattern) => pattern.take(&said).unwrap_or_default(),
                })
            }
            Self::Steps(slot) => {
                let Raw::Elements { first, count } = raws.get(frame, *slot) else {
                    return Named::Steps(Vec::new());
                };
                // A path of a file has no more.
                let names = raws.elements(first, count).take(STEPS_MAX + 1).map(|frame| text(raws, frame, 1));
                Named::Steps(names.map(|name| step(&name)).collect())
            }
        }
    }
}

fn text(raws: &Raws<'_>, frame: usize, slot: u16) -> String {
    raws.get(frame, slot).text().map(|text| clip(&text)).unwrap_or_default()
}

impl Faults {
    pub(super) fn load(
        node: &Node,
        keys: &mut Keys<'_>,
        (body, is_xml): (&mut Frame, bool),
        found: &mut Diagnostics,
    ) -> Option<Self> {
        if let Some(entries) = keys.take("entries") {
            if is_xml {
                found.error(&entries.place, "elements that are named by fields are not read: say `each`");
                return None;
            }
            return path(entries, found).map(|path| Self::Entries(body.whole(path.steps())));
        }
        let (at, each) = (keys.take("at"), keys.take("each"));
        let after = keys.take("after").map(|node| String::read(node, found));
        let mut element = Frame::default();
        let field = match keys.take("field") {
            Some(node) => Some(Field::load(node, &mut element, found)?),
            None => None,
        };
        let text = match keys.take("text") {
            Some(node) => Some(element.slot(place(node, found)?.steps())),
            None => None,
        };
        if field.is_none() && text.is_none() {
            let mistake = Diagnostic::error(&node.place, "these faults have neither `field` nor `text`");
            found.push(mistake.help("say where each names its field, or `text: .` where each is a text"));
            return None;
        }
        let inside = |slot: u16, after: String, element: Frame, is_body: bool| {
            let mut frame = Frame::default();
            let list = frame.each(&[], "", element)?;
            frame.finish();
            Some(FaultList::Text {
                slot,
                after,
                tree: Box::new(frame.root),
                list,
                frame: frame.slots,
                is_body,
            })
        };
        let list = match (at, each, after) {
            (Some(at), None, after) => inside(
                body.slot(path(at, found)?.steps()),
                after.flatten().unwrap_or_default(),
                element,
                false,
            )?,
            // In JSON what stands there is looked into by itself: matchers read the same names, and it may be one text.
            (None, Some(each), None) if !is_xml => {
                let each = place(each, found)?;
                inside(body.whole(each.steps()), String::new(), element, each.steps().is_empty())?
            }
            (None, Some(each), None) => match body.each(place(each, found)?.steps(), "", element) {
                Some(slot) => FaultList::Body(slot),
                None => {
                    found.error(&each.place, "another matcher reads this list of faults already");
                    return None;
                }
            },
            _ => {
                found.error(
                    &node.place,
                    "faults stand in a list (`each`), under the names of fields (`entries`), or in a text (`at`, with `after`)",
                );
                return None;
            }
        };
        Some(Self::List { list: Box::new(list), field, text })
    }

    /// Whether the answer is the one fault, of which it looks at something at a path or below it.
    pub(super) fn looks_at(&self, path: &Path) -> bool {
        let Self::List { list, .. } = self else { return false };
        let FaultList::Text { tree, is_body: true, .. } = &**list else { return false };
        tree.each.iter().any(|each| each.node.at(path.steps()).is_some())
    }

    /// What each fault names, and its words.
    pub(super) fn read(&self, raws: &Raws<'_>) -> Option<Vec<Told>> {
        let (list, field, text) = match self {
            Self::Entries(slot) => return entries(&raws.get(0, *slot).text()?).ok(),
            Self::List { list, field, text } => (list, field.as_ref(), *text),
        };
        match &**list {
            FaultList::Body(list) => listed(raws, *list, (field, text)),
            FaultList::Text { slot, after, tree, list, frame, .. } => {
                let body = raws.get(0, *slot).text()?;
                let json = match after.is_empty() {
                    true => &*body,
                    false => body.split_once(after.as_str())?.1,
                };
                // One text is a list of one.
                let one = json.trim_start().starts_with('"').then(|| format!("[{json}]"));
                let json = one.as_deref().unwrap_or(json);
                let mut scan = Scanner::new(json.as_bytes()).ok()?;
                let mut inner = Raws::default();
                inner.restart(*frame);
                walk(&mut scan, tree, 0, &mut inner, &mut |scan| scan.skip()).ok()?;
                listed(&inner, *list, (field, text))
            }
        }
    }
}

fn listed(raws: &Raws<'_>, list: u16, (field, words): (Option<&Field>, Option<u16>)) -> Option<Vec<Told>> {
    let Raw::Elements { first, count } = raws.get(0, list) else { return None };
    let one = |frame| Told {
        field: field.map_or(Named::Name(String::new()), |field| field.read(raws, frame)),
        words: words.map(|slot| text(raws, frame, slot)).unwrap_or_default(),
    };
    Some(raws.elements(first, count).take(FAULTS_MAX).map(one).collect())
}

/// The names of an object, with the first text that stands under each; none where it is no object. A name under which
/// nothing stands is no fault.
fn entries(json: &str) -> Result<Vec<Told>, BadJson> {
    let mut scan = Scanner::new(json.as_bytes())?;
    let mut told = Vec::new();
    let mut more = scan.peek()? == b'{' && scan.enter(b'}')?;
    while more && told.len() < FAULTS_MAX {
        let name = clip(&scan.key()?);
        if let Some(text) = first_text(scan.whole()?)? {
            told.push(Told { field: Named::Name(name), words: clip(&text) });
        }
        more = scan.more(b'}')?;
    }
    Ok(told)
}

/// The words of a fault: a text, or the first of a list; nothing where there is none.
fn first_text(json: &str) -> Result<Option<String>, BadJson> {
    let mut scan = Scanner::new(json.as_bytes())?;
    if scan.peek()? == b'[' && !scan.enter(b']')? {
        return Ok(None);
    }
    match scan.peek()? {
        // What is nested deeper is a fault all the same.
        b'{' | b'[' => Ok(Some(String::new())),
        _ => Ok(scan.scalar()?.text().map(std::borrow::Cow::into_owned)),
    }
}

impl Named {
    /// Whether this native place is what it names.
    pub(super) fn names(&self, path: &Path) -> bool {
        match self {
            // A filter may read the record itself, which has no name.
            Self::Name(native) => {
                (!path.steps().is_empty() && joined(path.steps(), '.') == *native)
                    || path.steps().last().is_some_and(|s| joined(std::slice::from_ref(s), '.') == *native)
            }
            Self::Steps(steps) => {
                let behind_first = steps.split_first().map(|(_, rest)| rest);
                !path.steps().is_empty()
                    && (steps == path.steps() || behind_first.is_some_and(|rest| rest == path.steps()))
            }
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Steps(steps) => f.write_str(&joined(steps, '.')),
        }
    }
}

fn step(name: &str) -> Step {
    match name.parse() {
        Ok(index) if KeyForm::Digits.fits(name) => Step::Index(index),
        _ => Step::Key(name.into()),
    }
}
