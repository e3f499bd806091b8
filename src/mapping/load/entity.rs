//! One entity of a system's file: how its records are named, asked for and written.

use std::sync::Arc;

use super::{
    Defaults, actions,
    addresses::sendable,
    also, bodies, calls, cells, choices,
    elements::{SET, narrows},
    fields::{FilterLine, FilterPlace, Lines, Loader},
    finds, jq, key, keyed, lacks, lists, merged, money, over, pairs, path_at, refs,
    sets::Within,
    switches,
};
use crate::{
    mapping::{
        check::Sample,
        elsewhere::Elsewhere,
        finding::SetFound,
        forks,
        key::{Key, KeyPart},
        model::{
            Around, Call, Filterable, KeyForm, Line, ListCall, Mapping, Named, Narrow, ObjectPart, Part,
            Select, SelectName, Source, Speaks, Version, WITHIN, Words,
        },
        out::Out,
        path::{Path, Step, joined},
        sets::Set,
        sought,
        trie::{Frame, KEYS_MAX},
        tuple::TupleFilter,
        watched::Watched,
        xml,
    },
    schema::{Entity, FieldSet, LeafId, Value},
    words::{
        Diagnostic, Diagnostics, SystemName,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

yaml_words! {
    /// How a system spells in questions what it spells in answers.
    enum CaseWord {
        /// The same.
        Same = "same",
        /// Words in small letters with `_` between: `costMicros` is asked for as `cost_micros`.
        Snake = "snake",
    }
}

/// What OData asks for the records behind a name by.
const EXPAND: &str = "$expand";

/// How names are asked for, as written.
pub(super) struct SelectWords {
    query: Option<String>,
    expand: Option<String>,
    /// Names of single records that stand inside of others, and are expanded as lists are.
    expands: Vec<String>,
    pub(super) under: Option<Path>,
    /// Whether a name is the whole path, with dots.
    dotted: bool,
    /// Whether what is expanded is named among the fields too.
    with_expanded: bool,
    case: CaseWord,
}

pub(super) fn load(
    (system, words): (&SystemName, &Arc<Words>),
    entity: &Arc<Entity>,
    node: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Mapping> {
    let (mut keys, mut frame) = (Keys::of(node, found)?, Frame::default());
    let at = address(&mut keys, node, entity, found);
    let (narrow, key, by, version) = named((node, &mut keys), &mut frame, defaults, found);
    let (cells, select, is_whole) = asked_by_name(&mut keys, &mut frame, defaults, found);
    let (root, (set, set_found), Loader { lines, written, finds, .. }) =
        root(Loader::new(entity, defaults, found), (node, &mut keys), (&cells, &narrow), &mut frame);
    let lists = lists::load(&mut keys, &at, (entity, defaults), found);
    let [read, create, update, delete] = calls::load(&mut keys, (key.as_ref(), by), defaults, found);
    let (all, fit) = ([&read, &create, &update, &delete], (&root, &lines, key.as_ref(), version.as_ref()));
    let actions = actions::load(&mut keys, (entity, defaults), fit, all, &mut frame, found);
    let xml = xml::record(&mut keys, words, [&read, &create, &update], node, found);
    let (samples, watched, requires) = beside(&mut keys, (entity, defaults), create.as_ref(), found);
    let over = over::load(&mut keys, &frame, (entity, &root), defaults, found);
    let also = also::load(node, (&lines.also, is_whole, words, &lists), defaults, found);
    let lacks = lacks::load(&mut keys, (entity, &root, &actions), &lists, all, found);
    keys.finish(found);
    let (key, over) = (key?, over?); // ORDER: every key was asked for by now, so that all mistakes are told
    let key = over::fit_together(node, (over.as_ref(), key, &root), (&at, all, &lists), &frame, found);
    let of = (&key, version.as_ref(), &root, &lines);
    let keyed = keyed::parts(&key, select.as_ref(), (entity, defaults), found);
    fit_together(node, of, (select.as_ref(), &cells, defaults.speaks), all, &lists, (&mut frame, found));
    xml::check(words, &frame.root, &written, (all, &lists), node, found);
    Some(Mapping {
        around: around(&frame, node, (&lists, update.is_some()), found),
        filters: filters(entity, (&keyed, &lines), (select.as_ref(), defaults.speaks), &lists, found),
        tuples: tuple_filters(keyed, &lines, select.as_ref(), defaults.speaks),
        key_names: key_names(&key, select.as_ref(), defaults.speaks),
        select: select.map(|words| select_of(words, &lines, (&key, &update, &version, &cells), &narrow)),
        filtered: jq::filtered(&lines.wholes, &root, cells.cells.width()),
        system: system.clone(),
        entity: entity.clone(),
        words: words.clone(),
        at,
        key,
        version,
        record: frame.root,
        frame: frame.slots,
        tags: tags(&root),
        unmapped: unmapped(entity, &root),
        element_ids: element_ids(entity, &root),
        pointers: pointers(entity, &root),
        cells: cells.cells,
        narrow,
        over,
        set,
        finds: finds || !set_found.is_empty(),
        set_found,
        requires,
        found_by: sought::load(node, entity, (create.as_ref(), &lists), found),
        lists,
        read,
        create,
        update: also::apart(update),
        delete,
        actions,
        undo: calls::undo(node, found),
        lacks,
        samples,
        xml,
        watched,
        elsewhere: Elsewhere { references: refs::load(entity, &lines, found), also, ..Elsewhere::default() },
        root,
    })
}

/// What stands in cells, what is asked for by its name, and whether records are asked for and come as they are. What
/// others tell of them is read once all lines are.
fn asked_by_name(
    keys: &mut Keys<'_>,
    frame: &mut Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> (cells::Written, Option<SelectWords>, bool) {
    let cells = cells::load(keys, frame, defaults.speaks != Speaks::Xml, found);
    let select = select_words(keys, defaults, found);
    keys.take("also");
    let is_whole = select.is_none() && cells.cells.is_plain();
    (cells, select, is_whole)
}

/// What a record is told by: what all have in common, what names one, what it is changed by, and what tells whether it changed.
fn named(
    (node, keys): (&Node, &mut Keys<'_>),
    frame: &mut Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> (Vec<Narrow>, Option<Key>, Option<Key>, Option<Version>) {
    let narrow = narrows(keys.take("where"), frame, defaults, found);
    let key = key::key(keys.take("key"), &narrow, frame, defaults, found);
    let by = key::by(node, key.as_ref(), frame, found);
    let version = key::version(keys, frame, found);
    (narrow, key, by, version)
}

/// What a new record carries besides its fields: what is the same for all or worked out, what is found by a code, and
/// what `where` says.
fn sets(
    loader: &mut Loader<'_>,
    node: &Node,
    set: Option<&Node>,
    narrow: &[Narrow],
) -> (Vec<Set>, Vec<SetFound>) {
    let (rest, set_found) = finds::set(set, loader.defaults, loader.found);
    let set = loader.sets(rest.as_ref(), Within::Record);
    for path in set_found.iter().map(|set| &set.at).chain(narrow.iter().map(|narrow| &narrow.at)) {
        loader.writes(path, SET, &node.place);
    }
    (set, set_found)
}

/// What no part of an entity can tell by itself.
fn fit_together(
    node: &Node,
    (key, version, root, lines): (&Key, Option<&Version>, &ObjectPart, &Lines),
    (select, cells, speaks): (Option<&SelectWords>, &cells::Written, Speaks),
    all: [&Option<Call>; 4],
    lists: &[ListCall],
    (frame, found): (&mut Frame, &mut Diagnostics),
) {
    let [read, _, update, delete] = all;
    cells.check(node, key, all, lists, found);
    merged::check(node, (update, read), (root, select.is_some(), speaks), found);
    let named = select.is_some_and(|select| select.query.is_none());
    calls::fit_together(node, (key.form(), named), [read, update, delete], lists, found);
    key::fit_together(node, (key, version), all, lists, speaks, found);
    switches::check(root, update.is_some(), node, found);
    no_ambiguous_slots(root, node, found);
    jq::selected(&lines.wholes, select.map(|words| words.under.as_ref()), found);
    super::parts::fit_together(node, (key, root, speaks), found);
    if lists.iter().any(|list| list.page.keyset.is_some())
        && (key.is_parted() || key.form() != KeyForm::Digits)
    {
        let text = "a list goes on after a key of digits alone: of others nobody knows their order";
        found.push(
            Diagnostic::error(&node.place, text)
                .help("say `key: { at: …, form: digits }`, or leave `keyset` out"),
        );
    }
    if let Some(name) = frame.root.claimed() {
        let text = format!("`{name}` is read by a line of its own and as one of `entries`");
        found.push(
            Diagnostic::error(&node.place, text)
                .help("say by `names` which are entries, as in `names: \"field_{name}\"`"),
        );
    }
    finish(frame, node, found);
}

/// The lines of a record, and what goes along with a new one. Those of rows that are no records as they stand are never
/// written.
fn root<'l>(
    mut loader: Loader<'l>,
    (node, keys): (&Node, &mut Keys<'_>),
    (cells, narrow): (&cells::Written, &[Narrow]),
    frame: &mut Frame,
) -> (ObjectPart, (Vec<Set>, Vec<SetFound>), Loader<'l>) {
    let entity = loader.entity;
    let fields: Option<Node> = keys.required("fields", loader.found);
    loader.names_over = over::is_sent(node);
    loader.parts = super::parts::PartWords::read(entity, node, loader.found);
    let mut root = match fields {
        Some(fields) => {
            let fields = loader.defaults.settled(&fields, loader.found);
            loader.object(&entity.root, &fields, frame, !cells.cells.is_plain())
        }
        None => ObjectPart::default(),
    };
    forks::find(&mut root);
    loader.lines.unpivoted(cells);
    loader.check_claims();
    money::check(entity, &root, &loader.lines, node, loader.found);
    let sets = sets(&mut loader, node, keys.take("set"), narrow);
    (root, sets, loader)
}

fn finish(frame: &mut Frame, node: &Node, found: &mut Diagnostics) {
    if !frame.finish() {
        found.error(&node.place, format!("more than {KEYS_MAX} names under one native object"));
    }
}

/// What records are given of the answers they come in.
fn around(
    record: &Frame,
    node: &Node,
    (lists, is_changed): (&[ListCall], bool),
    found: &mut Diagnostics,
) -> Option<Around> {
    let (mut asked, mut received) = (None, None);
    let (mut frame, mut slots, mut heads) = (Frame::default(), Vec::new(), Vec::new());
    for (steps, to) in &record.outside {
        match steps.as_slice() {
            [Step::Asked] => asked = Some(*to),
            [Step::Received] => received = Some(*to),
            [Step::Answer, rest @ ..] => slots.push((frame.slot(rest), *to)),
            [Step::Head, Step::Key(name)] => match http::HeaderName::try_from(&**name) {
                Ok(name) => heads.push((name, *to)),
                Err(_) => found.error(&node.place, format!("`$head.{name}` names no header field")),
            },
            _ => {}
        }
    }
    finish(&mut frame, node, found);
    if asked.is_some() && !lists.is_empty() {
        let text = "`$key` is what one record was asked for by, and a list asks for none by its key";
        found.push(Diagnostic::error(&node.place, text).help("name the path where a row says it"));
    }
    if received.is_some() && is_changed {
        let text = "`$received` makes a record another one at each answer, so no change of it could name its version";
        found.push(
            Diagnostic::error(&node.place, text)
                .help("say `updated_at`, or nothing, of records that are changed"),
        );
    }
    let is_read = !slots.is_empty() || !heads.is_empty() || asked.is_some() || received.is_some();
    is_read.then(|| Around { node: frame.root, frame: frame.slots, slots, heads, asked, received })
}

/// By which native places each leaf can be filtered: by every place it is read from, or not at all; by a key of one part
/// as that one is asked for.
fn filters(
    entity: &Entity,
    (keyed, lines): (&[Filterable], &Lines),
    (select, speaks): (Option<&SelectWords>, Speaks),
    lists: &[ListCall],
    found: &mut Diagnostics,
) -> Vec<Vec<Filterable>> {
    let mut filters = vec![Some(Vec::new()); entity.leaves.len()];
    for FilterLine { leaf, place, is_shared } in &lines.filters {
        let Some(places) = filters.get_mut(usize::from(leaf.0)) else { continue };
        let place = place.as_ref().and_then(|(path, codec)| {
            let name = filter_name(path, select, speaks)?;
            Some(Filterable { name: name.into(), codec: codec.clone(), is_shared: *is_shared })
        });
        *places = places.take().zip(place).map(|(mut places, place)| {
            places.push(place);
            places
        });
    }
    let mut filters: Vec<_> = filters.into_iter().map(Option::unwrap_or_default).collect();
    if let ([_], Some(id)) = (keyed, filters.first_mut()) {
        *id = keyed.to_vec();
    }
    for call in lists {
        call.page.keyset.iter().for_each(|keyset| keyset.check(call, &filters, found));
    }
    filters
}

/// How a filter names the parts of references that have several, and of the key. A field of two such lines is asked for
/// by neither.
fn tuple_filters(
    keyed: Vec<Filterable>,
    lines: &Lines,
    select: Option<&SelectWords>,
    speaks: Speaks,
) -> Vec<(LeafId, TupleFilter)> {
    let key =
        (keyed.len() > 1).then(|| (LeafId(0), TupleFilter { parts: keyed.into_iter().map(Some).collect() }));
    let is_alone = |leaf: LeafId| lines.filters.iter().filter(|line| line.leaf == leaf).count() == 1;
    let tuples = lines.tuples.iter().filter(|(leaf, _)| is_alone(*leaf));
    tuples
        .map(|(leaf, parts)| {
            let named = |place: &Option<FilterPlace>| {
                let (path, codec) = place.as_ref()?;
                let name = filter_name(path, select, speaks)?.into();
                Some(Filterable { name, codec: codec.clone(), is_shared: false })
            };
            (*leaf, TupleFilter { parts: parts.iter().map(named).collect() })
        })
        .chain(key)
        .collect()
}

/// The JSON Pointer of every mapped leaf.
fn pointers(entity: &Entity, root: &ObjectPart) -> Vec<Option<String>> {
    let mut pointers = vec![None; entity.leaves.len()];
    point(root, "", &mut pointers);
    pointers
}

/// Where the entity's records stand under the system's base.
fn address(keys: &mut Keys<'_>, node: &Node, entity: &Entity, found: &mut Diagnostics) -> String {
    let at: String =
        keys.required("at", found).unwrap_or_else(|| "/".to_owned() + entity.collection.as_str());
    if !at.starts_with('/') || at.ends_with('/') || at.contains(['?', '#']) {
        found.error(&node.place, "`at` begins with `/`, does not end with it, and has no query");
    }
    sendable(&at, node.get("at").unwrap_or(node), found);
    at
}

/// How a filter or an order names the key; a digest has no name.
fn key_names(key: &Key, select: Option<&SelectWords>, speaks: Speaks) -> Option<Vec<Arc<str>>> {
    let named = |part: &KeyPart| filter_name(&part.at, select, speaks).map(Into::into);
    key.free().map(named).collect::<Option<_>>().filter(|_| !key.is_digest())
}

/// Native constants: a setting, or a quoted text is text; `true`, `false` and numbers without quotes are what they look like.
pub(super) fn constants(
    parse: fn(&str) -> Result<Path, String>,
    node: Option<&Node>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Vec<(Path, Out)> {
    let mut out = Vec::new();
    for (key, node) in pairs(node, found) {
        let value = match &node.value {
            tree::Value::Scalar(scalar) => match bodies::constant(scalar, node, defaults, found) {
                Some(value) => value,
                None => continue,
            },
            tree::Value::Null | tree::Value::List(_) | tree::Value::Map(_) => {
                expected(node, "a single value", found);
                continue;
            }
        };
        match parse(&key.text) {
            Ok(path) => out.push((path, value)),
            Err(why) => found.error(&key.place, why),
        }
    }
    out
}

fn select_words(keys: &mut Keys<'_>, defaults: &Defaults, found: &mut Diagnostics) -> Option<SelectWords> {
    let is_odata = matches!(defaults.speaks, Speaks::Odata4 | Speaks::Odata2);
    let usual = |expands| SelectWords {
        query: Some("$select".into()),
        expand: Some(EXPAND.into()),
        expands,
        under: None,
        dotted: false,
        with_expanded: defaults.speaks == Speaks::Odata2,
        case: CaseWord::Same,
    };
    let Some(node) = keys.take("select") else { return is_odata.then(|| usual(Vec::new())) };
    if node.as_text() == Some("never") {
        return None;
    }
    let mut keys = Keys::of(node, found)?;
    if let Some(node) = keys.take("expands") {
        let expands = Vec::read(node, found);
        keys.finish(found);
        if is_odata {
            return expands.map(usual);
        }
        found
            .push(Diagnostic::error(&node.place, "`expands` is asked of systems that speak OData").help(
                "name single records that stand inside of others where the file says `speaks: odata4`",
            ));
        return None;
    }
    let query = keys.take("query").and_then(|node| String::read(node, found));
    let expand = keys.take("expand").and_then(|node| String::read(node, found));
    let under = path_at(&mut keys, "under", found);
    let dotted = keys.or("dotted", || false, found);
    let case = keys.or("case", || CaseWord::Same, found);
    keys.finish(found);
    let with_expanded = defaults.speaks == Speaks::Odata2;
    let expands = Vec::new();
    Some(SelectWords { query, expand, expands, under, dotted: dotted?, with_expanded, case: case? })
}

fn select_of(
    words: SelectWords,
    Lines { reads, inner, nested, .. }: &Lines,
    (key, update, version, cells): (&Key, &Option<Call>, &Option<Version>, &cells::Written),
    narrow: &[Narrow],
) -> Select {
    let mut names: Vec<SelectName> = Vec::new();
    let mut add = |path: &Path, leaves: FieldSet, expand: bool, always: bool| {
        let steps = match &words.under {
            None => Some(path.steps()),
            Some(under) => path.under(under),
        };
        let Some([Step::Key(name), rest @ ..]) = steps else { return };
        // Annotations come with what they annotate.
        if name.starts_with('@') || name.starts_with("__") {
            return;
        }
        // Where lists stand under `results`, what has some is another record's.
        let results = matches!(rest.first(), Some(Step::Key(name)) if &**name == "results");
        let is_named = words.expands.iter().any(|expanded| *expanded == **name);
        let expand = expand || is_named || (results && words.with_expanded && words.expand.is_some());
        let whole = match (words.dotted, steps) {
            (true, Some(steps)) => dotted(steps),
            (true, None) | (false, _) => name.to_string(),
        };
        let found_by = steps.into_iter().filter(|_| words.dotted).flat_map(found_by);
        for name in std::iter::once(whole).chain(found_by) {
            let name = words.case.spell(name);
            match names.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    known.leaves = known.leaves.union(&leaves);
                    known.always |= always;
                }
                None => names.push(SelectName { name, expand, always, leaves }),
            }
        }
    };
    let by = update.as_ref().and_then(|call| call.by.as_ref());
    let of_key = [Some(key), by].into_iter().flatten().flat_map(Key::parts).map(|part| &part.at);
    for path in of_key.chain(cells.figures()).filter(|path| !cells.is_own(path)) {
        add(path, FieldSet::EMPTY, false, true);
    }
    if let Some(version) = version {
        add(&version.at, FieldSet::EMPTY, false, true);
    }
    for narrow in narrow {
        add(&narrow.at, FieldSet::EMPTY, false, true);
    }
    // Where a name is the whole path, a list is asked for by what its elements are read by.
    let is_list = |path: &Path, each: bool| {
        words.dotted && each && inner.iter().any(|(_, other)| other.under(path).is_some())
    };
    for (leaves, path, each) in reads {
        if !is_list(path, *each) {
            add(path, *leaves, *each && words.expand.is_some(), false);
        }
    }
    for (leaves, path) in inner.iter().filter(|_| words.dotted) {
        add(path, *leaves, false, false);
    }
    let is_odata = words.expand.as_deref() == Some(EXPAND);
    for (leaves, outer, _) in nested.iter().filter(|_| !words.dotted && !is_odata) {
        add(outer, *leaves, words.expand.is_some(), false);
    }
    if is_odata {
        expand_within(&mut names, nested);
    }
    Select { query: words.query, expand: words.expand, with_expanded: words.with_expanded, names }
}

/// Asks for lists in the elements of lists, of what stands behind a name.
fn expand_within(names: &mut Vec<SelectName>, nested: &[(FieldSet, Path, Path)]) {
    for (leaves, outer, list) in nested {
        let ([Step::Key(outer), ..], [Step::Key(list), ..]) = (outer.steps(), list.steps()) else { continue };
        let name = format!("{outer}{WITHIN}{list}");
        match names.iter_mut().find(|known| known.name == name) {
            Some(known) => known.leaves = known.leaves.union(leaves),
            None => names.push(SelectName { name, expand: true, always: false, leaves: *leaves }),
        }
    }
}

/// A path as one name: what is looked for on the way is no part of it.
fn dotted(steps: &[Step]) -> String {
    let names = steps.iter().filter(|step| matches!(step, Step::Key(_)));
    joined(&names.cloned().collect::<Vec<_>>(), '.')
}

/// What elements on the way are found by, which is asked for with what is wanted of them.
fn found_by(steps: &[Step]) -> impl Iterator<Item = String> {
    steps.iter().enumerate().filter_map(|(at, step)| match step {
        Step::Find(key, _) => {
            Some(dotted(&[steps.get(..at).unwrap_or_default(), &[Step::Key(key.clone())]].concat()))
        }
        Step::Key(_)
        | Step::Index(_)
        | Step::Up
        | Step::Answer
        | Step::Head
        | Step::Asked
        | Step::Received
        | Step::Over => None,
    })
}

/// How a filter names a path; `None` where it cannot.
pub(super) fn filter_name(path: &Path, select: Option<&SelectWords>, speaks: Speaks) -> Option<String> {
    let steps = match select.and_then(|select| select.under.as_ref()) {
        Some(under) => path.under(under)?,
        None => path.steps(),
    };
    if steps.iter().any(|step| !matches!(step, Step::Key(_))) {
        return None;
    }
    let name = match speaks {
        Speaks::Json | Speaks::Xml => joined(steps, '.'),
        Speaks::Odata4 | Speaks::Odata2 => joined(steps, '/'),
    };
    let name = select.map_or(CaseWord::Same, |select| select.case).spell(name);
    // A name that is more than a word would not stay a name in a filter's text.
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
    name.chars().all(word).then_some(name)
}

/// What this system needs of a new record, beyond what the schema does.
fn requires(
    keys: &mut Keys<'_>,
    entity: &Entity,
    create: Option<&Call>,
    found: &mut Diagnostics,
) -> Vec<FieldSet> {
    let Some(node) = keys.take("requires") else { return Vec::new() };
    let mut out = Vec::new();
    let Some(items) = node.as_list() else {
        expected(node, "a list of fields", found);
        return out;
    };
    if create.is_none() {
        found.error(&node.place, "`requires` is of new records, and there is no `create`");
    }
    for item in items {
        let mut either = FieldSet::EMPTY;
        for field in item.as_list().unwrap_or(std::slice::from_ref(item)) {
            match field.as_text().and_then(|path| entity.leaf_at(path)) {
                Some(leaf) => either.insert(leaf),
                None => expected(field, &format!("a field of `{}`, as in `buyer.name`", entity.name), found),
            }
        }
        out.push(either);
    }
    out
}

impl CaseWord {
    /// A name of an answer as it stands in a question.
    fn spell(self, name: String) -> String {
        match self {
            Self::Same => name,
            Self::Snake => {
                let mut out = String::with_capacity(name.len().saturating_add(4));
                for char in name.chars() {
                    if char.is_ascii_uppercase() && !out.is_empty() && !out.ends_with(['.', '_']) {
                        out.push('_');
                    }
                    out.push(char.to_ascii_lowercase());
                }
                out
            }
        }
    }
}

/// What is no part of the way there and back.
fn beside(
    keys: &mut Keys<'_>,
    (entity, defaults): (&Entity, &Defaults),
    create: Option<&Call>,
    found: &mut Diagnostics,
) -> (Vec<Sample>, Watched, Vec<FieldSet>) {
    let samples = super::samples(keys.take("samples"), found);
    let samples = samples.into_iter().map(|sample| sample.with(&defaults.settings)).collect();
    (samples, Watched::load(keys, entity, found), requires(keys, entity, create, found))
}

pub(super) fn texts(node: Option<&Node>, found: &mut Diagnostics) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (key, node) in pairs(node, found) {
        if let Some(text) = String::read(node, found) {
            for said in [&key.text, &text] {
                if let Some(hole) = hole(said) {
                    let what = format!("`{hole}` is not filled in here: it would be sent as it stands");
                    let help = "such places are in bodies, in `statement` and in addresses";
                    found.push(Diagnostic::error(&node.place, what).help(help));
                }
            }
            out.push((key.text.clone(), text));
        }
    }
    out
}

/// What in a text looks like a place to be filled in: `{limit}`, `{filter:name}`. JSON does not.
fn hole(text: &str) -> Option<&str> {
    let start = text.find('{')?;
    let end = text.get(start..)?.find('}')?;
    let hole = text.get(start..=start.checked_add(end)?)?;
    let word = hole.trim_start_matches('{').trim_end_matches('}').split(':').next()?;
    (!word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        .then_some(hole)
}

fn unmapped(entity: &Entity, root: &ObjectPart) -> FieldSet {
    let mut mapped = FieldSet::ID;
    root.lines(false, &mut |line, _| mapped.insert(line.leaf));
    entity.all().minus(&mapped)
}

/// The leaves by which the system names elements of lists: some line reads each, and none writes it.
fn element_ids(entity: &Entity, root: &ObjectPart) -> FieldSet {
    let (mut named, mut said) = (FieldSet::EMPTY, FieldSet::EMPTY);
    root.lines(false, &mut |line, _| {
        let is_said = match &line.source {
            Source::Constant(_) => true,
            Source::Native(native) => native.create || native.update,
            Source::Join(join) => join.back.is_some(),
            Source::Hole(held) => held.create || held.update,
            Source::Behind(behind) => behind.rest.create || behind.rest.update,
            Source::Tuple(tuple) => tuple.writes(true) || tuple.writes(false),
            Source::First(_) | Source::Calc(_) => false,
        };
        if entity.names_element(line.leaf).is_some() {
            if is_said { said.insert(line.leaf) } else { named.insert(line.leaf) }
        }
    });
    named.minus(&said)
}

/// The constants of every group and list element under the root, with all leaves beside each.
fn tags(root: &ObjectPart) -> Vec<(LeafId, FieldSet)> {
    let mut out = Vec::new();
    root.choices.iter().for_each(|choice| choices::tags(choice, &mut out));
    root.parts.iter().for_each(|named| tags_of(&named.part, &mut out));
    out
}

fn tags_of(part: &Part, out: &mut Vec<(LeafId, FieldSet)>) {
    match part {
        Part::Leaf(_) | Part::Split(_) => {}
        Part::When(when) => tags_of(&when.part, out),
        Part::Slots(slots) => slots.iter().for_each(|slot| tags_of(slot, out)),
        Part::Each(each) => each.all().for_each(|each| tags_of(&each.item, out)),
        Part::Object(object) => {
            let mut beside = FieldSet::EMPTY;
            object.lines(false, &mut |line, _| beside.insert(line.leaf));
            object.choices.iter().for_each(|choice| choices::tags(choice, out));
            for named in &object.parts {
                match &named.part {
                    Part::Leaf(Line { leaf, source: Source::Constant(_), .. }) => out.push((*leaf, beside)),
                    Part::Leaf(_) => {}
                    part @ (Part::Object(_)
                    | Part::Slots(_)
                    | Part::Each(_)
                    | Part::Split(_)
                    | Part::When(_)) => tags_of(part, out),
                }
            }
        }
    }
}

/// Where each leaf stands in a caller's document; leaves of native lists have no one place.
fn point(part: &ObjectPart, at: &str, out: &mut [Option<String>]) {
    for named in &part.parts {
        point_part(&named.part, format!("{at}/{}", named.name), out);
    }
    let branches = part.choices.iter().flat_map(|choice| &choice.branches);
    for named in branches.flat_map(|branch| &branch.lines) {
        point_part(&named.part, format!("{at}/{}", named.name), out);
    }
}

fn point_part(part: &Part, at: String, out: &mut [Option<String>]) {
    match part {
        Part::Leaf(line) => {
            if let Some(slot) = out.get_mut(usize::from(line.leaf.0)) {
                slot.get_or_insert(at);
            }
        }
        Part::Object(object) => point(object, &at, out),
        Part::Slots(slots) => {
            for (index, slot) in slots.iter().enumerate() {
                point_part(slot, format!("{at}/{index}"), out);
            }
        }
        Part::When(when) => point_part(&when.part, at, out),
        Part::Each(_) | Part::Split(_) => {}
    }
}

/// Two places of one list must be told apart by constants, else a written element could land in either.
fn no_ambiguous_slots(part: &ObjectPart, node: &Node, found: &mut Diagnostics) {
    let tags = |part: &Part| -> Vec<(u16, Value)> {
        let Part::Object(object) = part.bare() else { return Vec::new() };
        let constant = |named: &Named| match &named.part {
            Part::Leaf(Line { source: Source::Constant(value), .. }) => Some((named.position, value.clone())),
            Part::Leaf(_)
            | Part::Object(_)
            | Part::Slots(_)
            | Part::Each(_)
            | Part::Split(_)
            | Part::When(_) => None,
        };
        object.parts.iter().filter_map(constant).collect()
    };
    for named in &part.parts {
        match &named.part {
            Part::Object(object) => no_ambiguous_slots(object, node, found),
            Part::Leaf(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {}
            Part::Slots(slots) => {
                let all: Vec<_> = slots.iter().map(tags).collect();
                let same = |a: &Vec<(u16, Value)>, b: &Vec<_>| {
                    !a.iter().any(|(position, value)| {
                        b.iter().any(|(p, v): &(u16, Value)| p == position && v != value)
                    })
                };
                let clash = all.iter().enumerate().any(|(i, a)| all.iter().skip(i + 1).any(|b| same(a, b)));
                if clash {
                    found.error(
                        &node.place,
                        format!("two places of `{}` are not told apart by a constant", named.name),
                    );
                }
            }
        }
    }
}
