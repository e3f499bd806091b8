//! An address passes charged or not at all.

use bramka::quota::Stranger;

fn stranger() -> Stranger {
    Stranger(())
}

fn main() {}
