//! An outlook proves nothing; a prospect is what the policy gives.

use bramka::{
    catalog::Operation,
    identity::Caller,
    policy::{Outlook, Prospect},
};

fn prospect(caller: Caller, operation: Operation, outlook: Box<Outlook>) -> Prospect {
    Prospect { caller, operation, outlook }
}

fn main() {}
