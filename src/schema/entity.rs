//! An entity as compiled from its file, and the schema that holds them all.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{
    contact::Contact,
    fields::{FieldSet, LeafId},
    money::{Money, Term},
    numbers::Spelling,
};
use crate::words::{CollectionName, EntityName, FieldPath};

/// All entities of a bundle.
#[derive(Debug, Default)]
pub struct Schema {
    entities: Vec<Arc<Entity>>,
    by_name: HashMap<EntityName, usize>,
    by_collection: HashMap<CollectionName, usize>,
}

impl Schema {
    /// Puts entities together; names and collections must differ (the loader says so where they do not).
    pub fn new(entities: Vec<Arc<Entity>>) -> Self {
        let by_name = entities.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
        let by_collection = entities.iter().enumerate().map(|(i, e)| (e.collection.clone(), i)).collect();
        Self { entities, by_name, by_collection }
    }

    /// Every entity, in file order.
    pub fn entities(&self) -> &[Arc<Entity>] {
        &self.entities
    }

    /// The entity of that name.
    pub fn entity(&self, name: &str) -> Option<&Arc<Entity>> {
        self.by_name.get(name).and_then(|i| self.entities.get(*i))
    }

    /// The entity whose collection has that name.
    pub fn collection(&self, name: &str) -> Option<&Arc<Entity>> {
        self.by_collection.get(name).and_then(|i| self.entities.get(*i))
    }
}

/// One entity: its tree of fields and the flat list of its leaves.
#[derive(Debug)]
pub struct Entity {
    /// `Order`.
    pub name: EntityName,
    /// `orders`.
    pub collection: CollectionName,
    /// What it is, in a sentence, from the file.
    pub description: Arc<str>,
    /// The fields of a record.
    pub root: Object,
    /// Every leaf by number. INVARIANT: leaf 0 is `id`; at most `LEAVES_MAX`.
    pub leaves: Vec<Leaf>,
    /// The leaves that hold addresses of people, by the sort of address; see [`Contact::of`].
    pub contacts: [FieldSet; Contact::ALL.len()],
}

impl Entity {
    /// The leaf of that number.
    pub fn leaf(&self, id: LeafId) -> Option<&Leaf> {
        self.leaves.get(usize::from(id.0))
    }

    /// The entity whose record a leaf names: this one by its id, another one by a reference to it.
    pub fn points_to(&self, id: LeafId) -> Option<&EntityName> {
        match id {
            LeafId(0) => Some(&self.name),
            id => self.leaf(id)?.reference.as_ref(),
        }
    }

    /// Whose element a leaf names by its id, where it names one: the leaf that names the record, the entity of that, and
    /// where the elements of its list say their ids.
    pub fn names_element(&self, id: LeafId) -> Option<(LeafId, &EntityName, &FieldPath)> {
        let leaf = self.leaf(id).filter(|leaf| leaf.kind == LeafKind::Id && leaf.reference.is_none())?;
        let Some(ElementOf { record, id }) = &leaf.element else {
            return leaf.in_list.then_some((LeafId(0), &self.name, &leaf.path));
        };
        let record = self.leaf_at(record.as_str())?;
        Some((record, self.points_to(record)?, id))
    }

    /// Some leaves, with what says which record it is whose elements some of them name.
    pub fn with_records_of_elements(&self, leaves: &FieldSet) -> FieldSet {
        let records =
            leaves.iter().filter(|leaf| self.leaf(*leaf).is_some_and(|leaf| leaf.element.is_some()));
        let records: FieldSet =
            records.filter_map(|leaf| self.names_element(leaf)).map(|(record, ..)| record).collect();
        leaves.union(&records)
    }

    /// The leaf at a path without list indexes: `lines.product`.
    pub fn leaf_at(&self, path: &str) -> Option<LeafId> {
        let position = self.leaves.iter().position(|leaf| leaf.path.as_str() == path)?;
        u8::try_from(position).ok().map(LeafId)
    }

    /// Every leaf at or under a path: the leaf itself, or a subtree's.
    pub fn leaves_under(&self, path: &str) -> FieldSet {
        let inside =
            |leaf: &str| leaf == path || leaf.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.ids().filter(|id| self.leaf(*id).is_some_and(|leaf| inside(leaf.path.as_str()))).collect()
    }

    /// All leaves as a set.
    pub fn all(&self) -> FieldSet {
        self.ids().collect()
    }

    /// The leaves that tell a record from all others in whichever system, in file order.
    pub fn natural_keys(&self) -> FieldSet {
        self.ids().filter(|id| self.leaf(*id).is_some_and(|leaf| leaf.natural_key)).collect()
    }

    /// The leaves that callers could write at all: none that its file calls read-only.
    pub fn writable(&self) -> FieldSet {
        let mut set = FieldSet::EMPTY;
        self.root.each_leaf(&mut |field, leaf| {
            if !field.read_only {
                set.insert(leaf);
            }
        });
        set
    }

    /// The leaves that a new record, or a new item of a list, needs.
    pub fn required(&self) -> FieldSet {
        let mut set = FieldSet::EMPTY;
        self.root.each_leaf(&mut |field, leaf| {
            if field.required {
                set.insert(leaf);
            }
        });
        set
    }

