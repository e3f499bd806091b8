//! Typed reading of a spanned YAML tree: the types that read a file also print its JSON Schema.
//!
//! Every mistake of a file is collected, with its place, what was expected and the nearest valid name.
//! Reading never stops at the first mistake; a value that cannot be read is `None` and has been told.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use super::{
    ByteSize, Diagnostic, Diagnostics, Period, Place,
    tree::{Node, Value},
};

/// A type that can be read from YAML and can describe itself to an editor.
pub trait FromYaml: Sized {
    /// Reads the value; what is wrong with it goes into `found`.
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self>;

    /// Its JSON Schema (2020-12).
    fn schema() -> Json;
}

/// A value and where it stood.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stood.
    pub place: Place,
}

/// A map whose keys are names the user chose, in file order.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// Names and values, in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &T)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

/// Tells that a node is not what was expected here.
pub fn expected(node: &Node, what: &str, found: &mut Diagnostics) {
    let is = match node.as_text() {
        Some(text) => format!("`{text}`"),
        None => node.what().to_owned(),
    };
    found.error(&node.place, format!("expected {what}, found {is}"));
}

impl<T: FromYaml> FromYaml for Spanned<T> {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        T::read(node, found).map(|value| Self { value, place: node.place.clone() })
    }

    fn schema() -> Json {
        T::schema()
    }
}

impl<T: FromYaml> FromYaml for Option<T> {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match node.value {
            Value::Null => Some(None),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => T::read(node, found).map(Some),
        }
    }

    fn schema() -> Json {
        T::schema()
    }
}

