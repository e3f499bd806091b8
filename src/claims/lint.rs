//! What of a bundle means less, or more, than it seems to: it loads, and somebody should look at it.

use std::collections::HashSet;

use super::{
    matrix::{Access, Subject, access},
    whom::Covered,
};
use crate::{
    catalog::Action,
    config::{LIMITS, Snapshot},
    quota::Plan,
    schema::{Entity, FieldSet, LeafId},
    words::{Diagnostic, Diagnostics, GroupName, Place, PlanName, StatementId, SystemName},
};

/// LIMIT: principals of whom each is looked at; with more of them only statements and plans are.
const COVERED_MAX: usize = 1_000;
/// Fields that are named in one line.
const NAMED_MAX: usize = 6;

/// Looks at a bundle; all that is found is a warning.
pub fn lint(snapshot: &Snapshot) -> Diagnostics {
    let mut found = Diagnostics::default();
    let covered = Covered::of(snapshot);
    groups(snapshot, &covered, &mut found);
    vouched(snapshot, &covered, &mut found);
    idle(snapshot, &mut found);
    plans(snapshot, &mut found);
    hidden_reads(snapshot, &mut found);
    shared(snapshot, &mut found);
    if covered.iter().count() <= COVERED_MAX {
        let each = access(snapshot, &covered, &|_| {});
        never(snapshot, &each, &mut found);
        endless(snapshot, &covered, &each, &mut found);
        budgets(snapshot, &covered, &each, &mut found);
    }
    found
}

/// Groups that statements name and nobody is in.
fn groups(snapshot: &Snapshot, covered: &Covered, found: &mut Diagnostics) {
    for outline in snapshot.policies.outlines() {
        let Some(group) = outline.group else { continue };
        if !covered.iter().any(|someone| someone.may_be_in(group.as_str())) {
            let message = format!("nobody is in `{group}`, and no issuer may say so");
            let help = "put somebody into it in `principals/`, or take the statement out";
            found.push(Diagnostic::warning(outline.place, message).help(help));
        }
    }
}

/// Groups that have members of ours and that an issuer may put anybody into: statements do not tell them apart.
fn vouched(snapshot: &Snapshot, covered: &Covered, found: &mut Diagnostics) {
    let mut told: HashSet<&GroupName> = HashSet::new();
    for outline in snapshot.policies.outlines() {
        let Some(group) = outline.group.filter(|group| !told.contains(group)) else { continue };
        let by = covered.iter().find(|one| one.is_vouched_for() && one.may_be_in(group.as_str()));
        let is_ours = snapshot.sources.registry().iter().any(|principal| principal.groups.contains(group));
        if let (Some(someone), true) = (by, is_ours) {
            told.insert(group);
            let message =
                format!("`{group}` has members in `principals/`, and `{}` may be in it too", someone.name());
            let help =
                "let the issuer assert a group of its own, so that statements can tell its people from yours";
            found.push(Diagnostic::warning(outline.place, message).help(help));
        }
    }
}

/// Statements that another one makes needless.
fn idle(snapshot: &Snapshot, found: &mut Diagnostics) {
    for (place, id, by) in snapshot.policies.idle() {
        let message = format!("`{id}` does nothing that `{by}` does not do");
        found.push(Diagnostic::warning(place, message).help("take it out, or narrow the other one"));
    }
}

/// Plans that nobody and nothing is charged to.
fn plans(snapshot: &Snapshot, found: &mut Diagnostics) {
    let registry = snapshot.sources.registry();
    let mut used: HashSet<&PlanName> = registry.plans().map(|(plan, _)| plan).collect();
    used.extend(snapshot.plans.defaults());
    used.extend(snapshot.policies.outlines().filter_map(|outline| outline.plan));
    for plan in snapshot.plans.iter().filter(|plan| !used.contains(&plan.name)) {
        let message = format!("no principal and no statement names the plan `{}`", plan.name);
        found.push(Diagnostic::warning(&Place::file(LIMITS), message).help("take it out, or name it"));
    }
}

/// Permits whose condition goes by a field that they do not show: who sees a record knows that it holds there.
fn hidden_reads(snapshot: &Snapshot, found: &mut Diagnostics) {
    for entity in snapshot.schema.entities() {
        for (place, leaves) in snapshot.policies.hidden_reads(entity) {
            let message = format!(
                "this goes by {} of {} and does not show {}: which records are seen tells of it",
                paths(entity, &leaves),
                entity.name,
                if leaves.iter().count() == 1 { "it" } else { "them" }
            );
            let help = "show it, withhold by another field, or say so: `@reveals(\"field\")`";
            found.push(Diagnostic::warning(place, message).help(help));
        }
    }
}

