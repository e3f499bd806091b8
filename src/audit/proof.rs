//! Proofs for others: that an entry stands under a signed head, and that a later head only added to an earlier one
//! (RFC 6962, §2.1.1 and §2.1.2). Whoever holds the public key checks them without the journal.
//!
//! The text of a proof of inclusion is that of `c2sp.org/tlog-proof`, with the entry itself in `extra`. A proof names
//! one entry and hashes; it tells nothing of the others.

use std::path::Path;

use data_encoding::BASE64;

use super::{
    JournalError, PublicKey, PutAway, SignedHead, hashes as kept_hashes,
    head::gathered_heads,
    lanes::origin,
    read::{self, read_lane},
    recover::newest_head,
    tree::{Edge, leaf_hash, node_hash},
    wrapping::WrappingKeys,
};
use crate::words::Digest;

const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
const CONSISTENCY: &str = "bramka/consistency-proof@v1";
/// LIMIT: hashes of a proof: a tree of 2⁶⁴ leaves needs no more.
const HASHES_MAX: usize = 128;
/// LIMIT: bytes of a proof that is checked.
pub const PROOF_BYTES_MAX: u64 = 1024 * 1024;

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The entry stands under the head.
    Entry {
        /// The entry's leaf, as it stands in the journal; none where it was put away and its hash alone is proved.
        leaf: Option<String>,
        /// The leaf's hash.
        hash: Digest,
        /// Its place in the lane.
        sequence: u64,
        /// The head.
        head: SignedHead,
    },
    /// The later head has all entries of the earlier one, unchanged.
    Grown {
        /// The earlier head.
        from: SignedHead,
        /// The later one.
        to: SignedHead,
    },
}

/// Why a text proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// It is no proof.
    #[error("not a proof")]
    Shape,
    /// Its head is not signed by the key.
    #[error("no signature of this key fits its head")]
    Head,
    /// The hashes do not lead to the head.
    #[error("its hashes do not lead to the head that it names")]
    Hashes,
    /// It holds no entry, and none was given by its hash.
    #[error("it holds no entry, because that was put away; whoever has its receipt gives that too")]
    NoEntry,
    /// Its two heads are of different lanes, or the later one is smaller.
    #[error("its two heads are not of one lane, earlier and later")]
    Lanes,
}

/// The proof that an entry stands under a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    /// The proof.
    pub text: String,
    /// With what the entry was put away: the proof holds its place and not the entry, and whoever has its hash
    /// checks it by that.
    pub put_away: Option<PutAway>,
}

/// The proof that an entry stands under the lane's newest signed head. Blocks; reads all of the lane.
///
/// # Errors
/// There is no such entry under a signed head, or the lane cannot be read or is not what was signed.
pub fn prove_entry(
    gate_directory: &Path,
    lane: &str,
    sequence: u64,
    key: &PublicKey,
    wrapping: &WrappingKeys,
) -> Result<EntryProof, JournalError> {
    let head = newest(gate_directory, lane, key)?;
    if sequence >= head.size {
        return Err(JournalError::Setting(format!(
            "lane {lane} has no entry {sequence} under its newest signed head, which names {} entries",
            head.size
        )));
    }
    let ranges = path_of(sequence, head.size);
    let directory = gate_directory.join(lane);
    let walked = Walked::through((&directory, wrapping), &head, &ranges, Some(sequence))?;
    let extra = walked.leaf.as_ref().map(|leaf| format!("extra {}\n", BASE64.encode(leaf)));
    let mut text = format!("{INCLUSION}\n{}index {sequence}\n", extra.unwrap_or_default());
    lines(&mut text, &walked.hashes);
    text.push('\n');
    text.push_str(head.note());
    // ORDER: after the lane was read, some of which may have been put away meanwhile.
    let put_away = if walked.leaf.is_none() { kept_hashes::of_entry(&directory, sequence)? } else { None };
    Ok(EntryProof { text, put_away })
}

