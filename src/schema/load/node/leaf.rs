//! The leaves of an entity's file: class, subject, reference and kind.

use std::sync::Arc;

use super::{Around, Compiler, Link};
use crate::{
    schema::{
        codes::Standard,
        contact::Contact,
        entity::{Class, ElementOf, Leaf, LeafKind, Shape},
        fields::LeafId,
        numbers::Spelling,
    },
    words::{
        Diagnostic, EntityName, FieldPath,
        tree::Node,
        yaml::{FromYaml, Keys, Spanned, expected},
    },
};

/// Most characters of a text that does not say.
const TEXT_CHARS_DEFAULT: u32 = 4096;
/// Most codes of a closed list.
const CODES_MAX: usize = 512;

/// Everything that a `format` may say.
pub(in crate::schema::load) fn formats() -> impl Iterator<Item = &'static str> {
    ["decimal", "date", "date-time"].into_iter().chain(Standard::formats()).chain(Spelling::FORMATS)
}

fn free(chars_max: u32) -> LeafKind {
    LeafKind::Text { chars_max, spelling: Spelling::Free }
}

impl<'a> Compiler<'a> {
    pub(super) fn leaf(
        &mut self,
        node: &'a Node,
        kind: &str,
        mut keys: Keys<'a>,
        around: Around<'a>,
    ) -> Option<Shape> {
        let class = self.class(node, &mut keys);
        let subject = keys.or::<Option<Spanned<String>>>("x-subject", || None, self.found)?;
        let reference = keys.or::<Option<Spanned<String>>>("x-ref", || None, self.found)?;
        let element = keys.or::<Option<Spanned<String>>>("x-element", || None, self.found)?;
        let natural_key = keys.or("x-natural-key", || false, self.found)?;
        let contact = keys.or::<Option<Spanned<String>>>("x-contact", || None, self.found)?;
        let money = (keys.take("x-currency"), keys.take("x-sum"));
        let is_id = around.name == "id" || reference.is_some() || element.is_some();
        let leaf_kind = match kind {
            "string" => self.text_kind(node, &mut keys, is_id),
            "integer" => Some(LeafKind::Integer),
            _ => Some(LeafKind::Boolean),
        };
        if kind != "string" && reference.is_some() {
            self.found.error(&node.place, "a reference is text: `type: string`");
        }
        if natural_key && (is_id || kind == "boolean") {
            let told = "a natural key is known to people: no `id`, no reference and no boolean is one";
            self.found.error(&node.place, told);
        }
        keys.finish(self.found);
        let element = element.and_then(|element| self.element(&element, kind, reference.is_some(), around));
        let contact = contact.and_then(|contact| self.contact(&contact, leaf_kind.as_ref()));
        let subject = match subject {
            Some(subject) => {
                let path = FieldPath::new(subject.value);
                self.subjects.push((path.clone(), subject.place));
                Some(path)
            }
            None => self.subject.as_ref().map(|subject| FieldPath::new(subject.value.as_str())),
        };
        let reference = reference.map(|reference| {
            let entity = EntityName::new(reference.value);
            self.links.push(Link { entity: entity.clone(), place: reference.place });
            entity
        });
        // A leaf whose class or kind could not be read still gets its number, so that the rest is told right;
        // the error keeps the entity from being used.
        let number = self.leaves.len();
        self.money(number, leaf_kind.as_ref(), money);
        self.leaves.push(Leaf {
            path: FieldPath::new(self.path.as_str()),
            kind: leaf_kind.unwrap_or(LeafKind::Boolean),
            class: class.unwrap_or(Class::Secret),
            subject,
            reference,
            in_list: around.in_list,
            unordered: around.unordered,
            natural_key,
            element,
            contact,
            money: None,
            sum: Vec::new(),
        });
        u8::try_from(number).ok().map(|number| Shape::Leaf(LeafId(number)))
    }

    fn class(&mut self, node: &Node, keys: &mut Keys<'a>) -> Option<Class> {
        if let Some(class) = keys.take("x-class") {
            return Class::read(class, self.found);
        }
        let error = Diagnostic::error(&node.place, format!("leaf `{}` has no class", self.path));
        self.found.push(error.help("add `x-class`: public, internal, confidential, personal or secret"));
        None
    }

