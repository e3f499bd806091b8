//! One intent, one effect.

use std::sync::Arc;

use bramka::{
    audit::{Effect, Receipt},
    mapping::NativeRequest,
    upstream::{CorePools, Keeps, Upstream, UpstreamError},
    wire::Deadline,
};

async fn twice(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    receipt: Receipt<Effect>,
    request: NativeRequest,
    deadline: Deadline,
    keeper: &dyn Keeps,
) -> Result<(), UpstreamError> {
    upstream.effect(pools, receipt, request.clone(), deadline, keeper).await?;
    upstream.effect(pools, receipt, request, deadline, keeper).await?;
    Ok(())
}

fn main() {}
