//! The JSON Schema of the YAML files, from the types that read them, for completion in editors.

use serde_json::{Value as Json, json};

use super::settings::GatewaySettings;
use crate::{quota::LimitsFile, words::yaml::FromYaml};

/// File pattern inside the bundle and the JSON Schema (2020-12) of such a file.
pub fn schemas() -> Vec<(&'static str, Json)> {
    vec![
        ("gateway.yaml", titled("The gate's own settings", GatewaySettings::schema())),
        ("limits.yaml", titled("Plans: rates, quotas, concurrency", LimitsFile::schema())),
    ]
}

fn titled(title: &str, mut schema: Json) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), title.into());
    }
    schema
}
