//! From what a credential says to [`Facts`]: the registry first, then what its issuer may assert. What an
//! issuer may not assert is dropped and counted; what it may and says wrongly is a refusal.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use super::{
    ApiKeyRecord, CredentialId, Facts, Issuer, Sources, TokenRecord, Unidentified, VerifyKey, claims,
    principals::Principal,
    sources::ISSUER_MARK,
    token::{Proven, is_name},
};
use crate::words::{Digest, GroupName, Kind, PrincipalId};

/// Facts, and how many assertions were dropped on the way.
pub(super) struct Asserted {
    pub(super) facts: Facts,
    pub(super) dropped: u64,
}

/// What a token of our own says: a registered principal, perhaps with fewer groups.
pub(super) fn own(proven: &Proven<'_>, sources: &Sources) -> Result<Asserted, Unidentified> {
    let jti = proven.claims.text("jti")?.filter(|jti| is_name(jti)).ok_or(Unidentified::Malformed("jti"))?;
    let kind = proven.claims.text("kind")?.and_then(|kind| named_kind(&kind));
    let kind = kind.ok_or(Unidentified::Malformed("kind"))?;
    let principal = registered(sources, kind, &proven.subject)?;
    let mut facts = principal.facts(CredentialId::Token(jti.as_ref().into()));
    let mut dropped = 0;
    if let Some(groups) = proven.claims.texts("groups")? {
        dropped += narrow(&mut facts, groups.iter().map(Cow::as_ref), sources);
    }
    facts.scopes = scopes(proven, |_| true, &mut dropped)?;
    facts.issued_at = Some(proven.issued_at);
    facts.expires_at = Some(proven.ends_at);
    Ok(Asserted { facts: facts.sealed(), dropped })
}

