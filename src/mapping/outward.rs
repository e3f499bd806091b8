//! The way out: a record, or what changed in it, becomes a native request.
//!
//! Only changed lines are sent. What cannot be written is a fault with its pointer; nothing is dropped or cut.

use std::sync::Arc;

use compact_str::CompactString;
use http::{HeaderValue, Method};
use jiff::Timestamp;

use super::{
    actions::{Guard, Lead},
    body::{Hole, Holes},
    errors::SystemFault,
    finding::{Found, Sought},
    key::{Called, Key},
    listing::Request,
    merge::Put,
    model::{Call, Held, Join, Line, Mapping, Named, Narrow, Native, ObjectPart, Part, Source},
    native::NativeRequest,
    out::Out,
    over::with_over,
    parts::{Changes, Creation, PartDraft, PartVersions},
    path::{Path, Step},
    places::fields_of,
    sets::{self, Moment},
};
use crate::{
    catalog::Action,
    clock,
    schema::{FieldSet, Fields, LeafId, Object, Record, Shape, Value},
};

mod checks;
mod codes;
mod commands;
mod entries;
mod lists;
mod more;
mod parts;
mod switches;
mod view;

pub(super) use view::writable;

pub(super) use more::{back_to_parts, packed, written_text};

/// Most faults told of one record.
const FAULTS_MAX: usize = 100;

/// Something about a record that this system cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFault {
    /// Whose it is.
    pub whose: Whose,
    /// Which leaf, where it is one; whoever tells a caller tells of leaves only that it may see or write.
    pub leaf: Option<LeafId>,
    /// A JSON Pointer into what was sent; empty for the whole.
    pub pointer: String,
    /// What is wrong, for the caller; of an update it holds no value of the record, which the caller may not see.
    pub message: String,
}

/// Whose fault it is that a record cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's, who sent what the system cannot take.
    Caller,
    /// The caller's, who named by a code what the system has more than once.
    Several,
    /// The system's: its own record lacks what a change of it needs.
    System,
}

impl MappingFault {
    /// The system's own fault among faults; with one, none is the caller's to mend.
    pub fn of_system(faults: &[Self]) -> Option<SystemFault> {
        let own = faults.iter().find(|fault| fault.whose == Whose::System)?;
        Some(SystemFault::unreadable(own.message.clone()))
    }
}

/// What a caller may send for an operation, as far as the system goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteView {
    /// Leaves that may be sent; one that is derived must agree with what will be read back.
    pub writable: FieldSet,
    /// Leaves that must be.
    pub required: FieldSet,
}

impl Mapping {
    /// Whether the system can do it.
    pub fn can(&self, action: Action) -> bool {
        match action {
            Action::Read => self.read.is_some(),
            Action::List => !self.lists.is_empty(),
            Action::Create => self.create.is_some(),
            Action::Update => self.update.is_some(),
            Action::Delete => self.delete.is_some(),
            Action::Call => false,
        }
    }

    /// Where new records are posted; none where they are not.
    pub fn posts_to(&self) -> Option<String> {
        let call = self.create.as_ref().filter(|call| call.method == Method::POST)?;
        Some(call.address(&self.at))
    }

    /// The request that makes a record; of one whose elements are written by themselves, the record without them.
    ///
    /// # Errors
    /// What of the record the system cannot take.
    pub fn create(&self, record: &Record) -> Result<NativeRequest, Vec<MappingFault>> {
        self.creation(record, None).map(|creation| creation.record)
    }

    /// The requests that make a record: itself, and its elements that are written by themselves. `found` are the keys
    /// that [`searches`](Self::searches) have found; without them codes stand in their places.
    ///
    /// # Errors
    /// What of the record the system cannot take; and a code of which no key was found.
    pub fn creation(&self, record: &Record, found: Option<&Found>) -> Result<Creation, Vec<MappingFault>> {
        self.creation_at(record, found, clock::now().wall)
    }

