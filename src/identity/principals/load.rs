//! The files as written, and how they become the registry: types first, then partners, then principals.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    super::{Attribute, sources::ISSUER_MARK, token::is_name},
    AttributeKind, AttributeType, Partner, Principal, PrincipalRegistry, PrincipalTypes,
};
use crate::{
    words::{
        Diagnostic, Diagnostics, Digest, EntityName, GroupName, Kind, PlanName, PrincipalId,
        tree::Node,
        yaml::{FromYaml, Named, Spanned},
    },
    yaml_object, yaml_words,
};

/// The file that types attributes and declares groups.
const TYPES_FILE: &str = "attributes.yaml";

yaml_words! {
    /// The kinds of principal that can be declared.
    pub enum PrincipalKind {
        /// An internal application.
        App = "App",
        /// A program of a partner.
        Partner = "Partner",
        /// A person.
        User = "User",
    }

    /// What an attribute holds.
    pub enum AttributeWord {
        /// Text.
        Text = "text",
        /// A whole number.
        Integer = "integer",
        /// `true` or `false`.
        Boolean = "boolean",
        /// An exact decimal.
        Decimal = "decimal",
        /// A set of texts.
        Texts = "texts",
        /// The key of a record of the shared schema; `entity` says which.
        Reference = "reference",
    }
}

yaml_object! {
    /// `principals/attributes.yaml`.
    pub struct AttributesFile {
        /// Attributes that principals may carry.
        pub attributes: Named<AttributeSpec> = Named::default();
        /// Groups that principals may be in.
        pub groups: Named<Option<GroupSpec>> = Named::default();
    }

    /// An attribute's type.
    pub struct AttributeSpec {
        /// What it holds.
        pub r#type: AttributeWord;
        /// Of which entity a reference is.
        pub entity: Option<Spanned<String>> = None;
        /// Who may carry it.
        pub kinds: Vec<PrincipalKind>;
        /// Whether everyone of these kinds must carry it.
        pub required: bool = false;
    }

    /// A group.
    pub struct GroupSpec {
        /// Groups it is part of.
        pub r#in: Vec<Spanned<String>> = Vec::new();
    }

    /// Any other file of `principals/`: a partner with its principals, or principals of our own.
    pub struct PrincipalsFile {
        /// The partner organisation they all belong to.
        pub partner: Option<Spanned<String>> = None;
        /// The partner's name for people.
        pub name: Option<String> = None;
        /// The partner's plan.
        pub plan: Option<Spanned<String>> = None;
        /// Ends all credentials of the partner.
        pub disabled: bool = false;
        /// The last day of the partner's credentials, in UTC, as in `2027-06-30`.
        pub until: Option<Spanned<String>> = None;
        /// The partner's attributes; every principal below that may carry them does.
        pub attributes: Named<Node> = Named::default();
        /// The principals.
        pub principals: Vec<Spanned<PrincipalSpec>> = Vec::new();
    }

    /// A principal.
    pub struct PrincipalSpec {
        /// What sort of caller.
        pub kind: PrincipalKind;
        /// Its name inside its kind; `issuer|sub` where an outside issuer vouches for it.
        pub id: Spanned<String>;
        /// Groups it is in.
        pub groups: Vec<Spanned<String>> = Vec::new();
        /// Its plan; its partner's where it has none.
        pub plan: Option<Spanned<String>> = None;
        /// What it carries.
        pub attributes: Named<Node> = Named::default();
        /// Client certificates that prove it: `sha256:` and the hex digest of the DER.
        pub certificates: Vec<Spanned<String>> = Vec::new();
        /// Ends all of its credentials.
        pub disabled: bool = false;
        /// The last day of its credentials, in UTC; its partner's where that is sooner.
        pub until: Option<Spanned<String>> = None;
    }
}

impl PrincipalKind {
    /// The kind statements know.
    pub fn kind(self) -> Kind {
        match self {
            Self::App => Kind::App,
            Self::Partner => Kind::Partner,
            Self::User => Kind::User,
        }
    }
}

/// Reads every file of `principals/`.
///
/// # Errors
/// All mistakes of all files, when one of them keeps the bundle from loading.
pub fn load(files: &[(Arc<str>, Node)]) -> Result<(PrincipalRegistry, Diagnostics), Diagnostics> {
    let mut found = Diagnostics::default();
    let is_types = |name: &str| name.rsplit('/').next() == Some(TYPES_FILE);
    let mut types = PrincipalTypes::default();
    for (_, node) in files.iter().filter(|(name, _)| is_types(name)) {
        if let Some(file) = AttributesFile::read(node, &mut found) {
            types = read_types(&file, &mut found);
        }
    }
    let mut registry = PrincipalRegistry { types, ..PrincipalRegistry::default() };
    let mut pinned = BTreeSet::new();
    for (_, node) in files.iter().filter(|(name, _)| !is_types(name)) {
        if let Some(file) = PrincipalsFile::read(node, &mut found) {
            read_file(&file, node, &mut registry, &mut pinned, &mut found);
        }
    }
    found.finish(registry)
}

