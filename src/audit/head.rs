//! Signed heads: C2SP checkpoints (`c2sp.org/tlog-checkpoint`) as signed notes with Ed25519.
//!
//! A head says how many entries a lane has and the root over them. It is all that has to leave the machine for
//! a later rewrite to be found.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::BASE64;

use super::tree::{Edge, sha256};
use crate::words::Digest;

/// A head, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// `bramka/<gate>/<lane>`
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    note: String,
}

/// A public key that heads are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// Why a text is no head that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// It is not a checkpoint.
    #[error("not a checkpoint")]
    Shape,
    /// It is another log's.
    #[error("the checkpoint names another origin")]
    Origin,
    /// No signature of a known key fits.
    #[error("no signature of a known key fits the checkpoint")]
    Signature,
}

impl SignedHead {
    /// Signs the tree as it is at this edge.
    pub(super) fn sign(origin: &str, edge: &Edge, key: &Ed25519KeyPair) -> Self {
        let (size, root) = (edge.size(), edge.root());
        let body = format!("{origin}\n{size}\n{}\n", BASE64.encode(&root.0));
        let mut signed = [0; 68];
        let (id, signature) = signed.split_at_mut(4);
        let mut public = [0; 32];
        public.copy_from_slice(key.public_key().as_ref());
        id.copy_from_slice(&PublicKey(public).id(origin));
        signature.copy_from_slice(key.sign(body.as_bytes()).as_ref());
        let note = format!("{body}\n\u{2014} {origin} {}\n", BASE64.encode(&signed));
        Self { origin: origin.to_owned(), size, root, note }
    }

    /// The checkpoint as it is published.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Reads a checkpoint and checks it; other signatures beside ours (witnesses) are let be.
    pub fn parse(note: &str, keys: &[PublicKey]) -> Result<Self, BadHead> {
        let head = Self::read(note)?;
        head.check(keys)?;
        Ok(head)
    }

    /// Reads a checkpoint as it stands; nothing is proved by it until [`check`](Self::check).
    pub(super) fn read(note: &str) -> Result<Self, BadHead> {
        let (body, signatures) = note.split_once("\n\n").ok_or(BadHead::Shape)?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|origin| is_origin(origin)).ok_or(BadHead::Shape)?;
        let digits = lines.next().ok_or(BadHead::Shape)?;
        let size: u64 = digits.parse().map_err(|_| BadHead::Shape)?;
        if size.to_string() != digits || !signatures.ends_with('\n') {
            return Err(BadHead::Shape);
        }
        let root = lines.next().and_then(|line| BASE64.decode(line.as_bytes()).ok()).ok_or(BadHead::Shape)?;
        let root = Digest(root.try_into().map_err(|_| BadHead::Shape)?);
        Ok(Self { origin: origin.to_owned(), size, root, note: note.to_owned() })
    }

    /// Whether a known key signed it.
    pub(super) fn check(&self, keys: &[PublicKey]) -> Result<(), BadHead> {
        let (body, signatures) = self.note.split_once("\n\n").ok_or(BadHead::Shape)?;
        let signed = format!("{body}\n");
        let fits = |(id, signature): ([u8; 4], Vec<u8>)| {
            keys.iter().any(|key| key.id(&self.origin) == id && key.fits(signed.as_bytes(), &signature))
        };
        let found = signatures.lines().filter_map(|line| signature_of(line, &self.origin)).any(fits);
        found.then_some(()).ok_or(BadHead::Signature)
    }
}

impl PublicKey {
    /// The key as signed notes spell it: `name+id+base64`.
    pub fn verifier(&self, name: &str) -> String {
        let mut id = Vec::new();
        super::text::hex(&mut id, &self.id(name));
        format!("{name}+{}+{}", String::from_utf8_lossy(&id), BASE64.encode(&self.typed()))
    }

    /// Reads `name+id+base64`; the name is not part of the key.
    pub fn of_verifier(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.trim().splitn(3, '+').nth(2)?.as_bytes()).ok()?;
        let (kind, key) = bytes.split_first()?;
        (*kind == 1).then(|| key.try_into().ok().map(Self))?
    }

    fn id(&self, name: &str) -> [u8; 4] {
        let bytes = [name.as_bytes(), b"\n", &self.typed()].concat();
        sha256(&bytes).0.first_chunk().copied().unwrap_or_default()
    }

    fn typed(&self) -> [u8; 33] {
        let mut out = [1; 33];
        out.split_at_mut(1).1.copy_from_slice(&self.0);
        out
    }

    fn fits(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verifier("journal"))
    }
}

