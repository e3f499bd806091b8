//! The file that is proposed: YAML with a word on every line that is not sure.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    matching::{Line, NAIVE_SPACE, Sure, list_of, untold},
    natives::{Native, Natives, Next, Outcome, PLACES, Rpc},
    stands::Stands,
};
use crate::schema::{Entity, LeafKind};

/// What no address may hold.
const ADDRESS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'%');

/// What a draft is made from.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The system's name.
    pub system: &'a str,
    /// The entity.
    pub entity: &'a Entity,
    /// Its address, where it is known.
    pub base: Option<&'a str>,
    /// Where its records are, under the address.
    pub at: Option<&'a str>,
    /// Where they stand in answers, as far as that is known.
    pub places: Places,
    /// All native fields.
    pub natives: &'a Natives,
    /// The proposed lines.
    pub lines: &'a [Line<'a>],
    /// What is OData's own, where a `$metadata` told it: key and list stand there.
    pub odata: Option<Odata>,
}

/// Where records stand in answers, as the names that lead there; none where no sample shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The one record of an answer.
    pub record: Option<Vec<String>>,
    /// The list of a page.
    pub list: Option<Vec<String>>,
}

impl Places {
    /// Adds what a sample shows; what an earlier one showed stays.
    pub fn add(&mut self, stands: Stands) {
        match stands {
            Stands::Record(path) => self.record.get_or_insert(path),
            Stands::List(path) => self.list.get_or_insert(path),
        };
    }

    /// The elements around one record of a document, and whether that is a guess.
    fn wrap(&self) -> Option<(Vec<String>, bool)> {
        let of_list = |list: &Vec<String>| match list.as_slice() {
            [root, .., own] => vec![root.clone(), own.clone()],
            list => list.to_vec(),
        };
        let told = self.record.clone().map(|record| (record, false));
        told.or_else(|| self.list.as_ref().map(|list| (of_list(list), true)))
    }
}

/// The lines of a draft that a `$metadata` decides.
#[derive(Debug)]
pub struct Odata {
    /// Of the file.
    pub head: Vec<String>,
    /// Of the entity: how a record is named, listed and read.
    pub entity: Vec<String>,
    /// The paths of what names a record.
    pub keys: Vec<Vec<String>>,
}

/// A draft, and where in it each proposed line stands: numbered from 1.
#[derive(Debug)]
pub struct Drafted {
    /// The text.
    pub text: String,
    /// The numbers of the lines that may be taken out.
    pub loose: Vec<usize>,
}

