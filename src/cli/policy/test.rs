//! `bramka policy test`: every request of `tests/*.yaml` gets the decision it must get, or it is said where
//! it does not and what decided instead.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value as Json, json};

use super::{
    Loaded, SecretsOf, Where,
    cases::{Case, Expect, TestFile},
    load,
    silent::{self, Subject},
};
use crate::{
    cli::{Came, error::VerbError, out},
    config::{Report, Snapshot},
    crosswalk::MadeUp,
    explaining::{
        ActionWord, Beside, Matter, Naming, OutcomeWord, Question, Ruling, Who, Written, entity, judge,
        open_view, proposed, sent,
    },
    policy::{Change, Memo, Target},
    schema::{self, Body, Entity, FieldSet, LeafId, Record, Value},
    words::{
        Diagnostic, Diagnostics, FieldPath, Place, StatementId,
        tree::Node,
        yaml::{FromYaml, Named, Spanned},
    },
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bramka policy test --policies policies\n\n\
    A test in policies/tests/*.yaml:\n  \
    tests:\n    - name: a partner reads its own order\n      as: Partner/acme-portal\n      action: read\n      \
    entity: Order\n      record: { id: \"1\", customer: \"20000\", status: open }\n      \
    expect: { outcome: permitted, shows: [status], hides: [discount_total] }")]
pub(in crate::cli) struct Test {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// One test and whether it was kept.
struct Kept {
    name: String,
    place: Place,
    is_kept: bool,
}

pub(super) fn run(arguments: &Test) -> Result<Came, VerbError> {
    // What a decision is does not depend on any secret.
    let loaded = load(&arguments.place.policies, SecretsOf::Nobody).map_err(VerbError::Bundle)?;
    let mut found = Diagnostics::default();
    let kept = all(&loaded, &mut found);
    let report = Report::new(loaded.files.clone(), found);
    if arguments.json {
        out::say(&as_json(&kept, &report).to_string());
    } else {
        for test in &kept {
            let word = if test.is_kept { "ok    " } else { "BROKEN" };
            out::say(&format!("{word} {}: {}", test.place.file, test.name));
        }
        if report.found().has_errors() {
            out::say("");
            out::say_report(&report);
        }
        let broken = kept.iter().filter(|test| !test.is_kept).count();
        out::say(&format!("{} tests, {broken} broken", kept.len()));
    }
    if report.found().has_errors() {
        return Ok(Came::Wrong);
    }
    if kept.is_empty() {
        let folder = arguments.place.policies.join("tests");
        return Err(VerbError::NotThere(format!("there is no test in `{}`", folder.display())));
    }
    Ok(Came::Right)
}

fn all(loaded: &Loaded, found: &mut Diagnostics) -> Vec<Kept> {
    let memo = Memo::default();
    let mut kept = Vec::new();
    for sheet in &loaded.tests {
        let Some(file) = TestFile::read(&sheet.node, found) else { continue };
        let run = Run { snapshot: &loaded.snapshot, memo: &memo, records: &file.records };
        for case in &file.tests {
            let before = found.0.len();
            run.case(&case.value, found);
            kept.push(Kept {
                name: case.value.name.value.clone(),
                place: case.value.name.place.clone(),
                is_kept: found.0.len() == before,
            });
        }
    }
    kept
}

fn as_json(kept: &[Kept], report: &Report) -> Json {
    let tests: Vec<Json> = kept
        .iter()
        .map(|test| {
            json!({
                "file": &*test.place.file, "line": test.place.line, "name": test.name, "kept": test.is_kept,
            })
        })
        .collect();
    let report: Json = serde_json::from_str(&report.json()).unwrap_or_default();
    json!({ "tests": tests, "diagnostics": report.get("diagnostics") })
}

/// The tests of one file.
struct Run<'a> {
    snapshot: &'a Snapshot,
    memo: &'a Memo,
    records: &'a Named<Node>,
}

impl Run<'_> {
    fn case(&self, case: &Case, found: &mut Diagnostics) {
        silent::check(case, found);
        let Some((question, entity)) = self.question(case, found) else { return };
        let ruling = judge(&self.snapshot.policies, self.memo, question);
        let check = Check { case, ruling: &ruling, entity: entity.as_deref() };
        check.all(self.snapshot, found);
    }

    fn question(&self, case: &Case, found: &mut Diagnostics) -> Option<(Question, Option<Arc<Entity>>)> {
        let who = Who { name: &case.r#as, groups: case.groups.as_deref(), scopes: &case.scopes };
        let facts = who.facts(self.snapshot.sources.registry(), found);
        let (target, entity) = self.target(case, found)?;
        let action = case.action.action();
        let context = case.over.context(sent(action, Some(&target)), self.snapshot, found)?;
        let facts = case.over.aged(facts?, &context);
        let matter = match &entity {
            Some(entity) => {
                let naming = Naming::of(self.snapshot, entity, &MadeUp);
                let matter = naming.matter(self.matter(case, entity, found)?);
                let given: Vec<_> = Written::of(&case.related);
                let given = given.iter().map(|(name, written)| (name, written));
                Beside::read((self.snapshot, &MadeUp), entity, given, found).matter(entity, matter)
            }
            None => Matter::Nothing,
        };
        Some((Question { facts, action, target, context, matter }, entity))
    }

    fn target(&self, case: &Case, found: &mut Diagnostics) -> Option<(Target, Option<Arc<Entity>>)> {
        let place = &case.name.place;
        match (case.action, &case.entity, &case.call) {
            (ActionWord::Call, None, Some(call)) => Some((call.target(self.snapshot, found)?, None)),
            (ActionWord::Call, _, _) => {
                found.error(place, "a `call` needs `call: { system, method, path }` and no `entity`");
                None
            }
            (_, Some(name), None) => {
                let entity = entity(self.snapshot, name, found)?;
                Some((Target::Entity(entity.clone()), Some(entity)))
            }
            (_, _, _) => {
                found.error(place, "this action needs `entity`, and no `call`");
                None
            }
        }
    }

    fn matter(&self, case: &Case, entity: &Arc<Entity>, found: &mut Diagnostics) -> Option<Matter> {
        let record = match &case.record {
            Some(node) => Some(self.record(entity, node, found)?),
            None => None,
        };
        let is_guarded = case.guarded.as_ref().is_none_or(|guarded| guarded.value);
        let version = is_guarded.then(|| "1".into());
        let of = self.snapshot.serving(entity).zip(record.as_ref());
        let source = of.and_then(|(sources, record)| sources.of_record(entity, record));
        let mapping = source.map(|source| &*source.mapping);
        match (case.action, record, &case.change) {
            (ActionWord::Read | ActionWord::List, Some(record), None) => Some(Matter::Record(record)),
            (ActionWord::Read | ActionWord::List, None, None) => Some(Matter::Nothing),
            (ActionWord::Create, Some(new), None) => {
                Some(Matter::write(mapping, Change::create(new), FieldSet::EMPTY))
            }
            (ActionWord::Update, Some(old), Some(change)) => {
                let change = proposed(entity, change, Body::Patch, found)?;
                let new = schema::merge(entity, &old, &change, &open_view(entity, Body::Patch));
                Some(Matter::write(mapping, Change::update(old, new, version), change.present))
            }
            (ActionWord::Delete, Some(old), None) => {
                Some(Matter::Change(Change::Delete { old, version }, FieldSet::EMPTY))
            }
            // Whatever the record.
            (ActionWord::Create | ActionWord::Update | ActionWord::Delete, None, None) => {
                Some(Matter::Nothing)
            }
            (action, _, _) => {
                let needs = match action {
                    ActionWord::Read | ActionWord::List => "`record` or nothing",
                    ActionWord::Create | ActionWord::Delete => "`record`",
                    ActionWord::Update => "`record` and `change`",
                    ActionWord::Call => "`call`",
                };
                found.error(&case.name.place, format!("`{}` is about {needs}", action.as_str()));
                None
            }
        }
    }

    /// A record that is written out, or the name of one.
    fn record(&self, entity: &Entity, node: &Node, found: &mut Diagnostics) -> Option<Record> {
        let node = match node.as_text() {
            None => node,
            Some(name) => match self.records.get(name) {
                Some(node) => node,
                None => {
                    let known = self.records.iter().map(|(name, _)| name.value.as_str());
                    found.push(
                        Diagnostic::error(&node.place, format!("there is no record `{name}` in `records`"))
                            .suggest(name, known),
                    );
                    return None;
                }
            },
        };
        proposed(entity, node, Body::Create, found).map(|proposed| proposed.record)
    }
}

/// What was expected, beside what came.
struct Check<'a> {
    case: &'a Case,
    ruling: &'a Ruling,
    entity: Option<&'a Entity>,
}

impl Check<'_> {
    fn all(&self, snapshot: &Snapshot, found: &mut Diagnostics) {
        let expect = &self.case.expect;
        if self.ruling.is_contradicted {
            found.error(
                &self.case.name.place,
                "the specialised statements and the whole set disagree on this; please report it",
            );
        }
        if self.ruling.outcome != expect.outcome.value {
            return found.push(self.outcome(expect.outcome.value, &expect.outcome.place));
        }
        self.by(snapshot, found);
        let Some(entity) = self.entity else { return };
        // What says nothing about the subject is a mistake already, and not a second one here.
        match Subject::of(self.case) {
            Subject::Fields => self.fields(entity, expect, found),
            Subject::Record => {
                self.fields(entity, expect, found);
                self.values(entity, &Naming::of(snapshot, entity, &MadeUp), expect, found);
            }
            Subject::Change => self.changes(entity, expect, found),
            Subject::Decision => {}
        }
    }

    fn outcome(&self, wanted: OutcomeWord, place: &Place) -> Diagnostic {
        let came = self.ruling.outcome.as_str();
        let mut help = format!("decided by: {}", names(self.ruling.by.iter().map(StatementId::as_str)));
        if let Some(why) = &self.ruling.why {
            help = format!("{why}; {help}");
        }
        Diagnostic::error(place, format!("expected `{}`, and it is `{came}`", wanted.as_str())).help(help)
    }

    fn by(&self, snapshot: &Snapshot, found: &mut Diagnostics) {
        for id in &self.case.expect.by {
            if !snapshot.policies.ids().any(|known| known.as_str() == id.value) {
                let known = snapshot.policies.ids().map(StatementId::as_str);
                found.push(
                    Diagnostic::error(&id.place, format!("there is no statement `{}`", id.value))
                        .suggest(&id.value, known),
                );
            } else if !self.ruling.by.iter().any(|by| by.as_str() == id.value) {
                let told = names(self.ruling.by.iter().map(StatementId::as_str));
                found.push(
                    Diagnostic::error(&id.place, format!("`{}` has no part in it", id.value))
                        .help(format!("decided by: {told}")),
                );
            }
        }
    }

    fn fields(&self, entity: &Entity, expect: &Expect, found: &mut Diagnostics) {
        let shown = &self.ruling.shown;
        if let Some(fields) = &expect.fields {
            let wanted = leaves(entity, &fields.value, found);
            self.same(entity, ("show", &fields.place), (&wanted, shown), found);
        }
        let mut each = |paths: &[Spanned<String>], what: &str, wrong_of: &dyn Fn(&FieldSet) -> FieldSet| {
            for path in paths {
                let wrong = wrong_of(&leaves(entity, std::slice::from_ref(path), found));
                if !wrong.is_empty() {
                    found.error(&path.place, format!("{what}: {}", paths_of(entity, &wrong)));
                }
            }
        };
        each(&expect.shows, "not shown", &|wanted| wanted.minus(shown));
        each(&expect.hides, "shown all the same", &|wanted| wanted.intersection(shown));
    }

    fn values(&self, entity: &Entity, naming: &Naming<'_>, expect: &Expect, found: &mut Diagnostics) {
        for path in &expect.masks {
            let wrong = leaves(entity, std::slice::from_ref(path), found).minus(&self.ruling.masked);
            if !wrong.is_empty() {
                found.error(&path.place, format!("not behind a mask: {}", paths_of(entity, &wrong)));
            }
        }
        for (path, value) in expect.values.iter() {
            let Some(leaf) = entity.leaf_at(&path.value) else {
                unknown(entity, path, found);
                continue;
            };
            match &self.ruling.record {
                Some(record) => {
                    let came = text_of(entity, record, leaf);
                    let named = naming.id(record, leaf, &value.value);
                    let is_key_of = |id: &str| named.as_ref().is_some_and(|named| named == id);
                    if came != value.value && !is_key_of(&came) {
                        found.error(&value.place, format!("`{}` is shown as `{came}`", path.value));
                    }
                }
                // Not even as an empty text.
                None => found.error(&value.place, format!("`{}` is not shown", path.value)),
            }
        }
    }

    fn changes(&self, entity: &Entity, expect: &Expect, found: &mut Diagnostics) {
        if let Some(changes) = &expect.changes {
            let wanted = leaves(entity, &changes.value, found);
            self.same(entity, ("change", &changes.place), (&wanted, &self.ruling.changed), found);
        }
        for path in &expect.refused_for {
            let wanted = leaves(entity, std::slice::from_ref(path), found);
            let refused: FieldSet =
                self.ruling.refused_for.iter().filter_map(|path| entity.leaf_at(path.as_str())).collect();
            if !wanted.is_subset(&refused) {
                let told = names(self.ruling.refused_for.iter().map(FieldPath::as_str));
                found.push(
                    Diagnostic::error(&path.place, format!("the change is not refused for `{}`", path.value))
                        .help(format!("it is refused for: {told}")),
                );
            }
        }
    }

    /// Two sets that must be one.
    fn same(
        &self,
        entity: &Entity,
        (verb, place): (&str, &Place),
        (wanted, came): (&FieldSet, &FieldSet),
        found: &mut Diagnostics,
    ) {
        let (missing, more) = (wanted.minus(came), came.minus(wanted));
        if missing.is_empty() && more.is_empty() {
            return;
        }
        let mut told = Vec::new();
        if !missing.is_empty() {
            told.push(format!("these do not {verb}: {}", paths_of(entity, &missing)));
        }
        if !more.is_empty() {
            told.push(format!("these {verb} too: {}", paths_of(entity, &more)));
        }
        let by = names(self.ruling.by.iter().map(StatementId::as_str));
        found.push(Diagnostic::error(place, told.join("; ")).help(format!("decided by: {by}")));
    }
}

/// The leaves at or under paths; a path that leads nowhere is told.
fn leaves(entity: &Entity, paths: &[Spanned<String>], found: &mut Diagnostics) -> FieldSet {
    paths.iter().fold(FieldSet::EMPTY, |all, path| {
        let under = entity.leaves_under(&path.value);
        if under.is_empty() {
            unknown(entity, path, found);
        }
        all.union(&under)
    })
}

fn unknown(entity: &Entity, path: &Spanned<String>, found: &mut Diagnostics) {
    let known = entity.leaves.iter().map(|leaf| leaf.path.as_str());
    let message = format!("`{}` has no field `{}`", entity.name, path.value);
    found.push(Diagnostic::error(&path.place, message).suggest(&path.value, known));
}

fn paths_of(entity: &Entity, leaves: &FieldSet) -> String {
    names(leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str()))
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// A leaf's values as they are shown, with commas between them.
fn text_of(entity: &Entity, record: &Record, leaf: LeafId) -> String {
    let mut texts: Vec<String> = Vec::new();
    record.each(entity, leaf, &mut |value: &Value| {
        let mut out = Vec::new();
        match value.as_text() {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => schema::value::print(value, &mut out),
        }
        texts.push(String::from_utf8_lossy(&out).into_owned());
    });
    texts.join(", ")
}
