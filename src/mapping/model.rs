//! A mapping as compiled at load: the lines of one entity, in the order of its schema, both ways.

mod calls;

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    behind::Behind,
    body::Body,
    calc::Calc,
    choice::Choice,
    codec::{Codec, Nothing},
    key::Key,
    out::Out,
    path::{Path, Step},
    pattern::Pattern,
    sets::Set,
    trie::Node,
    tuple::Tuple,
};
use crate::{
    schema::{Entity, FieldSet, LeafId, Value},
    words::{EntityName, SystemName},
};

pub(super) use calls::{
    BatchCall, Call, Carrier, CountAt, Ends, Envelope, KeyAt, KeyPlace, LinkAt, ListCall, Next, Page,
    Returns, Select, SelectName, Size, WITHIN,
};

/// How one system's records become one entity and back.
#[derive(Debug)]
pub struct Mapping {
    pub(super) system: SystemName,
    pub(super) entity: Arc<Entity>,
    pub(super) words: Arc<Words>,
    /// Under the system's base: `/crm/v3/objects/contacts`.
    pub(super) at: String,
    pub(super) key: Key,
    pub(super) version: Option<Version>,
    /// Native tree of one record and the size of its frame.
    pub(super) record: Node,
    pub(super) frame: u16,
    /// What jq filters read and take.
    pub(super) filtered: super::jq::Filtered,
    pub(super) root: ObjectPart,
    /// What is read from around a record, where some line does.
    pub(super) around: Option<Around>,
    /// How rows become records, where they are none as they stand.
    pub(super) cells: super::cells::Cells,
    /// Leaves that no line fills.
    pub(super) unmapped: FieldSet,
    /// Leaves by which the system names elements of lists; none that is a constant, or that callers say.
    pub(super) element_ids: FieldSet,
    /// Constants of groups and list elements, each with all leaves of its group or element.
    pub(super) tags: Vec<(LeafId, FieldSet)>,
    /// Where each leaf stands in a caller's document, list places included; none inside native lists.
    pub(super) pointers: Vec<Option<String>>,
    /// How a filter or an order names the parts of the key that tell records apart; none where it cannot.
    pub(super) key_names: Option<Vec<Arc<str>>>,
    /// Native conditions of a record that is of this entity.
    pub(super) narrow: Vec<Narrow>,
    /// What its lists run over, where they do.
    pub(super) over: Option<super::over::Over>,
    /// What a new record carries besides its fields.
    pub(super) set: Vec<Set>,
    /// What a new record carries that is found by a code.
    pub(super) set_found: Vec<super::finding::SetFound>,
    /// Whether anything that is written is found by a code.
    pub(super) finds: bool,
    /// What this system needs of a new record, beyond what the schema does.
    pub(super) requires: Vec<FieldSet>,
    pub(super) select: Option<Select>,
    /// Where each leaf is found by the system's filters, every place it is read from; by number of the leaf. None
    /// where one of the places cannot be asked for: the others alone would lose records.
    pub(super) filters: Vec<Vec<Filterable>>,
    /// How filters speak of references to keys of several parts.
    pub(super) tuples: Vec<(LeafId, super::tuple::TupleFilter)>,
    pub(super) lists: Vec<ListCall>,
    pub(super) read: Option<Call>,
    pub(super) create: Option<Call>,
    pub(super) update: Option<Call>,
    pub(super) delete: Option<Call>,
    /// Fields that calls lead to their values.
    pub(super) actions: Vec<super::actions::LedField>,
    /// What a new record is looked for by that the system names no key of.
    pub(super) found_by: Vec<LeafId>,
    /// Whether a new record goes again where one of its elements cannot be written.
    pub(super) undo: bool,
    /// Why the others are not there.
    pub(super) lacks: super::load::Lacks,
    pub(super) samples: Vec<super::check::Sample>,
    /// Where a record stands in XML; none of a system that does not speak it.
    pub(super) xml: Option<super::xml::Record>,
    /// What the reports on data quality go by.
    pub(super) watched: super::watched::Watched,
    /// What other systems tell, and tables.
    pub(super) elsewhere: super::elsewhere::Elsewhere,
}

/// What all mappings of a system share.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) speaks: Speaks,
    /// The names of its XML, where it speaks that.
    pub(super) xml: Option<Arc<super::xml::Names>>,
    pub(super) errors: super::errors::Errors,
    /// Spellings of nothing, of whatever type.
    pub(super) absent: Nothing,
    /// Addresses under which the system is reached; a next link must stay under one of them.
    pub(super) bases: Vec<url::Url>,
}

/// A system's family of conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// JSON with addresses of its own.
    Json,
    /// OData version 4.
    Odata4,
    /// OData version 2: answers stand under `d`, lists under `results`.
    Odata2,
    /// XML with addresses of its own.
    Xml,
}

