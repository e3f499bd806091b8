//! A write that takes several calls, and failed at one of them.
//!
//! Where nothing was done before, it is told as its cause, with the place of the element. Where something was, it is
//! told as partly done: by no status that asks to try again, for whoever does makes the rest twice.

use http::StatusCode;

use super::Refusal;
use crate::mapping::PartChange;

/// Where a write of several calls ended, and what stays of it.
#[derive(Debug)]
pub struct PartFailed {
    /// What was told of the call that failed.
    pub cause: Box<Refusal>,
    /// JSON Pointers to the element that was to be written, or to the fields, and what was to be done with each; none
    /// where the record itself was.
    pub at: Vec<(String, PartChange)>,
    /// Changes that the system has made and that stay.
    pub done: usize,
    /// Changes that were to be made.
    pub calls: usize,
    /// Whether it is known that the one that failed was not made.
    pub is_known: bool,
    /// The id of a new record that stays behind, where the caller may know it.
    pub left: Option<String>,
}

impl PartFailed {
    pub(super) fn is_partly_done(&self) -> bool {
        self.done > 0
    }

    pub(super) fn status(&self) -> StatusCode {
        if self.is_partly_done() { StatusCode::BAD_GATEWAY } else { self.cause.status() }
    }

    pub(super) fn reason(&self) -> &'static str {
        if self.is_partly_done() { "partly_done" } else { self.cause.reason() }
    }

    pub(super) fn told(&self) -> (&'static str, &'static str, Option<String>) {
        if !self.is_partly_done() {
            return self.cause.told();
        }
        let (_, why, _) = self.cause.told();
        let next = match self.is_known {
            true => "the next one failed",
            false => "whether the next one was made is not known",
        };
        let stays = match &self.left {
            Some(id) => format!("the new record `{id}` stays; "),
            None => String::new(),
        };
        let (done, calls) = (self.done, self.calls);
        let detail = format!(
            "{done} of {calls} changes were made and stay, {next} ({why}); {stays}read the record before anything is sent again"
        );
        ("partly-done", "part of this is done", Some(detail))
    }

    /// The places, and what is wrong there.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.at.iter().map(|(pointer, what)| {
            let why = match what {
                PartChange::Added => "the system did not add this one",
                PartChange::Changed => "the system did not change this one",
                PartChange::Removed => "the system did not take out one that is left out here",
                PartChange::Led => "the system did not bring the record to this value",
                PartChange::Beside => "the system that tells this did not change it",
            };
            (pointer.as_str(), why)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use serde_json::{Value, json};

    use super::*;
    use crate::{body::Body, upstream::UpstreamError, words::RequestId};

    fn failed(done: usize) -> Refusal {
        let cause = Refusal::Upstream("erp".into(), Box::new(UpstreamError::Busy { concurrency_max: 7 }));
        Refusal::Part(Box::new(PartFailed {
            cause: Box::new(cause),
            at: vec![("/lines/1".into(), PartChange::Added)],
            done,
            calls: 3,
            is_known: true,
            left: None,
        }))
    }

    fn told(refusal: &Refusal) -> (u16, bool, Value) {
        let answer = refusal.response(RequestId([0; 16]));
        let Body::Full(bytes) = answer.body() else { panic!("no body") };
        let again = answer.headers().contains_key(RETRY_AFTER);
        (answer.status().as_u16(), again, serde_json::from_slice(bytes).unwrap())
    }

    #[test]
    fn a_write_that_is_partly_done_is_never_told_to_be_tried_again() {
        let (status, again, problem) = told(&failed(0));
        assert_eq!((status, again), (503, true), "nothing is done: {problem}");
        let (status, again, problem) = told(&failed(2));
        assert_eq!((status, again), (502, false), "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with("/partly-done"));
        assert!(problem["detail"].as_str().unwrap().starts_with("2 of 3 changes were made and stay"));
        assert_eq!(
            problem["errors"],
            json!([{ "pointer": "/lines/1", "detail": "the system did not add this one" }])
        );
    }
}
