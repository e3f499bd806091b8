//! Addresses of people by their looks: where one stands in a field of other texts, it is out of its place.
//!
//! Master data is dirty: an e-mail address stands in a middle name. The schema says which leaves hold such addresses
//! (`x-contact`); whatever looks like one in a plain text of the same entity is as personal as those are.

use super::{
    entity::{Entity, Leaf, LeafKind},
    fields::{FieldSet, LeafId},
    numbers::Spelling,
    record::Record,
};

/// By what somebody is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// An e-mail address.
    EMail,
    /// A telephone number with its country.
    Phone,
}

/// Most characters of an e-mail address (RFC 5321).
const E_MAIL_CHARS_MAX: usize = 254;
/// Digits of a telephone number (E.164), country included.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

impl Contact {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::EMail, Self::Phone];

    /// The leaves that hold each of them, worked out once for an entity.
    pub fn of(leaves: &[Leaf]) -> [FieldSet; Self::ALL.len()] {
        let numbered = || (0..=u8::MAX).map(LeafId).zip(leaves);
        Self::ALL.map(|contact| {
            numbered().filter(|(_, leaf)| leaf.contact == Some(contact)).map(|(id, _)| id).collect()
        })
    }

    /// As the schema calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EMail => "email",
            Self::Phone => "phone",
        }
    }

    /// Whether a text is such an address, whole.
    pub fn is(self, text: &str) -> bool {
        let text = text.trim();
        match self {
            Self::EMail => is_e_mail(text),
            Self::Phone => phone_at_start(text) == Some(text.len()),
        }
    }

    /// Whether such an address stands in a text, alone or among other words.
    pub fn is_in(self, text: &str) -> bool {
        match self {
            Self::EMail => {
                let words = text.split(|c: char| c.is_whitespace() || "<>()[],;:\"'|".contains(c));
                text.contains('@') && words.into_iter().any(|word| is_e_mail(word.trim_matches('.')))
            }
            Self::Phone => {
                text.match_indices('+').any(|(at, _)| text.get(at..).and_then(phone_at_start).is_some())
            }
        }
    }
}

impl Entity {
    /// The leaves that hold such addresses.
    pub fn contacts(&self, contact: Contact) -> FieldSet {
        let [e_mails, phones] = self.contacts;
        match contact {
            Contact::EMail => e_mails,
            Contact::Phone => phones,
        }
    }

    /// The leaves in which no address belongs; none of an entity that has none for such addresses either.
    pub fn plain(&self) -> FieldSet {
        if Contact::ALL.iter().all(|contact| self.contacts(*contact).is_empty()) {
            return FieldSet::EMPTY;
        }
        self.ids().filter(|id| self.leaf(*id).is_some_and(Leaf::is_plain)).collect()
    }

    /// The leaves of a record, of those named, in which an address stands that the entity has leaves of its own for.
    pub fn misplaced(&self, record: &Record, leaves: &FieldSet) -> Vec<(LeafId, Contact)> {
        let mut found = Vec::new();
        for id in leaves.iter().filter(|id| self.leaf(*id).is_some_and(Leaf::is_plain)) {
            let mut held = [false; Contact::ALL.len()];
            record.each(self, id, &mut |value| {
                let text = value.as_text().unwrap_or_default();
                for (held, contact) in held.iter_mut().zip(Contact::ALL) {
                    *held |= contact.is_in(text);
                }
            });
            let held = Contact::ALL.into_iter().zip(held).filter(|(_, held)| *held);
            found.extend(held.map(|(contact, _)| (id, contact)));
        }
        found.retain(|(_, contact)| !self.contacts(*contact).is_empty());
        found
    }
}

impl Leaf {
    /// Whether it holds texts of any looks.
    pub fn is_plain(&self) -> bool {
        self.contact.is_none() && matches!(self.kind, LeafKind::Text { spelling: Spelling::Free, .. })
    }
}

fn is_e_mail(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    if text.chars().nth(E_MAIL_CHARS_MAX).is_some() {
        return false;
    }
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "@<>()[],;:\\\"".contains(c);
    !local.is_empty() && !local.contains(is_odd) && domain.contains('.') && domain.split('.').all(is_label)
}

/// How many bytes of a text a number with its country takes that begins it; none where none does.
fn phone_at_start(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('+')?;
    let is_part = |c: char| c.is_ascii_digit() || " -()./\u{a0}".contains(c);
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let number = rest.get(..end)?.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = number.chars().filter(char::is_ascii_digit).count();
    PHONE_DIGITS.contains(&digits).then(|| number.len().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Vec<Contact> {
        Contact::ALL.into_iter().filter(|contact| contact.is(text)).collect()
    }

    fn within(text: &str) -> Vec<Contact> {
        Contact::ALL.into_iter().filter(|contact| contact.is_in(text)).collect()
    }

    #[test]
    fn an_address_is_known_by_its_looks_alone_and_among_other_words() {
        for text in ["ewa@example.com", " jan.nowak+x@firma.com.pl ", "ł.ó@żółw.pl", "a@b.c"] {
            assert_eq!((whole(text), within(text)), (vec![Contact::EMail], vec![Contact::EMail]), "{text}");
        }
        for text in ["+48 601 234 567", "+48601234567", "+1 (212) 555-0100", "+44\u{a0}20.7946/0958"] {
            assert_eq!((whole(text), within(text)), (vec![Contact::Phone], vec![Contact::Phone]), "{text}");
        }
        for text in ["Jan <jan@x.pl>", "Nowak, mailto:jan@x.pl", "ask jan@x.pl."] {
            assert_eq!((whole(text), within(text)), (vec![], vec![Contact::EMail]), "{text}");
        }
        assert_eq!(within("Jan (+48 601 234 567)"), [Contact::Phone]);
        assert_eq!(within("jan@x.pl, +48 601 234 567"), Contact::ALL);
    }

    #[test]
    fn other_texts_are_no_addresses() {
        let long = format!("{}@example.com", "a".repeat(300));
        for text in [
            "",
            "@",
            "a@",
            "@b.pl",
            "a@b",
            "a@b..pl",
            "Nowak",
            "601234567",
            "+",
            "+48",
            "+48 12",
            "C++ 17",
            "+1234567890123456",
            "+48 601 abc",
            "v2.0@",
            "M8 @ 5.50",
            &long,
        ] {
            assert_eq!((whole(text), within(text)), (vec![], vec![]), "{text}");
        }
    }
}
