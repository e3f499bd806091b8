//! A method and a normalised path become what is asked for.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use http::Method;

use super::{Call, Operation, RecordId, UpdateMode};
use crate::{
    schema::Schema,
    words::{CollectionName, SystemName},
};

/// Longest id of a record, in bytes after decoding.
const ID_BYTES_MAX: usize = 512;

/// What the gate serves under a bundle: collections and systems by name.
#[derive(Debug, Default)]
pub struct Catalog {
    collections: HashSet<CollectionName>,
    systems: Vec<SystemName>,
    /// Services of gRPC by their full names.
    services: HashMap<Box<str>, SystemName>,
}

/// What a path asks for.
#[derive(Debug)]
pub enum Asked {
    /// An operation: it is identified, limited, judged and recorded.
    Operation(Operation),
    /// The description of what this caller may call.
    OpenApi,
    /// The public keys our own tokens verify with.
    Jwks,
}

/// Why a path asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInCatalog {
    /// There is nothing under this path.
    #[error("no such path")]
    Path,
    /// There is, but not by this method.
    #[error("this method is not possible here")]
    Method {
        /// What `Allow` says.
        allow: &'static str,
    },
}

impl Catalog {
    /// What is served: collections, and systems that may be called as they are.
    pub fn new(
        collections: impl IntoIterator<Item = CollectionName>,
        systems: impl IntoIterator<Item = SystemName>,
    ) -> Self {
        let (collections, systems) = (collections.into_iter().collect(), systems.into_iter().collect());
        Self { collections, systems, services: HashMap::new() }
    }

    /// The same with services of gRPC, whose methods stand under `/package.Service/`.
    pub fn with_services(self, services: impl IntoIterator<Item = (Box<str>, SystemName)>) -> Self {
        Self { services: services.into_iter().collect(), ..self }
    }

    /// What `method` on `path` asks for. The path is in normal form; only ids are still percent-encoded.
    ///
    /// # Errors
    /// When nothing stands under the path, or nothing by this method.
    pub fn ask(
        &self,
        schema: &Schema,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Asked, NotInCatalog> {
        if let Some(rest) = path.strip_prefix("/v1/") {
            return self.entity(schema, method, rest).map(Asked::Operation);
        }
        if let Some(rest) = path.strip_prefix("/systems/") {
            return self.call(method, rest, query).map(Asked::Operation);
        }
        if let Some(system) = self.service(path) {
            if *method != Method::POST {
                return Err(NotInCatalog::Method { allow: "POST" });
            }
            let (system, method, query) = (system.clone(), method.clone(), query.map(CompactString::from));
            return Ok(Asked::Operation(Operation::Call(Call { system, method, path: path.into(), query })));
        }
        let document = match path {
            "/openapi.json" => Asked::OpenApi,
            "/.well-known/jwks.json" => Asked::Jwks,
            _ => return Err(NotInCatalog::Path),
        };
        match *method {
            Method::GET | Method::HEAD => Ok(document),
            _ => Err(NotInCatalog::Method { allow: "GET, HEAD" }),
        }
    }

    /// The system whose service a path names a method of.
    fn service(&self, path: &str) -> Option<&SystemName> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        self.services.get(service).filter(|_| !method.is_empty() && !method.contains('/'))
    }

    fn entity(&self, schema: &Schema, method: &Method, rest: &str) -> Result<Operation, NotInCatalog> {
        let (collection, id) = rest.split_once('/').map_or((rest, None), |(name, id)| (name, Some(id)));
        let entity = self
            .collections
            .get(collection)
            .and_then(|name| schema.collection(name.as_str()))
            .ok_or(NotInCatalog::Path)?
            .clone();
        let Some(id) = id else {
            return match *method {
                Method::GET | Method::HEAD => Ok(Operation::List(entity)),
                Method::POST => Ok(Operation::Create(entity)),
                _ => Err(NotInCatalog::Method { allow: "GET, HEAD, POST" }),
            };
        };
        let id = record_id(id).ok_or(NotInCatalog::Path)?;
        match *method {
            Method::GET | Method::HEAD => Ok(Operation::Read(entity, id)),
            Method::PATCH => Ok(Operation::Update(entity, id, UpdateMode::Merge)),
            Method::PUT => Ok(Operation::Update(entity, id, UpdateMode::Replace)),
            Method::DELETE => Ok(Operation::Delete(entity, id)),
            _ => Err(NotInCatalog::Method { allow: "GET, HEAD, PATCH, PUT, DELETE" }),
        }
    }

