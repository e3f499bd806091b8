//! Amounts and their currencies: a file that tells one without the other does not load.

use std::collections::HashMap;

use super::fields::Lines;
use crate::{
    mapping::{
        codec::Tabled,
        model::{Line, ObjectPart, Source},
    },
    schema::{Entity, LeafId, Value},
    words::{Diagnostic, Diagnostics, tree::Node},
};

/// Every amount that has a line needs one for its currency too.
pub(super) fn check(entity: &Entity, root: &ObjectPart, lines: &Lines, node: &Node, found: &mut Diagnostics) {
    let mut mapped: HashMap<LeafId, Vec<&Line>> = HashMap::new();
    root.lines(false, &mut |line, _| mapped.entry(line.leaf).or_default().push(line));
    for (amount, money) in entity.amounts() {
        let may_be_money = money.when.as_ref().is_none_or(|(when, is)| {
            mapped.get(when).is_some_and(|lines| lines.iter().any(|line| may_say(line, is)))
        });
        if !mapped.contains_key(&amount) || mapped.contains_key(&money.currency) || !may_be_money {
            continue;
        }
        let name = |leaf: LeafId| entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
        let place = lines.places.iter().find(|(leaf, _)| *leaf == amount);
        let (amount, currency) = (name(amount), name(money.currency));
        let text = format!("`{amount}` is money, and no line says of which currency");
        found.push(Diagnostic::error(place.map_or(&node.place, |(_, place)| place), text).help(format!(
            "add a line `{currency}`: a path, or what it always is, as in `=EUR` or `=$settings.currency`"
        )));
    }
}

/// Whether a line may tell a code: only a constant surely does not.
fn may_say(line: &Line, is: &str) -> bool {
    match &line.source {
        Source::Constant(value) => value.as_text() == Some(is) || *value == Value::Null,
        Source::Native(native) => {
            let codec = &native.codec;
            let is_it = |value: &Value| value.as_text() == Some(is);
            let otherwise = codec.otherwise.iter().chain(&codec.default).any(is_it);
            let table = codec.table.as_ref().and_then(Tabled::fixed);
            let in_table = table.is_none_or(|table| table.rows.iter().any(|(_, value)| is_it(value)));
            codec.keep || otherwise || in_table
        }
        Source::Join(_)
        | Source::First(_)
        | Source::Calc(_)
        | Source::Hole(_)
        | Source::Behind(_)
        | Source::Tuple(_) => true,
    }
}
