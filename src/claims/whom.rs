//! Everyone a bundle can let in.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    config::Snapshot,
    identity::{
        CredentialId, Facts, ISSUER_MARK, Issuer,
        principals::{Principal, PrincipalTypes},
    },
    policy::Whom,
    words::{GroupName, Kind, PrincipalId},
};

/// Everyone a bundle can let in, in the order in which they are told.
#[derive(Debug)]
pub struct Covered(Vec<Someone>);

/// A principal, or a sort of principals.
#[derive(Debug)]
pub struct Someone {
    name: String,
    partner: Option<PrincipalId>,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// With all its groups; and with fewer, as a credential may be issued.
    Known(Box<Facts>, Vec<Facts>),
    Any {
        kind: Kind,
        /// Of somebody whom a file names.
        named: Option<PrincipalId>,
        groups: BTreeSet<GroupName>,
    },
}

/// LIMIT: groups of one principal of which every selection is looked at; of one in more of them only its kind and its
/// groups are taken for known.
const GROUPS_MAX: usize = 4;

impl Covered {
    /// Everyone that the bundle names or whom its issuers may vouch for. Who is switched off is not among them.
    pub fn of(snapshot: &Snapshot) -> Self {
        let registry = snapshot.sources.registry();
        let mut issuers: Vec<&Issuer> = snapshot.sources.issuers().collect();
        issuers.sort_by(|a, b| a.name.cmp(&b.name));
        let mut all = Vec::new();
        for principal in registry.iter().filter(|principal| !principal.disabled) {
            let name = format!("{}/{}", principal.kind.as_str(), principal.id);
            let issuer = principal.id.as_str().split_once(ISSUER_MARK).map(|(issuer, _)| issuer);
            let standing = match issuer {
                // Its issuer's token adds groups and attributes to what the file says.
                Some(issuer) => {
                    let of = issuers.iter().find(|known| &*known.name == issuer);
                    let asserted = of.into_iter().flat_map(|issuer| issuer.groups());
                    let mut groups = closed(registry.types(), asserted);
                    groups.extend(principal.groups.iter().cloned());
                    Standing::Any { kind: principal.kind, named: Some(principal.id.clone()), groups }
                }
                None => known(principal, registry.types()),
            };
            all.push(Someone { name, partner: principal.partner.clone(), standing });
        }
        if snapshot.sources.considers_anonymous() {
            let standing = Standing::Known(Box::new(Facts::anonymous()), Vec::new());
            all.push(Someone { name: Kind::Anonymous.as_str().to_owned(), partner: None, standing });
        }
        for issuer in issuers {
            let groups = closed(registry.types(), issuer.groups());
            for kind in issuer.kinds() {
                let name = format!("{}/{}{ISSUER_MARK}*", kind.as_str(), issuer.name);
                let standing = Standing::Any { kind: *kind, named: None, groups: groups.clone() };
                all.push(Someone { name, partner: None, standing });
            }
        }
        Self(all)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Someone> {
        self.0.iter()
    }

    /// Only those that `keep` wants.
    #[must_use]
    pub fn only(self, keep: impl Fn(&Someone) -> bool) -> Self {
        Self(self.0.into_iter().filter(keep).collect())
    }
}

fn closed<'g>(types: &PrincipalTypes, groups: impl Iterator<Item = &'g GroupName>) -> BTreeSet<GroupName> {
    types.with_parents(groups.map(GroupName::as_str))
}

/// A principal with all its groups, and with every selection of them that a credential can be issued for.
fn known(principal: &Principal, types: &PrincipalTypes) -> Standing {
    let facts = |groups: &BTreeSet<GroupName>| {
        let mut facts = principal.facts(CredentialId::None);
        facts.groups.retain(|group| groups.contains(group));
        facts.sealed()
    };
    let all: Vec<&GroupName> = principal.groups.iter().collect();
    if all.len() > GROUPS_MAX {
        let named = Some(principal.id.clone());
        return Standing::Any { kind: principal.kind, named, groups: principal.groups.clone() };
    }
    let mut selections: BTreeSet<BTreeSet<GroupName>> = BTreeSet::new();
    for chosen in 1..(1_u32 << all.len()) {
        let picked =
            all.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0).map(|(_, group)| *group);
        selections.insert(closed(types, picked).intersection(&principal.groups).cloned().collect());
    }
    selections.remove(&principal.groups);
    Standing::Known(Box::new(facts(&principal.groups)), selections.iter().map(facts).collect())
}

