//! Whom one bundle believes: its own issuer, outside issuers and what they may assert, the registry of
//! principals. Immutable; a reload makes another.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::{
    AnonymousMode, CredentialId, Facts, IssuerSettings, PrincipalRegistry, Settings, TokenType, memory::Proof,
};
use crate::words::{
    Diagnostic, Diagnostics, Digest, GroupName, Kind, Period,
    yaml::{Named, Spanned},
};

/// Furthest that an issuer's clock may be from ours.
pub(super) const LEEWAY_MAX: Period = Period::secs(30);
/// Between an issuer's name and its subject in a principal's id.
pub const ISSUER_MARK: char = '|';

/// Whom to believe.
#[derive(Debug)]
pub struct Sources {
    pub(super) own: Option<Issuer>,
    issuers: HashMap<Arc<str>, Issuer>,
    registry: PrincipalRegistry,
    /// None where a request without a credential is refused.
    pub(super) anonymous: Option<Arc<Proof>>,
    certificates: HashMap<Digest, Arc<Proof>>,
    token_ttl_max: SignedDuration,
}

/// An issuer of tokens and what it may assert.
#[derive(Debug)]
pub struct Issuer {
    /// Its short name in `gateway.yaml`; `own` for ours.
    pub name: Arc<str>,
    /// Its `iss`, exactly.
    pub url: Arc<str>,
    /// Where its keys come from.
    pub origin: IssuerOrigin,
    pub(super) audience: Arc<str>,
    pub(super) token_types: Vec<TokenType>,
    pub(super) age_max: SignedDuration,
    pub(super) leeway: SignedDuration,
    pub(super) kinds: Vec<Kind>,
    pub(super) kind_claim: Option<Arc<str>>,
    pub(super) groups: BTreeSet<GroupName>,
    pub(super) groups_claim: Arc<str>,
    /// Attribute and the claim it is read from.
    pub(super) attributes: Vec<(Arc<str>, Arc<str>)>,
    pub(super) scopes: BTreeSet<Arc<str>>,
}

impl Issuer {
    /// The kinds of principal it vouches for.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The groups it may assert.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.iter()
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerOrigin {
    /// Our own signing keys.
    Own,
    /// A JWKS file.
    File(PathBuf),
    /// OIDC discovery under the issuer's URL; keys from its own host or one of these.
    Discovery {
        /// Hosts other than the issuer's.
        hosts: Vec<String>,
        /// PEM of the CAs to trust instead of the platform's.
        ca: Option<PathBuf>,
    },
}

impl Sources {
    /// Believes nobody.
    pub fn closed() -> Arc<Self> {
        Arc::new(Self {
            own: None,
            issuers: HashMap::new(),
            registry: PrincipalRegistry::default(),
            anonymous: None,
            certificates: HashMap::new(),
            token_ttl_max: SignedDuration::ZERO,
        })
    }

    /// Joins settings and registry; what does not fit together goes into `found`.
    pub fn assemble(
        settings: &Settings,
        registry: PrincipalRegistry,
        found: &mut Diagnostics,
    ) -> Option<Arc<Self>> {
        let before = found.0.len();
        let own = own(settings, found);
        let mut issuers: HashMap<Arc<str>, Issuer> = HashMap::new();
        for (name, one) in settings.issuers.iter() {
            let Some(issuer) = outside(name, one, &registry, found) else { continue };
            if issuer.url == own.url || issuers.contains_key(&issuer.url) {
                found.error(&one.issuer.place, format!("issuer `{}` stands twice", issuer.url));
            }
            issuers.insert(issuer.url.clone(), issuer);
        }
        check_outside_principals(&registry, &settings.issuers, found);
        if found.0.iter().skip(before).any(|d| d.severity == crate::words::Severity::Error) {
            return None;
        }
        let certificates = registry
            .certificates()
            .map(|(digest, principal)| {
                let facts = principal.facts(CredentialId::Certificate(digest)).sealed();
                (digest, Arc::new(Proof { ends_at: principal.until, ..Proof::standing(facts) }))
            })
            .collect();
        let anonymous = match settings.anonymous {
            AnonymousMode::Refuse => None,
            AnonymousMode::Considered => Some(Arc::new(Proof::standing(Facts::anonymous()))),
        };
        let token_ttl_max = signed(settings.token_ttl_max);
        Some(Arc::new(Self { own: Some(own), issuers, registry, anonymous, certificates, token_ttl_max }))
    }

