//! Why a decision came out as it did: what each statement has to do with it, and how each leaf is shown.

use std::{fmt, sync::Arc};

use super::{
    Denied,
    cedar::Unfit,
    context::Context,
    load::Policies,
    mask::Openness,
    predicate::Outcomes,
    program::{About, Program, Verdict},
    prospect::{Target, env, id},
    statement::{Statement, Verb},
};
use crate::{
    catalog::Action,
    identity::Facts,
    schema::{Entity, FieldSet, Record},
    words::{Place, StatementId},
};

/// What every statement has to do with a decision.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was asked: `read Order`.
    pub question: String,
    /// How it ends, where that is known.
    pub outcome: Outcome,
    /// Every statement of the bundle, in file order.
    pub statements: Vec<Told>,
    /// Leaves that are or can be shown, by path and how, in file order.
    pub fields: Vec<(String, &'static str)>,
}

/// How a decision ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is permitted.
    Permitted,
    /// It is refused.
    Refused,
    /// A statement could not be judged: refused.
    Erroring(StatementId),
    /// It depends on the record.
    Depends,
}

/// One statement and its part.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its id.
    pub id: StatementId,
    /// Where it stands.
    pub place: Place,
    /// What it does where it holds.
    pub verb: Verb,
    /// Its part in this decision.
    pub role: Role,
}

/// A statement's part in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its head speaks of another caller, action or resource.
    Silent,
    /// It can never hold for this caller in this context.
    Never,
    /// It can hold, by the record.
    Depends,
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be judged.
    Errs,
}

impl Role {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "speaks of something else",
            Self::Never => "can never hold here",
            Self::Depends => "depends on the record",
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::Errs => "cannot be judged",
        }
    }
}

impl From<Outcomes> for Role {
    fn from(outcomes: Outcomes) -> Self {
        match outcomes {
            Outcomes { holds: true, fails: false, errs: false } => Self::Holds,
            Outcomes { holds: false, fails: false, errs: true } => Self::Errs,
            Outcomes { holds: false, .. } => Self::Never,
            Outcomes { holds: true, .. } => Self::Depends,
        }
    }
}

/// Explains a decision, on a record or before one.
///
/// # Errors
/// [`Denied::Unfit`] where the facts are not what `principals/attributes.yaml` says.
pub fn explain(
    policies: &Policies,
    facts: &Facts,
    action: Action,
    target: &Target,
    context: &Context,
    record: Option<&Record>,
) -> Result<Explanation, Denied> {
    let (about, entity, call) = match target {
        Target::Entity(entity) => (About::Entity(entity), Some(entity), None),
        Target::Call(call) => (About::System(&call.system), None, Some(call)),
    };
    let program = Program::new(policies, facts, action, about).map_err(|Unfit| Denied::Unfit)?;
    let mut env = env(facts, context, call);
    env.record = record;
    env.id = record.and_then(|record| id(entity.map(|entity| &**entity), record)).unwrap_or_default();
    if matches!(action, Action::Update | Action::Delete) && record.is_some() {
        // Explained as a write whose version the system checks.
        env.guarded = Some(true);
    }
    let is_known = record.is_some() || call.is_some();
    let role = |statement: &Arc<Statement>| {
        let concerned = match about {
            About::Entity(entity) => statement.concerns(facts, action, entity),
            About::System(system) => statement.concerns_call(facts, system),
        };
        let rule = program.rules.iter().find(|rule| rule.statement.id == statement.id);
        match (concerned, rule) {
            (false, _) => Role::Silent,
            (true, None) => Role::Never,
            (true, Some(rule)) if is_known => program.role(rule, &env),
            (true, Some(rule)) => Program::outcomes(rule, &env).into(),
        }
    };
    let told = |statement: &Arc<Statement>| Told {
        id: statement.id.clone(),
        place: statement.place.clone(),
        verb: statement.effect,
        role: role(statement),
    };
    let statements: Vec<Told> = policies.statements.iter().map(told).collect();
    let (outcome, fields) = match is_known.then(|| program.verdict(&env)) {
        Some(Verdict::Permitted(view)) => {
            (Outcome::Permitted, fields(entity, |leaf| view.shown.openness(leaf)))
        }
        Some(Verdict::Forbidden(_) | Verdict::Unpermitted(_)) => (Outcome::Refused, Vec::new()),
        Some(Verdict::Erroring(statement)) => (Outcome::Erroring(statement), Vec::new()),
        None => before(&program, entity, &statements),
    };
    let resource = match target {
        Target::Entity(entity) => entity.name.to_string(),
        Target::Call(call) => call.system.to_string(),
    };
    Ok(Explanation { question: format!("{} {resource}", action.as_str()), outcome, statements, fields })
}

