//! `jq: { in, out }` — a field that a filter reads from native JSON, and another writes.

use std::sync::Arc;

use super::{
    fields::{At, Loader, Whole, WriteWord},
    path_at,
};
use crate::{
    mapping::{
        codec::Charset,
        jq::{Filtered, Jq, Program},
        model::{Native, ObjectPart, Source},
        path::Path,
        trie::Frame,
    },
    schema::LeafId,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{Keys, expected},
    },
};

impl Loader<'_> {
    /// A line whose value a filter gives; without `at` the filter reads the record, or the element of a list.
    pub(super) fn filtered(
        &mut self,
        at: At<'_>,
        leaf: LeafId,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<Source> {
        let mut keys = Keys::of(node, self.found)?;
        let filters: Option<Node> = keys.required("jq", self.found);
        let place = filters.as_ref().map_or(&node.place, |filters| &filters.place).clone();
        let jq = filters.as_ref().and_then(|filters| self.jq(filters));
        let has_at = node.get("at").is_some();
        let native = if has_at { path_at(&mut keys, "at", self.found) } else { Some(Path::default()) };
        keys.take("when");
        let write = self.write_word(&mut keys);
        let mut codec = self.codec(leaf);
        self.codec_words(leaf, &mut codec, &mut keys);
        self.reference(leaf, &mut keys);
        keys.finish(self.found);
        let (jq, native) = (jq?, native?);
        if self.defaults.charset() == Charset::Xml {
            self.found
                .error(&place, "a filter reads JSON, and the system speaks XML; write lines without `jq`");
            return None;
        }
        let is_written = !at.read_only && write != Some(WriteWord::Never);
        if is_written && (jq.outward.is_none() || !has_at) {
            let lacks = if has_at { "`out`" } else { "`at`" };
            self.found.push(
                Diagnostic::error(
                    &place,
                    format!("`{}` cannot be written by `jq` without {lacks}", at.field.name),
                )
                .help("say `at`, `in` and `out`, or `write: never`"),
            );
            return None;
        }
        if !is_written && jq.outward.is_some() {
            self.found.error(&place, "`out` is for a field that is written; this one never is");
        }
        let (create, update) = match is_written {
            true => self.when_written(at, write, &native, &native, &place),
            false => (false, false),
        };
        if create || update {
            self.invertible(leaf, &codec, node);
            self.writes(&native, &at.field.name, &place);
        }
        let slot = frame.whole(native.steps());
        if has_at {
            self.reads(leaf, &native);
        }
        if self.list == 0 {
            self.lines.wholes.push(Whole { at: native.clone(), slot, place });
        }
        // A filter sees what travels as it is, tags included.
        (codec.jq, codec.tag) = (Some(Arc::new(jq)), None);
        if let Some(written) = &mut codec.write_as {
            (written.jq, written.tag) = (codec.jq.clone(), None);
        }
        let source = Source::Native(Box::new(Native::plain(slot, Arc::new(codec), native, create, update)));
        // What a filter gives is nowhere in the system's own data.
        self.filter(leaf, &source, None);
        Some(source)
    }

    fn jq(&mut self, node: &Node) -> Option<Jq> {
        let mut keys = Keys::of(node, self.found)?;
        let inward: Option<Node> = keys.required("in", self.found);
        let outward = keys.take("out").map(|node| self.program(node));
        keys.finish(self.found);
        let inward = self.program(&inward?);
        let outward = match outward {
            Some(outward) => Some(outward?),
            None => None,
        };
        Some(Jq { inward: inward?, outward })
    }

    fn program(&mut self, node: &Node) -> Option<Program> {
        let Some(text) = node.as_text() else {
            expected(node, "a filter of jq, as in `\".lines | map(.sku) | join(\\\", \\\")\"`", self.found);
            return None;
        };
        Program::load(text).map_err(|why| self.found.error(&node.place, why)).ok()
    }
}

/// What the filters of an entity read and take; a row makes so many records.
pub(super) fn filtered(wholes: &[Whole], root: &ObjectPart, records: usize) -> Filtered {
    Filtered::of(wholes.iter().map(|whole| (whole.at.clone(), whole.slot)).collect(), root, records)
}

/// Tells where a filter reads what nobody asks for: names are asked for one by one where the system has a selection.
pub(super) fn selected(wholes: &[Whole], select: Option<Option<&Path>>, found: &mut Diagnostics) {
    let Some(under) = select else { return };
    for Whole { at, place, .. } in wholes {
        let is_asked = match under {
            Some(under) => at.under(under).is_some(),
            None => !at.steps().is_empty(),
        };
        if !is_asked {
            let place_of = under.map_or_else(String::new, |under| format!(" under `{under}`"));
            found.push(
                Diagnostic::error(place, "a filter reads names here that `select` does not ask for")
                    .help(format!("say by `at` which one{place_of} it reads")),
            );
        }
    }
}
