//! `finds:` — searches for keys by a business code, as written; and `commands:` for what changes in native lists.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Defaults, bodies, key::form as key_form, lists, pairs, path};
use crate::{
    mapping::{
        body::{Body, Hole},
        finding::{Find, SetFound},
        load::entity::filter_name,
        model::{CommandWords, KeyForm, Speaks},
        path::Path,
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

yaml_words! {
    /// What is meant where several records have a code.
    enum SeveralWord {
        /// None of them.
        Refuse = "refuse",
        /// The first, in the system's order.
        First = "first",
    }
}

/// Every search of a file, by its name, and the names of those that do not load.
pub(super) fn load(
    node: Option<&Node>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> (HashMap<String, Arc<Find>>, HashSet<String>) {
    let (mut finds, mut lost) = (HashMap::new(), HashSet::new());
    for (key, node) in pairs(node, found) {
        match find(&key.text, node, defaults, found) {
            Some(find) => {
                finds.insert(key.text.clone(), Arc::new(find));
            }
            None => {
                lost.insert(key.text.clone());
            }
        }
    }
    (finds, lost)
}

fn find(name: &str, node: &Node, defaults: &Defaults, found: &mut Diagnostics) -> Option<Find> {
    if defaults.speaks == Speaks::Xml {
        found.error(&node.place, "keys are found in JSON only");
        return None;
    }
    let mut keys = Keys::of(node, found)?;
    let by: Option<Node> = keys.required("by", found);
    let by_form = keys.take("by_form").map_or(Some(KeyForm::Text), |node| key_form(node, found));
    let key: Option<Node> = keys.required("key", found);
    let form = keys.take("form").map_or(Some(KeyForm::Text), |node| key_form(node, found));
    let several = keys.or("several", || SeveralWord::Refuse, found);
    let list: Option<Node> = keys.required("list", found);
    keys.finish(found);
    let (by_node, key_node, list) = (by?, key?, list?);
    let (by, key) = (path(&by_node, found)?, path(&key_node, found)?);
    let Some(by_name) = filter_name(&by, None, defaults.speaks) else {
        found.error(&by_node.place, "a code is searched for by a plain name");
        return None;
    };
    let call = lists::variant(&list, "", (None, defaults), found)?;
    let Some(dialect) = call.filter.clone().filter(|_| !call.at.is_empty() && call.batch.is_none()) else {
        let text = "a search for keys has an `at` of its own and a `filter`, and its rows hold the keys";
        found.push(Diagnostic::error(&list.place, text).help("as in `list: { at: /currencies, filter: … }`"));
        return None;
    };
    if call.body.as_ref().is_some_and(|body| body.has(&|hole| matches!(hole, Hole::Bound(_)))) {
        found.error(&list.place, "a search for keys is bounded by its codes alone");
        return None;
    }
    let mut frame = Frame::default();
    // INVARIANT: the code has slot 1, the key slot 2.
    frame.slot(by.steps());
    frame.slot(key.steps());
    if by == key || !frame.finish() {
        found.error(&key_node.place, "the key is another place than the code");
        return None;
    }
    Some(Find {
        name: name.into(),
        call,
        dialect,
        by: by_name.into(),
        by_form: by_form?,
        row: frame.root,
        frame: frame.slots,
        form: form?,
        takes_first: several? == SeveralWord::First,
    })
}

/// The search of a name.
pub(super) fn named(node: &Node, defaults: &Defaults, found: &mut Diagnostics) -> Option<Arc<Find>> {
    let name = String::read(node, found)?;
    let find = defaults.finds.get(&name);
    if find.is_none() && !defaults.lost.contains(&name) {
        found.push(
            Diagnostic::error(&node.place, format!("`{name}` is not in `finds`"))
                .suggest(&name, defaults.finds.keys().map(String::as_str)),
        );
    }
    find.cloned()
}

/// What of `set` is found, `{ find: NAME, of: path }`, and the rest of its lines.
pub(super) fn set(
    node: Option<&Node>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> (Option<Node>, Vec<SetFound>) {
    let Some(node) = node else { return (None, Vec::new()) };
    let is_found = |node: &Node| node.get("find").is_some();
    let mut sets = Vec::new();
    for (key, node) in pairs(Some(node), found).iter().filter(|(_, node)| is_found(node)) {
        let Some(mut keys) = Keys::of(node, found) else { continue };
        let find = keys.take("find").and_then(|node| named(node, defaults, found));
        let of: Option<Node> = keys.required("of", found);
        keys.finish(found);
        let at = Path::parse(&key.text).map_err(|why| found.error(&key.place, why)).ok();
        if let (Some(find), Some(of), Some(at)) = (find, of.and_then(|of| path(&of, found)), at) {
            sets.push(SetFound { at, find, of });
        }
    }
    let rest = pairs(Some(node), found).iter().filter(|(_, node)| !is_found(node)).cloned().collect();
    let rest = Node { value: tree::Value::Map(rest), place: node.place.clone() };
    (Some(rest), sets)
}

/// `commands`: what is sent for an element that comes, changes or goes.
pub(super) fn commands(
    node: Option<&Node>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Arc<CommandWords>> {
    let node = node?;
    if defaults.speaks == Speaks::Xml {
        found.error(&node.place, "only systems that speak JSON are sent `commands`");
        return None;
    }
    let mut keys = Keys::of(node, found)?;
    let mut read =
        |key: &'static str, holes: &[&'static str], needs: (bool, bool), found: &mut Diagnostics| {
            let node = keys.take(key)?;
            let body = bodies::tree(node, holes, defaults, found)?;
            let has = (body.count(&|hole| *hole == Hole::Record) == 1, body.has_key());
            if has != needs {
                let text = match needs {
                    (true, false) => "`add` holds `\"{record}\"` once",
                    (true, true) => "`change` holds `\"{record}\"` once, and the key",
                    (false, _) => "`remove` holds the key",
                };
                found.error(&node.place, text);
            }
            Some(body)
        };
    let add: Option<Body> = read("add", &["record"], (true, false), found);
    let change = read("change", &["record", "key"], (true, true), found);
    let remove = read("remove", &["key"], (false, true), found);
    keys.finish(found);
    if add.is_none() {
        let mistake = Diagnostic::error(&node.place, "key `add` is missing");
        found.push(mistake.help("as in `add: [create, [\"{record}\"]]`"));
    }
    Some(Arc::new(CommandWords { add: add?, change, remove }))
}
