//! One pass over a `$metadata` document in XML.
//!
//! Promises: everything that is kept is counted and bounded; what is no identifier of OData names nothing and is
//! counted as left out, since such a name could not be asked for.

use std::borrow::Cow;

use super::csdl::{Csdl, Denied, EdmxError, Fact, Navigation, Property, Set, Type, Version};
use crate::mapping::{Tag, Tags};

/// LIMIT: types, sets, parts of types, and annotations of one description.
const TYPES_MAX: usize = 20_000;
const SETS_MAX: usize = 10_000;
const PARTS_MAX: usize = 400_000;
const FACTS_MAX: usize = 200_000;
/// LIMIT: characters of an identifier (CSDL 4.01, §15.2) and of a name with its namespace (§15.3).
const NAME_CHARS_MAX: usize = 128;
const FULL_NAME_CHARS_MAX: usize = 511;
/// LIMIT: members of one enumeration, and characters kept of a label.
const MEMBERS_MAX: usize = 40;
const LABEL_CHARS_MAX: usize = 80;

/// What is open, from the outside in.
#[derive(Debug)]
enum Inside {
    Other,
    Edmx,
    Schema,
    Type,
    Key,
    Property,
    Association(String),
    Enum(String),
    Container(String),
    Set,
    /// The target.
    Annotated(String),
    /// The annotation of this target at this place, or a part of its record.
    Fact(String, usize),
    /// A path inside of one.
    Path(String, usize),
}

impl Csdl {
    /// Reads a document.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EdmxError> {
        let mut tags = Tags::new(bytes)?;
        let mut reading =
            Reading { csdl: Self::default(), namespace: String::new(), open: Vec::new(), parts: 0, facts: 0 };
        loop {
            match tags.step()? {
                Tag::Open(name) => {
                    let inside = reading.begin(name, &tags)?;
                    reading.open.push(inside);
                }
                Tag::Close(text) => reading.close(&text)?,
                Tag::Over => break,
            }
        }
        let mut csdl = reading.csdl;
        csdl.resolve();
        if csdl.sets.is_empty() { Err(EdmxError::NotEdmx) } else { Ok(csdl) }
    }
}

struct Reading {
    csdl: Csdl,
    /// Of the schema that is open.
    namespace: String,
    open: Vec<Inside>,
    /// How many parts of types, and annotations, there were.
    parts: usize,
    facts: usize,
}

impl Reading {
    fn begin(&mut self, element: &str, tags: &Tags<'_>) -> Result<Inside, EdmxError> {
        let Some(inside) = self.open.last() else {
            self.csdl.version = match (element, tags.attribute("Version")) {
                ("Edmx", Some(version)) if version.starts_with('4') => Version::Four,
                ("Edmx", _) => Version::Two,
                _ => return Err(EdmxError::NotEdmx),
            };
            return Ok(Inside::Edmx);
        };
        Ok(match (inside, element) {
            (Inside::Edmx, "DataServices") => {
                let third = ["DataServiceVersion", "MaxDataServiceVersion"].iter();
                let mut third = third.filter_map(|name| tags.attribute(name));
                if self.csdl.version == Version::Two && third.any(|version| version.starts_with('3')) {
                    self.csdl.version = Version::Three;
                }
                Inside::Edmx
            }
            (Inside::Edmx, "Schema") => self.schema(tags)?,
            (Inside::Schema, _) => self.in_schema(element, tags)?,
            (Inside::Type, "Key") => Inside::Key,
            (Inside::Type, _) => self.in_type(element, tags)?,
            (Inside::Key, "PropertyRef") => {
                self.key_part(tags);
                Inside::Other
            }
            (Inside::Association(of), "End") => {
                let of = of.clone();
                self.end(of, tags)?;
                Inside::Other
            }
            (Inside::Enum(of), "Member") => {
                let of = of.clone();
                self.member(&of, tags)?;
                Inside::Other
            }
            (Inside::Container(of), "EntitySet") => {
                let of = of.clone();
                self.set(of, tags)?
            }
            (Inside::Property, "Annotation") => {
                let of = self.csdl.types.last();
                let target = of.and_then(|of| Some(format!("{}/{}", of.full, of.properties.last()?.name)));
                self.fact(target.unwrap_or_default(), tags.attribute("Term"), tags)?
            }
            (Inside::Set, "Annotation") => {
                let set = self.csdl.sets.last();
                let target = set.map(|set| format!("{}/{}", set.container, set.name));
                self.fact(target.unwrap_or_default(), tags.attribute("Term"), tags)?
            }
            (Inside::Annotated(target), "Annotation") => {
                let target = target.clone();
                self.fact(target, tags.attribute("Term"), tags)?
            }
            (Inside::Fact(target, _), "PropertyValue") => {
                let target = target.clone();
                self.fact(target, tags.attribute("Property"), tags)?
            }
            (Inside::Fact(target, at), "Collection" | "Record") => Inside::Fact(target.clone(), *at),
            (Inside::Fact(target, at), "PropertyPath" | "Path") => Inside::Path(target.clone(), *at),
            _ => Inside::Other,
        })
    }

