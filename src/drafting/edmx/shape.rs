//! How each version of OData is told in a system's file.

use super::{
    csdl::Version,
    fields::{Described, KeyPart},
};
use crate::drafting::{
    matching::{Line, list_of},
    text::{Odata, path, quoted},
};

/// The word that the grammar has for OData 2. Until it has one of its own, a draft spells out rows and links, reads no
/// single record, and leaves out moments: this is the one line to change (to `odata2`).
const ODATA2: &str = "odata2";

/// What the versions differ in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    /// The file's word.
    speaks: &'static str,
    /// Where rows stand, where the word does not say so.
    rows: Option<&'static str>,
    /// Where the address of the next page stands.
    link: &'static str,
    /// Whether the size of a page is asked for by a preference.
    prefers: bool,
    /// Where a record's version stands.
    version: &'static str,
    /// Where a refusal's text stands.
    error: &'static str,
    /// The step between an expanded name and its records.
    pub(super) list_step: Option<&'static str>,
    /// Whether decimals and long numbers travel as text.
    pub(super) decimals_as_text: bool,
    /// Why moments are read by no line; empty where they are.
    pub(super) no_moments: &'static str,
    /// Whether what is read is asked for by name: `$select` and `$expand`.
    selects: bool,
    /// How one record is read by a key of text, of digits and of a GUID.
    read: [Option<&'static str>; 3],
}