impl<T: FromYaml> FromYaml for Vec<T> {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(items) = node.as_list() else {
            expected(node, "a list", found);
            return None;
        };
        // Every item is read before giving up, so that all mistakes are told.
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(item, found)).collect();
        read.into_iter().collect()
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: FromYaml> FromYaml for Named<T> {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(pairs) = node.as_map() else {
            expected(node, "a map", found);
            return None;
        };
        let read: Vec<Option<(Spanned<String>, T)>> = pairs
            .iter()
            .map(|(key, node)| {
                let name = Spanned { value: key.text.clone(), place: key.place.clone() };
                T::read(node, found).map(|value| (name, value))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

impl FromYaml for Node {
    fn read(node: &Node, _: &mut Diagnostics) -> Option<Self> {
        Some(node.clone())
    }

    fn schema() -> Json {
        json!({})
    }
}

impl FromYaml for String {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let text = node.as_text().map(str::to_owned);
        if text.is_none() {
            expected(node, "text", found);
        }
        text
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

impl FromYaml for bool {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if !scalar.quoted && scalar.text == "true" => Some(true),
            Value::Scalar(scalar) if !scalar.quoted && scalar.text == "false" => Some(false),
            Value::Scalar(_) | Value::Null | Value::List(_) | Value::Map(_) => {
                expected(node, "`true` or `false`", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// Reads a scalar through `FromStr`, whose error is told as it is.
fn parsed<T: FromStr>(node: &Node, what: &str, found: &mut Diagnostics) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    let Some(text) = node.as_text() else {
        expected(node, what, found);
        return None;
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            found.error(&node.place, format!("expected {what}, found `{text}`: {error}"));
            None
        }
    }
}

macro_rules! from_text {
    ($($type:ty: $what:literal, $schema:tt;)*) => {$(
        impl FromYaml for $type {
            fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
                parsed(node, $what, found)
            }

            fn schema() -> Json {
                json!($schema)
            }
        }
    )*};
}

from_text! {
    u16: "a whole number up to 65535", { "type": "integer", "minimum": 0, "maximum": 65535 };
    u32: "a whole number", { "type": "integer", "minimum": 0 };
    u64: "a whole number", { "type": "integer", "minimum": 0 };
    usize: "a whole number", { "type": "integer", "minimum": 0 };
    SocketAddr: "an address and port, as in `127.0.0.1:8443`", { "type": "string", "examples": ["127.0.0.1:8443"] };
    IpNet: "a network, as in `10.0.0.0/8`", { "type": "string", "examples": ["10.0.0.0/8"] };
    PathBuf: "a path", { "type": "string" };
    ByteSize: "a size, as in `64KiB`", { "type": "string", "pattern": r"^(0|[0-9]+ ?(B|KiB|MiB|GiB))$", "examples": ["64KiB"] };
    Period: "a period, as in `30s`", { "type": "string", "pattern": r"^(0|[0-9]+ ?(ms|s|m|h|d))$", "examples": ["30s"] };
}

/// Takes the pairs of a map one by one and tells about the keys nobody took.
#[derive(Debug)]
pub struct Keys<'a> {
    node: &'a Node,
    known: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    /// The keys of a node, which must be a map.
    pub fn of(node: &'a Node, found: &mut Diagnostics) -> Option<Self> {
        if node.as_map().is_none() {
            expected(node, "a map", found);
            return None;
        }
        Some(Self { node, known: Vec::new() })
    }

    /// The node under a key, which becomes known by being asked for.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.node.get(key)
    }

    /// The value of a key that must be there.
    pub fn required<T: FromYaml>(&mut self, key: &'static str, found: &mut Diagnostics) -> Option<T> {
        match self.take(key) {
            Some(node) => T::read(node, found),
            None => {
                found.error(&self.node.place, format!("key `{key}` is missing"));
                None
            }
        }
    }

    /// The value of a key, or what stands for its absence.
    pub fn or<T: FromYaml>(
        &mut self,
        key: &'static str,
        default: impl FnOnce() -> T,
        found: &mut Diagnostics,
    ) -> Option<T> {
        match self.take(key) {
            Some(node) => T::read(node, found),
            None => Some(default()),
        }
    }

    /// Tells every key that was never asked for.
    pub fn finish(self, found: &mut Diagnostics) {
        for (key, _) in self.node.as_map().unwrap_or_default() {
            if !self.known.contains(&key.text.as_str()) {
                found.push(
                    Diagnostic::error(&key.place, format!("unknown key `{}`", key.text))
                        .suggest(&key.text, self.known.iter().copied()),
                );
            }
        }
    }
}

/// Declares a struct that is read from a YAML map. A field with `= default` may be left out; the others must
/// be there; any other key is an error. The fields' docs become the descriptions of the JSON Schema.
///
/// ```
/// use bramka::words::{Period, yaml::FromYaml, yaml_object};
/// yaml_object! {
///     /// How long we wait.
///     pub struct Clocks {
///         /// For the first byte.
///         pub first_byte: Period = Period::secs(10);
///     }
/// }
/// let node = bramka::words::tree::parse(&"a.yaml".into(), "first_byte: 3s").unwrap();
/// let clocks = Clocks::read(&node, &mut Default::default()).unwrap();
/// assert_eq!(clocks.first_byte, Period::secs(3));
/// ```
#[macro_export]
macro_rules! yaml_object {
    ($(
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field_vis:vis $field:ident: $type:ty $(= $default:expr)?;
            )*
        }
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[doc = $field_doc])* $field_vis $field: $type, )*
        }

        impl $crate::words::yaml::FromYaml for $name {
            fn read(
                node: &$crate::words::tree::Node,
                found: &mut $crate::words::Diagnostics,
            ) -> Option<Self> {
                let mut keys = $crate::words::yaml::Keys::of(node, found)?;
                $( let $field: Option<$type> = $crate::yaml_object!(@take keys, found, $field $(, $default)?); )*
                keys.finish(found);
                Some(Self { $( $field: $field?, )* })
            }

            fn schema() -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                let required: Vec<&str> =
                    [$( $crate::yaml_object!(@required $field $(, $default)?) ),*].into_iter().flatten().collect();
                $(
                    let description = [$($field_doc),*].map(str::trim).join(" ");
                    let key = stringify!($field).trim_start_matches("r#");
                    properties.insert(
                        key.into(),
                        $crate::words::yaml::described(<$type as $crate::words::yaml::FromYaml>::schema(), description),
                    );
                )*
                serde_json::json!({
                    "type": "object", "additionalProperties": false,
                    "properties": properties, "required": required,
                })
            }
        }
    )*};
    (@take $keys:ident, $found:ident, $field:ident) => {
        $keys.required(stringify!($field).trim_start_matches("r#"), $found)
    };
    (@take $keys:ident, $found:ident, $field:ident, $default:expr) => {
        $keys.or(stringify!($field).trim_start_matches("r#"), || $default, $found)
    };
    (@required $field:ident) => { Some(stringify!($field).trim_start_matches("r#")) };
    (@required $field:ident, $default:expr) => { None };
}

