//! Systems that take a record only whole: what they told of it is sent back, with the changed lines put over it.
//!
//! Promises that the whole is the stored record in every native place that no changed line writes and no `drop` names:
//! names that no line knows, numbers in their digits, elements in their order. What cannot be told apart, as one of two
//! elements that say the same of themselves, is refused; nothing is guessed. JSON is here, XML next door.

use std::sync::Arc;

use super::{
    errors::SystemFault,
    model::{Call, Mapping},
    native::NativeRequest,
    out::Out,
    outward::{MappingFault, Naming, Whose},
    path::{Path, Step},
    scan::{BadJson, DEPTH_MAX, Raw, Scanner},
};

/// LIMIT: values of a record that is sent back, however few bytes each takes.
pub(super) const VALUES_MAX: usize = 100_000;

/// How a whole record is sent back.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// What is left out of it.
    pub(super) drop: Vec<Dropped>,
}

/// A native field that the system tells and does not take.
#[derive(Debug)]
pub(super) struct Dropped(pub(super) Vec<Way>);

/// One step to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As in a path.
    Step(Step),
    /// Into every element of a list.
    Any,
}

/// A native value that goes to a place of the record.
pub(super) type Put = (Path, Out);

/// Why a value cannot be put over a stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Clash {
    /// A name, or an element that is found by what it says, is there more than once.
    #[error("its record has twice what a change of it is to go to")]
    Twice,
    /// A value stands where an object or a list is due.
    #[error("its record has a plain value where a change of it is to go deeper")]
    Kind,
}

impl Dropped {
    /// Whether a written place is dropped, or a part of it, or what it stands in.
    pub(super) fn meets(&self, written: &Path) -> bool {
        self.0.iter().zip(written.steps()).all(|(way, step)| match (way, step) {
            (Way::Any, Step::Index(_) | Step::Find(..)) => true,
            (Way::Step(Step::Find(key, is)), Step::Find(k, i)) => key != k || is == i,
            (Way::Step(Step::Index(_)), Step::Find(..)) | (Way::Step(Step::Find(..)), Step::Index(_)) => true,
            (Way::Step(own), step) => own == step,
            (Way::Any, _) => false,
        })
    }
}

impl Mapping {
    /// Whether a change sends the stored record back whole: nobody else may change it between the read and the write.
    pub fn merges(&self) -> bool {
        self.update.as_ref().is_some_and(|call| call.merge.is_some())
    }

    /// The request that sends a stored record back with the changes put over it.
    pub(super) fn whole_request(
        &self,
        (call, merge): (&Call, &Merge),
        (request, naming): (super::listing::Request, Naming<'_>),
        stored: Option<&[u8]>,
        puts: &[Put],
    ) -> Result<NativeRequest, Vec<MappingFault>> {
        let own = |why: String| {
            let message = format!("a record that is sent back whole cannot be put together: {why}");
            vec![MappingFault { whose: Whose::System, leaf: None, pointer: String::new(), message }]
        };
        let stored = stored.ok_or_else(|| own("nobody was asked for it".to_owned()))?;
        if let Some(names) = &self.words.xml {
            let body = self.merged_xml(names, merge, stored, puts).map_err(own)?;
            return Ok(self.finish_document(request, names, Some(body)));
        }
        let whole = self.merged_json(merge, stored, puts).map_err(own)?;
        Ok(self.finish(request, Some(self.carried(call, naming, whole)?)))
    }

    fn merged_json(&self, merge: &Merge, stored: &[u8], puts: &[Put]) -> Result<Out, String> {
        let told = |why: BadJson| SystemFault::bad_json(why).to_string();
        let answer = Out::read(stored).map_err(told)?;
        let at = self.read.as_ref().map(|read| read.rows_at.steps()).unwrap_or_default();
        let mut record = answer.taken(at).ok_or("the answer holds no record where one is due")?;
        for (path, value) in puts {
            record.put_over(path.steps(), value.clone()).map_err(|why| why.to_string())?;
        }
        record.without_emptied(puts);
        merge.drop.iter().for_each(|dropped| record.leave_out(&dropped.0));
        Ok(record)
    }
}

impl Out {
    /// A document as a tree: numbers keep their digits, names their order.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadJson> {
        let mut scan = Scanner::new(bytes)?;
        let mut left = VALUES_MAX;
        let read = Self::value(&mut scan, DEPTH_MAX, &mut left)?;
        scan.end()?;
        Ok(read)
    }

    /// The value here. Recursion is bounded by `depth`.
    fn value(scan: &mut Scanner<'_>, depth: u32, left: &mut usize) -> Result<Self, BadJson> {
        *left = left.checked_sub(1).ok_or(BadJson::TooMany)?;
        let first = scan.peek()?;
        if !matches!(first, b'{' | b'[') {
            let raw = scan.scalar()?;
            return Self::of(raw).ok_or_else(|| scan.bad());
        }
        let depth = depth.checked_sub(1).ok_or(BadJson::Depth)?;
        if first == b'[' {
            let mut items = Vec::new();
            let mut more = scan.enter(b']')?;
            while more {
                items.push(Self::value(scan, depth, left)?);
                more = scan.more(b']')?;
            }
            return Ok(Self::List(items));
        }
        let mut pairs = Vec::new();
        let mut more = scan.enter(b'}')?;
        while more {
            let name = scan.key()?.into();
            pairs.push((name, Self::value(scan, depth, left)?));
            more = scan.more(b'}')?;
        }
        Ok(Self::Object(pairs))
    }

    fn of(raw: Raw<'_>) -> Option<Self> {
        Some(match raw {
            Raw::Null => Self::Null,
            Raw::Boolean(value) => Self::Boolean(value),
            Raw::Number(token) => Self::Number(token.into()),
            text => Self::Text((*text.text()?).into()),
        })
    }

