//! The law: each mapping is run there and back, on its own samples and on what its tables say.
//!
//! A sample is a pair of documents in the system's file: a native answer and the record it reads as, or a
//! record (or a change of one) and the native body it is sent as.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};

use super::{
    codec::{Got, Tabled},
    errors::{FaultKind, Is},
    inward::{Inward, RowFault},
    load::{System, written},
    model::{Line, Mapping, Source},
    native::{NativeAnswer, NativeRequest},
    outward::MappingFault,
    parts::PartVersions,
    scan::Raw,
    sets::Moment,
    xml,
};
use crate::{
    catalog::Action,
    schema::{self, Body, FieldSet, Record, View},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// A pair of documents, each JSON text.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    place: Place,
    /// What the answer was asked for by.
    key: Option<String>,
    /// The parent that it was asked for.
    over: Option<String>,
    answer: Option<String>,
    reads: Option<String>,
    create: Option<String>,
    from: Option<String>,
    update: Option<String>,
    sends: Option<String>,
    /// What the answer means, its status, and the key of the record that is there already.
    is: Option<Is>,
    status: Option<u16>,
    existing: Option<String>,
}

impl Sample {
    /// The same, where settings that stand in what is sent are put in, as they are in a body.
    pub(super) fn with<'s>(mut self, settings: impl IntoIterator<Item = (&'s String, &'s String)>) -> Self {
        for (name, value) in settings {
            let (name, value) = (format!("\"$settings.{name}\""), Json::from(value.as_str()).to_string());
            self.sends = self.sends.map(|sends| sends.replace(&name, &value));
        }
        self
    }
}

impl FromYaml for Sample {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let mut text = |key| keys.take(key).and_then(|node| String::read(node, found));
        let sample = Self {
            place: node.place.clone(),
            key: text("key"),
            over: text("over"),
            answer: text("answer"),
            reads: text("reads"),
            create: text("create"),
            from: text("from"),
            update: text("update"),
            sends: text("sends"),
            existing: text("existing"),
            is: keys.take("is").and_then(|node| Is::read(node, found)),
            status: keys.take("status").and_then(|node| u16::read(node, found)),
        };
        keys.finish(found);
        Some(sample)
    }

    fn schema() -> Json {
        json!({ "type": "object" })
    }
}

impl System {
    /// Runs every mapping there and back; what does not hold is told at its place.
    pub fn check(&self) -> Diagnostics {
        let mut found = Diagnostics::default();
        for table in self.live() {
            table.check(&mut found);
        }
        let mut mappings: Vec<_> = self.mappings().collect();
        mappings.sort_by_key(|mapping| mapping.name().clone());
        for mapping in mappings {
            mapping.check_tables(&mut found);
            for sample in &mapping.samples {
                if let Err(why) = mapping.check_sample(sample) {
                    found.push(Diagnostic::error(
                        &sample.place,
                        format!("sample of `{}` does not hold: {why}", mapping.name()),
                    ));
                }
            }
        }
        // ORDER: last. Nobody is served by a sample.
        for table in self.live() {
            table.rest();
        }
        found
    }
}

impl Mapping {
    /// Every value a table can write reads back as itself.
    fn check_tables(&self, found: &mut Diagnostics) {
        let place = self.samples.first().map_or_else(|| Place::file("systems"), |s| s.place.clone());
        self.root.lines(false, &mut |line, _| {
            let Source::Native(native) = &line.source else { return };
            let Some(table) = native.codec.table.as_ref().and_then(Tabled::now) else { return };
            if !(native.create || native.update) {
                return;
            }
            for (_, value) in &table.rows {
                if table.one_way.contains(value) {
                    continue;
                }
                let back = table.back(value).map(Raw::Text);
                if back.map(|raw| native.codec.read(raw)) != Some(Got::Is(value.clone())) {
                    let text = format!("`{}` of {} does not read back", written(value), self.path(line));
                    found.error(&place, text);
                }
            }
        });
    }

    fn path(&self, line: &Line) -> String {
        self.entity.leaf(line.leaf).map_or_else(String::new, |leaf| format!("`{}`", leaf.path))
    }

