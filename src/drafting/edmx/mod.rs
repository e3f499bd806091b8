//! The fields of an entity set from a `$metadata` document of OData 2, 3 or 4: keys, types, lists, labels, and what is
//! refused of them.
//!
//! Promises: what is read is bounded, whatever stands in the document; a name that could not stand in a request as it
//! is names nothing in the draft; a key that is not told whole is never read by.

mod csdl;
mod fields;
mod reading;
mod shape;
#[cfg(test)]
mod tests;

pub use csdl::{EdmxError, Version};
pub use fields::{Described, KeyPart, described_edmx};

use super::{matching::Line, text::Odata};
use shape::Spoken;

impl Described {
    /// The lines of a file that are OData's own, with those that the fields have become.
    pub fn odata(&self, lines: &[Line<'_>]) -> Odata {
        Spoken::of(self.version).written(self, lines)
    }
}
