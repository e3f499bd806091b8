//! Errors: the problem document that the caller gets, and what the operator is told, for each body that says no.

use bramka::{
    catalog::Action,
    mapping::{FaultKind, Mapping, NativeAnswer, SystemFault},
    refusal::{Refusal, told_faults},
    schema::Filter,
    words::RequestId,
};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{
    answer, body,
    lines::{Is, Line, On},
    mapping, snapshot,
    table::LINES,
};
use crate::kit::runtime;

/// What a system's answer is taken for, asked for so.
fn fault(mapping: &Mapping, on: On, answer: &NativeAnswer) -> SystemFault {
    let all = mapping.entity().all();
    match on {
        On::Write => mapping.deleted(answer).unwrap_err(),
        On::Read => {
            assert!(mapping.can(Action::Read));
            mapping.inward(answer, &all).unwrap_err()
        }
        On::List => {
            let (parent, asked) = (mapping.any_parent(), (&Filter::everything(), &[][..]));
            let listing = mapping.list_of(parent.as_ref(), None, &all, asked, None, 10).unwrap();
            mapping.inward_list(&listing, answer, &all).unwrap_err()
        }
    }
}

/// As the gate refuses: what is wrong with a question of its own is no fault of the caller's, and of a change the caller
/// is told what it knows of.
fn refusal(mapping: &Mapping, on: On, mut fault: SystemFault) -> Refusal {
    if let FaultKind::Invalid(faults) = &mut fault.kind {
        match on {
            On::Write => *faults = told_faults(&mapping.entity().all(), std::mem::take(faults)),
            On::Read | On::List => fault.kind = FaultKind::Unknown,
        }
    }
    Refusal::System(mapping.system().clone(), Box::new(fault))
}

fn problem(refusal: &Refusal) -> Value {
    let answer = refusal.response(RequestId([7; 16]));
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    let wait = answer.headers().get(RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = runtime().block_on(answer.into_body().collect()).unwrap().to_bytes();
    let mut problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status);
    problem.as_object_mut().unwrap().remove("request_id");
    json!({ "retry-after": wait, "problem": problem })
}

/// What becomes of a body that says no; nothing of another.
pub(super) fn told(line: &Line) -> Option<Value> {
    let Is::Error { of, status, on } = &line.is else { return None };
    let mapping = mapping(of);
    let fault = fault(mapping, *on, &answer(body(line.file), *status, of.heads));
    let (kind, operator, trace) = (fault.kind.to_string(), fault.to_string(), fault.trace.clone());
    let existing = match &fault.kind {
        FaultKind::Duplicate { existing } => existing.clone(),
        _ => None,
    };
    let refusal = refusal(mapping, *on, fault);
    let mut told = problem(&refusal);
    told["of"] = json!(format!("{} of {}, {status} to a {}", of.entity, of.system, on.as_str()));
    told["taken for"] = json!(kind);
    told["existing"] = json!(existing);
    told["journal"] = json!(refusal.reason());
    told["operator"] = json!({ "text": operator, "trace": trace, "logged": refusal.is_of_interest() });
    Some(told)
}

#[test]
fn a_recorded_error_is_a_problem_that_a_caller_can_act_on() {
    let mut count = 0;
    for line in LINES {
        let Some(told) = told(line) else { continue };
        // The system's own words are for the operator alone.
        let words = told["operator"]["text"].as_str().unwrap().split_once("; ");
        let problem = told["problem"].to_string();
        assert!(words.is_none_or(|(_, words)| words.is_empty() || !problem.contains(words)), "{told}");
        snapshot(line.file, &told);
        count += 1;
    }
    assert!(count > 12, "{count}");
}
