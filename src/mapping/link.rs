//! Links in a header field (RFC 8288): the one with a relation.
//!
//! Read strictly: what is no list of links is a fault of the system and never the end of a list, nor are two
//! different pages that are both said to be the next.

use http::{HeaderMap, HeaderName};

use super::errors::SystemFault;

/// The target of the link with a relation; none where there is no such link. `rel` is in small letters.
///
/// # Errors
/// The field is no list of links, or more than one target has the relation.
pub(super) fn target(
    headers: &HeaderMap,
    name: &HeaderName,
    rel: &str,
) -> Result<Option<String>, SystemFault> {
    let mut found: Option<&str> = None;
    for field in headers.get_all(name) {
        let mut rest = field.to_str().map_err(|_| bad())?.trim_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let (link, after) = link(rest).ok_or_else(bad)?;
            rest = after;
            // A link with an anchor is one of another page.
            if link.is_anchored || !link.rel.is_some_and(|rels| has(rels, rel)) {
                continue;
            }
            if found.is_some_and(|found| found != link.target) {
                return Err(SystemFault::unreadable("two pages are said to be the next".to_owned()));
            }
            found = Some(link.target);
        }
    }
    Ok(found.map(str::to_owned))
}

fn bad() -> SystemFault {
    SystemFault::unreadable("the header field that should name the next page holds no links".to_owned())
}

fn has(rels: &str, rel: &str) -> bool {
    rels.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(rel))
}

/// One link of a field.
struct Link<'t> {
    target: &'t str,
    /// The value of its first `rel`.
    rel: Option<&'t str>,
    is_anchored: bool,
}

/// The first link, and what follows its comma.
fn link(text: &str) -> Option<(Link<'_>, &str)> {
    let (target, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut link = Link { target: target.trim(), rel: None, is_anchored: false };
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.split_at_checked(1) {
            None => return Some((link, "")),
            Some((",", after)) => return Some((link, after.trim_start_matches([' ', '\t', ',']))),
            Some((";", after)) => {
                let (name, value, after) = parameter(after.trim_start_matches([' ', '\t']))?;
                link.is_anchored |= name.eq_ignore_ascii_case("anchor");
                if name.eq_ignore_ascii_case("rel") && link.rel.is_none() {
                    link.rel = Some(value);
                }
                rest = after;
            }
            Some(_) => return None,
        }
    }
}

/// A parameter's name and value, and what follows; between two semicolons there may be none.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let name = name.trim_end_matches([' ', '\t']);
    let Some(value) = rest.strip_prefix('=') else { return Some((name, "", rest)) };
    let value = value.trim_start_matches([' ', '\t']);
    match value.strip_prefix('"') {
        Some(quoted) => {
            let end = closing(quoted)?;
            let (value, rest) = quoted.split_at_checked(end)?;
            Some((name, value, rest.strip_prefix('"')?))
        }
        None => {
            let end = value.find([' ', '\t', ';', ',']).unwrap_or(value.len());
            let (value, rest) = value.split_at_checked(end)?;
            Some((name, value, rest))
        }
    }
}

/// Where a quoted string ends.
fn closing(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}
