//! What only a CRM itself knows: how to ask it beside the gate, how it says things, and what it refuses.

use serde_json::{Value, json};

use crate::{dataverse, ground::Gate, salesforce};

/// What only the system itself knows: how to ask it, how it says things, and what it refuses.
pub(super) struct Native {
    pub(super) authorization: &'static str,
    /// The address of a record.
    pub(super) at: fn(&str) -> String,
    /// The id of a record that is not there.
    pub(super) absent: &'static str,
    /// Under which names it keeps name, e-mail and telephone; the first takes given and family name.
    pub(super) new: fn(&str) -> Value,
    pub(super) phone: fn(&Value) -> Value,
    /// What moves by itself with a change.
    pub(super) moves: &'static [&'static str],
    /// Changes of what it has no place for, and their places.
    pub(super) unfit: fn() -> Vec<(Value, &'static str)>,
    /// How it is told that a record points to one that is not there: status, and place or kind.
    pub(super) dangling: (u16, &'static str),
    /// The seconds after which one that asked too much may come again; 1 where it does not say.
    pub(super) waits: u64,
    /// A change that cannot be, and its place.
    pub(super) wrong: fn() -> (Value, &'static str),
}

/// Of the system behind a gate.
pub(super) fn native(gate: &Gate) -> &'static Native {
    match gate.subject.name {
        "crm" => &HUBSPOT,
        "hubspot-companies" => &HUBSPOT_COMPANIES,
        "salesforce" => &SALESFORCE,
        "salesforce-contacts" => &SALESFORCE_CONTACTS,
        "dataverse" => &DATAVERSE,
        "dataverse-contacts" => &DATAVERSE_CONTACTS,
        other => panic!("{other} is no CRM"),
    }
}

const HUBSPOT_COMPANIES: Native = Native {
    at: |id| {
        format!(
            "/crm/v3/objects/companies/{id}?properties=name,phone,city,zip,country,address,lifecyclestage,industry"
        )
    },
    absent: "421999999999",
    new: |tag| json!({ "properties": { "name": tag, "phone": "+48 22 555 77 77" } }),
    unfit: || vec![(json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0")],
    moves: &["/properties/hs_lastmodifieddate", "/updatedAt"],
    ..HUBSPOT
};

const HUBSPOT: Native = Native {
    authorization: "Bearer pat-contract-1",
    at: |id| {
        format!(
            "/crm/v3/objects/contacts/{id}?properties=firstname,lastname,email,phone,company,city,zip,country,address,lifecyclestage"
        )
    },
    absent: "701999999999",
    new: |tag| json!({ "properties": { "firstname": "Ola", "lastname": tag, "email": format!("{tag}@new.example"), "phone": "+48 22 555 77 77" } }),
    phone: |value| json!({ "properties": { "phone": value } }),
    unfit: || {
        vec![
            (json!({ "emails": [{ "value": "a@new.example" }, { "value": "b@new.example" }] }), "/emails/1"),
            (json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0"),
        ]
    },
    dangling: (422, "/parent"),
    moves: &["/properties/lastmodifieddate", "/updatedAt"],
    waits: 1,
    wrong: || (json!({ "emails": [{ "value": "nobody" }] }), "/emails/0/value"),
};

const SALESFORCE: Native = Native {
    authorization: "Bearer 00D5e0000000001!AQ.contract.1",
    at: |id| format!("{}/sobjects/Account/{id}", salesforce::ROOT),
    absent: "0015e00000ZZZZZAAV",
    new: |tag| json!({ "Name": tag, "Phone": "+48 22 555 77 77" }),
    phone: |value| json!({ "Phone": value }),
    unfit: || {
        vec![
            (json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0"),
            (json!({ "job_title": "Buyer" }), "/job_title"),
        ]
    },
    dangling: (422, "/parent"),
    moves: &["/LastModifiedDate"],
    waits: 1,
    wrong: || (json!({ "parent": "0015e00000ZZZZZAAV" }), "/parent"),
};

const SALESFORCE_CONTACTS: Native = Native {
    authorization: "Bearer 00D5e0000000001!AQ.contract.1",
    at: |id| format!("{}/sobjects/Contact/{id}", salesforce::ROOT),
    absent: "0035e00000ZZZZZAAV",
    new: |tag| json!({ "FirstName": "Ola", "LastName": tag, "Email": format!("{tag}@new.example"), "Phone": "+48 22 555 77 77" }),
    phone: |value| json!({ "Phone": value }),
    unfit: || {
        vec![
            (json!({ "emails": [{ "value": "a@new.example" }, { "value": "b@new.example" }] }), "/emails/1"),
            (json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0"),
        ]
    },
    dangling: (422, "/parent"),
    moves: &["/LastModifiedDate"],
    waits: 1,
    wrong: || (json!({ "family_name": "x".repeat(81) }), "/family_name"),
};

const DATAVERSE: Native = Native {
    authorization: "Bearer eyJ0eXAiOiJKV1QifQ.contract.1",
    at: |id| format!("{}/accounts({id})", dataverse::ROOT),
    absent: "78914942-34cb-ed11-b596-000000000000",
    new: |tag| json!({ "name": tag, "emailaddress1": format!("{tag}@new.example"), "telephone1": "+48 22 555 77 77" }),
    phone: |value| json!({ "telephone1": value }),
    unfit: || {
        vec![
            (json!({ "emails": [{ "value": "a@new.example" }, { "value": "b@new.example" }] }), "/emails/1"),
            (json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0"),
        ]
    },
    dangling: (404, "/not-found"),
    moves: &["/modifiedon", "/@odata.etag"],
    waits: 7,
    wrong: || (json!({ "name": "x".repeat(161) }), "/name"),
};

const DATAVERSE_CONTACTS: Native = Native {
    authorization: "Bearer eyJ0eXAiOiJKV1QifQ.contract.1",
    at: |id| format!("{}/contacts({id})", dataverse::ROOT),
    absent: "49b0be2e-d01c-ed11-b83e-000000000000",
    new: |tag| json!({ "firstname": "Ola", "lastname": tag, "emailaddress1": format!("{tag}@new.example"), "telephone1": "+48 22 555 77 77" }),
    phone: |value| json!({ "telephone1": value }),
    unfit: || {
        vec![
            (json!({ "emails": [{ "value": "a@new.example" }, { "value": "b@new.example" }] }), "/emails/1"),
            (json!({ "addresses": [{ "role": "other", "city": "Lublin" }] }), "/addresses/0"),
        ]
    },
    dangling: (422, "/parent"),
    moves: &["/modifiedon", "/@odata.etag"],
    waits: 7,
    wrong: || (json!({ "family_name": "x".repeat(51) }), "/family_name"),
};
