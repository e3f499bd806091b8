//! What is the same in every record that a mapping reads: by it the records of several systems are told apart.

use super::{
    codec::Got,
    model::{Line, Mapping, Named, Part, Source},
    scan::Raw,
};
use crate::schema::{LeafId, Value};

impl Mapping {
    /// The fields of the record itself that are the same in all of them, with their values: constants of lines, and what
    /// a line reads where `where` asks for one spelling. What another system tells is not among them.
    pub fn fixed(&self) -> Vec<(LeafId, Value)> {
        self.root.parts.iter().filter_map(|named| self.fixed_by(named)).collect()
    }

    fn fixed_by(&self, named: &Named) -> Option<(LeafId, Value)> {
        let Part::Leaf(Line { leaf, source, .. }) = &named.part else { return None };
        match source {
            Source::Constant(value) => Some((*leaf, value.clone())),
            Source::Native(native) => {
                let asked = self.narrow.iter().find(|narrow| narrow.slot == native.slot)?;
                match native.codec.read(Raw::Text(&asked.value)) {
                    Got::Is(value) => Some((*leaf, value)),
                    Got::Missing | Got::Nothing | Got::Assumed(..) | Got::Unknown(..) | Got::Unfit(_) => None,
                }
            }
            Source::Join(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Behind(_)
            | Source::Tuple(_) => None,
        }
    }
}
