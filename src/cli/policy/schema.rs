//! `bramka policy schema`: the JSON Schemas of the bundle's files, from the types that read them.

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::Value as Json;

use super::{cases::TestFile, proofs::ProofFile};
use crate::{
    cli::{Came, error::VerbError, out},
    config,
    words::yaml::FromYaml,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka policy schema --out .schemas\n  bramka policy schema | jq 'keys'\n\n\
    In an editor with the YAML language server, a first line of a file\n  \
    # yaml-language-server: $schema=../.schemas/gateway.schema.json\nbinds it to its schema."
)]
pub(in crate::cli) struct Schema {
    /// Write a file for each into this folder; without it all are printed as one JSON object
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Schema) -> Result<Came, VerbError> {
    let schemas = all();
    let Some(folder) = &arguments.out else {
        let all: Json = schemas.into_iter().map(|(pattern, schema)| (pattern.to_owned(), schema)).collect();
        out::say(&all.to_string());
        return Ok(Came::Right);
    };
    fs::create_dir_all(folder).map_err(VerbError::file(folder))?;
    for (pattern, schema) in schemas {
        let file = folder.join(file_name(pattern));
        fs::write(&file, format!("{schema:#}\n")).map_err(VerbError::file(&file))?;
        out::say(&format!("{}  for {pattern}", file.display()));
    }
    Ok(Came::Right)
}

/// What the gate reads, and the tests that are put to it.
fn all() -> Vec<(&'static str, Json)> {
    let titled = |title: &str, mut schema: Json| {
        if let Some(map) = schema.as_object_mut() {
            map.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
            map.insert("title".into(), title.into());
        }
        schema
    };
    let mut schemas = config::schemas();
    schemas.push(("tests/*.yaml", titled("Requests and the decision each must get", TestFile::schema())));
    schemas.push(("proofs.yaml", titled("What must be proved of the bundle", ProofFile::schema())));
    schemas
}

/// `systems/*.yaml` → `systems.schema.json`
fn file_name(pattern: &str) -> String {
    let name = pattern.trim_end_matches(".yaml").trim_end_matches("/*").replace('/', "-");
    format!("{name}.schema.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_a_file_of_its_own() {
        let mut names: Vec<String> = all().iter().map(|(pattern, _)| file_name(pattern)).collect();
        assert!(names.contains(&"gateway.schema.json".to_owned()), "{names:?}");
        assert!(names.contains(&"systems.schema.json".to_owned()), "{names:?}");
        assert!(names.contains(&"principals-attributes.schema.json".to_owned()), "{names:?}");
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
