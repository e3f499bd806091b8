//! The command line: one binary, one verb a task.
//!
//! Exit codes: 0 done and right, 1 found wrong, 2 misused. Data goes to standard output (`--json` where it is
//! data), everything said about it to standard error; colour only on a terminal.

mod demo;
mod out;
mod serve;

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
}

/// What a verb came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Done, and nothing wrong was found.
    Right,
    /// Something is wrong with what was looked at, or it could not be done.
    Wrong,
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
    out::log();
    let came = match line.verb {
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Serve(arguments) => serve::run(&arguments),
    };
    match came {
        Came::Right => ExitCode::SUCCESS,
        Came::Wrong => ExitCode::from(1),
    }
}
