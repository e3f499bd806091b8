//! A change is permitted by judging it.

use bramka::policy::{Change, WritePermit};

fn permit(change: Change) -> WritePermit {
    WritePermit { change }
}

fn main() {}
