//! A stand-in for an ERP that answers as the Dynamics 365 Business Central API v2.0 does (OData v4).
//!
//! Entity sets `items`, `customers` with what they owe, `paymentTerms`, `locations`, `salesOrders`, `salesInvoices` and
//! `salesShipments` with their lines, under one company. Lists page by `@odata.nextLink`; a change needs `If-Match`, and a stale one is a 409; a client
//! signs in by OAuth2 client credentials. Properties and query options it does not know are refused.

mod books;
mod sets;
mod writes;

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::json;

pub(super) use books::Books;
pub(super) use sets::Set;

use super::standin::{self, Answers, Ask};

/// The company every entity set stands under.
pub const COMPANY: &str = "824820a2-508c-ed11-aada-000d3a298ab3";
/// Where its entity sets begin.
pub const ROOT: &str = "/v2.0/production/api/v2.0/companies(824820a2-508c-ed11-aada-000d3a298ab3)";
/// Where a client gets its token.
pub const TOKEN_PATH: &str = "/oauth2/v2.0/token";

/// The stand-in.
#[derive(Debug)]
pub struct Erp {
    client_id: String,
    client_secret: String,
    token: String,
    books: Mutex<Books>,
}

/// The token a client gets for its secret.
pub fn token(client_id: &str, client_secret: &str) -> String {
    BASE64.encode(format!("{client_id}:{client_secret}:access").as_bytes())
}

/// A refusal in the system's own words.
struct Refusal(StatusCode, &'static str, String);

type Answered = Result<Response<Bytes>, Refusal>;

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "BadRequest", message.into())
}

fn not_found() -> Refusal {
    Refusal(
        StatusCode::NOT_FOUND,
        "BadRequest_ResourceNotFound",
        "Resource not found for the segment requested.".into(),
    )
}

impl Erp {
    /// An ERP that knows one client and holds what `fill` puts into it.
    pub(super) fn new(client_id: &str, client_secret: &str, fill: impl FnOnce(&mut Books)) -> Arc<Self> {
        let mut books = Books { clock: 1_767_225_600_000, ..Books::default() };
        fill(&mut books);
        let token = token(client_id, client_secret);
        Arc::new(Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            token,
            books: Mutex::new(books),
        })
    }

    fn route(&self, ask: &Ask) -> Answered {
        if ask.path == TOKEN_PATH && ask.method == Method::POST {
            return self.sign_in(ask);
        }
        if ask.header("authorization") != Some(&format!("Bearer {}", self.token)) {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                "Authentication_InvalidCredentials",
                "The server has rejected the client credentials.".into(),
            ));
        }
        let path = standin::decode(&ask.path);
        let path = path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(not_found)?;
        let mut books = self.books.lock();
        match Target::read(path).ok_or_else(not_found)? {
            Target::Set(set) if ask.method == Method::GET => books.list(set, None, ask),
            Target::Set(set) if ask.method == Method::POST => books.create(set, None, ask),
            Target::One(set, id) if ask.method == Method::GET => books.read(set, id, ask),
            Target::One(set, id) if ask.method == Method::PATCH => books.update(set, id, ask),
            Target::One(set, id) if ask.method == Method::DELETE => books.delete(set, id, ask),
            Target::Lines(set, id) if ask.method == Method::GET => books.list(set, Some(id), ask),
            Target::Lines(set, id) if ask.method == Method::POST => books.create(set, Some(id), ask),
            Target::Set(_) | Target::One(..) | Target::Lines(..) => Err(Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "BadRequest_MethodNotAllowed",
                format!("'{}' requests are not allowed here.", ask.method),
            )),
        }
    }

    fn sign_in(&self, ask: &Ask) -> Answered {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
        let good = has("grant_type", "client_credentials")
            && has("client_id", &self.client_id)
            && has("client_secret", &self.client_secret);
        if !good {
            let body = json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided." });
            return Ok(standin::json(StatusCode::UNAUTHORIZED, &body));
        }
        let body = json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": self.token });
        Ok(standin::json(StatusCode::OK, &body))
    }
}

impl Answers for Erp {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        self.route(ask).unwrap_or_else(|Refusal(status, code, message)| {
            let text = format!("{message}  CorrelationId:  7e5c4ff1-5b3c-4a2f-9d51-0c4a6b0f5f21.");
            standin::json(status, &json!({ "error": { "code": code, "message": text } }))
        })
    }
}

