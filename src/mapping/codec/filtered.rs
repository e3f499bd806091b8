//! What stands between a native value and its scalar where jq filters do.

use std::borrow::Cow;

use compact_str::CompactString;

use super::{Codec, Got};
use crate::{
    mapping::{jq::Jq, out::Out, scan::Raw},
    schema::Value,
};

impl Codec {
    /// Reads what a filter gives of the text of a native value.
    pub(super) fn read_filtered(&self, jq: &Jq, raw: Raw<'_>) -> Got {
        let json = match (raw, raw.text()) {
            (Raw::Absent, _) => return Got::Missing,
            (Raw::Null, _) => Cow::Borrowed("null"),
            (_, Some(json)) => json,
            (_, None) => return Got::Unfit("expected what a filter reads"),
        };
        match jq.inward.scalar(&json) {
            Ok(gave) => self.read_scalar(gave.raw()),
            Err(why) => Got::Unfit(why),
        }
    }

    /// The native value of a scalar.
    pub(super) fn put_filtered(&self, value: &Value, scalar: Out) -> Result<Out, String> {
        match self.jq.as_ref().and_then(|jq| jq.outward.as_ref()).filter(|_| *value != Value::Null) {
            Some(filter) => {
                filter.tree(&scalar).map_err(|_| "the system cannot keep this as it is".to_owned())
            }
            None => Ok(scalar),
        }
    }
}

/// The text of a native value, as a filter finds it.
pub(super) fn spelt_out(out: &Out) -> Out {
    Out::Text(CompactString::from_utf8_lossy(&out.to_bytes()))
}
