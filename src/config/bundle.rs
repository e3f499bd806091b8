//! A bundle as read: trees, texts and the settings that are typed already, before the other rooms compile
//! their parts.
//!
//! Every mistake of every file is collected, so that one run tells all of them: a bundle whose `gateway.yaml`
//! is broken still has its statements and mappings looked at.

use std::{net::SocketAddr, path::Path, sync::Arc};

use jiff::Timestamp;

use super::{
    files::{Files, GATEWAY, HOURS, LIMITS, Section, Source},
    lock,
    report::Report,
    secrets::{Env, Secrets},
    settings::{GatewaySettings, check_name},
    trust::{Signed, Trust},
};
use crate::{
    policy::Hours,
    quota::Plans,
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{Key, Node, Scalar, Value},
        yaml::{FromYaml, Named, Spanned},
    },
};

/// One YAML file and its tree.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its path inside the bundle.
    pub file: Arc<str>,
    /// What stands in it.
    pub node: Node,
}

/// A file of `systems/` and the system it describes.
#[derive(Clone, Debug)]
pub struct SystemSheet {
    /// The value of `system`.
    pub name: Spanned<String>,
    /// The file.
    pub sheet: Sheet,
}

impl SystemSheet {
    /// How many request/answer pairs stand in it.
    pub fn samples(&self) -> usize {
        let entities = self.sheet.node.get("entities").and_then(Node::as_map).unwrap_or_default();
        entities.iter().filter_map(|(_, entity)| entity.get("samples")?.as_list()).map(<[Node]>::len).sum()
    }
}

/// A bundle as read. A part that could not be read is absent and has been told in `found`.
#[derive(Debug)]
pub struct RawBundle<'e> {
    /// The files as they are.
    pub files: Arc<Files>,
    /// `gateway.yaml`
    pub gateway: Option<GatewaySettings>,
    /// `limits.yaml`
    pub plans: Option<Plans>,
    /// `hours.yaml`; empty where there is none.
    pub hours: Option<Arc<Hours>>,
    /// `access/*.cedar`
    pub access: Vec<Source>,
    /// `principals/*.yaml`, `attributes.yaml` among them.
    pub principals: Vec<Sheet>,
    /// `schema/*.yaml`
    pub schema: Vec<Sheet>,
    /// `systems/*.yaml`
    pub systems: Vec<SystemSheet>,
    /// `tests/*.yaml`
    pub tests: Vec<Sheet>,
    /// `proofs.yaml`, where there is one.
    pub proofs: Vec<Sheet>,
    /// What the references to secrets stand for.
    pub secrets: Secrets<'e>,
    /// Who signed it, where that was asked.
    pub signed: Option<Signed>,
    /// Mistakes so far.
    pub found: Diagnostics,
}

/// Reads a bundle from its folder.
///
/// # Errors
/// Only when the folder itself cannot be read or has something in it that does not belong; what is wrong
/// inside the files stands in [`RawBundle::found`].
pub fn load<'e>(dir: &Path, env: &'e dyn Env) -> Result<RawBundle<'e>, Report> {
    Files::read(dir).map(|files| RawBundle::of(files, env)).map_err(Report::without_files)
}

/// The same of a bundle that must be signed. Its files are read once: what was signed is what loads.
///
/// # Errors
/// Also where too few signed it, or something else than what stands there.
pub fn load_signed<'e>(
    dir: &Path,
    env: &'e dyn Env,
    trust: &Trust,
    now: Timestamp,
) -> Result<RawBundle<'e>, Report> {
    let files = Files::read(dir).map_err(Report::without_files)?;
    let (signed, doubts) = trust.admit(dir, &files, now)?;
    let mut raw = RawBundle::of(files, env);
    raw.signed = Some(signed);
    raw.found.absorb(doubts);
    Ok(raw)
}

impl<'e> RawBundle<'e> {
    /// Reads a bundle from files at hand.
    pub fn of(files: Files, env: &'e dyn Env) -> Self {
        let mut found = lock::doubts(&files);
        let sheets = |section, found: &mut Diagnostics| -> Vec<Sheet> {
            let sheet = |source: &Source| {
                Files::parsed(source, found).map(|node| Sheet { file: source.path.clone(), node })
            };
            files.section(section).filter_map(sheet).collect()
        };
        let systems = systems(sheets(Section::Systems, &mut found), &mut found);
        let names: Vec<String> = systems.iter().map(|system| system.name.value.clone()).collect();
        let gateway = single(&files, GATEWAY, &mut found)
            .and_then(|node| GatewaySettings::load(&node, &names, &mut found));
        let plans = single(&files, LIMITS, &mut found).and_then(|node| Plans::load(&node, &mut found));
        let hours = match files.text(HOURS) {
            Some(_) => single(&files, HOURS, &mut found).and_then(|node| Hours::load(&node, &mut found)),
            None => Some(Hours::default()),
        };
        let nothing_assigned = Named::default();
        let lists = gateway.as_ref().map_or(&nothing_assigned, |gateway| &gateway.secrets);
        let secrets = Secrets::new(env, lists, &mut found);
        let principals = sheets(Section::Principals, &mut found);
        let schema = sheets(Section::Schema, &mut found);
        let tests = sheets(Section::Tests, &mut found);
        let proofs = sheets(Section::Proofs, &mut found);
        let access: Vec<Source> = files.section(Section::Access).cloned().collect();
        if access.is_empty() {
            found.push(
                Diagnostic::error(
                    &Place::file("access"),
                    "`access/` is missing or empty: there are no statements",
                )
                .help("statements stand in `access/*.cedar`"),
            );
        }
        Self {
            access,
            principals,
            schema,
            systems,
            tests,
            proofs,
            gateway,
            plans,
            hours: hours.map(Arc::new),
            secrets,
            signed: None,
            found,
            files: Arc::new(files),
        }
    }

