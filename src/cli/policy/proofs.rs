//! `proofs.yaml`: what must be proved of the bundle before it is let in.
//!
//! ```yaml
//! proofs:
//!   - no Group::"partners" reads Order.bill_to
//!   - no Partner calls System::"erp"
//! ```

use super::prove::opened;
use crate::{
    claims::{Covered, Outcome, Sentence, prove},
    config::{Sheet, Snapshot},
    words::{
        Diagnostic, Diagnostics,
        yaml::{FromYaml as _, Spanned},
    },
    yaml_object,
};

yaml_object! {
    /// What must be proved of the bundle.
    pub(in crate::cli) struct ProofFile {
        /// Sentences as `bramka policy prove` takes them.
        pub(super) proofs: Vec<Spanned<String>>;
    }
}

/// What is not proved, and how many are.
pub(super) fn check(sheets: &[Sheet], snapshot: &Snapshot) -> (Diagnostics, usize) {
    let (mut found, mut proved) = (Diagnostics::default(), 0_usize);
    let covered = Covered::of(snapshot);
    for file in sheets.iter().filter_map(|sheet| ProofFile::read(&sheet.node, &mut found)).collect::<Vec<_>>()
    {
        for Spanned { value: text, place } in file.proofs {
            let sentence = match Sentence::parse(&text, snapshot) {
                Ok(sentence) => sentence,
                Err(bad) => {
                    found.push(Diagnostic::error(&place, bad.to_string()));
                    continue;
                }
            };
            let answer = prove(snapshot, &covered, &sentence);
            let what = match answer.outcome() {
                Outcome::Proved => {
                    proved = proved.saturating_add(1);
                    continue;
                }
                Outcome::Reached => "this is not so",
                Outcome::CannotTell => "this may not be so",
            };
            let ways: Vec<String> = answer.openings.iter().map(opened).collect();
            let mistake = Diagnostic::error(&place, format!("{what}: {}", ways.join("; ")));
            found.push(mistake.help("`bramka policy prove` with this sentence tells a request that does it"));
        }
    }
    (found, proved)
}