/// The proof that the lane's newest signed head only added to an earlier one. Blocks; reads all of the lane.
///
/// # Errors
/// The earlier head is none of a lane here, or names more, or the lane is not what was signed.
pub fn prove_consistency(
    gate_directory: &Path,
    from: &str,
    key: &PublicKey,
    wrapping: &WrappingKeys,
) -> Result<String, JournalError> {
    let refused = |why: String| Err(JournalError::Setting(why));
    let from = match gathered_heads(from, std::slice::from_ref(key)) {
        Ok(heads) if heads.len() == 1 => heads.into_iter().next(),
        Ok(heads) => return refused(format!("there are {} signed heads; give one", heads.len())),
        Err(bad) => return refused(format!("the earlier head: {bad}")),
    };
    let Some(from) = from else { return refused("there is no earlier head".into()) };
    let lanes = read::lanes(gate_directory)?;
    let gate = gate_directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(lane) = lanes.iter().find(|lane| origin(gate, lane) == from.origin) else {
        return refused(format!("the head is of `{}`, which is no lane here", from.origin));
    };
    let to = newest(gate_directory, lane, key)?;
    if from.size == 0 || from.size > to.size {
        return refused(format!("the head names {} entries, and the newest one {}", from.size, to.size));
    }
    let ranges = growth(from.size, to.size);
    let walked = Walked::through((&gate_directory.join(lane), wrapping), &to, &ranges, None)?;
    if !has_grown(&from, &to, &walked.hashes) {
        let place = format!("lane {lane}");
        return Err(JournalError::Damaged {
            place,
            why: "its entries are not those of the earlier head".into(),
        });
    }
    let mut text = format!("{CONSISTENCY}\n");
    lines(&mut text, &walked.hashes);
    Ok(format!("{text}\n{}\n{}", from.note(), to.note()))
}

/// Checks a proof under a public key; needs nothing else, but for an entry that was put away its hash: the receipt.
///
/// # Errors
/// It proves nothing.
pub fn check_proof(text: &str, key: &PublicKey, known: Option<&Digest>) -> Result<Proved, BadProof> {
    let (head, notes) = text.split_once("\n\n").ok_or(BadProof::Shape)?;
    let mut lines = head.lines().peekable();
    match lines.next() {
        Some(INCLUSION) => {
            let field = |line: Option<&str>, name: &str| {
                line.and_then(|line| line.strip_prefix(name)).map(str::to_owned).ok_or(BadProof::Shape)
            };
            let extra = lines.next_if(|line| line.starts_with("extra "));
            let leaf = extra.map(|extra| {
                let leaf = BASE64.decode(extra.strip_prefix("extra ")?.as_bytes()).ok()?;
                String::from_utf8(leaf).ok()
            });
            let leaf = leaf.map(|leaf| leaf.ok_or(BadProof::Shape)).transpose()?;
            let sequence = field(lines.next(), "index ")?.parse().map_err(|_| BadProof::Shape)?;
            let hashes = hashes(lines)?;
            let head = SignedHead::parse(notes, std::slice::from_ref(key)).map_err(|_| BadProof::Head)?;
            let own = leaf.as_ref().map(|leaf| leaf_hash(leaf.as_bytes(), &mut Vec::new()));
            let hash = own.or(known.copied()).ok_or(BadProof::NoEntry)?;
            match stands(&hash, sequence, &head, &hashes) {
                true => Ok(Proved::Entry { leaf, hash, sequence, head }),
                false => Err(BadProof::Hashes),
            }
        }
        Some(CONSISTENCY) => {
            let hashes = hashes(lines)?;
            let heads = gathered_heads(notes, std::slice::from_ref(key)).map_err(|_| BadProof::Head)?;
            let [from, to]: [SignedHead; 2] = heads.try_into().map_err(|_| BadProof::Shape)?;
            if from.origin != to.origin || from.size == 0 || from.size > to.size {
                return Err(BadProof::Lanes);
            }
            match has_grown(&from, &to, &hashes) {
                true => Ok(Proved::Grown { from, to }),
                false => Err(BadProof::Hashes),
            }
        }
        Some(_) | None => Err(BadProof::Shape),
    }
}

