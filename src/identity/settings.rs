//! The `identity:` section of `gateway.yaml`, as written. [`super::Sources`] is what it means.

use std::path::{Path, PathBuf};

use super::principals::PrincipalKind;
use crate::{
    words::Period,
    words::yaml::{Named, Spanned},
    yaml_object, yaml_words,
};

yaml_words! {
    /// What becomes of a request without a credential.
    pub enum AnonymousMode {
        /// It is refused.
        Refuse = "refuse",
        /// It is an `Anonymous` caller, whom statements may permit something.
        Considered = "considered",
    }

    /// The sort of a token, as its `typ` says.
    pub enum TokenType {
        /// An access token by RFC 9068.
        AccessToken = "at+jwt",
        /// `JWT`: what older issuers write on everything, ID tokens included.
        Jwt = "JWT",
        /// No `typ` at all.
        Absent = "absent",
    }
}

yaml_object! {
    /// Who is believed, and what they may assert.
    pub struct Settings {
        /// The gate's own name as an issuer of tokens, exactly as it stands in their `iss`.
        pub issuer: Spanned<String>;
        /// What must stand in `aud` of our own tokens.
        pub audience: Spanned<String>;
        /// The longest life of a token of our own. Shorter is safer; API keys are for those that stay.
        pub token_ttl_max: Period = Period::secs(90 * 86_400);
        /// What becomes of a request without a credential.
        pub anonymous: AnonymousMode = AnonymousMode::Refuse;
        /// How many verified credentials are remembered; one that is forgotten costs a signature check.
        pub remembered_max: u32 = 65_536;
        /// Outside issuers by a short name; their principals are `name|sub`.
        pub issuers: Named<IssuerSettings> = Named::default();
    }

    /// One outside issuer. What is not listed here it may not assert.
    pub struct IssuerSettings {
        /// Its `iss`, exactly; also where its discovery document is, unless `jwks_file` is given.
        pub issuer: Spanned<String>;
        /// What must stand in `aud` of its tokens.
        pub audience: Spanned<String>;
        /// A JWKS file instead of discovery over HTTPS.
        pub jwks_file: Option<PathBuf> = None;
        /// Hosts other than the issuer's own from which its discovery document may send us for keys.
        pub jwks_hosts: Vec<String> = Vec::new();
        /// PEM of the CAs to trust for discovery and JWKS instead of the platform's.
        pub ca: Option<Spanned<PathBuf>> = None;
        /// The kinds of principal it vouches for.
        pub kinds: Vec<PrincipalKind>;
        /// The claim that names the kind; needed where `kinds` has several.
        pub kind_claim: Option<String> = None;
        /// The groups it may assert; others in its tokens are dropped and counted.
        pub groups: Vec<Spanned<String>> = Vec::new();
        /// The claim that lists groups.
        pub groups_claim: String = String::from("groups");
        /// The attributes it may assert, each with the claim it is read from.
        pub attributes: Named<Spanned<String>> = Named::default();
        /// The scopes it may assert; others in its tokens are dropped and counted.
        pub scopes: Vec<String> = Vec::new();
        /// Accepted `typ`s. `JWT` opens the door to ID tokens: list it only for issuers that know no better.
        pub typ: Vec<TokenType> = vec![TokenType::AccessToken];
        /// How long after `iat` a token is good, whatever its `exp` says.
        pub max_age: Period = Period::secs(86_400);
        /// How far its clock may be from ours; 30s at most.
        pub leeway: Period = Period::secs(5);
    }
}

impl Settings {
    /// Puts relative paths under `base`.
    pub fn anchor(&mut self, base: &Path) {
        for (_, issuer) in &mut self.issuers.0 {
            let files = issuer.jwks_file.iter_mut().chain(issuer.ca.iter_mut().map(|ca| &mut ca.value));
            files.for_each(|path| *path = base.join(&*path));
        }
    }
}

impl TokenType {
    /// The sort a header's `typ` names; none for sorts that are never accepted.
    pub(super) fn named(typ: &str) -> Option<Self> {
        let lead = "application/";
        let name = match typ.split_at_checked(lead.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(lead) => rest,
            Some(_) | None => typ,
        };
        if name.eq_ignore_ascii_case(Self::AccessToken.as_str()) {
            Some(Self::AccessToken)
        } else if name.eq_ignore_ascii_case(Self::Jwt.as_str()) {
            Some(Self::Jwt)
        } else {
            None
        }
    }
}
