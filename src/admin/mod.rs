//! The admin listener.

use std::{net::TcpListener as StdListener, sync::Arc};

use futures_util::future::BoxFuture;

use crate::gateway::Gate;

/// Serves operators until it is dropped.
pub fn serve(gate: Arc<Gate>, socket: StdListener) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        drop((gate, socket));
        std::future::pending().await
    })
}
