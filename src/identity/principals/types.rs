//! What principals may carry: typed attributes, and groups with their parents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rust_decimal::Decimal;

use super::super::{Attribute, claims, token::is_name};
use crate::words::{
    Diagnostic, Diagnostics, EntityName, GroupName, Kind, Place,
    tree::{Node, Value},
    yaml::{self, Spanned},
};

/// Attributes and groups of `principals/attributes.yaml`.
#[derive(Clone, Debug, Default)]
pub struct PrincipalTypes {
    pub(super) attributes: BTreeMap<Arc<str>, AttributeType>,
    /// Each group with all groups it is in, itself included.
    pub(super) groups: BTreeMap<GroupName, BTreeSet<GroupName>>,
}

/// The type of one attribute.
#[derive(Clone, Debug)]
pub struct AttributeType {
    /// What it holds.
    pub kind: AttributeKind,
    /// Who may carry it.
    pub kinds: Vec<Kind>,
    /// Whether everyone of these kinds carries it.
    pub required: bool,
    /// Where it is declared.
    pub place: Place,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// Text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// true or false.
    Boolean,
    /// An exact decimal.
    Decimal,
    /// A set of texts.
    Texts,
    /// The key of a record of the shared schema.
    Reference(EntityName),
}

impl PrincipalTypes {
    /// Attributes by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&Arc<str>, &AttributeType)> {
        self.attributes.iter()
    }

    /// The type of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&AttributeType> {
        self.attributes.get(name)
    }

    /// Groups by name, each with every group it is in, itself included.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupName, &BTreeSet<GroupName>)> {
        self.groups.iter()
    }

    /// The groups and all they are in; undeclared ones are left out.
    pub fn with_parents<'g>(&self, groups: impl Iterator<Item = &'g str>) -> BTreeSet<GroupName> {
        groups.filter_map(|group| self.groups.get(group)).flatten().cloned().collect()
    }

    /// Tells when a group is not declared.
    pub fn check_group(&self, group: &Spanned<String>, found: &mut Diagnostics) {
        if !self.groups.contains_key(group.value.as_str()) {
            found.push(
                Diagnostic::error(&group.place, format!("group `{}` is not declared", group.value))
                    .suggest(&group.value, self.groups.keys().map(GroupName::as_str)),
            );
        }
    }

    /// The type of an attribute that somebody of `kinds` is said to carry; tells when there is none.
    pub fn check_attribute(
        &self,
        name: &Spanned<String>,
        kinds: &[Kind],
        found: &mut Diagnostics,
    ) -> Option<&AttributeType> {
        let Some(typed) = self.attributes.get(name.value.as_str()) else {
            found.push(
                Diagnostic::error(&name.place, format!("attribute `{}` is not declared", name.value))
                    .suggest(&name.value, self.attributes.keys().map(|known| &**known)),
            );
            return None;
        };
        if !kinds.iter().any(|kind| typed.kinds.contains(kind)) {
            let carriers: Vec<&str> = typed.kinds.iter().map(|kind| kind.as_str()).collect();
            found.error(
                &name.place,
                format!("attribute `{}` is carried by {} only", name.value, carriers.join(", ")),
            );
            return None;
        }
        Some(typed)
    }

    /// Required attributes that are not there, or are there and count as absent.
    pub fn missing<'a>(
        &'a self,
        kind: Kind,
        carried: &'a BTreeMap<Arc<str>, Attribute>,
    ) -> impl Iterator<Item = &'a str> {
        self.attributes
            .iter()
            .filter(move |(_, typed)| typed.required && typed.kinds.contains(&kind))
            .filter(|(name, _)| carried.get(*name).is_none_or(Attribute::is_absent))
            .map(|(name, _)| &**name)
    }
}

impl AttributeType {
    /// The value of a node; tells when it does not fit. Nothing and empty text are absent.
    pub(super) fn read_node(&self, node: &Node, found: &mut Diagnostics) -> Option<Attribute> {
        if matches!(node.value, Value::Null) || node.as_text() == Some("") {
            return None;
        }
        let value = match &self.kind {
            AttributeKind::Texts => texts(node),
            AttributeKind::Text
            | AttributeKind::Integer
            | AttributeKind::Boolean
            | AttributeKind::Decimal
            | AttributeKind::Reference(_) => node.as_text().and_then(|text| self.read_text(text)),
        };
        if value.is_none() {
            yaml::expected(node, self.expected(), found);
        }
        value
    }

    /// The value of a JSON claim. Numbers are read from their digits, never through a float.
    pub(in super::super) fn read_claim(&self, raw: &str) -> Option<Attribute> {
        match &self.kind {
            AttributeKind::Text | AttributeKind::Reference(_) => self.read_text(&claims::text(raw)?),
            AttributeKind::Integer | AttributeKind::Boolean => self.read_text(raw),
            AttributeKind::Decimal => match claims::text(raw) {
                Some(text) => self.read_text(&text),
                None => self.read_text(raw),
            },
            AttributeKind::Texts => {
                let texts = claims::texts(raw)?;
                let fits = texts.iter().all(|text| is_name(text));
                fits.then(|| Attribute::Texts(set(texts.iter().map(|text| Arc::from(text.as_ref())))))
            }
        }
    }

    fn read_text(&self, text: &str) -> Option<Attribute> {
        match &self.kind {
            AttributeKind::Text if text.is_empty() || is_name(text) => Some(Attribute::Text(text.into())),
            AttributeKind::Reference(entity) if text.is_empty() || is_name(text) => {
                Some(Attribute::Reference(entity.clone(), text.into()))
            }
            AttributeKind::Integer => text.parse().ok().map(Attribute::Integer),
            AttributeKind::Boolean => text.parse().ok().map(Attribute::Boolean),
            AttributeKind::Decimal => Decimal::from_str_exact(text).ok().map(Attribute::Decimal),
            AttributeKind::Text | AttributeKind::Reference(_) | AttributeKind::Texts => None,
        }
    }

    fn expected(&self) -> &'static str {
        match self.kind {
            AttributeKind::Text => "text of 1 to 255 printable bytes",
            AttributeKind::Integer => "a whole number",
            AttributeKind::Boolean => "`true` or `false`",
            AttributeKind::Decimal => "an exact decimal, as in `12.50`",
            AttributeKind::Texts => "a list of texts",
            AttributeKind::Reference(_) => "the key of a record",
        }
    }
}

fn texts(node: &Node) -> Option<Attribute> {
    let items: Option<Vec<Arc<str>>> = node
        .as_list()?
        .iter()
        .map(|item| item.as_text().filter(|text| is_name(text)).map(Arc::from))
        .collect();
    items.map(|items| Attribute::Texts(set(items.into_iter())))
}

fn set(texts: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    texts.collect::<BTreeSet<_>>().into_iter().collect()
}