    /// The same, at a moment.
    pub(super) fn creation_at(
        &self,
        record: &Record,
        found: Option<&Found>,
        now: Timestamp,
    ) -> Result<Creation, Vec<MappingFault>> {
        let call = self.create.as_ref().ok_or_else(|| vec![whole("the system cannot make such records")])?;
        let Drafted { body, parts, leads, over } = self.native_of(record, found, now)?;
        let named = over.as_deref();
        let address = with_over(call.address(&self.at), named);
        let address = address.ok_or_else(|| vec![self.no_parent()])?;
        let request = Request::new(call.method.clone(), address).with(&call.query, &call.headers);
        let naming = Naming { over: named, ..Naming::default() };
        let record = self.finish(request, Some(self.carried(call, naming, body)?));
        let over = over.map(|key| Arc::new(self.parent(&key)));
        Ok(Creation { record, parts, leads, over })
    }

    /// A new record as the system has it, with nothing around it yet; what is written once it has a key; and the
    /// fields that are led to a value.
    pub(super) fn native_of(
        &self,
        record: &Record,
        found: Option<&Found>,
        now: Timestamp,
    ) -> Result<Drafted, Vec<MappingFault>> {
        let (leads, turns) = self.leads((None, record), &[])?;
        let out = Writing::new(true, &FieldSet::EMPTY).at(now);
        let mut out = Writing { found, splits: true, led: self.led(), ..out };
        out.object(&self.root, &self.entity.root, Some(&record.fields), None);
        self.say_outside(&mut out, None);
        for set in &self.set_found {
            out.set_found(set);
        }
        self.check_derived(&mut out, record, None);
        self.check_numbers(&mut out, record, None);
        self.check_required(&mut out, record);
        out.done()?;
        let over = out.parent.or_else(|| self.over.as_ref()?.new.clone());
        let (mut body, mut parts) = (out.body, out.drafts);
        parts.extend(turns);
        self.beside(&mut body, now).map_err(|why| vec![whole(&why)])?;
        Ok(Drafted { body, parts, leads, over })
    }

    /// A new record has to say its parent, and does not.
    fn no_parent(&self) -> MappingFault {
        let leaf =
            self.over.iter().find_map(|over| over.leaves.iter().find(|leaf| self.is_parent_key(*leaf)));
        let path = leaf.and_then(|leaf| self.entity.leaf(leaf)).map_or("", |leaf| leaf.path.as_str());
        let pointer = leaf.and_then(|leaf| self.pointers.get(usize::from(leaf.0)).cloned().flatten());
        MappingFault {
            leaf,
            pointer: pointer.unwrap_or_default(),
            ..whole(&format!("the system needs `{path}`"))
        }
    }

    fn is_parent_key(&self, leaf: LeafId) -> bool {
        let mut is = false;
        self.root.lines(false, &mut |line, _| {
            let writes = |native: &Native| native.create && native.write_at.steps() == [Step::Over];
            is |= line.leaf == leaf && matches!(&line.source, Source::Native(native) if writes(native));
        });
        is
    }

    /// Puts what a new record carries besides its fields.
    ///
    /// # Errors
    /// Why something of it cannot be worked out.
    pub(super) fn beside(&self, body: &mut Out, now: Timestamp) -> Result<(), String> {
        for narrow in &self.narrow {
            body.put(narrow.at.steps(), narrow.out.clone());
        }
        sets::put(&self.set, body, Moment { now, index: 0 })
    }

    /// The request that changes a record; `None` when no line's value differs.
    ///
    /// # Errors
    /// What of the change the system cannot take.
    pub fn update(
        &self,
        id: &str,
        old: &Record,
        new: &Record,
        version: Option<&str>,
    ) -> Result<Option<NativeRequest>, Vec<MappingFault>> {
        self.update_emptying(id, (old, new), version, &FieldSet::EMPTY, None)
    }

