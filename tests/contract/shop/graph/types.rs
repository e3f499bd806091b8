//! The types that the shop knows: fields with their arguments, inputs, and words of enumerations. What none of them has
//! is refused as a validator of GraphQL does, before anything is looked up.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::{Argument, Document, Operation, Selection, Type};

/// Most points of one request.
const COST_MAX: u64 = 1000;

type Field = (&'static str, &'static str, &'static str);

const LISTED: &str = "first:Int after:String query:String reverse:Boolean";

/// Type: fields, each with its arguments besides those of a list, and its type.
const OBJECTS: &[(&str, &[Field])] = &[
    (
        "QueryRoot",
        &[
            ("customers", "sortKey:CustomerSortKeys", "CustomerConnection"),
            ("orders", "sortKey:OrderSortKeys", "OrderConnection"),
            ("products", "sortKey:ProductSortKeys", "ProductConnection"),
            ("productVariants", "sortKey:ProductVariantSortKeys", "ProductVariantConnection"),
            ("customer", "id:ID!", "Customer"),
            ("order", "id:ID!", "Order"),
            ("fulfillment", "id:ID!", "Fulfillment"),
            ("product", "id:ID!", "Product"),
            ("productVariant", "id:ID!", "ProductVariant"),
        ],
    ),
    (
        "Mutation",
        &[
            ("customerCreate", "input:CustomerInput!", "CustomerPayload"),
            ("customerUpdate", "input:CustomerInput!", "CustomerPayload"),
            ("customerDelete", "input:CustomerDeleteInput!", "CustomerDeletePayload"),
            ("productSet", "input:ProductSetInput! synchronous:Boolean", "ProductSetPayload"),
            ("productUpdate", "product:ProductUpdateInput!", "ProductPayload"),
            ("productDelete", "input:ProductDeleteInput!", "ProductDeletePayload"),
        ],
    ),
    ("CustomerPayload", &[("customer", "", "Customer"), ("userErrors", "", "UserError")]),
    ("CustomerDeletePayload", &[("deletedCustomerId", "", "ID"), ("userErrors", "", "UserError")]),
    ("ProductPayload", &[("product", "", "Product"), ("userErrors", "", "UserError")]),
    ("ProductSetPayload", &[("product", "", "Product"), ("userErrors", "", "ProductSetUserError")]),
    ("ProductDeletePayload", &[("deletedProductId", "", "ID"), ("userErrors", "", "UserError")]),
    ("UserError", &[("field", "", "String"), ("message", "", "String")]),
    ("ProductSetUserError", &[("code", "", "String"), ("field", "", "String"), ("message", "", "String")]),
    ("PageInfo", &[("hasNextPage", "", "Boolean"), ("endCursor", "", "String")]),
    (
        "Customer",
        &[
            ("id", "", "ID"),
            ("legacyResourceId", "", "UnsignedInt64"),
            ("firstName", "", "String"),
            ("lastName", "", "String"),
            ("displayName", "", "String"),
            ("createdAt", "", "DateTime"),
            ("updatedAt", "", "DateTime"),
            ("defaultEmailAddress", "", "CustomerEmailAddress"),
            ("defaultPhoneNumber", "", "CustomerPhoneNumber"),
            ("defaultAddress", "", "MailingAddress"),
        ],
    ),
    ("CustomerEmailAddress", &[("emailAddress", "", "String")]),
    ("CustomerPhoneNumber", &[("phoneNumber", "", "String")]),
    (
        "MailingAddress",
        &[
            ("name", "", "String"),
            ("company", "", "String"),
            ("address1", "", "String"),
            ("address2", "", "String"),
            ("city", "", "String"),
            ("zip", "", "String"),
            ("provinceCode", "", "String"),
            ("countryCodeV2", "", "CountryCode"),
        ],
    ),
    (
        "Order",
        &[
            ("id", "", "ID"),
            ("legacyResourceId", "", "UnsignedInt64"),
            ("name", "", "String"),
            ("email", "", "String"),
            ("phone", "", "String"),
            ("createdAt", "", "DateTime"),
            ("updatedAt", "", "DateTime"),
            ("processedAt", "", "DateTime"),
            ("displayFinancialStatus", "", "OrderDisplayFinancialStatus"),
            ("displayFulfillmentStatus", "", "OrderDisplayFulfillmentStatus"),
            ("currencyCode", "", "CurrencyCode"),
            ("taxesIncluded", "", "Boolean"),
            ("customer", "", "Customer"),
            ("billingAddress", "", "MailingAddress"),
            ("shippingAddress", "", "MailingAddress"),
            ("totalDiscountsSet", "", "MoneyBag"),
            ("totalShippingPriceSet", "", "MoneyBag"),
            ("totalTaxSet", "", "MoneyBag"),
            ("totalPriceSet", "", "MoneyBag"),
            ("lineItems", "", "LineItemConnection"),
            ("fulfillments", "first:Int", "Fulfillment"),
            ("transactions", "first:Int", "OrderTransaction"),
        ],
    ),
    (
        "Fulfillment",
        &[
            ("id", "", "ID"),
            ("legacyResourceId", "", "UnsignedInt64"),
            ("name", "", "String"),
            ("status", "", "FulfillmentStatus"),
            ("displayStatus", "", "FulfillmentDisplayStatus"),
            ("createdAt", "", "DateTime"),
            ("updatedAt", "", "DateTime"),
            ("order", "", "Order"),
            ("location", "", "Location"),
            ("trackingInfo", "first:Int", "FulfillmentTrackingInfo"),
            ("fulfillmentLineItems", "", "FulfillmentLineItemConnection"),
        ],
    ),
    ("Location", &[("legacyResourceId", "", "UnsignedInt64")]),
    ("FulfillmentTrackingInfo", &[("company", "", "String"), ("number", "", "String"), ("url", "", "URL")]),
    ("FulfillmentLineItem", &[("id", "", "ID"), ("quantity", "", "Int"), ("lineItem", "", "LineItem")]),
    (
        "OrderTransaction",
        &[
            ("id", "", "ID"),
            ("kind", "", "OrderTransactionKind"),
            ("status", "", "OrderTransactionStatus"),
            ("gateway", "", "String"),
            ("createdAt", "", "DateTime"),
            ("processedAt", "", "DateTime"),
            ("order", "", "Order"),
            ("amountSet", "", "MoneyBag"),
        ],
    ),
    ("MoneyBag", &[("shopMoney", "", "MoneyV2"), ("presentmentMoney", "", "MoneyV2")]),
    ("MoneyV2", &[("amount", "", "Decimal"), ("currencyCode", "", "CurrencyCode")]),
    (
        "LineItem",
        &[
            ("id", "", "ID"),
            ("sku", "", "String"),
            ("name", "", "String"),
            ("quantity", "", "Int"),
            ("product", "", "Product"),
            ("originalUnitPriceSet", "", "MoneyBag"),
        ],
    ),
    (
        "Product",
        &[
            ("id", "", "ID"),
            ("legacyResourceId", "", "UnsignedInt64"),
            ("title", "", "String"),
            ("descriptionHtml", "", "HTML"),
            ("productType", "", "String"),
            ("status", "", "ProductStatus"),
            ("createdAt", "", "DateTime"),
            ("updatedAt", "", "DateTime"),
            ("options", "first:Int", "ProductOption"),
            ("priceRangeV2", "", "ProductPriceRangeV2"),
            ("variants", "", "ProductVariantConnection"),
        ],
    ),
    ("ProductPriceRangeV2", &[("minVariantPrice", "", "MoneyV2")]),
    ("ProductOption", &[("name", "", "String"), ("optionValues", "", "ProductOptionValue")]),
    ("ProductOptionValue", &[("name", "", "String")]),
    (
        "ProductVariant",
        &[
            ("id", "", "ID"),
            ("legacyResourceId", "", "UnsignedInt64"),
            ("sku", "", "String"),
            ("barcode", "", "String"),
            ("price", "", "Money"),
            ("inventoryQuantity", "", "Int"),
            ("updatedAt", "", "DateTime"),
            ("inventoryItem", "", "InventoryItem"),
            ("product", "", "Product"),
        ],
    ),
    ("InventoryItem", &[("tracked", "", "Boolean")]),
];

/// Input: what may stand in it; `[]` before a type is a list.
const INPUTS: &[(&str, &str)] = &[
    ("CustomerInput", "id:ID firstName:String lastName:String email:String phone:String"),
    ("CustomerDeleteInput", "id:ID!"),
    ("ProductDeleteInput", "id:ID!"),
    (
        "ProductUpdateInput",
        "id:ID title:String descriptionHtml:String productType:String status:ProductStatus",
    ),
    (
        "ProductSetInput",
        "title:String descriptionHtml:String productType:String status:ProductStatus productOptions:[]OptionSetInput variants:[]ProductVariantSetInput",
    ),
    ("OptionSetInput", "name:String values:[]OptionValueSetInput"),
    ("OptionValueSetInput", "name:String"),
    (
        "ProductVariantSetInput",
        "optionValues:[]VariantOptionValueInput sku:String barcode:String price:Money",
    ),
    ("VariantOptionValueInput", "optionName:String name:String"),
];

const ENUMS: &[(&str, &[&str])] = &[
    ("CustomerSortKeys", &["CREATED_AT", "ID", "NAME", "UPDATED_AT"]),
    ("OrderSortKeys", &["CREATED_AT", "ID", "PROCESSED_AT", "UPDATED_AT"]),
    ("ProductSortKeys", &["CREATED_AT", "ID", "TITLE", "UPDATED_AT"]),
    ("ProductVariantSortKeys", &["ID", "SKU", "TITLE"]),
    ("ProductStatus", &["ACTIVE", "ARCHIVED", "DRAFT"]),
];

/// A type of `name:Type!` pairs.
fn typed(text: &str, name: &str) -> Option<Type> {
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once(':'));
    let (_, of) = pairs.into_iter().find(|(known, _)| *known == name)?;
    Some(match of.strip_suffix('!') {
        Some(of) => Type { name: of.to_owned(), is_required: true },
        None => Type { name: of.to_owned(), is_required: false },
    })
}

