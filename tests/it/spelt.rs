//! Writes as the system will hold them: what is judged is what reads back, whatever spelling it was sent in.

use http::Method;
use serde_json::{Value, json};

use crate::{
    line::{self, asking},
    stage::Stage,
    writes::{Twisted, change, said, with},
};

const FIRST: &str = "/v1/customers/701000000001";

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

impl Stage {
    /// How many changes the systems were asked for.
    fn asked_to_change(&self) -> usize {
        let seen = self.crm.seen().into_iter().chain(self.erp.seen());
        seen.filter(|seen| seen.method != "GET" && !seen.target.ends_with("/search")).count()
    }
}

/// A forbid on customers, beside the shop's own permits.
fn never(actions: &str, condition: &str) -> String {
    format!(
        "@id(\"never\")\nforbid (principal, action in [{actions}], resource is Customer)\nwhen {{ {condition} }};\n\
         @id(\"numbers\")\n@writes(\"vat_id\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Customer);\n"
    )
}

#[test]
fn a_value_is_judged_as_the_system_spells_it() {
    let both = "Action::\"create\", Action::\"update\"";
    let stage = Stage::open(with(&never(both, "resource has vat_id && resource.vat_id == \"PL5260250274\"")));
    stage.crm.forget();
    for number in ["PL5260250274", " pl5260250274", "Pl5260250274 "] {
        stage.shop(Method::PATCH, FIRST, &json!({ "vat_id": number })).refused(403);
        let new = json!({ "kind": "person", "name": "Ewa", "given_name": "Ewa", "vat_id": number });
        stage.shop(Method::POST, "/v1/customers", &new).refused(403);
    }
    assert_eq!(stage.asked_to_change(), 0);
    let other = stage.shop(Method::PATCH, FIRST, &json!({ "vat_id": " pl1111111111" })).expect(200);
    assert_eq!(other.json()["vat_id"], "PL1111111111");
    // What is the same in the system's spelling changes nothing.
    stage.crm.forget();
    stage.shop(Method::PATCH, FIRST, &json!({ "vat_id": "pl1111111111" })).expect(200);
    assert_eq!(stage.asked_to_change(), 0);
}

#[test]
fn a_constant_of_the_mapping_is_judged_though_nobody_sends_it() {
    let stage = Stage::open(|policies| {
        change(policies, "access/apps.cedar", "@writes(\"kind, name, ", "@writes(\"name, ");
        change(policies, "schema/customer.yaml", "required: [kind, name]", "required: [name]");
        with(&never(
            "Action::\"create\"",
            "resource has kind && resource.kind == \"person\" && resource has company && resource.company == \"X\"",
        ))(policies);
    });
    let new = |company: &str| json!({ "name": "Ewa", "given_name": "Ewa", "company": company });
    stage.shop(Method::POST, "/v1/customers", &new("X")).refused(403);
    // Who may not write the constant may still make the record.
    let made = stage.shop(Method::POST, "/v1/customers", &new("Y")).expect(201);
    assert_eq!(made.json()["kind"], "person");
}

#[test]
fn a_required_constant_that_the_caller_may_not_write_is_there_when_the_record_is_judged() {
    let stage = Stage::open(|policies| {
        change(policies, "access/apps.cedar", "@writes(\"kind, name, ", "@writes(\"name, ");
        // `kind` is required, so a statement reads it without asking whether it is there.
        with(&never("Action::\"create\"", "resource.kind != \"person\""))(policies);
    });
    let new = json!({ "name": "Ewa", "given_name": "Ewa", "company": "Y" });
    let made = stage.shop(Method::POST, "/v1/customers", &new).expect(201);
    assert_eq!(made.json()["kind"], "person");
    assert!(!stage.written(&made)[0]["changed"].as_array().unwrap().contains(&json!("kind")));
    // Who sends it all the same writes it.
    let sent = json!({ "kind": "person", "name": "Ewa", "given_name": "Ewa", "company": "Y" });
    stage.shop(Method::POST, "/v1/customers", &sent).refused(422);
}

#[test]
fn a_constant_that_another_permit_lets_be_written_is_not_written_by_who_leaves_it_out() {
    let stage = Stage::open(|policies| {
        change(policies, "access/apps.cedar", "@writes(\"kind, name, ", "@writes(\"name, ");
        change(policies, "schema/customer.yaml", "required: [kind, name]", "required: [name]");
        with(
            "@id(\"kinds\")\n@writes(\"kind\")\npermit (principal in Group::\"apps\", action == Action::\"create\", resource is Customer)\nwhen { resource has company && resource.company == \"X\" };\n",
        )(policies);
    });
    let new = |company: &str| json!({ "name": "Ewa", "given_name": "Ewa", "company": company });
    let sent =
        |company: &str| json!({ "kind": "person", "name": "Ewa", "given_name": "Ewa", "company": company });
    stage.shop(Method::POST, "/v1/customers", &new("Y")).expect(201);
    stage.shop(Method::POST, "/v1/customers", &sent("X")).expect(201);
    let refused = stage.shop(Method::POST, "/v1/customers", &sent("Y")).refused(403);
    assert_eq!(pointers(&refused.json()), ["/kind"]);
}

