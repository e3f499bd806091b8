//! A newcomer's first minute: every line that the demo prints works when pasted, and no secret lies about.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::kit::{Demo, Who};

/// Runs a printed line as a newcomer's shell would.
fn paste(line: &str) -> Value {
    let ran = Command::new("bash").arg("-c").arg(line).output().unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && ran.stderr.is_empty(), "{line}\n{error}");
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|e| panic!("{line}\n{e}\n{:?}", ran.stdout))
}

fn lines(demo: &Demo) -> Vec<String> {
    demo.printed().iter().filter(|line| line.contains("curl ")).cloned().collect()
}

#[test]
fn every_curl_line_that_the_demo_prints_works_when_pasted() {
    let demo = Demo::start_as_shipped();
    let lines = lines(&demo);
    assert_eq!(lines.len(), 8, "{lines:#?}");
    let answers: Vec<Value> = lines.iter().map(|line| paste(line)).collect();
    let [listed, read, created, native, orders, who, own, refused] = &answers[..] else { panic!() };

    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    assert_eq!(*read, listed["items"][0]);
    assert_eq!(created["name"], "Ewa Nowak");
    // The same record in the CRM's own shape, under the key that stands behind the id that the gate gave back.
    assert_eq!(native["total"], 1);
    let data = demo.data();
    let record = format!("Customer/{}", created["id"].as_str().unwrap());
    let shown = demo.run(&["ids", "show", &record, "--json", "--data", data.to_str().unwrap()]);
    let keys: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(keys["keys"][0]["key"], native["results"][0]["id"], "{shown:?}");
    assert_eq!(native["results"][0]["properties"]["firstname"], "Ewa");
    assert_eq!(native["results"][0]["properties"]["email"], created["emails"][0]["value"]);

    let days: Vec<&str> = orders["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["ordered_on"].as_str().unwrap())
        .collect();
    assert_eq!(days.len(), 3);
    assert!(days.is_sorted_by(|a, b| a >= b) && days.iter().all(|day| *day >= "2026-06-01"), "{days:?}");
    assert!(orders["items"].as_array().unwrap().iter().all(|order| order["status"] == "open"));

    // Who ordered is one record: a contact of the CRM, with what the ERP says that it owes.
    let order = &who["items"][0];
    let customers = order["included"]["customer"]["items"].as_array().unwrap();
    assert_eq!(customers.len(), 1, "{order}");
    let customer = &customers[0];
    assert_eq!((&customer["id"], &customer["company"]), (&order["customer"], &order["customer_name"]));
    assert!(customer["emails"][0]["value"].is_string(), "{customer}");
    assert!(customer["credit"]["limit"].is_string() && customer["credit"]["used"].is_string(), "{customer}");
    assert!(customer.get("partial").is_none() && customer["payment_terms"]["code"].is_string(), "{customer}");

    let own = own["items"].as_array().unwrap();
    assert_eq!(own.len(), 3);
    for order in own {
        assert_eq!(order["customer"], own[0]["customer"]);
        for hidden in ["customer_name", "phone", "salesperson", "discount_total"] {
            assert!(order.get(hidden).is_none(), "{hidden}");
        }
        assert!(order["lines"][0].get("net_price").is_none());
    }
    assert_eq!(refused["status"], 403);
    assert!(refused["request_id"].is_string());
}

#[test]
fn a_created_record_is_refused_a_second_time_and_the_line_says_why() {
    let demo = Demo::start();
    let create = lines(&demo).into_iter().find(|line| line.contains("Ewa Nowak")).unwrap();
    assert_eq!(paste(&create)["name"], "Ewa Nowak");
    let again = paste(&create);
    assert_eq!(again["status"], 409);
    assert_eq!(again["title"], "there is such a record already");
}

#[test]
fn secrets_stand_in_one_private_file_and_nowhere_else() {
    let demo = Demo::start();
    for who in [Who::App, Who::Partner] {
        demo.get("/v1/orders?limit=5").by(who).send().expect(200);
    }
    demo.get("/systems/crm/crm/v3/objects/contacts?limit=1").send().expect(200);
    demo.get("/v1/orders")
        .by(Who::Nobody)
        .with("x-api-key", demo.env("BRAMKA_APP_TOKEN"))
        .send()
        .refused(401);

    let file = demo.data().join("demo.env");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut names: Vec<&str> = demo.env_all().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "BRAMKA_ADMIN_TOKEN",
            "BRAMKA_ADMIN_URL",
            "BRAMKA_APP_TOKEN",
            "BRAMKA_CA",
            "BRAMKA_PARTNER_TOKEN",
            "BRAMKA_URL"
        ]
    );
    let mut secrets: Vec<String> = ["BRAMKA_APP_TOKEN", "BRAMKA_PARTNER_TOKEN", "BRAMKA_ADMIN_TOKEN"]
        .iter()
        .map(|name| demo.env(name).to_owned())
        .collect();
    // A signature alone would let somebody finish a token of which he knows the rest.
    let signatures: Vec<String> =
        secrets.iter().filter_map(|secret| Some(secret.rsplit_once('.')?.1.to_owned())).collect();
    secrets.extend(signatures);
    secrets.push("pat-demo-0b1c2d3e".to_owned());
    let printed = demo.printed().join("\n");
    let stderr = demo.stderr();
    let data = demo.data();
    let (code, dir) = demo.stop();
    assert_eq!(code, 0, "{stderr}");
    for secret in &secrets {
        assert!(!printed.contains(secret.as_str()), "standard output");
        assert!(!stderr.contains(secret.as_str()), "standard error");
        let finds = holding(&dir.path().join("data"), secret.as_bytes());
        assert!(finds.iter().all(|found| found.ends_with("demo.env")), "{finds:?} of {}", data.display());
    }
}

