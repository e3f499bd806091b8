//! The words of one line: how a native scalar and a field's value mean each other, joined texts, rules.

use std::{collections::HashMap, sync::Arc};

use super::{Defaults, fields::Loader, key, pairs};
use crate::{
    mapping::{
        codec::{Codec, Forms, Norm, Spelt, Table, Tabled, Wire},
        countries,
        model::{KeyForm, Rule, Then},
        path::Path,
        trie::Frame,
    },
    schema::{LeafId, LeafKind, Spelling, Value, names_country},
    words::{
        Diagnostic,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
    },
};

/// The standing table of what countries are called.
const COUNTRY_NAMES: &str = "$country_names";

impl<'l> Loader<'l> {
    pub(super) fn codec(&self, leaf: LeafId) -> Codec {
        let kind = self.entity.leaf(leaf).map_or(LeafKind::Id, |leaf| leaf.kind.clone());
        Codec {
            wire: self.defaults.wire(&kind),
            form: KeyForm::Text,
            table: None,
            otherwise: None,
            keep: false,
            absent: self.defaults.absent(&kind),
            clear: self.defaults.clear(&kind),
            default: None,
            norm: Vec::new(),
            most: None,
            least: None,
            scale: None,
            rounds: false,
            forms: self.defaults.forms.clone(),
            charset: self.defaults.charset(),
            tag: self.defaults.tags.of(&kind),
            write_as: None,
            jq: None,
            home: None,
            spelt: Spelt::Variously,
            kind,
        }
    }

    pub(super) fn codec_words(&mut self, leaf: LeafId, codec: &mut Codec, keys: &mut Keys<'_>) {
        if let Some(node) = keys.take("norm") {
            codec.norm = match node.as_list() {
                Some(_) => Vec::read(node, self.found).unwrap_or_default(),
                None => Norm::read(node, self.found).into_iter().collect(),
            };
        }
        codec.home = keys.take("home").and_then(|node| self.home(codec, node));
        if let Some(node) = keys.take("spelt") {
            codec.spelt = self.spelt_there(codec, node).unwrap_or(Spelt::Variously);
        }
        if let Some(form) = keys.take("form").and_then(|node| self.form(leaf, node)) {
            codec.form = form;
        }
        codec.most = keys.take("most").and_then(|node| self.most(leaf, node));
        codec.least = keys.take("least").and_then(|node| u32::read(node, self.found));
        if let Some(node) = keys.take("absent") {
            codec.absent = super::nothing(node, self.found);
        }
        if let Some(node) = keys.take("as") {
            self.forms(codec, node);
        }
        let write_as = keys.take("write_as");
        match keys.take("else") {
            Some(node) if node.as_text() == Some("$value") => codec.keep = true,
            Some(node) => codec.otherwise = self.value_of(leaf, node),
            None => {}
        }
        codec.default = keys.take("default").and_then(|node| self.value_of(leaf, node));
        let values = keys.take("values");
        let back = keys.take("back");
        match values {
            Some(node) => codec.table = self.tabled(leaf, node, back),
            None => {
                if let Some(back) = back {
                    self.found.error(&back.place, "`back` needs `values`");
                }
            }
        }
        let fixed = codec.table.iter().filter_map(Tabled::fixed);
        let natives = fixed.flat_map(|table| &table.rows).map(|(native, _)| &**native);
        let booleans =
            natives.clone().next().is_some() && natives.clone().all(|n| matches!(n, "true" | "false"));
        if booleans && !self.defaults.text_numbers {
            codec.wire = Wire::Boolean;
        }
        if let Some(node) = write_as {
            if self.list != 0 {
                self.found.push(
                    Diagnostic::error(&node.place, "`write_as` is not for the lines of a native list")
                        .help("say `write: never` there, or one form for both ways under `as`"),
                );
            }
            let mut written = codec.clone();
            self.forms_written(&mut written, node);
            codec.write_as = Some(Box::new(written));
        }
    }