impl Draft<'_> {
    /// The file's text. `samples` are answers with what they read as, for its end.
    pub fn write(&self, samples: &[(String, String)]) -> Drafted {
        let mut out = Out::default();
        let unsure = self.lines.iter().filter(|line| line.sure == Sure::Unsure).count();
        out.line(&format!(
            "# Drafted. Of {} lines {unsure} are unsure: those say `?`. Look at every one: a mapping decides what a field is.",
            self.lines.len()
        ));
        out.line(&format!("system: {}", self.system));
        match self.base {
            Some(base) => out.line(&format!("base: {}", quoted(base))),
            None => out.line("base: https://example.com # ? where it answers"),
        }
        out.line("sign_in: none # ? bearer, basic, header, oauth2 …");
        self.odata.iter().flat_map(|odata| &odata.head).for_each(|line| out.line(line));
        if self.natives.is_xml {
            out.line("speaks: xml");
            out.line("absent: { any: [\"\"] } # ? what an element with nothing in it says");
        }
        self.means_nothing(&mut out);
        self.errors(&mut out);
        out.line("");
        out.line("entities:");
        out.line(&format!("  {}:", self.entity.name));
        match self.at {
            Some(at) => {
                out.line(&format!("    at: {}", quoted(&utf8_percent_encode(at, ADDRESS).to_string())))
            }
            None if self.natives.is_rpc() => out.line("    at: /jsonrpc # ? where calls go"),
            None => out.line(&format!("    at: /{} # ? where its records are", self.entity.collection)),
        }
        let keys = self.named(&mut out);
        out.line("    fields:");
        self.fields(&mut out);
        self.left(&keys, &mut out);
        if !samples.is_empty() {
            out.line("    samples:");
            for (answer, reads) in samples {
                out.line("      - answer: |");
                answer.lines().for_each(|line| out.line(&format!("          {line}")));
                out.line("        reads: |");
                reads.lines().for_each(|line| out.line(&format!("          {line}")));
            }
        }
        Drafted { text: out.text, loose: out.loose }
    }

    /// What is said once for all lines: the envelope, the zone, the spelling of nothing.
    fn means_nothing(&self, out: &mut Out) {
        if self.natives.is_rpc() {
            out.line("speaks: json # calls of JSON-RPC, in the body of each request");
        }
        if self.lines.iter().any(|line| line.how.iter().any(|how| how == NAIVE_SPACE)) {
            out.line("time_zone: UTC # ? in which its moments are told");
        }
        if self.lines.iter().any(|line| line.native.hollow) {
            out.line("absent: { any: [\"\", \"false\"] } # ? `false` where there is nothing");
        }
    }

    /// What an answer says of how it went, where the status does not.
    fn errors(&self, out: &mut Out) {
        if let Some(rpc) = self.natives.rpc {
            let words = match rpc {
                Rpc::Two => ", text: error.message, code: error.code",
                Rpc::One => "",
            };
            out.line("errors:");
            out.line(&format!(
                "  - {{ status: any, at: error, is: unknown{words} }} # ? one for each thing it means"
            ));
            return;
        }
        let Some(Outcome { flag, words }) = &self.natives.outcome else { return };
        let at = |name: &String| path(std::slice::from_ref(name));
        let words = match words {
            Some((name, true)) => format!(", faults: {{ each: {}, text: . }}", at(name)),
            Some((name, false)) => format!(", text: {}", at(name)),
            None => String::new(),
        };
        out.line("errors:");
        out.line(&format!(
            "  - {{ status: any, at: {}, equals: \"false\", is: invalid{words} }} # ? one for each thing it means",
            at(flag)
        ));
    }

    /// What no line reads; of a list of other records that none reads, only where it is.
    fn left(&self, keys: &[Vec<String>], out: &mut Out) {
        let is_read = |native: &Native| self.lines.iter().any(|line| std::ptr::eq(line.native, native));
        let is_list_read = |list: &[String]| {
            self.lines.iter().any(|line| list_of(line.native).is_some_and(|own| own == list))
        };
        let mut lists: Vec<&[String]> = Vec::new();
        let mut left: Vec<String> = Vec::new();
        let is_shell = |native: &Native| {
            let is_inside =
                |other: &Native| other.path.len() > native.path.len() && other.path.starts_with(&native.path);
            !native.text && !native.number && self.natives.iter().any(is_inside)
        };
        let all = self.natives.iter().filter(|native| !is_read(native) && !is_shell(native));
        for native in all.filter(|native| !keys.contains(&native.path)) {
            match list_of(native).filter(|list| self.odata.is_some() && !is_list_read(list)) {
                Some(list) if lists.contains(&list) => {}
                Some(list) => {
                    lists.push(list);
                    left.push(format!("    #   {} a list", path(list)));
                }
                None => left.push(format!("    #   {} {}", path(&native.path), as_in(native))),
            }
        }
        if !left.is_empty() {
            out.line("    # read by no line:");
            left.iter().for_each(|line| out.line(line));
        }
    }

    /// How a record is named, listed and read; the paths of what names it.
    fn named(&self, out: &mut Out) -> Vec<Vec<String>> {
        if let Some(odata) = &self.odata {
            odata.entity.iter().for_each(|line| out.line(&format!("    {line}")));
            return odata.keys.clone();
        }
        let key = key(self.entity, self.natives);
        let at = |key: &Native| match is_digits(key) {
            true => format!("{{ at: {}, form: digits }}", path(&key.path)),
            false => path(&key.path),
        };
        match &key {
            Some((key, sure)) if *sure == Sure::Likely => out.line(&format!("    key: {}", at(key))),
            Some((key, _)) => out.line(&format!("    key: {} # ? {}", at(key), as_in(key))),
            None => out.line("    key: id # ? what names a record"),
        }
        if let Some((wrap, is_guess)) = self.places.wrap().filter(|_| self.natives.is_xml) {
            let mark = if is_guess { " # ? where the one record of an answer stands" } else { "" };
            out.line(&format!("    wrap: {}{mark}", path(&wrap)));
        }
        match self.natives.rpc {
            Some(rpc) => self.called(rpc, key.as_ref().is_some_and(|(key, _)| is_digits(key)), out),
            None => self.asked(out),
        }
        key.map(|(key, _)| key.path.clone()).into_iter().collect()
    }

    /// How records are listed and read by addresses.
    fn asked(&self, out: &mut Out) {
        let (page, mark) = match &self.natives.next {
            Some(Next::Link(at)) => (format!(", page: {{ link: {} }}", path(at)), "how many rows a page has"),
            Some(Next::Token(at, query)) => (
                format!(", page: {{ next: {}, query: {} }}", path(at), quoted(query)),
                "the parameters of its pages",
            ),
            None => (String::new(), "how it pages"),
        };
        match self.places.list.as_deref() {
            Some([]) => out.line(&format!("    list: {{ rows: .{page} }} # ? {mark}")),
            Some(rows) => out.line(&format!("    list: {{ rows: {}{page} }} # ? {mark}", path(rows))),
            None => {}
        }
        match self.places.record.as_deref().filter(|rows| !rows.is_empty() && !self.natives.is_xml) {
            Some(rows) => out.line(&format!("    read: {{ rows: {} }}", path(rows))),
            None => out.line("    read: {}"),
        }
    }

    /// How records are listed and read by calls of JSON-RPC: each names its method, and one that is read may be the only
    /// one of a list.
    fn called(&self, rpc: Rpc, by_number: bool, out: &mut Out) {
        let version = match rpc {
            Rpc::Two => "jsonrpc: \"2.0\", ",
            Rpc::One => "",
        };
        let call = |params: &str| format!("body: {{ {version}id: 1, method: call, params: [{params}] }}");
        if let Some(rows) = self.places.list.as_deref() {
            out.line(&format!(
                "    list: {{ post: \"\", rows: {}, {} }} # ? its method, filter and pages",
                path(rows),
                call("")
            ));
        }
        let rows = match (&self.places.record, &self.places.list) {
            (Some(record), _) => path(record),
            (None, Some(rows)) => quoted(&format!("{}[0]", path(rows))),
            (None, None) => path(&["result".to_owned()]),
        };
        let key = if by_number { "\"{key:number}\"" } else { "\"{key}\"" };
        out.line(&format!("    read: {{ post: \"\", rows: {rows}, {} }} # ? its method", call(key)));
    }

    /// Fields that say one of a few words, where the system says others; and what is due in every record, and has no line.
    fn missing(&self, out: &mut Out) {
        for (leaf, native) in untold(self.entity, self.natives, self.lines) {
            let LeafKind::Code(codes) = &leaf.kind else { continue };
            let values: Vec<String> =
                native.examples.iter().take(8).map(|text| format!("{}: …", quoted(text))).collect();
            let codes: Vec<&str> = codes.iter().map(|code| &**code).collect();
            out.line(&format!(
                "      # {}: {{ at: {}, values: {{ {} }} }} # ? which of {} each word means",
                leaf.path.as_str(),
                path(&native.path),
                clean_long(&values.join(", ")),
                codes.join(", ")
            ));
        }
        let required = self.entity.required();
        let due = self.entity.leaves.iter().filter(|leaf| {
            let id = self.entity.leaf_at(leaf.path.as_str());
            !leaf.in_list && id.is_some_and(|id| required.contains(id))
        });
        for leaf in due {
            let name = leaf.path.as_str();
            if name == "id" || self.lines.iter().any(|line| line.list.is_none() && line.leaf == name) {
                continue;
            }
            let words = match &leaf.kind {
                LeafKind::Code(codes) if codes.len() <= 12 => {
                    let codes: Vec<&str> = codes.iter().map(|code| &**code).collect();
                    format!(
                        "; a constant such as `{name}: ={}`, where all records are one",
                        codes.first().unwrap_or(&"…")
                    )
                }
                _ => String::new(),
            };
            out.line(&format!("      # ? `{name}` is required, and no line gives it{words}"));
        }
    }

    fn fields(&self, out: &mut Out) {
        let mut told: Vec<&str> = Vec::new();
        let is_hollow = self.lines.iter().any(|line| line.native.hollow);
        for line in self.lines {
            match &line.list {
                None => out.loose(&format!("      {}", shown(line, &line.native.path, is_hollow))),
                Some(list) if told.contains(&list.as_str()) => {}
                Some(list) => {
                    told.push(list);
                    let own = list_of(line.native).unwrap_or_default();
                    out.line(&format!("      {list}:"));
                    out.line(&format!("        each: {}", path(own)));
                    out.line("        write: never # ? create, where it is sent with a new record");
                    out.line("        fields:");
                    for line in self.lines.iter().filter(|line| line.list.as_ref() == Some(list)) {
                        let inside = line.native.path.get(line.native.list..).unwrap_or_default();
                        out.loose(&format!("          {}", shown(line, inside, is_hollow)));
                    }
                }
            }
        }
        self.missing(out);
        if self.lines.is_empty() {
            out.line("      {} # ? nothing is called like a field of this entity");
        }
    }
}

