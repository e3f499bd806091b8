//! A write is judged on what changes, on the stored record and on the one that the system will hold; a call on its
//! context.

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    Basis, Denied, Detail,
    context::Env,
    degrees::Degrees,
    load::Policies,
    mask::{Openness, coarse},
    program::{Grounds, Program, Verdict, View},
    prospect::{Outlook, Prospect, env, id},
};
use crate::{
    catalog::{Action, Call, Operation},
    schema::{Contact, Entity, FieldSet, LeafId, LeafKind, Record, Value, changed},
    words::{FieldPath, StatementId},
};

/// What a write would do.
#[derive(Debug)]
pub enum Change {
    /// A new record.
    Create {
        /// As it is sent.
        new: Record,
        /// As the system will hold it.
        held: Record,
    },
    /// A stored record changes.
    Update {
        /// As it is stored.
        old: Record,
        /// As it would be by what is sent.
        new: Record,
        /// As the system will hold it.
        held: Record,
        /// The system's version of the stored one; none where it has none.
        version: Option<CompactString>,
    },
    /// A stored record ends.
    Delete {
        /// As it is stored.
        old: Record,
        /// The system's version of it.
        version: Option<CompactString>,
    },
}

impl Change {
    /// A new record that is held as it is sent.
    pub fn create(new: Record) -> Self {
        Self::Create { held: new.clone(), new }
    }

    /// A change of a stored record that is held as it is sent.
    pub fn update(old: Record, new: Record, version: Option<CompactString>) -> Self {
        Self::Update { old, held: new.clone(), new, version }
    }

    /// The record before it; none of a create.
    pub fn old(&self) -> Option<&Record> {
        match self {
            Self::Create { .. } => None,
            Self::Update { old, .. } | Self::Delete { old, .. } => Some(old),
        }
    }

    /// The record that the system will hold after it; none of a delete.
    pub fn held(&self) -> Option<&Record> {
        match self {
            Self::Create { held, .. } | Self::Update { held, .. } => Some(held),
            Self::Delete { .. } => None,
        }
    }

    /// Whether the system checks the version that is judged; nothing of a create.
    pub(super) fn guarded(&self) -> Option<bool> {
        match self {
            Self::Create { .. } => None,
            Self::Update { version, .. } | Self::Delete { version, .. } => Some(version.is_some()),
        }
    }
}

impl Denied {
    /// That some leaves would change and may not.
    pub fn fields(entity: &Entity, leaves: &FieldSet) -> Self {
        Self::Fields(paths(entity, leaves))
    }
}

/// Proof that a write was judged on the stored and the proposed record; it owns what will be sent.
#[derive(Debug)]
pub struct WritePermit {
    prospect: Lent,
    change: Change,
    record: Option<CompactString>,
    changed: FieldSet,
    grounds: Grounds,
}

/// What outlives the prospect: enough to show the answer.
#[derive(Debug)]
struct Lent {
    policies: Arc<Policies>,
    action: Action,
    entity: Arc<Entity>,
    echo: Option<Arc<Program>>,
    facts: Arc<crate::identity::Facts>,
    context: super::Context,
}

impl WritePermit {
    /// create, update or delete.
    pub fn action(&self) -> Action {
        self.prospect.action
    }

    /// Of which entity.
    pub fn entity(&self) -> &Arc<Entity> {
        &self.prospect.entity
    }

    /// The stored record's id; none for a create.
    pub fn record_id(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// The record as it is sent; none for a delete.
    #[expect(clippy::new_ret_no_self, reason = "the new record beside the old one; it makes nothing")]
    pub fn new(&self) -> Option<&Record> {
        match &self.change {
            Change::Create { new, .. } | Change::Update { new, .. } => Some(new),
            Change::Delete { .. } => None,
        }
    }

    /// The record as it was judged; none for a create.
    pub fn old(&self) -> Option<&Record> {
        self.change.old()
    }

    /// The version that was judged: it goes to the system as its own If-Match.
    pub fn version(&self) -> Option<&str> {
        match &self.change {
            Change::Create { .. } => None,
            Change::Update { version, .. } | Change::Delete { version, .. } => version.as_deref(),
        }
    }

    /// Whether the system cannot tell that the record changed since it was judged.
    pub fn unguarded(&self) -> bool {
        self.old().is_some() && self.version().is_none()
    }

    /// The leaves that change, and those that are written without being seen.
    pub fn changed(&self) -> FieldSet {
        self.changed
    }

    /// The permits that allowed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.grounds.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.grounds.detail
    }

