//! Nothing changes that is not written down.

use std::sync::Arc;

use bramka::{
    mapping::NativeRequest,
    upstream::{CorePools, Told, Upstream, UpstreamError},
    wire::Deadline,
};

async fn change(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    request: NativeRequest,
    deadline: Deadline,
) -> Result<Told, UpstreamError> {
    upstream.effect(pools, request, deadline).await
}

fn main() {}
