//! What systems really say and are told, through the shipped files: bodies that nobody here made up, or that were
//! written in their shape where they may not be copied (`tests/fixtures/ORIGIN.md` says which).
//!
//! Every body in `tests/fixtures` has a line in the [table] and every line a body. A record is read as the
//! entity that callers get, with what does not fit and what no line reads; an error becomes the problem document that a
//! caller gets, and what the operator is told; both stand in `recorded/snapshots`, reviewed against the body. A recorded
//! create is compared, place by place, with what the gate sends for the same record.

mod creates;
mod flat;
mod lines;
mod reads;
mod refused;
mod table;
mod through;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use bramka::mapping::{Mapping, NativeAnswer, System};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use self::{
    lines::{Is, Of},
    table::LINES,
};
use crate::{kit::root, laws};

/// LIMIT: a body in the repository, and all of them; longer ones are cut to what shows their traps.
const BODY_BYTES_MAX: usize = 30 * 1024;
const BODIES_BYTES_MAX: usize = 600 * 1024;

/// What stands beside the bodies and is none: notes, and schemas that other tests validate by.
fn is_beside(path: &str) -> bool {
    path.ends_with(".md") || path.ends_with(".xsd") || path.ends_with("/catalog.xml")
}

static SYSTEMS: LazyLock<BTreeMap<String, System>> =
    LazyLock::new(|| laws::systems().into_iter().map(|(name, _, system)| (name, system)).collect());

/// How a system's records become the entity of a line.
fn mapping(of: &Of) -> &'static Arc<Mapping> {
    let system = SYSTEMS.get(of.system).unwrap_or_else(|| panic!("no file `{}` is shipped", of.system));
    system.entity(of.entity).unwrap_or_else(|| panic!("`{}` serves no {}", of.system, of.entity))
}

fn folder() -> PathBuf {
    root().join("tests/fixtures")
}

/// A body, as it was recorded.
fn body(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
}

/// A body as an answer to the gate.
fn answer(body: String, status: u16, heads: &[(&'static str, &'static str)]) -> NativeAnswer {
    let heads = heads
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect::<HeaderMap>();
    NativeAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: heads,
        body: Bytes::from(body),
        received: None,
        over: None,
    }
}

/// Compares with the snapshot of a body.
fn snapshot(file: &str, told: &serde_json::Value) {
    let name = file.replace('/', "__");
    insta::with_settings!({ snapshot_path => "recorded/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!(name, told);
    });
}

/// Everything under a folder.
fn files(at: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The bodies in the repository, by their path under the folder.
fn bodies() -> BTreeMap<String, usize> {
    let mut found = Vec::new();
    files(&folder(), &mut found);
    let size = |path: &PathBuf| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let name = |path: &PathBuf| path.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/");
    found.iter().map(|path| (name(path), size(path))).filter(|(name, _)| !is_beside(name)).collect()
}

#[test]
fn every_body_has_a_line_and_every_line_a_body() {
    let (bodies, lines) = (bodies(), LINES.iter().map(|line| line.file).collect::<BTreeSet<_>>());
    assert_eq!(lines.len(), LINES.len(), "a body has two lines");
    let no_line: Vec<_> = bodies.keys().filter(|name| !lines.contains(name.as_str())).collect();
    let no_body: Vec<_> = lines.iter().filter(|name| !bodies.contains_key(**name)).collect();
    assert!(no_line.is_empty(), "no line of the table says what these are: {no_line:#?}");
    assert!(no_body.is_empty(), "lines of no body: {no_body:#?}");
    for line in LINES {
        assert!(!matches!(line.is, Is::None(why) if why.len() < 10), "{}: say why it is not used", line.file);
    }
}

#[test]
fn every_body_says_where_it_is_from_and_none_is_long() {
    let origin = body("ORIGIN.md");
    let bodies = bodies();
    for (name, bytes) in &bodies {
        assert!(*bytes <= BODY_BYTES_MAX, "{name} has {bytes} bytes: cut it to what shows its traps");
        let (system, file) = name.split_once('/').unwrap();
        let (_, section) = origin
            .split_once(&format!("\n## {system}\n"))
            .unwrap_or_else(|| panic!("ORIGIN.md has no section `## {system}`"));
        let section = section.split("\n## ").next().unwrap();
        assert!(section.contains(&format!("`{file}`")), "ORIGIN.md does not say where {name} is from");
    }
    assert!(bodies.values().sum::<usize>() <= BODIES_BYTES_MAX);
}

#[test]
fn trap_41_an_e_mail_in_a_name_that_no_line_reads_never_leaves() {
    let body = body("sap-s4/business_partner.get.v2.json");
    let mail = "doe@company-a.com";
    assert!(body.contains(&format!("\"MiddleName\": \"{mail}\"")), "the body lost its trap");
    let mapping = SYSTEMS["sap-s4"].entity("Customer").unwrap();
    let inward = mapping.inward(&answer(body, 200, &[]), &mapping.entity().all()).unwrap();
    let mut out = Vec::new();
    bramka::schema::json::write(mapping.entity(), &inward.record, None, &mut out);
    let told = String::from_utf8(out).unwrap();
    assert!(told.contains("\"family_name\"") && !told.contains(mail), "{told}");
    // Nor in what is told of the record: findings name fields, and values only of tables.
    assert!(!format!("{:?}", inward.findings).contains(mail));
}

#[test]
fn every_snapshot_is_of_a_body() {
    let mut found = Vec::new();
    files(&root().join("tests/contract/recorded/snapshots"), &mut found);
    let is_told = |is: &Is| matches!(is, Is::Record(_) | Is::Page(_) | Is::Made(_) | Is::Error { .. });
    let told = LINES.iter().filter(|line| is_told(&line.is));
    let known: BTreeSet<_> = told.map(|line| format!("{}.snap", line.file.replace('/', "__"))).collect();
    let odd: Vec<_> =
        found.iter().filter(|path| !known.contains(path.file_name().unwrap().to_str().unwrap())).collect();
    assert!(odd.is_empty(), "snapshots of nothing: {odd:#?}");
}
