//! Everything that reads a stranger's bytes, driven over a corpus and its mutations for a bounded number of
//! rounds: nothing panics, and what the targets promise of accepted input holds.
//!
//! The targets are plain functions over bytes, so that a coverage-guided fuzzer can be pointed at them too.
//! `BRAMKA_FUZZ_ROUNDS` asks for more rounds.

use std::{fs, path::PathBuf, sync::Arc};

use bramka::{
    audit, identity, intake, mapping,
    schema::{self, Schema, json},
    words::{Diagnostics, tree},
};

/// Rounds of every target; each takes some microseconds.
const ROUNDS: u64 = 20_000;

/// A small generator of our own: the same rounds on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end.max(1) as u64).unwrap()
    }
}

/// Bytes that readers stumble over.
const ODD: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n",
    b"%2e",
    b"%2F",
    b"%00",
    b"..",
    b"//",
    b"\\",
    b";",
    b"#",
    b"\"",
    b"'",
    b"{",
    b"[",
    b": ",
    b" #",
    b"e400",
    b"-0",
    b"\xff",
    b"\xc0\x80",
    "ł".as_bytes(),
    b"chunked",
    b"Content-Length: 0",
    b"\t",
    b"null",
    b"true",
];

fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => {
                let odd = ODD[dice.below(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            4 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                bytes.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let end = (at + dice.below(16)).min(bytes.len());
                let again = bytes[at..end].repeat(1 + dice.below(3));
                bytes.splice(at..at, again);
            }
        }
        bytes.truncate(64 * 1024);
    }
    bytes
}

/// `cost` divides the rounds of a target that takes longer.
fn drive(name: &str, cost: u64, target: impl Fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files
        .iter()
        .flat_map(|file| {
            let bytes = fs::read(file).unwrap();
            // Files that end in `.lines` hold one input a line.
            match file.extension().is_some_and(|end| end == "lines") {
                true => bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
                false => vec![bytes],
            }
        })
        .collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|bytes| target(bytes));
    let rounds = std::env::vars().find(|(name, _)| name == "BRAMKA_FUZZ_ROUNDS");
    let rounds = rounds.and_then(|(_, text)| text.parse().ok()).unwrap_or(ROUNDS);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds / cost {
        target(&mutated(&corpus, &mut dice));
    }
}

fn shared_schema() -> Schema {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies/schema");
    let mut files: Vec<(Arc<str>, tree::Node)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name: Arc<str> = path.file_name().unwrap().to_str().unwrap().into();
            let node = tree::parse(&name, &fs::read_to_string(path).unwrap()).unwrap();
            (name, node)
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    schema::load::schema(&files).unwrap().0
}

#[test]
fn any_path_is_refused_or_has_one_normal_form() {
    drive("path", 1, intake::fuzz_path);
}

#[test]
fn any_head_is_refused_or_reads_the_same_to_everyone() {
    drive("head", 1, intake::fuzz_head);
}

#[test]
fn any_text_is_refused_as_a_token_without_harm() {
    drive("token", 1, |bytes| {
        if identity::read_token(bytes).is_ok() {
            assert_eq!(bytes.iter().filter(|byte| **byte == b'.').count(), 2, "{bytes:?}");
            assert!(bytes.is_ascii() && bytes.len() <= identity::TOKEN_BYTES_MAX);
        }
    });
}

#[test]
fn any_yaml_is_a_tree_or_a_list_of_mistakes() {
    let name: Arc<str> = "any.yaml".into();
    drive("yaml", 4, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if let Err(found) = tree::parse(&name, text) {
            assert!(found.has_errors());
        }
    });
}

#[test]
fn any_mapping_loads_or_tells_why_not() {
    let schema = shared_schema();
    let name: Arc<str> = "any.yaml".into();
    drive("mapping", 20, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(node) = tree::parse(&name, text) else { return };
        let mut found = Diagnostics::default();
        let system = mapping::System::load(&"any".into(), &node, &[], &schema, &mut found);
        assert!(system.is_some() || found.has_errors(), "{text}");
    });
}

