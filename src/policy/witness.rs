//! A record and circumstances under which statements let something happen: looked for, and judged before they are
//! told. What is not found proves nothing.
//!
//! The search walks from one guess to the next, each time mending a statement that stands in the way by changing
//! what that statement reads (as WalkSAT does). What it can choose from are the values that statements compare with,
//! those beside them, and nothing at all; only values that the schema allows.

mod choices;
mod guess;

use std::sync::Arc;

use super::{
    Context,
    context::Env,
    load::Policies,
    mask::Openness,
    predicate::Node,
    program::{About, Check, Program, Rule, Verdict, View},
    reach::{Circumstances, On},
    recheck::{self, Question, Subject},
    statement::Verb,
    witness::{choices::Choices, guess::Guess},
};
use crate::{
    catalog::{Action, Call},
    identity::Facts,
    schema::{Entity, FieldSet, LeafId, Record, json},
    words::{ListenerName, StatementId},
};

/// LIMIT: guesses that are judged in one search.
const GUESSES_MAX: u32 = 20_000;
/// How often a search begins anew.
const STARTS: u32 = 6;
/// Changes of one start.
const STEPS: u32 = 300;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The action is permitted.
    Permitted,
    /// A leaf of the record is shown, masked or not.
    Shown(LeafId),
    /// A leaf may be written.
    Written(LeafId),
}

/// A request, and the record it is about, that the whole set of statements permits.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Who asks; scopes included.
    pub facts: Arc<Facts>,
    /// From where and when.
    pub context: Context,
    /// The record; none of a call.
    pub record: Option<Record>,
    /// The record as an update would leave it.
    pub changed: Option<Record>,
    /// The call; none of what is asked of a record.
    pub call: Option<Call>,
    /// How openly the leaf is shown, where one is.
    pub openness: Option<Openness>,
    /// The permits that decided.
    pub statements: Vec<StatementId>,
}

/// Looks for a request by someone, and a record, that gets what is wanted. `listeners` are those it can come by.
pub fn witness(
    policies: &Policies,
    facts: &Arc<Facts>,
    action: Action,
    on: On<'_>,
    wanted: Wanted,
    (known, listeners): (Circumstances, &[ListenerName]),
) -> Option<Witness> {
    let about = match on {
        On::Entity(entity) => About::Entity(entity),
        On::System(system) => About::System(system),
    };
    let program = Program::new(policies, facts, action, about).ok()?;
    let choices = Choices::of(&program, on, (action, wanted), (known, &policies.hours), listeners);
    // The whole set confirms what is found, and it goes by more than what is specialised does.
    let followed = match on {
        On::Entity(entity) => recheck::followed(policies, facts, action, entity),
        On::System(_) => Vec::new(),
    };
    let first = choices.first(facts, known, listeners, &followed);
    let search = Search { policies, program: &program, choices: &choices, wanted, first: &first };
    let aims: Vec<usize> = (0..program.rules.len()).filter(|at| search.may_serve(*at)).collect();
    let mut left = GUESSES_MAX;
    for aim in &aims {
        // Each permit that could do it gets its share.
        let share = GUESSES_MAX.div_euclid(u32::try_from(aims.len()).unwrap_or(u32::MAX).max(1)).min(left);
        let mut budget = share;
        if let Some(found) = search.aimed(*aim, &mut budget) {
            return Some(found);
        }
        left = left.saturating_sub(share);
    }
    None
}

struct Search<'s> {
    policies: &'s Policies,
    program: &'s Program,
    choices: &'s Choices<'s>,
    wanted: Wanted,
    first: &'s Guess,
}