    /// `home`: whose a VAT number is that does not begin with a country.
    fn home(&mut self, codec: &Codec, node: &Node) -> Option<Box<str>> {
        if !matches!(codec.kind, LeafKind::Text { spelling: Spelling::VatId, .. }) {
            let error = Diagnostic::error(&node.place, "`home` is for VAT numbers");
            self.found.push(error.help("fields of `format: vat-id`"));
            return None;
        }
        let country = self.defaults.setting(node.as_text().unwrap_or_default(), node, self.found)?;
        if country.len() != 2 || !names_country(country) {
            self.found.error(&node.place, "expected a country, as in `PL`");
            return None;
        }
        Some(country.into())
    }

    /// `most`: characters that the system keeps. More than the schema allows never come.
    pub(super) fn most(&mut self, leaf: LeafId, node: &Node) -> Option<u32> {
        let most = u32::read(node, self.found)?;
        if let Some(LeafKind::Text { chars_max, .. }) = self.entity.leaf(leaf).map(|leaf| &leaf.kind)
            && most > *chars_max
        {
            let text = format!("`most: {most}` says nothing: the schema allows {chars_max} characters");
            self.found.push(
                Diagnostic::warning(&node.place, text).help("take it out, or say what the system keeps"),
            );
        }
        Some(most)
    }

    /// `spelt`: how the system keeps an authority's number.
    fn spelt_there(&mut self, codec: &Codec, node: &Node) -> Option<Spelt> {
        let spelt = Spelt::read(node, self.found)?;
        if !codec.is_number() {
            let error = Diagnostic::error(&node.place, "`spelt` is for what may be spelt in several ways");
            self.found.push(error.help("fields of `format: vat-id`, `tax-number` or `language`"));
        } else if spelt == Spelt::Once && codec.home.is_some() {
            let error = Diagnostic::error(&node.place, "with `home` a number is spelt in two ways");
            self.found.push(error.help(
                "there it may stand with its country or without; take `spelt` out, and the gate looks numbers up itself, or `home`",
            ));
        }
        Some(spelt)
    }

    /// `write_at`: where the field is written, with a new record and by a change; a path is both.
    pub(super) fn write_places(&mut self, keys: &mut Keys<'_>) -> [Option<Path>; 2] {
        let Some(node) = keys.take("write_at") else { return [None, None] };
        if node.as_map().is_none() {
            return [super::path(node, self.found), None];
        }
        let Some(mut keys) = Keys::of(node, self.found) else { return [None, None] };
        let places = ["create", "update"].map(|key| super::path_at(&mut keys, key, self.found));
        keys.finish(self.found);
        places
    }

    /// Tells of places under `write_at` that nothing is written to.
    pub(super) fn is_written_there(&mut self, node: &Node, (create, update): (bool, bool)) {
        let places = node.get("write_at").and_then(Node::as_map).unwrap_or_default();
        for (key, _) in places {
            if matches!((key.text.as_str(), create, update), ("create", false, _) | ("update", _, false)) {
                let text = format!("`{}` never writes the field there", key.text);
                self.found.push(Diagnostic::error(&key.place, text).help("take it out, or change `write`"));
            }
        }
    }

    /// The form of what stands in a text, a code or an id.
    fn form(&mut self, leaf: LeafId, node: &Node) -> Option<KeyForm> {
        match self.entity.leaf(leaf)?.kind {
            LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id => key::form(node, self.found),
            LeafKind::Decimal
            | LeafKind::Integer
            | LeafKind::Boolean
            | LeafKind::Date
            | LeafKind::Instant => {
                self.found.error(&node.place, "only a text, a code or an id has a `form`");
                None
            }
        }
    }

    /// The table of a line: one that the system tells, where it is called like one, or else one of the file.
    fn tabled(&mut self, leaf: LeafId, node: &Node, back: Option<&Node>) -> Option<Tabled> {
        let live = node.as_text().and_then(|name| self.defaults.live(name));
        match live {
            Some((draft, meaning)) => self.live(leaf, (draft, meaning), node, back),
            None => self.table(leaf, node, back).map(Arc::new).map(Tabled::Fixed),
        }
    }

