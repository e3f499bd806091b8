//! A system's words for comparisons.

use crate::{
    mapping::load::pairs,
    schema::Op,
    words::{Diagnostic, Diagnostics, tree::Node, yaml::FromYaml},
};

/// Words by comparison; one that is missing cannot be asked for.
#[derive(Debug, Default)]
pub(super) struct Ops(Vec<(Op, String)>);

impl Ops {
    pub(super) fn of<const N: usize>(words: [(Op, &str); N]) -> Self {
        Self(words.into_iter().map(|(op, word)| (op, word.to_owned())).collect())
    }

    /// Reads `eq`, `lt`, `lte`, `gt`, `gte`, and `in` where a dialect has a word for it.
    pub(super) fn load(node: &Node, with_in: bool, found: &mut Diagnostics) -> Self {
        let mut ops = Vec::new();
        for (key, node) in pairs(Some(node), found) {
            let op = match key.text.as_str() {
                "eq" => Op::Eq,
                "lt" => Op::Lt,
                "lte" => Op::Lte,
                "gt" => Op::Gt,
                "gte" => Op::Gte,
                "in" if with_in => Op::In,
                other => {
                    let message = format!("`{other}` is no operator that can be pushed");
                    let known = ["eq", "lt", "lte", "gt", "gte"];
                    found.push(Diagnostic::error(&node.place, message).suggest(other, known));
                    continue;
                }
            };
            if let Some(word) = String::read(node, found) {
                ops.push((op, word));
            }
        }
        Self(ops)
    }

    pub(super) fn word(&self, op: Op) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == op).map(|(_, word)| word.as_str())
    }
}