/// Permits that show a field and hide one that stands in the same place of a system: who sees the one knows the other.
fn shared(snapshot: &Snapshot, found: &mut Diagnostics) {
    for entity in snapshot.schema.entities() {
        let Some(sources) = snapshot.serving(entity) else { continue };
        let mut told: HashSet<(String, LeafId, LeafId)> = HashSet::new();
        for source in sources.all() {
            for leaves in source.mapping.shared() {
                for (place, open, hidden) in snapshot.policies.sights(entity) {
                    let (seen, hidden) = (leaves.intersection(&open), leaves.intersection(&hidden));
                    for (one, other) in
                        seen.iter().flat_map(|one| hidden.iter().map(move |other| (one, other)))
                    {
                        let (Some(shown), Some(kept)) = (entity.leaf(one), entity.leaf(other)) else {
                            continue;
                        };
                        // What is no more delicate than what is shown was left out, not hidden.
                        if kept.class <= shown.class || !told.insert((place.to_string(), one, other)) {
                            continue;
                        }
                        let message = format!(
                            "this shows `{}` of {} and not `{}`, which `{}` keeps in the same place: who sees one has the other",
                            shown.path,
                            entity.name,
                            kept.path,
                            source.name()
                        );
                        let help = format!(
                            "hide `{}` too, or give it the class {}",
                            shown.path,
                            kept.class.as_str()
                        );
                        found.push(Diagnostic::warning(place, message).help(help));
                    }
                }
            }
        }
    }
}

/// Partners who can do something and whose time never ends.
fn endless(snapshot: &Snapshot, covered: &Covered, each: &[Access], found: &mut Diagnostics) {
    let timed = snapshot.policies.timed();
    for (id, partner) in snapshot.sources.registry().partners() {
        let permits = covered.iter().zip(each).filter(|(someone, _)| someone.partner() == Some(id));
        let mut permits = permits.flat_map(|(_, access)| &access.rows).flat_map(|row| &row.permits);
        let Some(permit) = permits.find(|permit| !timed.contains(*permit)) else { continue };
        if partner.until.is_none() && !partner.disabled {
            let message = format!(
                "`{id}` has no last day: what `{permit}` permits it stands until somebody takes it away"
            );
            let help =
                "say `until: 2027-06-30` in its file, or compare `context.checked.time` in its permits";
            found.push(Diagnostic::warning(&partner.place, message).help(help));
        }
    }
}

/// Permits that can hold for nobody.
fn never(snapshot: &Snapshot, each: &[Access], found: &mut Diagnostics) {
    let holds: HashSet<&StatementId> =
        each.iter().flat_map(|access| &access.rows).flat_map(|row| &row.permits).collect();
    let nobody_is_in = |outline: &crate::policy::Outline<'_>| {
        outline.group.is_some_and(|group| {
            !snapshot.sources.registry().iter().any(|principal| principal.groups.contains(group))
        })
    };
    for outline in snapshot.policies.outlines() {
        if outline.is_permit && !holds.contains(outline.id) && !nobody_is_in(&outline) {
            let message = format!("`{}` permits nobody anything", outline.id);
            let help = "its condition cannot hold for any caller, or no system can do what it permits";
            found.push(Diagnostic::warning(outline.place, message).help(help));
        }
    }
}

/// Exposure budgets beside which a system that holds the same records is passed through, uncounted.
fn budgets(snapshot: &Snapshot, covered: &Covered, each: &[Access], found: &mut Diagnostics) {
    let mut told: HashSet<(String, SystemName)> = HashSet::new();
    for (someone, access) in covered.iter().zip(each) {
        let calls = access.rows.iter().filter(|row| row.action == Action::Call);
        let systems: Vec<&SystemName> = calls
            .filter_map(|row| match &row.subject {
                Subject::System(system) => Some(system),
                Subject::Entity(_) => None,
            })
            .collect();
        if systems.is_empty() {
            continue;
        }
        for budget in charged(snapshot, someone, access).iter().flat_map(|plan| &plan.budgets) {
            let of = budget.counts.entity();
            let Some(entity) = snapshot.schema.entity(of.as_str()) else { continue };
            let Some(sources) = snapshot.serving(entity) else { continue };
            for source in sources.all() {
                let system = source.name();
                if systems.contains(&system) && told.insert((budget.place.to_string(), system.clone())) {
                    let message = format!(
                        "`{}` may also call `{system}` as it is, where its records of {of} are not counted",
                        someone.name()
                    );
                    let help =
                        "a budget bounds what the gate knows; narrow the permit to `call`, or take it out";
                    found.push(Diagnostic::warning(&budget.place, message).help(help));
                }
            }
        }
    }
}

/// The plans that someone is charged to: its own, and those of permits that can hold.
fn charged<'s>(snapshot: &'s Snapshot, someone: &super::Someone, access: &Access) -> Vec<&'s Plan> {
    let permits: HashSet<&StatementId> = access.rows.iter().flat_map(|row| &row.permits).collect();
    let named = snapshot.policies.outlines().filter(|outline| permits.contains(outline.id));
    let named = named.filter_map(|outline| outline.plan);
    let own = someone.examples();
    let own = own.iter().map(|facts| snapshot.plans.own(facts).clone()).collect::<Vec<_>>();
    let mut names: Vec<PlanName> = named.cloned().chain(own).collect();
    names.sort();
    names.dedup();
    names.iter().filter_map(|name| snapshot.plans.plan(name)).map(|plan| &**plan).collect()
}

fn paths(entity: &Entity, leaves: &FieldSet) -> String {
    let all: Vec<String> =
        leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| format!("`{}`", leaf.path)).collect();
    match all.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        None => all.join(", "),
        Some(more) => format!("{} and {more} more", all.get(..NAMED_MAX).unwrap_or_default().join(", ")),
    }
}
