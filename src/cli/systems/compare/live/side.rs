//! One of the two systems, as far as it is asked.
//!
//! Promises: a [`Side`] only lists. Its mapping and the way to the system are its own, what it sends is what
//! [`Mapping::list`] and a [`Batch`](crate::mapping::Batch) of such a list make, and it goes out on a `Receipt<Fetch>`,
//! which no changing call takes. It asks so many times a second at most, and for so many pages.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    audit::{Fetch, Receipt},
    catalog::Action,
    cli::error::{VerbError, chain},
    clock,
    config::Served,
    mapping::{Inward, Listing, Mapping, NativeAnswer, NativeRequest, Page, RowFault, SystemFault},
    schema::{Entity, FieldSet, Filter},
    upstream::CorePools,
    wire::Deadline,
};

/// How long one call may take, sign-in included.
const CALL_MAX: Duration = Duration::from_secs(30);
/// LIMIT: pages of a list; a system may give empty ones for ever.
const PAGES_MAX: usize = 10_000;
/// LIMIT: pages that are looked through for a few records by their keys.
const LOOKED_PAGES_MAX: usize = 3;
/// Connections that are kept.
const IDLE_MAX: usize = 4;

/// A system to look at.
pub(super) struct Side<'r> {
    served: Served,
    mapping: Arc<Mapping>,
    receipt: &'r Receipt<Fetch>,
    pools: CorePools,
    pace: Duration,
    next: Instant,
}

/// What it gave.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) rows: Vec<Inward>,
    /// Rows that are no records: without a key, or of no object.
    pub(super) unfit: usize,
    /// Whether that is all that it has.
    pub(super) is_whole: bool,
}

impl<'r> Side<'r> {
    /// A system that may be looked at.
    ///
    /// # Errors
    /// It lists no such records, or to sign in would use up a secret that a gate needs.
    pub(super) fn open(
        served: Served,
        entity: &Entity,
        receipt: &'r Receipt<Fetch>,
        pace: Duration,
    ) -> Result<Self, VerbError> {
        let name = &served.name;
        if served.upstream.may_use_up_a_secret() {
            return Err(VerbError::Misused(format!(
                "`{name}` is signed in to by a refresh token, which its issuer may replace when it is shown: a gate would \
                 be locked out, so it is not asked; give the system a sign-in for reading (`for: {{ calls: reading }}`) of another grant"
            )));
        }
        let mapping = served.mapping.entity(entity.name.as_str()).cloned();
        let mapping = mapping.filter(|mapping| mapping.can(Action::List)).ok_or_else(|| {
            VerbError::Misused(format!(
                "`{name}` lists no {}: there is nothing to lay side by side",
                entity.name
            ))
        })?;
        let pools = CorePools::new(IDLE_MAX);
        Ok(Self { served, mapping, receipt, pools, pace, next: Instant::now() })
    }

    /// The first records of its list, `most` of them; `seen` hears how many there are.
    pub(super) async fn take(
        &mut self,
        wanted: &FieldSet,
        most: usize,
        seen: impl Fn(usize),
    ) -> Result<Taken, VerbError> {
        let (mut taken, mut ids, mut cursor) = (Taken::default(), HashSet::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let size = u32::try_from(most.saturating_sub(taken.rows.len())).unwrap_or(u32::MAX);
            let page = self.page(wanted, &Filter::everything(), cursor.as_deref(), size).await?;
            for row in page.rows {
                match row {
                    // Rows move while a list is read: one may come twice.
                    Ok(inward) if !ids.insert(inward.id.clone()) => {}
                    Ok(_) if taken.rows.len() >= most => return Ok(taken),
                    Ok(inward) => taken.rows.push(inward),
                    Err(RowFault::Gone | RowFault::Other) => {}
                    Err(RowFault::NoKey | RowFault::Twice | RowFault::NotAnObject | RowFault::Cells) => {
                        taken.unfit += 1
                    }
                }
            }
            seen(taken.rows.len());
            match page.next {
                Some(_) if taken.rows.len() >= most => return Ok(taken),
                Some(next) => cursor = Some(next),
                None => {
                    taken.is_whole = !page.truncated;
                    return Ok(taken);
                }
            }
        }
        Ok(taken)
    }

    /// The records that a system gives for a filter, which may be more than pass it; none where it did not give all.
    pub(super) async fn matching(
        &mut self,
        wanted: &FieldSet,
        filter: &Filter,
    ) -> Result<Option<Vec<Inward>>, VerbError> {
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..LOOKED_PAGES_MAX {
            let page = self.page(wanted, filter, cursor.as_deref(), u32::MAX).await?;
            rows.extend(page.rows.into_iter().flatten());
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok((!page.truncated).then_some(rows)),
            }
        }
        Ok(None)
    }

    async fn page(
        &mut self,
        wanted: &FieldSet,
        filter: &Filter,
        cursor: Option<&str>,
        size: u32,
    ) -> Result<Page, VerbError> {
        self.tables().await?;
        let mapping = self.mapping.clone();
        let listing = mapping.list(wanted, filter, &[], cursor, size);
        let listing: Listing = listing.map_err(|error| self.failed(error.to_string()))?;
        let answer = self.asked(listing.request.clone()).await?;
        let Some(mut batch) = mapping.batch(&listing, &answer).map_err(|fault| self.faulty(&fault))? else {
            return mapping.inward_list(&listing, &answer, wanted).map_err(|fault| self.faulty(&fault));
        };
        while let Some(request) = batch.request(wanted) {
            let answer = self.asked(request).await?;
            batch.take(mapping.batch_rows(&listing, &answer, wanted)).map_err(|fault| self.faulty(&fault))?;
        }
        Ok(batch.page())
    }

    /// What the system's own values mean, asked for once.
    async fn tables(&mut self) -> Result<(), VerbError> {
        for (at, _) in self.mapping.live() {
            let kept = self.served.tables.get(*at);
            let Some(asking) = kept.and_then(|kept| kept.begin(clock::mono())) else { continue };
            let asked = asking.ask(&self.served.upstream, &self.pools, self.receipt).await;
            asked.told.map_err(|why| self.failed(why.to_string()))?;
        }
        Ok(())
    }

    async fn asked(&mut self, request: NativeRequest) -> Result<NativeAnswer, VerbError> {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.pace;
        let deadline = Deadline::after(clock::now(), CALL_MAX);
        let answer = self.served.upstream.fetch(&self.pools, self.receipt, request, deadline).await;
        answer.map_err(|error| self.failed(chain(&error)))
    }

    fn faulty(&self, fault: &SystemFault) -> VerbError {
        self.failed(chain(fault))
    }

    fn failed(&self, why: String) -> VerbError {
        VerbError::NotThere(format!("`{}` could not be looked at: {why}", self.served.name))
    }
}
