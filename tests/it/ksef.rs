//! Invoices to a system that takes them sealed, in a session of their own, and says later what became of them: over
//! the shipped file of the Polish national one and a stand-in that has its private keys.

use std::{fs, io::Write as _, path::Path, process::Command, sync::Arc, thread};

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use bramka::demo::standin::{self, Answers, Ask, StandIn};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    book,
    kit::{Answer, runtime, until},
    line::{Line, asking},
    repeats::reloaded,
    stage::Stage,
    writes::{change, said},
};

const WORD: &str = "ksef-token-of-the-gate";
const NUMBER: &str = "5265877635-20260201-010080615740-E4";
const RECEIPT: &[u8] = include_bytes!("../fixtures/ksef/upo.faktura.nip.xml");
const REGISTERED: &str = include_str!("../fixtures/ksef/api.invoices.query.response.json");
const TOO_MANY: &str = include_str!("../fixtures/ksef/api.error.429.json");
/// How many invoices the register holds.
const HELD: usize = 251;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ksef");

const STATEMENT: &str = "@id(\"ksef\")\n@writes(\"*, buyer.name, buyer.vat_id, buyer.line1, buyer.post_code, buyer.city, lines.net_price, lines.line_net_total, tax_breakdown.taxable_amount, tax_breakdown.tax_amount, tax_inclusive_total\")\n\
    permit (principal in Group::\"apps\", action == Action::\"create\", resource is Invoice);\n\
    @id(\"ksef-read\")\n@fields(\"*, buyer.name, clearance.receipt, tax_exclusive_total, tax_total, tax_inclusive_total\")\n@plan(\"internal\")\n\
    permit (principal in Group::\"apps\", action in [Action::\"list\", Action::\"read\"], resource is Invoice);\n";

