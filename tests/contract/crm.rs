//! The CRMs: one book of customers, kept by systems that speak differently.
//!
//! The records are the same in all of them but for what a system cannot hold, which its gaps say. `docs/systems/`
//! tells the same of each.

mod natives;
mod reads;
mod refusals;
mod writes;

use std::sync::Arc;

use bramka::demo::{seed, standin::Seen};
use http::Method;
use serde_json::{Value, json};

use self::natives::native;
use crate::{
    contract, dataverse,
    ground::{Capability, Clause, Gap, Gate, Subject, lists_by_ids},
    kit::Answer,
    said::{Refusals, Switched, said},
    salesforce,
};

const HUBSPOT: Subject = Subject {
    name: "crm",
    file: "crm.yaml",
    root: "",
    secrets: &[("HUBSPOT_TOKEN", "pat-contract-1")],
    serves: &["customers"],
    edits: &[],
    standin: || {
        let spent = || {
            said(
                401,
                &json!({ "status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "The token is expired" }),
            )
        };
        let limited = || {
            said(
                429,
                &json!({ "status": "error", "category": "RATE_LIMITS", "message": "You have reached your secondly limit.", "policyName": "SECONDLY" }),
            )
        };
        Switched::over(seed::crm("pat-contract-1") as Arc<_>, Refusals { spent, limited })
    },
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("company"), status: 422, reason: "/kind" },
        // A private app's token is the credential itself: there is nothing to renew it with.
        Gap { capability: Capability::SignIn, status: 502, reason: "system" },
    ],
};

const HUBSPOT_COMPANIES: Subject = Subject {
    name: "hubspot-companies",
    file: "catalogue/hubspot-companies.yaml",
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("person"), status: 422, reason: "/kind" },
        // Addresses of e-mail belong to its contacts.
        Gap { capability: Capability::Create("e-mail"), status: 422, reason: "/emails" },
        Gap { capability: Capability::Filter("emails.value"), status: 400, reason: "emails.value" },
        Gap { capability: Capability::SignIn, status: 502, reason: "system" },
    ],
    ..HUBSPOT
};

const SALESFORCE: Subject = Subject {
    name: "salesforce",
    file: "catalogue/salesforce.yaml",
    root: salesforce::ROOT,
    secrets: &[("SALESFORCE_SECRET", salesforce::CLIENT.1)],
    serves: &["customers"],
    edits: &[
        ("https://example.my.salesforce.com/services/oauth2/token", "{system}/services/oauth2/token"),
        ("3MVG9.example", salesforce::CLIENT.0),
        ("\"*.my.salesforce.com\"", "\"{address}\""),
    ],
    standin: || Switched::over(salesforce::salesforce(&salesforce::ACCOUNT), SALESFORCE_REFUSALS),
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("person"), status: 422, reason: "/kind" },
        // Addresses of e-mail belong to its contacts.
        Gap { capability: Capability::Create("e-mail"), status: 422, reason: "/emails" },
        Gap { capability: Capability::Filter("emails.value"), status: 400, reason: "emails.value" },
    ],
};

const SALESFORCE_REFUSALS: Refusals = Refusals {
    spent: || {
        let message = "Session expired or invalid";
        said(401, &json!([{ "message": message, "errorCode": "INVALID_SESSION_ID" }]))
    },
    limited: || {
        let message = "TotalRequests Limit exceeded.";
        said(403, &json!([{ "message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED" }]))
    },
};

const SALESFORCE_CONTACTS: Subject = Subject {
    name: "salesforce-contacts",
    file: "catalogue/salesforce-contacts.yaml",
    standin: || Switched::over(salesforce::salesforce(&salesforce::CONTACT), SALESFORCE_REFUSALS),
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("company"), status: 422, reason: "/kind" },
    ],
    ..SALESFORCE
};