    /// The same, where the leaves `emptied` are cleared though `old` does not tell of a value in them: the system may
    /// hold one that does not fit the field. `found` are keys, as for [`creation`](Self::creation).
    ///
    /// # Errors
    /// As [`update`](Self::update); and that elements change which are written by themselves.
    pub fn update_emptying(
        &self,
        id: &str,
        records: (&Record, &Record),
        version: Option<&str>,
        emptied: &FieldSet,
        found: Option<&Found>,
    ) -> Result<Option<NativeRequest>, Vec<MappingFault>> {
        let changes = self.changes(id, records, (version, &PartVersions::default()), emptied, found)?;
        match changes.parts.is_empty() {
            true => Ok(changes.record),
            false => Err(vec![whole("this takes more than one request")]),
        }
    }

    /// The requests that change a record: itself, and its elements that are written by themselves, each guarded by
    /// the version that the system told.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn changes(
        &self,
        id: &str,
        records: (&Record, &Record),
        versions: (Option<&str>, &PartVersions),
        emptied: &FieldSet,
        found: Option<&Found>,
    ) -> Result<Changes, Vec<MappingFault>> {
        self.changes_at(id, records, versions, (emptied, found), clock::now().wall)
    }

    /// The same, at a moment.
    pub(super) fn changes_at(
        &self,
        id: &str,
        (old, new): (&Record, &Record),
        (version, versions): (Option<&str>, &PartVersions),
        (emptied, found): (&FieldSet, Option<&Found>),
        now: Timestamp,
    ) -> Result<Changes, Vec<MappingFault>> {
        let call =
            self.update.as_ref().ok_or_else(|| vec![whole("the system cannot change such records")])?;
        let (leads, turns) = self.leads((Some(old), new), &versions.ways)?;
        let over = call.merge.is_some().then(Vec::new);
        let mut out = Writing { found, led: self.led(), over, ..Writing::new(false, emptied).at(now) };
        out.object(&self.root, &self.entity.root, Some(&new.fields), Some(&old.fields));
        self.say_outside(&mut out, Some(old));
        self.check_derived(&mut out, new, Some(old));
        self.check_numbers(&mut out, new, Some(old));
        out.done()?;
        let parts = std::mem::take(&mut out.drafts).into_iter().map(|part| self.part(part, id, versions));
        let mut parts: Vec<_> = parts.collect::<Result<_, _>>().map_err(|fault| vec![fault])?;
        let mut is_first = out.body.is_empty() && parts.is_empty();
        for PartDraft { turn, pointer, .. } in turns {
            let guard = if is_first { Guard::By(version) } else { Guard::Made };
            is_first = false;
            if let Some(turn) = turn {
                parts.push(self.led_by((turn, pointer), id, guard).map_err(|fault| vec![fault])?);
            }
        }
        if out.body.is_empty() {
            return Ok(Changes { record: None, parts, leads });
        }
        let id = self.called_in(call, id, versions).map_err(|fault| vec![fault])?;
        let request = self.keyed(call, id, version).map_err(|fault| vec![fault])?;
        let named = self.named_in(call, id).map_err(|fault| vec![fault])?;
        let naming = Naming::of(&named, version);
        let record = match (&call.merge, out.over) {
            (Some(merge), Some(puts)) => {
                self.whole_request((call, merge), (request, naming), versions.stored.as_deref(), &puts)?
            }
            (Some(_) | None, _) => self.finish(request, Some(self.carried(call, naming, out.body)?)),
        };
        Ok(Changes { record: Some(record), parts, leads })
    }

    /// The request that removes a record.
    ///
    /// # Errors
    /// That the system cannot, or has no record of that id.
    pub fn delete(&self, id: &str, version: Option<&str>) -> Result<NativeRequest, MappingFault> {
        let call = self.delete.as_ref().ok_or_else(|| whole("the system cannot remove such records"))?;
        let request = self.keyed(call, id, version)?;
        let body = (call.method == Method::POST || call.body.is_some()).then(Out::object);
        let named = self.called(id)?;
        Ok(self.finish(request, body.map(|body| call.carrying(Naming::of(&named, version), body))))
    }

    /// What the record of an id is called by in requests.
    pub(super) fn called<'k>(&'k self, id: &'k str) -> Result<Called<'k>, MappingFault> {
        apart(&self.key, id)
    }

    /// The same, in a request that may call it by something else than its key.
    fn named_in<'k>(&'k self, call: &'k Call, id: &'k str) -> Result<Called<'k>, MappingFault> {
        apart(self.naming_key(call), id)
    }

    /// What a request calls a record by.
    pub(super) fn naming_key<'k>(&'k self, call: &'k Call) -> &'k Key {
        call.by.as_ref().unwrap_or(&self.key)
    }

    /// What a request calls the record of an id: that, or what the system told of it.
    fn called_in<'k>(
        &self,
        call: &Call,
        id: &'k str,
        versions: &'k PartVersions,
    ) -> Result<&'k str, MappingFault> {
        let Some(by) = &call.by else { return Ok(id) };
        let none = || {
            let at = by.parts().first().map(|part| part.at.to_string()).unwrap_or_default();
            let text = format!("the record has nothing at `{at}`, by which it is changed");
            MappingFault { whose: Whose::System, ..whole(&text) }
        };
        versions.called.as_deref().ok_or_else(none)
    }

    /// A request on one record, guarded by its version where the system has versions. Key and version are the
    /// system's own words, so what is wrong with them is its fault.
    pub(super) fn keyed(
        &self,
        call: &Call,
        id: &str,
        version: Option<&str>,
    ) -> Result<Request, MappingFault> {
        let own = |message| MappingFault { whose: Whose::System, ..whole(message) };
        let mut request = self.addressed_to(call, id)?;
        if let Some(spec) = &self.version {
            let none = || own("there is no version of the record to guard it");
            let version = version.filter(|version| !version.is_empty()).ok_or_else(none)?;
            if let Some(header) = &spec.header {
                let value = HeaderValue::try_from(version).map_err(|_| none())?;
                request.headers.insert(header.clone(), value);
            }
        }
        Ok(request)
    }

    /// The same without a guard.
    pub(super) fn addressed_to(&self, call: &Call, id: &str) -> Result<Request, MappingFault> {
        let own = |message| MappingFault { whose: Whose::System, ..whole(message) };
        let address = self.address(call, id).ok_or_else(|| own("no record can have this id"))?;
        Ok(Request::new(call.method.clone(), address).with(&call.query, &call.headers))
    }
}