/// The system: what it was sent, and how it answers to who asks what became of it.
struct Ksef {
    open: OaepPrivateDecryptingKey,
    /// Codes of an invoice's status, the last one again and again.
    statuses: &'static [u16],
    /// The status of an answer to a step, by the end of its path.
    troubled: Option<(&'static str, u16)>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Key and vector of the session that is open.
    session: Option<(Vec<u8>, Vec<u8>)>,
    invoices: Vec<String>,
    asked: usize,
    /// Until it is let go, no invoice has a word of what became of it.
    is_held: bool,
    /// The link to the receipt.
    receipt: String,
    /// The next one who asks what became of an invoice has to sign in again.
    spent: bool,
}

fn opened(open: &OaepPrivateDecryptingKey, sealed: &Value) -> Vec<u8> {
    let sealed = BASE64.decode(sealed.as_str().unwrap().as_bytes()).unwrap();
    let mut out = vec![0; open.min_output_size()];
    open.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut out, None).unwrap().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    BASE64.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

impl Ksef {
    /// Opens an invoice; whatever about it is not as it should be fails the test.
    fn invoice(&self, sent: &Value) -> String {
        let sealed = BASE64.decode(sent["encryptedInvoiceContent"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(sent["encryptedInvoiceHash"], hash(&sealed));
        assert_eq!(sent["encryptedInvoiceSize"], sealed.len());
        let (key, iv) = self.state.lock().session.clone().unwrap();
        let key =
            UnboundCipherKey::new(&AES_256, &key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7).unwrap();
        let iv: [u8; 16] = iv.try_into().unwrap();
        let mut text = sealed;
        let plain = key.decrypt(&mut text, DecryptionContext::Iv128(iv.into())).unwrap().to_vec();
        assert_eq!(sent["invoiceHash"], hash(&plain));
        assert_eq!(sent["invoiceSize"], plain.len());
        assert_eq!(sent["offlineMode"], false);
        String::from_utf8(plain).unwrap()
    }
}

impl Answers for Ksef {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if let Some((end, status)) = self.troubled
            && ask.path.ends_with(end)
        {
            let told = json!({ "exception": { "exceptionDetailList": [{ "exceptionCode": 21405 }] } });
            return said(status, &told);
        }
        let sent = ask.json().unwrap_or_default();
        let bearer = ask.header("authorization").unwrap_or_default();
        match (ask.method.as_str(), ask.path.as_str()) {
            ("POST", "/auth/challenge") => {
                said(200, &json!({ "challenge": "C", "timestampMs": 1752236636015_u64 }))
            }
            ("POST", "/auth/ksef-token") => {
                let word = opened(&self.open, &sent["encryptedToken"]);
                assert_eq!(word, format!("{WORD}|1752236636015").as_bytes());
                said(
                    202,
                    &json!({ "referenceNumber": "AU-1", "authenticationToken": { "token": "started" } }),
                )
            }
            ("GET", "/auth/AU-1") if bearer == "Bearer started" => {
                said(200, &json!({ "status": { "code": 200 } }))
            }
            ("POST", "/auth/token/redeem") if bearer == "Bearer started" => {
                said(200, &json!({ "accessToken": { "token": "access" }, "refreshToken": { "token": "r" } }))
            }
            _ if bearer != "Bearer access" => said(401, &json!({})),
            ("POST", "/sessions/online") => {
                assert_eq!(
                    sent["formCode"],
                    json!({ "systemCode": "FA (3)", "schemaVersion": "1-0E", "value": "FA" })
                );
                let key = opened(&self.open, &sent["encryption"]["encryptedSymmetricKey"]);
                let iv = sent["encryption"]["initializationVector"].as_str().unwrap();
                self.state.lock().session = Some((key, BASE64.decode(iv.as_bytes()).unwrap()));
                said(201, &json!({ "referenceNumber": "SO-1", "validUntil": "2026-02-01T12:00:00Z" }))
            }
            ("POST", "/sessions/online/SO-1/invoices") => {
                let invoice = self.invoice(&sent);
                self.state.lock().invoices.push(invoice);
                said(202, &json!({ "referenceNumber": "EE-1" }))
            }
            ("POST", "/sessions/online/SO-1/close") => {
                self.state.lock().session = None;
                Response::builder().status(204).body(Bytes::new()).unwrap()
            }
            ("GET", "/sessions/SO-1/invoices/EE-1") => {
                let mut state = self.state.lock();
                if std::mem::take(&mut state.spent) {
                    return said(401, &json!({}));
                }
                let code = match state.is_held {
                    true => 150,
                    false => self.statuses[state.asked.min(self.statuses.len() - 1)],
                };
                state.asked += usize::from(!state.is_held);
                let mut told =
                    json!({ "referenceNumber": "EE-1", "status": { "code": code, "description": "x" } });
                if code == 200 {
                    told["ksefNumber"] = json!(NUMBER);
                    told["acquisitionDate"] = json!("2026-02-01T10:23:56.3881234+00:00");
                    told["invoiceHash"] = json!(hash(state.invoices.last().unwrap().as_bytes()));
                    told["upoDownloadUrl"] = json!(state.receipt);
                }
                said(200, &told)
            }
            ("GET", path) if path.starts_with("/invoices/ksef/") => {
                let state = self.state.lock();
                match state.invoices.last().filter(|_| path.ends_with(NUMBER)) {
                    Some(invoice) => {
                        let answer = Response::builder().header("content-type", "application/xml");
                        let answer = answer.header("x-ms-meta-hash", hash(invoice.as_bytes()));
                        answer.body(Bytes::from(invoice.clone())).unwrap()
                    }
                    None => {
                        let told =
                            json!({ "exception": { "exceptionDetailList": [{ "exceptionCode": 21164 }] } });
                        said(400, &told)
                    }
                }
            }
            ("POST", "/invoices/query/metadata") => registered(ask, &sent),
            (method, path) => panic!("{method} {path} is not KSeF's"),
        }
    }
}

/// Where receipts are kept: another place than KSeF, which must not see what opens KSeF.
struct Store(Arc<Mutex<Stored>>);

/// How the store of receipts answers, and what it was asked: every field but `host`.
struct Stored {
    status: u16,
    asked: Vec<String>,
}

impl Answers for Store {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let fields = ask.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut fields: Vec<_> = fields.filter(|field| !field.starts_with("host: ")).collect();
        fields.sort();
        let mut stored = self.0.lock();
        let asked = format!("{} {}?{} {}", ask.method, ask.path, ask.query, fields.join("; "));
        stored.asked.push(asked);
        let answer = Response::builder().status(stored.status).header("location", "/elsewhere");
        answer.header("set-cookie", "seen=1").body(Bytes::from_static(RECEIPT)).unwrap()
    }
}

/// A page of the register, or what it says of a question that is none of its.
fn registered(ask: &Ask, sent: &Value) -> Response<Bytes> {
    let refused = |why: &str| {
        let detail = json!({ "exceptionCode": 21405, "exceptionDescription": why });
        said(400, &json!({ "exception": { "exceptionDetailList": [detail] } }))
    };
    let known = ["subjectType", "dateRange"];
    if !sent.as_object().is_some_and(|sent| sent.keys().all(|key| known.contains(&key.as_str()))) {
        return refused("a filter that nobody knows");
    }
    let range = &sent["dateRange"];
    let moment = |at: &Value| at.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let Some(from) = moment(&range["from"]) else { return refused("no beginning") };
    let to = moment(&range["to"]).unwrap_or_else(jiff::Timestamp::now);
    if range["dateType"] != "PermanentStorage" || to.duration_since(from).as_hours() > 24 * 92 {
        return refused("dates of a kind or an extent that is not taken");
    }
    let names: Vec<_> = ask.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| names.iter().find(|(known, _)| *known == name)?.1.parse::<usize>().ok();
    let (Some(page), Some(size @ 10..=250)) = (number("pageOffset"), number("pageSize")) else {
        return refused("no page");
    };
    if sent["subjectType"] == "Subject2" {
        let busy = Response::builder().status(429).header("retry-after", "30");
        return busy
            .header("content-type", "application/json")
            .body(Bytes::from_static(TOO_MANY.as_bytes()))
            .unwrap();
    }
    let mut told: Value = serde_json::from_str(REGISTERED).unwrap();
    let row = told["invoices"][0].clone();
    let rows = (page * size..HELD.min((page + 1) * size)).map(|at| {
        let mut row = row.clone();
        row["ksefNumber"] = json!(format!("5555555555-20250828-01{at:010}-E4"));
        row["invoiceNumber"] = json!(format!("FA/{at}"));
        row
    });
    told["invoices"] = rows.collect();
    told["hasMore"] = json!((page + 1) * size < HELD);
    said(200, &told)
}

/// A gate before it, over the shipped file.
struct Scene {
    stage: Stage,
    system: StandIn,
    state: Arc<Mutex<State>>,
    /// The store of receipts.
    stored: Arc<Mutex<Stored>>,
    _end: [oneshot::Sender<()>; 2],
    _files: [tempfile::NamedTempFile; 2],
}

fn scene(statuses: &'static [u16], troubled: Option<(&'static str, u16)>) -> Scene {
    scene_of("ksef", statuses, troubled, |text| text)
}

