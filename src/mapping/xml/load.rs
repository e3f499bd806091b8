//! `namespaces`, `wrap` and `order`, and whether the names of paths can be names in XML.

use http::Method;

use super::{
    NIL_NAMESPACE, Names, XML_NAMESPACE,
    chars::{holds, is_name, qualified},
    soap::{PREFIX, Soap},
    write::Order,
};
use crate::{
    mapping::{
        body::{Body, Hole, Holes},
        entries::{NAME, VALUE},
        load::{Defaults, Written, bodies, pairs},
        model::{Call, Carrier, ListCall, Next, Size, Words},
        path::{Path, Step},
        trie::{Frame, Node as Tree},
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
    },
};

/// Where one record stands in answers and in what is sent.
#[derive(Debug)]
pub(in crate::mapping) struct Record {
    pub(super) wrap: Path,
    pub(super) envelope: Tree,
    pub(super) frame: u16,
    pub(super) order: Order,
}

impl Record {
    /// The way to the one record of an answer.
    pub(in crate::mapping) fn envelope(&self) -> &Tree {
        &self.envelope
    }

    /// The size of its frame.
    pub(in crate::mapping) fn frame(&self) -> u16 {
        self.frame
    }

    /// Whether the system asks for an order of elements.
    pub(in crate::mapping) fn is_ordered(&self) -> bool {
        self.order.is_asked()
    }
}

/// LIMIT: namespaces of one prefix.
const NAMESPACES_MAX: usize = 8;

/// `namespaces: { prefix: namespace }`, or a list of them, of which the first is written.
pub(in crate::mapping) fn namespaces(
    node: Option<&Node>,
    soap: Option<Soap>,
    found: &mut Diagnostics,
) -> Names {
    let mut names = Names { soap, ..Names::default() };
    for (key, node) in pairs(node, found) {
        let all = node.as_list().unwrap_or(std::slice::from_ref(node));
        if !(1..=NAMESPACES_MAX).contains(&all.len()) {
            expected(node, &format!("a namespace, or a list of up to {NAMESPACES_MAX}"), found);
        }
        for node in all.iter().take(NAMESPACES_MAX) {
            names.add(key, node, soap, found);
        }
    }
    if let (Some(soap), true) = (soap, names.is_bound()) {
        names.bound.push((PREFIX.into(), soap.namespace().into()));
    }
    names
}

/// `envelope: { header: … }`: what stands in the header of every request, as constants.
pub(in crate::mapping) fn envelope(
    names: Option<&mut Names>,
    node: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) {
    let Some(names) = names else {
        return found.push(
            Diagnostic::error(&node.place, "only a system that speaks SOAP has an `envelope`")
                .help("say `speaks: soap11` or `soap12`, or leave it out"),
        );
    };
    let Some(mut keys) = Keys::of(node, found) else { return };
    let header: Option<Node> = keys.required("header", found);
    keys.finish(found);
    let Some(header) = header else { return };
    if header.as_map().is_none_or(<[_]>::is_empty) {
        return expected(&header, "a map of elements", found);
    }
    let Some(body) = bodies::tree(&header, &[], defaults, found) else { return };
    let mut told = Vec::new();
    body.names(&mut |name: &str, is_last: bool| {
        let is_soaps = name.strip_prefix("@soap:").is_some();
        let why = match is_last || !name.starts_with(['@', '#']) {
            true if is_soaps => None,
            true => misnamed(names, name),
            false => Some(format!("`{name}` is the last step of a path, or none")),
        };
        told.extend(why);
    });
    told.iter().for_each(|why| found.error(&header.place, why.clone()));
    names.header = Some(body.fill(&mut Holes::default()));
}

impl Names {
    /// Another namespace of a prefix.
    fn add(&mut self, key: &tree::Key, node: &Node, soap: Option<Soap>, found: &mut Diagnostics) {
        let Some(namespace) = String::read(node, found) else { return };
        let prefix = key.text.as_str();
        let reserved = prefix.starts_with("xml")
            || (soap.is_some() && prefix == PREFIX)
            || matches!(&*namespace, XML_NAMESPACE | NIL_NAMESPACE);
        if reserved || !(prefix.is_empty() || is_name(prefix)) {
            found.push(
                Diagnostic::error(&key.place, format!("`{prefix}` cannot be a prefix here"))
                    .help("write a name of your own, or \"\" for elements without a prefix"),
            );
        } else if namespace.is_empty() || !holds(&namespace) {
            found.error(&node.place, "a namespace is the address that the system's documents declare");
        } else if self.bound.iter().any(|(_, known)| **known == *namespace) {
            found.error(&node.place, "this namespace has a prefix already");
        } else {
            self.bound.push((prefix.into(), namespace.into()));
        }
    }
}

