//! `bramka ids`: which keys stand behind an id that callers see, and joining the keys of another system to it, so that
//! ids survive an exchange of systems.
//!
//! It works beside a gate that serves. A joining is an act, so it is in the journal before it is done; without that
//! nothing is done. What is only looked at changes nothing, and makes no id.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args, Subcommand};
use compact_str::CompactString;
use serde_json::json;

use super::{
    Came,
    error::VerbError,
    out,
    own::{self, Data, Record},
};
use crate::{
    clock,
    crosswalk::{Crosswalk, CrosswalkError, PublicId},
    store::{Doing, NativeKey, Store, Swap, Swapped},
    words::{EntityName, SystemName},
};

/// LIMIT: bytes of a file of keys.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// LIMIT: lines that are told to be wrong.
const TOLD_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell which keys stand behind an id, or which id a key has
    Show(Show),
    /// Say which records of another system are those that have ids already
    Join(Join),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka ids show Customer/0h4p5q0d3c8r1b6n2m7t9k5v8s\n  \
    bramka ids show Customer --key erp:20000")]
pub(super) struct Show {
    /// Entity/ID of a record, or the entity alone with `--key`
    #[arg(value_name = "ENTITY[/ID]")]
    record: String,
    /// The system and its key of the record
    #[arg(long, value_name = "SYSTEM:KEY", value_parser = key)]
    key: Option<(SystemName, CompactString)>,
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["key", "file"]),
    after_help = "Examples:\n  bramka ids join Customer/0h4p5q0d3c8r1b6n2m7t9k5v8s erp-new:C-1 --yes\n  \
    bramka ids join Order --from erp --to erp-new --file keys.csv\n  \
    bramka ids join Order --from erp --to erp-new --file keys.csv --yes\n\n\
    A file has a line `old key,new key` for each record; all of them are joined, or none. Join before `gateway.yaml` \
    names the new system: a record that was read there before has an id of its own, and keeps it."
)]
pub(super) struct Join {
    /// Entity/ID of a record, or the entity alone with `--file`
    #[arg(value_name = "ENTITY[/ID]")]
    record: String,
    /// The system that knows it too, and its key there
    #[arg(value_name = "SYSTEM:KEY", value_parser = key)]
    key: Option<(SystemName, CompactString)>,
    /// A CSV file of keys: old key,new key
    #[arg(long, value_name = "FILE", requires = "from", requires = "to")]
    file: Option<PathBuf>,
    /// The system whose keys stand first in the file
    #[arg(long, value_name = "SYSTEM", requires = "file")]
    from: Option<String>,
    /// The system whose keys stand second
    #[arg(long, value_name = "SYSTEM", requires = "file")]
    to: Option<String>,
    /// Do it; without this it is only told what would be done
    #[arg(long)]
    yes: bool,
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Which gate's journal, where the folder holds several
    #[arg(long)]
    gate: Option<String>,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        match command {
            Command::Show(arguments) => show(arguments).await,
            Command::Join(arguments) => join(arguments).await,
        }
    })
}

async fn show(arguments: &Show) -> Result<Came, VerbError> {
    let (_, store) = opened(&arguments.data)?;
    let crosswalk = Crosswalk::new(store, 0);
    let (entity, id) = match (&arguments.key, record(&arguments.record)?) {
        (None, (entity, Some(id))) => (entity, id),
        (Some((system, native)), (entity, None)) => {
            let id = known(&crosswalk, &entity, system, native).await?;
            (entity, id)
        }
        (Some(_), (_, Some(_))) | (None, (_, None)) => {
            let why = "name a record, `Entity/ID`, or an entity and `--key SYSTEM:KEY`";
            return Err(VerbError::Misused(why.into()));
        }
    };
    let keys = keys(&crosswalk, &entity, id).await?;
    if keys.is_empty() {
        return Err(VerbError::NotThere(format!("no {entity} has the id `{id}`")));
    }
    if arguments.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|(system, key)| json!({ "system": system.as_str(), "key": key.as_str() }))
            .collect();
        out::say(&json!({ "entity": entity.as_str(), "id": id.to_string(), "keys": keys }).to_string());
        return Ok(Came::Right);
    }
    out::say(&format!("{entity}/{id}"));
    keys.iter().for_each(|(system, key)| out::say(&format!("  {system}:{key}")));
    Ok(Came::Right)
}