/// What a key, or a reference to one, may look like; anything else names no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// Any text.
    Text,
    /// Decimal digits.
    Digits,
    /// Hexadecimal digits in the groups of a GUID.
    Guid,
    /// Letters and digits of ASCII: a text to the system, and one that can stand within another.
    Alnum,
}

/// Where a record's version stands, and which header field carries it back; none where bodies do.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) slot: u16,
    pub(super) at: Path,
    pub(super) header: Option<http::HeaderName>,
}

/// A native condition.
#[derive(Clone, Debug)]
pub(super) struct Narrow {
    pub(super) slot: u16,
    pub(super) at: Path,
    pub(super) value: Box<str>,
    /// Other values that say the same, of a switch; `out` is what is written.
    pub(super) also: Vec<Box<str>>,
    pub(super) out: Out,
}

impl Narrow {
    /// Whether a native text says so.
    pub(super) fn is(&self, text: &str) -> bool {
        text == &*self.value || self.also.iter().any(|other| text == &**other)
    }

    /// Whether a list can be asked for it: of several values each is looked at here.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.out, Out::Text(_)) && self.also.is_empty()
    }

    /// The place in the record, of a switch that stands around the element which hangs on it.
    pub(super) fn of_record(&self) -> Option<Path> {
        match self.at.steps() {
            [Step::Up, rest @ ..] if self.at.ups() == 1 => Some(Path(rest.to_vec())),
            _ => None,
        }
    }
}

/// What a record is given of the answer that it came in.
#[derive(Debug)]
pub(super) struct Around {
    /// Native tree of the answer, and the size of its frame.
    pub(super) node: Node,
    pub(super) frame: u16,
    /// Slots of the answer, and those of the record that get them.
    pub(super) slots: Vec<(u16, u16)>,
    /// Header fields, and the slots that get them.
    pub(super) heads: Vec<(http::HeaderName, u16)>,
    /// The slot that gets the key that was asked for.
    pub(super) asked: Option<u16>,
    /// The slot that gets the moment at which the answer was received.
    pub(super) received: Option<u16>,
}

/// A native name a filter can speak of.
#[derive(Clone, Debug)]
pub(super) struct Filterable {
    pub(super) name: Arc<str>,
    pub(super) codec: Arc<Codec>,
    /// Whether what stands there is at times another field's: an order by it would mix the two.
    pub(super) is_shared: bool,
}

/// The lines under one object.
#[derive(Debug, Default)]
pub(super) struct ObjectPart {
    /// Sorted by position.
    pub(super) parts: Vec<Named>,
    /// Native texts that hold several of its fields.
    pub(super) texts: Vec<TextPart>,
    /// Fields that are kept in one of several ways; none of them is among the parts.
    pub(super) choices: Vec<Choice>,
    /// Of a record, or of an element of a native list: places that have several meanings.
    pub(super) forks: Vec<super::forks::Fork>,
}

/// A native text with a hole for each of some fields.
#[derive(Debug)]
pub(super) struct TextPart {
    pub(super) pattern: Arc<Pattern>,
    /// The whole text.
    pub(super) native: Native,
    pub(super) holes: Vec<Hole>,
}

/// A field that stands in a hole.
#[derive(Debug)]
pub(super) struct Hole {
    pub(super) position: u16,
    pub(super) leaf: LeafId,
    pub(super) codec: Arc<Codec>,
}

/// A part and the field it fills.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) position: u16,
    pub(super) name: Arc<str>,
    pub(super) leaves: FieldSet,
    pub(super) part: Part,
}

/// What fills a field.
#[derive(Debug)]
pub(super) enum Part {
    /// One line.
    Leaf(Line),
    /// Lines of a group.
    Object(ObjectPart),
    /// A list whose elements stand in fixed places.
    Slots(Vec<Part>),
    /// A list whose elements stand in a native list.
    Each(EachPart),
    /// A list whose elements stand in one native text.
    Split(Box<Split>),
    /// What is there where some switches stand so.
    When(When),
}

/// A list read from a native list.
#[derive(Debug)]
pub(super) struct EachPart {
    pub(super) slot: u16,
    /// The list in whose elements it stands, of all of them together, where it is a list in a list.
    pub(super) within: Option<u16>,
    /// Native lists whose elements come behind its own.
    pub(super) behind: Vec<EachPart>,
    /// Where it is said that there are more elements than came.
    pub(super) more: Option<u16>,
    pub(super) at: Path,
    pub(super) item: Box<Part>,
    /// What an element says of itself that is of this list.
    pub(super) narrow: Vec<Narrow>,
    /// What a new element carries besides its fields.
    pub(super) set: Vec<Set>,
    /// Whether it may be sent with a new record.
    pub(super) create: bool,
    /// Whether its elements may come, change and go with a change of the record, as commands.
    pub(super) update: bool,
    /// How it is written, where it is not sent as it is.
    pub(super) commands: Option<Commands>,
    /// How its elements are written by themselves, where they are.
    pub(super) parts: Option<Box<super::parts::Parts>>,
    /// How it is made of an object with free names, where it is no list there.
    pub(super) entries: Option<super::entries::Entries>,
}

