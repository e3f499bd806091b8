//! House rules, with nothing but `std`: who may import whom, every file says what it is, functions stay short,
//! and what the docs name exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms in the order of the journey, each with the rooms it may use. Nothing else may be imported, so
/// there is no cycle as long as every name stands after the names it uses (which a test checks).
const MAY_USE: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("clock", &[]),
    ("body", &[]),
    ("schema", &["words"]),
    ("catalog", &["words", "schema"]),
    ("identity", &["words", "clock"]),
    ("policy", &["words", "clock", "schema", "catalog", "identity"]),
    ("quota", &["words", "clock", "identity", "policy", "catalog"]),
    ("audit", &["words", "clock", "schema", "catalog", "identity", "policy", "quota"]),
    ("mapping", &["words", "clock", "schema", "catalog"]),
    ("quality", &["words", "schema", "mapping"]),
    ("odata", &["words", "schema"]),
    ("wire", &["words", "body", "clock"]),
    ("upstream", &["words", "body", "clock", "catalog", "audit", "mapping", "wire"]),
    ("intake", &["words", "body", "clock"]),
    ("door", &["words", "body", "clock", "intake"]),
    ("store", &["words", "clock"]),
    ("sinks", &["words", "clock", "body", "audit", "wire", "store"]),
    ("idempotency", &["words", "identity", "store"]),
    ("crosswalk", &["words", "store"]),
    ("keys", &["words", "clock", "identity"]),
    ("tokens", &["words", "clock", "identity", "store"]),
    ("telemetry", &["words"]),
    (
        "config",
        &[
            "words",
            "clock",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "mapping",
            "wire",
            "upstream",
            "intake",
            "door",
            "keys",
            "tokens",
            "store",
            "sinks",
            "crosswalk",
        ],
    ),
    (
        "refusal",
        &[
            "words",
            "body",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "mapping",
            "upstream",
            "intake",
            "idempotency",
            "crosswalk",
            "odata",
        ],
    ),
    ("answer", &["words", "body", "schema", "catalog", "odata", "policy", "quota", "refusal"]),
    ("claims", &["words", "schema", "catalog", "identity", "policy", "quota", "door", "config"]),
    (
        "replay",
        &[
            "words",
            "clock",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "upstream",
            "crosswalk",
            "config",
        ],
    ),
    (
        "explaining",
        &[
            "words",
            "clock",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "mapping",
            "store",
            "crosswalk",
            "config",
            "replay",
        ],
    ),
    (
        "gateway",
        &[
            "words",
            "clock",
            "body",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "mapping",
            "quality",
            "odata",
            "wire",
            "upstream",
            "intake",
            "door",
            "keys",
            "tokens",
            "store",
            "sinks",
            "idempotency",
            "crosswalk",
            "telemetry",
            "config",
            "claims",
            "replay",
            "refusal",
            "answer",
        ],
    ),
    (
        "admin",
        &[
            "words",
            "clock",
            "body",
            "schema",
            "catalog",
            "identity",
            "policy",
            "audit",
            "mapping",
            "upstream",
            "intake",
            "door",
            "tokens",
            "store",
            "sinks",
            "telemetry",
            "crosswalk",
            "config",
            "replay",
            "explaining",
            "gateway",
        ],
    ),
    ("certs", &["words", "clock"]),
    ("demo", &["words", "clock"]),
    ("drafting", &["words", "schema", "mapping"]),
    (
        "cli",
        &[
            "words",
            "clock",
            "schema",
            "catalog",
            "identity",
            "policy",
            "quota",
            "audit",
            "mapping",
            "quality",
            "upstream",
            "door",
            "tokens",
            "store",
            "sinks",
            "crosswalk",
            "config",
            "gateway",
            "admin",
            "certs",
            "demo",
            "drafting",
            "claims",
            "replay",
            "explaining",
            "telemetry",
            "wire",
            "keys",
            "intake",
        ],
    ),
];

/// Longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// The room a file belongs to: `src/door/tls.rs` and `src/door.rs` are both `door`.
fn room(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without its tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Names right after `crate::`, or inside the braces after it.
fn imports(code: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ if depth > 0 => {}
                    ',' => {
                        out.insert(name.split("::").next().unwrap().trim().to_owned());
                        name.clear();
                    }
                    c => name.push(c),
                }
            }
            out.insert(name.split("::").next().unwrap().trim().to_owned());
        } else {
            out.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    out.remove("");
    // Our own macros stand at the root.
    out.remove("yaml_object");
    out.remove("yaml_words");
    out
}

