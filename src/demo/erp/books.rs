//! What the ERP holds, and how it is read: lists, single records, lines of documents.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Answered, ROOT, Refusal, bad_request, sets::Set, writes::cents};
use crate::demo::{
    odata::{Options, Row, is_guid},
    standin::{self, Ask},
};

/// Rows of one page; the real system's pages are larger.
const PAGE: usize = 100;

/// What the company holds.
#[derive(Debug, Default)]
pub(in crate::demo) struct Books {
    pub(super) rows: BTreeMap<(Set, String), Row>,
    pub(super) clock: i64,
    pub(super) next: u64,
}

impl Books {
    /// Puts a row in as it is; the stand-in adds id, time and version where they are not there.
    pub(in crate::demo) fn put(&mut self, set: Set, mut row: Row) -> String {
        let id = row.get("id").and_then(Value::as_str).map_or_else(|| self.fresh_id(), str::to_owned);
        row.insert("id".into(), id.clone().into());
        self.stamp(set, &mut row);
        self.rows.insert((set, id.clone()), row);
        id
    }

    fn fresh_id(&mut self) -> String {
        self.next += 1;
        format!("{:08x}-5b1c-ef11-9f89-{:012x}", 0x1a2b_0000 + self.next, 0x000d_3a29_0000 + self.next * 7)
    }

    pub(super) fn stamp(&mut self, set: Set, row: &mut Row) {
        self.clock += 61_373;
        let now = Timestamp::from_millisecond(self.clock).unwrap_or(Timestamp::UNIX_EPOCH);
        if set.properties().contains(&"lastModifiedDateTime") {
            row.insert("lastModifiedDateTime".into(), format!("{now:.3}").into());
        }
        let version = BASE64.encode(format!("19;{};1;00;", self.clock).as_bytes());
        row.insert("@odata.etag".into(), format!("W/\"{version}\"").into());
    }

    /// The rows of a set, oldest first by number, or by id where there is none.
    fn of(&self, set: Set) -> impl Iterator<Item = &Row> {
        let from = self.rows.range((set, String::new())..);
        from.take_while(move |((s, _), _)| *s == set).map(|(_, row)| row)
    }

    pub(in crate::demo) fn find(&self, set: Set, name: &str, value: &str) -> Option<&Row> {
        self.of(set).find(|row| row.get(name).and_then(Value::as_str) == Some(value))
    }

    pub(super) fn one(&self, set: Set, id: &str) -> Result<&Row, Refusal> {
        if !is_guid(id) {
            return Err(bad_request(format!("Invalid key '{id}': expected a literal of type 'Edm.Guid'.")));
        }
        self.rows.get(&(set, id.to_lowercase())).ok_or_else(|| {
            Refusal(
                StatusCode::NOT_FOUND,
                "Internal_RecordNotFound",
                format!("The {} does not exist. Identification fields and values: Id='{id}'", set.name()),
            )
        })
    }

    pub(super) fn list(&self, set: Set, document: Option<&str>, ask: &Ask) -> Answered {
        let pairs = ask.pairs();
        let options = Options::read(&pairs, set.properties()).map_err(bad_request)?;
        let inside = |row: &&Row| {
            document.is_none_or(|id| row.get("documentId").and_then(Value::as_str) == Some(id))
                && options.holds(row)
        };
        let mut rows: Vec<&Row> = self.of(set).filter(inside).collect();
        options.sort(&mut rows);
        let total = rows.len();
        let wanted = options.top.unwrap_or(usize::MAX).min(PAGE);
        let page: Vec<Value> = rows
            .into_iter()
            .skip(options.skip)
            .take(wanted)
            .map(|row| self.shown(set, row, &options))
            .collect::<Result<_, _>>()?;
        let next = options.skip + page.len();
        let mut body = Map::new();
        body.insert("@odata.context".into(), format!("{ROOT}/$metadata#{}", set.name()).into());
        if options.count {
            body.insert("@odata.count".into(), total.into());
        }
        let left = options.top.map_or(total, |top| total.min(options.skip + top)).saturating_sub(next);
        body.insert("value".into(), page.into());
        if left > 0 {
            let top = options.top.map(|top| top - PAGE);
            body.insert("@odata.nextLink".into(), next_link(ask, &pairs, next, top).into());
        }
        Ok(standin::json(StatusCode::OK, &body.into()))
    }

