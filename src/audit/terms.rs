//! The words an entry is found by, each as 64 bits: an index holds these and nothing else of an entry.
//!
//! Two words may come to the same bits. That costs a look and never an answer: whatever is found is read back from the
//! journal and asked anew.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{leaf::Leaf, tree::sha256};

/// One word.
pub(super) type Term = u64;

/// LIMIT: words of a sort remembered with their bits; when there are more it begins anew.
const REMEMBERED_MAX: usize = 16 * 1024;

/// Sorts of words: equal texts of different sorts are different words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Statement,
    Refusal,
    Credential,
    Act,
    /// What an entry is, beside its words.
    Mark,
}

impl Sort {
    fn letter(self) -> u8 {
        match self {
            Self::Statement => b's',
            Self::Refusal => b'r',
            Self::Credential => b'c',
            Self::Act => b'a',
            Self::Mark => b'm',
        }
    }
}

/// It was refused, for whatever reason.
pub(super) const REFUSED: &str = "refused";
/// A request was passed through to a system as it was.
pub(super) const CALL: &str = "call";
/// The entry names more than it holds.
pub(super) const BEYOND: &str = "beyond";
/// It is no entry that can be read.
pub(super) const UNREADABLE: &str = "unreadable";

/// The word of a keyed digest or an exchange's id: its first 64 bits. They are random already.
pub(super) fn of_hex(hex: &str) -> Option<Term> {
    Term::from_str_radix(hex.get(..16)?, 16).ok()
}

/// The word of a text.
pub(super) fn of_text(sort: Sort, text: &str) -> Term {
    let bytes = [&[sort.letter(), 0], text.as_bytes()].concat();
    u64::from_be_bytes(sha256(&bytes).0.first_chunk().copied().unwrap_or_default())
}

/// Words of texts, remembered: the same come again and again.
#[derive(Default)]
pub(super) struct Terms([HashMap<Box<str>, Term, RandomState>; 5]);

impl Terms {
    /// All words of an entry, each once.
    pub(super) fn of(&mut self, leaf: Option<&Leaf<'_>>, out: &mut Vec<Term>) {
        out.clear();
        let Some(leaf) = leaf else { return out.push(self.text(Sort::Mark, UNREADABLE)) };
        out.extend(leaf.digests().chain(leaf.request).filter_map(of_hex));
        for statement in &leaf.decided {
            out.push(self.text(Sort::Statement, &statement.0));
        }
        if let Some(refusal) = &leaf.refusal {
            out.extend([self.text(Sort::Mark, REFUSED), self.text(Sort::Refusal, &refusal.0)]);
        }
        if let Some(credential) = &leaf.credential_id {
            out.push(self.text(Sort::Credential, &credential.0));
        }
        if let Some(act) = &leaf.act {
            out.push(self.text(Sort::Act, &act.0));
        }
        if leaf.kind == "answer" && leaf.action.as_ref().is_some_and(|action| action.is(CALL)) {
            out.push(self.text(Sort::Mark, CALL));
        }
        if leaf.is_beyond() {
            out.push(self.text(Sort::Mark, BEYOND));
        }
        out.sort_unstable();
        out.dedup();
    }

    fn text(&mut self, sort: Sort, text: &str) -> Term {
        let [statements, refusals, credentials, acts, marks] = &mut self.0;
        let known = match sort {
            Sort::Statement => statements,
            Sort::Refusal => refusals,
            Sort::Credential => credentials,
            Sort::Act => acts,
            Sort::Mark => marks,
        };
        if let Some(term) = known.get(text) {
            return *term;
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let term = of_text(sort, text);
        known.insert(text.into(), term);
        term
    }
}
