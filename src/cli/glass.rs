//! `bramka break-glass`: approve for somebody else, list, and end.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Came,
    error::VerbError,
    out,
    own::{self, Data, Record},
};
use crate::{
    clock,
    store::{GlassRow, Store},
    words::{Kind, Period},
};

/// LIMIT: hours that an approval lasts at most.
const HOURS_MAX: i64 = 24;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let somebody break the glass again, or for longer than an hour: a second person says so
    Approve(Approve),
    /// List who broke it, when, why, until when, and who approved
    List(List),
    /// End it now
    Mend(Mend),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bramka break-glass approve --user mila --by anna --for 4h --reason \"INC-42: orders stuck\""
)]
pub(super) struct Approve {
    /// For whom: the id of a user whom a statement with @breakglass names
    #[arg(long)]
    user: String,
    /// Who approves: the id of another user, as in principals/*.yaml
    #[arg(long)]
    by: String,
    /// How long: 30m, 4h
    #[arg(long = "for", value_name = "PERIOD")]
    lasts: Period,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: super::token::Where,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Mend {
    /// Whose
    #[arg(long)]
    user: String,
    #[command(flatten)]
    place: super::token::Where,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        match command {
            Command::Approve(arguments) => approve(arguments).await,
            Command::List(arguments) => list(arguments).await,
            Command::Mend(arguments) => mend(arguments).await,
        }
    })
}

async fn approve(arguments: &Approve) -> Result<Came, VerbError> {
    let Approve { user, by, lasts, reason, place } = arguments;
    if user == by {
        return Err(VerbError::Misused("somebody else has to approve: `--by` is not `--user`".into()));
    }
    let most = std::time::Duration::from_secs(u64::try_from(HOURS_MAX).unwrap_or(0).saturating_mul(3600));
    if lasts.0.is_zero() || lasts.0 > most {
        return Err(VerbError::Misused(format!("`--for` is at most {HOURS_MAX}h and more than nothing")));
    }
    let is_plain = |c: char| !c.is_control();
    if reason.trim().is_empty() || reason.len() > 256 || !reason.chars().all(is_plain) {
        return Err(VerbError::Misused("`--reason` has 1 to 256 bytes of plain text".into()));
    }
    let (gate, sources) = own::sources(&place.policies)?;
    for id in [user, by] {
        let known = sources.registry().get(Kind::User, id);
        if known.is_none_or(|known| known.disabled || known.partner.is_some()) {
            return Err(VerbError::NotThere(format!(
                "`{}` is no user of the company's own in principals/ who is let in",
                out::escaped(id)
            )));
        }
    }
    let data = Data::existing(&place.data)?;
    let store = data.store()?.ok_or_else(|| VerbError::NotThere("there is no store".into()))?;
    let now = clock::now();
    let opened_at = now.wall.as_millisecond();
    let millis = i64::try_from(lasts.0.as_millis()).unwrap_or(0);
    let row = GlassRow {
        user: user.clone(),
        opened_at,
        ends_at: opened_at.saturating_add(millis),
        reason: reason.clone(),
        approved_by: Some(by.clone()),
    };
    let until = moment(row.ends_at);
    recorded(
        &data,
        &gate,
        &store,
        "glass-approve",
        &[("user", user), ("approved_by", by)],
        &[("until", &until), ("reason", reason)],
    )
    .await?;
    store.approve_glass(row).await?;
    out::note(&format!("{user} may break the glass until {until}; {by} approved"));
    Ok(Came::Right)
}

async fn mend(arguments: &Mend) -> Result<Came, VerbError> {
    let Mend { user, place } = arguments;
    let data = Data::existing(&place.data)?;
    let gate = data.acting_gate(&place.policies)?;
    let store = data.store()?.ok_or_else(|| VerbError::NotThere("there is no store".into()))?;
    recorded(&data, &gate, &store, "glass-mend", &[("user", user)], &[]).await?;
    match store.mend_glass(user.clone(), clock::now().wall).await? {
        0 => {
            let user = out::escaped(user);
            Err(VerbError::NotThere(format!("no glass is broken by `{user}`; see `bramka break-glass list`")))
        }
        _ => {
            out::note(&format!("{user}: ended"));
            Ok(Came::Right)
        }
    }
}

/// The act on users, as an entry of its own, before it is done.
async fn recorded(
    data: &Data,
    gate: &str,
    store: &Store,
    act: &'static str,
    users: &[(&str, &str)],
    details: &[(&str, &str)],
) -> Result<(), VerbError> {
    let record = Record::open(data, gate, clock::now())?;
    // Who they are, as every entry has it.
    let digest = |id: &str| record.subject(Kind::User.as_str(), id).digest().to_string();
    let users: Vec<(&str, String)> = users.iter().map(|(name, id)| (*name, digest(id))).collect();
    let users = users.iter().map(|(name, digest)| (*name, digest.as_str()));
    let details: Vec<(&str, &str)> = users.chain(details.iter().copied()).collect();
    let told = record.act(act, &details).await;
    record.close(store).await?;
    told?;
    Ok(())
}

async fn list(arguments: &List) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.data)?;
    let store = data.store()?.ok_or_else(|| VerbError::NotThere("there is no store".into()))?;
    let all = store.glass().await?;
    if arguments.json {
        let told = |row: &GlassRow| {
            json!({
                "user": row.user,
                "from": moment(row.opened_at),
                "until": moment(row.ends_at),
                "reason": row.reason,
                "approved_by": row.approved_by,
            })
        };
        let all: Vec<_> = all.iter().map(told).collect();
        out::say(&serde_json::Value::from(all).to_string());
    } else if all.is_empty() {
        out::say("nobody has broken the glass");
    } else {
        let line = |row: &GlassRow| {
            let by = row.approved_by.as_deref().unwrap_or("-");
            let (from, until) = (moment(row.opened_at), moment(row.ends_at));
            vec![out::escaped(&row.user), from, until, out::escaped(by), out::escaped(&row.reason)]
        };
        let rows: Vec<Vec<String>> = all.iter().map(line).collect();
        out::table(&["user", "from", "until", "approved by", "reason"], &rows);
    }
    Ok(Came::Right)
}

fn moment(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map(out::moment).unwrap_or_default()
}
