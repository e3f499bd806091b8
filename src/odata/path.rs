//! What stands under `/odata/`.

use percent_encoding::percent_decode_str;

/// The path of the service document, without its last slash.
pub const PREFIX: &str = "/odata";

/// LIMIT: bytes of a key.
const KEY_BYTES_MAX: usize = 512;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `/odata/`
    Service,
    /// `/odata/$metadata`
    Metadata,
    /// `/odata/orders`, with or without a slash behind it
    Set(String),
    /// `/odata/orders/$count`
    Count(String),
    /// `/odata/orders('7')`
    One {
        /// The entity set.
        set: String,
        /// The record's id.
        key: String,
    },
    /// `/odata/orders('7')/invoices`
    Beside {
        /// The entity set.
        set: String,
        /// The record's id.
        key: String,
        /// What stands beside it.
        name: String,
    },
}

impl Resource {
    /// Whether a path belongs to this door.
    pub fn is_ours(path: &str) -> bool {
        path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Reads a path in normal form; none where nothing stands there.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(PREFIX)?;
        if matches!(rest, "" | "/") {
            return Some(Self::Service);
        }
        let rest = percent_decode_str(rest.strip_prefix('/')?).decode_utf8().ok()?;
        if rest == "$metadata" {
            return Some(Self::Metadata);
        }
        if let Some(set) = rest.strip_suffix("/$count") {
            return is_name(set).then(|| Self::Count(set.to_owned()));
        }
        // Some tools end the address of a set as they end that of the service.
        let set = rest.strip_suffix('/').unwrap_or(&rest);
        if is_name(set) {
            return Some(Self::Set(set.to_owned()));
        }
        let (set, key) = rest.split_once('(')?;
        let (key, name) = match key.strip_suffix(')') {
            Some(key) => (key, None),
            // A key may hold what looks like its end; a name holds no quote.
            None => key.rsplit_once(")/").map(|(key, name)| (key, Some(name)))?,
        };
        let key = quoted(key.strip_prefix("id=").unwrap_or(key))?;
        let set = is_name(set).then(|| set.to_owned())?;
        match name {
            None => Some(Self::One { set, key }),
            Some(name) => is_name(name).then(|| Self::Beside { set, key, name: name.to_owned() }),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The text between quotes, each quote in it doubled.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let key = inner.replace("''", "'");
    // What is left over is a quote that stood alone.
    let alone = inner.split("''").any(|part| part.contains('\''));
    let good = !alone && !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.chars().any(char::is_control);
    good.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_are_none() {
        let one = |key: &str| Some(Resource::One { set: "orders".into(), key: key.into() });
        let beside = |key: &str, name: &str| {
            Some(Resource::Beside { set: "orders".into(), key: key.into(), name: name.into() })
        };
        for (path, expected) in [
            ("/odata", Some(Resource::Service)),
            ("/odata/", Some(Resource::Service)),
            ("/odata/$metadata", Some(Resource::Metadata)),
            ("/odata/%24metadata", Some(Resource::Metadata)),
            ("/odata/orders/", Some(Resource::Set("orders".into()))),
            ("/odata/orders/%24count", Some(Resource::Count("orders".into()))),
            ("/odata/stock_levels", Some(Resource::Set("stock_levels".into()))),
            ("/odata/orders/$count", Some(Resource::Count("orders".into()))),
            ("/odata/orders('7')", one("7")),
            ("/odata/orders(id='7')", one("7")),
            ("/odata/orders(%27O%27%27Brien%20%C5%82%27)", one("O'Brien ł")),
            ("/odata/orders('a)(b')", one("a)(b")),
            ("/odata/orders('')", None),
            ("/odata/orders('a'b')", None),
            ("/odata/orders(7)", None),
            ("/odata/orders()", None),
            ("/odata/orders('7')/invoices", beside("7", "invoices")),
            ("/odata/orders(id='7')/invoices", beside("7", "invoices")),
            ("/odata/orders('a'')/b')/invoices", beside("a')/b", "invoices")),
            ("/odata/orders('a'')/b')", one("a')/b")),
            ("/odata/orders('7')/invoices/", None),
            ("/odata/orders('7')/invoices/$count", None),
            ("/odata/orders('7')/$value", None),
            ("/odata/orders('7)/invoices", None),
            ("/odata/orders//", None),
            ("/odata/orders('7')/", None),
            ("/odata/$metadata/", None),
            ("/odata/orders/7", None),
            ("/odata/$batch", None),
            ("/odata/$entity", None),
            ("/odata/stock-levels", None),
            ("/v1/orders", None),
        ] {
            assert_eq!(Resource::parse(path), expected, "{path}");
        }
        assert!(
            Resource::is_ours("/odata/x")
                && !Resource::is_ours("/odatax")
                && !Resource::is_ours("/v1/odata/")
        );
    }
}
