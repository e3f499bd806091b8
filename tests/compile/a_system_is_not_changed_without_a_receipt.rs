//! Nothing changes that is not written down.

use std::sync::Arc;

use bramka::{
    mapping::{NativeAnswer, NativeRequest},
    upstream::{CorePools, Upstream, UpstreamError},
    wire::Deadline,
};

async fn change(
    upstream: &Arc<Upstream>,
    pools: &CorePools,
    request: NativeRequest,
    deadline: Deadline,
) -> Result<NativeAnswer, UpstreamError> {
    upstream.effect(pools, request, deadline).await
}

fn main() {}