    /// The element that `order.lines` names: one of `lines` of the record that `order` names. What it names is checked once
    /// all is known.
    fn element(
        &mut self,
        said: &Spanned<String>,
        kind: &str,
        is_reference: bool,
        around: Around<'a>,
    ) -> Option<ElementOf> {
        if kind != "string" || is_reference || around.name == "id" {
            self.found
                .error(&said.place, "what names an element is text: `type: string`, no `id` and no `x-ref`");
        }
        if !around.read_only {
            let error =
                Diagnostic::error(&said.place, "what names an element of another record is never written");
            self.found.push(error.help("add `readOnly: true`"));
        }
        let Some((record, list)) = said.value.rsplit_once('.') else {
            let error = Diagnostic::error(&said.place, format!("`{}` names no list", said.value));
            self.found.push(error.help("a reference, and a list of what it names: `order.lines`"));
            return None;
        };
        let of = ElementOf { record: FieldPath::new(record), id: FieldPath::new(format!("{list}.id")) };
        self.elements.push((of.clone(), said.place.clone()));
        Some(of)
    }

    fn contact(&mut self, named: &Spanned<String>, kind: Option<&LeafKind>) -> Option<Contact> {
        let words = || Contact::ALL.into_iter().map(Contact::as_str);
        let contact = Contact::ALL.into_iter().find(|contact| contact.as_str() == named.value);
        if contact.is_none() {
            let error =
                Diagnostic::error(&named.place, format!("`{}` is nothing to reach people by", named.value));
            self.found.push(error.suggest(&named.value, words()));
        }
        if kind.is_some_and(|kind| !matches!(kind, LeafKind::Text { spelling: Spelling::Free, .. })) {
            self.found.error(&named.place, "an address of people is a text: `type: string` and no `format`");
        }
        contact
    }

    fn text_kind(&mut self, node: &'a Node, keys: &mut Keys<'a>, is_id: bool) -> Option<LeafKind> {
        let (format, codes, most) = (keys.take("format"), keys.take("enum"), keys.take("maxLength"));
        let said = [("format", format), ("enum", codes), ("maxLength", most)];
        let mut said = said.iter().filter(|(_, node)| node.is_some()).map(|(name, _)| *name);
        if let (Some(first), true) = (said.next(), is_id) {
            self.found.error(&node.place, format!("`{first}` does not go with an id, which is opaque"));
            return None;
        }
        if let Some(second) = said.next() {
            self.found.error(&node.place, format!("`{second}` does not go with what stands before it"));
            return None;
        }
        if is_id {
            return Some(LeafKind::Id);
        }
        match (format, codes, most) {
            (Some(format), _, _) => self.format(format),
            (_, Some(codes), _) => self.codes(codes),
            (_, _, Some(most)) => u32::read(most, self.found).map(free),
            (None, None, None) => Some(free(TEXT_CHARS_DEFAULT)),
        }
    }

    fn format(&mut self, node: &'a Node) -> Option<LeafKind> {
        match node.as_text() {
            Some("decimal") => Some(LeafKind::Decimal),
            Some("date") => Some(LeafKind::Date),
            Some("date-time") => Some(LeafKind::Instant),
            Some(other) => {
                if let Some((spelling, chars_max)) = Spelling::of_format(other) {
                    return Some(LeafKind::Text { chars_max, spelling });
                }
                let standard = Standard::of_format(other);
                if standard.is_none() {
                    let error = Diagnostic::error(&node.place, format!("`{other}` is no format we check"));
                    self.found.push(error.suggest(other, formats()));
                }
                standard.map(|standard| LeafKind::Code(standard.codes()))
            }
            None => {
                expected(node, "a format", self.found);
                None
            }
        }
    }

    fn codes(&mut self, node: &'a Node) -> Option<LeafKind> {
        let codes = Vec::<Spanned<String>>::read(node, self.found)?;
        if codes.is_empty() || codes.len() > CODES_MAX {
            self.found.error(&node.place, format!("a closed list has 1 to {CODES_MAX} codes"));
        }
        for (index, code) in codes.iter().enumerate() {
            if code.value.is_empty() {
                self.found.error(&code.place, "a code is not empty");
            } else if codes.iter().take(index).any(|earlier| earlier.value == code.value) {
                self.found.error(&code.place, format!("code `{}` stands here a second time", code.value));
            }
        }
        Some(LeafKind::Code(codes.into_iter().map(|code| Arc::from(code.value)).collect()))
    }
}