#[test]
fn any_body_is_a_proposal_or_a_list_of_faults() {
    let schema = shared_schema();
    let entity = schema.entity("Order").unwrap();
    let view = json::View::of(entity, json::Body::Create);
    drive("body", 1, |bytes| match json::read(entity, bytes, &view) {
        Ok(proposed) => {
            let mut out = Vec::new();
            json::write(entity, &proposed.record, None, &mut out);
            serde_json::from_slice::<serde_json::Value>(&out).unwrap();
        }
        Err(faults) => assert!(!faults.is_empty() && faults.len() <= json::FAULTS_MAX),
    });
}

#[test]
fn any_line_of_a_journal_is_read_or_refused() {
    drive("journal", 1, |bytes| {
        if let Ok((leaf, _)) = audit::parse_line(bytes) {
            serde_json::from_slice::<serde_json::Value>(leaf).unwrap();
            assert!(!leaf.iter().any(u8::is_ascii_control));
        }
    });
}

/// A note in XML: attributes, own text, repeated elements.
const NOTES: &str = r#"
speaks: xml
absent: { any: [""] }
clear: { any: "" }
entities:
  Customer:
    at: /notes
    wrap: a.note
    list: { rows: a.note }
    read: {}
    create: {}
    fields:
      name: name
      given_name: '@given'
      family_name: 'family.#'
      company: 'family.@of'
      emails[0].value: 'mail[0].x'
      emails[0].type: =work
      emails[1].value: 'mail[1].x'
      emails[1].type: =home
"#;

#[test]
fn any_xml_is_a_record_that_reads_back_or_a_fault() {
    let mut found = Diagnostics::default();
    let node = tree::parse(&"notes.yaml".into(), NOTES).unwrap();
    let system = mapping::System::load(&"notes".into(), &node, &[], &shared_schema(), &mut found).unwrap();
    let notes = system.entity("Customer").unwrap();
    let all = notes.entity().all();
    let everything = schema::Filter::everything();
    let listing = notes.list(&all, &everything, &[], None, 10).unwrap();
    let answer = |body: &[u8]| mapping::NativeAnswer {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(body),
        received: None,
        over: None,
    };
    let mut read = 0_u32;
    let seen = std::cell::RefCell::new(&mut read);
    drive("xml", 1, |bytes| {
        if let Ok(page) = notes.inward_list(&listing, &answer(bytes), &all) {
            assert!(std::str::from_utf8(bytes).is_ok() && page.rows.len() <= bytes.len());
        }
        let Ok(inward) = notes.inward(&answer(bytes), &all) else { return };
        **seen.borrow_mut() += 1;
        // What was read can be sent, and reads back as the same.
        let Ok(request) = notes.create(&inward.record) else { return };
        let sent = String::from_utf8(request.body.to_vec()).unwrap();
        let back = match sent.contains("</note>") {
            true => sent.replacen("</note>", &format!("<id>{}</id></note>", escaped(&inward.id)), 1),
            false => sent.replacen("/></a>", &format!("><id>{}</id></note></a>", escaped(&inward.id)), 1),
        };
        let again = notes.inward(&answer(back.as_bytes()), &all).unwrap();
        assert_eq!(told(notes, &again.record), told(notes, &inward.record), "{back}");
    });
    assert!(read > 100, "only {read} of the rounds were read at all");
}

fn escaped(text: &str) -> String {
    text.chars().map(|c| format!("&#{};", u32::from(c))).collect()
}

/// The fields of a record that hold something.
fn told(mapping: &mapping::Mapping, record: &schema::Record) -> serde_json::Value {
    let mut out = Vec::new();
    json::write(mapping.entity(), record, None, &mut out);
    let mut told: serde_json::Value = serde_json::from_slice(&out).unwrap();
    told.as_object_mut().unwrap().retain(|_, value| !value.is_null() && *value != serde_json::json!([]));
    told
}