#[test]
fn rooms_import_one_way() {
    let mut known = BTreeSet::new();
    for (name, uses) in MAY_USE {
        for used in *uses {
            assert!(known.contains(used), "`{name}` may use `{used}`, which stands after it");
        }
        known.insert(*name);
    }
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in files(&root().join("src"), ".rs") {
        let room = room(&file);
        if room == "lib"
            || room == "main"
            || file.ends_with("tests.rs")
            || file.to_string_lossy().contains("/tests/")
        {
            continue;
        }
        let allowed =
            table.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` does not stand in the table"));
        for used in imports(&code(&fs::read_to_string(&file).unwrap())) {
            if used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{room}` uses `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for folder in ["src", "tests", "benches"] {
        for file in files(&root().join(folder), ".rs") {
            if file.to_string_lossy().contains("/compile/") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with `//! `", file.display());
        }
    }
}

#[test]
fn functions_stay_short_enough_to_read() {
    let mut long = Vec::new();
    for file in files(&root().join("src"), ".rs") {
        let text = fs::read_to_string(&file).unwrap();
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            // `pub(super) async fn`: what stands before `fn` is visibility and modifiers only.
            let is_fn = head.split_once("fn ").is_some_and(|(before, _)| {
                let word =
                    |word: &str| word.starts_with("pub") || ["async", "const", "unsafe"].contains(&word);
                before.split_whitespace().all(word) && !line.trim_end().ends_with(';')
            });
            match &open {
                None if is_fn => open = Some((number, indent, line.trim().to_owned())),
                Some((start, depth, name))
                    if line.trim_end() == "}" && indent == *depth
                        || line == format!("{}}}", " ".repeat(*depth)) =>
                {
                    if number - start > FUNCTION_LINES_MAX {
                        long.push(format!("{}: {} lines: {name}", file.display(), number - start));
                    }
                    open = None;
                }
                _ => {}
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// What a system does is said in its file, and the code knows none by name.
#[test]
fn no_system_is_named_in_the_code() {
    const NAMES: &[&str] = &[
        "hubspot",
        "salesforce",
        "dataverse",
        "business central",
        "s/4hana",
        "tryton",
        "openboxes",
        "shopify",
        "woocommerce",
        "prestashop",
        "magento",
        "fakturownia",
        "wfirma",
        "quickbooks",
        "xero",
        "ksef",
        "mailchimp",
        "getresponse",
        "google",
    ];
    for file in files(&root().join("src"), ".rs") {
        let path = file.display().to_string();
        if path.contains("src/demo") || path.contains("/tests/") || path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_lowercase();
        for name in NAMES {
            assert!(!text.contains(name), "{path} names `{name}`");
        }
    }
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    for folder in ["src", "tests", "benches"] {
        for file in files(&root().join(folder), ".rs") {
            if file.ends_with("tidy.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "dbg!(", "#[ignore", "#[allow("] {
                assert!(!text.contains(word), "{} contains `{word}`", file.display());
            }
        }
    }
}

#[test]
fn paths_named_in_the_docs_exist() {
    let mut docs = files(&root().join("docs"), ".md");
    docs.push(root().join("README.md"));
    for file in docs {
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap().split('#').next().unwrap();
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let target = file.parent().unwrap().join(link);
            assert!(target.exists(), "{} links to `{link}`, which is not there", file.display());
        }
    }
}

#[test]
fn failures_and_threats_name_tests_that_exist() {
    let mut tests = String::new();
    for folder in ["src", "tests"] {
        for file in files(&root().join(folder), ".rs") {
            tests.push_str(&fs::read_to_string(file).unwrap());
        }
    }
    for name in ["known-failures.md", "owasp.md", "threat-model.md"] {
        let file = root().join("docs").join(name);
        let text = fs::read_to_string(&file).unwrap();
        let mut named = 0;
        for part in text.split("`test:").skip(1) {
            let test = part.split('`').next().unwrap().trim();
            assert!(tests.contains(&format!("fn {test}(")), "{name} names `{test}`, which is no test");
            named += 1;
        }
        assert!(named > 0, "{name} names no test");
    }
}