    pub(super) fn table(&mut self, leaf: LeafId, node: &Node, back: Option<&Node>) -> Option<Table> {
        let mut table = Table::default();
        if node.as_text() == Some(COUNTRY_NAMES) {
            self.country_names(leaf, node, &mut table)?;
            self.table_back(leaf, back, &mut table);
            table.back.extend(table.rows.iter().map(|(name, value)| (value.clone(), name.clone())));
            return Some(table);
        }
        let node = self.table_node(node)?;
        // Of a list each is spelt as it is.
        for node in node.as_list().unwrap_or_default() {
            if let (Some(text), Some(value)) = (node.as_text(), self.value_of(leaf, node)) {
                table.read.insert(text.into(), value.clone());
                table.rows.push((text.into(), value));
            }
        }
        let node = if node.as_list().is_some() { None } else { Some(node) };
        for (key, node) in pairs(node, self.found) {
            if let Some(value) = self.value_of(leaf, node) {
                table.read.insert(key.text.as_str().into(), value.clone());
                table.rows.push((key.text.as_str().into(), value));
            }
        }
        self.table_back(leaf, back, &mut table);
        Some(table)
    }

    /// What countries are called where a system takes any text.
    fn country_names(&mut self, leaf: LeafId, node: &Node, table: &mut Table) -> Option<()> {
        for (name, code) in countries::names() {
            let value = self.value(leaf, code, node)?;
            table.read.insert(name.into(), value.clone());
            table.rows.push((name.into(), value));
        }
        Some(())
    }

    /// Which spelling is written, where several mean one value.
    fn table_back(&mut self, leaf: LeafId, back: Option<&Node>, table: &mut Table) {
        for (key, node) in pairs(back, self.found) {
            let named = Node {
                value: tree::Value::Scalar(tree::Scalar { text: key.text.clone(), quoted: true }),
                place: key.place.clone(),
            };
            let Some(value) = self.value_of(leaf, &named) else { continue };
            if matches!(node.value, tree::Value::Null) {
                if table.natives(&value).next().is_none() {
                    let message = format!("no native value means `{}` in the table", key.text);
                    self.found.error(&key.place, message);
                }
                table.one_way.push(value);
                continue;
            }
            let Some(native) = node.as_text() else {
                expected(node, "a native value, or `~` where it is never written", self.found);
                continue;
            };
            if table.read.get(native) != Some(&value) {
                let message = format!("`{native}` does not mean `{}` in the table", key.text);
                self.found.push(
                    Diagnostic::error(&node.place, message)
                        .suggest(native, table.natives(&value).collect::<Vec<_>>()),
                );
            }
            table.back.push((value, native.into()));
        }
    }

