//! Which statements a decision has to look at, found by action, by what is asked about and by whom heads name: in
//! as many steps as the caller has groups, however many statements the bundle has.
//!
//! A statement stands where its head is narrowest: with its principal, else with its group, else with those that speak
//! of anyone. What is found is a superset; the heads themselves are asked again.

use std::{collections::HashMap, sync::Arc};

use super::{
    program::About,
    statement::{Resources, Statement},
};
use crate::{
    catalog::Action,
    identity::Facts,
    schema::FieldSet,
    words::{EntityName, GroupName, PrincipalId, SystemName},
};

/// The statements of a bundle, by what their heads speak of.
#[derive(Debug, Default)]
pub(super) struct Index {
    records: HashMap<EntityName, HashMap<Action, Shelf>>,
    calls: HashMap<SystemName, Shelf>,
    /// Calls to whatever system.
    any_call: Shelf,
    named: HashMap<EntityName, FieldSet>,
}

/// Positions in the bundle, in rising order.
#[derive(Debug, Default)]
struct Shelf {
    anyone: Vec<usize>,
    groups: HashMap<GroupName, Vec<usize>>,
    principals: HashMap<PrincipalId, Vec<usize>>,
}

impl Index {
    pub(super) fn new(statements: &[Arc<Statement>]) -> Self {
        let mut index = Self::default();
        for (at, statement) in statements.iter().enumerate() {
            for (entity, grants) in &statement.grants {
                let shelves = index.records.entry(entity.clone()).or_default();
                for action in &statement.head.actions {
                    shelves.entry(*action).or_default().put(statement, at);
                }
                let named = index.named.entry(entity.clone()).or_default();
                *named = named.union(&grants.names);
            }
            match &statement.head.resources {
                Resources::System(system) => {
                    index.calls.entry(system.clone()).or_default().put(statement, at)
                }
                Resources::All | Resources::Systems => index.any_call.put(statement, at),
                Resources::Entity(_) | Resources::None => {}
            }
        }
        index
    }

    /// The leaves of an entity that conditions name, whoever they are about.
    pub(super) fn named(&self, entity: &EntityName) -> FieldSet {
        self.named.get(entity).copied().unwrap_or_default()
    }

    /// The statements whose heads speak of that caller doing that, in file order.
    pub(super) fn concerned<'s>(
        &self,
        statements: &'s [Arc<Statement>],
        facts: &Facts,
        action: Action,
        about: About<'_>,
    ) -> Vec<&'s Arc<Statement>> {
        let mut found = Vec::new();
        match about {
            About::Entity(entity) => {
                let shelf = self.records.get(&entity.name).and_then(|shelves| shelves.get(&action));
                shelf.into_iter().for_each(|shelf| shelf.find(facts, &mut found));
            }
            About::System(system) => {
                self.any_call.find(facts, &mut found);
                self.calls.get(system).into_iter().for_each(|shelf| shelf.find(facts, &mut found));
            }
        }
        found.sort_unstable();
        // A token may name one group twice.
        found.dedup();
        let statements = found.into_iter().filter_map(|at| statements.get(at));
        statements
            .filter(|statement| match about {
                About::Entity(entity) => statement.concerns(facts, action, entity),
                About::System(system) => statement.concerns_call(facts, system),
            })
            .collect()
    }
}

impl Shelf {
    fn put(&mut self, statement: &Statement, at: usize) {
        let place = match (&statement.head.principal, &statement.head.group) {
            (Some(principal), _) => self.principals.entry(principal.clone()).or_default(),
            (None, Some(group)) => self.groups.entry(group.clone()).or_default(),
            (None, None) => &mut self.anyone,
        };
        place.push(at);
    }

    fn find(&self, facts: &Facts, found: &mut Vec<usize>) {
        found.extend(&self.anyone);
        found.extend(self.principals.get(&facts.id).into_iter().flatten());
        found.extend(facts.groups.iter().filter_map(|group| self.groups.get(group)).flatten());
    }
}