const DATAVERSE: Subject = Subject {
    name: "dataverse",
    file: "catalogue/dataverse.yaml",
    root: dataverse::ROOT,
    secrets: &[("DATAVERSE_SECRET", dataverse::CLIENT.1)],
    serves: &["customers"],
    edits: &[
        ("https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", "{system}/tenant"),
        (
            "client_id: 00000000-0000-0000-0000-000000000000",
            "client_id: 2f29638c-34d4-4cf2-a16a-7caf612cee15",
        ),
    ],
    standin: || Switched::over(dataverse::dataverse(&dataverse::ACCOUNT), DATAVERSE_REFUSALS),
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("person"), status: 422, reason: "/kind" },
    ],
};

const DATAVERSE_REFUSALS: Refusals = Refusals { spent: dataverse::unauthorized, limited: dataverse::limited };

const DATAVERSE_CONTACTS: Subject = Subject {
    name: "dataverse-contacts",
    file: "catalogue/dataverse-contacts.yaml",
    standin: || Switched::over(dataverse::dataverse(&dataverse::CONTACT), DATAVERSE_REFUSALS),
    gaps: &[
        NO_STATUS_AT_FIRST,
        Gap { capability: Capability::Create("company"), status: 422, reason: "/kind" },
    ],
    ..DATAVERSE
};

/// None of them takes it with a new record; one that has a switch for it takes it with a change.
const NO_STATUS_AT_FIRST: Gap =
    Gap { capability: Capability::Create("status"), status: 422, reason: "/status" };

/// Systems that cannot tell that a record changed meanwhile. A change there is answered as unguarded.
const UNGUARDED: &[&str] = &["crm", "hubspot-companies", "salesforce", "salesforce-contacts"];

/// Systems that say which record it is that is there already.
const TELLS_EXISTING: &[&str] = &["crm", "salesforce", "salesforce-contacts"];

const ALL: &str = "/v1/customers?limit=200";

fn can(gate: &Gate, capability: Capability) -> bool {
    gate.subject.gap(capability).is_none()
}

/// The field that holds what a customer is called, whole, in the system.
fn called(gate: &Gate) -> &'static str {
    if can(gate, Capability::Create("person")) { "family_name" } else { "name" }
}

/// A new customer, as far as the system can hold one.
fn newcomer(gate: &Gate, tag: &str) -> Value {
    let mut body = json!({ "phones": [{ "type": "work", "value": "+48 22 555 77 77" }] });
    if can(gate, Capability::Create("person")) {
        body["kind"] = "person".into();
        body["name"] = format!("Ola {tag}").into();
        body["given_name"] = "Ola".into();
        body["family_name"] = tag.into();
    } else {
        body["kind"] = "company".into();
        body["name"] = tag.into();
    }
    if can(gate, Capability::Create("e-mail")) {
        body["emails"] = json!([{ "value": format!("{tag}@new.example") }]);
    }
    body
}

/// A change of the telephone, which every system keeps.
fn calls(number: &str) -> Value {
    json!({ "phones": [{ "type": "work", "value": number }] })
}

/// What the system was asked to change, in its own words.
fn sent(gate: &Gate) -> Vec<(String, Value)> {
    let one = |seen: &Seen| {
        let sent: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        // Of several in one request, those that change something.
        match sent["compositeRequest"].as_array() {
            None => vec![(seen.method.clone(), sent)],
            Some(parts) => parts
                .iter()
                .filter(|part| part["method"] != "GET")
                .map(|part| (part["method"].as_str().unwrap().to_owned(), part["body"].clone()))
                .collect(),
        }
    };
    gate.changes().iter().flat_map(one).collect()
}

fn path(record: &Value) -> String {
    format!("/v1/customers/{}", record["id"].as_str().unwrap())
}

fn some(gate: &Gate) -> Value {
    gate.get("/v1/customers?limit=3").expect(200).items()[1].clone()
}

/// A record as the system holds it, without what moves by itself.
fn stored(gate: &Gate, id: &str) -> Value {
    let native = native(gate);
    let mut record = gate.native(Method::GET, &(native.at)(id), native.authorization).expect(200).json();
    for pointer in native.moves {
        *record.pointer_mut(pointer).unwrap() = Value::Null;
    }
    record
}