impl Search<'_> {
    /// Whether a rule could give what is wanted.
    fn may_serve(&self, at: usize) -> bool {
        self.program.rules.get(at).is_some_and(|rule| {
            rule.statement.effect == Verb::Permit
                && match self.wanted {
                    Wanted::Permitted => true,
                    Wanted::Shown(leaf) => rule.grants.shown.all().contains(leaf),
                    Wanted::Written(leaf) => rule.grants.writes.contains(leaf),
                }
        })
    }

    /// One permit's conditions are to hold, and nothing that takes it away.
    fn aimed(&self, aim: usize, budget: &mut u32) -> Option<Witness> {
        let mut dice = Dice::new(aim);
        for start in 0..STARTS {
            let mut guess = self.first.clone();
            if start > 0 {
                self.choices.scatter(&mut guess, &mut |sides| dice.roll(sides));
            }
            for _ in 0..STEPS {
                let faults = self.faults(aim, &guess, budget)?;
                if faults.is_empty() {
                    match self.confirmed(&guess) {
                        Some(witness) => return Some(witness),
                        None => break,
                    }
                }
                let rule = faults.get(dice.roll(faults.len())).and_then(|at| self.program.rules.get(*at))?;
                let Some(next) = self.mended(aim, rule, &guess, &mut dice, budget) else { break };
                guess = next;
            }
        }
        None
    }

    /// The rules that are not as they are to be; none where the budget is spent.
    fn faults(&self, aim: usize, guess: &Guess, budget: &mut u32) -> Option<Vec<usize>> {
        *budget = budget.checked_sub(1)?;
        let env = guess.env();
        let is_wrong =
            |(at, rule): (usize, &Arc<Rule>)| (self.distance(aim, at, rule, &env) > 0).then_some(at);
        Some(self.program.rules.iter().enumerate().filter_map(is_wrong).collect())
    }

    /// The same guess with one thing changed that a rule reads: the change that mends most, sometimes any.
    fn mended(
        &self,
        aim: usize,
        rule: &Rule,
        guess: &Guess,
        dice: &mut Dice,
        budget: &mut u32,
    ) -> Option<Guess> {
        let mut moves = self.choices.moves(rule);
        if moves.is_empty() {
            return None;
        }
        if dice.roll(5) == 0 {
            let at = dice.roll(moves.len());
            return Some(self.choices.moved(guess, moves.swap_remove(at)));
        }
        let mut best: Option<(u32, Guess)> = None;
        // From a place of its own each time, so that of equals not always the first is taken.
        let from = dice.roll(moves.len());
        moves.rotate_left(from);
        for one in moves {
            *budget = budget.checked_sub(1)?;
            let next = self.choices.moved(guess, one);
            let env = next.env();
            let rules = self.program.rules.iter().enumerate();
            let far =
                rules.fold(0_u32, |far, (at, rule)| far.saturating_add(self.distance(aim, at, rule, &env)));
            if best.as_ref().is_none_or(|(least, _)| far < *least) {
                best = Some((far, next));
            }
        }
        best.map(|(_, guess)| guess)
    }

    /// How much of a rule is not as it is to be.
    fn distance(&self, aim: usize, at: usize, rule: &Rule, env: &Env<'_>) -> u32 {
        let (held, failed) = match &rule.check {
            Check::Always => (0, 1),
            Check::Compiled(node) => distances(node, env),
            Check::Cedar(_) => match self.program.is_held(rule, env) {
                Some(true) => (0, 1),
                Some(false) => (1, 0),
                None => (1, 1),
            },
        };
        let strikes = || match self.wanted {
            Wanted::Permitted => false,
            Wanted::Shown(leaf) | Wanted::Written(leaf) => rule.grants.withheld.contains(leaf),
        };
        match rule.statement.effect {
            Verb::Permit if at == aim => held,
            Verb::Forbid => failed,
            Verb::Withhold if strikes() => failed,
            Verb::Permit | Verb::Withhold => held.min(failed),
        }
    }

    /// A guess as the whole set of statements judges it, nothing specialised.
    fn confirmed(&self, guess: &Guess) -> Option<Witness> {
        let record = self.choices.shown(guess)?;
        let guess = &self.sized(guess, record.as_ref());
        let view = self.judged(guess, record.as_ref())?;
        let is_given = match self.wanted {
            Wanted::Permitted => true,
            Wanted::Shown(leaf) => view.fields().contains(leaf),
            Wanted::Written(leaf) => view.writes().contains(leaf),
        };
        let changed = match (self.wanted, self.program.action) {
            (Wanted::Written(leaf), Action::Update) => Some(self.change(guess, record.as_ref()?, leaf)?),
            _ => None,
        };
        let openness = match self.wanted {
            Wanted::Shown(leaf) => view.shown.openness(leaf),
            Wanted::Permitted | Wanted::Written(_) => None,
        };
        is_given.then(|| Witness {
            facts: guess.facts.clone(),
            context: guess.context.clone(),
            record,
            changed,
            call: guess.call.clone(),
            openness,
            statements: view.grounds().statements.clone(),
        })
    }

    /// A body that tells of a record has as many bytes as that takes, or more: JSON may be spaced.
    fn sized(&self, guess: &Guess, record: Option<&Record>) -> Guess {
        let mut guess = guess.clone();
        let fields = match (self.program.action, self.wanted, self.program.entity.as_ref()) {
            (Action::Create, _, Some(entity)) => entity.all().minus(&FieldSet::ID),
            (Action::Update, Wanted::Written(leaf), Some(_)) => FieldSet::of(leaf),
            _ => return guess,
        };
        if !self.choices.reads_bytes() {
            return guess;
        }
        if let (Some(entity), Some(record), Some(bytes)) =
            (self.program.entity.as_ref(), record, guess.context.bytes)
        {
            let mut body = Vec::new();
            json::write(entity, record, Some(&fields), &mut body);
            guess.context.bytes = Some(bytes.max(i64::try_from(body.len()).unwrap_or(i64::MAX)));
        }
        guess
    }

    /// The record with some other value of a leaf, on which the leaf may be written too.
    fn change(&self, guess: &Guess, record: &Record, leaf: LeafId) -> Option<Record> {
        let may =
            |other: &Record| self.judged(guess, Some(other)).is_some_and(|view| view.writes().contains(leaf));
        self.choices.others(guess, record, leaf).into_iter().find(may)
    }

    fn judged(&self, guess: &Guess, record: Option<&Record>) -> Option<View> {
        let entity: Option<&Arc<Entity>> = self.program.entity.as_ref();
        let subject = match (entity, record, &guess.call) {
            (Some(entity), Some(record), _) => Subject::Record(entity, record),
            (None, _, Some(call)) => Subject::Call(call),
            (Some(_), None, _) | (None, _, None) => return None,
        };
        let question = Question {
            facts: &guess.facts,
            action: self.program.action,
            subject,
            context: &guess.context,
            guarded: guess.guarded,
        };
        match recheck::verdict(self.policies, &question) {
            Verdict::Permitted(view) => Some(view),
            Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_) => None,
        }
    }
}

