//! What a write has to agree with: check digits, and what the system will put together of it.

use compact_str::CompactString;

use super::{Derived, Writing};
use crate::{
    mapping::{
        inward::join_on,
        model::{Join, Mapping},
        out::Out,
        path::Path,
    },
    schema::{FieldSet, Numbers, Record, Unsound, Value},
};

impl Mapping {
    /// Whether each number of an authority that comes with this write can be one. What is there already stays: it is no
    /// fault of who changes something else.
    pub(super) fn check_numbers(&self, out: &mut Writing<'_>, new: &Record, old: Option<&Record>) {
        for Unsound { leaf, pointer, text, why } in Numbers::of(&self.entity).unsound(&self.entity, new) {
            let held = |record: &Record| {
                let mut is_there = false;
                record.each(&self.entity, leaf, &mut |value| is_there |= value.as_text() == Some(text));
                is_there
            };
            if !old.is_some_and(held) && !out.faults.iter().any(|fault| fault.pointer == pointer) {
                out.fault(Some(leaf), pointer, why.to_owned());
            }
        }
    }

    /// Whether each derived value that was sent is what will be read back.
    pub(super) fn check_derived(&self, out: &mut Writing<'_>, new: &Record, old: Option<&Record>) {
        if out.derived.is_empty() {
            return;
        }
        let derived = std::mem::take(&mut out.derived);
        // The whole record as it would be written, to see what its joined texts will be; a new one is.
        let mut full = Writing::new(true, &FieldSet::EMPTY);
        if !out.create {
            full.object(&self.root, &self.entity.root, Some(&new.fields), None);
        }
        for Derived { leaf, pointer, sent, join } in derived {
            let same = |record: &Record| record.first(&self.entity, leaf) == sent.as_ref();
            if old.is_some_and(same) {
                continue;
            }
            let Some(join) = join else {
                out.fault(Some(leaf), pointer, "this is worked out by the system and cannot be sent".into());
                continue;
            };
            let read_back = join.read(if out.create { &out.body } else { &full.body });
            let agrees = match &sent {
                Some(Value::Text(text)) => *text == read_back,
                None | Some(Value::Null) => old.is_none() || read_back.is_empty(),
                Some(_) => false,
            };
            if !agrees {
                let mut message = "this is put together by the system".to_owned();
                // Of an update the parts may be stored values that the caller does not see.
                if old.is_none() {
                    message.push_str(&format!(" and would read `{read_back}`"));
                }
                message.push_str("; send the fields it is made of instead");
                out.fault(Some(leaf), pointer, message);
            }
        }
    }
}

impl Join {
    /// The text that will be read from a body.
    fn read(&self, body: &Out) -> CompactString {
        let mut text = CompactString::default();
        let add = |text: &mut CompactString, path: &Path| {
            if let Some(part) = body.at(path.steps()).and_then(|out| out.raw().text()) {
                join_on(text, &self.by, &part);
            }
        };
        self.parts.iter().for_each(|(_, path)| add(&mut text, path));
        if let (true, Some((_, path))) = (text.is_empty(), &self.otherwise) {
            add(&mut text, path);
        }
        text
    }
}
