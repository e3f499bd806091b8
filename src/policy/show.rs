//! A record becomes what this caller may see of it, or is not there at all.

use std::sync::Arc;

use super::{
    Detail,
    contact::Reached,
    degrees::Degrees,
    judge::WritePermit,
    load::Policies,
    mask::{Masker, Openness},
    program::{Grounds, Verdict, View},
    prospect::{Outlook, Prospect},
};
use crate::{
    catalog::Action,
    schema::{Entity, FieldSet, Fields, LeafId, Object, Record, Shape, Value},
    words::{SecretBytes, StatementId},
};

/// A record as this caller may see it; only [`show`], [`echo`] and [`again`] make one, and only this can be encoded
/// for a caller.
#[derive(Debug)]
pub struct Shown {
    record: Record,
    entity: Arc<Entity>,
    fields: FieldSet,
    masks: Box<[(LeafId, Openness)]>,
    grounds: Grounds,
}

impl Shown {
    /// The record, struck and masked.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its entity.
    pub fn entity(&self) -> &Arc<Entity> {
        &self.entity
    }

    /// The leaves shown, masked ones included.
    pub fn fields(&self) -> FieldSet {
        self.fields
    }

    /// Those of them behind a mask, and how open each is.
    pub fn masks(&self) -> &[(LeafId, Openness)] {
        &self.masks
    }

    /// The permits that showed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.grounds.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.grounds.detail
    }
}

/// What became of a record.
#[derive(Debug)]
pub enum Judged {
    /// It may be shown so far.
    Shown(Shown),
    /// It is not there for this caller: a forbid holds, or no permit does.
    Denied(Grounds),
    /// A statement could not be judged on it: not there either, and counted.
    Erroring {
        /// Which statement.
        statement: StatementId,
    },
}

/// Shows a record of a read or a list, at most the leaves that were wanted. In a write it answers nothing:
/// the caller's own `read` does ([`echo`]).
pub fn show(prospect: &Prospect, record: Record, wanted: Option<&FieldSet>) -> Judged {
    match prospect.operation().action() {
        Action::Read | Action::List => shown(prospect.outlook(), record, wanted),
        Action::Create | Action::Update | Action::Delete | Action::Call => Judged::Denied(Grounds::default()),
    }
}

/// What would be shown. It proves nothing and nothing can be encoded from it.
pub fn preview(outlook: &Outlook, record: Record, wanted: Option<&FieldSet>) -> Option<(Record, FieldSet)> {
    match shown(outlook, record, wanted) {
        Judged::Shown(shown) => Some((shown.record, shown.fields)),
        Judged::Denied(_) | Judged::Erroring { .. } => None,
    }
}

/// The same for whoever explains or tests statements. Pseudonyms stand under a key that no gate has: who may ask about any
/// record could else find out whose one is.
pub fn sketch(outlook: &Outlook, record: Record) -> Option<(Record, FieldSet)> {
    let entity = outlook.program.entity.clone()?;
    let Verdict::Permitted(view) = outlook.verdict(Some(&record), None) else { return None };
    let masker = Masker::new(&SecretBytes::new(vec![7; 32]));
    let shown = masked(&outlook.policies, &masker, entity, record, view, None);
    Some((shown.record, shown.fields))
}

fn shown(outlook: &Outlook, record: Record, wanted: Option<&FieldSet>) -> Judged {
    let Some(entity) = outlook.program.entity.clone() else { return Judged::Denied(Grounds::default()) };
    match outlook.verdict(Some(&record), None) {
        Verdict::Permitted(view) => Judged::Shown(strike(&outlook.policies, entity, record, view, wanted)),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => Judged::Denied(grounds),
        Verdict::Erroring(statement) => Judged::Erroring { statement },
    }
}

