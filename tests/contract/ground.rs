//! The common ground of all families: a gate over one system, and how a capability or a gap is proved.
//!
//! A family is a file beside this one. It lists its systems as [`Subject`]s, writes one [`Clause`] a capability, and
//! makes a test of each pair with [`contract!`](crate::contract).

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use bramka::demo::standin::{self, Answers, Seen, StandIn};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, sync::oneshot};

use crate::{
    kit::{Answer, copy_all, root, runtime},
    served::Served,
};

/// Something a caller may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// A list holds what the system holds.
    List,
    /// A list of any page size comes to its end, without a record twice or left out.
    Pages,
    /// A filter finds what looking through everything finds.
    Filter(&'static str),
    /// A list in an order, by a field.
    Sort(&'static str),
    /// One record by its id, the same as in the list.
    Read,
    /// What is not there is `404`.
    Absent,
    /// A new record stands in the system in its own shape, and is answered as it is there.
    Create(&'static str),
    /// An update sends what changed, and nothing of the record is lost.
    Update,
    /// A change of what changed meanwhile is refused.
    Concurrent,
    /// A record is taken out.
    Delete,
    /// A value that cannot be is refused with its place.
    Invalid,
    /// What is there already is refused as that.
    Duplicate,
    /// A system that is asked too much is told of as that.
    RateLimit,
    /// A sign-in that is spent is renewed without the caller's noticing.
    SignIn,
    /// Hostile texts stay texts.
    Literals,
    /// What one family alone has.
    Own(&'static str),
}

/// What a system cannot do, and what the gate must answer instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) capability: Capability,
    pub(crate) status: u16,
    /// What the problem document must say: `type` ends so, or `detail` or an error holds it.
    pub(crate) reason: &'static str,
}

/// A system under the contract.
pub(crate) struct Subject {
    /// Its name, as its file has it.
    pub(crate) name: &'static str,
    /// Its file below `policies/systems`.
    pub(crate) file: &'static str,
    /// The path of its address.
    pub(crate) root: &'static str,
    /// The secrets it names.
    pub(crate) secrets: &'static [(&'static str, &'static str)],
    /// The collections it serves.
    pub(crate) serves: &'static [&'static str],
    /// What else a test changes of its file: texts that must be there, and what stands for them; `{system}` there
    /// is `http://127.0.0.1:port`, and `{address}` is without the scheme.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    /// A stand-in with the family's records.
    pub(crate) standin: fn() -> Arc<dyn Answers>,
    /// What it cannot do.
    pub(crate) gaps: &'static [Gap],
}

impl Subject {
    /// The gap in a capability, if there is one.
    pub(crate) fn gap(&self, capability: Capability) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.capability == capability)
    }
}

/// One sentence of the contract.
pub(crate) struct Clause {
    pub(crate) capability: Capability,
    /// Proves that the system has it.
    pub(crate) proof: fn(&Gate),
    /// The one request that cannot be without it; `None` where no system may lack it.
    pub(crate) ask: Option<fn(&Gate) -> Answer>,
}

/// Holds a system to a sentence: it keeps it, or its gap is told.
pub(crate) fn hold(subject: &'static Subject, clause: &Clause) {
    let gate = Gate::open(subject);
    let Some(gap) = subject.gap(clause.capability) else { return (clause.proof)(&gate) };
    let ask = clause.ask.unwrap_or_else(|| panic!("{:?} may not be a gap", clause.capability));
    gate.system.forget();
    let problem = ask(&gate).refused(gap.status).json();
    let told = problem.to_string();
    let kind = problem["type"].as_str().unwrap_or_default();
    assert!(
        kind.ends_with(gap.reason) || told.contains(gap.reason),
        "the gap {:?} is told otherwise: {told}",
        gap.capability
    );
    assert!(gate.changes().is_empty(), "{:?} was refused, and yet sent", gap.capability);
}

/// One test for each pair of a system and a sentence: `contract!(name: SUBJECT { sentence: CLAUSE, … } …)` is written
/// by a macro of the family that knows its sentences.
#[macro_export]
macro_rules! contract {
    ($system:ident: $subject:path { $($sentence:ident: $clause:path),* $(,)? }) => {
        mod $system {
            $(
                #[test]
                fn $sentence() {
                    $crate::ground::hold(&$subject, &$clause);
                }
            )*
        }
    };
}

