//! Parts that hang on more than one native scalar, or share one.

use super::{Absent, Build, Came, Findings as _};
use crate::{
    mapping::{
        calc::{Calc, NoValue},
        choice::{Choice, Chosen},
        codec::Got,
        errors::SystemFault,
        jq::Jq,
        model::{EachPart, Held, Mapping, Narrow, Part, Source, Split, What, When},
        native::NativeAnswer,
        over::Parent,
        scan::Raw,
        trie::Raws,
    },
    schema::{Fields, LeafId, Value},
};

/// Most elements read from one text.
const PIECES_MAX: usize = 1000;

impl Mapping {
    /// Room for what records hold, each with what it gets of the answer it comes in.
    pub(in crate::mapping) fn raws<'a>(
        &'a self,
        answer: &'a NativeAnswer,
        asked: Option<&'a str>,
        parent: Option<&'a Parent>,
    ) -> Result<Raws<'a>, SystemFault> {
        Ok(Raws::new(&self.words.absent).given(self.given(answer, asked, parent)?))
    }

    /// What each record gets of the answer it comes in, and of the parent that this was asked for.
    pub(in crate::mapping) fn given<'a>(
        &'a self,
        answer: &'a NativeAnswer,
        asked: Option<&'a str>,
        parent: Option<&'a Parent>,
    ) -> Result<Vec<(u16, Raw<'a>)>, SystemFault> {
        let parent = answer.over.as_deref().or(parent);
        let mut given: Vec<_> = parent.into_iter().flat_map(Parent::given).collect();
        let Some(around) = &self.around else { return Ok(given) };
        let head = |name: &http::HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let heads = around.heads.iter().map(|(name, to)| (*to, head(name).map_or(Raw::Absent, Raw::Text)));
        let key = around.asked.map(|to| (to, asked.map_or(Raw::Absent, Raw::Text)));
        let received = answer.received.as_ref().map_or(Raw::Absent, |at| Raw::Text(at.as_str()));
        let received = around.received.map(|to| (to, received));
        given.extend(heads.chain(key).chain(received));
        if !around.slots.is_empty() {
            let mut raws = Raws::new(&self.words.absent);
            raws.restart(around.frame);
            self.fill_place(&around.node, &answer.body, &mut raws)?;
            given.extend(around.slots.iter().map(|(from, to)| (*to, raws.get(0, *from))));
        }
        Ok(given)
    }
}

/// Whether native scalars stand as they have to; `None` where that is not told.
pub(in crate::mapping) fn is_so(raws: &Raws<'_>, switches: &[Narrow], base: usize) -> Option<bool> {
    let mut told = Some(true);
    for switch in switches {
        match raws.get(base, switch.slot) {
            Raw::Absent => told = None,
            raw if raw.text().is_some_and(|text| switch.is(&text)) => {}
            // ORDER: one that stands otherwise decides, whatever the others are.
            _ => return Some(false),
        }
    }
    told
}

/// The elements of a text.
pub(in crate::mapping) fn pieces<'t>(text: &'t str, by: &str) -> impl Iterator<Item = &'t str> + use<'t> {
    let by = if by.trim().is_empty() { by } else { by.trim() };
    let by = by.to_owned();
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = text.split_once(by.as_str()).map_or((text, None), |(p, after)| (p, Some(after)));
        rest = after;
        Some(piece.trim())
    })
    .filter(|piece| !piece.is_empty())
}

impl Build<'_, '_> {
    /// Whether there is enough left of what the filters of an answer may go through.
    pub(super) fn may_filter(&self, jq: &Jq, raw: Raw<'_>) -> bool {
        let bytes = match raw {
            Raw::Text(json) => json.len(),
            _ => 0,
        };
        self.raws.left.take(jq, bytes)
    }

    /// Whether a line reads what could mean another field.
    fn is_open(&self, part: &Part) -> bool {
        matches!(part, Part::Leaf(line) if self.open.contains(line.leaf))
    }

    pub(super) fn when(&mut self, when: &When, base: usize) -> Came {
        match is_so(self.raws, &when.switches, base) {
            Some(true) => self.part(&when.part, base),
            Some(false) if !self.is_open(&when.part) => Came::Nothing,
            Some(false) | None => {
                self.lost(&when.part);
                Came::Missing
            }
        }
    }

