//! A receipt to look is none to change.

use std::sync::Arc;

use bramka::{
    audit::{Fetch, Receipt},
    mapping::NativeRequest,
    upstream::{CorePools, Told, Upstream, UpstreamError},
    wire::Deadline,
};

async fn change(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    receipt: Receipt<Fetch>,
    request: NativeRequest,
    deadline: Deadline,
) -> Result<Told, UpstreamError> {
    upstream.effect(pools, receipt, request, deadline).await
}

fn main() {}
