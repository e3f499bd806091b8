//! Money: which leaves are amounts, where their currency stands, and which totals are made of which amounts.
//!
//! An amount never stands without its currency: a record that does not say it has the amount taken out
//! ([`Entity::strike_bare`]). A total that is not what it is made of stays as the system tells it, and is found
//! ([`Entity::unbalanced`]): who is wrong nobody can say from here.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{
    entity::{Entity, Object, Shape},
    fields::{FieldSet, LeafId},
    record::{Fields, Record, Value},
};

/// Why a decimal is money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// The leaf that says of which currency.
    pub currency: LeafId,
    /// The code that another leaf must have for it to be money at all; always, where there is none.
    pub when: Option<(LeafId, Arc<str>)>,
}

/// One amount of those that make up a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The amount; in a list, that of every element.
    pub leaf: LeafId,
    /// Whether it is taken away.
    pub is_minus: bool,
}

/// What is known of amounts where one stands: in a record, or in an element of its lists.
#[derive(Clone, Copy)]
struct Known {
    /// Amounts whose currency is said.
    said: FieldSet,
    /// Amounts that are money here.
    money: FieldSet,
    /// Whether elements of lists know more.
    is_open: bool,
}

impl Entity {
    /// Leaves, and what says of which currency the amounts among them are.
    #[must_use]
    pub fn with_currencies(&self, leaves: &FieldSet) -> FieldSet {
        let mut all = *leaves;
        for (_, money) in self.amounts().filter(|(amount, _)| leaves.contains(*amount)) {
            all.insert(money.currency);
            if let Some((when, _)) = &money.when {
                all.insert(*when);
            }
        }
        all
    }

    /// Every leaf that is money, and why.
    pub fn amounts(&self) -> impl Iterator<Item = (LeafId, &Money)> {
        self.ids().filter_map(|id| Some((id, self.leaf(id)?.money.as_ref()?)))
    }

    /// Takes the amounts out of a record whose currency it does not say, and says which they are. Of what was not
    /// `asked` for nothing is known.
    pub fn strike_bare(&self, record: &mut Record, asked: &FieldSet) -> FieldSet {
        let mut struck = FieldSet::EMPTY;
        let is_asked = |(amount, money): &(LeafId, &Money)| {
            asked.contains(*amount)
                && asked.contains(money.currency)
                && money.when.as_ref().is_none_or(|(when, _)| asked.contains(*when))
        };
        let amounts: Vec<_> = self.amounts().filter(is_asked).collect();
        if amounts.is_empty() {
            return struck;
        }
        let always = amounts.iter().filter(|(_, money)| money.when.is_none()).map(|(amount, _)| *amount);
        let in_list = |leaf: LeafId| self.leaf(leaf).is_some_and(|leaf| leaf.in_list);
        let is_open = |(_, money): &(LeafId, &Money)| {
            in_list(money.currency) || money.when.as_ref().is_some_and(|(when, _)| in_list(*when))
        };
        let known =
            Known { said: FieldSet::EMPTY, money: always.collect(), is_open: amounts.iter().any(is_open) };
        strike(&self.root, &mut record.fields, &amounts, known, &mut struck);
        struck
    }

    /// The totals of a record that are not what they are made of, of those that it tells with all that makes them up. An
    /// amount outside of lists that is not `mapped` is none; a difference of one unit of the currency's last place is
    /// allowed for every element that is added.
    pub fn unbalanced(&self, record: &Record, mapped: &FieldSet) -> FieldSet {
        self.ids().filter(|total| self.is_off(*total, record, mapped)).collect()
    }

