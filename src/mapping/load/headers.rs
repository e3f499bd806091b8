//! `headers` and `action`: header fields that always go along with a request, as texts of the file.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{Defaults, entity::texts};
use crate::words::{
    Diagnostic, Diagnostics,
    tree::Node,
    yaml::{FromYaml, Keys},
};

/// What belongs to the road or to the sign-in.
const OTHERS: [HeaderName; 11] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    HOST,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Reads both, if they are there.
pub(super) fn load(
    keys: &mut Keys<'_>,
    call: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let (said, action) = (keys.take("headers"), keys.take("action"));
    for (name, value) in texts(said, found) {
        let place = said.map_or(&call.place, |node| &node.place);
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            (Ok(known), _) if OTHERS.contains(&known) => found.push(
                Diagnostic::error(place, format!("`{name}` is not set here"))
                    .help("what signs in stands under `sign_in`, the rest is the connection's"),
            ),
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            (Err(_), _) | (_, Err(_)) => found.error(place, format!("`{name}` is no header field")),
        }
    }
    let Some(action) = action else { return headers };
    match (String::read(action, found), defaults.soap) {
        (Some(_), None) => {
            found.error(&action.place, "only a system that speaks `soap11` or `soap12` has `action`")
        }
        (Some(text), Some(soap)) => match soap.action(&text) {
            Some((name, value)) => drop(headers.insert(name, value)),
            None => found.error(&action.place, "`action` is an address or a name, without quotes in it"),
        },
        (None, _) => {}
    }
    headers
}
