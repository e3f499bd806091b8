//! After calls that lead fields of a record to values: whether the record came to them.
//!
//! A system that says yes to a call and leaves the record as it was has not done it, and this is told: as part of the
//! write where something else was done, else as the system's failure. A record that cannot be read back tells nothing;
//! the write is answered like any other of which no more is known.

use super::{
    after::{Left, seen},
    exchange::{Exchange, Progress},
    parts::failed,
    reading::fetch,
};
use crate::{
    catalog::Action,
    config::EntitySource,
    mapping::{Lead, PartChange, SystemFault},
    quota::Admission,
    refusal::Refusal,
    schema::{FieldSet, LeafId},
};

/// Refuses a write whose calls, all of them done, did not lead to the values. `left` is the record as it was read back,
/// and `key` its key in the system.
pub(super) async fn reached(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (key, left): (&str, &Left),
    (leads, calls): (&[Lead], usize),
) -> Result<(), Refusal> {
    for lead in leads {
        if came(exchange, admission, source, (key, left), lead).await {
            continue;
        }
        let text = "the system said yes to a call, and the record did not come to the value".to_owned();
        let cause = exchange.refused_by(source.name(), SystemFault::unreadable(text));
        let done = calls.saturating_sub(1);
        // What went before is done; of the only call nobody knows what it did.
        exchange.progress = if done > 0 { Progress::Nothing } else { Progress::Begun };
        let at = vec![(lead.pointer.clone(), PartChange::Led)];
        let id = match left {
            Left::Whole(_, id) | Left::Part(_, id) | Left::Unseen(Some(id)) => Some(id.to_string()),
            Left::Unseen(None) => None,
        };
        let is_new = admission.prospect().operation().action() == Action::Create;
        let is_seen = admission.prospect().visible().contains(LeafId(0));
        return Err(failed(exchange, (cause, at), (done, calls), id.filter(|_| is_new && is_seen)));
    }
    Ok(())
}

/// Whether a record came to a value, or cannot be asked.
async fn came(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (key, left): (&str, &Left),
    lead: &Lead,
) -> bool {
    match left {
        Left::Whole(record, _) | Left::Part(record, _)
            if seen(&source.mapping, admission.prospect()).contains(lead.leaf) =>
        {
            lead.is_reached(record)
        }
        // The caller does not see the field.
        Left::Whole(..) | Left::Part(..) => {
            let wanted: FieldSet = std::iter::once(lead.leaf).collect();
            let asked = (&wanted, &FieldSet::EMPTY);
            match fetch(exchange, admission, source, key, asked).await {
                Ok((_, back)) => lead.is_reached(&back.record),
                Err(refusal) => {
                    exchange.entry.note("read_back", refusal.reason());
                    true
                }
            }
        }
        Left::Unseen(_) => true,
    }
}
