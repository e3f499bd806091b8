//! What a new record, or a new element of a native list, carries besides its fields.

use compact_str::format_compact;
use jiff::Timestamp;

use super::{
    calc::{Calc, NoValue},
    codec::Nothing,
    out::Out,
    path::Path,
    scan::Scanner,
    trie::{Node, Raws, walk},
};

/// A native value that no caller sends.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) at: Path,
    pub(super) value: SetValue,
    /// Left out where something stands here.
    pub(super) unless: Option<Path>,
}

/// What is set.
#[derive(Debug)]
pub(super) enum SetValue {
    /// Always the same.
    Is(Out),
    /// The moment of sending, in whole seconds, UTC (RFC 3339).
    Now,
    /// The place of an element in its list, from 1.
    Index,
    /// Worked out of what else is sent of the same record or element.
    Calc(Box<Worked>),
}

/// A calculation over what is sent.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) calc: Calc,
    /// Native tree of its operands, and the size of its frame.
    pub(super) node: Node,
    pub(super) frame: u16,
    /// Whether it travels as text.
    pub(super) is_text: bool,
}

/// What is known where a record is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// The place of the element at hand, from 0.
    pub(super) index: usize,
}

impl Moment {
    /// For samples: noon of 31 January 2026.
    pub(super) fn of_samples() -> Timestamp {
        Timestamp::from_second(1_769_860_800).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Puts them, in the order of the file.
///
/// # Errors
/// Why one cannot be worked out: the system would take the rest without it for something else.
pub(super) fn put(sets: &[Set], body: &mut Out, moment: Moment) -> Result<(), String> {
    for set in sets {
        if set.unless.as_ref().is_some_and(|path| body.at(path.steps()).is_some()) {
            continue;
        }
        let value = match &set.value {
            SetValue::Is(out) => out.clone(),
            SetValue::Now => {
                let whole = Timestamp::from_second(moment.now.as_second()).unwrap_or(moment.now);
                Out::text(&whole.to_string())
            }
            SetValue::Index => Out::Number(moment.index.saturating_add(1).to_string().into()),
            SetValue::Calc(worked) => worked.of(body)?,
        };
        body.put(set.at.steps(), value);
    }
    Ok(())
}

impl Worked {
    /// The value for what is sent.
    fn of(&self, sent: &Out) -> Result<Out, String> {
        let none = |why: &str| format!("the system needs a value that is worked out of this: {why}");
        let body = sent.to_bytes();
        let mut raws = Raws::default();
        raws.restart(self.frame);
        let read = Scanner::new(&body)
            .and_then(|mut scan| walk(&mut scan, &self.node, 0, &mut raws, &mut |scan| scan.skip()));
        read.map_err(|_| none("it cannot be read back"))?;
        raws.lift(&self.node, 0);
        let value = self.calc.value(&raws, 0, &Nothing::default()).map_err(|why| match why {
            NoValue::Untold | NoValue::Empty => none("a field that it is made of is missing"),
            NoValue::Unfit(why) => none(why),
        })?;
        let token = format_compact!("{value}");
        Ok(if self.is_text { Out::Text(token) } else { Out::Number(token) })
    }
}