impl Spoken {
    pub(super) fn of(version: Version) -> Self {
        match version {
            Version::Two => Self::two(ODATA2),
            Version::Three => Self {
                speaks: "json",
                rows: Some("value"),
                link: r"'odata\.nextLink'",
                prefers: false,
                version: r"'odata\.etag'",
                error: r"'odata\.error.message.value'",
                list_step: None,
                decimals_as_text: true,
                no_moments: "",
                selects: false,
                // A text in quotes is no word of this grammar: such a record is not read by its key.
                read: [None, Some(r#"{ get: "({key})" }"#), Some(r#"{ get: "(guid'{key}')" }"#)],
            },
            Version::Four => Self {
                speaks: "odata4",
                rows: None,
                link: r"'@odata\.nextLink'",
                prefers: true,
                version: r"'@odata\.etag'",
                error: "error.message",
                list_step: None,
                decimals_as_text: false,
                no_moments: "",
                selects: true,
                read: [Some("{}"); 3],
            },
        }
    }

    fn two(speaks: &'static str) -> Self {
        let is_known = speaks != "json";
        Self {
            speaks,
            rows: (!is_known).then_some("d.results"),
            link: "d.__next",
            prefers: false,
            version: "__metadata.etag",
            error: "error.message.value",
            list_step: Some("results"),
            decimals_as_text: true,
            no_moments: if is_known { "" } else { "stands as /Date(…)/, which no line reads yet" },
            selects: is_known,
            // One record stands under `d`, rows do not: without a word for that only lists are read.
            read: if is_known { [Some("{}"); 3] } else { [None; 3] },
        }
    }

    /// The lines of a file that are OData's own.
    pub(super) fn written(self, described: &Described, lines: &[Line<'_>]) -> Odata {
        let mut entity = Vec::new();
        let key = key_lines(described, &mut entity);
        let version = format!("version: {{ at: {}, send: If-Match }}", self.version);
        match described.versioned {
            true => entity.push(version),
            false => entity.push(format!("# {version} # ? where its answers hold one")),
        }
        let (inline, expanded) = lists_of(described, lines);
        let mut query = String::new();
        if !expanded.is_empty() && (!self.selects || inline) {
            query = format!("query: {{ $expand: {} }}", quoted(&expanded.join(",")));
        }
        if inline && self.selects {
            entity
                .push("select: never # its lists are part of the record, and not to be expanded".to_owned());
        }
        let rows = self.rows.map(|rows| format!("rows: {rows}"));
        let prefer = if self.prefers { ", prefer: odata.maxpagesize" } else { "" };
        let page = format!("page: {{ link: {}{prefer} }}", self.link);
        let list: Vec<String> =
            rows.into_iter().chain((!query.is_empty()).then(|| query.clone())).chain([page]).collect();
        entity.push(format!("list: {{ {} }} # ? how it pages", list.join(", ")));
        entity.push(match (key, self.reads(described)) {
            (Key::Whole, Some(read)) => format!("read: {}", with(read, &query)),
            // Only where OData itself is spoken do addresses name the parts.
            (Key::Parted, Some(_)) if self.speaks != "json" => format!("read: {}", with("{}", &query)),
            (Key::Whole | Key::Parted, _) => {
                "# read: by a key that is no word of this grammar yet".to_owned()
            }
            (Key::Unsure, _) => "# read: ? by its key, once that is sure".to_owned(),
        });
        let errors = format!("errors: [ {{ is: unknown, text: {} }} ] # ? what its codes mean", self.error);
        Odata {
            head: vec![format!("speaks: {}", self.speaks), errors],
            entity,
            keys: described.key.iter().map(|part| vec![part.name.clone()]).collect(),
        }
    }

    fn reads(self, described: &Described) -> Option<&'static str> {
        let [text, digits, guid] = self.read;
        match described.key.last()?.form? {
            "digits" => digits,
            "guid" => guid,
            _ => text,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// It is sure, of one part.
    Whole,
    /// It is sure, of several.
    Parted,
    /// A guess.
    Unsure,
}

/// Most parts of a key that a file can say.
const PARTS_MAX: usize = 16;

fn is_twice(parts: &[String]) -> bool {
    parts.iter().enumerate().any(|(n, part)| parts.iter().take(n).any(|other| other == part))
}

fn key_lines(described: &Described, entity: &mut Vec<String>) -> Key {
    let is_named = described.key.iter().all(|part| !part.name.is_empty());
    let part = |part: &KeyPart| {
        let at = path(std::slice::from_ref(&part.name));
        match part.form {
            Some(form @ ("digits" | "guid")) => format!("{{ at: {at}, form: {form} }}"),
            _ => at,
        }
    };
    let parts: Vec<String> = described.key.iter().map(part).collect();
    let (line, sure) = match parts.as_slice() {
        [] => ("id # ? what names a record".to_owned(), Key::Unsure),
        several if !is_named || several.len() > PARTS_MAX || is_twice(several) => {
            ("id # ? what names a record".to_owned(), Key::Unsure)
        }
        [one] => (one.clone(), Key::Whole),
        several => (format!("[{}]", several.join(", ")), Key::Parted),
    };
    let is_known = described.key.iter().all(|part| part.form.is_some());
    let mark = if sure == Key::Unsure || is_known { "" } else { " # ? a key of this type" };
    entity.push(format!("key: {line}{mark}"));
    if is_known { sure } else { Key::Unsure }
}

/// Whether a list that is read is part of the record, and what has to be expanded for the others.
fn lists_of(described: &Described, lines: &[Line<'_>]) -> (bool, Vec<String>) {
    let read = lines.iter().filter_map(|line| list_of(line.native));
    let (mut inline, mut expanded) = (false, Vec::new());
    for read in read {
        let known = described.lists.iter().find(|(path, _)| path == read);
        match known {
            Some((_, true)) => inline = true,
            Some((path, false)) => {
                expanded.extend(path.first().cloned().filter(|name| !expanded.contains(name)));
            }
            None => {}
        }
    }
    (inline, expanded)
}

/// A call with a query of its own.
fn with(call: &str, query: &str) -> String {
    if query.is_empty() {
        return call.to_owned();
    }
    match call.strip_suffix(" }") {
        Some(call) => format!("{call}, {query} }}"),
        None => format!("{{ {query} }}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drafting::{described_edmx, natives::Natives};

    /// Once the grammar has a word for OData 2, a draft says that word and nothing that goes without saying.
    #[test]
    fn a_word_for_odata_2_is_all_that_has_to_change() {
        let two = r#"<Edmx Version="1.0"><DataServices><Schema Namespace="S">
          <EntityType Name="T"><Key><PropertyRef Name="Code"/></Key><Property Name="Code" Type="Edm.String"/></EntityType>
          <EntityContainer Name="C"><EntitySet Name="Orders" EntityType="S.T"/></EntityContainer></Schema></DataServices></Edmx>"#;
        let described = described_edmx(two.as_bytes(), "Order", None).unwrap();
        assert_eq!((described.version, Natives::iter(&described.natives).count()), (Version::Two, 1));
        let written = |word| Spoken::two(word).written(&described, &[]);
        let lines = |word| [written(word).head, written(word).entity].concat();
        let version = "# version: { at: __metadata.etag, send: If-Match } # ? where its answers hold one";
        let errors = "errors: [ { is: unknown, text: error.message.value } ] # ? what its codes mean";
        let list = "list: { page: { link: d.__next } } # ? how it pages";
        assert_eq!(lines("odata2"), ["speaks: odata2", errors, "key: Code", version, list, "read: {}"]);
        assert_eq!(Spoken::two("odata2").no_moments, "");
        let rows = "list: { rows: d.results, page: { link: d.__next } } # ? how it pages";
        let read = "# read: by a key that is no word of this grammar yet";
        assert_eq!(lines("json"), ["speaks: json", errors, "key: Code", version, rows, read]);
    }
}