/// Starts a system on a thread of its own, until the sender is dropped.
fn started(system: Arc<dyn Answers>) -> (StandIn, oneshot::Sender<()>) {
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

/// A gate before it, over a shipped file with an edit.
fn scene_of(
    name: &str,
    statuses: &'static [u16],
    troubled: Option<(&'static str, u16)>,
    edit: impl FnOnce(String) -> String,
) -> Scene {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let public =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der.as_ref()));
    let state = Arc::<Mutex<State>>::default();
    let ksef =
        Ksef { open: OaepPrivateDecryptingKey::new(key).unwrap(), statuses, troubled, state: state.clone() };
    let (system, end) = started(Arc::new(ksef));
    let stored = Arc::new(Mutex::new(Stored { status: 200, asked: Vec::new() }));
    let (store, store_end) = started(Arc::new(Store(stored.clone())));
    state.lock().receipt = format!("http://{}/storage/upo.xml?sv=1&sig=%2BUW%3D", store.address);
    let files = [WORD, public.as_str()].map(|text| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    });
    let [word, pem] = [&files[0], &files[1]].map(|file| file.path().display().to_string());
    let stage = Stage::open(|policies: &Path| {
        let text = fs::read_to_string(policies.join(format!("systems/catalogue/{name}.yaml"))).unwrap();
        let text = text
            .replace(
                "https://api.ksef.mf.gov.pl/v2",
                &format!("http://{}\nallow_local: true", system.address),
            )
            .replace("https://api.ksef.mf.gov.pl", &format!("http://{}", store.address))
            .replace("${env:KSEF_TOKEN}", &format!("${{file:{word}}}"))
            .replace("/etc/bramka/ksef-token.pem", &pem)
            .replace("/etc/bramka/ksef-invoices.pem", &pem)
            .replace("every: 2s", "every: 5ms")
            .replace("most: 20", "most: 3");
        fs::write(policies.join(format!("systems/{name}.yaml")), edit(text)).unwrap();
        change(policies, "gateway.yaml", "  invoices: erp", &format!("  invoices: {name}"));
        let named = format!("  erp: [BC_TOKEN]\n  {name}: [\"file:{word}\", \"file:{pem}\"]");
        change(policies, "gateway.yaml", "  erp: [BC_TOKEN]", &named);
        fs::write(policies.join("access/ksef.cedar"), STATEMENT).unwrap();
        // Invoices are judged by `customer` there, which this system does not know.
        let partners = policies.join("access/partners.cedar");
        let text = fs::read_to_string(&partners).unwrap();
        let (before, rest) = text.split_once("@id(\"partners-read-own-invoices\")").unwrap();
        let (_, after) = rest.split_once("@id(\"partners-read-goods\")").unwrap();
        fs::write(&partners, format!("{before}@id(\"partners-read-goods\"){after}")).unwrap();
    });
    Scene { stage, system, state, stored, _end: [end, store_end], _files: files }
}

