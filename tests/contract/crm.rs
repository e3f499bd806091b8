//! The CRMs: one book of customers, kept by systems that speak differently.

use std::sync::Arc;

use bramka::demo::seed;

use crate::{
    contract,
    ground::{Capability, Clause, Gate, Subject, ids},
};

const HUBSPOT: Subject = Subject {
    name: "crm",
    file: "crm.yaml",
    root: "",
    secrets: &[("HUBSPOT_TOKEN", "pat-contract-1")],
    serves: &["customers"],
    edits: &[],
    standin: || seed::crm("pat-contract-1") as Arc<_>,
    gaps: &[],
};

const LIST: Clause = Clause { capability: Capability::List, proof: list, ask: None };

fn list(gate: &Gate) {
    let all = gate.whole("/v1/customers?limit=200");
    assert!(ids(&all).len() > 100);
}

macro_rules! crm {
    ($system:ident: $subject:path) => {
        contract!($system: $subject {
            a_list_holds_what_the_system_holds: super::LIST,
        });
    };
}

crm!(hubspot: super::HUBSPOT);