    /// The principals this bundle knows.
    pub fn registry(&self) -> &PrincipalRegistry {
        &self.registry
    }

    /// Outside issuers, in no order.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.values()
    }

    /// Whether a request without a credential is considered.
    pub fn considers_anonymous(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Our own name and audience as an issuer.
    pub fn own_names(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.own.as_ref().map(|own| (&own.url, &own.audience))
    }

    /// The longest life of a token of our own.
    pub fn token_ttl_max(&self) -> SignedDuration {
        self.token_ttl_max
    }

    /// The issuer of exactly this `iss`.
    pub(super) fn issuer(&self, url: &str) -> Option<&Issuer> {
        match &self.own {
            Some(own) if *own.url == *url => Some(own),
            Some(_) | None => self.issuers.get(url),
        }
    }

    /// The principal pinned to a client certificate.
    pub(super) fn certificate(&self, digest: &Digest) -> Option<&Arc<Proof>> {
        self.certificates.get(digest)
    }

    /// When the time of whoever these facts are about is over, if ever.
    pub(super) fn until(&self, facts: &Facts) -> Option<Timestamp> {
        self.registry.get(facts.kind, facts.id.as_str())?.until
    }

    /// Whether a caller proved under an earlier bundle is still somebody under this one.
    pub(super) fn admits(&self, facts: &Facts, now: Timestamp) -> bool {
        let registered = self.registry.get(facts.kind, facts.id.as_str());
        let is_on =
            |principal: &super::principals::Principal| !principal.disabled && !principal.has_ended(now);
        let enabled = registered.is_some_and(is_on);
        match &facts.credential {
            CredentialId::None => self.anonymous.is_some(),
            CredentialId::Token(_) | CredentialId::ApiKey(_) => enabled,
            CredentialId::Certificate(digest) => self.certificates.contains_key(digest) && enabled,
            CredentialId::Outside(name, _) => {
                self.issuers.values().any(|issuer| issuer.name == *name) && registered.is_none_or(is_on)
            }
        }
    }
}

fn own(settings: &Settings, found: &mut Diagnostics) -> Issuer {
    for named in [&settings.issuer, &settings.audience] {
        if !super::token::is_name(&named.value) {
            found.error(&named.place, "expected a name of 1 to 255 printable characters");
        }
    }
    check_no_user(&settings.issuer, found);
    Issuer {
        name: "own".into(),
        url: settings.issuer.value.as_str().into(),
        origin: IssuerOrigin::Own,
        audience: settings.audience.value.as_str().into(),
        token_types: vec![TokenType::AccessToken],
        age_max: signed(settings.token_ttl_max),
        // One clock wrote and reads them.
        leeway: SignedDuration::ZERO,
        kinds: vec![Kind::App, Kind::Partner, Kind::User],
        kind_claim: None,
        groups: BTreeSet::new(),
        groups_claim: "groups".into(),
        attributes: Vec::new(),
        scopes: BTreeSet::new(),
    }
}

fn outside(
    name: &Spanned<String>,
    settings: &IssuerSettings,
    registry: &PrincipalRegistry,
    found: &mut Diagnostics,
) -> Option<Issuer> {
    let simple = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if name.value == "own" || name.value.is_empty() || !name.value.chars().all(simple) {
        found.error(
            &name.place,
            format!("`{}` cannot name an issuer; use letters, digits, `-`, `_`, `.`", name.value),
        );
    }
    if !super::token::is_name(&settings.audience.value) {
        found.error(&settings.audience.place, "expected an audience of 1 to 255 printable characters");
    }
    if settings.leeway > LEEWAY_MAX {
        found.error(&settings.issuer.place, format!("leeway is at most {LEEWAY_MAX}"));
    }
    if settings.kinds.is_empty() || settings.typ.is_empty() {
        found.error(
            &name.place,
            format!("issuer `{}` lists no kinds or no typ, so no token fits", name.value),
        );
    }
    if settings.kinds.len() > 1 && settings.kind_claim.is_none() {
        found.error(&name.place, "an issuer of several kinds needs `kind_claim`");
    }
    for group in &settings.groups {
        registry.types().check_group(group, found);
    }
    let kinds: Vec<Kind> = settings.kinds.iter().map(|kind| kind.kind()).collect();
    for (attribute, _) in settings.attributes.iter() {
        registry.types().check_attribute(attribute, &kinds, found);
    }
    check_no_user(&settings.issuer, found)?;
    let origin = origin(settings, found)?;
    Some(Issuer {
        name: name.value.as_str().into(),
        url: settings.issuer.value.as_str().into(),
        origin,
        audience: settings.audience.value.as_str().into(),
        token_types: settings.typ.clone(),
        age_max: signed(settings.max_age),
        leeway: signed(settings.leeway),
        kinds,
        kind_claim: settings.kind_claim.as_deref().map(Arc::from),
        groups: settings.groups.iter().map(|group| GroupName::new(group.value.as_str())).collect(),
        groups_claim: settings.groups_claim.as_str().into(),
        attributes: settings
            .attributes
            .iter()
            .map(|(name, claim)| (Arc::from(name.value.as_str()), Arc::from(claim.value.as_str())))
            .collect(),
        scopes: settings.scopes.iter().map(|scope| Arc::from(scope.as_str())).collect(),
    })
}

fn origin(settings: &IssuerSettings, found: &mut Diagnostics) -> Option<IssuerOrigin> {
    if let Some(path) = &settings.jwks_file {
        if !super::token::is_name(&settings.issuer.value) {
            found.error(&settings.issuer.place, "expected an issuer of 1 to 255 printable characters");
        }
        if let Some(ca) = &settings.ca {
            found.error(&ca.place, "`ca` means nothing beside `jwks_file`: nobody is called");
        }
        return Some(IssuerOrigin::File(path.clone()));
    }
    match Url::parse(&settings.issuer.value) {
        Ok(url) if url.scheme() == "https" && url.query().is_none() && url.fragment().is_none() => {
            let ca = settings.ca.as_ref().map(|ca| ca.value.clone());
            Some(IssuerOrigin::Discovery { hosts: settings.jwks_hosts.clone(), ca })
        }
        Ok(_) | Err(_) => {
            found.push(
                Diagnostic::error(
                    &settings.issuer.place,
                    format!("expected an https URL, found `{}`", settings.issuer.value),
                )
                .help("keys come over HTTPS only; give `jwks_file` where there is no such place"),
            );
            None
        }
    }
}

/// An issuer's name stands in logs, answers and requests; a user and a password in it would stand there too.
fn check_no_user(issuer: &Spanned<String>, found: &mut Diagnostics) -> Option<()> {
    let text = issuer.value.as_str();
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '\\', '?', '#']).next());
    let read = Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
    // Also where the text is no URL: what would be told of it next holds the text.
    if !read && !authority.is_some_and(|authority| authority.contains('@')) {
        return Some(());
    }
    found.push(
        Diagnostic::error(&issuer.place, "a user or password does not stand in an issuer's URL")
            .help("leave out what stands before `@`; keys are fetched without signing in"),
    );
    None
}

/// A principal `issuer|sub` belongs to an issuer that is configured.
fn check_outside_principals(
    registry: &PrincipalRegistry,
    issuers: &Named<IssuerSettings>,
    found: &mut Diagnostics,
) {
    for principal in registry.iter() {
        let Some((issuer, _)) = principal.id.as_str().split_once(ISSUER_MARK) else { continue };
        if issuers.get(issuer).is_none() {
            found.push(
                Diagnostic::error(&principal.place, format!("`{issuer}` is not an issuer of gateway.yaml"))
                    .suggest(issuer, issuers.iter().map(|(name, _)| name.value.as_str())),
            );
        }
    }
}

pub(super) fn signed(period: Period) -> SignedDuration {
    SignedDuration::try_from(period.0).unwrap_or(SignedDuration::MAX)
}
