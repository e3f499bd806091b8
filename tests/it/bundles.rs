//! A bundle that would bring the gate down, hang it or open it by half of an edit is told and changes nothing;
//! what `policy check` takes, the gate serves.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Demo, Ran, Who, copy_shipped, run, until},
    reads::roomy,
};

const GUARDS: &str = "access/guards.cedar";

/// A forbid with that condition, as a file of its own.
fn extra(condition: &str) -> String {
    format!(
        "@id(\"extra\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Order)\nwhen {{ {condition} }};\n"
    )
}

fn check(policies: &Path) -> Ran {
    run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()])
}

/// What `policy check` says of the shipped policies after an edit.
fn checked(edit: impl FnOnce(&Path)) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    copy_shipped(&policies);
    edit(&policies);
    check(&policies)
}

fn put(file: &Path, text: &str) {
    let fresh = file.with_extension("tmp~");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
}

fn swaps(demo: &Demo) -> usize {
    demo.stderr().matches("new policies serve").count()
}

fn refusals(demo: &Demo) -> usize {
    demo.stderr().matches("do not load").count()
}

/// Edits, and waits until that is refused.
fn refused(demo: &Demo, edit: impl FnOnce()) {
    let before = refusals(demo);
    edit();
    until("the edit is refused", || refusals(demo) > before);
}

/// Whatever is too much for a parser, a validator or a stack.
fn monsters() -> Vec<String> {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    vec![
        nested("(", "true", ")", 150),
        nested("(", "true", ")", 5_000),
        format!("{} == [1]", nested("[", "1", "]", 1_000)),
        format!("{} == 1", nested("{a:", "1", "}", 1_000)),
        nested("if true then ", "true", " else false", 29),
        vec!["(resource has number && resource.number == \"1\")"; 800].join(" ||\n "),
        vec!["context.checked.channel.tls"; 5_000].join(" && "),
        format!("resource{} == 1", ".a".repeat(5_000)),
    ]
}

#[test]
fn a_check_tells_what_is_too_deep_or_too_long_instead_of_breaking() {
    for monster in monsters() {
        let told =
            checked(|policies| fs::write(policies.join("access/extra.cedar"), extra(&monster)).unwrap());
        assert_eq!(told.code, 1, "{}: {told:?}", &monster[..20]);
        assert!(told.out.contains("access/extra.cedar:"), "{told:?}");
        assert!(told.out.contains("at most"), "{told:?}");
    }
}

#[test]
fn a_gate_outlives_what_is_too_deep_or_too_long_and_takes_the_next_good_edit() {
    let demo = Demo::start_with(roomy, &[]);
    let file = demo.policies().join("access/extra.cedar");
    let sees = |status: u16| demo.get("/v1/orders?limit=1").send().status == status;
    for monster in monsters() {
        refused(&demo, || put(&file, &extra(&monster)));
        assert!(sees(200));
    }
    put(&file, "@id(\"extra\") forbid (principal, action, resource is Order);\n");
    until("the good edit holds", || sees(403));
    assert_eq!(demo.stop().0, 0);
}

/// Debug builds take the most of a stack; the largest statement has its room there too.
#[test]
fn the_largest_statement_that_loads_is_judged_by_a_running_gate() {
    let none = "(resource has number && resource.number == \"none\")";
    let largest = [
        format!("resource has buyer_reference{}", " && resource has email".repeat(252)),
        format!("{none}{}", format!(" || {none}").repeat(100)),
        format!("1 == 0{}", " + 1".repeat(500)),
        format!(
            "resource has ordered_on && resource.ordered_on.toDate() == datetime(\"1999-01-01\"){}",
            format!(" || {none}").repeat(99)
        ),
    ];
    let demo = Demo::start_with(roomy, &[]);
    let file = demo.policies().join("access/extra.cedar");
    for (number, condition) in largest.iter().enumerate() {
        put(&file, &extra(condition));
        let told = check(&demo.policies());
        assert_eq!(told.code, 0, "{told:?}");
        until("it serves", || swaps(&demo) == number + 1);
        demo.get("/v1/orders?limit=2").send().expect(200);
        assert!(!demo.get("/v1/orders?limit=200").by(Who::Partner).send().expect(200).items().is_empty());
        let one = demo.get("/v1/orders?limit=1").send().items()[0]["id"].as_str().unwrap().to_owned();
        demo.get(&format!("/v1/orders/{one}")).send().expect(200);
    }
    assert!(!demo.stderr().contains("could not be judged"), "{}", demo.stderr());
}

