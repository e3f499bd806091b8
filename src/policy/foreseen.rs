//! The verdict where not all is known that statements may read: afterwards, on what an entry of the journal kept.
//!
//! The statements are those of a live request and so is their meaning; what is not known is left open, and the verdict
//! is said where it comes out the same whatever that was. What is not known is taken to be as the schema says, so that
//! nothing errs by it.

use super::{
    context::{Env, Untold},
    predicate::Outcomes,
    program::{Check, Program, Rule, Tally, Verdict, View},
    prospect::Outlook,
    show,
};
use crate::{
    policy::Openness,
    schema::{Entity, FieldSet, LeafId, Record},
};

/// Why a verdict cannot be said: what would have to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsure {
    /// Leaves of the record.
    pub leaves: FieldSet,
    /// Facts of the request.
    pub facts: Untold,
    /// The record was never seen.
    pub record: bool,
}

impl Outlook {
    /// The verdict on a record or a call, as far as it can be said: `untold` are leaves of the record that are not
    /// known, and without a record none of it is.
    ///
    /// # Errors
    /// It depends on what is not known.
    pub fn foreseen(
        &self,
        record: Option<&Record>,
        untold: &FieldSet,
        guarded: Option<bool>,
    ) -> Result<Verdict, Unsure> {
        self.program.foreseen(&Env { untold: Some(untold), ..self.env(record, guarded) })
    }

    /// What the caller's own `read` says of a record that a write left behind; none where it has none.
    ///
    /// # Errors
    /// As [`Outlook::foreseen`].
    pub fn foreseen_echo(&self, record: &Record, untold: &FieldSet) -> Option<Result<Verdict, Unsure>> {
        let echo = self.echo.as_ref()?;
        Some(echo.foreseen(&Env { untold: Some(untold), ..self.env(Some(record), None) }))
    }

    /// The entity whose records are asked for; none of a call.
    pub fn entity(&self) -> Option<&Entity> {
        self.program.entity.as_deref()
    }

    /// Whether it is sure already that some permit can hold, with nothing of the record known.
    ///
    /// # Errors
    /// It depends on what of the request is not known.
    pub fn is_surely_open(&self) -> Result<(), Unsure> {
        let env = self.env(None, None);
        // What goes by the record alone can hold; what goes by unknown facts too may not.
        let is_open = |rule: &Rule| rule.statement.effect.is_permit() && !by_untold(rule, &env);
        match self.program.rules.iter().zip(self.live()).find(|(rule, live)| live.holds && is_open(rule)) {
            Some(_) => Ok(()),
            None => Err(Unsure { facts: env.context.untold, ..Unsure::default() }),
        }
    }
}

/// Whether a rule may go by facts that are not known.
fn by_untold(rule: &Rule, env: &Env<'_>) -> bool {
    let is_cedar = matches!(rule.check, Check::Cedar(_));
    env.context.untold != Untold::default() && (rule.reads_context || is_cedar)
}

impl View {
    /// The leaves behind a mask, and how open each is.
    pub fn masks(&self) -> Box<[(LeafId, Openness)]> {
        show::masks(&self.shown)
    }

    /// How open a leaf is; none where it is hidden.
    pub fn openness(&self, leaf: LeafId) -> Option<Openness> {
        self.shown.openness(leaf)
    }
}

impl Program {
    fn foreseen(&self, env: &Env<'_>) -> Result<Verdict, Unsure> {
        let untold = env.untold.copied().unwrap_or_default();
        if let Some(statement) = env.record.and_then(|record| self.broken_but(record, &untold)) {
            return Ok(Verdict::Erroring(statement.clone()));
        }
        let (mut held, mut open) = (Vec::<&Rule>::new(), Vec::<&Rule>::new());
        for rule in &self.rules {
            let outcomes = self.known(rule, env, &untold);
            match outcomes.sure() {
                Some(Ok(true)) => held.push(rule),
                Some(Ok(false)) => {}
                Some(Err(_)) => return Ok(Verdict::Erroring(rule.statement.id.clone())),
                None if outcomes.fails => open.push(rule),
                None => held.push(rule),
            }
        }
        let base = tallied(held.iter().copied());
        // Permits and what they show only add, forbids and strikes only take: where none of them by itself makes a
        // difference, no several of them do.
        let matters = |rule: &&&Rule| !alike(&base, &tallied(held.iter().copied().chain([**rule])));
        let mut unsure = Unsure::default();
        let mut is_sure = true;
        for rule in open.iter().filter(matters) {
            is_sure = false;
            unsure.leaves = unsure.leaves.union(&rule.grants.reads.intersection(&untold));
            unsure.record |= self.entity.is_some() && env.record.is_none();
            if by_untold(rule, env) {
                unsure.facts = env.context.untold;
            }
        }
        if is_sure { Ok(base) } else { Err(unsure) }
    }

    /// What a rule can come to with what is known.
    fn known(&self, rule: &Rule, env: &Env<'_>, untold: &FieldSet) -> Outcomes {
        if !rule.statement.counts(env.context.is_broken) {
            return Outcomes::FAILS;
        }
        match &rule.check {
            Check::Always => Outcomes::HOLDS,
            Check::Compiled(node) => node.outcomes(env),
            // Cedar judges the whole of it or nothing.
            Check::Cedar(_) if by_untold(rule, env) || untold.meets(&rule.grants.reads) => Outcomes::ANY,
            Check::Cedar(_) if self.entity.is_some() && env.record.is_none() => Outcomes::ANY,
            // Nor does it know that something was not fetched.
            Check::Cedar(_) if self.is_unfetched_by(rule, env) => Outcomes::ANY,
            Check::Cedar(_) => match self.is_held(rule, env) {
                Some(true) => Outcomes::HOLDS,
                Some(false) => Outcomes::FAILS,
                None => Outcomes::ERRS,
            },
        }
    }
}

fn tallied<'r>(rules: impl Iterator<Item = &'r Rule>) -> Verdict {
    let mut tally = Tally::default();
    rules.for_each(|rule| tally.add(&rule.statement, &rule.grants));
    tally.verdict()
}

/// Whether two verdicts come to the same for the caller, whichever statements they are by.
fn alike(one: &Verdict, other: &Verdict) -> bool {
    match (one, other) {
        (Verdict::Permitted(one), Verdict::Permitted(other)) => {
            one.masks() == other.masks() && one.fields() == other.fields() && one.writes() == other.writes()
        }
        (Verdict::Permitted(_), _) | (_, Verdict::Permitted(_)) => false,
        (
            Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_),
            Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_),
        ) => true,
    }
}
