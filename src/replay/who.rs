//! Who asked, as an entry holds it, and who that is under another bundle.

use std::{collections::BTreeMap, sync::Arc};

use rust_decimal::Decimal;

use super::Missing;
use crate::{
    audit::{Replayed, ReplayedBeneath},
    config::Snapshot,
    identity::{
        Attribute, CredentialId, Facts, ISSUER_MARK,
        principals::{AttributeKind, PrincipalRegistry, PrincipalTypes},
    },
    words::{GroupName, Kind, PrincipalId},
};

/// The facts that decided; none where the entry does not hold them whole, which their digest tells.
pub(super) fn then(
    entry: &Replayed<'_>,
    beneath: &ReplayedBeneath<'_>,
    now: &Snapshot,
    then: Option<&Snapshot>,
) -> Option<Facts> {
    let who = entry.who.as_ref()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == who.kind)?;
    let snapshots = then.into_iter().chain([now]);
    // By the types of then, or where they are not kept by those of now.
    snapshots.map(|snapshot| snapshot.sources.registry().types()).find_map(|types| {
        let mut facts = Facts::bare(kind, PrincipalId::new(beneath.id()?), CredentialId::None);
        facts.partner = beneath.partner().map(PrincipalId::new);
        facts.groups = who.groups().map(GroupName::new).collect();
        facts.scopes = who.scopes().map(Arc::from).collect();
        facts.plan = who.plan().map(Into::into);
        facts.attributes = attributes(beneath, types)?;
        let facts = facts.sealed();
        (facts.digest.to_string() == who.facts).then_some(facts)
    })
}

fn attributes(
    beneath: &ReplayedBeneath<'_>,
    types: &PrincipalTypes,
) -> Option<BTreeMap<Arc<str>, Attribute>> {
    let read = |(name, raw): (&str, &str)| {
        let kind = &types.attribute(name)?.kind;
        let text = || serde_json::from_str::<String>(raw).ok();
        let value = match kind {
            AttributeKind::Text => Attribute::Text(text()?.into()),
            AttributeKind::Integer => Attribute::Integer(raw.parse().ok()?),
            AttributeKind::Boolean => Attribute::Boolean(raw.parse().ok()?),
            AttributeKind::Decimal => Attribute::Decimal(Decimal::from_str_exact(&text()?).ok()?),
            AttributeKind::Texts => {
                let texts: Vec<String> = serde_json::from_str(raw).ok()?;
                Attribute::Texts(texts.into_iter().map(Arc::from).collect())
            }
            AttributeKind::Reference(entity) => {
                let text = text()?;
                Attribute::Reference(
                    entity.clone(),
                    text.strip_prefix(entity.as_str())?.strip_prefix('/')?.into(),
                )
            }
        };
        Some((name.into(), value))
    };
    beneath.attributes().map(read).collect()
}

/// The principals of then, where they are kept, and those of now.
pub(super) struct Then<'a> {
    pub(super) then: Option<&'a PrincipalRegistry>,
    pub(super) now: &'a PrincipalRegistry,
}

impl Then<'_> {
    /// Who it is now: what the bundle says of it, as far as its credential goes.
    pub(super) fn of(&self, facts: &Facts) -> Result<Arc<Facts>, Missing> {
        if facts.kind == Kind::Anonymous {
            return Ok(Arc::new(same(facts).sealed()));
        }
        let is_outside = facts.id.as_str().contains(ISSUER_MARK);
        let now = match self.now.get(facts.kind, facts.id.as_str()) {
            Some(now) if now.disabled => return Err(Missing::Gone),
            Some(now) => now.facts(CredentialId::None).sealed(),
            // What its issuer vouches for stands in no file.
            None if is_outside => return Ok(Arc::new(same(facts).sealed())),
            None => return Err(Missing::Gone),
        };
        let then = self.then.map(|then| {
            let known = then.get(facts.kind, facts.id.as_str());
            known.map(|known| known.facts(CredentialId::None).sealed())
        });
        let mut found = same(&now);
        found.scopes.clone_from(&facts.scopes);
        match then {
            Some(then) => {
                self.as_asserted(facts, then.as_ref(), &mut found);
                as_resolved(facts, then.as_ref(), &mut found);
            }
            // It is as it was, or it cannot be told which groups are left out, and by whom.
            None if facts.groups == now.groups && facts.attributes == now.attributes && !is_outside => {}
            None => return Err(Missing::Unsure),
        }
        Ok(Arc::new(found.sealed()))
    }

    /// A credential for fewer groups has fewer still, and one of an issuer adds what that vouches for.
    fn as_asserted(&self, facts: &Facts, then: Option<&Facts>, found: &mut Facts) {
        let had = then.map(|then| &*then.groups).unwrap_or_default();
        if facts.groups.iter().all(|group| had.contains(group)) && facts.groups.len() < had.len() {
            let named = self.now.types().with_parents(facts.groups.iter().map(GroupName::as_str));
            found.groups.retain(|group| named.contains(group));
        }
        if facts.id.as_str().contains(ISSUER_MARK) {
            found.groups.extend(facts.groups.iter().filter(|group| !had.contains(group)).cloned());
            let known = |name: &Arc<str>| then.is_some_and(|then| then.attributes.contains_key(name));
            for (name, value) in facts.attributes.iter().filter(|(name, _)| !known(name)) {
                found.attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// What the files say as they did then is what the gate made of it then: a record that is named by a system's key has
/// the id that callers see.
fn as_resolved(facts: &Facts, then: Option<&Facts>, found: &mut Facts) {
    for (name, value) in &mut found.attributes {
        let as_then = then.and_then(|then| then.attributes.get(name)) == Some(&*value);
        if let Some(was) = facts.attributes.get(name).filter(|_| as_then) {
            value.clone_from(was);
        }
    }
}

fn same(facts: &Facts) -> Facts {
    Facts {
        partner: facts.partner.clone(),
        groups: facts.groups.clone(),
        attributes: facts.attributes.clone(),
        plan: facts.plan.clone(),
        scopes: facts.scopes.clone(),
        ..Facts::bare(facts.kind, facts.id.clone(), CredentialId::None)
    }
}
