//! `bramka audit verify`: every entry, every signed head, every lane; and what the result proves.
//!
//! What cannot be used beside the journal (the store, its private keys) makes the result prove less, which is
//! said; it never makes the journal less whole. A public key that is believed and does not belong to the private
//! one beside it does: nobody knows then whose signatures were checked.

use std::{fs, path::Path};

use clap::Args;
use serde_json::{Value as Json, json};

use super::{Where, gone_json, patiently, record};
use crate::{
    audit::{Against, Fault, JournalKeys, PublicKey, Report, Witness, verify_with},
    cli::{
        Came,
        error::{VerbError, chain},
        out,
        own::Data,
    },
    store::HeadRow,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit verify --data data\n  \
    bramka audit verify --against /mnt/usb/head-of-friday\n  \
    bramka audit verify --data /evidence --key journal.pub --json")]
pub(in crate::cli) struct Verify {
    /// Signed heads that had left the machine (a file, or their text): a rewrite even by the key's holder, or
    /// a rollback of everything, is found against them
    #[arg(long, value_name = "HEAD")]
    against: Option<String>,
    /// The public key (a file, or its text) where it does not lie beside the journal
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(arguments: &Verify) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.gate(arguments.place.gate.as_deref())?;
    let key = match &arguments.key {
        Some(key) => given_key(key)?,
        None => JournalKeys::read_public(&data.journal_keys())?,
    };
    let against = arguments.against.as_deref().map(given_heads).transpose()?;
    // ORDER: before the entries are read, which only grow in number meanwhile.
    let kept = kept_heads(&data);
    let opener = opener(&data);
    let mismatch = opener.as_ref().and_then(|keys| keys.check_public().err());
    let (directory, wrapping) = (data.audit().join(&gate), arguments.place.wrapping(&data));
    let notes: Vec<String> = kept.iter().flatten().map(|head| head.checkpoint.clone()).collect();
    let verified = || {
        let witness = Witness { left: against.as_deref(), kept: &notes };
        verify_with(&directory, &[key], witness, (opener.as_ref(), &wrapping))
    };
    let mut report = patiently(verified, |seconds| format!("reading the journal, {seconds} s so far"))?;
    match mismatch {
        // The key that was given is believed, not this one.
        Some(error) if arguments.key.is_some() => out::note(&chain(&error)),
        Some(error) => {
            report.faults.push(Fault { place: "journal.pub".to_owned(), what: chain(&error) });
        }
        None => {}
    }
    // ORDER: after the reading, because opening a lane repairs a torn end, which is a finding.
    let outcome = if report.is_whole() { "verify: whole" } else { "verify: not whole" };
    record(&data, &gate, outcome).await;
    if arguments.json {
        out::say(&as_json(&gate, &report, kept.as_deref()).to_string());
    } else {
        out::say(report.to_string().trim_end());
    }
    Ok(if report.is_whole() { Came::Right } else { Came::Wrong })
}

/// A file's text, or the text itself.
pub(super) fn file_or_text(given: &str) -> Result<String, VerbError> {
    let path = Path::new(given);
    if !given.contains('\n') && path.is_file() {
        return fs::read_to_string(path).map_err(VerbError::file(path));
    }
    Ok(given.to_owned())
}

/// A public key: a file's text, or the text itself.
pub(super) fn given_key(given: &str) -> Result<PublicKey, VerbError> {
    let text = file_or_text(given)?;
    PublicKey::of_verifier(&text)
        .ok_or_else(|| VerbError::Misused("`--key` is neither a file nor a key `name+id+base64`".into()))
}

/// The heads that are given: one, or a whole file of them.
fn given_heads(given: &str) -> Result<String, VerbError> {
    let text = file_or_text(given)?;
    if text.split("\n\n").any(|part| part.starts_with('\u{2014}')) {
        return Ok(text);
    }
    Err(VerbError::Misused("`--against` is neither a file with signed heads nor their text".into()))
}

/// The heads the store keeps, apart from the journal's own folder; none where they cannot be read. Blocks.
fn kept_heads(data: &Data) -> Option<Vec<HeadRow>> {
    match data.heads() {
        Ok(Some(heads)) => return Some(heads),
        Ok(None) => {
            out::note("there is no store here, so the journal is not compared with the heads it keeps")
        }
        Err(error) => out::note(&format!(
            "the store's heads could not be read, so the journal is not compared with them: {}",
            chain(&error)
        )),
    }
    None
}

/// The keys that open sealed parts, where they are here and can be used.
fn opener(data: &Data) -> Option<JournalKeys> {
    if !data.has_journal_keys() {
        return None;
    }
    match JournalKeys::existing(&data.journal_keys()) {
        Ok(keys) => Some(keys),
        Err(error) => {
            out::note(&format!(
                "sealed parts are not opened, nor is `journal.pub` held against its private key: {}",
                chain(&error)
            ));
            None
        }
    }
}

fn as_json(gate: &str, report: &Report, kept: Option<&[HeadRow]>) -> Json {
    let fault = |fault: &Fault| json!({ "place": fault.place, "what": fault.what });
    let lanes: Vec<Json> = report
        .lanes
        .iter()
        .map(|lane| {
            json!({
                "lane": lane.lane, "entries": lane.entries, "put_away": lane.put_away.as_ref().map(gone_json), "segments": lane.segments, "heads": lane.heads,
                "signed": lane.signed, "unsigned": lane.unsigned, "sealed": lane.sealed,
                "opened": lane.opened, "key_gone": lane.key_gone, "erased": lane.erased,
                "encrypted": lane.encrypted, "unopened": lane.unopened,
                "faults": lane.faults.iter().map(fault).collect::<Vec<_>>(),
            })
        })
        .collect();
    let against = report.against.map(|against| match against {
        Against::Grown(more) => json!({ "result": "same", "since": more }),
        Against::Rewritten => json!({ "result": "rewritten" }),
        Against::Unopened => json!({ "result": "not-opened" }),
        Against::NoLane => json!({ "result": "no-such-lane" }),
    });
    json!({
        "gate": gate, "whole": report.is_whole(), "lanes": lanes,
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(), "against": against,
        // null: they could not be read.
        "heads_of_store": kept.map(<[HeadRow]>::len),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{
        audit::{Journal, JournalOptions},
        clock,
        words::RequestId,
    };

    const HEAD: &str = "bramka/main/0\n3\nAAAA\n\n\u{2014} bramka/main/0 BBBB\n";

    #[test]
    fn heads_are_taken_from_text_from_a_file_and_from_a_file_of_many() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads");
        let many = format!("bramka/main/0\n1\nCCCC\n\n\u{2014} bramka/main/0 DDDD\n\n{HEAD}\n");
        fs::write(&file, &many).unwrap();
        assert_eq!(given_heads(HEAD).unwrap(), HEAD);
        assert_eq!(given_heads(HEAD.trim_end()).unwrap(), HEAD.trim_end(), "as a shell gives it");
        assert_eq!(given_heads(file.to_str().unwrap()).unwrap(), many);
        assert!(matches!(given_heads("/no/such/file"), Err(VerbError::Misused(_))));
    }

    #[tokio::test]
    async fn a_public_key_that_is_not_its_private_keys_is_a_fault_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let keys_of = |data: &str| folder.path().join(data).join("keys/journal");
        // A journal that a stranger wrote and signed whole.
        let stranger = JournalKeys::open(&keys_of("theirs")).unwrap();
        let key = stranger.public().verifier("bramka-journal");
        let options = JournalOptions::new(folder.path().join("ours/audit"), "main", RequestId([7; 16]));
        Journal::open(options, stranger.into(), clock::now()).unwrap().close(clock::now()).await.unwrap();
        let (ours, public) =
            (JournalKeys::open(&keys_of("ours")).unwrap(), keys_of("ours").join("journal.pub"));
        fs::write(&public, &key).unwrap();
        let verify = async |key: Option<String>| {
            let place = Where { data: folder.path().join("ours"), gate: None, wrapping_key: None };
            run(&Verify { against: None, key, json: true, place }).await.unwrap()
        };
        assert_eq!(verify(None).await, Came::Wrong);
        assert_eq!(fs::read_to_string(&public).unwrap(), key);
        // Under a key that is given the one beside the journal counts for nothing.
        assert_eq!(verify(Some(key.clone())).await, Came::Right);
        assert_eq!(verify(Some(ours.public().verifier("bramka-journal"))).await, Came::Wrong);
        assert_eq!(fs::read_to_string(&public).unwrap(), key);
    }
}