/// Shows the record a write left behind, through the caller's own `read`; `{id}` where that shows nothing.
pub fn echo(permit: &WritePermit, record: Record, wanted: Option<&FieldSet>) -> Shown {
    let view = permit.read_view(&record).unwrap_or_else(|| {
        let mut view = View::default();
        view.shown.add(Openness::Shown, &FieldSet::ID);
        view
    });
    strike(permit.policies(), permit.entity().clone(), record, view, wanted)
}

/// What a caller was told of a record when it wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Its id, as it is.
    Id,
    /// Not even that.
    Nothing,
}

/// Shows the record that an earlier write left behind to who repeats that write, as [`echo`] would today: through the
/// caller's own `read` as it is now. Where that shows nothing it is `{id}`, and only for who was told the id then.
pub fn again(
    prospect: &Prospect,
    record: Record,
    wanted: Option<&FieldSet>,
    remembered: Remembered,
) -> Option<Shown> {
    let outlook = prospect.outlook();
    let entity = outlook.program.entity.clone()?;
    let verdict = outlook.echo.as_ref().map(|read| read.verdict(&outlook.env(Some(&record), None)));
    let view = match (verdict, remembered) {
        (Some(Verdict::Permitted(view)), _) => view,
        (_, Remembered::Id) => {
            let mut view = View::default();
            view.shown.add(Openness::Shown, &FieldSet::ID);
            view
        }
        (_, Remembered::Nothing) => return None,
    };
    Some(strike(&outlook.policies, entity, record, view, wanted))
}

fn strike(
    policies: &Policies,
    entity: Arc<Entity>,
    record: Record,
    view: View,
    wanted: Option<&FieldSet>,
) -> Shown {
    masked(policies, &policies.masker, entity, record, view, wanted)
}

fn masked(
    policies: &Policies,
    masker: &Masker,
    entity: Arc<Entity>,
    mut record: Record,
    view: View,
    wanted: Option<&FieldSet>,
) -> Shown {
    let View { mut shown, grounds, .. } = view;
    let seen = shown.all();
    let reached = Reached::of(&entity, &shown);
    if let Some(wanted) = wanted {
        shown.strike(&shown.all().minus(wanted));
    }
    let fields = shown.all();
    let striker = Striker {
        masker,
        entity: &entity,
        shown: &shown,
        open: shown.of(Openness::Shown),
        fields,
        seen,
        is_narrow: wanted.is_some(),
        tags: policies.tags(&entity.name),
        reached,
    };
    striker.object(&entity.root, &mut record.fields);
    Shown { record, fields, masks: masks(&shown), grounds, entity }
}

/// The leaves behind a mask, in order; nothing is made where there are none.
pub(super) fn masks(shown: &Degrees) -> Box<[(LeafId, Openness)]> {
    shown.masked().iter().filter_map(|leaf| Some((leaf, shown.openness(leaf)?))).collect()
}

struct Striker<'a> {
    masker: &'a Masker,
    entity: &'a Entity,
    shown: &'a Degrees,
    open: FieldSet,
    /// The leaves that are shown.
    fields: FieldSet,
    /// The leaves that would be if all were wanted.
    seen: FieldSet,
    /// Whether fewer are wanted than would be shown.
    is_narrow: bool,
    /// The leaves that are the same in every record, and tell only that the rest of their group is there.
    tags: FieldSet,
    /// What an address out of its place is shown as.
    reached: Reached,
}

