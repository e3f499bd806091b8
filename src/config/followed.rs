//! Whether what conditions go by one step away can be had: some system serves it, can be asked for one record, knows it
//! by the keys that stand in references, and tells the fields that are read.

use std::{collections::HashMap, sync::Arc};

use super::{Served, ids::Ids, snapshot::mappings};
use crate::{
    catalog::Action,
    mapping::Mapping,
    policy::{Policies, Relation},
    schema::{Entity, LeafId},
    words::{Diagnostic, Diagnostics, Place, SystemName},
};

/// Which systems serve which entities.
pub(super) type Serves = [(Arc<Entity>, Vec<SystemName>)];

/// Tells of every statement that follows a reference which leads nowhere.
pub(super) fn check(
    policies: &Policies,
    serves: &Serves,
    systems: &HashMap<SystemName, Served>,
    ids: &Ids,
) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (entity, by) in serves {
        for mapping in mappings(entity, by, systems) {
            for (place, relation) in policies.following(entity) {
                let served = serves.iter().find(|(entity, _)| entity.name == relation.to.name);
                let Some((to, by)) = served else {
                    let message =
                        format!("no system serves {}: {}", relation.to.name, followed(entity, relation));
                    found
                        .push(Diagnostic::error(place, message).help("serve its collection in gateway.yaml"));
                    continue;
                };
                let keys = mapping.keys_of(relation.by);
                if !ids.are_opaque(to.name.as_str()) && !by.contains(keys) {
                    let message = format!(
                        "`{keys}` does not serve {}, and by its keys no other finds one: {}",
                        to.name,
                        followed(entity, relation)
                    );
                    let help = "`ids: opaque` in gateway.yaml tells whose record is whose";
                    found.push(Diagnostic::error(place, message).help(help));
                    continue;
                }
                for mapping in mappings(to, by, systems) {
                    tells(mapping, (place, relation), &mut found);
                }
            }
        }
    }
    found
}

/// Whether a system tells what is read of its record when another names it.
fn tells(mapping: &Mapping, (place, relation): (&Place, &Relation), found: &mut Diagnostics) {
    let (entity, system) = (mapping.entity(), mapping.system());
    if !mapping.can(Action::Read) && !mapping.finds_by(LeafId(0)) {
        let message = format!("`{system}` cannot be asked for one {}", entity.name);
        let help =
            format!("describe `read` in systems/{system}.yaml, or judge by a field of the record itself");
        found.push(Diagnostic::error(place, message).help(help));
        return;
    }
    // What stands in several systems is told of the record that is asked for, not of one that it names.
    let untold = relation.names.minus(&mapping.mapped().minus(&mapping.elsewhere()));
    for leaf in untold.iter().filter_map(|leaf| entity.leaf(leaf)) {
        let message =
            format!("`{system}` does not tell `{}` of the {} that a record names", leaf.path, entity.name);
        let help = format!("map the field in systems/{system}.yaml, or judge by another");
        found.push(Diagnostic::error(place, message).help(help));
    }
}

fn followed(entity: &Entity, relation: &Relation) -> String {
    let path = entity.leaf(relation.by).map_or("", |leaf| leaf.path.as_str());
    format!("`{path}` of {} cannot be followed", entity.name)
}