/// What a path names.
enum Target<'a> {
    Set(Set),
    One(Set, &'a str),
    Lines(Set, &'a str),
}

impl<'a> Target<'a> {
    fn read(path: &'a str) -> Option<Self> {
        let (first, second) =
            path.split_once('/').map_or((path, None), |(first, second)| (first, Some(second)));
        let (name, id) = match first.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
            None => (first, None),
        };
        let set = Set::ALL.into_iter().find(|set| set.name() == name)?;
        match (id, second) {
            (None, None) => Some(Self::Set(set)),
            (Some(id), None) => Some(Self::One(set, id)),
            (Some(id), Some(lines)) => {
                set.lines().filter(|set| set.name() == lines).map(|set| Self::Lines(set, id))
            }
            (None, Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::Value;

    use super::*;
    use crate::demo::seed;

    struct Client(Arc<Erp>);

    impl Client {
        fn ask(
            &self,
            method: Method,
            target: &str,
            headers: &[(&'static str, &str)],
            body: &str,
        ) -> (u16, Value) {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut all = HeaderMap::new();
            all.insert("authorization", format!("Bearer {}", self.0.token).parse().unwrap());
            all.insert("host", "erp.test".parse().unwrap());
            for (name, value) in headers {
                all.insert(*name, value.parse().unwrap());
            }
            let path = if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}/{path}") };
            let ask =
                Ask { method, path, query: query.to_owned(), headers: all, body: body.to_owned().into() };
            let answer = self.0.answer(&ask);
            (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
        }

        fn get(&self, target: &str) -> (u16, Value) {
            self.ask(Method::GET, target, &[], "")
        }
    }

    fn erp() -> Client {
        Client(seed::erp("gate", "s3cret"))
    }

    #[test]
    fn lists_page_to_their_end_by_next_links() {
        let erp = erp();
        let mut target = "salesOrders?$filter=customerNumber%20eq%20'20000'&$select=number".to_owned();
        let mut seen = 0;
        loop {
            let (status, body) = erp.get(&target);
            assert_eq!(status, 200, "{body}");
            seen += body["value"].as_array().unwrap().len();
            match body["@odata.nextLink"].as_str() {
                Some(link) => target = link.strip_prefix("http://erp.test").unwrap().to_owned(),
                None => break,
            }
        }
        assert!(seen >= seed::ORDERS / 5, "{seen}");
        assert_eq!(erp.get("salesOrders?$count=true").1["@odata.count"], seed::ORDERS);
    }

    #[test]
    fn a_change_needs_the_version_it_is_about() {
        let erp = erp();
        let order = erp.get("salesOrders?$top=1").1["value"][0].clone();
        let one = format!("salesOrders({})", order["id"].as_str().unwrap());
        let body = r#"{"externalDocumentNumber":"PO-1"}"#;
        assert_eq!(erp.ask(Method::PATCH, &one, &[], body).0, 400);
        assert_eq!(erp.ask(Method::PATCH, &one, &[("if-match", "W/\"x\"")], body).0, 409);
        let etag = order["@odata.etag"].as_str().unwrap();
        let (status, changed) = erp.ask(Method::PATCH, &one, &[("if-match", etag)], body);
        assert_eq!((status, changed["externalDocumentNumber"].as_str()), (200, Some("PO-1")));
        assert_ne!(changed["@odata.etag"], order["@odata.etag"]);
    }

    #[test]
    fn an_order_is_created_with_its_lines_and_summed() {
        let erp = erp();
        let body = r#"{"customerNumber":"20000","salesOrderLines":[{"lineType":"Item","lineObjectNumber":"1001","quantity":2,"unitPrice":10.5,"taxPercent":23}]}"#;
        let (status, order) = erp.ask(Method::POST, "salesOrders", &[], body);
        assert_eq!(status, 201, "{order}");
        assert_eq!(order["totalAmountExcludingTax"], 21.0);
        assert_eq!(order["totalTaxAmount"], 4.83);
        assert_eq!(order["salesOrderLines"][0]["sequence"], 10_000);
        let unknown = body.replace("1001", "nothing");
        let before = erp.get("salesOrders?$count=true").1["@odata.count"].clone();
        assert_eq!(erp.ask(Method::POST, "salesOrders", &[], &unknown).0, 400);
        assert_eq!(erp.get("salesOrders?$count=true").1["@odata.count"], before);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        let erp = erp();
        for target in
            ["salesOrders?$filter=nope%20eq%201", "salesOrders?$apply=x", "salesOrders?$expand=customer"]
        {
            assert_eq!(erp.get(target).0, 400, "{target}");
        }
        assert_eq!(erp.get("nothing").0, 404);
        assert_eq!(erp.ask(Method::POST, "items", &[], r#"{"displayName":"x","colour":"red"}"#).0, 400);
        assert_eq!(erp.ask(Method::GET, "items", &[("authorization", "Bearer x")], "").0, 401);
        let form = "grant_type=client_credentials&client_id=gate&client_secret=s3cret";
        assert_eq!(erp.ask(Method::POST, TOKEN_PATH, &[], form).1["access_token"], erp.0.token);
        assert_eq!(erp.ask(Method::POST, TOKEN_PATH, &[], "grant_type=client_credentials").0, 401);
    }
}
