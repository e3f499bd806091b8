//! Whether limits of the other bundle would have had room: its own meters, charged by the moments at which requests came.
//!
//! Every request of somebody known charges its own plan; one that a statement of that bundle could permit charges the plans
//! of these, before a system would be asked; and what was shown counts for their budgets. Requests that were refused are
//! charged as well. How many were under way at once, and addresses of nobody known, are not looked at.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;

use super::{
    Bundle, Reason, opened,
    sum::{Found, What},
    was_allowed,
};
use crate::{
    audit::{Replayed, ReplayedBeneath, ReplayedShown},
    catalog::Action,
    identity::Facts,
    policy::Outlook,
    quota::{Bounded, LimitKind, Limited, Per, Rehearsal, Rehearsed, Seen},
    schema::{Class, Entity, Leaf},
    words::{EntityName, Kind},
};

/// What a request is charged to, so far.
pub(super) struct Limits<'a> {
    meters: &'a Rehearsal,
    now: &'a Bundle,
    address: Option<IpAddr>,
    at: Timestamp,
    charged: Charged,
}

enum Charged {
    /// Its own rate.
    AtRate(Rehearsed),
    /// All.
    Admitted(Bounded),
    /// Not all of it could be told.
    Untold,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There was room.
    Enough,
    /// It is refused, and that is told.
    Over,
}

impl<'a> Limits<'a> {
    /// Charges the caller's own rate; none where it is refused.
    pub(super) fn greet(
        meters: &'a Rehearsal,
        now: &'a Bundle,
        facts: &Facts,
        (entry, beneath): (&Replayed<'_>, &ReplayedBeneath<'_>),
        found: &mut Found,
    ) -> Option<Self> {
        let address: Option<IpAddr> = beneath.address().and_then(|text| text.parse().ok());
        let Some(at) = opened(entry) else {
            found.untold(Reason::Damaged);
            return Some(Self { meters, now, address, at: Timestamp::UNIX_EPOCH, charged: Charged::Untold });
        };
        let plans = &now.snapshot.plans;
        let is_by_address = facts.kind == Kind::Anonymous
            || plans.plan(plans.own(facts)).is_some_and(|plan| plan.per == Per::Address);
        let charged = match is_by_address && address.is_none() {
            true => {
                found.untold(Reason::Fact("context.checked.address"));
                Charged::Untold
            }
            false => match meters.greet(plans, facts, address.unwrap_or(NOWHERE), at) {
                Ok(rehearsed) => Charged::AtRate(rehearsed),
                Err(limited) => {
                    if over(entry, found, &limited) == Room::Over {
                        return None;
                    }
                    Charged::Untold
                }
            },
        };
        Some(Self { meters, now, address, at, charged })
    }

    /// Tells of a request that came no further than its own rate, and was refused for that.
    pub(super) fn greeted(self, entry: &Replayed<'_>, found: &mut Found) {
        if let (Charged::AtRate(_), Some(kind)) = (&self.charged, was_limited(entry)) {
            found.change(What::Unlimited(kind.to_owned()));
        }
    }

    /// Charges every plan that applies.
    pub(super) fn admit(
        &mut self,
        facts: &Facts,
        outlook: &Outlook,
        entry: &Replayed<'_>,
        found: &mut Found,
    ) -> Room {
        let Charged::AtRate(own) = std::mem::replace(&mut self.charged, Charged::Untold) else {
            return Room::Enough;
        };
        let plans = &self.now.snapshot.plans;
        let named = outlook.plans();
        let by_address = |name| plans.plan(name).is_some_and(|plan| plan.per == Per::Address);
        if self.address.is_none() && named.iter().any(by_address) {
            found.untold(Reason::Fact("context.checked.address"));
            return Room::Enough;
        }
        let who = (facts, self.address.unwrap_or(NOWHERE));
        match self.meters.admit(plans, own, who, named, self.at) {
            Ok(bounded) => {
                self.charged = Charged::Admitted(bounded);
                Room::Enough
            }
            Err(Some(limited)) => over(entry, found, &limited),
            Err(None) => {
                found.untold(Reason::Meters);
                Room::Enough
            }
        }
    }

