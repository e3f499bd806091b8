//! A system is not asked more than it takes, and one partner cannot use up what the others need.

use std::fs;

use http::Method;

use crate::{book, kit::Answer, line::bare, stage::Stage};

/// A gate whose ERP takes so much.
fn stage(limits: &str) -> Stage {
    Stage::open(|policies| {
        let file = policies.join("systems/erp.yaml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("\nlimits:"), "the shipped file has bounds of its own now");
        fs::write(&file, format!("{text}\nlimits: {limits}\n")).unwrap();
    })
}

fn orders(stage: &Stage, token: &str) -> Answer {
    stage.ask(bare(Method::GET, "/v1/orders?limit=1", Some(token)))
}

#[test]
fn a_partner_over_its_share_of_a_system_is_told_so_and_the_others_are_served() {
    let stage = stage("{ rate: 60/h, burst: 4, share_percent: 50 }");
    for _ in 0..2 {
        orders(&stage, &stage.portal).expect(200);
    }
    let refused = orders(&stage, &stage.portal).expect(429);
    let problem = refused.json();
    assert!(problem["type"].as_str().unwrap().ends_with("/limited"), "{problem}");
    assert_eq!(problem["detail"], "your share of what the system takes is used up");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 60, "half the pace");
    orders(&stage, &stage.shop).expect(200);
    orders(&stage, &stage.shop).expect(200);
    let reasons =
        book::entries(&stage.data()).into_iter().filter(|entry| entry["refusal"] == "upstream_share");
    assert_eq!(reasons.count(), 1, "what is refused is written down");
}

#[test]
fn a_system_that_takes_no_more_is_not_asked_and_callers_learn_when_to_come_back() {
    let stage = stage("{ rate: 60/h, burst: 1 }");
    orders(&stage, &stage.shop).expect(200);
    let before = stage.erp.seen().len();
    let refused = orders(&stage, &stage.portal).expect(503);
    assert!((1..=61).contains(&refused.header("retry-after").unwrap().parse::<u32>().unwrap()));
    assert_eq!(stage.erp.seen().len(), before, "nothing is sent");
}
