//! A gate that serves signed policies alone: OpenSSH signs, and whatever is not what was signed does not serve, at the
//! start and at a reload.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use bramka::{certs::DevelopmentCerts, clock};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    book,
    kit::{Answer, Ran, copy_all, copy_shipped, ran, run, until},
    line,
};

const OURS: &str = "bramka-bundle";
const GUARDS: &str = "access/guards.cedar";
/// A statement that gives partners what they do not have.
const OPENING: &str = "@id(\"opening\")\n@fields(\"id, kind\")\npermit (principal is Partner in Group::\"partners\", \
                       action == Action::\"read\", resource is Customer);\n";

/// A bundle, those who sign it, and a gate's data.
struct House {
    dir: TempDir,
}

/// A gate that runs.
struct Gate<'a> {
    house: &'a House,
    child: Child,
    admin: String,
}

impl House {
    fn new() -> Self {
        let house = Self { dir: tempfile::tempdir().unwrap() };
        copy_shipped(&house.policies());
        let gateway = house.policies().join("gateway.yaml");
        let text = fs::read_to_string(&gateway).unwrap();
        let free = text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
        fs::write(&gateway, free).unwrap();
        DevelopmentCerts::ensure(&house.at("certs"), clock::now().wall).unwrap();
        fs::write(house.at("signers"), "# who may sign the policies\n").unwrap();
        house
    }

    /// One whose lock those two signed.
    fn signed_by(people: &[&str]) -> Self {
        let house = Self::new();
        for who in people {
            house.enrol(who, who, &["-t", "ed25519"]);
        }
        house.lock();
        people.iter().for_each(|who| house.sign(who));
        house
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn policies(&self) -> PathBuf {
        self.at("policies")
    }

    fn data(&self) -> PathBuf {
        self.at("data")
    }

    /// Makes somebody a key and lets them sign with it.
    fn enrol(&self, who: &str, key: &str, kind: &[&str]) {
        self.key(key, kind);
        let public = fs::read_to_string(self.at(&format!("{key}.pub"))).unwrap();
        let signers = fs::read_to_string(self.at("signers")).unwrap();
        fs::write(self.at("signers"), format!("{signers}{who}@example.com namespaces=\"{OURS}\" {public}"))
            .unwrap();
    }

    fn key(&self, key: &str, kind: &[&str]) {
        let made = ran(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", key, "-f"])
            .arg(self.at(key))
            .args(kind));
        assert_eq!(made.code, 0, "{made:?}");
    }

    fn policy(&self, words: &[&str]) -> Ran {
        let policies = self.policies();
        run(&[&["policy"], words, &["--policies", policies.to_str().unwrap()]].concat())
    }

    fn lock(&self) {
        let locked = self.policy(&["lock"]);
        assert_eq!(locked.code, 0, "{locked:?}");
    }

    fn sign(&self, key: &str) {
        self.sign_for(key, OURS);
    }

    fn sign_for(&self, key: &str, namespace: &str) {
        let lock = self.policies().join("bundle.lock");
        let signed = ran(Command::new("ssh-keygen")
            .args(["-Y", "sign", "-n", namespace, "-f"])
            .arg(self.at(key))
            .arg(&lock));
        assert_eq!(signed.code, 0, "{signed:?}");
        let made = self.policies().join("bundle.lock.sig");
        fs::rename(made, self.policies().join(format!("bundle.lock.{key}.sig"))).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let file = self.policies().join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// The folder as it stands, for later.
    fn copy(&self, name: &str) {
        copy_all(&self.policies(), &self.at(name));
    }

    /// Puts a folder in the place of the bundle's, at once.
    fn put(&self, name: &str) {
        copy_all(&self.at(name), &self.at("fresh"));
        fs::rename(self.policies(), self.at("gone")).unwrap();
        fs::rename(self.at("fresh"), self.policies()).unwrap();
        fs::remove_dir_all(self.at("gone")).unwrap();
    }

    fn serve(&self, need: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bramka"));
        command
            .args(["serve", "--cores", "1", "--need", need, "--trust"])
            .arg(self.at("signers"))
            .arg("--policies")
            .arg(self.policies())
            .arg("--data")
            .arg(self.data())
            .envs([("HUBSPOT_TOKEN", "x"), ("BC_TOKEN", "x"), ("BRAMKA_LOG", "info")])
            .stdin(Stdio::null());
        command
    }

    /// Tries to serve, and gives what is said of why not.
    fn refused(&self, need: &str) -> String {
        let (mut child, ready) = self.start(need);
        if ready.is_some() {
            child.kill().unwrap();
        }
        let code = child.wait().unwrap().code();
        assert!(ready.is_none(), "it serves:\n{}", self.stderr());
        assert_eq!(code, Some(1), "{}", self.stderr());
        self.stderr()
    }

    fn served(&self, need: &str) -> Gate<'_> {
        let (child, ready) = self.start(need);
        let ready = ready.unwrap_or_else(|| panic!("no start:\n{}", self.stderr()));
        Gate { house: self, child, admin: ready.rsplit_once("admin ").unwrap().1.to_owned() }
    }

    /// Starts a gate, and waits until it says that it is ready or has ended.
    fn start(&self, need: &str) -> (Child, Option<String>) {
        let log = fs::File::create(self.at("stderr")).unwrap();
        let mut child = self.serve(need).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map(Result::unwrap).find(|line| line.contains("ready"));
        thread::spawn(move || lines.for_each(drop));
        (child, ready)
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.at("stderr")).unwrap()
    }

