//! Random bundles, callers and records: the room's decision is the naive one's, case by case.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    kit::{World, context_of, facts, text, world},
    naive::{Asked, Decided, Said, decide, decide_update},
};
use crate::{
    catalog::Action,
    identity::{Attribute, Facts},
    policy::{
        Change, Circumstances, Denied, Memo, On, Openness, Outlook, Question, Reach, Subject, Surety, Target,
        Verdict, Wanted, Whom, judge, outlook, preview, program::About, reach, verdict, witness,
    },
    schema::FieldSet,
    words::{Digest, EntityName, GroupName, Kind, ListenerName},
};

/// LIMIT: bundles of a run in the suite.
const BUNDLES: u64 = 250;
const CASES_PER_BUNDLE: u64 = 40;

/// The seeds of a run: a long one is asked for by `BRAMKA_CASES`, a number of cases, and never goes over seeds that the
/// suite has gone over.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let cases = std::env::var("BRAMKA_CASES").ok().map(|text| text.parse::<u64>().unwrap());
    match cases {
        Some(cases) => BUNDLES + 1..=BUNDLES + cases.div_ceil(CASES_PER_BUNDLE),
        None => 1..=BUNDLES,
    }
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    fn some<T: Clone>(&mut self, of: &[T], chance: usize) -> Vec<T> {
        of.iter().filter(|_| self.roll(chance) == 0).cloned().collect()
    }
}

const ATOMS: [&str; 60] = [
    "true",
    "principal has customer && resource.customer == principal.customer",
    "resource.customer == Customer::\"acme\"",
    "[Customer::\"acme\", Customer::\"zeta\"].contains(resource.customer)",
    "resource has status && resource.status == \"open\"",
    "resource has status && [\"open\", \"draft\"].contains(resource.status)",
    "resource has status && resource.status != \"draft\"",
    "resource has country && principal has country && resource.country == principal.country",
    "resource has country && principal has countries && principal.countries.contains(resource.country)",
    "resource has total && resource.total.lessThan(decimal(\"100.00\"))",
    "resource has total && resource.total == decimal(\"10.5\")",
    "resource has total && principal has limit && resource.total.lessThanOrEqual(principal.limit)",
    "resource has quantity && resource.quantity > 10",
    "resource has quantity && resource.quantity + 1 <= 8",
    "resource has quantity && resource.quantity * 4611686018427387904 > 5",
    "resource has quantity && principal has level && resource.quantity - principal.level < -3",
    "resource has paid && resource.paid",
    "resource has paid && resource.paid == false",
    // Before 1970.
    "resource has born && resource.born > datetime(\"1950-01-01\")",
    "resource has tags && resource.tags.contains(\"a\")",
    "resource has tags && resource.tags.containsAny([\"b\", \"c\"])",
    "resource has tags && resource.tags.containsAll([\"a\", \"b\"])",
    "resource has tags && resource.tags.isEmpty()",
    "resource has tags && resource.tags == [\"b\", \"a\"]",
    "resource has ship && resource.ship has country && resource.ship.country like \"P*\"",
    "resource has ship.country && resource.ship.country == \"PL\"",
    "resource has created_on && resource.created_on < datetime(\"2026-03-01\")",
    "resource has created_at && resource.created_at >= datetime(\"2026-03-01T10:00:00Z\")",
    // One step away.
    "resource.customer has tier && resource.customer.tier == \"gold\"",
    "resource.customer has tier && [\"silver\", \"bronze\"].contains(resource.customer.tier)",
    "resource.customer has credit && resource.customer.credit.lessThan(decimal(\"50.00\"))",
    "resource.customer has parent && resource.customer.parent == Customer::\"acme\"",
    "principal has customer && resource.customer has parent && resource.customer.parent == principal.customer",
    "resource.customer has blocked && resource.customer.blocked",
    "resource.customer has since && resource.customer.since.toTime() == duration(\"12h\")",
    // No compiled form: Cedar judges it.
    "resource has created_at && resource.created_at.toDate() == datetime(\"2026-03-01\")",
    "(if context.checked.channel.tls then resource else resource) has status",
    "context.checked.channel.tls",
    "context.checked.channel has certificate && context.checked.channel.certificate like \"*a*\"",
    "context.checked.address.isInRange(ip(\"10.0.0.0/8\"))",
    "context.checked.scopes.contains(\"orders\")",
    "context.checked.hours.contains(\"office\")",
    "context.checked.hours.containsAny([\"office\", \"night\"])",
    "context.checked has token_age && context.checked.token_age < 7200",
    "context.checked.request.method == \"GET\" && context.checked.request has bytes && context.checked.request.bytes <= 1000",
    "context.checked.time < datetime(\"2026-06-01\")",
    "context.claimed has purpose && context.claimed.purpose == \"audit\" && context.checked.channel.tls",
    "resource has note && resource.note like \"a*b\"",
    "resource has status && resource.status like \"open\"",
    "resource has ship.country && resource.ship.country like \"*L\"",
    "resource has created_on && resource.created_on == datetime(\"2026-03-01\")",
    "resource has created_at && resource.created_at == datetime(\"2026-03-01T10:00:00Z\")",
    "resource has created_at && resource.created_at >= datetime(\"2026-03-01T11:30:00Z\").offset(duration(\"-1h30m\"))",
    "resource has quantity && -resource.quantity > -2",
    "resource.customer in [Customer::\"zeta\", Customer::\"other\"]",
    "context.checked.address == ip(\"10.1.2.3\")",
    "[ip(\"::1\"), ip(\"10.0.0.0/8\")].contains(context.checked.address)",
    "context.checked.address.isIpv4()",
    "context.checked.address.isIpv6()",
    "context.checked.channel.listener == \"data\"",
];