impl EachPart {
    /// The native lists that it is read from, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.behind)
    }
}

/// A native list that is written as commands.
#[derive(Debug)]
pub(super) struct Commands {
    /// Where they go.
    pub(super) at: Path,
    pub(super) words: Arc<CommandWords>,
    /// Which field of an element is its key.
    pub(super) key: Option<u16>,
}

impl Commands {
    /// Whether elements can change and go.
    pub(super) fn may_change(&self) -> bool {
        self.key.is_some() && self.words.change.is_some() && self.words.remove.is_some()
    }
}

/// What is sent for an element.
#[derive(Debug)]
pub(super) struct CommandWords {
    pub(super) add: Body,
    pub(super) change: Option<Body>,
    pub(super) remove: Option<Body>,
}

/// A list read from one text.
#[derive(Debug)]
pub(super) struct Split {
    /// The whole text.
    pub(super) line: Line,
    /// What stands between two elements.
    pub(super) by: Box<str>,
    /// One element.
    pub(super) item: Arc<Codec>,
}

/// A part that is there where every switch stands so; written, it sets them.
#[derive(Debug)]
pub(super) struct When {
    pub(super) switches: Vec<Narrow>,
    pub(super) part: Box<Part>,
}

/// One line of a mapping.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) leaf: LeafId,
    pub(super) nullable: bool,
    pub(super) source: Source,
}

/// Where a leaf comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// It is always the same.
    Constant(Value),
    /// A native scalar.
    Native(Box<Native>),
    /// Several native texts in a row.
    Join(Join),
    /// The first rule that holds.
    First(Vec<Rule>),
    /// Worked out of native numbers.
    Calc(Box<Calc>),
    /// A part of a native text; the object's `texts` write it.
    Hole(Box<Held>),
    /// A text of which the beginning stands elsewhere.
    Behind(Box<Behind>),
    /// A reference to a key of several parts.
    Tuple(Box<Tuple>),
}

/// A native scalar, both ways.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) slot: u16,
    pub(super) codec: Arc<Codec>,
    pub(super) write_at: Path,
    /// Where a change writes it, if that is another place than a new record's.
    pub(super) update_at: Option<Path>,
    /// Where it is read, if that is another place.
    pub(super) read_at: Option<Path>,
    /// How its key is found, where what it reads as is a code.
    pub(super) find: Option<Arc<super::finding::Find>>,
    pub(super) create: bool,
    pub(super) update: bool,
}

impl Native {
    /// One that is written where and as it is read.
    pub(super) fn plain(slot: u16, codec: Arc<Codec>, at: Path, create: bool, update: bool) -> Self {
        Self { slot, codec, write_at: at, update_at: None, read_at: None, find: None, create, update }
    }
}

/// Where a field stands in a native text.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) slot: u16,
    pub(super) pattern: Arc<Pattern>,
    pub(super) hole: usize,
    /// Of the hole.
    pub(super) codec: Arc<Codec>,
    /// Spellings of nothing for the whole text.
    pub(super) absent: Nothing,
    pub(super) create: bool,
    pub(super) update: bool,
}

/// Texts put together; read only, unless the first part takes the whole.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) parts: Vec<(u16, Path)>,
    pub(super) by: Box<str>,
    pub(super) otherwise: Option<(u16, Path)>,
    /// The first part, where all of the text is written to it and the others are emptied.
    pub(super) back: Option<Box<Native>>,
    /// Most characters of the field.
    pub(super) chars_max: u32,
}

/// A rule of `first`.
#[derive(Debug)]
pub(super) struct Rule {
    /// Native scalars that must have these spellings; or must be nothing.
    pub(super) when: Vec<(u16, Option<Box<str>>)>,
    pub(super) then: Then,
}

/// What a rule gives.
#[derive(Debug)]
pub(super) enum Then {
    /// A value.
    Is(Value),
    /// A native scalar's value, if it has one.
    At(u16, Box<Codec>),
    /// What is worked out of native numbers.
    Calc(Box<Calc>),
}

/// Something about a record that a person should know; counted by system and field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which field.
    pub leaf: LeafId,
    /// What.
    pub what: What,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The native value is not of the field's type; the field is left out.
    Unfit(&'static str),
    /// The native value can mean two; one was taken.
    Assumed(&'static str),
    /// The table does not know the native value (shown, for the operator).
    UnknownValue(CompactString),
    /// No rule holds.
    NoRule,
    /// A list was due.
    NotAList,
    /// It is money, and the record does not say of which currency; the amount is left out.
    NoCurrency,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unfit(why) | Self::Assumed(why) => f.write_str(why),
            Self::UnknownValue(value) => write!(f, "`{value}` is not in its table"),
            Self::NoRule => f.write_str("no rule holds"),
            Self::NotAList => f.write_str("a list was due"),
            Self::NoCurrency => f.write_str("an amount without its currency"),
        }
    }
}

