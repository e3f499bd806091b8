//! A request that was made, as the journal has it.

use serde_json::Value as Json;

use super::Explain;
use crate::{
    audit::Query,
    cli::{
        Came,
        audit::{
            looking::{Looking, Place},
            tell_gone,
        },
        error::VerbError,
        out, own,
        policy::replay::naming,
        serve,
    },
    explaining::{ENTRIES_MAX, Station, bundle_of},
    replay::{Bundle, KeptByDigest},
};

pub(super) fn run(request: &str, arguments: &Explain) -> Result<Came, VerbError> {
    let looking = Looking::open(&Place::of(&arguments.data))?;
    // ORDER: the entry of this reading before what is read.
    own::runtime()?.block_on(looking.record(&format!("explanation of the exchange {request}")));
    let query = Query { request: Some(request.to_owned()), ..Query::default() };
    let hits = looking.ask(|index| index.newest(&query, ENTRIES_MAX))?.hits;
    if hits.is_empty() {
        tell_gone(&looking.data.audit().join(&looking.gate), None)?;
        let told = format!("the journal has no exchange `{}`", request.escape_debug());
        return Err(VerbError::NotThere(told));
    }
    let policies = &arguments.place.policies;
    let kept =
        KeptByDigest::of(&arguments.data, &serve::base(policies), naming(&looking.data, &looking.gate)?);
    let find = |digest| kept.find(digest);
    let are_kept = hits.iter().all(|hit| bundle_of(&hit.line).and_then(find).is_some());
    // The policies here are looked at only where those that decided are not kept.
    let here = match are_kept {
        true => None,
        false => Some(Bundle::load(policies, &serve::base(policies), kept.ids()).map_err(VerbError::Bundle)?),
    };
    let here = here.as_ref().map(|here| &here.snapshot);
    let all: Vec<Station> =
        hits.iter().map(|hit| Station::of((&hit.lane, &hit.line), here, &looking.keys, &find)).collect();
    if arguments.json {
        out::say(&Json::from(all.iter().map(Station::json).collect::<Vec<_>>()).to_string());
    } else {
        all.iter().flat_map(Station::lines).for_each(|line| out::say(&line));
    }
    Ok(Came::Right)
}