fn body(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(if depth == 0 { 3 } else { 9 }) {
        3 | 4 => format!("({}) && ({})", body(dice, depth - 1), body(dice, depth - 1)),
        5 => format!("({}) || ({})", body(dice, depth - 1), body(dice, depth - 1)),
        6 => format!("!({})", body(dice, depth - 1)),
        7 => {
            let (a, b, c) = (body(dice, depth - 1), body(dice, depth - 1), body(dice, depth - 1));
            format!("if ({a}) then ({b}) else ({c})")
        }
        8 => format!("(resource == Order::\"1\") || ({})", body(dice, depth - 1)),
        _ => dice.one(&ATOMS).to_owned(),
    }
}

/// A forbid that can never hold does not load.
fn sometimes(is_permit: bool, body: String, sign: &str, other: &str) -> String {
    if is_permit { body } else { format!("({body}) {sign} (resource {other} Order::\"none\")") }
}

fn said(dice: &mut Dice, number: usize, is_permit: bool) -> Said {
    let who = [
        "principal",
        "principal",
        "principal is Partner",
        "principal in Group::\"staff\"",
        "principal == App::\"shop\"",
        "principal is User in Group::\"staff\"",
    ];
    let what = [
        "action == Action::\"read\"",
        "action == Action::\"list\"",
        "action in [Action::\"read\", Action::\"list\"]",
    ];
    let leaves = [
        "id",
        "customer",
        "status",
        "note",
        "total",
        "margin",
        "phone",
        "email",
        "born",
        "quantity",
        "ship.street",
        "ship.country",
        "lines.sku",
        "lines.cost",
        "tags",
    ];
    let mut fields = dice.some(&leaves, 3);
    if dice.roll(5) == 0 {
        fields.push(dice.one(&["*", "ship", "lines"]));
    }
    if fields.is_empty() {
        fields.push("id");
    }
    let maskable = [
        ("phone", "last4"),
        ("phone", "full"),
        ("email", "e-mail"),
        ("email", "full"),
        ("born", "year"),
        ("total", "rounded"),
        ("quantity", "rounded"),
        ("ship.street", "full"),
    ];
    let mut masks: Vec<(&str, &str)> = dice.some(&maskable, 2);
    masks.retain(|(path, _)| fields.contains(path));
    masks.dedup_by_key(|(path, _)| *path);
    let is_withholding = !is_permit && dice.roll(2) == 0;
    let withheld = if is_withholding {
        vec![dice.one(&["total", "ship", "note", "lines.sku", "email"])]
    } else {
        Vec::new()
    };
    let (body, unless) = (body(dice, 2), (dice.roll(3) == 0).then(|| body(dice, 1)));
    Said {
        id: format!("s{number}"),
        is_permit,
        head: format!("{}, {}, resource is Order", dice.one(&who), dice.one(&what)),
        body: sometimes(is_permit, body, "||", "=="),
        unless: unless.map(|body| sometimes(is_permit, body, "&&", "!=")),
        fields,
        writes: Vec::new(),
        masks,
        withheld,
    }
}

