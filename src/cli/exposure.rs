//! `bramka exposure`: how much of each exposure budget is spent.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{
    Came,
    error::VerbError,
    out,
    own::{self, Data},
};
use crate::{clock, store::PurseRow};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka exposure\n  bramka exposure --json | jq '.[] | select(.shown == .most)'"
)]
pub(super) struct Arguments {
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        let data = Data::existing(&arguments.data)?;
        let store = data.store()?.ok_or_else(|| VerbError::NotThere("there is no store".into()))?;
        let purses = store.purses(clock::now().wall).await?;
        if arguments.json {
            let rows: Vec<_> = purses.iter().map(told).collect();
            out::say(&serde_json::Value::from(rows).to_string());
        } else if purses.is_empty() {
            out::say("nothing that a budget counts has been shown");
        } else {
            let rows: Vec<Vec<String>> = purses.iter().map(line).collect();
            out::table(&["budget", "of", "shown", "of at most", "until"], &rows);
        }
        Ok(Came::Right)
    })
}

/// The budget, `partner.order.day`, and whose it is, `partner/acme`.
fn apart(purse: &PurseRow) -> (String, String) {
    let mut parts = purse.key.splitn(4, '/');
    let mut part = || parts.next().unwrap_or_default();
    (format!("{}.{}.{}", part(), part(), part()), part().to_owned())
}

fn until(purse: &PurseRow) -> String {
    Timestamp::from_millisecond(purse.ends_at).map(out::moment).unwrap_or_default()
}

fn told(purse: &PurseRow) -> serde_json::Value {
    let (budget, of) = apart(purse);
    json!({ "budget": budget, "of": of, "shown": purse.count, "most": purse.most, "until": until(purse) })
}

fn line(purse: &PurseRow) -> Vec<String> {
    let (budget, of) = apart(purse);
    vec![budget, out::escaped(&of), purse.count.to_string(), purse.most.to_string(), until(purse)]
}
