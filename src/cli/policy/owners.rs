//! `bramka policy owners`: who must review which file of a bundle, for GitHub and GitLab.
//!
//! What decides about access is the security team's: statements, principals, plans, and each mapping and schema of a
//! field that statements read or partners see, because it says what such a field is. So is a file that is
//! new since: what nobody has looked at is not handed to others.

use std::collections::BTreeMap;

use clap::Args;

use super::{Where, compiled};
use crate::{
    claims::{Covered, Matrix, Subject},
    cli::{Came, error::VerbError, out},
    config::{self, CATALOGUE, Files, Placeholders, Section, Sheet, Snapshot},
    schema::{Entity, FieldSet},
    words::{Kind, SystemName},
};

/// LIMIT: fields named in the comment of a file.
const NAMED_MAX: usize = 12;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    bramka policy owners --team @acme/security --rest @acme/integration > .github/CODEOWNERS\n\n\
    Without `--rest` everything is the team's. Make it anew when a system, a field or a statement is added.")]
pub(in crate::cli) struct OwnersOf {
    /// Who reviews what decides about access, as CODEOWNERS names them
    #[arg(long, value_parser = owner)]
    team: String,
    /// Who reviews the other systems and schemas, and the catalogue
    #[arg(long, value_parser = owner)]
    rest: Option<String>,
    /// Where the folder of the policies stands in the repository; as `--policies` says where that is relative
    #[arg(long, value_name = "PATH")]
    at: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &OwnersOf) -> Result<Came, VerbError> {
    let policies = &arguments.place.policies;
    let at = match &arguments.at {
        Some(at) => at.clone(),
        None if policies.is_relative() && !policies.starts_with("..") => {
            policies.to_string_lossy().into_owned()
        }
        None => {
            let told = "say where the policies stand in the repository, as in `--at policies`";
            return Err(VerbError::Misused(told.to_owned()));
        }
    };
    let raw = config::load(policies, &Placeholders).map_err(VerbError::Bundle)?;
    let title =
        |sheet: &Sheet| Some((sheet.node.get("title")?.as_text()?.to_owned(), sheet.file.to_string()));
    let described = Described {
        systems: raw.systems.iter().map(|one| (one.name.value.clone(), one.sheet.file.to_string())).collect(),
        schemas: raw.schema.iter().filter_map(title).collect(),
    };
    let loaded = compiled(raw, policies).map_err(VerbError::Bundle)?;
    let reasons = reasons(&loaded.snapshot, &described);
    let at = at.trim_start_matches("./").trim_matches('/').to_owned();
    let telling = Telling { at: &at, arguments, files: &loaded.files, reasons: &reasons };
    telling.lines().iter().for_each(|line| out::say(line));
    Ok(Came::Right)
}

/// The file of each system and each entity, by their names.
struct Described {
    systems: BTreeMap<String, String>,
    schemas: BTreeMap<String, String>,
}

/// Why a file is the security team's, in the order of entities.
type Reasons = BTreeMap<String, Vec<String>>;

/// The files of systems and schemas that hold a field which statements read or partners see.
fn reasons(snapshot: &Snapshot, described: &Described) -> Reasons {
    let mut reasons = Reasons::new();
    let of_partners =
        Covered::of(snapshot).only(|one| one.kind() == Kind::Partner || one.partner().is_some());
    let matrix = Matrix::of(snapshot, &of_partners, &|_| {});
    let file_of = |system: &SystemName| described.systems.get(system.as_str()).cloned();
    for entity in snapshot.schema.entities() {
        let read = snapshot.policies.reading(entity);
        let seen = seen(&matrix, entity);
        let all = read.union(&seen);
        let why = |leaves: &FieldSet| {
            let named = |of: &FieldSet, who: &str| {
                let names = names(entity, &leaves.intersection(of));
                (!names.is_empty()).then(|| format!("{}, {who}: {names}", entity.name))
            };
            [named(&read, "statements read"), named(&seen, "partners see or change")].into_iter().flatten()
        };
        for (system, leaves) in told(snapshot, entity) {
            if let Some(file) = file_of(&system).filter(|_| !leaves.intersection(&all).is_empty()) {
                reasons.entry(file).or_default().extend(why(&leaves));
            }
        }
        if let Some(schema) = described.schemas.get(entity.name.as_str()).filter(|_| !all.is_empty()) {
            reasons.entry(schema.clone()).or_default().extend(why(&entity.all()));
        }
    }
    for row in matrix.rows {
        let Subject::System(system) = &row.subject else { continue };
        if let Some(file) = file_of(system) {
            reasons.entry(file).or_default().push("partners call it as it is".to_owned());
        }
    }
    for why in reasons.values_mut() {
        why.dedup();
    }
    reasons
}

/// What each system tells of the records of an entity.
fn told(snapshot: &Snapshot, entity: &Entity) -> Vec<(SystemName, FieldSet)> {
    let sources = snapshot.serving(entity).into_iter().flat_map(|sources| sources.all());
    let mut all: Vec<(SystemName, FieldSet)> =
        sources.map(|source| (source.mapping.system().clone(), source.mapping.own())).collect();
    all.extend(snapshot.parts(entity).iter().map(|part| (part.system.clone(), part.leaves)));
    all
}

/// Fields of an entity that some partner can be shown, or change.
fn seen(matrix: &Matrix, entity: &Entity) -> FieldSet {
    let rows = matrix.rows.iter().filter(|row| row.subject.as_str() == entity.name.as_str());
    let cells = rows.flat_map(|row| &row.cells);
    cells.filter_map(|cell| entity.leaf_at(cell.field.as_str())).collect()
}

fn names(entity: &Entity, leaves: &FieldSet) -> String {
    let all: Vec<&str> =
        leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str()).collect();
    let shown = all.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

struct Telling<'a> {
    at: &'a str,
    arguments: &'a OwnersOf,
    files: &'a Files,
    reasons: &'a Reasons,
}

impl Telling<'_> {
    fn lines(&self) -> Vec<String> {
        let OwnersOf { team, rest, .. } = self.arguments;
        let mut lines = vec![
            "# Made by `bramka policy owners`; of several lines the last that fits counts.".to_owned(),
            "# What decides about access, and every file that is new since this was made:".to_owned(),
            format!("CODEOWNERS {team}"),
            self.line("", team),
        ];
        let Some(rest) = rest else { return lines };
        lines.push("# Systems that stand ready; no gate loads them:".to_owned());
        lines.push(self.line(&format!("{CATALOGUE}/"), rest));
        for section in [Section::Systems, Section::Schema] {
            for source in self.files.section(section) {
                let why = self.reasons.get(&*source.path);
                let owner = match why {
                    Some(why) => {
                        lines.extend(why.iter().map(|why| format!("# {why}")));
                        team
                    }
                    None => {
                        lines.push("# no field that statements read or partners see".to_owned());
                        rest
                    }
                };
                lines.push(self.line(&source.path, owner));
            }
        }
        lines
    }

    fn line(&self, path: &str, owner: &str) -> String {
        let at = if self.at.is_empty() || self.at == "." { String::new() } else { format!("/{}", self.at) };
        // A blank ends a path there.
        format!("{} {owner}", format!("{at}/{path}").replace(' ', "\\ "))
    }
}

/// A team, a person or an address, as CODEOWNERS names them.
fn owner(text: &str) -> Result<String, String> {
    let is_one =
        text.contains('@') && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '#');
    if is_one { Ok(text.to_owned()) } else { Err("a team as in `@acme/security`, or an address".to_owned()) }
}
