//! Who goes by the name of a principal that holds nothing: somebody of whom all was taken back, somebody to whom
//! nothing was issued, or nobody at all, who was most likely misspelt.

use std::{path::Path, sync::Arc};

use crate::{
    admin::{Credential, Whose},
    cli::{error::VerbError, out, own},
    clock::Now,
    identity::{ISSUER_MARK, Sources, principals::Principal},
    store::{Store, StoreError},
    words::{Kind, PrincipalId, nearest},
};

/// A principal as it was named, and the bundle that may know it.
#[derive(Debug)]
pub(super) struct Named<'a> {
    kind: Kind,
    id: &'a PrincipalId,
    /// None where the policies do not load.
    sources: Option<Arc<Sources>>,
}

/// Who goes by a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Somebody with credentials, alive or taken back: so many.
    Issued(usize),
    /// Somebody of principals/ without any credential of ours.
    Listed,
    /// Somebody for whom an outside issuer vouches; what it holds is not on our lists.
    Outside,
    /// Nobody, and the name that may have been meant.
    Nobody(Option<String>),
}

impl<'a> Named<'a> {
    /// Looks for the name's bundle; says so where there is none that loads.
    pub(super) fn new((kind, id): &'a (Kind, PrincipalId), policies: &Path) -> Self {
        let sources = match own::sources(policies) {
            Ok((_, sources)) => Some(sources),
            Err(_) => {
                out::note(&format!(
                    "the policies in `{}` do not load: what principals/ says of {kind}/{id} is not known",
                    policies.display()
                ));
                None
            }
        };
        Self { kind: *kind, id, sources }
    }

    /// Who goes by it.
    pub(super) async fn holder(&self, store: &Store, now: Now) -> Result<Holder, StoreError> {
        let issued = Credential::all(store, Some((self.kind, self.id.clone())), now).await?.len();
        if issued > 0 {
            return Ok(Holder::Issued(issued));
        }
        if let Some((issuer, subject)) = self.id.as_str().split_once(ISSUER_MARK) {
            return Ok(self.outside(issuer, subject));
        }
        if self.principal().is_some() {
            return Ok(Holder::Listed);
        }
        let mut names: Vec<String> = Credential::all(store, None, now)
            .await?
            .into_iter()
            .filter_map(|credential| match credential.whose {
                Whose::Principal(kind, id) => Some(format!("{kind}/{id}")),
                Whose::Operator(_) => None,
            })
            .collect();
        if let Some(sources) = &self.sources {
            names.extend(sources.registry().iter().map(|known| format!("{}/{}", known.kind, known.id)));
        }
        let near = nearest(&self.to_string(), names.iter().map(String::as_str));
        Ok(Holder::Nobody(near.map(str::to_owned)))
    }

    /// Somebody of an outside issuer, unless the bundle knows no such issuer.
    fn outside(&self, issuer: &str, subject: &str) -> Holder {
        let Some(sources) = &self.sources else { return Holder::Outside };
        let mut names = sources.issuers().map(|known| &*known.name);
        if names.any(|known| known == issuer) {
            return Holder::Outside;
        }
        let near = nearest(issuer, sources.issuers().map(|known| &*known.name));
        Holder::Nobody(near.map(|near| format!("{}/{near}{ISSUER_MARK}{subject}", self.kind)))
    }

    /// Says what proves it all the same, whatever is taken back.
    pub(super) fn tell_certificates(&self) {
        let Some(principal) = self.principal().filter(|principal| !principal.disabled) else { return };
        let count = principal.certificates.len();
        if count > 0 {
            out::note(&format!(
                "client certificates prove {self} as well ({count}); nothing but principals/ ends those: `disabled: true`"
            ));
        }
    }

    fn principal(&self) -> Option<&Principal> {
        self.sources.as_ref()?.registry().get(self.kind, self.id.as_str())
    }

    /// What is answered to a name that is nobody's.
    pub(super) fn nobody(&self, near: Option<&str>) -> VerbError {
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        VerbError::NotThere(format!("`{self}`: nobody of that name holds anything{near}"))
    }
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}
