//! Records that stand beside others: by what they refer to, or by ids that name them.
//!
//! A door that tells a list whole or not at all decides what it tells when it has seen all of it: only that is shown.

use compact_str::CompactString;

use super::{
    super::{
        exchange::Exchange,
        including::{INCLUDED_MAX, Links},
    },
    Found, List, PAGES_MAX, Sought, Whole,
};
use crate::{
    catalog::Operation,
    mapping::Inward,
    quota::{Admission, Exposed},
    refusal::Refusal,
};

/// How records are found that stand beside others.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) enum By<'a> {
    /// By the filter that is sought.
    Filter,
    /// By their ids.
    Ids(&'a [&'a CompactString]),
}

/// Finds all records that are sought, and shows those that are chosen of the links of all; in that order, and nothing
/// for one that turns out not to be there. None where there may be more: then nothing is shown.
pub(in crate::gateway) async fn beside(
    exchange: &mut Exchange,
    admission: &Admission,
    sought: &Sought,
    by: By<'_>,
    choose: impl FnOnce(&[Links]) -> Vec<usize>,
) -> Result<Option<Vec<Option<Exposed>>>, Refusal> {
    let Operation::List(entity) = admission.prospect().operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let mut list = List::of(exchange, admission, entity, &snapshot, sought)?;
    let rows = match by {
        By::Filter => {
            list = list.pinned()?;
            list.sought().await
        }
        By::Ids(ids) => list.named_in_order(ids, &sought.query.filter).await.map(Some),
    };
    list.exchange.note_untold(admission.prospect(), &list.untold);
    let Some(rows) = rows? else { return Ok(None) };
    let of = |row: &Inward| Links::of(entity, &row.record, &sought.linking);
    let chosen = choose(&rows.iter().map(of).collect::<Vec<_>>());
    let mut rows: Vec<Option<Inward>> = rows.into_iter().map(Some).collect();
    let mut told = Vec::with_capacity(chosen.len());
    for at in chosen {
        if let Some(row) = rows.get_mut(at).and_then(Option::take) {
            list.show(row);
        }
        told.push(list.shown.pop());
    }
    let List { exchange, .. } = list;
    let is_there: Vec<bool> = told.iter().map(Option::is_some).collect();
    let records = told.into_iter().flatten().collect();
    let mut exposed = exchange.expose(admission, records, sought.over).await?.into_iter();
    Ok(Some(
        is_there.into_iter().map(|is_there| if is_there { exposed.next().flatten() } else { None }).collect(),
    ))
}

/// The records of some ids, each judged as one of a list. Those that the system does not have are
/// left out, as in a list.
pub(in crate::gateway) async fn by_ids(
    exchange: &mut Exchange,
    admission: &Admission,
    sought: &Sought,
    wanted: &[&CompactString],
) -> Result<Found, Refusal> {
    let Operation::List(entity) = admission.prospect().operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let mut list = List::of(exchange, admission, entity, &snapshot, sought)?;
    let rows = list.named(wanted, &sought.query.filter).await;
    list.exchange.note_untold(admission.prospect(), &list.untold);
    for (_, inward) in rows? {
        list.consider(inward)?;
    }
    let List { exchange, shown, links, .. } = list;
    let (shown, links) = super::exposed(exchange, admission, (shown, links), sought.over).await?;
    Ok(Found { shown, links, ..Found::default() })
}

impl List<'_> {
    /// What a filter finds.
    async fn sought(&mut self) -> Result<Option<Vec<Inward>>, Refusal> {
        match self.pinned.is_some() || self.turn_from(0).await? {
            true => Ok(match self.whole(INCLUDED_MAX, PAGES_MAX).await? {
                Whole::All(rows) => Some(rows),
                Whole::Narrowed(_) | Whole::Cut | Whole::TooMany => None,
            }),
            false => Ok(Some(Vec::new())),
        }
    }
}