fn read_types(file: &AttributesFile, found: &mut Diagnostics) -> PrincipalTypes {
    let mut types = PrincipalTypes::default();
    for (name, spec) in file.attributes.iter() {
        if !is_identifier(&name.value) {
            found.error(&name.place, format!("`{}` is not a name: letters, digits and `_`", name.value));
        }
        let kind = match (spec.r#type, &spec.entity) {
            (AttributeWord::Reference, Some(entity)) => {
                AttributeKind::Reference(EntityName::new(entity.value.as_str()))
            }
            (AttributeWord::Reference, None) => {
                found.error(&name.place, format!("reference `{}` needs `entity`", name.value));
                continue;
            }
            (_, Some(entity)) => {
                found.error(&entity.place, "only a reference has an entity");
                continue;
            }
            (AttributeWord::Text, None) => AttributeKind::Text,
            (AttributeWord::Integer, None) => AttributeKind::Integer,
            (AttributeWord::Boolean, None) => AttributeKind::Boolean,
            (AttributeWord::Decimal, None) => AttributeKind::Decimal,
            (AttributeWord::Texts, None) => AttributeKind::Texts,
        };
        let kinds = spec.kinds.iter().map(|kind| kind.kind()).collect();
        let typed = AttributeType { kind, kinds, required: spec.required, place: name.place.clone() };
        types.attributes.insert(name.value.as_str().into(), typed);
    }
    types.groups = read_groups(&file.groups, found);
    types
}

