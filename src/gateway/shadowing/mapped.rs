//! What the mappings of a bundle that is tried make of a system's answer, held against what those in force make of it; and
//! how each asks for it. Fields and parameters are told by their names, never by a value.

use std::collections::{BTreeMap, BTreeSet};

use super::sampled::{Question, Sample};
use crate::{
    config::{EntitySource, Snapshot},
    mapping::{Inward, Listing, Mapping, NativeRequest, RowFault, SystemFault},
    replay::Bundle,
    schema::{Entity, FieldSet, Filter, LeafId, Sort, value},
};

/// LIMIT: differences of one answer that are told.
const WORDS_MAX: usize = 32;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The same.
    Same,
    /// These differences, in words.
    Differs(Vec<String>),
    /// It cannot be told, and why.
    Untold(&'static str),
}

/// The two mappings, and what is wanted by each.
struct Both<'a> {
    then: &'a Mapping,
    now: &'a Mapping,
    wanted: FieldSet,
    wanted_now: FieldSet,
    words: BTreeSet<String>,
}

/// Rows of an answer.
type Rows = Vec<Result<Inward, RowFault>>;

/// Maps an answer by both.
pub(super) fn compared(bundle: &Bundle, sample: &Sample) -> Compared {
    let (snapshot, then) = (&bundle.snapshot, &*sample.mapping);
    let name = then.name().as_str();
    let Some(entity) = snapshot.schema.entity(name) else {
        return Compared::Differs(vec![format!("there is no `{name}`")]);
    };
    let Some(source) = source(snapshot, entity, then) else {
        return Compared::Differs(vec![format!("`{}` does not serve it", then.system())]);
    };
    if snapshot.systems.get(then.system()).is_some_and(|served| !served.tables.is_empty()) {
        return Compared::Untold("its tables are told by the system, which is not asked for them");
    }
    let now = &*source.mapping;
    let wanted_now = paths(then.entity(), &sample.wanted).filter_map(|path| now.entity().leaf_at(path));
    let mut both =
        Both { then, now, wanted: sample.wanted, wanted_now: wanted_now.collect(), words: BTreeSet::new() };
    let told = match &sample.question {
        Question::Read(key) => both.read(key, sample),
        Question::List(asked) => both.list(asked, sample),
    };
    match told {
        Err(why) => Compared::Untold(why),
        Ok(()) if both.words.is_empty() => Compared::Same,
        Ok(()) => Compared::Differs(both.words.into_iter().take(WORDS_MAX).collect()),
    }
}

fn source<'s>(snapshot: &'s Snapshot, entity: &Entity, then: &Mapping) -> Option<&'s EntitySource> {
    snapshot.serving(entity)?.all().iter().find(|source| source.name() == then.system())
}