fn newest(gate_directory: &Path, lane: &str, key: &PublicKey) -> Result<SignedHead, JournalError> {
    let gate = gate_directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !read::lanes(gate_directory)?.iter().any(|known| known == lane) {
        return Err(JournalError::Setting(format!("there is no lane {lane}")));
    }
    newest_head(&gate_directory.join(lane), &origin(gate, lane), key)
        .ok_or_else(|| JournalError::Setting(format!("lane {lane} has no head that this key signed")))
}

fn lines(text: &mut String, hashes: &[Digest]) {
    for hash in hashes {
        text.push_str(&BASE64.encode(&hash.0));
        text.push('\n');
    }
}

fn hashes<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<Digest>, BadProof> {
    let mut found = Vec::new();
    for line in lines {
        let bytes = BASE64.decode(line.as_bytes()).map_err(|_| BadProof::Shape)?;
        found.push(Digest(bytes.try_into().map_err(|_| BadProof::Shape)?));
        if found.len() > HASHES_MAX {
            return Err(BadProof::Shape);
        }
    }
    Ok(found)
}

/// A run of leaves, from the first to before the last.
type Run = (u64, u64);

/// The largest power of two below a size above one.
fn split(size: u64) -> u64 {
    1 << (63 - (size.saturating_sub(1)).leading_zeros().min(63))
}

/// Runs whose roots lead from a leaf to the root over `size` leaves, in the order in which they are used.
fn path_of(leaf: u64, size: u64) -> Vec<Run> {
    let (mut start, mut end, mut runs) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        match leaf < middle {
            true => {
                runs.push((middle, end));
                end = middle;
            }
            false => {
                runs.push((start, middle));
                start = middle;
            }
        }
    }
    runs.reverse();
    runs
}

/// Runs whose roots lead from the root over the first leaves to the root over all.
fn growth(from: u64, to: u64) -> Vec<Run> {
    let (mut start, mut end, mut runs) = (0, to, Vec::new());
    // A subtree that both trees have; where it is not the whole of the first its root has to be told.
    while end != from {
        let middle = start + split(end - start);
        match from <= middle {
            true => {
                runs.push((middle, end));
                end = middle;
            }
            false => {
                runs.push((start, middle));
                start = middle;
            }
        }
    }
    if start > 0 {
        runs.push((start, end));
    }
    runs.reverse();
    runs
}

/// What a walk through a lane found.
struct Walked {
    /// The root of each run, in the order in which they were asked for.
    hashes: Vec<Digest>,
    /// The entry that was wanted; none where it was put away.
    leaf: Option<Vec<u8>>,
}

impl Walked {
    /// Reads a lane up to a head; checks that it is what the head signed.
    fn through(
        (directory, wrapping): (&Path, &WrappingKeys),
        head: &SignedHead,
        runs: &[Run],
        wanted: Option<u64>,
    ) -> Result<Self, JournalError> {
        let mut found: Vec<(Run, Edge)> = runs.iter().map(|run| (*run, Edge::default())).collect();
        let (mut whole, mut leaf, mut scratch) = (Edge::default(), None, Vec::new());
        let size = usize::try_from(head.size).unwrap_or(usize::MAX);
        let mut take = |whole: &mut Edge, hash: Digest| {
            for ((start, end), edge) in &mut found {
                if (*start..*end).contains(&whole.size()) {
                    edge.push(hash);
                }
            }
            whole.push(hash);
        };
        for gone in kept_hashes::gone(directory)? {
            if gone.about.first != whole.size() {
                return Err(gone.damaged("they do not follow from what stands before"));
            }
            gone.each(|hash| {
                take(&mut whole, hash);
                Ok(())
            })?;
        }
        let here = size.saturating_sub(usize::try_from(whole.size()).unwrap_or(usize::MAX));
        for line in read_lane(directory, wrapping)?.take(here) {
            let line = line?;
            if line.sequence != whole.size() {
                break;
            }
            if wanted == Some(line.sequence) {
                leaf = Some(line.leaf_bytes().to_vec());
            }
            take(&mut whole, leaf_hash(line.leaf_bytes(), &mut scratch));
        }
        if whole.size() != head.size || whole.root() != head.root {
            let place = directory.display().to_string();
            return Err(JournalError::Damaged { place, why: "it is not what its newest head signed".into() });
        }
        Ok(Self { hashes: found.into_iter().map(|(_, edge)| edge.root()).collect(), leaf })
    }
}