    /// A table, or the one that a name stands for.
    fn table_node<'n>(&mut self, node: &'n Node) -> Option<&'n Node>
    where
        'l: 'n,
    {
        let Some(name) = node.as_text() else { return Some(node) };
        let defaults: &'l Defaults = self.defaults;
        if defaults.live.contains_key(name) {
            self.found
                .error(&node.place, format!("table `{name}` is told by the system: it cannot stand here"));
            return None;
        }
        let known = defaults.tables.get(name);
        if known.is_none() {
            self.found.push(
                Diagnostic::error(&node.place, format!("table `{name}` is not in `tables`"))
                    .suggest(name, self.defaults.tables.keys().map(String::as_str)),
            );
        }
        known
    }

    /// Native spellings: a list, or those of a table by its name.
    pub(super) fn spellings(&mut self, node: Option<&Node>) -> Option<Vec<String>> {
        let Some(node) = node else { return Some(Vec::new()) };
        let node = self.table_node(node)?;
        match node.as_map() {
            Some(pairs) => Some(pairs.iter().map(|(key, _)| key.text.clone()).collect()),
            None => Vec::<String>::read(node, self.found),
        }
    }

    /// Every canonical value that is written must have one native spelling.
    pub(super) fn invertible(&mut self, leaf: LeafId, codec: &Codec, node: &Node) {
        let table = match &codec.table {
            None => return,
            Some(Tabled::Fixed(table)) => table,
            // What its rows mean is known once the system has told them.
            Some(Tabled::Live(cell, at)) => return self.defaults.is_written(cell, *at),
        };
        let mut count: HashMap<String, u32> = HashMap::new();
        for (_, value) in &table.rows {
            let is_settled =
                table.back.iter().map(|(named, _)| named).chain(&table.one_way).any(|v| v == value);
            if !is_settled {
                *count.entry(shown(value)).or_default() += 1;
            }
        }
        let mut twice: Vec<_> = count.into_iter().filter(|(_, n)| *n > 1).map(|(name, _)| name).collect();
        twice.sort();
        if !twice.is_empty() {
            let field = self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
            self.found.push(
                Diagnostic::error(
                    &node.place,
                    format!(
                        "`{field}` cannot be written: several native values mean `{}`",
                        twice.join("`, `")
                    ),
                )
                .help("name the one to write under `back`, or `~` there for none, or say `write: never`"),
            );
        }
    }

    pub(super) fn first(&mut self, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Vec<Rule>> {
        let mut keys = Keys::of(node, self.found)?;
        let nodes: Vec<Node> = keys.required("first", self.found)?;
        keys.finish(self.found);
        let mut rules = Vec::new();
        for node in &nodes {
            let mut keys = Keys::of(node, self.found)?;
            let mut when = Vec::new();
            for (key, node) in pairs(keys.take("when"), self.found) {
                let is_nothing = matches!(node.value, tree::Value::Null);
                match (Path::source(&key.text), node.as_text()) {
                    (Ok(path), text) if text.is_some() || is_nothing => {
                        self.reads(leaf, &path);
                        when.push((frame.slot(path.steps()), text.map(Into::into)));
                    }
                    (Err(why), _) => self.found.error(&key.place, why),
                    (Ok(_), _) => expected(node, "a text, or `~` for nothing", self.found),
                }
            }
            let then = match (keys.take("is"), keys.take("at"), keys.take("calc")) {
                (Some(is), None, None) => Then::Is(self.value_of(leaf, is)?),
                (None, None, Some(calc)) => Then::Calc(self.calc_of(leaf, calc, frame)?),
                (None, Some(at), None) => {
                    let native = self.source(at)?;
                    self.reads(leaf, &native);
                    let mut codec = self.codec(leaf);
                    self.codec_words(leaf, &mut codec, &mut keys);
                    Then::At(slot(frame, &native, &codec), Box::new(codec))
                }
                _ => {
                    self.found.error(&node.place, "a rule has one of `is`, `at` and `calc`");
                    return None;
                }
            };
            keys.finish(self.found);
            rules.push(Rule { when, then });
        }
        Some(rules)
    }

    /// A value of a leaf's type, written in the file; `$settings.…` is looked up.
    pub(super) fn value_of(&mut self, leaf: LeafId, node: &Node) -> Option<Value> {
        let Some(text) = node.as_text() else {
            expected(node, "a value", self.found);
            return None;
        };
        let text = text.strip_prefix('=').unwrap_or(text);
        let text = self.defaults.setting(text, node, self.found)?;
        self.value(leaf, text, node)
    }

    pub(super) fn value(&mut self, leaf: LeafId, text: &str, node: &Node) -> Option<Value> {
        // What the file says stands as the schema has it, whatever the system's forms.
        let codec = Codec { forms: Forms::default(), ..self.codec(leaf) };
        match codec.parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                let mut told = Diagnostic::error(&node.place, format!("`{text}`: {why}"));
                if let LeafKind::Code(codes) = &codec.kind {
                    told = told.suggest(text, codes.iter().map(|code| &**code));
                }
                self.found.push(told);
                None
            }
        }
    }
}

/// The slot of a path, where an object may be a tagged value if the codec reads such.
pub(super) fn slot(frame: &mut Frame, path: &Path, codec: &Codec) -> u16 {
    if codec.tag.is_some() {
        frame.tagged(path.steps());
    }
    frame.slot(path.steps())
}

/// A value as files and callers write it.
pub(in crate::mapping) fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Decimal(n) => n.normalize().to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => at.to_string(),
        Value::Null => "null".to_owned(),
        Value::Object(_) | Value::List(_) => "several values".to_owned(),
    }
}