/// The systems that know a record, and its keys there.
pub(super) async fn keys(
    crosswalk: &Crosswalk,
    entity: &EntityName,
    id: PublicId,
) -> Result<Vec<(SystemName, CompactString)>, VerbError> {
    crosswalk.keys(entity, id).await.map_err(failed)
}

/// The id of a key that was read before.
pub(super) async fn known(
    crosswalk: &Crosswalk,
    entity: &EntityName,
    system: &SystemName,
    native: &CompactString,
) -> Result<PublicId, VerbError> {
    let key = NativeKey { entity: entity.clone(), system: system.clone(), native: native.clone() };
    let id = crosswalk.known(key).await.map_err(failed)?;
    id.ok_or_else(|| {
        VerbError::NotThere(format!(
            "no {entity} has the key `{native}` in `{system}`, as far as any gate has seen"
        ))
    })
}

async fn join(arguments: &Join) -> Result<Came, VerbError> {
    let (data, store) = opened(&arguments.data)?;
    let crosswalk = Crosswalk::new(store.clone(), 0);
    let swap = match (&arguments.file, &arguments.from, &arguments.to, &arguments.key) {
        (Some(file), Some(from), Some(to), None) => {
            let (entity, None) = record(&arguments.record)? else {
                return Err(VerbError::Misused("with `--file` name the entity alone".into()));
            };
            let (from, to) = (SystemName::new(from.as_str()), SystemName::new(to.as_str()));
            Swap { entity, from, to, pairs: pairs(file)? }
        }
        (_, _, _, Some((to, native))) => {
            let (entity, Some(id)) = record(&arguments.record)? else {
                return Err(VerbError::Misused("name the record that has an id: `Entity/ID`".into()));
            };
            // One record, by any of the keys that it has already.
            let keys = keys(&crosswalk, &entity, id).await?;
            let Some((from, old)) = keys.into_iter().next() else {
                return Err(VerbError::NotThere(format!("no {entity} has the id `{id}`")));
            };
            Swap { entity, from, to: to.clone(), pairs: vec![(old, native.clone())] }
        }
        _ => return Err(VerbError::Misused("name one key, or a file of them".into())),
    };
    let rehearsed = crosswalk.swap(swap.clone(), Doing::Rehearsal).await.map_err(failed)?;
    if !rehearsed.refused.is_empty() {
        return Err(refused(&swap, &rehearsed));
    }
    if !arguments.yes {
        tell("would be joined", &rehearsed);
        out::note("nothing was done; say `--yes` to do it");
        return Ok(Came::Right);
    }
    let done = recorded(&data, &store, arguments.gate.as_deref(), &crosswalk, &swap).await?;
    if !done.refused.is_empty() {
        return Err(refused(&swap, &done));
    }
    tell("joined", &done);
    Ok(Came::Right)
}

/// Writes it down, and does it.
async fn recorded(
    data: &Data,
    store: &Store,
    gate: Option<&str>,
    crosswalk: &Crosswalk,
    swap: &Swap,
) -> Result<Swapped, VerbError> {
    let gate = data.gate(gate)?;
    data.check_own(&gate)?;
    let record = Record::open(data, &gate, clock::now())?;
    let count = swap.pairs.len().to_string();
    let details = [
        ("entity", swap.entity.as_str()),
        ("from", swap.from.as_str()),
        ("to", swap.to.as_str()),
        ("pairs", count.as_str()),
    ];
    // ORDER: the entry of this act before what it does.
    let written = record.act("ids_joined", &details).await;
    let done = match &written {
        Ok(_) => Some(crosswalk.swap(swap.clone(), Doing::Deed).await),
        Err(_) => None,
    };
    record.close(store).await?;
    written?;
    match done {
        Some(done) => done.map_err(failed),
        None => Err(VerbError::NotThere("nothing was done".into())),
    }
}

fn tell(how: &str, swapped: &Swapped) {
    out::say(&format!(
        "{} {how}, {} joined before, {} never seen by a caller",
        swapped.joined, swapped.before, swapped.unseen
    ));
}

