//! From what a file says of OAuth2 to something that fetches tokens. What belongs to another grant is a mistake.

use std::sync::Arc;

use url::Url;

use super::{
    Fetched,
    build::Home,
    oauth2::{Assertion, BaseFrom, By, Grant, Tokens},
    settings::{GrantType, OAuth2, SignedClaims},
};
use crate::{
    upstream::{Settings, configure::Build},
    wire::{Keep, Origin, Trust, target},
};

impl Build<'_, '_> {
    pub(super) fn tokens(&mut self, settings: &Settings, oauth2: &OAuth2, home: Home<'_>) -> Option<Fetched> {
        let client_secret = match &oauth2.client_secret {
            Some(secret) => Some(self.secret(secret)?),
            None => None,
        };
        let by = self.by(oauth2)?;
        let ca = match &oauth2.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let place = &oauth2.token_url.place;
        let tls = self.client(&Trust { ca, certificate: None }, place)?;
        let base = match &oauth2.base_from {
            Some(from) => {
                let hosts = from.hosts.iter().map(|host| host.value.to_ascii_lowercase().into()).collect();
                Some(BaseFrom {
                    at: self.path(&from.at)?,
                    hosts,
                    scheme: home.url?.scheme().into(),
                    tls: home.tls.cloned(),
                    local: self.local(settings),
                    keep: self.keep(settings),
                    last: Default::default(),
                })
            }
            None => None,
        };
        let issuer = Url::parse(&oauth2.token_url.value).map_err(|error| error.to_string()).and_then(|url| {
            let local = self.local(settings);
            let origin = Origin::new(&url, Some(&tls), None, local, Keep::default())
                .map_err(|error| error.to_string())?;
            Ok((origin, target(&url).map_err(|error| error.to_string())?))
        });
        let (origin, target) = match issuer {
            Ok(issuer) => issuer,
            Err(error) => {
                self.found.error(place, error);
                return None;
            }
        };
        let grant = Grant {
            client_id: &oauth2.client_id.value,
            client_secret: client_secret.as_ref(),
            by,
            scope: oauth2.scope.as_deref(),
            audience: oauth2.audience.as_deref(),
            authenticate: oauth2.authenticate,
            lifetime: oauth2.lifetime.map(|period| period.0),
            base,
        };
        Some(Fetched::Tokens(Box::new(Tokens::new(Arc::new(origin), target, grant)?)))
    }

    /// By whose right; what belongs to another grant is a mistake.
    fn by(&mut self, oauth2: &OAuth2) -> Option<By> {
        let place = &oauth2.token_url.place;
        let grant = oauth2.grant;
        let given = [
            (GrantType::Password, "user", oauth2.user.is_some()),
            (GrantType::RefreshToken, "refresh_token", oauth2.refresh_token.is_some()),
            (GrantType::JwtBearer, "assertion", oauth2.assertion.is_some()),
            (GrantType::ClientCredentials, "client_secret", oauth2.client_secret.is_some()),
        ];
        let mut fits = true;
        for (of, key, there) in given {
            let is_wanted = of == grant;
            // A client may show its secret with every grant.
            let is_stray = there && !is_wanted && key != "client_secret";
            if is_wanted && !there {
                self.found.error(place, format!("`grant: {}` needs `{key}`", grant.as_str()));
            } else if is_stray {
                self.found.error(place, format!("`{key}` goes with `grant: {}`", of.as_str()));
            }
            fits &= !(is_stray || is_wanted && !there);
        }
        if !fits {
            return None;
        }
        Some(match (&oauth2.user, &oauth2.refresh_token, &oauth2.assertion) {
            (Some(user), ..) => {
                By::Password { user: user.user.value.clone(), password: self.secret(&user.password)? }
            }
            (_, Some(token), _) => By::Refresh(parking_lot::Mutex::new(self.secret(token)?)),
            (.., Some(claims)) => By::Assertion(Box::new(self.assertion(oauth2, claims)?)),
            (None, None, None) => By::Client,
        })
    }

    fn assertion(&mut self, oauth2: &OAuth2, claims: &SignedClaims) -> Option<Assertion> {
        use jsonwebtoken::{Algorithm, EncodingKey};
        let secret = self.secret(&claims.key)?;
        let pem = secret.expose().as_bytes();
        let rsa = EncodingKey::from_rsa_pem(pem).map(|key| (key, Algorithm::RS256));
        let key = rsa.or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)));
        let (key, algorithm) =
            self.told(key.ok(), &claims.key, "expected PEM of an RSA or P-256 key (PKCS#8)")?;
        let audience = claims.audience.as_ref().or(oauth2.audience.as_ref());
        Some(Assertion {
            key,
            algorithm,
            key_id: claims.key_id.clone(),
            issuer: oauth2.client_id.value.clone(),
            subject: claims.subject.clone().unwrap_or_else(|| oauth2.client_id.value.clone()),
            audience: audience.unwrap_or(&oauth2.token_url.value).clone(),
            scope: oauth2.scope.clone(),
        })
    }
}
