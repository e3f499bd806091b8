//! `alerts:` in `gateway.yaml`: what somebody has to know of, and where it is told beside the log.

use std::{path::PathBuf, str::FromStr};

use serde_json::{Value as Json, json};
use url::Url;

use crate::words::{
    Diagnostic, Diagnostics,
    tree::Node,
    yaml::{FromYaml, Spanned, expected},
    yaml_object,
};

yaml_object! {
    /// What somebody has to know of, and where it is told.
    pub struct AlertSettings {
        /// An `https://` address that each alert is posted to as JSON; none when left out.
        pub to: Option<AlertAddress> = None;
        /// A file with the token that goes along as `Authorization: Bearer`, read anew each time.
        pub token_file: Option<PathBuf> = None;
        /// So many different records that are not there, asked for by one caller within an hour, are an alert.
        pub misses: Misses = Misses::default();
    }
}

/// Where alerts are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertAddress(pub Url);

/// Records that are not there and are asked for within an hour: `100/hour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misses(pub u32);

/// Beyond that the sketch by which they are counted is not exact enough.
const MISSES: std::ops::RangeInclusive<u32> = 10..=2_000;

impl Default for Misses {
    fn default() -> Self {
        Self(100)
    }
}

impl AlertSettings {
    /// What holds where a file says nothing: alerts are logged and counted.
    pub(super) fn logged() -> Self {
        Self { to: None, token_file: None, misses: Misses::default() }
    }
}

impl FromStr for Misses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.strip_suffix("/hour").and_then(|count| count.parse().ok());
        count.filter(|count| MISSES.contains(count)).map(Self).ok_or_else(|| {
            let (least, most) = (MISSES.start(), MISSES.end());
            format!("`{text}` is no bound; write how many an hour, from {least} to {most}, as in `100/hour`")
        })
    }
}

impl FromYaml for Misses {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "how many an hour, as in `100/hour`", found);
            return None;
        };
        text.parse().map_err(|error: String| found.error(&node.place, error)).ok()
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/hour$", "examples": ["100/hour"] })
    }
}

impl FromYaml for AlertAddress {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let to = Spanned::<String>::read(node, found)?;
        match Url::parse(&to.value) {
            Ok(url) if url.scheme() == "https" && url.username().is_empty() && url.password().is_none() => {
                Some(Self(url))
            }
            Ok(_) | Err(_) => {
                found.push(
                    Diagnostic::error(&to.place, "alerts are posted to an `https://` address without a user")
                        .help("a token stands in a file of its own: `token_file`"),
                );
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^https://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tree;

    fn read(text: &str) -> Result<AlertSettings, String> {
        let mut found = Diagnostics::default();
        let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
        AlertSettings::read(&node, &mut found).ok_or_else(|| found.to_string())
    }

    #[test]
    fn alerts_go_over_https_without_a_user_and_misses_are_within_what_can_be_counted() {
        let read_all =
            read("to: https://hooks.example/a\ntoken_file: alerts.token\nmisses: 50/hour").unwrap();
        assert_eq!((read_all.to.unwrap().0.as_str(), read_all.misses.0), ("https://hooks.example/a", 50));
        assert_eq!(read("misses: 100/hour").unwrap().misses, Misses::default());
        for wrong in [
            "to: http://hooks.example",
            "to: https://u:p@hooks.example",
            "misses: 5/hour",
            "misses: 50/day",
            "misses: 2001/hour",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
