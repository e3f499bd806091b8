//! Fields that are not written: named calls of the system lead to their values.
//!
//! A value has ways to it. Each says from which values it leads, and the calls that go it, in their order. What no way
//! leads to from where the record is, is refused with its place before anything is sent. The calls come after whatever
//! else a write changes. The first one carries the version of the record where nothing went before it; what comes later
//! follows a change of this very write.
//!
//! Whether the record came to the value is seen when it is read back ([`Lead::is_reached`]): there are systems that say
//! yes and do nothing.

use http::Method;

use super::{
    model::{Call, Mapping, Narrow},
    native::{NativeAnswer, NativeRequest},
    out::Out,
    outward::{MappingFault, Naming, Whose, whole},
    parts::{PartChange, PartDraft, PartRequest},
    places::leaf_of,
    trie::Raws,
};
use crate::schema::{FieldSet, LeafId, Record, Value};

/// A field and the ways to its values.
#[derive(Debug)]
pub(super) struct LedField {
    pub(super) position: u16,
    pub(super) leaf: LeafId,
    pub(super) name: Box<str>,
    /// What a new record has; without it none is led anywhere.
    pub(super) new: Option<Value>,
    pub(super) ways: Vec<Way>,
}

/// How a record comes to a value.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) to: Value,
    pub(super) from: Vec<Value>,
    /// What the record must say natively besides.
    pub(super) when: Vec<Narrow>,
    pub(super) calls: Vec<Call>,
}

/// A field that a write leads to a value.
#[derive(Clone, Debug)]
pub struct Lead {
    position: u16,
    /// The field.
    pub leaf: LeafId,
    /// Its place in what was sent.
    pub pointer: String,
    value: Value,
}

impl Lead {
    /// Whether a record, as it was read back, came to the value.
    pub fn is_reached(&self, record: &Record) -> bool {
        record.fields.at(self.position) == Some(&self.value)
    }
}

/// A call of a way, by its place in the mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    action: usize,
    way: usize,
    call: usize,
}

/// What a write leads where, and the calls for it.
pub(super) type Led = (Vec<Lead>, Vec<PartDraft>);

impl Mapping {
    /// Leaves that calls lead to their values.
    pub fn led(&self) -> FieldSet {
        self.actions.iter().map(|action| action.leaf).collect()
    }

    /// The same, as far as a new record may be led.
    pub(super) fn led_at_once(&self) -> FieldSet {
        self.actions.iter().filter(|action| action.new.is_some()).map(|action| action.leaf).collect()
    }

    /// What a new record has in such a field before it is led anywhere.
    pub(super) fn led_from(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.actions.iter().filter_map(|action| Some((action.position, action.new.as_ref()?)))
    }

