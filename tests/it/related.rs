//! One step away: statements go by what a record names. The gate asks for it before anything is judged, and shows it to
//! nobody.

use std::{collections::HashSet, path::Path};

use bramka::demo::standin::{Seen, Trouble};
use http::Method;
use serde_json::{Value, json};

use crate::{
    ids::{id_of, opaque},
    kit::Answer,
    reads::roomy,
    stage::Stage,
    writes::with,
};

const OWN: &str = "when { principal has customer && resource.customer == principal.customer };";
const OWN_BY_ORDER: &str = "when { principal has customer && resource has order && resource.order has customer && resource.order.customer == principal.customer };";

/// A partner's own invoices are those of its own orders.
fn by_order(policies: &Path) {
    roomy(policies);
    let file = policies.join("access/partners.cedar");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, invoices) = text.split_once("@id(\"partners-read-own-invoices\")").unwrap();
    assert!(invoices.contains(OWN), "{invoices}");
    let invoices = invoices.replacen(OWN, OWN_BY_ORDER, 1);
    std::fs::write(&file, format!("{before}@id(\"partners-read-own-invoices\"){invoices}")).unwrap();
}

fn numbers(answer: &Answer) -> Vec<String> {
    answer.items().iter().map(|item| item["number"].as_str().unwrap().to_owned()).collect()
}

/// What the ERP was asked of orders, as the gate's own question.
fn of_orders(stage: &Stage) -> Vec<Seen> {
    stage.erp.seen().into_iter().filter(|seen| seen.target.contains("/salesOrders")).collect()
}

#[test]
fn a_list_is_judged_by_what_its_records_name_with_one_question_for_all_of_them() {
    let plain = Stage::open(roomy);
    let ordinary = numbers(&plain.portal_get("/v1/invoices?limit=100").expect(200));
    assert!(!ordinary.is_empty());
    let stage = Stage::open(by_order);
    let answer = stage.portal_get("/v1/invoices?limit=100").expect(200);
    // Invoices that bill no order are of nobody now.
    let seen = numbers(&answer);
    assert!(
        !seen.is_empty() && seen.iter().all(|number| ordinary.contains(number)),
        "{seen:?}\n{ordinary:?}"
    );
    let questions = of_orders(&stage);
    let pages = stage.erp.seen().len() - questions.len();
    assert!(!questions.is_empty() && questions.len() <= 2 * pages, "{questions:?}");
    // The orders are asked for, and told to nobody.
    assert!(answer.items().iter().all(|item| item.get("order").is_none()), "{:?}", answer.items());
    let entry = stage.written(&answer).pop().unwrap();
    let read = entry["read"].to_string();
    assert!(read.contains("\"order.customer\""), "{entry}");
}

#[test]
fn a_record_is_judged_by_what_it_names_and_that_is_asked_for_once() {
    let stage = Stage::open(by_order);
    let all = stage.get("/v1/invoices?limit=100").expect(200).items();
    let by = |own: bool| {
        let is_own = |item: &&Value| item.get("order").is_some() && (item["customer"] == "20000") == own;
        let found = all.iter().find(is_own).unwrap_or_else(|| panic!("{own}"));
        format!("/v1/invoices/{}", found["id"].as_str().unwrap())
    };
    stage.erp.forget();
    stage.portal_get(&by(true)).expect(200);
    assert_eq!(of_orders(&stage).len(), 1, "{:?}", stage.erp.seen());
    stage.portal_get(&by(false)).refused(404);
    // Who is judged by nothing of the kind, asks for nothing of the kind.
    stage.erp.forget();
    stage.get(&by(true)).expect(200);
    assert_eq!(of_orders(&stage).len(), 0);
}

/// No business with who is only a lead. Orders are the ERP's, and what a customer is the CRM tells.
const LEADS: &str = r#"
@id("no-orders-of-leads")
forbid (principal, action in [Action::"list", Action::"read", Action::"update"], resource is Order)
when { resource.customer has lifecycle && resource.customer.lifecycle == "lead" };

@id("apps-move-orders")
@writes("customer")
permit (principal in Group::"apps", action == Action::"update", resource is Order);
"#;

/// A gate whose ERP's customer 20000 is a customer of the CRM, and 10000 a lead there.
struct Joined {
    stage: Stage,
    customer: String,
    lead: String,
}

