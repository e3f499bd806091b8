//! The admin listener: state for operators and Prometheus, the journal's end, credentials, reload.
//!
//! It never shares a port with callers. Every path but `/healthz` and `/readyz` needs a token of its own kind
//! (`bra_…`), of one role each: any of them may look at state; `audit` reads the journal
//! and asks why a decision came out as it did, `issue` issues and
//! takes back credentials of callers (never of operators), `operate` reloads. `Host` is one of the configured
//! names, an `Origin` that is not this very listener is refused, connections, heads, bodies and times are
//! bounded. Every act, every reading of the journal, and whoever is turned away, is an entry.

mod acts;
mod answer;
mod credential;
mod explain;
mod fault;
mod journal;
mod listener;
mod panel;
mod route;
mod state;
mod tls;

use std::{net::TcpListener as StdListener, sync::Arc};

use futures_util::future::BoxFuture;

pub(crate) use acts::{ActError, Acting};
pub(crate) use credential::{Credential, Sort, Whose};
pub(crate) use journal::{Entry, in_time, last};

use crate::gateway::{Gate, Options};

/// Serves operators until it is dropped.
pub fn serve(gate: Arc<Gate>, options: Arc<Options>, socket: StdListener) -> BoxFuture<'static, ()> {
    Box::pin(listener::run(Arc::new(panel::Panel { gate, options, explaining: Default::default() }), socket))
}