    /// The values that such fields are sent with.
    pub(super) fn led_in<'r>(&'r self, record: &'r Record) -> impl Iterator<Item = (u16, Option<&'r Value>)> {
        self.actions.iter().map(|action| (action.position, record.fields.at(action.position)))
    }

    /// The ways on which a stored record, as the system told it, is.
    pub(super) fn open_ways(&self, raws: &Raws<'_>) -> Vec<(usize, usize)> {
        let is_so = |when: &Narrow| raws.get(0, when.slot).text().is_some_and(|text| *text == *when.value);
        let mut open = Vec::new();
        for (action, LedField { ways, .. }) in self.actions.iter().enumerate() {
            let fits = |(_, way): &(usize, &Way)| !way.when.is_empty() && way.when.iter().all(is_so);
            open.extend(ways.iter().enumerate().filter(fits).map(|(way, _)| (action, way)));
        }
        open
    }

    /// Where a write leads the record: `open` are the ways that it is on of those that ask for native values.
    ///
    /// # Errors
    /// What no way leads to from where the record is.
    pub(super) fn leads(
        &self,
        (old, new): (Option<&Record>, &Record),
        open: &[(usize, usize)],
    ) -> Result<Led, Vec<MappingFault>> {
        let (mut leads, mut turns, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (number, action) in self.actions.iter().enumerate() {
            let said = |record: &Record| leaf_of(record.fields.at(action.position)).cloned();
            let to = said(new);
            let from = old.map_or_else(|| action.new.clone(), said);
            if to == from || (old.is_none() && to.is_none()) {
                continue;
            }
            let pointer = format!("/{}", action.name);
            let way = to.as_ref().and_then(|to| action.way(number, (from.as_ref(), to), open));
            let (Some((way, calls)), Some(value)) = (way, to.clone()) else {
                faults.push(MappingFault {
                    whose: Whose::Caller,
                    leaf: Some(action.leaf),
                    pointer,
                    message: action.why_not(to.as_ref()),
                });
                continue;
            };
            for call in 0..calls {
                let turn = Turn { action: number, way, call };
                turns.push(PartDraft::turn(action.position, pointer.clone(), turn));
            }
            leads.push(Lead { position: action.position, leaf: action.leaf, pointer, value });
        }
        if faults.is_empty() { Ok((leads, turns)) } else { Err(faults) }
    }

    /// The request of a call; `guard` is the record's version where the call is the first of a change.
    pub(super) fn led_by(
        &self,
        (turn, pointer): (Turn, String),
        key: &str,
        guard: Guard<'_>,
    ) -> Result<PartRequest, MappingFault> {
        let own = |message: &str| MappingFault { whose: Whose::System, ..whole(message) };
        let way = self.actions.get(turn.action).and_then(|action| action.ways.get(turn.way));
        let call =
            way.and_then(|way| way.calls.get(turn.call)).ok_or_else(|| own("there is no such call"))?;
        let request = match guard {
            Guard::By(version) => self.keyed(call, key, version)?,
            Guard::Made => self.addressed_to(call, key)?,
        };
        let version = match guard {
            Guard::By(version) => version,
            Guard::Made => None,
        };
        let body = (call.method == Method::POST || call.body.is_some()).then(Out::object);
        let named = self.called(key)?;
        let body = body.map(|body| call.carrying(Naming::of(&named, version), body));
        let request: NativeRequest = self.finish(request, body);
        Ok(PartRequest { request, pointer, what: PartChange::Led })
    }

    /// Notes the ways that a stored record is on.
    pub(super) fn ways_of(&self, answer: &NativeAnswer) -> Result<Vec<(usize, usize)>, super::SystemFault> {
        if self.actions.iter().all(|action| action.ways.iter().all(|way| way.when.is_empty())) {
            return Ok(Vec::new());
        }
        let mut raws = Raws::new(&self.words.absent);
        raws.restart(self.frame);
        self.told(&answer.body, &mut raws)?;
        Ok(self.open_ways(&raws))
    }
}

/// What guards a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guard<'v> {
    /// The version of the record, where the system has versions.
    By(Option<&'v str>),
    /// A change of the same write that went before.
    Made,
}

impl LedField {
    /// The first way that leads there, and how many calls go it.
    fn way(
        &self,
        number: usize,
        (from, to): (Option<&Value>, &Value),
        open: &[(usize, usize)],
    ) -> Option<(usize, usize)> {
        let from = from?;
        let fits = |(at, way): &(usize, &Way)| {
            way.to == *to && way.from.contains(from) && (way.when.is_empty() || open.contains(&(number, *at)))
        };
        self.ways.iter().enumerate().find(fits).map(|(at, way)| (at, way.calls.len()))
    }

    /// Why nothing leads there. ORDER: no value of the record in the text, which the caller may not see.
    fn why_not(&self, to: Option<&Value>) -> String {
        let Some(to) = to else { return "the system cannot empty this field".to_owned() };
        let mut from: Vec<&str> = Vec::new();
        for value in self.ways.iter().filter(|way| way.to == *to).flat_map(|way| &way.from) {
            from.extend(value.as_text().filter(|text| !from.contains(text)));
        }
        match from.is_empty() {
            true => "the system has no way to this value".to_owned(),
            false => format!("the system has a way to this value from `{}` only", from.join("` or `")),
        }
    }
}
