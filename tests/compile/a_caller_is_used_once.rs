//! One caller, one prospect: the second operation needs a second identification.

use std::sync::Arc;

use bramka::{
    catalog::Operation,
    identity::Caller,
    policy::{self, Context, Denied, Memo, Policies, Prospect},
};

fn twice(
    policies: &Arc<Policies>,
    memo: &Memo,
    caller: Caller,
    operations: [Operation; 2],
    contexts: [Context; 2],
) -> Result<[Prospect; 2], Denied> {
    let ([one, two], [here, there]) = (operations, contexts);
    Ok([
        policy::prospect(policies, memo, caller, one, here)?,
        policy::prospect(policies, memo, caller, two, there)?,
    ])
}

fn main() {}
