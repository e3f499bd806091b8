//! What somebody wants to be sure of, in a sentence: `no Group::"partners" reads Invoice.margin`.
//!
//! ```text
//! no WHO [but WHO {or WHO}] DEED WHAT
//! WHO   anyone | anyone of "PARTNER" | App | Partner | User | Anonymous | App::"ID" | Group::"NAME"
//! DEED  reads | creates | changes | writes | deletes | calls | reaches
//! WHAT  Entity | Entity.field | any CLASS field [of Entity] | System::"NAME"
//! ```

use std::{fmt, sync::Arc};

use super::whom::Someone;
use crate::{
    catalog::Action,
    config::Snapshot,
    identity::Facts,
    schema::{Class, Entity, FieldSet},
    words::{Kind, SystemName, nearest},
};

/// A sentence, understood.
#[derive(Clone, Debug)]
pub struct Sentence {
    text: String,
    who: Who,
    but: Vec<Who>,
    deed: Deed,
    what: What,
}

/// Of whom it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    /// Apps and people of a partner.
    Of(String),
    Kind(Kind),
    /// `Kind/id`, as those covered are named.
    Named(String),
    Group(String),
}

/// What they do not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Reads,
    Creates,
    Changes,
    Writes,
    Deletes,
    Calls,
    Reaches,
}

/// Of what.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Some leaves of an entity.
    Fields(Arc<Entity>, FieldSet),
    /// An entity, with whatever of it.
    Whole(Arc<Entity>),
    /// Leaves of several entities.
    Classed(Vec<(Arc<Entity>, FieldSet)>),
    System(SystemName),
}

/// Why a sentence cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {at} of `{sentence}`")]
pub struct BadSentence {
    what: String,
    at: usize,
    sentence: String,
}

const DEEDS: [(&str, Deed); 7] = [
    ("reads", Deed::Reads),
    ("creates", Deed::Creates),
    ("changes", Deed::Changes),
    ("writes", Deed::Writes),
    ("deletes", Deed::Deletes),
    ("calls", Deed::Calls),
    ("reaches", Deed::Reaches),
];

/// LIMIT: characters of a sentence.
const CHARS_MAX: usize = 1_000;

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Sentence {
    /// Understands a sentence about a bundle.
    ///
    /// # Errors
    /// Where it is no such sentence, or names what the bundle does not have.
    pub fn parse(text: &str, snapshot: &Snapshot) -> Result<Self, BadSentence> {
        let mut words = Words { text, rest: text, snapshot };
        if text.chars().count() > CHARS_MAX {
            return Err(words.bad(format!("more than {CHARS_MAX} characters")));
        }
        words.expect(
            "no",
            "a sentence begins with `no`, as in `no Group::\"partners\" reads Invoice.margin`",
        )?;
        let who = words.who()?;
        let mut but = Vec::new();
        if words.takes("but") {
            but.push(words.who()?);
            while words.takes("or") {
                but.push(words.who()?);
            }
        }
        let deed = words.deed()?;
        let what = words.what(deed)?;
        if !words.rest.trim().is_empty() {
            return Err(words.bad("nothing more was expected"));
        }
        Ok(Self { text: text.split_whitespace().collect::<Vec<_>>().join(" "), who, but, deed, what })
    }

    /// Somebody, as far as it speaks of them.
    pub(super) fn of(&self, someone: &Someone) -> Option<Someone> {
        let is_excepted = self.but.iter().any(|who| !matches!(who, Who::Group(_)) && who.may_be(someone));
        if !self.who.may_be(someone) || is_excepted {
            return None;
        }
        let without: Vec<&str> = self.but.iter().filter_map(Who::group).collect();
        let group = self.who.group();
        let is_in =
            |facts: &Facts| group.is_none_or(|group| facts.groups.iter().any(|one| one.as_str() == group));
        someone.narrowed(&is_in, &without)
    }

    /// The actions it speaks of, on records.
    pub(super) fn actions(&self) -> &'static [Action] {
        match self.deed {
            Deed::Reads => &[Action::Read, Action::List],
            Deed::Creates => &[Action::Create],
            Deed::Changes => &[Action::Update],
            Deed::Writes => &[Action::Create, Action::Update],
            Deed::Deletes => &[Action::Delete],
            Deed::Calls => &[],
            Deed::Reaches => &[Action::Read, Action::List, Action::Create, Action::Update, Action::Delete],
        }
    }

    /// Whether it speaks of changes alone.
    pub(super) fn is_of_changes(&self) -> bool {
        matches!(self.deed, Deed::Creates | Deed::Changes | Deed::Writes | Deed::Deletes)
    }

    /// What it speaks of.
    pub(super) fn what(&self) -> &What {
        &self.what
    }
}

