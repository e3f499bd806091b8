//! What was written and may not be found yet: some systems search in an index that lies behind their records.
//!
//! A gate remembers when it last wrote an entity of a system. A list that comes from such an index within its `lag`
//! says so, so that whoever looks before it makes a record knows that nothing found is no proof. What others write, and
//! what other gates do, it does not know.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::words::{EntityName, SystemName};

/// When entities were last written; as many as files map.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<(SystemName, EntityName), Instant>>);

impl Written {
    /// A system was asked for a change.
    pub(super) fn note(&self, system: &SystemName, entity: &EntityName, now: Instant) {
        self.0.lock().insert((system.clone(), entity.clone()), now);
    }

    /// How long an index that lies so far behind may still lack what was written.
    pub(super) fn left(
        &self,
        system: &SystemName,
        entity: &EntityName,
        lag: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let written = *self.0.lock().get(&(system.clone(), entity.clone()))?;
        lag.checked_sub(now.saturating_duration_since(written)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_index_may_lack_what_was_written_until_its_lag_is_over() {
        let (written, now) = (Written::default(), clock::mono());
        let (crm, erp, customer) =
            (SystemName::new("crm"), SystemName::new("erp"), EntityName::new("Customer"));
        let lag = Duration::from_secs(30);
        assert_eq!(written.left(&crm, &customer, lag, now), None);
        written.note(&crm, &customer, now);
        assert_eq!(written.left(&crm, &customer, lag, now), Some(lag));
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(written.left(&crm, &customer, lag, later(29)), Some(Duration::from_secs(1)));
        assert_eq!(written.left(&crm, &customer, lag, later(30)), None);
        assert_eq!(written.left(&erp, &customer, lag, now), None);
        written.note(&crm, &customer, later(40));
        assert_eq!(written.left(&crm, &customer, lag, later(41)), Some(Duration::from_secs(29)));
    }
}
