//! From headers and channel to a [`Caller`]: recalled without an await where the credential was seen before,
//! verified where not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderMap;
use jiff::Timestamp;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use super::{
    Caller, CredentialId, IssuerKeys, IssuerOrigin, KeyProblem, OwnCredentials, Revocations, Sources,
    Unidentified, VerifyKey, api_key,
    assertion::{self, Asserted},
    credential::{self, Shown},
    memory::{Memory, Proof},
    token::{Parts, Proven, Unproven},
};
use crate::{
    clock::Now,
    words::{Channel, Digest, Secret, Standing},
};

/// What lives across bundles: the remembered credentials and what was taken back.
#[derive(Debug)]
pub struct Identity {
    memory: Memory,
    revocations: Arc<Revocations>,
    /// Assertions dropped, by issuer's name. LIMIT: issuers that a bundle ever named.
    dropped: Mutex<BTreeMap<Arc<str>, u64>>,
}

/// What recalling came to.
#[derive(Debug)]
pub enum Recall {
    /// Seen before, or known without looking anything up.
    Known(Caller),
    /// Refused.
    Unidentified(Unidentified),
    /// Not seen before: [`Identity::verify`] it.
    Verify(Pending),
}

/// A credential that must be verified.
#[derive(Debug)]
pub struct Pending {
    sources: Arc<Sources>,
    text: Secret,
    digest: Digest,
    sort: Sort,
    standing: Standing,
}

#[derive(Clone, Copy, Debug)]
enum Sort {
    Token,
    ApiKey,
}

impl Identity {
    /// Remembers about `remembered_max` credentials.
    pub fn new(remembered_max: usize) -> Self {
        Self { memory: Memory::new(remembered_max), revocations: Arc::default(), dropped: Mutex::default() }
    }

    /// Where takings back are told.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// How many credentials are remembered.
    pub fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Assertions that issuers were not entitled to, by issuer.
    pub fn dropped(&self) -> Vec<(Arc<str>, u64)> {
        self.dropped.lock().iter().map(|(name, count)| (name.clone(), *count)).collect()
    }

    /// Who is asking: [`Identity::recall`], and where that is not enough [`Identity::verify`].
    ///
    /// # Errors
    /// Why nobody was identified; the caller learns only that.
    pub async fn identify(
        &self,
        sources: &Arc<Sources>,
        keys: (&dyn OwnCredentials, &dyn IssuerKeys),
        headers: &HeaderMap,
        channel: &Channel,
        now: Now,
    ) -> Result<Caller, Unidentified> {
        match self.recall(sources, headers, channel, now) {
            Recall::Known(caller) => Ok(caller),
            Recall::Unidentified(why) => Err(why),
            Recall::Verify(pending) => self.verify(pending, keys.0, keys.1, now).await,
        }
    }

    /// What can be said without asking anybody.
    pub fn recall(&self, sources: &Arc<Sources>, headers: &HeaderMap, channel: &Channel, now: Now) -> Recall {
        let (bytes, sort) = match credential::shown(headers) {
            Err(why) => return Recall::Unidentified(why),
            Ok(Shown::Nothing) => return self.without_credential(sources, channel, now.wall),
            Ok(Shown::Token(bytes)) => (bytes, Sort::Token),
            Ok(Shown::ApiKey(bytes)) => (bytes, Sort::ApiKey),
        };
        let digest = Digest::of(bytes);
        match self.remembered_proof(sources, &digest, now.wall) {
            Some(Ok(proof)) => Recall::Known(self.caller(proof, standing(channel))),
            Some(Err(why)) => Recall::Unidentified(why),
            None => match credential::text(bytes) {
                Err(why) => Recall::Unidentified(why),
                Ok(text) => {
                    let text = Secret::new(text.to_owned());
                    let (sources, standing) = (sources.clone(), standing(channel));
                    Recall::Verify(Pending { sources, text, digest, sort, standing })
                }
            },
        }
    }

    /// Verifies a credential that was not seen before, and remembers it.
    ///
    /// # Errors
    /// Why nobody was identified; the caller learns only that.
    pub async fn verify(
        &self,
        pending: Pending,
        own: &dyn OwnCredentials,
        outside: &dyn IssuerKeys,
        now: Now,
    ) -> Result<Caller, Unidentified> {
        // ORDER: before anything is looked up, so that what is taken back meanwhile is looked at again.
        let looked_at = AtomicU64::new(self.revocations.epoch());
        let (asserted, key, issuer) = match pending.sort {
            Sort::Token => token(&pending, self.was_issued(&pending.digest), own, outside, now).await?,
            Sort::ApiKey => (api_key(&pending, own, now).await?, None, "own".into()),
        };
        if asserted.dropped > 0 {
            *self.dropped.lock().entry(issuer).or_default() += asserted.dropped;
        }
        let facts = Arc::new(asserted.facts);
        if self.revocations.covers(&facts) {
            return Err(Unidentified::Revoked);
        }
        let until = pending.sources.until(&facts);
        if until.is_some_and(|until| now.wall >= until) {
            return Err(Unidentified::Ended);
        }
        let ends_at = facts.expires_at.into_iter().chain(until).min();
        let sources = Arc::downgrade(&pending.sources);
        let proof = Arc::new(Proof { facts, ends_at, key, sources, looked_at });
        self.memory.put(pending.digest, proof.clone());
        Ok(self.caller(proof, pending.standing))
    }

