//! `bramka policy matrix`: who can reach which field of which entity by which action.

mod html;
mod lines;

use std::{fs, io, io::IsTerminal, path::PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use super::{Loaded, SecretsOf, Where, load};
use crate::{
    claims::{Cell, Covered, Matrix, Row, Subject},
    cli::{Came, error::VerbError, out},
    explaining::ActionWord,
    policy::Surety,
    schema::Class,
    words::{StatementId, nearest},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka policy matrix\n  bramka policy matrix --group partners --entity Order\n  \
    bramka policy matrix --field Customer.tax_ids --csv\n  bramka policy matrix --html access.html\n\n\
    It tells the most that statements leave open, over every record, connection, time and scope. `always` holds of\n\
    every record that can be judged, by a credential for all groups of its principal; `depends` is all else that is\n\
    not ruled out. What is not in it can never happen through the gate."
)]
pub(in crate::cli) struct MatrixOf {
    /// Only of this principal: Kind/id, Anonymous, or Kind/issuer|* for any whom an issuer vouches for
    #[arg(long = "as", value_name = "KIND/ID")]
    who: Option<String>,
    /// Only of those who are, or can be, in this group
    #[arg(long)]
    group: Option<String>,
    /// Only of this partner's apps and people
    #[arg(long)]
    partner: Option<String>,
    /// Only on this entity or system
    #[arg(long, value_name = "ENTITY", conflicts_with = "field")]
    entity: Option<String>,
    /// Only this field, or those under it: Entity.path
    #[arg(long, value_name = "ENTITY.FIELD")]
    field: Option<String>,
    /// Only this action: read, list, create, update, delete or call
    #[arg(long, value_parser = ActionWord::named)]
    action: Option<ActionWord>,
    /// Print CSV, a line a field
    #[arg(long, group = "form")]
    csv: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Write it as a page for reading and printing into this file
    #[arg(long, value_name = "FILE", group = "form")]
    html: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &MatrixOf) -> Result<Came, VerbError> {
    let loaded = load(&arguments.place.policies, SecretsOf::Nobody).map_err(VerbError::Bundle)?;
    let covered = arguments.covered(&loaded)?;
    let (subject, field) = arguments.subject(&loaded)?;
    let many = covered.iter().count();
    let shown = io::stderr().is_terminal() && many > 100;
    let matrix = Matrix::of(&loaded.snapshot, &covered, &|done| {
        if done % 50 == 0 {
            out::progress(shown, &format!("{done} of {many}"));
        }
    });
    out::progress(shown, "");
    let action = arguments.action.map(ActionWord::action);
    let matrix = matrix.only(subject.as_deref(), action, field.as_deref());
    if arguments.csv {
        lines::csv(&matrix).iter().for_each(|line| out::say(line));
    } else if arguments.json {
        out::say(&as_json(&matrix).to_string());
    } else if let Some(file) = &arguments.html {
        fs::write(file, html::page(&loaded.snapshot, &matrix)).map_err(VerbError::file(file))?;
        out::note(&format!("{}: {}", file.display(), lines::summary(&matrix)));
    } else {
        lines::text(&matrix, out::colour(&io::stdout())).iter().for_each(|line| out::say(line));
    }
    Ok(Came::Right)
}