fn shown(line: &Line<'_>, native: &[String], is_hollow: bool) -> String {
    let at = path(native);
    let mut how = line.how.clone();
    // Where `false` is nothing, a flag says so of itself that it is something.
    if is_hollow && line.native.boolean {
        how.push("absent: []".to_owned());
    }
    let what = if how.is_empty() { at } else { format!("{{ at: {at}, {} }}", how.join(", ")) };
    let mark = match line.sure {
        Sure::Likely => "#",
        Sure::Unsure => "# ?",
    };
    let said =
        if line.native.said.is_empty() { String::new() } else { format!("; {}", clean(&line.native.said)) };
    let doubt = line.native.hints.doubt;
    let doubt = if doubt.is_empty() { String::new() } else { format!("; {doubt}") };
    format!("{}: {what} {mark} {}{said}{doubt}", line.leaf, as_in(line.native))
}

/// What stood there, in a few words.
fn as_in(native: &Native) -> String {
    let hints = &native.hints;
    match native.examples.iter().find(|text| !text.trim().is_empty()) {
        _ if !hints.unread.is_empty() => format!("{} that {}", clean(&hints.declared), hints.unread),
        Some(text) => format!("as in {}", clean(text)),
        None if !hints.declared.is_empty() => clean(&hints.declared),
        None if !native.format.is_empty() => clean(&native.format),
        None => "nothing seen".to_owned(),
    }
}

