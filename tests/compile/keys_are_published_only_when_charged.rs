//! Whoever takes our public keys was charged by its address.

use bramka::answer::Answer;

fn publish(document: String) -> Answer {
    Answer::keys(document)
}

fn main() {}
