//! Filters that say which records they are about, by a few values of one leaf.

use compact_str::CompactString;

use super::{Filter, Op};
use crate::schema::{fields::LeafId, record::Value};

/// What a filter pins a leaf to.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// The texts that the leaf can have, each once, in the order in which they were first named.
    pub values: Vec<CompactString>,
    /// What every record passes besides that passes the filter; more may pass it.
    pub rest: Filter,
}

impl Filter {
    /// The texts of which a leaf has one in every record that passes; none where it may have any. The leaf stands in no
    /// list. Recursion is bounded by what reads a query and compiles a statement.
    pub fn pinned(&self, leaf: LeafId) -> Option<Pinned> {
        let alone = |values| Some(Pinned { values, rest: Self::everything() });
        match self {
            Self::Test { leaf: of, op: Op::Eq, value: Value::Text(text) } if *of == leaf => {
                alone(vec![text.clone()])
            }
            Self::Test { leaf: of, op: Op::In, value: Value::List(values) } if *of == leaf => {
                let mut texts = Vec::with_capacity(values.len());
                values.iter().filter_map(Value::as_text).for_each(|text| add(&mut texts, text));
                alone(texts)
            }
            Self::All(parts) => {
                let (mut values, mut rest): (Option<Vec<CompactString>>, _) = (None, Vec::new());
                for part in parts {
                    let Some(pinned) = part.pinned(leaf) else {
                        rest.push(part.clone());
                        continue;
                    };
                    rest.push(pinned.rest);
                    values = Some(match values {
                        None => pinned.values,
                        Some(mut values) => {
                            values.retain(|value| pinned.values.contains(value));
                            values
                        }
                    });
                }
                Some(Pinned { values: values?, rest: Self::All(rest).simplified() })
            }
            Self::Any(parts) => {
                let mut values = Vec::new();
                for part in parts {
                    part.pinned(leaf)?.values.iter().for_each(|value| add(&mut values, value));
                }
                alone(values)
            }
            Self::Test { .. } | Self::Derived { .. } | Self::Pair { .. } | Self::Not(_) | Self::Item(..) => {
                None
            }
        }
    }
}

fn add(values: &mut Vec<CompactString>, text: &str) {
    if !values.iter().any(|known| known == text) {
        values.push(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LeafId = LeafId(0);
    const OTHER: LeafId = LeafId(1);

    fn is(leaf: LeafId, text: &str) -> Filter {
        Filter::test(leaf, Op::Eq, Value::Text(text.into()))
    }

    fn among(texts: &[&str]) -> Filter {
        let texts = texts.iter().map(|text| Value::Text((*text).into())).collect();
        Filter::test(ID, Op::In, Value::List(texts))
    }

    #[test]
    fn a_filter_is_pinned_where_every_record_that_passes_has_one_of_a_few_values() {
        let other = || is(OTHER, "x");
        let both = |one, other| Filter::All(vec![one, other]);
        let either = |one, other| Filter::Any(vec![one, other]);
        for (filter, values, rest) in [
            (is(ID, "a"), vec!["a"], Filter::everything()),
            (among(&["b", "a", "b"]), vec!["b", "a"], Filter::everything()),
            (both(among(&["a", "b", "c"]), among(&["c", "b"])), vec!["b", "c"], Filter::everything()),
            (both(is(ID, "a"), is(ID, "b")), vec![], Filter::everything()),
            (both(is(ID, "a"), other()), vec!["a"], other()),
            (either(is(ID, "a"), both(is(ID, "b"), other())), vec!["a", "b"], Filter::everything()),
            (both(other(), either(is(ID, "a"), is(ID, "b"))), vec!["a", "b"], other()),
            (Filter::nothing(), vec![], Filter::everything()),
        ] {
            let pinned = filter.pinned(ID).unwrap_or_else(|| panic!("{filter:?}"));
            assert_eq!((pinned.values, pinned.rest), (values.into_iter().map(Into::into).collect(), rest));
        }
        for filter in [
            Filter::everything(),
            other(),
            either(is(ID, "a"), other()),
            Filter::Not(Box::new(is(ID, "a"))),
            Filter::test(ID, Op::Ne, Value::Text("a".into())),
            Filter::test(ID, Op::StartsWith, Value::Text("a".into())),
            Filter::test(ID, Op::Eq, Value::Null),
        ] {
            assert_eq!(filter.pinned(ID), None, "{filter:?}");
        }
    }
}
