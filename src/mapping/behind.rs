//! A text of which the beginning stands elsewhere: `PL5260250274`, kept as the number behind a country's code, in
//! two native places, or in one with a beginning that goes without saying.
//!
//! Taking it apart is the inverse of putting it together, or it is refused: the beginning has a fixed length or is
//! a fixed text, so no value can be cut in two ways.

use compact_str::CompactString;

use super::{
    codec::{Codec, Got, bounded},
    model::Native,
    out::Out,
    path::Path,
    scan::Raw,
};
use crate::schema::{Spelling, Value};

/// A text and what stands before it.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) head: Head,
    /// What stands behind the beginning.
    pub(super) rest: Native,
    /// Most characters of the field.
    pub(super) chars_max: u32,
    /// How it is spelt.
    pub(super) spelling: Spelling,
}

/// The beginning.
#[derive(Debug)]
pub(super) enum Head {
    /// It is always the same, and the system does not keep it.
    Text(Box<str>),
    /// A native text.
    At(HeadAt),
}

/// A beginning that the system keeps.
#[derive(Debug)]
pub(super) struct HeadAt {
    pub(super) slot: u16,
    pub(super) at: Path,
    /// How many letters and digits it has.
    pub(super) chars: usize,
    /// What it may be; anything where none is named.
    pub(super) of: Vec<String>,
    /// What it may not be.
    pub(super) not: Vec<String>,
}

/// A value taken apart.
pub(super) struct Cut<'b> {
    /// Where its beginning goes, if anywhere.
    pub(super) head: Option<(&'b HeadAt, Out)>,
    /// What goes behind it, and how that will be read.
    pub(super) rest: (Out, Out),
    /// The value as it will be read.
    pub(super) back: Value,
}

impl Head {
    /// A text's beginning and the rest; none where it does not begin so.
    fn split<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let (head, rest) = match self {
            Self::Text(head) => (text.get(..head.len())?, text.strip_prefix(&**head)?),
            Self::At(at) => text.split_at_checked(at.chars).filter(|(head, _)| at.fits(head))?,
        };
        (!rest.is_empty()).then_some((head, rest))
    }

    fn told(&self) -> String {
        match self {
            Self::Text(head) => format!("expected a text that begins with `{head}`"),
            Self::At(at) => {
                format!("expected a text that begins with {} letters that the system knows", at.chars)
            }
        }
    }
}

impl HeadAt {
    fn fits(&self, head: &str) -> bool {
        let is = |known: &String| known == head;
        head.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            && (self.of.is_empty() || self.of.iter().any(is))
            && !self.not.iter().any(is)
    }
}

impl Behind {
    /// A value in its parts; the error says what was expected.
    pub(super) fn cut(&self, value: &Value) -> Result<Cut<'_>, String> {
        let Value::Text(text) = value else { return Err("expected a text".to_owned()) };
        let (head, rest) = self.head.split(text).ok_or_else(|| self.head.told())?;
        let codec: &Codec = &self.rest.codec;
        let rest = Value::Text(rest.into());
        let (out, back) = codec.settled(&rest)?;
        let held = codec.held(&rest)?;
        let Value::Text(back) = back else { return Err("expected a text".to_owned()) };
        let whole = compact_str::format_compact!("{head}{back}");
        // What comes back must be cut at the same place.
        if self.head.split(&whole) != Some((head, &back)) {
            return Err(self.head.told());
        }
        let head = match &self.head {
            Head::Text(_) => None,
            Head::At(at) => Some((at, Out::text(head))),
        };
        Ok(Cut { head, rest: (out, held), back: bounded(&whole, self.chars_max)? })
    }

    /// What two native texts read as.
    pub(super) fn read(&self, head: Raw<'_>, rest: Raw<'_>) -> Got {
        let text = match self.rest.codec.read(rest) {
            Got::Is(Value::Text(text)) => text,
            Got::Is(_) | Got::Assumed(..) | Got::Unknown(..) => return Got::Unfit("expected a text"),
            other @ (Got::Missing | Got::Nothing | Got::Unfit(_)) => return other,
        };
        let head: CompactString = match (&self.head, head, head.text()) {
            (Head::Text(head), _, _) => CompactString::from(&**head),
            (Head::At(_), Raw::Absent, _) => return Got::Missing,
            (Head::At(at), _, Some(head)) if at.fits(&head) && head.len() == at.chars => {
                CompactString::from(&*head)
            }
            (Head::At(_), _, _) => return Got::Unfit("not behind what it should be"),
        };
        bounded(&self.spelling.normal(&compact_str::format_compact!("{head}{text}")), self.chars_max)
            .map_or_else(Got::Unfit, Got::Is)
    }

    /// The slot of the beginning; 0 holds nothing.
    pub(super) fn head_slot(&self) -> u16 {
        match &self.head {
            Head::Text(_) => 0,
            Head::At(at) => at.slot,
        }
    }
}
