//! The journal's decisions under another bundle: what `policy replay` tells of a gate that served real calls, and that
//! it is what the gate answers under that bundle.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    sync::Arc,
};

use bramka::{
    audit::{JournalKeys, lanes, read_lane},
    clock,
    config::{self, KeptBundles, Means, Placeholders},
    crosswalk::MadeUp,
    replay::{Again, Bundle, Replay, Ruling, What, Which},
    upstream,
    words::{Digest, SecretBytes},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::{Answer, Demo, Ran, Who, copy_all, run, until},
    reads::roomy,
};

const APPS: &str = "access/apps.cedar";
const PARTNERS: &str = "access/partners.cedar";
const GUARDS: &str = "access/guards.cedar";

/// An edit of a file: what stands there, and what comes instead, once.
type Edit<'e> = (&'e str, &'e str, &'e str);

const HIDE_E_MAILS: Edit<'_> = (APPS, "tax_ids.value, emails.value, phones", "tax_ids.value, phones");
const OPEN_ONLY: Edit<'_> = (
    PARTNERS,
    "principal has customer && resource.customer == principal.customer",
    "principal has customer && resource.customer == principal.customer && resource has status && resource.status == \"open\"",
);
const DOLLARS_ONLY: Edit<'_> = (
    PARTNERS,
    "principal has customer && resource.customer == principal.customer",
    "principal has customer && resource.customer == principal.customer && resource has currency && resource.currency == \"USD\"",
);
/// So that status and currency are kept, whoever asks.
const EVERYBODY: Edit<'_> = (
    GUARDS,
    "",
    "\n@id(\"no-yen\")\nforbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Order)\n\
    when { resource has status && resource.status == \"open\" && resource has currency && resource.currency == \"JPY\" };\n",
);
const MASK: Edit<'_> = (
    APPS,
    "@id(\"apps-read-orders\")",
    "@id(\"apps-read-orders\")\n@mask(\"email: e-mail, ship_to.name: full\")",
);
const PARTNERS_READ: &str = "\n@id(\"partners-read-customers\")\n@fields(\"id, name\")\n\
    permit (principal is Partner in Group::\"partners\", action == Action::\"list\", resource is Customer)\n\
    when { resource has lifecycle };\n";

fn with(text: &str, (file, from, to): &Edit<'_>) -> String {
    assert!(text.contains(from), "{file} has no {from}");
    if from.is_empty() { text.to_owned() + to } else { text.replacen(from, to, 1) }
}

fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("tmp~");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, path).unwrap();
}

fn edit(policies: &Path, one: &Edit<'_>) {
    let path = policies.join(one.0);
    put(&path, &with(&fs::read_to_string(&path).unwrap(), one));
}

