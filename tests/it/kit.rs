//! One kit for every promise: the real binary, a real socket, one line a fact.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running `bramka demo`.
pub struct Demo {
    child: Child,
    dir: TempDir,
    env: HashMap<String, String>,
    printed: Vec<String>,
    /// Whether to look for what must not happen when it ends.
    quiet: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    App,
    Partner,
    Admin,
    Nobody,
}

impl Demo {
    /// Starts the demo on free ports and waits until it says that it is ready.
    pub fn start() -> Self {
        Self::start_with(|_| {}, &[])
    }

    /// The same, over the shipped policies as they are.
    pub fn start_as_shipped() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_all(&root().join("policies"), &dir.path().join("policies"));
        Self::start_in(dir, &[])
    }

    /// The same, over a copy of the shipped policies that `edit` may change.
    pub fn start_with(edit: impl FnOnce(&Path), args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        copy_shipped(&policies);
        edit(&policies);
        Self::start_in(dir, args)
    }

    /// Starts over a folder that holds `policies` (and perhaps `data` of an earlier run).
    pub fn start_in(dir: TempDir, args: &[&str]) -> Self {
        Self::start_beside(dir, args, &[])
    }

    /// The same, where these variables are set.
    pub fn start_beside(dir: TempDir, args: &[&str], env: &[(&str, &str)]) -> Self {
        let data = dir.path().join("data");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--data")
            .arg(&data)
            .arg("--policies")
            .arg(dir.path().join("policies"))
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        loop {
            match lines.next() {
                Some(line) => {
                    let line = line.unwrap();
                    let ready = line.contains("ready");
                    printed.push(line);
                    if ready {
                        break;
                    }
                }
                None => panic!(
                    "the demo ended before it was ready:\n{}\n{}",
                    printed.join("\n"),
                    fs::read_to_string(dir.path().join("stderr")).unwrap()
                ),
            }
        }
        // The rest of its output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let text = fs::read_to_string(data.join("demo.env")).unwrap();
        let env = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.trim_matches(['"', '\'']).to_owned()))
            .collect();
        Self { child, dir, env, printed, quiet: false }
    }

    /// What the demo printed until it was ready.
    pub fn printed(&self) -> &[String] {
        &self.printed
    }

    /// A value of `demo.env`.
    pub fn env(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("demo.env lacks {name}"))
    }

    /// Everything of `demo.env`.
    pub fn env_all(&self) -> &HashMap<String, String> {
        &self.env
    }

    /// Where the data is.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where the policies are.
    pub fn policies(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What went to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// `127.0.0.1:port` of the data listener.
    pub fn address(&self) -> String {
        self.env("BRAMKA_URL").trim_start_matches("https://").replace("localhost", "127.0.0.1")
    }

    /// `127.0.0.1:port` of the admin listener.
    pub fn admin_address(&self) -> String {
        self.env("BRAMKA_ADMIN_URL").trim_start_matches("https://").replace("localhost", "127.0.0.1")
    }

    /// A token.
    pub fn token(&self, who: Who) -> Option<String> {
        match who {
            Who::App => Some(self.env("BRAMKA_APP_TOKEN").to_owned()),
            Who::Partner => Some(self.env("BRAMKA_PARTNER_TOKEN").to_owned()),
            Who::Admin => Some(self.env("BRAMKA_ADMIN_TOKEN").to_owned()),
            Who::Nobody => None,
        }
    }

    /// Asks for a path of the data listener.
    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    /// Asks by any method.
    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            demo: self,
            method,
            path: path.to_owned(),
            who: Who::App,
            headers: Vec::new(),
            body: Bytes::new(),
            admin: false,
        }
    }

    /// Asks for a path of the admin listener.
    pub fn admin(&self, method: Method, path: &str) -> Ask<'_> {
        Ask { admin: true, who: Who::Admin, ..self.ask(method, path) }
    }

    /// Runs a verb of the binary as it is.
    pub fn run(&self, args: &[&str]) -> Ran {
        run(args)
    }

    /// Runs a verb of the binary over this demo's data and policies.
    pub fn verb(&self, args: &[&str]) -> Ran {
        let (data, policies) = (self.data(), self.policies());
        let mut all = args.to_vec();
        all.extend(["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()]);
        run(&all)
    }

    /// Ends it at once, as a power cut of the process would.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.quiet = true;
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// Asks it to stop (SIGTERM) and waits until it has; gives the exit code and the folder.
    pub fn stop(mut self) -> (i32, TempDir) {
        self.signal("TERM");
        let code = self.wait();
        self.quiet = true;
        (code, std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap()))
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(done.success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < until, "the gate did not stop");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.quiet {
            return;
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a verb of the binary gave back.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the binary.
pub fn run(args: &[&str]) -> Ran {
    ran(Command::new(env!("CARGO_BIN_EXE_bramka")).args(args))
}

/// Runs a command of the binary to its end.
pub fn ran(command: &mut Command) -> Ran {
    let output = command.env_remove("BRAMKA_LOG").output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// One request.
pub struct Ask<'a> {
    demo: &'a Demo,
    method: Method,
    path: String,
    who: Who,
    headers: Vec<(String, String)>,
    body: Bytes,
    admin: bool,
}

impl Ask<'_> {
    /// As whom.
    pub fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// With a header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into();
        self.with("content-type", "application/json")
    }

    /// With a body as it is.
    pub fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.with("content-type", kind)
    }

    /// Sends it over a connection of its own.
    pub fn send(self) -> Answer {
        runtime().block_on(self.send_async())
    }

    /// Sends it.
    pub async fn send_async(self) -> Answer {
        let address = if self.admin { self.demo.admin_address() } else { self.demo.address() };
        let stream = connect(&address, self.demo.env("BRAMKA_CA")).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request =
            Request::builder().method(self.method).uri(&self.path).header(header::HOST, "localhost");
        if let Some(token) = self.demo.token(self.who) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = sender.send_request(request.body(Full::new(self.body)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// A TLS connection to the gate.
pub async fn connect(address: &str, ca: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    connector(ca).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

/// Who trusts the demo's CA.
pub fn connector(ca: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Value> {
        self.json()["items"].as_array().cloned().unwrap_or_else(|| panic!("no items: {:?}", self.body))
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks the status and gives the answer on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks that it is a refusal as problem+json.
    #[track_caller]
    pub fn refused(self, status: u16) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "request_id"] {
            assert!(problem[field].is_string(), "{problem}");
        }
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));
        answer
    }
}

/// A runtime for one test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the shipped policies, but for what callers see as ids: most tests ask for records by the stand-ins' keys,
/// by which no record of the CRM is one of the ERP.
pub fn copy_shipped(to: &Path) {
    copy_all(&root().join("policies"), to);
    let gateway = to.join("gateway.yaml");
    let text = fs::read_to_string(&gateway).unwrap();
    assert!(text.contains("\nids: opaque\n") && text.contains(CUSTOMERS));
    let text = text.replace("\nids: opaque\n", "\nids: keys\n").replace(CUSTOMERS, "  customers: crm\n");
    fs::write(&gateway, text).unwrap();
}

/// Who serves customers, as shipped.
const CUSTOMERS: &str = "  customers:
    system: crm                     # who a customer is; what it may owe stands in the books
    with: { erp: { fields: [credit, payment_terms], on: id } }
";

/// Copies a folder.
pub fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
