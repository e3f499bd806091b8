//! What names a record: one native value, or several of them together.
//!
//! A key of several parts is one text to everybody else, `usmf,SO1`: the parts in the order of the file, with a comma
//! between two, and a backslash before every comma and backslash within one. No two keys have one text, and every
//! text is that of one key or of none. Parts that the mapping's `where` fixes are the same in all records: they stand
//! in addresses and not in the text. The first part may be the parent that a record was listed for; requests name it by
//! itself, and the others are what the record is called there. Where a record is only listed and has no key of its own, a digest of some values is
//! one.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};
use data_encoding::HEXLOWER;
use percent_encoding::utf8_percent_encode;

use super::{
    dialect::{Literal, Literals},
    listing::{KEY_BYTES_MAX, PLAIN},
    model::{KeyForm, Speaks},
    path::{Path, Step},
    scan::Raw,
    trie::Raws,
};
use crate::words::Digest;

/// What stands between two parts.
const BETWEEN: char = ',';
/// What stands before a sign that is part of a part.
const ESCAPE: char = '\\';

/// How a record is named.
#[derive(Debug)]
pub(super) struct Key {
    /// INVARIANT: at least one, and one of them is not fixed.
    parts: Vec<KeyPart>,
    /// Whether its text is a digest of its parts: it names a record to callers, and none to the system.
    is_digest: bool,
}

/// A part of a key.
#[derive(Debug)]
pub(super) struct KeyPart {
    pub(super) slot: u16,
    pub(super) at: Path,
    pub(super) form: KeyForm,
    /// What it is in every record, where `where` says so.
    pub(super) fixed: Option<Box<str>>,
    /// Where a filter finds it, and what it looks like there; none where it is not asked for.
    pub(super) asked_by: Option<(Path, KeyForm)>,
}

impl Key {
    /// The key of these parts; none without one that tells records apart.
    pub(super) fn of(parts: Vec<KeyPart>) -> Option<Self> {
        parts.iter().any(|part| part.fixed.is_none()).then_some(Self { parts, is_digest: false })
    }

    /// A key that is a digest of these parts; none without any.
    pub(super) fn digest(parts: Vec<KeyPart>) -> Option<Self> {
        Self::of(parts).map(|key| Self { is_digest: true, ..key })
    }

    /// Whether its text is a digest of its parts.
    pub(super) fn is_digest(&self) -> bool {
        self.is_digest
    }

    /// All parts, in their order.
    pub(super) fn parts(&self) -> &[KeyPart] {
        &self.parts
    }

    /// Whether its first part is the parent that a list was asked for.
    pub(super) fn has_over(&self) -> bool {
        !self.is_digest && self.parts.first().is_some_and(KeyPart::is_over)
    }

    /// The same, where the parent's key has a form.
    #[must_use]
    pub(super) fn with_form(mut self, form: KeyForm) -> Self {
        if let Some(part) = self.parts.first_mut().filter(|part| part.is_over()) {
            part.form = form;
        }
        self
    }

    /// What a system calls a record by, beside the parent: parts and their numbers.
    pub(super) fn own(&self) -> impl Iterator<Item = (usize, &KeyPart)> {
        self.parts.iter().enumerate().skip(usize::from(self.has_over()))
    }

    /// Whether a system calls a record by several parts, fixed ones included: an address names each of them.
    pub(super) fn is_parted(&self) -> bool {
        self.own().nth(1).is_some()
    }

    /// The parts that tell records apart.
    pub(super) fn free(&self) -> impl Iterator<Item = &KeyPart> {
        self.parts.iter().filter(|part| part.fixed.is_none())
    }

    /// The one part that tells records apart, where there are no others.
    pub(super) fn only(&self) -> Option<&KeyPart> {
        let mut free = self.free();
        free.next().filter(|_| free.next().is_none() && !self.is_digest)
    }

