//! A small company's real ERP: `trytond` over a copy of the seeded database, asked beside the gate by its own RPC.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::kit::{root, runtime};

/// The password of its user `admin`.
pub(crate) const PASSWORD: &str = "admin";

/// A running `trytond`.
pub(crate) struct Company {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The credential of a session of its own.
    authorization: String,
    _dir: TempDir,
}

/// What `scripts/test` made: an environment of Python, and the database.
fn made() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("erp");
    assert!(
        folder.join("erp.sqlite").is_file(),
        "run scripts/test, which installs Tryton and seeds its database"
    );
    folder
}

impl Company {
    /// Starts it as it begins, and waits until it answers.
    pub(crate) fn open() -> Self {
        Self::over("erp.sqlite")
    }

    /// Starts it as it is after it has traded for a while.
    pub(crate) fn traded() -> Self {
        Self::over("trade/erp.sqlite")
    }

    /// Starts it over a copy of a database.
    fn over(database: &str) -> Self {
        let (made, dir) = (made(), tempfile::tempdir().unwrap());
        fs::copy(made.join(database), dir.path().join("erp.sqlite")).unwrap();
        let mut child = Command::new(made.join("bin/python"))
            .arg(root().join("tests/erp/serve.py"))
            .arg(dir.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Its end is the server's.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line =
            BufReader::new(child.stdout.take().unwrap()).lines().next().expect("trytond did not start");
        let port: u16 = line.unwrap().parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut company = Self { child, address, authorization: String::new(), _dir: dir };
        let login = company.asked("common.db.login", &json!(["admin", { "password": PASSWORD }]));
        let [id, token] = [0, 1].map(|at| login["result"][at].clone());
        let session = format!("admin:{id}:{}", token.as_str().unwrap());
        company.authorization = format!("Session {}", BASE64.encode(session.as_bytes()));
        company
    }

    /// What a method answers.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        let answer = self.asked(method, params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// One record, by its number.
    pub(crate) fn record(&self, model: &str, id: i64, fields: &[&str]) -> Value {
        let context = json!({ "company": 1, "companies": [1], "language": "en", "active_test": false });
        let params = json!([[["id", "=", id]], 0, 1, null, fields, context]);
        self.call(&format!("model.{model}.search_read"), &params)[0].clone()
    }

    /// The number of the one record that a field says so of.
    pub(crate) fn number(&self, model: &str, field: &str, is: &str) -> i64 {
        let params = json!([[[field, "=", is]], 0, 2, null, { "company": 1, "active_test": false }]);
        let found = self.call(&format!("model.{model}.search"), &params);
        assert_eq!(found.as_array().unwrap().len(), 1, "{model} {field} {is}: {found}");
        found[0].as_i64().unwrap()
    }

    fn asked(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "id": 0, "method": method, "params": params }).to_string();
        let answer = self.post("/erp/rpc/", &self.authorization, body.into());
        serde_json::from_slice(answer.body())
            .unwrap_or_else(|_| panic!("{method}: {}", String::from_utf8_lossy(answer.body())))
    }

    /// What it answers to a request. Whoever asks may be at home in a runtime of its own.
    pub(crate) fn post(&self, path: &str, authorization: &str, body: Bytes) -> Response<Bytes> {
        let mut request = Request::builder().method(Method::POST).uri(path);
        request = request.header("host", self.address.to_string()).header("content-type", "application/json");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(body)).unwrap();
        let asked = async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let driver = tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            driver.abort();
            Response::from_parts(head, body)
        };
        thread::scope(|scope| scope.spawn(|| runtime().block_on(asked)).join().unwrap())
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