fn bundle(dice: &mut Dice) -> Vec<Said> {
    let count = 1 + dice.roll(6);
    (0..count)
        .map(|number| {
            let is_permit = dice.roll(4) != 0;
            said(dice, number, is_permit)
        })
        .collect()
}

fn someone(dice: &mut Dice) -> Arc<Facts> {
    let customer = |id: &str| ("customer", Attribute::Reference(EntityName::new("Customer"), id.into()));
    match dice.roll(5) {
        0 => facts(Kind::App, "shop", &["apps"], &[]),
        1 => facts(Kind::Partner, "acme-portal", &["partners"], &[customer("acme")]),
        2 => facts(
            Kind::Partner,
            "zeta-portal",
            &["partners"],
            &[customer("zeta"), ("country", Attribute::Text("PL".into()))],
        ),
        3 => facts(
            Kind::User,
            "mila",
            &["staff"],
            &[
                ("country", Attribute::Text(dice.one(&["PL", "DE", ""]).into())),
                ("countries", Attribute::Texts(vec!["CZ".into(), "PL".into()])),
                ("limit", Attribute::Decimal("50.25".parse().unwrap())),
                ("level", Attribute::Integer(dice.one(&[1, 7, i64::MAX]))),
            ],
        ),
        _ => facts(Kind::Anonymous, "", &[], &[]),
    }
}

fn row(dice: &mut Dice) -> Value {
    let mut row = json!({"id": dice.one(&["1", "2"])});
    let mut put = |dice: &mut Dice, name: &str, values: &[Value]| {
        if dice.roll(6) != 0 {
            row[name] = dice.one(values);
        }
    };
    put(dice, "customer", &[json!("acme"), json!("acme"), json!("zeta"), json!("other")]);
    put(dice, "status", &[json!("open"), json!("draft"), json!("shipped"), Value::Null]);
    put(dice, "country", &[json!("PL"), json!("DE"), json!("CZ"), json!(""), Value::Null]);
    put(dice, "note", &[json!("a-b"), json!("ab"), json!("ba"), json!("")]);
    put(
        dice,
        "total",
        &[
            json!("10.50"),
            json!("99.9999"),
            json!("100"),
            json!("1.00001"),
            json!("1234.5"),
            json!("-3"),
            Value::Null,
        ],
    );
    put(dice, "margin", &[json!("1.5")]);
    put(dice, "quantity", &[json!(1), json!(2), json!(7), json!(11), json!(-40), Value::Null]);
    put(dice, "paid", &[json!(true), json!(false)]);
    put(dice, "phone", &[json!("+48123456789"), json!("1234")]);
    put(dice, "email", &[json!("ewa@example.com"), json!("nobody")]);
    put(dice, "born", &[json!("1980-07-09")]);
    put(dice, "created_on", &[json!("2026-02-28"), json!("2026-03-01")]);
    put(
        dice,
        "created_at",
        &[
            json!("2026-03-01T10:00:00Z"),
            json!("2026-03-01T09:59:59.999Z"),
            json!("2026-03-01T09:59:59.9999Z"),
        ],
    );
    put(dice, "tags", &[json!([]), json!(["a"]), json!(["a", "b"]), json!(["b", "a", "b"]), json!(["c"])]);
    put(
        dice,
        "ship",
        &[
            json!({}),
            json!({"country": "PL"}),
            json!({"country": "DE", "street": "Prosta 1"}),
            json!({"country": null, "street": "x"}),
        ],
    );
    put(dice, "lines", &[json!([]), json!([{"sku": "a", "cost": "2"}, {"cost": "3"}])]);
    row
}