fn apart<'k>(key: &'k Key, id: &'k str) -> Result<Called<'k>, MappingFault> {
    let none = || MappingFault { whose: Whose::System, ..whole("no record can have this id") };
    key.apart(id).ok_or_else(none)
}

/// A new record in the system's words.
pub(super) struct Drafted {
    /// The record, with nothing around it.
    pub(super) body: Out,
    /// What is written once it has a key.
    pub(super) parts: Vec<PartDraft>,
    /// Fields that are led to a value.
    pub(super) leads: Vec<Lead>,
    /// The parent that it goes to, where it says one.
    pub(super) over: Option<CompactString>,
}

impl Call {
    /// Whether its body holds the version of the record.
    pub(super) fn holds_version(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == Hole::Version))
    }

    /// The body of a write: the record, inside what the file puts around it.
    pub(super) fn carrying(&self, naming: Naming<'_>, record: Out) -> Out {
        let Naming { key, over, version } = naming;
        match &self.body {
            None => record,
            Some(body) => {
                body.fill(&mut Holes { record: Some(record), key, over, version, ..Holes::default() })
            }
        }
    }
}

/// What a body may say of the record that it is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Naming<'n> {
    pub(super) key: Option<&'n str>,
    /// The parent, where the key holds one.
    pub(super) over: Option<&'n str>,
    pub(super) version: Option<&'n str>,
}

