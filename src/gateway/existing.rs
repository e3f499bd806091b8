//! A record that is there already: its id for who may read it.
//!
//! A system that has such a record says so, and often which one. The caller who looked for it in vain, because the
//! system's index lies behind, needs that id; a caller who may not read the record does not get it.

use compact_str::CompactString;

use super::{exchange::Exchange, reading::fetch};
use crate::{
    config::EntitySource,
    mapping::FaultKind,
    policy::WritePermit,
    quota::Admission,
    refusal::Refusal,
    schema::{FieldSet, LeafId},
};

/// The refusal of a new record, with the id of the one that is there where this caller's own `read` shows it.
pub(super) async fn told(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    refusal: Refusal,
) -> Refusal {
    let Refusal::System(system, fault) = refusal else { return refusal };
    let FaultKind::Duplicate { existing: Some(key) } = &fault.kind else {
        return Refusal::System(system, fault);
    };
    let key = CompactString::from(key.as_str());
    let seen = super::after::seen(&source.mapping, admission.prospect());
    // By key, never by a search: an index may lag behind.
    match fetch(exchange, admission, source, &key, (&seen, &FieldSet::EMPTY)).await {
        Ok((_, there)) if permit.shows(&there.record, LeafId(0)) => {
            let id = super::ids::of(source.mapping.entity(), &there);
            Refusal::Existing { system, fault, id }
        }
        Ok(_) => Refusal::System(system, fault),
        Err(cause) => {
            exchange.entry.note("existing", cause.reason());
            Refusal::System(system, fault)
        }
    }
}
