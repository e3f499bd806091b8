//! The options of a query, as the system's own parser takes them.

use bramka::demo::standin::Ask;
use serde_json::{Value, json};

use super::{Refusal, Table};
use crate::conditions::{By, Condition, Kind, Language, Reader, Row, tokens};

pub(super) fn unknown_option(name: &str) -> Refusal {
    Refusal(400, "0x80060888", format!("The query parameter {name} is not supported"))
}

/// What a `Prefer` says.
#[derive(Default)]
pub(super) struct Prefer {
    pub(super) size: Option<usize>,
    pub(super) annotations: bool,
}

impl Prefer {
    pub(super) fn of(ask: &Ask) -> Self {
        let mut prefer = Self::default();
        for part in ask.header("prefer").unwrap_or_default().split(',').map(str::trim) {
            if let Some(size) = part.strip_prefix("odata.maxpagesize=") {
                prefer.size = size.parse().ok();
            }
            prefer.annotations |= part.starts_with("odata.include-annotations=");
        }
        prefer
    }
}

/// The options of a query.
pub(super) struct Options {
    pub(super) table: &'static Table,
    pub(super) select: Option<Vec<&'static str>>,
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<By>,
    pub(super) top: Option<usize>,
    pub(super) count: bool,
    pub(super) page: usize,
}

impl Options {
    pub(super) fn of(table: &'static Table) -> Self {
        Self { table, select: None, filter: None, order: Vec::new(), top: None, count: false, page: 0 }
    }

    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let number = |value: &str| value.parse().map_err(|_| unknown_option(name));
        match name {
            "$select" => {
                self.select =
                    Some(value.split(',').map(|name| property(self.table, name)).collect::<Result<_, _>>()?)
            }
            "$filter" => {
                let tokens = tokens(Language::Odata, value)?;
                let mut reader = Reader::new(Language::Odata, self.table.fields, &tokens);
                self.filter = Some(reader.condition(0)?);
                reader.end()?;
            }
            "$orderby" => self.order = order(self.table, value)?,
            "$top" => self.top = Some(number(value)?),
            "$count" => self.count = value == "true",
            "$skiptoken" => {
                let page = value.split_once("pagenumber=\"").and_then(|(_, rest)| rest.split_once('"'));
                let (page, _) =
                    page.ok_or_else(|| Refusal(400, "0x80048d19", "Invalid paging cookie".into()))?;
                self.page = number(page)?;
            }
            _ => return Err(unknown_option(name)),
        }
        Ok(())
    }

    /// A record as it is answered; display texts only where they were asked for.
    pub(super) fn show(&self, row: &Row, prefer: &Prefer) -> Value {
        let all: Vec<&'static str> = self.table.fields.iter().map(|(name, _)| *name).collect();
        let mut out = json!({ "@odata.etag": row["@odata.etag"] });
        out[self.table.key] = row[self.table.key].clone();
        for name in self.select.as_ref().unwrap_or(&all) {
            if prefer.annotations && *name == "statecode" {
                let text = if row["statecode"] == 0 { "Active" } else { "Inactive" };
                out["statecode@OData.Community.Display.V1.FormattedValue"] = text.into();
            }
            out[*name] = row[*name].clone();
        }
        out
    }
}

fn property(table: &Table, name: &str) -> Result<&'static str, Refusal> {
    let known = table.fields.iter().find(|(field, _)| *field == name).map(|(field, _)| *field);
    known.ok_or_else(|| {
        let message = format!(
            "Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{}'.",
            table.name
        );
        Refusal(400, "0x80060888", message)
    })
}

fn order(table: &Table, text: &str) -> Result<Vec<By>, Refusal> {
    let one = |part: &str| {
        let mut words = part.split_whitespace();
        let name = property(table, words.next().unwrap_or_default())?;
        let kind =
            table.fields.iter().find(|(field, _)| *field == name).map_or(Kind::Text, |(_, kind)| *kind);
        let descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => return Err(Refusal(400, "0x80060888", format!("Syntax error in '$orderby': '{part}'."))),
        };
        Ok(By { name, kind, descending, nulls_last: descending })
    };
    text.split(',').map(one).collect()
}
