//! What `policy check` finds, in the forms that code review tools read.

use std::path::Path;

use clap::ValueEnum;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use crate::{
    config::Report,
    words::{Diagnostic, Severity},
};

/// What stays as it is in the path of a URI.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person
    Text,
    /// For a program
    Json,
    /// Annotations of GitHub's workflows
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// A line a mistake, which GitHub shows at its place in a pull request.
pub(super) fn github(report: &Report, policies: &Path) -> String {
    let line = |one: &Diagnostic| {
        let level = level(one);
        let (file, place) = (property(&path(policies, one)), &one.place);
        let text = data(&told(one));
        format!("::{level} file={file},line={},col={}::{text}", place.line, place.column)
    };
    report.found().0.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One run of SARIF (OASIS, 2.1.0).
pub(super) fn sarif(report: &Report, policies: &Path) -> Json {
    let result = |one: &Diagnostic| {
        let uri = utf8_percent_encode(&path(policies, one), IN_PATH).to_string();
        let region = json!({ "startLine": one.place.line, "startColumn": one.place.column });
        let location = json!({ "artifactLocation": { "uri": uri }, "region": region });
        json!({
            "ruleId": level(one), "level": level(one), "message": { "text": told(one) },
            "locations": [{ "physicalLocation": location }],
        })
    };
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    let driver = json!({
        "name": "bramka", "version": env!("CARGO_PKG_VERSION"),
        "rules": [rule("error", "The policies do not serve"), rule("warning", "The policies serve; somebody should look")],
    });
    let results: Vec<Json> = report.found().0.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    })
}

fn level(one: &Diagnostic) -> &'static str {
    match one.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn told(one: &Diagnostic) -> String {
    match &one.help {
        Some(help) => format!("{}\n{help}", one.message),
        None => one.message.clone(),
    }
}

/// The file as whoever checks names it: with the folder of the policies before it, by `/`.
fn path(policies: &Path, one: &Diagnostic) -> String {
    let folder = policies.to_string_lossy().replace('\\', "/");
    let folder = folder.trim_start_matches("./").trim_end_matches('/');
    if folder.is_empty() || folder == "." {
        one.place.file.to_string()
    } else {
        format!("{folder}/{}", one.place.file)
    }
}

/// A text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value among the properties of one.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
