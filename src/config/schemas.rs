//! The JSON Schema of the YAML files, from the types that read them, for completion in editors.

use serde_json::{Value as Json, json};

use super::settings::GatewaySettings;
use crate::{
    door::ListenerSettings,
    identity::{
        self,
        principals::{AttributesFile, PrincipalsFile},
    },
    mapping,
    policy::HoursFile,
    quota::LimitsFile,
    schema, upstream,
    words::yaml::FromYaml,
};

/// File pattern inside the bundle and the JSON Schema (2020-12) of such a file.
pub fn schemas() -> Vec<(&'static str, Json)> {
    vec![
        ("gateway.yaml", titled("The gate's own settings", gateway())),
        ("limits.yaml", titled("Plans: rates, quotas, concurrency", LimitsFile::schema())),
        ("hours.yaml", titled("Spans of the week by name, for conditions", HoursFile::schema())),
        (
            "principals/attributes.yaml",
            titled("What principals carry, and the groups", AttributesFile::schema()),
        ),
        ("principals/*.yaml", titled("Partners, applications and people", PrincipalsFile::schema())),
        ("schema/*.yaml", titled("An entity of the shared schema", schema::load::file_schema())),
        ("systems/*.yaml", titled("A system: addresses, sign-in, mappings", system())),
    ]
}

/// The settings with the parts that other rooms read.
fn gateway() -> Json {
    let mut gateway = GatewaySettings::schema();
    if let Some(properties) = gateway.get_mut("properties") {
        put(properties, "listeners", json!({ "type": "array", "items": ListenerSettings::schema() }));
        put(properties, "identity", identity::Settings::schema());
    }
    gateway
}

/// What the connection to a system is described by, and the names of what its mapping is; the mapping's own
/// lines are a language that its loader checks.
fn system() -> Json {
    let mut system = upstream::Settings::schema();
    if let Some(properties) = system.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert(
            "system".into(),
            json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$", "description": "Its name" }),
        );
        for key in mapping::System::KEYS {
            properties.insert((*key).into(), json!({}));
        }
        properties.insert(
            "entities".into(),
            json!({
                "type": "object", "description": "How its records become entities and back, by entity",
                "propertyNames": { "pattern": "^[A-Z][A-Za-z0-9]*$" },
                "additionalProperties": { "type": "object" },
            }),
        );
    }
    if let Some(required) = system.get_mut("required").and_then(Json::as_array_mut) {
        required.push("system".into());
    }
    system
}

/// Puts a schema in another's place and keeps what it was described as.
fn put(properties: &mut Json, key: &str, mut schema: Json) {
    let Some(place) = properties.get_mut(key) else { return };
    if let (Some(description), Json::Object(map)) = (place.get("description").cloned(), &mut schema) {
        map.insert("description".into(), description);
    }
    *place = schema;
}

fn titled(title: &str, mut schema: Json) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        // What stands for every file of a kind is its title; the loader's own description stays.
        map.entry("title").or_insert_with(|| title.into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Json {
        schemas().into_iter().find(|(name, _)| *name == pattern).unwrap().1
    }

    #[test]
    fn what_other_rooms_read_of_a_file_is_described_too() {
        let gateway = of("gateway.yaml");
        let listener = &gateway["properties"]["listeners"]["items"]["properties"];
        assert!(listener["tls"].is_object() && listener["bounds"].is_object());
        assert!(gateway["properties"]["identity"]["properties"]["issuer"].is_object());
        assert!(gateway["properties"]["listeners"]["description"].is_string());
        let system = of("systems/*.yaml");
        for key in ["system", "base", "sign_in", "entities", "tables"] {
            assert!(system["properties"][key].is_object(), "{key}");
        }
    }
}
