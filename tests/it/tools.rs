//! What BI tools are known to send to the OData door, word for word, and the answers they need to go on.
//!
//! The headers of Power Query (Power BI and Excel) are as a server's author logged them (NLstn/go-odata#874), the folded
//! queries as Microsoft's pages on query diagnostics and folding show them. Tableau takes a service or a feed by its
//! address and reads it whole (its help on OData).

use std::net::SocketAddr;

use data_encoding::BASE64;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    kit::{Answer, Demo, Who, runtime},
    stage::Stage,
    writes::{Twisted, change, said},
};

/// As Power Query asks for a service or a feed.
const FEED: &str = "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,\
                    application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7";

/// A tool with the credentials that tools have: any user, an API key as the password.
struct Tool<'a> {
    demo: &'a Demo,
    basic: String,
}

impl<'a> Tool<'a> {
    fn new(demo: &'a Demo) -> Self {
        let issued = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
        let basic = format!("Basic {}", BASE64.encode(format!("tool:{}", issued.out.trim()).as_bytes()));
        Self { demo, basic }
    }

    /// A request as Power Query sends it.
    fn power_query(&self, method: Method, path: &str, accept: &str) -> Answer {
        let ask = self.demo.ask(method, path).by(Who::Nobody).with("authorization", &*self.basic);
        ask.with("accept-encoding", "gzip, deflate")
            .with("user-agent", "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)")
            .with("maxdataserviceversion", "3.0")
            .with("odata-maxversion", "4.0")
            .with("accept", accept)
            // Not of OData, and not to be stumbled over.
            .with("microsoftapplicationstelemetry-deviceid", "4f0b31e5-5d5b-4b16-a0a3-6a8f14a6a3f1")
            .with("microsoftapplicationstelemetry-clientversion", "Microsoft.Data.Mashup/2.147")
            .send()
    }

    #[track_caller]
    fn rows(&self, path: &str) -> Vec<Value> {
        let answer = self.power_query(Method::GET, path, FEED).expect(200);
        answer.json()["value"].as_array().unwrap().clone()
    }

    /// All rows behind an address, by its links.
    #[track_caller]
    fn whole(&self, path: &str) -> Vec<Value> {
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(at) = next {
            let page = self.power_query(Method::GET, &at, FEED).expect(200).json();
            all.extend(page["value"].as_array().unwrap().clone());
            assert!(all.len() < 3000, "a feed without end");
            next = page["@odata.nextLink"].as_str().map(|link| link["https://localhost".len()..].to_owned());
        }
        all
    }
}

fn fields<'v>(rows: &'v [Value], name: &str) -> Vec<&'v str> {
    rows.iter().map(|row| row[name].as_str().unwrap_or("")).collect()
}

#[test]
fn power_query_finds_the_service_its_metadata_and_its_tables() {
    let demo = Demo::start();
    let tool = Tool::new(&demo);
    let mut documents = Vec::new();
    for path in ["/odata", "/odata/"] {
        let answer = tool.power_query(Method::GET, path, FEED).expect(200);
        // Said twice, the version is none to it; without a type it does not read on.
        assert_eq!(answer.headers.get_all("odata-version").iter().collect::<Vec<_>>(), ["4.0"]);
        assert_eq!(answer.header("content-type"), Some("application/json;odata.metadata=minimal"));
        documents.push(answer.body);
    }
    assert_eq!(documents[0], documents[1]);
    let service: Value = serde_json::from_slice(&documents[0]).unwrap();
    for set in service["value"].as_array().unwrap() {
        assert_eq!((&set["kind"], &set["name"]), (&Value::from("EntitySet"), &set["url"]));
    }
    for (path, accept) in [
        ("/odata/$metadata", "application/xml"),
        ("/odata/%24metadata", "application/xml"),
        ("/odata/$metadata", FEED),
        ("/odata/$metadata", "*/*"),
    ] {
        let answer = tool.power_query(Method::GET, path, accept).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/xml"), "{path} {accept}");
        assert_eq!(answer.headers.get_all("odata-version").iter().count(), 1);
        assert!(answer.body.starts_with(b"<?xml"));
    }
    let feed = tool.power_query(Method::GET, "/odata/orders", FEED).expect(200);
    assert_eq!(feed.json()["@odata.context"], "https://localhost/odata/$metadata#orders");
}

