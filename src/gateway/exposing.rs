//! What is about to be told is counted first, and what no budget has room for is not told.
//!
//! In a list such records are left out, and the answer says how many; where a door tells a list whole or not at all, and
//! where one record is asked for, the request is refused. The entry names what was told and counts what was not.

use super::exchange::Exchange;
use crate::{
    answer::Lack,
    audit::Withheld,
    clock,
    policy::Shown,
    quota::{Admission, Exposed, Limited, Over, Whose},
    refusal::Refusal,
    schema::FieldSet,
};

/// Records that were left out, and the problem document of why.
#[derive(Debug)]
pub(super) struct LeftOut {
    count: u64,
    problem: Vec<u8>,
}

/// What is told of a record that was written.
pub(super) enum Written {
    /// What the caller may see of it.
    Whole(Exposed),
    /// Its id, and why no more.
    Id(Exposed, Vec<Lack>),
}

impl Exchange {
    /// Counts records that are about to be told, in their order; none in the place of each that is left out.
    ///
    /// # Errors
    /// Where all must fit and one does not; and where they cannot be counted.
    pub(super) async fn expose(
        &mut self,
        admission: &Admission,
        records: Vec<(Shown, Whose)>,
        over: Over,
    ) -> Result<Vec<Option<Exposed>>, Refusal> {
        let core = self.core.clone();
        let telling = core.gate.quota.expose(admission, records, over, clock::now()).await;
        let telling = telling.map_err(|limited| self.spent(limited))?;
        for alert in &telling.alerts {
            self.alert_of_exposure(alert);
        }
        if let Some(limited) = telling.over {
            for _ in 0..telling.left_out {
                self.withheld(Withheld::Spent);
            }
            let refusal = self.spent(limited);
            let problem = refusal.problem(refusal.status(), self.entry.request());
            let before = self.left_out.take().map_or(0, |left_out| left_out.count);
            self.left_out = Some(LeftOut { count: before.saturating_add(telling.left_out), problem });
        }
        let tell = |(exposed, whose): (Option<Exposed>, Whose)| {
            if let Some(exposed) = &exposed {
                self.entry.shown(exposed.shown(), &whose.id);
                for person in whose.people.iter().filter(|person| person.is_shown) {
                    self.entry.subject(person.of.as_str(), &person.id);
                }
            }
            exposed
        };
        Ok(telling.records.into_iter().map(tell).collect())
    }

    /// Counts the one record that is asked for.
    pub(super) async fn expose_one(
        &mut self,
        admission: &Admission,
        shown: Shown,
        whose: Whose,
    ) -> Result<Exposed, Refusal> {
        let mut told = self.expose(admission, vec![(shown, whose)], Over::Refused).await?;
        told.pop().flatten().ok_or(Refusal::Broken)
    }

    /// Counts a record that was written. What is done is done: where no more may be shown, or it cannot be counted, its
    /// id is told alone, and that is told.
    pub(super) async fn expose_written(
        &mut self,
        admission: &Admission,
        (shown, mut whose): (Shown, Whose),
        id_alone: impl FnOnce() -> Option<Shown>,
    ) -> Option<Written> {
        let id = Whose::named(&whose.id);
        whose.is_named = shown.fields().minus(&FieldSet::ID).is_empty();
        let told = self.expose(admission, vec![(shown, whose)], Over::LeftOut).await;
        if let Some(exposed) = told.ok().and_then(|mut told| told.pop().flatten()) {
            return Some(Written::Whole(exposed));
        }
        let exposed = self.expose_one(admission, id_alone()?, id).await.ok()?;
        Some(Written::Id(exposed, self.left_out().into_iter().collect()))
    }

    /// What a list lacks of what it might have shown.
    pub(super) fn left_out(&self) -> Option<Lack> {
        let LeftOut { count, problem } = self.left_out.as_ref()?;
        Some(Lack { left_out: Some(*count), fields: Vec::new(), problem: problem.clone() })
    }

    fn spent(&mut self, limited: Limited) -> Refusal {
        self.entry.note("spent", &limited.standing.policy.name);
        Refusal::Limited(Box::new(limited))
    }
}
