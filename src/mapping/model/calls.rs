//! The requests of a mapping: of one record, of lists and their pages, and the names that are asked for.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::{Body, FieldSet, Node, Path};
use crate::mapping::{dialect, errors, key::Key, keyset, merge, needs};

/// A request that reads or writes one record.
#[derive(Debug)]
pub(in crate::mapping) struct Call {
    pub(in crate::mapping) method: Method,
    /// Where it stands, if not where the records do.
    pub(in crate::mapping) at: Option<String>,
    pub(in crate::mapping) before: String,
    pub(in crate::mapping) after: String,
    /// Whether the key stands between `before` and `after`.
    pub(in crate::mapping) is_keyed: bool,
    /// Parts of the key that the address names one by one, by their numbers, each with what follows it; all of them
    /// stand between `before` and `after`.
    pub(in crate::mapping) key_parts: Vec<(usize, String)>,
    /// What a record is called by here, as the system tells it of each, where that is not its key.
    pub(in crate::mapping) by: Option<Key>,
    pub(in crate::mapping) query: Vec<(String, String)>,
    /// Header fields that always go along.
    pub(in crate::mapping) headers: HeaderMap,
    /// Whether it carries a record.
    pub(in crate::mapping) is_written: bool,
    /// What stands in the body; without one, the record alone or nothing.
    pub(in crate::mapping) body: Option<Body>,
    /// Where the record stands in the answer; without one, the answer is the record.
    pub(in crate::mapping) rows: Option<Envelope>,
    /// The same as a path.
    pub(in crate::mapping) rows_at: Path,
    pub(in crate::mapping) returns: Returns,
    /// How a stored record is sent back whole with what changes of it; without it, the change alone is sent.
    pub(in crate::mapping) merge: Option<merge::Merge>,
}

impl Call {
    /// Its address up to the key, of records that stand at `at`.
    pub(in crate::mapping) fn address(&self, at: &str) -> String {
        format!("{}{}", self.at.as_deref().unwrap_or(at), self.before)
    }
}

/// A place in an answer, as a native tree.
#[derive(Debug)]
pub(in crate::mapping) struct Envelope {
    pub(in crate::mapping) root: Node,
    pub(in crate::mapping) frame: u16,
}

impl Envelope {
    /// The slot of the place.
    pub(in crate::mapping) const PLACE: u16 = 1;
    /// The slot of what it stands in.
    pub(in crate::mapping) const PARENT: u16 = 2;
}

/// What a system answers to a write that it has done.
#[derive(Debug)]
pub(in crate::mapping) enum Returns {
    /// The record, or nothing.
    Record,
    /// The record's key.
    Key(KeyAt),
    /// The record, which does not say its key: that stands elsewhere in the answer.
    Keyed(KeyAt),
    /// Nothing of interest.
    Nothing,
}

/// Where the key of a new record stands in the answer.
#[derive(Debug)]
pub(in crate::mapping) struct KeyAt {
    pub(in crate::mapping) place: KeyPlace,
    pub(in crate::mapping) pattern: Option<errors::Pattern>,
}

/// The place of a key.
#[derive(Debug)]
pub(in crate::mapping) enum KeyPlace {
    /// In the body.
    Body(Envelope),
    /// In a header field, percent-encoded as in an address.
    Header(http::HeaderName),
}

/// A request that reads many.
#[derive(Debug)]
pub(in crate::mapping) struct ListCall {
    pub(in crate::mapping) method: Method,
    pub(in crate::mapping) at: String,
    /// What follows: a value of the filter, by the bound that it is, and what stands behind it.
    pub(in crate::mapping) at_bounds: Vec<(Box<str>, String)>,
    pub(in crate::mapping) query: Vec<(String, String)>,
    pub(in crate::mapping) headers: HeaderMap,
    /// Whether it is the road of queries with a filter or a sort.
    pub(in crate::mapping) for_queries: bool,
    /// Whether it is the road of filters that fix the fields it needs.
    pub(in crate::mapping) for_fields: bool,
    pub(in crate::mapping) filter: Option<Arc<dialect::Dialect>>,
    /// The query text that asks for rows, where the system has a language for it.
    pub(in crate::mapping) statement: Option<dialect::Statement>,
    /// Where a body selection goes; the query's otherwise.
    pub(in crate::mapping) select_body: Option<Path>,
    /// What stands in the body besides.
    pub(in crate::mapping) body: Option<Body>,
    /// What it takes from the filter besides, and cannot do without.
    pub(in crate::mapping) bounds: Vec<needs::Bound>,
    /// The slot of what the rows stand in, where its lack of them says that there are none.
    pub(in crate::mapping) rows_in: Option<u16>,
    pub(in crate::mapping) page: Page,
    /// Native tree of the envelope.
    pub(in crate::mapping) envelope: Node,
    pub(in crate::mapping) frame: u16,
    /// How records are read of which the rows hold the keys alone.
    pub(in crate::mapping) batch: Option<Box<BatchCall>>,
    /// How far the system's index may lie behind what was written.
    pub(in crate::mapping) lag: Option<std::time::Duration>,
}