#[test]
fn what_power_query_folds_gives_what_it_would_have_found_itself() {
    let demo = Demo::start();
    let tool = Tool::new(&demo);
    let all = tool.whole("/odata/orders");
    let ids = fields(&all, "id");
    assert!(ids.len() > 200, "more than a page");
    // The preview of a table.
    assert_eq!(fields(&tool.whole("/odata/orders?$top=1000"), "id"), ids);
    assert_eq!(fields(&tool.rows("/odata/orders?$top=20&$skip=30"), "id"), ids[30..50]);
    assert_eq!(fields(&tool.rows("/odata/orders?%24skip=30&%24top=20"), "id"), ids[30..50]);
    // Steps over rows and columns; the comma of a selection is escaped, and blanks are, or are not.
    let open: Vec<&Value> = all.iter().filter(|order| order["status"] == "open").collect();
    for filter in ["status%20eq%20%27open%27", "status+eq+'open'", "(status%20eq%20'open')"] {
        let got = tool.whole(&format!("/odata/orders?$filter={filter}&$select=number%2Ccurrency"));
        assert_eq!(got.len(), open.len(), "{filter}");
        assert!(got.iter().zip(&open).all(|(row, order)| row["number"] == order["number"]));
        assert!(got.iter().all(|row| row.as_object().unwrap().len() == 2), "{}", got[0]);
    }
    // Parts of texts, and what is put together of one.
    let number = all[7]["number"].as_str().unwrap();
    let (at, of) = (number.find('1').unwrap(), |filter: &str| {
        fields(&tool.whole(&format!("/odata/orders?$filter={filter}&$select=number")), "number").join(",")
    });
    assert_eq!(of(&format!("substring(number,1)%20eq%20'{}'", &number[1..])), number);
    assert_eq!(of(&format!("concat('no.%20',concat(number,'!'))%20eq%20'no.%20{number}!'")), number);
    assert_eq!(of(&format!("indexof(number,'1')%20ne%20{at}")), "");
    // An incremental refresh, with the seven digits of .NET.
    let mut moments: Vec<&str> = fields(&all, "updated_at").iter().map(|at| &at[..19]).collect();
    moments.sort_unstable();
    let (from, to) = (moments[moments.len() / 3], moments[moments.len() * 2 / 3]);
    let within = moments.iter().filter(|at| (from..to).contains(*at)).count();
    assert!(within > 0 && within < all.len(), "{from} {to}");
    let filter = format!("updated_at%20ge%20{from}.0000000Z%20and%20updated_at%20lt%20{to}Z");
    assert_eq!(tool.whole(&format!("/odata/orders?$filter={filter}")).len(), within);
    assert_eq!(tool.whole("/odata/orders?$filter=updated_at%20lt%20now()&$select=number").len(), all.len());
    // How many rows there are, by each of the ways there are.
    let counted = |path: &str| tool.power_query(Method::GET, path, FEED).expect(200);
    for path in ["/odata/orders/$count", "/odata/orders/%24count", "/odata/orders/$count?$top=5&$skip=2"] {
        let answer = counted(path);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.body, all.len().to_string(), "{path}");
    }
    assert_eq!(counted("/odata/orders/$count?$filter=status%20eq%20'open'").body, open.len().to_string());
    assert_eq!(counted("/odata/orders?$top=0&$count=true").json()["@odata.count"], all.len());
    // A sorted step keeps ties in one order, so that its pages do not overlap.
    let sorted = tool.whole("/odata/orders?$orderby=ordered_on%20desc%2Cnumber&$select=id%2Cordered_on");
    let days = fields(&sorted, "ordered_on");
    assert!(days.is_sorted_by(|a, b| a >= b));
    let mut seen = fields(&sorted, "id");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all.len());
    // What is not folded is refused by name, at once: it then reads the table and does it itself.
    for (options, status) in [
        ("$apply=groupby((status))", 501),
        ("$filter=isof(updated_at,Edm.String)", 501),
        ("$expand=*", 501),
        ("$expand=lines", 400),
    ] {
        let answer = tool.power_query(Method::GET, &format!("/odata/orders?{options}"), FEED).expect(status);
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[test]
fn preferences_of_tools_are_met_or_passed_over() {
    let demo = Demo::start();
    let get = |prefer: &str| demo.get("/odata/orders?$select=id").with("prefer", prefer).send().expect(200);
    let asked = get("odata.include-annotations=\"*\", omit-values=nulls, odata.maxpagesize=7");
    assert_eq!(asked.json()["value"].as_array().unwrap().len(), 7);
    assert_eq!(asked.header("preference-applied"), Some("odata.maxpagesize=7"));
    let most = get("odata.maxpagesize=5000");
    assert_eq!(most.header("preference-applied"), Some("odata.maxpagesize=200"));
    assert_eq!(get("respond-async, odata.track-changes").header("preference-applied"), None);
    // Clients of .NET name themselves behind the version.
    for (version, status) in [("4.0;NetFx", 200), ("4.01", 200), ("3.0;NetFx", 501)] {
        demo.get("/odata/orders?$top=1").with("odata-maxversion", version).send().expect(status);
    }
}

#[test]
fn tableau_reads_a_feed_by_either_spelling_of_its_address_to_the_end() {
    let demo = Demo::start();
    let tool = Tool::new(&demo);
    let ask = |path: &str, accept: &str| {
        let ask = demo.get(path).by(Who::Nobody).with("authorization", &*tool.basic);
        ask.with("user-agent", "Tableau").with("accept", accept).send().expect(200)
    };
    let json = "application/json;odata.metadata=full";
    let whole = |path: &str| {
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(at) = next {
            let page = ask(&at, json).json();
            all.extend(page["value"].as_array().unwrap().clone());
            next = page["@odata.nextLink"].as_str().map(|link| link["https://localhost".len()..].to_owned());
        }
        all
    };
    assert!(ask("/odata/$metadata", "application/xml, */*").body.starts_with(b"<?xml"));
    assert_eq!(ask("/odata/", json).json()["@odata.context"], "https://localhost/odata/$metadata");
    let (one, other) = (whole("/odata/orders"), whole("/odata/orders/"));
    assert!(one.len() > 200);
    assert_eq!(fields(&one, "id"), fields(&other, "id"));
    demo.get("/odata/orders//").send().expect(400);
}

#[test]
fn a_head_is_answered_like_a_get_and_other_methods_say_what_is_possible() {
    let demo = Demo::start();
    for path in ["/odata/", "/odata/$metadata", "/odata/orders?$top=1", "/odata/orders/$count"] {
        let (get, head) =
            (demo.get(path).send().expect(200), demo.ask(Method::HEAD, path).send().expect(200));
        assert!(head.body.is_empty(), "{path}");
        for name in ["content-type", "content-length", "odata-version"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let options = demo.ask(Method::OPTIONS, "/odata/").send().expect(405);
    assert_eq!(options.header("allow"), Some("GET, HEAD"));
    assert_eq!(options.header("odata-version"), Some("4.0"));
}

/// One request over a connection without TLS, as a proxy in front of the gate sends it.
fn plainly(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Answer {
    let address: SocketAddr = stage.address().parse().unwrap();
    runtime().block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", stage.shop));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    })
}

#[test]
fn links_are_on_the_host_and_scheme_that_the_caller_used_before_the_proxy() {
    let stage = Stage::open(|policies| {
        let tls = "    tls:\n      certificates:\n        - { certificate: certs/server.pem, key: certs/server.key }\n      client_certificates: off      # off | optional | required\n";
        change(policies, "gateway.yaml", tls, "    tls: none\n    trusted_proxies: [127.0.0.1/32]\n");
        // Where a proxy ends TLS, the channel of the gate has none.
        change(
            policies,
            "access/guards.cedar",
            "context.checked.channel.tls",
            "context.checked.channel.listener == \"data\"",
        );
    });
    let path = "/odata/orders?$select=id&$top=300";
    let root = |headers: &[(&str, &str)]| {
        let answer = plainly(&stage, path, headers).expect(200).json();
        let context = answer["@odata.context"].as_str().unwrap();
        let root =
            context.strip_suffix("$metadata#orders(id)").unwrap_or_else(|| panic!("{context}")).to_owned();
        let next = answer["@odata.nextLink"].as_str().unwrap();
        assert!(next.starts_with(&format!("{root}orders?$select=id&")), "{next}");
        let service = plainly(&stage, "/odata/", headers).expect(200).json();
        assert_eq!(service["@odata.context"], format!("{root}$metadata"));
        root
    };
    let host = ("host", "bi.example.com:8443");
    let by = ("x-forwarded-for", "203.0.113.7");
    assert_eq!(root(&[host, by, ("x-forwarded-proto", "https")]), "https://bi.example.com:8443/odata/");
    assert_eq!(root(&[host, by, ("x-forwarded-proto", "HTTPS")]), "https://bi.example.com:8443/odata/");
    assert_eq!(root(&[("host", "bi.example.com"), by]), "http://bi.example.com/odata/");
    // A scheme is one of two words, whatever is written there, and only `Host` names the host.
    for odd in ["http", "javascript", "https, http", "https://evil.example/"] {
        let headers = [host, by, ("x-forwarded-proto", odd), ("x-forwarded-host", "evil.example")];
        assert_eq!(root(&headers), "http://bi.example.com:8443/odata/", "{odd}");
    }
    // The next page is there under the address that was told.
    let first = plainly(&stage, path, &[host, by, ("x-forwarded-proto", "https")]).expect(200).json();
    let next = first["@odata.nextLink"].as_str().unwrap()["https://bi.example.com:8443".len()..].to_owned();
    let second = plainly(&stage, &next, &[host, by, ("x-forwarded-proto", "https")]).expect(200).json();
    assert_eq!(second["value"].as_array().unwrap().len(), 100);
}

#[test]
fn tls_that_ends_here_is_not_talked_away() {
    let demo = Demo::start();
    let answer = demo.get("/odata/orders?$top=1").with("x-forwarded-proto", "http").send().expect(200).json();
    assert_eq!(answer["@odata.context"], "https://localhost/odata/$metadata#orders");
}

#[test]
fn a_count_past_its_bound_names_the_bound_it_came_to() {
    // A page holds one record, and there is always one more page.
    let twisted = Twisted::crm(|ask, answer| {
        if ask.path != "/crm/v3/objects/contacts" || ask.method != Method::GET {
            return answer;
        }
        let after = ask.pairs().into_iter().find(|(name, _)| name == "after");
        let at = after.and_then(|(_, at)| at.parse::<u32>().ok()).unwrap_or(0);
        let row = json!({ "id": at.to_string(), "archived": false, "createdAt": "2026-01-01T00:00:00Z",
                          "updatedAt": "2026-01-01T00:00:00Z", "properties": { "firstname": "A" } });
        said(200, &json!({ "results": [row], "paging": { "next": { "after": (at + 1).to_string() } } }))
    });
    let stage = Stage::open(|policies| twisted.serve(policies));
    let told = |path: &str| {
        let error = stage.get(path).expect(400).json()["error"].clone();
        assert_eq!(error["code"], "too-many-to-count");
        error["details"][0]["message"].as_str().or(error["message"].as_str()).unwrap().to_owned()
    };
    let alone = told("/odata/customers/$count");
    assert!(
        alone.contains("more than 100 pages of the system to count") && !alone.contains("2000"),
        "{alone}"
    );
    let beside = told("/odata/customers?$count=true");
    assert!(
        beside.contains("more than 2000 records, or more than 100 pages of the system, to count"),
        "{beside}"
    );
}