    pub(super) fn policies(&self) -> &Policies {
        &self.prospect.policies
    }

    /// Whether the caller's own `read` shows a leaf of a record as it is.
    pub fn shows(&self, record: &Record, leaf: LeafId) -> bool {
        self.read_view(record).is_some_and(|view| view.fields().minus(&view.masked()).contains(leaf))
    }

    /// What the caller's own `read` shows of a record.
    pub(super) fn read_view(&self, record: &Record) -> Option<View> {
        let (program, env) = self.sight(record)?;
        permitted(program.verdict(&env))
    }

    /// The caller's own `read`, and all that it may look at to judge a record.
    pub(super) fn sight<'a>(&'a self, record: &'a Record) -> Option<(&'a Program, Env<'a>)> {
        let lent = &self.prospect;
        let mut env = env(&lent.facts, &lent.context, None);
        env.record = Some(record);
        env.id = id(Some(&lent.entity), record).unwrap_or_default();
        Some((lent.echo.as_deref()?, env))
    }
}

/// Judges a write. `sent` are the leaves that an update's body speaks of, those that it clears or replaces without
/// naming them among them: what the caller does not see counts as changed when it is sent, or the answer would tell
/// whether it held that value already. A create and a delete have none.
///
/// # Errors
/// [`Denied`], by what was found on the stored record, the new one, or the fields that change.
pub fn judge(prospect: &Prospect, change: Change, sent: &FieldSet) -> Result<WritePermit, Denied> {
    let outlook = prospect.outlook();
    let (Some(entity), true) = (outlook.program.entity.clone(), fits(prospect.operation(), &change)) else {
        return Err(Denied::Never(Grounds::default()));
    };
    let (changed, grounds) = outlook.rehearse(&change, sent)?;
    let record = change.old().and_then(|old| id(Some(&entity), old)).map(Into::into);
    let lent = Lent {
        policies: outlook.policies.clone(),
        action: prospect.operation().action(),
        entity,
        echo: outlook.echo.clone(),
        facts: outlook.facts.clone(),
        context: outlook.context.clone(),
    };
    Ok(WritePermit { prospect: lent, change, record, changed, grounds })
}

impl Outlook {
    /// What [`judge`] would say, as plain data: the leaves that change and the permits. For tests, explain and
    /// replay; it proves nothing.
    ///
    /// # Errors
    /// As [`judge`].
    pub fn rehearse(&self, change: &Change, sent: &FieldSet) -> Result<(FieldSet, Grounds), Denied> {
        let nothing = || Denied::Never(Grounds::default());
        let entity = self.program.entity.as_ref().ok_or_else(nothing)?;
        let guarded = change.guarded();
        match (self.program.action, change) {
            (Action::Create, Change::Create { new, held }) => create(self, entity, new, held),
            (Action::Update, Change::Update { old, new, held, .. }) => {
                update(self, entity, (old, new, held), sent, guarded)
            }
            (Action::Delete, Change::Delete { old, .. }) => {
                let view = on_stored(self, old, guarded)?;
                Ok((FieldSet::EMPTY, view.grounds))
            }
            (
                Action::Read | Action::List | Action::Create | Action::Update | Action::Delete | Action::Call,
                Change::Create { .. } | Change::Update { .. } | Change::Delete { .. },
            ) => Err(nothing()),
        }
    }

    /// Of leaves that change, those that may not where these may be written.
    pub fn beyond(&self, changed: &FieldSet, writes: &FieldSet) -> FieldSet {
        let Some(entity) = &self.program.entity else { return *changed };
        changed.minus(&following(entity, &FieldSet::EMPTY)).minus(writes)
    }

    /// The leaves of a record that the caller's own `read` or `list` shows unmasked: what it may know of it.
    pub fn sees(&self, record: &Record) -> FieldSet {
        self.degrees(record).of(Openness::Shown)
    }

    /// How open a record is to the caller's own `read` and `list` together.
    fn degrees(&self, record: &Record) -> Degrees {
        let mut degrees = Degrees::default();
        for sight in self.sights() {
            if let Some(view) = permitted(sight.verdict(&self.env(Some(record), None))) {
                degrees.join(&view.shown);
            }
        }
        degrees
    }
}

