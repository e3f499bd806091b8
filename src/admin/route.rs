//! Which act a path and a method ask for, and what it needs.

use http::Method;

use super::fault::Fault;
use crate::store::AdminRole;

/// What may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Whether the process lives.
    Health,
    /// Whether it should be sent requests.
    Ready,
    /// Metrics.
    Metrics,
    /// The bundle in force.
    Bundle,
    /// The systems.
    Systems,
    /// The sinks of the journal.
    Sinks,
    /// What was issued.
    Tokens,
    /// Issue.
    Issue,
    /// Take back.
    Revoke(String),
    /// The end of the journal.
    Tail,
    /// Explain a request that is described.
    Explain,
    /// Explain a request that was made.
    Explained(String),
    /// Load the bundle again.
    Reload,
}

/// Who may ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Whoever reaches the listener.
    Nothing,
    /// A token of any role.
    Token,
    /// A token of this role.
    Role(AdminRole),
}

impl Act {
    /// What is asked for.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, Fault> {
        let only = |allow: &'static str, act: Self| match is_in(method, allow) {
            true => Ok(act),
            false => Err(Fault::NoSuchMethod(allow)),
        };
        match path {
            "/healthz" => only("GET, HEAD", Self::Health),
            "/readyz" => only("GET, HEAD", Self::Ready),
            "/metrics" => only("GET, HEAD", Self::Metrics),
            "/api/bundle" => only("GET, HEAD", Self::Bundle),
            "/api/systems" => only("GET, HEAD", Self::Systems),
            "/api/sinks" => only("GET, HEAD", Self::Sinks),
            "/api/tokens" if *method == Method::POST => Ok(Self::Issue),
            "/api/tokens" => only("GET, HEAD, POST", Self::Tokens),
            "/api/audit/tail" => only("GET, HEAD", Self::Tail),
            "/api/explain" => only("POST", Self::Explain),
            "/api/reload" => only("POST", Self::Reload),
            other if let Some(id) = other.strip_prefix("/api/explain/") => match is_request(id) {
                true => only("GET, HEAD", Self::Explained(id.to_owned())),
                false => Err(Fault::NoSuchPath),
            },
            other => match other.strip_prefix("/api/tokens/") {
                Some(name) if !name.is_empty() && !name.contains('/') => {
                    only("DELETE", Self::Revoke(name.to_owned()))
                }
                Some(_) | None => Err(Fault::NoSuchPath),
            },
        }
    }

    /// Its name, where no part of it is anybody's own.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Self::Health => "healthz",
            Self::Ready => "readyz",
            Self::Metrics => "metrics",
            Self::Bundle => "bundle",
            Self::Systems => "systems",
            Self::Sinks => "sinks",
            Self::Tokens => "tokens",
            Self::Issue => "issue",
            Self::Revoke(_) => "revoke",
            Self::Tail => "audit-tail",
            Self::Explain => "explain",
            Self::Explained(_) => "explained",
            Self::Reload => "reload",
        }
    }

    /// Who may.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Health | Self::Ready => Needs::Nothing,
            Self::Metrics | Self::Bundle | Self::Systems | Self::Sinks => Needs::Token,
            Self::Tokens | Self::Issue | Self::Revoke(_) => Needs::Role(AdminRole::Issue),
            Self::Tail | Self::Explain | Self::Explained(_) => Needs::Role(AdminRole::Audit),
            Self::Reload => Needs::Role(AdminRole::Operate),
        }
    }
}

fn is_in(method: &Method, allow: &str) -> bool {
    allow.split(", ").any(|name| name == method.as_str())
}

/// Whether this is an id as answers give it: 16 bytes in small hexadecimal.
fn is_request(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_needs_what_its_act_needs() {
        let needs = |method: Method, path: &str| Act::of(&method, path).map(|act| act.needs()).ok();
        let role = |role| Some(Needs::Role(role));
        for path in ["/healthz", "/readyz"] {
            assert_eq!(needs(Method::GET, path), Some(Needs::Nothing), "{path}");
        }
        for path in ["/metrics", "/api/bundle", "/api/systems", "/api/sinks"] {
            assert_eq!(needs(Method::GET, path), Some(Needs::Token), "{path}");
        }
        assert_eq!(needs(Method::GET, "/api/tokens"), role(AdminRole::Issue));
        assert_eq!(needs(Method::POST, "/api/tokens"), role(AdminRole::Issue));
        assert_eq!(needs(Method::DELETE, "/api/tokens/abc"), role(AdminRole::Issue));
        assert_eq!(needs(Method::GET, "/api/audit/tail"), role(AdminRole::Audit));
        assert_eq!(needs(Method::POST, "/api/explain"), role(AdminRole::Audit));
        let made = format!("/api/explain/{}", "0a".repeat(16));
        assert_eq!(needs(Method::GET, &made), role(AdminRole::Audit));
        assert_eq!(needs(Method::POST, "/api/reload"), role(AdminRole::Operate));
    }

    #[test]
    fn other_paths_and_methods_are_not_there() {
        for path in [
            "/",
            "/api",
            "/api/",
            "/api/tokens/",
            "/api/tokens/a/b",
            "/healthz/",
            "/Metrics",
            "/v1/orders",
            "/api/explain/",
            "/api/explain/0A",
            "/api/explain/../reload",
        ] {
            assert!(matches!(Act::of(&Method::GET, path), Err(Fault::NoSuchPath)), "{path}");
        }
        for (method, path) in
            [(Method::POST, "/metrics"), (Method::GET, "/api/reload"), (Method::PUT, "/api/tokens")]
        {
            assert!(matches!(Act::of(&method, path), Err(Fault::NoSuchMethod(_))), "{method} {path}");
        }
    }
}