    /// The form of what a system calls a record by.
    pub(super) fn form(&self) -> KeyForm {
        let mut free = self.own().filter(|(_, part)| part.fixed.is_none() && !self.is_digest);
        free.next().filter(|_| free.next().is_none()).map_or(KeyForm::Text, |(_, part)| part.form)
    }

    /// What a record is called by in requests: the parent, if the key holds one, and the rest. None where the text is no
    /// key's.
    pub(super) fn apart<'k>(&'k self, key: &'k str) -> Option<Called<'k>> {
        if !self.has_over() {
            return Some(Called { over: None, own: Cow::Borrowed(key) });
        }
        let mut values = self.split(key)?.into_iter();
        let (over, own) = (values.next()?, values.next()?);
        // One that is empty or a dot would make an address another one.
        let is_none = matches!(&*over, "" | "." | "..") || (own.is_empty() && !self.is_parted());
        (!is_none).then_some(Called { over: Some(over), own })
    }

    /// The key of what a system calls a record by under a parent.
    pub(super) fn under(&self, over: Option<&str>, own: &str) -> Option<CompactString> {
        match (self.has_over(), over) {
            (false, _) => Some(own.into()),
            (true, over) => {
                let key = joined(&[over?, own]);
                (key.len() <= KEY_BYTES_MAX).then_some(key)
            }
        }
    }

    /// The key of a record; none where a part is not told, or nothing is left of all.
    pub(super) fn read(&self, raws: &Raws<'_>) -> Option<CompactString> {
        let fits = |key: &str| (1..=KEY_BYTES_MAX).contains(&key.len());
        if let Some(part) = self.only() {
            return raws
                .get(0, part.slot)
                .text()
                .filter(|key| fits(key))
                .map(|key| CompactString::from(&*key));
        }
        if self.is_digest {
            return self.digested(raws);
        }
        let told = self.free().map(|part| match raws.get(0, part.slot) {
            // A part that a record has no value for is empty in all its keys.
            Raw::Null => Some(Cow::Borrowed("")),
            raw => raw.text(),
        });
        let told: Vec<_> = told.collect::<Option<_>>()?;
        let key = joined(&told);
        (!told.iter().all(|text| text.is_empty()) && fits(&key)).then_some(key)
    }

    /// The digest of a record's parts; none where one is not told.
    fn digested(&self, raws: &Raws<'_>) -> Option<CompactString> {
        // INVARIANT: two records have one key only where each part is the same: parts carry their lengths.
        let mut told = Vec::new();
        for part in &self.parts {
            let text = raws.get(0, part.slot).text()?;
            told.extend_from_slice(&u64::try_from(text.len()).ok()?.to_le_bytes());
            told.extend_from_slice(text.as_bytes());
        }
        let Digest(digest) = Digest::of(&told);
        digest.first_chunk::<16>().map(|half| HEXLOWER.encode(half).into())
    }

