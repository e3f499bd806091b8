//! The newest bundle that served under a signed lock: none older serves after it, over restarts too.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::words::Digest;

/// What became of a bundle that would serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// None newer has served: from now on it is the newest.
    Newest,
    /// One of that version has served.
    Older {
        /// The version of the newest that served.
        highest: u64,
    },
    /// Another one of the same version has served.
    Other {
        /// Which.
        bundle: Digest,
    },
}

impl Store {
    /// Takes note of a bundle that is about to serve, unless one that served is newer.
    ///
    /// # Errors
    /// The store did not take it; the bundle must not serve.
    pub async fn raise_bundle(
        &self,
        version: u64,
        bundle: Digest,
        at: Timestamp,
    ) -> Result<Raised, StoreError> {
        self.run(move |connection| {
            // ORDER: in one transaction; two processes may raise at once.
            let transaction = connection.transaction()?;
            let before: Option<(i64, [u8; 32])> = transaction
                .query_row("SELECT version, bundle FROM newest_bundle", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            if let Some((highest, known)) = before {
                let (highest, known) = (u64::try_from(highest).unwrap_or(u64::MAX), Digest(known));
                if version < highest {
                    return Ok(Raised::Older { highest });
                }
                if version == highest && known != bundle {
                    return Ok(Raised::Other { bundle: known });
                }
            }
            transaction.execute(
                "INSERT INTO newest_bundle (only, version, bundle, at) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT (only) DO UPDATE SET version = ?1, bundle = ?2, at = ?3",
                params![i64::try_from(version).unwrap_or(i64::MAX), bundle.0, at.as_millisecond()],
            )?;
            transaction.commit()?;
            Ok(Raised::Newest)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn no_older_bundle_is_taken_after_a_newer_one_by_another_process_either() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let raise = |version, text: &str| {
            let store = Store::open(&dir.path().join("bramka.db")).unwrap();
            runtime
                .block_on(store.raise_bundle(version, Digest::of(text.as_bytes()), clock::now().wall))
                .unwrap()
        };
        assert_eq!(raise(3, "a"), Raised::Newest);
        assert_eq!(raise(3, "a"), Raised::Newest, "a restart");
        assert_eq!(raise(3, "b"), Raised::Other { bundle: Digest::of(b"a") });
        assert_eq!(raise(2, "a"), Raised::Older { highest: 3 });
        assert_eq!(raise(4, "b"), Raised::Newest);
        assert_eq!(raise(3, "a"), Raised::Older { highest: 4 });
        assert_eq!(raise(5, "a"), Raised::Newest, "the files of before under a new version");
    }
}