impl What {
    /// A short name, as a metric's label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unfit(_) => "unfit",
            Self::Assumed(_) => "assumed",
            Self::UnknownValue(_) => "unknown_value",
            Self::NoRule => "no_rule",
            Self::NotAList => "not_a_list",
            Self::NoCurrency => "no_currency",
        }
    }
}

impl Mapping {
    /// The entity.
    pub fn entity(&self) -> &Arc<Entity> {
        &self.entity
    }

    /// The system.
    pub fn system(&self) -> &SystemName {
        &self.system
    }

    /// Leaves that a line of this mapping fills, or that another system tells; of the others nothing is known.
    pub fn mapped(&self) -> FieldSet {
        self.own().union(&self.elsewhere())
    }

    /// Leaves that some group or list element gets as a constant. A group or an element of which nothing else is
    /// there is none; to a caller who sees nothing else of it, it must be none too, or a constant would tell that
    /// a hidden value is there.
    pub fn tags(&self) -> FieldSet {
        self.tags.iter().map(|(leaf, _)| *leaf).collect()
    }

    /// Leaves together with those that decide whether they are there at all: a constant of a group is there when
    /// anything else of the group is. Read with these, a record has the same constants whatever else was wanted.
    #[must_use]
    pub fn deciding(&self, leaves: &FieldSet) -> FieldSet {
        let deciders = self.tags.iter().filter(|(tag, _)| leaves.contains(*tag));
        deciders.fold(*leaves, |all, (_, beside)| all.union(beside))
    }

    /// Of leaves that may serve a filter or an order, those that tell of nothing beside them: a constant is there
    /// because something else of its group is, so it serves only where all of that may too.
    #[must_use]
    pub fn telling(&self, clear: &FieldSet) -> FieldSet {
        let open = clear.union(&self.tags());
        let blind = self.tags.iter().filter(|(_, beside)| !beside.minus(&open).is_empty());
        clear.minus(&blind.map(|(tag, _)| *tag).collect())
    }

    /// The entity's name.
    pub fn name(&self) -> &EntityName {
        &self.entity.name
    }
}

impl Part {
    /// Every line at or under this part, and whether it stands in a native list.
    pub(super) fn lines<'p>(&'p self, in_each: bool, see: &mut dyn FnMut(&'p Line, bool)) {
        match self {
            Self::Leaf(line) => see(line, in_each),
            Self::Object(object) => object.lines(in_each, see),
            Self::Slots(slots) => slots.iter().for_each(|slot| slot.lines(in_each, see)),
            Self::Each(each) => each.all().for_each(|each| each.item.lines(true, see)),
            Self::Split(split) => see(&split.line, in_each),
            Self::When(when) => when.part.lines(in_each, see),
        }
    }

    /// The part itself, whatever has to hold for it.
    pub(super) fn bare(&self) -> &Self {
        match self {
            Self::When(when) => when.part.bare(),
            Self::Leaf(_) | Self::Object(_) | Self::Slots(_) | Self::Each(_) | Self::Split(_) => self,
        }
    }
}

impl ObjectPart {
    /// Every line under this object.
    pub(super) fn lines<'p>(&'p self, in_each: bool, see: &mut dyn FnMut(&'p Line, bool)) {
        self.parts.iter().for_each(|named| named.part.lines(in_each, see));
        let branches = self.choices.iter().flat_map(|choice| &choice.branches);
        branches.flat_map(|branch| &branch.lines).for_each(|named| named.part.lines(in_each, see));
    }

    /// The leaf that is written to a native place of the record, and how.
    pub(super) fn of_place(&self, at: &Path) -> Option<(LeafId, &Native)> {
        let mut found = None;
        self.lines(false, &mut |line, in_each| {
            if let Source::Native(native) = &line.source
                && !in_each
                && native.write_at == *at
            {
                found = found.or(Some((line.leaf, &**native)));
            }
        });
        found
    }

    /// Whether a position is filled by a choice.
    pub(super) fn is_chosen(&self, position: u16) -> bool {
        self.choices.iter().any(|choice| choice.fields.iter().any(|(filled, _)| *filled == position))
    }

    /// The part that fills a position.
    pub(super) fn at(&self, position: u16) -> Option<&Named> {
        // INVARIANT: sorted by position.
        let at = self.parts.binary_search_by_key(&position, |named| named.position).ok()?;
        self.parts.get(at)
    }
}
