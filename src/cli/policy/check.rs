//! `bramka policy check`: every mistake of a bundle at once, those of its tests and of its catalogue too, what must be
//! proved of it and is not, or what it consists of.

use std::path::Path;

use clap::Args;
use serde_json::{Value as Json, json};

use super::{
    Loaded, SecretsOf, Where, cases,
    formats::{self, Format},
    load, proofs,
};
use crate::{
    claims,
    cli::{Came, error::VerbError, out, serve},
    clock,
    config::{Catalogue, Report},
    words::Diagnostics,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka policy check --policies policies\n  \
    bramka policy check --without-secrets --json\n  \
    bramka policy check --without-secrets --format sarif > bramka.sarif")]
pub(in crate::cli) struct Check {
    /// Print JSON: the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Take every secret for given: for a reviewer's machine, which has none
    #[arg(long)]
    without_secrets: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &Check) -> Result<Came, VerbError> {
    let secrets = if arguments.without_secrets { SecretsOf::Nobody } else { SecretsOf::Machine };
    // What is wrong though the policies would serve.
    let mut but = None;
    let loaded = load(&arguments.place.policies, secrets).and_then(|mut loaded| {
        let listeners = loaded.snapshot.check_listeners(&serve::base(&arguments.place.policies));
        let tests = cases::check(&loaded.tests, loaded.snapshot.sources.registry());
        let (proofs, proved) = proofs::check(&loaded.proofs, &loaded.snapshot);
        loaded.proved = proved;
        loaded.warnings = std::mem::take(&mut loaded.warnings).with(claims::lint(&loaded.snapshot));
        let catalogue = catalogue(&arguments.place.policies, &mut loaded);
        but = if listeners.has_errors() {
            None
        } else if tests.has_errors() {
            Some("their tests cannot be run")
        } else if proofs.has_errors() {
            Some("what must be proved of them is not")
        } else {
            Some("their catalogue has mistakes")
        };
        loaded.warnings = loaded.warnings.with(listeners).with(tests).with(proofs).with(catalogue);
        match loaded.warnings.counts() {
            (0, _) => Ok(loaded),
            _ => Err(loaded.warnings),
        }
    });
    let (report, counts) = match &loaded {
        Ok(loaded) => (&loaded.warnings, Some(Counts::of(loaded))),
        Err(report) => (report, None),
    };
    let policies = &arguments.place.policies;
    match if arguments.json { Format::Json } else { arguments.format } {
        Format::Json => out::say(&as_json(report, counts.as_ref()).to_string()),
        Format::Sarif => out::say(&formats::sarif(report, policies).to_string()),
        Format::Github => {
            let lines = formats::github(report, policies);
            lines.lines().for_each(out::say);
            out::say(&summary(counts.as_ref(), but));
        }
        Format::Text => {
            out::say_report(report);
            out::say(&summary(counts.as_ref(), but));
        }
    }
    Ok(if loaded.is_ok() { Came::Right } else { Came::Wrong })
}

/// What it comes to, in one line.
fn summary(counts: Option<&Counts>, but: Option<&str>) -> String {
    match (counts, but) {
        (Some(counts), _) => counts.words(),
        (None, Some(but)) => format!("these policies serve; {but}"),
        (None, None) => "these policies do not serve".to_owned(),
    }
}

/// What is wrong with the systems that stand ready beside those in use.
fn catalogue(policies: &Path, loaded: &mut Loaded) -> Diagnostics {
    let catalogue = match Catalogue::read(policies) {
        Ok(catalogue) => catalogue,
        Err(found) => return found,
    };
    loaded.catalogue = catalogue.counts();
    loaded.warnings = std::mem::take(&mut loaded.warnings).beside(catalogue.sources());
    catalogue.check(&loaded.snapshot.schema, clock::now())
}

/// What a bundle consists of.
struct Counts {
    bundle: String,
    parts: [(&'static str, usize); 7],
    catalogue: (usize, usize),
}

impl Counts {
    fn of(loaded: &Loaded) -> Self {
        let snapshot = &loaded.snapshot;
        Self {
            bundle: snapshot.digest.to_string(),
            parts: [
                ("entities", snapshot.schema.entities().len()),
                ("statements", snapshot.policies.ids().count()),
                ("principals", snapshot.sources.registry().iter().count()),
                ("plans", snapshot.plans.iter().count()),
                ("systems", snapshot.systems.len()),
                ("samples", loaded.samples),
                ("proofs", loaded.proved),
            ],
            catalogue: loaded.catalogue,
        }
    }

    fn words(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let short: String = self.bundle.chars().take(12).collect();
        let beside = match self.catalogue {
            (0, _) => String::new(),
            (systems, samples) => format!("; in the catalogue: {systems} systems, {samples} samples"),
        };
        format!("bundle {short} serves: {}{beside}", parts.join(", "))
    }
}

fn as_json(report: &Report, counts: Option<&Counts>) -> Json {
    let mut told: Json = serde_json::from_str(&report.json()).unwrap_or_default();
    if let Some(map) = told.as_object_mut() {
        map.insert("good".into(), counts.is_some().into());
        if let Some(counts) = counts {
            map.insert("bundle".into(), counts.bundle.as_str().into());
            let parts: Vec<(String, Json)> =
                counts.parts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
            map.insert("counts".into(), parts.into_iter().collect());
            let (systems, samples) = counts.catalogue;
            map.insert("catalogue".into(), json!({ "systems": systems, "samples": samples }));
        }
    }
    told
}
