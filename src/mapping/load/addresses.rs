//! Addresses as a file writes them: what no URL may hold is found when the file loads, not when somebody calls.

use crate::words::{Diagnostic, Diagnostics, tree::Node};

/// What may stand in an address beside letters and digits. Braces are holes; pipes and square brackets are no part of any
/// URL by the letter, and systems ask for them.
const SIGNS: &str = "-._~:/?@!$&'()*+,;=%[]|{}";

/// Tells of a sign that no address may hold, and of a `%` that encodes nothing.
pub(super) fn sendable(address: &str, node: &Node, found: &mut Diagnostics) {
    let mut rest = address;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let is_cut = || {
            let digits = rest.as_bytes().iter().take(2);
            digits.filter(|byte| byte.is_ascii_hexdigit()).count() < 2
        };
        let message = match c {
            '%' if is_cut() => "`%` begins two hexadecimal digits in an address".to_owned(),
            c if c.is_ascii_alphanumeric() || SIGNS.contains(c) => continue,
            '#' => "an address has no fragment, which begins with `#`".to_owned(),
            c => format!("no address may hold `{}`", c.escape_default()),
        };
        let encoded: String = c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect();
        found.push(Diagnostic::error(&node.place, message).help(format!("write `{encoded}`")));
        return;
    }
}