/// A request that reads several records by their keys.
#[derive(Debug)]
pub(in crate::mapping) struct BatchCall {
    /// Where a row of the list holds its key.
    pub(in crate::mapping) key: Envelope,
    pub(in crate::mapping) method: Method,
    pub(in crate::mapping) before: String,
    pub(in crate::mapping) after: String,
    /// What stands between keys in the address; none where they stand in the body.
    pub(in crate::mapping) by: Option<String>,
    pub(in crate::mapping) query: Vec<(String, String)>,
    pub(in crate::mapping) headers: HeaderMap,
    pub(in crate::mapping) body: Option<Body>,
    /// Where the records stand in the answer.
    pub(in crate::mapping) rows: Envelope,
    /// Keys in one request at most.
    pub(in crate::mapping) most: usize,
}

/// How a list goes on.
#[derive(Debug)]
pub(in crate::mapping) struct Page {
    pub(in crate::mapping) next: Next,
    pub(in crate::mapping) size: Size,
    pub(in crate::mapping) most: u32,
    /// How far paging goes at all.
    pub(in crate::mapping) window: Option<u64>,
    /// By what a list goes on after the last key that came, or starts anew there where its window ends.
    pub(in crate::mapping) keyset: Option<keyset::Keyset>,
    /// The slot in which the answer says whether there is more.
    pub(in crate::mapping) more: Option<u16>,
    pub(in crate::mapping) ends: Ends,
}

/// Where the next page is found.
#[derive(Debug)]
pub(in crate::mapping) enum Next {
    /// There is one page only.
    None,
    /// A token in the answer goes into the next request.
    Token {
        /// The token's slot in the envelope.
        slot: u16,
        /// Where it goes.
        to: Carrier,
    },
    /// A link in the answer is the next request.
    Link {
        /// Where the link stands.
        at: LinkAt,
    },
    /// The next request skips what was seen.
    Offset {
        /// Where the number goes.
        to: Carrier,
        /// The number of the first row.
        from: u64,
    },
    /// The next request names the next page by its number.
    Number {
        /// Where the number goes.
        to: Carrier,
        /// The number of the first page.
        from: u64,
    },
    /// The next request asks for what comes after the last key of this page.
    Keyset,
}

impl Next {
    /// The slot of the envelope in which the next page is named; 0 holds nothing.
    pub(in crate::mapping) fn slot(&self) -> u16 {
        match self {
            Self::Token { slot, .. } | Self::Link { at: LinkAt::Body(slot) } => *slot,
            Self::Link { at: LinkAt::Header { .. } }
            | Self::None
            | Self::Offset { .. }
            | Self::Number { .. }
            | Self::Keyset => 0,
        }
    }
}

/// Where the link to the next page stands.
#[derive(Debug)]
pub(in crate::mapping) enum LinkAt {
    /// In a slot of the envelope.
    Body(u16),
    /// Among the links of a header field, with this relation.
    Header {
        /// The field.
        name: http::HeaderName,
        /// The relation, in small letters.
        rel: String,
    },
}

/// How the end of a list is known where pages are counted.
#[derive(Debug)]
pub(in crate::mapping) enum Ends {
    /// A page has fewer rows than were asked for.
    ShortPage,
    /// All rows that there are were seen.
    Total(CountAt),
    /// All pages that there are were seen.
    Pages(CountAt),
}

/// Where the answer says how many there are.
#[derive(Debug)]
pub(in crate::mapping) enum CountAt {
    /// In a slot of the envelope.
    Body(u16),
    /// In a header field.
    Header(http::HeaderName),
}

/// How the size of a page is asked for.
#[derive(Debug)]
pub(in crate::mapping) enum Size {
    /// It is the system's own.
    Own,
    /// By a number.
    At(Carrier),
    /// By the preference of that name.
    Prefer(String),
}

/// A place in a request.
#[derive(Debug)]
pub(in crate::mapping) enum Carrier {
    /// A parameter of the query.
    Query(String),
    /// A path in the body.
    Body(Path),
    /// A hole of the body's template.
    Hole,
    /// A parameter of the query that holds the rows before the page and its size: `100,50`.
    Range(String),
}

/// Which native names are asked for.
#[derive(Debug)]
pub(in crate::mapping) struct Select {
    /// The parameter that names them; none where only bodies do.
    pub(in crate::mapping) query: Option<String>,
    pub(in crate::mapping) expand: Option<String>,
    /// Whether what is expanded is named among the fields too.
    pub(in crate::mapping) with_expanded: bool,
    pub(in crate::mapping) names: Vec<SelectName>,
}

/// Between a name and what stands in the records behind it.
pub(in crate::mapping) const WITHIN: char = '/';

/// One name, and the leaves that need it.
#[derive(Debug)]
pub(in crate::mapping) struct SelectName {
    pub(in crate::mapping) name: String,
    /// Asked for by `$expand`.
    pub(in crate::mapping) expand: bool,
    /// Asked for whatever is wanted.
    pub(in crate::mapping) always: bool,
    pub(in crate::mapping) leaves: FieldSet,
}