    fn close(&mut self, text: &str) -> Result<(), EdmxError> {
        let Some(Inside::Path(target, at)) = self.open.pop() else { return Ok(()) };
        let text = text.trim();
        if text.is_empty() || text.chars().count() > FULL_NAME_CHARS_MAX {
            return Ok(());
        }
        self.counted()?;
        if let Some(fact) = self.csdl.facts.get_mut(&target).and_then(|facts| facts.get_mut(at)) {
            fact.paths.push(text.to_owned());
        }
        Ok(())
    }

    fn schema(&mut self, tags: &Tags<'_>) -> Result<Inside, EdmxError> {
        self.namespace = self.name(tags, "Namespace", FULL_NAME_CHARS_MAX).unwrap_or_default();
        if let Some(alias) = self.name(tags, "Alias", NAME_CHARS_MAX) {
            if self.csdl.aliases.len() >= TYPES_MAX {
                return Err(EdmxError::TooMuch("schemas"));
            }
            self.csdl.aliases.insert(alias, self.namespace.clone());
        }
        Ok(Inside::Schema)
    }

    fn in_schema(&mut self, element: &str, tags: &Tags<'_>) -> Result<Inside, EdmxError> {
        if element == "Annotations" {
            let target = tags.attribute("Target").filter(|target| target.len() <= 2 * FULL_NAME_CHARS_MAX);
            return Ok(target.map_or(Inside::Other, |target| Inside::Annotated(target.into_owned())));
        }
        if !matches!(element, "EntityType" | "ComplexType" | "Association" | "EnumType" | "EntityContainer") {
            return Ok(Inside::Other);
        }
        let Some(name) = self.name(tags, "Name", NAME_CHARS_MAX) else {
            self.csdl.left_out = self.csdl.left_out.saturating_add(1);
            return Ok(Inside::Other);
        };
        let full = format!("{}.{name}", self.namespace);
        Ok(match element {
            "Association" => Inside::Association(full),
            "EntityContainer" => Inside::Container(full),
            "EnumType" => {
                // Several flags at once are no value of a table.
                let flags = tags.attribute("IsFlags").is_some_and(|is| is == "true");
                if self.csdl.enums.len() >= TYPES_MAX {
                    return Err(EdmxError::TooMuch("types"));
                }
                self.csdl.enums.insert(full.clone(), Vec::new());
                if flags { Inside::Other } else { Inside::Enum(full) }
            }
            _ => {
                if self.csdl.types.len() >= TYPES_MAX {
                    return Err(EdmxError::TooMuch("types"));
                }
                let base = self.name(tags, "BaseType", FULL_NAME_CHARS_MAX);
                self.csdl.types.push(Type { full, base, ..Type::default() });
                Inside::Type
            }
        })
    }

    fn in_type(&mut self, element: &str, tags: &Tags<'_>) -> Result<Inside, EdmxError> {
        if !matches!(element, "Property" | "NavigationProperty") {
            return Ok(Inside::Other);
        }
        let Some(name) = self.name(tags, "Name", NAME_CHARS_MAX) else {
            self.csdl.left_out = self.csdl.left_out.saturating_add(1);
            return Ok(Inside::Other);
        };
        self.part()?;
        let of = tags.attribute("Type").filter(|of| of.len() <= 2 * FULL_NAME_CHARS_MAX);
        let of = of.map(Cow::into_owned).unwrap_or_default();
        let Some(owner) = self.csdl.types.last_mut() else { return Ok(Inside::Other) };
        if element == "NavigationProperty" {
            let by = tags.attribute("Relationship").zip(tags.attribute("ToRole"));
            let by = by.map(|(association, role)| (association.into_owned(), role.into_owned()));
            owner.navigations.push(Navigation { name, of, by });
            return Ok(Inside::Other);
        }
        owner.properties.push(property(name, of, tags));
        Ok(Inside::Property)
    }

    fn key_part(&mut self, tags: &Tags<'_>) {
        let name = self.name(tags, "Name", NAME_CHARS_MAX);
        match (name, self.csdl.types.last_mut()) {
            // INVARIANT: a key that is not told whole is none; a part without a name keeps its place.
            (name, Some(of)) if of.key.len() < 64 => of.key.push(name.unwrap_or_default()),
            _ => {}
        }
    }

