//! Nothing changes that is not written down.

use std::sync::Arc;

use bramka::{
    mapping::NativeRequest,
    upstream::{CorePools, Keeps, Told, Upstream, UpstreamError},
    wire::Deadline,
};

async fn change(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    request: NativeRequest,
    deadline: Deadline,
    keeper: &dyn Keeps,
) -> Result<Told, UpstreamError> {
    upstream.effect(pools, request, deadline, keeper).await
}

fn main() {}
