//! Fields that are kept in one of several ways: of the branches of `$one_of` the first is read that stands there,
//! and the first is written that takes what was sent. What no branch takes is refused, never dropped.

use super::{
    codec::{Codec, Got},
    model::{Line, Named, Narrow, Part, Source},
    out::Out,
    path::Path,
    scan::Raw,
    trie::Raws,
};
use crate::schema::{FieldSet, Fields, Value};

/// Ways to keep some fields of one object.
#[derive(Debug)]
pub(super) struct Choice {
    /// Every field of any branch: its position and leaf.
    pub(super) fields: Vec<(u16, FieldSet)>,
    pub(super) branches: Vec<Branch>,
}

/// One way.
#[derive(Debug)]
pub(super) struct Branch {
    /// Native scalars that say it is this one; written with it.
    pub(super) switches: Vec<Narrow>,
    /// Single values.
    pub(super) lines: Vec<Named>,
}

/// What a record says of a choice.
pub(super) enum Chosen<'c> {
    /// It is this one.
    Branch(&'c Branch),
    /// It is none that the file knows.
    Unknown,
    /// There is nothing.
    Nothing,
    /// The answer does not tell.
    Untold,
}

impl Choice {
    /// Every leaf of any branch.
    pub(super) fn leaves(&self) -> FieldSet {
        self.fields.iter().fold(FieldSet::EMPTY, |all, (_, leaves)| all.union(leaves))
    }

    /// Which branch a native record is of.
    pub(super) fn read(&self, raws: &Raws<'_>, base: usize) -> Chosen<'_> {
        let (mut is_told, mut is_other) = (false, false);
        for branch in &self.branches {
            match super::inward::is_so(raws, &branch.switches, base) {
                Some(true) => {}
                Some(false) => {
                    let told = |switch: &Narrow| raws.get(base, switch.slot).text().is_some();
                    is_other |= branch.switches.iter().any(told);
                    is_told = true;
                    continue;
                }
                None => continue,
            }
            let mut slots = branch.slots();
            is_told |= slots.clone().any(|(slot, _)| raws.get(base, slot) != Raw::Absent);
            let is_there = |(slot, codec): (u16, &Codec)| {
                let raw = raws.get(base, slot);
                raw.text().is_some() && !codec.absent.is(raw)
            };
            if !branch.switches.is_empty() {
                return Chosen::Branch(branch);
            }
            if slots.any(is_there) {
                return Chosen::Branch(self.of_form(branch, raws, base));
            }
        }
        match (is_other, is_told) {
            (true, _) => Chosen::Unknown,
            (false, true) => Chosen::Nothing,
            (false, false) => Chosen::Untold,
        }
    }

    /// The branch that a value is of where it is not of the form of the first one for its place: another for the same
    /// place that it fits.
    fn of_form<'c>(&'c self, first: &'c Branch, raws: &Raws<'_>, base: usize) -> &'c Branch {
        let fits = |branch: &&Branch| {
            let unfit =
                |(slot, codec): (u16, &Codec)| matches!(codec.read(raws.get(base, slot)), Got::Unfit(_));
            !branch.slots().any(unfit)
        };
        if fits(&first) {
            return first;
        }
        let is_there = |slot: u16| first.slots().any(|(own, _)| own == slot);
        let mut others = self.branches.iter().filter(|branch| {
            branch.switches.is_empty()
                && branch.slots().count() > 0
                && branch.slots().all(|(slot, _)| is_there(slot))
        });
        others.find(fits).unwrap_or(first)
    }

    /// The branch that takes what an object holds.
    pub(super) fn write(&self, fields: Option<&Fields>) -> Option<&Branch> {
        let sent = |position: u16| {
            fields.and_then(|fields| fields.at(position)).filter(|value| **value != Value::Null)
        };
        self.branches.iter().find(|branch| {
            self.fields.iter().all(|(position, _)| {
                let line = branch.lines.iter().find(|named| named.position == *position);
                match (line, sent(*position)) {
                    (Some(named), Some(value)) => takes(&named.part, value),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                }
            }) && branch.agrees(&sent)
        })
    }

    /// What the branches want, for whoever sent something else.
    pub(super) fn told(&self) -> String {
        let mut ways: Vec<String> = Vec::new();
        for branch in self.branches.iter().filter(|branch| branch.lines.iter().all(is_written)) {
            let way = match branch.lines.is_empty() {
                true => "nothing".to_owned(),
                false => branch.lines.iter().map(wanted).collect::<Vec<_>>().join(" with "),
            };
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        format!("the system takes one of these: {}", ways.join("; "))
    }
}

