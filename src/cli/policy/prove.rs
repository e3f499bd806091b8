//! `bramka policy prove`: whether what somebody wants to be sure of holds, whoever asks and whatever the record.

mod lines;

use std::io;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::{SecretsOf, Where, load};
use crate::{
    catalog::Action,
    claims::{Answer, Covered, Door, Opening, Outcome, Sentence, prove},
    cli::{Came, error::VerbError, out},
    policy::Context,
    schema::{Entity, FieldSet, Record, json},
    words::StatementId,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka policy prove 'no Group::\"partners\" reads Invoice.margin'\n  \
    bramka policy prove 'no anyone but Group::\"finance\" reads any confidential field' --json\n  \
    bramka policy prove 'no Partner calls System::\"erp\"' 'no anyone of \"acme\" deletes Order'\n\n\
    A sentence: no WHO [but WHO {or WHO}] DEED WHAT\n  \
    WHO   anyone, anyone of \"PARTNER\", App, Partner, User, Anonymous, App::\"ID\", Group::\"NAME\"\n  \
    DEED  reads, creates, changes, writes, deletes, calls, reaches\n  \
    WHAT  Entity, Entity.field, any CLASS field [of Entity], System::\"NAME\"\n\n\
    Exit code 0: all are proved. 1: one is not. Proved: statements leave no way, whatever the record and the\n\
    circumstances. Reached: a request and a record are told that get there. Cannot tell: a way may be open.")]
pub(in crate::cli) struct Prove {
    /// What must not be, each a sentence
    #[arg(required = true, value_name = "SENTENCE")]
    sentences: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &Prove) -> Result<Came, VerbError> {
    let loaded = load(&arguments.place.policies, SecretsOf::Nobody).map_err(VerbError::Bundle)?;
    let snapshot = &loaded.snapshot;
    let understood = arguments.sentences.iter().map(|text| Sentence::parse(text, snapshot));
    let sentences: Vec<Sentence> =
        understood.collect::<Result<_, _>>().map_err(|bad| VerbError::Misused(bad.to_string()))?;
    let covered = Covered::of(snapshot);
    let answers: Vec<Answer> = sentences.iter().map(|sentence| prove(snapshot, &covered, sentence)).collect();
    let entity = |name: &str| snapshot.schema.entity(name).map(|entity| &**entity);
    if arguments.json {
        let told: Vec<Json> = answers.iter().map(|answer| as_json(answer, &entity)).collect();
        out::say(&json!({ "bundle": snapshot.digest.to_string(), "answers": told }).to_string());
    } else {
        lines::text(&answers, &entity, out::colour(&io::stdout())).iter().for_each(|line| out::say(line));
    }
    let all = answers.iter().all(|answer| answer.outcome() == Outcome::Proved);
    Ok(if all { Came::Right } else { Came::Wrong })
}

fn as_json<'e>(answer: &Answer, entity: &dyn Fn(&str) -> Option<&'e Entity>) -> Json {
    let ids = |ids: &[StatementId]| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    let opening = |opening: &Opening| {
        json!({
            "who": opening.who,
            "door": door(&opening.door),
            "fields": opening.fields.iter().map(|path| path.as_str()).collect::<Vec<_>>(),
            "permits": ids(&opening.permits),
            "against": ids(&opening.against),
            "witness": case(opening, entity),
        })
    };
    json!({
        "sentence": answer.sentence,
        "answer": answer.outcome().as_str(),
        "covered": answer.covered,
        "doors": answer.doors.iter().map(door).collect::<Vec<_>>(),
        "openings": answer.openings.iter().map(opening).collect::<Vec<_>>(),
        "by_glass": answer.by_glass.iter().map(opening).collect::<Vec<_>>(),
    })
}

fn written(entity: &Entity, record: &Record, fields: Option<&FieldSet>) -> Option<Json> {
    let mut text = Vec::new();
    json::write(entity, record, fields, &mut text);
    serde_json::from_slice(&text).ok()
}

/// A door in a few words.
fn door(door: &Door) -> String {
    match door {
        Door::Schema(action, subject) => format!("{} {}", action.as_str(), subject.as_str()),
        Door::Call(system) => format!("call {system}"),
    }
}

