//! The journal writes down no change that nobody judged.

use bramka::{
    audit::{Effect, Entry, JournalError, Receipt},
    clock::Now,
    quota::Admission,
};

async fn intent(entry: &mut Entry, admission: &Admission, now: Now) -> Result<Receipt<Effect>, JournalError> {
    entry.intent(admission, now).await
}

fn main() {}
