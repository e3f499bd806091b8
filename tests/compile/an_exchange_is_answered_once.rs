//! Exactly one answer a response.

use bramka::{
    audit::{Answered, Entry, JournalError},
    clock::Now,
};

async fn twice(entry: Entry, now: Now) -> Result<[Answered; 2], JournalError> {
    Ok([entry.answer(200, None, now).await?, entry.answer(200, None, now).await?])
}

fn main() {}
