//! The journal lets nothing be fetched for somebody who was not charged.

use bramka::{
    audit::{Entry, Fetch, Receipt},
    policy::Prospect,
};

fn fetch(entry: &mut Entry, prospect: &Prospect) -> Receipt<Fetch> {
    entry.fetch(prospect)
}

fn main() {}