/// A gate over one system that a stand-in plays; its caller may do everything with what is served.
pub(crate) struct Gate {
    pub(crate) subject: &'static Subject,
    pub(crate) system: StandIn,
    served: Served,
    _standin: oneshot::Sender<()>,
}

impl Gate {
    /// Starts both.
    pub(crate) fn open(subject: &'static Subject) -> Self {
        Self::open_with(subject, |_| {})
    }

    /// Starts both, with ids of the gate's own.
    pub(crate) fn with_ids(subject: &'static Subject) -> Self {
        Self::open_of(subject, "opaque", |_| {})
    }

    /// Starts both, once the bundle has been changed.
    pub(crate) fn open_with(subject: &'static Subject, edit: impl FnOnce(&Path)) -> Self {
        Self::open_of(subject, "keys", edit)
    }

    fn open_of(subject: &'static Subject, ids: &str, edit: impl FnOnce(&Path)) -> Self {
        let (system, end) = play((subject.standin)());
        let dir = tempfile::tempdir().unwrap();
        write_bundle(&dir.path().join("policies"), subject, &system, ids);
        edit(&dir.path().join("policies"));
        Self { subject, system, served: Served::over(dir, subject.secrets), _standin: end }
    }

    /// Asks the system itself, beside the gate.
    pub(crate) fn native(&self, method: Method, path: &str, authorization: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", self.system.address.to_string());
        let request = request.header("authorization", authorization).body(Full::<Bytes>::default()).unwrap();
        runtime().block_on(async {
            let stream = TcpStream::connect(self.system.address).await.unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let driver = tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            driver.abort();
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        })
    }

    /// Turns a switch of the stand-in, where it has one: `POST /-/NAME`.
    pub(crate) fn switch(&self, name: &str) {
        self.native(Method::POST, &format!("/-/{name}"), "").expect(204);
        self.system.forget();
    }

    /// What the system was asked that changes something; a search by `POST` is none, nor is a login.
    pub(crate) fn changes(&self) -> Vec<Seen> {
        // Of remote procedures the name says so.
        let only_looks = |body: &str| body.contains(".search_read\"") || body.contains("\"common.db.login\"");
        let reads = |seen: &Seen| {
            let asks = |operation: &str| seen.body.contains(&format!("\"operationName\":\"{operation}\""));
            let is_query = asks("list") || asks("read");
            seen.method == "GET"
                || is_query
                || seen.target.ends_with("/search")
                || seen.target.contains("/oauth2/")
                || only_looks(&seen.body)
        };
        self.system.seen().into_iter().filter(|seen| !reads(seen)).collect()
    }
}

impl Deref for Gate {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

/// That records are listed by their ids, in the order of those and without a walk: one question where the system's lists
/// are asked for keys (`at_once`), else one for each. What is not there is not among them.
#[track_caller]
pub(crate) fn lists_by_ids(gate: &Gate, at_once: &[&str], one_by_one: &[&str]) {
    for (collection, calls) in
        at_once.iter().map(|one| (*one, 1)).chain(one_by_one.iter().map(|one| (*one, 3)))
    {
        let all = gate.get(&format!("/v1/{collection}?limit=20")).expect(200).items();
        let (Some(last), Some(first), Some(third)) = (all.last(), all.first(), all.get(2)) else {
            panic!("few {collection}")
        };
        let mut wanted = vec![text(last, "id"), text(first, "id"), text(third, "id")];
        let path = format!("/v1/{collection}?id[in]={}", encoded(&wanted.join(",")));
        gate.system.forget();
        let found = gate.get(&path).expect(200).items();
        let mut seen = gate.system.seen();
        // Beside signing in, and what others tell of the records.
        seen.retain(|seen| !["token", "/addresses?"].iter().any(|beside| seen.target.contains(beside)));
        assert_eq!(seen.len(), calls, "{collection}: {seen:?}");
        assert_eq!(ids(&found), wanted, "{collection}");
        let (mut one, mut other) = (found[1].clone(), first.clone());
        for record in [&mut one, &mut other] {
            record.as_object_mut().unwrap().remove("as_of");
        }
        assert!(calls > 1 || one == other, "{collection}: {one} is not {other}");
        // One of the same form that is nobody's.
        let mut nobody: String =
            wanted[0].chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        if !nobody.contains('-') {
            nobody.push_str("999");
        }
        let others = gate.get(&format!("{path}%2C{}", encoded(&nobody))).expect(200).items();
        assert_eq!(ids(&others), wanted, "{collection}");
        // A page of one asks for one.
        wanted.truncate(1);
        let page = gate.get(&format!("{path}&limit=1")).expect(200);
        assert_eq!(ids(&page.items()), wanted, "{collection}");
        assert!(page.json()["next_cursor"].is_string(), "{collection}");
    }
}

fn text<'v>(record: &'v Value, name: &str) -> &'v str {
    record[name].as_str().unwrap_or_else(|| panic!("no {name}: {record}"))
}

