//! A leaf read back: what an entry says of an exchange, for those who search and account.
//!
//! What is not asked about stays unread. A leaf that is no such object is none, and whoever reads says so: it is never
//! taken for one that says nothing.

use std::borrow::Cow;

use serde::Deserialize;

/// What one entry says. Digests stand as they are written, in hex.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Leaf<'a> {
    #[serde(borrow)]
    pub(super) kind: &'a str,
    #[serde(borrow)]
    pub(super) at: &'a str,
    pub(super) request: Option<&'a str>,
    pub(super) salt: &'a str,
    pub(super) sealed: Option<&'a str>,
    #[serde(borrow)]
    pub(super) who: Option<LeafWho<'a>>,
    #[serde(borrow)]
    pub(super) credential: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) credential_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) action: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) target: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) write: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) entity: Option<Text<'a>>,
    pub(super) record: Option<&'a str>,
    #[serde(borrow)]
    pub(super) records: Vec<&'a str>,
    pub(super) records_more: u64,
    #[serde(borrow)]
    pub(super) subjects: Vec<&'a str>,
    pub(super) subjects_more: u64,
    #[serde(borrow)]
    pub(super) shown: Vec<LeafShown<'a>>,
    #[serde(borrow)]
    pub(super) changed: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) decided: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
    pub(super) status: Option<u16>,
    pub(super) bundle: Option<&'a str>,
    #[serde(borrow)]
    pub(super) notes: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow)]
    pub(super) act: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) by: Option<Text<'a>>,
    pub(super) subject: Option<&'a str>,
    #[serde(borrow)]
    pub(super) details: Vec<(Text<'a>, Text<'a>)>,
}

/// Who asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeafWho<'a> {
    #[serde(borrow)]
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) partner: Option<&'a str>,
}

/// Records that were shown with the same fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeafShown<'a> {
    #[serde(borrow)]
    pub(super) fields: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) records: Vec<&'a str>,
    pub(super) more: u64,
}

/// A text, borrowed where nothing in it is escaped.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn is(&self, text: &str) -> bool {
        self.0 == text
    }
}

/// The word, or nothing.
pub(super) fn word<'t>(text: Option<&'t Text<'_>>) -> &'t str {
    text.map(|text| &*text.0).unwrap_or_default()
}

impl<'a> Leaf<'a> {
    /// Reads a leaf; none of what is no entry.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let leaf: Self = serde_json::from_slice(bytes).ok()?;
        (!leaf.kind.is_empty() && !leaf.at.is_empty()).then_some(leaf)
    }

    /// Every digest by which it names somebody or something.
    pub(super) fn digests(&self) -> impl Iterator<Item = &'a str> + '_ {
        let who = self.who.iter().flat_map(|who| [Some(who.id), who.partner]);
        let alone = who.chain([self.record, self.subject]).flatten();
        let shown = self.shown.iter().flat_map(|group| &group.records);
        alone.chain(self.records.iter().chain(&self.subjects).chain(shown).copied())
    }

    /// Whether it names more than it holds: what is beyond the bound of one entry.
    pub(super) fn is_beyond(&self) -> bool {
        self.records_more + self.subjects_more > 0 || self.shown.iter().any(|group| group.more > 0)
    }

    /// What a note says.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|(name, _)| name.is(key)).map(|(_, value)| &*value.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_names_all_it_names_and_what_is_no_entry_is_none() {
        let leaf = br#"{"kind":"answer","at":"2026-05-05T12:00:00Z","who":{"kind":"App","id":"a1","partner":"a2"},
            "record":"a3","records":["a4"],"subjects":["a5"],"shown":[{"fields":["n\u00e9"],"records":["a6"],"more":2}]}"#;
        let leaf = Leaf::read(leaf).unwrap();
        assert_eq!(leaf.digests().collect::<Vec<_>>(), ["a1", "a2", "a3", "a4", "a5", "a6"]);
        assert!(leaf.is_beyond());
        assert_eq!(leaf.shown[0].fields[0].0, "n\u{e9}");
        for none in [&b"{"[..], b"{}", b"[]", br#"{"kind":"answer","at":"x","records":[7]}"#] {
            assert!(Leaf::read(none).is_none(), "{none:?}");
        }
    }
}
