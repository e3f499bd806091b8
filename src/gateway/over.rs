//! What lists run over: asked for before the first of their records is, and before one record is read by its key.

use std::sync::Arc;

use super::exchange::Exchange;
use crate::{
    clock,
    config::EntitySource,
    mapping::{NativeAnswer, NativeRequest, Parent, Parents, TooManyParents, Wanted},
    quota::Admission,
    refusal::Refusal,
    schema::{
        Filter,
        query::{QueryFault, QueryFaultKind},
    },
};

/// The parents that may hold what a filter asks for; none where the lists of a system run over nothing.
pub(super) async fn parents(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    filter: &Filter,
) -> Result<Option<Vec<Arc<Parent>>>, Refusal> {
    let Some(parents) = source.mapping.parents(Wanted::Filter(filter)) else { return Ok(None) };
    let parents = asked(exchange, admission, source, parents).await?;
    parents.all().map(Some).map_err(|too_many| beyond(source, too_many))
}

/// The parent of a record by its key; none where keys name none. A record of a parent that is not there is not there.
pub(super) async fn of(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
) -> Result<Option<Arc<Parent>>, Refusal> {
    if !source.mapping.names_parents() {
        return Ok(None);
    }
    let Some(parents) = source.mapping.parents(Wanted::Of(key)) else { return Ok(None) };
    let parents = asked(exchange, admission, source, parents).await?;
    let mut found = parents.all().map_err(|too_many| beyond(source, too_many))?;
    found.pop().map(Some).ok_or(Refusal::NoSuchRecord)
}

async fn asked<'m>(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    mut parents: Parents<'m>,
) -> Result<Parents<'m>, Refusal> {
    while let Some(request) = parents.request() {
        let answer = fetched(exchange, admission, source, request).await?;
        parents.take(&answer).map_err(|fault| exchange.refused_by(source.name(), fault))?;
    }
    Ok(parents)
}

/// What a system answers to one question on the way to an answer, written down as a call.
pub(super) async fn fetched(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    request: NativeRequest,
) -> Result<NativeAnswer, Refusal> {
    let receipt = exchange.entry.fetch(admission);
    let (began, sent) = (clock::now(), request.body.len());
    let (core, deadline) = (exchange.core.clone(), exchange.deadline());
    let request = exchange.traced(request);
    match source.upstream.fetch(&core.pools, &receipt, request, deadline).await {
        Ok(answer) => {
            exchange.called(source.name(), Some(answer.status.as_u16()), began, sent, answer.body.len());
            Ok(answer)
        }
        Err(error) => {
            exchange.called(source.name(), None, began, sent, 0);
            Err(exchange.unreached(source.name(), error))
        }
    }
}

/// More parents than a list may run over: which are meant, a filter has to say.
fn beyond(source: &EntitySource, TooManyParents { most }: TooManyParents) -> Refusal {
    let fields = source.mapping.parent_fields();
    let named = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" or ");
    let which = match fields.is_empty() {
        true => "and no field says which are meant".to_owned(),
        false => format!("say which are meant, by what {named} is equal to"),
    };
    let message = format!("the system behind this collection lists it in more than {most} parts: {which}");
    let parameter = fields.first().map_or_else(String::new, |field| (*field).to_owned());
    Refusal::Query(vec![QueryFault { parameter, kind: QueryFaultKind::Missing, message }])
}
