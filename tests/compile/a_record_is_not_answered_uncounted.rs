//! Only what is counted, or what nothing counts, is told.

use bramka::{answer::Answer, policy::Shown};

fn answer(shown: &Shown) -> Answer {
    Answer::one(200_u16.try_into().unwrap(), shown, None)
}

fn main() {}
