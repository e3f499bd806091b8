//! `tables:` that the system tells itself: how their rows are asked for, and what each of them means.
//!
//! A row is read as a record is, by the same lines: its native value is the key, and each of `means` a field. Lines use a
//! meaning by its name, `values: order_states.status`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;

use super::{Defaults, entity, fields::Loader, pairs};
use crate::{
    mapping::{
        codec::{Cell, Codec, Forms, Tabled},
        live::{LiveRow, LiveTable, Use},
        load::written,
        model::{Line, Mapping, Rule, Source, Then, Words},
    },
    schema::{self, Entity, FieldSet, LeafId, Value},
    words::{
        Diagnostic, Diagnostics, Period, Place, SystemName,
        tree::{self, Key, Node},
        yaml::{FromYaml, Keys, expected},
    },
};

/// LIMIT: meanings of one table.
const MEANINGS_MAX: usize = 8;
/// Rows of a table where the file does not say, and LIMIT of what it may say.
const ROWS: u32 = 1_000;
const ROWS_MAX: u32 = 10_000;
/// How long rows are fresh, and how soon at the earliest they are asked for again, where the file does not say.
const AGED: Period = Period::secs(3_600);
const AGAIN: Period = Period::secs(60);
/// LIMIT: how often a table may be asked for, and how long it may be gone by.
const PERIOD_MIN: Duration = Duration::from_secs(1);
const PERIOD_MAX: Duration = Duration::from_secs(30 * 86_400);

/// A table while the lines that use it are read.
pub(super) struct Draft {
    name: Box<str>,
    place: Place,
    rows: Mapping,
    meanings: Vec<(String, LeafId)>,
    aged: Duration,
    again: Duration,
    rows_max: u32,
    stand_in: Option<Vec<LiveRow>>,
    sample: Option<(Place, String)>,
    cell: Arc<Cell>,
    uses: Mutex<Vec<Use>>,
}

/// Whether a table is one that the system tells.
pub(super) fn is_live(node: &Node) -> bool {
    node.get("list").is_some_and(|list| list.as_map().is_some())
}

/// Every table that stands in the file, by its name.
pub(super) fn fixed(node: Option<&Node>, found: &mut Diagnostics) -> HashMap<String, Node> {
    let tables = pairs(node, found).iter().filter(|(_, node)| !is_live(node));
    tables.map(|(name, node)| (name.text.clone(), node.clone())).collect()
}

