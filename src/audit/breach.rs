//! What a credential reached: whose data, which records, which fields, from where, and what cannot be told. What is asked
//! when it may have come into other hands.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::{
    AskError, Between, Fault, Index, LaneRead, Line, Query, Who,
    leaf::{Leaf, word},
    subjects::Names,
    terms,
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct BreachQuery {
    /// The credential, by its id.
    pub credential: String,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// What a credential reached.
#[derive(Clone, Debug, Default)]
pub struct BreachReport {
    /// Who asked with it.
    pub who: Vec<Who>,
    /// Answers, those that were refused too.
    pub answers: u64,
    /// Those that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The first and the last of them.
    pub between: Between,
    /// From which addresses, and how often; one that was erased is `erased`.
    pub addresses: BTreeMap<String, u64>,
    /// Whose data was shown, by its digest.
    pub subjects: BTreeMap<String, Reached>,
    /// How many more subjects entries name no more; some of them may be those above.
    pub subjects_unnamed: u64,
    /// What was shown, by entity.
    pub entities: BTreeMap<String, EntityReached>,
    /// Changes that were written down before they were sent to a system, by what and entity.
    pub changes: BTreeMap<(String, String), u64>,
    /// Requests that were passed through and answered, by system: what came back is in no entry.
    pub calls: BTreeMap<String, Reached>,
    /// Entries that cannot be read, lane by lane.
    pub unreadable: Vec<(String, u64)>,
    /// What of the journal could not be read.
    pub faults: Vec<Fault>,
    /// The lanes that were read.
    pub lanes: Vec<LaneRead>,
}

/// How often, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// In how many answers.
    pub answers: u64,
    /// The first and the last of them.
    pub between: Between,
}

/// What was shown of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityReached {
    /// In how many answers.
    pub answers: u64,
    /// How many different records.
    pub records: u64,
    /// How many more entries name no more; some of them may be the same.
    pub records_unnamed: u64,
    /// Each field, and how many records were shown with it, counted anew in each answer.
    pub fields: BTreeMap<String, u64>,
}

impl Index<'_> {
    /// What a credential reached. Blocks.
    ///
    /// # Errors
    /// The journal or the index cannot be read, or they differ.
    pub fn breach(&self, asked: &BreachQuery) -> Result<BreachReport, AskError> {
        let query = Query {
            credential: Some(asked.credential.clone()),
            since: asked.since,
            until: asked.until,
            ..Query::default()
        };
        let mut report = BreachReport { lanes: self.lanes().cloned().collect(), ..BreachReport::default() };
        let mut gathered = Gathered { names: Names::new(self.keys), records: HashMap::default() };
        self.each(&query, |_, line, leaf| gathered.take(line, leaf, &mut report))?;
        for (entity, records) in gathered.records {
            report.entities.entry(entity).or_default().records = records.len() as u64;
        }
        report.unreadable = self.unreadable()?;
        report.faults = self.faults().to_vec();
        Ok(report)
    }
}

struct Gathered<'k> {
    names: Names<'k>,
    /// By entity, each record once.
    records: HashMap<String, HashSet<String, RandomState>, RandomState>,
}

impl Gathered<'_> {
    fn take(&mut self, line: &Line, leaf: &Leaf<'_>, report: &mut BreachReport) {
        if leaf.kind == "intent" {
            if let Some(write) = &leaf.write {
                let change = (write.0.to_string(), word(leaf.entity.as_ref()).to_owned());
                *report.changes.entry(change).or_default() += 1;
            }
            return;
        }
        if leaf.kind != "answer" {
            return;
        }
        report.answers += 1;
        report.between.take(leaf.at);
        let (who, address) = self.names.opened(line, leaf);
        let known = report.who.iter_mut().find(|known| known.digest == who.digest);
        match known {
            Some(known) => known.name.better(who.name),
            None => report.who.push(who),
        }
        let address = address.unwrap_or_else(|| "not to be told any more".to_owned());
        *report.addresses.entry(address).or_default() += 1;
        if let Some(refusal) = &leaf.refusal {
            *report.refused.entry(refusal.0.to_string()).or_default() += 1;
        } else if leaf.action.as_ref().is_some_and(|action| action.is(terms::CALL)) {
            report.calls.entry(word(leaf.target.as_ref()).to_owned()).or_default().take(leaf.at);
        }
        for subject in &leaf.subjects {
            report.subjects.entry((*subject).to_owned()).or_default().take(leaf.at);
        }
        report.subjects_unnamed = report.subjects_unnamed.saturating_add(leaf.subjects_more);
        self.shown(leaf, report);
    }

    fn shown(&mut self, leaf: &Leaf<'_>, report: &mut BreachReport) {
        if leaf.shown.is_empty() {
            return;
        }
        let entity = word(leaf.target.as_ref());
        let reached = report.entities.entry(entity.to_owned()).or_default();
        reached.answers += 1;
        for group in &leaf.shown {
            let count = (group.records.len() as u64).saturating_add(group.more);
            reached.records_unnamed = reached.records_unnamed.saturating_add(group.more);
            for field in &group.fields {
                let shown = reached.fields.entry(field.0.to_string()).or_default();
                *shown = shown.saturating_add(count);
            }
            let records = self.records.entry(entity.to_owned()).or_default();
            records.extend(group.records.iter().map(|record| (*record).to_owned()));
        }
    }
}

impl Reached {
    fn take(&mut self, at: &str) {
        self.answers += 1;
        self.between.take(at);
    }
}
