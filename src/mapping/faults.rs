//! `faults:` — where a system's no says what it does not accept, field by field: in a list, or in an object whose
//! names are those of the fields.

use super::{
    errors::clip,
    load::{path, place},
    scan::{BadJson, Raw, Scanner},
    trie::{Frame, Node as Tree, Raws, walk},
};
use crate::words::{
    Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys},
};

/// Most faults taken from one answer.
const FAULTS_MAX: usize = 100;

/// Where faults stand.
#[derive(Debug)]
pub(super) enum Faults {
    /// In a list: where each names a field and says what is wrong.
    List { list: Box<FaultList>, field: u16, text: Option<u16> },
    /// Under the names of their fields, in the object of which this slot holds the text.
    Entries(u16),
}

/// Where the list of faults stands.
#[derive(Debug)]
pub(super) enum FaultList {
    /// In the body itself, at this slot.
    Body(u16),
    /// In a text of the body, as JSON.
    Text { slot: u16, after: String, tree: Tree, list: u16, frame: u16 },
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
                    "faults stand in a list (`each`), under the names of fields (`entries`), or in a text (`at`, with `after`)",
                );
                return None;
            }
        };
        Some(Self::List { list: Box::new(list), field, text })
    }

    /// Native name and words of each fault.
    pub(super) fn read(&self, raws: &Raws<'_>) -> Option<Vec<(String, String)>> {
        let (list, told) = match self {
            Self::Entries(slot) => return entries(&raws.get(0, *slot).text()?).ok(),
            Self::List { list, field, text } => (list, (*field, *text)),
        };
        match &**list {
            FaultList::Body(list) => listed(raws, *list, told),
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
                listed(&inner, *list, told)
            }
        }
    }
}

fn listed(raws: &Raws<'_>, list: u16, (field, told): (u16, Option<u16>)) -> Option<Vec<(String, String)>> {
    let Raw::Elements { first, count } = raws.get(0, list) else { return None };
    let text = |frame, slot| raws.get(frame, slot).text().map(|text| clip(&text)).unwrap_or_default();
    let one = |frame| (text(frame, field), told.map(|slot| text(frame, slot)).unwrap_or_default());
    Some(raws.elements(first, count).take(FAULTS_MAX).map(one).collect())
}

/// The names of an object, with the first text that stands under each; none where it is no object. A name under which
/// nothing stands is no fault.
fn entries(json: &str) -> Result<Vec<(String, String)>, BadJson> {
    let mut scan = Scanner::new(json.as_bytes())?;
    let mut told = Vec::new();
    let mut more = scan.peek()? == b'{' && scan.enter(b'}')?;
    while more && told.len() < FAULTS_MAX {
        let name = clip(&scan.key()?);
        if let Some(text) = first_text(scan.whole()?)? {
            told.push((name, clip(&text)));
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
