//! That the stand-ins are as strict as the systems they play: what those would not understand is refused in their own
//! words, so that a mapping which asks for it fails here.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response};
use serde_json::{Value, json};

use crate::{dataverse, ground::encoded, salesforce};

/// A client of a stand-in.
struct Client {
    system: Arc<dyn Answers>,
    authorization: String,
}

impl Client {
    fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> (u16, Value) {
        let answer = self.answer(method, target, headers, body);
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    fn answer(
        &self,
        method: Method,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Response<Bytes> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut all = HeaderMap::new();
        all.insert("host", "crm.test".parse().unwrap());
        all.insert("authorization", self.authorization.parse().unwrap());
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let body = match body {
            Value::Null => Bytes::new(),
            Value::String(form) => form.clone().into(),
            body => body.to_string().into(),
        };
        self.system.answer(&Ask {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: all,
            body,
        })
    }

    fn get(&self, target: &str) -> (u16, Value) {
        self.ask(Method::GET, target, &[], &Value::Null)
    }
}

/// A client with a token that it got for its secret.
fn signed_in(system: Arc<dyn Answers>, token_path: &str, form: String) -> Client {
    let mut client = Client { system, authorization: "none".into() };
    let wrong = form.replace("client_secret=", "client_secret=x");
    assert_eq!(client.ask(Method::POST, token_path, &[], &wrong.into()).1["error"], "invalid_client");
    let (status, body) = client.ask(Method::POST, token_path, &[], &form.into());
    assert_eq!(status, 200, "{body}");
    client.authorization = format!("Bearer {}", body["access_token"].as_str().unwrap());
    client
}

fn salesforce_client() -> Client {
    let (id, secret) = salesforce::CLIENT;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    signed_in(salesforce::salesforce(&salesforce::ACCOUNT), "/services/oauth2/token", form)
}

fn dataverse_client() -> Client {
    let (id, secret) = dataverse::CLIENT;
    let scope = encoded("https://example.crm4.dynamics.com/.default");
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}");
    signed_in(dataverse::dataverse(&dataverse::ACCOUNT), "/tenant/oauth2/v2.0/token", form)
}

fn soql(client: &Client, text: &str) -> (u16, Value) {
    client.get(&format!("{}/query?q={}", salesforce::ROOT, encoded(text)))
}

#[test]
fn soql_is_parsed_and_means_what_it_says() {
    let client = salesforce_client();
    let names = |text: &str| -> Vec<String> {
        let (status, body) = soql(&client, text);
        assert_eq!(status, 200, "{text}: {body}");
        body["records"].as_array().unwrap().iter().map(|r| r["Name"].as_str().unwrap().to_owned()).collect()
    };
    let select = "SELECT Id, Name FROM Account WHERE";
    assert_eq!(names(&format!("{select} Name = 'o\\'brien & sons 1'")), ["O'Brien & Sons 1"]);
    assert_eq!(names(&format!("{select} Name IN ('Back\\\\slash GmbH 3', 'x')")), ["Back\\slash GmbH 3"]);
    assert_eq!(names(&format!("{select} Name LIKE '100\\% %a 4'")), ["100% Bawełna 4"]);
    assert_eq!(names(&format!("{select} Name LIKE 'snake\\_case s.r.o. _'")), ["snake_case s.r.o. 5"]);
    assert_eq!(
        names(&format!("{select} (Phone = null AND BillingCity = 'Warszawa') ORDER BY Name LIMIT 1")).len(),
        1
    );
    let few = names(&format!(
        "{select} NOT (BillingCity IN ('Kraków', 'Wien')) ORDER BY Name DESC LIMIT 3 OFFSET 1"
    ));
    assert!(few.len() == 3 && few.is_sorted_by(|a, b| a.to_lowercase() >= b.to_lowercase()), "{few:?}");
    let first = "SELECT Name FROM Account WHERE CreatedDate < 2026-01-01T00:03:00Z";
    assert_eq!(names(first).len(), 2);
}

