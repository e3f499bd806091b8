//! The scanner goes along the tree: one pass through the record, whatever the file asks for.

use super::{
    super::scan::{BadJson, Raw, Scanner},
    ELEMENTS_MAX, Each, Node, Raws, entries, mixed,
};

/// What is done with each row of an answer.
pub(in crate::mapping) type OnRow<'r, 'a> = dyn FnMut(&mut Scanner<'a>) -> Result<(), BadJson> + 'r;

/// Reads the value at the scanner along a node. Recursion goes down the node, never further.
pub(in crate::mapping) fn walk<'a>(
    scan: &mut Scanner<'a>,
    node: &'a Node,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    if let Some(slot) = node.whole {
        raws.set(base, slot, Raw::Text(scan.clone().whole()?));
    }
    let shape = match scan.peek()? {
        b'{' if node.tagged => Raw::Tree(scan.ahead()?),
        b'{' => Raw::Object,
        b'[' => Raw::Array,
        _ => {
            let raw = scan.scalar()?;
            scalar(raw, node, base, raws);
            return Ok(());
        }
    };
    if let Some(slot) = node.slot {
        raws.set(base, slot, shape);
    }
    let list = shape == Raw::Array;
    if let Some(entries) = &node.entries {
        return entries::walk(scan, (node, entries), list, base, raws, on_row);
    }
    match node.each.as_slice() {
        _ if node.is_mixed() => mixed::walk(scan, node, list, base, raws, on_row),
        [each, ..] => elements(scan, each, list, base, raws, on_row),
        [] if !list && !node.keys.is_empty() => object(scan, node, base, raws, on_row),
        [] if list && node.rows => rows(scan, on_row),
        [] if list && node.every.is_some() => every(scan, node, base, raws, on_row),
        // One object where rows are due: whoever asks for one record looks for it so.
        [] if !list && node.rows => on_row(scan),
        [] if list && !node.items.is_empty() => items(scan, node, base, raws, on_row),
        [] => scan.skip(),
    }
}

/// A scalar at a node; where an object or a list is due it may say that there is none.
fn scalar<'a>(raw: Raw<'a>, node: &Node, base: usize, raws: &mut Raws<'a>) {
    if let Some(slot) = node.slot {
        raws.set(base, slot, raw);
    }
    if !node.parent {
        return;
    }
    for each in node.lists() {
        raws.set(base, each.slot, raw);
    }
    if raws.is_nothing(raw) {
        raws.empty(node, base);
    }
}

pub(super) fn object<'a>(
    scan: &mut Scanner<'a>,
    node: &'a Node,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    let mut seen: u128 = 0;
    let mut trail = raws.trail(node);
    let mut more = scan.enter(b'}')?;
    while more {
        let found = match &mut trail {
            Some(trail) => trail.name(scan)?,
            None => node.find_name(&scan.name()?),
        };
        match found {
            Some((at, child)) => {
                let bit = 1u128.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
                raws.twice |= seen & bit != 0;
                seen |= bit;
                match (child.plain, scan.peek()?) {
                    (None, _) | (_, b'{' | b'[') => walk(scan, child, base, raws, on_row)?,
                    (Some(slot), first) => raws.set(base, slot, scan.scalar_at(first)?),
                }
            }
            None => scan.skip()?,
        }
        more = scan.more(b'}')?;
    }
    raws.keep(trail);
    Ok(())
}

fn rows<'a>(scan: &mut Scanner<'a>, on_row: &mut OnRow<'_, 'a>) -> Result<(), BadJson> {
    let mut more = scan.enter(b']')?;
    while more {
        on_row(scan)?;
        more = scan.more(b']')?;
    }
    Ok(())
}

/// The rows in each element of a list.
fn every<'a>(
    scan: &mut Scanner<'a>,
    node: &'a Node,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    let Some(every) = &node.every else { return scan.skip() };
    let mut more = scan.enter(b']')?;
    while more {
        raws.set(base, every.rows, Raw::Absent);
        let is_object = scan.peek()? == b'{';
        walk(scan, &every.node, base, raws, on_row)?;
        match raws.get(base, every.rows) {
            Raw::Array => {}
            Raw::Absent | Raw::Null if is_object && every.may_lack => {}
            _ => return Err(BadJson::NoRows),
        }
        more = scan.more(b']')?;
    }
    Ok(())
}

pub(super) fn items<'a>(
    scan: &mut Scanner<'a>,
    node: &'a Node,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    let mut more = scan.enter(b']')?;
    let mut at: u16 = 0;
    while more {
        match node.items.get(&at) {
            Some(child) => walk(scan, child, base, raws, on_row)?,
            None => scan.skip()?,
        }
        at = at.saturating_add(1);
        more = scan.more(b']')?;
    }
    for (_, behind) in node.items.range(at..) {
        raws.none(behind, base);
    }
    Ok(())
}

/// A list's elements; where a list is due, one object stands for a list of one.
pub(super) fn elements<'a>(
    scan: &mut Scanner<'a>,
    each: &'a Each,
    list: bool,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    let narrow = |n: usize| u32::try_from(n).map_err(|_| BadJson::TooMany);
    let mut more = !list || scan.enter(b']')?;
    let (mut first, mut count, mut last) = (0, 0, None);
    let did_repeat = raws.repeats;
    while more {
        raws.elements += 1;
        if raws.elements > ELEMENTS_MAX {
            return Err(BadJson::TooMany);
        }
        let frame = raws.open(each.frame);
        match last {
            None => first = narrow(frame)?,
            Some(last) => raws.set(last, 0, Raw::Next(narrow(frame)?)),
        }
        last = Some(frame);
        count += 1;
        walk(scan, &each.node, frame, raws, on_row)?;
        more = list && scan.more(b']')?;
        raws.repeats |= more;
    }
    raws.repeats = did_repeat;
    raws.set(base, each.slot, Raw::Elements { first, count });
    Ok(())
}