/// That every line of some records has an id of the gate's own, and no two have the same: these ids.
#[track_caller]
pub(crate) fn ids_of_lines(records: &[Value]) -> Vec<&str> {
    let lines = records.iter().flat_map(|record| record["lines"].as_array().into_iter().flatten());
    let ids: Vec<&str> = lines.map(|line| text(line, "id")).collect();
    let is_id = |id: &&str| id.len() == 26 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v'));
    assert!(!ids.is_empty() && ids.iter().all(is_id), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len(), "{ids:?}");
    ids
}

/// Percent-encodes a value of a query.
pub(crate) fn encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The ids of records, in their order.
pub(crate) fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["id"].as_str().unwrap()).collect()
}

/// A stand-in on a thread of its own until the gate is over.
fn play(system: Arc<dyn Answers>) -> (StandIn, oneshot::Sender<()>) {
    let (tell, told) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            drop(tell.send(standin::start(0, system).await.unwrap()));
            drop(ended.await);
        });
    });
    (told.blocking_recv().unwrap(), end)
}

/// A bundle of the shipped schema and limits, the subject's file, and statements that permit everything.
fn write_bundle(policies: &Path, subject: &Subject, system: &StandIn, ids: &str) {
    let shipped = root().join("policies");
    for folder in ["systems", "access", "principals"] {
        fs::create_dir_all(policies.join(folder)).unwrap();
    }
    copy_all(&shipped.join("schema"), &policies.join("schema"));
    for file in ["limits.yaml", "gateway.yaml", "principals/attributes.yaml"] {
        fs::copy(shipped.join(file), policies.join(file)).unwrap();
    }
    let (file, text) =
        (policies.join("gateway.yaml"), fs::read_to_string(policies.join("gateway.yaml")).unwrap());
    let text = text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    // Mostly records are told apart by the keys that the stand-ins gave them.
    let text = text.replace("\nids: opaque\n", &format!("\nids: {ids}\n"));
    let (name, names) = (subject.name, subject.secrets.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let serves: String = subject.serves.iter().map(|it| format!("  {it}: {name}\n")).collect();
    let text = with_section(&text, "serves:", &serves);
    fs::write(file, with_section(&text, "secrets:", &format!("  {name}: [{}]\n", names.join(", ")))).unwrap();
    fs::write(policies.join(format!("systems/{name}.yaml")), pointed(&shipped, subject, system)).unwrap();
    fs::write(policies.join("access/everything.cedar"), everything(subject)).unwrap();
}

/// Gives a section of YAML other lines.
fn with_section(text: &str, head: &str, lines: &str) -> String {
    let (before, rest) = text.split_once(&format!("\n{head}\n")).unwrap();
    let after = rest.lines().skip_while(|line| line.starts_with(' ')).collect::<Vec<_>>().join("\n");
    format!("{before}\n{head}\n{lines}{after}\n")
}

/// The subject's file, turned to the stand-in.
fn pointed(shipped: &Path, subject: &Subject, system: &StandIn) -> String {
    let file: PathBuf = shipped.join("systems").join(subject.file);
    let mut text = fs::read_to_string(&file).unwrap();
    let address = format!("http://{}", system.address);
    let base = text.lines().find(|line| line.starts_with("base:")).unwrap().to_owned();
    text = text.replace(&base, &format!("base: \"{address}{}\"\nallow_local: true", subject.root));
    for (from, to) in subject.edits {
        assert!(text.contains(from), "`{from}` is not in {}", file.display());
        let to = to.replace("{system}", &address).replace("{address}", &system.address.to_string());
        text = text.replace(from, &to);
    }
    text
}

/// The fields of an entity that a star does not open, of those that can be written and of the others.
fn closed(collection: &str) -> (&'static str, [&'static str; 2]) {
    match collection {
        "customers" => (
            "Customer",
            [
                "name, trading_name, given_name, family_name, job_title, vat_id, tax_ids.value, registration_ids.value, emails.value, phones.value, addresses.name, addresses.line1, addresses.line2, addresses.line3, addresses.city, addresses.post_code, price_group, payment_terms.code, payment_terms.days, credit.currency, credit.limit",
                "credit.used, consents.channel, consents.state",
            ],
        ),
        "products" => {
            ("Product", ["list_price, list_price.net_price, list_price.tax_inclusive_price, unit_cost", ""])
        }
        "orders" => (
            "Order",
            [
                "email, phone, ship_to.name, ship_to.contact, ship_to.line1, ship_to.line2, ship_to.city, ship_to.post_code, bill_to.name, bill_to.contact, bill_to.line1, bill_to.line2, bill_to.city, bill_to.post_code, lines.net_price, lines.tax_inclusive_price, lines.base_quantity, lines.discount_percent",
                "customer_name, payment_status, lines.discount_amount, lines.line_net_total, lines.line_tax_inclusive_total, lines.tax_amount, discount_total, charge_total, tax_exclusive_total, tax_total, tax_inclusive_total",
            ],
        ),
        "invoices" => (
            "Invoice",
            [
                "buyer.name, buyer.vat_id, buyer.line1, buyer.line2, buyer.city, buyer.post_code, payment.terms, payment.reference, lines.net_price, lines.tax_inclusive_price, lines.base_quantity, lines.discount_percent, lines.line_tax_inclusive_total",
                "customer_name, lines.line_net_total, lines.tax_amount, discount_total, charge_total, tax_exclusive_total, tax_total, tax_inclusive_total, amount_due",
            ],
        ),
        "shipments" => (
            "Shipment",
            [
                "tracking.number, tracking.url, from.name, from.line1, from.line2, from.city, from.post_code, to.name, to.line1, to.line2, to.city, to.post_code",
                "",
            ],
        ),
        "payments" => (
            "Payment",
            ["status, amount, fee, paid_on, paid_at, means, reference, allocations.amount", "unallocated"],
        ),
        "stock-levels" => ("StockLevel", ["", "on_hand, committed, available, incoming, quarantine"]),
        "prices" => (
            "Price",
            [
                "product, sku, customer, price_group, net_price, tax_inclusive_price, currency, base_quantity, min_quantity, discount.kind, discount.value, valid_from, valid_through",
                "",
            ],
        ),
        "metrics" => ("Metric", ["value, dimensions.value", ""]),
        "subscriptions" => ("Subscription", ["address, state, given_name, family_name", "since"]),
        "campaigns" => ("Campaign", ["budget.amount, budget.currency, budget.period", ""]),
        _ => panic!("say here which fields of {collection} are personal or confidential"),
    }
}

fn everything(subject: &Subject) -> String {
    let mut text = String::new();
    for collection in subject.serves {
        let (entity, [writable, read_only]) = closed(collection);
        let list = |parts: &[&str]| {
            parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let (seen, written) = (list(&["*", writable, read_only]), list(&["*", writable]));
        text.push_str(&format!(
            "@id(\"see-{collection}\")\n@fields(\"{seen}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"list\", Action::\"read\"], resource is {entity});\n\n\
             @id(\"write-{collection}\")\n@writes(\"{written}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is {entity});\n\n\
             @id(\"delete-{collection}\")\n\
             permit (principal in Group::\"apps\", action == Action::\"delete\", resource is {entity});\n\n"
        ));
    }
    text
}
