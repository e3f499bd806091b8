//! `ref`: to what a field points, and the system whose keys stand in it.

use super::fields::{Lines, Loader};
use crate::{
    mapping::refs::Reference,
    schema::{Entity, LeafId},
    words::{
        Diagnostic, Diagnostics, Place, SystemName,
        tree::{Node, Value},
        yaml::{FromYaml as _, Keys, Spanned, expected},
    },
    yaml_object,
};

yaml_object! {
    /// A reference whose keys are another system's.
    struct RefWords {
        /// The entity to which the schema points.
        entity: Spanned<String>;
        /// The system whose keys they are.
        of: Spanned<String>;
    }
}

/// What one `ref` says of a leaf: the system whose keys stand there, where it names one.
pub(super) type Ref = (LeafId, Option<(SystemName, Place)>, Place);

impl Loader<'_> {
    pub(super) fn reference(&mut self, leaf: LeafId, keys: &mut Keys<'_>) {
        let Some(node) = keys.take("ref") else { return };
        let Some((name, of)) = words(node, self.found) else { return };
        let wanted = self.entity.leaf(leaf).and_then(|leaf| leaf.reference.as_ref());
        match wanted {
            Some(wanted) if name.value == wanted.as_str() => {
                // What keys of another system are made of, its own file says.
                if of.is_none() {
                    self.is_single(&name.value, node);
                }
                let of = of.map(|of| (SystemName::new(of.value.as_str()), of.place));
                self.lines.refs.push((leaf, of, node.place.clone()));
            }
            Some(wanted) => expected(node, &format!("`{wanted}`, to which the schema points"), self.found),
            None => {
                self.found.error(&node.place, "the schema says of no entity to which this field points");
            }
        }
    }
}

fn words(node: &Node, found: &mut Diagnostics) -> Option<(Spanned<String>, Option<Spanned<String>>)> {
    match &node.value {
        Value::Scalar(_) => Spanned::<String>::read(node, found).map(|name| (name, None)),
        Value::Map(_) => RefWords::read(node, found).map(|words| (words.entity, Some(words.of))),
        Value::Null | Value::List(_) => {
            expected(node, "the name of an entity, or `{ entity, of }`", found);
            None
        }
    }
}

/// The references that lines fill. All lines of one hold keys of one system.
pub(super) fn load(entity: &Entity, lines: &Lines, found: &mut Diagnostics) -> Vec<Reference> {
    let mut references: Vec<Reference> = Vec::new();
    for (leaf, place) in &lines.places {
        let Some(to) = entity.leaf(*leaf).and_then(|known| known.reference.clone()) else { continue };
        if references.iter().any(|known| known.leaf == *leaf) {
            continue;
        }
        let said: Vec<&Ref> = lines.refs.iter().filter(|(of, ..)| of == leaf).collect();
        let system = |said: &Ref| said.1.as_ref().map(|(system, _)| system.clone());
        let of = said.iter().find_map(|(_, of, _)| of.clone());
        let lines = lines.places.iter().filter(|(of, _)| of == leaf).count();
        let differs = |said: &&&Ref| system(said) != of.as_ref().map(|(system, _)| system.clone());
        let other = said.iter().find(differs).map(|(.., place)| place);
        // A line without `ref` speaks of keys of its own system too.
        let other = other.or(Some(place).filter(|_| of.is_some() && lines > said.len()));
        if let Some(other) = other {
            let path = entity.leaf(*leaf).map_or("", |leaf| leaf.path.as_str());
            let message = format!("the lines of `{path}` hold keys of more than one system");
            let help = "say the same `of` in each of them: a reference holds keys of one system";
            found.push(Diagnostic::error(other, message).help(help));
        }
        references.push(Reference { leaf: *leaf, to, of, place: place.clone() });
    }
    references
}