const fn clause(capability: Capability, proof: fn(&Gate), ask: Option<fn(&Gate) -> Answer>) -> Clause {
    Clause { capability, proof, ask }
}

const LIST: Clause = clause(Capability::List, reads::list, None);
const PAGES: Clause = clause(Capability::Pages, reads::pages, None);
const BY_EMAIL: Clause =
    clause(Capability::Filter("emails.value"), reads::by_email, Some(reads::ask_by_email));
const BY_NAME: Clause = clause(Capability::Filter("name"), reads::by_name, None);
const BY_TIME: Clause = clause(Capability::Filter("updated_at"), reads::by_time, None);
const SORT: Clause = clause(Capability::Sort("updated_at"), reads::sorted, None);
const UNHELD: Clause = clause(Capability::Own("unheld"), reads::unheld, None);
const READ: Clause = clause(Capability::Read, reads::read, None);
const ABSENT: Clause = clause(Capability::Absent, reads::absent, None);
const CREATE: Clause = clause(Capability::Create("customer"), writes::create, None);
const PERSON: Clause = clause(Capability::Create("person"), writes::person, Some(writes::ask_person));
const COMPANY: Clause = clause(Capability::Create("company"), writes::company, Some(writes::ask_company));
const EMAIL: Clause = clause(Capability::Create("e-mail"), writes::email, Some(writes::ask_email));
const STATUS: Clause = clause(Capability::Create("status"), writes::status, Some(writes::ask_status));
const UPDATE: Clause = clause(Capability::Update, writes::update, None);
const CONCURRENT: Clause = clause(Capability::Concurrent, writes::concurrent, None);
const DELETE: Clause = clause(Capability::Delete, writes::delete, None);
const INVALID: Clause = clause(Capability::Invalid, refusals::invalid, None);
const UNFIT: Clause = clause(Capability::Invalid, refusals::unfit, None);
const DANGLING: Clause = clause(Capability::Invalid, refusals::dangling, None);
const DUPLICATE: Clause = clause(Capability::Duplicate, refusals::duplicate, None);
const RATE_LIMIT: Clause = clause(Capability::RateLimit, refusals::rate_limit, None);
const SIGN_IN: Clause = clause(Capability::SignIn, refusals::sign_in, Some(refusals::ask_sign_in));
const LITERALS: Clause = clause(Capability::Literals, refusals::literals, None);
const ANY_TEXT: Clause = clause(Capability::Literals, refusals::any_text, None);

macro_rules! crm {
    ($system:ident: $subject:path) => {
        contract!($system: $subject {
            a_list_holds_what_the_system_holds: super::LIST,
            a_list_of_any_page_size_comes_to_its_end: super::PAGES,
            customers_are_found_by_e_mail: super::BY_EMAIL,
            customers_are_found_by_name: super::BY_NAME,
            customers_are_found_by_when_they_changed: super::BY_TIME,
            a_list_comes_in_the_order_that_was_asked_for: super::SORT,
            what_no_record_holds_is_not_looked_for: super::UNHELD,
            one_is_read_as_the_list_has_it: super::READ,
            what_is_not_there_is_not_found: super::ABSENT,
            a_new_customer_stands_in_the_system_in_its_own_shape: super::CREATE,
            a_person_can_be_a_customer: super::PERSON,
            a_company_can_be_a_customer: super::COMPANY,
            an_e_mail_address_is_kept: super::EMAIL,
            a_new_customer_can_be_blocked: super::STATUS,
            an_update_changes_what_changed_and_nothing_else: super::UPDATE,
            a_change_of_what_changed_meanwhile_is_refused_or_told_as_unguarded: super::CONCURRENT,
            one_that_is_deleted_is_gone: super::DELETE,
            an_invalid_value_is_refused_with_its_place: super::INVALID,
            what_the_system_has_no_place_for_is_refused_whole: super::UNFIT,
            one_that_points_to_nothing_is_not_made: super::DANGLING,
            one_that_is_there_already_is_refused_as_that: super::DUPLICATE,
            a_system_that_is_asked_too_much_is_told_of_as_busy: super::RATE_LIMIT,
            a_spent_session_is_renewed_unnoticed: super::SIGN_IN,
            hostile_texts_stay_texts: super::LITERALS,
            no_text_gets_out_of_its_literal: super::ANY_TEXT,
        });
    };
}

