//! The way out: a value in the system's one spelling of it, or why there is none.

use compact_str::CompactString;
use rust_decimal::RoundingStrategy;

use super::{
    CANNOT_EMPTY, Charset, Clear, Codec, Got, KNOWN_MAX, Norm, Point, Table, Tabled, Wire,
    filtered::spelt_out,
    spelling::{bounded_length, normal},
};
use crate::{
    mapping::{
        html,
        number::{is_number, shifted, spelt},
        out::Out,
        xml,
    },
    schema::Value,
};

/// Why nothing is written by a table that the system has not told.
const UNTOLD: &str = "the system has not told yet which values of its own these are; try again later";
/// Why a value is not written that several of the system's mean.
const SEVERAL: &str = "the system has several values of its own for this, and nothing says which is meant";

impl Codec {
    /// The native form of a value, which reads back as that value in the system's one spelling of it. What would
    /// read back as another value, or as nothing, is refused: a write is judged on what the system will hold.
    pub(in crate::mapping) fn write(&self, value: &Value) -> Result<Out, String> {
        if let Some(written) = &self.write_as {
            return written.write(value);
        }
        let out = self.put(value)?;
        let out = match self.reads_back(value, &out) {
            true => out,
            false => self.settle(value, out)?.0,
        };
        match &self.tag {
            Some(tag) => tag.write(&out),
            None => Ok(out),
        }
    }

    /// The native form of a value, its tag aside, and what it reads back as.
    pub(in crate::mapping) fn settled(&self, value: &Value) -> Result<(Out, Value), String> {
        if let Some(written) = &self.write_as {
            return written.settled(value);
        }
        let out = self.put(value)?;
        self.settle(value, out)
    }

    pub(super) fn settle(&self, value: &Value, out: Out) -> Result<(Out, Value), String> {
        let json = self.jq.is_some().then(|| spelt_out(&out));
        let back = match self.read(json.as_ref().map_or_else(|| out.raw(), Out::raw)) {
            Got::Is(back) | Got::Assumed(back, _) => back,
            Got::Unknown(Some(back), _) if *value != Value::Null => back,
            Got::Nothing => Value::Null,
            Got::Missing | Got::Unknown(..) | Got::Unfit(_) => return Err(self.misread(value, &out)),
        };
        match *value == Value::Null || back == self.meant(value) {
            true => Ok((out, back)),
            false => Err(self.misread(value, &out)),
        }
    }

    /// The native form of a value as it will be read, once it has been written.
    pub(in crate::mapping) fn held(&self, value: &Value) -> Result<Out, String> {
        let out = self.put(value)?;
        Ok(if self.jq.is_some() { spelt_out(&out) } else { out })
    }

    /// What a value is once it is brought into the one spelling.
    pub(super) fn meant(&self, value: &Value) -> Value {
        let table = self.table.as_ref().and_then(Tabled::now);
        let is_tabled = table.is_some_and(|table| table.back(value).is_some());
        match value {
            Value::Text(text) if !is_tabled && !self.is_free() => {
                let text = normal(&self.norm, text);
                Value::Text(CompactString::from(self.one_spelling(&text)))
            }
            value => self.rounded(value),
        }
    }

    /// A value with the digits that the system keeps, where a line rounds to them: half goes away from zero.
    pub(super) fn rounded(&self, value: &Value) -> Value {
        match (value, self.scale.filter(|_| self.rounds)) {
            (Value::Decimal(n), Some(scale)) if n.scale() > scale && n.normalize().scale() > scale => {
                let half_away = RoundingStrategy::MidpointAwayFromZero;
                Value::Decimal(n.round_dp_with_strategy(scale, half_away).normalize())
            }
            (value, _) => value.clone(),
        }
    }

    /// Why a value cannot be written that would not read back. ORDER: no value in the text: it may be a stored one
    /// that the caller does not see.
    pub(super) fn misread(&self, value: &Value, out: &Out) -> String {
        let text = out.raw().text().unwrap_or_default();
        let says = match (value, self.table.as_ref().and_then(Tabled::now)) {
            (Value::Null, _) => CANNOT_EMPTY,
            (_, Some(table)) if table.read.contains_key(&*text) => {
                "the system takes this word for another value"
            }
            _ if self.absent.is(out.raw()) || self.is_nothing_by_value(&text) => {
                "the system takes this for nothing; leave the field out, or clear it with null"
            }
            _ => "the system cannot keep this as it is",
        };
        says.to_owned()
    }

    /// Whether what the system speaks can hold every character of a text.
    pub(in crate::mapping) fn can_hold(&self, text: &str) -> bool {
        self.charset != Charset::Xml || xml::holds(text)
    }

    pub(super) fn put(&self, value: &Value) -> Result<Out, String> {
        self.put_filtered(value, self.put_scalar(value)?)
    }