/// RFC 9162, §2.1.3.2.
fn stands(leaf: &Digest, sequence: u64, head: &SignedHead, hashes: &[Digest]) -> bool {
    let Some(mut last) = head.size.checked_sub(1).filter(|last| sequence <= *last) else { return false };
    let (mut node, mut root) = (sequence, *leaf);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && root == head.root
}

/// RFC 9162, §2.1.4.2.
fn has_grown(from: &SignedHead, to: &SignedHead, hashes: &[Digest]) -> bool {
    if from.size == to.size {
        return hashes.is_empty() && from.root == to.root;
    }
    let Some(first) = from.size.checked_sub(1) else { return false };
    let (mut node, mut last) = (first, to.size.saturating_sub(1));
    let whole = from.size.is_power_of_two().then_some(&from.root);
    let mut hashes = whole.into_iter().chain(hashes);
    let Some(seed) = hashes.next() else { return false };
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old, mut new) = (*seed, *seed);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            (old, new) = (node_hash(hash, &old), node_hash(hash, &new));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old == from.root && new == to.root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n: u64) -> Vec<u8> {
        n.to_string().into_bytes()
    }

    fn hash(n: u64) -> Digest {
        leaf_hash(&leaf(n), &mut Vec::new())
    }

    fn edge(run: Run) -> Edge {
        let mut edge = Edge::default();
        for n in run.0..run.1 {
            edge.push(leaf_hash(&leaf(n), &mut Vec::new()));
        }
        edge
    }

    fn head(size: u64) -> SignedHead {
        let key = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        SignedHead::sign("bramka/main/0", &edge((0, size)), &key)
    }

    fn roots(runs: &[Run]) -> Vec<Digest> {
        runs.iter().map(|run| edge(*run).root()).collect()
    }

    #[test]
    fn every_entry_of_every_small_tree_is_proved_and_no_other() {
        for size in 1..40 {
            let head = head(size);
            for sequence in 0..size {
                let path = roots(&path_of(sequence, size));
                assert!(stands(&hash(sequence), sequence, &head, &path), "{sequence} of {size}");
                assert!(!stands(&hash(sequence + 1), sequence, &head, &path), "another leaf");
                assert!(!stands(&hash(sequence), size, &head, &path), "beyond the head");
                let other = (sequence + 1) % size;
                assert!(size == 1 || !stands(&hash(sequence), other, &head, &path), "another place");
                assert!(size == 1 || !stands(&hash(sequence), sequence, &head, &path[1..]), "a hash less");
            }
        }
    }

    #[test]
    fn every_small_tree_is_proved_to_have_grown_from_every_smaller_one() {
        for to in 1..40 {
            for from in 1..=to {
                let path = roots(&growth(from, to));
                assert!(has_grown(&head(from), &head(to), &path), "{from} to {to}");
                let mut other = head(from);
                other.root = Digest([1; 32]);
                assert!(!has_grown(&other, &head(to), &path), "another beginning, {from} to {to}");
                assert!(path.is_empty() || !has_grown(&head(from), &head(to), &path[1..]), "{from} to {to}");
                assert!(!has_grown(&head(from), &head(to + 1), &path), "{from} to {}", to + 1);
            }
        }
    }
}