    fn is_off(&self, total: LeafId, record: &Record, mapped: &FieldSet) -> bool {
        let Some(leaf) = self.leaf(total).filter(|leaf| !leaf.sum.is_empty()) else { return false };
        let (Some(Value::Decimal(told)), Some(money)) = (record.first(self, total), &leaf.money) else {
            return false;
        };
        let Some(currency) = record.first(self, money.currency).and_then(Value::as_text) else {
            return false;
        };
        let (mut sum, mut elements) = (Some(Decimal::ZERO), 1_u32);
        for term in &leaf.sum {
            let in_list = self.leaf(term.leaf).is_some_and(|leaf| leaf.in_list);
            if !in_list && !mapped.contains(term.leaf) {
                continue;
            }
            let mut values = Vec::new();
            if !all_in(&self.root, &record.fields, u16::from(term.leaf.0), &mut values) {
                return false;
            }
            if in_list {
                elements = elements.max(u32::try_from(values.len()).unwrap_or(u32::MAX));
            }
            for value in values {
                let value = if term.is_minus { -value } else { value };
                sum = sum.and_then(|sum| sum.checked_add(value));
            }
        }
        let unit = Decimal::new(1, digits(currency));
        let (Some(gap), Some(most)) =
            (sum.and_then(|sum| sum.checked_sub(*told)), unit.checked_mul(elements.into()))
        else {
            return false;
        };
        gap.abs() > most
    }
}

/// Digits behind the point of a currency's smallest unit (ISO 4217).
fn digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// Recursion is bounded by the depth of the entity.
fn strike(
    object: &Object,
    fields: &mut Fields,
    amounts: &[(LeafId, &Money)],
    mut known: Known,
    struck: &mut FieldSet,
) {
    learn(object, fields, amounts, &mut known);
    if known.is_open || !known.money.is_subset(&known.said) {
        strike_in(object, fields, (amounts, known), struck);
    }
}

fn strike_in(
    object: &Object,
    fields: &mut Fields,
    (amounts, known): (&[(LeafId, &Money)], Known),
    struck: &mut FieldSet,
) {
    fields.retain_mut(|position, value| match (object.at(position).map(|field| &field.shape), value) {
        (Some(Shape::Leaf(leaf)), value) => {
            let is_bare = known.money.contains(*leaf) && !known.said.contains(*leaf) && *value != Value::Null;
            if is_bare {
                struck.insert(*leaf);
            }
            !is_bare
        }
        (Some(Shape::Object(inner)), Value::Object(fields)) => {
            let was_empty = fields.is_empty();
            strike_in(inner, fields, (amounts, known), struck);
            was_empty || !fields.is_empty()
        }
        (Some(Shape::List(item)), Value::List(values)) => {
            if let Shape::Object(inner) = &**item {
                for value in values {
                    if let Value::Object(fields) = value {
                        strike(inner, fields, amounts, known, struck);
                    }
                }
            }
            true
        }
        _ => true,
    });
}

