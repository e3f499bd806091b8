//! Nobody is greeted whose address was not charged.

use std::net::IpAddr;

use bramka::{
    clock::Now,
    identity::Caller,
    quota::{Greeted, Limited, Plans, Quota},
};

fn greet(
    quota: &Quota,
    plans: &Plans,
    caller: Caller,
    address: IpAddr,
    now: Now,
) -> Result<(Caller, Greeted), Limited> {
    quota.greet(plans, caller, address, now)
}

fn main() {}
