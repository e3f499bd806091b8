//! Who was greeted was charged.

use bramka::quota::Greeted;

fn greeted() -> Greeted {
    Greeted { facts: Default::default() }
}

fn main() {}
