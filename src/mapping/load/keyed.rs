//! How a list is asked for records by their keys: what its filter calls each part of one.

use std::sync::Arc;

use super::{
    Defaults,
    entity::{SelectWords, filter_name},
    fields::Loader,
};
use crate::{
    mapping::{
        codec::{Codec, Nothing, Wire},
        dialect::Dialect,
        key::{Key, KeyPart},
        model::{Filterable, Mapping},
    },
    schema::{Entity, Filter, LeafId, Op, Value},
    words::{Diagnostic, Diagnostics, tree::Node},
};

/// What a filter calls the parts that tell records apart, where it knows all of them; else nothing. Under a parent a
/// record is not looked for in lists: they are the parent's.
pub(super) fn parts(
    key: &Key,
    select: Option<&SelectWords>,
    (entity, defaults): (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Vec<Filterable> {
    if key.is_digest() || key.has_over() {
        return Vec::new();
    }
    // A key is spelt as the system spells it: nothing in it stands for nothing.
    let plain = Loader::new(entity, defaults, found).codec(LeafId(0));
    let plain = Codec { wire: Wire::Text, absent: Nothing::default(), ..plain };
    let named = |part: &KeyPart| {
        let (at, form) = part.asked_by.as_ref()?;
        let name: Arc<str> = filter_name(at, select, defaults.speaks)?.into();
        let codec = Arc::new(Codec { form: *form, ..plain.clone() });
        Some(Filterable { name, codec, is_shared: false })
    };
    key.free().map(named).collect::<Option<_>>().unwrap_or_default()
}

impl Mapping {
    /// Tells where a file says how keys are filtered, and no list can be asked so.
    pub(super) fn check_keys(&self, entity: &Node, found: &mut Diagnostics) {
        let Some(key) = entity.get("key") else { return };
        let parts = key.as_list().unwrap_or(std::slice::from_ref(key)).iter();
        let said = parts.filter_map(|part| part.get("filter_at"));
        let Some(said) = said.into_iter().find(|said| said.as_text() != Some("never")) else { return };
        let one = Filter::test(LeafId(0), Op::Eq, Value::Text(self.key.sample().into()));
        if self.over.is_none() && self.lists.iter().any(|call| self.is_said(call, &one)) {
            return;
        }
        let dialects = self.lists.iter().filter_map(|call| call.filter.as_deref());
        let help = match dialects.into_iter().next() {
            None::<&Dialect> => "it takes a list with a `filter`",
            Some(_) => {
                "it takes names that the `filter` of a list can say, of every part that tells records apart, and no `$over`"
            }
        };
        let text = "no list can be asked for records by this key";
        found.push(Diagnostic::error(&said.place, text).help(help));
    }
}