impl Someone {
    /// As they are named: `Partner/acme-portal`, `Anonymous`, `User/corporate|*` for any whom an issuer vouches for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the principal of that kind and name.
    pub(super) fn is(&self, kind: Kind, id: &PrincipalId) -> bool {
        match &self.standing {
            Standing::Known(facts, _) => facts.kind == kind && facts.id == *id,
            Standing::Any { kind: other, named, .. } => *other == kind && named.as_ref() == Some(id),
        }
    }

    /// Of which kind.
    pub fn kind(&self) -> Kind {
        match &self.standing {
            Standing::Known(facts, _) => facts.kind,
            Standing::Any { kind, .. } => *kind,
        }
    }

    /// Whether it stands for anybody whom an issuer vouches for.
    pub(super) fn is_vouched_for(&self) -> bool {
        matches!(&self.standing, Standing::Any { named: None, .. })
    }

    /// The partner they belong to.
    pub fn partner(&self) -> Option<&PrincipalId> {
        self.partner.as_ref()
    }

    /// Whether they are, or can be, in a group.
    pub fn may_be_in(&self, group: &str) -> bool {
        match &self.standing {
            Standing::Known(facts, _) => facts.groups.iter().any(|one| one.as_str() == group),
            Standing::Any { groups, .. } => groups.iter().any(|one| one.as_str() == group),
        }
    }

    /// The same as far as `keep` speaks of what is known of them by a credential, and as far as they are in none of the
    /// groups that `without` names; nobody where that leaves none.
    pub(super) fn narrowed(&self, keep: &dyn Fn(&Facts) -> bool, without: &[&str]) -> Option<Self> {
        let is_without = |group: &GroupName| without.contains(&group.as_str());
        let standing = match &self.standing {
            Standing::Known(facts, narrower) => {
                let all = std::iter::once(&**facts).chain(narrower);
                let kept = all.filter(|facts| keep(facts) && !facts.groups.iter().any(is_without));
                let mut kept = kept.map(|facts| facts.with_scopes(facts.scopes.clone()));
                Standing::Known(Box::new(kept.next()?), kept.collect())
            }
            Standing::Any { kind, named, groups } => {
                let groups = groups.iter().filter(|group| !is_without(group)).cloned().collect();
                Standing::Any { kind: *kind, named: named.clone(), groups }
            }
        };
        Some(Self { name: self.name.clone(), partner: self.partner.clone(), standing })
    }

    /// Facts that one of them can come with: of a principal all there are, of somebody whom an issuer vouches for one
    /// with every group it may assert and nothing else.
    pub(super) fn examples(&self) -> Vec<Arc<Facts>> {
        match &self.standing {
            Standing::Known(facts, narrower) => std::iter::once(&**facts)
                .chain(narrower)
                .map(|facts| Arc::new(facts.with_scopes(facts.scopes.clone())))
                .collect(),
            Standing::Any { kind, groups, .. } => {
                let id = self.name.split_once('/').map_or("", |(_, id)| id);
                let id =
                    id.strip_suffix('*').map_or_else(|| id.to_owned(), |issuer| format!("{issuer}someone"));
                let mut facts = Facts::bare(*kind, PrincipalId::new(id), CredentialId::None);
                facts.groups = groups.iter().cloned().collect();
                vec![Arc::new(facts.sealed())]
            }
        }
    }

    /// As the policy is asked about them.
    pub fn whom(&self) -> Whom<'_> {
        match &self.standing {
            Standing::Known(facts, narrower) => Whom::Known(facts, narrower),
            Standing::Any { kind, named, groups } => Whom::Any(*kind, named.as_ref(), groups),
        }
    }
}
