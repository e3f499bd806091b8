//! Active health checks by the running gate: one lane checks, operators see it, and a reload is followed.

use http::Method;
use serde_json::Value;

use crate::{
    ground::{System, join},
    kit::{Demo, until},
};

/// What the admin listener says of the addresses of `raw`, in order.
fn told(demo: &Demo) -> Vec<String> {
    let systems = demo.admin(Method::GET, "/api/systems").send().expect(200).json();
    let systems = systems["systems"].as_array().unwrap().clone();
    let raw = systems.into_iter().find(|system| system["system"] == "raw").unwrap();
    let health = |address: &Value| address["health"].as_str().unwrap().to_owned();
    raw["addresses"].as_array().unwrap().iter().map(health).collect()
}

fn metrics(demo: &Demo) -> String {
    let answer = demo.admin(Method::GET, "/metrics").send().expect(200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn an_ill_address_shows_in_status_and_metrics_and_gets_no_calls_and_a_reload_is_followed() {
    let well = System::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell");
    let ill = System::start(|mut conn| async move {
        loop {
            let head = conn.head().await?;
            conn.say(match head.starts_with("GET /healthz ") {
                true => "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
                false => "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nill",
            })
            .await?;
        }
    });
    let health = "health: { path: /healthz, every: 100ms, unhealthy_after: 1 }\n";
    let file = |more: &str| {
        format!("base: [http://{}, http://{}]\nsign_in: none\n{more}", well.address(), ill.address())
    };
    let write = |policies: &std::path::Path, more: &str| {
        join(policies, well.address(), "");
        let path = policies.join("systems/raw.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(&format!("base: http://{}\n", well.address()), &file(more));
        std::fs::write(&path, text).unwrap();
    };
    let demo = Demo::start_with(|policies| write(policies, health), &[]);
    until("both are checked", || told(&demo) == ["well", "ill"]);
    for _ in 0..20 {
        assert_eq!(demo.get("/systems/raw/x").send().body, "well");
    }
    let gauge = |address, value| {
        format!("bramka_system_address_well{{system=\"raw\",address=\"{address}\"}} {value}\n")
    };
    until("it is told", || {
        let metrics = metrics(&demo);
        metrics.contains(&gauge(well.address(), 1)) && metrics.contains(&gauge(ill.address(), 0))
    });
    let checked = ill.seen();
    assert!(checked.iter().all(|head| head.starts_with("GET /healthz ")), "{checked:?}");

    write(&demo.policies(), "");
    until("nothing is checked any more", || told(&demo) == ["unknown", "unknown"]);
    until("nothing is told of it", || !metrics(&demo).contains("bramka_system_address_well{"));
    let asked = ill.seen().iter().filter(|head| head.starts_with("GET /healthz ")).count();
    until("both serve", || demo.get("/systems/raw/x").send().body == "ill");
    assert_eq!(ill.seen().iter().filter(|head| head.starts_with("GET /healthz ")).count(), asked);
}
