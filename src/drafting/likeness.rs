//! How alike a leaf and a native field are called: words in common, what stands around them, and flags that say what the
//! shared schema has a word for. Values are looked at next door.

use super::{
    names::{alike, flat, is_common, words},
    natives::{Native, Pointed},
};
use crate::schema::{Leaf, LeafKind};

/// From which likeness on a match is called sure.
pub(super) const SURE: f32 = 0.85;
/// How alike a flag is to the word that it may be: never sure, as systems differ in what they mean by it.
pub(super) const FLAG: f32 = 0.8;
/// What a name is worth that is the very one, before those that mean the same.
const EXACT: f32 = 0.1;

/// How alike a leaf and a native field are called: by its own name, or where that says only that it is a record's name or
/// key, by what stands around it. One that is called the same goes before those that mean the same.
pub(super) fn likeness(leaf: &Leaf, native: &Native, both_lists: bool) -> f32 {
    let path = leaf.path.as_str();
    let own = path.rsplit_once('.').map_or(path, |(_, own)| own);
    let by_own = by_name(path, native, native.named(), both_lists);
    let by_own = match by_own {
        // A guess stays one.
        guess if (0.01..SURE).contains(&guess) && is_exact(path, own, native) => {
            (guess + EXACT).min(SURE - 0.01)
        }
        sure if sure >= SURE && is_exact(path, own, native) => sure + EXACT,
        other => other,
    };
    let pointed = native.pointed().filter(|(what, _)| {
        // A key names another record, a name or a code says what it is.
        (*what == Pointed::Key) == leaf.reference.is_some()
    });
    let around = pointed.map_or(0.0, |(_, named)| by_name(path, native, named, both_lists) * 0.95);
    by_own.max(around).max(by_flag(leaf, own, native))
}

/// Whether a native field is called as the leaf is; a list's value as the list.
fn is_exact(path: &str, own: &str, native: &Native) -> bool {
    let name = flat(native.name());
    let list = path.rsplit('.').nth(1).map(flat).filter(|_| own == "value");
    name == flat(own)
        || list.is_some_and(|list| name == list || Some(name.as_str()) == list.strip_suffix('s'))
}

/// Names of flags that say what stands as a word in the shared schema.
fn by_flag(leaf: &Leaf, own: &str, native: &Native) -> f32 {
    let is_top = !leaf.path.as_str().contains('.');
    let is_flag = match own {
        "status" if is_top => matches!(&*flat(native.name()), "state") || flag(leaf, native).is_some(),
        "kind" if is_top => flag(leaf, native).is_some(),
        _ => false,
    };
    if is_flag && native.list == 0 { FLAG } else { 0.0 }
}

/// What the two values of a flag mean as words of a leaf: true, and false.
pub(super) fn flag(leaf: &Leaf, native: &Native) -> Option<[&'static str; 2]> {
    if !native.boolean || native.text {
        return None;
    }
    let meant = match &*flat(native.name()) {
        "active" | "isactive" | "enabled" => ["active", "archived"],
        "isdeleted" | "deleted" | "archived" | "isarchived" => ["archived", "active"],
        "iscompany" => ["company", "person"],
        "isperson" | "isindividual" => ["person", "company"],
        _ => return None,
    };
    let LeafKind::Code(codes) = &leaf.kind else { return None };
    meant.iter().all(|word| codes.iter().any(|code| **code == **word)).then_some(meant)
}

/// Words that say no more of a field of a line than that it is one.
const OF_LINES: [&str; 4] = ["line", "order", "product", "unit"];

/// A name without those, unless they are all of it or the leaf says them too: `product_uom_qty` is a quantity.
fn without_what_all_say(name: Vec<String>, own: &[String]) -> Vec<String> {
    let says = |word: &String| !OF_LINES.contains(&word.as_str()) || own.contains(word);
    let rest: Vec<String> = name.iter().filter(|word| says(word)).cloned().collect();
    if rest.is_empty() { name } else { rest }
}

/// By name: the own name first, what stands around it a little.
fn by_name(leaf: &str, native: &Native, named: &[String], both_lists: bool) -> f32 {
    let (around, own) = leaf.rsplit_once('.').unwrap_or(("", leaf));
    let (last, before) = named.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    // `currency_id` beside its code is a currency.
    let name: Vec<String> = match named.len() < native.named().len() {
        true => words(last).into_iter().filter(|word| word != "id").collect(),
        false => words(last),
    };
    let own_words = words(own);
    let name = if both_lists { without_what_all_say(name, &own_words) } else { name };
    let mut best = alike(&own_words, &name);
    if !native.hints.declared.is_empty() {
        // A label of a few words is a name too.
        best = best.max(alike(&own_words, &words(&native.said)) * 0.8);
    }
    if own == "value" && !both_lists {
        // `emails.value` is an e-mail: the value has the list's name.
        best = best.max(alike(&words(around.rsplit('.').next().unwrap_or(around)), &name));
    }
    if best < 0.01 {
        return 0.0;
    }
    let leaf_words: Vec<String> = words(&leaf.replace('.', " "));
    best = best.max(alike(&leaf_words, &words(&named.join(" "))) * 0.95);
    let (parents, parent_names) = (words(&around.replace('.', " ")), words(&before.join(" ")));
    let around = alike(&parents, &parent_names);
    match (parents.is_empty(), parent_names.is_empty()) {
        // Which list it is, all its fields say together.
        _ if both_lists => best * 0.9 + around * 0.1,
        // The name of half of all things in a group of another one says nothing.
        (false, false) if around < 0.01 && is_common(&own_words) => 0.0,
        (false, false) => best * 0.7 + around * 0.35,
        (false, true) if own != "value" && is_common(&own_words) && is_common(&name) => 0.0,
        // A group's field among plain ones is a guess; the other way round it is common (`properties.x`).
        (false, true) if own != "value" => best * 0.8,
        _ => best,
    }
}

pub(super) fn parents_of(native: &Native) -> &[String] {
    native.named().split_last().map_or(&[], |(_, before)| before)
}