#[test]
fn half_of_a_file_of_statements_opens_nothing() {
    let demo = Demo::start_with(roomy, &[]);
    let guards = demo.policies().join(GUARDS);
    let whole = fs::read_to_string(&guards).unwrap();
    let shows_drafts = || {
        let mine = demo.get("/v1/orders?limit=200").by(Who::Partner).send().expect(200).items();
        mine.iter().any(|order| order["status"] == "draft")
    };
    assert!(!shows_drafts());
    refused(&demo, || drop(fs::File::create(&guards).unwrap()));
    assert!(demo.stderr().contains("`access/guards.cedar` holds no statement"), "{}", demo.stderr());
    assert!(!shows_drafts());
    refused(&demo, || fs::write(&guards, "// to be continued\n").unwrap());
    refused(&demo, || fs::rename(demo.policies().join("access"), demo.policies().join(".access")).unwrap());
    assert!(demo.stderr().contains("`access/` is missing or empty"), "{}", demo.stderr());
    assert!(!shows_drafts());
    fs::rename(demo.policies().join(".access"), demo.policies().join("access")).unwrap();
    put(&guards, &whole);
    until("the whole serves", || {
        demo.admin(Method::GET, "/readyz").send().expect(200).json()["bundle"]["last_refused"].is_null()
    });
}

#[test]
fn a_file_is_taken_over_when_it_is_written_to_its_end() {
    use std::io::Write as _;
    let demo = Demo::start_with(roomy, &[]);
    let guards = demo.policies().join(GUARDS);
    let whole = fs::read_to_string(&guards).unwrap();
    let (first, rest) = whole.split_at(whole.find("@id(\"partners-never-see-drafts\")").unwrap());
    // The part up to there is a good file of its own, and lacks a forbid.
    let mut file = fs::File::create(&guards).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    let until_then = Instant::now() + Duration::from_millis(800);
    while Instant::now() < until_then {
        demo.get("/v1/products?limit=1").send().expect(200);
        assert_eq!((swaps(&demo), refusals(&demo)), (0, 0));
    }
    file.write_all(rest.as_bytes()).unwrap();
    file.write_all(b"\n// the end\n").unwrap();
    drop(file);
    until("the whole serves", || swaps(&demo) == 1);
    assert!(!demo.stderr().contains("lack statements that close something"));
}

#[test]
fn a_statement_that_cannot_be_judged_refuses_and_is_named_in_the_log() {
    let demo = Demo::start_with(roomy, &[]);
    put(&demo.policies().join("access/extra.cedar"), &extra("9223372036854775807 + 1 == 0"));
    until("it serves", || swaps(&demo) == 1);
    demo.get("/v1/orders?limit=2").send().expect(403);
    let told = "a statement could not be judged, so it refuses";
    until("the log has it", || demo.stderr().contains(told));
    let line = demo.stderr().lines().find(|line| line.contains(told)).unwrap().to_owned();
    assert!(line.contains("statement=extra"), "{line}");
    let entries = book::entries(&demo.data());
    assert!(entries.iter().any(|entry| entry["notes"].to_string().contains("extra")), "{entries:?}");
}

#[test]
fn an_edit_that_takes_a_forbid_away_is_named_in_log_and_journal() {
    let demo = Demo::start_with(roomy, &[]);
    let guards = demo.policies().join(GUARDS);
    let whole = fs::read_to_string(&guards).unwrap();
    let cut = whole.find("@id(\"partners-never-see-costs\")").unwrap();
    put(&guards, &whole[..cut]);
    until("it serves", || swaps(&demo) == 1);
    let gone = "partners-never-see-costs, archived-customers-stay, no-blind-change-of-orders, invoices-are-never-deleted";
    assert!(demo.stderr().contains("lack statements that close something"), "{}", demo.stderr());
    assert!(demo.stderr().contains(gone), "{}", demo.stderr());
    let entries = book::entries(&demo.data());
    let swapped = entries.iter().find(|entry| entry["act"] == "swapped").unwrap();
    assert!(swapped["details"].to_string().contains(gone), "{swapped}");
    let told = || demo.admin(Method::GET, "/api/bundle").send().expect(200).json()["closing_gone"].clone();
    let named: Vec<&str> = gone.split(", ").collect();
    assert_eq!(told(), json!({ "named": named, "more": 0 }));
    // What changes nothing takes nothing away.
    assert_eq!(demo.admin(Method::POST, "/api/reload").send().expect(200).json()["outcome"], "swapped");
    until("the same serves again", || swaps(&demo) == 2);
    assert_eq!(told(), json!({ "named": [], "more": 0 }));
    // An edit that takes none away names none.
    put(&guards, &whole);
    until("it serves again", || swaps(&demo) == 3);
    assert_eq!(demo.stderr().matches("lack statements that close something").count(), 1);
}