    /// Fills what is kept in one of several ways; what the object comes to with it.
    pub(super) fn choice(&mut self, choice: &Choice, base: usize, fields: &mut Fields, came: Came) -> Came {
        let leaves = choice.leaves().intersection(self.wanted);
        if leaves.is_empty() {
            return came;
        }
        match choice.read(self.raws, base) {
            Chosen::Branch(branch) => {
                let mut is_there = matches!(came, Came::Is(_));
                for named in &branch.lines {
                    match self.part(&named.part, base) {
                        Came::Tag(value) | Came::Is(value) => {
                            is_there = true;
                            fields.set(named.position, value);
                        }
                        Came::Missing | Came::Nothing => {}
                    }
                }
                if is_there { Came::Is(Value::Null) } else { Came::Nothing }
            }
            Chosen::Nothing => match came {
                Came::Missing => Came::Nothing,
                came @ (Came::Nothing | Came::Tag(_) | Came::Is(_)) => came,
            },
            Chosen::Unknown => {
                leaves.iter().take(1).for_each(|leaf| self.findings.truncate_push(leaf, What::NoRule));
                self.missing = self.missing.union(&leaves);
                came
            }
            Chosen::Untold => {
                self.missing = self.missing.union(&leaves);
                came
            }
        }
    }

    pub(super) fn split(&mut self, split: &Split, base: usize) -> Came {
        let leaf = split.line.leaf;
        let Source::Native(native) = &split.line.source else { return Came::Missing };
        if !self.wanted.contains(leaf) {
            return Came::Missing;
        }
        let raw = self.raws.get(base, native.slot);
        let text = match (raw, raw.text()) {
            (Raw::Absent, _) => return self.got(leaf, Got::Missing),
            (Raw::Null, _) => return Came::Is(Value::List(Vec::new())),
            (_, Some(text)) => text,
            (_, None) => return self.got(leaf, Got::Unfit("expected a text")),
        };
        let mut values = Vec::new();
        if native.codec.absent.is(raw) {
            return Came::Is(Value::List(values));
        }
        for (at, piece) in pieces(&text, &split.by).enumerate() {
            if at == PIECES_MAX {
                return self.got(leaf, Got::Unfit("more elements than are read from a text"));
            }
            if let Came::Is(value) = self.scalar(leaf, &split.item, Raw::Text(piece)) {
                values.push(value);
            }
        }
        Came::Is(Value::List(values))
    }

    /// Whether all elements of a list came. A part of it is not told, since it would look like the whole.
    pub(super) fn is_whole(&mut self, each: &EachPart, base: usize) -> bool {
        let Some(slot) = each.more else { return true };
        match (self.raws.get(base, slot), self.absent) {
            (Raw::Boolean(false), _) | (Raw::Absent, Absent::Empty) => return true,
            (Raw::Boolean(true), _) => {
                let mut first = None;
                each.item.lines(true, &mut |line, _| first = first.or(Some(line.leaf)));
                if let Some(leaf) = first.filter(|leaf| self.wanted.contains(*leaf)) {
                    self.findings.truncate_push(leaf, What::Unfit("there are more elements than came"));
                }
            }
            // Whoever does not say that there are no more may have some.
            (_, _) => {}
        }
        self.lost(&each.item);
        false
    }

    /// Whether a name stands twice in what a list is made of: what each of the two says, nobody knows.
    pub(super) fn is_doubled(&mut self, each: &EachPart, elements: (u32, u32)) -> bool {
        let is_doubled = each.entries.as_ref().is_some_and(|entries| entries.is_doubled(self.raws, elements));
        if is_doubled {
            let mut first = None;
            each.item.lines(true, &mut |line, _| first = first.or(Some(line.leaf)));
            if let Some(leaf) = first.filter(|leaf| self.wanted.contains(*leaf)) {
                self.findings.truncate_push(leaf, What::Unfit("a name stands twice in it"));
            }
            self.lost(&each.item);
        }
        is_doubled
    }

    pub(super) fn calc(&mut self, leaf: LeafId, calc: &Calc, base: usize) -> Came {
        let got = match calc.value(self.raws, base, self.raws.absent()) {
            Ok(number) => Got::Is(Value::Decimal(number)),
            Err(NoValue::Untold) => Got::Missing,
            Err(NoValue::Empty) => Got::Nothing,
            Err(NoValue::Unfit(why)) => Got::Unfit(why),
        };
        self.got(leaf, got)
    }

    pub(super) fn hole(&mut self, leaf: LeafId, held: &Held, base: usize) -> Came {
        let raw = self.raws.get(base, held.slot);
        let got = match (raw, raw.text()) {
            (Raw::Absent, _) => Got::Missing,
            (Raw::Null, _) => Got::Nothing,
            (raw, Some(_)) if held.absent.is(raw) => Got::Nothing,
            (_, Some(text)) => match held.pattern.take(&text) {
                Some(holes) => {
                    holes.get(held.hole).map_or(Got::Missing, |piece| held.codec.read(Raw::Text(piece)))
                }
                None => Got::Unfit("not of the pattern"),
            },
            (_, None) => Got::Unfit("expected a text"),
        };
        self.got(leaf, got)
    }
}