/// Heads in a file, one after the other with an empty line between; gives the whole ones and how many bytes
/// they take. What follows them is torn, or no head.
pub(super) fn split_heads(text: &str) -> (Vec<&str>, usize) {
    let mut heads = Vec::new();
    let mut end = 0;
    // A head is two paragraphs: what is signed, and the signatures.
    while let Some(rest) = text.get(end..)
        && let Some(body) = rest.find("\n\n")
        && let Some(signatures) = rest.get(body + 2..).and_then(|rest| rest.find("\n\n"))
    {
        let len = body + 2 + signatures + 1;
        heads.extend(rest.get(..len));
        end += len + 1;
    }
    (heads, end)
}

/// Heads in a text that has been elsewhere: pasted, cut at its end, or gathered in a file for many lanes. Every one
/// must be signed; what a crash tore is left out. Never none.
pub(super) fn gathered_heads(text: &str, keys: &[PublicKey]) -> Result<Vec<SignedHead>, BadHead> {
    let mut heads = Vec::new();
    let mut body = None;
    for paragraph in text.split("\n\n").map(|paragraph| paragraph.trim_matches('\n')) {
        if !paragraph.starts_with('\u{2014}') {
            body = Some(paragraph);
        } else if let Some(body) = body.take().filter(|_| is_whole_signature(paragraph)) {
            heads.push(SignedHead::parse(&format!("{body}\n\n{paragraph}\n"), keys)?);
        }
    }
    if heads.is_empty() { Err(BadHead::Shape) } else { Ok(heads) }
}

/// Whether the last signature of a paragraph is as long as one of ours, at least.
fn is_whole_signature(paragraph: &str) -> bool {
    let signed = paragraph.rsplit(' ').next().and_then(|signed| BASE64.decode(signed.as_bytes()).ok());
    signed.is_some_and(|signed| signed.len() >= 68)
}

fn is_origin(origin: &str) -> bool {
    !origin.is_empty()
        && origin.len() <= 256
        && origin.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
        && !origin.contains('+')
}

fn signature_of(line: &str, origin: &str) -> Option<([u8; 4], Vec<u8>)> {
    let (name, signed) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = BASE64.decode(signed.as_bytes()).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (name == origin).then(|| (*id, signature.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (Ed25519KeyPair, PublicKey) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = PublicKey(key.public_key().as_ref().try_into().unwrap());
        (key, public)
    }

    fn head() -> SignedHead {
        let mut edge = Edge::default();
        edge.push(Digest::of(b"a"));
        SignedHead::sign("bramka/main/0", &edge, &key().0)
    }

    #[test]
    fn a_head_comes_back_under_its_key_and_no_other() {
        let head = head();
        assert_eq!(SignedHead::parse(head.note(), &[key().1]), Ok(head.clone()));
        assert_eq!(SignedHead::parse(head.note(), &[PublicKey([9; 32])]), Err(BadHead::Signature));
        assert_eq!(head.note().lines().count(), 5);
    }

    #[test]
    fn any_changed_byte_of_a_head_is_seen() {
        let head = head();
        for at in 0..head.note().len() {
            let mut bytes = head.note().as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(bent) = String::from_utf8(bytes) {
                assert!(SignedHead::parse(&bent, &[key().1]).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_torn_head_is_left_out() {
        let one = format!("{}\n", head().note());
        let two = format!("{one}{one}");
        for cut in 0..two.len() {
            if let Some(text) = two.get(..cut) {
                let (heads, end) = split_heads(text);
                assert_eq!(
                    (heads.len(), end),
                    if cut < one.len() { (0, 0) } else { (1, one.len()) },
                    "{cut}"
                );
            }
        }
        assert_eq!(split_heads(&two).0, [head().note(), head().note()]);
    }

    #[test]
    fn heads_that_were_elsewhere_are_read_whatever_tore_between_them() {
        let (head, keys) = (head(), [key().1]);
        let note = head.note();
        assert_eq!(gathered_heads(note, &keys).unwrap(), std::slice::from_ref(&head));
        assert_eq!(gathered_heads(note.trim_end(), &keys).unwrap().len(), 1, "as a shell gives it");
        for cut in 0..note.len() {
            let Some(part) = note.get(..cut) else { continue };
            let read = gathered_heads(&format!("{note}\n{part}\n\n{note}\n"), &keys).unwrap();
            assert_eq!(read.len(), if cut + 1 == note.len() { 3 } else { 2 }, "{cut}");
        }
        assert_eq!(
            gathered_heads(&format!("{note}\n{note}"), &[PublicKey([9; 32])]),
            Err(BadHead::Signature)
        );
        assert_eq!(gathered_heads("nothing of the sort", &keys), Err(BadHead::Shape));
    }

    #[test]
    fn the_public_key_is_spelled_as_signed_notes_do() {
        let key = key().1;
        assert_eq!(PublicKey::of_verifier(&key.verifier("bramka/main/0")), Some(key));
        assert_eq!(PublicKey::of_verifier("a+b"), None);
    }
}
