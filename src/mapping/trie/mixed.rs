//! Lists that are read in more than one way: element by element for several lists of the schema, by place, and by
//! what an element says of itself.
//!
//! Each way goes through the list once, so the cost stays within lines × record.

use std::borrow::Cow;

use super::{
    super::scan::{BadJson, Scanner},
    Find, Node, OnRow, Raws,
    walk::{elements, items, object},
};

/// What is read in more than one way is gone through once a way: as often as there are lines about it at most.
pub(super) fn walk<'a>(
    scan: &mut Scanner<'a>,
    node: &'a Node,
    list: bool,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    for each in &node.each {
        elements(&mut scan.clone(), each, list, base, raws, on_row)?;
    }
    if list && !node.items.is_empty() {
        items(&mut scan.clone(), node, base, raws, on_row)?;
    }
    for find in node.finds.iter().filter(|_| list) {
        found(&mut scan.clone(), find, base, raws, on_row)?;
    }
    if list || node.keys.is_empty() {
        return scan.skip();
    }
    object(scan, node, base, raws, on_row)
}

/// What an element says of itself.
enum Says<'a> {
    /// This.
    Text(Cow<'a, str>),
    /// Nothing that could be a text.
    Nothing,
    /// It is left out.
    Untold,
}

/// The elements that are found by one member. Where several say the same none is meant, and where one does not tell,
/// nobody knows what the others lack.
fn found<'a>(
    scan: &mut Scanner<'a>,
    find: &'a Find,
    base: usize,
    raws: &mut Raws<'a>,
    on_row: &mut OnRow<'_, 'a>,
) -> Result<(), BadJson> {
    let mut counts = vec![0_u32; find.is.len()];
    let mut is_untold = false;
    let mut more = scan.enter(b']')?;
    while more {
        match said(&mut scan.clone(), &find.key, raws)? {
            Says::Text(text) => {
                for ((_, child), count) in
                    find.is.iter().zip(&mut counts).filter(|((is, _), _)| **is == *text)
                {
                    *count = count.saturating_add(1);
                    match *count {
                        1 => super::walk(&mut scan.clone(), child, base, raws, on_row)?,
                        _ => raws.doubt(child, base),
                    }
                }
            }
            Says::Nothing => {}
            Says::Untold => is_untold = true,
        }
        scan.skip()?;
        more = scan.more(b']')?;
    }
    for ((_, child), count) in find.is.iter().zip(counts) {
        if count == 0 && !is_untold {
            raws.none(child, base);
        }
    }
    Ok(())
}

fn said<'a>(scan: &mut Scanner<'a>, name: &str, raws: &mut Raws<'a>) -> Result<Says<'a>, BadJson> {
    if scan.peek()? != b'{' {
        return Ok(Says::Nothing);
    }
    let mut says = Says::Untold;
    let mut more = scan.enter(b'}')?;
    while more {
        match (*scan.key()? == *name, scan.peek()?) {
            (false, _) => scan.skip()?,
            (true, next) => {
                raws.twice |= !matches!(says, Says::Untold);
                says = match next {
                    b'{' | b'[' => scan.skip().map(|()| Says::Nothing)?,
                    _ => scan.scalar()?.text().map_or(Says::Nothing, Says::Text),
                };
            }
        }
        more = scan.more(b'}')?;
    }
    Ok(says)
}