/// Every such table of a file, by its name.
pub(super) fn load(
    system: &SystemName,
    node: Option<&Node>,
    words: &Arc<Words>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> HashMap<String, Draft> {
    let tables = pairs(node, found).iter().filter(|(_, node)| is_live(node));
    let mut drafts = HashMap::new();
    for (key, node) in tables {
        if !is_name(&key.text) {
            found.error(&key.place, NAME);
        } else if let Some(draft) = draft(system, (key, node), words, defaults, found) {
            drafts.insert(key.text.clone(), draft);
        }
    }
    drafts
}

const NAME: &str = "such a name has small letters, digits and `_`, 32 at most, and begins with a letter";

fn is_name(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    text.len() <= 32 && text.starts_with(|sign: char| sign.is_ascii_lowercase()) && text.chars().all(is_sign)
}

fn draft(
    system: &SystemName,
    (key, node): (&Key, &Node),
    words: &Arc<Words>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Draft> {
    let mut keys = Keys::of(node, found)?;
    let list: Option<Node> = keys.required("list", found);
    let native: Option<Node> = keys.required("native", found);
    let narrow = keys.take("where").cloned();
    let means: Option<Node> = keys.required("means", found);
    let aged = period(&mut keys, "aged", AGED, found);
    let again = period(&mut keys, "again", AGAIN, found);
    let rows_max = rows_max(&mut keys, found);
    let stand_in = keys.take("else").cloned();
    let sample = keys.take("sample");
    let sample = sample.and_then(|node| Some((node.place.clone(), String::read(node, found)?)));
    keys.finish(found);
    let (list, native, means) = (list?, native?, means?);
    let at = list.get("at").cloned();
    if at.is_none() {
        let told = Diagnostic::error(&list.place, "key `at` is missing: where the rows are asked for");
        found.push(told.help("as in `list: { at: /order_states, rows: states }`"));
    }
    let names: Vec<&Key> = pairs(Some(&means), found).iter().map(|(key, _)| key).collect();
    let shape = Arc::new(shape(&names, &means, found)?);
    let parts = [
        ("at", at),
        ("key", Some(native)),
        ("where", narrow),
        ("list", Some(list)),
        ("fields", Some(means.clone())),
    ];
    let parts = parts.into_iter().filter_map(|(name, part)| {
        let part = part?;
        Some((Key { text: name.to_owned(), place: part.place.clone() }, part))
    });
    let record = Node { value: tree::Value::Map(parts.collect()), place: node.place.clone() };
    let rows = entity::load((system, words), &shape, &record, defaults, found)?;
    if rows.lists.iter().any(|list| list.batch.is_some() || list.for_queries) {
        found.error(&node.place, "the rows of a table come by one plain list");
        return None;
    }
    let meanings: Vec<_> =
        names.iter().filter_map(|key| Some((key.text.clone(), shape.leaf_at(&key.text)?))).collect();
    let stand_in = stand_in.map(|node| stand_ins(&node, &meanings, found));
    Some(Draft {
        name: key.text.as_str().into(),
        place: key.place.clone(),
        rows,
        meanings,
        aged: aged?,
        again: again?,
        rows_max: rows_max?,
        stand_in,
        sample,
        cell: Arc::default(),
        uses: Mutex::default(),
    })
}

fn period(
    keys: &mut Keys<'_>,
    key: &'static str,
    usual: Period,
    found: &mut Diagnostics,
) -> Option<Duration> {
    let Some(node) = keys.take(key) else { return Some(usual.0) };
    let period = Period::read(node, found)?.0;
    if !(PERIOD_MIN..=PERIOD_MAX).contains(&period) {
        found.error(&node.place, format!("`{key}` is between 1s and 30d"));
        return None;
    }
    Some(period)
}

fn rows_max(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<u32> {
    let Some(node) = keys.take("most") else { return Some(ROWS) };
    let most = u32::read(node, found)?;
    if !(1..=ROWS_MAX).contains(&most) {
        found.error(&node.place, format!("a table has between 1 and {ROWS_MAX} rows at most"));
        return None;
    }
    Some(most)
}

/// What a row is a record of: each meaning is a text.
fn shape(names: &[&Key], means: &Node, found: &mut Diagnostics) -> Option<Entity> {
    if names.is_empty() || names.len() > MEANINGS_MAX {
        let told =
            Diagnostic::error(&means.place, format!("a table has between 1 and {MEANINGS_MAX} meanings"));
        found.push(told.help("as in `means: { code: iso_code }`; lines say `values: currencies.code`"));
        return None;
    }
    let mut text = "title: Row\ndescription: a row\nx-collection: rows\ntype: object\nproperties:\n  id: { type: string, readOnly: true, x-class: internal, description: its native value }\n".to_owned();
    let mut is_named = true;
    for key in names {
        if !is_name(&key.text) || key.text == "id" {
            found.error(&key.place, NAME);
            is_named = false;
        }
        text.push_str("  ");
        text.push_str(&key.text);
        text.push_str(": { type: string, maxLength: 200, x-class: internal, description: a meaning }\n");
    }
    if !is_named {
        return None;
    }
    let file: Arc<str> = "row.yaml".into();
    let node = tree::parse(&file, &text).map_err(|why| found.absorb(why)).ok()?;
    schema::load::entity(&file, &node, found)
}

/// `else`: rows as the file has them, each with all of its meanings, or with the one that there is.
fn stand_ins(node: &Node, meanings: &[(String, LeafId)], found: &mut Diagnostics) -> Vec<LiveRow> {
    let mut rows = Vec::new();
    for (key, node) in pairs(Some(node), found) {
        let means = match (node.as_text(), meanings) {
            (Some(text), [_]) => vec![Some(CompactString::from(text))],
            _ if node.as_map().is_some() => {
                for (key, _) in pairs(Some(node), found) {
                    if !meanings.iter().any(|(name, _)| *name == key.text) {
                        let told = format!("`{}` is no meaning of this table", key.text);
                        let names = meanings.iter().map(|(name, _)| name.as_str());
                        found.push(Diagnostic::error(&key.place, told).suggest(&key.text, names));
                    }
                }
                let text = |(name, _): &(String, LeafId)| {
                    node.get(name).and_then(Node::as_text).map(CompactString::from)
                };
                meanings.iter().map(text).collect()
            }
            _ => {
                expected(node, "what the value means, by the names of `means`", found);
                continue;
            }
        };
        rows.push(LiveRow { native: key.text.as_str().into(), means });
    }
    rows
}

impl Defaults {
    /// The table of that name that the system tells, and what is said behind it.
    pub(super) fn live<'n>(&self, name: &'n str) -> Option<(&Draft, Option<&'n str>)> {
        let (name, meaning) = match name.split_once('.') {
            Some((name, meaning)) => (name, Some(meaning)),
            None => (name, None),
        };
        self.live.get(name).map(|draft| (draft, meaning))
    }

    /// Notes that a line writes by a table that the system tells.
    pub(super) fn is_written(&self, cell: &Arc<Cell>, at: usize) {
        for draft in self.live.values().filter(|draft| Arc::ptr_eq(&draft.cell, cell)) {
            if let Some(line) = draft.uses.lock().get_mut(at) {
                line.is_written = true;
            }
        }
    }

    /// The tables that the system tells, once all lines are read.
    pub(super) fn told(&mut self, found: &mut Diagnostics) -> Vec<Arc<LiveTable>> {
        let mut tables: Vec<_> =
            std::mem::take(&mut self.live).into_values().map(|draft| draft.table(found)).collect();
        tables.sort_by(|one: &Arc<LiveTable>, other| one.name.cmp(&other.name));
        tables
    }
}

impl Draft {
    fn table(self, found: &mut Diagnostics) -> Arc<LiveTable> {
        let uses = self.uses.into_inner();
        if uses.is_empty() {
            let told = Diagnostic::warning(&self.place, format!("no line goes by table `{}`", self.name));
            found.push(told.help(format!(
                "as in `values: {}.{}`",
                self.name,
                self.meanings.first().map_or("", |(name, _)| name)
            )));
        } else if self.sample.is_none() && self.stand_in.is_none() {
            let told = format!("samples cannot be run without knowing table `{}`", self.name);
            found.push(Diagnostic::error(&self.place, told).help("put an answer of the system under `sample`, or rows that stand in until it was asked under `else`"));
        }
        let table = LiveTable {
            name: self.name,
            rows: self.rows,
            aged: self.aged,
            again: self.again,
            rows_max: usize::try_from(self.rows_max).unwrap_or(usize::MAX),
            uses,
            cell: self.cell,
            stand_in: self.stand_in,
            sample: self.sample,
            told: parking_lot::RwLock::default(),
        };
        table.rest();
        Arc::new(table)
    }

    /// What its rows can mean, as far as the file says it; none where they may mean anything.
    fn meant(&self, meaning: LeafId) -> Vec<Value> {
        let mut all = Vec::new();
        self.rows.root.lines(false, &mut |line: &Line, _| {
            if line.leaf != meaning {
                return;
            }
            match &line.source {
                Source::Constant(value) => all.push(value.clone()),
                Source::Native(native) => all.extend(values(&native.codec)),
                Source::First(rules) => {
                    for Rule { then, .. } in rules {
                        match then {
                            Then::Is(value) => all.push(value.clone()),
                            Then::At(_, codec) => all.extend(values(codec)),
                            Then::Calc(_) => {}
                        }
                    }
                }
                Source::Join(_)
                | Source::Calc(_)
                | Source::Hole(_)
                | Source::Behind(_)
                | Source::Tuple(_) => {}
            }
        });
        for row in self.stand_in.iter().flatten() {
            let at = self.meanings.iter().position(|(_, leaf)| *leaf == meaning);
            let text = at.and_then(|at| row.means.get(at)?.clone());
            all.extend(text.map(Value::Text));
        }
        all
    }
}

fn values(codec: &Codec) -> Vec<Value> {
    let table = codec.table.as_ref().and_then(Tabled::fixed);
    let rows = table.into_iter().flat_map(|table| table.rows.iter().map(|(_, value)| value.clone()));
    rows.chain(codec.otherwise.clone()).chain(codec.default.clone()).collect()
}

impl Loader<'_> {
    /// A line that goes by a table that the system tells.
    pub(super) fn live(
        &mut self,
        leaf: LeafId,
        (draft, meaning): (&Draft, Option<&str>),
        node: &Node,
        back: Option<&Node>,
    ) -> Option<Tabled> {
        let names = || draft.meanings.iter().map(|(name, _)| name.as_str());
        let at = match (meaning, draft.meanings.as_slice()) {
            (None, [_]) => Some(0),
            (None, _) => None,
            (Some(meaning), all) => all.iter().position(|(name, _)| name == meaning),
        };
        let Some((at, (_, meant))) = at.and_then(|at| Some((at, draft.meanings.get(at)?))) else {
            let told = match meaning {
                Some(meaning) => format!("`{meaning}` is no meaning of table `{}`", draft.name),
                None => format!(
                    "table `{}` has several meanings: say which, as in `{}.{}`",
                    draft.name,
                    draft.name,
                    names().next().unwrap_or_default()
                ),
            };
            self.found
                .push(Diagnostic::error(&node.place, told).suggest(meaning.unwrap_or_default(), names()));
            return None;
        };
        let codec = Codec { forms: Forms::default(), ..self.codec(leaf) };
        for value in draft.meant(*meant) {
            if let Err(why) = codec.parse(&written(&value)) {
                let told =
                    format!("`{}`, which a row of table `{}` may mean: {why}", written(&value), draft.name);
                self.found.error(&node.place, told);
            }
        }
        let (back, one_way) = self.live_back(leaf, back);
        let field = self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str()).into();
        let entity = self.entity.name.clone();
        let mut uses = draft.uses.lock();
        uses.push(Use { entity, leaf, field, meaning: at, codec, back, one_way, is_written: false });
        Some(Tabled::Live(draft.cell.clone(), uses.len() - 1))
    }

    /// `back`, of a table whose rows nobody knows yet.
    fn live_back(&mut self, leaf: LeafId, back: Option<&Node>) -> (Vec<(Value, Box<str>)>, Vec<Value>) {
        let (mut named, mut one_way) = (Vec::new(), Vec::new());
        for (key, node) in pairs(back, self.found) {
            let Some(value) = self.value(leaf, &key.text, node) else { continue };
            match (&node.value, node.as_text()) {
                (tree::Value::Null, _) => one_way.push(value),
                (_, Some(native)) => named.push((value, native.into())),
                (_, None) => expected(node, "a native value, or `~` where it is never written", self.found),
            }
        }
        (named, one_way)
    }
}

/// The leaves of an entity that go by each of the tables that have some, by their numbers.
pub(super) fn leaves(tables: &[Arc<LiveTable>], entity: &Entity) -> Vec<(usize, FieldSet)> {
    let each = tables.iter().map(|table| table.leaves(entity)).enumerate();
    each.filter(|(_, leaves)| !leaves.is_empty()).collect()
}
