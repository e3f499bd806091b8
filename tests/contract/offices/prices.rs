//! A company's own page of Business Central over the lines of its price lists, as such a page answers. The records are
//! made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use super::odata;
use crate::{
    conditions::{Fields, Kind, Row},
    said::said,
};

pub(crate) const TOKEN: &str = "bc-token";
pub(crate) const ROOT: &str =
    "/v2.0/production/api/acme/prices/v1.0/companies(824820a2-508c-ed11-aada-000d3a298ab3)";
/// Lines that are in force, and for whom a price can say.
pub(crate) const ALL: usize = 9;

const FIELDS: Fields = &[
    ("id", Kind::Key),
    ("priceType", Kind::Text),
    ("status", Kind::Text),
    ("assetType", Kind::Text),
    ("assetNumber", Kind::Text),
    ("priceListCode", Kind::Text),
];

pub(crate) struct Lists(Vec<Row>);

pub(crate) fn id(n: usize) -> String {
    format!("0f8cb9c0-44e3-ea11-bb43-{n:012}")
}

impl Lists {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let whose = ["Customer", "Customer_x0020_Price_x0020_Group", "All_x0020_Customers", "Campaign"];
        let rows = (0..16).map(|n| {
            let source = whose[n % 4];
            let status = if n == 0 { "Draft" } else { "Active" };
            let kind = if n == 1 { "Purchase" } else { "Sale" };
            let asset = if n == 2 { "Resource" } else { "Item" };
            let amount = ["Price", "Discount", "Price_x0020__x0026__x0020_Discount"][n % 3];
            let number = ["20000", "WHOLESALE", "", "SPRING"][n % 4];
            let row = json!({ "@odata.etag": "W/\"1\"", "id": id(n), "priceListCode": format!("S{}", n % 2), "lineNumber": n * 10_000, "priceType": kind, "status": status,
                "sourceType": source, "sourceNumber": number, "assetType": asset, "assetId": "0ea6738a-44e3-ea11-bb43-000d3a2feca1", "assetNumber": format!("ITEM-{}", n / 4), "unitOfMeasureCode": "PCS",
                "currencyCode": if n < 8 { "" } else { "EUR" }, "minimumQuantity": n, "amountType": amount, "unitPrice": if amount == "Discount" { 0.0 } else { 12.3 },
                "lineDiscountPercent": if amount == "Price" { 0.0 } else { 7.5 }, "priceIncludesTax": n >= 12, "startingDate": "2026-01-01", "endingDate": "0001-01-01",
                "lastModifiedDateTime": "2026-01-01T10:00:00Z" });
            row.as_object().unwrap().clone()
        });
        Arc::new(Self(rows.collect()))
    }
}

fn refusal(status: u16, code: &str) -> Response<Bytes> {
    said(status, &json!({ "error": { "code": code, "message": code } }))
}

impl Answers for Lists {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return refusal(401, "Authentication_InvalidCredentials");
        }
        let Some(rest) = ask.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix("/priceListLines"))
        else {
            return refusal(404, "BadRequest_ResourceNotFound");
        };
        if ask.method != Method::GET {
            return refusal(400, "BadRequest_MethodNotAllowed");
        }
        let Ok(options) = odata::options(&ask.pairs(), &[]) else { return refusal(400, "BadRequest") };
        if !rest.is_empty() {
            let key = rest.trim_start_matches('(').trim_end_matches(')');
            let row = self.0.iter().find(|row| row["id"] == key);
            return match row.map(|row| odata::shown(row, &options)) {
                Some(Ok(row)) => said(200, &row),
                Some(Err(_)) => refusal(400, "BadRequest"),
                None => refusal(404, "Internal_RecordNotFound"),
            };
        }
        let size = odata::preferred(ask.header("prefer")).unwrap_or(20).min(3);
        let Ok((rows, more)) = odata::page(&options, FIELDS, &self.0, size) else {
            return refusal(400, "BadRequest_InvalidRequestUri");
        };
        let shown: Result<Vec<Value>, _> = rows.iter().map(|row| odata::shown(row, &options)).collect();
        let Ok(shown) = shown else { return refusal(400, "BadRequest") };
        let mut answer = json!({ "value": shown });
        if more {
            let pairs = ask.pairs().into_iter().filter(|(name, _)| name != "$skiptoken");
            let next = pairs.chain([("$skiptoken".to_owned(), (options.skip + size).to_string())]);
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(next).finish();
            answer["@odata.nextLink"] =
                format!("http://{}{}?{query}", ask.header("host").unwrap(), ask.path).into();
        }
        said(200, &answer)
    }
}