/// The bundle of a gate, edited beside it.
fn edited(demo: &Demo, edits: &[Edit<'_>]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_all(&demo.policies(), dir.path());
    edits.iter().for_each(|one| edit(dir.path(), one));
    dir
}

fn replay(data: &Path, bundle: &Path, more: &[&str]) -> Ran {
    let (bundle, data) = (bundle.to_str().unwrap(), data.to_str().unwrap());
    run(&[&["policy", "replay", "--bundle", bundle, "--data", data], more].concat())
}

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn request(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

fn changes(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = report["changes"].as_array().unwrap().iter();
    all.map(|change| (text(&change["principal"]), text(&change["what"]))).collect()
}

#[test]
fn an_edited_statement_is_told_with_whom_it_gives_and_takes_what_and_an_exchange_to_look_at() {
    let demo = Demo::start_as_shipped();
    let customers = demo.get("/v1/customers?limit=2").send().expect(200);
    let _orders = demo.get("/v1/orders?limit=2").send().expect(200);
    let refused = demo.get("/v1/customers").by(Who::Partner).send().expect(403);
    let own = demo.get("/v1/orders?limit=2").by(Who::Partner).send().expect(200);
    assert_eq!(own.items().len(), 2);

    let same = replay(&demo.data(), &demo.policies(), &["--json"]);
    assert_eq!((same.code, &told(&same)["all"]["same"]), (0, &json!(4)), "{same:?}");

    let new = edited(&demo, &[HIDE_E_MAILS, (PARTNERS, "", PARTNERS_READ)]);
    let ran = replay(&demo.data(), new.path(), &["--json"]);
    let report = told(&ran);
    assert_eq!(ran.code, 1);
    let (app, partner) = ("App/shop-backend".to_owned(), "Partner/acme-portal".to_owned());
    assert_eq!(
        changes(&report),
        [
            (app, "emails.value (personal): shown → hidden".to_owned()),
            (partner, "refused → allowed".to_owned())
        ]
    );
    assert_eq!(report["changes"][0]["request"], request(&customers).as_str());
    assert_eq!(report["changes"][1]["request"], request(&refused).as_str());
    let all = &report["all"];
    assert_eq!((&all["more"], &all["less"], &all["same"]), (&json!(1), &json!(1), &json!(2)), "{all}");

    let one = told(&replay(&demo.data(), new.path(), &["--json", "--principal", "Partner/acme-portal"]));
    assert_eq!((&one["all"]["entries"], &one["all"]["more"]), (&json!(2), &json!(1)), "{one}");
    let none = told(&replay(&demo.data(), new.path(), &["--json", "--until", "2020-01-01"]));
    assert_eq!(none["all"]["entries"], 0);

    let text = replay(&demo.data(), new.path(), &[]).out;
    assert!(
        text.contains("+ Partner/acme-portal: list Customer: refused → allowed (1 entry, as in "),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colour where nobody looks");
    let markdown = replay(&demo.data(), new.path(), &["--markdown"]).out;
    assert!(markdown.contains("### Less\n\n- App/shop-backend: list Customer: emails.value"), "{markdown}");

    // The reading is on record, before it is done; whose decisions are looked at stands there by its digest.
    let data = demo.data();
    let find = ["audit", "search", "--act", "journal-read", "--json", "--data", data.to_str().unwrap()];
    let read = run(&find).out;
    assert!(read.contains("replay under ") && !read.contains("acme-portal"), "{read}");
}

#[test]
fn what_an_entry_does_not_hold_is_told_as_such_and_only_where_it_matters() {
    let demo = Demo::start_as_shipped();
    demo.get("/v1/orders?limit=3").send().expect(200);
    demo.get("/v1/orders?limit=3").by(Who::Partner).send().expect(200);
    // Nobody read the currency, so it was not kept; for the app it does not matter, as it is not of a partner.
    let forbid = "\n@id(\"not-in-dollars\")\nforbid (principal, action == Action::\"list\", resource is Order)\n\
        when { principal is Partner && resource has currency && resource.currency == \"USD\" };\n";
    let new = edited(&demo, &[(GUARDS, "", forbid)]);
    let report = told(&replay(&demo.data(), new.path(), &["--json"]));
    assert_eq!((&report["all"]["same"], &report["all"]["cannot_tell"]), (&json!(1), &json!(1)), "{report}");
    let reason = &report["cannot_tell"][0];
    assert_eq!((&reason["reason"], &reason["about"]), (&json!("attribute-not-kept"), &json!("currency")));

    // What was not fetched cannot be told; what was is.
    let wider = (
        PARTNERS,
        "when { principal has customer && resource.customer == principal.customer };",
        "when { principal has customer };",
    );
    let new = edited(&demo, &[wider]);
    let report = told(&replay(&demo.data(), new.path(), &["--json", "--principal", "Partner/acme-portal"]));
    assert_eq!(report["cannot_tell"][0]["reason"], "never-fetched", "{report}");
    // Fewer of them are none that were never fetched.
    let new = edited(&demo, &[OPEN_ONLY]);
    let report = told(&replay(&demo.data(), new.path(), &["--json", "--principal", "Partner/acme-portal"]));
    assert_eq!(report["all"]["cannot_tell"], 0, "{report}");

    // Another mapping may say something else of what statements go by.
    let new = edited(&demo, &[("systems/erp.yaml", "", "# another\n")]);
    let report = told(&replay(&demo.data(), new.path(), &["--json"]));
    assert_eq!(report["cannot_tell"][0]["reason"], "mapping-changed", "{report}");

    // What is erased is gone.
    let erase = demo.verb(&["audit", "erase", "Partner/acme-portal", "--yes"]);
    assert_eq!(erase.code, 0, "{erase:?}");
    let report = told(&replay(&demo.data(), &demo.policies(), &["--json"]));
    assert_eq!(report["cannot_tell"][0]["reason"], "erased", "{report}");
}

#[test]
fn whoever_is_unknown_in_a_bundle_is_refused_by_it_and_a_bundle_that_does_not_load_is_no_change() {
    let demo = Demo::start_as_shipped();
    demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200);
    let file = "principals/acme.yaml";
    let new = edited(&demo, &[(file, "acme-portal", "acme-gate")]);
    let report = told(&replay(&demo.data(), new.path(), &["--json"]));
    assert_eq!(changes(&report).len(), 1, "{report}");
    assert!(changes(&report)[0].1.contains("the caller is unknown"), "{report}");

    let broken = edited(&demo, &[(GUARDS, "", "permit (")]);
    let ran = replay(&demo.data(), broken.path(), &[]);
    assert_eq!((ran.code, &*ran.out), (2, ""), "{ran:?}");
    assert!(ran.err.contains("does not load") && ran.err.contains(GUARDS), "{}", ran.err);
}

/// The bundle of a folder, as a gate would compile it but for ids of records.
fn bundle(policies: &Path) -> Bundle {
    let raw = config::load(policies, &Placeholders)
        .unwrap_or_else(|report| panic!("{}", report.render(config::Colour::Off)));
    let files = raw.files.clone();
    let own = raw.addresses();
    let means = Means {
        registry: &upstream::Registry::default(),
        own: &own,
        pseudonyms: &SecretBytes::new(vec![7; 32]),
        base: policies,
        now: clock::now(),
        ids: &MadeUp,
    };
    let (snapshot, _) = config::compile(raw, &means)
        .unwrap_or_else(|report| panic!("{}", report.render(config::Colour::Off)));
    Bundle { snapshot, files }
}

/// What each exchange comes to under another bundle.
fn rulings(data: &Path, now: &Bundle) -> HashMap<String, Ruling> {
    let keys = JournalKeys::existing(&data.join("keys/journal")).unwrap();
    let kept = KeptBundles::of(data);
    let find = |digest: Digest| {
        let found = kept.beginning(&digest.to_string()).unwrap()?;
        Some(Arc::new(bundle(&found.policies)))
    };
    let cached = std::sync::Mutex::new(HashMap::new());
    let find = |digest: Digest| cached.lock().unwrap().entry(digest).or_insert_with(|| find(digest)).clone();
    let replay = Replay::under(now, &keys, &find, Which::default());
    let gate = fs::read_dir(data.join("audit")).unwrap().next().unwrap().unwrap().path();
    let mut found = HashMap::new();
    for lane in lanes(&gate).unwrap() {
        for line in read_lane(&gate.join(lane), keys.wrapping()).unwrap() {
            if let Again::Ruled(ruling) = replay.again(&line.unwrap()) {
                found.insert(ruling.request.clone().unwrap(), *ruling);
            }
        }
    }
    found
}

/// The leaves of a record with their values, list indexes aside.
fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, into)),
        value => into.entry(path.to_owned()).or_default().push(value.clone()),
    }
}

