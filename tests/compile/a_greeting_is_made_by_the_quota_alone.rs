//! Who was greeted was charged.

use std::sync::Arc;

use bramka::{identity::Facts, quota::Greeted};

fn greeted(facts: Arc<Facts>) -> Greeted {
    Greeted { facts }
}

fn main() {}