fn refused(swap: &Swap, swapped: &Swapped) -> VerbError {
    let (from, to) = (&swap.from, &swap.to);
    for (old, new) in swapped.refused.iter().take(TOLD_MAX).filter_map(|at| swap.pairs.get(*at)) {
        out::note(&format!("`{from}:{old}` and `{to}:{new}`: one of them belongs to another record"));
    }
    let count = swapped.refused.len();
    VerbError::NotThere(format!("{count} of {} cannot be joined, so none is", swap.pairs.len()))
}

fn failed(error: CrosswalkError) -> VerbError {
    match error {
        CrosswalkError::Store(error) => VerbError::Store(error),
        other => VerbError::NotThere(other.to_string()),
    }
}

fn opened(folder: &Path) -> Result<(Data, Store), VerbError> {
    let data = Data::existing(folder)?;
    let store = data.store()?.ok_or_else(|| VerbError::NoData(folder.to_owned()))?;
    Ok((data, store))
}

/// `Customer/ID` or `Customer`.
fn record(text: &str) -> Result<(EntityName, Option<PublicId>), VerbError> {
    let Some((entity, id)) = text.split_once('/') else { return Ok((EntityName::new(text), None)) };
    match id.parse() {
        Ok(id) => Ok((EntityName::new(entity), Some(id))),
        Err(_) => Err(VerbError::Misused(format!(
            "`{id}` is no id that callers see; `--key SYSTEM:KEY` finds one by a system's key"
        ))),
    }
}

/// `erp:20000`.
pub(super) fn key(text: &str) -> Result<(SystemName, CompactString), String> {
    match text.split_once(':') {
        Some((system, key)) if !system.is_empty() && !key.is_empty() => {
            Ok((SystemName::new(system), CompactString::from(key)))
        }
        Some(_) | None => Err("expected SYSTEM:KEY, as in erp:20000".to_owned()),
    }
}

/// The pairs of a file of keys (CSV, RFC 4180 without line breaks in fields).
fn pairs(file: &Path) -> Result<Vec<(CompactString, CompactString)>, VerbError> {
    let size = fs::metadata(file).map_err(VerbError::file(file))?.len();
    if size > FILE_BYTES_MAX {
        let message = format!("`{}` is larger than {FILE_BYTES_MAX} bytes", file.display());
        return Err(VerbError::Misused(message));
    }
    let text = fs::read_to_string(file).map_err(VerbError::file(file))?;
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let pair = pair(line).ok_or_else(|| {
            let (file, line) = (file.display(), at.saturating_add(1));
            VerbError::Misused(format!("{file}:{line}: expected `old key,new key`"))
        })?;
        pairs.push(pair);
    }
    Ok(pairs)
}

fn pair(line: &str) -> Option<(CompactString, CompactString)> {
    let (old, rest) = field(line)?;
    let (new, rest) = field(rest.strip_prefix(',')?)?;
    (rest.is_empty() && !old.is_empty() && !new.is_empty()).then_some((old, new))
}

/// The first field of a line, and what follows it.
fn field(line: &str) -> Option<(CompactString, &str)> {
    let Some(mut rest) = line.strip_prefix('"') else {
        let (plain, rest) = line.split_at(line.find(',').unwrap_or(line.len()));
        return (!plain.contains('"')).then(|| (plain.into(), rest));
    };
    let mut quoted = CompactString::default();
    loop {
        let (text, after) = rest.split_once('"')?;
        quoted.push_str(text);
        match after.strip_prefix('"') {
            Some(more) => {
                quoted.push('"');
                rest = more;
            }
            None => return Some((quoted, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_keys_is_two_fields_and_nothing_else() {
        let both = |old: &str, new: &str| Some((old.into(), new.into()));
        assert_eq!(pair("SO-1,9001"), both("SO-1", "9001"));
        assert_eq!(pair(r#""a,b","say ""x""""#), both("a,b", r#"say "x""#));
        assert_eq!(pair(" a ,b c"), both(" a ", "b c"));
        for wrong in ["", "a", "a,", ",b", "a,b,c", r#""a,b"#, r#"a"b,c"#, r#""a"b,c"#] {
            assert_eq!(pair(wrong), None, "{wrong}");
        }
    }
}
