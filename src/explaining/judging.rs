//! What comes of one request, as plain data.

use std::sync::Arc;

use crate::{
    catalog::Action,
    identity::Facts,
    mapping::{Before, Mapping, Settled},
    policy::{self, Change, Context, Denied, Grounds, Memo, Outlook, Policies, Target, Verdict},
    schema::{FieldSet, Record},
    words::{FieldPath, StatementId},
    yaml_words,
};

yaml_words! {
    /// How a request ends.
    pub(crate) enum OutcomeWord {
        /// It is permitted; without a record: a record can be.
        Permitted = "permitted",
        /// No statement can permit it, whatever the record (403).
        Forbidden = "forbidden",
        /// To the caller there is no such record (404).
        Hidden = "hidden",
        /// The change is refused (403 or 422).
        Refused = "refused",
        /// A statement cannot be judged on the record; the caller sees none.
        Erring = "erring",
    }
}

/// A question, ready to be put.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) facts: Arc<Facts>,
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) context: Context,
    /// What it is about; none before a record, or for a call.
    pub(crate) matter: Matter,
}

/// What a question is about.
#[derive(Debug)]
pub(crate) enum Matter {
    /// Nothing yet, or a call.
    Nothing,
    /// A stored record.
    Record(Record),
    /// A write, and the leaves that were sent for it.
    Change(Change, FieldSet),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) outcome: OutcomeWord,
    /// Leaves shown; before a record those that can be.
    pub(crate) shown: FieldSet,
    /// Of them, those behind a mask.
    pub(crate) masked: FieldSet,
    /// The record as it is shown.
    pub(crate) record: Option<Record>,
    /// Leaves that change.
    pub(crate) changed: FieldSet,
    /// Fields for which a change is refused.
    pub(crate) refused_for: Vec<FieldPath>,
    /// The statements that decided.
    pub(crate) by: Vec<StatementId>,
    /// Why, for whoever looks after the policies.
    pub(crate) why: Option<String>,
    /// The whole set of statements says something else: a mistake of ours.
    pub(crate) is_contradicted: bool,
}

impl Ruling {
    fn ended(outcome: OutcomeWord, grounds: Grounds) -> Self {
        Self {
            outcome,
            shown: FieldSet::EMPTY,
            masked: FieldSet::EMPTY,
            record: None,
            changed: FieldSet::EMPTY,
            refused_for: Vec::new(),
            by: grounds.statements,
            why: None,
            is_contradicted: false,
        }
    }

    fn denied(denied: Denied) -> Self {
        let why = denied.to_string();
        let mut ruling = match denied {
            Denied::Never(grounds) => Self::ended(OutcomeWord::Forbidden, grounds),
            Denied::Unfit => Self::ended(OutcomeWord::Forbidden, Grounds::default()),
            Denied::Record(grounds) => Self::ended(OutcomeWord::Hidden, grounds),
            Denied::New(grounds) => Self::ended(OutcomeWord::Refused, grounds),
            Denied::Fields(paths) | Denied::Mask(paths) => {
                let ruling = Self::ended(OutcomeWord::Refused, Grounds::default());
                Self { refused_for: paths, ..ruling }
            }
            Denied::Erroring { statement, .. } => Self::erring(statement),
        };
        ruling.why = Some(why);
        ruling
    }

    fn erring(statement: StatementId) -> Self {
        let grounds = Grounds { statements: vec![statement], ..Grounds::default() };
        Self::ended(OutcomeWord::Erring, grounds)
    }
}

/// Puts a question.
pub(crate) fn judge(policies: &Arc<Policies>, memo: &Memo, question: Question) -> Ruling {
    let Question { facts, action, target, context, matter } = question;
    let is_call = matches!(target, Target::Call(_));
    let outlook = match policy::outlook(policies, memo, &facts, action, target, context) {
        Ok(outlook) => outlook,
        Err(denied) => return Ruling::denied(denied),
    };
    match matter {
        Matter::Nothing if is_call => call(policies, &outlook),
        Matter::Nothing => {
            let grounds =
                Grounds { statements: outlook.statements().cloned().collect(), ..Grounds::default() };
            Ruling { shown: outlook.visible(), ..Ruling::ended(OutcomeWord::Permitted, grounds) }
        }
        Matter::Record(record) => shown(policies, &outlook, record),
        Matter::Change(change, sent) => ruled(outlook.rehearse(&change, &sent)),
    }
}

fn ruled(rehearsed: Result<(FieldSet, Grounds), Denied>) -> Ruling {
    match rehearsed {
        Ok((changed, grounds)) => Ruling { changed, ..Ruling::ended(OutcomeWord::Permitted, grounds) },
        Err(denied) => Ruling::denied(denied),
    }
}

impl Matter {
    /// A write, as the system that serves the entity will take it; as it stands where none does.
    pub(crate) fn write(mapping: Option<&Mapping>, change: Change, sent: FieldSet) -> Self {
        let Some(mapping) = mapping else { return Self::Change(change, sent) };
        let settled = |before, new| mapping.settled(before, new, &FieldSet::EMPTY);
        let change = match change {
            Change::Create { new, .. } => {
                let Settled { sent: new, held } = settled(Before::Nothing, new);
                Change::Create { new, held }
            }
            Change::Update { old, new, version, .. } => {
                let Settled { sent: new, held } = settled(Before::Written { record: &old }, new);
                Change::Update { old, new, held, version }
            }
            Change::Delete { .. } => change,
        };
        Self::Change(change, sent)
    }
}

fn call(policies: &Policies, outlook: &Outlook) -> Ruling {
    let ruling = match outlook.verdict(None, None) {
        Verdict::Permitted(view) => Ruling::ended(OutcomeWord::Permitted, view.grounds().clone()),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => {
            Ruling::ended(OutcomeWord::Forbidden, grounds)
        }
        Verdict::Erroring(statement) => Ruling::erring(statement),
    };
    Ruling { is_contradicted: policies.recheck(outlook, None, None).is_err(), ..ruling }
}

fn shown(policies: &Policies, outlook: &Outlook, record: Record) -> Ruling {
    let is_contradicted = policies.recheck(outlook, Some(&record), None).is_err();
    let ruling = match outlook.verdict(Some(&record), None) {
        Verdict::Permitted(view) => {
            let mut ruling = Ruling::ended(OutcomeWord::Permitted, view.grounds().clone());
            ruling.masked = view.masked();
            if let Some((record, fields)) = policy::sketch(outlook, record) {
                ruling.shown = fields;
                ruling.record = Some(record);
            }
            ruling
        }
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => {
            Ruling::ended(OutcomeWord::Hidden, grounds)
        }
        Verdict::Erroring(statement) => Ruling::erring(statement),
    };
    Ruling { is_contradicted, ..ruling }
}
