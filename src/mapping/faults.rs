//! `faults:` — where a system's no lists what it does not accept, field by field.

use super::{
    errors::clip,
    load::{path, place},
    model::KeyForm,
    path::{Path, STEPS_MAX, Step, joined},
    scan::{Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
};
use crate::words::{
    Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys},
};

/// Most faults taken from one answer.
const FAULTS_MAX: usize = 100;

/// A list of faults, and where each names a field and says what is wrong.
#[derive(Debug)]
pub(super) struct Faults {
    list: FaultList,
    field: Field,
}

/// Where a fault names a field.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// In a text.
    Text(u16),
    /// In a list of the steps to it.
    Steps(u16),
}

/// What a fault names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A native name: a path, or the last of its names.
    Name(String),
    /// The steps to a place in what was sent. The first may name what the record was sent as.
    Steps(Vec<Step>),
}

/// Where the list of faults stands.
#[derive(Debug)]
enum FaultList {
    /// In the body itself, at this slot.
    Body(u16),
    /// In a text of the body, as JSON.
    Text { slot: u16, after: String, tree: Tree, list: u16, frame: u16 },
}

impl Faults {
    pub(super) fn load(
        node: &Node,
        keys: &mut Keys<'_>,
        body: &mut Frame,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let (at, each) = (keys.take("at"), keys.take("each"));
        let after = keys.take("after").map(|node| String::read(node, found));
        let mut element = Frame::default();
        let said: Node = keys.required("field", found)?;
        let field = field(&said, &mut element, found)?;
        // The words of one fault; for the reader, and checked to be a path.
        if let Some(text) = keys.take("text") {
            path(text, found);
        }
        let list = match (at, each, after) {
            (Some(at), None, after) => {
                let slot = body.slot(path(at, found)?.steps());
                let mut frame = Frame::default();
                let list = frame.each(&[], "", element)?;
                frame.finish();
                let after = after.flatten().unwrap_or_default();
                FaultList::Text { slot, after, tree: frame.root, list, frame: frame.slots }
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
                    "faults stand in the body (`each`) or in a text of it (`at`, with `after`)",
                );
                return None;
            }
        };
        Some(Self { list, field })
    }

    /// What each fault names.
    pub(super) fn read(&self, raws: &Raws<'_>) -> Option<Vec<Told>> {
        match &self.list {
            FaultList::Body(list) => self.told(raws, *list),
            FaultList::Text { slot, after, tree, list, frame } => {
                let text = raws.get(0, *slot).text()?;
                let json = match after.is_empty() {
                    true => &*text,
                    false => text.split_once(after.as_str())?.1,
                };
                let mut scan = Scanner::new(json.as_bytes()).ok()?;
                let mut inner = Raws::default();
                inner.restart(*frame);
                walk(&mut scan, tree, 0, &mut inner, &mut |scan| scan.skip()).ok()?;
                self.told(&inner, *list)
            }
        }
    }

    fn told(&self, raws: &Raws<'_>, list: u16) -> Option<Vec<Told>> {
        let Raw::Elements { first, count } = raws.get(0, list) else { return None };
        Some(raws.elements(first, count).take(FAULTS_MAX).map(|frame| self.field.read(raws, frame)).collect())
    }
}

impl Field {
    fn read(self, raws: &Raws<'_>, frame: usize) -> Told {
        let text = |frame, slot| raws.get(frame, slot).text().map(|text| clip(&text)).unwrap_or_default();
        match self {
            Self::Text(slot) => Told::Name(text(frame, slot)),
            Self::Steps(slot) => {
                let Raw::Elements { first, count } = raws.get(frame, slot) else {
                    return Told::Steps(Vec::new());
                };
                // A path of a file has no more.
                let names = raws.elements(first, count).take(STEPS_MAX + 1).map(|frame| text(frame, 1));
                Told::Steps(names.map(|name| step(&name)).collect())
            }
        }
    }
}

impl Told {
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

/// `field`: a path, or `{ steps }`.
fn field(node: &Node, element: &mut Frame, found: &mut Diagnostics) -> Option<Field> {
    if node.as_text().is_some() {
        return Some(Field::Text(element.slot(path(node, found)?.steps())));
    }
    let mut keys = Keys::of(node, found)?;
    let steps: Option<Node> = keys.required("steps", found);
    keys.finish(found);
    let mut one = Frame::default();
    // INVARIANT: the text of a step has slot 1.
    one.slot(&[]);
    element.each(path(&steps?, found)?.steps(), "", one).map(Field::Steps)
}

fn step(name: &str) -> Step {
    match name.parse() {
        Ok(index) if KeyForm::Digits.fits(name) => Step::Index(index),
        _ => Step::Key(name.into()),
    }
}
