//! Who is known is not yet permitted anything.

use std::net::IpAddr;

use bramka::{
    clock::Now,
    identity::Caller,
    quota::{Admission, Limited, Plans, Quota},
};

async fn admit(
    quota: &Quota,
    plans: &Plans,
    caller: Caller,
    address: IpAddr,
    now: Now,
) -> Result<Admission, Limited> {
    quota.admit(plans, caller, address, now).await
}

fn main() {}
