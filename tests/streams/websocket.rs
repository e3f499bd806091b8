//! A WebSocket client and a WebSocket server by others (`ws` on Node, see `tests/socket`) talk through the gate.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    book,
    ground::join,
    kit::{Demo, Who, root, until},
};

fn program(name: &str) -> PathBuf {
    let folder = root().join("tests/socket");
    assert!(
        folder.join("node_modules").is_dir(),
        "run `npm ci` in tests/socket, or scripts/test, which does"
    );
    folder.join(name)
}

/// The system, on an address of its own.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut child =
            Command::new("node").arg(program("system.mjs")).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let port = u16::try_from(told["port"].as_u64().unwrap()).unwrap();
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }

    fn demo(&self) -> Demo {
        Demo::start_with(|policies| join(policies, self.address, "sign_in: none\n"), &[])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the client tells of its talk with the system `raw`.
fn talk(demo: &Demo, who: Who) -> Value {
    let url = format!("wss://{}/systems/raw/socket", demo.address());
    let ran = Command::new("node")
        .arg(program("caller.mjs"))
        .args([url.as_str(), demo.env("BRAMKA_CA"), &demo.token(who).unwrap()])
        .output()
        .unwrap();
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
}

#[test]
fn a_websocket_client_of_others_talks_with_a_websocket_server_of_others() {
    let server = Server::start();
    let demo = server.demo();
    let told = talk(&demo, Who::App);
    assert_eq!(
        told,
        json!({
            "protocol": "orders.v1",
            "extensions": "permessage-deflate",
            "text": true,
            "bytes": true,
            "pong": "still there?",
            "code": 4001,
            "reason": "enough",
        })
    );
    // It is over once, and what went through was counted: a mebibyte and more each way.
    let mut closed = Vec::new();
    until("the stream is closed in the journal", || {
        closed = book::entries(&demo.data());
        closed.retain(|entry| entry["kind"] == "close");
        !closed.is_empty()
    });
    assert_eq!(closed.len(), 1, "{closed:?}");
    for way in ["bytes_in", "bytes_out"] {
        assert!(closed[0][way].as_u64().unwrap() > 1 << 20, "{}", closed[0]);
    }
}

#[test]
fn a_websocket_client_that_may_not_call_a_system_is_refused_before_any_switch() {
    let server = Server::start();
    assert_eq!(talk(&server.demo(), Who::Partner), json!({ "refused": 403 }));
}
