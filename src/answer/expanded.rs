//! What `$expand` puts beside the records of an OData answer: shown records, each at its place.

use std::sync::Arc;

use crate::{
    odata,
    quota::Exposed,
    schema::{Entity, FieldSet},
};

/// What stands beside the records of an answer, under one navigation property.
#[derive(Debug)]
pub struct Expanded {
    /// Its name.
    pub name: String,
    /// What it leads to.
    pub entity: Arc<Entity>,
    /// The fields of every record there.
    pub columns: FieldSet,
    /// Whether they were selected by the caller.
    pub selected: bool,
    /// Whether several records may stand there.
    pub is_list: bool,
    /// The records, each once; none where one turned out not to be there.
    pub items: Vec<Option<Exposed>>,
    /// What stands beside each record of the answer, in its order.
    pub places: Vec<Place>,
}

/// What stands beside one record.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Which of the items.
    pub items: Vec<usize>,
    /// How many there are in all, where they were counted.
    pub count: Option<u64>,
    /// The address of a list that holds them, where none of them is told here.
    pub next: Option<String>,
}

impl Expanded {
    /// As the writer takes it.
    pub(super) fn told(&self) -> odata::Expanded<'_> {
        let record = |at: &usize| self.items.get(*at)?.as_ref().map(|exposed| exposed.shown().record());
        let of = self.places.iter().map(|place| odata::Beside {
            records: place.items.iter().filter_map(record).collect(),
            count: place.count,
            next: place.next.as_deref(),
        });
        let beside = of.collect();
        let Self { name, entity, columns, selected, is_list, .. } = self;
        odata::Expanded { name, entity, columns, selected: *selected, is_list: *is_list, beside }
    }
}
