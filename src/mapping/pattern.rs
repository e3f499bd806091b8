//! Several fields in one native text: `{post_code} {city}`.
//!
//! A hole reaches to the first place where the text after it stands, the last one to the end; none is empty. So
//! taking a text apart is linear, and what is put together is taken apart again before it is sent: what would not
//! come back the same is refused.

/// Most holes of a pattern.
const HOLES_MAX: usize = 8;

/// A text with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands before the first hole.
    before: Box<str>,
    /// Names of the holes, and what stands behind each.
    holes: Vec<(Box<str>, Box<str>)>,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (before, mut rest) = text.split_once('{').unwrap_or((text, ""));
        let mut holes: Vec<(Box<str>, Box<str>)> = Vec::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('}').ok_or("a `{` in the pattern is not closed")?;
            if name.is_empty() || name.contains('{') {
                return Err("a hole of the pattern has no name".into());
            }
            let (behind, next) = after.split_once('{').map_or((after, None), |(b, next)| (b, Some(next)));
            if behind.contains('}') || before.contains('}') {
                return Err("a `}` in the pattern opens nowhere".into());
            }
            if behind.is_empty() && next.is_some() {
                return Err(format!("nothing tells where `{{{name}}}` ends; put a text between two holes"));
            }
            if holes.iter().any(|(known, _)| **known == *name) {
                return Err(format!("`{{{name}}}` stands twice in the pattern"));
            }
            holes.push((name.into(), behind.into()));
            match next {
                Some("") => return Err("a `{` in the pattern is not closed".into()),
                Some(next) => rest = next,
                None => break,
            }
        }
        match holes.len() {
            0 => Err("a pattern has holes, as in `{post_code} {city}`".into()),
            1..=HOLES_MAX => Ok(Self { before: before.into(), holes }),
            _ => Err(format!("a pattern has at most {HOLES_MAX} holes")),
        }
    }

    /// The names of its holes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.holes.iter().map(|(name, _)| &**name)
    }

    /// What stands in each hole of a text; none where the text is not of this pattern.
    pub(super) fn take<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut rest = text.strip_prefix(&*self.before)?;
        let mut taken = Vec::with_capacity(self.holes.len());
        for (at, (_, behind)) in self.holes.iter().enumerate() {
            let is_last = at + 1 == self.holes.len();
            let (inside, after) = match is_last {
                true => (rest.strip_suffix(&**behind)?, ""),
                false => rest.split_once(&**behind)?,
            };
            if inside.is_empty() {
                return None;
            }
            taken.push(inside);
            rest = after;
        }
        Some(taken)
    }

    /// The text with its holes filled; none where it would be taken apart otherwise.
    pub(super) fn fill(&self, values: &[&str]) -> Option<String> {
        let mut text = self.before.to_string();
        for ((_, behind), value) in self.holes.iter().zip(values) {
            text.push_str(value);
            text.push_str(behind);
        }
        (self.take(&text)? == values).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_the_first_place_that_fits() {
        let address = Pattern::parse("{post_code} {city}").unwrap();
        assert_eq!(address.take("87-607 Środa Śląska"), Some(vec!["87-607", "Środa Śląska"]));
        assert_eq!(address.take("87-607"), None);
        assert_eq!(address.take(" Środa"), None);
        let gid = Pattern::parse("gid://shop/Customer/{id}?v=1").unwrap();
        assert_eq!(gid.take("gid://shop/Customer/7?v=1"), Some(vec!["7"]));
        assert_eq!(gid.take("gid://shop/Order/7?v=1"), None);
        let two = Pattern::parse("customers/{customer}/campaigns/{id}").unwrap();
        assert_eq!(two.take("customers/1/campaigns/2"), Some(vec!["1", "2"]));
        assert_eq!(two.names().collect::<Vec<_>>(), ["customer", "id"]);
    }

    #[test]
    fn what_would_be_taken_apart_otherwise_is_not_put_together() {
        let address = Pattern::parse("{post_code} {city}").unwrap();
        assert_eq!(address.fill(&["87-607", "Środa Śląska"]).as_deref(), Some("87-607 Środa Śląska"));
        assert_eq!(address.fill(&["SW1A 1AA", "London"]), None);
        assert_eq!(address.fill(&["", "London"]), None);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (text, word) in [
            ("", "has holes"),
            ("plain", "has holes"),
            ("{a}{b}", "nothing tells"),
            ("{a} {a}", "stands twice"),
            ("{a", "not closed"),
            ("{a} {", "not closed"),
            ("{} x", "no name"),
            ("{a} } {b}", "opens nowhere"),
            ("{a}1{b}1{c}1{d}1{e}1{f}1{g}1{h}1{i}", "at most 8"),
        ] {
            let told = Pattern::parse(text).unwrap_err();
            assert!(told.contains(word), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_together_is_taken_apart_the_same(a in "[a-c /-]{0,6}", b in "[a-c /-]{0,6}", c in "\\PC{0,6}") {
            for pattern in ["{a} {b}/{c}", "-{a}--{b} {c}-", "{a}/{b}/{c}"] {
                let pattern = Pattern::parse(pattern).unwrap();
                if let Some(text) = pattern.fill(&[&a, &b, &c]) {
                    prop_assert_eq!(pattern.take(&text), Some(vec![a.as_str(), b.as_str(), c.as_str()]));
                }
            }
        }
    }
}
