//! The cursor a caller gets: opaque, sealed, and good only for the list it came from.
//!
//! It holds the system's own cursor, a place inside the system's page, the moment that the list began and, of several
//! systems, whose page that is. It is sealed (AES-256-GCM) under a key of the gate with the scope as associated data, so that a cursor of another caller, entity or query is
//! as wrong as one that was tampered with.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use data_encoding::BASE64URL_NOPAD;

use crate::{
    schema::query::CURSOR_CHARS_MAX,
    words::{Digest, SecretBytes},
};

/// Bytes of the seal beside what is sealed.
const TAG_LEN: usize = 16;
/// Bytes before the system's own cursor: the place, the size of its page, the moment, and in one whether there is a cursor
/// and whose turn it is.
const PLACE_LEN: usize = 17;

/// Where a list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The system's own cursor of the page to ask for; none for its first page.
    pub native: Option<String>,
    /// How many records of that page were dealt with already.
    pub skip: u32,
    /// How many rows that page is asked for, and those after it: a place inside a page is one in a page of this size. 0
    /// where none was asked for yet.
    pub rows: u32,
    /// Which of the systems that serve the collection is asked, by its place among them; [`TOGETHER`](Self::TOGETHER)
    /// where the place is one among the records of all of them.
    pub turn: u8,
    /// When the list began, in microseconds of the wall clock: what its query means by now, on all of its pages.
    pub began: i64,
}

impl Cursor {
    /// LIMIT: systems that can take turns.
    pub const TURNS_MAX: usize = 8;
    /// Nobody's turn: the records of all systems are in one order.
    pub const TOGETHER: u8 = 127;

    /// LIMIT: longest cursor of a system that can be sealed, in bytes: what is left of [`CURSOR_CHARS_MAX`], four
    /// characters carrying three bytes.
    pub const NATIVE_BYTES_MAX: usize = CURSOR_CHARS_MAX / 4 * 3 - NONCE_LEN - TAG_LEN - PLACE_LEN;
}

/// A cursor that cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// The caller could not send it back.
    #[error("the system's own cursor is longer than {} bytes", Cursor::NATIVE_BYTES_MAX)]
    TooLong,
    /// The library gave no randomness or no seal.
    #[error("there is no randomness to seal a cursor with")]
    NoRandomness,
}

/// A cursor that is not one of ours for this list. Says no more, to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list")]
pub struct BadCursor;

/// The key cursors are sealed under.
pub struct CursorKey(LessSafeKey);

impl CursorKey {
    /// A key of 32 bytes; shorter or longer ones are digested first.
    ///
    /// # Errors
    /// Never for a sound crypto library.
    pub fn new(secret: &SecretBytes) -> Result<Self, BadCursor> {
        let key = Digest::of_parts(&[b"bramka cursor with its moment", secret.expose()]);
        UnboundKey::new(&AES_256_GCM, &key.0).map(|key| Self(LessSafeKey::new(key))).map_err(|_| BadCursor)
    }

    /// Seals a cursor for a scope: the digest of caller, entity and query.
    ///
    /// # Errors
    /// Its native part is too long, or there is no randomness.
    pub fn seal(&self, scope: &Digest, cursor: &Cursor) -> Result<String, Unsealed> {
        if cursor.native.as_ref().is_some_and(|native| native.len() > Cursor::NATIVE_BYTES_MAX) {
            return Err(Unsealed::TooLong);
        }
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| Unsealed::NoRandomness)?;
        let mut sealed = Vec::from(cursor.skip.to_le_bytes());
        sealed.extend_from_slice(&cursor.rows.to_le_bytes());
        sealed.extend_from_slice(&cursor.began.to_le_bytes());
        sealed.push(cursor.turn << 1 | u8::from(cursor.native.is_some()));
        sealed.extend_from_slice(cursor.native.as_deref().unwrap_or_default().as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(scope.0), &mut sealed)
            .map_err(|_| Unsealed::NoRandomness)?;
        let mut all = Vec::from(nonce);
        all.append(&mut sealed);
        Ok(BASE64URL_NOPAD.encode(&all))
    }

    /// Opens a cursor of the same scope.
    ///
    /// # Errors
    /// Whatever else it is.
    pub fn open(&self, scope: &Digest, text: &str) -> Result<Cursor, BadCursor> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(BadCursor);
        }
        let all = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadCursor)?;
        let (nonce, sealed) = all.split_first_chunk::<NONCE_LEN>().ok_or(BadCursor)?;
        let mut sealed = sealed.to_vec();
        let plain = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(scope.0), &mut sealed)
            .map_err(|_| BadCursor)?;
        let (skip, rest) = plain.split_first_chunk::<4>().ok_or(BadCursor)?;
        let (rows, rest) = rest.split_first_chunk::<4>().ok_or(BadCursor)?;
        let (began, rest) = rest.split_first_chunk::<8>().ok_or(BadCursor)?;
        let (there, native) = rest.split_first().ok_or(BadCursor)?;
        let native = std::str::from_utf8(native).map_err(|_| BadCursor)?;
        Ok(Cursor {
            native: (*there & 1 == 1).then(|| native.to_owned()),
            skip: u32::from_le_bytes(*skip),
            rows: u32::from_le_bytes(*rows),
            turn: *there >> 1,
            began: i64::from_le_bytes(*began),
        })
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_in_its_own_scope_and_untouched() {
        let key = CursorKey::new(&SecretBytes::new(vec![7; 32])).unwrap();
        let (scope, other) = (Digest::of(b"a"), Digest::of(b"b"));
        for cursor in [
            Cursor::default(),
            Cursor {
                native: Some("https://erp.test/x?$skiptoken=100".into()),
                skip: 17,
                rows: 50,
                turn: 0,
                began: 1,
            },
            Cursor { native: Some(String::new()), skip: 0, rows: u32::MAX, turn: 7, began: i64::MIN },
            Cursor { native: None, skip: 3, rows: 0, turn: Cursor::TOGETHER, began: i64::MAX },
        ] {
            let sealed = key.seal(&scope, &cursor).unwrap();
            assert_eq!(key.open(&scope, &sealed), Ok(cursor));
            assert_eq!(key.open(&other, &sealed), Err(BadCursor));
            for at in 0..sealed.len() {
                let mut broken = sealed.clone().into_bytes();
                broken[at] ^= 1;
                if let Ok(broken) = String::from_utf8(broken) {
                    assert_eq!(key.open(&scope, &broken), Err(BadCursor), "byte {at}");
                }
            }
        }
        for text in ["", "a", "!", &"A".repeat(100_000)] {
            assert_eq!(key.open(&scope, text), Err(BadCursor));
        }
    }

    #[test]
    fn whatever_can_be_sealed_can_be_sent_back() {
        let key = CursorKey::new(&SecretBytes::new(vec![7; 32])).unwrap();
        let scope = Digest::of(b"a");
        let of =
            |length| Cursor { native: Some("x".repeat(length)), skip: u32::MAX, rows: 1, turn: 0, began: -1 };
        let longest = of(Cursor::NATIVE_BYTES_MAX);
        let sealed = key.seal(&scope, &longest).unwrap();
        assert!(sealed.len() <= CURSOR_CHARS_MAX && sealed.len() > CURSOR_CHARS_MAX - 4, "{}", sealed.len());
        assert_eq!(key.open(&scope, &sealed), Ok(longest));
        assert_eq!(key.seal(&scope, &of(Cursor::NATIVE_BYTES_MAX + 1)), Err(Unsealed::TooLong));
    }
}