fn required(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter(|pair| pair.ends_with('!'))
        .filter_map(|pair| Some(pair.split_once(':')?.0))
}

/// A field of a type: its arguments, and its own type.
pub(super) fn field(of: &str, name: &str) -> Option<(String, String)> {
    if let Some(node) = of.strip_suffix("Connection") {
        return match name {
            "nodes" => Some((String::new(), node.to_owned())),
            "pageInfo" => Some((String::new(), "PageInfo".to_owned())),
            _ => None,
        };
    }
    let (_, fields) = OBJECTS.iter().find(|(known, _)| *known == of)?;
    let (_, arguments, own) = fields.iter().find(|(known, ..)| *known == name)?;
    let listed = if own.ends_with("Connection") { LISTED } else { "" };
    Some((format!("{arguments} {listed}"), (*own).to_owned()))
}

fn is_object(of: &str) -> bool {
    of.ends_with("Connection") || OBJECTS.iter().any(|(known, _)| *known == of)
}

fn error(code: &str, message: String) -> Value {
    json!({ "message": message, "extensions": { "code": code } })
}

/// One request under the rules of validation (section 5 of the specification).
pub(super) struct Check<'c> {
    document: &'c Document,
    operation: &'c Operation,
    used: BTreeSet<String>,
    spread: BTreeSet<String>,
    errors: Vec<Value>,
}