impl Joined {
    fn open() -> Self {
        let key = |lifecycle: &str| {
            let stage = Stage::open(roomy);
            let found =
                stage.get(&format!("/v1/customers?lifecycle={lifecycle}&limit=1")).expect(200).items();
            found[0]["id"].as_str().unwrap().to_owned()
        };
        let (customer, lead) = (key("customer"), key("lead"));
        let stage = Stage::open(|policies| {
            roomy(policies);
            opaque(policies);
            with(LEADS)(policies);
        });
        // Whoever is asked for has an id, though nothing is shown yet.
        stage.get("/v1/orders?limit=200").expect(200);
        let join = |erp: &str, crm: &str| {
            let id = id_of(&stage, "Customer", &format!("erp:{erp}"));
            let ran =
                stage.only_data(&["ids", "join", &format!("Customer/{id}"), &format!("crm:{crm}"), "--yes"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            id
        };
        let (customer, lead) = (join("20000", &customer), join("10000", &lead));
        Self { stage, customer, lead }
    }

    fn orders(&self) -> Answer {
        self.stage.get("/v1/orders?limit=200")
    }

    fn of_customers(&self) -> usize {
        self.stage.crm.seen().iter().filter(|seen| seen.target.contains("contacts")).count()
    }
}

#[test]
fn what_another_system_tells_of_a_record_s_customer_decides_on_it() {
    let joined = Joined::open();
    joined.stage.crm.forget();
    let answer = joined.orders().expect(200);
    let whose: HashSet<String> =
        answer.items().iter().map(|order| order["customer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(whose, HashSet::from([joined.customer.clone()]));
    // Both customers cost one question, however many orders name them.
    assert_eq!(joined.of_customers(), 1, "{:?}", joined.stage.crm.seen());
    // Those of a lead are refused, and those of whom nobody knows what he is cannot be judged.
    let entry = joined.stage.written(&answer).pop().unwrap();
    assert!(
        entry["withheld_denied"].as_u64() > Some(0) && entry["withheld_erring"].as_u64() > Some(0),
        "{entry}"
    );
    assert!(entry["decided"].to_string().contains("no-orders-of-leads"), "{entry}");
}

#[test]
fn a_system_that_cannot_be_asked_refuses_what_goes_by_it() {
    let joined = Joined::open();
    let order = joined.orders().expect(200).items()[0].clone();
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    joined.stage.get(&path).expect(200);
    joined.stage.crm.trouble(Some(Trouble::Answer(500, "{}".to_owned())));
    for path in ["/v1/orders?limit=200", &path] {
        joined.stage.get(path).refused(502);
    }
    joined.stage.shop(Method::PATCH, &path, &json!({ "buyer_reference": "x" })).refused(502);
    joined.stage.crm.trouble(None);
    joined.stage.get(&path).expect(200);
}

#[test]
fn a_change_is_judged_by_what_the_record_names_before_and_after_it() {
    let joined = Joined::open();
    let open = joined.stage.get("/v1/orders?status=open&limit=1").expect(200).items()[0].clone();
    let path = format!("/v1/orders/{}", open["id"].as_str().unwrap());
    let patch = |body: Value| joined.stage.shop(Method::PATCH, &path, &body);
    let changed = patch(json!({ "buyer_reference": "PO-77" })).expect(200).json();
    assert_eq!(
        (&changed["buyer_reference"], &changed["customer"]),
        (&json!("PO-77"), &json!(joined.customer))
    );
    let refused = patch(json!({ "customer": joined.lead })).refused(403);
    let entry = joined.stage.written(&refused).pop().unwrap();
    assert!(entry["read"].to_string().contains("new:customer.lifecycle"), "{entry}");
    assert_eq!(joined.stage.get(&path).expect(200).json()["customer"], json!(joined.customer));
}

#[test]
fn what_cannot_be_followed_does_not_load() {
    let stage = Stage::open(roomy);
    let check = |statements: &str| {
        with(statements)(&stage.policies());
        let ran = stage.only_policies(&["policy", "check"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.err + &ran.out
    };
    let forbid = |condition: &str| {
        format!(
            "@id(\"a\")\nforbid (principal, action == Action::\"read\", resource is Order)\nwhen {{ {condition} }};\n"
        )
    };
    // By keys no customer of the ERP is one of the CRM.
    let told = check(&forbid("resource.customer has status && resource.customer.status == \"archived\""));
    assert!(
        told.contains("access/test.cedar:1:1") && told.contains("`erp` does not serve Customer"),
        "{told}"
    );
    let told = check(&forbid("resource.customer has stauts && resource.customer.stauts == \"archived\""));
    assert!(told.contains("did you mean `status`?"), "{told}");
    let told = check(
        "@id(\"a\")\nforbid (principal, action == Action::\"read\", resource is Invoice)\nwhen { resource has order && resource.order has payment_status && resource.order.payment_status == \"paid\" };\n",
    );
    assert!(told.contains("`erp` does not tell `payment_status` of the Order that a record names"), "{told}");
}

#[test]
fn explain_and_tests_say_what_a_record_names() {
    let stage = Stage::open(by_order);
    let dir = stage.policies();
    let file = |name: &str, text: &str| {
        let path = dir.join("..").join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let invoice = file("invoice.yaml", "{ id: \"1\", order: \"7\", number: \"R-1\" }");
    let explained = |customer: &str| {
        let order = file("order.yaml", &format!("order: {{ customer: \"{customer}\" }}"));
        let asked =
            ["policy", "explain", "--as", "Partner/acme-portal", "--action", "read", "--entity", "Invoice"];
        let asked = [&asked[..], &["--record", &invoice, "--related", &order]].concat();
        let ran = stage.only_policies(&asked);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    let told = explained("20000");
    assert!(told.contains("on this record: permitted"), "{told}");
    assert!(told.contains("is fetched of the Order that `order` names: customer"), "{told}");
    assert!(explained("10000").contains("on this record: hidden"));
    // The witness of what can be reached is a test that holds.
    let ran = stage.only_policies(&["policy", "prove", "no Partner reads Invoice.number", "--json"]);
    let proved: Value = serde_json::from_str(&ran.out).unwrap();
    let text = proved.to_string();
    let witness = find(&proved, &|value| value.get("related").is_some()).unwrap_or_else(|| panic!("{text}"));
    let mut case = witness.clone();
    case["name"] = json!("as it was found");
    std::fs::write(dir.join("tests/found.yaml"), json!({ "tests": [case] }).to_string()).unwrap();
    let ran = stage.only_policies(&["policy", "test"]);
    assert_eq!(ran.code, 0, "{witness}\n{ran:?}");
}

/// The first part of a document of which something holds.
fn find<'v>(value: &'v Value, so: &dyn Fn(&Value) -> bool) -> Option<&'v Value> {
    if so(value) {
        return Some(value);
    }
    match value {
        Value::Array(all) => all.iter().find_map(|one| find(one, so)),
        Value::Object(all) => all.values().find_map(|one| find(one, so)),
        _ => None,
    }
}