crm!(hubspot_contacts: super::HUBSPOT);
contract!(hubspot_companies: super::HUBSPOT_COMPANIES {
    a_list_of_any_page_size_comes_to_its_end: super::PAGES,
    customers_are_found_by_name: super::BY_NAME,
    customers_are_found_by_when_they_changed: super::BY_TIME,
    a_list_comes_in_the_order_that_was_asked_for: super::SORT,
    what_no_record_holds_is_not_looked_for: super::UNHELD,
    one_is_read_as_the_list_has_it: super::READ,
    what_is_not_there_is_not_found: super::ABSENT,
    a_new_customer_stands_in_the_system_in_its_own_shape: super::CREATE,
    a_person_can_be_a_customer: super::PERSON,
    a_company_can_be_a_customer: super::COMPANY,
    an_e_mail_address_is_kept: super::EMAIL,
    an_update_changes_what_changed_and_nothing_else: super::UPDATE,
    a_change_of_what_changed_meanwhile_is_refused_or_told_as_unguarded: super::CONCURRENT,
    one_that_is_deleted_is_gone: super::DELETE,
    a_system_that_is_asked_too_much_is_told_of_as_busy: super::RATE_LIMIT,
    hostile_texts_stay_texts: super::LITERALS,
    no_text_gets_out_of_its_literal: super::ANY_TEXT,
});
crm!(salesforce_accounts: super::SALESFORCE);
crm!(salesforce_contacts: super::SALESFORCE_CONTACTS);
crm!(dataverse_accounts: super::DATAVERSE);
crm!(dataverse_contacts: super::DATAVERSE_CONTACTS);

mod told_apart {
    //! That the suite itself finds out what is not so.

    use super::{COMPANY, Capability, DATAVERSE, EMAIL, Gap, PERSON, SALESFORCE, Subject};
    use crate::ground::hold;

    const CAN_AFTER_ALL: Subject = Subject {
        gaps: &[Gap { capability: Capability::Create("company"), status: 422, reason: "/kind" }],
        ..SALESFORCE
    };
    const FOR_ANOTHER_REASON: Subject = Subject {
        gaps: &[Gap { capability: Capability::Create("person"), status: 422, reason: "/name" }],
        ..DATAVERSE
    };
    const NOT_LISTED: Subject = Subject { gaps: &[], ..SALESFORCE };

    #[test]
    #[should_panic(expected = "left: 201")]
    fn a_gap_that_works_fails() {
        hold(&CAN_AFTER_ALL, &COMPANY);
    }

    #[test]
    #[should_panic(expected = "is told otherwise")]
    fn a_gap_that_is_told_for_another_reason_fails() {
        hold(&FOR_ANOTHER_REASON, &PERSON);
    }

    #[test]
    #[should_panic(expected = "left: 422")]
    fn a_capability_that_is_missing_and_not_listed_fails() {
        hold(&NOT_LISTED, &EMAIL);
    }
}

#[test]
fn records_that_ids_name_are_asked_for_by_their_keys() {
    lists_by_ids(&Gate::open(&HUBSPOT), &["customers"], &[]);
    lists_by_ids(&Gate::open(&HUBSPOT_COMPANIES), &["customers"], &[]);
    lists_by_ids(&Gate::open(&SALESFORCE), &["customers"], &[]);
    lists_by_ids(&Gate::open(&SALESFORCE_CONTACTS), &["customers"], &[]);
    lists_by_ids(&Gate::open(&DATAVERSE), &["customers"], &[]);
    lists_by_ids(&Gate::open(&DATAVERSE_CONTACTS), &["customers"], &[]);
}