fn invoice() -> Value {
    json!({
        "number": "FA/1/2026", "issue_date": "2026-02-01", "due_date": "2026-02-15", "currency": "PLN",
        "buyer": { "name": "Młyn & Syn", "vat_id": "PL3861610227", "line1": "Polna 1", "post_code": "59-400", "city": "Jawor", "country": "PL" },
        "lines": [{ "description": "Mąka", "quantity": "2", "unit": "H87", "net_price": "14.50", "line_net_total": "29.00", "tax_category": "S", "tax_rate": "23" }],
        "tax_breakdown": [{ "tax_category": "S", "tax_rate": "23", "taxable_amount": "29.00", "tax_amount": "6.67" }],
        "tax_inclusive_total": "35.67"
    })
}

impl Scene {
    fn send(&self, key: &str) -> Answer {
        self.stage.ask(self.sending(key))
    }

    fn sending(&self, key: &str) -> Request<Full<Bytes>> {
        let request = asking(Method::POST, "/v1/invoices", Some(&self.stage.shop));
        let request = request.header("idempotency-key", key).header("content-type", "application/json");
        request.body(Bytes::from(invoice().to_string()).into()).unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        self.stage.ask(asking(Method::GET, path, Some(&self.stage.shop)).body(Bytes::new().into()).unwrap())
    }

    /// Where receipts are kept.
    fn place(&self) -> String {
        let receipt = self.state.lock().receipt.clone();
        receipt.split_once("/storage").unwrap().0.to_owned()
    }

    /// What the journal says of links, once the gate is stopped.
    fn links(&mut self, answer: &Answer) -> String {
        assert_eq!(self.stage.stop(), 0);
        let entries = book::of(&self.stage.data(), answer.header("x-request-id").unwrap());
        let notes = entries.last().unwrap()["notes"].as_array().cloned().unwrap_or_default();
        let links = notes.iter().find(|note| note[0] == "links");
        links.map(|note| note[1].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// Whether it was asked what became of an invoice.
    fn asks(&self) -> bool {
        self.steps().iter().any(|step| step.starts_with("GET"))
    }

    fn steps(&self) -> Vec<String> {
        let seen = self.system.seen();
        let steps = seen.iter().filter(|seen| seen.target.starts_with("/sessions"));
        steps.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

/// What the ministry's schema says of a document.
fn validated(document: &str) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(document.as_bytes()).unwrap();
    let told = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(format!("{FIXTURES}/schemat_FA3_v1-0E.xsd"))
        .arg(file.path())
        .env("XML_CATALOG_FILES", format!("{FIXTURES}/catalog.xml"))
        .output()
        .expect("xmllint is needed: scripts/test installs it");
    if told.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&told.stderr).into_owned()) }
}

#[test]
fn an_invoice_goes_in_sealed_and_comes_out_with_its_number_once() {
    let scene = scene(&[100, 150, 200], None);
    let made = scene.send("a").expect(201);
    // Ids are the systems' keys here.
    assert_eq!(made.json()["id"], NUMBER);
    assert_eq!(
        scene.steps(),
        [
            "POST /sessions/online",
            "POST /sessions/online/SO-1/invoices",
            "POST /sessions/online/SO-1/close",
            "GET /sessions/SO-1/invoices/EE-1",
            "GET /sessions/SO-1/invoices/EE-1",
            "GET /sessions/SO-1/invoices/EE-1",
            "GET /sessions/SO-1/invoices/EE-1",
        ]
    );
    let invoices = scene.state.lock().invoices.clone();
    assert_eq!(invoices.len(), 1);
    assert_eq!(validated(&invoices[0]), Ok(()));
    assert!(invoices[0].contains("<Nazwa>Młyn &amp; Syn</Nazwa>"), "{}", invoices[0]);
    let again = scene.send("a").expect(201);
    assert_eq!(again.json(), made.json());
    assert_eq!(scene.state.lock().invoices.len(), 1);
    let log = scene.stage.stderr();
    for secret in [WORD, "Bearer", "access\""] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn what_became_of_it_is_told_as_the_system_says() {
    for (code, status) in [(440, 409), (450, 422), (500, 502)] {
        let statuses: &'static [u16] = match code {
            440 => &[150, 440],
            450 => &[450],
            _ => &[500],
        };
        let scene = scene(statuses, None);
        scene.send("a").expect(status);
        assert_eq!(scene.state.lock().invoices.len(), 1, "{code}");
    }
}

