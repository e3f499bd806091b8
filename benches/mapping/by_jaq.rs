//! The same job as a jq filter, run by jaq: bytes in, the entity as a value; the entity as a value, bytes out.

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    data::JustLut,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::{Val, read};

/// Definitions of the library that the filters below need.
const NEEDED: &[&str] = &[
    "empty",
    "error",
    "false",
    "isnumber",
    "join",
    "map",
    "map_values",
    "null",
    "select",
    "tonumber",
    "tostring",
    "totype",
    "true",
    "values",
];

/// A compiled filter.
pub(crate) struct Jaq(Filter<JustLut<Val>>);

impl Jaq {
    /// Compiles a filter once, as a gate would at load.
    pub(crate) fn new(code: &str) -> Self {
        // Not the library's names that need regular expressions, a clock or logarithms.
        let needed = |name: &str| NEEDED.contains(&name);
        let defs =
            jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| needed(def.name));
        let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules =
            Loader::new(defs).load(&arena, File { code, path: () }).map_err(|_| ()).expect("a filter");
        Self(Compiler::default().with_funs(funs).compile(modules).map_err(|_| ()).expect("known names"))
    }

    /// The one value that a value becomes.
    pub(crate) fn value(&self, input: Val) -> Val {
        let ctx = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        self.0.id.run((ctx, input)).map(unwrap_valr).next().expect("a value").expect("no error")
    }

    /// From bytes.
    pub(crate) fn inward(&self, body: &[u8]) -> Val {
        self.value(read::parse_single(body).expect("JSON"))
    }

    /// To bytes.
    pub(crate) fn outward(&self, entity: &Val) -> Vec<u8> {
        self.value(entity.clone()).to_string().into_bytes()
    }
}

/// A contact becomes a Customer.
pub(crate) const CONTACT_IN: &str = r#"
def some: if . == "" then null else . end;
def kept: map_values(values);
def country: { Poland: "PL", Germany: "DE", France: "FR", Czechia: "CZ" }[.];
.properties as $p | {
  id, kind: "person",
  name: ([$p.firstname, $p.lastname] | map(some | values) | join(" ")),
  given_name: ($p.firstname | some), family_name: ($p.lastname | some), company: ($p.company | some),
  vat_id: ($p.vat_id | some | if . then trim | ascii_upcase else null end),
  emails: [{ value: ($p.email | some) } | kept],
  phones: [{ type: "work", value: ($p.phone | some) }, { type: "mobile", value: ($p.mobilephone | some) } | select(.value)],
  addresses: [{ role: "contact", line1: ($p.address | some), city: ($p.city | some), post_code: ($p.zip | some), subdivision: ($p.state | some), country: ($p.country | some | country) } | kept],
  website: ($p.website | some), language: ($p.hs_language | some),
  lifecycle: ({ subscriber: "subscriber", lead: "lead", marketingqualifiedlead: "qualified", salesqualifiedlead: "qualified", opportunity: "opportunity", customer: "customer", evangelist: "other", other: "other" }[$p.lifecyclestage // "other"] // "other"),
  status: (if .archived then "archived" else "active" end),
  created_at: .createdAt, updated_at: .updatedAt
} | kept
"#;

/// A Customer becomes a contact.
pub(crate) const CONTACT_OUT: &str = r#"
def kept: map_values(values);
{ properties: ({
  firstname: .given_name, lastname: .family_name, company, vat_id: (.vat_id | ascii_upcase), email: .emails[0].value,
  phone: (.phones | map(select(.type == "work")) | .[0].value), mobilephone: (.phones | map(select(.type == "mobile")) | .[0].value),
  address: .addresses[0].line1, city: .addresses[0].city, zip: .addresses[0].post_code, state: .addresses[0].subdivision, country: ({ PL: "Poland", DE: "Germany", FR: "France", CZ: "Czechia" }[.addresses[0].country]),
  website, hs_language: .language,
  lifecyclestage: { subscriber: "subscriber", lead: "lead", qualified: "marketingqualifiedlead", opportunity: "opportunity", customer: "customer", other: "other" }[.lifecycle]
} | kept) }
"#;

/// A sales order becomes an Order.
pub(crate) const ORDER_IN: &str = r#"
def some: if . == "" then null else . end;
def kept: map_values(values);
def unit: { PCS: "H87", EA: "EA", SET: "SET", BOX: "XBX", PACK: "XPK", PALLET: "XPX", KG: "KGM", G: "GRM", L: "LTR", HOUR: "HUR", MIN: "MIN", DAY: "DAY", KM: "KMT", M: "MTR" }[.];
def tax: { FURNITURE: "S", LABOR: "S", MATERIALS: "S", SUPPLIES: "S", TAXABLE: "S", NONTAXABLE: "E" }[.];
def exact: if . == null then null else tostring end;
{
  id, number, customer: .customerNumber, customer_name: .customerName, buyer_reference: (.externalDocumentNumber | some),
  ordered_on: .orderDate, currency: (.currencyCode | some // "USD"),
  status: ({ Draft: "draft", "In Review": "open", Open: "open", Released: "open" }[.status] // "unknown"),
  fulfillment_status: (if .fullyShipped then "fulfilled" else "unknown" end),
  prices_include_tax: .pricesIncludeTax,
  lines: [.salesOrderLines[] | {
    id, kind: ({ Item: "item", Charge: "charge", Comment: "text" }[.lineType] // "other"),
    sku: (.lineObjectNumber | trim | ascii_upcase), product: .itemId, description: (.description | some),
    quantity: (.quantity | exact), unit: (.unitOfMeasureCode | unit), net_price: (.unitPrice | exact),
    discount_percent: (.discountPercent | exact), line_net_total: (.netAmount | exact), line_tax_inclusive_total: (.netAmountIncludingTax | exact), tax_category: (.taxCode | tax),
    tax_rate: (.taxPercent | exact), tax_amount: (.netTaxAmount | exact), shipped_quantity: (.shippedQuantity | exact),
    invoiced_quantity: (.invoicedQuantity | exact), requested_on: .shipmentDate
  } | kept],
  tax_exclusive_total: (.totalAmountExcludingTax | exact), tax_total: (.totalTaxAmount | exact),
  tax_inclusive_total: (.totalAmountIncludingTax | exact), updated_at: .lastModifiedDateTime
} | kept
"#;

/// An Order becomes a sales order.
pub(crate) const ORDER_OUT: &str = r#"
def kept: map_values(values);
def native: if . == null then null else tonumber end;
{
  customerNumber: .customer, externalDocumentNumber: .buyer_reference, orderDate: .ordered_on, currencyCode: .currency, pricesIncludeTax: .prices_include_tax,
  salesOrderLines: [.lines[] | {
    lineType: { item: "Item", charge: "Charge", text: "Comment" }[.kind],
    lineObjectNumber: (.sku | ascii_upcase), itemId: .product, description, quantity: (.quantity | native),
    unitOfMeasureCode: { H87: "PCS", EA: "EA", SET: "SET", XBX: "BOX", XPK: "PACK", XPX: "PALLET", KGM: "KG", GRM: "G", LTR: "L", HUR: "HOUR", MIN: "MIN", DAY: "DAY", KMT: "KM", MTR: "M" }[.unit],
    unitPrice: (.net_price | native), discountPercent: (.discount_percent | native), taxCode: { S: "TAXABLE", E: "NONTAXABLE" }[.tax_category], shipmentDate: .requested_on
  } | kept]
} | kept
"#;
