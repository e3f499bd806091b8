//! The promises of the configuration: every mistake told at once, secrets kept, a broken bundle changes nothing.

mod live;
mod watching;

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use jsonschema_free::matches_required;
use proptest::prelude::*;

use super::*;
use crate::{
    clock,
    crosswalk::MadeUp,
    upstream,
    words::{Diagnostic, Diagnostics, Digest, Place, SecretBytes, StatementId, tree, yaml::Spanned},
};

/// A look at a schema that needs no validator.
mod jsonschema_free {
    pub(super) fn matches_required(schema: &serde_json::Value, keys: &[&str]) -> bool {
        schema["required"]
            .as_array()
            .is_some_and(|required| keys.iter().all(|key| required.contains(&(*key).into())))
    }
}

const GATEWAY_TEXT: &str = "\
gate: demo
listeners:
  - { name: data, at: 127.0.0.1:8443, tls: none }
admin: { at: 127.0.0.1:9443, hosts: [localhost], tls: none }
identity: { issuer: https://bramka.example, audience: bramka }
serves: { customers: crm }
secrets: { crm: [HUBSPOT_TOKEN] }
";
const LIMITS_TEXT: &str = "\
strangers: { rate: 100/s }
principals_default: reader
plans:
  reader: { rank: 1, rate: 10/s, per: principal, concurrency: 5 }
";
const CRM_TEXT: &str =
    "system: crm\nbase: https://crm.example\nsign_in: { bearer: \"${env:HUBSPOT_TOKEN}\" }\n";

fn bundle() -> Vec<(&'static str, String)> {
    vec![
        ("gateway.yaml", GATEWAY_TEXT.into()),
        ("limits.yaml", LIMITS_TEXT.into()),
        ("systems/crm.yaml", CRM_TEXT.into()),
        ("access/base.cedar", "permit(principal, action, resource);".into()),
    ]
}

fn written(files: &[(&str, String)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn env(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn raw<'e>(files: &[(&str, String)], env: &'e dyn Env) -> RawBundle<'e> {
    let texts = files.iter().map(|(path, text)| (Arc::from(*path), Arc::from(text.as_str())));
    RawBundle::of(Files::from_texts(texts).unwrap(), env)
}

/// What is told about a bundle in which one text stands for another.
fn told_after(file: &str, from: &str, to: &str) -> String {
    let mut files = bundle();
    let text = &mut files.iter_mut().find(|(path, _)| *path == file).unwrap().1;
    assert!(text.contains(from), "{from}");
    *text = text.replace(from, to);
    let env = env(&[]);
    let raw = raw(&files, &env);
    raw.report().to_string()
}

fn now() -> clock::Now {
    clock::now()
}

#[test]
fn a_good_folder_is_read_whole() {
    let dir = written(&bundle());
    fs::write(dir.path().join("README.md"), "notes").unwrap();
    fs::write(dir.path().join(".gateway.yaml.swp"), [0xff]).unwrap();
    let env = env(&[("HUBSPOT_TOKEN", "s3cret")]);
    let raw = load(dir.path(), &env).unwrap();
    assert_eq!(raw.report().to_string(), "");
    assert_eq!((raw.access.len(), raw.systems.len()), (1, 1));
    let gateway = raw.gateway.unwrap();
    assert_eq!((gateway.gate.value.as_str(), gateway.bounds.value.page_max), ("demo", 200));
    assert!(raw.plans.is_some());
}

#[test]
fn the_digest_is_of_paths_and_contents_and_of_nothing_else() {
    let (one, two) = (written(&bundle()), written(&bundle()));
    let digest = |dir: &Path| Files::read(dir).unwrap().digest();
    assert_eq!(digest(one.path()), digest(two.path()));
    fs::rename(two.path().join("access/base.cedar"), two.path().join("access/other.cedar")).unwrap();
    assert_ne!(digest(one.path()), digest(two.path()));
    // A byte that moves from one file to the next is another bundle.
    let texts = |a: &str, b: &str| {
        Files::from_texts([("access/a.cedar".into(), a.into()), ("access/b.cedar".into(), b.into())])
            .unwrap()
            .digest()
    };
    assert_ne!(texts("xy", "z"), texts("x", "yz"));
}

#[test]
fn what_does_not_belong_is_an_error_with_a_hint() {
    let dir = written(&bundle());
    for path in
        ["gatway.yaml", "systems/erp.yml", "acess/a.cedar", "access/deep/a.cedar", "access/a.txt", "a.cedar"]
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let told = load(dir.path(), &ProcessEnv).unwrap_err().to_string();
    insta::assert_snapshot!(told, @r"
a.cedar:1:1: error: `a.cedar` is no part of a bundle (statements stand in `access/`)
access/a.txt:1:1: error: `access/a.txt` is no part of a bundle (here stand files named `*.cedar`)
access/deep:1:1: error: there are no folders inside `access/` (files stand directly in `access/`)
acess:1:1: error: the folder `acess` is no part of a bundle (did you mean `access`?)
gatway.yaml:1:1: error: `gatway.yaml` is no part of a bundle (did you mean `gateway.yaml`?)
systems/erp.yml:1:1: error: `systems/erp.yml` is no part of a bundle (name it `erp.yaml`)
");
}

const ENTITY_TEXT: &str = "\
title: Customer
description: A buyer
x-collection: customers
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: Names it }
  name: { type: string, x-class: internal, description: Its name }
";

#[test]
fn what_stands_in_the_catalogue_is_checked_and_no_part_of_the_bundle() {
    let shop = |at: &str| {
        format!(
            "system: shop\nbase: https://shop.example\nsign_in: {{ bearer: \"${{env:SHOP}}\" }}\nentities:\n  Customer:\n    at: /c\n    read: {{}}\n    fields: {{ name: {at} }}\n    samples:\n      - {{ answer: '{{ \"id\": \"1\", \"title\": \"A\" }}', reads: '{{ \"id\": \"1\", \"name\": \"A\" }}' }}\n"
        )
    };
    let dir = written(&bundle());
    let digest = Files::read(dir.path()).unwrap().digest();
    assert_eq!(Catalogue::read(dir.path()).unwrap().counts(), (0, 0), "there need be none");
    let folder = dir.path().join(CATALOGUE);
    fs::create_dir(&folder).unwrap();
    let customer = tree::parse(&"schema/customer.yaml".into(), ENTITY_TEXT).unwrap();
    let (schema, _) = crate::schema::load::schema(&[("schema/customer.yaml".into(), customer)]).unwrap();
    let told = |text: &str| {
        fs::write(folder.join("shop.yaml"), text).unwrap();
        let catalogue = Catalogue::read(dir.path()).unwrap();
        (catalogue.counts(), catalogue.check(&schema, clock::now()).to_string())
    };
    // Its secret is assigned to nobody and set nowhere: nothing of it is wanted.
    assert_eq!(told(&shop("title")), ((1, 1), String::new()));
    let (_, wrong) = told(&shop("titel"));
    assert!(wrong.contains("systems/catalogue/shop.yaml:10"), "the sample does not read: {wrong}");
    let (_, unknown) = told(&shop("title").replace("base:", "bas:"));
    assert!(unknown.contains("unknown key `bas`") && unknown.contains("shop.yaml:2:1"), "{unknown}");
    assert_eq!(Files::read(dir.path()).unwrap().digest(), digest, "the bundle is the same");
    assert!(load(dir.path(), &ProcessEnv).unwrap().systems.iter().all(|system| system.name.value == "crm"));
    fs::write(folder.join("notes.txt"), "").unwrap();
    let misplaced = Catalogue::read(dir.path()).unwrap_err().to_string();
    assert!(misplaced.contains("here stand files named `*.yaml`"), "{misplaced}");
    assert_eq!(Files::read(dir.path()).unwrap().digest(), digest, "and that neither");
}

#[test]
fn a_mistake_in_the_schema_is_not_told_as_one_of_a_secret() {
    let mut files = bundle();
    files.push((
        "schema/customer.yaml",
        ENTITY_TEXT.replace("x-class: internal, description: Its", "description: Its"),
    ));
    let dir = written(&files);
    let secrets = env(&[("HUBSPOT_TOKEN", "x")]);
    let raw = load(dir.path(), &secrets).unwrap();
    let pseudonyms = SecretBytes::new(vec![7; 32]);
    let means = Means {
        registry: &upstream::Registry::default(),
        own: &[],
        pseudonyms: &pseudonyms,
        base: dir.path(),
        now: clock::now(),
        ids: &MadeUp,
    };
    let told = compile(raw, &means).unwrap_err().to_string();
    assert!(told.contains("schema/customer.yaml"), "{told}");
    assert!(!told.contains("reference to a secret"), "{told}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_the_folder_and_never_out_of_it() {
    use std::os::unix::fs::symlink;
    // A mounted ConfigMap: `..data` points to the version, the files point into `..data`.
    let dir =
        written(&[("..v1/gateway.yaml", GATEWAY_TEXT.into()), ("..v1/limits.yaml", LIMITS_TEXT.into())]);
    symlink("..v1", dir.path().join("..data")).unwrap();
    symlink("..data/gateway.yaml", dir.path().join("gateway.yaml")).unwrap();
    symlink("..data/limits.yaml", dir.path().join("limits.yaml")).unwrap();
    assert!(Files::read(dir.path()).unwrap().text("limits.yaml").is_some());
    symlink("/etc/passwd", dir.path().join("gateway.yaml.new")).unwrap();
    fs::create_dir(dir.path().join("access")).unwrap();
    symlink("/etc/hostname", dir.path().join("access/a.cedar")).unwrap();
    symlink("nowhere", dir.path().join("access/b.cedar")).unwrap();
    let told = Files::read(dir.path()).unwrap_err().to_string();
    assert!(told.contains("`access/a.cedar` cannot be read: it leads out of the bundle's folder"), "{told}");
    assert!(told.contains("`access/b.cedar` cannot be read: No such file"), "{told}");
    assert!(told.contains("`gateway.yaml.new` cannot be read: it leads out"), "{told}");
}

#[test]
fn files_that_are_too_large_or_no_text_are_refused() {
    let dir = written(&bundle());
    fs::write(dir.path().join("access/big.cedar"), vec![b' '; tree::FILE_BYTES_MAX + 1]).unwrap();
    fs::write(dir.path().join("access/bin.cedar"), [0xff, 0xfe]).unwrap();
    let told = Files::read(dir.path()).unwrap_err().to_string();
    assert!(told.contains("`access/big.cedar` cannot be read: it is larger than"), "{told}");
    assert!(told.contains("`access/bin.cedar` cannot be read: stream did not contain valid UTF-8"), "{told}");
    let missing = load(&dir.path().join("nowhere"), &ProcessEnv).unwrap_err().to_string();
    assert!(missing.contains("the folder cannot be read"), "{missing}");
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let files = vec![
        (
            "gateway.yaml",
            "gate: Demo\nlisteners:\n  - { name: data, at: 127.0.0.1:7443 }\n  - { name: data, at: 127.0.0.1:8443 }\n\
             admin: { at: 0.0.0.0:8443, hosts: [\"*\"], tls: none }\nidentity: {}\n\
             serves: { customers: cmr, Orders: crm }\nsecrets: { crm: [\"a b\"], erp: [X] }\nbounds: { page_max: 10 }\n"
                .to_owned(),
        ),
        ("limits.yaml", LIMITS_TEXT.replace("reader:", "raeder:")),
        ("systems/a.yaml", "base: x".into()),
        ("systems/crm.yaml", CRM_TEXT.into()),
        ("systems/zcrm.yaml", "system: crm".into()),
        ("schema/Customer.yaml", "a: [1".into()),
    ];
    let env = env(&[]);
    insta::assert_snapshot!(raw(&files, &env).report().to_string(), @r"
access:1:1: error: `access/` is missing or empty: there are no statements (statements stand in `access/*.cedar`)
gateway.yaml:1:7: error: `Demo` is no name of a gate: a small letter, then small letters, digits and `-`, at most 64
gateway.yaml:4:13: error: there is a listener `data` already
gateway.yaml:4:23: error: `127.0.0.1:8443` is an address of `admin` already
gateway.yaml:5:35: error: `*` is no host name; each is written out, without port
gateway.yaml:5:47: error: the admin listener at `0.0.0.0:8443` needs TLS (`none` is for loopback addresses)
gateway.yaml:7:22: error: there is no system `cmr` in `systems/` (did you mean `crm`?)
gateway.yaml:7:27: error: `Orders` is no name of a collection: a small letter, then small letters, digits and `-`, at most 64
gateway.yaml:8:18: error: name a variable (`CRM_TOKEN`) or a file (`file:/run/secrets/crm`)
gateway.yaml:8:26: error: there is no system `erp` in `systems/` (expected one of: crm)
gateway.yaml:9:9: error: `bounds.page_default` is 1 or more and at most `bounds.page_max`, which is at most 10000
limits.yaml:2:21: error: there is no plan `reader` (did you mean `raeder`?)
schema/Customer.yaml:2:1: error: not valid YAML: while parsing a flow sequence, expected ',' or ']' (a text with `[`, `{`, `: ` or ` #` in it must be quoted)
systems/a.yaml:1:1: error: key `system` is missing (it names the system: `system: crm`)
systems/zcrm.yaml:1:9: error: `systems/crm.yaml` describes system `crm` already
");
}

#[test]
fn keys_of_repeated_writes_are_kept_for_a_time_and_in_a_number_that_make_sense() {
    for (bounds, told) in [
        ("{ idempotency_kept: 59s }", "`bounds.idempotency_kept` is `1m` to `30d`"),
        ("{ idempotency_kept: 31d }", "`bounds.idempotency_kept` is `1m` to `30d`"),
        ("{ idempotency_keys_max: 9999 }", "at most `bounds.idempotency_keys_max`"),
        ("{ idempotency_keys_per_principal_max: 0 }", "is 1 or more"),
        ("{ accepted_kept: 59s }", "`bounds.accepted_kept` is `1m` to `30d`"),
        ("{ accepted_max: 999 }", "at most `bounds.accepted_max`"),
    ] {
        let text = format!("gate: demo\nbounds: {bounds}\n");
        let found = told_after("gateway.yaml", "gate: demo\n", &text);
        assert!(found.contains("gateway.yaml:2:9: error: ") && found.contains(told), "{bounds}: {found}");
    }
}

#[test]
fn unknown_keys_and_missing_files_are_errors() {
    let told = told_after("gateway.yaml", "gate: demo", "gaet: demo");
    assert!(told.contains("gateway.yaml:1:1: error: unknown key `gaet` (did you mean `gate`?)"), "{told}");
    let env = env(&[]);
    let told = raw(&[], &env).report().to_string();
    assert!(
        told.contains("`gateway.yaml` is missing") && told.contains("`limits.yaml` is missing"),
        "{told}"
    );
    for key in ["gate", "listeners", "admin", "identity", "serves"] {
        assert!(matches_required(&schemas()[0].1, &[key]), "{key}");
    }
    assert!(matches_required(&schemas()[1].1, &["strangers", "principals_default", "plans"]));
}

#[test]
fn only_a_loopback_admin_listener_may_go_without_tls() {
    let told = told_after("gateway.yaml", "at: 127.0.0.1:9443", "at: 10.0.0.1:9443");
    assert!(told.contains("the admin listener at `10.0.0.1:9443` needs TLS"), "{told}");
    assert_eq!(told_after("gateway.yaml", "at: 127.0.0.1:9443", "at: \"[::1]:9443\""), "");
    let told = told_after("gateway.yaml", "hosts: [localhost], tls: none", "hosts: [localhost]");
    assert!(told.contains("key `tls` is missing"), "{told}");
}

fn spanned(text: &str, start: u32) -> Spanned<String> {
    let place = Place { start, end: start + 1, ..Place::file("systems/crm.yaml") };
    Spanned { value: text.into(), place }
}

#[test]
fn a_system_gets_only_the_secrets_assigned_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, "from-a-file\n").unwrap();
    rights(&path, 0o400);
    let file = path.to_str().unwrap();
    let mut files = bundle();
    files[0].1 = GATEWAY_TEXT
        .replace("[HUBSPOT_TOKEN]", &format!("[HUBSPOT_TOKEN, UNSET, EMPTY, BAD, \"file:{file}\"]"));
    let env = env(&[("HUBSPOT_TOKEN", "s3cret"), ("BC_TOKEN", "other"), ("EMPTY", ""), ("BAD", "a\nb")]);
    let raw = raw(&files, &env);
    let resolve = |system: &str, text: &str| {
        let mut found = Diagnostics::default();
        let secret = raw.secrets.resolve(system, &spanned(text, 1), &mut found);
        (secret.map(|secret| secret.expose().to_owned()), found.to_string())
    };
    assert_eq!(resolve("crm", "${env:HUBSPOT_TOKEN}").0.unwrap(), "s3cret");
    assert_eq!(resolve("crm", &format!("${{file:{file}}}")).0.unwrap(), "from-a-file");
    for (system, text, word) in [
        ("crm", "${env:BC_TOKEN}", "not assigned to system `crm`"),
        ("erp", "${env:HUBSPOT_TOKEN}", "not assigned to system `erp`"),
        ("crm", "${file:/etc/passwd}", "not assigned"),
        ("crm", "${env:UNSET}", "the variable `UNSET` is not set"),
        ("crm", "${env:EMPTY}", "is empty"),
        ("crm", "${env:BAD}", "control characters"),
        ("crm", "sk-live-123", "never stands in a file"),
        ("crm", "Bearer ${env:HUBSPOT_TOKEN}", "nothing around it"),
        ("crm", "${file:relative}", "no reference"),
        ("crm", "${vault:x}", "no reference"),
    ] {
        let (secret, told) = resolve(system, text);
        assert!(secret.is_none() && told.contains(word), "{text}: {told}");
        assert!(!told.contains("s3cret") && !told.contains("sk-live") && !told.contains("other"), "{told}");
    }
    rights(&path, 0o644);
    let (secret, told) = resolve("crm", &format!("${{file:{file}}}"));
    if cfg!(unix) {
        assert!(secret.is_none() && told.contains("its rights are 644; make them 400 or 440"), "{told}");
        // A pipe that nobody writes to is not waited for.
        fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let (secret, told) = resolve("crm", &format!("${{file:{file}}}"));
        assert!(secret.is_none() && told.contains("it is no file"), "{told}");
    }
}

fn rights(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

#[test]
fn a_reference_that_nobody_reads_as_a_secret_is_an_error() {
    let mut files = bundle();
    files[2].1 = CRM_TEXT.replace("crm.example", "${env:HUBSPOT_TOKEN}.example");
    let env = env(&[("HUBSPOT_TOKEN", "s3cret")]);
    let mut raw = raw(&files, &env);
    let bearer = raw.systems[0].sheet.node.get("sign_in").unwrap().get("bearer").unwrap();
    let bearer = Spanned { value: bearer.as_text().unwrap().to_owned(), place: bearer.place.clone() };
    let mut found = Diagnostics::default();
    assert!(raw.secrets.resolve("crm", &bearer, &mut found).is_some());
    raw.check_strays();
    insta::assert_snapshot!(raw.report().to_string(), @r"
systems/crm.yaml:2:7: error: a reference to a secret stands where no secret is read (`${env:…}` and `${file:…}` are for keys of secret type, as under `sign_in`)
");
}

#[test]
fn mistakes_are_shown_with_their_lines_and_counted() {
    let mut files = bundle();
    files[0].1 = GATEWAY_TEXT
        .replace("serves: { customers: crm }", "serves: { customers: cmr } # łódź")
        .replace("gate: demo", "gaet: demo");
    files.remove(1);
    let env = env(&[]);
    let mut bundle = raw(&files, &env);
    let file: Arc<str> = "access/base.cedar".into();
    let text = bundle.files.text(&file).unwrap().clone();
    bundle.found.push(
        Diagnostic::warning(&Place::in_text(&file, &text, 0, 6), "permits all").help("say who\u{1b}[31m"),
    );
    let report = bundle.report();
    assert_eq!(report.counts(), (3, 1));
    insta::assert_snapshot!(report.render(Colour::Off), @r"
warning: permits all
 --> access/base.cedar:1:1
  |
1 | permit(principal, action, resource);
  | ^^^^^^
  |
  = help: say who�[31m

error: key `gate` is missing
--> gateway.yaml

error: unknown key `gaet`
 --> gateway.yaml:1:1
  |
1 | gaet: demo
  | ^^^^
  |
  = help: did you mean `gate`?

error: `limits.yaml` is missing
--> limits.yaml

3 errors, 1 warning
");
    assert!(report.render(Colour::On).contains("\u{1b}["));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["errors"], 3);
    assert_eq!(json["diagnostics"][0]["file"], "access/base.cedar");
    assert_eq!(
        (&json["diagnostics"][0]["severity"], &json["diagnostics"][0]["line"]),
        (&"warning".into(), &1.into())
    );
}

#[test]
fn any_place_can_be_rendered() {
    let files = Files::from_texts([("access/a.cedar".into(), "ł\n\n x".into())]).unwrap();
    for start in 0..9 {
        for end in 0..9 {
            let place = Place { start, end, ..Place::file("access/a.cedar") };
            let told =
                render(&Diagnostics::from(Diagnostic::error(&place, "odd")), Some(&files), Colour::Off);
            assert!(told.contains("odd") && told.ends_with("1 error, 0 warnings\n"), "{told}");
        }
    }
}

#[test]
fn files_of_listeners_that_do_not_load_are_told_at_their_place_and_missing_ones_are_a_doubt() {
    let raw = load(Path::new("policies"), &Placeholders).unwrap();
    let base = tempfile::tempdir().unwrap();
    let means = Means {
        registry: &upstream::Registry::default(),
        own: &[],
        pseudonyms: &SecretBytes::new(vec![7; 32]),
        base: base.path(),
        now: now(),
        ids: &MadeUp,
    };
    let (snapshot, warnings) = compile(raw, &means).unwrap();
    let told = || warnings.clone().with(snapshot.check_listeners(base.path()));
    let line = 1 + fs::read_to_string("policies/gateway.yaml")
        .unwrap()
        .split("certificate: certs/server.pem")
        .next()
        .unwrap()
        .matches('\n')
        .count();
    let missing = told();
    assert_eq!(missing.counts(), (0, warnings.counts().1 + 1));
    let said = missing.to_string();
    assert!(said.contains(&format!("gateway.yaml:{line}:26: warning: listener `data`")), "{said}");
    fs::create_dir(base.path().join("certs")).unwrap();
    for file in ["server.pem", "server.key"] {
        fs::write(base.path().join("certs").join(file), "no certificate").unwrap();
    }
    let broken = told();
    assert_eq!(broken.counts().0, 1);
    assert!(broken.render(Colour::Off).contains("certificate: certs/server.pem"), "{broken}");
    crate::certs::DevelopmentCerts::ensure(&base.path().join("good/certs"), now().wall).unwrap();
    assert!(snapshot.check_listeners(&base.path().join("good")).0.is_empty());
}

#[test]
fn a_bundle_without_statements_is_told() {
    let mut files = bundle();
    files.retain(|(path, _)| !path.starts_with("access/"));
    let env = env(&[]);
    let told = raw(&files, &env).report().to_string();
    assert!(told.contains("access:1:1: error: `access/` is missing or empty"), "{told}");
}

proptest! {
    /// Whatever stands in the files, reading them ends with a bundle or with mistakes that can be shown.
    #[test]
    fn any_text_is_read_or_told(text in "\\PC{0,80}", at in 0_usize..400, cut in 0_usize..40) {
        let spliced = |good: &str| {
            let mut chars: Vec<char> = good.chars().collect();
            let at = at.min(chars.len());
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, text.chars());
            String::from_iter(chars)
        };
        let files = [
            ("gateway.yaml", spliced(GATEWAY_TEXT)),
            ("limits.yaml", spliced(LIMITS_TEXT)),
            ("systems/crm.yaml", spliced(CRM_TEXT)),
        ];
        let env = env(&[]);
        let mut raw = raw(&files, &env);
        raw.check_strays();
        let report = raw.report();
        prop_assert_eq!(report.found().has_errors(), report.counts().0 > 0);
        prop_assert!(raw.gateway.is_some() && raw.plans.is_some() || report.found().has_errors());
        report.render(Colour::Off);
    }
}

#[test]
fn the_shipped_settings_and_plans_are_good() {
    let shipped =
        |path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(path)).unwrap();
    let files = [
        ("gateway.yaml", shipped("gateway.yaml")),
        ("limits.yaml", shipped("limits.yaml")),
        ("systems/crm.yaml", "system: crm".into()),
        ("systems/erp.yaml", "system: erp".into()),
        ("access/base.cedar", "permit(principal, action, resource);".into()),
    ];
    let env = env(&[]);
    let raw = raw(&files, &env);
    assert_eq!(raw.report().to_string(), "");
    let names: Vec<_> = raw.plans.as_ref().unwrap().iter().map(|plan| plan.name.to_string()).collect();
    assert_eq!(names, ["internal", "partner", "reader", "staff"]);
}
