//! What is answered of a new record that a system has accepted, and of which it is not known yet that it is made.

use serde_json::{Map, Value as Json, json};

use super::{Exposed, reference};

/// What the schema of such an answer is called.
pub(super) const NAME: &str = "Accepted";

pub(super) fn schema() -> Json {
    json!({
        "type": "object",
        "required": ["state"],
        "properties": { "state": { "const": "accepted" } },
    })
}

/// The answer to the create; none where it always tells the record. `shown` is what else it may tell.
pub(super) fn first(exposed: &Exposed<'_>, shown: &Json) -> Option<Json> {
    let all = format!("/v1/{}", exposed.entity.collection);
    let asked = format!(
        "Accepted: the system says later what became of it. A `GET` of `Location` (`{all}/accepted-…`) asks for that, \
         as the same again with its `Idempotency-Key` does: `202` still, the record, or why it was refused. Do not send \
         it without that key meanwhile"
    );
    let unseen = format!(
        "Made or accepted, and not to be read back now: the body has the `id` where the system told one, and then \
         `Location` is `{all}/{{id}}`; otherwise both are left out"
    );
    let (description, body) = match (exposed.accepted.is_asked_for, exposed.accepted.is_unseen) {
        (false, false) => return None,
        (true, false) => (asked, reference(NAME)),
        (false, true) => (unseen, shown.clone()),
        (true, true) => (format!("{asked}. Or: {unseen}"), json!({ "anyOf": [reference(NAME), shown] })),
    };
    Some(response(&description, body, exposed.accepted.is_asked_for))
}

/// The answer to who asks what became of it; none where nobody is told where to.
pub(super) fn still(exposed: &Exposed<'_>) -> Option<Json> {
    let description =
        "Only of the `id` that `Location` of a `202` named: the system has not said what became of it";
    exposed.accepted.is_asked_for.then(|| response(description, reference(NAME), true))
}

fn response(description: &str, body: Json, is_asked_for: bool) -> Json {
    let place = if is_asked_for { "Where to ask" } else { "Where the record is, or will be" };
    let location = json!({ "description": place, "schema": { "type": "string" } });
    let mut headers = Map::from_iter([("Location".to_owned(), location)]);
    if is_asked_for {
        let after =
            json!({ "description": "Seconds until it is worth asking", "schema": { "type": "integer" } });
        headers.insert("Retry-After".to_owned(), after);
    }
    json!({ "description": description, "headers": headers, "content": { "application/json": { "schema": body } } })
}
