//! `bramka policy bundles`: every bundle that a gate served, as it was.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use crate::{
    cli::{Came, error::VerbError, out},
    config::{KeptBundle, KeptBundles},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka policy bundles --data data\n  \
    bramka policy diff 3f8a6e2c91d0 policies --data data\n\n\
    The files of each stand in DATA/bundles/DIGEST/policies.")]
pub(in crate::cli) struct BundlesOf {
    /// The gate's data folder
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &BundlesOf) -> Result<Came, VerbError> {
    let all: Vec<Row> = all(&arguments.data)?.into_iter().map(Row::of).collect();
    if arguments.json {
        out::say(&Json::Array(all.iter().map(Row::json).collect()).to_string());
    } else {
        let rows: Vec<Vec<String>> = all.iter().map(Row::words).collect();
        out::table(&["bundle", "version", "first served", "last served", "files", "signers"], &rows);
    }
    Ok(if all.iter().all(|row| row.files.is_some()) { Came::Right } else { Came::Wrong })
}

/// Those of a gate's data.
pub(super) fn all(data: &Path) -> Result<Vec<KeptBundle>, VerbError> {
    if !data.join("bramka.db").is_file() {
        return Err(VerbError::NoData(data.to_owned()));
    }
    KeptBundles::of(data).all().map_err(VerbError::file(data.join("bundles")))
}

struct Row {
    kept: KeptBundle,
    /// How many files; none where they are not what they were.
    files: Option<usize>,
}

impl Row {
    fn of(kept: KeptBundle) -> Self {
        let files = kept.files().map(|files| files.iter().count());
        Self { kept, files }
    }

    fn words(&self) -> Vec<String> {
        let served = self.kept.served.as_ref();
        let untold = || "not told".to_owned();
        vec![
            self.kept.digest.short(),
            served.map_or_else(untold, |served| served.version.map_or("-".to_owned(), |it| it.to_string())),
            served.map_or_else(untold, |served| out::moment(served.first_at)),
            served.map_or_else(untold, |served| out::moment(served.last_at)),
            self.files.map_or_else(|| "changed since".to_owned(), |count| count.to_string()),
            served.map(|served| served.signers.join(" ")).unwrap_or_default(),
        ]
    }

    fn json(&self) -> Json {
        let served = self.kept.served.as_ref().map(|served| {
            json!({
                "first_at": served.first_at.to_string(), "last_at": served.last_at.to_string(),
                "version": served.version, "signers": served.signers,
            })
        });
        json!({
            "bundle": self.kept.digest.to_string(), "policies": self.kept.policies, "served": served,
            "files": self.files, "whole": self.files.is_some(),
        })
    }
}
