//! Whether a write still holds on the record as the system will hold it: with the constants of its mapping, and with
//! what the system puts together of what is sent. Nobody writes these, so they need no permit to change; but what is
//! forbidden of such a record is forbidden.

use crate::{
    policy::{Basis, Denied, Outlook, Verdict},
    schema::{Entity, FieldSet, Record},
    words::FieldPath,
};

/// Judges a write that was permitted, of which the leaves `changed` change, on the record that it will leave behind.
///
/// # Errors
/// [`Denied`], as on the new record.
pub(crate) fn holds(
    outlook: &Outlook,
    entity: &Entity,
    held: &Record,
    is_guarded: Option<bool>,
    changed: &FieldSet,
) -> Result<(), Denied> {
    match outlook.verdict(Some(held), is_guarded) {
        Verdict::Permitted(view) => {
            let beyond = changed.intersection(&entity.writable()).minus(&view.writes());
            if beyond.is_empty() { Ok(()) } else { Err(Denied::Fields(paths(entity, &beyond))) }
        }
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => Err(Denied::New(grounds)),
        Verdict::Erroring(statement) => Err(Denied::Erroring { statement, on: Basis::New }),
    }
}

/// The names of some leaves.
pub(super) fn paths(entity: &Entity, leaves: &FieldSet) -> Vec<FieldPath> {
    leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.clone()).collect()
}
