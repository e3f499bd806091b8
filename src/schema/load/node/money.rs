//! What a file says of amounts: `x-currency`, where their currency stands, and `x-sum`, what a total is made of.

use std::sync::Arc;

use super::Compiler;
use crate::{
    schema::{
        codes::Standard,
        entity::{Leaf, LeafKind},
        fields::LeafId,
        money::{Money, Term},
    },
    words::{
        Diagnostic,
        tree::Node,
        yaml::{FromYaml, Keys, Spanned, expected},
    },
};

/// Most amounts that make up a total.
const TERMS_MAX: usize = 16;

/// What was said of amounts, by their numbers, until all leaves are known.
#[derive(Default)]
pub(super) struct Said<'a> {
    currencies: Vec<(usize, &'a Node)>,
    sums: Vec<(usize, &'a Node)>,
}

impl<'a> Compiler<'a> {
    /// Notes what is said of a leaf.
    pub(super) fn money(
        &mut self,
        number: usize,
        kind: Option<&LeafKind>,
        (currency, sum): (Option<&'a Node>, Option<&'a Node>),
    ) {
        for (name, node) in [("x-currency", currency), ("x-sum", sum)] {
            if let (Some(node), true) = (node, kind.is_some_and(|kind| *kind != LeafKind::Decimal)) {
                self.found.error(&node.place, format!("`{name}` is of amounts: `format: decimal`"));
            }
        }
        if let (Some(sum), None) = (sum, currency) {
            let told = Diagnostic::error(&sum.place, "a total is money: where does its currency stand?");
            self.found.push(told.help("add `x-currency`"));
        }
        self.money.currencies.extend(currency.map(|node| (number, node)));
        self.money.sums.extend(sum.map(|node| (number, node)));
    }

    /// Looks up what was said, with all leaves known.
    pub(super) fn settle_money(&mut self) {
        let said = std::mem::take(&mut self.money);
        for (number, node) in said.currencies {
            let money = self.currency(number, node);
            if let Some(leaf) = self.leaves.get_mut(number) {
                leaf.money = money;
            }
        }
        for (number, node) in said.sums {
            let sum = self.sum(number, node);
            if let Some(leaf) = self.leaves.get_mut(number) {
                leaf.sum = sum;
            }
        }
    }

    /// A path, or `{ at, when: { path: code } }`.
    fn currency(&mut self, number: usize, node: &Node) -> Option<Money> {
        if node.as_map().is_none() {
            return Some(Money { currency: self.currency_at(number, node)?, when: None });
        }
        let mut keys = Keys::of(node, self.found)?;
        let (at, when) = (keys.required::<Node>("at", self.found), keys.required::<Node>("when", self.found));
        keys.finish(self.found);
        let (at, when) = (at?, when?);
        let currency = self.currency_at(number, &at);
        let Some([(key, code)]) = when.as_map() else {
            expected(&when, "one field and its code, as in `{ unit: currency }`", self.found);
            return None;
        };
        let named = Node { value: text_of(&key.text), place: key.place.clone() };
        let is_code = |leaf: &Leaf| matches!(leaf.kind, LeafKind::Code(_));
        let leaf = self.beside(number, &named, &is_code, "a field with codes")?;
        let code: Spanned<String> = Spanned::read(code, self.found)?;
        if let Some(LeafKind::Code(codes)) = self.leaves.get(usize::from(leaf.0)).map(|leaf| &leaf.kind)
            && !codes.iter().any(|known| **known == *code.value)
        {
            let told =
                Diagnostic::error(&code.place, format!("`{}` is no code of `{}`", code.value, key.text));
            self.found.push(told.suggest(&code.value, codes.iter().map(|code| &**code)));
            return None;
        }
        Some(Money { currency: currency?, when: Some((leaf, Arc::from(code.value))) })
    }

    fn currency_at(&mut self, number: usize, node: &Node) -> Option<LeafId> {
        let is_currency = |leaf: &Leaf| match &leaf.kind {
            LeafKind::Code(codes) => {
                Standard::of(codes).is_some_and(|standard| standard.format == "currency")
            }
            _ => false,
        };
        self.beside(number, node, &is_currency, "a field of `format: currency`")
    }

    /// A leaf that stands beside another one, or beside what holds it.
    fn beside(
        &mut self,
        number: usize,
        node: &Node,
        fits: &dyn Fn(&Leaf) -> bool,
        what: &str,
    ) -> Option<LeafId> {
        let Some(text) = node.as_text() else {
            expected(node, what, self.found);
            return None;
        };
        let of = self.leaves.get(number).map(|leaf| leaf.path.to_string()).unwrap_or_default();
        let is_beside = |leaf: &Leaf| {
            let path = leaf.path.as_str();
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            !leaf.in_list || of.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
        };
        let known = |leaf: &&Leaf| fits(leaf) && is_beside(leaf);
        let at = self.leaves.iter().position(|leaf| leaf.path.as_str() == text && known(&leaf));
        if at.is_none() {
            let message = format!("`{text}` is not {what} beside `{of}`, or beside what holds it");
            let names: Vec<_> = self.leaves.iter().filter(known).map(|leaf| leaf.path.to_string()).collect();
            let told = Diagnostic::error(&node.place, message);
            self.found.push(told.suggest(text, names.iter().map(String::as_str)));
        }
        at.and_then(|at| u8::try_from(at).ok()).map(LeafId)
    }

    /// A list of amounts; one with `-` before it is taken away.
    fn sum(&mut self, number: usize, node: &Node) -> Vec<Term> {
        let texts = Vec::<Spanned<String>>::read(node, self.found).unwrap_or_default();
        if texts.is_empty() || texts.len() > TERMS_MAX {
            self.found.error(&node.place, format!("a total is made of 1 to {TERMS_MAX} amounts"));
        }
        let mut terms = Vec::new();
        for text in texts {
            let (path, is_minus) =
                text.value.strip_prefix('-').map_or((&*text.value, false), |path| (path, true));
            let at = self.leaves.iter().position(|leaf| leaf.path.as_str() == path && leaf.money.is_some());
            match at.filter(|at| *at != number).and_then(|at| u8::try_from(at).ok()) {
                Some(at) => terms.push(Term { leaf: LeafId(at), is_minus }),
                None => {
                    let message = format!("`{path}` is no other amount: it needs an `x-currency`");
                    let names = self.leaves.iter().filter(|leaf| leaf.money.is_some());
                    let told = Diagnostic::error(&text.place, message);
                    self.found.push(told.suggest(path, names.map(|leaf| leaf.path.as_str())));
                }
            }
        }
        terms
    }
}

fn text_of(text: &str) -> crate::words::tree::Value {
    crate::words::tree::Value::Scalar(crate::words::tree::Scalar { text: text.to_owned(), quoted: true })
}