/// Each group with everything it is in. A circle is told and cut.
fn read_groups(
    groups: &Named<Option<GroupSpec>>,
    found: &mut Diagnostics,
) -> BTreeMap<GroupName, BTreeSet<GroupName>> {
    let parents = |name: &str| groups.get(name).and_then(Option::as_ref).map_or(&[][..], |spec| &spec.r#in);
    let mut closed = BTreeMap::new();
    for (name, _) in groups.iter() {
        if !is_name(&name.value) {
            found.error(&name.place, "expected a group name of 1 to 255 printable bytes");
        }
        for parent in parents(&name.value) {
            if groups.get(&parent.value).is_none() {
                found.push(
                    Diagnostic::error(&parent.place, format!("group `{}` is not declared", parent.value))
                        .suggest(&parent.value, groups.iter().map(|(known, _)| known.value.as_str())),
                );
            }
        }
        let mut all = BTreeSet::from([GroupName::new(name.value.as_str())]);
        let mut open: Vec<&Spanned<String>> = parents(&name.value).iter().collect();
        while let Some(parent) = open.pop() {
            if parent.value == name.value {
                found.error(&name.place, format!("group `{}` is part of itself", name.value));
            } else if all.insert(GroupName::new(parent.value.as_str())) {
                open.extend(parents(&parent.value));
            }
        }
        closed.insert(GroupName::new(name.value.as_str()), all);
    }
    closed
}

fn read_file(
    file: &PrincipalsFile,
    node: &Node,
    registry: &mut PrincipalRegistry,
    pinned: &mut BTreeSet<Digest>,
    found: &mut Diagnostics,
) {
    match &file.partner {
        Some(partner) => add_partner(partner, file, registry, found),
        None if file.name.is_some()
            || file.plan.is_some()
            || file.disabled
            || file.until.is_some()
            || !file.attributes.0.is_empty() =>
        {
            found.push(
                Diagnostic::error(
                    &node.place,
                    "a name, plan, attributes, `disabled` or `until` of a file are a partner's",
                )
                .help("add `partner:`, or move them to the principals"),
            );
        }
        None => {}
    }
    let kinds: Vec<Kind> = file.principals.iter().map(|spec| spec.value.kind.kind()).collect();
    // With nobody to carry them the partner's attributes cannot be judged; they are not wrong yet.
    let shared = if kinds.is_empty() {
        BTreeMap::new()
    } else {
        read_attributes(&file.attributes, &kinds, &registry.types, found)
    };
    for spec in &file.principals {
        let principal = read_principal(spec, file, &shared, &registry.types, pinned, found);
        let known = registry.principals.entry(principal.kind).or_default();
        if let Some(first) = known.get(&principal.id) {
            let message = format!("{} `{}` is declared twice", principal.kind, principal.id);
            let first = format!("first at {}", first.place);
            found.push(Diagnostic::error(&principal.place, message).help(first));
            continue;
        }
        known.insert(principal.id.clone(), principal);
    }
}

fn add_partner(
    partner: &Spanned<String>,
    file: &PrincipalsFile,
    registry: &mut PrincipalRegistry,
    found: &mut Diagnostics,
) {
    if !is_name(&partner.value) || partner.value.contains(ISSUER_MARK) {
        found.error(&partner.place, "expected a partner id of 1 to 255 printable bytes without `|`");
    }
    let id = PrincipalId::new(partner.value.as_str());
    if let Some(first) = registry.partners.get(&id) {
        let message = format!("partner `{id}` is declared twice");
        let first = format!("first at {}", first.place);
        found.push(Diagnostic::error(&partner.place, message).help(first));
    }
    let name = file.name.as_deref().map(Arc::from);
    let until = file.until.as_ref().and_then(|day| end_of(day, found));
    registry
        .partners
        .insert(id, Partner { name, disabled: file.disabled, until, place: partner.place.clone() });
}

/// The moment at which a day has ended in UTC.
fn end_of(day: &Spanned<String>, found: &mut Diagnostics) -> Option<Timestamp> {
    let read = day.value.parse::<Date>().ok().and_then(|date| date.tomorrow().ok());
    let end = read.and_then(|next| next.to_zoned(TimeZone::UTC).ok()).map(|next| next.timestamp());
    if end.is_none() {
        found.error(&day.place, "expected a day, as in `2027-06-30`");
    }
    end
}

fn read_principal(
    spec: &Spanned<PrincipalSpec>,
    file: &PrincipalsFile,
    shared: &BTreeMap<Arc<str>, Attribute>,
    types: &PrincipalTypes,
    pinned: &mut BTreeSet<Digest>,
    found: &mut Diagnostics,
) -> Principal {
    let Spanned { value: spec, place } = spec;
    let kind = spec.kind.kind();
    if !is_name(&spec.id.value) {
        found.error(&spec.id.place, "expected an id of 1 to 255 printable bytes");
    }
    if kind == Kind::Partner && file.partner.is_none() {
        found.push(
            Diagnostic::error(
                place,
                format!("`{}` is a partner's program, but its file names no partner", spec.id.value),
            )
            .help("add `partner:` to the file"),
        );
    }
    for group in &spec.groups {
        types.check_group(group, found);
    }
    let mut attributes = read_attributes(&spec.attributes, &[kind], types, found);
    for (name, value) in shared {
        if types.attribute(name).is_some_and(|typed| typed.kinds.contains(&kind)) {
            if attributes.contains_key(name) {
                found.error(
                    place,
                    format!("attribute `{name}` is the partner's; a principal cannot change it"),
                );
            }
            attributes.insert(name.clone(), value.clone());
        }
    }
    for name in types.missing(kind, &attributes) {
        found.error(place, format!("{kind} `{}` must carry `{name}`", spec.id.value));
    }
    let plan = spec.plan.as_ref().or(file.plan.as_ref());
    let own_end = spec.until.as_ref().and_then(|day| end_of(day, found));
    // What is wrong with it was told of the partner.
    let partners_end = file.until.as_ref().and_then(|day| end_of(day, &mut Diagnostics::default()));
    Principal {
        kind,
        id: PrincipalId::new(spec.id.value.as_str()),
        partner: file.partner.as_ref().map(|partner| PrincipalId::new(partner.value.as_str())),
        groups: types.with_parents(spec.groups.iter().map(|group| group.value.as_str())),
        attributes,
        plan: plan.map(|plan| (PlanName::new(plan.value.as_str()), plan.place.clone())),
        disabled: spec.disabled || file.disabled,
        until: own_end.into_iter().chain(partners_end).min(),
        certificates: spec.certificates.iter().filter_map(|one| fingerprint(one, pinned, found)).collect(),
        place: place.clone(),
    }
}

fn read_attributes(
    attributes: &Named<Node>,
    kinds: &[Kind],
    types: &PrincipalTypes,
    found: &mut Diagnostics,
) -> BTreeMap<Arc<str>, Attribute> {
    let mut carried = BTreeMap::new();
    for (name, node) in attributes.iter() {
        let Some(typed) = types.check_attribute(name, kinds, found) else { continue };
        if let Some(value) = typed.read_node(node, found) {
            carried.insert(Arc::from(name.value.as_str()), value);
        }
    }
    carried
}

fn fingerprint(
    text: &Spanned<String>,
    pinned: &mut BTreeSet<Digest>,
    found: &mut Diagnostics,
) -> Option<Digest> {
    let bytes = text.value.strip_prefix("sha256:").and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
    let Some(bytes) = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
        found.error(
            &text.place,
            format!("expected `sha256:` and 64 lower-case hex digits, found `{}`", text.value),
        );
        return None;
    };
    if !pinned.insert(Digest(bytes)) {
        found.error(&text.place, "the certificate is pinned twice; it can prove one principal only");
        return None;
    }
    Some(Digest(bytes))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
