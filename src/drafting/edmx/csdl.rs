//! What is kept of a `$metadata` document (CSDL, OData 2 to 4.01): types, sets and what is annotated of them.
//!
//! Promises: names are found whichever way they are spelt, by their namespace or its alias; where a name leads nowhere
//! there is nothing.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use crate::mapping::BadXml;

/// Why a description of OData gives no fields.
#[derive(Debug, thiserror::Error)]
pub enum EdmxError {
    /// It is not read as XML.
    #[error("it is not read: {0}")]
    Xml(#[from] BadXml),
    /// It is XML, and no `$metadata`.
    #[error("it is no `$metadata` of OData: its root is no `Edmx` with an entity set in it")]
    NotEdmx,
    /// It holds more than the bound.
    #[error("it holds more than the bound of: {0}")]
    TooMuch(&'static str),
    /// Which set is meant cannot be told.
    #[error("no entity set is called like `{wanted}`; name one with `--set`, of: {names}")]
    NotNamed {
        /// What was asked for.
        wanted: String,
        /// The sets.
        names: String,
    },
}

/// How records of a service look on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// `d.results`, `/Date(…)/`, decimals as text.
    #[default]
    Two,
    /// `value` with `odata.nextLink`.
    Three,
    /// `value` with `@odata.nextLink`.
    Four,
}

/// Everything that is kept of a description.
#[derive(Debug, Default)]
pub(super) struct Csdl {
    pub(super) version: Version,
    pub(super) types: Vec<Type>,
    /// By full name.
    pub(super) by_name: HashMap<String, usize>,
    pub(super) sets: Vec<Set>,
    /// Members of enumerations, by full name.
    pub(super) enums: HashMap<String, Vec<String>>,
    /// Types at the ends of associations, by the association's full name and the role, and whether they are many.
    pub(super) ends: HashMap<(String, String), (String, bool)>,
    /// What is annotated, by target.
    pub(super) facts: HashMap<String, Vec<Fact>>,
    /// Namespaces by their aliases.
    pub(super) aliases: BTreeMap<String, String>,
    /// Names that are no identifiers.
    pub(super) left_out: usize,
}

/// An entity type or a complex type.
#[derive(Debug, Default)]
pub(super) struct Type {
    pub(super) full: String,
    pub(super) base: Option<String>,
    pub(super) key: Vec<String>,
    pub(super) properties: Vec<Property>,
    pub(super) navigations: Vec<Navigation>,
}

/// A property as it is declared.
#[derive(Debug, Default)]
pub(super) struct Property {
    pub(super) name: String,
    /// `Edm.String`, a type's full name, or `Collection(…)` of one.
    pub(super) of: String,
    pub(super) most: Option<u32>,
    pub(super) scale: Option<u32>,
    pub(super) label: String,
    /// What its attributes say cannot be done with it.
    pub(super) denied: Denied,
    pub(super) upper: bool,
    /// Whether a moment is told as a day.
    pub(super) day: bool,
    /// Whether it takes part in optimistic concurrency.
    pub(super) fixed: bool,
}

/// What is refused of a property.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Denied {
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) filter: bool,
    pub(super) sort: bool,
}

/// A way to other records.
#[derive(Debug, Default)]
pub(super) struct Navigation {
    pub(super) name: String,
    /// OData 4: the type.
    pub(super) of: String,
    /// OData 2 and 3: association and role.
    pub(super) by: Option<(String, String)>,
}

/// An entity set.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) of: String,
    pub(super) container: String,
}

/// One annotation.
#[derive(Debug, Default)]
pub(super) struct Fact {
    /// The term, or the property of its record: without namespace.
    pub(super) word: String,
    /// `Bool`, `String` or `EnumMember`.
    pub(super) value: Option<String>,
    /// Property paths, where it lists some.
    pub(super) paths: Vec<String>,
}

impl Csdl {
    /// A type by the name it is called by.
    pub(super) fn type_of(&self, name: &str) -> Option<&Type> {
        self.by_name.get(&*self.full(name)).and_then(|at| self.types.get(*at))
    }

    /// The members of an enumeration.
    pub(super) fn members(&self, name: &str) -> Option<&[String]> {
        self.enums.get(&*self.full(name)).map(Vec::as_slice)
    }

    /// Where a navigation leads, and whether to many.
    pub(super) fn end<'a>(&'a self, navigation: &'a Navigation) -> Option<(&'a Type, bool)> {
        let (name, many) = match &navigation.by {
            None => match collection(&navigation.of) {
                Some(of) => (of, true),
                None => (navigation.of.as_str(), false),
            },
            Some((association, role)) => {
                let (of, many) = self.ends.get(&(self.full(association).into_owned(), role.clone()))?;
                (of.as_str(), *many)
            }
        };
        self.type_of(name).map(|of| (of, many))
    }

    /// What is annotated of a property, or of a type.
    pub(super) fn of_type(&self, of: &Type, property: Option<&str>) -> &[Fact] {
        let target = match property {
            Some(name) => format!("{}/{name}", of.full),
            None => of.full.clone(),
        };
        self.facts.get(&target).map_or(&[], Vec::as_slice)
    }

    /// What is annotated of a set.
    pub(super) fn of_set(&self, set: &Set) -> &[Fact] {
        self.facts.get(&format!("{}/{}", set.container, set.name)).map_or(&[], Vec::as_slice)
    }

    /// A name with its namespace in full.
    fn full<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match name.rsplit_once('.').and_then(|(prefix, own)| Some((self.aliases.get(prefix)?, own))) {
            Some((namespace, own)) => Cow::Owned(format!("{namespace}.{own}")),
            None => Cow::Borrowed(name),
        }
    }

    /// Aliases stand at the head of a schema that may come last.
    pub(super) fn resolve(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        for (target, mut facts) in facts {
            let (of, property) = target.split_once('/').map_or((&*target, None), |(of, at)| (of, Some(at)));
            let target = match property {
                Some(property) => format!("{}/{property}", self.full(of)),
                None => self.full(of).into_owned(),
            };
            self.facts.entry(target).or_default().append(&mut facts);
        }
        let types = self.types.iter().enumerate();
        self.by_name = types.map(|(at, of)| (of.full.clone(), at)).collect();
    }
}

/// The element type of a collection.
pub(super) fn collection(of: &str) -> Option<&str> {
    of.strip_prefix("Collection(").and_then(|of| of.strip_suffix(')'))
}
