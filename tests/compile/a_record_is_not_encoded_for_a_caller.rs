//! Only what was shown is encoded for a caller.

use bramka::{answer::Answer, schema::Record};

fn answer(record: &Record) -> Answer {
    Answer::one(200_u16.try_into().unwrap(), record, None)
}

fn main() {}