#[test]
fn what_is_not_done_in_time_is_accepted_and_not_sent_again() {
    // No word in time; a session that cannot be closed; a status that cannot be had.
    for troubled in [None, Some(("/close", 500)), Some(("/invoices/EE-1", 503))] {
        let scene = scene(&[150], troubled);
        scene.send("a").expect(202);
        scene.send("a").expect(202);
        assert_eq!(scene.state.lock().invoices.len(), 1, "{troubled:?}");
    }
}

/// Where an accepted invoice is asked for.
fn location(accepted: &Answer) -> String {
    assert_eq!(accepted.json(), json!({ "state": "accepted" }));
    assert_eq!(accepted.header("retry-after"), Some("10"));
    let location = accepted.header("location").unwrap().to_owned();
    assert!(location.starts_with("/v1/invoices/accepted-"), "{location}");
    location
}

#[test]
fn what_may_be_accepted_is_described_with_where_to_ask_and_with_what_is_told_there() {
    let scene = scene(&[150], None);
    let document = scene.get("/openapi.json").expect(200).json();
    let of = |path: &str, method: &str| document["paths"][path][method]["responses"]["202"].clone();
    let (first, still) = (of("/v1/invoices", "post"), of("/v1/invoices/{id}", "get"));
    let accepted = json!({ "$ref": "#/components/schemas/Accepted" });
    assert_eq!(still["content"]["application/json"]["schema"], accepted);
    // Where there is no room to keep it, as much is told as is known.
    let either = json!({ "anyOf": [accepted, { "$ref": "#/components/schemas/Invoice.create" }] });
    assert_eq!(first["content"]["application/json"]["schema"], either);
    let told = scene.send("a").expect(202);
    let answers = [(&first, &told), (&still, &scene.get(&location(&told)).expect(202))];
    for (described, answer) in answers {
        for name in ["Location", "Retry-After"] {
            assert!(described["headers"][name]["schema"].is_object(), "{name}: {described}");
            assert!(answer.header(&name.to_lowercase()).is_some(), "{name}");
        }
        let schema = &document["components"]["schemas"]["Accepted"];
        assert_eq!(json!({ "state": schema["properties"]["state"]["const"] }), answer.json());
    }
    assert!(first["description"].as_str().unwrap().contains("`/v1/invoices/accepted-…`"), "{first}");
    assert_eq!(of("/v1/invoices", "get"), Value::Null);
}

#[test]
fn what_was_accepted_is_asked_for_until_it_is_made_and_over_a_restart() {
    let mut scene = scene(&[150, 150, 150, 150, 200], None);
    let accepted = scene.send("a").expect(202);
    let location = location(&accepted);
    let under_way = scene.get(&location).expect(202);
    assert_eq!(self::location(&under_way), location);
    scene.stage.kill_and_start();
    let made = scene.get(&location).expect(200).json();
    let sent = scene.state.lock().invoices.last().unwrap().clone();
    let clearance = json!({
        "number": NUMBER, "accepted_at": "2026-02-01T10:23:56.3881234Z", "document_hash": hash(sent.as_bytes()),
        "receipt": BASE64.encode(RECEIPT),
    });
    assert_eq!((&made["id"], &made["clearance"]), (&json!(NUMBER), &clearance));
    assert_eq!(made["lines"][0]["description"], "Mąka");
    // It stays as it ended: nobody asks the system again.
    let asked = scene.steps().len();
    assert_eq!(
        scene.get(&format!("{location}?fields=number,clearance.number")).expect(200).json(),
        json!({ "number": "FA/1/2026", "clearance": { "number": NUMBER } })
    );
    let again = scene.send("a").expect(201);
    assert_eq!(again.json(), made);
    assert_eq!(again.header("location"), Some(&*format!("/v1/invoices/{NUMBER}")));
    assert_eq!(scene.steps().len(), asked);
    let changing = scene.steps().into_iter().filter(|step| step.starts_with("POST")).count();
    assert_eq!((changing, scene.state.lock().invoices.len()), (3, 1), "nothing is sent a second time");
    // Each of them stands in the journal.
    assert_eq!(scene.stage.stop(), 0);
    let notes = |answer: &Answer| {
        let entries = book::of(&scene.stage.data(), answer.header("x-request-id").unwrap());
        entries.last().unwrap()["notes"].to_string()
    };
    let id = location.rsplit('/').next().unwrap();
    assert!(notes(&accepted).contains(id), "{}", notes(&accepted));
    assert!(notes(&under_way).contains(id) && notes(&under_way).contains("under_way"));
}

