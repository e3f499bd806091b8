//! What other records of a system tell of its records, asked for once an answer has come and before it is read.
//!
//! The system has to answer: one that does not refuses the request, as one that is away does. Nothing of it is told as
//! empty that nobody knows.

use super::{exchange::Exchange, over::fetched};
use crate::{
    config::EntitySource,
    mapping::{Answered, NativeAnswer},
    quota::Admission,
    refusal::Refusal,
    schema::FieldSet,
};

/// The answer with all that others tell of its records, as far as that is wanted; none where nobody had to be asked.
pub(super) async fn told(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (of, answer): (Answered<'_>, &NativeAnswer),
    wanted: &FieldSet,
) -> Result<Option<NativeAnswer>, Refusal> {
    let completion = source.mapping.completion(of, answer, wanted);
    let completion = completion.map_err(|fault| exchange.refused_by(source.name(), fault))?;
    let Some(mut completion) = completion else { return Ok(None) };
    while let Some(request) = completion.request() {
        let answer = fetched(exchange, admission, source, request).await?;
        completion.take(&answer).map_err(|fault| exchange.refused_by(source.name(), fault))?;
    }
    let body = completion.body().map_err(|fault| exchange.refused_by(source.name(), fault))?;
    Ok(Some(NativeAnswer { body, ..answer.clone() }))
}