/// The leaves that a body which replaces a record clears by leaving them out, as far as the policy goes: what
/// may change on the stored record, and on the record as it would be with all of them kept (`kept`). What may
/// change on one of the two only stays, so that its presence decides nothing.
pub fn clearable(outlook: &Outlook, stored: &Record, kept: &Record, is_guarded: bool) -> FieldSet {
    let writes = |record| permitted(outlook.verdict(Some(record), Some(is_guarded))).map(|view| view.writes);
    match (writes(stored), writes(kept)) {
        (Some(before), Some(after)) => before.intersection(&after),
        // A record that is refused with everything kept may be permitted without some of it.
        (Some(before), None) => before,
        (None, _) => FieldSet::EMPTY,
    }
}

fn fits(operation: &Operation, change: &Change) -> bool {
    match (operation, change) {
        (Operation::Create(_), Change::Create { .. })
        | (Operation::Update(..), Change::Update { .. })
        | (Operation::Delete(..), Change::Delete { .. }) => true,
        (
            Operation::Read(..)
            | Operation::List(_)
            | Operation::Create(_)
            | Operation::Update(..)
            | Operation::Delete(..)
            | Operation::Call(_),
            Change::Create { .. } | Change::Update { .. } | Change::Delete { .. },
        ) => false,
    }
}

/// What is sent is what changes; what the mapping adds to it is written by nobody, and judged with the rest of the
/// record that will be held.
fn create(
    outlook: &Outlook,
    entity: &Entity,
    new: &Record,
    held: &Record,
) -> Result<(FieldSet, Grounds), Denied> {
    let changed = changed(&Record::default(), new, entity);
    masks_sent(outlook, entity, None, new, &changed)?;
    let view = on_new(outlook, held, None)?;
    within(entity, &changed, &view.writes)?;
    Ok((changed, view.grounds))
}

/// Each changed field is one that permits satisfied on the stored record may write, and permits satisfied on the one
/// that will be held.
fn update(
    outlook: &Outlook,
    entity: &Entity,
    (old, new, held): (&Record, &Record, &Record),
    sent: &FieldSet,
    guarded: Option<bool>,
) -> Result<(FieldSet, Grounds), Denied> {
    let before = on_stored(outlook, old, guarded)?;
    let degrees = outlook.degrees(old);
    let changed = changed(old, new, entity).union(&sent.minus(&degrees.of(Openness::Shown)));
    masks_sent(outlook, entity, Some((old, &degrees)), new, &changed)?;
    let judged = changed.minus(&following(entity, sent));
    within(entity, &judged, &before.writes)?;
    let after = on_new(outlook, held, guarded)?;
    within(entity, &judged, &after.writes)?;
    let mut grounds = before.grounds;
    grounds.detail = grounds.detail.max(after.grounds.detail);
    for statement in after.grounds.statements {
        if !grounds.statements.contains(&statement) {
            grounds.statements.push(statement);
        }
    }
    Ok((changed, grounds))
}

/// Leaves that come and go with the items of a list: nobody writes them, so no statement can let them change,
/// and an item of which all others may change may go with them.
fn following(entity: &Entity, sent: &FieldSet) -> FieldSet {
    let read_only = entity.all().minus(&entity.writable()).minus(sent);
    read_only.iter().filter(|leaf| entity.leaf(*leaf).is_some_and(|leaf| leaf.in_list)).collect()
}

fn on_stored(outlook: &Outlook, old: &Record, guarded: Option<bool>) -> Result<View, Denied> {
    match outlook.verdict(Some(old), guarded) {
        Verdict::Permitted(view) => Ok(view),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => Err(Denied::Record(grounds)),
        Verdict::Erroring(statement) => Err(Denied::Erroring { statement, on: Basis::Stored }),
    }
}

fn on_new(outlook: &Outlook, held: &Record, guarded: Option<bool>) -> Result<View, Denied> {
    match outlook.verdict(Some(held), guarded) {
        Verdict::Permitted(view) => Ok(view),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => Err(Denied::New(grounds)),
        Verdict::Erroring(statement) => Err(Denied::Erroring { statement, on: Basis::New }),
    }
}

fn within(entity: &Entity, changed: &FieldSet, writes: &FieldSet) -> Result<(), Denied> {
    let beyond = changed.minus(writes);
    if beyond.is_empty() { Ok(()) } else { Err(Denied::fields(entity, &beyond)) }
}

fn paths(entity: &Entity, leaves: &FieldSet) -> Vec<FieldPath> {
    leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.clone()).collect()
}

