//! `bramka certs`: certificates for development.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Came, error::VerbError, out};
use crate::{
    certs::{DevelopmentCerts, SERVER_NAMES},
    clock,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a development CA, a server certificate and a client certificate; nothing that exists is overwritten
    Init(Init),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bramka certs init --dir certs")]
pub(super) struct Init {
    /// The folder
    #[arg(long, default_value = "certs")]
    dir: PathBuf,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    match command {
        Command::Init(arguments) => {
            let certs = DevelopmentCerts::ensure(&arguments.dir, clock::now().wall)?;
            for file in [&certs.ca, &certs.server, &certs.server_key, &certs.client, &certs.client_key] {
                out::say(&file.display().to_string());
            }
            out::note(&format!("the server certificate is for {}", SERVER_NAMES.join(", ")));
            out::note("for development only: the CA's own key lies beside what it signed");
            Ok(Came::Right)
        }
    }
}
