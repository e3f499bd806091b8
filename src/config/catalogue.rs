//! Systems that stand ready and are not in use: `systems/catalogue/*.yaml`.
//!
//! Promises: such a file is checked as one in use would be, its samples there and back; nothing of it reaches a gate,
//! no secret of it is read, and a mistake in it keeps no bundle from serving. Whoever wants the system moves the file
//! one folder up.

use std::{path::Path, sync::Arc};

use super::{
    Source,
    bundle::{Sheet, SystemSheet, systems},
    files::Files,
    snapshot::{bases, check_keys},
};
use crate::{
    clock::Now,
    mapping,
    schema::Schema,
    upstream::{self, Upstream},
    words::{Diagnostics, Secret, SystemName},
};

/// The catalogue of a bundle, as read.
#[derive(Debug)]
pub struct Catalogue {
    sources: Vec<Source>,
    systems: Vec<SystemSheet>,
    found: Diagnostics,
}

impl Catalogue {
    /// Reads the catalogue in a bundle's folder; it may be empty or absent.
    ///
    /// # Errors
    /// What does not belong there, cannot be read or is too large.
    pub fn read(dir: &Path) -> Result<Self, Diagnostics> {
        let sources = Files::catalogue(dir)?;
        let mut found = Diagnostics::default();
        let sheets = sources
            .iter()
            .filter_map(|source| {
                Files::parsed(source, &mut found).map(|node| Sheet { file: source.path.clone(), node })
            })
            .collect();
        Ok(Self { systems: systems(sheets, &mut found), sources, found })
    }

    /// Its files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Its systems, as far as their files can be read.
    pub fn systems(&self) -> &[SystemSheet] {
        &self.systems
    }

    /// What is wrong with its files, before any is looked at as a system.
    pub fn found(&self) -> &Diagnostics {
        &self.found
    }

    /// How many systems it describes, and on how many samples.
    pub fn counts(&self) -> (usize, usize) {
        (self.systems.len(), self.systems.iter().map(SystemSheet::samples).sum())
    }

    /// Checks every file against the schema and runs its samples both ways; tells what is wrong.
    pub fn check(self, schema: &Schema, now: Now) -> Diagnostics {
        let mut found = self.found;
        for sheet in &self.systems {
            let name = SystemName::new(sheet.name.value.as_str());
            let node = &sheet.sheet.node;
            check_keys(node, &mut found);
            let mapping = mapping::System::load(&name, node, &bases(node), schema, &mut found);
            if let Some(mapping) = &mapping {
                found.absorb(mapping.check());
            }
            let means = upstream::Means {
                secret: &|_, _| Some(Secret::new("placeholder".to_owned())),
                file: &|path, found| {
                    found.error(&path.place, "a file of the catalogue names no files of the machine");
                    None
                },
                own: Arc::default(),
                registry: &upstream::Registry::default(),
                now,
            };
            // Only what is wrong with it is of interest here.
            drop(Upstream::configure(&name, node, &means, &mut found));
        }
        found
    }
}
