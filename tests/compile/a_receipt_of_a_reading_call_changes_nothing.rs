//! A receipt to look is none to change.

use std::sync::Arc;

use bramka::{
    audit::{Fetch, Receipt},
    mapping::NativeRequest,
    upstream::{CorePools, Keeps, Told, Upstream, UpstreamError},
    wire::Deadline,
};

async fn change(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    receipt: Receipt<Fetch>,
    request: NativeRequest,
    deadline: Deadline,
    keeper: &dyn Keeps,
) -> Result<Told, UpstreamError> {
    upstream.effect(pools, receipt, request, deadline, keeper).await
}

fn main() {}