/// The files under a folder that hold some bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&entry.path(), bytes));
        } else if kind.is_file() && memchr::memmem::find(&fs::read(entry.path()).unwrap(), bytes).is_some() {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn private_files_of_the_data_folder_are_their_owner_s_only() {
    let demo = Demo::start();
    for path in
        ["keys", "audit", "bramka.db", "demo.env", "certs/server.key", "certs/ca.key", "keys/gate.key"]
    {
        let mode = fs::metadata(demo.data().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path} {mode:o}");
    }
}

#[test]
fn a_second_start_over_the_same_data_knows_its_callers_and_keeps_its_certificates() {
    let demo = Demo::start();
    let (app, ca) = (demo.token(Who::App).unwrap(), fs::read(demo.env("BRAMKA_CA")).unwrap());
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let demo = Demo::start_in(dir, &[]);
    assert_eq!(fs::read(demo.env("BRAMKA_CA")).unwrap(), ca);
    let asked =
        demo.get("/v1/products?limit=1").by(Who::Nobody).with("authorization", format!("Bearer {app}"));
    assert_eq!(asked.send().expect(200).items().len(), 1);
}

#[test]
fn a_stop_that_comes_with_the_first_moment_is_a_clean_one() {
    for _ in 0..8 {
        let demo = Demo::start();
        let log = demo.data().with_file_name("stderr");
        let (code, dir) = demo.stop();
        assert_eq!(code, 0, "{}", fs::read_to_string(log).unwrap_or_default());
        assert!(crate::book::verify(&dir.path().join("data")).is_whole());
    }
}

/// A third system, which is asked with a secret of its own.
const SHELVES: &str = r#"system: shelves
base: "http://{at}"
allow_local: true
sign_in: { header: { name: X-Shelves-Key, value: "${env:SHELVES_KEY}" } }
entities:
  StockLevel:
    at: /stock
    list: { rows: . }
    read: {}
    fields: { sku: sku, on_hand: count }
"#;

#[test]
fn a_further_system_of_the_demo_is_asked_with_the_secret_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(line)) = lines.next().filter(|line| line.as_ref().is_ok_and(|l| !l.is_empty())) {
            head.push_str(&line.to_lowercase());
            head.push('\n');
        }
        let body = r#"[ { "id": "1", "sku": "LAMP", "count": 3 } ]"#;
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        tell.send(head).unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    fs::write(policies.join("systems/shelves.yaml"), SHELVES.replace("{at}", &at)).unwrap();
    let gateway = policies.join("gateway.yaml");
    let text = fs::read_to_string(&gateway).unwrap();
    let text = text.replace("  stock-levels: erp\n", "  stock-levels: shelves\n");
    let text = text.replace("  erp: [BC_TOKEN]\n", "  erp: [BC_TOKEN]\n  shelves: [SHELVES_KEY]\n");
    fs::write(&gateway, text).unwrap();
    // The real CRM's token, where it is set, is not for the stand-in.
    let env = [("SHELVES_KEY", "k-17"), ("HUBSPOT_TOKEN", "of-the-real-one")];
    let demo = Demo::start_beside(dir, &[], &env);
    assert_eq!(demo.get("/v1/stock-levels?limit=1").by(Who::App).send().expect(200).items().len(), 1);
    assert!(told.recv().unwrap().contains("x-shelves-key: k-17\n"));
    assert_eq!(demo.get("/v1/customers?limit=1").by(Who::App).send().expect(200).items().len(), 1);
}