/// `wrap` and `order` of an entity; `None` without `wrap`, and where the system does not speak XML.
pub(in crate::mapping) fn record(
    keys: &mut Keys<'_>,
    words: &Words,
    calls: [&Option<Call>; 3],
    node: &Node,
    found: &mut Diagnostics,
) -> Option<Record> {
    words.xml.as_ref()?;
    let is_called = calls.iter().any(|call| call.is_some());
    let wrap = keys.take("wrap");
    let order = keys.take("order");
    let Some(wrap_node) = wrap else {
        if is_called || order.is_some() {
            found.push(
                Diagnostic::error(&node.place, "key `wrap` is missing: the elements around one record")
                    .help("name them from the root to the record, as in `wrap: api.contractors.contractor`"),
            );
        }
        return None;
    };
    let wrap = crate::mapping::load::path(wrap_node, found)?;
    let plain = |step: &Step| matches!(step, Step::Key(name) if !name.starts_with(['@', '#']));
    if !wrap.steps().iter().all(plain) {
        found.error(&wrap_node.place, "`wrap` names elements, from the root to the record");
        return None;
    }
    let mut frame = Frame::default();
    frame.slot(wrap.steps());
    frame.rows(wrap.steps());
    frame.finish();
    let order = order_words(order, &wrap, found);
    Some(Record { wrap, envelope: frame.root, frame: frame.slots, order })
}

fn order_words(node: Option<&Node>, wrap: &Path, found: &mut Diagnostics) -> Order {
    let mut order = Order::default();
    let Some(node) = node else { return order };
    let Some(items) = node.as_list() else {
        expected(node, "a list of native paths, in the order that the system asks for", found);
        return order;
    };
    for item in items {
        if let Some(path) = crate::mapping::load::path(item, found) {
            let steps: Vec<_> = wrap.steps().iter().chain(path.steps()).cloned().collect();
            order.add(&steps);
        }
    }
    order
}

/// Tells of paths that cannot be of XML, where the system speaks it: those that are read, as a tree, those that are
/// written, and those of lists. `node` is searched for the place where one is written.
pub(in crate::mapping) fn check(
    words: &Words,
    read: &Tree,
    written: &[Written],
    (calls, lists): ([&Option<Call>; 4], &[ListCall]),
    node: &Node,
    found: &mut Diagnostics,
) {
    let Some(names) = &words.xml else { return };
    let calls: Vec<&Call> = calls.into_iter().flatten().collect();
    let of_calls = calls.iter().map(|call| &call.body);
    let of_lists =
        lists.iter().flat_map(|call| [Some(&call.body), call.batch.as_ref().map(|read| &read.body)]);
    let templates: Vec<&Body> = of_calls.chain(of_lists.flatten()).flatten().collect();
    let written = written.iter().map(|written| &written.path).chain(lists.iter().flat_map(body_paths));
    check_names(names, read, (written, &templates, lists), node, found);
    check_bodies(lists, &templates, node, found);
    if names.soap.is_some() {
        check_envelopes(&calls, lists, node, found);
    }
    if calls.iter().any(|call| call.rows.is_some()) {
        found.push(
            Diagnostic::error(&node.place, "`rows` of one record goes with JSON")
                .help("`wrap` says where a record stands in XML"),
        );
    }
}

fn check_names<'p>(
    names: &Names,
    read: &Tree,
    (written, templates, lists): (impl Iterator<Item = &'p Path>, &[&Body], &[ListCall]),
    node: &Node,
    found: &mut Diagnostics,
) {
    let mut told = Vec::new();
    let mut see = |name: &str, is_last: bool| {
        // What an element of `entries` is called and what stands under it are no elements of a document.
        if matches!(name, NAME | VALUE) {
            return;
        }
        let why = match is_last || !name.starts_with(['@', '#']) {
            true => misnamed(names, name),
            false => Some(format!("`{name}` is the last step of a path, or none")),
        };
        let Some(why) = why else { return };
        if !told.iter().any(|known| known == name) {
            found.error(place_of(node, name).unwrap_or(&node.place), why);
            told.push(name.to_owned());
        }
    };
    read.names(&mut see);
    templates.iter().for_each(|body| body.names(&mut see));
    let dialects = || lists.iter().filter_map(|call| call.filter.as_ref());
    let filters = dialects().filter_map(|dialect| dialect.names_in_bodies());
    let sorts = dialects().filter_map(|dialect| dialect.sort.as_ref()?.names_in_bodies());
    for (name, is_last) in filters.chain(sorts).flatten() {
        see(&name, is_last);
    }
    for path in written {
        for (at, step) in path.steps().iter().enumerate() {
            if let Step::Key(name) = step {
                see(name, at + 1 == path.steps().len());
            }
        }
    }
}

/// Tells of requests that no envelope could hold.
fn check_envelopes(calls: &[&Call], lists: &[ListCall], node: &Node, found: &mut Diagnostics) {
    let of_calls = calls.iter().map(|call| (&call.method, call.body.is_some() || call.is_written));
    let of_lists = lists.iter().map(|call| (&call.method, call.body.is_some()));
    let of_reads = lists.iter().flat_map(|call| &call.batch).map(|read| (&read.method, read.body.is_some()));
    for (method, has_body) in of_calls.chain(of_lists).chain(of_reads) {
        if *method != Method::POST || !has_body {
            found.push(
                Diagnostic::error(&node.place, "SOAP asks by `post`, with a `body`")
                    .help("`body: { GetCustomer: { id: \"{key}\" } }` is what stands in the envelope"),
            );
            return;
        }
    }
}

