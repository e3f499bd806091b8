//! The law, for every shipped file and entity that can be written: what goes out comes back.
//!
//! Records are made up from the shared schema, as a caller could send them, with the texts that break things. What a
//! mapping sends is put where the system would hold it, as its own file says (the place of `{record}` in a body, `rows`,
//! `wrap`, `key`), and read back through the same file. A file that is added is held to it without a word here; where a
//! system answers in other words than it is written to, the table says in which.

mod literals;
mod made;
mod stored;

use std::{
    cell::{Cell, RefCell},
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

use bramka::{
    catalog::Action,
    mapping::{Before, Inward, Mapping, NativeAnswer, PartVersions, Settled, System, What},
    schema::{self, Body, FieldSet, LeafId, Record, Schema, Shape, Value, View, json},
    words::{Diagnostics, SystemName, tree, tree::Node},
};
use proptest::{
    prelude::any,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use serde_json::Value as Json;

use self::stored::Place;
use crate::kit::root;

/// What a new record is called by.
const KEY: &str = "7";
/// Documents that are tried of each entity.
const CASES: u32 = 96;
/// Of a hundred documents so many are taken at least, mended where a system cannot hold a value; else nothing is shown. A
/// third of all references are GUIDs, and some systems take no others.
const TAKEN_MIN: u32 = 10;

/// Fields that a system tells elsewhere than it is told them, so that they do not come back from what was sent.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    // Told as a key, sent as the address of a record.
    ("dataverse", "Customer", "parent"),
    ("dataverse-contacts", "Customer", "parent"),
    // Told as an object, sent as a text; and what is put together of it.
    ("shopify-graphql", "Customer", "name"),
    ("shopify-graphql", "Customer", "emails.value"),
    ("shopify-graphql", "Customer", "phones.value"),
    // Told in a page of variants, sent in a list of them.
    ("shopify-graphql", "Product", "sku"),
    ("shopify-graphql", "Product", "list_price.net_price"),
    ("shopify-graphql", "Product", "gtin"),
    // Told as a whole that the system makes, sent as the first part of it.
    ("sap-s4", "Customer", "name"),
    // Told as street and number, which the system tells both, sent as the street.
    ("sap-s4", "Customer", "addresses.line1"),
    // Told by the list that it stands in, sent in the address.
    ("mailchimp", "Subscription", "list.code"),
    // Told by the word that tells its status.
    ("woocommerce", "Order", "fulfillment_status"),
    // Told as a moment, sent as a day.
    ("xero", "Invoice", "issue_date"),
    ("xero", "Invoice", "due_date"),
];

/// An entity of a file, that new records can be made of.
struct Subject {
    system: String,
    mapping: Arc<Mapping>,
    place: Place,
    /// A new record that the file itself shows.
    sample: Json,
}

impl Subject {
    fn name(&self) -> String {
        format!("{} of {}", self.mapping.name(), self.system)
    }

    /// The leaves that come back.
    fn told(&self) -> FieldSet {
        let entity = self.mapping.entity();
        let elsewhere = ELSEWHERE
            .iter()
            .filter(|(system, of, _)| *system == self.system && *of == self.mapping.name().as_str())
            .map(|(_, _, path)| entity.leaf_at(path).unwrap_or_else(|| panic!("there is no {path}")));
        entity.all().minus(&elsewhere.collect())
    }

    /// An answer of the system that holds a record.
    fn answer(&self, native: &str) -> NativeAnswer {
        NativeAnswer { over: self.mapping.any_parent(), ..stored::answer(&self.place.told(native)) }
    }

    fn read(&self, native: &str) -> Result<Inward, TestCaseError> {
        let entity = self.mapping.entity();
        let answer = self.answer(native);
        let read = self.mapping.inward_of(KEY, &answer, &entity.all());
        read.map_err(|fault| TestCaseError::fail(format!("{fault}: {native}")))
    }

    /// What every record says, because the file does.
    fn constants(&self) -> Record {
        // A record that says nothing may be none of this entity.
        self.read(&self.place.nothing()).map(|inward| inward.record).unwrap_or_default()
    }

    /// Leaves that are put together of others.
    fn derived(&self) -> FieldSet {
        let of = |path: &String| self.mapping.entity().leaves_under(path);
        self.place.derived.iter().map(of).fold(FieldSet::EMPTY, |all, leaves| all.union(&leaves))
    }

    /// What says how others are meant.
    fn switches(&self) -> FieldSet {
        let of = |path: &String| self.mapping.entity().leaves_under(path);
        self.place.switches.iter().map(of).fold(FieldSet::EMPTY, |all, leaves| all.union(&leaves))
    }

    /// A record as a caller sees it, of some leaves.
    fn shown(&self, record: &Record, leaves: &FieldSet) -> Json {
        let mut out = Vec::new();
        json::write(self.mapping.entity(), record, Some(leaves), &mut out);
        serde_json::from_slice(&out).unwrap()
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let files = files("policies/schema");
    let sheets: Vec<_> =
        files.iter().map(|(name, text)| (name.as_str().into(), parsed(name, text))).collect();
    schema::load::schema(&sheets).unwrap().0
});

fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn parsed(name: &str, text: &str) -> Node {
    tree::parse(&format!("{name}.yaml").into(), text).unwrap()
}

/// Every shipped file.
pub(crate) fn systems() -> Vec<(String, Node, System)> {
    let all = [files("policies/systems"), files("policies/systems/catalogue")].concat();
    let load = |(name, text): (String, String)| {
        let node = parsed(&name, &text);
        let mut found = Diagnostics::default();
        let base = node.get("base").and_then(Node::as_text).unwrap().parse().unwrap();
        let system = System::load(&SystemName::new(name.as_str()), &node, &[base], &SCHEMA, &mut found);
        let system = system.unwrap_or_else(|| panic!("{found}"));
        system.rehearse();
        (name, node, system)
    };
    all.into_iter().map(load).collect()
}

fn subjects(action: Action) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (system, node, loaded) in systems() {
        let speaks = node.get("speaks").and_then(Node::as_text);
        // What is written as commands is told as records: the real system is asked for it, in tests/erp.
        if node.get("commands").is_some() {
            continue;
        }
        for (name, entity) in node.get("entities").unwrap().as_map().unwrap() {
            let mapping = loaded.entity(&name.text).unwrap().clone();
            if mapping.can(action) && mapping.can(Action::Create) {
                let place = Place::of(&system, entity, speaks);
                let sample = sample(entity).unwrap_or_default();
                subjects.push(Subject { system: system.clone(), mapping, place, sample });
            }
        }
    }
    assert!(subjects.len() > 5);
    subjects
}