#[test]
fn soql_that_is_wrong_is_refused_in_the_systems_words() {
    let client = salesforce_client();
    let code = |text: &str| {
        let (status, body) = soql(&client, text);
        assert_eq!(status, 400, "{text}: {body}");
        body[0]["errorCode"].as_str().unwrap().to_owned()
    };
    let select = "SELECT Id FROM Account";
    for (text, expected) in [
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Accounts", "MALFORMED_QUERY"),
        ("SELECT Id, Colour FROM Account", "INVALID_FIELD"),
        (" WHERE Name = O'Brien", "MALFORMED_QUERY"),
        (" WHERE Name = 'x", "MALFORMED_QUERY"),
        (" WHERE Name = 'a\\x'", "MALFORMED_QUERY"),
        (" WHERE Name = 'a' AND Phone = 'b' OR Fax = 'c'", "MALFORMED_QUERY"),
        (" WHERE Name = 5", "INVALID_FIELD"),
        (" WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        (" WHERE CreatedDate > 2026-01-01T00:00:00 01:00", "MALFORMED_QUERY"),
        (" WHERE ParentId = '1'", "INVALID_FIELD"),
        (" WHERE Name eq 'a'", "MALFORMED_QUERY"),
        (" WHERE (Name = 'a'", "MALFORMED_QUERY"),
        (" ORDER BY Name UPWARDS", "MALFORMED_QUERY"),
        (" LIMIT many", "MALFORMED_QUERY"),
    ] {
        let text = if text.starts_with(' ') { format!("{select}{text}") } else { text.to_owned() };
        assert_eq!(code(&text), expected, "{text}");
    }
}

#[test]
fn salesforce_refuses_as_it_does() {
    let client = salesforce_client();
    let root = salesforce::ROOT;
    let code =
        |(status, body): (u16, Value)| (status, body[0]["errorCode"].as_str().unwrap_or_default().to_owned());
    let post = |body: Value| code(client.ask(Method::POST, &format!("{root}/sobjects/Account"), &[], &body));
    assert_eq!(post(json!({ "Phone": "1" })), (400, "REQUIRED_FIELD_MISSING".into()));
    assert_eq!(post(json!({ "Name": "x", "Colour": "red" })), (400, "INVALID_FIELD".into()));
    assert_eq!(post(json!({ "Name": "x", "Id": "1" })), (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));
    assert_eq!(post(json!({ "Name": "x".repeat(256) })), (400, "STRING_TOO_LONG".into()));
    assert_eq!(post(json!({ "Name": "acme 9" })), (400, "DUPLICATES_DETECTED".into()));
    assert_eq!(post(json!({ "Name": 5 })), (400, "JSON_PARSER_ERROR".into()));
    assert_eq!(code(client.get(&format!("{root}/sobjects/Account/001"))), (404, "NOT_FOUND".into()));
    assert_eq!(code(client.get(&format!("{root}/query?query=x"))), (400, "MALFORMED_QUERY".into()));
    assert_eq!(code(client.get(&format!("{root}/query/01g"))), (400, "INVALID_QUERY_LOCATOR".into()));
    let stranger = Client { system: client.system.clone(), authorization: "Bearer x".into() };
    assert_eq!(code(stranger.get(&format!("{root}/query?q=x"))), (401, "INVALID_SESSION_ID".into()));
}

#[test]
fn salesforce_does_the_parts_of_a_composite_request_together_or_not_at_all() {
    let client = salesforce_client();
    let root = salesforce::ROOT;
    let count = || soql(&client, "SELECT Id FROM Account").1["totalSize"].as_u64().unwrap();
    let ask = |all_or_none: bool, read: &str| {
        let new = json!({ "method": "POST", "url": format!("{root}/sobjects/Account"), "referenceId": "made", "body": { "Name": "Together" } });
        let read = json!({ "method": "GET", "url": format!("{root}/sobjects/Account/{read}"), "referenceId": "read" });
        let both = json!({ "allOrNone": all_or_none, "compositeRequest": [new, read] });
        client.ask(Method::POST, &format!("{root}/composite"), &[], &both)
    };
    let before = count();
    let (status, body) = ask(true, "001");
    let codes = |body: &Value| {
        let parts = body["compositeResponse"].as_array().unwrap().iter();
        parts
            .map(|part| part["body"][0]["errorCode"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((status, codes(&body)), (200, vec!["PROCESSING_HALTED".into(), "NOT_FOUND".into()]));
    assert_eq!(count(), before, "it is undone");
    let (_, body) = ask(true, "@{made.id}");
    assert_eq!(body["compositeResponse"][1]["body"]["Name"], "Together");
    assert_eq!(count(), before + 1);
    let (_, body) = ask(false, "@{made.id}");
    assert_eq!(codes(&body)[0], "DUPLICATES_DETECTED");
}

#[test]
fn salesforce_pages_by_an_address_of_its_own() {
    let client = salesforce_client();
    let (_, first) = soql(&client, "SELECT Id FROM Account");
    assert_eq!((first["done"].as_bool(), first["records"].as_array().unwrap().len()), (Some(true), 260));
    let target = format!("{}/query?q={}", salesforce::ROOT, encoded("SELECT Id FROM Account"));
    let (_, first) =
        client.ask(Method::GET, &target, &[("sforce-query-options", "batchSize=200")], &Value::Null);
    assert_eq!((first["done"].as_bool(), first["totalSize"].as_u64()), (Some(false), Some(260)));
    let (_, last) = client.get(first["nextRecordsUrl"].as_str().unwrap());
    assert_eq!((last["done"].as_bool(), last["records"].as_array().unwrap().len()), (Some(true), 60));
    assert!(last.get("nextRecordsUrl").is_none());
}

#[test]
fn dataverse_refuses_as_it_does() {
    let client = dataverse_client();
    let root = format!("{}/accounts", dataverse::ROOT);
    let code = |(status, body): (u16, Value)| {
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    for query in [
        "$skip=5",
        "$apply=x",
        "$select=colour",
        "$filter=colour%20eq%201",
        "$filter=name%20in%20('a','b')",
        "$filter=name%20eq%20'O'Brien'",
        "$filter=name%20eq%205",
        "$filter=accountid%20eq%20'78910001-34cb-ed11-b596-0022481d68cd'",
        "$filter=createdon%20ge%20'2026-01-01T00:00:00Z'",
        "$filter=statecode%20eq%20'0'",
        "$orderby=name%20up",
        "$top=many",
    ] {
        assert_eq!(code(client.get(&format!("{root}?{query}"))), (400, "0x80060888".into()), "{query}");
    }
    let post = |body: Value| code(client.ask(Method::POST, &root, &[], &body));
    for body in [
        json!({ "name": "x", "colour": "red" }),
        json!({ "name": 5 }),
        json!({ "name": "x", "_parentaccountid_value": "78910001-34cb-ed11-b596-0022481d68cd" }),
        json!({ "name": "x", "parentaccountid@odata.bind": "78910001-34cb-ed11-b596-0022481d68cd" }),
        json!({ "name": "x", "createdon": "2026-01-01T00:00:00Z" }),
    ] {
        assert_eq!(post(body.clone()), (400, "0x80048d19".into()), "{body}");
    }
    let nobody = "/accounts(00000000-0000-0000-0000-000000000000)";
    let bound = json!({ "name": "x", "parentaccountid@odata.bind": nobody });
    assert_eq!(post(bound), (404, "0x80040217".into()));
    assert_eq!(post(json!({ "name": "x".repeat(161) })), (400, "0x80044331".into()));
    assert_eq!(code(client.get(&format!("{}{nobody}", dataverse::ROOT))), (404, "0x80040217".into()));
    let stranger = Client { system: client.system.clone(), authorization: "Bearer x".into() };
    assert_eq!(stranger.get(&root), (401, Value::Null));
}

#[test]
fn dataverse_knows_versions_and_makes_what_a_blind_change_names() {
    let client = dataverse_client();
    let root = format!("{}/accounts", dataverse::ROOT);
    let (_, page) = client.get(&format!("{root}?$select=name&$top=1"));
    let row = &page["value"][0];
    let at = format!("{root}({})", row["accountid"].as_str().unwrap());
    let body = json!({ "name": "New" });
    let patch = |at: &str, headers: &[(&'static str, &str)]| client.ask(Method::PATCH, at, headers, &body);
    let (status, old) = patch(&at, &[("if-match", "W/\"1\"")]);
    assert_eq!((status, old["error"]["code"].as_str()), (412, Some("0x80060882")));
    assert_eq!(patch(&at, &[("if-match", row["@odata.etag"].as_str().unwrap())]).0, 204);
    let nobody = format!("{root}(00000000-0000-0000-0000-000000000000)");
    assert_eq!(patch(&nobody, &[("if-match", "*")]).0, 404);
    let count = || client.get(&format!("{root}?$count=true&$top=1")).1["@odata.count"].as_u64().unwrap();
    let before = count();
    assert_eq!(patch(&nobody, &[]).0, 204, "the real one does so too: never send a change without a version");
    assert_eq!(count(), before + 1);
}

#[test]
fn dataverse_pages_by_a_cookie_and_shows_display_texts_when_asked() {
    let client = dataverse_client();
    let target = format!("{}/accounts?$select=name,statecode&$orderby=name%20desc", dataverse::ROOT);
    let prefer = "odata.maxpagesize=200,odata.include-annotations=\"*\"";
    let (_, first) = client.ask(Method::GET, &target, &[("prefer", prefer)], &Value::Null);
    assert_eq!(first["value"].as_array().unwrap().len(), 200);
    assert_eq!(first["value"][0]["statecode@OData.Community.Display.V1.FormattedValue"], "Active");
    let link = first["@odata.nextLink"].as_str().unwrap().strip_prefix("http://crm.test").unwrap();
    assert!(link.contains("%253c") || link.contains("%25253c"), "the cookie is encoded twice: {link}");
    let (_, last) = client.ask(Method::GET, link, &[("prefer", "odata.maxpagesize=200")], &Value::Null);
    assert_eq!(last["value"].as_array().unwrap().len(), 60);
    assert!(last.get("@odata.nextLink").is_none());
    assert!(last["value"][0].get("statecode@OData.Community.Display.V1.FormattedValue").is_none());
    let made =
        client.answer(Method::POST, &format!("{}/accounts", dataverse::ROOT), &[], &json!({ "name": "x" }));
    assert_eq!((made.status().as_u16(), made.body().len()), (204, 0));
    assert!(made.headers()["odata-entityid"].to_str().unwrap().contains("/accounts("));
}