/// Declares an enum whose variants are words in YAML.
#[macro_export]
macro_rules! yaml_words {
    ($(
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal, )*
        }
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $( $(#[doc = $variant_doc])* $variant, )*
        }

        // Also where nobody asks for the word.
        const _: fn($name) -> &'static str = $name::as_str;

        impl $name {
            /// As written in files.
            $vis fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::words::yaml::FromYaml for $name {
            fn read(
                node: &$crate::words::tree::Node,
                found: &mut $crate::words::Diagnostics,
            ) -> Option<Self> {
                match node.as_text() {
                    $( Some($word) => Some(Self::$variant), )*
                    Some(other) => {
                        found.push(
                            $crate::words::Diagnostic::error(&node.place, format!("`{other}` is not known here"))
                                .suggest(other, [$($word),*]),
                        );
                        None
                    }
                    None => {
                        $crate::words::yaml::expected(node, concat!("one of", $(" `", $word, "`"),*), found);
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$(Self::$variant.as_str()),*] })
            }
        }
    )*};
}

/// A schema with a description; used by [`yaml_object!`].
#[doc(hidden)]
pub fn described(mut schema: Json, description: String) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("description".into(), description.into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tree;

    yaml_object! {
        /// A door.
        struct Door {
            /// Where it stands.
            at: SocketAddr;
            /// How wide it opens.
            body_bytes_max: ByteSize = ByteSize::kib(64);
            /// Who may pass.
            mode: Mode = Mode::Off;
            /// Names.
            names: Vec<String> = Vec::new();
        }
    }

    yaml_words! {
        /// Modes.
        enum Mode {
            /// Nobody.
            Off = "off",
            /// Everybody.
            On = "on",
        }
    }

    fn read(text: &str) -> (Option<Door>, String) {
        let mut found = Diagnostics::default();
        let door = Door::read(&tree::parse(&"a.yaml".into(), text).unwrap(), &mut found);
        (door, found.to_string())
    }

    #[test]
    fn defaults_stand_for_what_is_left_out() {
        let (door, told) = read("at: 127.0.0.1:1\nmode: on");
        let door = door.unwrap();
        assert_eq!((door.body_bytes_max, door.mode, told.as_str()), (ByteSize::kib(64), Mode::On, ""));
        assert_eq!((door.at.port(), door.names.len(), door.mode.as_str()), (1, 0, "on"));
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once_with_its_place() {
        let (door, told) = read("att: 1\nbody_bytes_max: 12\nmode: onn\nnames: [a, [b], {}]");
        assert!(door.is_none());
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 6, "{told}");
        assert!(told.contains("key `at` is missing"), "{told}");
        assert!(told.contains("a.yaml:1:1: error: unknown key `att` (did you mean `at`?)"), "{told}");
        assert!(told.contains("a.yaml:3:7: error: `onn` is not known here (did you mean `on`?)"), "{told}");
    }

    #[test]
    fn the_schema_is_made_of_the_same_types() {
        let schema = Door::schema();
        assert_eq!(schema["required"], json!(["at"]));
        assert_eq!(schema["properties"]["mode"]["enum"], json!(["off", "on"]));
        assert_eq!(schema["properties"]["mode"]["description"], "Who may pass.");
    }
}