    /// What the journal says of bundles: act, and what it tells.
    fn loads(&self) -> Vec<(String, Value)> {
        let entries = book::entries(&self.data()).into_iter();
        let act = |entry: Value| (entry["act"].as_str().unwrap_or_default().to_owned(), entry);
        entries
            .map(act)
            .filter(|(act, _)| ["serving", "swapped", "kept_old"].contains(&act.as_str()))
            .collect()
    }
}

impl Gate<'_> {
    /// An operator's token.
    fn operator(&self) -> String {
        let (data, policies) = (self.house.data(), self.house.policies());
        let places = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
        run(&[&["token", "issue", "--admin", "ewa", "--role", "read"][..], &places].concat())
            .out
            .trim()
            .to_owned()
    }

    fn admin(&self, path: &str, token: &str) -> Answer {
        let ca = self.house.at("certs/ca.pem");
        line::once(&self.admin, ca.to_str().unwrap(), line::bare(Method::GET, path, Some(token)))
    }

    /// Whether the metrics say that the newest bundle does not serve.
    fn has_failed(&self, token: &str) -> bool {
        let metrics = self.admin("/metrics", token).expect(200).body;
        let text = String::from_utf8(metrics.to_vec()).unwrap();
        text.lines().any(|line| line == "bramka_reload_failed 1")
    }

    fn loads(&self, act: &str) -> usize {
        self.house.loads().iter().filter(|(one, _)| one == act).count()
    }

    /// Waits until the folder as it stands is refused, and gives what is said of why.
    fn refuses(&self, edit: impl FnOnce()) -> String {
        let (refused, known) = (self.loads("kept_old"), self.house.stderr().len());
        edit();
        until("it is refused", || self.loads("kept_old") > refused);
        until("it is told", || self.house.stderr()[known..].contains("the old ones serve on"));
        self.house.stderr()[known..].to_owned()
    }

    fn takes(&self, edit: impl FnOnce()) {
        let taken = self.loads("swapped");
        edit();
        until("it is taken over", || self.loads("swapped") > taken);
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A detail of an entry.
fn detail<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    let details = entry["details"].as_array().unwrap();
    details.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str())
}

fn says(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "`{word}` is not in:\n{told}");
    }
}

#[test]
fn a_bundle_that_two_people_signed_serves_and_the_journal_names_them() {
    let house = House::signed_by(&["ewa", "jan"]);
    let checked = house.policy(&["check", "--without-secrets"]);
    assert!(checked.code == 0 && !checked.out.contains("bundle.lock"), "{checked:?}");
    drop(house.served("2"));
    let loads = house.loads();
    let (act, entry) = &loads[0];
    assert_eq!((loads.len(), act.as_str()), (1, "serving"));
    assert_eq!(detail(entry, "version"), Some("1"));
    assert_eq!(detail(entry, "signers"), Some("ewa@example.com jan@example.com"));
    let bundle = detail(entry, "bundle").unwrap();
    assert!(checked.out.contains(&bundle[..12]), "the lock makes no other bundle: {checked:?}");
    assert_eq!(detail(entry, "not_compared"), Some("none has served before"));
}