/// How many comparisons at least must change for a condition to hold, and for it to fail. An error is neither.
fn distances(node: &Node, env: &Env<'_>) -> (u32, u32) {
    match node {
        Node::And(sides) => {
            let (left, right) = (distances(&sides.0, env), distances(&sides.1, env));
            (left.0.saturating_add(right.0), left.1.min(left.0.saturating_add(right.1)))
        }
        Node::Or(sides) => {
            let (left, right) = (distances(&sides.0, env), distances(&sides.1, env));
            (left.0.min(left.1.saturating_add(right.0)), left.1.saturating_add(right.1))
        }
        Node::Not(inner) => {
            let (held, failed) = distances(inner, env);
            (failed, held)
        }
        Node::If(parts) => {
            let (test, yes, no) =
                (distances(&parts.0, env), distances(&parts.1, env), distances(&parts.2, env));
            (
                test.0.saturating_add(yes.0).min(test.1.saturating_add(no.0)),
                test.0.saturating_add(yes.1).min(test.1.saturating_add(no.1)),
            )
        }
        atom => match atom.holds(env) {
            Ok(true) => (0, 1),
            Ok(false) => (1, 0),
            Err(_) => (1, 1),
        },
    }
}

/// Numbers from a seed: the same search finds the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: usize) -> Self {
        Self(u64::try_from(seed).unwrap_or_default().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let sides = u64::try_from(sides).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.0 >> 16).rem_euclid(sides)).unwrap_or_default()
    }
}