impl Both<'_> {
    fn read(&mut self, key: &str, sample: &Sample) -> Result<(), &'static str> {
        match (self.then.read(key, &self.wanted), self.now.read(key, &self.wanted_now)) {
            (Some(then), Some(now)) => self.requests(&then, &now),
            (Some(_), None) => self.tell("a record cannot be asked for by its key"),
            (None, _) => return Err("it is not known how it was asked for"),
        }
        let one = |read: Result<Inward, SystemFault>| read.map(|inward| vec![Ok(inward)]);
        let then = one(self.then.inward_of(key, &sample.answer, &self.wanted));
        self.answers(then, one(self.now.inward_of(key, &sample.answer, &self.wanted_now)));
        Ok(())
    }

    fn list(
        &mut self,
        (listing, filter, sort): &(Listing, Filter, Vec<Sort>),
        sample: &Sample,
    ) -> Result<(), &'static str> {
        // Leaves go by number: of another schema only a list of everything can be held against this one.
        let all = Filter::everything();
        let (filter, sort) = match is_alike(self.then.entity(), self.now.entity()) {
            true => (filter, sort.as_slice()),
            false => (&all, [].as_slice()),
        };
        let first_then = self.then.list(&self.wanted, filter, sort, None, listing.size);
        let first_now = self.now.list(&self.wanted_now, filter, sort, None, listing.size);
        let now = match (first_then, first_now) {
            (Ok(then), Ok(now)) => {
                self.requests(&then.request, &now.request);
                now
            }
            (Ok(_), Err(error)) => {
                self.tell(error.to_string());
                return Ok(());
            }
            (Err(_), _) => return Err("it is not known how it was asked for"),
        };
        if !matches!(self.now.batch(&now, &sample.answer), Ok(None)) {
            return Err("it is asked for in several steps");
        }
        let then = self.then.inward_list(listing, &sample.answer, &self.wanted).map(|page| page.rows);
        let now = self.now.inward_list(&now, &sample.answer, &self.wanted_now).map(|page| page.rows);
        self.answers(then, now);
        Ok(())
    }

    fn tell(&mut self, words: impl Into<String>) {
        self.words.insert(words.into());
    }

    /// Two requests for the same.
    fn requests(&mut self, then: &NativeRequest, now: &NativeRequest) {
        let split = |request: &NativeRequest| {
            let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            (path.to_owned(), query.to_owned())
        };
        let ((path_then, query_then), (path_now, query_now)) = (split(then), split(now));
        if then.method != now.method {
            self.tell("the system is asked by another method");
        }
        if path_then != path_now {
            self.tell("the system is asked under another path");
        }
        let (all_then, all_now) = (parameters(&query_then), parameters(&query_now));
        let names: BTreeSet<&&str> = all_then.keys().chain(all_now.keys()).collect();
        for name in names.into_iter().filter(|name| all_then.get(*name) != all_now.get(*name)) {
            self.tell(format!("the system is asked by another `{name}`"));
        }
        if then.body != now.body {
            self.tell("the system is sent another body");
        }
    }

    fn answers(&mut self, then: Result<Rows, SystemFault>, now: Result<Rows, SystemFault>) {
        match (then, now) {
            (Ok(then), Ok(now)) => self.rows(&then, &now),
            (Ok(_), Err(_)) => self.tell("the answer cannot be read"),
            (Err(_), Ok(_)) => self.tell("the answer can be read, which it cannot now"),
            (Err(_), Err(_)) => {}
        }
    }

    fn rows(&mut self, then: &Rows, now: &Rows) {
        if then.len() != now.len() {
            self.tell("the answer holds another number of records");
            return;
        }
        for rows in then.iter().zip(now) {
            match rows {
                (Ok(then), Ok(now)) => self.fields(then, now),
                (Ok(_), Err(fault)) => self.tell(format!("a record is refused: {fault}")),
                (Err(fault), Ok(_)) => {
                    self.tell(format!("a record is told that is refused now: {fault}"));
                }
                (Err(_), Err(_)) => {}
            }
        }
    }

    fn fields(&mut self, then: &Inward, now: &Inward) {
        let (of_then, of_now) = (self.then.entity(), self.now.entity());
        for leaf in self.wanted.iter() {
            let Some(path) = of_then.leaf(leaf).map(|leaf| leaf.path.as_str()) else { continue };
            let told = match of_now.leaf_at(path) {
                None => Some("is not in the schema"),
                Some(leaf_now) => {
                    let was = !then.missing.contains(leaf);
                    let is = !now.missing.contains(leaf_now);
                    match (was, is) {
                        (true, false) => Some("is not told"),
                        (false, true) => Some("is told"),
                        (false, false) => None,
                        (true, true) => (texts(of_then, then, leaf) != texts(of_now, now, leaf_now))
                            .then_some("comes out otherwise"),
                    }
                }
            };
            if let Some(told) = told {
                self.words.insert(format!("`{path}` {told}"));
            }
        }
        if then.version != now.version {
            self.tell("the version comes out otherwise");
        }
    }
}

/// Whether leaves have the same numbers in both.
fn is_alike(one: &Entity, other: &Entity) -> bool {
    one.all() == other.all() && paths(one, &one.all()).eq(paths(other, &other.all()))
}

fn paths<'e>(entity: &'e Entity, leaves: &FieldSet) -> impl Iterator<Item = &'e str> {
    let leaves: Vec<LeafId> = leaves.iter().collect();
    leaves.into_iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str())
}

/// The values of a leaf, one after the other.
fn texts(entity: &Entity, inward: &Inward, leaf: LeafId) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    inward.record.each(entity, leaf, &mut |value| {
        let mut text = Vec::new();
        value::print(value, &mut text);
        texts.push(text);
    });
    texts
}

/// The values of each parameter.
fn parameters(query: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(name).or_default().push(value);
    }
    all
}