/// Whether what stood there are numbers alone, which nobody calculates with.
fn is_digits(native: &Native) -> bool {
    native.number && !native.text && native.all(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The same, long enough for a few values.
fn clean_long(text: &str) -> String {
    text.chars().take(200).map(|c| if is_plain(c) || c == '…' { c } else { ' ' }).collect()
}

/// What stands in a comment: one line, printable, short.
fn clean(text: &str) -> String {
    text.chars().take(40).map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

/// Whether a character may stand in a file as it is.
fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric()
}

/// The field that names a record.
fn key<'a>(entity: &Entity, natives: &'a Natives) -> Option<(&'a Native, Sure)> {
    let own = format!("{}id", entity.name.as_str().to_lowercase());
    let flat = |native: &Native| native.name().to_lowercase().replace(['_', '-', '@'], "");
    // The record may stand in the answer under a name of its own: then nothing stands higher.
    let top = natives.iter().filter(|native| native.list == 0).map(|native| native.path.len()).min();
    let at_top = || natives.iter().filter(move |native| native.list == 0 && Some(native.path.len()) == top);
    let called = |name: &str| at_top().find(|native| flat(native) == name);
    let sure = ["id", "uuid", "guid"].iter().find_map(|name| called(name)).or_else(|| called(&own));
    if let Some(native) = sure {
        return Some((native, Sure::Likely));
    }
    let guess = at_top()
        .find(|native| flat(native).ends_with("id"))
        .or_else(|| ["key", "code", "number"].iter().find_map(|name| called(name)));
    guess.map(|native| (native, Sure::Unsure))
}

/// A path as lines write it.
pub(super) fn path(names: &[String]) -> String {
    let names: Vec<String> =
        names.iter().map(|name| name.replace('\\', "\\\\").replace('.', "\\.").replace('$', "\\$")).collect();
    let mut whole = String::new();
    for name in &names {
        if !whole.is_empty() && !PLACES.contains(&name.as_str()) {
            whole.push('.');
        }
        whole.push_str(name);
    }
    quoted(&whole)
}

/// A scalar of YAML that stays text: plain where it can be.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':'))
        && !text.ends_with(':')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        return text.to_owned();
    }
    if text.chars().all(is_plain) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_plain(c) => out.push(c),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[derive(Default)]
struct Out {
    text: String,
    loose: Vec<usize>,
    count: usize,
}

impl Out {
    fn line(&mut self, text: &str) {
        self.count = self.count.saturating_add(1);
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn loose(&mut self, text: &str) {
        self.line(text);
        self.loose.push(self.count);
    }
}
