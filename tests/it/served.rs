//! A gate over a bundle of a test's own, and the one caller that the test is: it may do whatever the bundle permits.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use bramka::{certs::DevelopmentCerts, clock};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::{
    kit::{Answer, connect, runtime, until},
    line,
    mint::Issuer,
};

/// A running gate.
pub(crate) struct Served {
    child: Child,
    address: String,
    token: String,
    dir: TempDir,
}

impl Served {
    /// Starts it over the bundle in the folder `policies` of a directory.
    pub(crate) fn over(dir: TempDir, secrets: &[(&str, &str)]) -> Self {
        let policies = dir.path().join("policies");
        let issuer = Issuer::new();
        issuer.enrol(
            &policies,
            "apps",
            "  - { kind: App, id: \"corp|shop\", groups: [apps], plan: internal }\n",
        );
        DevelopmentCerts::ensure(&dir.path().join("certs"), clock::now().wall).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["serve", "--cores", "1", "--policies"])
            .arg(&policies)
            .arg("--data")
            .arg(dir.path().join("data"))
            .envs(secrets.iter().copied())
            .env("BRAMKA_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut served = Self { child, address: String::new(), token: issuer.app("shop", &[]), dir };
        served.wait_until_ready();
        served
    }

    fn wait_until_ready(&mut self) {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        while !lines
            .next()
            .unwrap_or_else(|| panic!("the gate did not start:\n{}", self.stderr()))
            .unwrap()
            .contains("ready")
        {}
        thread::spawn(move || lines.for_each(drop));
        let log = self.stderr();
        let (_, rest) = log.split_once("ready data=[").unwrap();
        rest.split([']', ',']).next().unwrap().clone_into(&mut self.address);
    }

    /// What went to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// Asks with a JSON body, or without one where it is null.
    pub(crate) fn ask(&self, method: Method, path: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
        let mut request = line::asking(method, path, Some(&self.token));
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request: Request<Full<Bytes>> = request.body(Full::new(body)).unwrap();
        line::once(&self.address, &self.dir.path().join("certs/ca.pem").display().to_string(), request)
    }

    /// Asks with a JSON body, and goes away unanswered once something is so.
    pub(crate) fn ask_and_leave(
        &self,
        (method, path): (Method, &str),
        body: &Value,
        (what, so): (&str, impl FnMut() -> bool),
    ) {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        runtime().block_on(async {
            let ca = self.dir.path().join("certs/ca.pem").display().to_string();
            let mut stream = connect(&self.address, &ca).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            until(what, so);
        });
    }

    /// Reads.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &Value::Null, &[])
    }

    /// Creates.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, body, &[])
    }

    /// Updates.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, body, &[])
    }

    /// Takes out.
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &Value::Null, &[])
    }

    /// All records of a list, page by page.
    pub(crate) fn whole(&self, path: &str) -> Vec<Value> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(at) = next {
            let page = self.get(&at).expect(200).json();
            assert_ne!(page["truncated"], true, "{path} is cut");
            all.extend(page["items"].as_array().unwrap_or_else(|| panic!("{page}")).iter().cloned());
            assert!(all.len() < 2000, "a list without end");
            next = page["next_cursor"].as_str().map(|cursor| format!("{path}{mark}cursor={cursor}"));
        }
        all
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
