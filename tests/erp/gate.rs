//! A gate over the company's ERP, by the shipped file of it; its caller may do everything with what is served.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use bramka::{certs::DevelopmentCerts, clock};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    company::{Company, PASSWORD},
    kit::{Answer, copy_all, root},
    line,
    mint::Issuer,
};

/// The fields of each entity that a star does not open; those that nobody writes last.
const CLOSED: [(&str, &str, &str, &str); 4] = [
    (
        "customers",
        "Customer",
        ", name, vat_id, tax_ids.value, emails.value, phones.value, addresses.name, addresses.line1, addresses.city, addresses.post_code",
        "",
    ),
    ("products", "Product", ", list_price, list_price.net_price, unit_cost", ""),
    (
        "orders",
        "Order",
        ", lines.net_price, bill_to.name, bill_to.line1, bill_to.city, bill_to.post_code, ship_to.name, ship_to.line1, ship_to.city, ship_to.post_code",
        ", customer_name, lines.line_net_total, tax_exclusive_total, tax_total, tax_inclusive_total",
    ),
    ("stock-levels", "StockLevel", "", ", on_hand, available"),
];

/// A running gate.
pub(crate) struct Gate {
    child: Child,
    address: String,
    token: String,
    dir: TempDir,
}

impl Gate {
    /// Starts it.
    pub(crate) fn over(company: &Company) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        let issuer = Issuer::new();
        bundle(&policies, company);
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
            .env("TRYTON_PASSWORD", PASSWORD)
            .env("BRAMKA_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let token = issuer.app("shop", &[]);
        let mut gate = Self { child, address: String::new(), token, dir };
        let mut lines = BufReader::new(gate.child.stdout.take().unwrap()).lines();
        while !lines
            .next()
            .unwrap_or_else(|| panic!("no gate:\n{}", gate.stderr()))
            .unwrap()
            .contains("ready")
        {}
        thread::spawn(move || lines.for_each(drop));
        let log = gate.stderr();
        let (_, rest) = log.split_once("ready data=[").unwrap();
        rest.split([']', ',']).next().unwrap().clone_into(&mut gate.address);
        gate
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

    /// The one record of a list.
    pub(crate) fn one(&self, path: &str) -> Value {
        let mut all = self.whole(path);
        assert_eq!(all.len(), 1, "{path}: {all:?}");
        all.remove(0)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A bundle of the shipped schema and limits, the shipped file, and statements that permit everything.
fn bundle(policies: &Path, company: &Company) {
    let shipped = root().join("policies");
    for folder in ["systems", "access", "principals"] {
        fs::create_dir_all(policies.join(folder)).unwrap();
    }
    copy_all(&shipped.join("schema"), &policies.join("schema"));
    for file in ["limits.yaml", "principals/attributes.yaml"] {
        fs::copy(shipped.join(file), policies.join(file)).unwrap();
    }
    let gateway = fs::read_to_string(shipped.join("gateway.yaml")).unwrap();
    let gateway = gateway.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    let serves = CLOSED.map(|(collection, ..)| format!("  {collection}: erp\n")).concat();
    let gateway = with_section(&gateway, "serves:", &serves);
    let gateway = with_section(&gateway, "secrets:", "  erp: [TRYTON_PASSWORD]\n");
    fs::write(policies.join("gateway.yaml"), gateway).unwrap();
    let file = fs::read_to_string(shipped.join("systems/catalogue/tryton.yaml")).unwrap();
    let base = file.lines().find(|line| line.starts_with("base:")).unwrap().to_owned();
    let file = file.replace(&base, &format!("base: \"http://{}/erp\"\nallow_local: true", company.address));
    // The shipped file has a user of the gate's own.
    let file = file.replace("user: gate", "user: admin").replace("params: [gate,", "params: [admin,");
    fs::write(policies.join("systems/erp.yaml"), file).unwrap();
    fs::write(policies.join("access/everything.cedar"), everything()).unwrap();
}

/// Gives a section of YAML other lines.
fn with_section(text: &str, head: &str, lines: &str) -> String {
    let (before, rest) = text.split_once(&format!("\n{head}\n")).unwrap();
    let after = rest.lines().skip_while(|line| line.starts_with(' ')).collect::<Vec<_>>().join("\n");
    format!("{before}\n{head}\n{lines}{after}\n")
}

fn everything() -> String {
    let of = |(collection, entity, written, seen): (&str, &str, &str, &str)| {
        format!(
            "@id(\"see-{collection}\")\n@fields(\"*{written}{seen}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"list\", Action::\"read\"], resource is {entity});\n\n\
             @id(\"write-{collection}\")\n@writes(\"*{written}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is {entity});\n\n"
        )
    };
    CLOSED.map(of).concat()
}