/// What can be said before a record is known.
fn before(
    program: &Program,
    entity: Option<&Arc<Entity>>,
    statements: &[Told],
) -> (Outcome, Vec<(String, &'static str)>) {
    let is =
        |verb: Verb, roles: &[Role]| statements.iter().any(|t| t.verb == verb && roles.contains(&t.role));
    if let Some(told) = statements.iter().find(|told| told.role == Role::Errs) {
        return (Outcome::Erroring(told.id.clone()), Vec::new());
    }
    if is(Verb::Forbid, &[Role::Holds]) || !is(Verb::Permit, &[Role::Holds, Role::Depends]) {
        return (Outcome::Refused, Vec::new());
    }
    let mut shown = super::degrees::Degrees::default();
    let mut withheld = FieldSet::EMPTY;
    for rule in &program.rules {
        let role = statements.iter().find(|told| told.id == rule.statement.id).map(|told| told.role);
        match (rule.statement.effect, role) {
            (Verb::Permit, Some(Role::Holds | Role::Depends)) => shown.join(&rule.grants.shown),
            (Verb::Withhold, Some(Role::Holds)) => withheld = withheld.union(&rule.grants.withheld),
            (Verb::Permit | Verb::Withhold | Verb::Forbid, _) => {}
        }
    }
    shown.strike(&withheld);
    (Outcome::Depends, fields(entity, |leaf| shown.openness(leaf)))
}

fn fields(
    entity: Option<&Arc<Entity>>,
    openness: impl Fn(crate::schema::LeafId) -> Option<Openness>,
) -> Vec<(String, &'static str)> {
    let Some(entity) = entity else { return Vec::new() };
    let shown =
        entity.ids().filter_map(|leaf| Some((entity.leaf(leaf)?.path.to_string(), openness(leaf)?.as_str())));
    shown.collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Permitted => "permitted".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::Erroring(id) => format!("refused: `{id}` cannot be judged"),
            Outcome::Depends => "depends on the record".to_owned(),
        };
        writeln!(f, "{}: {outcome}", self.question)?;
        for told in self.statements.iter().filter(|told| told.role != Role::Silent) {
            let verb = told.verb.as_str();
            writeln!(f, "  {verb} `{}` ({}): {}", told.id, told.place, told.role.as_str())?;
        }
        let silent = self.statements.iter().filter(|told| told.role == Role::Silent).count();
        writeln!(f, "  {silent} other statements speak of something else")?;
        for (path, how) in &self.fields {
            writeln!(f, "  {path}: {how}")?;
        }
        Ok(())
    }
}

impl Explanation {
    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let outcome = match &self.outcome {
            Outcome::Permitted => "permitted",
            Outcome::Refused => "refused",
            Outcome::Erroring(_) => "erroring",
            Outcome::Depends => "depends",
        };
        let statements = self.statements.iter().map(|told| {
            serde_json::json!({
                "id": told.id.as_str(),
                "at": told.place.to_string(),
                "effect": told.verb.as_str(),
                "role": told.role.as_str(),
            })
        });
        let fields = self.fields.iter().map(|(path, how)| serde_json::json!({ "field": path, "shown": how }));
        serde_json::json!({
            "question": self.question,
            "outcome": outcome,
            "statements": statements.collect::<Vec<_>>(),
            "fields": fields.collect::<Vec<_>>(),
        })
    }
}