fn asked(dice: &mut Dice) -> Asked {
    Asked {
        action: dice.one(&["read", "list"]),
        tls: dice.roll(2) == 0,
        address: dice.one(&["10.1.2.3", "192.168.0.1", "::1"]),
        time: dice.one(&[
            "2026-05-05T12:00:00Z",
            "2026-07-01T00:00:00Z",
            "2026-12-24T10:00:00Z",
            "2026-05-09T05:00:00Z",
        ]),
        purpose: dice.one(&[None, Some("audit"), Some("other")]),
        guarded: None,
    }
}

fn look(world: &World, memo: &Memo, facts: &Arc<Facts>, asked: &Asked) -> Result<Box<Outlook>, Denied> {
    let action = if asked.action == "read" { Action::Read } else { Action::List };
    let context = context_of(asked.tls, asked.address, asked.time, asked.purpose);
    outlook(&world.policies, memo, facts, action, Target::Entity(world.entity("Order")), context)
}

fn load(all: &[Said]) -> World {
    world(&all.iter().map(Said::text).collect::<String>())
}

/// One case: the room's answer, checked against the naive one on the way.
fn compare(
    world: &World,
    memo: &Memo,
    said: &[Said],
    facts: &Arc<Facts>,
    asked: &Asked,
    row: &Value,
) -> Decided {
    let order = world.entity("Order");
    let naive = decide(said, &order, facts, asked, row);
    let stored = world.stored(&row.to_string());
    let told = || format!("{row}\n{asked:?}\n{facts:?}\n{}", said.iter().map(Said::text).collect::<String>());
    let outlook = match look(world, memo, facts, asked) {
        Ok(outlook) => outlook,
        Err(Denied::Never(_)) => {
            assert!(matches!(naive, Decided::Refused | Decided::Error), "refused early\n{}", told());
            return naive;
        }
        Err(Denied::Erroring { .. }) => {
            assert_eq!(naive, Decided::Error, "{}", told());
            return naive;
        }
        Err(other) => panic!("{other}\n{}", told()),
    };
    assert_eq!(world.policies.recheck(&outlook, Some(&stored), None), Ok(()), "{}", told());
    match (&naive, outlook.verdict(Some(&stored), None)) {
        (Decided::Error, Verdict::Erroring(_))
        | (Decided::Refused, Verdict::Forbidden(_) | Verdict::Unpermitted(_)) => {}
        (Decided::Shown(leaves, out), Verdict::Permitted(view)) => {
            for leaf in order.ids() {
                let path = order.leaf(leaf).unwrap().path.as_str();
                let how = view.shown.openness(leaf).map(|openness| match openness {
                    Openness::Full => "full",
                    Openness::Pseudonym => "pseudonym",
                    Openness::Coarse => "coarse",
                    Openness::EMail => "e-mail",
                    Openness::Last4 => "last4",
                    Openness::Shown => "shown",
                });
                assert_eq!(how, leaves.get(path).copied(), "{path}\n{}", told());
                let is_clear = outlook.clear().contains(leaf);
                assert!(!is_clear || how == Some("shown"), "clear {path}\n{}", told());
                assert!(how.is_none() || outlook.visible().contains(leaf), "visible {path}\n{}", told());
            }
            let (shown, _) = preview(&outlook, stored.clone(), None).unwrap();
            assert_eq!(&serde_json::from_str::<Value>(&text(&order, &shown)).unwrap(), out, "{}", told());
            assert!(outlook.pushdown().matches(&order, &stored), "{:?}\n{}", outlook.pushdown(), told());
        }
        (naive, verdict) => panic!("naive {naive:?}, room {verdict:?}\n{}", told()),
    }
    naive
}