    fn end(&mut self, association: String, tags: &Tags<'_>) -> Result<(), EdmxError> {
        self.part()?;
        if let Some((role, of)) = tags.attribute("Role").zip(tags.attribute("Type")) {
            let many = tags.attribute("Multiplicity").is_some_and(|many| many == "*");
            self.csdl.ends.insert((association, role.into_owned()), (of.into_owned(), many));
        }
        Ok(())
    }

    fn member(&mut self, of: &str, tags: &Tags<'_>) -> Result<(), EdmxError> {
        self.part()?;
        let name = self.name(tags, "Name", NAME_CHARS_MAX);
        if let (Some(name), Some(members)) = (name, self.csdl.enums.get_mut(of))
            && members.len() < MEMBERS_MAX
        {
            members.push(name);
        }
        Ok(())
    }

    fn set(&mut self, container: String, tags: &Tags<'_>) -> Result<Inside, EdmxError> {
        let Some(name) = self.name(tags, "Name", NAME_CHARS_MAX) else {
            self.csdl.left_out = self.csdl.left_out.saturating_add(1);
            return Ok(Inside::Other);
        };
        if self.csdl.sets.len() >= SETS_MAX {
            return Err(EdmxError::TooMuch("entity sets"));
        }
        let of = tags.attribute("EntityType").map(Cow::into_owned).unwrap_or_default();
        self.csdl.sets.push(Set { name, of, container });
        Ok(Inside::Set)
    }

    fn fact(
        &mut self,
        target: String,
        word: Option<Cow<'_, str>>,
        tags: &Tags<'_>,
    ) -> Result<Inside, EdmxError> {
        let Some(word) = word.filter(|_| tags.attribute("Qualifier").is_none()) else {
            return Ok(Inside::Other);
        };
        self.counted()?;
        let word: String = word.rsplit('.').next().unwrap_or(&word).chars().take(NAME_CHARS_MAX).collect();
        let value = ["Bool", "String", "EnumMember"].iter().find_map(|name| tags.attribute(name));
        let value = value.map(|text| text.chars().take(LABEL_CHARS_MAX).collect());
        let facts = self.csdl.facts.entry(target.clone()).or_default();
        facts.push(Fact { word, value, paths: Vec::new() });
        Ok(Inside::Fact(target, facts.len().saturating_sub(1)))
    }

    /// An attribute that names something; none where it could name nothing in a request.
    fn name(&self, tags: &Tags<'_>, attribute: &str, most: usize) -> Option<String> {
        let is_name = |name: &str| {
            let starts = |c: char| c.is_alphabetic() || c == '_';
            let all = name.split('.').all(|part| {
                part.starts_with(starts) && part.chars().all(|c| c.is_alphanumeric() || c == '_')
            });
            all && name.chars().count() <= most && (most > NAME_CHARS_MAX || !name.contains('.'))
        };
        tags.attribute(attribute).filter(|name| is_name(name)).map(Cow::into_owned)
    }

    fn part(&mut self) -> Result<(), EdmxError> {
        self.parts = self.parts.saturating_add(1);
        if self.parts > PARTS_MAX { Err(EdmxError::TooMuch("properties")) } else { Ok(()) }
    }

    fn counted(&mut self) -> Result<(), EdmxError> {
        self.facts = self.facts.saturating_add(1);
        if self.facts > FACTS_MAX { Err(EdmxError::TooMuch("annotations")) } else { Ok(()) }
    }
}

fn property(name: String, of: String, tags: &Tags<'_>) -> Property {
    let number = |name: &str| tags.attribute(name).and_then(|text| text.parse().ok());
    let denied = |name: &str| tags.attribute(name).is_some_and(|is| is == "false");
    let read_only = denied("Writable");
    let label = tags.attribute("label").unwrap_or_default();
    Property {
        name,
        of,
        most: number("MaxLength").filter(|most| *most > 0),
        scale: number("Scale"),
        label: label.chars().take(LABEL_CHARS_MAX).collect(),
        denied: Denied {
            create: denied("creatable") || read_only,
            update: denied("updatable") || read_only,
            filter: denied("filterable"),
            sort: denied("sortable"),
        },
        upper: tags.attribute("display-format").is_some_and(|format| format == "UpperCase"),
        day: tags.attribute("display-format").is_some_and(|format| format == "Date"),
        fixed: tags.attribute("ConcurrencyMode").is_some_and(|mode| mode == "Fixed"),
    }
}