    fn without_credential(&self, sources: &Sources, channel: &Channel, now: Timestamp) -> Recall {
        let certificate = channel.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let proof = match certificate {
            Some(digest) => sources.certificate(digest).ok_or(Unidentified::UnknownCertificate),
            None => sources.anonymous.as_ref().ok_or(Unidentified::NoCredential),
        };
        match proof {
            Ok(proof) if proof.ends_at.is_some_and(|end| now >= end) => {
                Recall::Unidentified(Unidentified::Ended)
            }
            Ok(proof) => Recall::Known(self.caller(proof.clone(), standing(channel))),
            Err(why) => Recall::Unidentified(why),
        }
    }

    /// A remembered proof that still stands; none where it must be proved anew.
    fn remembered_proof(
        &self,
        sources: &Arc<Sources>,
        digest: &Digest,
        now: Timestamp,
    ) -> Option<Result<Arc<Proof>, Unidentified>> {
        let proof = self.memory.get(digest)?;
        if !std::ptr::eq(proof.sources.as_ptr(), Arc::as_ptr(sources)) {
            return None;
        }
        if proof.ends_at.is_some_and(|end| now >= end) {
            self.memory.forget(digest);
            return Some(Err(Unidentified::Expired));
        }
        if proof.key.as_ref().is_some_and(|key| key.is_gone()) {
            self.memory.forget(digest);
            return None;
        }
        let epoch = self.revocations.epoch();
        if proof.looked_at.load(Ordering::Relaxed) != epoch {
            if self.revocations.covers(&proof.facts) {
                self.memory.forget(digest);
                return Some(Err(Unidentified::Revoked));
            }
            proof.looked_at.store(epoch, Ordering::Relaxed);
        }
        Some(Ok(proof))
    }

    /// Whether this very token was found among those we issued, perhaps under an earlier bundle. Whatever took it
    /// back since is looked at apart.
    fn was_issued(&self, digest: &Digest) -> bool {
        self.memory.get(digest).is_some_and(|proof| matches!(proof.facts.credential, CredentialId::Token(_)))
    }

    fn caller(&self, proof: Arc<Proof>, standing: Standing) -> Caller {
        Caller::proven(proof, self.revocations.clone(), standing)
    }
}

/// How the certificate of a channel stands.
fn standing(channel: &Channel) -> Standing {
    channel.tls.as_ref().map(|tls| tls.standing.clone()).unwrap_or_default()
}

async fn token(
    pending: &Pending,
    was_issued: bool,
    own: &dyn OwnCredentials,
    outside: &dyn IssuerKeys,
    now: Now,
) -> Result<(Asserted, Option<Arc<VerifyKey>>, Arc<str>), Unidentified> {
    let parts = Parts::split(pending.text.expose())?;
    let unproven = Unproven::read(&parts)?;
    let issuer = pending.sources.issuer(unproven.issuer()).ok_or(Unidentified::WrongIssuer)?;
    let key = match (&issuer.origin, unproven.kid()) {
        (IssuerOrigin::Own, None) => return Err(Unidentified::UnknownKey),
        (IssuerOrigin::Own, Some(kid)) => own.key(kid, now).await.map_err(not_ours)?,
        (IssuerOrigin::File(_) | IssuerOrigin::Discovery { .. }, kid) => {
            outside.key(issuer, kid, now).await.map_err(not_theirs)?
        }
    };
    if key.is_gone() {
        return Err(Unidentified::UnknownKey);
    }
    let proven = unproven.prove(issuer, &key, now.wall)?;
    let asserted = match &issuer.origin {
        IssuerOrigin::Own => {
            let asserted = assertion::own(&proven, &pending.sources)?;
            // ORDER: last, so that nobody makes us look into the store who could not sign it.
            if !was_issued {
                issued(&proven, &asserted, &key, own).await?;
            }
            asserted
        }
        IssuerOrigin::File(_) | IssuerOrigin::Discovery { .. } => {
            assertion::outside(&proven, issuer, pending.digest, &pending.sources)?
        }
    };
    Ok((asserted, Some(key), issuer.name.clone()))
}

/// Refuses a token of our own that was not written down as it stands: a copied signing key makes none.
async fn issued(
    proven: &Proven<'_>,
    asserted: &Asserted,
    key: &VerifyKey,
    own: &dyn OwnCredentials,
) -> Result<(), Unidentified> {
    let CredentialId::Token(jti) = &asserted.facts.credential else { return Err(Unidentified::UnknownToken) };
    let record = own.token(jti).await.map_err(not_ours)?.ok_or(Unidentified::UnknownToken)?;
    assertion::as_issued(proven, &asserted.facts, key, &record)
}

async fn api_key(pending: &Pending, own: &dyn OwnCredentials, now: Now) -> Result<Asserted, Unidentified> {
    let prefix = api_key::api_key_prefix(pending.text.expose()).ok_or(Unidentified::Malformed("API key"))?;
    let record = own.api_key(prefix).await.map_err(not_ours)?.ok_or(Unidentified::UnknownApiKey)?;
    if !bool::from(record.hash.0.ct_eq(&pending.digest.0)) {
        return Err(Unidentified::UnknownApiKey);
    }
    if record.revoked {
        return Err(Unidentified::Revoked);
    }
    if record.expires_at.is_some_and(|end| now.wall >= end) {
        return Err(Unidentified::Expired);
    }
    assertion::api_key(&record, &pending.sources)
}

fn not_ours(problem: KeyProblem) -> Unidentified {
    match problem {
        KeyProblem::Unknown => Unidentified::UnknownKey,
        KeyProblem::Unavailable => Unidentified::StoreUnavailable,
    }
}

fn not_theirs(problem: KeyProblem) -> Unidentified {
    match problem {
        KeyProblem::Unknown => Unidentified::UnknownKey,
        KeyProblem::Unavailable => Unidentified::IssuerUnavailable,
    }
}
