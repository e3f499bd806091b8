//! A gate before a system of the test's own, with the edits of the shipped policies that this takes.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    book,
    kit::{Demo, Who},
    system::System,
    tap::{Reply, Tap},
};

/// What a test changes of the shipped policies.
#[derive(Default)]
pub(crate) struct Edits<'a> {
    /// Bounds of the data listener, as YAML in one line.
    pub(crate) bounds: &'a str,
    /// More lines of the system's file.
    pub(crate) system: &'a str,
    /// Bounds of the gate, in place of `drain_grace`.
    pub(crate) drain_grace: &'a str,
}

/// A gate before a system that is called `raw`.
pub(crate) fn gate(system: &System) -> Demo {
    gate_with(system, &Edits::default())
}

/// The same, with edits.
pub(crate) fn gate_with(system: &System, edits: &Edits<'_>) -> Demo {
    Demo::start_with(|policies| prepare(policies, system, edits), &[])
}

/// Writes the edits.
pub(crate) fn prepare(policies: &Path, system: &System, edits: &Edits<'_>) {
    add_system(policies, "raw", &format!("http://{}", system.address), edits.system);
    let file = policies.join("gateway.yaml");
    let mut text = fs::read_to_string(&file).unwrap();
    text = text.replace("strangers_per_minute: 60", "strangers_per_minute: 1000000");
    if !edits.bounds.is_empty() {
        let bounds = format!("\n    bounds: {}\n\n# Operators", edits.bounds);
        text = replaced(&text, "\n\n# Operators", &bounds);
    }
    if !edits.drain_grace.is_empty() {
        text = replaced(&text, "drain_grace: 30s", &format!("drain_grace: {}", edits.drain_grace));
    }
    fs::write(&file, text).unwrap();
    let file = policies.join("limits.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("rate: 500/s", "rate: 1000000/s").replace("burst: 1000\n", "burst: 1000000\n");
    fs::write(&file, text.replace("burst: 1000 }", "burst: 1000000 }")).unwrap();
}

/// A system's file, and statements that let applications call it but not below `/admin`.
pub(crate) fn add_system(policies: &Path, name: &str, base: &str, more: &str) {
    let sign_in = if more.contains("sign_in:") { "" } else { "sign_in: none\n" };
    let file = format!("system: {name}\nbase: \"{base}\"\nallow_local: true\n{sign_in}{more}\n");
    fs::write(policies.join(format!("systems/{name}.yaml")), file).unwrap();
    let statements = format!(
        "@id(\"apps-use-{name}\")\n@unfiltered(\"a test\")\n@plan(\"internal\")\n\
         permit (principal in Group::\"apps\", action == Action::\"call\", resource == System::\"{name}\");\n\n\
         @id(\"nobody-administers-{name}\")\n\
         forbid (principal, action == Action::\"call\", resource == System::\"{name}\")\n\
         when {{ context.checked.call.path like \"/admin*\" }};\n"
    );
    fs::write(policies.join(format!("access/{name}.cedar")), statements).unwrap();
}

/// Lets a system's file name a secret's file.
pub(crate) fn may_name(policies: &Path, system: &str, path: &str) {
    let file = policies.join("gateway.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let named = format!("  erp: [BC_TOKEN]\n  {system}: [\"file:{path}\"]");
    fs::write(&file, replaced(&text, "  erp: [BC_TOKEN]", &named)).unwrap();
}

/// Replaces what must be there.
pub(crate) fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "`{old}` is not in\n{text}");
    text.replace(old, new)
}

/// The line that says who asks.
pub(crate) fn auth(demo: &Demo) -> String {
    format!("Authorization: Bearer {}\r\n", demo.token(Who::App).unwrap())
}

/// A head with `Host` and credential, `more` lines of which each ends with CR LF, and its end.
pub(crate) fn head(demo: &Demo, line: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{}{more}\r\n", auth(demo))
}

/// Asks over a connection of its own.
pub(crate) fn ask(demo: &Demo, bytes: impl AsRef<[u8]>) -> Reply {
    let mut tap = Tap::open(demo);
    tap.send(bytes);
    tap.reply().expect("no answer")
}

/// Checks that an answer is a refusal which stands in the journal once, by its request or as the door's.
#[track_caller]
pub(crate) fn assert_refused(demo: &Demo, what: &str, reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{what:?}: {reply:?}");
    match reply.header("x-request-id") {
        Some(id) => {
            let entries = book::of(&demo.data(), id);
            assert_eq!(entries.len(), 1, "{what:?}: {entries:?}");
            assert_eq!(entries[0]["status"], status, "{what:?}: {entries:?}");
            assert!(entries[0]["refusal"].is_string(), "{what:?}: {entries:?}");
        }
        None => {
            // The HTTP layer answered by itself; the door writes that down when the connection has ended.
            let same = |entry: &Value| entry["status"] == status && entry["refusal"].is_string();
            crate::kit::until(what, || book::entries(&demo.data()).iter().any(same));
        }
    }
}

/// How many entries of the door give a reason.
pub(crate) fn told(demo: &Demo, reason: &str) -> usize {
    book::entries(&demo.data()).iter().filter(|entry| entry["refusal"] == reason).count()
}

/// Bytes of memory in use.
pub(crate) fn memory(demo: &Demo) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", demo.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Open descriptors.
pub(crate) fn descriptors(demo: &Demo) -> usize {
    fs::read_dir(format!("/proc/{}/fd", demo.pid())).unwrap().count()
}

/// Checks that the gate still serves others.
#[track_caller]
pub(crate) fn assert_serves(demo: &Demo) {
    demo.get("/v1/products?limit=1").send().expect(200);
}