/// What is told of a bundle without a record, by caller and action.
type Reaches = HashMap<(Digest, &'static str, Option<bool>), Vec<Reach>>;

/// Whatever happens in a case, what is told of all cases says that it can, and what it says always happens does.
fn reached(
    (world, memo, reaches): (&World, &Memo, &mut Reaches),
    said: &[Said],
    facts: &Arc<Facts>,
    asked: &Asked,
    row: &Value,
) {
    let order = world.entity("Order");
    let stored = world.stored(&row.to_string());
    let action = if asked.action == "read" { Action::Read } else { Action::List };
    let told = || format!("{row}\n{asked:?}\n{facts:?}\n{}", said.iter().map(Said::text).collect::<String>());
    let groups: BTreeSet<GroupName> = ["staff", "apps"].map(GroupName::new).into_iter().collect();
    let outlook = look(world, memo, facts, asked);
    for tls in [None, Some(asked.tls)] {
        let known = Circumstances { tls, method: None, is_broken: false };
        let of = |whom| reach(&world.policies, whom, action, On::Entity(&order), known).unwrap();
        let both = reaches
            .entry((facts.digest, asked.action, tls))
            .or_insert_with(|| vec![of(Whom::Known(facts, &[])), of(Whom::Any(facts.kind, None, &groups))]);
        // A statement that names one of our own speaks of nobody whom an issuer vouches for.
        let both = both.iter().take(if facts.kind == Kind::App { 1 } else { 2 });
        for reach in both {
            let verdict = outlook.as_ref().map(|outlook| outlook.verdict(Some(&stored), None));
            let view = match verdict {
                Ok(Verdict::Permitted(view)) => view,
                Ok(Verdict::Erroring(_)) | Err(Denied::Erroring { .. }) => continue,
                Ok(Verdict::Forbidden(_) | Verdict::Unpermitted(_)) | Err(_) => {
                    assert_ne!(reach.surety(), Surety::Always, "{}", told());
                    continue;
                }
            };
            assert_ne!(reach.surety(), Surety::Never, "{}", told());
            let clear = outlook.as_ref().map(|outlook| outlook.clear()).unwrap_or_default();
            assert!(clear.minus(&reach.clear()).is_empty(), "{}", told());
            for leaf in order.ids() {
                let (is, can) = (view.shown.openness(leaf), reach.shown(leaf));
                assert!(is <= can.map(|(most, _)| most), "{leaf:?}\n{}", told());
                if let Some((most, Surety::Always)) = can {
                    assert!(reach.surety() != Surety::Always || is == Some(most), "{leaf:?}\n{}", told());
                }
            }
        }
    }
}

#[test]
fn what_is_told_of_all_cases_is_never_contradicted_by_one() {
    let (mut never, mut depends, mut always) = (0, 0, 0);
    for seed in 1..=150_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let said = bundle(&mut dice);
        let world = load(&said);
        let (memo, mut reaches) = (Memo::default(), Reaches::new());
        for _ in 0..40 {
            let (facts, asked, row) = (someone(&mut dice), asked(&mut dice), row(&mut dice));
            reached((&world, &memo, &mut reaches), &said, &facts, &asked, &row);
        }
        for reach in reaches.values().flatten() {
            match reach.surety() {
                Surety::Never => never += 1,
                Surety::Depends => depends += 1,
                Surety::Always => always += 1,
            }
        }
    }
    assert!(never > 100 && depends > 100 && always > 20, "{never} {depends} {always}");
}