/// The first new record among the samples of an entity.
fn sample(entity: &Node) -> Option<Json> {
    let samples = entity.get("samples")?.as_list()?;
    let text = samples.iter().find_map(|sample| sample.get("create")?.as_text())?;
    Some(serde_json::from_str(text).unwrap())
}

/// What an entity does, by the words with which a sample shows it.
const SHOWN: [(&str, &[Action]); 3] =
    [("reads", &[Action::List, Action::Read]), ("create", &[Action::Create]), ("update", &[Action::Update])];

#[test]
fn every_shipped_entity_shows_by_samples_how_it_is_read_made_and_changed() {
    let mut missing = Vec::new();
    for (system, node, loaded) in systems() {
        let found = loaded.check();
        assert!(found.0.is_empty(), "{system}: {found}");
        for (name, entity) in node.get("entities").unwrap().as_map().unwrap() {
            let mapping = loaded.entity(&name.text).unwrap();
            let samples = entity.get("samples").and_then(Node::as_list).unwrap_or_default();
            for (word, actions) in SHOWN {
                let is_shown = samples.iter().any(|sample| sample.get(word).is_some());
                if actions.iter().any(|action| mapping.can(*action)) && !is_shown {
                    missing.push(format!("{system}: {} has no sample with `{word}`", name.text));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
}

/// A document as the record that a caller sends, mended until the system takes it; else why it does not.
fn taken(subject: &Subject, document: &Json, view: &View) -> Result<(Settled, stored::Sent), String> {
    let mapping = &*subject.mapping;
    let constants = subject.shown(&subject.constants(), &mapping.entity().all());
    let (mut document, mut why) = (document.clone(), String::new());
    for _ in 0..12 {
        let read = json::read(mapping.entity(), document.to_string().as_bytes(), view);
        let proposed = match read {
            Ok(proposed) => proposed,
            Err(faults) => {
                why = format!("{faults:?}: {document}");
                for fault in faults {
                    made::mend(&mut document, &fault.pointer, &[&subject.sample]);
                }
                continue;
            }
        };
        let settled = mapping.settled(Before::Nothing, proposed.record, &FieldSet::EMPTY);
        let bare = mapping.bare(&settled.sent, &settled.held);
        let made = if bare.is_empty() { mapping.creation(&settled.sent, None) } else { Err(bare) };
        match made {
            Ok(made) => {
                let part = |draft| mapping.part(draft, KEY, &PartVersions::default()).unwrap();
                let parts: Vec<_> = made.parts.into_iter().map(part).collect();
                return Ok((settled, subject.place.sent(&made.record.body, &parts)));
            }
            Err(faults) => {
                why = format!("{faults:?}: {document}");
                let held = subject.shown(&settled.held, &mapping.entity().all());
                for fault in faults {
                    made::mend(&mut document, &fault.pointer, &[&constants, &held, &subject.sample]);
                }
            }
        }
    }
    Err(why)
}

/// What a caller may send, as the gate has it where statements allow everything.
fn view(mapping: &Mapping, body: Body) -> View {
    let entity = mapping.entity();
    let system = mapping.view(if body == Body::Create { Action::Create } else { Action::Update });
    let writable = system.writable.intersection(&entity.writable());
    let required = if body == Body::Create { system.required } else { FieldSet::EMPTY };
    let required = entity.required().union(&required).intersection(&writable);
    View { body, writable, required, visible: entity.all() }
}

/// Tries an entity on made-up documents; enough of them must be taken for it to show anything.
fn hold(
    subject: &Subject,
    law: impl Fn(&Subject, &Settled, &stored::Sent) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let (entity, view) = (subject.mapping.entity(), view(&subject.mapping, Body::Create));
    let needed = subject.mapping.view(Action::Create).required;
    let documents = made::documents(entity, &view.writable, (&view.required, &needed));
    let (count, refused) = (Cell::new(0_u32), RefCell::new(String::new()));
    let run = runner().run(&documents, |document| {
        let (settled, sent) = match taken(subject, &document, &view) {
            Ok(taken) => taken,
            Err(why) => {
                drop(refused.replace(why));
                return Ok(());
            }
        };
        count.set(count.get() + 1);
        law(subject, &settled, &sent)
    });
    verdict(subject, run, count.get()).map_err(|why| format!("{why}\nlast refused: {}", refused.borrow()))
}

/// What came of trying an entity.
fn verdict<T: std::fmt::Debug>(
    subject: &Subject,
    run: Result<(), TestError<T>>,
    taken: u32,
) -> Result<(), String> {
    run.map_err(|failed| format!("{}: {failed}", subject.name()))?;
    let least = CASES * TAKEN_MIN / 100;
    match taken < least {
        true => Err(format!("{}: only {taken} of {CASES} were taken", subject.name())),
        false => Ok(()),
    }
}

/// Tells all that do not hold.
fn all_hold(held: impl Iterator<Item = Result<(), String>>) {
    let failed: Vec<String> = held.filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn what_is_made_of_a_new_record_reads_back_as_it_was_sent_and_written_back_sends_nothing() {
    all_hold(subjects(Action::Create).iter().map(|subject| {
        hold(subject, |subject, settled, sent| {
            let back = subject.read(&sent.record)?;
            // An element that holds constants alone is none.
            let told = subject.told().minus(&subject.mapping.tags());
            let (held, came) = (subject.shown(&settled.sent, &told), subject.shown(&back.record, &told));
            if !made::holds(&came, &held) {
                return Err(TestCaseError::fail(format!(
                    "sent {held}\nas {}\ncame back as {came}",
                    sent.record
                )));
            }
            // What is in no table may be kept as it is; that it came back was seen.
            let is_unfit = |what: &What| matches!(what, What::Unfit(_) | What::NotAList);
            let unfit: Vec<_> = back
                .findings
                .iter()
                .filter(|finding| told.contains(finding.leaf) && is_unfit(&finding.what))
                .collect();
            if !unfit.is_empty() {
                return Err(TestCaseError::fail(format!("{unfit:?}: {}", sent.record)));
            }
            nothing_changes(subject, &back)
        })
    }));
}

/// A record as a system holds it, and a document that changes it.
struct Change<'a> {
    subject: &'a Subject,
    stored: &'a stored::Sent,
    old: &'a Inward,
    view: &'a View,
}

/// What a change came to.
struct Changed {
    settled: Settled,
    /// What was sent, where anything was.
    sent: Option<stored::Sent>,
}

impl Change<'_> {
    /// The document, mended until the system takes it; none where that does not come about.
    fn taken(&self, document: &Json) -> Option<Changed> {
        let (mapping, entity) = (&*self.subject.mapping, self.subject.mapping.entity());
        let constants = self.subject.shown(&self.subject.constants(), &entity.all());
        let answer = self.subject.answer(&self.stored.record);
        let mut document = document.clone();
        for _ in 0..12 {
            let proposed = match json::read(entity, document.to_string().as_bytes(), self.view) {
                Ok(proposed) => proposed,
                Err(faults) => {
                    faults.iter().for_each(|fault| made::without(&mut document, &fault.pointer, true));
                    continue;
                }
            };
            let old = &self.old.record;
            let new = schema::merge(entity, old, &proposed, self.view);
            let before = Before::Told { record: old, answer: &answer };
            let settled = mapping.settled(before, new, &FieldSet::EMPTY);
            let versions = mapping.part_versions(&answer).unwrap();
            let versions = (self.old.version.as_deref(), &versions);
            let bare = mapping.bare(&settled.sent, &settled.held);
            let records = (old, &settled.sent);
            let changes = match bare.is_empty() {
                true => mapping.changes(&self.old.id, records, versions, &FieldSet::EMPTY, None),
                false => Err(bare),
            };
            match changes {
                Ok(changes) => {
                    let sent = changes.record.map(|request| self.subject.place.changed(&request.body));
                    return Some(Changed { settled, sent });
                }
                Err(faults) => {
                    let held = self.subject.shown(&settled.held, &entity.all());
                    for fault in faults {
                        made::mend(&mut document, &fault.pointer, &[&constants, &held, &self.subject.sample]);
                    }
                }
            }
        }
        None
    }

    /// Only what changed is sent, and it is held as it was judged.
    fn holds(&self, changed: &Changed) -> Result<(), TestCaseError> {
        let subject = self.subject;
        let entity = subject.mapping.entity();
        let Changed { settled: Settled { sent, held }, sent: request } = changed;
        let of_held = schema::changed(&self.old.record, held, entity);
        let Some(request) = request else {
            // An element that holds constants alone is none.
            let said = entity.all().minus(&subject.mapping.tags());
            let [was, asked] = [&self.old.record, sent].map(|record| subject.shown(record, &said));
            return match made::holds(&was, &asked) {
                true => Ok(()),
                false => Err(self.failed("nothing is sent of a change", sent, "nothing")),
            };
        };
        let told = subject.told();
        if subject.mapping.merges() {
            return self.holds_whole(sent, held, request);
        }
        // A change alone may be no record of this entity: what it must say of itself did not change.
        let alone = subject.read(&request.record).map(|inward| inward.record).unwrap_or_default();
        let unchanged = told.minus(&self.may_go_along(&of_held));
        for leaf in unchanged.iter() {
            let mut is_there = false;
            alone.each(entity, leaf, &mut |value| is_there |= *value != Value::Null);
            if is_there {
                let path = &entity.leaf(leaf).unwrap().path;
                let why = format!("`{path}` did not change and is sent");
                return Err(self.failed(&why, sent, &request.record));
            }
        }
        let Some(stored) = subject.place.over(&self.stored.record, &request.record) else { return Ok(()) };
        let back = subject.read(&stored)?;
        let (came, held) = (subject.shown(&back.record, &told), subject.shown(held, &told));
        if made::holds(&came, &held) && made::holds(&held, &came) {
            return nothing_changes(subject, &back);
        }
        Err(self.failed(&format!("it is held as {came}, not {held}"), sent, &request.record))
    }

    /// What is sent whole is the record as it was judged.
    fn holds_whole(&self, sent: &Record, held: &Record, request: &stored::Sent) -> Result<(), TestCaseError> {
        let (subject, told) = (self.subject, self.subject.told());
        let back = subject.read(&request.record)?;
        let (came, held) = (subject.shown(&back.record, &told), subject.shown(held, &told));
        match made::holds(&came, &held) && made::holds(&held, &came) {
            true => nothing_changes(subject, &back),
            false => {
                Err(self.failed(&format!("it is sent whole as {came}, not {held}"), sent, &request.record))
            }
        }
    }

    /// Leaves that may be in what is sent: those that changed, what stands in one list with them, and constants.
    fn may_go_along(&self, changed: &FieldSet) -> FieldSet {
        let entity = self.subject.mapping.entity();
        let constants = self.subject.constants();
        let is_there =
            |leaf: &LeafId| constants.first(entity, *leaf).is_some_and(|value| *value != Value::Null);
        let constants: FieldSet = entity.ids().filter(is_there).collect();
        let mut may = changed
            .union(&self.subject.mapping.tags())
            .union(&constants)
            .union(&self.subject.derived())
            .union(&self.subject.switches());
        for field in entity.root.fields.iter().filter(|field| changed.any_in(&field.leaves)) {
            if matches!(field.shape, Shape::List(_)) {
                may = may.union(&FieldSet::of_range(&field.leaves));
            }
        }
        may
    }

    fn failed(&self, why: &str, new: &Record, sent: &str) -> TestCaseError {
        let all = self.subject.mapping.entity().all();
        let [old, new] = [&self.old.record, new].map(|record| self.subject.shown(record, &all));
        TestCaseError::fail(format!("{why}\nof {old}\nto {new}\nwas sent {sent}"))
    }
}

#[test]
fn a_change_sends_what_changed_alone_and_is_held_as_it_was_judged() {
    all_hold(subjects(Action::Update).iter().map(|subject| {
        let entity = subject.mapping.entity();
        let create = view(&subject.mapping, Body::Create);
        let update = view(&subject.mapping, Body::Patch);
        let (needed, none) = (subject.mapping.view(Action::Create).required, FieldSet::EMPTY);
        let documents = (
            made::documents(entity, &create.writable, (&create.required, &needed)),
            made::documents(entity, &update.writable, (&none, &none)),
            proptest::collection::vec(any::<proptest::sample::Index>(), 0..2),
        );
        let count = Cell::new(0_u32);
        let run = runner().run(&documents, |(new, mut change, cleared)| {
            let Ok((_, stored)) = taken(subject, &new, &create) else { return Ok(()) };
            let old = subject.read(&stored.record)?;
            made::clear(&mut change, &subject.shown(&old.record, &update.writable), &cleared);
            let judged = Change { subject, stored: &stored, old: &old, view: &update };
            let Some(changed) = judged.taken(&change) else { return Ok(()) };
            count.set(count.get() + u32::from(changed.sent.is_some()));
            judged.holds(&changed)
        });
        verdict(subject, run, count.get())
    }));
}

/// A record that is written as it was read sends nothing.
fn nothing_changes(subject: &Subject, read: &Inward) -> Result<(), TestCaseError> {
    if !subject.mapping.can(Action::Update) {
        return Ok(());
    }
    match subject.mapping.update(&read.id, &read.record, &read.record, read.version.as_deref()) {
        Ok(None) => Ok(()),
        Ok(Some(request)) => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            Err(TestCaseError::fail(format!("written back as it was read it sends {body}")))
        }
        Err(faults) => {
            Err(TestCaseError::fail(format!("written back as it was read it is refused: {faults:?}")))
        }
    }
}
