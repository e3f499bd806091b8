//! `bramka serve` over stand-ins that the test holds in its own hands: it sees what the systems were asked,
//! and makes them slow, full or broken.

use std::{
    fs::{self, DirBuilder},
    io::{BufRead, BufReader},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

use bramka::{
    certs::DevelopmentCerts,
    clock,
    demo::{
        erp, seed,
        standin::{self, Answers as _, Ask, StandIn},
    },
};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    kit::{Answer, Ran, copy_shipped, ran, runtime, until},
    line,
    mint::Issuer,
};

const CRM_TOKEN: &str = "pat-stage-5d0e";
pub(crate) const ERP_CLIENT: (&str, &str) = ("stage", "erp-stage-secret");

/// Principals of the test's issuer, with plans that do not get in the way.
const SHOP: &str = "  - { kind: App, id: \"corp|shop\", groups: [apps], plan: internal }\n";
const PORTAL: &str = "  - { kind: Partner, id: \"corp|portal\", groups: [partners] }\n";

/// A gate and its systems.
pub(crate) struct Stage {
    pub(crate) crm: StandIn,
    pub(crate) erp: StandIn,
    pub(crate) shop: String,
    pub(crate) portal: String,
    address: String,
    child: Child,
    dir: TempDir,
    _standins: oneshot::Sender<()>,
}

/// How it is started.
#[derive(Default)]
pub(crate) struct Staging<'a> {
    /// What comes before the program in its command line; `{audit}` is the journal's folder, made before.
    pub(crate) under: &'a [&'a str],
    /// `BRAMKA_LOG`.
    pub(crate) log: Option<&'a str>,
}

impl Stage {
    /// Starts it over a copy of the shipped policies that `edit` may change.
    pub(crate) fn open(edit: impl FnOnce(&Path)) -> Self {
        Self::open_as(&Staging::default(), edit)
    }

    /// Runs a verb over its data and policies, with the secrets that its systems want.
    pub(crate) fn verb(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bramka"));
        command.args(args).arg("--data").arg(self.data()).arg("--policies").arg(self.policies());
        ran(secrets(&mut command))
    }

    /// Runs a verb that knows its data alone.
    pub(crate) fn only_data(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bramka"));
        ran(command.args(args).arg("--data").arg(self.data()))
    }

    /// Runs a verb that knows its policies alone, with the secrets that its systems want.
    pub(crate) fn only_policies(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bramka"));
        command.args(args).arg("--policies").arg(self.policies());
        ran(secrets(&mut command))
    }

    /// The same, in a way of its own.
    pub(crate) fn open_as(staging: &Staging<'_>, edit: impl FnOnce(&Path)) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (crm, erp) = systems(stopped);
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        copy_shipped(&policies);
        // Others are let in here: what is proved of the shipped policies need not be so.
        fs::remove_file(policies.join("proofs.yaml")).unwrap();
        let issuer = Issuer::new();
        issuer.enrol(&policies, "apps, partners, staff", SHOP);
        let acme = policies.join("principals/acme.yaml");
        let registered = fs::read_to_string(&acme).unwrap();
        fs::write(&acme, format!("{registered}{PORTAL}")).unwrap();
        point(&policies.join("systems/crm.yaml"), &format!("http://{}", crm.address));
        point(&policies.join("systems/erp.yaml"), &format!("http://{}{}", erp.address, erp::ROOT));
        let gateway = policies.join("gateway.yaml");
        let text = fs::read_to_string(&gateway).unwrap();
        fs::write(
            &gateway,
            text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0"),
        )
        .unwrap();
        edit(&policies);
        DevelopmentCerts::ensure(&dir.path().join("certs"), clock::now().wall).unwrap();
        let child = spawn(dir.path(), staging);
        let (shop, portal) = (issuer.app("shop", &[]), issuer.partner("portal"));
        let mut stage = Self { crm, erp, shop, portal, address: String::new(), child, dir, _standins: stop };
        stage.wait_until_ready();
        stage
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

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> i32 {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut code = None;
        until("the gate stops", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code().unwrap_or(-1)
    }

    /// Ends it at once, as a power cut of the process would, and starts it anew over the same folders and systems.
    pub(crate) fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.start();
    }

    /// Starts it anew over the same folders and systems, once it has ended.
    pub(crate) fn start(&mut self) {
        self.child = spawn(self.dir.path(), &Staging::default());
        self.wait_until_ready();
    }

    /// Starts a successor over the same folders; the gate before it, which ends once it has drained.
    pub(crate) fn hand_over(&mut self) -> Child {
        let successor = spawn(self.dir.path(), &Staging::default());
        let before = std::mem::replace(&mut self.child, successor);
        self.wait_until_ready();
        before
    }

    /// Where the policies are.
    pub(crate) fn policies(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    /// Where it lies.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What went to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where callers come in.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whom callers trust.
    pub(crate) fn ca(&self) -> String {
        self.dir.path().join("certs/ca.pem").display().to_string()
    }

    /// Asks over a connection of its own.
    pub(crate) fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        line::once(&self.address, &self.ca(), request)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Both stand-ins, on a thread of their own until the test is over.
fn systems(stopped: oneshot::Receiver<()>) -> (StandIn, StandIn) {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let crm = standin::start(0, seed::crm(CRM_TOKEN)).await.unwrap();
            let erp = standin::start(0, seed::erp(ERP_CLIENT.0, ERP_CLIENT.1) as Arc<_>).await.unwrap();
            drop(tell.send((crm, erp)));
            drop(stopped.await);
        });
    });
    told.blocking_recv().unwrap()
}

/// What the ERP itself tells, before anything has changed.
pub(crate) fn seeded(path: &str, query: &str) -> Value {
    let token = erp::token(ERP_CLIENT.0, ERP_CLIENT.1);
    let headers = [(header::AUTHORIZATION, format!("Bearer {token}").try_into().unwrap())];
    let ask = Ask {
        method: Method::GET,
        path: format!("{}{path}", erp::ROOT),
        query: query.to_owned(),
        headers: headers.into_iter().collect(),
        body: Bytes::new(),
    };
    let answer = seed::erp(ERP_CLIENT.0, ERP_CLIENT.1).answer(&ask);
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(answer.body()).unwrap()
}

/// Points a system's file somewhere else.
fn point(file: &Path, base: &str) {
    let text = fs::read_to_string(file).unwrap();
    let old = text.lines().find(|line| line.starts_with("base:")).unwrap();
    fs::write(file, text.replace(old, &format!("base: \"{base}\"\nallow_local: true"))).unwrap();
}

fn secrets(command: &mut Command) -> &mut Command {
    command.env("HUBSPOT_TOKEN", CRM_TOKEN).env("BC_TOKEN", erp::token(ERP_CLIENT.0, ERP_CLIENT.1))
}

fn spawn(dir: &Path, staging: &Staging<'_>) -> Child {
    let program = env!("CARGO_BIN_EXE_bramka");
    let mut command = match staging.under {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let audit = dir.join("data").join("audit");
            DirBuilder::new().recursive(true).mode(0o700).create(&audit).unwrap();
            let mut command = Command::new(first);
            let audit = audit.display().to_string();
            command.args(rest.iter().map(|word| word.replace("{audit}", &audit))).arg(program);
            command
        }
    };
    secrets(&mut command)
        .args(["serve", "--cores", "1", "--policies"])
        .arg(dir.join("policies"))
        .arg("--data")
        .arg(dir.join("data"))
        .env("BRAMKA_LOG", staging.log.unwrap_or("info"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(dir.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}