    /// The value of every part, fixed ones included; none where the text is no key's.
    pub(super) fn split<'k>(&'k self, key: &'k str) -> Option<Vec<Cow<'k, str>>> {
        if self.is_digest || key.is_empty() || key.len() > KEY_BYTES_MAX {
            return None;
        }
        let mut told = match self.only() {
            Some(_) => vec![Cow::Borrowed(key)],
            None => unescaped(key)?.into_iter().map(Cow::Owned).collect(),
        }
        .into_iter();
        let value = |part: &'k KeyPart| match &part.fixed {
            Some(fixed) => Some(Cow::Borrowed(&**fixed)),
            None => told.next().filter(|text| part.form.fits(text)),
        };
        let values: Vec<_> = self.parts.iter().map(value).collect::<Option<_>>()?;
        told.next().is_none().then_some(values)
    }

    /// What stands for `{key}` in an address: the one part, or in OData each of several behind its name.
    pub(super) fn in_address(&self, values: &[Cow<'_, str>], speaks: Speaks) -> Option<String> {
        let parts = self.own().map(|(n, part)| {
            let literal = in_address(part.form, values.get(n)?, speaks)?;
            let name = part.name(speaks);
            let name = utf8_percent_encode(&name, PLAIN);
            Some(if self.is_parted() { format!("{name}={literal}") } else { literal })
        });
        Some(parts.collect::<Option<Vec<_>>>()?.join(","))
    }

    /// A key as it is compared.
    pub(super) fn spelt(&self, key: &str) -> CompactString {
        match (self.form(), key.rsplit_once(BETWEEN)) {
            (KeyForm::Guid, Some((over, own))) => {
                format_compact!("{over}{BETWEEN}{}", own.to_ascii_lowercase())
            }
            (KeyForm::Guid, None) => key.to_ascii_lowercase().into(),
            (KeyForm::Text | KeyForm::Digits | KeyForm::Alnum, _) => key.into(),
        }
    }

    /// A key, for trials.
    pub(super) fn sample(&self) -> String {
        self.free().map(|part| part.form.sample()).collect::<Vec<_>>().join(",")
    }
}

/// What a record is called by in requests.
#[derive(Debug)]
pub(super) struct Called<'k> {
    /// The parent.
    pub(super) over: Option<Cow<'k, str>>,
    /// The rest of the key; of one of several parts the first.
    pub(super) own: Cow<'k, str>,
}

impl KeyPart {
    /// Whether it is the parent that a list was asked for.
    pub(super) fn is_over(&self) -> bool {
        self.at.steps() == [Step::Over]
    }

    /// What an address calls it.
    pub(super) fn name(&self, speaks: Speaks) -> String {
        let between = match speaks {
            Speaks::Json | Speaks::Xml => '.',
            Speaks::Odata4 | Speaks::Odata2 => '/',
        };
        super::path::joined(self.at.steps(), between)
    }
}

/// A value of a key as an address spells it.
pub(super) fn in_address(form: KeyForm, value: &str, speaks: Speaks) -> Option<String> {
    let literal = match form {
        KeyForm::Text | KeyForm::Alnum => Literal::Text(value.into()),
        KeyForm::Digits => Literal::Token(value.into()),
        KeyForm::Guid => Literal::Guid(value.into()),
    };
    let spelt = match speaks {
        Speaks::Json | Speaks::Xml => value.to_owned(),
        Speaks::Odata4 => Literals::odata4().spell(&literal)?,
        Speaks::Odata2 => Literals::odata2().spell(&literal)?,
    };
    Some(utf8_percent_encode(&spelt, PLAIN).to_string())
}

/// The text of several parts; of one it is that part.
pub(super) fn joined<T: AsRef<str>>(parts: &[T]) -> CompactString {
    let mut key = CompactString::default();
    if let [only] = parts {
        key.push_str(only.as_ref());
        return key;
    }
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            key.push(BETWEEN);
        }
        for c in part.as_ref().chars() {
            if c == BETWEEN || c == ESCAPE {
                key.push(ESCAPE);
            }
            key.push(c);
        }
    }
    key
}

/// The so many parts of a text; none where it is that of no such key.
pub(super) fn parted(key: &str, count: usize) -> Option<Vec<Cow<'_, str>>> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    if count == 1 {
        return Some(vec![Cow::Borrowed(key)]);
    }
    let parts: Vec<_> = unescaped(key)?.into_iter().map(Cow::Owned).collect();
    (parts.len() == count).then_some(parts)
}

/// The parts of a text; none where a backslash stands before anything but what it is for.
fn unescaped(key: &str) -> Option<Vec<String>> {
    let (mut parts, mut last) = (Vec::new(), String::new());
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE => last.push(chars.next().filter(|c| matches!(*c, BETWEEN | ESCAPE))?),
            BETWEEN => parts.push(std::mem::take(&mut last)),
            c => last.push(c),
        }
    }
    parts.push(last);
    Some(parts)
}