/// A mask that comes back would overwrite what it hides, wherever the caller has learnt it: by which permit, over
/// which channel, of which record, from whom. A text is refused by its shape, wherever the bundle masks the field so. A
/// year or a rounded number is a value like others: it is refused where it is what a permit could show this caller of
/// the stored one; and where the caller does not see that one, whatever it is, since the refusal would tell.
fn masks_sent(
    outlook: &Outlook,
    entity: &Entity,
    old: Option<(&Record, &Degrees)>,
    new: &Record,
    changed: &FieldSet,
) -> Result<(), Denied> {
    let (masks, could_round) = (masks(&outlook.policies, entity), could_round(outlook));
    let mut sent = FieldSet::EMPTY;
    for leaf in changed.iter() {
        let openness = old.and_then(|(_, degrees)| degrees.openness(leaf));
        let stored =
            |is_so: &dyn Fn(&Value) -> bool| old.is_some_and(|(old, _)| any_of(old, entity, leaf, is_so));
        let is_rounded = |value: &Value| match openness {
            None => old.is_some() && coarse(value).as_ref() == Some(value),
            Some(_) => stored(&|stored| coarse(stored).as_ref() == Some(value)),
        };
        let is_mask = |value: &Value| match value.as_text() {
            Some(text) => masks.make(leaf, text),
            None => could_round.contains(leaf) && is_rounded(value),
        };
        // Told apart only for who sees it: to others a mask and a value that looks like one are the same.
        let is_stored =
            |value: &Value| openness == Some(Openness::Shown) && stored(&|stored| stored == value);
        if any_of(new, entity, leaf, |value| is_mask(value) && !is_stored(value)) {
            sent.insert(leaf);
        }
    }
    if sent.is_empty() { Ok(()) } else { Err(Denied::Mask(paths(entity, &sent))) }
}

/// The masks that the bundle puts on an entity's leaves, whoever sees them. Pseudonyms stand for ids in every entity
/// that refers to them.
fn masks(policies: &Policies, entity: &Entity) -> Degrees {
    let mut masks = Degrees::default();
    let mut has_pseudonyms = false;
    for statement in &policies.statements {
        if let Some(grants) = statement.grants.get(&entity.name) {
            masks.join(&grants.shown);
        }
        has_pseudonyms |=
            statement.grants.values().any(|grants| !grants.shown.of(Openness::Pseudonym).is_empty());
    }
    // What an address out of its place is shown as comes back in the field where it stands.
    let plain = entity.plain();
    for contact in Contact::ALL {
        let leaves = entity.contacts(contact);
        for openness in Openness::ALL.into_iter().filter(|openness| *openness != Openness::Shown) {
            if !masks.of(openness).intersection(&leaves).is_empty() {
                masks.add(openness, &plain);
            }
        }
    }
    if has_pseudonyms {
        let is_id = |leaf: &LeafId| entity.leaf(*leaf).is_some_and(|leaf| leaf.kind == LeafKind::Id);
        masks.add(Openness::Pseudonym, &entity.ids().filter(is_id).collect());
    }
    masks
}

/// The leaves of which a permit could show this caller the year or the leading digit, in whatever context and of
/// whatever record.
fn could_round(outlook: &Outlook) -> FieldSet {
    let rules = outlook.sights().flat_map(|sight| &sight.rules).filter(|rule| rule.outcomes.holds);
    rules.fold(FieldSet::EMPTY, |all, rule| all.union(&rule.grants.shown.of(Openness::Coarse)))
}

fn any_of(record: &Record, entity: &Entity, leaf: LeafId, mut is_so: impl FnMut(&Value) -> bool) -> bool {
    let mut any = false;
    record.each(entity, leaf, &mut |value| any |= is_so(value));
    any
}

fn permitted(verdict: Verdict) -> Option<View> {
    match verdict {
        Verdict::Permitted(view) => Some(view),
        Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_) => None,
    }
}

/// Proof that a call to a system was judged.
#[derive(Debug)]
pub struct CallPermit {
    call: Call,
    grounds: Grounds,
}

impl CallPermit {
    /// What will be sent.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The permits that allowed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.grounds.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.grounds.detail
    }
}

/// Judges a call as it will be sent.
///
/// # Errors
/// [`Denied::Never`] where no permit holds or a forbid does, [`Denied::Erroring`].
pub fn judge_call(prospect: &Prospect) -> Result<CallPermit, Denied> {
    let Operation::Call(call) = prospect.operation() else { return Err(Denied::Never(Grounds::default())) };
    match prospect.outlook().verdict(None, None) {
        Verdict::Permitted(view) => Ok(CallPermit { call: call.clone(), grounds: view.grounds }),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => Err(Denied::Never(grounds)),
        Verdict::Erroring(statement) => Err(Denied::Erroring { statement, on: Basis::Request }),
    }
}
