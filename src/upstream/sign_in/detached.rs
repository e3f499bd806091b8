//! Links that a system's answers give to another place: a receipt, a download.
//!
//! One is followed only to an origin that the file lists, compared whole: scheme, host and port. What goes there is a
//! bare GET over a connection of its own kind: no sign-in, no client certificate, no field of the file, no id of the
//! request. A redirect is an answer and never followed. A link may hold what opens the place it leads to, so no part of it
//! but the origin is told.

use std::{fmt, sync::Arc};

use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, HOST, USER_AGENT},
};
use url::{Origin as Place, Url};

use crate::{body::Body, wire::Origin};

/// Longest origin that is told of.
const TOLD_BYTES_MAX: usize = 300;

/// Where links may lead.
#[derive(Default)]
pub(in crate::upstream) struct Detached(pub(super) Box<[(Place, Arc<Origin>)]>);

/// A link that was followed or not: one line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strayed {
    /// The origin it leads to.
    whither: String,
    went: Went,
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Went {
    /// Nobody was asked: the file does not list the origin.
    Unlisted,
    /// Nobody was asked: it is no address.
    NoAddress,
    /// There was no answer, or not all of it.
    Unreachable,
    /// It was answered with this status.
    Answered(u16),
}

impl Detached {
    /// The request that a link stands for, and whom it goes to; or why it goes to nobody.
    pub(in crate::upstream) fn request(
        &self,
        link: &str,
    ) -> Result<(&Arc<Origin>, Request<Body>, Strayed), Strayed> {
        let unknown = || Strayed { whither: "-".to_owned(), went: Went::NoAddress };
        let url = Url::parse(link).map_err(|_| unknown())?;
        let place = url.origin();
        let whither = place.ascii_serialization();
        let strayed = |went| match whither.len() <= TOLD_BYTES_MAX {
            true => Strayed { whither: whither.clone(), went },
            false => Strayed { went, ..unknown() },
        };
        let Some((_, origin)) = self.0.iter().find(|(known, _)| *known == place) else {
            return Err(strayed(Went::Unlisted));
        };
        // A user in a link is a credential for whoever is there: nobody's to send.
        let is_bare = url.username().is_empty() && url.password().is_none();
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let target = Uri::try_from(target).ok().filter(|_| is_bare);
        let target = target.ok_or_else(|| strayed(Went::NoAddress))?;
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(HOST, origin.authority().clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static("bramka"));
        Ok((origin, request, strayed(Went::Unreachable)))
    }
}

impl Strayed {
    /// Whether somebody answered.
    pub fn was_answered(&self) -> bool {
        matches!(self.went, Went::Answered(_))
    }

    /// With the status that it was answered with.
    pub(in crate::upstream) fn answered(self, status: u16) -> Self {
        Self { went: Went::Answered(status), ..self }
    }
}

impl fmt::Display for Strayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whither, went } = self;
        match went {
            Went::Unlisted => write!(f, "{whither} unlisted"),
            Went::NoAddress => write!(f, "{whither} no_address"),
            Went::Unreachable => write!(f, "{whither} unreachable"),
            Went::Answered(status) => write!(f, "{whither} {status}"),
        }
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, origin)| origin.peer())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Keep, Local};

    fn told(link: &str) -> Result<String, String> {
        let url = Url::parse("http://files.example.com:8080").unwrap();
        let origin = Origin::new(&url, None, None, Local::default(), Keep::default()).unwrap();
        let detached = Detached([(url.origin(), Arc::new(origin))].into());
        match detached.request(link) {
            Ok((_, request, _)) => Ok(request.uri().to_string()),
            Err(strayed) => Err(strayed.to_string()),
        }
    }

    #[test]
    fn a_link_leads_to_a_listed_origin_and_to_no_other() {
        assert_eq!(told("http://files.example.com:8080/a%20b?sig=x%2F1#part"), Ok("/a%20b?sig=x%2F1".into()));
        assert_eq!(told("HTTP://FILES.example.com:8080"), Ok("/".into()));
        for (link, why) in [
            ("https://files.example.com:8080/a", "https://files.example.com:8080 unlisted"),
            ("http://files.example.com/a?sig=s", "http://files.example.com unlisted"),
            ("http://files.example.com:8080.evil.test/a", "- no_address"),
            ("http://files.example.com.evil.test:8080/a", "http://files.example.com.evil.test:8080 unlisted"),
            ("http://files.example.com:8080@evil.test/", "http://evil.test unlisted"),
            ("http://user:word@files.example.com:8080/a", "http://files.example.com:8080 no_address"),
            ("file:///etc/passwd", "null unlisted"),
            ("/a", "- no_address"),
            ("", "- no_address"),
        ] {
            assert_eq!(told(link), Err(why.to_owned()), "{link}");
        }
        let long = format!("http://{}.test/", "a.".repeat(200));
        assert_eq!(told(&long), Err("- unlisted".to_owned()));
    }
}
