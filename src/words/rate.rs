//! So many in so long, as a file says it.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use serde_json::{Value as Json, json};

use super::{
    Diagnostics,
    tree::Node,
    yaml::{FromYaml, expected},
};

/// So many in so long: `10/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub window: Duration,
}

/// Most requests a rate may name: the time of one stays a whole number of nanoseconds.
const COUNT_MAX: u32 = 1_000_000;
impl Rate {
    /// The time between two requests at an even pace, rounded up so that the rate is never exceeded.
    pub fn interval(self) -> Duration {
        let nanos = self.window.as_nanos().div_ceil(u128::from(self.count.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let told = || format!("`{text}` is not a rate; write how many and in what, as in `10/s` (s, m, h)");
        let (count, unit) = text.split_once('/').ok_or_else(told)?;
        let window = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(told()),
        };
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse::<NonZeroU32>().ok().filter(|count| digits && count.get() <= COUNT_MAX);
        let count = count.ok_or_else(|| format!("a rate's count is between 1 and {COUNT_MAX}"))?;
        Ok(Self { count, window: Duration::from_secs(window) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/m", self.count),
            3600 => write!(f, "{}/h", self.count),
            seconds => write!(f, "{} in {seconds} s", self.count),
        }
    }
}

impl FromYaml for Rate {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "a rate, as in `10/s`", found);
            return None;
        };
        text.parse().map_err(|error: String| found.error(&node.place, error)).ok()
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/(s|m|h)$", "examples": ["10/s", "600/m"] })
    }
}