    fn call(&self, method: &Method, rest: &str, query: Option<&str>) -> Result<Operation, NotInCatalog> {
        let (name, path) =
            rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).ok_or(NotInCatalog::Path)?;
        let system = self.systems.iter().find(|system| system.as_str() == name).ok_or(NotInCatalog::Path)?;
        Ok(Operation::Call(Call {
            system: system.clone(),
            method: method.clone(),
            path: if path.is_empty() { "/".into() } else { path.into() },
            query: query.map(CompactString::from),
        }))
    }
}

/// An id is one path segment; decoded it is text without control characters.
fn record_id(segment: &str) -> Option<RecordId> {
    if segment.is_empty() || segment.contains('/') {
        return None;
    }
    let id = percent_encoding::percent_decode_str(segment).decode_utf8().ok()?;
    let good = id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control);
    good.then(|| RecordId(CompactString::from(id)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::{Entity, Object};

    fn catalog() -> (Catalog, Schema) {
        let entity = Entity {
            name: "Order".into(),
            collection: "orders".into(),
            description: "".into(),
            root: Object::default(),
            leaves: Vec::new(),
            contacts: Default::default(),
        };
        let hidden = Entity {
            name: "Secret".into(),
            collection: "secrets".into(),
            description: "".into(),
            root: Object::default(),
            leaves: Vec::new(),
            contacts: Default::default(),
        };
        let schema = Schema::new(vec![Arc::new(entity), Arc::new(hidden)]);
        let catalog = Catalog::new(["orders".into()], ["erp".into()]);
        (catalog.with_services([("pkg.v1.Prices".into(), "erp".into())]), schema)
    }

    fn ask(method: Method, path: &str) -> String {
        let (catalog, schema) = catalog();
        match catalog.ask(&schema, &method, path, Some("q=1")) {
            Ok(Asked::Operation(Operation::Read(_, id))) => format!("read {}", id.0),
            Ok(Asked::Operation(Operation::Call(call))) => format!("call {} {}", call.system, call.path),
            Ok(Asked::Operation(operation)) => operation.action().as_str().to_owned(),
            Ok(Asked::OpenApi) => "openapi".to_owned(),
            Ok(Asked::Jwks) => "jwks".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_method_and_a_path_name_one_operation() {
        for (method, path, expected) in [
            (Method::GET, "/v1/orders", "list"),
            (Method::POST, "/v1/orders", "create"),
            (Method::GET, "/v1/orders/a%20b", "read a b"),
            (Method::PATCH, "/v1/orders/1", "update"),
            (Method::PUT, "/v1/orders/1", "update"),
            (Method::DELETE, "/v1/orders/1", "delete"),
            (Method::POST, "/systems/erp/x/y", "call erp /x/y"),
            (Method::GET, "/systems/erp", "call erp /"),
            (Method::POST, "/pkg.v1.Prices/Quote", "call erp /pkg.v1.Prices/Quote"),
            (Method::GET, "/openapi.json", "openapi"),
        ] {
            assert_eq!(ask(method, path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_not_served_does_not_exist() {
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/secrets",
            "/v1/orders/",
            "/v1/orders/1/2",
            "/v2/orders",
            "/systems/",
            "/systems/er",
            "/systems/erpx/y",
            "/v1/orders/%00",
            "/v1/orders/%ff",
            "/V1/orders",
            "/pkg.v1.Prices",
            "/pkg.v1.Prices/",
            "/pkg.v1.Prices/a/b",
            "/pkg.v1.prices/Quote",
            "/Prices/Quote",
        ] {
            assert_eq!(ask(Method::GET, path), "no such path", "{path}");
        }
        assert_eq!(ask(Method::DELETE, "/v1/orders"), "this method is not possible here");
        assert_eq!(ask(Method::GET, "/pkg.v1.Prices/Quote"), "this method is not possible here");
        assert_eq!(ask(Method::POST, "/v1/orders/1"), "this method is not possible here");
    }
}