impl Branch {
    /// The native places that it is read from.
    fn slots(&self) -> impl Iterator<Item = (u16, &Codec)> + Clone {
        self.lines.iter().flat_map(|named| slots_of(&named.part))
    }

    /// Whether lines for one place, which are told by one value there, are all sent as that one.
    fn agrees<'v>(&self, sent: &impl Fn(u16) -> Option<&'v Value>) -> bool {
        let mut told: Vec<(&Path, Out)> = Vec::new();
        self.lines.iter().all(|named| {
            let Part::Leaf(Line { source: Source::Native(native), .. }) = &named.part else { return true };
            let Some(out) = sent(named.position).and_then(|value| native.codec.write(value).ok()) else {
                return true;
            };
            let is_other = told.iter().any(|(at, other)| **at == native.write_at && *other != out);
            told.push((&native.write_at, out));
            !is_other
        })
    }
}

/// The native places that a line of a branch is read from.
fn slots_of(part: &Part) -> impl Iterator<Item = (u16, &Codec)> + Clone {
    let native = match part {
        Part::Leaf(Line { source: Source::Native(native), .. }) => Some(&**native),
        Part::Leaf(Line { source: Source::Behind(behind), .. }) => Some(&behind.rest),
        Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {
            None
        }
    };
    native.map(|native| (native.slot, &*native.codec)).into_iter()
}

fn takes(part: &Part, value: &Value) -> bool {
    match part {
        Part::Leaf(Line { source: Source::Constant(constant), .. }) => value == constant,
        Part::Leaf(Line { source: Source::Native(native), .. }) => {
            native.create && native.codec.write(value).is_ok()
        }
        Part::Leaf(Line { source: Source::Behind(behind), .. }) => {
            behind.rest.create && behind.cut(value).is_ok()
        }
        Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {
            false
        }
    }
}

/// Whether a line of a branch goes with a new record; else the branch is only read.
fn is_written(named: &Named) -> bool {
    match &named.part {
        Part::Leaf(Line { source: Source::Native(native), .. }) => native.create,
        Part::Leaf(Line { source: Source::Behind(behind), .. }) => behind.rest.create,
        Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {
            true
        }
    }
}

/// A field of a branch, with its constant where it has one: file's words, no caller's.
fn wanted(named: &Named) -> String {
    let name = &named.name;
    match &named.part {
        Part::Leaf(Line { source: Source::Constant(value), .. }) => match value {
            Value::Text(text) => format!("`{name}` `{text}`"),
            Value::Decimal(number) => format!("`{name}` `{number}`"),
            Value::Integer(number) => format!("`{name}` `{number}`"),
            Value::Boolean(is) => format!("`{name}` `{is}`"),
            Value::Null | Value::Date(_) | Value::Instant(_) | Value::List(_) | Value::Object(_) => {
                format!("`{name}`")
            }
        },
        Part::Leaf(Line { source: Source::Behind(behind), .. }) => match &behind.head {
            super::behind::Head::Text(head) => format!("`{name}` that begins with `{head}`"),
            super::behind::Head::At(_) => format!("`{name}` that begins with a code the system knows"),
        },
        Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {
            format!("`{name}`")
        }
    }
}