    fn check_sample(&self, sample: &Sample) -> Result<(), String> {
        if let Some(is) = sample.is {
            return self.check_meaning(sample, is);
        }
        if sample.status.is_some() || sample.existing.is_some() {
            return Err("`status` and `existing` stand beside `is`".into());
        }
        let is_list = |reads: &String| reads.trim_start().starts_with('[');
        if let (Some(answer), Some(reads)) =
            (&sample.answer, sample.reads.as_ref().filter(|text| is_list(text)))
        {
            self.check_list(sample, answer, reads)?;
        } else if let Some(answer) = &sample.answer {
            let record = self.check_answer(sample, answer, sample.reads.as_deref())?;
            self.check_nothing_changes(&record)?;
        }
        let (request, parts) = match (&sample.create, &sample.from, &sample.update) {
            (Some(create), None, None) => {
                let made = self.creation_at(&self.record(create)?, None, Moment::of_samples());
                let made = made.map_err(|faults| told(&faults))?;
                let part = |draft| self.part(draft, &self.key.sample(), &PartVersions::default());
                let parts: Result<Vec<_>, _> = made.parts.into_iter().map(part).collect();
                (Some(made.record), parts.map_err(|fault| told(&[fault]))?)
            }
            (None, None, Some(change)) if self.merges() => (self.changed_whole(sample, change)?, Vec::new()),
            (None, Some(_), Some(_)) if self.merges() => {
                return Err("a record is sent back whole: show it as `answer`, in the place of `from`".into());
            }
            (None, Some(from), Some(to)) => {
                let (from, to) = (self.record(from)?, self.record(to)?);
                let version = "W/\"sample\"";
                let by = self.update.as_ref().and_then(|call| call.by.as_ref());
                let called = by.map(|by| by.sample().into());
                let versions = (Some(version), &PartVersions::sample(version, called));
                let at = (&FieldSet::EMPTY, None);
                let changes =
                    self.changes_at(&self.key.sample(), (&from, &to), versions, at, Moment::of_samples());
                let changes = changes.map_err(|faults| told(&faults))?;
                (changes.record, changes.parts)
            }
            (None, None, None) => return Ok(()),
            _ => return Err("it has `create`, or `from` and `update`".into()),
        };
        let sent = match parts.is_empty() {
            true => request.as_ref().map_or(Ok(Json::Null), |request| self.sent(request))?,
            false => {
                let all = request.iter().chain(parts.iter().map(|part| &part.request));
                Json::Array(all.map(|request| self.addressed(request)).collect::<Result<_, _>>()?)
            }
        };
        let want: Json = match &sample.sends {
            Some(sends) => self.document(sends.as_bytes()).map_err(|why| format!("`sends`: {why}"))?,
            None => return Err("`sends` is missing".into()),
        };
        same("sends", &sent, &want)?;
        match (&request, &sample.sends, &self.xml) {
            (Some(request), Some(sends), Some(record)) if record.is_ordered() => {
                xml::same_order(&request.body, sends.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// What a change of the record in an answer is sent as, where all of it is.
    fn changed_whole(&self, sample: &Sample, change: &str) -> Result<Option<NativeRequest>, String> {
        let answer =
            answer_of(sample.answer.as_ref().ok_or("`answer` is missing: the record that is changed")?);
        let key = sample.key.clone().unwrap_or_else(|| self.key.sample());
        let stored = self.inward_of(&key, &answer, &self.entity.all()).map_err(|fault| fault.to_string())?;
        let view = View { writable: self.entity.all(), ..View::of(&self.entity, Body::Patch) };
        let change = schema::json::read(&self.entity, change.as_bytes(), &view);
        let change =
            change.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let new = schema::merge(&self.entity, &stored.record, &change, &view);
        let versions = self.part_versions(&answer).map_err(|fault| fault.to_string())?;
        let versions = (stored.version.as_deref(), &versions);
        let (records, at) = ((&stored.record, &new), (&FieldSet::EMPTY, None));
        let changes = self.changes_at(&stored.id, records, versions, at, Moment::of_samples());
        changes.map(|changes| changes.record).map_err(|faults| told(&faults))
    }

    /// The answer means what is said, by the file's errors and its status.
    fn check_meaning(&self, sample: &Sample, is: Is) -> Result<(), String> {
        let pairs = [&sample.reads, &sample.create, &sample.from, &sample.update, &sample.sends];
        if pairs.iter().any(|text| text.is_some()) {
            return Err("`is` stands beside `answer` and `status`, and no other document".into());
        }
        let body = sample.answer.as_ref().ok_or("`answer` is missing")?;
        let status = StatusCode::from_u16(sample.status.unwrap_or(200)).map_err(|_| "`status` is none")?;
        let meant = self.refuse_errors(&NativeAnswer { status, ..answer_of(body) });
        let told = meant.as_ref().map_or_else(|fault| fault.kind.word(), |()| Is::Success.as_str());
        if told != is.as_str() {
            return Err(format!("it is `{told}`, not `{}`", is.as_str()));
        }
        let existing = match &meant {
            Err(fault) => match &fault.kind {
                FaultKind::Duplicate { existing } => existing.as_deref(),
                _ => None,
            },
            Ok(()) => None,
        };
        match &sample.existing {
            Some(want) if existing != Some(want) => {
                let got = existing.map_or_else(|| "not told".to_owned(), |key| format!("`{key}`"));
                Err(format!("`existing` is {got}, not `{want}`"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The answer reads as said, and what is wanted of it does not depend on the rest.
    fn check_answer(&self, sample: &Sample, answer: &str, reads: Option<&str>) -> Result<Record, String> {
        let key = sample.key.clone().unwrap_or_else(|| self.key.sample());
        let over = sample.over.as_deref().map(|over| self.sample_parent(Some(over))).transpose()?.flatten();
        let answer = NativeAnswer { over, ..answer_of(answer) };
        let inward = self.inward_of(&key, &answer, &self.entity.all()).map_err(|fault| fault.to_string())?;
        self.no_finding(&inward)?;
        let got = self.shown(&inward.record)?;
        if let Some(reads) = reads {
            let want = serde_json::from_str(reads).map_err(|e| format!("`reads` is no JSON: {e}"))?;
            same("reads", &got, &want)?;
        }
        Ok(inward.record)
    }

    /// The records of a list's answer read as said.
    fn check_list(&self, sample: &Sample, answer: &str, reads: &str) -> Result<(), String> {
        let listing = self.listing_of_answer(u32::MAX).map_err(|why| why.to_string())?;
        let over = self.sample_parent(sample.over.as_deref())?;
        let answer = NativeAnswer { over, ..answer_of(answer) };
        // What follows the page, a header field may say; a sample is a body.
        let (_, _, rows) =
            self.listed(&listing, &answer, &self.entity.all()).map_err(|fault| fault.to_string())?;
        let mut records = Vec::new();
        for row in rows.records {
            let inward = match row {
                Err(RowFault::Other) => continue,
                row => row.map_err(|fault| fault.to_string())?,
            };
            self.no_finding(&inward)?;
            records.push(self.shown(&inward.record)?);
        }
        let want = serde_json::from_str(reads).map_err(|e| format!("`reads` is no JSON: {e}"))?;
        same("reads", &Json::Array(records), &want)
    }

    fn no_finding(&self, inward: &Inward) -> Result<(), String> {
        let Some(finding) = inward.findings.first() else { return Ok(()) };
        let path = self.entity.leaf(finding.leaf).map_or("", |leaf| leaf.path.as_str());
        Err(format!("`{path}`: {}", finding.what))
    }

    fn shown(&self, record: &Record) -> Result<Json, String> {
        let mut out = Vec::new();
        schema::json::write(&self.entity, record, None, &mut out);
        serde_json::from_slice(&out).map_err(|e| e.to_string())
    }

    /// Law 2: a record written as it was read sends nothing.
    fn check_nothing_changes(&self, record: &Record) -> Result<(), String> {
        if !self.can(Action::Update) {
            return Ok(());
        }
        match self.update(&self.key.sample(), record, record, Some("W/\"sample\"")) {
            Ok(None) => Ok(()),
            Ok(Some(request)) => Err(format!("writing it unchanged sends {}", shown(&self.sent(&request)?))),
            Err(faults) => Err(format!("writing it unchanged is refused: {}", told(&faults))),
        }
    }

    fn sent(&self, request: &NativeRequest) -> Result<Json, String> {
        self.document(&request.body)
    }

    /// A request of several: its body under its method and address.
    fn addressed(&self, request: &NativeRequest) -> Result<Json, String> {
        let body = if request.body.is_empty() { Json::Null } else { self.sent(request)? };
        let target = percent_encoding::percent_decode_str(&request.target).decode_utf8_lossy();
        Ok(json!({ format!("{} {target}", request.method): body }))
    }

    /// A body as a tree; nothing as null.
    pub(super) fn document(&self, body: &[u8]) -> Result<Json, String> {
        match self.words.xml {
            Some(_) if body.trim_ascii().is_empty() => Ok(Json::Null),
            Some(_) => xml::tree(body.trim_ascii()).map_err(|why| why.to_string()),
            None => serde_json::from_slice(body).map_err(|why| format!("it is no JSON: {why}")),
        }
    }

    fn record(&self, text: &str) -> Result<Record, String> {
        let view = View {
            writable: self.entity.all(),
            required: FieldSet::EMPTY,
            ..View::of(&self.entity, Body::Create)
        };
        schema::json::read(&self.entity, text.as_bytes(), &view)
            .map(|proposed| proposed.record)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// A body as a system answers it.
pub(super) fn answer_of(body: &str) -> NativeAnswer {
    NativeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received: None,
        over: None,
    }
}

fn told(faults: &[MappingFault]) -> String {
    faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect::<Vec<_>>().join("; ")
}

/// Says where two documents part.
fn same(what: &str, got: &Json, want: &Json) -> Result<(), String> {
    let mut at = BTreeSet::new();
    differ(String::new(), got, want, &mut at);
    match at.first() {
        None => Ok(()),
        Some(pointer) => {
            let of = |json: &Json| json.pointer(pointer).map_or_else(|| "nothing".to_owned(), shown);
            Err(format!("`{what}` differs at `{pointer}`: it is {}, not {}", of(got), of(want)))
        }
    }
}

fn differ(at: String, got: &Json, want: &Json, out: &mut BTreeSet<String>) {
    match (got, want) {
        (Json::Object(a), Json::Object(b)) => {
            for key in a.keys().chain(b.keys()) {
                let nothing = &Json::Null;
                let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differ(pointer, a, b, out),
                    (a, b) if a.unwrap_or(nothing) == b.unwrap_or(nothing) && a.is_some() == b.is_some() => {}
                    _ => {
                        out.insert(pointer);
                    }
                }
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(format!("{at}/{index}"), a, b, out);
            }
        }
        (got, want) if got != want => {
            out.insert(at);
        }
        _ => {}
    }
}

fn shown(json: &Json) -> String {
    let text = json.to_string();
    text.chars().take(200).collect()
}
