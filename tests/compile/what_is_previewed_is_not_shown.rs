//! What explain and replay look at cannot be sent.

use bramka::{
    answer,
    policy::{self, Outlook},
    schema::Record,
};

fn body(outlook: &Outlook, record: Record) -> Option<usize> {
    policy::preview(outlook, record, None).map(|shown| answer::encoded(&shown).len())
}

fn main() {}
