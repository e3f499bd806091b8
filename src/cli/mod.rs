//! The command line: one binary, one verb a task.
//!
//! Exit codes: 0 done and right, 1 found wrong, 2 misused. Data goes to standard output (`--json` where it is
//! data), everything said about it to standard error; colour only on a terminal.

mod audit;
mod certs;
mod demo;
mod error;
mod exposure;
mod glass;
mod ids;
mod out;
mod own;
mod policy;
mod serve;
mod systems;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One gate in front of every internal system of a company.
#[derive(Debug, Parser)]
#[command(name = "bramka", version, about, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Try it: the gate over two stand-in systems, with certificates, tokens and ready curl lines
    Demo(demo::Arguments),
    /// Serve the policies of a folder
    Serve(serve::Arguments),
    /// Check, test, ask and describe the policies
    #[command(subcommand)]
    Policy(policy::Command),
    /// Describe systems
    #[command(subcommand)]
    Systems(systems::Command),
    /// Issue, list, take back and rotate credentials
    #[command(subcommand)]
    Token(token::Command),
    /// Look at ids that callers see, and join the keys of another system to them
    #[command(subcommand)]
    Ids(ids::Command),
    /// Tell how much of each exposure budget is spent
    Exposure(exposure::Arguments),
    /// Approve that somebody breaks the glass, list who did, end it
    #[command(subcommand)]
    BreakGlass(glass::Command),
    /// Verify and read the journal, and erase what it holds of somebody
    #[command(subcommand)]
    Audit(audit::Command),
    /// Certificates for development
    #[command(subcommand)]
    Certs(certs::Command),
}

/// What a verb came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Done, and nothing wrong was found.
    Right,
    /// Something is wrong with what was looked at, or it could not be done.
    Wrong,
    /// What was asked for cannot be meant.
    Misused,
}

/// Reads argv, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let code = if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
            drop(error.print());
            return code;
        }
    };
    out::log(line.verb.usual_log());
    match line.verb.run() {
        Came::Right => ExitCode::SUCCESS,
        Came::Wrong => ExitCode::from(1),
        Came::Misused => ExitCode::from(2),
    }
}

impl Verb {
    /// How much is logged where nothing is said: a gate tells what it does, a verb only what is amiss.
    fn usual_log(&self) -> &'static str {
        match self {
            Self::Demo(_) | Self::Serve(_) => "info",
            Self::Policy(_)
            | Self::Systems(_)
            | Self::Token(_)
            | Self::Ids(_)
            | Self::Exposure(_)
            | Self::BreakGlass(_)
            | Self::Audit(_)
            | Self::Certs(_) => "warn",
        }
    }

    fn run(&self) -> Came {
        let came = match self {
            Self::Demo(arguments) => return demo::run(arguments),
            Self::Serve(arguments) => return serve::run(arguments),
            Self::Policy(command) => policy::run(command),
            Self::Systems(command) => systems::run(command),
            Self::Token(command) => token::run(command),
            Self::Ids(command) => ids::run(command),
            Self::Exposure(arguments) => exposure::run(arguments),
            Self::BreakGlass(command) => glass::run(command),
            Self::Audit(command) => audit::run(command),
            Self::Certs(command) => certs::run(command),
        };
        let came = came.unwrap_or_else(|error| out::verb_failed(&error));
        match out::lost() {
            Some(error) if came == Came::Right => {
                out::note(&format!("error: not everything could be written to standard output: {error}"));
                Came::Wrong
            }
            Some(_) | None => came,
        }
    }
}