    pub(super) fn read(&self, set: Set, id: &str, ask: &Ask) -> Answered {
        let options = Options::read(&ask.pairs(), set.properties()).map_err(bad_request)?;
        if options.filter.is_some() || options.top.is_some() || options.count || !options.order.is_empty() {
            return Err(bad_request("Only $select and $expand may be used on a single entity."));
        }
        let shown = self.shown(set, self.one(set, id)?, &options)?;
        Ok(with_etag(standin::json(StatusCode::OK, &shown), &shown))
    }

    /// A row as asked for: selected properties, its version, its lines where expanded.
    pub(super) fn shown(&self, set: Set, row: &Row, options: &Options) -> Result<Value, Refusal> {
        let mut out = Map::new();
        if let Some(etag) = row.get("@odata.etag") {
            out.insert("@odata.etag".into(), etag.clone());
        }
        for name in set.properties() {
            let wanted = options.select.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
            if let Some(value) = row.get(*name).filter(|_| wanted) {
                out.insert((*name).into(), value.clone());
            }
        }
        for name in &options.expand {
            let inside = match set.lines().filter(|set| set.name() == name) {
                Some(lines) => Some(self.lines_of(lines, row).into()),
                None => self.beside(set, row, name),
            };
            let inside = inside
                .ok_or_else(|| bad_request(format!("Could not find a property named '{name}' to expand.")))?;
            out.insert(name.clone(), inside);
        }
        Ok(out.into())
    }

    /// The one record that a row leads to by a name, or null; nothing where there is no such way.
    fn beside(&self, set: Set, row: &Row, name: &str) -> Option<Value> {
        match (set, name) {
            (Set::Customers, "customerFinancialDetail") => Some(self.owed_by(row)),
            (Set::Customers, "paymentTerm") => {
                let id = row.get("paymentTermsId").and_then(Value::as_str).unwrap_or_default();
                let term = self.rows.get(&(Set::Terms, id.to_owned()));
                Some(term.map_or(Value::Null, |term| Value::Object(term.clone())))
            }
            _ => None,
        }
    }

    /// What a customer has bought and not paid, as its invoices say.
    fn owed_by(&self, customer: &Row) -> Value {
        let number = customer.get("number");
        let own = || self.of(Set::Invoices).filter(|invoice| invoice.get("customerNumber") == number);
        let sum = |name: &str| own().filter_map(|invoice| invoice.get(name)?.as_f64()).sum::<f64>();
        json!({
            "id": customer.get("id"), "number": number, "balance": cents(sum("remainingAmount")),
            "totalSalesExcludingTax": cents(sum("totalAmountExcludingTax")), "overdueAmount": 0,
        })
    }

    pub(in crate::demo) fn lines_of(&self, set: Set, document: &Row) -> Vec<Value> {
        let id = document.get("id");
        let mut lines: Vec<&Row> = self.of(set).filter(|line| line.get("documentId") == id).collect();
        lines.sort_by_key(|line| line.get("sequence").and_then(Value::as_u64));
        lines.into_iter().cloned().map(Value::Object).collect()
    }
}

fn next_link(ask: &Ask, pairs: &[(String, String)], skip: usize, top: Option<usize>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if !matches!(name.as_str(), "$skip" | "$skiptoken" | "$top") {
            query.append_pair(name, value);
        }
    }
    if let Some(top) = top {
        query.append_pair("$top", &top.to_string());
    }
    query.append_pair("$skiptoken", &skip.to_string());
    let host = ask.header("host").unwrap_or("localhost");
    format!("http://{host}{}?{}", ask.path, query.finish())
}

pub(super) fn with_etag(mut response: Response<Bytes>, row: &Value) -> Response<Bytes> {
    let etag = row.get("@odata.etag").and_then(Value::as_str).and_then(|text| text.parse().ok());
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}
