//! What a caller may call is told for its charge.

use bramka::{answer::Answer, quota::Stranger};

fn describe(stranger: Stranger, document: String) -> Answer {
    Answer::description(stranger, document)
}

fn main() {}