/// Leaves that one of some random cases shows to a caller.
fn chanced(world: &World, memo: &Memo, dice: &mut Dice, facts: &Arc<Facts>) -> FieldSet {
    let mut seen = FieldSet::EMPTY;
    for _ in 0..60 {
        let (mut asked, row) = (asked(dice), row(dice));
        asked.action = "read";
        let record = world.stored(&row.to_string());
        if let Ok(outlook) = look(world, memo, facts, &asked)
            && let Verdict::Permitted(view) = outlook.verdict(Some(&record), None)
        {
            seen = seen.union(&view.fields());
        }
    }
    seen
}

/// A search is no proof; it must be good enough that little is left untold.
#[test]
fn a_witness_is_found_for_almost_all_that_chance_finds_and_for_nothing_that_never_is() {
    let (mut reached, mut found, mut beyond, mut missed) = (0, 0, 0, String::new());
    for seed in 1..=40_u64 {
        let mut dice = Dice(seed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let said = bundle(&mut dice);
        let world = load(&said);
        let (memo, facts) = (Memo::default(), someone(&mut dice));
        let order = world.entity("Order");
        let seen = chanced(&world, &memo, &mut dice, &facts);
        let known = Circumstances::default();
        let most = reach(&world.policies, Whom::Known(&facts, &[]), Action::Read, On::Entity(&order), known)
            .unwrap();
        for leaf in order.ids() {
            let told = || format!("{leaf:?}\n{facts:?}\n{}", said.iter().map(Said::text).collect::<String>());
            let on = On::Entity(&order);
            let listeners = [ListenerName::new("data")];
            let witness =
                witness(&world.policies, &facts, Action::Read, on, Wanted::Shown(leaf), (known, &listeners));
            assert!(witness.is_none() || most.shown(leaf).is_some(), "{}", told());
            if let Some(witness) = &witness {
                let record = witness.record.as_ref().unwrap();
                let question = Question {
                    facts: &witness.facts,
                    action: Action::Read,
                    subject: Subject::Record(&order, record),
                    context: &witness.context,
                    guarded: None,
                };
                let view = match verdict(&world.policies, &question) {
                    Verdict::Permitted(view) => view,
                    other => panic!("{other:?}\n{}", told()),
                };
                assert!(view.fields().contains(leaf) && record.first(&order, leaf).is_some(), "{}", told());
            }
            match (seen.contains(leaf), witness.is_some()) {
                (true, is_found) => {
                    reached += 1;
                    found += usize::from(is_found);
                    if !is_found {
                        missed = told();
                    }
                }
                (false, true) => beyond += 1,
                (false, false) => {}
            }
        }
    }
    assert!(
        reached > 100 && found * 100 >= reached * 97,
        "{found} of {reached}, {beyond} beyond; such as\n{missed}"
    );
}

#[test]
fn the_decision_is_the_naive_one_on_ten_thousand_random_cases() {
    let (mut shown, mut refused, mut errors) = (0, 0, 0);
    for seed in seeds() {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let said = bundle(&mut dice);
        let world = load(&said);
        let memo = Memo::default();
        for _ in 0..CASES_PER_BUNDLE {
            let (facts, asked, row) = (someone(&mut dice), asked(&mut dice), row(&mut dice));
            match compare(&world, &memo, &said, &facts, &asked, &row) {
                Decided::Shown(..) => shown += 1,
                Decided::Refused => refused += 1,
                Decided::Error => errors += 1,
            }
        }
    }
    assert!(shown > 1000 && refused > 1000 && errors > 300, "{shown} {refused} {errors}");
}

#[test]
fn the_index_finds_every_statement_whose_head_speaks_of_the_caller() {
    let mut found = 0;
    for seed in seeds() {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let world = load(&bundle(&mut dice));
        let order = world.entity("Order");
        for _ in 0..CASES_PER_BUNDLE {
            let (facts, action) = (someone(&mut dice), dice.one(&Action::ALL));
            let all = &world.policies.statements;
            let by_index = world.policies.index.concerned(all, &facts, action, About::Entity(&order));
            let by_scan = all.iter().filter(|statement| statement.concerns(&facts, action, &order));
            let by_index: Vec<_> = by_index.into_iter().map(|statement| &statement.id).collect();
            let by_scan: Vec<_> = by_scan.map(|statement| &statement.id).collect();
            assert_eq!(by_index, by_scan);
            found += by_index.len();
        }
    }
    assert!(found > 1000, "{found}");
}

/// The same bundle, about updates.
fn about_updates(dice: &mut Dice, mut said: Vec<Said>) -> Vec<Said> {
    for one in &mut said {
        let (who, _) = one.head.split_once(", action").unwrap();
        one.head = format!("{who}, action == Action::\"update\", resource is Order");
        one.writes = dice.some(&CHANGING, 2);
        one.writes.push("note");
        if dice.roll(4) == 0 {
            one.body = format!("context.checked.guarded || ({})", one.body);
        }
    }
    said
}

const CHANGING: [&str; 7] = ["customer", "status", "country", "total", "quantity", "paid", "phone"];

#[test]
fn the_judgement_of_updates_is_the_naive_one() {
    let (mut good, mut bad) = (0, 0);
    for seed in seeds() {
        let mut dice = Dice(seed.wrapping_mul(0xa076_1d64_78bd_642f));
        let said = bundle(&mut dice);
        let said = about_updates(&mut dice, said);
        let world = load(&said);
        for _ in 0..20 {
            let (facts, mut asked, old) = (someone(&mut dice), asked(&mut dice), row(&mut dice));
            let (mut new, other) = (old.clone(), row(&mut dice));
            for name in dice.some(&CHANGING, 3) {
                new[name] = other.get(name).cloned().unwrap_or(Value::Null);
            }
            (asked.action, asked.guarded) = ("update", Some(dice.roll(2) == 0));
            let changed: Vec<&str> = world
                .entity("Order")
                .leaves
                .iter()
                .map(|leaf| leaf.path.as_str().to_owned())
                .filter_map(|path| {
                    CHANGING
                        .into_iter()
                        .find(|name| *name == path && old.get(path.as_str()) != new.get(path.as_str()))
                })
                .collect();
            let naive = decide_update(&said, &facts, &asked, (&old, &new), &changed);
            let context = context_of(asked.tls, asked.address, asked.time, asked.purpose);
            let change = Change::update(
                world.stored(&old.to_string()),
                world.stored(&new.to_string()),
                asked.guarded.filter(|guarded| *guarded).map(|_| "v1".into()),
            );
            let room = world.prospect_in(&facts, Action::Update, context).and_then(|prospect| {
                assert_eq!(world.policies.recheck_change(prospect.outlook(), &change), Ok(()));
                judge(&prospect, change, &FieldSet::EMPTY)
            });
            let told = match room {
                Ok(_) => Ok(()),
                Err(Denied::Fields(paths)) => {
                    Err(paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                }
                Err(Denied::Record(_)) => Err("record".to_owned()),
                Err(Denied::New(_)) => Err("new".to_owned()),
                Err(Denied::Erroring { .. }) => Err("error".to_owned()),
                // Before any record: whatever the naive one finds on it, it permits nothing.
                Err(Denied::Never(_)) if naive.is_err() => naive.clone(),
                Err(other) => panic!("{other}"),
            };
            let text = || said.iter().map(Said::text).collect::<String>();
            assert_eq!(told, naive, "{old}\n{new}\n{asked:?}\n{facts:?}\n{}", text());
            if naive.is_ok() { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 150 && bad > 500, "{good} {bad}");
}

/// Takes leaves out of a record, as if nobody had noted them.
fn forgotten(entity: &crate::schema::Entity, row: &Value, dice: &mut Dice) -> (Value, FieldSet) {
    let (mut left, mut untold) = (row.clone(), FieldSet::EMPTY);
    for name in ["customer", "status", "country", "total", "quantity", "paid", "phone"] {
        if let Some(leaf) = entity.leaf_at(name).filter(|_| dice.roll(2) == 0) {
            untold.insert(leaf);
            left.as_object_mut().unwrap().remove(name);
        }
    }
    (left, untold)
}

#[test]
fn what_is_foreseen_with_some_of_a_record_unknown_is_the_decision_on_all_of_it() {
    let (mut sure, mut unsure) = (0, 0);
    for seed in 1..=BUNDLES {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let said = bundle(&mut dice);
        let world = load(&said);
        let (memo, order) = (Memo::default(), world.entity("Order"));
        for _ in 0..CASES_PER_BUNDLE {
            let (facts, asked, row) = (someone(&mut dice), asked(&mut dice), row(&mut dice));
            let (left, untold) = forgotten(&order, &row, &mut dice);
            let Ok(outlook) = look(&world, &memo, &facts, &asked) else { continue };
            let whole = world.stored(&row.to_string());
            let decided = outlook.verdict(Some(&whole), None);
            assert_eq!(outlook.foreseen(Some(&whole), &FieldSet::EMPTY, None).as_ref(), Ok(&decided));
            // What is not known is taken to be as the schema says.
            if matches!(decided, Verdict::Erroring(_)) {
                continue;
            }
            // What it names may be known, or not.
            let left_of = world.order(&left.to_string());
            let left_of = if dice.roll(2) == 0 { world.related(left_of) } else { left_of };
            match outlook.foreseen(Some(&left_of), &untold, None) {
                Ok(foreseen) => {
                    sure += 1;
                    let seen = |verdict: &Verdict| match verdict {
                        Verdict::Permitted(view) => Some((view.masks(), view.fields(), view.writes())),
                        Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_) => None,
                    };
                    let text = || said.iter().map(Said::text).collect::<String>();
                    assert_eq!(seen(&foreseen), seen(&decided), "{row}\n{left}\n{facts:?}\n{}", text());
                }
                Err(_) => unsure += 1,
            }
        }
    }
    assert!(sure > 1000 && unsure > 500, "{sure} {unsure}");
}

#[test]
fn adding_a_forbid_never_opens_and_adding_a_permit_never_shrinks_but_by_error() {
    for seed in 1..=60_u64 {
        let mut dice = Dice(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let before = bundle(&mut dice);
        let (mut more, mut less) = (before.clone(), before.clone());
        more.push(said(&mut dice, 90, true));
        less.push(said(&mut dice, 91, false));
        let worlds = [load(&before), load(&more), load(&less)];
        for _ in 0..20 {
            let (facts, asked, row) = (someone(&mut dice), asked(&mut dice), row(&mut dice));
            let rank = |world: &World, path: &crate::schema::LeafId| match look(
                world,
                &world.memo,
                &facts,
                &asked,
            ) {
                Err(_) => (false, None),
                Ok(outlook) => match outlook.verdict(Some(&world.order(&row.to_string())), None) {
                    Verdict::Permitted(view) => (false, view.shown.openness(*path)),
                    Verdict::Erroring(_) => (true, None),
                    Verdict::Forbidden(_) | Verdict::Unpermitted(_) => (false, None),
                },
            };
            for leaf in worlds[0].entity("Order").ids() {
                let (_, base) = rank(&worlds[0], &leaf);
                let (is_error, opened) = rank(&worlds[1], &leaf);
                let (_, closed) = rank(&worlds[2], &leaf);
                assert!(closed <= base, "a forbid opened: {}", less.last().unwrap().text());
                assert!(opened >= base || is_error, "a permit closed: {}", more.last().unwrap().text());
            }
        }
    }
}