impl Striker<'_> {
    fn object(&self, object: &Object, fields: &mut Fields) {
        fields.retain_mut(|position, value| {
            object.at(position).is_some_and(|field| self.keeps(&field.shape, value))
        });
    }

    /// Strikes and masks a value; whether anything is left of it. Hidden, withheld and null look the same.
    fn keeps(&self, shape: &Shape, value: &mut Value) -> bool {
        match (shape, value) {
            (_, Value::Null) => false,
            (Shape::Leaf(leaf), value) => self.leaf(*leaf, value),
            (Shape::Object(object), Value::Object(fields)) => {
                if !self.tells(object, fields) {
                    return false;
                }
                self.object(object, fields);
                !fields.is_empty()
            }
            (Shape::List(item), Value::List(values)) => {
                // Empty is told only of a list of which nothing can be hidden: of any other it would tell
                // that no hidden value is there, since a list whose items are all struck is not told.
                if values.is_empty() {
                    return self.shows(item) && self.sees_whole(item);
                }
                values.retain_mut(|value| {
                    // An item stays where others of its leaves are told: two would look like one.
                    let is_told = self.is_narrow && self.tells_item(item, value);
                    self.keeps(item, value) || is_told
                });
                !values.is_empty()
            }
            (Shape::Object(_) | Shape::List(_), _) => false,
        }
    }

    /// Whether the caller sees anything of a group but its tags, wanted or not. Where there are no tags, what is left of
    /// it tells.
    fn tells(&self, object: &Object, fields: &Fields) -> bool {
        self.tags.is_empty() || self.tells_any(object, fields)
    }

    fn tells_any(&self, object: &Object, fields: &Fields) -> bool {
        fields.iter().any(|(position, value)| {
            object.at(position).is_some_and(|field| self.tells_value(&field.shape, value))
        })
    }

    /// Whether the caller would see something of a list's item, were all wanted.
    fn tells_item(&self, item: &Shape, value: &Value) -> bool {
        matches!(item, Shape::Object(_)) && self.tells_value(item, value)
    }

    fn tells_value(&self, shape: &Shape, value: &Value) -> bool {
        match (shape, value) {
            (_, Value::Null) => false,
            (Shape::Leaf(leaf), _) => self.seen.contains(*leaf) && !self.tags.contains(*leaf),
            (Shape::Object(object), Value::Object(fields)) => self.tells_any(object, fields),
            (Shape::List(item), Value::List(values)) => {
                values.iter().any(|value| self.tells_value(item, value))
            }
            (Shape::Object(_) | Shape::List(_), _) => false,
        }
    }

    #[inline]
    fn leaf(&self, leaf: LeafId, value: &mut Value) -> bool {
        if let Some((of, most)) = self.reached.at(self.entity, leaf, value) {
            return self.out_of_place(leaf, (of, most), value);
        }
        if self.open.contains(leaf) {
            return !matches!(value, Value::Object(_) | Value::List(_));
        }
        if !self.fields.contains(leaf) {
            return false;
        }
        let openness = self.shown.openness(leaf);
        self.masked(
            openness.and_then(|openness| self.masker.apply(self.entity, leaf, openness, value)),
            value,
        )
    }

    /// An address in a field of other texts is shown as the field `of` such addresses is, and no more than its own.
    fn out_of_place(&self, leaf: LeafId, (of, most): (LeafId, Option<Openness>), value: &mut Value) -> bool {
        let openness = self.shown.openness(leaf).filter(|_| self.fields.contains(leaf));
        let (Some(own), Some(most)) = (openness, most) else { return false };
        self.masked(self.masker.apply(self.entity, of, own.min(most), value), value)
    }

    fn masked(&self, masked: Option<Value>, value: &mut Value) -> bool {
        match masked {
            Some(masked) => {
                *value = masked;
                true
            }
            None => false,
        }
    }

    /// Whether any leaf under a shape is shown.
    fn shows(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Leaf(leaf) => self.fields.contains(*leaf),
            Shape::Object(object) => object.fields.iter().any(|field| self.shows(&field.shape)),
            Shape::List(item) => self.shows(item),
        }
    }

    /// Whether no leaf under a shape is hidden from the caller.
    fn sees_whole(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Leaf(leaf) => self.seen.contains(*leaf),
            Shape::Object(object) => object.fields.iter().all(|field| self.sees_whole(&field.shape)),
            Shape::List(item) => self.sees_whole(item),
        }
    }
}
