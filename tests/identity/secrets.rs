//! What must never be seen: every secret of a run is looked for in everything that the run wrote.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use http::Method;
use tempfile::TempDir;

use crate::{
    ground::{GOODS, Raw},
    kit::{Answer, copy_shipped, until},
    line::{self, asking},
    mint::Issuer,
};

const RAW_SECRET: &str = "raw-system-secret-58f1c0";
/// What `demo` shows to its stand-ins.
const CRM_SECRET: &str = "pat-demo-0b1c2d3e";

/// A demo that logs all it can, with all its output in files.
struct Loud {
    child: Child,
    dir: TempDir,
}

impl Loud {
    fn start(edit: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        copy_shipped(&policies);
        edit(&policies);
        let file = |name: &str| fs::File::create(dir.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(dir.path().join("data"))
            .arg("--policies")
            .arg(&policies)
            .env("BRAMKA_LOG", "bramka=trace,info")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let loud = Self { child, dir };
        until("the demo is ready", || loud.read("stdout").contains("ready"));
        loud
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// A value of `demo.env`.
    fn env(&self, name: &str) -> String {
        let text = self.read("data/demo.env");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
        line.trim_matches('\'').to_owned()
    }

    fn issue(&self, more: &[&str]) -> String {
        let ran = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["token", "issue", "--kind", "App", "--id", "shop-backend", "--data"])
            .arg(self.dir.path().join("data"))
            .arg("--policies")
            .arg(self.dir.path().join("policies"))
            .args(more)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        self.send_to("BRAMKA_URL", request, body)
    }

    fn send_to(&self, listener: &str, request: http::request::Builder, body: &str) -> Answer {
        let address = self.env(listener).trim_start_matches("https://").to_owned();
        line::once(&address, &self.env("BRAMKA_CA"), request.body(body.to_owned().into()).unwrap())
    }

    /// Everything that was written, but for the file whose purpose is to hold the demo's tokens.
    fn written(&self) -> Vec<PathBuf> {
        let (mut files, mut open) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.metadata().map(|facts| (facts.is_dir(), facts.is_file())) {
                    Ok((true, _)) => open.push(path),
                    Ok((_, true)) if !path.ends_with("demo.env") && !path.ends_with("raw.secret") => {
                        files.push(path)
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        files
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn no_secret_of_a_run_is_in_anything_it_wrote_or_answered() {
    let (raw, issuer) = (Raw::start(), Issuer::new());
    let gate = Loud::start(|policies| {
        issuer.enrol(
            policies,
            "apps",
            "  - { kind: App, id: \"corp|shop\", groups: [apps], plan: internal }\n",
        );
        let secret = policies.with_file_name("raw.secret");
        fs::write(&secret, RAW_SECRET).unwrap();
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let reference =
            format!("{{ header: {{ name: x-raw-key, value: \"${{file:{}}}\" }} }}", secret.display());
        raw.join(policies, &reference, "");
        let assigned = format!("erp: [BC_TOKEN]\n  raw: [\"file:{}\"]", secret.display());
        crate::ground::edit(&policies.join("gateway.yaml"), "erp: [BC_TOKEN]", &assigned);
    });
    let (app, partner, key) =
        (gate.env("BRAMKA_APP_TOKEN"), gate.env("BRAMKA_PARTNER_TOKEN"), gate.issue(&["--api-key"]));
    let outside = issuer.app("shop", &[]);
    let expired = issuer.token_but("shop", &[], |_, claims| claims["exp"] = 1.into());
    let password = "hunter2-of-the-basic-caller";
    let answers = ask_everything(&gate, [&app, &partner, &key, &outside, &expired], password);
    assert!(
        answers.iter().any(|answer| answer.status == 200)
            && answers.iter().any(|answer| answer.status == 401)
    );
    // The upstream's own credential went out, and no caller's did.
    let heads = raw.heads.lock().join("\n");
    assert!(heads.contains(&format!("x-raw-key: {RAW_SECRET}")) && !heads.contains(&app), "{heads}");

    let mut secrets = vec![RAW_SECRET.to_owned(), CRM_SECRET.to_owned(), "erp-demo-secret".to_owned()];
    secrets.push(password.to_owned());
    secrets.push(data_encoding::BASE64.encode(format!("user:{password}").as_bytes()));
    // `brk_`, the public prefix, `_`, the secret, in which `_` may stand too.
    secrets.push(key.splitn(3, '_').nth(2).unwrap().to_owned());
    let admin = gate.env("BRAMKA_ADMIN_TOKEN");
    secrets.push(admin.split_once('_').map_or(admin.as_str(), |(_, secret)| secret).to_owned());
    // Of a token its signature: what is left without it is worth nothing, but is not there either.
    for token in [&app, &partner, &outside, &expired] {
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
    }
    let seen: Vec<(String, Vec<u8>)> = gate
        .written()
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .chain(answers.iter().map(|answer| {
            ("an answer".to_owned(), format!("{:?} {:?}", answer.headers, answer.body).into_bytes())
        }))
        .collect();
    assert!(seen.iter().any(|(name, bytes)| name.ends_with("stderr") && !bytes.is_empty()));
    assert!(seen.iter().any(|(name, bytes)| name.contains("/audit/") && !bytes.is_empty()));
    for secret in &secrets {
        assert!(secret.len() > 8);
        for (name, bytes) in &seen {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "`{secret}` is in {name}");
        }
    }
}

/// Requests that go well and requests that go wrong in many ways, with credentials in the right and in wrong
/// places.
fn ask_everything(gate: &Loud, credentials: [&String; 5], password: &str) -> Vec<Answer> {
    let [app, partner, key, outside, expired] = credentials;
    let get = |path: &str, token: &str| gate.send(asking(Method::GET, path, Some(token)), "");
    let mut answers = Vec::new();
    for token in [app, partner, key, outside, expired] {
        for path in [
            GOODS,
            "/v1/customers?limit=1",
            "/v1/orders?limit=1",
            "/v1/nothing",
            "/systems/raw/x",
            "/systems/erp/x",
        ] {
            answers.push(get(path, token));
        }
        // Where no credential belongs: in the query, in a body, in another header.
        answers.push(get(&format!("{GOODS}&access_token={token}"), app));
        answers.push(gate.send(asking(Method::GET, GOODS, Some(app)).header("x-api-key", token), ""));
        answers.push(gate.send(asking(Method::GET, GOODS, None).header("authorization", token), ""));
        let json =
            asking(Method::POST, "/v1/customers", Some(app)).header("content-type", "application/json");
        answers.push(gate.send(json, &format!("{{\"kind\":\"{token}\"}}")));
    }
    // What fails is logged with its cause.
    answers.push(get("/systems/raw/gone", app).expect(502));
    // What operators are told, and what they are refused.
    let admin = gate.env("BRAMKA_ADMIN_TOKEN");
    let operator = |path: &str, token: &str| {
        gate.send_to("BRAMKA_ADMIN_URL", asking(Method::GET, path, Some(token)), "")
    };
    for path in ["/metrics", "/readyz", "/api/bundle", "/api/systems"] {
        answers.push(operator(path, &admin).expect(200));
        answers.push(operator(path, app));
    }
    let basic = data_encoding::BASE64.encode(format!("user:{password}").as_bytes());
    answers.push(
        gate.send(asking(Method::GET, GOODS, None).header("authorization", format!("Basic {basic}")), ""),
    );
    answers.push(
        gate.send(asking(Method::GET, GOODS, None).header("cookie", format!("session={password}")), ""),
    );
    answers
}