/// What is wrong with a document, whichever of its operations is meant.
pub(super) fn faults(document: &Document) -> Vec<Value> {
    let (mut errors, mut spread) = (Vec::new(), BTreeSet::new());
    for operation in &document.operations {
        let root = if operation.kind == "query" { "QueryRoot" } else { "Mutation" };
        let mut check =
            Check { document, operation, used: BTreeSet::new(), spread: BTreeSet::new(), errors: Vec::new() };
        check.selection(root, &operation.selection, 0);
        for name in operation.variables.keys().filter(|name| !check.used.contains(*name)) {
            let text = format!("Variable ${name} is declared by {} but not used", operation.name);
            check.errors.push(error("variableNotUsed", text));
        }
        errors.append(&mut check.errors);
        spread.append(&mut check.spread);
    }
    for name in document.fragments.keys().filter(|name| !spread.contains(*name)) {
        errors.push(error("useAndDefineFragment", format!("Fragment {name} was defined, but not used")));
    }
    errors
}

impl Check<'_> {
    fn tell(&mut self, code: &str, message: String) {
        self.errors.push(error(code, message));
    }

    fn selection(&mut self, of: &str, selection: &[Selection], level: usize) {
        if level > 20 {
            return self.tell("depth", "Fragments go in a circle".to_owned());
        }
        for selected in selection {
            match selected {
                Selection::Spread(name) => {
                    self.spread.insert(name.clone());
                    match self.document.fragments.get(name) {
                        Some((on, selection)) if on == of => self.selection(of, selection, level + 1),
                        _ => self.tell(
                            "useAndDefineFragment",
                            format!("Fragment {name} cannot be spread on {of}"),
                        ),
                    }
                }
                Selection::Field { name, arguments, selection, .. } => {
                    let Some((known, own)) = field(of, name) else {
                        let text = format!("Field '{name}' doesn't exist on type '{of}'");
                        self.tell("undefinedField", text);
                        continue;
                    };
                    self.arguments(name, &known, arguments);
                    match (is_object(&own), selection.is_empty()) {
                        (true, true) => self.tell(
                            "selectionMismatch",
                            format!("Field must have selections (field '{name}' returns {own} but has no selections)"),
                        ),
                        (false, false) => self.tell(
                            "selectionMismatch",
                            format!("Selections can't be made on scalars (field '{name}' returns {own})"),
                        ),
                        _ => self.selection(&own, selection, level + 1),
                    }
                }
            }
        }
    }

    fn arguments(&mut self, field: &str, known: &str, arguments: &[(String, Argument)]) {
        for (name, argument) in arguments {
            let Some(due) = typed(known, name) else {
                let text = format!("Field '{field}' doesn't accept argument '{name}'");
                self.tell("argumentNotAccepted", text);
                continue;
            };
            let Argument::Variable(variable) = argument else { continue };
            self.used.insert(variable.clone());
            match self.operation.variables.get(variable) {
                None => {
                    self.tell("variableNotDefined", format!("Variable ${variable} is used but not declared"))
                }
                Some(declared) if declared.name != due.name || (due.is_required && !declared.is_required) => {
                    let text = format!("Type mismatch on variable ${variable} and argument {name}");
                    self.tell("variableMismatch", text);
                }
                Some(_) => {}
            }
        }
        let is_there = |wanted: &str| arguments.iter().any(|(name, _)| name == wanted);
        let missing: Vec<_> = required(known).filter(|wanted| !is_there(wanted)).collect();
        if !missing.is_empty() {
            self.tell(
                "missingRequiredArguments",
                format!("Field '{field}' is missing arguments: {}", missing.join(", ")),
            );
        }
        if known.contains("after:String") && !is_there("first") {
            self.tell("BAD_REQUEST", "you must provide one of first or last".to_owned());
        }
    }
}

