//! `faults:` — where a system's no lists what it does not accept, field by field, or in plain texts.

use super::{
    errors::{Pattern, clip},
    load::{path, place},
    scan::{Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
};
use crate::words::{
    Diagnostic, Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys},
};

/// Most faults taken from one answer.
const FAULTS_MAX: usize = 100;

/// A list of faults, and where each names a field and says what is wrong.
#[derive(Debug)]
pub(super) struct Faults {
    list: FaultList,
    field: Option<Field>,
    text: Option<u16>,
}

/// Where a fault names its field: at this slot, all of it or what stands in the pattern's hole.
#[derive(Debug)]
struct Field {
    slot: u16,
    pattern: Option<Pattern>,
}

/// Where the list of faults stands.
#[derive(Debug)]
enum FaultList {
    /// In the body itself, at this slot.
    Body(u16),
    /// In a text of the body, as JSON.
    Text { slot: u16, after: String, tree: Tree, list: u16, frame: u16 },
}

impl Field {
    fn load(node: &Node, element: &mut Frame, found: &mut Diagnostics) -> Option<Self> {
        if node.as_text().is_some() {
            return Some(Self { slot: element.slot(path(node, found)?.steps()), pattern: None });
        }
        let mut keys = Keys::of(node, found)?;
        let at = keys.required::<Node>("at", found).and_then(|node| place(&node, found));
        let said: Option<Node> = keys.required("pattern", found);
        keys.finish(found);
        let said = said?;
        let pattern = Pattern::parse(&String::read(&said, found)?);
        if !pattern.has_hole() {
            found.error(&said.place, "the pattern has no `{id}`: where it names the field");
            return None;
        }
        Some(Self { slot: element.slot(at?.steps()), pattern: Some(pattern) })
    }
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
        Some(Self { list, field, text })
    }

    /// Native name and words of each fault.
    pub(super) fn read(&self, raws: &Raws<'_>) -> Option<Vec<(String, String)>> {
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

    fn told(&self, raws: &Raws<'_>, list: u16) -> Option<Vec<(String, String)>> {
        let Raw::Elements { first, count } = raws.get(0, list) else { return None };
        let text = |frame, slot| raws.get(frame, slot).text().map(|text| clip(&text)).unwrap_or_default();
        let named = |frame| {
            let Some(Field { slot, pattern }) = &self.field else { return String::new() };
            let said = text(frame, *slot);
            match pattern {
                None => said,
                Some(pattern) => pattern.take(&said).unwrap_or_default(),
            }
        };
        let one = |frame| (named(frame), self.text.map(|slot| text(frame, slot)).unwrap_or_default());
        Some(raws.elements(first, count).take(FAULTS_MAX).map(one).collect())
    }
}
