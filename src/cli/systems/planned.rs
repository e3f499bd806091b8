//! `bramka systems try --query`: how a system would be asked for a list, and what of it the gate does itself.

use serde_json::{Value as Json, json};

use super::{exact, trial::Paint};
use crate::{
    cli::{Came, error::VerbError, out},
    clock,
    mapping::{ListError, Mapping, NativeRequest, Planned, Said},
    schema::query::{self, Limits},
};

/// Shows it: the request, and each part of the query with who does it.
pub(super) fn show(mapping: &Mapping, raw: &str, as_json: bool, paint: &Paint) -> Result<Came, VerbError> {
    let (entity, all) = (mapping.entity(), mapping.entity().all());
    let read = query::read(entity, query::pairs(raw.trim_start_matches('?')), &all, &all, &Limits::default());
    let (query, _) = read.map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        VerbError::Misused(format!("`{raw}` is no query of {}: {}", mapping.name(), faults.join("; ")))
    })?;
    let asked = query.filter.leaves().union(&query.sort.iter().map(|sort| sort.leaf).collect());
    let unheld = asked.minus(&mapping.mapped());
    if let Some(leaf) = unheld.iter().find_map(|leaf| entity.leaf(leaf)) {
        let message = format!("no line gives `{}`, so a gate refuses this query (400)", leaf.path.as_str());
        return Err(VerbError::NotThere(message));
    }
    let fields = query.fields.unwrap_or(all).union(&asked);
    let planned = mapping
        .planned(&query, &fields, query.limit, clock::now().wall)
        .map_err(|error| VerbError::NotThere(refused(&error)))?;
    match as_json {
        true => out::say(&told(mapping, &planned).to_string()),
        false => say(&planned, paint),
    }
    Ok(Came::Right)
}

fn refused(error: &ListError) -> String {
    format!("a gate refuses this query: {error}")
}

fn said(part: &Said) -> Json {
    json!({ "what": part.told, "by": if part.left.is_none() { "system" } else { "gate" }, "why": part.left })
}

fn request(request: &NativeRequest) -> Json {
    let body = match request.body.is_empty() {
        true => Json::Null,
        false => serde_json::from_slice(&request.body)
            .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(&request.body).into_owned())),
    };
    json!({ "method": request.method.as_str(), "target": request.target, "body": body })
}

fn told(mapping: &Mapping, planned: &Planned) -> Json {
    let over = planned.over.as_ref();
    json!({
        "entity": mapping.name().as_str(),
        "list": { "place": planned.variant.0, "of": planned.variant.1, "keys": planned.is_keys },
        "over": over.map(|over| json!({ "request": over.asked.as_ref().map(request), "key": over.key, "met": over.is_met })),
        "request": request(planned.read.as_ref().unwrap_or(&planned.listing.request)),
        "reads": planned.read.is_some(),
        "filter": planned.filter.iter().map(said).collect::<Vec<_>>(),
        "sort": planned.sort.as_ref().map(said),
    })
}

fn sent(request: &NativeRequest) {
    out::say(&format!("{} {}", request.method, request.target));
    for (name, value) in &request.headers {
        out::say(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    if !request.body.is_empty() {
        out::say(&exact::pretty(&String::from_utf8_lossy(&request.body)));
    }
}

fn say(planned: &Planned, paint: &Paint) {
    let over = planned.over.as_ref().filter(|_| planned.read.is_none());
    if let Some(asked) = over.and_then(|over| over.asked.as_ref()) {
        out::say(&paint.head("asked of the system for what the list runs over"));
        sent(asked);
    }
    let (place, of) = planned.variant;
    let which = if of > 1 { format!(", by {place} of {of} under `list`") } else { String::new() };
    match &planned.over {
        _ if planned.read.is_some() => {
            out::say(&paint.head("asked of the system, for each record by itself"));
            planned.read.iter().for_each(sent);
        }
        Some(over) if !over.is_met => {
            out::say(&paint.head("nothing is asked: the filter leaves out all that the list runs over"));
        }
        over => {
            let each = over.as_ref().map(|over| format!(", once for each of them, as for `{}`", over.key));
            out::say(&paint.head(&format!("asked of the system{which}{}", each.unwrap_or_default())));
            sent(&planned.listing.request);
        }
    }
    if planned.is_keys && planned.read.is_none() {
        out::say("its rows are keys: the records are read by further requests");
    }
    let all = || planned.filter.iter().chain(&planned.sort);
    let order = |part: &Said| match planned.sort.as_ref().is_some_and(|sort| std::ptr::eq(sort, part)) {
        true => format!("sort={}", part.told),
        false => part.told.clone(),
    };
    let list = |head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out::say(&paint.head(head));
            lines.iter().for_each(|line| out::say(line));
        }
    };
    let goes = all().filter(|part| part.left.is_none()).map(|part| format!("  {}", order(part)));
    list("goes along", goes.collect());
    let stays = all().filter_map(|part| Some(format!("  {}: {}", order(part), part.left?)));
    list("done by the gate", stays.collect());
    if !planned.filter.is_empty() {
        out::say("whatever comes is looked through for all conditions once more");
    }
}
