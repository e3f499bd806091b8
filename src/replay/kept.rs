//! Bundles as replaying takes them: from a folder, and those that served, each loaded when it is first asked for.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Bundle;
use crate::{
    clock,
    config::{self, KeptBundles, Means, Placeholders, Report},
    crosswalk::Naming,
    upstream,
    words::{Digest, SecretBytes},
};

/// Who knows the ids of records that principals are given by key.
pub type Names = dyn Naming + Send + Sync;

impl Bundle {
    /// Loads the bundle of a folder, without its secrets: nothing of it is ever served. Paths in it are relative to `base`.
    ///
    /// # Errors
    /// It does not load.
    pub fn load(place: &Path, base: &Path, ids: &Names) -> Result<Self, Report> {
        let raw = config::load(place, &Placeholders)?;
        let (files, own) = (raw.files.clone(), raw.addresses());
        let means = Means {
            registry: &upstream::Registry::default(),
            own: &own,
            // No record is shown under this key.
            pseudonyms: &SecretBytes::new(vec![7; 32]),
            base,
            now: clock::now(),
            ids,
        };
        let (snapshot, _warnings) = config::compile(raw, &means)?;
        Ok(Self { snapshot, files })
    }
}

/// The bundles that a gate served. LIMIT: as many as are kept.
pub struct KeptByDigest {
    bundles: KeptBundles,
    base: PathBuf,
    ids: Box<Names>,
    found: Mutex<HashMap<Digest, Option<Arc<Bundle>>>>,
}

impl std::fmt::Debug for KeptByDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptByDigest").field("bundles", &self.bundles).finish_non_exhaustive()
    }
}

impl KeptByDigest {
    /// Those of a data folder.
    pub fn of(data: &Path, base: &Path, ids: Box<Names>) -> Self {
        Self { bundles: KeptBundles::of(data), base: base.to_owned(), ids, found: Mutex::default() }
    }

    /// Who knows the ids of records that principals are given by key.
    pub fn ids(&self) -> &Names {
        &*self.ids
    }

    /// The one of that digest, where it is kept and is what it was.
    pub fn find(&self, digest: Digest) -> Option<Arc<Bundle>> {
        // Held while it is loaded: the others wait for the same one.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(&digest) {
            return known.clone();
        }
        let kept = self.bundles.beginning(&digest.to_string()).ok().flatten().filter(|kept| kept.is_whole());
        let loaded = kept.and_then(|kept| Bundle::load(&kept.policies, &self.base, self.ids()).ok());
        let loaded = loaded.map(Arc::new);
        found.insert(digest, loaded.clone());
        loaded
    }
}
