//! `faults:` — where a system's no lists what it does not accept, field by field.

use super::{
    errors::clip,
    load::{path, place},
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
    field: u16,
    text: Option<u16>,
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
        let field: Node = keys.required("field", found)?;
        let field = element.slot(path(&field, found)?.steps());
        let text = keys.take("text").and_then(|node| path(node, found)).map(|p| element.slot(p.steps()));
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
        let one =
            |frame| (text(frame, self.field), self.text.map(|slot| text(frame, slot)).unwrap_or_default());
        Some(raws.elements(first, count).take(FAULTS_MAX).map(one).collect())
    }
}