    /// Counts what was shown, as far as it still is; and tells of what was refused for want of room, and has some.
    pub(super) fn expose(
        self,
        (action, entity): (Action, Option<&Entity>),
        entry: &Replayed<'_>,
        found: &mut Found,
    ) {
        let Charged::Admitted(bounded) = &self.charged else { return };
        let is_bounded = Rehearsal::is_bounded(bounded);
        match was_limited(entry) {
            Some("exposure") if is_bounded => return found.untold(Reason::Uncounted),
            Some(kind) => return found.change(What::Unlimited(kind.to_owned())),
            None if entry.refusal() == Some("concurrency") => return found.untold(Reason::AtOnce),
            None => {}
        }
        if entry.note("spent").is_some() {
            match is_bounded {
                true => found.untold(Reason::Uncounted),
                false => found.change(What::Unspent),
            }
        }
        let Some(entity) = entity.filter(|_| is_bounded && !entry.shown.is_empty() && !found.is_refused())
        else {
            return;
        };
        let (seen, is_sure) = seen((action, entity), entry, found);
        if !is_sure {
            found.untold(Reason::Uncounted);
        }
        match self.meters.expose(bounded, &seen, self.at) {
            Ok(Some(left)) => found.change(What::Spent(left.budget.to_string())),
            Ok(None) => {}
            Err(_away) => found.untold(Reason::Meters),
        }
    }
}

/// Stands for an address where none is asked for.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The limit for which it was refused, where there was one.
fn was_limited<'e>(entry: &'e Replayed<'_>) -> Option<&'e str> {
    entry.refusal().filter(|reason| matches!(*reason, "rate" | "quota" | "exposure"))
}

/// It is refused, and is told so where it was not.
fn over(entry: &Replayed<'_>, found: &mut Found, limited: &Limited) -> Room {
    match limited.kind {
        LimitKind::Rate | LimitKind::Quota | LimitKind::Exposure => {
            if was_allowed(entry) && was_limited(entry).is_none() {
                let limit = limited.standing.policy.name.to_string();
                found.change(What::Limited { kind: limited.kind.as_str(), limit });
            }
            Room::Over
        }
        LimitKind::Concurrency | LimitKind::Away | LimitKind::Room | LimitKind::Plan => {
            found.untold(Reason::Meters);
            Room::Enough
        }
    }
}

/// What counts of what was shown, and whether that is all of it.
fn seen((action, entity): (Action, &Entity), entry: &Replayed<'_>, found: &Found) -> (Seen, bool) {
    let mut is_sure = entry.subjects_more == 0;
    let mut records = Vec::new();
    let mut own = Vec::new();
    let (mut of_others, mut others) = (Vec::<&EntityName>::new(), false);
    for group in entry.shown.iter().filter(|group| !is_named(group, action)) {
        is_sure &= group.more == 0;
        let digests: Vec<u64> = group.records().filter_map(digest).collect();
        for leaf in group.fields().filter(|name| !found.hides(name)).filter_map(|name| entity.leaf_at(name)) {
            let Some(leaf) = entity.leaf(leaf).filter(|leaf| is_personal(leaf)) else { continue };
            match whose(entity, leaf) {
                Some(other) => {
                    others = true;
                    if !of_others.contains(&other) {
                        of_others.push(other);
                    }
                }
                None => own.extend(digests.iter().copied()),
            }
        }
        records.extend(digests);
    }
    // An entry names its subjects without saying of which entity they are.
    let people = match (own.is_empty(), others, of_others.as_slice()) {
        (true, false, _) => None,
        (false, false, _) => Some((entity.name.clone(), own)),
        (true, true, [only]) => {
            let subjects = entry.subjects().filter_map(digest).collect();
            Some(((*only).clone(), subjects))
        }
        (_, true, _) => {
            is_sure = false;
            None
        }
    };
    let seen = Seen { records: Some((entity.name.clone(), records)), people };
    (seen, is_sure)
}

/// Of a record that was written and of which nothing but its id is told nothing counts.
fn is_named(group: &ReplayedShown<'_>, action: Action) -> bool {
    let is_write = match action {
        Action::Create | Action::Update | Action::Delete => true,
        Action::Read | Action::List | Action::Call => false,
    };
    group.fields().all(|field| is_write && field == "id")
}

fn is_personal(leaf: &Leaf) -> bool {
    matches!(leaf.class, Class::Personal | Class::Secret)
}

/// The entity whose record a personal leaf is about; none where it is the record itself.
fn whose<'e>(entity: &'e Entity, leaf: &Leaf) -> Option<&'e EntityName> {
    let path = leaf.subject.as_ref().map(|path| path.as_str()).filter(|path| *path != "self")?;
    entity.points_to(entity.leaf_at(path)?)
}

/// The first half of a keyed digest in hexadecimal.
fn digest(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex.get(..16)?, 16).ok()
}