impl MatrixOf {
    /// Whom it is asked about.
    fn covered(&self, loaded: &Loaded) -> Result<Covered, VerbError> {
        let all = Covered::of(&loaded.snapshot);
        let names: Vec<String> = all.iter().map(|someone| someone.name().to_owned()).collect();
        if let Some(who) = self.who.as_ref().filter(|who| !names.contains(who)) {
            let known = names.iter().map(String::as_str);
            return Err(VerbError::Misused(unknown("nobody here is", who, known)));
        }
        let types = loaded.snapshot.sources.registry().types();
        if let Some(group) = &self.group {
            let known: Vec<&str> = types.groups().map(|(group, _)| group.as_str()).collect();
            if !known.contains(&group.as_str()) {
                return Err(VerbError::Misused(unknown("no group is called", group, known.into_iter())));
            }
        }
        if let Some(partner) = &self.partner {
            let partners = loaded.snapshot.sources.registry().partners();
            let known: Vec<&str> = partners.map(|(id, _)| id.as_str()).collect();
            if !known.contains(&partner.as_str()) {
                return Err(VerbError::Misused(unknown("no partner is called", partner, known.into_iter())));
            }
        }
        Ok(all.only(|someone| {
            self.who.as_ref().is_none_or(|who| someone.name() == who)
                && self.group.as_ref().is_none_or(|group| someone.may_be_in(group))
                && self
                    .partner
                    .as_ref()
                    .is_none_or(|partner| someone.partner().is_some_and(|of| of.as_str() == partner))
        }))
    }

    /// The entity or system, and the field, that it is asked about.
    fn subject(&self, loaded: &Loaded) -> Result<(Option<String>, Option<String>), VerbError> {
        let schema = &loaded.snapshot.schema;
        let entities = schema.entities().iter().map(|entity| entity.name.as_str());
        let systems = loaded.snapshot.systems.keys().map(|system| system.as_str());
        let names: Vec<&str> = entities.chain(systems).collect();
        if let Some(field) = &self.field {
            let (entity, path) = field
                .split_once('.')
                .ok_or_else(|| VerbError::Misused("a field is written Entity.path".to_owned()))?;
            let Some(entity) = schema.entity(entity) else {
                return Err(VerbError::Misused(unknown("no entity is called", entity, names.into_iter())));
            };
            if entity.leaves_under(path).is_empty() {
                let paths: Vec<&str> = entity.leaves.iter().map(|leaf| leaf.path.as_str()).collect();
                let of = format!("no field of {} is called", entity.name);
                return Err(VerbError::Misused(unknown(&of, path, paths.into_iter())));
            }
            return Ok((Some(entity.name.to_string()), Some(path.to_owned())));
        }
        match &self.entity {
            Some(name) if !names.contains(&name.as_str()) => {
                Err(VerbError::Misused(unknown("no entity or system is called", name, names.into_iter())))
            }
            name => Ok((name.clone(), None)),
        }
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("{what} `{name}`; did you mean `{near}`?"),
        None => format!("{what} `{name}`"),
    }
}

fn as_json(matrix: &Matrix) -> Json {
    let ids = |ids: &[StatementId]| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    let cell = |cell: &Cell| {
        json!({
            "field": cell.field.as_str(), "class": cell.class.as_str(), "surety": cell.surety.as_str(),
            "shown": cell.shown.map(|shown| shown.as_str()), "filters": cell.filters,
        })
    };
    let row = |row: &Row| {
        let about = match &row.subject {
            Subject::Entity(_) => "entity",
            Subject::System(_) => "system",
        };
        json!({
            "who": row.who, about: row.subject.as_str(), "action": row.action.as_str(),
            "surety": row.surety.as_str(), "permits": ids(&row.permits), "forbids": ids(&row.forbids),
            "fields": row.cells.iter().map(cell).collect::<Vec<_>>(),
        })
    };
    json!({
        "bundle": matrix.bundle.to_string(),
        "covered": matrix.covered,
        "rows": matrix.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Whether a class is named one by one in statements: what a reader looks for first.
fn is_close(class: Class) -> bool {
    !class.is_granted_by_star()
}

/// How a field is shown, where not whole and always.
fn remarks(row: &Row, cell: &Cell) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if is_close(cell.class) {
        remarks.push(cell.class.as_str());
    }
    if let Some(shown) = cell.shown.filter(|shown| *shown != crate::policy::Openness::Shown) {
        remarks.push(shown.as_str());
    }
    if row.surety == Surety::Always && cell.surety == Surety::Depends {
        remarks.push("depends");
    }
    remarks
}
