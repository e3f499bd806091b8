//! Before a write: keys that the system wants where the caller has codes. Searches are reads; nothing is changed yet.

use super::{exchange::Exchange, writing::unmappable};
use crate::{
    clock, config::EntitySource, mapping::Found, quota::Admission, refusal::Refusal, schema::Record,
};

/// Searches for every code that a write sends; without `old`, for every code of the new record.
pub(super) async fn found(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (old, new): (Option<&Record>, &Record),
    is_new: bool,
) -> Result<Found, Refusal> {
    let mapping = &source.mapping;
    let searches = mapping
        .searches(old, new, is_new)
        .map_err(|faults| unmappable(exchange, admission.prospect(), mapping, faults))?;
    let mut found = Found::default();
    for mut search in searches {
        let receipt = exchange.entry.fetch(admission);
        let Some(request) = search.request() else { continue };
        let request = exchange.traced(request);
        let (began, sent) = (clock::now(), request.body.len());
        let core = exchange.core.clone();
        let answer = source.upstream.fetch(&core.pools, &receipt, request, exchange.deadline()).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                exchange.called(source.name(), None, began, sent, 0);
                return Err(exchange.unreached(source.name(), error));
            }
        };
        exchange.called(source.name(), Some(answer.status.as_u16()), began, sent, answer.body.len());
        mapping
            .found(&search, &answer, &mut found)
            .map_err(|fault| exchange.refused_by(mapping.system(), fault))?;
    }
    Ok(found)
}
