//! `bramka serve`: the gate itself.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use clap::Args;

use super::{Came, out};
use crate::{
    admin,
    config::{ProcessEnv, Trust},
    gateway::{self, Options},
};

/// Serve the policies of a folder until SIGTERM. SIGHUP or a changed file loads them again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka serve --policies policies --data data\n  \
    bramka serve --trust /etc/bramka/signers --need 2")]
pub(super) struct Arguments {
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// The folder of keys, store and journal; made on the first start
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Serve signed policies alone: by whom, in the form of OpenSSH's allowed_signers
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// How many of them must have signed
    #[arg(long, value_name = "K", default_value = "1", requires = "trust")]
    need: NonZeroUsize,
    /// How many cores serve; all by default
    #[arg(long)]
    cores: Option<usize>,
}

/// Serves until it is told to stop.
pub(super) fn run(arguments: &Arguments) -> Came {
    let options = Arc::new(Options {
        base: base(&arguments.policies),
        policies: arguments.policies.clone(),
        data: arguments.data.clone(),
        listen: None,
        admin: None,
        redirects: Vec::new(),
        env: Arc::new(ProcessEnv),
        trust: arguments.trust.clone().map(|file| Trust { file, need: arguments.need }),
        cores: arguments.cores.unwrap_or_else(cores),
    });
    let ran = gateway::run(&options, admin::serve, async |ready| {
        let addresses = &ready.addresses;
        tracing::info!(data = ?addresses.data, admin = %addresses.admin, "ready");
        let bundle = ready.gate.live.status().digest.short();
        out::say(&format!("ready: bundle {bundle}, admin {}", addresses.admin));
    });
    match ran {
        Ok(()) => Came::Right,
        Err(error) => {
            out::run_failed(&error);
            Came::Wrong
        }
    }
}

/// Paths inside a bundle are relative to the folder beside it.
pub(super) fn base(policies: &Path) -> PathBuf {
    match policies.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// How many cores there are.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