    pub(super) fn put_scalar(&self, value: &Value) -> Result<Out, String> {
        if *value == Value::Null {
            return match &self.clear {
                Clear::Null => Ok(Out::Null),
                Clear::AnyText(_) if self.wire == Wire::Boolean => Err(CANNOT_EMPTY.into()),
                Clear::Text(text) | Clear::AnyText(text) => Ok(Out::Text(CompactString::from(&**text))),
                Clear::False if self.wire == Wire::Boolean => Err(CANNOT_EMPTY.into()),
                Clear::False => Ok(Out::Boolean(false)),
                Clear::Refused => Err(CANNOT_EMPTY.into()),
            };
        }
        let text = match &self.table {
            Some(tabled) => self.native_of(tabled, value)?,
            None => self.spell(value)?,
        };
        let text = match self.norm.contains(&Norm::Html) {
            true => self.short(CompactString::from(html::escaped(&text)))?,
            false => text,
        };
        if !self.can_hold(&text) {
            return Err("the system's XML cannot hold one of these characters".into());
        }
        Ok(match self.wire {
            Wire::Text => Out::Text(text),
            Wire::Number if is_number(&text) => Out::Number(text),
            // ORDER: no value in the text: it may be a stored one that the caller does not see.
            Wire::Number => return Err("the system keeps a number here".into()),
            Wire::Boolean => match &*text {
                "true" => Out::Boolean(true),
                "false" => Out::Boolean(false),
                _ => return Err("the system keeps `true` or `false` here".into()),
            },
        })
    }

    /// The spelling that a table has for a value.
    fn native_of(&self, tabled: &Tabled, value: &Value) -> Result<CompactString, String> {
        let Some(table) = tabled.now() else { return Err(UNTOLD.to_owned()) };
        match table.back(value) {
            Some(native) => Ok(CompactString::from(native)),
            None if self.keep && !table.one_way.contains(value) => self.spell(value),
            None if table.several.contains(value) => Err(format!("{SEVERAL}; {}", self.no_spelling(&table))),
            None => Err(self.no_spelling(&table)),
        }
    }

    /// The spelling of a value, tables aside; too long or too fine is refused, never cut.
    pub(in crate::mapping) fn spell(&self, value: &Value) -> Result<CompactString, String> {
        let rounded;
        let value = match self.rounds {
            true => {
                rounded = self.rounded(value);
                &rounded
            }
            false => value,
        };
        let text = match value {
            Value::Text(text) if self.is_free() => text.clone(),
            Value::Text(text) => CompactString::from(normal(&self.norm, &self.one_spelling(text))),
            Value::Boolean(true) => CompactString::const_new("true"),
            Value::Boolean(false) => CompactString::const_new("false"),
            Value::Integer(n) => compact_str::format_compact!("{n}"),
            Value::Decimal(n) => {
                let is_finer = |scale: &u32| n.scale() > *scale && n.normalize().scale() > *scale;
                if let Some(scale) = self.scale.filter(is_finer) {
                    return Err(format!("the system keeps {scale} digits after the point"));
                }
                // Zeros at the end say nothing, and there is no room for them.
                let n = &match self.scale {
                    Some(scale) if n.scale() > scale => n.normalize(),
                    Some(_) | None => *n,
                };
                match (self.forms.shift, self.forms.point) {
                    (0, Point::Point) => spelt(*n),
                    (shift, point) => {
                        let native = shifted(n.normalize(), shift.saturating_neg())?;
                        let native = if shift == 0 { *n } else { native.normalize() };
                        let text = compact_str::format_compact!("{native}");
                        if point == Point::Comma { text.replacen('.', ",", 1).into() } else { text }
                    }
                }
            }
            Value::Date(day) => self.forms.day.spell(*day),
            Value::Instant(at) => self.forms.moment.spell(&self.forms.zone, *at)?,
            Value::Null | Value::Object(_) | Value::List(_) => return Err("expected a single value".into()),
        };
        if !self.form.fits(&text) {
            return Err(format!("the system keeps {} here", self.form.told()));
        }
        // ORDER: behind the check of its form, so that nothing in it can end the address.
        let text = match self.forms.around.as_deref() {
            Some((before, after)) => compact_str::format_compact!("{before}{text}{after}"),
            None => text,
        };
        self.short(text)
    }

    /// The text, unless it is too long or too short for the system.
    pub(super) fn short(&self, text: CompactString) -> Result<CompactString, String> {
        match (self.most, self.least) {
            (_, Some(least)) if text.chars().count() < usize::try_from(least).unwrap_or(usize::MAX) => {
                Err(format!("the system keeps at least {least} characters"))
            }
            (Some(most), _) if !bounded_length(&text, most) => {
                Err(format!("the system keeps at most {most} characters"))
            }
            (Some(_) | None, _) => Ok(text),
        }
    }

    pub(super) fn no_spelling(&self, table: &Table) -> String {
        let mut known: Vec<String> = Vec::new();
        for (_, value) in table.rows.iter().filter(|(_, value)| !table.one_way.contains(value)) {
            let name = match value {
                Value::Text(text) => text.to_string(),
                other => self.spell(other).map(|text| text.to_string()).unwrap_or_default(),
            };
            if known.len() == KNOWN_MAX {
                known.push("and others".to_owned());
                break;
            }
            if !known.contains(&name) {
                known.push(name);
            }
        }
        format!("the system knows only {}", known.join(", "))
    }
}
