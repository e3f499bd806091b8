//! What is told of a request that was described.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{
    charged::Charged,
    described::{Asked, Described},
    judging::{Matter, OutcomeWord, Ruling, judge},
    names::Known,
    pushed::{self, Pushed},
};
use crate::{
    catalog::Action,
    config::{Snapshot, taken},
    policy::{self, Denied, Explanation, Memo, Outlook},
    schema::{Entity, FieldSet, Record, json},
    words::{Diagnostics, FieldPath, PlanName},
};

/// All that is told.
pub(crate) struct Told {
    explanation: Explanation,
    outlook: Option<Box<Outlook>>,
    /// What filter and sort may name, as the entity's system is mapped.
    filterable: FieldSet,
    /// What may be sent, as far as the entity's system takes it.
    writable: FieldSet,
    charged: Option<Charged>,
    /// What systems are asked for, in a list.
    pushed: Vec<Pushed>,
    ruling: Option<Ruling>,
    entity: Option<Arc<Entity>>,
}

impl Told {
    /// Under a bundle; none where the request names what is not there, which goes to `found`.
    ///
    /// # Errors
    /// The facts of who asks are not what the bundle says they are.
    pub(crate) fn of(
        described: &Described,
        snapshot: &Snapshot,
        known: &dyn Known,
        found: &mut Diagnostics,
    ) -> Result<Option<Self>, Denied> {
        let asked = described.under(snapshot, known, found);
        match asked.filter(|_| !found.has_errors()) {
            Some(asked) => Self::put(asked, snapshot, known).map(Some),
            None => Ok(None),
        }
    }

    fn put(asked: Asked, snapshot: &Snapshot, known: &dyn Known) -> Result<Self, Denied> {
        let Asked { question, entity, record } = asked;
        let (policies, memo) = (&snapshot.policies, Memo::default());
        let (facts, action, context) = (&question.facts, question.action, &question.context);
        let explanation =
            policy::explain(policies, facts, action, &question.target, context, record.as_ref())?;
        let target = question.target.clone();
        let outlook = policy::outlook(policies, &memo, facts, action, target, context.clone()).ok();
        let charged = outlook.as_deref().map(|outlook| Charged::of(&snapshot.plans, facts, outlook));
        let pushed = match (&outlook, &entity, action) {
            (Some(outlook), Some(entity), Action::List) => pushed::all(snapshot, entity, outlook, known),
            _ => Vec::new(),
        };
        let has_matter = !matches!(question.matter, Matter::Nothing);
        let ruling = has_matter.then(|| judge(policies, &memo, question));
        let clear = outlook.as_deref().map(Outlook::clear).unwrap_or_default();
        let serving = entity.as_ref().and_then(|entity| snapshot.serving(entity));
        let filterable = serving.map_or(clear, |sources| sources.telling(&clear));
        let writable = outlook.as_deref().map(Outlook::writable).unwrap_or_default();
        let writable = serving.map_or(writable, |sources| taken(sources.all(), action, &writable).writable);
        Ok(Self { explanation, outlook, filterable, writable, charged, pushed, ruling, entity })
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.explanation.to_string().lines().map(str::to_owned).collect();
        if let (Some(outlook), Some(entity)) = (&self.outlook, &self.entity) {
            let may =
                |what: &str, leaves: &FieldSet| format!("{what}: {}", or_nothing(&paths(entity, leaves)));
            lines.push(may("may filter and sort by", &self.filterable));
            lines.push(may("may change", &self.writable));
            lines.push(may("is fetched for conditions", &outlook.reads()));
            lines.extend(outlook.follows().iter().map(|relation| {
                let of = paths(&relation.to, &relation.reads).join(", ");
                let by = paths(entity, &FieldSet::of(relation.by)).join(", ");
                format!("is fetched of the {} that `{by}` names: {of}", relation.to.name)
            }));
        }
        lines.extend(self.pushed.iter().flat_map(Pushed::lines));
        lines.extend(self.charged.iter().flat_map(Charged::lines));
        if let Some(ruling) = &self.ruling {
            lines.extend(self.ruled(ruling));
        }
        lines
    }

    fn ruled(&self, ruling: &Ruling) -> Vec<String> {
        let mut lines = vec![format!("on this record: {}", ruling.outcome.as_str())];
        let by: Vec<&str> = ruling.by.iter().map(|id| id.as_str()).collect();
        lines.push(format!("decided by: {}", or_nothing(&by)));
        lines.extend(ruling.why.clone());
        if let Some(entity) = &self.entity {
            if ruling.outcome == OutcomeWord::Permitted && ruling.record.is_none() {
                lines.push(format!("changes: {}", or_nothing(&paths(entity, &ruling.changed))));
            }
            if let Some(record) = &ruling.record {
                lines.push(format!("shown as: {}", text(entity, record)));
            }
        }
        lines
    }

    /// For programs.
    pub(crate) fn json(&self) -> Json {
        let mut told = self.explanation.to_json();
        let Some(map) = told.as_object_mut() else { return told };
        if let (Some(outlook), Some(entity)) = (&self.outlook, &self.entity) {
            map.insert("filterable".into(), json!(paths(entity, &self.filterable)));
            map.insert("writable".into(), json!(paths(entity, &self.writable)));
            map.insert("fetched_for_conditions".into(), json!(paths(entity, &outlook.reads())));
            let named = |relation: &policy::Relation| {
                json!({
                    "by": paths(entity, &FieldSet::of(relation.by)).join("."),
                    "entity": relation.to.name.as_str(),
                    "fields": paths(&relation.to, &relation.reads),
                })
            };
            let named: Vec<Json> = outlook.follows().iter().map(named).collect();
            map.insert("fetched_of_what_it_names".into(), json!(named));
        }
        if let Some(outlook) = &self.outlook {
            let plans: Vec<&str> = outlook.plans().iter().map(PlanName::as_str).collect();
            map.insert("plans".into(), json!(plans));
        }
        map.insert("pushed".into(), self.pushed.iter().map(Pushed::json).collect());
        map.insert("charged".into(), self.charged.as_ref().map(Charged::json).into());
        if let (Some(ruling), Some(entity)) = (&self.ruling, &self.entity) {
            let by: Vec<&str> = ruling.by.iter().map(|id| id.as_str()).collect();
            let refused_for: Vec<&str> = ruling.refused_for.iter().map(FieldPath::as_str).collect();
            let shown: Option<Json> =
                ruling.record.as_ref().and_then(|record| serde_json::from_str(&text(entity, record)).ok());
            map.insert(
                "on_record".into(),
                json!({
                    "outcome": ruling.outcome.as_str(), "by": by, "why": ruling.why,
                    "changes": paths(entity, &ruling.changed), "refused_for": refused_for, "shown": shown,
                }),
            );
        }
        told
    }
}

fn paths<'e>(entity: &'e Entity, leaves: &FieldSet) -> Vec<&'e str> {
    leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str()).collect()
}

fn or_nothing(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn text(entity: &Entity, record: &Record) -> String {
    let mut out = Vec::new();
    json::write(entity, record, None, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