/// Conditions that hold for an order of that number only, each at a bound and one beyond it.
fn bounds(number: &str) -> [[String; 2]; 4] {
    let is_meant = format!("resource has number && resource.number == \"{number}\"");
    // The braces around a condition are one more.
    let nested = |times| format!("{}{is_meant}{}", "(".repeat(times), ")".repeat(times));
    let ifs = |times| format!("{}{is_meant}{}", "if true then ".repeat(times), " else false".repeat(times));
    // Five stand before the condition and four in the comparison, where it is deepest.
    let operators = |count: usize| format!("{is_meant}{}", " && true".repeat(count - 9));
    let long = |bytes: usize| {
        let of = |filler: &str| {
            format!("resource has number && [\"{number}\", \"{filler}\"].contains(resource.number)")
        };
        of(&"x".repeat(bytes - extra(&of("")).trim_end().len()))
    };
    [
        [nested(31), nested(32)],
        [ifs(4), ifs(5)],
        [operators(512), operators(513)],
        [long(64 * 1024), long(64 * 1024 + 1)],
    ]
}

#[test]
fn a_statement_at_a_bound_decides_the_same_in_every_verb_and_in_a_running_gate() {
    let demo = Demo::start_with(roomy, &[]);
    let file = demo.policies().join("access/extra.cedar");
    let orders = demo.get("/v1/orders?limit=2").send().expect(200).items();
    let record = |order: &Value| {
        let named = ["id", "number", "customer", "status"].map(|name| (name.to_owned(), order[name].clone()));
        Value::from_iter(named)
    };
    let ids = [&orders[0]["id"], &orders[1]["id"]].map(|id| format!("/v1/orders/{}", id.as_str().unwrap()));
    let records = [record(&orders[0]), record(&orders[1])];
    let outcomes = ["hidden", "permitted"];
    assert_ne!(records[0]["number"], records[1]["number"]);
    let case = |n: usize| {
        json!({
            "name": outcomes[n], "as": "App/shop-backend", "action": "read", "entity": "Order",
            "record": records[n], "expect": { "outcome": outcomes[n] },
        })
    };
    fs::write(demo.policies().join("tests/extra.yaml"), json!({ "tests": [case(0), case(1)] }).to_string())
        .unwrap();
    until("the tests are there", || swaps(&demo) == 1);
    let policies = demo.policies();
    let saved = policies.with_file_name("record.json");
    let explained = |record: &Value| {
        fs::write(&saved, record.to_string()).unwrap();
        let asked = "policy explain --as App/shop-backend --action read --entity Order --json --policies";
        let mut args: Vec<&str> = asked.split(' ').collect();
        args.extend([policies.to_str().unwrap(), "--record", saved.to_str().unwrap()]);
        run(&args)
    };
    let tested = || run(&["policy", "test", "--policies", policies.to_str().unwrap()]);
    for (round, [at, beyond]) in bounds(records[0]["number"].as_str().unwrap()).iter().enumerate() {
        put(&file, &extra(at));
        until("it serves", || swaps(&demo) == round + 2);
        demo.get(&ids[0]).send().refused(404);
        demo.get(&ids[1]).send().expect(200);
        for ran in [check(&policies), tested()] {
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        for (record, outcome) in records.iter().zip(outcomes) {
            let ran = explained(record);
            assert_eq!(ran.code, 0, "{ran:?}");
            let told: Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!(told["on_record"]["outcome"], outcome, "{told}");
        }
        // One more, and none of them takes it.
        let before = demo.stderr().len();
        refused(&demo, || put(&file, &extra(beyond)));
        let mut said = vec![demo.stderr()[before..].to_owned()];
        for ran in [check(&policies), tested(), explained(&records[1])] {
            assert_eq!(ran.code, 1, "{ran:?}");
            said.push(ran.out + &ran.err);
        }
        for said in said {
            assert!(said.contains("access/extra.cedar:") && said.contains("at most"), "{said}");
        }
        demo.get(&ids[0]).send().refused(404);
        demo.get(&ids[1]).send().expect(200);
    }
}

/// A pipe that nobody writes to.
fn pipe(at: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// What is told of something that is no file, and what makes it.
type NoFile = (&'static str, fn(&Path));

/// What may stand under a file's name and is none.
fn no_files() -> [NoFile; 6] {
    [
        ("it is neither a file nor a folder", pipe),
        ("it is neither a file nor a folder", |at| drop(UnixListener::bind(at).unwrap())),
        ("there are no folders inside `access/`", |at| fs::create_dir(at).unwrap()),
        ("it leads out of the bundle's folder", |at| symlink("/dev/zero", at).unwrap()),
        ("No such file or directory", |at| symlink("nowhere.cedar", at).unwrap()),
        ("Too many levels of symbolic links", |at| symlink(at.file_name().unwrap(), at).unwrap()),
    ]
}

#[test]
fn what_is_no_file_is_told_by_a_check_and_by_a_gate_that_serves_on_and_can_be_stopped() {
    let demo = Demo::start_with(roomy, &[]);
    let odd = demo.policies().join("access/x.cedar");
    for (told, make) in no_files() {
        let before = demo.stderr().len();
        refused(&demo, || make(&odd));
        let checked = check(&demo.policies());
        assert_eq!(checked.code, 1, "{checked:?}");
        for said in [checked.out.as_str(), &demo.stderr()[before..]] {
            assert!(said.contains("access/x.cedar") && said.contains(told), "{told}: {said}");
        }
        demo.get("/v1/orders?limit=1").send().expect(200);
        demo.get("/v1/customers?limit=1").by(Who::Partner).send().refused(403);
        // Whatever it is, out of the folder it goes.
        fs::rename(&odd, demo.policies().with_file_name(format!("odd-{told}").replace('/', "-"))).unwrap();
        until("the whole serves", || {
            demo.admin(Method::GET, "/readyz").send().expect(200).json()["bundle"]["last_refused"].is_null()
        });
    }
    assert_eq!(swaps(&demo), 0);
    refused(&demo, || pipe(&odd));
    assert_eq!(demo.stop().0, 0);
}

#[test]
fn what_a_bundle_names_and_is_no_file_is_told_by_a_check_and_by_a_gate_that_can_be_stopped() {
    let demo = Demo::start_with(roomy, &[]);
    let gateway = demo.policies().join("gateway.yaml");
    let good = fs::read_to_string(&gateway).unwrap();
    let beside = demo.policies().with_file_name("beside");
    fs::create_dir(&beside).unwrap();
    pipe(&beside.join("pipe"));
    fs::create_dir(beside.join("folder")).unwrap();
    symlink("/dev/zero", beside.join("device")).unwrap();
    symlink("/nowhere", beside.join("dangling")).unwrap();
    let large = fs::File::create(beside.join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    for (name, told) in [
        ("pipe", "it is no file"),
        ("folder", "it is no file"),
        ("device", "it is no file"),
        ("dangling", "No such file or directory"),
        ("large", "it is larger than 4194304 bytes"),
    ] {
        let (ca, before) = (beside.join(name), demo.stderr().len());
        let issuer = format!(
            "  token_ttl_max: 90d\n  issuers:\n    corp: {{ issuer: https://idp.example, audience: a, kinds: [App], ca: {} }}\n",
            ca.display()
        );
        refused(&demo, || put(&gateway, &good.replace("  token_ttl_max: 90d\n", &issuer)));
        let checked = check(&demo.policies());
        assert_eq!(checked.code, 1, "{checked:?}");
        for said in [checked.out.as_str(), &demo.stderr()[before..]] {
            let why = format!("cannot read `{}`: {told}", ca.display());
            assert!(said.contains("gateway.yaml:") && said.contains(&why), "{name}: {said}");
        }
        demo.get("/v1/orders?limit=1").send().expect(200);
    }
    assert_eq!(swaps(&demo), 0);
    assert_eq!(demo.stop().0, 0);
}

#[test]
fn a_certificate_that_is_no_file_any_more_keeps_the_old_one_and_the_gate_can_be_stopped() {
    let demo = Demo::start_with(roomy, &[]);
    let certs = demo.data().join("certs");
    fs::remove_file(certs.join("server.key")).unwrap();
    pipe(&certs.join("server.key"));
    demo.signal("HUP");
    until("it is told", || demo.stderr().contains("server.key"));
    demo.get("/v1/orders?limit=1").send().expect(200);
    put(&demo.policies().join("access/extra.cedar"), &extra("true"));
    until("an edit holds nevertheless", || demo.get("/v1/orders?limit=1").send().status == 403);
    assert_eq!(demo.stop().0, 0);
}

#[test]
fn a_check_tells_misspelt_names_in_conditions_and_heads() {
    let told = |text: &str| checked(|policies| fs::write(policies.join("access/extra.cedar"), text).unwrap());
    for (condition, hint) in [
        ("resource has statsu && resource.statsu == \"draft\"", "did you mean `status`?"),
        ("resource has status && resource.status == \"opne\"", "did you mean `open`?"),
        ("principal has contry", "did you mean `country`?"),
        ("context.claimed has purpos", "did you mean `purpose`?"),
        ("resource has ship_to && resource.ship_to has cty", "did you mean `city`?"),
        ("resource.customer == Order::\"1\"", "is never"),
    ] {
        let told = told(&extra(condition));
        assert_eq!(told.code, 1, "{condition}: {told:?}");
        assert!(
            told.out.contains(hint) && told.out.contains("access/extra.cedar:3:"),
            "{condition}: {told:?}"
        );
    }
    let head = |who: &str| extra("true").replace("(principal,", &format!("(principal == {who},"));
    let unknown = told(&head("Partner::\"acme-protal\""));
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.out.contains("did you mean `acme-portal`?"), "{unknown:?}");
    assert_eq!(told(&head("Partner::\"acme-portal\"")).code, 0);
    assert_eq!(told(&head("Partner::\"okta|x\"")).code, 0);
}

#[test]
fn a_check_looks_at_the_tests_too() {
    let with = |from: &str, to: &str| {
        checked(|policies| {
            let file = policies.join("tests/partners.yaml");
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains(from));
            fs::write(&file, text.replacen(from, to, 1)).unwrap();
        })
    };
    for (from, to) in
        [("outcome: permitted", "outcome: permited"), ("as: Partner/acme-portal", "as: Partner/acme-protal")]
    {
        let told = with(from, to);
        assert_eq!(told.code, 1, "{told:?}");
        assert!(
            told.out.contains("tests/partners.yaml:") && told.out.contains("tests cannot be run"),
            "{told:?}"
        );
    }
    assert_eq!(with("outcome: permitted", "outcome:  permitted").code, 0);
}

#[test]
fn a_mistake_in_the_catalogue_is_told_by_the_check_and_keeps_no_policies_from_serving() {
    let spoilt =
        "system: shop\nbase: https://shop.example\nsign_in: none\nentities:\n  Custmer: { at: /c }\n";
    let ready = "system: shop\nbase: https://shop.example\nsign_in: { bearer: \"${env:NOBODY_SETS_THIS}\" }\nentities:\n  Customer:\n    at: /c\n    read: {}\n    fields: { kind: =person, name: title }\n";
    let with = |text: &'static str| {
        move |policies: &Path| {
            fs::create_dir_all(policies.join("systems/catalogue")).unwrap();
            fs::write(policies.join("systems/catalogue/shop.yaml"), text).unwrap();
        }
    };
    let told = checked(with(spoilt));
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("--> systems/catalogue/shop.yaml:5:3"), "{told:?}");
    assert!(told.out.contains("did you mean `Customer`?"), "{told:?}");
    assert!(told.out.contains("these policies serve; their catalogue has mistakes"), "{told:?}");
    assert_eq!(checked(with(ready)).code, 0);

    // A gate that starts is a gate that serves.
    drop(Demo::start_with(with(spoilt), &[]));
}
