//! `bramka audit prove-entry`, `prove-consistency`, `check-proof`: evidence that leaves the house. A third party checks
//! it with the public key and without the journal.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::{
    Where, patiently, record,
    verify::{file_or_text, given_key},
};
use crate::{
    audit::{self, JournalKeys, PROOF_BYTES_MAX, Proved, PublicKey},
    cli::{Came, error::VerbError, out, own::Data},
    words::Digest,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit prove-entry 0:4711 > entry.proof\n  \
    bramka audit check-proof entry.proof --key journal.pub\n\n\
    The proof holds the entry as it stands in the journal (digests, no names), hashes and the lane's newest signed head. \
    Entries after that head wait for the next one: some milliseconds while a gate serves.")]
pub(in crate::cli) struct ProveEntry {
    /// The entry, as search and tail tell it: lane:sequence
    #[arg(value_name = "LANE:SEQUENCE", value_parser = entry)]
    entry: (String, u64),
    /// The public key (a file, or its text) where it does not lie beside the journal
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit prove-consistency --from head-of-friday > grown.proof\n  \
    bramka audit check-proof grown.proof --key journal.pub\n\n\
    Whoever kept the earlier head sees that nothing under it was changed or taken away since.")]
pub(in crate::cli) struct ProveConsistency {
    /// A signed head that was kept elsewhere (a file, or its text); the lane is the one that it names
    #[arg(long, value_name = "HEAD")]
    from: String,
    /// The public key (a file, or its text) where it does not lie beside the journal
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit check-proof entry.proof --key journal.pub\n  \
    bramka audit check-proof entry.proof --key journal.pub --json | jq .entry\n\n\
    Needs no journal. Exit code 0: it proves what is told. 1: it proves nothing. 2: misused.")]
pub(in crate::cli) struct CheckProof {
    /// The proof
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The public key, a file or its text, from somebody you trust
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Also that it is the entry that this `Audit-Receipt` was given for; needed where the entry was put away
    #[arg(long, value_name = "RECEIPT")]
    receipt: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn entry_of(arguments: &ProveEntry) -> Result<Came, VerbError> {
    let (data, gate, key) = opened(&arguments.place, arguments.key.as_deref())?;
    let wrapping = arguments.place.wrapping(&data);
    let (lane, sequence) = &arguments.entry;
    // ORDER: the entry of this reading before what is read.
    record(&data, &gate, &format!("proof of the entry {lane}:{sequence}")).await;
    let directory = data.audit().join(&gate);
    let proof = patiently(
        || audit::prove_entry(&directory, lane, *sequence, &key, &wrapping),
        |seconds| format!("reading lane {lane}, {seconds} s so far"),
    )?;
    out::say(proof.text.trim_end());
    if let Some(gone) = &proof.put_away {
        out::note(&format!(
            "entry {lane}:{sequence} was put away on {} by the rule `{}`, with all entries up to {}: the proof holds its \
             place and not the entry, and is checked with the receipt that was given for it \
             (`check-proof --receipt`)",
            out::moment(gone.on),
            gone.rule,
            out::moment(gone.until)
        ));
    }
    Ok(Came::Right)
}

pub(super) async fn consistency(arguments: &ProveConsistency) -> Result<Came, VerbError> {
    let (data, gate, key) = opened(&arguments.place, arguments.key.as_deref())?;
    let wrapping = arguments.place.wrapping(&data);
    let from = file_or_text(&arguments.from)?;
    // ORDER: the entry of this reading before what is read.
    record(&data, &gate, "proof that a lane has only grown").await;
    let directory = data.audit().join(&gate);
    let proof = patiently(
        || audit::prove_consistency(&directory, &from, &key, &wrapping),
        |seconds| format!("reading the lane, {seconds} s so far"),
    )?;
    out::say(proof.trim_end());
    Ok(Came::Right)
}

pub(super) fn check(arguments: &CheckProof) -> Result<Came, VerbError> {
    let key = given_key(&arguments.key)?;
    let text = bounded(&arguments.proof)?;
    let receipt = arguments.receipt.as_deref().map(given_receipt).transpose()?;
    let proved = audit::check_proof(&text, &key, receipt.as_ref()).map_err(|bad| {
        VerbError::NotThere(format!("`{}` proves nothing: {bad}", arguments.proof.display()))
    })?;
    if let Some(receipt) = &receipt {
        let hash = match &proved {
            Proved::Entry { hash, .. } => hash,
            Proved::Grown { .. } => {
                return Err(VerbError::Misused("a receipt is of an entry, and this proof is of none".into()));
            }
        };
        if hash != receipt {
            let told = "it proves another entry than the one that the receipt was given for";
            return Err(VerbError::NotThere(format!("`{}`: {told}", arguments.proof.display())));
        }
    }
    match (proved, arguments.json) {
        (Proved::Entry { leaf, sequence, head, .. }, false) => {
            match &leaf {
                Some(leaf) => out::say(leaf),
                None => out::note("the entry itself was put away: what is proved is the one of this receipt"),
            }
            out::note(&format!(
                "proved: this is entry {sequence} of `{}` under a head of {} entries that the key signed",
                head.origin, head.size
            ));
        }
        (Proved::Entry { leaf, sequence, head, .. }, true) => {
            // null: it was put away.
            let entry: Option<serde_json::Value> =
                leaf.map(|leaf| serde_json::from_str(&leaf).unwrap_or_else(|_| leaf.into()));
            let head = json!({ "origin": head.origin, "size": head.size, "root": head.root.to_string() });
            out::say(&json!({ "sequence": sequence, "entry": entry, "head": head }).to_string());
        }
        (Proved::Grown { from, to }, json_wanted) => {
            let told = match json_wanted {
                true => json!({ "origin": to.origin, "from": from.size, "to": to.size }).to_string(),
                false => format!(
                    "proved: `{}` has grown from {} to {} entries, and nothing under the first head was changed",
                    to.origin, from.size, to.size
                ),
            };
            out::say(&told);
        }
    }
    Ok(Came::Right)
}

/// The hash that a receipt is.
fn given_receipt(text: &str) -> Result<Digest, VerbError> {
    let bytes = BASE64URL_NOPAD.decode(text.trim().as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Digest).ok_or_else(|| VerbError::Misused("`--receipt` is no receipt: it has 43 letters".into()))
}

fn opened(place: &Where, key: Option<&str>) -> Result<(Data, String, PublicKey), VerbError> {
    let data = Data::existing(&place.data)?;
    let gate = data.gate(place.gate.as_deref())?;
    let key = match key {
        Some(key) => given_key(key)?,
        None => JournalKeys::read_public(&data.journal_keys())?,
    };
    Ok((data, gate, key))
}

fn bounded(path: &Path) -> Result<String, VerbError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(PROOF_BYTES_MAX).read_to_string(&mut text))
        .map_err(VerbError::file(path))?;
    // A shell or an editor may have taken the last line's end.
    Ok(format!("{}\n", text.trim_end_matches('\n')))
}

/// `0:4711`.
fn entry(text: &str) -> Result<(String, u64), String> {
    let parsed = text.split_once(':').and_then(|(lane, sequence)| {
        let number: u32 = lane.parse().ok()?;
        Some((number.to_string(), sequence.parse().ok()?))
    });
    parsed.ok_or_else(|| "expected a lane and a sequence, as in 0:4711".to_owned())
}