#[test]
fn a_value_that_the_system_cannot_take_is_told_though_a_statement_reads_it() {
    let stage = Stage::open(|policies| {
        change(policies, "schema/customer.yaml", "required: [kind, name]", "required: [kind, name, vat_id]");
        change(policies, "systems/crm.yaml", "properties.vat_id, most: 20", "properties.vat_id, most: 12");
        with(&never("Action::\"create\"", "resource.vat_id == \"PL5260250274\""))(policies);
    });
    let long = "PL".repeat(10);
    let new = json!({ "kind": "person", "name": "Ewa", "given_name": "Ewa", "vat_id": long });
    let refused = stage.shop(Method::POST, "/v1/customers", &new).refused(422);
    assert_eq!(pointers(&refused.json()), ["/vat_id"]);
}

#[test]
fn what_the_system_puts_together_is_judged_as_it_will_be() {
    let stage = Stage::open(with(&never(
        "Action::\"update\"",
        "resource has name && resource.name == \"Eve Nowak\"",
    )));
    stage.crm.forget();
    stage.shop(Method::PATCH, FIRST, &json!({ "given_name": "Eve" })).refused(403);
    stage.shop(Method::PATCH, FIRST, &json!({ "given_name": " Eve " })).refused(403);
    assert_eq!(stage.asked_to_change(), 0);
    let changed = stage.shop(Method::PATCH, FIRST, &json!({ "given_name": "Eva" })).expect(200);
    assert_eq!(changed.json()["name"], "Eva Nowak");
}

/// A contact of which the CRM says no more than some properties, in answers to `method`.
fn telling(method: Method, names: &'static [&'static str]) -> Twisted {
    Twisted::crm(move |ask, answer| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) else {
            return answer;
        };
        if ask.method != method {
            return answer;
        }
        properties.retain(|name, _| names.contains(&name.as_str()));
        said(answer.status().as_u16(), &body)
    })
}

#[test]
fn what_is_put_together_is_answered_whole_though_the_system_tells_only_what_changed() {
    let twisted = telling(Method::PATCH, &["firstname"]);
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        with(
            "@id(\"sees\")\n@fields(\"id, name\")\npermit (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n\
             @id(\"names\")\n@writes(\"given_name\")\npermit (principal in Group::\"partners\", action == Action::\"update\", resource is Customer);\n",
        )(policies);
    });
    let body = json!({ "given_name": "Eve" }).to_string();
    let changed = stage.ask(line::json(Method::PATCH, FIRST, Some(&stage.portal), &body)).expect(200);
    let read = stage.portal_get(FIRST).expect(200);
    assert_eq!(read.json()["name"], "Eve Nowak");
    assert_eq!(changed.json(), read.json());
    assert_eq!(changed.header("etag"), read.header("etag"));
}

#[test]
fn a_record_is_not_judged_on_half_of_what_is_put_together() {
    let twisted = telling(Method::GET, &["firstname", "email"]);
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        with(
            "@id(\"not-ewa\")\nforbid (principal, action == Action::\"read\", resource is Customer)\nwhen { resource.name == \"Ewa Nowak\" };\n",
        )(policies);
    });
    let refused = stage.get(FIRST).refused(404);
    assert_eq!(stage.written(&refused).pop().unwrap()["refusal"], "untold");
}

#[test]
fn a_word_that_means_nothing_or_something_else_to_the_system_is_refused() {
    let stage = Stage::open(with(
        "@id(\"goods\")\n@writes(\"*\")\npermit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is Product);\n",
    ));
    let order = stage.open_order();
    stage.erp.forget();
    let refused = stage.shop(Method::PATCH, &order, &json!({ "requested_on": "0001-01-01" })).refused(422);
    assert_eq!(pointers(&refused.json()), ["/requested_on"]);
    assert!(refused.json().to_string().contains("null"), "{}", refused.json());
    let product = stage.get("/v1/products?limit=1").expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    let product = format!("/v1/products/{product}");
    let refused = stage.shop(Method::PATCH, &product, &json!({ "unit": "PCS" })).refused(422);
    assert_eq!(pointers(&refused.json()), ["/unit"]);
    assert_eq!(stage.asked_to_change(), 0);
    stage.shop(Method::PATCH, &product, &json!({ "unit": "KGM" })).expect(200);
    stage.shop(Method::PATCH, &order, &json!({ "requested_on": null })).expect(200);
}