impl<'n> Naming<'n> {
    pub(super) fn of(named: &'n Called<'_>, version: Option<&'n str>) -> Self {
        Self { key: Some(&named.own), over: named.over.as_deref(), version }
    }
}

pub(super) fn whole(message: &str) -> MappingFault {
    MappingFault { whose: Whose::Caller, leaf: None, pointer: String::new(), message: message.to_owned() }
}

impl Native {
    pub(super) fn writes(&self, create: bool) -> bool {
        if create { self.create } else { self.update }
    }

    /// Where it is written, with a new record or by a change.
    pub(super) fn place(&self, create: bool) -> &Path {
        self.update_at.as_ref().filter(|_| !create).unwrap_or(&self.write_at)
    }
}

impl Held {
    pub(super) fn writes(&self, create: bool) -> bool {
        if create { self.create } else { self.update }
    }
}

/// A derived value that a caller sent.
struct Derived<'m> {
    leaf: LeafId,
    pointer: String,
    sent: Option<Value>,
    join: Option<&'m Join>,
}

/// A body under construction.
pub(super) struct Writing<'m> {
    create: bool,
    /// When it is written.
    now: Timestamp,
    /// Leaves that are cleared whether or not a value is known.
    emptied: &'m FieldSet,
    pub(super) body: Out,
    /// What is written outside native lists, by the slots that it is read from, where somebody asks.
    pub(super) slots: Option<Vec<(u16, Out)>>,
    /// The parent that a new record goes to.
    parent: Option<CompactString>,
    /// What is written by its places, where a whole record is sent and this goes over it.
    over: Option<Vec<Put>>,
    in_each: bool,
    /// What the switches of this object, or list element, have to be.
    switches: Vec<(&'m Path, &'m Out)>,
    /// What the record that holds a list has to say of its elements, and where that was said.
    outside: Vec<(&'m Narrow, Option<LeafId>, String)>,
    /// How many native values were put.
    puts: usize,
    pointer: String,
    faults: Vec<MappingFault>,
    derived: Vec<Derived<'m>>,
    /// Whether elements of a new record that are written by themselves are left out of its body.
    splits: bool,
    /// Whether an element is written by itself.
    parts_only: bool,
    /// Elements that are.
    drafts: Vec<PartDraft>,
    /// Leaves that calls lead to their values: nothing is written for them.
    led: FieldSet,
    /// Leaves of lists in a record that is there, of which elements are.
    pub(super) relisted: FieldSet,
    /// Keys by codes; without them codes stand in their places.
    found: Option<&'m Found>,
    /// Codes of which keys are wanted.
    pub(super) sought: Vec<Sought>,
    /// Places of this object, or list element, that a key was found for.
    found_here: Vec<&'m Path>,
    /// What a list element is made of, inside of one.
    item: Option<&'m Part>,
}

impl<'m> Writing<'m> {
    pub(super) fn new(create: bool, emptied: &'m FieldSet) -> Self {
        Self {
            create,
            now: Timestamp::UNIX_EPOCH,
            emptied,
            body: Out::object(),
            slots: None,
            parent: None,
            over: None,
            in_each: false,
            switches: Vec::new(),
            outside: Vec::new(),
            puts: 0,
            pointer: String::new(),
            faults: Vec::new(),
            derived: Vec::new(),
            splits: false,
            parts_only: false,
            drafts: Vec::new(),
            led: FieldSet::EMPTY,
            relisted: FieldSet::EMPTY,
            found: None,
            sought: Vec::new(),
            found_here: Vec::new(),
            item: None,
        }
    }