/// What an object says of amounts, outside of its lists.
fn learn(object: &Object, fields: &Fields, amounts: &[(LeafId, &Money)], known: &mut Known) {
    for (position, value) in fields.iter() {
        match (object.at(position).map(|field| &field.shape), value) {
            (Some(Shape::Object(inner)), Value::Object(fields)) => learn(inner, fields, amounts, known),
            (Some(Shape::Leaf(leaf)), Value::Text(text)) => {
                for (amount, money) in amounts {
                    if money.currency == *leaf {
                        known.said.insert(*amount);
                    }
                    if money.when.as_ref().is_some_and(|(when, is)| when == leaf && **is == **text) {
                        known.money.insert(*amount);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Every value of a decimal; `false` where one is not told.
fn all_in(object: &Object, fields: &Fields, leaf: u16, out: &mut Vec<Decimal>) -> bool {
    let field = object.fields.iter().zip(0_u16..).find(|(field, _)| field.leaves.contains(&leaf));
    field.is_some_and(|(field, position)| all_of(&field.shape, fields.at(position), leaf, out))
}

fn all_of(shape: &Shape, value: Option<&Value>, leaf: u16, out: &mut Vec<Decimal>) -> bool {
    match (shape, value) {
        (Shape::Leaf(_), Some(Value::Null)) => true,
        (Shape::Leaf(_), Some(Value::Decimal(value))) => {
            out.push(*value);
            true
        }
        (Shape::Object(object), Some(Value::Object(fields))) => all_in(object, fields, leaf, out),
        (Shape::List(item), Some(Value::List(values))) => {
            values.iter().all(|value| all_of(item, Some(value), leaf, out))
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::testing;

    const BILL: &str = "
title: Bill
description: A bill
x-collection: bills
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: Names it }
  currency: { type: string, format: currency, x-class: internal, description: Of amounts }
  kind: { type: string, enum: [percent, amount], x-class: internal, description: What the rebate is }
  rebate: { type: string, format: decimal, x-currency: { at: currency, when: { kind: amount } }, x-class: internal, description: Off }
  lines:
    type: array
    description: Lines
    items:
      type: object
      properties:
        net: { type: string, format: decimal, x-currency: currency, x-class: internal, description: Of the line }
        how_many: { type: string, format: decimal, x-class: internal, description: No money }
  paid:
    type: array
    description: Payments
    items:
      type: object
      properties:
        sum: { type: string, format: decimal, x-currency: paid.currency, x-class: internal, description: How much }
        currency: { type: string, format: currency, x-class: internal, description: Of which }
  charge: { type: string, format: decimal, x-currency: currency, x-class: internal, description: Besides }
  off: { type: string, format: decimal, x-currency: currency, x-class: internal, description: Less }
  total: { type: string, format: decimal, x-currency: currency, x-sum: [lines.net, charge, -off], x-class: internal, description: All }
";

    fn bill() -> Entity {
        testing::compiled("bill.yaml", BILL).0.unwrap()
    }

    fn paths(entity: &Entity, leaves: &FieldSet) -> Vec<String> {
        leaves.iter().map(|leaf| entity.leaf(leaf).unwrap().path.to_string()).collect()
    }

    fn struck(json: &str, asked: &FieldSet) -> (String, Vec<String>) {
        let entity = bill();
        let mut record = testing::record(&entity, json);
        let struck = entity.strike_bare(&mut record, asked);
        (testing::written(&entity, &record, None), paths(&entity, &struck))
    }

    #[test]
    fn an_amount_without_its_currency_is_taken_out_and_named() {
        let all = bill().all();
        let with = r#"{"currency":"EUR","kind":"amount","rebate":"1","lines":[{"net":"2","how_many":"3"}],"total":"2"}"#;
        assert_eq!(struck(with, &all), (with.to_owned(), vec![]));
        let (left, which) = struck(&with.replace(r#""currency":"EUR","#, ""), &all);
        assert_eq!(left, r#"{"kind":"amount","lines":[{"how_many":"3"}]}"#);
        assert_eq!(which, ["rebate", "lines.net", "total"]);
        // A percentage is of no currency.
        let percent = r#"{"kind":"percent","rebate":"5"}"#;
        assert_eq!(struck(percent, &all), (percent.to_owned(), vec![]));
        // Nothing is known of a currency that nobody asked for.
        let asked = FieldSet::from_iter([bill().leaf_at("total").unwrap()]);
        assert_eq!(struck(r#"{"total":"2"}"#, &asked), (r#"{"total":"2"}"#.to_owned(), vec![]));
        assert_eq!(paths(&bill(), &bill().with_currencies(&asked)), ["currency", "total"]);
    }

    #[test]
    fn an_element_of_a_list_may_say_its_own_currency() {
        let all = bill().all();
        let paid = r#"{"currency":"EUR","paid":[{"sum":"1","currency":"PLN"},{"sum":"2"}]}"#;
        let (left, which) = struck(paid, &all);
        assert_eq!(left, r#"{"currency":"EUR","paid":[{"sum":"1","currency":"PLN"},{}]}"#);
        assert_eq!(which, ["paid.sum"]);
    }

    fn is_off(json: &str, without: &[&str]) -> bool {
        let entity = bill();
        let mut mapped = entity.all();
        without.iter().for_each(|path| mapped.remove(entity.leaf_at(path).unwrap()));
        !entity.unbalanced(&testing::record(&entity, json), &mapped).is_empty()
    }

    #[test]
    fn lines_that_do_not_add_up_to_the_total_are_found_exactly() {
        let bill = |currency: &str, total: &str| {
            format!(
                r#"{{"currency":"{currency}","lines":[{{"net":"10.005"}},{{"net":"0.1"}},{{"net":"0.2"}}],"charge":"5","off":"1.5","total":"{total}"}}"#
            )
        };
        // 13.805, and one cent for each of three lines.
        for (currency, total, off) in [
            ("EUR", "13.805", false),
            ("EUR", "13.80", false),
            ("EUR", "13.835", false),
            ("EUR", "13.836", true),
            ("EUR", "13.775", false),
            ("EUR", "13.774", true),
            ("JPY", "16.8", false),
            ("JPY", "16.9", true),
            ("KWD", "13.808", false),
            ("KWD", "13.809", true),
        ] {
            assert_eq!(is_off(&bill(currency, total), &[]), off, "{total} {currency}");
        }
    }

    #[test]
    fn what_is_not_told_is_not_added_up() {
        let whole = r#"{"currency":"EUR","lines":[{"net":"1"}],"charge":"5","off":"0","total":"99"}"#;
        assert!(is_off(whole, &[]));
        for left_out in
            [r#""currency":"EUR","#, r#""lines":[{"net":"1"}],"#, r#""charge":"5","#, r#","total":"99""#]
        {
            assert!(!is_off(&whole.replace(left_out, ""), &[]), "{left_out}");
        }
        assert!(!is_off(&whole.replace(r#"{"net":"1"}"#, r#"{"net":"1"},{"how_many":"1"}"#), &[]));
        // What a system's file has no line for is none.
        let without = r#"{"currency":"EUR","lines":[{"net":"1"}],"total":"1"}"#;
        assert!(!is_off(without, &["charge", "off"]));
        assert!(is_off(&without.replace(r#""total":"1""#, r#""total":"3""#), &["charge", "off"]));
    }

    #[test]
    fn every_decimal_of_the_shipped_schema_is_money_or_a_measure() {
        // What counts, weighs or is a share, by the last word of its name.
        const MEASURES: [&str; 9] = [
            "quantity",
            "percent",
            "rate",
            "on_hand",
            "committed",
            "available",
            "incoming",
            "quarantine",
            "weight.value",
        ];
        let schema = testing::shipped();
        for entity in schema.entities() {
            for leaf in entity.ids().filter_map(|id| entity.leaf(id)) {
                let path = leaf.path.as_str();
                let is_measure = MEASURES.iter().any(|measure| {
                    path.strip_suffix(measure)
                        .is_some_and(|before| before.is_empty() || before.ends_with(['.', '_']))
                });
                if matches!(leaf.kind, crate::schema::LeafKind::Decimal) {
                    let told = "say `x-currency`, or that it is a measure";
                    assert!(leaf.money.is_some() != is_measure, "{}: {path}: {told}", entity.name);
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_an_amount_is_told() {
        for (before, after, word) in [
            ("x-currency: paid.currency", "x-currency: paid.currncy", "did you mean `paid.currency`"),
            (
                "x-currency: currency, x-class: internal, description: Besides",
                "x-currency: paid.currency, x-class: internal, description: Besides",
                "beside `charge`",
            ),
            (
                "x-currency: currency, x-class: internal, description: Besides",
                "x-currency: kind, x-class: internal, description: Besides",
                "is not a field of `format: currency`",
            ),
            ("{ kind: amount }", "{ kind: money }", "no code of `kind`"),
            ("{ kind: amount }", "{ charge: amount }", "is not a field with codes"),
            ("-off]", "-of]", "did you mean `off`"),
            ("-off]", "lines.how_many]", "no other amount"),
            ("-off]", "total]", "no other amount"),
            ("x-currency: currency, x-sum", "x-sum", "where does its currency stand"),
            ("id: { type: string,", "id: { type: string, x-currency: currency,", "of amounts"),
        ] {
            assert!(BILL.contains(before), "{before}");
            let text = BILL.replacen(before, after, 1);
            let (entity, told) = testing::compiled("bill.yaml", &text);
            assert!(
                entity.is_none() && told.contains(word) && told.contains("bill.yaml:"),
                "{after}: {told}"
            );
        }
    }
}