    /// What stands at a path, out of the rest.
    fn taken(self, steps: &[Step]) -> Option<Self> {
        steps.iter().try_fold(self, |node, step| match (node, step) {
            (Self::Object(pairs), Step::Key(key)) => {
                pairs.into_iter().find(|(name, _)| name == key).map(|(_, child)| child)
            }
            (Self::List(items), Step::Index(at)) => items.into_iter().nth(usize::from(*at)),
            _ => None,
        })
    }

    /// Puts a value over what is there; parents are made where nothing stands.
    fn put_over(&mut self, steps: &[Step], value: Self) -> Result<(), Clash> {
        let place = steps.iter().try_fold(self, |node, step| node.member(step))?;
        *place = value;
        Ok(())
    }

    fn member(&mut self, step: &Step) -> Result<&mut Self, Clash> {
        if self.is_nothing() {
            *self = match step {
                Step::Key(_) => Self::object(),
                _ => Self::List(Vec::new()),
            };
        }
        match (self, step) {
            (Self::Object(pairs), Step::Key(key)) => {
                let at = only(pairs.iter().map(|(name, _)| name == key))?;
                let at = at.unwrap_or_else(|| {
                    pairs.push((key.clone(), Self::Null));
                    pairs.len() - 1
                });
                pairs.get_mut(at).map(|(_, child)| child).ok_or(Clash::Kind)
            }
            (Self::List(items), Step::Index(at)) => {
                let at = usize::from(*at);
                if items.len() <= at {
                    items.resize(at + 1, Self::Null);
                }
                items.get_mut(at).ok_or(Clash::Kind)
            }
            (Self::List(items), Step::Find(key, is)) => {
                let at = only(items.iter().map(|item| item.says(key, is)))?;
                let at = at.unwrap_or_else(|| {
                    items.push(Self::Object(vec![(key.clone(), Self::tag(is))]));
                    items.len() - 1
                });
                items.get_mut(at).ok_or(Clash::Kind)
            }
            _ => Err(Clash::Kind),
        }
    }

    /// Takes elements out of lists that a change has emptied to the last member: a system takes what is left for elements.
    fn without_emptied(&mut self, puts: &[Put]) {
        let emptied: Vec<&[Step]> =
            puts.iter().filter(|(_, value)| *value == Self::Null).map(|(path, _)| path.steps()).collect();
        let mut elements: Vec<&[Step]> = emptied
            .iter()
            .filter_map(|steps| steps.get(..=steps.iter().rposition(|step| matches!(step, Step::Index(_)))?))
            .collect();
        // Those behind go first, so that the places of the others stay.
        elements.sort_by(|one, other| other.cmp(one));
        elements.dedup();
        for element in elements {
            let Some((Step::Index(at), parents)) = element.split_last() else { continue };
            let is_emptied = |name: &Arc<str>| {
                let is_it = |steps: &&&[Step]| matches!(steps.strip_prefix(element), Some([Step::Key(key)]) if key == name);
                emptied.iter().any(|steps| is_it(&steps))
            };
            let list = parents.iter().try_fold(&mut *self, |node, step| node.held(step));
            let Some(Self::List(items)) = list else { continue };
            let is_left = |item: &Self| match item {
                Self::Null => emptied.contains(&element),
                Self::Object(pairs) => pairs.iter().all(|(name, _)| is_emptied(name)),
                _ => false,
            };
            let at = usize::from(*at);
            if items.get(at).is_some_and(is_left) {
                items.remove(at);
            }
        }
    }

    /// What is there, of a step; nothing is made.
    fn held(&mut self, step: &Step) -> Option<&mut Self> {
        match (self, step) {
            (Self::Object(pairs), Step::Key(key)) => {
                pairs.iter_mut().find(|(name, _)| name == key).map(|(_, child)| child)
            }
            (Self::List(items), Step::Index(at)) => items.get_mut(usize::from(*at)),
            (Self::List(items), Step::Find(key, is)) => items.iter_mut().find(|item| item.says(key, is)),
            _ => None,
        }
    }

    /// Whether nothing is lost by making an object or a list of it: some systems write an empty one as the other.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(_) | Self::Object(_) => self.is_empty(),
            Self::Boolean(_) | Self::Number(_) => false,
        }
    }

    /// Leaves a field out, of every element where it says so. Recursion is bounded by the path.
    fn leave_out(&mut self, ways: &[Way]) {
        match (self, ways) {
            (Self::Object(pairs), [Way::Step(Step::Key(key))]) => pairs.retain(|(name, _)| name != key),
            (Self::Object(pairs), [Way::Step(Step::Key(key)), rest @ ..]) => {
                pairs.iter_mut().filter(|(name, _)| name == key).for_each(|(_, child)| child.leave_out(rest));
            }
            (Self::List(items), [Way::Any, rest @ ..]) => {
                items.iter_mut().for_each(|item| item.leave_out(rest));
            }
            (Self::List(items), [Way::Step(Step::Index(at)), rest @ ..]) => {
                items.get_mut(usize::from(*at)).into_iter().for_each(|item| item.leave_out(rest));
            }
            (Self::List(items), [Way::Step(Step::Find(key, is)), rest @ ..]) => {
                items.iter_mut().filter(|item| item.says(key, is)).for_each(|item| item.leave_out(rest));
            }
            _ => {}
        }
    }
}

/// Where the one is that is meant; none where there is none.
pub(super) fn only(are: impl Iterator<Item = bool>) -> Result<Option<usize>, Clash> {
    let mut found = are.enumerate().filter(|(_, is)| *is).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (at, None) => Ok(at),
        (_, Some(_)) => Err(Clash::Twice),
    }
}