/// A gate that asks once a second, before a system that says nothing till it is let go.
fn held(statuses: &'static [u16]) -> Scene {
    let scene = scene_of("ksef", statuses, None, |text| {
        text.replace("every: 5ms", "every: 1s").replace("most: 3\n", "most: 60\n")
    });
    scene.state.lock().is_held = true;
    scene
}

#[test]
fn an_invoice_that_a_killed_gate_still_asked_for_is_found_again_by_its_key() {
    let mut scene = held(&[200]);
    let (address, ca) = (scene.stage.address().to_owned(), scene.stage.ca());
    let cut = scene.sending("a");
    let asking = thread::spawn(move || {
        runtime().block_on(async { Line::open(&address, &ca).await.ask(cut).await.is_err() })
    });
    until("it is asked what became of it", || scene.asks());
    scene.stage.kill_and_start();
    assert!(asking.join().unwrap(), "it was never answered");
    scene.state.lock().is_held = false;
    let sent = scene.state.lock().invoices.len();
    let made = scene.send("a").expect(201);
    assert_eq!((made.json()["id"].as_str(), sent), (Some(NUMBER), 1));
    assert_eq!(made.header("idempotent-replayed"), Some("true"));
    assert_eq!(scene.state.lock().invoices.len(), 1, "nothing is sent a second time");
}

#[test]
fn an_invoice_is_told_of_to_whoever_sends_it_again_while_the_gate_still_asks() {
    for (statuses, told) in [(&[200], 201), (&[440], 409)] {
        let scene = held(statuses);
        let (address, ca) = (scene.stage.address().to_owned(), scene.stage.ca());
        let first = scene.sending("a");
        let asking = thread::spawn(move || {
            runtime().block_on(async { Line::open(&address, &ca).await.ask(first).await })
        });
        until("it is asked what became of it", || scene.asks());
        let location = location(&scene.send("a").expect(202));
        scene.state.lock().is_held = false;
        asking.join().unwrap().unwrap().expect(told);
        // Where one was told to ask holds when the write has come to its end.
        scene.get(&location).expect(if told == 201 { 200 } else { told });
        assert_eq!(scene.state.lock().invoices.len(), 1, "nothing is sent a second time");
    }
}

#[test]
fn what_was_accepted_is_nobody_elses_and_no_record() {
    let scene = scene(&[150], None);
    let location = location(&scene.send("a").expect(202));
    let asked = scene.steps().len();
    let other = scene.stage.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--ttl", "1h"]);
    let other = other.out.trim().to_owned();
    let ask = |method: Method, path: &str, token: &str| {
        let request = asking(method, path, Some(token)).header("content-type", "application/json");
        scene.stage.ask(request.body(Bytes::from("{}").into()).unwrap())
    };
    ask(Method::GET, &location, &other).expect(404);
    scene.get("/v1/invoices/accepted-00112233445566778899aabbccddeeff").expect(404);
    ask(Method::DELETE, &location, &scene.stage.shop).expect(403);
    assert_eq!(scene.steps().len(), asked, "nobody was asked");
    assert!(scene.system.seen().iter().all(|seen| !seen.target.contains("accepted-")));
    scene.get(&location).expect(202);
}

#[test]
fn what_was_accepted_and_refused_is_told_with_the_reason_and_stays_refused() {
    for (statuses, told) in [(&[150, 150, 150, 440, 200][..], 409), (&[150, 150, 150, 450, 200][..], 422)] {
        let scene = scene(statuses, None);
        let location = location(&scene.send("a").expect(202));
        let refused = scene.get(&location).expect(told);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        scene.get(&location).expect(told);
        scene.send("a").expect(told);
        assert_eq!(scene.state.lock().invoices.len(), 1);
    }
}

#[test]
fn who_asks_signs_in_anew_where_the_session_is_spent() {
    let scene = scene(&[150, 150, 150, 200], None);
    let location = location(&scene.send("a").expect(202));
    scene.state.lock().spent = true;
    assert_eq!(scene.get(&location).expect(200).json()["id"], NUMBER);
    // A repeat under the key asks too.
    let scene = self::scene(&[150, 150, 150, 150, 200], None);
    let first = self::location(&scene.send("a").expect(202));
    assert_eq!(self::location(&scene.send("a").expect(202)), first);
    let made = scene.send("a").expect(201);
    assert_eq!(
        (made.json()["id"].as_str(), made.header("idempotent-replayed")),
        (Some(NUMBER), Some("true"))
    );
}