/// The records of an answer by id, each with its leaves.
fn records(answer: &Answer) -> BTreeMap<String, BTreeMap<String, Vec<Value>>> {
    if answer.status != 200 {
        return BTreeMap::new();
    }
    let body = answer.json();
    let items = body["items"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    let of = |item: &Value| {
        let mut found = BTreeMap::new();
        leaves(item, "", &mut found);
        (item["id"].as_str().unwrap_or_default().to_owned(), found)
    };
    items.iter().map(of).collect()
}

/// Requests of both callers; what they come to differs by caller, by record and by what is wanted.
fn questions(demo: &Demo) -> Vec<(Who, String)> {
    let mut all = Vec::new();
    let orders = demo.get("/v1/orders?limit=14&fields=id").send().expect(200).items();
    let own = demo.get("/v1/orders?limit=14&fields=id").by(Who::Partner).send().expect(200).items();
    for order in orders.iter().chain(&own) {
        let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
        all.extend([(Who::App, path.clone()), (Who::Partner, path.clone())]);
        all.push((Who::Partner, format!("{path}?fields=id,status,email")));
    }
    for who in [Who::App, Who::Partner] {
        for query in ["limit=5", "limit=5&fields=id,email", "limit=3&status=open", "limit=3&sort=-ordered_on"]
        {
            all.push((who, format!("/v1/orders?{query}")));
        }
        all.extend(
            ["/v1/customers?limit=4", "/v1/products?limit=2", "/v1/invoices?limit=3"]
                .map(|path| (who, path.to_owned())),
        );
    }
    all
}

/// Whether what was predicted of an exchange is what came of it.
fn check(path: &str, ruling: &Ruling, before: &Answer, after: &Answer) {
    let is_list = ruling.action == bramka::catalog::Action::List;
    let about = format!("{path}: {} → {}: {ruling:?}", before.status, after.status);
    if ruling.direction().is_none() {
        return;
    }
    let refused = |answer: &Answer| answer.status >= 400;
    let has = |of: fn(&What) -> bool| ruling.found.changes.iter().any(of);
    let opens = has(|what| matches!(what, What::Allowed | What::Seen));
    let closes = has(|what| matches!(what, What::Forbidden | What::Unasked(_) | What::Unfiltered(_)));
    let hides = has(|what| matches!(what, What::Hidden));
    if is_list {
        assert_eq!(!refused(before) && refused(after), closes, "{about}");
    } else {
        assert_eq!(refused(before) && !refused(after), opens, "{about}");
        assert_eq!(!refused(before) && refused(after), closes || hides, "{about}");
    }
    let predicted: BTreeSet<&str> = ruling
        .found
        .changes
        .iter()
        .filter_map(|what| match what {
            What::Field { field, .. } => Some(&**field),
            _ => None,
        })
        .collect();
    let (old, new) = (records(before), records(after));
    for (id, was) in &old {
        match new.get(id) {
            Some(is) => {
                let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
                let differ = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
                let differ: BTreeSet<&str> = differ.map(|name| &**name).collect();
                let there = |name: &&str| was.contains_key(*name) || is.contains_key(*name);
                let told: BTreeSet<&str> = predicted.iter().copied().filter(there).collect();
                assert_eq!(differ, told, "{about}");
            }
            None if is_list && !refused(after) => assert!(hides, "{id} is gone: {about}"),
            None => {}
        }
    }
}

#[test]
fn what_replay_says_of_a_request_is_what_the_gate_answers_under_that_bundle() {
    let demo = Demo::start_with(
        |policies| {
            roomy(policies);
            edit(policies, &EVERYBODY);
        },
        &[],
    );
    let questions = questions(&demo);
    let forbid = "\n@id(\"closed-is-closed\")\nforbid (principal, action == Action::\"read\", resource is Order)\n\
        when { resource has currency && resource.currency != \"USD\" };\n";
    let bundles: &[&[Edit<'_>]] = &[
        &[HIDE_E_MAILS, MASK],
        &[DOLLARS_ONLY, (GUARDS, "", forbid)],
        &[
            (PARTNERS, "", PARTNERS_READ),
            (PARTNERS, "lines.shipped_quantity, tax_exclusive_total", "lines.shipped_quantity"),
        ],
    ];
    let swaps = || demo.stderr().matches("new policies serve").count();
    for edits in bundles {
        let ask = |(who, path): &(Who, String)| demo.get(path).by(*who).send();
        let before: Vec<Answer> = questions.iter().map(ask).collect();
        let new = edited(&demo, edits);
        let found = rulings(&demo.data(), &bundle(new.path()));
        let served = serve(&demo, &swaps, edits);
        let after: Vec<Answer> = questions.iter().map(ask).collect();
        let (mut changed, mut sure) = (0, 0);
        for (((_, path), before), after) in questions.iter().zip(&before).zip(&after) {
            let ruling = &found[&request(before)];
            changed += usize::from(!ruling.found.changes.is_empty());
            sure += usize::from(ruling.direction().is_some());
            check(path, ruling, before, after);
        }
        assert!(changed > 3, "{changed} changes, {sure} sure: {edits:?}");
        assert!(sure * 10 >= questions.len() * 8, "{sure} of {} can be told", questions.len());
        let so_far = swaps();
        for (file, text) in served {
            put(&demo.policies().join(file), &text);
        }
        until("the bundle of before serves", || swaps() > so_far);
    }
}

/// Edits the bundle that serves, a file at once; gives the files as they were.
fn serve(demo: &Demo, swaps: &dyn Fn() -> usize, edits: &[Edit<'_>]) -> Vec<(String, String)> {
    let mut was: BTreeMap<&str, String> = BTreeMap::new();
    for (file, ..) in edits {
        was.entry(file).or_insert_with(|| fs::read_to_string(demo.policies().join(file)).unwrap());
    }
    for file in was.keys() {
        let so_far = swaps();
        let whole =
            edits.iter().filter(|(of, ..)| of == file).fold(was[file].clone(), |text, one| with(&text, one));
        put(&demo.policies().join(file), &whole);
        until("the edit serves", || swaps() > so_far);
    }
    was.into_iter().map(|(file, text)| (file.to_owned(), text)).collect()
}

#[test]
fn writes_and_calls_are_decided_again_by_what_they_change_and_where_they_go() {
    let demo = Demo::start_as_shipped();
    let order = demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200).items().remove(0);
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let patch = |fields: &Value| demo.ask(Method::PATCH, &path).by(Who::Partner).json(fields).send();
    let named = patch(&json!({ "buyer_reference": "PO-77" })).expect(200);
    let refused = patch(&json!({ "status": "closed" }));
    assert!(refused.status >= 400);
    let call = demo.get("/systems/crm/crm/v3/objects/contacts?limit=1").send().expect(200);
    let own: BTreeSet<String> = [&named, &call].map(request).into_iter().collect();

    let same = told(&replay(&demo.data(), &demo.policies(), &["--json"]));
    assert_eq!(same["all"]["same"], same["all"]["entries"], "{same}");

    let no_call = "\n@id(\"no-contacts\")\nforbid (principal, action == Action::\"call\", resource == System::\"crm\")\n\
        when { context.checked.call.path like \"/crm/*/contacts*\" };\n";
    let writes = (PARTNERS, "@writes(\"buyer_reference, requested_on\")", "@writes(\"requested_on\")");
    let edits = [writes, (GUARDS, "", no_call)];
    let new = edited(&demo, &edits);
    let report = told(&replay(&demo.data(), new.path(), &["--json"]));
    let (app, partner) = ("App/shop-backend".to_owned(), "Partner/acme-portal".to_owned());
    let unwritable = "allowed → refused: `buyer_reference` changes".to_owned();
    let expected = [(app, "allowed → refused".to_owned()), (partner, unwritable)];
    assert_eq!(changes(&report), expected, "{report}");
    let samples = report["changes"].as_array().unwrap().iter().map(|one| one["request"].as_str().unwrap());
    assert_eq!(samples.map(str::to_owned).collect::<BTreeSet<_>>(), own);

    // And so the gate does.
    let swaps = || demo.stderr().matches("new policies serve").count();
    serve(&demo, &swaps, &edits);
    assert!(patch(&json!({ "buyer_reference": "PO-78" })).status >= 400);
    demo.get("/systems/crm/crm/v3/objects/contacts?limit=1").send().expect(403);
}

/// The counts of a shadow bundle by how it decides.
fn shadowed(demo: &Demo) -> BTreeMap<String, u64> {
    let text = demo.admin(Method::GET, "/metrics").send().expect(200);
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("bramka_shadow_decisions_total{reason=\""));
    counts
        .map(|line| {
            let (reason, count) = line.split_once("\"} ").unwrap();
            (reason.to_owned(), count.parse().unwrap())
        })
        .collect()
}

#[test]
fn a_shadow_bundle_is_tried_on_live_traffic_and_changes_no_answer() {
    let demo = Demo::start_as_shipped();
    let before = demo.get("/v1/orders?limit=3").by(Who::Partner).send().expect(200);
    let next = demo.policies().parent().unwrap().join("next");
    copy_all(&demo.policies(), &next);
    // It goes by a field that no statement of the bundle in force goes by.
    edit(&next, &DOLLARS_ONLY);
    edit(&next, &HIDE_E_MAILS);
    let gateway = demo.policies().join("gateway.yaml");
    let shipped = fs::read_to_string(&gateway).unwrap();
    put(&gateway, &format!("{shipped}\nshadow: {{ policies: {} }}\n", next.display()));
    until("it is tried", || demo.stderr().contains("a shadow bundle is tried"));
    // The journal is looked at from then on: the first answers may come before that.
    until("it is at it", || {
        demo.get("/v1/products?limit=1").send().expect(200);
        shadowed(&demo).contains_key("same")
    });
    let orders = demo.get("/v1/orders?limit=3").by(Who::Partner).send().expect(200);
    assert_eq!(orders.items(), before.items());
    let foreign = |order: &Value| order["currency"] != "USD";
    let is_hidden = before.items().iter().any(foreign);
    let customers = demo.get("/v1/customers?limit=2").send().expect(200);
    assert!(customers.items()[0]["emails"].is_array());
    let less = if is_hidden { 2 } else { 1 };
    until("what differs is counted", || shadowed(&demo).get("less").copied().unwrap_or_default() >= less);
    assert_eq!(shadowed(&demo).get("cannot_tell"), None);

    let data = demo.data();
    let find = ["audit", "search", "--act", "shadow", "--json", "--data", data.to_str().unwrap()];
    let written = run(&find).out;
    assert!(
        written.contains(&request(&customers)) && written.contains("emails.value (personal)"),
        "{written}"
    );
    assert!(!written.contains("shop-backend"), "it names nobody");
    let sum = demo.verb(&["policy", "replay", "--shadow", "--json"]);
    assert!(told(&sum)["all"]["less"].as_u64().unwrap() >= less, "{sum:?}");

    // One that breaks is told, and the gate serves on.
    put(&next.join(GUARDS), "permit (");
    until("it is told", || demo.stderr().contains("the shadow bundle does not load"));
    demo.get("/v1/customers?limit=2").send().expect(200);
}
