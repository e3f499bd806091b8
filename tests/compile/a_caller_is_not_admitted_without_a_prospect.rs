//! Who is known is not yet permitted anything.

use std::net::IpAddr;

use bramka::{
    clock::Now,
    identity::Caller,
    quota::{Admission, Greeted, Limited, Plans, Quota},
};

async fn admit(
    quota: &Quota,
    plans: &Plans,
    greeted: Greeted,
    caller: Caller,
    address: IpAddr,
    now: Now,
) -> Result<Admission, Limited> {
    quota.admit(plans, greeted, caller, address, now).await
}

fn main() {}
