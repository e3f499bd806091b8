//! The admin listener.

mod acts;
mod credential;

use std::{net::TcpListener as StdListener, sync::Arc};

use futures_util::future::BoxFuture;

pub(crate) use acts::{ActError, Acting};
pub(crate) use credential::{Credential, Sort, Whose};

use crate::gateway::Gate;

/// Serves operators until it is dropped.
pub fn serve(gate: Arc<Gate>, socket: StdListener) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        drop((gate, socket));
        std::future::pending().await
    })
}