    /// The leaves' numbers.
    pub fn ids(&self) -> impl Iterator<Item = LeafId> + use<> {
        let count = u16::try_from(self.leaves.len()).unwrap_or(u16::MAX).min(256);
        (0..count).filter_map(|n| u8::try_from(n).ok()).map(LeafId)
    }
}

/// A node with named fields.
#[derive(Debug, Default)]
pub struct Object {
    /// In file order. INVARIANT: their ranges of leaves ascend and do not overlap.
    pub fields: Vec<Field>,
}

impl Object {
    /// The position and field of that name.
    pub fn field(&self, name: &str) -> Option<(u16, &Field)> {
        let position = self.fields.iter().position(|field| &*field.name == name)?;
        Some((u16::try_from(position).ok()?, self.fields.get(position)?))
    }

    /// Calls `see` with every leaf beneath and the field it stands in (its list, for a list of values).
    fn each_leaf(&self, see: &mut dyn FnMut(&Field, LeafId)) {
        for field in &self.fields {
            let mut shape = &field.shape;
            while let Shape::List(item) = shape {
                shape = item;
            }
            match shape {
                Shape::Leaf(leaf) => see(field, *leaf),
                Shape::Object(object) => object.each_leaf(see),
                Shape::List(_) => {}
            }
        }
    }

    /// The field at a position.
    pub fn at(&self, position: u16) -> Option<&Field> {
        self.fields.get(usize::from(position))
    }
}

/// A named field.
#[derive(Debug)]
pub struct Field {
    /// `given_name`.
    pub name: Arc<str>,
    /// What stands under it.
    pub shape: Shape,
    /// The numbers of the leaves at or under it.
    pub leaves: Range<u16>,
    /// Whether a new record needs it.
    pub required: bool,
    /// Whether null is a value of it (known to be empty).
    pub nullable: bool,
    /// Whether callers never write it, whatever the system can do.
    pub read_only: bool,
    /// How many items at most, where a list stands under it.
    pub items_max: u32,
    /// What it means, from the file.
    pub description: Arc<str>,
}

/// What stands under a field.
#[derive(Debug)]
pub enum Shape {
    /// A value.
    Leaf(LeafId),
    /// A group of fields.
    Object(Object),
    /// Several of one shape.
    List(Box<Shape>),
}

/// A leaf: where it stands, what it holds, and whose it is.
#[derive(Debug)]
pub struct Leaf {
    /// Path without list indexes: `lines.product`.
    pub path: FieldPath,
    /// What it holds.
    pub kind: LeafKind,
    /// How freely it may be shown.
    pub class: Class,
    /// Whose data it is: a path inside this entity (`customer`), or `self` for the record itself.
    pub subject: Option<FieldPath>,
    /// The entity it points to.
    pub reference: Option<EntityName>,
    /// The element of another record's list that it names.
    pub element: Option<ElementOf>,
    /// Whether it stands inside a list (then a record holds any number of it).
    pub in_list: bool,
    /// Whether that list is a set: order means nothing.
    pub unordered: bool,
    /// Whether it tells a record from all others in the business, whichever system holds it.
    pub natural_key: bool,
    /// By what somebody is reached whose it is, where it holds that.
    pub contact: Option<Contact>,
    /// Why it is money, where it is.
    pub money: Option<Money>,
    /// What a total is made of.
    pub sum: Vec<Term>,
}

/// Of which record an element is that a leaf names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementOf {
    /// The reference, outside lists, that names the record: `order`.
    pub record: FieldPath,
    /// Where elements of that record's list say their ids: `lines.id`.
    pub id: FieldPath,
}

/// What a leaf holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// Text of at most so many characters.
    Text {
        /// Most characters.
        chars_max: u32,
        /// How it is spelt.
        spelling: Spelling,
    },
    /// One of a closed list.
    Code(Arc<[Arc<str>]>),
    /// Opaque text that names a record; never trimmed or parsed.
    Id,
    /// An exact decimal; text on the wire, scale kept.
    Decimal,
    /// A whole number.
    Integer,
    /// true or false.
    Boolean,
    /// A day without a zone.
    Date,
    /// A moment, UTC on the wire.
    Instant,
}

/// How freely a leaf may be shown; every leaf says it (`x-class`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Anyone may know it.
    Public,
    /// For the company and its partners.
    Internal,
    /// Commercially confidential: named one by one in `@fields`.
    Confidential,
    /// About a person: named one by one.
    Personal,
    /// Never leaves but by name.
    Secret,
}

impl Class {
    /// Every class, the freest first.
    pub const ALL: [Self; 5] =
        [Self::Public, Self::Internal, Self::Confidential, Self::Personal, Self::Secret];

    /// Whether `@fields("*")` and subtree grants include it.
    pub fn is_granted_by_star(self) -> bool {
        match self {
            Self::Public | Self::Internal => true,
            Self::Confidential | Self::Personal | Self::Secret => false,
        }
    }

    /// As written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Personal => "personal",
            Self::Secret => "secret",
        }
    }
}