/// Holds a token of our own against what was written down when it was issued: one that says anything else was
/// not made by us, whatever key signed it.
pub(super) fn as_issued(
    proven: &Proven<'_>,
    facts: &Facts,
    key: &VerifyKey,
    record: &TokenRecord,
) -> Result<(), Unidentified> {
    let groups = proven.claims.texts("groups")?;
    let recorded = record.groups.as_ref().map(|groups| groups.iter().map(GroupName::as_str));
    let same_groups = match (&groups, recorded) {
        (None, None) => true,
        (Some(claimed), Some(recorded)) => recorded.eq(claimed.iter().map(Cow::as_ref)),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let scope = proven.claims.text("scope")?.unwrap_or_default();
    let same_scopes =
        scope.split(' ').filter(|one| !one.is_empty()).eq(record.scopes.iter().map(|one| &**one));
    let is_same = facts.kind == record.kind
        && facts.id == record.id
        && key.kid() == Some(&*record.kid)
        && proven.issued_at == record.issued_at
        && proven.claims.moment("exp")? == Some(record.expires_at)
        && same_groups
        && same_scopes;
    if !is_same {
        return Err(Unidentified::UnknownToken);
    }
    if record.revoked { Err(Unidentified::Revoked) } else { Ok(()) }
}

/// What an API key says: a registered principal, perhaps with fewer groups.
pub(super) fn api_key(record: &ApiKeyRecord, sources: &Sources) -> Result<Asserted, Unidentified> {
    let principal = registered(sources, record.kind, record.id.as_str())?;
    let mut facts = principal.facts(CredentialId::ApiKey(record.prefix.clone()));
    let mut dropped = 0;
    if let Some(groups) = &record.groups {
        dropped += narrow(&mut facts, groups.iter().map(GroupName::as_str), sources);
    }
    facts.scopes.clone_from(&record.scopes);
    facts.issued_at = Some(record.issued_at);
    facts.expires_at = record.expires_at;
    Ok(Asserted { facts: facts.sealed(), dropped })
}

/// What an outside issuer says: `issuer|sub` with what it may assert, over what the registry says of it.
pub(super) fn outside(
    proven: &Proven<'_>,
    issuer: &Issuer,
    digest: Digest,
    sources: &Sources,
) -> Result<Asserted, Unidentified> {
    let kind = asserted_kind(proven, issuer)?;
    let id = PrincipalId::new(format!("{}{ISSUER_MARK}{}", issuer.name, proven.subject));
    let credential = CredentialId::Outside(issuer.name.clone(), digest);
    let mut facts = match sources.registry().get(kind, id.as_str()) {
        Some(principal) if principal.disabled => return Err(Unidentified::Disabled),
        Some(principal) => principal.facts(credential),
        None => Facts::bare(kind, id, credential),
    };
    let mut dropped = 0;
    if let Some(raw) = proven.claims.raw(&issuer.groups_claim).filter(|raw| *raw != "null") {
        let groups = claims::texts(raw).ok_or(Unidentified::Malformed("groups"))?;
        let (kept, rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| issuer.groups.contains(group.as_ref()));
        dropped += u64::try_from(rest.len()).unwrap_or(u64::MAX);
        facts.groups.extend(sources.registry().types().with_parents(kept.iter().map(Cow::as_ref)));
    }
    attributes(&mut facts, proven, issuer, sources)?;
    facts.scopes = scopes(proven, |scope| issuer.scopes.contains(scope), &mut dropped)?;
    facts.issued_at = Some(proven.issued_at);
    facts.expires_at = Some(proven.ends_at);
    Ok(Asserted { facts: facts.sealed(), dropped })
}

fn attributes(
    facts: &mut Facts,
    proven: &Proven<'_>,
    issuer: &Issuer,
    sources: &Sources,
) -> Result<(), Unidentified> {
    let types = sources.registry().types();
    for (name, claim) in &issuer.attributes {
        let Some(raw) = proven.claims.raw(claim).filter(|raw| *raw != "null") else { continue };
        let Some(typed) = types.attribute(name).filter(|typed| typed.kinds.contains(&facts.kind)) else {
            continue;
        };
        let value = typed.read_claim(raw).ok_or(Unidentified::BadAttribute)?;
        // The registry is ours and wins. Empty text or an empty list may go in: it counts as absent.
        facts.attributes.entry(name.clone()).or_insert(value);
    }
    if types.missing(facts.kind, &facts.attributes).next().is_some() {
        return Err(Unidentified::BadAttribute);
    }
    Ok(())
}

fn asserted_kind(proven: &Proven<'_>, issuer: &Issuer) -> Result<Kind, Unidentified> {
    let claimed = match issuer.kind_claim.as_deref().and_then(|claim| proven.claims.raw(claim)) {
        Some(raw) => Some(claims::text(raw).ok_or(Unidentified::Malformed("kind"))?),
        None => None,
    };
    match (claimed, issuer.kinds.as_slice()) {
        (Some(name), kinds) => {
            named_kind(&name).filter(|kind| kinds.contains(kind)).ok_or(Unidentified::KindNotAsserted)
        }
        (None, [only]) => Ok(*only),
        (None, _) => Err(Unidentified::KindNotAsserted),
    }
}

fn registered<'s>(sources: &'s Sources, kind: Kind, id: &str) -> Result<&'s Principal, Unidentified> {
    // Outside principals are vouched for by their issuer alone.
    if id.contains(ISSUER_MARK) {
        return Err(Unidentified::UnknownPrincipal);
    }
    match sources.registry().get(kind, id) {
        None => Err(Unidentified::UnknownPrincipal),
        Some(principal) if principal.disabled => Err(Unidentified::Disabled),
        Some(principal) => Ok(principal),
    }
}

/// Leaves only the named groups and their parents, of those the principal is in. A group it is not in (any
/// more) is dropped and counted.
fn narrow<'g>(facts: &mut Facts, groups: impl Iterator<Item = &'g str>, sources: &Sources) -> u64 {
    let member: BTreeSet<GroupName> = std::mem::take(&mut facts.groups).into_iter().collect();
    let (kept, rest): (Vec<&str>, Vec<&str>) = groups.partition(|group| member.contains(*group));
    let expanded = sources.registry().types().with_parents(kept.into_iter());
    facts.groups = expanded.into_iter().filter(|group| member.contains(group)).collect();
    u64::try_from(rest.len()).unwrap_or(u64::MAX)
}

fn scopes(
    proven: &Proven<'_>,
    allowed: impl Fn(&str) -> bool,
    dropped: &mut u64,
) -> Result<Vec<Arc<str>>, Unidentified> {
    let Some(text) = proven.claims.text("scope")? else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if kept.len() == claims::ITEMS_MAX || !is_name(scope) {
            return Err(Unidentified::Malformed("scope"));
        }
        if allowed(scope) {
            kept.push(Arc::from(scope));
        } else {
            *dropped += 1;
        }
    }
    Ok(kept)
}

fn named_kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name && *kind != Kind::Anonymous)
}