#[test]
fn a_step_that_was_tried_is_not_tried_again_by_who_asks() {
    let scene = scene(&[200], Some(("/close", 500)));
    let location = location(&scene.send("a").expect(202));
    assert_eq!(scene.get(&location).expect(200).json()["id"], NUMBER);
    assert_eq!(scene.steps().iter().filter(|step| step.ends_with("/close")).count(), 1);
}

#[test]
fn accepted_invoices_are_bounded_in_number_and_those_of_other_steps_are_not_guessed_at() {
    let scene = scene_of("ksef", &[150], None, |text| text);
    reloaded(&scene.stage, |policies| {
        change(policies, "gateway.yaml", "accepted_per_principal_max: 1000", "accepted_per_principal_max: 1");
    });
    let location = location(&scene.send("a").expect(202));
    let unkept = scene.send("b").expect(202);
    assert_eq!((unkept.header("location"), unkept.body.len()), (None, 0));
    reloaded(&scene.stage, |policies| {
        change(policies, "systems/ksef.yaml", "    - post: \"/sessions/online/{session}/close\"\n", "");
    });
    let asked = scene.steps().len();
    let gone = scene.get(&location).expect(410);
    assert!(gone.json()["type"].as_str().unwrap().ends_with("/superseded"), "{}", gone.json());
    assert_eq!(scene.steps().len(), asked);
}

#[test]
fn what_is_refused_before_it_goes_in_is_not_made() {
    for (end, status, told) in
        [("/sessions/online", 400, 422), ("/SO-1/invoices", 400, 422), ("/sessions/online", 429, 503)]
    {
        let scene = scene(&[200], Some((end, status)));
        scene.send("a").expect(told);
        assert_eq!(scene.state.lock().invoices.len(), 0, "{end} {status}");
    }
}

#[test]
fn whoever_sends_an_invoice_is_told_how_it_was_cleared_and_gets_the_receipt() {
    let scene = scene(&[200], None);
    let made = scene.send("a").expect(201).json();
    let sent = scene.state.lock().invoices.last().unwrap().clone();
    let clearance = json!({
        "number": NUMBER, "accepted_at": "2026-02-01T10:23:56.3881234Z", "document_hash": hash(sent.as_bytes()),
        "receipt": BASE64.encode(RECEIPT),
    });
    assert_eq!(made["clearance"], clearance);
    assert_eq!((&made["number"], &made["buyer"]["name"]), (&json!("FA/1/2026"), &json!("Młyn & Syn")));
    // Nothing was read back: KSeF gives out few documents an hour.
    assert!(scene.system.seen().iter().all(|seen| !seen.target.starts_with("/invoices")));
    // Read later it is the document as KSeF holds it.
    let read = scene.get(&format!("/v1/invoices/{NUMBER}")).expect(200).json();
    assert_eq!(read["clearance"], json!({ "number": NUMBER, "document_hash": hash(sent.as_bytes()) }));
    assert_eq!(read["lines"], made["lines"]);
    scene.get("/v1/invoices/5265877635-20260201-010080615741-E4").expect(404);
    scene.get("/v1/invoices").expect(405);
}

#[test]
fn without_a_receipt_the_invoice_is_made_all_the_same() {
    // The store says no, or sends elsewhere; no link is there to go by.
    for status in [302, 401, 404, 500, 0] {
        let mut scene = scene(&[200], None);
        match status {
            0 => scene.state.lock().receipt.clear(),
            status => scene.stored.lock().status = status,
        }
        let made = scene.send("a").expect(201);
        let clearance = &made.json()["clearance"];
        assert_eq!(clearance["number"], NUMBER);
        assert_eq!(clearance["accepted_at"], "2026-02-01T10:23:56.3881234Z");
        assert_eq!(clearance.get("receipt"), None);
        assert_eq!(scene.state.lock().invoices.len(), 1);
        assert_eq!(
            scene.stored.lock().asked.len(),
            usize::from(status > 0),
            "{status}: once, and nowhere else"
        );
        assert_eq!(scene.links(&made).contains(&format!(" {status}")), status > 0);
    }
}