/// The paths at which a list's body is filled.
fn body_paths(call: &ListCall) -> impl Iterator<Item = &Path> {
    let size = match &call.page.size {
        Size::At(carrier) => Some(carrier),
        Size::Own | Size::Prefer(_) => None,
    };
    let next = match &call.page.next {
        Next::Token { to, .. } | Next::Offset { to, .. } | Next::Number { to, .. } => Some(to),
        Next::Link { .. } | Next::None | Next::Keyset => None,
    };
    let carriers = size.into_iter().chain(next);
    let paths = carriers.filter_map(|carrier| match carrier {
        Carrier::Body(path) => Some(path),
        Carrier::Query(_) | Carrier::Range(_) | Carrier::Hole => None,
    });
    paths.chain(&call.select_body)
}

/// Tells of a body that would not have one root.
fn check_bodies(lists: &[ListCall], templates: &[&Body], node: &Node, found: &mut Diagnostics) {
    let is_element = |name: &str| !name.starts_with(['@', '#']);
    if !templates.iter().all(|body| body.root().is_some_and(is_element)) {
        found.error(&node.place, "a body in XML has one element around all that is in it");
    }
    for call in lists {
        let dialect = call.filter.as_ref();
        let has = |wanted: Hole| call.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == wanted));
        let filters = dialect.is_some_and(|dialect| dialect.names_in_bodies().is_some());
        let sorts = dialect.and_then(|dialect| dialect.sort.as_ref()?.names_in_bodies()).is_some();
        if (filters && !has(Hole::Filter)) || (sorts && !has(Hole::Sort)) {
            found.push(
                Diagnostic::error(
                    &node.place,
                    "what a list in XML filters and sorts by stands in its `body`",
                )
                .help("write `\"{filter}\"` where the conditions stand, `\"{sort}\"` for the order"),
            );
        }
        let mut roots: Vec<_> = body_paths(call).map(root).collect();
        let template = call.body.as_ref().and_then(Body::root);
        roots.extend(template.map(Some));
        roots.dedup();
        let plain =
            |path: &Path| matches!(path.steps(), [Step::Key(name), Step::Key(_), ..] if is_element(name));
        if roots.len() > 1 || !body_paths(call).all(plain) {
            found.push(
                Diagnostic::error(&node.place, "the body of a list has one element around all that is in it")
                    .help("begin every path into the body with it, as in `size: api.parameters.limit`"),
            );
        }
    }
}

fn root(path: &Path) -> Option<&str> {
    path.steps().first().and_then(|step| match step {
        Step::Key(name) => Some(&**name),
        Step::Index(_)
        | Step::Find(..)
        | Step::Up
        | Step::Answer
        | Step::Head
        | Step::Asked
        | Step::Received
        | Step::Over => None,
    })
}

impl Tree {
    /// Every name, and whether nothing stands under it. As deep as paths of the file.
    fn names(&self, see: &mut dyn FnMut(&str, bool)) {
        for (name, child) in &self.keys {
            see(name, child.keys.is_empty() && !child.is_list());
            child.names(see);
        }
        self.items.values().for_each(|item| item.names(see));
        self.each.iter().for_each(|each| each.node.names(see));
        self.entries.iter().for_each(|entries| entries.each.node.names(see));
        for find in &self.finds {
            see(&find.key, true);
            find.is.iter().for_each(|(_, found)| found.names(see));
        }
    }
}

/// What is wrong with a step, and what to write instead.
fn misnamed(names: &Names, step: &str) -> Option<String> {
    if step == "#" {
        return None;
    }
    let Some((prefix, _)) = qualified(step.strip_prefix('@').unwrap_or(step)) else {
        return Some(format!(
            "`{step}` is no name of an element; write `@x` for an attribute, `#` for the text"
        ));
    };
    let known = prefix.is_empty() || names.bound.iter().any(|(known, _)| **known == *prefix);
    match (known, names.bound.is_empty()) {
        (true, _) => None,
        (false, true) => {
            Some(format!("`{prefix}:` is not in `namespaces`; write the name alone, or declare it"))
        }
        (false, false) => (prefix != "xml").then(|| format!("`{prefix}:` is not in `namespaces`")),
    }
}

/// Where a path with that step is written under a node. The file's own depth bounds the recursion.
fn place_of<'n>(node: &'n Node, step: &str) -> Option<&'n crate::words::Place> {
    let has = |text: &str| {
        Path::parse(text)
            .is_ok_and(|path| path.steps().iter().any(|s| matches!(s, Step::Key(name) if **name == *step)))
    };
    match &node.value {
        tree::Value::Scalar(scalar) => has(&scalar.text).then_some(&node.place),
        tree::Value::List(items) => items.iter().find_map(|item| place_of(item, step)),
        tree::Value::Map(pairs) => pairs.iter().find_map(|(key, value)| match has(&key.text) {
            true => Some(&key.place),
            false => place_of(value, step),
        }),
        tree::Value::Null => None,
    }
}