/// What is wrong with the variables of an operation.
pub(super) fn misfits(operation: &Operation, variables: &Map<String, Value>) -> Vec<Value> {
    let mut errors = Vec::new();
    for (name, of) in &operation.variables {
        let value = variables.get(name).unwrap_or(&Value::Null);
        if let Err(why) = fits(of, value) {
            let text = format!("Variable ${name} of type {} was provided invalid value: {why}", of.name);
            errors.push(error("INVALID_VARIABLE", text));
        }
    }
    for name in variables.keys().filter(|name| !operation.variables.contains_key(*name)) {
        errors.push(error("INVALID_VARIABLE", format!("Variable ${name} is not declared")));
    }
    errors
}

fn fits(of: &Type, value: &Value) -> Result<(), String> {
    if let Some(item) = of.name.strip_prefix("[]") {
        let item = Type { name: item.to_owned(), is_required: true };
        let items = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
        return items.iter().try_for_each(|value| fits(&item, value));
    }
    let is_one = match (of.name.as_str(), value) {
        (_, Value::Null) => !of.is_required,
        ("Int", Value::Number(number)) => number.is_i64(),
        ("Boolean", Value::Bool(_)) | ("ID" | "String" | "Money", Value::String(_)) => true,
        (name, Value::String(word)) => {
            ENUMS.iter().any(|(known, words)| known == &name && words.contains(&word.as_str()))
        }
        (name, Value::Object(members)) => {
            let (_, known) = INPUTS.iter().find(|(known, _)| *known == name).ok_or("no input")?;
            for (member, value) in members {
                let of = typed(known, member)
                    .ok_or_else(|| format!("Field is not defined on {name}: {member}"))?;
                fits(&of, value)?;
            }
            required(known).all(|wanted| members.contains_key(wanted))
        }
        _ => false,
    };
    if is_one { Ok(()) } else { Err(format!("{value} is no {}", of.name)) }
}

/// An argument's value.
pub(super) fn argument(
    arguments: &[(String, Argument)],
    variables: &Map<String, Value>,
    name: &str,
) -> Value {
    match arguments.iter().find(|(known, _)| known == name) {
        Some((_, Argument::Variable(variable))) => variables.get(variable).cloned().unwrap_or_default(),
        Some((_, Argument::Literal(value))) => value.clone(),
        None => Value::Null,
    }
}

/// What an operation costs at most: one an object, two a list and what each of its rows costs, ten a mutation.
pub(super) fn cost(
    document: &Document,
    (of, selection): (&str, &[Selection]),
    variables: &Map<String, Value>,
) -> u64 {
    let mut sum = 0;
    for selected in selection {
        sum += match selected {
            Selection::Spread(name) => {
                let (on, selection) = &document.fragments[name];
                cost(document, (on, selection), variables)
            }
            Selection::Field { name, arguments, selection, .. } => {
                let (_, own) = field(of, name).unwrap();
                let inside = cost(document, (&own, selection), variables);
                match is_object(&own) {
                    true if own.ends_with("Connection") => {
                        2 + inside * argument(arguments, variables, "first").as_u64().unwrap_or(1)
                    }
                    true if of == "Mutation" => 10 + inside,
                    true => 1 + inside,
                    false => 0,
                }
            }
        };
    }
    sum
}

/// Why an operation is not run at all, if it costs too much.
pub(super) fn too_dear(cost: u64) -> Option<Value> {
    (cost > COST_MAX).then(|| {
        error(
            "MAX_COST_EXCEEDED",
            format!("Query cost is {cost}, which exceeds the single query max cost limit ({COST_MAX})"),
        )
    })
}