#[test]
fn a_receipt_is_fetched_from_another_place_with_nothing_that_is_of_the_system() {
    let mut scene = scene_of("ksef", &[200], None, |text| {
        text.replace("timeouts: { call: 60s }", "headers: { X-Tenant: \"7\" }\ntimeouts: { call: 60s }")
    });
    let made = scene.send("a").expect(201);
    assert_eq!(made.json()["clearance"]["receipt"], BASE64.encode(RECEIPT));
    // Every field that came, and so no token, no tenant, no cookie, no id of ours.
    let asked = "GET /storage/upo.xml?sv=1&sig=%2BUW%3D accept: */*; user-agent: bramka";
    assert_eq!(scene.stored.lock().asked, [asked]);
    assert!(scene.system.seen().iter().all(|seen| !seen.header_names.contains(&"cookie".to_owned())));
    let place = scene.place();
    assert_eq!(scene.links(&made), format!("{place} 200"));
    let log = scene.stage.stderr();
    assert!(!log.contains("%2BUW") && !log.contains("storage/upo"), "what opens the receipt is in the log");
}

#[test]
fn a_link_to_a_place_that_the_file_does_not_list_is_followed_by_nobody() {
    let stored = Arc::new(Mutex::new(Stored { status: 200, asked: Vec::new() }));
    let (other, _end) = started(Arc::new(Store(stored.clone())));
    let mut scene = scene(&[200], None);
    scene.state.lock().receipt = format!("http://{}/storage/upo.xml?sig=word", other.address);
    let made = scene.send("a").expect(201);
    assert_eq!(made.json()["clearance"].get("receipt"), None);
    assert_eq!((stored.lock().asked.len(), scene.stored.lock().asked.len()), (0, 0));
    assert_eq!(scene.links(&made), format!("http://{} unlisted", other.address));
    let log = scene.stage.stderr();
    assert!(log.contains("led to nothing") && !log.contains("sig=word"), "{log}");
}

#[test]
fn a_place_beyond_the_system_that_refuses_says_nothing_of_the_sign_in_to_it() {
    let mut scene = scene(&[150, 150, 150, 200], None);
    scene.stored.lock().status = 401;
    let location = location(&scene.send("a").expect(202));
    let made = scene.get(&location).expect(200);
    assert_eq!(made.json()["clearance"]["number"], NUMBER);
    let logins = scene.system.seen().iter().filter(|seen| seen.target == "/auth/token/redeem").count();
    assert_eq!((logins, scene.stored.lock().asked.len()), (1, 1));
    assert!(scene.links(&made).ends_with(" 401"));
}

#[test]
fn the_register_is_listed_by_days_page_by_page() {
    let scene = scene_of("ksef-register", &[200], None, |text| text);
    let path =
        "/v1/invoices?limit=200&created_at[gte]=2025-08-01T00:00:00Z&created_at[lte]=2025-09-30T00:00:00Z";
    let first = scene.get(path).expect(200).json();
    let items = first["items"].as_array().unwrap();
    assert_eq!(items.len(), 200);
    assert_eq!((&items[7]["number"], &items[7]["tax_inclusive_total"]), (&json!("FA/7"), &json!("43370.57")));
    assert_eq!(items[7]["clearance"]["number"], "5555555555-20250828-010000000007-E4");
    let next = first["next_cursor"].as_str().unwrap();
    let rest = scene.get(&format!("{path}&cursor={next}")).expect(200).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), HELD - 200);
    assert!(rest["next_cursor"].is_null());
    let seen = scene.system.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.target.starts_with("/invoices")).collect();
    assert!(asked.iter().all(|seen| seen.method == "POST"));
    assert!(
        asked.iter().any(|seen| seen.target.contains("pageOffset=1")),
        "{:?}",
        asked.last().map(|seen| &seen.target)
    );
    assert_eq!(rest.get("truncated"), None);
    // Without days it is the last thirty, and the list says at its end that this is not all.
    let first = scene.get("/v1/invoices?limit=200").expect(200).json();
    let next = first["next_cursor"].as_str().unwrap();
    let rest = scene.get(&format!("/v1/invoices?limit=200&cursor={next}")).expect(200).json();
    assert_eq!(rest["truncated"], true);
    scene.get(&format!("/v1/invoices/{NUMBER}")).expect(405);
}

#[test]
fn a_register_that_is_asked_too_often_says_when_to_come_again() {
    let scene = scene_of("ksef-register", &[200], None, |text| {
        text.replace("subject: Subject1", "subject: Subject2")
    });
    let told = scene.get("/v1/invoices").expect(503);
    assert_eq!(told.header("retry-after"), Some("30"));
}
