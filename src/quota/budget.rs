//! Exposure budgets of plans: how many distinct records of an entity, and how many distinct people, may be shown in an
//! hour, a day or a month of UTC.

use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use serde_json::{Value as Json, json};

use super::standing::{Item, Policy};
use crate::words::{
    Diagnostics, EntityName, Place, PlanName,
    tree::Node,
    yaml::{FromYaml, Spanned, expected},
    yaml_object,
};

/// LIMIT: most records, or people, that a budget may name: what was shown is kept one by one.
const MOST_MAX: u32 = 1_000_000;
/// LIMIT: budgets of one plan.
const BUDGETS_MAX: usize = 16;
/// The share at which somebody is told, where the file does not say.
const ALERT_PERCENT: u32 = 80;

yaml_object! {
    /// A bound on what may be shown; either `records` or `people`.
    pub struct BudgetFile {
        /// The entity whose distinct records count, whatever is shown of them.
        pub records: Option<Spanned<String>> = None;
        /// The entity whose records are the people: each counts of whom a field of class personal or secret is shown, in
        /// whatever record it stands; and each whose record was found by such a field.
        pub people: Option<Spanned<String>> = None;
        /// How many in what time: `500/day`. Hours, days and months are those of UTC.
        pub most: Spanned<Most>;
        /// The share at which an alert is told, once in that time: `80%`.
        pub alert: Option<Spanned<Share>> = None;
    }
}

/// So many in an hour, a day or a month: `500/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// How many.
    pub count: NonZeroU32,
    /// In what time.
    pub span: Span,
}

/// A time in which a budget is spent, of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

/// A part of a hundred, from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

/// What a budget counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counts {
    /// Distinct records of an entity.
    Records(EntityName),
    /// Distinct people, who are records of an entity, of whom something personal is shown.
    People(EntityName),
}

/// A budget of a plan.
#[derive(Debug)]
pub struct Budget {
    /// What it counts.
    pub counts: Counts,
    /// How many, in what time.
    pub most: Most,
    /// At how many somebody is told.
    pub alert: u64,
    /// As callers are told of it: `partner.order.day`, `partner.customer.people.day`.
    pub policy: Arc<Policy>,
    /// Where it stands in the file.
    pub place: Place,
}

/// The hour, day or month that a moment is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its number, counted from 1970.
    pub number: i64,
    /// When it ends.
    pub ends: Timestamp,
}

impl Span {
    /// Every span, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// As a file says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The window of a moment.
    pub fn window(self, now: Timestamp) -> Window {
        let even = |seconds: i64| {
            let number = now.as_second().div_euclid(seconds);
            let end = number.saturating_add(1).saturating_mul(seconds);
            Window { number, ends: Timestamp::from_second(end).unwrap_or(Timestamp::MAX) }
        };
        match self {
            Self::Hour => even(3_600),
            Self::Day => even(86_400),
            Self::Month => {
                let first = now.to_zoned(TimeZone::UTC).date().first_of_month();
                let number = (i64::from(first.year()) - 1970) * 12 + i64::from(first.month()) - 1;
                let next = first.checked_add(1.month()).and_then(|next| next.to_zoned(TimeZone::UTC));
                Window { number, ends: next.as_ref().map_or(Timestamp::MAX, Zoned::timestamp) }
            }
        }
    }

    /// How long it is at most, for [`Policy`].
    fn length(self) -> Duration {
        let days = match self {
            Self::Hour => return Duration::from_secs(3_600),
            Self::Day => 1,
            Self::Month => 31,
        };
        Duration::from_secs(days * 86_400)
    }
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.span.as_str())
    }
}

impl FromStr for Most {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let told = || {
            format!("`{text}` is no budget; write how many in what time, as in `500/day` (hour, day, month)")
        };
        let (count, span) = text.split_once('/').ok_or_else(told)?;
        let span = Span::ALL.into_iter().find(|known| known.as_str() == span).ok_or_else(told)?;
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse::<NonZeroU32>().ok().filter(|count| digits && count.get() <= MOST_MAX);
        let count = count.ok_or_else(|| {
            format!(
                "a budget is between 1 and {MOST_MAX}: what was shown is kept one by one, to count it exactly"
            )
        })?;
        Ok(Self { count, span })
    }
}

impl FromYaml for Most {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "a budget, as in `500/day`", found);
            return None;
        };
        text.parse().map_err(|error: String| found.error(&node.place, error)).ok()
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/(hour|day|month)$", "examples": ["500/day"] })
    }
}

impl FromYaml for Share {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let share = node.as_text().and_then(|text| text.strip_suffix('%')?.parse().ok());
        let share = share.filter(|share| (1..=100).contains(share)).map(Self);
        if share.is_none() {
            expected(node, "a share from `1%` to `100%`", found);
        }
        share
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]{1,3}%$", "examples": ["80%"] })
    }
}

impl Counts {
    /// The entity whose records are counted.
    pub fn entity(&self) -> &EntityName {
        match self {
            Self::Records(entity) | Self::People(entity) => entity,
        }
    }

    /// As the store and metrics know it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Records(entity) => entity.as_str().to_ascii_lowercase(),
            Self::People(entity) => format!("{}.people", entity.as_str().to_ascii_lowercase()),
        }
    }
}

/// The budgets of a plan; every mistake goes into `found`.
pub(super) fn compile(plan: &PlanName, files: &[BudgetFile], found: &mut Diagnostics) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = Vec::new();
    for file in files {
        let place = &file.most.place;
        let counts = match (&file.records, &file.people) {
            (Some(entity), None) => Counts::Records(entity.value.as_str().into()),
            (None, Some(entity)) => Counts::People(entity.value.as_str().into()),
            (Some(_), Some(_)) | (None, None) => {
                found.error(place, "a budget counts either `records` of an entity or `people`");
                continue;
            }
        };
        let most = file.most.value;
        if budgets.iter().any(|other| other.counts == counts && other.most.span == most.span) {
            found
                .error(place, format!("the plan has a budget of these for a {} already", most.span.as_str()));
            continue;
        }
        if budgets.len() >= BUDGETS_MAX {
            found.error(place, format!("a plan has at most {BUDGETS_MAX} budgets"));
            break;
        }
        let share = file.alert.as_ref().map_or(ALERT_PERCENT, |share| share.value.0);
        let limit = u64::from(most.count.get());
        let alert = (limit * u64::from(share)).div_ceil(100).max(1);
        let name = format!("{plan}.{}.{}", counts.name(), most.span.as_str());
        let item = Item { name: name.as_str().into(), limit, window: Some(most.span.length()) };
        budgets.push(Budget { counts, most, alert, policy: Policy::alone(item), place: place.clone() });
    }
    budgets
}