/// An opening in a line: who, by which door, which fields.
pub(super) fn opened(opening: &Opening) -> String {
    let fields: Vec<String> = opening.fields.iter().map(|path| path.as_str().to_owned()).collect();
    let of = if fields.is_empty() { String::new() } else { format!(" ({})", lines::some(&fields)) };
    format!("{}: {}{of}", lines::some(&opening.who), door(&opening.door))
}

/// The method, where it is not the one that a case is asked by anyhow.
fn method<'c>(opening: &Opening, context: &'c Context) -> Option<&'c str> {
    let usual = match &opening.door {
        Door::Schema(Action::Read | Action::List, _) => "GET",
        Door::Schema(Action::Create, _) => "POST",
        Door::Schema(Action::Update, _) => "PATCH",
        Door::Schema(Action::Delete, _) => "DELETE",
        Door::Schema(Action::Call, _) | Door::Call(_) => return None,
    };
    Some(context.method().as_str()).filter(|method| *method != usual)
}

/// What a record names, by the fields that name it.
fn named<'e>(record: &Record, of: &Entity, entity: &dyn Fn(&str) -> Option<&'e Entity>) -> Map<String, Json> {
    let related = record.all_related().iter().filter_map(|related| {
        let to = entity(of.points_to(related.by)?.as_str())?;
        Some((of.leaf(related.by)?.path.to_string(), written(to, &related.record, None)?))
    });
    related.collect()
}

/// A witness as a case of `tests/*.yaml`, which is YAML as much as it is JSON.
fn case<'e>(opening: &Opening, entity: &dyn Fn(&str) -> Option<&'e Entity>) -> Option<Json> {
    let (who, witness) = opening.witness.as_ref()?;
    let context = &witness.context;
    let mut case = json!({
        "as": who,
        "scopes": witness.facts.scopes,
        "over": {
            "tls": context.is_tls(),
            "address": context.address().to_string(),
            "listener": context.listener().as_str(),
            "at": context.time().map(|time| time.to_string()),
            "token_age": witness.facts.issued_at.zip(context.time()).map(|(issued, at)| at.as_second().saturating_sub(issued.as_second()).max(0)),
            "method": method(opening, context),
            "bytes": context.bytes(),
            "chunked": (!context.has_bytes()).then_some(true),
            "glass": context.is_broken().then_some(true),
            "purpose": context.purpose(),
            "user_agent": context.user_agent(),
        },
        "expect": { "outcome": "permitted" },
    });
    let groups: Vec<&str> = witness.facts.groups.iter().map(|group| group.as_str()).collect();
    let map = case.as_object_mut()?;
    if !groups.is_empty() {
        map.insert("groups".to_owned(), json!(groups));
    }
    match (&opening.door, &witness.record, &witness.call) {
        (Door::Schema(action, subject), Some(record), _) => {
            map.insert("action".to_owned(), json!(action.as_str()));
            map.insert("entity".to_owned(), json!(subject.as_str()));
            let of = entity(subject.as_str())?;
            map.insert("record".to_owned(), written(of, record, None)?);
            let related = named(record, of, entity);
            if !related.is_empty() {
                map.insert("related".to_owned(), Json::Object(related));
            }
            if let (Some(changed), Some(field)) = (&witness.changed, opening.fields.first()) {
                // A list is sent whole.
                let whole = field.as_str().split('.').next().unwrap_or_default();
                map.insert("change".to_owned(), written(of, changed, Some(&of.leaves_under(whole)))?);
            }
        }
        (Door::Call(system), _, Some(call)) => {
            map.insert("action".to_owned(), json!("call"));
            let called = json!({ "system": system.as_str(), "method": call.method.as_str(), "path": call.path.as_str() });
            map.insert("call".to_owned(), called);
        }
        (Door::Schema(..), None, _) | (Door::Call(_), _, None) => return None,
    }
    if let Some(Json::Object(over)) = map.get_mut("over") {
        over.retain(|_, value| !value.is_null());
    }
    Some(case)
}
