//! One intent, one effect.

use std::sync::Arc;

use bramka::{
    audit::{Effect, Receipt},
    mapping::NativeRequest,
    upstream::{CorePools, Upstream, UpstreamError},
    wire::Deadline,
};

async fn twice(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    receipt: Receipt<Effect>,
    request: NativeRequest,
    deadline: Deadline,
) -> Result<(), UpstreamError> {
    upstream.effect(pools, receipt, request.clone(), deadline).await?;
    upstream.effect(pools, receipt, request, deadline).await?;
    Ok(())
}

fn main() {}
