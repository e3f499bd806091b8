//! How a system says that there is nothing.

use std::sync::Arc;

use super::super::scan::Raw;

/// The spellings of nothing, null aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) struct Nothing {
    texts: Arc<[Box<str>]>,
    /// Whether JSON's `false` is one; the text `false` is another matter.
    is_false: bool,
}

impl Nothing {
    pub(in crate::mapping) fn new(texts: Arc<[Box<str>]>, is_false: bool) -> Self {
        Self { texts, is_false }
    }

    /// Whether nothing but null says nothing.
    pub(in crate::mapping) fn is_unspelt(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether a text says it.
    pub(in crate::mapping) fn is_spelt(&self, text: &str) -> bool {
        self.texts.iter().any(|spelling| **spelling == *text)
    }

    /// Whether `false` says it.
    pub(in crate::mapping) fn is_false(&self) -> bool {
        self.is_false
    }

    /// Whether a scalar that is no null says it.
    pub(in crate::mapping) fn is(&self, raw: Raw<'_>) -> bool {
        (self.is_false && raw == Raw::Boolean(false))
            || (!self.texts.is_empty() && raw.text().is_some_and(|text| self.is_spelt(&text)))
    }

    /// The texts alone.
    pub(in crate::mapping) fn without_false(self) -> Self {
        Self { is_false: false, ..self }
    }

    /// Both of them.
    pub(in crate::mapping) fn and(&self, other: &Self) -> Self {
        let texts = self.texts.iter().chain(&*other.texts).cloned().collect();
        Self { texts, is_false: self.is_false || other.is_false }
    }
}
