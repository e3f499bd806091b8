//! The Merkle tree of RFC 6962, kept as its right edge: appending costs one or two hashes, whatever the size.

use aws_lc_rs::digest;

use crate::words::Digest;

/// The right edge of a tree: the roots of its full subtrees, largest first.
///
/// INVARIANT: one peak for each bit set in `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<Digest>,
}

impl Edge {
    /// The edge whose peaks were kept; none where their number does not fit the size.
    pub fn restore(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds a leaf by its [`leaf_hash`].
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        let mut full = self.size;
        while full & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
            full >>= 1;
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the tree as it is now.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Digest::of(b"") };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// What a leaf is in the tree: SHA-256 over 0x00 and its bytes. `scratch` saves an allocation a leaf.
pub fn leaf_hash(leaf: &[u8], scratch: &mut Vec<u8>) -> Digest {
    scratch.clear();
    scratch.push(0);
    scratch.extend_from_slice(leaf);
    sha256(scratch)
}

/// What two subtrees are together: SHA-256 over 0x01 and both.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    let (_, both) = bytes.split_at_mut(1);
    let (first, second) = both.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    sha256(&bytes)
}

/// In one call: cheaper than a context for short runs.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Digest(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 §2.1 as it is written.
    fn naive(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => leaf_hash(leaf, &mut Vec::new()),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&naive(&leaves[..split]), &naive(&leaves[split..]))
            }
        }
    }

    fn edge(leaves: &[Vec<u8>]) -> Edge {
        let mut edge = Edge::default();
        for leaf in leaves {
            edge.push(leaf_hash(leaf, &mut Vec::new()));
        }
        edge
    }

    /// The inputs and roots of certificate-transparency's own tests.
    #[test]
    fn roots_are_those_of_the_reference_tree() {
        let leaves: Vec<Vec<u8>> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
        .collect();
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(edge(&leaves[..size]).root().to_string(), *root, "{size} leaves");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_edge_is_the_whole_tree(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..130)) {
            let edge = edge(&leaves);
            prop_assert_eq!(edge.root(), naive(&leaves));
            let restored = Edge::restore(edge.size(), edge.peaks().to_vec()).unwrap();
            prop_assert_eq!(restored.root(), edge.root());
        }
    }
}