#[test]
fn what_a_load_opens_and_closes_is_on_record_and_every_bundle_that_served_can_be_compared() {
    let house = House::signed_by(&["ewa"]);
    let opening = house.policies().join("access/opening.cedar");
    let relock = || {
        house.lock();
        house.sign("ewa");
    };
    let gate = house.served("1");
    gate.takes(|| {
        fs::write(&opening, OPENING).unwrap();
        relock();
    });
    drop(gate);
    fs::remove_file(&opening).unwrap();
    relock();
    drop(house.served("1"));
    let loads = house.loads();
    let good: Vec<_> = loads.iter().filter(|(act, _)| act != "kept_old").collect();
    let told = |at: usize| ["gained", "lost", "unclear"].map(|name| detail(&good[at].1, name));
    // Partners see more by a reload, and less after a start over what was kept.
    assert_eq!((good[1].0.as_str(), told(1)), ("swapped", [Some("1"), Some("0"), Some("0")]));
    assert_eq!((good[2].0.as_str(), told(2)), ("serving", [Some("0"), Some("1"), Some("0")]));
    let data = house.data();
    let data = data.to_str().unwrap();
    let listed: Value =
        serde_json::from_str(&run(&["policy", "bundles", "--json", "--data", data]).out).unwrap();
    let rows = listed.as_array().unwrap();
    let bundle = |row: &Value| row["bundle"].as_str().unwrap().to_owned();
    assert_eq!(rows.iter().map(|row| &row["served"]["version"]).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(rows[0]["served"]["signers"][0], "ewa@example.com");
    assert!(rows.iter().all(|row| row["whole"] == true && row["files"].as_u64().unwrap() > 10));
    assert_eq!(bundle(&rows[0]), detail(&good[2].1, "bundle").unwrap());
    let table = run(&["policy", "bundles", "--data", data]);
    says(&table.out, &["bundle", "version", &bundle(&rows[1])[..12], "ewa@example.com"]);
    let compared = run(&["policy", "diff", &bundle(&rows[0])[..12], &bundle(&rows[1]), "--data", data]);
    assert_eq!(compared.code, 1, "{compared:?}");
    says(&compared.out, &["gained", "acme-portal", "Customer", "1 gain, 0 lose"]);
    // What was changed since is told, and not compared.
    let kept = PathBuf::from(rows[0]["policies"].as_str().unwrap());
    fs::write(kept.join("limits.yaml"), "").unwrap();
    let table = run(&["policy", "bundles", "--data", data]);
    assert_eq!(table.code, 1, "{table:?}");
    says(&table.out, &["changed since"]);
    says(
        &run(&["policy", "diff", &bundle(&rows[0]), kept.to_str().unwrap(), "--data", data]).err,
        &["were changed since"],
    );
}

#[test]
fn what_is_not_what_was_signed_does_not_start() {
    let house = House::signed_by(&["ewa", "jan"]);
    house.copy("good");
    let refused = |edit: &dyn Fn(&Path), words: &[&str]| {
        edit(&house.policies());
        says(&house.refused("2"), words);
        house.put("good");
    };
    // Half of a copy.
    refused(
        &|policies| fs::remove_file(policies.join("limits.yaml")).unwrap(),
        &["bundle.lock:", "`limits.yaml` is in the lock and not in the bundle"],
    );
    // Without one of its statements that forbid.
    refused(
        &|policies| {
            let guards = fs::read_to_string(policies.join(GUARDS)).unwrap();
            let (before, gone) = guards.rsplit_once("@id(").unwrap();
            assert!(gone.contains("forbid"), "{gone}");
            fs::write(policies.join(GUARDS), before).unwrap();
        },
        &["`access/guards.cedar` is another than the lock says"],
    );
    refused(
        &|policies| fs::remove_file(policies.join(GUARDS)).unwrap(),
        &["`access/guards.cedar` is in the lock and not in the bundle"],
    );
    refused(
        &|policies| {
            fs::write(policies.join("access/more.cedar"), "permit (principal, action, resource);").unwrap()
        },
        &["`access/more.cedar` is in the bundle and not in the lock"],
    );
    refused(
        &|policies| fs::remove_file(policies.join("bundle.lock")).unwrap(),
        &["there is no `bundle.lock`"],
    );
    // A lock of its own: it fits, and nobody signed it.
    refused(
        &|policies| {
            fs::write(policies.join("access/more.cedar"), "// more\n").unwrap();
            let text = fs::read_to_string(policies.join("bundle.lock")).unwrap();
            fs::write(policies.join("bundle.lock"), text.replace("version: 1", "version: 2")).unwrap();
        },
        &[
            "signatures of 2 people are needed, and there is none that counts",
            "the lock or the signature was changed since",
        ],
    );
    drop(house.served("2"));
}

#[test]
fn a_signature_counts_once_a_person_and_for_this_alone() {
    let house = House::signed_by(&["ewa"]);
    house.enrol("jan", "jan", &["-t", "ed25519"]);
    house.enrol("ewa", "ewa2", &["-t", "ed25519"]);
    house.key("stranger", &["-t", "ed25519"]);
    let first = || house.policies().join("bundle.lock.jan.sig");
    says(
        &house.refused("2"),
        &["signatures of 2 people are needed, and there is 1 that counts: ewa@example.com"],
    );
    house.sign("ewa2");
    says(&house.refused("2"), &["there is 1 that counts: ewa@example.com"]);
    house.sign("stranger");
    says(&house.refused("2"), &["bundle.lock.stranger.sig", "its key is nobody's who may sign"]);
    house.sign_for("jan", "file");
    says(&house.refused("2"), &["bundle.lock.jan.sig", "sign with `-n bramka-bundle`"]);
    house.sign("jan");
    let text = fs::read_to_string(first()).unwrap();
    // A letter of what is signed itself.
    let at = text.find("\n-----END").unwrap() - 20;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    fs::write(first(), format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
    says(&house.refused("2"), &["bundle.lock.jan.sig", "the lock or the signature was changed since"]);
    fs::write(first(), text).unwrap();
    drop(house.served("2"));
    // Three of two people.
    says(&house.refused("3"), &["signatures of 3 people are needed, and 2 may sign"]);
}

#[test]
fn every_kind_of_key_that_is_believed_signs_and_a_short_one_is_told() {
    let house = House::new();
    for (who, kind) in [
        ("ed", &["-t", "ed25519"][..]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "3072"]),
    ] {
        house.enrol(who, who, kind);
    }
    house.lock();
    ["ed", "p256", "p384", "p521", "rsa"].iter().for_each(|who| house.sign(who));
    drop(house.served("5"));
    house.enrol("short", "short", &["-t", "rsa", "-b", "2048"]);
    says(&house.refused("5"), &["signers:7:1", "`short@example.com`: an RSA key needs 3072 bits or more"]);
}

#[test]
fn no_older_bundle_serves_after_a_newer_one() {
    let house = House::signed_by(&["ewa"]);
    house.copy("one");
    let gate = house.served("1");
    house.copy("two");
    house.edit("limits.yaml", "strangers:", "# more\nstrangers:");
    let put_signed = || {
        house.lock();
        house.sign("ewa");
    };
    gate.takes(put_signed);
    house.copy("two");
    let told = gate.refuses(|| house.put("one"));
    says(&told, &["the lock is of version 1, and version 2 has served"]);
    drop(gate);
    says(&house.refused("1"), &["the lock is of version 1, and version 2 has served"]);
    // Another of the same version.
    house.put("one");
    fs::remove_file(house.policies().join("bundle.lock")).unwrap();
    assert_eq!(house.policy(&["lock", "--version", "2"]).code, 0);
    house.sign("ewa");
    says(&house.refused("1"), &["another bundle of version 2 has served"]);
    // The way back: the files of before under a new version.
    assert_eq!(house.policy(&["lock", "--version", "3"]).code, 0);
    house.sign("ewa");
    drop(house.served("1"));
    let versions: Vec<_> =
        house.loads().iter().filter_map(|(_, entry)| detail(entry, "version").map(str::to_owned)).collect();
    assert_eq!(versions, ["1", "2", "3"]);
}

#[test]
fn a_reload_takes_what_is_signed_and_keeps_the_old_one_else() {
    let house = House::signed_by(&["ewa", "jan"]);
    let gate = house.served("2");
    let operator = gate.operator();
    assert!(!gate.has_failed(&operator));
    let told = gate.refuses(|| house.edit("limits.yaml", "strangers:", "# more\nstrangers:"));
    says(&told, &["`limits.yaml` is another than the lock says"]);
    until("the metric says so", || gate.has_failed(&operator));
    let ready = gate.admin("/readyz", &operator).expect(200).json();
    assert_eq!(ready["ready"], true, "{ready}");
    says(ready["bundle"]["last_refused"]["report"].as_str().unwrap(), &["is another than the lock says"]);
    let told = gate.refuses(|| house.lock());
    says(&told, &["signatures of 2 people are needed, and there is none that counts"]);
    let told = gate.refuses(|| house.sign("ewa"));
    says(&told, &["there is 1 that counts: ewa@example.com"]);
    gate.takes(|| house.sign("jan"));
    until("the metric takes it back", || !gate.has_failed(&operator));
    let bundle = gate.admin("/api/bundle", &operator).expect(200).json();
    let signers = ["ewa@example.com", "jan@example.com"];
    assert_eq!(bundle["signed"], serde_json::json!({ "version": 2, "signers": signers }));
    // Files as they are, under a new version.
    assert_eq!(house.policy(&["lock"]).out, "version 2 fits already\n");
    assert_eq!(house.policy(&["lock", "--version", "2"]).code, 2);
    gate.refuses(|| assert_eq!(house.policy(&["lock", "--version", "9"]).code, 0));
    gate.refuses(|| house.sign("jan"));
    gate.takes(|| house.sign("ewa"));
    drop(gate);
    let loads = house.loads();
    assert_eq!(detail(&loads.last().unwrap().1, "version"), Some("9"));
}

#[test]
fn who_may_sign_is_said_outside_the_bundle_in_a_file_of_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::signed_by(&["ewa"]);
    let file = house.at("signers");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    says(&house.refused("1"), &["others than its owner may write it"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    for (from, to, words) in [
        ("ewa@", "*@", &["signers:2:1", "one name a line, without patterns"][..]),
        ("namespaces=\"bramka-bundle\"", "cert-authority", &["`cert-authority` is not known here"]),
        (
            "namespaces=\"bramka-bundle\"",
            "namespaces=\"git\"",
            &["signatures of 1 people are needed, and 0 may sign"],
        ),
        (
            "namespaces=\"bramka-bundle\"",
            "valid-before=\"20200101Z\"",
            &["the time of `ewa@example.com`'s key is not now"],
        ),
        ("namespaces=\"bramka-bundle\"", "valid-after=\"20200101\"", &["a moment in UTC, with `Z`"]),
    ] {
        fs::write(&file, text.replace(from, to)).unwrap();
        says(&house.refused("1"), words);
    }
    fs::write(&file, text).unwrap();
    fs::rename(&file, house.policies().join(".signers")).unwrap();
    std::os::unix::fs::symlink(house.policies().join(".signers"), &file).unwrap();
    says(&house.refused("1"), &["no bundle says who may sign it"]);
}

#[test]
fn a_lock_that_does_not_fit_is_told_where_nobody_rests_on_it() {
    let house = House::signed_by(&["ewa"]);
    house.edit("limits.yaml", "strangers:", "# more\nstrangers:");
    let checked = house.policy(&["check", "--without-secrets"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    says(&checked.out, &["warning", "`limits.yaml` is another than the lock says"]);
    let locked = house.policy(&["lock"]);
    says(&locked.out, &["version 2 of bundle"]);
    says(&locked.err, &["`bundle.lock.ewa.sig` was of the lock before and is gone"]);
    fs::write(house.policies().join("bundle.lock"), "<<<<<<< HEAD\n").unwrap();
    let torn = house.policy(&["lock"]);
    assert_eq!(torn.code, 1, "{torn:?}");
    says(&torn.err, &["--version"]);
}

#[test]
fn files_of_fields_that_decide_about_access_are_the_security_teams() {
    let house = House::new();
    let owners = |more: &[&str]| {
        let told = house.policy(&[&["owners", "--team", "@acme/security"], more].concat());
        assert_eq!(told.code, 0, "{told:?}");
        told.out
    };
    // Who reviews a file: the last line that fits it.
    let owner = |told: &str, path: &str| {
        let lines =
            told.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
        let mut fits = lines
            .filter(|(pattern, _)| path == *pattern || (pattern.ends_with('/') && path.starts_with(pattern)));
        fits.next_back().unwrap().1.to_owned()
    };
    let told = owners(&["--rest", "@acme/integration", "--at", "./policies/"]);
    let (security, integration) = ("@acme/security", "@acme/integration");
    for path in [
        "access/partners.cedar",
        "gateway.yaml",
        "bundle.lock",
        "systems/erp.yaml",
        "systems/new.yaml",
        "schema/order.yaml",
    ] {
        assert_eq!(owner(&told, &format!("/policies/{path}")), security, "{path}\n{told}");
    }
    // Partners see nothing of campaigns, and no statement goes by them.
    for path in ["schema/campaign.yaml", "systems/catalogue/shopify.yaml"] {
        assert_eq!(owner(&told, &format!("/policies/{path}")), integration, "{path}\n{told}");
    }
    assert_eq!(owner(&told, "CODEOWNERS"), security);
    let order = told.lines().position(|line| line.starts_with("/policies/schema/order.yaml ")).unwrap();
    let comments: Vec<&str> = told.lines().take(order).collect();
    let near = comments[comments.len() - 2..].join("\n");
    says(&near, &["# Order, statements read: ", "customer", "# Order, partners see or change: ", "status"]);
    assert_eq!(owner(&owners(&["--at", "."]), "/schema/campaign.yaml"), security, "nobody else is named");
    let whose = house.policy(&["owners", "--team", "acme security", "--at", "."]);
    assert_eq!(whose.code, 2, "{whose:?}");
    says(&house.policy(&["owners", "--team", "@a"]).err, &["--at policies"]);
}
