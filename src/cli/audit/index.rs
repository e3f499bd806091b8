//! `bramka audit index`: makes the index ahead of time, so that nobody waits for it later.

use clap::Args;
use serde_json::json;

use super::{
    looking::{Looking, Place},
    subject::lane_json,
};
use crate::cli::{Came, error::VerbError, out};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka audit index\n  bramka audit index --data /var/lib/bramka --json\n\n\
    The other verbs do the same where it is needed. It can be taken away at any time: it is made of the journal, and never \
    believed where the journal says otherwise.\n\
    Exit code 0: all of the journal is in it. 1: some of it could not be read. 2: misused."
)]
pub(in crate::cli) struct MakeIndex {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &MakeIndex) -> Result<Came, VerbError> {
    let looking = Looking::open(&arguments.place)?;
    // ORDER: the entry of this reading before what is read.
    looking.record("all of it, for its index").await;
    let (made, lanes, faults) = looking.ask(|index| {
        Ok((index.made(), index.lanes().cloned().collect::<Vec<_>>(), index.faults().to_vec()))
    })?;
    if arguments.json {
        let lanes: Vec<_> = lanes.iter().map(lane_json).collect();
        let faults: Vec<_> =
            faults.iter().map(|fault| json!({ "place": fault.place, "what": fault.what })).collect();
        out::say(
            &json!({ "gate": looking.gate, "made": made, "lanes": lanes, "faults": faults }).to_string(),
        );
    } else {
        for lane in &lanes {
            out::say(&format!("lane {}: entries {} to before {}", lane.lane, lane.from, lane.to));
        }
        out::note(&format!("{made} entries were new"));
    }
    for fault in &faults {
        out::note(&format!("not all of the journal could be read: {}: {}", fault.place, fault.what));
    }
    Ok(if faults.is_empty() { Came::Right } else { Came::Wrong })
}
