//! `as:` and `write_as:` — how numbers, days and moments are spelt, and keys that are written as addresses.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::fields::Loader;
use crate::{
    mapping::{
        codec::{Codec, Point, Wire},
        model::KeyForm,
        time::{Day, Moment},
    },
    schema::LeafKind,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Most places of a shift.
const SHIFT_MAX: i32 = 18;

impl Loader<'_> {
    /// The words of `as` or `write_as`, each only where the field is of its kind.
    pub(super) fn forms(&mut self, codec: &mut Codec, node: &Node) {
        self.spelt(codec, node, false);
    }

    /// The words of `write_as`: those of `as`, and the address that a key is written as.
    pub(super) fn forms_written(&mut self, codec: &mut Codec, node: &Node) {
        self.spelt(codec, node, true);
    }

    fn spelt(&mut self, codec: &mut Codec, node: &Node, is_written: bool) {
        let Some(mut keys) = Keys::of(node, self.found) else { return };
        let mut known = |key: &'static str, fits: bool, what: &str, found: &mut Diagnostics| {
            let node = keys.take(key)?;
            if !fits {
                found.error(&node.place, format!("`{key}` is for {what}"));
            }
            fits.then_some(node)
        };
        let is_decimal = codec.kind == LeafKind::Decimal;
        let (is_day, is_moment) = (codec.kind == LeafKind::Date, codec.kind == LeafKind::Instant);
        let scale = known("scale", true, "a number", self.found);
        let round = known("round", is_decimal, "a decimal", self.found);
        let decimal = known("decimal", is_decimal, "a decimal", self.found);
        let shift = known("shift", is_decimal, "a decimal", self.found);
        let unsigned = known("unsigned", is_decimal, "a decimal", self.found);
        let day = known("date", is_day, "a date", self.found);
        let moment = known("instant", is_moment, "a moment", self.found);
        let zone = known("zone", is_moment, "a moment", self.found);
        let wire = known("wire", true, "all", self.found);
        let pattern = known("pattern", is_written, "what is written: say it under `write_as`", self.found);
        keys.finish(self.found);
        // A form of its own is no tag.
        if wire.or(day).or(moment).or(decimal).is_some() {
            codec.tag = None;
        }
        if let Some(node) = pattern {
            codec.forms.around = self.around(codec, node);
        }
        if let Some(scale) = scale.and_then(|node| u32::read(node, self.found)) {
            codec.scale = Some(scale);
        }
        if let Some(by) = shift.and_then(|node| places(node, self.found)) {
            codec.forms.shift = by;
            // A shift to the left leaves whole numbers with the system, unless the file says more.
            codec.scale = codec.scale.or_else(|| u32::try_from(by.saturating_neg()).ok());
        }
        if let Some(node) = round {
            self.rounds(codec, node);
        }
        codec.forms.unsigned |= unsigned.and_then(|node| bool::read(node, self.found)).unwrap_or_default();
        if let Some(point) = decimal.and_then(|node| Point::read(node, self.found)) {
            codec.forms.point = point;
            if point == Point::Comma {
                codec.wire = Wire::Text;
            }
        }
        if let Some(word) = day.and_then(|node| <Day as FromYaml>::read(node, self.found)) {
            codec.forms.day = word;
        }
        if let Some(word) = moment.and_then(|node| <Moment as FromYaml>::read(node, self.found)) {
            codec.forms.moment = word;
            if word.is_naive() && zone.is_none() && !self.defaults.has_zone {
                self.found.push(
                    Diagnostic::error(&node.place, "a time without a zone needs one").help(
                        "say `zone: Europe/Warsaw` or `zone: UTC` beside it, or `time_zone` at the top",
                    ),
                );
            }
        }
        if let Some(zone) = zone.and_then(|node| time_zone(node, self.found)) {
            codec.forms.zone = zone;
        }
        if let Some(word) = wire.and_then(|node| Wire::read(node, self.found)) {
            if word == Wire::Number && codec.forms.point == Point::Comma {
                self.found.error(&node.place, "no JSON number has a comma: leave `wire` out, or the comma");
            }
            codec.wire = word;
        }
    }
}

impl Loader<'_> {
    /// Whether what has more digits than the system keeps is rounded to those.
    fn rounds(&mut self, codec: &mut Codec, node: &Node) {
        codec.rounds = bool::read(node, self.found).unwrap_or_default();
        if codec.scale.is_none() {
            self.found.push(
                Diagnostic::error(&node.place, "`round` goes with the digits that are rounded to")
                    .help("say `scale` beside it, as in `as: { scale: 2, round: true }`"),
            );
        }
    }

    /// What stands around a key that is written as an address. The key has a form, so nothing in it can end the address.
    fn around(&mut self, codec: &Codec, node: &Node) -> Option<Arc<(Box<str>, Box<str>)>> {
        let text = String::read(node, self.found)?;
        let mut error = |what: &str, help: &str| {
            self.found.push(Diagnostic::error(&node.place, what).help(help));
            None
        };
        if codec.form == KeyForm::Text {
            let help = "say `form: guid` or `form: digits` beside `at`";
            return error("a `pattern` is for keys that cannot hold what stands around them", help);
        }
        match text.split_once("{value}") {
            Some((before, after)) if !after.contains("{value}") => {
                Some(Arc::new((before.into(), after.into())))
            }
            Some(_) | None => error("`{value}` stands once in a `pattern`", "as in `\"/accounts({value})\"`"),
        }
    }
}

/// A time zone by its name in the IANA database.
pub(in crate::mapping) fn time_zone(node: &Node, found: &mut Diagnostics) -> Option<TimeZone> {
    let name = String::read(node, found)?;
    match TimeZone::get(&name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            found.push(
                Diagnostic::error(&node.place, format!("`{name}` is no time zone"))
                    .help("write one as in `Europe/Warsaw`, or `UTC`"),
            );
            None
        }
    }
}

/// The places of a shift, to the left when negative.
fn places(node: &Node, found: &mut Diagnostics) -> Option<i32> {
    let by = node.as_text().and_then(|text| text.parse::<i32>().ok());
    let by = by.filter(|by| by.abs() <= SHIFT_MAX && *by != 0);
    if by.is_none() {
        found.error(
            &node.place,
            format!("`shift` is a power of ten between -{SHIFT_MAX} and {SHIFT_MAX}, as in `-6`"),
        );
    }
    by
}