    /// The same, at a moment.
    pub(super) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The same, noting what is written by the slots that it is read from; but for what calls lead somewhere.
    pub(super) fn noting(self, led: FieldSet) -> Self {
        Self { slots: Some(Vec::new()), led, ..self }
    }

    /// Whether the body is one as it is read, to see what a write comes to.
    fn is_held(&self) -> bool {
        self.slots.is_some()
    }

    /// Leaves that cannot be sent as they are; none where all can.
    pub(super) fn faulty(&self) -> Option<FieldSet> {
        let leaves = self.faults.iter().filter_map(|fault| fault.leaf);
        (!self.faults.is_empty()).then(|| leaves.collect())
    }

    fn done(&mut self) -> Result<(), Vec<MappingFault>> {
        if self.faults.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.faults)) }
    }

    fn fault(&mut self, leaf: Option<LeafId>, pointer: String, message: String) {
        self.push(MappingFault { whose: Whose::Caller, leaf, pointer, message });
    }

    fn push(&mut self, fault: MappingFault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn fault_here(&mut self, leaf: Option<LeafId>, message: impl Into<String>) {
        let pointer = self.pointer.clone();
        self.fault(leaf, pointer, message.into());
    }

    /// Steps into a member for the time of `then`.
    fn within(&mut self, name: &str, then: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(name);
        then(self);
        self.pointer.truncate(length);
    }

    pub(super) fn object(
        &mut self,
        part: &'m ObjectPart,
        shape: &Object,
        new: Option<&Fields>,
        old: Option<&Fields>,
    ) {
        let is_left = |named: &&Named| {
            let is_empty = || {
                let new = new.and_then(|fields| fields.at(named.position));
                new.is_none_or(|value| *value == Value::Null)
            };
            matches!(named.part, Part::When(_)) && is_empty()
        };
        // ORDER: what leaves a native place that others share goes first.
        let (left, rest) =
            (part.parts.iter().filter(is_left), part.parts.iter().filter(|named| !is_left(named)));
        for named in left.chain(rest) {
            let new = new.and_then(|fields| fields.at(named.position));
            // With a new record nothing is sent for nothing.
            if self.create && new.is_none() && matches!(named.part, Part::Leaf(_)) {
                continue;
            }
            let Some(field) = shape.at(named.position) else { continue };
            let old = old.and_then(|fields| fields.at(named.position));
            self.within(&named.name, |this| this.part(&named.part, &field.shape, new, old));
        }
        for choice in &part.choices {
            self.choice(choice, shape, new, old);
        }
        part.texts.iter().for_each(|text| self.text(text, shape, new, old));
        // What no line keeps cannot be sent; unchanged, it does no harm.
        for (position, value) in new.into_iter().flat_map(Fields::iter) {
            let Some(field) = shape.at(position) else { continue };
            let id = matches!(field.shape, Shape::Leaf(LeafId(0)));
            let unchanged = !self.create && old.and_then(|old| old.at(position)) == Some(value);
            let is_kept = part.at(position).is_some() || part.is_chosen(position);
            if !is_kept && !matches!(value, Value::Null) && !unchanged && !id {
                self.within(&field.name, |this| this.fault_here(None, "the system does not keep this field"));
            }
        }
    }

    fn part(&mut self, part: &'m Part, shape: &Shape, new: Option<&Value>, old: Option<&Value>) {
        match (part, shape) {
            (Part::Leaf(line), _) => self.line(line, new, old),
            (Part::Object(object), Shape::Object(shape)) => {
                self.object(object, shape, fields_of(new), fields_of(old));
            }
            (Part::Slots(slots), Shape::List(item)) => self.slots(slots, item, new, old),
            (Part::Each(each), Shape::List(item)) => self.each(each, item, new, old),
            (Part::Split(split), _) => self.split(split, new, old),
            (Part::When(when), _) => self.when(when, shape, new, old),
            (Part::Object(_) | Part::Slots(_) | Part::Each(_), _) => {}
        }
    }

    fn line(&mut self, line: &'m Line, new: Option<&Value>, old: Option<&Value>) {
        if self.led.contains(line.leaf) {
            return;
        }
        let some = |value: Option<&Value>| value.is_some_and(|value| !matches!(value, Value::Null));
        let is_emptied = !some(new) && self.empties(line);
        let same = !is_emptied && (new == old || (!some(new) && !some(old)));
        // With a new record nothing is sent for nothing; of a change only what differs.
        if same || (self.create && !some(new)) {
            return;
        }
        match &line.source {
            Source::Constant(constant) => {
                if some(new) && new != Some(constant) {
                    let shown = constant.as_text().unwrap_or("another value");
                    self.fault_here(Some(line.leaf), format!("the system keeps only `{shown}` here"));
                }
            }
            Source::Native(native) if native.writes(self.create) => {
                // A key may be said as it is, or by a code: who leaves out one of the two says nothing of it.
                if !some(new) && self.is_said_twice(native) {
                    return;
                }
                match native.codec.write(new.unwrap_or(&Value::Null)) {
                    Ok(out) => {
                        // What it reads as afterwards may be spelt otherwise than what is written.
                        let held =
                            self.slots.as_ref().map(|_| native.codec.held(new.unwrap_or(&Value::Null)));
                        self.scalar(line.leaf, native, out, held.and_then(Result::ok));
                    }
                    Err(why) => self.fault_here(Some(line.leaf), why),
                }
            }
            Source::Native(_) => self.fault_here(Some(line.leaf), "the system does not let this be set"),
            Source::Join(join) => match &join.back {
                Some(native) if native.writes(self.create) => self.back(line.leaf, join, native, new),
                Some(_) | None => self.derive(line.leaf, new, Some(join)),
            },
            // ORDER: written with the other fields of the same text.
            Source::Hole(held) if held.writes(self.create) => {}
            Source::Hole(_) => self.fault_here(Some(line.leaf), "the system does not let this be set"),
            Source::Behind(behind) => self.behind(line.leaf, behind, new),
            Source::Tuple(tuple) => self.tuple(line.leaf, tuple, new),
            Source::First(_) | Source::Calc(_) => self.derive(line.leaf, new, None),
        }
    }

    /// Puts a native value, and notes the slot that it will be read from.
    fn put(&mut self, slot: u16, at: &Path, out: Out, held: Option<Out>) {
        if let Some(slots) = self.slots.as_mut().filter(|_| !self.in_each) {
            slots.push((slot, held.unwrap_or_else(|| out.clone())));
        }
        if let Some(over) = self.over.as_mut().filter(|_| !self.in_each) {
            over.push((at.clone(), out.clone()));
        }
        if at.steps() == [Step::Over] {
            self.parent = out.raw().text().map(Into::into);
            return;
        }
        self.puts += 1;
        self.body.put(at.steps(), out);
    }

    /// Whether a line's value is cleared though it is not known.
    fn empties(&self, line: &Line) -> bool {
        let is_written = match &line.source {
            Source::Native(native) | Source::Join(Join { back: Some(native), .. }) => {
                native.writes(self.create)
            }
            Source::Hole(held) => held.writes(self.create),
            Source::Behind(behind) => behind.rest.writes(self.create),
            Source::Tuple(tuple) => tuple.writes(self.create),
            Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) => false,
        };
        is_written && !self.create && self.emptied.contains(line.leaf)
    }

    fn derive(&mut self, leaf: LeafId, sent: Option<&Value>, join: Option<&'m Join>) {
        if self.parts_only {
            // Of one element alone nobody can see what it will be put together to.
            if sent.is_some_and(|value| *value != Value::Null) {
                self.fault_here(Some(leaf), "this is worked out by the system and cannot be sent");
            }
            return;
        }
        self.derived.push(Derived { leaf, pointer: self.pointer.clone(), sent: sent.cloned(), join });
    }
}
