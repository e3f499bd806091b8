//! Writes as questions: what a caller may write and not see, it cannot find out by writing it.

use bramka::demo::standin::Seen;
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::Answer,
    line::{self, asking, bare},
    reads::roomy,
    stage::Stage,
    writes::{change, with},
};

const FIRST: &str = "/v1/customers/701000000001";

/// What the portal may see and write of customers.
fn customers(fields: &str, writes: &str) -> String {
    format!(
        "@id(\"portal-reads\")\n@fields(\"{fields}\")\npermit (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n\
         @id(\"portal-writes\")\n@writes(\"{writes}\")\npermit (principal in Group::\"partners\", action == Action::\"update\", resource is Customer);\n"
    )
}

impl Stage {
    fn portal(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(line::json(method, path, Some(&self.portal), &body.to_string()))
    }

    /// What the CRM was asked to change.
    fn crm_changes(&self) -> Vec<Seen> {
        self.crm.seen().into_iter().filter(|seen| seen.method == "PATCH").collect()
    }
}

/// All that an answer tells, but for the exchange's own id.
fn told(answer: &Answer) -> (u16, Vec<String>, String) {
    let id = answer.header("x-request-id").unwrap();
    let names = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    (answer.status, names, String::from_utf8(answer.body.to_vec()).unwrap().replace(id, "ID"))
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[test]
fn a_mask_learnt_in_another_context_is_refused_when_it_is_sent_back() {
    // The portal sees the address masked for support only, and may always write it.
    let stage = Stage::open(|policies| {
        change(policies, "access/partners.cedar", "fulfillment_status, email, ", "fulfillment_status, ");
        change(policies, "access/partners.cedar", "@mask(\"email: e-mail\")\n", "");
        change(policies, "access/partners.cedar", "requested_on\")\n@plan", "requested_on, email\")\n@plan");
        with(
            "@id(\"support\")\n@fields(\"id, email\")\n@mask(\"email: e-mail\")\npermit (principal is Partner in Group::\"partners\", \
             action == Action::\"read\", resource is Order)\nwhen { principal has customer && resource.customer == principal.customer \
             && context.claimed has purpose && context.claimed.purpose == \"support\" };\n",
        )(policies);
    });
    let order = stage.open_order();
    let stored = stage.get(&order).expect(200).json()["email"].clone();
    let request = asking(Method::GET, &order, Some(&stage.portal)).header("purpose", "support");
    let mask =
        stage.ask(request.body(http_body_util::Full::default()).unwrap()).expect(200).json()["email"].clone();
    assert!(mask.as_str().unwrap().contains("***@"), "{mask}");
    let plain = stage.ask(bare(Method::GET, &order, Some(&stage.portal))).expect(200).json();
    assert!(plain.get("email").is_none());
    // Of whatever record it is the mask.
    for mask in [&mask, &json!("q***@nowhere.example"), &json!("****")] {
        let refused = stage.portal(Method::PATCH, &order, &json!({ "email": mask })).refused(422).json();
        assert_eq!(
            (pointers(&refused), &refused["detail"]),
            (vec!["/email"], &json!("masked values were sent back"))
        );
    }
    assert_eq!(stage.get(&order).expect(200).json()["email"], stored);
    stage.portal(Method::PATCH, &order, &json!({ "email": "new@example.com" })).expect(200);
}

#[test]
fn a_right_guess_at_a_value_that_the_caller_does_not_see_is_answered_like_a_wrong_one() {
    let stage = Stage::open(|policies| {
        roomy(policies);
        with(&customers("id, company", "company, vat_id"))(policies);
    });
    stage.shop(Method::PATCH, FIRST, &json!({ "company": "Here Ltd" })).expect(200);
    stage.portal(Method::PATCH, FIRST, &json!({ "vat_id": "PL5260250274" })).expect(200);
    for method in [Method::PATCH, Method::PUT] {
        let guess = |number: &Value| {
            stage.crm.forget();
            let tag = stage.portal_get(FIRST).expect(200).header("etag").unwrap().to_owned();
            let body = json!({ "company": "Here Ltd", "vat_id": number });
            let answer = stage.portal(method.clone(), FIRST, &body).expect(200);
            assert_eq!(answer.header("etag"), Some(tag.as_str()), "what it sees is as before");
            let sent: Vec<String> = stage.crm_changes().into_iter().map(|seen| seen.body).collect();
            let written: Vec<Value> =
                stage.written(&answer).iter().map(|entry| entry["changed"].clone()).collect();
            (told(&answer), sent.len(), written)
        };
        for (right, wrong) in [("PL5260250274", "PL1111111111"), ("PL1111111111", "PL5260250274")] {
            assert_eq!(guess(&json!(right)), guess(&json!(wrong)), "{method}");
        }
        let (_, sent, written) = guess(&json!("PL5260250274"));
        assert_eq!((sent, written), (1, vec![json!(["vat_id"]), json!(["vat_id"])]));
        // Cleared, whether or not there is something to clear.
        assert_eq!(guess(&Value::Null), guess(&Value::Null), "{method}");
        guess(&json!("PL5260250274"));
    }
}

#[test]
fn a_field_that_is_put_together_of_others_confirms_no_guess_of_who_does_not_see_it() {
    let stage = Stage::open(with(&customers("id, company", "company, name, given_name")));
    let before = stage.get(FIRST).expect(200).json();
    assert_eq!(before["name"], "Ewa Nowak");
    let guess = |body: &Value| told(&stage.portal(Method::PATCH, FIRST, body).refused(422));
    let right = guess(&json!({ "name": "Ewa Nowak" }));
    assert_eq!(right, guess(&json!({ "name": "Ewa Nowacka" })));
    assert!(right.2.contains("/name") && !right.2.contains("Nowak"), "{}", right.2);
    // Nor with some of its parts, nor beside another change.
    let guesses = |name: &str| json!({ "name": name, "given_name": "Ewa", "company": "Guess Ltd" });
    assert_eq!(guess(&guesses("Ewa Nowak")), guess(&guesses("Ewa Nowacka")));
    assert!(stage.crm_changes().is_empty());
    // Who sees it may send it back.
    stage.shop(Method::PATCH, FIRST, &json!({ "name": "Ewa Nowak" })).expect(200);
    assert_eq!(stage.get(FIRST).expect(200).json(), before);
}

#[test]
fn an_unseen_field_that_this_record_does_not_let_change_is_refused_whatever_is_sent() {
    let leads = "@id(\"leads-get-a-name\")\n@writes(\"given_name\")\npermit (principal in Group::\"partners\", action == Action::\"update\", \
         resource is Customer)\nwhen { resource has lifecycle && resource.lifecycle == \"lead\" };\n";
    let stage = Stage::open(with(&format!("{}{leads}", customers("id, company", "company"))));
    let customer = "/v1/customers/701000000038";
    assert_eq!(stage.get(customer).expect(200).json()["lifecycle"], "customer");
    let stored = stage.get(customer).expect(200).json()["given_name"].clone();
    let guess = |name: &Value| {
        told(
            &stage
                .portal(Method::PATCH, customer, &json!({ "given_name": name, "company": "X" }))
                .refused(403),
        )
    };
    let wrong = guess(&json!("Nobody"));
    assert!(stored.is_string(), "{stored}");
    assert_eq!(guess(&stored), wrong);
    assert_eq!(guess(&Value::Null), wrong);
    assert!(wrong.2.contains("/given_name"), "{}", wrong.2);
    assert!(stage.crm_changes().is_empty());
    stage.portal(Method::PATCH, customer, &json!({ "company": "X" })).expect(200);
}

#[test]
fn an_item_goes_with_the_fields_that_its_remover_does_not_see_where_it_may_write_them_all() {
    let statements = |writes: &str| customers("id, company, phones", writes);
    let numbered = json!({ "phones": [{ "type": "work", "value": "+48 22 555 0101" }, { "type": "mobile", "value": "+48 600 100 200" }] });
    let all = Stage::open(with(&statements("company, phones, phones.value")));
    for (method, body, left) in [
        (Method::PATCH, json!({ "phones": [] }), json!([])),
        (
            Method::PATCH,
            json!({ "phones": [{ "type": "mobile", "value": "+48 600 100 300" }] }),
            json!([{ "type": "mobile", "value": "+48 600 100 300" }]),
        ),
        (Method::PUT, json!({ "phones": [], "company": "Put Ltd" }), json!([])),
        (Method::PUT, json!({ "company": "Put Ltd" }), json!([])),
    ] {
        all.shop(Method::PATCH, FIRST, &numbered).expect(200);
        all.portal(method.clone(), FIRST, &body).expect(200);
        assert_eq!(all.get(FIRST).expect(200).json()["phones"], left, "{method} {body}");
    }
    // What nobody writes does not stand in the way.
    let read_only = Stage::open(|policies| {
        let kind = "type: { type: string, enum: [work, mobile, home, fax, other], ";
        change(policies, "schema/customer.yaml", kind, &format!("{kind}readOnly: true, "));
        with(&statements("company, phones.value"))(policies);
    });
    read_only.shop(Method::PATCH, FIRST, &json!({ "phones": [{ "value": "+48 22 555 0101" }] })).expect(200);
    assert_eq!(read_only.get(FIRST).expect(200).json()["phones"][0]["type"], "work");
    read_only.portal(Method::PATCH, FIRST, &json!({ "phones": [] })).expect(200);
    assert_eq!(read_only.get(FIRST).expect(200).json()["phones"], json!([]));
    // Without the number among what it may write: refused, and nothing tells that there is one.
    let some = Stage::open(with(&statements("company, phones")));
    some.shop(Method::PATCH, FIRST, &numbered).expect(200);
    for (method, body) in [
        (Method::PATCH, json!({ "phones": [] })),
        (Method::PATCH, json!({ "phones": [{ "type": "mobile" }] })),
        (Method::PUT, json!({ "phones": [], "company": "Put Ltd" })),
        (Method::PUT, json!({ "phones": [{ "type": "mobile" }, { "type": "work" }] })),
    ] {
        let refused = some.portal(method, FIRST, &body).refused(403);
        let problem = refused.json();
        assert_eq!(problem["detail"], "some fields may not be changed");
        assert!(!pointers(&problem).contains(&"/phones/value"), "{problem}");
    }
    // What a PUT leaves out and may not write in all its parts stays.
    some.portal(Method::PUT, FIRST, &json!({ "company": "Put Ltd" })).expect(200);
    assert_eq!(some.get(FIRST).expect(200).json()["phones"], numbered["phones"]);
}
