//! A caller's own rate is charged before its plans are.

use std::net::IpAddr;

use bramka::{
    clock::Now,
    policy::Prospect,
    quota::{Admission, Limited, Plans, Quota},
};

async fn admit(
    quota: &Quota,
    plans: &Plans,
    prospect: Prospect,
    address: IpAddr,
    now: Now,
) -> Result<Admission, Limited> {
    quota.admit(plans, prospect, address, now).await
}

fn main() {}