impl Who {
    /// Whether somebody is one of them, or can be.
    fn may_be(&self, someone: &Someone) -> bool {
        match self {
            Self::Anyone => true,
            Self::Of(partner) => someone.partner().is_some_and(|of| of.as_str() == partner),
            Self::Kind(kind) => someone.kind() == *kind,
            Self::Named(name) => someone.name() == name,
            Self::Group(group) => someone.may_be_in(group),
        }
    }

    fn group(&self) -> Option<&str> {
        match self {
            Self::Group(group) => Some(group),
            Self::Anyone | Self::Of(_) | Self::Kind(_) | Self::Named(_) => None,
        }
    }
}

/// What is left of a sentence.
struct Words<'t> {
    text: &'t str,
    rest: &'t str,
    snapshot: &'t Snapshot,
}

impl<'t> Words<'t> {
    fn bad(&self, what: impl Into<String>) -> BadSentence {
        let before = self.text.len().saturating_sub(self.rest.trim_start().len());
        let at = self.text.get(..before).unwrap_or(self.text).chars().count().saturating_add(1);
        BadSentence { what: what.into(), at, sentence: self.text.to_owned() }
    }

    /// The next word, left where it stands.
    fn next(&self) -> &'t str {
        self.rest.split_whitespace().next().unwrap_or_default()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_there = self.next() == word;
        if is_there {
            self.pass(word);
        }
        is_there
    }

    fn pass(&mut self, word: &str) {
        self.rest = self.rest.trim_start().get(word.len()..).unwrap_or_default();
    }

    fn expect(&mut self, word: &str, why: &str) -> Result<(), BadSentence> {
        if self.takes(word) { Ok(()) } else { Err(self.bad(why)) }
    }

    /// A word of a known list.
    fn one_of<T: Copy>(&self, what: &str, known: &[(&str, T)]) -> Result<(usize, T), BadSentence> {
        let word = self.next();
        let found = known.iter().find(|(name, _)| *name == word).map(|(name, one)| (name.len(), *one));
        found.ok_or_else(|| self.unknown(what, word, known.iter().map(|(name, _)| *name)))
    }

    fn unknown<'n>(&self, what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> BadSentence {
        match nearest(name, known) {
            Some(near) => self.bad(format!("{what}: `{name}`; did you mean `{near}`?")),
            None => self.bad(format!("{what}: `{name}`")),
        }
    }

    fn deed(&mut self) -> Result<Deed, BadSentence> {
        let verbs = "expected reads, creates, changes, writes, deletes, calls or reaches";
        let (length, deed) = self.one_of(verbs, &DEEDS)?;
        self.rest = self.rest.trim_start().get(length..).unwrap_or_default();
        Ok(deed)
    }

    fn who(&mut self) -> Result<Who, BadSentence> {
        if self.takes("anyone") {
            if !self.takes("of") {
                return Ok(Who::Anyone);
            }
            let before = self.rest;
            let partner = self.quoted()?;
            let known: Vec<&str> = self.registry().partners().map(|(id, _)| id.as_str()).collect();
            if !known.contains(&partner.as_str()) {
                self.rest = before;
                return Err(self.unknown("no partner is called so", &partner, known.into_iter()));
            }
            return Ok(Who::Of(partner));
        }
        let rest = self.rest.trim_start();
        let name = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
        let is_named = rest.get(name.len()..).is_some_and(|after| after.starts_with("::"));
        self.pass(name);
        if !is_named {
            let kinds = ["anyone", "App", "Partner", "User", "Anonymous"];
            return kind.map(Who::Kind).ok_or_else(|| {
                self.rest = rest;
                self.unknown(
                    "expected anyone, a kind, Kind::\"id\" or Group::\"name\"",
                    name,
                    kinds.into_iter(),
                )
            });
        }
        self.pass("::");
        let after = self.rest;
        let id = self.quoted()?;
        match kind {
            Some(kind) => self.named(kind, &id),
            None if name == "Group" => {
                let known: Vec<&str> =
                    self.registry().types().groups().map(|(name, _)| name.as_str()).collect();
                if !known.contains(&id.as_str()) {
                    self.rest = after;
                    return Err(self.unknown("no group is called so", &id, known.into_iter()));
                }
                Ok(Who::Group(id))
            }
            None => Err(self.bad(format!("`{name}` is no kind of principal"))),
        }
    }

    fn named(&self, kind: Kind, id: &str) -> Result<Who, BadSentence> {
        let name = format!("{}/{id}", kind.as_str());
        let all = super::whom::Covered::of(self.snapshot);
        if all.iter().any(|someone| someone.name() == name) {
            return Ok(Who::Named(name));
        }
        Err(self.unknown("nobody here is", &name, all.iter().map(Someone::name)))
    }

    fn registry(&self) -> &'t crate::identity::PrincipalRegistry {
        self.snapshot.sources.registry()
    }

    /// A name in quotes.
    fn quoted(&mut self) -> Result<String, BadSentence> {
        let inner = self.rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let Some((name, rest)) = inner else { return Err(self.bad("a name in double quotes was expected")) };
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn what(&mut self, deed: Deed) -> Result<What, BadSentence> {
        let rest = self.rest.trim_start();
        if let Some(name) = rest.strip_prefix("System::") {
            if !matches!(deed, Deed::Calls | Deed::Reaches) {
                return Err(self.bad("a system is called or reached"));
            }
            self.rest = name;
            let before = self.rest;
            let name = self.quoted()?;
            let found = self.snapshot.systems.keys().find(|system| system.as_str() == name);
            let Some(found) = found else {
                self.rest = before;
                let known = self.snapshot.systems.keys().map(SystemName::as_str);
                return Err(self.unknown("no system is called so", &name, known));
            };
            return Ok(What::System(found.clone()));
        }
        if deed == Deed::Calls {
            return Err(self.bad("systems are called: System::\"name\" was expected"));
        }
        let what = if self.takes("any") { self.classed()? } else { self.fields()? };
        match (&what, deed) {
            (What::Fields(..) | What::Classed(_), Deed::Deletes) => {
                Err(self.bad("records are deleted, not fields: an entity was expected"))
            }
            _ => Ok(what),
        }
    }

    fn classed(&mut self) -> Result<What, BadSentence> {
        let classes = Class::ALL.map(|class| (class.as_str(), class));
        let (length, class) = self.one_of("a class was expected", &classes)?;
        self.rest = self.rest.trim_start().get(length..).unwrap_or_default();
        self.expect("field", "`field` was expected, as in `any personal field`")?;
        let entities =
            if self.takes("of") { vec![self.entity()?] } else { self.snapshot.schema.entities().to_vec() };
        let of = |entity: Arc<Entity>| {
            let is_so =
                |leaf: &crate::schema::LeafId| entity.leaf(*leaf).is_some_and(|leaf| leaf.class == class);
            let leaves: FieldSet = entity.ids().filter(is_so).collect();
            (!leaves.is_empty()).then_some((entity, leaves))
        };
        Ok(What::Classed(entities.into_iter().filter_map(of).collect()))
    }

    fn fields(&mut self) -> Result<What, BadSentence> {
        let word = self.next();
        let Some((_, path)) = word.split_once('.') else { return self.entity().map(What::Whole) };
        let entity = self.entity()?;
        self.rest = self.rest.trim_start().strip_prefix('.').unwrap_or_default();
        let leaves = entity.leaves_under(path);
        if leaves.is_empty() {
            let known = entity.leaves.iter().map(|leaf| leaf.path.as_str());
            return Err(self.unknown(&format!("no field of {} is called so", entity.name), path, known));
        }
        self.pass(path);
        Ok(What::Fields(entity, leaves))
    }

    fn entity(&mut self) -> Result<Arc<Entity>, BadSentence> {
        let rest = self.rest.trim_start();
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let Some(entity) = self.snapshot.schema.entity(name) else {
            let known = self.snapshot.schema.entities().iter().map(|entity| entity.name.as_str());
            return Err(self.unknown("no entity is called so", name, known));
        };
        self.pass(name);
        Ok(entity.clone())
    }
}