#[test]
fn where_a_new_record_is_is_told_to_who_sees_its_id() {
    let statements = |mask: &str| {
        format!(
            "@id(\"sees\")\n@fields(\"id, company\")\n{mask}permit (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n\
             @id(\"makes\")\n@writes(\"kind, name, given_name, company\")\npermit (principal in Group::\"partners\", action == Action::\"create\", resource is Customer);\n"
        )
    };
    let body = json!({ "kind": "person", "name": "Ewa", "given_name": "Ewa", "company": "X" });
    let made = |statements: String| {
        let stage = Stage::open(with(&statements));
        let request = |path: &str| line::json(Method::POST, path, Some(&stage.portal), &body.to_string());
        let made = stage.ask(request("/v1/customers")).expect(201);
        let chosen = stage.ask(request("/v1/customers?fields=company")).expect(201);
        assert_eq!(made.header("location").is_some(), chosen.header("location").is_some());
        made
    };
    let shown = made(statements(""));
    assert_eq!(
        shown.header("location"),
        Some(&*format!("/v1/customers/{}", shown.json()["id"].as_str().unwrap()))
    );
    assert_eq!(made(statements("@mask(\"id: pseudonym\")\n")).header("location"), None);
    assert_eq!(made(statements("").replace("id, company", "company")).header("location"), None);
}

#[test]
fn a_stored_value_that_does_not_fit_is_cleared_when_it_is_asked_for() {
    // Longer than the schema lets it be.
    let twisted = Twisted::crm(|ask, answer| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        let is_one = ask.method == Method::GET && body.get("properties").is_some();
        if !is_one {
            return answer;
        }
        if body["properties"]["company"] != json!("") && !body["properties"]["company"].is_null() {
            body["properties"]["company"] = "x".repeat(300).into();
        }
        said(answer.status().as_u16(), &body)
    });
    let stage = Stage::open(|policies| twisted.serve(policies));
    let record = stage.get(FIRST).expect(200).json();
    assert!(record.get("company").is_none());
    let changes = || -> Vec<String> {
        twisted.crm.seen().into_iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.body).collect()
    };
    let sent_back =
        ["name", "given_name", "family_name", "emails", "phones", "addresses", "language", "lifecycle"];
    let told = sent_back.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
    let put = Value::Object(told.collect());
    for (method, body) in [(Method::PATCH, json!({ "company": null })), (Method::PUT, put)] {
        twisted.crm.forget();
        let answer = stage.shop(method.clone(), FIRST, &body).expect(200);
        let [sent] = changes().try_into().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap()["properties"]["company"], "", "{method}");
        assert_eq!(stage.written(&answer)[0]["changed"], json!(["company"]), "{method}");
        stage.shop(Method::PATCH, FIRST, &json!({ "company": "Again Ltd" })).expect(200);
    }
}

#[test]
fn a_group_is_emptied_by_who_may_write_all_that_the_system_holds_in_it() {
    let statements = |writes: &str| {
        format!(
            "@id(\"ships\")\n@writes(\"{writes}\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Order);\n"
        )
    };
    let all = "ship_to, ship_to.name, ship_to.contact, ship_to.line1, ship_to.line2, ship_to.city, ship_to.post_code";
    for (writes, is_allowed) in [("ship_to.city", false), ("ship_to", false), (all, true)] {
        let stage = Stage::open(with(&statements(writes)));
        let order = stage.open_order();
        stage.erp.forget();
        let answer = stage.shop(Method::PATCH, &order, &json!({ "ship_to": null }));
        match is_allowed {
            true => assert!(answer.expect(200).json().get("ship_to").is_none()),
            false => {
                answer.refused(403);
                assert_eq!(stage.asked_to_change(), 0, "{writes}");
            }
        }
    }
}

#[test]
fn a_write_that_wants_no_such_record_is_refused_where_there_is_one() {
    let stage = Stage::open(|_| {});
    let tag = stage.get(FIRST).expect(200).header("etag").unwrap().to_owned();
    let ask = |method: Method, path: &str, tags: &str| {
        let request = asking(method, path, Some(&stage.shop)).header("content-type", "application/json");
        let body = json!({ "name": "Ewa Nowak", "company": "None Ltd" }).to_string();
        stage.ask(request.header("if-none-match", tags).body(body.into()).unwrap())
    };
    stage.crm.forget();
    for method in [Method::PATCH, Method::PUT] {
        for tags in ["*", &tag, &format!("\"0\", W/{tag}")] {
            ask(method.clone(), FIRST, tags).refused(412);
        }
        ask(method, "/v1/customers/799", "*").refused(404);
    }
    assert_eq!(stage.asked_to_change(), 0);
    ask(Method::PATCH, FIRST, "\"0\"").expect(200);
}