    /// Tells the references to secrets that nobody read as secrets. The last check of a bundle, after every
    /// room has read its trees.
    pub fn check_strays(&mut self) {
        let sheets = [&self.principals, &self.schema, &self.tests, &self.proofs].into_iter().flatten();
        let systems = self.systems.iter().map(|system| &system.sheet);
        for sheet in sheets.chain(systems) {
            self.secrets.strays(&sheet.node, &mut self.found);
        }
        for file in [GATEWAY, LIMITS] {
            // Their own mistakes were told when they were read.
            let mut told = Diagnostics::default();
            if let Some(node) = single(&self.files, file, &mut told) {
                self.secrets.strays(&node, &mut self.found);
            }
        }
    }

    /// The addresses of its own listeners as far as they can be read, the admin's last.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let of = |node: &Node| node.get("at")?.as_text()?.parse().ok();
        let all = self
            .gateway
            .iter()
            .flat_map(|gateway| gateway.listeners.iter().filter_map(of).chain([gateway.admin.at.value]));
        all.collect()
    }

    /// Puts other addresses in the place of the first listener's and the admin's.
    pub fn move_listener(&mut self, listen: Option<SocketAddr>, admin: Option<SocketAddr>) {
        let Some(gateway) = &mut self.gateway else { return };
        if let Some(at) = admin {
            gateway.admin.at.value = at;
        }
        if let (Some(at), Some(node)) = (listen, gateway.listeners.first_mut()) {
            put(node, "at", &at.to_string());
        }
    }

    /// Puts another address in the place of a system's, on this machine too.
    pub fn redirect(&mut self, system: &str, base: &str) {
        for sheet in self.systems.iter_mut().filter(|sheet| sheet.name.value == system) {
            put(&mut sheet.sheet.node, "base", base);
            put(&mut sheet.sheet.node, "allow_local", "true");
        }
    }

    /// The report on what was found so far.
    pub fn report(&self) -> Report {
        Report::new(self.files.clone(), self.found.clone())
    }
}

/// Sets the plain scalar under a key of a map.
fn put(node: &mut Node, key: &str, text: &str) {
    let place = node.place.clone();
    let value = Value::Scalar(Scalar { text: text.to_owned(), quoted: false });
    let Value::Map(pairs) = &mut node.value else { return };
    match pairs.iter_mut().find(|(name, _)| name.text == key) {
        Some((_, old)) => old.value = value,
        None => pairs.push((Key { text: key.to_owned(), place: place.clone() }, Node { value, place })),
    }
}

/// The tree of a file that must be there.
fn single(files: &Files, path: &str, found: &mut Diagnostics) -> Option<Node> {
    match files.text(path) {
        Some(text) => Files::parsed(&Source { path: path.into(), text: text.clone() }, found),
        None => {
            found.error(&Place::file(path), format!("`{path}` is missing"));
            None
        }
    }
}

/// Each file of `systems/` describes one system of its own name.
pub(super) fn systems(sheets: Vec<Sheet>, found: &mut Diagnostics) -> Vec<SystemSheet> {
    let mut systems: Vec<SystemSheet> = Vec::new();
    for sheet in sheets {
        let Some(name) = sheet.node.get("system") else {
            let place = Place::file(sheet.file.clone());
            found.push(
                Diagnostic::error(&place, "key `system` is missing")
                    .help("it names the system: `system: crm`"),
            );
            continue;
        };
        let Some(name) = Spanned::<String>::read(name, found) else { continue };
        check_name(&name, "a system", found);
        match systems.iter().find(|other| other.name.value == name.value) {
            Some(other) => {
                found.error(
                    &name.place,
                    format!("`{}` describes system `{}` already", other.sheet.file, name.value),
                );
            }
            None => systems.push(SystemSheet { name, sheet }),
        }
    }
    systems
}
