//! What stands beside an entity: the entities that refer to it, and those it refers to.
//!
//! A relation has a name that follows from the schema alone, so it means the same to every caller. The records that
//! refer to one are called by their collection (`orders`); where an entity refers to it by several fields, by the
//! field too (`invoices.payer`). What a record refers to is called by the field that refers (`customer`).

use std::sync::Arc;

use super::{
    entity::{Entity, Schema},
    fields::LeafId,
};
use crate::words::{CollectionName, EntityName};

/// Records of one entity that stand beside a record of another.
#[derive(Clone, Debug)]
pub struct Relation {
    /// As callers name it.
    pub name: Arc<str>,
    /// The entity of the records beside it.
    pub entity: Arc<Entity>,
    /// Who refers to whom.
    pub way: Way,
}

/// Who refers to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The others refer to the record, by this leaf of theirs.
    Back(LeafId),
    /// The record refers to the others, by this leaf of its own.
    Out(LeafId),
}

impl Relation {
    /// The leaf of the record by which others stand beside it.
    pub fn own(&self) -> LeafId {
        match self.way {
            Way::Back(_) => LeafId(0),
            Way::Out(leaf) => leaf,
        }
    }

    /// The leaf of the others that says to which record they belong.
    pub fn theirs(&self) -> LeafId {
        match self.way {
            Way::Back(leaf) => leaf,
            Way::Out(_) => LeafId(0),
        }
    }
}

impl Schema {
    /// All that stands beside an entity: first what it refers to, then what refers to it, each in file order.
    pub fn relations(&self, of: &Entity) -> Vec<Relation> {
        let mut found: Vec<Relation> = Vec::new();
        for (leaf, to) in references(of) {
            let (Some(entity), Some(own)) = (self.entity(to.as_str()), of.leaf(leaf)) else { continue };
            found.push(Relation {
                name: own.path.as_str().into(),
                entity: entity.clone(),
                way: Way::Out(leaf),
            });
        }
        for entity in self.entities() {
            let by: Vec<LeafId> =
                references(entity).filter(|(_, to)| **to == of.name).map(|(leaf, _)| leaf).collect();
            let is_taken = found.iter().any(|other| *other.name == *entity.collection.as_str());
            let is_one = by.len() == 1 && !is_taken;
            for leaf in by {
                let Some(name) = back_name(&entity.collection, entity, leaf, is_one) else { continue };
                found.push(Relation { name, entity: entity.clone(), way: Way::Back(leaf) });
            }
        }
        found
    }
}

fn references(entity: &Entity) -> impl Iterator<Item = (LeafId, &EntityName)> {
    entity.ids().filter_map(|id| Some((id, entity.leaf(id)?.reference.as_ref()?)))
}

fn back_name(collection: &CollectionName, entity: &Entity, leaf: LeafId, is_one: bool) -> Option<Arc<str>> {
    if is_one {
        return Some(collection.as_str().into());
    }
    Some(format!("{collection}.{}", entity.leaf(leaf)?.path).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schema::load, words::tree};

    fn schema(files: &[(&str, &str, &str)]) -> Schema {
        let files: Vec<_> = files
            .iter()
            .map(|(title, collection, fields)| {
                let file: Arc<str> = format!("schema/{}.yaml", title.to_lowercase()).into();
                let text = format!(
                    "title: {title}\ndescription: D\nx-collection: {collection}\ntype: object\nproperties:\n  \
                     id: {{ type: string, readOnly: true, x-class: public, description: id }}\n{fields}"
                );
                (file.clone(), tree::parse(&file, &text).unwrap())
            })
            .collect();
        load::schema(&files).unwrap_or_else(|found| panic!("{found}")).0
    }

    fn reference(name: &str, to: &str) -> String {
        format!("  {name}: {{ type: string, x-ref: {to}, x-class: public, description: r }}\n")
    }

    fn names(schema: &Schema, of: &str) -> Vec<String> {
        let of = schema.entity(of).unwrap();
        schema.relations(of).iter().map(|relation| format!("{} {:?}", relation.name, relation.way)).collect()
    }

    #[test]
    fn what_refers_is_called_by_its_collection_and_what_is_referred_to_by_the_field() {
        let order = reference("buyer", "Customer");
        let bill = reference("payer", "Customer") + &reference("receiver", "Customer");
        let schema = schema(&[
            ("Customer", "customers", &reference("parent", "Customer")),
            ("Order", "orders", &order),
            ("Bill", "bills", &bill),
        ]);
        assert_eq!(
            names(&schema, "Customer"),
            [
                "parent Out(LeafId(1))",
                "customers Back(LeafId(1))",
                "orders Back(LeafId(1))",
                "bills.payer Back(LeafId(1))",
                "bills.receiver Back(LeafId(2))",
            ]
        );
        assert_eq!(names(&schema, "Order"), ["buyer Out(LeafId(1))"]);
    }

    #[test]
    fn a_collection_that_is_called_as_a_field_is_named_with_its_own_field() {
        let schema = schema(&[
            ("Shop", "shops", &reference("orders", "Order")),
            ("Order", "orders", &reference("shop", "Shop")),
        ]);
        assert_eq!(names(&schema, "Shop"), ["orders Out(LeafId(1))", "orders.shop Back(LeafId(1))"]);
    }
}
