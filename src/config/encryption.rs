//! `audit.encryption` in `gateway.yaml`: whether segments of the journal stand encrypted, and whose keys wrap theirs.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::words::{
    Diagnostic, Diagnostics, Period,
    tree::Node,
    yaml::{FromYaml, Spanned},
    yaml_object,
};

/// Whose keys wrap those of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptionSettings {
    /// The gate's own, in its data folder; another one after so long.
    Rotate(Period),
    /// Those of a file that somebody else keeps.
    KeyFile(PathBuf),
}

yaml_object! {
    /// How segments of the journal stand encrypted: `rotate` or `key_file`.
    struct Encrypting {
        /// The keys that wrap those of segments are the gate's own, and another one is begun after so long; 1h or more.
        rotate: Option<Spanned<Period>> = None;
        /// They come from a file, as a store of secrets mounts one: 64 hex digits a line, the first wraps, the others only open.
        key_file: Option<PathBuf> = None;
    }
}

/// The least there is: each key is to be kept somewhere else too.
const ROTATE_MIN: Period = Period::secs(3_600);

impl FromYaml for EncryptionSettings {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Encrypting { rotate, key_file } = Encrypting::read(node, found)?;
        match (rotate, key_file) {
            (Some(rotate), None) if rotate.value < ROTATE_MIN => {
                found.push(
                    Diagnostic::error(&rotate.place, "another wrapping key is begun after `1h` or more")
                        .help("each of them has to be kept somewhere else too, or a lost disk takes the entries with it"),
                );
                None
            }
            (Some(rotate), None) => Some(Self::Rotate(rotate.value)),
            (None, Some(file)) => Some(Self::KeyFile(file)),
            (Some(_), Some(_)) => {
                found.push(
                    Diagnostic::error(&node.place, "wrapping keys are the gate's own (`rotate`) or those of a `key_file`, not both")
                        .help("keys of a file are rotated by whoever keeps it: a new one goes first, the old ones stay behind it"),
                );
                None
            }
            (None, None) => {
                found.push(
                    Diagnostic::error(
                        &node.place,
                        "encryption needs to know whose keys it goes by: `rotate` or `key_file`",
                    )
                    .help("`encryption: { rotate: 30d }`; leave `encryption` out for a journal in clear"),
                );
                None
            }
        }
    }

    fn schema() -> Json {
        Encrypting::schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tree;

    fn read(text: &str) -> Result<EncryptionSettings, String> {
        let mut found = Diagnostics::default();
        let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
        EncryptionSettings::read(&node, &mut found).ok_or_else(|| found.to_string())
    }

    #[test]
    fn wrapping_keys_are_of_the_gate_or_of_a_file_and_never_of_both() {
        assert_eq!(read("rotate: 30d"), Ok(EncryptionSettings::Rotate(Period::secs(30 * 86_400))));
        assert_eq!(read("key_file: /run/k"), Ok(EncryptionSettings::KeyFile("/run/k".into())));
        for (text, words) in [
            ("{}", "gateway.yaml:1:1: error: encryption needs to know whose keys it goes by"),
            ("{ rotate: 30d, key_file: k }", "gateway.yaml:1:1: error: wrapping keys are the gate's own"),
            ("{ rotate: 59m }", "gateway.yaml:1:11: error: another wrapping key is begun after `1h` or more"),
            ("{ rotate: often }", "gateway.yaml:1:11: error"),
            ("{ rotates: 30d }", "unknown key `rotates` (did you mean `rotate`?)"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
